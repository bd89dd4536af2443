//! What was done and undone within minutes, as the daemon links it: the alert is resolved, and a signal tells of the two.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::outside::daemon::Daemon;
use crate::outside::daemon::House;

/// A call at a time of one day, by a user of an account of ours.
fn call(at: &str, who: &str, service: &str, name: &str, asked: &Value) -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": format!("2026-03-02T{at}Z"),
        "eventSource": format!("{service}.amazonaws.com"), "eventName": name, "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2", "eventID": format!("{at}-{name}"),
        "eventType": "AwsApiCall", "recipientAccountId": "111122223333", "readOnly": false,
        "requestParameters": asked, "responseElements": null,
        "userIdentity": {
            "type": "IAMUser", "principalId": format!("AIDA{who}"),
            "arn": format!("arn:aws:iam::111122223333:user/{who}"), "accountId": "111122223333",
            "accessKeyId": format!("AKIA{who}"), "userName": who,
        },
    })
}

/// A house with a folder of logs and a file of alerts.
struct Stage {
    house: House,
}

impl Stage {
    fn new() -> Self {
        let house = House::new();
        fs::create_dir(house.path("logs")).unwrap();
        let path = |name: &str| house.path(name).display().to_string();
        let (logs, alerts) = (path("logs"), path("alerts.ndjson"));
        let house = house
            .with(&format!("[[source.folder]]\nname = \"logs\"\npath = \"{logs}\"\n"))
            .with(&format!("[[sink.file]]\nname = \"file\"\npath = \"{alerts}\"\n"));
        Self { house }
    }

    /// Lets a daemon read these calls, each list a file, and stops it once it told what is expected.
    #[track_caller]
    fn day(&self, name: &str, files: &[&[Value]], expected: &[(&str, &str)]) {
        let mut daemon: Daemon = self.house.run();
        for (number, calls) in files.iter().enumerate() {
            let (file, draft) = (format!("{name}-{number}.json"), self.house.path("draft"));
            fs::write(&draft, json!({"Records": calls}).to_string()).unwrap();
            fs::rename(&draft, self.house.path("logs").join(&file)).unwrap();
            daemon.await_that("the calls in the ledger", |_| {
                let ledger = self.house.store().ledger();
                ledger.iter().any(|(location, _)| location.ends_with(&file))
            });
        }
        daemon.await_that(&format!("{expected:?}"), |_| self.holds(expected));
        let (status, log) = daemon.stop();
        assert!(status.success(), "{log}");
    }

    /// Returns what was told first of each alert of this detector.
    fn told(&self, detector: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.house.path("alerts.ndjson")).unwrap_or_default();
        // A line that is still being written ends without a newline.
        let text = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let alerts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        alerts.filter(|alert| alert["detector"] == detector && alert["revision"] == 1).collect()
    }

    /// Returns the alerts of this detector that a scan of the same files finds.
    fn scanned(&self, detector: &str) -> Vec<Value> {
        let logs = self.house.path("logs").display().to_string();
        let output = self.house.command(&["scan", &logs, "--format", "ndjson"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let alerts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        alerts.filter(|alert| alert["detector"] == detector).collect()
    }

    /// Returns the last state of each alert of these detectors: `open`, or `resolved` with the reason.
    fn stands(&self, detectors: &[&str]) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.house.path("alerts.ndjson")).unwrap_or_default();
        // A line that is still being written ends without a newline.
        let text = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut last = BTreeMap::new();
        for line in text.lines() {
            let alert: Value = serde_json::from_str(line).unwrap();
            let detector = alert["detector"].as_str().unwrap_or_default().to_owned();
            if detectors.contains(&&*detector) {
                let reason = alert["reason"]["text"].as_str().unwrap_or_default();
                let status = alert["status"].as_str().unwrap_or_default();
                last.insert(detector, format!("{status} {reason}").trim().to_owned());
            }
        }
        last
    }

    fn holds(&self, expected: &[(&str, &str)]) -> bool {
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        let found = self.stands(&names);
        expected.iter().all(|(name, state)| {
            found.get(*name).map_or("nothing", String::as_str).starts_with(state)
        })
    }
}

/// A call that nobody tells of, by which time has passed all others.
fn much_later() -> Value {
    call("09:30:00", "eve", "cloudtrail", "DescribeTrails", &json!({}))
}

const ARN: &str = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main";

#[test]
fn what_is_put_back_resolves_its_alert_over_a_restart_and_says_of_which() {
    let stage = Stage::new();
    let stop = call("09:00:00", "ana", "cloudtrail", "StopLogging", &json!({"name": "main"}));
    let key = json!({"keyId": "1234abcd"});
    let schedule = call("09:01:00", "ana", "kms", "ScheduleKeyDeletion", &key);
    let open = [("trail_stopped", "open"), ("key_deletion_scheduled", "open")];
    stage.day("first", &[&[stop, schedule]], &open);
    let start = call("09:04:00", "ana", "cloudtrail", "StartLogging", &json!({"name": ARN}));
    let refused = {
        let mut call = call("09:05:00", "bob", "kms", "CancelKeyDeletion", &key);
        call["errorCode"] = json!("AccessDenied");
        call
    };
    let by = "resolved taken back by user:111122223333/ana at 2026-03-02T09:04:00Z";
    stage.day(
        "second",
        &[&[refused], &[start], &[much_later()]],
        &[
            ("trail_stopped", by),
            ("protection_lifted_briefly", "open"),
            ("key_deletion_scheduled", "open"),
        ],
    );
    let cancel = call("09:06:00", "bob", "kms", "CancelKeyDeletion", &key);
    let by = "resolved taken back by user:111122223333/bob";
    stage.day("third", &[&[cancel]], &[("key_deletion_scheduled", by)]);
}

#[test]
fn what_is_put_back_is_linked_though_it_is_read_first_and_what_comes_after_it_is_not() {
    let stage = Stage::new();
    let trail = json!({"name": "main"});
    let stop = call("09:00:00", "ana", "cloudtrail", "StopLogging", &trail);
    let start = call("09:04:00", "bob", "cloudtrail", "StartLogging", &trail);
    stage.day("first", &[&[start], &[stop]], &[("trail_stopped", "resolved")]);
    let again = call("09:04:00", "ana", "cloudtrail", "StopLogging", &json!({"name": "main"}));
    stage.day("second", &[&[again]], &[("trail_stopped", "open")]);
}

/// What an alert says, but for where it was read and when.
fn said(alert: &Value) -> Value {
    let name = |name: &str| (name.to_owned(), alert[name].clone());
    let names = ["id", "story", "who", "account", "region", "facts", "event", "event_ids", "count"];
    names.into_iter().map(name).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn what_somebody_puts_back_is_told_the_same_whichever_call_is_read_first() {
    const BRIEFLY: &str = "protection_lifted_briefly";
    let trail = json!({"name": "main"});
    let stop = || call("09:00:00", "ana", "cloudtrail", "StopLogging", &trail);
    let start = || call("09:04:00", "ana", "cloudtrail", "StartLogging", &trail);
    let by_another = || call("09:05:00", "bob", "cloudtrail", "StartLogging", &trail);
    let nothing: &[(&str, &str)] = &[];
    let open: &[(&str, &str)] = &[("trail_stopped", "open")];
    let resolved: &[(&str, &str)] =
        &[("trail_stopped", "resolved taken back by user:111122223333")];
    let told: &[(&str, &str)] = &[("trail_stopped", "resolved"), (BRIEFLY, "open")];
    let mut all = Vec::new();
    // What each process reads before another goes on, and what there is then.
    for processes in [
        vec![(vec![stop(), start(), by_another(), much_later()], told)],
        vec![(vec![by_another(), start(), stop(), much_later()], told)],
        vec![
            (vec![stop()], open),
            (vec![by_another()], resolved),
            (vec![start()], resolved),
            (vec![much_later()], told),
        ],
        vec![
            (vec![start()], nothing),
            (vec![stop()], resolved),
            (vec![by_another(), much_later()], told),
        ],
    ] {
        let stage = Stage::new();
        for (number, (calls, expected)) in processes.iter().enumerate() {
            let files: Vec<&[Value]> = calls.chunks(1).collect();
            stage.day(&number.to_string(), &files, expected);
            let so_far = usize::from(*expected == told);
            assert_eq!(stage.told(BRIEFLY).len(), so_far, "an earlier one may still come");
        }
        all.extend(stage.told(BRIEFLY).iter().map(said));
        all.extend(stage.scanned(BRIEFLY).iter().map(said));
    }
    assert_eq!(all.len(), 8, "{all:#?}");
    let first = &all[0];
    assert!(all.iter().all(|other| other == first), "{all:#?}");
    assert_eq!(
        first["story"],
        "user:111122223333/ana called StartLogging in account 111122223333 and put back what they had taken away \
         4m before with StopLogging (trail_stopped)"
    );
    let calls = ["111122223333/09:00:00-StopLogging", "111122223333/09:04:00-StartLogging"];
    assert_eq!(first["event"]["requestParameters"]["evidence"], json!(calls));
    assert_eq!(first["event"]["sourceIPAddress"], "198.51.100.7");
    assert_eq!(first["region"], "eu-west-1");
}

#[test]
fn what_somebody_else_puts_back_first_is_not_told_of_whoever_did_it() {
    let stage = Stage::new();
    let trail = json!({"name": "main"});
    let stop = call("09:00:00", "ana", "cloudtrail", "StopLogging", &trail);
    let start = call("09:05:00", "ana", "cloudtrail", "StartLogging", &trail);
    let by_another = call("09:04:00", "bob", "cloudtrail", "StartLogging", &trail);
    let resolved = [("trail_stopped", "resolved taken back by user:111122223333/ana")];
    stage.day("first", &[&[start], &[stop]], &resolved);
    // By then the alert of another day shows that everything before was told.
    let root = call("09:31:00", "eve", "cloudtrail", "DeleteTrail", &json!({"name": "other"}));
    stage.day("second", &[&[by_another], &[much_later()], &[root]], &[("trail_deleted", "open")]);
    assert_eq!(stage.told("protection_lifted_briefly"), Vec::<Value>::new());
}

/// A rule that lets the world in on a port.
fn rule(port: u16) -> Value {
    json!({"groupId": "sg-0123456789abcdef0", "ipPermissions": {"items": [{
        "ipProtocol": "tcp", "fromPort": port, "toPort": port, "groups": {}, "ipv6Ranges": {}, "prefixListIds": {},
        "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]},
    }]}})
}

const OPEN: [(&str, &str); 4] = [
    ("admin_port_opened_to_world", "open"),
    ("port_opened_to_world", "open"),
    ("public_access_block_removed", "open"),
    ("snapshot_shared_publicly", "open"),
];

#[test]
fn what_the_history_holds_is_linked_by_what_stands() {
    let stage = Stage::new();
    let tight = json!({"BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true});
    let block = json!({"bucketName": "b", "PublicAccessBlockConfiguration": tight});
    let share = |how: &str| json!({"snapshotId": "snap-1", "createVolumePermission": {how: {"items": [{"group": "all"}]}}});
    stage.day(
        "first",
        &[&[
            call("09:00:00", "ana", "ec2", "AuthorizeSecurityGroupIngress", &rule(22)),
            call("09:00:30", "ana", "ec2", "AuthorizeSecurityGroupIngress", &rule(8080)),
            call("09:01:00", "ana", "s3", "PutBucketPublicAccessBlock", &block),
            call(
                "09:02:00",
                "ana",
                "s3",
                "DeleteBucketPublicAccessBlock",
                &json!({"bucketName": "b"}),
            ),
            call("09:03:00", "ana", "ec2", "ModifySnapshotAttribute", &share("add")),
        ]],
        &OPEN,
    );
    stage.day(
        "second",
        &[&[
            call("09:10:00", "bob", "ec2", "RevokeSecurityGroupIngress", &rule(22)),
            call("09:11:00", "bob", "s3", "PutBucketPublicAccessBlock", &block),
            call("09:12:00", "bob", "ec2", "ModifySnapshotAttribute", &share("remove")),
        ]],
        &[
            ("admin_port_opened_to_world", "resolved taken back by user:111122223333/bob"),
            ("port_opened_to_world", "open"),
            ("public_access_block_removed", "resolved taken back by user:111122223333/bob"),
            ("snapshot_shared_publicly", "resolved taken back by user:111122223333/bob"),
        ],
    );
}

fn answered(mut call: Value, answer: Value) -> Value {
    call["responseElements"] = answer;
    call
}

fn refused(mut call: Value) -> Value {
    call["errorCode"] = json!("AccessDeniedException");
    call
}

/// An assignment, a place in a group, an account elsewhere: made at these minutes past nine by ana, with who acts for whom.
fn placed() -> Vec<Value> {
    let member = json!({"identityStoreId": "d-1", "groupId": "g-1", "memberId": {"userId": "u-1"}});
    let id = json!({"identityStoreId": "d-1", "membershipId": "m-1"});
    let join = call("09:01:00", "ana", "identitystore", "CreateGroupMembership", &member);
    vec![
        call("09:00:00", "ana", "sso", "CreateAccountAssignment", &assigned("u-1")),
        answered(join, id),
        call("09:02:00", "ana", "organizations", "MoveAccount", &moved("ou-held", "ou-free")),
    ]
}

fn assigned(user: &str) -> Value {
    json!({
        "instanceArn": "arn:aws:sso:::instance/ssoins-1", "targetId": "444455556666", "targetType": "AWS_ACCOUNT",
        "permissionSetArn": "arn:aws:sso:::permissionSet/ssoins-1/ps-1", "principalType": "USER", "principalId": user,
    })
}

fn moved(from: &str, to: &str) -> Value {
    json!({"accountId": "444455556666", "sourceParentId": from, "destinationParentId": to})
}

/// What takes them back, by bob.
fn taken_back() -> Vec<Value> {
    let member = json!({"identityStoreId": "d-1", "membershipId": "m-1"});
    vec![
        call("09:10:00", "bob", "sso", "DeleteAccountAssignment", &assigned("u-1")),
        call("09:11:00", "bob", "identitystore", "DeleteGroupMembership", &member),
    ]
}

const PLACED: [(&str, &str); 2] =
    [("assignment_outside_broker", "open"), ("group_member_added", "open")];

#[test]
fn who_stands_where_is_linked_by_what_stands_and_who_did_it_is_not() {
    let stage = Stage::new();
    let mut calls = placed();
    // Whoever is told of for being who he is has been that, whatever became of what he did.
    calls[2]["userIdentity"] = json!({
        "type": "Root", "principalId": "111122223333", "arn": "arn:aws:iam::111122223333:root",
        "accountId": "111122223333", "accessKeyId": "ASIAROOT",
    });
    let others = [("account_moved", "open"), ("root_acted", "open")];
    stage.day("first", &[&calls], &[PLACED, others].concat());
    let member = json!({"identityStoreId": "d-1", "membershipId": "m-2"});
    stage.day(
        "second",
        &[&[
            refused(call("09:05:00", "bob", "sso", "DeleteAccountAssignment", &assigned("u-1"))),
            call("09:06:00", "bob", "sso", "DeleteAccountAssignment", &assigned("u-2")),
            call("09:07:00", "bob", "identitystore", "DeleteGroupMembership", &member),
            call("09:08:00", "bob", "kms", "ScheduleKeyDeletion", &json!({"keyId": "1234abcd"})),
        ]],
        &[&PLACED[..], &others, &[("key_deletion_scheduled", "open")]].concat(),
    );
    let back = call("09:12:00", "bob", "organizations", "MoveAccount", &moved("ou-free", "ou-x"));
    let by = "resolved taken back by user:111122223333/bob at 2026-03-02T09:1";
    let calls = [taken_back(), vec![back]].concat();
    stage.day(
        "third",
        &[&calls],
        &[("assignment_outside_broker", by), ("group_member_added", by), ("root_acted", "open")],
    );
    // The move on to a third unit is one of its own, with an alert that is open.
    let moves = |status: &str| {
        let text = fs::read_to_string(stage.house.path("alerts.ndjson")).unwrap();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut last = BTreeMap::new();
        for alert in all.filter(|alert| alert["detector"] == "account_moved") {
            last.insert(alert["id"].to_string(), alert["status"].as_str() == Some(status));
        }
        last.values().filter(|is_it| **is_it).count()
    };
    assert_eq!((moves("open"), moves("resolved")), (1, 1));
}

#[test]
fn who_stands_where_is_linked_though_the_undoing_is_read_first() {
    let stage = Stage::new();
    let (first, then) = (taken_back(), placed());
    let by = "resolved taken back by an event at 2026-03-02T09:1";
    stage.day(
        "first",
        &[&first, &then[..2]],
        &[("assignment_outside_broker", by), ("group_member_added", by)],
    );
}
