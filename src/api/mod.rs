//! The HTTP API of the daemon: grants told, revoked and looked at, webhooks of brokers, health.
//!
//! What is written becomes a delivery like any other, and is answered once its effects are on disk, or not at all; what
//! is read comes from a connection to the store that only reads. Reading order: `gate` with `token` and `signature`
//! (who may), `write`, `revoke`, `read`, `routes` (what there is), `server` (the connections). docs/api.md is for those who call.
//!
//! Invariant: the only room that speaks HTTP inward. Every body has a size, every wait an end, and nothing that is
//! answered with 4xx has changed anything.

mod body;
mod config;
mod gate;
mod problem;
mod read;
mod revoke;
mod routes;
mod server;
mod shared;
mod signature;
#[cfg(test)]
mod testkit;
mod tls;
pub mod token;
mod write;

pub use config::Config;
pub use config::Scope;
pub use config::Signature;
pub use config::Style;
pub use config::Tls;
pub use config::Token;
pub use server::ApiError;
pub use server::Needs;
pub use server::Server;
pub use signature::SecretError;
pub use tls::TlsError;
