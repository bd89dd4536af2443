//! Grants: was this privileged action covered by an access grant at that moment?
//!
//! The ledger (`ledger.rs`) holds every version of every grant that a broker told of; the surface (`surface.rs`) says
//! which actions want one; the verdict (`verdict.rs`) joins the two for one act and says why.
//!
//! Invariant: the ledger is a set of versions, so that the order of messages and their repetition change nothing; the
//! state of a grant is taken as of the act's time. No clock: time is the act's. What is unknown is never "covered".
//! Read on in `grant.rs`.

mod glob;
mod grant;
mod index;
mod judge;
mod ledger;
mod reason;
mod role;
mod scope;
mod table;
mod timeline;
mod verdict;
mod who;

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
pub use judge::Scheduled;
pub use judge::Settings;
pub use ledger::Applied;
pub use ledger::Ledger;
pub use table::SCHEMA;
pub use verdict::Act;
pub use verdict::Confidence;
pub use verdict::Dimension;
pub use verdict::Judgement;
pub use verdict::Verdict;
