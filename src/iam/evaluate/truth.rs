//! True, false, or dependent on what is not known.
//!
//! Invariant: what was made out of truths is true or false only if it is so whatever the unknown ones are.

use std::collections::BTreeSet;

/// What something depends on: condition keys, ARNs of what is not known.
pub(in crate::iam) type Needs = BTreeSet<Box<str>>;

/// A truth of three values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::iam) enum Truth {
    /// It does not hold.
    False,
    /// It depends on these.
    Unknown(Needs),
    /// It holds.
    True,
}

impl Truth {
    /// Returns what depends on `need`.
    pub(in crate::iam) fn needs(need: &str) -> Self {
        Self::Unknown(BTreeSet::from([need.into()]))
    }

    pub(in crate::iam) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, other) | (other, Self::True) => other,
            (Self::Unknown(mut all), Self::Unknown(more)) => {
                all.extend(more);
                Self::Unknown(all)
            }
        }
    }

    pub(in crate::iam) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::False, other) | (other, Self::False) => other,
            (Self::Unknown(mut all), Self::Unknown(more)) => {
                all.extend(more);
                Self::Unknown(all)
            }
        }
    }

    pub(in crate::iam) fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::True => Self::False,
            unknown => unknown,
        }
    }

    /// Returns whether any of `all` holds.
    pub(in crate::iam) fn any(all: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::False;
        for one in all {
            found = found.or(one);
            if found == Self::True {
                break;
            }
        }
        found
    }

    /// Returns whether all of `all` hold.
    pub(in crate::iam) fn all(all: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::True;
        for one in all {
            found = found.and(one);
            if found == Self::False {
                break;
            }
        }
        found
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}
