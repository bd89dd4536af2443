//! What is told to the daemon beside its sources: files of grants, the API, and what AWS answers about policies.
//!
//! Invariant: grants that are there at the start stand before the first record in the queue, so they are known when it
//! is judged. Nobody is answered before they are.

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::error;

use crate::api;
use crate::config::Config;
use crate::grants::message::Limits;
use crate::grants::presets::Presets;
use crate::model::Delivery;
use crate::pipeline::daemon::DaemonError;
use crate::pipeline::dispatch::Clock as _;
use crate::pipeline::dispatch::WallClock;
use crate::pipeline::readings::Asking;
use crate::source;
use crate::source::Known;
use crate::source::Looks;
use crate::source::Running;
use crate::source::SourceError;
use crate::store::Reader;
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;

/// Files of grants and the API, at work. Dropping it ends them at once.
pub(super) struct Front {
    grants: Running,
    api: Option<api::Server>,
    readings: Option<JoinHandle<()>>,
}

impl Front {
    /// Reads the files of grants that are there, then watches them and opens the API.
    pub(super) async fn open(
        config: &Config,
        presets: Presets,
        metrics: Metrics,
        known: &Known,
        to: &mpsc::Sender<Delivery>,
        (stop, commits): (&watch::Receiver<bool>, watch::Receiver<u64>),
    ) -> Result<Self, DaemonError> {
        let paths = &config.grants.all_paths();
        source::grants(paths, Looks::Once, known, to, stop)?.ended().await?;
        let grants = source::grants(paths, Looks::Always, known, to, stop)?;
        let needs = api::Needs {
            presets,
            metrics,
            limits: Limits { max_duration: config.grants.max_duration.span() },
            reader: Reader::open(&config.store.path)?,
            to: to.clone(),
            stop: stop.clone(),
            clock: || WallClock.now(),
        };
        let api = api::Server::start(&config.api, needs).await?;
        let readings = Asking::of(config, to, (stop, commits))?.map(|it| tokio::spawn(it.run()));
        Ok(Self { grants, api, readings })
    }

    /// Waits until something fails for good; by itself nothing here ends.
    pub(super) async fn failed(&mut self) -> SourceError {
        if self.grants.is_running()
            && let Err(error) = self.grants.ended().await
        {
            return error;
        }
        std::future::pending().await
    }

    /// Takes tokens, signatures and certificate of the API from `config`; what is wrong leaves the old ones.
    pub(super) fn reload(&self, config: &Config) {
        if let Some(Err(error)) = self.api.as_ref().map(|api| api.reload(&config.api)) {
            error!(error = %chain(&error), "could not reload the API; its tokens and certificate stay as they are");
        }
    }

    /// Waits, after the stop, until files are at rest and requests are answered.
    pub(super) async fn ended(&mut self) -> Result<(), SourceError> {
        if let Some(api) = &mut self.api {
            api.ended().await;
        }
        if let Some(readings) = self.readings.take()
            && let Err(source) = readings.await
        {
            return Err(SourceError::Panicked { source });
        }
        self.grants.ended().await
    }
}
