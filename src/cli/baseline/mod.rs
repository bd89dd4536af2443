//! `grantwatch baseline`: what was agreed on, and how what stands differs from it in effect.
//!
//! Invariant: nothing here decides what differs; the room `iam` does.

mod approve;
mod diff;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use clap::Subcommand;

use crate::cli::Exit;
use crate::iam::State;
use crate::iam::baseline;
use crate::iam::baseline::Departure;
use crate::iam::drift::difference::Measure;
use crate::iam::snapshot;
use crate::model::Seconds;
use crate::pipeline::dispatch::Clock as _;
use crate::pipeline::dispatch::WallClock;

/// Hold what stands against what was agreed on, and agree on it.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    #[command(subcommand)]
    command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
enum BaselineCommand {
    Status(diff::StatusArgs),
    Diff(diff::DiffArgs),
    Approve(approve::ApproveArgs),
    Export(approve::ExportArgs),
}

/// What stands.
#[derive(Debug, Args)]
struct Stands {
    /// Snapshots of what stands: files and folders of `aws iam get-account-authorization-details`.
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    snapshot: Vec<PathBuf>,
}

/// What stands, and what should.
#[derive(Debug, Args)]
struct Both {
    #[command(flatten)]
    stands: Stands,
    /// The baseline: a folder that `baseline approve` wrote, or a snapshot.
    #[arg(long, value_name = "PATH")]
    baseline: PathBuf,
    /// Only this user, group, role, policy or permission set.
    #[arg(long, value_name = "ARN")]
    target: Option<String>,
}

impl Stands {
    fn read(&self) -> anyhow::Result<State> {
        read(&self.snapshot)
    }
}

impl Both {
    /// Returns what should stand and what does.
    fn read(&self) -> anyhow::Result<(State, State)> {
        Ok((read(std::slice::from_ref(&self.baseline))?, self.stands.read()?))
    }

    /// Returns what differs.
    fn departures(&self, agreed: &State, stands: &State) -> Vec<Departure> {
        let ours = agreed.accounts.keys().chain(stands.accounts.keys()).cloned().collect();
        let measure = Measure { account: "".into(), ours: Arc::new(ours), now: now() };
        let mut found = baseline::departures(agreed, stands, &measure);
        if let Some(target) = &self.target {
            found.retain(|departure| *departure.arn == **target);
        }
        found
    }
}

fn now() -> Seconds {
    WallClock.now()
}

fn read(paths: &[PathBuf]) -> anyhow::Result<State> {
    let shown = |paths: &[PathBuf]| {
        let all: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        all.join(", ")
    };
    let read = snapshot::read(paths);
    Ok(read.with_context(|| format!("could not read {}", shown(paths)))?.state)
}

pub(super) fn run(args: &BaselineArgs) -> anyhow::Result<Exit> {
    match &args.command {
        BaselineCommand::Status(args) => diff::status(args),
        BaselineCommand::Diff(args) => diff::run(args),
        BaselineCommand::Approve(args) => approve::run(args),
        BaselineCommand::Export(args) => approve::export(args),
    }
}
