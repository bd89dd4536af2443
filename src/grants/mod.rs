//! Grants: was this privileged action covered by an access grant at that moment?
//!
//! The ledger (`ledger.rs`) holds every version of every grant that a broker told of; the surface (`surface.rs`) says
//! which actions want one; the verdict (`verdict.rs`) joins the two for one act and says why.
//!
//! Invariant: the ledger is a set of versions, so that the order of messages and their repetition change nothing; the
//! state of a grant is taken as of the act's time. No clock: time is the act's. What is unknown is never "covered".
//! Read on in `grant.rs`.

mod grant;
pub mod message;
pub mod presets;
mod verdict;

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
pub use verdict::Act;
pub use verdict::Dimension;
pub use verdict::Judgement;
pub use verdict::Verdict;
