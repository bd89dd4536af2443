//! Which rows are being worked on.
//!
//! A row stays `pending` from the moment it is read until the commit that says how its try ended. A lease
//! keeps it from being sent a second time meanwhile. Leases are in memory: after a crash there are none,
//! and what was under way is tried again.
//!
//! Invariant: a lease is for one try of a row. When the row has been settled its count of tries is another,
//! so an old lease never hides a new try. Of one alert a sink is asked to take one revision at a time, so that none
//! overtakes another.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use crate::model::AlertId;
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
    alert: AlertId,
    stage: Stage,
}

/// The leases of all sinks; one per process, so that it outlives a reload.
#[derive(Debug, Default)]
pub struct Leases(Mutex<BTreeMap<Key, Lease>>);

impl Leases {
    /// Takes the lease of `key` for `sink`; returns whether it was free, and no other try of `alert` under way there.
    pub fn take(&self, key: Key, sink: &SinkName, alert: &AlertId) -> bool {
        let mut leases = self.lock();
        let free = !leases.contains_key(&key) && !is_under_way(&leases, sink, alert);
        if free {
            let (sink, alert) = (sink.clone(), alert.clone());
            leases.insert(key, Lease { sink, alert, stage: Stage::UnderWay });
        }
        free
    }

    /// Returns whether somebody has `key`, or another try of `alert` at `sink`.
    pub fn is_taken(&self, key: Key, sink: &SinkName, alert: &AlertId) -> bool {
        let leases = self.lock();
        leases.contains_key(&key) || is_under_way(&leases, sink, alert)
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

fn is_under_way(leases: &BTreeMap<Key, Lease>, sink: &SinkName, alert: &AlertId) -> bool {
    leases.values().any(|lease| lease.alert == *alert && lease.sink == *sink)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_is_leased_once_and_the_next_try_is_another() {
        let leases = Leases::default();
        let hook = SinkName("hook".to_owned());
        let (a, b) = (AlertId("a".to_owned()), AlertId("b".to_owned()));
        let first = Key { seq: 7, attempts: 0 };
        assert!(leases.take(first, &hook, &a));
        assert!(!leases.take(first, &hook, &a));
        assert_eq!(leases.all_reported(&hook), []);
        leases.reported(first);
        assert!(leases.is_taken(first, &hook, &a));
        assert_eq!(leases.all_reported(&hook), [first]);
        assert_eq!(leases.all_reported(&SinkName("file".to_owned())), []);
        leases.give_back(first);
        assert!(!leases.is_taken(first, &hook, &a));
        assert!(leases.take(Key { seq: 7, attempts: 1 }, &hook, &a));
        assert!(leases.take(Key { seq: 8, attempts: 0 }, &hook, &b));
        assert_eq!(leases.count(), 2);
    }

    #[test]
    fn no_revision_goes_out_beside_another_of_its_alert() {
        let leases = Leases::default();
        let (hook, file) = (SinkName("hook".to_owned()), SinkName("file".to_owned()));
        let alert = AlertId("a".to_owned());
        let (first, second) = (Key { seq: 7, attempts: 0 }, Key { seq: 9, attempts: 0 });
        assert!(leases.take(first, &hook, &alert));
        leases.reported(first);
        assert!(leases.is_taken(second, &hook, &alert) && !leases.take(second, &hook, &alert));
        assert!(!leases.is_taken(second, &file, &alert), "other sinks do not wait for it");
        leases.give_back(first);
        assert!(leases.take(second, &hook, &alert));
    }
}
