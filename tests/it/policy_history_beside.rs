//! What stands beside policies against a server's own: what the records of a script lead to is what its API reads back.
//!
//! The server writes no records: a story writes what CloudTrail writes of each call and its answer.

use grantwatch::iam::History;
use grantwatch::iam::Snapshot;
use grantwatch::iam::lesson;
use grantwatch::iam::state::Account;
use grantwatch::model::Seconds;
use grantwatch::model::Slots;
use grantwatch::model::Span;
use grantwatch::model::TrailRecord;
use serde_json::Value;
use serde_json::json;

use crate::outside::aws::ACCOUNT;
use crate::outside::aws::Aws;
use crate::outside::aws::REGION;
use crate::outside::moto::Moto;
use crate::policy_history::named_as_in_records;
use crate::policy_history::tree;

const EC2: &str = "2016-11-15";
const START: Seconds = Seconds(1_772_409_600);

/// A server, and the records of what was asked of it.
struct Script {
    aws: Aws,
    records: Vec<String>,
}

impl Script {
    fn note(&mut self, service: &str, name: &str, asked: &Value, answered: &Value) {
        let number = i64::try_from(self.records.len()).unwrap();
        let record = json!({
            "eventTime": START.plus(Span(number)).to_string(), "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name, "readOnly": false, "awsRegion": REGION, "recipientAccountId": ACCOUNT,
            "eventID": format!("e{number}"), "requestParameters": asked, "responseElements": answered,
        });
        self.records.push(record.to_string());
    }

    /// Calls KMS. Its request is written as its members are called, the first letter lowered.
    fn kms(&mut self, name: &str, asked: &Value) -> Value {
        let answer = self.aws.json("kms", &format!("TrentService.{name}"), asked);
        let answered = named_as_in_records(answer.clone());
        self.note("kms", name, &named_as_in_records(asked.clone()), &answered);
        answer
    }

    /// Calls EC2 with `parameters`, whose record has `asked`.
    fn ec2(&mut self, name: &str, parameters: &[(&str, &str)], asked: &Value) -> Value {
        let mut all = vec![("Action", name)];
        all.extend(parameters);
        let answer = tree(&self.aws.query("ec2", EC2, &all));
        let answer = answer[format!("{name}Response")].clone();
        self.note("ec2", name, asked, &with_items(answer.clone()));
        answer
    }

    fn ram(&mut self, name: &str, asked: &Value) -> Value {
        let (method, path) = match name {
            "DeleteResourceShare" => {
                let arn = asked["resourceShareArn"].as_str().unwrap();
                ("DELETE", format!("/deleteresourceshare?resourceShareArn={arn}"))
            }
            other => ("POST", format!("/{}", other.to_lowercase())),
        };
        let answer = self.aws.rest("ram", method, &path, asked);
        self.note("ram", name, asked, &answer);
        answer
    }
}

/// Returns lists as EC2's records have them.
fn with_items(value: Value) -> Value {
    match value {
        Value::Array(all) => {
            json!({"items": all.into_iter().map(with_items).collect::<Vec<_>>()})
        }
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, it)| (key, with_items(it))).collect())
        }
        other => other,
    }
}

/// Returns what EC2 answers as the command line shows it: names with capitals, ports as numbers.
fn as_shown(value: Value) -> Value {
    match value {
        Value::Array(all) => Value::Array(all.into_iter().map(as_shown).collect()),
        Value::Object(members) => {
            let member = |(key, it): (String, Value)| {
                let name = match key.as_str() {
                    "groups" => "UserIdGroupPairs".to_owned(),
                    key => {
                        let mut letters = key.chars();
                        let first = letters.next().map(|first| first.to_ascii_uppercase());
                        first.into_iter().chain(letters).collect()
                    }
                };
                let it = match (key.as_str(), it) {
                    ("fromPort" | "toPort", Value::String(port)) => {
                        json!(port.parse::<i64>().unwrap())
                    }
                    ("isEgress", Value::String(is)) => json!(is == "true"),
                    (_, it) => as_shown(it),
                };
                (name, it)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        other => other,
    }
}

/// Returns one rule as a query and as a record have it.
fn rule<'a>(
    group: &'a str,
    (protocol, port, network): (&'a str, &'a str, &'a str),
) -> (Vec<(&'a str, &'a str)>, Value) {
    let query = vec![
        ("GroupId", group),
        ("IpPermissions.1.IpProtocol", protocol),
        ("IpPermissions.1.FromPort", port),
        ("IpPermissions.1.ToPort", port),
        ("IpPermissions.1.IpRanges.1.CidrIp", network),
    ];
    let port: i64 = port.parse().unwrap();
    let asked = json!({"groupId": group, "ipPermissions": {"items": [{
        "ipProtocol": protocol, "fromPort": port, "toPort": port, "groups": {}, "ipv6Ranges": {},
        "prefixListIds": {}, "ipRanges": {"items": [{"cidrIp": network}]}}]}});
    (query, asked)
}

fn grants(script: &mut Script) -> Value {
    let made = script.kms("CreateKey", &json!({}));
    let key = made["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    for (role, operations) in [
        ("reader", json!(["Decrypt", "DescribeKey"])),
        ("writer", json!(["Encrypt"])),
        ("gone", json!(["Decrypt"])),
    ] {
        let asked = json!({"KeyId": key, "GranteePrincipal": format!("arn:aws:iam::444455556666:role/{role}"),
            "RetiringPrincipal": format!("arn:aws:iam::{ACCOUNT}:role/ops"), "Operations": operations,
            "Constraints": {"EncryptionContextSubset": {"team": "a"}}});
        let answer = script.kms("CreateGrant", &asked);
        ids.push(answer["GrantId"].as_str().unwrap().to_owned());
    }
    script.kms("RevokeGrant", &json!({"KeyId": key, "GrantId": ids[1]}));
    script.kms("RetireGrant", &json!({"KeyId": key, "GrantId": ids[2]}));
    let mut shown = script.aws.json("kms", "TrentService.ListGrants", &json!({"KeyId": key}));
    for grant in shown["Grants"].as_array_mut().unwrap() {
        // KMS answers the key's ARN here, this server its id.
        grant["KeyId"] = json!(key);
    }
    shown
}

fn groups(script: &mut Script) -> Value {
    let vpc = tree(&script.aws.query(
        "ec2",
        EC2,
        &[("Action", "CreateVpc"), ("CidrBlock", "10.9.0.0/16")],
    ));
    let vpc = vpc["CreateVpcResponse"]["vpc"]["vpcId"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    for name in ["web", "gone"] {
        let query = [("GroupName", name), ("GroupDescription", "of a story"), ("VpcId", &*vpc)];
        let asked = json!({"groupName": name, "groupDescription": "of a story", "vpcId": vpc});
        let answer = script.ec2("CreateSecurityGroup", &query, &asked);
        ids.push(answer["groupId"].as_str().unwrap().to_owned());
    }
    let web = &*ids[0].clone();
    for (call, of) in [
        ("AuthorizeSecurityGroupIngress", ("tcp", "443", "0.0.0.0/0")),
        ("AuthorizeSecurityGroupIngress", ("tcp", "22", "10.0.0.0/8")),
        ("AuthorizeSecurityGroupEgress", ("udp", "53", "10.9.0.0/16")),
        ("RevokeSecurityGroupIngress", ("tcp", "22", "10.0.0.0/8")),
        ("AuthorizeSecurityGroupIngress", ("tcp", "8080", "192.0.2.0/24")),
    ] {
        let (query, asked) = rule(web, of);
        script.ec2(call, &query, &asked);
    }
    let asked = json!({"groupId": ids[1]});
    script.ec2("DeleteSecurityGroup", &[("GroupId", &*ids[1])], &asked);
    let shown =
        script.aws.query("ec2", EC2, &[("Action", "DescribeSecurityGroups"), ("GroupId.1", web)]);
    let shown = tree(&shown)["DescribeSecurityGroupsResponse"]["securityGroupInfo"].clone();
    let mut shown = as_shown(shown);
    for group in shown.as_array_mut().unwrap() {
        // Both are lists there, of which the answer has no more than one word.
        assert!(
            group["IpPermissions"].is_array() && group["IpPermissionsEgress"].is_array(),
            "{group:#}"
        );
    }
    json!({"Region": REGION, "SecurityGroups": shown})
}

fn shares(script: &mut Script) -> Value {
    let resource = format!("arn:aws:ec2:{REGION}:{ACCOUNT}:transit-gateway/tgw-1");
    let mut arns = Vec::new();
    for name in ["net", "gone"] {
        let asked = json!({"name": name, "allowExternalPrincipals": true, "principals": ["444455556666"],
            "resourceArns": [resource]});
        let answer = script.ram("CreateResourceShare", &asked);
        arns.push(answer["resourceShare"]["resourceShareArn"].as_str().unwrap().to_owned());
    }
    script.ram("DeleteResourceShare", &json!({"resourceShareArn": arns[1]}));
    let list = |path: &str, asked: &Value| script.aws.rest("ram", "POST", path, asked);
    let all = list("/getresourceshares", &json!({"resourceOwner": "SELF"}));
    let of = |sort: &str| {
        let asked = json!({"associationType": sort});
        let mut found = list("/getresourceshareassociations", &asked);
        found["resourceShareAssociations"].take().as_array().unwrap().clone()
    };
    let associations = [of("PRINCIPAL"), of("RESOURCE")].concat();
    json!({"resourceShares": all["resourceShares"], "resourceShareAssociations": associations})
}

/// Leaves out what the lists do not tell.
fn comparable(account: &Account) -> Account {
    let mut account = account.clone();
    // Keys have policies; of rules the description of a group has no ids; deleted shares keep what was in them.
    account.resources.clear();
    for rules in account.networks.values_mut() {
        rules.values_mut().for_each(|id| *id = "".into());
    }
    account.shares.retain(|_, share| !share.name.is_empty());
    account
}

#[test]
fn grants_groups_and_shares_of_a_script_are_what_the_server_reads_back() {
    let server = Moto::start();
    let mut script = Script { aws: server.aws(), records: Vec::new() };
    let mut truth = Snapshot::default();
    for shown in [grants(&mut script), groups(&mut script), shares(&mut script)] {
        truth.take(&shown, "").unwrap();
    }
    let truth = comparable(&truth.state.accounts[ACCOUNT]);
    assert_eq!((truth.grants.len(), truth.networks.len(), truth.shares.len()), (1, 1, 1));
    for seed in 0..4 {
        let mut records = script.records.clone();
        if seed > 0 {
            fastrand::Rng::with_seed(seed).shuffle(&mut records);
        }
        let mut history = History::default();
        for record in &records {
            let slots = Slots::of(record).unwrap();
            let record = TrailRecord::new(record, &slots);
            let time = Seconds::parse(&record.text("eventTime").unwrap()).unwrap();
            // A key that is made without a policy teaches nothing.
            if let Some(lesson) = lesson::of(&record) {
                history.take(lesson, time, &record.id());
            }
        }
        let told = comparable(&history.now().accounts[ACCOUNT]);
        assert_eq!(told.grants, truth.grants, "{seed}");
        assert_eq!(told.networks, truth.networks, "{seed}");
        assert_eq!(told.shares, truth.shares, "{seed}");
    }
}
