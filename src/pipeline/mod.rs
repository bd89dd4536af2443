//! The order of things: deliveries through the core in commit groups, the outbox to the sinks.
//!
//! This room alone knows the order of the others. `core` is the order, without a clock; `engine` is the threads
//! around it; `daemon` and `once` are the two ways to run them.
//!
//! Invariant: effects commit together, and a source is told only afterwards.

mod batch;
pub mod books;
mod core;
pub mod daemon;
mod detectors;
pub mod dispatch;
mod engine;
mod front;
mod once;
mod policies;
mod readings;
mod schema;
mod seen;
mod settings;
mod signal;
pub mod standing;
pub mod table;

pub use batch::Batch;
pub use batch::Outcome;
pub use batch::Read;
pub use batch::Reading;
pub use batch::Told;
pub use batch::read;
pub use core::Committed;
pub use core::Core;
pub use core::Finding;
pub use core::Witness;
pub use detectors::builtin_detectors;
pub use detectors::catalogue;
pub use detectors::fields_table;
pub use detectors::load_detectors;
pub use engine::End;
pub use engine::Engine;
pub use engine::Gait;
pub use engine::Pace;
pub use once::once;
pub use policies::known_policies;
pub use schema::MIGRATIONS;
pub use schema::fields;
pub use settings::Asked;
pub use settings::Destination;
pub use settings::Grants;
pub use settings::Settings;
