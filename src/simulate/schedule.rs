//! When incidents begin that nobody gave a time.
//!
//! They come at working hours, one after the other over the days, so that each has honest work around it.
//!
//! Invariant: the same incidents, days and seed give the same moments.

use crate::model::Seconds;
use crate::simulate::chance::Chance;
use crate::simulate::incidents::Incident;

/// Seconds from midnight to the first moment that an incident may begin at, and how long such moments last: from
/// 09:00 to 16:00 UTC.
const HOURS: (i64, i64) = (9 * 3_600, 7 * 3_600);

/// Returns when each of `incidents` begins in `days` days from the midnight `start`, in their order; `None` for one
/// that lasts longer than that.
///
/// The first day is left to honest work, and so are weekends, as far as there are other days.
pub fn spread(
    seed: u64,
    (start, days): (Seconds, i64),
    incidents: &[&'static Incident],
) -> Vec<Option<Seconds>> {
    let mut on: Vec<Option<i64>> = Vec::new();
    for (nth, incident) in (0..).zip(incidents) {
        let candidates = candidates(start, days, incident.days);
        let place = nth * candidates.len() / incidents.len();
        on.push(candidates.get(place).copied());
    }
    let mut moments = Vec::new();
    for (nth, (incident, day)) in incidents.iter().zip(&on).enumerate() {
        let Some(day) = day else {
            moments.push(None);
            continue;
        };
        // Those of one day share its hours.
        let many = on.iter().filter(|other| **other == Some(*day)).count() as i64;
        let before = on.iter().take(nth).filter(|other| **other == Some(*day)).count() as i64;
        let share = HOURS.1 / many;
        let mut chance = Chance::of(seed, &format!("schedule/{nth}/{}", incident.name));
        let within = HOURS.0 + before * share + chance.between(0, share.max(1));
        moments.push(Some(Seconds(start.0 + day * 86_400 + within)));
    }
    moments
}

/// Returns the days, counted from 0, on which something that lasts `lasting` days may begin.
fn candidates(start: Seconds, days: i64, lasting: i64) -> Vec<i64> {
    let end = days - lasting.max(1) + 1;
    let is_weekday = |day: &i64| (1..=5).contains(&weekday(start, *day));
    let after_the_first: Vec<i64> = (1..end).filter(is_weekday).collect();
    if !after_the_first.is_empty() && days > 2 {
        return after_the_first;
    }
    let weekdays: Vec<i64> = (0..end).filter(is_weekday).collect();
    if weekdays.is_empty() { (0..end).collect() } else { weekdays }
}

/// Returns the day of the week: 0 is Sunday. 1970-01-01 was a Thursday.
fn weekday(start: Seconds, day: i64) -> i64 {
    (start.0.div_euclid(86_400) + day + 4).rem_euclid(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::incidents::Told;

    static SHORT: Incident = Incident {
        name: "short",
        what: "",
        expect: "",
        techniques: &[],
        days: 1,
        play: |_, _| Told::default(),
    };

    static LONG: Incident = Incident { name: "long", days: 5, ..SHORT };

    /// 2026-03-02, a Monday.
    const MONDAY: Seconds = Seconds(1_772_409_600);

    fn day_of(moment: Seconds) -> i64 {
        (moment.0 - MONDAY.0).div_euclid(86_400)
    }

    #[test]
    fn incidents_come_at_working_hours_of_weekdays_and_not_all_at_once() {
        let many = [&SHORT; 40];
        let moments: Vec<Seconds> =
            spread(7, (MONDAY, 14), &many).into_iter().map(Option::unwrap).collect();
        for moment in &moments {
            let hour = (moment.0 - MONDAY.0).rem_euclid(86_400) / 3_600;
            assert!((9..16).contains(&hour), "{moment}");
            assert!(!matches!(day_of(*moment), 0 | 5 | 6 | 12 | 13), "{moment}");
        }
        let mut days: Vec<i64> = moments.iter().copied().map(day_of).collect();
        days.dedup();
        assert_eq!(days, [1, 2, 3, 4, 7, 8, 9, 10, 11], "every working day but the first");
        assert!(moments.is_sorted(), "one after the other: {moments:?}");
        assert_eq!(spread(7, (MONDAY, 14), &many), spread(7, (MONDAY, 14), &many));
        assert_ne!(spread(7, (MONDAY, 14), &many), spread(8, (MONDAY, 14), &many));
    }

    #[test]
    fn a_long_incident_begins_early_enough_or_not_at_all() {
        for days in [5, 6, 14] {
            let moment = spread(7, (MONDAY, days), &[&SHORT, &LONG])[1].unwrap();
            assert!(day_of(moment) + 5 <= days, "{moment} of {days} days");
        }
        assert_eq!(spread(7, (MONDAY, 4), &[&LONG]), [None]);
        assert!(spread(7, (MONDAY, 1), &[&SHORT])[0].is_some());
    }

    #[test]
    fn a_weekend_is_better_than_nothing() {
        let saturday = Seconds(MONDAY.0 + 5 * 86_400);
        assert!(spread(7, (saturday, 2), &[&SHORT])[0].is_some());
    }
}
