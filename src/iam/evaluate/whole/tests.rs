//! Every layer of policies, and how they are joined.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::Document;
use crate::iam::Kind;
use crate::iam::evaluate::Context;
use crate::iam::policy::Text;
use crate::iam::sharing::KeyGrant;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Organization;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::Role;
use crate::iam::state::User;

const HOME: &str = "111122223333";
const AWAY: &str = "444455556666";
const ANA: &str = "arn:aws:iam::111122223333:user/ana";
const APP: &str = "arn:aws:iam::111122223333:role/service/app";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/app/one";
const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/boundary";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:q";
const FAR: &str = "arn:aws:sqs:eu-west-1:444455556666:q";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/k";
const TARGET: &str = "arn:aws:iam::111122223333:role/target";

fn text(kind: Kind, statement: Value) -> Text {
    let value = json!({"Version": "2012-10-17", "Statement": statement});
    let document = Document::parse(&value.to_string(), kind);
    Text::Known(Arc::new(document.unwrap_or_else(|error| panic!("{error}"))))
}

fn allow(action: &str) -> Value {
    json!({"Effect": "Allow", "Action": action, "Resource": "*"})
}

fn deny(action: &str) -> Value {
    json!({"Effect": "Deny", "Action": action, "Resource": "*"})
}

fn for_whom(principal: Value, action: &str) -> Text {
    let statement =
        json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"});
    text(Kind::Resource, statement)
}

fn trust(principal: Value) -> Text {
    let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
    text(Kind::Trust, statement)
}

/// Two accounts of an organisation, each with ana and the role app, who have no policy.
fn start() -> State {
    let mut state = State::default();
    for id in [HOME, AWAY] {
        let arn = |rest: &str| format!("arn:aws:iam::{id}:{rest}").into();
        let user = User {
            entity: Entity { arn: arn("user/ana"), ..Entity::default() },
            groups: ["team".into()].into(),
            ..User::default()
        };
        let role = |path: &str| Role {
            entity: Entity { arn: arn(path), ..Entity::default() },
            trust: trust(json!({"AWS": HOME})),
            last_used: None,
        };
        let group = Entity { arn: arn("group/team"), ..Entity::default() };
        let account = Account {
            is_whole: true,
            users: BTreeMap::from([("ana".into(), user)]),
            groups: BTreeMap::from([("team".into(), group)]),
            roles: BTreeMap::from([
                ("app".into(), role("role/service/app")),
                ("target".into(), role("role/target")),
            ]),
            ..Account::default()
        };
        state.accounts.insert(id.into(), account);
    }
    let organization = Organization {
        management: "999999999999".into(),
        parents: [(HOME, "ou-1"), (AWAY, "ou-1"), ("ou-1", "r-1")]
            .map(|(child, parent)| (child.into(), parent.into()))
            .into(),
        attached: ["r-1", "ou-1", HOME, AWAY]
            .map(|target| (target.into(), ["p-FullAWSAccess".into()].into()))
            .into(),
        ..Organization::default()
    };
    state.organization = Some(organization);
    state
}

fn account<'a>(state: &'a mut State, id: &str) -> &'a mut Account {
    state.accounts.get_mut(id).unwrap()
}

fn ana(state: &mut State) -> &mut Entity {
    &mut account(state, HOME).users.get_mut("ana").unwrap().entity
}

fn app(state: &mut State) -> &mut Entity {
    &mut account(state, HOME).roles.get_mut("app").unwrap().entity
}

fn give(entity: &mut Entity, statement: Value) {
    entity.inline.insert("p".into(), text(Kind::Identity, statement));
}

fn bound(state: &mut State, entity: fn(&mut State) -> &mut Entity, statement: Value) {
    entity(state).boundary = Some(BOUNDARY.into());
    let versions = BTreeMap::from([("v1".into(), text(Kind::Boundary, statement))]);
    let managed = Managed { versions, default: "v1".into() };
    account(state, HOME).policies.insert(BOUNDARY.into(), managed);
}

/// Attaches a policy of the organisation.
fn control(state: &mut State, target: &str, id: &str, kind: Kind, statement: Value) {
    let name = match kind {
        Kind::ServiceControl => "SERVICE_CONTROL_POLICY",
        _ => "RESOURCE_CONTROL_POLICY",
    };
    let text = text(kind, statement);
    let policy = OrganizationPolicy { name: "guard".into(), kind: name.into(), text };
    let organization = state.organization.as_mut().unwrap();
    organization.policies.insert(id.into(), policy);
    organization.attached.entry(target.into()).or_default().insert(id.into());
}

fn outcome(state: &State, principal: &str, action: &str, resource: &str) -> Outcome {
    let context = Context::new();
    state.allowed(&Request { principal, action, resource, context: &context })
}

fn ask(state: &State, principal: &str, action: &str, resource: &str) -> Decision {
    outcome(state, principal, action, resource).decision
}

fn on<const N: usize>(keys: [&str; N]) -> Decision {
    Decision::Conditional(keys.map(Into::into).into())
}

#[test]
fn inline_attached_and_group_policies_add_up_and_each_deny_counts() {
    let mut state = start();
    assert_eq!(ask(&state, ANA, "ec2:RunInstances", "*"), Decision::ImplicitDeny);
    let group = account(&mut state, HOME).groups.get_mut("team").unwrap();
    give(group, allow("ec2:*"));
    assert_eq!(ask(&state, ANA, "ec2:RunInstances", "*"), Decision::Allowed);
    ana(&mut state).attached.insert("arn:aws:iam::aws:policy/AdministratorAccess".into());
    assert_eq!(ask(&state, ANA, "iam:CreateUser", "*"), Decision::Allowed);
    give(ana(&mut state), deny("iam:*"));
    let found = outcome(&state, ANA, "iam:CreateUser", "*");
    assert_eq!(found.decision, Decision::ExplicitDeny);
    let because: Vec<String> = found.because.iter().map(ToString::to_string).collect();
    assert_eq!(because, [format!("inline policy p of {ANA}, statement 0: denies")]);
    // A group that is gone from a whole account is not known to allow nothing.
    account(&mut state, HOME).groups.clear();
    assert_eq!(ask(&state, ANA, "ec2:RunInstances", "*"), on(["group team"]));
}

#[test]
fn a_boundary_limits_and_gives_nothing() {
    let mut state = start();
    bound(&mut state, ana, allow("s3:*"));
    assert_eq!(ask(&state, ANA, "s3:ListAllMyBuckets", "*"), Decision::ImplicitDeny);
    give(ana(&mut state), allow("*"));
    assert_eq!(ask(&state, ANA, "s3:ListAllMyBuckets", "*"), Decision::Allowed);
    let found = outcome(&state, ANA, "iam:CreateUser", "*");
    assert_eq!(found.decision, Decision::ImplicitDeny);
    assert_eq!(&*found.because[0].policy, "permissions boundary");
    bound(&mut state, ana, json!([allow("*"), deny("iam:*")]));
    assert_eq!(ask(&state, ANA, "iam:CreateUser", "*"), Decision::ExplicitDeny);
    account(&mut state, HOME).policies.clear();
    assert_eq!(ask(&state, ANA, "iam:CreateUser", "*"), on([BOUNDARY]));
}

#[test]
fn an_scp_has_to_allow_on_every_level_and_binds_roots_too() {
    let mut state = start();
    give(ana(&mut state), allow("*"));
    let root = "arn:aws:iam::111122223333:root";
    assert_eq!(ask(&state, root, "s3:CreateBucket", "*"), Decision::Allowed);
    control(&mut state, "ou-1", "p-1", Kind::ServiceControl, deny("cloudtrail:*"));
    for who in [ANA, root, HOME] {
        let found = ask(&state, who, "cloudtrail:StopLogging", "*");
        assert_eq!(found, Decision::ExplicitDeny, "{who}");
        assert_eq!(ask(&state, who, "s3:CreateBucket", "*"), Decision::Allowed, "{who}");
    }
    let attached = &mut state.organization.as_mut().unwrap().attached;
    attached.get_mut("r-1").unwrap().clear();
    control(&mut state, "r-1", "p-2", Kind::ServiceControl, allow("s3:*"));
    let found = outcome(&state, ANA, "ec2:RunInstances", "*");
    assert_eq!(found.decision, Decision::ImplicitDeny);
    assert_eq!(&*found.because[0].policy, "service control policies of r-1");
    assert_eq!(ask(&state, ANA, "s3:CreateBucket", "*"), Decision::Allowed);
}

#[test]
fn a_role_that_is_only_named_like_a_service_linked_one_is_bound() {
    let mut state = start();
    control(&mut state, "r-1", "p-1", Kind::ServiceControl, deny("*"));
    let own = "arn:aws:iam::111122223333:role/AWSServiceRoleForMe";
    let mut role = account(&mut state, HOME).roles["app"].clone();
    role.entity.arn = own.into();
    give(&mut role.entity, allow("*"));
    account(&mut state, HOME).roles.insert("AWSServiceRoleForMe".into(), role);
    assert_eq!(ask(&state, own, "s3:CreateBucket", "*"), Decision::ExplicitDeny);
    let session = "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForMe/one";
    assert_eq!(ask(&state, session, "s3:CreateBucket", "*"), Decision::ExplicitDeny);
}

#[test]
fn scps_bind_neither_the_management_account_nor_service_linked_roles() {
    let mut state = start();
    control(&mut state, "r-1", "p-1", Kind::ServiceControl, deny("*"));
    give(ana(&mut state), allow("*"));
    let linked =
        "arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX";
    let mut role = account(&mut state, HOME).roles["app"].clone();
    role.entity.arn = linked.into();
    give(&mut role.entity, allow("*"));
    account(&mut state, HOME).roles.insert("AWSServiceRoleForX".into(), role);
    assert_eq!(ask(&state, linked, "s3:CreateBucket", "*"), Decision::Allowed);
    assert_eq!(ask(&state, ANA, "s3:CreateBucket", "*"), Decision::ExplicitDeny);
    state.organization.as_mut().unwrap().management = HOME.into();
    assert_eq!(ask(&state, ANA, "s3:CreateBucket", "*"), Decision::Allowed);
}

#[test]
fn an_rcp_binds_whoever_comes_to_the_resources_of_an_account() {
    let mut state = start();
    give(ana(&mut state), allow("*"));
    let guard = json!({"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipalAccount": AWAY}}});
    control(&mut state, HOME, "p-1", Kind::ResourceControl, guard);
    assert_eq!(ask(&state, ANA, "sqs:SendMessage", QUEUE), Decision::ExplicitDeny);
    let resources = &mut account(&mut state, HOME).resources;
    resources.insert(QUEUE.into(), for_whom(json!("*"), "sqs:*"));
    let service = ask(&state, "sns.amazonaws.com", "sqs:SendMessage", QUEUE);
    assert_eq!(service, on(["aws:principalaccount"]));
    let other = ask(&state, ANA, "ec2:RunInstances", "*");
    assert_eq!(other, Decision::Allowed);
}

#[test]
fn in_one_account_either_side_is_enough() {
    let mut state = start();
    let resources = |state: &mut State, principal: Value| {
        let resources = &mut account(state, HOME).resources;
        resources.insert(QUEUE.into(), for_whom(principal, "sqs:*"));
    };
    for (principal, who, expected) in [
        (json!({"AWS": ANA}), ANA, Decision::Allowed),
        (json!("*"), ANA, Decision::Allowed),
        (json!({"AWS": HOME}), ANA, Decision::ImplicitDeny),
        (json!({"AWS": APP}), APP, Decision::Allowed),
        (json!({"AWS": APP}), SESSION, Decision::Allowed),
        (json!({"AWS": SESSION}), SESSION, Decision::Allowed),
        (json!({"AWS": SESSION}), APP, on(["sts:rolesessionname"])),
        (json!({"AWS": "arn:aws:iam::111122223333:user/bob"}), ANA, Decision::ImplicitDeny),
        (json!({"Service": "sns.amazonaws.com"}), ANA, Decision::ImplicitDeny),
        (json!({"Service": "sns.amazonaws.com"}), "sns.amazonaws.com", Decision::Allowed),
        (json!({"AWS": HOME}), "*", Decision::ImplicitDeny),
        (json!("*"), "*", Decision::Allowed),
    ] {
        resources(&mut state, principal.clone());
        assert_eq!(ask(&state, who, "sqs:SendMessage", QUEUE), expected, "{principal} {who}");
    }
    resources(&mut state, json!({"AWS": AWAY}));
    give(ana(&mut state), allow("sqs:*"));
    assert_eq!(ask(&state, ANA, "sqs:SendMessage", QUEUE), Decision::Allowed);
}

#[test]
fn whom_a_resource_names_himself_passes_by_his_boundary_and_a_role_does_not() {
    let mut state = start();
    bound(&mut state, ana, allow("s3:*"));
    bound(&mut state, app, allow("s3:*"));
    for (principal, who, expected) in [
        (json!({"AWS": ANA}), ANA, Decision::Allowed),
        (json!({"AWS": SESSION}), SESSION, Decision::Allowed),
        (json!("*"), SESSION, Decision::Allowed),
        (json!({"AWS": APP}), SESSION, Decision::ImplicitDeny),
        (json!({"AWS": APP}), APP, Decision::ImplicitDeny),
    ] {
        let resources = &mut account(&mut state, HOME).resources;
        resources.insert(QUEUE.into(), for_whom(principal.clone(), "sqs:*"));
        assert_eq!(ask(&state, who, "sqs:SendMessage", QUEUE), expected, "{principal} {who}");
    }
}

#[test]
fn across_accounts_both_sides_have_to_allow() {
    let mut state = start();
    assert_eq!(ask(&state, ANA, "sqs:SendMessage", FAR), Decision::ImplicitDeny);
    give(ana(&mut state), allow("sqs:*"));
    let found = outcome(&state, ANA, "sqs:SendMessage", FAR);
    assert_eq!(found.decision, on([FAR]));
    assert_eq!(found.missing, [Box::from(format!("policy of {FAR}: not read"))]);
    let policy = |principal| for_whom(principal, "sqs:*");
    for (principal, expected) in [
        (json!({"AWS": HOME}), Decision::Allowed),
        (json!({"AWS": ANA}), Decision::Allowed),
        (json!("*"), Decision::Allowed),
        (json!({"AWS": AWAY}), Decision::ImplicitDeny),
    ] {
        account(&mut state, AWAY).resources.insert(FAR.into(), policy(principal.clone()));
        assert_eq!(ask(&state, ANA, "sqs:SendMessage", FAR), expected, "{principal}");
    }
    ana(&mut state).inline.clear();
    account(&mut state, AWAY).resources.insert(FAR.into(), policy(json!({"AWS": ANA})));
    assert_eq!(ask(&state, ANA, "sqs:SendMessage", FAR), Decision::ImplicitDeny);
}

#[test]
fn a_key_and_a_role_have_to_allow_themselves() {
    let mut state = start();
    give(ana(&mut state), allow("*"));
    assert_eq!(ask(&state, ANA, "kms:Decrypt", KEY), on([KEY]));
    assert_eq!(ask(&state, ANA, "kms:ListKeys", "*"), Decision::Allowed);
    for (principal, expected) in [
        (json!({"AWS": HOME}), Decision::Allowed),
        (json!({"AWS": ANA}), Decision::Allowed),
        (json!({"AWS": APP}), Decision::ImplicitDeny),
    ] {
        let policy = for_whom(principal.clone(), "kms:*");
        account(&mut state, HOME).resources.insert(KEY.into(), policy);
        account(&mut state, HOME).roles.get_mut("target").unwrap().trust = trust(principal.clone());
        assert_eq!(ask(&state, ANA, "kms:Decrypt", KEY), expected, "{principal}");
        assert_eq!(ask(&state, ANA, "sts:AssumeRole", TARGET), expected, "{principal}");
    }
    // What the key delegates to the account, the account's own policies have to give.
    ana(&mut state).inline.clear();
    let delegating = for_whom(json!({"AWS": HOME}), "kms:*");
    account(&mut state, HOME).resources.insert(KEY.into(), delegating);
    assert_eq!(ask(&state, ANA, "kms:Decrypt", KEY), Decision::ImplicitDeny);
    account(&mut state, HOME).roles.get_mut("target").unwrap().trust = trust(json!({"AWS": ANA}));
    assert_eq!(ask(&state, ANA, "sts:AssumeRole", TARGET), Decision::Allowed);
    assert_eq!(ask(&state, ANA, "iam:DeleteRole", TARGET), Decision::ImplicitDeny);
}

#[test]
fn not_principal_spares_only_who_is_listed_with_his_account() {
    let mut state = start();
    give(ana(&mut state), allow("sqs:*"));
    give(app(&mut state), allow("sqs:*"));
    let root = "arn:aws:iam::111122223333:root";
    for (listed, who, expected) in [
        (json!([ANA, root]), ANA, Decision::Allowed),
        (json!([ANA]), ANA, on(["aws:principalarn"])),
        (json!([AWAY]), ANA, Decision::ExplicitDeny),
        (json!([SESSION, APP, root]), SESSION, Decision::Allowed),
        (json!([APP, root]), SESSION, on(["aws:principalarn"])),
    ] {
        let statement = json!({"Effect": "Deny", "NotPrincipal": {"AWS": listed},
            "Action": "sqs:*", "Resource": "*"});
        let resources = &mut account(&mut state, HOME).resources;
        resources.insert(QUEUE.into(), text(Kind::Resource, statement));
        assert_eq!(ask(&state, who, "sqs:SendMessage", QUEUE), expected, "{listed} {who}");
    }
    // IAM User Guide, "NotPrincipal": a Deny with it always denies whom a boundary is set for, whoever is listed.
    bound(&mut state, ana, allow("*"));
    let statement = json!({"Effect": "Deny", "NotPrincipal": {"AWS": [ANA, root]},
        "Action": "sqs:*", "Resource": "*"});
    let resources = &mut account(&mut state, HOME).resources;
    resources.insert(QUEUE.into(), text(Kind::Resource, statement));
    assert_eq!(ask(&state, ANA, "sqs:SendMessage", QUEUE), Decision::ExplicitDeny);
    let statement = json!({"Effect": "Allow", "NotPrincipal": {"AWS": ANA},
        "Action": "sqs:*", "Resource": "*"});
    let resources = &mut account(&mut state, HOME).resources;
    resources.insert(QUEUE.into(), text(Kind::Resource, statement));
    assert_eq!(ask(&state, "*", "sqs:SendMessage", QUEUE), Decision::Allowed);
}

#[test]
fn a_bucket_is_of_whom_its_policy_is_and_else_it_depends_on_its_account() {
    let mut state = start();
    give(ana(&mut state), allow("s3:*"));
    let object = "arn:aws:s3:::bucket/key";
    let bucket = "arn:aws:s3:::bucket";
    assert_eq!(ask(&state, ANA, "s3:GetObject", object), on(["aws:resourceaccount", object]));
    let context = Context::new().with("aws:ResourceAccount", HOME);
    let request =
        Request { principal: ANA, action: "s3:GetObject", resource: object, context: &context };
    assert_eq!(state.allowed(&request).decision, Decision::Allowed);
    let policy = for_whom(json!({"AWS": HOME}), "s3:*");
    account(&mut state, AWAY).resources.insert(bucket.into(), policy);
    assert_eq!(ask(&state, ANA, "s3:GetObject", object), Decision::Allowed);
    let policy = for_whom(json!({"AWS": AWAY}), "s3:*");
    account(&mut state, AWAY).resources.insert(bucket.into(), policy);
    assert_eq!(ask(&state, ANA, "s3:GetObject", object), Decision::ImplicitDeny);
}

#[test]
fn what_was_not_read_is_said_and_not_guessed() {
    let mut state = start();
    give(ana(&mut state), allow("s3:*"));
    let found = outcome(&state, "arn:aws:iam::111122223333:user/nobody", "s3:CreateBucket", "*");
    assert_eq!(found.decision, Decision::ImplicitDeny);
    assert!(found.missing[0].contains("nobody of that name is known"), "{:?}", found.missing);
    let stranger = "arn:aws:iam::777788889999:user/x";
    assert_eq!(ask(&state, stranger, "s3:CreateBucket", "*"), on([stranger]));
    let unknown = Text::Unknown("the record left it out".into());
    ana(&mut state).inline.insert("hidden".into(), unknown);
    let found = outcome(&state, ANA, "s3:CreateBucket", "*");
    assert_eq!(found.decision, on([&*format!("{ANA}/hidden")]));
    assert!(found.missing[0].contains("the record left it out"), "{:?}", found.missing);
    ana(&mut state).inline.remove("hidden");
    state.organization = None;
    let found = outcome(&state, ANA, "s3:CreateBucket", "*");
    assert_eq!(found.decision, Decision::Allowed);
    assert_eq!(found.missing, [Box::from("the organisation's policies: none were read")]);
}

#[test]
fn tags_of_users_and_of_what_they_act_upon_are_known() {
    let mut state = start();
    let own = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition":
        {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}});
    give(ana(&mut state), own.clone());
    give(app(&mut state), own);
    assert_eq!(ask(&state, ANA, "iam:DeleteRole", TARGET), Decision::ImplicitDeny);
    let target = &mut account(&mut state, HOME).roles.get_mut("target").unwrap().entity;
    target.tags.insert("team".into(), "red".into());
    ana(&mut state).tags.insert("Team".into(), "red".into());
    app(&mut state).tags.insert("team".into(), "red".into());
    assert_eq!(ask(&state, ANA, "iam:DeleteRole", TARGET), Decision::Allowed);
    // A session may bring a tag of its own.
    assert_eq!(ask(&state, APP, "iam:DeleteRole", TARGET), on(["aws:principaltag/team"]));
}

/// A grant on the key for `grantee` to decrypt.
fn grant(grantee: &str, context: &[(&str, &str)]) -> Text {
    let context_subset = context.iter().map(|(key, value)| ((*key).into(), (*value).into()));
    let (key, grantee, operations) = (KEY.into(), grantee.into(), vec!["Decrypt".into()]);
    KeyGrant {
        key,
        grantee,
        operations,
        context_subset: context_subset.collect(),
        ..KeyGrant::default()
    }
    .document()
}

#[test]
fn a_grant_on_a_key_is_enough_for_whom_it_names() {
    let far_ana = "arn:aws:iam::444455556666:user/ana";
    for (grantee, who) in [(ANA, ANA), (APP, APP), (APP, SESSION), (far_ana, far_ana)] {
        let mut state = start();
        // A key's policy has to allow in any case, and this one allows nobody.
        account(&mut state, HOME)
            .resources
            .insert(KEY.into(), for_whom(json!({"AWS": TARGET}), "kms:*"));
        assert_eq!(ask(&state, who, "kms:Decrypt", KEY), Decision::ImplicitDeny, "{who}");
        account(&mut state, HOME)
            .grants
            .insert(KEY.into(), [("g".into(), grant(grantee, &[]))].into());
        assert_eq!(ask(&state, who, "kms:Decrypt", KEY), Decision::Allowed, "{who}");
        let told = outcome(&state, who, "kms:Decrypt", KEY).because;
        assert!(told.iter().any(|it| *it.policy == format!("grant g on {KEY}")), "{told:?}");
        assert_eq!(ask(&state, who, "kms:Encrypt", KEY), Decision::ImplicitDeny, "{who}");
        let other = format!("{KEY}2");
        assert_ne!(ask(&state, who, "kms:Decrypt", &other), Decision::Allowed, "{who}");
        let stranger = "arn:aws:iam::111122223333:role/target";
        account(&mut state, HOME)
            .resources
            .insert(KEY.into(), for_whom(json!({"AWS": ANA}), "kms:Sign"));
        assert_eq!(ask(&state, stranger, "kms:Decrypt", KEY), Decision::ImplicitDeny);
    }
}

#[test]
fn what_forbids_goes_before_a_grant_on_a_key_and_its_context_is_asked() {
    let mut state = start();
    account(&mut state, HOME)
        .resources
        .insert(KEY.into(), for_whom(json!({"AWS": TARGET}), "kms:*"));
    let app = [("app", "orders")];
    account(&mut state, HOME).grants.insert(KEY.into(), [("g".into(), grant(ANA, &app))].into());
    assert_eq!(ask(&state, ANA, "kms:Decrypt", KEY), on(["kms:encryptioncontext:app"]));
    let ask_with = |state: &State, value: &str| {
        let context = Context::new().with("kms:EncryptionContext:app", value);
        let (principal, action, resource) = (ANA, "kms:Decrypt", KEY);
        state.allowed(&Request { principal, action, resource, context: &context }).decision
    };
    assert_eq!(ask_with(&state, "orders"), Decision::Allowed);
    assert_eq!(ask_with(&state, "others"), Decision::ImplicitDeny);
    give(ana(&mut state), deny("kms:Decrypt"));
    assert_eq!(ask_with(&state, "orders"), Decision::ExplicitDeny);
    // A root stands for itself, not for those in its account.
    let mut state = start();
    account(&mut state, HOME)
        .resources
        .insert(KEY.into(), for_whom(json!({"AWS": TARGET}), "kms:*"));
    let root = "arn:aws:iam::111122223333:root";
    account(&mut state, HOME).grants.insert(KEY.into(), [("g".into(), grant(root, &[]))].into());
    give(ana(&mut state), allow("kms:*"));
    assert_eq!(ask(&state, ANA, "kms:Decrypt", KEY), Decision::ImplicitDeny);
    assert_eq!(ask(&state, root, "kms:Decrypt", KEY), Decision::Allowed);
}
