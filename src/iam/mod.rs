//! IAM: what policies allow, what a change of them changes in effect, and who could do what without a grant.
//!
//! A text becomes a [`Document`] (`policy.rs`); the policies that stand in all accounts at one moment are a [`State`]
//! (`state.rs`).
//!
//! Invariant: what is not known is never guessed: it is a condition, or said to be unknown. No clock: time is a parameter.
//! Read on in `policy.rs`.

pub mod baseline;
mod config;
pub mod drift;
mod facts;
pub mod policy;
pub mod state;
mod written;

pub use config::Config;
pub use drift::Drift;
pub use drift::learn::Known;
pub use drift::learn::concerns;
pub use facts::FIELDS;
pub use policy::Document;
pub use policy::Kind;
pub use state::State;
