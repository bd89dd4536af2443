//! How what stands becomes what was agreed on: all of it, or one target.
//!
//! Invariant: what is agreed on of one target changes nothing of another, but for what the target refers to and the baseline
//! does not have. What a snapshot does not speak of stays as it was agreed on.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::baseline::targets;
use crate::iam::drift::effect::Holder;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::entity;
use crate::iam::drift::effect::kind_of;
use crate::iam::policy::Kind;
use crate::iam::sharing::Share;
use crate::iam::state::Organization;
use crate::iam::state::State;

/// Makes `baseline` say of everything that `now` speaks of what stands now.
pub fn agree_all(baseline: &mut State, now: &State) {
    for id in now.accounts.keys() {
        agree_account(baseline, now, id);
    }
    if now.organization.is_some() {
        baseline.organization.clone_from(&now.organization);
    }
    let center = &now.identity_center;
    if !(center.sets.is_empty() && center.assignments.is_empty() && center.members.is_empty()) {
        baseline.identity_center.clone_from(center);
    }
}

/// Makes `baseline` say of an account what stands now: all of it where a snapshot of it was read, else what is known of it.
pub fn agree_account(baseline: &mut State, now: &State, id: &str) {
    let Some(stands) = now.accounts.get(id) else { return };
    if !stands.is_whole {
        for target in targets(now).filter(|target| target.account() == id) {
            agree(baseline, now, &target);
        }
        return;
    }
    let of = baseline.accounts.entry(id.into()).or_default();
    let before = std::mem::replace(of, stands.clone());
    // A snapshot of IAM says nothing of these.
    keep(&mut of.resources, before.resources);
    keep(&mut of.grants, before.grants);
    keep(&mut of.networks, before.networks);
    keep(&mut of.shares, before.shares);
    keep(&mut of.blocks, before.blocks);
}

/// Leaves what was agreed on where nothing is known to stand.
fn keep<T>(of: &mut BTreeMap<Box<str>, T>, before: BTreeMap<Box<str>, T>) {
    if of.is_empty() {
        *of = before;
    }
}

/// Makes `baseline` say of `target` what stands now.
pub fn agree(baseline: &mut State, now: &State, target: &Target) {
    let account = target.account();
    match target {
        Target::Identity { holder, name, .. } | Target::Boundary { holder, name, .. } => {
            agree_holder(baseline, now, (account, *holder, name));
        }
        Target::Trust { role, .. } => agree_holder(baseline, now, (account, Holder::Role, role)),
        Target::Managed { arn, .. } => agree_policy(baseline, now, (account, arn)),
        Target::Resource { arn, .. } => agree_resource(baseline, now, (account, arn)),
        Target::Network { arn, .. } => {
            let rules = now.accounts.get(account).and_then(|it| it.networks.get(arn));
            let of = baseline.accounts.entry(account.into()).or_default();
            put(&mut of.networks, arn, rules);
        }
        // Whether it lets strangers in is a part of it.
        Target::Block { arn, .. } if is_share(arn) => {
            let share = now.accounts.get(account).and_then(|it| it.shares.get(arn));
            let of = baseline.accounts.entry(account.into()).or_default();
            put(&mut of.shares, arn, share);
        }
        Target::Block { arn, .. } => {
            let blocks = now.accounts.get(account).and_then(|it| it.blocks.get(arn));
            let of = baseline.accounts.entry(account.into()).or_default();
            put(&mut of.blocks, arn, blocks);
        }
        Target::Set { arn } => agree_set(baseline, now, arn),
        Target::Node { id, kind } => {
            let Some(stands) = &now.organization else { return };
            agree_node(baseline.organization.get_or_insert_default(), stands, (id, *kind));
        }
        Target::Organization { id, .. } => {
            let Some(stands) = &now.organization else { return };
            agree_control(baseline.organization.get_or_insert_default(), stands, id);
        }
    }
}

/// Returns whether this is the ARN of a share.
fn is_share(arn: &str) -> bool {
    arn.contains(":resource-share/")
}

/// What lets others use a resource: its policy, the grants on it, and that it is in the shares that it is in.
///
/// A baseline that lists no grants, and has the policy, goes on without: one name is no reason to hold all that come and go.
fn agree_resource(baseline: &mut State, now: &State, (id, arn): (&str, &str)) {
    let known = now.accounts.get(id);
    let of = baseline.accounts.entry(id.into()).or_default();
    let has_policy = of.resources.contains_key(arn);
    put(&mut of.resources, arn, known.and_then(|it| it.resources.get(arn)));
    if !(of.grants.is_empty() && has_policy) {
        put(&mut of.grants, arn, known.and_then(|it| it.grants.get(arn)));
    }
    of.shares.values_mut().for_each(|share| share.resources.retain(|it| &**it != arn));
    let shares = known.into_iter().flat_map(|it| &it.shares);
    for (name, stands) in shares.filter(|(_, share)| share.resources.contains(arn)) {
        let before = of.shares.remove(name);
        // Whether strangers may be let in is agreed on with the share.
        let admits_strangers =
            before.as_ref().map_or(stands.admits_strangers, |share| share.admits_strangers);
        let mut resources = before.map(|share| share.resources).unwrap_or_default();
        resources.insert(arn.into());
        of.shares.insert(name.clone(), Share { admits_strangers, resources, ..stands.clone() });
    }
}

/// Makes what is under `name` what is there, or nothing.
fn put<T: Clone>(of: &mut BTreeMap<Box<str>, T>, name: &str, there: Option<&T>) {
    match there {
        Some(there) => drop(of.insert(name.into(), there.clone())),
        None => drop(of.remove(name)),
    }
}

fn agree_holder(baseline: &mut State, now: &State, (id, holder, name): (&str, Holder, &str)) {
    let known = now.accounts.get(id);
    let of = baseline.accounts.entry(id.into()).or_default();
    match holder {
        Holder::User => put(&mut of.users, name, known.and_then(|it| it.users.get(name))),
        Holder::Group => put(&mut of.groups, name, known.and_then(|it| it.groups.get(name))),
        Holder::Role => put(&mut of.roles, name, known.and_then(|it| it.roles.get(name))),
    }
    // What it refers to has to be there for it to mean anything.
    let referred = known
        .and_then(|it| entity(it, holder, name))
        .map(|entity| entity.attached.iter().chain(&entity.boundary).cloned().collect::<Vec<_>>());
    for arn in referred.unwrap_or_default() {
        let is_known = baseline.accounts.get(id).is_some_and(|it| it.policies.contains_key(&arn));
        if !is_known {
            agree_policy(baseline, now, (id, &arn));
        }
    }
}

fn agree_policy(baseline: &mut State, now: &State, (id, arn): (&str, &str)) {
    let of = baseline.accounts.entry(id.into()).or_default();
    put(&mut of.policies, arn, now.accounts.get(id).and_then(|it| it.policies.get(arn)));
}

/// A permission set, with who has it.
fn agree_set(baseline: &mut State, now: &State, arn: &str) {
    let (of, stands) = (&mut baseline.identity_center, &now.identity_center);
    put(&mut of.sets, arn, stands.sets.get(arn));
    of.assignments.retain(|given| &*given.set != arn);
    of.assignments.extend(stands.assignments.iter().filter(|given| &*given.set == arn).cloned());
}

/// A root, unit or account: what is attached there of a sort, and what that says.
fn agree_node(of: &mut Organization, stands: &Organization, (id, kind): (&str, Kind)) {
    let is_its = |organization: &Organization, policy: &str| {
        let policy = organization.policies.get(policy);
        policy.is_some_and(|policy| kind_of(&policy.kind) == Some(kind))
    };
    let mut attached: BTreeSet<Box<str>> = of.attached.remove(id).unwrap_or_default();
    attached.retain(|policy| !is_its(of, policy));
    for policy in stands.attached.get(id).into_iter().flatten() {
        if is_its(stands, policy) {
            attached.insert(policy.clone());
            if let Some(text) = stands.policies.get(policy) {
                of.policies.insert(policy.clone(), text.clone());
            }
        }
    }
    if !attached.is_empty() {
        of.attached.insert(id.into(), attached);
    }
    if let Some(parent) = stands.parents.get(id) {
        of.parents.insert(id.into(), parent.clone());
    }
}

/// A policy of the organisation: what it says, and where it is attached.
fn agree_control(of: &mut Organization, stands: &Organization, id: &str) {
    match stands.policies.get(id).cloned() {
        Some(policy) => drop(of.policies.insert(id.into(), policy)),
        None => drop(of.policies.remove(id)),
    }
    of.attached.retain(|_, policies| {
        policies.remove(id);
        !policies.is_empty()
    });
    let holding = stands.attached.iter().filter(|(_, policies)| policies.contains(id));
    for (node, _) in holding {
        of.attached.entry(node.clone()).or_default().insert(id.into());
    }
}
