//! What only a snapshot that was read anew shows: access grew, and no event told of it.
//!
//! Where a baseline is declared, what stands is held against that instead.
//!
//! Invariant: what an event may still tell of waits for it; what is told is one alert a thing for as long as it stands, and an
//! event that comes later still closes it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::iam::baseline::between::between;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::effect::pieces;
use crate::iam::drift::kind_name;
use crate::iam::drift::ledger::Ledger;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::made::Made;
use crate::iam::drift::made::Of;
use crate::iam::drift::made::UNSEEN;
use crate::iam::drift::words::lines;
use crate::iam::history::History;
use crate::iam::state::State;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;

/// The signal about such a change.
const CHANGED: &str = "PolicyChangedUnseen";
/// How long after the snapshot was taken an event is waited for. CloudTrail delivers within about five minutes on average, and
/// promises nothing.
const AFTER: Span = Span(3_600);
/// The class of what is not told yet.
const WAITING: &str = "waiting";
/// The beginnings of classes that hold a piece which no event told of, and when the snapshot before was taken.
const ITEM: &str = "item/";
const SINCE: &str = "since/";

/// What waits for an event.
#[derive(Debug, Default)]
pub(super) struct Unseen(BTreeSet<ChangeId>);

impl Unseen {
    /// Takes what the store has.
    pub(super) fn load(ledger: &Ledger) -> Self {
        let waits =
            |(id, made): (&ChangeId, &Made)| made.classes.contains(WAITING).then(|| id.clone());
        Self(ledger.remembered().filter_map(waits).collect())
    }

    /// Takes in how what is known differs from what was known before it was read anew; closes what does not stand any more.
    pub(super) fn compare(
        &mut self,
        ledger: &mut Ledger,
        (before, after): (&History, &History),
        measure: &Measure,
    ) {
        ledger.recheck(measure, |target| Whole::standing(after.now(), target));
        for departure in between(before.now(), after.now(), measure).departures {
            let target = &departure.target;
            let (since, until) = (before.taken(target), after.taken(target));
            let Some(until) = until.filter(|until| since.is_some_and(|since| since < *until))
            else {
                continue;
            };
            if departure.difference.adds.is_empty() {
                continue;
            }
            let items = departure.items.iter().map(|item| format!("{ITEM}{item}").into());
            let mut classes: BTreeSet<Box<str>> = items.collect();
            classes.extend([UNSEEN.into(), WAITING.into()]);
            classes.extend(since.map(|since| format!("{SINCE}{since}").into()));
            let id = (until, id_of(target, &departure.arn));
            self.0.insert(id.clone());
            ledger.note(
                id,
                Made {
                    classes,
                    before: departure.agreed.meant(target.kind()),
                    unknown: departure.stands.unknown.iter().map(|it| it.as_str().into()).collect(),
                    ..Made::new(Of::Policies(target.clone()), "")
                },
            );
        }
    }

    /// Takes in that `by` changed a piece of `target` at `time`: what a snapshot of later showed of it was seen after all.
    pub(super) fn seen(
        &mut self,
        ledger: &mut Ledger,
        (target, item): (&Target, &str),
        (time, by): (Seconds, &str),
    ) {
        let inside = format!("{ITEM}{item}/");
        let is_it =
            |class: &str| class.strip_prefix(ITEM) == Some(item) || class.starts_with(&inside);
        for id in ledger.unseen_of(target) {
            let is_over = ledger.amend(&id, |made| {
                let is_within = time <= id.0 && since(made).is_none_or(|since| since <= time);
                if is_within {
                    made.classes.retain(|class| !is_it(class));
                }
                !made.classes.iter().any(|class| class.starts_with(ITEM))
            });
            if is_over {
                self.0.remove(&id);
                ledger.over(&id, (time, by));
            }
        }
    }

    /// Returns whether anything waited long enough.
    pub(super) fn is_due(&self, now: Seconds) -> bool {
        self.0.first().is_some_and(|id| now >= id.0.plus(AFTER))
    }

    /// Returns what is to be told now that no event came of it.
    pub(super) fn due(
        &mut self,
        ledger: &mut Ledger,
        state: &State,
        measure: &Measure,
    ) -> Vec<Signal> {
        let is_due = |id: &&ChangeId| measure.now >= id.0.plus(AFTER);
        let due: Vec<ChangeId> = self.0.iter().take_while(is_due).cloned().collect();
        let mut signals = Vec::new();
        for id in due {
            self.0.remove(&id);
            let Some(mut made) = ledger.forget_one(&id) else { continue };
            let account = made.target().map(Target::account).unwrap_or_default().into();
            let measure = Measure { account, ..measure.clone() };
            let Some(signal) = signal(&made, id.0, state, &measure) else { continue };
            made.classes.remove(WAITING);
            made.worst = match signal.facts.get("gw.policy.worst") {
                Some(worst) => worst.to_string().into(),
                None => "".into(),
            };
            ledger.note((signal.time, format!("{}/{}", signal.account, signal.id()).into()), made);
            signals.push(signal);
        }
        signals
    }
}

fn since(made: &Made) -> Option<Seconds> {
    made.classes.iter().find_map(|class| Seconds::parse(class.strip_prefix(SINCE)?))
}

fn id_of(target: &Target, arn: &str) -> Box<str> {
    format!("{}/unseen/{}/{arn}", target.account(), kind_name(target.kind())).into()
}

/// Returns what is told of a change that a snapshot of `until` showed, if it stands.
fn signal(made: &Made, until: Seconds, state: &State, measure: &Measure) -> Option<Signal> {
    let target = made.target()?;
    let before = Whole {
        document: made.before.clone(),
        is_there: true,
        is_gone: false,
        unknown: Vec::new(),
    };
    let stands = Whole::of(&pieces(state, target));
    let difference = measure.between(&before, &stands, target.kind());
    if difference.adds.is_empty() {
        return None;
    }
    let items: Vec<&str> = made.classes.iter().filter_map(|it| it.strip_prefix(ITEM)).collect();
    let (arn, kind) = (target.arn(state), kind_name(target.kind()));
    let mut facts = Facts::default();
    facts.set("gw.policy.target", &*arn);
    facts.set("gw.policy.item", items.join(", "));
    facts.set("gw.policy.kind", kind);
    facts.set("gw.policy.change", if difference.removes.is_empty() { "wider" } else { "both" });
    difference.tell(&mut facts);
    facts.set("gw.policy.before", before.digest());
    facts.set("gw.policy.after", stands.digest());
    lines(&mut facts, "gw.policy.unknown", &stands.unknown);
    facts.set("gw.policy.by_changes", false);
    let mut parameters = json!({"items": items, "until": until.to_string()});
    if let Some(since) = since(made) {
        parameters["since"] = since.to_string().into();
    }
    Some(Signal {
        name: CHANGED,
        time: until,
        about: format!("{kind}/{arn}/{until}"),
        account: target.account().to_owned(),
        parameters,
        facts,
    })
}
