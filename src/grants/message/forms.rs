//! JSON, NDJSON and YAML, taken apart into values with their lines.
//!
//! Invariant: what is broken costs the value it stands in, or, where a text cannot be taken up again behind it, what
//! follows in that document; both are said.

use std::fmt;

use serde::de::Deserialize as _;
use serde::de::Deserializer as _;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::grants::message::Found;
use crate::grants::message::MessageError;

/// One value, an array of them, or several of either one after another.
pub(super) fn json(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut lines = Lines { text, at: 0, line: 1 };
    while let Some(next) = stream.next() {
        match next {
            Ok(raw) if raw.get().starts_with('[') => entries(raw.get(), &mut lines, &mut found),
            Ok(raw) => found.push(value(raw.get(), lines.of(raw.get()))),
            Err(error) => {
                // A list that is broken somewhere still has entries before that place.
                let rest = text.get(stream.byte_offset()..).unwrap_or_default().trim_start();
                if rest.starts_with('[') {
                    entries(rest, &mut lines, &mut found);
                } else {
                    found.push(Err(unread(&error)));
                }
                break;
            }
        }
    }
    found
}

/// Pushes the entries of the array that `text` begins with, as far as it can be read.
fn entries<'a>(text: &'a str, lines: &mut Lines<'a>, found: &mut Vec<Found>) {
    struct Entries<'a, 'b>(&'b mut Vec<&'a RawValue>);
    impl<'a> Visitor<'a> for Entries<'a, '_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of messages")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
            while let Some(raw) = list.next_element()? {
                self.0.push(raw);
            }
            Ok(())
        }
    }
    let begins = lines.of(text);
    let mut raws = Vec::new();
    let outcome = serde_json::Deserializer::from_str(text).deserialize_seq(Entries(&mut raws));
    for raw in raws {
        found.push(value(raw.get(), lines.of(raw.get())));
    }
    if let Err(error) = outcome {
        let line = begins + error.line().saturating_sub(1);
        let what = format!("is not JSON from here on, what follows is not read: {}", said(&error));
        found.push(Err(MessageError::whole(line, what)));
    }
}

fn value(text: &str, line: usize) -> Found {
    match serde_json::from_str(text) {
        Ok(value) => Ok((line, value)),
        Err(error) => Err(MessageError::whole(line + error.line().saturating_sub(1), said(&error))),
    }
}

fn unread(error: &serde_json::Error) -> MessageError {
    let what = format!("is not JSON from here on, what follows is not read: {}", said(error));
    MessageError::whole(error.line().max(1), what)
}

/// Returns what is wrong, without the place: that is told as the file's.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let at = format!(" at line {} column {}", error.line(), error.column());
    format!("{} at column {}", text.strip_suffix(&at).unwrap_or(&text), error.column())
}

pub(super) fn ndjson(text: &str) -> Vec<Found> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| value(line, number)).collect()
}

/// Documents between `---`; each holds one value or a list of them.
pub(super) fn yaml(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (line, document) in documents(text) {
        let items = items(document);
        match read_yaml(document) {
            Ok(Value::Null) => {}
            Ok(Value::Array(values)) => {
                // The lines of the items are those of their dashes, if we saw as many dashes as there are items.
                let is_sure = items.len() == values.len();
                for (index, value) in values.into_iter().enumerate() {
                    let offset = if is_sure { items[index].0 } else { first_line(document) };
                    found.push(Ok((line + offset, value)));
                }
            }
            Ok(value) => found.push(Ok((line + first_line(document), value))),
            Err(error) if items.len() < 2 => found.push(Err(at(line, &error))),
            // One item is broken: each is read by itself.
            Err(_) => {
                for (offset, item) in items {
                    match read_yaml(item) {
                        Ok(Value::Array(values)) => {
                            found
                                .extend(values.into_iter().map(|value| Ok((line + offset, value))));
                        }
                        Ok(value) => found.push(Ok((line + offset, value))),
                        Err(error) => found.push(Err(at(line + offset, &error))),
                    }
                }
            }
        }
    }
    found
}

fn read_yaml(text: &str) -> Result<Value, yaml_serde::Error> {
    // Twice: YAML's own values know tags and numbers that JSON does not.
    let value = yaml_serde::Value::deserialize(yaml_serde::Deserializer::from_str(text))?;
    yaml_serde::from_value(value)
}

fn at(line: usize, error: &yaml_serde::Error) -> MessageError {
    let inside = error.location().map_or(0, |place| place.line().saturating_sub(1));
    MessageError::whole(line + inside, format!("is not YAML: {error}"))
}

/// Returns the documents of `text`, each with the number of its first line.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut begins, mut first, mut at) = (Vec::new(), 0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let ends = at + line.len();
        let is_border =
            line.trim_end() == "---" || line.starts_with("--- #") || line.trim_end() == "...";
        if is_border {
            found.push((first, text.get(begins..at).unwrap_or_default()));
            (begins, first) = (ends, index + 2);
        }
        at = ends;
    }
    found.push((first, text.get(begins..).unwrap_or_default()));
    found.retain(|(_, document)| !document.trim().is_empty());
    found
}

/// Returns the items of a list that stands at the left margin, each with how many lines stand before it.
fn items(document: &str) -> Vec<(usize, &str)> {
    let is_dash = |line: &str| line.starts_with("- ") || line.trim_end() == "-";
    let (mut starts, mut at) = (Vec::new(), 0);
    for (index, line) in document.split_inclusive('\n').enumerate() {
        if is_dash(line) {
            starts.push((index, at));
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(_, at)| *at).chain([document.len()]);
    let pairs = starts.iter().zip(ends);
    pairs.map(|((line, at), end)| (*line, document.get(*at..end).unwrap_or_default())).collect()
}

/// Returns how many lines without content stand before the first with.
fn first_line(document: &str) -> usize {
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    document.lines().position(is_content).unwrap_or(0)
}

/// Counts lines up to places in a text, each behind the last.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    /// Returns the line at which `part`, a part of the text, begins.
    fn of(&mut self, part: &'a str) -> usize {
        let place = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        if let Some(between) = self.text.as_bytes().get(self.at..place) {
            self.line += memchr::memchr_iter(b'\n', between).count();
            self.at = place;
        }
        self.line
    }
}
