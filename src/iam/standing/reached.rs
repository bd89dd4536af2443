//! What was found of one holder: the actions that it reaches, by which ways, and what that comes to.
//!
//! Invariant: of many ways the worst are kept, and how many there are besides is said.

use std::collections::BTreeSet;

use crate::iam::escalation::Strength;
use crate::iam::standing::Class;
use crate::iam::standing::How;
use crate::iam::standing::MAX_EXAMPLES;
use crate::iam::standing::MAX_HOW;
use crate::iam::standing::bits::Bits;
use crate::iam::standing::bits::every;

/// What was found of one holder.
pub(super) struct Reached {
    /// The protected actions.
    pub bits: Bits,
    /// The ways of having them.
    pub how: Vec<How>,
    /// What could change the answer.
    pub unknown: BTreeSet<Box<str>>,
}

impl Default for Reached {
    fn default() -> Self {
        Self { bits: Bits::none(), how: Vec::new(), unknown: BTreeSet::new() }
    }
}

impl Reached {
    /// Adds a way of having actions.
    pub fn add(&mut self, bits: &Bits, how: How) {
        self.bits = std::mem::replace(&mut self.bits, Bits::none()).or(bits);
        self.how.push(how);
    }

    /// Returns the worst of what was found, and how much there is besides.
    pub fn worst(mut self) -> (Vec<How>, usize) {
        self.how.sort_by(|a, b| {
            let rank = |how: &How| (how.class, how.chain.len(), std::cmp::Reverse(how.actions));
            rank(a)
                .cmp(&rank(b))
                .then_with(|| a.chain.cmp(&b.chain))
                .then_with(|| a.policy.cmp(&b.policy))
        });
        let more = self.how.len().saturating_sub(MAX_HOW);
        self.how.truncate(MAX_HOW);
        (self.how, more)
    }
}

/// Returns the worst that a holder of some strength can do with some actions.
pub(super) fn class_of(bits: &Bits, strength: Strength) -> Class {
    match strength {
        Strength::Administrator => Class::Administrator,
        Strength::CanEscalate => Class::Escalation,
        _ => bits.iter().map(|it| Class::of_level(it.level)).min().unwrap_or(Class::Read),
    }
}

/// Returns some of the actions, those that may do most first.
pub(super) fn examples(bits: &Bits) -> Vec<Box<str>> {
    let whole = bits.len() == every().len();
    let mut all: Vec<_> = bits.iter().collect();
    all.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.lower.cmp(&b.lower)));
    if whole {
        return vec!["*".into()];
    }
    // One of each service first: five of one service say less.
    let mut services = BTreeSet::new();
    let service = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    let (first, rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|it| services.insert(service(&it.lower)));
    first.into_iter().chain(rest).take(MAX_EXAMPLES).map(|it| it.name.clone()).collect()
}
