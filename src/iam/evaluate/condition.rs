//! Whether a condition holds.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context keys".
//!
//! Invariant: of a key that is not known nothing is said, save where the condition holds or fails whatever its value is. A
//! value that cannot be read as its operator wants it makes the condition unknown.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::truth::Truth;
use crate::iam::evaluate::variable::How;
use crate::iam::evaluate::variable::fits;
use crate::iam::pattern::is_any;
use crate::iam::policy::Condition;
use crate::iam::policy::Language;
use crate::iam::policy::Over;
use crate::iam::policy::Test;

/// Returns whether a condition holds of a request.
pub(in crate::iam) fn holds(scene: &Scene<'_>, language: Language, condition: &Condition) -> Truth {
    let Condition { operator, key, values } = condition;
    let Some(found) = scene.values(key) else {
        let is_always = operator.if_exists && accepts_all(condition);
        return if is_always { Truth::True } else { Truth::needs(key) };
    };
    if operator.test == Test::Null {
        let is_wanted = |value: &str| match value {
            "true" => Truth::from(found.is_empty()),
            "false" => Truth::from(!found.is_empty()),
            _ => Truth::needs(key),
        };
        return Truth::any(values.iter().map(|value| is_wanted(value)));
    }
    let (base, is_negated) = base(operator.test);
    if found.is_empty() {
        return Truth::from(match (operator.if_exists, operator.over) {
            (true, _) | (_, Over::All) => true,
            (false, Over::Any) => false,
            (false, Over::One) => is_negated,
        });
    }
    let one = |value: &str| {
        let fits = |wanted: &str| compare(scene, language, base, wanted, value).unknown_by(key);
        let is_among = Truth::any(values.iter().map(|wanted| fits(wanted)));
        if is_negated { is_among.not() } else { is_among }
    };
    match (operator.over, is_negated) {
        (Over::All, _) | (Over::One, true) => Truth::all(found.iter().map(|value| one(value))),
        (Over::Any, _) | (Over::One, false) => Truth::any(found.iter().map(|value| one(value))),
    }
}

/// Returns whether every value of the key, one at least, fulfils the condition.
fn accepts_all(condition: &Condition) -> bool {
    let is_like = condition.operator.test == Test::StringLike;
    is_like && condition.values.iter().any(|value| is_any(value))
}

/// Returns the test that `test` is or turns round.
fn base(test: Test) -> (Test, bool) {
    match test {
        Test::StringNotEquals => (Test::StringEquals, true),
        Test::StringNotEqualsIgnoreCase => (Test::StringEqualsIgnoreCase, true),
        Test::StringNotLike => (Test::StringLike, true),
        Test::NumericNotEquals => (Test::NumericEquals, true),
        Test::DateNotEquals => (Test::DateEquals, true),
        Test::NotIpAddress => (Test::IpAddress, true),
        Test::ArnNotLike => (Test::ArnLike, true),
        test => (test, false),
    }
}

/// What comes of two values.
enum Compared {
    /// They were compared.
    As(Truth),
    /// One of them is not what the operator compares.
    Unreadable,
}

impl Compared {
    fn unknown_by(self, key: &str) -> Truth {
        match self {
            Self::As(truth) => truth,
            Self::Unreadable => Truth::needs(key),
        }
    }
}

impl From<Option<bool>> for Compared {
    fn from(compared: Option<bool>) -> Self {
        compared.map_or(Self::Unreadable, |holds| Self::As(holds.into()))
    }
}

/// Compares a value of the request to one of the policy.
fn compare(
    scene: &Scene<'_>,
    language: Language,
    test: Test,
    wanted: &str,
    found: &str,
) -> Compared {
    let text = |how| Compared::As(fits(scene, language, wanted, found, how));
    let order = |order: Option<Ordering>, holds: fn(Ordering) -> bool| order.map(holds).into();
    match test {
        Test::StringEquals => text(How::Exact),
        Test::StringEqualsIgnoreCase => text(How::AnyCase),
        Test::StringLike => text(How::Like),
        Test::ArnLike if is_any(wanted) || wanted.split(':').count() >= 6 => text(How::Arn),
        Test::ArnLike => Compared::Unreadable,
        Test::NumericEquals => order(numbers(found, wanted), Ordering::is_eq),
        Test::NumericLessThan => order(numbers(found, wanted), Ordering::is_lt),
        Test::NumericLessThanEquals => order(numbers(found, wanted), Ordering::is_le),
        Test::NumericGreaterThan => order(numbers(found, wanted), Ordering::is_gt),
        Test::NumericGreaterThanEquals => order(numbers(found, wanted), Ordering::is_ge),
        Test::DateEquals => order(dates(found, wanted), Ordering::is_eq),
        Test::DateLessThan => order(dates(found, wanted), Ordering::is_lt),
        Test::DateLessThanEquals => order(dates(found, wanted), Ordering::is_le),
        Test::DateGreaterThan => order(dates(found, wanted), Ordering::is_gt),
        Test::DateGreaterThanEquals => order(dates(found, wanted), Ordering::is_ge),
        Test::Bool => truths(found, wanted).into(),
        Test::BinaryEquals => Some(found == wanted).into(),
        Test::IpAddress => addresses(found, wanted).into(),
        // `base` turned the others round, and `Null` compares no values.
        Test::StringNotEquals
        | Test::StringNotEqualsIgnoreCase
        | Test::StringNotLike
        | Test::NumericNotEquals
        | Test::DateNotEquals
        | Test::NotIpAddress
        | Test::ArnNotLike
        | Test::Null => Compared::Unreadable,
    }
}

fn numbers(found: &str, wanted: &str) -> Option<Ordering> {
    if let (Ok(found), Ok(wanted)) = (found.parse::<i128>(), wanted.parse::<i128>()) {
        return Some(found.cmp(&wanted));
    }
    found.parse::<f64>().ok()?.partial_cmp(&wanted.parse().ok()?)
}

fn dates(found: &str, wanted: &str) -> Option<Ordering> {
    Some(moment(found)?.cmp(&moment(wanted)?))
}

/// Reads a date of ISO 8601 as IAM takes it, from a year alone to fractions of a second, or seconds since 1970.
///
/// Source: IAM User Guide, "Date condition operators", and the W3C's profile of ISO 8601.
pub(in crate::iam) fn moment(text: &str) -> Option<jiff::Timestamp> {
    let is_epoch = text.len() > 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_epoch {
        return jiff::Timestamp::from_second(text.parse().ok()?).ok();
    }
    let (date, time) = text.split_once(['T', 't']).unwrap_or((text, ""));
    // Without a zone it is UTC.
    let (time, zone) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at_checked(at)?,
        None => (time, "Z"),
    };
    let (month, hour) = match (date.len(), time.len()) {
        (4, _) => ("-01-01", "00:00:00"),
        (7, _) => ("-01", "00:00:00"),
        (_, 0) => ("", "00:00:00"),
        (_, 2) => ("", ":00:00"),
        (_, 5) => ("", ":00"),
        _ => ("", ""),
    };
    format!("{date}{month}T{time}{hour}{zone}").parse().ok()
}

fn truths(found: &str, wanted: &str) -> Option<bool> {
    let read = |text: &str| match text {
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    };
    Some(read(found)? == read(wanted)?)
}

fn addresses(found: &str, wanted: &str) -> Option<bool> {
    let network = wanted.parse::<IpNet>().or_else(|_| wanted.parse::<IpAddr>().map(IpNet::from));
    let network = network.ok()?;
    // What is no address, such as a service's name, is in no network.
    let found = found.parse::<IpAddr>();
    Some(found.is_ok_and(|address| network.contains(&address)))
}
