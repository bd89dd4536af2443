//! Which statements of two documents can have nothing to do with what differs, told by the services of their actions.
//!
//! Most edits touch a few statements of many, and most statements are about one service: reading the others as sets would be
//! most of the work.
//!
//! Invariant: a statement is left out only if it has no action in common with any that differs, and can be no administrator's.

use std::collections::BTreeSet;

use crate::iam::policy::Listed;
use crate::iam::policy::Statement;

/// The services that some statements are about.
pub(super) enum Services<'s> {
    /// A pattern may be of any service.
    Any,
    /// These.
    Only(BTreeSet<&'s str>),
}

impl<'s> Services<'s> {
    pub(super) fn of(statements: impl Iterator<Item = &'s Statement>) -> Self {
        // Whether somebody is an administrator is asked of all that a document allows.
        let mut all = BTreeSet::from(["iam"]);
        for statement in statements {
            let Some(services) = services(statement) else { return Self::Any };
            for service in services {
                let Some(service) = service else { return Self::Any };
                all.insert(service);
            }
        }
        Self::Only(all)
    }

    /// Returns whether a statement may be about one of them.
    pub(super) fn meet(&self, statement: &Statement) -> bool {
        let Self::Only(all) = self else { return true };
        let is_among = |service: Option<&str>| service.is_none_or(|it| all.contains(it));
        services(statement).is_none_or(|mut services| services.any(is_among))
    }
}

/// Returns the service of each action, `None` for a pattern of several; `None` at once for all but what is listed.
fn services(statement: &Statement) -> Option<impl Iterator<Item = Option<&str>>> {
    let Listed::Only(actions) = &statement.actions else { return None };
    let is_one = |service: &&str| !service.contains(['*', '?']);
    Some(actions.iter().map(move |action| {
        let action: &str = action;
        action.split_once(':').map(|(service, _)| service).filter(is_one)
    }))
}
