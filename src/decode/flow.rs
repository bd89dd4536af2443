//! Flow log files as text: a header of names, then one record a line.
//!
//! Format: VPC User Guide, "flow log records", versions 2 to 10, and transit gateway flow logs. Columns are read by
//! the header; a file that lost its header is taken for the default format, version 2.

use crate::decode::Bad;
use crate::decode::DecodeError;
use crate::decode::FlowLine;
use crate::model::FlowColumns;
use crate::model::FlowRecord;
use crate::model::Seconds;
use crate::model::SlotSpan;
use crate::model::bounded;

/// Columns that hold whole numbers (or `-`).
const NUMBERS: [&str; 15] = [
    "version",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "tcp-flags",
    "traffic-path",
    "encryption-status",
    "packets-lost-no-route",
    "packets-lost-blackhole",
    "packets-lost-mtu-exceeded",
    "packets-lost-ttl-expired",
];

/// What a file held.
#[derive(Debug)]
pub(crate) struct Lines {
    pub columns: FlowColumns,
    pub lines: Vec<FlowLine>,
    pub bad: Vec<Bad>,
}

/// Returns whether `text` looks like a flow log: its first line is a header of ours or a default line.
pub(crate) fn looks_like(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    is_header(first) || is_default_line(first)
}

fn is_header(line: &str) -> bool {
    let columns = FlowColumns::parse(line);
    ["srcaddr", "log-status", "start"].iter().any(|name| columns.place(name).is_some())
}

fn is_default_line(line: &str) -> bool {
    let mut fields = line.split_ascii_whitespace();
    let is_version = fields.next().is_some_and(|first| first.parse::<u8>().is_ok());
    is_version && fields.count() == FlowColumns::DEFAULT.split(' ').count() - 1
}

/// Reads all lines of `text`.
pub(crate) fn read(text: &str) -> Result<Lines, DecodeError> {
    let mut rows = rows(text).peekable();
    let columns = match rows.peek() {
        None => FlowColumns::parse(FlowColumns::DEFAULT),
        Some((_, first)) if is_header(first) => {
            let columns = FlowColumns::parse(first);
            rows.next();
            columns
        }
        Some((_, first)) if is_default_line(first) => FlowColumns::parse(FlowColumns::DEFAULT),
        Some((_, first)) => {
            return Err(DecodeError::NoFlowHeader { line: bounded(first, 200).into_owned() });
        }
    };
    let numbers: Vec<usize> = NUMBERS.iter().filter_map(|name| columns.place(name)).collect();
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    for (index, (span, line)) in (0..).zip(rows) {
        match check(line, &columns, &numbers) {
            Ok(time) => lines.push(FlowLine { span, time }),
            Err(reason) => bad.push(Bad { index, reason, body: bounded(line, 4_096).into_owned() }),
        }
    }
    Ok(Lines { columns, lines, bad })
}

/// The lines that hold anything, with their places, without line ends of either kind.
fn rows(text: &str) -> impl Iterator<Item = (SlotSpan, &str)> {
    let mut start = 0;
    let lines = text.split('\n').map(move |line| {
        let at = start;
        start += line.len() + 1;
        (at, line.strip_suffix('\r').unwrap_or(line))
    });
    lines.filter(|(_, line)| !line.trim().is_empty()).map(|(at, line)| {
        let fits = "a delivery's text is bounded below 2 GiB";
        let span = SlotSpan {
            start: u32::try_from(at).expect(fits),
            len: u32::try_from(line.len()).expect(fits),
        };
        (span, line)
    })
}

/// Returns the time of a line that is one: its `end`, else its `start`.
fn check(line: &str, columns: &FlowColumns, numbers: &[usize]) -> Result<Seconds, String> {
    let mut found = 0;
    for (place, value) in line.split_ascii_whitespace().enumerate() {
        found += 1;
        let is_number = value == "-" || value.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number && numbers.contains(&place) {
            let name = columns.names().get(place).map_or("?", String::as_str);
            return Err(format!("`{name}` is `{}`, not a number", bounded(value, 40)));
        }
    }
    let expected = columns.names().len();
    if found != expected {
        return Err(format!("{found} fields where the header has {expected}"));
    }
    let record = FlowRecord::new(line, columns);
    let time = record.number("end").or_else(|| record.number("start"));
    time.map(Seconds).ok_or_else(|| "neither `end` nor `start` tells the time".to_owned())
}
