//! Standing privilege as the daemon tells of it: at once where a change makes it, once a day for the rest, and what was used.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use grantwatch::config::Config;
use grantwatch::iam::Document;
use grantwatch::iam::Kind;
use grantwatch::iam::pattern;
use grantwatch::iam::policy::Effect;
use grantwatch::iam::policy::Listed;
use grantwatch::iam::snapshot::Undated;
use grantwatch::model::Alert;
use grantwatch::model::Format;
use grantwatch::model::Glob;
use grantwatch::model::Seconds;
use grantwatch::pipeline;
use grantwatch::pipeline::Core;
use grantwatch::pipeline::Grants;
use grantwatch::pipeline::Reading;
use grantwatch::pipeline::daemon;
use grantwatch::rules::Rules;
use grantwatch::store::Reader;
use grantwatch::store::Store;
use serde_json::Value;
use serde_json::json;

use crate::originals;
use crate::outside::daemon::House;

pub const HOME: &str = "111122223333";
/// The detectors of this subject.
const OURS: [&str; 4] = [
    "standing_permissions_made",
    "standing_privilege_made",
    "standing_administrator_new",
    "standing_privilege_new",
];

fn document(actions: &Value) -> String {
    let resource = format!("arn:aws:lambda:eu-west-1:{HOME}:function:pay");
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": resource},
    ]})
    .to_string()
}

/// Two roles with nothing, one of which the other may take, and a user in a group with nothing.
pub fn snapshot() -> Value {
    let trust = |principal: Value| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"},
        ]})
    };
    let role = |name: &str, principal: Value| {
        json!({
            "Path": "/", "RoleName": name, "RoleId": format!("AROA{name}"),
            "Arn": format!("arn:aws:iam::{HOME}:role/{name}"), "CreateDate": "2026-01-01T00:00:00Z",
            "AssumeRolePolicyDocument": trust(principal), "InstanceProfileList": [],
            "RolePolicyList": [], "AttachedManagedPolicies": [],
        })
    };
    let user = json!({
        "Path": "/", "UserName": "bob", "UserId": "AIDABOB", "Arn": format!("arn:aws:iam::{HOME}:user/bob"),
        "CreateDate": "2026-01-01T00:00:00Z", "GroupList": ["ops"], "AttachedManagedPolicies": [],
    });
    let group = json!({
        "Path": "/", "GroupName": "ops", "GroupId": "AGPAOPS", "Arn": format!("arn:aws:iam::{HOME}:group/ops"),
        "CreateDate": "2026-01-01T00:00:00Z", "GroupPolicyList": [], "AttachedManagedPolicies": [],
    });
    json!({
        "UserDetailList": [user], "GroupDetailList": [group], "Policies": [],
        "RoleDetailList": [
            role("Deploy", json!({"Service": "ec2.amazonaws.com"})),
            role("Build", json!({"AWS": format!("arn:aws:iam::{HOME}:user/bob")})),
        ],
    })
}

/// A core that is told of some days, line by line: `DAY HH:MM WHO VERB [ON]`, where the day counts from 1 March.
pub struct Stage {
    pub config: Config,
    rules: Arc<Rules>,
    folder: tempfile::TempDir,
    core: Option<Core>,
    deliveries: usize,
}

impl Stage {
    pub fn new() -> Self {
        Self::of(&snapshot())
    }

    pub fn of(snapshot: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stands = folder.path().join("stands.json");
        fs::write(&stands, snapshot.to_string()).unwrap();
        let mut config = Config::default();
        config.grants.paths = vec!["grants".into()];
        config.policies.snapshots = vec![stands];
        config.policies.pipelines = vec![Glob::from("ci-deploy")];
        let mut stage =
            Self { config, rules: originals::rules(), folder, core: None, deliveries: 0 };
        stage.open();
        stage
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("a.db")
    }

    fn open(&mut self) {
        self.core = None;
        let store = Store::open(&self.store(), pipeline::MIGRATIONS).unwrap();
        let known = pipeline::known_policies(&self.config.policies, Undated::BeforeAll).unwrap();
        let policies_known = Arc::new(known);
        let settings = pipeline::Settings {
            grants_are: Grants::Arriving,
            policies_known,
            ..daemon::settings(&self.config, Vec::new())
        };
        self.core = Some(Core::open(store, settings, Arc::clone(&self.rules)).unwrap());
    }

    pub fn deliver(&mut self, format: Format, name: &str, text: String) {
        self.deliveries += 1;
        let location = format!("{}{name}", self.deliveries);
        let delivery = originals::delivery(format, location, text);
        let core = self.core.as_mut().unwrap();
        originals::deliver(core, delivery, &Reading::of(&self.config), &self.rules);
    }

    fn record(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [day, clock, who, verb, on @ ..] = &words[..] else { panic!("{line}") };
        let (kind, name) = on.first().and_then(|on| on.split_once('/')).unwrap_or_default();
        let upper = format!(
            "{}{}",
            kind.get(..1).unwrap_or_default().to_uppercase(),
            kind.get(1..).unwrap_or_default()
        );
        let policy = format!("arn:aws:iam::aws:policy/{}", on.get(1).unwrap_or(&""));
        let put = |actions: Value| json!({format!("{kind}Name"): name, "policyName": "p", "policyDocument": document(&actions)});
        let (call, asked) = match *verb {
            "permits" => (format!("Put{upper}Policy"), put(json!(["lambda:AddPermission"]))),
            "adds" => (
                format!("Put{upper}Policy"),
                put(json!(["lambda:AddPermission", "lambda:GetPolicy"])),
            ),
            "attaches" => (
                format!("Attach{upper}Policy"),
                json!({format!("{kind}Name"): name, "policyArn": policy}),
            ),
            "removes" => (
                format!("Delete{upper}Policy"),
                json!({format!("{kind}Name"): name, "policyName": "p"}),
            ),
            _ => ((*verb).to_owned(), json!({"userName": "eve"})),
        };
        self.call((day, clock, who), ("iam", &call), asked, Value::Null);
    }

    /// A call of a service, with what it was asked and what it answered.
    pub fn call(
        &mut self,
        (day, clock, who): (&str, &str, &str),
        (service, call): (&str, &str),
        asked: Value,
        answered: Value,
    ) {
        let time = format!("2026-03-0{day}T{clock}:00Z");
        let record = json!({
            "eventVersion": "1.11", "eventSource": format!("{service}.amazonaws.com"), "eventName": call,
            "awsRegion": "us-east-1", "eventTime": time, "eventID": format!("{who}-{call}-{time}"),
            "eventType": "AwsApiCall", "recipientAccountId": HOME, "sourceIPAddress": "198.51.100.7",
            "userAgent": "aws-cli/2.27.0", "requestParameters": asked, "responseElements": answered,
            "userIdentity": identity(who),
        });
        self.deliver(Format::CloudTrail, ".json", json!({"Records": [record]}).to_string());
    }

    /// A grant for ana in her permission set, all day long.
    fn grant(&mut self, day: &str) {
        self.grant_of(day, "Admin");
    }

    /// A grant for ana in a permission set, all day long.
    pub fn grant_of(&mut self, day: &str, set: &str) {
        let message = json!({
            "schema": "grantwatch.grant/1", "id": format!("g-{day}"), "source": "test", "revision": 1,
            "status": "active", "emitted_at": format!("2026-03-0{day}T00:00:00Z"),
            "approved_at": format!("2026-03-0{day}T00:00:00Z"), "approvers": [{"user_name": "chief@example.com"}],
            "principals": [{"kind": "idc_user", "user_name": "ana@example.com", "user_id": "u-ana"}],
            "scope": {"accounts": [HOME], "permission_sets": [set]}, "justification": "maintenance",
            "window": {"not_before": format!("2026-03-0{day}T00:00:00Z"), "not_after": format!("2026-03-0{day}T23:59:00Z")},
        });
        self.deliver(Format::Grants, ".ndjson", format!("{message}\n"));
    }

    pub fn told(mut self, story: &str) -> Self {
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once(' ') {
                Some(("grant", day)) => self.grant(day),
                Some(_) => self.record(line),
                None if line == "restart" => self.open(),
                None => panic!("{line}"),
            }
        }
        self
    }

    /// Lets all that is under way come to its end.
    pub fn finished(mut self) -> Self {
        let core = self.core.as_mut().unwrap();
        core.finish();
        core.commit(Seconds(1_800_000_000)).unwrap();
        self
    }

    pub fn alerts(&self) -> Vec<Alert> {
        let mut alerts = originals::alerts(&Reader::open(&self.store()).unwrap());
        alerts.retain(|alert| OURS.contains(&&*alert.detector));
        alerts
    }

    /// Returns what was told of standing privilege: `detector count status`.
    pub fn names(&self) -> Vec<String> {
        let name = |alert: &Alert| {
            format!("{} {} {:?}", alert.detector, alert.count, alert.status).to_lowercase()
        };
        self.alerts().iter().map(name).collect()
    }
}

fn identity(who: &str) -> Value {
    if who == "bob" {
        return json!({
            "type": "IAMUser", "principalId": "AIDABOB", "arn": format!("arn:aws:iam::{HOME}:user/bob"),
            "accountId": HOME, "accessKeyId": "AKIABOB", "userName": "bob",
        });
    }
    let (role, path, session) = match who {
        "ana" => (
            "AWSReservedSSO_Admin_0123456789abcdef",
            "aws-reserved/sso.amazonaws.com/",
            "ana@example.com",
        ),
        role => (role, "", "run"),
    };
    json!({
        "type": "AssumedRole", "principalId": format!("AROA{role}:{session}"), "accountId": HOME,
        "arn": format!("arn:aws:sts::{HOME}:assumed-role/{role}/{session}"), "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": format!("AROA{role}"), "accountId": HOME,
                "userName": role, "arn": format!("arn:aws:iam::{HOME}:role/{path}{role}")},
            "attributes": {"creationDate": "2026-03-01T00:00:00Z", "mfaAuthenticated": "false"},
        },
    })
}

#[test]
fn a_change_that_makes_it_is_told_at_once_and_resolved_when_it_is_taken_back() {
    let stage = Stage::new().told("1 09:00 bob permits role/Deploy");
    assert_eq!(stage.names(), ["standing_permissions_made 1 open"]);
    let alert = &stage.alerts()[0];
    for said in ["role/Deploy can take", "lambda:AddPermission"] {
        assert!(alert.story.contains(said), "{}", alert.story);
    }
    let undo = "aws iam delete-role-policy --role-name Deploy --policy-name p";
    assert!(alert.respond.iter().any(|it| it.contains(undo)), "{:?}", alert.respond);
    // What comes to it besides is not protected, and what was taken back is resolved, over a restart too.
    let stage = stage
        .told("1 09:05 bob adds role/Deploy \n restart \n 1 09:10 ci-deploy removes role/Deploy");
    assert_eq!(stage.names(), ["standing_permissions_made 1 resolved"]);
}

#[test]
fn what_was_taken_back_stays_resolved_once_its_verdict_is_known() {
    let undone = "1 09:00 bob permits role/Deploy \n 1 09:05 ci-deploy removes role/Deploy";
    for between in ["", "restart"] {
        let stage = Stage::new().told(&format!("{undone} \n {between} \n 1 12:00 bob GetUser"));
        assert_eq!(stage.names(), ["standing_permissions_made 1 resolved"], "{between}");
        let alert = &stage.alerts()[0];
        assert_eq!(alert.revision, 2, "it was told once and resolved once: {:?}", alert.reason);
    }
}

#[test]
fn whoever_has_it_by_a_group_is_named() {
    let stage = Stage::new().told("1 09:00 ana permits group/ops");
    let alert = &stage.alerts()[0];
    assert_eq!(alert.detector, "standing_permissions_made");
    assert!(
        alert.story.contains(&format!("arn:aws:iam::{HOME}:user/bob can take 1 ")),
        "{}",
        alert.story
    );
}

#[test]
fn what_is_planned_or_granted_or_graver_is_not_told_at_once() {
    let quiet = "1 08:00 bob GetUser \n 1 09:00 ci-deploy permits role/Deploy";
    assert_eq!(Stage::new().told(quiet).names(), [""; 0], "a pipeline made it");
    let granted =
        "grant 1 \n 1 08:00 bob GetUser \n 1 09:00 ana permits role/Deploy \n 1 12:00 bob GetUser";
    assert_eq!(Stage::new().told(granted).names(), [""; 0], "a grant covers it");
    // Word of the grant comes after the alert, which is resolved by it.
    let late = "1 09:00 ana permits role/Deploy \n grant 1 \n 1 12:00 bob GetUser";
    assert_eq!(Stage::new().told(late).names(), ["standing_permissions_made 1 resolved"]);
    let graver = "1 09:00 bob attaches role/Deploy AdministratorAccess";
    let stage = Stage::new().told(graver);
    assert_eq!(stage.names(), [""; 0], "the detector of administrators tells");
    let all = originals::alerts(&Reader::open(&stage.store()).unwrap());
    assert!(all.iter().any(|alert| alert.detector == "administrator_made"));
}

#[test]
fn the_inventory_of_the_day_tells_once_of_whom_no_alert_told() {
    let base = "1 08:00 bob GetUser \n 1 12:00 bob GetUser";
    for (change, expected) in [
        // What a grant covered stays when the grant is over: nobody was told of that.
        ("grant 1 \n 1 13:00 ana permits role/Deploy", vec!["standing_privilege_new 1 open"]),
        ("1 13:00 ci-deploy permits role/Deploy", vec![]),
        ("1 13:00 bob permits role/Deploy", vec!["standing_permissions_made 1 open"]),
        ("1 13:00 bob attaches role/Deploy AdministratorAccess", vec![]),
    ] {
        let stage = Stage::new().told(&format!("{base} \n {change} \n 1 20:00 bob GetUser"));
        let stage = stage.told("restart \n 2 08:00 bob GetUser \n restart \n 2 09:00 bob GetUser");
        assert_eq!(stage.names(), expected, "{change}");
        let stage = stage.told("3 08:00 bob GetUser \n restart \n 4 08:00 bob GetUser");
        assert_eq!(stage.names(), expected, "{change}, two days later");
    }
}

#[test]
fn what_a_signal_says_is_who_by_what_and_whose_change_it_was() {
    let story = "1 08:00 bob GetUser \n 1 12:00 bob GetUser \n grant 1 \n 1 13:00 ana permits group/ops \n 2 08:00 bob GetUser";
    let stage = Stage::new().told(story);
    let [alert] = &stage.alerts()[..] else { panic!("{:?}", stage.names()) };
    let who = format!(
        "arn:aws:iam::{HOME}:user/bob has standing privilege of class permissions in {HOME}"
    );
    for said in
        [&*who, "by p (group ops)", "person:ana@example.com changed it at 2026-03-01T13:00:00Z"]
    {
        assert!(alert.story.contains(said), "{said}: {}", alert.story);
    }
    let undo = "aws iam remove-user-from-group --user-name bob --group-name ops";
    assert!(alert.respond.iter().any(|it| it.contains(undo)), "{:?}", alert.respond);
}

#[test]
fn who_changed_a_policy_of_a_role_is_told_of_whoever_takes_it_and_nobody_else_is() {
    let own = format!("arn:aws:iam::{HOME}:policy/own");
    let mut stands = snapshot();
    stands["RoleDetailList"][1]["AttachedManagedPolicies"] =
        json!([{"PolicyName": "own", "PolicyArn": own}]);
    stands["Policies"] = json!([{
        "PolicyName": "own", "Arn": own, "Path": "/", "DefaultVersionId": "v1", "PolicyVersionList": [
            {"VersionId": "v1", "IsDefaultVersion": true, "Document": document(&json!(["lambda:GetPolicy"]))},
        ],
    }]);
    let mut stage =
        Stage::of(&stands).told("1 08:00 bob GetUser \n 1 12:00 bob GetUser \n grant 1");
    let text = document(&json!(["lambda:ListFunctions"]));
    let put = json!({"roleName": "Build", "policyName": "p", "policyDocument": text});
    stage.call(("1", "12:30", "helpdesk"), ("iam", "PutRolePolicy"), put, Value::Null);
    let text = document(&json!(["lambda:AddPermission"]));
    let made = json!({"policyArn": own, "policyDocument": text, "setAsDefault": true});
    let version = json!({"policyVersion": {"versionId": "v2", "isDefaultVersion": true}});
    stage.call(("1", "13:00", "ana"), ("iam", "CreatePolicyVersion"), made, version);
    let stage = stage.told("2 08:00 bob GetUser");
    let alerts = stage.alerts();
    let of_bob = alerts.iter().find(|alert| alert.story.contains("user/bob has standing"));
    assert!(of_bob.is_some(), "{:?}", stage.names());
    for alert in &alerts {
        let said = "person:ana@example.com changed it at 2026-03-01T13:00:00Z";
        assert!(alert.story.contains(said), "{}", alert.story);
    }
}

/// The snapshot with so many users besides that the inventory of it is taken beside the core. They have nothing.
fn crowd() -> Value {
    let mut stands = snapshot();
    let users = stands["UserDetailList"].as_array_mut().unwrap();
    users.extend((0..500).map(|number| {
        let name = format!("user{number}");
        json!({
            "Path": "/", "UserName": name, "UserId": format!("AIDA{number}"), "GroupList": [],
            "Arn": format!("arn:aws:iam::{HOME}:user/{name}"), "CreateDate": "2026-01-01T00:00:00Z",
            "AttachedManagedPolicies": [],
        })
    }));
    stands
}

#[test]
fn of_many_the_inventory_tells_the_same_from_beside_the_core() {
    let day_one = "1 08:00 bob GetUser \n 1 12:00 bob GetUser \n grant 1 \n 1 13:00 ana permits group/ops \n 1 20:00 bob GetUser";
    // A restart comes while the inventory of a day runs; a day comes while that of the one before does.
    let days = "2 08:00 bob GetUser \n 3 08:00 bob GetUser \n grant 3 \n 3 09:00 ana permits role/Build \n 4 08:00 bob GetUser";
    let broken = "2 08:00 bob GetUser \n restart \n 2 08:01 bob GetUser \n 3 08:00 bob GetUser \n grant 3 \n 3 09:00 ana permits role/Build \n 4 08:00 bob GetUser \n restart \n 4 08:01 bob GetUser";
    for rest in [days, broken] {
        let story = format!("{day_one} \n {rest}");
        let few = Stage::new().told(&story).finished();
        let many = Stage::of(&crowd()).told(&story).finished();
        assert_eq!(few.names(), ["standing_privilege_new 1 open", "standing_privilege_new 1 open"]);
        assert_eq!(many.alerts(), few.alerts(), "{story}");
    }
}

#[test]
fn of_the_first_inventory_nothing_is_told() {
    let mut stands = snapshot();
    stands["RoleDetailList"][0]["RolePolicyList"] = json!([
        {"PolicyName": "p", "PolicyDocument": serde_json::from_str::<Value>(&document(&json!("lambda:*"))).unwrap()},
    ]);
    let mut stage = Stage::new();
    fs::write(&stage.config.policies.snapshots[0], stands.to_string()).unwrap();
    stage.open();
    let stage =
        stage.told("1 08:00 bob GetUser \n 2 08:00 bob GetUser \n restart \n 3 08:00 bob GetUser");
    assert_eq!(stage.names(), [""; 0]);
}

pub fn run(house: &House, arguments: &[&str]) -> String {
    let output = house.command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}:\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every record of a folder.
#[expect(clippy::disallowed_methods, reason = "a simulation of ours wrote the files")]
pub fn records(folder: &Path, told: &mut dyn FnMut(&Value)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            records(&path, told);
        } else if path.to_string_lossy().ends_with(".json.gz")
            && !path.to_string_lossy().contains("Digest")
        {
            let mut text = String::new();
            let file = fs::File::open(&path).unwrap();
            std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text)
                .unwrap();
            let file: Value = serde_json::from_str(&text).unwrap();
            file["Records"].as_array().unwrap().iter().for_each(&mut *told);
        }
    }
}

/// Returns whether a document of an identity allows an action on something.
fn allows(document: &Document, action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    document.statements.iter().filter(|it| it.effect == Effect::Allow).any(|it| match &it.actions {
        Listed::Only(all) => all.iter().any(|glob| pattern::matches(glob, &action)),
        Listed::AllBut(all) => !all.iter().any(|glob| pattern::matches(glob, &action)),
    })
}

pub const SIMULATE: [&str; 17] = [
    "simulate",
    "--out",
    "drill",
    "--days",
    "2",
    "--people",
    "8",
    "--volume",
    "0.02",
    "--accounts",
    "3",
    "--seed",
    "7",
    "--incident",
    "none",
    "--incident",
    "backdoor_user@1d12h",
];

/// When each holder last used each action.
type Used = BTreeMap<String, BTreeMap<String, String>>;

/// Returns what was used in the drill, and when the last event was.
fn used_in(house: &House) -> (Used, String) {
    let mut used = Used::new();
    let mut last = String::new();
    records(&house.path("drill/AWSLogs"), &mut |record| {
        let identity = &record["userIdentity"];
        let holder = match identity["type"].as_str().unwrap_or_default() {
            "IAMUser" => &identity["arn"],
            _ => &identity["sessionContext"]["sessionIssuer"]["arn"],
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        last = last.clone().max(text(&record["eventTime"]));
        if record["errorCode"].is_null() && record["eventType"] == "AwsApiCall" {
            let (source, name) = (text(&record["eventSource"]), text(&record["eventName"]));
            let action = grantwatch::model::action_of(&source, &name);
            let time = used.entry(text(holder)).or_default().entry(action).or_default();
            *time = time.clone().max(text(&record["eventTime"]));
        }
    });
    (used, last)
}

#[test]
fn of_a_simulated_organisation_a_proposal_allows_all_that_was_used() {
    let house = House::new();
    run(&house, &SIMULATE);
    let known = ["--grants", "drill/grants.ndjson", "--policies", "drill/snapshot/start"];
    let scan = ["scan", "drill/AWSLogs", "--broker", "access-broker", "--pipeline", "ci-deploy"];
    let printed =
        run(&house, &[&scan[..], &known, &["--store", "scan.db", "--format", "ndjson"]].concat());
    let is_ours = |alert: &Value| OURS.iter().any(|name| alert["detector"] == *name);
    let alerts = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(alerts.filter(is_ours).collect::<Vec<_>>(), [Value::Null; 0]);

    let (used, last) = used_in(&house);
    let standing =
        ["standing", "--snapshot", "drill/snapshot/end", "--store", "scan.db", "--as-of", &last];
    let printed =
        run(&house, &[&standing[..], &["--unused-after", "1d", "--format", "json"]].concat());
    let rows: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let snapshots = grantwatch::iam::snapshot::read(&[house.path("drill/snapshot/end")]).unwrap();
    let since = Seconds(Seconds::parse(&last).unwrap().0 - 86_400);
    let (mut proposals, mut kept, mut covered) = (0, 0, 0);
    for row in &rows {
        let holder = row["holder"].as_str().unwrap();
        assert!(row["used"].is_object(), "{row:#}");
        covered += usize::from(row["used"]["through_grant"] == true);
        for proposal in row["proposals"].as_array().unwrap() {
            proposals += 1;
            let Some(used) = used.get(holder) else { continue };
            let policy = proposal["policy"].as_str().unwrap();
            let whole = policy_of(&snapshots.state, holder, policy);
            let text = proposal["document"].to_string();
            let smaller = (!proposal["document"].is_null())
                .then(|| Document::parse(&text, Kind::Identity).unwrap());
            let is_recent = |time: &str| Seconds::parse(time).unwrap() >= since;
            for (action, _) in used.iter().filter(|(_, time)| is_recent(time)) {
                if allows(&whole, action) {
                    kept += 1;
                    let is_left = smaller.as_ref().is_some_and(|it| allows(it, action));
                    assert!(is_left, "{holder} {action}: {text}");
                }
            }
        }
    }
    assert!(proposals > 3 && kept > 20 && covered > 0, "{proposals} {kept} {covered}");
}

/// Returns what a policy of a user or role says.
fn policy_of(state: &grantwatch::iam::State, holder: &str, policy: &str) -> Document {
    use grantwatch::iam::policy::Text;
    let account = &state.accounts[holder.split(':').nth(4).unwrap()];
    let name = holder.rsplit('/').next().unwrap();
    let user = account.users.get(name).map(|user| &user.entity);
    let entity =
        user.filter(|it| *it.arn == *holder).unwrap_or_else(|| &account.roles[name].entity);
    let text = match account.policies.get(policy) {
        Some(managed) => &managed.versions[&managed.default],
        None => &entity.inline[policy],
    };
    let Text::Known(document) = text else { panic!("{policy} of {holder}") };
    (**document).clone()
}
