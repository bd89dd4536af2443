//! One alert: what makes two matches the same, its life from first match to last, its story and its forms.
//!
//! A match of a detector becomes an alert or folds into an open one ([`Desk`]); which of the two is
//! decided by a [`Fingerprint`], made of detector, group key and a window of event time and of nothing
//! else. The first match of a window goes out at once; the rest only raise its count. What is learned later may take a
//! match back: the alert goes out again under its id, as a revision (`revise.rs`).
//!
//! Invariant: no clock, no network and no randomness; the same deliveries give the same ids in whatever
//! order they arrive. Values of a record were written by whoever made the call: they reach a story, a
//! response step or a terminal only through `clean`.

mod clean;
mod compose;
mod desk;
mod fingerprint;
mod revise;
mod story;
pub mod table;
pub mod text;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::Duration;

pub use desk::Desk;
pub use desk::Outcome;
pub use desk::Outgoing;
pub use fingerprint::Fingerprint;
pub use fingerprint::Window;
pub use fingerprint::event_id;
pub use revise::Left;
pub use revise::Revision;
pub use revise::Told;
pub use story::BadTemplate;
pub use story::validate_templates;
pub use table::MIGRATION_SQL;
pub use table::REVISIONS_SQL;

/// What an alert carries and how many are kept at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The largest record, in bytes of JSON, that an alert carries whole. Of a larger one it carries the head fields
    /// and says so in `event_truncated`. Webhook receivers often refuse bodies over 20 KB.
    #[schemars(range(min = 1_024, max = 262_144))]
    pub max_event_bytes: usize,
    /// How many event ids an alert lists. Further matches are counted without being listed; only a listed event is
    /// recognised when it is matched a second time.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_event_ids: usize,
    /// How many alerts that may still fold are kept in memory. More are looked up in the store when they match again.
    #[schemars(range(min = 16, max = 1_000_000))]
    pub max_open: usize,
    /// How long an alert is kept in the store after its newest match, in event time. It stays longer while a sink is still
    /// owed it, while the outbox keeps the record of its delivery (`outbox.keep_delivered`), and while matches may fold
    /// into it.
    pub keep: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_event_bytes: 16_384,
            max_event_ids: 100,
            max_open: 4_096,
            keep: Duration::from_secs(90 * 24 * 3_600),
        }
    }
}

#[cfg(test)]
mod testing;
