//! Pieces of a difference, joined for reading.
//!
//! Invariant: what the pieces hold together stays the same.

use crate::iam::compare::region::Region;
use crate::iam::compare::set::Atom;
use crate::iam::compare::set::Set;
use crate::iam::effort;

/// Joins pieces where that makes fewer of them.
pub(super) fn tidied(regions: Vec<Region>) -> Vec<Region> {
    let mut left = regions;
    if left.len() > 200 {
        return left;
    }
    let mut at = 0;
    while at < left.len() && !effort::is_spent() {
        let joined = (0..left.len()).filter(|other| *other != at).find_map(|other| {
            let whole = joined(&left[at.min(other)], &left[at.max(other)])?;
            Some((other, whole))
        });
        match joined {
            // What was looked at before is looked at again, against the piece that is new.
            Some((other, whole)) => {
                let (low, high) = (at.min(other), at.max(other));
                left[low] = whole;
                left.remove(high);
                at = low;
            }
            None => at += 1,
        }
    }
    left
}

/// Returns two pieces as one, if they are one product together.
fn joined(one: &Region, other: &Region) -> Option<Region> {
    let are_in = [one.terms.are_in(&other.terms), other.terms.are_in(&one.terms)];
    if are_in == [false, false] {
        return None;
    }
    // Most have nothing in common, and that is quick to say.
    if one.overlaps(other) {
        if one.covers(other) {
            return Some(one.clone());
        }
        if other.covers(one) {
            return Some(other.clone());
        }
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
