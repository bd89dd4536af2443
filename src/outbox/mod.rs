//! Durable delivery: which alert is owed to which sink, when to try again, when to give up.
//!
//! A row is made in the transaction that opens its alert, or revises it, and changed in the transactions that learn how a
//! try ended, so a crash repeats a try and never loses one. Who sends is none of this room's business:
//! the pipeline reads rows that are [`due`], sends, and brings back what became of each ([`settle`]).
//!
//! Invariant: no clock and no randomness. `now` is a parameter and is the wall clock's: it is about
//! receivers, not about events. The random part of a delay is a parameter too.

mod backoff;
mod leases;
mod owed;
pub mod table;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::Duration;

pub use backoff::Backoff;
pub use backoff::Failure;
pub use backoff::Share;
pub use leases::Key;
pub use leases::Leases;
pub use owed::Backlog;
pub use owed::Owed;
pub use owed::Standing;
pub use owed::Which;
pub use owed::table::backlog;
pub use owed::table::last_error;
pub use owed::table::owed;
pub use owed::table::requeue_dead;
pub use table::Contact;
pub use table::Due;
pub use table::MIGRATION_SQL;
pub use table::REVISIONS_SQL;
pub use table::Settled;
pub use table::Verdict;
pub use table::due;
pub use table::enqueue;
pub use table::knows;
pub use table::next_due;
pub use table::prune;
pub use table::settle;
pub use table::still_pending;

/// How long and how often an alert is offered to a sink that does not take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long after it was raised an alert is offered again. Then it becomes a dead letter, which is kept until
    /// somebody sends it again.
    pub give_up_after: Duration,
    /// The longest wait before the second try. Each further wait may be twice as long; the actual wait is chosen at
    /// random below that, so that many alerts do not come back together.
    pub initial_backoff: Duration,
    /// The longest wait between two tries, also when a sink asks for a longer one by `Retry-After`.
    pub max_backoff: Duration,
    /// How long the record of a delivered alert is kept.
    pub keep_delivered: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            give_up_after: Duration::from_secs(24 * 3_600),
            initial_backoff: Duration::from_secs(5),
            max_backoff: Duration::from_secs(3_600),
            keep_delivered: Duration::from_secs(7 * 24 * 3_600),
        }
    }
}
