//! What detectors told of and what would undo it, remembered for a while, so that the two are linked whichever of them is
//! read first. How a detector's file declares it says `ways.rs`, what is kept of both `acts.rs`.
//!
//! The alert about a match is resolved as soon as anything is known that undoes it. A signal tells of the pair once no
//! earlier undoing can come any more, that is, once the watermark has passed the one that is known.
//!
//! Invariant: a match is linked to what undid it first, to one and the same thing in every field that is named, and told of
//! once: in any order of reading, read twice, and over a restart.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::model::AlertId;
use crate::model::DetectorId;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;
use crate::rules::Rules;
use crate::rules::acts::ActId;
use crate::rules::acts::Acts;
use crate::rules::acts::Back;
use crate::rules::acts::Call;
use crate::rules::acts::Done;
use crate::rules::acts::Fate;
use crate::rules::acts::Key;
use crate::rules::acts::Undoer;
use crate::rules::acts::WHO;
use crate::rules::ways::can_fit;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many matches and undoings are remembered. Beyond, the oldest are forgotten: their alerts stay as they are.
const MAX_KEPT: usize = 10_000;

/// How far event time moves on before what is old is forgotten.
const PAUSE: Span = Span(3_600);

/// A match that was undone, as far as is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Undone {
    /// The alert that told of it.
    pub alert: AlertId,
    /// When it happened, and the id of its event.
    pub id: (Seconds, Box<str>),
    /// When it was undone, and the id of that event.
    pub at: (Seconds, Box<str>),
    /// Who undid it, by canonical name; empty if nobody knows.
    pub by: String,
}

/// The signal that a match was undone.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    /// The signal in the shape of a record.
    pub text: String,
    /// When the match was undone.
    pub time: Seconds,
    /// What rules and stories name of it.
    pub facts: Facts,
    /// The object from which what undid it was read.
    pub object: String,
}

/// What was done and undone of late.
#[derive(Debug, Default)]
pub struct Undoing {
    within: Span,
    acts: Acts,
    /// Matches that were undone and are not told of as such, by when they were undone.
    waiting: BTreeSet<(ActId, Key)>,
    /// What waited and was forgotten, as there is too much.
    crowded_out: Vec<Spoken>,
    closing: Vec<Undone>,
    /// Up to when what is old was forgotten.
    forgotten: Option<Seconds>,
}

impl Undoing {
    /// Takes what the store has; what lies further apart than `within` is not linked.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(within: Span, connection: &Connection) -> Result<Self, StoreError> {
        let acts = Acts::load(connection)?;
        let waiting = acts.undone().map(|(at, key)| (at.clone(), key)).collect();
        Ok(Self { within, acts, waiting, ..Self::default() })
    }

    /// Notes that `alert` tells of `event`, by rule number `rule`, if anything undoes that. `object` is where it was read.
    pub fn told(
        &mut self,
        rules: &Rules,
        rule: u32,
        (event, id): (&Event<'_>, &str),
        (alert, object): (&AlertId, &str),
    ) {
        let rule = &rules.rules[rule as usize];
        let values = rule.undone_by.iter().map(|way| (way.id, way.of_match(event)));
        let values: BTreeMap<_, _> = values.filter(|(_, values)| can_fit(values)).collect();
        if values.is_empty() {
            return;
        }
        let key = (rule.detector.id.clone(), (event.time, id.into()));
        if let Some(known) = self.acts.done(&key) {
            // Read again long after: the alert may stand again.
            if let Fate::Undone(undoer) | Fate::Told(undoer) = &known.fate {
                self.closing.push(undone(&key, known, undoer));
            }
            return;
        }
        let done = Done {
            alert: alert.clone(),
            detector: rule.detector.name.clone(),
            call: Call::of(event, object),
            values,
            fate: Fate::Stands,
        };
        // In one second nobody knows which came first.
        let later = (event.time.plus(Span(1)), event.time.plus(self.within).plus(Span(1)));
        let undoer = self.acts.between(&key.0, later).find_map(|(at, act)| {
            let back = act.back.as_ref().filter(|back| done.is_undone_by(back))?;
            Some(Undoer { at: at.clone(), call: back.call.clone() })
        });
        self.acts.change(&key).done = Some(done);
        if let Some(undoer) = undoer {
            self.pair(&key, undoer);
        }
        self.bound();
    }

    /// Takes in an event by which rule number `rule` undoes what its detector tells of. `object` is where it was read.
    pub fn undo(
        &mut self,
        rules: &Rules,
        rule: u32,
        (event, id): (&Event<'_>, &str),
        object: &str,
    ) {
        let Some((of, way)) = rules.rules[rule as usize].undoes else { return };
        let rule = &rules.rules[of as usize];
        let Some(way) = rule.undone_by.get(way) else { return };
        let values = way.of_undoing(event);
        if !can_fit(&values) {
            return;
        }
        let (detector, at): (DetectorId, ActId) =
            (rule.detector.id.clone(), (event.time, id.into()));
        let back = Back { call: Call::of(event, object), values: [(way.id, values)].into() };
        let earlier = (event.time.plus(Span(-self.within.0)), event.time);
        let found = self.acts.between(&detector, earlier).filter(|(_, act)| {
            let done = act.done.as_ref().filter(|done| done.is_undone_by(&back));
            done.is_some_and(|done| match &done.fate {
                Fate::Stands => true,
                Fate::Undone(undoer) => at < undoer.at,
                Fate::Told(_) => false,
            })
        });
        let found: Vec<Key> = found.map(|(act, _)| (detector.clone(), act.clone())).collect();
        for key in found {
            self.pair(&key, Undoer { at: at.clone(), call: back.call.clone() });
        }
        let act = self.acts.change(&(detector, at));
        match &mut act.back {
            Some(known) => known.values.extend(back.values),
            None => act.back = Some(back),
        }
        self.bound();
    }

    /// Links a match to what undid it, in the place of something later.
    fn pair(&mut self, key: &Key, undoer: Undoer) {
        let Some(done) = &mut self.acts.change(key).done else { return };
        let at = undoer.at.clone();
        match std::mem::replace(&mut done.fate, Fate::Undone(undoer)) {
            Fate::Undone(before) | Fate::Told(before) => {
                self.waiting.remove(&(before.at, key.clone()));
            }
            Fate::Stands => {
                if let Fate::Undone(undoer) = &done.fate {
                    self.closing.push(undone(key, done, undoer));
                }
            }
        }
        self.waiting.insert((at, key.clone()));
    }

    /// Returns what was undone since it was last asked.
    pub fn closed(&mut self) -> Vec<Undone> {
        std::mem::take(&mut self.closing)
    }

    /// Returns what is to be told now that nothing from before `watermark` is waited for any more.
    pub fn due(&mut self, watermark: Seconds) -> Vec<Spoken> {
        let lowest = || (Seconds(i64::MIN), Box::from(""));
        let from = ((watermark, "".into()), (DetectorId(String::new()), lowest()));
        let later = self.waiting.split_off(&from);
        let mut due = std::mem::take(&mut self.crowded_out);
        for (_, key) in std::mem::replace(&mut self.waiting, later) {
            let Some(done) = &mut self.acts.change(&key).done else { continue };
            if let Fate::Undone(undoer) = done.fate.clone() {
                due.push(spoken(&key, done, &undoer));
                done.fate = Fate::Told(undoer);
            }
        }
        due
    }

    fn bound(&mut self) {
        while self.acts.len() > MAX_KEPT {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((key, act)) = self.acts.pop_oldest() else { return };
        if let Some(done) = act.done
            && let Fate::Undone(undoer) = &done.fate
        {
            self.crowded_out.push(spoken(&key, &done, undoer));
            self.waiting.remove(&(undoer.at.clone(), key));
        }
    }

    /// Writes what changed since the last save, and forgets what nothing will be linked to any more at `watermark`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn save(&mut self, tx: &Tx<'_>, watermark: Seconds) -> Result<(), StoreError> {
        let is_due = |last: Seconds| watermark >= last.plus(PAUSE);
        if self.forgotten.is_none_or(is_due) {
            self.forgotten = Some(watermark);
            let before = watermark.plus(Span(-self.within.0));
            while self.acts.oldest().is_some_and(|oldest| oldest < before) {
                self.forget_oldest();
            }
        }
        self.acts.save(tx)
    }
}

fn undone(key: &Key, done: &Done, undoer: &Undoer) -> Undone {
    Undone {
        alert: done.alert.clone(),
        id: key.1.clone(),
        at: undoer.at.clone(),
        by: undoer.call.by().to_owned(),
    }
}

/// Returns the signal that a match was undone.
fn spoken((detector, id): &Key, done: &Done, undoer: &Undoer) -> Spoken {
    let Undoer { at, call } = undoer;
    let mut facts = Facts::default();
    let known = |name: &'static str| Some((name, Fact::from_json(call.who.get(name)?)?));
    for (name, fact) in WHO.into_iter().filter_map(known) {
        facts.set(name, fact);
    }
    facts.set("gw.undoes.alert", done.alert.0.as_str());
    facts.set("gw.undoes.detector", done.detector.as_str());
    facts.set("gw.undoes.stood_seconds", at.0.since(id.0).0);
    if !done.call.by().is_empty() {
        facts.set("gw.undoes.by", done.call.by());
    }
    let signal = Signal {
        name: "MatchUndone",
        time: at.0,
        about: format!("{detector}/{}/{}", id.0, id.1),
        account: call.account.clone(),
        parameters: json!({
            "detector": done.detector,
            "match": particulars(&done.call, id),
            "undoing": particulars(call, at),
            "evidence": [id.1, at.1],
        }),
        facts: Facts::default(),
    };
    let mut record = signal.record();
    for (name, text) in [("awsRegion", &call.region), ("sourceIPAddress", &call.address)] {
        if !text.is_empty() {
            record[name] = text.as_str().into();
        }
    }
    Spoken { text: record.to_string(), time: at.0, facts, object: call.object.clone() }
}

fn particulars(call: &Call, (time, event): &ActId) -> Value {
    json!({
        "eventSource": call.source, "eventName": call.name, "eventTime": time.to_string(), "event": event,
        "by": call.by(), "account": call.account, "region": call.region, "address": call.address,
    })
}

#[cfg(test)]
mod tests;
