//! What records leave out of policies of services that we have no SDK crate of, asked of a server's own by the daemon.
//!
//! The server knows each service's protocol by its own model: what it takes for a call, AWS does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use serde_json::Value;
use serde_json::json;

use crate::outside::aws::ACCOUNT;
use crate::outside::aws::Aws;
use crate::outside::aws::REGION;
use crate::outside::aws::between;
use crate::outside::moto::Moto;
use crate::outside::proxy::Fate;
use crate::outside::proxy::Proxy;
use crate::readings::Stage;

/// A thing with a policy, and a call that writes the policy and whose record leaves it out.
pub struct Thing {
    service: &'static str,
    event: &'static str,
    asked: Value,
    answered: Value,
    /// What the alert calls it, or the end of that.
    pub target: String,
    /// What is to be asked, as the permission is called.
    permission: &'static str,
}

fn arn(rest: &str) -> String {
    rest.replacen(":R:A:", &format!(":{REGION}:{ACCOUNT}:"), 1)
}

/// Returns a policy that lets everybody do something.
fn public(action: &str) -> String {
    let statement = json!([{"Sid": "open", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}]);
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

fn key(aws: Aws) -> Thing {
    let made = aws.json("kms", "TrentService.CreateKey", &json!({}));
    let id = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    let put = json!({"KeyId": id, "PolicyName": "default", "Policy": public("kms:*")});
    aws.json("kms", "TrentService.PutKeyPolicy", &put);
    of_key(id)
}

fn of_key(id: &str) -> Thing {
    Thing {
        service: "kms",
        event: "PutKeyPolicy",
        asked: json!({"keyId": id, "policyName": "default"}),
        answered: Value::Null,
        target: arn(&format!("arn:aws:kms:R:A:key/{id}")),
        permission: "kms:GetKeyPolicy",
    }
}

fn topic(aws: Aws) -> Thing {
    let version = "2010-03-31";
    aws.query("sns", version, &[("Action", "CreateTopic"), ("Name", "news")]);
    let thing = of_topic("news");
    let (topic, policy) = (thing.target.clone(), public("sns:Publish"));
    let set = [("TopicArn", &*topic), ("AttributeName", "Policy"), ("AttributeValue", &policy)];
    aws.query("sns", version, &[&[("Action", "SetTopicAttributes")], &set[..]].concat());
    thing
}

fn of_topic(name: &str) -> Thing {
    let target = arn(&format!("arn:aws:sns:R:A:{name}"));
    Thing {
        service: "sns",
        event: "SetTopicAttributes",
        asked: json!({"topicArn": target, "attributeName": "Policy"}),
        answered: Value::Null,
        target,
        permission: "sns:GetTopicAttributes",
    }
}

fn function(aws: Aws) -> Thing {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com"}}]})
    .to_string();
    let role = [("RoleName", "runs"), ("AssumeRolePolicyDocument", &*trust)];
    aws.query("iam", "2010-05-08", &[&[("Action", "CreateRole")], &role[..]].concat());
    let made = json!({
        "FunctionName": "shop", "Runtime": "python3.13", "Handler": "a.b", "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="},
        "Role": format!("arn:aws:iam::{ACCOUNT}:role/runs"),
    });
    aws.rest("lambda", "POST", "/2015-03-31/functions", &made);
    let open = json!({"StatementId": "open", "Action": "lambda:InvokeFunction", "Principal": "*"});
    aws.rest("lambda", "POST", "/2015-03-31/functions/shop/policy", &open);
    of_function("shop")
}

fn of_function(name: &str) -> Thing {
    Thing {
        service: "lambda",
        event: "AddPermission20150331v2",
        asked: json!({"functionName": name, "statementId": "open"}),
        answered: Value::Null,
        target: arn(&format!("arn:aws:lambda:R:A:function:{name}")),
        permission: "lambda:GetPolicy",
    }
}

fn secret(aws: Aws) -> Thing {
    let make = json!({"Name": "till", "SecretString": "x", "ClientRequestToken": "0".repeat(32)});
    let made = aws.json("secretsmanager", "secretsmanager.CreateSecret", &make);
    let id = made["ARN"].as_str().unwrap();
    let put = json!({"SecretId": id, "ResourcePolicy": public("secretsmanager:GetSecretValue")});
    aws.json("secretsmanager", "secretsmanager.PutResourcePolicy", &put);
    of_secret(id)
}

fn of_secret(id: &str) -> Thing {
    Thing {
        service: "secretsmanager",
        event: "PutResourcePolicy",
        asked: json!({"secretId": id}),
        answered: json!({"arn": id}),
        target: id.to_owned(),
        permission: "secretsmanager:GetResourcePolicy",
    }
}

fn repository(aws: Aws) -> Thing {
    let call = |name: &str, input: &Value| {
        aws.json("ecr", &format!("AmazonEC2ContainerRegistry_V20150921.{name}"), input);
    };
    call("CreateRepository", &json!({"repositoryName": "team/shop"}));
    let statement = json!([{"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}]);
    let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    call("SetRepositoryPolicy", &json!({"repositoryName": "team/shop", "policyText": policy}));
    of_repository("team/shop")
}

fn of_repository(name: &str) -> Thing {
    Thing {
        service: "ecr",
        event: "SetRepositoryPolicy",
        asked: json!({"repositoryName": name}),
        answered: Value::Null,
        target: arn(&format!("arn:aws:ecr:R:A:repository/{name}")),
        permission: "ecr:GetRepositoryPolicy",
    }
}

fn control(aws: Aws) -> Thing {
    let call = |name: &str, input: &Value| {
        aws.json("organizations", &format!("AWSOrganizationsV20161128.{name}"), input)
    };
    call("CreateOrganization", &json!({"FeatureSet": "ALL"}));
    let statement =
        json!([{"Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"}]);
    let content = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let made = json!({"Name": "stay", "Description": "", "Type": "SERVICE_CONTROL_POLICY", "Content": content});
    let made = call("CreatePolicy", &made);
    of_control(made["Policy"]["PolicySummary"]["Id"].as_str().unwrap())
}

fn of_control(id: &str) -> Thing {
    Thing {
        service: "organizations",
        event: "UpdatePolicy",
        asked: json!({"policyId": id, "content": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
        answered: Value::Null,
        target: id.to_owned(),
        permission: "organizations:DescribePolicy",
    }
}

fn set(aws: Aws) -> Thing {
    let call =
        |name: &str, input: &Value| aws.json("sso", &format!("SWBExternalService.{name}"), input);
    let instances = call("ListInstances", &json!({}));
    let instance = instances["Instances"][0]["InstanceArn"].as_str().unwrap();
    let made = call("CreatePermissionSet", &json!({"InstanceArn": instance, "Name": "Ops"}));
    let arn = made["PermissionSet"]["PermissionSetArn"].as_str().unwrap();
    let statement = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]);
    let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let put = json!({"InstanceArn": instance, "PermissionSetArn": arn, "InlinePolicy": policy});
    call("PutInlinePolicyToPermissionSet", &put);
    of_set(instance, arn)
}

fn of_set(instance: &str, arn: &str) -> Thing {
    Thing {
        service: "sso",
        event: "PutInlinePolicyToPermissionSet",
        asked: json!({"instanceArn": instance, "permissionSetArn": arn}),
        answered: Value::Null,
        target: arn.to_owned(),
        permission: "sso:GetInlinePolicyForPermissionSet",
    }
}

/// Makes a thing of each service: a key, a topic, a function, a secret, a repository, a policy of the organisation and a
/// permission set.
pub fn things(aws: Aws) -> Vec<Thing> {
    let makers: [fn(Aws) -> Thing; 7] = [key, topic, function, secret, repository, control, set];
    makers.iter().map(|make| make(aws)).collect()
}

fn is_about(target: &str) -> impl Fn(&Value) -> bool {
    move |alert| alert["facts"]["gw.policy.target"].as_str().is_some_and(|it| it.ends_with(target))
}

fn action(permission: &str) -> &str {
    permission.split_once(':').unwrap().1
}

fn told(stage: &Stage, things: &[Thing]) {
    for (number, thing) in (1..).zip(things) {
        stage.call_of(thing.service, thing.event, number, (&thing.asked, &thing.answered));
    }
}

#[test]
fn each_service_is_asked_for_what_a_record_leaves_out() {
    let server = Moto::start();
    let aws = server.aws();
    let things = things(aws);
    let stage = Stage::new(aws, &aws.url());
    let mut daemon = stage.house.run();
    told(&stage, &things);
    for thing in &things {
        let known = ("policy_unreadable", "resolved");
        let known = stage.alert_that(&mut daemon, known, is_about(&thing.target));
        assert_eq!(known["reason"]["kind"], "became_known", "{known:#}");
        if thing.service == "organizations" {
            // What forbids more makes nothing possible.
            continue;
        }
        let read = ("omitted_policy_read", "open");
        let read = stage.alert_that(&mut daemon, read, is_about(&thing.target));
        let worst = if thing.service == "sso" { "admin" } else { "public" };
        assert_eq!(read["facts"]["gw.policy.worst"], worst, "{read:#}");
    }
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    assert_eq!(stage.count("policy_reading_refused"), 0);
}

#[test]
fn what_is_throttled_or_lost_in_a_kill_is_asked_again() {
    let server = Moto::start();
    let aws = server.aws();
    let things = things(aws);
    let is_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_up);
    let calls: BTreeSet<&str> = things.iter().map(|thing| action(thing.permission)).collect();
    let mut throttled = BTreeSet::new();
    let proxy = Proxy::before(aws, move |action| match action {
        _ if !calls.contains(action) => Fate::Pass,
        _ if !seen.load(Ordering::SeqCst) => Fate::Lose,
        _ if throttled.insert(action.to_owned()) => Fate::Fail(400, "ThrottlingException"),
        _ => Fate::Pass,
    });
    let stage = Stage::new(aws, &proxy.url());
    let mut daemon = stage.house.run();
    told(&stage, &things);
    for thing in &things {
        let unknown = ("policy_unreadable", "open");
        stage.alert_that(&mut daemon, unknown, is_about(&thing.target));
    }
    daemon.await_that("a question", |_| {
        things.iter().any(|it| proxy.count(action(it.permission)) > 0)
    });
    daemon.kill();
    let before: Vec<usize> = things.iter().map(|it| proxy.count(action(it.permission))).collect();
    is_up.store(true, Ordering::SeqCst);
    let mut daemon = stage.house.run();
    for thing in &things {
        let known = ("policy_unreadable", "resolved");
        stage.alert_that(&mut daemon, known, is_about(&thing.target));
    }
    assert!(daemon.stop().0.success());
    for (thing, before) in things.iter().zip(before) {
        let name = thing.permission;
        assert_eq!(proxy.count(action(name)), before + 2, "{name} was throttled, then answered");
    }
}

#[test]
fn of_each_service_the_permission_that_is_missing_is_told() {
    let server = Moto::start();
    let aws = server.aws();
    let things = things(aws);
    let calls: BTreeSet<&str> = things.iter().map(|thing| action(thing.permission)).collect();
    let proxy = Proxy::before(aws, move |action| match action {
        // SNS has another word for it than the rest.
        "GetTopicAttributes" => Fate::Fail(403, "AuthorizationError"),
        _ if calls.contains(action) => Fate::Fail(400, "AccessDeniedException"),
        _ => Fate::Pass,
    });
    let stage = Stage::new(aws, &proxy.url());
    let mut daemon = stage.house.run();
    told(&stage, &things);
    for thing in &things {
        let missing = format!("the permission {} is missing", thing.permission);
        let refused = ("policy_reading_refused", "open");
        stage.alert_that(&mut daemon, refused, |alert| {
            alert["story"].as_str().is_some_and(|story| story.contains(&missing))
        });
    }
    assert!(daemon.stop().0.success());
    assert_eq!(stage.count("policy_reading_refused"), things.len());
}

#[test]
fn what_is_not_there_any_more_is_asked_for_once() {
    let server = Moto::start();
    let aws = server.aws();
    let of_server = things(aws);
    let calls: BTreeSet<&str> = of_server.iter().map(|thing| action(thing.permission)).collect();
    let asked: Vec<&str> = calls.iter().copied().collect();
    let proxy = Proxy::before(aws, |_| Fate::Pass);
    let stage = Stage::new(aws, &proxy.url());
    let set = &of_server[6].asked;
    let gone = [
        of_key("00000000-0000-4000-8000-000000000000"),
        of_topic("gone"),
        of_function("gone"),
        of_secret(&arn("arn:aws:secretsmanager:R:A:secret:gone-AbCdEf")),
        of_repository("gone"),
        of_control("p-gone1234"),
        of_set(set["instanceArn"].as_str().unwrap(), &format!("{}0", of_server[6].target)),
    ];
    let mut daemon = stage.house.run();
    told(&stage, &gone);
    for thing in &gone {
        let over = ("policy_unreadable", "resolved");
        let over = stage.alert_that(&mut daemon, over, is_about(&thing.target));
        assert_eq!(over["reason"]["kind"], "taken_back", "{over:#}");
        assert_eq!(proxy.count(action(thing.permission)), 1);
    }
    assert!(daemon.stop().0.success());
    assert_eq!(stage.count("policy_reading_refused"), 0);
    let before: Vec<usize> = asked.iter().map(|call| proxy.count(call)).collect();
    let mut daemon = stage.house.run();
    let read = ("omitted_policy_read", "open");
    stage.call_of("sns", "SetTopicAttributes", 101, (&of_server[1].asked, &Value::Null));
    stage.alert_that(&mut daemon, read, is_about(&of_server[1].target));
    assert!(daemon.stop().0.success());
    for (call, before) in asked.iter().zip(before) {
        let more = usize::from(*call == "GetTopicAttributes");
        assert_eq!(proxy.count(call), before + more, "{call}");
    }
}

#[test]
fn a_policy_that_is_attached_unread_in_the_organisation_is_read() {
    let server = Moto::start();
    let aws = server.aws();
    aws.query("iam", "2010-05-08", &[("Action", "CreateUser"), ("UserName", "ana")]);
    let stage = Stage::new(aws, &aws.url());
    let (policy, set) = (control(aws), set(aws));
    let mut daemon = stage.house.run();
    let made = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]);
    let document = json!({"Version": "2012-10-17", "Statement": made}).to_string();
    let create = [("Action", "CreatePolicy"), ("PolicyName", "all"), ("PolicyDocument", &document)];
    let made = aws.query("iam", "2010-05-08", &create);
    let managed = between(&made, "<Arn>", "</Arn>");
    let attach = json!({"permissionSetArn": set.target, "managedPolicyArn": managed});
    stage.call_of("sso", "AttachManagedPolicyToPermissionSet", 1, (&attach, &Value::Null));
    let read = ("omitted_policy_read", "open");
    let read = stage.alert_that(&mut daemon, read, is_about(&set.target));
    assert_eq!(read["facts"]["gw.policy.worst"], "admin", "{read:#}");
    // What the organisation forbids a whole unit is read, so that its end is known for what it is.
    let attach = json!({"policyId": policy.target, "targetId": "ou-abcd-12345678"});
    stage.call_of("organizations", "AttachPolicy", 2, (&attach, &Value::Null));
    // Questions are put one after the other: with the second answer the first one is in.
    let key = key(aws);
    stage.call_of("kms", "PutKeyPolicy", 3, (&key.asked, &Value::Null));
    stage.alert_that(&mut daemon, ("omitted_policy_read", "open"), is_about(&key.target));
    stage.call_of("organizations", "DetachPolicy", 600, (&attach, &Value::Null));
    let weaker = stage.alert_that(&mut daemon, ("guardrail_weakened", "open"), |_| true);
    let story = weaker["story"].as_str().unwrap().to_ascii_lowercase();
    assert!(story.contains("leaveorganization"), "{weaker:#}");
    assert!(daemon.stop().0.success());
}
