//! Ways from some permissions to more: which are open to whoever has a document, and to each user and role that stands.
//!
//! The ways are data, `escalation/paths.toml`. Of a document alone it is not known who has it, which roles are there and
//! whom they trust: a way is open if nothing that the document says closes it. Of a `State` all of that is asked.
//!
//! Invariant: a way that passes a role needs `iam:PassRole`, on a role, for the service that takes it; a way that rests on
//! a condition says which keys. Read on in `escalation/reach.rs`.

pub mod known;
mod place;
mod reach;

use std::collections::BTreeSet;

use crate::iam::Document;
use crate::iam::escalation::known::Need;
use crate::iam::escalation::known::Way;
use crate::iam::escalation::known::known;
use crate::iam::escalation::place::Place;
use crate::iam::escalation::place::Whose;
use crate::iam::escalation::reach::Asked;
use crate::iam::escalation::reach::Facts;
use crate::iam::escalation::reach::Reach;
use crate::iam::escalation::reach::Sheet;

/// A way to more that is open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// Its name in `paths.toml`: `lambda_create_invoke`.
    pub id: &'static str,
    /// What its taker does.
    pub how: &'static str,
    /// What it takes, in the order in which it is done.
    pub steps: Vec<Step>,
    /// The keys of the conditions that it rests on; empty: it is open in any case.
    pub conditions: BTreeSet<Box<str>>,
}

/// One permission that a way takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The action as AWS spells it.
    pub action: &'static str,
    /// The resources on which the policies allow it, as patterns.
    pub resources: Vec<Box<str>>,
}

/// Returns every way to more that a policy of identities opens to whoever has it and nothing else.
///
/// `sts:AssumeRole` on roles that are named one by one is no way by itself: what those roles may do is not known here.
pub fn paths_of(document: &Document) -> Vec<Path> {
    let sheet = Sheet::of([document]);
    let facts = Facts::default();
    known().ways.iter().filter_map(|way| open(way, &sheet, &facts)).collect()
}

fn open(way: &'static Way, sheet: &Sheet<'_>, facts: &Facts<'_>) -> Option<Path> {
    if !way.needs.iter().all(|need| sheet.speaks_of(need.action)) {
        return None;
    }
    let mut path =
        Path { id: &way.id, how: &way.how, steps: Vec::new(), conditions: BTreeSet::new() };
    let mut passed: Option<BTreeSet<Box<str>>> = None;
    for service in &way.passes {
        let asked = Asked {
            action: known().pass_role,
            place: "arn:*:iam::*:role/*",
            whose: Whose::Any,
            passed_to: Some(service),
        };
        let reach = sheet.reach(&asked, facts)?;
        path.conditions.extend(reach.conditions);
        // Of several services the first is the one whose role is gained.
        passed.get_or_insert(reach.resources);
    }
    if let Some(roles) = passed {
        path.steps.push(Step { action: "iam:PassRole", resources: roles.into_iter().collect() });
    }
    let mut reached: Vec<(&Need, Reach)> = Vec::with_capacity(way.needs.len());
    for need in &way.needs {
        let asked = Asked {
            action: need.action,
            place: need.place.pattern(),
            whose: need.place.whose(),
            passed_to: None,
        };
        let reach = sheet.reach(&asked, facts)?;
        if need.place == Place::StrongRole && !reach.resources.iter().any(|it| it.contains('*')) {
            return None;
        }
        reached.push((need, reach));
    }
    for (need, reach) in &reached {
        let others = reached.iter().filter(|(other, _)| other.place == need.place);
        let resources = reach::common(others.map(|(_, reach)| &reach.resources));
        if resources.is_empty() {
            return None;
        }
        let action = known().spelled(need.action);
        path.steps.push(Step { action, resources: resources.into_iter().collect() });
        path.conditions.extend(reach.conditions.iter().cloned());
    }
    Some(path)
}
