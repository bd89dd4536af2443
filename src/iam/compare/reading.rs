//! Two patterns compared by reading both once: nearly all that people write are told apart, or together, by that.
//!
//! A star before the last part of an ARN takes no colon, so what ends with the same colon is compared part by part. What is
//! left is read letter by letter: of a pattern without `?`, every text of another is its own if it takes the stars of the
//! other as if they were a letter that no pattern has, as that is the letter which nothing but a star takes.
//!
//! Invariant: what is said here is true; where reading does not tell, nothing is said, and `automaton.rs` is asked.

use std::mem;

use smallvec::SmallVec;

use crate::iam::compare::glob::ANY;
use crate::iam::compare::glob::ANY_PART;
use crate::iam::compare::glob::COLON;
use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::ONE;
use crate::iam::compare::glob::ONE_PART;
use crate::iam::compare::glob::VARIABLE;
use crate::iam::compare::glob::is_star;
use crate::iam::compare::glob::is_wild;
use crate::iam::effort;

/// How much is read again before it is counted.
const MAX_AGAIN: usize = 10_000;
/// A letter of no pattern.
const FRESH: u32 = 0x11_0000;

/// Returns whether all texts of `narrow` are of `wide`, if reading tells.
pub(super) fn covers(wide: &[u32], narrow: &[u32]) -> Option<bool> {
    let (mut wide, mut narrow) = beyond_the_same(wide, narrow);
    match (wide.first(), narrow.first()) {
        (None, narrow) => return Some(narrow.is_none()),
        (Some(token), _) if !is_wild(*token) => return Some(false),
        _ => {}
    }
    while let (Some((own, rest)), Some((other, other_rest))) = (part(wide), part(narrow)) {
        match covers_part(own, other) {
            Some(true) => (wide, narrow) = (rest, other_rest),
            told => return told,
        }
    }
    covers_part(wide, narrow)
}

fn covers_part(wide: &[u32], narrow: &[u32]) -> Option<bool> {
    if let [one] = wide
        && (*one == ANY || *one == ANY_PART && narrow.iter().all(|token| !may_be_colon(*token)))
    {
        return Some(true);
    }
    let is_letter = |token: &u32| !is_wild(*token);
    let leaves = |(wide, narrow): (&u32, &u32)| is_letter(wide) && wide != narrow;
    let (begin, end) = (wide.iter().zip(narrow), wide.iter().rev().zip(narrow.iter().rev()));
    let mut begin = begin.take_while(|(wide, _)| is_letter(wide));
    let mut end = end.take_while(|(wide, _)| is_letter(wide));
    if begin.any(leaves) || end.any(leaves) {
        return Some(false);
    }
    if takes_all(wide, narrow) {
        return Some(true);
    }
    let has = |wild: [u32; 2]| wide.iter().any(|token| wild.contains(token));
    let is_one_part = || narrow.iter().all(|token| !may_be_colon(*token));
    let is_text = narrow.iter().all(|token| *token < ANY);
    let is_sure = is_text || !has([ONE, ONE_PART]) && (!has([ANY_PART; 2]) || is_one_part());
    is_sure.then_some(false)
}

/// Returns whether `wide` takes the tokens of `narrow` as they stand: a star is taken by a star alone.
fn takes_all(wide: &[u32], narrow: &[u32]) -> bool {
    let (mut at, mut from) = (0, 0);
    // The star that was met last, and how far what it takes reaches. One before it need not take more: a star that takes no
    // colon comes before those that do.
    let mut star: Option<(usize, usize)> = None;
    let mut again = 0;
    loop {
        match (wide.get(at), narrow.get(from)) {
            (Some(token), _) if is_star(*token) => {
                star = Some((at, from));
                at += 1;
            }
            (None, None) => return true,
            (Some(token), Some(other)) if is_taken(*token, *other) => {
                (at, from) = (at + 1, from + 1)
            }
            _ => {
                let Some((which, reach)) = star else { return false };
                let takes_next = narrow.get(reach).is_some_and(|it| is_starred(wide[which], *it));
                again += wide.len();
                if !takes_next || again > MAX_AGAIN && !effort::spend(mem::take(&mut again)) {
                    return false;
                }
                star = Some((which, reach + 1));
                (at, from) = (which + 1, reach + 1);
            }
        }
    }
}

/// Returns whether a token that is no star takes all that one of another pattern stands for.
fn is_taken(token: u32, other: u32) -> bool {
    match (token, other) {
        (ONE, other) => !is_star(other) && other < VARIABLE,
        (ONE_PART, other) => !is_star(other) && !may_be_colon(other) && other < VARIABLE,
        (letter, other) => letter == other,
    }
}

/// Returns whether a star takes all that a token of another pattern stands for.
fn is_starred(star: u32, other: u32) -> bool {
    star == ANY || !may_be_colon(other)
}

fn may_be_colon(token: u32) -> bool {
    matches!(token, COLON | ANY | ONE)
}

/// Returns whether some text is of both patterns, if reading tells. Neither has a variable.
pub(super) fn overlap(one: &[u32], other: &[u32]) -> Option<bool> {
    let (mut one, mut other) = beyond_the_same(one, other);
    if let (Some(a), Some(b)) = (one.first(), other.first())
        && !is_wild(*a)
        && !is_wild(*b)
    {
        return Some(false);
    }
    while let (Some((own, rest)), Some((its, other_rest))) = (part(one), part(other)) {
        match overlap_part(own, its) {
            Some(true) => (one, other) = (rest, other_rest),
            told => return told,
        }
    }
    overlap_part(one, other)
}

fn overlap_part(one: &[u32], other: &[u32]) -> Option<bool> {
    let (mut one, mut other) = (one, other);
    // Letters are peeled off both ends.
    while let ([a, one_rest @ ..], [b, other_rest @ ..]) = (one, other) {
        match (is_wild(*a), is_wild(*b)) {
            (false, false) if a != b => return Some(false),
            (false, false) => (one, other) = (one_rest, other_rest),
            _ => break,
        }
    }
    while let ([one_rest @ .., a], [other_rest @ .., b]) = (one, other) {
        match (is_wild(*a), is_wild(*b)) {
            (false, false) if a != b => return Some(false),
            (false, false) => (one, other) = (one_rest, other_rest),
            _ => break,
        }
    }
    let is_plain = |tokens: &[u32]| !tokens.iter().any(|token| is_wild(*token));
    match (one, other) {
        ([], rest) | (rest, []) => Some(rest.iter().all(|token| is_star(*token))),
        ([ANY], _) | (_, [ANY]) => Some(true),
        ([ANY_PART], rest) | (rest, [ANY_PART]) if !rest.contains(&COLON) => Some(true),
        (plain, pattern) | (pattern, plain) if is_plain(plain) => {
            Some(takes_all(pattern, plain)).filter(|takes| *takes || !effort::is_spent())
        }
        // What one begins with and the other ends with make a text together.
        ([ANY, ..], [.., ANY]) | ([.., ANY], [ANY, ..]) => Some(true),
        _ => None,
    }
}

/// Returns what comes after the letters that two patterns begin with alike.
fn beyond_the_same<'t>(one: &'t [u32], other: &'t [u32]) -> (&'t [u32], &'t [u32]) {
    let is_same = |(a, b): &(&u32, &u32)| a == b && !is_wild(**a);
    let same = one.iter().zip(other).take_while(is_same).count();
    (&one[same..], &other[same..])
}

/// Returns what stands before the first colon and what after it, if nothing before may be a colon.
fn part(tokens: &[u32]) -> Option<(&[u32], &[u32])> {
    let colon = tokens.iter().position(|token| may_be_colon(*token))?;
    match tokens[colon] {
        COLON => Some((&tokens[..colon], &tokens[colon + 1..])),
        _ => None,
    }
}

/// Returns whether some text of `within`, which none covers alone, is surely in none of `without`.
pub(super) fn is_spared<'g>(within: &[u32], without: impl Iterator<Item = &'g Glob>) -> bool {
    // A star's text of one letter that no pattern has.
    let fresh = |token: &u32| if is_wild(*token) { FRESH } else { *token };
    let text: SmallVec<[u32; 64]> = within.iter().map(fresh).collect();
    let mut without = without;
    !without.any(|out| effort::spend(out.tokens.len()) && takes_all(&out.tokens, &text))
}
