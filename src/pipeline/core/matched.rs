//! What follows where rules match an event: correlations count it, and alerts tell of it.

use smallvec::SmallVec;

use crate::model::Detector;
use crate::model::Event;
use crate::pipeline::core::Core;
use crate::pipeline::core::protect::Telling;
use crate::rules::Rules;

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
            let is_of_policies = rules.is_about_policies(*rule);
            if is_of_policies {
                self.policies.told(event, &alert, detector);
            }
            if is_of_policies || rules.of_verdicts().contains(rule) {
                tellings.push(Telling { alert, detector: detector.id.clone() });
            }
        }
        tellings
    }
}
