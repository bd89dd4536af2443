//! What follows where rules match an event: correlations count it, and alerts tell of it.

use smallvec::SmallVec;

use crate::alert::Revision;
use crate::alert::event_id;
use crate::model::Detector;
use crate::model::Event;
use crate::model::ReasonKind;
use crate::model::Seconds;
use crate::pipeline::core::Core;
use crate::pipeline::core::policies::reason;
use crate::pipeline::core::protect::Telling;
use crate::rules::Candidate;
use crate::rules::Rules;
use crate::rules::Service;
use crate::rules::Spoken;
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
            let closed = self.policies.closed(detector, event);
            let alert = closed.unwrap_or_else(|| self.desk.raise(detector, event, object).alert());
            self.undoing.told(rules, *rule, (event, &event_id(event)), (&alert, object));
            let is_of_policies = rules.is_about_policies(*rule);
            if is_of_policies {
                self.policies.told(event, &alert, detector);
            } else if self.policies.links(rules, *rule, event) {
                self.policies.linked(event, &alert, detector);
            }
            if is_of_policies || rules.of_verdicts().contains(rule) {
                tellings.push(Telling { alert, detector: detector.id.clone() });
            }
        }
        tellings
    }

    /// Takes in what `event` undoes, whether that is known yet or not.
    pub(super) fn undo(
        &mut self,
        rules: &Rules,
        candidates: &[Candidate],
        event: &Event<'_>,
        object: &str,
    ) {
        let undoing = candidates.iter().filter(|candidate| rules.is_undoing(candidate.rule));
        for candidate in undoing.filter(|candidate| rules.decide(**candidate, event)) {
            self.undoing.undo(rules, candidate.rule, (event, &event_id(event)), object);
        }
    }

    /// Tells of what was undone, as far as time has come.
    pub(super) fn tell_of_undone(&mut self, watermark: Seconds) {
        for Spoken { text, time, facts, object } in self.undoing.due(watermark) {
            if self.settings.asked.about(time) {
                self.speak(&Service::Matches, &text, (time, facts), &object);
            }
        }
    }

    /// Resolves the alerts about what was undone.
    pub(super) fn close_undone(&mut self) {
        let at = self.now_or_so();
        for Undone { alert, id: (time, event), at: (when, back), by } in self.undoing.closed() {
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
