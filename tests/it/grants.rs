//! Grants on their way through the core: late ones, bad ones, a restart in between.

use std::sync::Arc;

use grantwatch::config::Config;
use grantwatch::grants::Ledger;
use grantwatch::model::Alert;
use grantwatch::model::Format;
use grantwatch::model::Seconds;
use grantwatch::pipeline;
use grantwatch::pipeline::Core;
use grantwatch::pipeline::Grants;
use grantwatch::pipeline::Reading;
use grantwatch::pipeline::daemon;
use grantwatch::rules::Rules;
use grantwatch::rules::Sieve;
use grantwatch::store::Reader;
use grantwatch::store::Store;
use serde_json::json;

use crate::originals;

/// A core that is told what happens in lines: `HH:MM act`, `HH:MM stream` (something else happens), `grant` (approved
/// at 09:20, active from then until 11:00), `late grant` (the same, approved at 09:40), `restart`.
struct Stage {
    config: Config,
    rules: Arc<Rules>,
    folder: tempfile::TempDir,
    grants: Grants,
    core: Option<Core>,
    deliveries: usize,
}

const ROLE: &str = "AWSReservedSSO_Admin_0123456789abcdef";

impl Stage {
    fn new(grants: Grants) -> Self {
        let mut config = Config::default();
        config.grants.paths = vec!["grants".into()];
        let folder = tempfile::tempdir().unwrap();
        let rules = originals::rules();
        let mut stage = Self { config, rules, folder, grants, core: None, deliveries: 0 };
        stage.open();
        stage
    }

    fn open(&mut self) {
        self.core = None;
        let store = Store::open(&self.folder.path().join("a.db"), pipeline::MIGRATIONS).unwrap();
        let settings = pipeline::Settings {
            grants_are: self.grants,
            ..daemon::settings(&self.config, Vec::new())
        };
        self.core = Some(Core::open(store, settings, Arc::clone(&self.rules)).unwrap());
    }

    fn deliver(&mut self, format: Format, name: &str, text: String) {
        self.deliveries += 1;
        let location = format!("{}{name}", self.deliveries);
        let delivery = originals::delivery(format, location, text);
        let core = self.core.as_mut().unwrap();
        originals::deliver(core, delivery, &Reading::of(&self.config), &self.rules);
    }

    fn record(&mut self, time: &str, name: &str) {
        let arn = format!("arn:aws:sts::111122223333:assumed-role/{ROLE}/ana@example.com");
        let record = json!({
            "eventVersion": "1.11", "eventSource": "iam.amazonaws.com", "eventName": name, "awsRegion": "us-east-1",
            "eventTime": format!("2026-03-01T{time}:00Z"), "eventID": format!("{name}-{time}"),
            "eventType": "AwsApiCall", "recipientAccountId": "111122223333", "sourceIPAddress": "198.51.100.7",
            "requestParameters": {"roleName": "ops", "policyName": "p", "policyDocument": crate::originals::HARMLESS},
            "userIdentity": {
                "type": "AssumedRole", "principalId": "AROAEXAMPLE:ana@example.com", "arn": arn,
                "accountId": "111122223333", "accessKeyId": "ASIAEXAMPLE",
                "sessionContext": {
                    "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "accountId": "111122223333", "userName": ROLE,
                        "arn": format!("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/{ROLE}")},
                    "attributes": {"creationDate": "2026-03-01T09:25:00Z", "mfaAuthenticated": "false"},
                },
            },
        });
        self.deliver(Format::CloudTrail, ".json", json!({"Records": [record]}).to_string());
    }

    fn grant(&mut self, approved: &str) {
        let message = json!({
            "schema": "grantwatch.grant/1", "id": "g-1", "source": "test", "revision": 2, "status": "active",
            "emitted_at": "2026-03-01T09:41:00Z", "requested_at": "2026-03-01T09:10:00Z",
            "approved_at": format!("2026-03-01T{approved}:00Z"), "approvers": [{"user_name": "bob@example.com"}],
            "principals": [{"kind": "idc_user", "user_name": "ana@example.com"}],
            "scope": {"accounts": ["111122223333"], "permission_sets": ["Admin"]},
            "window": {"not_before": "2026-03-01T09:20:00Z", "not_after": "2026-03-01T11:00:00Z"},
        });
        self.deliver(Format::Grants, ".ndjson", format!("{message}\n"));
    }

    fn told(mut self, story: &str) -> Self {
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once(' ') {
                Some((time, "act")) => self.record(time, "PutRolePolicy"),
                Some((time, "stream")) => self.record(time, "GetRole"),
                Some(("late", "grant")) => self.grant("09:40"),
                None if line == "grant" => self.grant("09:20"),
                None if line == "restart" => self.open(),
                _ => panic!("{line}"),
            }
        }
        self
    }

    /// Returns the alerts about grants: detector and verdict.
    fn alerts(&self) -> Vec<Alert> {
        let reader = Reader::open(&self.folder.path().join("a.db")).unwrap();
        let mut alerts = originals::alerts(&reader);
        alerts.retain(|alert| alert.facts.contains_key("gw.grant.verdict"));
        alerts.retain(|alert| alert.detector.contains("grant"));
        alerts
    }

    fn names(&self) -> Vec<String> {
        self.alerts().into_iter().map(|alert| alert.detector).collect()
    }
}

#[test]
fn what_no_grant_covers_waits_for_one_that_is_late() {
    let uncovered = Stage::new(Grants::Arriving).told("09:30 act \n 09:49 stream");
    assert_eq!(uncovered.names(), [""; 0], "the grace is not over");
    let uncovered = uncovered.told("restart \n 09:50 stream");
    assert_eq!(uncovered.names(), ["privilege_without_grant"], "it outlives a restart");
    assert_eq!(uncovered.told("10:30 stream").alerts()[0].count, 1, "and is told once");
    let covered = "09:30 act \n 09:40 stream \n restart \n grant \n 09:50 stream \n 10:30 stream";
    assert_eq!(Stage::new(Grants::Arriving).told(covered).names(), [""; 0]);
}

#[test]
fn a_grant_that_was_approved_only_afterwards_covers_nothing() {
    let late = Stage::new(Grants::Arriving).told("09:30 act \n late grant \n 09:50 stream");
    assert_eq!(late.names(), ["grant_approved_afterwards"]);
    let [alert] = &late.alerts()[..] else { panic!("one alert") };
    assert_eq!(alert.facts["gw.grant.approver"], json!(["bob@example.com"]));
}

#[test]
fn it_does_not_show_whether_an_act_had_to_wait() {
    let waited = Stage::new(Grants::Arriving).told("09:30 act \n 09:55 stream");
    let known = Stage::new(Grants::Known).told("09:30 act");
    assert_eq!(waited.alerts(), known.alerts());
}

#[test]
fn nothing_is_judged_where_nobody_reads_grants() {
    assert_eq!(Stage::new(Grants::Unread).told("09:30 act \n 10:30 stream").names(), [""; 0]);
    let told_once = Stage::new(Grants::Unread).told("grant \n 09:10 act \n 10:30 stream");
    assert_eq!(told_once.alerts().len(), 1, "a store that knows of grants is enough");
}

#[test]
fn a_folder_of_a_brokers_own_messages_is_read_with_its_preset() {
    let mut stage = Stage::new(Grants::Known);
    stage.config = toml::from_str(
        r#"
        [grants]
        paths = ["grants"]
        [[grants.preset]]
        name = "aws-team"
        paths = ["grants/team"]
        [[grants.preset]]
        name = "teleport"
        paths = ["grants/team/teleport"]
        "#,
    )
    .unwrap();
    let all = ["grants", "grants/team", "grants/team/teleport"].map(std::path::PathBuf::from);
    assert_eq!(stage.config.grants.all_paths(), all);
    let sample = include_str!("../../testdata/grants/aws-team/messages.ndjson");
    let read = |location: &str| {
        let delivery = originals::delivery(Format::Grants, location.to_owned(), sample.to_owned());
        let mut sieve = Sieve::new(Arc::clone(&stage.rules));
        let batch = pipeline::read(delivery, &Reading::of(&stage.config), &mut sieve);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let store = Store::open(&path, pipeline::MIGRATIONS).unwrap();
        let settings = daemon::settings(&stage.config, Vec::new());
        let mut core = Core::open(store, settings, Arc::clone(&stage.rules)).unwrap();
        core.take(batch).unwrap();
        core.commit(Seconds(1_800_000_000)).unwrap();
        let mut ledger = Ledger::default();
        ledger.load(&Reader::open(&path).unwrap()).unwrap();
        ledger.iter().count()
    };
    assert_eq!(read("grants/team/1.ndjson"), 1, "in its broker's words");
    assert_eq!(read("grants/team/march/1.ndjson"), 1, "folders below it are its broker's too");
    assert_eq!(read("grants/team/teleport/1.ndjson"), 0, "the innermost folder counts");
    assert_eq!(read("grants/1.ndjson"), 0, "our own words are wanted here");
    assert_eq!(read("grants/teamwork/1.ndjson"), 0, "a folder is no beginning of a name");
}

#[test]
fn a_bad_message_is_quarantined_and_told_of() {
    let mut stage = Stage::new(Grants::Known).told("grant");
    stage.deliver(
        Format::Grants,
        ".ndjson",
        "{\"id\":\"g-2\",\"status\":\"eternal\"}\n".to_owned(),
    );
    stage.deliver(Format::Grants, ".md", "# about grants\n".to_owned());
    let reader = Reader::open(&stage.folder.path().join("a.db")).unwrap();
    let mut query = reader.prepare("SELECT reason FROM quarantine ORDER BY id").unwrap();
    let reasons: Vec<String> =
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(reasons[0].contains("g-2") && reasons[0].contains("status"), "{reasons:?}");
    assert!(reasons[1].contains(".ndjson"), "{reasons:?}");
    let told: Vec<String> =
        originals::alerts(&reader).into_iter().map(|alert| alert.detector).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(stage.told("09:30 act").names().is_empty(), "what was good counts");
}
