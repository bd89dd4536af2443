//! Who is really behind a record: canonical names, and sessions stitched back to whoever they were issued to.
//!
//! A delivery passes twice: [`Registry::learn`] reads the records that issue sessions or show names, and whose log they
//! stand in; then [`Registry::session`] and [`event_facts`] say who acted. So a use that stands before its issuing
//! record in the same file is stitched.
//!
//! Invariant: no clock and no I/O beside `table.rs`; nothing here panics on any record; what is kept is bounded.
//! A name is never better than its evidence: each says how sure it is, and why.
//! Read on in `registry.rs`, then `caller.rs` (one record by itself) and `lineage.rs` (the chain behind it).

mod caller;
mod config;
mod context;
mod facts;
mod fields;
mod issue;
mod known;
mod lineage;
mod memo;
mod network;
mod outcome;
mod party;
mod registry;
mod session;
mod sessions;
pub mod table;

#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use facts::event_facts;
pub use fields::FIELDS;
pub use registry::Registry;
pub use table::SCHEMA;
