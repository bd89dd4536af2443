//! The history of every policy, in the time of the events that changed it.
//!
//! Each thing has a beginning, which a snapshot tells or nobody, and its edits in the order of their time. A late event is put
//! where it belongs and the thing is told anew from there. What is older than the history is kept becomes part of the
//! beginning, so that a thing nobody changed lately costs only its place in the state.
//!
//! Invariant: the state follows from the beginning and the set of events, never from the order in which they came.
//! Read on in `history/thing.rs`, `history/edit.rs`, `history/timeline.rs` and `history/change.rs`.

mod after;
mod bare;
#[cfg(test)]
mod beside_tests;
mod came;
mod carried;
pub mod change;
mod documents;
pub mod edit;
pub mod fill;
mod journal;
pub mod table;
mod taken;
#[cfg(test)]
mod tests;
pub mod thing;
mod timeline;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

pub use documents::Documents;

use crate::iam::history::carried::Carried;
use crate::iam::history::change::Change;
use crate::iam::history::edit::Edit;
use crate::iam::history::journal::Did;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::history::timeline::Stamp;
use crate::iam::history::timeline::Timeline;
use crate::iam::lesson::Lesson;
use crate::iam::policy::Text;
use crate::iam::snapshot::Snapshot;
use crate::iam::standing::touched::Touched;
use crate::iam::state::State;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How much earlier than a snapshot an event may be and still not be in it: IAM answers from copies that lag behind.
pub const OVERLAP: Span = Span(300);

/// How many edits are kept; the oldest become part of their things' beginnings before there are more.
pub const MAX_EDITS: usize = 200_000;

/// How many edits of one thing are kept.
const MAX_EDITS_OF_ONE: usize = 1_000;

/// The history.
#[derive(Debug, Default)]
pub struct History {
    now: State,
    timelines: BTreeMap<Key, Timeline>,
    edits: usize,
    /// When each part of the snapshot was taken, where that is known ([`Key::part`]).
    taken: BTreeMap<Box<str>, Seconds>,
    documents: Documents,
    /// What happened before is part of the beginnings.
    floor: Option<Seconds>,
    /// What has to be written with the next commit.
    dirty: BTreeSet<Key>,
    /// What the store has and a snapshot knows better, with the time up to which.
    stale: BTreeMap<Key, Seconds>,
    carried: Carried,
    /// What was done since another history is loaded to take this one's place.
    journal: Option<Vec<Did>>,
    /// What changed since an inventory last asked.
    touched: Touched,
}

impl History {
    /// Begins with a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        let Snapshot { state, taken, documents, memberships } = snapshot;
        let mut timelines = BTreeMap::new();
        for (id, (group, user)) in memberships {
            let base = Some(Thing::Member { group, user });
            timelines.insert(Key::Membership { id }, Timeline::from(base, None));
        }
        Self { now: state, timelines, taken, documents, ..Self::default() }
    }

    /// Begins with a snapshot and what the store knows to have happened since.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load(snapshot: Snapshot, connection: &Connection) -> Result<Self, StoreError> {
        let mut history = Self::new(snapshot);
        // Whoever writes meanwhile must not be seen in one of the reads and not in another.
        let _steady = table::steady(connection)?;
        history.floor = table::floor(connection)?;
        for (key, floor, base) in table::beginnings(connection)? {
            if let Some(until) = history.contained_until(&key, floor.0) {
                history.stale.insert(key, until);
                continue;
            }
            let base = base.map(|mut thing| {
                history.documents.share_thing(&mut thing);
                thing
            });
            thing::put(&mut history.now, &key, base.clone());
            history.timelines.insert(key, Timeline::from(base, Some(floor)));
        }
        table::edits(connection, &mut |key, stamp, mut edit| {
            if let Some(until) = history.contained_until(&key, stamp.0) {
                history.stale.insert(key, until);
                return;
            }
            history.documents.share_edit(&mut edit);
            history.carried.note(&key, &stamp, &edit);
            history.insert(&key, stamp, edit);
        })?;
        let keys: Vec<Key> = history.timelines.keys().cloned().collect();
        for key in keys {
            if let Some(timeline) = history.timelines.get_mut(&key) {
                timeline.unwritten = Vec::new();
            }
            history.retell(&key);
        }
        history.dirty.clear();
        history.timelines.retain(|key, timeline| !is_in_state(key, timeline));
        Ok(history)
    }

    /// Writes what was learned since the last save.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for (key, until) in std::mem::take(&mut self.stale) {
            table::drop(tx, &key, until)?;
        }
        let mut is_folded = false;
        for key in std::mem::take(&mut self.dirty) {
            let Some(timeline) = self.timelines.get_mut(&key) else { continue };
            is_folded |= timeline.is_folded;
            table::put(tx, &key, timeline)?;
            if is_in_state(&key, timeline) {
                self.timelines.remove(&key);
            }
        }
        match self.floor {
            Some(floor) if is_folded => table::put_floor(tx, floor),
            _ => Ok(()),
        }
    }

    /// Returns what stands after all events.
    pub fn now(&self) -> &State {
        &self.now
    }

    /// Returns what changed since it was last asked; at the beginning that is everything.
    pub fn touched(&mut self) -> Touched {
        self.touched.take()
    }

    /// Asks what stands as if `things` were what they were before.
    pub fn as_before<R>(
        &mut self,
        things: &[(Key, Option<Thing>)],
        ask: impl FnOnce(&State) -> R,
    ) -> R {
        let keys = things.iter().map(|(key, _)| key);
        let after: Vec<_> = keys.map(|key| (key, thing::get(&self.now, key))).collect();
        for (key, thing) in things {
            thing::put(&mut self.now, key, thing.clone());
        }
        let answer = ask(&self.now);
        for (key, thing) in after {
            thing::put(&mut self.now, key, thing);
        }
        answer
    }

    /// Returns what stands after all events, and nothing of how it came to be.
    pub fn into_state(self) -> State {
        self.now
    }

    /// Returns how many edits are kept.
    pub fn edits(&self) -> usize {
        self.edits
    }

    /// Returns how many different documents are known.
    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    /// Returns since when it is known what stood, where that is not since ever: older edits became part of the beginnings, and
    /// what was before a snapshot is not in it.
    pub fn known_since(&self) -> Option<Seconds> {
        let taken = self.taken.values().copied().max();
        // Of a part that nothing was told of since its snapshot, what stood before is not known either.
        self.floor.max(taken)
    }

    /// Returns what stood at `time`, the events of that second included; as far back as edits are kept.
    pub fn state_at(&self, time: Seconds) -> State {
        let mut state = self.now.clone();
        for (key, timeline) in &self.timelines {
            thing::put(&mut state, key, timeline.at(key, time, self));
        }
        state
    }

    /// Takes in what a record taught; returns what it changed, before and after at its place in time.
    ///
    /// An event that came before changes nothing. Of one that is older than what is known, the text is told and what was
    /// before it is not known.
    pub fn take(&mut self, lesson: Lesson, time: Seconds, event_id: &str) -> Vec<Change> {
        let stamp: Stamp = (time, event_id.into());
        self.note(|| Did::Took(lesson.clone(), stamp.clone()));
        let mut changes = Vec::new();
        for (key, mut edit) in lesson.edits {
            self.documents.share_edit(&mut edit);
            changes.extend(self.take_one(&key, stamp.clone(), edit));
        }
        if self.edits > MAX_EDITS {
            self.make_room();
        }
        changes
    }

    fn take_one(&mut self, key: &Key, stamp: Stamp, edit: Edit) -> Vec<Change> {
        let is_early = self.floor.is_some_and(|floor| stamp.0 < floor);
        if is_early || self.contained_until(key, stamp.0).is_some() {
            return self.told_late(key, stamp.0, &edit);
        }
        match self.insert(key, stamp.clone(), edit.clone()) {
            Inserted::There => return Vec::new(),
            Inserted::TooLate => return self.told_late(key, stamp.0, &edit),
            Inserted::New => {}
        }
        self.know_policy_of_aws(key, &edit);
        let around = self.timelines.get(key).map(|it| it.around(key, &stamp, self));
        let (before, after) = around.unwrap_or_default();
        let changes = change::between(key, &edit, (before.as_ref(), after.as_ref()), &self.now);
        self.retell(key);
        self.follow(key);
        self.carry(key, &stamp, &edit);
        changes
    }

    /// Returns what an event says that is older than what is known: it was there, and what was before nobody knows.
    fn told_late(&self, key: &Key, time: Seconds, edit: &Edit) -> Vec<Change> {
        let mut after = None;
        edit.apply(key, time, &mut after);
        let mut changes = change::between(key, edit, (None, after.as_ref()), &self.now);
        changes.retain(|change| !matches!(change.after, Some(Text::Unknown(_))));
        // What was made was not there before.
        let told = changes.iter_mut().filter(|_| !matches!(edit, Edit::Made(_)));
        for change in told {
            let why = "the change is older than what is known";
            change.before = Some(Text::Unknown(why.into()));
        }
        changes
    }

    fn insert(&mut self, key: &Key, stamp: Stamp, edit: Edit) -> Inserted {
        let now = &self.now;
        let timeline = self
            .timelines
            .entry(key.clone())
            .or_insert_with(|| Timeline::from(thing::get(now, key), None));
        let inserted = timeline.insert(stamp, edit);
        if let Inserted::New = inserted {
            self.edits += 1;
            self.dirty.insert(key.clone());
        }
        inserted
    }

    /// Tells a thing anew, and those that were called like it before.
    fn retell(&mut self, key: &Key) {
        let (mut keys, mut told) = (vec![key.clone()], BTreeSet::new());
        while let Some(key) = keys.pop() {
            let Some(timeline) = self.timelines.get(&key) else { continue };
            if !told.insert(key.clone()) {
                continue;
            }
            if timeline.edits() > MAX_EDITS_OF_ONE {
                self.fold(&key, timeline.middle());
            }
            let Some(timeline) = self.timelines.get(&key) else { continue };
            let thing = timeline.at(&key, Seconds(i64::MAX), self);
            keys.extend(timeline.heirs(&key));
            let before = thing::get(&self.now, &key);
            thing::put(&mut self.now, &key, thing.clone());
            if before != thing {
                self.touched.note(&key, (before.as_ref(), thing.as_ref()), &self.now);
            }
        }
    }

    fn fold(&mut self, key: &Key, time: Seconds) {
        let Some(timeline) = self.timelines.get(key) else { return };
        let before = timeline.at(key, time.plus(Span(-1)), self);
        if let Some(timeline) = self.timelines.get_mut(key) {
            self.edits -= timeline.fold(before, time);
            self.dirty.insert(key.clone());
        }
    }

    /// Lets what a membership's id tells be known of its group.
    fn follow(&mut self, key: &Key) {
        let Key::Membership { .. } = key else { return };
        let Some(timeline) = self.timelines.get(key) else { return };
        for (member, stamp, edit) in timeline.of_membership() {
            if let Inserted::New = self.insert(&member, stamp.clone(), edit.clone()) {
                self.retell(&member);
                self.carry(&member, &stamp, &edit);
            }
        }
    }

    /// Gives an account a policy of AWS that it uses from now on, where another account's snapshot tells what it says.
    fn know_policy_of_aws(&mut self, key: &Key, edit: &Edit) {
        let (Edit::Attached { arn } | Edit::Bounded { by: Some(arn) }) = edit else { return };
        let account = key.account();
        if account.is_empty() || !arn.contains(":iam::aws:policy/") {
            return;
        }
        if self.now.accounts.get(account).is_some_and(|it| it.policies.contains_key(arn)) {
            return;
        }
        let known = self.now.accounts.values().find_map(|it| it.policies.get(arn)).cloned();
        if let Some(policy) = known {
            self.now
                .accounts
                .entry(account.into())
                .or_default()
                .policies
                .insert(arn.clone(), policy);
        }
    }

    /// Makes what happened before `time` part of the beginning: it cannot be told anew any more.
    pub fn forget(&mut self, time: Seconds) {
        self.note(|| Did::Forgot(time));
        let is_old = |timeline: &Timeline| timeline.first().is_some_and(|first| first < time);
        let until = time.plus(Span(-1));
        // All are told before any is folded: what was renamed is told by what it was called.
        let told: Vec<(Key, Option<Thing>)> = self
            .timelines
            .iter()
            .filter(|(_, timeline)| is_old(timeline))
            .map(|(key, timeline)| (key.clone(), timeline.at(key, until, self)))
            .collect();
        for (key, before) in told {
            if let Some(timeline) = self.timelines.get_mut(&key) {
                self.edits -= timeline.fold(before, time);
                self.dirty.insert(key);
            }
        }
        self.floor = self.floor.max(Some(time));
        self.carried.forget(time);
        self.documents.forget();
    }

    fn make_room(&mut self) {
        let mut times: Vec<Seconds> = self.timelines.values().flat_map(Timeline::times).collect();
        let middle = times.len() / 2;
        let (_, time, _) = times.select_nth_unstable(middle);
        let time = *time;
        self.forget(time.plus(Span(1)));
    }
}

/// Returns whether the state says all that a timeline does: of a membership it does not have the id.
fn is_in_state(key: &Key, timeline: &Timeline) -> bool {
    let is_only_here = matches!(key, Key::Membership { .. }) && timeline.base.is_some();
    timeline.edits() == 0 && !is_only_here
}

/// What became of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inserted {
    /// It has its place.
    New,
    /// It was there.
    There,
    /// What was before it is not kept any more.
    TooLate,
}
