//! One sink's lane: what is due, within its concurrency and rate, with a pause when it fails again and again.
//!
//! Invariant: a lane that is paused costs one request now and then; what it owes stays in the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::task::JoinSet;
use tracing::error;
use tracing::warn;

use crate::alert;
use crate::model::AlertId;
use crate::model::Seconds;
use crate::model::SinkName;
use crate::model::Span;
use crate::outbox;
use crate::outbox::Backoff;
use crate::outbox::Leases;
use crate::outbox::Share;
use crate::pipeline::dispatch::Dispatch;
use crate::pipeline::dispatch::DispatchError;
use crate::pipeline::dispatch::Gone;
use crate::pipeline::dispatch::Outlet;
use crate::pipeline::dispatch::Waiting;
use crate::pipeline::dispatch::attempt::End;
use crate::pipeline::dispatch::attempt::Held;
use crate::pipeline::dispatch::attempt::Job;
use crate::pipeline::dispatch::attempt::send;
use crate::sink::Rate;
use crate::store::Reader;
use crate::store::StoreError;

/// How long a lane waits when nothing is due and nothing is committed: a look in vain costs one query.
const IDLE: Duration = Duration::from_secs(30);
/// After so many failures in a row the sink is asked with one alert at a time, and with pauses.
const PATIENCE: u32 = 5;
/// The longest such pause, unless the sink asks for more.
const LONGEST_PAUSE: Span = Span(60);

/// Sends what is due at `outlet` until the stop signal.
pub async fn run(dispatch: Arc<Dispatch>, outlet: Arc<dyn Outlet>) -> Result<(), DispatchError> {
    let sink = outlet.name().clone();
    let failed = |source| DispatchError::Store { sink: sink.clone(), source: Box::new(source) };
    let path = dispatch.store.clone();
    let opened = tokio::task::spawn_blocking(move || Reader::open(&path)).await;
    let reader = opened.map_err(DispatchError::Lane)?.map_err(failed)?;
    let lane = Lane {
        backoff: Backoff::new(&dispatch.outbox),
        reader: Arc::new(Mutex::new(reader)),
        dispatch,
        outlet,
        queue: VecDeque::new(),
        under_way: JoinSet::new(),
        failures: 0,
        pace: None,
        pause: None,
        view: View::Stale,
    };
    lane.run().await
}

struct Lane {
    dispatch: Arc<Dispatch>,
    outlet: Arc<dyn Outlet>,
    backoff: Backoff,
    reader: Arc<Mutex<Reader>>,
    /// Read and leased, not started.
    queue: VecDeque<Job>,
    under_way: JoinSet<Result<End, Gone>>,
    /// Failures since the last success.
    failures: u32,
    /// Runs out when the rate allows the next start.
    pace: Option<Waiting<'static, ()>>,
    /// Runs out when the sink may be asked again.
    pause: Option<Waiting<'static, ()>>,
    view: View,
}

/// What the lane knows of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Something may be due.
    Stale,
    /// Nothing more was due when it looked; the next row is due then, if there is one.
    UntilDue(Option<Seconds>),
}

impl Lane {
    async fn run(mut self) -> Result<(), DispatchError> {
        let (mut commits, mut stop) = (self.dispatch.commits.clone(), self.dispatch.stop.clone());
        loop {
            if *stop.borrow_and_update() {
                return self.drain().await;
            }
            if self.should_look() {
                self.look().await?;
            }
            if self.may_start() {
                self.start();
                continue;
            }
            let alarm = self.alarm();
            tokio::select! {
                () = alarm => self.view = View::Stale,
                () = ran_out(&mut self.pace) => self.pace = None,
                () = ran_out(&mut self.pause) => self.pause = None,
                Some(ended) = self.under_way.join_next() => {
                    if self.note(ended)? == Going::Closed {
                        return self.close(stop).await;
                    }
                }
                // The sender ends with the process; until then the alarm is enough.
                Ok(()) = commits.changed() => self.view = View::Stale,
                changed = stop.changed() => {
                    if changed.is_err() {
                        return self.drain().await;
                    }
                }
            }
        }
    }

    /// How many alerts may be under way now.
    fn room(&self) -> usize {
        if self.failures >= PATIENCE { 1 } else { self.outlet.concurrency().max(1) }
    }

    fn should_look(&self) -> bool {
        self.view == View::Stale
            && self.queue.is_empty()
            && self.pause.is_none()
            && self.under_way.len() < self.room()
    }

    fn may_start(&self) -> bool {
        !self.queue.is_empty()
            && self.pace.is_none()
            && self.pause.is_none()
            && self.under_way.len() < self.room()
    }

    /// Waits for the next row to be due, or for a while.
    fn alarm(&self) -> Waiting<'static, ()> {
        let wait = match self.view {
            View::UntilDue(Some(due)) => {
                let wait = due.since(self.dispatch.clock.now()).0;
                Duration::from_secs(u64::try_from(wait).unwrap_or(0)).min(IDLE)
            }
            View::UntilDue(None) | View::Stale => IDLE,
        };
        self.dispatch.clock.sleep(wait)
    }

    /// Reads what is due and takes its leases.
    async fn look(&mut self) -> Result<(), DispatchError> {
        let sink = self.outlet.name().clone();
        let now = self.dispatch.clock.now();
        let limit = self.room();
        let (reader, leases) = (Arc::clone(&self.reader), Arc::clone(&self.dispatch.leases));
        let name = sink.clone();
        let read = move || {
            let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            read_due(&reader, &leases, &name, now, limit)
        };
        let found = tokio::task::spawn_blocking(read).await.map_err(DispatchError::Lane)?;
        let (jobs, view) =
            found.map_err(|source| DispatchError::Store { sink, source: Box::new(source) })?;
        self.queue.extend(jobs);
        self.view = view;
        Ok(())
    }

    fn start(&mut self) {
        let Some(job) = self.queue.pop_front() else { return };
        if let Rate::PerSecond(rate) = self.outlet.rate() {
            let gap = Duration::from_secs(1) / rate.max(1);
            self.pace = Some(self.dispatch.clock.sleep(gap));
        }
        let (dispatch, outlet) = (Arc::clone(&self.dispatch), Arc::clone(&self.outlet));
        self.under_way.spawn(send(dispatch, outlet, self.backoff, job));
    }

    /// Draws the consequences of an ended job for the lane.
    fn note(
        &mut self,
        ended: Result<Result<End, Gone>, JoinError>,
    ) -> Result<Going, DispatchError> {
        match ended.map_err(DispatchError::Lane)?? {
            End::Answered => self.failures = 0,
            End::Closed => return Ok(Going::Closed),
            End::Failed { asked } => {
                self.failures = self.failures.saturating_add(1);
                let pause = asked.map(|asked| asked.0.min(self.backoff.max.0)).or_else(|| {
                    let beyond = self.failures.checked_sub(PATIENCE)?;
                    let pause = self.backoff.delay(beyond + 1, Share(fastrand::f64()));
                    Some(pause.0.min(LONGEST_PAUSE.0))
                });
                if let Some(seconds) = pause {
                    let wait = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                    self.pause = Some(self.dispatch.clock.sleep(wait));
                }
            }
        }
        Ok(Going::On)
    }

    /// Stays quiet until the stop signal: the sink wants nothing more. What it is owed stays in the outbox.
    async fn close(
        self,
        mut stop: tokio::sync::watch::Receiver<bool>,
    ) -> Result<(), DispatchError> {
        error!(sink = %self.outlet.name(), "the sink is gone (410); it gets no more alerts until the next start or reload");
        while !*stop.borrow_and_update() {
            if stop.changed().await.is_err() {
                break;
            }
        }
        self.drain().await
    }

    /// Waits for what is under way, within the time for it, and gives the rest back.
    async fn drain(mut self) -> Result<(), DispatchError> {
        self.queue.clear();
        let mut over = self.dispatch.clock.sleep(self.dispatch.drain);
        loop {
            tokio::select! {
                ended = self.under_way.join_next() => match ended {
                    Some(ended) => {
                        self.note(ended)?;
                    }
                    None => return Ok(()),
                },
                () = &mut over => {
                    let (sink, left) = (self.outlet.name(), self.under_way.len());
                    warn!(%sink, left, "stopped before the sink took all alerts; they will be sent again");
                    self.under_way.shutdown().await;
                    return Ok(());
                }
            }
        }
    }
}

/// Whether a lane goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    On,
    Closed,
}

/// Waits until `waiting` has run out; for ever if there is none.
async fn ran_out(waiting: &mut Option<Waiting<'static, ()>>) {
    match waiting {
        Some(waiting) => waiting.await,
        None => std::future::pending().await,
    }
}

/// Reads up to `limit` rows that are due and not leased, with their alerts.
fn read_due(
    reader: &Reader,
    leases: &Arc<Leases>,
    sink: &SinkName,
    now: Seconds,
    limit: usize,
) -> Result<(Vec<Job>, View), StoreError> {
    // First what the store shows as settled, then what is due: the other way round a row could be read as pending,
    // be settled and given back, and then be taken again.
    for key in leases.all_reported(sink) {
        if !outbox::still_pending(reader, key)? {
            leases.give_back(key);
        }
    }
    let mut jobs = Vec::new();
    let skip = |key, alert: &AlertId| leases.is_taken(key, sink, alert);
    for due in outbox::due(reader, sink, now, limit, &skip)? {
        if let Some(lease) = Held::take(leases, &due, sink) {
            let alert = alert::table::opened(reader, &due.alert_id)?;
            jobs.push(Job { due, alert, lease });
        }
    }
    let view = if jobs.len() < limit {
        View::UntilDue(outbox::next_due(reader, sink, now)?)
    } else {
        View::Stale
    };
    Ok((jobs, view))
}
