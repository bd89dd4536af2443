//! The windows of correlations: rsigma's engine, fed in the order of event time.
//!
//! Invariant: time only goes forward here; who has an earlier match must make other windows for it.

use std::borrow::Cow;
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
use crate::model::TrailRecord;
use crate::rules::Counting;
use crate::rules::Rules;
use crate::rules::correlate::Input;
use crate::rules::view::View;

/// Bounds of rsigma's state.
const MAX_GROUPS: usize = 100_000;
const MAX_GROUP_ENTRIES: usize = 10_000;
const MAX_EVENT_IDS: usize = 100;

/// A correlation that fired.
#[derive(Debug)]
pub struct Fired {
    /// Its detector.
    pub detector: Arc<Detector>,
    /// The objects of the last event that was counted.
    pub object: String,
    /// The events counted, oldest first, bounded.
    pub event_ids: Vec<String>,
    /// Whether it is more than a base of other correlations.
    pub(super) alerts: bool,
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

/// The windows of all correlations.
pub(super) struct Windows {
    rules: Arc<Rules>,
    engine: CorrelationEngine,
    last: Seconds,
}

impl Windows {
    /// Makes empty windows.
    pub(super) fn new(rules: &Arc<Rules>) -> Self {
        let correlations: Vec<&CorrelationRule> =
            rules.correlations.iter().map(|counting| &counting.rule).collect();
        let engine = engine(&rules.bases, &correlations).expect("`prepare` built the same engine");
        Self { rules: Arc::clone(rules), engine, last: Seconds(i64::MIN) }
    }

    /// Returns whether a match of `time` lies before what has been counted.
    pub(super) fn is_past(&self, time: Seconds) -> bool {
        time < self.last
    }

    /// Counts a match; its time must not lie before the last one's.
    pub(super) fn feed(&mut self, input: &Input, fired: &mut Vec<Fired>) {
        self.last = input.time;
        let record = Record::Trail(TrailRecord::new(&input.record, &input.slots));
        let event = Event { time: input.time, record, session: None, facts: input.facts.clone() };
        let counted = Counted { view: View(&event), id: &input.event_id };
        let matched = |rule_id: &String| EvaluationResult {
            header: RuleHeader {
                rule_title: String::new(),
                rule_id: Some(rule_id.clone()),
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
        let matched: Vec<EvaluationResult> = input.rule_ids.iter().map(matched).collect();
        for result in self.engine.process_with_detections(&counted, matched, input.time.0) {
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
                fired.push(fire(counting, body, input));
            }
        }
    }
}

/// Makes rsigma's engine for these correlations.
pub(super) fn engine(
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

fn fire(counting: &Counting, body: &CorrelationBody, input: &Input) -> Fired {
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
        alerts: counting.alerts,
        event_ids: refs.filter_map(|found| found.id.clone()).collect(),
        record: input.record.clone(),
        slots: input.slots.clone(),
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
