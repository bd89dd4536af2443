//! What stands against what should: at each change, and once a while for what no change was seen of.
//!
//! Invariant: a departure from the baseline is told once for as long as it stands, by whatever detector is the first. What an
//! approved pipeline made is told only once it stands for long, so that the baseline is kept true.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::json;

use crate::iam::baseline;
use crate::iam::baseline::Departure;
use crate::iam::baseline::Standing;
use crate::iam::config::Config;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect::Target;
use crate::iam::drift::kind_name;
use crate::iam::drift::ledger::Ledger;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::made::DEPARTURE;
use crate::iam::drift::made::Departs;
use crate::iam::drift::made::Made;
use crate::iam::drift::made::Of;
use crate::iam::drift::made::PLANNED;
use crate::iam::drift::table;
use crate::iam::drift::table::Noted;
use crate::iam::drift::words::lines;
use crate::iam::state::State;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Slot;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// The signal about a departure.
const DRIFT: &str = "PolicyDrift";
/// The signal about a permission set.
const NOT_PROVISIONED: &str = "PermissionSetNotProvisioned";
/// How many assignments are remembered with their time; an instance of Identity Center may have more, and then those that are
/// not remembered count as made before.
const MAX_ASSIGNED: usize = 200_000;
/// How long a change of a permission set may be on its way into the accounts.
const PROVISION_WITHIN: Span = Span(3_600);

/// Holds what stands against what should.
#[derive(Debug)]
pub(super) struct Watch {
    baseline: Option<State>,
    every: Span,
    /// How long what a pipeline made may stand beside the baseline before it is told of.
    planned_for: Option<Span>,
    reconciled: Option<Seconds>,
    /// The first event that was learned from: changes from then on are known with what followed them.
    since: Option<Seconds>,
    /// When each permission set was last assigned in each account, which provisions it there.
    assigned: BTreeMap<(Box<str>, Box<str>), Seconds>,
    /// The last change of each permission set that was told of.
    told: BTreeMap<Box<str>, Seconds>,
    /// What the store does not have yet.
    unsaved: BTreeSet<Noted>,
    owed: Vec<Signal>,
}

impl Watch {
    /// Takes what the store has.
    pub(super) fn load(
        config: &Config,
        baseline: Option<State>,
        connection: &Connection,
    ) -> Result<Self, StoreError> {
        let mut watch = Self {
            baseline,
            every: config.reconcile_every.span(),
            planned_for: Some(config.planned_for.span()).filter(|it| it.0 > 0),
            reconciled: None,
            since: None,
            assigned: BTreeMap::new(),
            told: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            owed: Vec::new(),
        };
        for (noted, time) in table::noted(connection)? {
            match noted {
                Noted::Since => watch.since = Some(time),
                Noted::Assigned { set, account } => {
                    watch.assigned.insert((set, account), time);
                }
                Noted::Told { set } => drop(watch.told.insert(set, time)),
            }
        }
        Ok(watch)
    }

    /// Writes what changed since the last save.
    pub(super) fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for noted in std::mem::take(&mut self.unsaved) {
            let time = match &noted {
                Noted::Since => self.since,
                Noted::Assigned { set, account } => {
                    self.assigned.get(&(set.clone(), account.clone())).copied()
                }
                Noted::Told { set } => self.told.get(set).copied(),
            };
            if let Some(time) = time {
                table::put_noted(tx, &noted, time)?;
            }
        }
        Ok(())
    }

    /// Returns whether anybody said what should stand.
    pub(super) fn has_baseline(&self) -> bool {
        self.baseline.is_some()
    }

    /// Takes another baseline, and holds everything against it as soon as it can.
    pub(super) fn begin_again(&mut self, baseline: Option<State>) {
        self.baseline = baseline;
        self.reconciled = None;
    }

    /// Returns what is to be told.
    pub(super) fn take(&mut self) -> Vec<Signal> {
        std::mem::take(&mut self.owed)
    }

    /// Notes what a record tells of where permission sets are provisioned.
    pub(super) fn note(&mut self, record: &TrailRecord<'_>, time: Seconds) {
        if self.since.is_none_or(|since| time < since) {
            self.since = Some(time);
            self.unsaved.insert(Noted::Since);
        }
        if record.slot_or_empty(Slot::EventName) != "CreateAccountAssignment" {
            return;
        }
        let asked = |name: &str| record.text(&format!("requestParameters.{name}"));
        let Some((set, account)) = asked("permissionSetArn").zip(asked("targetId")) else { return };
        let (set, account): (Box<str>, Box<str>) = ((&*set).into(), (&*account).into());
        if self.assigned.len() < MAX_ASSIGNED {
            let at = self.assigned.entry((set.clone(), account.clone())).or_insert(time);
            *at = time.max(*at);
            self.unsaved.insert(Noted::Assigned { set, account });
        }
    }

    /// Holds a target that `event` changed against the baseline, and says in `facts` how it stands.
    pub(super) fn changed(
        &mut self,
        ledger: &mut Ledger,
        event: &Event<'_>,
        (target, state, measure): (&Target, &State, &Measure),
        facts: &mut Facts,
    ) {
        let Some(baseline) = &self.baseline else { return };
        let departure = match baseline::standing(baseline, state, target, measure) {
            Standing::Beside => return,
            Standing::Matches => {
                if facts.get("gw.policy.baseline").is_none() {
                    facts.set("gw.policy.baseline", "matches");
                }
                return;
            }
            Standing::Differs(departure) => departure,
        };
        facts.set("gw.policy.baseline", "differs");
        if departure.difference.adds.is_empty() {
            return;
        }
        let is_planned = facts.get("gw.policy.planned") == Some(&Fact::Flag(true));
        match ledger.departs(target) {
            Departs::Not => {}
            // Whoever adds to it by hand is told of.
            Departs::Planned { .. } if !is_planned => ledger.forget_planned(target),
            Departs::Planned { .. } | Departs::Told => return,
        }
        let by = match event.fact("gw.identity.name") {
            Some(Fact::Text(name)) => name.as_str(),
            _ => "",
        };
        let signal = signal(&departure, event.time, (by, event.time));
        let mut made = made(&departure, by);
        made.classes.extend(is_planned.then(|| PLANNED.into()));
        ledger.note(id_of(&signal), made);
        let gained = ["administrator", "escalation", "permissions", "write"]
            .map(|class| Fact::Text(class.into()));
        let is_gain = facts.get("gw.standing.class").is_some_and(|class| gained.contains(class));
        // What is grave has a detector of its own.
        if !is_planned && !is_gain && facts.get("gw.policy.worst").is_none() {
            self.owed.push(signal);
        }
    }

    /// Returns whether it is time to hold everything against the baseline.
    pub(super) fn is_due(&self, now: Seconds) -> bool {
        now > Seconds(0) && self.reconciled.is_none_or(|last| now >= last.plus(self.every))
    }

    /// Holds everything against the baseline.
    pub(super) fn reconcile(&mut self, ledger: &mut Ledger, state: &State, measure: &Measure) {
        self.reconciled = Some(measure.now);
        self.not_provisioned(state, measure.now);
        let Some(baseline) = &self.baseline else { return };
        for target in ledger.departed() {
            let measure = Measure { account: target.account().into(), ..measure.clone() };
            // What was agreed on may be another by now, too.
            let is_over = match baseline::standing(baseline, state, &target, &measure) {
                Standing::Matches => true,
                Standing::Differs(departure) => {
                    departure.difference.adds.is_empty() && departure.stands.unknown.is_empty()
                }
                Standing::Beside => false,
            };
            if is_over {
                ledger.agreed(&target, measure.now);
            }
        }
        for departure in baseline::departures(baseline, state, measure) {
            if departure.difference.adds.is_empty() {
                continue;
            }
            let signal = match ledger.departs(&departure.target) {
                Departs::Told => continue,
                Departs::Not => signal(&departure, measure.now, ("", measure.now)),
                Departs::Planned { since, by } => {
                    let is_long = |span: Span| measure.now >= since.plus(span);
                    if !self.planned_for.is_some_and(is_long) {
                        continue;
                    }
                    ledger.forget_planned(&departure.target);
                    let mut signal = signal(&departure, measure.now, (&by, since));
                    signal.facts.set("gw.policy.planned", true);
                    signal
                }
            };
            let by = signal.parameters["by"].as_str().unwrap_or_default();
            ledger.note(id_of(&signal), made(&departure, by));
            self.owed.push(signal);
        }
    }

    /// Tells of permission sets whose change has not come into every account.
    fn not_provisioned(&mut self, state: &State, now: Seconds) {
        let center = &state.identity_center;
        for (arn, set) in &center.sets {
            let Some(changed) = set.changed else { continue };
            if now < changed.plus(PROVISION_WITHIN) || self.told.get(arn) == Some(&changed) {
                continue;
            }
            // What was changed before the first event may have been provisioned before it too.
            if self.since.is_none_or(|since| changed < since) {
                continue;
            }
            let is_behind = |account: &&str| {
                let at = set.provisioned.get(*account);
                let at = at.max(self.assigned.get(&(arn.clone(), (*account).into())));
                at.is_none_or(|at| *at < changed)
            };
            let assigned = center.assignments.iter().filter(|it| it.set == *arn);
            let accounts: BTreeSet<&str> =
                assigned.map(|it| &*it.account).filter(is_behind).collect();
            if accounts.is_empty() {
                continue;
            }
            self.told.insert(arn.clone(), changed);
            self.unsaved.insert(Noted::Told { set: arn.clone() });
            let mut facts = Facts::default();
            facts.set("gw.policy.target", &**arn);
            let undo = format!(
                "aws sso-admin provision-permission-set {} --target-type ALL_PROVISIONED_ACCOUNTS",
                super::undo::of_instance(arn)
            );
            facts.set("gw.policy.undo", undo);
            self.owed.push(Signal {
                name: NOT_PROVISIONED,
                time: changed.plus(PROVISION_WITHIN),
                about: format!("{arn}/{changed}"),
                account: String::new(),
                parameters: json!({
                    "name": &*set.name, "changed": changed.to_string(), "accounts": accounts,
                }),
                facts,
            });
        }
    }
}

fn id_of(signal: &Signal) -> ChangeId {
    (signal.time, format!("{}/{}", signal.account, signal.id()).into())
}

fn made(departure: &Departure, by: &str) -> Made {
    Made {
        classes: [DEPARTURE.into()].into(),
        worst: departure.difference.worst().unwrap_or_default().into(),
        before: departure.agreed.meant(departure.target.kind()),
        unknown: departure.stands.unknown.iter().map(|it| it.as_str().into()).collect(),
        ..Made::new(Of::Policies(departure.target.clone()), by)
    }
}

/// Returns the signal that something is not as the baseline says; who changed it and when, if that was seen.
fn signal(departure: &Departure, time: Seconds, (by, changed): (&str, Seconds)) -> Signal {
    let Departure { target, arn, items, difference, agreed, stands } = departure;
    let mut facts = Facts::default();
    facts.set("gw.policy.target", &**arn);
    facts.set("gw.policy.item", items.join(", "));
    facts.set("gw.policy.kind", kind_name(target.kind()));
    facts.set("gw.policy.change", if difference.removes.is_empty() { "wider" } else { "both" });
    difference.tell(&mut facts);
    facts.set("gw.policy.before", agreed.digest());
    facts.set("gw.policy.after", stands.digest());
    lines(&mut facts, "gw.policy.unknown", &stands.unknown);
    facts.set("gw.policy.baseline", "differs");
    facts.set("gw.policy.by_changes", !by.is_empty());
    let mut parameters = json!({ "items": items });
    if !by.is_empty() {
        facts.set("gw.identity.name", by);
        parameters["by"] = by.into();
        parameters["changed"] = changed.to_string().into();
    }
    Signal {
        name: DRIFT,
        time,
        about: format!("{}/{arn}/{}", kind_name(target.kind()), stands.digest()),
        account: target.account().to_owned(),
        parameters,
        facts,
    }
}
