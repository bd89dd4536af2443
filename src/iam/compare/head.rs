//! What the texts of a pattern begin with, as a number: the service of an action, partition and service of an ARN.
//!
//! Most patterns of a policy are about different services. Numbers tell those apart at once; a set of patterns has a bit for
//! each of its numbers, and tells whole statements apart.
//!
//! Invariant: of two patterns that have a text in common none [`Head::is_apart`] from the other, and their [`Marks`] meet.

use crate::iam::compare::glob::ANY;
use crate::iam::compare::glob::COLON;

/// What all texts of a pattern begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Head(u32);

/// The heads that a text of some set may have: a bit for each, which it may share with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Marks(u64);

/// What an ARN begins with.
const ARN: [u32; 4] = ['a' as u32, 'r' as u32, 'n' as u32, COLON];

impl Head {
    /// A head of which nothing is known: texts begin in more than one way.
    const ANY: Self = Self(0);

    /// Returns the head of a pattern: what stands up to its first colon, of an ARN up to the third.
    pub(super) fn of(tokens: &[u32]) -> Self {
        let mut left = if tokens.starts_with(&ARN) { 3 } else { 1 };
        let mut number = 1_u32;
        for token in tokens {
            if *token >= ANY {
                return Self::ANY;
            }
            number = (number.rotate_left(5) ^ token).wrapping_mul(0x9E37_79B1);
            left -= u32::from(*token == COLON);
            if left == 0 {
                break;
            }
        }
        Self(number.max(1))
    }

    /// Returns whether surely no text begins in both ways.
    #[inline]
    pub(super) fn is_apart(self, other: Self) -> bool {
        self != other && self != Self::ANY && other != Self::ANY
    }

    /// Returns its mark.
    pub(super) fn marks(self) -> Marks {
        match self {
            Self::ANY => Marks::ALL,
            // The upper bits are the better mixed.
            Self(number) => Marks(1 << (number >> 26)),
        }
    }
}

impl Marks {
    /// Every head.
    pub(super) const ALL: Self = Self(u64::MAX);
    /// None.
    pub(super) const NONE: Self = Self(0);

    /// Returns the marks of what is in either set.
    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the marks of what is in both sets.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns whether these are all that another set has.
    #[inline]
    pub(super) fn hold(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Returns whether something may be in both sets.
    #[inline]
    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::iam::compare::automaton::hollow;
    use crate::iam::compare::glob::Glob;
    use crate::iam::compare::glob::Sort;

    proptest! {
        #[test]
        fn what_begins_otherwise_has_nothing_in_common(
            one in "(arn:)?[ab:*?]{0,6}",
            other in "(arn:)?[ab:*?]{0,6}",
        ) {
            for sort in [Sort::Plain, Sort::Arn, Sort::Action, Sort::Exact] {
                let read = |text: &str| Glob::read(text, sort, None);
                let (one, other) = (read(&one), read(&other));
                let has_both = !hollow(&[one.clone(), other.clone()], &[]);
                prop_assert!(!(has_both && one.head().is_apart(other.head())));
                let (its, others) = (one.head().marks(), other.head().marks());
                prop_assert!(!has_both || its.meet(others));
                let is_within = hollow(&[other], &[one]);
                prop_assert!(!is_within || its.hold(others));
            }
        }
    }

    #[test]
    fn services_are_told_apart() {
        let head = |text: &str, sort| Glob::read(text, sort, None).head();
        for (one, other, sort, is_apart) in [
            ("s3:get*", "ec2:get*", Sort::Action, true),
            ("s3:get*", "s3:put*", Sort::Action, false),
            ("s*:get*", "ec2:get*", Sort::Action, false),
            ("arn:aws:s3:::a", "arn:aws:sqs:*:*:a", Sort::Arn, true),
            ("arn:aws:s3:::a", "arn:*:sqs:*:*:a", Sort::Arn, false),
            ("arn:aws:s3:::a", "*", Sort::Arn, false),
        ] {
            let (one, other) = (head(one, sort), head(other, sort));
            assert_eq!(one.is_apart(other), is_apart, "{one:?} {other:?}");
        }
    }
}
