//! The things whose history is kept, each for itself, and where each stands in a [`State`].
//!
//! Invariant: what is taken out of a state and put back leaves it as it was.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::iam::block::Blocks;
use crate::iam::holding::FULL_ACCESS;
use crate::iam::network::Rules;
use crate::iam::policy::Text;
use crate::iam::sharing::Share;
use crate::iam::state::Account;
use crate::iam::state::Assignment;
use crate::iam::state::Entity;
use crate::iam::state::IdentityCenter;
use crate::iam::state::Managed;
use crate::iam::state::Organization;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::PermissionSet;
use crate::iam::state::Role;
use crate::iam::state::State;
use crate::iam::state::User;

/// Names a thing. Events about one thing do not change another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what each names is what its variant is about")]
pub enum Key {
    User {
        account: Box<str>,
        name: Box<str>,
    },
    Group {
        account: Box<str>,
        name: Box<str>,
    },
    Role {
        account: Box<str>,
        name: Box<str>,
    },
    /// A managed policy.
    Policy {
        account: Box<str>,
        arn: Box<str>,
    },
    /// An instance profile.
    Profile {
        account: Box<str>,
        name: Box<str>,
    },
    /// The policy of a resource.
    Resource {
        account: Box<str>,
        arn: Box<str>,
    },
    /// A grant on a key of KMS.
    Grant {
        account: Box<str>,
        key: Box<str>,
        id: Box<str>,
    },
    /// A security group.
    Network {
        account: Box<str>,
        arn: Box<str>,
    },
    /// A share of Resource Access Manager.
    Share {
        account: Box<str>,
        arn: Box<str>,
    },
    /// Blocks on public access.
    Block {
        account: Box<str>,
        arn: Box<str>,
    },
    /// A root, unit or account of the organisation.
    Node {
        id: Box<str>,
    },
    /// A policy of the organisation.
    Control {
        id: Box<str>,
    },
    /// A permission set.
    Set {
        arn: Box<str>,
    },
    /// An assignment of a permission set.
    Assigned(Assignment),
    /// A user's place in a group of the identity store.
    Member {
        group: Box<str>,
        user: Box<str>,
    },
    /// The same by its own id, which is all that its end tells.
    Membership {
        id: Box<str>,
    },
    /// A user or group of the identity store: that it is gone tells of its places.
    Directory {
        id: Box<str>,
    },
}

impl Key {
    /// Returns the account it is in; empty for what belongs to the organisation.
    pub fn account(&self) -> &str {
        match self {
            Self::User { account, .. }
            | Self::Group { account, .. }
            | Self::Role { account, .. }
            | Self::Policy { account, .. }
            | Self::Profile { account, .. }
            | Self::Resource { account, .. }
            | Self::Grant { account, .. }
            | Self::Network { account, .. }
            | Self::Share { account, .. }
            | Self::Block { account, .. } => account,
            _ => "",
        }
    }
}

impl Key {
    /// Returns the name of what a snapshot has to have read to know of this: that one list was read says nothing of another.
    pub fn part(&self) -> Cow<'_, str> {
        let field = |arn: &str, at: usize| arn.split(':').nth(at).unwrap_or_default().to_owned();
        Cow::Owned(match self {
            Self::User { account, .. }
            | Self::Group { account, .. }
            | Self::Role { account, .. }
            | Self::Policy { account, .. }
            | Self::Profile { account, .. } => return Cow::Borrowed(account),
            Self::Node { .. } | Self::Control { .. } => return Cow::Borrowed(""),
            Self::Set { .. } => return Cow::Borrowed("PermissionSets"),
            Self::Assigned(_) => return Cow::Borrowed("AccountAssignments"),
            Self::Member { .. } | Self::Membership { .. } | Self::Directory { .. } => {
                return Cow::Borrowed("GroupMemberships");
            }
            Self::Resource { account, arn } => {
                format!("{account}/{}/{}", field(arn, 2), field(arn, 3))
            }
            Self::Grant { account, key, .. } => format!("{account}/Grants/{key}"),
            Self::Network { account, arn } => format!("{account}/SecurityGroups/{}", field(arn, 3)),
            Self::Share { account, .. } => format!("{account}/resourceShares"),
            Self::Block { account, arn } => format!("{account}/PublicAccessBlocks/{arn}"),
        })
    }
}

/// A thing as it is at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what the state has under its key")]
pub enum Thing {
    User(Box<User>),
    Group(Box<Entity>),
    Role(Box<Role>),
    Policy(Managed),
    Profile(BTreeSet<Box<str>>),
    Resource(Text),
    /// What a grant on a key lets do.
    Grant(Text),
    Network(Rules),
    Share(Box<Share>),
    Block(Blocks),
    Node(Node),
    Control(OrganizationPolicy),
    Set(Box<PermissionSet>),
    /// An assignment that stands.
    Assigned,
    /// Somebody is a member; of a membership by its id, whose and where.
    Member {
        group: Box<str>,
        user: Box<str>,
    },
}

/// A place in the organisation's tree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What it lies below; roots have nothing.
    pub parent: Option<Box<str>>,
    /// Ids of the policies attached.
    pub attached: BTreeSet<Box<str>>,
}

impl Node {
    /// Attaches a policy. Where none is known, there is the one that AWS attaches to whatever is made, and no event tells.
    pub fn attach(&mut self, policy: &str) {
        if self.attached.is_empty() {
            self.attached.insert(FULL_ACCESS.into());
        }
        self.attached.insert(policy.into());
    }
}

impl Thing {
    /// Returns what users, groups and roles have in common.
    pub fn entity(&self) -> Option<&Entity> {
        match self {
            Self::User(user) => Some(&user.entity),
            Self::Group(group) => Some(group),
            Self::Role(role) => Some(&role.entity),
            _ => None,
        }
    }

    /// Returns what users, groups and roles have in common, to change it.
    pub fn entity_mut(&mut self) -> Option<&mut Entity> {
        match self {
            Self::User(user) => Some(&mut user.entity),
            Self::Group(group) => Some(group),
            Self::Role(role) => Some(&mut role.entity),
            _ => None,
        }
    }
}

/// Returns the thing at `key`, if it is there.
pub fn get(state: &State, key: &Key) -> Option<Thing> {
    let account = state.accounts.get(key.account());
    let organization = state.organization.as_ref();
    let center = &state.identity_center;
    match key {
        Key::User { name, .. } => {
            account?.users.get(name).map(|it| Thing::User(Box::new(it.clone())))
        }
        Key::Group { name, .. } => {
            account?.groups.get(name).map(|it| Thing::Group(Box::new(it.clone())))
        }
        Key::Role { name, .. } => {
            account?.roles.get(name).map(|it| Thing::Role(Box::new(it.clone())))
        }
        Key::Policy { arn, .. } => account?.policies.get(arn).cloned().map(Thing::Policy),
        Key::Profile { name, .. } => account?.profiles.get(name).cloned().map(Thing::Profile),
        Key::Resource { arn, .. } => account?.resources.get(arn).cloned().map(Thing::Resource),
        Key::Grant { key, id, .. } => account?.grants.get(key)?.get(id).cloned().map(Thing::Grant),
        Key::Network { arn, .. } => account?.networks.get(arn).cloned().map(Thing::Network),
        Key::Share { arn, .. } => {
            account?.shares.get(arn).map(|it| Thing::Share(Box::new(it.clone())))
        }
        Key::Block { arn, .. } => account?.blocks.get(arn).cloned().map(Thing::Block),
        Key::Node { id } => {
            let (parent, attached) =
                (organization?.parents.get(id), organization?.attached.get(id));
            (parent.is_some() || attached.is_some()).then(|| {
                Thing::Node(Node {
                    parent: parent.cloned(),
                    attached: attached.cloned().unwrap_or_default(),
                })
            })
        }
        Key::Control { id } => organization?.policies.get(id).cloned().map(Thing::Control),
        Key::Set { arn } => center.sets.get(arn).map(|it| Thing::Set(Box::new(it.clone()))),
        Key::Assigned(it) => center.assignments.contains(it).then_some(Thing::Assigned),
        Key::Member { group, user } => {
            let is_in = center.members.get(group).is_some_and(|members| members.contains(user));
            is_in.then(|| Thing::Member { group: group.clone(), user: user.clone() })
        }
        // The state does not have them: they only lead to members.
        Key::Membership { .. } | Key::Directory { .. } => None,
    }
}

/// Puts `thing` at `key`, or takes away what is there.
pub fn put(state: &mut State, key: &Key, thing: Option<Thing>) {
    match (key, thing) {
        (Key::Membership { .. } | Key::Directory { .. }, _) => {}
        (Key::Node { .. } | Key::Control { .. }, thing) => {
            in_organization(state.organization.get_or_insert_default(), key, thing);
        }
        (Key::Set { .. } | Key::Assigned(_) | Key::Member { .. }, thing) => {
            in_center(&mut state.identity_center, key, thing);
        }
        (_, thing) => in_account(state, key, thing),
    }
}

fn in_account(state: &mut State, key: &Key, thing: Option<Thing>) {
    let account = state.accounts.entry(key.account().into()).or_default();
    match (key, thing) {
        (Key::User { name, .. }, Some(Thing::User(user))) => {
            account.users.insert(name.clone(), *user);
        }
        (Key::User { name, .. }, _) => drop(account.users.remove(name)),
        (Key::Group { name, .. }, Some(Thing::Group(group))) => {
            account.groups.insert(name.clone(), *group);
        }
        (Key::Group { name, .. }, _) => drop(account.groups.remove(name)),
        (Key::Role { name, .. }, Some(Thing::Role(role))) => {
            account.roles.insert(name.clone(), *role);
        }
        (Key::Role { name, .. }, _) => drop(account.roles.remove(name)),
        (Key::Policy { arn, .. }, Some(Thing::Policy(policy))) => {
            account.policies.insert(arn.clone(), policy);
        }
        (Key::Policy { arn, .. }, _) => drop(account.policies.remove(arn)),
        (Key::Profile { name, .. }, Some(Thing::Profile(roles))) => {
            account.profiles.insert(name.clone(), roles);
        }
        (Key::Profile { name, .. }, _) => drop(account.profiles.remove(name)),
        (Key::Resource { arn, .. }, Some(Thing::Resource(text))) => {
            account.resources.insert(arn.clone(), text);
        }
        (Key::Resource { arn, .. }, _) => drop(account.resources.remove(arn)),
        (key, thing) => beside_policies(account, key, thing),
    }
}

fn beside_policies(account: &mut Account, key: &Key, thing: Option<Thing>) {
    match (key, thing) {
        (Key::Grant { key, id, .. }, Some(Thing::Grant(text))) => {
            account.grants.entry(key.clone()).or_default().insert(id.clone(), text);
        }
        (Key::Grant { key, id, .. }, _) => {
            if let Some(grants) = account.grants.get_mut(key) {
                grants.remove(id);
                if grants.is_empty() {
                    account.grants.remove(key);
                }
            }
        }
        (Key::Network { arn, .. }, Some(Thing::Network(rules))) => {
            account.networks.insert(arn.clone(), rules);
        }
        (Key::Network { arn, .. }, _) => drop(account.networks.remove(arn)),
        (Key::Share { arn, .. }, Some(Thing::Share(share))) => {
            account.shares.insert(arn.clone(), *share);
        }
        (Key::Share { arn, .. }, _) => drop(account.shares.remove(arn)),
        (Key::Block { arn, .. }, Some(Thing::Block(blocks))) => {
            account.blocks.insert(arn.clone(), blocks);
        }
        (Key::Block { arn, .. }, _) => drop(account.blocks.remove(arn)),
        _ => {}
    }
}

fn in_organization(organization: &mut Organization, key: &Key, thing: Option<Thing>) {
    match (key, thing) {
        (Key::Node { id }, thing) => {
            let node = match thing {
                Some(Thing::Node(node)) => node,
                _ => Node::default(),
            };
            match node.parent {
                Some(parent) => drop(organization.parents.insert(id.clone(), parent)),
                None => drop(organization.parents.remove(id)),
            }
            match node.attached.is_empty() {
                true => drop(organization.attached.remove(id)),
                false => drop(organization.attached.insert(id.clone(), node.attached)),
            }
        }
        (Key::Control { id }, Some(Thing::Control(policy))) => {
            organization.policies.insert(id.clone(), policy);
        }
        (Key::Control { id }, _) => drop(organization.policies.remove(id)),
        _ => {}
    }
}

fn in_center(center: &mut IdentityCenter, key: &Key, thing: Option<Thing>) {
    match (key, thing) {
        (Key::Set { arn }, Some(Thing::Set(set))) => drop(center.sets.insert(arn.clone(), *set)),
        (Key::Set { arn }, _) => drop(center.sets.remove(arn)),
        (Key::Assigned(it), Some(_)) => drop(center.assignments.insert(it.clone())),
        (Key::Assigned(it), None) => drop(center.assignments.remove(it)),
        (Key::Member { group, user }, Some(_)) => {
            center.members.entry(group.clone()).or_default().insert(user.clone());
        }
        (Key::Member { group, user }, None) => {
            if let Some(members) = center.members.get_mut(group) {
                members.remove(user);
                if members.is_empty() {
                    center.members.remove(group);
                }
            }
        }
        _ => {}
    }
}
