//! Grants: was this privileged action covered by an access grant at that moment?
//!
//! The ledger (`ledger.rs`) holds every version of every grant that a broker told of; the surface (`surface.rs`) says
//! which actions want one; the verdict (`verdict.rs`) joins the two for one act and says why.
//!
//! Invariant: the ledger is a set of versions, so that the order of messages and their repetition change nothing; the
//! state of a grant is taken as of the act's time. No clock: time is the act's. What is unknown is never "covered".
//! Read on in `grant.rs`.

mod census;
mod check;
pub mod claims;
mod config;
mod facts;
mod given;
mod glob;
mod grant;
mod heard;
mod index;
mod judge;
mod ledger;
pub mod message;
pub mod presets;
mod reason;
pub mod removal;
pub mod report;
mod resource;
mod role;
mod scope;
pub mod score;
mod surface;
mod table;
pub mod tags;
mod timeline;
pub mod trail;
pub mod usage;
mod verdict;
mod who;
mod words;

#[cfg(test)]
mod ledger_tests;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod verdict_tests;
#[cfg(test)]
mod who_tests;

pub use crate::model::actions::Level;
pub use claims::CLAIMS;
pub use claims::Claims;
pub use config::Automation;
pub use config::Broker;
pub use config::By;
pub use config::Config;
pub use config::Exempt;
pub use config::Group;
pub use config::GroupMember;
pub use config::Need;
pub use config::Protect;
pub use facts::FIELDS;
pub use facts::facts;
pub use given::Given;
pub use grant::Delegates;
pub use grant::Evidence;
pub use grant::Grant;
pub use grant::GrantId;
pub use grant::Principal;
pub use grant::Scope;
pub use grant::Status;
pub use grant::Version;
pub use grant::Who;
pub use grant::Window;
pub use heard::Heard;
pub use heard::heard;
pub use index::Key;
pub use judge::Scheduled;
pub use judge::Settings;
pub use ledger::Applied;
pub use ledger::Ledger;
pub use resource::resources;
pub use surface::Surface;
pub use surface::Wanted;
pub use surface::Whose;
pub use table::SCHEMA;
pub use tags::Tags;
pub use tags::table::SCHEMA as TAGS;
pub use usage::Usage;
pub use usage::Use;
pub use usage::table::TOLD;
pub use usage::table::USAGE;
pub use verdict::Act;
pub use verdict::Dimension;
pub use verdict::Judgement;
pub use verdict::Verdict;
