//! The people: who they are, where they work, what they usually do, when they are away.
//!
//! Invariant: people are drawn one by one from their own chance; the busiest come first.

use std::sync::Arc;

use crate::simulate::Plan;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::chance::Chance;
use crate::simulate::organisation::Account;

/// What somebody is employed for; it decides what they call and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Calling {
    /// Writes software; works in development, looks at production.
    Developer,
    /// Keeps production running; asks for `Operator` and `Admin`.
    Operator,
    /// Works with data.
    Analyst,
    /// Watches security; reads everywhere.
    Security,
    /// Looks at bills, once a month closely.
    Finance,
}

/// An office: its network and its offset from UTC in hours.
#[derive(Debug, PartialEq, Eq)]
pub struct Office {
    /// The town.
    pub name: &'static str,
    /// The first three octets of its public network.
    pub network: &'static str,
    /// Local time less UTC, in hours.
    pub offset: i64,
}

/// The offices.
pub const OFFICES: [Office; 4] = [
    Office { name: "Hamburg", network: "198.19.0", offset: 1 },
    Office { name: "London", network: "198.19.1", offset: 0 },
    Office { name: "New York", network: "198.19.2", offset: -5 },
    Office { name: "Bangalore", network: "198.19.3", offset: 5 },
];

/// One of the people.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Their place among all people, the busiest first.
    pub ix: usize,
    /// What they sign in with: `ana.berg@example.com`.
    pub name: String,
    /// `userId` in the identity store.
    pub user_id: String,
    /// What they do.
    pub calling: Calling,
    /// Where they work.
    pub office: &'static Office,
    /// The first three octets of their network at home.
    pub home: String,
    /// The accounts they work in, the favourite first.
    pub accounts: Vec<AccountIx>,
    /// Who approves what they ask for: a place among the people, never their own.
    pub approver: usize,
    /// How much they do, by Zipf's law: 1 for the busiest.
    pub weight: f64,
    /// The first day they are there; 0 for all but new joiners.
    pub joined: i64,
    /// The first day they are no longer there; beyond all days for those who stay.
    pub left: i64,
    /// The days on which they are away: from and up to but without.
    pub away: (i64, i64),
    /// The days on which they travel and the network they use then.
    pub travel: (i64, i64, String),
}

impl Person {
    /// Returns `person:NAME`, the canonical identity that a monitor should name.
    pub fn identity(&self) -> String {
        format!("person:{}", self.name)
    }

    /// Returns whether they are there on `day`; weekends are another matter.
    pub fn is_there(&self, day: i64) -> bool {
        (self.joined..self.left).contains(&day) && !(self.away.0..self.away.1).contains(&day)
    }
}

const FIRST: [&str; 20] = [
    "ana", "ben", "chloe", "dev", "elif", "femi", "grace", "hugo", "ines", "jonas", "kira", "liam",
    "mei", "nils", "olga", "priya", "quinn", "rosa", "sven", "tara",
];
const LAST: [&str; 12] = [
    "berg", "costa", "diaz", "ekwueme", "fischer", "gupta", "hansen", "ito", "jansen", "kaur",
    "lopez", "meyer",
];

/// The exponent of Zipf's law over the people.
pub const ZIPF: f64 = 0.9;

/// Draws everybody.
pub fn draw(plan: &Plan, accounts: &[Account]) -> Vec<Arc<Person>> {
    let count = usize::from(plan.people);
    (0..count).map(|ix| Arc::new(person(plan, accounts, ix, count))).collect()
}

fn person(plan: &Plan, accounts: &[Account], ix: usize, count: usize) -> Person {
    let mut chance = Chance::of(plan.seed, &format!("person/{ix}"));
    let (first, last) = (FIRST[ix % FIRST.len()], LAST[(ix / FIRST.len() + ix) % LAST.len()]);
    let again = ix / (FIRST.len() * LAST.len());
    let number = if again == 0 { String::new() } else { again.to_string() };
    let calling = match ix % 10 {
        0 | 3 | 5 | 7 => Calling::Developer,
        1 | 4 => Calling::Operator,
        2 | 8 => Calling::Analyst,
        6 => Calling::Security,
        _ => Calling::Finance,
    };
    let office = chance.pick(&OFFICES);
    let work: Vec<AccountIx> = (0..accounts.len() as u16).skip(2).map(AccountIx).collect();
    let mut theirs = if work.is_empty() { vec![AccountIx(0)] } else { work };
    fastrand_rotate(&mut theirs, chance.below(8));
    theirs.truncate(3);
    let is_new = ix > 4 && ix.is_multiple_of(17);
    let joined = if is_new { chance.between(1, plan.days.max(2)) } else { 0 };
    let away_from = chance.between(0, 40);
    let travel_from = chance.between(0, 45);
    let is_leaving = ix > 4 && ix.is_multiple_of(23) && !is_new;
    let left = if is_leaving { chance.between(2, plan.days.max(3)) } else { i64::MAX };
    Person {
        ix,
        name: format!("{first}.{last}{number}@example.com"),
        user_id: EventId(chance.bits()).to_string(),
        calling,
        office,
        home: format!("198.18.{}", ix % 250),
        accounts: theirs,
        approver: if count < 2 { ix } else { (ix + 1 + chance.below(count - 1)) % count },
        weight: ((ix + 1) as f64).powf(-ZIPF),
        joined,
        left,
        away: (away_from, away_from + chance.between(2, 10)),
        travel: (
            travel_from,
            travel_from + chance.between(1, 4),
            format!("198.19.{}", 128 + ix % 64),
        ),
    }
}

fn fastrand_rotate<T>(list: &mut [T], by: usize) {
    if !list.is_empty() {
        let by = by % list.len();
        list.rotate_left(by);
    }
}
