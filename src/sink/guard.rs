//! Where alerts may be sent: what an address is, and a name resolver that refuses some.
//!
//! Whoever can change a name's address, or the configuration, must not make us talk to the instance
//! metadata service or to a neighbour that trusts its network. Names are checked after resolving, at each
//! connection, so a name that changes its address later is refused too.
//!
//! Invariant: link-local, multicast and unspecified addresses are never spoken to; loopback and private
//! ones only where the sink says so.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use reqwest::dns::Addrs;
use reqwest::dns::Name;
use reqwest::dns::Resolve;
use reqwest::dns::Resolving;

/// Whether a sink may be on this machine or in a private network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Private {
    /// Only public addresses.
    Refused,
    /// Loopback and private addresses too.
    Allowed,
}

/// What kind of address it is, as far as we care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere on the Internet.
    Public,
    /// This machine or a private network.
    Private,
    /// Never a receiver of alerts: metadata services live here.
    Never,
}

/// Returns what kind of address `ip` is.
pub fn reach(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => reach_v4(ip),
        IpAddr::V6(ip) => reach_v6(ip),
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, ..] = ip.octets();
    let never = ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() || a == 0;
    let shared = a == 100 && (64..128).contains(&b);
    if never {
        Reach::Never
    } else if ip.is_loopback() || ip.is_private() || shared {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    // The IMDS of IPv6-only instances is a unique local address (EC2 User Guide, "instance metadata").
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    if let Some(inner) = embedded_v4(ip) {
        return reach_v4(inner);
    }
    let never =
        ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() || ip == METADATA;
    if never {
        Reach::Never
    } else if ip.is_loopback() || ip.is_unique_local() {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The IPv4 address that a mapped, translated (NAT64) or 6to4 address leads to.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(join(g, h)),
        (0x2002, ..) => Some(join(b, c)),
        _ => None,
    }
}

/// Returns whether we may connect to `ip`.
pub fn may_reach(ip: IpAddr, private: Private) -> bool {
    match (reach(ip), private) {
        (Reach::Public, _) | (Reach::Private, Private::Allowed) => true,
        (Reach::Private, Private::Refused) | (Reach::Never, _) => false,
    }
}

/// Resolves names as the system does and leaves out addresses we may not connect to.
#[derive(Debug)]
pub struct Resolver(pub Private);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| may_reach(address.ip(), private)).collect();
            if allowed.is_empty() {
                let refused: Box<dyn Error + Send + Sync> = Box::new(io::Error::other(
                    "the name leads to private, loopback or link-local addresses only; set `allow_private = true` if that is meant",
                ));
                return Err(refused);
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_they_lead_to() {
        for (text, expected) in [
            ("203.0.113.7", Reach::Public),
            ("2001:db8::1", Reach::Public),
            ("10.1.2.3", Reach::Private),
            ("172.31.0.1", Reach::Private),
            ("192.168.1.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("127.0.0.1", Reach::Private),
            ("::1", Reach::Private),
            ("fd12::1", Reach::Private),
            ("::ffff:10.0.0.1", Reach::Private),
            ("169.254.169.254", Reach::Never),
            ("::ffff:169.254.169.254", Reach::Never),
            ("64:ff9b::a9fe:a9fe", Reach::Never),
            ("2002:a9fe:a9fe::1", Reach::Never),
            ("fd00:ec2::254", Reach::Never),
            ("fe80::1", Reach::Never),
            ("0.0.0.0", Reach::Never),
            ("::", Reach::Never),
            ("255.255.255.255", Reach::Never),
            ("ff02::1", Reach::Never),
        ] {
            assert_eq!(reach(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused() {
        let name = || "localhost".parse().unwrap();
        assert!(Resolver(Private::Refused).resolve(name()).await.is_err());
        assert!(Resolver(Private::Allowed).resolve(name()).await.is_ok());
    }
}
