//! CloudTrail's event history as a source: 90 days of management events of one account and region.
//!
//! LookupEvents answers newest first and at most two requests a second (CloudTrail API Reference,
//! "LookupEvents"). It is asked slice by slice, oldest slice first, so that events come in their order.
//!
//! Invariant: no slice is held that is larger than [`MAX_HELD`] events, unless a single second has more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::Event;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use crate::model::Content;
use crate::model::Delivery;
use crate::model::Format;
use crate::model::Hold;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Seconds;
use crate::model::Span;
use crate::source::Known;
use crate::source::aws::Refusal;
use crate::source::aws::cause;
use crate::source::budget::Budget;
use crate::source::counters::Counters;
use crate::source::counters::add;
use crate::source::counters::count;
use crate::source::error::SourceError;
use crate::source::stop::until;
use crate::source::window::Window;

/// How far back the history goes, and what is read when nobody says from when.
const HISTORY: Span = Span(90 * 86_400);
const USUAL: Span = Span(86_400);

/// The widths of slices.
const FIRST_SLICE: i64 = 3_600;
const WIDEST_SLICE: i64 = 86_400;

/// How many events of a slice are held before it is cut.
const MAX_HELD: usize = 10_000;

/// How many pages a slice may have before the next is made shorter.
const MANY_PAGES: u32 = 20;

/// The pause that keeps us below two requests a second.
const PACE: Duration = Duration::from_millis(550);

/// Reads the event history.
pub(super) struct Lookup {
    client: Client,
    region: String,
    budget: Budget,
    known: Known,
    to: mpsc::Sender<Delivery>,
    counters: Arc<Counters>,
    stop: watch::Receiver<bool>,
    pace: Duration,
}

/// How the reading of a slice ended.
enum Slice {
    /// All its events, newest first, and how many pages they came on.
    Whole(Vec<Event>, u32),
    /// It has more events than we hold.
    TooMany,
    /// We are to stop.
    Stopped,
}

impl Lookup {
    /// Returns a reader of what `client` sees in `region`.
    pub(super) fn new(
        client: Client,
        region: String,
        budget: Budget,
        known: Known,
        to: mpsc::Sender<Delivery>,
        counters: Arc<Counters>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { client, region, budget, known, to, counters, stop, pace: PACE }
    }

    /// Reads all events of `window`; without a beginning, those of the last day.
    pub(super) async fn run(mut self, window: Window) -> Result<(), SourceError> {
        let now = now();
        let end = window.to.unwrap_or(now).min(now);
        let mut start = window.from.unwrap_or(Seconds(end.0.saturating_sub(USUAL.0)));
        start = start.max(Seconds(now.0.saturating_sub(HISTORY.0)));
        let mut width = FIRST_SLICE;
        while start <= end {
            // Both ends of a slice belong to it.
            let last = start.plus(Span(width - 1)).min(end);
            match self.slice(start, last).await? {
                Slice::Stopped => return Ok(()),
                Slice::TooMany => {
                    width = (width / 2).max(1);
                    continue;
                }
                Slice::Whole(events, pages) => {
                    for event in events.into_iter().rev() {
                        if !self.hand_over(event).await {
                            return Ok(());
                        }
                    }
                    width = match pages {
                        0..=1 => width.saturating_mul(2).min(WIDEST_SLICE),
                        MANY_PAGES.. => (width / 2).max(1),
                        _ => width,
                    };
                }
            }
            start = last.plus(Span(1));
        }
        self.counters.listing_complete.store(1, Ordering::Relaxed);
        Ok(())
    }

    async fn slice(&mut self, first: Seconds, last: Seconds) -> Result<Slice, SourceError> {
        let mut events = Vec::new();
        let mut token = None;
        let mut pages = 0_u32;
        loop {
            let request = self
                .client
                .lookup_events()
                .start_time(DateTime::from_secs(first.0))
                .end_time(DateTime::from_secs(last.0))
                .max_results(50)
                .set_next_token(token);
            let Some(answer) = until(&mut self.stop, request.send()).await else {
                return Ok(Slice::Stopped);
            };
            let page = answer.map_err(|error| SourceError::Lookup {
                region: self.region.clone(),
                fault: Refusal::of(&error).fault(),
                source: cause(error),
            })?;
            pages = pages.saturating_add(1);
            events.extend(page.events.unwrap_or_default());
            if until(&mut self.stop, sleep(self.pace)).await.is_none() {
                return Ok(Slice::Stopped);
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(Slice::Whole(events, pages));
            }
            if events.len() > MAX_HELD && first < last {
                return Ok(Slice::TooMany);
            }
        }
    }

    /// Hands an event over and returns whether to go on.
    async fn hand_over(&mut self, event: Event) -> bool {
        let id = event.event_id.unwrap_or_default();
        let object = ObjectId { location: format!("lookup:{id}"), revision: String::new() };
        let Some(record) = event.cloud_trail_event else {
            count(&self.counters.rejected);
            warn!(%object, "an event without its record");
            let reason = "LookupEvents gave an event without its record".to_owned();
            let content = Content::Rejected { reason, body: Vec::new() };
            return self.send(object, content, Hold::nothing()).await;
        };
        count(&self.counters.objects_listed);
        if (self.known)(&object) {
            count(&self.counters.known);
            return true;
        }
        let size = u64::try_from(record.len()).unwrap_or(u64::MAX);
        let Some(share) = until(&mut self.stop, self.budget.take(size)).await else {
            return false;
        };
        count(&self.counters.inline);
        add(&self.counters.bytes_listed, size);
        add(&self.counters.bytes_fetched, size);
        let content = Content::Bytes { format: Format::CloudTrail, bytes: record.into_bytes() };
        self.send(object, content, Hold::new(share)).await
    }

    async fn send(&mut self, object: ObjectId, content: Content, hold: Hold) -> bool {
        let source = Arc::clone(&self.counters.source);
        let receipt = Receipt::nobody();
        let sent = self.to.send(Delivery { source, object, content, hold, receipt });
        matches!(until(&mut self.stop, sent).await, Some(Ok(())))
    }
}

#[expect(clippy::disallowed_methods, reason = "the history ends now, and now is known at the edge")]
fn now() -> Seconds {
    Seconds(jiff::Timestamp::now().as_second())
}

#[cfg(test)]
#[path = "lookup_tests.rs"]
mod tests;
