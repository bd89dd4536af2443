//! What the sinks have not taken, for the operator to look at and to send again.
//!
//! Invariant: what was superseded is not owed any more.

pub(super) mod table;

use crate::model::AlertId;
use crate::model::Seconds;
use crate::model::SinkName;

/// Where a row stands that is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It will be tried, for the first time or again.
    Pending,
    /// It was given up: a dead letter.
    Dead,
}

impl Standing {
    /// Returns its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Dead => "dead",
        }
    }
}

/// Which rows are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those of one sink.
    Sink(SinkName),
    /// Those of one alert.
    Alert(AlertId),
}

impl Which {
    /// Returns what the columns `sink` and `alert_id` must be like, where they must.
    pub(super) fn columns(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::All => (None, None),
            Self::Sink(sink) => (Some(&sink.0), None),
            Self::Alert(alert) => (None, Some(&alert.0)),
        }
    }
}

/// A row that is not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The row.
    pub seq: i64,
    /// The alert that did not arrive.
    pub alert_id: AlertId,
    /// Where it should have gone.
    pub sink: SinkName,
    /// Where it stands.
    pub standing: Standing,
    /// How often it was tried.
    pub attempts: u32,
    /// When the row was made.
    pub created: Seconds,
    /// When it was tried last; when it was given up, for a dead letter.
    pub tried: Option<Seconds>,
    /// What the sink said last.
    pub error: String,
}

/// What waits for one sink; also for sinks that are no longer configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The sink.
    pub sink: SinkName,
    /// Rows not delivered yet.
    pub pending: i64,
    /// Rows given up.
    pub dead: i64,
    /// When the oldest pending row was made.
    pub oldest: Option<Seconds>,
    /// When the first of the dead letters was given up.
    pub oldest_dead: Option<Seconds>,
}
