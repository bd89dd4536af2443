//! Says in one plain sentence why an act is covered or not.
//!
//! Invariant: what a record or a source wrote is cut to a length and holds no control characters.

use std::borrow::Cow;

use crate::grants::grant::Status;
use crate::grants::judge::Finding;
use crate::grants::judge::When;
use crate::grants::scope::Misfit;
use crate::grants::timeline::Ending;
use crate::grants::verdict::Act;
use crate::grants::who::Actor;
use crate::model::Confidence;
use crate::model::Span;
use crate::model::bounded;

const MAX_BYTES: usize = 160;

/// Returns why no grant is even near.
pub(super) fn nobody(act: &Act<'_>, actor: &Actor<'_>) -> String {
    if actor.is_root {
        return "root is covered by an emergency grant of its own account only".to_owned();
    }
    if !act.delegate.is_empty() {
        return format!("no grant names the vendor's account {}", shown(act.delegate));
    }
    match act.identity {
        "" => "it is not known who acted".to_owned(),
        name if name.starts_with("unknown:") => "it is not known who acted".to_owned(),
        name => format!("no grant speaks of {}", shown(name)),
    }
}

/// Returns what `finding` says of `act`.
pub(super) fn of(finding: &Finding<'_>, act: &Act<'_>, actor: &Actor<'_>) -> String {
    let id = shown(&finding.grant().id().0);
    let in_time = when(finding);
    match (finding.misfit, finding.when) {
        (None, When::Inside) if finding.sure == Confidence::Ambiguous => {
            format!("grant {id} would cover it, but it is not certain who acted")
        }
        (None, When::Inside) => format!("grant {id} covers it"),
        (None, _) => format!("grant {id} {in_time}"),
        (Some(misfit), When::Inside) => format!("grant {id} {}", what(misfit, act, actor)),
        (Some(misfit), _) => {
            format!(
                "no grant for this; the nearest, {id}, {} and {in_time}",
                what(misfit, act, actor)
            )
        }
    }
}

/// Says where the act lies in the grant's time: "ended 14m before".
fn when(finding: &Finding<'_>) -> Cow<'static, str> {
    let since = finding.approved_after;
    match (finding.when, since) {
        (When::Inside, _) => "was held".into(),
        (When::Promised, None) => "was approved and not yet given".into(),
        (When::Before(_) | When::Promised, Some(since)) => {
            format!("was approved only {since} after").into()
        }
        (When::Before(by), None) => format!("began {by} after").into(),
        (When::After(by, ending), None) => format!("{} {by} before", ended(ending)).into(),
        (When::After(by, ending), Some(since)) => {
            format!("{} {by} before and was extended only {since} after", ended(ending)).into()
        }
        (When::Never(status, by, _), _) => never(status, by),
    }
}

fn ended(ending: Ending) -> &'static str {
    match ending {
        Ending::Over | Ending::Replaced => "ended",
        Ending::Taken => "was revoked",
    }
}

fn never(status: Status, by: Span) -> Cow<'static, str> {
    let state = match status {
        Status::Requested => "was asked for and not approved",
        Status::Approved | Status::Scheduled => "was approved and never given",
        Status::Active | Status::Extended => "was never given in its window",
        Status::Revoked => "was revoked",
        Status::Expired => "was never answered",
        Status::Ended => "ended",
        Status::Rejected => "was refused",
        Status::Cancelled => "was withdrawn",
        Status::Failed => "could not be given",
    };
    let is_moment = status.is_final() && by.0 >= 0;
    if is_moment { format!("{state} {by} before").into() } else { state.into() }
}

/// Says what is outside of the grant's scope: "does not cover iam:CreateUser".
fn what(misfit: Misfit<'_>, act: &Act<'_>, actor: &Actor<'_>) -> String {
    let role = || {
        let role = actor.roles.last();
        role.map(|role| if role.set.is_empty() { role.name } else { role.set })
    };
    let or_unknown = |text: &str, known: &str, unknown: &str| match text {
        "" => unknown.to_owned(),
        text => format!("{known} {}", shown(text)),
    };
    match misfit {
        Misfit::Account => or_unknown(
            act.account,
            "does not cover account",
            "is for certain accounts and the record names none",
        ),
        Misfit::Role => or_unknown(
            role().unwrap_or_default(),
            "does not cover role",
            "is for certain roles and none was taken",
        ),
        Misfit::Chain => or_unknown(
            role().unwrap_or_default(),
            "does not reach as far as role",
            "does not reach as far as this role",
        ),
        Misfit::Action => or_unknown(
            act.action,
            "does not cover",
            "is for certain actions and the record names none",
        ),
        Misfit::Resource(resource) => or_unknown(
            resource,
            "does not cover",
            "is for certain resources and the record names none",
        ),
        Misfit::Region => or_unknown(
            act.region,
            "does not cover region",
            "is for certain regions and the record names none",
        ),
        Misfit::Network => match act.address {
            Some(address) => format!("may not be used from {address}"),
            None => "is for certain networks and the record names no address".to_owned(),
        },
    }
}

fn shown(text: &str) -> Cow<'_, str> {
    let text = bounded(text, MAX_BYTES);
    match text.contains(char::is_control) {
        true => text.replace(char::is_control, " ").into(),
        false => text,
    }
}
