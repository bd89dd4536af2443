//! Every body that can stand in the queue, and what it announces.
//!
//! Formats: Amazon S3 User Guide ("Event message structure", "EventBridge"), Amazon SNS Developer
//! Guide ("message formats"), CloudTrail User Guide ("SNS notifications"), Security Lake User Guide
//! ("subscribers"). [`classify`] tries them in a fixed order.
//!
//! Invariant: pure, never panics, and every body announces at least one thing; what is not
//! recognised is [`Notice::Poison`] with a reason, never nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source::key;

/// How deep envelopes may be nested: S3 in SNS is one.
const MAX_DEPTH: u32 = 2;

/// How many objects one message may announce. S3 sends one, CloudTrail a few.
const MAX_NOTICES: usize = 1_000;

/// What one entry of a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// An object was written.
    Object(Announced),
    /// A CloudTrail record that came inside the message, as JSON.
    Record(String),
    /// The body itself is a CloudTrail file.
    Pasted,
    /// The body is a message about grants, or several.
    Grants,
    /// An Insights event that came inside the message.
    Insight,
    /// A Security Lake object: recognised, not read yet.
    SecurityLake {
        /// Where it lies.
        location: String,
    },
    /// A log object was removed.
    Removed {
        /// What was removed.
        location: String,
        /// How, as S3 names it.
        event: String,
    },
    /// Somebody must confirm (or mourn) a subscription.
    Subscription {
        /// `SubscriptionConfirmation` or `UnsubscribeConfirmation`.
        kind: String,
        /// The topic.
        topic: String,
    },
    /// Recognised, and no business of ours.
    Noise {
        /// What it is.
        reason: String,
    },
    /// Not recognised, or broken.
    Poison {
        /// Why.
        reason: String,
    },
}

/// An object as a notification announces it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Announced {
    /// The bucket.
    pub(super) bucket: String,
    /// The key, decoded where the envelope encodes it.
    pub(super) key: String,
    /// The key to try if there is no object at `key`: senders disagree about encoding.
    pub(super) fallback_key: Option<String>,
    /// The version, on versioned buckets.
    pub(super) version: Option<String>,
    /// The ETag without quotes, where the envelope has it.
    pub(super) etag: Option<String>,
    /// The size in bytes, where the envelope has it.
    pub(super) size_bytes: Option<u64>,
}

impl Announced {
    /// Returns where the object lies, as the ledger writes it.
    pub(super) fn location(&self) -> String {
        location(&self.bucket, &self.key)
    }

    /// Returns the revision announced: the version, else the ETag, else nothing.
    pub(super) fn revision(&self) -> String {
        self.version.clone().or_else(|| self.etag.clone()).unwrap_or_default()
    }

    /// A key that stands as it is. If no object is there, it may have been encoded all the same.
    fn plain(bucket: String, key: String) -> Self {
        let fallback_key = form_decoded(&key).ok().filter(|decoded| *decoded != key);
        Self { bucket, key, fallback_key, ..Self::default() }
    }
}

/// Returns `s3://bucket/key`.
pub(super) fn location(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

/// Returns what `body` announces, in its order; never nothing.
pub(super) fn classify(body: &str) -> Vec<Notice> {
    let notices = unwrapped(body, 0);
    if notices.len() > MAX_NOTICES {
        return poison(format!(
            "the message announces {} objects, more than {MAX_NOTICES}",
            notices.len()
        ));
    }
    notices
}

fn poison(reason: impl Into<String>) -> Vec<Notice> {
    vec![Notice::Poison { reason: reason.into() }]
}

fn noise(reason: impl Into<String>) -> Vec<Notice> {
    vec![Notice::Noise { reason: reason.into() }]
}

fn unwrapped(body: &str, depth: u32) -> Vec<Notice> {
    if depth > MAX_DEPTH {
        return poison("envelopes are nested too deeply");
    }
    // CloudTrail sends this sentence, bare, to a topic it was just given.
    if depth > 0 && body.starts_with("CloudTrail validation message") {
        return noise("CloudTrail's test of its topic");
    }
    let object = match Object::parse(body) {
        Ok(object) => object,
        Err(error) => return poison(format!("the body is no JSON object: {error}")),
    };
    let records = object.list("Records");
    let first = records.as_ref().and_then(|records| records.first());
    let first = first.and_then(|raw| Object::parse(raw.get()).ok());
    if let Some(notices) = from_sns(&object, depth) {
        return notices;
    }
    if object.is("Event", "s3:TestEvent") && object.is("Service", "Amazon S3") {
        return noise("S3's test of its notification");
    }
    if let (Some(records), Some(first)) = (records, first) {
        if first.is("eventSource", "aws:s3") {
            return records.iter().map(|raw| from_s3(raw.get())).collect();
        }
        if first.has("Sns") {
            return records.iter().flat_map(|raw| from_lambda(raw.get(), depth)).collect();
        }
        let is_trail = ["eventVersion", "eventName", "userIdentity"].iter().all(|it| first.has(it));
        if is_trail && !first.has("s3") {
            return vec![Notice::Pasted];
        }
    }
    from_trail_topic(&object)
        .or_else(|| from_bridge(&object))
        .or_else(|| from_neighbours(&object))
        .unwrap_or_else(|| poison("no envelope that grantwatch knows"))
}

/// SNS wraps what was published as text in `Message`; confirmations have a token instead.
fn from_sns(object: &Object<'_>, depth: u32) -> Option<Vec<Notice>> {
    let (kind, message) = (object.text("Type")?, object.text("Message")?);
    let topic = object.text("TopicArn")?;
    Some(match kind.as_str() {
        "Notification" => unwrapped(&message, depth + 1),
        "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
            vec![Notice::Subscription { kind, topic }]
        }
        other => poison(format!("an SNS message of the unknown type `{other}`")),
    })
}

/// SNS as Lambda sees it, which somebody forwarded.
fn from_lambda(record: &str, depth: u32) -> Vec<Notice> {
    #[derive(Deserialize)]
    struct Record {
        #[serde(rename = "Sns")]
        sns: Sns,
    }
    #[derive(Deserialize)]
    struct Sns {
        #[serde(rename = "Message")]
        message: String,
    }
    match serde_json::from_str::<Record>(record) {
        Ok(record) => unwrapped(&record.sns.message, depth + 1),
        Err(error) => poison(format!("a broken SNS record: {error}")),
    }
}

/// One record of an S3 event notification, whose key is encoded as in a form.
fn from_s3(record: &str) -> Notice {
    #[derive(Deserialize)]
    struct Record {
        s3: S3,
    }
    #[derive(Deserialize)]
    struct S3 {
        bucket: Bucket,
        object: Written,
    }
    let broken = |what: String| Notice::Poison { reason: format!("an S3 notification {what}") };
    let head = match Object::parse(record) {
        Ok(head) => head,
        Err(error) => return broken(format!("with a broken record: {error}")),
    };
    let version = head.text("eventVersion").unwrap_or_default();
    if !head.is("eventSource", "aws:s3") || version.split('.').next() != Some("2") {
        return broken(format!("of the unknown version `{version}`"));
    }
    let event = head.text("eventName").unwrap_or_default();
    let S3 { bucket, object } = match serde_json::from_str::<Record>(record) {
        Ok(record) => record.s3,
        Err(error) => return broken(format!("with a broken record: {error}")),
    };
    let key = match form_decoded(&object.key) {
        Ok(key) => key,
        Err(NotUtf8) => return broken(format!("with a key that is no UTF-8: {}", object.key)),
    };
    let announced =
        object.announced(Announced { bucket: bucket.name, key, ..Announced::default() });
    match event.trim_start_matches("s3:").split(':').next() {
        Some("ObjectCreated") => Notice::Object(announced),
        Some("ObjectRemoved") => gone(&announced, event),
        _ => Notice::Noise { reason: format!("the S3 event `{event}`") },
    }
}

fn gone(announced: &Announced, event: String) -> Notice {
    let location = announced.location();
    match key::is_below_logs(&announced.key) {
        true => Notice::Removed { location, event },
        false => Notice::Noise { reason: format!("the removal of {location}, which is no log") },
    }
}

/// CloudTrail's own message: plain keys, nothing else.
fn from_trail_topic(object: &Object<'_>) -> Option<Vec<Notice>> {
    let bucket = object.text("s3Bucket")?;
    let keys = object.list("s3ObjectKey")?;
    if keys.is_empty() {
        return Some(poison("a CloudTrail notification without keys"));
    }
    let notice = |raw: &&RawValue| match serde_json::from_str::<String>(raw.get()) {
        Ok(key) => Notice::Object(Announced::plain(bucket.clone(), key)),
        Err(error) => Notice::Poison {
            reason: format!("a CloudTrail notification with a broken key: {error}"),
        },
    };
    Some(keys.iter().map(notice).collect())
}

/// EventBridge, and Security Lake, which looks like it without `detail-type`.
fn from_bridge(object: &Object<'_>) -> Option<Vec<Notice>> {
    #[derive(Deserialize)]
    struct Detail {
        bucket: Bucket,
        object: Written,
    }
    let source = object.text("source")?;
    let detail_type = object.text("detail-type");
    let detail = object.raw("detail");
    if source == "aws.s3"
        && let Some(Ok(Detail { bucket, object })) = detail.map(serde_json::from_str::<Detail>)
    {
        let plain = Announced::plain(bucket.name, object.key.clone());
        return Some(vec![from_bridge_s3(detail_type, object.announced(plain))]);
    }
    let detail_type = detail_type?;
    let kind = detail_type.to_ascii_lowercase();
    Some(match detail {
        _ if !kind.ends_with("via cloudtrail") => {
            noise(format!("the EventBridge event `{detail_type}` of {source}"))
        }
        _ if kind.contains("insight") => vec![Notice::Insight],
        Some(record) if Object::parse(record).is_ok() => vec![Notice::Record(record.to_owned())],
        _ => poison(format!("the EventBridge event `{detail_type}` without a record")),
    })
}

fn from_bridge_s3(detail_type: Option<String>, announced: Announced) -> Notice {
    match detail_type.as_deref() {
        Some("Object Created") => Notice::Object(announced),
        Some("Object Deleted") => gone(&announced, "Object Deleted".to_owned()),
        Some(other) => Notice::Noise { reason: format!("the S3 event `{other}`") },
        None if announced.bucket.starts_with("aws-security-data-lake-")
            || announced.key.contains("/eventDay=") =>
        {
            Notice::SecurityLake { location: announced.location() }
        }
        // An event that lost its type to an input transformer: the object tells.
        None => Notice::Object(announced),
    }
}

/// What else is published on the topics that queues of logs are subscribed to.
fn from_neighbours(object: &Object<'_>) -> Option<Vec<Notice>> {
    if let Some(kind) = object.text("messageType") {
        return Some(noise(format!("the AWS Config message `{kind}`")));
    }
    let alarm = object.text("AlarmName")?;
    Some(noise(format!("the CloudWatch alarm `{alarm}`")))
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

/// The object in an S3 event: `eTag` and `versionId` from S3, `etag` and `version-id` from EventBridge.
#[derive(Deserialize)]
struct Written {
    key: String,
    size: Option<u64>,
    #[serde(alias = "eTag")]
    etag: Option<String>,
    #[serde(rename = "versionId", alias = "version-id")]
    version: Option<String>,
}

impl Written {
    fn announced(self, found: Announced) -> Announced {
        let named = |text: Option<String>| text.filter(|text| !text.is_empty());
        Announced {
            etag: named(self.etag).map(|etag| etag.trim_matches('"').to_owned()),
            version: named(self.version),
            size_bytes: self.size,
            ..found
        }
    }
}

/// A JSON object whose members are read on demand.
struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(|raw| raw.get())
    }

    /// Returns a member that is a string. Of another type it is not what we look for.
    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    fn is(&self, name: &str, wanted: &str) -> bool {
        self.text(name).is_some_and(|text| text == wanted)
    }

    /// Returns a member that is an array. Of another type it is not what we look for.
    fn list(&self, name: &str) -> Option<Vec<&'a RawValue>> {
        serde_json::from_str(self.raw(name)?).ok()
    }
}

/// The decoded bytes are no text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

/// Decodes a key as S3 notifications encode it: `%XX` is a byte and `+` a space. A `%` without two
/// hexadecimal digits stands for itself.
pub(super) fn form_decoded(key: &str) -> Result<String, NotUtf8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = key.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match (byte, digit(bytes.get(at)), digit(bytes.get(at + 1))) {
            (b'+', ..) => decoded.push(b' '),
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                at += 2;
            }
            _ => decoded.push(*byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| NotUtf8)
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
