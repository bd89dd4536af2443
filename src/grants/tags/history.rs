//! What one resource was tagged with, in event time.
//!
//! Invariant: changes stand in the order of their time, those of one second in the order of their records' marks, wherever
//! they came. What is settled says of every later moment what the changes said.

use serde::Deserialize;
use serde::Serialize;

use crate::grants::tags::Keys;
use crate::grants::tags::Known;
use crate::model::Seconds;

/// How many changes of one resource are kept; beyond, the older half is settled before its time.
const MAX_CHANGES: usize = 256;

/// What a record does to the tags of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// A tag is set.
    Put {
        /// Its key, as it is spelled.
        key: Box<str>,
        /// Its value.
        value: Box<str>,
    },
    /// A tag is taken away.
    Drop {
        /// Its key.
        key: Box<str>,
    },
    /// A tag is taken away if it has that value.
    DropIf {
        /// Its key.
        key: Box<str>,
        /// Its value.
        value: Box<str>,
    },
    /// All tags are taken away.
    Clear,
}

impl Edit {
    /// Returns the key that it is about; `Clear` is about all.
    fn key(&self) -> Option<&str> {
        match self {
            Self::Put { key, .. } | Self::Drop { key } | Self::DropIf { key, .. } => Some(key),
            Self::Clear => None,
        }
    }
}

/// What one record did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    time: i64,
    /// What tells the record from all others.
    record: u64,
    edits: Vec<Edit>,
}

/// The changes of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History(Vec<Change>);

impl History {
    /// Takes in what `record` did at `time`; the same record changes nothing twice.
    pub fn insert(&mut self, time: Seconds, record: u64, edits: Vec<Edit>) {
        let key = (time.0, record);
        let place = self.0.binary_search_by_key(&key, |change| (change.time, change.record));
        if let Err(place) = place {
            self.0.insert(place, Change { time: time.0, record, edits });
        }
        if self.0.len() > MAX_CHANGES
            && let Some(middle) = self.0.get(MAX_CHANGES / 2).map(|change| change.time)
        {
            self.settle(Seconds(middle));
        }
        // A flood of changes within one second settles into nothing; its first are gone.
        while self.0.len() > MAX_CHANGES {
            self.0.remove(0);
        }
    }

    /// Returns the tags as they were just before `time`.
    pub fn before(&self, time: Seconds) -> Known<'_> {
        let mut known = Known::new();
        let changes = self.0.iter().take_while(|change| change.time < time.0);
        changes.flat_map(|change| &change.edits).for_each(|edit| apply(edit, &mut known));
        known
    }

    /// Leaves only what is about `keys`; returns whether anything else was there.
    pub fn narrow(&mut self, keys: &Keys) -> bool {
        let before = self.edits();
        if keys.is_empty() {
            self.0.clear();
        }
        for change in &mut self.0 {
            change.edits.retain(|edit| edit.key().is_none_or(|key| keys.hold(key)));
        }
        self.0.retain(|change| !change.edits.is_empty());
        self.edits() != before
    }

    /// Forgets what has no effect on any moment from `before` on; returns whether that was anything.
    pub fn settle(&mut self, before: Seconds) -> bool {
        let edits = self.edits();
        let old = self.0.partition_point(|change| change.time < before.0);
        self.resolve(old);
        let (mut decided, mut is_cleared): (Vec<Box<str>>, bool) = (Vec::new(), false);
        for change in self.0.iter_mut().take(old).rev() {
            let mut kept = Vec::new();
            for edit in std::mem::take(&mut change.edits).into_iter().rev() {
                let is_over = match edit.key() {
                    Some(key) => is_cleared || decided.iter().any(|known| **known == *key),
                    None => is_cleared,
                };
                if is_over {
                    continue;
                }
                match edit.key() {
                    Some(key) => decided.push(key.into()),
                    None => is_cleared = true,
                }
                kept.push(edit);
            }
            kept.reverse();
            change.edits = kept;
        }
        self.0.retain(|change| !change.edits.is_empty());
        let is_old = self.0.iter().all(|change| change.time < before.0);
        let is_bare = self.before(Seconds(i64::MAX)).is_empty();
        if is_old && is_bare {
            self.0.clear();
        }
        self.edits() != edits
    }

    /// Says of tags that went if they had a value, among the first `count` changes, whether they did.
    fn resolve(&mut self, count: usize) {
        let mut known: Vec<(Box<str>, Box<str>)> = Vec::new();
        for change in self.0.iter_mut().take(count) {
            change.edits.retain_mut(|edit| {
                match edit {
                    Edit::Put { key, value } => {
                        known.retain(|(name, _)| name != key);
                        known.push((key.clone(), value.clone()));
                    }
                    Edit::Drop { key } => known.retain(|(name, _)| name != key),
                    Edit::Clear => known.clear(),
                    Edit::DropIf { key, value } => {
                        let had = known.len();
                        known.retain(|(name, it)| name != key || it != value);
                        if known.len() == had {
                            return false;
                        }
                        *edit = Edit::Drop { key: std::mem::take(key) };
                    }
                }
                true
            });
        }
    }

    /// Returns whether time will make something of it superfluous.
    pub fn is_loose(&self) -> bool {
        let is_put = |edit: &Edit| matches!(edit, Edit::Put { .. });
        self.0.len() > 1 || !self.0.iter().flat_map(|change| &change.edits).all(is_put)
    }

    /// Returns when it changed last.
    pub fn last(&self) -> Seconds {
        Seconds(self.0.last().map_or(i64::MIN, |change| change.time))
    }

    /// Returns whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn edits(&self) -> usize {
        self.0.iter().map(|change| change.edits.len()).sum()
    }
}

fn apply<'h>(edit: &'h Edit, known: &mut Known<'h>) {
    match edit {
        Edit::Put { key, value } => {
            known.retain(|(name, _)| *name != &**key);
            known.push((key, value));
        }
        Edit::Drop { key } => known.retain(|(name, _)| *name != &**key),
        Edit::DropIf { key, value } => {
            known.retain(|(name, it)| *name != &**key || *it != &**value);
        }
        Edit::Clear => known.clear(),
    }
}
