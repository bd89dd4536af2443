//! Products of who, what and on what under conditions, and what is left of one when another is taken off.
//!
//! Invariant: pieces of a difference have nothing in common, so that many subtractions make few pieces.

use std::sync::Arc;

use crate::iam::compare::clause::Asks;
use crate::iam::compare::clause::Clauses;
use crate::iam::compare::clause::is_among;
use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::Sort;
use crate::iam::compare::kept::Kept;
use crate::iam::compare::services::Services;
use crate::iam::compare::set::Set;
use crate::iam::compare::set::Term;
use crate::iam::compare::shared::Shared;
use crate::iam::compare::terms::Terms;
use crate::iam::compare::variables::Variables;
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
    pub(super) terms: Arc<Terms>,
}

/// A document as products, what only it has and not the other before the rest.
#[derive(Debug, Clone, Default)]
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

/// Lists of patterns that were read: most statements of one document stand in the other too, or most of their lists do.
#[derive(Default)]
struct Lists<'s>(Vec<(ListOf<'s>, Set<Term>)>);

/// A list as it is written, what its patterns are of, and the language.
type ListOf<'s> = (&'s Listed<Box<str>>, Sort, Language);

impl<'s> Lists<'s> {
    /// Reads a list, or finds it where it was read before.
    fn read(&mut self, list: ListOf<'s>, variables: &mut Variables) -> Set<Term> {
        if let Some((_, set)) = self.0.iter().find(|(known, _)| *known == list) {
            return set.clone();
        }
        let (listed, sort, language) = list;
        let has_variables = language == Language::Of2012 && sort == Sort::Arn;
        let mut read =
            |text: &str| Term::of(Glob::read(text, sort, has_variables.then_some(&mut *variables)));
        let mut terms =
            |list: &[Box<str>]| -> Vec<Term> { list.iter().map(|it| read(it)).collect() };
        let set = match listed {
            Listed::Only(list) => Set::new(terms(list), Vec::new()),
            Listed::AllBut(list) => Set::new(terms(&["*".into()]), terms(list)),
        };
        self.0.push((list, set.clone()));
        set
    }
}

/// What is needed to compare.
pub(super) struct Work {
    pub(super) variables: Variables,
    /// The conditions that were read.
    clauses: Clauses,
    /// What they come to.
    kept: Kept,
    /// Whether pieces were left as they are, because there were too many.
    pub(super) is_coarse: bool,
}

impl Work {
    pub(super) fn new(always: Asks) -> Self {
        Self {
            variables: Variables::default(),
            clauses: Clauses::default(),
            kept: Kept::new(always),
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
        let Shared { both, gone, come } = Shared::of((before, after), kind, &everything);
        if gone.is_empty() && come.is_empty() {
            return (Compiled::default(), Compiled::default());
        }
        let newer = |it: &&&Document| it.language == Language::Of2012;
        let documents = [before, after];
        let texts = documents.iter().filter(newer).flat_map(|it| &it.statements).flat_map(texts);
        self.variables = Variables::of(texts);
        let services = Services::of(gone.iter().chain(&come).map(|it| &**it));
        let near = both.iter().map(|it| &**it).filter(|it| services.meet(it));
        let mut lists = Lists::default();
        let mut both = self.regions(near, before.language, &mut lists);
        let gone = self.regions(gone.iter().map(|it| &**it), before.language, &mut lists);
        let mut come = self.regions(come.iter().map(|it| &**it), after.language, &mut lists);
        // What is written otherwise may be the same.
        let (also, gone): (Vec<_>, Vec<_>) = gone.into_iter().partition(|it| come.contains(it));
        come.retain(|it| !also.contains(it));
        both.extend(also);
        (Compiled::of(gone, &both), Compiled::of(come, &both))
    }

    fn regions<'s>(
        &mut self,
        of: impl Iterator<Item = &'s Statement>,
        language: Language,
        lists: &mut Lists<'s>,
    ) -> Vec<(Effect, Region)> {
        of.map(|it| (it.effect, self.region(it, language, lists))).collect()
    }

    fn region<'s>(
        &mut self,
        statement: &'s Statement,
        language: Language,
        lists: &mut Lists<'s>,
    ) -> Region {
        let conditions = statement.conditions.iter();
        let variables = &mut self.variables;
        let must = conditions.map(|it| self.clauses.read(it, language, variables)).collect();
        let actions = lists.read((&statement.actions, Sort::Action, language), variables);
        let resources = match &statement.resources {
            Some(listed) => lists.read((listed, Sort::Arn, language), variables),
            None => Set::new(vec![Term::of(Glob::read("*", Sort::Arn, None))], Vec::new()),
        };
        Region {
            who: named(statement.effect, statement.principals.as_ref()),
            actions,
            resources,
            terms: self.kept.read(must),
        }
    }

    /// Returns the region if it may hold a request, with its conditions in their smallest form.
    pub(super) fn settled(&self, region: Region) -> Option<Region> {
        if region.is_empty() {
            return None;
        }
        let terms = self.kept.settled(&region.terms)?;
        Some(Region { terms, ..region })
    }

    /// Returns what is in both, if anything may be.
    pub(super) fn both(&self, one: &Region, other: &Region) -> Option<Region> {
        if !one.overlaps(other) {
            return None;
        }
        let mut terms = Terms::clone(&one.terms);
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
            terms: Arc::new(terms),
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
        if self.kept.exclude(&from.terms, &off.terms) {
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
        for terms in self.kept.less(&from.terms, &off.terms).iter() {
            left.push(Region { terms: terms.clone(), ..from.clone() });
        }
    }
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
