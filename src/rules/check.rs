//! Running the tests that stand in the detectors' own files.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::Detector;
use crate::model::DetectorId;
use crate::model::Seconds;
use crate::rules::Rules;
use crate::rules::block::TestCase;
use crate::rules::block::TestEvent;
use crate::rules::correlate::Correlator;
use crate::rules::load::Place;

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// The file.
    pub path: PathBuf,
    /// The line of its document.
    pub line: usize,
    /// The detector's id.
    pub detector: DetectorId,
    /// The test's name.
    pub name: String,
    /// What went wrong, or `None` if nothing did.
    pub failure: Option<String>,
}

impl fmt::Display for Tested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: ", self.path.display(), self.line, self.name)?;
        f.write_str(self.failure.as_deref().unwrap_or("ok"))
    }
}

/// Runs all tests of `rules`.
pub(super) fn run(rules: &Arc<Rules>) -> Vec<Tested> {
    rules
        .tests
        .iter()
        .map(|(detector, place, test)| run_one(rules, detector, place, test))
        .collect()
}

fn run_one(rules: &Arc<Rules>, detector: &DetectorId, place: &Place, test: &TestCase) -> Tested {
    let tested = |failure| Tested {
        path: place.path.clone(),
        line: place.line,
        detector: detector.clone(),
        name: test.name.clone(),
        failure,
    };
    let events: Result<Vec<TestEvent>, String> =
        test.events.iter().map(|event| TestEvent::read(event, &rules.fields)).collect();
    let events = match events {
        Ok(events) if events.is_empty() => {
            return tested(Some("the test has no events".to_owned()));
        }
        Ok(events) => events,
        Err(what) => return tested(Some(what)),
    };
    let is_correlation = rules.correlations.iter().any(|known| known.detector.id == *detector);
    tested(if is_correlation {
        run_correlation(rules, detector, test, &events)
    } else {
        run_rule(rules, detector, test, &events)
    })
}

/// Every event of the test is to match, or none of them.
fn run_rule(
    rules: &Rules,
    detector: &DetectorId,
    test: &TestCase,
    events: &[TestEvent],
) -> Option<String> {
    let Some(rule) = rules.rules.iter().find(|rule| rule.detector.id == *detector) else {
        return Some("the detector was not loaded".to_owned());
    };
    let events = match (test.undone, events) {
        (None, all) => all,
        (Some(_), [matched @ .., last]) if !matched.is_empty() => {
            let is_undone = |it: &TestEvent| rules.undoes(rule, &it.event(), &last.event());
            let wrong = matched.iter().find(|it| Some(is_undone(it)) != test.undone);
            if let Some(wrong) = wrong {
                let (last, wrong) = (last.text(), wrong.text());
                let does = if test.undone == Some(true) { "does not undo" } else { "undoes" };
                return Some(format!("{last} {does} {wrong}"));
            }
            matched
        }
        _ => return Some("`undone` asks for two events at least: the last undoes".to_owned()),
    };
    let wrong = events.iter().find(|event| rule.matches(&event.event()) != test.matches)?;
    let (expected, found) =
        if test.matches { ("match", "does not") } else { ("not match", "does") };
    Some(format!("expected to {expected}, but {found}: {}", wrong.text()))
}

/// The events are fed in the order of their times; the correlation is to fire, or not.
fn run_correlation(
    rules: &Arc<Rules>,
    detector: &DetectorId,
    test: &TestCase,
    events: &[TestEvent],
) -> Option<String> {
    let mut correlator = Correlator::new(Arc::clone(rules));
    let mut counted = 0;
    for (number, written) in events.iter().enumerate() {
        let event = written.event();
        let matched = rules.rules.iter().filter(|rule| rule.feeds && rule.matches(&event));
        let bases: Vec<&Detector> = matched.map(|rule| rule.detector.as_ref()).collect();
        if !bases.is_empty() {
            counted += bases.len();
            correlator.add_numbered(&bases, &event, number);
        }
    }
    let fired = correlator
        .advance_all(Seconds(i64::MAX))
        .iter()
        .any(|fired| fired.detector.id == *detector);
    if fired == test.matches {
        return None;
    }
    let expected = if test.matches { "fire" } else { "stay silent" };
    Some(format!(
        "expected to {expected}; its rules matched {counted} times in {} events",
        events.len()
    ))
}
