//! Stories of the classifier: one fixture for each envelope, and wild input.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::*;

const KEY: &str = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/a.json.gz";

fn s3_record(version: &str, event: &str, key: &str) -> Value {
    json!({
        "eventVersion": version, "eventSource": "aws:s3", "awsRegion": "eu-west-1",
        "eventTime": "2026-03-01T08:15:02.123Z", "eventName": event,
        "userIdentity": {"principalId": "AWS:AROAEXAMPLE"},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "logs",
            "bucket": {"name": "org-trail", "arn": "arn:aws:s3:::org-trail"},
            "object": {"key": key, "size": 4821, "eTag": "0f343b09", "versionId": "v-1", "sequencer": "0055"}},
    })
}

fn s3_event(records: &[Value]) -> String {
    json!({ "Records": records }).to_string()
}

fn in_sns(message: &str) -> String {
    json!({
        "Type": "Notification", "MessageId": "m-1",
        "TopicArn": "arn:aws:sns:eu-west-1:111122223333:logs", "Subject": "Amazon S3 Notification",
        "Message": message, "Timestamp": "2026-03-01T08:15:03.001Z", "SignatureVersion": "1",
    })
    .to_string()
}

fn bridge(detail_type: &str, source: &str, detail: Value) -> Value {
    json!({
        "version": "0", "id": "e-1", "detail-type": detail_type, "source": source,
        "account": "111122223333", "time": "2026-03-01T08:15:02Z", "region": "eu-west-1",
        "resources": [], "detail": detail,
    })
}

fn written(key: &str) -> Value {
    json!({"version": "0", "bucket": {"name": "org-trail"}, "reason": "PutObject",
        "object": {"key": key, "size": 4821, "etag": "0f343b09", "version-id": "v-1"}})
}

fn created(key: &str) -> Notice {
    Notice::Object(Announced {
        bucket: "org-trail".to_owned(),
        key: key.to_owned(),
        fallback_key: None,
        version: Some("v-1".to_owned()),
        etag: Some("0f343b09".to_owned()),
        size_bytes: Some(4821),
    })
}

fn kinds(body: &str) -> Vec<String> {
    let kind = |notice: Notice| match notice {
        Notice::Object(announced) => announced.location(),
        Notice::Record(record) => format!("record {record}"),
        Notice::Pasted => "pasted".to_owned(),
        Notice::Grants => "grants".to_owned(),
        Notice::Insight => "insight".to_owned(),
        Notice::SecurityLake { location } => format!("lake {location}"),
        Notice::Removed { location, event } => format!("{event} {location}"),
        Notice::Subscription { kind, topic } => format!("{kind} {topic}"),
        Notice::Noise { reason } => format!("noise: {reason}"),
        Notice::Poison { reason } => format!("poison: {reason}"),
    };
    classify(body).into_iter().map(kind).collect()
}

fn only(body: &str) -> String {
    let mut all = kinds(body);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn s3_tells_of_one_object_or_of_several() {
    let one = s3_event(&[s3_record("2.1", "ObjectCreated:Put", KEY)]);
    assert_eq!(classify(&one), [created(KEY)]);
    let names = ["Put", "Post", "CompleteMultipartUpload"];
    let three = names.map(|name| s3_record("2.1", &format!("ObjectCreated:{name}"), KEY));
    assert_eq!(classify(&s3_event(&three)), [created(KEY), created(KEY), created(KEY)]);
    assert_eq!(classify(&in_sns(&one)), [created(KEY)]);
    let lambda = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": one}}]});
    assert_eq!(classify(&lambda.to_string()), [created(KEY)]);
}

#[test]
fn keys_of_s3_are_encoded_and_keys_of_others_are_not() {
    let encoded = "a+b/day%3D01/%E2%82%AC%2Bx.json.gz";
    let s3 = s3_event(&[s3_record("2.1", "ObjectCreated:Put", encoded)]);
    assert_eq!(classify(&s3), [created("a b/day=01/€+x.json.gz")]);

    let event = bridge("Object Created", "aws.s3", written(encoded)).to_string();
    let Some(Notice::Object(plain)) = classify(&event).pop() else { panic!("{event}") };
    assert_eq!(plain.key, encoded);
    assert_eq!(plain.fallback_key.as_deref(), Some("a b/day=01/€+x.json.gz"));

    let broken = s3_event(&[s3_record("2.1", "ObjectCreated:Put", "a/%FF")]);
    assert_eq!(only(&broken), "poison: an S3 notification with a key that is no UTF-8: a/%FF");
}

#[test]
fn minor_versions_are_read_and_major_ones_are_not() {
    let nine = s3_event(&[s3_record("2.9", "ObjectCreated:Put", KEY)]);
    assert_eq!(classify(&nine), [created(KEY)]);
    let three = s3_event(&[s3_record("3.0", "ObjectCreated:Put", KEY)]);
    assert_eq!(only(&three), "poison: an S3 notification of the unknown version `3.0`");
}

#[test]
fn optional_members_may_be_absent() {
    let bare = json!({"Records": [{"eventVersion": "2.0", "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]});
    let wanted = Announced { bucket: "b".to_owned(), key: "k".to_owned(), ..Announced::default() };
    assert_eq!(classify(&bare.to_string()), [Notice::Object(wanted)]);
}

#[test]
fn a_removed_log_is_told_and_other_s3_events_are_noise() {
    let removed = |key| s3_event(&[s3_record("2.1", "ObjectRemoved:Delete", key)]);
    assert_eq!(only(&removed(KEY)), format!("ObjectRemoved:Delete s3://org-trail/{KEY}"));
    assert!(only(&removed("pictures/a.png")).starts_with("noise"));
    let restored = s3_event(&[s3_record("2.3", "ObjectRestore:Completed", KEY)]);
    assert_eq!(only(&restored), "noise: the S3 event `ObjectRestore:Completed`");
    let deleted = bridge("Object Deleted", "aws.s3", written(KEY)).to_string();
    assert_eq!(only(&deleted), format!("Object Deleted s3://org-trail/{KEY}"));
}

#[test]
fn tests_of_the_wiring_are_noise() {
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent",
        "Time": "2026-03-01T08:00:00.000Z", "Bucket": "org-trail", "RequestId": "r"});
    for body in [test.to_string(), in_sns(&test.to_string())] {
        assert_eq!(only(&body), "noise: S3's test of its notification");
    }
    assert_eq!(
        only(&in_sns("CloudTrail validation message.")),
        "noise: CloudTrail's test of its topic"
    );
}

#[test]
fn cloudtrail_announces_several_plain_keys() {
    let message = json!({"s3Bucket": "org-trail", "s3ObjectKey": ["a b.json.gz", "c.json.gz"]});
    for body in [message.to_string(), in_sns(&message.to_string())] {
        assert_eq!(kinds(&body), ["s3://org-trail/a b.json.gz", "s3://org-trail/c.json.gz"]);
    }
    let none = json!({"s3Bucket": "org-trail", "s3ObjectKey": []});
    assert_eq!(only(&none.to_string()), "poison: a CloudTrail notification without keys");
}

#[test]
fn eventbridge_brings_objects_records_and_noise() {
    let object = bridge("Object Created", "aws.s3", written(KEY)).to_string();
    assert_eq!(classify(&object), [created(KEY)]);

    let record = json!({"eventVersion": "1.11", "eventName": "CreateUser", "n": 1});
    for kind in ["AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail"] {
        let event = bridge(kind, "aws.iam", record.clone()).to_string();
        assert_eq!(only(&event), format!("record {record}"));
    }
    let of_s3 = bridge("AWS API Call via CloudTrail", "aws.s3", record.clone()).to_string();
    assert_eq!(only(&of_s3), format!("record {record}"));
    let insight = bridge("AWS Insight via CloudTrail", "aws.cloudtrail", record).to_string();
    assert_eq!(only(&insight), "insight");
    let other = bridge("EC2 Instance State-change Notification", "aws.ec2", json!({}));
    assert!(only(&other.to_string()).starts_with("noise"));
    let empty = bridge("AWS API Call via CloudTrail", "aws.iam", Value::Null);
    assert!(only(&empty.to_string()).starts_with("poison"));
}

#[test]
fn security_lake_looks_like_eventbridge_without_its_type() {
    let lake = json!({"source": "aws.s3", "time": "2026-03-01T08:20:00Z",
        "detail": {"bucket": {"name": "aws-security-data-lake-eu-west-1-abc"}, "object": {
            "key": "aws/CLOUD_TRAIL_MGMT/2.0/region=eu-west-1/eventDay=20260301/f.gz.parquet"}}});
    assert!(only(&lake.to_string()).starts_with("lake s3://aws-security-data-lake-"));
}

#[test]
fn subscriptions_are_told_and_nothing_is_fetched() {
    let body = json!({"Type": "SubscriptionConfirmation", "Token": "t", "Message": "You have chosen…",
        "TopicArn": "arn:aws:sns:eu-west-1:111122223333:logs", "SubscribeURL": "https://example.com"});
    assert_eq!(
        only(&body.to_string()),
        "SubscriptionConfirmation arn:aws:sns:eu-west-1:111122223333:logs"
    );
}

#[test]
fn neighbours_on_the_topic_are_noise() {
    let config = json!({"messageType": "ConfigurationItemChangeNotification", "recordVersion": "1.3",
        "configurationItem": {}});
    assert!(only(&in_sns(&config.to_string())).contains("ConfigurationItemChangeNotification"));
    let snapshot = json!({"messageType": "ConfigurationSnapshotDeliveryCompleted",
        "s3Bucket": "b", "s3ObjectKey": "AWSLogs/111122223333/Config/x.json.gz"});
    assert!(only(&snapshot.to_string()).starts_with("noise"));
    let alarm = json!({"AlarmName": "high-cpu", "NewStateValue": "ALARM"});
    assert_eq!(only(&alarm.to_string()), "noise: the CloudWatch alarm `high-cpu`");
}

#[test]
fn a_pasted_file_is_recognised() {
    let file = json!({"Records": [{"eventVersion": "1.08", "eventName": "GetObject",
        "userIdentity": {"type": "IAMUser"}}]});
    assert_eq!(only(&file.to_string()), "pasted");
}

#[test]
fn what_is_not_known_is_poison() {
    let order = json!({"order": 17, "customer": "somebody"}).to_string();
    for body in ["", "hello", "[1]", "null", "{", order.as_str(), r#"{"Records":[]}"#] {
        assert!(only(body).starts_with("poison"), "{body}");
    }
    let deep = (0..4)
        .fold(s3_event(&[s3_record("2.1", "ObjectCreated:Put", KEY)]), |body, _| in_sns(&body));
    assert_eq!(only(&deep), "poison: envelopes are nested too deeply");
    let many = vec![s3_record("2.1", "ObjectCreated:Put", "k"); MAX_NOTICES + 1];
    assert!(only(&s3_event(&many)).starts_with("poison: the message announces 1001"));
    let odd = s3_event(&[s3_record("2.1", "ObjectCreated:Put", KEY), json!({"eventSource": "x"})]);
    assert_eq!(kinds(&odd).len(), 2, "the good record is not lost for the bad one");
}

#[test]
fn a_large_body_is_only_large() {
    let padding = "x".repeat(900 * 1024);
    let body = json!({"messageType": "ConfigurationItemChangeNotification", "padding": padding});
    assert!(only(&body.to_string()).starts_with("noise"));
    assert!(only(&padding).starts_with("poison"));
    assert!(only(&"[".repeat(900 * 1024)).starts_with("poison"));
    assert!(only(&format!("{}1", r#"{"a":"#.repeat(200_000))).starts_with("poison"));
}

fn form_encoded(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' | b'*' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "Records",
        "Type",
        "Message",
        "TopicArn",
        "Sns",
        "s3",
        "bucket",
        "object",
        "key",
        "name",
        "eventSource",
        "eventVersion",
        "eventName",
        "source",
        "detail",
        "detail-type",
        "s3Bucket",
        "s3ObjectKey",
        "size",
        "messageType",
    ]);
    let texts = prop::sample::select(vec![
        "aws:s3",
        "aws.s3",
        "2.1",
        "Notification",
        "Object Created",
        "ObjectCreated:Put",
        "%zz+%E2",
        "AWS API Call via CloudTrail",
        "{\"Records\":[{}]}",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_announces_something(body in ".*") {
        prop_assert!(!classify(&body).is_empty());
    }

    #[test]
    fn any_json_announces_something(body in any_json()) {
        prop_assert!(!classify(&body.to_string()).is_empty());
        prop_assert!(!classify(&in_sns(&body.to_string())).is_empty());
    }

    #[test]
    fn keys_survive_encoding(key in ".*") {
        prop_assert_eq!(form_decoded(&form_encoded(&key)), Ok(key));
    }

    #[test]
    fn decoding_never_panics(key in "[%+0-9a-fA-Fx€]*") {
        if let Ok(decoded) = form_decoded(&key) {
            prop_assert!(decoded.len() <= key.len());
        }
    }
}
