//! Every body that can arrive on the queue leads to its alert, and the queue ends up empty.

use serde_json::json;

use crate::outside::aws::Wiring;
use crate::outside::daemon::House;
use crate::outside::deliveries;
use crate::outside::envelope;
use crate::outside::stage::Stage;

fn arrives_by(wiring: Wiring) {
    let stage = Stage::wired(wiring);
    let mut daemon = stage.house.run();
    let expected = stage.deliver([1, 2]);
    stage.await_delivered(&mut daemon, &expected);
    assert_eq!(stage.house.store().quarantine(), []);
}

#[test]
fn s3_tells_the_queue() {
    arrives_by(Wiring::Queue);
}

#[test]
fn s3_tells_a_topic() {
    arrives_by(Wiring::Topic);
}

#[test]
fn s3_tells_a_topic_with_raw_delivery() {
    arrives_by(Wiring::RawTopic);
}

#[test]
fn s3_tells_eventbridge() {
    arrives_by(Wiring::EventBridge);
}

#[test]
fn cloudtrail_tells_its_own_topic() {
    let stage = Stage::untold();
    let expected = stage.deliver([1, 2]);
    let keys = [deliveries::key(1), deliveries::key(2)];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    stage.queue.send(&envelope::cloudtrail(&stage.bucket.name, &keys));
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &expected);
}

#[test]
fn eventbridge_brings_the_record_itself() {
    let stage = Stage::untold();
    let expected = deliveries::ids_of([1]);
    stage.queue.send(&envelope::eventbridge(&deliveries::trail_stopped(1)));
    stage.queue.send(&envelope::eventbridge(&deliveries::quiet(1, 0)));
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &expected);
    assert_eq!(stage.house.store().books(), [2, 2, 0, 0]);
}

#[test]
fn one_message_announces_several_objects() {
    let stage = Stage::untold();
    let expected = stage.deliver([1, 2, 3]);
    let keys = [1, 2, 3].map(deliveries::key);
    let objects: Vec<_> =
        keys.iter().map(|key| (stage.bucket.name.as_str(), key.as_str())).collect();
    stage.queue.send(&envelope::s3(&objects));
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &expected);
}

#[test]
fn test_events_are_deleted_and_leave_nothing() {
    // Wiring the bucket made S3 send one already; through a topic it comes wrapped.
    for wiring in [Wiring::Queue, Wiring::Topic] {
        let stage = Stage::wired(wiring);
        assert_eq!(stage.queue.depth().waiting, 1);
        let mut daemon = stage.house.run();
        stage.await_drained(&mut daemon);
        let (status, _) = daemon.stop();
        assert!(status.success());
        assert_eq!(stage.house.store().quarantine(), []);
        assert_eq!(stage.siem.arrivals().len(), 0);
    }
}

#[test]
fn security_lake_and_other_topics_are_routed_and_deleted() {
    let stage = Stage::untold();
    stage.queue.send(&envelope::security_lake(&stage.bucket.name));
    let config =
        json!({ "messageType": "ConfigurationItemChangeNotification", "configurationItem": {} });
    stage.queue.send(&envelope::sns(&config.to_string()));
    let other =
        json!({ "source": "aws.ec2", "detail-type": "EC2 Instance State-change", "detail": {} });
    stage.queue.send(&other.to_string());
    let mut daemon = stage.house.run();
    stage.await_drained(&mut daemon);
    let store = stage.house.store();
    assert_eq!(store.quarantine(), []);
    let mut outcomes: Vec<String> =
        store.ledger().into_iter().map(|(_, outcome)| outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes, ["routed:noise", "routed:noise", "routed:unsupported"]);
    assert_eq!(stage.siem.arrivals().len(), 0);
}

/// Keys with everything that senders disagree about how to encode.
const ODD_KEYS: [&str; 4] = [
    "AWSLogs/444400000001/CloudTrail/eu-west-1/2026/03/01/a plus+and space.json.gz",
    "AWSLogs/aws-account-id=444400000002/aws-service=CloudTrail/aws-region=eu-west-1/x%3Dy.json.gz",
    "häuser €/AWSLogs/444400000003/CloudTrail/eu-west-1/größe.json.gz",
    "AWSLogs/444400000004/CloudTrail/eu-west-1/100%+1 & more; 'quoted'.json.gz",
];

#[test]
fn keys_with_odd_letters_are_found() {
    for wiring in [Wiring::Queue, Wiring::EventBridge] {
        let stage = Stage::wired(wiring);
        for (number, key) in (1..).zip(ODD_KEYS) {
            stage.bucket.put(key, &deliveries::delivery(number));
        }
        let mut daemon = stage.house.run();
        stage.await_delivered(&mut daemon, &deliveries::ids_of(1..=4));
        assert_eq!(stage.house.store().quarantine(), []);
    }
}

#[test]
fn keys_with_odd_letters_are_found_as_aws_and_cloudtrail_write_them() {
    let stage = Stage::untold();
    for (number, key) in (1..).zip(ODD_KEYS) {
        stage.bucket.put(key, &deliveries::delivery(number));
    }
    let objects = ODD_KEYS.map(|key| (stage.bucket.name.as_str(), key));
    stage.queue.send(&envelope::s3(&objects[..2]));
    stage.queue.send(&envelope::cloudtrail(&stage.bucket.name, &ODD_KEYS[2..]));
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &deliveries::ids_of(1..=4));
    assert_eq!(stage.house.store().quarantine(), []);
}

#[test]
fn what_is_not_for_us_goes_to_quarantine_and_stops_nothing() {
    let mut stage = Stage::untold();
    let foreign = stage.aws.bucket();
    foreign.put(&deliveries::key(7), &deliveries::delivery(7));
    let buckets = format!("buckets = [\"{}\"]", stage.bucket.name);
    let house = House::new();
    stage.house =
        house.reading(&stage.aws.url(), &stage.queue.url, &buckets).telling(&stage.siem.url(), "");

    let large = "x".repeat(900 * 1024);
    let bodies =
        ["hello", "{}", "[]", "{\"Records\": 7}", "{\"Records\": [{\"s3\": null}]}", &large];
    for body in bodies {
        stage.queue.send(body);
    }
    stage.queue.send(&envelope::s3(&[(&foreign.name, &deliveries::key(7))]));
    // A file pasted as a message is read only where the operator allows it.
    stage.queue.send(&json!({ "Records": [deliveries::trail_stopped(8)] }).to_string());
    let expected = stage.deliver([1]);
    stage.queue.send(&envelope::s3(&[(&stage.bucket.name, &deliveries::key(1))]));

    let mut daemon = stage.house.run();
    daemon.await_that("the alert", |_| stage.siem.ids().is_superset(&expected));
    stage.await_drained(&mut daemon);
    let quarantine = stage.house.store().quarantine();
    assert_eq!(quarantine.len(), bodies.len() + 2, "{quarantine:#?}");
    assert!(quarantine.iter().all(|row| row.location.starts_with("message:")), "{quarantine:#?}");
    assert!(quarantine.iter().all(|row| !row.reason.is_empty()), "{quarantine:#?}");
    let named = quarantine.iter().any(|row| row.reason.contains(&foreign.name));
    assert!(named, "the foreign bucket is named: {quarantine:#?}");
    // Quarantine may raise alerts of its own; the foreign object and the pasted file must not.
    let told = stage.siem.taken();
    let told: Vec<_> = told.iter().filter(|it| it.alert()["detector"] == "trail_stopped").collect();
    assert_eq!(told.len(), 1);
}

#[test]
fn a_pasted_file_is_read_where_the_operator_allows_it() {
    let mut stage = Stage::untold();
    stage.house = House::new()
        .reading(&stage.aws.url(), &stage.queue.url, "accept_inline = true")
        .telling(&stage.siem.url(), "");
    stage.queue.send(&json!({ "Records": [deliveries::trail_stopped(8)] }).to_string());
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &deliveries::ids_of([8]));
}
