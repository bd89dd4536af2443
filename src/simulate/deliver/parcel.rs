//! One file on its way to the shelf.
//!
//! Invariant: files of all sorts go out in one order, that of their delivery.

use std::io;

use crate::model::Seconds;
use crate::simulate::Written;
use crate::simulate::call::Call;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::deliver::digest::Due;
use crate::simulate::deliver::digest::Link;
use crate::simulate::deliver::digest::Log;
use crate::simulate::deliver::flows::FlowFile;
use crate::simulate::organisation::HOME;

/// A file of any sort.
pub enum Parcel {
    /// Of CloudTrail.
    Trail(File),
    /// Of VPC flow logs.
    Flows(FlowFile),
    /// A digest of CloudTrail.
    Digest(Due),
}

/// The sorts of files, in the order in which those of one moment are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Of CloudTrail.
    Trail,
    /// Of VPC flow logs.
    Flows,
    /// A digest of CloudTrail.
    Digest,
}

impl Parcel {
    /// Returns when it is put.
    pub fn delivered(&self) -> Seconds {
        match self {
            Self::Trail(file) => file.delivered,
            Self::Flows(file) => file.delivered,
            Self::Digest(due) => due.delivered,
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
            Self::Digest(due) => (due.delivered, Sort::Digest, due.place, 0),
        }
    }
}

/// What became of a parcel.
pub enum Put {
    /// It was not delivered.
    LeftOut,
    /// So many bytes of CloudTrail were put.
    Trail(usize, Log),
    /// Somebody took it away.
    TakenAway(Log),
    /// So many bytes of flow logs were put.
    Flows(usize),
    /// So many bytes of a digest were put, unless somebody took it away.
    Digest(usize, Link),
}

/// Whether a parcel could be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It could, as far as it was to be.
    Fine,
    /// It could not.
    Failed,
}

/// What became of all parcels of an hour.
#[derive(Default)]
pub struct Done {
    /// How much was put.
    pub written: Written,
    /// The events that were not delivered.
    pub left_out: Vec<EventId>,
    /// The log files that a digest has to name.
    pub logs: Vec<Log>,
    /// The digests that were written, and who took them away.
    pub links: Vec<(Place, Option<usize>, Link)>,
    /// What went wrong first.
    pub failed: Option<io::Error>,
}

impl Done {
    /// Takes in what became of `parcel`.
    pub fn take(&mut self, parcel: &Parcel, put: io::Result<Put>) -> Fate {
        let put = match put {
            Ok(put) => put,
            Err(error) => {
                self.failed.get_or_insert(error);
                return Fate::Failed;
            }
        };
        match (parcel, put) {
            (Parcel::Trail(file), Put::Trail(bytes, log)) => {
                self.written.files += 1;
                self.written.records += (file.calls.len() + file.again.len()) as u64;
                self.written.bytes += bytes as u64;
                self.logs.push(log);
            }
            (Parcel::Trail(file), put) => {
                self.left_out.extend(file.calls.iter().map(|call| call.id));
                if let Put::TakenAway(log) = put {
                    self.logs.push(log);
                }
            }
            (Parcel::Flows(file), Put::Flows(bytes)) => {
                self.written.flows += file.len() as u64;
                self.written.bytes += bytes as u64;
            }
            (Parcel::Digest(due), Put::Digest(bytes, link)) => {
                self.written.bytes += bytes as u64;
                self.links.push((due.place, due.taken, link));
            }
            (Parcel::Flows(_) | Parcel::Digest(_), _) => {}
        }
        Fate::Fine
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

impl File {
    /// Returns the event time of its first and last record.
    pub fn times(&self) -> (Seconds, Seconds) {
        let again = self.again.iter().map(|again| again.call.at);
        let times = || self.calls.iter().map(|call| call.at).chain(again.clone());
        let first = times().min().expect("no file is empty");
        (first, times().max().unwrap_or(first))
    }
}
