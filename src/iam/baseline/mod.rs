//! The declared baseline: what should stand, and how what stands differs from it in effect.
//!
//! A baseline is a state like any other, read from the same files as a snapshot (`written.rs` writes them). Of a managed policy
//! or a group that differs, the difference is told once, at the policy or the group, and not again at everybody who has it.
//! How what stands becomes what was agreed on says `agree.rs`; what a person means by a name, `named.rs`.
//!
//! Invariant: only what the baseline speaks of is held against it. What is not known differs from nothing.

pub mod agree;
pub mod between;
pub mod named;
#[cfg(test)]
mod tests;
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
use crate::iam::drift::gone::is_gone;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::sharing::named as named_in;
use crate::iam::state::Account;
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
    let is_held = match target {
        Target::Resource { .. } => {
            Part::ALL.into_iter().any(|part| part.is_held((baseline, now), target))
        }
        _ => speaks_of(baseline, target) && is_known(now, target),
    };
    if !is_held || is_of_aws(&target.arn(now)) {
        return Standing::Beside;
    }
    let stands = held(pieces(now, target), (baseline, now), target);
    let agreed = held(pieces(baseline, target), (baseline, now), target);
    let agreed = as_now(agreed, (baseline, now), target);
    let agreed = known_by_now(agreed, &stands);
    if agreed == stands {
        return Standing::Matches;
    }
    let items = agreed.iter().filter(|it| !stands.contains(it));
    let mut items: Vec<Box<str>> = items.map(|it| it.name.clone()).collect();
    let more = stands.iter().filter(|it| !agreed.contains(it)).map(|it| it.name.clone());
    items.extend(more);
    items.sort_unstable();
    items.dedup();
    let stands = Whole { is_gone: is_gone(now, target), ..Whole::of(&stands) };
    let agreed = Whole::of(&agreed);
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
        // A snapshot of IAM says nothing of what stands beside policies: it does not say that there is none.
        Target::Network { .. } | Target::Block { .. } => has(baseline, target),
        other => {
            let account = baseline.accounts.get(other.account());
            account.is_some_and(|account| account.is_whole) || has(baseline, target)
        }
    }
}

/// Returns whether `now` says how it stands with `target`, if only that it is not there.
fn is_known(now: &State, target: &Target) -> bool {
    let account = now.accounts.get(target.account());
    match target {
        Target::Set { .. } => !now.identity_center.sets.is_empty(),
        Target::Node { .. } | Target::Organization { .. } => now.organization.is_some(),
        Target::Network { .. } => account.is_some_and(|account| !account.networks.is_empty()),
        Target::Block { .. } => {
            account.is_some_and(|account| !account.blocks.is_empty()) || has(now, target)
        }
        other => account.is_some_and(|account| account.is_whole) || has(now, other),
    }
}

/// Returns whether `target`, something of an account, is in `state`.
fn has(state: &State, target: &Target) -> bool {
    let is_in = |account: &Account| match target {
        Target::Identity { holder, name, .. } | Target::Boundary { holder, name, .. } => {
            entity(account, *holder, name).is_some()
        }
        Target::Trust { role, .. } => account.roles.contains_key(role),
        Target::Managed { arn, .. } => account.policies.contains_key(arn),
        Target::Network { arn, .. } => account.networks.contains_key(arn),
        Target::Block { arn, .. } => {
            let share = || account.shares.get(arn);
            account.blocks.contains_key(arn)
                || share().is_some_and(|share| share.admits_strangers.is_some())
        }
        // What a resource has is held part by part.
        Target::Resource { .. }
        | Target::Set { .. }
        | Target::Node { .. }
        | Target::Organization { .. } => false,
    };
    state.accounts.get(target.account()).is_some_and(is_in)
}

/// What lets others use a resource. Each is held against the baseline by itself: who lists policies need not list grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Its policy.
    Policy,
    /// Grants on it that are agreed on by the baseline.
    Grants,
    /// Grants that let in others than the key's account.
    GrantsOfOthers,
    /// Shares that it is in.
    Shares,
}

impl Part {
    const ALL: [Self; 4] = [Self::Policy, Self::Grants, Self::GrantsOfOthers, Self::Shares];

    /// Returns the part that `piece` belongs to.
    fn of(piece: &Piece, account: &str) -> Self {
        match piece.name.split('/').next() {
            Some("grant") if lets_others_in(&piece.text, account) => Self::GrantsOfOthers,
            Some("grant") => Self::Grants,
            Some("share") => Self::Shares,
            _ => Self::Policy,
        }
    }

    /// Returns whether the baseline speaks of this part of a resource, and it is known how it stands.
    ///
    /// Of a key whose grants it does not list only those that let others in are held, in an account where it lists grants:
    /// within an account, grants on keys come and go with ordinary work.
    fn is_held(self, (baseline, now): (&State, &State), target: &Target) -> bool {
        let Target::Resource { account, arn } = target else { return true };
        let (Some(agreed), Some(stands)) =
            (baseline.accounts.get(account), now.accounts.get(account))
        else {
            return false;
        };
        let is_listed = agreed.grants.contains_key(arn);
        let has_grants = agreed.is_whole && !agreed.grants.is_empty();
        let is_shared = || agreed.shares.values().any(|share| share.resources.contains(arn));
        let has_shares = agreed.is_whole && !agreed.shares.is_empty();
        match self {
            Self::Policy => agreed.resources.contains_key(arn) && !stands.resources.is_empty(),
            Self::Grants => is_listed && !stands.grants.is_empty(),
            Self::GrantsOfOthers => (is_listed || has_grants) && !stands.grants.is_empty(),
            Self::Shares => (has_shares || is_shared()) && !stands.shares.is_empty(),
        }
    }
}

/// Returns whether a grant lets in anybody outside of `account`; so does one that is not known, for all that is known.
fn lets_others_in(grant: &Text, account: &str) -> bool {
    let Text::Known(document) = grant else { return true };
    let is_other = |name: &str| name.split(':').nth(4).unwrap_or(name) != account;
    named_in(document).iter().any(|name| is_other(name))
}

/// Returns the pieces that are held against the baseline.
fn held(all: Vec<Piece>, states: (&State, &State), target: &Target) -> Vec<Piece> {
    let of = |piece: &Piece| Part::of(piece, target.account());
    all.into_iter().filter(|piece| of(piece).is_held(states, target)).collect()
}

/// Returns what was agreed on, with what stands in the place of what nobody could read when it was.
fn known_by_now(agreed: Vec<Piece>, stands: &[Piece]) -> Vec<Piece> {
    let mut out = agreed;
    for piece in &mut out {
        if let Text::Unknown(_) = piece.text
            && let Some(known) = stands.iter().find(|it| it.name == piece.name)
        {
            piece.text = known.text.clone();
        }
    }
    out
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
        let shared = account.shares.values().flat_map(|share| &share.resources);
        for arn in account.resources.keys().chain(account.grants.keys()).chain(shared) {
            all.push(Target::Resource { account: id.clone(), arn: arn.clone() });
        }
        for arn in account.networks.keys() {
            all.push(Target::Network { account: id.clone(), arn: arn.clone() });
        }
        for arn in account.blocks.keys().chain(account.shares.keys()) {
            all.push(Target::Block { account: id.clone(), arn: arn.clone() });
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
