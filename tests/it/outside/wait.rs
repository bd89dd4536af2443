//! Waiting for what can be seen, with a deadline.

use std::thread;
use std::time::Duration;
use std::time::Instant;

/// How often we look.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a story waits for what should happen at once; generous, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(180);

/// Looks until `probe` sees something or `patience` is over, and returns what it saw.
pub fn within<T>(patience: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        match probe() {
            None if Instant::now() < deadline => thread::sleep(PAUSE),
            seen => return seen,
        }
    }
}

/// Looks until `holds` is true, for as long as is usual.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let seen = within(SOON, || holds().then_some(()));
    assert!(seen.is_some(), "waited {SOON:?} in vain for {what}");
}
