//! The work on one message: from what it announces to what the queue is told.
//!
//! Invariant: a message is deleted only after every delivery it caused was committed; whatever else
//! happens, it goes back to the queue. What we reject goes to the ledger as `message:ID`, so that
//! the object itself stays unread there and can be announced again.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::debug;
use tracing::error;
use tracing::warn;

use crate::model::Content;
use crate::model::Delivery;
use crate::model::Format;
use crate::model::Hold;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Route;
use crate::source::Known;
use crate::source::counters::Counters;
use crate::source::counters::count;
use crate::source::envelope::Announced;
use crate::source::envelope::Notice;
use crate::source::envelope::classify;
use crate::source::fetch::Advice;
use crate::source::fetch::FetchError;
use crate::source::fetch::Fetcher;
use crate::source::fetch::Objects;
use crate::source::grants::of_grants;
use crate::source::key;
use crate::source::key::Promise;
use crate::source::quiet::Quiet;
use crate::source::sqs::queue::Message;
use crate::source::sqs::queue::Queue;
use crate::source::sqs::queue::QueueError;
use crate::source::sqs::visibility;
use crate::source::sqs::visibility::Next;
use crate::telemetry::chain;

/// What one queue's messages go through.
pub(super) struct Consumer<Q, O> {
    /// The source's name.
    pub(super) name: Arc<str>,
    /// How messages are taken.
    pub(super) terms: Terms,
    /// The queue.
    pub(super) queue: Arc<Q>,
    /// Reads the objects.
    pub(super) fetcher: Fetcher<O>,
    /// Whether an object was committed before.
    pub(super) known: Known,
    /// Where deliveries go.
    pub(super) to: mpsc::Sender<Delivery>,
    /// What is counted.
    pub(super) counters: Arc<Counters>,
    /// What was told lately.
    pub(super) quiet: Quiet,
}

/// How messages are taken.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// The buckets we may read; empty for all.
    pub(super) buckets: BTreeSet<String>,
    /// How long a message is hidden at a time.
    pub(super) visibility: Duration,
    /// After how many receives a doubtful failure is taken for lasting.
    pub(super) max_receives: u32,
    /// What to do with a CloudTrail file that is the message itself.
    pub(super) pasted: Pasted,
    /// What its messages are.
    pub(super) holds: Holds,
}

/// What the messages of a queue are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holds {
    /// Notifications of objects that hold logs.
    Logs,
    /// Messages about grants.
    Grants {
        /// The preset that reads them, if they are a broker's own.
        preset: Option<Arc<str>>,
    },
}

/// What to do with a CloudTrail file that is the message itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pasted {
    /// Read it.
    Accepted,
    /// Quarantine it.
    Refused,
}

/// How the work on a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ended {
    /// Everything it announced is committed.
    Committed,
    /// Part of it may succeed later.
    Waits,
    /// The pipeline let go of part of it.
    Dropped,
}

/// What became of one thing that a message announced.
enum Part {
    /// Nothing more to do.
    Done,
    /// It is on its way; this tells when it is committed.
    Sent(oneshot::Receiver<()>),
    /// It may succeed later.
    Waits,
    /// Nobody takes deliveries any more.
    Closed,
}

impl<Q: Queue, O: Objects> Consumer<Q, O> {
    /// Works on `message`, keeping it hidden, until its deliveries are committed or have failed.
    pub(super) async fn work(&self, message: &Message) -> Ended {
        tokio::select! {
            ended = self.deliver(message) => ended,
            never = self.keep_hidden(message) => match never {},
        }
    }

    async fn deliver(&self, message: &Message) -> Ended {
        let mut ended = Ended::Committed;
        let mut awaited = Vec::new();
        let notices = match self.terms.holds {
            Holds::Logs => classify(&message.body),
            Holds::Grants { .. } => vec![of_grants(&message.body)],
        };
        for (index, notice) in notices.into_iter().enumerate() {
            match self.part(message, index, notice).await {
                Part::Done => {}
                Part::Sent(committed) => awaited.push(committed),
                // The others go on: a part that never succeeds must not hold them back for ever.
                Part::Waits => ended = ended.max(Ended::Waits),
                Part::Closed => return Ended::Dropped,
            }
        }
        for committed in awaited {
            if committed.await.is_err() {
                ended = Ended::Dropped;
            }
        }
        ended
    }

    async fn part(&self, message: &Message, index: usize, notice: Notice) -> Part {
        let source = &self.name;
        if let Notice::Object(announced) = notice {
            return self.object(message, index, &announced).await;
        }
        let object = message_part(message, index);
        if (self.known)(&object) {
            count(&self.counters.known);
            return Part::Done;
        }
        let route = match notice {
            Notice::Object(_) => return Part::Done,
            Notice::Record(record) => return self.inline(object, record.into_bytes()).await,
            Notice::Grants => return self.grants(object, message.body.clone().into_bytes()).await,
            Notice::Pasted if self.terms.pasted == Pasted::Accepted => {
                return self.inline(object, message.body.clone().into_bytes()).await;
            }
            Notice::Pasted => {
                let reason = "a CloudTrail file as the message itself; `accept_inline` reads such";
                return self.reject(message, index, reason.to_owned()).await;
            }
            Notice::Poison { reason } => return self.reject(message, index, reason).await,
            Notice::Insight => Route::Insight,
            Notice::SecurityLake { location } => {
                debug!(%source, object = location, "Security Lake objects are not read yet");
                Route::Unsupported
            }
            Notice::Removed { location, event } => {
                count(&self.counters.removed);
                warn!(%source, object = location, event, "a log object was removed");
                Route::Noise
            }
            Notice::Subscription { kind, topic } => {
                let message = "a topic asks to confirm its subscription; call ConfirmSubscription";
                warn!(%source, kind, topic, "{message}");
                Route::Noise
            }
            Notice::Noise { reason } => {
                debug!(%source, reason, "a message without deliveries");
                Route::Noise
            }
        };
        self.route(object, route).await
    }

    async fn object(&self, message: &Message, index: usize, announced: &Announced) -> Part {
        let bucket = &announced.bucket;
        if !self.terms.buckets.is_empty() && !self.terms.buckets.contains(bucket) {
            let reason = format!("the bucket `{bucket}` is not among this source's `buckets`");
            return self.reject(message, index, reason).await;
        }
        let object = ObjectId { location: announced.location(), revision: announced.revision() };
        if !object.revision.is_empty() && (self.known)(&object) {
            count(&self.counters.known);
            return Part::Done;
        }
        let format = match key::promise(&announced.key) {
            Promise::Read(format) => format,
            Promise::Routed(route, what) => {
                debug!(source = %self.name, %object, what, "an object that is no log");
                return self.route(object, route).await;
            }
        };
        let fetched = match self.fetcher.fetch(announced).await {
            Ok(fetched) => fetched,
            Err(error) => return self.unfetched(message, index, error).await,
        };
        // A notification without version or ETag shows what it announced only now.
        if fetched.object != object && (self.known)(&fetched.object) {
            count(&self.counters.known);
            return Part::Done;
        }
        let content = Content::Bytes { format, bytes: fetched.bytes };
        self.hand_over(fetched.object, content, Hold::new(fetched.share)).await
    }

    /// Decides what a failed read means for its message.
    async fn unfetched(&self, message: &Message, index: usize, error: FetchError) -> Part {
        let is_last = message.receives >= self.terms.max_receives;
        let told = chain(&error).to_string();
        match error.kind.advice() {
            Advice::Reject => self.reject(message, index, told).await,
            Advice::Doubt if is_last => {
                let reason = format!("{told} ({} receives)", message.receives);
                self.reject(message, index, reason).await
            }
            Advice::Doubt | Advice::Wait => {
                if let Some(silent) = self.quiet.speaks("fetch", Instant::now()) {
                    error!(
                        source = %self.name, error = told, silent,
                        "could not read an object; its message stays on the queue"
                    );
                }
                Part::Waits
            }
        }
    }

    async fn inline(&self, object: ObjectId, bytes: Vec<u8>) -> Part {
        count(&self.counters.inline);
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let share = self.fetcher.budget.take(size).await;
        let content = Content::Bytes { format: Format::CloudTrail, bytes };
        self.hand_over(object, content, Hold::new(share)).await
    }

    async fn grants(&self, object: ObjectId, bytes: Vec<u8>) -> Part {
        count(&self.counters.inline);
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let share = self.fetcher.budget.take(size).await;
        let preset = match &self.terms.holds {
            Holds::Grants { preset } => preset.clone(),
            Holds::Logs => None,
        };
        self.hand_over(object, Content::Messages { preset, bytes }, Hold::new(share)).await
    }

    async fn route(&self, object: ObjectId, route: Route) -> Part {
        if route == Route::Noise {
            count(&self.counters.noise);
        }
        self.hand_over(object, Content::Routed(route), Hold::nothing()).await
    }

    async fn reject(&self, message: &Message, index: usize, reason: String) -> Part {
        let object = message_part(message, index);
        if (self.known)(&object) {
            count(&self.counters.known);
            return Part::Done;
        }
        count(&self.counters.rejected);
        if let Some(silent) = self.quiet.speaks("rejected", Instant::now()) {
            warn!(source = %self.name, %object, reason, silent, "rejected a message");
        }
        let body = message.body.clone().into_bytes();
        self.hand_over(object, Content::Rejected { reason, body }, Hold::nothing()).await
    }

    async fn hand_over(&self, object: ObjectId, content: Content, hold: Hold) -> Part {
        let (tell, committed) = oneshot::channel();
        let location = object.to_string();
        let receipt = Receipt::new(move || {
            if tell.send(()).is_err() {
                debug!(object = location, "committed after its message was given back");
            }
        });
        let source = Arc::clone(&self.name);
        match self.to.send(Delivery { source, object, content, hold, receipt }).await {
            Ok(()) => Part::Sent(committed),
            Err(_closed) => Part::Closed,
        }
    }

    /// Renews the visibility of `message` at half time until it is lost or has reached the cap.
    async fn keep_hidden(&self, message: &Message) -> Infallible {
        let received = Instant::now();
        let visibility = self.terms.visibility;
        let mut hidden_until = visibility;
        let mut next = visibility::next(visibility, received.elapsed(), hidden_until);
        while let Next::Renew { after, to } = next {
            sleep(after).await;
            match self.queue.hide(&message.handle, to).await {
                Ok(()) => {
                    count(&self.counters.extensions);
                    hidden_until = received.elapsed().saturating_add(to);
                    next = visibility::next(visibility, received.elapsed(), hidden_until);
                }
                Err(error @ QueueError::Lost { .. }) => {
                    count(&self.counters.messages_lost);
                    warn!(
                        source = %self.name, message = message.id, error = %chain(&error),
                        "lost a message while working on it; it will be delivered again"
                    );
                    return pending().await;
                }
                Err(error) => {
                    if let Some(silent) = self.quiet.speaks("renew", Instant::now()) {
                        let error = chain(&error);
                        warn!(source = %self.name, %error, silent, "could not renew visibility");
                    }
                    next = visibility::again(visibility, received.elapsed(), hidden_until);
                }
            }
        }
        warn!(source = %self.name, message = message.id, "a message has reached the longest visibility");
        pending().await
    }

    /// Gives `message` back, to be delivered again after `pause`.
    pub(super) async fn give_back(&self, message: &Message, pause: Duration) {
        count(&self.counters.messages_left);
        if let Err(error) = self.queue.hide(&message.handle, pause).await {
            // Nothing is lost: it comes back when its visibility ends.
            debug!(source = %self.name, error = %chain(&error), "could not give a message back");
        }
    }
}

fn message_part(message: &Message, index: usize) -> ObjectId {
    let location = match index {
        0 => format!("message:{}", message.id),
        _ => format!("message:{}/{index}", message.id),
    };
    ObjectId { location, revision: String::new() }
}
