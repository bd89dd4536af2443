//! Where the inventory may have changed since it was last taken: the accounts whose users, roles and people are looked at again.
//!
//! What somebody has follows from his own account (its policies, its roles, what they trust, its assignments), from the
//! organisation's policies above it, from the accounts whose roles he may come to one after the other, and from the time where
//! a policy speaks of it. So a change of an account is one of all accounts whose people come to its roles, and of no other.
//!
//! Invariant: of an account that is not looked at again every row is as it was. Where that cannot be said, as after a change
//! of the organisation's policies or where a role trusts everybody, all accounts are looked at.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::iam::Document;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::holding::account_of;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;
use crate::iam::policy::Text;
use crate::iam::standing::uses::Assigned;
use crate::iam::standing::uses::Seen;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::State;

/// What an inventory looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody.
    Everywhere,
    /// Those who are in one of these accounts, or assigned to one.
    Accounts(BTreeSet<Box<str>>),
}

impl Scope {
    /// Returns whether it looks at those in `account`.
    pub fn has(&self, account: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Accounts(all) => all.contains(account),
        }
    }
}

/// What was changed since it was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    is_everything: bool,
    accounts: BTreeSet<Box<str>>,
}

impl Default for Touched {
    /// At the beginning nothing is known of what was looked at before.
    fn default() -> Self {
        Self { is_everything: true, accounts: BTreeSet::new() }
    }
}

/// What an inventory leaves for the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Accounts with policies that speak of the time.
    dated: BTreeSet<Box<str>>,
    /// Whether policies of the organisation do.
    is_dated: bool,
    /// Which assignments a grant ended.
    ended: BTreeSet<Assigned>,
}

impl Touched {
    /// Returns what was changed, and begins anew.
    pub fn take(&mut self) -> Self {
        let nothing = Self { is_everything: false, accounts: BTreeSet::new() };
        std::mem::replace(self, nothing)
    }

    /// Notes that the thing at `key` became another; `state` is as it stands with it.
    pub fn note(
        &mut self,
        key: &Key,
        (before, after): (Option<&Thing>, Option<&Thing>),
        state: &State,
    ) {
        match key {
            Key::Node { .. } | Key::Control { .. } => self.is_everything = true,
            Key::Assigned(it) => drop(self.accounts.insert(it.account.clone())),
            Key::Set { arn } => {
                let assigned = state.identity_center.assignments.iter();
                let accounts = assigned.filter(|it| it.set == *arn).map(|it| it.account.clone());
                self.accounts.extend(accounts);
            }
            Key::Role { account, .. } => {
                self.accounts.insert(account.clone());
                for thing in [before, after].into_iter().flatten() {
                    if let Thing::Role(role) = thing {
                        self.is_everything |= !trusted(&role.trust, &mut self.accounts);
                    }
                }
            }
            Key::User { account, .. }
            | Key::Group { account, .. }
            | Key::Policy { account, .. }
            | Key::Profile { account, .. }
            | Key::Resource { account, .. } => drop(self.accounts.insert(account.clone())),
            // None of these gives an identity anything by itself.
            Key::Grant { .. } | Key::Network { .. } | Key::Share { .. } | Key::Block { .. } => {}
            // The group is told, not who is in it.
            Key::Member { .. } | Key::Membership { .. } | Key::Directory { .. } => {}
        }
    }

    /// Returns what the next inventory looks at: `left` is what the last one left, if there was one.
    pub fn scope(self, state: &State, left: Option<&Left>, seen: &Seen) -> Scope {
        let Some(left) = left.filter(|left| !self.is_everything && !left.is_dated) else {
            return Scope::Everywhere;
        };
        let mut next = self.accounts;
        next.extend(left.dated.iter().cloned());
        let now: BTreeSet<&Assigned> = seen.ends.keys().collect();
        let ended = left.ended.iter().collect::<BTreeSet<_>>();
        next.extend(ended.symmetric_difference(&now).map(|(_, account, _)| account.clone()));
        let mut all = BTreeSet::new();
        while let Some(id) = next.pop_first() {
            if let Some(account) = state.accounts.get(&id) {
                let mut more = BTreeSet::new();
                if !account.roles.values().all(|role| trusted(&role.trust, &mut more)) {
                    return Scope::Everywhere;
                }
                next.extend(more.into_iter().filter(|it| *it != id && !all.contains(it)));
            }
            all.insert(id);
        }
        Scope::Accounts(all)
    }
}

impl Left {
    /// Returns what an inventory of `scope` leaves, after one that left `before`.
    pub fn of(state: &State, (scope, before): (&Scope, Self), seen: &Seen) -> Self {
        let mut dated = before.dated;
        dated.retain(|id| !scope.has(id));
        let looked_at = state.accounts.iter().filter(|(id, _)| scope.has(id));
        dated.extend(looked_at.filter(|(_, it)| is_dated(it)).map(|(id, _)| id.clone()));
        let is_dated = match scope {
            Scope::Everywhere => {
                let policies = state.organization.iter().flat_map(|it| it.policies.values());
                policies.into_iter().any(|policy| speaks_of_time(&policy.text))
            }
            Scope::Accounts(_) => before.is_dated,
        };
        Self { dated, is_dated, ended: seen.ends.keys().cloned().collect() }
    }
}

/// Adds the accounts that a trust policy names, whoever in them; returns whether those are all whom it may let in.
fn trusted(trust: &Text, accounts: &mut BTreeSet<Box<str>>) -> bool {
    let Text::Known(document) = trust else { return true };
    let mut is_all = true;
    for statement in document.statements.iter().filter(|it| it.effect == Effect::Allow) {
        let Some(Listed::Only(principals)) = &statement.principals else { continue };
        for principal in principals {
            match principal {
                Principal::Everyone => is_all = false,
                Principal::Aws(name) => drop(accounts.insert(account_of(name).into())),
                _ => {}
            }
        }
    }
    is_all
}

fn is_dated(account: &Account) -> bool {
    let of = |entity: &Entity| entity.inline.values().any(speaks_of_time);
    account.users.values().any(|user| of(&user.entity))
        || account.roles.values().any(|role| of(&role.entity) || speaks_of_time(&role.trust))
        || account.groups.values().any(of)
        || account.policies.values().flat_map(|it| it.versions.values()).any(speaks_of_time)
        || account.resources.values().any(speaks_of_time)
}

fn speaks_of_time(text: &Text) -> bool {
    let is_time = |document: &Document| {
        let conditions = document.statements.iter().flat_map(|it| &it.conditions);
        conditions.into_iter().any(|it| matches!(&*it.key, "aws:currenttime" | "aws:epochtime"))
    };
    matches!(text, Text::Known(document) if is_time(document))
}
