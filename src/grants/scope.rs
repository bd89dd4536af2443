//! What a grant covers: account, role, action, resources, region, network of one act.
//!
//! Invariant: what the record does not say fits nothing but a grant that does not ask for it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::grants::glob::fits;
use crate::grants::glob::fits_in_any_case;
use crate::grants::grant::Version;
use crate::grants::role::Role;
use crate::grants::verdict::Act;
use crate::grants::verdict::Dimension;
use crate::grants::who::Actor;
use crate::grants::who::Hit;

/// Services that have one region, whatever region is asked: grants' regions do not hold for them.
const GLOBAL_SERVICES: [&str; 24] = [
    "account",
    "artifact",
    "aws-portal",
    "billing",
    "budgets",
    "ce",
    "cloudfront",
    "consolidatedbilling",
    "cur",
    "freetier",
    "globalaccelerator",
    "health",
    "iam",
    "invoicing",
    "networkmanager",
    "organizations",
    "payments",
    "route53",
    "route53domains",
    "savingsplans",
    "shield",
    "support",
    "trustedadvisor",
    "waf",
];

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit<'a> {
    Account,
    Role,
    /// A role that was taken from the granted one, and that the grant does not reach.
    Chain,
    Action,
    /// This resource, or none that is known.
    Resource(&'a str),
    Region,
    Network,
}

impl Misfit<'_> {
    pub fn dimension(self) -> Dimension {
        match self {
            Self::Account => Dimension::Account,
            Self::Role | Self::Chain => Dimension::Role,
            Self::Action => Dimension::Action,
            Self::Resource(_) => Dimension::Resource,
            Self::Region => Dimension::Region,
            Self::Network => Dimension::Network,
        }
    }

    /// Returns whether account and role fit, so that a session of the grant may well do such an act.
    pub fn is_within_reach(self) -> bool {
        !matches!(self, Self::Account | Self::Role | Self::Chain)
    }
}

/// Returns the first thing of `act` that the scope of `version` does not fit.
pub(super) fn misfit<'a>(
    version: &Version,
    act: &Act<'a>,
    actor: &Actor<'a>,
    hit: Hit,
) -> Option<Misfit<'a>> {
    let scope = &version.scope;
    let given = given_role(version, actor, hit);
    let account = account_of(act, actor, given);
    if scope.accounts.as_ref().is_some_and(|list| !list.iter().any(|it| is_same(it, account))) {
        return Some(Misfit::Account);
    }
    match given {
        None => return Some(Misfit::Role),
        Some(owned) if !is_reached(version, actor, owned) => return Some(Misfit::Chain),
        Some(_) => {}
    }
    let is_action = |glob: &str| fits_in_any_case(glob, act.action);
    if !any(scope.actions.as_deref(), is_action) {
        return Some(Misfit::Action);
    }
    if let Some(resource) = resource_outside(scope.resources.as_deref(), act.resources) {
        return Some(Misfit::Resource(resource));
    }
    let is_region = |region: &str| is_same(region, act.region);
    if !is_global(act.action) && !any(scope.regions.as_deref(), is_region) {
        return Some(Misfit::Region);
    }
    let is_inside = |network: &str| act.address.is_some_and(|it| contains(network, it));
    if !any(scope.source_networks.as_deref(), is_inside) {
        return Some(Misfit::Network);
    }
    None
}

/// Returns how many of the actor's roles there are up to the one that was granted; `None` if it took no granted role.
fn given_role(version: &Version, actor: &Actor<'_>, hit: Hit) -> Option<usize> {
    if version.scope.own_credentials && actor.roles.len() > hit.owned {
        return None;
    }
    let (sets, arns) = (&version.scope.permission_sets, &version.scope.role_arns);
    if sets.is_none() && arns.is_none() {
        // What the principal is, or the first role that it took.
        return Some(hit.owned.max(1).min(actor.roles.len()));
    }
    let listed = |list: &Option<Vec<Box<str>>>, is_it: &dyn Fn(&str) -> bool| {
        list.as_deref().unwrap_or_default().iter().any(|glob| is_it(glob))
    };
    let is_given = |role: &Role<'_>| {
        (!role.set.is_empty() && listed(sets, &|glob| fits(glob, role.set)))
            || listed(arns, &|glob| role.fits(glob))
    };
    let at = actor.roles.get(hit.from..)?.iter().rposition(is_given)?;
    Some(hit.from + at + 1)
}

/// Returns whether the roles behind the first `given` ones are the grant's to give.
fn is_reached(version: &Version, actor: &Actor<'_>, given: usize) -> bool {
    let delegates = &version.delegates;
    let taken = actor.roles.get(given..).unwrap_or_default();
    let is_reached = |role: &Role<'_>| delegates.chained_roles.iter().any(|glob| role.fits(glob));
    taken.len() <= usize::from(delegates.max_depth) && taken.iter().all(is_reached)
}

/// Returns the account that a grant has to name: that of the granted role, if the act is in that of a role taken from
/// it, which `delegates` decides on.
fn account_of<'a>(act: &Act<'a>, actor: &Actor<'a>, given: Option<usize>) -> &'a str {
    let own = given.and_then(|given| actor.roles.get(given.checked_sub(1)?));
    match (own, actor.roles.last()) {
        (Some(own), Some(last)) if !own.is_same(last) && last.account == act.account => own.account,
        _ => act.account,
    }
}

/// Returns a resource that no glob fits; the empty one if none is known and it matters.
///
/// What contains a fitting resource is there for the way: a bucket beside its object.
fn resource_outside<'a>(globs: Option<&[Box<str>]>, resources: &[&'a str]) -> Option<&'a str> {
    let globs = globs?;
    if globs.iter().any(|glob| &**glob == "*") {
        return None;
    }
    let is_inside = |resource: &str| globs.iter().any(|glob| fits(glob, resource));
    let is_way = |resource: &str| {
        let below =
            |other: &str| other.strip_prefix(resource).is_some_and(|it| it.starts_with('/'));
        resources.iter().any(|other| below(other) && is_inside(other))
    };
    if resources.is_empty() {
        return Some("");
    }
    resources.iter().copied().find(|resource| !is_inside(resource) && !is_way(resource))
}

fn any(list: Option<&[Box<str>]>, is_it: impl Fn(&str) -> bool) -> bool {
    list.is_none_or(|list| list.iter().any(|wanted| &**wanted == "*" || is_it(wanted)))
}

/// What is unknown is the same as nothing.
fn is_same(wanted: &str, found: &str) -> bool {
    !found.is_empty() && wanted == found
}

fn is_global(action: &str) -> bool {
    let service = action.split_once(':').map_or(action, |(service, _)| service);
    GLOBAL_SERVICES.binary_search(&service).is_ok()
}

/// A network that cannot be read contains nothing.
fn contains(network: &str, address: IpAddr) -> bool {
    let address = address.to_canonical();
    match (network.parse::<IpNet>(), network.parse::<IpAddr>()) {
        (Ok(network), _) => network.contains(&address),
        (Err(_), Ok(only)) => only.to_canonical() == address,
        (Err(_), Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_services_stand_in_order_to_be_found() {
        assert!(GLOBAL_SERVICES.is_sorted());
        assert!(is_global("iam:CreateUser"));
        assert!(!is_global("ec2:RunInstances"));
    }

    #[test]
    fn networks_hold_addresses_of_either_kind() {
        for (network, address, expected) in [
            ("203.0.113.0/24", "203.0.113.7", true),
            ("203.0.113.9/24", "203.0.113.7", true),
            ("203.0.113.0/24", "::ffff:203.0.113.7", true),
            ("203.0.113.7", "203.0.113.7", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("203.0.113.0/24", "198.51.100.1", false),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("office", "203.0.113.7", false),
        ] {
            assert_eq!(
                contains(network, address.parse().unwrap()),
                expected,
                "{network} {address}"
            );
        }
    }

    #[test]
    fn every_resource_has_to_fit() {
        let globs: [Box<str>; 2] = ["arn:aws:s3:::b/*".into(), "arn:aws:iam::1:role/x".into()];
        let outside = |resources: &[&'static str]| resource_outside(Some(&globs), resources);
        assert_eq!(outside(&["arn:aws:s3:::b/o", "arn:aws:s3:::b"]), None);
        assert_eq!(outside(&["arn:aws:s3:::b"]), Some("arn:aws:s3:::b"));
        assert_eq!(
            outside(&["arn:aws:iam::1:role/x", "arn:aws:iam::1:y"]),
            Some("arn:aws:iam::1:y")
        );
        assert_eq!(outside(&[]), Some(""));
        assert_eq!(resource_outside(None, &[]), None);
    }
}
