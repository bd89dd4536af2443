//! Which rules may match a record: remembered per kind of event, then asked of the record.
//!
//! Nearly every rule names an `eventSource` and an `eventName`; a handful of rules remain for any one event. Each
//! worker keeps its own memory of them, bounded, and never waits for another.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::model::Event;
use crate::model::Record;
use crate::rules::Rules;
use crate::rules::Service;
use crate::rules::logic::Known;
use crate::rules::logic::SHARED;
use crate::rules::logic::Truth;

/// How many kinds of events are remembered. An organisation shows some thousands; beyond, rules are asked anew.
const MAX_KINDS: usize = 8_192;

/// A rule that may match a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The rule's place in [`Rules`].
    pub rule: u32,
    /// Whether its facts must still be asked.
    pub verdict: Verdict,
}

/// What a worker knows of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It matches, whatever the facts are.
    Matches,
    /// It matches if the facts say so.
    AskFacts,
}

/// One worker's memory of candidates.
#[derive(Debug)]
pub struct Sieve {
    rules: Arc<Rules>,
    kinds: HashMap<u128, Arc<[u32]>>,
    /// The fields that make a kind, one after the other; kept to be written over.
    key: Vec<u8>,
}

impl Sieve {
    /// Makes an empty memory for `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { rules, kinds: HashMap::new(), key: Vec::new() }
    }

    /// Returns the rules this memory is for.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Calls `found` with each rule that may match `event`, whose facts are not known yet. Gated rules are left to
    /// [`Gates`](crate::rules::Gates).
    pub fn candidates(&mut self, event: &Event<'_>, mut found: impl FnMut(Candidate)) {
        let rules = Arc::clone(&self.rules);
        let kind = self.kind(event);
        for rule in kind.iter() {
            let verdict = match rules.rules[*rule as usize].condition.truth(event, Known::Record) {
                Truth::False => continue,
                Truth::Unknown => Verdict::AskFacts,
                Truth::True => Verdict::Matches,
            };
            found(Candidate { rule: *rule, verdict });
        }
    }

    /// Returns the rules that may match events of this kind.
    fn kind(&mut self, event: &Event<'_>) -> Arc<[u32]> {
        let Record::Trail(record) = &event.record else {
            return Arc::clone(self.rules.of(&Service::VpcFlow));
        };
        self.key.clear();
        for slot in SHARED {
            self.key.extend_from_slice(record.slot_raw(slot).unwrap_or_default().as_bytes());
            self.key.push(b'\n');
        }
        let key = xxh3_128(&self.key);
        if let Some(known) = self.kinds.get(&key) {
            return Arc::clone(known);
        }
        let all = self.rules.of(&Service::CloudTrail);
        let may_match = |rule: &&u32| {
            let rule = &self.rules.rules[**rule as usize];
            !rule.gated && rule.condition.truth(event, Known::Shared) != Truth::False
        };
        let kept: Arc<[u32]> = all.iter().filter(may_match).copied().collect();
        if self.kinds.len() < MAX_KINDS {
            self.kinds.insert(key, Arc::clone(&kept));
        }
        kept
    }
}
