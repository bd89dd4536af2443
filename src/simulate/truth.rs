//! The truth about a simulation: which incidents it holds, and what a good monitor should say about each.
//!
//! Invariant: everything that `truth.ndjson` says can be checked against the deliveries beside it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;
use serde::de::Error as _;

use crate::model::Seconds;
use crate::simulate::Plan;
use crate::simulate::call::EventId;

/// The first line of `truth.ndjson`: what was simulated, and which part of it was delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    /// The version of this form.
    pub schema: String,
    /// What everything was drawn from.
    pub seed: u64,
    /// The id of the organisation.
    pub organisation: String,
    /// From when on activity was delivered.
    pub start: String,
    /// Until when.
    pub end: String,
    /// How many accounts there are.
    pub accounts: u16,
    /// How many people.
    pub people: u16,
}

impl Simulation {
    /// The version of the form.
    pub const SCHEMA: &'static str = "grantwatch.simulation/1";

    /// Returns what is to be said of `plan` if `part` of it was delivered.
    pub fn of(plan: &Plan, organisation: &str, (start, end): (Seconds, Seconds)) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            seed: plan.seed,
            organisation: organisation.to_owned(),
            start: start.to_string(),
            end: end.to_string(),
            accounts: plan.accounts,
            people: plan.people,
        }
    }
}

/// One line of `truth.ndjson`, whichever it is.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and nearly all are incidents"
)]
pub enum Line {
    /// What was simulated.
    Simulation(Simulation),
    /// An incident.
    Incident(Truth),
}

/// Reads one line of `truth.ndjson`.
///
/// # Errors
/// When it is neither form, or of a version that is not known.
pub fn read(line: &str) -> serde_json::Result<Line> {
    let value: serde_json::Value = serde_json::from_str(line)?;
    match value["schema"].as_str() {
        Some(Simulation::SCHEMA) => serde_json::from_value(value).map(Line::Simulation),
        Some(Truth::SCHEMA) => {
            let truth: Truth = serde_json::from_value(value)?;
            match truth.span() {
                Some(_) => Ok(Line::Incident(truth)),
                None => Err(serde_json::Error::custom("`first` or `last` is no moment")),
            }
        }
        Some(other) => Err(serde_json::Error::custom(format!("unknown schema `{other}`"))),
        None => Err(serde_json::Error::custom("`schema` is missing")),
    }
}

/// Returns the text of `truth.ndjson`.
///
/// # Errors
/// Never, as long as every field has a form in JSON.
pub fn lines(simulation: &Simulation, truths: &[Truth]) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(simulation)? + "\n";
    for truth in truths {
        text += &serde_json::to_string(truth)?;
        text.push('\n');
    }
    Ok(text)
}

/// Returns what is true of `truths` where some events were not delivered and only `part` of the time was.
///
/// An incident of which nothing was delivered is none.
pub fn delivered(
    truths: Vec<Truth>,
    left_out: &[EventId],
    (start, end): (Seconds, Seconds),
) -> Vec<Truth> {
    let left_out: BTreeSet<String> = left_out.iter().map(EventId::to_string).collect();
    let mut found = Vec::new();
    for mut truth in truths {
        let (first, last) = truth.span().expect("the simulation wrote these moments");
        let had_events = !truth.events.is_empty();
        truth.events.retain(|id| !left_out.contains(id));
        if first >= end || last < start || (had_events && truth.events.is_empty()) {
            continue;
        }
        truth.last = last.min(end).to_string();
        found.push(truth);
    }
    found
}

/// One line of `truth.ndjson`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The version of this form.
    pub schema: String,
    /// The incident's name, as `--incident` takes it.
    pub name: String,
    /// What happens, in a sentence.
    pub what: String,
    /// What a good monitor should say.
    pub expect: String,
    /// ATT&CK techniques: `T1078.004`.
    pub techniques: Vec<String>,
    /// The canonical identity behind it, or empty if only the network sees it.
    pub identity: String,
    /// Other names for the same identity that a monitor may give with good reason, such as the key's user.
    pub aliases: Vec<String>,
    /// The accounts it touches.
    pub accounts: Vec<String>,
    /// Event time of its first event.
    pub first: String,
    /// Event time of its last event, or of the moment at which what did not happen was due.
    pub last: String,
    /// The `eventID`s that belong to it.
    pub events: Vec<String>,
    /// Addresses that only this incident's flows know; empty if flows play no part.
    pub addresses: Vec<String>,
    /// The grants it is about, by id.
    pub grants: Vec<String>,
    /// The log files and digests that it takes away, by key.
    pub objects: Vec<String>,
}

impl Truth {
    /// The version of the form.
    pub const SCHEMA: &'static str = "grantwatch.truth/1";

    /// Returns its first and last moment, if they are moments.
    pub fn span(&self) -> Option<(Seconds, Seconds)> {
        Some((Seconds::parse(&self.first)?, Seconds::parse(&self.last)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(first: &str, last: &str, events: &[u128]) -> Truth {
        Truth {
            schema: Truth::SCHEMA.to_owned(),
            name: "stolen_session".to_owned(),
            what: String::new(),
            expect: String::new(),
            techniques: Vec::new(),
            identity: String::new(),
            aliases: Vec::new(),
            accounts: Vec::new(),
            first: first.to_owned(),
            last: last.to_owned(),
            events: events.iter().map(|id| EventId(*id).to_string()).collect(),
            addresses: Vec::new(),
            grants: Vec::new(),
            objects: Vec::new(),
        }
    }

    fn part() -> (Seconds, Seconds) {
        let at = |text| Seconds::parse(text).unwrap();
        (at("2026-03-02T00:00:00Z"), at("2026-03-03T00:00:00Z"))
    }

    #[test]
    fn only_what_was_delivered_is_true() {
        let both = truth("2026-03-02T22:00:00Z", "2026-03-03T01:00:00Z", &[1, 2]);
        let gone = truth("2026-03-02T22:00:00Z", "2026-03-02T23:00:00Z", &[3]);
        let never = truth("2026-03-03T09:00:00Z", "2026-03-03T10:00:00Z", &[]);
        let silent = truth("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", &[]);
        let found =
            delivered(vec![both, gone, never, silent.clone()], &[EventId(2), EventId(3)], part());
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].events, [EventId(1).to_string()]);
        assert_eq!(found[0].last, "2026-03-03T00:00:00Z");
        assert_eq!(found[1], silent);
    }

    #[test]
    fn what_is_written_reads_back_and_nothing_else_does() {
        let simulation = Simulation {
            schema: Simulation::SCHEMA.to_owned(),
            seed: 7,
            organisation: "o-example".to_owned(),
            start: part().0.to_string(),
            end: part().1.to_string(),
            accounts: 4,
            people: 60,
        };
        let incident = truth("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z", &[1]);
        let text = lines(&simulation, std::slice::from_ref(&incident)).unwrap();
        let found: Vec<Line> = text.lines().map(|line| read(line).unwrap()).collect();
        assert_eq!(found, [Line::Simulation(simulation), Line::Incident(incident)]);
        for wrong in [
            "",
            "{",
            "{}",
            r#"{"schema":"grantwatch.truth/9"}"#,
            &text.lines().last().unwrap().replace("T09", " 09 "),
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
