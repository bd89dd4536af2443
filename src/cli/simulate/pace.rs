//! When files are delivered: at once or by the wall clock, until somebody interrupts it.

use std::process;
use std::sync::Arc;
use std::sync::Condvar;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::runtime::Handle;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::cli::simulate::DAY;
use crate::model::Seconds;
use crate::pipeline::dispatch::Clock as _;
use crate::pipeline::dispatch::WallClock;
use crate::simulate::Pace;
use crate::simulate::Turn;

/// How long before a live simulation begins deliveries are still made, so that whoever signed in lately is known.
const BACKLOG: i64 = 3_600;

/// How long to wait at most before the clock is read again: it may be set.
const PATIENCE: i64 = 30;

/// A simulation by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    /// When it begins: a whole minute.
    pub(super) began: Seconds,
    /// When it ends by itself.
    pub(super) until: Seconds,
}

impl Live {
    /// Returns one that begins in the minute of `now` and goes on for `days`.
    pub(super) fn from(now: Seconds, days: i64) -> Self {
        let began = Seconds(now.0 - now.0.rem_euclid(60));
        Self { began, until: Seconds(began.0 + days * DAY) }
    }

    /// Returns the midnight before it begins: people keep their hours.
    pub(super) fn midnight(self) -> Seconds {
        Seconds(self.began.0 - self.began.0.rem_euclid(DAY))
    }

    fn earliest(self) -> Seconds {
        Seconds(self.began.0 - BACKLOG)
    }
}

/// The pace of a simulation at the command line.
#[derive(Debug)]
pub(super) struct Gait {
    live: Option<Live>,
    /// Shows how far it has come.
    pub(super) bar: ProgressBar,
    stopped: Mutex<bool>,
    on_stop: Condvar,
    /// The moment of the latest delivery.
    reached: AtomicI64,
    first: AtomicI64,
}

impl Gait {
    /// Returns the pace of `live`, or none at all.
    pub(super) fn new(live: Option<Live>, bar: ProgressBar) -> Self {
        Self {
            live,
            bar,
            stopped: Mutex::new(false),
            on_stop: Condvar::new(),
            reached: AtomicI64::new(i64::MIN),
            first: AtomicI64::new(i64::MAX),
        }
    }

    /// Ends it: what has not been delivered is left out.
    pub(super) fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.on_stop.notify_all();
    }

    /// Returns whether it was ended before its time.
    pub(super) fn was_stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the wall clock shows `moment`.
    fn wait_by_the_clock(&self, moment: Seconds) -> Turn {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let wait = moment.since(WallClock.now()).0;
            match () {
                () if *stopped => return Turn::LeaveOut,
                () if wait <= 0 => return Turn::Deliver,
                () => {}
            }
            let wait = Duration::from_secs(wait.min(PATIENCE).unsigned_abs());
            let waited = self.on_stop.wait_timeout(stopped, wait);
            stopped = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Pace for Gait {
    fn wait_for(&self, moment: Seconds) -> Turn {
        let turn = match self.live {
            None if self.was_stopped() => Turn::LeaveOut,
            None => Turn::Deliver,
            Some(live) if moment < live.earliest() || moment >= live.until => Turn::LeaveOut,
            Some(_) => self.wait_by_the_clock(moment),
        };
        if turn == Turn::Deliver {
            let reached = self.reached.fetch_max(moment.0, Ordering::Relaxed).max(moment.0);
            let first = self.first.fetch_min(moment.0, Ordering::Relaxed).min(moment.0);
            self.bar.set_position(reached.saturating_sub(first).unsigned_abs());
            if self.live.is_some() {
                self.bar.set_message(format!("the latest file was due at {}", Seconds(reached)));
            }
        }
        turn
    }

    fn told(&self, day: i64, records: u64) {
        self.bar.set_message(format!("day {}, {records} records", day + 1));
    }

    fn part_of(&self, (start, end): (Seconds, Seconds)) -> (Seconds, Seconds) {
        let (start, end) = match self.live {
            None => (start, end),
            Some(live) => (start.max(live.earliest()), end.min(live.until)),
        };
        match self.was_stopped() {
            false => (start, end),
            true => (start, end.min(Seconds(self.reached.load(Ordering::Relaxed))).max(start)),
        }
    }
}

/// Lets SIGINT and SIGTERM end it in good order; a second one ends the process.
pub(super) fn stop_on_signal(runtime: &Handle, gait: &Arc<Gait>) -> std::io::Result<()> {
    let _entered = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (mut signals, gait) = (signal(kind)?, Arc::clone(gait));
        runtime.spawn(async move {
            while signals.recv().await.is_some() {
                if gait.was_stopped() {
                    process::exit(128 + kind.as_raw_value());
                }
                gait.stop();
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MONDAY: Seconds = Seconds(1_772_409_600);

    fn at(seconds: i64) -> Seconds {
        Seconds(MONDAY.0 + seconds)
    }

    #[test]
    fn a_live_simulation_begins_in_this_minute_of_this_day() {
        let live = Live::from(at(36_061), 2);
        assert_eq!((live.began, live.midnight()), (at(36_060), MONDAY));
        assert_eq!(live.until, at(36_060 + 2 * DAY));
    }

    #[test]
    fn what_was_due_long_before_or_after_a_live_simulation_is_left_out() {
        let live = Live::from(at(36_000), 1);
        let gait = Gait::new(Some(live), ProgressBar::hidden());
        assert_eq!(gait.wait_for(at(32_399)), Turn::LeaveOut);
        assert_eq!(gait.wait_for(at(32_400)), Turn::Deliver, "of the last hour");
        assert_eq!(gait.wait_for(at(36_000 + DAY)), Turn::LeaveOut);
        assert_eq!(gait.part_of((MONDAY, at(2 * DAY))), (at(32_400), at(36_000 + DAY)));
    }

    #[test]
    fn whoever_waits_for_the_clock_is_woken_by_the_stop() {
        let now = WallClock.now();
        let gait = Gait::new(Some(Live::from(now, 1)), ProgressBar::hidden());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| gait.wait_for(now.plus(crate::model::Span(3_600))));
            gait.stop();
            assert_eq!(waiting.join().unwrap(), Turn::LeaveOut);
        });
    }

    #[test]
    fn a_simulation_that_was_stopped_ends_where_it_was() {
        let gait = Gait::new(None, ProgressBar::hidden());
        assert_eq!(gait.wait_for(at(400)), Turn::Deliver);
        assert_eq!(gait.part_of((MONDAY, at(DAY))), (MONDAY, at(DAY)));
        gait.stop();
        assert_eq!(gait.wait_for(at(700)), Turn::LeaveOut);
        assert_eq!(gait.part_of((MONDAY, at(DAY))), (MONDAY, at(400)));
    }
}
