//! An alert: what we send.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::Seconds;
use crate::model::Severity;

/// The id of an alert: a UUID version 5 over detector, group key and suppression window.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertId(pub String);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The configured name of a sink, as it stands in the outbox, in counters and in logs.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct SinkName(pub String);

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fields that make two matches the same alert, with their values, in the detector's order.
pub type GroupKey = Vec<(String, String)>;

/// One alert as it is stored and as its own JSON form shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The version of this form: [`Alert::SCHEMA`]. Fields may be added without changing it.
    pub schema_version: u32,
    /// Stable across redelivery, replay and machines.
    pub id: AlertId,
    /// Whether it stands.
    #[serde(default)]
    pub status: AlertStatus,
    /// 1 when it is raised, and one more each time its status or its story changes: of two forms of one alert the one
    /// with the higher revision holds.
    #[serde(default = "first_revision")]
    pub revision: u64,
    /// Why it came late, or is no longer what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The detector's id.
    pub detector_id: String,
    /// The detector's name, such as `trail_stopped`.
    pub detector: String,
    /// How bad it is.
    pub severity: Severity,
    /// The detector's title.
    pub title: String,
    /// What happened, in a sentence.
    pub story: String,
    /// Who did it.
    pub who: Subject,
    /// The call, as `service:EventName`, or the flow.
    pub what: String,
    /// The error code if the call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The account that recorded it.
    pub account: String,
    /// The region.
    pub region: String,
    /// Where the call came from, as the record says: an address or a service.
    pub source: String,
    /// The user agent, bounded.
    pub user_agent: String,
    /// All facts known of the first event.
    pub facts: BTreeMap<String, serde_json::Value>,
    /// The first event's record, bounded to a size; over it only its head fields.
    pub event: serde_json::Value,
    /// Whether `event` holds the whole record or only its head fields.
    pub event_truncated: bool,
    /// The `eventID`s (or line digests) folded in, oldest first, bounded.
    pub event_ids: Vec<String>,
    /// ATT&CK techniques and tactics.
    pub attack: Vec<String>,
    /// What to do.
    pub respond: Vec<String>,
    /// When this may be harmless.
    pub falsepositives: Vec<String>,
    /// Where to read on.
    pub references: Vec<String>,
    /// What the alert is grouped by.
    pub group: BTreeMap<String, String>,
    /// How many matches were folded in.
    pub count: u64,
    /// Event time of the oldest match.
    #[serde(with = "written")]
    pub first_seen: Seconds,
    /// Event time of the newest match.
    #[serde(with = "written")]
    pub last_seen: Seconds,
    /// Where the first event was read.
    pub object: String,
}

impl Alert {
    /// The version of the JSON form; it rises when a field changes its meaning or goes away.
    pub const SCHEMA: u32 = 1;
}

fn first_revision() -> u64 {
    1
}

/// Whether an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// Something it tells of is still so.
    #[default]
    Open,
    /// Nothing it told of is so, as is known by now.
    Resolved,
}

impl AlertStatus {
    /// Returns its name in the JSON form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
        }
    }
}

/// Why an alert came late, or is no longer what it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What sort of a reason.
    pub kind: ReasonKind,
    /// The reason in a sentence.
    pub text: String,
    /// How far event time had come when it became known.
    #[serde(with = "written")]
    pub at: Seconds,
    /// The grant that the judgement rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Who approved that grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// How long after the act the last word about that grant came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_late: Option<i64>,
    /// The detector that would tell of the act as it is judged now, where that is another than the alert's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,
}

/// What sort of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// A grant covered the act, and word of it came late.
    CoveredLate,
    /// A grant that was thought to cover the act did not, and word of that came late.
    UncoveredLate,
    /// The act was approved only after it was done.
    ApprovedAfterwards,
    /// The act is told of for another reason than before.
    JudgedAnew,
    /// There was another act after the alert had been resolved.
    ActedAgain,
    /// What it told of was taken back, and nothing of it stands.
    TakenBack,
    /// What it said was not known was read.
    BecameKnown,
}

impl ReasonKind {
    /// Returns its name in the JSON form.
    pub fn name(self) -> &'static str {
        match self {
            Self::CoveredLate => "covered_late",
            Self::UncoveredLate => "uncovered_late",
            Self::ApprovedAfterwards => "approved_afterwards",
            Self::JudgedAnew => "judged_anew",
            Self::ActedAgain => "acted_again",
            Self::TakenBack => "taken_back",
            Self::BecameKnown => "became_known",
        }
    }
}

/// Moments as the alert's JSON writes them: `2026-03-01T08:12:30Z`.
mod written {
    use serde::Deserialize as _;
    use serde::Deserializer;
    use serde::Serializer;
    use serde::de::Error as _;

    use crate::model::Seconds;

    pub fn serialize<S: Serializer>(moment: &Seconds, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(moment)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        let text = String::deserialize(deserializer)?;
        Seconds::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no moment")))
    }
}

/// Who acted: the canonical identity and what the record said.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Subject {
    /// Canonical, such as `person:alice@example.com`.
    pub name: String,
    /// `person`, `user`, `workload`, `service`, `root`, `account`, `external` or `unknown`.
    pub kind: String,
    /// `userIdentity.type`.
    pub raw_type: String,
    /// `userIdentity.arn`, or what stands for it.
    pub raw_arn: String,
    /// The access key id in use, or empty.
    pub access_key: String,
}
