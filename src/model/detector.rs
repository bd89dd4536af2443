//! A detector: what an alert needs to know about the rule that raised it.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::Span;

/// The `id` of a Sigma rule, or one derived from its content where it has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DetectorId(pub String);

impl fmt::Display for DetectorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How bad it is, as Sigma's `level` says.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For the record.
    Informational,
    /// Worth knowing.
    Low,
    /// Look at it today.
    #[default]
    Medium,
    /// Look at it now.
    High,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// Returns the severity that Sigma spells so.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];
        all.into_iter().find(|severity| severity.name() == name)
    }

    /// Returns Sigma's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A loaded detector: the head of a Sigma rule and its `grantwatch.alert` block.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    /// Its id.
    pub id: DetectorId,
    /// The file's stem for our own (`trail_stopped`), else the rule's `name`, else its title.
    pub name: String,
    /// The rule's title; it never contains values.
    pub title: String,
    /// The rule's description, or empty.
    pub description: String,
    /// The rule's level; `medium` where it has none.
    pub severity: Severity,
    /// ATT&CK techniques (`T1078.004`) and tactics (`privilege-escalation`) from `attack.` tags.
    pub attack: Vec<String>,
    /// The rule's references.
    pub references: Vec<String>,
    /// The rule's false positives, as triage notes.
    pub falsepositives: Vec<String>,
    /// Fields, raw or `gw.`, that make two matches the same alert. Empty: the detector's default.
    pub group_by: Vec<String>,
    /// How long later matches of one group fold into the first. Zero: every match is an alert.
    pub suppress_for: Span,
    /// The story, a minijinja template over raw fields and facts; `None` gives the default sentence.
    pub story: Option<String>,
    /// What to do, templates like the story.
    pub respond: Vec<String>,
}
