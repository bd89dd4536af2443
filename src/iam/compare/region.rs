//! Products of who, what and on what under conditions, and what is left of one when another is taken off.
//!
//! Invariant: pieces of a difference have nothing in common, so that many subtractions make few pieces.

use crate::iam::compare::clause::Asks;
use crate::iam::compare::clause::Clause;
use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::Sort;
use crate::iam::compare::glob::Variables;
use crate::iam::compare::set::Set;
use crate::iam::compare::set::Term;
use crate::iam::compare::terms::Terms;
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
/// Some requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) who: Set<Who>,
    pub(super) actions: Set<Term>,
    pub(super) resources: Set<Term>,
    pub(super) terms: Terms,
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
        if who.is_empty() {
            return;
        }
        let from = Region { who, ..from };
        for terms in from.terms.minus(&off.terms) {
            left.extend(self.settled(Region { terms, ..from.clone() }));
        }
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
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        let is_asked_less = self.terms.must.iter().all(|it| narrow.terms.must.contains(it))
            && self.terms.unless.iter().all(|it| narrow.terms.unless.contains(it));
        is_asked_less
            && self.actions.covers(&narrow.actions)
            && self.resources.covers(&narrow.resources)
            && self.who.covers(&narrow.who)
    }
}
