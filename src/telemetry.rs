//! Names of metrics, set-up of logs.
//!
//! Logs go to standard error, one line each, for people (`text`) or machines (`json`). Facts are fields;
//! an error is logged once, by whoever handles it, with its whole chain: `error = %chain(&err)`.
//!
//! Invariant: nothing is taken from the environment, and only `init` touches anything global.

use std::error::Error;
use std::fmt;
use std::io;
use std::io::IsTerminal as _;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Counter of deliveries taken from a source; label `source`.
pub const DELIVERIES_RECEIVED: &str = "grantwatch_deliveries_received_total";
/// Counter of deliveries whose effects are committed; label `source`.
pub const DELIVERIES_COMMITTED: &str = "grantwatch_deliveries_committed_total";
/// Counter of records read; label `source`. It is the sum of the three below.
pub const RECORDS_READ: &str = "grantwatch_records_read_total";
/// Counter of records that went through the rules; label `source`.
pub const RECORDS_KEPT: &str = "grantwatch_records_kept_total";
/// Counter of records that were seen before; label `source`.
pub const RECORDS_DUPLICATE: &str = "grantwatch_records_duplicate_total";
/// Counter of records that could not be read; label `source`.
pub const RECORDS_QUARANTINED: &str = "grantwatch_records_quarantined_total";
/// Counter of alerts made; labels `detector`, `severity`.
pub const ALERTS_RAISED: &str = "grantwatch_alerts_raised_total";
/// Counter of matches folded into an alert that was there; label `detector`.
pub const ALERTS_FOLDED: &str = "grantwatch_alerts_folded_total";
/// Counter of alerts a sink took; label `sink`.
pub const ALERTS_DELIVERED: &str = "grantwatch_alerts_delivered_total";
/// Counter of alerts given up on; label `sink`.
pub const ALERTS_DEAD: &str = "grantwatch_alerts_dead_total";
/// Gauge of alerts waiting in the outbox; label `sink`.
pub const OUTBOX_WAITING: &str = "grantwatch_outbox_waiting";
/// Histogram of the seconds a commit took.
pub const COMMIT_SECONDS: &str = "grantwatch_commit_seconds";

/// What the daemon says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How a line looks: `text` for people, `json` (one object a line) for log collectors.
    pub format: Format,
    /// What is written: `error`, `warn`, `info`, `debug` or `trace`, or directives for single modules such as
    /// `info,grantwatch::source=debug`. Above `info` this is a lot.
    pub level: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".to_owned() }
    }
}

impl Config {
    /// Returns what is wrong with the settings: the key, and a sentence.
    pub fn check(&self) -> Vec<(String, String)> {
        match self.filter() {
            Ok(_) => Vec::new(),
            Err(error) => vec![("level".to_owned(), error.to_string())],
        }
    }

    fn filter(&self) -> Result<EnvFilter, LogError> {
        EnvFilter::builder()
            .parse(&self.level)
            .map_err(|source| LogError::Level { level: self.level.clone(), source })
    }
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is neither a level nor a directive.
    #[error(
        "`{level}` is neither a level (error, warn, info, debug, trace) nor a list of directives"
    )]
    Level {
        /// What stands in the configuration.
        level: String,
        /// The cause.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logs were set up before.
    #[error("logs are set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends logs to standard error as `config` says, from here to the end of the process.
///
/// # Errors
/// When the level cannot be read, or logs are set up already.
pub fn init(config: &Config) -> Result<(), LogError> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(config.filter()?)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match config.format {
        Format::Text => lines.finish().try_init(),
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
    }
    .map_err(LogError::Twice)
}

/// Shows an error with all its causes, for the one line that logs it.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl fmt::Display + 'a {
    Chain(error)
}

struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_understood() {
        for level in ["info", "warn", "info,grantwatch::source=debug"] {
            let config = Config { level: level.to_owned(), ..Config::default() };
            assert_eq!(config.check(), [], "{level}");
        }
        let config = Config { level: "grantwatch=loud".to_owned(), ..Config::default() };
        assert_eq!(config.check().len(), 1);
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        let inner = "x".parse::<u8>().unwrap_err();
        let outer = io::Error::other(inner);
        assert_eq!(chain(&outer).to_string(), "invalid digit found in string");
    }
}
