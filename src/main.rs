//! The binary: hands over to `cli`, and turns what comes back into an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use grantwatch::cli;

fn main() -> ExitCode {
    let error = match cli::run(cli::Cli::parse()) {
        Ok(exit) => return exit.into(),
        Err(error) => error,
    };
    // `grantwatch scan logs | head` ends because its reader has seen enough: that is no failure.
    if cli::is_broken_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    // Standard error may be closed too; then there is nobody left to tell, and the exit code stands.
    if write!(std::io::stderr(), "{}", cli::Told(&error)).is_err() {
        return ExitCode::FAILURE;
    }
    cli::Exit::of(&error).into()
}
