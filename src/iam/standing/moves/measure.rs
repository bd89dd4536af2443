//! What somebody has, through the roles that he may take.
//!
//! Invariant: of a permission set that has no role in an account yet, what the set says counts, under the control policies of
//! the account; where its role is there, the role.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::drift::effect;
use crate::iam::holding::Holder;
use crate::iam::holding::name_of;
use crate::iam::policy::Text;
use crate::iam::standing::Asking;
use crate::iam::standing::Class;
use crate::iam::standing::Unseen;
use crate::iam::standing::bits::Bits;
use crate::iam::standing::inventory::Walk;
use crate::iam::standing::moves::Asked;
use crate::iam::standing::moves::When;
use crate::iam::standing::moves::whom::Was;
use crate::iam::standing::moves::whom::Who;
use crate::iam::standing::moves::whom::holder;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Role;
use crate::iam::state::State;

/// What somebody has, and the worst of it.
type Has = Option<(Bits, Class)>;

/// A permission set in an account.
type Place = (Box<str>, Box<str>);

/// Returns what each has in `state`.
pub(super) fn measure(state: &State, whom: &[Who], when: When, asked: &Asked<'_>) -> Vec<Has> {
    let unmade = unmade(state, whom);
    let asking = Asking { now: asked.now, depth: asked.depth, expected: &[] };
    let walk = Walk::new(state, (asked.protected, asked.surfaces), &Unseen, &asking);
    let mut by_set: BTreeMap<Place, Has> = BTreeMap::new();
    let mut all = Vec::with_capacity(whom.len());
    for who in whom {
        all.push(match who {
            Who::Own { was: Was::Dormant, .. } if when == When::Before => None,
            Who::Own { arn, .. } => {
                holder(state, arn).and_then(|(account, holder)| walk.reach(account, holder))
            }
            Who::Person { account, sets, had, .. } => {
                let sets = if when == When::After { sets } else { had };
                let mut has: Has = None;
                for set in sets {
                    let place: Place = (account.clone(), set.clone());
                    let of_set = by_set
                        .entry(place)
                        .or_insert_with_key(|place| of_set(state, &walk, place, &unmade));
                    has = both(has, of_set.clone());
                }
                has
            }
            Who::Passer { arn, role } => {
                let passes = holder(state, arn)
                    .is_some_and(|(account, holder)| walk.opens(account, holder, role));
                let gained = holder_of_role(state, role).filter(|_| passes);
                let has = gained.and_then(|(account, role)| walk.reach(account, role));
                has.map(|(bits, class)| (bits, class.min(Class::Escalation)))
            }
        });
    }
    all
}

fn holder_of_role<'a>(state: &'a State, arn: &str) -> Option<(&'a Account, Holder<'a>)> {
    holder(state, arn).filter(|(_, it)| matches!(it, Holder::Role(_)))
}

fn of_set<'a>(
    state: &'a State,
    walk: &Walk<'a>,
    place: &Place,
    unmade: &'a BTreeMap<Place, Account>,
) -> Has {
    let there = || {
        let account = state.accounts.get(&place.0)?;
        role_of(account, name_of_set(state, &place.1)).map(|role| (account, role))
    };
    let unmade = || unmade.get(place).and_then(|it| Some((it, it.roles.values().next()?)));
    let (account, role) = there().or_else(unmade)?;
    walk.reach(account, Holder::Role(role))
}

fn both(one: Has, other: Has) -> Has {
    match (one, other) {
        (Some((bits, class)), Some((more, worse))) => Some((bits.or(&more), class.min(worse))),
        (one, other) => one.or(other),
    }
}

fn name_of_set<'a>(state: &'a State, set: &'a str) -> &'a str {
    state.identity_center.sets.get(set).map_or(set, |set| &set.name)
}

/// Returns the role of a permission set in an account.
fn role_of<'a>(account: &'a Account, set: &str) -> Option<&'a Role> {
    let start = format!("AWSReservedSSO_{set}_");
    account.roles.values().find(|role| name_of(&role.entity.arn).starts_with(&start))
}

/// Returns the roles that permission sets will have in accounts where they have none yet, each in an account of its own.
fn unmade(state: &State, whom: &[Who]) -> BTreeMap<Place, Account> {
    let people = whom.iter().filter_map(|who| match who {
        Who::Person { account, sets, .. } => Some((account, sets)),
        _ => None,
    });
    let places: BTreeSet<Place> = people
        .flat_map(|(account, sets)| sets.iter().map(|set| (account.clone(), set.clone())))
        .collect();
    let is_missing = |(account, set): &Place| {
        let account = state.accounts.get(account);
        account.is_none_or(|it| role_of(it, name_of_set(state, set)).is_none())
    };
    let missing = places.into_iter().filter(is_missing);
    missing
        .filter_map(|place| {
            let account = role_to_come(state, &place)?;
            Some((place, account))
        })
        .collect()
}

fn role_to_come(state: &State, (id, set): &Place) -> Option<Account> {
    let set = state.identity_center.sets.get(set)?;
    let name: Box<str> = format!("AWSReservedSSO_{}_", set.name).into();
    let mut account = Account::default();
    for arn in set.attached.iter().chain(&set.boundary) {
        let mut known = state.accounts.values();
        let known = known.find_map(|it| it.policies.get(arn)).cloned();
        let by_heart = || {
            let versions = [("v1".into(), effect::of_aws(arn)?)].into();
            Some(Managed { versions, default: "v1".into() })
        };
        if let Some(policy) = known.or_else(by_heart) {
            account.policies.insert(arn.clone(), policy);
        }
    }
    let entity = Entity {
        arn: format!("arn:aws:iam::{id}:role/aws-reserved/sso.amazonaws.com/{name}").into(),
        inline: set.inline.iter().map(|text| ("inline".into(), text.clone())).collect(),
        attached: set.attached.clone(),
        boundary: set.boundary.clone(),
        ..Entity::default()
    };
    let trust = Text::Unknown("the role is not made yet".into());
    account.roles.insert(name, Role { entity, trust, last_used: None });
    Some(account)
}
