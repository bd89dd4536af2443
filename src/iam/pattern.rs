//! Patterns of policies: `*` for any text, `?` for one character, and ARNs of them.
//!
//! Source: IAM User Guide, "Resource": wildcards, and how an incomplete ARN is completed. An ARN is compared segment by
//! segment: within its first five no star reaches over a colon.
//!
//! Invariant: [`matches()`] and [`overlap`] are exact. [`covers`] is exact too, save that it says no where saying yes would
//! take more than [`MAX_STEPS`]: it never says yes wrongly.

use std::borrow::Cow;
use std::collections::HashSet;

use smallvec::SmallVec;

use crate::iam::effort;
use crate::model::fits;

/// How many sets of places [`covers`] looks at before it gives up. Patterns that people write take a few dozen.
pub const MAX_STEPS: usize = 20_000;

/// Returns whether the whole of `text` fits `pattern`. Case counts.
pub fn matches(pattern: &str, text: &str) -> bool {
    match text.is_ascii() || !pattern.contains('?') {
        true => fits(pattern.as_bytes(), text.as_bytes()),
        // A question mark is one character, however many bytes it takes.
        false => tokens_match(&tokens(pattern), text),
    }
}

/// Returns whether every text that fits `narrow` fits `wide`. A variable, `${aws:username}`, is the text that it is written as.
pub fn covers(wide: &str, narrow: &str) -> bool {
    if wide == narrow || is_any(wide) {
        return true;
    }
    if !narrow.contains(['*', '?']) {
        return matches(wide, narrow);
    }
    // Without `?` nothing but a star takes a letter that stands in no pattern, and a star takes any: so it does `*` and `?`
    // as they are written.
    if !wide.contains('?') {
        return fits(wide.as_bytes(), narrow.as_bytes());
    }
    // A letter that only stars and question marks take is one of the texts of `narrow` wherever it has one of them.
    if wide.is_ascii() && narrow.is_ascii() && !fits(wide.as_bytes(), narrow.as_bytes()) {
        return false;
    }
    Inclusion::new(&tokens(wide)).holds(&tokens(narrow))
}

/// Returns whether some text fits both patterns.
pub fn overlap(a: &str, b: &str) -> bool {
    if !a.contains(['*', '?']) {
        return matches(b, a);
    }
    if !b.contains(['*', '?']) {
        return matches(a, b);
    }
    // Most are told apart by the letters that they begin with.
    let differing = a.bytes().zip(b.bytes()).find(|(a, b)| a != b || matches!(a, b'*' | b'?'));
    if differing.is_some_and(|(a, b)| ![a, b].iter().any(|it| matches!(it, b'*' | b'?'))) {
        return false;
    }
    let (a, b) = (tokens(a), tokens(b));
    // `open[j]`: the rest of `a` from here and the rest of `b` from `j` have a text in common.
    let mut open = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let below = open.clone();
        for j in (0..=b.len()).rev() {
            let next = open.get(j + 1).copied().unwrap_or_default();
            let down = below.get(j).copied().unwrap_or_default();
            let both = below.get(j + 1).copied().unwrap_or_default();
            open[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                // A star ends here, or takes what the other has next.
                (Some(Token::Any), Some(_)) | (Some(_), Some(Token::Any)) => down || next,
                (Some(Token::Any), None) => down,
                (None, Some(Token::Any)) => next,
                (Some(Token::One), Some(_)) | (Some(_), Some(Token::One)) => both,
                (Some(Token::Letter(a)), Some(Token::Letter(b))) => a == b && both,
                (None, Some(_)) | (Some(_), None) => false,
            };
        }
    }
    open[0]
}

/// Returns whether `pattern` is stars only: every text fits it.
pub fn is_any(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*')
}

/// Returns whether an ARN, or the `*` of actions that have no resource, fits a pattern of a `Resource`.
pub fn arn_matches(pattern: &str, arn: &str) -> bool {
    arns(pattern, arn, matches)
}

/// Returns whether every ARN that fits `narrow` fits `wide`.
pub fn arn_covers(wide: &str, narrow: &str) -> bool {
    arns(wide, narrow, covers)
}

/// Returns whether some ARN fits both patterns.
pub fn arn_overlap(a: &str, b: &str) -> bool {
    is_any(b) || arns(a, b, overlap)
}

/// Compares two ARNs segment by segment.
fn arns(pattern: &str, arn: &str, fit: fn(&str, &str) -> bool) -> bool {
    if is_any(pattern) {
        return true;
    }
    let (Some(pattern), Some(arn)) = (segments(pattern), segments(arn)) else {
        return !is_arn(pattern) && !is_arn(arn) && fit(pattern, arn);
    };
    pattern.iter().zip(&arn).all(|(pattern, text)| fit(pattern, text))
}

fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

/// Returns the six segments of an ARN; those that are not there are `*`. A colon of a variable, `${aws:username}`, parts nothing.
pub fn segments(arn: &str) -> Option<[&str; 6]> {
    if !is_arn(arn) {
        return None;
    }
    let mut all = ["*"; 6];
    let mut rest = arn;
    for (at, place) in all.iter_mut().enumerate() {
        let end = if at < 5 { colon(rest) } else { None };
        let Some((segment, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
            *place = rest;
            break;
        };
        *place = segment;
        rest = after.strip_prefix(':').unwrap_or(after);
    }
    Some(all)
}

/// Returns where the first colon stands that is no variable's.
fn colon(text: &str) -> Option<usize> {
    let first = text.bytes().position(|byte| matches!(byte, b':' | b'$'))?;
    if text.as_bytes()[first] == b':' {
        return Some(first);
    }
    let mut is_inside = false;
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if before == '$' => is_inside = true,
            '}' => is_inside = false,
            ':' if !is_inside => return Some(at),
            _ => {}
        }
        before = letter;
    }
    None
}

/// One step of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::iam) enum Token {
    /// This character.
    Letter(char),
    /// `?`.
    One,
    /// `*`.
    Any,
}

/// Reads a pattern.
pub(in crate::iam) fn tokens(pattern: &str) -> SmallVec<[Token; 64]> {
    let mut all = SmallVec::new();
    for letter in pattern.chars() {
        let token = match letter {
            '*' => Token::Any,
            '?' => Token::One,
            letter => Token::Letter(letter),
        };
        if token != Token::Any || all.last() != Some(&Token::Any) {
            all.push(token);
        }
    }
    all
}

/// Returns whether the whole of `text` fits; on a mismatch, the last star takes one character more.
pub(in crate::iam) fn tokens_match(pattern: &[Token], text: &str) -> bool {
    let (mut p, mut rest) = (0, text.chars());
    let mut last_star = None;
    loop {
        let mut after = rest.clone();
        match (pattern.get(p), after.next()) {
            (Some(Token::Any), _) => {
                last_star = Some((p + 1, rest.clone()));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(Token::One), Some(_)) => (p, rest) = (p + 1, after),
            (Some(Token::Letter(wanted)), Some(found)) if *wanted == found => {
                (p, rest) = (p + 1, after);
            }
            _ => {
                let Some((star, mut from)) = last_star else { return false };
                if from.next().is_none() {
                    return false;
                }
                (p, rest) = (star, from.clone());
                last_star = Some((star, from));
            }
        }
    }
}

/// Where in the wide pattern one may stand: a bit per place.
type Places = SmallVec<[u64; 2]>;

/// Whether one pattern's texts are all among another's.
///
/// The narrow pattern is read from left to right, with the set of places in the wide one that what was read may have led to.
/// A letter that stands in neither pattern is the worst that `?` and `*` can meet, as it leads to a subset of the places
/// that any other letter leads to; so it is enough to look at that one.
struct Inclusion<'a> {
    wide: &'a [Token],
    steps: usize,
}

impl<'a> Inclusion<'a> {
    fn new(wide: &'a [Token]) -> Self {
        Self { wide, steps: 0 }
    }

    fn holds(mut self, narrow: &[Token]) -> bool {
        let mut start: Places = SmallVec::from_elem(0, self.wide.len() / 64 + 1);
        self.stand(&mut start, 0);
        let mut seen: HashSet<(usize, Places)> = HashSet::new();
        let mut open = vec![(0, start)];
        while let Some((at, places)) = open.pop() {
            self.steps += 1;
            if self.steps > MAX_STEPS || !effort::spend(self.wide.len()) {
                return false;
            }
            if !seen.insert((at, places.clone())) {
                continue;
            }
            match narrow.get(at) {
                None if holds_place(&places, self.wide.len()) => {}
                None => return false,
                Some(Token::Letter(letter)) => {
                    open.push((at + 1, self.step(&places, Some(*letter))));
                }
                Some(Token::One) => open.push((at + 1, self.step(&places, None))),
                Some(Token::Any) => {
                    let further = self.step(&places, None);
                    open.push((at + 1, places));
                    open.push((at, further));
                }
            }
        }
        true
    }

    /// Returns where one may stand after one more letter; `None` is a letter of neither pattern.
    fn step(&self, places: &Places, letter: Option<char>) -> Places {
        let mut next: Places = SmallVec::from_elem(0, places.len());
        for (place, token) in self.wide.iter().enumerate() {
            if !holds_place(places, place) {
                continue;
            }
            match token {
                Token::Any => self.stand(&mut next, place),
                Token::One => self.stand(&mut next, place + 1),
                Token::Letter(wanted) if letter == Some(*wanted) => {
                    self.stand(&mut next, place + 1)
                }
                Token::Letter(_) => {}
            }
        }
        next
    }

    /// Adds a place, and those after it that a star lets one reach for nothing.
    fn stand(&self, places: &mut Places, place: usize) {
        let mut place = place;
        loop {
            if let Some(word) = places.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
            if self.wide.get(place) != Some(&Token::Any) {
                return;
            }
            place += 1;
        }
    }
}

fn holds_place(places: &Places, place: usize) -> bool {
    places.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
}

/// Returns `action` as patterns of actions are written.
pub(in crate::iam) fn folded(action: &str) -> Cow<'_, str> {
    match action.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(action.to_ascii_lowercase()),
        false => Cow::Borrowed(action),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (pattern, text, expected) in [
            ("s3:get*", "s3:getobject", true),
            ("s3:get?bject", "s3:getobject", true),
            ("s3:get?", "s3:get", false),
            ("*", "", true),
            ("größe-?", "größe-ü", true),
            ("?", "ü", true),
            ("??", "ü", false),
            ("a*?ü*z", "aüüz", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn covering_and_overlap_are_those_of_sets_of_texts() {
        for (wide, narrow, covering, overlapping) in [
            ("*", "s3:*", true, true),
            ("s3:*", "*", false, true),
            ("?*", "*?", true, true),
            ("?*", "*", false, true),
            ("*a*", "*ba*c", true, true),
            ("a*b", "a?b", true, true),
            ("a?b", "a*b", false, true),
            ("s3:get*", "s3:put*", false, false),
            ("*object", "s3:*", false, true),
            ("a*?", "a*", false, true),
            ("*??*", "?*?", true, true),
            ("a**b", "a*b", true, true),
            ("", "*", false, true),
            ("", "?", false, false),
        ] {
            assert_eq!(covers(wide, narrow), covering, "{wide} covers {narrow}");
            assert_eq!(overlap(wide, narrow), overlapping, "{wide} overlaps {narrow}");
        }
    }

    #[test]
    fn no_star_reaches_over_a_colon_of_an_arn() {
        for (pattern, arn, expected) in [
            ("*", "arn:aws:s3:::b/k", true),
            ("*", "*", true),
            ("arn:aws:s3:::*", "*", false),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k:with/colons", true),
            ("arn:aws:s3:::b*", "arn:aws:s3:::bucket/k", true),
            ("arn:aws:*:role/a", "arn:aws:iam::111122223333:role/a", false),
            ("arn:*:iam::*:role/a", "arn:aws:iam::111122223333:role/a", true),
            ("arn:aws:iam::*:role/a", "arn:aws:iam::1:x:role/a", false),
            ("arn:aws:sqs", "arn:aws:sqs:eu-west-1:111122223333:q", true),
            ("arn:aws:s*", "arn:aws:sqs:eu-west-1:111122223333:q", true),
            ("arn:aws:s3:::B", "arn:aws:s3:::b", false),
            ("arn:aws:iam::${aws:PrincipalAccount}:role/a", "arn:aws:iam::1:role/a", false),
        ] {
            assert_eq!(arn_matches(pattern, arn), expected, "{pattern} {arn}");
        }
        assert!(arn_covers("arn:aws:s3:::b*", "arn:aws:s3:::b/*"));
        assert!(arn_covers("arn:aws:iam::*:role/a", "arn:aws:iam::${aws:PrincipalAccount}:role/a"));
        assert!(!arn_covers("arn:*:*:*:*:*", "*"));
        assert!(!arn_covers("arn:aws:s3:::b/*", "arn:aws:s3:::b*"));
        assert!(arn_overlap("arn:aws:s3:::a*", "arn:aws:s3:::*z"));
        assert!(arn_overlap("arn:aws:s3:::a*", "*"));
        assert!(!arn_overlap("arn:aws:s3:::a*", "arn:aws:sqs:*"));
    }

    #[test]
    fn what_takes_too_long_is_not_said_to_be_covered() {
        let wide = format!("*{}", "a?".repeat(200));
        let narrow = format!("*{}", "?a".repeat(200));
        assert!(!covers(&wide, &narrow));
    }

    /// Every text of up to five letters, one of which no pattern holds.
    fn texts() -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..5 {
            let until = all.len();
            for index in from..until {
                for letter in ['a', 'b', 'x'] {
                    let longer = format!("{}{letter}", all[index]);
                    all.push(longer);
                }
            }
            from = until;
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn short_patterns_are_compared_as_their_texts_are(a in "[ab*?]{0,4}", b in "[ab*?]{0,4}") {
            let texts = texts();
            let both = texts.iter().any(|text| matches(&a, text) && matches(&b, text));
            prop_assert_eq!(overlap(&a, &b), both);
            // Four tokens with a star are told apart by texts of five letters.
            let all = texts.iter().filter(|text| matches(&b, text)).all(|text| matches(&a, text));
            prop_assert_eq!(covers(&a, &b), all);
        }

        #[test]
        fn characters_and_bytes_agree(pattern in "[ab*?]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &text), tokens_match(&tokens(&pattern), &text));
        }
    }
}
