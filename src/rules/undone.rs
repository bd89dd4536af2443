//! What detectors told of and what would undo it, remembered for a while, so that the two are linked whichever of them is
//! read first. How a detector's file declares it says `ways.rs`.
//!
//! Invariant: a match is linked to what happened later, to one and the same thing in every field that is named, and once.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::model::AlertId;
use crate::model::DetectorId;
use crate::model::Event;
use crate::model::Seconds;
use crate::model::Span;
use crate::rules::Rules;
use crate::rules::table;
use crate::rules::ways::Values;
use crate::rules::ways::fits;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many matches and undoings are remembered. Beyond, the oldest are forgotten: their alerts stay as they are.
const MAX_KEPT: usize = 10_000;

/// How far event time moves on before what is old is forgotten.
const PAUSE: Span = Span(3_600);

/// What tells an event from all others: its time and its id.
pub(super) type ActId = (Seconds, Box<str>);

/// A match that can be undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    /// The alert that tells of it.
    pub(super) alert: String,
    /// Who did it.
    pub(super) by: String,
    /// By way.
    pub(super) values: Vec<Values>,
}

/// What would undo a match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Back {
    pub(super) by: String,
    pub(super) way: usize,
    pub(super) values: Values,
}

/// What is remembered of one detector's matches.
pub(super) type Of<T> = BTreeMap<DetectorId, BTreeMap<ActId, T>>;

/// A match that was undone.
#[derive(Debug, Clone, PartialEq)]
pub struct Undone {
    /// The alert that told of it.
    pub alert: AlertId,
    /// The detector.
    pub detector: DetectorId,
    /// When it happened, and the id of its event.
    pub id: (Seconds, Box<str>),
    /// Who did it.
    pub done_by: String,
    /// When it was undone, and the id of that event.
    pub at: (Seconds, Box<str>),
    /// Who undid it.
    pub by: String,
}

/// What was done and undone of late.
#[derive(Debug, Default)]
pub struct Undoing {
    within: Span,
    done: Of<Done>,
    back: Of<Back>,
    closing: Vec<Undone>,
    unsaved: BTreeSet<(DetectorId, ActId)>,
    gone: BTreeSet<(DetectorId, ActId)>,
    /// Up to when what is old was forgotten.
    forgotten: Option<Seconds>,
}

impl Undoing {
    /// Takes what the store has; what lies further apart than `within` is not linked.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(within: Span, connection: &Connection) -> Result<Self, StoreError> {
        let (done, back) = table::undoing(connection).map_err(StoreError::Read)?;
        Ok(Self { within, done, back, ..Self::default() })
    }

    /// Notes that `alert` tells of `event`, by rule number `rule`, if anything undoes that.
    pub fn told(
        &mut self,
        rules: &Rules,
        rule: u32,
        (event, id): (&Event<'_>, &str),
        alert: &AlertId,
    ) {
        let rule = &rules.rules[rule as usize];
        if rule.undone_by.is_empty() {
            return;
        }
        let values: Vec<Values> = rule.undone_by.iter().map(|way| way.of_match(event)).collect();
        let done = Done { alert: alert.0.clone(), by: who(event), values };
        let (detector, act) = (rule.detector.id.clone(), (event.time, id.into()));
        // In one second nobody knows which came first.
        let is_it = |(at, back): &(&ActId, &Back)| {
            at.0 > event.time
                && at.0 <= event.time.plus(self.within)
                && done.values.get(back.way).is_some_and(|values| fits(values, &back.values))
        };
        let later = self.back.get(&detector).map(|all| all.range((event.time, "".into())..));
        let known = later.and_then(|mut later| later.find(is_it));
        if let Some((at, back)) = known {
            self.closing.push(undone(&detector, (&act, &done), (at, &back.by)));
            return;
        }
        self.done.entry(detector.clone()).or_default().insert(act.clone(), done);
        self.unsaved.insert((detector, act));
        self.bound();
    }

    /// Takes in an event by which rule number `rule` undoes what its detector tells of; returns what it undoes.
    pub fn undo(
        &mut self,
        rules: &Rules,
        rule: u32,
        (event, id): (&Event<'_>, &str),
    ) -> Vec<Undone> {
        let Some((of, way)) = rules.rules[rule as usize].undoes else { return Vec::new() };
        let rule = &rules.rules[of as usize];
        let Some(asked) = rule.undone_by.get(way) else { return Vec::new() };
        let back = Back { by: who(event), way, values: asked.of_undoing(event) };
        let (detector, act): (DetectorId, ActId) =
            (rule.detector.id.clone(), (event.time, id.into()));
        let from = event.time.plus(Span(-self.within.0));
        let is_it = |(at, done): &(&ActId, &Done)| {
            let values = done.values.get(way);
            at.0 >= from && at.0 < event.time && values.is_some_and(|it| fits(it, &back.values))
        };
        let all = self.done.get(&detector).into_iter().flatten().filter(is_it);
        let found: Vec<Undone> = all.map(|it| undone(&detector, it, (&act, &back.by))).collect();
        for Undone { id, .. } in &found {
            self.forget_one(&detector, id);
        }
        self.back.entry(detector.clone()).or_default().insert(act.clone(), back);
        self.unsaved.insert((detector, act));
        self.bound();
        self.closing.extend(found.iter().cloned());
        found
    }

    /// Returns what was undone since it was last asked.
    pub fn closed(&mut self) -> Vec<Undone> {
        std::mem::take(&mut self.closing)
    }

    fn forget_one(&mut self, detector: &DetectorId, act: &ActId) {
        let was_done = self.done.get_mut(detector).and_then(|all| all.remove(act)).is_some();
        let was_back = self.back.get_mut(detector).and_then(|all| all.remove(act)).is_some();
        if was_done || was_back {
            let key = (detector.clone(), act.clone());
            self.unsaved.remove(&key);
            self.gone.insert(key);
        }
    }

    /// Forgets the oldest of what is too much.
    fn bound(&mut self) {
        let count = |self_: &Self| {
            let done: usize = self_.done.values().map(BTreeMap::len).sum();
            done + self_.back.values().map(BTreeMap::len).sum::<usize>()
        };
        while count(self) > MAX_KEPT {
            let Some((detector, act)) = self.kept().min_by_key(|(_, act)| *act) else { return };
            let (detector, act) = (detector.clone(), act.clone());
            self.forget_one(&detector, &act);
        }
    }

    fn kept(&self) -> impl Iterator<Item = (&DetectorId, &ActId)> {
        let done = self.done.iter().flat_map(|(of, all)| all.keys().map(move |act| (of, act)));
        done.chain(self.back.iter().flat_map(|(of, all)| all.keys().map(move |act| (of, act))))
    }

    /// Writes what changed since the last save, and forgets what nothing will be linked to any more at `watermark`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn save(&mut self, tx: &Tx<'_>, watermark: Seconds) -> Result<(), StoreError> {
        // Where nothing comes any more, a later start may go on.
        let is_due = |last: Seconds| watermark >= last.plus(PAUSE);
        if watermark != Seconds(i64::MAX) && self.forgotten.is_none_or(is_due) {
            self.forgotten = Some(watermark);
            let before = Seconds(watermark.0.saturating_sub(self.within.0));
            let old = self.kept().filter(|(_, act)| act.0 < before);
            let old: Vec<_> = old.map(|(of, act)| (of.clone(), act.clone())).collect();
            old.iter().for_each(|(of, act)| self.forget_one(of, act));
        }
        let failed = |error| tx.failed(error);
        for (detector, act) in std::mem::take(&mut self.gone) {
            table::drop_undoing(tx, &detector, &act).map_err(failed)?;
        }
        for (detector, act) in std::mem::take(&mut self.unsaved) {
            let done = self.done.get(&detector).and_then(|all| all.get(&act));
            let back = self.back.get(&detector).and_then(|all| all.get(&act));
            table::put_undoing(tx, &detector, &act, (done, back)).map_err(failed)?;
        }
        Ok(())
    }
}

fn who(event: &Event<'_>) -> String {
    event.text("gw.identity.name").unwrap_or_default().into_owned()
}

fn undone(detector: &DetectorId, (id, done): (&ActId, &Done), (at, by): (&ActId, &str)) -> Undone {
    Undone {
        alert: AlertId(done.alert.clone()),
        detector: detector.clone(),
        id: id.clone(),
        done_by: done.by.clone(),
        at: at.clone(),
        by: by.to_owned(),
    }
}
