//! How much of a record is kept for the alert that a correlation may raise later.

use rsigma_parser::CorrelationCondition;
use rsigma_parser::CorrelationRule;
use serde_json::Map;
use serde_json::Value;

use crate::model::Event;
use crate::model::Record;
use crate::model::Slot;
use crate::model::Slots;
use crate::rules::Rules;
use crate::rules::view::tree;

/// A record up to this size is kept whole for a correlation's alert; of a larger one the head fields are.
const MAX_KEPT_RECORD: usize = 8 * 1024;

/// Returns the record whole if it is small, else its head fields and whatever the correlations look at.
pub(super) fn record(rules: &Rules, event: &Event<'_>) -> (String, Slots) {
    let record = match event.record {
        Record::Trail(record) if record.raw().len() <= MAX_KEPT_RECORD => {
            return record.detached();
        }
        Record::Trail(record) => record,
        Record::Flow(_) => return with_slots(tree(event).to_string()),
    };
    let mut kept = Map::new();
    let large = [
        Slot::RequestParameters,
        Slot::ResponseElements,
        Slot::AdditionalEventData,
        Slot::Resources,
    ];
    let is_head = |slot: &&Slot| !slot.path().contains('.') && !large.contains(slot);
    for slot in Slot::ALL.iter().filter(is_head) {
        if let Some(value) = record.slot_raw(*slot).and_then(|raw| serde_json::from_str(raw).ok()) {
            kept.insert(slot.path().to_owned(), value);
        }
    }
    for path in rules.correlations.iter().flat_map(|counting| looked_at(&counting.rule)) {
        if let Some(value) = record.text(&path).filter(|_| path.contains('.')) {
            nest(&mut kept, &path, Value::from(value.as_ref()));
        }
    }
    with_slots(Value::Object(kept).to_string())
}

fn with_slots(text: String) -> (String, Slots) {
    let slots = Slots::of(&text).expect("what serde_json writes is whole");
    (text, slots)
}

/// The fields that a correlation groups and counts by.
fn looked_at(rule: &CorrelationRule) -> Vec<String> {
    let mut fields = rule.group_by.clone();
    fields.extend(rule.aliases.iter().flat_map(|alias| alias.mapping.values().cloned()));
    if let CorrelationCondition::Threshold { field: Some(names), .. } = &rule.condition {
        fields.extend(names.iter().cloned());
    }
    fields
}

fn nest(kept: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        Some((head, rest)) => {
            let below = kept.entry(head).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                nest(below, rest, value);
            }
        }
        None => {
            kept.insert(path.to_owned(), value);
        }
    }
}
