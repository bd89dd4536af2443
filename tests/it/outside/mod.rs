//! The outside world of a test: an AWS-compatible server, a SIEM, a network that fails, and the daemon itself.
//!
//! Everything speaks over loopback. Nothing here knows the inside of grantwatch: a story starts the program as
//! an operator would and looks at what arrives, what stays on the queue and what the log says.
//!
//! Invariant: nobody sleeps in the hope that something has happened; whoever waits, waits for a thing that can
//! be seen, and no longer than a deadline ([`wait`]).

pub mod aws;
pub mod chance;
pub mod daemon;
pub mod deliveries;
pub mod envelope;
pub mod http;
pub mod moto;
pub mod permissions;
pub mod proxy;
pub mod siem;
pub mod splunk;
pub mod stage;
pub mod store;
pub mod wait;
