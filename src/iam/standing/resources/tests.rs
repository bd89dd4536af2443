//! Stories of what policies of resources and resource control policies give and take, held against the evaluator.

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::Kind;
use crate::iam::State;
use crate::iam::standing::Asking;
use crate::iam::standing::Standing;
use crate::iam::standing::Unseen;
use crate::iam::standing::inventory;
use crate::iam::standing::tests::HOME;
use crate::iam::standing::tests::NOW;
use crate::iam::standing::tests::allow;
use crate::iam::standing::tests::document;
use crate::iam::standing::tests::role;
use crate::iam::standing::tests::stage;
use crate::iam::standing::tests::text;
use crate::iam::standing::tests::user;
use crate::iam::state::Managed;
use crate::iam::state::OrganizationPolicy;

const ACTIONS: [&str; 3] = ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "s3:PutBucketPolicy"];
const BUCKET: &str = "arn:aws:s3:::reports";

fn key() -> String {
    format!("arn:aws:kms:eu-west-1:{HOME}:key/k")
}

fn ana() -> String {
    format!("arn:aws:iam::{HOME}:user/ana")
}

fn on(effect: &str, actions: Value, resource: &str) -> Value {
    json!({"Effect": effect, "Action": actions, "Resource": resource})
}

fn by(effect: &str, principal: &str, actions: Value, resource: &str) -> Value {
    json!({"Effect": effect, "Principal": {"AWS": principal}, "Action": actions, "Resource": resource})
}

/// Ana with `own`, and a resource with a policy.
fn with(own: Value, arn: &str, policy: Value) -> State {
    let mut state = stage(user(own), Vec::new());
    let policy = Text::Known(document(policy, Kind::Resource).into());
    state.accounts.get_mut(HOME).unwrap().resources.insert(arn.into(), policy);
    state
}

fn rows(state: &State) -> Vec<Standing> {
    let asking = Asking { now: NOW, depth: 4, expected: &[] };
    let protected = |action: &str, _: &str| ACTIONS.contains(&action) || action == "iam:CreateUser";
    let mut all = Vec::new();
    inventory(state, &protected, &Unseen, &asking, |row| all.push(row));
    all
}

fn told(state: &State) -> Vec<String> {
    let rows = rows(state);
    rows.iter().flat_map(|row| &row.examples).map(|it| it.to_string()).collect()
}

fn guarded(own: Value, guard: Value) -> State {
    let mut state = stage(user(own), Vec::new());
    let organization = state.organization.as_mut().unwrap();
    let text = Text::Known(document(json!([guard]), Kind::ResourceControl).into());
    let kind = "RESOURCE_CONTROL_POLICY".into();
    organization
        .policies
        .insert("p-rcp".into(), OrganizationPolicy { name: "rcp".into(), kind, text });
    organization.attached.get_mut("r-root").unwrap().insert("p-rcp".into());
    state
}

#[test]
fn what_a_resource_control_policy_surely_forbids_is_no_standing_privilege() {
    let guard = |more: Value| {
        let mut guard = json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"});
        guard.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        guard
    };
    let all = allow(json!(["kms:PutKeyPolicy", "iam:CreateUser"]));
    // It binds what the account has in some services, and IAM is none of them.
    assert_eq!(told(&guarded(all.clone(), guard(json!({})))), ["iam:CreateUser"]);
    let other = format!("arn:aws:kms:eu-west-1:{HOME}:key/other");
    let of_one = guarded(all.clone(), guard(json!({"Resource": other})));
    assert_eq!(told(&of_one).len(), 2, "other keys are left");
    // For whom it makes an exception it does not count; what is not known of a request is named.
    let but = |key: &str, value: &str| {
        guarded(all.clone(), guard(json!({"Condition": {"StringNotEquals": {key: value}}})))
    };
    assert_eq!(told(&but("aws:PrincipalArn", &ana())).len(), 2);
    let row = rows(&but("aws:PrincipalOrgID", "o-1")).remove(0);
    let keys: Vec<&str> = row.how[0].conditions.iter().map(|it| &**it).collect();
    assert_eq!((row.actions, &*keys), (2, &["aws:principalorgid"][..]));
}

#[test]
fn what_the_policy_of_the_only_resource_denies_is_no_standing_privilege() {
    let own = |resource: &str| json!([on("Allow", json!("s3:PutBucketPolicy"), resource)]);
    let denied = |own: Value, deny: Value| told(&with(own, BUCKET, json!([deny]))).len();
    let deny = |who: &str| by("Deny", who, json!("s3:*"), BUCKET);
    assert_eq!(denied(own(BUCKET), deny(&ana())), 0);
    assert_eq!(denied(own(BUCKET), deny(HOME)), 0);
    assert_eq!(denied(own(BUCKET), deny(&format!("arn:aws:iam::{HOME}:user/bob"))), 1);
    assert_eq!(denied(own("*"), deny(&ana())), 1, "other buckets are left");
    let inside = format!("{BUCKET}/*");
    assert_eq!(denied(own(&inside), by("Deny", &ana(), json!("s3:*"), &inside)), 0);
    assert_eq!(
        denied(own(&inside), by("Deny", &ana(), json!("s3:*"), &format!("{BUCKET}/a/*"))),
        1
    );
    let mut from = deny(&ana());
    from["Condition"] = json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
    let row = rows(&with(own(BUCKET), BUCKET, json!([from]))).remove(0);
    assert!(row.how[0].conditions.contains("aws:sourceip"), "{:?}", row.how);
}

#[test]
fn what_the_policy_of_a_resource_gives_by_name_is_standing_privilege() {
    let nothing = || allow(json!("s3:ListBucket"));
    let gives = |who: &str| json!([by("Allow", who, json!("kms:PutKeyPolicy"), "*")]);
    let row = rows(&with(nothing(), &key(), gives(&ana()))).remove(0);
    assert_eq!((row.actions, &*row.how[0].policy), (1, &*key()));
    assert_eq!(rows(&with(nothing(), &key(), gives(HOME))), [], "an account is nobody by itself");
    // Of a user no boundary holds it back, of a role it does; a denial does in any case.
    let bounded = |sort: &str| {
        let strong = role("strong", nothing(), &json!("999988887777"));
        let mut state = stage(user(nothing()), vec![("strong", strong)]);
        let account = state.accounts.get_mut(HOME).unwrap();
        let arn: Box<str> = format!("arn:aws:iam::{HOME}:policy/bound").into();
        let versions = [("v1".into(), text(allow(json!("s3:*"))))].into();
        account.policies.insert(arn.clone(), Managed { versions, default: "v1".into() });
        account.users.get_mut("ana").unwrap().entity.boundary = Some(arn.clone());
        account.roles.get_mut("strong").unwrap().entity.boundary = Some(arn);
        let policy = gives(&format!("arn:aws:iam::{HOME}:{sort}"));
        let policy = Text::Known(document(policy, Kind::Resource).into());
        account.resources.insert(key().into(), policy);
        rows(&state).len()
    };
    assert_eq!((bounded("user/ana"), bounded("role/strong")), (1, 0));
    let denied = json!([on("Deny", json!("kms:*"), "*")]);
    assert_eq!(rows(&with(denied, &key(), gives(&ana()))), []);
    let dated = json!([{"Effect": "Allow", "Principal": {"AWS": ana()}, "Action": "kms:*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}}]);
    assert_eq!(rows(&with(nothing(), &key(), dated)), [], "it ends by its own date");
}

#[test]
fn of_one_key_the_inventory_says_what_the_evaluator_does() {
    let key = key();
    let own = [
        json!([on("Allow", json!("s3:ListBucket"), "*")]),
        json!([on("Allow", json!("kms:*"), &key)]),
        json!([on("Allow", json!("kms:Put*"), &key)]),
        json!([on("Allow", json!("kms:*"), &key), on("Deny", json!("kms:Schedule*"), "*")]),
    ];
    let bob = format!("arn:aws:iam::{HOME}:user/bob");
    let statements = [
        by("Allow", HOME, json!("kms:*"), "*"),
        by("Allow", &ana(), json!("kms:Schedule*"), "*"),
        by("Allow", &bob, json!("kms:*"), "*"),
        by("Deny", &ana(), json!("kms:Put*"), "*"),
    ];
    for own in own {
        for chosen in 1..16_usize {
            let some = statements.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1);
            let policy: Vec<&Value> = some.map(|(_, statement)| statement).collect();
            let state = with(own.clone(), &key, json!(policy));
            let told = told(&state);
            for action in ACTIONS.iter().filter(|it| it.starts_with("kms:")) {
                let context = Context::new().at(NOW);
                let principal = &*ana();
                let request = Request { principal, action, resource: &key, context: &context };
                let is_allowed = state.allowed(&request).decision == Decision::Allowed;
                let is_told = told.iter().any(|it| it == action);
                assert_eq!(is_told, is_allowed, "{action}: {own} with {policy:?}");
            }
        }
    }
}
