//! IAM: what policies allow, what a change of them changes in effect, and who could do what without a grant.
//!
//! A text becomes a [`Document`] (`parse.rs`, `policy.rs`), of which texts are made again (`write.rs`); its patterns are sets
//! of texts (`pattern.rs`). The policies that stand in all accounts at one moment are a [`State`] (`state.rs`), which says
//! whether a request is allowed (`evaluate.rs`).
//!
//! A [`Snapshot`] (`snapshot.rs`) is where a [`History`] (`history/mod.rs`) begins; what records teach (`lesson.rs`) goes on.
//!
//! Invariant: what is not known is never guessed: it is a condition, or said to be unknown. No clock: time is a parameter.
//! Read on in `policy.rs`.

pub mod baseline;
pub mod block;
pub mod compare;
mod config;
pub mod drift;
mod effort;
pub mod escalation;
pub mod evaluate;
mod facts;
pub mod force;
pub mod history;
pub mod holding;
pub mod lesson;
pub mod network;
pub mod parse;
pub mod pattern;
pub mod policy;
pub mod sharing;
pub mod snapshot;
pub mod standing;
pub mod state;
pub mod trust;
pub mod want;
pub mod write;

pub use config::Config;
pub use config::Fetch;
pub use drift::Drift;
pub use drift::known::Known;
pub use evaluate::Decision;
pub use facts::FIELDS;
pub use history::History;
pub use lesson::Lesson;
pub use lesson::concerns;
pub use parse::PolicyError;
pub use policy::Document;
pub use policy::Kind;
pub use snapshot::Snapshot;
pub use state::State;
