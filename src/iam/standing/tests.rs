//! Stories of who has standing privilege, and that the inventory agrees with the evaluator.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::Decision;
use crate::iam::Document;
use crate::iam::Kind as Policy;
use crate::iam::State;
use crate::iam::evaluate::Context;
use crate::iam::evaluate::Request;
use crate::iam::policy::Text;
use crate::iam::standing::rightsize::propose;
use crate::iam::state::AccessKey;
use crate::iam::state::Account;
use crate::iam::state::Assignment;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Organization;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::PermissionSet;
use crate::iam::state::Role;
use crate::iam::state::User;
use crate::model::Span;

pub(super) const HOME: &str = "111122223333";
pub(super) const NOW: Seconds = Seconds(1_767_225_600);
const DAY: i64 = 86_400;

pub(super) fn document(statements: Value, kind: Policy) -> Document {
    let value = json!({"Version": "2012-10-17", "Statement": statements});
    Document::parse(&value.to_string(), kind).unwrap()
}

pub(super) fn text(statements: Value) -> Text {
    Text::Known(Arc::new(document(statements, Policy::Identity)))
}

pub(super) fn allow(actions: Value) -> Value {
    json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}])
}

pub(super) fn entity(name: &str, statements: Value) -> Entity {
    Entity {
        arn: format!("arn:aws:iam::{HOME}:{name}").into(),
        inline: [("inline".into(), text(statements))].into(),
        created: Some(Seconds(NOW.0 - 400 * DAY)),
        ..Entity::default()
    }
}

pub(super) fn user(statements: Value) -> User {
    User { entity: entity("user/ana", statements), ..User::default() }
}

pub(super) fn role(name: &str, statements: Value, trusted: &Value) -> Role {
    let trust =
        json!([{"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}]);
    Role {
        entity: entity(&format!("role/{name}"), statements),
        trust: Text::Known(Arc::new(document(trust, Policy::Trust))),
        last_used: None,
    }
}

/// One account with `ana` and some roles, in an organisation that forbids nothing.
pub(super) fn stage(ana: User, roles: Vec<(&str, Role)>) -> State {
    let policy = OrganizationPolicy {
        name: "FullAWSAccess".into(),
        kind: "SERVICE_CONTROL_POLICY".into(),
        text: text(allow(json!("*"))),
    };
    let organization = Organization {
        management: "999988887777".into(),
        parents: [(HOME.into(), "r-root".into())].into(),
        policies: [("p-full".into(), policy)].into(),
        attached: ["r-root", HOME].map(|at| (at.into(), ["p-full".into()].into())).into(),
    };
    let account = Account {
        is_whole: true,
        users: [("ana".into(), ana)].into(),
        roles: roles.into_iter().map(|(name, role)| (name.into(), role)).collect(),
        ..Account::default()
    };
    State {
        accounts: [(HOME.into(), account)].into(),
        organization: Some(organization),
        ..State::default()
    }
}

fn rows(state: &State, depth: usize, activity: &dyn Activity) -> Vec<Standing> {
    let expected = expected_names();
    let asking = Asking { now: NOW, depth, expected: &expected };
    let protected = |action: &str, _: &str| {
        action.starts_with("iam:") || action.starts_with("kms:") || action == "s3:PutBucketPolicy"
    };
    let mut all = Vec::new();
    inventory(state, &protected, activity, &asking, |row| all.push(row));
    all
}

fn of_ana(state: &State, depth: usize) -> Option<Standing> {
    rows(state, depth, &Unseen).into_iter().find(|row| row.holder.ends_with("user/ana"))
}

#[test]
fn who_may_do_nothing_that_is_protected_is_not_told() {
    assert_eq!(of_ana(&stage(user(allow(json!("s3:Get*"))), Vec::new()), 4), None);
}

#[test]
fn a_row_says_what_by_which_policy_and_since_when() {
    let row = of_ana(
        &stage(user(allow(json!(["kms:ScheduleKeyDeletion", "s3:PutBucketPolicy"]))), Vec::new()),
        4,
    );
    let row = row.unwrap();
    assert_eq!((row.class, row.actions, row.kind), (Class::Permissions, 2, Kind::User));
    let examples: Vec<&str> = row.examples.iter().map(|it| &**it).collect();
    assert_eq!(examples, ["s3:PutBucketPolicy", "kms:ScheduleKeyDeletion"]);
    assert_eq!((&*row.how[0].policy, row.how[0].chain.len()), ("inline", 0));
    assert_eq!(row.since, Since::NotBefore(Seconds(NOW.0 - 400 * DAY)));
    assert!(row.unknown.is_empty(), "{:?}", row.unknown);
    let admin = of_ana(&stage(user(allow(json!("*"))), Vec::new()), 4).unwrap();
    assert_eq!(admin.class, Class::Administrator);
    let escalates = of_ana(&stage(user(allow(json!("iam:PutUserPolicy"))), Vec::new()), 4).unwrap();
    assert_eq!(
        (escalates.class, &*escalates.escalations),
        (Class::Escalation, &["iam_put_user_policy"][..])
    );
}

#[test]
fn what_ends_by_its_own_date_does_not_stand_and_what_rests_on_mfa_does() {
    let under = |condition: Value| {
        let statements = json!([{"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition}]);
        of_ana(&stage(user(statements), Vec::new()), 4)
    };
    assert_eq!(under(json!({"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}})), None);
    let row = under(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}})).unwrap();
    assert!(row.how[0].conditions.contains("aws:multifactorauthpresent"));
    let later = json!([{"Effect": "Allow", "Action": "kms:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"DateGreaterThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}}]);
    assert_eq!(
        of_ana(&stage(user(later), Vec::new()), 4),
        None,
        "a deny that begins later is an end"
    );
}

#[test]
fn chains_of_roles_are_followed_as_far_as_asked() {
    let take = |role: &str| json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": format!("arn:aws:iam::{HOME}:role/{role}")}]);
    let root = json!(HOME);
    let first = json!(format!("arn:aws:iam::{HOME}:role/first"));
    let state = stage(
        user(take("first")),
        vec![
            ("first", role("first", take("second"), &root)),
            ("second", role("second", allow(json!("*")), &first)),
        ],
    );
    assert_eq!(of_ana(&state, 1), None);
    let row = of_ana(&state, 2).unwrap();
    assert_eq!(row.class, Class::Administrator);
    let chain: Vec<&str> =
        row.how[0].chain.iter().map(|it| it.rsplit('/').next().unwrap()).collect();
    assert_eq!(chain, ["first", "second"]);
}

#[test]
fn a_role_that_does_not_trust_is_no_chain() {
    let any = json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]);
    let other = json!("444455556666");
    let state = stage(user(any), vec![("strong", role("strong", allow(json!("*")), &other))]);
    assert_eq!(of_ana(&state, 4), None);
}

#[test]
fn groups_boundaries_and_control_policies_count() {
    let mut state = stage(user(allow(json!("s3:Get*"))), Vec::new());
    let account = state.accounts.get_mut(HOME).unwrap();
    account.groups.insert("ops".into(), entity("group/ops", allow(json!("kms:*"))));
    account.users.get_mut("ana").unwrap().groups.insert("ops".into());
    let row = of_ana(&state, 4).unwrap();
    assert_eq!(row.how[0].group.as_deref(), Some("ops"));

    let mut bounded = state.clone();
    let account = bounded.accounts.get_mut(HOME).unwrap();
    let arn: Box<str> = format!("arn:aws:iam::{HOME}:policy/bound").into();
    let bound = Managed {
        versions: [("v1".into(), text(allow(json!("s3:*"))))].into(),
        default: "v1".into(),
    };
    account.policies.insert(arn.clone(), bound);
    account.users.get_mut("ana").unwrap().entity.boundary = Some(arn);
    assert_eq!(of_ana(&bounded, 4), None);

    let organization = state.organization.as_mut().unwrap();
    let deny = json!([{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]);
    let policy = OrganizationPolicy {
        name: "no".into(),
        kind: "SERVICE_CONTROL_POLICY".into(),
        text: text(deny),
    };
    organization.policies.insert("p-no".into(), policy);
    organization.attached.get_mut(HOME).unwrap().insert("p-no".into());
    assert_eq!(of_ana(&state, 4), None);
}

#[test]
fn what_is_not_known_is_said() {
    let mut ana = user(allow(json!("kms:*")));
    ana.entity.inline.insert("other".into(), Text::Unknown("omitted from the record".into()));
    let mut state = stage(ana, Vec::new());
    state.organization = None;
    let row = of_ana(&state, 4).unwrap();
    let unknown: Vec<&str> = row.unknown.iter().map(|it| &**it).collect();
    assert_eq!(unknown, ["policy other", "service control policies"]);
    assert_eq!((row.console, row.used), (Console::Unknown, None));
}

#[test]
fn keys_and_the_console_are_told_of_users() {
    let mut ana = user(allow(json!("kms:*")));
    let key =
        |days: i64, is_active| AccessKey { created: Some(Seconds(NOW.0 - days * DAY)), is_active };
    ana.keys =
        [("AKIAEXAMPLE1".into(), key(500, false)), ("AKIAEXAMPLE2".into(), key(200, true))].into();
    (ana.has_password, ana.has_mfa) = (Some(true), Some(false));
    let row = of_ana(&stage(ana, Vec::new()), 4).unwrap();
    assert_eq!(row.oldest_key, Some(Seconds(NOW.0 - 200 * DAY)));
    assert_eq!(row.console, Console::WithoutMfa);
}

#[test]
fn roles_of_services_are_left_out_and_those_of_control_tower_are_expected() {
    let root = json!(HOME);
    let mut linked = role("x", allow(json!("*")), &root);
    linked.entity.arn =
        format!("arn:aws:iam::{HOME}:role/aws-service-role/config.amazonaws.com/x").into();
    let name = "AWSControlTowerExecution";
    let state = stage(
        user(json!([{"Effect": "Deny", "Action": "*", "Resource": "*"}])),
        vec![("x", linked), (name, role(name, allow(json!("*")), &root))],
    );
    let all = rows(&state, 4, &Unseen);
    let told: Vec<(&str, Option<&str>)> = all
        .iter()
        .map(|row| (row.holder.rsplit('/').next().unwrap(), row.expected.as_deref()))
        .collect();
    assert_eq!(told, [(name, Some(name))]);
}

/// What was seen of everybody.
struct Seen {
    used: Use,
    ends: Option<Seconds>,
}

impl Activity for Seen {
    fn used(&self, _: &str, _: &str) -> Option<Use> {
        Some(self.used.clone())
    }

    fn since(&self, _: &str, _: &str) -> Option<Seconds> {
        Some(Seconds(NOW.0 - 3 * DAY))
    }

    fn ends(&self, _: &str, _: &str, _: &str) -> Option<Seconds> {
        self.ends
    }
}

#[test]
fn privileged_used_and_never_through_a_grant_is_the_finding() {
    let state = stage(user(allow(json!("kms:*"))), Vec::new());
    let mut seen = Seen { used: Use { last_protected: Some(NOW), ..Use::default() }, ends: None };
    let row = rows(&state, 4, &seen).remove(0);
    assert_eq!(
        (row.is_used_without_grant(), row.since),
        (Some(true), Since::Seen(Seconds(NOW.0 - 3 * DAY)))
    );
    seen.used.through_grant = true;
    assert_eq!(rows(&state, 4, &seen).remove(0).is_used_without_grant(), Some(false));
    assert_eq!(of_ana(&state, 4).unwrap().is_used_without_grant(), None);
}

#[test]
fn people_have_what_their_permission_set_gives_unless_a_grant_ends_it() {
    let name = "AWSReservedSSO_Admin_0123456789abcdef";
    let mut admin = role(name, allow(json!("*")), &json!("999988887777"));
    admin.entity.arn =
        format!("arn:aws:iam::{HOME}:role/aws-reserved/sso.amazonaws.com/{name}").into();
    let mut state = stage(user(allow(json!("s3:Get*"))), vec![(name, admin)]);
    let set: Box<str> = "arn:aws:sso:::permissionSet/ssoins-1/ps-1".into();
    let center = &mut state.identity_center;
    center
        .sets
        .insert(set.clone(), PermissionSet { name: "Admin".into(), ..PermissionSet::default() });
    for (principal_type, principal_id) in [("USER", "u-1"), ("GROUP", "g-1")] {
        center.assignments.insert(Assignment {
            account: HOME.into(),
            set: set.clone(),
            principal_type: principal_type.into(),
            principal_id: principal_id.into(),
        });
    }
    let all = rows(&state, 4, &Unseen);
    let told: Vec<_> =
        all.iter().map(|row| (&*row.holder, row.kind, row.class, &*row.how[0].policy)).collect();
    assert_eq!(
        told,
        [
            ("GROUP/g-1", Kind::Group, Class::Administrator, "Admin"),
            ("USER/u-1", Kind::Person, Class::Administrator, "Admin"),
        ]
    );
    assert_eq!(all[0].how[0].chain.len(), 1);
    assert_eq!(rows(&state, 4, &Seen { used: Use::default(), ends: Some(NOW) }), []);
}

fn watched(actions: &[(&str, i64)]) -> Use {
    let actions = actions.iter().map(|(name, days)| ((*name).into(), Seconds(NOW.0 - days * DAY)));
    Use {
        watched_since: Some(Seconds(NOW.0 - 100 * DAY)),
        actions: actions.collect::<BTreeMap<Box<str>, Seconds>>(),
        ..Use::default()
    }
}

fn proposed(statements: Value, used: &Use) -> Option<rightsize::Proposal> {
    propose(&document(statements, Policy::Identity), used, NOW, Span(90 * DAY))
}

#[test]
fn a_service_that_was_not_used_goes_and_so_do_actions_of_one_that_was() {
    let used = watched(&[("kms:DescribeKey", 2), ("kms:ScheduleKeyDeletion", 95)]);
    let found = proposed(allow(json!(["kms:*", "ec2:Run*"])), &used).unwrap();
    assert_eq!(found.services, ["ec2".into()].into());
    assert!(found.actions.contains("kms:ScheduleKeyDeletion"));
    let expected = document(allow(json!("kms:DescribeKey")), Policy::Identity);
    assert_eq!(found.document, Some(expected));
}

#[test]
fn what_events_do_not_show_stays_where_it_may_have_been_used() {
    let used = watched(&[("s3:CreateBucket", 2)]);
    let found =
        proposed(allow(json!(["s3:GetObject", "s3:*Bucket", "dynamodb:GetItem", "kms:*"])), &used)
            .unwrap();
    let kept = found.document.unwrap().statements.remove(0).actions;
    let kept = bits::Bits::listed(&kept);
    let names: Vec<&str> = kept.iter().map(|it| &*it.name).collect();
    assert!(names.contains(&"s3:GetObject") && names.contains(&"dynamodb:GetItem"), "{names:?}");
    assert!(!names.iter().any(|it| it.starts_with("kms:")), "{names:?}");
    let found = proposed(allow(json!("*")), &used).unwrap();
    assert!(found.doubtful.contains("dynamodb") && !found.doubtful.contains("s3"));
}

#[test]
fn nothing_is_proposed_where_too_little_was_watched_or_all_was_used() {
    let short = Use { watched_since: Some(Seconds(NOW.0 - 10 * DAY)), ..Use::default() };
    assert_eq!(proposed(allow(json!("kms:*")), &short), None);
    assert_eq!(
        proposed(allow(json!("kms:DescribeKey")), &watched(&[("kms:DescribeKey", 1)])),
        None
    );
    let all = proposed(allow(json!("kms:DescribeKey")), &watched(&[])).unwrap();
    assert_eq!(all.document, None);
}

/// As many as a row names examples.
const ACTIONS: [&str; MAX_EXAMPLES] =
    ["iam:PutUserPolicy", "iam:ListUsers", "kms:Decrypt", "kms:PutKeyPolicy", "s3:GetObject"];

fn statements() -> impl Strategy<Value = Value> {
    let patterns =
        ["*", "iam:*", "iam:put*", "kms:*", "kms:Decrypt", "s3:Put*", "*:List*", "s3:GetObject"];
    let pattern = prop::collection::vec(prop::sample::select(patterns.to_vec()), 1..3);
    let one = (prop::bool::weighted(0.75), pattern, prop::bool::weighted(0.85)).prop_map(
        |(allows, patterns, only)| {
            let effect = if allows { "Allow" } else { "Deny" };
            let key = if only { "Action" } else { "NotAction" };
            json!({"Effect": effect, key: patterns, "Resource": "*"})
        },
    );
    prop::collection::vec(one, 1..4).prop_map(Value::Array)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_inventory_agrees_with_the_evaluator(
        own in statements(),
        bound in prop::option::of(statements()),
        control in statements(),
    ) {
        let mut state = stage(user(own), Vec::new());
        state.organization.as_mut().unwrap().policies.get_mut("p-full").unwrap().text = text(control);
        if let Some(bound) = bound {
            let account = state.accounts.get_mut(HOME).unwrap();
            let arn: Box<str> = format!("arn:aws:iam::{HOME}:policy/bound").into();
            let managed = Managed { versions: [("v1".into(), text(bound))].into(), default: "v1".into() };
            account.policies.insert(arn.clone(), managed);
            account.users.get_mut("ana").unwrap().entity.boundary = Some(arn);
        }
        let asking = Asking { now: NOW, depth: 0, expected: &[] };
        let mut told: Vec<Box<str>> = Vec::new();
        let protected = |it: &str, _: &str| ACTIONS.contains(&it);
        inventory(&state, &protected, &Unseen, &asking, |row| told = row.examples);
        let context = Context::new().at(NOW);
        let principal = format!("arn:aws:iam::{HOME}:user/ana");
        for action in ACTIONS {
            let request = Request { principal: &principal, action, resource: "*", context: &context };
            let decision = state.allowed(&request).decision;
            let is_told = told.iter().any(|it| **it == *action);
            prop_assert_eq!(is_told, decision == Decision::Allowed, "{} {:?}", action, decision);
        }
    }

    #[test]
    fn a_proposal_is_no_wider_and_keeps_what_was_used(
        own in statements(),
        used in prop::collection::vec((prop::sample::select(ACTIONS.to_vec()), 0_i64..100), 0..5),
    ) {
        let before = document(own, Policy::Identity);
        let used = watched(&used);
        if let Some(found) = propose(&before, &used, NOW, Span(90 * DAY)) {
            for action in ACTIONS {
                let context = Context::new();
                let request = Request { principal: "*", action, resource: "*", context: &context };
                let decide = |document: &Document| crate::iam::evaluate::of_documents([document], &request);
                let was = decide(&before) == Decision::Allowed;
                let is = found.document.as_ref().is_some_and(|it| decide(it) == Decision::Allowed);
                prop_assert!(was || !is, "{} is new", action);
                let is_recent = used.actions.get(action).is_some_and(|last| last.0 >= NOW.0 - 90 * DAY);
                prop_assert!(is || !was || !is_recent, "{} was used", action);
            }
        }
    }
}
