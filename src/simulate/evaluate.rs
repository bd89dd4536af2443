//! Scores alerts against the truth of a simulation.
//!
//! An alert belongs to an incident if it counts one of the incident's events. An alert without events of CloudTrail
//! (about flows, or a signal) belongs to it if it names one of its addresses, grants or log files, or the identity behind it
//! while it lasts and for two hours after.
//!
//! Invariant: it reads alerts and truths only; it does not know how either came about.
//! Read on in `evaluate/clues.rs` (what an alert names), `evaluate/score.rs` (the figures).

mod clues;
mod score;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::Alert;
use crate::model::AlertStatus;
use crate::model::Seconds;
use crate::model::Severity;
use crate::model::Span;
use crate::simulate::evaluate::clues::Clues;
use crate::simulate::truth::Simulation;
use crate::simulate::truth::Truth;

pub use crate::simulate::evaluate::score::DetectorScore;
pub use crate::simulate::evaluate::score::Finding;
pub use crate::simulate::evaluate::score::IncidentScore;
pub use crate::simulate::evaluate::score::Named;
pub use crate::simulate::evaluate::score::Scores;
pub use crate::simulate::evaluate::score::Totals;

/// How long after an incident's end an alert may still come to tell of it.
const AFTERMATH: Span = Span(2 * 3_600);

/// What alerts are held against.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Truths {
    /// What was simulated, if it is known.
    pub simulation: Option<Simulation>,
    /// The incidents.
    pub incidents: Vec<Truth>,
}

/// Scores `alerts`, of which those below `least` do not count, against `truths`.
pub fn evaluate(truths: &Truths, alerts: Vec<Alert>, least: Severity) -> Scores {
    let alerts: Vec<Alert> =
        told_once(alerts).into_iter().filter(|alert| alert.severity >= least).collect();
    let clues: Vec<Clues> = alerts.iter().map(Clues::of).collect();
    let mut belongs: Vec<Vec<usize>> = Vec::new();
    for truth in &truths.incidents {
        let events: BTreeSet<&str> = truth.events.iter().map(String::as_str).collect();
        let told = (0..alerts.len()).filter(|at| {
            let (clues, alert) = (&clues[*at], &alerts[*at]);
            let counts_one = clues.events.iter().any(|id| events.contains(id.as_str()));
            counts_one || (!clues.has_calls && names(clues, alert, truth))
        });
        belongs.push(told.collect());
    }
    let incidents: Vec<IncidentScore> = truths
        .incidents
        .iter()
        .zip(&belongs)
        .map(|(truth, told)| {
            let told: Vec<(&Alert, &Clues)> =
                told.iter().map(|at| (&alerts[*at], &clues[*at])).collect();
            score::incident(truth, &told)
        })
        .collect();
    let mut is_true = vec![false; alerts.len()];
    for at in belongs.iter().flatten() {
        is_true[*at] = true;
    }
    let days = days(truths, &alerts);
    score::scores(days, incidents, alerts.iter().zip(is_true))
}

/// Drops what a sink wrote twice, and what was taken back. Of one alert the last revision holds; of the same revision the
/// one that counted most, which knows the most events.
fn told_once(alerts: Vec<Alert>) -> Vec<Alert> {
    let mut once: BTreeMap<String, Alert> = BTreeMap::new();
    for alert in alerts {
        match once.get(&alert.id.0) {
            Some(known) if (known.revision, known.count) >= (alert.revision, alert.count) => {}
            _ => drop(once.insert(alert.id.0.clone(), alert)),
        }
    }
    let stands = |alert: &Alert| alert.status == AlertStatus::Open;
    let mut alerts: Vec<Alert> = once.into_values().filter(stands).collect();
    alerts.sort_by(|a, b| (a.first_seen, &a.id).cmp(&(b.first_seen, &b.id)));
    alerts
}

/// Returns whether an alert without events of CloudTrail names what is only of the incident of `truth`.
fn names(clues: &Clues, alert: &Alert, truth: &Truth) -> bool {
    let any = |wanted: &[String]| wanted.iter().any(|it| clues.words.contains(it.as_str()));
    // An object may stand behind the name of its bucket.
    let ends = |object: &String| clues.words.iter().any(|word| word.ends_with(object.as_str()));
    any(&truth.addresses)
        || any(&truth.grants)
        || truth.objects.iter().any(ends)
        || is_about_its_identity(clues, alert, truth)
}

fn is_about_its_identity(clues: &Clues, alert: &Alert, truth: &Truth) -> bool {
    let Some((first, last)) = truth.span() else { return false };
    let is_in_time = alert.last_seen >= first && alert.first_seen <= last.plus(AFTERMATH);
    is_in_time && names_identity(clues, truth)
}

/// Returns whether the clues name the identity behind an incident, by any of its names.
fn names_identity(clues: &Clues, truth: &Truth) -> bool {
    let mut names = std::iter::once(&truth.identity).chain(&truth.aliases);
    names.any(|name| !name.is_empty() && clues.identities.contains(name.as_str()))
}

/// Returns how many days were simulated; without the simulation's word, those from the first moment to the last.
fn days(truths: &Truths, alerts: &[Alert]) -> f64 {
    let said = truths.simulation.as_ref();
    let said = said.and_then(|it| Some((Seconds::parse(&it.start)?, Seconds::parse(&it.end)?)));
    let moments = || {
        let of_truths = truths.incidents.iter().filter_map(Truth::span);
        let of_alerts = alerts.iter().map(|alert| (alert.first_seen, alert.last_seen));
        of_truths.chain(of_alerts)
    };
    let seen = || {
        let first = moments().map(|(first, _)| first).min()?;
        let last = moments().map(|(_, last)| last).max()?;
        Some((Seconds(first.0 - first.0.rem_euclid(86_400)), Seconds(last.0 + 1)))
    };
    let Some((start, end)) = said.or_else(seen) else { return 0.0 };
    end.since(start).0.max(0) as f64 / 86_400.0
}

#[cfg(test)]
mod tests;
