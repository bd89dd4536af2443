//! What holders did, by action, as far as events go back: the [`Activity`] that a daemon gathers.
//!
//! Times are kept by the hour, so that most events change nothing: what was noted lately is known by a hash, and is not
//! noted again. Only what was added since the last save is in memory; an inventory reads the store.
//!
//! Invariant: what is kept follows from the set of events, not from their order: of each hour it is whether something was
//! done in it, and the last one counts. Where rows were forgotten, watching counts from the last use of those.

pub mod table;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::iam::standing::Activity;
use crate::iam::standing::Protected;
use crate::iam::standing::Use;
use crate::model::Plain;
use crate::model::Seconds;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How exactly times are kept, in seconds.
pub const RESOLUTION: i64 = 3_600;
/// How many kinds of calls, each of somebody in an account, are known to have been noted; then all are noted anew.
const MAX_KNOWN: usize = 262_144;
/// How many rows the store keeps.
const MAX_ROWS: usize = 500_000;
/// Stands where accounts do: before this, rows were forgotten.
const FLOOR: &str = "";

/// Who did what where.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The ARN of a user or role; of a person of Identity Center, `USER/` and the id, or `NAME/` and the user's name where
    /// records do not tell the id.
    pub holder: Box<str>,
    /// The account that the holder has it in: its own, or that of the assignment.
    pub account: Box<str>,
    /// The action as AWS spells it.
    pub action: Box<str>,
}

/// When something was done, by the hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The last time.
    pub last: Seconds,
    /// The last time that a grant covered it for good.
    pub granted: Option<Seconds>,
}

/// The hours between which something is known to have been noted.
#[derive(Debug, Clone, Copy)]
struct Hours {
    first: Seconds,
    last: Seconds,
}

/// What tells an act from all others: its time and the id of its event.
pub type ActId = (Seconds, Box<str>);

/// Gathers what holders do.
#[derive(Debug)]
pub struct Uses {
    known: HashMap<u64, Hours, Plain>,
    added: BTreeMap<Place, Noted>,
    /// As whose use of a grant each act counts that was judged since the last save.
    covers: BTreeMap<ActId, Vec<Place>>,
    /// Up to when covers are final.
    settled: Seconds,
    /// Up to when they are in the store.
    saved: Seconds,
    /// Since when each account is watched.
    watched: BTreeMap<Box<str>, Seconds>,
    unsaved: BTreeSet<Box<str>>,
    rows: usize,
    most: usize,
}

impl Uses {
    /// Makes the state of the last commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut watched = BTreeMap::new();
        table::watched(connection, &mut |account, since| {
            watched.insert(account, since);
        })?;
        Ok(Self {
            known: HashMap::default(),
            added: BTreeMap::new(),
            covers: BTreeMap::new(),
            settled: Seconds(i64::MIN),
            saved: Seconds(i64::MIN),
            watched,
            unsaved: BTreeSet::new(),
            rows: table::rows(connection)?,
            most: MAX_ROWS,
        })
    }

    /// Returns whether what is known by the hash `key` is to be noted at `time`; it is taken as noted from then on.
    pub fn is_news(&mut self, key: u64, time: Seconds) -> bool {
        let hour = hour_of(time);
        if let Some(hours) = self.known.get_mut(&key) {
            if hours.first <= hour && hour <= hours.last {
                return false;
            }
            *hours = Hours { first: hours.first.min(hour), last: hours.last.max(hour) };
            return true;
        }
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(key, Hours { first: hour, last: hour });
        true
    }

    /// Notes that something was done at `time`, as a record of the account `seen_in` tells.
    pub fn note(&mut self, place: Place, time: Seconds, seen_in: &str) {
        let hour = hour_of(time);
        self.add(place, Noted { last: hour, granted: None });
        match self.watched.get_mut(seen_in) {
            Some(since) if *since <= hour => return,
            Some(since) => *since = hour,
            None => drop(self.watched.insert(seen_in.into(), hour)),
        }
        self.unsaved.insert(seen_in.into());
    }

    /// Notes as whose use of a grant an act counts now: as nobody's, if none covers it any more.
    pub fn covered(&mut self, act: ActId, places: Vec<Place>) {
        let hour = hour_of(act.0);
        for place in &places {
            self.add(place.clone(), Noted { last: hour, granted: None });
        }
        self.covers.insert(act, places);
    }

    /// Takes for final what was covered before `time`, with the next save.
    pub fn settle(&mut self, time: Seconds) {
        if time > Seconds(0) {
            self.settled = self.settled.max(hour_of(time));
        }
    }

    fn add(&mut self, place: Place, more: Noted) {
        let later = |noted: &mut Noted| {
            noted.last = noted.last.max(more.last);
            noted.granted = noted.granted.max(more.granted);
        };
        self.added.entry(place).and_modify(later).or_insert(more);
    }

    /// Writes what was added since the last save; returns how many rows were forgotten for want of room.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<u64, StoreError> {
        for (place, noted) in std::mem::take(&mut self.added) {
            self.rows += usize::from(table::put(tx, &place, noted)?);
        }
        for (act, places) in std::mem::take(&mut self.covers) {
            table::cover(tx, &act, &places)?;
        }
        if self.settled > self.saved {
            table::settle(tx, self.settled)?;
            self.saved = self.settled;
        }
        let mut forgotten = 0;
        if self.rows > self.most {
            // A good part at once, so that it is seldom.
            forgotten = self.rows - self.most + self.most / 8;
            if let Some(until) = table::forget(tx, forgotten)? {
                let floor = self.watched.entry(FLOOR.into()).or_insert(until);
                *floor = until.max(*floor);
                self.unsaved.insert(FLOOR.into());
            }
            self.rows = table::rows(tx)?;
        }
        for account in std::mem::take(&mut self.unsaved) {
            if let Some(since) = self.watched.get(&account) {
                table::watch(tx, &account, *since)?;
            }
        }
        Ok(forgotten as u64)
    }
}

fn hour_of(time: Seconds) -> Seconds {
    Seconds(time.0.div_euclid(RESOLUTION) * RESOLUTION)
}

/// A holder, an account, and the name of a permission set.
pub type Assigned = (Box<str>, Box<str>, Box<str>);

/// Of whom it is asked.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// All.
    Everybody,
    /// These, as an inventory names them.
    Of(&'a [&'a str]),
}

/// What holders did, as it was read: from the store, from a file, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// By holder and account.
    pub used: BTreeMap<(Box<str>, Box<str>), Use>,
    /// Since when each account is watched.
    pub watched: BTreeMap<Box<str>, Seconds>,
    /// Since when a holder has a policy.
    pub since: BTreeMap<(Box<str>, Box<str>), Seconds>,
    /// When an assignment ends: by holder, account and the permission set's name.
    pub ends: BTreeMap<Assigned, Seconds>,
    /// The members of groups of Identity Center: what they did, the group's permissions were used for.
    pub members: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// The names of Identity Center's users, by id.
    pub names: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

impl Seen {
    /// Adds what a daemon gathered of somebody.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read(
        &mut self,
        connection: &Connection,
        protected: &dyn Protected,
        whose: Whose<'_>,
    ) -> Result<(), StoreError> {
        table::watched(connection, &mut |account, since| {
            self.watched.insert(account, since);
        })?;
        let floor = self.watched.remove(FLOOR);
        for since in self.watched.values_mut() {
            *since = floor.map_or(*since, |floor| floor.max(*since));
        }
        let holders: Vec<Option<Box<str>>> = match whose {
            Whose::Everybody => vec![None],
            Whose::Of(all) => all.iter().flat_map(|it| self.called(it)).map(Some).collect(),
        };
        let (used, watched) = (&mut self.used, &self.watched);
        let mut take = |place: Place, noted: Noted| {
            let Place { holder, account, action } = place;
            let known = used.entry((holder, account.clone())).or_insert_with(|| Use {
                watched_since: watched.get(&account).copied(),
                ..Use::default()
            });
            if protected.is_protected(&action, &account) {
                known.last_protected = known.last_protected.max(Some(noted.last));
            }
            known.through_grant |= noted.granted.is_some();
            known.actions.insert(action, noted.last);
        };
        for holder in &holders {
            table::each(connection, holder.as_deref(), &mut take)?;
        }
        let mut cover = |holder, account| {
            // Of what was forgotten nothing is said.
            if let Some(known) = self.used.get_mut(&(holder, account)) {
                known.through_grant = true;
            }
        };
        holders
            .iter()
            .try_for_each(|holder| table::covers(connection, holder.as_deref(), &mut cover))
    }

    /// Returns what the rows of a holder are under: its own name, of a person also that, of a group those of its members.
    fn called(&self, holder: &str) -> Vec<Box<str>> {
        let members = holder.strip_prefix("GROUP/").and_then(|id| self.members.get(id));
        let people = members.into_iter().flatten().map(|id| format!("USER/{id}").into());
        let all: Vec<Box<str>> = people.chain([Box::from(holder)]).collect();
        let names = all.iter().filter_map(|it| self.names.get(it.strip_prefix("USER/")?));
        let names: Vec<Box<str>> =
            names.flatten().map(|name| format!("NAME/{name}").into()).collect();
        all.into_iter().chain(names).collect()
    }

    /// Returns what is known of a holder itself, and of what it is called.
    fn own(&self, holder: &str, account: &str) -> Option<Use> {
        let id = holder.strip_prefix("USER/");
        let names = id.and_then(|id| self.names.get(id)).into_iter().flatten();
        let named = names.map(|name| format!("NAME/{name}").into_boxed_str());
        let all = std::iter::once(Box::from(holder)).chain(named);
        all.filter_map(|holder| self.used.get(&(holder, account.into())))
            .fold(None, |all: Option<Use>, more| Some(all.unwrap_or_default().with(more)))
    }
}

impl Activity for Seen {
    fn used(&self, holder: &str, account: &str) -> Option<Use> {
        let mut used = self.own(holder, account);
        if let Some(members) = holder.strip_prefix("GROUP/").and_then(|id| self.members.get(id)) {
            for member in members {
                let own = self.own(&format!("USER/{member}"), account);
                used = match (used, own) {
                    (Some(used), Some(own)) => Some(used.with(&own)),
                    (used, own) => used.or(own),
                };
            }
        }
        // Nothing was seen of it, in an account of which events are read: it did nothing.
        let idle = || self.watched.get(account).map(|_| Use::default());
        let mut used = used.or_else(idle)?;
        used.watched_since = used.watched_since.or(self.watched.get(account).copied());
        Some(used)
    }

    fn since(&self, holder: &str, policy: &str) -> Option<Seconds> {
        self.since.get(&(holder.into(), policy.into())).copied()
    }

    fn ends(&self, holder: &str, account: &str, set: &str) -> Option<Seconds> {
        self.ends.get(&(holder.into(), account.into(), set.into())).copied()
    }
}

impl Use {
    /// Returns both together.
    fn with(mut self, more: &Self) -> Self {
        self.watched_since = self.watched_since.max(more.watched_since);
        for (action, last) in &more.actions {
            let known = self.actions.entry(action.clone()).or_insert(*last);
            *known = (*known).max(*last);
        }
        self.last_protected = self.last_protected.max(more.last_protected);
        self.through_grant |= more.through_grant;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Migration;
    use crate::store::Store;

    const SCHEMA: &[Migration] = &[
        Migration { number: 1, name: "uses", sql: table::SCHEMA },
        Migration { number: 2, name: "covers", sql: table::COVERS },
    ];
    const HOME: &str = "111122223333";

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.db"), SCHEMA).unwrap();
        (folder, store)
    }

    fn place(holder: &str, action: &str) -> Place {
        Place { holder: holder.into(), account: HOME.into(), action: action.into() }
    }

    fn save(store: &mut Store, uses: &mut Uses) -> u64 {
        let tx = store.begin().unwrap();
        let forgotten = uses.save(&tx).unwrap();
        tx.commit().unwrap();
        forgotten
    }

    fn seen(store: &Store) -> Seen {
        let mut seen = Seen::default();
        let protected = |action: &str, _: &str| action.starts_with("iam:");
        seen.read(store.connection(), &protected, Whose::Everybody).unwrap();
        seen
    }

    /// What was done: by the hash it is known by, at a time, through a grant or not.
    const DONE: [(&str, i64, bool); 6] = [
        ("iam:CreateUser", 3_600, true),
        ("iam:CreateUser", 7_300, false),
        ("iam:CreateUser", 7_400, false),
        ("kms:Decrypt", 90_000, false),
        ("kms:Decrypt", 600, false),
        ("iam:ListUsers", 50_000, false),
    ];

    #[test]
    fn any_order_and_any_restart_come_to_the_same() {
        let mut all = Vec::new();
        for turn in 0..DONE.len() {
            let (_folder, mut store) = store();
            let mut uses = Uses::load(store.connection()).unwrap();
            let mut order = DONE;
            order.rotate_left(turn);
            for (number, (action, time, is_covered)) in order.into_iter().enumerate() {
                let key = xxhash_rust::xxh3::xxh3_64(action.as_bytes());
                if uses.is_news(key, Seconds(time)) {
                    uses.note(place("ana", action), Seconds(time), HOME);
                }
                if is_covered {
                    uses.covered((Seconds(time), "e-1".into()), vec![place("ana", action)]);
                }
                if number == turn {
                    save(&mut store, &mut uses);
                    uses = Uses::load(store.connection()).unwrap();
                }
            }
            save(&mut store, &mut uses);
            let seen = seen(&store);
            all.push((
                seen.used("ana", HOME),
                seen.used("bob", HOME),
                seen.used("ana", "elsewhere"),
            ));
        }
        let (ana, bob, elsewhere) = &all[0];
        let ana = ana.clone().unwrap();
        assert!(ana.through_grant);
        assert_eq!(ana.watched_since, Some(Seconds(0)));
        assert_eq!(ana.last_protected, Some(Seconds(46_800)));
        assert_eq!(ana.actions["iam:CreateUser"], Seconds(7_200));
        assert_eq!(ana.actions["kms:Decrypt"], Seconds(90_000));
        let idle = Use { watched_since: Some(Seconds(0)), ..Use::default() };
        assert_eq!((bob, elsewhere), (&Some(idle), &None));
        assert!(all.iter().all(|it| *it == all[0]));
    }

    #[test]
    fn within_an_hour_nothing_is_news() {
        let (_folder, store) = store();
        let mut uses = Uses::load(store.connection()).unwrap();
        let told =
            [7_200, 10_799, 7_500, 10_800, 7_199, 9_000].map(|at| uses.is_news(1, Seconds(at)));
        assert_eq!(told, [true, false, false, true, true, false]);
    }

    #[test]
    fn where_rows_are_forgotten_watching_counts_from_there() {
        let (_folder, mut store) = store();
        let mut uses = Uses { most: 8, ..Uses::load(store.connection()).unwrap() };
        for number in 0..12 {
            let action = format!("kms:Action{number}");
            uses.note(place("ana", &action), Seconds(number * RESOLUTION), HOME);
        }
        assert_eq!(save(&mut store, &mut uses), 5);
        let used = seen(&store).used("ana", HOME).unwrap();
        assert_eq!(used.actions.len(), 7);
        assert_eq!(used.watched_since, Some(Seconds(4 * RESOLUTION)));
        // What is left stays known as it is over a restart.
        uses.note(place("ana", "kms:Action11"), Seconds(20 * RESOLUTION), HOME);
        assert_eq!(save(&mut store, &mut uses), 0);
        assert_eq!(Uses::load(store.connection()).unwrap().rows, 7);
    }

    #[test]
    fn a_group_was_used_by_its_members_and_a_person_is_known_by_name_too() {
        let (_folder, mut store) = store();
        let mut uses = Uses::load(store.connection()).unwrap();
        uses.note(place("NAME/ana@example.com", "iam:CreateUser"), Seconds(7_200), HOME);
        let bob = place("USER/u-bob", "iam:DeleteUser");
        uses.covered((Seconds(3_600), "e-1".into()), vec![bob]);
        save(&mut store, &mut uses);
        let mut seen = seen(&store);
        seen.names = [("u-ana".into(), ["ana@example.com".into()].into())].into();
        seen.members = [("g".into(), ["u-ana".into(), "u-bob".into()].into())].into();
        let mut of_group = Seen { used: BTreeMap::new(), watched: BTreeMap::new(), ..seen.clone() };
        let protected = |action: &str, _: &str| action.starts_with("iam:");
        of_group.read(store.connection(), &protected, Whose::Of(&["GROUP/g"])).unwrap();
        assert_eq!(of_group.used("GROUP/g", HOME), seen.used("GROUP/g", HOME));
        let (ana, group) =
            (seen.used("USER/u-ana", HOME).unwrap(), seen.used("GROUP/g", HOME).unwrap());
        assert_eq!((ana.last_protected, ana.through_grant), (Some(Seconds(7_200)), false));
        assert_eq!((group.actions.len(), group.through_grant), (2, true));
    }

    #[test]
    fn what_is_not_covered_after_all_was_no_use_of_a_grant() {
        let through = |story: &[(&str, bool)], settled: Option<i64>| {
            let (_folder, mut store) = store();
            let mut uses = Uses::load(store.connection()).unwrap();
            for (act, is_covered) in story {
                let place = place("ana", "iam:CreateUser");
                uses.note(place.clone(), Seconds(7_300), HOME);
                let places = if *is_covered { vec![place] } else { Vec::new() };
                uses.covered((Seconds(7_300), (*act).into()), places);
                // A restart lies between any two.
                save(&mut store, &mut uses);
                uses = Uses::load(store.connection()).unwrap();
                if let Some(time) = settled {
                    uses.settle(Seconds(time));
                    save(&mut store, &mut uses);
                }
            }
            save(&mut store, &mut uses);
            let of = |whose: Whose<'_>| {
                let mut seen = Seen::default();
                seen.read(store.connection(), &|_: &str, _: &str| true, whose).unwrap();
                seen.used("ana", HOME).unwrap().through_grant
            };
            assert_eq!(of(Whose::Everybody), of(Whose::Of(&["ana"])));
            of(Whose::Everybody)
        };
        assert!(through(&[("a", true)], None));
        assert!(!through(&[("a", true), ("a", false)], None));
        assert!(through(&[("a", true), ("b", true), ("a", false)], None), "another act stays");
        assert!(through(&[("a", true), ("a", false), ("a", true)], None));
        // Before what is final nothing is taken back, and what is later is not final.
        assert!(through(&[("a", true), ("a", false)], Some(10_800)));
        assert!(!through(&[("a", true), ("a", false)], Some(7_200)));
    }
}
