//! From a value to a version, field by field.
//!
//! Invariant: all mistakes of a message are told at once. A field that we do not know is a mistake, because what was
//! meant to narrow a grant must not be passed over. A state that gives access needs principals, a scope and an end.

use serde_json::Map;
use serde_json::Value;

use crate::grants::grant::Delegates;
use crate::grants::grant::GrantId;
use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::grant::Who;
use crate::grants::message::Limits;
use crate::grants::message::MessageError;
use crate::grants::message::Mistake;
use crate::grants::message::SCHEMA;
use crate::grants::message::covers;
use crate::model::Seconds;

const FIELDS: [&str; 18] = [
    "schema",
    "id",
    "source",
    "revision",
    "emitted_at",
    "status",
    "principals",
    "scope",
    "window",
    "requested_at",
    "approved_at",
    "approvers",
    "ticket",
    "justification",
    "break_glass",
    "delegates",
    "supersedes",
    "signature",
];
const MAX_ID_BYTES: usize = 256;
const MAX_TEXT_BYTES: usize = 16 << 10;
const MAX_LIST: usize = 1_000;

/// What is wrong with a window without an end.
pub(super) const NO_END: &str = "is missing: access without an end is standing privilege, no grant";

/// Reads one message. The line in its error is 0: the caller knows it.
///
/// # Errors
/// With everything that is wrong with the message.
pub fn read(value: &Value, limits: &Limits) -> Result<Version, MessageError> {
    let Value::Object(fields) = value else {
        return Err(MessageError::whole(0, format!("{} where a message should be", kind(value))));
    };
    let mut reader = Reader { mistakes: Vec::new() };
    let version = reader.version(fields, limits);
    match reader.mistakes.is_empty() {
        true => Ok(version),
        false => {
            let id = version.id.0.into_string();
            Err(MessageError { line: 0, id, mistakes: reader.mistakes })
        }
    }
}

/// Whether a field has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Without it nothing is covered, or too much.
    Must,
    /// A request that was refused, or an end, is understood without it.
    May,
}

/// Reads fields and keeps what is wrong with them.
pub(super) struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    /// Returns the version as far as it can be read; it counts if there are no mistakes.
    fn version(&mut self, of: &Map<String, Value>, limits: &Limits) -> Version {
        self.only("", of, &FIELDS);
        if of.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
            self.wrong("schema", format!("has to be `{SCHEMA}`"));
        }
        if there(of, "supersedes").is_some() {
            self.wrong("supersedes", "is not read: tell of that grant's end in its own message");
        }
        let emitted_at = self
            .must(of, "emitted_at")
            .map_or(Seconds(0), |it| self.moment("emitted_at", it).unwrap_or_default());
        let (status, need) = self.status(of);
        Version {
            id: GrantId(self.name(of, "id")),
            source: self.name(of, "source"),
            revision: self.revision(of),
            emitted_at,
            status,
            principals: covers::principals(self, there(of, "principals"), need),
            scope: covers::scope(self, there(of, "scope"), need),
            window: self.window(there(of, "window"), need, emitted_at, limits),
            requested_at: there(of, "requested_at").and_then(|it| self.moment("requested_at", it)),
            approved_at: there(of, "approved_at").and_then(|it| self.moment("approved_at", it)),
            approvers: self.approvers(there(of, "approvers")),
            ticket: self.ticket(there(of, "ticket")),
            justification: self.text(of, "justification"),
            break_glass: self.flag(of, "break_glass"),
            delegates: self.delegates(there(of, "delegates")),
        }
    }

    pub(super) fn wrong(&mut self, field: impl Into<String>, what: impl Into<String>) {
        self.mistakes.push(Mistake::new(field, what));
    }

    /// Refuses fields of `of` that are not `known`.
    pub(super) fn only(&mut self, within: &str, of: &Map<String, Value>, known: &[&str]) {
        for name in of.keys().filter(|name| !known.contains(&name.as_str())) {
            let near = known.iter().map(|it| (strsim::osa_distance(it, name), it)).min();
            let hint = match near {
                Some((0..=3, near)) => format!("; did you mean `{near}`?"),
                _ => String::new(),
            };
            self.wrong(path(within, name), format!("is no field of {SCHEMA}{hint}"));
        }
    }

    fn must<'a>(&mut self, of: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
        let found = there(of, name);
        if found.is_none() {
            self.wrong(name, "is missing");
        }
        found
    }

    /// Reads a name that has to be there: an id, a source.
    fn name(&mut self, of: &Map<String, Value>, field: &str) -> Box<str> {
        let Some(value) = self.must(of, field) else { return Box::default() };
        let text = self.short(field, value);
        if text.is_empty() && value.is_string() {
            self.wrong(field, "is empty");
        }
        text
    }

    /// Reads a text of a line: a name, an ARN, a glob.
    pub(super) fn short(&mut self, field: &str, value: &Value) -> Box<str> {
        let Value::String(text) = value else {
            self.wrong(field, format!("has to be text, not {}", kind(value)));
            return Box::default();
        };
        let text = text.trim();
        if text.len() > MAX_ID_BYTES * 8 || (field == "id" && text.len() > MAX_ID_BYTES) {
            self.wrong(field, format!("is too long ({} bytes)", text.len()));
        } else if text.contains(char::is_control) {
            self.wrong(field, "holds control characters");
        }
        text.into()
    }

    fn text(&mut self, of: &Map<String, Value>, field: &str) -> Box<str> {
        match there(of, field) {
            None => Box::default(),
            Some(Value::String(text)) if text.len() <= MAX_TEXT_BYTES => text.trim().into(),
            Some(Value::String(text)) => {
                let len = text.len();
                self.wrong(field, format!("is too long ({len} bytes, at most {MAX_TEXT_BYTES})"));
                Box::default()
            }
            Some(other) => {
                self.wrong(field, format!("has to be text, not {}", kind(other)));
                Box::default()
            }
        }
    }

    fn flag(&mut self, of: &Map<String, Value>, field: &str) -> bool {
        match there(of, field) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.wrong(field, format!("has to be true or false, not {}", shown(other)));
                false
            }
        }
    }

    fn revision(&mut self, of: &Map<String, Value>) -> u64 {
        let Some(value) = there(of, "revision") else { return 0 };
        // The store holds 63 bits.
        let found = value.as_u64().filter(|it| i64::try_from(*it).is_ok());
        if found.is_none() {
            self.wrong("revision", format!("has to be a whole number, not {}", shown(value)));
        }
        found.unwrap_or_default()
    }

    fn status(&mut self, of: &Map<String, Value>) -> (Status, Need) {
        let Some(value) = self.must(of, "status") else { return (Status::Failed, Need::May) };
        match serde_json::from_value::<Status>(value.clone()) {
            Ok(status) => {
                let gives =
                    status.gives() || matches!(status, Status::Approved | Status::Scheduled);
                (status, if gives { Need::Must } else { Need::May })
            }
            Err(_) => {
                let states = "requested, approved, scheduled, active, extended, revoked, expired, \
                              ended, rejected, cancelled, failed";
                self.wrong("status", format!("{} is none of: {states}", shown(value)));
                (Status::Failed, Need::May)
            }
        }
    }

    /// Reads a moment; it says of itself which hour of which zone it means.
    pub(super) fn moment(&mut self, field: &str, value: &Value) -> Option<Seconds> {
        let found = value.as_str().and_then(|text| Seconds::parse(text.trim()));
        if found.is_none() {
            // The calendar ends with the year 9999, and so do those who mean that nothing does.
            let is_forever =
                value.as_str().is_some_and(|text| text.trim().starts_with("9999-12-31"));
            let what = match is_forever {
                true => NO_END.to_owned(),
                false => format!(
                    "{} is not a time with its zone, such as 2026-03-01T08:00:00Z",
                    shown(value)
                ),
            };
            self.wrong(field, what);
        }
        found
    }

    fn approvers(&mut self, value: Option<&Value>) -> Vec<Who> {
        let mut approvers = Vec::new();
        for (field, value) in self.list("approvers", value) {
            let who = match value {
                Value::String(_) => {
                    Who { user_name: self.short(&field, value), user_id: Box::default() }
                }
                _ => {
                    let Some(fields) = self.object(&field, Some(value)) else { continue };
                    self.only(&field, fields, &["user_id", "user_name"]);
                    let mut part = |name| {
                        there(fields, name)
                            .map_or_else(Box::default, |it| self.short(&path(&field, name), it))
                    };
                    Who { user_id: part("user_id"), user_name: part("user_name") }
                }
            };
            if who == Who::default() {
                self.wrong(field, "names nobody");
            }
            approvers.push(who);
        }
        approvers
    }

    /// Reads `{"system": "jira", "id": "OPS-1"}`, or a text.
    fn ticket(&mut self, value: Option<&Value>) -> Box<str> {
        if let Some(text @ Value::String(_)) = value {
            return self.short("ticket", text);
        }
        let Some(fields) = self.object("ticket", value) else { return Box::default() };
        self.only("ticket", fields, &["system", "id"]);
        let mut part = |name| {
            there(fields, name)
                .map_or_else(Box::default, |it| self.short(&path("ticket", name), it))
        };
        let (system, id) = (part("system"), part("id"));
        format!("{system} {id}").trim().into()
    }

    fn delegates(&mut self, value: Option<&Value>) -> Delegates {
        let Some(fields) = self.object("delegates", value) else { return Delegates::default() };
        self.only("delegates", fields, &["chained_roles", "max_depth"]);
        let chained_roles = self
            .list("delegates.chained_roles", there(fields, "chained_roles"))
            .into_iter()
            .map(|(field, value)| covers::role(self, &field, value))
            .collect();
        let depth = there(fields, "max_depth").map(|value| {
            let found = value.as_u64().and_then(|it| u8::try_from(it).ok());
            if found.is_none() {
                let what = format!("has to be a whole number up to 255, not {}", shown(value));
                self.wrong("delegates.max_depth", what);
            }
            found.unwrap_or_default()
        });
        Delegates { chained_roles, max_depth: depth.unwrap_or_default() }
    }

    /// Returns the fields of an object, or nothing, said if it is something else.
    pub(super) fn object<'a>(
        &mut self,
        field: &str,
        value: Option<&'a Value>,
    ) -> Option<&'a Map<String, Value>> {
        match value? {
            Value::Object(fields) => Some(fields),
            other => {
                self.wrong(field, format!("has to be an object, not {}", kind(other)));
                None
            }
        }
    }

    /// Returns the entries of a list with their paths, or nothing, said if it is something else.
    pub(super) fn list<'a>(
        &mut self,
        field: &str,
        value: Option<&'a Value>,
    ) -> Vec<(String, &'a Value)> {
        match value {
            None => Vec::new(),
            Some(Value::Array(entries)) if entries.len() <= MAX_LIST => {
                entries.iter().enumerate().map(|(i, it)| (format!("{field}[{i}]"), it)).collect()
            }
            Some(Value::Array(entries)) => {
                let len = entries.len();
                self.wrong(field, format!("has {len} entries, at most {MAX_LIST} may be"));
                Vec::new()
            }
            Some(other) => {
                self.wrong(field, format!("has to be a list, not {}", kind(other)));
                Vec::new()
            }
        }
    }
}

/// Returns the field `name`, unless it is not there or null.
pub(super) fn there<'a>(of: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    of.get(name).filter(|value| !value.is_null())
}

/// Returns the path of `name` in `within`.
pub(super) fn path(within: &str, name: &str) -> String {
    match within {
        "" => name.to_owned(),
        within => format!("{within}.{name}"),
    }
}

/// Returns what `value` is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Returns `value` as a person can recognise it in the message, and no longer than that.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() > 60 => {
            format!("`{}…`", text.chars().take(60).collect::<String>())
        }
        Value::String(text) => format!("`{text}`"),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        other => kind(other).to_owned(),
    }
}
