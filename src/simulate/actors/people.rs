//! People at work: they sign in, take roles, look at things and change some, ask the broker for more, and go home.
//!
//! Invariant: each day of each person draws from a chance of its own. What a person changes in production is done with
//! access that the broker gave for it, and not a second longer.
//! Read on in `people/hours.rs` (when), `people/habits.rs` (what), `people/desk.rs` (how), `grants.rs` (the broker).

mod comings;
mod desk;
mod emergency;
pub mod habits;
mod hours;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::model::Seconds;
use crate::simulate::Disorder;
use crate::simulate::Plan;
use crate::simulate::actors::Actor;
use crate::simulate::actors::grants::Errand;
use crate::simulate::actors::grants::Ledger;
use crate::simulate::actors::people::desk::Desk;
use crate::simulate::actors::people::desk::Work;
use crate::simulate::actors::people::habits::Habits;
use crate::simulate::actors::people::habits::Seat;
use crate::simulate::actors::people::hours::Shift;
use crate::simulate::chance::Chance;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::MANAGEMENT;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::PermissionSet;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::people::Person;
use crate::simulate::organisation::permission_set;

/// The calls that somebody makes on a working day, on average over all people.
const CALLS: f64 = 50.0;

/// The most that anybody makes on average.
const MOST_CALLS: f64 = 900.0;

/// What operators ask for.
const OPERATORS: [&str; 4] = ["Operator", "Operator", "Admin", "DatabaseAdmin"];

/// All people.
#[derive(Debug)]
pub struct People {
    disorder: Disorder,
    lives: Vec<Life>,
    ledger: Ledger,
}

/// One of them.
#[derive(Debug)]
pub struct Life {
    /// Who.
    pub person: Arc<Person>,
    /// What they usually do.
    pub habits: Habits,
    /// The calls they make on a working day, on average.
    pub calls: f64,
}

impl People {
    /// Returns the people of `org`.
    pub fn of(plan: &Plan, org: &Organisation) -> Self {
        let whole: f64 = org.people.iter().map(|person| person.weight).sum();
        let mean = CALLS * org.people.len() as f64 / whole.max(f64::MIN_POSITIVE);
        let lives = org.people.iter().map(|person| Life {
            person: Arc::clone(person),
            habits: Habits::of(org, person),
            calls: (mean * person.weight).min(MOST_CALLS),
        });
        Self { disorder: plan.disorder, lives: lives.collect(), ledger: Ledger::default() }
    }
}

impl Life {
    /// Returns the life of one person, for whoever plays them outside of a usual day.
    pub fn of(org: &Organisation, person: &Arc<Person>) -> Self {
        Self { person: Arc::clone(person), habits: Habits::of(org, person), calls: 0.0 }
    }

    /// Returns the address they have on `day`: at work if they work then, else where they sleep.
    pub fn address(&self, org: &Organisation, day: i64) -> String {
        hours::shift(org, self, day).map_or_else(|| hours::bed(self, day), |shift| shift.address)
    }

    /// Does some `calls` of everyday work from where they sleep on `day`, from `at` on: as they always do it.
    pub fn work_at_home(&self, scene: &mut Scene<'_>, (day, at): (i64, Seconds), calls: usize) {
        let bed = hours::bed(self, day);
        let favourite = &self.habits.seats[0];
        Desk::at(self, &bed).work(scene, at, &Work::Usual(favourite), calls);
    }
}

impl Actor for People {
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64) {
        let Self { disorder, lives, ledger } = self;
        for life in lives.iter() {
            let purpose = format!("people/{}/{day}", life.person.ix);
            comings::happen(&mut Scene::of(org, diary, &purpose), life, day);
            let Some(shift) = hours::shift(org, life, day) else { continue };
            let mut scene = Scene::of(org, diary, &format!("work/{}/{day}", life.person.ix));
            let mut errands = errands(&mut scene, life, &shift, ledger);
            for errand in &mut errands {
                errand.speak(&mut scene, *disorder);
            }
            work(&mut scene, life, &shift, &errands);
        }
        emergency::happen(org, diary, (lives, day), (ledger, *disorder));
    }
}

/// Returns what somebody asks the broker for today.
fn errands(scene: &mut Scene<'_>, life: &Life, shift: &Shift, ledger: &mut Ledger) -> Vec<Errand> {
    let person = &life.person;
    let rate = match person.calling {
        _ if shift.is_day_off => 0.0,
        Calling::Operator => 0.4,
        Calling::Developer => 0.06,
        Calling::Analyst | Calling::Security => 0.04,
        Calling::Finance => 0.0,
    };
    let mut errands: Vec<Errand> = Vec::new();
    for _ in 0..scene.chance.times(rate).min(2) {
        let latest = shift.until.0 - 4_500;
        let asked = Seconds(scene.chance.between(shift.from.0 + 900, latest));
        if asked.0 >= latest || errands.iter().any(|other| asked < other.ends) {
            continue;
        }
        let set = permission_set(match person.calling {
            Calling::Analyst => "DatabaseAdmin",
            Calling::Developer => "Operator",
            Calling::Security => "Admin",
            Calling::Operator | Calling::Finance => OPERATORS[scene.chance.below(OPERATORS.len())],
        });
        let account = life.habits.production(scene.org, &mut scene.chance);
        let errand = Errand::ask(scene, (person, account, set), asked, ledger);
        if scene.diary.parts.allow_honest(person.ix, (asked, errand.ends)) {
            errands.push(errand);
        }
    }
    errands
}

/// One stretch of work.
struct Stretch<'a> {
    at: Seconds,
    work: Work<'a>,
    calls: usize,
}

/// Writes what somebody does in a day.
fn work(scene: &mut Scene<'_>, life: &Life, shift: &Shift, errands: &[Errand]) {
    let mut stretches = usual(&mut scene.chance, life, shift);
    let extra = monthly(scene.org, life, shift);
    for seat in &extra {
        let at = shift.moment(&mut scene.chance);
        stretches.push(Stretch { at, work: Work::Usual(seat), calls: 14 });
    }
    for errand in errands {
        for _ in 0..scene.chance.between(1, 4) {
            let Some((from, until)) = errand.in_use() else { continue };
            // Nobody stays all night because the access lasts.
            let latest = until.0.min(shift.until.0 + 1_800);
            let at = Seconds(scene.chance.between(from.0, latest));
            let calls = scene.chance.between(4, 14) as usize;
            stretches.push(Stretch { at, work: Work::Elevated(errand), calls });
        }
    }
    stretches.sort_by_key(|stretch| stretch.at);
    let mut desk = Desk::at(life, &shift.address);
    for stretch in stretches {
        desk.work(scene, stretch.at, &stretch.work, stretch.calls);
    }
}

/// Returns the everyday work of a day.
fn usual<'a>(chance: &mut Chance, life: &'a Life, shift: &Shift) -> Vec<Stretch<'a>> {
    let share = if shift.is_day_off { 0.15 } else { 0.6 + 0.8 * chance.share() };
    let mut left = chance.times(life.calls * share).max(3);
    let mut stretches = Vec::new();
    while left > 0 {
        let calls = (chance.between(3, 19) as usize).min(left);
        let seat = &life.habits.seats[chance.rank(&life.habits.seat_ranks)];
        stretches.push(Stretch { at: shift.moment(chance), work: Work::Usual(seat), calls });
        left -= calls;
    }
    stretches
}

/// Returns what somebody does on the first and last working days of a month beside everyday work.
fn monthly(org: &Organisation, life: &Life, shift: &Shift) -> Vec<Seat> {
    if !shift.turns_month || shift.is_day_off {
        return Vec::new();
    }
    let seat = |set: &'static PermissionSet, topic| Seat::new((MANAGEMENT, set), &[topic]);
    match life.person.calling {
        Calling::Finance => (0..3)
            .map(|_| seat(permission_set("Billing"), &crate::simulate::catalogue::people::BILL))
            .collect(),
        Calling::Security => {
            let review = &crate::simulate::catalogue::people::REVIEW;
            let mut seats = vec![seat(permission_set("SecurityAudit"), review)];
            seats.extend(org.workload_accounts().into_iter().take(2).map(|account| {
                let rights = &crate::simulate::catalogue::people::RIGHTS;
                Seat::new((account, permission_set("SecurityAudit")), &[rights])
            }));
            seats
        }
        _ => Vec::new(),
    }
}
