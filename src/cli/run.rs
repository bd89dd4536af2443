//! `grantwatch run`: the daemon.

use clap::Args;

use crate::cli::ConfigFile;
use crate::cli::Exit;

/// Run the daemon: read the configured sources and send alerts, until told to stop.
///
/// SIGTERM and SIGINT finish what was begun, within `pipeline.drain_timeout`, and end the process. SIGHUP loads
/// the detectors and sinks anew; if the new ones are wrong, the old ones stay.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let config = crate::config::read(&args.file.config)?;
    crate::telemetry::init(&config.log)?;
    anyhow::bail!("`run` is not wired yet")
}
