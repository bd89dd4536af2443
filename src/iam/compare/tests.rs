//! Comparison held to the evaluator, and to a table of pairs.
//!
//! Invariant: what is expected was decided by the evaluator or by a reader, never by the comparison.

use std::collections::BTreeSet;
use std::ops::Range;

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

/// The table of pairs: a line each, with the classes that a reader expects.
static PAIRS: &str = include_str!("pairs.jsonl");

fn kind_of(name: &str) -> Kind {
    match name {
        "identity" => Kind::Identity,
        "trust" => Kind::Trust,
        "boundary" => Kind::Boundary,
        "resource" => Kind::Resource,
        "scp" => Kind::ServiceControl,
        "rcp" => Kind::ResourceControl,
        other => panic!("{other} is no kind"),
    }
}

#[test]
fn the_table_of_pairs() {
    let mut wrong = Vec::new();
    let pairs: Vec<Value> = PAIRS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(pairs.len() >= 150, "{}", pairs.len());
    for pair in &pairs {
        let kind = kind_of(pair["kind"].as_str().unwrap());
        let (before, after) = (policy(&pair["before"], kind), policy(&pair["after"], kind));
        let found = drift(&before, &after, kind);
        let classes: BTreeSet<&str> = found.classes.iter().map(|it| it.name()).collect();
        let expected: BTreeSet<&str> =
            pair["classes"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        let grew = pair["grew"].as_bool().unwrap();
        if classes != expected || found.grew() != grew {
            wrong.push(format!(
                "{}: {classes:?} grew {} but {expected:?} {grew}\n   + {:?}\n   ~ {:?}",
                pair["is"],
                found.grew(),
                lines(&found.adds),
                lines(&found.lifts)
            ));
        }
        let back = drift(&after, &before, kind);
        assert_eq!(found.adds, back.removes, "{}", pair["is"]);
        assert_eq!(found.removes, back.adds, "{}", pair["is"]);
        assert_eq!(found.lifts, back.denies, "{}", pair["is"]);
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}

#[test]
fn what_became_possible_is_told_in_one_line() {
    for (before, after, expected) in [
        (
            json!([]),
            json!({"Action": "iam:PassRole", "Resource": "arn:aws:iam::*:role/*"}),
            "iam:PassRole on arn:aws:iam::*:role/*",
        ),
        (
            json!({"Action": "s3:GetObject"}),
            json!({"Action": "s3:Get*"}),
            "s3:Get* except s3:GetObject on every resource",
        ),
        (json!([]), json!({"Action": "*"}), "every action on every resource"),
        (
            json!({"Action": "s3:*", "NotResource": "arn:aws:s3:::a/*"}),
            json!({"Action": "s3:*"}),
            "s3:* on arn:aws:s3:::a/*",
        ),
        (
            json!([{"Action": "ec2:*"}, {"Effect": "Deny", "Action": "*:Delete*"}]),
            json!({"Action": "ec2:*"}),
            "ec2:Delete* on every resource",
        ),
        (
            json!({"Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
            json!({"Action": "s3:*"}),
            "s3:* on every resource unless aws:securetransport is true",
        ),
    ] {
        let kind = Kind::Identity;
        let found = drift(&policy(&before, kind), &policy(&after, kind), kind);
        assert_eq!(lines(&found.adds), [expected]);
    }
}

#[test]
fn who_is_let_in_is_named_where_a_policy_names_somebody() {
    for (kind, expected) in [
        (Kind::Identity, "s3:GetObject on arn:aws:s3:::a/*"),
        (Kind::Resource, "everybody: s3:GetObject on arn:aws:s3:::a/*"),
        (Kind::ResourceControl, "s3:GetObject on arn:aws:s3:::a/*"),
    ] {
        let other = json!({"Action": "s3:PutObject", "Resource": "arn:aws:s3:::a/*"});
        let before = policy(&other, kind);
        let new = json!({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*"});
        let found = drift(&before, &policy(&json!([other, new]), kind), kind);
        assert_eq!(lines(&found.adds), [expected], "{kind:?}");
    }
}

#[test]
fn a_list_that_must_not_be_missed_is_told_as_what_it_has_more() {
    let outside = |operator: &str, key: &str, values: &[&str]| {
        json!([
            {"Action": "*"},
            {"Effect": "Deny", "NotAction": "iam:*", "Condition": {operator: {key: values}}},
        ])
    };
    let region = "aws:RequestedRegion";
    let (ops, dev) = ("arn:aws:iam::*:role/ops", "arn:aws:iam::*:role/dev");
    for (operator, key, before, after, expected) in [
        ("StringNotEquals", region, "eu-west-1", "us-east-1", "aws:requestedregion is us-east-1"),
        (
            "StringNotEqualsIfExists",
            region,
            "eu-west-1",
            "us-east-1",
            "aws:requestedregion is us-east-1",
        ),
        (
            "ArnNotLike",
            "aws:PrincipalArn",
            ops,
            dev,
            "aws:principalarn is not like arn:aws:iam::*:role/ops and aws:principalarn is like \
             arn:aws:iam::*:role/dev",
        ),
        (
            "StringNotEquals",
            "aws:PrincipalTag/team",
            "${aws:ResourceTag/team}",
            "ops",
            "aws:principaltag/team is not ${aws:ResourceTag/team} and aws:principaltag/team is ops",
        ),
    ] {
        let kind = Kind::Identity;
        let old = policy(&outside(operator, key, &[before]), kind);
        let new = policy(&outside(operator, key, &[before, after]), kind);
        let expected = format!("every action except iam:* on every resource if {expected}");
        assert_eq!(lines(&drift(&old, &new, kind).adds), [expected]);
    }
}

#[path = "property_tests.rs"]
mod property;

/// Allow and Deny by turns, each with patterns that have something in common with those of all the others.
fn hard(statements: Range<usize>) -> Document {
    let statement = |at: usize| {
        json!({
            "Effect": if at.is_multiple_of(2) { "Allow" } else { "Deny" },
            "Action": [format!("s3:*{at}*"), format!("ec2:?{at}*")],
            "Resource": format!("arn:aws:s3:::*{at}*/*"),
            "Condition": {"StringNotLike": {"aws:x": format!("*{at}*")}},
        })
    };
    policy(&statements.map(statement).collect(), Kind::Identity)
}

#[test]
fn what_would_take_too_long_to_compare_is_told_as_it_is_written() {
    for count in [6, 20, 120] {
        let found = drift(&hard(0..count - 2), &hard(0..count), Kind::Identity);
        assert!(found.is_coarse);
        let added = format!("s3:*{}*", count - 2);
        assert_eq!(found.adds.len(), 1, "{:?}", found.adds);
        assert!(found.adds[0].actions.any.contains(&added.into()), "{:?}", found.adds);
        let back = drift(&hard(0..count), &hard(0..count - 2), Kind::Identity);
        assert!(back.is_coarse && back.classes.contains(&Class::GuardrailWeakened));
        assert!(drift(&hard(0..count), &hard(0..count), Kind::Identity).is_empty());
    }
    assert!(!drift(&hard(0..2), &hard(0..4), Kind::Identity).is_coarse);
}

#[test]
fn lists_of_a_thousand_names_are_compared_exactly() {
    let list = |names: Range<usize>| {
        let actions: Vec<String> = names.map(|at| format!("s3:Action{at}")).collect();
        policy(&json!([{"Action": actions}]), Kind::Identity)
    };
    let found = drift(&list(0..1_500), &list(1..1_501), Kind::Identity);
    assert!(!found.is_coarse);
    assert_eq!(lines(&found.adds), ["s3:action1500 on every resource"]);
    assert_eq!(lines(&found.removes), ["s3:action0 on every resource"]);
}

#[test]
fn of_hundreds_of_buckets_the_one_that_is_another_is_told_exactly() {
    let list = |other: &str| {
        let bucket = |at: usize| format!("arn:aws:s3:::b{at}/*");
        let mut all: Vec<String> = (0..700).map(bucket).collect();
        all[350] = format!("arn:aws:s3:::{other}/*");
        policy(&json!([{"Resource": all}]), Kind::Identity)
    };
    let found = drift(&list("one"), &list("other"), Kind::Identity);
    assert!(!found.is_coarse);
    assert_eq!(lines(&found.adds), ["s3:GetObject on arn:aws:s3:::other/*"]);
    assert_eq!(lines(&found.removes), ["s3:GetObject on arn:aws:s3:::one/*"]);
    assert_eq!(found.classes, BTreeSet::from([Class::DataReadWidened]));
}
