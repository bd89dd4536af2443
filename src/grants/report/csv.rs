//! The report for spreadsheets: one line for each grant and action.
//!
//! Invariant: a cell is shown and never computed.

use crate::grants::report::Line;
use crate::grants::report::Report;
use crate::grants::report::Reported;
use crate::model::Seconds;
use crate::model::spreadsheet_cell;

const HEADER: [&str; 23] = [
    "grant",
    "source",
    "state",
    "who",
    "ticket",
    "justification",
    "approvers",
    "self_approved",
    "break_glass",
    "from",
    "until",
    "part",
    "action",
    "level",
    "account",
    "region",
    "acts",
    "denied",
    "first",
    "last",
    "seconds_after",
    "resources",
    "resource_names",
];

/// Returns the report as CSV; a grant that nobody used has one line without an action.
pub(super) fn written(report: &Report) -> String {
    let mut rows = ::csv::Writer::from_writer(Vec::new());
    let mut write = |row: &[String]| {
        rows.write_record(row).expect("rows are of one length, and memory takes them");
    };
    write(&HEADER.map(str::to_owned));
    for grant in &report.grants {
        let of_grant = cells(grant);
        if grant.acts.is_empty() {
            let nothing = std::iter::repeat_n(String::new(), HEADER.len() - of_grant.len());
            write(&of_grant.iter().cloned().chain(nothing).collect::<Vec<_>>());
        }
        for line in &grant.acts {
            write(&[&of_grant[..], &of_line(line)[..]].concat());
        }
    }
    let bytes = rows.into_inner().expect("memory takes what is left");
    String::from_utf8(bytes).expect("all cells are text")
}

fn cells(grant: &Reported) -> Vec<String> {
    let approvers: Vec<&str> =
        grant.why.approvers.iter().map(|approver| approver.name.as_str()).collect();
    let cells = [
        &*grant.id,
        &grant.source,
        grant.state,
        &grant.who.join(", "),
        &grant.why.ticket,
        &grant.why.justification,
        &approvers.join(", "),
        &grant.why.self_approved.to_string(),
        &grant.why.break_glass.to_string(),
        &grant.window.from.to_string(),
        &grant.window.given_until.unwrap_or(grant.window.until).to_string(),
    ];
    cells.map(spreadsheet_cell).to_vec()
}

fn of_line(line: &Line) -> [String; 12] {
    let names: Vec<&str> = line.resources.iter().map(|row| row.resource.as_str()).collect();
    let time = |time: Seconds| time.to_string();
    let cells = [
        line.part.name(),
        &line.action,
        line.level,
        &line.account,
        &line.region,
        &line.tally.acts.to_string(),
        &line.tally.denied.to_string(),
        &time(line.tally.first),
        &time(line.tally.last),
        &line.seconds_after.map(|seconds| seconds.to_string()).unwrap_or_default(),
        &line.resources.len().to_string(),
        &names.join(" "),
    ];
    cells.map(spreadsheet_cell)
}
