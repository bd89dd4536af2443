//! Changes whose text no record tells: what is wanted of them, and what they come to once it was read.
//!
//! Invariant: what is told of a text that was read says when it was read; a change is told of so once at most.

use serde_json::json;

use crate::iam::drift::Drift;
use crate::iam::drift::Weighed;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::weigh;
use crate::iam::history::change::Change;
use crate::iam::history::fill::Filled;
use crate::iam::history::fill::Found;
use crate::iam::policy::Text;
use crate::iam::state::State;
use crate::iam::want;
use crate::iam::want::Place;
use crate::iam::want::Want;
use crate::model::AlertId;
use crate::model::Answer;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Reading;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Slot;
use crate::model::bounded;

/// The signal that a text was read, and what it made possible.
const READ: &str = "PolicyRead";
/// The signal that a text could not be read.
const NOT_READ: &str = "PolicyNotRead";
/// How much is told of why.
const MAX_WHY_BYTES: usize = 500;

/// What became of a reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How it is counted: `read`, `absent`, `overtaken`, `refused` or `unreadable`.
    pub name: &'static str,
    /// What is told.
    pub signal: Option<Signal>,
    /// Alerts that told that the change is not known, and have nothing more to tell.
    pub closes: Option<Closes>,
}

/// Alerts about a change that was not known, and why they have nothing more to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Closes {
    /// The change.
    pub id: ChangeId,
    /// The alerts.
    pub alerts: Vec<AlertId>,
    /// Why.
    pub because: Because,
}

/// Why an alert that a change is not known has nothing more to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// It is known now.
    Known,
    /// Nothing of it stands any more.
    Over,
}

impl Outcome {
    fn silent(name: &'static str) -> Self {
        Self { name, signal: None, closes: None }
    }

    fn closing(self, want: &Want, because: Because) -> Self {
        let alerts = want.alerts.iter().map(|id| AlertId(id.to_string())).collect();
        let id = (want.time, want.event.clone());
        Self { closes: Some(Closes { id, alerts, because }), ..self }
    }
}

impl Drift {
    /// Wants what no record tells of `steps`, which `event` made; `facts` are those of the change.
    pub(super) fn want(
        &mut self,
        (time, id): &ChangeId,
        event: &Event<'_>,
        steps: &[Change],
        facts: &Facts,
    ) {
        if !self.config.fetch.omitted {
            return;
        }
        let text = |fact: Option<&Fact>| match fact {
            Some(Fact::Text(text)) => text.as_str().into(),
            _ => "".into(),
        };
        let Record::Trail(record) = &event.record else { return };
        let slot = |slot: Slot| record.slot_or_empty(slot).into();
        let place =
            Place { account: slot(Slot::RecipientAccountId), region: slot(Slot::AwsRegion) };
        for step in steps {
            // AWS's own policies that are known by heart need not be asked for.
            let known = step.item.strip_prefix("attached/").and_then(effect::of_aws);
            let Some((key, question)) = want::question(step, self.history.now(), &place) else {
                continue;
            };
            if known.is_some() {
                continue;
            }
            self.wants.add(Want {
                key,
                item: step.item.clone(),
                time: *time,
                event: id.clone(),
                question,
                by: text(event.fact("gw.identity.name")),
                via: text(facts.get("gw.policy.via")),
                is_planned: facts.get("gw.policy.planned") == Some(&Fact::Flag(true)),
                alerts: Default::default(),
            });
        }
    }

    /// Notes that an alert tells of a change; where nothing of it was known, the alert is closed once it was read.
    pub fn told(&mut self, id: &ChangeId, event: &Event<'_>, alert: &AlertId) {
        let is_unknown = match event.fact("gw.policy.change") {
            Some(Fact::Text(change)) => change == "not_known",
            _ => false,
        };
        if is_unknown {
            self.wants.told(id, alert);
        }
    }

    /// Takes in what AWS answered. `ours` are accounts that are known as ours.
    pub fn read(&mut self, reading: Reading, ours: &mut dyn Iterator<Item = &str>) -> Outcome {
        let Some(want) = self.wants.get(&reading.want).cloned() else {
            return Outcome::silent("overtaken");
        };
        let (version, text) = match reading.answer {
            Answer::Text { version, text } => (version, text),
            Answer::Absent => {
                self.wants.remove(&reading.want);
                return Outcome::silent("absent").closing(&want, Because::Over);
            }
            Answer::Refused { permission, why } => {
                let signal = Some(not_read(&want, reading.at, &permission, &why));
                return Outcome { signal, ..Outcome::silent("refused") };
            }
        };
        self.wants.remove(&reading.want);
        let document = match want.parse(&text) {
            Ok(document) => document,
            Err(error) => {
                let why = format!("what was read cannot be understood: {error}");
                let signal = Some(not_read(&want, reading.at, "", &why));
                return Outcome { signal, ..Outcome::silent("unreadable") };
            }
        };
        let text = Text::Known(document.into());
        let (item, attached) = (want.item.clone(), want.attached());
        let found = Found { item, at: reading.at, attached, version, text };
        let step = match self.history.fill(&want.key, (want.time, &want.event), found) {
            Filled::Changed(step) => step,
            Filled::Over => return Outcome::silent("overtaken").closing(&want, Because::Over),
            Filled::Unlike => return Outcome::silent("overtaken"),
        };
        let state = self.history.now();
        let account = step.target.account().into();
        let ours = self.ours.of(state, ours);
        let measure = Measure { account, ours, now: reading.at };
        let weighed = weigh(&step, state, &measure);
        let signal = told(&want, &weighed, state, reading.at);
        if !want.is_planned && !weighed.difference.classes.is_empty() {
            let id = (reading.at, format!("{}/{}", signal.account, signal.id()).into());
            self.ledger.note(id, weighed.made(&want.by));
        }
        Outcome { signal: Some(signal), ..Outcome::silent("read") }.closing(&want, Because::Known)
    }
}

/// Returns the signal of what a change came to, now that its text was read.
fn told(want: &Want, weighed: &Weighed<'_>, state: &State, at: Seconds) -> Signal {
    let target = &weighed.step.target;
    let mut facts = weighed.facts(&target.arn(state), state);
    facts.set("gw.policy.via", &*want.via);
    facts.set("gw.policy.planned", want.is_planned);
    if !want.by.is_empty() {
        facts.set("gw.identity.name", &*want.by);
    }
    Signal {
        name: READ,
        time: at,
        about: want.id(),
        account: target.account().to_owned(),
        parameters: json!({
            "item": &*want.item, "event": &*want.event, "changed": want.time.to_string(),
            "read": at.to_string(), "call": want.question.call(),
        }),
        facts,
    }
}

/// Returns the signal that a text could not be read. What is missing is told once for an account and permission.
fn not_read(want: &Want, at: Seconds, permission: &str, why: &str) -> Signal {
    let account = want.question.account();
    let mut facts = Facts::default();
    facts.set("gw.policy.item", &*want.item);
    Signal {
        name: NOT_READ,
        time: at,
        about: match permission {
            "" => want.id(),
            permission => format!("{account}/{permission}"),
        },
        account: account.to_owned(),
        parameters: json!({
            "item": &*want.item, "event": &*want.event, "changed": want.time.to_string(),
            "call": want.question.call(), "permission": permission, "reason": bounded(why, MAX_WHY_BYTES),
        }),
        facts,
    }
}
