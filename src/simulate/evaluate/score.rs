//! The figures, in the form that `evaluate --format json` prints.
//!
//! Invariant: a share of nothing is `null`, never 0 or 1.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Alert;
use crate::model::Severity;
use crate::simulate::evaluate::clues::Clues;
use crate::simulate::evaluate::names_identity;
use crate::simulate::truth::Truth;

/// Everything that is known of how well a simulation was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// The version of this form.
    pub schema: &'static str,
    /// The days that were simulated.
    pub days: f64,
    /// The incidents, in the order of the truth.
    pub incidents: Vec<IncidentScore>,
    /// All of them together.
    pub totals: Totals,
    /// The detectors that raised an alert, by name.
    pub detectors: Vec<DetectorScore>,
}

impl Scores {
    /// The version of the form.
    pub const SCHEMA: &'static str = "grantwatch.evaluation/1";
}

/// How well one incident was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentScore {
    /// Its name.
    pub name: String,
    /// When it began.
    pub first: String,
    /// Whether an alert belongs to it.
    pub finding: Finding,
    /// The detectors whose alerts belong to it, the earliest first.
    pub detectors: Vec<String>,
    /// The alerts that belong to it.
    pub alerts: u64,
    /// The worst severity among them.
    pub severity: Option<Severity>,
    /// From its first event to the first alert about it, in event time.
    pub seconds_to_alert: Option<i64>,
    /// Whether an alert names the identity behind it.
    pub identity: Named,
    /// What a good monitor should say.
    pub expect: String,
}

/// Whether an incident was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// An alert belongs to it.
    Detected,
    /// None does.
    Missed,
}

/// Whether the identity behind an incident was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Named {
    /// An alert that belongs to it names the identity or an alias.
    Right,
    /// Alerts belong to it, and none does.
    Wrong,
    /// There is nobody to name, or no alert.
    Open,
}

/// The figures over all incidents and alerts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    /// How many incidents there are.
    pub incidents: u64,
    /// How many were detected.
    pub detected: u64,
    /// Their share.
    pub recall: Option<f64>,
    /// The share of detected incidents with somebody behind them whose identity was named.
    pub identity_accuracy: Option<f64>,
    /// The median of the seconds from an incident's first event to its first alert.
    pub median_seconds_to_alert: Option<i64>,
    /// The alerts.
    pub alerts: u64,
    /// Those that belong to an incident.
    pub true_alerts: u64,
    /// Their share.
    pub precision: Option<f64>,
    /// Those that belong to none, by severity.
    pub false_alerts: BTreeMap<&'static str, u64>,
    /// The same for each simulated day.
    pub false_alerts_per_day: BTreeMap<&'static str, f64>,
}

/// How well one detector does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectorScore {
    /// Its name.
    pub detector: String,
    /// Its alerts.
    pub alerts: u64,
    /// Those that belong to an incident.
    pub true_alerts: u64,
    /// Their share.
    pub precision: Option<f64>,
    /// The incidents that it tells of.
    pub incidents: u64,
    /// Their share of all incidents.
    pub recall: Option<f64>,
}

const SEVERITIES: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Informational];

/// Scores one incident by the alerts that belong to it, which come in the order of their first events.
pub(super) fn incident(truth: &Truth, told: &[(&Alert, &Clues)]) -> IncidentScore {
    let mut detectors: Vec<String> = Vec::new();
    for (alert, _) in told {
        if !detectors.contains(&alert.detector) {
            detectors.push(alert.detector.clone());
        }
    }
    // An alert may have been opened by something before the incident, and still tell of it.
    let earliest = told.iter().map(|(alert, _)| alert.first_seen).min();
    let began = truth.span().map(|(first, _)| first);
    let waited = earliest.zip(began).map(|(seen, began)| seen.since(began).0.max(0));
    let identity = match told {
        [] => Named::Open,
        _ if truth.identity.is_empty() => Named::Open,
        told if told.iter().any(|(_, clues)| names_identity(clues, truth)) => Named::Right,
        _ => Named::Wrong,
    };
    IncidentScore {
        name: truth.name.clone(),
        first: truth.first.clone(),
        finding: if told.is_empty() { Finding::Missed } else { Finding::Detected },
        detectors,
        alerts: told.len() as u64,
        severity: told.iter().map(|(alert, _)| alert.severity).max(),
        seconds_to_alert: waited,
        identity,
        expect: truth.expect.clone(),
    }
}

/// Puts the figures together; each alert comes with whether it belongs to an incident.
pub(super) fn scores<'a>(
    days: f64,
    incidents: Vec<IncidentScore>,
    alerts: impl Iterator<Item = (&'a Alert, bool)>,
) -> Scores {
    let mut by_detector: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut by_severity: BTreeMap<&'static str, u64> =
        SEVERITIES.map(|severity| (severity.name(), 0)).into();
    for (alert, is_true) in alerts {
        let (all, right) = by_detector.entry(&alert.detector).or_default();
        *all += 1;
        match is_true {
            true => *right += 1,
            false => *by_severity.entry(alert.severity.name()).or_default() += 1,
        }
    }
    let detectors = by_detector
        .iter()
        .map(|(name, (all, right))| detector(name, (*all, *right), &incidents))
        .collect();
    let alerts = by_detector.values().map(|(all, _)| all).sum();
    let true_alerts = by_detector.values().map(|(_, right)| right).sum();
    Scores {
        schema: Scores::SCHEMA,
        days,
        totals: totals(days, &incidents, (alerts, true_alerts), by_severity),
        incidents,
        detectors,
    }
}

fn detector(name: &str, (alerts, right): (u64, u64), incidents: &[IncidentScore]) -> DetectorScore {
    let told = incidents.iter().filter(|incident| incident.detectors.iter().any(|it| it == name));
    let found = told.count() as u64;
    DetectorScore {
        detector: name.to_owned(),
        alerts,
        true_alerts: right,
        precision: share(right, alerts),
        incidents: found,
        recall: share(found, incidents.len() as u64),
    }
}

fn totals(
    days: f64,
    incidents: &[IncidentScore],
    (alerts, true_alerts): (u64, u64),
    false_alerts: BTreeMap<&'static str, u64>,
) -> Totals {
    let count = |wanted: &dyn Fn(&IncidentScore) -> bool| {
        incidents.iter().filter(|incident| wanted(incident)).count() as u64
    };
    let detected = count(&|incident| incident.finding == Finding::Detected);
    let right = count(&|incident| incident.identity == Named::Right);
    let wrong = count(&|incident| incident.identity == Named::Wrong);
    let mut waits: Vec<i64> = incidents.iter().filter_map(|it| it.seconds_to_alert).collect();
    waits.sort_unstable();
    let per_day = false_alerts.iter().filter(|_| days > 0.0);
    Totals {
        incidents: incidents.len() as u64,
        detected,
        recall: share(detected, incidents.len() as u64),
        identity_accuracy: share(right, right + wrong),
        median_seconds_to_alert: waits.get(waits.len().saturating_sub(1) / 2).copied(),
        alerts,
        true_alerts,
        precision: share(true_alerts, alerts),
        false_alerts_per_day: per_day
            .map(|(severity, count)| (*severity, *count as f64 / days))
            .collect(),
        false_alerts,
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
