//! From the outbox to the sinks: one lane for each sink, so that one that is down delays no other.
//!
//! A lane reads what is due with a reader of its own, asks its sink, and hands each outcome back to the core
//! thread, which writes it in its next commit. The lane never writes. A row stays leased from the moment
//! it is read until a commit shows its outcome, so nothing is sent twice while the process lives; what was
//! under way when it dies is sent again.
//!
//! Invariant: a lane holds a bounded number of alerts, waits with a bound for everything, and starts nothing
//! after the stop signal.

mod attempt;
mod clock;
mod lane;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::task::JoinSet;

use crate::model::SinkName;
use crate::outbox;
use crate::outbox::Leases;
use crate::outbox::Settled;
use crate::sink::Message;
use crate::sink::Rate;
use crate::sink::SendError;
use crate::sink::Sink;
use crate::store::StoreError;

pub use clock::Clock;
pub use clock::WallClock;

/// A future that a lane waits for.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Hands an outcome to the core thread. It may block until there is room, and is called where that is allowed.
pub type Settle = Arc<dyn Fn(Settled) -> Result<(), Gone> + Send + Sync>;

/// The core thread is gone: nobody can write outcomes any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the core thread has ended")]
pub struct Gone;

/// Why dispatching ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The store cannot be read.
    #[error("could not read the outbox of sink `{sink}`")]
    Store {
        /// The sink.
        sink: SinkName,
        /// The cause.
        source: Box<StoreError>,
    },
    /// Outcomes cannot be written any more.
    #[error("could not hand over what became of an alert")]
    Core(#[from] Gone),
    /// A lane panicked.
    #[error("a lane of the dispatcher broke down")]
    Lane(#[source] JoinError),
}

/// A destination as a lane sees it.
pub trait Outlet: Send + Sync {
    /// Returns the name under which the outbox owes it alerts.
    fn name(&self) -> &SinkName;
    /// Returns how many alerts it may be taking at once.
    fn concurrency(&self) -> usize;
    /// Returns how often it may be asked.
    fn rate(&self) -> Rate;
    /// Returns how long one alert may take.
    fn deadline(&self) -> Duration;
    /// Asks it to take `message`.
    fn send<'a>(&'a self, message: &'a Message) -> Waiting<'a, Result<(), SendError>>;
}

impl Outlet for Sink {
    fn name(&self) -> &SinkName {
        &self.name
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn send<'a>(&'a self, message: &'a Message) -> Waiting<'a, Result<(), SendError>> {
        Box::pin(Sink::send(self, message))
    }
}

/// Everything the lanes need.
pub struct Dispatch {
    /// The store's file.
    pub store: PathBuf,
    /// Where alerts go; a lane each.
    pub outlets: Vec<Arc<dyn Outlet>>,
    /// How long and how often to try.
    pub outbox: outbox::Config,
    /// The leases of this process; they must outlive a reload.
    pub leases: Arc<Leases>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Changes with each commit that wrote to the outbox.
    pub commits: watch::Receiver<u64>,
    /// Becomes true when no more alerts are to be sent.
    pub stop: watch::Receiver<bool>,
    /// How long alerts that are under way may take after the stop signal.
    pub drain: Duration,
    /// Takes outcomes to the core thread.
    pub settle: Settle,
}

impl Dispatch {
    /// Sends alerts until the stop signal, then waits for those under way.
    ///
    /// # Errors
    /// When the store cannot be read or the core thread is gone.
    pub async fn run(self) -> Result<(), DispatchError> {
        let shared = Arc::new(self);
        let mut lanes = JoinSet::new();
        for outlet in &shared.outlets {
            lanes.spawn(lane::run(Arc::clone(&shared), Arc::clone(outlet)));
        }
        // Leaving early drops the set, and with it the other lanes.
        while let Some(ended) = lanes.join_next().await {
            ended.map_err(DispatchError::Lane)??;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
