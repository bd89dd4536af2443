//! The history of policies against a server's own IAM: what the records of a script lead to is what its API reads back.
//!
//! The server writes no records: a story writes what CloudTrail writes of each call and its answer.

use grantwatch::iam::History;
use grantwatch::iam::Snapshot;
use grantwatch::iam::State;
use grantwatch::iam::lesson;
use grantwatch::iam::state::Account;
use grantwatch::model::Seconds;
use grantwatch::model::Slots;
use grantwatch::model::Span;
use grantwatch::model::TrailRecord;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::outside::aws::ACCOUNT;
use crate::outside::aws::Aws;
use crate::outside::moto::Moto;

/// The version of IAM's API.
pub const VERSION: &str = "2010-05-08";
const START: Seconds = Seconds(1_772_409_600);

/// Calls IAM, and returns the record that CloudTrail would have written of it.
fn call(aws: Aws, number: i64, action: &str, parameters: &[(&str, &str)]) -> String {
    let mut all = vec![("Action", action)];
    all.extend(parameters);
    let answer = tree(&aws.query("iam", VERSION, &all));
    let result = &answer[format!("{action}Response")][format!("{action}Result")];
    let (mut asked, mut tag) = (Map::new(), Map::new());
    for (name, value) in parameters {
        match name.strip_prefix("Tags.member.1.") {
            Some(part) => drop(tag.insert(lowered(part), json!(value))),
            None if *name == "SetAsDefault" => {
                drop(asked.insert(lowered(name), json!(*value == "true")))
            }
            None => drop(asked.insert(lowered(name), json!(value))),
        }
    }
    if !tag.is_empty() {
        asked.insert("tags".to_owned(), json!([tag]));
    }
    json!({
        "eventTime": START.plus(Span(number)).to_string(), "eventSource": "iam.amazonaws.com",
        "eventName": action, "readOnly": false, "awsRegion": "us-east-1",
        "recipientAccountId": ACCOUNT, "eventID": format!("e{number}"),
        "requestParameters": asked, "responseElements": named_as_in_records(result.clone()),
    })
    .to_string()
}

pub fn lowered(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

pub fn named_as_in_records(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter();
            Value::Object(
                members.map(|(key, it)| (lowered(&key), named_as_in_records(it))).collect(),
            )
        }
        other => other,
    }
}

/// Returns XML as the command line would show it: lists of `member` or `item` as lists, what is empty as nothing.
pub fn tree(xml: &str) -> Value {
    let mut rest = xml.trim_start();
    while rest.starts_with("<?") {
        rest = rest.split_once("?>").unwrap().1.trim_start();
    }
    let (name, value, _) = element(rest);
    json!({ name: value })
}

/// Reads the element at the start of `xml`; returns its name, its value and what follows.
fn element(xml: &str) -> (&str, Value, &str) {
    let (tag, mut rest) = xml.strip_prefix('<').unwrap().split_once('>').unwrap();
    let name = tag.split([' ', '/']).next().unwrap();
    if tag.ends_with('/') {
        return (name, Value::Null, rest);
    }
    let end = format!("</{name}>");
    let (mut members, mut items) = (Map::new(), Vec::new());
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(&end) {
            let value = match (items.is_empty(), members.is_empty()) {
                (false, _) => Value::Array(items),
                (true, false) => Value::Object(members),
                (true, true) => Value::Null,
            };
            return (name, value, after);
        }
        if !rest.starts_with('<') {
            let (text, after) = rest.split_once(&end).unwrap();
            let plain =
                [("&quot;", "\""), ("&#34;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
            let text = plain
                .iter()
                .fold(text.trim().to_owned(), |text, (from, to)| text.replace(from, to));
            return (name, json!(text), after);
        }
        let (inside, value, after) = element(rest);
        match inside {
            "member" | "item" => items.push(value),
            other => drop(members.insert(other.to_owned(), value)),
        }
        rest = after;
    }
}

/// Returns what a server says of its IAM.
pub fn read_back(aws: Aws) -> State {
    let answer = tree(&aws.query("iam", VERSION, &[("Action", "GetAccountAuthorizationDetails")]));
    let mut shown =
        answer["GetAccountAuthorizationDetailsResponse"]["GetAccountAuthorizationDetailsResult"]
            .clone();
    assert_ne!(shown["IsTruncated"], "true");
    shown["Account"] = json!(ACCOUNT);
    let mut snapshot = Snapshot::default();
    snapshot.take(&shown, "").unwrap();
    snapshot.state
}

/// Leaves out what the call does not tell, and what is AWS's own.
pub fn comparable(state: &State) -> Account {
    let mut account = state.accounts[ACCOUNT].clone();
    account.is_whole = true;
    account.profiles.retain(|_, roles| !roles.is_empty());
    account.policies.retain(|arn, _| !arn.contains(":iam::aws:"));
    for user in account.users.values_mut() {
        user.keys.clear();
        (user.has_password, user.has_mfa) = (None, None);
    }
    for role in account.roles.values_mut() {
        role.last_used = None;
    }
    account
}

fn document(action: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}).to_string()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a script is one list")]
fn the_records_of_a_script_lead_to_what_the_server_reads_back() {
    let server = Moto::start();
    let aws = server.aws();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}}]})
    .to_string();
    let other = trust.replace("root", "user/ana");
    let (read, write, all) = (document("s3:GetObject"), document("s3:PutObject"), document("*"));
    let own = &*format!("arn:aws:iam::{ACCOUNT}:policy/app");
    let bound = &*format!("arn:aws:iam::{ACCOUNT}:policy/bound");
    let (trust, other, read, write, all) = (&*trust, &*other, &*read, &*write, &*all);
    let role = ("RoleName", "app");
    let script: &[(&str, &[(&str, &str)])] = &[
        ("CreateUser", &[("UserName", "ana")]),
        ("CreateUser", &[("UserName", "old")]),
        ("CreateGroup", &[("GroupName", "ops")]),
        ("AddUserToGroup", &[("UserName", "ana"), ("GroupName", "ops")]),
        ("AddUserToGroup", &[("UserName", "old"), ("GroupName", "ops")]),
        ("RemoveUserFromGroup", &[("UserName", "old"), ("GroupName", "ops")]),
        ("PutGroupPolicy", &[("GroupName", "ops"), ("PolicyName", "p"), ("PolicyDocument", read)]),
        ("PutUserPolicy", &[("UserName", "ana"), ("PolicyName", "p"), ("PolicyDocument", write)]),
        ("PutUserPolicy", &[("UserName", "ana"), ("PolicyName", "q"), ("PolicyDocument", all)]),
        ("DeleteUserPolicy", &[("UserName", "ana"), ("PolicyName", "q")]),
        ("CreatePolicy", &[("PolicyName", "app"), ("PolicyDocument", read)]),
        ("CreatePolicy", &[("PolicyName", "bound"), ("PolicyDocument", all)]),
        (
            "CreatePolicyVersion",
            &[("PolicyArn", own), ("PolicyDocument", all), ("SetAsDefault", "true")],
        ),
        (
            "CreatePolicyVersion",
            &[("PolicyArn", own), ("PolicyDocument", write), ("SetAsDefault", "true")],
        ),
        ("SetDefaultPolicyVersion", &[("PolicyArn", own), ("VersionId", "v1")]),
        ("DeletePolicyVersion", &[("PolicyArn", own), ("VersionId", "v2")]),
        ("CreateRole", &[role, ("AssumeRolePolicyDocument", trust), ("Path", "/team/")]),
        ("AttachRolePolicy", &[role, ("PolicyArn", own)]),
        ("AttachRolePolicy", &[role, ("PolicyArn", bound)]),
        ("PutRolePolicy", &[role, ("PolicyName", "p"), ("PolicyDocument", all)]),
        ("PutRolePolicy", &[role, ("PolicyName", "p"), ("PolicyDocument", read)]),
        ("UpdateAssumeRolePolicy", &[role, ("PolicyDocument", other)]),
        ("PutRolePermissionsBoundary", &[role, ("PermissionsBoundary", bound)]),
        ("TagRole", &[role, ("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "a b")]),
        ("CreateInstanceProfile", &[("InstanceProfileName", "app")]),
        ("AddRoleToInstanceProfile", &[("InstanceProfileName", "app"), role]),
        ("AttachUserPolicy", &[("UserName", "ana"), ("PolicyArn", own)]),
        ("AttachGroupPolicy", &[("GroupName", "ops"), ("PolicyArn", own)]),
        ("DetachGroupPolicy", &[("GroupName", "ops"), ("PolicyArn", own)]),
        ("CreateAccessKey", &[("UserName", "ana")]),
        ("DeleteUser", &[("UserName", "old")]),
        // A role that is made again under its name.
        ("CreateRole", &[("RoleName", "again"), ("AssumeRolePolicyDocument", trust)]),
        ("PutRolePolicy", &[("RoleName", "again"), ("PolicyName", "p"), ("PolicyDocument", all)]),
        ("DeleteRolePolicy", &[("RoleName", "again"), ("PolicyName", "p")]),
        ("DeleteRole", &[("RoleName", "again")]),
        ("CreateRole", &[("RoleName", "again"), ("AssumeRolePolicyDocument", other)]),
        ("DetachRolePolicy", &[role, ("PolicyArn", bound)]),
        // A group that gets another name.
        ("CreateGroup", &[("GroupName", "dev")]),
        ("AddUserToGroup", &[("UserName", "ana"), ("GroupName", "dev")]),
        ("PutGroupPolicy", &[("GroupName", "dev"), ("PolicyName", "p"), ("PolicyDocument", read)]),
        ("UpdateGroup", &[("GroupName", "dev"), ("NewGroupName", "build")]),
    ];
    let mut records = Vec::new();
    for (number, (action, parameters)) in (0..).zip(script) {
        records.push(call(aws, number, action, parameters));
    }
    let truth = read_back(aws);
    for seed in 0..4 {
        let mut records = records.clone();
        if seed > 0 {
            fastrand::Rng::with_seed(seed).shuffle(&mut records);
        }
        let mut history = History::default();
        for record in &records {
            let slots = Slots::of(record).unwrap();
            let record = TrailRecord::new(record, &slots);
            let time = Seconds::parse(&record.text("eventTime").unwrap()).unwrap();
            history.take(lesson::of(&record).unwrap(), time, &record.id());
        }
        let (told, truth) = (comparable(history.now()), comparable(&truth));
        assert_eq!(told.users, truth.users, "{seed}");
        assert_eq!(told.groups, truth.groups, "{seed}");
        assert_eq!(told.roles, truth.roles, "{seed}");
        assert_eq!(told, truth, "{seed}");
    }
}
