//! Finds the grants that may cover somebody at a time, among very many that do not.
//!
//! Grants stand under a key for each of their principals, in the order of their windows. A key is a hash; what is found
//! is a candidate and no more, and whoever asks compares the principal itself.
//!
//! Invariant: what is found, and in which order, depends on the grants alone and not on when they were put in.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::hash::Hasher;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::Seconds;

/// What sort of text a key was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    UserId,
    UserName,
    Group,
    IamUser,
    Role,
    /// Globs over roles of one account.
    RolesOf,
    /// Globs over roles of any account.
    Roles,
    SourceIdentity,
    OidcSubject,
    /// OIDC subjects by glob, or without their provider.
    OidcSubjects,
    Account,
}

const SORTS: usize = Sort::Account as usize + 1;

/// What grants are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    hash: u64,
    sort: usize,
}

impl Key {
    /// Makes a key of `text` as it is.
    pub(super) fn exact(sort: Sort, text: &str) -> Self {
        let sort = sort as usize;
        Self { hash: xxh3_64_with_seed(text.as_bytes(), sort as u64), sort }
    }

    /// Makes a key of two texts.
    pub(super) fn pair(sort: Sort, first: &str, second: &str) -> Self {
        let mut text: SmallVec<[u8; 128]> = SmallVec::from_slice(first.as_bytes());
        text.push(b'/');
        text.extend_from_slice(second.as_bytes());
        let sort = sort as usize;
        Self { hash: xxh3_64_with_seed(&text, sort as u64), sort }
    }

    /// Makes a key of `text` that is the same for upper and lower case.
    pub(super) fn folded(sort: Sort, text: &str) -> Self {
        let mut folded: SmallVec<[u8; 128]> = SmallVec::new();
        if text.is_ascii() {
            folded.extend_from_slice(text.as_bytes());
            folded.make_ascii_lowercase();
        } else {
            for letter in text.chars().flat_map(char::to_lowercase) {
                folded.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        let sort = sort as usize;
        Self { hash: xxh3_64_with_seed(&folded, sort as u64), sort }
    }
}

/// A grant's place in the ledger and all the time that its versions speak of, `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stay {
    pub from: Seconds,
    pub until: Seconds,
    pub grant: u32,
}

/// A stay with the latest end of it and all before it, so that a walk back knows when to stop.
#[derive(Debug, Clone, Copy)]
struct Entry {
    stay: Stay,
    reach: Seconds,
}

/// The stays under one key, by `(from, until)` and then as the caller orders grants.
#[derive(Debug, Default)]
pub(super) struct Bucket(Vec<Entry>);

/// Stays by key.
#[derive(Debug, Default)]
pub(super) struct Index {
    buckets: HashMap<u64, Bucket, BuildHasherDefault<Hashed>>,
    /// How many stays there are under keys of each sort: where there is none, nobody looks.
    counts: [usize; SORTS],
}

impl Index {
    /// Puts `stay` under `key`; `order` says which of two grants of the same time comes first.
    pub fn put(&mut self, key: Key, stay: Stay, order: impl Fn(u32, u32) -> Ordering) {
        let entries = &mut self.buckets.entry(key.hash).or_default().0;
        let comes_before = |entry: &Entry| {
            let times = (entry.stay.from, entry.stay.until).cmp(&(stay.from, stay.until));
            times.then_with(|| order(entry.stay.grant, stay.grant)).is_lt()
        };
        let at = match entries.last() {
            Some(last) if !comes_before(last) => entries.partition_point(comes_before),
            _ => entries.len(),
        };
        entries.insert(at, Entry { stay, reach: stay.until });
        mend(entries, at);
        if let Some(count) = self.counts.get_mut(key.sort) {
            *count += 1;
        }
    }

    /// Takes `stay` from under `key`.
    pub fn take(&mut self, key: Key, stay: Stay) {
        let Some(Bucket(entries)) = self.buckets.get_mut(&key.hash) else { return };
        let first = entries.partition_point(|entry| entry.stay.from < stay.from);
        let among = entries.iter().skip(first).take_while(|entry| entry.stay.from == stay.from);
        let Some(at) = among.into_iter().position(|entry| entry.stay == stay) else { return };
        entries.remove(first + at);
        mend(entries, first + at);
        if entries.is_empty() {
            self.buckets.remove(&key.hash);
        }
        if let Some(count) = self.counts.get_mut(key.sort) {
            *count -= 1;
        }
    }

    /// Returns whether anything stands under keys of `sort`.
    pub fn has(&self, sort: Sort) -> bool {
        self.counts.get(sort as usize).is_some_and(|count| *count > 0)
    }

    /// Returns the stays under `key`.
    pub fn get(&self, key: Key) -> Option<&Bucket> {
        self.buckets.get(&key.hash)
    }
}

/// Sets the reach of the entries from `at` on.
fn mend(entries: &mut [Entry], at: usize) {
    let before = at.checked_sub(1).and_then(|before| entries.get(before));
    let mut reach = before.map_or(Seconds(i64::MIN), |entry| entry.reach);
    for entry in entries.iter_mut().skip(at) {
        reach = reach.max(entry.stay.until);
        entry.reach = reach;
    }
}

impl Bucket {
    /// Returns the grants whose stay has a moment in common with `[first, last]`, those that began last first.
    pub fn during(&self, first: Seconds, last: Seconds) -> impl Iterator<Item = u32> {
        let begun = self.begun(last);
        let reaching = begun.iter().rev().take_while(move |entry| entry.reach > first);
        reaching.filter(move |entry| entry.stay.until > first).map(|entry| entry.stay.grant)
    }

    /// Returns grants that were over at `first`, those that began last first. With each goes a time at which it and
    /// all that follow were over.
    pub fn over(&self, first: Seconds, last: Seconds) -> impl Iterator<Item = (Seconds, u32)> {
        let over = self.begun(last).iter().rev().filter(move |entry| entry.stay.until <= first);
        over.map(|entry| (entry.reach, entry.stay.grant))
    }

    /// Returns grants that begin after `last`, the earliest first, with the time at which they begin.
    pub fn ahead(&self, last: Seconds) -> impl Iterator<Item = (Seconds, u32)> {
        let ahead = self.0.iter().skip(self.begun(last).len());
        ahead.map(|entry| (entry.stay.from, entry.stay.grant))
    }

    /// Returns the stays that had begun at `last`.
    ///
    /// Acts are mostly of today and stays mostly of the past: from the end on, in steps that double, so that a long past
    /// is not touched.
    fn begun(&self, last: Seconds) -> &[Entry] {
        let has_begun = |entry: &Entry| entry.stay.from <= last;
        let (mut end, mut step) = (self.0.len(), 1);
        let start = loop {
            let start = end.saturating_sub(step);
            match self.0.get(start) {
                Some(entry) if start > 0 && !has_begun(entry) => (end, step) = (start, step * 2),
                _ => break start,
            }
        };
        let between = self.0.get(start..end).unwrap_or_default();
        self.0.get(..start + between.partition_point(has_begun)).unwrap_or_default()
    }
}

/// Keys are hashes already.
#[derive(Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_had_begun_is_found_from_the_end_as_from_the_middle(
            froms in proptest::collection::vec(0i64..40, 0..40),
            last in -1i64..41,
        ) {
            let mut index = Index::default();
            let key = Key::exact(Sort::UserName, "ana");
            for (grant, from) in (0u32..).zip(&froms) {
                let stay = Stay { from: Seconds(*from), until: Seconds(from + 1), grant };
                index.put(key, stay, |one, other| one.cmp(&other));
            }
            let bucket = Bucket::default();
            let bucket = index.get(key).unwrap_or(&bucket);
            let begun = froms.iter().filter(|from| **from <= last).count();
            prop_assert_eq!(bucket.begun(Seconds(last)).len(), begun);
        }
    }

    #[test]
    fn a_folded_key_is_the_same_in_any_alphabet() {
        let key = |text| Key::folded(Sort::UserName, text);
        assert_eq!(key("Ana@Example.com"), key("aNA@example.COM"));
        assert_eq!(key("ÅSA"), key("åsa"));
        assert_ne!(key("ana"), key("anb"));
    }
}
