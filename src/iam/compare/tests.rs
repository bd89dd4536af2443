use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::model::Seconds;

/// 2026-03-01T08:00:00Z.
const NOW: Seconds = Seconds(1_772_352_000);

fn accounts() -> BTreeSet<Box<str>> {
    ["111122223333", "222233334444"].map(Into::into).into()
}

fn document(value: &Value, kind: Kind) -> Document {
    let text = value.to_string();
    Document::parse(&text, kind).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Returns a document of statements, which allow and are about everything where they do not say otherwise.
fn policy(statements: &Value, kind: Kind) -> Document {
    let mut all: Vec<Value> = match statements {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    for statement in &mut all {
        let members = statement.as_object_mut().unwrap();
        members.entry("Effect").or_insert("Allow".into());
        let is_not = |name: &str| members.contains_key(name);
        let needs_resource = kind != Kind::Trust && !is_not("NotResource");
        let names_nobody = !is_not("NotPrincipal");
        let needs_action = !is_not("NotAction");
        if needs_resource {
            members.entry("Resource").or_insert("*".into());
        }
        if needs_action {
            let action = if kind == Kind::Trust { "sts:AssumeRole" } else { "s3:GetObject" };
            members.entry("Action").or_insert(action.into());
        }
        if matches!(kind, Kind::Resource | Kind::ResourceControl) && names_nobody {
            members.entry("Principal").or_insert("*".into());
        }
    }
    if all.is_empty() {
        return Document { language: crate::iam::policy::Language::Of2012, statements: Vec::new() };
    }
    document(&json!({"Version": "2012-10-17", "Statement": all}), kind)
}

fn drift(before: &Document, after: &Document, kind: Kind) -> Drift {
    let accounts = accounts();
    let around = Around { account: "111122223333", organization_accounts: &accounts, now: NOW };
    compare(before, after, kind, &around)
}

fn lines(all: &[Access]) -> Vec<String> {
    all.iter().map(Access::to_string).collect()
}

#[test]
fn show() {
    for (b, a) in [
        (json!([]), json!({"Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/*"})),
        (json!({"Action":"s3:GetObject"}), json!({"Action":"s3:Get*"})),
        (json!({"Action":"s3:*"}), json!({"NotAction":"iam:*"})),
        (json!([{"Action":"*"},{"Effect":"Deny","Action":"iam:*"}]), json!({"NotAction":"iam:*"})),
        (
            json!({"Action":"s3:GetObject","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}),
            json!({"Action":"s3:GetObject"}),
        ),
        (
            json!({"Action":"s3:GetObject","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/16"}}}),
            json!({"Action":"s3:GetObject","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}),
        ),
        (
            json!({"Action":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-04-01T00:00:00Z"}}}),
            json!({"Action":"*"}),
        ),
        (
            json!([{"Action":"ec2:*"},{"Effect":"Deny","Action":"*:Delete*"}]),
            json!([{"Action":"ec2:*"}]),
        ),
        (json!([{"Action":["ec2:*","iam:*"]}]), json!([{"Action":["iam:*"]},{"Action":"ec2:*"}])),
        (
            json!([{"Action":["s3:*"],"NotResource":"arn:aws:s3:::a/*"}]),
            json!([{"Action":["s3:*"]}]),
        ),
    ] {
        let d = drift(&policy(&b, Kind::Identity), &policy(&a, Kind::Identity), Kind::Identity);
        println!(
            "{b}\n -> {a}\n + {:?}\n - {:?}\n L {:?}\n D {:?}\n  {:?}",
            lines(&d.adds),
            lines(&d.removes),
            lines(&d.lifts),
            lines(&d.denies),
            d.classes
        );
    }
}
