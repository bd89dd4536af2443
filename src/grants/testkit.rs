//! A grant and an act to start from: alice may use `Admin` in one account on one day from ten to twelve, and does.

use crate::grants::Act;
use crate::grants::Evidence;
use crate::grants::GrantId;
use crate::grants::Judgement;
use crate::grants::Ledger;
use crate::grants::Principal;
use crate::grants::Scope;
use crate::grants::Settings;
use crate::grants::Status;
use crate::grants::Version;
use crate::grants::Window;
use crate::model::Seconds;

pub(super) const HOME: &str = "111122223333";
pub(super) const ADMIN: &str = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/\
                                AWSReservedSSO_Admin_0123456789abcdef";

/// Returns `hh:mm` or `hh:mm:ss` of the day.
pub(super) fn at(clock: &str) -> Seconds {
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    Seconds::parse(&format!("2026-03-01T{clock}{seconds}Z")).unwrap()
}

pub(super) fn texts(texts: &[&str]) -> Option<Vec<Box<str>>> {
    Some(texts.iter().map(|text| (*text).into()).collect())
}

pub(super) fn user(user_id: &str, user_name: &str) -> Principal {
    let (user_id, user_name) = (user_id.into(), user_name.into());
    Principal::IdcUser { identity_store: "d-1".into(), user_id, user_name }
}

/// Returns the grant as it is when it is active.
pub(super) fn version(id: &str) -> Version {
    Version {
        id: GrantId(id.into()),
        source: "test".into(),
        revision: 1,
        emitted_at: at("09:55"),
        status: Status::Active,
        principals: vec![user("", "alice@example.com")],
        scope: Scope {
            accounts: texts(&[HOME]),
            permission_sets: texts(&["Admin"]),
            ..Scope::default()
        },
        window: Window { from: at("10:00"), until: at("12:00") },
        requested_at: Some(at("08:50")),
        approved_at: Some(at("09:50")),
        approvers: Vec::new(),
        ticket: "".into(),
        justification: "".into(),
        break_glass: false,
        delegates: Default::default(),
    }
}

/// Returns what `version` becomes with the next revision, said at `clock`.
pub(super) fn then(version: &Version, status: Status, clock: &str) -> Version {
    let revision = version.revision + 1;
    Version { status, revision, emitted_at: at(clock), ..version.clone() }
}

/// Returns what alice does at `clock`.
pub(super) fn act(clock: &str) -> Act<'static> {
    Act {
        time: at(clock),
        identity: "person:alice@example.com",
        origin: "person:alice@example.com",
        account: HOME,
        caller_account: HOME,
        role_arn: ADMIN,
        permission_set: "Admin",
        session_name: "alice@example.com",
        action: "iam:CreateUser",
        resources: &["arn:aws:iam::111122223333:user/mallory"],
        region: "us-east-1",
        address: Some([203, 0, 113, 7].into()),
        session_started: Some(at("10:05")),
        confidence: "exact",
        ..Act::default()
    }
}

pub(super) fn ledger(versions: impl IntoIterator<Item = Version>) -> Ledger {
    let mut ledger = Ledger::default();
    for version in versions {
        ledger.apply(version, Evidence::default());
    }
    ledger
}

pub(super) fn judge(ledger: &Ledger, act: &Act<'_>) -> Judgement {
    ledger.judge(&Settings::default(), act)
}

/// Returns the verdict with its grant and its reason on one line: `expired g-1: grant g-1 ended 6m before`.
pub(super) fn said(ledger: &Ledger, act: &Act<'_>) -> String {
    let judgement = judge(ledger, act);
    let grant = judgement.grant.map(|id| format!(" {}", id.0)).unwrap_or_default();
    let outlived = if judgement.session_outlived { "; session outlived it" } else { "" };
    let retroactive = if judgement.retroactive { "; retroactive" } else { "" };
    let verdict = judgement.verdict.name();
    format!("{verdict}{grant}: {}{outlived}{retroactive}", judgement.reason)
}
