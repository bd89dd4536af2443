//! Word of a grant that is late, seen from where alerts go: the real program, its folders and a receiver on loopback.
//!
//! Times are those of today, as a live stream's idle time is real time.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;

use grantwatch::model::Seconds;

use crate::outside::daemon::Daemon;
use crate::outside::daemon::House;
use crate::outside::siem::Arrival;
use crate::outside::siem::Mood;
use crate::outside::siem::Siem;
use crate::outside::wait;

/// A house with a folder of logs, one of grants, a receiver and a file of alerts. Moments are minutes before its making.
struct Stage {
    house: House,
    siem: Siem,
    now: i64,
}

impl Stage {
    fn new() -> Self {
        let (siem, house) = (Siem::start(), House::new());
        for folder in ["logs", "grants"] {
            fs::create_dir(house.path(folder)).unwrap();
        }
        let path = |name: &str| house.path(name).display().to_string();
        let (logs, grants, alerts) = (path("logs"), path("grants"), path("alerts.ndjson"));
        let house = house
            .with(&format!("[grants]\npaths = [\"{grants}\"]\n"))
            .with(&format!("[[source.folder]]\nname = \"logs\"\npath = \"{logs}\"\n"))
            .with(&format!("[[sink.file]]\nname = \"file\"\npath = \"{alerts}\"\n"))
            .telling(&siem.url(), "");
        Self { house, siem, now: now() }
    }

    fn at(&self, minutes_ago: i64) -> String {
        Seconds(self.now - minutes_ago * 60).to_string()
    }

    /// Puts a whole file into a folder of the house.
    fn put(&self, folder: &str, name: &str, text: &str) -> PathBuf {
        let (draft, path) = (self.house.path("draft"), self.house.path(folder).join(name));
        fs::write(&draft, text).unwrap();
        fs::rename(&draft, &path).unwrap();
        path
    }

    /// Ana writes a policy.
    fn act(&self, minutes_ago: i64) {
        self.call(minutes_ago, "PutRolePolicy");
    }

    /// Somebody looks at something: time goes on.
    fn stream(&self, minutes_ago: i64) {
        self.call(minutes_ago, "GetRole");
    }

    fn call(&self, minutes_ago: i64, name: &str) {
        let role = "AWSReservedSSO_Admin_0123456789abcdef";
        let record = json!({
            "eventVersion": "1.11", "eventSource": "iam.amazonaws.com", "eventName": name, "awsRegion": "us-east-1",
            "eventTime": self.at(minutes_ago), "eventID": format!("{name}-{minutes_ago}"),
            "eventType": "AwsApiCall", "recipientAccountId": "111122223333", "sourceIPAddress": "198.51.100.7",
            "requestParameters": {"roleName": "ops", "policyName": "p", "policyDocument": crate::originals::HARMLESS},
            "userIdentity": {
                "type": "AssumedRole", "principalId": "AROAEXAMPLE:ana@example.com", "accountId": "111122223333",
                "arn": format!("arn:aws:sts::111122223333:assumed-role/{role}/ana@example.com"), "accessKeyId": "ASIAEXAMPLE",
                "sessionContext": {
                    "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "accountId": "111122223333", "userName": role,
                        "arn": format!("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/{role}")},
                    "attributes": {"creationDate": self.at(minutes_ago + 5), "mfaAuthenticated": "false"},
                },
            },
        });
        let text = json!({"Records": [record]}).to_string();
        self.put("logs", &format!("{name}-{minutes_ago}.json"), &text);
    }

    /// Word of a grant, as [`Stage::word`] puts it, in a file that no daemon reads; returns its path.
    fn word_at(&self, name: &str, revision: u64, status: &str, approved: i64, sent: i64) -> String {
        let path = self.house.path(name);
        fs::write(&path, self.message(revision, status, approved, sent)).unwrap();
        path.display().to_string()
    }

    /// Word of a grant over the hour around the acts: its revision and status, when it was approved, when it was sent.
    fn word(&self, revision: u64, status: &str, approved: i64, sent: i64) {
        let message = self.message(revision, status, approved, sent);
        self.put("grants", &format!("{revision}-{status}.ndjson"), &message);
    }

    fn message(&self, revision: u64, status: &str, approved: i64, sent: i64) -> String {
        let message = json!({
            "schema": "grantwatch.grant/1", "id": "g-1", "source": "test", "revision": revision, "status": status,
            "emitted_at": self.at(sent), "requested_at": self.at(approved), "approved_at": self.at(approved),
            "approvers": [{"user_name": "bob@example.com"}],
            "principals": [{"kind": "idc_user", "user_name": "ana@example.com"}],
            "scope": {"accounts": ["111122223333"], "permission_sets": ["Admin"]},
            "window": {"not_before": self.at(60), "not_after": self.at(0)},
        });
        format!("{message}\n")
    }

    /// Waits until the receiver has taken `count` messages, and returns them.
    #[track_caller]
    fn taken(&self, daemon: &mut Daemon, count: usize) -> Vec<Arrival> {
        daemon.await_that(&format!("message {count}"), |_| self.siem.taken().len() >= count);
        self.siem.taken()
    }

    /// Waits until what was written to a file is committed.
    #[track_caller]
    fn read(&self, daemon: &mut Daemon, name: &str) {
        daemon.await_that(&format!("`{name}` in the ledger"), |_| {
            self.house.store().ledger().iter().any(|(location, _)| location.ends_with(name))
        });
    }

    /// Ends the daemon once nothing is owed, and checks that each message came once and was well-formed.
    #[track_caller]
    fn end(&self, daemon: Daemon, count: usize) {
        wait::until("the outbox to settle", || self.house.store().outbox("pending") == 0);
        let (status, log) = daemon.stop();
        assert!(status.success(), "{log}");
        self.siem.assert_no_faults();
        assert_eq!(self.siem.taken().len(), count, "{:?}", self.siem.counts());
        assert!(self.siem.counts().values().all(|times| *times == 1), "{:?}", self.siem.counts());
    }

    /// Waits until the file of alerts has `count` lines, and returns them.
    #[track_caller]
    fn lines(&self, count: usize) -> Vec<Value> {
        let path = self.house.path("alerts.ndjson");
        let read = || fs::read_to_string(&path).unwrap_or_default();
        wait::until("lines in the file", || read().lines().count() >= count);
        let lines: Vec<Value> =
            read().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), count);
        lines
    }
}

#[expect(clippy::disallowed_methods, reason = "the daemon compares with its own clock")]
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

/// Checks that `update` is one of the alert that `opened` told of, and returns its alert.
#[track_caller]
fn update(opened: &Arrival, update: &Arrival, kind: &str, revision: u64) -> Value {
    let (before, body) = (opened.alert(), update.body());
    assert_eq!(body["type"], kind, "{body:#}");
    let alert = body["data"].clone();
    assert_eq!(alert["id"], before["id"]);
    assert_eq!(alert["revision"], revision);
    assert_eq!(update.id, format!("{}-r{revision}", before["id"].as_str().unwrap()));
    assert_eq!(body["timestamp"], alert["reason"]["at"]);
    alert
}

#[test]
fn a_late_grant_resolves_the_alert_at_the_sinks() {
    let stage = Stage::new();
    let mut daemon = stage.house.run();
    stage.act(45);
    stage.stream(20);
    let opened = stage.taken(&mut daemon, 1).remove(0);
    assert_eq!(opened.body()["type"], "grantwatch.alert.opened");
    assert_eq!(opened.alert()["detector"], "privilege_without_grant");
    assert_eq!(
        (&opened.alert()["status"], &opened.alert()["revision"]),
        (&json!("open"), &json!(1))
    );
    stage.lines(1);
    stage.word(1, "active", 55, 15);
    let resolved = stage.taken(&mut daemon, 2).remove(1);
    let alert = update(&opened, &resolved, "grantwatch.alert.resolved", 2);
    assert_eq!(alert["status"], "resolved");
    assert_eq!(alert["reason"]["kind"], "covered_late");
    assert_eq!(alert["reason"]["grant"], "g-1");
    assert_eq!(alert["reason"]["approvers"], json!(["bob@example.com"]));
    assert!(alert["reason"]["seconds_late"].as_i64().is_some_and(|late| late >= 25 * 60));
    stage.end(daemon, 2);
    let lines = stage.lines(2);
    let told =
        |line: &Value| (line["id"].clone(), line["revision"].clone(), line["status"].clone());
    let id = || alert["id"].clone();
    assert_eq!(
        lines.iter().map(told).collect::<Vec<_>>(),
        [(id(), json!(1), json!("open")), (id(), json!(2), json!("resolved"))]
    );
}

#[test]
fn a_daemon_that_is_killed_in_between_resolves_it_once() {
    let stage = Stage::new();
    let mut daemon = stage.house.run();
    stage.act(45);
    stage.stream(20);
    let opened = stage.taken(&mut daemon, 1).remove(0);
    wait::until("the outbox to settle", || stage.house.store().outbox("pending") == 0);
    daemon.kill();
    // The grant comes while nobody is there, and the next daemon dies while it tells of it.
    stage.word(1, "active", 55, 15);
    stage.siem.behave(|id| if id.ends_with("-r2") { Mood::HangUp } else { Mood::Take });
    let mut daemon = stage.house.run();
    daemon.await_that("a try to resolve it", |_| stage.siem.arrivals().len() >= 2);
    daemon.kill();
    stage.siem.behave(|_| Mood::Take);
    let mut daemon = stage.house.run();
    let resolved = stage.taken(&mut daemon, 2).remove(1);
    update(&opened, &resolved, "grantwatch.alert.resolved", 2);
    stage.end(daemon, 2);
    // All is told: neither the message nor a further start changes anything.
    let mut daemon = stage.house.run();
    stage.word(2, "ended", 55, 0);
    stage.read(&mut daemon, "2-ended.ndjson");
    stage.end(daemon, 2);
}

#[test]
fn a_grant_that_is_added_by_hand_resolves_it_after_the_next_start() {
    let stage = Stage::new();
    let mut daemon = stage.house.run();
    stage.act(45);
    stage.stream(20);
    let opened = stage.taken(&mut daemon, 1).remove(0);
    stage.end(daemon, 1);
    let message = stage.word_at("draft.ndjson", 1, "active", 55, 15);
    let store = stage.house.store_path().display().to_string();
    let import = ["grants", "import", "--store", &store, &message];
    assert!(stage.house.command(&import).output().unwrap().status.success());
    let mut daemon = stage.house.run();
    stage.stream(10);
    let resolved = stage.taken(&mut daemon, 2).remove(1);
    update(&opened, &resolved, "grantwatch.alert.resolved", 2);
    stage.end(daemon, 2);
}

#[test]
fn a_late_revocation_raises_an_alert() {
    let stage = Stage::new();
    stage.word(1, "active", 55, 55);
    let mut daemon = stage.house.run();
    stage.act(45);
    stage.stream(20);
    stage.read(&mut daemon, "GetRole-20.json");
    assert!(stage.siem.arrivals().is_empty(), "it was covered");
    stage.word(2, "revoked", 55, 50);
    let raised = stage.taken(&mut daemon, 1).remove(0);
    assert_eq!(raised.body()["type"], "grantwatch.alert.opened");
    let alert = raised.alert();
    assert_eq!(
        (alert["detector"].as_str(), alert["revision"].as_u64()),
        (Some("grant_revoked"), Some(1))
    );
    assert_eq!(alert["reason"]["kind"], "uncovered_late");
    assert!(alert["reason"]["text"].as_str().unwrap().contains("revoked 5m before"), "{alert:#}");
    stage.end(daemon, 1);
}

#[test]
fn an_approval_that_came_afterwards_resolves_nothing() {
    let stage = Stage::new();
    let mut daemon = stage.house.run();
    stage.act(45);
    stage.stream(20);
    let opened = stage.taken(&mut daemon, 1).remove(0);
    stage.word(1, "active", 30, 15);
    let updated = stage.taken(&mut daemon, 2).remove(1);
    let alert = update(&opened, &updated, "grantwatch.alert.updated", 2);
    assert_eq!(alert["status"], "open");
    assert_eq!(alert["reason"]["kind"], "approved_afterwards");
    assert_eq!(alert["reason"]["judged_by"], "grant_approved_afterwards");
    assert_eq!((&opened.alert()["severity"], &alert["severity"]), (&json!("high"), &json!("low")));
    stage.end(daemon, 2);
}

#[test]
fn a_sink_that_was_down_hears_only_how_it_ended() {
    let stage = Stage::new();
    stage.siem.behave(|_| Mood::Refuse(503));
    let mut daemon = stage.house.run();
    stage.act(45);
    stage.stream(20);
    daemon.await_that("a try", |_| !stage.siem.arrivals().is_empty());
    let opened = stage.siem.arrivals().remove(0);
    stage.lines(1);
    stage.word(1, "active", 55, 15);
    stage.read(&mut daemon, "1-active.ndjson");
    stage.siem.behave(|_| Mood::Take);
    let resolved = stage.taken(&mut daemon, 1).remove(0);
    update(&opened, &resolved, "grantwatch.alert.resolved", 2);
    stage.end(daemon, 1);
    // The other sink was told of both.
    stage.lines(2);
    assert_eq!(stage.house.store().outbox("superseded"), 1);
}
