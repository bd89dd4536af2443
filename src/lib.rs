//! grantwatch: event-driven audit and anomaly monitor for AWS.
//!
//! Deliveries of AWS activity go in; explained, deduplicated alerts come out. The modules below are
//! the *rooms* of the house, in reading order; ARCHITECTURE.md draws the map and says which room may
//! import which, and `tests/it/rooms.rs` holds the code to it.

pub mod alert;
pub mod api;
pub mod cli;
pub mod config;
pub mod decode;
pub mod grants;
pub mod iam;
pub mod identity;
pub mod model;
pub mod outbox;
pub mod pipeline;
pub mod rules;
pub mod simulate;
pub mod sink;
pub mod source;
pub mod store;
pub mod telemetry;

/// Records are made on one thread and dropped on another all day long, which is what this allocator is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
