//! The report: for each grant who was allowed what and why, what was used, what was done beside and after it, and how
//! little would have been enough.
//!
//! Invariant: a report says what the store has; nothing is judged again. What comes from a log or a broker is a text that
//! each form makes harmless for where it goes.

mod csv;
mod form;
mod html;
mod markdown;
pub mod policy;
pub(super) mod told;
mod unused;

use crate::grants::grant::Grant;
use crate::grants::grant::GrantId;
use crate::grants::grant::Version;
use crate::grants::judge::Scheduled;
use crate::grants::ledger::Ledger;
use crate::grants::removal;
use crate::grants::score;
use crate::grants::score::ByAccount;
use crate::grants::score::Score;
use crate::grants::usage::Deed;
use crate::grants::usage::OTHERS;
use crate::grants::usage::Part;
use crate::grants::usage::Usage;
use crate::grants::usage::Used;
use crate::model::Seconds;
use crate::model::Span;
use crate::model::actions;
use crate::model::actions::Level;
use crate::store::Connection;
use crate::store::StoreError;

pub use form::Approver;
pub use form::Form;
pub use form::Line;
pub use form::Proposal;
pub use form::Report;
pub use form::Reported;
pub use form::ResourceLine;
pub use form::SCHEMA;
pub use form::Said;
pub use form::Scored;
pub use form::Totals;
pub use form::TraceLine;
pub use form::When;
pub use form::Why;
pub use html::HtmlError;

/// A proposed window is a multiple of this.
const STEP: i64 = 900;

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

/// Reports on a grant as it stands at `now`; nothing if there is none of that name.
///
/// # Errors
/// When the store cannot be read.
pub fn of(
    connection: &Connection,
    ledger: &Ledger,
    id: &GrantId,
    now: Seconds,
) -> Result<Option<Reported>, StoreError> {
    let Some(grant) = ledger.get(id) else { return Ok(None) };
    let used = Usage::of(connection, id)?;
    let removed = removal::removed(connection, id)?;
    Ok(Some(reported(ledger, grant, &used, (removed, now))))
}

fn reported(
    ledger: &Ledger,
    grant: &Grant,
    used: &Used,
    (removed, now): (Option<(Seconds, Span)>, Seconds),
) -> Reported {
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
            removed: removed.map(|(removed, _)| removed),
            removed_seconds_after: removed.map(|(_, after)| after.0),
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
