//! Who plays in an incident: people at work, their sessions, the grants they hold.
//!
//! Invariant: everybody here belongs to the organisation, and what they bring with them is written as it would be on
//! any honest day; the incident itself begins afterwards.

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

/// The busiest people: incidents take one of them, so that there is honest work around them.
const BUSIEST: usize = 24;

/// Returns somebody of one of `callings`, who is there at `at` and at work at that hour as far as anybody is.
///
/// What they are employed for counts most. People ask the broker for some permission sets and never for others
/// (developers for `Operator`, never for `Admin`), so that an incident can be sure that no honest grant covers it.
pub(super) fn somebody<'a>(scene: &mut Scene<'a>, at: Seconds, callings: &[Calling]) -> &'a Person {
    let candidates = fitting(scene.org, at, callings, |_| true);
    candidates[scene.chance.below(candidates.len())]
}

/// Which half of those who fit plays in an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// Those who never hold a grant of an administrator's permission set.
    Without,
    /// Those who do, in another incident perhaps at the same hour.
    With,
}

/// Returns somebody as [`somebody`] does, of one half of those who fit: what one incident gives to a person does not
/// cover what another says that nothing covers.
pub(super) fn somebody_of<'a>(
    scene: &mut Scene<'a>,
    at: Seconds,
    callings: &[Calling],
    half: Half,
) -> &'a Person {
    let of_half = |person: &Person| person.ix.is_multiple_of(2) == (half == Half::Without);
    let candidates = fitting(scene.org, at, callings, of_half);
    candidates[scene.chance.below(candidates.len())]
}

/// Returns who fits best of those who are `meant`; of all, where that is nobody.
fn fitting<'a>(
    org: &'a Organisation,
    at: Seconds,
    callings: &[Calling],
    meant: impl Fn(&Person) -> bool,
) -> Vec<&'a Person> {
    let day = day_of(org, at);
    let fits = |person: &Person| {
        let hour = local_hour(person, at);
        let does = u8::from(callings.contains(&person.calling));
        4 * does + 2 * u8::from(person.is_there(day)) + u8::from((9..17).contains(&hour))
    };
    let busiest = || org.people.iter().take(BUSIEST).map(AsRef::as_ref);
    let mut candidates: Vec<&Person> = busiest().filter(|person| meant(person)).collect();
    if candidates.is_empty() {
        candidates = busiest().collect();
    }
    let best = candidates.iter().map(|person| fits(person)).max();
    candidates.retain(|person| Some(fits(person)) == best);
    candidates
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
    broker::say(scene, grant, "requested", 1, Seconds(from.0 - 900));
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
