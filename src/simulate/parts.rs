//! Who plays a part in which incident, and when: so that no two incidents explain each other, and no honest grant either.
//!
//! Whoever plays a part is in no other near its hours. What a part says of grants holds for honest work too: people ask
//! the broker for nothing that would change it.
//!
//! Invariant: parts are taken while incidents are written, in their order, before anybody lives a day; then only read.

use crate::model::Seconds;
use crate::model::Span;

/// What lies between two parts of one person.
pub const REST: Span = Span(1_800);

/// How long before a grant of an incident the same person has no honest one: as long as one that is over may explain more
/// than one that is about something else.
const ALONE: Span = Span(86_400);

/// What a part says of the grants of whoever plays it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grants {
    /// Nothing: it is about something else.
    Whatever,
    /// They hold one, and it alone counts.
    Held,
    /// The same, and it was taken in an emergency: there is one at a time.
    Emergency,
    /// Nobody has spoken of one until then.
    Never,
}

/// One part in one incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Who plays it: a place among the people.
    pub person: usize,
    /// From when, with the request for its grant.
    pub from: Seconds,
    /// Until when.
    pub until: Seconds,
    /// What it says of grants.
    pub grants: Grants,
}

impl Part {
    fn holds(&self) -> bool {
        matches!(self.grants, Grants::Held | Grants::Emergency)
    }

    fn meets(&self, (from, until): (Seconds, Seconds)) -> bool {
        from < self.until.plus(REST) && self.from < until.plus(REST)
    }

    /// Returns whether a grant of the same person from `from` on is one too many.
    fn forbids(&self, from: Seconds) -> bool {
        self.grants == Grants::Never && from < self.until.plus(REST)
    }

    /// Returns whether this part and another would explain each other.
    pub fn disturbs(&self, other: &Self) -> bool {
        let meet = self.meets((other.from, other.until));
        if self.person != other.person {
            return meet && (self.grants, other.grants) == (Grants::Emergency, Grants::Emergency);
        }
        let one_too_many =
            |never: &Self, holder: &Self| holder.holds() && never.forbids(holder.from);
        meet || one_too_many(self, other) || one_too_many(other, self)
    }
}

/// All parts.
#[derive(Debug, Default)]
pub struct Parts(pub Vec<Part>);

impl Parts {
    /// Takes `part`.
    pub fn take(&mut self, part: Part) {
        self.0.push(part);
    }

    /// Returns whether `part` and those that are taken leave each other alone.
    pub fn allow(&self, part: &Part) -> bool {
        !self.0.iter().any(|taken| taken.disturbs(part))
    }

    /// Returns how many parts `person` plays.
    pub fn of(&self, person: usize) -> usize {
        self.0.iter().filter(|taken| taken.person == person).count()
    }

    /// Returns whether an honest grant of `person`, asked for and over at these moments, changes no part.
    pub fn allow_honest(&self, person: usize, (asked, over): (Seconds, Seconds)) -> bool {
        !self.0.iter().any(|part| {
            let is_near = part.meets((asked, over.plus(ALONE)));
            part.person == person && (part.forbids(asked) || (part.holds() && is_near))
        })
    }

    /// Returns whether an honest emergency meets none of an incident.
    pub fn allow_emergency(&self, time: (Seconds, Seconds)) -> bool {
        !self.0.iter().any(|part| part.grants == Grants::Emergency && part.meets(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(person: usize, hours: (i64, i64), grants: Grants) -> Part {
        Part { person, from: Seconds(hours.0 * 3_600), until: Seconds(hours.1 * 3_600), grants }
    }

    #[test]
    fn nobody_plays_two_parts_at_a_time() {
        let mut parts = Parts::default();
        parts.take(part(3, (10, 12), Grants::Whatever));
        assert!(!parts.allow(&part(3, (11, 13), Grants::Whatever)));
        assert!(!parts.allow(&part(3, (12, 13), Grants::Held)), "without a rest");
        assert!(parts.allow(&part(3, (13, 14), Grants::Held)));
        assert!(parts.allow(&part(4, (11, 13), Grants::Held)));
        assert_eq!((parts.of(3), parts.of(4)), (1, 0));
    }

    #[test]
    fn who_never_had_a_grant_has_none_before_and_may_have_one_later() {
        let mut parts = Parts::default();
        parts.take(part(3, (30, 31), Grants::Never));
        assert!(!parts.allow(&part(3, (2, 4), Grants::Held)));
        assert!(parts.allow(&part(3, (2, 4), Grants::Whatever)));
        assert!(parts.allow(&part(3, (32, 34), Grants::Held)));
        let honest = |from: i64, until: i64| (Seconds(from * 3_600), Seconds(until * 3_600));
        assert!(!parts.allow_honest(3, honest(2, 4)));
        assert!(parts.allow_honest(3, honest(32, 34)) && parts.allow_honest(4, honest(2, 4)));
        parts.take(part(4, (2, 4), Grants::Held));
        assert!(!parts.allow(&part(4, (30, 31), Grants::Never)));
    }

    #[test]
    fn a_grant_of_an_incident_stands_alone() {
        let mut parts = Parts::default();
        parts.take(part(3, (50, 52), Grants::Held));
        let honest = |from: i64, until: i64| {
            parts.allow_honest(3, (Seconds(from * 3_600), Seconds(until * 3_600)))
        };
        assert!(!honest(30, 33) && !honest(51, 53) && honest(53, 55) && honest(20, 25));
    }

    #[test]
    fn there_is_one_emergency_at_a_time() {
        let mut parts = Parts::default();
        parts.take(part(3, (10, 12), Grants::Emergency));
        assert!(!parts.allow(&part(4, (11, 13), Grants::Emergency)));
        assert!(parts.allow(&part(4, (11, 13), Grants::Held)));
        let time = |from: i64, until: i64| (Seconds(from * 3_600), Seconds(until * 3_600));
        assert!(!parts.allow_emergency(time(11, 13)) && parts.allow_emergency(time(13, 15)));
    }
}
