//! When people work, and where they are then: office hours of their town, days off, holidays, trips.
//!
//! Invariant: the same person and day give the same shift, whoever asks.

use jiff::civil::Date;
use jiff::civil::Weekday;

use crate::model::Seconds;
use crate::simulate::actors::people::Life;
use crate::simulate::chance::Chance;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::people::Person;

/// How often somebody works on a day off.
const ON_DAYS_OFF: f64 = 0.03;

/// How often somebody works at home.
const AT_HOME: f64 = 0.35;

/// Public holidays: the town, or all of them, and the day.
const HOLIDAYS: [(&str, i8, i8); 17] = [
    ("", 1, 1),
    ("", 12, 25),
    ("Hamburg", 5, 1),
    ("Hamburg", 10, 3),
    ("Hamburg", 10, 31),
    ("Hamburg", 12, 26),
    ("London", 5, 4),
    ("London", 8, 31),
    ("London", 12, 28),
    ("New York", 5, 25),
    ("New York", 7, 4),
    ("New York", 11, 26),
    ("Bangalore", 1, 26),
    ("Bangalore", 3, 4),
    ("Bangalore", 8, 15),
    ("Bangalore", 10, 2),
    ("Bangalore", 11, 1),
];

/// The hours that somebody works on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shift {
    /// From when.
    pub from: Seconds,
    /// Until when.
    pub until: Seconds,
    /// Lunch: from when until when.
    pub lunch: (Seconds, Seconds),
    /// The address they have.
    pub address: String,
    /// Whether it is a weekend or holiday.
    pub is_day_off: bool,
    /// Whether it is the first or last working day of the month.
    pub turns_month: bool,
}

impl Shift {
    /// Returns a moment of it, some minutes after its beginning and not at lunch.
    pub fn moment(&self, chance: &mut Chance) -> Seconds {
        let (from, until) = (self.from.0 + 120, self.until.0 - 600);
        let at = Seconds(chance.between(from, until));
        if (self.lunch.0..self.lunch.1).contains(&at) {
            let later = chance.between(0, 1_800) + self.lunch.1.0;
            return Seconds(later.min(until));
        }
        at
    }
}

/// Returns when and where the person works on `day`, if at all.
pub fn shift(org: &Organisation, life: &Life, day: i64) -> Option<Shift> {
    let (person, habits) = (&life.person, &life.habits);
    let date = date_of(org.midnight(day));
    let is_day_off = is_day_off(person, date);
    let mut chance = Chance::of(org.seed, &format!("shift/{}/{day}", person.ix));
    let comes = !is_day_off || chance.holds(ON_DAYS_OFF);
    if !comes || !person.is_there(day) {
        return None;
    }
    let local_midnight = org.midnight(day).0 - person.office.offset * 3_600;
    let from = local_midnight + habits.begins + chance.between(-1_500, 1_500);
    let lasts = if is_day_off { 5_400 } else { habits.lasts + chance.between(-2_400, 2_400) };
    let lunch = local_midnight + habits.lunch + chance.between(-900, 900);
    Some(Shift {
        from: Seconds(from),
        until: Seconds(from + lasts),
        lunch: (Seconds(lunch), Seconds(lunch + chance.between(1_500, 3_600))),
        address: address(life, (day, is_day_off), &mut chance),
        is_day_off,
        turns_month: turns_month(person, date),
    })
}

fn address(life: &Life, (day, is_day_off): (i64, bool), chance: &mut Chance) -> String {
    let (from, until, _) = &life.person.travel;
    if is_day_off || (*from..*until).contains(&day) || chance.holds(AT_HOME) {
        return bed(life, day);
    }
    format!("{}.{}", life.person.office.network, life.habits.desk)
}

/// Returns the address that somebody has where they sleep: at home, or in a hotel.
pub fn bed(life: &Life, day: i64) -> String {
    let (from, until, hotel) = &life.person.travel;
    let is_away = (*from..*until).contains(&day);
    let network = if is_away { hotel } else { &life.person.home };
    format!("{network}.{}", life.habits.host)
}

/// Returns the date of a midnight.
fn date_of(midnight: Seconds) -> Date {
    let moment = jiff::Timestamp::from_second(midnight.0).unwrap_or_default();
    jiff::tz::Offset::UTC.to_datetime(moment).date()
}

/// Returns whether nobody of the person's office works on `date`.
fn is_day_off(person: &Person, date: Date) -> bool {
    let is_holiday = HOLIDAYS.iter().any(|(town, month, day)| {
        (town.is_empty() || *town == person.office.name)
            && (*month, *day) == (date.month(), date.day())
    });
    is_holiday || matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Returns whether `date` is the first or the last working day of its month at the person's office.
fn turns_month(person: &Person, date: Date) -> bool {
    let others = (1..=date.days_in_month()).filter(|day| {
        let other = Date::new(date.year(), date.month(), *day);
        other.is_ok_and(|other| !is_day_off(person, other))
    });
    let workdays: Vec<i8> = others.collect();
    let today = Some(&date.day());
    workdays.first() == today || workdays.last() == today
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::organisation::people::OFFICES;

    fn person(office: usize) -> Person {
        Person {
            ix: 0,
            name: String::new(),
            user_id: String::new(),
            calling: crate::simulate::organisation::people::Calling::Finance,
            office: &OFFICES[office],
            home: String::new(),
            accounts: Vec::new(),
            approver: 1,
            weight: 1.0,
            joined: 0,
            left: i64::MAX,
            away: (0, 0),
            travel: (0, 0, String::new()),
        }
    }

    #[test]
    fn days_off_are_those_of_the_town() {
        let holi = Date::constant(2026, 3, 4);
        assert!(is_day_off(&person(3), holi));
        assert!(!is_day_off(&person(0), holi));
        assert!(is_day_off(&person(0), Date::constant(2026, 3, 7)));
    }

    #[test]
    fn a_month_turns_on_its_first_and_last_working_days() {
        let turning = |month, day| turns_month(&person(0), Date::constant(2026, month, day));
        assert!(turning(3, 2), "1 March is a Sunday");
        assert!(!turning(3, 1));
        assert!(turning(3, 31));
        assert!(turning(5, 29), "30 and 31 May are a weekend");
        assert!(!turning(5, 31));
        assert!(!turning(5, 15));
    }
}
