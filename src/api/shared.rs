//! What every request needs, and the way from a write to its commit.
//!
//! Invariant: a write is answered as taken in only after its commit. What is answered with 503 was not taken in, or is
//! told to be sent again: the ledger knows it then.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use crate::api::body;
use crate::api::gate::Gate;
use crate::api::problem::Kind;
use crate::api::problem::Problem;
use crate::api::signature::Received;
use crate::grants::Version;
use crate::grants::message::Limits;
use crate::grants::message::written;
use crate::grants::presets::Presets;
use crate::model::Became;
use crate::model::Content;
use crate::model::Delivery;
use crate::model::Hold;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Seconds;
use crate::store::Reader;
use crate::telemetry::metrics::Metrics;

/// The source in counters, and what evidence begins with.
const SOURCE: &str = "api";

/// Writes under way at once; more are answered with 503.
pub(super) const MAX_WRITES: usize = 64;

/// How long a kind of refusal stays silent after it was told.
const SILENCE: Duration = Duration::from_secs(10);

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Waits for the word to stop; that nobody can say it any more is the word.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _told_or_gone = stop.wait_for(|stop| *stop).await;
}

/// What every request needs.
pub(super) struct Shared {
    /// Who may do what; a reload changes it.
    pub(super) gate: RwLock<Arc<Gate>>,
    /// The certificate; a reload changes it.
    pub(super) tls: RwLock<Option<TlsAcceptor>>,
    /// How brokers' own messages are read.
    pub(super) presets: Presets,
    /// The daemon's numbers.
    pub(super) metrics: Metrics,
    /// What a message may ask for.
    pub(super) limits: Limits,
    /// What a body may be.
    pub(super) bounds: body::Bounds,
    /// Where deliveries go, until the end.
    pub(super) to: Mutex<Option<mpsc::Sender<Delivery>>>,
    /// Says when to stop.
    pub(super) stop: watch::Receiver<bool>,
    /// The store, as of the last commit.
    pub(super) reader: Mutex<Reader>,
    /// Writes that may begin.
    pub(super) writes: Semaphore,
    /// Signed requests of the last minutes.
    pub(super) received: Received,
    /// Real time, for tokens, signatures and what is said now.
    pub(super) clock: fn() -> Seconds,
    /// The number of the next write.
    pub(super) next: AtomicU64,
    /// When each kind of refusal was told last, and how many were not since.
    pub(super) told: Mutex<HashMap<&'static str, (Instant, u64)>>,
}

impl Shared {
    /// Returns who may do what now.
    pub(super) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns real time.
    pub(super) fn now(&self) -> Seconds {
        (self.clock)()
    }

    /// Returns whether the daemon is stopping.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow() || self.stop.has_changed().is_err()
    }

    /// Lets go of the way into the pipeline, which ends when nobody holds it.
    pub(super) fn close(&self) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Hands `versions` over as what `by` said, and waits until they are on disk. Returns what became of each.
    pub(super) async fn commit(
        &self,
        by: &str,
        versions: &[Version],
    ) -> Result<Vec<Became>, Problem> {
        let refuse = |what: &str| Err(Problem::new(Kind::Unavailable, what));
        const STOPPING: &str = "the daemon is stopping; nothing was taken in";
        if self.is_stopping() {
            return refuse(STOPPING);
        }
        let Ok(_begun) = self.writes.try_acquire() else {
            return refuse("too many writes are under way; nothing was taken in");
        };
        let to = self.to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(to) = to else { return refuse(STOPPING) };
        let (tell, committed) = oneshot::channel();
        let receipt = Receipt::telling(move |became| {
            // Whoever asked may have gone; then nobody needs to know.
            let _nobody = tell.send(became).is_err();
        });
        let delivery = self.delivery(by, versions, receipt);
        let deadline = Instant::now() + self.bounds.timeout;
        let mut stop = self.stop.clone();
        let sent = tokio::select! {
            biased;
            () = stopped(&mut stop) => return refuse(STOPPING),
            sent = timeout_at(deadline, to.send(delivery)) => sent,
        };
        drop(to);
        match sent {
            Err(_elapsed) => return refuse("the queue is full; nothing was taken in"),
            Ok(Err(_closed)) => return refuse(STOPPING),
            Ok(Ok(())) => {}
        }
        match timeout_at(deadline, committed).await {
            Ok(Ok(became)) => Ok(became),
            Ok(Err(_dropped)) => refuse("the daemon ends before this is on disk; send it again"),
            Err(_elapsed) => refuse(
                "this is not on disk yet and may still be; send it again: what is known changes nothing",
            ),
        }
    }

    fn delivery(&self, by: &str, versions: &[Version], receipt: Receipt) -> Delivery {
        let lines = versions.iter().map(|version| format!("{}\n", written(version)));
        // Two writes that say the same are two deliveries: each is answered with what became of it.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let location = format!("{SOURCE}:{by}/{}-{number}", self.now().0);
        Delivery {
            source: Arc::from(SOURCE),
            object: ObjectId { location, revision: String::new() },
            content: Content::Messages {
                preset: None,
                bytes: lines.collect::<String>().into_bytes(),
            },
            hold: Hold::nothing(),
            receipt,
        }
    }

    /// Tells the log of a request that was refused, unless the like was told just now.
    pub(super) fn tell_refused(&self, kind: &'static str, from: Option<Peer>, path: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let silent = match told.get_mut(kind) {
            Some((at, silent)) if now.duration_since(*at) < SILENCE => {
                *silent += 1;
                return;
            }
            known => known.map_or(0, |(_, silent)| *silent),
        };
        told.insert(kind, (now, 0));
        drop(told);
        let from = from.map(|peer| peer.0.to_string()).unwrap_or_default();
        warn!(kind, from, path, silent, "refused a request to the API");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testkit;

    async fn refused(shared: &Shared) -> String {
        let problem = shared.commit("broker", &[testkit::version("g-2")]).await.unwrap_err();
        assert_eq!(problem.kind(), Kind::Unavailable);
        format!("{problem:?}")
    }

    #[tokio::test]
    async fn a_write_is_answered_after_its_commit_with_what_became_of_it() {
        let mut stage = testkit::stage();
        let shared = Arc::clone(&stage.shared);
        let versions = [testkit::version("g-2"), testkit::version("g-3")];
        let writing = tokio::spawn(async move { shared.commit("broker", &versions).await });
        let delivery = stage.deliveries.recv().await.unwrap();
        assert!(delivery.object.location.starts_with("api:broker/"));
        let Content::Messages { preset: None, bytes } = &delivery.content else {
            panic!("messages")
        };
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 2);
        assert!(!writing.is_finished());
        let became = vec![Became::New, Became::Duplicate];
        delivery.receipt.committed_as(became.clone());
        assert_eq!(writing.await.unwrap().unwrap(), became);
    }

    #[tokio::test]
    async fn nothing_is_taken_in_while_the_daemon_stops() {
        let mut stage = testkit::stage();
        stage.stop.send_replace(true);
        assert!(refused(&stage.shared).await.contains("stopping"));
        assert!(stage.deliveries.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_stop_is_heard_while_the_queue_is_full() {
        let stage = testkit::stage();
        let to = stage.shared.to.lock().unwrap().clone().unwrap();
        to.send(stage.shared.delivery("broker", &[], Receipt::nobody())).await.unwrap();
        let shared = Arc::clone(&stage.shared);
        let writing = tokio::spawn(async move { refused(&shared).await });
        stage.stop.send_replace(true);
        assert!(writing.await.unwrap().contains("nothing was taken in"));
    }

    #[tokio::test]
    async fn a_queue_that_stays_full_is_told_and_so_is_a_commit_that_does_not_come() {
        let mut stage = testkit::stage();
        let shared = Arc::get_mut(&mut stage.shared).unwrap();
        shared.bounds.timeout = Duration::from_millis(20);
        assert!(refused(&stage.shared).await.contains("send it again"), "it lies in the queue");
        assert!(refused(&stage.shared).await.contains("the queue is full"));
        let _all = stage.shared.writes.try_acquire_many(u32::try_from(MAX_WRITES).unwrap());
        assert!(refused(&stage.shared).await.contains("too many"));
    }

    #[tokio::test]
    async fn a_delivery_that_is_dropped_was_not_taken_in() {
        let mut stage = testkit::stage();
        let shared = Arc::clone(&stage.shared);
        let writing = tokio::spawn(async move { refused(&shared).await });
        drop(stage.deliveries.recv().await.unwrap());
        assert!(writing.await.unwrap().contains("send it again"));
    }
}
