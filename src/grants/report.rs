//! The report: for each grant who was allowed what and why, what was used, what was done beside and after it, and how
//! little would have been enough.
//!
//! Invariant: a report says what the store has; nothing is judged again. What comes from a log or a broker is a text that
//! each form makes harmless for where it goes.

mod csv;
mod html;
mod markdown;
pub mod policy;
pub(super) mod told;
mod unused;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::grants::actions;
use crate::grants::actions::Level;
use crate::grants::grant::Grant;
use crate::grants::grant::Scope;
use crate::grants::grant::Version;
use crate::grants::judge::Scheduled;
use crate::grants::ledger::Ledger;
use crate::grants::score;
use crate::grants::score::ByAccount;
use crate::grants::score::Score;
use crate::grants::usage::Deed;
use crate::grants::usage::OTHERS;
use crate::grants::usage::Part;
use crate::grants::usage::Tally;
use crate::grants::usage::Trace;
use crate::grants::usage::Used;
use crate::model::Seconds;
use crate::model::Span;
use crate::model::printable_json;

pub use html::HtmlError;

/// What a report calls its form.
pub const SCHEMA: &str = "grantwatch.report/1";
/// A proposed window is a multiple of this.
const STEP: i64 = 900;

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
    fn policy_text(&self) -> String {
        self.proposal.as_ref().map_or_else(String::new, |proposal| {
            let json = serde_json::to_string_pretty(&proposal.policy);
            printable_json(json.expect("a policy is texts"))
        })
    }
}

/// Returns the scores as rows, that of everything last.
pub fn scored(scores: &ByAccount) -> Vec<Scored> {
    let row = |account: &str, score: &Score| Scored {
        account: account.to_owned(),
        wanted: score.wanted(),
        covered: score.of("covered"),
        exempt: score.of("exempt"),
        score: score.ratio(),
    };
    let mut rows: Vec<Scored> = scores.iter().map(|(account, score)| row(account, score)).collect();
    if !rows.is_empty() {
        rows.push(row("all", &score::overall(scores)));
    }
    rows
}

/// Reports on one grant as it stands at `now`.
pub fn reported(ledger: &Ledger, grant: &Grant, used: &Used, now: Seconds) -> Reported {
    let given = ledger.given(grant.id(), Scheduled::Covers);
    let version = shown(grant, given);
    let acts = lines(used, given);
    let traces = used.traces.iter().map(|((trace, value), tally)| TraceLine {
        trace: *trace,
        value: value.to_string(),
        tally: *tally,
    });
    let mut traces: Vec<TraceLine> = traces.collect();
    traces.sort_by_key(|line| (line.trace, &*line.value == OTHERS, line.tally.first));
    Reported {
        id: grant.id().0.to_string(),
        source: version.source.to_string(),
        state: grant.state(now).map_or("unheard of", |state| state.name()),
        who: version.principals.iter().map(|principal| principal.text()).collect(),
        scope: version.scope.clone(),
        why: why(version),
        window: When {
            from: version.window.from,
            until: version.window.until,
            given_from: given.map(|(from, _)| from),
            given_until: given.map(|(_, until)| until),
        },
        history: grant
            .versions()
            .map(|(version, evidence)| Said {
                at: version.emitted_at,
                state: version.status.name(),
                until: version.window.until,
                evidence: evidence.from.to_string(),
            })
            .collect(),
        totals: totals(used),
        unused: unused::unused(version, used),
        proposal: proposal(used, given),
        acts,
        traces,
    }
}

/// Returns the version that tells most: the one in force at the end of the access, or the last that names somebody.
fn shown(grant: &Grant, given: Option<(Seconds, Seconds)>) -> &Version {
    let names_somebody = |version: &&Version| !version.principals.is_empty();
    let at_end = given.and_then(|(_, until)| grant.as_of(until.plus(Span(-1))));
    let mut told = grant.versions().rev().map(|(version, _)| version);
    let found = at_end.filter(names_somebody).or_else(|| told.find(names_somebody));
    found.unwrap_or_else(|| grant.latest())
}

fn why(version: &Version) -> Why {
    let is_self = |who: &_| version.principals.iter().any(|principal| principal.is(who));
    let approvers: Vec<Approver> = version
        .approvers
        .iter()
        .map(|who| Approver { name: who.text().to_owned(), is_self: is_self(who) })
        .collect();
    Why {
        ticket: version.ticket.to_string(),
        justification: version.justification.to_string(),
        self_approved: approvers.iter().any(|approver| approver.is_self),
        approvers,
        break_glass: version.break_glass,
        requested_at: version.requested_at,
        approved_at: version.approved_at,
    }
}

fn totals(used: &Used) -> Totals {
    let mut totals = Totals::default();
    for (deed, tally) in used.deeds.iter().filter(|(deed, _)| deed.resource.is_empty()) {
        *totals.parts.entry(deed.part.name()).or_default() += tally.acts;
        totals.acts += tally.acts;
        totals.denied += tally.denied;
        totals.first = Some(totals.first.map_or(tally.first, |first| first.min(tally.first)));
        totals.last = totals.last.max(Some(tally.last));
    }
    totals
}

/// Returns what was done by action, in the order of parts, then levels from the gravest on, then actions.
fn lines(used: &Used, given: Option<(Seconds, Seconds)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (deed, tally) in &used.deeds {
        let Deed { part, account, region, action, resource } = deed;
        if !resource.is_empty() {
            // The row of an action stands before those of its resources.
            let is_of = |line: &&mut Line| line.part == *part && *line.action == **action;
            if let Some(line) = lines.last_mut().filter(is_of) {
                line.resources.push(ResourceLine { resource: resource.to_string(), tally: *tally });
            }
            continue;
        }
        let after = given.map(|(_, until)| tally.last.since(until).0);
        lines.push(Line {
            part: *part,
            action: action.to_string(),
            level: if &**action == OTHERS { OTHERS } else { actions::level(action).level.name() },
            account: account.to_string(),
            region: region.to_string(),
            tally: *tally,
            seconds_after: after.filter(|_| matches!(part, Part::Tail | Part::After)),
            resources: Vec::new(),
        });
    }
    lines.sort_by(|one, other| {
        let key = |line: &Line| {
            let level = actions::level(&line.action).level;
            (line.part, line.action == OTHERS, std::cmp::Reverse(level), line.action.clone())
        };
        key(one).cmp(&key(other)).then_with(|| one.tally.first.cmp(&other.tally.first))
    });
    lines
}

fn proposal(used: &Used, given: Option<(Seconds, Seconds)>) -> Option<Proposal> {
    let policy = policy::propose(used)?;
    let (from, until) = given?;
    let inside = || used.deeds.iter().filter(|(deed, _)| deed.part == Part::Inside);
    let last = inside().map(|(_, tally)| tally.last).max()?;
    let given_seconds = until.since(from).0;
    let needed = (last.since(from).0 + STEP).div_euclid(STEP) * STEP;
    let mut notes = Vec::new();
    let levels = inside().filter(|(deed, tally)| {
        let is_told = deed.resource.is_empty() && &*deed.action != OTHERS;
        is_told && actions::is_action(&deed.action) && tally.acts > tally.denied
    });
    if levels.map(|(deed, _)| actions::level(&deed.action).level).all(|it| it < Level::Tagging) {
        notes
            .push("Nothing was changed: a role that only reads would have been enough.".to_owned());
    }
    if !policy.unnamed.is_empty() {
        let actions = policy.unnamed.join(", ");
        notes.push(format!("Allowed on every resource, as their records name none: {actions}."));
    }
    if policy.is_cut {
        notes.push(
            "Not all actions are kept one by one; those that are not are missing.".to_owned(),
        );
    }
    Some(Proposal {
        policy: policy.document,
        notes,
        seconds: (needed < given_seconds).then_some(needed),
        given_seconds,
    })
}
