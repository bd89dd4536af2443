//! Who plays in an incident: people at work, their sessions, the grants they hold.
//!
//! Invariant: everybody here belongs to the organisation, and what they bring with them is written as it would be on
//! any honest day; the incident itself begins afterwards. Nobody plays in two incidents near the same hours, as long as
//! there are people enough.

use std::cmp::Reverse;

use crate::model::Seconds;
use crate::simulate::actors::broker;
use crate::simulate::actors::broker::Grant;
use crate::simulate::actors::people::Life;
use crate::simulate::actors::portal;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::caller::Session;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::PermissionSet;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::people::Person;
use crate::simulate::parts::Grants;
use crate::simulate::parts::Part;

/// The busiest people: incidents take one of them, so that there is honest work around them.
const BUSIEST: usize = 24;

/// The seconds from the request for a grant to its beginning.
pub(super) const ASKED: i64 = 900;

/// How long an incident waits for somebody who is free, and in which steps.
const PATIENCE: (i64, i64) = (4 * 3_600, 900);

/// A part that has to be cast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Role<'c> {
    /// What whoever plays it is employed for.
    pub(super) callings: &'c [Calling],
    /// The seconds before the incident that it begins, with the request for a grant.
    pub(super) before: i64,
    /// The seconds that it goes on.
    pub(super) after: i64,
    /// What it says of grants.
    pub(super) grants: Grants,
}

impl Role<'_> {
    fn part(&self, person: &Person, at: Seconds) -> Part {
        let (from, until) = (Seconds(at.0 - self.before), Seconds(at.0 + self.after));
        Part { person: person.ix, from, until, grants: self.grants }
    }
}

/// Returns who plays `role` in an incident at `at`, and when it begins: then, or a little later where nobody is free.
///
/// Free is who is in no other incident that this one would explain or be explained by; then counts what they are employed
/// for, whether they are there, and whether they work at that hour. The busiest are asked first. If there are too few
/// people to wait for, others do; if everybody is taken all the time, whoever plays least.
pub(super) fn somebody<'a>(
    scene: &mut Scene<'a>,
    at: Seconds,
    role: &Role<'_>,
) -> (&'a Person, Seconds) {
    let org = scene.org;
    let everybody = || org.people.iter().map(AsRef::as_ref);
    let busiest: Vec<&Person> = everybody().take(BUSIEST).collect();
    let all: Vec<&Person> = everybody().collect();
    let end = org.midnight(org.days).0;
    let moments = (0..=PATIENCE.0 / PATIENCE.1).map(|nth| Seconds(at.0 + nth * PATIENCE.1));
    let moments = moments.filter(|moment| *moment == at || moment.0 + role.after < end);
    let moments: Vec<Seconds> = moments.collect();
    for meant in [Meant::Fitting, Meant::Anybody] {
        for moment in &moments {
            for people in [&busiest, &all] {
                let free = free(scene, people, (role, *moment), meant);
                if let Some(person) = best(scene, free, (role, *moment)) {
                    scene.diary.parts.take(role.part(person, *moment));
                    return (person, *moment);
                }
            }
        }
    }
    let person = best(scene, busiest, (role, at)).expect("an organisation has people");
    scene.diary.parts.take(role.part(person, at));
    (person, at)
}

/// Keeps `person` out of other incidents at a further time of theirs.
pub(super) fn take(scene: &mut Scene<'_>, person: &Person, (role, at): (&Role<'_>, Seconds)) {
    scene.diary.parts.take(role.part(person, at));
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    /// Those who are there and employed for it.
    Fitting,
    /// Everybody.
    Anybody,
}

/// Returns those of `people` who may play `role` at `at`.
fn free<'a>(
    scene: &Scene<'a>,
    people: &[&'a Person],
    (role, at): (&Role<'_>, Seconds),
    meant: Meant,
) -> Vec<&'a Person> {
    let day = day_of(scene.org, at);
    let is_meant = |person: &Person| match meant {
        Meant::Fitting => role.callings.contains(&person.calling) && person.is_there(day),
        Meant::Anybody => true,
    };
    let is_free = |person: &Person| scene.diary.parts.allow(&role.part(person, at));
    people.iter().copied().filter(|person| is_meant(person) && is_free(person)).collect()
}

/// Returns one of those of `candidates` who fit best, and of these of those who play least.
fn best<'a>(
    scene: &mut Scene<'a>,
    mut candidates: Vec<&'a Person>,
    (role, at): (&Role<'_>, Seconds),
) -> Option<&'a Person> {
    let day = day_of(scene.org, at);
    let fits = |person: &Person| {
        let hour = local_hour(person, at);
        let does = u8::from(role.callings.contains(&person.calling));
        let fits =
            4 * does + 2 * u8::from(person.is_there(day)) + u8::from((9..17).contains(&hour));
        (fits, Reverse(scene.diary.parts.of(person.ix)))
    };
    let most = candidates.iter().map(|person| fits(person)).max();
    candidates.retain(|person| Some(fits(person)) == most);
    (!candidates.is_empty()).then(|| candidates[scene.chance.below(candidates.len())])
}

/// Returns what `person` usually does.
pub(super) fn life(org: &Organisation, person: &Person) -> Life {
    Life::of(org, &org.people[person.ix])
}

/// Returns the account and the permission set that `person` works with most.
pub(super) fn seat(org: &Organisation, person: &Person) -> (AccountIx, &'static PermissionSet) {
    let seat = &life(org, person).habits.seats[0];
    (seat.account, seat.set)
}

/// Returns an account of production that `person` looks at every day and changes only with a grant.
pub(super) fn production(scene: &mut Scene<'_>, person: &Person) -> AccountIx {
    life(scene.org, person).habits.production(scene.org, &mut scene.chance)
}

/// Returns the command line of `person`, as it calls itself.
pub(super) fn program(org: &Organisation, person: &Person) -> &'static str {
    life(org, person).habits.program
}

/// Returns the day of the simulation that `at` falls on.
pub(super) fn day_of(org: &Organisation, at: Seconds) -> i64 {
    (at.0 - org.start.0).div_euclid(86_400)
}

/// Returns what hour it is for `person` at `at`.
pub(super) fn local_hour(person: &Person, at: Seconds) -> i64 {
    (at.0 + person.office.offset * 3_600).rem_euclid(86_400) / 3_600
}

/// Returns the address that `person` has on the day of `at`: at work, or where they sleep if they do not work then.
pub(super) fn desk(org: &Organisation, person: &Person, at: Seconds) -> String {
    life(org, person).address(org, day_of(org, at))
}

/// Signs `person` in at work and takes the role of `set`; the session begins at `at`, the sign-in a minute earlier.
pub(super) fn at_work(
    scene: &mut Scene<'_>,
    person: &Person,
    (account, set): (AccountIx, &'static PermissionSet),
    at: Seconds,
) -> Session {
    let desk = desk(scene.org, person, at);
    signed_in(scene, (person, &desk), (account, set), at)
}

/// The same from another address.
pub(super) fn signed_in(
    scene: &mut Scene<'_>,
    (person, address): (&Person, &str),
    (account, set): (AccountIx, &'static PermissionSet),
    at: Seconds,
) -> Session {
    let portal = portal::sign_in(scene, person, Seconds(at.0 - 60), address);
    portal::take_role(scene, &portal, (person, account, set), Seconds(at.0 - 1))
}

/// Returns a grant that was asked for in good order.
pub(super) fn grant<'a>(
    scene: &mut Scene<'a>,
    person: &'a Person,
    (account, set): (AccountIx, &'static PermissionSet),
    (from, until): (Seconds, Seconds),
    reason: &str,
) -> Grant<'a> {
    Grant {
        id: format!("team:{}", EventId(scene.chance.bits())),
        person,
        approver: &scene.org.people[person.approver],
        account,
        set,
        from,
        until,
        reason: reason.to_owned(),
        break_glass: false,
    }
}

/// Lets the broker give `grant`: it is asked for, approved, told to be active, and assigned.
pub(super) fn give(scene: &mut Scene<'_>, grant: &Grant<'_>) -> EventId {
    let from = grant.from;
    broker::say(scene, grant, "requested", 1, Seconds(from.0 - ASKED));
    broker::say(scene, grant, "approved", 2, Seconds(from.0 - 300));
    let broker = broker::caller(scene, from);
    let made = broker::assign(scene, grant, &broker, from);
    broker::say(scene, grant, "active", 3, Seconds(from.0 + 3));
    made
}

/// Lets the broker end `grant` when it is over: the assignment is taken away, and it is told to have ended.
pub(super) fn end(scene: &mut Scene<'_>, grant: &Grant<'_>) -> EventId {
    let broker = broker::caller(scene, grant.until);
    let taken = broker::unassign(scene, grant, &broker, Seconds(grant.until.0 + 2));
    broker::say(scene, grant, "ended", 4, Seconds(grant.until.0 + 5));
    taken
}
