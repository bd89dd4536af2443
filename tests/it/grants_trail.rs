//! CloudTrail as a source of grants: what brokers do covers, and what anybody else does never covers himself.

use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;

use grantwatch::config::Config;
use grantwatch::grants::Group;
use grantwatch::grants::GroupMember;
use grantwatch::model::Alert;
use grantwatch::model::Format;
use grantwatch::model::Glob;
use grantwatch::model::Seconds;
use grantwatch::pipeline;
use grantwatch::pipeline::Core;
use grantwatch::pipeline::Reading;
use grantwatch::pipeline::daemon;
use grantwatch::rules::Rules;
use grantwatch::store::Reader;
use grantwatch::store::Store;
use serde_json::Value;
use serde_json::json;

use crate::originals;
use crate::outside::daemon::House;

const HOME: &str = "111122223333";
const BROKER: &str = "arn:aws:iam::111122223333:role/access-broker";

/// Everybody who acts in these stories.
fn caller(who: &str) -> Value {
    let role = |name: &str, session: &str, key: &str, issued: &str| {
        let path =
            if name.starts_with("AWSReserved") { "aws-reserved/sso.amazonaws.com/" } else { "" };
        json!({
            "type": "AssumedRole", "principalId": format!("AROA{name}:{session}"), "accountId": HOME, "accessKeyId": key,
            "arn": format!("arn:aws:sts::{HOME}:assumed-role/{name}/{session}"),
            "sessionContext": {
                "sessionIssuer": {"type": "Role", "principalId": format!("AROA{name}"), "accountId": HOME, "userName": name,
                    "arn": format!("arn:aws:iam::{HOME}:role/{path}{name}")},
                "attributes": {"creationDate": format!("2026-03-01T{issued}:00Z"), "mfaAuthenticated": "false"},
            },
        })
    };
    let user = |name: &str| {
        json!({"type": "IAMUser", "principalId": format!("AIDA{name}"), "accountId": HOME, "userName": name,
            "arn": format!("arn:aws:iam::{HOME}:user/{name}"), "accessKeyId": format!("AKIA{name}")})
    };
    match who {
        "broker" => role("access-broker", "run-1", "ASIABROKER", "08:00"),
        "bob" => {
            role("AWSReservedSSO_Admin_0123456789abcdef", "bob@example.com", "ASIABOB", "08:00")
        }
        "alice" => {
            role("AWSReservedSSO_Admin_0123456789abcdef", "alice@example.com", "ASIAALICE", "08:00")
        }
        // Bob in the role Deploy, by the session that the story issues.
        "deploy" => role("Deploy", "bob", "ASIADEPLOY", "09:10"),
        "second" => role("Second", "bob", "ASIASECOND", "09:20"),
        "builder" => role("AWSAFT-mine", "fn", "ASIABUILDER", "08:00"),
        "mallory-as-broker" => role("access-broker", "mallory", "ASIAFAKE", "08:30"),
        "vendor" => {
            let mut vendor = caller("bob");
            vendor["invokedByDelegate"] = json!({"accountId": "999988887777"});
            vendor
        }
        "vendors-account" => {
            json!({"type": "IAMUser", "principalId": "AIDAV", "accountId": "999988887777", "userName": "v",
                "arn": "arn:aws:iam::999988887777:user/v", "accessKeyId": "AKIAV"})
        }
        name => user(name),
    }
}

/// A call, as a line of a story.
fn call(time: &str, who: &str, name: &str, more: Value) -> Value {
    let source = match name {
        "AssumeRole" => "sts",
        "CreateGroupMembership" | "DeleteGroupMembership" => "identitystore",
        "PutInlinePolicyToPermissionSet" | "CreatePermissionSet" => "sso",
        "DeleteBucket" => "s3",
        _ => "iam",
    };
    let mut record = json!({
        "eventVersion": "1.11", "eventSource": format!("{source}.amazonaws.com"), "eventName": name,
        "awsRegion": "us-east-1", "eventTime": format!("2026-03-01T{time}:00Z"),
        "eventID": format!("{name}-{who}-{time}"), "eventType": "AwsApiCall", "recipientAccountId": HOME,
        "sourceIPAddress": "198.51.100.7", "requestParameters": {}, "userIdentity": caller(who),
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

/// The record of somebody whose session states that it is for a person.
fn stated(mut record: Value, source_identity: &str) -> Value {
    record["userIdentity"]["sessionContext"]["sourceIdentity"] = source_identity.into();
    record
}

/// What is privileged everywhere: a user is made.
fn act(time: &str, who: &str) -> Value {
    call(time, who, "CreateUser", json!({"requestParameters": {"userName": "x"}}))
}

fn until(end: &str) -> Value {
    json!({"Effect": "Allow", "Sid": "Jit", "Action": "iam:*", "Resource": "*", "Condition": {
        "DateGreaterThan": {"aws:CurrentTime": "2026-03-01T09:00:00Z"},
        "DateLessThan": {"aws:CurrentTime": format!("2026-03-01T{end}:00Z")}}})
}

fn policy(statement: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

/// Somebody writes a policy of the role Deploy.
fn put(time: &str, who: &str, statement: &Value) -> Value {
    let asked =
        json!({"roleName": "Deploy", "policyName": "jit", "policyDocument": policy(statement)});
    call(time, who, "PutRolePolicy", json!({"requestParameters": asked}))
}

/// Somebody takes a role.
fn assume(time: &str, who: &str, (role, key): (&str, &str), more: Value) -> Value {
    let name = if key == "ASIAFAKE" { "mallory" } else { "bob" };
    let mut asked =
        json!({"roleArn": format!("arn:aws:iam::{HOME}:role/{role}"), "roleSessionName": name});
    for (name, value) in more.as_object().unwrap() {
        asked[name] = value.clone();
    }
    call(
        time,
        who,
        "AssumeRole",
        json!({
            "requestParameters": asked,
            "responseElements": {
                "credentials": {"accessKeyId": key, "expiration": "Mar 1, 2026, 12:10:00 PM"},
                "assumedRoleUser": {"arn": format!("arn:aws:sts::{HOME}:assumed-role/{role}/{name}"),
                    "assumedRoleId": format!("AROA{role}:{name}")},
            },
        }),
    )
}

fn deployed(who: &str) -> Value {
    assume("09:10", who, ("Deploy", "ASIADEPLOY"), json!({}))
}

struct Stage {
    config: Config,
    rules: Arc<Rules>,
    folder: tempfile::TempDir,
    core: Option<Core>,
    deliveries: usize,
    verdicts: Arc<Mutex<Vec<Value>>>,
}

impl Stage {
    fn new() -> Self {
        let mut config = Config::default();
        config.grants.from_cloudtrail = true;
        config.identity.brokers = vec![Glob(BROKER.to_owned())];
        Self::with(config)
    }

    fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        static RULES: LazyLock<Arc<Rules>> = LazyLock::new(originals::rules);
        let (rules, verdicts) = (Arc::clone(&RULES), Arc::default());
        let mut stage = Self { config, rules, folder, core: None, deliveries: 0, verdicts };
        stage.open();
        stage
    }

    fn open(&mut self) {
        self.core = None;
        let store = Store::open(&self.folder.path().join("a.db"), pipeline::MIGRATIONS).unwrap();
        let settings = daemon::settings(&self.config, Vec::new());
        let mut core = Core::open(store, settings, Arc::clone(&self.rules)).unwrap();
        let verdicts = Arc::clone(&self.verdicts);
        core.tell_verdicts(Box::new(move |finding| {
            verdicts.lock().unwrap().push(serde_json::to_value(finding).unwrap());
        }));
        self.core = Some(core);
    }

    fn deliver(&mut self, format: Format, text: String) {
        self.deliveries += 1;
        let location = format!(
            "{}.{}",
            self.deliveries,
            if format == Format::Grants { "ndjson" } else { "json" }
        );
        let delivery = originals::delivery(format, location, text);
        let core = self.core.as_mut().unwrap();
        originals::deliver(core, delivery, &Reading::of(&self.config), &self.rules);
    }

    /// Delivers each record in a file of its own.
    fn told(mut self, records: &[Value]) -> Self {
        for record in records {
            self.deliver(Format::CloudTrail, json!({"Records": [record]}).to_string());
        }
        self
    }

    fn grant(mut self, message: &Value) -> Self {
        self.deliver(Format::Grants, format!("{message}\n"));
        self
    }

    fn ended(mut self) -> Self {
        let core = self.core.as_mut().unwrap();
        core.finish();
        core.commit(Seconds(1_800_000_001)).unwrap();
        self
    }

    /// Returns the verdicts on what `who` names did: `CreateUser covered GRANT`, by time.
    fn verdicts(&self) -> Vec<String> {
        let mut told = self.verdicts.lock().unwrap().clone();
        told.sort_by_key(|verdict| verdict["time"].to_string());
        let line = |it: &Value| {
            let time = it["time"].as_str().unwrap().get(11..16).unwrap().to_owned();
            let grant = it["grant"].as_str().unwrap_or("-");
            format!("{time} {} {grant}", it["verdict"].as_str().unwrap_or("-"))
        };
        let made = told.iter().filter(|it| it["action"] == "iam:CreateUser");
        made.map(line).collect()
    }

    fn reasons(&self) -> Vec<String> {
        let told = self.verdicts.lock().unwrap();
        let made = told.iter().filter(|it| it["action"] == "iam:CreateUser");
        made.map(|it| it["reason"].as_str().unwrap().to_owned()).collect()
    }

    fn alerts(&self, detector: &str) -> Vec<Alert> {
        let reader = Reader::open(&self.folder.path().join("a.db")).unwrap();
        let alerts = originals::alerts(&reader).into_iter();
        alerts.filter(|alert| alert.detector == detector).collect()
    }
}

fn told(records: &[Value]) -> Vec<String> {
    Stage::new().told(records).ended().verdicts()
}

const JIT: &str = "cloudtrail:111122223333:role/Deploy:jit:Jit";

#[test]
fn what_a_broker_writes_with_dates_covers_between_them() {
    let story = [
        put("09:05", "broker", &until("10:00")),
        deployed("bob"),
        act("09:02", "deploy"),
        act("09:30", "deploy"),
        act("10:30", "deploy"),
    ];
    let expected =
        ["09:02 none -".to_owned(), format!("09:30 covered {JIT}"), format!("10:30 expired {JIT}")];
    assert_eq!(told(&story), expected);
    // The order in which the files come changes nothing.
    let mut turned = story.to_vec();
    turned.reverse();
    assert_eq!(Stage::new().told(&turned[3..]).told(&turned[..3]).ended().verdicts(), expected);
}

#[test]
fn what_is_written_by_anybody_else_covers_nobody() {
    for (time, who) in [("09:05", "mallory"), ("09:05", "bob"), ("09:20", "deploy")] {
        let story = [deployed("bob"), put(time, who, &until("10:00")), act("09:30", "deploy")];
        let stage = Stage::new().told(&story).ended();
        assert_eq!(stage.verdicts(), [format!("09:30 none {JIT}")], "{who}");
        assert!(
            stage.reasons()[0].contains("was asked for and not approved"),
            "{:?}",
            stage.reasons()
        );
        // Of the policy that was written, and of what was done with it.
        let told = stage.alerts("privilege_without_grant");
        assert_eq!(told.iter().map(|alert| alert.count).sum::<u64>(), 2, "{who}");
    }
}

#[test]
fn a_person_who_took_the_brokers_role_is_no_broker() {
    let taken = assume("08:30", "mallory", ("access-broker", "ASIAFAKE"), json!({}));
    let wrote = put("09:05", "mallory-as-broker", &until("10:00"));
    let story = [wrote, taken, deployed("bob"), act("09:30", "deploy")];
    assert_eq!(told(&story), [format!("09:30 none {JIT}")], "though the issue came later");
}

#[test]
fn somebody_of_another_account_who_took_the_brokers_role_is_no_broker() {
    let mut taken = assume("08:30", "mallory", ("access-broker", "ASIAFAKE"), json!({}));
    taken["userIdentity"] =
        json!({"type": "AWSAccount", "accountId": "444455556666", "principalId": "AROAX:x"});
    let wrote = put("09:05", "mallory-as-broker", &until("10:00"));
    let story = [taken, wrote, deployed("bob"), act("09:30", "deploy")];
    assert_eq!(told(&story), [format!("09:30 none {JIT}")]);
}

#[test]
fn a_broker_gives_nothing_to_itself() {
    let asked = json!({"roleName": "access-broker", "policyName": "jit", "policyDocument": policy(&until("10:00"))});
    let wrote = call("09:05", "broker", "PutRolePolicy", json!({"requestParameters": asked}));
    let taken = assume("08:30", "mallory", ("access-broker", "ASIAFAKE"), json!({}));
    let story = [wrote, taken, act("09:30", "mallory-as-broker")];
    assert_eq!(told(&story), ["09:30 none cloudtrail:111122223333:role/access-broker:jit:Jit"]);
}

#[test]
fn moved_dates_move_the_same_grant_only_if_a_broker_moves_them() {
    let begun = [put("09:05", "broker", &until("10:00")), deployed("bob")];
    let moved = [put("09:50", "broker", &until("11:00")), act("10:30", "deploy")];
    assert_eq!(told(&[&begun[..], &moved[..]].concat()), [format!("10:30 covered {JIT}")]);
    let stolen =
        [put("09:50", "mallory", &until("11:00")), act("09:55", "deploy"), act("10:30", "deploy")];
    let verdicts = told(&[&begun[..], &stolen[..]].concat());
    assert!(verdicts.iter().all(|verdict| !verdict.contains("covered")), "{verdicts:?}");
}

#[test]
fn a_policy_that_is_removed_or_written_anew_ends_the_grant() {
    let asked = json!({"roleName": "Deploy", "policyName": "jit"});
    let removed = call("09:40", "mallory", "DeleteRolePolicy", json!({"requestParameters": asked}));
    let mut plain = until("10:00");
    plain["Sid"] = json!("Other");
    plain["Action"] = json!("s3:GetObject");
    for over in [removed, put("09:40", "broker", &plain)] {
        let begun = [put("09:05", "broker", &until("10:00")), deployed("bob")];
        let story = [&begun[..], &[act("09:30", "deploy"), over, act("09:50", "deploy")]].concat();
        let [first, second] = &told(&story)[..] else { panic!("two verdicts") };
        assert_eq!(*first, format!("09:30 covered {JIT}"));
        assert!(second.contains("revoked") || second.contains("out_of_scope"), "{second}");
    }
}

#[test]
fn any_order_within_the_lateness_gives_the_same_verdicts() {
    let asked = json!({"roleName": "Deploy", "policyName": "jit"});
    let removed = call("09:36", "alice", "DeleteRolePolicy", json!({"requestParameters": asked}));
    let story = [
        put("09:31", "broker", &until("10:00")),
        act("09:33", "deploy"),
        put("09:34", "mallory", &until("11:00")),
        act("09:37", "deploy"),
        removed,
    ];
    let expected = [format!("09:33 covered {JIT}"), format!("09:37 expired {JIT}")];
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
        let told = Stage::new().told(&[deployed("bob")]).told(&order).ended();
        let names: Vec<&Value> = order.iter().map(|record| &record["eventID"]).collect();
        assert_eq!(told.verdicts(), expected, "{names:?}");
    }
}

#[test]
fn a_restart_after_any_record_changes_nothing() {
    let story = [
        put("09:05", "broker", &until("10:00")),
        deployed("bob"),
        act("09:30", "deploy"),
        put("09:40", "broker", &until("09:45")),
        act("09:50", "deploy"),
        act("10:40", "alice"),
    ];
    let expected = told(&story);
    assert_eq!(expected.len(), 3);
    for at in 1..story.len() {
        let mut stage = Stage::new().told(&story[..at]);
        stage.open();
        assert_eq!(stage.told(&story[at..]).ended().verdicts(), expected, "after {at}");
    }
}

#[test]
fn a_managed_policy_covers_if_every_hand_in_it_is_a_brokers() {
    let arn = format!("arn:aws:iam::{HOME}:policy/jit");
    let made = |who: &str| {
        call(
            "09:02",
            who,
            "CreatePolicy",
            json!({
                "requestParameters": {"policyName": "jit", "policyDocument": policy(&until("10:00"))},
                "responseElements": {"policy": {"arn": arn, "defaultVersionId": "v1"}},
            }),
        )
    };
    let attached = |who: &str| {
        let asked = json!({"roleName": "Deploy", "policyArn": arn});
        call("09:05", who, "AttachRolePolicy", json!({"requestParameters": asked}))
    };
    let version = |who: &str| {
        call(
            "09:20",
            who,
            "CreatePolicyVersion",
            json!({
                "requestParameters": {"policyArn": arn, "setAsDefault": true, "policyDocument": policy(&until("10:00"))},
                "responseElements": {"policyVersion": {"versionId": "v2"}},
            }),
        )
    };
    let detached = {
        let asked = json!({"roleName": "Deploy", "policyArn": arn});
        call("09:20", "broker", "DetachRolePolicy", json!({"requestParameters": asked}))
    };
    let tail = || vec![deployed("bob"), act("09:30", "deploy")];
    let verdict = |mut story: Vec<Value>| {
        story.extend(tail());
        told(&story).remove(0)
    };
    let id = "cloudtrail:111122223333:role/Deploy:policy/jit:Jit";
    assert_eq!(verdict(vec![made("broker"), attached("broker")]), format!("09:30 covered {id}"));
    assert_eq!(verdict(vec![made("mallory"), attached("broker")]), format!("09:30 none {id}"));
    assert_eq!(verdict(vec![made("broker"), attached("mallory")]), format!("09:30 none {id}"));
    let rolled = vec![made("broker"), attached("broker"), version("mallory")];
    assert!(!verdict(rolled).contains("covered"));
    let over = vec![made("broker"), attached("broker"), detached];
    assert_eq!(verdict(over), format!("09:30 revoked {id}"));
}

#[test]
fn a_trust_policy_with_dates_covers_who_may_take_the_role() {
    let trust = |who: &str, arn: &str| {
        let statement = json!({"Effect": "Allow", "Sid": "Jit", "Action": "sts:AssumeRole", "Principal": {"AWS": arn},
            "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}});
        let asked = json!({"roleName": "Deploy", "policyDocument": policy(&statement)});
        call("09:05", who, "UpdateAssumeRolePolicy", json!({"requestParameters": asked}))
    };
    let carol = format!("arn:aws:iam::{HOME}:user/carol");
    let id = "cloudtrail:111122223333:role/Deploy:trust/policy:Jit";
    let story = |trust: Value, who: &str| told(&[trust, deployed(who), act("09:30", "deploy")]);
    assert_eq!(story(trust("broker", &carol), "carol"), [format!("09:30 covered {id}")]);
    assert!(!story(trust("broker", &carol), "mallory")[0].contains("covered"), "it is carol's");
    assert!(
        !story(trust("carol", &carol), "carol")[0].contains("covered"),
        "she opened it herself"
    );
    let account = format!("arn:aws:iam::{HOME}:root");
    assert!(
        !story(trust("broker", &account), "carol")[0].contains("covered"),
        "an account is everybody"
    );
}

#[test]
fn a_users_policy_is_not_for_the_roles_that_he_takes() {
    let asked = json!({"userName": "carol", "policyName": "jit", "policyDocument": policy(&until("10:00"))});
    let wrote = call("09:05", "broker", "PutUserPolicy", json!({"requestParameters": asked}));
    let id = "cloudtrail:111122223333:user/carol:jit:Jit";
    let story = [wrote, deployed("carol"), act("09:20", "carol"), act("09:30", "deploy")];
    assert_eq!(told(&story), [format!("09:20 covered {id}"), format!("09:30 out_of_scope {id}")]);
}

#[test]
fn who_is_allowed_to_take_a_role_is_covered_in_it() {
    let wrote = |who: &str, role: &str| {
        let mut statement = until("10:00");
        statement["Action"] = json!("sts:AssumeRole");
        statement["Resource"] = json!(format!("arn:aws:iam::{HOME}:role/{role}"));
        let document = policy(&statement);
        let asked = json!({"userName": "carol", "policyName": "jit", "policyDocument": document});
        call("09:05", who, "PutUserPolicy", json!({"requestParameters": asked}))
    };
    let verdict =
        |wrote: Value, who: &str| told(&[deployed(who), wrote, act("09:30", "deploy")]).remove(0);
    let id = "cloudtrail:111122223333:user/carol:jit:Jit+roles";
    assert_eq!(verdict(wrote("broker", "Deploy"), "carol"), format!("09:30 covered {id}"));
    assert!(!verdict(wrote("broker", "Other"), "carol").contains("covered"));
    assert!(!verdict(wrote("broker", "Deploy"), "mallory").contains("covered"));
    assert!(!verdict(wrote("carol", "Deploy"), "carol").contains("covered"));
}

#[test]
fn a_groups_policy_covers_who_was_in_the_group_and_did_not_join_by_himself() {
    let asked =
        json!({"groupName": "ops", "policyName": "jit", "policyDocument": policy(&until("10:00"))});
    let wrote = call("09:05", "broker", "PutGroupPolicy", json!({"requestParameters": asked}));
    let change = |time: &str, who: &str, name: &str| {
        call(
            time,
            who,
            name,
            json!({"requestParameters": {"groupName": "ops", "userName": "carol"}}),
        )
    };
    let id = "cloudtrail:111122223333:group/ops:jit:Jit";
    let joined = [
        wrote.clone(),
        change("09:10", "broker", "AddUserToGroup"),
        act("09:08", "carol"),
        act("09:20", "carol"),
    ];
    assert_eq!(told(&joined), ["09:08 none -".to_owned(), format!("09:20 covered {id}")]);
    let left =
        [&joined[..2], &[change("09:15", "bob", "RemoveUserFromGroup"), act("09:20", "carol")]]
            .concat();
    assert_eq!(told(&left), ["09:20 none -"]);
    // A role may be called like one that builds accounts by whoever makes it.
    for who in ["carol", "mallory", "builder"] {
        let himself =
            [wrote.clone(), change("09:10", who, "AddUserToGroup"), act("09:20", "carol")];
        assert_eq!(told(&himself), ["09:20 none -"], "{who}");
    }
}

fn group_grant() -> Value {
    json!({
        "schema": "grantwatch.grant/1", "id": "g-ops", "source": "test", "revision": 1, "status": "active",
        "emitted_at": "2026-03-01T08:00:00Z", "approved_at": "2026-03-01T08:00:00Z",
        "principals": [{"kind": "idc_group", "identity_store": "d-1", "group_id": "ops-id"}],
        "scope": {"accounts": [HOME], "permission_sets": ["Admin"]},
        "window": {"not_before": "2026-03-01T08:00:00Z", "not_after": "2026-03-01T12:00:00Z"},
    })
}

fn joined(time: &str, who: &str) -> Value {
    call(
        time,
        who,
        "CreateGroupMembership",
        json!({
            "requestParameters": {"identityStoreId": "d-1", "groupId": "ops-id", "memberId": {"userId": "bob-id"}},
            "responseElements": {"membershipId": "m-1", "identityStoreId": "d-1"},
        }),
    )
}

fn left(time: &str) -> Value {
    let asked = json!({"identityStoreId": "d-1", "membershipId": "m-1"});
    call(time, "mallory", "DeleteGroupMembership", json!({"requestParameters": asked}))
}

/// A call of bob's that shows his id.
fn shown() -> Value {
    let mut shown = call("08:10", "bob", "GetUser", json!({}));
    shown["userIdentity"]["onBehalfOf"] =
        json!({"userId": "bob-id", "identityStoreArn": "arn:aws:identitystore::1:x/d-1"});
    shown
}

#[test]
fn a_grant_to_a_group_covers_its_members_of_that_time() {
    let story = [
        shown(),
        joined("09:10", "broker"),
        act("09:05", "bob"),
        act("09:20", "bob"),
        left("09:40"),
        act("09:50", "bob"),
    ];
    let stage = Stage::new().grant(&group_grant()).told(&story).ended();
    assert_eq!(stage.verdicts(), ["09:05 none -", "09:20 covered g-ops", "09:50 none -"]);
    for who in ["bob", "mallory"] {
        let story = [shown(), joined("09:10", who), act("09:20", "bob")];
        let stage = Stage::new().grant(&group_grant()).told(&story).ended();
        assert_eq!(stage.verdicts(), ["09:20 none -"], "{who} put him there");
    }
}

#[test]
fn who_was_a_member_before_the_first_record_the_operator_may_say() {
    let mut config = Config::default();
    config.grants.paths = vec!["grants".into()];
    let story = [shown(), act("09:20", "bob")];
    let unknown = Stage::with(config.clone()).grant(&group_grant()).told(&story).ended();
    assert_eq!(unknown.verdicts(), ["09:20 none -"]);
    let members = vec![GroupMember { user: "bob-id".to_owned(), membership: "m-1".to_owned() }];
    let as_of = "2026-03-01T00:00:00Z".to_owned();
    config.grants.groups = vec![Group { id: "ops-id".to_owned(), as_of, members }];
    config.grants.from_cloudtrail = true;
    let verdicts = |over: &[Value]| {
        let story = [over, &story].concat();
        Stage::with(config.clone()).grant(&group_grant()).told(&story).ended().verdicts()
    };
    assert_eq!(verdicts(&[]), ["09:20 covered g-ops"]);
    assert_eq!(verdicts(&[left("09:10")]), ["09:20 none -"], "the membership is known by its id");
    let mut synchronised = call(
        "09:10",
        "broker",
        "PatchGroup",
        json!({
            "eventSource": "identitystore-scim.amazonaws.com",
            "requestParameters": {"tenantId": "x", "groupId": "ops-id", "httpBody": {"Operations": []}},
        }),
    );
    synchronised["userIdentity"] =
        json!({"type": "WebIdentityUser", "accountId": HOME, "accessKeyId": "x"});
    assert_eq!(verdicts(&[synchronised]), ["09:20 none -"], "who is in it since, nobody can say");
}

fn carols_grant(until: &str) -> Value {
    json!({
        "schema": "grantwatch.grant/1", "id": "g-9", "source": "test", "revision": 1, "status": "active",
        "emitted_at": "2026-03-01T08:00:00Z", "approved_at": "2026-03-01T08:00:00Z",
        "principals": [{"kind": "idc_user", "user_name": "carol@example.com"}],
        "scope": {"accounts": [HOME], "role_arns": [format!("arn:aws:iam::{HOME}:role/Deploy")]},
        "window": {"not_before": "2026-03-01T08:00:00Z", "not_after": format!("2026-03-01T{until}:00Z")},
    })
}

fn tagged(who: &str, grant: &str) -> Value {
    let more = json!({"tags": [{"key": "Grant_Id", "value": grant}], "transitiveTagKeys": ["Grant_Id"],
        "sourceIdentity": "carol-17"});
    assume("09:10", who, ("Deploy", "ASIADEPLOY"), more)
}

/// What is done in a session that states that it is carol's, by a name that the grant does not know.
fn acted(time: &str, who: &str) -> Value {
    stated(act(time, who), "carol-17")
}

#[test]
fn a_session_that_a_broker_issued_under_a_grant_is_covered_by_it() {
    let story = [acted("09:30", "deploy"), tagged("broker", "g-9"), acted("11:30", "deploy")];
    let stage = Stage::new().grant(&carols_grant("11:00")).told(&story).ended();
    assert_eq!(stage.verdicts(), ["09:30 covered g-9", "11:30 expired g-9"]);
    assert!(stage.alerts("grant_claim_false").is_empty());
    let [outlived] = &stage.alerts("session_may_outlive_grant")[..] else { panic!("one alert") };
    assert_eq!(outlived.facts["gw.grant.claimed"], json!("g-9"), "it ends at 12:10");
}

#[test]
fn a_name_that_anybody_else_gives_his_session_opens_nothing() {
    for who in ["mallory", "bob"] {
        let story = [tagged(who, "g-9"), acted("09:30", "deploy")];
        let stage = Stage::new().grant(&carols_grant("11:00")).told(&story).ended();
        assert!(!stage.verdicts()[0].contains("covered"), "{who}: {:?}", stage.verdicts());
        assert!(
            stage.reasons()[0].contains("its session names grant g-9"),
            "{:?}",
            stage.reasons()
        );
        let [told] = &stage.alerts("grant_claim_false")[..] else { panic!("one alert") };
        assert_eq!(told.facts["gw.grant.claim"], json!("of_another"), "{who}");
    }
}

#[test]
fn a_name_of_no_grant_or_of_one_that_is_over_is_told() {
    for (grant, expected) in [("g-10", "unknown"), ("g-9", "over")] {
        let story = [tagged("broker", grant), acted("09:30", "deploy")];
        let stage = Stage::new().grant(&carols_grant("09:00")).told(&story).ended();
        assert!(!stage.verdicts()[0].contains("covered"));
        let [told] = &stage.alerts("grant_claim_false")[..] else { panic!("one alert") };
        assert_eq!(told.facts["gw.grant.claim"], json!(expected));
    }
    let hostile = "g\u{7}-9 {{ gw.secret }} \u{1b}[31m".repeat(40);
    let stage = Stage::new().told(&[tagged("mallory", &hostile), acted("09:30", "deploy")]).ended();
    let [told] = &stage.alerts("grant_claim_false")[..] else { panic!("one alert") };
    assert!(!told.story.contains('\u{1b}') && told.story.len() < 2_000, "{}", told.story);
}

#[test]
fn a_name_goes_along_into_further_roles_only_from_a_bound_session() {
    let chained = |first: Value, inherited: bool| {
        let more = match inherited {
            true => json!({"incomingTransitiveTags": {"Grant_Id": "g-9"}}),
            false => json!({"tags": [{"key": "Grant_Id", "value": "g-9"}]}),
        };
        let next = assume("09:20", "deploy", ("Second", "ASIASECOND"), more);
        let next = stated(next, "carol-17");
        let mut grant = carols_grant("11:00");
        grant["scope"] = json!({"accounts": [HOME]});
        let stage =
            Stage::new().grant(&grant).told(&[first, next, acted("09:30", "second")]).ended();
        stage.verdicts().remove(0)
    };
    assert_eq!(chained(tagged("broker", "g-9"), true), "09:30 covered g-9");
    assert!(!chained(tagged("mallory", "g-9"), true).contains("covered"));
    assert!(!chained(deployed("bob"), true).contains("covered"));
    assert!(!chained(tagged("broker", "g-8"), false).contains("covered"), "he named it himself");
}

#[test]
fn a_source_identity_may_name_a_grant() {
    let more = json!({"sourceIdentity": "grant-g-9"});
    let mut config = Config::default();
    config.grants.from_cloudtrail = true;
    config.identity.brokers = vec![Glob(BROKER.to_owned())];
    config.grants.source_identity_pattern = "grant-{id}".to_owned();
    for (who, expected) in [("broker", true), ("mallory", false)] {
        let story = [
            assume("09:10", who, ("Deploy", "ASIADEPLOY"), more.clone()),
            stated(act("09:30", "deploy"), "grant-g-9"),
        ];
        let stage = Stage::with(config.clone()).grant(&carols_grant("11:00")).told(&story).ended();
        assert_eq!(stage.verdicts()[0].contains("covered g-9"), expected, "{who}");
    }
}

fn revocation(time: &str, name: &str, before: &str) -> Value {
    let document = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": ["*"], "Resource": ["*"],
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": format!("2026-03-01T{before}:00.000Z")}}}]});
    let mut asked = json!({"roleName": "Deploy", "policyName": "AWSRevokeOlderSessions"});
    if name == "PutRolePolicy" {
        asked["policyDocument"] = document.to_string().into();
    }
    call(time, "alice", name, json!({"requestParameters": asked}))
}

#[test]
fn a_session_that_acts_though_it_was_ended_is_told_in_any_order() {
    let refused = |time| call(time, "deploy", "DeleteBucket", json!({"errorCode": "AccessDenied"}));
    let read = |time| {
        call(time, "deploy", "DeleteBucket", json!({"requestParameters": {"bucketName": "b"}}))
    };
    let ended = revocation("09:30", "PutRolePolicy", "09:30");
    let lifted = revocation("09:40", "DeleteRolePolicy", "09:30");
    let count = |story: &[Value]| {
        let stage =
            Stage::with(Config::default()).told(story).told(&[act("11:59", "alice")]).ended();
        stage.alerts("session_outlived_revocation").len()
    };
    assert_eq!(count(&[ended.clone(), read("09:45")]), 1);
    assert_eq!(count(&[read("09:45"), ended.clone()]), 1, "the record of its end comes later");
    assert_eq!(count(&[ended.clone(), read("09:34")]), 0, "IAM takes a while");
    assert_eq!(count(&[ended.clone(), refused("09:45")]), 0, "that is what one expects");
    assert_eq!(count(&[ended.clone(), lifted.clone(), read("09:50")]), 0, "the policy is gone");
    assert_eq!(count(&[ended.clone(), read("09:38"), lifted]), 1, "it was there then");
    let earlier = revocation("09:30", "PutRolePolicy", "09:00");
    assert_eq!(count(&[earlier, read("09:45")]), 0, "the session is younger");
    assert_eq!(count(&[ended, read("09:45"), read("09:46"), read("10:30")]), 1, "once");
}

#[test]
fn protected_acts_of_an_ended_session_say_so() {
    let ended = revocation("09:30", "PutRolePolicy", "09:30");
    let stage = Stage::new().told(&[ended, deployed("bob"), act("09:45", "deploy")]).ended();
    let alerts = stage.alerts("privilege_without_grant");
    let told = alerts.iter().find(|alert| alert.facts.contains_key("gw.session.revoked"));
    assert_eq!(told.unwrap().facts["gw.session.revoked_at"], json!("2026-03-01T09:30:00Z"));
}

#[test]
fn a_vendor_is_covered_by_a_request_that_somebody_accepted_who_might() {
    let asked = call(
        "09:00",
        "vendors-account",
        "CreateDelegationRequest",
        json!({
            "requestParameters": {"ownerAccountId": HOME, "sessionDuration": 3600},
            "responseElements": {"delegationRequestId": "dr-1"}, "recipientAccountId": "999988887777",
        }),
    );
    let accepted = |who: &str| {
        let asked = json!({"delegationRequestId": "dr-1"});
        call("09:10", who, "AcceptDelegationRequest", json!({"requestParameters": asked}))
    };
    let grant = json!({
        "schema": "grantwatch.grant/1", "id": "g-1", "source": "test", "revision": 1, "status": "active",
        "emitted_at": "2026-03-01T08:00:00Z", "approved_at": "2026-03-01T08:00:00Z",
        "principals": [{"kind": "idc_user", "user_name": "bob@example.com"}],
        "scope": {"accounts": [HOME], "permission_sets": ["Admin"]},
        "window": {"not_before": "2026-03-01T08:00:00Z", "not_after": "2026-03-01T12:00:00Z"},
    });
    let id = "cloudtrail:111122223333:delegation/dr-1";
    let tail = [act("09:30", "vendor"), act("10:30", "vendor")];
    let verdicts =
        |stage: Stage, story: &[Value]| stage.told(&[story, &tail[..]].concat()).ended().verdicts();
    let both = [asked.clone(), accepted("bob")];
    assert_eq!(
        verdicts(Stage::new().grant(&grant), &both),
        [format!("09:30 covered {id}"), format!("10:30 expired {id}")],
    );
    assert_eq!(verdicts(Stage::new(), &both)[0], format!("09:30 none {id}"), "nobody let him");
    let by_alice = [asked, accepted("alice")];
    assert_eq!(verdicts(Stage::new().grant(&grant), &by_alice)[0], format!("09:30 none {id}"));
    // Without the vendor's own record nobody knows whom it was for, and bob's grant is not the vendor's.
    let stage = Stage::new().grant(&grant);
    let stage = stage.told(&[accepted("bob"), act("09:30", "vendor")]).ended();
    assert_eq!(stage.verdicts(), ["09:30 none -"]);
    assert_eq!(stage.reasons(), ["no grant names the vendor's account 999988887777"]);
}

#[test]
fn a_permission_sets_inline_policy_covers_its_roles() {
    let set = "arn:aws:sso:::permissionSet/ssoins-1/ps-1";
    let named = call(
        "08:00",
        "broker",
        "CreatePermissionSet",
        json!({
            "requestParameters": {"name": "Admin", "instanceArn": "i"},
            "responseElements": {"permissionSet": {"permissionSetArn": set, "name": "Admin"}},
        }),
    );
    let wrote = |who: &str| {
        let asked = json!({"permissionSetArn": set, "inlinePolicy": policy(&until("10:00"))});
        call("09:05", who, "PutInlinePolicyToPermissionSet", json!({"requestParameters": asked}))
    };
    let verdict = |who: &str| told(&[named.clone(), wrote(who), act("09:30", "bob")]).remove(0);
    assert!(verdict("broker").starts_with("09:30 covered cloudtrail:"), "{}", verdict("broker"));
    assert!(verdict("bob").starts_with("09:30 none cloudtrail:"), "{}", verdict("bob"));
}

#[test]
fn nothing_is_believed_unless_it_is_asked_for() {
    let mut config = Config::default();
    config.identity.brokers = vec![Glob(BROKER.to_owned())];
    let story = [put("09:05", "broker", &until("10:00")), deployed("bob"), act("09:30", "deploy")];
    assert_eq!(Stage::with(config.clone()).told(&story).ended().verdicts(), [""; 0]);
    config.grants.paths = vec!["grants".into()];
    assert_eq!(Stage::with(config).told(&story).ended().verdicts(), ["09:30 none -"]);
}

#[test]
fn a_scan_judges_by_what_the_records_themselves_tell() {
    let house = House::new();
    let folder = tempfile::tempdir().unwrap();
    // One file for each record, named so that the policy is read behind what it covers.
    let story = [
        deployed("bob"),
        act("10:30", "deploy"),
        act("09:30", "deploy"),
        put("09:05", "broker", &until("10:00")),
        revocation("09:45", "PutRolePolicy", "09:45"),
    ];
    for (number, record) in story.iter().enumerate() {
        let text = json!({"Records": [record]}).to_string();
        std::fs::write(folder.path().join(format!("{number}.json")), text).unwrap();
    }
    let target = folder.path().display().to_string();
    let lines = |more: &[&str]| {
        let arguments = [&["scan", &target, "--broker", BROKER], more].concat();
        let output = house.command(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let verdicts = |more: &[&str]| {
        let told = lines(&[&["--verdicts"], more].concat());
        let made = told.iter().filter(|it| it["action"] == "iam:CreateUser");
        made.map(|it| it["verdict"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&["--grants-from-cloudtrail"]), ["covered", "expired"]);
    assert_eq!(verdicts(&[]), ["none", "none"]);
    let alerts = lines(&["--grants-from-cloudtrail", "--format", "ndjson"]);
    let told: Vec<&str> = alerts.iter().map(|it| it["detector"].as_str().unwrap()).collect();
    assert!(
        told.contains(&"grant_outlived") && told.contains(&"session_outlived_revocation"),
        "{told:?}"
    );
}
