//! Reads what a statement makes a condition of.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
//!
//! Invariant: keys are in lower case, values sorted texts that stand once.

use crate::iam::parse::Member;
use crate::iam::parse::Read;
use crate::iam::parse::Refusal;
use crate::iam::parse::each;
use crate::iam::parse::object;
use crate::iam::parse::tree::Tree;
use crate::iam::policy::Condition;
use crate::iam::policy::Kind;
use crate::iam::policy::Operator;
use crate::iam::policy::Over;
use crate::iam::policy::Test;

/// The operators by the names that IAM gives them.
pub(in crate::iam) const TESTS: [(&str, Test); 27] = [
    ("StringEquals", Test::StringEquals),
    ("StringNotEquals", Test::StringNotEquals),
    ("StringEqualsIgnoreCase", Test::StringEqualsIgnoreCase),
    ("StringNotEqualsIgnoreCase", Test::StringNotEqualsIgnoreCase),
    ("StringLike", Test::StringLike),
    ("StringNotLike", Test::StringNotLike),
    ("NumericEquals", Test::NumericEquals),
    ("NumericNotEquals", Test::NumericNotEquals),
    ("NumericLessThan", Test::NumericLessThan),
    ("NumericLessThanEquals", Test::NumericLessThanEquals),
    ("NumericGreaterThan", Test::NumericGreaterThan),
    ("NumericGreaterThanEquals", Test::NumericGreaterThanEquals),
    ("DateEquals", Test::DateEquals),
    ("DateNotEquals", Test::DateNotEquals),
    ("DateLessThan", Test::DateLessThan),
    ("DateLessThanEquals", Test::DateLessThanEquals),
    ("DateGreaterThan", Test::DateGreaterThan),
    ("DateGreaterThanEquals", Test::DateGreaterThanEquals),
    ("Bool", Test::Bool),
    ("BinaryEquals", Test::BinaryEquals),
    ("IpAddress", Test::IpAddress),
    ("NotIpAddress", Test::NotIpAddress),
    ("ArnLike", Test::ArnLike),
    ("ArnNotLike", Test::ArnNotLike),
    ("ArnEquals", Test::ArnLike),
    ("ArnNotEquals", Test::ArnNotLike),
    ("Null", Test::Null),
];

/// Reads a `Condition` block.
pub(super) fn read(tree: &Tree, kind: Kind) -> Read<Vec<Condition>> {
    let mut all = Vec::new();
    for block in object(tree, "a `Condition`")? {
        let operator =
            operator(block.name).ok_or_else(|| unknown(block.name).within(block.at, block.name))?;
        let read = |tree: &Tree| {
            let keys = object(tree, "an operator's keys")?;
            keys.iter().map(|key| condition(operator, key, kind)).collect::<Read<Vec<_>>>()
        };
        all.extend(block.read(read)?);
    }
    Ok(all)
}

/// Returns the operator of a name such as `ForAnyValue:StringLikeIfExists`, in any case.
pub(in crate::iam) fn operator(name: &str) -> Option<Operator> {
    let (over, name) = match name.split_once(':') {
        Some((over, name)) if over.eq_ignore_ascii_case("ForAllValues") => (Over::All, name),
        Some((over, name)) if over.eq_ignore_ascii_case("ForAnyValue") => (Over::Any, name),
        Some(_) => return None,
        None => (Over::One, name),
    };
    let test_of = |name: &str| {
        TESTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, test)| *test)
    };
    if let Some(test) = test_of(name) {
        return Some(Operator { over, test, if_exists: false });
    }
    let (name, suffix) = name.split_at_checked(name.len().checked_sub("IfExists".len())?)?;
    let test = test_of(name).filter(|test| *test != Test::Null)?;
    suffix.eq_ignore_ascii_case("IfExists").then_some(Operator { over, test, if_exists: true })
}

fn unknown(name: &str) -> Refusal {
    let nearest = TESTS
        .iter()
        .map(|(known, _)| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    Refusal::new(match nearest {
        Some((_, nearest)) => format!("there is no operator `{name}`; `{nearest}` is near"),
        None => format!("there is no operator `{name}`"),
    })
}

fn condition(operator: Operator, key: &Member<'_>, kind: Kind) -> Read<Condition> {
    if key.name.split_once(':').is_none_or(|(service, name)| service.is_empty() || name.is_empty())
    {
        let wanted = "a key begins with its service, like `aws:SourceIp`";
        let refusal = Refusal::new(format!("{wanted}; not {:?}", key.name));
        return Err(refusal.within(key.at, key.name));
    }
    let mut values = key.read(|tree| each(tree, |tree| value(operator.test, tree, kind)))?;
    values.sort();
    values.dedup();
    Ok(Condition { operator, key: key.name.to_ascii_lowercase().into(), values })
}

fn value(test: Test, tree: &Tree, kind: Kind) -> Read<Box<str>> {
    let text = match tree {
        Tree::Text(text) | Tree::Number(text) => text.clone(),
        Tree::Bool(value) => value.to_string(),
        other => {
            let wanted =
                format!("a value is a text, a number or true or false; not {}", other.sort());
            return Err(Refusal::new(wanted));
        }
    };
    if is_of_dates(test) && kind != Kind::Resource && !looks_like_date(&text) {
        return Err(Refusal::new(format!(
            "a date is like 2026-03-01T08:00:00Z, or seconds since 1970; not {text:?}"
        )));
    }
    Ok(match test {
        Test::Bool | Test::Null => text.to_ascii_lowercase().into(),
        _ => text.into(),
    })
}

fn is_of_dates(test: Test) -> bool {
    matches!(
        test,
        Test::DateEquals
            | Test::DateNotEquals
            | Test::DateLessThan
            | Test::DateLessThanEquals
            | Test::DateGreaterThan
            | Test::DateGreaterThanEquals
    )
}

/// Returns whether IAM may take a text for a date. What it makes of the days of a month it does not say.
fn looks_like_date(text: &str) -> bool {
    let year = text.split(['-', 'T', 't']).find(|part| !part.is_empty()).unwrap_or_default();
    !year.is_empty() && year.bytes().all(|byte| byte.is_ascii_digit())
}
