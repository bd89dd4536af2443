//! What a report holds, and the forms it is written in.
//!
//! Invariant: nothing is escaped here; each form makes harmless what it writes. The names of the members are those of the
//! JSON, and do not change.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::grants::grant::Scope;
use crate::grants::report::csv;
use crate::grants::report::html;
use crate::grants::report::html::HtmlError;
use crate::grants::report::markdown;
use crate::grants::report::policy;
use crate::grants::report::told;
use crate::grants::usage::Part;
use crate::grants::usage::Tally;
use crate::grants::usage::Trace;
use crate::model::Seconds;
use crate::model::printable_json;

/// What a report calls its form.
pub const SCHEMA: &str = "grantwatch.report/1";

/// A report.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What was asked for, in words.
    pub about: String,
    /// The grants.
    pub grants: Vec<Reported>,
    /// The scores of the days that were asked about, by account, the sum of all last; empty if no days were.
    pub scores: Vec<Scored>,
}

/// The score of an account.
#[derive(Debug, Serialize)]
pub struct Scored {
    /// The account, or `all`.
    pub account: String,
    /// Acts that wanted a grant.
    pub wanted: u64,
    /// Of these, covered.
    pub covered: u64,
    /// Acts that were exempt.
    pub exempt: u64,
    /// The share; nothing if nothing wanted a grant.
    pub score: Option<f64>,
}

/// One grant.
#[derive(Debug, Serialize)]
pub struct Reported {
    /// Its id.
    pub id: String,
    /// Who told of it.
    pub source: String,
    /// Its state when the report was made.
    pub state: &'static str,
    /// Who was allowed.
    pub who: Vec<String>,
    /// What was allowed.
    pub scope: Scope,
    /// Why.
    pub why: Why,
    /// When.
    pub window: When,
    /// What its source said of it, oldest first.
    pub history: Vec<Said>,
    /// How much was done.
    pub totals: Totals,
    /// What was done, by part and action.
    pub acts: Vec<Line>,
    /// Where from, with what, in which sessions.
    pub traces: Vec<TraceLine>,
    /// What was allowed and not used, in words.
    pub unused: Vec<String>,
    /// What would have been enough.
    pub proposal: Option<Proposal>,
}

/// Why a grant was given.
#[derive(Debug, Serialize)]
pub struct Why {
    /// The ticket.
    pub ticket: String,
    /// The reason.
    pub justification: String,
    /// Who approved, and whether that is who got it.
    pub approvers: Vec<Approver>,
    /// Whether somebody approved what they got themselves.
    pub self_approved: bool,
    /// Whether it was taken in an emergency.
    pub break_glass: bool,
    /// When it was asked for.
    #[serde(serialize_with = "told::maybe")]
    pub requested_at: Option<Seconds>,
    /// When it was approved.
    #[serde(serialize_with = "told::maybe")]
    pub approved_at: Option<Seconds>,
}

/// Who approved.
#[derive(Debug, Serialize)]
pub struct Approver {
    /// The name.
    pub name: String,
    /// Whether the grant is theirs.
    pub is_self: bool,
}

/// When access was meant to be given, and was.
#[derive(Debug, Serialize)]
pub struct When {
    /// The window.
    #[serde(serialize_with = "told::time")]
    pub from: Seconds,
    /// Its end.
    #[serde(serialize_with = "told::time")]
    pub until: Seconds,
    /// From when access was given; nothing if it never was.
    #[serde(serialize_with = "told::maybe")]
    pub given_from: Option<Seconds>,
    /// Until when.
    #[serde(serialize_with = "told::maybe")]
    pub given_until: Option<Seconds>,
    /// When the access was taken away in AWS, if that was seen.
    #[serde(serialize_with = "told::maybe")]
    pub removed: Option<Seconds>,
    /// How long after the end that was.
    pub removed_seconds_after: Option<i64>,
}

/// What a source said.
#[derive(Debug, Serialize)]
pub struct Said {
    /// When.
    #[serde(serialize_with = "told::time")]
    pub at: Seconds,
    /// The state.
    pub state: &'static str,
    /// The end of the window then.
    #[serde(serialize_with = "told::time")]
    pub until: Seconds,
    /// Where it came from.
    pub evidence: String,
}

/// How much was done.
#[derive(Debug, Serialize, Default)]
pub struct Totals {
    /// Acts, by part; parts without any are left out.
    pub parts: BTreeMap<&'static str, u64>,
    /// All acts.
    pub acts: u64,
    /// Of these, refused.
    pub denied: u64,
    /// The first.
    #[serde(serialize_with = "told::maybe")]
    pub first: Option<Seconds>,
    /// The last.
    #[serde(serialize_with = "told::maybe")]
    pub last: Option<Seconds>,
}

/// What was done by one action in one part, account and region.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Where it stands to the grant.
    pub part: Part,
    /// The action; `…` stands for all that are not kept one by one.
    pub action: String,
    /// Its access level.
    pub level: &'static str,
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// How often and when.
    #[serde(flatten)]
    pub tally: Tally,
    /// How many seconds after the end of the grant the last was; nothing within it.
    pub seconds_after: Option<i64>,
    /// What it was done to; `*` stands for records that name nothing.
    pub resources: Vec<ResourceLine>,
}

/// What was done to one resource.
#[derive(Debug, Serialize)]
pub struct ResourceLine {
    /// The resource.
    pub resource: String,
    /// How often and when.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Where acts came from.
#[derive(Debug, Serialize)]
pub struct TraceLine {
    /// An address, a user agent, a session.
    pub trace: Trace,
    /// Its value; `…` stands for all that are not kept one by one.
    pub value: String,
    /// How often and when.
    #[serde(flatten)]
    pub tally: Tally,
}

/// What would have been enough.
#[derive(Debug, Serialize)]
pub struct Proposal {
    /// An IAM policy document.
    pub policy: policy::Document,
    /// What is to be known of it, in sentences.
    pub notes: Vec<String>,
    /// From the begin of the grant, in seconds; nothing if that is no less than was given.
    pub seconds: Option<i64>,
    /// How long was given.
    pub given_seconds: i64,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Markdown.
    Markdown,
    /// One JSON object.
    Json,
    /// One line for each grant and action.
    Csv,
    /// A page that needs nothing else.
    Html,
}

impl Form {
    /// Returns the form that a file's ending asks for.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Some(match ending {
            "md" | "markdown" => Self::Markdown,
            "json" => Self::Json,
            "csv" => Self::Csv,
            "html" | "htm" => Self::Html,
            _ => return None,
        })
    }
}

impl Report {
    /// Writes the report.
    ///
    /// # Errors
    /// When the page cannot be made, which only a mistake in its template causes.
    pub fn written(&self, form: Form) -> Result<String, HtmlError> {
        Ok(match form {
            Form::Markdown => markdown::written(self),
            Form::Json => {
                let text =
                    serde_json::to_string_pretty(self).expect("a report is texts and numbers");
                printable_json(text) + "\n"
            }
            Form::Csv => csv::written(self),
            Form::Html => return html::written(self),
        })
    }
}

impl Reported {
    /// Returns the proposed policy as it is written down; empty if there is none.
    pub(super) fn policy_text(&self) -> String {
        self.proposal.as_ref().map_or_else(String::new, |proposal| {
            let json = serde_json::to_string_pretty(&proposal.policy);
            printable_json(json.expect("a policy is texts"))
        })
    }
}
