//! Stories of digest chains, verified with the public key that is put beside them.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use aws_lc_rs::signature::UnparsedPublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libdeflater::Decompressor;

use super::*;
use crate::simulate;
use crate::simulate::Disorder;
use crate::simulate::Pace;
use crate::simulate::Plan;
use crate::simulate::Shelf;
use crate::simulate::Turn;
use crate::simulate::incidents;
use crate::simulate::organisation::workloads;
use crate::simulate::truth;
use crate::simulate::truth::Line;

/// A shelf in memory that keeps signatures as S3 does.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    signatures: Mutex<BTreeMap<String, String>>,
}

impl Shelf for Bucket {
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let known = self.objects.lock().unwrap().insert(key.to_owned(), bytes.to_vec());
        assert!(known.is_none(), "{key} came twice");
        Ok(())
    }

    fn put_signed(&self, key: &str, bytes: &[u8], signature: &str) -> io::Result<()> {
        self.signatures.lock().unwrap().insert(key.to_owned(), signature.to_owned());
        self.put(key, bytes)
    }

    fn bucket(&self) -> (&str, &str) {
        ("trail-bucket", "drill")
    }
}

/// Delivers everything at once, up to a moment.
struct Until(Seconds);

impl Pace for Until {
    fn wait_for(&self, moment: Seconds) -> Turn {
        if moment < self.0 { Turn::Deliver } else { Turn::LeaveOut }
    }

    fn told(&self, _: i64, _: u64) {}
}

/// What a verifier knows once it has read everything.
struct Read {
    objects: BTreeMap<String, Vec<u8>>,
    signatures: BTreeMap<String, String>,
}

fn simulated(disorder: Disorder, incident: Option<&str>, until: Seconds) -> Read {
    let plan = workloads::tests::plan();
    let at = Seconds(plan.start.0 + 86_400 + 36_000);
    let wanted = incident.map(|name| (incidents::named(name).unwrap(), at));
    let plan = Plan {
        days: 2,
        volume: 0.05,
        accounts: 3,
        incidents: wanted.into_iter().collect(),
        disorder,
        ..plan
    };
    let bucket = Bucket::default();
    simulate::simulate(&plan, &bucket, &Until(until), 2).unwrap();
    let objects = bucket.objects.into_inner().unwrap();
    Read { objects, signatures: bucket.signatures.into_inner().unwrap() }
}

const NEVER: Seconds = Seconds(i64::MAX);

impl Read {
    fn key(&self) -> Vec<u8> {
        let pem = str::from_utf8(&self.objects["digest-public-key.pem"]).unwrap();
        STANDARD
            .decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>())
            .unwrap()
    }

    fn text(&self, key: &str) -> Option<Vec<u8>> {
        let packed = self.objects.get(key.strip_prefix("drill/").unwrap())?;
        let length = u32::from_le_bytes(*packed.last_chunk().unwrap()) as usize;
        let mut text = vec![0; length];
        Decompressor::new().gzip_decompress(packed, &mut text).unwrap();
        Some(text)
    }

    fn digests(&self) -> impl Iterator<Item = (&String, Value)> {
        let digests = self.objects.keys().filter(|key| key.contains("/CloudTrail-Digest/"));
        digests.map(|key| {
            let text = self.text(&format!("drill/{key}")).unwrap();
            (key, serde_json::from_slice(&text).unwrap())
        })
    }

    /// Verifies every digest and what it names; returns what is not there.
    fn gone(&self) -> BTreeSet<String> {
        let (mut gone, public) = (BTreeSet::new(), self.key());
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public);
        for (key, digest) in self.digests() {
            let said = |name: &str| digest[name].as_str().unwrap();
            assert_eq!(said("digestS3Bucket"), "trail-bucket");
            assert_eq!(said("digestS3Object"), format!("drill/{key}"));
            let text = self.text(&format!("drill/{key}")).unwrap();
            let previous = digest["previousDigestSignature"].as_str().unwrap_or("null");
            let signed = format!(
                "{}\ntrail-bucket/drill/{key}\n{}\n{previous}",
                said("digestEndTime"),
                sha256(&text)
            );
            public.verify(signed.as_bytes(), &bytes(&self.signatures[key])).unwrap();
            if let Some(object) = digest["previousDigestS3Object"].as_str() {
                match self.text(object) {
                    None => drop(gone.insert(object.to_owned())),
                    Some(text) => {
                        assert_eq!(sha256(&text), said("previousDigestHashValue"));
                        assert_eq!(
                            self.signatures[object.strip_prefix("drill/").unwrap()],
                            previous
                        );
                    }
                }
            }
            for log in digest["logFiles"].as_array().unwrap() {
                let object = log["s3Object"].as_str().unwrap();
                match self.text(object) {
                    None => drop(gone.insert(object.to_owned())),
                    Some(text) => assert_eq!(sha256(&text), log["hashValue"].as_str().unwrap()),
                }
            }
        }
        gone
    }

    /// Returns every log file that is there and that no digest names.
    fn unnamed(&self) -> Vec<&String> {
        let digests: Vec<Value> = self.digests().map(|(_, digest)| digest).collect();
        let logs = || digests.iter().flat_map(|digest| digest["logFiles"].as_array().unwrap());
        let named: BTreeSet<&str> = logs().map(|log| log["s3Object"].as_str().unwrap()).collect();
        assert_eq!(named.len(), logs().count(), "no log file is named twice");
        let trail = self.objects.keys().filter(|key| key.contains("/CloudTrail/"));
        trail.filter(|key| !named.contains(format!("drill/{key}").as_str())).collect()
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| hex.as_bytes().get(at..at + 2).map(|it| str::from_utf8(it).unwrap());
    let digits = (0..hex.len()).step_by(2).map(|at| digit(at).unwrap());
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

#[test]
fn an_honest_chain_verifies_from_end_to_end_and_names_every_log_file() {
    for disorder in [Disorder::NONE, Disorder { late_files: 0.2, ..Disorder::default() }] {
        let read = simulated(disorder, None, NEVER);
        assert_eq!(read.gone(), BTreeSet::new());
        assert_eq!(read.unnamed(), Vec::<&String>::new());
        let mut chains: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for (key, digest) in read.digests() {
            let place = key.split("/CloudTrail-Digest/").next().unwrap().to_owned();
            let region = key.split('/').nth(4).unwrap();
            chains.entry(format!("{place}/{region}")).or_default().push(digest);
        }
        assert!(chains.len() >= 3, "{:?}", chains.keys());
        for (place, digests) in chains {
            assert!(digests[0]["previousDigestS3Object"].is_null(), "{place}");
            for pair in digests.windows(2) {
                assert_eq!(pair[0]["digestEndTime"], pair[1]["digestStartTime"], "{place}");
                assert_eq!(pair[0]["digestS3Object"], pair[1]["previousDigestS3Object"]);
            }
        }
    }
}

#[test]
fn a_broken_chain_breaks_where_the_incident_says_and_nowhere_else() {
    let read = simulated(Disorder::NONE, Some("digest_chain_broken"), NEVER);
    let text = str::from_utf8(&read.objects["truth.ndjson"]).unwrap();
    let Line::Incident(truth) = truth::read(text.lines().last().unwrap()).unwrap() else {
        panic!("{text}");
    };
    let told: BTreeSet<String> = truth.objects.iter().map(|key| format!("drill/{key}")).collect();
    let gone = read.gone();
    assert!(gone.is_subset(&told), "{gone:?}\n{told:?}");
    let digests = gone.iter().filter(|key| key.contains("/CloudTrail-Digest/")).count();
    assert_eq!(digests, 1, "{gone:?}");
    assert!(gone.len() >= 2, "a log file too: {gone:?}");
    assert!(told.iter().all(|key| read.text(key).is_none()));
    let digest = gone.iter().find_map(|key| key.split_once("/CloudTrail-Digest/")).unwrap();
    let region = digest.1.split('/').next().unwrap();
    let beside = format!("{}/CloudTrail/{region}/", digest.0.strip_prefix("drill/").unwrap());
    let unnamed = read.unnamed();
    assert!(unnamed.iter().all(|key| key.starts_with(&beside)), "that digest named: {unnamed:?}");
    assert!(truth.events.is_empty(), "nothing tells who it was");
}

#[test]
fn signatures_that_no_digest_repeats_are_put_beside() {
    for incident in [None, Some("digest_chain_broken")] {
        let read = simulated(Disorder::NONE, incident, NEVER);
        let text = str::from_utf8(&read.objects["digest-signatures.ndjson"]).unwrap();
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            known.insert(
                line["object"].as_str().unwrap().to_owned(),
                line["signature"].as_str().unwrap().to_owned(),
            );
        }
        for (_, digest) in read.digests() {
            let Some(object) = digest["previousDigestS3Object"].as_str() else { continue };
            let signature = digest["previousDigestSignature"].as_str().unwrap().to_owned();
            known.insert(object.strip_prefix("drill/").unwrap().to_owned(), signature);
        }
        for (key, signature) in &read.signatures {
            assert_eq!(known.get(key), Some(signature), "{key}");
        }
    }
}

#[test]
fn a_chain_that_is_broken_off_verifies_as_far_as_it_goes() {
    let until = Seconds(workloads::tests::plan().start.0 + 86_400 + 7_000);
    let read = simulated(Disorder::NONE, None, until);
    assert_eq!(read.gone(), BTreeSet::new());
    assert!(read.digests().count() > 24);
}
