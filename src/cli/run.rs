//! `grantwatch run`: the daemon.

use anyhow::Context as _;
use clap::Args;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;

use crate::cli::ConfigFile;
use crate::cli::Exit;
use crate::pipeline::daemon::Order;
use crate::pipeline::daemon::daemon;

/// Threads for waiting on the network; the work is done by the engine's own.
const EDGE_THREADS: usize = 2;

/// Run the daemon: read the configured sources and send alerts, until told to stop.
///
/// SIGTERM and SIGINT finish what was begun, within `pipeline.drain_timeout`, and end the process. SIGHUP loads
/// the detectors and sinks anew, and the API's tokens, signatures and certificate; what is wrong leaves the old ones.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let config = crate::config::read(&args.file.config)?;
    crate::telemetry::init(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(EDGE_THREADS)
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let path = args.file.config.clone();
    runtime.block_on(async {
        let orders = orders().context("could not listen to signals")?;
        daemon(config, || crate::config::read(&path), orders).await?;
        Ok(Exit::Done)
    })
}

/// Turns signals into orders.
fn orders() -> std::io::Result<mpsc::Receiver<Order>> {
    let (tell, orders) = mpsc::channel(4);
    for (kind, order) in [
        (SignalKind::terminate(), Order::Stop),
        (SignalKind::interrupt(), Order::Stop),
        (SignalKind::hangup(), Order::Reload),
    ] {
        let mut signals = signal(kind)?;
        let tell = tell.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if tell.send(order).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(orders)
}
