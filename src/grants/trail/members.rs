//! Who was in which group when, as far as records and the configuration say.
//!
//! Being in a group is being covered by what the group was granted, so that whoever could put himself there would have
//! approved himself: only who was put there by a broker, by provisioning, or in a call that a grant covers, counts.
//!
//! Invariant: what is not known is not a member. A membership of unknown beginning is none.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::grants::config::GroupMember;
use crate::grants::trail::Told;
use crate::grants::trail::Trust;
use crate::grants::trail::lesson::Member;
use crate::grants::trail::shelf::BETWEEN;
use crate::grants::trail::shelf::Shelf;
use crate::grants::trail::shelf::key;
use crate::model::Seconds;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many pairs of a member and a group are kept.
const MAX_PAIRS: usize = 200_000;
/// How many changes of one pair are kept; beyond, the oldest go.
const MAX_CHANGES: usize = 32;

/// A change of one membership.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
struct Change {
    at: Seconds,
    kind: Kind,
}

/// In the order in which changes of one second count: the last is in force.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
enum Kind {
    Joined,
    /// By somebody whose word does not count.
    Claimed,
    Left,
}

/// All memberships.
#[derive(Debug)]
pub(super) struct Members {
    /// By member and group.
    pairs: Shelf<Vec<Change>>,
    /// The names of pairs by the id of the membership.
    memberships: Shelf<Box<str>>,
    /// Since when pairs are known by the operator's word, and the ids of their memberships.
    declared: BTreeMap<Box<str>, Seconds>,
    declared_memberships: HashMap<Box<str>, Box<str>>,
    /// Users of Identity Center: names in lower case by id, and ids by name.
    names: HashMap<Box<str>, Box<str>>,
    ids: HashMap<Box<str>, BTreeSet<Box<str>>>,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            pairs: Shelf::new("member", MAX_PAIRS),
            memberships: Shelf::new("membership", MAX_PAIRS),
            declared: BTreeMap::new(),
            declared_memberships: HashMap::new(),
            names: HashMap::new(),
            ids: HashMap::new(),
        }
    }
}

impl Members {
    pub fn load(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.pairs.load(connection)?;
        self.memberships.load(connection)
    }

    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.pairs.save(tx)?;
        self.memberships.save(tx)
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.declared.is_empty()
    }

    /// Takes in the name of a user of Identity Center.
    pub fn name(&mut self, id: &str, name: &str) {
        let name: Box<str> = name.to_lowercase().into();
        let known = self.names.insert(id.into(), name.clone());
        if let Some(ids) = known.and_then(|known| self.ids.get_mut(&known)) {
            ids.remove(id);
        }
        self.ids.entry(name).or_default().insert(id.into());
    }

    /// Returns the id of the one user who has a name; of several with one name it is nobody's.
    pub fn id_of(&self, name: &str) -> Option<&str> {
        let ids = self.ids.get(&*name.to_lowercase())?;
        let only = ids.len() == 1;
        only.then(|| ids.first().map(|id| &**id))?
    }

    /// Takes in who was in a group at a moment, by the operator's word. It is not kept: at the next start there may be
    /// another.
    pub fn declare(&mut self, group: &str, member: &GroupMember, as_of: Seconds) {
        let pair = key(&[&member.user, group]);
        self.declared_memberships.insert(member.membership.as_str().into(), pair.clone());
        self.declared.insert(pair, as_of);
    }

    /// Takes in how a group changed.
    pub fn settle(&mut self, change: &Member, told: &Told<'_>) {
        let at = told.time;
        match change {
            Member::Joined { group, member, membership } => {
                let is_self = !told.user_id.is_empty() && *told.user_id == **member;
                let is_good = told.trust != Trust::None && !is_self;
                let kind = if is_good { Kind::Joined } else { Kind::Claimed };
                let pair = key(&[member, group]);
                self.note(&pair, Change { at, kind });
                if !membership.is_empty() {
                    self.memberships.put(membership, pair);
                }
            }
            Member::Left { group, member } => {
                self.note(&key(&[member, group]), Change { at, kind: Kind::Left });
            }
            Member::Ended { membership } => {
                let declared = self.declared_memberships.get(membership);
                let pair = self.memberships.get(membership).or(declared).cloned();
                if let Some(pair) = pair {
                    self.note(&pair, Change { at, kind: Kind::Left });
                }
            }
            Member::Changed { said } => {
                let is_meant = |pair: &&str| {
                    let group = pair.rsplit(BETWEEN).next().unwrap_or_default();
                    !group.is_empty() && said.contains(group)
                };
                let known = self.pairs.iter().map(|(pair, _)| pair);
                let pairs = known.chain(self.declared.keys().map(|pair| &**pair));
                let meant: BTreeSet<Box<str>> = pairs.filter(is_meant).map(Into::into).collect();
                for pair in meant {
                    self.note(&pair, Change { at, kind: Kind::Left });
                }
            }
        }
    }

    fn note(&mut self, pair: &str, change: Change) {
        match self.pairs.get(pair) {
            Some(known) if known.contains(&change) => return,
            Some(_) => {}
            // That somebody left who was never seen to join says nothing new.
            None if change.kind == Kind::Left && !self.declared.contains_key(pair) => return,
            None => {
                self.pairs.put(pair, Vec::new());
            }
        }
        let Some(changes) = self.pairs.get_mut(pair) else { return };
        let before = changes.partition_point(|known| *known < change);
        changes.insert(before, change);
        if changes.len() > MAX_CHANGES {
            changes.remove(0);
        }
    }

    /// Returns the groups that `member` was in at `time`.
    pub fn groups(&self, member: &str, time: Seconds) -> impl Iterator<Item = &str> {
        let prefix = format!("{member}{BETWEEN}");
        let end = prefix.len();
        let declared = self
            .declared
            .range(Box::from(prefix.as_str())..)
            .take_while(move |(pair, _)| pair.starts_with(&prefix))
            .filter_map(move |(pair, as_of)| Some((pair.get(end..)?, *as_of)))
            .filter(move |(_, as_of)| *as_of <= time);
        let said = declared.filter(move |(group, as_of)| {
            let changes = self.pairs.get(&key(&[member, group]));
            let last = changes.and_then(|changes| last(changes, time));
            last.is_none_or(|last| last.at < *as_of)
        });
        let is_in = move |changes: &[Change]| {
            last(changes, time).is_some_and(|change| change.kind == Kind::Joined)
        };
        let seen = self.pairs.below(member).filter(move |(_, changes)| is_in(changes));
        seen.map(|(group, _)| group).chain(said.map(|(group, _)| group))
    }
}

/// Returns the change in force at `time`.
fn last(changes: &[Change], time: Seconds) -> Option<&Change> {
    changes.iter().rev().find(|change| change.at <= time)
}
