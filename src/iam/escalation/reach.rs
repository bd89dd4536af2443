//! What policies allow of one action on things of one sort: which resources, on which conditions, until when.
//!
//! Invariant: nothing is found that a document forbids in any case; what is forbidden or allowed on a condition that is not
//! known is found on that condition.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::iam::Document;
use crate::iam::effort;
use crate::iam::escalation::known::known;
use crate::iam::escalation::place::Whose;
use crate::iam::force;
use crate::iam::force::Facts;
use crate::iam::force::Force;
use crate::iam::force::earlier;
use crate::iam::pattern::arn_covers;
use crate::iam::pattern::arn_overlap;
use crate::iam::policy::Effect;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;
use crate::model::Seconds;

/// What it costs to compare two patterns.
const PAIR: usize = 64;

/// The statements of documents by the actions of ways that they speak of.
#[derive(Default)]
pub struct Sheet<'a> {
    /// Number of the action, and the statement; sorted by the number.
    lines: Vec<(usize, Line<'a>)>,
    /// Whether there is a policy besides that is not known: it may allow anything.
    is_open: bool,
}

#[derive(Clone, Copy)]
struct Line<'a> {
    statement: &'a Statement,
    language: Language,
}

/// What is asked of a sheet.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The action's number.
    pub action: usize,
    /// What the ARN of the resource looks like, or the ARN.
    pub place: &'a str,
    /// Whose it is.
    pub whose: Whose,
}

/// Resources that are allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The resources, as a pattern.
    pub resource: Box<str>,
    /// The keys that it rests on.
    pub keys: BTreeSet<Box<str>>,
    /// When it ends, if it does.
    pub until: Option<Seconds>,
}

impl<'a> Sheet<'a> {
    /// Reads `documents`.
    pub fn of(documents: impl IntoIterator<Item = &'a Document>) -> Self {
        Self::of_those(documents, |_| true)
    }

    /// Reads the statements of `documents` that are meant.
    pub fn of_those(
        documents: impl IntoIterator<Item = &'a Document>,
        is_meant: impl Fn(&Statement) -> bool,
    ) -> Self {
        let mut lines = Vec::new();
        for document in documents {
            for statement in document.statements.iter().filter(|it| is_meant(it)) {
                let line = Line { statement, language: document.language };
                lines.extend(numbers(statement).into_iter().map(|number| (number, line)));
            }
        }
        lines.sort_by_key(|(number, _)| *number);
        Self { lines, is_open: false }
    }

    /// Adds that there is a policy that is not known.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    fn about(&self, action: usize) -> &[(usize, Line<'a>)] {
        let from = self.lines.partition_point(|(number, _)| *number < action);
        let to = self.lines.partition_point(|(number, _)| *number <= action);
        self.lines.get(from..to).unwrap_or_default()
    }

    /// Returns whether a statement allows `action` on anything at all.
    pub fn speaks_of(&self, action: usize) -> bool {
        self.is_open || self.about(action).iter().any(|(_, line)| line.allows())
    }

    /// Returns whether a statement denies `action` of anything.
    pub fn denies(&self, action: usize) -> bool {
        self.about(action).iter().any(|(_, line)| !line.allows())
    }

    /// Returns what is allowed.
    pub fn find(&self, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let mut found = Vec::new();
        if self.is_open {
            found.push(Found { resource: asked.place.into(), keys: BTreeSet::new(), until: None });
        }
        for (_, line) in self.about(asked.action).iter().filter(|(_, line)| line.allows()) {
            let Some(force) = force::of(&line.statement.conditions, facts) else { continue };
            if !is_now(&force, facts) {
                continue;
            }
            for mut one in line.resources(asked, facts) {
                one.keys.extend(force.keys.iter().cloned());
                one.until = force.until;
                found.push(one);
            }
        }
        thin(self.less(found, asked, facts))
    }

    /// Returns what the denying statements leave. Those that deny all but something come first: what they leave is smaller, and
    /// another may deny the whole of it.
    pub fn less(&self, found: Vec<Found>, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let mut found = self.confine(found, asked, facts);
        for line in self.denying(asked.action).filter(|line| !line.confines()) {
            found = found.into_iter().flat_map(|it| line.leaves(it, asked, facts)).collect();
        }
        found
    }

    /// Returns what the statements leave that deny all but something.
    pub fn confine(
        &self,
        mut found: Vec<Found>,
        asked: &Asked<'_>,
        facts: &Facts<'_>,
    ) -> Vec<Found> {
        for line in self.denying(asked.action).filter(|line| line.confines()) {
            found = found.into_iter().flat_map(|it| line.leaves(it, asked, facts)).collect();
        }
        found
    }

    fn denying(&self, action: usize) -> impl Iterator<Item = &Line<'a>> {
        self.about(action).iter().map(|(_, line)| line).filter(|line| !line.allows())
    }
}

fn is_now(force: &Force, facts: &Facts<'_>) -> bool {
    facts.now.is_none_or(|now| {
        force.from.is_none_or(|from| from <= now) && force.until.is_none_or(|until| now < until)
    })
}

impl Line<'_> {
    fn allows(&self) -> bool {
        self.statement.effect == Effect::Allow
    }

    fn confines(&self) -> bool {
        matches!(self.statement.resources, Some(Listed::AllBut(_)))
    }

    /// Returns what of the place an allowing statement is about.
    fn resources(&self, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let new = |resource: Box<str>, keys| Found { resource, keys, until: None };
        match &self.statement.resources {
            None => vec![new(asked.place.into(), BTreeSet::new())],
            Some(Listed::Only(patterns)) => {
                let filled = patterns.iter().filter_map(|it| self.filled(it, asked, facts));
                filled
                    .filter_map(|(pattern, keys)| Some(new(narrower(&pattern, asked.place)?, keys)))
                    .collect()
            }
            Some(Listed::AllBut(patterns)) => {
                let mut found = new(asked.place.into(), BTreeSet::new());
                for (pattern, keys) in
                    patterns.iter().filter_map(|it| self.filled(it, asked, facts))
                {
                    if !arn_covers(&pattern, asked.place) {
                        continue;
                    }
                    if keys.is_empty() {
                        return Vec::new();
                    }
                    found.keys.extend(keys);
                }
                vec![found]
            }
        }
    }

    /// Returns what a denying statement leaves of what was found.
    fn leaves(&self, found: Found, asked: &Asked<'_>, facts: &Facts<'_>) -> Vec<Found> {
        let Some(force) = force::of(&self.statement.conditions, facts) else { return vec![found] };
        if let Some(now) = facts.now {
            if force.until.is_some_and(|until| until <= now) {
                return vec![found];
            }
            if let Some(from) = force.from.filter(|from| now < *from) {
                // It denies later: until then what was found stands, and on a condition after that.
                let until = if force.keys.is_empty() { Some(from) } else { None };
                return vec![Found { until: earlier(found.until, until), ..found }];
            }
        }
        let filled = |patterns| self.all_filled(patterns, asked, facts);
        match &self.statement.resources {
            None => rests_on(found, [force.keys]),
            Some(Listed::Only(patterns)) => {
                let hits = filled(patterns)
                    .into_iter()
                    .filter(|(pattern, _)| arn_covers(pattern, &found.resource));
                let hits: Vec<_> = hits.map(|(_, keys)| &keys | &force.keys).collect();
                rests_on(found, hits)
            }
            Some(Listed::AllBut(patterns)) => spared(found, &filled(patterns), &force),
        }
    }

    fn all_filled<'p>(
        &self,
        patterns: &'p [Box<str>],
        asked: &Asked<'_>,
        facts: &Facts<'_>,
    ) -> Vec<(Cow<'p, str>, BTreeSet<Box<str>>)> {
        patterns.iter().filter_map(|it| self.filled(it, asked, facts)).collect()
    }

    /// Returns a resource pattern with its variables replaced, and the keys of those that are not known. `None`: it cannot
    /// be about the thing that is asked for.
    fn filled<'p>(
        &self,
        pattern: &'p str,
        asked: &Asked<'_>,
        facts: &Facts<'_>,
    ) -> Option<(Cow<'p, str>, BTreeSet<Box<str>>)> {
        if !pattern.contains("${") {
            return Some((Cow::Borrowed(pattern), BTreeSet::new()));
        }
        let (mut text, mut keys) = (String::with_capacity(pattern.len()), BTreeSet::new());
        if self.language == Language::Of2008 {
            // There, a variable is plain text, and no name has such letters.
            return None;
        }
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((variable, after)) = after.split_once('}') else { break };
            text.push_str(before);
            rest = after;
            if matches!(variable, "*" | "?" | "$") {
                text.push_str(variable);
                continue;
            }
            let name = variable.split(',').next().unwrap_or_default().trim();
            text.push_str(value(&name.to_ascii_lowercase(), asked, facts, &mut keys)?);
        }
        text.push_str(rest);
        Some((Cow::Owned(text), keys))
    }
}

fn value<'f>(
    name: &str,
    asked: &Asked<'_>,
    facts: &Facts<'f>,
    keys: &mut BTreeSet<Box<str>>,
) -> Option<&'f str> {
    if let Some(value) = facts.value(name) {
        return Some(value);
    }
    if name == "aws:username" && facts.value("aws:principaltype") == Some("AssumedRole") {
        // A session has none.
        return None;
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

/// Returns what is left of what was found where all is denied but these.
fn spared(found: Found, but: &[(Cow<'_, str>, BTreeSet<Box<str>>)], force: &Force) -> Vec<Found> {
    if let Some((_, keys)) = but.iter().find(|(pattern, _)| arn_covers(pattern, &found.resource)) {
        return match keys.is_empty() {
            true => vec![found],
            false => rests_on(found, [keys | &force.keys]),
        };
    }
    if !force.keys.is_empty() {
        return rests_on(found, [force.keys.clone()]);
    }
    let parts = but.iter().filter_map(|(pattern, keys)| {
        let resource = narrower(pattern, &found.resource)?;
        Some(Found { resource, keys: &found.keys | keys, until: found.until })
    });
    parts.collect()
}

/// Returns the numbers of the actions of ways that a statement is about, each once.
fn numbers(statement: &Statement) -> Vec<usize> {
    let fitting = |patterns: &[Box<str>]| -> Vec<usize> {
        let all = patterns.iter().flat_map(|pattern| known().fitting(pattern));
        let mut all: Vec<usize> = all.collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    match &statement.actions {
        Listed::Only(patterns) => fitting(patterns),
        Listed::AllBut(patterns) => {
            let but = fitting(patterns);
            (0..known().count()).filter(|number| but.binary_search(number).is_err()).collect()
        }
    }
}

/// Returns what both are about: the narrower of them, or as near to it as one pattern comes.
fn narrower(pattern: &str, place: &str) -> Option<Box<str>> {
    if arn_covers(pattern, place) {
        return Some(place.into());
    }
    // The action's request names no resource.
    let is_about = place != "*" && (arn_covers(place, pattern) || arn_overlap(pattern, place));
    is_about.then(|| pattern.into())
}

/// Returns what both lists are about; where that takes too long to say, what the first is, which is more.
pub fn join(some: &[Found], others: &[Found]) -> Vec<Found> {
    let pairs = some.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
    let both = pairs.filter_map(|(one, other)| {
        if !effort::spend(PAIR) {
            return None;
        }
        Some(Found {
            resource: narrower(&one.resource, &other.resource)?,
            keys: &one.keys | &other.keys,
            until: earlier(one.until, other.until),
        })
    });
    let both = both.collect();
    if effort::is_spent() { some.to_vec() } else { thin(both) }
}

/// Leaves out what another says as well, on no more conditions and for as long.
pub fn thin(mut found: Vec<Found>) -> Vec<Found> {
    if found.len() < 2 || effort::is_spent() {
        return found;
    }
    found.sort_by(|a, b| (a.keys.len(), &a.resource).cmp(&(b.keys.len(), &b.resource)));
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    for one in found {
        let is_said = kept.iter().any(|it| {
            let is_as_long = it.until.is_none_or(|end| one.until.is_some_and(|other| other <= end));
            is_as_long
                && it.keys.is_subset(&one.keys)
                && effort::spend(PAIR)
                && arn_covers(&it.resource, &one.resource)
        });
        if !is_said {
            kept.push(one);
        }
    }
    kept
}
