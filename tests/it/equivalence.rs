//! The rules' hits are those of plain rsigma over a tree of the same record and facts.
//!
//! The pipeline never builds a tree: it drops rules by a few shared fields, by the record, by the session, and asks
//! the event's own facts last. Here each record is also given to rsigma's own engine as `serde_json::Value`, with its facts as keys of
//! their full names, and whatever matches there must match here.
//!
//! One difference is meant: a string modifier on a field that holds an object (`requestParameters|contains`) reads
//! the object's JSON text here, and never matches there.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use grantwatch::identity;
use grantwatch::identity::Registry;
use grantwatch::model::Event;
use grantwatch::model::Fact;
use grantwatch::model::Facts;
use grantwatch::model::Field;
use grantwatch::model::FlowColumns;
use grantwatch::model::FlowRecord;
use grantwatch::model::Receipt;
use grantwatch::model::Record;
use grantwatch::model::Scope;
use grantwatch::model::Seconds;
use grantwatch::model::Slots;
use grantwatch::model::TrailRecord;
use grantwatch::pipeline;
use grantwatch::pipeline::Outcome;
use grantwatch::rules::Candidate;
use grantwatch::rules::Gates;
use grantwatch::rules::Rules;
use grantwatch::rules::Service;
use grantwatch::rules::Sieve;
use rsigma_eval::CompiledDetection;
use rsigma_eval::CompiledRule;
use rsigma_eval::Engine;
use rsigma_eval::JsonEvent;
use rsigma_parser::LogSource;
use rsigma_parser::parse_sigma_yaml;
use serde_json::Map;
use serde_json::Value;

use crate::files;
use crate::originals;
use crate::originals::Setting;
use crate::originals::originals;

/// rsigma as it is: the same files, no sieve, no view.
struct Plain {
    engine: Engine,
    /// The fields that each rule reads, by its title.
    fields: BTreeMap<String, BTreeSet<String>>,
}

impl Plain {
    fn new() -> Self {
        let mut engine = Engine::new();
        let mut titles = BTreeSet::new();
        for source in pipeline::builtin_detectors() {
            let collection = parse_sigma_yaml(&source.text).unwrap();
            for rule in &collection.rules {
                assert!(titles.insert(rule.title.clone()), "two rules are called `{}`", rule.title);
                engine.add_rule(rule).unwrap();
            }
        }
        let mut fields = BTreeMap::new();
        for rule in engine.rules() {
            fields.insert(rule.title.clone(), fields_of(rule));
        }
        Self { engine, fields }
    }

    fn hits(&self, tree: &Value, service: &Service) -> BTreeSet<String> {
        let (product, service) = match service {
            Service::CloudTrail => ("aws", "cloudtrail"),
            Service::VpcFlow => ("aws", "vpcflow"),
            Service::Intake => ("grantwatch", "intake"),
            Service::Grants => ("grantwatch", "grants"),
            Service::Policies => ("grantwatch", "policies"),
            Service::Matches => ("grantwatch", "matches"),
        };
        let logsource = LogSource {
            product: Some(product.to_owned()),
            service: Some(service.to_owned()),
            ..LogSource::default()
        };
        let found = self.engine.evaluate_with_logsource(&JsonEvent::borrow(tree), &logsource);
        found.into_iter().map(|hit| hit.header.rule_title).collect()
    }

    /// Returns whether a rule reads a field that holds an object in this record.
    fn reads_an_object(&self, title: &str, tree: &Value) -> bool {
        self.fields[title].iter().any(|field| holds_an_object(tree, field))
    }
}

fn fields_of(rule: &CompiledRule) -> BTreeSet<String> {
    fn collect(detection: &CompiledDetection, fields: &mut BTreeSet<String>) {
        match detection {
            CompiledDetection::AllOf(items) => {
                // `exists` asks for no text.
                let reading = items.iter().filter(|item| item.exists.is_none());
                fields.extend(reading.filter_map(|item| item.field.clone()));
            }
            CompiledDetection::And(parts) | CompiledDetection::AnyOf(parts) => {
                parts.iter().for_each(|part| collect(part, fields));
            }
            CompiledDetection::Keywords(_)
            | CompiledDetection::ArrayMatch { .. }
            | CompiledDetection::Conditional { .. } => {}
        }
    }
    let mut fields = BTreeSet::new();
    rule.detections.values().for_each(|detection| collect(detection, &mut fields));
    fields
}

/// Whether the value at `path` is an object, or a list with one in it; a path goes through every member of a list.
fn holds_an_object(at: &Value, path: &str) -> bool {
    let has_object = |value: &Value| match value {
        Value::Array(members) => members.iter().any(Value::is_object),
        other => other.is_object(),
    };
    match at {
        Value::Array(members) => members.iter().any(|member| holds_an_object(member, path)),
        Value::Object(members) => match path.split_once('.') {
            None => members.get(path).is_some_and(has_object),
            Some((head, rest)) => {
                members.get(head).is_some_and(|below| holds_an_object(below, rest))
            }
        },
        _ => false,
    }
}

/// Returns the record as a tree, and its facts as keys of their full names.
fn tree(event: &Event<'_>) -> Value {
    let mut tree: Value = match &event.record {
        Record::Trail(record) => serde_json::from_str(record.raw()).unwrap(),
        Record::Flow(record) => {
            let names = record.columns().names().iter();
            let member = |name: &String| Some((name.clone(), Value::from(record.get(name)?)));
            Value::Object(names.filter_map(member).collect())
        }
    };
    for (name, fact) in event.all_facts() {
        tree[name] = fact.to_json();
    }
    tree
}

/// What was compared.
#[derive(Debug, Default)]
struct Compared {
    records: usize,
    hits: usize,
    matched: BTreeSet<String>,
    /// Rules that matched here alone, for the text of an object, with how often.
    by_text: BTreeMap<String, usize>,
}

impl Compared {
    /// Compares what matches `event` here, by title, with what matches it there.
    fn add(&mut self, plain: &Plain, event: &Event<'_>, service: &Service, ours: BTreeSet<String>) {
        let tree = tree(event);
        let theirs = plain.hits(&tree, service);
        let theirs_alone: Vec<&String> = theirs.difference(&ours).collect();
        assert!(theirs_alone.is_empty(), "{theirs_alone:?} match in plain rsigma alone: {tree}");
        for title in ours.difference(&theirs) {
            assert!(plain.reads_an_object(title, &tree), "`{title}` matches here alone: {tree}");
            *self.by_text.entry(title.clone()).or_default() += 1;
        }
        self.records += 1;
        self.hits += ours.len();
        self.matched.extend(ours);
    }
}

fn service(record: &Record<'_>) -> Service {
    match record {
        Record::Trail(_) => Service::CloudTrail,
        Record::Flow(_) => Service::VpcFlow,
    }
}

/// Reads the files below `folder` as the pipeline does and compares hit by hit.
fn compare_files(rules: &Arc<Rules>, plain: &Plain, folder: &str, compared: &mut Compared) {
    let setting = Setting::of_the_day("10m");
    let mut registry = Registry::new(&setting.config.identity);
    let mut sieve = Sieve::new(Arc::clone(rules));
    let mut gates = Gates::new(Arc::clone(rules));
    let fields = pipeline::fields().into_iter().filter(|field| field.scope != Scope::Session);
    let of_the_event: BTreeSet<&str> = fields.map(|field| field.name).collect();
    for original in originals(folder) {
        let delivery = original.delivery(Receipt::nobody());
        let batch = pipeline::read(delivery, &pipeline::Reading::of(&setting.config), &mut sieve);
        let Outcome::Read(read) = batch.outcome else { continue };
        for (_, record) in read.decoded.records() {
            if let Record::Trail(record) = &record {
                registry.learn(record);
            }
        }
        for (number, (time, record)) in (0u32..).zip(read.decoded.records()) {
            let (session, facts) = match &record {
                Record::Trail(record) => {
                    (Some(registry.session(record)), identity::event_facts(record, time))
                }
                Record::Flow(_) => (None, Facts::default()),
            };
            // A gate asks a session once for all its events: what differs between them must not be taken from it.
            assert!(facts.iter().all(|(name, _)| of_the_event.contains(name)), "{facts:?}");
            let bare = Event { time, record, session, facts: Facts::default() };
            let asked = read.candidates.iter().filter(|(of, _)| *of == number);
            let candidates: Vec<Candidate> = asked.map(|(_, candidate)| *candidate).collect();
            let event = Event { facts, ..bare.clone() };
            let ours = judge(rules, &mut gates, &candidates, &bare, &event);
            compared.add(plain, &event, &service(&event.record), ours);
        }
    }
}

/// Asks as the core asks: the candidates, and the rules that the session leaves open. Returns titles.
fn judge(
    rules: &Rules,
    gates: &mut Gates,
    candidates: &[Candidate],
    bare: &Event<'_>,
    event: &Event<'_>,
) -> BTreeSet<String> {
    let open = bare.session.as_ref().map(|session| gates.open(session));
    let open = open.iter().flat_map(|open| open.iter().copied());
    let gated = open.filter(|rule| rules.may_match(*rule, bare) && rules.matches(*rule, event));
    let decided = candidates.iter().filter(|candidate| rules.decide(**candidate, event));
    let has = |scope| {
        matches!(event.record, Record::Trail(_))
            && pipeline::fields()
                .iter()
                .any(|field| field.scope == scope && event.facts.get(field.name).is_some())
    };
    let (has_verdict, changes_policy) = (has(Scope::Grant), has(Scope::Policy));
    let of_verdicts = rules.of_verdicts().iter().copied().filter(|_| has_verdict);
    let of_policies = rules.of_policies().iter().copied().filter(|_| changes_policy);
    let judged = of_verdicts.chain(of_policies).filter(|rule| rules.matches(*rule, event));
    let asked = decided.map(|candidate| candidate.rule).chain(gated).chain(judged);
    // What takes a match back is declared beside the rule, not in it: no hit of it.
    let asked = asked.filter(|rule| !rules.is_undoing(*rule));
    asked.map(|rule| title(rules, rule)).collect()
}

fn title(rules: &Rules, rule: u32) -> String {
    rules.detector(rule).title.clone()
}

#[test]
fn hits_are_those_of_plain_rsigma() {
    let (rules, plain) = (originals::rules(), Plain::new());
    assert_eq!(rules.len(), plain.engine.rule_count());
    let mut compared = Compared::default();
    for folder in ["testdata/days/2026-03-02", "testdata/formats"] {
        compare_files(&rules, &plain, folder, &mut compared);
    }
    assert!(compared.records > 4_500 && compared.hits > 500, "{compared:?}");
    // More records than are kept here, where somebody has put them beside the checkout.
    for folder in ["../shared/data/cloudtrail", "../shared/data/synthetic/ct-dev-20k"] {
        if files::path(folder).exists() {
            compare_files(&rules, &plain, folder, &mut compared);
        }
    }
}

/// An event that stands in a detector's tests.
struct Written {
    service: Service,
    text: String,
    /// The header of a flow log line.
    header: String,
    session: Arc<Facts>,
    facts: Facts,
}

impl Written {
    fn read(service: &Service, written: &Map<String, Value>, fields: &[Field]) -> Self {
        let (mut record, mut session, mut facts) = (Map::new(), Facts::default(), Facts::default());
        for (key, value) in written {
            match fields.iter().find(|field| field.name == key).map(|it| (it.name, it.scope)) {
                Some((name, Scope::Session)) => session.set(name, Fact::from_json(value).unwrap()),
                Some((name, Scope::Event | Scope::Grant | Scope::Policy)) => {
                    facts.set(name, Fact::from_json(value).unwrap());
                }
                None => nest(&mut record, key, value.clone()),
            }
        }
        let session = Arc::new(session);
        let service = service.clone();
        if service == Service::VpcFlow {
            let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
            let values: Vec<String> = record.values().map(text).collect();
            let names: Vec<&str> = record.keys().map(String::as_str).collect();
            let (text, header) = (values.join(" "), names.join(" "));
            return Self { service, text, header, session, facts };
        }
        let text = Value::Object(record).to_string();
        Self { service, text, header: String::new(), session, facts }
    }
}

fn nest(record: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        Some((head, rest)) => {
            let below = record.entry(head).or_insert_with(|| Value::Object(Map::new()));
            nest(below.as_object_mut().unwrap(), rest, value);
        }
        None => {
            record.insert(key.to_owned(), value);
        }
    }
}

/// Returns the events of all tests that stand in detectors; most detectors match nothing else that is kept here.
fn written() -> Vec<Written> {
    let fields = pipeline::fields();
    let mut found = Vec::new();
    for source in pipeline::builtin_detectors() {
        let collection = parse_sigma_yaml(&source.text).unwrap();
        let service = match collection.rules[0].logsource.service.as_deref() {
            Some("vpcflow") => Service::VpcFlow,
            Some("intake") => Service::Intake,
            Some("grants") => Service::Grants,
            Some("policies") => Service::Policies,
            Some("matches") => Service::Matches,
            _ => Service::CloudTrail,
        };
        let rules = collection.rules.iter().map(|rule| &rule.custom_attributes);
        let correlations = collection.correlations.iter().map(|rule| &rule.custom_attributes);
        for block in rules.chain(correlations).filter_map(|custom| custom.get("grantwatch")) {
            let block: Value = yaml_serde::from_value(block.clone()).unwrap();
            for test in block["tests"].as_array().unwrap() {
                for event in test["events"].as_array().unwrap() {
                    found.push(Written::read(&service, event.as_object().unwrap(), &fields));
                }
            }
        }
    }
    found
}

#[test]
fn hits_on_the_detectors_own_tests_are_those_of_plain_rsigma() {
    let (rules, plain) = (originals::rules(), Plain::new());
    let mut sieve = Sieve::new(Arc::clone(&rules));
    let mut gates = Gates::new(Arc::clone(&rules));
    let mut compared = Compared::default();
    for written in written() {
        let columns = FlowColumns::parse(&written.header);
        let slots = Slots::of(&written.text).unwrap_or_default();
        let record = match written.service {
            Service::VpcFlow => Record::Flow(FlowRecord::new(&written.text, &columns)),
            _ => Record::Trail(TrailRecord::new(&written.text, &slots)),
        };
        let unknown = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
        let bare = Event { session: Some(Arc::clone(&written.session)), ..unknown.clone() };
        let event = Event { facts: written.facts, ..bare.clone() };
        let is_signal = !matches!(written.service, Service::CloudTrail | Service::VpcFlow);
        let ours = if is_signal {
            let found = rules.signal_matches(&written.service, &event);
            found.into_iter().map(|rule| title(&rules, rule)).collect()
        } else {
            let mut candidates = Vec::new();
            sieve.candidates(&unknown, |candidate| candidates.push(candidate));
            judge(&rules, &mut gates, &candidates, &bare, &event)
        };
        compared.add(&plain, &event, &written.service, ours);
    }
    let silent: Vec<&String> =
        plain.fields.keys().filter(|title| !compared.matched.contains(*title)).collect();
    assert!(silent.is_empty(), "no test matches {silent:?}");
    eprintln!("{} events, {} hits", compared.records, compared.hits);
    eprintln!("matched for the text of an object: {:#?}", compared.by_text);
}
