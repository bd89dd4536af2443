//! Standing privilege that somebody comes to by being moved: told at once, in one alert, and not again by the inventory.

use grantwatch::store::Reader;
use serde_json::Value;
use serde_json::json;

use crate::originals;
use crate::standing::HOME;
use crate::standing::Stage;
use crate::standing::snapshot;

const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1/ps-1";
const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-1";
const MADE: &str = "standing_permissions_made 1 open";
const RESOLVED: &str = "standing_permissions_made 1 resolved";

/// The first inventories and, of Identity Center, a set of administrators that a pipeline made.
fn begun(snapshot: &Value) -> Stage {
    let mut stage = Stage::of(snapshot).told("1 08:00 bob GetUser \n 1 12:00 bob GetUser");
    let set = json!({"permissionSet": {"permissionSetArn": SET, "name": "Keys"}});
    let pipeline = |clock| ("1", clock, "ci-deploy");
    stage.call(pipeline("12:01"), ("sso", "CreatePermissionSet"), json!({"name": "Keys"}), set);
    let inline = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "lambda:AddPermission", "Resource": "*"},
    ]});
    let asked = json!({"instanceArn": INSTANCE, "permissionSetArn": SET, "inlinePolicy": inline.to_string()});
    stage.call(pipeline("12:02"), ("sso", "PutInlinePolicyToPermissionSet"), asked, Value::Null);
    stage
}

fn assign(stage: &mut Stage, at: (&str, &str, &str), sort: &str, id: &str) {
    assignment(stage, at, "CreateAccountAssignment", (sort, id));
}

fn assignment(stage: &mut Stage, at: (&str, &str, &str), call: &str, (sort, id): (&str, &str)) {
    let asked = json!({
        "instanceArn": INSTANCE, "targetId": HOME, "targetType": "AWS_ACCOUNT", "permissionSetArn": SET,
        "principalType": sort, "principalId": id,
    });
    stage.call(at, ("sso", call), asked, Value::Null);
}

/// What was told at the end of the day after, and that no restart tells more.
fn a_day_later(stage: Stage) -> Stage {
    stage.told(
        "1 20:00 bob GetUser \n restart \n 2 08:00 bob GetUser \n 2 20:00 bob GetUser \n restart \n 3 08:00 bob GetUser",
    )
}

#[test]
fn an_assignment_by_hand_is_told_at_once_and_not_again() {
    let mut stage = begun(&snapshot());
    assign(&mut stage, ("1", "13:00", "bob"), "USER", "u-1");
    assert_eq!(stage.names(), [MADE]);
    let alert = &stage.alerts()[0];
    for said in
        ["111122223333/bob changed", "USER/u-1 can take 1 protected", "lambda:AddPermission"]
    {
        assert!(alert.story.contains(said), "{said}: {}", alert.story);
    }
    let undo = format!(
        "aws sso-admin delete-account-assignment --instance-arn {INSTANCE} --target-type AWS_ACCOUNT --target-id {HOME} \
         --permission-set-arn {SET} --principal-type USER --principal-id u-1"
    );
    assert!(alert.respond.iter().any(|it| it.contains(&undo)), "{:?}", alert.respond);
    assert_eq!(a_day_later(stage).names(), [MADE]);
}

#[test]
fn an_assignment_that_is_taken_back_is_resolved_and_stays_so() {
    for between in ["", "restart"] {
        let mut stage = begun(&snapshot());
        assign(&mut stage, ("1", "13:00", "bob"), "USER", "u-1");
        assign(&mut stage, ("1", "13:01", "ci-deploy"), "USER", "u-2");
        let mut stage = stage.told(between);
        let delete = "DeleteAccountAssignment";
        assignment(&mut stage, ("1", "13:02", "ci-deploy"), delete, ("USER", "u-2"));
        assert_eq!(stage.names(), [MADE], "another person's");
        assignment(&mut stage, ("1", "13:05", "ci-deploy"), delete, ("USER", "u-1"));
        assert_eq!(stage.names(), [RESOLVED], "{between}");
        let why = stage.alerts()[0].reason.clone().unwrap().text;
        assert!(why.starts_with("taken back by workload:") && why.contains("13:05:00Z"), "{why}");
        // The verdict on the call is known only later, and the inventory finds nobody.
        let stage = a_day_later(stage);
        assert_eq!(stage.names(), [RESOLVED], "{between}");
        assert_eq!(stage.alerts()[0].revision, 2, "told once, resolved once");
    }
}

#[test]
fn an_assignment_that_is_taken_back_while_a_group_gives_the_same_stays_open() {
    let mut stage = begun(&snapshot());
    assign(&mut stage, ("1", "13:00", "bob"), "USER", "u-1");
    assign(&mut stage, ("1", "13:01", "ci-deploy"), "GROUP", "g-1");
    let asked = json!({"identityStoreId": "d-1", "groupId": "g-1", "memberId": {"userId": "u-1"}});
    let answered = json!({"membershipId": "m-1", "identityStoreId": "d-1"});
    let create = ("identitystore", "CreateGroupMembership");
    stage.call(("1", "13:02", "ci-deploy"), create, asked, answered);
    let delete = "DeleteAccountAssignment";
    assignment(&mut stage, ("1", "13:03", "bob"), delete, ("USER", "u-1"));
    assert_eq!(stage.names(), [MADE]);
    let mut stage = stage.told("restart");
    let asked = json!({"identityStoreId": "d-1", "membershipId": "m-1"});
    let delete = ("identitystore", "DeleteGroupMembership");
    stage.call(("1", "13:04", "ci-deploy"), delete, asked, Value::Null);
    assert_eq!(a_day_later(stage).names(), [RESOLVED]);
}

#[test]
fn an_assignment_that_a_pipeline_makes_or_a_grant_ends_is_not_told_at_once() {
    let mut stage = begun(&snapshot());
    assign(&mut stage, ("1", "13:00", "ci-deploy"), "USER", "u-1");
    assert_eq!(stage.names(), [""; 0]);
    // The grant of ana is for a set of another name; one for this set ends what she has.
    let mut stage = begun(&snapshot());
    stage.grant_of("1", "Keys");
    assign(&mut stage, ("1", "13:00", "bob"), "USER", "u-ana");
    assert_eq!(stage.names(), [""; 0]);
    let mut stage = begun(&snapshot()).told("grant 1");
    assign(&mut stage, ("1", "13:00", "bob"), "USER", "u-ana");
    assert_eq!(stage.names(), [MADE]);
}

#[test]
fn a_place_in_a_group_of_the_directory_is_told_at_once_whoever_writes_it() {
    let membership =
        json!({"identityStoreId": "d-1", "groupId": "g-1", "memberId": {"userId": "u-2"}});
    let answered = json!({"membershipId": "m-1", "identityStoreId": "d-1"});
    let mut stage = begun(&snapshot());
    assign(&mut stage, ("1", "12:30", "ci-deploy"), "GROUP", "g-1");
    let call = ("identitystore", "CreateGroupMembership");
    stage.call(("1", "13:00", "bob"), call, membership, answered);
    assert_eq!(stage.names(), [MADE]);
    let alert = &stage.alerts()[0];
    assert!(alert.story.contains("USER/u-2 can take 1 "), "{}", alert.story);
    let undo =
        "aws identitystore delete-group-membership --identity-store-id d-1 --membership-id m-1";
    assert!(alert.respond.iter().any(|it| it.contains(undo)), "{:?}", alert.respond);
    // Many at once are one alert.
    let members: Vec<Value> =
        (0..30).map(|number| json!({"value": format!("u-{number}")})).collect();
    let asked = json!({"id": "g-1", "httpBody": {"operations": [{"op": "add", "path": "members", "value": members}]}});
    let mut stage = begun(&snapshot());
    assign(&mut stage, ("1", "12:30", "ci-deploy"), "GROUP", "g-1");
    stage.call(("1", "13:00", "bob"), ("identitystore-scim", "PatchGroup"), asked, Value::Null);
    assert_eq!(stage.names(), [MADE]);
    let story = &stage.alerts()[0].story;
    assert!(
        story.contains("GROUP/g-1; since then USER/u-0, ") && story.contains(" and 18 more can"),
        "{story}"
    );
}

#[test]
fn a_trust_by_which_somebody_comes_to_a_strong_role_is_told_with_who_gains() {
    let mut stage = Stage::new().told(
        "1 08:00 bob GetUser \n 1 12:00 bob GetUser \n 1 12:10 ci-deploy permits role/Deploy",
    );
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{HOME}:role/Build")}, "Action": "sts:AssumeRole",
    }]});
    let asked = json!({"roleName": "Deploy", "policyDocument": trust.to_string()});
    stage.call(("1", "13:00", "bob"), ("iam", "UpdateAssumeRolePolicy"), asked, Value::Null);
    let told = |stage: &Stage| {
        let all = originals::alerts(&Reader::open(&stage.store()).unwrap());
        all.into_iter().filter(|it| it.detector == "trust_widened").collect::<Vec<_>>()
    };
    let [alert] = &told(&stage)[..] else { panic!("{:?}", stage.names()) };
    let said =
        format!("since then arn:aws:iam::{HOME}:role/Build can take 1 protected actions more");
    assert!(alert.story.contains(&said), "{}", alert.story);
    // Bob may take Build, and by that Deploy: the inventory knows by which change, and that it was told.
    let stage = a_day_later(stage);
    assert_eq!((stage.names(), told(&stage).len()), (Vec::<String>::new(), 1));
}

/// An organisation with a unit that holds back what its account's roles and user may do, and two that do not.
fn organised() -> Stage {
    let mut stands = snapshot();
    let all: Value = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let none: Value = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "lambda:*", "Resource": "*"}]});
    let keys = json!({"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "lambda:AddPermission", "Resource": "*"},
    ]}});
    for role in stands["RoleDetailList"].as_array_mut().unwrap() {
        role["RolePolicyList"] = json!([keys]);
    }
    let mut stage = Stage::of(&stands);
    let by = |clock| ("1", clock, "ci-deploy");
    for (clock, id, kind, content) in [
        ("07:00", "p-all", "SERVICE_CONTROL_POLICY", &all),
        ("07:01", "p-none", "SERVICE_CONTROL_POLICY", &none),
    ] {
        let asked = json!({"name": id, "type": kind, "content": content.to_string()});
        let answered = json!({"policy": {"policySummary": {"id": id, "type": kind}}});
        stage.call(by(clock), ("organizations", "CreatePolicy"), asked, answered);
    }
    let units = [("07:02", "ou-held"), ("07:03", "ou-free"), ("07:04", "ou-wild")];
    for (clock, unit) in units {
        let answered = json!({"organizationalUnit": {"id": unit}});
        let asked = json!({"parentId": "r-1", "name": unit});
        stage.call(by(clock), ("organizations", "CreateOrganizationalUnit"), asked, answered);
    }
    let attached = [
        ("07:10", "r-1", "p-all"),
        ("07:11", "ou-held", "p-all"),
        ("07:12", "ou-free", "p-all"),
        ("07:12", "ou-wild", "p-all"),
        ("07:13", HOME, "p-all"),
        ("07:14", "ou-held", "p-none"),
    ];
    for (clock, target, policy) in attached {
        let asked = json!({"policyId": policy, "targetId": target});
        stage.call(by(clock), ("organizations", "AttachPolicy"), asked, Value::Null);
    }
    stage
}

#[test]
fn an_account_that_is_moved_from_under_a_guardrail_is_one_alert_and_its_undoing() {
    let mut stage = organised();
    let by = |clock| ("1", clock, "ci-deploy");
    let moved = |from: &str, to: &str| json!({"accountId": HOME, "sourceParentId": from, "destinationParentId": to});
    stage.call(by("07:20"), ("organizations", "MoveAccount"), moved("r-1", "ou-held"), Value::Null);
    let mut stage = stage.told("1 08:00 bob GetUser \n 1 12:00 bob GetUser");
    assert_eq!(stage.names(), [""; 0]);
    stage.call(
        ("1", "13:00", "bob"),
        ("organizations", "MoveAccount"),
        moved("ou-held", "ou-free"),
        Value::Null,
    );
    assert_eq!(stage.names(), [MADE]);
    let alert = &stage.alerts()[0];
    for said in ["role/Build", "role/Deploy", "user/bob", "lambda:AddPermission"] {
        assert!(alert.story.contains(said), "{said}: {}", alert.story);
    }
    let undo = format!(
        "aws organizations move-account --account-id {HOME} --source-parent-id ou-free --destination-parent-id ou-held"
    );
    assert!(alert.respond.iter().any(|it| it.contains(&undo)), "{:?}", alert.respond);
    // In a third unit nothing holds them back either; where it was something does.
    let on = |stage: &mut Stage, clock: &str, from: &str, to: &str| {
        let call = ("organizations", "MoveAccount");
        stage.call(("1", clock, "ci-deploy"), call, moved(from, to), Value::Null);
    };
    on(&mut stage, "14:00", "ou-free", "ou-wild");
    assert_eq!(stage.names(), [MADE]);
    let mut stage = stage.told("restart");
    on(&mut stage, "15:00", "ou-wild", "ou-held");
    assert_eq!(stage.names(), [RESOLVED]);
    assert_eq!(a_day_later(stage).names(), [RESOLVED]);
}
