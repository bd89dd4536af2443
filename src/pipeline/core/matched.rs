//! What follows where rules match an event: correlations count it, and alerts tell of it.

use std::collections::BTreeSet;

use smallvec::SmallVec;

use crate::alert::Revision;
use crate::alert::event_id;
use crate::model::Detector;
use crate::model::DetectorId;
use crate::model::Event;
use crate::model::ReasonKind;
use crate::pipeline::core::Core;
use crate::pipeline::core::policies::reason;
use crate::pipeline::core::protect::Telling;
use crate::rules::Candidate;
use crate::rules::Rules;
use crate::rules::Undone;

impl Core {
    /// Draws the consequences of matches. Returns the alerts that tell of a verdict.
    pub(super) fn matched(
        &mut self,
        rules: &Rules,
        matched: &[u32],
        event: &Event<'_>,
        object: &str,
    ) -> Vec<Telling> {
        let feeding = matched.iter().filter(|rule| rules.feeds(**rule));
        let bases: SmallVec<[&Detector; 4]> =
            feeding.map(|rule| rules.detector(*rule).as_ref()).collect();
        if !bases.is_empty() {
            self.correlator.add(&bases, event, object);
        }
        let mut tellings = Vec::new();
        for rule in matched {
            let Some(detector) = rules.alerting(*rule) else { continue };
            let alert = self.desk.raise(detector, event, object).alert();
            self.undoing.told(rules, *rule, (event, &event_id(event)), &alert);
            let is_of_policies = rules.is_about_policies(*rule);
            if is_of_policies {
                self.policies.told(event, &alert, detector);
            } else if rules.speaks_of_policies(*rule) {
                self.policies.linked(event, &alert, detector);
            }
            if is_of_policies || rules.of_verdicts().contains(rule) {
                tellings.push(Telling { alert, detector: detector.id.clone() });
            }
        }
        tellings
    }

    /// Links `event` to what it undoes, and says so in its facts.
    pub(super) fn undo(&mut self, rules: &Rules, candidates: &[Candidate], event: &mut Event<'_>) {
        let undoing = candidates.iter().filter(|candidate| rules.is_undoing(candidate.rule));
        let mut all: Vec<Undone> = Vec::new();
        for candidate in undoing.filter(|candidate| rules.decide(**candidate, event)) {
            let of = (&*event, &*event_id(event));
            all.extend(self.undoing.undo(rules, candidate.rule, of));
        }
        let Some(last) = all.iter().max_by_key(|undone| &undone.id) else { return };
        event.facts.set("gw.undoes.by", last.done_by.as_str());
        event.facts.set("gw.undoes.stood_seconds", event.time.since(last.id.0).0);
        let names = |detector: &DetectorId| {
            let known = rules.detectors().find(|it| it.id == *detector);
            known.map_or_else(|| detector.0.clone(), |it| it.name.clone())
        };
        let detectors: BTreeSet<String> = all.iter().map(|it| names(&it.detector)).collect();
        let alerts: BTreeSet<String> = all.iter().map(|it| it.alert.0.clone()).collect();
        event.facts.set("gw.undoes.detector", Vec::from_iter(detectors));
        event.facts.set("gw.undoes.alert", Vec::from_iter(alerts));
    }

    /// Resolves the alerts about what was undone.
    pub(super) fn close_undone(&mut self) {
        let at = self.now_or_so();
        for Undone { alert, id: (time, event), at: (when, back), by, .. } in self.undoing.closed() {
            let by = if by.is_empty() { "an event".to_owned() } else { by };
            let stood = when.since(time);
            let text = format!("taken back by {by} at {when} ({back}); it had stood for {stood}");
            let because = reason(ReasonKind::TakenBack, text, at);
            let lost = vec![(time, event.to_string())];
            let changed = Vec::new();
            self.desk.take_back(Revision { id: alert, lost, changed, left: None, because });
        }
    }
}
