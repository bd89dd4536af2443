//! Policies in the core: what records change of them, what that comes to, and what takes it back.
//!
//! All records of a file that change a policy are taken in the order of their time, before any record of it is judged. What
//! they come to stands beside each as facts.
//!
//! Invariant: a record that changes no policy was told from others by a worker and costs nothing here.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert;
use crate::alert::Fingerprint;
use crate::alert::Revision;
use crate::decode::Decoded;
use crate::iam::Drift;
use crate::iam::drift::known::Anew;
use crate::iam::drift::ledger::Undone;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::read::Because;
use crate::iam::drift::read::Closes;
use crate::iam::drift::read::Outcome;
use crate::iam::standing::news::Cause;
use crate::iam::standing::news::News;
use crate::identity;
use crate::model::AlertId;
use crate::model::Detector;
use crate::model::DetectorId;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Reading;
use crate::model::Reason;
use crate::model::ReasonKind;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::TrailRecord;
use crate::pipeline::core::Core;
use crate::pipeline::core::protect::Telling;
use crate::pipeline::core::stock::Running;
use crate::pipeline::settings::Settings;
use crate::rules::Rules;
use crate::rules::Service;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What the core knows of policies.
pub(super) struct Policies {
    pub(super) drift: Option<Drift>,
    /// What is new in the inventory of standing privilege.
    pub(super) news: News,
    pub(super) running: Option<Running>,
    /// What went wrong since the last save.
    pub(super) failed: Option<StoreError>,
}

/// The facts of records that changed policies, by the number of the record in its file.
pub(super) type Changed = BTreeMap<u32, Facts>;

impl Policies {
    /// Makes the state of the last commit.
    pub(super) fn load(
        settings: &mut Settings,
        connection: &Connection,
    ) -> Result<Self, StoreError> {
        let config = &settings.policies;
        let news = News::load(config.standing_every.span(), connection)?;
        let mut policies = Self { drift: None, news, running: None, failed: None };
        if config.drift {
            let known = Arc::unwrap_or_clone(std::mem::take(&mut settings.policies_known));
            policies.drift = Some(Drift::load(config, known, connection)?);
        }
        Ok(policies)
    }

    /// Writes what was learned since the last save.
    pub(super) fn save(&mut self, tx: &Tx<'_>, watermark: Seconds) -> Result<(), StoreError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.news.save(tx)?;
        match &mut self.drift {
            Some(drift) => drift.save(tx, watermark),
            None => Ok(()),
        }
    }

    /// Notes that an alert of `detector` tells of `event`, if it is one about policies.
    pub(super) fn told(&mut self, event: &Event<'_>, alert: &AlertId, detector: &Detector) {
        if let Some(drift) = &mut self.drift {
            let id = id_of(event);
            self.news.told(&id.1, &alert.0);
            drift.told(&id, event, alert);
            drift.ledger().told(&id, alert.clone(), detector.id.clone());
        }
    }

    /// Notes that an alert of `detector`, which may tell of other things too, tells of `event`: it is resolved once the change
    /// is taken back.
    pub(super) fn linked(&mut self, event: &Event<'_>, alert: &AlertId, detector: &Detector) {
        if let Some(drift) = &mut self.drift {
            drift.ledger().told(&id_of(event), alert.clone(), detector.id.clone());
        }
    }

    /// Returns whether an alert of a rule that is not about policies is resolved by what stands: the rule speaks of changes of
    /// policies, or is about certain calls and `event` is one that moved somebody or something.
    pub(super) fn links(&mut self, rules: &Rules, rule: u32, event: &Event<'_>) -> bool {
        if rules.speaks_of_policies(rule) {
            return true;
        }
        let Some(drift) = &mut self.drift else { return false };
        drift.ledger().is_move(&id_of(event)) && rules.is_about_certain_calls(rule)
    }

    /// Returns the alert of `detector` about `event` where it is closed for good: the change was taken back before the event
    /// was judged once more.
    pub(super) fn closed(&mut self, detector: &Detector, event: &Event<'_>) -> Option<AlertId> {
        let ledger = self.drift.as_mut()?.ledger();
        let id = id_of(event);
        if !ledger.is_over(&id) {
            return None;
        }
        let alert = Fingerprint::of(detector, event).id;
        ledger.is_closed(&id, &alert).then_some(alert)
    }

    /// Notes which alerts tell of an act now that it was judged anew; returns those that do not any more.
    pub(super) fn retold(
        &mut self,
        (time, event): (Seconds, &str),
        tellings: &[Telling],
        rules: &Rules,
    ) -> Vec<AlertId> {
        let Some(drift) = &mut self.drift else { return Vec::new() };
        let (id, ledger) = ((time, event.into()), drift.ledger());
        let detectors = rules.of_policies().iter().filter_map(|rule| rules.alerting(*rule));
        let ids: BTreeSet<&DetectorId> = detectors.map(|detector| &detector.id).collect();
        let mut lost = Vec::new();
        for (alert, detector) in ledger.alerts(&id) {
            // Detectors that tell of other things too are not asked again.
            if ids.contains(&detector) && !tellings.iter().any(|telling| telling.alert == alert) {
                ledger.withdrawn(&id, &alert);
                self.news.withdrawn(event, &alert.0);
                lost.push(alert);
            }
        }
        for Telling { alert, detector } in tellings.iter().filter(|it| ids.contains(&it.detector)) {
            ledger.told(&id, alert.clone(), detector.clone());
            self.news.told(event, &alert.0);
        }
        lost
    }
}

/// Returns what tells a change from all others.
fn id_of(event: &Event<'_>) -> ChangeId {
    (event.time, alert::event_id(event).into())
}

impl Core {
    /// Takes in the records of a file that change policies, `numbers` as a worker found them; returns what they come to.
    pub(super) fn take_changes(
        &mut self,
        numbers: &[u32],
        is_new: &[bool],
        decoded: &Decoded,
    ) -> Changed {
        let mut changed = Changed::new();
        let Some(drift) = &mut self.policies.drift else { return changed };
        if numbers.is_empty() {
            return changed;
        }
        let is_wanted = |number: u32| numbers.binary_search(&number).is_ok();
        let mut records: Vec<(Seconds, String, u32, TrailRecord<'_>)> = Vec::new();
        for ((number, is_new), (time, record)) in (0u32..).zip(is_new).zip(decoded.records()) {
            if let Record::Trail(record) = record
                && *is_new
                && is_wanted(number)
            {
                records.push((time, record.id(), number, record));
            }
        }
        records.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        for (time, _, number, record) in records {
            let session = Some(self.registry.session(&record));
            let facts = identity::event_facts(&record, time);
            let event = Event { time, record: Record::Trail(record), session, facts };
            let surface = self.protect.agreed(time);
            let ours = &mut self.registry.accounts();
            let found = drift.learn(&id_of(&event), &event, ours, &surface);
            if let Some(facts) = found {
                let by = event.text("gw.identity.name").unwrap_or_default();
                note(&mut self.policies.news, &id_of(&event), &facts, (&by, drift.gained()));
                changed.insert(number, facts);
            }
        }
        changed
    }

    /// Takes in what AWS answered about a policy that no record tells.
    pub(super) fn take_reading(&mut self, reading: Reading) {
        let Some(drift) = &mut self.policies.drift else { return };
        let at = reading.at;
        let Outcome { name, signal, closes } = drift.read(reading, &mut self.registry.accounts());
        self.group.readings.push(name);
        let gain = signal.as_ref().and_then(|signal| signal.facts.get("gw.policy.gain"));
        let known = match gain {
            Some(Fact::Text(gain)) => format!("read at {at}; what became possible: {gain}"),
            _ => format!("read at {at}; nothing more became possible"),
        };
        if let Some(signal) = signal {
            self.signal(&Service::Policies, &signal, "");
        }
        let Some(Closes { id: (time, event), alerts, because }) = closes else { return };
        let (kind, text) = match because {
            Because::Known => (ReasonKind::BecameKnown, known),
            Because::Over => {
                let text = format!("when it was asked for at {at}, nothing of it stood any more");
                (ReasonKind::TakenBack, text)
            }
        };
        for id in alerts {
            let because = reason(kind, text.clone(), self.now_or_so());
            let lost = vec![(time, event.to_string())];
            self.desk.take_back(Revision { id, lost, changed: Vec::new(), left: None, because });
        }
    }

    /// Resolves the alerts about changes that were taken back.
    pub(super) fn close_changes(&mut self) {
        let Some(drift) = &mut self.policies.drift else { return };
        let closed = drift.ledger().closed();
        let at = self.now_or_so();
        for Undone { id: (time, event), made, by: (when, who) } in closed {
            let stood = when.since(time);
            let is_seen = made.is_unseen() && !who.is_empty() && when <= time;
            let kind = if is_seen { ReasonKind::BecameKnown } else { ReasonKind::TakenBack };
            let text = match made.is_departure() {
                _ if is_seen => format!("seen after all: {who} changed it at {when}, told late"),
                true if who.is_empty() => format!("as the baseline says again since {when}"),
                true => format!("as the baseline says again since {when}, by {who}"),
                false if who.is_empty() => {
                    format!("taken back by an event at {when}; it had stood for {stood}")
                }
                false => format!("taken back by {who} at {when}; it had stood for {stood}"),
            };
            for (alert, _) in made.alerts {
                let because = reason(kind, text.clone(), at);
                let lost = vec![(time, event.to_string())];
                let changed = Vec::new();
                self.desk.take_back(Revision { id: alert, lost, changed, left: None, because });
            }
        }
    }

    /// Notes what happens to policies until what was read anew is loaded. The group must be committed: what events told is
    /// read from the store.
    pub fn expect_policies(&mut self) {
        debug_assert!(!self.has_work(), "commit before what is known of policies is loaded");
        if let Some(drift) = &mut self.policies.drift {
            drift.expect_anew();
        }
    }

    /// Begins again from what was read anew of what stands and should.
    pub fn know_policies(&mut self, anew: Anew) {
        let Some(drift) = &mut self.policies.drift else { return };
        let now = self.watermark.min(self.newest);
        let old = drift.begin_again(anew, (&mut self.registry.accounts(), now));
        // To give back the memory of a large one takes as long as to judge many records.
        std::thread::spawn(move || drop(old));
        self.tell_of_policies(self.watermark.min(self.newest));
    }

    /// Tells of what stands though it should not, as far as time has come.
    pub(super) fn tell_of_policies(&mut self, watermark: Seconds) {
        let Some(drift) = &mut self.policies.drift else { return };
        let signals = drift.signals(watermark, &mut self.registry.accounts());
        for signal in signals {
            self.signal(&Service::Policies, &signal, "");
        }
        self.close_changes();
    }
}

/// Notes a change, so that an inventory knows whose it is.
fn note(
    news: &mut News,
    (time, event): &ChangeId,
    facts: &Facts,
    (by, gained): (&str, Vec<Box<str>>),
) {
    let Some(Fact::Text(target)) = facts.get("gw.policy.target") else { return };
    let is = |name, wanted: &Fact| facts.get(name) == Some(wanted);
    let by_itself = is("gw.policy.via", &Fact::Text("service".into()));
    let is_planned = by_itself || is("gw.policy.planned", &Fact::Flag(true));
    for moved in gained.iter().map(|it| &**it).chain([target.as_str()]) {
        news.changed(moved, Cause::new(*time, event, (by, is_planned)));
    }
}

/// Returns a reason that rests on no grant.
pub(super) fn reason(kind: ReasonKind, text: String, at: Seconds) -> Reason {
    Reason {
        kind,
        text,
        at,
        grant: None,
        approvers: Vec::new(),
        seconds_late: None,
        judged_by: None,
    }
}
