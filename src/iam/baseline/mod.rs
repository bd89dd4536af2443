//! The declared baseline: what should stand, and how what stands differs from it in effect.
//!
//! A baseline is a state like any other, read from the same files as a snapshot (`written.rs` writes them). Of a managed policy
//! or a group that differs, the difference is told once, at the policy or the group, and not again at everybody who has it.
//!
//! Invariant: only accounts that the baseline speaks of are held against it. What is not known differs from nothing.

pub mod written;

use std::collections::BTreeSet;

use crate::iam::drift::difference::Difference;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect::Holder;
use crate::iam::drift::effect::Piece;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::effect::entity;
use crate::iam::drift::effect::managed;
use crate::iam::drift::effect::pieces;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::state::State;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Departure {
    /// What it is.
    pub target: Target,
    /// Its ARN.
    pub arn: Box<str>,
    /// The pieces that differ, by name.
    pub items: Vec<Box<str>>,
    /// How it differs in effect: what stands more is added.
    pub difference: Difference,
    /// What should stand.
    pub agreed: Whole,
    /// What stands.
    pub stands: Whole,
}

/// How a target stands to the baseline.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// The baseline does not speak of it.
    Beside,
    /// It is as it should be.
    Matches,
    /// It is not.
    Differs(Box<Departure>),
}

/// Returns everything that is not as `baseline` says.
pub fn departures(baseline: &State, now: &State, measure: &Measure) -> Vec<Departure> {
    let mut found = Vec::new();
    let all: BTreeSet<Target> = targets(baseline).chain(targets(now)).collect();
    for target in all {
        let measure = Measure { account: target.account().into(), ..measure.clone() };
        if let Standing::Differs(departure) = standing(baseline, now, &target, &measure) {
            found.push(*departure);
        }
    }
    found
}

/// Returns how `target` stands to the baseline.
pub fn standing(baseline: &State, now: &State, target: &Target, measure: &Measure) -> Standing {
    if !speaks_of(baseline, target) || is_of_aws(&target.arn(now)) {
        return Standing::Beside;
    }
    let agreed = as_now(pieces(baseline, target), (baseline, now), target);
    let stands = pieces(now, target);
    if agreed == stands {
        return Standing::Matches;
    }
    let items = agreed.iter().filter(|it| !stands.contains(it));
    let mut items: Vec<Box<str>> = items.map(|it| it.name.clone()).collect();
    let more = stands.iter().filter(|it| !agreed.contains(it)).map(|it| it.name.clone());
    items.extend(more);
    items.sort_unstable();
    items.dedup();
    let (agreed, stands) = (Whole::of(&agreed), Whole::of(&stands));
    let difference = measure.between(&agreed, &stands, target.kind());
    let is_known = stands.unknown.iter().all(|it| agreed.unknown.contains(it));
    if difference.is_none() && is_known {
        return Standing::Matches;
    }
    let arn = target.arn(now);
    let target = target.clone();
    Standing::Differs(Box::new(Departure { target, arn, items, difference, agreed, stands }))
}

/// Returns whether `baseline` says anything of where `target` is.
fn speaks_of(baseline: &State, target: &Target) -> bool {
    match target {
        Target::Set { .. } => !baseline.identity_center.sets.is_empty(),
        Target::Node { .. } | Target::Organization { .. } => baseline.organization.is_some(),
        Target::Resource { account, arn } => {
            // A snapshot of IAM holds no policies of resources: it does not say that there are none.
            let account = baseline.accounts.get(account);
            account.is_some_and(|account| account.resources.contains_key(arn))
        }
        other => baseline.accounts.get(other.account()).is_some_and(|account| account.is_whole),
    }
}

/// Returns whether AWS itself says what stands there.
fn is_of_aws(arn: &str) -> bool {
    arn.starts_with("arn:aws:iam::aws:")
        || arn.contains(":role/aws-service-role/")
        || arn.contains(":role/aws-reserved/")
}

/// Returns the pieces of the baseline with the texts that the account's managed policies and groups have now, where they are in
/// both: those are told of by themselves.
fn as_now(agreed: Vec<Piece>, (baseline, now): (&State, &State), target: &Target) -> Vec<Piece> {
    let (Some(then), Some(account)) =
        (baseline.accounts.get(target.account()), now.accounts.get(target.account()))
    else {
        return agreed;
    };
    let mut out: Vec<Piece> = Vec::new();
    let mut groups: BTreeSet<Box<str>> = BTreeSet::new();
    for piece in agreed {
        if let Some(rest) = piece.name.strip_prefix("group/")
            && let Some((group, _)) = rest.split_once('/')
            && account.groups.contains_key(group)
        {
            groups.insert(group.into());
            continue;
        }
        let attached = piece.name.strip_prefix("attached/").filter(|arn| {
            let is_both = then.policies.contains_key(*arn) && account.policies.contains_key(*arn);
            is_both && !is_of_aws(arn)
        });
        let text = attached.map(|arn| managed(account, arn)).unwrap_or(piece.text);
        out.push(Piece { name: piece.name, text });
    }
    // Groups that give nothing in the baseline may give something now.
    if let Target::Identity { holder: Holder::User, name, .. } = target
        && let Some(user) = then.users.get(name)
    {
        groups.extend(user.groups.iter().filter(|it| account.groups.contains_key(*it)).cloned());
    }
    for group in groups {
        let account = target.account().into();
        let of = Target::Identity { account, holder: Holder::Group, name: group.clone() };
        out.extend(pieces(now, &of).into_iter().map(|piece| Piece {
            name: format!("group/{group}/{}", piece.name).into(),
            text: piece.text,
        }));
    }
    out
}

/// Returns everything in `state` that policies speak for.
pub fn targets(state: &State) -> impl Iterator<Item = Target> {
    let mut all = Vec::new();
    for (id, account) in &state.accounts {
        let users = account.users.keys().map(|name| (Holder::User, name));
        let groups = account.groups.keys().map(|name| (Holder::Group, name));
        let roles = account.roles.keys().map(|name| (Holder::Role, name));
        for (holder, name) in users.chain(groups).chain(roles) {
            let (account_id, name) = (id.clone(), name.clone());
            if entity(account, holder, &name).is_some_and(|it| it.boundary.is_some()) {
                let (account, name) = (account_id.clone(), name.clone());
                all.push(Target::Boundary { account, holder, name });
            }
            all.push(Target::Identity { account: account_id, holder, name });
        }
        for role in account.roles.keys() {
            all.push(Target::Trust { account: id.clone(), role: role.clone() });
        }
        for arn in account.policies.keys().filter(|arn| !is_of_aws(arn)) {
            all.push(Target::Managed { account: id.clone(), arn: arn.clone() });
        }
        for arn in account.resources.keys() {
            all.push(Target::Resource { account: id.clone(), arn: arn.clone() });
        }
    }
    all.extend(state.identity_center.sets.keys().map(|arn| Target::Set { arn: arn.clone() }));
    for id in state.organization.iter().flat_map(|it| it.attached.keys()) {
        for kind in [Kind::ServiceControl, Kind::ResourceControl] {
            all.push(Target::Node { id: id.clone(), kind });
        }
    }
    all.into_iter()
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
        Target::Resource { arn, .. } => {
            let text: Option<Text> =
                now.accounts.get(account).and_then(|it| it.resources.get(arn)).cloned();
            let of = baseline.accounts.entry(account.into()).or_default();
            match text {
                Some(text) => drop(of.resources.insert(arn.clone(), text)),
                None => drop(of.resources.remove(arn)),
            }
        }
        Target::Set { arn } => match now.identity_center.sets.get(arn).cloned() {
            Some(set) => drop(baseline.identity_center.sets.insert(arn.clone(), set)),
            None => drop(baseline.identity_center.sets.remove(arn)),
        },
        Target::Node { .. } | Target::Organization { .. } => {
            baseline.organization.clone_from(&now.organization);
        }
    }
}

fn agree_holder(baseline: &mut State, now: &State, (id, holder, name): (&str, Holder, &str)) {
    let known = now.accounts.get(id);
    let of = baseline.accounts.entry(id.into()).or_default();
    match holder {
        Holder::User => match known.and_then(|it| it.users.get(name)) {
            Some(user) => drop(of.users.insert(name.into(), user.clone())),
            None => drop(of.users.remove(name)),
        },
        Holder::Group => match known.and_then(|it| it.groups.get(name)) {
            Some(group) => drop(of.groups.insert(name.into(), group.clone())),
            None => drop(of.groups.remove(name)),
        },
        Holder::Role => match known.and_then(|it| it.roles.get(name)) {
            Some(role) => drop(of.roles.insert(name.into(), role.clone())),
            None => drop(of.roles.remove(name)),
        },
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
    let policy = now.accounts.get(id).and_then(|it| it.policies.get(arn)).cloned();
    let of = baseline.accounts.entry(id.into()).or_default();
    match policy {
        Some(policy) => drop(of.policies.insert(arn.into(), policy)),
        None => drop(of.policies.remove(arn)),
    }
}
