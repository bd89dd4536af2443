//! The loop around a queue: receives no more than there is room for, and drains when told to stop.
//!
//! Invariant: a message that was received is, at the end, deleted after its commit or given back.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::source::counters::add;
use crate::source::counters::count;
use crate::source::fetch::Objects;
use crate::source::sqs::deletes;
use crate::source::sqs::queue::MAX_BATCH;
use crate::source::sqs::queue::Message;
use crate::source::sqs::queue::Queue;
use crate::source::sqs::queue::QueueError;
use crate::source::sqs::visibility;
use crate::source::sqs::work::Consumer;
use crate::source::sqs::work::Ended;
use crate::source::stop::until;
use crate::telemetry::chain;

/// How long a receive that is under way at the stop may still bring messages.
const LAST_RECEIVE: Duration = Duration::from_millis(500);
/// The pause after a first failed receive; it doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// How long giving messages back, and the last deletes, may take after the drain.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the loop may take on, and how long it may take to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Messages in work at once.
    pub(super) max_in_flight: u32,
    /// How long messages in work may take to finish after a stop.
    pub(super) drain: Duration,
}

/// Receives until `stop`, then drains.
///
/// A poll that waits is broken off by the stop; a message that SQS was just handing out then comes
/// back when its visibility ends.
pub(super) async fn run<Q: Queue, O: Objects>(
    consumer: Arc<Consumer<Q, O>>,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) {
    let slots = usize::try_from(bounds.max_in_flight).unwrap_or(1).max(1);
    let (doom, doomed) = mpsc::channel(slots);
    let deletes = deletes::run(Arc::clone(&consumer.queue), doomed, Arc::clone(&consumer.counters));
    let deletes = tokio::spawn(deletes);
    let (abandon, abandoned) = watch::channel(false);
    let free = Arc::new(Semaphore::new(slots));
    // Asking for one message whenever one slot is free would pay one request for each.
    let batch = u32::try_from(slots.div_ceil(4).min(MAX_BATCH)).unwrap_or(1);
    let mut tasks = JoinSet::new();
    let mut pause = FIRST_PAUSE;
    loop {
        let room = Arc::clone(&free).acquire_many_owned(batch);
        let Some(room) = wait(&consumer, &mut stop, room).await else { break };
        let room = wider(&free, room.expect("the slots are never closed"));
        let worker = Worker {
            consumer: Arc::clone(&consumer),
            doom: doom.clone(),
            abandoned: abandoned.clone(),
            stop: stop.clone(),
        };
        let mut messages = std::pin::pin!(consumer.queue.receive(room.num_permits()));
        match wait(&consumer, &mut stop, &mut messages).await {
            None => {
                // The queue may be handing messages out at this moment: broken off, they would stay hidden.
                let is_taken = !consumer.to.is_closed();
                if is_taken && let Ok(Ok(messages)) = timeout(LAST_RECEIVE, messages).await {
                    worker.take_on(messages, room, &mut tasks);
                }
                break;
            }
            Some(Ok(messages)) => {
                pause = FIRST_PAUSE;
                worker.take_on(messages, room, &mut tasks);
            }
            Some(Err(error)) => {
                unreceived(&consumer, &error);
                if wait(&consumer, &mut stop, sleep(pause)).await.is_none() {
                    break;
                }
                pause = pause.saturating_mul(2).min(LAST_PAUSE);
            }
        }
        while let Some(ended) = tasks.try_join_next() {
            report(&consumer, ended);
        }
    }
    while let Some(ended) = tasks.try_join_next() {
        report(&consumer, ended);
    }
    info!(source = %consumer.name, messages = tasks.len(), "stopped receiving, draining");
    drain(&consumer, bounds.drain, &mut tasks, &abandon).await;
    drop((doom, abandoned));
    if timeout(FAREWELL, deletes).await.is_err() {
        warn!(source = %consumer.name, "no time left for the last deletes; these messages come back");
    }
}

/// Waits for `work`, or returns `None` as soon as we are to stop or nobody takes deliveries any more.
async fn wait<Q, O, T>(
    consumer: &Consumer<Q, O>,
    stop: &mut watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        () = consumer.to.closed() => None,
        result = until(stop, work) => result,
    }
}

/// Returns `room` with whatever else is free, up to one batch.
fn wider(free: &Arc<Semaphore>, mut room: OwnedSemaphorePermit) -> OwnedSemaphorePermit {
    while room.num_permits() < MAX_BATCH
        && let Ok(more) = Arc::clone(free).try_acquire_owned()
    {
        room.merge(more);
    }
    room
}

fn unreceived<Q, O>(consumer: &Consumer<Q, O>, error: &QueueError) {
    count(&consumer.counters.receive_failures);
    if let Some(silent) = consumer.quiet.speaks("receive", Instant::now()) {
        error!(source = %consumer.name, error = %chain(error), silent, "could not receive messages");
    }
}

fn report<Q, O>(consumer: &Consumer<Q, O>, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(source = %consumer.name, error = %chain(&error), "work on a message ended by a bug; it comes back");
    }
}

async fn drain<Q: Queue, O: Objects>(
    consumer: &Consumer<Q, O>,
    patience: Duration,
    tasks: &mut JoinSet<()>,
    abandon: &watch::Sender<bool>,
) {
    for patience in [patience, FAREWELL] {
        let finish = async {
            while let Some(ended) = tasks.join_next().await {
                report(consumer, ended);
            }
        };
        if timeout(patience, finish).await.is_ok() {
            return;
        }
        abandon.send_replace(true);
    }
    warn!(source = %consumer.name, messages = tasks.len(), "could not give messages back in time");
    tasks.abort_all();
}

/// What each task needs.
struct Worker<Q, O> {
    consumer: Arc<Consumer<Q, O>>,
    doom: mpsc::Sender<String>,
    abandoned: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
}

impl<Q: Queue, O: Objects> Worker<Q, O> {
    /// Starts a task for each message; each keeps one slot of `room` until it has ended.
    fn take_on(
        self,
        messages: Vec<Message>,
        mut room: OwnedSemaphorePermit,
        tasks: &mut JoinSet<()>,
    ) {
        let counters = &self.consumer.counters;
        add(&counters.messages_received, u64::try_from(messages.len()).unwrap_or(u64::MAX));
        if let Some(sent) = messages.iter().filter_map(|message| message.sent_millis).max() {
            counters.lag_millis.store(millis_since(sent), std::sync::atomic::Ordering::Relaxed);
        }
        let worker = Arc::new(self);
        for message in messages {
            // A queue that sends more than was asked for gets no slot for the surplus, but it is not lost.
            let slot = room.split(1);
            let worker = Arc::clone(&worker);
            tasks.spawn(async move {
                worker.run(&message).await;
                drop(slot);
            });
        }
    }

    async fn run(&self, message: &Message) {
        let mut abandoned = self.abandoned.clone();
        let work = self.consumer.work(message);
        let ended = until(&mut abandoned, work).await.unwrap_or(Ended::Dropped);
        let is_ending = *self.stop.borrow() || self.consumer.to.is_closed();
        match ended {
            Ended::Committed => {
                if self.doom.send(message.handle.clone()).await.is_err() {
                    warn!(message = message.id, "nobody deletes messages any more; it comes back");
                }
            }
            Ended::Dropped if is_ending => self.consumer.give_back(message, Duration::ZERO).await,
            Ended::Dropped | Ended::Waits => {
                let pause = visibility::pause(message.receives, &message.id);
                self.consumer.give_back(message, pause).await;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the lag of the queue is measured at the edge")]
fn millis_since(sent_millis: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    now.saturating_sub(sent_millis)
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
