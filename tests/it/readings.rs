//! What records leave out of policies, asked of a server's own IAM by the daemon: it is told, once, whatever fails in between.
//!
//! Times are those of today, as what is read is read now.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use grantwatch::model::Seconds;
use serde_json::Value;
use serde_json::json;

use crate::outside::aws::ACCOUNT;
use crate::outside::aws::Aws;
use crate::outside::aws::REGION;
use crate::outside::daemon::Daemon;
use crate::outside::daemon::House;
use crate::outside::moto::Moto;
use crate::outside::proxy::Fate;
use crate::outside::proxy::Proxy;
use crate::outside::siem::Siem;
use crate::policy_history::VERSION;

/// A house that reads a folder of records and asks the IAM at some endpoint.
pub struct Stage {
    pub house: House,
    pub siem: Siem,
    pub now: i64,
}

impl Stage {
    /// Makes a house that begins with a snapshot of what `aws` has.
    pub fn new(aws: Aws, endpoint: &str) -> Self {
        let (siem, house) = (Siem::start(), House::new());
        fs::create_dir(house.path("logs")).unwrap();
        let fetch = ["policies", "fetch", "--endpoint-url", &aws.url()];
        assert!(house.command(&fetch).output().unwrap().status.success());
        let path = |name: &str| house.path(name).display().to_string();
        let (logs, snapshot) = (path("logs"), path("snapshot"));
        let house = house
            .with(&format!("[policies]\nsnapshots = [\"{snapshot}\"]\n"))
            .with(&format!("[policies.fetch]\nomitted = true\nendpoint_url = \"{endpoint}\"\n"))
            .with(&format!("[[source.folder]]\nname = \"logs\"\npath = \"{logs}\"\nwatch = true\n"))
            .telling(&siem.url(), "");
        Self { house, siem, now: now() }
    }

    /// Ana makes a call of IAM whose record says `asked`.
    fn call(&self, name: &str, number: i64, asked: &Value) {
        self.call_of("iam", name, number, (asked, &Value::Null));
    }

    /// Ana makes a call whose record says what was asked and answered.
    pub fn call_of(&self, service: &str, name: &str, number: i64, said: (&Value, &Value)) {
        let source = format!("{service}.amazonaws.com");
        let record = json!({
            "eventVersion": "1.11", "eventTime": Seconds(self.now + number).to_string(), "eventSource": source,
            "eventName": name, "awsRegion": REGION, "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2",
            "eventID": format!("{number}-{name}"), "eventType": "AwsApiCall", "recipientAccountId": ACCOUNT,
            "readOnly": false, "requestParameters": said.0, "responseElements": said.1,
            "userIdentity": {
                "type": "IAMUser", "principalId": "AIDAana", "arn": format!("arn:aws:iam::{ACCOUNT}:user/ana"),
                "accountId": ACCOUNT, "accessKeyId": "AKIAana", "userName": "ana",
            },
        });
        let (draft, path) = (self.house.path("draft"), format!("logs/{number}-{name}.json"));
        fs::write(&draft, json!({"Records": [record]}).to_string()).unwrap();
        fs::rename(&draft, self.house.path(&path)).unwrap();
    }

    /// Waits for an alert of a detector that has some status, and returns it.
    #[track_caller]
    fn alert(&self, daemon: &mut Daemon, detector: &str, status: &str) -> Value {
        self.alert_that(daemon, (detector, status), |_| true)
    }

    /// Waits for such an alert of which something holds, and returns it.
    #[track_caller]
    pub fn alert_that(
        &self,
        daemon: &mut Daemon,
        (detector, status): (&str, &str),
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let is_it = |alert: &Value| {
            alert["detector"] == detector && alert["status"] == status && holds(alert)
        };
        let found = || self.siem.taken().iter().map(|it| it.alert()).find(is_it);
        daemon.await_that(&format!("{status} {detector}"), |_| found().is_some());
        found().unwrap()
    }

    /// Returns how many alerts of a detector were told.
    pub fn count(&self, detector: &str) -> usize {
        self.siem.taken().iter().filter(|it| it.alert()["detector"] == detector).count()
    }
}

#[expect(clippy::disallowed_methods, reason = "the daemon asks now")]
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn document(action: &str) -> String {
    let statement = json!([{"Effect": "Allow", "Action": action, "Resource": "*"}]);
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

fn call(aws: Aws, action: &str, parameters: &[(&str, &str)]) {
    aws.query("iam", VERSION, &[&[("Action", action)], parameters].concat());
}

/// Makes a role that may read one bucket, and a managed policy that is its.
fn role(aws: Aws) {
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "ec2.amazonaws.com"}}]})
    .to_string();
    call(aws, "CreateRole", &[("RoleName", "Deploy"), ("AssumeRolePolicyDocument", &trust)]);
    put(aws, "s3:GetObject");
}

fn put(aws: Aws, action: &str) {
    let document = document(action);
    let put = [("RoleName", "Deploy"), ("PolicyName", "fix"), ("PolicyDocument", &*document)];
    call(aws, "PutRolePolicy", &put);
}

#[test]
fn what_a_record_leaves_out_is_read_and_told() {
    let server = Moto::start();
    let aws = server.aws();
    role(aws);
    let stage = Stage::new(aws, &aws.url());
    put(aws, "*");
    let mut daemon = stage.house.run();
    stage.call("PutRolePolicy", 1, &json!({"roleName": "Deploy", "policyName": "fix"}));
    let told = stage.alert(&mut daemon, "omitted_policy_read", "open");
    let facts = &told["facts"];
    assert_eq!(facts["gw.policy.worst"], "admin", "{told:#}");
    assert_eq!(facts["gw.policy.target"], format!("arn:aws:iam::{ACCOUNT}:role/Deploy"));
    let undo = facts["gw.policy.undo"].as_str().unwrap().to_ascii_lowercase();
    assert!(undo.contains("s3:getobject"), "{told:#}");
    assert!(told["story"].as_str().unwrap().contains("Read at "), "{told:#}");
    let known = stage.alert(&mut daemon, "policy_unreadable", "resolved");
    assert_eq!(known["reason"]["kind"], "became_known");

    // A policy that no snapshot holds is read where it is attached.
    let own = format!("arn:aws:iam::{ACCOUNT}:policy/own");
    let all = document("iam:*");
    call(aws, "CreatePolicy", &[("PolicyName", "own"), ("PolicyDocument", &all)]);
    call(aws, "CreateUser", &[("UserName", "eve")]);
    call(aws, "AttachUserPolicy", &[("UserName", "eve"), ("PolicyArn", &own)]);
    stage.call("AttachUserPolicy", 2, &json!({"userName": "eve", "policyArn": own}));
    let is_eves = |alert: &Value| alert["facts"]["gw.policy.target"].to_string().contains("eve");
    daemon.await_that("eve's alert", |_| {
        let told = stage.siem.taken();
        told.iter()
            .any(|it| is_eves(&it.alert()) && it.alert()["detector"] == "omitted_policy_read")
    });

    // What was read is what stands: taking it away resolves what told of it, also after a restart.
    assert!(daemon.stop().0.success());
    let mut daemon = stage.house.run();
    stage.call("DeleteRolePolicy", 3, &json!({"roleName": "Deploy", "policyName": "fix"}));
    let undone = stage.alert(&mut daemon, "omitted_policy_read", "resolved");
    assert_eq!(undone["reason"]["kind"], "taken_back", "{undone:#}");
    assert_eq!(undone["id"], told["id"]);
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
}

#[test]
fn what_nobody_answered_is_asked_again_also_after_a_kill() {
    let server = Moto::start();
    let aws = server.aws();
    role(aws);
    let is_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_up);
    let proxy = Proxy::before(aws, move |action| match action {
        "GetRolePolicy" if !seen.load(Ordering::SeqCst) => Fate::Lose,
        _ => Fate::Pass,
    });
    let stage = Stage::new(aws, &proxy.url());
    put(aws, "*");
    let mut daemon = stage.house.run();
    stage.call("PutRolePolicy", 1, &json!({"roleName": "Deploy", "policyName": "fix"}));
    stage.alert(&mut daemon, "policy_unreadable", "open");
    daemon.await_that("a question", |_| proxy.count("GetRolePolicy") > 0);
    daemon.kill();
    let mut daemon = stage.house.run();
    is_up.store(true, Ordering::SeqCst);
    stage.alert(&mut daemon, "omitted_policy_read", "open");
    stage.alert(&mut daemon, "policy_unreadable", "resolved");
    // It is answered: a third start asks nothing.
    assert!(daemon.stop().0.success());
    let asked = proxy.count("GetRolePolicy");
    let mut daemon = stage.house.run();
    stage.call("DeleteRolePolicy", 2, &json!({"roleName": "Deploy", "policyName": "fix"}));
    stage.alert(&mut daemon, "omitted_policy_read", "resolved");
    assert_eq!(proxy.count("GetRolePolicy"), asked);
    assert_eq!(stage.count("omitted_policy_read"), 2);
}

#[test]
fn a_permission_that_is_missing_is_told_once() {
    let server = Moto::start();
    let aws = server.aws();
    role(aws);
    let proxy = Proxy::before(aws, |action| match action {
        "GetRolePolicy" => Fate::Fail(403, "AccessDenied"),
        _ => Fate::Pass,
    });
    let stage = Stage::new(aws, &proxy.url());
    let mut daemon = stage.house.run();
    stage.call("PutRolePolicy", 1, &json!({"roleName": "Deploy", "policyName": "fix"}));
    let told = stage.alert(&mut daemon, "policy_reading_refused", "open");
    let story = told["story"].as_str().unwrap();
    assert!(story.contains("the permission iam:GetRolePolicy is missing"), "{story}");
    stage.call("PutRolePolicy", 2, &json!({"roleName": "Deploy", "policyName": "other"}));
    daemon.await_that("the second question", |_| proxy.count("GetRolePolicy") == 2);
    assert!(daemon.stop().0.success());
    // Each start asks again for both, and tells nothing new.
    let mut daemon = stage.house.run();
    daemon.await_that("both questions again", |_| proxy.count("GetRolePolicy") == 4);
    assert!(daemon.stop().0.success());
    assert_eq!(stage.count("policy_reading_refused"), 1);
    assert_eq!(stage.count("omitted_policy_read"), 0);
}

#[test]
fn what_was_refused_is_asked_again_without_a_start() {
    let server = Moto::start();
    let aws = server.aws();
    role(aws);
    let is_allowed = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_allowed);
    let proxy = Proxy::before(aws, move |action| match action {
        "GetRolePolicy" if !seen.load(Ordering::SeqCst) => Fate::Fail(403, "AccessDenied"),
        _ => Fate::Pass,
    });
    let mut stage = Stage::new(aws, &proxy.url());
    let fetch =
        format!("omitted = true\nrefused_again = \"1s\"\nendpoint_url = \"{}\"", proxy.url());
    stage.house = stage.house.with(&format!("[policies.fetch]\n{fetch}\n"));
    put(aws, "*");
    let mut daemon = stage.house.run();
    stage.call("PutRolePolicy", 1, &json!({"roleName": "Deploy", "policyName": "fix"}));
    stage.alert(&mut daemon, "policy_reading_refused", "open");
    daemon.await_that("the question again", |_| proxy.count("GetRolePolicy") > 1);
    is_allowed.store(true, Ordering::SeqCst);
    stage.alert(&mut daemon, "omitted_policy_read", "open");
    stage.alert(&mut daemon, "policy_unreadable", "resolved");
    assert!(daemon.stop().0.success());
    assert_eq!(stage.count("policy_reading_refused"), 1);
}

#[test]
fn where_a_snapshot_came_first_the_answer_is_judged_by_it_and_the_alert_resolved() {
    let server = Moto::start();
    let aws = server.aws();
    role(aws);
    let is_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_up);
    let proxy = Proxy::before(aws, move |action| match action {
        "GetRolePolicy" if !seen.load(Ordering::SeqCst) => Fate::Lose,
        _ => Fate::Pass,
    });
    let mut stage = Stage::new(aws, &proxy.url());
    // The change is older than a snapshot that is taken now, by more than the overlap.
    stage.now -= 3_600;
    let file = stage.house.path(&format!("snapshot/{ACCOUNT}.json"));
    let mut first: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    first["Taken"] = json!(Seconds(stage.now - 3_600).to_string());
    fs::write(&file, first.to_string()).unwrap();
    put(aws, "*");
    let mut daemon = stage.house.run();
    stage.call("PutRolePolicy", 1, &json!({"roleName": "Deploy", "policyName": "fix"}));
    stage.alert(&mut daemon, "policy_unreadable", "open");
    let fetch = ["policies", "fetch", "--endpoint-url", &aws.url()];
    assert!(stage.house.command(&fetch).output().unwrap().status.success());
    daemon.await_word("policies were read again");
    is_up.store(true, Ordering::SeqCst);
    let read = stage.alert(&mut daemon, "omitted_policy_read", "open");
    assert_eq!(read["facts"]["gw.policy.worst"], "admin", "{read:#}");
    let known = stage.alert(&mut daemon, "policy_unreadable", "resolved");
    assert_eq!(known["reason"]["kind"], "became_known", "{known:#}");
    assert!(daemon.stop().0.success());
}
