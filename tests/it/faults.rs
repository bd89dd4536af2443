//! What goes wrong on the way in: repeats, missing and denied objects, servers that fail, files that are broken.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::outside::aws::PATIENT;
use crate::outside::aws::Wiring;
use crate::outside::chance::Chance;
use crate::outside::daemon::House;
use crate::outside::deliveries;
use crate::outside::envelope;
use crate::outside::moto::Moto;
use crate::outside::proxy::Fate;
use crate::outside::proxy::Proxy;
use crate::outside::siem::Arrival;
use crate::outside::siem::Siem;
use crate::outside::stage::Stage;
use crate::outside::wait;

#[test]
fn a_delivery_that_comes_again_changes_nothing() {
    let stage = Stage::new();
    let expected = stage.deliver([1]);
    let again = envelope::s3(&[(&stage.bucket.name, &deliveries::key(1))]);
    stage.queue.send(&again);
    stage.queue.send(&envelope::sns(&again));
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &expected);
    // And after a restart, when memory is gone and the ledger is not.
    assert!(daemon.stop().0.success());
    stage.queue.send(&again);
    let mut daemon = stage.house.run();
    stage.await_drained(&mut daemon);
    // CloudTrail repeats single events in other files, too.
    stage
        .bucket
        .put("AWSLogs/444400000001/CloudTrail/eu-west-1/again.json.gz", &deliveries::delivery(1));
    daemon.await_that("the second file", |_| stage.house.store().books()[0] == 22);
    stage.await_delivered(&mut daemon, &expected);
    assert_eq!(stage.house.store().books(), [22, 11, 11, 0]);
}

#[test]
fn two_daemons_share_a_queue() {
    // Each takes two messages at a time and holds them for a commit, so that neither can take them all.
    let slowly = |stage: &Stage, siem: &Siem| {
        let house = House::new().with("[pipeline]\ncommit_interval = \"300ms\"\n");
        let house = house.reading(&stage.aws.url(), &stage.queue.url, "max_in_flight = 2");
        house.telling(&siem.url(), "")
    };
    let mut stage = Stage::new();
    let other_siem = Siem::start();
    stage.house = slowly(&stage, &stage.siem);
    let other_house = slowly(&stage, &other_siem);
    let mut daemons = [stage.house.run(), other_house.run()];
    for daemon in &mut daemons {
        daemon.await_word("started");
    }
    let expected = stage.deliver(1..=24);
    let arrived = || -> BTreeSet<String> { &stage.siem.ids() | &other_siem.ids() };
    daemons[0].await_that("all alerts at one of the two", |_| arrived() == expected);
    stage.await_drained(&mut daemons[1]);
    for siem in [&stage.siem, &other_siem] {
        siem.assert_no_faults();
        assert!(siem.counts().values().all(|count| *count == 1));
        assert!(!siem.ids().is_empty(), "one of the two did nothing");
    }
}

#[test]
fn an_object_that_is_not_there_is_told_and_holds_nobody_up() {
    let stage = Stage::new();
    let missing = deliveries::key(99);
    stage.queue.send(&envelope::s3(&[(&stage.bucket.name, &missing)]));
    let mut daemon = stage.house.run();
    let expected = stage.deliver([1, 2]);
    daemon.await_that("the alerts of the others", |_| stage.siem.ids().is_superset(&expected));
    stage.await_drained(&mut daemon);
    let quarantine = stage.house.store().quarantine();
    assert_eq!(quarantine.len(), 1, "{quarantine:#?}");
    assert!(quarantine[0].reason.contains(&missing), "{quarantine:#?}");
}

#[test]
fn an_object_that_was_denied_is_read_once_it_is_granted() {
    let aws = Moto::shared();
    let (bucket, queue) = aws.wired(Wiring::Queue);
    let granted = Arc::new(AtomicBool::new(false));
    let is_granted = Arc::clone(&granted);
    let network = Proxy::before(aws, move |action| match action {
        "GetObject" if !is_granted.load(Ordering::SeqCst) => Fate::Fail(403, "AccessDenied"),
        _ => Fate::Pass,
    });
    let stage = Stage::with(aws, &network.url(), bucket, queue);
    let mut daemon = stage.house.run();
    let expected = stage.deliver([1]);
    daemon.await_word("access is denied");
    assert_eq!(stage.siem.arrivals().len(), 0);
    assert!(stage.house.store().ledger().iter().all(|(at, _)| !at.contains(&deliveries::key(1))));
    assert!(!stage.queue.is_empty(), "the message must stay on the queue");
    granted.store(true, Ordering::SeqCst);
    stage.await_delivered(&mut daemon, &expected);
    assert_eq!(stage.house.store().quarantine(), []);
}

#[test]
fn servers_that_fail_and_throttle_cost_only_time() {
    let aws = Moto::shared();
    let (bucket, queue) = aws.wired(Wiring::Queue);
    let mut chance = Chance::of(7);
    let network = Proxy::before(aws, move |action| match (action, chance.below(10)) {
        ("GetObject", 0) => Fate::Fail(500, "InternalError"),
        ("GetObject", 1) => Fate::Fail(503, "SlowDown"),
        ("GetObject", 2) => Fate::Break(100),
        ("GetObject", 3) => Fate::Lose,
        ("ReceiveMessage", 0) => Fate::Fail(500, "InternalFailure"),
        ("ReceiveMessage", 1) => Fate::Fail(400, "RequestThrottled"),
        ("ReceiveMessage", 2) => Fate::Lose,
        ("DeleteMessageBatch" | "DeleteMessage", 0 | 1) => Fate::Fail(500, "InternalFailure"),
        ("DeleteMessageBatch" | "DeleteMessage", 2) => Fate::LoseAnswer,
        _ => Fate::Pass,
    });
    let stage = Stage::with(aws, &network.url(), bucket, queue);
    let mut daemon = stage.house.run();
    let expected = stage.deliver(1..=30);
    stage.await_delivered(&mut daemon, &expected);
    assert_eq!(stage.house.store().quarantine(), []);
    assert!(network.count("GetObject") > 30, "nothing failed: the story tells nothing");
}

#[test]
fn a_message_received_twice_at_once_is_one_delivery() {
    // The queue hands out a message, the answer is lost, and it comes back when its visibility ends.
    let aws = Moto::shared();
    let (bucket, queue) = aws.wired(Wiring::Queue);
    let mut lost = 0;
    let network = Proxy::before(aws, move |action| {
        let is_one = action == "ReceiveMessage" && lost < 3;
        lost += u32::from(is_one);
        if is_one { Fate::LoseAnswer } else { Fate::Pass }
    });
    let stage = Stage::with(aws, &network.url(), bucket, queue);
    let expected = stage.deliver([1, 2, 3]);
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &expected);
}

#[test]
fn a_message_that_is_refused_is_refused_once() {
    // The first thing a new house sees, before any event has told it the time; it cannot be deleted for a while.
    let aws = Moto::shared();
    let (bucket, queue) = (aws.bucket(), aws.queue(PATIENT));
    let may_delete = Arc::new(AtomicBool::new(false));
    let is_allowed = Arc::clone(&may_delete);
    let network = Proxy::before(aws, move |action| match action {
        "DeleteMessageBatch" if !is_allowed.load(Ordering::SeqCst) => {
            Fate::Fail(500, "InternalFailure")
        }
        _ => Fate::Pass,
    });
    let stage = Stage::with(aws, &network.url(), bucket, queue);
    stage.queue.send("hello");
    let mut daemon = stage.house.run();
    daemon.await_that("quarantine", |_| stage.house.store().quarantine().len() == 1);
    let expected = stage.deliver([1]);
    stage.queue.send(&envelope::s3(&[(&stage.bucket.name, &deliveries::key(1))]));
    daemon.await_that("the alert", |_| stage.siem.ids().is_superset(&expected));
    daemon.await_that("the message again", |_| stage.queue.depth().waiting > 0);
    daemon.await_that("its receipt", |_| stage.queue.depth().waiting == 0);
    may_delete.store(true, Ordering::SeqCst);
    stage.await_drained(&mut daemon);
    let quarantine = stage.house.store().quarantine();
    assert_eq!(quarantine.len(), 1, "{quarantine:#?}");
}

/// Puts `bytes` beside two good deliveries; expects the good ones' alerts and one row of quarantine, whose reason
/// it returns.
fn quarantined(bytes: &[u8]) -> String {
    let stage = Stage::new();
    let bad = "AWSLogs/444400000009/CloudTrail/eu-west-1/2026/03/01/bad.json.gz";
    let mut daemon = stage.house.run();
    stage.bucket.put(bad, bytes);
    let expected = stage.deliver([1, 2]);
    daemon.await_that("the alerts of the others", |_| stage.siem.ids().is_superset(&expected));
    stage.await_drained(&mut daemon);
    let quarantine = stage.house.store().quarantine();
    assert_eq!(quarantine.len(), 1, "{quarantine:#?}");
    assert!(quarantine[0].location.ends_with(bad), "{quarantine:#?}");
    assert_eq!(quarantine[0].record, None);
    let peak = daemon.peak_memory();
    assert!(peak < 300_000_000, "{peak} bytes of memory at the peak");
    // Nothing is lost in silence: the log or an alert names the object.
    let is_told = |arrival: &Arrival| String::from_utf8_lossy(&arrival.raw).contains(bad);
    let told = || daemon.said(bad) || stage.siem.taken().iter().any(is_told);
    let told = wait::within(Duration::from_secs(10), || told().then_some(()));
    assert!(told.is_some(), "neither log nor alerts speak of {bad}:\n{}", daemon.log());
    quarantine[0].reason.clone()
}

#[test]
fn a_truncated_file_goes_to_quarantine() {
    let mut bytes = deliveries::delivery(9);
    bytes.truncate(bytes.len() - 20);
    let reason = quarantined(&bytes);
    assert!(reason.contains("gzip"), "{reason}");
}

#[test]
fn a_file_that_is_no_log_goes_to_quarantine() {
    quarantined(&deliveries::gzip(b"<html>Service Unavailable</html>"));
}

#[test]
fn a_bomb_of_many_members_goes_to_quarantine() {
    // 140 times 16 MiB is more than two GiB; each member is honest by itself.
    let mut member = GzEncoder::new(Vec::new(), Compression::default());
    std::io::copy(&mut std::io::repeat(b' ').take(16 << 20), &mut member).unwrap();
    let bomb = member.finish().unwrap().repeat(140);
    assert!(bomb.len() < 4 << 20, "{} bytes are no bomb", bomb.len());
    let reason = quarantined(&bomb);
    assert!(reason.contains("max_object_bytes"), "{reason}");
}

#[test]
fn a_bomb_that_lies_about_its_size_goes_to_quarantine() {
    let reason = quarantined(&lying_bomb());
    assert!(reason.contains("max_object_bytes"), "{reason}");
}

/// One member of more than two GiB whose trailer claims a hundred bytes.
fn lying_bomb() -> Vec<u8> {
    // A flushed piece ends on a byte and leans on nothing before it, so it may be repeated.
    let mut deflater = flate2::Compress::new(Compression::default(), false);
    let (zeros, mut piece) = (vec![0; 16 << 20], Vec::with_capacity(1 << 20));
    deflater.compress_vec(&zeros, &mut piece, flate2::FlushCompress::Full).unwrap();
    assert!(piece.len() < piece.capacity() && deflater.total_in() == 16 << 20);
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bomb.extend(piece.repeat(140));
    // An empty last block, a checksum and a length.
    bomb.extend([0x03, 0x00, 0, 0, 0, 0, 100, 0, 0, 0]);
    bomb
}

#[test]
fn a_file_larger_than_the_limit_goes_to_quarantine() {
    let stage = Stage::new();
    let house = stage.house.with("[decode]\nmax_object_bytes = 10000\n");
    let stage = Stage { house, ..stage };
    let records: Vec<Value> = (0..100).map(|index| deliveries::quiet(5, index)).collect();
    stage.bucket.put(&deliveries::key(5), &deliveries::file(&records));
    let one = deliveries::file(&[deliveries::trail_stopped(1)]);
    stage.bucket.put(&deliveries::key(1), &one);
    let mut daemon = stage.house.run();
    let expected = deliveries::ids_of([1]);
    daemon.await_that("the small file's alert", |_| stage.siem.ids().is_superset(&expected));
    stage.await_drained(&mut daemon);
    let quarantine = stage.house.store().quarantine();
    assert_eq!(quarantine.len(), 1, "{quarantine:#?}");
    assert!(quarantine[0].reason.contains("10000"), "{quarantine:#?}");
}

#[test]
fn a_bad_record_costs_that_record() {
    let stage = Stage::new();
    let mut records: Vec<String> =
        (0..999).map(|index| deliveries::quiet(1, index).to_string()).collect();
    records[500] = deliveries::trail_stopped(1).to_string();
    records.insert(700, "{\"eventVersion\": \"1.11\", \"eventTime\": 7}".to_owned());
    let file = format!("{{\"Records\":[{}]}}", records.join(","));
    let expected = deliveries::ids_of([1]);
    stage.bucket.put(&deliveries::key(1), &deliveries::gzip(file.as_bytes()));
    let mut daemon = stage.house.run();
    daemon.await_that("the alert", |_| stage.siem.ids().is_superset(&expected));
    stage.await_drained(&mut daemon);
    assert_eq!(stage.house.store().books(), [1_000, 999, 0, 1]);
    let quarantine = stage.house.store().quarantine();
    assert_eq!(quarantine.len(), 1, "{quarantine:#?}");
    assert_eq!(quarantine[0].record, Some(700));
}

#[test]
fn digests_and_insights_are_routed() {
    let stage = Stage::new();
    let account = "AWSLogs/444400000001";
    stage.bucket.put(
        &format!("{account}/CloudTrail-Digest/eu-west-1/2026/03/01/d.json.gz"),
        b"\x1f\x8bnot even gzip",
    );
    stage
        .bucket
        .put(&format!("{account}/CloudTrail-Insight/eu-west-1/2026/03/01/i.json.gz"), b"nor json");
    stage.bucket.put(&format!("{account}/Config/ConfigWritabilityCheckFile"), b"");
    stage.bucket.put(&format!("{account}/CloudTrail/eu-west-1/2026/"), b"");
    let expected = stage.deliver([1]);
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &expected);
    let store = stage.house.store();
    assert_eq!(store.quarantine(), []);
    let outcomes = store.ledger();
    let outcome = |part: &str| {
        let found = outcomes.iter().find(|(at, _)| at.contains(part));
        found.unwrap_or_else(|| panic!("{part} is not in {outcomes:#?}")).1.clone()
    };
    assert_eq!(outcome("CloudTrail-Digest"), "routed:digest");
    assert_eq!(outcome("CloudTrail-Insight"), "routed:insight");
    assert_eq!(outcome("ConfigWritability"), "routed:noise");
    let folder = outcomes.iter().find(|(at, _)| at.ends_with("2026/")).unwrap();
    assert_eq!(folder.1, "routed:noise");
}
