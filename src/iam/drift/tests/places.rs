//! Moves and their undoing, as the ledger links them, in whatever order they are read.

use super::*;
use crate::iam::drift::made::ChangeId;
use crate::model::DetectorId;

/// A call: its service, its name, what it was asked and what it answered.
type Call = ((&'static str, &'static str), Value, Value);

fn call(service: &'static str, name: &'static str, asked: Value) -> Call {
    ((service, name), asked, Value::Null)
}

fn assignment(name: &'static str, set: &str, sort: &str, id: &str) -> Call {
    let asked = json!({
        "instanceArn": "i", "targetId": ACCOUNT, "targetType": "AWS_ACCOUNT", "permissionSetArn": set,
        "principalType": sort, "principalId": id,
    });
    call("sso", name, asked)
}

fn joined(group: &str, user: &str, membership: &str) -> Call {
    let asked = json!({"identityStoreId": "d-1", "groupId": group, "memberId": {"userId": user}});
    let answered = json!({"membershipId": membership, "identityStoreId": "d-1"});
    (("identitystore", "CreateGroupMembership"), asked, answered)
}

fn left(membership: &str) -> Call {
    let asked = json!({"identityStoreId": "d-1", "membershipId": membership});
    call("identitystore", "DeleteGroupMembership", asked)
}

fn moved(from: &str, to: &str) -> Call {
    let asked = json!({"accountId": ACCOUNT, "sourceParentId": from, "destinationParentId": to});
    call("organizations", "MoveAccount", asked)
}

fn of_profile(name: &'static str) -> Call {
    call("iam", name, json!({"instanceProfileName": "web", "roleName": "App"}))
}

fn key_made(user: &str, id: &str) -> Call {
    let answered = json!({"accessKey": {"accessKeyId": id, "userName": user, "status": "Active"}});
    (("iam", "CreateAccessKey"), json!({"userName": user}), answered)
}

fn of_key(name: &'static str, user: &str, id: &str, status: &str) -> Call {
    call("iam", name, json!({"userName": user, "accessKeyId": id, "status": status}))
}

fn of_user(name: &'static str, user: &str) -> Call {
    call("iam", name, json!({"userName": user}))
}

impl House {
    fn hears(&mut self, minute: i64, (call, asked, answered): &Call) {
        self.learn(minute, *call, asked, answered);
    }

    /// Hears of calls, each in a minute of its own, in that order.
    fn of(calls: &[(i64, Call)]) -> Self {
        let mut house = Self::new(&Value::Null);
        calls.iter().for_each(|(minute, call)| house.hears(*minute, call));
        house
    }

    /// Returns the minutes of the changes that were closed since it was last asked, each with when and by whom.
    fn closed(&mut self) -> Vec<(i64, i64, String)> {
        let minute = |at: Seconds| at.since(START).0 / 60;
        let closed = self.drift.ledger().closed();
        closed.iter().map(|it| (minute(it.id.0), minute(it.by.0), it.by.1.to_string())).collect()
    }
}

const ANA: &str = "person:ana@example.com";

fn closed_by_ana(made: i64, back: i64) -> Vec<(i64, i64, String)> {
    vec![(made, back, ANA.to_owned())]
}

/// A user who can use nothing, known from his beginning.
fn made_user() -> Call {
    of_user("CreateUser", "ops")
}

/// Each sort of move with what takes it back; what is there before is heard of first.
fn moves() -> Vec<(Vec<Call>, Call, Call)> {
    let set = |name| assignment(name, SET, "USER", "u-1");
    let console = |name| {
        let asked =
            json!({"identityStoreId": "d-1", "groupId": "g-1", "member": {"memberId": "u-1"}});
        call("sso-directory", name, asked)
    };
    let scim = |op: &str| {
        let asked = json!({"id": "g-1", "httpBody": {"operations": [
            {"op": op, "path": "members", "value": [{"value": "u-1"}, {"value": "u-2"}]}]}});
        call("identitystore-scim", "PatchGroup", asked)
    };
    let of_profile_itself = |name| call("iam", name, json!({"instanceProfileName": "web"}));
    let stale = vec![
        made_user(),
        key_made("ops", "K1"),
        of_key("UpdateAccessKey", "ops", "K1", "Inactive"),
    ];
    vec![
        (vec![], set("CreateAccountAssignment"), set("DeleteAccountAssignment")),
        (
            vec![],
            set("CreateAccountAssignment"),
            call("sso", "DeletePermissionSet", json!({"permissionSetArn": SET})),
        ),
        (
            vec![],
            set("CreateAccountAssignment"),
            call("identitystore", "DeleteUser", json!({"userId": "u-1"})),
        ),
        (vec![], joined("g-1", "u-1", "m-1"), left("m-1")),
        (
            vec![],
            joined("g-1", "u-1", "m-1"),
            call("identitystore", "DeleteGroup", json!({"groupId": "g-1"})),
        ),
        (
            vec![],
            joined("g-1", "u-1", "m-1"),
            call("identitystore", "DeleteUser", json!({"userId": "u-1"})),
        ),
        (vec![], console("AddMemberToGroup"), console("RemoveMemberFromGroup")),
        (vec![], scim("add"), scim("remove")),
        (vec![], moved("r-1", "ou-1"), moved("ou-1", "r-1")),
        (vec![], moved("r-1", "ou-1"), moved("ou-1", "ou-2")),
        (
            vec![],
            of_profile("AddRoleToInstanceProfile"),
            of_profile("RemoveRoleFromInstanceProfile"),
        ),
        (
            vec![of_profile_itself("CreateInstanceProfile")],
            of_profile("AddRoleToInstanceProfile"),
            of_profile_itself("DeleteInstanceProfile"),
        ),
        (vec![made_user()], key_made("ops", "K1"), of_key("DeleteAccessKey", "ops", "K1", "")),
        (
            stale.clone(),
            of_key("UpdateAccessKey", "ops", "K1", "Active"),
            of_key("UpdateAccessKey", "ops", "K1", "Inactive"),
        ),
        (
            vec![made_user()],
            of_user("CreateLoginProfile", "ops"),
            of_user("DeleteLoginProfile", "ops"),
        ),
        (vec![made_user()], of_user("CreateLoginProfile", "ops"), of_user("DeleteUser", "ops")),
    ]
}

/// The change at a minute, as the ledger names it.
fn id_of(minute: i64, call: &Call) -> ChangeId {
    (START.plus(Span(minute * 60)), format!("{ACCOUNT}/{minute}-{}", call.0.1).into())
}

fn tell(house: &mut House, id: &ChangeId, alert: &str) {
    let (alert, detector) = (AlertId(alert.to_owned()), DetectorId("d".to_owned()));
    house.drift.ledger().told(id, alert, detector);
}

#[test]
fn a_move_that_is_taken_back_is_closed_over_a_restart() {
    for (before, there, back) in moves() {
        let name = (there.0.1, back.0.1);
        let calls: Vec<(i64, Call)> = (0..).zip(before).collect();
        let mut house = House::of(&calls);
        house.closed();
        house.hears(10, &there);
        assert_eq!(house.closed(), [], "{name:?}");
        let id = house.drift.ledger().remembered().last().map(|(id, _)| id.clone()).unwrap();
        assert!(id.1.ends_with(&format!("10-{}", there.0.1)) && house.drift.ledger().is_move(&id));
        tell(&mut house, &id, "first");
        house.restart();
        house.hears(20, &back);
        let closed = house.drift.ledger().closed();
        assert_eq!(closed.len(), 1, "{name:?}");
        assert_eq!(
            (closed[0].by.0, &*closed[0].by.1),
            (START.plus(Span(20 * 60)), ANA),
            "{name:?}"
        );
        assert_eq!(closed[0].made.alerts.len(), 1, "{name:?}");
        // An alert that comes to tell of it later is over too, and one that was closed is not told again.
        house.restart();
        tell(&mut house, &id, "first");
        assert_eq!(house.closed(), [], "{name:?}");
        assert!(house.drift.ledger().is_closed(&id, &AlertId("first".to_owned())));
        tell(&mut house, &id, "later");
        assert_eq!(house.closed(), closed_by_ana(10, 20), "{name:?}");
    }
}

#[test]
fn a_move_that_is_read_after_its_undoing_is_closed() {
    for (before, there, back) in moves() {
        let name = (there.0.1, back.0.1);
        let calls: Vec<(i64, Call)> = (0..).zip(before).collect();
        let mut house = House::of(&calls);
        house.closed();
        house.hears(20, &back);
        house.restart();
        house.hears(10, &there);
        let closed = house.closed();
        // Of a user that is gone nobody knows any more that it could use nothing: what is not known stays open.
        if name == ("CreateLoginProfile", "DeleteUser") {
            assert_eq!(closed, [], "{name:?}");
            continue;
        }
        assert_eq!(closed.len(), 1, "{name:?}");
        // When it ended the history tells, by whom it does not.
        let (made, _, by) = &closed[0];
        assert_eq!((*made, by.as_str()), (10, ""), "{name:?}");
    }
}

#[test]
fn what_stands_still_is_not_closed() {
    let create =
        |set: &str, sort: &str, id: &str| assignment("CreateAccountAssignment", set, sort, id);
    let delete =
        |set: &str, sort: &str, id: &str| assignment("DeleteAccountAssignment", set, sort, id);
    let renamed = call("iam", "UpdateUser", json!({"userName": "ops", "newUserName": "ops2"}));
    let open: [(&str, Vec<Call>); 11] = [
        (
            "another person left",
            vec![joined("g-1", "u-1", "m-1"), joined("g-1", "u-2", "m-2"), left("m-2")],
        ),
        ("nobody knows whose it was", vec![joined("g-1", "u-1", "m-1"), left("m-9")]),
        (
            "another group was left",
            vec![joined("g-2", "u-1", "m-2"), joined("g-1", "u-1", "m-1"), left("m-2")],
        ),
        (
            "another person's was taken",
            vec![
                create(SET, "USER", "u-2"),
                create(SET, "USER", "u-1"),
                delete(SET, "USER", "u-2"),
            ],
        ),
        (
            "a group's was taken",
            vec![
                create(SET, "GROUP", "u-1"),
                create(SET, "USER", "u-1"),
                delete(SET, "GROUP", "u-1"),
            ],
        ),
        (
            "he has it by a group since",
            vec![
                create(SET, "USER", "u-1"),
                create(SET, "GROUP", "g-1"),
                joined("g-1", "u-1", "m-1"),
                delete(SET, "USER", "u-1"),
            ],
        ),
        (
            "he has it himself since",
            vec![
                create(SET, "GROUP", "g-1"),
                joined("g-1", "u-1", "m-1"),
                create(SET, "USER", "u-1"),
                left("m-1"),
            ],
        ),
        (
            "the account left the organisation",
            vec![
                moved("r-1", "ou-1"),
                call(
                    "organizations",
                    "RemoveAccountFromOrganization",
                    json!({"accountId": ACCOUNT}),
                ),
            ],
        ),
        ("the user has another name", vec![made_user(), key_made("ops", "K1"), renamed]),
        (
            "another key works",
            vec![
                made_user(),
                key_made("ops", "K1"),
                key_made("ops", "K2"),
                of_key("DeleteAccessKey", "ops", "K1", ""),
            ],
        ),
        (
            "it has a password by now",
            vec![
                made_user(),
                key_made("ops", "K1"),
                of_user("CreateLoginProfile", "ops"),
                of_key("DeleteAccessKey", "ops", "K1", ""),
            ],
        ),
    ];
    for (why, calls) in open {
        let calls: Vec<(i64, Call)> = (10..).zip(calls).collect();
        let mut house = House::of(&calls);
        let is_of_the_taken = |closed: &(i64, i64, String)| {
            // Of what is taken away in the story, its own move is closed.
            matches!(
                why,
                "another person left"
                    | "another person's was taken"
                    | "a group's was taken"
                    | "another group was left"
            ) && calls[0].0 <= closed.0
        };
        let closed = house.closed();
        let others = closed.iter().filter(|it| !is_of_the_taken(it)).count();
        assert_eq!(others, 0, "{why}: {closed:?}");
        assert!(closed.len() <= 1, "{why}: {closed:?}");
    }
}

#[test]
fn what_was_had_by_another_way_since_is_closed_with_that() {
    let direct = |name| assignment(name, SET, "USER", "u-1");
    let mut house = House::of(&[
        (1, assignment("CreateAccountAssignment", SET, "GROUP", "g-1")),
        (2, joined("g-1", "u-1", "m-1")),
        (3, direct("CreateAccountAssignment")),
        (4, left("m-1")),
    ]);
    assert_eq!(house.closed(), []);
    house.restart();
    house.hears(5, &direct("DeleteAccountAssignment"));
    let mut closed = house.closed();
    closed.sort();
    assert_eq!(closed, [closed_by_ana(2, 5), closed_by_ana(3, 5)].concat());
    // What he had himself before is not by the group.
    let mut house = House::of(&[
        (1, direct("CreateAccountAssignment")),
        (2, assignment("CreateAccountAssignment", SET, "GROUP", "g-1")),
        (3, joined("g-1", "u-1", "m-1")),
        (4, left("m-1")),
    ]);
    assert_eq!(house.closed(), closed_by_ana(3, 4));
}

#[test]
fn a_place_that_is_taken_again_is_a_move_of_its_own() {
    let set = |name| assignment(name, SET, "USER", "u-1");
    let (create, delete) = ("CreateAccountAssignment", "DeleteAccountAssignment");
    let mut house = House::of(&[(1, set(create)), (2, set(delete)), (3, set(create))]);
    assert_eq!(house.closed(), closed_by_ana(1, 2));
    // While what stands came of either, neither is over.
    let mut house = House::of(&[(1, set(create)), (3, set(create)), (2, set(delete))]);
    assert_eq!(house.closed(), []);
    house.hears(4, &set(delete));
    assert_eq!(house.closed().len(), 2);
}

#[test]
fn what_the_history_has_no_place_for_is_not_remembered() {
    // The snapshot of the organisation was taken later and does not have it: whether it was taken back nobody saw.
    let mut house = House::new(&Value::Null);
    let shown = json!({"Taken": START.plus(Span(3_600)).to_string(), "Organization": {
        "MasterAccountId": "999999999999", "Parents": [{"Id": ACCOUNT, "ParentId": "ou-3"}]}});
    house.read_anew(&shown);
    house.hears(5, &moved("ou-4", "ou-5"));
    let id = id_of(5, &moved("", ""));
    assert!(!house.drift.ledger().is_move(&id));
    house.hears(90, &moved("ou-3", "ou-5"));
    let id = id_of(90, &moved("", ""));
    assert!(
        house.drift.ledger().is_move(&id),
        "{:?}",
        house.drift.ledger().remembered().collect::<Vec<_>>()
    );
}

#[test]
fn too_many_at_once_are_not_remembered() {
    let members: Vec<Value> = (0..300).map(|it| json!({"value": format!("u-{it}")})).collect();
    let all = |count: usize| {
        let asked = json!({"id": "g-1", "httpBody": {"operations": [
            {"op": "add", "path": "members", "value": members[..count]}]}});
        call("identitystore-scim", "PatchGroup", asked)
    };
    for (count, expected) in [(256, true), (257, false)] {
        let mut house = House::of(&[(1, all(count))]);
        assert_eq!(house.drift.ledger().is_move(&id_of(1, &all(1))), expected, "{count}");
    }
}
