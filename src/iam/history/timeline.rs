//! One thing's beginning and its edits.
//!
//! Events have whole seconds. Of those within one second the order is the one that IAM can have taken them in: what takes
//! away finds something, what is made was not there, what is deleted is deleted last unless it is made again.
//!
//! Invariant: what a timeline tells depends on its beginning and the set of its edits.

use std::collections::BTreeMap;

use crate::iam::history::History;
use crate::iam::history::Inserted;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::model::Seconds;

/// When, and which event.
pub(super) type Stamp = (Seconds, Box<str>);

/// How many names back a thing is followed.
const MAX_NAMES: usize = 8;

/// One thing's history.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The last event that is part of the beginning.
    pub floor: Option<Stamp>,
    /// What was before all edits.
    pub base: Option<Thing>,
    edits: BTreeMap<Stamp, Edit>,
    /// What the store does not have yet.
    pub unwritten: Vec<Stamp>,
    /// Whether the store has another beginning.
    pub is_folded: bool,
}

impl Timeline {
    pub fn from(base: Option<Thing>, floor: Option<Stamp>) -> Self {
        Self { floor, base, ..Self::default() }
    }

    pub fn insert(&mut self, stamp: Stamp, edit: Edit) -> Inserted {
        if self.floor.as_ref().is_some_and(|floor| stamp <= *floor) {
            return Inserted::TooLate;
        }
        if self.edits.contains_key(&stamp) {
            return Inserted::There;
        }
        self.unwritten.push(stamp.clone());
        self.edits.insert(stamp, edit);
        Inserted::New
    }

    /// Puts another edit in the place of one that is there.
    pub fn replace(&mut self, stamp: &Stamp, edit: Edit) {
        if let Some(place) = self.edits.get_mut(stamp) {
            *place = edit;
            self.unwritten.push(stamp.clone());
        }
    }

    /// Returns whether an edit after `stamp` writes over what `edit` wrote there.
    pub fn is_overwritten(&self, stamp: &Stamp, edit: &Edit) -> bool {
        let mut later =
            self.edits.iter().filter(|(other, _)| other.0 >= stamp.0 && *other != stamp);
        later.any(|(_, other)| other.writes_over(edit))
    }

    pub fn edit(&self, stamp: &Stamp) -> Option<&Edit> {
        self.edits.get(stamp)
    }

    /// Returns the edits from `time` on.
    pub fn since(&self, time: Seconds) -> impl Iterator<Item = (Seconds, &Edit)> {
        let later = self.edits.range((time, Box::from(""))..);
        later.map(|(stamp, edit)| (stamp.0, edit))
    }

    pub fn edits(&self) -> usize {
        self.edits.len()
    }

    pub fn first(&self) -> Option<Seconds> {
        self.edits.keys().next().map(|stamp| stamp.0)
    }

    pub fn times(&self) -> impl Iterator<Item = Seconds> {
        self.edits.keys().map(|stamp| stamp.0)
    }

    /// Returns the thing after all events up to and with the second `time`.
    pub fn at(&self, key: &Key, time: Seconds, history: &History) -> Option<Thing> {
        self.walk(key, time, (history, MAX_NAMES), None).0
    }

    /// Returns the thing right before and right after an event.
    pub fn around(
        &self,
        key: &Key,
        stamp: &Stamp,
        history: &History,
    ) -> (Option<Thing>, Option<Thing>) {
        self.walk(key, stamp.0, (history, MAX_NAMES), Some(stamp)).1
    }

    /// Returns the thing after `until`, and before and after the event that is watched.
    fn walk(
        &self,
        key: &Key,
        until: Seconds,
        (history, names): (&History, usize),
        watched: Option<&Stamp>,
    ) -> (Option<Thing>, (Option<Thing>, Option<Thing>)) {
        let (mut thing, mut around) = (self.base.clone(), (None, None));
        let mut rest = self.edits.iter().take_while(|(stamp, _)| stamp.0 <= until).peekable();
        while let Some(first) = rest.next() {
            let second = first.0.0;
            let mut group = vec![first];
            while let Some(other) = rest.next_if(|(stamp, _)| stamp.0 == second) {
                group.push(other);
            }
            while !group.is_empty() {
                let next = if group.len() == 1 { 0 } else { first_of(&group, thing.as_ref()) };
                let (stamp, edit) = group.remove(next);
                let is_watched = watched == Some(stamp);
                if is_watched {
                    around.0 = thing.clone();
                }
                if let Edit::RenamedFrom { name, .. } = edit {
                    thing = inherited(key, name, second, (history, names)).or(thing);
                }
                edit.apply(key, second, &mut thing);
                if is_watched {
                    around.1 = thing.clone();
                }
            }
        }
        (thing, around)
    }

    /// Returns what was called like this thing later.
    pub fn heirs(&self, key: &Key) -> Vec<Key> {
        let names = self.edits.values().filter_map(|edit| match edit {
            Edit::RenamedTo { name } => Some(name),
            _ => None,
        });
        names.filter_map(|name| renamed(key, name)).collect()
    }

    /// Makes all before `time` part of the beginning, which is then `base`; returns how many edits that are.
    pub fn fold(&mut self, base: Option<Thing>, time: Seconds) -> usize {
        let rest = self.edits.split_off(&(time, "".into()));
        let folded = std::mem::replace(&mut self.edits, rest);
        if let Some((last, _)) = folded.last_key_value() {
            // Any event of that second would come too late, whatever its id.
            self.floor = Some((last.0, "\u{10ffff}".into()));
            self.base = base;
            self.is_folded = true;
        }
        self.unwritten.retain(|stamp| self.edits.contains_key(stamp));
        folded.len()
    }

    /// Returns a moment with half of the edits before it.
    pub fn middle(&self) -> Seconds {
        self.times().nth(self.edits.len() / 2).unwrap_or_default()
    }

    /// Returns what a membership's events tell of its member: all of them once it is known whose it is.
    pub fn of_membership(&self) -> Vec<(Key, Stamp, Edit)> {
        let made = self.edits.values().find_map(|edit| match edit {
            Edit::Made(Thing::Member { group, user }) => Some((group, user)),
            _ => None,
        });
        let base = match &self.base {
            Some(Thing::Member { group, user }) => Some((group, user)),
            _ => None,
        };
        let Some((group, user)) = made.or(base) else { return Vec::new() };
        let key = Key::Member { group: group.clone(), user: user.clone() };
        let all = self.edits.iter();
        all.map(|(stamp, edit)| (key.clone(), stamp.clone(), edit.clone())).collect()
    }
}

/// Returns the edit of a second's that comes first.
fn first_of(group: &[(&Stamp, &Edit)], thing: Option<&Thing>) -> usize {
    let is_made = group.iter().any(|(_, edit)| is_beginning(edit));
    let rank = |edit: &Edit| match edit {
        edit if edit.takes_away() && edit.finds(thing) => 0,
        Edit::Deleted | Edit::Gone | Edit::RenamedTo { .. } if thing.is_some() && is_made => 1,
        edit if is_beginning(edit) && thing.is_none() => 2,
        Edit::Version { id, .. } => 10 + number(id),
        Edit::Default { .. } => 1_000_000,
        edit if edit.takes_away() => 1_000_001,
        Edit::Deleted | Edit::Gone | Edit::RenamedTo { .. } => 1_000_002,
        _ => 3,
    };
    // What was made in this very second is deleted after all else that was done to it.
    let is_end = |edit: &Edit| matches!(edit, Edit::Deleted | Edit::Gone);
    let others = group.iter().filter(|(_, edit)| !is_end(edit)).count();
    let is_ready = |edit: &Edit| !is_end(edit) || is_made || others == 0;
    let ready = (0..group.len()).filter(|at| is_ready(group[*at].1));
    ready.min_by_key(|at| rank(group[*at].1)).unwrap_or_default()
}

fn is_beginning(edit: &Edit) -> bool {
    matches!(edit, Edit::Made(_) | Edit::RenamedFrom { .. })
}

fn number(version: &str) -> u32 {
    version.trim_start_matches('v').parse::<u32>().unwrap_or_default().min(900_000)
}

/// Returns what was called `name` until `time`.
fn inherited(
    key: &Key,
    name: &str,
    time: Seconds,
    (history, names): (&History, usize),
) -> Option<Thing> {
    // A new path alone leaves it where it is.
    let old = renamed(key, name).filter(|old| old != key)?;
    let names = names.checked_sub(1)?;
    let mut thing = match history.timelines.get(&old) {
        Some(timeline) => {
            let until = Seconds(time.0.saturating_sub(1));
            timeline.walk(&old, until, (history, names), None).0
        }
        None => thing::get(&history.now, &old),
    };
    // The path stays; where it changes as well, the event says the new ARN.
    if let (Some(entity), Key::User { name, .. } | Key::Group { name, .. }) =
        (thing.as_mut().and_then(Thing::entity_mut), key)
        && let Some((before, _)) = entity.arn.rsplit_once('/')
    {
        entity.arn = format!("{before}/{name}").into();
    }
    thing
}

/// Returns the key of the same sort with another name.
pub(super) fn renamed(key: &Key, name: &str) -> Option<Key> {
    let name = name.into();
    Some(match key {
        Key::User { account, .. } => Key::User { account: account.clone(), name },
        Key::Group { account, .. } => Key::Group { account: account.clone(), name },
        _ => return None,
    })
}
