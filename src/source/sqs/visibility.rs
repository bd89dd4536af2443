//! When a message's visibility is renewed, and how long a message that failed stays away.
//!
//! Invariant: pure functions with saturating arithmetic; no schedule reaches the queue's limit of
//! twelve hours since the message was received.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

/// When we stop renewing: SQS itself stops at twelve hours after the receipt.
pub(super) const CAP: Duration = Duration::from_secs(11 * 3_600 + 1_800);

/// The shortest pause between two attempts to renew.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// The first pause of a message that may succeed later, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LAST_PAUSE: Duration = Duration::from_secs(900);

/// The next thing to do for a message's visibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Renew it.
    Renew {
        /// After this pause.
        after: Duration,
        /// To this length, counted from the renewal.
        to: Duration,
    },
    /// The message has been with us as long as the queue lets us have it.
    Never,
}

/// Returns the next renewal of a message received `elapsed` ago that is hidden until `hidden_until`
/// after its receipt: when half of `visibility` is left.
pub(super) fn next(visibility: Duration, elapsed: Duration, hidden_until: Duration) -> Next {
    let at = hidden_until.saturating_sub(visibility / 2).max(elapsed);
    renewal(visibility, elapsed, at)
}

/// Returns the next attempt after a renewal failed: when half of what is left has passed.
pub(super) fn again(visibility: Duration, elapsed: Duration, hidden_until: Duration) -> Next {
    let pause = (hidden_until.saturating_sub(elapsed) / 2).max(MIN_PAUSE);
    renewal(visibility, elapsed, elapsed.saturating_add(pause))
}

fn renewal(visibility: Duration, elapsed: Duration, at: Duration) -> Next {
    let to = CAP.saturating_sub(at).min(visibility);
    match to < MIN_PAUSE {
        true => Next::Never,
        false => Next::Renew { after: at.saturating_sub(elapsed), to },
    }
}

/// Returns how long a message that was received `receives` times stays away before it is tried again.
///
/// It doubles each time and is spread by up to a quarter, by `seed`, so that messages which failed
/// together do not come back together.
pub(super) fn pause(receives: u32, seed: &str) -> Duration {
    let doublings = receives.saturating_sub(1).min(16);
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LAST_PAUSE);
    let spread = u32::try_from(xxh3_64(seed.as_bytes()) % 256).unwrap_or(0);
    pause.saturating_sub(pause / 4 * spread / 256)
}

/// Returns `length` in the whole seconds that the queue counts in, rounded up.
pub(super) fn whole_seconds(length: Duration) -> i32 {
    let seconds = length.as_secs().saturating_add(u64::from(length.subsec_nanos() > 0));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn renews_at_half_time() {
        let five_minutes = seconds(300);
        let renew = |after, to| Next::Renew { after: seconds(after), to: seconds(to) };
        assert_eq!(next(five_minutes, seconds(0), seconds(300)), renew(150, 300));
        assert_eq!(next(five_minutes, seconds(150), seconds(450)), renew(150, 300));
        assert_eq!(next(five_minutes, seconds(400), seconds(300)), renew(0, 300), "late already");
        assert_eq!(again(five_minutes, seconds(150), seconds(300)), renew(75, 300));
        assert_eq!(again(five_minutes, seconds(299), seconds(300)), renew(1, 300));
        assert_eq!(again(five_minutes, seconds(900), seconds(300)), renew(1, 300));
    }

    #[test]
    fn stops_before_the_queue_does() {
        let near = CAP - seconds(100);
        let Next::Renew { to, .. } = next(seconds(300), near, near) else { panic!("not yet") };
        assert_eq!(to, seconds(100));
        assert_eq!(next(seconds(300), CAP, CAP), Next::Never);
        assert_eq!(next(seconds(300), Duration::MAX, Duration::MAX), Next::Never);
        assert_eq!(again(seconds(300), Duration::MAX, Duration::ZERO), Next::Never);
    }

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let longest = |receives| (0..64).map(|n| pause(receives, &n.to_string())).max().unwrap();
        assert!(longest(1) <= seconds(30) && longest(1) > seconds(29));
        assert!(longest(2) <= seconds(60) && longest(2) > seconds(58));
        assert!(longest(u32::MAX) <= seconds(900));
        assert_eq!(pause(0, "m"), pause(1, "m"));
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(seconds(2)), 2);
        assert_eq!(whole_seconds(Duration::MAX), i32::MAX);
    }

    proptest! {
        #[test]
        fn no_renewal_passes_the_cap(visibility in 1_u64..50_000, elapsed: u32, hidden: u32) {
            let (elapsed, hidden) = (seconds(elapsed.into()), seconds(hidden.into()));
            for next in [next(seconds(visibility), elapsed, hidden), again(seconds(visibility), elapsed, hidden)] {
                if let Next::Renew { after, to } = next {
                    prop_assert!(elapsed + after + to <= CAP);
                }
            }
        }
    }
}
