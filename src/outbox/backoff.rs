//! When to try again, and when not to any more.
//!
//! Invariant: pure; the caller brings the random number and the time.

use crate::model::Seconds;
use crate::model::Span;
use crate::outbox::Config;
use crate::outbox::table::Verdict;

/// A random number from 0 (inclusive) to 1, brought by whoever may be random.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

/// The delays between tries: exponential with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The upper bound of the first delay.
    pub initial: Span,
    /// The upper bound of every delay.
    pub max: Span,
    /// How long after its making a row is given up.
    pub give_up_after: Span,
}

impl Backoff {
    /// Takes the times from the configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            initial: Span(config.initial_backoff.span().0.max(1)),
            max: Span(config.max_backoff.span().0.max(1)),
            give_up_after: config.give_up_after.span(),
        }
    }

    /// Returns the delay after `attempts` failed tries: anything up to `initial` doubled each time, at least a second.
    pub fn delay(&self, attempts: u32, share: Share) -> Span {
        let doublings = attempts.saturating_sub(1).min(40);
        let bound = self.initial.0.saturating_mul(1 << doublings).min(self.max.0);
        // A share outside 0 to 1, or none at all, is the caller's mistake and costs a longer wait, no more.
        let share = if share.0.is_finite() { share.0.clamp(0.0, 1.0) } else { 1.0 };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a delay is at most hours long and need not be exact"
        )]
        let delay = (bound as f64 * share) as i64;
        Span(delay.max(1))
    }

    /// Returns what to do after a try of the row made at `created` failed for now: `asked` is the sink's own wish.
    ///
    /// A wish is a floor: the sink is not disturbed before it, but for at most `max`.
    pub fn after_failure(&self, failure: Failure, asked: Option<Span>, share: Share) -> Verdict {
        let delay = match asked {
            Some(asked) => Span(asked.0.clamp(1, self.max.0)),
            None => self.delay(failure.attempts, share),
        };
        let Failure { created, now, error, .. } = failure;
        let age = now.since(created);
        if age >= self.give_up_after {
            return Verdict::Dead { error };
        }
        // The last try is made when time is up, not some hours before it.
        let last = created.plus(self.give_up_after);
        Verdict::Retry { at: now.plus(delay).min(last), error }
    }
}

/// A try that failed for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When the row was made.
    pub created: Seconds,
    /// Now.
    pub now: Seconds,
    /// Tries so far, this one included.
    pub attempts: u32,
    /// What went wrong, for the operator.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failure(age: i64, attempts: u32) -> Failure {
        let (created, now) = (Seconds(1_000), Seconds(1_000 + age));
        Failure { created, now, attempts, error: "down".to_owned() }
    }

    fn retry(at: i64) -> Verdict {
        Verdict::Retry { at: Seconds(at), error: "down".to_owned() }
    }

    #[test]
    fn each_wait_may_be_twice_the_last_up_to_the_longest() {
        let backoff = Backoff::new(&Config::default());
        let longest: Vec<i64> =
            [1, 2, 3, 9, 10, 11, 4_000_000].map(|n| backoff.delay(n, Share(1.0)).0).to_vec();
        assert_eq!(longest, [5, 10, 20, 1_280, 2_560, 3_600, 3_600]);
        assert_eq!(backoff.delay(3, Share(0.5)), Span(10));
        assert_eq!(backoff.delay(3, Share(0.0)), Span(1));
    }

    #[test]
    fn a_sink_is_left_alone_as_long_as_it_asks_but_no_longer_than_the_longest() {
        let backoff = Backoff::new(&Config::default());
        let after = |asked| backoff.after_failure(failure(0, 1), Some(Span(asked)), Share(0.1));
        assert_eq!(after(90), retry(1_090));
        assert_eq!(after(86_400), retry(4_600));
        assert_eq!(after(0), retry(1_001));
    }

    #[test]
    fn gives_up_after_its_time_and_tries_once_at_the_very_end() {
        let backoff = Backoff::new(&Config::default());
        let after = |age| backoff.after_failure(failure(age, 30), None, Share(1.0));
        assert_eq!(after(86_399), retry(1_000 + 86_400));
        assert_eq!(after(86_400), Verdict::Dead { error: "down".to_owned() });
    }

    proptest! {
        #[test]
        fn every_delay_is_within_bounds(attempts: u32, share: f64) {
            let backoff = Backoff::new(&Config::default());
            let delay = backoff.delay(attempts, Share(share)).0;
            prop_assert!((1..=3_600).contains(&delay));
        }
    }
}
