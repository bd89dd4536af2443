//! A delivery on its way from a worker to the core.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use crate::decode;
use crate::decode::Decoded;
use crate::model::Content;
use crate::model::Delivery;
use crate::model::Event;
use crate::model::Facts;
use crate::model::Hold;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Record;
use crate::model::Route;
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
            Outcome::Routed(_) | Outcome::Rejected { .. } => 0,
        }
    }
}

/// What a delivery held.
pub enum Outcome {
    /// Records.
    Read(Box<Read>),
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

/// The records of a delivery, and what the rules had to say before facts are known.
pub struct Read {
    /// The records.
    pub decoded: Decoded,
    /// What tells each record from all others, in 64 bits.
    pub fingerprints: Vec<u64>,
    /// Rules that may match, by the number of the record, in rising order.
    pub candidates: Vec<(u32, Candidate)>,
    /// The rules that were asked.
    pub rules: Arc<Rules>,
}

/// Reads a delivery: the work of a worker thread.
///
/// A bug that an object wakes costs that object: it goes to quarantine like any other that cannot be read.
pub fn read(delivery: Delivery, config: &decode::Config, sieve: &mut Sieve) -> Batch {
    let Delivery { source, object, content, hold, receipt } = delivery;
    // The sieve only remembers answers; one that is missing is asked for again.
    let outcome = catch_unwind(AssertUnwindSafe(|| outcome(content, config, sieve)));
    let outcome = outcome.unwrap_or_else(|_| Outcome::Rejected {
        reason: "reading it failed by a bug of ours; please report it".to_owned(),
        body: Vec::new(),
    });
    Batch { source, object, outcome, receipt, _hold: hold }
}

fn outcome(content: Content, config: &decode::Config, sieve: &mut Sieve) -> Outcome {
    match content {
        Content::Routed(route) => Outcome::Routed(route),
        Content::Rejected { reason, mut body } => {
            body.truncate(MAX_KEPT_BYTES);
            Outcome::Rejected { reason, body }
        }
        Content::Bytes { format, bytes } => {
            let head: Vec<u8> = bytes.iter().copied().take(4 * 1024).collect();
            match decode::decode(format, bytes, config) {
                Ok(decoded) => Outcome::Read(Box::new(ask(decoded, sieve))),
                Err(error) => Outcome::Rejected { reason: chain(&error).to_string(), body: head },
            }
        }
    }
}

fn ask(decoded: Decoded, sieve: &mut Sieve) -> Read {
    let mut fingerprints = Vec::with_capacity(decoded.len());
    let mut candidates = Vec::new();
    for (number, (time, record)) in (0u32..).zip(decoded.records()) {
        fingerprints.push(match &record {
            Record::Trail(record) => record.fingerprint(),
            Record::Flow(record) => record.fingerprint(),
        });
        let event = Event { time, record, session: None, facts: Facts::default() };
        sieve.candidates(&event, |candidate| candidates.push((number, candidate)));
    }
    Read { decoded, fingerprints, candidates, rules: Arc::clone(sieve.rules()) }
}
