//! Changes of policies in the simulated organisation, as `scan` tells of them from a snapshot.

use std::collections::BTreeSet;
use std::fs;

use grantwatch::simulate::truth;
use grantwatch::simulate::truth::Line;
use grantwatch::simulate::truth::Truth;
use serde_json::Value;
use serde_json::json;

use crate::outside::daemon::House;

const SMALL: [&str; 8] = ["--days", "2", "--people", "8", "--volume", "0.02", "--accounts", "3"];

/// What the organisations are drawn from.
const SEEDS: [&str; 5] = ["7", "1", "2", "3", "5"];

/// The incidents that change policies, when, and the class that has to be said of each.
const INCIDENTS: [(&str, &str, &str); 5] = [
    ("escalation_policy_version", "1d3h", "admin"),
    ("escalation_attach_role_policy", "1d6h", "admin"),
    ("escalation_trust_policy", "1d9h", "trust_widened"),
    ("backdoor_user", "1d12h", "admin"),
    ("trust_opened", "1d15h", "outside_organization"),
];

/// Runs the program in `house` and returns what it printed.
#[track_caller]
fn run(house: &House, arguments: &[&str]) -> String {
    let output = house.command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}:\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Simulates into the folder `drill`; returns the truth.
fn simulated(house: &House, seed: &str, incidents: &[String]) -> Vec<Truth> {
    let mut asked = vec!["simulate", "--out", "drill", "--seed", seed];
    asked.extend(SMALL);
    asked.extend(incidents.iter().flat_map(|incident| ["--incident", incident]));
    run(house, &asked);
    let text = fs::read_to_string(house.path("drill/truth.ndjson")).unwrap();
    let told = text.lines().filter_map(|line| match truth::read(line).unwrap() {
        Line::Incident(truth) => Some(truth),
        Line::Simulation(_) => None,
    });
    told.collect()
}

/// Returns the alerts of `detectors/policies` that `scan` makes of the drill.
fn scanned(house: &House) -> Vec<Value> {
    let scan = ["scan", "drill/AWSLogs", "--broker", "access-broker", "--pipeline", "ci-deploy"];
    let known = ["--grants", "drill/grants.ndjson", "--policies", "drill/snapshot/start"];
    let printed = run(house, &[&scan[..], &known, &["--format", "ndjson"]].concat());
    let alerts = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    alerts.filter(|alert| alert["facts"]["gw.policy.target"].is_string()).collect()
}

#[test]
fn each_incident_is_told_with_its_class_and_honest_work_is_not() {
    std::thread::scope(|scope| {
        for seed in SEEDS {
            scope.spawn(move || each_incident_is_told(seed));
        }
    });
}

/// Simulates every incident about policies, and looks at what is told of them and of nothing else.
#[track_caller]
fn each_incident_is_told(seed: &str) {
    let house = House::new();
    let at = INCIDENTS.iter().map(|(name, at, _)| format!("{name}@{at}"));
    let asked: Vec<String> = ["none".to_owned()].into_iter().chain(at).collect();
    let truths = simulated(&house, seed, &asked);
    let alerts = scanned(&house);
    for (name, _, class) in INCIDENTS {
        let truth = truths.iter().find(|truth| truth.name == name).unwrap();
        let is_its = |alert: &&Value| {
            let id = alert["event"]["eventID"].as_str().unwrap_or_default();
            truth.events.iter().any(|event| event == id)
        };
        let told: BTreeSet<String> = alerts
            .iter()
            .filter(is_its)
            .map(|it| it["facts"]["gw.policy.worst"].to_string())
            .collect();
        assert!(told.contains(&format!("\"{class}\"")), "seed {seed}, {name}: {told:?}");
        for alert in alerts.iter().filter(is_its) {
            assert!(alert["facts"]["gw.policy.gain"].is_string(), "{name}: {alert:#}");
            assert!(alert["facts"]["gw.policy.undo"].is_string(), "{name}: {alert:#}");
            assert_eq!(alert["facts"]["gw.policy.unknown"], Value::Null, "{name}: {alert:#}");
        }
    }
    let events: BTreeSet<&str> =
        truths.iter().flat_map(|truth| &truth.events).map(String::as_str).collect();
    for alert in &alerts {
        let id = alert["event"]["eventID"].as_str().unwrap_or_default();
        assert!(events.contains(id), "seed {seed}: it belongs to no incident: {alert:#}");
    }
}

#[test]
fn a_week_of_honest_work_is_not_told_of() {
    let house = House::new();
    assert_eq!(simulated(&house, "7", &["none".to_owned()]), []);
    let alerts = scanned(&house);
    assert!(alerts.is_empty(), "{alerts:#?}");
}

/// One call of somebody at a time of one day, in an account of ours.
fn call(at: &str, who: &str, name: &str, asked: &Value) -> Value {
    let arn = format!("arn:aws:iam::111122223333:user/{who}");
    json!({
        "eventVersion": "1.11", "eventTime": format!("2026-03-02T{at}Z"), "eventSource": "iam.amazonaws.com",
        "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2",
        "eventID": format!("{at}-{name}"), "eventType": "AwsApiCall", "recipientAccountId": "111122223333",
        "readOnly": false, "requestParameters": asked, "responseElements": null,
        "userIdentity": {
            "type": "IAMUser", "principalId": format!("AIDA{who}"), "arn": arn, "accountId": "111122223333",
            "accessKeyId": format!("AKIA{who}"), "userName": who,
        },
    })
}

fn everything() -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
        .to_string()
}

fn put(at: &str, who: &str) -> Value {
    let asked = json!({"roleName": "Deploy", "policyName": "fix", "policyDocument": everything()});
    call(at, who, "PutRolePolicy", &asked)
}

fn delete(at: &str, who: &str) -> Value {
    call(at, who, "DeleteRolePolicy", &json!({"roleName": "Deploy", "policyName": "fix"}))
}

fn attach(at: &str, who: &str) -> Value {
    let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
    call(at, who, "AttachRolePolicy", &json!({"roleName": "Deploy", "policyArn": arn}))
}

/// An account with a role, which has `inline` as its only policy.
fn snapshot(inline: Option<&str>) -> Value {
    let policies: Vec<Value> = inline
        .iter()
        .map(|text| json!({"PolicyName": "fix", "PolicyDocument": serde_json::from_str::<Value>(text).unwrap()}))
        .collect();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    json!({"UserDetailList": [], "GroupDetailList": [], "Policies": [], "RoleDetailList": [{
        "Path": "/", "RoleName": "Deploy", "RoleId": "AROAEXAMPLE", "Arn": "arn:aws:iam::111122223333:role/Deploy",
        "CreateDate": "2026-01-01T00:00:00Z", "AssumeRolePolicyDocument": trust, "InstanceProfileList": [],
        "RolePolicyList": policies, "AttachedManagedPolicies": [],
    }]})
}

/// Writes `records` as one file of `folder`.
fn file(house: &House, folder: &str, records: &[Value]) {
    let name = "111122223333_CloudTrail_us-east-1_20260302T0900Z_abcdefghijklmnop.json";
    fs::create_dir_all(house.path(folder)).unwrap();
    let text = json!({"Records": records}).to_string();
    fs::write(house.path(&format!("{folder}/{name}")), text).unwrap();
}

fn written(house: &House, name: &str, snapshot: &Value) {
    fs::create_dir_all(house.path(name)).unwrap();
    fs::write(house.path(&format!("{name}/111122223333.json")), snapshot.to_string()).unwrap();
}

/// Returns the alerts about policies that `scan` of `folder` leaves in the store, each as `detector status reason`.
fn told(house: &House, folder: &str, more: &[&str]) -> Vec<String> {
    let scan = ["scan", folder, "--policies", "stands", "--store", "scan.db", "--format", "ndjson"];
    let printed = run(house, &[&scan[..], more].concat());
    let alerts = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut told: Vec<String> = alerts
        .filter(|alert| alert["facts"]["gw.policy.target"].is_string())
        .map(|alert| {
            let reason = alert["reason"]["kind"].as_str().unwrap_or("-").to_owned();
            format!("{} {} {reason}", alert["detector"], alert["status"]).replace('"', "")
        })
        .collect();
    told.sort();
    told
}

#[test]
fn what_is_taken_back_resolves_its_alert() {
    for (by, hidden) in [("bob", false), ("ana", true)] {
        let house = House::new();
        written(&house, "stands", &snapshot(None));
        file(&house, "logs", &[put("09:00:00", "ana"), delete("09:07:00", by)]);
        let told = told(&house, "logs", &[]);
        let is_told = |what: &str| told.iter().any(|it| it == what);
        assert!(is_told("administrator_made resolved taken_back"), "{told:?}");
        assert_eq!(is_told("drift_hidden open -"), hidden, "{told:?}");
    }
}

#[test]
fn a_restart_between_a_change_and_its_undoing_changes_nothing() {
    let house = House::new();
    written(&house, "stands", &snapshot(None));
    file(&house, "first", &[put("09:00:00", "ana")]);
    assert_eq!(told(&house, "first", &[]), ["administrator_made open -"]);
    file(&house, "second", &[delete("09:07:00", "bob")]);
    assert_eq!(told(&house, "second", &[]), ["administrator_made resolved taken_back"]);
}

#[test]
fn a_policy_that_is_moved_takes_nothing_back_and_is_no_change() {
    let house = House::new();
    written(&house, "stands", &snapshot(None));
    let moved = [put("09:00:00", "ana"), attach("09:01:00", "ana"), delete("09:02:00", "ana")];
    file(&house, "logs", &moved);
    assert_eq!(told(&house, "logs", &[]), ["administrator_made open -"]);
}

#[test]
fn whoever_has_it_already_gains_nothing() {
    let house = House::new();
    written(&house, "stands", &snapshot(Some(&everything())));
    file(&house, "logs", &[attach("09:01:00", "ana"), put("09:02:00", "ana")]);
    assert_eq!(told(&house, "logs", &[]), [""; 0]);
}

#[test]
fn what_was_agreed_on_is_not_told_and_what_was_not_is_told_though_nobody_saw_it() {
    let house = House::new();
    written(&house, "agreed", &snapshot(Some(&everything())));
    written(&house, "stands", &snapshot(None));
    file(&house, "logs", &[put("09:00:00", "ana")]);
    let baseline = ["--baseline", "agreed"];
    assert_eq!(told(&house, "logs", &baseline), [""; 0]);

    let house = House::new();
    written(&house, "agreed", &snapshot(None));
    written(&house, "stands", &snapshot(Some(&everything())));
    file(&house, "logs", &[call("09:00:00", "ana", "CreateUser", &json!({"userName": "eve"}))]);
    assert_eq!(told(&house, "logs", &baseline), ["baseline_left open -"]);
    file(&house, "second", &[delete("10:00:00", "ana")]);
    assert_eq!(told(&house, "second", &baseline), ["baseline_left resolved taken_back"]);
}

#[test]
fn the_baseline_is_compared_agreed_on_and_then_matches() {
    let house = House::new();
    written(&house, "agreed", &snapshot(None));
    written(&house, "stands", &snapshot(Some(&everything())));
    let both = ["--snapshot", "stands", "--baseline", "agreed"];
    let asked = |what: &str| {
        let output = house.command(&[&["baseline", what], &both[..]].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (ended, said) = asked("diff");
    assert!(said.contains("arn:aws:iam::111122223333:role/Deploy"), "{said}");
    assert!(said.contains("+ ") && said.contains("admin"), "{said}");
    assert_eq!((ended, asked("status").0), (Some(3), Some(3)));
    let approve = ["baseline", "approve", "--by", "ana", "--why", "OPS-1"];
    run(&house, &[&approve[..], &both].concat());
    assert_eq!(asked("diff"), (Some(0), String::new()));
    let log = fs::read_to_string(house.path("agreed/approved.ndjson")).unwrap();
    let line: Value = serde_json::from_str(&log).unwrap();
    assert_eq!((&line["by"], &line["why"]), (&json!("ana"), &json!("OPS-1")));
}

#[test]
fn what_events_told_since_the_snapshot_becomes_the_baseline_too() {
    let house = House::new();
    written(&house, "stands", &snapshot(None));
    file(&house, "logs", &[put("09:00:00", "ana")]);
    assert_eq!(told(&house, "logs", &[]), ["administrator_made open -"]);
    let configuration = "\
        [store]\npath = \"scan.db\"\n[policies]\nsnapshots = [\"stands\"]\nbaseline = \"agreed\"\n\
        [[sink.stdout]]\nname = \"out\"\n[[source.folder]]\nname = \"logs\"\npath = \"logs\"\n";
    fs::write(house.path("grantwatch.toml"), configuration).unwrap();
    let agreed = ["--by", "ana", "--why", "OPS-1"];
    let approve = ["baseline", "approve", "--snapshot", "stands", "--baseline", "agreed"];
    run(&house, &[&approve[..], &agreed].concat());
    let ended = |arguments: &[&str]| house.command(arguments).output().unwrap().status.code();
    let of_daemon = ["--config", "grantwatch.toml"];
    assert_eq!(
        ended(&["baseline", "diff", "--snapshot", "stands", "--baseline", "agreed"]),
        Some(0)
    );
    assert_eq!(ended(&[&["baseline", "diff"], &of_daemon[..]].concat()), Some(3));
    let role = ["--target", "arn:aws:iam::111122223333:role/Deploy"];
    let said = run(&house, &[&["baseline", "approve"], &of_daemon[..], &agreed, &role].concat());
    assert_eq!(said.trim(), role[1]);
    assert_eq!(ended(&[&["baseline", "status"], &of_daemon[..]].concat()), Some(0));
    let exported = |to: &str| {
        // The folder comes first, as docs/baseline.md writes it: `--snapshot` takes all that follows.
        run(&house, &[&["baseline", "export", to], &of_daemon[..]].concat());
        fs::read_to_string(house.path(&format!("{to}/111122223333.json"))).unwrap()
    };
    assert_eq!(exported("first"), exported("second"));
    assert_eq!(
        exported("first"),
        fs::read_to_string(house.path("agreed/111122223333.json")).unwrap()
    );
}

#[test]
fn a_file_that_would_go_on_speaking_for_the_baseline_is_refused() {
    let house = House::new();
    written(&house, "stands", &snapshot(None));
    written(&house, "agreed", &snapshot(None));
    fs::rename(house.path("agreed/111122223333.json"), house.path("agreed/prod.json")).unwrap();
    let approve = ["baseline", "approve", "--snapshot", "stands", "--baseline", "agreed"];
    let output =
        house.command(&[&approve[..], &["--by", "ana", "--why", "x"]].concat()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("agreed/prod.json"), "{said}");
    let left: Vec<_> = fs::read_dir(house.path("agreed")).unwrap().collect();
    assert_eq!(left.len(), 1);
}

/// The pipeline's role, in the place of a user.
fn by_pipeline(mut call: Value) -> Value {
    let role = "arn:aws:iam::111122223333:role/terraform";
    call["userIdentity"] = json!({
        "type": "AssumedRole", "principalId": "AROATERRAFORM:run", "accountId": "111122223333",
        "arn": "arn:aws:sts::111122223333:assumed-role/terraform/run", "accessKeyId": "ASIATERRAFORM",
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": "AROATERRAFORM", "arn": role,
                "accountId": "111122223333", "userName": "terraform"},
            "attributes": {"creationDate": "2026-03-02T08:00:00Z", "mfaAuthenticated": "false"},
        },
    });
    call
}

/// Somebody makes a user who may do nothing: time goes on.
fn later(day: u8) -> Value {
    let mut call =
        call("09:00:00", "ana", "CreateUser", &json!({"userName": format!("user-{day}")}));
    call["eventTime"] = json!(format!("2026-03-{day:02}T09:00:00Z"));
    call["eventID"] = json!(format!("later-{day}"));
    call
}

#[test]
fn what_a_pipeline_made_and_nobody_added_is_told_quietly_and_late() {
    let house = House::new();
    written(&house, "agreed", &snapshot(None));
    written(&house, "stands", &snapshot(None));
    let more = ["--baseline", "agreed", "--pipeline", "terraform"];
    file(&house, "logs", &[by_pipeline(put("09:00:00", "")), later(7)]);
    assert_eq!(told(&house, "logs", &more), [""; 0]);
    file(&house, "second", &[later(11)]);
    assert_eq!(told(&house, "second", &more), ["baseline_behind open -"]);
    // It is told once: a second telling would be a second alert or count.
    file(&house, "third", &[later(20)]);
    assert_eq!(told(&house, "third", &more), ["baseline_behind open -"]);
    // Once the baseline says the same, nothing is left of it.
    written(&house, "agreed", &snapshot(Some(&everything())));
    file(&house, "fourth", &[later(22)]);
    assert_eq!(told(&house, "fourth", &more), ["baseline_behind resolved taken_back"]);
}

#[test]
fn who_adds_by_hand_to_what_a_pipeline_made_is_told_of() {
    let house = House::new();
    written(&house, "agreed", &snapshot(None));
    written(&house, "stands", &snapshot(None));
    let reading = |item: &str, action: &str| {
        let document = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": "arn:aws:sqs:eu-west-1:111122223333:orders"},
        ]});
        json!({"roleName": "Deploy", "policyName": item, "policyDocument": document.to_string()})
    };
    let planned = call("09:00:00", "", "PutRolePolicy", &reading("planned", "sqs:GetQueueUrl"));
    let by_hand = call("09:10:00", "ana", "PutRolePolicy", &reading("more", "sqs:ListQueueTags"));
    file(&house, "logs", &[by_pipeline(planned), by_hand]);
    let more = ["--baseline", "agreed", "--pipeline", "terraform"];
    assert_eq!(told(&house, "logs", &more), ["baseline_left open -"]);
}
