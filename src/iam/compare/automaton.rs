//! Whether all texts of some patterns are among those of others.
//!
//! Invariant: it never says yes wrongly; it says no where yes would take too long.

use std::collections::HashSet;

use smallvec::SmallVec;

use crate::iam::compare::glob::ANY;
use crate::iam::compare::glob::ANY_PART;
use crate::iam::compare::glob::COLON;
use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::ONE;
use crate::iam::compare::glob::ONE_PART;
use crate::iam::compare::glob::is_star;
use crate::iam::compare::glob::takes;
use crate::iam::effort;

/// How many states one question may look at.
const MAX_STATES: usize = 20_000;
/// A letter of no pattern.
const FRESH: u32 = 0x11_0005;

/// Where one may stand in the patterns taken off: a bit a place.
type Places = SmallVec<[u64; 4]>;

/// Reads all texts of `within` at once, with the set of places that each may have led to in `without`.
///
/// Where all of `within` take any letter, one that no pattern has is the worst for `without`, save a colon, which its parts do
/// not take.
pub(super) fn hollow(within: &[Glob], without: &[Glob]) -> bool {
    let lengths: usize = without.iter().map(|glob| glob.tokens.len() + 1).sum();
    let mut start: Places = SmallVec::from_elem(0, lengths / 64 + 1);
    let mut from = 0;
    for glob in without {
        stand(&mut start, &glob.tokens, from, 0);
        from += glob.tokens.len() + 1;
    }
    let here: SmallVec<[usize; 2]> = SmallVec::from_elem(0, within.len());
    let mut seen = HashSet::new();
    let mut open = vec![(here, start)];
    while let Some((here, places)) = open.pop() {
        if seen.len() > MAX_STATES || !effort::spend(lengths) {
            return false;
        }
        if !seen.insert((here.clone(), places.clone())) {
            continue;
        }
        let next: SmallVec<[Option<u32>; 2]> =
            within.iter().zip(&here).map(|(glob, at)| glob.tokens.get(*at).copied()).collect();
        if next.iter().all(Option::is_none) {
            if !has_end(&places, without) {
                return false;
            }
            continue;
        }
        for (which, token) in next.iter().enumerate() {
            if token.is_some_and(is_star) {
                let mut skipped = here.clone();
                skipped[which] += 1;
                open.push((skipped, places.clone()));
            }
        }
        let Some(tokens) = next.into_iter().collect::<Option<SmallVec<[u32; 2]>>>() else {
            continue;
        };
        for letter in letters(&tokens) {
            let mut moved = here.clone();
            for (at, token) in moved.iter_mut().zip(&tokens) {
                *at += usize::from(!is_star(*token));
            }
            open.push((moved, step(&places, without, letter)));
        }
    }
    true
}

/// Returns the letters worth trying where these tokens come next.
fn letters(tokens: &[u32]) -> SmallVec<[u32; 2]> {
    let own =
        tokens.iter().copied().find(|token| !matches!(*token, ANY | ONE | ANY_PART | ONE_PART));
    let tried: SmallVec<[u32; 2]> = match own {
        Some(letter) => SmallVec::from_slice(&[letter]),
        None => SmallVec::from_slice(&[FRESH, COLON]),
    };
    tried.into_iter().filter(|letter| tokens.iter().all(|token| takes(*token, *letter))).collect()
}

fn step(places: &Places, without: &[Glob], letter: u32) -> Places {
    let mut next: Places = SmallVec::from_elem(0, places.len());
    let mut from = 0;
    for glob in without {
        for (at, token) in glob.tokens.iter().enumerate() {
            if has(places, from + at) && takes(*token, letter) {
                stand(&mut next, &glob.tokens, from, at + usize::from(!is_star(*token)));
            }
        }
        from += glob.tokens.len() + 1;
    }
    next
}

/// Adds a place, and those after it that stars let one reach for nothing.
fn stand(places: &mut Places, tokens: &[u32], from: usize, at: usize) {
    let mut at = at;
    loop {
        places[(from + at) / 64] |= 1 << ((from + at) % 64);
        if !tokens.get(at).is_some_and(|token| is_star(*token)) {
            return;
        }
        at += 1;
    }
}

fn has(places: &Places, place: usize) -> bool {
    places[place / 64] & (1 << (place % 64)) != 0
}

fn has_end(places: &Places, without: &[Glob]) -> bool {
    let mut end = 0;
    without.iter().any(|glob| {
        end += glob.tokens.len() + 1;
        has(places, end - 1)
    })
}
