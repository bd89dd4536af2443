//! One flow: a direction of a connection on a network interface in an aggregation interval, as VPC flow logs tell it.
//!
//! Invariant: a flow knows nothing of files; `deliver/flows.rs` writes it in the format of its account.

use std::net::Ipv4Addr;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;

/// One flow record; the fields are those of the version 5 format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Whose interface it is, in the home region.
    pub account: AccountIx,
    /// `eni-…`.
    pub interface: String,
    /// `i-…`, or `-`.
    pub instance: String,
    /// Which of the account's two subnets.
    pub subnet: usize,
    /// Where it comes from.
    pub from: (Ipv4Addr, u16),
    /// Where it goes.
    pub to: (Ipv4Addr, u16),
    /// IANA's number: 6 TCP, 17 UDP, 1 ICMP.
    pub protocol: u8,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// The first second.
    pub start: Seconds,
    /// The last second.
    pub end: Seconds,
    /// Whether it was let through.
    pub action: Action,
    /// Seen from the interface.
    pub direction: Direction,
    /// The TCP flags seen, or 0.
    pub flags: u8,
    /// The AWS service behind the far address, such as `S3`, or `-`.
    pub service: &'static str,
}

/// Whether security groups and network ACLs let a flow through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `ACCEPT`.
    Accept,
    /// `REJECT`.
    Reject,
}

/// Where a flow goes, seen from its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the interface.
    Ingress,
    /// Out of it.
    Egress,
}
