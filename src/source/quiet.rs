//! Keeps a failure that repeats from filling the log.
//!
//! Invariant: the first of a kind is always told, and what was not told is counted in what is.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

/// How long a kind of failure stays silent after it was told.
const SILENCE: Duration = Duration::from_secs(60);

/// Remembers when each kind of failure was told last.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<BTreeMap<&'static str, Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    since: u64,
}

impl Quiet {
    /// Returns how many of `kind` were kept silent since the last one told, if this one is to be told.
    pub(super) fn speaks(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = told.get_mut(kind) else {
            told.insert(kind, Told { at: now, since: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(last.at) < SILENCE {
            last.since = last.since.saturating_add(1);
            return None;
        }
        last.at = now;
        Some(std::mem::take(&mut last.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_the_rest_is_counted() {
        let quiet = Quiet::default();
        let start = Instant::now();
        assert_eq!(quiet.speaks("denied", start), Some(0));
        assert_eq!(quiet.speaks("denied", start), None);
        assert_eq!(quiet.speaks("slow", start), Some(0));
        assert_eq!(quiet.speaks("denied", start), None);
        assert_eq!(quiet.speaks("denied", start + SILENCE), Some(2));
        assert_eq!(quiet.speaks("denied", start + SILENCE * 2), Some(0));
    }
}
