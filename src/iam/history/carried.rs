//! What an event of one thing tells of others: a group that gets another name takes its members along; whoever is deleted in the
//! identity store leaves all groups, and a group all users.
//!
//! The edit is put into the history of everybody whom it may concern, where it does nothing to those whom it does not.
//!
//! Invariant: it makes no difference which of the two is heard of first.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::history::History;
use crate::iam::history::Inserted;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::timeline::Stamp;
use crate::model::Seconds;

/// A name that ended, and the one that began.
type Renamed = (Box<str>, Box<str>);

/// What events told that concerns others.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// New names of IAM's groups, by account.
    renamed: BTreeMap<Box<str>, BTreeMap<Stamp, Renamed>>,
    /// When users and groups of the identity store were deleted.
    gone: BTreeMap<Box<str>, BTreeSet<Stamp>>,
}

impl Carried {
    /// Notes what an event tells of others.
    pub fn note(&mut self, key: &Key, stamp: &Stamp, edit: &Edit) {
        match (key, edit) {
            (Key::Group { account, name }, Edit::RenamedTo { name: to }) => {
                let of = self.renamed.entry(account.clone()).or_default();
                of.insert(stamp.clone(), (name.clone(), to.clone()));
            }
            (Key::Directory { id }, Edit::Deleted) => {
                self.gone.entry(id.clone()).or_default().insert(stamp.clone());
            }
            _ => {}
        }
    }

    /// Forgets what happened before `time`.
    pub fn forget(&mut self, time: Seconds) {
        self.renamed.retain(|_, all| {
            all.retain(|stamp, _| stamp.0 >= time);
            !all.is_empty()
        });
        self.gone.retain(|_, all| {
            all.retain(|stamp| stamp.0 >= time);
            !all.is_empty()
        });
    }
}

impl History {
    /// Puts what an event tells of others into their histories, and what others' events told into this one's.
    pub(super) fn carry(&mut self, key: &Key, stamp: &Stamp, edit: &Edit) {
        self.carried.note(key, stamp, edit);
        match (key, edit) {
            (Key::Group { account, name }, Edit::RenamedTo { .. }) => {
                for user in self.users(account, name) {
                    self.rename_groups(&user);
                }
            }
            (Key::User { .. }, Edit::GroupRenamed { .. }) => {}
            (Key::User { .. }, _) => self.rename_groups(key),
            (Key::Directory { id }, _) => {
                for member in self.members(id) {
                    self.take_out(&member);
                }
            }
            (Key::Member { .. }, _) => self.take_out(key),
            _ => {}
        }
    }

    /// Returns the users that have a history, or are in the group `name` and have none.
    fn users(&self, account: &str, name: &str) -> BTreeSet<Key> {
        let first = Key::User { account: account.into(), name: "".into() };
        let known = self.timelines.range(first..).map(|(key, _)| key);
        let known = known
            .take_while(|key| matches!(key, Key::User { account: of, .. } if **of == *account));
        let standing = self.now.accounts.get(account).into_iter().flat_map(|it| &it.users);
        let inside = standing.filter(|(_, user)| user.groups.contains(name));
        let inside =
            inside.map(|(name, _)| Key::User { account: account.into(), name: name.clone() });
        known.cloned().chain(inside).collect()
    }

    fn rename_groups(&mut self, user: &Key) {
        let Some(all) = self.carried.renamed.get(user.account()) else { return };
        let mut is_new = false;
        for (stamp, (from, to)) in all.clone() {
            let edit = Edit::GroupRenamed { from, to };
            is_new |= matches!(self.insert(user, stamp, edit), Inserted::New);
        }
        if is_new {
            self.retell(user);
        }
    }

    /// Returns the places of a user or a group of the identity store.
    fn members(&self, id: &str) -> BTreeSet<Key> {
        let is_its = |group: &str, user: &str| group == id || user == id;
        let first = Key::Member { group: "".into(), user: "".into() };
        let known = self.timelines.range(first..).map(|(key, _)| key);
        let known =
            known.filter(|key| matches!(key, Key::Member { group, user } if is_its(group, user)));
        let standing = self.now.identity_center.members.iter();
        let standing = standing.flat_map(|(group, users)| users.iter().map(move |it| (group, it)));
        let standing = standing
            .filter(|(group, user)| is_its(group, user))
            .map(|(group, user)| Key::Member { group: group.clone(), user: user.clone() });
        known.cloned().chain(standing).collect()
    }

    fn take_out(&mut self, member: &Key) {
        let Key::Member { group, user } = member else { return };
        let ends = [group, user].into_iter().filter_map(|id| self.carried.gone.get(id));
        let ends: Vec<Stamp> = ends.flatten().cloned().collect();
        let mut is_new = false;
        for stamp in ends {
            is_new |= matches!(self.insert(member, stamp, Edit::Deleted), Inserted::New);
        }
        if is_new {
            self.retell(member);
        }
    }
}
