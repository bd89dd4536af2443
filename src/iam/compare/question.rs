//! One comparison: exactly, and if that takes too long, as much as can be said in any case.
//!
//! Invariant: what is told coarsely holds all that would be told exactly, and all that it would mean.

use std::collections::BTreeSet;

use crate::iam::compare::Access;
use crate::iam::compare::Around;
use crate::iam::compare::Class;
use crate::iam::compare::Drift;
use crate::iam::compare::classes;
use crate::iam::compare::classes::Growth;
use crate::iam::compare::classes::Side;
use crate::iam::compare::clause::Asks;
use crate::iam::compare::region::Compiled;
use crate::iam::compare::region::Region;
use crate::iam::compare::region::Work;
use crate::iam::compare::tidy::tidied;
use crate::iam::effort;
use crate::iam::escalation;
use crate::iam::escalation::known::known;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;

/// How much may be looked at to say exactly what differs. What people write takes a tenth of it at most.
const MAX_EXACT: u64 = 20_000_000;
/// How much may be looked at to say what a difference means that was not told exactly.
pub(super) const MAX_COARSE: u64 = 5_000_000;

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) before: &'a Document,
    pub(super) after: &'a Document,
    pub(super) kind: Kind,
    pub(super) around: &'a Around<'a>,
}

/// What differs, in pieces.
struct Pieces {
    adds: Vec<Region>,
    /// Of `adds`, what a Deny held back.
    freed: Vec<Region>,
    removes: Vec<Region>,
    lifts: Vec<Region>,
    denies: Vec<Region>,
}

impl Pieces {
    fn growth<'p>(&'p self, gone: &'p [Region]) -> Growth<'p> {
        Growth { adds: &self.adds, freed: &self.freed, gone, lifts: &self.lifts }
    }
}

impl Question<'_> {
    /// Returns how the documents differ in effect.
    pub(super) fn answered(&self) -> Drift {
        effort::within(MAX_EXACT, || self.exactly()).unwrap_or_else(|| self.coarsely(MAX_COARSE))
    }

    fn exactly(&self) -> Drift {
        let mut work = Work::new(Asks::from(self.around.now));
        let (old, new) = work.compile(self.before, self.after, self.kind);
        if [&old, &new].iter().all(|it| it.has_nothing_own()) {
            return Drift::default();
        }
        let (had, has) = (net(&mut work, &old, &new), net(&mut work, &new, &old));
        let (adds, freed) = gained(&mut work, &has, &old, &new);
        let (removes, barred) = gained(&mut work, &had, &new, &old);
        let adds = [adds, freed.clone()].concat();
        let removes = [removes, barred].concat();
        let lifts = lifted(&mut work, &old, &new, &adds);
        let denies = lifted(&mut work, &new, &old, &removes);
        let pieces = Pieces { adds, freed, removes, lifts, denies };
        let before = Side { allows: &old.allows, net: &had.concat() };
        let after = Side { allows: &new.allows, net: &has.concat() };
        let growth = pieces.growth(old.own_denies());
        let classes = classes::classes(&before, &after, &growth, self.kind, self.around);
        let escalations = match self.kind {
            Kind::Identity => self.opened(&classes::leading_to_more(&pieces.adds)),
            _ => Vec::new(),
        };
        told(pieces, (classes, escalations), &work, self.kind)
    }

    /// Says what it may be, where what it is takes too long to say: whatever an Allow of the one allows that the other has not,
    /// or any Allow where a Deny is gone, as it is written.
    pub(super) fn coarsely(&self, effort: u64) -> Drift {
        let mut work = Work::new(Asks::from(self.around.now));
        let compile = || work.compile(self.before, self.after, self.kind);
        let (old, new) = effort::at_most(effort, compile);
        work.is_coarse = true;
        let pieces = Pieces {
            adds: filled(new.may_be_more_than(&old)),
            freed: Vec::new(),
            removes: filled(old.may_be_more_than(&new)),
            lifts: filled(old.own_denies()),
            denies: filled(new.own_denies()),
        };
        // What was allowed before, once what was denied is taken off, is not known: nothing is taken to have been.
        let before = Side { allows: &old.allows, net: &[] };
        let after = Side { allows: &new.allows, net: &pieces.adds };
        let growth = pieces.growth(old.own_denies());
        let told_apart = effort::within(effort, || {
            classes::classes(&before, &after, &growth, self.kind, self.around)
        });
        let mut classes = Class::all_of(self.kind);
        if pieces.adds.is_empty() && pieces.lifts.is_empty() {
            classes.clear();
        }
        // The others depend on what exactly differs.
        let is_told = |class: &Class| {
            matches!(
                class,
                Class::Admin
                    | Class::BoundaryRemoved
                    | Class::DataReadWidened
                    | Class::GuardrailWeakened
                    | Class::Public
                    | Class::TimeBoundRemoved
            )
        };
        if let Some(told) = told_apart {
            classes.retain(|class| !is_told(class) || told.contains(class));
        }
        let ways = effort::within(effort, || classes::leading_to_more(&pieces.adds));
        let ways = ways.unwrap_or_else(|| (0..known().count()).collect());
        let escalations = match self.kind {
            Kind::Identity => self.maybe_opened(&ways, effort),
            _ => Vec::new(),
        };
        effort::at_most(effort, || told(pieces, (classes, escalations), &work, self.kind))
    }

    /// Returns the ways that are open by one of `actions` and were not; if that takes too long to say, those that may be open.
    fn maybe_opened(&self, actions: &BTreeSet<usize>, effort: u64) -> Vec<Box<str>> {
        let exact = effort::within(effort, || self.opened(actions));
        let spoken = || escalation::spoken_of(self.after, actions);
        exact.unwrap_or_else(|| spoken().into_iter().map(Box::from).collect())
    }

    /// Returns the ways to more that are open and were not, or that rested on more conditions: each takes one of `actions`,
    /// which became possible.
    fn opened(&self, actions: &BTreeSet<usize>) -> Vec<Box<str>> {
        let now = escalation::paths_by(self.after, actions);
        if now.is_empty() {
            return Vec::new();
        }
        let then = escalation::paths_by(self.before, actions);
        let was_open = |path: &escalation::Path| {
            then.iter().any(|old| old.id == path.id && old.conditions.is_subset(&path.conditions))
        };
        now.iter().filter(|path| !was_open(path)).map(|path| path.id.into()).collect()
    }
}

/// Returns those in which something may be.
fn filled(regions: &[Region]) -> Vec<Region> {
    regions.iter().filter(|it| !it.is_empty()).cloned().collect()
}

/// Puts together what is told.
fn told(
    pieces: Pieces,
    (mut classes, escalations): (BTreeSet<Class>, Vec<Box<str>>),
    work: &Work,
    kind: Kind,
) -> Drift {
    if !escalations.is_empty() {
        classes.insert(Class::Escalation);
    }
    let lines = |regions: Vec<Region>| -> Vec<Access> {
        tidied(regions).iter().map(|it| Access::of(it, &work.variables, kind)).collect()
    };
    Drift {
        adds: lines(pieces.adds),
        removes: lines(pieces.removes),
        lifts: lines(pieces.lifts),
        denies: lines(pieces.denies),
        classes,
        escalations,
        is_coarse: work.is_coarse,
    }
}

/// Returns what each Allow of a document allows; nothing for those of which that does not matter, as the other document has
/// the same Allow, and nothing that it denies besides.
fn net(work: &mut Work, document: &Compiled, other: &Compiled) -> Vec<Vec<Region>> {
    let mut all = Vec::with_capacity(document.allows.len());
    for (at, allow) in document.allows.iter().enumerate() {
        let matters = at < document.own_allows
            || other.own_denies().iter().any(|deny| deny.overlaps(allow))
            || classes::may_be_all(allow);
        let live = work.settled(allow.clone()).filter(|_| matters);
        all.push(work.minus(Vec::from_iter(live), &document.denies));
    }
    all
}

/// Returns what of `has` was not allowed before: what nothing allowed, and what was denied besides.
fn gained(
    work: &mut Work,
    has: &[Vec<Region>],
    before: &Compiled,
    after: &Compiled,
) -> (Vec<Region>, Vec<Region>) {
    // Of a statement that stood before nothing is new, save what was denied.
    let new = has.iter().take(after.own_allows).flatten().cloned().collect();
    let fresh = work.minus(new, &before.allows);
    let mut freed: Vec<Region> = Vec::new();
    for deny in before.own_denies() {
        let held: Vec<Region> = has.iter().flatten().filter_map(|it| work.both(it, deny)).collect();
        let held = work.minus(held, &fresh);
        let held = work.minus(held, &freed);
        freed.extend(held);
    }
    (fresh, freed)
}

/// Returns what `before` denied and `after` does not, apart from what is told already.
fn lifted(work: &mut Work, before: &Compiled, after: &Compiled, told: &[Region]) -> Vec<Region> {
    let gone = before.own_denies().iter();
    let gone = gone.filter_map(|deny| work.settled(deny.clone())).collect();
    let left = work.minus(gone, &after.denies);
    work.minus(left, told)
}
