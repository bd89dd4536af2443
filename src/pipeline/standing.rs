//! What an inventory of standing privilege asks of several rooms: which actions are protected, what was done, and which
//! assignments a grant ends.
//!
//! Invariant: an assignment ends only by a grant that is in force: what outlives its grant stands.

use std::collections::BTreeMap;

use crate::grants::Act;
use crate::grants::Ledger;
use crate::grants::Principal;
use crate::grants::Surface;
use crate::grants::Version;
use crate::iam::State;
use crate::iam::standing::Protected;
use crate::iam::standing::uses::Seen;
use crate::iam::standing::uses::Whose;
use crate::iam::state::Assignment;
use crate::model::Seconds;
use crate::model::fits;
use crate::pipeline::table;
use crate::store::Connection;
use crate::store::StoreError;

/// What the surface asks a grant for, whoever acts.
pub struct Surfaced<'a>(pub &'a Surface);

impl Protected for Surfaced<'_> {
    fn is_protected(&self, action: &str, account: &str) -> bool {
        let act = Act { identity: "person:anybody", action, account, ..Act::default() };
        self.0.entry(&act).is_some_and(|wanted| wanted.wants_grant)
    }
}

/// What the surface asks a grant for, and what grants end.
pub(super) struct Agreed<'a> {
    pub(super) surface: &'a Surface,
    pub(super) ledger: &'a Ledger,
    pub(super) now: Seconds,
}

impl Protected for Agreed<'_> {
    fn is_protected(&self, action: &str, account: &str) -> bool {
        Surfaced(self.surface).is_protected(action, account)
    }

    fn is_ended(&self, holder: &str, account: &str, set: &str) -> bool {
        let names = || names_of(self.ledger, holder);
        in_force(self.ledger, self.now).any(|version| {
            let is_holders = version.principals.iter().any(|principal| match principal {
                Principal::IdcUser { user_id, user_name, .. } if user_id.is_empty() => {
                    names().any(|name| name.eq_ignore_ascii_case(user_name))
                }
                Principal::IdcUser { user_id, .. } => holder == format!("USER/{user_id}"),
                Principal::IdcGroup { group_id, .. } => holder == format!("GROUP/{group_id}"),
                _ => false,
            });
            is_holders && gives(version, account, set)
        })
    }
}

/// Returns the versions of grants that are in force.
fn in_force(ledger: &Ledger, now: Seconds) -> impl Iterator<Item = &Version> {
    let versions = ledger.iter().filter_map(move |grant| grant.as_of(now));
    versions.filter(move |version| version.status.gives() && now < version.window.until)
}

/// Returns what grants call a user of Identity Center.
fn names_of<'a>(ledger: &'a Ledger, holder: &'a str) -> impl Iterator<Item = &'a str> {
    let id = holder.strip_prefix("USER/").unwrap_or_default();
    let principals = ledger.iter().flat_map(|grant| grant.versions());
    principals.flat_map(|(version, _)| &version.principals).filter_map(move |it| match it {
        Principal::IdcUser { user_id, user_name, .. } if **user_id == *id && !id.is_empty() => {
            Some(&**user_name)
        }
        _ => None,
    })
}

/// Reads what a daemon gathered of use and of grants, for an inventory of `state` as of `now`.
///
/// # Errors
/// When the store cannot be read.
pub fn seen(
    connection: &Connection,
    surface: &Surface,
    (state, now): (&State, Seconds),
) -> Result<Seen, StoreError> {
    let mut ledger = Ledger::default();
    ledger.load(connection)?;
    let mut seen = said(&ledger, state, now);
    seen.read(connection, &Surfaced(surface), Whose::Everybody)?;
    Ok(seen)
}

/// Returns when the newest record was made that a store knows of; the beginning of time if it knows of none.
///
/// # Errors
/// When the store cannot be read.
pub fn newest(connection: &Connection) -> Result<Seconds, StoreError> {
    Ok(table::progress(connection, "newest").map_err(StoreError::Read)?.unwrap_or_default())
}

/// Returns what grants tell of people's names, and of assignments that end; and who is in which group.
pub(super) fn said(ledger: &Ledger, state: &State, now: Seconds) -> Seen {
    let members = state.identity_center.members.clone();
    let mut seen = Seen { members, ..Seen::default() };
    let mut ids: BTreeMap<String, Box<str>> = BTreeMap::new();
    for (version, _) in ledger.iter().flat_map(|grant| grant.versions()) {
        for principal in &version.principals {
            if let Principal::IdcUser { user_id, user_name, .. } = principal
                && !user_id.is_empty()
                && !user_name.is_empty()
            {
                seen.names.entry(user_id.clone()).or_default().insert(user_name.clone());
                ids.insert(user_name.to_lowercase(), user_id.clone());
            }
        }
    }
    let center = &state.identity_center;
    let mut assigned: BTreeMap<(&str, &str), Vec<&Assignment>> = BTreeMap::new();
    for it in &center.assignments {
        assigned.entry((&it.principal_type, &it.principal_id)).or_default().push(it);
    }
    for version in in_force(ledger, now) {
        for principal in &version.principals {
            let (sort, id) = match principal {
                Principal::IdcUser { user_id, user_name, .. } if user_id.is_empty() => {
                    let known = ids.get(&user_name.to_lowercase());
                    ("USER", known.map_or("", |id| &**id))
                }
                Principal::IdcUser { user_id, .. } => ("USER", &**user_id),
                Principal::IdcGroup { group_id, .. } => ("GROUP", &**group_id),
                _ => continue,
            };
            for it in assigned.get(&(sort, id)).into_iter().flatten() {
                let name = center.sets.get(&it.set).map_or(&*it.set, |set| &*set.name);
                if gives(version, &it.account, name) {
                    let key = (format!("{sort}/{id}").into(), it.account.clone(), name.into());
                    let end = seen.ends.entry(key).or_insert(version.window.until);
                    *end = version.window.until.max(*end);
                }
            }
        }
    }
    seen
}

fn gives(version: &Version, account: &str, set: &str) -> bool {
    let scope = &version.scope;
    scope.accounts.as_ref().is_none_or(|all| all.iter().any(|it| **it == *account))
        && scope
            .permission_sets
            .as_ref()
            .is_none_or(|all| all.iter().any(|glob| fits(glob.as_bytes(), set.as_bytes())))
}
