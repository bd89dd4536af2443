//! Ways from some permissions to more: which are open to whoever has a document, and to each user and role that stands.
//!
//! The ways are data, `escalation/paths.toml`. Of a document alone it is not known who has it, which roles are there and
//! whom they trust: a way is open if nothing that the document says closes it. Of a `State` all of that is asked.
//!
//! Invariant: a way that passes a role needs `iam:PassRole`, on a role, for the service that takes it; a way that rests on
//! a condition says which keys. Read on in `escalation/reach.rs`.

mod candidates;
mod everywhere;
pub mod known;
mod layers;
mod openings;
mod place;
mod reach;
mod targets;

#[cfg(test)]
mod resource_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::Document;
pub use crate::iam::escalation::everywhere::Escalations;
pub use crate::iam::escalation::everywhere::Everywhere;
pub use crate::iam::escalation::everywhere::MAX_TARGETS;
pub use crate::iam::escalation::everywhere::Open;
pub(in crate::iam) use crate::iam::escalation::everywhere::Seat;
pub use crate::iam::escalation::everywhere::Strength;
pub use crate::iam::escalation::everywhere::Target;
use crate::iam::escalation::known::Way;
use crate::iam::escalation::known::known;
use crate::iam::escalation::layers::Layers;
pub(in crate::iam) use crate::iam::escalation::openings::is_about;
use crate::iam::escalation::place::Place;
use crate::iam::escalation::place::Whose;
use crate::iam::escalation::reach::Asked;
use crate::iam::escalation::reach::Found;
use crate::iam::escalation::reach::Sheet;
use crate::iam::escalation::reach::join;
use crate::iam::force::Facts;
use crate::iam::force::earlier;
use crate::model::Seconds;

/// What the ARN of a role looks like.
const ROLES: &str = "arn:*:iam::*:role/*";

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
    /// When it closes by itself, if it is asked as of a time and the policies say so.
    pub until: Option<Seconds>,
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
    let layers = Layers { identity: Sheet::of([document]), limits: Vec::new() };
    let facts = Facts::default();
    let mut passed = Passed::default();
    known().ways.iter().filter_map(|way| open(way, &layers, &facts, &mut passed)).collect()
}

/// Returns those of them that take one of `actions`, by number.
pub(in crate::iam) fn paths_by(document: &Document, actions: &BTreeSet<usize>) -> Vec<Path> {
    if actions.is_empty() {
        return Vec::new();
    }
    let layers = Layers { identity: Sheet::of([document]), limits: Vec::new() };
    let facts = Facts::default();
    let mut passed = Passed::default();
    known().by(actions).filter_map(|way| open(way, &layers, &facts, &mut passed)).collect()
}

/// Returns the names of the ways by one of `actions` of whose needs a document allows each on something: more than are open.
pub(in crate::iam) fn spoken_of(
    document: &Document,
    actions: &BTreeSet<usize>,
) -> Vec<&'static str> {
    let sheet = Sheet::of([document]);
    let is_open = |way: &&Way| way.needs.iter().all(|need| sheet.speaks_of(need.action));
    known().by(actions).filter(is_open).map(|way| &*way.id).collect()
}

/// The roles that may be passed to a service, by its name: many ways pass one to the same.
type Passed = BTreeMap<&'static str, Vec<Found>>;

fn open(
    way: &'static Way,
    layers: &Layers<'_>,
    facts: &Facts<'_>,
    passed: &mut Passed,
) -> Option<Path> {
    if !way.needs.iter().all(|need| layers.identity.speaks_of(need.action)) {
        return None;
    }
    let mut path = Path::new(way);
    for (at, service) in way.passes.iter().enumerate() {
        let found =
            passed.entry(service).or_insert_with(|| passed_to(layers, ROLES, service, facts));
        // Of several services the first is the one whose role is gained.
        path.rest_on(found, (at == 0).then_some("iam:PassRole"))?;
    }
    let found: Vec<Vec<Found>> = way
        .needs
        .iter()
        .map(|need| {
            let (place, whose) = (need.place.pattern(), need.place.whose());
            layers.find(&Asked { action: need.action, place, whose }, facts)
        })
        .collect();
    for need in &way.needs {
        let mut both: Option<Vec<Found>> = None;
        for (other, found) in way.needs.iter().zip(&found) {
            if other.place == need.place {
                both = Some(both.map_or_else(|| found.clone(), |both| join(&both, found)));
            }
        }
        let mut both = both.unwrap_or_default();
        if need.place == Place::StrongRole {
            both.retain(|it| it.resource.contains(['*', '?']));
        }
        path.rest_on(&both, Some(known().spelled(need.action)))?;
    }
    Some(path)
}

/// Returns the roles of a place that may be passed to a service.
fn passed_to(layers: &Layers<'_>, place: &str, service: &str, facts: &Facts<'_>) -> Vec<Found> {
    let asked = Asked { action: known().pass_role, place, whose: Whose::Any };
    layers.find(&asked, &facts.with("iam:passedtoservice", service))
}

impl Path {
    fn new(way: &'static Way) -> Self {
        Self {
            id: &way.id,
            how: &way.how,
            steps: Vec::with_capacity(way.needs.len() + 1),
            conditions: BTreeSet::new(),
            until: None,
        }
    }

    /// Adds a step on what was found: on what is sure, if anything is. `None`: nothing was found.
    fn rest_on(&mut self, found: &[Found], action: Option<&'static str>) -> Option<()> {
        let fewest = found.iter().map(|it| it.keys.is_empty()).max()?;
        let best = || found.iter().filter(|it| it.keys.is_empty() == fewest);
        let until = best().all(|it| it.until.is_some());
        let until = if until { best().filter_map(|it| it.until).max() } else { None };
        self.until = earlier(self.until, until);
        self.conditions.extend(best().flat_map(|it| it.keys.iter().cloned()));
        if let Some(action) = action {
            let resources: BTreeSet<Box<str>> = best().map(|it| it.resource.clone()).collect();
            self.steps.push(Step { action, resources: resources.into_iter().collect() });
        }
        Some(())
    }
}
