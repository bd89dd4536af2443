//! The wall clock as lanes see it, so that tests can move it.

use std::time::Duration;

use crate::model::Seconds;
use crate::pipeline::dispatch::Waiting;

/// What time it is, and waiting.
pub trait Clock: Send + Sync {
    /// Returns the time.
    fn now(&self) -> Seconds;
    /// Waits for `wait`.
    fn sleep(&self, wait: Duration) -> Waiting<'static, ()>;
}

/// The real one.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "when to try again is a matter of the wall clock"
    )]
    fn now(&self) -> Seconds {
        Seconds(jiff::Timestamp::now().as_second())
    }

    fn sleep(&self, wait: Duration) -> Waiting<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}
