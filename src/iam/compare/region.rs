//! Products of who, what and on what under conditions, and what is left of one when another is taken off.
//!
//! Invariant: pieces of a difference have nothing in common, so that many subtractions make few pieces.

use std::sync::Arc;

use crate::iam::compare::clause::Asks;
use crate::iam::compare::clause::Clause;
use crate::iam::compare::clause::is_impossible;
use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::Sort;
use crate::iam::compare::glob::Variables;
use crate::iam::compare::set::Atom;
use crate::iam::compare::set::Set;
use crate::iam::compare::set::Term;
use crate::iam::compare::who::Who;
use crate::iam::compare::who::named;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Kind;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;

/// How many pieces a comparison may come to.
const MAX_REGIONS: usize = 2_000;
/// How many conditions, each of several of which one has to fail, are tried out together.
const MAX_BRANCHES: usize = 64;

/// Some requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) who: Set<Who>,
    pub(super) actions: Set<Term>,
    pub(super) resources: Set<Term>,
    pub(super) terms: Terms,
}

/// Conditions: all of some hold, and of each of some lists one does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Terms {
    pub(super) must: Vec<Arc<Clause>>,
    pub(super) unless: Vec<Vec<Arc<Clause>>>,
}

/// A document as products.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) allows: Vec<Region>,
    pub(super) denies: Vec<Region>,
}

/// What is needed to compare.
pub(super) struct Work {
    pub(super) variables: Variables,
    /// What is so of every request.
    always: Asks,
    /// Whether pieces were left as they are, because there were too many.
    pub(super) is_coarse: bool,
}

impl Work {
    pub(super) fn new(always: Asks) -> Self {
        Self { variables: Variables::default(), always, is_coarse: false }
    }

    /// Reads a document.
    pub(super) fn compile(&mut self, document: &Document, kind: Kind) -> Compiled {
        let mut compiled = Compiled { allows: Vec::new(), denies: Vec::new() };
        for statement in &document.statements {
            let region = self.region(statement, document.language);
            match statement.effect {
                Effect::Allow => compiled.allows.push(region),
                Effect::Deny => compiled.denies.push(region),
            }
        }
        let is_list = matches!(kind, Kind::ServiceControl | Kind::ResourceControl);
        if is_list && compiled.allows.is_empty() {
            compiled.allows.push(self.region(&Statement::everything(), document.language));
        }
        compiled
    }

    fn region(&mut self, statement: &Statement, language: Language) -> Region {
        let conditions = statement.conditions.iter();
        let variables = &mut self.variables;
        let must = conditions.map(|it| Clause::of(it, language, variables)).collect();
        let is_new = language == Language::Of2012;
        let mut terms = |list: &[Box<str>], sort: Sort| -> Vec<Term> {
            let read = |text: &Box<str>| {
                let variables = (is_new && sort == Sort::Arn).then_some(&mut *variables);
                Term::of(Glob::read(text, sort, variables))
            };
            list.iter().map(read).collect()
        };
        let mut set = |listed: &Listed<Box<str>>, sort: Sort| match listed {
            Listed::Only(list) => Set::new(terms(list, sort), Vec::new()),
            Listed::AllBut(list) => Set::new(terms(&["*".into()], sort), terms(list, sort)),
        };
        let every = Listed::Only(vec!["*".into()]);
        Region {
            who: named(statement.effect, statement.principals.as_ref()),
            actions: set(&statement.actions, Sort::Action),
            resources: set(statement.resources.as_ref().unwrap_or(&every), Sort::Arn),
            terms: Terms { must, unless: Vec::new() },
        }
    }

    /// Returns the region if it may hold a request, with its conditions in their smallest form.
    pub(super) fn settled(&self, region: Region) -> Option<Region> {
        let is_empty =
            region.who.is_empty() || region.actions.is_empty() || region.resources.is_empty();
        if is_empty {
            return None;
        }
        if region.terms.must.is_empty() && region.terms.unless.is_empty() {
            return Some(region);
        }
        let terms = region.terms.settled(&self.always)?;
        Some(Region { terms, ..region })
    }

    /// Returns what is in both, if anything may be.
    pub(super) fn both(&self, one: &Region, other: &Region) -> Option<Region> {
        if !one.overlaps(other) {
            return None;
        }
        let mut terms = one.terms.clone();
        for clause in &other.terms.must {
            if !terms.must.contains(clause) {
                terms.must.push(clause.clone());
            }
        }
        terms.unless.extend(other.terms.unless.iter().cloned());
        self.settled(Region {
            who: one.who.and(&other.who),
            actions: one.actions.and(&other.actions),
            resources: one.resources.and(&other.resources),
            terms,
        })
    }

    /// Returns what is in `regions` and in none of `off`.
    pub(super) fn minus(&mut self, regions: Vec<Region>, off: &[Region]) -> Vec<Region> {
        let mut left = regions;
        for region in off {
            if left.is_empty() {
                break;
            }
            if left.len() > MAX_REGIONS {
                self.is_coarse = true;
                break;
            }
            let mut next = Vec::with_capacity(left.len());
            for piece in left {
                self.take_off(piece, region, &mut next);
            }
            left = next;
        }
        left
    }

    /// Takes one product off another.
    fn take_off(&self, from: Region, off: &Region, left: &mut Vec<Region>) {
        if !from.overlaps(off) {
            left.push(from);
            return;
        }
        let shared = Terms {
            must: from.terms.must.iter().chain(&off.terms.must).cloned().collect(),
            unless: from.terms.unless.clone(),
        };
        if !off.terms.must.is_empty() && shared.settled(&self.always).is_none() {
            left.push(from);
            return;
        }
        for actions in from.actions.minus(&off.actions) {
            left.push(Region { actions, ..from.clone() });
        }
        let actions = from.actions.and(&off.actions);
        if actions.is_empty() {
            return;
        }
        let from = Region { actions, ..from };
        for resources in from.resources.minus(&off.resources) {
            left.push(Region { resources, ..from.clone() });
        }
        let resources = from.resources.and(&off.resources);
        if resources.is_empty() {
            return;
        }
        let from = Region { resources, ..from };
        for who in from.who.minus(&off.who) {
            left.push(Region { who, ..from.clone() });
        }
        let who = from.who.and(&off.who);
        if who.is_empty() || off.terms.must.is_empty() {
            return;
        }
        let mut terms = from.terms.clone();
        terms.unless.push(off.terms.must.clone());
        left.extend(self.settled(Region { who, terms, ..from }));
    }
}

impl Statement {
    /// Returns the statement that allows everything.
    pub(super) fn everything() -> Self {
        let every = Listed::Only(vec!["*".into()]);
        Self {
            sid: None,
            effect: Effect::Allow,
            principals: None,
            actions: every.clone(),
            resources: Some(every),
            conditions: Vec::new(),
        }
    }
}

impl Region {
    /// Returns whether something may be in both, conditions aside.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.actions.overlaps(&other.actions)
            && self.resources.overlaps(&other.resources)
            && self.who.overlaps(&other.who)
    }

    /// Returns whether surely all of `narrow` is in it.
    fn covers(&self, narrow: &Self) -> bool {
        let is_asked_less = self.terms.must.iter().all(|it| narrow.terms.must.contains(it))
            && self.terms.unless.iter().all(|it| narrow.terms.unless.contains(it));
        is_asked_less
            && self.actions.covers(&narrow.actions)
            && self.resources.covers(&narrow.resources)
            && self.who.covers(&narrow.who)
    }
}

impl Terms {
    /// Returns the smallest form; `None` if surely no request fulfils it.
    fn settled(&self, always: &Asks) -> Option<Self> {
        let mut must: Vec<Arc<Clause>> = Vec::with_capacity(self.must.len());
        for clause in &self.must {
            if !must.contains(clause) {
                must.push(clause.clone());
            }
        }
        let mut facts: Vec<Asks> = vec![always.clone()];
        facts.extend(must.iter().filter_map(|clause| clause.asks.clone()));
        if contradicts(&facts) {
            return None;
        }
        let mut unless = self.unless.clone();
        let mut units: Vec<Arc<Clause>> = Vec::new();
        while let Some(at) = reduce(&mut unless, &must, &units, &facts)? {
            let unit = unless.remove(at).remove(0);
            if let Some(asks) = &unit.asks {
                facts.push(asks.not());
                if contradicts(&facts) {
                    return None;
                }
            }
            units.push(unit);
        }
        let mut budget = MAX_BRANCHES;
        if unless.len() > 1 && is_dead(&unless, &facts, &mut budget) {
            return None;
        }
        unless.sort_by(|a, b| sources(a).cmp(&sources(b)));
        unless.dedup();
        let (must, units) = needed(must, units, always);
        let mut all: Vec<Vec<Arc<Clause>>> = units.into_iter().map(|unit| vec![unit]).collect();
        all.extend(unless);
        Some(Self { must, unless: all })
    }
}

fn sources(list: &[Arc<Clause>]) -> Vec<&crate::iam::policy::Condition> {
    list.iter().map(|clause| &clause.source).collect()
}

/// Returns whether facts about one key exclude each other.
fn contradicts(facts: &[Asks]) -> bool {
    let is_first = |at: usize| !facts[..at].iter().any(|fact| fact.key == facts[at].key);
    (0..facts.len()).filter(|at| is_first(*at)).any(|at| {
        let same: Vec<&Asks> = facts.iter().filter(|fact| fact.key == facts[at].key).collect();
        same.len() > 1 && is_impossible(&same)
    })
}

/// Returns whether `facts` make this impossible.
fn excludes(facts: &[Asks], asks: &Asks) -> bool {
    let mut same: Vec<&Asks> = facts.iter().filter(|fact| fact.key == asks.key).collect();
    same.push(asks);
    is_impossible(&same)
}

/// Takes off what is known already; `Some(None)` at the end, `Some(Some(at))` for a list of one, `None` if one is empty.
fn reduce(
    unless: &mut Vec<Vec<Arc<Clause>>>,
    must: &[Arc<Clause>],
    units: &[Arc<Clause>],
    facts: &[Asks],
) -> Option<Option<usize>> {
    let fails = |clause: &Arc<Clause>| {
        units.contains(clause) || clause.asks.as_ref().is_some_and(|asks| excludes(facts, asks))
    };
    let holds = |clause: &Arc<Clause>| {
        must.contains(clause)
            || clause.asks.as_ref().is_some_and(|asks| excludes(facts, &asks.not()))
    };
    unless.retain(|list| !list.iter().any(fails));
    for list in unless.iter_mut() {
        list.retain(|clause| !holds(clause));
        if list.is_empty() {
            return None;
        }
    }
    Some(unless.iter().position(|list| list.len() == 1))
}

/// Tries every way to fail one of each list.
fn is_dead(unless: &[Vec<Arc<Clause>>], facts: &[Asks], budget: &mut usize) -> bool {
    let Some((first, rest)) = unless.split_first() else { return false };
    first.iter().all(|clause| {
        *budget = budget.saturating_sub(1);
        let Some(asks) = clause.asks.as_ref().filter(|_| *budget > 0) else { return false };
        let mut more = facts.to_vec();
        more.push(asks.not());
        contradicts(&more) || is_dead(rest, &more, budget)
    })
}

/// Leaves out conditions that follow from the others.
fn needed(
    must: Vec<Arc<Clause>>,
    units: Vec<Arc<Clause>>,
    always: &Asks,
) -> (Vec<Arc<Clause>>, Vec<Arc<Clause>>) {
    let mut all: Vec<(Arc<Clause>, bool)> = must.into_iter().map(|it| (it, true)).collect();
    all.extend(units.into_iter().map(|it| (it, false)));
    let mut at = all.len();
    while at > 0 {
        at -= 1;
        let fact = |(clause, holds): &(Arc<Clause>, bool)| {
            clause.asks.as_ref().map(|asks| if *holds { asks.clone() } else { asks.not() })
        };
        let Some(own) = all.get(at).and_then(fact) else { continue };
        let others = all.iter().enumerate().filter(|(other, _)| *other != at);
        let others = others.filter_map(|(_, other)| fact(other)).filter(|it| it.key == own.key);
        let mut facts: Vec<Asks> = others.collect();
        if always.key == own.key {
            facts.push(always.clone());
        }
        if excludes(&facts, &own.not()) {
            all.remove(at);
        }
    }
    let (must, units): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, holds)| *holds);
    let bare = |list: Vec<(Arc<Clause>, bool)>| list.into_iter().map(|(it, _)| it).collect();
    (bare(must), bare(units))
}

/// Joins pieces where that makes fewer of them.
pub(super) fn tidied(regions: Vec<Region>) -> Vec<Region> {
    let mut left = regions;
    if left.len() > 200 {
        return left;
    }
    let mut at = 0;
    while at < left.len() {
        let joined = (0..left.len()).filter(|other| *other != at).find_map(|other| {
            let whole = joined(&left[at], &left[other])?;
            Some((other, whole))
        });
        match joined {
            Some((other, whole)) => {
                let (low, high) = (at.min(other), at.max(other));
                left[low] = whole;
                left.remove(high);
                at = 0;
            }
            None => at += 1,
        }
    }
    left
}

/// Returns two pieces as one, if they are one product together.
fn joined(one: &Region, other: &Region) -> Option<Region> {
    if one.covers(other) {
        return Some(one.clone());
    }
    if one.terms != other.terms {
        return None;
    }
    let same =
        [one.who == other.who, one.actions == other.actions, one.resources == other.resources];
    match same {
        [true, true, false] => {
            let resources = union(&one.resources, &other.resources)?;
            Some(Region { resources, ..one.clone() })
        }
        [true, false, true] => {
            let actions = union(&one.actions, &other.actions)?;
            Some(Region { actions, ..one.clone() })
        }
        [false, true, true] => {
            let who = union(&one.who, &other.who)?;
            Some(Region { who, ..one.clone() })
        }
        _ => None,
    }
}

/// Returns two sets as one, if that can be written.
fn union<A: Atom>(one: &Set<A>, other: &Set<A>) -> Option<Set<A>> {
    // What one excludes, the other must not have.
    let is_apart = |set: &Set<A>, other: &Set<A>| {
        set.none
            .iter()
            .all(|out| other.none.contains(out) || !other.any.iter().any(|atom| atom.overlaps(out)))
    };
    if !is_apart(one, other) || !is_apart(other, one) {
        return None;
    }
    let any = one.any.iter().chain(&*other.any).cloned().collect();
    let none = one.none.iter().chain(&*other.none).cloned().collect();
    Some(Set::new(any, none))
}
