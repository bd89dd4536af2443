//! Access in words: one line, as short as it can be and still true.
//!
//! Invariant: what is left out for length is counted.

use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use crate::iam::compare::Access;
use crate::iam::compare::clause::Clause;
use crate::iam::compare::region::Region;
use crate::iam::compare::set::Set;
use crate::iam::compare::set::Term;
use crate::iam::compare::terms::Terms;
use crate::iam::compare::variables::Variables;
use crate::iam::compare::who::Who;
use crate::iam::policy::Condition;
use crate::iam::policy::Kind;
use crate::iam::policy::Over;
use crate::iam::policy::Test;
use crate::model::actions;

/// How many of a list a line names.
const MAX_NAMED: usize = 6;

/// Some of a kind, less others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Of these …
    pub any: Vec<Box<str>>,
    /// … all but these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Box<str>>,
}

impl Access {
    pub(super) fn of(region: &Region, variables: &Variables, kind: Kind) -> Self {
        let action = |text: String| spelled(&text);
        let (conditions, unless) = conditions(&region.terms);
        Self {
            principals: who(&region.who, kind),
            actions: part(&region.actions, variables, action),
            resources: part(&region.resources, variables, String::into_boxed_str),
            conditions,
            unless,
        }
    }

    pub(super) fn line(&self) -> String {
        let mut line = String::new();
        if let Some(principals) = &self.principals {
            line.push_str(&listed(principals, "everybody"));
            line.push_str(": ");
        }
        line.push_str(&listed(&self.actions, "every action"));
        line.push_str(" on ");
        line.push_str(&listed(&self.resources, "every resource"));
        for (place, condition) in self.conditions.iter().enumerate() {
            line.push_str(if place == 0 { " if " } else { " and " });
            line.push_str(&asked(condition));
        }
        for (place, list) in self.unless.iter().enumerate() {
            line.push_str(if place == 0 { " unless " } else { " or " });
            let all: Vec<String> = list.iter().map(asked).collect();
            line.push_str(&all.join(" and "));
        }
        line
    }
}

/// Returns what must hold and what must not, in the fewest words.
fn conditions(terms: &Terms) -> (Vec<Condition>, Vec<Vec<Condition>>) {
    let shown = |list: &[Arc<Clause>]| list.iter().map(|clause| clause.shown()).collect();
    let (mut must, mut unless): (Vec<Condition>, Vec<Vec<Condition>>) =
        (shown(&terms.must), Vec::new());
    for list in &terms.unless {
        // That a key must not be none of some values is that it is one of them.
        let turned = match list.as_slice() {
            [one] => one.opposite().map(|it| Condition { operator: it.operator, ..one.shown() }),
            _ => None,
        };
        match turned {
            Some(condition) => must.push(condition),
            None => unless.push(shown(list)),
        }
    }
    (narrowed(&must), unless)
}

/// Takes the values that a key must not have out of those of which it has to have one.
fn narrowed(all: &[Condition]) -> Vec<Condition> {
    let is_against = |one: &Condition, not: &Condition| {
        let are_opposite = matches!(
            (one.operator.test, not.operator.test),
            (Test::StringEquals, Test::StringNotEquals)
                | (Test::StringLike, Test::StringNotLike)
                | (Test::ArnLike, Test::ArnNotLike)
        );
        let are_of_one = [one, not].iter().all(|it| it.operator.over == Over::One);
        are_opposite && are_of_one && one.key == not.key && !one.operator.if_exists
    };
    let left = |one: &Condition| -> Vec<Box<str>> {
        let has = |not: &Condition, value: &str| not.values.iter().any(|it| &**it == value);
        let is_out = |value: &str| all.iter().any(|not| is_against(one, not) && has(not, value));
        one.values.iter().filter(|value| !is_out(value)).cloned().collect()
    };
    // Another text is none of those that must not be; another pattern, or what stands for a variable, may be.
    let is_plain = |it: &Condition| !it.values.iter().any(|value| value.contains('$'));
    let is_said = |one: &Condition, not: &Condition| {
        let is_exact = one.operator.test == Test::StringEquals && is_plain(one) && is_plain(not);
        is_exact && is_against(one, not) && !left(one).is_empty()
    };
    let kept = all.iter().filter(|not| !all.iter().any(|one| is_said(one, not)));
    let narrow = |it: &Condition| match left(it) {
        values if values.is_empty() => it.clone(),
        values => Condition { values, ..it.clone() },
    };
    kept.map(narrow).collect()
}

fn who(set: &Set<Who>, kind: Kind) -> Option<Part> {
    // A policy that is about its holder, or binds whoever comes, names nobody.
    let names_some = matches!(kind, Kind::Trust | Kind::Resource);
    if *set.any == [Who::Everyone] && set.none.is_empty() && !names_some {
        return None;
    }
    let all = |list: &[Who]| list.iter().map(|who| principal(who).into()).collect();
    Some(Part { any: all(&set.any), except: all(&set.none) })
}

fn principal(who: &Who) -> String {
    match who {
        Who::Everyone => "*".to_owned(),
        Who::Account(account) => format!("account {account}"),
        Who::Root(account) => format!("the root of account {account}"),
        Who::Role(_, _, path) => path.0.to_string(),
        Who::Session(account, role, name) => {
            format!("arn:aws:sts::{account}:assumed-role/{role}/{name}")
        }
        Who::EveryService => "every service".to_owned(),
        Who::One(_, name) | Who::Service(name) | Who::Provider(name) | Who::Gone(name) => {
            name.to_string()
        }
        Who::Canonical(id) => {
            format!(
                "canonical user {id} (whose account, and whether it is in the organisation, is not known)"
            )
        }
    }
}

fn part(set: &Set<Term>, variables: &Variables, write: impl Fn(String) -> Box<str>) -> Part {
    let all = |list: &[Term]| {
        let term = |term: &Term| {
            let globs: Vec<Box<str>> = term.0.iter().map(|it| write(it.text(variables))).collect();
            globs.join(" and ").into_boxed_str()
        };
        let mut all: Vec<Box<str>> = list.iter().map(term).collect();
        all.sort();
        all
    };
    Part { any: all(&set.any), except: all(&set.none) }
}

/// Returns an action as AWS spells it, as far as the table knows it.
fn spelled(action: &str) -> Box<str> {
    if action == "*:*" {
        return "*".into();
    }
    let wild = action.bytes().position(|byte| matches!(byte, b'*' | b'?'));
    let (fixed, rest) = action.split_at(wild.unwrap_or(action.len()));
    match actions::spelled(fixed) {
        Some(mut known) => {
            known.push_str(rest);
            known.into()
        }
        None => action.into(),
    }
}

fn listed(part: &Part, every: &str) -> String {
    let names = |list: &[Box<str>]| {
        let mut text = list.iter().take(MAX_NAMED).map(|it| &**it).collect::<Vec<_>>().join(", ");
        if list.len() > MAX_NAMED {
            // Writing to a String cannot fail.
            write!(text, " and {} more", list.len() - MAX_NAMED).expect("a String takes it");
        }
        text
    };
    let mut text = match part.any.as_slice() {
        [one] if &**one == "*" => every.to_owned(),
        all => names(all),
    };
    if !part.except.is_empty() {
        text.push_str(" except ");
        text.push_str(&names(&part.except));
    }
    text
}

/// Returns a condition in words.
fn asked(condition: &Condition) -> String {
    let Condition { operator, key, values } = condition;
    let wanted = values.iter().take(MAX_NAMED).map(|it| &**it).collect::<Vec<_>>().join("|");
    let more = match values.len() {
        0..=MAX_NAMED => String::new(),
        all => format!(" and {} more", all - MAX_NAMED),
    };
    if operator.test == Test::Null {
        return match wanted.as_str() {
            "true" => format!("{key} is absent"),
            "false" => format!("{key} is present"),
            _ => format!("{key} is present or absent"),
        };
    }
    let verb = match operator.test {
        Test::StringEquals | Test::NumericEquals | Test::DateEquals => "is",
        Test::Bool | Test::BinaryEquals => "is",
        Test::StringNotEquals | Test::NumericNotEquals | Test::DateNotEquals => "is not",
        Test::StringEqualsIgnoreCase => "is (in any case)",
        Test::StringNotEqualsIgnoreCase => "is not (in any case)",
        Test::StringLike | Test::ArnLike => "is like",
        Test::StringNotLike | Test::ArnNotLike => "is not like",
        Test::NumericLessThan => "is less than",
        Test::NumericLessThanEquals => "is at most",
        Test::NumericGreaterThan => "is more than",
        Test::NumericGreaterThanEquals => "is at least",
        Test::DateLessThan => "is before",
        Test::DateLessThanEquals => "is not after",
        Test::DateGreaterThan => "is after",
        Test::DateGreaterThanEquals => "is not before",
        Test::IpAddress => "is in",
        Test::NotIpAddress => "is not in",
        Test::Null => "",
    };
    let over = match operator.over {
        Over::One => "",
        Over::All => "each of ",
        Over::Any => "one of ",
    };
    let if_exists = if operator.if_exists { ", if present," } else { "" };
    format!("{over}{key}{if_exists} {verb} {wanted}{more}")
}
