//! `grantwatch completions`: a script that lets a shell complete our command line.

use std::io;
use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::cli::Exit;

/// Print a script for shell completion, as in `grantwatch completions bash > /etc/bash_completion.d/grantwatch`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "grantwatch", &mut script);
    io::stdout().write_all(&script).context("could not write to standard output")?;
    Ok(Exit::Done)
}
