//! A call that somebody makes: everything that its CloudTrail record will say, in as few bytes as may be.
//!
//! Most calls are routine: a line of the catalogue, whose parameters are drawn when the record is written. The others
//! (sign-ins, changes of access, what an incident does) carry theirs.
//!
//! Invariant: a call knows nothing of files; `record.rs` writes it, `deliver.rs` says when it arrives.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::model::Seconds;
use crate::simulate::caller::Caller;

/// The number of an event, written as the UUID that stands in `eventID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u128);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e] = [96, 80, 64, 48, 0].map(|shift| self.0 >> shift);
        let (c, d) = (c & 0x0fff | 0x4000, d & 0x3fff | 0x8000);
        let (b, e) = (b & 0xffff, e & 0xffff_ffff_ffff);
        write!(f, "{:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}", a & 0xffff_ffff)
    }
}

/// An account, by its place in [`Organisation::accounts`](crate::simulate::organisation::Organisation::accounts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountIx(pub u16);

/// A region, by its place in [`REGIONS`](crate::simulate::organisation::REGIONS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionIx(pub u8);

/// The account and region that record a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `recipientAccountId`.
    pub account: AccountIx,
    /// `awsRegion`.
    pub region: RegionIx,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// `eventTime`.
    pub at: Seconds,
    /// `eventID`.
    pub id: EventId,
    /// Who records it.
    pub place: Place,
    /// Who makes it, and from where.
    pub by: Arc<Caller>,
    /// What is called.
    pub what: What,
}

/// What is called.
#[derive(Debug, Clone)]
pub enum What {
    /// A line of the catalogue; it was refused or failed if there is an error.
    Routine(&'static Routine, Option<&'static CallError>),
    /// A call that carries its own parameters.
    Written(Box<Written>),
}

/// A kind of call that is made so often that its parameters may be drawn as it is written.
#[derive(Debug)]
pub struct Routine {
    /// The service, as in `eventSource` without `.amazonaws.com`.
    pub service: &'static str,
    /// `eventName`.
    pub name: &'static str,
    /// What sort of call it is.
    pub sort: Sort,
    /// `requestParameters`: JSON with `$` words, which `record.rs` replaces; empty for `null`.
    pub request: &'static str,
    /// `responseElements`, likewise.
    pub response: &'static str,
    /// `resources`, likewise; empty to leave the member out.
    pub resources: &'static str,
}

/// What sort of call it is: `readOnly`, `managementEvent` and `eventCategory` follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Reads what is there.
    Read,
    /// Changes something.
    Write,
    /// Reads contents: logged only where a trail selects data events.
    DataRead,
    /// Writes contents, likewise.
    DataWrite,
}

/// How a call failed.
#[derive(Debug, PartialEq, Eq)]
pub struct CallError {
    /// `errorCode`.
    pub code: &'static str,
    /// `errorMessage`; `$arn` is the caller, `$action` what was called.
    pub message: &'static str,
}

/// A call with parameters of its own. All texts but the first are JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The service, as in `eventSource` without `.amazonaws.com`.
    pub service: &'static str,
    /// `eventName`.
    pub name: &'static str,
    /// What sort of call it is.
    pub sort: Sort,
    /// `eventType`: `AwsApiCall` unless it is said otherwise.
    pub event_type: &'static str,
    /// `requestParameters`.
    pub request: Value,
    /// `responseElements`.
    pub response: Value,
    /// `errorCode` and `errorMessage`; the code is empty for failed sign-ins, which have only the message.
    pub error: Option<(String, String)>,
    /// Further members of the record, such as `additionalEventData`, `resources` or `sharedEventID`.
    pub more: Vec<(&'static str, Value)>,
}

impl Written {
    /// Returns a call that changes something, succeeds, and says nothing more.
    pub fn write(service: &'static str, name: &'static str) -> Self {
        Self {
            service,
            name,
            sort: Sort::Write,
            event_type: "AwsApiCall",
            request: Value::Null,
            response: Value::Null,
            error: None,
            more: Vec::new(),
        }
    }

    /// Returns a call that reads.
    pub fn read(service: &'static str, name: &'static str) -> Self {
        Self { sort: Sort::Read, ..Self::write(service, name) }
    }

    /// Returns a call on contents, which a trail logs only where it is told to.
    pub fn data(service: &'static str, name: &'static str, sort: Sort) -> Self {
        Self { sort, ..Self::write(service, name) }
    }

    /// Returns a sign-in event: `eventType` is `AwsConsoleSignIn`.
    pub fn sign_in(name: &'static str) -> Self {
        Self { event_type: "AwsConsoleSignIn", ..Self::write("signin", name) }
    }

    /// Gives it `requestParameters`.
    pub fn asking(mut self, request: Value) -> Self {
        self.request = request;
        self
    }

    /// Gives it `responseElements`.
    pub fn answering(mut self, response: Value) -> Self {
        self.response = response;
        self
    }

    /// Makes it fail: no answer, and these words.
    pub fn failing(mut self, code: &str, message: &str) -> Self {
        self.response = Value::Null;
        self.error = Some((code.to_owned(), message.to_owned()));
        self
    }

    /// Gives it a further member.
    pub fn with(mut self, member: &'static str, value: Value) -> Self {
        self.more.push((member, value));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_a_uuid_of_version_4() {
        let id = EventId(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210).to_string();
        assert_eq!(id, "01234567-89ab-4def-bedc-ba9876543210");
        assert!(uuid::Uuid::parse_str(&id).is_ok());
    }
}
