//! Ways by what resources' policies give, and without what resource control policies and several denying statements take.

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::State;
use crate::iam::holding::Holder;
use crate::iam::snapshot::Snapshot;
use crate::model::Seconds;

const NOW: Seconds = Seconds(1_767_225_600);
const DEV: &str = "arn:aws:iam::111122223333:role/dev";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:jobs";

fn statement(effect: &str, action: &str, resource: &Value) -> Value {
    json!({"Effect": effect, "Action": action, "Resource": resource})
}

fn role(name: &str, statements: &[Value], trust: &Value) -> Value {
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole",
    }});
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    json!({
        "Arn": format!("arn:aws:iam::111122223333:role/{name}"), "RoleName": name,
        "AssumeRolePolicyDocument": trust,
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": document}],
    })
}

/// An account with a role that holds `statements`, and an administrator that a function and the whole account may take.
fn state(statements: &[Value], others: &[Value]) -> State {
    let everything = [statement("Allow", "*", &json!("*"))];
    let taken = json!({"Service": "lambda.amazonaws.com", "AWS": "111122223333"});
    let nobody = json!({"Service": "ec2.amazonaws.com"});
    let roles = [role("dev", statements, &nobody), role("admin", &everything, &taken)];
    let mut snapshot = Snapshot::default();
    let account = json!({"Account": "111122223333", "RoleDetailList": roles});
    for file in [&account].into_iter().chain(others) {
        snapshot.take(file, "111122223333").unwrap();
    }
    snapshot.state
}

/// Returns the ways of the role, each with the keys that it rests on.
fn ways(state: &State) -> Vec<String> {
    let account = &state.accounts["111122223333"];
    let found = Everywhere::new(state, NOW).of(account, Holder::Role(&account.roles["dev"]));
    assert_eq!(&*found.holder, DEV);
    let shown = |open: Open| {
        let keys: Vec<&str> = open.path.conditions.iter().map(|it| &**it).collect();
        [&[open.path.id], &keys[..]].concat().join(" ")
    };
    found.ways.into_iter().map(shown).collect()
}

/// The policy of the function.
fn function(statements: &Value) -> Value {
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    json!({"Resources": [{"Arn": FUNCTION, "Policy": policy}]})
}

fn to(effect: &str, principal: &Value) -> Value {
    json!({"Effect": effect, "Principal": principal, "Action": "lambda:UpdateFunctionCode", "Resource": FUNCTION})
}

const CHANGED: &str = "lambda_update_code";

#[test]
fn a_function_that_only_its_own_policy_opens_is_a_way() {
    let given = |statements: &Value| ways(&state(&[], &[function(statements)]));
    assert_eq!(given(&json!([to("Allow", &json!({"AWS": DEV}))])), [CHANGED]);
    // An account that is named, another role, another action and nobody.
    assert_eq!(given(&json!([to("Allow", &json!({"AWS": "111122223333"}))])), [""; 0]);
    let other = json!({"AWS": "arn:aws:iam::111122223333:role/admin"});
    assert_eq!(given(&json!([to("Allow", &other)])), [""; 0]);
    let mut reading = to("Allow", &json!({"AWS": DEV}));
    reading["Action"] = json!("lambda:GetFunction");
    assert_eq!(given(&json!([reading])), [""; 0]);
    // Denied by the same policy to everybody, or to all but somebody else.
    let allowed = to("Allow", &json!({"AWS": DEV}));
    assert_eq!(given(&json!([&allowed, to("Deny", &json!("*"))])), [""; 0]);
    let mut but = to("Deny", &other);
    but["NotPrincipal"] = but["Principal"].take();
    but.as_object_mut().unwrap().remove("Principal");
    assert_eq!(given(&json!([&allowed, but])), [""; 0]);
}

#[test]
fn what_the_holder_is_denied_no_resource_gives_it() {
    let opened = function(&json!([to("Allow", &json!({"AWS": DEV}))]));
    let denied = statement("Deny", "lambda:*", &json!("*"));
    assert_eq!(ways(&state(&[denied], std::slice::from_ref(&opened))), [""; 0]);
    let mut bounded = state(&[], &[opened]);
    let account = bounded.accounts.get_mut("111122223333").unwrap();
    let reading = json!({"Account": "111122223333", "Policies": [{
        "Arn": "arn:aws:iam::111122223333:policy/bound", "DefaultVersionId": "v1",
        "PolicyVersionList": [{"VersionId": "v1", "Document": {
            "Version": "2012-10-17", "Statement": [statement("Allow", "s3:*", &json!("*"))],
        }}],
    }]});
    let mut snapshot = Snapshot::default();
    snapshot.take(&reading, "").unwrap();
    let policies = &snapshot.state.accounts["111122223333"].policies;
    account.policies.clone_from(policies);
    let dev = account.roles.get_mut("dev").unwrap();
    dev.entity.boundary = Some("arn:aws:iam::111122223333:policy/bound".into());
    assert_eq!(ways(&bounded), [""; 0]);
}

/// An organisation whose root has resource control policies of these statements.
fn guarded(at: &str, statements: &Value) -> Value {
    let policy = |id: &str, kind: &str, target: &str, statements: &Value| {
        json!({
            "PolicySummary": {"Id": id, "Name": id, "Type": kind},
            "Content": {"Version": "2012-10-17", "Statement": statements}, "Targets": [{"TargetId": target}],
        })
    };
    let (service, resource) = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY");
    let all = statement("Allow", "*", &json!("*"));
    json!({"Organization": {
        "MasterAccountId": "999999999999", "Parents": [{"Id": "111122223333", "ParentId": "r-1"}],
        "Policies": [
            policy("p-all", service, "r-1", &all), policy("p-own", service, "111122223333", &all),
            policy("p-guard", resource, at, statements),
        ],
    }})
}

#[test]
fn a_role_that_a_resource_control_policy_closes_is_no_target() {
    let taking = [statement("Allow", "sts:AssumeRole", &json!("*"))];
    let told = |at: &str, guard: Value| ways(&state(&taking, &[guarded(at, &json!([guard]))]));
    let deny = |condition: Value| json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Resource": "*", "Condition": condition});
    let no_condition = deny(json!({}));
    assert_eq!(told("444455556666", no_condition.clone()), ["sts_assume_role"]);
    assert_eq!(told("r-1", no_condition.clone()), [""; 0]);
    assert_eq!(told("111122223333", no_condition), [""; 0]);
    let service = json!({"Bool": {"aws:PrincipalIsAWSService": "true"}});
    assert_eq!(told("r-1", deny(service)), ["sts_assume_role"]);
    let stranger = json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}});
    assert_eq!(told("r-1", deny(stranger)), ["sts_assume_role aws:principalorgid"]);
}

#[test]
fn statements_that_deny_all_of_it_together_leave_nothing() {
    let users = |name: &str| json!(format!("arn:aws:iam::111122223333:user/{name}"));
    let allowed = statement("Allow", "iam:CreateLoginProfile", &users("*"));
    let but = |resource: &Value| json!({"Effect": "Deny", "Action": "iam:CreateLoginProfile", "NotResource": resource});
    let given = |statements: &[Value]| {
        let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        let document = crate::iam::Document::parse(&document, crate::iam::Kind::Identity).unwrap();
        paths_of(&document).into_iter().map(|path| path.id).collect::<Vec<_>>()
    };
    let denied = statement("Deny", "iam:CreateLoginProfile", &users("a-*"));
    let way = ["iam_create_login_profile"];
    assert_eq!(given(std::slice::from_ref(&allowed)), way);
    assert_eq!(given(&[allowed.clone(), denied.clone()]), way);
    assert_eq!(given(&[allowed.clone(), but(&users("a-*"))]), way);
    assert_eq!(given(&[allowed.clone(), but(&users("a-*")), denied.clone()]), [""; 0]);
    assert_eq!(given(&[denied, allowed.clone(), but(&users("a-*"))]), [""; 0]);
    assert_eq!(given(&[allowed, but(&users("a-*")), but(&users("b-*"))]), [""; 0]);
}
