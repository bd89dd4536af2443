//! How many grants there are in each state, without asking all of them each time.
//!
//! Most grants of a ledger are over, and stay so unless somebody speaks of them again. Only the others are asked.
//!
//! Invariant: the counts are those of asking every grant at the time of the last [`Census::taken`].

use std::collections::BTreeSet;

use crate::grants::grant::GrantId;
use crate::grants::grant::Status;
use crate::grants::ledger::Ledger;
use crate::model::Seconds;
use crate::model::Span;

/// How far time moves on before it is counted again, if nobody says anything.
const PAUSE: Span = Span(60);

/// How many states there are.
const STATES: usize = Status::ALL.len();

/// How many grants are in which state.
#[derive(Debug)]
pub struct Census {
    /// The state that each grant was counted in, by its place in the ledger; `None` for those that lie ahead.
    counted: Vec<Option<Status>>,
    counts: [u64; STATES],
    /// Grants whose state time may change, or somebody spoke of.
    open: BTreeSet<u32>,
    is_stale: bool,
    next: Seconds,
}

impl Census {
    pub(super) fn new(ledger: &Ledger) -> Self {
        let places = 0..u32::try_from(ledger.len()).unwrap_or(u32::MAX);
        Self {
            counted: Vec::new(),
            counts: [0; STATES],
            open: places.collect(),
            is_stale: true,
            next: Seconds(i64::MIN),
        }
    }

    pub(super) fn learned(&mut self, ledger: &Ledger, id: &GrantId) {
        self.open.extend(ledger.place(id));
        self.is_stale = true;
    }

    /// Counts at `now`, if it is time to; returns how many grants are in each state.
    pub(super) fn taken(
        &mut self,
        ledger: &Ledger,
        now: Seconds,
    ) -> Option<impl Iterator<Item = (&'static str, u64)>> {
        if !self.is_stale && now < self.next {
            return None;
        }
        self.is_stale = false;
        self.next = now.plus(PAUSE);
        self.counted.resize(ledger.len(), None);
        let mut settled = Vec::new();
        for place in &self.open {
            let at = usize::try_from(*place).unwrap_or(usize::MAX);
            let (Some(held), Some(counted)) = (ledger.held(*place), self.counted.get_mut(at))
            else {
                continue;
            };
            let state = held.grant.state(now);
            let before = std::mem::replace(counted, state);
            if let Some(count) = before.and_then(|state| self.counts.get_mut(state as usize)) {
                *count -= 1;
            }
            if let Some(count) = state.and_then(|state| self.counts.get_mut(state as usize)) {
                *count += 1;
            }
            // What its source said for later is ahead of it still.
            let is_told = held.grant.versions().all(|(version, _)| version.emitted_at <= now);
            if is_told && state.is_some_and(Status::is_final) {
                settled.push(*place);
            }
        }
        for place in settled {
            self.open.remove(&place);
        }
        Some(Status::ALL.into_iter().map(Status::name).zip(self.counts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Evidence;
    use crate::grants::Version;
    use crate::grants::testkit::at;
    use crate::grants::testkit::then;
    use crate::grants::testkit::version;

    fn told(census: &mut Census, ledger: &mut Ledger, version: Version) {
        let id = version.id.clone();
        ledger.apply(version, Evidence::default());
        census.learned(ledger, &id);
    }

    fn counts(census: &mut Census, ledger: &Ledger, clock: &str) -> String {
        let counts = census.taken(ledger, at(clock)).expect("it is time");
        let counts = counts.filter(|(_, count)| *count > 0);
        counts.map(|(state, count)| format!("{state} {count}")).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn states_follow_time_and_what_is_said() {
        let mut ledger = Ledger::default();
        let mut census = Census::new(&ledger);
        told(&mut census, &mut ledger, version("g-1"));
        told(&mut census, &mut ledger, version("g-2"));
        assert_eq!(counts(&mut census, &ledger, "09:30"), "", "nobody has spoken of them yet");
        assert_eq!(counts(&mut census, &ledger, "09:56"), "scheduled 2");
        assert_eq!(counts(&mut census, &ledger, "10:30"), "active 2");
        assert!(census.taken(&ledger, at("10:30:30")).is_none(), "it is too early to ask again");
        told(&mut census, &mut ledger, then(&version("g-1"), Status::Revoked, "11:00"));
        assert_eq!(counts(&mut census, &ledger, "11:00"), "active 1, revoked 1");
        assert_eq!(counts(&mut census, &ledger, "12:00"), "revoked 1, ended 1");
        assert!(census.open.is_empty());
        let mut longer = then(&version("g-2"), Status::Extended, "11:50");
        longer.window.until = at("13:00");
        told(&mut census, &mut ledger, longer);
        assert_eq!(counts(&mut census, &ledger, "12:10"), "extended 1, revoked 1");
        let mut anew = Census::new(&ledger);
        assert_eq!(counts(&mut anew, &ledger, "12:10"), "extended 1, revoked 1");
    }
}
