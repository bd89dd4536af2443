//! How far workers may be ahead of the core: by number, and by bytes decoded and not judged.
//!
//! Far enough that the disk may be slow at a commit without a worker having to wait for it.
//!
//! Invariant: whoever has the next number to be judged never waits.

use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Keeps workers from running too far ahead of the core.
pub(super) struct Ahead {
    state: Mutex<Distance>,
    changed: Condvar,
    most: u64,
}

/// How far the workers are ahead.
#[derive(Default)]
struct Distance {
    judged: u64,
    bytes: u64,
}

/// How many bytes may be decoded and not judged before workers wait. One object may exceed it by itself.
const MAX_BYTES_AHEAD: u64 = 24 << 20;

impl Ahead {
    pub(super) fn new(most: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), most: most as u64 }
    }

    pub(super) fn wait_for(&self, number: u64) {
        let is_far = |state: &mut Distance| {
            let is_next = number <= state.judged;
            let is_near = number < state.judged.saturating_add(self.most);
            let is_light = state.bytes < MAX_BYTES_AHEAD;
            !(is_next || is_near && is_light)
        };
        drop(self.changed.wait_while(self.lock(), is_far).unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn decoded(&self, bytes: u64) {
        self.lock().bytes += bytes;
    }

    pub(super) fn judged(&self, next: u64, bytes: u64) {
        let mut state = self.lock();
        state.judged = next;
        state.bytes = state.bytes.saturating_sub(bytes);
        drop(state);
        self.changed.notify_all();
    }

    /// Lets everybody go: the core has ended.
    pub(super) fn release(&self) {
        self.judged(u64::MAX, u64::MAX);
    }

    fn lock(&self) -> MutexGuard<'_, Distance> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
