//! Snapshots that are read again while the daemon runs: what nobody saw being changed is told all the same.
//!
//! Times are those of today: a file's own time is when its snapshot was taken.

use std::fs;
use std::time::Duration;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::json;

use grantwatch::model::Seconds;

use crate::outside::daemon::Daemon;
use crate::outside::daemon::House;

/// A house with logs, snapshots, a baseline and a file of alerts.
struct Stage {
    house: House,
    daemon: Daemon,
}

/// How often the snapshots were read again.
const AGAIN: &str = "policies were read again";

#[expect(clippy::disallowed_methods, reason = "the daemon compares with its own clock")]
fn seconds_ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

fn text_of(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Seconds(i64::try_from(since.as_secs()).unwrap()).to_string()
}

/// Ana's call, so long ago.
fn call(seconds: u64, name: &str, asked: &Value) -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": text_of(seconds_ago(seconds)), "eventSource": "iam.amazonaws.com",
        "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2",
        "eventID": format!("{name}-{seconds}"), "eventType": "AwsApiCall", "recipientAccountId": "111122223333",
        "readOnly": false, "requestParameters": asked, "responseElements": null,
        "userIdentity": {
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "arn": "arn:aws:iam::111122223333:user/ana",
            "accountId": "111122223333", "accessKeyId": "AKIAEXAMPLE", "userName": "ana",
        },
    })
}

fn document(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

/// An account whose role may do `actions`, a policy each.
fn account(actions: &[&str]) -> Value {
    let policies: Vec<Value> = actions
        .iter()
        .map(|action| json!({"PolicyName": action.replace(':', "-"), "PolicyDocument": document(action)}))
        .collect();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    json!({"UserDetailList": [], "GroupDetailList": [], "Policies": [], "RoleDetailList": [{
        "Path": "/", "RoleName": "Deploy", "RoleId": "AROAEXAMPLE", "Arn": "arn:aws:iam::111122223333:role/Deploy",
        "AssumeRolePolicyDocument": trust, "RolePolicyList": policies, "AttachedManagedPolicies": [],
    }]})
}

/// Puts a whole file there that was written so long ago.
fn put(house: &House, name: &str, seconds: u64, value: &Value) {
    let (draft, path) = (house.path("draft"), house.path(name));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&draft, value.to_string()).unwrap();
    let file = fs::File::options().write(true).open(&draft).unwrap();
    file.set_modified(seconds_ago(seconds)).unwrap();
    fs::rename(&draft, &path).unwrap();
}

impl Stage {
    /// Ten hours ago the role could list queues, as was agreed on.
    fn new() -> Self {
        let house = House::new();
        put(&house, "agreed/111122223333.json", 0, &account(&["sqs:ListQueues"]));
        let agreed = format!("baseline = \"{}\"\n", house.path("agreed").display());
        Self::of(house, &agreed)
    }

    /// The same, and nobody said what was agreed on.
    fn undeclared() -> Self {
        Self::of(House::new(), "")
    }

    fn of(house: House, agreed: &str) -> Self {
        put(&house, "stands/111122223333.json", 36_000, &account(&["sqs:ListQueues"]));
        fs::create_dir(house.path("logs")).unwrap();
        let path = |name: &str| house.path(name).display().to_string();
        let (logs, stands) = (path("logs"), path("stands"));
        let alerts = path("alerts.ndjson");
        let house = house
            .with(&format!("[policies]\nsnapshots = [\"{stands}\"]\n{agreed}"))
            .with(&format!("[[source.folder]]\nname = \"logs\"\npath = \"{logs}\"\n"))
            .with(&format!("[[sink.file]]\nname = \"file\"\npath = \"{alerts}\"\n"));
        let mut daemon = house.run();
        daemon.await_word("started");
        let mut stage = Self { house, daemon };
        stage.calls("first", &[call(30_000, "CreateUser", &json!({"userName": "eve"}))]);
        stage
    }

    /// Puts calls into the folder of logs and waits until they are committed.
    fn calls(&mut self, name: &str, calls: &[Value]) {
        put(&self.house, &format!("logs/{name}.json"), 60, &json!({"Records": calls}));
        let name = format!("{name}.json");
        self.daemon.await_that("the calls in the ledger", |_| {
            self.house.store().ledger().iter().any(|(location, _)| location.ends_with(&name))
        });
    }

    /// Replaces the snapshot and waits until it was read.
    fn snapshot(&mut self, seconds: u64, actions: &[&str]) {
        let before = self.daemon.log().matches(AGAIN).count();
        put(&self.house, "stands/111122223333.json", seconds, &account(actions));
        self.daemon.await_that("the snapshot read again", |daemon| {
            daemon.log().matches(AGAIN).count() > before
        });
    }

    /// Waits for so many alerts; returns each as `detector status`.
    fn told(&mut self, count: usize) -> Vec<String> {
        self.daemon.await_that("so many alerts", |_| alerts(&self.house).len() >= count);
        alerts(&self.house)
    }
}

/// Returns what was told of policies so far, in its order.
fn alerts(house: &House) -> Vec<String> {
    let text = fs::read_to_string(house.path("alerts.ndjson")).unwrap_or_default();
    let alerts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    alerts
        .filter(|alert| alert["facts"]["gw.policy.target"].is_string())
        .map(|alert| format!("{} {}", alert["detector"], alert["status"]).replace('"', ""))
        .collect()
}

#[test]
fn what_nobody_saw_is_told_once_and_resolved_by_the_snapshots_alone() {
    let mut stage = Stage::new();
    assert_eq!(stage.told(0), [""; 0]);
    stage.snapshot(20_000, &["sqs:ListQueues", "sqs:DeleteQueue"]);
    assert_eq!(stage.told(1), ["baseline_left open"]);
    stage.snapshot(15_000, &["sqs:ListQueues", "sqs:DeleteQueue"]);
    stage.snapshot(10_000, &["sqs:ListQueues"]);
    assert_eq!(stage.told(2), ["baseline_left open", "baseline_left resolved"]);
    stage.snapshot(9_000, &["sqs:ListQueues"]);
    let (status, said) = stage.daemon.stop();
    assert!(status.success(), "{said}");
    assert_eq!(alerts(&stage.house), ["baseline_left open", "baseline_left resolved"]);
}

#[test]
fn a_snapshot_is_older_than_the_calls_after_it_whenever_it_is_read() {
    let mut stage = Stage::new();
    let text = document("sqs:DeleteQueue").to_string();
    let asked = json!({"roleName": "Deploy", "policyName": "more", "policyDocument": text});
    stage.calls("second", &[call(5_000, "PutRolePolicy", &asked)]);
    assert_eq!(stage.told(1), ["baseline_left open"]);
    // It was taken before the call: what the call did stands.
    stage.snapshot(8_000, &["sqs:ListQueues"]);
    // It was taken after: somebody took the policy away and nobody saw it.
    stage.snapshot(2_000, &["sqs:ListQueues"]);
    assert_eq!(stage.told(2), ["baseline_left open", "baseline_left resolved"]);
    let (status, said) = stage.daemon.stop();
    assert!(status.success(), "{said}");
}

#[test]
fn a_snapshot_that_lacks_what_was_there_or_cannot_be_read_changes_nothing() {
    let mut stage = Stage::new();
    stage.snapshot(20_000, &["sqs:ListQueues", "sqs:DeleteQueue"]);
    assert_eq!(stage.told(1), ["baseline_left open"]);
    fs::rename(stage.house.path("stands/111122223333.json"), stage.house.path("gone")).unwrap();
    stage.daemon.await_word("the snapshots lack what they had");
    put(&stage.house, "stands/111122223333.json", 60, &json!("cut sho"));
    stage.daemon.await_word("could not read policies again");
    stage.snapshot(50, &["sqs:ListQueues", "sqs:DeleteQueue"]);
    assert_eq!(stage.told(1), ["baseline_left open"]);
    let (status, said) = stage.daemon.stop();
    assert!(status.success(), "{said}");
}

#[test]
fn what_no_event_told_of_is_told_once_without_a_baseline_too() {
    let mut stage = Stage::undeclared();
    stage.snapshot(20_000, &["sqs:ListQueues", "sqs:DeleteQueue"]);
    assert_eq!(stage.told(1), ["change_unseen open"]);
    stage.snapshot(18_000, &["sqs:ListQueues", "sqs:DeleteQueue"]);
    stage.snapshot(15_000, &["sqs:ListQueues", "sqs:DeleteQueue", "iam:*"]);
    assert_eq!(stage.told(2), ["change_unseen open", "grave_change_unseen open"]);
    stage.snapshot(10_000, &["sqs:ListQueues", "sqs:DeleteQueue"]);
    stage.told(3);
    let (status, said) = stage.daemon.stop();
    assert!(status.success(), "{said}");
    let all = ["change_unseen open", "grave_change_unseen open", "grave_change_unseen resolved"];
    assert_eq!(alerts(&stage.house), all);
}

#[test]
fn an_event_that_comes_late_is_waited_for_and_closes_what_was_told_without_it() {
    let mut stage = Stage::undeclared();
    let change = |seconds: u64, action: &str| {
        let asked = json!({"roleName": "Deploy", "policyName": action.replace(':', "-"), "policyDocument": document(action).to_string()});
        call(seconds, "PutRolePolicy", &asked)
    };
    stage.snapshot(20_000, &["sqs:ListQueues", "sqs:DeleteQueue"]);
    assert_eq!(stage.told(1), ["change_unseen open"]);
    stage.calls("late", &[change(21_000, "sqs:DeleteQueue")]);
    assert_eq!(stage.told(2)[1], "change_unseen resolved");
    // An hour is not over: the event may be on its way, and then it was.
    stage.snapshot(1_000, &["sqs:ListQueues", "sqs:DeleteQueue", "sqs:PurgeQueue"]);
    stage.calls("in time", &[change(1_500, "sqs:PurgeQueue")]);
    let (status, said) = stage.daemon.stop();
    assert!(status.success(), "{said}");
    assert_eq!(alerts(&stage.house), ["change_unseen open", "change_unseen resolved"]);
}
