//! Alerts on standard output, in the form that was asked for: `table`, `json`, `ndjson`, `csv`.
//!
//! Invariant: what a log says never reaches the terminal or a spreadsheet as more than text. Control characters
//! and characters that turn the reading direction are escaped; a cell that a spreadsheet would compute is not.

use std::io;
use std::io::Write;

use clap::ValueEnum;
use comfy_table::ColumnConstraint;
use comfy_table::ContentArrangement;
use comfy_table::Table;
use comfy_table::Width;
use comfy_table::presets;

use crate::model::Alert;
pub use crate::model::printable;
use crate::model::printable_json;
use crate::model::spreadsheet_cell;

/// How alerts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: one row an alert, as wide as the terminal.
    Table,
    /// One JSON array with everything known of each alert.
    Json,
    /// The same, one JSON object a line, as they come.
    Ndjson,
    /// For spreadsheets: one row an alert.
    Csv,
}

/// Where the table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A terminal of this many columns: long cells wrap.
    Columns(u16),
    /// A file or pipe: lines are as long as they need to be.
    Endless,
}

impl Screen {
    /// Returns where standard output leads to.
    pub fn here() -> Self {
        Table::new().width().map_or(Self::Endless, Self::Columns)
    }
}

const HEADER: [&str; 8] =
    ["severity", "time", "detector", "who", "account", "region", "count", "story"];

/// Writes `alerts` to `out`. All but the table are written as they come.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write(
    out: &mut dyn Write,
    format: Format,
    screen: Screen,
    alerts: &mut dyn Iterator<Item = Alert>,
) -> io::Result<()> {
    match format {
        Format::Table => table(out, screen, alerts),
        Format::Json => json(out, alerts),
        Format::Ndjson => ndjson(out, alerts),
        Format::Csv => csv(out, alerts),
    }
}

fn table(
    out: &mut dyn Write,
    screen: Screen,
    alerts: &mut dyn Iterator<Item = Alert>,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.force_no_tty();
    table.set_header(["severity", "time", "detector", "who", "where", "count", "story"]);
    if let Screen::Columns(columns) = screen {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    for alert in alerts {
        table.add_row([
            alert.severity.name().to_owned(),
            // With a space, so that a narrow table breaks between day and time.
            alert.first_seen.to_string().replace('T', " "),
            printable(&alert.detector).into_owned(),
            printable(&alert.who.name).into_owned(),
            printable(&place(&alert)).into_owned(),
            alert.count.to_string(),
            printable(&alert.story).into_owned(),
        ]);
    }
    if table.is_empty() {
        return Ok(());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    // Severity and count stay whole, a day stays on one line; names and the story share what is left.
    let constraints = [
        (0, ColumnConstraint::ContentWidth),
        (1, ColumnConstraint::LowerBoundary(Width::Fixed(11))),
        (5, ColumnConstraint::ContentWidth),
        (6, ColumnConstraint::LowerBoundary(Width::Percentage(30))),
    ];
    for (index, constraint) in constraints {
        let column = table.column_mut(index).expect("the header has seven columns");
        column.set_constraint(constraint);
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn place(alert: &Alert) -> String {
    match (alert.account.as_str(), alert.region.as_str()) {
        (account, "") => account.to_owned(),
        ("", region) => region.to_owned(),
        (account, region) => format!("{account}/{region}"),
    }
}

fn json(out: &mut dyn Write, alerts: &mut dyn Iterator<Item = Alert>) -> io::Result<()> {
    let mut before = "[\n";
    for alert in alerts {
        write!(out, "{before}{}", object(&alert)?)?;
        before = ",\n";
    }
    let end = if before == "[\n" { "[]\n" } else { "\n]\n" };
    out.write_all(end.as_bytes())
}

fn ndjson(out: &mut dyn Write, alerts: &mut dyn Iterator<Item = Alert>) -> io::Result<()> {
    for alert in alerts {
        writeln!(out, "{}", object(&alert)?)?;
    }
    Ok(())
}

/// Returns the alert's own JSON on one line, with what a terminal would act on escaped the JSON way.
fn object(alert: &Alert) -> io::Result<String> {
    Ok(printable_json(serde_json::to_string(alert)?))
}

fn csv(out: &mut dyn Write, alerts: &mut dyn Iterator<Item = Alert>) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(HEADER).map_err(unwritten)?;
    for alert in alerts {
        let row = [
            alert.severity.name(),
            &alert.first_seen.to_string(),
            &alert.detector,
            &alert.who.name,
            &alert.account,
            &alert.region,
            &alert.count.to_string(),
            &alert.story,
        ];
        rows.write_record(row.map(spreadsheet_cell)).map_err(unwritten)?;
    }
    rows.flush()
}

/// Keeps the kind of the error, by which a closed pipe is told from a full disk.
fn unwritten(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("could not write a row: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::is_unprintable;

    fn alert(story: &str) -> Alert {
        let alert = serde_json::json!({
            "schema_version": Alert::SCHEMA,
            "id": "a-1",
            "detector_id": "d-1",
            "detector": "trail_stopped",
            "severity": "high",
            "title": "Trail stopped",
            "story": story,
            "who": {
                "name": "person:ana@example.com",
                "kind": "person",
                "raw_type": "IAMUser",
                "raw_arn": "",
                "access_key": "",
            },
            "what": "cloudtrail:StopLogging",
            "account": "111122223333",
            "region": "eu-west-1",
            "source": "192.0.2.1",
            "user_agent": "",
            "facts": {},
            "event": {},
            "event_truncated": false,
            "event_ids": [],
            "attack": [],
            "respond": [],
            "falsepositives": [],
            "references": [],
            "group": {},
            "count": 2,
            "first_seen": "2026-03-01T08:12:30Z",
            "last_seen": "2026-03-01T08:13:30Z",
            "object": "",
        });
        serde_json::from_value(alert).unwrap()
    }

    fn written(format: Format, screen: Screen, stories: &[&str]) -> String {
        let mut out = Vec::new();
        let mut alerts = stories.iter().map(|story| alert(story));
        write(&mut out, format, screen, &mut alerts).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_in_a_file_is_as_wide_as_it_needs_to_be() {
        let shown = written(Format::Table, Screen::Endless, &["ana stopped the trail main"]);
        let rows: Vec<&str> = shown.lines().filter(|line| !line.starts_with(['─', '═'])).collect();
        assert_eq!(
            rows,
            [
                "severity  time                  detector       who                     where                   count  story",
                "high      2026-03-01 08:12:30Z  trail_stopped  person:ana@example.com  111122223333/eu-west-1  2      ana stopped the trail main",
            ]
        );
    }

    #[test]
    fn a_table_on_a_terminal_keeps_to_its_width_and_loses_nothing() {
        let story = "ana stopped the trail main in the account for everything of importance";
        for columns in [60, 90, 120] {
            let shown = written(Format::Table, Screen::Columns(columns), &[story]);
            let widest = shown.lines().map(|line| line.chars().count()).max();
            assert!(widest.is_some_and(|widest| widest <= usize::from(columns)), "\n{shown}");
            assert!(story.split(' ').all(|word| shown.contains(word)), "\n{shown}");
        }
    }

    #[test]
    fn csv_is_shown_and_never_computed() {
        let shown =
            written(Format::Csv, Screen::Endless, &["=cmd|'/c calc'!A0", "a, \"b\"\nc", "\t=1"]);
        assert_eq!(
            shown,
            "severity,time,detector,who,account,region,count,story\n\
             high,2026-03-01T08:12:30Z,trail_stopped,person:ana@example.com,111122223333,eu-west-1,2,'=cmd|'/c calc'!A0\n\
             high,2026-03-01T08:12:30Z,trail_stopped,person:ana@example.com,111122223333,eu-west-1,2,\"a, \"\"b\"\"\\nc\"\n\
             high,2026-03-01T08:12:30Z,trail_stopped,person:ana@example.com,111122223333,eu-west-1,2,'\\t=1\n"
        );
    }

    #[test]
    fn json_reads_back_whatever_the_story_holds() {
        let stories = ["plain", "\u{1b}[2J\u{9b}31m and \u{202e}desrever", "line\nbreak"];
        let array: Vec<Alert> =
            serde_json::from_str(&written(Format::Json, Screen::Endless, &stories)).unwrap();
        let lines = written(Format::Ndjson, Screen::Endless, &stories);
        let each: Vec<Alert> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(array, stories.map(alert));
        assert_eq!(each, array);
        assert!(!lines.contains(|letter| letter != '\n' && is_unprintable(letter)), "{lines:?}");
    }

    #[test]
    fn no_alerts_are_an_empty_list() {
        assert_eq!(written(Format::Json, Screen::Endless, &[]), "[]\n");
        assert_eq!(written(Format::Table, Screen::Endless, &[]), "");
        assert_eq!(written(Format::Ndjson, Screen::Endless, &[]), "");
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(printable("a\u{1b}[31mb\u{202e}c"), "a\\u{1b}[31mb\\u{202e}c");
        assert_eq!(printable("größe"), "größe");
        let shown = written(Format::Table, Screen::Endless, &["\u{1b}]0;x\u{7}"]);
        assert!(shown.contains("\\u{1b}]0;x\\u{7}"), "{shown}");
    }
}
