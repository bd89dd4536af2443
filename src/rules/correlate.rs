//! Sigma correlations: events that mean something only together.
//!
//! A correlation must count the same whatever the order in which files arrive, so matches of its base rules wait
//! until the watermark has passed them and are fed to rsigma in the order of event time. What was fed within the
//! longest window, and what waits, is kept in the store: a restart builds the same windows again.
//!
//! Invariant: no clock. `advance` is told how far time has come.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;

use rsigma_parser::CorrelationRule;
use rsigma_parser::SigmaRule;

use crate::model::Detector;
use crate::model::Event;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::Span;
use crate::rules::Rules;
use crate::rules::block::Block;
use crate::rules::kept;
use crate::rules::load::Place;
use crate::rules::load::Problem;
use crate::rules::load::Weight;
use crate::rules::table;
use crate::rules::windows::Fired;
use crate::rules::windows::Windows;
use crate::rules::windows::engine;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What may wait for the watermark, in bytes. Beyond, the oldest are fed early and order may suffer.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// The rules that one correlation counts.
pub(super) struct Bases {
    names: Vec<String>,
    generate: bool,
}

impl Bases {
    fn counts(&self, (id, name): (&str, &str)) -> bool {
        self.names.iter().any(|known| known == id || known == name)
    }
}

/// Returns whether any correlation counts the rule or correlation called `id` or `name`.
pub(super) fn feeds(bases: &[Bases], (id, name): (&str, &str)) -> bool {
    bases.iter().any(|base| base.counts((id, name)))
}

/// Returns whether a rule or correlation is only counted: no correlation that counts it lets it raise alerts itself.
pub(super) fn is_silent(bases: &[Bases], (id, name): (&str, &str)) -> bool {
    let lets_alert = |base: &Bases| base.generate && base.counts((id, name));
    feeds(bases, (id, name)) && !bases.iter().any(lets_alert)
}

type Loaded = (Place, CorrelationRule, Block);

/// Checks correlations against the rules they name; returns what they count, and those that are whole.
pub(super) fn prepare(
    correlations: &mut Vec<Loaded>,
    rules: &[(Place, SigmaRule, Block)],
    problems: &mut Vec<Problem>,
) -> (Vec<Bases>, Vec<Loaded>) {
    let mut names: Vec<String> = Vec::new();
    names.extend(
        rules.iter().flat_map(|(_, rule, _)| [rule.id.clone(), rule.name.clone()]).flatten(),
    );
    names.extend(
        correlations.iter().flat_map(|(_, rule, _)| [rule.id.clone(), rule.name.clone()]).flatten(),
    );
    let mut refuse = |place: &Place, what: String| {
        problems.push(Problem {
            path: place.path.clone(),
            line: place.line,
            what,
            weight: Weight::Error,
        });
    };
    let mut whole = Vec::new();
    for (place, rule, block) in correlations.drain(..) {
        match rule.rules.iter().find(|name| !names.contains(name)) {
            Some(missing) => refuse(
                &place,
                format!("the correlation names `{missing}`, which is no loaded rule"),
            ),
            None => whole.push((place, rule, block)),
        }
    }
    let counted: HashSet<&String> = whole.iter().flat_map(|(_, rule, _)| &rule.rules).collect();
    let is_counted =
        |rule: &&SigmaRule| rule.id.iter().chain(&rule.name).any(|name| counted.contains(name));
    let all: Vec<SigmaRule> =
        rules.iter().map(|(_, rule, _)| rule).filter(is_counted).cloned().collect();
    let together: Vec<&CorrelationRule> = whole.iter().map(|(_, rule, _)| rule).collect();
    if engine(&all, &together).is_err() {
        // One of them is wrong: each is tried alone, so that the others live. Chains of correlations do not survive.
        whole.retain(|(place, rule, _)| match engine(&all, &[rule]) {
            Ok(_) => true,
            Err(error) => {
                refuse(place, error.to_string());
                false
            }
        });
    }
    let bases = whole
        .iter()
        .map(|(_, rule, _)| Bases { names: rule.rules.clone(), generate: rule.generate });
    (bases.collect(), whole)
}

/// A match of a base rule, waiting for its turn or kept for a restart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    pub time: Seconds,
    pub event_id: String,
    /// The ids of the rules that matched.
    pub rule_ids: Vec<String>,
    pub record: String,
    pub slots: Slots,
    pub facts: Facts,
    pub object: String,
}

impl Input {
    fn bytes(&self) -> usize {
        self.record.len() + self.event_id.len() + 512
    }

    fn key(&self) -> (Seconds, String) {
        (self.time, self.event_id.clone())
    }
}

/// The state of all correlations.
pub struct Correlator {
    rules: Arc<Rules>,
    windows: Windows,
    /// For what comes later than allowed: it is counted with its like only, so that it changes no other window.
    late: Option<Windows>,
    waiting: BTreeMap<(Seconds, String), Arc<Input>>,
    waiting_bytes: usize,
    unsaved: Vec<Arc<Input>>,
    longest: Span,
    watermark: Seconds,
}

impl Correlator {
    /// Makes an empty state for `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        let spans = rules.correlations.iter().map(|counting| counting.rule.timespan.seconds);
        let longest = Span(i64::try_from(spans.max().unwrap_or_default()).unwrap_or(i64::MAX));
        Self {
            windows: Windows::new(&rules),
            late: None,
            rules,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            unsaved: Vec::new(),
            longest,
            watermark: Seconds(i64::MIN),
        }
    }

    /// Builds the state of the last commit, in which time had come to `watermark`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(
        rules: Arc<Rules>,
        connection: &Connection,
        watermark: Seconds,
    ) -> Result<Self, StoreError> {
        let mut correlator = Self::new(rules);
        for input in
            table::inputs(connection, &correlator.rules.fields).map_err(StoreError::Read)?
        {
            correlator.wait(Arc::new(input));
        }
        // What these fire has been told before the restart.
        drop(correlator.advance(watermark));
        Ok(correlator)
    }

    /// Takes in an event that base rules matched.
    pub fn add(&mut self, bases: &[&Detector], event: &Event<'_>, object: &str) {
        self.add_as(bases, event, object, event.id());
    }

    /// Takes in an event of a test, which needs no id: its number in the test stands for it.
    pub(super) fn add_numbered(&mut self, bases: &[&Detector], event: &Event<'_>, number: usize) {
        self.add_as(bases, event, "test", format!("{number:06}"));
    }

    fn add_as(&mut self, bases: &[&Detector], event: &Event<'_>, object: &str, event_id: String) {
        let mut facts = Facts::default();
        event.all_facts().for_each(|(name, fact)| facts.set(name, fact.clone()));
        let (record, slots) = kept::record(&self.rules, event);
        let input = Arc::new(Input {
            time: event.time,
            event_id,
            rule_ids: bases.iter().map(|base| base.id.0.clone()).collect(),
            record,
            slots,
            facts,
            object: object.to_owned(),
        });
        self.unsaved.push(Arc::clone(&input));
        self.wait(input);
    }

    fn wait(&mut self, input: Arc<Input>) {
        self.waiting_bytes += input.bytes();
        if let Some(replaced) = self.waiting.insert(input.key(), input) {
            self.waiting_bytes -= replaced.bytes();
        }
    }

    /// Lets time come to `watermark` and returns what fired and is an alert, in the order of event time.
    pub fn advance(&mut self, watermark: Seconds) -> Vec<Fired> {
        let mut fired = self.advance_all(watermark);
        fired.retain(|fired| fired.alerts);
        fired
    }

    /// The same with correlations that others only count.
    pub(super) fn advance_all(&mut self, watermark: Seconds) -> Vec<Fired> {
        self.watermark = self.watermark.max(watermark);
        let mut fired = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            let is_due = first.key().0 <= self.watermark;
            if !is_due && self.waiting_bytes <= MAX_WAITING_BYTES {
                break;
            }
            let input = first.remove();
            self.waiting_bytes -= input.bytes();
            if self.windows.is_past(input.time) {
                self.late(&input).feed(&input, &mut fired);
            } else {
                self.windows.feed(&input, &mut fired);
            }
        }
        fired
    }

    /// Returns windows that a late match can be counted in.
    fn late(&mut self, input: &Input) -> &mut Windows {
        if self.late.as_ref().is_some_and(|late| late.is_past(input.time)) {
            self.late = None;
        }
        self.late.get_or_insert_with(|| Windows::new(&self.rules))
    }

    /// Writes what was taken in since the last commit, and drops what no window reaches any more.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        table::insert(tx, &self.unsaved).map_err(|error| tx.failed(error))?;
        self.unsaved.clear();
        let reach = Seconds(self.watermark.0.saturating_sub(self.longest.0));
        table::prune(tx, reach).map_err(|error| tx.failed(error))
    }

    /// Returns how many matches wait for the watermark.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
