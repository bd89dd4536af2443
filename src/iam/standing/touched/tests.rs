//! That looking at what was touched comes to the same as looking at everybody, whatever was changed.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::History;
use crate::iam::Kind;
use crate::iam::Lesson;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Node;
use crate::iam::snapshot::Snapshot;
use crate::iam::standing::Asking;
use crate::iam::standing::Standing;
use crate::iam::standing::news::Classes;
use crate::iam::standing::news::Taken;
use crate::iam::standing::news::taken;
use crate::iam::standing::tests::allow;
use crate::iam::standing::tests::document;
use crate::iam::standing::tests::text;
use crate::iam::state::Assignment;
use crate::iam::state::Managed;
use crate::iam::state::Organization;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::PermissionSet;
use crate::iam::state::Role;
use crate::iam::state::User;
use crate::model::Seconds;

const ACCOUNTS: [&str; 4] = ["111111111111", "222222222222", "333333333333", "444444444444"];
const BEGIN: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

fn role_arn(account: usize, role: usize) -> String {
    format!("arn:aws:iam::{}:role/r{role}", ACCOUNTS[account])
}

fn take(role: &str) -> Value {
    json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}])
}

/// What a policy may say: nothing that counts, keys, everything, keys from some day on or until one, roles, ways to more.
fn said(number: usize, account: usize, role: usize) -> Value {
    let dated = |operator: &str, day: i64| {
        let at = Seconds(BEGIN + day * DAY).to_string();
        json!([{"Effect": "Allow", "Action": "kms:*", "Resource": "*",
            "Condition": {operator: {"aws:CurrentTime": at}}}])
    };
    match number % 8 {
        0 => allow(json!("s3:Get*")),
        1 => allow(json!("kms:PutKeyPolicy")),
        2 => allow(json!("*")),
        3 => dated("DateGreaterThan", 3),
        4 => dated("DateLessThan", 5),
        5 => allow(json!(["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"])),
        6 => take(&role_arn(account, role)),
        _ => take("*"),
    }
}

fn trust(number: usize, account: usize, role: usize) -> Text {
    let principal = match number % 6 {
        0 => json!({"Service": "lambda.amazonaws.com"}),
        1 | 2 => json!({"AWS": role_arn(account, role)}),
        3 | 4 => json!({"AWS": ACCOUNTS[account]}),
        _ => json!("*"),
    };
    let statement =
        json!([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]);
    Text::Known(document(statement, Kind::Trust).into())
}

/// One change, by numbers: of what sort, where, and what it says then.
type Drawn = (usize, usize, usize, (usize, usize, usize));

fn edit((sort, account, who, (number, other, role)): Drawn) -> (Key, Edit) {
    let (id, name): (Box<str>, Box<str>) = (ACCOUNTS[account].into(), format!("r{who}").into());
    let user = Key::User { account: id.clone(), name: format!("u{who}").into() };
    let of_role = Key::Role { account: id.clone(), name };
    let policy: Box<str> = format!("arn:aws:iam::{id}:policy/shared").into();
    let says = text(said(number, other, role));
    let inline = Edit::Inline { name: "p".into(), text: (number < 12).then_some(says.clone()) };
    let assigned = Assignment {
        account: id.clone(),
        set: "ps-1".into(),
        principal_type: "USER".into(),
        principal_id: format!("p{who}").into(),
    };
    match sort {
        0 | 1 => (user, inline),
        2 | 3 => (of_role, inline),
        4 | 5 => (of_role, Edit::Trust { text: trust(number, other, role) }),
        6 => (Key::Group { account: id, name: "g".into() }, inline),
        7 if number % 2 == 0 => (user, Edit::Joined { group: "g".into() }),
        7 => (user, Edit::Left { group: "g".into() }),
        8 if number % 2 == 0 => (user, Edit::Attached { arn: policy }),
        8 => (of_role, Edit::Attached { arn: policy }),
        9 => {
            let version =
                Edit::Version { id: format!("v{number}").into(), text: says, is_default: true };
            (Key::Policy { account: id, arn: policy }, version)
        }
        10 => (user, Edit::Bounded { by: (number % 2 == 0).then_some(policy) }),
        11 if number % 2 == 0 => (of_role, Edit::Deleted),
        11 => (user, Edit::Deleted),
        12 if number % 3 == 0 => (Key::Assigned(assigned), Edit::Deleted),
        12 => (Key::Assigned(assigned), Edit::Made(Thing::Assigned)),
        13 if number % 2 == 0 => (Key::Node { id }, Edit::Attached { arn: "p-no".into() }),
        13 => (Key::Node { id }, Edit::Detached { arn: "p-no".into() }),
        _ => {
            let arn: Box<str> = format!("arn:aws:kms:eu-west-1:{id}:key/k").into();
            let statement = json!([{"Effect": "Allow", "Principal": {"AWS": role_arn(account, role)},
                "Action": "kms:PutKeyPolicy", "Resource": "*"}]);
            let text = Text::Known(document(statement, Kind::Resource).into());
            (Key::Resource { account: id, arn }, Edit::Policy { text })
        }
    }
}

/// Accounts of two users and three roles each, with what `drawn` says; one role of each is of a permission set.
fn organisation(drawn: &[usize]) -> State {
    let mut state = State::default();
    let mut numbers = drawn.iter().copied().cycle();
    let mut next = move || numbers.next().unwrap_or_default();
    for id in ACCOUNTS {
        let mut account = Account { is_whole: true, ..Account::default() };
        for who in 0..2 {
            let inline = [("p".into(), text(said(next(), next() % 4, next() % 3)))].into();
            let arn = format!("arn:aws:iam::{id}:user/u{who}").into();
            let entity = Entity { arn, inline, ..Entity::default() };
            account.users.insert(format!("u{who}").into(), User { entity, ..User::default() });
        }
        for who in 0..3 {
            let inline = [("p".into(), text(said(next(), next() % 4, next() % 3)))].into();
            let arn = format!("arn:aws:iam::{id}:role/r{who}").into();
            let entity = Entity { arn, inline, ..Entity::default() };
            let trust = trust(next() % 5, next() % 4, next() % 3);
            account.roles.insert(format!("r{who}").into(), Role { entity, trust, last_used: None });
        }
        let name = "AWSReservedSSO_Keys_0123456789abcdef";
        let arn = format!("arn:aws:iam::{id}:role/aws-reserved/sso.amazonaws.com/{name}").into();
        let inline = [("p".into(), text(said(next(), next() % 4, next() % 3)))].into();
        let entity = Entity { arn, inline, ..Entity::default() };
        let role = Role { entity, trust: trust(0, 0, 0), last_used: None };
        account.roles.insert(name.into(), role);
        account.groups.insert(
            "g".into(),
            Entity { arn: format!("arn:aws:iam::{id}:group/g").into(), ..Entity::default() },
        );
        let shared = [("v1".into(), text(allow(json!("kms:*"))))].into();
        let shared = Managed { versions: shared, default: "v1".into() };
        account.policies.insert(format!("arn:aws:iam::{id}:policy/shared").into(), shared);
        state.accounts.insert(id.into(), account);
    }
    let set = PermissionSet { name: "Keys".into(), ..PermissionSet::default() };
    state.identity_center.sets.insert("ps-1".into(), set);
    let policy = |says: Value| OrganizationPolicy {
        name: "p".into(),
        kind: "SERVICE_CONTROL_POLICY".into(),
        text: text(says),
    };
    let none = json!([{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]);
    let policies = [("p-full".into(), policy(allow(json!("*")))), ("p-no".into(), policy(none))];
    let mut organization = Organization { policies: policies.into(), ..Organization::default() };
    organization.attached.insert("r-1".into(), ["p-full".into()].into());
    for id in ACCOUNTS {
        organization.parents.insert(id.into(), "r-1".into());
        organization.attached.insert(id.into(), ["p-full".into()].into());
    }
    state.organization = Some(organization);
    state
}

/// An inventory that is held against the one before it.
#[derive(Default)]
struct Kept {
    known: Classes,
    left: Option<Left>,
}

impl Kept {
    fn take(&mut self, state: &State, scope: Scope, (day, seen): (i64, &Seen)) -> Vec<Standing> {
        let asking = Asking { now: Seconds(BEGIN + day * DAY), depth: 4, expected: &[] };
        let protected =
            |action: &str, _: &str| action.starts_with("iam:") || action.starts_with("kms:");
        let left = self.left.take().unwrap_or_default();
        let taken: Taken = taken(state, &protected, seen, &asking, (&self.known, scope, left));
        for (row, class) in taken.changes(&self.known) {
            match class {
                Some(class) => drop(self.known.insert(row, class)),
                None => drop(self.known.remove(&row)),
            }
        }
        self.left = Some(taken.left);
        taken.new
    }
}

fn drawn() -> impl Strategy<Value = Vec<Vec<Drawn>>> {
    let says = (0_usize..16, 0_usize..4, 0_usize..3);
    let one = (0_usize..15, 0_usize..4, 0_usize..3, says);
    prop::collection::vec(prop::collection::vec(one, 0..4), 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_touched_comes_to_the_same_as_everybody(
        // Nothing that speaks of the time at first: then all accounts would be looked at.
        begun in prop::collection::vec(prop::sample::select(vec![0, 1, 2, 5, 6, 7, 14, 15]), 40),
        days in drawn(),
        ended in prop::collection::vec(prop::option::of((0_usize..4, 0_usize..3)), 9),
    ) {
        let mut history = History::new(Snapshot { state: organisation(&begun), ..Snapshot::default() });
        let (mut touched, mut full) = (Kept::default(), Kept::default());
        for (day, edits) in (0_i64..).zip(days) {
            for (number, one) in edits.into_iter().enumerate() {
                let at = Seconds(BEGIN + day * DAY + i64::try_from(number).unwrap());
                history.take(Lesson { edits: vec![edit(one)] }, at, &format!("e{number}"));
            }
            let mut seen = Seen::default();
            if let Some((account, who)) = ended[usize::try_from(day).unwrap()] {
                let key = (format!("USER/p{who}").into(), ACCOUNTS[account].into(), "Keys".into());
                seen.ends.insert(key, Seconds(BEGIN + 30 * DAY));
            }
            let scope = history.touched().scope(history.now(), touched.left.as_ref(), &seen);
            let new = touched.take(history.now(), scope.clone(), (day, &seen));
            let all = full.take(history.now(), Scope::Everywhere, (day, &seen));
            prop_assert_eq!(&touched.known, &full.known, "day {}, {:?}", day, scope);
            prop_assert_eq!(new, all);
            prop_assert_eq!(&touched.left, &full.left);
        }
    }
}

#[test]
fn only_the_accounts_that_come_to_a_changed_one_are_looked_at() {
    let state = organisation(&[0]);
    let mut history = History::new(Snapshot { state, ..Snapshot::default() });
    let mut kept = Kept::default();
    let none = Seen::default();
    let mut scope = |history: &mut History, day: i64| {
        let scope = history.touched().scope(history.now(), kept.left.as_ref(), &none);
        kept.take(history.now(), scope.clone(), (day, &none));
        scope
    };
    let of = |all: &[usize]| Scope::Accounts(all.iter().map(|at| ACCOUNTS[*at].into()).collect());
    assert_eq!(scope(&mut history, 0), Scope::Everywhere, "there is nothing to begin with");
    assert_eq!(scope(&mut history, 1), of(&[]));
    let change = |history: &mut History, day: i64, key: Key, edit: Edit| {
        history.take(Lesson { edits: vec![(key, edit)] }, Seconds(BEGIN + day * DAY), "e");
    };
    let role = |at: usize| Key::Role { account: ACCOUNTS[at].into(), name: "r1".into() };
    change(&mut history, 2, role(1), Edit::Trust { text: trust(3, 2, 0) });
    assert_eq!(scope(&mut history, 2), of(&[1, 2]), "whom it trusts now is in the third");
    let keys = Edit::Inline { name: "p".into(), text: Some(text(allow(json!("kms:*")))) };
    change(&mut history, 3, role(2), keys.clone());
    assert_eq!(scope(&mut history, 3), of(&[2]), "nobody else comes to the third");
    change(&mut history, 4, role(1), keys);
    assert_eq!(scope(&mut history, 4), of(&[1, 2]), "who comes to the second is in the third");
    change(&mut history, 5, role(1), Edit::Trust { text: trust(5, 0, 0) });
    assert_eq!(scope(&mut history, 5), Scope::Everywhere, "it trusts everybody");
    let node = Thing::Node(Node::default());
    change(&mut history, 6, Key::Node { id: "ou-1".into() }, Edit::Made(node));
    assert_eq!(scope(&mut history, 6), Scope::Everywhere, "the organisation changed");
}
