//! Tags of resources: what records say of them puts acts on the protect surface, or beside it.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;

use grantwatch::config::Config;
use grantwatch::model::Format;
use grantwatch::model::Seconds;
use grantwatch::pipeline;
use grantwatch::pipeline::Core;
use grantwatch::pipeline::Reading;
use grantwatch::pipeline::daemon;
use grantwatch::rules::Rules;
use grantwatch::store::Store;
use grantwatch::telemetry::metrics::Metrics;
use serde_json::Value;
use serde_json::json;

use crate::originals;
use crate::outside::daemon::House;

const HOME: &str = "111122223333";

/// Instances of production are ended with a grant only; one who cleans up may end those of the sandbox.
const SURFACE: &str = r#"
builtin = false
given = false
[[protect]]
name = "production"
actions = ["ec2:TerminateInstances"]
resource_tags = { env = ["prod*"] }
"#;

/// The same, and everything else that is ended, but for who cleans up the sandbox.
const STRICT: &str = r#"
builtin = false
given = false
[[protect]]
name = "ended"
actions = ["ec2:TerminateInstances"]
[[exempt]]
name = "cleaner"
owner = "platform@example.com"
reason = "ends what is left over in the sandbox"
until = "2026-12-31"
identities = ["user:111122223333/bob"]
resource_tags = { env = ["sandbox"] }
"#;

/// Bob calls EC2.
fn call(time: &str, name: &str, asked: Value, answer: Value) -> Value {
    json!({
        "eventVersion": "1.11", "eventSource": "ec2.amazonaws.com", "eventName": name, "awsRegion": "eu-west-1",
        "eventTime": format!("2026-03-01T{time}:00Z"), "eventID": format!("{name}-{time}"), "eventType": "AwsApiCall",
        "recipientAccountId": HOME, "sourceIPAddress": "198.51.100.7", "readOnly": false,
        "requestParameters": asked, "responseElements": answer,
        "userIdentity": {"type": "IAMUser", "principalId": "AIDABOB", "accountId": HOME, "userName": "bob",
            "arn": format!("arn:aws:iam::{HOME}:user/bob"), "accessKeyId": "AKIABOB"},
    })
}

fn run(time: &str, id: &str, env: &str) -> Value {
    let specification =
        json!({"items": [{"resourceType": "instance", "tags": [{"key": "env", "value": env}]}]});
    call(
        time,
        "RunInstances",
        json!({"instancesSet": {"items": [{"imageId": "ami-1"}]}, "tagSpecificationSet": specification}),
        json!({"instancesSet": {"items": [{"instanceId": id}]}}),
    )
}

fn tag(time: &str, name: &str, id: &str, tag: Value) -> Value {
    let asked =
        json!({"resourcesSet": {"items": [{"resourceId": id}]}, "tagSet": {"items": [tag]}});
    call(time, name, asked, json!({"_return": true}))
}

fn end(time: &str, ids: &[&str]) -> Value {
    let items: Vec<Value> = ids.iter().map(|id| json!({"instanceId": id})).collect();
    call(time, "TerminateInstances", json!({"instancesSet": {"items": items}}), Value::Null)
}

struct Stage {
    config: Config,
    rules: Arc<Rules>,
    folder: tempfile::TempDir,
    core: Option<Core>,
    metrics: Metrics,
    deliveries: usize,
    verdicts: Arc<Mutex<Vec<Value>>>,
}

impl Stage {
    fn new(surface: &str) -> Self {
        let mut config = Config { grants: toml::from_str(surface).unwrap(), ..Config::default() };
        // Word of grants may come; none does.
        config.grants.paths = vec!["grants".into()];
        static RULES: LazyLock<Arc<Rules>> = LazyLock::new(originals::rules);
        let mut stage = Self {
            config,
            rules: Arc::clone(&RULES),
            folder: tempfile::tempdir().unwrap(),
            core: None,
            metrics: Metrics::new(),
            deliveries: 0,
            verdicts: Arc::default(),
        };
        stage.open();
        stage
    }

    fn open(&mut self) {
        self.core = None;
        let store = Store::open(&self.folder.path().join("a.db"), pipeline::MIGRATIONS).unwrap();
        let settings = daemon::settings(&self.config, Vec::new());
        self.metrics = settings.metrics.clone();
        let mut core = Core::open(store, settings, Arc::clone(&self.rules)).unwrap();
        let verdicts = Arc::clone(&self.verdicts);
        core.tell_verdicts(Box::new(move |finding| {
            verdicts.lock().unwrap().push(serde_json::to_value(finding).unwrap());
        }));
        self.core = Some(core);
    }

    /// Delivers each record in a file of its own.
    fn told(mut self, records: &[Value]) -> Self {
        for record in records {
            self.deliveries += 1;
            let text = json!({"Records": [record]}).to_string();
            let location = format!("{}.json", self.deliveries);
            let delivery = originals::delivery(Format::CloudTrail, location, text);
            let core = self.core.as_mut().unwrap();
            originals::deliver(core, delivery, &Reading::of(&self.config), &self.rules);
        }
        self
    }

    /// Returns the verdicts on all that was ended, by time, once nothing comes any more.
    fn verdicts(mut self) -> Vec<String> {
        let core = self.core.as_mut().unwrap();
        core.finish();
        core.commit(Seconds(1_800_000_001)).unwrap();
        lines(&self.verdicts.lock().unwrap())
    }
}

fn lines(verdicts: &[Value]) -> Vec<String> {
    let line = |it: &Value| {
        let (time, entry) = (it["time"].as_str().unwrap(), it["entry"].as_str().unwrap());
        format!("{} {entry} {}", time.get(11..16).unwrap(), it["verdict"].as_str().unwrap())
    };
    let mut lines: Vec<String> = verdicts.iter().map(line).collect();
    lines.sort();
    lines
}

/// A day: production and a sandbox come up, one is taken out of production, and all are ended.
fn day() -> [Value; 7] {
    [
        run("09:00", "i-prod", "prod-eu"),
        run("09:01", "i-sandbox", "sandbox"),
        run("09:02", "i-former", "prod"),
        tag("09:04", "DeleteTags", "i-former", json!({"key": "env"})),
        end("09:06", &["i-former"]),
        end("09:07", &["i-sandbox"]),
        end("09:08", &["i-prod"]),
    ]
}

#[test]
fn what_production_was_tagged_as_is_protected_and_the_sandbox_is_not() {
    assert_eq!(Stage::new(SURFACE).told(&day()).verdicts(), ["09:08 production none"]);
}

#[test]
fn a_restart_after_any_record_changes_nothing() {
    for at in 0..day().len() {
        let mut stage = Stage::new(SURFACE).told(&day()[..at]);
        stage.open();
        assert_eq!(stage.told(&day()[at..]).verdicts(), ["09:08 production none"], "after {at}");
    }
}

#[test]
fn any_order_within_the_lateness_gives_the_same_verdicts() {
    let [prod, _, former, untagged, end_former, _, end_prod] = day();
    let story = [prod, former, untagged, end_former, end_prod];
    // Every order of five: whose place a digit of the number says.
    for number in 0..120_usize {
        let (mut left, mut number) = (story.to_vec(), number);
        let order: Vec<Value> = (1..=5)
            .rev()
            .map(|count| {
                let at = number % count;
                number /= count;
                left.remove(at)
            })
            .collect();
        let names: Vec<&Value> = order.iter().map(|record| &record["eventID"]).collect();
        let verdicts = Stage::new(SURFACE).told(&order).verdicts();
        assert_eq!(verdicts, ["09:08 production none"], "{names:?}");
    }
}

#[test]
fn taking_the_tag_away_and_ending_it_is_seen_in_event_time() {
    let untag = tag("09:07", "DeleteTags", "i-prod", json!({"key": "env", "value": "prod-eu"}));
    let other = tag("09:06", "DeleteTags", "i-prod", json!({"key": "env", "value": "dev"}));
    let start = run("09:00", "i-prod", "prod-eu");
    // What is done in the second in which the tag goes is still done to production.
    let story = [start, other, untag, end("09:07", &["i-prod"]), end("09:08", &["i-prod"])];
    assert_eq!(Stage::new(SURFACE).told(&story).verdicts(), ["09:07 production none"]);
}

#[test]
fn who_takes_the_tag_away_does_so_to_production() {
    let tagging = SURFACE.replace("ec2:TerminateInstances", "ec2:*Tags");
    let story = [
        run("09:00", "i-prod", "prod"),
        tag("09:05", "DeleteTags", "i-prod", json!({"key": "env"})),
        tag("09:10", "CreateTags", "i-prod", json!({"key": "env", "value": "sandbox"})),
    ];
    assert_eq!(Stage::new(&tagging).told(&story).verdicts(), ["09:05 production none"]);
}

#[test]
fn an_exemption_wants_every_resource_to_fit() {
    let story = [
        run("09:00", "i-prod", "prod"),
        run("09:00", "i-sandbox", "sandbox"),
        end("09:06", &["i-sandbox", "i-prod"]),
        run("09:10", "i-other", "sandbox"),
        end("09:11", &["i-other"]),
        end("09:12", &["i-nobody-knows"]),
    ];
    // Of one second and one name: the ids tell them apart.
    let mut story = story;
    story[1]["eventID"] = json!("second");
    let expected = ["09:06 ended none", "09:11 ended exempt", "09:12 ended none"];
    assert_eq!(Stage::new(STRICT).told(&story).verdicts(), expected);
    story.reverse();
    assert_eq!(Stage::new(STRICT).told(&story).verdicts(), expected);
}

#[test]
fn nothing_is_learned_unless_it_is_asked_for() {
    let known = |stage: &Stage| {
        let text = stage.metrics.text();
        let line = text.lines().find(|line| line.starts_with("grantwatch_tagged_resources"));
        line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
    };
    let asked = Stage::new(SURFACE).told(&day()[..3]);
    assert_eq!(known(&asked).unwrap(), "3.0");
    let unasked = Stage::new("").told(&day()[..3]);
    assert_eq!(known(&unasked), None);
}

#[test]
fn a_scan_with_the_daemons_configuration_finds_the_same() {
    let surface = SURFACE.replace("[[protect]]", "[[grants.protect]]");
    let house = House::new()
        .with(&format!("[grants]\npaths = [\"no/such/folder\"]{surface}"))
        .with("[[source.folder]]\nname = \"logs\"\npath = \"/no/such/logs\"\n")
        .with("[[sink.stdout]]\nname = \"out\"\n");
    house.write();
    // One file for each record, named so that acts are read before what they hang on.
    let folder = tempfile::tempdir().unwrap();
    for (number, record) in day().iter().rev().enumerate() {
        let text = json!({"Records": [record]}).to_string();
        std::fs::write(folder.path().join(format!("{number}.json")), text).unwrap();
    }
    let target = folder.path().display().to_string();
    let config = house.config().display().to_string();
    let found = |more: &[&str]| {
        let arguments = [&["scan", &target, "--verdicts"], more].concat();
        let output = house.command(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let told: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines(&told)
    };
    assert_eq!(found(&["--config", &config]), ["09:08 production none"]);
    assert_eq!(found(&[]), [""; 0], "the entries that come with grantwatch do not mean it");
    let missing =
        house.command(&["scan", &target, "--config", "no/such/file.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}
