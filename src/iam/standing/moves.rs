//! What a change gives that lasts to those whom it moves: into a group, into an account, out of a boundary, from under a
//! guardrail, into a role.
//!
//! Only those whom the change touches are looked at, each before it and after it, through the roles that they may take. What
//! a role gains, those who may take it gain too; they are not looked for: whose change that was the inventory finds by the
//! role.
//!
//! Invariant: at most [`MAX_LOOKED`] holders of one change are looked at; how many were not is said.

mod measure;
mod whom;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::iam::escalation::Strength;
use crate::iam::history::History;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::standing::Class;
use crate::iam::standing::Protected;
use crate::iam::standing::bits::Bits;
use crate::iam::standing::bits::Surfaces;
use crate::iam::standing::gain::Gain;
use crate::iam::standing::moves::measure::measure;
use crate::iam::standing::moves::whom::Who;
use crate::iam::standing::moves::whom::whom;
pub use crate::iam::standing::moves::words::Called;
use crate::iam::standing::reached::class_of;
use crate::iam::standing::reached::examples;
use crate::iam::state::State;
use crate::model::Seconds;

/// How many holders that one change touches are looked at.
pub const MAX_LOOKED: usize = 256;

/// What is asked about a change.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// As of when.
    pub now: Seconds,
    /// How many roles one after the other are followed.
    pub depth: usize,
    /// What is protected, and which assignments a grant ends.
    pub protected: &'a dyn Protected,
    /// What was found to be protected in each account.
    pub(in crate::iam) surfaces: &'a Surfaces,
}

/// The edits of a change that may move somebody, with what stood before it.
#[derive(Debug)]
pub struct Moves {
    edits: Vec<(Key, Edit)>,
    before: Vec<(Key, Option<Thing>)>,
}

impl Moves {
    /// Takes the edits that may move somebody; `state` is as it stands before them.
    pub fn of(edits: &[(Key, Edit)], state: &State) -> Self {
        let edits: Vec<_> = edits.iter().filter(|(key, edit)| moves(key, edit)).cloned().collect();
        let keys: BTreeSet<&Key> = edits.iter().map(|(key, _)| key).collect();
        let before = keys.into_iter().map(|key| (key.clone(), thing::get(state, key))).collect();
        Self { edits, before }
    }

    /// Returns what the change gives that lasts, now that `history` has it.
    pub fn gain(&self, history: &mut History, asked: &Asked<'_>) -> Option<Gain> {
        if self.edits.is_empty() {
            return None;
        }
        let (whom, unlooked) = whom(self, history.now(), asked.protected);
        let after = measure(history.now(), &whom, When::After, asked);
        let found: Vec<(&Who, (Bits, Class))> =
            whom.iter().zip(after).filter_map(|(who, found)| Some((who, found?))).collect();
        if found.is_empty() {
            return None;
        }
        let again: Vec<Who> = found.iter().map(|(who, _)| (*who).clone()).collect();
        let before =
            history.as_before(&self.before, |state| measure(state, &again, When::Before, asked));
        let (mut gained, mut class, mut holders) =
            (Bits::none(), Class::Read, Vec::<Box<str>>::new());
        for ((who, after), before) in found.into_iter().zip(before) {
            if let Some((bits, worst)) = more(after, before) {
                gained = gained.or(&bits);
                class = class.min(worst);
                if !holders.iter().any(|it| **it == *who.name()) {
                    holders.push(who.name().into());
                }
            }
        }
        let (actions, examples) = (gained.len(), examples(&gained));
        (!holders.is_empty()).then_some(Gain { class, actions, examples, holders, unlooked })
    }
}

/// When somebody is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// Returns what somebody has now beyond what he had.
fn more(after: (Bits, Class), before: Option<(Bits, Class)>) -> Option<(Bits, Class)> {
    let (bits, class) = after;
    let Some((had, was)) = before else { return Some((bits, class)) };
    let gained = bits.clone().less(&had);
    match (class < was, gained.is_empty()) {
        (true, true) => Some((bits, class)),
        (true, false) => Some((gained, class)),
        (false, true) => None,
        (false, false) => {
            let class = class_of(&gained, Strength::Other);
            Some((gained, class))
        }
    }
}

/// Returns whether an edit may give somebody what he had not, by where it puts him or what it takes from above him.
fn moves(key: &Key, edit: &Edit) -> bool {
    match (key, edit) {
        (Key::User { .. }, Edit::Joined { .. } | Edit::KeyMade { .. }) => true,
        (Key::User { .. }, Edit::KeySet { is_active, .. }) => *is_active,
        (Key::User { .. }, Edit::Password { is_there }) => *is_there,
        (Key::User { .. } | Key::Role { .. }, Edit::Bounded { .. }) => true,
        (
            Key::User { .. } | Key::Role { .. } | Key::Group { .. },
            Edit::Inline { text: Some(_), .. } | Edit::Attached { .. },
        ) => true,
        (Key::Policy { .. }, Edit::Version { is_default, .. }) => *is_default,
        (Key::Policy { .. }, Edit::Default { .. }) => true,
        (Key::Role { .. }, Edit::Trust { .. } | Edit::Made(_)) => true,
        (Key::Profile { .. }, Edit::RoleAdded { .. }) => true,
        (Key::Node { .. }, Edit::Attached { .. } | Edit::Detached { .. } | Edit::Moved { .. }) => {
            true
        }
        (Key::Control { .. }, Edit::Content { .. }) => true,
        (Key::Assigned(_) | Key::Member { .. }, Edit::Made(_)) => true,
        _ => false,
    }
}
