//! Loading detectors: our own, built in, and the user's files.
//!
//! A file that is wrong is reported with its place and does not stop the others. What is loaded but cannot match
//! (another product's rule, a placeholder without value, a deprecated rule) is said as well: a silently dropped rule
//! is a silent blind spot.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rsigma_eval::CompiledRule;
use rsigma_eval::Engine;
use rsigma_parser::ConditionOperator;
use rsigma_parser::CorrelationCondition;
use rsigma_parser::CorrelationRule;
use rsigma_parser::CorrelationType;
use rsigma_parser::FilterRule;
use rsigma_parser::FilterRuleTarget;
use rsigma_parser::SigmaRule;
use rsigma_parser::Status;
use rsigma_parser::parse_sigma_yaml;

use crate::model::Field;
use crate::rules::Config;
use crate::rules::Counting;
use crate::rules::Rule;
use crate::rules::Rules;
use crate::rules::Service;
use crate::rules::block;
use crate::rules::block::Block;
use crate::rules::correlate;
use crate::rules::files::Source;
use crate::rules::gates::Gate;
use crate::rules::head::Head;
use crate::rules::head::detector;
use crate::rules::placeholders;
use crate::rules::shape;
use crate::rules::view::FieldName;
use crate::rules::ways;

/// Where in the detectors something is wrong, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// Whether the detector was left out for it.
    pub weight: Weight,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The detector is wrong and was not loaded.
    Error,
    /// The detector is fine, and for a good reason cannot match here.
    Notice,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = if self.weight == Weight::Error { "error" } else { "notice" };
        write!(f, "{}:{}: {weight}: {}", self.path.display(), self.line, self.what)
    }
}

/// Where a document stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub path: PathBuf,
    pub line: usize,
}

/// What is being put together.
#[derive(Default)]
struct Draft {
    rules: Vec<(Place, SigmaRule, Block)>,
    correlations: Vec<(Place, CorrelationRule, Block)>,
    filters: Vec<(Place, FilterRule)>,
    problems: Vec<Problem>,
}

impl Draft {
    fn say(&mut self, place: &Place, weight: Weight, what: impl Into<String>) {
        self.problems.push(Problem {
            path: place.path.clone(),
            line: place.line,
            what: what.into(),
            weight,
        });
    }
}

/// Puts detectors together; see [`Rules::load`].
pub(super) fn load(config: &Config, sources: &[Source], fields: &[Field]) -> (Rules, Vec<Problem>) {
    let mut draft = Draft::default();
    for source in sources {
        parse(source, &mut draft);
    }
    drop_repeated(&mut draft);
    name_filters_by_id(&mut draft);
    let mut rules = Rules { fields: fields.to_vec(), ..Rules::default() };
    let compiled = compile(config, &mut draft);
    let (bases, correlations) =
        correlate::prepare(&mut draft.correlations, &draft.rules, &mut draft.problems);
    let placed: Vec<usize> = compiled.iter().map(|(at, _)| *at).collect();
    for (at, compiled) in compiled {
        let (place, rule, block) = &draft.rules[at];
        let detector = detector(config, place, Head::of_rule(rule), block);
        let condition = shape::condition(&compiled, fields);
        check_facts(&condition.fields(), fields, place, &mut draft.problems);
        let id = detector.id.0.as_str();
        let name = rule.name.as_deref().unwrap_or_default();
        let feeds = correlate::feeds(&bases, (id, name));
        let silent = correlate::is_silent(&bases, (id, name));
        rules.tests.extend(
            block.tests.iter().map(|test| (detector.id.clone(), place.clone(), test.clone())),
        );
        rules.rules.push(Rule {
            gate: Gate::of(&condition),
            condition,
            place: place.clone(),
            detector: Arc::new(detector),
            logsource: compiled.logsource.clone(),
            alerts: !silent,
            feeds,
            undone_by: Vec::new(),
            undoes: None,
        });
        if feeds {
            rules.bases.push(rule.clone());
        }
    }
    let told = (0u32..).zip(&placed).map(|(of, at)| (of, &draft.rules[*at].0, &draft.rules[*at].2));
    let wrong = ways::add_all(config, &mut rules, told);
    draft.problems.extend(wrong);
    for (place, rule, block) in correlations {
        draft.problems.extend(ways::of_correlation(&place, &block));
        let detector = detector(config, &place, Head::of_correlation(&rule), &block);
        rules.tests.extend(
            block.tests.iter().map(|test| (detector.id.clone(), place.clone(), test.clone())),
        );
        let name = rule.name.as_deref().unwrap_or_default();
        let alerts = !correlate::is_silent(&bases, (detector.id.0.as_str(), name));
        rules.correlations.push(Counting { place, detector: Arc::new(detector), rule, alerts });
    }
    rules.route();
    (rules, draft.problems)
}

/// Splits a file into its documents, each with its line, and sorts them by kind.
fn parse(source: &Source, draft: &mut Draft) {
    let mut line = 1;
    for text in split(&source.text) {
        let first = line + text.lines().take_while(|line| is_blank(line)).count();
        let place = Place { path: source.path.clone(), line: first };
        let lines = text.lines().count();
        if text.lines().any(|line| !is_blank(line)) {
            // Line numbers in the parser's own messages then are the file's.
            let padded = "\n".repeat(line - 1) + text;
            parse_document(&padded, &place, draft);
        }
        line += lines + 1;
    }
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

/// The documents of a YAML file, without the `---` lines between them.
fn split(text: &str) -> Vec<&str> {
    let (mut documents, mut from, mut at) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim_end() == "---" {
            documents.push(text.get(from..at).unwrap_or_default());
            from = at + line.len();
        }
        at += line.len();
    }
    documents.push(text.get(from..).unwrap_or_default());
    documents
}

fn parse_document(text: &str, place: &Place, draft: &mut Draft) {
    let collection = match parse_sigma_yaml(text) {
        Ok(collection) => collection,
        Err(error) => return draft.say(place, Weight::Error, error.to_string()),
    };
    for error in collection.errors {
        draft.say(place, Weight::Error, error);
    }
    for mut rule in collection.rules {
        if is_retired(rule.status, place, draft) {
            continue;
        }
        match block::read(&rule.custom_attributes) {
            Ok(block) => {
                rule.id.get_or_insert_with(|| content_id(text));
                draft.rules.push((place.clone(), rule, block));
            }
            Err(what) => draft.say(place, Weight::Error, what),
        }
    }
    for mut rule in collection.correlations {
        if is_retired(rule.status, place, draft) {
            continue;
        }
        match block::read(&rule.custom_attributes) {
            Ok(block) => {
                rule.id.get_or_insert_with(|| content_id(text));
                want_all(&mut rule, text);
                draft.correlations.push((place.clone(), rule, block));
            }
            Err(what) => draft.say(place, Weight::Error, what),
        }
    }
    draft.filters.extend(collection.filters.into_iter().map(|filter| (place.clone(), filter)));
}

/// A temporal correlation without a condition wants every one of its rules (Sigma correlation specification 2.1);
/// rsigma 0.23 takes it for "at least one".
fn want_all(rule: &mut CorrelationRule, text: &str) {
    let is_temporal = matches!(
        rule.correlation_type,
        CorrelationType::Temporal | CorrelationType::TemporalOrdered
    );
    let written: yaml_serde::Value = yaml_serde::from_str(text).unwrap_or_default();
    let is_open = written.get("correlation").is_some_and(|block| block.get("condition").is_none());
    if is_temporal && is_open {
        let all = rule.rules.len() as u64;
        rule.condition = CorrelationCondition::Threshold {
            predicates: vec![(ConditionOperator::Gte, all)],
            field: None,
            percentile: None,
        };
    }
}

/// A rule without an id is known by its content: changed, it is another rule.
fn content_id(text: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, text.trim().as_bytes()).to_string()
}

fn is_retired(status: Option<Status>, place: &Place, draft: &mut Draft) -> bool {
    let retired = match status {
        Some(Status::Deprecated) => "deprecated",
        Some(Status::Unsupported) => "unsupported",
        _ => return false,
    };
    draft.say(place, Weight::Notice, format!("left out: its status is {retired}"));
    true
}

/// Of two rules with one id the first stays.
fn drop_repeated(draft: &mut Draft) {
    let mut seen: std::collections::HashMap<String, Place> = std::collections::HashMap::new();
    let mut problems = Vec::new();
    let mut keep = |place: &Place, id: Option<&String>, name: Option<&String>| {
        for key in id.into_iter().chain(name) {
            if let Some(first) = seen.get(key) {
                let what = format!("`{key}` is taken by {}:{}", first.path.display(), first.line);
                problems.push(Problem {
                    path: place.path.clone(),
                    line: place.line,
                    what,
                    weight: Weight::Error,
                });
                return false;
            }
        }
        id.into_iter().chain(name).for_each(|key| {
            seen.insert(key.clone(), place.clone());
        });
        true
    };
    draft.rules.retain(|(place, rule, _)| keep(place, rule.id.as_ref(), rule.name.as_ref()));
    draft.correlations.retain(|(place, rule, _)| keep(place, rule.id.as_ref(), rule.name.as_ref()));
    draft.problems.extend(problems);
}

/// rsigma finds a filter's rules by id or title; the specification also allows the name.
fn name_filters_by_id(draft: &mut Draft) {
    let rules = &draft.rules;
    for (_, filter) in &mut draft.filters {
        let FilterRuleTarget::Specific(targets) = &mut filter.rules else { continue };
        for target in targets {
            let named =
                rules.iter().find(|(_, rule, _)| rule.name.as_deref() == Some(target.as_str()));
            if let Some(id) = named.and_then(|(_, rule, _)| rule.id.clone()) {
                *target = id;
            }
        }
    }
}

/// Compiles what can be compiled and applies the filters; returns each compiled rule with its place in the draft.
fn compile(config: &Config, draft: &mut Draft) -> Vec<(usize, CompiledRule)> {
    let mut engine = placeholders::engine(&config.placeholders);
    let mut kept = Vec::new();
    let mut said = Vec::new();
    for (at, (place, rule, _)) in draft.rules.iter().enumerate() {
        if let Err(error) = engine.add_rule(rule) {
            said.push((place.clone(), Weight::Error, error.to_string()));
            continue;
        }
        kept.push(at);
    }
    for (place, filter) in &draft.filters {
        if let Some(what) = apply(&mut engine, filter, &draft.rules) {
            said.push((place.clone(), what.0, what.1));
        }
    }
    let mut compiled = Vec::new();
    for (at, rule) in kept.into_iter().zip(engine.rules()) {
        let place = &draft.rules[at].0;
        match why_idle(rule) {
            Some(what) => said.push((place.clone(), Weight::Notice, what)),
            None => compiled.push((at, rule.clone())),
        }
    }
    for (place, weight, what) in said {
        draft.say(&place, weight, what);
    }
    compiled
}

fn apply(
    engine: &mut Engine,
    filter: &FilterRule,
    rules: &[(Place, SigmaRule, Block)],
) -> Option<(Weight, String)> {
    if let FilterRuleTarget::Specific(targets) = &filter.rules {
        let is_there = |target: &&String| {
            rules
                .iter()
                .any(|(_, rule, _)| rule.id.as_ref() == Some(target) || rule.title == **target)
        };
        if let Some(missing) = targets.iter().find(|target| !is_there(target)) {
            return Some((
                Weight::Error,
                format!("the filter names `{missing}`, which is no loaded rule"),
            ));
        }
    }
    engine.apply_filter(filter).err().map(|error| (Weight::Error, error.to_string()))
}

/// Returns why a rule cannot match here, if it cannot.
fn why_idle(rule: &CompiledRule) -> Option<String> {
    if Service::all_for(&rule.logsource).is_empty() {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".to_owned());
        let source = format!("{}/{}", part(&rule.logsource.product), part(&rule.logsource.service));
        return Some(format!("left out: no events of log source {source} are read here"));
    }
    let open = placeholders::open(rule);
    (!open.is_empty()).then(|| {
        let names = open.join(", ");
        format!("left out: no value for placeholder {names}; set it in `detectors.placeholders`")
    })
}

fn check_facts(named: &[&FieldName], fields: &[Field], place: &Place, problems: &mut Vec<Problem>) {
    for name in named {
        let FieldName::Fact(name, _) = name else { continue };
        if !fields.iter().any(|field| field.name == name) {
            let what = format!("`{name}` is no fact; `grantwatch detectors fields` lists them");
            problems.push(Problem {
                path: place.path.clone(),
                line: place.line,
                what,
                weight: Weight::Error,
            });
        }
    }
}
