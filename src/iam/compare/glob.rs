//! Patterns as sets of texts, with unions taken off and intersections kept: what comparing products of patterns needs.
//!
//! Unlike `pattern.rs`, one automaton reads a whole ARN or action: a star before the last part of one takes no colon. A
//! variable is a letter of its own, as nobody knows its value: what holds of it as a letter holds of any value.
//!
//! Invariant: [`Glob::covers`] and [`is_hollow`] never say yes wrongly; they say no where yes would take too long.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::iam::compare::automaton::hollow;
use crate::iam::compare::head::Head;
use crate::iam::compare::reading;
use crate::iam::compare::variables::Variables;
use crate::iam::effort;

/// How many patterns an intersection of two may come to before it is kept as both.
const MAX_MEET: usize = 12;

/// How many letters are compared in the time in which one of a pattern is read.
const LETTERS: usize = 16;

/// Any text.
pub(super) const ANY: u32 = 0x11_0001;
/// Any character.
pub(super) const ONE: u32 = 0x11_0002;
/// Any text without a colon.
pub(super) const ANY_PART: u32 = 0x11_0003;
/// Any character but a colon.
pub(super) const ONE_PART: u32 = 0x11_0004;
/// The first variable.
pub(super) const VARIABLE: u32 = 0x12_0000;
pub(super) const COLON: u32 = ':' as u32;
const STAR: u32 = '*' as u32;
const QUESTION: u32 = '?' as u32;
const DOLLAR: u32 = '$' as u32;
const BRACE: u32 = '{' as u32;

/// What sort of text a pattern is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// `service:name`.
    Action,
    /// An ARN, completed with stars, or any other text.
    Arn,
    /// A text in which a colon is a letter.
    Plain,
    /// A text without wildcards.
    Exact,
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Glob {
    pub(super) tokens: Arc<[u32]>,
    shape: Shape,
    head: Head,
}

/// What is quick to know of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Shape {
    /// One text.
    Literal,
    /// A pattern without variables.
    Wild,
    /// One with variables.
    Variable,
}

impl Glob {
    /// Reads a pattern; `variables` is given where `${…}` is one.
    pub(super) fn read(text: &str, sort: Sort, variables: Option<&mut Variables>) -> Self {
        if sort != Sort::Exact && !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
            return match sort {
                Sort::Action => Self::read("*:*", sort, variables),
                _ => Self::of(&[ANY]),
            };
        }
        let parts = match sort {
            Sort::Action => 1,
            Sort::Arn if text.starts_with("arn:") => 5,
            _ => 0,
        };
        let mut tokens: SmallVec<[u32; 96]> = SmallVec::new();
        let (mut colons, mut rest, mut variables) = (0, text, variables);
        while let Some(letter) = rest.chars().next() {
            let variable = match letter {
                '$' => rest.strip_prefix("${").and_then(|inner| inner.split_once('}')),
                _ => None,
            };
            if let (Some((name, after)), Some(variables)) = (variable, variables.as_deref_mut()) {
                match name {
                    "*" | "?" | "$" => tokens.extend(name.chars().map(u32::from)),
                    name => tokens.push(variables.number(name)),
                }
                rest = after;
                continue;
            }
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            let is_part = colons < parts;
            let token = match letter {
                '*' if sort != Sort::Exact => [ANY, ANY_PART][usize::from(is_part)],
                '?' if sort != Sort::Exact => [ONE, ONE_PART][usize::from(is_part)],
                letter => u32::from(letter),
            };
            colons += usize::from(letter == ':');
            if !is_star(token) || tokens.last() != Some(&token) {
                tokens.push(token);
            }
        }
        if sort == Sort::Arn && parts > 0 {
            complete(&mut tokens, colons);
        }
        Self::of(&tokens)
    }

    fn of(tokens: &[u32]) -> Self {
        let shape = match tokens.iter().max() {
            Some(token) if *token >= VARIABLE => Shape::Variable,
            Some(token) if *token >= ANY => Shape::Wild,
            _ => Shape::Literal,
        };
        Self { tokens: tokens.into(), shape, head: Head::of(tokens) }
    }

    /// Returns what its texts begin with.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Returns whether every text fits.
    pub(super) fn is_any(&self) -> bool {
        *self.tokens == [ANY]
    }

    /// Returns whether it is one text without variables.
    pub(super) fn is_literal(&self) -> bool {
        self.shape == Shape::Literal
    }

    /// Returns whether it is of actions and takes in all that a service has.
    pub(super) fn is_service(&self) -> bool {
        self.tokens.ends_with(&[COLON, ANY])
    }

    /// Returns whether it has a variable.
    fn has_variable(&self) -> bool {
        self.shape == Shape::Variable
    }

    /// Returns the pattern as it is written.
    pub(super) fn text(&self, variables: &Variables) -> String {
        let mut text = String::with_capacity(self.tokens.len());
        for (at, token) in self.tokens.iter().enumerate() {
            match *token {
                ANY | ANY_PART => text.push('*'),
                ONE | ONE_PART => text.push('?'),
                // What is plain text here would be read as a wildcard.
                STAR => text.push_str("${*}"),
                QUESTION => text.push_str("${?}"),
                DOLLAR if self.tokens.get(at + 1) == Some(&BRACE) => text.push_str("${$}"),
                number if number >= VARIABLE => {
                    text.push_str(&format!("${{{}}}", variables.name(number)));
                }
                letter => {
                    if let Some(letter) = char::from_u32(letter) {
                        text.push(letter);
                    }
                }
            }
        }
        text
    }

    /// Returns whether all that fits `narrow` fits this, whatever the values of variables are.
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        if self.head.is_apart(narrow.head) {
            return false;
        }
        if self.is_any() || self == narrow {
            return true;
        }
        if self.parts_from(narrow) {
            return false;
        }
        let looked_at = if self.is_literal() { 1 } else { self.tokens.len() + narrow.tokens.len() };
        if !effort::spend(looked_at) || self.is_literal() {
            return false;
        }
        reading::covers(&self.tokens, &narrow.tokens)
            .unwrap_or_else(|| hollow(std::slice::from_ref(narrow), std::slice::from_ref(self)))
    }

    /// Returns whether some text may fit both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        if self.head.is_apart(other.head) {
            return false;
        }
        if self.is_literal() && other.is_literal() {
            effort::spend(1);
            return self == other;
        }
        if self.parts_from(other) {
            return false;
        }
        if !effort::spend(self.tokens.len() + other.tokens.len()) {
            return true;
        }
        let (one, other) = (self.loosened(), other.loosened());
        reading::overlap(&one.tokens, &other.tokens)
            .unwrap_or_else(|| !hollow(&[one.into_owned(), other.into_owned()], &[]))
    }

    /// Returns whether the two differ in a letter before either may be anything: then no text fits both. That is looked at much
    /// faster than a pattern is read.
    fn parts_from(&self, other: &Self) -> bool {
        let mut pairs = self.tokens.iter().zip(&*other.tokens).enumerate();
        let Some((at, (one, two))) = pairs.find(|(_, (one, two))| one != two) else { return false };
        effort::spend(1 + at / LETTERS);
        let is_letter = |token: u32| token < ANY;
        let are_letters = self.tokens.iter().take(at).copied().all(is_letter);
        are_letters && is_letter(*one) && is_letter(*two)
    }

    /// Returns the pattern in lower case.
    pub(super) fn folded(&self) -> Self {
        let fold = |token: &u32| match char::from_u32(*token) {
            Some(letter) => letter.to_lowercase().map(u32::from).collect::<SmallVec<[u32; 2]>>(),
            None => SmallVec::from_slice(&[*token]),
        };
        Self::of(&self.tokens.iter().flat_map(fold).collect::<Vec<u32>>())
    }

    /// Returns the pattern with a star for each variable.
    fn loosened(&self) -> Cow<'_, Self> {
        if !self.has_variable() {
            return Cow::Borrowed(self);
        }
        let loose = |token: &u32| if *token >= VARIABLE { ANY } else { *token };
        Cow::Owned(Self::of(&self.tokens.iter().map(loose).collect::<Vec<u32>>()))
    }

    /// Returns the patterns that together are the intersection; `None` if they are too many, or depend on a variable.
    pub(super) fn meet(&self, other: &Self) -> Option<Vec<Self>> {
        if self.covers(other) {
            return Some(vec![other.clone()]);
        }
        if other.covers(self) {
            return Some(vec![self.clone()]);
        }
        if self.has_variable() || other.has_variable() {
            return None;
        }
        let mut all = Vec::new();
        let mut steps = 0;
        let is_whole =
            interleave(&self.tokens, &other.tokens, &mut Vec::new(), &mut all, &mut steps);
        if !effort::spend(steps) {
            return None;
        }
        let mut globs: Vec<Self> = all.iter().map(|tokens| Self::of(tokens)).collect();
        globs.sort_by_key(|glob| glob.tokens.len());
        let mut kept: Vec<Self> = Vec::new();
        for glob in globs {
            if !kept.iter().any(|wide| wide.covers(&glob)) {
                kept.retain(|narrow| !glob.covers(narrow));
                kept.push(glob);
            }
        }
        (is_whole && kept.len() <= MAX_MEET).then_some(kept)
    }
}

fn complete(tokens: &mut SmallVec<[u32; 96]>, colons: usize) {
    for at in colons..5 {
        tokens.push(COLON);
        tokens.push(if at + 1 == 5 { ANY } else { ANY_PART });
    }
}

pub(super) fn is_wild(token: u32) -> bool {
    matches!(token, ANY | ANY_PART | ONE | ONE_PART)
}

pub(super) fn is_star(token: u32) -> bool {
    matches!(token, ANY | ANY_PART)
}

/// Returns whether a pattern's token takes a letter.
pub(super) fn takes(token: u32, letter: u32) -> bool {
    match token {
        // A variable is a text, and not always of one letter.
        ONE | ONE_PART if letter >= VARIABLE => false,
        ANY | ONE => true,
        ANY_PART | ONE_PART => letter != COLON,
        own => own == letter,
    }
}

/// Writes down the ways two patterns' texts can be one; returns whether those are all.
fn interleave(
    a: &[u32],
    b: &[u32],
    so_far: &mut Vec<u32>,
    all: &mut Vec<Box<[u32]>>,
    steps: &mut usize,
) -> bool {
    *steps += 1;
    if *steps > 4_000 || all.len() > 64 {
        return false;
    }
    let mut go = |token: Option<u32>, a: &[u32], b: &[u32]| {
        let length = so_far.len();
        if let Some(token) = token.filter(|it| !is_star(*it) || so_far.last() != Some(it)) {
            so_far.push(token);
        }
        let is_whole = interleave(a, b, so_far, all, steps);
        so_far.truncate(length);
        is_whole
    };
    let (first, second) = (a.first().copied(), b.first().copied());
    match (first, second) {
        (None, None) => {
            all.push(so_far.as_slice().into());
            true
        }
        (None, Some(star)) => !is_star(star) || go(None, a, &b[1..]),
        (Some(star), None) => !is_star(star) || go(None, &a[1..], b),
        (Some(x), Some(y)) if is_star(x) && is_star(y) => {
            let both = if x == ANY { y } else { x };
            go(Some(both), &a[1..], b) && go(Some(both), a, &b[1..])
        }
        (Some(star), Some(y)) if is_star(star) => {
            let taken = narrower(star, y);
            go(None, &a[1..], b) && taken.is_none_or(|token| go(Some(token), a, &b[1..]))
        }
        (Some(x), Some(star)) if is_star(star) => {
            let taken = narrower(star, x);
            go(None, a, &b[1..]) && taken.is_none_or(|token| go(Some(token), &a[1..], b))
        }
        (Some(x), Some(y)) => match narrower(x, y) {
            Some(token) => go(Some(token), &a[1..], &b[1..]),
            None => true,
        },
    }
}

/// Returns the one character that fits both tokens, the second of which is no star.
fn narrower(wide: u32, token: u32) -> Option<u32> {
    match (wide, token) {
        (ANY | ONE, token) => Some(token),
        (ANY_PART | ONE_PART, ONE | ONE_PART) => Some(ONE_PART),
        (ANY_PART | ONE_PART, COLON) => None,
        (ANY_PART | ONE_PART, token) => Some(token),
        (letter, ONE) => Some(letter),
        (letter, ONE_PART) => (letter != COLON).then_some(letter),
        (a, b) => (a == b).then_some(a),
    }
}

/// Returns whether surely no text fits all of `within` and none of `without`.
pub(super) fn is_hollow<'g>(
    within: &[Glob],
    without: impl Iterator<Item = &'g Glob> + Clone,
) -> bool {
    if without.clone().any(|out| within.iter().any(|glob| out.covers(glob))) {
        return true;
    }
    if let [one] = within {
        // A text is covered by one or by none.
        if one.is_literal() || reading::is_spared(&one.tokens, without.clone()) {
            return false;
        }
        let near = without.clone().filter(|out| !out.has_variable() && out.overlaps(one));
        // One pattern that does not cover all leaves something.
        if near.take(2).count() < 2 {
            return false;
        }
    }
    let is_apart =
        |(at, one): (usize, &Glob)| within.iter().skip(at + 1).any(|it| !it.overlaps(one));
    if within.iter().enumerate().any(is_apart) {
        return true;
    }
    // One text that all the others take too.
    if within.iter().any(Glob::is_literal) {
        return false;
    }
    let loose: SmallVec<[Glob; 2]> =
        within.iter().map(|glob| glob.loosened().into_owned()).collect();
    let out: Vec<Glob> = without.filter(|out| !out.has_variable()).cloned().collect();
    hollow(&loose, &out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_told_apart_at_once_is_told_apart_by_reading(
            wide in "[ab:*?]{0,6}",
            narrow in "[ab:*?]{0,6}",
        ) {
            let read = |text: &str| Glob::read(text, Sort::Plain, None);
            let (wide, narrow) = (read(&wide), read(&narrow));
            let (one, other) = (std::slice::from_ref(&narrow), std::slice::from_ref(&wide));
            prop_assert_eq!(wide.covers(&narrow), hollow(one, other));
        }
    }
}
