//! What the core is built from.

use std::sync::Arc;

use crate::alert;
use crate::grants;
use crate::iam;
use crate::identity;
use crate::model::Seconds;
use crate::model::Severity;
use crate::model::SinkName;
use crate::model::Span;
use crate::outbox;
use crate::telemetry::metrics::Metrics;

/// A destination, as far as the core must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name.
    pub name: SinkName,
    /// Alerts below this are not sent there.
    pub min_severity: Severity,
}

/// What the core is built from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[identity]`.
    pub identity: identity::Config,
    /// `[alert]`.
    pub alert: alert::Config,
    /// `[outbox]`.
    pub outbox: outbox::Config,
    /// `pipeline.allowed_lateness`.
    pub allowed_lateness: Span,
    /// `pipeline.dedup_window`.
    pub dedup_window: Span,
    /// `pipeline.dedup_max_events`.
    pub dedup_max_events: u64,
    /// Where alerts go.
    pub destinations: Vec<Destination>,
    /// `[grants]`.
    pub grants: grants::Config,
    /// When grants come in.
    pub grants_are: Grants,
    /// `[policies]`.
    pub policies: iam::Config,
    /// What was read of policies before the first record.
    pub policies_known: Arc<iam::Known>,
    /// Events outside of this are learned from and counted, but no rule is asked about them.
    pub asked: Asked,
    /// Where the core tells its numbers.
    pub metrics: Metrics,
}

/// When grants come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// Nobody reads any: acts are judged only if the store knows of some.
    Unread,
    /// All of them before the first record: what none covers is told at once.
    Known,
    /// At any time: what none covers waits for those that are late.
    Arriving,
}

/// The span of event time that rules are asked about: half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The first moment.
    pub from: Seconds,
    /// The first moment behind it.
    pub to: Seconds,
}

impl Default for Asked {
    fn default() -> Self {
        Self { from: Seconds(i64::MIN), to: Seconds(i64::MAX) }
    }
}

impl Asked {
    pub(super) fn about(self, time: Seconds) -> bool {
        self.from <= time && time < self.to
    }
}
