//! Deliveries whose alerts are known beforehand: CloudTrail records, packed as AWS packs them.
//!
//! [`trail_stopped`] raises exactly one alert of the detector `trail_stopped`, with an id of its own for each
//! number; [`quiet`] raises none. The ids themselves come from the program: `scan` over the same files.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use serde_json::json;

/// The account of delivery `number`.
pub fn account(number: u32) -> String {
    format!("{:012}", 444_400_000_000_u64 + u64::from(number))
}

/// Returns the record of a person who stops a trail: one alert for each number.
pub fn trail_stopped(number: u32) -> Value {
    let account = account(number);
    let mut record = record(number, "stop", &person(&account, "mallory"));
    record["eventSource"] = json!("cloudtrail.amazonaws.com");
    record["eventName"] = json!("StopLogging");
    record["requestParameters"] = json!({ "name": format!("trail-{number}") });
    record["readOnly"] = json!(false);
    record
}

/// Returns the record of a call that is no reason for an alert; `index` tells several of one number apart.
pub fn quiet(number: u32, index: u32) -> Value {
    let account = account(number);
    let mut record = record(number, &format!("quiet-{index}"), &workload(&account, "payments"));
    record["eventSource"] = json!("dynamodb.amazonaws.com");
    record["eventName"] = json!("DescribeTable");
    record["requestParameters"] = json!({ "tableName": format!("orders-{index}") });
    record["readOnly"] = json!(true);
    record
}

/// Returns the record of a secret that was read; ten numbers in a row are one reader and ten secrets, which is
/// one alert of `secrets_read_in_bulk`.
pub fn secret_read(number: u32) -> Value {
    let first = (number - 1) / 10 * 10 + 1;
    let account = account(first);
    let mut record = record(number, "secret", &person(&account, "reader"));
    record["recipientAccountId"] = json!(account);
    record["eventSource"] = json!("secretsmanager.amazonaws.com");
    record["eventName"] = json!("GetSecretValue");
    record["requestParameters"] = json!({ "secretId": format!("secret-{number}") });
    record["readOnly"] = json!(true);
    record
}

/// Returns the file of a quiet call two days after all others: with it, time goes on.
pub fn two_days_later() -> Vec<u8> {
    let mut record = quiet(999, 0);
    record["eventTime"] = json!("2026-03-03T08:00:00Z");
    record["userIdentity"]["sessionContext"]["attributes"]["creationDate"] =
        json!("2026-03-03T07:55:00Z");
    file(&[record])
}

fn record(number: u32, what: &str, identity: &Value) -> Value {
    let account = account(number);
    let (minute, second) = (number / 60 % 60, number % 60);
    json!({
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": format!("2026-03-01T08:{minute:02}:{second:02}Z"),
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.22.0 md/awscrt#1.0.0",
        "responseElements": null,
        "requestID": event_id(&format!("{what}-{number}-request")),
        "eventID": event_id(&format!("{what}-{number}")),
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": account,
        "eventCategory": "Management",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": "cloudtrail.eu-west-1.amazonaws.com",
        },
    })
}

fn event_id(seed: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, seed.as_bytes()).to_string()
}

fn person(account: &str, name: &str) -> Value {
    json!({
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE0000000001",
        "arn": format!("arn:aws:iam::{account}:user/{name}"),
        "accountId": account,
        "accessKeyId": "AKIAEXAMPLE000000001",
        "userName": name,
    })
}

fn workload(account: &str, role: &str) -> Value {
    json!({
        "type": "AssumedRole",
        "principalId": format!("AROAEXAMPLE0000000001:{role}"),
        "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{role}"),
        "accountId": account,
        "accessKeyId": "ASIAEXAMPLE000000001",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLE0000000001",
                "arn": format!("arn:aws:iam::{account}:role/{role}"),
                "accountId": account,
                "userName": role,
            },
            "attributes": { "creationDate": "2026-03-01T07:55:00Z", "mfaAuthenticated": "false" },
        },
    })
}

/// Returns a CloudTrail file, packed.
pub fn file(records: &[Value]) -> Vec<u8> {
    gzip(json!({ "Records": records }).to_string().as_bytes())
}

/// Returns the file of delivery `number`: one stopped trail among quiet calls.
pub fn delivery(number: u32) -> Vec<u8> {
    let mut records: Vec<Value> = (0..10).map(|index| quiet(number, index)).collect();
    records.insert(7, trail_stopped(number));
    file(&records)
}

/// Returns the key of delivery `number`, as CloudTrail names its files.
pub fn key(number: u32) -> String {
    let account = account(number);
    format!(
        "AWSLogs/{account}/CloudTrail/eu-west-1/2026/03/01/{account}_CloudTrail_eu-west-1_20260301T0815Z_{number:016}.json.gz"
    )
}

/// Packs `bytes` as one gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The alerts that files must lead to, by id.
pub type Expected = BTreeMap<String, Value>;

/// Returns the alerts of `files` (key and bytes), as `scan` with detectors from `more` finds them.
pub fn alerts_of(files: &[(String, Vec<u8>)], more: &[&str]) -> Expected {
    let folder = tempfile::tempdir().unwrap();
    for (key, bytes) in files {
        write(folder.path(), key, bytes);
    }
    let mut scan = Command::new(env!("CARGO_BIN_EXE_grantwatch"));
    let scanned =
        scan.arg("scan").arg(folder.path()).args(["--format", "ndjson"]).args(more).output();
    let scanned = scanned.unwrap();
    let said = String::from_utf8_lossy(&scanned.stderr);
    assert!(scanned.status.success(), "scan failed:\n{said}");
    let alerts = scanned.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let alerts = alerts.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    alerts.map(|alert| (alert["id"].as_str().unwrap().to_owned(), alert)).collect()
}

/// Returns the ids of the alerts of deliveries `numbers`: one for each, or the test fails.
pub fn ids_of(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<String> {
    let files: Vec<_> = numbers.into_iter().map(|number| (key(number), delivery(number))).collect();
    let alerts = alerts_of(&files, &[]);
    assert_eq!(alerts.len(), files.len(), "one alert for each delivery: {alerts:#?}");
    alerts.into_keys().collect()
}

/// Writes a file below `folder`, making the folders between.
pub fn write(folder: &Path, key: &str, bytes: &[u8]) {
    let path = folder.join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
