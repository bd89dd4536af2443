//! Set-up of logs, how errors are told, and the metrics (`metrics.rs`).
//!
//! Logs go to standard error, one line each, for people (`text`) or machines (`json`). Facts are fields;
//! an error is logged once, by whoever handles it, with its whole chain: `error = %chain(&err)`.
//!
//! Invariant: nothing is taken from the environment, and only `init` touches anything global.

pub mod metrics;

use std::error::Error;
use std::fmt;
use std::io;
use std::io::IsTerminal as _;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

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
