//! Deletes messages in batches, as their work is committed.
//!
//! Invariant: only what was sent here is deleted, and a message that could not be deleted is told of:
//! it comes back and is recognised by the ledger.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout_at;
use tracing::debug;
use tracing::warn;

use crate::source::counters::Counters;
use crate::source::counters::add;
use crate::source::error::Fault;
use crate::source::quiet::Quiet;
use crate::source::sqs::queue::MAX_BATCH;
use crate::source::sqs::queue::Queue;
use crate::telemetry::chain;

/// How long the first message of a batch waits for others.
const LINGER: Duration = Duration::from_millis(50);

/// Pauses before what was not deleted is tried again.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Deletes the messages whose handles arrive on `doomed`, until nobody can send any more.
pub(super) async fn run<Q: Queue>(
    queue: Arc<Q>,
    mut doomed: mpsc::Receiver<String>,
    counters: Arc<Counters>,
) {
    let quiet = Quiet::default();
    loop {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        if doomed.recv_many(&mut batch, MAX_BATCH).await == 0 {
            return;
        }
        let until = Instant::now() + LINGER;
        while batch.len() < MAX_BATCH {
            let room = MAX_BATCH - batch.len();
            match timeout_at(until, doomed.recv_many(&mut batch, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        delete(queue.as_ref(), batch, &counters, &quiet).await;
    }
}

async fn delete<Q: Queue>(queue: &Q, mut batch: Vec<String>, counters: &Counters, quiet: &Quiet) {
    for pause in PAUSES.iter().map(Some).chain([None]) {
        let sent = batch.len();
        match queue.delete(&batch).await {
            Ok(not_deleted) => {
                let mut again = Vec::new();
                let mut refused = 0;
                for entry in &not_deleted {
                    match (entry.fault, batch.get(entry.at)) {
                        (Fault::Passing, Some(handle)) => again.push(handle.clone()),
                        _ => {
                            refused += 1;
                            debug!(code = entry.code, "a message was not deleted; it comes back");
                        }
                    }
                }
                add(&counters.messages_deleted, count(sent - not_deleted.len().min(sent)));
                add(&counters.delete_failures, refused);
                batch = again;
            }
            Err(error) => {
                if let Some(silent) = quiet.speaks("delete", std::time::Instant::now()) {
                    let source = &counters.source;
                    warn!(%source, error = %chain(&error), silent, "could not delete messages");
                }
            }
        }
        if batch.is_empty() {
            return;
        }
        match pause {
            Some(pause) => sleep(*pause).await,
            None => break,
        }
    }
    add(&counters.delete_failures, count(batch.len()));
    warn!(source = %counters.source, messages = batch.len(), "gave up deleting; they come back");
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::source::sqs::memory::MemoryQueue;

    async fn deleted(queue: &Arc<MemoryQueue>, wanted: usize) -> (u64, u64) {
        let counters = Counters::new("test");
        let (doom, doomed) = mpsc::channel(64);
        for message in 0..wanted {
            queue.send(&format!("m{message}"), "{}");
        }
        let mut handles = Vec::new();
        while handles.len() < wanted {
            let received = queue.receive(MAX_BATCH).await.unwrap();
            handles.extend(received.into_iter().map(|message| message.handle));
        }
        for handle in handles {
            doom.send(handle).await.unwrap();
        }
        drop(doom);
        run(Arc::clone(queue), doomed, Arc::clone(&counters)).await;
        let number = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (number(&counters.messages_deleted), number(&counters.delete_failures))
    }

    #[tokio::test]
    async fn deletes_in_batches_of_ten() {
        let queue = Arc::new(MemoryQueue::default());
        assert_eq!(deleted(&queue, 23).await, (23, 0));
        assert_eq!(queue.state().delete_batches, [10, 10, 3]);
    }

    #[tokio::test]
    async fn tries_again_only_what_failed() {
        let queue = Arc::new(MemoryQueue::default());
        queue.state().refuse_deletes = 2;
        assert_eq!(deleted(&queue, 5).await, (5, 0));
        assert_eq!(queue.state().delete_batches, [5, 2]);
    }

    #[tokio::test]
    async fn a_stale_handle_is_counted_and_not_tried_again() {
        let queue = Arc::new(MemoryQueue::default());
        let counters = Counters::new("test");
        delete(queue.as_ref(), vec!["stale".to_owned()], &counters, &Quiet::default()).await;
        assert_eq!(counters.delete_failures.load(Ordering::Relaxed), 1);
        assert_eq!(queue.state().delete_batches, [1]);
    }
}
