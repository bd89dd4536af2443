//! When a statement is in force for somebody, as far as that can be said without a request.
//!
//! Conditions about the time say from when until when; those about what is known of the holder are decided; all others are
//! named, as a request may fulfil them or not.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
//!
//! Invariant: a condition is taken as fulfilled or not only if its key is known; a date that cannot be read decides nothing.

use std::collections::BTreeSet;

use crate::iam::evaluate::moment;
use crate::iam::pattern::arn_matches;
use crate::iam::pattern::matches;
use crate::iam::policy::Condition;
use crate::iam::policy::Over;
use crate::iam::policy::Test;
use crate::model::Seconds;

/// What is known of the holder, of the call and of the time.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// Values of condition keys and policy variables; keys in lower case.
    pub values: Vec<(&'a str, &'a str)>,
    /// The time, if it is asked as of one.
    pub now: Option<Seconds>,
}

/// When, and on which keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Force {
    /// The keys that it rests on.
    pub keys: BTreeSet<Box<str>>,
    /// When it begins, if not at once.
    pub from: Option<Seconds>,
    /// When it ends, if it does.
    pub until: Option<Seconds>,
}

impl<'a> Facts<'a> {
    /// Returns the value of a key that is known.
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.values.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    /// Returns these facts and one more.
    #[must_use]
    pub fn with(&self, key: &'a str, value: &'a str) -> Self {
        let mut more = self.clone();
        more.values.push((key, value));
        more
    }
}

/// Returns when conditions hold, or `None` if they do not, whenever it is.
pub fn of(conditions: &[Condition], facts: &Facts<'_>) -> Option<Force> {
    let mut force = Force::default();
    for condition in conditions {
        if is_time(condition)
            && facts.now.is_some()
            && let Some((from, until)) = window(condition)
        {
            force.from = force.from.max(from);
            force.until = earlier(force.until, until);
            continue;
        }
        match facts.value(&condition.key).and_then(|value| is_true(condition, value)) {
            Some(true) => {}
            Some(false) => return None,
            None => {
                force.keys.insert(condition.key.clone());
            }
        }
    }
    Some(force)
}

/// Returns the earlier of two ends, of which none is no end.
pub fn earlier(one: Option<Seconds>, other: Option<Seconds>) -> Option<Seconds> {
    [one, other].into_iter().flatten().min()
}

fn is_time(condition: &Condition) -> bool {
    matches!(&*condition.key, "aws:currenttime" | "aws:epochtime")
}

/// Returns from when until when a condition about the time holds.
fn window(condition: &Condition) -> Option<(Option<Seconds>, Option<Seconds>)> {
    let is_number = matches!(
        condition.operator.test,
        Test::NumericLessThan
            | Test::NumericLessThanEquals
            | Test::NumericGreaterThan
            | Test::NumericGreaterThanEquals
    );
    let read = |text: &str| match is_number {
        true => text.parse().ok().map(Seconds),
        false => moment(text).map(|time| Seconds(time.as_second())),
    };
    let times: Option<Vec<Seconds>> = condition.values.iter().map(|it| read(it)).collect();
    let times = times?;
    // Any of the values is enough.
    let (first, last) = (times.iter().min().copied()?, times.iter().max().copied()?);
    let after = |time: Seconds| Seconds(time.0.saturating_add(1));
    match condition.operator.test {
        Test::DateLessThan | Test::NumericLessThan => Some((None, Some(last))),
        Test::DateLessThanEquals | Test::NumericLessThanEquals => Some((None, Some(after(last)))),
        Test::DateGreaterThan | Test::NumericGreaterThan => Some((Some(after(first)), None)),
        Test::DateGreaterThanEquals | Test::NumericGreaterThanEquals => Some((Some(first), None)),
        _ => None,
    }
}

/// Returns whether a condition holds of a value, as far as that can be said.
fn is_true(condition: &Condition, value: &str) -> Option<bool> {
    let has_variables = condition.values.iter().any(|it| it.contains("${"));
    if condition.operator.over != Over::One || has_variables {
        return None;
    }
    let some = |fits: &dyn Fn(&str) -> bool| condition.values.iter().any(|wanted| fits(wanted));
    let same = |wanted: &str| wanted == value;
    let in_any_case = |wanted: &str| wanted.eq_ignore_ascii_case(value);
    let alike = |pattern: &str| matches(pattern, value);
    match condition.operator.test {
        Test::StringEquals => Some(some(&same)),
        Test::StringNotEquals => Some(!some(&same)),
        Test::StringEqualsIgnoreCase | Test::Bool => Some(some(&in_any_case)),
        Test::StringNotEqualsIgnoreCase => Some(!some(&in_any_case)),
        Test::StringLike => Some(some(&alike)),
        Test::StringNotLike => Some(!some(&alike)),
        Test::ArnLike => Some(some(&|pattern| arn_matches(pattern, value))),
        Test::ArnNotLike => Some(!some(&|pattern| arn_matches(pattern, value))),
        // The key is there.
        Test::Null => Some(some(&|wanted| wanted.eq_ignore_ascii_case("false"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::Document;
    use crate::iam::Kind;

    fn force(condition: &str, facts: &Facts<'_>) -> Option<Force> {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{condition}}}}}"#
        );
        let document = Document::parse(&text, Kind::Identity).unwrap();
        of(&document.statements[0].conditions, facts)
    }

    fn at(time: &str) -> Option<Seconds> {
        Some(Seconds::parse(time).unwrap())
    }

    #[test]
    fn times_are_a_window() {
        let facts = Facts { now: at("2026-01-01T00:00:00Z"), ..Facts::default() };
        let condition = r#"{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-02-01"},
            "DateLessThan":{"aws:CurrentTime":["2026-03-01T00:00:00Z","2026-02-02T00:00:00Z"]}}"#;
        let found = force(condition, &facts).unwrap();
        assert_eq!(
            (found.from, found.until),
            (at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z"))
        );
        assert!(found.keys.is_empty());
        let found = force(condition, &Facts::default()).unwrap();
        assert_eq!(found.keys.len(), 1, "without a time it is a condition");
    }

    #[test]
    fn dates_are_read_as_requests_are_judged_by_them() {
        let facts = Facts { now: at("2026-01-01T00:00:00Z"), ..Facts::default() };
        for (written, expected) in [
            ("2027", "2027-01-01T00:00:00Z"),
            ("2026-03-01T08:00:00", "2026-03-01T08:00:00Z"),
            ("2026-03-01T08:00Z", "2026-03-01T08:00:00Z"),
            ("2026-03-01T09:00:00+01:00", "2026-03-01T08:00:00Z"),
            ("1772352000", "2026-03-01T08:00:00Z"),
        ] {
            let condition = format!(r#"{{"DateLessThan":{{"aws:CurrentTime":"{written}"}}}}"#);
            assert_eq!(force(&condition, &facts).unwrap().until, at(expected), "{written}");
        }
        let number = r#"{"NumericLessThan":{"aws:EpochTime":"2027"}}"#;
        assert_eq!(force(number, &facts).unwrap().until, Some(Seconds(2027)));
    }

    #[test]
    fn what_is_known_is_decided_and_the_rest_is_named() {
        let facts = Facts::default().with("iam:passedtoservice", "lambda.amazonaws.com");
        for (condition, expected) in [
            (
                r#"{"StringEquals":{"iam:PassedToService":["ec2.amazonaws.com","lambda.amazonaws.com"]}}"#,
                Some(0),
            ),
            (r#"{"StringLike":{"iam:PassedToService":"lambda*"}}"#, Some(0)),
            (r#"{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}"#, None),
            (r#"{"StringNotEquals":{"iam:PassedToService":"lambda.amazonaws.com"}}"#, None),
            (r#"{"Null":{"iam:PassedToService":"true"}}"#, None),
            (r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#, Some(1)),
            (r#"{"DateLessThan":{"aws:TokenIssueTime":"2026-01-01T00:00:00Z"}}"#, Some(1)),
        ] {
            let found = force(condition, &facts).map(|force| force.keys.len());
            assert_eq!(found, expected, "{condition}");
        }
    }
}
