//! Drift: what a change of a policy comes to in effect, whose it is, and whether it was taken back.
//!
//! A record that changes policies becomes steps (`step.rs`); each is compared by what its target comes to before and after
//! (`effect.rs`, `difference.rs`), and what is found is set as facts. Grave changes are remembered for a while (`made.rs`):
//! what takes them back is linked to them.
//!
//! Invariant: no clock, and no guess: what is not known is named beside what is. Read on in `effect.rs`.

pub mod difference;
pub mod effect;
pub mod gone;
pub mod known;
pub mod made;
pub mod moved;
mod ours;
pub mod read;
pub mod table;
#[cfg(test)]
mod tests;
pub mod undo;
mod unseen;
mod watch;
pub mod who;
mod words;

use std::collections::BTreeSet;

use crate::iam::config::Config;
use crate::iam::drift::difference::Difference;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect::Piece;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::effect::pieces;
use crate::iam::drift::gone::ended;
use crate::iam::drift::known::Known;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::made::Ledger;
use crate::iam::drift::made::Made;
use crate::iam::drift::made::Undone;
use crate::iam::drift::ours::Ours;
use crate::iam::drift::undo::Way;
use crate::iam::drift::unseen::Unseen;
use crate::iam::drift::watch::Watch;
use crate::iam::drift::who::Via;
pub use crate::iam::drift::words::kind_name;
use crate::iam::drift::words::lines;
use crate::iam::history::History;
use crate::iam::history::change::Change;
use crate::iam::history::thing::Key;
use crate::iam::lesson;
use crate::iam::network;
use crate::iam::network::Exposure;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
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

/// What a record's change comes to.
#[derive(Debug)]
struct Weighed<'s> {
    step: &'s Change,
    before: Whole,
    after: Whole,
    difference: Difference,
    unknown: Vec<String>,
    /// Whether what it says now is known.
    is_readable: bool,
}

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

/// Compares what a step's target comes to before and after.
fn weigh<'s>(step: &'s Change, state: &State, measure: &Measure) -> Weighed<'s> {
    // Of a permission set the boundary is a limit, and the rest of it gives nothing beyond.
    let is_limit = matches!(step.target, Target::Set { .. }) && &*step.item == "boundary";
    let now = if is_limit { Vec::new() } else { pieces(state, &step.target) };
    let (old, new) = (read(step, step.before.as_ref()), read(step, step.after.as_ref()));
    let before = Whole::of(&with(&now, step, old.as_ref(), state));
    let after =
        Whole { is_gone: step.is_gone, ..Whole::of(&with(&now, step, new.as_ref(), state)) };
    let mut unknown = Vec::new();
    for (when, text) in [("before", &old), ("after", &new)] {
        if let Some(Text::Unknown(why)) = text
            && !step.item.starts_with("group/")
        {
            unknown.push(format!("{when}: {why}"));
        }
    }
    let is_group = step.item.starts_with("group/");
    let is_untold = matches!(step.target, Target::Block { .. }) && step.before.is_none();
    if is_untold {
        unknown.push("before: no snapshot and no event told which blocks stood".to_owned());
    }
    let is_readable = !is_untold && (is_group || !matches!(new, Some(Text::Unknown(_))));
    let kind = if is_limit { Kind::Boundary } else { step.target.kind() };
    let difference = match is_readable {
        true => measure.between(&before, &after, kind),
        false => Difference::default(),
    };
    if !difference.adds.is_empty() {
        let others = after.unknown.iter().filter(|it| before.unknown.contains(it));
        unknown.extend(others.cloned());
        let account = step.target.account();
        let is_whole = state.accounts.get(account).is_some_and(|account| account.is_whole);
        // What has no trust policy, or no version in force, was made by this very change.
        let is_new = matches!(step.target, Target::Trust { .. } | Target::Managed { .. });
        if !is_whole && !is_new && !account.is_empty() && step.before.is_none() {
            unknown.push(format!("before: no snapshot of account {account} was read"));
        }
    }
    if difference.is_coarse {
        unknown
            .push("before: too much to compare to the end, some of it may have stood".to_owned());
    }
    Weighed { step, before, after, difference, unknown, is_readable }
}

/// Returns what a piece says, where it is a policy of AWS's own that is known by heart.
fn read(step: &Change, text: Option<&Text>) -> Option<Text> {
    let known = match (text?, step.item.strip_prefix("attached/")) {
        (Text::Unknown(_), Some(arn)) => effect::of_aws(arn),
        _ => None,
    };
    known.or_else(|| text.cloned())
}

/// Returns `now` with the step's piece as `text` says.
fn with(now: &[Piece], step: &Change, text: Option<&Text>, state: &State) -> Vec<Piece> {
    let inside = format!("{}/", step.item);
    let is_its = |piece: &&Piece| piece.name == step.item || piece.name.starts_with(&inside);
    let mut all: Vec<Piece> = now.iter().filter(|piece| !is_its(piece)).cloned().collect();
    match (step.item.strip_prefix("group/"), text) {
        // What a group gives is the group's: the member's piece says only that it is there.
        (Some(group), Some(_)) => {
            let account = step.target.account().into();
            let holder = effect::Holder::Group;
            let group = Target::Identity { account, holder, name: group.into() };
            all.extend(pieces(state, &group).into_iter().map(|piece| Piece {
                name: format!("{inside}{}", piece.name).into(),
                text: piece.text,
            }));
        }
        (_, Some(text)) => all.push(Piece { name: step.item.clone(), text: text.clone() }),
        (_, None) => {}
    }
    all
}

impl Weighed<'_> {
    /// Returns what the gravest of several steps is found by.
    fn weight(&self) -> (usize, usize, bool) {
        let gravest = self.difference.worst().map_or(0, difference::gravity);
        (gravest, self.difference.adds.len(), !self.difference.removes.is_empty())
    }

    fn made(&self, by: &str) -> Made {
        let mut made = Made {
            target: self.step.target.clone(),
            by: by.into(),
            classes: self.difference.classes.iter().map(|class| (*class).into()).collect(),
            worst: self.difference.worst().unwrap_or_default().into(),
            before: self.before.meant(self.step.target.kind()),
            unknown: self.after.unknown.iter().map(|it| it.as_str().into()).collect(),
            alerts: BTreeSet::new(),
        };
        if let Some(exposure) = self.exposed() {
            made.exposes(exposure);
        }
        made
    }

    /// Returns how much of a security group was opened to the world.
    fn exposed(&self) -> Option<Exposure> {
        let is_network = matches!(self.step.target, Target::Network { .. });
        let (before, after) = (&self.before.document, &self.after.document);
        is_network.then(|| network::exposed(before, after)).flatten()
    }

    fn facts(&self, arn: &str, state: &State) -> Facts {
        let Self { step, before, after, difference, unknown, .. } = self;
        let mut facts = Facts::default();
        facts.set("gw.policy.target", arn);
        facts.set("gw.policy.item", &*step.item);
        facts.set("gw.policy.kind", kind_name(step.target.kind()));
        facts.set("gw.policy.change", self.change());
        difference.tell(&mut facts);
        if let Some(exposure) = self.exposed() {
            facts.set("gw.policy.exposes", exposure.name());
        }
        facts.set("gw.policy.before", before.digest());
        facts.set("gw.policy.after", after.digest());
        lines(&mut facts, "gw.policy.unknown", unknown);
        if let Target::Managed { arn, account } = &step.target {
            let holders = effect::holders(state, account, arn);
            facts.set("gw.policy.holders", i64::try_from(holders).unwrap_or(i64::MAX));
        }
        let way = Way {
            target: &step.target,
            item: &step.item,
            before: step.before.as_ref(),
            after: step.after.as_ref(),
            earlier: &step.earlier,
        };
        facts.set("gw.policy.undo", undo::command(&way));
        facts
    }

    fn change(&self) -> &'static str {
        let Self { difference, .. } = self;
        if !self.is_readable {
            return "not_known";
        }
        match (difference.adds.is_empty(), difference.removes.is_empty()) {
            (false, true) => "wider",
            (true, false) => "narrower",
            (false, false) => "both",
            (true, true) => "the_same",
        }
    }
}
