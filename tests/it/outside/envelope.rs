//! Bodies of messages that no stand-in for AWS sends by itself, in the words of AWS's manuals.

use serde_json::Value;
use serde_json::json;

/// Returns an S3 notification about several objects: bucket and key, encoded as S3 encodes keys.
pub fn s3(objects: &[(&str, &str)]) -> String {
    let record = |(bucket, key): &(&str, &str)| {
        json!({
            "eventVersion": "2.6",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2026-03-01T08:15:02.123Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "AWS:AIDAEXAMPLE" },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "to-queue",
                "bucket": { "name": bucket, "arn": format!("arn:aws:s3:::{bucket}") },
                "object": { "key": form_encoded(key), "sequencer": "0055AED6DCD90281E5" },
            },
        })
    };
    json!({ "Records": objects.iter().map(record).collect::<Vec<_>>() }).to_string()
}

/// Returns `key` as S3 writes it into a notification: a space is `+`, and a slash stays.
fn form_encoded(key: &str) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    encoded.replace("%2F", "/")
}

/// Wraps `message` as SNS does.
pub fn sns(message: &str) -> String {
    json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-west-1:111122223333:trail",
        "Subject": "Amazon S3 Notification",
        "Message": message,
        "Timestamp": "2026-03-01T08:15:03.001Z",
        "SignatureVersion": "1",
        "Signature": "none",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/none.pem",
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/",
    })
    .to_string()
}

/// Returns what CloudTrail itself publishes to a trail's topic: keys, not encoded.
pub fn cloudtrail(bucket: &str, keys: &[&str]) -> String {
    sns(&json!({ "s3Bucket": bucket, "s3ObjectKey": keys }).to_string())
}

/// Returns a CloudTrail record as EventBridge delivers it.
pub fn eventbridge(record: &Value) -> String {
    json!({
        "version": "0",
        "id": "36eb8523-97d0-4518-b33d-ee3579ff19f0",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.cloudtrail",
        "account": record["recipientAccountId"],
        "time": record["eventTime"],
        "region": record["awsRegion"],
        "resources": [],
        "detail": record,
    })
    .to_string()
}

/// Returns what Security Lake sends to a subscriber's queue.
pub fn security_lake(bucket: &str) -> String {
    json!({
        "source": "aws.s3",
        "time": "2026-03-01T08:20:00Z",
        "account": "111122223333",
        "region": "eu-west-1",
        "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "bucket": { "name": bucket },
            "object": {
                "key": "aws/CLOUD_TRAIL_MGMT/2.0/region=eu-west-1/accountId=111122223333/eventDay=20260301/f.gz.parquet",
                "size": 19004,
                "etag": "b1946ac92492d2347c6235b4d2611184",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "securitylake.amazonaws.com",
        },
    })
    .to_string()
}
