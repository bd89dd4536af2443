//! Records that teach something and wait until everything before them has come.
//!
//! Invariant: they are heard in the order of event time, so that the order in which files come changes nothing. What
//! waits is in the store.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::grants::trail::table;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What may wait, in bytes. Beyond, the oldest are heard before their time.
const MAX_BYTES: usize = 64 << 20;

/// A record that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its time.
    pub time: Seconds,
    /// What tells it from all others.
    pub event_id: String,
    /// As AWS wrote it.
    pub record: String,
    /// Where it was read.
    pub object: String,
}

type Key = (Seconds, String);

/// What waits, by time.
#[derive(Debug, Default)]
pub(super) struct Queue {
    records: BTreeMap<Key, Pending>,
    bytes: usize,
    /// Of what waits, what the store lacks.
    unsaved: BTreeSet<Key>,
    /// What the store has and nobody waits for any more.
    heard: Vec<Key>,
}

impl Queue {
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut queue = Self::default();
        for record in table::pending(connection)? {
            queue.insert(record);
        }
        Ok(queue)
    }

    pub fn hold(&mut self, record: Pending) {
        self.unsaved.insert((record.time, record.event_id.clone()));
        self.insert(record);
    }

    fn insert(&mut self, record: Pending) {
        self.bytes += record.bytes();
        let key = (record.time, record.event_id.clone());
        if let Some(replaced) = self.records.insert(key, record) {
            self.bytes -= replaced.bytes();
        }
    }

    /// Returns the next record for which `grace` is over, in the order of event time.
    pub fn due(&mut self, watermark: Seconds, grace: Span) -> Option<Pending> {
        let first = self.records.first_entry()?;
        let is_due = first.key().0.plus(grace) <= watermark;
        if !is_due && self.bytes <= MAX_BYTES {
            return None;
        }
        let (key, record) = first.remove_entry();
        self.bytes -= record.bytes();
        if !self.unsaved.remove(&key) {
            self.heard.push(key);
        }
        Some(record)
    }

    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for (time, event_id) in self.heard.drain(..) {
            table::drop_pending(tx, time, &event_id)?;
        }
        for key in std::mem::take(&mut self.unsaved) {
            if let Some(record) = self.records.get(&key) {
                table::put_pending(tx, record)?;
            }
        }
        Ok(())
    }
}

impl Pending {
    fn bytes(&self) -> usize {
        self.record.len() + self.object.len() + 256
    }
}
