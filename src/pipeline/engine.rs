//! The threads: workers that read deliveries, the core that judges them in their order, and what goes between.
//!
//! Deliveries come in through one bounded channel. A worker takes the next one and its number; the core takes them
//! back in the order of numbers. A worker waits before it runs too far ahead of the core, so what is decoded and not
//! judged is bounded, and with it memory. A core that fails ends everything: receipts not called are deliveries that
//! come again.

mod ahead;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;

use crate::iam::Known;
use crate::iam::drift::known::Anew;
use crate::model::Delivery;
use crate::model::Seconds;
use crate::outbox::Settled;
use crate::pipeline::batch;
use crate::pipeline::batch::Batch;
use crate::pipeline::batch::Reading;
use crate::pipeline::books::Books;
use crate::pipeline::core;
use crate::pipeline::core::Core;
use crate::pipeline::dispatch::Gone;
use crate::pipeline::engine::ahead::Ahead;
use crate::pipeline::settings::Destination;
use crate::rules::Rules;
use crate::rules::Sieve;
use crate::store::Reader;
use crate::store::StoreError;

/// How long a live stream must be silent before real time moves event time forward.
const IDLE: Duration = Duration::from_secs(60);

/// What the core is told.
enum ToCore {
    Batch(u64, Box<Batch>),
    Settled(Settled),
    Reload(Arc<Rules>, Vec<Destination>),
    /// Policies were read anew and are being loaded; whoever does that is told once everything is committed.
    ExpectPolicies(oneshot::Sender<()>),
    Policies(Box<Result<Anew, StoreError>>),
    /// Nothing comes any more, ever: let everything that waits for time happen, commit it, and say so.
    Complete(oneshot::Sender<()>),
    /// All workers and sinks have ended.
    Ended,
}

/// How the engine runs.
#[derive(Debug, Clone)]
pub struct Gait {
    /// Worker threads; 0 takes one per core.
    pub threads: usize,
    /// A group is committed after this time at the latest.
    pub commit_interval: Duration,
    /// A group is committed once it holds this many bytes.
    pub commit_bytes: u64,
    /// The bounds on what is read.
    pub reading: Reading,
    /// Whether event time follows real time when nothing comes.
    pub pace: Pace,
    /// Real time, for outbox rows and for a live stream's pace.
    pub clock: fn() -> Seconds,
}

/// Whether a stream is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Event time is the events' alone.
    Replay,
    /// The stream goes on: real time moves event time forward when it is idle.
    Live,
}

/// Why the engine is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything there is has been read.
    Complete,
    /// Somebody said stop.
    Stopped,
}

/// The running threads.
pub struct Engine {
    to_core: SyncSender<ToCore>,
    rules: Arc<RwLock<Arc<Rules>>>,
    workers: Vec<JoinHandle<()>>,
    core: JoinHandle<Result<Books, StoreError>>,
    commits: watch::Receiver<u64>,
    gone: Arc<Notify>,
}

impl Engine {
    /// Starts workers and core. Deliveries are sent to the returned channel; when all its senders are gone, the
    /// engine works off what is left and ends.
    pub fn start(core: Core, rules: Arc<Rules>, gait: Gait) -> (Self, mpsc::Sender<Delivery>) {
        let threads = match gait.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let (deliveries, incoming) = mpsc::channel(1);
        let (to_core, from_workers) = sync_channel(threads * 16);
        let intake = Arc::new(Intake {
            incoming: Mutex::new((incoming, 0)),
            ahead: Ahead::new(threads * 16),
        });
        let rules = Arc::new(RwLock::new(rules));
        let (committed, commits) = watch::channel(0);
        let gone = Arc::new(Notify::new());
        let workers = (0..threads).map(|_| {
            let (intake, rules) = (Arc::clone(&intake), Arc::clone(&rules));
            let (to_core, config) = (to_core.clone(), gait.reading.clone());
            std::thread::spawn(move || work(&intake, &rules, &config, &to_core))
        });
        let workers = workers.collect();
        let core = {
            let gone = Arc::clone(&gone);
            std::thread::spawn(move || {
                // Wakes whoever waits for the core's end, however it ends.
                let _tell = OnDrop(|| {
                    intake.ahead.release();
                    gone.notify_one();
                });
                Driver { core, gait, committed, ahead: &intake.ahead }.run(&from_workers)
            })
        };
        (Self { to_core, rules, workers, core, commits, gone }, deliveries)
    }

    /// Returns a number that changes with each commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }

    /// Waits until the core has ended, which before [`Engine::finish`] it does only for an error.
    pub async fn gone(&self) {
        self.gone.notified().await;
    }

    /// Returns a way to hand outcomes of deliveries to the core. It blocks while the core is busy and fails once the
    /// core is gone.
    pub fn settler(&self) -> impl Fn(Settled) -> Result<(), Gone> + Clone + Send + Sync + 'static {
        let to_core = self.to_core.clone();
        move |settled| to_core.send(ToCore::Settled(settled)).map_err(|_| Gone)
    }

    /// Returns a way to tell the core what was read anew of policies; it blocks and fails as [`Engine::settler`] does. What
    /// happened since is read from the `store` on the caller's thread, while the core goes on.
    pub fn policies(
        &self,
        store: &Path,
    ) -> impl Fn(Known) -> Result<(), Gone> + Send + Sync + 'static {
        let (to_core, store) = (self.to_core.clone(), store.to_owned());
        move |known| {
            let (tell, told) = oneshot::channel();
            to_core.send(ToCore::ExpectPolicies(tell)).map_err(|_| Gone)?;
            told.blocking_recv().map_err(|_| Gone)?;
            let anew = Reader::open(&store).and_then(|reader| Anew::load(known, &reader));
            to_core.send(ToCore::Policies(Box::new(anew))).map_err(|_| Gone)
        }
    }

    /// Changes rules and destinations, with the next deliveries.
    ///
    /// # Errors
    /// When the core is gone.
    pub fn reload(&self, rules: &Arc<Rules>, destinations: Vec<Destination>) -> Result<(), Gone> {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(rules);
        self.to_core.send(ToCore::Reload(Arc::clone(rules), destinations)).map_err(|_| Gone)
    }

    /// Waits until all deliveries are worked off; all senders must be gone. Outcomes that the sinks report until
    /// `settled` returns are still committed.
    ///
    /// With [`End::Complete`] everything that waits for time to pass happens now; with [`End::Stopped`] it stays in
    /// the store for the next start.
    ///
    /// # Errors
    /// When the core failed.
    pub async fn finish(
        self,
        end: End,
        settled: impl Future<Output = ()>,
    ) -> Result<Books, StoreError> {
        let Self { to_core, workers, core, .. } = self;
        let joined = tokio::task::spawn_blocking(move || {
            for worker in workers {
                resume(worker.join());
            }
        });
        resume(joined.await);
        // A core that is gone has left its error behind, which is read below.
        let mut _gone = false;
        if end == End::Complete {
            let (committed, done) = oneshot::channel();
            _gone |= to_core.send(ToCore::Complete(committed)).is_err();
            _gone |= done.await.is_err();
        }
        settled.await;
        _gone |= to_core.send(ToCore::Ended).is_err();
        drop(to_core);
        resume(tokio::task::spawn_blocking(move || resume(core.join())).await)
    }
}

/// Passes a panic on to whoever waits.
fn resume<T, E: std::fmt::Debug>(joined: Result<T, E>) -> T {
    joined.expect("a thread of the engine panicked")
}

/// Calls its function when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What workers take from.
struct Intake {
    incoming: Mutex<(mpsc::Receiver<Delivery>, u64)>,
    ahead: Ahead,
}

impl Intake {
    fn next(&self) -> Option<(u64, Delivery)> {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        let (deliveries, number) = &mut *incoming;
        let delivery = deliveries.blocking_recv()?;
        let taken = *number;
        *number += 1;
        Some((taken, delivery))
    }
}

fn work(
    intake: &Intake,
    rules: &RwLock<Arc<Rules>>,
    config: &Reading,
    to_core: &SyncSender<ToCore>,
) {
    let current = || Arc::clone(&rules.read().unwrap_or_else(PoisonError::into_inner));
    let mut sieve = Sieve::new(current());
    while let Some((number, delivery)) = intake.next() {
        intake.ahead.wait_for(number);
        let now = current();
        if !Arc::ptr_eq(sieve.rules(), &now) {
            sieve = Sieve::new(now);
        }
        let batch = batch::read(delivery, config, &mut sieve);
        intake.ahead.decoded(batch.bytes());
        if to_core.send(ToCore::Batch(number, Box::new(batch))).is_err() {
            // The core has ended and says why itself.
            return;
        }
    }
}

/// The core thread.
struct Driver<'a> {
    core: Core,
    gait: Gait,
    committed: watch::Sender<u64>,
    ahead: &'a Ahead,
}

impl Driver<'_> {
    fn expect_policies(&mut self, told: oneshot::Sender<()>) -> Result<(), StoreError> {
        self.commit()?;
        self.core.expect_policies();
        // Whoever waited may have gone; then nothing is loaded.
        let _nobody = told.send(()).is_err();
        Ok(())
    }

    fn run(mut self, incoming: &Receiver<ToCore>) -> Result<Books, StoreError> {
        let mut early: BTreeMap<u64, Box<Batch>> = BTreeMap::new();
        let mut next = 0;
        let mut group_began: Option<Instant> = None;
        let mut last_delivery = Instant::now();
        loop {
            let due = group_began
                .filter(|_| self.gait.pace == Pace::Live)
                .map(|began| began + self.gait.commit_interval);
            let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
            match incoming.recv_timeout(wait) {
                Ok(ToCore::Batch(number, batch)) => {
                    early.insert(number, batch);
                    while let Some(batch) = early.remove(&next) {
                        let bytes = batch.bytes();
                        self.take(*batch)?;
                        next += 1;
                        self.ahead.judged(next, bytes);
                        if self.core.group_bytes() >= self.gait.commit_bytes {
                            self.commit()?;
                        }
                    }
                    last_delivery = Instant::now();
                }
                Ok(ToCore::Settled(settled)) => self.core.settle(settled),
                Ok(ToCore::Reload(rules, destinations)) => {
                    self.commit()?;
                    self.core.reload(rules, destinations)?;
                }
                Ok(ToCore::ExpectPolicies(told)) => self.expect_policies(told)?,
                Ok(ToCore::Policies(anew)) => {
                    self.core.know_policies((*anew)?);
                    self.commit()?;
                }
                Ok(ToCore::Complete(committed)) => {
                    self.core.finish();
                    self.commit()?;
                    // Whoever waited may have gone; then nobody needs to know.
                    let _nobody = committed.send(()).is_err();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(ToCore::Ended) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.gait.pace == Pace::Live && last_delivery.elapsed() >= IDLE {
                self.core.idle_until((self.gait.clock)());
                group_began.get_or_insert_with(Instant::now);
                last_delivery = Instant::now();
            }
            if self.core.has_work() {
                group_began.get_or_insert_with(Instant::now);
            }
            // A replay's groups end by bytes alone: which matches share a group decides which of them tells the story.
            let is_over = |began: Instant| {
                self.gait.pace == Pace::Live && began.elapsed() >= self.gait.commit_interval
            };
            if group_began.is_some_and(is_over) {
                self.commit()?;
                group_began = None;
            }
        }
        self.commit()?;
        Ok(self.core.books().clone())
    }

    fn take(&mut self, batch: Batch) -> Result<(), StoreError> {
        if self.gait.pace == Pace::Live {
            self.core.live_at((self.gait.clock)());
        }
        self.core.take(batch)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let committed = self.core.commit((self.gait.clock)())?;
        let core::Committed { deliveries, opened, revised, .. } = committed;
        tracing::debug!(deliveries, opened, revised, "committed");
        self.committed.send_modify(|commits| *commits += 1);
        Ok(())
    }
}
