//! What is one document, what is refused and where, and that no text makes the reader panic.

use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;

fn parse(value: &Value, kind: Kind) -> Document {
    let found = Document::parse(&value.to_string(), kind);
    let found = found.unwrap_or_else(|error| panic!("{error}: {value}"));
    assert_eq!(found, Document::parse_value(value, kind).unwrap());
    found
}

fn refused(text: &str, kind: Kind) -> String {
    match Document::parse(text, kind) {
        Ok(document) => panic!("was read: {document:?}"),
        Err(error) => error.to_string(),
    }
}

/// Wraps a statement's elements.
fn policy(statement: &str) -> String {
    format!("{{\"Version\": \"2012-10-17\",\n \"Statement\": [\n  {{{statement}}}\n]}}")
}

#[test]
fn one_meaning_is_one_document_however_it_is_written() {
    let plain = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::b"],
        "Condition": {
            "Bool": {"aws:SecureTransport": "true"},
            "ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/a"},
            "NumericLessThan": {"s3:max-keys": "10"},
        },
    }});
    let other = json!({"Id": "x", "Version": "2012-10-17", "Statement": [{
        "Sid": "",
        "Effect": "Allow",
        "Action": ["S3:getObject", "s3:GETOBJECT"],
        "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::a", "arn:aws:s3:::b"],
        "Condition": {
            "numericlessthan": {"S3:Max-Keys": [10]},
            "ArnLike": {"AWS:principalarn": ["arn:aws:iam::111122223333:role/a"]},
            "Bool": {"aws:securetransport": true},
        },
    }]});
    let document = parse(&plain, Kind::Identity);
    assert_eq!(document, parse(&other, Kind::Identity));
    let encoded = utf8_percent_encode(&other.to_string(), NON_ALPHANUMERIC).to_string();
    assert_eq!(document, Document::parse(&encoded, Kind::Identity).unwrap());
}

#[test]
fn an_account_is_its_root_and_everybody_is_one() {
    let of = |principal: Value| {
        let value = json!({"Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal,
        }});
        parse(&value, Kind::Trust).statements[0].principals.clone()
    };
    let root = Principal::Aws("arn:aws:iam::111122223333:root".into());
    assert_eq!(of(json!({"AWS": "111122223333"})), Some(Listed::Only(vec![root.clone()])));
    assert_eq!(of(json!({"AWS": 111_122_223_333_u64})), Some(Listed::Only(vec![root.clone()])));
    let twice = json!({"AWS": ["arn:aws:iam::111122223333:root", "111122223333"]});
    assert_eq!(of(twice), Some(Listed::Only(vec![root])));
    let everyone = Some(Listed::Only(vec![Principal::Everyone]));
    assert_eq!(of(json!("*")), everyone);
    assert_eq!(of(json!({"AWS": ["*"]})), everyone);
    let gone = Some(Listed::Only(vec![Principal::Aws("AROAABCDEFGHIJKLMNOPQ".into())]));
    assert_eq!(of(json!({"AWS": "AROAABCDEFGHIJKLMNOPQ"})), gone);
}

#[test]
fn what_aws_refuses_is_named_with_line_path_and_what_was_wanted() {
    for (statement, kind, told) in [
        (
            "\"Effect\": \"allow\",\n\"Action\": \"s3:*\", \"Resource\": \"*\"",
            Kind::Identity,
            "in line 3 at $.Statement[0].Effect: an `Effect` is \"Allow\" or \"Deny\", not \"allow\"",
        ),
        (
            "\"Effect\": \"Allow\",\n\"Action\": [\"s3:*\",\n\"GetObject\"], \"Resource\": \"*\"",
            Kind::Identity,
            "in line 5 at $.Statement[0].Action[1]: an action is `*` or begins with its service, like `s3:GetObject`; not \"GetObject\"",
        ),
        (
            "\"Effect\": \"Allow\", \"Action\": [], \"Resource\": \"*\"",
            Kind::Identity,
            "at $.Statement[0].Action: `Action` lists nothing",
        ),
        (
            "\"Effect\": \"Allow\", \"Action\": \"s3:*\"",
            Kind::Identity,
            "at $.Statement[0]: a statement has a `Resource` or a `NotResource`",
        ),
        (
            "\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"bucket\"",
            Kind::Boundary,
            "at $.Statement[0].Resource: a resource is an ARN or `*`, not \"bucket\"",
        ),
        (
            "\"Effect\": \"Allow\", \"Resource\": \"*\"",
            Kind::Identity,
            "at $.Statement[0]: a statement has an `Action` or a `NotAction`",
        ),
        (
            "\"Effect\": \"Allow\", \"Action\": \"a:b\", \"NotAction\": \"a:b\", \"Resource\": \"*\"",
            Kind::Identity,
            "at $.Statement[0].NotAction: a statement has `Action` or `NotAction`, not both",
        ),
        (
            "\"Effect\": \"Allow\", \"Effect\": \"Deny\", \"Action\": \"a:b\", \"Resource\": \"*\"",
            Kind::Identity,
            "at $.Statement[0].Effect: `Effect` stands twice",
        ),
        (
            "\"Effect\": \"Allow\", \"Actions\": \"a:b\", \"Resource\": \"*\"",
            Kind::Identity,
            "at $.Statement[0].Actions: a statement has no element `Actions`",
        ),
        (
            "\"effect\": \"Allow\", \"Action\": \"a:b\", \"Resource\": \"*\"",
            Kind::Identity,
            "at $.Statement[0].effect: write `Effect`: names of elements have their case",
        ),
    ] {
        let found = refused(&policy(statement), kind);
        assert!(found.contains(told), "{found}\nshould hold\n{told}");
    }
}

#[test]
fn what_aws_refuses_of_principals_and_conditions_is_named_too() {
    let fine = "\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"";
    for (statement, kind, told) in [
        (
            &*format!("{fine}, \"Principal\": \"*\""),
            Kind::Identity,
            "at $.Statement[0].Principal: an identity policy names no principal: it is about its holder",
        ),
        (
            fine,
            Kind::Resource,
            "at $.Statement[0]: a statement of a resource policy has a `Principal`",
        ),
        (
            &format!("{fine}, \"Principal\": {{\"AWS\": \"arn:aws:iam::111122223333:user/*\"}}"),
            Kind::Resource,
            "at $.Statement[0].Principal.AWS: a principal is named whole: `*` stands for everybody or not at all; not \"arn:aws:iam::111122223333:user/*\"",
        ),
        (
            &format!("{fine}, \"Principal\": {{\"AWS\": \"1111\"}}"),
            Kind::Resource,
            "at $.Statement[0].Principal.AWS: an account has 12 digits, not 4: 1111",
        ),
        (
            "\"Effect\": \"Allow\", \"Action\": \"sts:AssumeRole\", \"NotPrincipal\": \"*\"",
            Kind::Trust,
            "at $.Statement[0].NotPrincipal: a trust policy has no `NotPrincipal`",
        ),
        (
            &format!("{fine}, \"Principal\": \"*\""),
            Kind::Trust,
            "at $.Statement[0].Action: a trust policy is about actions of `sts`, not \"s3:*\"",
        ),
        (
            &format!("{fine}, \"Condition\": {{\"StringEqual\": {{\"aws:a\": \"b\"}}}}"),
            Kind::Identity,
            "at $.Statement[0].Condition.StringEqual: there is no operator `StringEqual`; `StringEquals` is near",
        ),
        (
            &format!("{fine}, \"Condition\": {{\"NullIfExists\": {{\"aws:a\": \"true\"}}}}"),
            Kind::Identity,
            "at $.Statement[0].Condition.NullIfExists: there is no operator `NullIfExists`",
        ),
        (
            &format!("{fine}, \"Condition\": {{\"Bool\": {{\"mfa\": \"true\"}}}}"),
            Kind::Identity,
            "at $.Statement[0].Condition.Bool.mfa: a key begins with its service, like `aws:SourceIp`; not \"mfa\"",
        ),
        (
            &format!("{fine}, \"Condition\": {{\"StringLike\": {{\"aws:a\": [\"b\", null]}}}}"),
            Kind::Identity,
            "at $.Statement[0].Condition.StringLike[\"aws:a\"][1]: a value is a text, a number or true or false; not null",
        ),
        (
            &format!(
                "{fine}, \"Condition\": {{\"DateLessThan\": {{\"aws:CurrentTime\": \"tomorrow\"}}}}"
            ),
            Kind::Identity,
            "at $.Statement[0].Condition.DateLessThan[\"aws:CurrentTime\"]: a date is like 2026-03-01T08:00:00Z, or seconds since 1970; not \"tomorrow\"",
        ),
        (
            &format!("{fine}, \"Sid\": \"with space\""),
            Kind::Identity,
            "at $.Statement[0].Sid: a `Sid` is of letters A-Z, a-z and digits; not \"with space\"",
        ),
    ] {
        let found = refused(&policy(statement), kind);
        assert!(found.contains(told), "{found}\nshould hold\n{told}");
    }
}

#[test]
fn a_whole_that_is_no_policy_is_refused_too() {
    for (text, told) in [
        ("{", "the policy is no JSON at line 1, column 1"),
        ("", "the policy is no JSON"),
        ("[]", "the policy is wrong in line 1 at $: a policy is an object, not a list"),
        ("{}", "a policy has a `Statement`"),
        ("{\"Statement\": []}", "a policy has at least one statement"),
        ("{\"Version\": \"2024-01-01\", \"Statement\": []}", "the date of the language"),
        ("{\"Statement\": 1}", "at $.Statement: a statement is an object, not a number"),
    ] {
        let found = refused(text, Kind::Identity);
        assert!(found.contains(told), "{found}");
    }
    let long = " ".repeat(MAX_BYTES + 1);
    assert!(refused(&long, Kind::Identity).contains("at most"));
    let one = json!({"Sid": "a", "Effect": "Allow", "Action": "a:b", "Resource": "*"});
    let twice = json!({"Statement": [one, one]}).to_string();
    let told = "at $.Statement[1]: the `Sid` \"a\" is that of statement 0 as well";
    assert!(refused(&twice, Kind::Identity).contains(told));
}

#[test]
fn what_is_odd_and_stands_is_read() {
    for (statement, kind) in [
        ("\"Effect\": \"Allow\", \"Action\": \"*:*\", \"Resource\": \"**\"", Kind::Identity),
        (
            "\"Effect\": \"Deny\", \"NotAction\": \"iam:*\", \"NotResource\": \"arn:aws:s3\"",
            Kind::ServiceControl,
        ),
        (
            "\"Effect\": \"Allow\", \"Principal\": {\"Service\": \"a.amazonaws.com\"}, \"Action\": \"ecr:*\"",
            Kind::Resource,
        ),
        (
            "\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\", \"Condition\": {\"StringEquals\": {\"aws:a\": []}}",
            Kind::Session,
        ),
        (
            "\"Sid\": \"with space\", \"Effect\": \"Allow\", \"Principal\": {\"AWS\": \"*\"}, \"Action\": \"execute-api:Invoke\", \"Resource\": \"execute-api:/*\"",
            Kind::Resource,
        ),
    ] {
        let text = policy(statement);
        Document::parse(&text, kind).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

/// Returns policies of all shapes, with much of what AWS would refuse.
fn any_policy() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "(\\*|s3:[A-Za-z*?]{0,4}|arn:aws:s3:::[ab*]{0,3}|111122223333|x)".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!(7)),
        Just(Value::Null),
    ];
    let tree = leaf.prop_recursive(4, 40, 4, |inner| {
        let names = prop::sample::select(vec![
            "Version",
            "Statement",
            "Effect",
            "Principal",
            "AWS",
            "Action",
            "Resource",
            "Condition",
            "StringLike",
            "aws:a",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..4).prop_map(|items| {
                Value::Object(items.into_iter().map(|(name, it)| (name.to_owned(), it)).collect())
            }),
        ]
    });
    let statement = (tree.clone(), tree.clone(), tree.clone(), tree).prop_map(
        |(action, resource, condition, principal)| {
            json!({"Effect": "Allow", "Action": action, "Resource": resource,
                "Condition": condition, "Principal": principal})
        },
    );
    prop::collection::vec(statement, 0..3).prop_map(|all| json!({"Statement": all}))
}

const KINDS: [Kind; 7] = [
    Kind::Identity,
    Kind::Trust,
    Kind::Boundary,
    Kind::Session,
    Kind::Resource,
    Kind::ServiceControl,
    Kind::ResourceControl,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}", kind in prop::sample::select(KINDS.to_vec())) {
        drop(Document::parse(&text, kind));
    }

    #[test]
    fn no_json_makes_it_panic_and_what_it_refuses_has_a_line(
        value in any_policy(),
        kind in prop::sample::select(KINDS.to_vec()),
    ) {
        match Document::parse(&format!("{value:#}"), kind) {
            Err(PolicyError::Refused { line, .. }) => prop_assert!(line.is_some()),
            Err(other) => prop_assert!(false, "{}", other),
            Ok(document) => prop_assert_eq!(&document, &Document::parse_value(&value, kind).unwrap()),
        }
    }

    #[test]
    fn a_text_that_is_cut_or_changed_is_no_reason_to_panic(cut in 0_usize..200, byte in any::<u8>()) {
        let text = policy("\"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"");
        let mut bytes = text.into_bytes();
        if let Some(place) = bytes.get_mut(cut) {
            *place = byte;
        }
        drop(Document::parse(&String::from_utf8_lossy(&bytes), Kind::Identity));
        bytes.truncate(cut);
        drop(Document::parse(&String::from_utf8_lossy(&bytes), Kind::Identity));
    }
}
