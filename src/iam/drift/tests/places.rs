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

/// What is there before a move, the move, and what takes it back.
type Story = (Vec<Call>, Call, Call);

/// Moves of people: by assignments and groups of Identity Center.
fn of_people() -> Vec<Story> {
    let create = || assignment("CreateAccountAssignment", SET, "USER", "u-1");
    let delete = || assignment("DeleteAccountAssignment", SET, "USER", "u-1");
    let join = || joined("g-1", "u-1", "m-1");
    let gone = |name, of: &str, id: &str| call("identitystore", name, json!({of: id}));
    let console = |name| {
        let member = json!({"memberId": "u-1"});
        let asked = json!({"identityStoreId": "d-1", "groupId": "g-1", "member": member});
        call("sso-directory", name, asked)
    };
    let scim = |op: &str| {
        let asked = json!({"id": "g-1", "httpBody": {"operations": [
            {"op": op, "path": "members", "value": [{"value": "u-1"}, {"value": "u-2"}]}]}});
        call("identitystore-scim", "PatchGroup", asked)
    };
    let no_set = call("sso", "DeletePermissionSet", json!({"permissionSetArn": SET}));
    vec![
        (vec![], create(), delete()),
        (vec![], create(), no_set),
        (vec![], create(), gone("DeleteUser", "userId", "u-1")),
        (vec![], join(), left("m-1")),
        (vec![], join(), gone("DeleteGroup", "groupId", "g-1")),
        (vec![], join(), gone("DeleteUser", "userId", "u-1")),
        (vec![], console("AddMemberToGroup"), console("RemoveMemberFromGroup")),
        (vec![], scim("add"), scim("remove")),
    ]
}

/// Moves of accounts, of roles into profiles, and keys and passwords.
fn of_things() -> Vec<Story> {
    let profile = |name| call("iam", name, json!({"instanceProfileName": "web"}));
    let held = || of_profile("AddRoleToInstanceProfile");
    let key = |status| of_key("UpdateAccessKey", "ops", "K1", status);
    let login = || of_user("CreateLoginProfile", "ops");
    let user = || vec![made_user()];
    let stale = vec![made_user(), key_made("ops", "K1"), key("Inactive")];
    vec![
        (vec![], moved("r-1", "ou-1"), moved("ou-1", "r-1")),
        (vec![], moved("r-1", "ou-1"), moved("ou-1", "ou-2")),
        (vec![], held(), of_profile("RemoveRoleFromInstanceProfile")),
        (vec![profile("CreateInstanceProfile")], held(), profile("DeleteInstanceProfile")),
        (user(), key_made("ops", "K1"), of_key("DeleteAccessKey", "ops", "K1", "")),
        (stale, key("Active"), key("Inactive")),
        (user(), login(), of_user("DeleteLoginProfile", "ops")),
        (user(), login(), of_user("DeleteUser", "ops")),
    ]
}

fn moves() -> Vec<Story> {
    [of_people(), of_things()].concat()
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

/// Checks that of calls, one a minute from 10 on, the move of minute `watched` is not closed.
#[track_caller]
fn stays_open(why: &str, watched: i64, calls: Vec<Call>) {
    let calls: Vec<(i64, Call)> = (10..).zip(calls).collect();
    let mut house = House::of(&calls);
    let closed = house.closed();
    assert!(closed.iter().all(|(made, ..)| *made != watched), "{why}: {closed:?}");
    let mut remembered = house.drift.ledger().remembered();
    let is_it = |id: &ChangeId| id.0 == START.plus(Span(watched * 60));
    assert!(remembered.any(|(id, made)| is_it(id) && made.stands()), "{why}");
}

#[test]
fn what_stands_still_is_not_closed() {
    let create = |sort: &str, id: &str| assignment("CreateAccountAssignment", SET, sort, id);
    let delete = |sort: &str, id: &str| assignment("DeleteAccountAssignment", SET, sort, id);
    let join = joined;
    let calls = vec![join("g-1", "u-1", "m-1"), join("g-1", "u-2", "m-2"), left("m-2")];
    stays_open("another person left", 10, calls);
    stays_open("nobody knows whose it was", 10, vec![join("g-1", "u-1", "m-1"), left("m-9")]);
    let calls = vec![join("g-1", "u-1", "m-1"), join("g-2", "u-1", "m-2"), left("m-2")];
    stays_open("another group was left", 10, calls);
    let calls = vec![create("USER", "u-1"), create("USER", "u-2"), delete("USER", "u-2")];
    stays_open("another person's was taken", 10, calls);
    let calls = vec![create("USER", "u-1"), create("GROUP", "u-1"), delete("GROUP", "u-1")];
    stays_open("a group's was taken", 10, calls);
    let own = create("USER", "u-1");
    let calls =
        vec![own.clone(), create("GROUP", "g-1"), join("g-1", "u-1", "m"), delete("USER", "u-1")];
    stays_open("he has it by a group since", 10, calls);
    let calls = vec![create("GROUP", "g-1"), join("g-1", "u-1", "m"), own, left("m")];
    stays_open("he has it himself since", 11, calls);
}

#[test]
fn what_is_not_known_to_be_over_is_not_closed() {
    let removed = json!({"accountId": ACCOUNT});
    let removed = call("organizations", "RemoveAccountFromOrganization", removed);
    let calls = vec![moved("r-1", "ou-1"), removed];
    stays_open("the account left the organisation", 10, calls);
    let renamed = call("iam", "UpdateUser", json!({"userName": "ops", "newUserName": "ops2"}));
    let calls = vec![made_user(), key_made("ops", "K1"), renamed];
    stays_open("the user has another name", 11, calls);
    let back = || of_key("DeleteAccessKey", "ops", "K1", "");
    let calls = vec![made_user(), key_made("ops", "K1"), key_made("ops", "K2"), back()];
    stays_open("another key works", 11, calls);
    let login = of_user("CreateLoginProfile", "ops");
    stays_open(
        "it has a password by now",
        11,
        vec![made_user(), key_made("ops", "K1"), login, back()],
    );
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
