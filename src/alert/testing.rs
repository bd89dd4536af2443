//! Detectors, events and tables for the tests of this room.

use crate::alert::table;
use crate::model::Detector;
use crate::model::DetectorId;
use crate::model::Event;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Severity;
use crate::model::Slots;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::store::Migration;

/// The tables of this room, as its migrations made them one after the other.
pub const TABLES: &[Migration] = &[
    Migration { number: 1, name: "alerts", sql: table::MIGRATION_SQL },
    Migration { number: 2, name: "revisions", sql: table::REVISIONS_SQL },
];

/// A detector called `trail_stopped` that folds for an hour.
pub fn detector() -> Detector {
    Detector {
        id: DetectorId("0b6d4a52-6a0e-4d9c-9f0b-3f6d2c1e8a77".to_owned()),
        name: "trail_stopped".to_owned(),
        title: "Trail stopped".to_owned(),
        description: String::new(),
        severity: Severity::High,
        attack: vec!["T1685.002".to_owned(), "defense-impairment".to_owned()],
        references: vec!["https://docs.aws.amazon.com/awscloudtrail/".to_owned()],
        falsepositives: vec!["A trail that is being replaced".to_owned()],
        group_by: Vec::new(),
        suppress_for: Span(3_600),
        story: Some(
            "{{ gw.identity.name }} stopped the trail {{ requestParameters.name }} in {{ recipientAccountId }}"
                .to_owned(),
        ),
        respond: vec![
            "Start it again: `aws cloudtrail start-logging --name {{ requestParameters.name }}`".to_owned(),
        ],
    }
}

/// A record that stands alone, with the facts a test gives it.
pub struct Kept {
    raw: String,
    slots: Slots,
    facts: Facts,
}

/// Keeps the record `raw`.
pub fn record(raw: &str) -> Kept {
    let slots = Slots::of(raw).expect("tests write whole records");
    Kept { raw: raw.to_owned(), slots, facts: Facts::default() }
}

/// A StopLogging call of alice at `time`, with its own `eventID`.
pub fn stop_logging(id: &str, time: i64) -> Kept {
    let raw = serde_json::json!({
        "eventVersion": "1.11", "eventTime": Seconds(time).to_string(), "eventID": id,
        "eventSource": "cloudtrail.amazonaws.com", "eventName": "StopLogging", "awsRegion": "eu-west-1",
        "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.15.0", "recipientAccountId": "111122223333",
        "requestParameters": {"name": "org-trail"}, "responseElements": null,
        "userIdentity": {"type": "AssumedRole", "accountId": "111122223333", "accessKeyId": "ASIAEXAMPLE00000001",
            "arn": "arn:aws:sts::111122223333:assumed-role/Admin/alice"},
    });
    record(&raw.to_string())
        .with("gw.identity.name", "person:alice@example.com")
        .with("gw.identity.kind", "person")
        .with("gw.action", "cloudtrail:StopLogging")
}

impl Kept {
    /// Adds a fact.
    pub fn with(mut self, name: &'static str, fact: impl Into<crate::model::Fact>) -> Self {
        self.facts.set(name, fact);
        self
    }

    /// Returns the event.
    pub fn event(&self) -> Event<'_> {
        let record = TrailRecord::new(&self.raw, &self.slots);
        let time = record.text("eventTime").and_then(|text| Seconds::parse(&text));
        Event {
            time: time.expect("tests give every record a time"),
            record: Record::Trail(record),
            session: None,
            facts: self.facts.clone(),
        }
    }
}
