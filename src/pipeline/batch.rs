//! A delivery on its way from a worker to the core.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::decode;
use crate::decode::Decoded;
use crate::grants;
use crate::grants::Heard;
use crate::grants::Version;
use crate::grants::heard;
use crate::grants::message::Form;
use crate::grants::message::Limits;
use crate::grants::presets::Preset;
use crate::grants::presets::Presets;
use crate::grants::tags;
use crate::iam;
use crate::model;
use crate::model::Content;
use crate::model::Delivery;
use crate::model::Event;
use crate::model::Facts;
use crate::model::Format;
use crate::model::Hold;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Record;
use crate::model::Route;
use crate::model::bounded;
use crate::rules::Candidate;
use crate::rules::Rules;
use crate::rules::Sieve;
use crate::telemetry::chain;

/// How much of what cannot be read is kept, in bytes.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// A delivery whose bytes have been read.
pub struct Batch {
    /// The configured name of its source.
    pub source: Arc<str>,
    /// What was read.
    pub object: ObjectId,
    /// What it held.
    pub outcome: Outcome,
    /// To be called once its effects are committed.
    pub receipt: Receipt,
    pub(super) _hold: Hold,
}

impl Batch {
    /// Returns how many bytes of records it holds.
    pub fn bytes(&self) -> u64 {
        match &self.outcome {
            Outcome::Read(read) => read.decoded.text_bytes() as u64,
            Outcome::Grants(_)
            | Outcome::Reading(_)
            | Outcome::Routed(_)
            | Outcome::Rejected { .. } => 0,
        }
    }
}

/// What a delivery held.
pub enum Outcome {
    /// Records.
    Read(Box<Read>),
    /// Messages about grants.
    Grants(Vec<Told>),
    /// A policy, asked for.
    Reading(model::Reading),
    /// No log, by its key.
    Routed(Route),
    /// Nothing that can ever be read.
    Rejected {
        /// Why.
        reason: String,
        /// Its first bytes.
        body: Vec<u8>,
    },
}

/// A message about a grant.
pub struct Told {
    /// The line it begins at, from 1.
    pub line: u64,
    /// What it says, or why it cannot be read.
    pub said: Result<Box<Version>, String>,
    /// Its first line, for quarantine.
    pub text: String,
}

/// The records of a delivery, and what the rules had to say before facts are known.
pub struct Read {
    /// The records.
    pub decoded: Decoded,
    /// What tells each record from all others, in 64 bits.
    pub fingerprints: Vec<u64>,
    /// Rules that may match, by the number of the record, in rising order.
    pub candidates: Vec<(u32, Candidate)>,
    /// The numbers of the records that may change a policy, in rising order.
    pub changes: Vec<u32>,
    /// What records say of tags of resources, by the number of the record, in rising order.
    pub tags: Vec<(u32, tags::Lesson)>,
    /// The rules that were asked.
    pub rules: Arc<Rules>,
}

/// Reads a delivery: the work of a worker thread.
///
/// A bug that an object wakes costs that object: it goes to quarantine like any other that cannot be read.
pub fn read(delivery: Delivery, config: &Reading, sieve: &mut Sieve) -> Batch {
    let Delivery { source, object, content, hold, receipt } = delivery;
    // The sieve only remembers answers; one that is missing is asked for again.
    let outcome = catch_unwind(AssertUnwindSafe(|| outcome(&object, content, config, sieve)));
    let outcome = outcome.unwrap_or_else(|_| Outcome::Rejected {
        reason: "reading it failed by a bug of ours; please report it".to_owned(),
        body: Vec::new(),
    });
    Batch { source, object, outcome, receipt, _hold: hold }
}

/// The bounds on what is read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// `[decode]`.
    pub decode: decode::Config,
    /// `grants.max_duration`, as messages about grants are held to it.
    pub grants: Limits,
    /// `[grants]`, for who writes in which folder.
    pub folders: Arc<grants::Config>,
    /// The presets that brokers' own messages are read with.
    pub presets: Presets,
    /// The tags of resources that the protect surface asks for.
    pub tags: tags::Keys,
}

impl Reading {
    /// Returns the bounds that `config` sets, with the presets as they are.
    pub fn of(config: &Config) -> Self {
        let max_duration = config.grants.max_duration.span();
        let grants = Limits { max_duration };
        let folders = Arc::new(config.grants.clone());
        let tags = tags::Keys::of(&config.grants);
        Self { decode: config.decode.clone(), grants, folders, presets: Presets::default(), tags }
    }
}

fn outcome(object: &ObjectId, content: Content, config: &Reading, sieve: &mut Sieve) -> Outcome {
    match content {
        Content::Routed(route) => Outcome::Routed(route),
        Content::Reading(reading) => Outcome::Reading(reading),
        Content::Messages { preset, bytes } => messages(preset.as_deref(), bytes, config),
        Content::Rejected { reason, mut body } => {
            body.truncate(MAX_KEPT_BYTES);
            Outcome::Rejected { reason, body }
        }
        Content::Bytes { format: Format::Grants, bytes } => of_file(object, bytes, config),
        Content::Bytes { format, bytes } => {
            let head: Vec<u8> = bytes.iter().copied().take(4 * 1024).collect();
            match decode::decode(format, bytes, &config.decode) {
                Ok(decoded) => Outcome::Read(Box::new(ask(decoded, sieve, &config.tags))),
                Err(error) => Outcome::Rejected { reason: chain(&error).to_string(), body: head },
            }
        }
    }
}

/// Reads messages about grants; the form is what the name ends with.
fn of_file(object: &ObjectId, bytes: Vec<u8>, config: &Reading) -> Outcome {
    let Some(form) = Form::of(Path::new(&object.location)) else {
        let reason = "messages about grants stand in .json, .ndjson, .yaml or .csv".to_owned();
        return rejected(reason, bytes);
    };
    let broker = config.folders.broker_at(Path::new(&object.location));
    let preset = match by_name(broker.map(|broker| broker.name.as_str()), config) {
        Ok(preset) => preset,
        Err(reason) => return rejected(reason, bytes),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Outcome::Grants(told(&text, form, preset, config)),
        Err(error) => rejected("it is not UTF-8".to_owned(), error.into_bytes()),
    }
}

/// Reads messages about grants that came by themselves, ours or those of a broker.
fn messages(preset: Option<&str>, bytes: Vec<u8>, config: &Reading) -> Outcome {
    let preset = match by_name(preset, config) {
        Ok(preset) => preset,
        Err(reason) => return rejected(reason, bytes),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Outcome::Grants(told(&text, Form::told_by(&text), preset, config)),
        Err(error) => rejected("it is not UTF-8".to_owned(), error.into_bytes()),
    }
}

/// Returns the preset called `name`; without a name the words are ours.
fn by_name<'c>(name: Option<&str>, config: &'c Reading) -> Result<Option<&'c Preset>, String> {
    let missing = |name| format!("there is no preset `{name}`");
    name.map(|name| config.presets.get(name).ok_or_else(|| missing(name))).transpose()
}

fn rejected(reason: String, bytes: Vec<u8>) -> Outcome {
    Outcome::Rejected { reason, body: bytes.into_iter().take(4 * 1024).collect() }
}

/// Returns what `text` tells, without what a preset passes over.
fn told(text: &str, form: Form, preset: Option<&Preset>, config: &Reading) -> Vec<Told> {
    let lines: Vec<&str> = text.lines().collect();
    let mut told = Vec::new();
    for Heard { line, said } in heard(text, form, preset, &config.grants) {
        let said = match said {
            Ok(None) => continue,
            Ok(Some(version)) => Ok(Box::new(version)),
            Err(error) => Err(error.to_string()),
        };
        let first = lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let text = match said {
            Ok(_) => String::new(),
            Err(_) => bounded(first, 4 * 1024).into_owned(),
        };
        told.push(Told { line: line as u64, said, text });
    }
    told
}

fn ask(decoded: Decoded, sieve: &mut Sieve, keys: &tags::Keys) -> Read {
    let mut fingerprints = Vec::with_capacity(decoded.len());
    let (mut candidates, mut changes, mut tags) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (time, record)) in (0u32..).zip(decoded.records()) {
        let fingerprint = match &record {
            Record::Trail(record) => record.fingerprint(),
            Record::Flow(record) => record.fingerprint(),
        };
        fingerprints.push(fingerprint);
        let event = Event { time, record, session: None, facts: Facts::default() };
        if let Record::Trail(record) = &event.record {
            if iam::concerns(record) {
                changes.push(number);
            }
            tags.extend(
                tags::lesson(record, time, fingerprint, keys).map(|lesson| (number, lesson)),
            );
        }
        sieve.candidates(&event, |candidate| candidates.push((number, candidate)));
    }
    Read { decoded, fingerprints, candidates, changes, tags, rules: Arc::clone(sieve.rules()) }
}
