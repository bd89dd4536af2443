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

/// The leases of all sinks; one per process, so that it outlives a reload.
#[derive(Debug, Default)]
pub struct Leases(Mutex<BTreeMap<Key, Stage>>);

impl Leases {
    /// Takes the lease of `key`; returns whether it was free.
    pub fn take(&self, key: Key) -> bool {
        let mut leases = self.lock();
        let free = !leases.contains_key(&key);
        if free {
            leases.insert(key, Stage::UnderWay);
        }
        free
    }

    /// Returns whether somebody has `key`.
    pub fn is_taken(&self, key: Key) -> bool {
        self.lock().contains_key(&key)
    }

    /// Notes that the outcome of `key` has been handed over; the lease lasts until the store shows it.
    pub fn reported(&self, key: Key) {
        self.lock().insert(key, Stage::Reported);
    }

    /// Gives `key` back: its try was broken off without an outcome.
    pub fn give_back(&self, key: Key) {
        self.lock().remove(&key);
    }

    /// Returns the tries whose outcome was handed over, to be checked against the store.
    pub fn all_reported(&self) -> Vec<Key> {
        let reported = |(key, stage): (&Key, &Stage)| (*stage == Stage::Reported).then_some(*key);
        self.lock().iter().filter_map(reported).collect()
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Stage>> {
        // A holder that panicked left the map whole: each change is one call.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_is_leased_once_and_the_next_try_is_another() {
        let leases = Leases::default();
        let first = Key { seq: 7, attempts: 0 };
        assert!(leases.take(first));
        assert!(!leases.take(first));
        assert_eq!(leases.all_reported(), []);
        leases.reported(first);
        assert!(leases.is_taken(first));
        assert_eq!(leases.all_reported(), [first]);
        assert!(leases.take(Key { seq: 7, attempts: 1 }));
        leases.give_back(first);
        assert!(!leases.is_taken(first));
        assert_eq!(leases.count(), 1);
    }
}
