//! Policies with dates: every form of a bound, and that nothing is read wider than it is written.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use crate::grants::glob::fits;
use crate::grants::glob::fits_in_any_case;
use crate::grants::trail::bounds::Bounded;
use crate::grants::trail::bounds::Sort;
use crate::grants::trail::bounds::bounded;
use crate::grants::trail::bounds::revokes_before;
use crate::model::Seconds;

fn at(text: &str) -> Seconds {
    Seconds::parse(text).unwrap()
}

fn one(condition: Value) -> Option<Bounded> {
    let statement =
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition});
    let found = bounded(&json!({"Statement": statement}).to_string(), Sort::Identity);
    assert!(found.len() < 2);
    found.into_iter().next()
}

#[test]
fn every_form_of_a_bound_is_read() {
    let ten = at("2026-03-01T10:00:00Z");
    let late = |seconds: i64| Seconds(ten.0 + seconds);
    let epoch = ten.0;
    for (condition, from, until) in [
        (json!({"DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}), None, ten),
        (json!({"DateLessThan": {"AWS:currenttime": ["2026-03-01T11:00:00+01:00"]}}), None, ten),
        (json!({"DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00.900Z"}}), None, ten),
        (json!({"DateLessThan": {"aws:CurrentTime": epoch}}), None, ten),
        (json!({"DateLessThanEquals": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}), None, late(1)),
        (
            json!({"DateLessThanEqualsIfExists": {"aws:EpochTime": epoch.to_string()}}),
            None,
            late(1),
        ),
        (json!({"NumericLessThan": {"aws:EpochTime": epoch}}), None, ten),
        (json!({"NumericLessThanEquals": {"aws:EpochTime": [epoch.to_string()]}}), None, late(1)),
        (json!({"DateLessThan": {"aws:CurrentTime": "2026-03-01"}}), None, late(-36_000)),
        (json!({"DateEquals": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}), Some(ten), late(1)),
        // Several values: any; several operators: all.
        (
            json!({"DateLessThan": {"aws:CurrentTime": ["2026-03-01T10:00:00Z", "2026-03-01T09:00:00Z"]}}),
            None,
            ten,
        ),
        (
            json!({"DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z", "aws:EpochTime": epoch - 60}}),
            None,
            late(-60),
        ),
        (
            json!({"DateGreaterThan": {"aws:CurrentTime": "2026-03-01T09:00:00Z"},
                   "DateGreaterThanEquals": {"aws:EpochTime": epoch - 1_800},
                   "DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}),
            Some(late(-1_800)),
            ten,
        ),
        (
            json!({"DateGreaterThanIfExists": {"aws:CurrentTime": "2026-03-01T09:00:00Z"},
                   "DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}),
            Some(late(-3_599)),
            ten,
        ),
    ] {
        let found = one(condition.clone()).unwrap_or_else(|| panic!("{condition}"));
        assert_eq!((found.from, found.until), (from, until), "{condition}");
        assert_eq!(found.unclear, None, "{condition}");
    }
}

#[test]
fn what_has_no_end_is_no_grant() {
    for condition in [
        json!({}),
        json!({"DateGreaterThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}),
        json!({"DateLessThan": {"aws:TokenIssueTime": "2026-03-01T10:00:00Z"}}),
        json!({"DateNotEquals": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}),
        json!({"StringLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}),
        json!({"ForAllValues:DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}),
        json!({"NumericLessThan": {"aws:CurrentTime": 1}}),
        json!({"DateLessThan": {"aws:CurrentTime": []}}),
        json!({"DateLessThan": {"aws:CurrentTime": ["2026-03-01T10:00:00Z", "soon"]}}),
        json!({"DateLessThan": "2026-03-01T10:00:00Z"}),
    ] {
        assert_eq!(one(condition.clone()), None, "{condition}");
    }
    for text in
        ["", "null", "[]", "{}", r#"{"Statement":[1,null,[]]}"#, "HIDDEN_DUE_TO_SECURITY_REASONS"]
    {
        assert_eq!(bounded(text, Sort::Identity), []);
    }
}

/// A statement that ends, and what of it the scope of a grant cannot say.
#[test]
fn what_cannot_be_held_to_is_unclear() {
    let end = json!({"DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}});
    let with = |more: Value| {
        let mut statement =
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": end});
        for (key, value) in more.as_object().unwrap() {
            match (key.as_str(), value) {
                ("Condition", value) => {
                    for (operator, keys) in value.as_object().unwrap() {
                        statement["Condition"][operator] = keys.clone();
                    }
                }
                (key, Value::Null) => {
                    statement.as_object_mut().unwrap().remove(key);
                }
                (key, value) => statement[key] = value.clone(),
            }
        }
        let found = bounded(&json!({"Statement": [statement]}).to_string(), Sort::Identity);
        found.into_iter().next().expect("it ends").unclear
    };
    assert_eq!(with(json!({})), None);
    assert_eq!(with(json!({"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}})), None);
    for more in [
        json!({"Action": null, "NotAction": "iam:*"}),
        json!({"NotAction": "iam:*"}),
        json!({"Resource": null, "NotResource": "x"}),
        json!({"Resource": "arn:aws:s3:::b/${aws:username}/*"}),
        json!({"Resource": []}),
        json!({"Action": 7}),
        json!({"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}),
        json!({"Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}}),
        json!({"Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}),
        json!({"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z", "aws:TokenIssueTime": 1}}}),
        json!({"Condition": {"DateEquals": {"aws:EpochTime": [1, 2]}}}),
    ] {
        assert!(with(more.clone()).is_some(), "{more}");
    }
}

#[test]
fn a_statement_keeps_its_name_when_its_dates_move() {
    let written = |end: &str, sid: Option<&str>| {
        let mut statement = json!({"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "arn:aws:s3:::b/*",
            "Condition": {"DateLessThan": {"aws:CurrentTime": end}}});
        if let Some(sid) = sid {
            statement["Sid"] = sid.into();
        }
        let both = json!({"Statement": [statement.clone(), statement]}).to_string();
        bounded(&both, Sort::Identity).into_iter().map(|it| it.name).collect::<Vec<_>>()
    };
    let (early, late) =
        (written("2026-03-01T10:00:00Z", None), written("2026-03-01T11:00:00Z", None));
    assert_eq!(early, late);
    assert_ne!(early[0], early[1], "two statements are two grants");
    assert_eq!(
        written("2026-03-01T10:00:00Z", Some("Jit")),
        [Box::from("Jit"), Box::from("Jit-2")]
    );
    assert_eq!(
        written("2026-03-01T10:00:00Z", Some("a:b/c")),
        early,
        "no name that could be another's"
    );
}

#[test]
fn the_text_may_be_encoded() {
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}});
    let text = json!({"Statement": statement}).to_string();
    let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC);
    assert_eq!(bounded(&encoded.to_string(), Sort::Identity), bounded(&text, Sort::Identity));
}

#[test]
fn only_a_policy_that_refuses_everything_ends_sessions() {
    let ended = |statement: Value| revokes_before(&json!({"Statement": [statement]}).to_string());
    let deny = |more: Value| {
        let mut statement = json!({"Effect": "Deny", "Action": ["*"], "Resource": ["*"],
            "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-03-01T10:00:00.000Z"}}});
        for (key, value) in more.as_object().unwrap() {
            statement[key] = value.clone();
        }
        ended(statement)
    };
    assert_eq!(deny(json!({})), Some(at("2026-03-01T10:00:00Z")));
    for other in [
        json!({"Effect": "Allow"}),
        json!({"Action": "s3:*"}),
        json!({"Resource": "arn:aws:s3:::b"}),
        json!({"Condition": {}}),
        json!({"Condition": {"DateGreaterThan": {"aws:TokenIssueTime": "2026-03-01T10:00:00Z"}}}),
        json!({"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-03-01T10:00:00Z"}}}),
        json!({"Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-03-01T10:00:00Z"},
                             "StringEquals": {"aws:username": "x"}}}),
    ] {
        assert_eq!(deny(other.clone()), None, "{other}");
    }
}

/// What AWS would say of a call by a statement, written anew and by itself, for the conditions that are drawn below.
fn allows(statement: &Value, time: i64, action: &str, resource: &str) -> bool {
    let texts = |value: &Value| -> Vec<Value> {
        value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
    };
    let any = |name: &str, fit: &dyn Fn(&str) -> bool| {
        texts(&statement[name]).iter().any(|text| text.as_str().is_some_and(fit))
    };
    let acts = match statement.get("NotAction") {
        Some(_) => !any("NotAction", &|glob| fits_in_any_case(glob, action)),
        None => any("Action", &|glob| fits_in_any_case(glob, action)),
    };
    let holds = |operator: &str, value: &Value| {
        let bound = value.as_i64().unwrap_or_else(|| at(value.as_str().unwrap()).0);
        match operator.trim_end_matches("IfExists") {
            "DateLessThan" | "NumericLessThan" => time < bound,
            "DateLessThanEquals" | "NumericLessThanEquals" => time <= bound,
            "DateGreaterThan" => time > bound,
            "DateGreaterThanEquals" => time >= bound,
            "DateEquals" => time == bound,
            "DateNotEquals" => time != bound,
            other => panic!("{other}"),
        }
    };
    let conditions = statement["Condition"].as_object().unwrap();
    let all = conditions.iter().all(|(operator, keys)| {
        keys.as_object().unwrap().iter().all(|(key, values)| match key.as_str() {
            // The calls drawn below have no second factor.
            "aws:MultiFactorAuthPresent" => false,
            _ => texts(values).iter().any(|value| holds(operator, value)),
        })
    });
    statement["Effect"] == "Allow" && acts && any("Resource", &|glob| fits(glob, resource)) && all
}

fn bound() -> impl Strategy<Value = Value> {
    (0_i64..40, any::<bool>()).prop_map(|(time, is_text)| match is_text {
        true => json!(Seconds(time).to_string()),
        false => json!(time),
    })
}

fn bounds() -> impl Strategy<Value = Value> {
    prop_oneof![bound(), proptest::collection::vec(bound(), 1..3).prop_map(Value::Array)]
}

fn condition() -> impl Strategy<Value = (String, String, Value)> {
    let operators = proptest::sample::select(vec![
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "DateLessThanIfExists",
        "DateGreaterThanIfExists",
        "DateEquals",
        "DateNotEquals",
    ]);
    let dates =
        (operators, proptest::sample::select(vec!["aws:CurrentTime", "aws:EpochTime"]), bounds());
    prop_oneof![
        9 => dates.prop_map(|(operator, key, value)| (operator.to_owned(), key.to_owned(), value)),
        1 => Just(("Bool".to_owned(), "aws:MultiFactorAuthPresent".to_owned(), json!("true"))),
    ]
}

fn statement() -> impl Strategy<Value = Value> {
    let actions =
        vec!["iam:*", "iam:Create*", "IAM:deleteuser", "s3:GetObject", "*", "s3:?etObject"];
    let resources =
        vec!["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a", "arn:aws:iam::1:user/${aws:username}"];
    let list = |all: Vec<&'static str>| {
        proptest::collection::vec(proptest::sample::select(all), 1..3).prop_map(|list| json!(list))
    };
    (
        proptest::sample::select(vec!["Allow", "Allow", "Allow", "Deny"]),
        proptest::sample::select(vec!["Action", "Action", "Action", "NotAction"]),
        list(actions),
        list(resources),
        proptest::collection::vec(condition(), 1..4),
    )
        .prop_map(|(effect, acts, actions, resources, conditions)| {
            let mut all = json!({});
            for (operator, key, value) in conditions {
                all[operator][key] = value;
            }
            json!({"Effect": effect, acts: actions, "Resource": resources, "Condition": all})
        })
}

proptest! {
    #[test]
    fn nothing_is_wider_than_its_statement(
        drawn in statement(),
        time in 0_i64..45,
        action in proptest::sample::select(vec!["iam:CreateUser", "iam:DeleteUser", "s3:GetObject", "ec2:RunInstances"]),
        resource in proptest::sample::select(vec!["arn:aws:s3:::b/a", "arn:aws:s3:::b/c", "arn:aws:iam::1:user/x"]),
    ) {
        for found in bounded(&json!({"Statement": drawn}).to_string(), Sort::Identity) {
            let is_in_time = found.from.is_none_or(|from| from.0 <= time) && time < found.until.0;
            let acts = found.actions.iter().any(|glob| fits_in_any_case(glob, action));
            let is_on = found.resources.as_ref().is_none_or(|all| all.iter().any(|glob| fits(glob, resource)));
            let covers = found.unclear.is_none() && is_in_time && acts && is_on;
            prop_assert!(!covers || allows(&drawn, time, action, resource), "{found:?}");
        }
    }

    #[test]
    fn a_plain_statement_is_read_as_it_is_written(from in 0_i64..40, until in 0_i64..40, time in 0_i64..45) {
        let drawn = json!({"Effect": "Allow", "Action": "iam:*", "Resource": "*", "Condition": {
            "DateGreaterThanEquals": {"aws:EpochTime": from}, "DateLessThan": {"aws:CurrentTime": Seconds(until).to_string()}}});
        let [found] = &bounded(&json!({"Statement": drawn}).to_string(), Sort::Identity)[..] else {
            panic!("it ends")
        };
        let is_in_time = found.from.is_none_or(|from| from.0 <= time) && time < found.until.0;
        prop_assert_eq!(is_in_time, allows(&drawn, time, "iam:CreateUser", "x"));
    }

    #[test]
    fn whatever_the_text_is_nothing_panics(text in "\\PC{0,200}", drawn in statement(), cut in 0_usize..400) {
        let written = json!({"Statement": [drawn]}).to_string();
        let cut: String = written.chars().take(cut).collect();
        for text in [text, cut, written.replace(':', "::"), written.replace('"', "%22")] {
            for sort in [Sort::Identity, Sort::Trust] {
                prop_assert!(bounded(&text, sort).len() <= 32);
            }
            revokes_before(&text);
        }
    }
}
