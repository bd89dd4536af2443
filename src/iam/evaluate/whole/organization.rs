//! The organisation's policies: service control policies of who acts, resource control policies of the resource.
//!
//! Source: AWS Organizations User Guide, "SCP evaluation", "Resource control policies (RCPs)": neither binds the management
//! account or service-linked roles; an Allow is needed on every level from the root to the account.
//!
//! Invariant: of an organisation that is not known nothing is assumed but that it forbids nothing; that is said.

use std::collections::BTreeSet;

use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::sum::Gathered;
use crate::iam::evaluate::sum::Place;
use crate::iam::evaluate::sum::Sum;
use crate::iam::evaluate::whole::identity::EVERYTHING;
use crate::iam::holding::FULL_ACCESS;
use crate::iam::state::Organization;
use crate::iam::state::State;

const SERVICE_CONTROL: &str = "SERVICE_CONTROL_POLICY";
const RESOURCE_CONTROL: &str = "RESOURCE_CONTROL_POLICY";
/// The policies that AWS attaches everywhere, of which the organisation's API tells no text of ours.
const FULL: [(&str, &str); 2] =
    [(FULL_ACCESS, SERVICE_CONTROL), ("p-RCPFullAWSAccess", RESOURCE_CONTROL)];
/// Services whose resources RCPs bind.
pub(in crate::iam) const WITH_RCP: [&str; 10] =
    ["s3", "sts", "kms", "sqs", "secretsmanager", "ecr", "aoss", "cognito-idp", "logs", "dynamodb"];
/// A tree of Organizations is at most five units deep, between root and account.
const MAX_LEVELS: usize = 16;

/// Returns what the service control policies of each level say, the account's first.
pub(super) fn service_controls(
    state: &State,
    scene: &Scene<'_>,
    gathered: &mut Gathered,
) -> Vec<(String, Sum)> {
    let Some(account) = scene.who.account else { return Vec::new() };
    let Some((organization, levels)) = levels(state, account, scene, gathered) else {
        return Vec::new();
    };
    if !is_enabled(organization, SERVICE_CONTROL) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for target in levels {
        match level(organization, target, SERVICE_CONTROL, scene, gathered) {
            Some(sum) => all.push((target.to_owned(), sum)),
            // At least one is attached to each, always.
            None => gathered.miss(format!("service control policies of {target}")),
        }
    }
    all
}

/// Returns what the resource control policies of all levels say; what is allowed is of no account, as AWS attaches
/// `RCPFullAWSAccess` everywhere.
pub(super) fn resource_controls(state: &State, scene: &Scene<'_>, gathered: &mut Gathered) -> Sum {
    let mut sum = Sum::NONE;
    let service = scene.action.split(':').next().unwrap_or_default();
    let Some(account) = scene.owner.filter(|_| WITH_RCP.contains(&service)) else { return sum };
    if let Some((organization, levels)) = levels(state, account, scene, gathered) {
        for target in levels {
            let of_level = level(organization, target, RESOURCE_CONTROL, scene, gathered);
            sum.deny = sum.deny.or(of_level.map_or(Sum::NONE, |sum| sum).deny);
        }
    }
    sum
}

/// Returns the account and what is above it; `None` where policies of the organisation do not bind, or none is known.
fn levels<'a>(
    state: &'a State,
    account: &'a str,
    scene: &Scene<'_>,
    gathered: &mut Gathered,
) -> Option<(&'a Organization, Vec<&'a str>)> {
    let role = scene.who.role().unwrap_or_default();
    let arn = scene.entity.map_or(scene.who.name, |entity| &entity.arn);
    // Of a session of a role that nobody told of, the name has to do.
    let is_named_so = scene.entity.is_none() && role.starts_with("AWSServiceRoleFor");
    if arn.contains(":role/aws-service-role/") || is_named_so {
        return None;
    }
    let Some(organization) = &state.organization else {
        gathered.miss("the organisation's policies: none were read");
        return None;
    };
    if *organization.management == *account {
        return None;
    }
    if !organization.parents.contains_key(account) {
        gathered.miss(format!("account {account}: its place in the organisation, if it is in it"));
        return None;
    }
    let mut all = vec![account];
    while let Some(parent) = all.last().and_then(|last| organization.parents.get(*last)) {
        if all.len() > MAX_LEVELS {
            break;
        }
        all.push(parent);
    }
    Some((organization, all))
}

/// Returns whether policies of this kind are in use: then at least one is attached to everything.
fn is_enabled(organization: &Organization, kind: &str) -> bool {
    let mut attached = organization.attached.values().flatten();
    attached.any(|id| kind_of(organization, id) == Some(kind))
}

fn kind_of<'a>(organization: &'a Organization, id: &str) -> Option<&'a str> {
    let full = FULL.iter().find(|(full, _)| *full == id).map(|(_, kind)| *kind);
    full.or_else(|| Some(&*organization.policies.get(id)?.kind))
}

/// Returns what the policies of a kind that are attached to `target` say; `None` if none is.
fn level(
    organization: &Organization,
    target: &str,
    kind: &str,
    scene: &Scene<'_>,
    gathered: &mut Gathered,
) -> Option<Sum> {
    let none = BTreeSet::new();
    let mut sum = Sum::NONE;
    let mut is_any = false;
    for id in organization.attached.get(target).unwrap_or(&none) {
        let policy = organization.policies.get(id);
        let name = policy.map_or("", |policy| &policy.name);
        let place = Place::Attached { id, name, target };
        match (kind_of(organization, id), policy) {
            (Some(found), _) if found != kind => continue,
            (Some(_), Some(policy)) => gathered.policy(scene, &mut sum, &place, &policy.text),
            (Some(_), None) => gathered.policy(scene, &mut sum, &place, &EVERYTHING),
            // It may be of this kind or of another.
            (None, _) => gathered.lost(&mut sum, &place),
        }
        is_any = true;
    }
    is_any.then_some(sum)
}
