//! Sets of actions, resources or principals: some patterns less others.
//!
//! Invariant: what a set holds is exact; [`Set::is_empty`] says yes only of what is surely empty.

use std::sync::Arc;

use smallvec::SmallVec;
use smallvec::smallvec;

use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::is_hollow;
use crate::iam::effort;

/// What a set is made of.
pub(super) trait Atom: Clone + Eq + Ord {
    /// Returns whether surely all of `narrow` is in it.
    fn covers(&self, narrow: &Self) -> bool;
    /// Returns whether something may be in both.
    fn overlaps(&self, other: &Self) -> bool;
    /// Returns what is in both.
    fn meet(&self, other: &Self) -> SmallVec<[Self; 1]>;
    /// Returns whether surely all of it is in `out`.
    fn is_within<'a>(&'a self, out: impl Iterator<Item = &'a Self> + Clone) -> bool;
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
        if let ([wide], [glob]) = (self.0.as_slice(), narrow.0.as_slice()) {
            return wide.covers(glob);
        }
        effort::spend(self.0.len() * narrow.0.len())
            && self.0.iter().all(|wide| narrow.0.iter().any(|glob| wide.covers(glob)))
    }

    fn overlaps(&self, other: &Self) -> bool {
        if let ([one], [two]) = (self.0.as_slice(), other.0.as_slice()) {
            return one.overlaps(two);
        }
        !effort::spend(self.0.len() * other.0.len())
            || self.0.iter().all(|one| other.0.iter().all(|two| one.overlaps(two)))
    }

    fn meet(&self, other: &Self) -> SmallVec<[Self; 1]> {
        if self.covers(other) {
            return smallvec![other.clone()];
        }
        if other.covers(self) || effort::is_spent() {
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

    fn is_within<'a>(&'a self, out: impl Iterator<Item = &'a Self> + Clone) -> bool {
        if out.clone().any(|wide| wide.covers(self)) {
            return true;
        }
        let single = out.filter(|wide| wide.0.len() == 1).map(|wide| &wide.0[0]);
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
            any.retain(|atom| !atom.is_within(none.iter()));
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
        let is_apart = |out: &A| {
            is_covered(out, &self.none) || !self.any.iter().any(|atom| atom.overlaps(out))
        };
        self == other
            || self.any.iter().all(|atom| is_covered(atom, &other.any))
                && other.none.iter().all(is_apart)
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
        let any = any.take_while(|_| !effort::is_spent());
        let any = any.filter(|(one, two)| one.overlaps(two)).flat_map(|(one, two)| one.meet(two));
        Self::new(any.collect(), self.none.iter().chain(&*other.none).cloned().collect())
    }

    /// Returns those of `out`, of which none covers another, that take something off which is not off already.
    fn near<'a>(&'a self, out: &'a [A]) -> SmallVec<[&'a A; 8]> {
        let is_near = |atom: &&'a A| {
            self.any.iter().any(|it| it.overlaps(atom)) && !is_covered::<A>(atom, &self.none)
        };
        out.iter().filter(is_near).collect()
    }

    /// Returns what is in this and in none of `out`, of which none covers another.
    fn without(&self, out: &[A]) -> Self {
        let more = self.near(out);
        if more.is_empty() {
            return self.clone();
        }
        let is_kept = |it: &&A| !more.iter().any(|wide| wide.covers(it));
        let kept: SmallVec<[&A; 8]> = self.none.iter().filter(is_kept).collect();
        let all = || kept.iter().chain(&more).copied();
        let any: Vec<A> = self.any.iter().filter(|it| !it.is_within(all())).cloned().collect();
        if any.is_empty() {
            return Self { any: Arc::default(), none: Arc::default() };
        }
        let is_smaller = any.len() < self.any.len();
        let is_off = |out: &&A| !is_smaller || any.iter().any(|atom| atom.overlaps(out));
        let mut none: Vec<A> = all().filter(is_off).cloned().collect();
        none.sort();
        Self { any: if is_smaller { any.into() } else { self.any.clone() }, none: none.into() }
    }

    /// Returns what is in this and among what `other` spares of its own patterns.
    fn spared_by(&self, other: &Self) -> Self {
        let only = |list: &Arc<[A]>| Self { any: list.clone(), none: Arc::default() };
        self.and(&only(&other.none)).and(&only(&other.any))
    }

    /// Returns what is in this and not in `other`, in pieces that have nothing in common.
    pub(super) fn minus(&self, other: &Self) -> SmallVec<[Self; 2]> {
        let mut pieces = SmallVec::new();
        if self.is_inside(other) {
            return pieces;
        }
        pieces.push(self.without(&other.any));
        if !other.none.is_empty() {
            pieces.push(self.spared_by(other));
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// Returns whether surely all of `narrow` is in it.
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        if narrow.is_inside(self) {
            return true;
        }
        let is_far = |atom: &A| !self.any.iter().any(|wide| wide.overlaps(atom));
        if narrow.any.iter().any(is_far) {
            return false;
        }
        // What is spared here and is there.
        let is_left = |out: &A| {
            narrow.none.binary_search(out).is_err()
                && is_covered(out, &narrow.any)
                && !out.is_within(narrow.none.iter())
        };
        if self.none.iter().any(is_left) {
            return false;
        }
        let near = narrow.near(&self.any);
        let is_gone = |atom: &A| atom.is_within(narrow.none.iter().chain(near.iter().copied()));
        narrow.any.iter().all(is_gone)
            && (self.none.is_empty() || narrow.spared_by(self).is_empty())
            && !effort::is_spent()
    }
}

/// Returns whether one of these, which are in order, covers an atom. Most are found as they are.
fn is_covered<A: Atom>(atom: &A, wide: &[A]) -> bool {
    wide.binary_search(atom).is_ok() || wide.iter().any(|it| it.covers(atom))
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
        !effort::is_spent() && atoms.iter().enumerate().any(covers)
    };
    let covered: Vec<bool> = (0..atoms.len()).map(is_covered).collect();
    let kept = atoms.into_iter().zip(covered).filter(|(_, is_covered)| !is_covered);
    kept.map(|(atom, _)| atom).collect()
}
