//! Whom roles trust, as their trust policies say.
//!
//! Source: IAM User Guide, "Cross-account policy evaluation logic" and "Principal": a role's policy that names a user or role
//! of its own account is enough by itself; one that names an account leaves it to that account's policies.
//!
//! Invariant: of a trust policy that is not known nobody is said to be trusted.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::Document;
use crate::iam::State;
use crate::iam::force;
use crate::iam::force::Facts;
use crate::iam::force::Force;
use crate::iam::holding::account_of;
use crate::iam::pattern::matches;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;
use crate::iam::state::Role;

/// How a role trusts somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Whether it names him, not his account.
    pub is_named: bool,
    /// When, and on which keys.
    pub force: Force,
}

/// Returns how `role` trusts the user or role `arn`.
pub fn of_holder(role: &Role, arn: &str, facts: &Facts<'_>) -> Option<Trust> {
    let Text::Known(document) = &role.trust else { return None };
    let root = format!("arn:aws:iam::{}:root", account_of(arn));
    let names = |principal: &Principal| match principal {
        Principal::Everyone => Some(false),
        Principal::Aws(name) if **name == *arn => Some(true),
        Principal::Aws(name) if is_root(name, &root) => Some(false),
        _ => None,
    };
    let mut best: Option<Trust> = None;
    for statement in about(document, Effect::Allow, "sts:assumerole") {
        let Some(Listed::Only(principals)) = &statement.principals else { continue };
        let Some(is_named) = principals.iter().filter_map(names).max() else { continue };
        let Some(force) = in_force(statement, facts) else { continue };
        let trust = Trust { is_named, force };
        let is_better = best.as_ref().is_none_or(|best| rank(&trust) > rank(best));
        best = if is_better { Some(trust) } else { best };
    }
    let mut best = best?;
    for statement in about(document, Effect::Deny, "sts:assumerole") {
        let is_meant = match &statement.principals {
            Some(Listed::Only(all)) => all.iter().any(|it| names(it).is_some()),
            Some(Listed::AllBut(all)) => !all.iter().any(|it| names(it).is_some()),
            None => false,
        };
        if is_meant && let Some(force) = in_force(statement, facts) {
            if force.keys.is_empty() {
                return None;
            }
            best.force.keys.extend(force.keys);
        }
    }
    Some(best)
}

fn rank(trust: &Trust) -> (bool, bool, bool) {
    (trust.force.keys.is_empty(), trust.force.until.is_none(), trust.is_named)
}

/// Partitions differ in their names only.
fn is_root(name: &str, root: &str) -> bool {
    name == root || (name.ends_with(":root") && account_of(name) == account_of(root))
}

/// Returns whether `role` lets `service` take it, for work in its own account.
pub fn of_service(role: &Role, service: &str) -> bool {
    let Text::Known(document) = &role.trust else { return false };
    let facts =
        Facts { values: vec![("aws:sourceaccount", account_of(&role.entity.arn))], now: None };
    let taken = ["sts:assumerole", "sts:assumerolewithwebidentity"];
    taken.iter().any(|action| {
        about(document, Effect::Allow, action).any(|statement| {
            let names = |it: &Principal| match it {
                Principal::Service(name) => **name == *service,
                Principal::Federated(name) => **name == *service,
                _ => false,
            };
            let is_named =
                matches!(&statement.principals, Some(Listed::Only(all)) if all.iter().any(names));
            is_named && force::of(&statement.conditions, &facts).is_some()
        })
    })
}

fn about<'a>(
    document: &'a Document,
    effect: Effect,
    action: &str,
) -> impl Iterator<Item = &'a Statement> {
    let is_about = move |statement: &&Statement| match &statement.actions {
        Listed::Only(all) => all.iter().any(|it| matches(it, action)),
        Listed::AllBut(all) => !all.iter().any(|it| matches(it, action)),
    };
    let of_effect = document.statements.iter().filter(move |it| it.effect == effect);
    of_effect.filter(is_about)
}

fn in_force(statement: &Statement, facts: &Facts<'_>) -> Option<Force> {
    let force = force::of(&statement.conditions, facts)?;
    let Some(now) = facts.now else { return Some(force) };
    let has_begun = force.from.is_none_or(|from| from <= now);
    let goes_on = force.until.is_none_or(|until| now < until);
    (has_begun && goes_on).then_some(force)
}

/// Roles by those whom they name: by ARN, by account, or everybody.
#[derive(Debug, Default)]
pub struct Trusts<'a> {
    by_name: BTreeMap<Box<str>, BTreeSet<&'a str>>,
    roles: BTreeMap<&'a str, &'a Role>,
}

impl<'a> Trusts<'a> {
    /// Reads the trust policies of all roles.
    pub fn of(state: &'a State) -> Self {
        let mut all = Self::default();
        for role in state.accounts.values().flat_map(|account| account.roles.values()) {
            all.roles.insert(&role.entity.arn, role);
            let Text::Known(document) = &role.trust else { continue };
            for statement in about(document, Effect::Allow, "sts:assumerole") {
                let Some(Listed::Only(principals)) = &statement.principals else { continue };
                for principal in principals {
                    let key: Box<str> = match principal {
                        Principal::Everyone => "*".into(),
                        Principal::Aws(name) if name.ends_with(":root") => account_of(name).into(),
                        Principal::Aws(name) => name.clone(),
                        _ => continue,
                    };
                    all.by_name.entry(key).or_default().insert(&role.entity.arn);
                }
            }
        }
        all
    }

    /// Returns the role of an ARN.
    pub fn role(&self, arn: &str) -> Option<&'a Role> {
        self.roles.get(arn).copied()
    }

    /// Returns the roles that name `arn`, its account or everybody: some of them may trust it.
    pub fn naming(&self, arn: &str) -> impl Iterator<Item = &'a Role> {
        let keys = [arn, account_of(arn), "*"];
        let found = keys.into_iter().filter_map(|key| self.by_name.get(key)).flatten();
        found
            .filter(|role| **role != arn)
            .filter_map(|role| self.role(role))
            .collect::<Vec<_>>()
            .into_iter()
    }
}
