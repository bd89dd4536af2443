//! Every operator, variables, and what one policy set says of a request.

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::Kind;
use crate::model::Seconds;

const ANA: &str = "arn:aws:iam::111122223333:user/team/ana";

fn document(statement: Value) -> Document {
    let value = json!({"Version": "2012-10-17", "Statement": statement});
    Document::parse(&value.to_string(), Kind::Identity).unwrap_or_else(|error| panic!("{error}"))
}

fn conditional<const N: usize>(keys: [&str; N]) -> Decision {
    Decision::Conditional(keys.map(Into::into).into())
}

/// Decides by a statement that has only this condition.
fn under(condition: Value, context: &Context) -> Decision {
    let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
    let request = Request { principal: ANA, action: "s3:GetObject", resource: "*", context };
    of_documents([&document(allow)], &request)
}

#[test]
fn actions_and_resources_are_patterns_and_a_deny_goes_first() {
    let documents = [
        document(json!([
            {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"},
            {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::b/*"},
        ])),
        document(
            json!({"Effect": "Allow", "NotAction": ["iam:*", "s3:*"], "Resource": "arn:aws:s3:::b/k"}),
        ),
    ];
    let context = Context::new();
    for (action, resource, expected) in [
        ("s3:GetObject", "arn:aws:s3:::b/k", Decision::Allowed),
        ("S3:getobject", "arn:aws:s3:::b/k", Decision::Allowed),
        ("s3:PutObject", "arn:aws:s3:::b/k", Decision::ImplicitDeny),
        ("sqs:SendMessage", "arn:aws:s3:::b/k", Decision::Allowed),
        ("sqs:SendMessage", "arn:aws:s3:::b/x", Decision::ImplicitDeny),
        ("s3:GetObject", "arn:aws:s3:::c/k", Decision::ExplicitDeny),
        ("s3:ListAllMyBuckets", "*", Decision::ExplicitDeny),
    ] {
        let request = Request { principal: ANA, action, resource, context: &context };
        assert_eq!(of_documents(&documents, &request), expected, "{action} {resource}");
    }
}

#[test]
fn every_operator_compares_what_it_is_for() {
    let noon = Seconds::parse("2026-03-01T12:00:00Z").unwrap();
    let context = Context::new()
        .at(noon)
        .with("aws:s", "Blue*")
        .with("aws:n", "10")
        .with("aws:b", "True")
        .with("aws:SourceIp", "192.0.2.7")
        .with("aws:six", "2001:db8::1")
        .with("aws:arn", "arn:aws:sns:eu-west-1:111122223333:topic")
        .with("aws:bin", "QQ==");
    for (operator, key, value, expected) in [
        ("StringEquals", "aws:s", json!("Blue*"), true),
        ("StringEquals", "aws:s", json!("Blue"), false),
        ("StringEquals", "aws:s", json!(["Red", "Blue*"]), true),
        ("StringNotEquals", "aws:s", json!(["Red", "Blue*"]), false),
        ("StringNotEquals", "aws:s", json!("blue*"), true),
        ("StringEqualsIgnoreCase", "aws:s", json!("bLUE*"), true),
        ("StringNotEqualsIgnoreCase", "aws:s", json!("bLUE*"), false),
        ("StringLike", "aws:s", json!("B??e*"), true),
        ("StringLike", "aws:s", json!("b*"), false),
        ("StringLike", "aws:s", json!("Blue${*}"), true),
        ("StringEquals", "aws:s", json!("Blue${*}"), true),
        ("StringNotLike", "aws:s", json!("B*"), false),
        ("NumericEquals", "aws:n", json!(10), true),
        ("NumericEquals", "aws:n", json!("10.0"), true),
        ("NumericNotEquals", "aws:n", json!(10), false),
        ("NumericLessThan", "aws:n", json!(10), false),
        ("NumericLessThanEquals", "aws:n", json!(10), true),
        ("NumericGreaterThan", "aws:n", json!(9.5), true),
        ("NumericGreaterThanEquals", "aws:n", json!("11"), false),
        ("DateLessThan", "aws:CurrentTime", json!("2026-03-01T12:00:01Z"), true),
        ("DateLessThan", "aws:CurrentTime", json!("2026-03-01T12:00Z"), false),
        ("DateLessThanEquals", "aws:CurrentTime", json!("2026-03-01T13:00:00+01:00"), true),
        ("DateGreaterThan", "aws:CurrentTime", json!("2026-03-01"), true),
        ("DateGreaterThanEquals", "aws:CurrentTime", json!("2027"), false),
        ("DateLessThan", "aws:CurrentTime", json!("2026-03-01T12:00:01"), true),
        ("DateLessThan", "aws:CurrentTime", json!("2026-03-01T11:59:59.9"), false),
        ("DateEquals", "aws:CurrentTime", json!("2026-03-01t13+01:00"), true),
        ("DateGreaterThan", "aws:CurrentTime", json!("2026-03"), true),
        ("DateEquals", "aws:EpochTime", json!("2026-03-01T12:00:00Z"), true),
        ("DateNotEquals", "aws:EpochTime", json!(noon.0), false),
        ("NumericGreaterThan", "aws:EpochTime", json!(0), true),
        ("Bool", "aws:b", json!("true"), true),
        ("Bool", "aws:b", json!(false), false),
        ("BinaryEquals", "aws:bin", json!("QQ=="), true),
        ("IpAddress", "aws:SourceIp", json!(["198.51.100.0/24", "192.0.2.0/24"]), true),
        ("IpAddress", "aws:SourceIp", json!("192.0.2.8"), false),
        ("NotIpAddress", "aws:SourceIp", json!("192.0.2.0/24"), false),
        ("IpAddress", "aws:six", json!("2001:db8::/32"), true),
        ("ArnLike", "aws:arn", json!("arn:aws:sns:*:111122223333:t*"), true),
        ("ArnEquals", "aws:arn", json!("arn:aws:*:*:2*:topic"), false),
        ("ArnEquals", "aws:arn", json!("*"), true),
        ("ArnNotEquals", "aws:arn", json!("arn:aws:sns:*:*:topic"), false),
        ("Null", "aws:arn", json!("false"), true),
        ("Null", "aws:arn", json!(true), false),
    ] {
        let expected = if expected { Decision::Allowed } else { Decision::ImplicitDeny };
        let found = under(json!({operator: {key: value}}), &context);
        assert_eq!(found, expected, "{operator} {key} {value}");
    }
}

#[test]
fn what_cannot_be_read_is_not_guessed() {
    let context = Context::new().with("aws:k", "7").with("aws:CurrentTime", "2026-03-01T12:00:00Z");
    for (operator, key, value) in [
        ("NumericLessThan", "aws:k", "ten"),
        ("DateLessThan", "aws:CurrentTime", "2026-02-30"),
        ("DateNotEquals", "aws:CurrentTime", "2026-02-30"),
        ("IpAddress", "aws:k", "192.0.2.0/99"),
        ("Bool", "aws:k", "yes"),
        ("Null", "aws:k", "yes"),
        ("ArnLike", "aws:k", "arn:aws"),
    ] {
        let found = under(json!({operator: {key: value}}), &context);
        assert_eq!(found, conditional([&*key.to_lowercase()]), "{operator} {value}");
    }
}

#[test]
fn an_absent_key_fails_what_wants_it_and_fulfils_what_refuses_it() {
    let absent = Context::new().without("aws:k");
    let unknown = Context::new();
    for (operator, expected) in [
        ("StringEquals", false),
        ("StringNotEquals", true),
        ("StringEqualsIfExists", true),
        ("StringNotEqualsIfExists", true),
        ("NumericLessThan", false),
        ("Bool", false),
        ("BoolIfExists", true),
        ("NotIpAddress", true),
        ("ArnNotLike", true),
        ("ForAllValues:StringEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", true),
        ("Null", true),
    ] {
        let expected = if expected { Decision::Allowed } else { Decision::ImplicitDeny };
        let condition = json!({operator: {"aws:K": "true"}});
        assert_eq!(under(condition.clone(), &absent), expected, "{operator}");
        assert_eq!(under(condition, &unknown), conditional(["aws:k"]), "{operator}");
    }
    let always = json!({"StringLikeIfExists": {"aws:k": "*"}});
    assert_eq!(under(always, &unknown), Decision::Allowed);
}

#[test]
fn sets_of_values_are_compared_as_their_prefix_says() {
    let both = Context::new().with("aws:TagKeys", "a").with("aws:TagKeys", "b");
    for (operator, values, expected) in [
        ("ForAllValues:StringEquals", json!(["a", "b", "c"]), true),
        ("ForAllValues:StringEquals", json!(["a"]), false),
        ("ForAnyValue:StringEquals", json!(["a"]), true),
        ("ForAnyValue:StringEquals", json!(["c"]), false),
        ("ForAllValues:StringNotEquals", json!(["a"]), false),
        ("ForAllValues:StringNotEquals", json!(["c"]), true),
        ("ForAnyValue:StringNotEquals", json!(["a"]), true),
        ("ForAnyValue:StringNotEquals", json!(["a", "b"]), false),
    ] {
        let expected = if expected { Decision::Allowed } else { Decision::ImplicitDeny };
        let found = under(json!({operator: {"aws:TagKeys": values}}), &both);
        assert_eq!(found, expected, "{operator} {values}");
    }
}

#[test]
fn keys_and_operators_are_joined_by_and() {
    let condition = json!({
        "StringEquals": {"aws:a": "1", "aws:b": "1"},
        "StringNotEquals": {"aws:c": "1"},
    });
    let all = Context::new().with("aws:a", "1").with("aws:b", "1").with("aws:c", "2");
    assert_eq!(under(condition.clone(), &all), Decision::Allowed);
    let some = Context::new().with("aws:a", "1");
    assert_eq!(under(condition.clone(), &some), conditional(["aws:b", "aws:c"]));
    let wrong = Context::new().with("aws:a", "2");
    assert_eq!(under(condition, &wrong), Decision::ImplicitDeny);
}

#[test]
fn variables_are_texts_of_the_request() {
    let of = |version: &str, resource: &str, asked: &str, context: &Context| {
        let value = json!({"Version": version, "Statement": {
            "Effect": "Allow", "Action": "*", "Resource": resource,
        }});
        let document = Document::parse_value(&value, Kind::Identity).unwrap();
        let request = Request { principal: ANA, action: "s3:GetObject", resource: asked, context };
        of_documents([&document], &request)
    };
    let home = "arn:aws:s3:::home/${aws:username}/*";
    let none = Context::new();
    assert_eq!(of("2012-10-17", home, "arn:aws:s3:::home/ana/x", &none), Decision::Allowed);
    assert_eq!(of("2012-10-17", home, "arn:aws:s3:::home/bob/x", &none), Decision::ImplicitDeny);
    assert_eq!(of("2008-10-17", home, "arn:aws:s3:::home/ana/x", &none), Decision::ImplicitDeny);

    let team = "arn:aws:s3:::home/${aws:PrincipalTag/Team, 'all'}/x";
    let tagged = Context::new().with("aws:PrincipalTag/team", "*");
    assert_eq!(of("2012-10-17", team, "arn:aws:s3:::home/*/x", &tagged), Decision::Allowed);
    assert_eq!(of("2012-10-17", team, "arn:aws:s3:::home/a/x", &tagged), Decision::ImplicitDeny);
    let absent = Context::new().without("aws:PrincipalTag/Team");
    assert_eq!(of("2012-10-17", team, "arn:aws:s3:::home/all/x", &absent), Decision::Allowed);
    let unknown = of("2012-10-17", team, "arn:aws:s3:::home/a/x", &none);
    assert_eq!(unknown, conditional(["aws:principaltag/team"]));
    let other = of("2012-10-17", team, "arn:aws:s3:::away/a/x", &none);
    assert_eq!(other, Decision::ImplicitDeny);

    let bare = "arn:aws:s3:::home/${aws:PrincipalTag/Team}/x";
    assert_eq!(of("2012-10-17", bare, "arn:aws:s3:::home//x", &absent), Decision::ImplicitDeny);
    let account = "arn:aws:sqs:*:${aws:PrincipalAccount}:q";
    let queue = "arn:aws:sqs:eu-west-1:111122223333:q";
    assert_eq!(of("2012-10-17", account, queue, &none), Decision::Allowed);
}

#[test]
fn a_deny_that_may_be_makes_an_allow_conditional_and_leaves_a_refusal_as_it_is() {
    let allow = document(json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}));
    let deny = document(json!({"Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}}));
    let context = Context::new();
    let ask = |action| {
        let request = Request { principal: ANA, action, resource: "*", context: &context };
        of_documents([&allow, &deny], &request)
    };
    assert_eq!(ask("s3:GetObject"), conditional(["aws:securetransport"]));
    assert_eq!(ask("s3:PutObject"), Decision::ImplicitDeny);
}
