//! What is asked of a request besides who, what and on what.
//!
//! Invariant: conditions are called impossible only where surely no request fulfils them.

use std::ptr;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::iam::compare::clause::Asks;
use crate::iam::compare::clause::Clause;
use crate::iam::compare::clause::are_same;
use crate::iam::compare::clause::is_among;
use crate::iam::compare::clause::is_impossible;
use crate::iam::compare::values::Share;
use crate::iam::effort;
use crate::iam::policy::Condition;

/// What is known of keys.
type Keys = SmallVec<[Arc<Asks>; 8]>;

/// How many conditions, each of several of which one has to fail, are tried out together.
const MAX_BRANCHES: usize = 64;

/// Conditions: all of some hold, and of each of some lists one does not.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    pub(super) must: Vec<Arc<Clause>>,
    pub(super) unless: Vec<Vec<Arc<Clause>>>,
}

impl PartialEq for Terms {
    fn eq(&self, other: &Self) -> bool {
        are_same(&self.must, &other.must)
            && self.unless.len() == other.unless.len()
            && self.unless.iter().zip(&other.unless).all(|(a, b)| are_same(a, b))
    }
}

impl Eq for Terms {}

impl Terms {
    /// Returns whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.must.is_empty() && self.unless.is_empty()
    }

    /// Returns whether all that is asked here is asked there, told condition by condition.
    pub(super) fn are_in(&self, other: &Self) -> bool {
        if ptr::eq(self, other) {
            return true;
        }
        let is_there = |list: &Vec<Arc<Clause>>| other.unless.iter().any(|it| are_same(it, list));
        self.must.iter().all(|it| is_among(&other.must, it)) && self.unless.iter().all(is_there)
    }

    /// Returns whether surely no request that fulfils these, which are settled, fulfils what others ask in any case.
    pub(super) fn exclude(&self, others: &Self, always: &Arc<Asks>) -> bool {
        let theirs = || others.must.iter().filter_map(|it| it.asks.as_ref());
        let is_near = |clause: &Arc<Clause>| {
            let is_asked = |asks: &Arc<Asks>| theirs().any(|it| it.key == asks.key);
            is_among(&others.must, clause) || clause.asks.as_ref().is_some_and(is_asked)
        };
        if self.must.iter().chain(self.unless.iter().flatten()).any(is_near) {
            let must = self.must.iter().chain(&others.must).cloned().collect();
            return Self { must, unless: self.unless.clone() }.settled(always).is_none();
        }
        let facts: Keys = theirs().chain([always]).cloned().collect();
        contradicts(&facts)
    }

    /// Returns what is asked here and not there, in pieces that have nothing in common.
    pub(super) fn minus(&self, off: &Self) -> Vec<Self> {
        let mut pieces = Vec::new();
        if !off.must.is_empty() {
            let mut piece = self.clone();
            piece.unless.push(off.must.clone());
            pieces.push(piece);
        }
        let mut rest = self.clone();
        rest.must.extend(off.must.iter().cloned());
        for list in &off.unless {
            let mut piece = rest.clone();
            piece.must.extend(list.iter().cloned());
            pieces.push(piece);
            rest.unless.push(list.clone());
        }
        pieces
    }

    /// Returns how many conditions are in its lists.
    pub(super) fn clauses(&self) -> usize {
        self.unless.iter().map(Vec::len).sum()
    }

    /// Returns the smallest form; `None` if surely no request fulfils it.
    pub(super) fn settled(&self, always: &Arc<Asks>) -> Option<Self> {
        let mut must: Vec<Arc<Clause>> = Vec::with_capacity(self.must.len());
        for clause in &self.must {
            if !is_among(&must, clause) {
                must.push(clause.clone());
            }
        }
        if !effort::spend((self.must.len() + self.clauses()).pow(2)) {
            return Some(self.clone());
        }
        let mut facts = Keys::new();
        facts.push(always.clone());
        facts.extend(must.iter().filter_map(|clause| clause.asks.clone()));
        if contradicts(&facts) {
            return None;
        }
        let mut unless = self.unless.clone();
        let mut units: Vec<Arc<Clause>> = Vec::new();
        while let Some(at) = reduce(&mut unless, &must, &units, &facts)? {
            let unit = unless.remove(at).remove(0);
            if let Some(fails) = &unit.fails {
                facts.push(fails.clone());
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
        if unless.len() > 1 {
            unless.sort_by(|a, b| sources(a).cmp(sources(b)));
            unless.dedup_by(|a, b| are_same(a, b));
        }
        let (must, units) = needed(must, units, always);
        let mut all: Vec<Vec<Arc<Clause>>> = units.into_iter().map(|unit| vec![unit]).collect();
        all.extend(unless);
        Some(Self { must, unless: all })
    }
}

fn sources(list: &[Arc<Clause>]) -> impl Iterator<Item = &Condition> {
    list.iter().map(|clause| &clause.source)
}

/// Returns whether facts about one key exclude each other.
fn contradicts(facts: &[Arc<Asks>]) -> bool {
    facts.iter().enumerate().any(|(at, first)| {
        let (before, from) = facts.split_at(at);
        let is_same = |fact: &&Arc<Asks>| fact.key == first.key;
        if from.iter().filter(is_same).nth(1).is_none() || before.iter().any(|it| is_same(&it)) {
            return false;
        }
        let same: SmallVec<[&Asks; 4]> = from.iter().filter(is_same).map(|it| &**it).collect();
        is_impossible(&same)
    })
}

/// Returns whether `facts` make this impossible.
fn excludes(facts: &[Arc<Asks>], asks: &Asks) -> bool {
    let same = facts.iter().filter(|fact| fact.key == asks.key);
    let mut same: SmallVec<[&Asks; 4]> = same.map(|fact| &**fact).collect();
    same.push(asks);
    is_impossible(&same)
}

/// Takes off what is known already; `Some(None)` at the end, `Some(Some(at))` for a list of one, `None` if one is empty.
fn reduce(
    unless: &mut Vec<Vec<Arc<Clause>>>,
    must: &[Arc<Clause>],
    units: &[Arc<Clause>],
    facts: &[Arc<Asks>],
) -> Option<Option<usize>> {
    // What must hold cannot fail: it is among the facts.
    let may_fail = |asks: &Arc<Asks>| excludes(facts, asks);
    let fails = |clause: &Arc<Clause>| {
        is_among(units, clause)
            || !is_among(must, clause) && clause.asks.as_ref().is_some_and(may_fail)
    };
    let holds = |clause: &Arc<Clause>| {
        is_among(must, clause) || clause.fails.as_ref().is_some_and(|fails| excludes(facts, fails))
    };
    effort::spend(unless.len() * (must.len() + units.len() + facts.len()));
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
fn is_dead(unless: &[Vec<Arc<Clause>>], facts: &[Arc<Asks>], budget: &mut usize) -> bool {
    let Some((first, rest)) = unless.split_first() else { return false };
    first.iter().all(|clause| {
        *budget = budget.saturating_sub(1);
        let Some(fails) = clause.fails.as_ref().filter(|_| *budget > 0) else { return false };
        let mut more: Keys = facts.iter().cloned().collect();
        more.push(fails.clone());
        contradicts(&more) || is_dead(rest, &more, budget)
    })
}

/// Leaves out conditions that follow from the others.
fn needed(
    must: Vec<Arc<Clause>>,
    units: Vec<Arc<Clause>>,
    always: &Arc<Asks>,
) -> (Vec<Arc<Clause>>, Vec<Arc<Clause>>) {
    let mut all: SmallVec<[(Arc<Clause>, Share); 8]> =
        must.into_iter().map(|it| (it, Share::All)).collect();
    all.extend(units.into_iter().map(|it| (it, Share::Nothing)));
    // What is so of a request: that a condition holds, or that it does not; and the opposite.
    let fact = |(clause, share): &(Arc<Clause>, Share)| match share {
        Share::All => clause.asks.clone().zip(clause.fails.clone()),
        Share::Nothing => clause.fails.clone().zip(clause.asks.clone()),
    };
    let mut at = all.len();
    while at > 0 {
        at -= 1;
        let Some((own, opposite)) = all.get(at).and_then(fact) else { continue };
        let others = all.iter().enumerate().filter(|(other, _)| *other != at);
        let mut facts: Keys = others.filter_map(|(_, other)| Some(fact(other)?.0)).collect();
        facts.retain(|it| it.key == own.key);
        if always.key == own.key {
            facts.push(always.clone());
        }
        if excludes(&facts, &opposite) {
            all.remove(at);
        }
    }
    let of = |share: Share| {
        all.iter().filter(move |(_, it)| *it == share).map(|(clause, _)| clause.clone()).collect()
    };
    (of(Share::All), of(Share::Nothing))
}
