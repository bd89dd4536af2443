//! Conditions, so far as what they ask can be compared.
//!
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context keys".
//! A key without a set operator is taken to have one value, as AWS asks of policies.
//!
//! Invariant: [`is_impossible`] never says yes wrongly. A condition with a variable, or with a value that its operator cannot
//! read, is the same as itself and nothing is said of it besides.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::Sort;
use crate::iam::compare::values::Case;
use crate::iam::compare::values::Line;
use crate::iam::compare::values::Ranges;
use crate::iam::compare::values::Share;
use crate::iam::compare::values::Texts;
use crate::iam::compare::values::Values;
use crate::iam::compare::values::moment;
use crate::iam::compare::values::number;
use crate::iam::compare::variables::Variables;
use crate::iam::evaluate;
use crate::iam::policy::Condition;
use crate::iam::policy::Language;
use crate::iam::policy::Operator;
use crate::iam::policy::Over;
use crate::iam::policy::Test;
use crate::model::Seconds;

/// The key that is always there, by whichever of its two names it is asked for.
pub(super) const TIME: &str = "aws:currenttime";

/// A condition.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    /// The condition as it stands.
    pub(super) source: Condition,
    /// The language it is written in, which counts where it has a variable.
    language: Language,
    /// What it asks; `None` if that cannot be compared.
    pub(super) asks: Option<Arc<Asks>>,
    /// The opposite of what it asks.
    pub(super) fails: Option<Arc<Asks>>,
}

impl PartialEq for Clause {
    fn eq(&self, other: &Self) -> bool {
        let is_free = || self.asks.is_some() && self.asks == other.asks;
        self.source == other.source && (self.language == other.language || is_free())
    }
}

impl Eq for Clause {}

/// What is asked of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asks {
    /// The key, with one name for the two of the time.
    pub(super) key: Box<str>,
    /// Whether it may be absent.
    pub(super) absent: Share,
    /// How many of its values have to be among `values`.
    pub(super) over: Many,
    /// The values.
    pub(super) values: Values,
}

/// How many of a key's values have to be among some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Many {
    /// Its only one.
    Single,
    /// One at least.
    Some,
    /// Each.
    Each,
}

impl Asks {
    /// Returns the opposite.
    pub(super) fn not(&self) -> Self {
        let absent = if self.absent == Share::All { Share::Nothing } else { Share::All };
        let over = match self.over {
            Many::Single => Many::Single,
            Many::Some => Many::Each,
            Many::Each => Many::Some,
        };
        Self { key: self.key.clone(), absent, over, values: self.values.not() }
    }

    /// Returns what is so of every request from `now` on: it has a time.
    pub(super) fn from(now: Seconds) -> Self {
        let start = jiff::Timestamp::from_second(now.0).map_or(0, moment);
        let values = Values::Line(Line::Time, Ranges::of([(start, u128::MAX)]));
        Self { key: TIME.into(), absent: Share::Nothing, over: Many::Single, values }
    }

    /// Returns whether it is about the time of the request.
    pub(super) fn is_of_time(&self) -> bool {
        &*self.key == TIME
    }

    /// Returns whether it holds until some time only.
    pub(super) fn ends(&self) -> bool {
        match &self.values {
            Values::Line(Line::Time, ranges) => &*self.key == TIME && !ranges.is_endless(),
            _ => false,
        }
    }
}

/// The conditions of two documents: what is the same is one, so that two are the same where they are one place in memory.
#[derive(Debug, Default)]
pub(super) struct Clauses(Vec<Arc<Clause>>);

impl Clauses {
    /// Reads a condition, or finds it where it was read before.
    pub(super) fn read(
        &mut self,
        condition: &Condition,
        language: Language,
        variables: &mut Variables,
    ) -> Arc<Clause> {
        let is_it = |it: &&Arc<Clause>| it.language == language && it.source == *condition;
        if let Some(known) = self.0.iter().find(is_it) {
            return known.clone();
        }
        let asks = asks(condition, language, variables).map(Arc::new);
        let fails = asks.as_ref().map(|asks| Arc::new(asks.not()));
        let clause = Clause { source: condition.clone(), language, asks, fails };
        if let Some(known) = self.0.iter().find(|it| ***it == clause) {
            return known.clone();
        }
        let clause = Arc::new(clause);
        self.0.push(clause.clone());
        clause
    }
}

/// Returns whether a condition is one of these. All are of the same [`Clauses`].
pub(super) fn is_among(all: &[Arc<Clause>], one: &Arc<Clause>) -> bool {
    all.iter().any(|it| Arc::ptr_eq(it, one))
}

/// Returns whether two lists are the same conditions in one order. All are of the same [`Clauses`].
pub(super) fn are_same(some: &[Arc<Clause>], others: &[Arc<Clause>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(a, b)| Arc::ptr_eq(a, b))
}

impl Clause {
    /// Returns what has to hold where this one must not, if that is one condition.
    pub(super) fn opposite(&self) -> Option<Condition> {
        let Condition { operator, key, values } = &self.source;
        let test = match operator.test {
            Test::StringNotEquals => Test::StringEquals,
            Test::StringNotEqualsIgnoreCase => Test::StringEqualsIgnoreCase,
            Test::StringNotLike => Test::StringLike,
            Test::ArnNotLike => Test::ArnLike,
            Test::NotIpAddress => Test::IpAddress,
            _ => return None,
        };
        // A key that is absent is none of the values: where that must not be, it is there.
        let operator = Operator { test, if_exists: false, ..*operator };
        (operator.over == Over::One).then(|| Condition {
            operator,
            key: key.clone(),
            values: values.clone(),
        })
    }

    /// Returns the condition as the newer language writes it: in the older, what looks like a variable is plain text.
    pub(super) fn shown(&self) -> Condition {
        let mut shown = self.source.clone();
        if self.language == Language::Of2008 {
            for value in shown.values.iter_mut().filter(|it| it.contains("${")) {
                *value = value.replace("${", "${$}{").into();
            }
        }
        shown
    }
}

fn asks(condition: &Condition, language: Language, variables: &mut Variables) -> Option<Asks> {
    let Condition { operator, key, values } = condition;
    let key: Box<str> = match &**key {
        "aws:epochtime" => TIME.into(),
        other => other.into(),
    };
    if operator.test == Test::Null {
        let absent = values.iter().any(|value| &**value == "true");
        let present = values.iter().any(|value| &**value == "false");
        if values.iter().any(|value| !matches!(&**value, "true" | "false")) {
            return None;
        }
        let share = |holds| if holds { Share::All } else { Share::Nothing };
        let values = Values::Whole(share(present));
        return Some(Asks { key, absent: share(absent), over: Many::Some, values });
    }
    if language == Language::Of2012 && values.iter().any(|value| is_variable(value)) {
        return None;
    }
    let test = if &*key == TIME { of_time(operator.test) } else { operator.test };
    let (positive, is_negated) = of_test(test, values, language, variables)?;
    let absent = match (operator.if_exists, operator.over) {
        (true, _) | (_, Over::All) => Share::All,
        (false, Over::Any) => Share::Nothing,
        (false, Over::One) if is_negated => Share::All,
        (false, Over::One) => Share::Nothing,
    };
    let over = match operator.over {
        Over::One => Many::Single,
        Over::All => Many::Each,
        Over::Any => Many::Some,
    };
    let values = if is_negated { positive.not() } else { positive };
    Some(Asks { key, absent, over, values })
}

/// Returns the test of dates that a test of seconds since 1970 comes to.
fn of_time(test: Test) -> Test {
    match test {
        Test::NumericEquals => Test::DateEquals,
        Test::NumericNotEquals => Test::DateNotEquals,
        Test::NumericLessThan => Test::DateLessThan,
        Test::NumericLessThanEquals => Test::DateLessThanEquals,
        Test::NumericGreaterThan => Test::DateGreaterThan,
        Test::NumericGreaterThanEquals => Test::DateGreaterThanEquals,
        test => test,
    }
}

/// Returns whether a text has a variable other than those that stand for `*`, `?` and `$`.
fn is_variable(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { return false };
        if !matches!(name, "*" | "?" | "$") {
            return true;
        }
        rest = after;
    }
    false
}

/// Returns the values that are named, and whether the test wants others.
fn of_test(
    test: Test,
    values: &[Box<str>],
    language: Language,
    variables: &mut Variables,
) -> Option<(Values, bool)> {
    let mut texts = |sort: Sort, case: Case| {
        let mut read = |value: &str| {
            let folded = value.to_lowercase();
            let text = if case == Case::Folded { folded.as_str() } else { value };
            let variables = (language == Language::Of2012).then_some(&mut *variables);
            Glob::read(text, sort, variables)
        };
        let globs = values.iter().map(|it| read(it)).collect();
        Values::Text(Texts { globs, share: Share::All, case })
    };
    let is_arn = |value: &str| is_any(value) || value.split(':').count() >= 6;
    Some(match test {
        Test::StringEquals | Test::BinaryEquals => (texts(Sort::Exact, Case::Counts), false),
        Test::StringNotEquals => (texts(Sort::Exact, Case::Counts), true),
        Test::StringEqualsIgnoreCase => (texts(Sort::Exact, Case::Folded), false),
        Test::StringNotEqualsIgnoreCase => (texts(Sort::Exact, Case::Folded), true),
        Test::StringLike => (texts(Sort::Plain, Case::Counts), false),
        Test::StringNotLike => (texts(Sort::Plain, Case::Counts), true),
        Test::ArnLike if values.iter().all(|it| is_arn(it)) => {
            (texts(Sort::Arn, Case::Counts), false)
        }
        Test::ArnNotLike if values.iter().all(|it| is_arn(it)) => {
            (texts(Sort::Arn, Case::Counts), true)
        }
        Test::IpAddress => (Values::of_networks(values)?, false),
        Test::NotIpAddress => (Values::of_networks(values)?, true),
        Test::Bool => (truths(values)?, false),
        Test::ArnLike | Test::ArnNotLike | Test::Null => return None,
        _ => line(test, values)?,
    })
}

fn is_any(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'*')
}

fn truths(values: &[Box<str>]) -> Option<Values> {
    if values.iter().any(|value| !matches!(&**value, "true" | "false")) {
        return None;
    }
    let share = |word: &str| match values.iter().any(|value| &**value == word) {
        true => Share::All,
        false => Share::Nothing,
    };
    Some(Values::Truth { yes: share("true"), no: share("false") })
}

/// Reads tests of numbers and of dates.
fn line(test: Test, values: &[Box<str>]) -> Option<(Values, bool)> {
    use Test as T;
    let of = match test {
        T::NumericEquals
        | T::NumericNotEquals
        | T::NumericLessThan
        | T::NumericLessThanEquals
        | T::NumericGreaterThan
        | T::NumericGreaterThanEquals => Line::Number,
        _ => Line::Time,
    };
    let point = |text: &str| match of {
        Line::Number => number(text),
        Line::Time => evaluate::moment(text).map(moment),
    };
    let points = values.iter().map(|it| point(it)).collect::<Option<Vec<u128>>>()?;
    let span = |at: u128| match test {
        T::NumericLessThan | T::DateLessThan => (0, at - 1),
        T::NumericLessThanEquals | T::DateLessThanEquals => (0, at),
        T::NumericGreaterThan | T::DateGreaterThan => (at + 1, u128::MAX),
        T::NumericGreaterThanEquals | T::DateGreaterThanEquals => (at, u128::MAX),
        _ => (at, at),
    };
    let ranges = Ranges::of(points.into_iter().map(span));
    let is_negated = matches!(test, T::NumericNotEquals | T::DateNotEquals);
    Some((Values::Line(of, ranges), is_negated))
}

/// Returns whether surely no request fulfils all of these, which are of one key.
pub(super) fn is_impossible(all: &[&Asks]) -> bool {
    if all.iter().all(|asks| asks.absent == Share::All) {
        return false;
    }
    if let [one] = all {
        return one.values.is_nothing();
    }
    let is_single = all.iter().any(|asks| asks.over == Many::Single);
    if is_single {
        let values: SmallVec<[&Values; 4]> = all.iter().map(|asks| &asks.values).collect();
        return Values::have_nothing_in_common(&values);
    }
    let of = |many: Many| all.iter().filter(move |it| it.over == many).map(|it| &it.values);
    let each: SmallVec<[&Values; 4]> = of(Many::Each).collect();
    let is_barred = |one: &Values| {
        let together: SmallVec<[&Values; 4]> = each.iter().copied().chain([one]).collect();
        Values::have_nothing_in_common(&together)
    };
    // Present, it has a value; that one is among those which each has to be among.
    !each.is_empty() && Values::have_nothing_in_common(&each) || of(Many::Some).any(is_barred)
}
