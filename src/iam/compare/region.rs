//! Products of who, what and on what under conditions, and what is left of one when another is taken off.
//!
//! Invariant: pieces of a difference have nothing in common, so that many subtractions make few pieces.

use std::sync::Arc;

use crate::iam::compare::clause::Asks;
use crate::iam::compare::clause::Clauses;
use crate::iam::compare::clause::is_among;
use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::Sort;
use crate::iam::compare::glob::Variables;
use crate::iam::compare::services::Services;
use crate::iam::compare::set::Set;
use crate::iam::compare::set::Term;
use crate::iam::compare::terms::Terms;
use crate::iam::compare::who::Who;
use crate::iam::compare::who::named;
use crate::iam::effort;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Kind;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;

/// How many pieces a comparison may come to.
const MAX_REGIONS: usize = 2_000;
/// Some requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) who: Set<Who>,
    pub(super) actions: Set<Term>,
    pub(super) resources: Set<Term>,
    pub(super) terms: Terms,
}

/// A document as products, what only it has and not the other before the rest.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) allows: Vec<Region>,
    pub(super) denies: Vec<Region>,
    /// How many of `allows` the other document does not have.
    pub(super) own_allows: usize,
    own_denies: usize,
}

impl Compiled {
    /// Returns the Denies that the other document does not have.
    pub(super) fn own_denies(&self) -> &[Region] {
        self.denies.get(..self.own_denies).unwrap_or_default()
    }

    /// Returns the Allows that may allow what the other document does not: its own, and all where the other denies besides.
    pub(super) fn may_be_more_than(&self, other: &Self) -> &[Region] {
        let all = if other.own_denies > 0 { self.allows.len() } else { self.own_allows };
        self.allows.get(..all).unwrap_or_default()
    }

    /// Returns whether the other document has all that this one has.
    pub(super) fn has_nothing_own(&self) -> bool {
        self.own_allows == 0 && self.own_denies == 0
    }

    /// Puts together what only this one has, and what both have.
    fn of(own: Vec<(Effect, Region)>, both: &[(Effect, Region)]) -> Self {
        let (mut allows, mut denies) = (Vec::new(), Vec::new());
        let mut sort = |of: Vec<(Effect, Region)>| {
            for (effect, region) in of {
                match effect {
                    Effect::Allow => allows.push(region),
                    Effect::Deny => denies.push(region),
                }
            }
            (allows.len(), denies.len())
        };
        let (own_allows, own_denies) = sort(own);
        sort(both.to_vec());
        Self { allows, denies, own_allows, own_denies }
    }
}

/// What is needed to compare.
pub(super) struct Work {
    pub(super) variables: Variables,
    /// The conditions that were read.
    clauses: Clauses,
    /// What is so of every request.
    always: Arc<Asks>,
    /// Whether pieces were left as they are, because there were too many.
    pub(super) is_coarse: bool,
}

impl Work {
    pub(super) fn new(always: Asks) -> Self {
        Self {
            variables: Variables::default(),
            clauses: Clauses::default(),
            always: Arc::new(always),
            is_coarse: false,
        }
    }

    /// Reads two documents: a statement of both once, and not at all if it can have nothing to do with what differs.
    pub(super) fn compile(
        &mut self,
        before: &Document,
        after: &Document,
        kind: Kind,
    ) -> (Compiled, Compiled) {
        let everything = Statement::everything();
        let old = statements(before, kind, &everything);
        let new = statements(after, kind, &everything);
        let is_one_language = before.language == after.language;
        let newer = |it: &&&Document| it.language == Language::Of2012;
        let documents = [before, after];
        let texts = documents.iter().filter(newer).flat_map(|it| &it.statements).flat_map(texts);
        self.variables = Variables::of(texts);
        let has = |all: &[&Statement], one: &Statement| {
            is_one_language && all.iter().any(|it| is_same(it, one))
        };
        let mut read = |of: &[&Statement], language: Language| -> Vec<(Effect, Region)> {
            of.iter().map(|it| (it.effect, self.region(it, language))).collect()
        };
        let (same, gone): (Vec<&Statement>, Vec<&Statement>) =
            old.iter().partition(|it| has(&new, it));
        let come: Vec<&Statement> = new.into_iter().filter(|it| !has(&same, it)).collect();
        let services = Services::of(gone.iter().chain(&come).copied());
        let near: Vec<&Statement> = same.into_iter().filter(|it| services.meet(it)).collect();
        let mut both = read(&near, before.language);
        let gone = read(&gone, before.language);
        let mut come = read(&come, after.language);
        // What is written otherwise may be the same.
        let (also, gone): (Vec<_>, Vec<_>) = gone.into_iter().partition(|it| come.contains(it));
        come.retain(|it| !also.contains(it));
        both.extend(also);
        (Compiled::of(gone, &both), Compiled::of(come, &both))
    }

    fn region(&mut self, statement: &Statement, language: Language) -> Region {
        let conditions = statement.conditions.iter();
        let variables = &mut self.variables;
        let must = conditions.map(|it| self.clauses.read(it, language, variables)).collect();
        let is_new = language == Language::Of2012;
        let mut terms = |list: &[Box<str>], sort: Sort| -> Vec<Term> {
            let mut read = |text: &str| {
                let variables = (is_new && sort == Sort::Arn).then_some(&mut *variables);
                Term::of(Glob::read(text, sort, variables))
            };
            list.iter().map(|it| read(it)).collect()
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
        if region.is_empty() {
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
            if !is_among(&terms.must, clause) {
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
            if left.is_empty() || effort::is_spent() {
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
        effort::spend(from.size());
        if !from.overlaps(off) {
            left.push(from);
            return;
        }
        if from.terms.exclude(&off.terms, &self.always) {
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
        if who.is_empty() {
            return;
        }
        let from = Region { who, ..from };
        for terms in from.terms.minus(&off.terms) {
            left.extend(self.settled(Region { terms, ..from.clone() }));
        }
    }
}

/// Returns the statements of a document, each once, and those that stand beside it.
fn statements<'d>(
    document: &'d Document,
    kind: Kind,
    everything: &'d Statement,
) -> Vec<&'d Statement> {
    let mut all: Vec<&Statement> = Vec::with_capacity(document.statements.len());
    for statement in &document.statements {
        if !all.iter().any(|it| is_same(it, statement)) {
            all.push(statement);
        }
    }
    let is_list = matches!(kind, Kind::ServiceControl | Kind::ResourceControl);
    if is_list && !all.iter().any(|it| it.effect == Effect::Allow) {
        all.push(everything);
    }
    all
}

/// Returns the texts in which variables may be.
fn texts(statement: &Statement) -> impl Iterator<Item = &str> {
    let resources = match &statement.resources {
        Some(Listed::Only(all) | Listed::AllBut(all)) => all.as_slice(),
        None => &[],
    };
    let values = statement.conditions.iter().flat_map(|it| &it.values);
    resources.iter().chain(values).map(|it| &**it).filter(|it| it.contains('$'))
}

/// Returns whether two statements say the same, whatever their names are.
fn is_same(one: &Statement, other: &Statement) -> bool {
    one.effect == other.effect
        && one.actions == other.actions
        && one.resources == other.resources
        && one.conditions == other.conditions
        && one.principals == other.principals
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
    /// Returns whether surely nothing is in it, conditions aside.
    pub(super) fn is_empty(&self) -> bool {
        self.who.is_empty() || self.actions.is_empty() || self.resources.is_empty()
    }

    /// Returns how much it is to look at.
    pub(super) fn size(&self) -> usize {
        let sets = [&self.actions, &self.resources].map(|it| it.any.len() + it.none.len());
        let who = self.who.any.len() + self.who.none.len();
        sets[0] + sets[1] + who + self.terms.must.len() + self.terms.clauses()
    }

    /// Returns whether something may be in both, conditions aside.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.actions.overlaps(&other.actions)
            && self.resources.overlaps(&other.resources)
            && self.who.overlaps(&other.who)
    }

    /// Returns whether surely all of `narrow` is in it.
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        self.terms.are_in(&narrow.terms)
            && self.who.covers(&narrow.who)
            && self.resources.covers(&narrow.resources)
            && self.actions.covers(&narrow.actions)
    }
}
