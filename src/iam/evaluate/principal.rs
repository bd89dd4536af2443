//! Whether a statement names who acts, and how directly.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal", "NotPrincipal", and "Policy evaluation logic": what a
//! resource policy's Allow is worth depends on whether it names the user or session, its role, or only its account.
//!
//! Invariant: an account is never taken for somebody in it.

use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::scene::Sort;
use crate::iam::evaluate::truth::Truth;
use crate::iam::pattern::segments;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;

/// Whether somebody is named: each by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::iam) struct Named {
    /// As everybody, or as this user or session.
    pub direct: Truth,
    /// As a role of which this is a session.
    pub role: Truth,
    /// As the account, which delegates to its own policies.
    pub account: Truth,
}

impl Named {
    const NOT: Self = Self { direct: Truth::False, role: Truth::False, account: Truth::False };

    fn direct(truth: Truth) -> Self {
        Self { direct: truth, ..Self::NOT }
    }

    pub(in crate::iam) fn or(self, other: Self) -> Self {
        Self {
            direct: self.direct.or(other.direct),
            role: self.role.or(other.role),
            account: self.account.or(other.account),
        }
    }

    /// Returns whether somebody is named in any way.
    pub(in crate::iam) fn at_all(self) -> Truth {
        self.direct.or(self.role).or(self.account)
    }
}

/// Returns how a statement's principals name who acts.
pub(in crate::iam) fn named(
    scene: &Scene<'_>,
    effect: Effect,
    principals: &Listed<Principal>,
) -> Named {
    let found = |list: &[Principal]| {
        let all = list.iter().map(|principal| one(scene, principal));
        all.fold(Named::NOT, Named::or)
    };
    match (principals, effect) {
        (Listed::Only(list), _) => found(list),
        (Listed::AllBut(list), Effect::Allow) => Named::direct(found(list).at_all().not()),
        (Listed::AllBut(list), Effect::Deny) => Named::direct(spared(scene, &found(list)).not()),
    }
}

/// Returns whether a Deny with `NotPrincipal` spares who acts: all that he is has to be listed, the account too.
///
/// AWS says of a list without the account only that it might deny. Who has a permissions boundary it spares in no case.
fn spared(scene: &Scene<'_>, listed: &Named) -> Truth {
    if scene.entity.is_some_and(|entity| entity.boundary.is_some()) {
        return Truth::False;
    }
    let all = match scene.who.sort {
        Sort::Role { .. } | Sort::Session { .. } => {
            listed.direct.clone().and(listed.role.clone()).and(listed.account.clone())
        }
        Sort::User { .. } | Sort::FederatedUser => {
            listed.direct.clone().and(listed.account.clone())
        }
        Sort::Root | Sort::Named | Sort::Nobody => listed.direct.clone(),
    };
    match (all, listed.clone().at_all()) {
        (Truth::True, _) => Truth::True,
        (_, Truth::False) => Truth::False,
        _ => Truth::needs("aws:principalarn"),
    }
}

fn one(scene: &Scene<'_>, principal: &Principal) -> Named {
    let who = &scene.who;
    match principal {
        Principal::Everyone => {
            Named { direct: Truth::True, role: Truth::True, account: Truth::True }
        }
        Principal::Aws(name) => aws(scene, name),
        Principal::Service(name) | Principal::Federated(name) => {
            let is_named = who.sort == Sort::Named;
            Named::direct(Truth::from(is_named && (**name == *who.name || &**name == "*")))
        }
        // Whose account an S3 canonical id is stands in no policy.
        Principal::Canonical(id) if who.account.is_some() => {
            Named { account: Truth::needs(&format!("canonicaluser:{id}")), ..Named::NOT }
        }
        Principal::Canonical(_) => Named::NOT,
    }
}

fn aws(scene: &Scene<'_>, name: &str) -> Named {
    let who = &scene.who;
    let Some(account) = who.account else { return Named::NOT };
    let Some([_, _, service, _, of_account, rest]) = segments(name) else {
        // The unique id of somebody who is gone; nobody who acts has it, unless we know him by it.
        let is_same = scene.entity.is_some_and(|entity| *entity.unique_id == *name);
        let truth = Truth::from(is_same);
        return match who.role() {
            Some(_) => Named { role: truth, ..Named::NOT },
            None => Named::direct(truth),
        };
    };
    if of_account != account {
        return Named::NOT;
    }
    if (service, rest) == ("iam", "root") {
        return match who.sort {
            Sort::Root => Named::direct(Truth::True),
            _ => Named { account: Truth::True, ..Named::NOT },
        };
    }
    let (kind, path) = rest.split_once('/').unwrap_or((rest, ""));
    match (who.sort, service, kind) {
        // Names of roles are unique in an account, whatever their path.
        (Sort::Role { name: role } | Sort::Session { role }, "iam", "role") => {
            let listed = path.rsplit('/').next().unwrap_or(path);
            Named { role: Truth::from(listed == role), ..Named::NOT }
        }
        (Sort::Role { name: role }, "sts", "assumed-role") => {
            let is_of_role = path.split('/').next() == Some(role);
            Named::direct(match is_of_role {
                true => Truth::needs("sts:rolesessionname"),
                false => Truth::False,
            })
        }
        _ => Named::direct(Truth::from(name == who.name)),
    }
}
