//! Bytes into records, with bounds: inflating, CloudTrail files, flow logs as text.
//!
//! Decoding never fails halfway: it returns what it read and, beside it, what it could not read and why, so that
//! the books balance (records read = decoded + bad).
//!
//! Invariant: no I/O, no clock; whatever the bytes are, memory stays below the limits of [`Config`] and nothing
//! panics. Read on in `skim` for the one pass over a record.

mod flow;
mod inflate;
mod skim;
mod trail;

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::FlowColumns;
use crate::model::FlowRecord;
use crate::model::Format;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::SlotSpan;
use crate::model::Slots;
use crate::model::TrailRecord;

pub use inflate::inflate;

/// What is read, and where reading stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The largest object, inflated, in bytes; at most 2147483647. A larger one goes to quarantine. CloudTrail
    /// writes at most 50 MB before compression; flow log files may be larger.
    pub max_object_bytes: usize,
    /// The largest single CloudTrail record, in bytes. AWS documents 256 KB.
    pub max_record_bytes: usize,
    /// How deep a record may nest; at most 128.
    pub max_depth: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_object_bytes: 256 << 20, max_record_bytes: 1 << 20, max_depth: 64 }
    }
}

/// The hard limit of an object's size: places in its text are kept in 32 bits.
pub const MAX_OBJECT_BYTES: usize = i32::MAX as usize;

impl Config {
    /// Returns what is wrong with it: the key and why.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        let mut hold = |key: &str, value: usize, least: usize, most: usize| {
            if !(least..=most).contains(&value) {
                wrong.push((key.to_owned(), format!("{value} is not between {least} and {most}")));
            }
        };
        hold("max_object_bytes", self.max_object_bytes, 1 << 10, MAX_OBJECT_BYTES);
        hold("max_record_bytes", self.max_record_bytes, 1 << 10, MAX_OBJECT_BYTES);
        hold("max_depth", self.max_depth, 8, 128);
        wrong
    }
}

/// Why an object could not be read at all. None of these gets better by trying again.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The gzip stream is truncated or damaged.
    #[error("the gzip stream is damaged or ends too early")]
    Gzip(#[source] std::io::Error),
    /// It inflates to more than is allowed.
    #[error("the object inflates to more than {limit} bytes (decode.max_object_bytes)")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It is neither JSON nor a flow log.
    #[error("neither JSON nor a flow log begins at byte {at}")]
    NotJson {
        /// Byte offset in the inflated text.
        at: usize,
    },
    /// A flow log whose first line is no header and no default line.
    #[error("the flow log has no header and is not in the default format: `{line}`")]
    NoFlowHeader {
        /// The first line, bounded.
        line: String,
    },
    /// A Parquet file.
    #[error("the object is Parquet, which is not read yet")]
    Parquet,
}

/// A CloudTrail record's places in the text, and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailLine {
    /// Where its fields stand.
    pub slots: Slots,
    /// Its `eventTime`.
    pub time: Seconds,
}

/// A flow log line's place in the text, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLine {
    /// Where it stands.
    pub span: SlotSpan,
    /// Its `end`.
    pub time: Seconds,
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Its number in the file, from 0.
    pub index: u64,
    /// Why, for the operator.
    pub reason: String,
    /// The record as it stands, bounded.
    pub body: String,
}

/// The records of one object.
#[derive(Debug)]
enum Lines {
    Trail(Vec<TrailLine>),
    Flow(FlowColumns, Vec<FlowLine>),
}

/// What an object held: its text, the places of its records, and the records that could not be read.
#[derive(Debug)]
pub struct Decoded {
    text: String,
    lines: Lines,
    /// What could not be read.
    pub bad: Vec<Bad>,
}

impl Decoded {
    /// Returns how many records were decoded.
    pub fn len(&self) -> usize {
        match &self.lines {
            Lines::Trail(lines) => lines.len(),
            Lines::Flow(_, lines) => lines.len(),
        }
    }

    /// Returns whether no record was decoded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many bytes the inflated object has.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Returns a record with its time.
    pub fn record(&self, index: usize) -> (Seconds, Record<'_>) {
        match &self.lines {
            Lines::Trail(lines) => {
                let line = &lines[index];
                (line.time, Record::Trail(TrailRecord::new(&self.text, &line.slots)))
            }
            Lines::Flow(columns, lines) => {
                let line = lines[index];
                let (start, len) = (line.span.start as usize, line.span.len as usize);
                let text = self.text.get(start..start + len).expect("spans lie on line ends");
                (line.time, Record::Flow(FlowRecord::new(text, columns)))
            }
        }
    }

    /// Returns all records with their times, in the order of the file.
    pub fn records(&self) -> impl Iterator<Item = (Seconds, Record<'_>)> {
        (0..self.len()).map(|index| self.record(index))
    }
}

/// Reads one object.
///
/// # Errors
/// When nothing of it can be read; see [`DecodeError`]. Single bad records are no error: they are in [`Decoded::bad`].
pub fn decode(format: Format, bytes: Vec<u8>, config: &Config) -> Result<Decoded, DecodeError> {
    if bytes.starts_with(b"PAR1") {
        return Err(DecodeError::Parquet);
    }
    let (text, spots) = into_text(inflate(bytes, config.max_object_bytes)?);
    if format == Format::Flow || (format == Format::Any && flow::looks_like(&text)) {
        let read = flow::read(&text)?;
        return Ok(Decoded { text, lines: Lines::Flow(read.columns, read.lines), bad: read.bad });
    }
    let mut read = trail::read(&text, config)?;
    read.refuse_spots(&text, &spots);
    Ok(Decoded { text, lines: Lines::Trail(read.lines), bad: read.bad })
}

/// Turns bytes into text; where they are no UTF-8, a replacement stands, and its place in the text is returned.
fn into_text(bytes: Vec<u8>) -> (String, Vec<usize>) {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return (without_mark(text), Vec::new()),
        Err(error) => error.into_bytes(),
    };
    let (mut text, mut spots) = (String::with_capacity(bytes.len()), Vec::new());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            spots.push(text.len());
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    (text, spots)
}

/// Some tools write a byte order mark; it is no part of the text.
fn without_mark(text: String) -> String {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// Reads one record from its text: the parts of the house that keep single records read them back with this.
pub fn one_record(text: &str) -> Option<Slots> {
    let start = text.len() - text.trim_start().len();
    let (slots, _) = text.as_bytes().get(start).filter(|byte| **byte == b'{').and_then(|_| {
        let skimmed: Result<(Slots, usize), _> = skim::skim(text.as_bytes(), start, 128);
        skimmed.ok()
    })?;
    Some(slots)
}

/// Returns the name of a record's log source, as Sigma's `service` spells it.
pub fn service(record: &Record<'_>) -> Cow<'static, str> {
    match record {
        Record::Trail(_) => Cow::Borrowed("cloudtrail"),
        Record::Flow(_) => Cow::Borrowed("vpcflow"),
    }
}

#[cfg(test)]
mod tests;
