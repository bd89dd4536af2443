//! What the room promises, as stories.

use std::collections::HashSet;

use proptest::prelude::*;

use crate::identity::Config;
use crate::identity::FIELDS;
use crate::identity::Registry;
use crate::identity::event_facts;
use crate::identity::testkit::check;
use crate::model::Fact;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::TrailRecord;

#[test]
fn a_person_stays_known_through_chained_roles() {
    check(
        "
        08:00 saml:Alice@example.com takes AWSReservedSSO_Admin_0123456789abcdef as A named Alice@example.com @192.0.2.1
        08:01 A calls iam:ListUsers     ! person:alice@example.com exact chain_depth=1 permission_set=Admin stitched=true age_seconds=60
        08:05 A takes Deploy as B in 444455556666 named deploy @198.51.100.7
        08:06 B calls iam:CreateUser    ! person:alice@example.com exact chain_depth=2 issuer=AssumeRole source_network=198.51.100.0/24 role_name=Deploy
        08:07 B takes Runner as C in 444455556666 named run
        08:08 C calls lambda:Invoke20150331 ! person:alice@example.com exact chain_depth=3 chain=person:alice@example.com>111122223333/role/AWSReservedSSO_Admin_0123456789abcdef>444455556666/role/Deploy>444455556666/role/Runner action=lambda:InvokeFunction
        08:09 svc:lambda.amazonaws.com takes payments as W named fn
        08:10 W calls s3:GetObject      ! workload:111122223333/role/payments probable kind=workload stitched=false chain_depth=1 reason~lambda.amazonaws.com
        08:11 svc:s3.amazonaws.com calls kms:Decrypt ! service:s3.amazonaws.com exact by_service=true chain_depth=0
        ",
    );
}

#[test]
fn a_use_may_stand_before_its_issue_in_the_same_delivery() {
    check(
        "
        08:02 B calls iam:CreateUser    ! user:111122223333/bob exact stitched=true mfa=false
        08:01 user:bob takes Deploy as B
        ",
    );
}

#[test]
fn an_issue_that_comes_in_a_later_delivery_counts_from_then_on() {
    check(
        "
        08:02 C calls iam:CreateUser    ! workload:111122223333/role/Deploy probable stitched=false
        --
        08:01 B takes Deploy as C
        08:03 C calls iam:CreateUser    ! workload:111122223333/role/Hop probable stitched=true chain_depth=2
        --
        08:00 user:bob takes Hop as B
        08:04 C calls iam:CreateUser    ! user:111122223333/bob exact chain_depth=2
        ",
    );
}

#[test]
fn identity_center_joins_by_moment_and_request() {
    check(
        "
        08:00 idc:u-1 signs-in PASSWORD named alice@example.com
        08:00 idc:u-1 signs-in TOTP named alice@example.com
        08:01 idc:u-1 asks Admin in 444455556666 @198.51.100.7
        08:01 saml:alice@example.com takes AWSReservedSSO_Admin_0123456789abcdef as A in 444455556666 named alice@example.com issued ASIAOTHER @192.0.2.99
        08:02 A calls iam:ListUsers ! person:alice@example.com exact session.confidence=probable reason~permission source_network=198.51.100.0/24 issuer=AssumeRoleWithSAML mfa=true on_behalf_of=u-1
        ",
    );
}

#[test]
fn two_requests_in_one_moment_are_ambiguous() {
    check(
        "
        08:01 idc:u-1 asks Admin @198.51.100.7
        08:01 idc:u-2 asks Admin @203.0.113.7
        given A AWSReservedSSO_Admin_0123456789abcdef at 08:01 named alice@example.com
        given B AWSReservedSSO_Admin_0123456789abcdef at 08:01 named alice@example.com for u-2
        08:02 A calls iam:ListUsers ! person:alice@example.com exact session.confidence=ambiguous session.reason~2 stitched=false
        08:02 B calls iam:ListUsers ! person:alice@example.com exact session.confidence=probable issued_to_address=203.0.113.7
        ",
    );
}

#[test]
fn a_name_seen_at_sign_in_goes_with_the_user_id() {
    check(
        "
        08:00 idc:u-1 calls sso:ListAccounts ! person:u-1 exact
        --
        08:01 idc:u-1 signs-in WEBAUTHN named Alice@example.com
        08:02 idc:u-1 calls sso:ListAccounts ! person:alice@example.com exact kind=person on_behalf_of=u-1
        given A Queries at 08:02 for u-1
        08:03 A calls athena:Start ! person:alice@example.com exact chain_depth=1
        ",
    );
}

#[test]
fn the_portal_and_a_persons_sessions_bear_one_name() {
    check(
        "
        08:00 idc:u-1 calls sso:ListAccounts ! person:u-1 exact
        --
        08:01 idc:u-1 signs-in PASSWORD named ana failing ! person:ana probable identity.reason~not-seen-to-succeed
        08:01 idc:u-1 asks Admin             ! person:ana probable on_behalf_of=u-1
        --
        08:02 idc:u-1 asks Admin             ! person:ana.b exact
        08:02 idc:u-1 signs-in TOTP named ana.b ! person:ana.b exact identity.reason~a-sign-in
        restart
        08:03 idc:u-1 signs-in PASSWORD named ann failing ! person:ana.b exact
        08:03 idc:u-1 calls sso:ListAccounts ! person:ana.b exact
        --
        given A AWSReservedSSO_Admin_0123456789abcdef at 08:02 named ana@example.com for u-1
        08:04 idc:u-1 calls sso:ListAccounts ! person:ana@example.com exact identity.reason~role-session
        08:04 A calls iam:ListUsers          ! person:ana@example.com exact
        restart
        08:05 idc:u-1 signs-in TOTP named ana.b ! person:ana@example.com exact
        ",
    );
}

#[test]
fn a_session_that_fits_one_request_names_who_asked() {
    check(
        "
        08:01 idc:u-1 asks Admin in 444455556666 ! person:u-1 exact
        --
        08:01 saml:alice@example.com takes AWSReservedSSO_Admin_0123456789abcdef as A in 444455556666 named alice@example.com
        08:02 A calls iam:ListUsers ! person:alice@example.com exact on_behalf_of=u-1
        --
        08:30 idc:u-1 asks Admin in 444455556666 ! person:alice@example.com probable identity.reason~fits
        08:31 idc:u-2 asks Admin in 444455556666
        08:31 idc:u-3 asks Admin in 444455556666
        given B AWSReservedSSO_Admin_0123456789abcdef in 444455556666 at 08:31 named bob@example.com
        08:32 B calls iam:ListUsers ! person:bob@example.com exact session.confidence=ambiguous
        restart
        08:33 idc:u-1 asks Admin in 444455556666 ! person:alice@example.com probable
        08:33 idc:u-2 asks Admin in 444455556666 ! person:u-2 exact
        08:33 idc:u-3 asks Admin in 444455556666 ! person:u-3 exact
        --
        08:34 idc:u-1 signs-in TOTP named alice.b ! person:alice.b exact
        ",
    );
}

#[test]
fn a_session_name_that_its_caller_chose_names_nobody_at_the_portal() {
    check(
        "
        given A Deploy at 08:00 named bob@example.com for u-1
        08:01 A calls iam:ListUsers          ! person:u-1 exact
        08:02 idc:u-1 calls sso:ListAccounts ! person:u-1 exact
        ",
    );
}

#[test]
fn a_portal_request_of_somebody_else_fits_no_more_once_both_have_names() {
    check(
        "
        08:01 idc:u-1 asks Admin @198.51.100.7
        08:01 idc:u-2 asks Admin @203.0.113.7
        given A AWSReservedSSO_Admin_0123456789abcdef at 08:01 named alice@example.com
        08:02 A calls iam:ListUsers ! person:alice@example.com exact session.confidence=ambiguous
        --
        08:03 idc:u-2 signs-in TOTP named bob@example.com
        08:04 A calls iam:ListUsers ! person:alice@example.com exact session.confidence=probable issued_to_address=198.51.100.7 on_behalf_of=u-1
        ",
    );
}

#[test]
fn an_account_whose_own_log_was_read_is_ours() {
    check(
        "
        08:00 acct:444455556666 takes Deploy as B ! external:444455556666 exact kind=external
        08:01 B calls iam:ListUsers               ! external:444455556666 exact chain=external:444455556666>111122223333/role/Deploy
        08:01 acct:555566667777 takes Deploy as E ! account:555566667777 exact kind=account
        --
        08:02 svc:s3.amazonaws.com calls kms:Decrypt seen-by 444455556666
        08:03 acct:444455556666 takes Deploy as C ! account:444455556666 exact kind=account identity.reason~ours
        08:03 B calls iam:ListUsers               ! account:444455556666 exact chain=account:444455556666>111122223333/role/Deploy issuer=AssumeRole
        08:04 acct:999988887777 takes Deploy as D ! external:999988887777 exact kind=external
        restart
        08:05 acct:444455556666 takes Deploy as F ! account:444455556666 exact
        08:05 acct:555566667777 takes Deploy as G ! account:555566667777 exact
        08:05 B calls iam:ListUsers               ! account:444455556666 exact
        08:05 D calls iam:ListUsers               ! external:999988887777 exact
        ",
    );
}

#[test]
fn whoever_calls_from_an_account_of_ours_is_named_once_its_own_record_is_read() {
    check(
        "
        08:00 svc:s3.amazonaws.com calls kms:Decrypt
        08:00 acct:111122223333 takes Deploy as B in 444455556666 seen-by 444455556666
        08:01 B calls iam:ListUsers ! account:111122223333 exact kind=account
        --
        08:00 user:bob takes Deploy as B in 444455556666
        08:02 B calls iam:ListUsers ! user:111122223333/bob exact
        --
        08:00 acct:111122223333 takes Deploy as B in 444455556666 seen-by 444455556666
        08:03 B calls iam:ListUsers ! user:111122223333/bob exact
        ",
    );
}

#[test]
fn what_was_learned_outlives_a_restart() {
    check(
        "
        08:00 user:bob takes Deploy as B tagged team=ops narrowed
        08:00 saml:carol@example.com takes Legacy as L named carol
        08:00 svc:ecs.amazonaws.com takes task as T
        08:00 idc:u-1 signs-in TOTP named alice@example.com
        restart
        08:05 B calls iam:CreateUser ! user:111122223333/bob exact tags=team=ops has_session_policy=true issued_to_address=203.0.113.9
        08:05 L calls iam:CreateUser ! person:carol@example.com exact provider~saml-provider/idp
        08:05 T calls s3:GetObject   ! workload:111122223333/role/task probable reason~ecs.amazonaws.com
        08:05 idc:u-1 calls sso:ListAccounts ! person:alice@example.com exact
        given M Legacy at 08:00 named dave
        08:06 M calls iam:ListUsers  ! person:dave probable reason~SAML
        ",
    );
}

#[test]
fn ended_sessions_are_forgotten_in_memory_and_in_the_store() {
    check(
        "
        08:00 user:bob takes Deploy as B
        forget 2026-03-02T07:00:00Z
        20:00 B calls iam:CreateUser ! user:111122223333/bob exact
        forget 2026-03-02T10:00:00Z
        20:01 B calls iam:CreateUser ! workload:111122223333/role/Deploy probable stitched=false
        restart
        20:02 B calls iam:CreateUser ! workload:111122223333/role/Deploy probable
        ",
    );
}

#[test]
fn a_role_made_anew_is_another_role() {
    check(
        "
        08:00 user:bob takes Deploy as B id AROAOLD
        given C Deploy at 08:01 id AROANEW key ASIAEXAMPLEB
        08:02 B calls iam:CreateUser ! user:111122223333/bob exact
        08:02 C calls iam:CreateUser ! workload:111122223333/role/Deploy probable stitched=false
        ",
    );
}

#[test]
fn the_copy_that_names_the_caller_wins() {
    check(
        "
        08:00 acct:111122223333 takes Deploy as B in 444455556666 seen-by 444455556666
        08:01 B calls iam:ListUsers seen-by 444455556666 ! external:111122223333 exact kind=external cross_account=false
        --
        08:00 user:bob takes Deploy as B in 444455556666
        08:02 B calls iam:ListUsers ! user:111122223333/bob exact
        --
        08:00 acct:111122223333 takes Deploy as B in 444455556666 seen-by 444455556666
        08:03 B calls iam:ListUsers ! user:111122223333/bob exact
        ",
    );
}

#[test]
fn a_session_name_is_no_proof() {
    check(
        "
        given A Deploy at 08:00 named alice@example.com
        given I web at 08:00 named i-0a1b2c3d4e5f60718 imds
        given J web at 08:00 named i-0a1b2c3d4e5f60718
        given F AWSReservedSSO_Admin_backdoor at 08:00 named alice@example.com
        08:01 A calls iam:ListUsers ! workload:111122223333/role/Deploy probable
        08:01 I calls s3:GetObject  ! workload:111122223333/role/web exact instance=i-0a1b2c3d4e5f60718
        08:01 J calls s3:GetObject  ! workload:111122223333/role/web probable
        08:01 F calls iam:ListUsers ! workload:111122223333/role/AWSReservedSSO_Admin_backdoor probable permission_set=-
        08:02 user:bob takes web as K named i-0a1b2c3d4e5f60718
        08:03 K calls s3:GetObject  ! user:111122223333/bob exact instance=-
        ",
    );
}

#[test]
fn source_identity_outranks_the_chain_and_says_when_they_differ() {
    check(
        "
        given A Deploy at 08:00 stating alice@example.com
        08:01 A calls iam:ListUsers ! person:alice@example.com exact source_identity=alice@example.com
        08:02 user:bob takes Deploy as B stating alice@example.com
        08:03 B calls iam:ListUsers ! person:alice@example.com probable origin=user:111122223333/bob identity.reason~bob
        ",
    );
}

#[test]
fn console_sessions_find_their_sign_in() {
    check(
        "
        08:01 user:bob logs-in mfa @198.51.100.7 ! user:111122223333/bob exact mfa=true
        08:02 console:bob calls iam:ListUsers ! user:111122223333/bob exact issuer=ConsoleLogin mfa=true session.confidence=probable source_network=198.51.100.0/24
        given S Admin in 444455556666 at 08:10 named bob key ASIASWITCHED
        08:10 S switches from bob
        08:11 S calls iam:CreateUser ! user:111122223333/bob probable issuer=SwitchRole chain_depth=1
        08:12 root logs-in nomfa ! root:111122223333 exact mfa=false kind=root
        ",
    );
}

#[test]
fn a_session_token_keeps_its_user_and_its_second_factor() {
    check(
        "
        08:00 user:bob token T
        08:01 T takes Deploy as B
        08:02 B calls iam:CreateUser ! user:111122223333/bob exact mfa=true chain_depth=1 chain=user:111122223333/bob>111122223333/role/Deploy
        ",
    );
}

#[test]
fn a_pipeline_is_a_workload_of_its_provider() {
    check(
        "
        08:00 oidc:repo:example/app:main takes ci as P named run
        08:01 P calls s3:PutObject ! workload:111122223333/oidc/token.example.com/repo:example/app:main exact chain_depth=1 provider~token.example.com
        ",
    );
}

#[test]
fn a_person_in_the_brokers_role_is_no_broker() {
    check(
        "
        08:00 svc:states.amazonaws.com takes grant-broker as G named run
        08:01 G calls sso:CreateAccountAssignment ! workload:111122223333/role/grant-broker probable broker=true
        08:02 user:bob takes grant-broker as B
        08:03 B calls sso:CreateAccountAssignment ! user:111122223333/bob exact broker=false
        given X AWSControlTowerExecution at 08:00
        given Y AWSServiceRoleForConfig at 08:00
        08:04 X calls iam:CreateRole ! workload:111122223333/role/AWSControlTowerExecution probable provisioner=true
        08:04 Y calls config:Put     ! service:config.amazonaws.com exact provisioner=true by_service=true
        08:04 svc:sso.amazonaws.com calls iam:AttachRolePolicy ! service:sso.amazonaws.com exact provisioner=true
        08:04 user:bob calls iam:AttachRolePolicy ! user:111122223333/bob exact provisioner=false by_service=false
        ",
    );
}

#[test]
fn a_refused_call_issues_nothing() {
    check(
        "
        08:00 user:bob takes Deploy as B refused
        08:01 B calls iam:ListUsers ! workload:111122223333/role/Deploy probable
        ",
    );
}

/// Resolves one record that stands alone.
fn resolve(raw: &str) -> Vec<(&'static str, Fact)> {
    let slots = Slots::of(raw).unwrap();
    let record = TrailRecord::new(raw, &slots);
    let mut registry = Registry::new(&Config::default());
    registry.learn(&record);
    let (session, event) = registry.resolve(&record, Seconds(1_772_000_000));
    session.iter().chain(event.iter()).map(|(name, fact)| (name, fact.clone())).collect()
}

/// `userIdentity`, and the name and kind it gives.
const TYPES: &[(&str, &str, &str)] = &[
    (
        r#"{"type":"Root","accountId":"111122223333","arn":"arn:aws:iam::111122223333:root"}"#,
        "root:111122223333",
        "root",
    ),
    (
        r#"{"type":"Root","accountId":"444455556666","sessionContext":{"assumedRoot":"true","attributes":{"creationDate":"2026-03-01T08:00:00Z"}}}"#,
        "root:444455556666",
        "root",
    ),
    (r#"{"type":"IAMUser","accountId":"1","arn":"arn:aws:iam::1:user/a/b"}"#, "user:1/b", "user"),
    (
        r#"{"type":"IAMUser","accountId":"1","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
        "unknown:1/HIDDEN_DUE_TO_SECURITY_REASONS",
        "unknown",
    ),
    (
        r#"{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/R/s","principalId":"AROA:s"}"#,
        "workload:1/role/R",
        "workload",
    ),
    (r#"{"type":"Role","arn":"arn:aws:iam::1:role/p/R"}"#, "workload:1/role/R", "workload"),
    (
        r#"{"type":"FederatedUser","arn":"arn:aws:sts::1:federated-user/f","sessionContext":{"sessionIssuer":{"type":"IAMUser","arn":"arn:aws:iam::1:user/bob"}}}"#,
        "user:1/bob",
        "user",
    ),
    (r#"{"type":"Directory","principalId":"d","accountId":"1"}"#, "unknown:1/d", "unknown"),
    (r#"{"type":"AWSAccount","principalId":"AIDA","accountId":"9"}"#, "external:9", "external"),
    (
        r#"{"type":"AWSAccount","principalId":"AIDA","accountId":"111122223333"}"#,
        "unknown:111122223333/AIDA",
        "unknown",
    ),
    (
        r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#,
        "service:ec2.amazonaws.com",
        "service",
    ),
    (r#"{"type":"IdentityCenterUser","onBehalfOf":{"userId":"U-1"}}"#, "person:u-1", "person"),
    (r#"{"type":"Unknown","userName":"x","onBehalfOf":{"userId":"u"}}"#, "person:x", "person"),
    (r#"{"type":"Unknown","userName":"bob"}"#, "person:bob", "person"),
    (r#"{"type":"SAMLUser","userName":"Bob@example.com"}"#, "person:bob@example.com", "person"),
    (
        r#"{"type":"WebIdentityUser","principalId":"accounts.google.com:aud:bob@example.com","userName":"bob@example.com"}"#,
        "person:bob@example.com",
        "person",
    ),
    (
        r#"{"type":"WebIdentityUser","userName":"system:serviceaccount:a:b","identityProvider":"oidc.example.com"}"#,
        "workload:111122223333/oidc/oidc.example.com/system:serviceaccount:a:b",
        "workload",
    ),
    (r#"{"accountId":"1","invokedBy":"AWS Internal"}"#, "service:sso.amazonaws.com", "service"),
    (r#"{"type":"Martian","accountId":"1"}"#, "unknown:1/", "unknown"),
    ("null", "unknown:/", "unknown"),
    (r#"[7]"#, "unknown:/", "unknown"),
];

#[test]
fn every_type_of_the_guide_has_a_name() {
    for (identity, name, kind) in TYPES {
        let raw = format!(
            r#"{{"eventSource":"sso.amazonaws.com","recipientAccountId":"111122223333","userIdentity":{identity}}}"#
        );
        let facts = resolve(&raw);
        let fact =
            |wanted| facts.iter().find(|(name, _)| *name == wanted).map(|(_, f)| f.to_string());
        assert_eq!(fact("gw.identity.name").as_deref(), Some(*name), "{identity}");
        assert_eq!(fact("gw.identity.kind").as_deref(), Some(*kind), "{identity}");
    }
}

#[test]
fn the_table_names_each_field_once() {
    let names: HashSet<_> = FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(names.len(), FIELDS.len());
    for field in FIELDS {
        assert!(field.name.starts_with("gw."), "{}", field.name);
        assert!(["text", "texts", "whole", "flag"].contains(&field.kind), "{}", field.name);
        assert!(field.meaning.ends_with('.') && !field.example.is_empty(), "{}", field.name);
    }
}

#[test]
fn the_sessions_that_end_first_make_room() {
    let config = Config { max_sessions: 2, ..Config::default() };
    let mut registry = Registry::new(&config);
    for hour in ["08", "09", "10"] {
        let raw = format!(
            r#"{{"eventSource":"sts.amazonaws.com","eventName":"AssumeRole","eventTime":"2026-03-01T{hour}:00:00Z",
            "eventID":"{hour}","userIdentity":{{"type":"IAMUser","accountId":"1","userName":"bob"}},
            "responseElements":{{"credentials":{{"accessKeyId":"ASIA{hour}"}}}}}}"#
        );
        let slots = Slots::of(&raw).unwrap();
        registry.learn(&TrailRecord::new(&raw, &slots));
    }
    assert_eq!((registry.len(), registry.dropped()), (2, 1));
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any_text().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((any_key(), inner), 0..8)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    let known = [
        "AssumedRole",
        "IAMUser",
        "WebIdentityUser",
        "SAMLUser",
        "sts.amazonaws.com",
        "signin.amazonaws.com",
        "AssumeRole",
        "ConsoleLogin",
        "Success",
        "arn:aws:iam::1:role/aws-service-role/",
        "arn:aws:sts::1:assumed-role/AWSReservedSSO_A_0123456789abcdef/ä",
        "2026-03-01T08:00:00Z",
        "Jul 10, 2023, 12:21:41 PM",
        "ASIA1",
        "i-",
        "::",
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), ".{0,12}"]
}

fn any_key() -> impl Strategy<Value = String> {
    let known = [
        "type",
        "arn",
        "principalId",
        "accountId",
        "accessKeyId",
        "userName",
        "sessionContext",
        "sessionIssuer",
        "attributes",
        "creationDate",
        "sourceIdentity",
        "onBehalfOf",
        "userId",
        "credentials",
        "expiration",
        "roleArn",
        "tags",
        "key",
        "ConsoleLogin",
        "webIdFederationData",
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), "[a-z\"\\\\.]{0,4}"]
}

proptest! {
    #[test]
    fn no_record_can_break_it(
        source in any_text(), name in any_text(), identity in any_json(), asked in any_json(),
        answered in any_json(), more in any_json(), time in any_text(), address in any_text(),
    ) {
        let record = serde_json::json!({
            "eventSource": source, "eventName": name, "userIdentity": identity, "requestParameters": asked,
            "responseElements": answered, "additionalEventData": more, "eventTime": time,
            "sourceIPAddress": address, "eventID": "1",
        });
        let raw = record.to_string();
        let slots = Slots::of(&raw).unwrap();
        let record = TrailRecord::new(&raw, &slots);
        let mut registry = Registry::new(&Config::default());
        registry.learn(&record);
        let session = registry.session(&record);
        prop_assert_eq!(&registry.session(&record), &session);
        prop_assert!(session.get("gw.identity.name").is_some());
        for (name, _) in session.iter().chain(event_facts(&record, Seconds(0)).iter()) {
            prop_assert!(FIELDS.iter().any(|field| field.name == name), "{} stands in no table", name);
        }
    }
}
