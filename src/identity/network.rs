//! Where a call came from: an address, a service, or AWS itself.
//!
//! Invariant: an address that no machine could have (`253.252.51.07`, from anonymised samples) is still an address.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// What `sourceIPAddress` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Address(Address),
    /// A service's DNS name: it made the call.
    Service,
    /// `AWS Internal`.
    Internal,
    Unknown,
}

impl Source {
    pub fn of(text: &str) -> Self {
        if let Some(address) = Address::parse(text) {
            return Self::Address(address);
        }
        match text {
            "AWS Internal" | "Amazon Internal" => Self::Internal,
            name if name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn") => {
                Self::Service
            }
            name if name.ends_with(".amazon.com") || name.ends_with(".aws") => Self::Service,
            _ => Self::Unknown,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Service => "service",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }
}

/// An IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Address {
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(address) = lenient_v4(text) {
            return Some(Self::V4(address));
        }
        let v6 = text.parse::<Ipv6Addr>().ok()?;
        Some(v6.to_ipv4_mapped().map_or(Self::V6(v6), Self::V4))
    }

    /// The network it belongs to for baselines: /24 or /48.
    pub fn network(self) -> String {
        match self {
            Self::V4(address) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Self::V6(address) => {
                let [a, b, c, ..] = address.segments();
                format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        }
    }

    /// Whether it is routed on the internet. Addresses set aside for documentation count as if they were.
    pub fn is_public(self) -> bool {
        match self {
            Self::V4(address) => {
                let [a, b, ..] = address.octets();
                let is_shared = a == 100 && (64..128).contains(&b);
                !(address.is_private()
                    || address.is_loopback()
                    || address.is_link_local()
                    || is_shared
                    || a == 0)
            }
            Self::V6(address) => {
                !(address.is_loopback()
                    || address.is_unspecified()
                    || address.is_unique_local()
                    || address.is_unicast_link_local())
            }
        }
    }
}

/// Four numbers up to 255 with dots between; leading zeros are let through, as decimal.
fn lenient_v4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        let is_number = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        *octet = is_number.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_addresses_from_services() {
        for (text, kind, network, public) in [
            ("203.0.113.7", "address", "203.0.113.0/24", true),
            ("253.252.51.07", "address", "253.252.51.0/24", true),
            ("10.1.2.3", "address", "10.1.2.0/24", false),
            ("100.64.0.1", "address", "100.64.0.0/24", false),
            ("2001:db8:1234:a100::1", "address", "2001:db8:1234::/48", true),
            ("fd00::1", "address", "fd00::/48", false),
            ("::ffff:198.51.100.7", "address", "198.51.100.0/24", true),
        ] {
            let Source::Address(address) = Source::of(text) else { panic!("{text}") };
            let found = (Source::of(text).name(), address.network(), address.is_public());
            assert_eq!(found, (kind, network.to_owned(), public), "{text}");
        }
        for (text, kind) in [
            ("cloudformation.amazonaws.com", "service"),
            ("AWS Internal", "internal"),
            ("", "unknown"),
            ("1.2.3", "unknown"),
            ("300.1.1.1", "unknown"),
        ] {
            assert_eq!(Source::of(text).name(), kind, "{text}");
        }
    }
}
