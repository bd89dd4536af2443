//! The books: what was read, and what became of it, per source.
//!
//! Invariant: for every source, records read = kept + duplicates + quarantined. [`Counts::balance`] is checked
//! wherever counts are added, and printed by `scan`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;

/// What became of the records of a delivery, a source or a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Objects and messages taken in.
    pub deliveries: u64,
    /// Of these, known from the ledger: acknowledged without work.
    pub redelivered: u64,
    /// Of these, routed by their key: digests, insights, notifications that carry no log.
    pub routed: u64,
    /// Of these, given up whole.
    pub rejected: u64,
    /// Records found.
    pub read: u64,
    /// Records that became events.
    pub kept: u64,
    /// Records seen before.
    pub duplicates: u64,
    /// Records that could not be read.
    pub quarantined: u64,
    /// Bytes of records after inflating.
    pub bytes: u64,
}

impl Counts {
    /// Returns whether every record that was read is accounted for.
    pub fn balance(&self) -> bool {
        self.read == self.kept + self.duplicates + self.quarantined
    }

    /// Returns the counts with their names, as the store keeps them.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("deliveries", self.deliveries),
            ("redelivered", self.redelivered),
            ("routed", self.routed),
            ("rejected", self.rejected),
            ("read", self.read),
            ("kept", self.kept),
            ("duplicates", self.duplicates),
            ("quarantined", self.quarantined),
            ("bytes", self.bytes),
        ]
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.deliveries += other.deliveries;
        self.redelivered += other.redelivered;
        self.routed += other.routed;
        self.rejected += other.rejected;
        self.read += other.read;
        self.kept += other.kept;
        self.duplicates += other.duplicates;
        self.quarantined += other.quarantined;
        self.bytes += other.bytes;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read, kept, duplicates, quarantined, .. } = self;
        write!(
            f,
            "{read} records read = {kept} kept + {duplicates} duplicates + {quarantined} quarantined"
        )
    }
}

/// The counts of each source, and what was seen and not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Books {
    /// The counts, by source.
    pub sources: BTreeMap<Arc<str>, Counts>,
    /// Actions that the table of AWS's actions does not have, the first thousand: their level is a guess by their name.
    pub unknown_actions: Vec<String>,
}

impl Books {
    /// Adds the counts of one delivery.
    pub fn add(&mut self, source: &Arc<str>, counts: Counts) {
        debug_assert!(counts.balance(), "a delivery's books do not balance: {counts}");
        *self.sources.entry(Arc::clone(source)).or_default() += counts;
    }

    /// Returns the sum over all sources.
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.sources.values().for_each(|counts| total += *counts);
        total
    }
}
