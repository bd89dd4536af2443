//! The two blocks of ours in a Sigma file: `grantwatch.alert` and `grantwatch.tests`.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use crate::model::Duration;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Field;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::rules::ways::UndoneBy;

/// The custom attribute that holds our blocks.
const KEY: &str = "grantwatch";

/// What stands under `grantwatch:`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Block {
    pub alert: AlertBlock,
    pub tests: Vec<TestCase>,
}

/// How matches become alerts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AlertBlock {
    pub group_by: Vec<String>,
    pub suppress_for: Option<Duration>,
    pub story: Option<String>,
    pub respond: Vec<String>,
    pub undone_by: Vec<UndoneBy>,
}

/// Events in, and whether the detector is to match.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestCase {
    pub name: String,
    pub events: Vec<Map<String, Value>>,
    #[serde(rename = "match")]
    pub matches: bool,
    /// Where it is said: the last event is no match of its own, and undoes what the others are, or does not.
    pub undone: Option<bool>,
}

/// Reads the blocks from a rule's custom attributes; an error says what is wrong.
pub(super) fn read(attributes: &HashMap<String, yaml_serde::Value>) -> Result<Block, String> {
    match attributes.get(KEY) {
        Some(block) => {
            yaml_serde::from_value(block.clone()).map_err(|error| format!("{KEY}: {error}"))
        }
        None => Ok(Block::default()),
    }
}

/// An event as a test writes it: a record's text and the facts that are given with it.
#[derive(Debug, Clone)]
pub(super) struct TestEvent {
    text: String,
    slots: Slots,
    facts: Facts,
    time: Seconds,
}

impl TestEvent {
    /// Reads a test's event: dotted keys nest, keys below `gw.` are facts and must stand in the field table.
    pub(super) fn read(written: &Map<String, Value>, fields: &[Field]) -> Result<Self, String> {
        let (mut record, mut facts) = (Map::new(), Facts::default());
        for (key, value) in written {
            if key.starts_with("gw.") {
                let field = fields.iter().find(|field| field.name == key);
                let field = field.ok_or_else(|| {
                    format!("`{key}` is no fact; `grantwatch detectors fields` lists them")
                })?;
                let fact =
                    Fact::from_json(value).ok_or_else(|| format!("`{key}` cannot be {value}"))?;
                facts.set(field.name, fact);
            } else {
                nest(&mut record, key, value.clone());
            }
        }
        let time = match record.get("eventTime").map(|time| time.as_str().and_then(Seconds::parse))
        {
            None => Seconds(0),
            Some(Some(time)) => time,
            Some(None) => {
                return Err(
                    "`eventTime` is no time; write it like \"2026-03-01T08:00:00Z\"".to_owned()
                );
            }
        };
        let text = Value::Object(record).to_string();
        let slots = Slots::of(&text).ok_or("the event is no record")?;
        Ok(Self { text, slots, facts, time })
    }

    /// Returns the event as rules see it.
    pub(super) fn event(&self) -> Event<'_> {
        let record = Record::Trail(TrailRecord::new(&self.text, &self.slots));
        Event { time: self.time, record, session: None, facts: self.facts.clone() }
    }

    /// Returns the record's text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

fn nest(record: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        Some((head, rest)) => {
            let below = record.entry(head).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                nest(below, rest, value);
            }
        }
        None => {
            record.insert(key.to_owned(), value);
        }
    }
}
