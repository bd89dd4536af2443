//! What is asked of a request besides who, what and on what.
//!
//! Invariant: conditions are called impossible only where surely no request fulfils them.

use std::sync::Arc;

use crate::iam::compare::clause::Asks;
use crate::iam::compare::clause::Clause;
use crate::iam::compare::clause::is_impossible;

/// How many conditions, each of several of which one has to fail, are tried out together.
const MAX_BRANCHES: usize = 64;

/// Conditions: all of some hold, and of each of some lists one does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Terms {
    pub(super) must: Vec<Arc<Clause>>,
    pub(super) unless: Vec<Vec<Arc<Clause>>>,
}

impl Terms {
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

    /// Returns the smallest form; `None` if surely no request fulfils it.
    pub(super) fn settled(&self, always: &Arc<Asks>) -> Option<Self> {
        let mut must: Vec<Arc<Clause>> = Vec::with_capacity(self.must.len());
        for clause in &self.must {
            if !must.contains(clause) {
                must.push(clause.clone());
            }
        }
        let mut facts: Vec<Arc<Asks>> = vec![always.clone()];
        facts.extend(must.iter().filter_map(|clause| clause.asks.clone()));
        if contradicts(&facts) {
            return None;
        }
        let mut unless = self.unless.clone();
        let mut units: Vec<Arc<Clause>> = Vec::new();
        while let Some(at) = reduce(&mut unless, &must, &units, &facts)? {
            let unit = unless.remove(at).remove(0);
            if let Some(asks) = &unit.asks {
                facts.push(Arc::new(asks.not()));
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
fn contradicts(facts: &[Arc<Asks>]) -> bool {
    let is_first = |at: usize| !facts[..at].iter().any(|fact| fact.key == facts[at].key);
    (0..facts.len()).filter(|at| is_first(*at)).any(|at| {
        let same = facts.iter().filter(|fact| fact.key == facts[at].key);
        let same: Vec<&Asks> = same.map(|fact| &**fact).collect();
        same.len() > 1 && is_impossible(&same)
    })
}

/// Returns whether `facts` make this impossible.
fn excludes(facts: &[Arc<Asks>], asks: &Asks) -> bool {
    let same = facts.iter().filter(|fact| fact.key == asks.key);
    let mut same: Vec<&Asks> = same.map(|fact| &**fact).collect();
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
fn is_dead(unless: &[Vec<Arc<Clause>>], facts: &[Arc<Asks>], budget: &mut usize) -> bool {
    let Some((first, rest)) = unless.split_first() else { return false };
    first.iter().all(|clause| {
        *budget = budget.saturating_sub(1);
        let Some(asks) = clause.asks.as_ref().filter(|_| *budget > 0) else { return false };
        let mut more = facts.to_vec();
        more.push(Arc::new(asks.not()));
        contradicts(&more) || is_dead(rest, &more, budget)
    })
}

/// Leaves out conditions that follow from the others.
fn needed(
    must: Vec<Arc<Clause>>,
    units: Vec<Arc<Clause>>,
    always: &Arc<Asks>,
) -> (Vec<Arc<Clause>>, Vec<Arc<Clause>>) {
    let mut all: Vec<(Arc<Clause>, bool)> = must.into_iter().map(|it| (it, true)).collect();
    all.extend(units.into_iter().map(|it| (it, false)));
    let mut at = all.len();
    while at > 0 {
        at -= 1;
        let fact = |(clause, holds): &(Arc<Clause>, bool)| {
            clause
                .asks
                .as_ref()
                .map(|asks| if *holds { asks.clone() } else { Arc::new(asks.not()) })
        };
        let Some(own) = all.get(at).and_then(fact) else { continue };
        let others = all.iter().enumerate().filter(|(other, _)| *other != at);
        let others = others.filter_map(|(_, other)| fact(other)).filter(|it| it.key == own.key);
        let mut facts: Vec<Arc<Asks>> = others.collect();
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
