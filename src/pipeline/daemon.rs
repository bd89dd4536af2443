//! The daemon: sources, engine and dispatcher together, and what the operator may tell them.
//!
//! Stopping goes the way of the data: sources first, then what they handed over is committed and acknowledged, then
//! the alerts under way are finished. Reloading changes rules and sinks and touches nothing else; if the new ones are
//! wrong the old ones stay.
//!
//! Invariant: what is not done when the time to drain is over comes again after the next start.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::api;
use crate::config::Config;
use crate::config::ConfigError;
use crate::grants::presets::PresetError;
use crate::grants::presets::Presets;
use crate::iam::snapshot::SnapshotError;
use crate::model::ObjectId;
use crate::outbox;
use crate::outbox::Leases;
use crate::pipeline::MIGRATIONS;
use crate::pipeline::batch::Reading;
use crate::pipeline::books::Books;
use crate::pipeline::core::Core;
use crate::pipeline::detectors::load_detectors;
use crate::pipeline::dispatch::Clock;
use crate::pipeline::dispatch::Dispatch;
use crate::pipeline::dispatch::DispatchError;
use crate::pipeline::dispatch::Outlet;
use crate::pipeline::dispatch::WallClock;
use crate::pipeline::engine::End;
use crate::pipeline::engine::Engine;
use crate::pipeline::engine::Gait;
use crate::pipeline::engine::Pace;
use crate::pipeline::front::Front;
use crate::pipeline::policies;
use crate::pipeline::settings::Asked;
use crate::pipeline::settings::Destination;
use crate::pipeline::settings::Grants;
use crate::pipeline::settings::Settings;
use crate::pipeline::table;
use crate::rules::Problem;
use crate::rules::Rules;
use crate::rules::Weight;
use crate::sink;
use crate::sink::Sink;
use crate::sink::SinkError;
use crate::source;
use crate::source::Known;
use crate::source::Running;
use crate::source::SourceError;
use crate::store::Reader;
use crate::store::Store;
use crate::store::StoreError;
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;

/// What the operator tells a running daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Finish what was begun, and end.
    Stop,
    /// Load detectors, sinks, and the API's tokens and certificate anew.
    Reload,
}

/// Why the daemon could not start, or ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The sinks cannot be built.
    #[error("the sinks cannot be used")]
    Sinks(#[from] SinkError),
    /// A broker's preset or mapping cannot be used.
    #[error("a preset cannot be used")]
    Preset(#[from] PresetError),
    /// The API cannot be served.
    #[error("the API cannot be served")]
    Api(#[from] api::ApiError),
    /// What stands, or should, cannot be read.
    #[error("a snapshot of policies cannot be used")]
    Policies(#[from] SnapshotError),
    /// A source failed.
    #[error("a source failed")]
    Source(#[from] SourceError),
    /// The dispatcher failed.
    #[error("the dispatcher failed")]
    Dispatch(#[from] DispatchError),
    /// The dispatcher broke down.
    #[error("the dispatcher broke down")]
    DispatchTask(#[source] tokio::task::JoinError),
}

/// Runs until told to stop, or until every source has ended by itself.
///
/// `reread` gives the configuration anew for [`Order::Reload`].
///
/// # Errors
/// When something that everything depends on fails: the store, a source for good, the dispatcher.
pub async fn daemon(
    config: Config,
    reread: impl Fn() -> Result<Config, ConfigError>,
    mut orders: mpsc::Receiver<Order>,
) -> Result<Books, DaemonError> {
    let rules = told(load_detectors(&config.detectors));
    let sinks = sink::build(&config.sink)?;
    let store = Store::open(&config.store.path, MIGRATIONS)?;
    let known = known(store.reader()?);
    let (policies, policies_known) = policies::Files::read(&config.policies)?;
    let settings = Settings { policies_known, ..settings(&config, destinations(&sinks)) };
    let metrics = settings.metrics.clone();
    let core = Core::open(store, settings, Arc::clone(&rules))?;
    let presets = Presets::read(&config.grants.preset)?;
    let (engine, deliveries) =
        Engine::start(core, Arc::clone(&rules), gait(&config, presets.clone()));
    let (stop, stopped) = watch::channel(false);
    policies.follow(engine.policies(&config.store.path), &stopped);
    let ends = (&stopped, engine.commits());
    let mut front = Front::open(&config, presets, metrics, &known, &deliveries, ends).await?;
    let mut running = source::start(&config.source, known, deliveries, stopped).await?;
    let mut post = Post::start(&config, sinks, &engine);
    info!(detectors = rules.detectors().count(), store = %config.store.path.display(), "started");
    let end = loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Reload) => post = reload(&reread, &config, &engine, &front, post).await?,
                Some(Order::Stop) | None => break End::Stopped,
            },
            ended = running.ended() => {
                ended?;
                info!("every source has ended");
                break End::Complete;
            }
            failed = front.failed() => return Err(failed.into()),
            () = engine.gone() => {
                // The core says itself what was wrong. Nothing can be committed any more, so nothing is waited for.
                drop((running, front));
                post.stop(Instant::now()).await;
                return Ok(engine.finish(End::Stopped, std::future::ready(())).await?);
            }
            failed = post.failed() => match failed {
                // It could not hand over what became of an alert: the core says why.
                DaemonError::Dispatch(DispatchError::Core(_)) => {
                    drop((running, front));
                    return Ok(engine.finish(End::Stopped, std::future::ready(())).await?);
                }
                failed => return Err(failed),
            },
        }
    };
    info!("stopping");
    let deadline = Instant::now() + config.pipeline.drain_timeout.0;
    stop.send_replace(true);
    come_to_rest(running, front, deadline).await;
    let store = config.store.path.clone();
    let settled = async move {
        if end == End::Complete {
            post.empty(&store, deadline).await;
        }
        post.stop(deadline).await;
    };
    let books = engine.finish(end, settled).await?;
    info!(total = %books.total(), unknown_actions = books.unknown_actions.join(" "), "stopped");
    Ok(books)
}

/// Waits until `deadline` for the sources to hand over what they have begun with.
async fn come_to_rest(mut records: Running, mut front: Front, deadline: Instant) {
    let at_rest = async {
        records.ended().await?;
        front.ended().await
    };
    match timeout_at(deadline, at_rest).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(error = %chain(&error), "a source failed while stopping"),
        Err(_) => warn!("not every source came to rest in time; what is left comes again"),
    }
}

/// Returns the core's settings as the operator's file has them.
pub fn settings(config: &Config, destinations: Vec<Destination>) -> Settings {
    Settings {
        identity: config.identity.clone(),
        alert: config.alert.clone(),
        outbox: config.outbox.clone(),
        allowed_lateness: config.pipeline.allowed_lateness.span(),
        dedup_window: config.pipeline.dedup_window.span(),
        dedup_max_events: config.pipeline.dedup_max_events,
        destinations,
        grants: config.grants.clone(),
        grants_are: match config.hears_of_grants() {
            true => Grants::Arriving,
            false => Grants::Unread,
        },
        policies: config.policies.clone(),
        policies_known: Arc::default(),
        asked: Asked::default(),
        metrics: Metrics::new(),
    }
}

fn gait(config: &Config, presets: Presets) -> Gait {
    Gait {
        threads: config.pipeline.decode_threads,
        commit_interval: config.pipeline.commit_interval.0,
        commit_bytes: config.pipeline.commit_bytes,
        reading: Reading { presets, ..Reading::of(config) },
        pace: Pace::Live,
        clock: || WallClock.now(),
    }
}

fn destinations(sinks: &[Sink]) -> Vec<Destination> {
    let to = |sink: &Sink| Destination { name: sink.name.clone(), min_severity: sink.min_severity };
    sinks.iter().map(to).collect()
}

/// Says what is wrong with the detectors; the rest of them is loaded.
/// Returns the rules that could be loaded, and says of the others what is wrong with them.
fn told((rules, problems): (Arc<Rules>, Vec<Problem>)) -> Arc<Rules> {
    tell(&problems);
    rules
}

fn tell(problems: &[Problem]) {
    for problem in problems {
        match problem.weight {
            Weight::Error => error!(%problem, "a detector is left out"),
            Weight::Notice => info!(%problem, "a detector cannot match here"),
        }
    }
}

/// Asks the ledger whether an object was committed before. If it cannot be asked, the object is read again, and
/// the core finds out.
fn known(reader: Reader) -> Known {
    let reader = Mutex::new(reader);
    Arc::new(move |object: &ObjectId| {
        let reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
        match table::is_known(&reader, object) {
            Ok(known) => known,
            Err(error) => {
                warn!(%object, error = %chain(&error), "could not ask the ledger");
                false
            }
        }
    })
}

/// Loads rules, sinks and the API's tokens anew; what is wrong leaves the old ones in place.
async fn reload(
    reread: &impl Fn() -> Result<Config, ConfigError>,
    started_with: &Config,
    engine: &Engine,
    front: &Front,
    post: Post,
) -> Result<Post, DaemonError> {
    let config = match reread() {
        Ok(config) => config,
        Err(error) => {
            error!(error = %chain(&error), "could not reload: the configuration is wrong; nothing changes");
            return Ok(post);
        }
    };
    front.reload(&config);
    let (rules, problems) = load_detectors(&config.detectors);
    tell(&problems);
    if problems.iter().any(|problem| problem.weight == Weight::Error) {
        error!("could not reload: a detector is wrong; detectors and sinks stay as they are");
        return Ok(post);
    }
    let sinks = match sink::build(&config.sink) {
        Ok(sinks) => sinks,
        Err(error) => {
            error!(error = %chain(&error), "could not reload: a sink is wrong; detectors and sinks stay as they are");
            return Ok(post);
        }
    };
    swap(&config, started_with, engine, post, &rules, sinks).await
}

async fn swap(
    config: &Config,
    started_with: &Config,
    engine: &Engine,
    post: Post,
    rules: &Arc<Rules>,
    sinks: Vec<Sink>,
) -> Result<Post, DaemonError> {
    let leases = Arc::clone(&post.leases);
    post.stop(Instant::now() + started_with.pipeline.drain_timeout.0).await;
    let reloaded = engine.reload(rules, destinations(&sinks));
    reloaded.map_err(DispatchError::Core)?;
    info!(detectors = rules.detectors().count(), sinks = sinks.len(), "reloaded");
    let mut config = config.clone();
    // Everything but detectors, sinks and the API's tokens is as it was at the start.
    config.store = started_with.store.clone();
    Ok(Post::start_with(&config, sinks, engine, leases))
}

/// The dispatcher at work.
struct Post {
    task: JoinHandle<Result<(), DispatchError>>,
    stop: watch::Sender<bool>,
    leases: Arc<Leases>,
    commits: watch::Receiver<u64>,
}

impl Post {
    fn start(config: &Config, sinks: Vec<Sink>, engine: &Engine) -> Self {
        Self::start_with(config, sinks, engine, Arc::new(Leases::default()))
    }

    fn start_with(config: &Config, sinks: Vec<Sink>, engine: &Engine, leases: Arc<Leases>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let dispatch = Dispatch {
            store: config.store.path.clone(),
            outlets: sinks.into_iter().map(|sink| Arc::new(sink) as Arc<dyn Outlet>).collect(),
            outbox: config.outbox.clone(),
            leases: Arc::clone(&leases),
            clock: Arc::new(WallClock),
            commits: engine.commits(),
            stop: stopped,
            drain: config.pipeline.drain_timeout.0,
            settle: Arc::new(engine.settler()),
        };
        Self { task: tokio::spawn(dispatch.run()), stop, leases, commits: engine.commits() }
    }

    /// Waits until the dispatcher fails; it does not end by itself.
    async fn failed(&mut self) -> DaemonError {
        match (&mut self.task).await {
            Ok(Err(error)) => error.into(),
            Err(error) => DaemonError::DispatchTask(error),
            // Without sinks there is nothing to dispatch, and nothing that could fail.
            Ok(Ok(())) => {
                self.task = tokio::spawn(std::future::pending());
                std::future::pending().await
            }
        }
    }

    /// Waits until the outbox owes nothing any more, or the time is over.
    async fn empty(&mut self, store: &Path, deadline: Instant) {
        loop {
            let seen = *self.commits.borrow_and_update();
            let path = store.to_owned();
            let waiting = tokio::task::spawn_blocking(move || {
                let reader = Reader::open(&path)?;
                let backlog = outbox::backlog(&reader)?;
                Ok::<i64, StoreError>(backlog.iter().map(|owed| owed.pending).sum())
            });
            match waiting.await {
                Ok(Ok(0)) => return,
                Ok(Ok(_)) => {}
                failed => return warn!(?failed, commits = seen, "could not look into the outbox"),
            }
            let changed = timeout_at(deadline, self.commits.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return warn!("alerts are left in the outbox; they go out after the next start");
            }
        }
    }

    /// Stops the dispatcher: nothing new is sent, what is under way may end.
    async fn stop(self, deadline: Instant) {
        let nobody_listens = self.stop.is_closed();
        self.stop.send_replace(true);
        let Self { mut task, .. } = self;
        if nobody_listens {
            task.abort();
        }
        match timeout_at(deadline, &mut task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                warn!(error = %chain(&error), "the dispatcher failed while stopping")
            }
            Ok(Err(error)) => {
                warn!(error = %chain(&error), "the dispatcher broke down while stopping")
            }
            Err(_) => {
                task.abort();
                warn!("alerts under way were broken off; they are sent again after the next start");
            }
        }
    }
}
