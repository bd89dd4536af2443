//! States of all shapes, written and read back.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::snapshot::Snapshot;
use crate::iam::state::AccessKey;
use crate::iam::state::Assignment;
use crate::iam::state::IdentityCenter;
use crate::iam::state::Organization;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::PermissionSet;
use crate::model::Seconds;

type Name = Box<str>;

fn name() -> impl Strategy<Value = Name> {
    select(vec!["a", "b", "with space", "ä"]).prop_map(Name::from)
}

fn arn() -> impl Strategy<Value = Name> {
    let all = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::111122223333:policy/own/p"];
    select(all.to_vec()).prop_map(Name::from)
}

fn time() -> impl Strategy<Value = Seconds> {
    (0_i64..4_000_000_000).prop_map(Seconds)
}

/// What a document of this sort says, or why it is not known.
fn a_text(kind: Kind) -> BoxedStrategy<Text> {
    let condition = select(vec![
        json!({}),
        json!({"StringLike": {"aws:PrincipalTag/x": ["a*", "b"]}, "Bool": {"aws:SecureTransport": "true"}}),
        json!({"ForAnyValue:StringEqualsIfExists": {"aws:TagKeys": "x", "AWS:tagkeys": ["y"]}}),
    ]);
    let parts = (select(vec!["Allow", "Deny"]), any::<bool>(), any::<bool>(), condition);
    let statement = parts.prop_map(move |(effect, all_but, has_sid, condition)| {
        let mut out = json!({"Effect": effect, "Condition": condition});
        out[if all_but { "NotAction" } else { "Action" }] = match kind {
            Kind::Trust => json!(["sts:AssumeRole", "sts:TagSession"]),
            _ => json!(["s3:Get*", "kms:Decrypt"]),
        };
        if kind != Kind::Trust {
            out["Resource"] = json!(["arn:aws:s3:::bucket/*", "*"]);
        }
        if matches!(kind, Kind::Trust | Kind::Resource) {
            out["Principal"] = json!({"AWS": ["111122223333"], "Service": "ec2.amazonaws.com"});
        }
        if kind == Kind::ResourceControl {
            out["Principal"] = json!("*");
        }
        if has_sid {
            out["Sid"] = json!("Some");
        }
        out
    });
    let document =
        (select(vec!["2008-10-17", "2012-10-17"]), prop::collection::vec(statement, 1..3));
    let known = document.prop_filter_map("IAM would refuse it", move |(version, statements)| {
        let value = json!({"Version": version, "Statement": statements});
        Some(Text::Known(Document::parse_value(&value, kind).ok()?.into()))
    });
    let unknown = select(vec!["the record left it out", "\"quoted\" and ä"]);
    prop_oneof![3 => known, 1 => unknown.prop_map(|why| Text::Unknown(why.into()))].boxed()
}

fn entity(sort: &'static str) -> impl Strategy<Value = Entity> {
    let inline = prop::collection::btree_map(name(), a_text(Kind::Identity), 0..3);
    let tags = prop::collection::btree_map(name(), name(), 0..2);
    let attached = prop::collection::btree_set(arn(), 0..3);
    (inline, attached, prop::option::of(arn()), tags, prop::option::of(time()), any::<bool>())
        .prop_map(move |(inline, attached, boundary, tags, created, is_known)| Entity {
            arn: if is_known {
                format!("arn:aws:iam::111122223333:{sort}/path/a").into()
            } else {
                "".into()
            },
            unique_id: if is_known { "AROAEXAMPLE".into() } else { "".into() },
            created,
            inline,
            attached,
            boundary,
            tags,
        })
}

fn user() -> impl Strategy<Value = User> {
    let key = (prop::option::of(time()), any::<bool>())
        .prop_map(|(created, is_active)| AccessKey { created, is_active });
    let keys = prop::collection::btree_map(name(), key, 0..2);
    let groups = prop::collection::btree_set(name(), 0..2);
    let has = || prop::option::of(any::<bool>());
    (entity("user"), groups, keys, has(), has()).prop_map(
        |(entity, groups, keys, has_password, has_mfa)| User {
            entity,
            groups,
            keys,
            has_password,
            has_mfa,
        },
    )
}

fn account() -> impl Strategy<Value = Account> {
    let role = (entity("role"), a_text(Kind::Trust)).prop_map(|(entity, trust)| Role {
        entity,
        trust,
        last_used: None,
    });
    let versions = select(vec!["v1", "v2"]).prop_map(Name::from);
    let managed = prop::collection::btree_map(versions, a_text(Kind::Identity), 0..3)
        .prop_map(|versions| Managed { versions, default: "v2".into() });
    let users = prop::collection::btree_map(name(), user(), 0..3);
    let groups = prop::collection::btree_map(name(), entity("group"), 0..2);
    let roles = prop::collection::btree_map(name(), role, 0..3);
    let policies = prop::collection::btree_map(arn(), managed, 0..2);
    let held = prop::collection::btree_set(name(), 0..2);
    let profiles = prop::collection::btree_map(name(), held, 0..2);
    let resources = prop::collection::btree_map(arn(), a_text(Kind::Resource), 0..2);
    (any::<bool>(), users, groups, roles, (policies, profiles, resources)).prop_map(
        |(is_whole, users, groups, roles, (policies, profiles, resources))| Account {
            is_whole,
            users,
            groups,
            roles,
            policies,
            profiles,
            resources,
            ..Account::default()
        },
    )
}

fn organization() -> impl Strategy<Value = Organization> {
    let kinds = vec![
        ("SERVICE_CONTROL_POLICY", Kind::ServiceControl),
        ("RESOURCE_CONTROL_POLICY", Kind::ResourceControl),
        ("", Kind::ServiceControl),
        ("", Kind::ResourceControl),
    ];
    let policy = select(kinds).prop_flat_map(|(kind, of)| {
        (name(), a_text(of)).prop_map(move |(name, text)| OrganizationPolicy {
            name,
            kind: kind.into(),
            text,
        })
    });
    let policies = prop::collection::btree_map(name(), policy, 0..3);
    let parents = prop::collection::btree_map(name(), name(), 0..3);
    let ids = prop::collection::btree_set(name(), 1..3);
    let attached = prop::collection::btree_map(name(), ids, 0..3);
    (name(), parents, policies, attached).prop_map(|(management, parents, policies, attached)| {
        Organization { management, parents, policies, attached }
    })
}

fn center() -> impl Strategy<Value = IdentityCenter> {
    let referenced = select(vec!["own", "/team/own", "/a/b/own"]).prop_map(Name::from);
    let bound = prop_oneof![arn(), referenced.clone()];
    let referenced = prop::collection::btree_set(referenced, 0..3);
    let provisioned = prop::collection::btree_map(name(), time(), 0..2);
    let inline = prop::option::of(a_text(Kind::Identity));
    let attached = prop::collection::btree_set(arn(), 0..2);
    let set = (
        name(),
        inline,
        attached,
        referenced,
        (prop::option::of(bound), prop::option::of(time()), provisioned),
    )
        .prop_map(|(name, inline, attached, referenced, (boundary, changed, provisioned))| {
            PermissionSet { name, inline, attached, referenced, boundary, changed, provisioned }
        });
    let assignment = (name(), name(), name()).prop_map(|(account, set, principal_id)| Assignment {
        account,
        set,
        principal_type: "GROUP".into(),
        principal_id,
    });
    let members =
        prop::collection::btree_map(name(), prop::collection::btree_set(name(), 1..3), 0..3);
    let sets = prop::collection::btree_map(name(), set, 0..3);
    let assignments = prop::collection::btree_set(assignment, 0..3);
    (sets, assignments, members).prop_map(|(sets, assignments, members)| IdentityCenter {
        sets,
        assignments,
        members,
    })
}

fn state() -> impl Strategy<Value = State> {
    let id = select(vec!["111122223333", "444455556666", "a"]).prop_map(Name::from);
    let accounts = prop::collection::btree_map(id, account(), 0..3);
    (accounts, prop::option::of(organization()), center()).prop_map(
        |(accounts, organization, identity_center)| State {
            accounts,
            organization,
            identity_center,
        },
    )
}

fn read(files: &BTreeMap<String, Value>) -> State {
    let mut snapshot = Snapshot::default();
    for (name, value) in files {
        // As it goes through a file.
        let value = serde_json::from_str(&serde_json::to_string_pretty(value).unwrap()).unwrap();
        let taken = snapshot.take(&value, name.strip_suffix(".json").unwrap());
        taken.unwrap_or_else(|what| panic!("{name}: {what}\n{value:#}"));
    }
    snapshot.state
}

/// Returns every place in which `state` has something that the others need not have.
fn reached(state: &State) -> BTreeSet<&'static str> {
    let accounts = state.accounts.values();
    let mut all = BTreeSet::new();
    for account in accounts {
        let roles = account.roles.values();
        for (is_there, what) in [
            (account.is_whole, "whole"),
            (!account.is_whole, "partial"),
            (account.users.values().any(|user| !user.keys.is_empty()), "keys"),
            (roles.clone().any(|role| matches!(role.trust, Text::Unknown(_))), "unknown trust"),
            (!account.profiles.is_empty(), "profiles"),
            (!account.resources.is_empty(), "resources"),
        ] {
            all.extend(is_there.then_some(what));
        }
    }
    let center = &state.identity_center;
    for (is_there, what) in [
        (state.organization.is_some(), "organisation"),
        (!center.sets.is_empty(), "sets"),
        (!center.assignments.is_empty(), "assignments"),
        (!center.members.is_empty(), "members"),
    ] {
        all.extend(is_there.then_some(what));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_written_reads_back_as_the_same_state(state in state()) {
        let written = files(&state);
        let again = read(&written);
        prop_assert_eq!(&again, &state);
        let (written, again) = (format!("{written:#?}"), format!("{:#?}", files(&again)));
        prop_assert_eq!(written, again);
    }
}

#[test]
fn the_states_that_are_tried_have_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut all = BTreeSet::new();
    for _ in 0..100 {
        let tree = state().new_tree(&mut runner).unwrap();
        all.extend(reached(&tree.current()));
    }
    assert_eq!(all.len(), 10, "{all:?}");
}

#[test]
fn when_a_role_was_last_used_is_not_agreed_on() {
    let role = Role {
        entity: Entity::default(),
        trust: Text::Unknown("x".into()),
        last_used: Some(Seconds(9)),
    };
    let account = Account { roles: [("r".into(), role)].into(), ..Account::default() };
    let state = State { accounts: [("1".into(), account)].into(), ..State::default() };
    assert_eq!(read(&files(&state)).accounts["1"].roles["r"].last_used, None);
}
