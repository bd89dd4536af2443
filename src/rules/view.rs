//! An event as rsigma sees it: values of fields, borrowed from the record's text.
//!
//! Two readings of a value exist. A string modifier on a field that holds an object matches the object's JSON text,
//! as published rules expect of `requestParameters|contains`; the same text is offered once more with `\"` turned
//! into `"`, since policies stand in records as escaped strings. Everything else reads as rsigma reads a tree.

use std::borrow::Cow;

use rsigma_eval::Event as SigmaEvent;
use rsigma_eval::EventValue;
use serde_json::Value;

use crate::model::Event;
use crate::model::Fact;
use crate::model::Field;
use crate::model::Record;
use crate::model::Scope;
use crate::model::Slot;
use crate::model::json;
use crate::model::json::Kind;

/// A field that a rule names, resolved when the rule is loaded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FieldName {
    /// A head field.
    Slot(Slot),
    /// A fact, with its `gw.`, and what it is a fact of.
    Fact(String, Scope),
    /// A path below a head field.
    Below(Slot, String),
    /// A path below the record.
    Path(String),
}

impl FieldName {
    pub(super) fn parse(name: &str, fields: &[Field]) -> Self {
        match Slot::at(name) {
            Some(slot) => Self::Slot(slot),
            None if name.starts_with("gw.") => {
                let field = fields.iter().find(|field| field.name == name);
                Self::Fact(name.to_owned(), field.map_or(Scope::Event, |field| field.scope))
            }
            None => match Slot::through(name) {
                Some((slot, below)) => Self::Below(slot, below.to_owned()),
                None => Self::Path(name.to_owned()),
            },
        }
    }
}

/// An event in rsigma's eyes.
#[derive(Clone, Copy)]
pub(super) struct View<'e, 'a>(pub &'e Event<'a>);

impl<'e> View<'e, '_> {
    /// Returns the value of a field as leaves compare it.
    pub(super) fn value(&self, name: &FieldName) -> Option<EventValue<'e>> {
        match (name, &self.0.record) {
            (FieldName::Fact(name, _), _) => self.0.fact(name).map(fact_value),
            (FieldName::Slot(slot), Record::Trail(record)) => raw_value(record.slot_raw(*slot)?),
            (FieldName::Below(slot, below), Record::Trail(record)) => {
                values(|found| record.walk_below(*slot, below, found))
            }
            (FieldName::Path(path), Record::Trail(record)) => {
                values(|found| record.walk(path, found))
            }
            // Flow records are flat.
            (FieldName::Below(..), Record::Flow(_)) => None,
            (FieldName::Slot(slot), Record::Flow(record)) => flow_value(record.get(slot.path())),
            (FieldName::Path(path), Record::Flow(record)) => flow_value(record.get(path)),
        }
    }
}

/// What a walk finds: mostly one value or none, of which no list need be made.
fn values<'a>(walk: impl FnOnce(&mut dyn FnMut(&'a str))) -> Option<EventValue<'a>> {
    let (mut first, mut more) = (None, Vec::new());
    walk(&mut |raw| match first {
        None => first = Some(raw),
        Some(_) => more.push(raw),
    });
    let first = first?;
    if more.is_empty() {
        return raw_value(first);
    }
    let all = [first].into_iter().chain(more);
    Some(EventValue::Array(all.filter_map(raw_value).collect()))
}

fn flow_value(value: Option<&str>) -> Option<EventValue<'_>> {
    let value = value?;
    Some(value.parse().map_or_else(|_| EventValue::Str(Cow::Borrowed(value)), EventValue::Int))
}

fn fact_value(fact: &Fact) -> EventValue<'_> {
    let text = |text| EventValue::Str(Cow::Borrowed(text));
    match fact {
        Fact::Text(value) => text(value.as_str()),
        Fact::Whole(number) => EventValue::Int(*number),
        Fact::Flag(truth) => EventValue::Bool(*truth),
        Fact::Texts(values) => {
            EventValue::Array(values.iter().map(|value| text(value.as_str())).collect())
        }
    }
}

/// Reads a raw value for a leaf: objects become their text, in both spellings.
fn raw_value(raw: &str) -> Option<EventValue<'_>> {
    Some(match json::kind(raw)? {
        Kind::Text => EventValue::Str(json::string(raw)?),
        Kind::Truth => EventValue::Bool(raw == "true"),
        Kind::Null => EventValue::Null,
        Kind::Number => number(raw),
        Kind::Array => EventValue::Array(json::elements(raw).filter_map(raw_value).collect()),
        Kind::Object => {
            let text = json::compact(raw);
            let plain = text.contains("\\\"").then(|| text.replace("\\\"", "\""));
            let plain = plain.map(|plain| EventValue::Str(Cow::Owned(plain)));
            EventValue::Array([EventValue::Str(text)].into_iter().chain(plain).collect())
        }
    })
}

fn number(raw: &str) -> EventValue<'_> {
    match raw.parse() {
        Ok(whole) => EventValue::Int(whole),
        Err(_) => EventValue::Float(raw.parse().unwrap_or(f64::NAN)),
    }
}

impl SigmaEvent for View<'_, '_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        self.value(&FieldName::parse(path, &[]))
    }

    fn any_string_value(&self, matches: &dyn Fn(&str) -> bool) -> bool {
        let mut any = false;
        self.visit_string_values(&mut |text| any = any || matches(text));
        any
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let mut all = Vec::new();
        self.visit_string_values(&mut |text| all.push(Cow::Owned(text.to_owned())));
        all
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        match &self.0.record {
            Record::Trail(record) => json::strings(record.raw(), visit),
            Record::Flow(record) => record.raw().split_ascii_whitespace().for_each(visit),
        }
    }

    fn to_json(&self) -> Value {
        tree(self.0)
    }
}

/// Returns the event as a tree: the record, and each fact as a key of its full name.
///
/// Only for the few constructs that need one (array matching, positional paths); never for ordinary rules.
pub(super) fn tree(event: &Event<'_>) -> Value {
    let mut tree = match &event.record {
        Record::Trail(record) => serde_json::from_str(record.raw()).unwrap_or_default(),
        Record::Flow(record) => {
            let names = record.columns().names().iter();
            names.filter_map(|name| Some((name.clone(), Value::from(record.get(name)?)))).collect()
        }
    };
    if let Value::Object(members) = &mut tree {
        members.extend(event.all_facts().map(|(name, fact)| (name.to_owned(), fact.to_json())));
    }
    tree
}
