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
use crate::cli::asked;
use crate::cli::stands::Stands;
use crate::cli::when::now;
use crate::iam::Snapshot;
use crate::iam::State;
use crate::iam::baseline;
use crate::iam::baseline::Departure;
use crate::iam::baseline::named::Named;
use crate::iam::drift::difference::Measure;
use crate::iam::snapshot;

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

/// What stands, and what should.
#[derive(Debug, Args)]
struct Both {
    #[command(flatten)]
    stands: Stands,
    /// The baseline: a folder that `baseline approve` wrote, or a snapshot.
    #[arg(long, value_name = "PATH", required_unless_present = "config")]
    baseline: Option<PathBuf>,
    /// Only this user, group, role, policy, bucket, permission set, root or unit, by its ARN or id; an account's id for all
    /// that is in it; `organization` or `identity-center`.
    #[arg(long, value_name = "NAME", value_parser = asked::something)]
    target: Option<String>,
}

impl Both {
    /// Returns where the baseline is.
    fn baseline(&self) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.baseline {
            return Ok(path.clone());
        }
        let config = self.stands.config()?;
        let configured = config.and_then(|config| config.policies.baseline);
        configured.context(
            "the configuration names no baseline: set `policies.baseline`, or give --baseline",
        )
    }

    /// Returns what should stand and what does; of a baseline that is not there yet, nothing should.
    fn read(&self) -> anyhow::Result<(State, State)> {
        let path = self.baseline()?;
        let agreed = if path.exists() { read(&[path])?.state } else { State::default() };
        Ok((agreed, self.stands.read(None)?))
    }

    /// Returns what should stand, what does, and how they differ.
    ///
    /// # Errors
    /// When there is no baseline, or neither has what is named: nothing would differ.
    fn compared(&self) -> anyhow::Result<(State, Vec<Departure>)> {
        let (agreed, stands) =
            (asked::snapshot(&[self.baseline()?])?.state, self.stands.read(None)?);
        let found = self.departures(&agreed, &stands);
        if let Some(name) = self.target.as_deref().filter(|_| found.is_empty()) {
            let is_there = Named::read(name).is_in(&agreed, &stands);
            anyhow::ensure!(
                is_there,
                "--target: neither what stands nor the baseline has `{name}`"
            );
        }
        Ok((agreed, found))
    }

    /// Returns what differs.
    fn departures(&self, agreed: &State, stands: &State) -> Vec<Departure> {
        let ours = agreed.accounts.keys().chain(stands.accounts.keys()).cloned().collect();
        let measure = Measure { account: "".into(), ours: Arc::new(ours), now: now() };
        let mut found = baseline::departures(agreed, stands, &measure);
        if let Some(named) = self.target.as_deref().map(Named::read) {
            found.retain(|departure| named.covers(departure));
        }
        found
    }
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Snapshot> {
    let shown = |paths: &[PathBuf]| {
        let all: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        all.join(", ")
    };
    let read = snapshot::read(paths);
    read.with_context(|| format!("could not read {}", shown(paths)))
}

pub(super) fn run(args: &BaselineArgs) -> anyhow::Result<Exit> {
    match &args.command {
        BaselineCommand::Status(args) => diff::status(args),
        BaselineCommand::Diff(args) => diff::run(args),
        BaselineCommand::Approve(args) => approve::run(args),
        BaselineCommand::Export(args) => approve::export(args),
    }
}
