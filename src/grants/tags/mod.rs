//! Tags of resources, as records told of them: what an act's resources were tagged with at its time.
//!
//! `lesson.rs` reads what a record says of tags, on a worker; `history.rs` holds what one resource was tagged with in
//! time; `name.rs` says under which name a resource is kept. Only the keys that the surface asks for are kept.
//!
//! Invariant: what is known of a resource is a set of changes in event time, so that the order in which records come, and
//! their repetition, change nothing. Bounded: what does not fit pushes out what holds no tag, then what changed longest ago.

mod calls;
mod history;
mod lesson;
mod name;
mod spelling;
pub(super) mod table;

#[cfg(test)]
mod lesson_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use crate::grants::config::Config;
use crate::grants::tags::history::History;
use crate::model::Glob;
use crate::model::Plain;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

pub use lesson::Lesson;
pub use lesson::lesson;

/// How many resources' tags are kept at most: some 40 MB.
const MAX_RESOURCES: usize = 100_000;
/// How long every change is kept at least, so that a record of that age is judged by the tags of its time.
const KEPT: Span = Span(86_400);
/// How far event time moves on before what is superseded is forgotten.
const PAUSE: Span = Span(3_600);

/// Tags that an entry or an exemption asks for: each key with the values that it may have.
pub type Wanted = BTreeMap<String, Vec<Glob>>;

/// The tags of a resource that are known, as key and value.
pub type Known<'a> = Vec<(&'a str, &'a str)>;

/// The keys that the surface asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<Box<str>>);

impl Keys {
    /// Returns the keys that the entries and exemptions of `config` name.
    pub fn of(config: &Config) -> Self {
        let entries = config.protect.iter().map(|entry| &entry.resource_tags);
        let exemptions = config.exempt.iter().map(|exempt| &exempt.resource_tags);
        let keys = entries.chain(exemptions).flat_map(BTreeMap::keys);
        let keys: BTreeSet<Box<str>> = keys.map(|key| key.to_ascii_lowercase().into()).collect();
        Self(keys.into_iter().collect())
    }

    /// Returns whether nothing asks for tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether `key` is asked for; case does not matter, as in conditions of IAM.
    pub fn hold(&self, key: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(key))
    }
}

/// Returns whether a resource with the tags `known` fits `wanted`: of each key one value does.
pub fn fit(wanted: &Wanted, known: &[(&str, &str)]) -> bool {
    wanted.iter().all(|(key, globs)| values(known, key).any(|value| is_one_of(globs, value)))
}

/// Returns whether a resource with the tags `known` fits `wanted` however its keys are spelled: each value of each key does.
pub fn fit_wholly(wanted: &Wanted, known: &[(&str, &str)]) -> bool {
    fit(wanted, known)
        && wanted.iter().all(|(key, globs)| values(known, key).all(|value| is_one_of(globs, value)))
}

fn values<'k>(known: &'k [(&str, &'k str)], key: &'k str) -> impl Iterator<Item = &'k str> {
    known.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
}

fn is_one_of(globs: &[Glob], value: &str) -> bool {
    globs.iter().any(|glob| glob.matches(value))
}

/// A resource's place in the order in which resources are forgotten.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// What holds no tag any more goes first.
    is_tagged: bool,
    last: Seconds,
    resource: Arc<str>,
}

/// What is known of the tags of resources.
#[derive(Debug)]
pub struct Tags {
    keys: Keys,
    limit: usize,
    /// How long changes are kept one by one.
    keep: Span,
    resources: HashMap<Arc<str>, History, Plain>,
    ranks: BTreeSet<Rank>,
    /// Resources of which something will be superseded with time.
    loose: BTreeSet<Arc<str>>,
    unsaved: BTreeSet<Arc<str>>,
    crowded_out: u64,
    forgotten: Seconds,
}

impl Tags {
    /// Makes the state of the last commit. Keys that nothing asks for any more are forgotten with all that was known: if they
    /// are asked for again, their history begins then.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load(config: &Config, connection: &Connection) -> Result<Self, StoreError> {
        let judged_for = config.revise_for.span().max(KEPT);
        let keep = Span(judged_for.0.saturating_add(config.grace.span().0));
        let mut tags = Self::new(Keys::of(config), keep, MAX_RESOURCES);
        for (resource, mut history) in table::all(connection)? {
            let resource: Arc<str> = resource.into();
            if history.narrow(&tags.keys) {
                tags.unsaved.insert(Arc::clone(&resource));
            }
            if !history.is_empty() {
                tags.put(resource, history);
            }
        }
        Ok(tags)
    }

    fn new(keys: Keys, keep: Span, limit: usize) -> Self {
        Self {
            keys,
            limit,
            keep,
            resources: HashMap::default(),
            ranks: BTreeSet::new(),
            loose: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            crowded_out: 0,
            forgotten: Seconds(i64::MIN),
        }
    }

    /// Returns whether anything asks for tags.
    pub fn is_asked(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Takes in what a record says of tags.
    pub fn learn(&mut self, lesson: Lesson) {
        for (resource, edits) in lesson.changes {
            let known = self.resources.get_key_value(&*resource);
            let resource = known.map_or_else(|| resource.into(), |(name, _)| Arc::clone(name));
            let mut history = self.take(&resource).unwrap_or_default();
            history.insert(lesson.time, lesson.record, edits);
            self.put(Arc::clone(&resource), history);
            self.unsaved.insert(resource);
        }
        while self.resources.len() > self.limit
            && let Some(first) = self.ranks.first().map(|rank| Arc::clone(&rank.resource))
        {
            self.take(&first);
            self.unsaved.insert(first);
            self.crowded_out += 1;
        }
    }

    /// Returns what the resources `arns` were known to be tagged with just before `time`, one by one: an act sees what was
    /// there when it began.
    pub fn before(&self, time: Seconds, arns: &[&str]) -> Vec<Known<'_>> {
        let known = |arn: &&str| {
            let history = self.resources.get(&*name::of(arn));
            history.map(|history| history.before(time)).unwrap_or_default()
        };
        arns.iter().map(known).collect()
    }

    /// Forgets what is superseded and too old to be asked for.
    pub fn forget(&mut self, watermark: Seconds) {
        if watermark < self.forgotten.plus(PAUSE) || watermark == Seconds(i64::MAX) {
            return;
        }
        self.forgotten = watermark;
        let before = watermark.plus(Span(-self.keep.0));
        for resource in std::mem::take(&mut self.loose) {
            let Some(mut history) = self.take(&resource) else { continue };
            if history.settle(before) {
                self.unsaved.insert(Arc::clone(&resource));
            }
            if !history.is_empty() {
                self.put(resource, history);
            }
        }
    }

    /// Writes what changed since the last save.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for resource in std::mem::take(&mut self.unsaved) {
            match self.resources.get(&resource) {
                Some(history) => table::put(tx, &resource, history)?,
                None => table::drop(tx, &resource)?,
            }
        }
        Ok(())
    }

    /// Returns of how many resources tags are kept.
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Returns whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Returns how many resources were forgotten for want of room since it was last asked.
    pub fn crowded_out(&mut self) -> u64 {
        std::mem::take(&mut self.crowded_out)
    }

    fn put(&mut self, resource: Arc<str>, history: History) {
        self.ranks.insert(rank(&resource, &history));
        if history.is_loose() {
            self.loose.insert(Arc::clone(&resource));
        }
        self.resources.insert(resource, history);
    }

    fn take(&mut self, resource: &Arc<str>) -> Option<History> {
        let history = self.resources.remove(resource)?;
        self.ranks.remove(&rank(resource, &history));
        self.loose.remove(resource);
        Some(history)
    }
}

fn rank(resource: &Arc<str>, history: &History) -> Rank {
    Rank {
        is_tagged: !history.before(Seconds(i64::MAX)).is_empty(),
        last: history.last(),
        resource: Arc::clone(resource),
    }
}
