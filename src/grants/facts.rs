//! What the grants say of an act, as facts that rules and stories name.
//!
//! Invariant: every name set here stands in [`FIELDS`]; what is not known is not set. Only acts on the protect surface
//! have any of these facts, so a rule that needs one is asked about no other.

use std::collections::BTreeSet;

use crate::grants::config::Need;
use crate::grants::grant::Version;
use crate::grants::surface::Wanted;
use crate::grants::verdict::Act;
use crate::grants::verdict::Judgement;
use crate::grants::verdict::Verdict;
use crate::model::Facts;

crate::model::fields! {
    "gw.protected" "flag" Grant
    "Whether the call is on the protect surface, exempt or not; never false, but unset. Set only where grants are read." "true",
    "gw.access_level" "text" Grant
    "How much the call's action may do: list, read, tagging, write or permissions_management." "permissions_management",
    "gw.resources" "texts" Grant
    "What a protected call was done to, by ARN, as far as its record says." "arn:aws:rds:eu-central-1:111122223333:db:orders",
    "gw.resource_tags" "texts" Grant
    "What these are known to be tagged with at the time of the call, of the keys that the protect surface asks for: see docs/protect.md." "env=prod",
    "gw.lacks" "text" Grant
    "What else the protect surface wants of the call and is not there: mfa or pipeline." "mfa",
    "gw.grant.verdict" "text" Grant
    "Whether a grant covered the call at its time: covered, none, expired, not_started, revoked, out_of_scope or exempt." "expired",
    "gw.grant.entry" "text" Grant
    "The entry of the protect surface that the call is on." "permissions",
    "gw.grant.id" "text" Grant
    "The grant that covers the call, else the nearest one." "team:6f0c9a52",
    "gw.grant.reason" "text" Grant
    "Why the verdict is what it is, in a sentence." "grant team:6f0c9a52 was over 6m before",
    "gw.grant.dimension" "text" Grant
    "What of the nearest grant's scope does not fit: account, role, action, resource, region or network." "resource",
    "gw.grant.seconds_outside" "whole" Grant
    "How many seconds outside the nearest grant's window the call was made." "360",
    "gw.grant.session_outlived" "flag" Grant
    "Whether the session began inside the grant's window and still acts after it." "true",
    "gw.grant.retroactive" "flag" Grant
    "Whether the nearest grant was approved only after the call." "false",
    "gw.grant.break_glass" "flag" Grant
    "Whether the grant was taken in an emergency, without approval." "false",
    "gw.grant.approver" "texts" Grant
    "Who approved the grant." "bob@example.com",
    "gw.grant.justification" "text" Grant
    "The reason that was given for the grant." "rotate the certificate",
    "gw.grant.ticket" "text" Grant
    "The ticket of the grant." "jira OPS-1234",
    "gw.grant.until" "text" Grant
    "The end of the grant's window as it was at the time of the call." "2026-03-01T10:00:00Z",
    "gw.grant.confidence" "text" Grant
    "How sure it is that the verdict is about the right identity: exact, probable or ambiguous." "exact",
    "gw.claim" "text" Event
    "That the call gave (made) or took (removed) standing access that is held against the grants: if none asks for it, signals tell of it. Set only where grants are read." "made",
    "gw.grant.claimed" "text" Grant
    "The grant that the session names in a tag or its source identity: the text of whoever issued the session." "team:6f0c9a52",
    "gw.grant.claim" "text" Grant
    "Of a call that issues a session which names a grant: held, unknown (no such grant), over, not_begun, of_another (named by somebody who is neither a broker nor covered by it) or several. Set once the call's time is over by the grace." "of_another",
    "gw.grant.session_may_outlive" "flag" Grant
    "Of a call that issues a session under a grant that it names: whether the session may last longer than the grant." "true",
    "gw.grant.undo" "text" Grant
    "Of a signal about access: the command that takes it away, or, where it went too early, gives it back. Names out of records stand in quotes." "aws iam detach-user-policy --user-name ana --policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess",
    "gw.session.revoked" "flag" Grant
    "Whether the session's role had its older sessions ended by a policy more than five minutes before; never false, but unset. Set on protected calls and on the signal about the session." "true",
    "gw.session.revoked_at" "text" Grant
    "When the session was ended." "2026-03-01T10:00:00Z",
}

/// Returns what is known of an act that wants `wanted`. `judged` is missing where no grant is wanted; `grant` is the
/// version of the judgement's grant that was in force.
pub fn facts(
    act: &Act<'_>,
    wanted: &Wanted<'_>,
    judged: Option<&Judgement>,
    grant: Option<&Version>,
) -> Facts {
    let mut facts = Facts::default();
    facts.set("gw.protected", true);
    facts.set("gw.access_level", wanted.level.name());
    facts.set("gw.grant.entry", wanted.entry);
    if !act.resources.is_empty() {
        let resources: Vec<String> = act.resources.iter().map(|arn| (*arn).to_owned()).collect();
        facts.set("gw.resources", resources);
    }
    let tags = act.resource_tags.iter().flatten();
    let tags: BTreeSet<String> = tags.map(|(key, value)| format!("{key}={value}")).collect();
    if !tags.is_empty() {
        facts.set("gw.resource_tags", tags.into_iter().collect::<Vec<_>>());
    }
    if let Some(lacks) = wanted.lacks.filter(|_| wanted.exempt.is_none()) {
        facts.set("gw.lacks", Need::name(lacks));
    }
    if let Some(judged) = judged {
        set_verdict(&mut facts, judged);
    }
    if let Some(version) = grant {
        set_grant(&mut facts, version);
    }
    facts
}

fn set_verdict(facts: &mut Facts, judged: &Judgement) {
    facts.set("gw.grant.verdict", judged.verdict.name());
    facts.set("gw.grant.reason", judged.reason.as_str());
    if let Verdict::OutOfScope(dimension) = judged.verdict {
        facts.set("gw.grant.dimension", dimension.name());
    }
    if let Some(outside) = judged.outside {
        facts.set("gw.grant.seconds_outside", outside.0);
    }
    facts.set("gw.grant.session_outlived", judged.session_outlived);
    facts.set("gw.grant.retroactive", judged.retroactive);
    facts.set("gw.grant.confidence", judged.confidence.name());
    if let Some(id) = &judged.grant {
        facts.set("gw.grant.id", &*id.0);
    }
}

/// Sets what `version` says of the grant itself.
pub(super) fn set_grant(facts: &mut Facts, version: &Version) {
    facts.set("gw.grant.break_glass", version.break_glass);
    let name = |who: &crate::grants::Who| match &*who.user_name {
        "" => who.user_id.to_string(),
        name => name.to_owned(),
    };
    if !version.approvers.is_empty() {
        facts.set("gw.grant.approver", version.approvers.iter().map(name).collect::<Vec<_>>());
    }
    for (name, text) in
        [("gw.grant.justification", &version.justification), ("gw.grant.ticket", &version.ticket)]
    {
        if !text.is_empty() {
            facts.set(name, &**text);
        }
    }
    facts.set("gw.grant.until", version.window.until.to_string());
}
