//! The integration tests, as one binary: each file in `tests/` would link the whole dependency tree again.
//!
//! No sleeps, no network but loopback, no retries: a flaky test is a bug.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod docs;
mod drift;
mod equivalence;
mod files;
mod grants;
mod grants_trail;
mod house;
mod originals;
mod replay;
mod revise;
mod rooms;

mod outside;

mod api;
mod claims;
mod commands;
mod crash;
mod envelopes;
mod faults;
mod late;
mod least_privilege;
mod policies_asked;
mod policies_fetch;
mod policy_history;
mod policy_history_beside;
mod protect;
mod readings;
mod readings_services;
mod reconcile;
mod scan;
mod shutdown;
mod simulate;
mod sinks;
mod standing;
mod standing_moves;
mod standing_touched;
mod standing_uses;
mod tags;
mod undone;
mod usage;
