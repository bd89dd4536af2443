//! Which deliveries a scan looks at, by the time in their names.
//!
//! Invariant: the window is about events, and a delivery is later than its events; so it is widened,
//! never narrowed, and what has no time in its name is always inside.

use crate::model::Seconds;
use crate::model::Span;

/// Flow log files bear the end of their window, and clocks differ.
const BEFORE: Span = Span(15 * 60);

/// CloudTrail delivers within some 15 minutes, flow logs within 20; after an outage it is hours.
const AFTER: Span = Span(2 * 3_600);

/// The time of the events that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// The first moment; without it, from the beginning.
    pub from: Option<Seconds>,
    /// The last moment; without it, to the end.
    pub to: Option<Seconds>,
}

impl Window {
    /// Returns whether a delivery made at `at` may hold events of this window.
    pub fn has_delivery(self, at: Seconds) -> bool {
        let early = self.from.is_some_and(|from| at.plus(BEFORE) < from);
        let late = self.to.is_some_and(|to| at > to.plus(AFTER));
        !early && !late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_come_after_their_events() {
        let at = |text: &str| Seconds::parse(text).unwrap();
        let window =
            Window { from: Some(at("2026-03-01T08:00:00Z")), to: Some(at("2026-03-01T09:00:00Z")) };
        assert!(!window.has_delivery(at("2026-03-01T07:44:59Z")));
        assert!(window.has_delivery(at("2026-03-01T07:45:00Z")));
        assert!(window.has_delivery(at("2026-03-01T11:00:00Z")));
        assert!(!window.has_delivery(at("2026-03-01T11:00:01Z")));
        assert!(Window::default().has_delivery(Seconds(i64::MIN)));
    }
}
