//! The broker that gives access for a time: what it says (grant messages) and what it does (Identity Center assignments).
//!
//! Invariant: a message is `grantwatch.grant/1` as the docs give it; an assignment is made and taken away by the broker's role.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::chance::Chance;
use crate::simulate::diary::GrantMessage;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::MANAGEMENT;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::PermissionSet;
use crate::simulate::organisation::people::Person;

/// The name of the broker's role in the management account.
pub const ROLE: &str = "access-broker";

/// One grant, as it was asked for.
#[derive(Debug, Clone)]
pub struct Grant<'a> {
    /// `team:…`.
    pub id: String,
    /// Who gets it.
    pub person: &'a Person,
    /// Who approved.
    pub approver: &'a Person,
    /// In which account.
    pub account: AccountIx,
    /// What.
    pub set: &'static PermissionSet,
    /// From when.
    pub from: Seconds,
    /// Until when.
    pub until: Seconds,
    /// Why.
    pub reason: String,
    /// Whether it was taken without approval, in an emergency.
    pub break_glass: bool,
}

/// Returns the broker, calling from its function.
pub fn caller(scene: &Scene<'_>, at: Seconds) -> Arc<Caller> {
    session(scene.org, at).caller(
        &scene.org.account(MANAGEMENT).nat,
        "Boto3/1.38.0 md/Botocore#1.38.0 lang/python#3.13 exec-env/AWS_Lambda_python3.13",
    )
}

/// Returns the session that the broker's function has in the hour of `at`.
pub fn session(org: &Organisation, at: Seconds) -> Session {
    let id = org.account(MANAGEMENT).id.clone();
    let started = Seconds(at.0 - at.0.rem_euclid(3_600));
    Session {
        role: ROLE.to_owned(),
        role_arn: format!("arn:aws:iam::{id}:role/{ROLE}"),
        role_id: org.role_id(MANAGEMENT, ROLE),
        name: "access-broker-grants".to_owned(),
        key: Chance::of(org.seed, &format!("broker/{started}")).key("ASIA"),
        started,
        ends: Seconds(started.0 + 3_600),
        account: id,
        ..Session::default()
    }
}

/// Returns the message that `grant` is in `status`, as it is said at `at`.
pub fn message(
    org: &Organisation,
    grant: &Grant<'_>,
    (status, revision): (&str, u32),
    at: Seconds,
) -> Value {
    let ticket = Chance::of(org.seed, &format!("ticket/{}", grant.id)).between(1_000, 9_999);
    json!({
        "schema": "grantwatch.grant/1", "id": grant.id, "source": "simulation", "revision": revision,
        "emitted_at": at.to_string(), "status": status,
        "principals": [{
            "kind": "idc_user", "identity_store": org.identity_store,
            "user_id": grant.person.user_id, "user_name": grant.person.name,
        }],
        "scope": {"accounts": [org.account(grant.account).id], "permission_sets": [grant.set.name]},
        "window": {"not_before": grant.from.to_string(), "not_after": grant.until.to_string()},
        "requested_at": Seconds(grant.from.0 - 900).to_string(),
        "approved_at": Seconds(grant.from.0 - 300).to_string(),
        "approvers": [{"user_name": grant.approver.name}],
        "ticket": {"system": "jira", "id": format!("OPS-{ticket}")},
        "justification": grant.reason, "break_glass": grant.break_glass,
    })
}

/// Has the broker say that `grant` is in `status`.
pub fn say(scene: &mut Scene<'_>, grant: &Grant<'_>, status: &str, revision: u32, at: Seconds) {
    let message = message(scene.org, grant, (status, revision), at);
    scene.diary.messages.push(GrantMessage { arrives: at, message });
}

/// Makes the assignment of `grant`, by `by`.
pub fn assign(scene: &mut Scene<'_>, grant: &Grant<'_>, by: &Arc<Caller>, at: Seconds) -> EventId {
    assignment(scene, &Assignment::of(grant), by, (Verb::Create, at))
}

/// Takes the assignment of `grant` away, by `by`.
pub fn unassign(
    scene: &mut Scene<'_>,
    grant: &Grant<'_>,
    by: &Arc<Caller>,
    at: Seconds,
) -> EventId {
    assignment(scene, &Assignment::of(grant), by, (Verb::Delete, at))
}

/// What somebody is assigned.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// The person's id in the identity store.
    pub user_id: &'a str,
    /// In which account.
    pub account: AccountIx,
    /// What.
    pub set: &'a PermissionSet,
}

impl<'a> Assignment<'a> {
    fn of(grant: &'a Grant<'_>) -> Self {
        Self { user_id: &grant.person.user_id, account: grant.account, set: grant.set }
    }
}

/// What becomes of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is made.
    Create,
    /// It is taken away.
    Delete,
}

/// Makes an assignment or takes it away.
pub fn assignment(
    scene: &mut Scene<'_>,
    what: &Assignment<'_>,
    by: &Arc<Caller>,
    (verb, at): (Verb, Seconds),
) -> EventId {
    let org = scene.org;
    let asked = json!({
        "instanceArn": org.instance, "targetId": org.account(what.account).id, "targetType": "AWS_ACCOUNT",
        "permissionSetArn": org.permission_set_arn(what.set), "principalType": "USER", "principalId": what.user_id,
    });
    let mut status = asked.clone();
    status["status"] = json!("IN_PROGRESS");
    status["requestId"] = json!(EventId(scene.chance.bits()).to_string());
    status["createdDate"] = json!(at.to_string());
    let (name, answer) = match verb {
        Verb::Create => {
            ("CreateAccountAssignment", json!({"accountAssignmentCreationStatus": status}))
        }
        Verb::Delete => {
            ("DeleteAccountAssignment", json!({"accountAssignmentDeletionStatus": status}))
        }
    };
    let written = Written::write("sso", name).asking(asked).answering(answer);
    scene.call(at, Place { account: MANAGEMENT, region: HOME }, by, written)
}
