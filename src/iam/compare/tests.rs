//! Comparison held to the evaluator, and to a table of pairs.
//!
//! Invariant: what is expected was decided by the evaluator or by a reader, never by the comparison.

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

mod property {
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::sample::subsequence;

    use super::*;
    use crate::iam::evaluate::Context;
    use crate::iam::evaluate::Decision;
    use crate::iam::evaluate::Request;
    use crate::iam::evaluate::of_documents;
    use crate::iam::policy::arn_matches;
    use crate::iam::policy::matches;

    const ACTIONS: [&str; 12] = [
        "*",
        "s3:*",
        "s3:Get*",
        "s3:GetObject",
        "s3:?etObject",
        "*:Get*",
        "s3:*Object",
        "iam:*",
        "iam:GetUser",
        "iam:*User",
        "ec2:Run*",
        "s*:Put*",
    ];
    const ASKED: [&str; 9] = [
        "s3:GetObject",
        "s3:PutObject",
        "s3:GetBucketAcl",
        "iam:GetUser",
        "iam:CreateUser",
        "ec2:RunInstances",
        "sqs:GetQueueUrl",
        "s3:SetObject",
        "sns:PutThing",
    ];
    const RESOURCES: [&str; 8] = [
        "*",
        "arn:aws:s3:::a",
        "arn:aws:s3:::a/*",
        "arn:aws:s3:::a*",
        "arn:aws:s3:::*/x",
        "arn:aws:*:::a/?",
        "arn:aws:iam::*:user/*",
        "arn:aws:s3:::b/x",
    ];
    const ON: [&str; 7] = [
        "*",
        "arn:aws:s3:::a",
        "arn:aws:s3:::a/x",
        "arn:aws:s3:::ab/x",
        "arn:aws:s3:::b/x",
        "arn:aws:iam::111122223333:user/u",
        "arn:aws:s3:::a/y:z",
    ];

    fn condition() -> impl Strategy<Value = Value> {
        select(vec![
            json!({}),
            json!({}),
            json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
            json!({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}),
            json!({"StringLike": {"aws:RequestedRegion": "eu-*"}}),
            json!({"StringNotLike": {"aws:RequestedRegion": "eu-*"}}),
            json!({"StringNotEqualsIfExists": {"aws:RequestedRegion": "eu-west-1"}}),
            json!({"StringEqualsIgnoreCase": {"aws:RequestedRegion": "EU-west-1"}}),
            json!({"Null": {"aws:RequestedRegion": "true"}}),
            json!({"Null": {"aws:RequestedRegion": "false"}}),
            json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
            json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}),
            json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "100"}}),
            json!({"NumericGreaterThanEquals": {"aws:MultiFactorAuthAge": "50"},
                "Bool": {"aws:MultiFactorAuthPresent": "true"}}),
            json!({"DateLessThan": {"aws:CurrentTime": "2026-04-01T00:00:00Z"}}),
            json!({"DateGreaterThan": {"aws:CurrentTime": "2026-03-15T00:00:00Z"}}),
            json!({"DateLessThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}),
            json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.1"]}}),
            json!({"NotIpAddress": {"aws:SourceIp": "10.1.0.0/16"}}),
            json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}),
            json!({"ForAllValues:StringLike": {"aws:TagKeys": ["a*"]}}),
            json!({"StringEquals": {"aws:PrincipalTag/team": "${aws:ResourceTag/team}"}}),
        ])
    }

    fn listed(
        name: &'static str,
        from: &'static [&'static str],
    ) -> impl Strategy<Value = (String, Value)> {
        let is_not = prop::bool::weighted(0.2);
        (is_not, subsequence(from.to_vec(), 1..=3)).prop_map(move |(is_not, all)| {
            let name = if is_not { format!("Not{name}") } else { name.to_owned() };
            (name, json!(all))
        })
    }

    fn principals() -> impl Strategy<Value = (String, Value)> {
        select(vec![
            ("Principal", json!("*")),
            ("Principal", json!({"AWS": ["111122223333", "222233334444"]})),
            ("Principal", json!({"AWS": "arn:aws:iam::111122223333:role/path/R"})),
            ("Principal", json!({"AWS": "arn:aws:sts::111122223333:assumed-role/R/s"})),
            ("Principal", json!({"AWS": "arn:aws:iam::111122223333:user/u"})),
            ("Principal", json!({"Service": "lambda.amazonaws.com"})),
            ("NotPrincipal", json!({"AWS": "arn:aws:iam::111122223333:user/u"})),
            ("NotPrincipal", json!({"AWS": ["111122223333", "arn:aws:iam::111122223333:user/u"]})),
        ])
        .prop_map(|(name, all)| (name.to_owned(), all))
    }

    fn statement(kind: Kind) -> impl Strategy<Value = Value> {
        let effect = select(vec!["Allow", "Allow", "Deny"]);
        let parts = (listed("Action", &ACTIONS), listed("Resource", &RESOURCES), principals());
        (effect, parts, condition()).prop_map(move |(effect, (actions, resources, who), asked)| {
            let mut of = json!({"Effect": effect, "Condition": asked});
            of[actions.0] = actions.1;
            of[resources.0] = resources.1;
            if kind == Kind::Resource {
                of[who.0] = who.1;
            }
            of
        })
    }

    fn statements(kind: Kind) -> impl Strategy<Value = Vec<Value>> {
        prop::collection::vec(statement(kind), 1..5)
    }

    fn context() -> impl Strategy<Value = Context> {
        let region = select(vec![None, Some("eu-west-1"), Some("us-east-1"), Some("EU-west-1")]);
        let mfa = select(vec![None, Some("true"), Some("false")]);
        let age = select(vec![None, Some("10"), Some("50"), Some("100"), Some("99.5")]);
        let ip = select(vec!["10.1.2.3", "10.2.0.1", "192.0.2.1", "203.0.113.9", "2001:db8::1"]);
        let time = select(vec![0, 1, 1_209_600, 1_209_601, 2_592_000, 40_000_000]);
        let tags = subsequence(vec!["a", "b", "c"], 0..=2);
        let team = select(vec![None, Some("red"), Some("blue")]);
        (region, mfa, age, ip, time, tags, team.clone(), team).prop_map(|all| {
            let (region, mfa, age, ip, time, tags, of_who, of_what) = all;
            let mut context = Context::new().at(Seconds(NOW.0 + time)).with("aws:SourceIp", ip);
            for (key, value) in [
                ("aws:RequestedRegion", region),
                ("aws:MultiFactorAuthPresent", mfa),
                ("aws:MultiFactorAuthAge", age),
                ("aws:PrincipalTag/team", of_who),
                ("aws:ResourceTag/team", of_what),
            ] {
                context = match value {
                    Some(value) => context.with(key, value),
                    None => context.without(key),
                };
            }
            match tags.is_empty() {
                true => context.without("aws:TagKeys"),
                false => tags.iter().fold(context, |context, tag| context.with("aws:TagKeys", tag)),
            }
        })
    }

    fn who() -> impl Strategy<Value = &'static str> {
        select(vec![
            "*",
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/u",
            "arn:aws:iam::111122223333:user/v",
            "arn:aws:sts::111122223333:assumed-role/R/s",
            "arn:aws:sts::111122223333:assumed-role/R/t",
            "arn:aws:iam::222233334444:user/u",
            "lambda.amazonaws.com",
        ])
    }

    fn is_in(part: &Part, fits: impl Fn(&str) -> bool) -> bool {
        let is_of = |text: &str| text.split(" and ").all(&fits);
        part.any.iter().any(|it| is_of(it)) && !part.except.iter().any(|it| is_of(it))
    }

    /// Decides by the evaluator whether all of these conditions hold.
    fn hold(conditions: &[Condition], request: &Request<'_>) -> bool {
        let statement = Statement { conditions: conditions.to_vec(), ..Statement::everything() };
        let document = Document { language: Language::Of2012, statements: vec![statement] };
        of_documents([&document], request) == Decision::Allowed
    }

    fn names(part: &Part, request: &Request<'_>) -> bool {
        let all = |list: &[Box<str>]| {
            list.iter().any(|text| {
                let principal = match text.strip_prefix("account ") {
                    _ if &**text == "*" => json!("*"),
                    Some(account) => json!({"AWS": account}),
                    None if text.starts_with("arn:") => json!({"AWS": text}),
                    None if text.starts_with("the root of") => {
                        let account = text.rsplit(' ').next().unwrap();
                        return request.principal == format!("arn:aws:iam::{account}:root");
                    }
                    None => json!({"Service": text}),
                };
                let document = json!({"Statement": {
                    "Effect": "Allow", "Action": "*", "Resource": "*", "Principal": principal}});
                let document = super::document(&document, Kind::Resource);
                of_documents([&document], request) == Decision::Allowed
            })
        };
        all(&part.any) && !all(&part.except)
    }

    fn holds(access: &Access, request: &Request<'_>) -> bool {
        let action = request.action.to_lowercase();
        access.principals.as_ref().is_none_or(|part| names(part, request))
            && is_in(&access.actions, |it| matches(&it.to_lowercase(), &action))
            && is_in(&access.resources, |it| arn_matches(it, request.resource))
            && hold(&access.conditions, request)
            && !access.unless.iter().any(|list| hold(list, request))
    }

    fn is_partly_spared(document: &Document) -> bool {
        let spares = |it: &Statement| {
            it.effect == crate::iam::policy::Effect::Deny
                && matches!(it.principals, Some(crate::iam::policy::Listed::AllBut(_)))
        };
        document.statements.iter().any(spares)
    }

    fn check(kind: Kind, before: &[Value], after: &[Value], asked: &[(Context, &str)]) {
        let read =
            |all: &[Value]| document(&json!({"Version": "2012-10-17", "Statement": all}), kind);
        let (before, after) = (read(before), read(after));
        let found = drift(&before, &after, kind);
        assert!(!found.is_coarse);
        for (context, principal) in asked {
            for action in ASKED {
                for resource in ON {
                    let request = Request { principal, action, resource, context };
                    let was = of_documents([&before], &request);
                    let is = of_documents([&after], &request);
                    if [&was, &is].iter().any(|it| matches!(it, Decision::Conditional(_))) {
                        continue;
                    }
                    let is_any = |all: &[Access]| all.iter().any(|it| holds(it, &request));
                    let (was_allowed, is_allowed) =
                        (was == Decision::Allowed, is == Decision::Allowed);
                    let told = || format!("{request:?}\n{was:?} {is:?}\n{:?}", lines(&found.adds));
                    assert_eq!(is_any(&found.adds), is_allowed && !was_allowed, "{}", told());
                    assert_eq!(is_any(&found.removes), was_allowed && !is_allowed, "{}", told());
                    // Whether a Deny spares somebody of whom it lists a part (his account, himself) is not known to
                    // the evaluator, which then speaks of what allows; the comparison takes it to deny.
                    if is_any(&found.lifts) && !is_partly_spared(&before) {
                        assert_eq!(was, Decision::ExplicitDeny, "{}", told());
                        assert_ne!(is, Decision::ExplicitDeny, "{}", told());
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn identity_policies_differ_as_the_evaluator_has_it(
            before in statements(Kind::Identity),
            after in statements(Kind::Identity),
            contexts in prop::collection::vec(context(), 6),
        ) {
            let who = "arn:aws:iam::111122223333:user/u";
            let asked: Vec<_> = contexts.into_iter().map(|it| (it, who)).collect();
            check(Kind::Identity, &before, &after, &asked);
        }

        #[test]
        fn resource_policies_differ_as_the_evaluator_has_it(
            before in statements(Kind::Resource),
            after in statements(Kind::Resource),
            asked in prop::collection::vec((context(), who()), 6),
        ) {
            check(Kind::Resource, &before, &after, &asked);
        }

        #[test]
        fn what_is_only_written_otherwise_is_no_change(of in statements(Kind::Identity)) {
            let read = |all: &[Value]| {
                document(&json!({"Version": "2012-10-17", "Statement": all}), Kind::Identity)
            };
            let mut other: Vec<Value> = of.iter().rev().cloned().collect();
            other.push(of[0].clone());
            // A list of several actions is as many statements.
            let split: Vec<Value> = other.iter().flat_map(|it| {
                match it.get("Action").and_then(Value::as_array) {
                    Some(all) => all.iter().map(|action| {
                        let mut one = it.clone();
                        one["Action"] = action.as_str().unwrap().to_uppercase().into();
                        one
                    }).collect(),
                    None => vec![it.clone()],
                }
            }).collect();
            let found = drift(&read(&of), &read(&split), Kind::Identity);
            prop_assert!(found.is_empty(), "{:?} {:?} {:?}", lines(&found.adds), lines(&found.removes), lines(&found.lifts));
            prop_assert!(found.classes.is_empty());
        }
    }
}
