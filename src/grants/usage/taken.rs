//! Acts that were counted to a grant and are another one's now, as word that came late has it.
//!
//! Invariant: what is taken back was added before, so that no count falls below what else was added.

pub(super) mod table;
