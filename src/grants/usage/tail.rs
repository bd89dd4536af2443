//! What sessions did after the end of their grant, summed up.
//!
//! Invariant: how many actions and accounts are named is bounded; acts are all counted.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::grants::usage::Tally;
use crate::grants::usage::Use;
use crate::model::Seconds;
use crate::model::actions;
use crate::model::actions::Level;

/// How many different actions and accounts of a tail are named.
const MAX_NAMED: usize = 20;

/// What sessions did after the end of their grant.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    pub tally: Tally,
    /// Acts that were not refused and write.
    pub writes: u64,
    /// Who did the first of them.
    pub identity: (Seconds, Box<str>),
    pub actions: BTreeMap<Box<str>, u64>,
    pub accounts: BTreeSet<Box<str>>,
}

impl Tail {
    pub fn new(tally: Tally) -> Self {
        Self {
            tally: Tally { acts: 0, denied: 0, ..tally },
            writes: 0,
            identity: (Seconds(i64::MAX), "".into()),
            actions: BTreeMap::new(),
            accounts: BTreeSet::new(),
        }
    }

    pub fn add(&mut self, tally: Tally, action: &str, account: &str) {
        self.tally.add(tally);
        if actions::level(action).level >= Level::Write {
            self.writes += tally.acts - tally.denied;
        }
        let has_room = self.actions.len() < MAX_NAMED;
        match self.actions.get_mut(action) {
            Some(count) => *count += tally.acts,
            None if has_room => drop(self.actions.insert(action.into(), tally.acts)),
            None => {}
        }
        if self.accounts.len() < MAX_NAMED {
            self.accounts.insert(account.into());
        }
    }

    /// Takes an act out; where it was done and when it was at first and last stays, as other acts may have been there.
    pub fn take_back(&mut self, used: &Use<'_>) {
        let denied = u64::from(used.is_denied);
        self.tally.acts = self.tally.acts.saturating_sub(1);
        self.tally.denied = self.tally.denied.saturating_sub(denied);
        if actions::level(used.action).level >= Level::Write {
            self.writes = self.writes.saturating_sub(1 - denied);
        }
        if let Some(count) = self.actions.get_mut(used.action) {
            *count = count.saturating_sub(1);
        }
        self.actions.retain(|_, count| *count > 0);
    }
}
