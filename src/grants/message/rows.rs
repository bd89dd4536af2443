//! CSV: a header of columns, then one message a row.
//!
//! Invariant: an empty cell says nothing; a column that we do not know is a mistake for the whole file, because it may
//! be the one that narrows the grants.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::grants::message::Found;
use crate::grants::message::MessageError;
use crate::grants::message::Mistake;
use crate::grants::message::SCHEMA;

/// What becomes of a column's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// A text as it stands.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// Texts with `;` between them; `[]` is a list of nothing.
    Texts,
    /// `kind=value` with `;` between them.
    Principals,
}

/// Columns: their name, the place in the message, what their cells are.
const COLUMNS: &[(&str, &str, Cell)] = &[
    ("id", "id", Cell::Text),
    ("source", "source", Cell::Text),
    ("revision", "revision", Cell::Number),
    ("emitted_at", "emitted_at", Cell::Text),
    ("status", "status", Cell::Text),
    ("principals", "principals", Cell::Principals),
    ("accounts", "scope.accounts", Cell::Texts),
    ("permission_sets", "scope.permission_sets", Cell::Texts),
    ("role_arns", "scope.role_arns", Cell::Texts),
    ("actions", "scope.actions", Cell::Texts),
    ("resources", "scope.resources", Cell::Texts),
    ("regions", "scope.regions", Cell::Texts),
    ("source_networks", "scope.source_networks", Cell::Texts),
    ("not_before", "window.not_before", Cell::Text),
    ("not_after", "window.not_after", Cell::Text),
    ("requested_at", "requested_at", Cell::Text),
    ("approved_at", "approved_at", Cell::Text),
    ("approvers", "approvers", Cell::Texts),
    ("ticket", "ticket", Cell::Text),
    ("justification", "justification", Cell::Text),
    ("break_glass", "break_glass", Cell::Flag),
    ("chained_roles", "delegates.chained_roles", Cell::Texts),
    ("max_depth", "delegates.max_depth", Cell::Number),
];

pub(super) fn rows(text: &str) -> Vec<Found> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let columns = match reader.headers().map_err(|error| unread(&error, 1)).and_then(header) {
        Ok(columns) => columns,
        Err(error) => return vec![Err(error)],
    };
    let mut found = Vec::new();
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                found.push(Err(unread(&error, usize::try_from(line).unwrap_or(usize::MAX))));
                continue;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        if !row.iter().all(str::is_empty) {
            found.push(Ok((line, message(&columns, &row))));
        }
    }
    found
}

type Column = (&'static str, Cell);

fn header(names: &csv::StringRecord) -> Result<Vec<Column>, MessageError> {
    let (mut columns, mut mistakes) = (Vec::<Column>::new(), Vec::new());
    for name in names {
        match COLUMNS.iter().find(|(known, ..)| *known == name) {
            None => mistakes.push(Mistake::new(name, "is no column; no row was read")),
            Some((_, place, _)) if columns.iter().any(|(known, _)| known == place) => {
                mistakes.push(Mistake::new(name, "stands there twice; no row was read"));
            }
            Some((_, place, cell)) => columns.push((place, *cell)),
        }
    }
    match mistakes.is_empty() {
        true => Ok(columns),
        false => Err(MessageError { line: 1, id: String::new(), mistakes }),
    }
}

fn message(columns: &[Column], row: &csv::StringRecord) -> Value {
    let mut message = Map::from_iter([("schema".to_owned(), json!(SCHEMA))]);
    for ((place, cell), text) in columns.iter().zip(row).filter(|(_, text)| !text.is_empty()) {
        let value = value(*cell, text);
        match place.split_once('.') {
            None => {
                message.insert((*place).to_owned(), value);
            }
            Some((within, name)) => {
                let object = message.entry(within).or_insert_with(|| json!({}));
                object[name] = value;
            }
        }
    }
    Value::Object(message)
}

/// Returns the value of a cell; what is not of its kind stays text, which is refused with its field's name.
fn value(cell: Cell, text: &str) -> Value {
    match cell {
        Cell::Text => json!(text),
        Cell::Number => text.parse::<u64>().map_or_else(|_| json!(text), |it| json!(it)),
        Cell::Flag => {
            text.to_ascii_lowercase().parse::<bool>().map_or_else(|_| json!(text), |it| json!(it))
        }
        Cell::Texts => texts(text).collect::<Vec<_>>().into(),
        Cell::Principals => texts(text).map(principal).collect::<Vec<_>>().into(),
    }
}

fn texts(text: &str) -> impl Iterator<Item = &str> {
    let text = if text == "[]" { "" } else { text };
    text.split(';').map(str::trim).filter(|it| !it.is_empty())
}

/// Reads `kind=value`; a value alone is a user of Identity Center.
fn principal(text: &str) -> Value {
    let (kind, value) = text.split_once('=').unwrap_or(("idc_user", text));
    let (kind, value) = (kind.trim(), value.trim());
    let is_id = value.len() >= 36 && value.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-');
    let field = match kind {
        "idc_user" if is_id => "user_id",
        "idc_user" => "user_name",
        "idc_group" => "group_id",
        "source_identity" => "value",
        "saml_subject" | "oidc_subject" => "subject",
        "account" => "account",
        "assumed_role" => {
            let (role, session) = value.rsplit_once(' ').unwrap_or((value, ""));
            return json!({"kind": kind, "role_arn": role.trim(), "session_name": session});
        }
        _ => "arn",
    };
    json!({"kind": kind, field: value})
}

fn unread(error: &csv::Error, line: usize) -> MessageError {
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} cells, the header has {expected_len}")
        }
        _ => format!("is not CSV: {error}"),
    };
    MessageError::whole(line, what)
}
