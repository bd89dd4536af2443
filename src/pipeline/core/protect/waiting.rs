//! Acts that wait for grants that may be late, in memory and in the store.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::Event;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::pipeline::schema;
use crate::pipeline::table;
use crate::pipeline::table::HeldRow;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What may wait for late grants, in bytes. Beyond, the oldest are judged by what is known.
const MAX_BYTES: usize = 32 << 20;

/// What of it acts may take that nobody has to be told of.
const MAX_QUIET_BYTES: usize = MAX_BYTES / 2;

/// An act that waits.
#[derive(Debug)]
pub struct Held {
    time: Seconds,
    record: String,
    slots: Slots,
    session: Option<Arc<Facts>>,
    /// Its own facts, but those about grants.
    facts: Facts,
    /// Where it was read.
    pub object: String,
}

impl Held {
    /// Keeps an event of `record` that was read from `object`, without facts about grants.
    pub fn of(event: &Event<'_>, record: &TrailRecord<'_>, object: &str) -> Self {
        let (text, slots) = record.detached();
        Self {
            time: event.time,
            record: text,
            slots,
            session: event.session.clone(),
            facts: event.facts.clone(),
            object: object.to_owned(),
        }
    }

    fn bytes(&self) -> usize {
        self.record.len() + size_of::<Self>() + 1_024
    }

    /// Returns the act as an event.
    pub fn event(&self) -> Event<'_> {
        Event {
            time: self.time,
            record: Record::Trail(TrailRecord::new(&self.record, &self.slots)),
            session: self.session.clone(),
            facts: self.facts.clone(),
        }
    }
}

type Key = (Seconds, String);

/// What waits, by time.
#[derive(Debug, Default)]
pub struct Waiting {
    acts: BTreeMap<Key, Held>,
    bytes: usize,
    /// Of what waits, what the store lacks.
    unsaved: BTreeSet<Key>,
    /// What the store has and nobody waits for any more.
    settled: Vec<Key>,
}

impl Waiting {
    /// Reads what waited at the last commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut waiting = Self::default();
        let rows = table::held(connection, &schema::fields()).map_err(StoreError::Read)?;
        for HeldRow { time, event_id, record, facts, object } in rows {
            let slots = Slots::of(&record).unwrap_or_default();
            let held = Held { time, record, slots, session: None, facts, object };
            waiting.insert((time, event_id), held);
        }
        Ok(waiting)
    }

    /// Lets an act wait.
    pub fn hold(&mut self, event_id: String, held: Held) {
        let key = (held.time, event_id);
        self.unsaved.insert(key.clone());
        self.insert(key, held);
    }

    /// Returns whether an act may wait that is only counted.
    pub fn has_room(&self) -> bool {
        self.bytes < MAX_QUIET_BYTES
    }

    fn insert(&mut self, key: Key, held: Held) {
        self.bytes += held.bytes();
        if let Some(replaced) = self.acts.insert(key, held) {
            self.bytes -= replaced.bytes();
        }
    }

    /// Returns the next act for which `grace` is over, in the order of event time.
    pub fn due(&mut self, watermark: Seconds, grace: Span) -> Option<Held> {
        let first = self.acts.first_entry()?;
        let is_due = first.key().0.plus(grace) <= watermark;
        if !is_due && self.bytes <= MAX_BYTES {
            return None;
        }
        let (key, held) = first.remove_entry();
        self.bytes -= held.bytes();
        if !self.unsaved.remove(&key) {
            self.settled.push(key);
        }
        Some(held)
    }

    /// Writes what began or ceased to wait since the last save.
    ///
    /// # Errors
    /// When the store refuses it.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for (time, event_id) in self.settled.drain(..) {
            table::drop_held(tx, time, &event_id).map_err(|error| tx.failed(error))?;
        }
        for key in std::mem::take(&mut self.unsaved) {
            let Some(held) = self.acts.get(&key) else { continue };
            let mut facts = Facts::default();
            held.event().all_facts().for_each(|(name, fact)| facts.set(name, fact.clone()));
            let row = HeldRow {
                time: held.time,
                event_id: key.1,
                record: held.record.clone(),
                facts,
                object: held.object.clone(),
            };
            table::insert_held(tx, &row).map_err(|error| tx.failed(error))?;
        }
        Ok(())
    }
}
