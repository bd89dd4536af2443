//! Reads a prefix of a bucket: lists it page by page, reads ahead, hands over in the order of keys.
//!
//! Invariant: a share of the budget is taken in the order of emission, and never waited for while
//! something that was read before is held back: the order and the budget cannot block each other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::Object;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::debug;
use tracing::warn;

use crate::model::Content;
use crate::model::Delivery;
use crate::model::Format;
use crate::model::Hold;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Route;
use crate::model::Seconds;
use crate::source::Known;
use crate::source::aws::Refusal;
use crate::source::aws::cause;
use crate::source::budget::Share;
use crate::source::counters::add;
use crate::source::counters::count;
use crate::source::envelope::Announced;
use crate::source::envelope::location;
use crate::source::error::Fault;
use crate::source::error::SourceError;
use crate::source::fetch::Advice;
use crate::source::fetch::FetchError;
use crate::source::fetch::Fetched;
use crate::source::fetch::Fetcher;
use crate::source::fetch::Objects;
use crate::source::fetch::Trouble;
use crate::source::key;
use crate::source::key::Promise;
use crate::source::stop::until;
use crate::source::window::Window;
use crate::telemetry::chain;

/// Reads a prefix.
pub(super) struct Lister<O> {
    /// The bucket.
    pub(super) bucket: String,
    /// The prefix.
    pub(super) prefix: String,
    /// Which deliveries to read.
    pub(super) window: Window,
    /// Objects read ahead.
    pub(super) ahead: usize,
    /// Reads the objects.
    pub(super) fetcher: Arc<Fetcher<O>>,
    /// Whether an object was committed before.
    pub(super) known: Known,
    /// Where deliveries go.
    pub(super) to: mpsc::Sender<Delivery>,
    /// Says when to stop.
    pub(super) stop: watch::Receiver<bool>,
}

/// What is next in the order of keys.
enum Queued {
    Reading(ObjectId, Format, JoinHandle<Result<Fetched, FetchError>>),
    Routed(ObjectId, Route),
}

/// Why a listing ends before its end.
enum Halt {
    /// We are to stop, or nobody takes deliveries any more.
    Stopped,
    /// It failed.
    Failed(SourceError),
}

impl From<SourceError> for Halt {
    fn from(error: SourceError) -> Self {
        Self::Failed(error)
    }
}

impl<O: Objects> Lister<O> {
    /// Reads everything the listing of `client` shows.
    pub(super) async fn run(mut self, client: Client) -> Result<(), SourceError> {
        match self.read(client).await {
            Ok(()) | Err(Halt::Stopped) => Ok(()),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    async fn read(&mut self, client: Client) -> Result<(), Halt> {
        let mut queued = VecDeque::new();
        let mut pages = client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .into_paginator()
            .send();
        loop {
            let page = match until(&mut self.stop, pages.next()).await {
                None => return Err(Halt::Stopped),
                Some(None) => break,
                Some(Some(page)) => page.map_err(|error| self.unlisted(error))?,
            };
            for object in page.contents.unwrap_or_default() {
                self.enqueue(&object, &mut queued).await?;
            }
        }
        self.fetcher.counters.listing_complete.store(1, Ordering::Relaxed);
        while let Some(next) = queued.pop_front() {
            self.emit(next).await?;
        }
        Ok(())
    }

    fn unlisted<E>(&self, error: aws_sdk_s3::error::SdkError<E>) -> SourceError
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        SourceError::Unlisted {
            prefix: location(&self.bucket, &self.prefix),
            fault: Refusal::of(&error).fault(),
            source: cause(error),
        }
    }

    /// Begins to read `object`, if it is to be read, and hands over what stands before it as far as
    /// places and budget ask for.
    async fn enqueue(
        &mut self,
        object: &Object,
        queued: &mut VecDeque<Queued>,
    ) -> Result<(), Halt> {
        let Some(announced) = self.announced(object) else { return Ok(()) };
        let id = ObjectId { location: announced.location(), revision: announced.revision() };
        count(&self.fetcher.counters.objects_listed);
        if (self.known)(&id) {
            count(&self.fetcher.counters.known);
            return Ok(());
        }
        while queued.len() >= self.ahead
            && let Some(next) = queued.pop_front()
        {
            self.emit(next).await?;
        }
        let size = announced.size_bytes.unwrap_or(0);
        let format = match key::promise(&announced.key) {
            Promise::Read(format) => format,
            Promise::Routed(route, what) => {
                debug!(object = %id, what, "an object that is no log");
                queued.push_back(Queued::Routed(id, route));
                return Ok(());
            }
        };
        add(&self.fetcher.counters.bytes_listed, size);
        let share = self.share(size, queued).await?;
        let fetcher = Arc::clone(&self.fetcher);
        let reading = tokio::spawn(async move { fetcher.fetch_held(&announced, share).await });
        queued.push_back(Queued::Reading(id, format, reading));
        Ok(())
    }

    fn announced(&self, object: &Object) -> Option<Announced> {
        let key = object.key()?.to_owned();
        let changed = || object.last_modified().map(|at| Seconds(at.secs()));
        let delivered = key::delivered(&key).or_else(changed);
        if !delivered.is_none_or(|at| self.window.has_delivery(at)) {
            return None;
        }
        Some(Announced {
            bucket: self.bucket.clone(),
            key,
            etag: object.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
            size_bytes: object.size().and_then(|size| u64::try_from(size).ok()),
            ..Announced::default()
        })
    }

    /// Takes `bytes` of the budget, handing over what was read before until there is enough.
    async fn share(&mut self, bytes: u64, queued: &mut VecDeque<Queued>) -> Result<Share, Halt> {
        let budget = self.fetcher.budget.clone();
        loop {
            if let Some(share) = budget.try_take(bytes) {
                return Ok(share);
            }
            let Some(next) = queued.pop_front() else {
                // Nothing of ours is held back: what is missing is with the pipeline.
                let share = until(&mut self.stop, budget.take(bytes)).await;
                return share.ok_or(Halt::Stopped);
            };
            self.emit(next).await?;
        }
    }

    async fn emit(&mut self, next: Queued) -> Result<(), Halt> {
        let (object, content, hold) = match next {
            Queued::Routed(object, route) => (object, Content::Routed(route), Hold::nothing()),
            Queued::Reading(object, format, reading) => {
                let Some(read) = until(&mut self.stop, reading).await else {
                    return Err(Halt::Stopped);
                };
                match read.map_err(|source| SourceError::Panicked { source })? {
                    Ok(fetched) if fetched.object != object && (self.known)(&fetched.object) => {
                        count(&self.fetcher.counters.known);
                        return Ok(());
                    }
                    Ok(fetched) => {
                        let content = Content::Bytes { format, bytes: fetched.bytes };
                        (fetched.object, content, Hold::new(fetched.share))
                    }
                    Err(error) => (object, self.rejected(error)?, Hold::nothing()),
                }
            }
        };
        let source = Arc::clone(&self.fetcher.counters.source);
        let receipt = Receipt::nobody();
        let sent = self.to.send(Delivery { source, object, content, hold, receipt });
        match until(&mut self.stop, sent).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(Halt::Stopped),
        }
    }

    /// An object that can never be read is told of and passed over; whatever may work later ends the
    /// listing, because its result would be wrong without anybody seeing it.
    fn rejected(&self, error: FetchError) -> Result<Content, SourceError> {
        if error.kind.advice() != Advice::Reject {
            let passing = matches!(error.kind, Trouble::Broken | Trouble::Unavailable);
            let fault = if passing { Fault::Passing } else { Fault::Lasting };
            return Err(SourceError::Unfetched { fault, source: Box::new(error) });
        }
        count(&self.fetcher.counters.rejected);
        let reason = chain(&error).to_string();
        warn!(reason, "rejected an object");
        Ok(Content::Rejected { reason, body: Vec::new() })
    }
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
