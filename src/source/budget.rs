//! The byte budget of a source: how much of what it read may be on its way at once.
//!
//! Invariant: an object larger than the whole budget takes the whole budget, so it passes, alone.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Shares are counted in these, because a semaphore hands out at most `u32::MAX` at once.
const UNIT: u64 = 1_024;

/// What is left of a source's bytes in flight.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    free: Arc<Semaphore>,
    total_units: u32,
}

/// Part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub(super) struct Share(OwnedSemaphorePermit);

impl Budget {
    /// Returns a budget of `bytes`, rounded up.
    pub(super) fn new(bytes: u64) -> Self {
        let total_units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(total_units).unwrap_or(usize::MAX);
        Self { free: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))), total_units }
    }

    /// Waits until `bytes` are free and takes them. Whoever came first is served first.
    pub(super) async fn take(&self, bytes: u64) -> Share {
        let permit = Arc::clone(&self.free).acquire_many_owned(self.units(bytes)).await;
        Share(permit.expect("the semaphore of a budget is never closed"))
    }

    /// Takes `bytes` if that needs no waiting.
    pub(super) fn try_take(&self, bytes: u64) -> Option<Share> {
        match Arc::clone(&self.free).try_acquire_many_owned(self.units(bytes)) {
            Ok(permit) => Some(Share(permit)),
            Err(_full) => None,
        }
    }

    /// Makes `share` large enough for `bytes` if that needs no waiting, and returns whether it is.
    ///
    /// It never waits: two who hold a share and wait for more would wait for each other.
    pub(super) fn widen(&self, share: &mut Share, bytes: u64) -> bool {
        let held = u32::try_from(share.0.num_permits()).unwrap_or(u32::MAX);
        let missing = self.units(bytes).saturating_sub(held);
        if missing == 0 {
            return true;
        }
        match Arc::clone(&self.free).try_acquire_many_owned(missing) {
            Ok(more) => {
                share.0.merge(more);
                true
            }
            Err(_full) => false,
        }
    }

    /// Returns the whole budget in bytes.
    pub(super) fn total(&self) -> u64 {
        u64::from(self.total_units) * UNIT
    }

    fn units(&self, bytes: u64) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.total_units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_waits_and_what_is_too_large_goes_alone() {
        let budget = Budget::new(10 * UNIT);
        let mut small = budget.take(1).await;
        assert_eq!(budget.free.available_permits(), 9);
        assert!(budget.widen(&mut small, 4 * UNIT));
        assert_eq!(budget.free.available_permits(), 6);
        assert!(budget.widen(&mut small, 2 * UNIT), "it is wide enough already");

        let waiting = tokio::spawn({
            let budget = budget.clone();
            async move { budget.take(1_000 * UNIT).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(small);
        let large = waiting.await.unwrap();
        assert_eq!(budget.free.available_permits(), 0);
        drop(large);
        assert_eq!(budget.free.available_permits(), 10);
    }

    #[tokio::test]
    async fn nobody_waits_while_holding() {
        let budget = Budget::new(4 * UNIT);
        let mut one = budget.take(2 * UNIT).await;
        let two = budget.take(2 * UNIT).await;
        assert!(!budget.widen(&mut one, 3 * UNIT));
        drop(two);
        assert!(budget.widen(&mut one, 3 * UNIT));
    }

    #[test]
    fn extreme_sizes_do_not_overflow() {
        assert_eq!(Budget::new(0).total(), UNIT);
        let vast = Budget::new(u64::MAX);
        assert_eq!(vast.units(u64::MAX), u32::MAX);
        assert_eq!(vast.units(0), 1);
    }
}
