//! Where a move puts somebody or something, and whether it stands there still.
//!
//! A move is a change by which no policy says anything else: an assignment, a place in a group of the directory, an account
//! below another unit, a role in an instance profile, a key or a password for a user who could use nothing.
//!
//! Invariant: a place is over only where the history knows that it is; what nobody told leaves it standing. What somebody got
//! by a place and has by another way since stands too.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::iam::history::History;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::lesson::Lesson;
use crate::iam::state::Assignment;
use crate::iam::state::IdentityCenter;
use crate::iam::state::State;
use crate::model::Seconds;
use crate::model::TrailRecord;

/// How many places of one call are remembered. The alerts about a call with more stay open.
const MAX_PLACES: usize = 256;

/// How many assignments that a group brings to one member are remembered. The alerts about one that brings more stay open.
const MAX_BROUGHT: usize = 1_000;

/// The accounts in which somebody has a permission set, by its ARN.
type Sets = BTreeMap<Box<str>, BTreeSet<Box<str>>>;

/// Where a move put somebody or something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// A permission set is assigned.
    Assigned {
        /// The assignment.
        to: Assignment,
        /// What the person had by no group.
        brought: Sets,
    },
    /// A user of the directory is in a group.
    Member {
        /// The group's id.
        group: Box<str>,
        /// The user's id.
        user: Box<str>,
        /// What the user has by this group and had not otherwise.
        brought: Sets,
    },
    /// An account lies below a unit or root.
    Below {
        /// The account.
        account: Box<str>,
        /// Where it was moved to.
        unit: Box<str>,
        /// Where it was before; empty if nobody told.
        from: Box<str>,
        /// When it is over.
        until: Until,
    },
    /// A role is in an instance profile.
    Held {
        /// The account.
        account: Box<str>,
        /// The profile's name.
        profile: Box<str>,
        /// The role's name.
        role: Box<str>,
    },
    /// A user who could use nothing of what it has can.
    Usable {
        /// The account.
        account: Box<str>,
        /// The user's name.
        user: Box<str>,
    },
}

/// When the move of an account is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// Once it lies elsewhere.
    Left,
    /// Once it lies again where it was: somebody has more by the move, and another unit may give as much.
    Back,
}

impl Place {
    /// Returns where an edit puts somebody or something; `record` tells the edit, `state` is as it stands before it.
    fn of((key, edit): &(Key, Edit), record: &TrailRecord<'_>, state: &State) -> Option<Self> {
        Some(match (key, edit) {
            (Key::Assigned(to), Edit::Made(_)) => {
                Self::Assigned { to: to.clone(), brought: Sets::new() }
            }
            (Key::Member { group, user }, Edit::Made(_)) => {
                Self::Member { group: group.clone(), user: user.clone(), brought: Sets::new() }
            }
            (Key::Node { id }, Edit::Moved { to }) => Self::Below {
                account: id.clone(),
                unit: to.clone(),
                from: record
                    .text("requestParameters.sourceParentId")
                    .unwrap_or_default()
                    .as_ref()
                    .into(),
                until: Until::Left,
            },
            (Key::Profile { account, name }, Edit::RoleAdded { role }) => {
                Self::Held { account: account.clone(), profile: name.clone(), role: role.clone() }
            }
            (Key::User { account, name }, edit) if makes_usable(edit) => {
                let user = state.accounts.get(account).and_then(|it| it.users.get(name));
                user.filter(|user| user.is_dormant())?;
                Self::Usable { account: account.clone(), user: name.clone() }
            }
            _ => return None,
        })
    }

    /// Returns the thing of which the history tells whether it stands.
    fn key(&self) -> Key {
        match self {
            Self::Assigned { to, .. } => Key::Assigned(to.clone()),
            Self::Member { group, user, .. } => {
                Key::Member { group: group.clone(), user: user.clone() }
            }
            Self::Below { account, .. } => Key::Node { id: account.clone() },
            Self::Held { account, profile, .. } => {
                Key::Profile { account: account.clone(), name: profile.clone() }
            }
            Self::Usable { account, user } => {
                Key::User { account: account.clone(), name: user.clone() }
            }
        }
    }

    /// Returns by what it is found when something happens to it, or to what was brought by it.
    pub(super) fn subjects(&self) -> BTreeSet<Box<str>> {
        let mut all = subjects(&self.key());
        if let Self::Assigned { brought, .. } | Self::Member { brought, .. } = self {
            all.extend(brought.keys().cloned());
        }
        all
    }

    /// Takes down what it brings, now that `history` has it; returns whether the history can tell of it from now on.
    fn settle(&mut self, stamp: (Seconds, &str), when: Until, history: &History) -> bool {
        let center = &history.now().identity_center;
        match self {
            Self::Assigned { to, brought } if &*to.principal_type == "USER" => {
                let is_other = |it: &&Assignment| *it != &*to;
                if !has(center, &to.principal_id, (&to.account, &to.set), &is_other) {
                    brought.entry(to.set.clone()).or_default().insert(to.account.clone());
                }
            }
            Self::Member { group, user, brought } => {
                let is_by_it =
                    |it: &Assignment| &*it.principal_type == "GROUP" && it.principal_id == *group;
                let is_other = |it: &&Assignment| !is_by_it(it);
                let mut count = 0;
                for it in center.assignments.iter().filter(|it| is_by_it(it)) {
                    if !has(center, user, (&it.account, &it.set), &is_other) {
                        brought.entry(it.set.clone()).or_default().insert(it.account.clone());
                        count += 1;
                    }
                }
                if count > MAX_BROUGHT {
                    return false;
                }
            }
            Self::Below { until, .. } => *until = when,
            _ => {}
        }
        history.has(&self.key(), stamp) || !self.is_over(history)
    }

    /// Returns whether `history` knows that nothing of it stands.
    pub(super) fn is_over(&self, history: &History) -> bool {
        let state = history.now();
        let center = &state.identity_center;
        let is_gone = |id: &str| history.is_deleted(&Key::Directory { id: id.into() });
        let is_no_set = |arn: &str| history.is_deleted(&Key::Set { arn: arn.into() });
        let has_none = |user: &str, brought: &Sets| {
            let has_it = |of: (&str, &str)| !is_no_set(of.1) && has(center, user, of, &|_| true);
            is_gone(user) || !any(brought, has_it)
        };
        match self {
            Self::Assigned { to, brought } => {
                let is_over = !center.assignments.contains(to)
                    || is_no_set(&to.set)
                    || is_gone(&to.principal_id);
                is_over && has_none(&to.principal_id, brought)
            }
            Self::Member { group, user, brought } => {
                let members = center.members.get(group);
                !members.is_some_and(|it| it.contains(user)) && has_none(user, brought)
            }
            Self::Below { account, unit, from, until } => {
                let parents = state.organization.as_ref().map(|it| &it.parents);
                let parent = parents.and_then(|it| it.get(account));
                // Of an account that left the organisation nothing holds any more.
                parent
                    .is_some_and(|parent| parent == from || *until == Until::Left && parent != unit)
            }
            Self::Held { account, profile, role } => {
                let profiles = state.accounts.get(account).map(|it| &it.profiles);
                match profiles.and_then(|it| it.get(profile)) {
                    Some(roles) => !roles.contains(role),
                    None => history.is_deleted(&self.key()),
                }
            }
            Self::Usable { account, user } => {
                let users = state.accounts.get(account).map(|it| &it.users);
                match users.and_then(|it| it.get(user)) {
                    Some(user) => user.is_dormant(),
                    None => history.is_deleted(&self.key()),
                }
            }
        }
    }

    /// Returns when it was over, where it was put there at `time` and that is known.
    pub(super) fn ended(&self, time: Seconds, history: &History) -> Option<Seconds> {
        let ends = |edit: &Edit| match edit {
            Edit::Deleted | Edit::Moved { .. } | Edit::KeyDeleted { .. } => true,
            Edit::KeySet { is_active, .. } => !is_active,
            Edit::Password { is_there } => !is_there,
            Edit::RoleRemoved { role } => {
                matches!(self, Self::Held { role: held, .. } if held == role)
            }
            _ => false,
        };
        history.edited_after(&self.key(), time, ends)
    }
}

fn makes_usable(edit: &Edit) -> bool {
    match edit {
        Edit::KeyMade { .. } => true,
        Edit::KeySet { is_active, .. } => *is_active,
        Edit::Password { is_there } => *is_there,
        _ => false,
    }
}

/// Returns whether `user` has a permission set in an account by one of those assignments that `count`, by a group too.
fn has(
    center: &IdentityCenter,
    user: &str,
    (account, set): (&str, &str),
    count: &dyn Fn(&&Assignment) -> bool,
) -> bool {
    let first = Assignment {
        account: account.into(),
        set: set.into(),
        principal_type: "".into(),
        principal_id: "".into(),
    };
    let all = center.assignments.range(first..);
    let mut all = all.take_while(|it| *it.account == *account && *it.set == *set).filter(count);
    all.any(|it| match &*it.principal_type {
        "GROUP" => center.members.get(&it.principal_id).is_some_and(|them| them.contains(user)),
        _ => *it.principal_id == *user,
    })
}

fn any(sets: &Sets, mut fits: impl FnMut((&str, &str)) -> bool) -> bool {
    sets.iter().any(|(set, accounts)| accounts.iter().any(|account| fits((account, set))))
}

/// Returns what something may have happened to: as [`Place::subjects`] names it.
fn subjects(key: &Key) -> BTreeSet<Box<str>> {
    match key {
        Key::Assigned(it) => [it.principal_id.clone(), it.set.clone()].into(),
        Key::Member { group, user } => [group.clone(), user.clone()].into(),
        Key::Directory { id } | Key::Node { id } => [id.clone()].into(),
        Key::Set { arn } => [arn.clone()].into(),
        Key::Profile { account, name } => [format!("{account}/profile/{name}").into()].into(),
        Key::User { account, name } => [format!("{account}/user/{name}").into()].into(),
        _ => BTreeSet::new(),
    }
}

/// What a record did to places.
#[derive(Debug)]
pub(super) struct Placed {
    places: Vec<Place>,
    keys: Vec<Key>,
}

impl Placed {
    /// Takes what `record` taught; `state` is as it stands before it.
    pub(super) fn of(lesson: &Lesson, record: &TrailRecord<'_>, state: &State) -> Self {
        let found = lesson.edits.iter().filter_map(|edit| Place::of(edit, record, state));
        let is_of_places =
            |key: &&Key| matches!(key, Key::Membership { .. }) || !subjects(key).is_empty();
        let keys = lesson.edits.iter().map(|(key, _)| key).filter(is_of_places);
        Self { places: found.take(MAX_PLACES + 1).collect(), keys: keys.cloned().collect() }
    }

    /// Returns whether it did nothing to any place.
    pub(super) fn is_nothing(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the places that the record made, where each of them can be told of from now on.
    pub(super) fn made(
        &mut self,
        stamp: (Seconds, &str),
        when: Until,
        history: &History,
    ) -> Vec<Place> {
        let mut places = std::mem::take(&mut self.places);
        let is_told = places.iter_mut().all(|place| place.settle(stamp, when, history));
        if is_told && places.len() <= MAX_PLACES { places } else { Vec::new() }
    }

    /// Returns what it may have happened to.
    pub(super) fn subjects(&self, history: &History) -> BTreeSet<Box<str>> {
        let of = |key: &Key| match key {
            Key::Membership { .. } => history.member(key).map(|it| subjects(&it)),
            key => Some(subjects(key)),
        };
        self.keys.iter().filter_map(of).flatten().collect()
    }
}
