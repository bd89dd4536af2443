//! Where alerts go: one file for each kind of destination, and the sinks built from the operator's file.
//!
//! A sink takes one message and says whether it has it. It does not retry, queue or remember anything; that
//! is the outbox's. It may be asked to take the same alert again, and gives the receiver the alert's id and revision
//! to tell the repeat by.
//!
//! Invariant: the only room that speaks HTTP outward for alerts. Secrets are read from files when sinks are
//! built and appear in no log, error or `Debug`.

pub mod client;
pub mod config;
mod error;
pub mod file;
pub mod guard;
mod mistake;
mod secret;
pub mod splunk_hec;
pub mod stdout;
pub mod webhook;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::model::Alert;
use crate::model::Seconds;
use crate::model::Severity;
use crate::model::SinkName;

pub use config::Config;
pub use error::SendError;
pub use mistake::Mistake;
pub use mistake::Problem;
pub use mistake::SinkError;
pub use secret::BadSecret;
pub use secret::Secret;

/// What a sink is asked to take.
#[derive(Debug, Clone)]
pub struct Message {
    /// What happened to the alert.
    pub kind: Kind,
    /// The alert as it was when that happened: the same at every try.
    pub alert: Arc<Alert>,
    /// The alert for people, for sinks that write text.
    pub text: Arc<str>,
}

impl Message {
    /// Returns when that happened: the time of the first event, or that at which a revision became known.
    fn happened_at(&self) -> Seconds {
        let is_first = self.alert.revision <= 1;
        let revised_at = self.alert.reason.as_ref().map(|reason| reason.at);
        revised_at.filter(|_| !is_first).unwrap_or(self.alert.first_seen)
    }
}

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is new to the sink.
    Opened,
    /// It stands and is told in other words than before.
    Updated,
    /// Nothing it told of is so.
    Resolved,
    /// It was resolved and stands again.
    Reopened,
}

impl Kind {
    /// Returns the name receivers know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "grantwatch.alert.opened",
            Self::Updated => "grantwatch.alert.updated",
            Self::Resolved => "grantwatch.alert.resolved",
            Self::Reopened => "grantwatch.alert.reopened",
        }
    }
}

/// One configured destination.
#[derive(Debug)]
pub struct Sink {
    /// Its name.
    pub name: SinkName,
    /// Alerts below this are not for it.
    pub min_severity: Severity,
    /// How many messages it may be taking at once.
    pub concurrency: usize,
    /// How often it may be asked.
    pub rate: Rate,
    /// How long one message may take, everything included.
    pub deadline: Duration,
    destination: Destination,
}

/// How often a sink may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As often as it answers.
    Unlimited,
    /// So many times a second, evenly spread.
    PerSecond(u32),
}

#[derive(Debug)]
enum Destination {
    Webhook(webhook::Webhook),
    SplunkHec(splunk_hec::SplunkHec),
    File(file::File),
    Stdout(stdout::Stdout),
}

impl Sink {
    /// Returns whether alerts of `severity` are for this sink.
    pub fn wants(&self, severity: Severity) -> bool {
        severity >= self.min_severity
    }

    /// Asks the destination to take `message`.
    ///
    /// # Errors
    /// When it did not, or did not say so; the error knows whether to ask again.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        match &self.destination {
            Destination::Webhook(webhook) => webhook.send(message).await,
            Destination::SplunkHec(splunk) => splunk.send(message).await,
            Destination::File(file) => file.send(message).await,
            Destination::Stdout(stdout) => stdout.send(message).await,
        }
    }
}

/// Builds every sink of `config`: reads secrets, checks addresses, makes clients.
///
/// # Errors
/// Lists every mistake of every sink.
pub fn build(config: &Config) -> Result<Vec<Sink>, SinkError> {
    let mut builder = Builder::default();
    for webhook in &config.webhook {
        builder.add("sink.webhook", &webhook.name, webhook::build(webhook));
    }
    for splunk in &config.splunk_hec {
        builder.add("sink.splunk_hec", &splunk.name, splunk_hec::build(splunk));
    }
    for file in &config.file {
        builder.add("sink.file", &file.name, file::build(file));
    }
    for stdout in &config.stdout {
        builder.add("sink.stdout", &stdout.name, Ok(stdout::build(stdout)));
    }
    if builder.mistakes.is_empty() {
        Ok(builder.sinks)
    } else {
        Err(SinkError::Config(builder.mistakes))
    }
}

/// What is wrong with one sink: keys and problems.
type Problems = Vec<(&'static str, Problem)>;

#[derive(Default)]
struct Builder {
    sinks: Vec<Sink>,
    mistakes: Vec<Mistake>,
    names: BTreeSet<SinkName>,
}

impl Builder {
    fn add(&mut self, table: &'static str, name: &SinkName, built: Result<Sink, Problems>) {
        let letters = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let mut problems = Problems::new();
        if !(1..=64).contains(&name.0.len()) || !name.0.bytes().all(letters) {
            problems.push(("name", Problem::Name));
        }
        if !self.names.insert(name.clone()) {
            problems.push(("name", Problem::NameTaken));
        }
        match built {
            Ok(sink) => self.sinks.push(sink),
            Err(found) => problems.extend(found),
        }
        let mistake = |(key, problem)| Mistake { table, sink: name.0.clone(), key, problem };
        self.mistakes.extend(problems.into_iter().map(mistake));
    }
}

/// Notes a problem with `key` and goes on, so that all are found.
trait Collect<T> {
    fn or_note(self, key: &'static str, problems: &mut Problems) -> Option<T>;
}

impl<T> Collect<T> for Result<T, Problem> {
    fn or_note(self, key: &'static str, problems: &mut Problems) -> Option<T> {
        self.map_err(|problem| problems.push((key, problem))).ok()
    }
}

fn in_range(value: u64, min: u64, max: u64) -> Result<(), Problem> {
    if (min..=max).contains(&value) { Ok(()) } else { Err(Problem::Range { min, max }) }
}

fn at_most(value: crate::model::Duration, max_seconds: u64) -> Result<Duration, Problem> {
    let max = crate::model::Duration::from_secs(max_seconds);
    let fits = (crate::model::Duration::from_millis(1)..=max).contains(&value);
    if fits { Ok(value.0) } else { Err(Problem::Time { max }) }
}

/// The wall clock: a receiver checks when a request was made.
#[expect(clippy::disallowed_methods, reason = "a signature carries the time of its request")]
fn now() -> Seconds {
    Seconds(jiff::Timestamp::now().as_second())
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once() {
        let config: Config = toml::from_str(
            r#"
            [[webhook]]
            name = "Bad Name"
            url = "http://example.com/"
            secret_file = "/nonexistent/secret"
            concurrency = 0
            [[webhook]]
            name = "same"
            url = "https://10.0.0.1/"
            secret_file = "/nonexistent/secret"
            timeout = "1h"
            [[file]]
            name = "same"
            path = "/nonexistent/folder/alerts.ndjson"
            "#,
        )
        .unwrap();
        let SinkError::Config(mistakes) = build(&config).unwrap_err();
        let keys: Vec<(&str, &str)> =
            mistakes.iter().map(|mistake| (mistake.sink.as_str(), mistake.key)).collect();
        assert_eq!(
            keys,
            [
                ("Bad Name", "name"),
                ("Bad Name", "concurrency"),
                ("Bad Name", "secret_file"),
                ("Bad Name", "url"),
                ("same", "timeout"),
                ("same", "secret_file"),
                ("same", "url"),
                ("same", "name"),
                ("same", "path"),
            ]
        );
        let text = SinkError::Config(mistakes).to_string();
        assert!(
            text.contains("`url` of [[sink.webhook]] `same`: the address is private or loopback")
        );
        assert!(text.contains("`/nonexistent/secret`: No such file"), "{text}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        let wrong = "[[stdout]]\nname = \"out\"\ncolor = true\n";
        assert!(toml::from_str::<Config>(wrong).is_err());
    }

    #[test]
    fn a_sink_gets_what_is_bad_enough() {
        let config: Config =
            toml::from_str("[[stdout]]\nname = \"out\"\nmin_severity = \"high\"\n").unwrap();
        let sinks = build(&config).unwrap();
        assert!(sinks[0].wants(Severity::Critical) && sinks[0].wants(Severity::High));
        assert!(!sinks[0].wants(Severity::Medium));
    }
}
