//! What the identity room costs per record: `cargo bench --bench identity`.

use divan::Bencher;
use divan::counter::ItemsCount;
use grantwatch::identity::Config;
use grantwatch::identity::Registry;
use grantwatch::identity::event_facts;
use grantwatch::model::Seconds;
use grantwatch::model::Slots;
use grantwatch::model::TrailRecord;

const USES_PER_SESSION: usize = 20;
const TIME: Seconds = Seconds(1_772_352_000);

fn main() {
    divan::main();
}

fn issue(number: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::111122223333:user/bob","accountId":"111122223333","accessKeyId":"AKIAEXAMPLE","userName":"bob"}},"eventTime":"2026-03-01T08:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2.17","requestParameters":{{"roleArn":"arn:aws:iam::111122223333:role/ops/Deploy","roleSessionName":"s{number}"}},"responseElements":{{"credentials":{{"accessKeyId":"ASIAEXAMPLE{number:08}","expiration":"Mar 1, 2026, 9:00:00 AM"}},"assumedRoleUser":{{"assumedRoleId":"AROAEXAMPLE:s{number}","arn":"arn:aws:sts::111122223333:assumed-role/Deploy/s{number}"}}}},"eventID":"i{number}","recipientAccountId":"111122223333"}}"#
    )
}

fn by_service(number: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"AWSService","invokedBy":"lambda.amazonaws.com"}},"eventTime":"2026-03-01T08:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","awsRegion":"us-east-1","sourceIPAddress":"lambda.amazonaws.com","userAgent":"lambda.amazonaws.com","requestParameters":{{"roleArn":"arn:aws:iam::111122223333:role/fn","roleSessionName":"s{number}"}},"responseElements":{{"credentials":{{"accessKeyId":"ASIAEXAMPLE{number:08}"}}}},"eventID":"s{number}","recipientAccountId":"111122223333"}}"#
    )
}

fn usage(number: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.10","userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLE:s{number}","arn":"arn:aws:sts::111122223333:assumed-role/Deploy/s{number}","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE{number:08}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::111122223333:role/ops/Deploy","accountId":"111122223333","userName":"Deploy"}},"attributes":{{"creationDate":"2026-03-01T08:00:00Z","mfaAuthenticated":"false"}}}}}},"eventTime":"2026-03-01T08:12:30Z","eventSource":"iam.amazonaws.com","eventName":"AttachRolePolicy","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2.17","requestParameters":{{"roleName":"App"}},"responseElements":null,"eventID":"u{number}","readOnly":false,"recipientAccountId":"111122223333"}}"#
    )
}

fn located(records: Vec<String>) -> Vec<(String, Slots)> {
    let locate = |raw: String| {
        let slots = Slots::of(&raw).expect("the bench writes whole records");
        (raw, slots)
    };
    records.into_iter().map(locate).collect()
}

fn learn_all(registry: &mut Registry, records: &[(String, Slots)]) {
    for (raw, slots) in records {
        registry.learn(&TrailRecord::new(raw, slots));
    }
}

/// The hot path, both passes: the session is known and was asked for before.
#[divan::bench]
fn session_known(bencher: Bencher<'_, '_>) {
    let issues = located((0..500).map(issue).collect());
    let uses = located((0..500).map(usage).collect());
    let mut registry = Registry::new(&Config::default());
    learn_all(&mut registry, &issues);
    for (raw, slots) in &uses {
        registry.session(&TrailRecord::new(raw, slots));
    }
    bencher.counter(ItemsCount::new(uses.len())).bench_local(|| {
        for (raw, slots) in &uses {
            let record = TrailRecord::new(raw, slots);
            registry.learn(&record);
            divan::black_box(registry.session(&record));
        }
    });
}

/// Records that issue nothing pass `learn` by.
#[divan::bench]
fn learn_nothing(bencher: Bencher<'_, '_>) {
    let records = located((0..1_000).map(usage).collect());
    let mut registry = Registry::new(&Config::default());
    bencher
        .counter(ItemsCount::new(records.len()))
        .bench_local(|| learn_all(&mut registry, divan::black_box(&records)));
}

/// Services that take the same roles over and over, a third of all records in some accounts.
#[divan::bench]
fn learn_services(bencher: Bencher<'_, '_>) {
    let records = located((0..1_000).map(by_service).collect());
    let mut registry = Registry::new(&Config::default());
    bencher
        .counter(ItemsCount::new(records.len()))
        .bench_local(|| learn_all(&mut registry, divan::black_box(&records)));
}

/// A day from nothing: each session is issued and then used twenty times.
#[divan::bench]
fn from_nothing(bencher: Bencher<'_, '_>) {
    let day = |n| std::iter::once(issue(n)).chain((0..USES_PER_SESSION).map(move |_| usage(n)));
    let records = located((0..500).flat_map(day).collect());
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        let mut registry = Registry::new(&Config::default());
        learn_all(&mut registry, &records);
        for (raw, slots) in &records {
            divan::black_box(registry.session(&TrailRecord::new(raw, slots)));
        }
    });
}

/// Every question is a new one.
#[divan::bench]
fn session_made_anew(bencher: Bencher<'_, '_>) {
    let records = located((0..1_000).map(usage).collect());
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        let mut registry = Registry::new(&Config::default());
        for (raw, slots) in &records {
            divan::black_box(registry.session(&TrailRecord::new(raw, slots)));
        }
    });
}

/// What only candidates of a rule pay.
#[divan::bench]
fn facts_of_an_event(bencher: Bencher<'_, '_>) {
    let records = located((0..1_000).map(usage).collect());
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| {
        for (raw, slots) in &records {
            divan::black_box(event_facts(&TrailRecord::new(raw, slots), TIME));
        }
    });
}
