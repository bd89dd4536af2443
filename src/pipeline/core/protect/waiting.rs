//! Acts that wait for grants that may be late, in memory and in the store.
//!
//! An act that has waited is not dropped from the store here: whoever judges it says whether it is kept (`judged.rs`).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::grants;
use crate::identity;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Scope;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::pipeline::table;
use crate::pipeline::table::HeldRow;
use crate::store::StoreError;
use crate::store::Tx;

/// What may wait for late grants, in bytes. Beyond, the oldest are judged by what is known.
const MAX_BYTES: usize = 32 << 20;

/// What of it acts may take that nobody has to be told of.
const MAX_QUIET_BYTES: usize = MAX_BYTES / 2;

/// An act that waits, or was judged and is kept.
#[derive(Debug, Clone)]
pub struct Held {
    pub(super) time: Seconds,
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
        let mut facts = Facts::default();
        let is_of_grants = |name: &str| grants::FIELDS.iter().any(|field| field.name == name);
        for (name, fact) in event.facts.iter().filter(|(name, _)| !is_of_grants(name)) {
            facts.set(name, fact.clone());
        }
        Self {
            time: event.time,
            record: text,
            slots,
            session: event.session.clone(),
            facts,
            object: object.to_owned(),
        }
    }

    /// Takes it from the store.
    pub(super) fn read(row: HeldRow) -> (ActId, Self) {
        let HeldRow { time, event_id, record, facts, object, judged: _ } = row;
        let slots = Slots::of(&record).unwrap_or_default();
        ((time, event_id.into()), Self { time, record, slots, session: None, facts, object })
    }

    /// Returns it as the store keeps it.
    pub(super) fn row(&self, id: &ActId, judged: Option<String>) -> HeldRow {
        let mut facts = Facts::default();
        self.event().all_facts().for_each(|(name, fact)| facts.set(name, fact.clone()));
        HeldRow {
            time: self.time,
            event_id: id.1.to_string(),
            record: self.record.clone(),
            facts,
            object: self.object.clone(),
            judged,
        }
    }

    /// Returns its record.
    pub fn record(&self) -> TrailRecord<'_> {
        TrailRecord::new(&self.record, &self.slots)
    }

    /// Lays it to whom `session` names, if more is known there than was before; returns who it was laid to, if that or
    /// anything else of it changed.
    pub fn lay_to(&mut self, session: &Arc<Facts>) -> Option<String> {
        let event = self.event();
        let of_session = || {
            identity::FIELDS.iter().filter(|field| field.scope == Scope::Session).map(|it| it.name)
        };
        let is_same = of_session().all(|name| event.fact(name) == session.get(name));
        // What was known of a session is forgotten some hours after its end: that is no news.
        let links = |fact: Option<&Fact>| match fact {
            Some(Fact::Texts(chain)) => chain.len(),
            _ => 0,
        };
        let before = event.fact("gw.session.chain");
        let knows_less = links(session.get("gw.session.chain")) < links(before)
            || event.fact("gw.session.stitched") == Some(&Fact::Flag(true))
                && session.get("gw.session.stitched") != Some(&Fact::Flag(true));
        if is_same || knows_less {
            return None;
        }
        let name = event.text("gw.identity.name").unwrap_or_default().into_owned();
        drop(event);
        self.facts.retain(|name| of_session().all(|known| known != name));
        self.session = Some(Arc::clone(session));
        Some(name)
    }

    pub(super) fn bytes(&self) -> usize {
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

/// What an act is told from all others by: its time and the id of its event.
pub type ActId = (Seconds, Arc<str>);

/// Whether the store has an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// It does.
    Yes,
    /// It has it as it was.
    Former,
    /// It does not.
    No,
}

/// What waits, by time.
#[derive(Debug, Default)]
pub struct Waiting {
    acts: BTreeMap<ActId, Held>,
    bytes: usize,
    /// Of what waits, what the store lacks.
    unsaved: BTreeSet<ActId>,
}

impl Waiting {
    /// Takes an act that waited at the last commit.
    pub fn load(&mut self, id: ActId, held: Held) {
        self.insert(id, held);
    }

    /// Lets an act wait.
    pub fn hold(&mut self, id: ActId, held: Held) {
        self.unsaved.insert(id.clone());
        self.insert(id, held);
    }

    /// Returns whether an act may wait that is only counted.
    pub fn has_room(&self) -> bool {
        self.bytes < MAX_QUIET_BYTES
    }

    fn insert(&mut self, id: ActId, held: Held) {
        self.bytes += held.bytes();
        if let Some(replaced) = self.acts.insert(id, held) {
            self.bytes -= replaced.bytes();
        }
    }

    /// Returns the next act for which `grace` is over, in the order of event time.
    pub fn due(&mut self, watermark: Seconds, grace: Span) -> Option<(ActId, Held, Stored)> {
        let first = self.acts.first_entry()?;
        let is_due = first.key().0.plus(grace) <= watermark;
        if !is_due && self.bytes <= MAX_BYTES {
            return None;
        }
        let (id, held) = first.remove_entry();
        self.bytes -= held.bytes();
        let stored = if self.unsaved.remove(&id) { Stored::No } else { Stored::Yes };
        Some((id, held, stored))
    }

    /// Writes what began to wait since the last save.
    ///
    /// # Errors
    /// When the store refuses it.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.unsaved) {
            let Some(held) = self.acts.get(&id) else { continue };
            table::insert_held(tx, &held.row(&id, None)).map_err(|error| tx.failed(error))?;
        }
        Ok(())
    }
}
