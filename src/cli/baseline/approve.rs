//! `grantwatch baseline approve` and `export`: what stands becomes what was agreed on, with who and why.

use std::collections::BTreeMap;
use std::fs;
use std::fs::OpenOptions;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use serde_json::json;

use crate::cli::Exit;
use crate::cli::asked;
use crate::cli::baseline::Both;
use crate::cli::output::printable;
use crate::cli::stands::Stands;
use crate::cli::when::moment;
use crate::cli::when::now;
use crate::iam::State;
use crate::iam::baseline::agree::agree_all;
use crate::iam::baseline::named::Named;
use crate::iam::baseline::written;
use crate::iam::snapshot;
use crate::model::Seconds;

/// The file in which it stands who agreed to what.
const APPROVED: &str = "approved.ndjson";

/// Make what stands the baseline: all of it, or one target.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    both: Both,
    /// Who agrees.
    #[arg(long, value_name = "WHO", value_parser = asked::something)]
    by: String,
    /// Why: an order, a ticket.
    #[arg(long, value_name = "TEXT", value_parser = asked::something)]
    why: String,
}

/// Write what stands as a baseline into a folder.
#[derive(Debug, Args)]
#[command(
    override_usage = "grantwatch baseline export <FOLDER> --snapshot <PATH>...\n       grantwatch baseline export <FOLDER> --config <FILE> [--as-of <TIME>]"
)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    stands: Stands,
    /// The folder, named before --snapshot, which takes all that follows; what was exported into it before is overwritten.
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    /// Write what stood then, as a store kept it: what a change took away is put back from that.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<Seconds>,
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let has_store = args.stands.store.is_some() || args.stands.config.is_some();
    anyhow::ensure!(
        has_store || args.as_of.is_none(),
        "--as-of asks a store what stood then: name it with --store or --config"
    );
    let count = write(&args.stands.read(args.as_of)?, &args.to)?;
    writeln!(io::stderr().lock(), "{count} files in {}", args.to.display())?;
    Ok(Exit::Done)
}

pub(super) fn run(args: &ApproveArgs) -> anyhow::Result<Exit> {
    let folder = &args.both.baseline()?;
    anyhow::ensure!(
        !folder.is_file(),
        "{} is a file, and what is agreed on is written into a folder: write one with `grantwatch baseline export`",
        folder.display()
    );
    let (mut agreed, stands) = args.both.read()?;
    let changed: Vec<Box<str>> = match &args.both.target {
        Some(name) => Named::read(name).agree(&mut agreed, &stands)?,
        None => {
            let found = args.both.departures(&agreed, &stands);
            agree_all(&mut agreed, &stands);
            found.into_iter().map(|departure| departure.arn).collect()
        }
    };
    let count = write(&agreed, folder)?;
    let line = json!({
        "time": now().to_string(), "by": args.by, "why": args.why,
        "target": args.both.target, "changed": changed,
    });
    let path = folder.join(APPROVED);
    let failed = || format!("could not write {}", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(&path).with_context(failed)?;
    writeln!(file, "{line}").with_context(failed)?;
    let mut out = io::stdout().lock();
    for target in &changed {
        writeln!(out, "{}", printable(target))?;
    }
    writeln!(io::stderr().lock(), "{count} files in {}", folder.display())?;
    Ok(Exit::Done)
}

/// Writes a state into a folder; returns how many files.
fn write(state: &State, folder: &Path) -> anyhow::Result<usize> {
    fs::create_dir_all(folder)
        .with_context(|| format!("could not make the folder {}", folder.display()))?;
    let files = written::files(state);
    let others = others(folder, &files)?;
    if !others.is_empty() {
        anyhow::bail!(
            "these files would be read beside what is written, and would go on saying what they say: {}; what is still true of \
             them is written into files of its own, so remove them or name another folder",
            others.join(", ")
        );
    }
    for (name, value) in &files {
        let (path, part) = (folder.join(name), folder.join(format!("{name}.part")));
        let failed = || format!("could not write {}", path.display());
        let text = serde_json::to_string_pretty(value).context("could not write JSON")?;
        fs::write(&part, text + "\n").with_context(failed)?;
        // A daemon that starts meanwhile reads a whole file or the one before.
        fs::rename(&part, &path).with_context(failed)?;
    }
    Ok(files.len())
}

/// Returns the files of a folder that are read as a snapshot and that `files` does not replace.
fn others(folder: &Path, files: &BTreeMap<String, Value>) -> anyhow::Result<Vec<String>> {
    let failed = || format!("could not look into {}", folder.display());
    let all = snapshot::files(&[folder]).with_context(failed)?;
    let is_replaced = |path: &&PathBuf| files.keys().any(|name| **path == folder.join(name));
    Ok(all
        .iter()
        .filter(|path| !is_replaced(path))
        .map(|path| path.display().to_string())
        .collect())
}
