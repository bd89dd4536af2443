//! The truth about a simulation: which incidents it holds, and what a good monitor should say about each.
//!
//! Invariant: everything that `truth.ndjson` says can be checked against the deliveries beside it.

use serde::Deserialize;
use serde::Serialize;

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
}

impl Truth {
    /// The version of the form.
    pub const SCHEMA: &'static str = "grantwatch.truth/1";
}
