//! Writes CloudTrail's digest files: hourly, per account and region, each names the log files delivered in its hour with
//! their hashes, and the digest before it with its signature.
//!
//! A chain begins with the first log file of its account and region; from then on there is a digest every hour, also when
//! nothing was delivered. A digest is put in the hour after its own, beside that hour's log files.
//!
//! Invariant: a digest names every log file that was delivered in its hour, also one that somebody took away since; what
//! it says depends on the plan alone.

mod key;

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::Place;
use crate::simulate::chance::Chance;
use crate::simulate::deliver::path_time;
use crate::simulate::diary::TakenAway;
use crate::simulate::diary::Traces;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::REGIONS;

pub use crate::simulate::deliver::digest::key::Signer;

/// The name of the organisation's trail.
pub const TRAIL: &str = "organization-trail";

/// The seconds that a digest covers.
const HOUR: i64 = 3_600;

/// An hour of deliveries begins this long after the hour; the digests of the hour before end a little earlier.
const BEGINS: i64 = 300;

/// A log file as a digest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// When it was delivered.
    pub delivered: Seconds,
    /// Who recorded it.
    pub place: Place,
    /// Where it is.
    pub key: String,
    /// SHA-256 of its text, uncompressed.
    pub hash: String,
    /// Event time of its first and last record.
    pub times: (Seconds, Seconds),
    /// Who took it away, if anybody did: a place among [`Digests::taken`].
    pub taken: Option<usize>,
}

/// A digest that was written, as the next one names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub key: String,
    /// SHA-256 of its text, uncompressed.
    pub hash: String,
    /// Its signature.
    pub signature: String,
}

/// A digest that is to be written.
#[derive(Debug)]
pub struct Due {
    /// When it is put.
    pub delivered: Seconds,
    /// Who recorded what it covers.
    pub place: Place,
    /// Who took it away, if anybody did: a place among [`Digests::taken`].
    pub taken: Option<usize>,
    end: Seconds,
    logs: Vec<Log>,
    previous: Option<Link>,
}

/// The chains of digests.
#[derive(Default)]
pub struct Digests {
    /// What somebody takes away behind CloudTrail's back.
    pub taken: Vec<TakenAway>,
    /// What was taken away: its key, and the incident that took it.
    pub gone: Vec<(String, usize)>,
    /// Digests whose signature only one repeats that was taken away.
    alone: Vec<Link>,
    signer: Signer,
    chains: BTreeMap<Place, Chain>,
    next: i64,
}

#[derive(Default)]
struct Chain {
    logs: Vec<Log>,
    last: Option<Link>,
}

impl Digests {
    /// Returns the public key that its signatures can be verified with.
    pub fn public_key(&self) -> String {
        self.signer.public_key()
    }

    /// Returns when the next hour begins that digests are put in.
    pub fn next_hour(&self, org: &Organisation) -> Seconds {
        Seconds(org.start.0 + self.next * HOUR + BEGINS)
    }

    /// Returns the digests that are put in the next hour, all files before it being named, and counts on.
    pub fn due(&mut self, org: &Organisation) -> Vec<Due> {
        let begins = self.next_hour(org);
        self.next += 1;
        let mut found = Vec::new();
        for (place, chain) in &mut self.chains {
            let name = format!("digest/{}/{}", place.account.0, place.region.0);
            let mut chance = Chance::of(org.seed, &name);
            let end = Seconds(begins.0 - 120 + chance.between(0, 110));
            let (logs, later) = chain.logs.drain(..).partition(|log: &Log| log.delivered < end);
            chain.logs = later;
            let delivered = Seconds(end.0 + 120 + chance.between(0, 120));
            let mut due = Due {
                delivered,
                place: *place,
                taken: None,
                end,
                logs,
                previous: chain.last.clone(),
            };
            let takers = due.logs.iter().filter_map(|log| log.taken);
            due.taken = takers.filter(|by| self.taken[*by].traces == Traces::Digest).min();
            found.push(due);
        }
        found
    }

    /// Returns whether there is something that a digest has yet to name.
    pub fn is_behind(&self) -> bool {
        self.chains.values().any(|chain| !chain.logs.is_empty())
    }

    /// Takes in log files that were delivered.
    pub fn name(&mut self, mut logs: Vec<Log>) {
        logs.sort_by(|a, b| (a.delivered, &a.key).cmp(&(b.delivered, &b.key)));
        for log in logs {
            if let Some(by) = log.taken {
                self.gone.push((log.key.clone(), self.taken[by].truth));
            }
            self.chains.entry(log.place).or_default().logs.push(log);
        }
    }

    /// Takes in digests that were written.
    pub fn chain(&mut self, mut written: Vec<(Place, Option<usize>, Link)>) {
        written.sort_by_key(|(place, ..)| *place);
        for (place, taken, link) in written {
            let before = self.chains.entry(place).or_default().last.replace(link.clone());
            if let Some(by) = taken {
                self.gone.push((link.key, self.taken[by].truth));
                self.alone.extend(before);
            }
        }
    }

    /// Returns who takes away the log file of `place` with the events of the `seconds` from `from` on, if anybody does.
    pub fn taker(&self, place: Place, (from, seconds): (Seconds, i64)) -> Option<usize> {
        self.taken.iter().position(|taken| {
            taken.place == place && taken.from.0 < from.0 + seconds && from < taken.until
        })
    }

    /// Writes `due` for the bucket, and the prefix in it, that `bucket` names.
    pub fn write(&self, org: &Organisation, due: &Due, bucket: (&str, &str)) -> (String, Link) {
        let key = key_of(org, due);
        let text = text(org, due, (&key, self.signer.fingerprint()), bucket);
        let hash = sha256(text.as_bytes());
        let previous = due.previous.as_ref().map_or("null", |link| &link.signature);
        let signed =
            format!("{}\n{}/{}\n{hash}\n{previous}", due.end, bucket.0, below(bucket, &key));
        let signature = self.signer.sign(&signed);
        (text, Link { key, hash, signature })
    }

    /// Returns one JSON object a line: the signature of each digest that no other repeats, such as a chain's last.
    pub fn signatures(&self) -> String {
        let mut lines = String::new();
        let last = self.chains.values().filter_map(|chain| chain.last.as_ref());
        for link in last.chain(&self.alone) {
            let line = json!({"object": link.key, "signature": link.signature});
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        lines
    }
}

/// `AWSLogs/o-…/ACCOUNT/CloudTrail-Digest/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail-Digest_REGION_TRAIL_HOME_YYYYMMDDTHHMMSSZ.json.gz`
fn key_of(org: &Organisation, due: &Due) -> String {
    let (id, region) = (&org.account(due.place.account).id, region(due.place));
    let (day, _) = path_time(due.end);
    let moment: String = due.end.to_string().replace(['-', ':'], "");
    let (root, home) = (&org.id, REGIONS[usize::from(HOME.0)]);
    format!(
        "AWSLogs/{root}/{id}/CloudTrail-Digest/{region}/{day}/{id}_CloudTrail-Digest_{region}_{TRAIL}_{home}_{moment}.json.gz"
    )
}

fn region(place: Place) -> &'static str {
    REGIONS[usize::from(place.region.0)]
}

fn text(
    org: &Organisation,
    due: &Due,
    (key, fingerprint): (&str, &str),
    bucket: (&str, &str),
) -> String {
    let moment = |moment: Option<Seconds>| moment.map_or(Value::Null, |it| json!(it.to_string()));
    let logs: Vec<Value> = due
        .logs
        .iter()
        .map(|log| {
            json!({
                "s3Bucket": bucket.0, "s3Object": below(bucket, &log.key),
                "hashValue": log.hash, "hashAlgorithm": "SHA-256",
                "oldestEventTime": log.times.0.to_string(), "newestEventTime": log.times.1.to_string(),
            })
        })
        .collect();
    let previous = due.previous.as_ref();
    json!({
        "awsAccountId": org.account(due.place.account).id,
        "digestStartTime": Seconds(due.end.0 - HOUR).to_string(),
        "digestEndTime": due.end.to_string(),
        "digestS3Bucket": bucket.0,
        "digestS3Object": below(bucket, key),
        "digestPublicKeyFingerprint": fingerprint,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "oldestEventTime": moment(due.logs.iter().map(|log| log.times.0).min()),
        "newestEventTime": moment(due.logs.iter().map(|log| log.times.1).max()),
        "previousDigestS3Bucket": previous.map(|_| bucket.0),
        "previousDigestS3Object": previous.map(|link| below(bucket, &link.key)),
        "previousDigestHashValue": previous.map(|link| link.hash.as_str()),
        "previousDigestHashAlgorithm": previous.map(|_| "SHA-256"),
        "previousDigestSignature": previous.map(|link| link.signature.as_str()),
        "logFiles": logs,
    })
    .to_string()
}

/// Returns the key of an object as the bucket knows it: with the prefix.
fn below((_, prefix): (&str, &str), key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}/{key}") }
}

/// Returns the SHA-256 of `bytes` in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// Returns `bytes` as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("four bits are one digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests;
