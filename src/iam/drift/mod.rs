//! Drift: what a change of a policy comes to in effect, whose it is, and whether it was taken back.
//!
//! A record that changes policies becomes steps (`step.rs`); each is compared by what its target comes to before and after
//! (`effect.rs`, `difference.rs`), and what is found is set as facts. Grave changes, and moves by hand (`place.rs`), are
//! remembered for a while (`ledger.rs`): what takes them back is linked to them.
//!
//! Invariant: no clock, and no guess: what is not known is named beside what is. Read on in `effect.rs`.

pub mod difference;
pub mod effect;
pub mod gone;
pub mod known;
pub mod ledger;
pub mod made;
pub mod moved;
mod ours;
pub mod place;
pub mod read;
pub mod table;
#[cfg(test)]
mod tests;
pub mod undo;
mod unseen;
mod watch;
mod weighed;
pub mod who;
mod words;

use std::collections::BTreeSet;

use crate::iam::config::Config;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::gone::ended;
use crate::iam::drift::known::Known;
use crate::iam::drift::ledger::Ledger;
use crate::iam::drift::ledger::Undone;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::ours::Ours;
use crate::iam::drift::place::Placed;
use crate::iam::drift::unseen::Unseen;
use crate::iam::drift::watch::Watch;
use crate::iam::drift::weighed::Weighed;
use crate::iam::drift::weighed::weigh;
use crate::iam::drift::who::Via;
pub use crate::iam::drift::words::kind_name;
use crate::iam::history::History;
use crate::iam::history::change::Change;
use crate::iam::history::thing::Key;
use crate::iam::lesson;
use crate::iam::lesson::Lesson;
use crate::iam::standing::Protected;
use crate::iam::standing::gain::Gains;
use crate::iam::standing::moves::Moves;
use crate::iam::state::State;
use crate::iam::want;
use crate::iam::want::Wants;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How long the history of each policy is kept at least: as long as word of a grant, or a file, may be late.
const KEPT: Span = Span(8 * 86_400);
/// How far event time moves on before what is over is forgotten.
const PAUSE: Span = Span(3_600);

/// Puts facts about changes together, and remembers the grave ones.
#[derive(Debug)]
pub struct Drift {
    config: Config,
    history: History,
    gains: Gains,
    ledger: Ledger,
    watch: Watch,
    unseen: Unseen,
    wants: Wants,
    /// Up to when the history was last cut.
    forgotten: Seconds,
    ours: Ours,
    /// Who gained by the last change besides its target.
    gained: Vec<Box<str>>,
}

impl Drift {
    /// Makes the state of the last commit, from what was known before the first record.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load(
        config: &Config,
        known: Known,
        connection: &Connection,
    ) -> Result<Self, StoreError> {
        let Known { standing, baseline } = known;
        let history = History::load(standing, connection)?;
        let ledger = Ledger::load(connection)?;
        let unseen = Unseen::load(&ledger);
        let watch = Watch::load(config, baseline, connection)?;
        let (wants, forgotten) = (Wants::load(connection)?, Seconds(i64::MIN));
        let (config, gains, ours) = (config.clone(), Gains::default(), Ours::default());
        let gained = Vec::new();
        Ok(Self { config, history, gains, ledger, watch, unseen, wants, forgotten, ours, gained })
    }

    /// Writes what changed since the last save.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>, watermark: Seconds) -> Result<(), StoreError> {
        if watermark != Seconds(i64::MAX) && watermark >= self.forgotten.plus(PAUSE) {
            self.forgotten = watermark;
            let within = self.config.undo_within.span();
            self.ledger.forget(watermark, within);
            self.history.forget(watermark.plus(Span(-within.0.max(KEPT.0))));
        }
        self.wants.save(tx, want::oldest(watermark, KEPT))?;
        self.history.save(tx)?;
        self.watch.save(tx)?;
        self.ledger.save(tx)
    }

    /// Takes in what `event` changed; returns its facts, if it changed anything. `ours` are accounts that are known as ours,
    /// `protected` says which actions are to be taken through grants.
    pub fn learn(
        &mut self,
        id: &ChangeId,
        event: &Event<'_>,
        ours: &mut dyn Iterator<Item = &str>,
        protected: &dyn Protected,
    ) -> Option<Facts> {
        let Record::Trail(record) = &event.record else { return None };
        let lesson = lesson::of(record)?;
        self.watch.note(record, event.time);
        let placed = Placed::of(&lesson, record, self.history.now());
        let facts = self.compare((id, event), lesson, ours, protected);
        self.place((id, event), placed, &facts);
        facts
    }

    /// Returns what is to be told of what stands, now that time has come to `watermark`.
    pub fn signals(
        &mut self,
        watermark: Seconds,
        ours: &mut dyn Iterator<Item = &str>,
    ) -> Vec<Signal> {
        let state = self.history.now();
        if self.watch.is_due(watermark) {
            let ours = self.ours.of(state, ours);
            let measure = Measure { account: "".into(), ours, now: watermark };
            self.watch.reconcile(&mut self.ledger, state, &measure);
        }
        let mut signals = self.watch.take();
        if self.unseen.is_due(watermark) {
            let ours = self.ours.of(state, ours);
            let measure = Measure { account: "".into(), ours, now: watermark };
            signals.extend(self.unseen.due(&mut self.ledger, state, &measure));
        }
        signals
    }

    /// Returns what stands after all events.
    pub fn state(&self) -> &State {
        self.history.now()
    }

    /// Returns the changes that are remembered.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
}

impl Drift {
    /// Takes in a lesson that `event` taught; returns the facts of what it comes to.
    fn compare(
        &mut self,
        (id, event): (&ChangeId, &Event<'_>),
        lesson: Lesson,
        ours: &mut dyn Iterator<Item = &str>,
        protected: &dyn Protected,
    ) -> Option<Facts> {
        if lesson.edits.iter().any(|(key, _)| matches!(key, Key::Node { .. })) {
            self.ours = Ours::default();
        }
        let ended = ended(&lesson);
        let moves = Moves::of(&lesson.edits, self.history.now());
        let steps = self.history.take(lesson, event.time, &id.1);
        let Some(changed) = steps.first().map(|step| &step.target).or(ended.first()) else {
            return self.moved(event, &moves, protected);
        };
        let account = changed.account().into();
        let state = self.history.now();
        let measure = Measure { account, ours: self.ours.of(state, ours), now: event.time };
        let mut facts = self.take((id, event), &steps, (&moves, protected), &measure);
        let state = self.history.now();
        for target in &ended {
            let now = Whole::standing(state, target);
            self.ledger.close(target, &now, (id, by(event)), &measure);
        }
        if steps.is_empty() {
            return self.moved(event, &moves, protected);
        }
        let targets: BTreeSet<&Target> = steps.iter().map(|step| &step.target).collect();
        for target in targets {
            let of = (target, state, &measure);
            self.watch.changed(&mut self.ledger, event, of, &mut facts);
        }
        let by = event.text("gw.identity.name").unwrap_or_default();
        for step in &steps {
            let of = (&step.target, &*step.item);
            self.unseen.seen(&mut self.ledger, of, (event.time, &by));
        }
        self.want(id, event, &steps, &facts);
        Some(facts)
    }

    /// Returns the facts of what `steps`, which `event` made, come to. What they take back is closed in the ledger.
    fn take(
        &mut self,
        (id, event): (&ChangeId, &Event<'_>),
        steps: &[Change],
        (moves, protected): (&Moves, &dyn Protected),
        measure: &Measure,
    ) -> Facts {
        let state = self.history.now();
        let weighed: Vec<Weighed<'_>> =
            steps.iter().map(|step| weigh(step, state, measure)).collect();
        let Some(main) = weighed.iter().max_by_key(|it| it.weight()) else {
            return Facts::default();
        };
        let arn = main.step.target.arn(state);
        let via = Via::of(event, &self.config.pipelines, &arn);
        let mut facts = main.facts(&arn, state);
        facts.set("gw.policy.via", via.name());
        facts.set("gw.policy.planned", via.is_planned());
        let by = by(event);
        if !via.is_planned() {
            let mut made = main.made(by);
            if self.gain(main, (event.time, via), (moves, protected), &mut facts) {
                made.gains();
            }
            if !made.classes.is_empty() {
                self.ledger.note(id.clone(), made);
            }
        }
        let state = self.history.now();
        let targets: BTreeSet<&Target> = steps.iter().map(|step| &step.target).collect();
        let mut undone = None;
        for target in targets {
            let mut now = Whole::standing(state, target);
            now.is_gone |= steps.iter().any(|step| step.target == *target && step.is_gone);
            undone = self.ledger.close(target, &now, (id, by), measure).or(undone);
        }
        if let Some(Undone { id: (time, other), made, .. }) = undone {
            facts.set("gw.policy.undoes", &*other);
            facts.set("gw.policy.undoes_by", &*made.by);
            facts.set("gw.policy.undoes_worst", &*made.worst);
            facts.set("gw.policy.stood_seconds", event.time.since(time).0);
        }
        facts
    }
}

/// Returns who made an event.
fn by<'e>(event: &'e Event<'_>) -> &'e str {
    match event.fact("gw.identity.name") {
        Some(Fact::Text(name)) => name,
        _ => "",
    }
}
