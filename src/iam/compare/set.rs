//! Sets of actions, resources or principals: some patterns less others.
//!
//! Invariant: what a set holds is exact; [`Set::is_empty`] says yes only of what is surely empty.

use std::sync::Arc;

use smallvec::SmallVec;
use smallvec::smallvec;

use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::is_hollow;

/// What a set is made of.
pub(super) trait Atom: Clone + Eq + Ord {
    /// Returns whether surely all of `narrow` is in it.
    fn covers(&self, narrow: &Self) -> bool;
    /// Returns whether something may be in both.
    fn overlaps(&self, other: &Self) -> bool;
    /// Returns what is in both.
    fn meet(&self, other: &Self) -> SmallVec<[Self; 1]>;
    /// Returns whether surely all of it is in `out`.
    fn is_within(&self, out: &[Self]) -> bool;
}

/// Texts that fit each of some patterns: one, or several where their intersection is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Term(pub(super) SmallVec<[Glob; 1]>);

impl Term {
    pub(super) fn of(glob: Glob) -> Self {
        Self(smallvec![glob])
    }
}

impl Atom for Term {
    fn covers(&self, narrow: &Self) -> bool {
        self.0.iter().all(|wide| narrow.0.iter().any(|glob| wide.covers(glob)))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().all(|one| other.0.iter().all(|two| one.overlaps(two)))
    }

    fn meet(&self, other: &Self) -> SmallVec<[Self; 1]> {
        if self.covers(other) {
            return smallvec![other.clone()];
        }
        if other.covers(self) {
            return smallvec![self.clone()];
        }
        if let ([one], [two]) = (self.0.as_slice(), other.0.as_slice())
            && let Some(all) = one.meet(two)
        {
            return all.into_iter().map(Self::of).collect();
        }
        let mut all: SmallVec<[Glob; 1]> = self.0.iter().chain(&other.0).cloned().collect();
        all.sort();
        all.dedup();
        smallvec![Self(all)]
    }

    fn is_within(&self, out: &[Self]) -> bool {
        if out.iter().any(|wide| wide.covers(self)) {
            return true;
        }
        let single = out.iter().filter(|wide| wide.0.len() == 1).map(|wide| &wide.0[0]);
        is_hollow(&self.0, single)
    }
}

/// Some atoms less others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set<A> {
    /// Of these …
    pub(super) any: Arc<[A]>,
    /// … those that are in none of these.
    pub(super) none: Arc<[A]>,
}

impl<A: Atom> Set<A> {
    /// Returns a set; both lists are brought into order.
    pub(super) fn new(any: Vec<A>, none: Vec<A>) -> Self {
        let (mut any, mut none) = (any, none);
        any.sort();
        any.dedup();
        none.sort();
        none.dedup();
        if !none.is_empty() {
            any.retain(|atom| !atom.is_within(&none));
        }
        none.retain(|out| any.iter().any(|atom| atom.overlaps(out)));
        Self { any: maximal(any).into(), none: maximal(none).into() }
    }

    /// Returns whether surely nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.any.is_empty()
    }

    /// Returns whether something may be in both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let is_in = |one: &A, two: &A| {
            one.overlaps(two)
                && !other.none.iter().any(|out| out.covers(one))
                && !self.none.iter().any(|out| out.covers(two))
        };
        self.any.iter().any(|one| other.any.iter().any(|two| is_in(one, two)))
    }

    /// Returns whether surely all of it is in `other`, told pattern by pattern.
    fn is_inside(&self, other: &Self) -> bool {
        let is_covered = |atom: &A| other.any.iter().any(|wide| wide.covers(atom));
        let is_apart = |out: &A| {
            self.none.iter().any(|own| own.covers(out))
                || !self.any.iter().any(|atom| atom.overlaps(out))
        };
        self == other || self.any.iter().all(is_covered) && other.none.iter().all(is_apart)
    }

    /// Returns what is in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        if self.is_inside(other) {
            return self.clone();
        }
        if other.is_inside(self) {
            return other.clone();
        }
        let any = self.any.iter().flat_map(|one| other.any.iter().map(move |two| (one, two)));
        let any = any.filter(|(one, two)| one.overlaps(two)).flat_map(|(one, two)| one.meet(two));
        Self::new(any.collect(), self.none.iter().chain(&*other.none).cloned().collect())
    }

    /// Returns what is in this and in none of `out`, of which none covers another.
    fn without(&self, out: &[A]) -> Self {
        let is_near = |atom: &&A| {
            self.any.iter().any(|it| it.overlaps(atom))
                && !self.none.iter().any(|it| it.covers(atom))
        };
        let more: SmallVec<[&A; 4]> = out.iter().filter(is_near).collect();
        if more.is_empty() {
            return self.clone();
        }
        let is_kept = |it: &&A| !more.iter().any(|wide| wide.covers(it));
        let kept = self.none.iter().filter(is_kept);
        let mut none: Vec<A> = kept.chain(more.iter().copied()).cloned().collect();
        none.sort();
        let any: Vec<A> = self.any.iter().filter(|it| !it.is_within(&none)).cloned().collect();
        if any.len() < self.any.len() {
            none.retain(|out| any.iter().any(|atom| atom.overlaps(out)));
        }
        Self { any: any.into(), none: none.into() }
    }

    /// Returns what is in this and not in `other`, in pieces that have nothing in common.
    pub(super) fn minus(&self, other: &Self) -> SmallVec<[Self; 2]> {
        let mut pieces = SmallVec::new();
        if self.is_inside(other) {
            return pieces;
        }
        pieces.push(self.without(&other.any));
        if !other.none.is_empty() {
            let spared = Self::new(other.none.to_vec(), Vec::new());
            let all = Self::new(other.any.to_vec(), Vec::new());
            pieces.push(self.and(&spared).and(&all));
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// Returns whether surely all of `narrow` is in it.
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        let is_far = |atom: &A| !self.any.iter().any(|wide| wide.overlaps(atom));
        if narrow.any.iter().any(is_far) {
            return false;
        }
        self == narrow || narrow.minus(self).is_empty()
    }
}

/// Returns the atoms that no other covers.
fn maximal<A: Atom>(atoms: Vec<A>) -> Vec<A> {
    if atoms.len() < 2 {
        return atoms;
    }
    let is_covered = |at: usize| {
        let covers = |(other, wide): (usize, &A)| {
            other != at && wide.covers(&atoms[at]) && (other < at || !atoms[at].covers(wide))
        };
        atoms.iter().enumerate().any(covers)
    };
    let covered: Vec<bool> = (0..atoms.len()).map(is_covered).collect();
    let kept = atoms.into_iter().zip(covered).filter(|(_, is_covered)| !is_covered);
    kept.map(|(atom, _)| atom).collect()
}
