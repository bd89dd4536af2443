//! `grantwatch policies`: what policies allow, fetched, compared and asked without any daemon.
//!
//! Invariant: nothing here decides what a policy means; the room `iam` does.

use clap::Args;
use clap::Subcommand;

use crate::cli::Exit;

mod allowed;
mod compare;
mod escalations;
mod fetch;

/// Ask policies what they allow, and AWS which there are.
#[derive(Debug, Args)]
pub struct PoliciesArgs {
    #[command(subcommand)]
    command: PoliciesCommand,
}

#[derive(Debug, Subcommand)]
enum PoliciesCommand {
    Allowed(allowed::AllowedArgs),
    Escalations(escalations::EscalationsArgs),
    Compare(compare::CompareArgs),
    Fetch(Box<fetch::FetchArgs>),
}

/// Returns a text without the byte order mark with which some editors begin a file: it is no JSON and cannot be seen.
fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

pub(super) fn run(args: &PoliciesArgs) -> anyhow::Result<Exit> {
    match &args.command {
        PoliciesCommand::Allowed(args) => allowed::run(args),
        PoliciesCommand::Escalations(args) => escalations::run(args),
        PoliciesCommand::Compare(args) => compare::run(args),
        PoliciesCommand::Fetch(args) => fetch::run(args),
    }
}
