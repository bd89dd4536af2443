//! `grantwatch detectors`: what can raise an alert, and whether it is in order.

use std::path::PathBuf;

use clap::Args;
use clap::Subcommand;

use crate::cli::Exit;

/// List, check and test detectors: the built-in ones and your own.
#[derive(Debug, Args)]
pub struct DetectorsArgs {
    #[command(subcommand)]
    command: DetectorsCommand,
}

#[derive(Debug, Subcommand)]
enum DetectorsCommand {
    /// List the detectors with their severity and title.
    List(Which),
    /// Report every mistake in the detectors' files; fails if there is one.
    Lint(Which),
    /// Run the tests that stand in the detectors' files; fails if one fails.
    Test(Which),
}

/// Which detectors are meant.
#[derive(Debug, Args)]
struct Which {
    /// Files and folders with detectors, in addition to the built-in ones.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Leave the built-in detectors out.
    #[arg(long)]
    no_builtin: bool,
}

pub(super) fn run(args: &DetectorsArgs) -> anyhow::Result<Exit> {
    let (DetectorsCommand::List(which)
    | DetectorsCommand::Lint(which)
    | DetectorsCommand::Test(which)) = &args.command;
    anyhow::bail!(
        "`detectors` is not wired yet (paths: {:?}, no builtin: {})",
        which.paths,
        which.no_builtin
    )
}
