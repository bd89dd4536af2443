//! Facts about who acted and how: those a session's records share, and those of one record.
//!
//! Invariant: every name set here stands in [`super::FIELDS`]; what is not known is not set.

use std::borrow::Cow;

use crate::identity::caller::Caller;
use crate::identity::config::Config;
use crate::identity::lineage::Lineage;
use crate::identity::network::Address;
use crate::identity::network::Source;
use crate::identity::outcome::Outcome;
use crate::identity::party::Basis;
use crate::identity::party::Kind;
use crate::identity::party::Party;
use crate::identity::party::is_instance;
use crate::identity::party::permission_set;
use crate::model::Confidence;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::action_of;
use crate::model::fits;
use crate::model::json;

/// Roles that build accounts by automation (AWS Control Tower, its account factory for Terraform, StackSets).
const PROVISIONERS: [&str; 3] = ["AWSControlTowerExecution", "AWSAFT*", "stacksets-exec-*"];
/// Services that provision roles and accounts in an organisation.
const PROVISIONING_SERVICES: [&str; 4] = [
    "sso.amazonaws.com",
    "controltower.amazonaws.com",
    "member.org.stacksets.cloudformation.amazonaws.com",
    "stacksets.cloudformation.amazonaws.com",
];

/// Returns the facts of one record that its session's other records do not share.
pub fn event_facts(record: &TrailRecord<'_>, time: Seconds) -> Facts {
    let mut facts = Facts::default();
    let source = record.slot_or_empty(Slot::EventSource);
    facts.set("gw.action", action_of(&source, &record.slot_or_empty(Slot::EventName)));
    facts.set("gw.outcome", Outcome::of(record).name());
    let source = Source::of(&record.slot_or_empty(Slot::SourceIpAddress));
    facts.set("gw.source.kind", source.name());
    if let Source::Address(address) = source {
        facts.set("gw.source.network", address.network());
        facts.set("gw.source.public", address.is_public());
    }
    if let Some(started) = created(record) {
        facts.set("gw.session.age_seconds", time.since(started).0);
    }
    // A sign-in's own word on its second factor; the session that it opens learns it from there.
    if record.slot_raw(Slot::EventName) == Some("\"ConsoleLogin\"") {
        match record.text("additionalEventData.MFAUsed").as_deref() {
            Some("Yes") => facts.set("gw.session.mfa", true),
            // Federated logins say No whatever the identity provider asked for.
            Some("No") if record.slot_raw(Slot::UserType) != Some("\"AssumedRole\"") => {
                facts.set("gw.session.mfa", false);
            }
            _ => {}
        }
    }
    facts
}

fn created(record: &TrailRecord<'_>) -> Option<Seconds> {
    let attributes = json::member(record.slot_raw(Slot::UserSessionContext)?, "attributes")?;
    Seconds::parse(&json::text(json::member(attributes, "creationDate")?)?)
}

/// Returns the facts that all records of `caller`'s session share.
pub(super) fn session_facts(
    caller: &Caller<'_>,
    own: &Party,
    lineage: &Lineage<'_>,
    config: &Config,
) -> Facts {
    let mut facts = Facts::default();
    set_identity(&mut facts, caller, own, lineage);
    set_session(&mut facts, caller, lineage);
    set_issue(&mut facts, caller, lineage);
    let is_service_made = caller.is_served() || own.kind == Kind::Service;
    facts.set("gw.by_service", is_service_made);
    // A person in the broker's role is no broker.
    let is_automation = !lineage.origin.kind.has_hands();
    facts.set("gw.provisioner", is_automation && is_provisioner(caller, own, config));
    let role = [caller.role_arn(), caller.role_name()];
    let is_broker = config.brokers.iter().any(|glob| is_role(&role, |text| glob.matches(text)));
    facts.set("gw.broker", is_automation && is_broker);
    let is_known = !caller.account.is_empty() && !caller.recipient.is_empty();
    if is_known {
        facts.set("gw.cross_account", caller.account != caller.recipient);
    }
    facts
}

/// The name: by source identity or Identity Center, else by the origin of the session, else by the record.
fn set_identity(facts: &mut Facts, caller: &Caller<'_>, own: &Party, lineage: &Lineage<'_>) {
    let origin = &lineage.origin;
    let is_own = own.basis != Basis::Itself
        || own.name == origin.name
        || lineage.found.is_none()
        || origin.kind == Kind::Unknown;
    let (name, kind, confidence, reason) = match &lineage.found {
        Some(found) if !is_own => {
            let reason =
                format!("{} by {}: {}", found.session.issuer.name(), found.reason, origin.reason);
            let confidence = origin.confidence.max(found.confidence);
            (&origin.name, origin.kind, confidence, Cow::Owned(reason))
        }
        Some(_) if own.basis == Basis::SourceIdentity && own.name != origin.name => {
            let reason = format!("{}; but the session was issued to {}", own.reason, origin.name);
            (&own.name, own.kind, Confidence::Probable, Cow::Owned(reason))
        }
        // Both name the same: the better evidence counts.
        Some(found) if own.name == origin.name => {
            let of_origin = origin.confidence.max(found.confidence);
            (&own.name, own.kind, own.confidence.min(of_origin), own.reason.clone())
        }
        _ => (&own.name, own.kind, own.confidence, own.reason.clone()),
    };
    facts.set("gw.identity.name", name.as_str());
    facts.set("gw.identity.kind", kind.name());
    if !caller.account.is_empty() {
        facts.set("gw.identity.account", &*caller.account);
    }
    facts.set("gw.identity.confidence", confidence.name());
    facts.set("gw.identity.reason", &*reason);
    facts.set("gw.identity.origin", origin.name.as_str());
}

/// What the record itself says of its session.
fn set_session(facts: &mut Facts, caller: &Caller<'_>, lineage: &Lineage<'_>) {
    let mut set = |name, text: &str| {
        if !text.is_empty() {
            facts.set(name, text);
        }
    };
    set("gw.session.key", &caller.key);
    if caller.sort == "AssumedRole" || caller.sort == "Role" {
        let role_name = caller.role_name();
        set("gw.session.role_name", role_name);
        set("gw.session.permission_set", permission_set(role_name).unwrap_or_default());
        if caller.role_arn().contains(":iam:") {
            set("gw.session.role_arn", caller.role_arn());
        }
        let session_name = caller.session_name();
        set("gw.session.name", session_name);
        if is_instance(session_name) && lineage.found.is_none() {
            set("gw.session.instance", session_name);
        }
    }
    set("gw.session.source_identity", &caller.context.source_identity);
    let from_portal = lineage.portal.as_ref().and_then(|found| found.session.user_id.as_deref());
    match &*caller.user_id {
        "" => set("gw.session.on_behalf_of", from_portal.unwrap_or_default()),
        id => set("gw.session.on_behalf_of", id),
    }
    facts.set("gw.session.chain", lineage.chain.clone());
    facts.set("gw.session.chain_depth", lineage.depth);
    if let Some(mfa) = lineage.mfa {
        facts.set("gw.session.mfa", mfa);
    }
}

/// What the issue of the session tells, for credentials that end by themselves.
fn set_issue(facts: &mut Facts, caller: &Caller<'_>, lineage: &Lineage<'_>) {
    if !caller.is_temporary() {
        return;
    }
    let issue = lineage.found.as_ref().map(|found| found.session);
    let started = caller.context.created.or(issue.map(|session| session.started));
    if let Some(started) = started {
        facts.set("gw.session.started", started.to_string());
    }
    facts.set("gw.session.stitched", lineage.found.is_some());
    let hops = [&lineage.found, &lineage.portal];
    if let Some(weakest) = hops.into_iter().flatten().max_by_key(|found| found.confidence) {
        facts.set("gw.session.confidence", weakest.confidence.name());
        facts.set("gw.session.reason", &*weakest.reason);
    }
    let asked_by = lineage.portal.as_ref().map(|found| found.session);
    let address = asked_by.and_then(|session| session.address.as_deref());
    if let Some(address) = address.or_else(|| issue?.address.as_deref()) {
        facts.set("gw.session.issued_to_address", address);
        if let Some(parsed) = Address::parse(address) {
            facts.set("gw.session.source_network", parsed.network());
        }
    }
    let Some(issue) = issue else { return };
    facts.set("gw.session.issuer", issue.issuer.name());
    facts.set("gw.session.has_session_policy", issue.has_policy);
    if !issue.tags.is_empty() {
        facts.set(
            "gw.session.tags",
            issue.tags.iter().map(|tag| tag.to_string()).collect::<Vec<_>>(),
        );
    }
    if let Some(provider) = &issue.provider {
        facts.set("gw.session.provider", &**provider);
    }
    if let (true, Some(stated)) =
        (caller.context.source_identity.is_empty(), &issue.source_identity)
    {
        facts.set("gw.session.source_identity", &**stated);
    }
}

fn is_role(role: &[&str], matches: impl Fn(&str) -> bool) -> bool {
    role.iter().any(|text| !text.is_empty() && matches(text))
}

fn is_provisioner(caller: &Caller<'_>, own: &Party, config: &Config) -> bool {
    if own.kind == Kind::Service {
        let is_service_linked = caller.role_arn().contains(":role/aws-service-role/");
        return is_service_linked || PROVISIONING_SERVICES.contains(&&*caller.invoked_by);
    }
    let name = caller.role_name();
    let is_built_in = PROVISIONERS.iter().any(|pattern| fits(pattern.as_bytes(), name.as_bytes()));
    let role = [caller.role_arn(), name];
    is_built_in || config.provisioners.iter().any(|glob| is_role(&role, |text| glob.matches(text)))
}
