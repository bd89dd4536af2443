//! `grantwatch grants import`: messages from files into the store.

use std::io;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::Exit;
use crate::cli::grants::AtStore;
use crate::cli::grants::Spoken;
use crate::cli::grants::files;
use crate::cli::grants::files::Written;
use crate::cli::grants::save;
use crate::cli::output::printable;
use crate::cli::when::now;
use crate::grants::Applied;
use crate::grants::Evidence;
use crate::grants::message::MessageError;
use crate::grants::message::read;

/// Read messages from files and folders into the store.
///
/// What could not be read is told with its file, line and field, and costs nothing else; then this fails, with the rest
/// kept. Reading the same again changes nothing.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Files and folders with messages; `-` is standard input. In folders, files that end in .json, .ndjson, .jsonl,
    /// .yaml, .yml or .csv are read.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    at: AtStore,
    #[command(flatten)]
    spoken: Spoken,
    /// How they are written down; told by the files' names, or JSON for standard input.
    #[arg(long, value_enum)]
    form: Option<Written>,
}

#[derive(Debug, Default)]
struct Counts {
    new: u64,
    known: u64,
    contradicting: u64,
    passed: u64,
    wrong: u64,
}

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<Exit> {
    let (preset, limits, arrived) = (args.spoken.preset()?, args.spoken.limits(), now());
    let (mut store, mut ledger) = args.at.open()?;
    let mut counts = Counts::default();
    let mut err = io::stderr().lock();
    for path in files::below(&args.paths)? {
        let mut wrong = |counts: &mut Counts, error: &MessageError| {
            counts.wrong += 1;
            writeln!(err, "{}: {}", path.display(), printable(&error.to_string()))
        };
        files::each(&path, args.form, &mut |found| {
            let (line, value) = match found {
                Ok(found) => found,
                Err(error) => return Ok(wrong(&mut counts, &error)?),
            };
            let outcomes = match &preset {
                None => vec![read(&value, &limits).map(Some)],
                Some(preset) => preset.map_all(&value, &limits),
            };
            for outcome in outcomes {
                let version = match outcome {
                    Ok(Some(version)) => version,
                    Ok(None) => {
                        counts.passed += 1;
                        continue;
                    }
                    Err(error) => {
                        wrong(&mut counts, &MessageError { line, ..error })?;
                        continue;
                    }
                };
                let from = format!("{}:{line}", path.display()).into();
                *match ledger.apply(version, Evidence { from, arrived }) {
                    Applied::New => &mut counts.new,
                    Applied::Duplicate => &mut counts.known,
                    Applied::Conflict => &mut counts.contradicting,
                } += 1;
            }
            Ok(())
        })?;
    }
    save(&mut store, &mut ledger)?;
    let Counts { new, known, contradicting, passed, wrong } = counts;
    writeln!(
        err,
        "{new} new, {known} known, {contradicting} contradicting what was said before, \
         {passed} not about a grant, {wrong} not read; {} grants in the store",
        ledger.len()
    )?;
    Ok(if wrong == 0 { Exit::Done } else { Exit::Failed })
}
