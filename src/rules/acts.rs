//! What is remembered of matches that can be undone and of calls that would undo them: in the order of time, bounded, and
//! saved as it changes. How the two are linked says `undone.rs`.
//!
//! Invariant: an act stands here once, and to forget the oldest costs no look at the others.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::model::AlertId;
use crate::model::DetectorId;
use crate::model::Event;
use crate::model::Seconds;
use crate::model::bounded;
use crate::rules::table;
use crate::rules::ways::Values;
use crate::rules::ways::WayId;
use crate::rules::ways::fits;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// The longest text that is kept of a call.
const MAX_TEXT_BYTES: usize = 512;

/// The facts that say who made a call.
pub(super) const WHO: [&str; 5] =
    ["gw.identity.name", "gw.identity.kind", "gw.by_service", "gw.provisioner", "gw.broker"];

/// What tells an event from all others: its time and its id.
pub(super) type ActId = (Seconds, Box<str>);

/// An act, and the detector that it matters to.
pub(super) type Key = (DetectorId, ActId);

/// A call, as far as an alert needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Call {
    /// Its `eventSource`.
    pub(super) source: String,
    /// Its `eventName`.
    pub(super) name: String,
    pub(super) account: String,
    pub(super) region: String,
    /// Where it came from.
    pub(super) address: String,
    /// The object that it was read from.
    pub(super) object: String,
    /// Those of [`WHO`] that it has.
    pub(super) who: Map<String, Value>,
}

impl Call {
    pub(super) fn of(event: &Event<'_>, object: &str) -> Self {
        let text = |path| {
            let text = event.text(path).unwrap_or_default();
            bounded(&text, MAX_TEXT_BYTES).into_owned()
        };
        let fact = |name: &str| {
            let fact = serde_json::to_value(event.fact(name)?).expect("a fact is plain JSON");
            Some((name.to_owned(), fact))
        };
        Self {
            source: text("eventSource"),
            name: text("eventName"),
            account: text("recipientAccountId"),
            region: text("awsRegion"),
            address: text("sourceIPAddress"),
            object: bounded(object, MAX_TEXT_BYTES).into_owned(),
            who: WHO.into_iter().filter_map(fact).collect(),
        }
    }

    /// Returns who made it, by canonical name; empty if nobody knows.
    pub(super) fn by(&self) -> &str {
        self.who.get("gw.identity.name").and_then(Value::as_str).unwrap_or_default()
    }
}

/// What undid a match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Undoer {
    pub(super) at: ActId,
    pub(super) call: Call,
}

/// What became of a match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Fate {
    /// Nothing that is known undoes it.
    Stands,
    /// This does, as far as is known; something earlier may still be read.
    Undone(Undoer),
    /// This did, and a signal has told so.
    Told(Undoer),
}

/// A match that can be undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// The alert that tells of it.
    pub(super) alert: AlertId,
    /// Its detector, by name.
    pub(super) detector: String,
    pub(super) call: Call,
    pub(super) values: BTreeMap<WayId, Values>,
    pub(super) fate: Fate,
}

impl Done {
    /// Returns whether `back` undoes it by any of the ways.
    pub(super) fn is_undone_by(&self, back: &Back) -> bool {
        let fitting = |(way, values): (&WayId, &Values)| {
            self.values.get(way).is_some_and(|done| fits(done, values))
        };
        back.values.iter().any(fitting)
    }
}

/// What would undo a match, by one way or by several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Back {
    pub(super) call: Call,
    pub(super) values: BTreeMap<WayId, Values>,
}

/// What an act is to one detector: a match of it, what would undo another, or both.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Act {
    pub(super) done: Option<Done>,
    pub(super) back: Option<Back>,
}

/// All acts that are remembered.
#[derive(Debug, Default)]
pub(super) struct Acts {
    of: BTreeMap<DetectorId, BTreeMap<ActId, Act>>,
    by_time: BTreeSet<(ActId, DetectorId)>,
    /// What has come, changed or gone since the last save.
    changed: BTreeSet<Key>,
}

impl Acts {
    /// Reads what was saved.
    pub(super) fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut acts = Self::default();
        table::undoing(connection, |key, act| *acts.change(&key) = act)
            .map_err(StoreError::Read)?;
        acts.changed.clear();
        Ok(acts)
    }

    /// Returns the match that `key` tells of.
    pub(super) fn done(&self, key: &Key) -> Option<&Done> {
        self.of.get(&key.0)?.get(&key.1)?.done.as_ref()
    }

    /// Returns an act that is about to change; an empty one if it is new.
    pub(super) fn change(&mut self, key: &Key) -> &mut Act {
        self.changed.insert(key.clone());
        let (detector, act) = key;
        self.by_time.insert((act.clone(), detector.clone()));
        self.of.entry(detector.clone()).or_default().entry(act.clone()).or_default()
    }

    /// Returns the acts of a detector that happened at `from` or later and before `until`, in the order of time.
    pub(super) fn between(
        &self,
        detector: &DetectorId,
        (from, until): (Seconds, Seconds),
    ) -> impl Iterator<Item = (&ActId, &Act)> {
        let range = (from, "".into())..(until.max(from), "".into());
        self.of.get(detector).into_iter().flat_map(move |all| all.range(range.clone()))
    }

    /// Returns the matches that were undone and are not told of as such, with what undid them.
    pub(super) fn undone(&self) -> impl Iterator<Item = (&ActId, Key)> {
        let acts = self.of.iter().flat_map(|(of, all)| all.iter().map(move |it| (of, it)));
        acts.filter_map(|(of, (id, act))| match &act.done.as_ref()?.fate {
            Fate::Undone(undoer) => Some((&undoer.at, (of.clone(), id.clone()))),
            Fate::Stands | Fate::Told(_) => None,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Returns when the oldest act happened.
    pub(super) fn oldest(&self) -> Option<Seconds> {
        self.by_time.first().map(|((time, _), _)| *time)
    }

    /// Forgets the oldest act and returns it.
    pub(super) fn pop_oldest(&mut self) -> Option<(Key, Act)> {
        let (act, detector) = self.by_time.pop_first()?;
        let all = self.of.get_mut(&detector)?;
        let found = all.remove(&act)?;
        if all.is_empty() {
            self.of.remove(&detector);
        }
        let key = (detector, act);
        self.changed.insert(key.clone());
        Some((key, found))
    }

    /// Writes what changed since the last save.
    pub(super) fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for key in std::mem::take(&mut self.changed) {
            let (detector, id) = &key;
            match self.of.get(detector).and_then(|all| all.get(id)) {
                Some(act) => table::put_undoing(tx, &key, act),
                None => table::drop_undoing(tx, &key),
            }
            .map_err(|error| tx.failed(error))?;
        }
        Ok(())
    }
}
