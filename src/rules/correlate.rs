//! Sigma correlations: events that mean something only together.
//!
//! A correlation must count the same whatever the order in which files arrive, so matches of its base rules wait
//! until the watermark has passed them and are fed to rsigma in the order of event time. What was fed within the
//! longest window, and what waits, is kept in the store: a restart builds the same windows again.
//!
//! Invariant: no clock. `advance` is told how far time has come.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use rsigma_eval::CorrelationAction;
use rsigma_eval::CorrelationBody;
use rsigma_eval::CorrelationConfig;
use rsigma_eval::CorrelationEngine;
use rsigma_eval::CorrelationEventMode;
use rsigma_eval::EvaluationResult;
use rsigma_eval::Event as SigmaEvent;
use rsigma_eval::EventValue;
use rsigma_eval::ResultBody;
use rsigma_eval::RuleHeader;
use rsigma_eval::TimestampFallback;
use rsigma_eval::result::DetectionBody;
use rsigma_parser::CorrelationRule;
use rsigma_parser::SigmaCollection;
use rsigma_parser::SigmaRule;
use serde_json::Value;

use crate::model::Detector;
use crate::model::Event;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::rules::Counting;
use crate::rules::Rules;
use crate::rules::block::Block;
use crate::rules::kept;
use crate::rules::load::Place;
use crate::rules::load::Problem;
use crate::rules::load::Weight;
use crate::rules::table;
use crate::rules::view::View;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What may wait for the watermark, in bytes. Beyond, the oldest are fed early and order may suffer.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// Bounds of rsigma's state.
const MAX_GROUPS: usize = 100_000;
const MAX_GROUP_ENTRIES: usize = 10_000;
const MAX_EVENT_IDS: usize = 100;

/// The rules that one correlation counts.
pub(super) struct Bases {
    pub names: Vec<String>,
    generate: bool,
}

impl Bases {
    /// Returns whether this correlation keeps the rule called `id` or `name` from raising alerts itself.
    pub(super) fn silences(&self, id: &str, name: &str) -> bool {
        !self.generate || !self.names.iter().any(|known| known == id || known == name)
    }
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
    let all: Vec<SigmaRule> = rules.iter().map(|(_, rule, _)| rule.clone()).collect();
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

fn engine(
    rules: &[SigmaRule],
    correlations: &[&CorrelationRule],
) -> rsigma_eval::Result<CorrelationEngine> {
    let mut engine = CorrelationEngine::new(CorrelationConfig {
        timestamp_fallback: TimestampFallback::Skip,
        max_state_entries: MAX_GROUPS,
        max_group_entries: Some(MAX_GROUP_ENTRIES),
        action_on_match: CorrelationAction::Alert,
        correlation_event_mode: CorrelationEventMode::Refs,
        max_correlation_events: MAX_EVENT_IDS,
        ..CorrelationConfig::default()
    });
    let mut collection = SigmaCollection::new();
    collection.rules = rules.to_vec();
    collection.correlations = correlations.iter().map(|rule| (*rule).clone()).collect();
    engine.add_collection(&collection)?;
    Ok(engine)
}

/// A match of a base rule, waiting for its turn or kept for a restart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    pub time: Seconds,
    pub event_id: String,
    pub rule_id: String,
    pub record: String,
    pub facts: Facts,
    pub object: String,
}

impl Input {
    fn bytes(&self) -> usize {
        self.record.len() + self.event_id.len() + 512
    }

    fn key(&self) -> (Seconds, String, String) {
        (self.time, self.event_id.clone(), self.rule_id.clone())
    }
}

/// A correlation that fired.
#[derive(Debug)]
pub struct Fired {
    /// Its detector.
    pub detector: Arc<Detector>,
    /// The objects of the last event that was counted.
    pub object: String,
    /// The events counted, oldest first, bounded.
    pub event_ids: Vec<String>,
    record: String,
    slots: Slots,
    facts: Facts,
    time: Seconds,
}

impl Fired {
    /// Returns when the last event that was counted happened.
    pub fn time(&self) -> Seconds {
        self.time
    }

    /// Returns the last event that was counted, with `gw.correlation.` facts.
    pub fn event(&self) -> Event<'_> {
        let record = Record::Trail(TrailRecord::new(&self.record, &self.slots));
        Event { time: self.time, record, session: None, facts: self.facts.clone() }
    }
}

/// The state of all correlations.
pub struct Correlator {
    rules: Arc<Rules>,
    engine: CorrelationEngine,
    waiting: BTreeMap<(Seconds, String, String), Input>,
    waiting_bytes: usize,
    unsaved: Vec<Input>,
    longest: Span,
    watermark: Seconds,
}

impl Correlator {
    /// Makes an empty state for `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        let correlations: Vec<&CorrelationRule> =
            rules.correlations.iter().map(|counting| &counting.rule).collect();
        let engine = engine(&rules.bases, &correlations).expect("`prepare` built the same engine");
        let seconds =
            correlations.iter().map(|rule| rule.timespan.seconds).max().unwrap_or_default();
        let longest = Span(i64::try_from(seconds).unwrap_or(i64::MAX));
        let waiting = BTreeMap::new();
        Self {
            rules,
            engine,
            waiting,
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
            correlator.wait(input);
        }
        // What these fire has been told before the restart.
        drop(correlator.advance(watermark));
        Ok(correlator)
    }

    /// Takes in a match of a base rule.
    pub fn add(&mut self, base: &Detector, event: &Event<'_>, object: &str) {
        self.add_as(base, event, object, event.id());
    }

    /// Takes in an event of a test, which needs no id: its number in the test stands for it.
    pub(super) fn add_numbered(&mut self, base: &Detector, event: &Event<'_>, number: usize) {
        self.add_as(base, event, "test", format!("{number:06}"));
    }

    fn add_as(&mut self, base: &Detector, event: &Event<'_>, object: &str, event_id: String) {
        let mut facts = Facts::default();
        event.all_facts().for_each(|(name, fact)| facts.set(name, fact.clone()));
        let input = Input {
            time: event.time,
            event_id,
            rule_id: base.id.0.clone(),
            record: kept::record(&self.rules, event),
            facts,
            object: object.to_owned(),
        };
        self.unsaved.push(input.clone());
        self.wait(input);
    }

    fn wait(&mut self, input: Input) {
        self.waiting_bytes += input.bytes();
        if let Some(replaced) = self.waiting.insert(input.key(), input) {
            self.waiting_bytes -= replaced.bytes();
        }
    }

    /// Lets time come to `watermark` and returns what fired, in the order of event time.
    pub fn advance(&mut self, watermark: Seconds) -> Vec<Fired> {
        self.watermark = self.watermark.max(watermark);
        let mut fired = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            let is_due = first.key().0 <= self.watermark;
            if !is_due && self.waiting_bytes <= MAX_WAITING_BYTES {
                break;
            }
            let input = first.remove();
            self.waiting_bytes -= input.bytes();
            self.feed(&input, &mut fired);
        }
        fired
    }

    fn feed(&mut self, input: &Input, fired: &mut Vec<Fired>) {
        let Some(slots) = Slots::of(&input.record) else { return };
        let record = Record::Trail(TrailRecord::new(&input.record, &slots));
        let event = Event { time: input.time, record, session: None, facts: input.facts.clone() };
        let counted = Counted { view: View(&event), id: &input.event_id };
        let matched = EvaluationResult {
            header: RuleHeader {
                rule_title: String::new(),
                rule_id: Some(input.rule_id.clone()),
                level: None,
                tags: Vec::new(),
                custom_attributes: Arc::new(HashMap::new()),
                enrichments: None,
            },
            body: ResultBody::Detection(DetectionBody {
                matched_selections: Vec::new(),
                matched_fields: Vec::new(),
                event: None,
            }),
        };
        for result in self.engine.process_with_detections(&counted, vec![matched], input.time.0) {
            let ResultBody::Correlation(body) = &result.body else { continue };
            let id = result.header.rule_id.as_deref();
            let found = self
                .rules
                .correlations
                .iter()
                .find(|counting| Some(counting.detector.id.0.as_str()) == id);
            // An event that lacks a field of the group belongs to no group.
            if let Some(counting) =
                found.filter(|counting| counting.rule.group_by.len() == body.group_key.len())
            {
                fired.push(fire(counting, body, input, &slots));
            }
        }
    }

    /// Writes what was taken in since the last commit, and drops what no window reaches any more.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for input in self.unsaved.drain(..) {
            table::insert(tx, &input).map_err(|error| tx.failed(error))?;
        }
        let reach = Seconds(self.watermark.0.saturating_sub(self.longest.0));
        table::prune(tx, reach).map_err(|error| tx.failed(error))
    }

    /// Returns how many matches wait for the watermark.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

fn fire(counting: &Counting, body: &CorrelationBody, input: &Input, slots: &Slots) -> Fired {
    let mut facts = input.facts.clone();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a count, or a sum that is shown to people"
    )]
    facts.set("gw.correlation.count", body.aggregated_value as i64);
    facts.set(
        "gw.correlation.timespan_seconds",
        i64::try_from(counting.rule.timespan.seconds).unwrap_or(i64::MAX),
    );
    let group: Vec<String> =
        body.group_key.iter().map(|(name, value)| format!("{name}={value}")).collect();
    facts.set("gw.correlation.group", group);
    let refs = body.event_refs.iter().flatten();
    Fired {
        detector: Arc::clone(&counting.detector),
        object: input.object.clone(),
        event_ids: refs.filter_map(|found| found.id.clone()).collect(),
        record: input.record.clone(),
        slots: slots.clone(),
        facts,
        time: input.time,
    }
}

/// A view whose tree is only its id: rsigma keeps that of each event it counted.
struct Counted<'e, 'a> {
    view: View<'e, 'a>,
    id: &'e str,
}

impl SigmaEvent for Counted<'_, '_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        self.view.get_field(path)
    }

    fn any_string_value(&self, matches: &dyn Fn(&str) -> bool) -> bool {
        self.view.any_string_value(matches)
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.view.all_string_values()
    }

    fn to_json(&self) -> Value {
        serde_json::json!({ "id": self.id })
    }
}
