//! Files and folders of messages about grants: once, before anything is judged, and watched; and what a queue of them
//! brings.
//!
//! They go the way of all deliveries, so that they are known before the records that stand behind them in the queue,
//! are told apart by size and time of change, and are acknowledged with their effects.
//!
//! Invariant: what a file holds is none of our business; it is a file of grants because of the path it stands at.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::model::Delivery;
use crate::source::Known;
use crate::source::Running;
use crate::source::budget::Budget;
use crate::source::counters::Counters;
use crate::source::envelope::Notice;
use crate::source::error::SourceError;
use crate::source::folder;
use crate::source::folder::Holds;
use crate::source::folder::Reader;
use crate::source::window::Window;

/// The name of the source in counters, logs and quarantine.
const NAME: &str = "grants";
/// Bytes of files that are read and not yet committed.
const MAX_BYTES_IN_FLIGHT: u64 = 64 << 20;
/// The largest file that is read.
const MAX_OBJECT_BYTES: u64 = 256 << 20;

/// Returns what a message on a queue of grants announces: itself, unless a topic only asks something of us.
pub(super) fn of_grants(body: &str) -> Notice {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Asking {
        r#type: String,
        topic_arn: String,
    }
    match serde_json::from_str::<Asking>(body) {
        Ok(Asking { r#type: kind, topic_arn: topic })
            if matches!(&*kind, "SubscriptionConfirmation" | "UnsubscribeConfirmation") =>
        {
            Notice::Subscription { kind, topic }
        }
        _ => Notice::Grants,
    }
}

/// How often the files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// Once: it ends when all are on their way.
    Once,
    /// Again and again, until the stop.
    Always,
}

/// Begins to read the files at or below `paths`.
///
/// # Errors
/// When a path is not there.
pub fn grants(
    paths: &[PathBuf],
    looks: Looks,
    known: &Known,
    to: &mpsc::Sender<Delivery>,
    stop: &watch::Receiver<bool>,
) -> Result<Running, SourceError> {
    for path in paths {
        fs::metadata(path)
            .map_err(|source| SourceError::Unreadable { path: path.clone(), source })?;
    }
    let counters = Counters::new(NAME);
    let budget = Budget::new(MAX_BYTES_IN_FLIGHT);
    let reader = Reader {
        name: Arc::clone(&counters.source),
        holds: Holds::Grants,
        budget,
        max_object_bytes: MAX_OBJECT_BYTES,
        known: Arc::clone(known),
        to: to.clone(),
        counters: Arc::clone(&counters),
        stop: stop.clone(),
    };
    let mut tasks = JoinSet::new();
    match looks {
        Looks::Once => {
            tasks.spawn(reader.each_once(paths.to_vec(), Window::default()));
        }
        Looks::Always => {
            for path in paths {
                tasks.spawn(folder::watch::watch(reader.clone(), path.clone()));
            }
        }
    }
    Ok(Running::new(tasks, vec![counters]))
}
