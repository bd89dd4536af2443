//! Stories of whom a change moves, and what it gives them that lasts.

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::Kind;
use crate::iam::lesson::Lesson;
use crate::iam::policy::Text;
use crate::iam::snapshot::Snapshot;
use crate::iam::standing::tests::HOME;
use crate::iam::standing::tests::NOW;
use crate::iam::standing::tests::allow;
use crate::iam::standing::tests::document;
use crate::iam::standing::tests::entity;
use crate::iam::standing::tests::role;
use crate::iam::standing::tests::stage;
use crate::iam::standing::tests::text;
use crate::iam::standing::tests::user;
use crate::iam::state::Assignment;
use crate::iam::state::Managed;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::PermissionSet;
use crate::iam::state::User;

/// What is protected: IAM and keys.
struct Guarded {
    /// Of whom a grant ends what he has.
    ended: &'static str,
}

impl Protected for Guarded {
    fn is_protected(&self, action: &str, _: &str) -> bool {
        action.starts_with("iam:") || action.starts_with("kms:")
    }

    fn is_ended(&self, holder: &str, _: &str, _: &str) -> bool {
        holder == self.ended
    }
}

fn gain_of(state: State, edits: Vec<(Key, Edit)>, ended: &'static str) -> Option<Gain> {
    let mut history = History::new(Snapshot { state, ..Snapshot::default() });
    let moves = Moves::of(&edits, history.now());
    history.take(Lesson { edits }, NOW, "e-1");
    let stands = history.now().clone();
    let surfaces = Surfaces::default();
    let protected = Guarded { ended };
    let asked = Asked { now: NOW, depth: 4, protected: &protected, surfaces: &surfaces };
    let gain = moves.gain(&mut history, &asked);
    assert_eq!(history.now(), &stands, "asking what stood before changes nothing");
    gain
}

fn gain(state: State, key: Key, edit: Edit) -> Option<Gain> {
    gain_of(state, vec![(key, edit)], "")
}

fn names(gain: Option<Gain>) -> Vec<String> {
    let last = |it: &str| it.rsplit(':').next().unwrap_or_default().to_owned();
    gain.map(|it| it.holders.iter().map(|it| last(it)).collect()).unwrap_or_default()
}

fn key_of(sort: &str, name: &str) -> Key {
    let (account, name) = (HOME.into(), name.into());
    match sort {
        "user" => Key::User { account, name },
        "role" => Key::Role { account, name },
        _ => Key::Profile { account, name },
    }
}

fn taking(role: &str) -> Value {
    let role = format!("arn:aws:iam::{HOME}:role/{role}");
    json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}])
}

/// Ana, who has `statements`, and a role that has keys and that nobody of the account may take.
fn with_role(statements: Value) -> State {
    let strong = role("strong", allow(json!("kms:*")), &json!("999988887777"));
    stage(user(statements), vec![("strong", strong)])
}

#[test]
fn a_trust_that_lengthens_a_chain_gives_what_the_role_has() {
    let trusts = |who: &str| Edit::Trust {
        text: Text::Known(
            document(
                json!([{"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}]),
                Kind::Trust,
            )
            .into(),
        ),
    };
    let ana = format!("arn:aws:iam::{HOME}:user/ana");
    let found = gain(with_role(taking("strong")), key_of("role", "strong"), trusts(&ana)).unwrap();
    assert_eq!((&*found.holders, found.class), (&[ana.clone().into()][..], Class::Permissions));
    assert!(found.examples.iter().all(|it| it.starts_with("kms:")), "{:?}", found.examples);
    // Whom it names needs no policy; of an account that it names those do.
    let by_name = gain(with_role(allow(json!("s3:Get*"))), key_of("role", "strong"), trusts(&ana));
    assert_eq!(names(by_name), ["user/ana"]);
    let root = format!("arn:aws:iam::{HOME}:root");
    let by_account =
        |statements| gain(with_role(statements), key_of("role", "strong"), trusts(&root));
    assert_eq!(names(by_account(taking("strong"))), ["user/ana"]);
    assert_eq!(names(by_account(allow(json!("s3:Get*")))), [""; 0]);
    // Who has all of it already gains nothing.
    assert_eq!(names(by_account(allow(json!("*")))), [""; 0]);
}

#[test]
fn a_policy_that_lets_somebody_take_a_role_gives_what_the_role_has() {
    let open = role("open", allow(json!("*")), &json!(format!("arn:aws:iam::{HOME}:root")));
    let state = stage(user(allow(json!("s3:Get*"))), vec![("open", open)]);
    let edit = Edit::Inline { name: "take".into(), text: Some(text(taking("open"))) };
    let found = gain(state, key_of("user", "ana"), edit).unwrap();
    assert_eq!((found.class, found.holders.len()), (Class::Administrator, 1));
}

#[test]
fn what_a_boundary_held_back_is_gained_without_it() {
    let bounded = |allowed: &str| {
        let mut state = with_role(allow(json!("kms:*")));
        let arn: Box<str> = format!("arn:aws:iam::{HOME}:policy/bound").into();
        let account = state.accounts.get_mut(HOME).unwrap();
        let versions = [("v1".into(), text(allow(json!(allowed))))].into();
        account.policies.insert(arn.clone(), Managed { versions, default: "v1".into() });
        account.users.get_mut("ana").unwrap().entity.boundary = Some(arn);
        gain(state, key_of("user", "ana"), Edit::Bounded { by: None })
    };
    assert_eq!(names(bounded("s3:*")), ["user/ana"]);
    assert_eq!(names(bounded("kms:*")), [""; 0], "it had held nothing back");
}

/// An organisation whose account denies keys, with so many users who may use them.
fn guarded(users: usize) -> State {
    let mut state = with_role(allow(json!("kms:*")));
    let account = state.accounts.get_mut(HOME).unwrap();
    account.roles.clear();
    for number in 1..users {
        let name = format!("ana{number:03}");
        let one = User {
            entity: entity(&format!("user/{name}"), allow(json!("kms:*"))),
            ..User::default()
        };
        account.users.insert(name.into(), one);
    }
    let organization = state.organization.as_mut().unwrap();
    let deny = json!([{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]);
    let policy = OrganizationPolicy {
        name: "no".into(),
        kind: "SERVICE_CONTROL_POLICY".into(),
        text: text(deny),
    };
    organization.policies.insert("p-no".into(), policy);
    for (unit, policies) in [("ou-held", ["p-full", "p-no"]), ("ou-free", ["p-full", "p-full"])] {
        organization.parents.insert(unit.into(), "r-root".into());
        let all = policies.iter().map(|it| (*it).into()).collect();
        organization.attached.insert(unit.into(), all);
    }
    organization.parents.insert(HOME.into(), "ou-held".into());
    state
}

#[test]
fn whoever_is_below_a_guardrail_that_goes_is_counted_in_one() {
    let node = |id: &str| Key::Node { id: id.into() };
    let detached = Edit::Detached { arn: "p-no".into() };
    let found = gain(guarded(40), node("ou-held"), detached.clone()).unwrap();
    assert_eq!((found.holders.len(), found.unlooked), (40, 0));
    assert_eq!(&*found.holders[0], &*format!("arn:aws:iam::{HOME}:user/ana"));
    let moved = gain(guarded(2), node(HOME), Edit::Moved { to: "ou-free".into() });
    assert_eq!(names(moved), ["user/ana", "user/ana001"]);
    let elsewhere = gain(guarded(2), node("ou-free"), detached.clone());
    assert_eq!(names(elsewhere), [""; 0]);
    // Beyond the bound nobody is looked at, and it is said how many are not.
    let many = gain(guarded(MAX_LOOKED + 7), node("ou-held"), detached).unwrap();
    assert_eq!((many.holders.len(), many.unlooked), (MAX_LOOKED, 7));
}

#[test]
fn a_key_for_whoever_had_none_makes_usable_what_he_has() {
    let with = |has_password: Option<bool>, keys: Vec<&str>| {
        let mut state = with_role(allow(json!("kms:*")));
        let ana = state.accounts.get_mut(HOME).unwrap().users.get_mut("ana").unwrap();
        ana.has_password = has_password;
        for key in keys {
            let is_active = key.ends_with('+');
            let key = crate::iam::state::AccessKey { created: None, is_active };
            ana.keys.insert("AKIAOLD".into(), key);
        }
        gain(state, key_of("user", "ana"), Edit::KeyMade { id: "AKIANEW".into() })
    };
    assert_eq!(names(with(Some(false), vec![])), ["user/ana"]);
    assert_eq!(names(with(Some(false), vec!["AKIAOLD"])), ["user/ana"]);
    assert_eq!(names(with(Some(false), vec!["AKIAOLD+"])), [""; 0], "another key worked");
    assert_eq!(names(with(Some(true), vec![])), [""; 0], "it had a password");
    assert_eq!(names(with(None, vec![])), [""; 0], "what is not known is no guess");
}

#[test]
fn a_role_in_a_profile_is_gained_by_who_can_run_instances_with_it() {
    let profile = |actions: Value| {
        let mut strong = role("strong", allow(json!("kms:*")), &json!("999988887777"));
        let ec2 = json!([{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]);
        strong.trust = Text::Known(document(ec2, Kind::Trust).into());
        let mut state = stage(user(allow(actions)), vec![("strong", strong)]);
        let account = state.accounts.get_mut(HOME).unwrap();
        account.profiles.insert("web".into(), BTreeSet::new());
        let edit = Edit::RoleAdded { role: "strong".into() };
        gain(state, key_of("profile", "web"), edit)
    };
    let found = profile(json!(["iam:PassRole", "ec2:RunInstances"])).unwrap();
    assert_eq!((found.class, found.holders.len()), (Class::Escalation, 1));
    assert_eq!(profile(json!(["ec2:RunInstances"])), None);
}

/// Identity Center with a set of administrators that has no role in the account yet, and a group that may have it.
fn center(assigned: &[(&str, &str)]) -> State {
    let mut state = with_role(allow(json!("s3:Get*")));
    let attached = ["arn:aws:iam::aws:policy/AdministratorAccess".into()].into();
    let set = PermissionSet { name: "Admin".into(), attached, ..PermissionSet::default() };
    state.identity_center.sets.insert("ps-1".into(), set);
    for (sort, id) in assigned {
        state.identity_center.assignments.insert(assignment(sort, id));
    }
    state
}

fn assignment(sort: &str, id: &str) -> Assignment {
    Assignment {
        account: HOME.into(),
        set: "ps-1".into(),
        principal_type: sort.into(),
        principal_id: id.into(),
    }
}

fn member(user: &str) -> (Key, Edit) {
    let (group, user): (Box<str>, Box<str>) = ("g-1".into(), user.into());
    let made = Thing::Member { group: group.clone(), user: user.clone() };
    (Key::Member { group, user }, Edit::Made(made))
}

#[test]
fn an_assignment_gives_what_its_set_says_unless_a_grant_ends_it() {
    let assigned = |ended| {
        let edit = (Key::Assigned(assignment("USER", "u-1")), Edit::Made(Thing::Assigned));
        gain_of(center(&[]), vec![edit], ended)
    };
    let found = assigned("").unwrap();
    assert_eq!((&*found.holders, found.class), (&["USER/u-1".into()][..], Class::Administrator));
    assert_eq!(assigned("USER/u-1"), None);
}

#[test]
fn a_place_in_a_group_gives_what_the_group_has_to_whom_had_it_not() {
    let group = [("GROUP", "g-1")];
    assert_eq!(names(gain_of(center(&group), vec![member("u-1")], "")), ["USER/u-1"]);
    assert_eq!(gain_of(center(&group), vec![member("u-1")], "GROUP/g-1"), None, "a grant ends it");
    let both = [("GROUP", "g-1"), ("USER", "u-1")];
    let two = gain_of(center(&both), vec![member("u-1"), member("u-2")], "");
    assert_eq!(names(two), ["USER/u-2"], "the other had it himself");
}
