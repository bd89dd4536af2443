//! What was done with grants: counted once, told of once, reported in every form, and in the numbers.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use grantwatch::config::Config;
use grantwatch::grants::Grant;
use grantwatch::grants::GrantId;
use grantwatch::grants::Ledger;
use grantwatch::grants::Usage;
use grantwatch::grants::report;
use grantwatch::grants::report::Form;
use grantwatch::grants::report::Report;
use grantwatch::grants::score;
use grantwatch::grants::usage::Part;
use grantwatch::model::Alert;
use grantwatch::model::Format;
use grantwatch::model::Seconds;
use grantwatch::pipeline;
use grantwatch::pipeline::Core;
use grantwatch::pipeline::Grants;
use grantwatch::pipeline::Reading;
use grantwatch::pipeline::daemon;
use grantwatch::rules::Rules;
use grantwatch::store::Reader;
use grantwatch::store::Store;
use grantwatch::telemetry::metrics::Metrics;
use serde_json::Value;
use serde_json::json;

use crate::claims;
use crate::originals;
use crate::outside::daemon::House;

const ROLE: &str = "AWSReservedSSO_Admin_0123456789abcdef";
const HOME: &str = "111122223333";

/// A core that is told of one day, line by line: `HH:MM Call` is what ana does in her session since 09:25, `HH:MM stream`
/// is somebody else's call, `grant`, `emergency` and `ended` are messages about her grant from 09:20 to 11:00, `restart` loads
/// what is committed, `end` says that all sources have ended. A time may be of the next day (`+HH:MM`).
struct Stage {
    config: Config,
    rules: Arc<Rules>,
    folder: tempfile::TempDir,
    grants: Grants,
    core: Option<Core>,
    metrics: Metrics,
    deliveries: usize,
    agent: &'static str,
    justification: &'static str,
}

impl Stage {
    fn new(grants: Grants) -> Self {
        let mut config = Config::default();
        config.grants.paths = vec!["grants".into()];
        let mut stage = Self {
            config,
            rules: originals::rules(),
            folder: tempfile::tempdir().unwrap(),
            grants,
            core: None,
            metrics: Metrics::new(),
            deliveries: 0,
            agent: "aws-cli/2.27.0",
            justification: "restart the database",
        };
        stage.open();
        stage
    }

    fn open(&mut self) {
        self.core = None;
        self.metrics = Metrics::new();
        let store = Store::open(&self.store(), pipeline::MIGRATIONS).unwrap();
        let settings = pipeline::Settings {
            grants_are: self.grants,
            metrics: self.metrics.clone(),
            ..daemon::settings(&self.config, Vec::new())
        };
        self.core = Some(Core::open(store, settings, Arc::clone(&self.rules)).unwrap());
    }

    fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("a.db")
    }

    fn deliver(&mut self, format: Format, name: &str, text: String) {
        self.deliveries += 1;
        let location = format!("{}{name}", self.deliveries);
        let delivery = originals::delivery(format, location, text);
        let core = self.core.as_mut().unwrap();
        originals::deliver(core, delivery, &Reading::of(&self.config), &self.rules);
    }

    fn record(&mut self, time: &str, name: &str) {
        let time = match time.strip_prefix('+') {
            Some(clock) => format!("2026-03-02T{clock}:00Z"),
            None => format!("2026-03-01T{time}:00Z"),
        };
        let (role, who) = match name {
            "stream" => ("payments", "i-0123456789abcdef0"),
            _ => (ROLE, "ana@example.com"),
        };
        let (name, refused) = match name.strip_suffix('!') {
            Some(name) => (name, true),
            None => (if name == "stream" { "GetRole" } else { name }, false),
        };
        let mut record = json!({
            "eventVersion": "1.11", "eventSource": "iam.amazonaws.com", "eventName": name, "awsRegion": "us-east-1",
            "eventTime": time, "eventID": format!("{name}-{role}-{time}"), "eventType": "AwsApiCall",
            "recipientAccountId": HOME, "sourceIPAddress": "198.51.100.7", "userAgent": self.agent,
            "requestParameters": {"roleName": "ops", "policyName": "p", "policyDocument": crate::originals::HARMLESS},
            "userIdentity": {
                "type": "AssumedRole", "principalId": format!("AROAEXAMPLE{role}:{who}"), "accountId": HOME,
                "arn": format!("arn:aws:sts::{HOME}:assumed-role/{role}/{who}"), "accessKeyId": "ASIAEXAMPLE",
                "sessionContext": {
                    "sessionIssuer": {"type": "Role", "principalId": format!("AROAEXAMPLE{role}"), "accountId": HOME,
                        "userName": role, "arn": format!("arn:aws:iam::{HOME}:role/{role}")},
                    "attributes": {"creationDate": "2026-03-01T09:25:00Z", "mfaAuthenticated": "false"},
                },
            },
        });
        if refused {
            record["errorCode"] = "AccessDenied".into();
        }
        if role == ROLE {
            let issuer = &mut record["userIdentity"]["sessionContext"]["sessionIssuer"];
            issuer["arn"] =
                format!("arn:aws:iam::{HOME}:role/aws-reserved/sso.amazonaws.com/{ROLE}").into();
        }
        self.deliver(Format::CloudTrail, ".json", json!({"Records": [record]}).to_string());
    }

    fn grant(&mut self, more: &Value) {
        let mut message = json!({
            "schema": "grantwatch.grant/1", "id": "g-1", "source": "test", "revision": 2, "status": "active",
            "emitted_at": "2026-03-01T09:20:00Z", "requested_at": "2026-03-01T09:10:00Z",
            "approved_at": "2026-03-01T09:20:00Z", "approvers": [{"user_name": "Ana@example.com"}],
            "principals": [{"kind": "idc_user", "user_name": "ana@example.com"}],
            "scope": {"accounts": [HOME], "permission_sets": ["Admin"]}, "justification": self.justification,
            "window": {"not_before": "2026-03-01T09:20:00Z", "not_after": "2026-03-01T11:00:00Z"},
        });
        let members = message.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        self.deliver(Format::Grants, ".ndjson", format!("{message}\n"));
    }

    fn told(mut self, story: &str) -> Self {
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once(' ') {
                Some((time, name)) => self.record(time, name),
                None if line == "grant" => self.grant(&json!({})),
                None if line == "emergency" => self.grant(&json!({"break_glass": true})),
                None if line == "ended" => self.grant(&json!({
                    "status": "ended", "revision": 3, "emitted_at": "2026-03-02T12:00:00Z",
                })),
                None if line == "restart" => self.open(),
                None if line == "end" => {
                    let core = self.core.as_mut().unwrap();
                    core.finish();
                    core.commit(Seconds(1_800_000_000)).unwrap();
                }
                _ => panic!("{line}"),
            }
        }
        self
    }

    /// Returns how often each action was counted in each part, refused acts behind a slash.
    fn used(&self) -> String {
        self.used_of("g-1")
    }

    fn used_of(&self, id: &str) -> String {
        let reader = Reader::open(&self.store()).unwrap();
        let used = Usage::of(&reader, &GrantId(id.into())).unwrap();
        let whole = used.deeds.iter().filter(|(deed, _)| deed.resource.is_empty());
        let shown = whole.map(|(deed, tally)| {
            let (part, action) = (deed.part.name(), deed.action.trim_start_matches("iam:"));
            format!("{part} {action} {}/{}", tally.acts, tally.denied)
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Returns the alerts about what was done with grants.
    fn alerts(&self) -> Vec<Alert> {
        let mut alerts = originals::alerts(&Reader::open(&self.store()).unwrap());
        let ours = ["grant_unused", "grant_tail", "break_glass_used"];
        alerts.retain(|alert| ours.contains(&alert.detector.as_str()));
        alerts
    }

    fn names(&self) -> Vec<String> {
        self.alerts().into_iter().map(|alert| alert.detector).collect()
    }

    fn report(&self) -> Report {
        let reader = Reader::open(&self.store()).unwrap();
        let mut ledger = Ledger::default();
        ledger.load(&reader).unwrap();
        let now = Seconds(1_800_000_000);
        let report = |grant: &Grant| report::of(&reader, &ledger, grant.id(), now).unwrap();
        Report {
            schema: report::SCHEMA,
            about: "all".to_owned(),
            grants: ledger.iter().filter_map(report).collect(),
            scores: report::scored(
                &score::scores_in(&reader, Seconds(0), Seconds(i64::MAX)).unwrap(),
            ),
        }
    }
}

#[test]
fn an_act_counts_once_whatever_comes_late_or_twice_and_whatever_restarts() {
    let once = "inside GetRole 1/0, inside PutRolePolicy 2/1";
    for story in [
        "grant \n 09:30 PutRolePolicy \n 09:31 GetRole \n 09:32 PutRolePolicy!",
        "09:30 PutRolePolicy \n 09:31 GetRole \n 09:32 PutRolePolicy! \n restart \n grant",
        "grant \n 09:31 GetRole \n 09:31 GetRole \n restart \n 09:31 GetRole \n 09:30 PutRolePolicy \n 09:32 PutRolePolicy!",
    ] {
        let stage = Stage::new(Grants::Arriving).told(story).told("restart \n 10:00 stream");
        // What reads waits only where a session is known to use what grants give; nobody had said so before.
        let expected = if story.starts_with("grant") { once } else { "inside PutRolePolicy 2/1" };
        assert_eq!(stage.used(), expected, "{story}");
        let score = stage.report().scores.pop().unwrap();
        assert_eq!((score.wanted, score.covered), (2, 2), "{story}");
    }
}

#[test]
fn what_reads_counts_where_grants_give_access_and_waits_for_those_that_are_late() {
    // Another grant has said before that `Admin` is something to ask for.
    let mut stage = Stage::new(Grants::Arriving);
    stage.grant(
        &json!({"id": "g-0", "principals": [{"kind": "idc_user", "user_name": "bob@example.com"}]}),
    );
    let stage = stage.told("09:31 GetRole \n 09:31 stream \n restart");
    assert_eq!(stage.used(), "");
    assert_eq!(stage.told("grant \n 10:00 stream").used(), "inside GetRole 1/0");
}

#[test]
fn parts_are_told_apart() {
    let story = "grant \n 09:30 GetRole \n 10:30 PutRolePolicy \n 11:30 PutRolePolicy \n 11:31 GetRole \n +23:00 GetRole";
    let stage = Stage::new(Grants::Known).told(story);
    assert_eq!(
        stage.used(),
        "inside GetRole 1/0, inside PutRolePolicy 1/0, tail GetRole 2/0, tail PutRolePolicy 1/0"
    );
    let mut narrow = Stage::new(Grants::Known);
    narrow.grant(&json!({"scope": {"accounts": [HOME], "permission_sets": ["Admin"], "actions": ["iam:Put*", "s3:*"]}}));
    let narrow = narrow.told("09:30 GetRole \n 09:31 PutRolePolicy");
    assert_eq!(narrow.used(), "inside PutRolePolicy 1/0, outside_action GetRole 1/0");
    assert_eq!(narrow.report().grants[0].unused, ["action s3:*"]);
}

#[test]
fn a_grant_that_nobody_used_is_told_of_once() {
    let over = "09:00 stream \n grant \n 11:10 stream";
    let stage = Stage::new(Grants::Arriving).told(over);
    assert_eq!(stage.names(), [""; 0], "the lateness is not over");
    let stage = stage.told("restart \n 11:30 stream \n restart \n 13:00 stream");
    let [alert] = &stage.alerts()[..] else { panic!("one alert: {:?}", stage.names()) };
    assert_eq!((&*alert.detector, alert.count), ("grant_unused", 1));
    assert_eq!(alert.first_seen, Seconds::parse("2026-03-01T11:00:00Z").unwrap());
    assert_eq!(alert.who.name, "person:ana@example.com");
    for quiet in [
        "09:00 stream \n grant \n 10:59 GetRole! \n 13:00 stream",
        // Nothing is known of the time before the first event.
        "09:30 stream \n grant \n 13:00 stream",
        // Its broker says later that it is over, long after it was used.
        "09:00 stream \n grant \n 10:00 GetRole \n 13:00 stream \n +12:00 stream \n ended \n +13:00 stream",
        // Told of too late to know what was done with it.
        "09:00 stream \n 13:00 stream \n grant \n 14:00 stream",
    ] {
        assert_eq!(Stage::new(Grants::Arriving).told(quiet).names(), [""; 0], "{quiet}");
    }
}

#[test]
fn a_tail_is_summed_up_once() {
    let acts = ["11:30 GetRole", "12:10 PutRolePolicy", "12:11 PutRolePolicy!"];
    let mut found = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0]] {
        let told: Vec<&str> = order.into_iter().map(|at| acts[at]).collect();
        let story = format!("grant \n 09:30 GetRole \n {}", told.join(" \n "));
        let stage = Stage::new(Grants::Known).told(&story).told("22:00 stream \n restart");
        assert_eq!(stage.names(), [""; 0], "its sessions may still go on");
        let stage = stage.told("23:40 stream \n restart \n +10:00 stream");
        let [alert] = &stage.alerts()[..] else { panic!("one alert: {:?}", stage.names()) };
        assert_eq!((&*alert.detector, alert.count), ("grant_tail", 1));
        assert!(
            alert.story.contains("2 calls (1 of them changes) in the 1h11m"),
            "{}",
            alert.story
        );
        found.push((alert.id.clone(), alert.story.clone()));
    }
    assert_eq!(found[0], found[1]);
}

#[test]
fn what_was_told_when_all_sources_ended_is_not_told_by_the_next_start() {
    // The last event is after the end of the grant, and what may be late is not there yet.
    for (story, name) in [
        ("grant \n 09:30 GetRole \n 11:30 GetRole \n 12:10 PutRolePolicy", "grant_tail"),
        ("09:00 stream \n grant \n 11:14 stream", "grant_unused"),
    ] {
        let stage = Stage::new(Grants::Known).told(story).told("end");
        let [first] = &stage.alerts()[..] else { panic!("one alert: {:?}", stage.names()) };
        assert_eq!((&*first.detector, first.count), (name, 1));
        let told = (first.id.clone(), first.revision, first.story.clone());
        let stage =
            stage.told("restart \n end \n restart \n 12:30 GetRole \n +10:00 stream \n end");
        let alerts: Vec<Alert> =
            stage.alerts().into_iter().filter(|alert| alert.detector == name).collect();
        let [alert] = &alerts[..] else { panic!("one alert: {:?}", stage.names()) };
        assert_eq!((alert.id.clone(), alert.revision, alert.story.clone()), told, "{name}");
        assert_eq!(alert.count, 1, "{name}");
    }
}

#[test]
fn the_score_and_the_use_of_a_grant_follow_a_late_word() {
    // The grace is over, the act is told of as uncovered; then its grant comes.
    let stage =
        Stage::new(Grants::Arriving).told("09:00 stream \n 09:30 PutRolePolicy \n 10:30 stream");
    let score = |stage: &Stage| {
        let score = stage.report().scores.pop().unwrap();
        (score.wanted, score.covered)
    };
    assert_eq!(score(&stage), (1, 0));
    let stage = stage.told("restart \n grant");
    assert_eq!((score(&stage), &*stage.used()), ((1, 1), "inside PutRolePolicy 1/0"));
    let ratio = format!("grantwatch_zero_standing_privilege_ratio{{account=\"{HOME}\"}} 1.0");
    assert!(stage.metrics.text().contains(&ratio), "{}", stage.metrics.text());
    let stage = stage.told("grant \n restart \n grant \n 13:00 stream");
    assert_eq!((score(&stage), &*stage.used()), ((1, 1), "inside PutRolePolicy 1/0"));
    assert_eq!(stage.names(), [""; 0], "it was used");
    // What a word takes away, the score loses as well.
    let mut stage = stage;
    stage.grant(&json!({
        "status": "revoked", "revision": 3, "emitted_at": "2026-03-01T09:25:00Z",
    }));
    assert_eq!(score(&stage), (1, 0));
}

#[test]
fn a_use_moves_to_the_grant_that_covers_it_by_a_late_word_once() {
    let other = json!({"id": "g-2"});
    let revoked = json!({"status": "revoked", "revision": 3, "emitted_at": "2026-03-01T09:28:00Z"});
    let acts =
        "09:00 stream \n grant \n 09:30 PutRolePolicy \n 09:31 PutRolePolicy! \n 09:32 GetRole";
    for words in [[&other, &revoked], [&revoked, &other]] {
        for restart in ["", "restart"] {
            let mut stage = Stage::new(Grants::Arriving).told(acts);
            assert_eq!(stage.used(), "inside GetRole 1/0, inside PutRolePolicy 2/1");
            stage.grant(words[0]);
            let mut stage = stage.told(restart);
            stage.grant(words[1]);
            let mut stage = stage.told(restart);
            // What only reads is beside the surface: nobody judges it anew.
            assert_eq!(stage.used(), "inside GetRole 1/0", "{words:?}");
            assert_eq!(stage.used_of("g-2"), "inside PutRolePolicy 2/1", "{words:?}");
            // The same word again, and a restart, move nothing more.
            stage.grant(words[1]);
            let stage = stage.told("restart \n 10:30 stream");
            assert_eq!(stage.used(), "inside GetRole 1/0", "{words:?}");
            assert_eq!(stage.used_of("g-2"), "inside PutRolePolicy 2/1", "{words:?}");
            let score = stage.report().scores.pop().unwrap();
            assert_eq!((score.wanted, score.covered), (2, 2), "{words:?}");
        }
    }
}

#[test]
fn a_grant_that_lost_its_only_use_to_another_is_unused() {
    let revoked = json!({"status": "revoked", "revision": 3, "emitted_at": "2026-03-01T09:28:00Z"});
    let mut stage =
        Stage::new(Grants::Arriving).told("09:00 stream \n grant \n 09:30 PutRolePolicy");
    stage.grant(&json!({"id": "g-2"}));
    stage.grant(&revoked);
    let stage = stage.told("13:00 stream");
    assert_eq!(stage.names(), ["grant_unused"]);
    assert!(stage.alerts()[0].story.contains("g-1"), "{}", stage.alerts()[0].story);
}

#[test]
fn an_emergency_is_told_of_at_once_and_once() {
    let story = "emergency \n 09:30 GetRole \n 09:31 PutRolePolicy";
    let stage = Stage::new(Grants::Arriving).told(story);
    assert_eq!(stage.names(), ["break_glass_used"]);
    let stage = stage.told("restart \n 10:59 PutRolePolicy \n 11:30 PutRolePolicy");
    let [alert] = &stage.alerts()[..] else { panic!("one alert: {:?}", stage.names()) };
    assert_eq!(alert.count, 1);
    assert!(alert.story.contains("restart the database"), "{}", alert.story);
    assert_eq!(Stage::new(Grants::Arriving).told("grant \n 09:30 GetRole").names(), [""; 0]);
}

#[test]
fn what_is_done_in_an_emergency_is_covered_and_told_of_as_nothing_else() {
    let story = "emergency \n 09:30 PutRolePolicy \n 10:59 PutRolePolicy \n 13:00 stream";
    let stage = Stage::new(Grants::Arriving).told(story);
    assert_eq!(stage.used(), "inside PutRolePolicy 2/0");
    let all = originals::alerts(&Reader::open(&stage.store()).unwrap());
    let of_grants = all.iter().filter(|alert| alert.facts.contains_key("gw.grant.id"));
    let names: Vec<&str> = of_grants.map(|alert| alert.detector.as_str()).collect();
    assert_eq!(names, ["break_glass_used"]);
    let score = stage.report().scores.pop().unwrap();
    assert_eq!((score.wanted, score.covered), (2, 2));
}

#[test]
fn the_numbers_are_those_of_the_store_and_a_restart_changes_no_ratio() {
    let story = "grant \n 09:30 PutRolePolicy \n 09:31 PutRolePolicy \n 11:30 PutRolePolicy \n 12:30 stream";
    let mut stage = Stage::new(Grants::Arriving).told(story);
    let score = format!("grantwatch_zero_standing_privilege_ratio{{account=\"{HOME}\"}} 0.6666");
    let text = stage.metrics.text();
    assert!(text.contains(&score), "{text}");
    let acts = |verdict: &str| {
        format!("grantwatch_protected_acts_total{{verdict=\"{verdict}\",account=\"{HOME}\"}} ")
    };
    assert!(text.contains(&(acts("covered") + "2\n")), "{text}");
    assert!(text.contains(&(acts("expired") + "1\n")), "{text}");
    assert!(text.contains("grantwatch_grants{status=\"ended\"} 1.0\n"), "{text}");
    assert!(text.contains("grantwatch_grants_active{} 0.0\n"), "{text}");
    assert!(text.contains("grantwatch_records_total{source=\"test\",fate=\"kept\"}"), "{text}");
    stage.open();
    let stage = stage.told("12:40 stream");
    let text = stage.metrics.text();
    assert!(text.contains(&score), "{text}");
    assert!(!text.contains(&acts("covered")), "a counter is the process's own");
    parses(&text);
}

/// Checks that `text` is what OpenMetrics says: lines of families, each with its type before its series, and an end.
fn parses(text: &str) {
    let mut types = BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.last(), Some(&"# EOF"));
    for line in &lines[..lines.len() - 1] {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(types.insert(name, kind).is_none(), "{name} stands twice");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let family = name.strip_suffix("_total").unwrap_or(name);
        let expected = if name.ends_with("_total") { "counter" } else { "gauge" };
        assert_eq!(types.get(family), Some(&expected), "{line}");
    }
    assert!(types.len() > 8, "{types:?}");
}

#[test]
fn what_a_log_or_a_message_says_is_text_in_every_form() {
    let mut stage = Stage::new(Grants::Known);
    stage.agent = "<script>alert(1)</script>\"'`|\u{202e}\n=1";
    stage.justification = "=HYPERLINK(\"https://evil.example\") | <img src=x> [a](javascript:b)";
    let stage = stage.told("grant \n 09:30 PutRolePolicy");
    let report = stage.report();
    let html = report.written(Form::Html).unwrap();
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.contains("default-src &#x27;none&#x27;") || html.contains("default-src 'none'"));
    let markdown = report.written(Form::Markdown).unwrap();
    assert!(markdown.contains(r"=HYPERLINK\("), "{markdown}");
    let agent = markdown.lines().find(|line| line.starts_with("| program")).unwrap();
    assert_eq!(agent.replace("\\|", "").matches('|').count(), 7, "{agent}");
    assert!(!markdown.contains("](java") && !markdown.contains("<img"), "{markdown}");
    let text = report.written(Form::Csv).unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 1);
    let computed = |cell: &str| cell.starts_with(['=', '+', '-', '@']);
    assert!(!rows[0].iter().any(computed), "{rows:?}");
    assert!(rows[0][5].starts_with("'=HYPERLINK"), "{rows:?}");
    let json = report.written(Form::Json).unwrap();
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["grants"][0]["traces"][1]["value"], stage.agent, "nothing is lost");
    for (form, text) in [("html", html), ("md", markdown), ("csv", text), ("json", json)] {
        assert!(!text.contains('\u{202e}'), "{form}");
    }
    assert!(report.grants[0].why.self_approved, "names are compared in any case");
}

/// Two days of a small organisation with both incidents, scanned into a store.
struct Drill {
    house: House,
    truth: BTreeMap<String, Value>,
}

impl Drill {
    fn new() -> Self {
        let house = House::new();
        let run = |arguments: &[&str]| {
            let output = house.command(arguments).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{arguments:?}:\n{said}");
        };
        let simulated = "simulate --out drill --days 2 --accounts 4 --people 8 --volume 0.02 --incident grant_outlived \
                         --incident grant_out_of_scope";
        run(&simulated.split_whitespace().collect::<Vec<_>>());
        let scanned = "scan drill/AWSLogs --broker access-broker --grants drill/grants.ndjson --store s.db \
                       --report report.html";
        run(&scanned.split_whitespace().collect::<Vec<_>>());
        let truth = fs::read_to_string(house.path("drill/truth.ndjson")).unwrap();
        let truth = truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let named = truth.filter_map(|it| Some((it["name"].as_str()?.to_owned(), it)));
        Self { truth: named.collect(), house }
    }

    fn report(&self, incident: &str, format: &str) -> String {
        let id = self.truth[incident]["grants"][0].as_str().unwrap();
        let arguments = ["grants", "report", id, "--store", "s.db", "--format", format];
        let output = self.house.command(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn read(&self, incident: &str) -> Value {
        let mut report: Value = serde_json::from_str(&self.report(incident, "json")).unwrap();
        report["grants"][0].take()
    }
}

/// Returns the acts of a part as `action resource`.
fn acts(grant: &Value, part: &str) -> Vec<String> {
    let lines = grant["acts"].as_array().unwrap().iter().filter(|line| line["part"] == part);
    let each = lines.flat_map(|line| {
        let of = line["resources"].as_array().unwrap().iter();
        of.map(|row| {
            format!("{} {}", line["action"].as_str().unwrap(), row["resource"].as_str().unwrap())
        })
    });
    each.collect()
}

/// Returns whether `policy` allows `action` on `resource`, `*` being a resource that nobody named.
fn allows(policy: &Value, action: &str, resource: &str) -> bool {
    let any = |list: &Value, fits: &dyn Fn(&str) -> bool| {
        list.as_array().unwrap().iter().any(|one| fits(one.as_str().unwrap()))
    };
    policy["Statement"].as_array().unwrap().iter().any(|statement| {
        statement["Effect"] == "Allow"
            && any(&statement["Action"], &|one| one == action)
            && any(&statement["Resource"], &|one| one == "*" || one == resource)
    })
}

#[test]
fn the_incidents_are_reported_as_they_were() {
    let drill = Drill::new();
    let outlived = drill.read("grant_outlived");
    assert_eq!(outlived["state"], "ended");
    let removed = outlived["window"]["removed_seconds_after"].as_i64().unwrap();
    assert!((0..60).contains(&removed), "the broker takes the assignment away: {removed}");
    let tail = acts(&outlived, "tail");
    let events = drill.truth["grant_outlived"]["events"].as_array().unwrap();
    assert_eq!(tail.len(), events.len(), "{tail:?}");
    assert!(
        tail.iter().any(|act| act.starts_with("lambda:UpdateFunctionConfiguration ")),
        "{tail:?}"
    );
    let inside = acts(&outlived, "inside");
    assert!(inside.contains(&"rds:DescribeDBInstances *".to_owned()), "{inside:?}");
    let beyond = drill.read("grant_out_of_scope");
    for (part, action) in [
        ("outside_resource", "rds:RebootDBInstance"),
        ("outside_action", "secretsmanager:PutSecretValue"),
        ("outside_account", "rds:RebootDBInstance"),
    ] {
        let found = acts(&beyond, part);
        assert!(found.iter().any(|act| act.starts_with(action)), "{part}: {found:?}");
    }
    assert!(acts(&beyond, "tail").is_empty());
    for grant in [&outlived, &beyond] {
        let proposal = &grant["proposal"];
        let policy = &proposal["policy"];
        assert_eq!(policy["Version"], "2012-10-17");
        for act in acts(grant, "inside") {
            let (action, resource) = act.split_once(' ').unwrap();
            assert!(allows(policy, action, resource), "{act}: {policy:#}");
        }
        assert!(!policy.to_string().contains("iam:"), "{policy:#}");
        let (enough, given) = (proposal["seconds"].as_i64(), proposal["given_seconds"].as_i64());
        assert!(enough < given, "{proposal:#}");
    }
}

#[test]
fn scan_and_the_daemon_tell_the_same_of_use() {
    let incidents = [("grant_outlived", "1d10h", "grant_tail"), ("grant_cut_short", "2d3h", "")];
    for seed in ["7", "11"] {
        let house = House::new();
        let truths = claims::simulated(&house, seed, &incidents);
        let told = |alerts: Vec<Value>| -> BTreeSet<String> {
            let ours =
                |alert: &&Value| claims::OF_USE.iter().any(|name| alert["detector"] == **name);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let line = |alert: &Value| {
                let (story, count) = (text(&alert["story"]), &alert["count"]);
                format!("{} {count} {story}", text(&alert["detector"]))
            };
            alerts.iter().filter(ours).map(line).collect()
        };
        let scanned = told(claims::scanned(&house));
        assert_eq!(told(claims::daemon(&house)), scanned, "seed {seed}");
        let tails: Vec<&String> =
            scanned.iter().filter(|line| line.starts_with("grant_tail 1 ")).collect();
        let outlived = &truths.iter().find(|it| it.name == "grant_outlived").unwrap().grants[0];
        assert!(tails.len() == 1 && tails[0].contains(&**outlived), "seed {seed}: {scanned:#?}");
    }
}

#[test]
fn every_form_says_it() {
    let drill = Drill::new();
    let who = drill.truth["grant_outlived"]["identity"].as_str().unwrap();
    let who = who.trim_start_matches("person:");
    let markdown = drill.report("grant_outlived", "md");
    for said in ["### After its end", "session outlived it, up to 2", "instead of 1h", who] {
        assert!(markdown.contains(said), "{said}:\n{markdown}");
    }
    let html = drill.report("grant_outlived", "html");
    for said in ["<h3>After its end</h3>", "session outlived it, up to 2", "instead of 1h", who] {
        assert!(html.contains(said), "{said}:\n{html}");
    }
    let text = drill.report("grant_out_of_scope", "csv");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let parts: Vec<String> = rows.records().map(|row| row.unwrap()[11].to_owned()).collect();
    assert!(parts.iter().all(|part| Part::named(part).is_some()), "{parts:?}");
    assert!(parts.contains(&"outside_resource".to_owned()), "{parts:?}");
    let page = fs::read_to_string(drill.house.path("report.html")).unwrap();
    assert!(page.contains("<h2>Zero standing privilege</h2>") && page.contains(who));
    let arguments = ["grants", "report", "nobody", "--store", "s.db"];
    assert_eq!(drill.house.command(&arguments).output().unwrap().status.code(), Some(1));
    let arguments = ["grants", "report", "--user", "nobody@", "--store", "s.db"];
    let output = drill.house.command(&arguments).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("There are none"));
}
