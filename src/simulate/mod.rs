//! A simulated organisation that writes what a real one would deliver, with the truth beside it.
//!
//! Everybody in it (`actors/`) lives one day after the other and writes calls, flows and changes into a diary; incidents
//! (`incidents/`) write theirs before the first day. Each day is then delivered (`deliver/`): records and flows are
//! written, cut into files, compressed on all cores, and put on a shelf.
//!
//! Invariant: the same plan gives the same bytes, on any machine and with any number of threads. No clock, no network;
//! where files go and when is the caller's business ([`Shelf`], [`Pace`]).
//! Read on in `organisation.rs`, `call.rs`, `diary.rs`, then the actors.

pub mod actors;
pub mod call;
pub mod caller;
pub mod catalogue;
pub mod chance;
pub mod deliver;
pub mod diary;
pub mod evaluate;
pub mod flow;
pub mod iam;
pub mod incidents;
pub mod organisation;
pub mod parts;
pub mod record;
pub mod schedule;
#[cfg(test)]
pub mod testkit;
pub mod truth;

use std::io;

use crate::model::Seconds;
use crate::simulate::deliver::Deliverer;
use crate::simulate::diary::Diary;
use crate::simulate::incidents::Incident;
use crate::simulate::organisation::Organisation;

/// What to simulate.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// The first midnight, UTC.
    pub start: Seconds,
    /// How many days.
    pub days: i64,
    /// How many accounts, 1 to 500.
    pub accounts: u16,
    /// How many people, 1 to 10,000.
    pub people: u16,
    /// How busy workloads are: 1 is some thousand calls per account and day.
    pub volume: f64,
    /// The incidents, each with the moment at which it begins.
    pub incidents: Vec<(&'static Incident, Seconds)>,
    /// Whether VPC flow logs are written.
    pub flows: Flows,
    /// How carelessly messages of the broker and CloudTrail files are delivered.
    pub disorder: Disorder,
}

impl Plan {
    /// Returns the midnight after the last day.
    pub fn end(&self) -> Seconds {
        Seconds(self.start.0 + self.days * 86_400)
    }
}

/// Whether VPC flow logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flows {
    /// They are.
    Written,
    /// They are not.
    LeftOut,
}

/// How often deliveries go wrong, each as a share of all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disorder {
    /// CloudTrail files that come up to two hours late.
    pub late_files: f64,
    /// Records that come again in a later file.
    pub duplicates: f64,
    /// Records that come again with an `addendum`.
    pub addenda: f64,
    /// Messages of the broker that come up to 20 minutes late, and so perhaps out of order.
    pub late_messages: f64,
    /// Messages of the broker that come twice.
    pub repeated_messages: f64,
}

impl Disorder {
    /// Everything comes once and in time.
    pub const NONE: Self = Self {
        late_files: 0.0,
        duplicates: 0.0,
        addenda: 0.0,
        late_messages: 0.0,
        repeated_messages: 0.0,
    };
}

impl Default for Disorder {
    fn default() -> Self {
        Self {
            late_files: 0.01,
            duplicates: 0.001,
            addenda: 0.0005,
            late_messages: 0.1,
            repeated_messages: 0.1,
        }
    }
}

/// Where files are put.
pub trait Shelf: Sync {
    /// Puts `bytes` at `key`, which is a path with `/`.
    ///
    /// # Errors
    /// When it could not be put there.
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()>;

    /// Puts a digest with its signature, which S3 keeps beside it as metadata; where there is no such thing, the next
    /// digest repeats it.
    ///
    /// # Errors
    /// When it could not be put there.
    fn put_signed(&self, key: &str, bytes: &[u8], _signature: &str) -> io::Result<()> {
        self.put(key, bytes)
    }

    /// Returns the bucket and the prefix in it that keys stand below, as digests name them.
    fn bucket(&self) -> (&str, &str) {
        ("example-organization-logs", "")
    }
}

/// When files are put there.
pub trait Pace: Sync {
    /// Waits until `moment`, or not at all, and says what becomes of a delivery that is due then.
    fn wait_for(&self, moment: Seconds) -> Turn;

    /// Learns that a day has been written, with the number of records so far.
    fn told(&self, day: i64, records: u64);

    /// Returns the part of `whole` that is delivered; it ends where the simulation was broken off.
    fn part_of(&self, whole: (Seconds, Seconds)) -> (Seconds, Seconds) {
        whole
    }
}

/// What becomes of a delivery whose moment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is left out must not be put on the shelf"]
pub enum Turn {
    /// It is put on the shelf.
    Deliver,
    /// It is not: the simulation was broken off, or began later.
    LeaveOut,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// CloudTrail records, with those that come again.
    pub records: u64,
    /// CloudTrail files.
    pub files: u64,
    /// Flow records.
    pub flows: u64,
    /// Messages of the broker.
    pub messages: u64,
    /// Bytes on the shelf.
    pub bytes: u64,
}

/// Simulates `plan` with `threads` writers.
///
/// # Errors
/// When a file could not be put on the shelf.
pub fn simulate(
    plan: &Plan,
    shelf: &dyn Shelf,
    pace: &dyn Pace,
    threads: usize,
) -> io::Result<Written> {
    let org = Organisation::draw(plan);
    let mut diary = Diary::new(plan.start);
    let mut deliverer = Deliverer::new(plan, &org, shelf, pace, threads);
    deliverer.begin()?;
    for (incident, at) in &plan.incidents {
        incident.happen(&org, &mut diary, *at);
    }
    let mut actors = actors::everybody(plan, &org);
    for day in 0..plan.days {
        let whole = (plan.start, plan.end());
        if pace.part_of(whole).1 <= org.midnight(day) {
            break;
        }
        for actor in &mut actors {
            actor.live(&org, &mut diary, day);
        }
        deliverer.deliver(day, diary.take(day))?;
    }
    deliverer.end(diary)
}
