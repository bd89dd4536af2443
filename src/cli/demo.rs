//! `grantwatch demo`: the daemon over sample deliveries, without an account or a configuration.

use clap::Args;

use crate::cli::Exit;

/// Show what it does, in seconds: the real daemon over sample deliveries, with a receiver for its alerts.
///
/// Needs no AWS account and no configuration. Everything stays on this machine, in a temporary folder.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the temporary folder with the store, and say where it is.
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    anyhow::bail!("`demo` is not wired yet (keep: {})", args.keep)
}
