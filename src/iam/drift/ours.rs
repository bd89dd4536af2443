//! Which accounts are ours.
//!
//! Invariant: what is kept is what would be found anew: who leaves the organisation makes it be found anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::iam::state::State;

/// The accounts that are known as ours.
#[derive(Debug, Default)]
pub(super) struct Ours(Option<Arc<BTreeSet<Box<str>>>>);

impl Ours {
    /// Returns the accounts that are in the organisation, that a snapshot was read of, and those that are `known` otherwise.
    pub(super) fn of(
        &mut self,
        state: &State,
        known: &mut dyn Iterator<Item = &str>,
    ) -> Arc<BTreeSet<Box<str>>> {
        let all = self.0.get_or_insert_with(|| Arc::new(standing(state)));
        for id in known {
            if !all.contains(id) {
                Arc::make_mut(all).insert(id.into());
            }
        }
        Arc::clone(all)
    }
}

fn standing(state: &State) -> BTreeSet<Box<str>> {
    let is_account = |id: &str| id.len() == 12 && id.bytes().all(|it| it.is_ascii_digit());
    let read = state.accounts.iter().filter(|(_, account)| account.is_whole).map(|(id, _)| id);
    let listed =
        state.organization.iter().flat_map(|it| it.parents.keys()).filter(|id| is_account(id));
    read.chain(listed).cloned().collect()
}
