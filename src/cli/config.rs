//! `grantwatch config`: checks the operator's file, and prints what could stand in it.

use std::io;
use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use clap::Subcommand;

use crate::cli::ConfigFile;
use crate::cli::Exit;
use crate::config;

/// Check the configuration, or print what could stand in it.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Report every mistake in the configuration at once; nothing is started or connected to.
    Check(ConfigFile),
    /// Print a configuration with every key at its default and what it does.
    Example,
    /// Print the JSON schema of the configuration, for editors.
    Schema,
}

pub(super) fn run(args: &ConfigArgs) -> anyhow::Result<Exit> {
    let text = match &args.command {
        ConfigCommand::Check(file) => {
            let config = config::read(&file.config)?;
            for (key, what) in config.policies.hints() {
                writeln!(io::stderr().lock(), "hint: policies.{key}: {what}")?;
            }
            format!("{}: no mistakes\n", file.config.display())
        }
        ConfigCommand::Example => config::example(),
        ConfigCommand::Schema => format!("{:#}\n", config::schema()),
    };
    io::stdout().write_all(text.as_bytes()).context("could not write to standard output")?;
    Ok(Exit::Done)
}
