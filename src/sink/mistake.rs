//! What can be wrong with the configuration of sinks; all of it is told at once.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use crate::sink::secret::BadSecret;

/// Why the sinks could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The configuration is wrong in these places.
    #[error("{}", listed(.0))]
    Config(Vec<Mistake>),
}

/// One mistake in the configuration of a sink.
#[derive(Debug)]
pub struct Mistake {
    /// The table it stands in, such as `sink.webhook`.
    pub table: &'static str,
    /// The sink's name as configured.
    pub sink: String,
    /// The key that is wrong.
    pub key: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of [[{}]] `{}`: {}", self.key, self.table, self.sink, self.problem)?;
        // A list of mistakes has no one cause to hand on, so each line tells its own.
        let mut cause = self.problem.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What is wrong with one key.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The name cannot be used.
    #[error("a name is 1 to 64 of a-z, 0-9, `-` and `_`; it stands in the outbox and in counters")]
    Name,
    /// Two sinks have one name.
    #[error("another sink has this name; alerts are tracked by it")]
    NameTaken,
    /// The number is out of range.
    #[error("must be from {min} to {max}")]
    Range {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// The duration is out of range.
    #[error("must be from 1s to {max}")]
    Time {
        /// The longest.
        max: crate::model::Duration,
    },
    /// Not https, and http was not allowed.
    #[error(
        "alerts are sent over https; set `allow_http = true` only for a receiver on this machine"
    )]
    Http,
    /// Neither https nor http.
    #[error("the address must begin with https://")]
    Scheme,
    /// A user or password in the address.
    #[error(
        "an address must not hold a user or password; put them in a file named in `header_files`"
    )]
    Credentials,
    /// An address we do not talk to.
    #[error("the address is {what}; {remedy}")]
    Address {
        /// What kind it is.
        what: &'static str,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A file could not be read.
    #[error("could not read `{path}`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of secrets is no such thing.
    #[error("`{path}` has {bytes} bytes; that is no file of secrets")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A file holds nothing.
    #[error("`{path}` holds no secret")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A secret cannot be used.
    #[error("could not use a secret in `{path}`")]
    Secret {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: BadSecret,
    },
    /// A header cannot be sent.
    #[error("`{header}` cannot be set: {why}")]
    Header {
        /// Its name.
        header: String,
        /// Why.
        why: &'static str,
    },
    /// The certificates could not be used.
    #[error("could not use the certificates in `{path}`")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: reqwest::Error,
    },
    /// The HTTP client could not be set up.
    #[error(
        "could not set up TLS; are the system's certificates installed (package ca-certificates), or is `ca_file` set?"
    )]
    Client(#[source] reqwest::Error),
    /// The folder of a file is not there.
    #[error("its folder `{path}` does not exist")]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
}

fn listed(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    format!("could not set up the sinks:\n  {}", lines.join("\n  "))
}
