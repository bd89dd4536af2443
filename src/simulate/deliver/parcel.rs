//! One file on its way to the shelf.
//!
//! Invariant: files of both sorts go out in one order, that of their delivery.

use crate::model::Seconds;
use crate::simulate::Written;
use crate::simulate::call::Call;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::deliver::flows::FlowFile;
use crate::simulate::organisation::HOME;

/// A file of either sort.
pub enum Parcel {
    /// Of CloudTrail.
    Trail(File),
    /// Of VPC flow logs.
    Flows(FlowFile),
}

/// The sorts of files, in the order in which those of one moment are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Of CloudTrail.
    Trail,
    /// Of VPC flow logs.
    Flows,
}

impl Parcel {
    /// Returns when it is put.
    pub fn delivered(&self) -> Seconds {
        match self {
            Self::Trail(file) => file.delivered,
            Self::Flows(file) => file.delivered,
        }
    }

    /// Returns what parcels are put in the order of.
    pub fn order(&self) -> (Seconds, Sort, Place, i64) {
        match self {
            Self::Trail(file) => (file.delivered, Sort::Trail, file.place, file.slot),
            Self::Flows(file) => {
                let (account, window) = file.of();
                (file.delivered, Sort::Flows, Place { account, region: HOME }, window)
            }
        }
    }

    /// Counts it as one that was put, of `bytes`.
    pub fn count(&self, bytes: usize, written: &mut Written) {
        match self {
            Self::Trail(file) => {
                written.files += 1;
                written.records += (file.calls.len() + file.again.len()) as u64;
            }
            Self::Flows(file) => written.flows += file.len() as u64,
        }
        written.bytes += bytes as u64;
    }

    /// Returns what nobody learns of if it is left out.
    pub fn events(&self) -> impl Iterator<Item = EventId> + '_ {
        let calls = match self {
            Self::Trail(file) => file.calls.as_slice(),
            Self::Flows(_) => &[],
        };
        calls.iter().map(|call| call.id)
    }
}

/// A record that comes again.
pub struct Again {
    /// The call.
    pub call: Call,
    /// How it comes again.
    pub how: How,
}

/// How a record comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The same record once more.
    Same,
    /// A later version of it, which names the first.
    Addendum,
}

/// One CloudTrail file.
pub struct File {
    /// When it is put.
    pub delivered: Seconds,
    /// The account and region that it is of.
    pub place: Place,
    /// The part of the simulation that it covers, counted in slots from the start.
    pub slot: i64,
    /// The calls of that time.
    pub calls: Vec<Call>,
    /// What comes again in it.
    pub again: Vec<Again>,
}
