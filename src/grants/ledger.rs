//! The ledger: every version of every grant that a source told of, found by whom it covers.
//!
//! Invariant: the ledger is a set of versions. What it holds, and what it answers, does not depend on the order in
//! which messages came nor on how often; of two messages that say the same, the one that came first is the evidence.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::grants::grant::Evidence;
use crate::grants::grant::Grant;
use crate::grants::grant::GrantId;
use crate::grants::grant::Version;
use crate::grants::index::Index;
use crate::grants::index::Key;
use crate::grants::index::Stay;
use crate::grants::judge::Scheduled;
use crate::grants::table;
use crate::grants::timeline;
use crate::grants::timeline::Kind;
use crate::grants::timeline::Spell;
use crate::grants::who;
use crate::model::Seconds;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What a version was to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was not known.
    New,
    /// It was known, word for word.
    Duplicate,
    /// Its source has said something else under the same revision, time and status. Both are kept.
    Conflict,
}

/// All grants.
#[derive(Debug, Default)]
pub struct Ledger {
    places: BTreeMap<GrantId, u32>,
    held: Vec<Held>,
    index: Index,
    /// How many versions there are.
    versions: u64,
    /// Versions that are not in the store yet, or not with this evidence.
    unsaved: BTreeSet<(u32, table::Digest)>,
}

/// A grant, and what follows from its versions.
#[derive(Debug)]
pub(super) struct Held {
    pub grant: Grant,
    pub spells: Vec<Spell>,
}

impl Ledger {
    /// Takes in what a source said.
    pub fn apply(&mut self, version: Version, evidence: Evidence) -> Applied {
        let digest = table::digest(&version);
        let (applied, place) = self.insert(version, evidence);
        if let Some(place) = place {
            self.unsaved.insert((place, digest));
        }
        applied
    }

    /// Returns a grant by its name.
    pub fn get(&self, id: &GrantId) -> Option<&Grant> {
        self.held_as(id).map(|held| &held.grant)
    }

    /// Returns what a grant is found by: what was said of it may change the judgement of acts that have one of these
    /// keys, and of no other.
    pub fn keys(&self, id: &GrantId) -> SmallVec<[Key; 4]> {
        self.get(id).map(|grant| keys(&grant.versions)).unwrap_or_default()
    }

    /// Returns all grants, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.places.values().filter_map(|place| Some(&self.held(*place)?.grant))
    }

    /// Returns from when until when a grant gave or gives access; nothing if it never did.
    pub(super) fn given(&self, id: &GrantId, scheduled: Scheduled) -> Option<(Seconds, Seconds)> {
        let held = self.held(*self.places.get(id)?)?;
        let gives = |spell: &&Spell| match spell.kind {
            Kind::Given => true,
            Kind::Promised => scheduled == Scheduled::Covers,
            Kind::Afterwards => false,
        };
        let given = || held.spells.iter().filter(gives);
        let from = given().map(|spell| spell.from).min()?;
        given().map(|spell| spell.until).max().map(|until| (from, until))
    }

    /// Returns how many grants there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Returns how many versions of grants there are.
    pub fn versions(&self) -> u64 {
        self.versions
    }

    /// Returns whether there is no grant.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Loads what earlier runs took in.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load(&mut self, connection: &Connection) -> Result<(), StoreError> {
        table::versions(connection, |version, evidence| {
            self.insert(version, evidence);
        })
    }

    /// Loads the grants whose names come after `after`, whole ones, until `most` versions are read. Returns the last
    /// of them if there may be more.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load_after(
        &mut self,
        connection: &Connection,
        after: &str,
        most: usize,
    ) -> Result<Option<GrantId>, StoreError> {
        table::after(connection, after, most, |version, evidence| {
            self.insert(version, evidence);
        })
    }

    /// Loads one grant.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load_one(&mut self, connection: &Connection, id: &GrantId) -> Result<(), StoreError> {
        table::of_grant(connection, id, |version, evidence| {
            self.insert(version, evidence);
        })
    }

    /// Writes what was taken in since the last save.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let unsaved = std::mem::take(&mut self.unsaved);
        let rows = unsaved.iter().filter_map(|(place, digest)| {
            let versions = self.held(*place)?.grant.versions.iter();
            let mut same = versions.filter(|(version, _)| table::digest(version) == *digest);
            same.next().map(|(version, evidence)| (*digest, version, evidence))
        });
        table::put(tx, rows)
    }

    /// Returns a grant with what follows from its versions.
    pub(super) fn held_as(&self, id: &GrantId) -> Option<&Held> {
        self.held(*self.places.get(id)?)
    }

    /// Returns all grants with what follows from their versions.
    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }

    /// Returns the place of a grant.
    pub(super) fn place(&self, id: &GrantId) -> Option<u32> {
        self.places.get(id).copied()
    }

    /// Returns the grant at `place`.
    pub(super) fn held(&self, place: u32) -> Option<&Held> {
        self.held.get(usize::try_from(place).ok()?)
    }

    /// Returns the index over grants.
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Puts a version into the set; returns where, if anything changed.
    fn insert(&mut self, version: Version, evidence: Evidence) -> (Applied, Option<u32>) {
        let Some(place) = self.places.get(&version.id).copied() else {
            return (Applied::New, Some(self.insert_first(version, evidence)));
        };
        let at = usize::try_from(place).expect("a place is an index into `held`");
        let held = self.held.get_mut(at).expect("a place is an index into `held`");
        let versions = &mut held.grant.versions;
        let found = versions.binary_search_by(|(known, _)| order(known, &version));
        let before = match found {
            Ok(known) => {
                let (_, known) = versions.get_mut(known).expect("it was found here");
                let is_earlier = (evidence.arrived, &evidence.from) < (known.arrived, &known.from);
                if is_earlier {
                    *known = evidence;
                }
                return (Applied::Duplicate, is_earlier.then_some(place));
            }
            Err(before) => before,
        };
        let same = |(known, _): &(Version, Evidence)| {
            (known.revision, known.emitted_at, known.status)
                == (version.revision, version.emitted_at, version.status)
        };
        let is_conflict = versions.iter().any(same);
        self.versions += 1;
        let (old_keys, old_stay) = (keys(versions), stay(versions, place));
        versions.insert(before, (version, evidence));
        held.spells = timeline::spells(versions);
        let (new_keys, new_stay) = (keys(versions), stay(versions, place));
        if (&old_keys, old_stay) != (&new_keys, new_stay) {
            for key in old_keys {
                self.index.take(key, old_stay);
            }
            self.put(&new_keys, new_stay);
        }
        let applied = if is_conflict { Applied::Conflict } else { Applied::New };
        (applied, Some(place))
    }

    fn insert_first(&mut self, version: Version, evidence: Evidence) -> u32 {
        self.versions += 1;
        let place = u32::try_from(self.held.len()).expect("memory ends before four billion grants");
        self.places.insert(version.id.clone(), place);
        let versions = vec![(version, evidence)];
        let (keys, stay) = (keys(&versions), stay(&versions, place));
        let spells = timeline::spells(&versions);
        self.held.push(Held { grant: Grant { versions }, spells });
        self.put(&keys, stay);
        place
    }

    fn put(&mut self, keys: &[Key], stay: Stay) {
        let held = &self.held;
        let id = |place: u32| held.get(usize::try_from(place).ok()?).map(|held| held.grant.id());
        for key in keys {
            self.index.put(*key, stay, |one, other| id(one).cmp(&id(other)));
        }
    }
}

/// The order of versions: by revision, then time, then along the life of a grant. Of versions that contradict each
/// other the one that gives for the shortest time comes last and so is in force.
fn order(one: &Version, other: &Version) -> Ordering {
    let place = |it: &Version| (it.revision, it.emitted_at, it.status);
    let narrow = |it: &Version| (it.window.until, it.window.from);
    let by_place = place(one).cmp(&place(other)).then_with(|| narrow(other).cmp(&narrow(one)));
    by_place.then_with(|| match one == other {
        true => Ordering::Equal,
        false => table::digest(one).cmp(&table::digest(other)),
    })
}

/// What the grant is found by: the principals of all its versions.
fn keys(versions: &[(Version, Evidence)]) -> SmallVec<[Key; 4]> {
    let mut keys = SmallVec::new();
    for (version, _) in versions {
        for principal in &version.principals {
            who::keys_of(principal, &mut keys);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// All the time that `versions` speak of.
fn stay(versions: &[(Version, Evidence)], place: u32) -> Stay {
    let windows = || versions.iter().map(|(version, _)| version.window);
    let from = windows().map(|window| window.from).min().expect("a grant is made of a version");
    let until = windows().map(|window| window.until).max().expect("a grant is made of a version");
    Stay { from, until, grant: place }
}
