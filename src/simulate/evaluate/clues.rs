//! What an alert names: events, addresses, grants, identities.
//!
//! Invariant: a word is compared whole, so that `10.0.0.1` is not found in `10.0.0.10`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::Alert;

/// What an alert names.
#[derive(Debug, Default)]
pub(super) struct Clues {
    /// The `eventID`s it counts, and those that a later version of a record names.
    pub(super) events: BTreeSet<String>,
    /// Whether it counts events of CloudTrail; signals and flows are none.
    pub(super) has_calls: bool,
    /// The identities it names: who acted, who began the chain, what it is grouped by.
    pub(super) identities: BTreeSet<String>,
    /// Every word of the record, the facts and the group, for addresses and grants.
    pub(super) words: BTreeSet<String>,
}

impl Clues {
    /// Returns what `alert` names.
    pub(super) fn of(alert: &Alert) -> Self {
        let mut clues = Self { has_calls: is_of_calls(alert), ..Self::default() };
        for id in &alert.event_ids {
            let (_, own) = id.rsplit_once('/').unwrap_or(("", id));
            clues.events.insert(own.to_owned());
        }
        for path in ["/eventID", "/addendum/originalEventID"] {
            let id = alert.event.pointer(path).and_then(Value::as_str);
            clues.events.extend(id.map(str::to_owned));
        }
        clues.identities.insert(alert.who.name.clone());
        clues.identities.insert(alert.who.raw_arn.clone());
        clues.identities.extend(alert.group.values().cloned());
        for fact in ["gw.identity.name", "gw.identity.origin"] {
            let name = alert.facts.get(fact).and_then(Value::as_str);
            clues.identities.extend(name.map(str::to_owned));
        }
        if !clues.has_calls {
            // The record of a signal is our own word: whoever it names, we name.
            clues.identities.extend(texts(&alert.event).map(str::to_owned));
        }
        clues.words(&alert.story);
        clues.words(&alert.source);
        clues.words(&alert.what);
        alert.group.values().for_each(|text| clues.words(text));
        alert.facts.values().flat_map(texts).for_each(|text| clues.words(text));
        texts(&alert.event).for_each(|text| clues.words(text));
        clues
    }

    /// Takes in `text`, its words, and those without a port or a prefix length behind them.
    fn words(&mut self, text: &str) {
        self.words.insert(text.to_owned());
        let is_between =
            |letter: char| letter.is_whitespace() || "\"'`,;()[]{}<>=".contains(letter);
        for word in text.split(is_between).map(|word| word.trim_end_matches(['.', ':'])) {
            if word.is_empty() {
                continue;
            }
            self.words.insert(word.to_owned());
            let bare = word.split_once('/').or_else(|| word.rsplit_once(':'));
            self.words.extend(bare.map(|(bare, _)| bare.to_owned()));
        }
    }
}

/// Returns whether an alert is about records of CloudTrail.
fn is_of_calls(alert: &Alert) -> bool {
    let of_flow = alert.event_ids.iter().any(|id| id.starts_with("flow/"));
    let source = alert.event.get("eventSource").and_then(Value::as_str).unwrap_or_default();
    !of_flow && !source.is_empty() && source != "grantwatch"
}

/// Returns every text in `value`, names of members left out.
fn texts(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(std::iter::once(text.as_str())),
        Value::Array(items) => Box::new(items.iter().flat_map(texts)),
        Value::Object(members) => Box::new(members.values().flat_map(texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Box::new(std::iter::empty()),
    }
}
