//! Patterns with `*` for any text and `?` for one character.
//!
//! Invariant: a pattern is matched without recursion, in time bounded by the product of both lengths.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

/// A pattern: `*` stands for any text, `?` for one character (one byte). Case counts unless it is asked not to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Glob(pub String);

impl Glob {
    /// Returns whether the whole of `text` fits the pattern.
    pub fn matches(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes())
    }

    /// Returns whether the whole of `text` fits the pattern, ASCII letters without regard to case.
    pub fn matches_in_any_case(&self, text: &str) -> bool {
        fits_in_any_case(self.0.as_bytes(), text.as_bytes())
    }

    /// Returns whether the pattern says nothing: empty, or only stars and question marks.
    pub fn matches_anything(&self) -> bool {
        self.0.bytes().all(|byte| matches!(byte, b'*' | b'?'))
    }

    /// Returns whether the pattern is the only text that fits it.
    pub fn is_literal(&self) -> bool {
        !self.0.bytes().any(|byte| matches!(byte, b'*' | b'?'))
    }
}

impl From<&str> for Glob {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether the whole of `text` fits `pattern`.
pub fn fits(pattern: &[u8], text: &[u8]) -> bool {
    fit(pattern, text, |wanted, found| wanted == found)
}

/// Returns whether the whole of `text` fits `pattern`, ASCII letters without regard to case.
pub fn fits_in_any_case(pattern: &[u8], text: &[u8]) -> bool {
    fit(pattern, text, |wanted, found| wanted.eq_ignore_ascii_case(found))
}

/// On a mismatch, the last star takes one byte more.
fn fit(pattern: &[u8], text: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut last_star = None;
    while t < text.len() {
        match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                last_star = Some((p, t));
                p += 1;
            }
            (Some(b'?'), Some(_)) => (p, t) = (p + 1, t + 1),
            (Some(wanted), Some(found)) if same(wanted, found) => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((star, from)) = last_star else { return false };
                (p, t) = (star + 1, from + 1);
                last_star = Some((star, from + 1));
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn globs_fit_whole_texts() {
        for (glob, text, expected) in [
            ("arn:aws:iam::*:role/TEAM-*", "arn:aws:iam::111122223333:role/TEAM-grant", true),
            ("AWSAFT*", "AWSAFTExecution", true),
            ("AWSAFT*", "MyAWSAFT", false),
            ("*broker", "the-broker", true),
            ("*broker", "broker-2", false),
            ("br?ker", "broker", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Glob::from(glob).matches(text), expected, "{glob} {text}");
        }
        assert!(Glob::from("IAM:create*").matches_in_any_case("iam:CreateUser"));
        assert!(!Glob::from("IAM:create*").matches("iam:CreateUser"));
    }

    /// What a pattern means, said as plainly as can be.
    fn means(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => {
                means(rest, text)
                    || text.split_first().is_some_and(|(_, text)| means(pattern, text))
            }
            (Some((b'?', rest)), Some((_, text))) => means(rest, text),
            (Some((wanted, rest)), Some((found, text))) => wanted == found && means(rest, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_what_a_pattern_means(pattern in "[ab*?]{0,9}", text in "[ab]{0,9}") {
            prop_assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), means(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn any_case_is_lower_case_on_both_sides(pattern in "[aAbB*?]{0,9}", text in "[aAbB]{0,9}") {
            let (lower, of_text) = (pattern.to_lowercase(), text.to_lowercase());
            prop_assert_eq!(Glob(pattern).matches_in_any_case(&text), means(lower.as_bytes(), of_text.as_bytes()));
        }

        #[test]
        fn a_text_fits_the_pattern_that_hides_a_part_of_it(head in "\\PC{0,8}", hidden in "\\PC{0,8}", tail in "\\PC{0,8}") {
            let pattern = Glob(format!("{head}*{tail}"));
            let text = format!("{head}{hidden}{tail}");
            prop_assert!(pattern.matches(&text));
        }
    }
}
