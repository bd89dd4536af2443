//! CloudTrail files: `{"Records": [...]}`, JSON lines, an array of events, or one event.
//!
//! Invariant: a bad record costs that record. Where its end cannot be found, reading goes on at the next text that
//! begins like a record; what lies between is quarantined as one.

use crate::decode::Bad;
use crate::decode::Config;
use crate::decode::DecodeError;
use crate::decode::TrailLine;
use crate::decode::skim::Broken;
use crate::decode::skim::skim;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::SlotSpan;
use crate::model::TrailRecord;
use crate::model::bounded;
use crate::model::json;

/// How every record that CloudTrail writes begins, for finding the way back after a broken one.
const RECORD_START: &[u8] = b"{\"eventVersion\"";

/// How much of a bad record is kept for the operator, in bytes.
const MAX_KEPT_BYTES: usize = 16 * 1024;

/// What a record takes up, roughly: room for so many lines is made at once.
const USUAL_RECORD_BYTES: usize = 1_536;

/// What a file held.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub lines: Vec<TrailLine>,
    pub bad: Vec<Bad>,
    read: u64,
}

/// Reads all records of `text`.
pub(crate) fn read(text: &str, config: &Config) -> Result<Lines, DecodeError> {
    let bytes = text.as_bytes();
    let lines = Vec::with_capacity(text.len() / USUAL_RECORD_BYTES);
    let mut lines = Lines { lines, ..Lines::default() };
    let mut at = json::skip_space(bytes, 0);
    while at < bytes.len() {
        at = match bytes.get(at) {
            Some(b'[') => array(text, at, config, &mut lines),
            Some(b'{') => match records_member(bytes, at) {
                Some(records) => array_in_envelope(text, records, config, &mut lines),
                None => one(text, at, config, &mut lines),
            },
            // Nothing of it was a record: the object is not ours to read.
            _ if lines.read == 0 => return Err(DecodeError::NotJson { at }),
            _ => {
                lines.refuse(text, at, bytes.len(), "no JSON object begins here".to_owned());
                bytes.len()
            }
        };
        at = json::skip_space(bytes, at);
    }
    Ok(lines)
}

/// Returns where the value of `Records` begins if the object at `at` is CloudTrail's envelope.
///
/// The envelope's other members, if any, are small; an event's own first key ends the search at once.
fn records_member(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = json::skip_space(bytes, at + 1);
    while bytes.get(at) == Some(&b'"') {
        let key_end = json::string_end(bytes, at)?;
        let key = bytes.get(at + 1..key_end - 1)?;
        at = json::skip_space(bytes, key_end);
        (*bytes.get(at)? == b':').then_some(())?;
        at = json::skip_space(bytes, at + 1);
        match key {
            b"Records" => return (*bytes.get(at)? == b'[').then_some(at),
            b"eventVersion" | b"eventName" | b"eventSource" | b"eventTime" | b"userIdentity" => {
                return None;
            }
            _ => at = json::skip_space(bytes, json::value_end(bytes, at, 64)?),
        }
        (*bytes.get(at)? == b',').then_some(())?;
        at = json::skip_space(bytes, at + 1);
    }
    None
}

/// Reads the array at `at`, then whatever closes the envelope around it.
fn array_in_envelope(text: &str, at: usize, config: &Config, lines: &mut Lines) -> usize {
    let bytes = text.as_bytes();
    let mut at = json::skip_space(bytes, array(text, at, config, lines));
    // Members behind `Records` say nothing about records.
    while let Some(b',') = bytes.get(at) {
        let next = json::skip_space(bytes, at + 1);
        let Some(colon) = json::string_end(bytes, next).map(|end| json::skip_space(bytes, end))
        else {
            break;
        };
        let Some(end) = json::value_end(bytes, json::skip_space(bytes, colon + 1), 64) else {
            break;
        };
        at = json::skip_space(bytes, end);
    }
    match bytes.get(at) {
        Some(b'}') => at + 1,
        Some(_) => {
            lines.refuse(text, at, bytes.len(), "the file goes on behind its records".to_owned());
            bytes.len()
        }
        None => {
            lines.refuse(text, at, at, "the file ends before its records do".to_owned());
            at
        }
    }
}

/// Reads the records of the array at `at`; returns the index behind it.
fn array(text: &str, at: usize, config: &Config, lines: &mut Lines) -> usize {
    let bytes = text.as_bytes();
    let mut at = json::skip_space(bytes, at + 1);
    loop {
        match bytes.get(at) {
            Some(b']') => return at + 1,
            Some(b',') => at = json::skip_space(bytes, at + 1),
            Some(_) => at = json::skip_space(bytes, one(text, at, config, lines)),
            None => return at,
        }
    }
}

/// Reads one record at `at`; returns the index behind it, or behind what had to be given up.
fn one(text: &str, at: usize, config: &Config, lines: &mut Lines) -> usize {
    let bytes = text.as_bytes();
    let skimmed = match bytes.get(at) {
        Some(b'{') => skim(bytes, at, config.max_depth),
        _ => Err(Broken { at, expected: "a record" }),
    };
    let (slots, end) = match skimmed {
        Ok(read) => read,
        Err(broken) => {
            let end = json::value_end(bytes, at, 128).unwrap_or_else(|| next_record(bytes, at));
            lines.refuse(
                text,
                at,
                end,
                format!("byte {}: expected {}", broken.at, broken.expected),
            );
            return end;
        }
    };
    if end - at > config.max_record_bytes {
        lines.refuse(
            text,
            at,
            end,
            format!("a record of {} bytes, the limit is {}", end - at, config.max_record_bytes),
        );
        return end;
    }
    let record = TrailRecord::new(text, &slots);
    match check(&record) {
        Ok(time) => {
            lines.read += 1;
            lines.lines.push(TrailLine { slots, time });
        }
        Err(reason) => lines.refuse(text, at, end, reason),
    }
    end
}

/// Returns the start of the next record behind the one at `at`, or the end.
fn next_record(bytes: &[u8], at: usize) -> usize {
    let behind = bytes.get(at + 1..).unwrap_or_default();
    memchr::memmem::find(behind, RECORD_START).map_or(bytes.len(), |found| at + 1 + found)
}

/// Returns the time of a record that is one, or what it lacks.
///
/// Fields by version: CloudTrail User Guide, "record contents". An unknown minor version is fine, a major is not.
fn check(record: &TrailRecord<'_>) -> Result<Seconds, String> {
    let category = record.slot_or_empty(Slot::EventCategory);
    if matches!(category.as_ref(), "Insight" | "Aggregated") {
        return Err(format!(
            "eventCategory `{category}` has another shape and is not read as an event"
        ));
    }
    let version = record.slot_or_empty(Slot::EventVersion);
    if !version.is_empty() && version.split('.').next() != Some("1") {
        return Err(format!("eventVersion `{}` is not known", bounded(&version, 40)));
    }
    for slot in [Slot::EventName, Slot::EventSource] {
        if record.slot_or_empty(slot).is_empty() {
            return Err(format!("`{}` is missing", slot.path()));
        }
    }
    let time = record.slot(Slot::EventTime).ok_or_else(|| "`eventTime` is missing".to_owned())?;
    Seconds::parse(&time).ok_or_else(|| format!("eventTime `{}` is no time", bounded(&time, 40)))
}

impl Lines {
    fn refuse(&mut self, text: &str, start: usize, end: usize, reason: String) {
        let piece = text.get(start..end).unwrap_or_default();
        let body = bounded(piece, MAX_KEPT_BYTES).into_owned();
        self.bad.push(Bad { index: self.read, reason, body });
        self.read += 1;
    }

    /// Moves records that overlap any of `spots` (bytes that were no UTF-8) to the bad ones.
    pub(crate) fn refuse_spots(&mut self, text: &str, spots: &[usize]) {
        if spots.is_empty() {
            return;
        }
        let overlaps = |span: SlotSpan| {
            let (start, end) = (span.start as usize, (span.start + span.len) as usize);
            spots.iter().any(|spot| (start..end).contains(spot))
        };
        for (index, line) in (0..).zip(std::mem::take(&mut self.lines)) {
            if overlaps(line.slots.record) {
                let raw = TrailRecord::new(text, &line.slots).raw();
                let body = bounded(raw, MAX_KEPT_BYTES).into_owned();
                let reason = "the record holds bytes that are no UTF-8".to_owned();
                self.bad.push(Bad { index, reason, body });
            } else {
                self.lines.push(line);
            }
        }
    }
}
