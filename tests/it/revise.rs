//! Word of a grant that comes after its acts were judged: alerts are resolved, raised and told in other words, under
//! their ids, whatever the order.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use grantwatch::alert;
use grantwatch::config::Config;
use grantwatch::model::Alert;
use grantwatch::model::AlertStatus;
use grantwatch::model::Format;
use grantwatch::model::Seconds;
use grantwatch::model::Severity;
use grantwatch::model::SinkName;
use grantwatch::pipeline;
use grantwatch::pipeline::Core;
use grantwatch::pipeline::Destination;
use grantwatch::pipeline::Grants;
use grantwatch::pipeline::Reading;
use grantwatch::pipeline::daemon;
use grantwatch::rules::Rules;
use grantwatch::rules::Sieve;
use grantwatch::store::Reader;
use grantwatch::store::Store;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use crate::originals;

/// Real time, which nothing here may depend on.
const NOW: Seconds = Seconds(1_800_000_000);

/// A core that is told what happens in lines:
///
/// - `HH:MM NAME acts` and `HH:MM stream` (something else happens);
/// - `HH:MM NAME takes ACCOUNT`, a role of that account, and `HH:MM NAME acts from ACCOUNT since HH:MM` by such a session;
/// - `word of GRANT for NAME: REVISION STATUS HH:MM-HH:MM, approved HH:MM, sent HH:MM`;
/// - `restart`.
///
/// Lines between `(` and `)` are one commit. Behind `!` stands how alerts about grants stand then.
struct Stage {
    config: Config,
    rules: Arc<Rules>,
    folder: tempfile::TempDir,
    core: Option<Core>,
    sieve: Sieve,
    deliveries: usize,
    /// Whether a commit follows each line.
    commits: bool,
}

impl Stage {
    fn new() -> Self {
        let mut config = Config::default();
        config.grants.paths = vec!["grants".into()];
        let rules = originals::rules();
        let mut stage = Self {
            config,
            sieve: Sieve::new(Arc::clone(&rules)),
            rules,
            folder: tempfile::tempdir().unwrap(),
            core: None,
            deliveries: 0,
            commits: true,
        };
        stage.open();
        stage
    }

    fn open(&mut self) {
        self.core = None;
        let store = Store::open(&self.folder.path().join("a.db"), pipeline::MIGRATIONS).unwrap();
        let hook =
            Destination { name: SinkName("hook".to_owned()), min_severity: Severity::Medium };
        let settings = pipeline::Settings {
            grants_are: Grants::Arriving,
            ..daemon::settings(&self.config, vec![hook])
        };
        self.core = Some(Core::open(store, settings, Arc::clone(&self.rules)).unwrap());
    }

    fn deliver(&mut self, format: Format, name: &str, text: String) {
        self.deliveries += 1;
        let location = format!("{}{name}", self.deliveries);
        let delivery = originals::delivery(format, location, text);
        let batch = pipeline::read(delivery, &Reading::of(&self.config), &mut self.sieve);
        self.core.as_mut().unwrap().take(batch).unwrap();
        if self.commits {
            self.commit();
        }
    }

    fn commit(&mut self) {
        self.core.as_mut().unwrap().commit(NOW).unwrap();
    }

    fn line(&mut self, line: &str) {
        match line {
            "restart" => return self.open(),
            "(" => return self.commits = false,
            ")" => {
                self.commits = true;
                return self.commit();
            }
            _ => {}
        }
        if let Some(word) = line.strip_prefix("word of ") {
            return self.deliver(Format::Grants, ".ndjson", format!("{}\n", message(word)));
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [time, "stream"] => self.record(time, "nobody", "GetRole"),
            [time, name, "acts"] => self.record(time, name, "PutRolePolicy"),
            [time, name, "opens"] => {
                let opened = record(time, name, "PutRolePolicy").replace("sqs:SendMessage", "*");
                let opened = opened.replace("arn:aws:sqs:eu-central-1:111122223333:q", "*");
                self.deliver(Format::CloudTrail, ".json", opened);
            }
            [time, name, "takes", account] => {
                self.deliver(Format::CloudTrail, ".json", taking(time, name, account));
            }
            [time, name, "acts", "from", account, "since", since] => {
                self.deliver(Format::CloudTrail, ".json", taken(time, name, account, since));
            }
            _ => panic!("{line}"),
        }
    }

    fn record(&mut self, time: &str, name: &str, call: &str) {
        self.deliver(Format::CloudTrail, ".json", record(time, name, call));
    }

    /// Returns every alert about grants, oldest first.
    fn alerts(&self) -> Vec<Alert> {
        let mut alerts = originals::alerts(&self.reader());
        alerts.retain(|alert| alert.facts.contains_key("gw.grant.verdict"));
        alerts
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.folder.path().join("a.db")).unwrap()
    }

    /// Returns how alerts stand: `DETECTOR [revision N] [resolved] [KIND] xCOUNT`, several by ` + `.
    fn standing(&self) -> String {
        let one = |alert: &Alert| {
            let mut text = alert.detector.clone();
            if alert.revision > 1 {
                write!(text, " r{}", alert.revision).unwrap();
            }
            if alert.status == AlertStatus::Resolved {
                text.push_str(" resolved");
            }
            if let Some(reason) = &alert.reason {
                write!(text, " {}", reason.kind.name()).unwrap();
                if let Some(detector) = &reason.judged_by {
                    write!(text, " as {detector}").unwrap();
                }
            }
            write!(text, " x{}", alert.count).unwrap();
            text
        };
        self.alerts().iter().map(one).collect::<Vec<_>>().join(" + ")
    }

    #[track_caller]
    fn told(mut self, story: &str) -> Self {
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (done, expected) = match line.split_once('!') {
                Some((done, expected)) => (done.trim(), Some(expected.trim())),
                None => (line, None),
            };
            if !done.is_empty() {
                self.line(done);
            }
            if let Some(expected) = expected {
                assert_eq!(self.standing(), expected, "after `{done}`");
            }
        }
        self
    }

    /// Returns what the sink is owed or was sent: revision and state of each row, by alert.
    fn outbox(&self) -> Vec<(String, i64, String)> {
        let reader = self.reader();
        let mut query = reader
            .prepare("SELECT alert_id, revision, state FROM outbox ORDER BY alert_id, revision")
            .unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Returns what is known of each act that is kept: the verdict, and the detectors in whose words it is told.
    fn acts(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let reader = self.reader();
        let mut query = reader
            .prepare("SELECT event_id, judged FROM held_act WHERE judged IS NOT NULL")
            .unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
        let read = |row: rusqlite::Result<(String, String)>| {
            let (event, judged) = row.unwrap();
            let judged: Value = serde_json::from_str(&judged).unwrap();
            let tellings = judged["tellings"].as_array().unwrap();
            let detectors = tellings.iter().map(|it| it["detector"].as_str().unwrap().to_owned());
            (event, (judged["mark"].as_str().unwrap().to_owned(), detectors.collect()))
        };
        rows.map(read).collect()
    }
}

fn record(time: &str, name: &str, call: &str) -> String {
    let role = "AWSReservedSSO_Admin_0123456789abcdef";
    let session = format!("{name}@example.com");
    let record = json!({
        "eventVersion": "1.11", "eventSource": "iam.amazonaws.com", "eventName": call, "awsRegion": "us-east-1",
        "eventTime": format!("2026-03-01T{time}:00Z"), "eventID": format!("{name}-{call}-{time}"),
        "eventType": "AwsApiCall", "recipientAccountId": "111122223333", "sourceIPAddress": "198.51.100.7",
        "requestParameters": {"roleName": "ops", "policyName": "p", "policyDocument": originals::HARMLESS},
        "userIdentity": {
            "type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{session}"), "accountId": "111122223333",
            "arn": format!("arn:aws:sts::111122223333:assumed-role/{role}/{session}"),
            "accessKeyId": format!("ASIAEXAMPLE{}", name.to_uppercase()),
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "principalId": "AROAEXAMPLE", "accountId": "111122223333", "userName": role,
                    "arn": format!("arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/{role}")},
                "attributes": {"creationDate": "2026-03-01T08:00:00Z", "mfaAuthenticated": "false"},
            },
        },
    });
    json!({"Records": [record]}).to_string()
}

/// Returns the call by which somebody takes the role `deploy` of an account.
fn taking(time: &str, name: &str, account: &str) -> String {
    let mut whole: Value = serde_json::from_str(&record(time, name, "AssumeRole")).unwrap();
    let call = &mut whole["Records"][0];
    call["eventSource"] = json!("sts.amazonaws.com");
    call["recipientAccountId"] = json!(account);
    let role = format!("arn:aws:iam::{account}:role/deploy");
    call["requestParameters"] =
        json!({"roleArn": role, "roleSessionName": format!("shift-{name}")});
    call["responseElements"] = json!({
        "credentials": {"accessKeyId": format!("ASIADEPLOY{}", name.to_uppercase()), "expiration": "Mar 1, 2026, 1:00:00 PM"},
        "assumedRoleUser": {
            "assumedRoleId": format!("AROADEPLOY:shift-{name}"),
            "arn": format!("arn:aws:sts::{account}:assumed-role/deploy/shift-{name}"),
        },
    });
    whole.to_string()
}

/// Returns a call by the session that [`taking`] gives, which began at `since`.
fn taken(time: &str, name: &str, account: &str, since: &str) -> String {
    let mut whole: Value = serde_json::from_str(&record(time, name, "PutRolePolicy")).unwrap();
    whole["Records"][0]["userIdentity"] = json!({
        "type": "AssumedRole", "principalId": format!("AROADEPLOY:shift-{name}"), "accountId": account,
        "arn": format!("arn:aws:sts::{account}:assumed-role/deploy/shift-{name}"),
        "accessKeyId": format!("ASIADEPLOY{}", name.to_uppercase()),
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": "AROADEPLOY", "accountId": account, "userName": "deploy",
                "arn": format!("arn:aws:iam::{account}:role/deploy")},
            "attributes": {"creationDate": format!("2026-03-01T{since}:00Z"), "mfaAuthenticated": "false"},
        },
    });
    whole.to_string()
}

/// Returns the message of `GRANT for NAME: REVISION STATUS HH:MM-HH:MM, approved HH:MM, sent HH:MM`.
fn message(word: &str) -> Value {
    let (head, rest) = word.split_once(": ").unwrap();
    let (grant, name) = head.split_once(" for ").unwrap();
    let parts: Vec<&str> = rest.split(", ").collect();
    let [said, approved, sent] = parts[..] else { panic!("{word}") };
    let said: Vec<&str> = said.split(' ').collect();
    let [revision, status, window] = said[..] else { panic!("{word}") };
    let (from, until) = window.split_once('-').unwrap();
    let at = |time: &str| format!("2026-03-01T{}:00Z", time.rsplit(' ').next().unwrap());
    json!({
        "schema": "grantwatch.grant/1", "id": grant, "source": "test", "revision": revision.parse::<u64>().unwrap(),
        "status": status, "emitted_at": at(sent), "requested_at": at(approved), "approved_at": at(approved),
        "approvers": [{"user_name": "bob@example.com"}],
        "principals": [{"kind": "idc_user", "user_name": format!("{name}@example.com")}],
        "scope": {"accounts": ["111122223333"], "permission_sets": ["Admin"]},
        "window": {"not_before": at(from), "not_after": at(until)},
    })
}

#[test]
fn a_grant_that_is_told_of_late_resolves_the_alert() {
    let stage = Stage::new().told(
        "
        09:30 ana acts
        09:50 stream                                                           ! privilege_without_grant x1
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:51  ! privilege_without_grant r2 resolved covered_late x1
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:51  ! privilege_without_grant r2 resolved covered_late x1
        ",
    );
    let [alert] = &stage.alerts()[..] else { panic!("one alert") };
    let reason = alert.reason.as_ref().unwrap();
    assert_eq!(
        reason.text,
        "covered retroactively: grant g-1 covers it, approved by bob@example.com; word of it came 20m after the act"
    );
    assert_eq!((reason.grant.as_deref(), reason.seconds_late), (Some("g-1"), Some(1_200)));
    assert_eq!(reason.approvers, ["bob@example.com"]);
    assert_eq!(alert.event_ids.len(), 1, "it still says what it told of");
    let before = alert::table::earlier(&stage.reader(), &alert.id).unwrap();
    assert_eq!((before.len(), before[0].revision, before[0].count), (1, 1, 1), "the audit");
    let rows = stage.outbox();
    assert_eq!(
        rows,
        [
            (alert.id.0.clone(), 1, "superseded".to_owned()),
            (alert.id.0.clone(), 2, "pending".to_owned())
        ],
        "nobody is woken by what is over already"
    );
}

#[test]
fn a_grave_change_is_told_at_once_and_more_mildly_once_a_grant_is_known() {
    Stage::new().told(
        "
        09:30 ana opens                                                        ! administrator_made x1
        09:35 stream                                                           ! administrator_made x1
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:36
        09:55 stream                                                           ! administrator_made r2 resolved covered_late x1 + drift_under_grant x1
        ",
    );
    Stage::new().told(
        "
        09:30 ana opens
        09:55 stream                                                           ! administrator_made x1 + privilege_without_grant x1
        restart
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:56  ! administrator_made r2 resolved covered_late x1 + privilege_without_grant r2 resolved covered_late x1 + drift_under_grant covered_late x1
        ",
    );
}

#[test]
fn an_alert_is_resolved_with_the_last_of_its_acts() {
    Stage::new().told(
        "
        09:30 ana acts
        09:31 ana acts
        09:50 ana acts
        10:15 stream                                                           ! privilege_without_grant x3
        word of g-1 for ana: 1 active 09:25-09:40, approved 09:20, sent 09:51  ! privilege_without_grant r2 covered_late as grant_expired x1
        word of g-2 for ana: 1 active 09:45-11:00, approved 09:44, sent 09:52  ! privilege_without_grant r3 resolved covered_late x1
        ",
    );
}

#[test]
fn a_revocation_that_is_told_of_late_raises_the_alert() {
    let stage = Stage::new().told(
        "
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:20
        09:30 ana acts
        10:30 stream                                                            !
        restart
        word of g-1 for ana: 2 revoked 09:20-11:00, approved 09:20, sent 09:25  ! grant_revoked uncovered_late x1
        ",
    );
    let reason = stage.alerts()[0].reason.clone().unwrap();
    assert_eq!(
        reason.text,
        "not covered after all: grant g-1 was revoked 5m before; word of it came 1h after the act"
    );
    // What is old news changes nothing.
    stage.told(
        "
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:20   ! grant_revoked uncovered_late x1
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:21   ! grant_revoked uncovered_late x1
        ",
    );
}

#[test]
fn an_approval_that_came_afterwards_keeps_the_alert() {
    let stage = Stage::new().told(
        "
        09:30 ana acts
        09:50 stream                                                           ! privilege_without_grant x1
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:40, sent 09:51  ! privilege_without_grant r2 approved_afterwards as grant_approved_afterwards x1
        ",
    );
    let alert = stage.alerts().remove(0);
    assert_eq!((alert.status, alert.severity), (AlertStatus::Open, Severity::Low));
    assert_eq!(alert.detector, "privilege_without_grant", "what makes its id stays");
    assert!(alert.story.contains("before it was approved"), "{}", alert.story);
    // The sink that was told of it while it was severe is told of this, too.
    assert_eq!(stage.outbox().last().unwrap().1, 2);
}

#[test]
fn a_resolved_alert_stands_again_with_another_act_of_its_window() {
    let resolved = Stage::new().told(
        "
        09:21 ana acts
        09:50 stream
        word of g-1 for ana: 1 active 09:20-09:35, approved 09:20, sent 09:52  ! privilege_without_grant r2 resolved covered_late x1
        ",
    );
    let id = resolved.alerts()[0].id.clone();
    // Its file is late; nobody had spoken of a grant yet.
    let again = "privilege_without_grant r3 acted_again x1";
    let stage = resolved.told(&format!(
        "
        restart
        09:18 ana acts      ! {again}
        restart
        "
    ));
    assert_eq!(stage.alerts()[0].id, id);
    assert_eq!(stage.alerts()[0].event_ids, ["111122223333/ana-PutRolePolicy-09:18"]);
    let stage = stage.told(
        "
        word of g-0 for ana: 1 active 09:10-09:20, approved 09:10, sent 09:52  ! privilege_without_grant r4 resolved covered_late x1
        12:30 ana acts
        13:00 stream                                                           ! privilege_without_grant r4 resolved covered_late x1 + grant_expired x1
        ",
    );
    assert_eq!(stage.outbox().len(), 5);
}

#[test]
fn an_extension_that_is_told_of_late_covers_if_it_was_made_in_time() {
    let told = "
        word of g-1 for ana: 1 active 09:20-09:40, approved 09:20, sent 09:20
        09:50 ana acts
        10:15 stream                                                              ! grant_expired x1
        ";
    Stage::new().told(told).told(
        "word of g-1 for ana: 2 extended 09:20-11:00, approved 09:20, sent 09:45  ! grant_expired r2 resolved covered_late x1",
    );
    let stage = Stage::new().told(told).told(
        "word of g-1 for ana: 2 extended 09:20-11:00, approved 09:20, sent 10:05  ! grant_approved_afterwards approved_afterwards x1 + grant_expired r2 approved_afterwards x1",
    );
    let reason = stage.alerts()[1].reason.clone().unwrap();
    assert!(reason.text.contains("was extended only 15m after"), "{}", reason.text);
}

#[test]
fn one_grant_of_two_that_falls_away_uncovers_nothing() {
    Stage::new().told(
        "
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:20
        word of g-2 for ana: 1 active 09:20-10:00, approved 09:20, sent 09:20
        09:30 ana acts
        10:30 stream
        word of g-1 for ana: 2 revoked 09:20-11:00, approved 09:20, sent 09:25    !
        word of g-2 for ana: 2 revoked 09:20-10:00, approved 09:20, sent 09:26    ! grant_revoked uncovered_late x1
        ",
    );
}

/// Returns whom each alert about grants is told of.
fn whose(stage: &Stage) -> Vec<String> {
    let name = |alert: &Alert| alert.facts["gw.identity.name"].as_str().unwrap().to_owned();
    stage.alerts().iter().map(name).collect()
}

#[test]
fn who_took_a_role_may_be_told_after_what_was_done_with_it() {
    for (restart, account) in
        [("", "111122223333"), ("restart", "111122223333"), ("", "444455556666")]
    {
        let stage = Stage::new().told(&format!(
            "
            09:32 ana acts from {account} since 09:30
            09:40 stream                                   !
            {restart}
            09:30 ana takes {account}
            09:55 stream                                   ! privilege_without_grant x1
            "
        ));
        assert_eq!(whose(&stage), ["person:ana@example.com"]);
    }
    // Whose issue never comes is a workload, which nobody asks for a grant, and neither is one that has long begun.
    let stage = Stage::new().told(
        "
        09:32 ana acts from 111122223333 since 09:30
        09:32 bob acts from 111122223333 since 08:30
        09:30 bob takes 111122223333
        10:15 stream                                       !
        ",
    );
    assert_eq!(stage.acts().len(), 0, "nothing is left in the store");
}

#[test]
fn a_record_that_comes_late_lays_an_act_to_somebody_else() {
    let mut stage = Stage::new();
    let deploys =
        json!({"name": "deploys", "actions": ["iam:PutRolePolicy"], "by": ["workload", "person"]});
    stage.config.grants.protect.push(serde_json::from_value(deploys).unwrap());
    stage.open();
    let stage = stage.told(
        "
        09:32 ana acts from 111122223333 since 09:30
        09:55 stream                                       ! workload_without_grant x1
        ",
    );
    let (id, before) = (stage.alerts()[0].id.clone(), whose(&stage));
    assert_eq!(before, ["workload:111122223333/role/deploy"]);
    let stage = stage.told(
        "
        restart
        09:30 ana takes 111122223333                       ! workload_without_grant r2 judged_anew as privilege_without_grant x1
        09:30 ana takes 111122223333                       ! workload_without_grant r2 judged_anew as privilege_without_grant x1
        restart
        10:00 stream                                       ! workload_without_grant r2 judged_anew as privilege_without_grant x1
        ",
    );
    let alert = &stage.alerts()[0];
    assert_eq!((&alert.id, whose(&stage)), (&id, vec!["person:ana@example.com".to_owned()]));
    let reason = &alert.reason.as_ref().unwrap().text;
    let expected = "a record that came late lays it to person:ana@example.com, not to workload:111122223333/role/deploy";
    assert!(reason.ends_with(expected), "{reason}");
}

#[test]
fn acts_of_one_commit_come_to_the_same_end() {
    let stage = Stage::new().told(
        "
        (
        09:30 ana acts
        09:50 stream
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:51
        )                  ! privilege_without_grant r2 resolved covered_late x1
        ",
    );
    let states: Vec<String> = stage.outbox().into_iter().map(|(_, _, state)| state).collect();
    assert_eq!(states, ["superseded", "pending"]);
}

#[test]
fn what_comes_after_the_time_for_it_changes_nothing() {
    let mut stage = Stage::new();
    stage.config.grants.revise_for = "1h".parse().unwrap();
    stage.open();
    let stage = stage.told(
        "
        09:30 ana acts
        10:40 stream                                                           ! privilege_without_grant x1
        word of g-1 for ana: 1 active 09:20-11:00, approved 09:20, sent 09:51  ! privilege_without_grant x1
        ",
    );
    assert_eq!(stage.acts(), BTreeMap::new());
}

/// What a source says of a grant: revision, status, window, approval and the time at which it is sent.
#[derive(Debug, Clone)]
struct Word {
    grant: u8,
    name: &'static str,
    revision: u8,
    status: &'static str,
    from: u8,
    length: u8,
    approved: u8,
    sent: u8,
}

impl Word {
    fn line(&self) -> String {
        let Self { grant, name, revision, status, from, length, approved, sent } = self;
        let time = |minutes: u8| format!("{:02}:{:02}", 8 + minutes / 60, minutes % 60);
        format!(
            "word of g-{grant}-{name} for {name}: {revision} {status} {}-{}, approved {}, sent {}",
            time(*from),
            time(from + length),
            time(*approved),
            time(*sent)
        )
    }
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    let word = (
        0..3u8,
        prop::sample::select(vec!["ana", "bob"]),
        1..4u8,
        prop::sample::select(vec!["active", "extended", "revoked", "ended", "rejected"]),
        0..100u8,
        10..60u8,
        0..120u8,
        0..120u8,
    );
    let word = word.prop_map(|(grant, name, revision, status, from, length, approved, sent)| {
        Word { grant, name, revision, status, from, length, approved, sent }
    });
    prop::collection::vec(word, 1..6)
}

/// An act or a word, and what follows it.
#[derive(Debug, Clone)]
struct Turn {
    place: u16,
    after: &'static str,
}

fn turns(count: usize) -> impl Strategy<Value = Vec<Turn>> {
    let after = prop::sample::select(vec!["", "", "commit", "restart"]);
    let turn = (any::<u16>(), after).prop_map(|(place, after)| Turn { place, after });
    prop::collection::vec(turn, count)
}

fn acts() -> impl Strategy<Value = Vec<(u8, &'static str)>> {
    prop::collection::vec((0..120u8, prop::sample::select(vec!["ana", "bob"])), 1..8)
}

/// Plays acts in the order of their time, with word of grants in between where `turns` say, to an end where all is judged.
fn played(acts: &[(u8, &str)], words: &[Word], turns: &[Turn]) -> Stage {
    let mut stage = Stage::new();
    stage.commits = false;
    let mut lines: Vec<(u16, String)> = Vec::new();
    let mut acts = acts.to_vec();
    acts.sort_unstable();
    acts.dedup();
    // Some three hours of acts and quiet, in which word comes early, in between, or when everything has been told.
    for (minute, name) in &acts {
        let line = format!("{:02}:{:02} {name} acts", 8 + minute / 60, minute % 60);
        lines.push((u16::from(*minute) * 300, line));
    }
    for minute in (0..200u16).step_by(20) {
        lines.push((minute * 300, format!("{:02}:{:02} stream", 8 + minute / 60, minute % 60)));
    }
    for (word, turn) in words.iter().zip(turns) {
        lines.push((turn.place, word.line()));
    }
    lines.sort();
    let after = turns.iter().map(|turn| turn.after).chain(std::iter::repeat(""));
    for ((_, line), after) in lines.iter().zip(after) {
        stage.line(line);
        match after {
            "commit" => stage.commit(),
            "restart" => {
                stage.commit();
                stage.open();
            }
            _ => {}
        }
    }
    stage.line("12:00 stream");
    stage.commit();
    stage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn late_word_comes_to_the_same_end(
        acts in acts(),
        words in words(),
        turns in turns(24),
    ) {
        let known: Vec<Turn> = turns.iter().map(|_| Turn { place: 0, after: "" }).collect();
        let (early, late) = (played(&acts, &words, &known), played(&acts, &words, &turns));
        // Every act has the same verdict and is told of in the same words.
        prop_assert_eq!(early.acts(), late.acts());
        let (early, late) = (early.alerts(), late.alerts());
        prop_assert!(early.iter().all(|alert| alert.status == AlertStatus::Open));
        let told = |alerts: &[Alert]| -> BTreeSet<String> {
            let open = alerts.iter().filter(|alert| alert.status == AlertStatus::Open);
            open.flat_map(|alert| alert.event_ids.clone()).collect()
        };
        prop_assert_eq!(told(&early), told(&late), "of the same acts open alerts tell");
        // An alert that stands has the id that it would have had, unless it was raised in other words.
        let ids: BTreeSet<&str> = early.iter().map(|alert| alert.id.0.as_str()).collect();
        for alert in &late {
            let is_first = alert.revision == 1;
            let is_due = ids.contains(alert.id.0.as_str());
            prop_assert!(is_due || !is_first || alert.status == AlertStatus::Resolved, "{alert:#?}");
            prop_assert_eq!(alert.status == AlertStatus::Resolved, alert.reason.is_some() && told(std::slice::from_ref(alert)).is_empty());
            prop_assert!(alert.count > 0 && !alert.event_ids.is_empty());
        }
    }
}
