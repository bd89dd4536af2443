//! The window of events already seen, so that what CloudTrail delivers twice counts once.
//!
//! Two generations of 64-bit fingerprints: the younger fills until it is full or old enough, then the older one is
//! dropped. A fingerprint is remembered for at least the window, or for at least half of the allowed number. Two
//! different events share a fingerprint with a chance of one in 10^13 at the default size.
//!
//! Invariant: bounded, and no clock: age is measured in event time.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::hash::Hasher;

use crate::model::Seconds;
use crate::model::Span;

/// Fingerprints are hashes already.
#[derive(Debug, Default, Clone, Copy)]
pub struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

type Fingerprints = HashSet<u64, BuildHasherDefault<Plain>>;

/// The window.
#[derive(Debug)]
pub struct Seen {
    young: Fingerprints,
    old: Fingerprints,
    began: Option<Seconds>,
    window: Span,
    half: usize,
}

impl Seen {
    /// Makes an empty window of this length in event time and at most `max` events.
    pub fn new(window: Span, max: u64) -> Self {
        let half = usize::try_from(max / 2).unwrap_or(usize::MAX).max(1);
        Self {
            young: Fingerprints::default(),
            old: Fingerprints::default(),
            began: None,
            window,
            half,
        }
    }

    /// Notes an event; returns whether it is new.
    pub fn note(&mut self, fingerprint: u64, time: Seconds) -> bool {
        if self.young.contains(&fingerprint) || self.old.contains(&fingerprint) {
            return false;
        }
        let began = *self.began.get_or_insert(time);
        if self.young.len() >= self.half || time.since(began) > self.window {
            self.old = std::mem::take(&mut self.young);
            self.began = Some(time);
        }
        self.young.insert(fingerprint);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_the_window_and_not_for_ever() {
        let mut seen = Seen::new(Span(100), 1_000);
        assert!(seen.note(1, Seconds(0)));
        assert!(!seen.note(1, Seconds(100)));
        assert!(seen.note(2, Seconds(101)), "a new generation begins");
        assert!(!seen.note(1, Seconds(150)), "the older one still counts");
        assert!(seen.note(3, Seconds(202)));
        assert!(seen.note(1, Seconds(203)), "two windows later it is forgotten");
    }

    #[test]
    fn is_bounded_by_number() {
        let mut seen = Seen::new(Span(i64::MAX), 10);
        for fingerprint in 0..1_000 {
            assert!(seen.note(fingerprint, Seconds(0)));
            assert!(seen.young.len() + seen.old.len() <= 10);
        }
        assert!(!seen.note(996, Seconds(0)));
    }
}
