//! `kill -9` again and again, while deliveries come in and the SIEM fails at random: no alert is lost, and none
//! that was not raised arrives.
//!
//! What is counted over many files (ten secrets read, one in each) is counted exactly, too.
//!
//! An alert may arrive twice only where the sender could not know that it had arrived: the receiver took it
//! without saying so, or the kill fell between its answer and our commit.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::outside::aws::Wiring;
use crate::outside::chance::Chance;
use crate::outside::daemon::Daemon;
use crate::outside::deliveries;
use crate::outside::envelope;
use crate::outside::moto::Moto;
use crate::outside::siem::Arrival;
use crate::outside::siem::Mood;
use crate::outside::stage::Stage;

/// How often the daemon is killed.
const KILLS: u32 = 55;

/// How many deliveries come in meanwhile.
const DELIVERIES: u32 = 70;

/// The longest life. An outcome is committed well before it is over, if the machine is not asleep.
const LONGEST: Duration = Duration::from_millis(2_500);

/// How long after an answer its commit may take on a busy machine.
const COMMIT: Duration = Duration::from_secs(5);

#[test]
fn nothing_is_lost_and_nothing_made_up_when_it_is_killed_at_any_point() {
    let aws = Moto::shared();
    let (bucket, queue) = (aws.bucket(), aws.queue(1_000));
    aws.wire(&bucket, &queue, Wiring::Queue);
    let stage = counting(Stage::with(aws, &aws.url(), bucket, queue));
    let own = stage.house.path("detectors").display().to_string();
    let files: Vec<_> =
        (1..=DELIVERIES).map(|number| (deliveries::key(number), file(number))).collect();
    let expected = deliveries::alerts_of(&files, &["--detectors", &own]);
    // A stopped trail in each, and a tenth secret read in every tenth; nobody has read an eleventh.
    assert_eq!(expected.len() as u32, DELIVERIES + DELIVERIES / 10, "{expected:#?}");
    let expected: BTreeSet<String> = expected.into_keys().collect();
    misbehave(&stage, 11);

    let mut chance = Chance::of(23);
    let mut kills = Vec::new();
    let mut come = 0;
    while come < DELIVERIES || kills.len() < KILLS as usize {
        let more = (chance.below(4) as u32).min(DELIVERIES - come);
        for number in come + 1..=come + more {
            deliver(&stage, number, &mut chance);
        }
        come += more;
        let daemon = stage.house.run();
        // Not waiting for anything: this is the random point.
        thread::sleep(LONGEST.mul_f64(chance.below(1_000) as f64 / 1_000.0));
        kills.push(Instant::now());
        check_log(&daemon.kill());
    }

    let mut daemon = stage.house.run();
    let refused = || stage.siem.arrivals().len() - stage.siem.taken().len();
    daemon.await_that("what the SIEM refuses", |_| refused() > 10);
    stage.siem.behave(|_| Mood::Take);
    stage.await_drained(&mut daemon);
    // What counts over time speaks when time has gone on.
    stage.bucket.put(
        "AWSLogs/444400000999/CloudTrail/eu-west-1/2026/03/03/later.json.gz",
        &deliveries::two_days_later(),
    );
    daemon.await_that("every alert", |_| stage.siem.ids().is_superset(&expected));
    stage.await_drained(&mut daemon);
    stage.await_settled();
    let (status, log) = daemon.stop();
    assert!(status.success(), "it ended badly:\n{log}");

    let taken = stage.siem.taken();
    let new: Vec<Value> =
        taken.iter().filter(|it| !expected.contains(&it.id)).map(Arrival::alert).collect();
    assert!(new.is_empty(), "nobody expected {new:#?}");
    assert_eq!(stage.siem.ids(), expected);
    stage.siem.assert_no_faults();
    assert_eq!(stage.house.store().quarantine(), []);
    let [read, kept, duplicates, quarantined] = stage.house.store().books();
    assert_eq!(read, kept + duplicates + quarantined);
    assert_eq!(kept, i64::from(DELIVERIES) * 12 + 1);
    for (id, arrivals) in by_id(stage.siem.taken()) {
        for pair in arrivals.windows(2) {
            let (first, again) = (&pair[0], &pair[1]);
            let in_silence = matches!(first.mood, Mood::TakeInSilence);
            let cut_off = kills.iter().any(|kill| {
                *kill > first.at && *kill < again.at && kill.duration_since(first.at) < COMMIT
            });
            assert!(in_silence || cut_off, "{id} arrived twice for no reason");
        }
    }
}

/// Returns the file of delivery `number`: a stopped trail, a secret read, and quiet calls.
fn file(number: u32) -> Vec<u8> {
    let mut records: Vec<Value> = (0..10).map(|index| deliveries::quiet(number, index)).collect();
    records.push(deliveries::trail_stopped(number));
    records.push(deliveries::secret_read(number));
    deliveries::file(&records)
}

/// Lets the daemon of `stage` wait for late files, and gives it a detector that fires if anything is counted twice.
fn counting(stage: Stage) -> Stage {
    let folder = stage.house.path("detectors");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("counted_twice.yml"), COUNTED_TWICE).unwrap();
    let house = stage.house.with(&format!("[detectors]\npaths = [\"{}\"]\n", folder.display()));
    let house = house.with("[pipeline]\ncommit_interval = \"100ms\"\nallowed_lateness = \"1d\"\n");
    Stage { house, ..stage }
}

/// Ten secrets are read by each; an eleventh read would be one of them again.
const COUNTED_TWICE: &str = "\
title: Secret read
id: 8d0b9f10-0000-4000-8000-000000000001
status: test
name: any_secret_read
logsource: { product: aws, service: cloudtrail }
detection:
  read: { eventName: GetSecretValue }
  condition: read
level: informational
---
title: Secret read counted twice
id: 8d0b9f10-0000-4000-8000-000000000002
status: test
description: Fires in a test.
correlation:
  type: event_count
  rules: [any_secret_read]
  group-by: [gw.identity.name, recipientAccountId]
  timespan: 10m
  condition: { gte: 11 }
falsepositives: [none]
level: high
grantwatch:
  alert:
    group_by: [gw.identity.name, recipientAccountId]
    suppress_for: 1h
    story: \"an eleventh\"
    respond: [look]
  tests:
    - name: rests
      events: [{ eventTime: '2026-03-01T08:00:00Z', eventName: GetSecretValue }]
      match: false
";

/// Lets the SIEM do one thing or another.
fn misbehave(stage: &Stage, seed: u64) {
    let mut chance = Chance::of(seed);
    stage.siem.behave(move |_| match chance.below(20) {
        0..=2 => Mood::TakeInSilence,
        3..=5 => Mood::Refuse(500),
        6 => Mood::Refuse(502),
        7 => Mood::Later(503, "1".to_owned()),
        8 => Mood::Later(429, "1".to_owned()),
        9..=10 => Mood::HangUp,
        _ => Mood::Take,
    });
}

/// Writes a delivery, and at times tells the queue twice.
fn deliver(stage: &Stage, number: u32, chance: &mut Chance) {
    let key = deliveries::key(number);
    stage.bucket.put(&key, &file(number));
    if chance.below(5) == 0 {
        stage.queue.send(&envelope::s3(&[(&stage.bucket.name, &key)]));
    }
}

/// A daemon that found its own house in disorder would say so.
fn check_log(log: &str) {
    for bad in ["panicked", "could not open the store", "malformed", "corrupt"] {
        assert!(!log.contains(bad), "after a kill it said:\n{log}");
    }
}

fn by_id(arrivals: Vec<Arrival>) -> BTreeMap<String, Vec<Arrival>> {
    let mut by_id: BTreeMap<String, Vec<Arrival>> = BTreeMap::new();
    for arrival in arrivals {
        by_id.entry(arrival.id.clone()).or_default().push(arrival);
    }
    by_id
}

#[test]
fn a_kill_right_after_the_receivers_answer_repeats_at_most_that_alert() {
    // The other end of the same promise, not left to chance: each life ends with the first alert that no other delivered.
    let stage = Stage::new();
    let expected = stage.deliver(1..=6);
    let mut lives = 0;
    loop {
        let mut daemon = stage.house.run();
        let before = stage.siem.ids().len();
        daemon.await_that("one more alert", |_| stage.siem.ids().len() > before);
        end(daemon);
        lives += 1;
        if stage.siem.ids() == expected {
            break;
        }
        assert!(lives < expected.len(), "{lives} lives, and still {:?}", stage.siem.counts());
    }
    let mut daemon = stage.house.run();
    stage.await_drained(&mut daemon);
    stage.await_settled();
    assert_eq!(stage.siem.ids(), expected);
    stage.siem.assert_no_faults();
}

fn end(daemon: Daemon) {
    check_log(&daemon.kill());
}
