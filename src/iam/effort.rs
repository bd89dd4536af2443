//! How much work a comparison may take: whoever may write policies may write some that would take years to tell apart.
//!
//! What is counted are tokens, clauses and pieces that are looked at. Work is done many calls deep, in operators that know
//! nothing of the comparison that they are part of; so the count is the thread's, for as long as [`within`] runs.
//!
//! Invariant: how much is spent depends on what is compared and on nothing else.

use std::cell::Cell;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// Puts back what was left before.
struct Before(u64);

impl Drop for Before {
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// Does some work; `None` if it takes more than `units`. What comes back then was broken off and is not to be used.
pub(in crate::iam) fn within<T>(units: u64, work: impl FnOnce() -> T) -> Option<T> {
    at_most(units, || Some(work()).filter(|_| !is_spent()))
}

/// Does some work, which does without what takes more than `units`.
pub(in crate::iam) fn at_most<T>(units: u64, work: impl FnOnce() -> T) -> T {
    let _before = Before(LEFT.replace(units));
    work()
}

/// Notes work that is about to be done; returns whether it may be.
#[inline]
pub(in crate::iam) fn spend(units: usize) -> bool {
    let left = LEFT.get().saturating_sub(units as u64);
    LEFT.set(left);
    left > 0
}

/// Returns whether nothing may be done any more.
#[inline]
pub(in crate::iam) fn is_spent() -> bool {
    LEFT.get() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_more_is_given_up_and_the_next_is_not() {
        let work = |pieces: usize| (0..pieces).take_while(|_| spend(10)).count();
        assert_eq!(within(100, || work(9)), Some(9));
        assert_eq!(within(100, || work(1_000)), None);
        assert_eq!(within(100, || (within(20, || work(5)), work(9))), Some((None, 9)));
        assert_eq!(work(1_000), 1_000);
    }
}
