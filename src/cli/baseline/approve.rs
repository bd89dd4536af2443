//! `grantwatch baseline approve` and `export`: what stands becomes what was agreed on, with who and why.

use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::baseline::Both;
use crate::cli::baseline::Stands;
use crate::cli::baseline::now;
use crate::cli::output::printable;
use crate::iam::State;
use crate::iam::baseline;
use crate::iam::baseline::written;

/// The file in which it stands who agreed to what.
const APPROVED: &str = "approved.ndjson";

/// Make what stands the baseline: all of it, or one target.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    both: Both,
    /// Who agrees.
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why: an order, a ticket.
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// Write what stands as a baseline into a folder.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    stands: Stands,
    /// The folder; files of the same name in it are overwritten.
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let count = write(&args.stands.read()?, &args.to)?;
    writeln!(io::stderr().lock(), "{count} files in {}", args.to.display())?;
    Ok(Exit::Done)
}

pub(super) fn run(args: &ApproveArgs) -> anyhow::Result<Exit> {
    let folder = &args.both.baseline;
    fs::create_dir_all(folder)
        .with_context(|| format!("could not make the folder {}", folder.display()))?;
    let is_new = fs::read_dir(folder)?.next().is_none();
    let (mut agreed, stands) = match is_new {
        true => (State::default(), args.both.stands.read()?),
        false => args.both.read()?,
    };
    let departures = match (is_new, &args.both.target) {
        (true, Some(target)) => {
            anyhow::bail!(
                "there is no baseline yet that {target} could become a part of; leave --target out"
            )
        }
        (true, None) => Vec::new(),
        (false, _) => args.both.departures(&agreed, &stands),
    };
    for departure in &departures {
        baseline::agree(&mut agreed, &stands, &departure.target);
    }
    let is_all = args.both.target.is_none();
    write(if is_all { &stands } else { &agreed }, folder)?;
    let targets: Vec<&str> = departures.iter().map(|departure| &*departure.arn).collect();
    let line = json!({
        "time": now().to_string(), "by": args.by, "why": args.why,
        "target": args.both.target, "changed": targets,
    });
    let path = folder.join(APPROVED);
    let failed = || format!("could not write {}", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(&path).with_context(failed)?;
    writeln!(file, "{line}").with_context(failed)?;
    let mut out = io::stdout().lock();
    for target in targets {
        writeln!(out, "{}", printable(target))?;
    }
    Ok(Exit::Done)
}

/// Writes a state into a folder; returns how many files.
fn write(state: &State, folder: &Path) -> anyhow::Result<usize> {
    fs::create_dir_all(folder)
        .with_context(|| format!("could not make the folder {}", folder.display()))?;
    let files = written::files(state);
    for (name, value) in &files {
        let path = folder.join(name);
        let text = serde_json::to_string_pretty(value).context("could not write JSON")?;
        fs::write(&path, text + "\n")
            .with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(files.len())
}
