//! The connections: accepted up to a number, spoken to within bounds of time, ended in order.
//!
//! Invariant: after the stop no connection is accepted and no write begins; what is under way is answered. The way into
//! the pipeline is let go of when this ends, however it ends.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;
use tracing::debug;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::api::body::Bounds;
use crate::api::config::Config;
use crate::api::gate::Gate;
use crate::api::routes;
use crate::api::shared::MAX_WRITES;
use crate::api::shared::Peer;
use crate::api::shared::Shared;
use crate::api::shared::stopped;
use crate::api::signature::Received;
use crate::api::signature::SecretError;
use crate::api::tls;
use crate::api::tls::TlsError;
use crate::grants::message::Limits;
use crate::grants::presets::Presets;
use crate::model::Delivery;
use crate::model::Seconds;
use crate::store::Reader;
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;

/// Connections at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 256;
/// The largest head of a request.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// The pause after a connection could not be accepted, mostly because there are too many files open.
const PAUSE: Duration = Duration::from_millis(200);

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The address cannot be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The certificate cannot be shown.
    #[error("could not set up TLS for the API")]
    Tls(#[from] TlsError),
    /// Signatures cannot be checked.
    #[error("could not set up signatures for the API")]
    Secrets(#[from] SecretError),
}

/// What the API is given by the daemon.
pub struct Needs {
    /// How brokers' own messages are read.
    pub presets: Presets,
    /// The daemon's numbers.
    pub metrics: Metrics,
    /// What a message may ask for.
    pub limits: Limits,
    /// The store, for reading.
    pub reader: Reader,
    /// Where deliveries go.
    pub to: mpsc::Sender<Delivery>,
    /// Says when to stop.
    pub stop: watch::Receiver<bool>,
    /// Real time.
    pub clock: fn() -> Seconds,
}

/// The API at work. Dropping it ends it at once.
pub struct Server {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    address: SocketAddr,
}

impl Server {
    /// Begins to serve what `config` says; nothing if it names no address.
    ///
    /// # Errors
    /// When the address cannot be listened on, or certificate or secrets cannot be used.
    pub async fn start(config: &Config, needs: Needs) -> Result<Option<Self>, ApiError> {
        let Some(address) = config.listen else { return Ok(None) };
        let gate = Gate::new(config)?;
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let failed = |source| ApiError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let most = usize::try_from(config.max_body_bytes).unwrap_or(usize::MAX);
        let stop = needs.stop.clone();
        let shared = Arc::new(Shared {
            gate: RwLock::new(Arc::new(gate)),
            tls: RwLock::new(tls),
            presets: needs.presets,
            metrics: needs.metrics,
            limits: needs.limits,
            bounds: Bounds { most, timeout: config.timeout.0 },
            to: Mutex::new(Some(needs.to)),
            stop: needs.stop,
            reader: Mutex::new(needs.reader),
            writes: Semaphore::new(MAX_WRITES),
            received: Received::default(),
            clock: needs.clock,
            next: AtomicU64::new(0),
            told: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared), stop));
        info!(%address, scheme, "the API listens");
        Ok(Some(Self { shared, task, address }))
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes tokens, signatures and certificate from `config`. What is wrong leaves the old ones.
    ///
    /// # Errors
    /// When certificate or secrets cannot be used.
    pub fn reload(&self, config: &Config) -> Result<(), ApiError> {
        let gate = Gate::new(config)?;
        // Who came over TLS must not be spoken to in the clear because a section is gone.
        if let Some(tls) = &config.tls {
            let acceptor = tls::acceptor(tls)?;
            *self.shared.tls.write().unwrap_or_else(PoisonError::into_inner) = Some(acceptor);
        }
        *self.shared.gate.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(gate);
        Ok(())
    }

    /// Waits until what was under way at the stop is answered.
    pub async fn ended(&mut self) {
        if let Err(error) = (&mut self.task).await {
            error!(error = %chain(&error), "the API broke down");
        }
        self.shared.close();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.close();
    }
}

/// Accepts connections until the stop, then waits for those that there are.
async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let router = routes::router(&shared);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = accept(&listener, &places) => accepted,
        };
        while let Some(ended) = connections.try_join_next() {
            report(ended);
        }
        match accepted {
            Ok((stream, peer, place)) => {
                let (shared, router, stop) = (Arc::clone(&shared), router.clone(), stop.clone());
                connections.spawn(async move {
                    speak(stream, peer, &shared, router, stop).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "could not accept a connection to the API");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.expect("the places are never closed");
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(error = %chain(&error), "a connection to the API ended by a bug");
    }
}

/// Speaks with one client.
async fn speak(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    router: Router,
    stop: watch::Receiver<bool>,
) {
    let patience = shared.bounds.timeout;
    let tls = shared.tls.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Some(tls) = tls else {
        return answer(stream, peer, patience, router, stop).await;
    };
    match timeout(patience, tls.accept(stream)).await {
        Ok(Ok(stream)) => answer(stream, peer, patience, router, stop).await,
        Ok(Err(error)) => debug!(%peer, %error, "a client did not agree on TLS"),
        Err(_elapsed) => debug!(%peer, "a client was too slow with TLS"),
    }
}

/// Answers requests until the client goes, or until the one under way at the stop is answered.
async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    patience: Duration,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let routed = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        routed.call(request)
    });
    let mut http = http1::Builder::new();
    // The time for a head also bounds how long a client may keep silent between two requests.
    http.timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(MAX_HEAD_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, error = %chain(&error), "a connection to the API broke off");
    }
}
