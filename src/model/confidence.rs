//! How sure it is who acted: one scale for names, for the joins behind them and for verdicts.
//!
//! Invariant: what is called otherwise is as good as not known.

/// How sure it is who acted, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// The record says so itself, or names what does.
    Exact,
    /// One session fits.
    Probable,
    /// Several would fit, or nothing is known.
    Ambiguous,
}

impl Confidence {
    /// Returns its name in facts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Probable => "probable",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// Returns the confidence called `name`; what is called otherwise is not sure.
    pub fn named(name: &str) -> Self {
        match name {
            "exact" => Self::Exact,
            "probable" => Self::Probable,
            _ => Self::Ambiguous,
        }
    }
}
