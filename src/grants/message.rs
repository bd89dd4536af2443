//! The neutral message `grantwatch.grant/1`, in which any broker can tell of a grant: JSON, NDJSON, YAML and CSV.
//!
//! Invariant: a message is read whole or not at all, and what cannot be read costs that message and no other. A state,
//! a window or a scope that is not understood is a mistake with its line and field, never access. No form panics,
//! whatever the text is. Read on in `message/fields.rs`; the format is explained in `docs/grants.md`.

mod covers;
mod fields;
mod forms;
mod rows;
mod window;
mod written;

use std::fmt;
use std::path::Path;

use crate::grants::grant::Version;
use crate::model::Span;

pub use fields::read;
pub use written::written;

/// The schema that these messages name.
pub const SCHEMA: &str = "grantwatch.grant/1";

/// How messages are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One message, or an array of them.
    Json,
    /// One message a line.
    Ndjson,
    /// One message, a list of them, or several documents.
    Yaml,
    /// One message a row, under a header.
    Csv,
}

impl Form {
    /// Returns the form that the ending of `path` tells of.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            "yaml" | "yml" => Self::Yaml,
            "csv" => Self::Csv,
            _ => return None,
        })
    }

    /// Returns the form of a `text` that no name tells of: NDJSON where a first line is a value by itself and others
    /// follow, else JSON.
    pub fn told_by(text: &str) -> Self {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let (first, second) = (lines.next().unwrap_or_default(), lines.next());
        let is_value = serde_json::from_str::<serde::de::IgnoredAny>(first).is_ok();
        if is_value && second.is_some() { Self::Ndjson } else { Self::Json }
    }
}

/// What a message may ask for at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest window.
    pub max_duration: Span,
}

impl Default for Limits {
    /// What is longer than a year is standing privilege and no grant.
    fn default() -> Self {
        Self { max_duration: Span(366 * 86_400) }
    }
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The field, `window.not_after`; empty for the message as a whole.
    pub field: String,
    /// What is wrong with it.
    pub what: String,
}

impl Mistake {
    /// Returns the mistake that `what` is wrong with `field`.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.what),
            field => write!(f, "{field}: {}", self.what),
        }
    }
}

/// A message that was not read: all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MessageError {
    /// The line that it begins at, from 1.
    pub line: usize,
    /// The grant's id, if that could be read; else empty.
    pub id: String,
    /// What is wrong; never nothing.
    pub mistakes: Vec<Mistake>,
}

impl MessageError {
    /// Returns the error that the message at `line` is as a whole no message.
    pub(super) fn whole(line: usize, what: impl Into<String>) -> Self {
        Self { line, id: String::new(), mistakes: vec![Mistake::new("", what)] }
    }

    /// Returns this error of a message that begins at `line`.
    pub(super) fn at(mut self, line: usize) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.id.is_empty() {
            write!(f, ", grant `{}`", self.id)?;
        }
        for (index, mistake) in self.mistakes.iter().enumerate() {
            write!(f, "{} {mistake}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// Reads every message of `text`; what could not be read is told beside what could.
pub fn parse(text: &str, form: Form) -> (Vec<Version>, Vec<MessageError>) {
    parse_within(text, form, &Limits::default())
}

/// Reads every message of `text` that keeps to `limits`.
pub fn parse_within(text: &str, form: Form, limits: &Limits) -> (Vec<Version>, Vec<MessageError>) {
    let (mut versions, mut errors) = (Vec::new(), Vec::new());
    for message in messages(text, form, limits) {
        match message {
            Ok((_, version)) => versions.push(version),
            Err(error) => errors.push(error),
        }
    }
    (versions, errors)
}

/// Reads the messages of `text` in their order, each with the line that it begins at.
pub fn messages(
    text: &str,
    form: Form,
    limits: &Limits,
) -> impl Iterator<Item = Result<(usize, Version), MessageError>> {
    values(text, form).into_iter().map(move |found| {
        let (line, value) = found?;
        let version = fields::read(&value, limits).map_err(|error| error.at(line))?;
        Ok((line, version))
    })
}

/// A value of a text with the line that it begins at.
pub type Found = Result<(usize, serde_json::Value), MessageError>;

/// Takes `text` apart into values, each to be read as a message: our own, or that of a broker (see `presets`).
pub fn values(text: &str, form: Form) -> Vec<Found> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match form {
        Form::Json => forms::json(text),
        Form::Ndjson => forms::ndjson(text),
        Form::Yaml => forms::yaml(text),
        Form::Csv => rows::rows(text),
    }
}

#[cfg(test)]
mod tests;
