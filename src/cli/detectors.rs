//! `grantwatch detectors`: what can raise an alert, and whether it is in order.

use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::Subcommand;
use comfy_table::Table;
use comfy_table::presets;

use crate::cli::Exit;
use crate::pipeline;
use crate::rules;
use crate::rules::Problem;
use crate::rules::Rules;
use crate::rules::Weight;

/// List, check and test detectors: the built-in ones and your own.
#[derive(Debug, Args)]
pub struct DetectorsArgs {
    #[command(subcommand)]
    command: DetectorsCommand,
}

#[derive(Debug, Subcommand)]
enum DetectorsCommand {
    /// List the detectors with their severity and title.
    List(Which),
    /// Report every mistake in the detectors' files; fails if there is one.
    Lint(Which),
    /// Run the tests that stand in the detectors' files; fails if one fails.
    Test(Which),
    /// List the facts that a rule may name, as a table in Markdown.
    Fields,
    /// List the built-in detectors as tables in Markdown, a table a folder.
    Catalogue,
}

/// Which detectors are meant.
#[derive(Debug, Args)]
struct Which {
    /// Files and folders with detectors, in addition to the built-in ones.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Leave the built-in detectors out.
    #[arg(long)]
    no_builtin: bool,
}

impl Which {
    fn load(&self) -> (Arc<Rules>, Vec<Problem>) {
        let paths = self.paths.clone();
        let config = rules::Config { paths, builtin: !self.no_builtin, ..rules::Config::default() };
        pipeline::load_detectors(&config)
    }
}

pub(super) fn run(args: &DetectorsArgs) -> anyhow::Result<Exit> {
    let mut out = io::stdout().lock();
    match &args.command {
        DetectorsCommand::List(which) => list(which, &mut out),
        DetectorsCommand::Lint(which) => lint(which, &mut out),
        DetectorsCommand::Test(which) => test(which, &mut out),
        DetectorsCommand::Fields => {
            write!(out, "{}", pipeline::fields_table())?;
            Ok(Exit::Done)
        }
        DetectorsCommand::Catalogue => {
            write!(out, "{}", pipeline::catalogue())?;
            Ok(Exit::Done)
        }
    }
}

fn list(which: &Which, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (rules, problems) = which.load();
    tell(&problems)?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["SEVERITY", "NAME", "TITLE", "TESTS"]);
    for detector in rules.detectors() {
        let tests = rules.test_count(&detector.id).to_string();
        table.add_row([detector.severity.name(), &detector.name, &detector.title, &tests]);
    }
    writeln!(out, "{}", table.trim_fmt())?;
    writeln!(out, "\n{} detectors", rules.detectors().count())?;
    Ok(Exit::Done)
}

fn lint(which: &Which, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (rules, problems) = which.load();
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    let count = |weight| problems.iter().filter(|problem| problem.weight == weight).count();
    let (errors, notices) = (count(Weight::Error), count(Weight::Notice));
    writeln!(
        out,
        "{} detectors in order, {errors} errors, {notices} notices",
        rules.detectors().count()
    )?;
    Ok(if errors == 0 { Exit::Done } else { Exit::Failed })
}

fn test(which: &Which, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (rules, problems) = which.load();
    tell(&problems)?;
    let tested = rules.test();
    let failed: Vec<_> = tested.iter().filter(|tested| tested.failure.is_some()).collect();
    for tested in &failed {
        writeln!(out, "{tested}")?;
    }
    let (passed, errors) = (
        tested.len() - failed.len(),
        problems.iter().any(|problem| problem.weight == Weight::Error),
    );
    writeln!(out, "{passed} passed, {} failed", failed.len())?;
    Ok(if failed.is_empty() && !errors { Exit::Done } else { Exit::Failed })
}

/// Problems go to standard error where the result is something else.
fn tell(problems: &[Problem]) -> io::Result<()> {
    let mut err = io::stderr().lock();
    problems.iter().try_for_each(|problem| writeln!(err, "{problem}"))
}
