//! Which rules may match a record: remembered per kind of event, then asked of the record.
//!
//! Nearly every rule names an `eventSource` and an `eventName`; a handful of rules remain for any one event. Each
//! worker keeps its own memory of them, bounded, and never waits for another.

use std::collections::HashMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;
use xxhash_rust::xxh3::xxh3_128;

use crate::model::Event;
use crate::model::Plain;
use crate::model::Record;
use crate::model::Slot;
use crate::rules::Rules;
use crate::rules::Service;
use crate::rules::gates::Gate;
use crate::rules::logic::Condition;
use crate::rules::logic::Known;
use crate::rules::logic::NAMES;
use crate::rules::logic::Rest;
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

/// A rule that events of a kind may match, and what must still be asked of each.
#[derive(Debug)]
struct Remaining {
    rule: u32,
    ask: Ask,
}

/// What must still be asked.
#[derive(Debug)]
enum Ask {
    /// Nothing: every event of the kind matches.
    Nothing,
    /// The facts alone.
    Facts,
    /// This, of the record and then of the facts.
    Record(Condition),
    /// This, of a field that has few values: the answer is remembered, by the condition's shape.
    Repeated { condition: Condition, shape: u64, slot: Slot },
}

/// How many of [`SHARED`] narrow the rules down, one step after the other.
const STEPS: [usize; 2] = [1, NAMES];

/// How many answers about single fields are remembered; when they are that many, all are asked anew.
const MAX_ANSWERS: usize = 8_192;
/// How long a value may be for an answer about it to be remembered.
const MAX_ANSWER_BYTES: usize = 1_024;

/// What a condition says of one value.
#[derive(Debug)]
struct Answer {
    shape: u64,
    raw: Box<str>,
    truth: Truth,
}

/// One worker's memory of candidates.
#[derive(Debug)]
pub struct Sieve {
    rules: Arc<Rules>,
    kinds: HashMap<u128, Arc<[Remaining]>, Plain>,
    /// The rules that a step leaves, by the fields it knows.
    narrowed: HashMap<u128, Arc<[u32]>, Plain>,
    /// Of flow records nothing is shared.
    flows: Arc<[Remaining]>,
    /// What a condition says of a value, by both.
    answers: HashMap<u64, Answer, Plain>,
    /// The fields that make a kind, one after the other; kept to be written over.
    key: Vec<u8>,
}

impl Sieve {
    /// Makes an empty memory for `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        let remaining = |rule: &u32| {
            let asked = &rules.rules[*rule as usize];
            // A flow has no verdict and changes no policy, ever.
            let is_asked = !matches!(asked.gate, Gate::Grant | Gate::Policy);
            is_asked.then(|| Remaining { rule: *rule, ask: Ask::Record(asked.condition.clone()) })
        };
        let flows = rules.of(&Service::VpcFlow).iter().filter_map(remaining).collect();
        Self {
            rules,
            kinds: HashMap::default(),
            narrowed: HashMap::default(),
            answers: HashMap::default(),
            flows,
            key: Vec::new(),
        }
    }

    /// Returns the rules this memory is for.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Calls `found` with each rule that may match `event`, whose facts are not known yet. Gated rules are left to
    /// [`Gates`](crate::rules::Gates).
    pub fn candidates(&mut self, event: &Event<'_>, mut found: impl FnMut(Candidate)) {
        for remaining in self.kind(event).iter() {
            let truth = match &remaining.ask {
                Ask::Nothing => Truth::True,
                Ask::Facts => Truth::Unknown,
                Ask::Record(condition) => condition.truth(event, Known::Record),
                Ask::Repeated { condition, shape, slot } => {
                    self.answer(condition, *shape, *slot, event)
                }
            };
            let verdict = match truth {
                Truth::False => continue,
                Truth::Unknown => Verdict::AskFacts,
                Truth::True => Verdict::Matches,
            };
            found(Candidate { rule: remaining.rule, verdict });
        }
    }

    /// Returns what `condition`, which asks for nothing but `slot`, says of its value.
    fn answer(
        &mut self,
        condition: &Condition,
        shape: u64,
        slot: Slot,
        event: &Event<'_>,
    ) -> Truth {
        let Record::Trail(record) = &event.record else {
            return condition.truth(event, Known::Record);
        };
        // Absent is not empty: the raw text of an empty value has its quotation marks.
        let raw = record.slot_raw(slot).unwrap_or_default();
        let key = xxh3_64_with_seed(raw.as_bytes(), shape);
        if let Some(known) = self.answers.get(&key) {
            // The value is somebody's: whoever finds another of the same hash must not get its answer.
            if known.shape == shape && *known.raw == *raw {
                return known.truth;
            }
        }
        let truth = condition.truth(event, Known::Record);
        if self.answers.len() >= MAX_ANSWERS {
            self.answers.clear();
        }
        if raw.len() <= MAX_ANSWER_BYTES {
            self.answers.insert(key, Answer { shape, raw: raw.into(), truth });
        }
        truth
    }

    /// Returns the rules that may match events of this kind.
    fn kind(&mut self, event: &Event<'_>) -> Arc<[Remaining]> {
        let Record::Trail(record) = &event.record else { return Arc::clone(&self.flows) };
        self.key.clear();
        let mut ends = [0; SHARED.len()];
        for ((number, slot), end) in (0u8..).zip(SHARED).zip(&mut ends) {
            if let Some(raw) = record.slot_raw(slot) {
                // With its number and length no other fields give the same key.
                self.key.push(number);
                self.key.extend_from_slice(&raw.len().to_le_bytes());
                self.key.extend_from_slice(raw.as_bytes());
            }
            *end = self.key.len();
        }
        let key = xxh3_128(&self.key);
        if let Some(known) = self.kinds.get(&key) {
            return Arc::clone(known);
        }
        let mut left = Arc::clone(self.rules.of(&Service::CloudTrail));
        for step in STEPS {
            left = self.narrow(event, step, ends[step - 1], &left);
        }
        let remaining = |rule: &u32| {
            let condition = &self.rules.rules[*rule as usize].condition;
            let ask = match condition.rest(event, Known::Shared(SHARED.len())) {
                Rest::Decided(Truth::True) => Ask::Nothing,
                Rest::Decided(_) => return None,
                Rest::Open(rest) if rest.asks_record() => match rest.repeated() {
                    Some(slot) => Ask::Repeated { shape: rest.shape(), condition: rest, slot },
                    None => Ask::Record(rest),
                },
                Rest::Open(_) => Ask::Facts,
            };
            Some(Remaining { rule: *rule, ask })
        };
        let kept: Arc<[Remaining]> = left.iter().filter_map(remaining).collect();
        if self.kinds.len() < MAX_KINDS {
            self.kinds.insert(key, Arc::clone(&kept));
        }
        kept
    }

    /// Returns those of `rules` that may match events with the first `step` shared fields of `event`, which end at
    /// `end` of the key.
    fn narrow(
        &mut self,
        event: &Event<'_>,
        step: usize,
        end: usize,
        rules: &Arc<[u32]>,
    ) -> Arc<[u32]> {
        let key = xxh3_128(self.key.get(..end).unwrap_or_default());
        if let Some(known) = self.narrowed.get(&key) {
            return Arc::clone(known);
        }
        let may_match = |rule: &u32| {
            let rule = &self.rules.rules[*rule as usize];
            let is_open = rule.gate == Gate::Open;
            is_open && rule.condition.truth(event, Known::Shared(step)) != Truth::False
        };
        let kept: Arc<[u32]> = rules.iter().copied().filter(may_match).collect();
        if self.narrowed.len() < MAX_KINDS {
            self.narrowed.insert(key, Arc::clone(&kept));
        }
        kept
    }
}
