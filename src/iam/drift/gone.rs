//! Targets that are gone: nobody can do with them what they were forbidden, so that their end opens nothing.
//!
//! Invariant: a policy that is taken away is no end of what it spoke of.

use crate::iam::drift::effect::Holder;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::entity;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::lesson::Lesson;
use crate::iam::state::State;

/// Returns whether there is no such target in `state`, in which all is known of where it is. Of a resource its policy alone
/// tells nothing.
pub fn is_gone(state: &State, target: &Target) -> bool {
    let account = || state.accounts.get(target.account());
    let organization = state.organization.as_ref();
    match target {
        Target::Identity { holder, name, .. } | Target::Boundary { holder, name, .. } => {
            account().is_none_or(|it| entity(it, *holder, name).is_none())
        }
        Target::Trust { role, .. } => account().is_none_or(|it| !it.roles.contains_key(role)),
        Target::Managed { arn, .. } => account().is_none_or(|it| !it.policies.contains_key(arn)),
        Target::Set { arn } => !state.identity_center.sets.contains_key(arn),
        Target::Organization { id, .. } => {
            organization.is_none_or(|it| !it.policies.contains_key(id))
        }
        // Where nobody told which units there are, one that is not among them may still be there.
        Target::Node { id, .. } => {
            let units = organization.map(|it| &it.parents).filter(|it| !it.is_empty());
            id.starts_with("ou-") && units.is_some_and(|it| !it.contains_key(id))
        }
        Target::Resource { .. } | Target::Network { .. } | Target::Block { .. } => false,
    }
}

/// Returns the users, groups and roles that a record takes away: nothing of what was remembered of them stands.
pub(super) fn ended(lesson: &Lesson) -> Vec<Target> {
    let holder = |key: &Key| match key {
        Key::User { account, name } => Some((account.clone(), Holder::User, name.clone())),
        Key::Group { account, name } => Some((account.clone(), Holder::Group, name.clone())),
        Key::Role { account, name } => Some((account.clone(), Holder::Role, name.clone())),
        _ => None,
    };
    let gone = lesson.edits.iter().filter(|(_, edit)| *edit == Edit::Deleted);
    let holders = gone.filter_map(|(key, _)| holder(key));
    holders.map(|(account, holder, name)| Target::Identity { account, holder, name }).collect()
}
