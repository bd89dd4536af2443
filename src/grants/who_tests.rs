//! Whom each kind of principal is.

use crate::grants::Act;
use crate::grants::Principal;
use crate::grants::Scope;
use crate::grants::Verdict;
use crate::grants::Version;
use crate::grants::testkit::ADMIN;
use crate::grants::testkit::HOME;
use crate::grants::testkit::act;
use crate::grants::testkit::judge;
use crate::grants::testkit::ledger;
use crate::grants::testkit::user;
use crate::grants::testkit::version;

fn covers(principal: Principal, act: &Act<'_>) -> bool {
    let principals = vec![principal];
    let grants = ledger([Version { principals, scope: Scope::default(), ..version("g-1") }]);
    judge(&grants, act).verdict == Verdict::Covered
}

fn role(arn: &str) -> Principal {
    Principal::IamRoleArn { arn: arn.into() }
}

fn session(role_arn: &str, session_name: &str) -> Principal {
    Principal::AssumedRole { role_arn: role_arn.into(), session_name: session_name.into() }
}

#[test]
fn a_users_id_counts_before_the_name() {
    let by_name = act("10:30");
    let by_both = Act { user_id: "u-1", ..act("10:30") };
    assert!(covers(user("", "Alice@Example.com"), &by_name));
    assert!(covers(user("u-1", ""), &by_both));
    assert!(!covers(user("u-1", ""), &by_name));
    assert!(covers(user("u-1", "alice@example.com"), &by_name), "the record knows no id");
    assert!(covers(user("", "alice@example.com"), &by_both), "the grant knows no id");
    assert!(!covers(user("u-2", "alice@example.com"), &by_both), "somebody else of that name");
    assert!(covers(user("u-1", "renamed@example.com"), &by_both));
    let umlaut = Act { identity: "person:jürgen@example.com", origin: "", ..act("10:30") };
    assert!(covers(user("", "JÜRGEN@example.com"), &umlaut));
}

#[test]
fn the_origin_of_the_chain_counts_as_well() {
    let named = Act { identity: "person:deploy", ..act("10:30") };
    assert!(covers(user("", "alice@example.com"), &named));
}

#[test]
fn a_group_is_who_was_in_it() {
    let group = || Principal::IdcGroup { identity_store: "d-1".into(), group_id: "g-9".into() };
    assert!(covers(group(), &Act { groups: &["g-8", "g-9"], ..act("10:30") }));
    assert!(!covers(group(), &act("10:30")), "who is in it is not known");
}

#[test]
fn iam_users_are_told_by_account_and_name() {
    let bob = Act {
        identity: "user:111122223333/bob",
        origin: "user:111122223333/bob",
        role_arn: "",
        permission_set: "",
        ..act("10:30")
    };
    let arn = |arn: &str| Principal::IamUserArn { arn: arn.into() };
    assert!(covers(arn("arn:aws:iam::111122223333:user/bob"), &bob));
    assert!(covers(arn("arn:aws:iam::111122223333:user/ops/bob"), &bob));
    assert!(!covers(arn("arn:aws:iam::444455556666:user/bob"), &bob));
    assert!(!covers(arn("arn:aws:iam::111122223333:role/bob"), &bob));
}

#[test]
fn a_role_is_whoever_is_in_it() {
    let job = Act {
        identity: "workload:111122223333/role/Job",
        origin: "workload:111122223333/role/Job",
        role_arn: "arn:aws:iam::111122223333:role/ci/Job",
        permission_set: "",
        session_name: "run-1",
        ..act("10:30")
    };
    assert!(covers(role("arn:aws:iam::111122223333:role/ci/Job"), &job));
    assert!(covers(role("arn:aws:iam::111122223333:role/ci/*"), &job));
    assert!(covers(role("arn:aws:iam::*:role/ci/J?b"), &job));
    assert!(!covers(role("arn:aws:iam::111122223333:role/Job"), &job), "another path");
    let unsure = Act { confidence: "ambiguous", ..job.clone() };
    assert!(covers(role("arn:aws:iam::111122223333:role/ci/Job"), &unsure), "the record says so");
    assert!(covers(session("arn:aws:iam::111122223333:role/ci/Job", "run-*"), &job));
    assert!(!covers(session("arn:aws:iam::111122223333:role/ci/Job", "walk-*"), &job));
}

#[test]
fn a_session_name_alone_is_nobody() {
    let alice = act("10:30");
    assert!(covers(session(ADMIN, "Alice@example.com"), &alice));
    for any in ["*", "arn:aws:iam::*:role/*", "arn:aws:iam::111122223333:role*", ""] {
        assert!(!covers(session(any, "alice@example.com"), &alice), "{any}");
    }
    assert!(!covers(session(ADMIN, ""), &alice));
}

#[test]
fn a_source_identity_goes_along_into_every_role() {
    let chain = ["workload:111122223333/role/A", "111122223333/role/B", "111122223333/role/C"];
    let chain = chain.map(str::to_owned);
    let deep = Act {
        identity: "person:alice@example.com",
        origin: "workload:111122223333/role/A",
        source_identity: "Alice@example.com",
        role_arn: "arn:aws:iam::111122223333:role/C",
        permission_set: "",
        chain: &chain,
        ..act("10:30")
    };
    let source = |value: &str| Principal::SourceIdentity { value: value.into() };
    assert!(covers(source("alice@example.com"), &deep));
    assert!(!covers(source("bob@example.com"), &deep));
    assert!(!covers(source(""), &Act { source_identity: "", ..deep.clone() }));
    assert!(!covers(role("arn:aws:iam::111122223333:role/A"), &deep), "two roles further");
    assert!(covers(role("arn:aws:iam::111122223333:role/C"), &deep));
}

#[test]
fn subjects_of_tokens_are_told_with_their_provider() {
    let identity =
        "workload:111122223333/oidc/token.actions.githubusercontent.com/repo:org/app:ref:main";
    let run = Act { identity, origin: identity, ..act("10:30") };
    let oidc = |provider: &str, subject: &str| Principal::OidcSubject {
        provider: provider.into(),
        subject: subject.into(),
    };
    let host = "token.actions.githubusercontent.com";
    assert!(covers(oidc(host, "repo:org/app:ref:main"), &run));
    assert!(covers(oidc(host, "repo:org/app:*"), &run));
    assert!(covers(oidc("", "repo:org/app:ref:main"), &run));
    assert!(covers(oidc(&format!("https://{host}/"), "repo:org/*"), &run));
    let arn = format!("arn:aws:iam::{HOME}:oidc-provider/{host}");
    assert!(covers(oidc(&arn, "repo:org/app:ref:main"), &run));
    assert!(!covers(oidc("gitlab.com", "repo:org/app:ref:main"), &run));
    assert!(!covers(oidc(host, "repo:org/other:*"), &run));
    assert!(covers(oidc("idp.example.com", "alice@example.com"), &act("10:30")));
    let saml = Principal::SamlSubject { subject: "ALICE@example.com".into() };
    assert!(covers(saml, &act("10:30")));
}

#[test]
fn an_account_is_its_own_and_whoever_comes_from_it() {
    let account = |account: &str| Principal::Account { account: account.into() };
    assert!(covers(account(HOME), &act("10:30")));
    let vendor = Act { identity: "external:999988887777", origin: "", ..act("10:30") };
    assert!(covers(account("999988887777"), &vendor));
    assert!(!covers(account("999988887777"), &act("10:30")));
}

#[test]
fn who_is_not_certain_is_not_covered_by_name() {
    for confidence in ["ambiguous", ""] {
        let unsure = Act { confidence, user_id: "u-1", ..act("10:30") };
        assert!(!covers(user("u-1", "alice@example.com"), &unsure));
        assert!(!covers(Principal::SamlSubject { subject: "alice@example.com".into() }, &unsure));
    }
    let grants = ledger([version("g-1")]);
    let found = judge(&grants, &Act { confidence: "ambiguous", ..act("10:30") });
    assert_eq!(found.reason, "grant g-1 would cover it, but it is not certain who acted");
}
