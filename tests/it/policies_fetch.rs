//! `policies fetch` against a server's own IAM: what it writes is what the server holds, and what it may not read is named.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;
use std::sync::Mutex;
use std::sync::mpsc;

use grantwatch::iam::policy::Text;
use grantwatch::iam::snapshot;
use serde_json::Value;
use serde_json::json;

use crate::files;
use crate::outside::aws::ACCOUNT;
use crate::outside::aws::Aws;
use crate::outside::aws::REGION;
use crate::outside::daemon::House;
use crate::outside::moto::Enforced;
use crate::outside::moto::Moto;
use crate::outside::permissions;
use crate::outside::proxy::Fate;
use crate::outside::proxy::Proxy;
use crate::policy_history::VERSION;
use crate::policy_history::comparable;
use crate::policy_history::read_back;
use crate::readings_services;

const POLICY: &str = "deploy/iam-policy-fetch.json";
const EXTERNAL_ID: &str = "grantwatch-of-these-tests";

fn document(action: &str, resource: &str) -> String {
    let statement = json!([{"Effect": "Allow", "Action": action, "Resource": resource}]);
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

/// Fills the account; returns the ARN of a bucket and a queue that have policies.
fn filled(aws: Aws) -> (String, String) {
    let call = |action: &str, parameters: &[(&str, &str)]| {
        aws.query("iam", VERSION, &[&[("Action", action)], parameters].concat());
    };
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}}]})
    .to_string();
    let (read, all) = (document("s3:GetObject", "arn:aws:s3:::a/50%/*"), document("*", "*"));
    let own = format!("arn:aws:iam::{ACCOUNT}:policy/own");
    call("CreatePolicy", &[("PolicyName", "own"), ("PolicyDocument", &read)]);
    let version = [("PolicyArn", &*own), ("PolicyDocument", &*all), ("SetAsDefault", "true")];
    call("CreatePolicyVersion", &version);
    call("CreateGroup", &[("GroupName", "ops")]);
    call("AttachGroupPolicy", &[("GroupName", "ops"), ("PolicyArn", &own)]);
    for number in 0..30 {
        let name = format!("user-{number}");
        call("CreateUser", &[("UserName", &name), ("Path", "/team/")]);
        let put = [("UserName", &*name), ("PolicyName", "p"), ("PolicyDocument", &*read)];
        call("PutUserPolicy", &put);
    }
    call("AddUserToGroup", &[("GroupName", "ops"), ("UserName", "user-7")]);
    call("CreateAccessKey", &[("UserName", "user-7")]);
    call("CreateLoginProfile", &[("UserName", "user-7"), ("Password", "a-Long-one-7")]);
    let tag = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "a b")];
    let role = [("RoleName", "app"), ("AssumeRolePolicyDocument", &*trust)];
    call("CreateRole", &[&role[..], &tag].concat());
    call("PutRolePolicy", &[("RoleName", "app"), ("PolicyName", "p"), ("PolicyDocument", &read)]);
    call("PutRolePermissionsBoundary", &[("RoleName", "app"), ("PermissionsBoundary", &own)]);
    call("CreateInstanceProfile", &[("InstanceProfileName", "app")]);
    call("AddRoleToInstanceProfile", &[("InstanceProfileName", "app"), ("RoleName", "app")]);
    let public = |arn: &str, action: &str| {
        let statement =
            json!([{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn}]);
        json!({"Version": "2012-10-17", "Statement": statement})
    };
    let (bucket, _without) = (aws.bucket(), aws.bucket());
    let arn = format!("arn:aws:s3:::{}", bucket.name);
    bucket.put_policy(&public(&format!("{arn}/*"), "s3:GetObject"));
    let (queue, _without) = (aws.queue(3), aws.queue(3));
    let policy = public(&queue.arn, "sqs:SendMessage").to_string();
    let set = json!({"QueueUrl": queue.url, "Attributes": {"Policy": policy}});
    aws.json("sqs", "AmazonSQS.SetQueueAttributes", &set);
    (arn, queue.arn)
}

fn fetch(house: &House, more: &[&str]) -> Output {
    house.command(&[&["policies", "fetch"], more].concat()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn well(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn what_is_fetched_reads_back_as_what_the_server_holds() {
    let server = Moto::start();
    let aws = server.aws();
    let (bucket, queue) = filled(aws);
    let mut house = House::new();
    house.set("AWS_ENDPOINT_URL", &aws.url());
    let said = well(&fetch(&house, &["--users", "--buckets", "--queues", REGION]));
    for word in [ACCOUNT, "30", "1 of 2", "1 of 4", "snapshot/123456789012.json"] {
        assert!(said.contains(word), "no {word} in\n{said}");
    }
    let read = snapshot::read(&[house.path("snapshot")]).unwrap();
    assert!(read.taken.contains_key(ACCOUNT));
    let account = &read.state.accounts[ACCOUNT];
    let user = &account.users["user-7"];
    assert_eq!((user.has_password, user.has_mfa, user.keys.len()), (Some(true), Some(false), 1));
    assert_eq!(account.users["user-8"].has_password, Some(false));
    let arns: BTreeSet<&str> = account.resources.keys().map(|arn| &**arn).collect();
    assert_eq!(arns, [&*bucket, &*queue].into());
    assert!(account.resources.values().all(|text| matches!(text, Text::Known(_))));
    let mut fetched = comparable(&read.state);
    fetched.resources.clear();
    assert_eq!(fetched, comparable(&read_back(aws)));

    // What reads snapshots reads this one.
    let user = format!("arn:aws:iam::{ACCOUNT}:user/team/user-7");
    let asked = ["policies", "allowed", "--snapshot", "snapshot", "--principal", &user];
    let more = ["--action", "iam:CreateUser"];
    let said = well(&house.command(&[&asked[..], &more].concat()).output().unwrap());
    assert!(said.starts_with("allowed"), "{said}");
    let standing = house.command(&["standing", "--snapshot", "snapshot"]).output().unwrap();
    let said = text(&standing.stdout);
    assert!(said.contains("user-7") && !said.contains("user-8"), "{said}");
    fs::create_dir(house.path("logs")).unwrap();
    well(&house.command(&["scan", "logs", "--policies", "snapshot"]).output().unwrap());
}

#[test]
fn the_shipped_policy_is_enough_and_what_is_missing_is_named() {
    let server = Moto::start();
    let aws = server.aws();
    filled(aws);
    readings_services::things(aws);
    let whole = shipped();
    permissions::role(aws, "reader", "nobody", EXTERNAL_ID, &whole);
    let keys = permissions::user(aws, "nobody", "reader");
    let mut house = House::new();
    house.set("AWS_ACCESS_KEY_ID", &keys.id);
    house.set("AWS_SECRET_ACCESS_KEY", &keys.secret);
    let role = permissions::arn("role", "reader");
    let proxy = checking(aws);
    let fetch = fetch_as(&house, &proxy.url(), &role);
    server.enforce_permissions(Enforced::FromNowOn);
    well(&fetch(&[]));
    let path = house.path("snapshot/123456789012.json");
    let first = fs::read_to_string(&path).unwrap();
    let resources = house.path("snapshot/123456789012-resources.json");
    let all = fs::read_to_string(&resources).unwrap();
    for (action, is_needed) in [
        ("iam:GetAccountAuthorizationDetails", true),
        ("iam:ListAccessKeys", false),
        ("s3:ListAllMyBuckets", false),
        ("sqs:ListQueues", false),
        ("kms:ListKeys", false),
        ("sns:ListTopics", false),
        ("secretsmanager:ListSecrets", false),
        ("ecr:DescribeRepositories", false),
        ("organizations:ListPolicies", false),
        ("sso:ListPermissionSets", false),
    ] {
        server.enforce_permissions(Enforced::No);
        permissions::change(aws, "reader", &without(&whole, action));
        server.enforce_permissions(Enforced::FromNowOn);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "old").unwrap();
        let output = fetch(&[]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{action}: {said}");
        assert!(said.contains(&format!("the permission {action} is missing")), "{said}");
        let now = fs::read_to_string(&path).unwrap();
        assert_eq!(now == "old", is_needed, "{action}");
        let is_all = fs::read_to_string(&resources).unwrap() == all;
        let is_beside = ["iam:", "organizations:", "sso:"].iter().any(|it| action.starts_with(it));
        assert_eq!(is_all, is_beside, "{action}");
    }
    assert!(first.contains("\"AccessKeyId\""));
    server.enforce_permissions(Enforced::No);
    permissions::change(aws, "reader", &whole);
    server.enforce_permissions(Enforced::FromNowOn);
    // A role that is not given is told, and the other is read all the same.
    let other = role.replace("reader", "other");
    let output = fetch(&["--role", &other]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("could not get credentials for {other}")), "{said}");
    assert!(fs::read_to_string(&path).unwrap().contains("user-29"));
    // Of one account twice, the second is refused.
    let said = text(&fetch(&["--role", &role]).stderr);
    assert!(said.contains("was read by another role already"), "{said}");
}

/// Returns the server behind one that knows a call which it does not: it answers as where there is no boundary.
fn knowing(aws: Aws, mut script: impl FnMut(&str) -> Fate + Send + 'static) -> Proxy {
    Proxy::before(aws, move |action| match action {
        "GetPermissionsBoundaryForPermissionSet" => Fate::Fail(400, "ResourceNotFoundException"),
        _ => script(action),
    })
}

/// Returns the server for a story in which it checks permissions: no request of Lambda's is rightly signed to it then, not those
/// of AWS's own tools either.
fn checking(aws: Aws) -> Proxy {
    knowing(aws, |action| match action {
        "ListFunctions" => Fate::Answer(r#"{"Functions": []}"#),
        _ => Fate::Pass,
    })
}

fn fetch_as<'a>(house: &'a House, url: &str, role: &str) -> impl Fn(&[&str]) -> Output + 'a {
    let (url, role) = (url.to_owned(), role.to_owned());
    move |more| {
        let named = ["--role", &role, "--external-id", EXTERNAL_ID, "--endpoint-url", &url];
        let asked = [
            "--users",
            "--buckets",
            "--queues",
            REGION,
            "--resources",
            REGION,
            "--organization",
            "--identity-center",
            REGION,
        ];
        fetch(house, &[&named[..], &asked, more].concat())
    }
}

/// Returns the shipped policy, for everything: the server checks no call of IAM or SQS by what it is about.
fn shipped() -> Value {
    let mut policy: Value = serde_json::from_str(&files::text(POLICY)).unwrap();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Resource"] = json!("*");
    }
    policy
}

/// Returns `policy` without one action.
fn without(policy: &Value, action: &str) -> Value {
    let text = policy.to_string();
    let quoted = format!("\"{action}\"");
    assert!(text.contains(&quoted), "the policy does not grant {action}");
    serde_json::from_str(&text.replace(&quoted, "\"sts:GetCallerIdentity\"")).unwrap()
}

#[test]
fn what_is_throttled_is_asked_again() {
    let server = Moto::start();
    let aws = server.aws();
    filled(aws);
    let calls = Mutex::new(0);
    let proxy = Proxy::before(aws, move |action| {
        let mut calls = calls.lock().unwrap();
        *calls += usize::from(action == "GetAccountAuthorizationDetails");
        match action {
            "GetAccountAuthorizationDetails" if *calls <= 2 => Fate::Fail(400, "Throttling"),
            "GetBucketPolicy" => Fate::Fail(403, "AccessDenied"),
            _ => Fate::Pass,
        }
    });
    let house = House::new();
    let output = fetch(&house, &["--buckets", "--endpoint-url", &proxy.url()]);
    let said = text(&output.stderr);
    assert_eq!(proxy.count("GetAccountAuthorizationDetails"), 3);
    assert_eq!((proxy.count("GetBucketPolicy"), output.status.code()), (2, Some(1)), "{said}");
    let missing = format!("account {ACCOUNT}: the permission s3:GetBucketPolicy is missing about ");
    assert!(said.starts_with(&missing), "{said}");
    let read = snapshot::read(&[house.path("snapshot")]).unwrap();
    assert_eq!(read.state.accounts[ACCOUNT].users.len(), 30);
}

#[test]
fn a_kill_in_the_middle_leaves_the_old_snapshot() {
    let server = Moto::start();
    let aws = server.aws();
    filled(aws);
    let house = House::new();
    well(&fetch(&house, &["--buckets", "--endpoint-url", &aws.url()]));
    let path = house.path("snapshot/123456789012.json");
    let old = fs::read_to_string(&path).unwrap();
    aws.query("iam", VERSION, &[("Action", "CreateUser"), ("UserName", "later")]);
    let (reached, at_the_call) = mpsc::sync_channel(8);
    let (release, held) = mpsc::sync_channel::<()>(1);
    let proxy = Proxy::before(aws, move |action| match action {
        "GetBucketPolicy" => {
            reached.send(()).unwrap_or_default();
            // Nobody answers before the program was killed.
            held.recv().unwrap_or_default();
            Fate::Lose
        }
        _ => Fate::Pass,
    });
    let url = proxy.url();
    let asked = ["policies", "fetch", "--buckets", "--endpoint-url", &url];
    let mut process = house.command(&asked).spawn().unwrap();
    at_the_call.recv().unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    drop(release);
    assert_eq!(fs::read_to_string(&path).unwrap(), old);
    let read = snapshot::read(&[house.path("snapshot")]).unwrap();
    assert!(!read.state.accounts[ACCOUNT].users.contains_key("later"));
}

/// What is made above the account, by its names.
struct Above {
    root: String,
    unit: String,
    group: String,
    user: String,
}

/// Makes a unit that a policy of the organisation is attached to, and a group with a user that a permission set is assigned to.
fn above(aws: Aws, control: &str, set: &str) -> Above {
    let organizations = |name: &str, input: &Value| {
        aws.json("organizations", &format!("AWSOrganizationsV20161128.{name}"), input)
    };
    let root =
        organizations("ListRoots", &json!({}))["Roots"][0]["Id"].as_str().unwrap().to_owned();
    let unit = json!({"ParentId": root, "Name": "Workloads"});
    let unit = organizations("CreateOrganizationalUnit", &unit);
    let unit = unit["OrganizationalUnit"]["Id"].as_str().unwrap();
    organizations("AttachPolicy", &json!({"PolicyId": control, "TargetId": unit}));
    let center =
        |name: &str, input: &Value| aws.json("sso", &format!("SWBExternalService.{name}"), input);
    let instances = center("ListInstances", &json!({}));
    let (instance, store) =
        (&instances["Instances"][0]["InstanceArn"], &instances["Instances"][0]["IdentityStoreId"]);
    let directory = |name: &str, input: &Value| {
        aws.json("identitystore", &format!("AWSIdentityStore.{name}"), input)
    };
    let group = directory("CreateGroup", &json!({"IdentityStoreId": store, "DisplayName": "ops"}));
    let name = json!({"GivenName": "Ana", "FamilyName": "A"});
    let user =
        json!({"IdentityStoreId": store, "UserName": "ana", "Name": name, "DisplayName": "Ana"});
    let user = directory("CreateUser", &user);
    let (group, user) = (group["GroupId"].as_str().unwrap(), user["UserId"].as_str().unwrap());
    let member = json!({"IdentityStoreId": store, "GroupId": group, "MemberId": {"UserId": user}});
    directory("CreateGroupMembership", &member);
    let given = json!({
        "InstanceArn": instance, "PermissionSetArn": set, "TargetId": ACCOUNT, "TargetType": "AWS_ACCOUNT",
        "PrincipalType": "GROUP", "PrincipalId": group,
    });
    center("CreateAccountAssignment", &given);
    center(
        "ProvisionPermissionSet",
        &json!({
            "InstanceArn": instance, "PermissionSetArn": set, "TargetId": ACCOUNT, "TargetType": "AWS_ACCOUNT",
        }),
    );
    Above { root, unit: unit.to_owned(), group: group.to_owned(), user: user.to_owned() }
}

/// What is asked for beside an account.
const BESIDE: [&str; 5] = ["--resources", REGION, "--organization", "--identity-center", REGION];

#[test]
fn what_is_beside_and_above_an_account_reads_back_as_what_the_server_holds() {
    let server = Moto::start();
    let aws = server.aws();
    filled(aws);
    let things = readings_services::things(aws);
    let (control, set) = (&things[5].target, &things[6].target);
    let Above { root, unit, group, user } = above(aws, control, set);
    let mut house = House::new();
    let proxy = knowing(aws, |_| Fate::Pass);
    house.set("AWS_ENDPOINT_URL", &proxy.url());
    let said = well(&fetch(&house, &BESIDE));
    assert!(said.contains("organization.json") && said.contains("identity-center.json"), "{said}");
    let read = snapshot::read(&[house.path("snapshot")]).unwrap();
    let resources = &read.state.accounts[ACCOUNT].resources;
    for thing in &things[..5] {
        assert!(matches!(resources[&*thing.target], Text::Known(_)), "{}", thing.target);
    }
    let organization = read.state.organization.as_ref().unwrap();
    assert_eq!(&*organization.management, ACCOUNT);
    assert!(matches!(organization.policies[&**control].text, Text::Known(_)));
    assert!(organization.attached[&*unit].contains(&**control));
    assert_eq!(&*organization.parents[&*unit], root);
    let center = &read.state.identity_center;
    let read_set = &center.sets[&**set];
    assert_eq!(&*read_set.name, "Ops");
    assert!(matches!(read_set.inline, Some(Text::Known(_))));
    assert!(read_set.boundary.is_none());
    assert!(
        center.assignments.iter().any(|it| &*it.account == ACCOUNT && *it.principal_id == *group)
    );
    assert!(center.members[&*group].contains(&*user));
}

#[test]
fn what_is_refused_beside_and_above_an_account_is_told_and_the_rest_is_read() {
    let server = Moto::start();
    let aws = server.aws();
    filled(aws);
    let things = readings_services::things(aws);
    let control = &things[5].target;
    let mut house = House::new();
    let proxy = knowing(aws, |action| match action {
        "GetKeyPolicy" | "DescribePolicy" => Fate::Fail(400, "AccessDeniedException"),
        "ListTopics" => Fate::Fail(403, "AuthorizationError"),
        "ListFunctions" => Fate::Fail(403, "AccessDeniedException"),
        _ => Fate::Pass,
    });
    house.set("AWS_ENDPOINT_URL", &proxy.url());
    let output = fetch(&house, &BESIDE);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for missing in [
        "kms:GetKeyPolicy",
        "sns:ListTopics",
        "lambda:ListFunctions",
        "organizations:DescribePolicy",
    ] {
        assert!(said.contains(&format!("the permission {missing} is missing")), "{said}");
    }
    let read = snapshot::read(&[house.path("snapshot")]).unwrap();
    let resources = &read.state.accounts[ACCOUNT].resources;
    assert!(matches!(resources[&*things[0].target], Text::Unknown(_)));
    assert!(!resources.contains_key(&*things[1].target));
    assert!(matches!(resources[&*things[3].target], Text::Known(_)));
    let organization = read.state.organization.as_ref().unwrap();
    assert!(matches!(organization.policies[&**control].text, Text::Unknown(_)));
}
