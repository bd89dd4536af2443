//! What the rules room costs: `cargo bench --bench rules`.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

#[expect(dead_code, reason = "each benchmark takes of the corpus what it needs")]
mod corpus;

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use grantwatch::decode;
use grantwatch::decode::Decoded;
use grantwatch::identity;
use grantwatch::identity::Registry;
use grantwatch::model::Event;
use grantwatch::model::Facts;
use grantwatch::model::Format;
use grantwatch::model::Record;
use grantwatch::pipeline;
use grantwatch::rules::Candidate;
use grantwatch::rules::Config;
use grantwatch::rules::Rules;
use grantwatch::rules::Sieve;
use grantwatch::rules::Source;

fn main() {
    divan::main();
}

/// Which rules are asked.
#[derive(Debug, Clone, Copy)]
enum Asked {
    BuiltIn,
    BuiltInAndPublished,
}

fn sources(asked: Asked) -> Vec<Source> {
    let mut sources = pipeline::builtin_detectors();
    if let Asked::BuiltInAndPublished = asked {
        let text = corpus::published_like_rules();
        sources.push(Source { path: "published.yml".into(), text });
    }
    sources
}

fn rules(asked: Asked) -> Arc<Rules> {
    let (rules, problems) = Rules::load(&Config::default(), &sources(asked), &pipeline::fields());
    assert!(problems.is_empty(), "{problems:?}");
    Arc::new(rules)
}

fn records() -> Decoded {
    let text = corpus::text(0).into_bytes();
    decode::decode(Format::CloudTrail, text, &decode::Config::default()).unwrap()
}

fn bare<'a>((time, record): (grantwatch::model::Seconds, Record<'a>)) -> Event<'a> {
    Event { time, record, session: None, facts: Facts::default() }
}

/// The hot path of a worker: the kinds of calls are known.
#[divan::bench(args = [Asked::BuiltIn, Asked::BuiltInAndPublished])]
fn candidates_of_known_kinds(bencher: Bencher<'_, '_>, asked: Asked) {
    let records = records();
    let mut sieve = Sieve::new(rules(asked));
    records.records().for_each(|record| sieve.candidates(&bare(record), |_| {}));
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        let mut found = 0;
        for record in records.records() {
            sieve.candidates(&bare(record), |_| found += 1);
        }
        found
    });
}

/// A worker's first file: every kind of call is new to it.
#[divan::bench(args = [Asked::BuiltIn, Asked::BuiltInAndPublished])]
fn candidates_of_new_kinds(bencher: Bencher<'_, '_>, asked: Asked) {
    let records = records();
    let rules = rules(asked);
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        let mut sieve = Sieve::new(Arc::clone(&rules));
        let mut found = 0;
        for record in records.records() {
            sieve.candidates(&bare(record), |_| found += 1);
        }
        found
    });
}

/// What the core pays for the candidates of a file, their facts known.
#[divan::bench]
fn decide_candidates(bencher: Bencher<'_, '_>) {
    let records = records();
    let rules = rules(Asked::BuiltInAndPublished);
    let mut sieve = Sieve::new(Arc::clone(&rules));
    let mut registry = Registry::new(&identity::Config::default());
    let mut left: Vec<(Event<'_>, Vec<Candidate>)> = Vec::new();
    for record in records.records() {
        let mut event = bare(record);
        let mut candidates = Vec::new();
        sieve.candidates(&event, |candidate| candidates.push(candidate));
        if let Record::Trail(record) = &event.record {
            event.session = Some(registry.session(record));
            event.facts = identity::event_facts(record, event.time);
        }
        left.push((event, candidates));
    }
    left.retain(|(_, candidates)| !candidates.is_empty());
    let asked: usize = left.iter().map(|(_, candidates)| candidates.len()).sum();
    bencher.counter(ItemsCount::new(asked)).bench_local(|| {
        let each = left.iter().flat_map(|(event, found)| found.iter().map(move |one| (event, one)));
        each.filter(|(event, candidate)| rules.decide(**candidate, event)).count()
    });
}

/// A start or a reload.
#[divan::bench]
fn load(bencher: Bencher<'_, '_>) {
    let (sources, fields) = (sources(Asked::BuiltInAndPublished), pipeline::fields());
    bencher.bench_local(|| Rules::load(&Config::default(), &sources, &fields));
}
