//! Sets of actions, resources or principals: some patterns less others.
//!
//! Invariant: what a set holds is exact; [`Set::is_empty`] says yes only of what is surely empty.

use std::ops::Deref;
use std::sync::Arc;

use smallvec::SmallVec;
use smallvec::smallvec;

use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::is_hollow;
use crate::iam::compare::head::Marks;
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
    /// Returns the heads that something in it may have.
    fn marks(&self) -> Marks;
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

    fn marks(&self) -> Marks {
        self.0.iter().map(|glob| glob.head().marks()).fold(Marks::ALL, Marks::and)
    }
}

/// Some atoms, in order.
#[derive(Debug, Clone)]
pub(super) struct List<A> {
    atoms: Arc<[A]>,
    /// The heads that something in one of them may have.
    marks: Marks,
}

impl<A: PartialEq> PartialEq for List<A> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.atoms, &other.atoms)
            || self.marks == other.marks && self.atoms == other.atoms
    }
}

impl<A: Eq> Eq for List<A> {}

impl<A> Deref for List<A> {
    type Target = [A];

    fn deref(&self) -> &[A] {
        &self.atoms
    }
}

impl<A> Default for List<A> {
    fn default() -> Self {
        Self { atoms: Arc::default(), marks: Marks::NONE }
    }
}

impl<A: Atom> From<Vec<A>> for List<A> {
    fn from(atoms: Vec<A>) -> Self {
        let marks = atoms.iter().map(A::marks).fold(Marks::NONE, Marks::or);
        Self { atoms: atoms.into(), marks }
    }
}

impl<A: Atom> List<A> {
    /// Returns whether one of them covers an atom. Most are found as they are.
    pub(super) fn covers(&self, atom: &A) -> bool {
        self.marks.hold(atom.marks())
            && (self.atoms.binary_search(atom).is_ok()
                || self.atoms.iter().any(|it| it.covers(atom)))
    }

    /// Returns whether something may be in one of them and in an atom.
    pub(super) fn overlaps(&self, atom: &A) -> bool {
        self.marks.meet(atom.marks()) && self.atoms.iter().any(|it| it.overlaps(atom))
    }
}

/// Some atoms less others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set<A> {
    /// Of these …
    pub(super) any: List<A>,
    /// … those that are in none of these.
    pub(super) none: List<A>,
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
            one.overlaps(two) && !other.none.covers(one) && !self.none.covers(two)
        };
        self.any.marks.meet(other.any.marks)
            && self.any.iter().any(|one| other.any.iter().any(|two| is_in(one, two)))
    }

    /// Returns whether surely all of it is in `other`, told pattern by pattern.
    fn is_inside(&self, other: &Self) -> bool {
        let is_apart = |out: &A| self.none.covers(out) || !self.any.overlaps(out);
        self == other
            || self.any.iter().all(|atom| other.any.covers(atom)) && other.none.iter().all(is_apart)
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
        let is_near = |atom: &&'a A| self.any.overlaps(atom) && !self.none.covers(atom);
        out.iter().filter(is_near).collect()
    }

    /// Returns what is in this and in none of `out`, of which none covers another.
    fn without(&self, out: &[A]) -> Self {
        let more = self.near(out);
        if more.is_empty() {
            return self.clone();
        }
        let marks = more.iter().map(|it| it.marks()).fold(Marks::NONE, Marks::or);
        let is_covered = |it: &A| marks.hold(it.marks()) && more.iter().any(|wide| wide.covers(it));
        let is_kept = |it: &&A| !is_covered(it);
        let kept: SmallVec<[&A; 8]> = self.none.iter().filter(is_kept).collect();
        let all = || kept.iter().chain(&more).copied();
        let any: Vec<A> = self.any.iter().filter(|it| !it.is_within(all())).cloned().collect();
        if any.is_empty() {
            return Self { any: List::default(), none: List::default() };
        }
        let is_smaller = any.len() < self.any.len();
        let is_off = |out: &&A| !is_smaller || any.iter().any(|atom| atom.overlaps(out));
        let mut none: Vec<A> = all().filter(is_off).cloned().collect();
        none.sort();
        Self { any: if is_smaller { any.into() } else { self.any.clone() }, none: none.into() }
    }

    /// Returns what is in this and among what `other` spares of its own patterns.
    fn spared_by(&self, other: &Self) -> Self {
        let only = |list: &List<A>| Self { any: list.clone(), none: List::default() };
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
        let is_far = |atom: &A| !self.any.overlaps(atom);
        if narrow.any.iter().any(is_far) {
            return false;
        }
        // What is spared here and is there.
        let is_left = |out: &A| {
            narrow.none.binary_search(out).is_err()
                && narrow.any.covers(out)
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
