//! `grantwatch evaluate`: scores alerts against the truth of a simulation.

use std::fmt;
use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::ValueEnum;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use comfy_table::presets;

use crate::cli::Exit;
use crate::cli::output::Screen;
use crate::cli::output::printable;
use crate::cli::severity;
use crate::model::Alert;
use crate::model::Duration;
use crate::model::Severity;
use crate::simulate::evaluate::Finding;
use crate::simulate::evaluate::IncidentScore;
use crate::simulate::evaluate::Named;
use crate::simulate::evaluate::Scores;
use crate::simulate::evaluate::Totals;
use crate::simulate::evaluate::Truths;
use crate::simulate::evaluate::evaluate;
use crate::simulate::truth;
use crate::simulate::truth::Line;

/// The longest line that is read: an alert is a few hundred kilobytes at most.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// Score alerts against the truth that `simulate` wrote.
///
/// Says of each incident whether it was detected, by which detectors, how soon and whether the right identity was named;
/// of all alerts, how many belong to no incident; of each detector, its precision and recall.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// What happened: the truth.ndjson that `simulate` wrote.
    #[arg(long, value_name = "FILE")]
    truth: PathBuf,

    /// What was found, one alert a line: what `scan --format ndjson` prints or a file sink writes; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    alerts: PathBuf,

    /// How the scores are printed.
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,

    /// Leave out alerts below this severity.
    #[arg(long, value_name = "SEVERITY", value_parser = severity(), default_value = "informational")]
    min_severity: Severity,

    /// Exit with 3 if a smaller share of the incidents was detected.
    #[arg(long, value_name = "RECALL", value_parser = share)]
    fail_under: Option<f64>,
}

/// How scores are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// One JSON object with everything.
    Json,
}

fn share(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|it| (0.0..=1.0).contains(it));
    found.ok_or_else(|| "a number from 0 to 1".to_owned())
}

pub(super) fn run(args: &EvaluateArgs) -> anyhow::Result<Exit> {
    let mut bad = Vec::new();
    let truths = truths(&args.truth, &mut bad)?;
    let alerts = alerts(&args.alerts, &mut bad)?;
    bad.iter().try_for_each(|line| writeln!(io::stderr(), "{line}"))?;
    let scores = evaluate(&truths, alerts, args.min_severity);
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        Form::Table => table(&mut out, &scores)?,
        Form::Json => {
            serde_json::to_writer_pretty(&mut out, &scores)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    let is_under = args.fail_under.zip(scores.totals.recall).is_some_and(|(least, it)| it < least);
    Ok(match () {
        // Scores without what could not be read may be better or worse than they should.
        () if !bad.is_empty() => Exit::Failed,
        () if is_under => Exit::Found,
        () => Exit::Done,
    })
}

/// A line that could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    file: PathBuf,
    line: u64,
    what: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, printable(&self.what))
    }
}

/// Reads the truth at `path`.
pub(super) fn truths(path: &Path, bad: &mut Vec<BadLine>) -> anyhow::Result<Truths> {
    let mut truths = Truths::default();
    for line in lines(path, truth::read, bad)? {
        match line {
            Line::Simulation(simulation) => truths.simulation = Some(simulation),
            Line::Incident(incident) => truths.incidents.push(incident),
        }
    }
    Ok(truths)
}

fn alerts(path: &Path, bad: &mut Vec<BadLine>) -> anyhow::Result<Vec<Alert>> {
    let read = |line: &str| {
        let alert: Alert = serde_json::from_str(line)?;
        match alert.schema_version {
            Alert::SCHEMA => Ok(alert),
            other => {
                let text =
                    format!("an alert of version {other}; this program reads {}", Alert::SCHEMA);
                Err(serde::de::Error::custom(text))
            }
        }
    };
    lines(path, read, bad)
}

/// Reads the lines of a file; those that cannot be read go to `bad`, each with its number.
fn lines<T>(
    path: &Path,
    read: impl Fn(&str) -> serde_json::Result<T>,
    bad: &mut Vec<BadLine>,
) -> anyhow::Result<Vec<T>> {
    let tried = || format!("could not read {}", path.display());
    let mut file: Box<dyn BufRead> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(path).with_context(tried)?)),
    };
    let (mut found, mut bytes) = (Vec::new(), Vec::new());
    for line in 1.. {
        bytes.clear();
        if (&mut file).take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes).with_context(tried)? == 0
        {
            break;
        }
        let mut refuse = |what: String| bad.push(BadLine { file: path.to_owned(), line, what });
        match std::str::from_utf8(&bytes).map(str::trim) {
            Err(_) => refuse("it is not UTF-8".to_owned()),
            Ok("") => {}
            Ok(text) => match read(text) {
                Ok(it) => found.push(it),
                // Each line is read by itself, so its number there is always 1.
                Err(error) => {
                    refuse(error.to_string().replace(" at line 1 column ", " at column "))
                }
            },
        }
    }
    Ok(found)
}

fn table(out: &mut dyn Write, scores: &Scores) -> io::Result<()> {
    let mut incidents = plain(["incident", "found", "severity", "after", "identity", "detectors"]);
    for incident in &scores.incidents {
        let IncidentScore { name, finding, severity, detectors, identity, .. } = incident;
        incidents.add_row([
            printable(name).into_owned(),
            if *finding == Finding::Detected { "detected" } else { "MISSED" }.to_owned(),
            severity.map_or("", Severity::name).to_owned(),
            after(incident.seconds_to_alert),
            match identity {
                Named::Right => "right",
                Named::Wrong => "WRONG",
                Named::Open => "",
            }
            .to_owned(),
            printable(&detectors.join(", ")).into_owned(),
        ]);
    }
    let mut detectors = plain(["detector", "alerts", "true", "precision", "incidents", "recall"]);
    for detector in &scores.detectors {
        detectors.add_row([
            printable(&detector.detector).into_owned(),
            detector.alerts.to_string(),
            detector.true_alerts.to_string(),
            percent(detector.precision),
            detector.incidents.to_string(),
            percent(detector.recall),
        ]);
    }
    for table in [incidents, detectors] {
        if !table.is_empty() {
            table.lines().try_for_each(|line| writeln!(out, "{}", line.trim_end()))?;
            writeln!(out)?;
        }
    }
    summary(out, scores)
}

/// Writes the totals in a few lines.
pub(super) fn summary(out: &mut dyn Write, scores: &Scores) -> io::Result<()> {
    let Totals { incidents, detected, alerts, true_alerts, .. } = &scores.totals;
    let missed = scores.incidents.iter().filter(|it| it.finding == Finding::Missed);
    let missed: Vec<&str> = missed.map(|it| it.name.as_str()).collect();
    write!(out, "{detected} of {incidents} incidents detected")?;
    match scores.totals.recall {
        Some(_) if missed.is_empty() => writeln!(out)?,
        Some(_) => writeln!(out, "; missed: {}", printable(&missed.join(", ")))?,
        None => writeln!(out)?,
    }
    if let Some(median) = scores.totals.median_seconds_to_alert {
        write!(out, "first alert after {} (median)", after(Some(median)))?;
        match scores.totals.identity_accuracy {
            Some(share) => writeln!(out, "; the right identity named in {}", percent(Some(share)))?,
            None => writeln!(out)?,
        }
    }
    let precision = scores.totals.precision.map(|it| format!(" ({})", percent(Some(it))));
    write!(
        out,
        "{true_alerts} of {alerts} alerts{} belong to an incident; the others, a day:",
        precision.unwrap_or_default(),
    )?;
    for severity in ["critical", "high", "medium", "low", "informational"] {
        let a_day = scores.totals.false_alerts_per_day.get(severity).copied().unwrap_or_default();
        write!(out, " {a_day:.1} {severity}")?;
    }
    writeln!(out, " ({:.1} days)", scores.days)
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.force_no_tty();
    table.set_header(header);
    if let Screen::Columns(columns) = Screen::here() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table
}

fn after(seconds: Option<i64>) -> String {
    let span = |seconds: i64| Duration::from_secs(seconds.unsigned_abs()).to_string();
    seconds.map_or_else(String::new, span)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.0}%", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_told_with_its_number_and_costs_that_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.ndjson");
        std::fs::write(&file, b"1\n\n[\nx\n\xff\n2\n").unwrap();
        let mut bad = Vec::new();
        let read = |line: &str| serde_json::from_str::<u32>(line);
        assert_eq!(lines(&file, read, &mut bad).unwrap(), [1, 2]);
        let told: Vec<String> = bad.iter().map(BadLine::to_string).collect();
        assert_eq!(told.len(), 3);
        assert!(told[0].contains("a.ndjson:3: "), "{told:?}");
        assert!(told[1].ends_with("a.ndjson:4: expected value at column 1"), "{told:?}");
        assert!(told[2].ends_with("a.ndjson:5: it is not UTF-8"), "{told:?}");
    }

    #[test]
    fn shares_and_times_read_well() {
        assert_eq!((percent(Some(0.5)), percent(None)), ("50%".to_owned(), "-".to_owned()));
        assert_eq!((after(Some(372)), after(None)), ("6m12s".to_owned(), String::new()));
        assert!(share("1.1").is_err() && share("x").is_err() && share("0.9").is_ok());
    }
}
