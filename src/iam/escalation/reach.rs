//! What a set of documents allows of one action on things of one sort: which resources, and on which conditions.
//!
//! Invariant: nothing is reached that a document forbids in any case; what is forbidden or allowed on a condition that is
//! not known is reached on that condition.

use std::collections::BTreeSet;

use crate::iam::Document;
use crate::iam::escalation::known::known;
use crate::iam::escalation::place::Whose;
use crate::iam::pattern::arn_covers;
use crate::iam::pattern::arn_overlap;
use crate::iam::policy::Condition;
use crate::iam::policy::Effect;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Over;
use crate::iam::policy::Statement;
use crate::iam::policy::Test;
use crate::model::fits;

/// The statements of documents by the actions of ways that they speak of.
pub struct Sheet<'a> {
    /// Number of the action, and the statement; sorted by the number.
    lines: Vec<(usize, Line<'a>)>,
}

#[derive(Clone, Copy)]
struct Line<'a> {
    statement: &'a Statement,
    language: Language,
}

/// What is asked of a sheet.
pub struct Asked<'a> {
    /// The action's number.
    pub action: usize,
    /// What the ARN of the resource looks like, or the ARN.
    pub place: &'a str,
    /// Whose it is.
    pub whose: Whose,
    /// The service that a role is passed to.
    pub passed_to: Option<&'a str>,
}

/// What is known of the holder and of the time.
#[derive(Default)]
pub struct Facts<'a> {
    /// Values of variables and condition keys in lower case.
    pub values: Vec<(&'a str, &'a str)>,
}

/// What is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// The resources, as patterns.
    pub resources: BTreeSet<Box<str>>,
    /// The keys that it rests on.
    pub conditions: BTreeSet<Box<str>>,
}

impl<'a> Sheet<'a> {
    /// Reads `documents`.
    pub fn of(documents: impl IntoIterator<Item = &'a Document>) -> Self {
        let mut lines = Vec::new();
        for document in documents {
            for statement in &document.statements {
                let line = Line { statement, language: document.language };
                lines.extend(numbers(statement).into_iter().map(|number| (number, line)));
            }
        }
        lines.sort_by_key(|(number, _)| *number);
        Self { lines }
    }

    fn about(&self, action: usize) -> &[(usize, Line<'a>)] {
        let from = self.lines.partition_point(|(number, _)| *number < action);
        let to = self.lines.partition_point(|(number, _)| *number <= action);
        self.lines.get(from..to).unwrap_or_default()
    }

    /// Returns whether a statement allows `action` on anything at all.
    pub fn speaks_of(&self, action: usize) -> bool {
        self.about(action).iter().any(|(_, line)| line.statement.effect == Effect::Allow)
    }

    /// Returns what is allowed, if anything is.
    pub fn reach(&self, asked: &Asked<'_>, facts: &Facts<'_>) -> Option<Reach> {
        let lines = self.about(asked.action);
        let (mut sure, mut unsure) = (Reach::default(), Reach::default());
        for (_, line) in lines.iter().filter(|(_, it)| it.statement.effect == Effect::Allow) {
            let Some(keys) = holds(&line.statement.conditions, asked, facts) else { continue };
            for found in line.resources(asked, facts) {
                let mut found = vec![Found { keys: &found.keys | &keys, ..found }];
                for (_, deny) in lines.iter().filter(|(_, it)| it.statement.effect == Effect::Deny)
                {
                    found =
                        found.into_iter().flat_map(|it| deny.leaves(it, asked, facts)).collect();
                }
                for Found { resource, keys } in found {
                    let reach = if keys.is_empty() { &mut sure } else { &mut unsure };
                    reach.resources.insert(resource);
                    reach.conditions.extend(keys);
                }
            }
        }
        [sure, unsure].into_iter().find(|reach| !reach.resources.is_empty())
    }
}

/// Resources, and the keys that they rest on.
struct Found {
    resource: Box<str>,
    keys: BTreeSet<Box<str>>,
}

impl Line<'_> {
    /// Returns what of the place an allowing statement is about.
    fn resources(&self, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let place = || Found { resource: asked.place.into(), keys: BTreeSet::new() };
        match &self.statement.resources {
            None => vec![place()],
            Some(Listed::Only(patterns)) => {
                let filled = patterns.iter().filter_map(|it| self.filled(it, asked, facts));
                let narrowed = filled.filter_map(|(pattern, keys)| {
                    Some(Found { resource: narrower(&pattern, asked.place)?, keys })
                });
                narrowed.collect()
            }
            Some(Listed::AllBut(patterns)) => {
                let mut found = place();
                for pattern in patterns {
                    let Some((pattern, keys)) = self.filled(pattern, asked, facts) else {
                        continue;
                    };
                    let is_out = arn_covers(&pattern, asked.place);
                    match (is_out, keys.is_empty()) {
                        (true, true) => return Vec::new(),
                        (true, false) => found.keys.extend(keys),
                        (false, _) => {}
                    }
                }
                vec![found]
            }
        }
    }

    /// Returns what a denying statement leaves of what was found.
    fn leaves(&self, found: Found, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let Some(keys) = holds(&self.statement.conditions, asked, facts) else {
            return vec![found];
        };
        let filled = |patterns: &[Box<str>]| -> Vec<(String, BTreeSet<Box<str>>)> {
            patterns.iter().filter_map(|it| self.filled(it, asked, facts)).collect()
        };
        match &self.statement.resources {
            None => rests_on(found, [keys]),
            Some(Listed::Only(patterns)) => {
                let mut hits: Vec<BTreeSet<Box<str>>> = Vec::new();
                for (pattern, of_pattern) in filled(patterns) {
                    if arn_covers(&pattern, &found.resource) {
                        hits.push(&of_pattern | &keys);
                    }
                }
                rests_on(found, hits)
            }
            Some(Listed::AllBut(patterns)) => {
                let spared = filled(patterns);
                let is_spared = |(pattern, _): &(String, BTreeSet<Box<str>>)| {
                    arn_covers(pattern, &found.resource)
                };
                if let Some((_, of_pattern)) = spared.iter().find(|it| is_spared(it)) {
                    return match of_pattern.is_empty() {
                        true => vec![found],
                        false => rests_on(found, [of_pattern | &keys]),
                    };
                }
                if !keys.is_empty() {
                    return rests_on(found, [keys]);
                }
                let parts = spared.into_iter().filter_map(|(pattern, of_pattern)| {
                    let resource = narrower(&pattern, &found.resource)?;
                    Some(Found { resource, keys: &found.keys | &of_pattern })
                });
                parts.collect()
            }
        }
    }

    /// Returns a resource pattern with its variables replaced, and the keys of those that are not known. `None`: it cannot
    /// be about the thing that is asked for.
    fn filled(
        &self,
        pattern: &str,
        asked: &Asked<'_>,
        facts: &Facts<'_>,
    ) -> Option<(String, BTreeSet<Box<str>>)> {
        let (mut text, mut keys) = (String::with_capacity(pattern.len()), BTreeSet::new());
        if self.language == Language::Of2008 {
            // There, a variable is plain text, and no name has such letters.
            return (!pattern.contains("${")).then(|| (pattern.to_owned(), keys));
        }
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((variable, after)) = after.split_once('}') else { break };
            text.push_str(before);
            rest = after;
            match variable {
                "*" | "?" | "$" => text.push_str(variable),
                variable => {
                    let name = variable.split(',').next().unwrap_or_default().trim();
                    text.push_str(self.value(
                        &name.to_ascii_lowercase(),
                        asked,
                        facts,
                        &mut keys,
                    )?);
                }
            }
        }
        text.push_str(rest);
        Some((text, keys))
    }

    fn value<'f>(
        &self,
        name: &str,
        asked: &Asked<'_>,
        facts: &Facts<'f>,
        keys: &mut BTreeSet<Box<str>>,
    ) -> Option<&'f str> {
        if let Some((_, value)) = facts.values.iter().find(|(known, _)| *known == name) {
            return Some(value);
        }
        match (name, asked.whose) {
            ("aws:username" | "aws:userid", Whose::Own) => {}
            ("aws:username" | "aws:userid", Whose::Others) => return None,
            _ => {
                keys.insert(name.into());
            }
        }
        Some("*")
    }
}

/// Returns what is left of what was found where it is denied in each of these cases.
fn rests_on(mut found: Found, hits: impl IntoIterator<Item = BTreeSet<Box<str>>>) -> Vec<Found> {
    for keys in hits {
        if keys.is_empty() {
            return Vec::new();
        }
        found.keys.extend(keys);
    }
    vec![found]
}

/// Returns the keys that conditions rest on, or `None` if they do not hold.
fn holds(
    conditions: &[Condition],
    asked: &Asked<'_>,
    facts: &Facts<'_>,
) -> Option<BTreeSet<Box<str>>> {
    let mut keys = BTreeSet::new();
    for condition in conditions {
        let known = match (&*condition.key, asked.passed_to) {
            ("iam:passedtoservice", Some(service)) => Some(service),
            (key, _) => facts.values.iter().find(|(known, _)| *known == key).map(|(_, it)| *it),
        };
        match known.and_then(|value| is_true(condition, value)) {
            Some(true) => {}
            Some(false) => return None,
            None => {
                keys.insert(condition.key.clone());
            }
        }
    }
    Some(keys)
}

/// Returns whether a condition holds of a value, as far as that can be said here.
fn is_true(condition: &Condition, value: &str) -> Option<bool> {
    if condition.operator.over == Over::All || condition.values.iter().any(|it| it.contains("${")) {
        return None;
    }
    let some = |fits: fn(&str, &str) -> bool| condition.values.iter().any(|it| fits(it, value));
    let same: fn(&str, &str) -> bool = |wanted, value| wanted == value;
    let alike: fn(&str, &str) -> bool = |pattern, value| fits(pattern.as_bytes(), value.as_bytes());
    let in_any_case: fn(&str, &str) -> bool = str::eq_ignore_ascii_case;
    match condition.operator.test {
        Test::StringEquals => Some(some(same)),
        Test::StringNotEquals => Some(!some(same)),
        Test::StringEqualsIgnoreCase => Some(some(in_any_case)),
        Test::StringNotEqualsIgnoreCase => Some(!some(in_any_case)),
        Test::StringLike | Test::ArnLike => Some(some(alike)),
        Test::StringNotLike | Test::ArnNotLike => Some(!some(alike)),
        _ => None,
    }
}

/// Returns what both are about: the narrower of them, or as near to it as one pattern comes.
pub fn narrower(pattern: &str, place: &str) -> Option<Box<str>> {
    match (arn_covers(pattern, place), arn_covers(place, pattern)) {
        (true, _) => Some(place.into()),
        (_, true) => Some(pattern.into()),
        _ => (place != "*" && arn_overlap(pattern, place)).then(|| pattern.into()),
    }
}

/// Returns what all sets are about.
pub fn common<'a>(mut sets: impl Iterator<Item = &'a BTreeSet<Box<str>>>) -> BTreeSet<Box<str>> {
    let mut left = sets.next().cloned().unwrap_or_default();
    for set in sets {
        let pairs = left.iter().flat_map(|one| set.iter().map(move |other| (one, other)));
        left = pairs.filter_map(|(one, other)| narrower(one, other)).collect();
    }
    left
}

/// Returns the numbers of the actions of ways that a statement is about.
fn numbers(statement: &Statement) -> BTreeSet<usize> {
    let fitting = |patterns: &[Box<str>]| -> BTreeSet<usize> {
        patterns.iter().flat_map(|pattern| known().fitting(pattern)).collect()
    };
    match &statement.actions {
        Listed::Only(patterns) => fitting(patterns),
        Listed::AllBut(patterns) => {
            let but = fitting(patterns);
            (0..known().len()).filter(|number| !but.contains(number)).collect()
        }
    }
}
