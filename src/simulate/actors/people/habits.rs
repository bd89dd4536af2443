//! What somebody usually does: hours, tools, the accounts and roles they work with, favourites among topics.
//!
//! Invariant: habits are drawn once, from a chance of the person's own.

use crate::simulate::actors::portal;
use crate::simulate::call::AccountIx;
use crate::simulate::catalogue::people as topics;
use crate::simulate::catalogue::people::Topic;
use crate::simulate::chance::Chance;
use crate::simulate::chance::Ranks;
use crate::simulate::organisation::MANAGEMENT;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::PermissionSet;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::people::Person;
use crate::simulate::organisation::permission_set;

/// The exponent of Zipf's law over somebody's topics.
const FAVOURITES: f64 = 1.1;

/// The account that software is developed in: the fourth, or the last of fewer.
pub fn development(org: &Organisation) -> AccountIx {
    AccountIx(3.min(org.accounts.len() as u16 - 1))
}

/// The command lines in use, the frame's among them.
const PROGRAMS: [&str; 4] = [
    portal::CLI,
    "aws-cli/2.31.4 md/awscrt#0.27 ua/2.1 os/macos#25.0 lang/python#3.13",
    "aws-cli/2.28.1 md/awscrt#0.26 ua/2.1 os/windows#11 lang/python#3.13",
    "Boto3/1.40.2 md/Botocore#1.40.2 ua/2.1 os/linux#6.8 lang/python#3.12.3",
];

/// A role somebody works with in an account, and what they do there.
#[derive(Debug, Clone)]
pub struct Seat {
    /// The account.
    pub account: AccountIx,
    /// The permission set.
    pub set: &'static PermissionSet,
    /// The topics, the favourite first.
    pub topics: Vec<&'static Topic>,
    /// How often which topic is chosen.
    pub ranks: Ranks,
    /// The share of calls that change something.
    pub writes: f64,
}

impl Seat {
    /// Returns a seat from which one only looks.
    pub fn new(
        (account, set): (AccountIx, &'static PermissionSet),
        topics: &[&'static Topic],
    ) -> Self {
        let ranks = Ranks::zipf(topics.len(), FAVOURITES);
        Self { account, set, topics: topics.to_vec(), ranks, writes: 0.0 }
    }

    /// Returns a seat from which one also writes.
    fn writing(self, writes: f64) -> Self {
        Self { writes, ..self }
    }
}

/// What somebody usually does.
#[derive(Debug)]
pub struct Habits {
    /// Seconds after midnight at which they begin.
    pub begins: i64,
    /// Seconds that they work, with lunch.
    pub lasts: i64,
    /// Seconds after midnight at which they have lunch.
    pub lunch: i64,
    /// The last octet of their address in the office.
    pub desk: u8,
    /// The last octet of their addresses elsewhere.
    pub host: u8,
    /// Their command line.
    pub program: &'static str,
    /// How often they use the console rather than it.
    pub clicks: f64,
    /// The roles they work with, the favourite first.
    pub seats: Vec<Seat>,
    /// How often which.
    pub seat_ranks: Ranks,
}

impl Habits {
    /// Draws the habits of `person`.
    pub fn of(org: &Organisation, person: &Person) -> Self {
        let mut chance = Chance::of(org.seed, &format!("habits/{}", person.ix));
        let clicks = match person.calling {
            Calling::Finance => 1.0,
            Calling::Operator | Calling::Developer => 0.15 + 0.6 * chance.share(),
            Calling::Analyst | Calling::Security => 0.3 + 0.6 * chance.share(),
        };
        let seats = seats(org, person, &mut chance);
        Self {
            begins: chance.between(8 * 3_600, 10 * 3_600),
            lasts: chance.between(29_700, 34_200),
            lunch: chance.between(42_300, 46_800),
            desk: (20 + person.ix % 200) as u8,
            host: chance.between(2, 250) as u8,
            program: *chance.pick(&PROGRAMS),
            clicks,
            seat_ranks: Ranks::zipf(seats.len(), 1.2),
            seats,
        }
    }

    /// Returns the account that somebody asks the broker for.
    pub fn production(&self, org: &Organisation, chance: &mut Chance) -> AccountIx {
        let development = development(org);
        let theirs: Vec<AccountIx> = (self.seats.iter().map(|seat| seat.account))
            .filter(|account| *account != development && *account != MANAGEMENT)
            .collect();
        if theirs.is_empty() { org.production() } else { *chance.pick(&theirs) }
    }
}

fn shuffled(chance: &mut Chance, from: &[&'static Topic]) -> Vec<&'static Topic> {
    let mut left = from.to_vec();
    let mut found = Vec::new();
    while !left.is_empty() {
        found.push(left.swap_remove(chance.below(left.len())));
    }
    found
}

fn seats(org: &Organisation, person: &Person, chance: &mut Chance) -> Vec<Seat> {
    let development = development(org);
    let mut others = person.accounts.clone();
    others.retain(|account| *account != development);
    if others.is_empty() {
        others.push(org.production());
    }
    let software = [
        &topics::FUNCTIONS,
        &topics::LOGS,
        &topics::CONTAINERS,
        &topics::STACKS,
        &topics::PIPELINES,
        &topics::DATABASES,
        &topics::SETTINGS,
        &topics::MACHINES,
        &topics::BUCKETS,
    ];
    let running = [
        &topics::ALARMS,
        &topics::LOGS,
        &topics::MACHINES,
        &topics::CONTAINERS,
        &topics::DATABASES,
        &topics::FUNCTIONS,
        &topics::STACKS,
    ];
    let watching = [&topics::FINDINGS, &topics::RIGHTS, &topics::TRAIL, &topics::BUCKETS];
    let read_only = permission_set("ReadOnly");
    let builds = (development, permission_set("Developer"));
    let looks = |chance: &mut Chance, set: &'static PermissionSet, from: &[&'static Topic]| {
        let seats =
            others.iter().map(|account| Seat::new((*account, set), &shuffled(chance, from)));
        seats.collect::<Vec<Seat>>()
    };
    match person.calling {
        Calling::Developer => {
            let mut seats = vec![Seat::new(builds, &shuffled(chance, &software)).writing(0.12)];
            seats.extend(looks(chance, read_only, &running));
            seats
        }
        Calling::Operator => {
            let mut seats = looks(chance, read_only, &running);
            seats.push(Seat::new(builds, &shuffled(chance, &running)).writing(0.08));
            seats
        }
        Calling::Analyst => looks(chance, permission_set("DataReader"), &[&topics::QUERIES]),
        Calling::Security => {
            let audit = permission_set("SecurityAudit");
            let mut seats = vec![Seat::new((org.security(), audit), &[&topics::FINDINGS])];
            seats.extend(looks(chance, audit, &watching));
            seats
        }
        Calling::Finance => {
            vec![Seat::new((MANAGEMENT, permission_set("Billing")), &[&topics::COSTS])]
        }
    }
}
