//! Which rows are being worked on.
//!
//! A row stays `pending` from the moment it is read until the commit that says how its try ended. A lease
//! keeps it from being sent a second time meanwhile. Leases are in memory: after a crash there are none,
//! and what was under way is tried again.
//!
//! Invariant: a lease is for one try of a row. When the row has been settled its count of tries is another,
//! so an old lease never hides a new try.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::model::SinkName;

/// One try of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The row.
    pub seq: i64,
    /// How many tries it had before this one.
    pub attempts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A sink is being asked.
    UnderWay,
    /// The outcome is on its way to the store.
    Reported,
}

#[derive(Debug)]
struct Lease {
    sink: SinkName,
    stage: Stage,
}

/// The leases of all sinks; one per process, so that it outlives a reload.
#[derive(Debug, Default)]
pub struct Leases(Mutex<BTreeMap<Key, Lease>>);

impl Leases {
    /// Takes the lease of `key` for `sink`; returns whether it was free.
    pub fn take(&self, key: Key, sink: &SinkName) -> bool {
        let mut leases = self.lock();
        let free = !leases.contains_key(&key);
        if free {
            leases.insert(key, Lease { sink: sink.clone(), stage: Stage::UnderWay });
        }
        free
    }

    /// Returns whether somebody has `key`.
    pub fn is_taken(&self, key: Key) -> bool {
        self.lock().contains_key(&key)
    }

    /// Notes that the outcome of `key` has been handed over; the lease lasts until the store shows it.
    pub fn reported(&self, key: Key) {
        if let Some(lease) = self.lock().get_mut(&key) {
            lease.stage = Stage::Reported;
        }
    }

    /// Gives `key` back: its try was broken off without an outcome.
    pub fn give_back(&self, key: Key) {
        self.lock().remove(&key);
    }

    /// Returns the tries of `sink` whose outcome was handed over. Who finds in the store that they are settled gives
    /// them back, before reading what is due: what was read earlier may show such a row as it was.
    pub fn all_reported(&self, sink: &SinkName) -> Vec<Key> {
        let leases = self.lock();
        let reported = |lease: &Lease| lease.stage == Stage::Reported && lease.sink == *sink;
        leases.iter().filter(|(_, lease)| reported(lease)).map(|(key, _)| *key).collect()
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Lease>> {
        // A holder that panicked left the map whole: each change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_is_leased_once_and_the_next_try_is_another() {
        let leases = Leases::default();
        let hook = SinkName("hook".to_owned());
        let first = Key { seq: 7, attempts: 0 };
        assert!(leases.take(first, &hook));
        assert!(!leases.take(first, &hook));
        assert_eq!(leases.all_reported(&hook), []);
        leases.reported(first);
        assert!(leases.is_taken(first));
        assert_eq!(leases.all_reported(&hook), [first]);
        assert_eq!(leases.all_reported(&SinkName("file".to_owned())), []);
        assert!(leases.take(Key { seq: 7, attempts: 1 }, &hook));
        leases.give_back(first);
        assert!(!leases.is_taken(first));
        assert_eq!(leases.count(), 1);
    }
}
