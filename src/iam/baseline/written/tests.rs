//! States of all shapes, written and read back.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::iam::network::Rule;
use crate::iam::network::Rules;
use crate::iam::network::Way;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::sharing::KeyGrant;
use crate::iam::sharing::Share;
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

/// A grant as KMS would make it, with contexts that differ in the size of letters alone, and one that is told otherwise.
fn granted(key: Name) -> impl Strategy<Value = Text> {
    let context = || {
        let key = select(vec!["a", "A", "Tenant"]).prop_map(Name::from);
        prop::collection::btree_map(key, name(), 0..3)
    };
    let who = || {
        let all = ["arn:aws:iam::444455556666:role/r", "ec2.amazonaws.com", "444455556666"];
        select(all.to_vec()).prop_map(Name::from)
    };
    let operations =
        select(vec!["Decrypt", "GenerateDataKey", "SomethingNew"]).prop_map(Name::from);
    let source = prop::option::of(select(vec!["arn:aws:s3:::b"]).prop_map(Name::from));
    let parts = (who(), prop::option::of(who()), prop::collection::vec(operations, 1..3));
    let made = (parts, context(), context(), source).prop_map(
        move |((grantee, retiring, operations), context_equals, context_subset, source_arn)| {
            let grant = KeyGrant {
                key: key.clone(),
                grantee,
                retiring: retiring.unwrap_or_default(),
                operations,
                context_equals,
                context_subset,
                source_arn,
            };
            grant.document()
        },
    );
    prop_oneof![3 => made, 1 => a_text(Kind::Resource)]
}

fn rules() -> impl Strategy<Value = Rules> {
    let port = || prop::option::of(-1_i32..70_000);
    let peers =
        ["0.0.0.0/0", "198.51.100.0/24", "2001:db8::/32", "sg-1", "999988887777/sg-2", "pl-3"];
    let rule = (
        select(vec![Way::In, Way::Out, Way::NotTold]),
        select(vec!["tcp", "17", "-1", "icmp", "50"]),
        (port(), port()),
        select(peers.to_vec()),
    )
        .prop_map(|(way, protocol, ports, peer)| Rule::of(way, protocol, ports, peer).text());
    prop::collection::btree_map(rule, select(vec!["", "sgr-1", "sgr-2"]).prop_map(Name::from), 0..4)
}

fn share() -> impl Strategy<Value = Share> {
    let principals = prop::collection::btree_set(name(), 0..3);
    let resources = prop::collection::btree_set(arn(), 0..3);
    (name(), prop::option::of(any::<bool>()), principals, resources).prop_map(
        |(name, admits_strangers, principals, resources)| Share {
            name,
            admits_strangers,
            principals,
            resources,
        },
    )
}

/// What stands beside policies, all else being left out.
fn what_stands_beside(id: &'static str) -> impl Strategy<Value = Account> {
    let under = move |arns: [&'static str; 2]| {
        select(arns.to_vec()).prop_map(move |arn| Name::from(arn.replace("ID", id)))
    };
    let of_key = |key: &str| {
        let arn = Name::from(format!("arn:aws:kms:eu-west-1:{id}:key/{key}"));
        let all = prop::collection::btree_map(name(), granted(arn.clone()), 1..3);
        prop::option::of(all.prop_map(move |all| (arn.clone(), all)))
    };
    let grants = (of_key("a"), of_key("b"))
        .prop_map(|(first, second)| [first, second].into_iter().flatten().collect());
    let groups =
        ["arn:aws:ec2:eu-west-1:ID:security-group/sg-1", "arn:aws-cn:ec2:x:ID:security-group/y"];
    let networks = prop::collection::btree_map(under(groups), rules(), 0..3);
    let arns =
        ["arn:aws:ram:eu-west-1:ID:resource-share/a", "arn:aws:ram:eu-west-1:ID:resource-share/b"];
    let shares = prop::collection::btree_map(under(arns), share(), 0..3);
    let places = vec![
        "arn:aws:s3:::bucket",
        "arn:aws:s3::ID:public-access-block",
        "arn:aws:ec2:eu-west-1:ID:image-block-public-access",
    ];
    let place = select(places).prop_map(move |arn| Name::from(arn.replace("ID", id)));
    let flag = select(vec!["BlockPublicAcls", "RestrictPublicBuckets", "block-new-sharing"]);
    let on = prop::collection::btree_set(flag.prop_map(Name::from), 0..3);
    let blocks = prop::collection::btree_map(place, on, 0..3);
    (grants, networks, shares, blocks).prop_map(|(grants, networks, shares, blocks)| Account {
        grants,
        networks,
        shares,
        blocks,
        ..Account::default()
    })
}

fn account(id: &'static str) -> impl Strategy<Value = Account> {
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
    let iam = (any::<bool>(), users, groups, roles, (policies, profiles, resources)).prop_map(
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
    );
    // An account of which only this is known is written otherwise.
    let iam = prop_oneof![4 => iam, 1 => Just(Account::default())];
    (iam, what_stands_beside(id)).prop_map(|(iam, beside)| {
        let Account { grants, networks, shares, blocks, .. } = beside;
        Account { grants, networks, shares, blocks, ..iam }
    })
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
    let one = |id: &'static str| prop::option::of(account(id).prop_map(move |it| (id.into(), it)));
    let accounts = (one("111122223333"), one("444455556666"), one("a"))
        .prop_map(|(first, second, third)| [first, second, third].into_iter().flatten().collect());
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
        let written = json!(beside::lists("111122223333", account)).to_string();
        let roles = account.roles.values();
        for (is_there, what) in [
            (account.is_whole, "whole"),
            (!account.is_whole, "partial"),
            (account.users.values().any(|user| !user.keys.is_empty()), "keys"),
            (roles.clone().any(|role| matches!(role.trust, Text::Unknown(_))), "unknown trust"),
            (!account.profiles.is_empty(), "profiles"),
            (!account.resources.is_empty(), "resources"),
            (!account.grants.is_empty(), "grants"),
            (written.contains("\"Operations\""), "grants as KMS lists them"),
            (written.contains("\"Document\""), "grants that it would not"),
            (account.networks.values().any(|rules| !rules.is_empty()), "rules"),
            (account.networks.values().any(Rules::is_empty), "no rules"),
            (account.shares.values().any(|it| !it.principals.is_empty()), "shared with"),
            (account.shares.values().any(|it| !it.resources.is_empty()), "shared"),
            (account.blocks.keys().any(|arn| arn.contains(":ec2:")), "blocks of others"),
            (account.blocks.contains_key("arn:aws:s3:::bucket"), "blocks of buckets"),
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
    assert_eq!(all.len(), 19, "{all:?}");
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
