//! Variables of two documents, as numbers.
//!
//! Invariant: what differs in the case of its key alone is one variable, and its number does not depend on which document has it.

use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::iam::compare::glob::VARIABLE;

/// Numbers for variables, the same for the same variable.
#[derive(Debug, Default)]
pub(super) struct Variables(HashMap<Box<str>, u32>);

impl Variables {
    /// Numbers the variables of these texts, in an order that does not depend on theirs.
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut names: BTreeSet<Box<str>> = BTreeSet::new();
        for text in texts {
            let mut rest = text;
            while let Some((name, after)) = variable(rest) {
                names.insert(folded(name));
                rest = after;
            }
        }
        Self(names.into_iter().zip(VARIABLE..).collect())
    }

    /// Returns the number of a variable, a new one if it was not met before.
    pub(super) fn number(&mut self, name: &str) -> u32 {
        let next = VARIABLE + u32::try_from(self.0.len()).unwrap_or(u32::MAX >> 2);
        *self.0.entry(folded(name)).or_insert(next)
    }

    /// Returns the variable of a number.
    pub(super) fn name(&self, number: u32) -> &str {
        self.0.iter().find(|(_, it)| **it == number).map_or("", |(name, _)| name)
    }
}

/// Returns the first variable of a text, and what comes after it.
fn variable(text: &str) -> Option<(&str, &str)> {
    text.split_once("${").and_then(|(_, inner)| inner.split_once('}'))
}

/// Returns a variable with its key in lower case. The case of what stands for a key that is absent counts.
fn folded(name: &str) -> Box<str> {
    let (key, default) = name.split_at(name.find(',').unwrap_or(name.len()));
    format!("{}{default}", key.to_ascii_lowercase()).into()
}
