//! The command line: one file per subcommand, thin; what they do is done by the rooms.
//!
//! Standard output carries results only; logs, progress and errors go to standard error. `anyhow` lives here
//! and in `main.rs` alone.
//!
//! Invariant: no subcommand reads the environment but for `GRANTWATCH_CONFIG`, which names the configuration.

mod asked;
mod baseline;
mod completions;
mod config;
mod demo;
mod detectors;
mod evaluate;
mod grants;
mod outbox;
pub mod output;
mod policies;
mod run;
mod scan;
mod simulate;
mod standing;
mod stands;
mod ways;
mod when;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::Parser;
use clap::Subcommand;

use crate::config::ConfigError;
use crate::model::Severity;

/// Watches AWS activity and says, for each privileged action, who did it and what made it possible.
///
/// Reads CloudTrail and VPC flow logs from SQS and S3 (`run`) or from files (`scan`), evaluates Sigma rules over
/// the records and what it learned about them, and sends explained, deduplicated alerts.
#[derive(Debug, Parser)]
#[command(name = "grantwatch", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or the configuration is wrong
  3  `scan --fail-on` found an alert of that severity or above, `evaluate --fail-under` a smaller share, or `baseline
     status` and `baseline diff` more access than was agreed on
`policies compare` ends with 1 where access grew, and with 2 where it could not compare.

To see it work at once: grantwatch demo";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Scan(Box<scan::ScanArgs>),
    Demo(demo::DemoArgs),
    Simulate(Box<simulate::SimulateArgs>),
    Evaluate(evaluate::EvaluateArgs),
    Grants(grants::GrantsArgs),
    Baseline(baseline::BaselineArgs),
    Policies(policies::PoliciesArgs),
    Detectors(detectors::DetectorsArgs),
    Standing(Box<standing::StandingArgs>),
    Outbox(outbox::OutboxArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
}

/// The configuration file.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file; `grantwatch config example` prints one to begin with.
    #[arg(
        long,
        short,
        value_name = "FILE",
        env = "GRANTWATCH_CONFIG",
        default_value = "grantwatch.toml"
    )]
    pub config: PathBuf,
}

/// How a subcommand that did its work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// It could not do its work.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// Done: the policies allow more than they did.
    Grew,
    /// Done, and there is what the caller asked to be told of: an alert of some severity, a recall that is too small.
    Found,
}

impl Exit {
    /// Returns how the process ends for `error`.
    pub fn of(error: &anyhow::Error) -> Self {
        match error.chain().any(|cause| cause.is::<ConfigError>()) {
            true => Self::Usage,
            false => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed | Exit::Grew => 1,
            Exit::Usage => 2,
            Exit::Found => 3,
        })
    }
}

/// Does what the command line asks for.
///
/// # Errors
/// When it could not be done; the whole chain is for the person who asked.
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Scan(args) => scan::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Grants(args) => grants::run(&args),
        Command::Baseline(args) => baseline::run(&args),
        Command::Policies(args) => policies::run(&args),
        Command::Detectors(args) => detectors::run(&args),
        Command::Standing(args) => standing::run(&args),
        Command::Outbox(args) => outbox::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// Returns whether the reader of our output went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json =
            cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}

/// Shows an error to the person at the terminal: what failed, then each cause on its own line.
#[derive(Debug)]
pub struct Told<'a>(pub &'a anyhow::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "grantwatch: {}", self.0)?;
        for cause in self.0.chain().skip(1) {
            writeln!(f, "  because: {cause}")?;
        }
        Ok(())
    }
}

/// Reads a severity as Sigma spells it.
fn severity() -> impl clap::builder::TypedValueParser<Value = Severity> {
    use clap::builder::PossibleValuesParser;
    use clap::builder::TypedValueParser as _;
    const ALL: [Severity; 5] = [
        Severity::Informational,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];
    PossibleValuesParser::new(ALL.map(Severity::name)).map(|name| {
        let found = ALL.into_iter().find(|severity| severity.name() == name);
        found.expect("the parser lets only these names through")
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_configuration_is_a_mistake_of_usage_and_a_closed_pipe_is_none() {
        let wrong = ConfigError::TooLarge { path: "a.toml".into(), limit: 1 };
        let wrong = anyhow::Error::new(wrong).context("could not start");
        assert_eq!(Exit::of(&wrong), Exit::Usage);
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::new(closed).context("could not write alerts")));
        let other = anyhow::anyhow!("no");
        assert!(!is_broken_pipe(&other));
        assert_eq!(Exit::of(&other), Exit::Failed);
    }

    #[test]
    fn an_error_is_told_with_all_its_causes() {
        let error =
            anyhow::anyhow!("no route").context("could not reach it").context("could not start");
        assert_eq!(
            Told(&error).to_string(),
            "grantwatch: could not start\n  because: could not reach it\n  because: no route\n"
        );
    }
}
