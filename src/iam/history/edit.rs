//! What events do to a thing.
//!
//! Invariant: an edit needs nothing but the thing itself, so that a late one can be put where it belongs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;

use crate::iam::block::Blocks;
use crate::iam::history::bare::bare;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::network::RulesEdit;
use crate::iam::policy::Document;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;
use crate::iam::sharing::ShareEdit;
use crate::iam::state::AccessKey;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::PermissionSet;
use crate::iam::state::User;
use crate::model::Seconds;

/// What an event does to a thing. Which things know an edit follows from its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the calls")]
pub enum Edit {
    /// It was made, whole as it is here.
    Made(Thing),
    /// It is gone.
    Deleted,
    /// It is gone, and what it spoke of with it: a bucket, not its policy alone.
    Gone,
    /// It has another name from now on.
    RenamedTo {
        name: Box<str>,
    },
    /// It is what had another name until now.
    RenamedFrom {
        name: Box<str>,
        arn: Option<Box<str>>,
    },
    Inline {
        name: Box<str>,
        text: Option<Text>,
    },
    Attached {
        arn: Box<str>,
    },
    Detached {
        arn: Box<str>,
    },
    Bounded {
        by: Option<Box<str>>,
    },
    Tagged {
        tags: BTreeMap<Box<str>, Box<str>>,
    },
    Untagged {
        keys: Vec<Box<str>>,
    },
    Trust {
        text: Text,
    },
    Joined {
        group: Box<str>,
    },
    Left {
        group: Box<str>,
    },
    /// A group that a user may be in has another name from now on.
    GroupRenamed {
        from: Box<str>,
        to: Box<str>,
    },
    KeyMade {
        id: Box<str>,
    },
    KeySet {
        id: Box<str>,
        is_active: bool,
    },
    KeyDeleted {
        id: Box<str>,
    },
    Password {
        is_there: bool,
    },
    Mfa {
        is_there: bool,
    },
    Version {
        id: Box<str>,
        text: Text,
        is_default: bool,
    },
    Default {
        id: Box<str>,
    },
    VersionDeleted {
        id: Box<str>,
    },
    RoleAdded {
        role: Box<str>,
    },
    RoleRemoved {
        role: Box<str>,
    },
    /// A resource's whole policy.
    Policy {
        text: Text,
    },
    /// One statement of a resource's policy, by its id.
    StatementPut {
        sid: Box<str>,
        text: Text,
    },
    StatementRemoved {
        sid: Box<str>,
    },
    /// What a security group lets through.
    Rules(RulesEdit),
    /// Who is in a share, and what.
    Shared(ShareEdit),
    /// These blocks are in force, and no others.
    Blocked {
        blocks: Blocks,
    },
    Moved {
        to: Box<str>,
    },
    /// What an organisation's policy says; a name where it changes too.
    Content {
        name: Option<Box<str>>,
        text: Option<Text>,
    },
    SetInline {
        text: Option<Text>,
    },
    Referenced {
        name: Box<str>,
    },
    Unreferenced {
        name: Box<str>,
    },
    /// A permission set was changed in a way that authorises nothing.
    Touched,
    /// A permission set was provisioned; without an account in all.
    Provisioned {
        account: Option<Box<str>>,
    },
}

impl Edit {
    /// Returns whether it only takes away: on a thing that is not there it does nothing.
    pub fn takes_away(&self) -> bool {
        match self {
            Self::Rules(edit) => return edit.takes_away(),
            Self::Shared(edit) => return edit.takes_away(),
            _ => {}
        }
        matches!(
            self,
            Self::Inline { text: None, .. }
                | Self::Detached { .. }
                | Self::Bounded { by: None }
                | Self::Untagged { .. }
                | Self::Left { .. }
                | Self::GroupRenamed { .. }
                | Self::KeyDeleted { .. }
                | Self::Password { is_there: false }
                | Self::VersionDeleted { .. }
                | Self::RoleRemoved { .. }
                | Self::StatementRemoved { .. }
                | Self::SetInline { text: None }
                | Self::Unreferenced { .. }
        )
    }

    /// Returns whether there is something that it would take away.
    pub fn finds(&self, thing: Option<&Thing>) -> bool {
        let Some(thing) = thing else { return false };
        let entity = thing.entity();
        match (self, thing) {
            (Self::Inline { name, .. }, _) => entity.is_some_and(|it| it.inline.contains_key(name)),
            (Self::Detached { arn }, Thing::Node(node)) => node.attached.contains(arn),
            (Self::Detached { arn }, Thing::Set(set)) => set.attached.contains(arn),
            (Self::Detached { arn }, _) => entity.is_some_and(|it| it.attached.contains(arn)),
            (Self::Bounded { .. }, Thing::Set(set)) => set.boundary.is_some(),
            (Self::Bounded { .. }, _) => entity.is_some_and(|it| it.boundary.is_some()),
            (Self::Untagged { keys }, _) => {
                entity.is_some_and(|it| keys.iter().any(|key| it.tags.contains_key(key)))
            }
            (Self::Left { group } | Self::GroupRenamed { from: group, .. }, Thing::User(user)) => {
                user.groups.contains(group)
            }
            (Self::KeyDeleted { id }, Thing::User(user)) => user.keys.contains_key(id),
            (Self::Password { .. }, Thing::User(user)) => user.has_password != Some(false),
            (Self::VersionDeleted { id }, Thing::Policy(policy)) => {
                policy.versions.contains_key(id)
            }
            (Self::RoleRemoved { role }, Thing::Profile(roles)) => roles.contains(role),
            (Self::StatementRemoved { .. }, Thing::Resource(_)) => true,
            (Self::SetInline { .. }, Thing::Set(set)) => set.inline.is_some(),
            (Self::Unreferenced { name }, Thing::Set(set)) => set.referenced.contains(name),
            (Self::Rules(edit), Thing::Network(rules)) => edit.finds(rules),
            (Self::Shared(edit), Thing::Share(share)) => edit.finds(share),
            _ => false,
        }
    }

    /// Does it to `thing` at `at`. What is not there though something is done to it is made as far as it is known.
    pub fn apply(&self, key: &Key, at: Seconds, thing: &mut Option<Thing>) {
        match self {
            Self::Made(made) => {
                let mut made = made.clone();
                if let Some(entity) = made.entity_mut() {
                    entity.created = entity.created.or(Some(at));
                }
                *thing = Some(made);
                return;
            }
            Self::Deleted | Self::Gone | Self::RenamedTo { .. } => {
                *thing = None;
                return;
            }
            _ => {}
        }
        if thing.is_none() {
            if self.takes_away() {
                return;
            }
            *thing = bare(key);
        }
        match thing {
            Some(Thing::User(user)) => self.on_user(at, user),
            Some(Thing::Group(entity)) => self.on_entity(entity),
            Some(Thing::Role(role)) => match self {
                Self::Trust { text } => role.trust = text.clone(),
                _ => self.on_entity(&mut role.entity),
            },
            Some(Thing::Policy(policy)) => self.on_policy(policy),
            Some(Thing::Profile(roles)) => match self {
                Self::RoleAdded { role } => drop(roles.insert(role.clone())),
                Self::RoleRemoved { role } => drop(roles.remove(role)),
                _ => {}
            },
            Some(Thing::Resource(text)) => self.on_resource(text),
            Some(Thing::Node(node)) => match self {
                Self::Attached { arn } => node.attach(arn),
                Self::Detached { arn } => drop(node.attached.remove(arn)),
                Self::Moved { to } => node.parent = Some(to.clone()),
                _ => {}
            },
            Some(Thing::Control(policy)) => self.on_control(policy),
            Some(Thing::Set(set)) => self.on_set(at, set),
            Some(Thing::Network(rules)) => {
                if let Self::Rules(edit) = self {
                    edit.apply(rules);
                }
            }
            Some(Thing::Share(share)) => {
                if let Self::Shared(edit) = self {
                    edit.apply(share);
                }
            }
            Some(Thing::Block(all)) => {
                if let Self::Blocked { blocks } = self {
                    all.clone_from(blocks);
                }
            }
            Some(Thing::Grant(_) | Thing::Assigned | Thing::Member { .. }) | None => {}
        }
    }

    fn on_entity(&self, entity: &mut Entity) {
        match self {
            Self::Inline { name, text: Some(text) } => {
                entity.inline.insert(name.clone(), text.clone());
            }
            Self::Inline { name, text: None } => drop(entity.inline.remove(name)),
            Self::Attached { arn } => drop(entity.attached.insert(arn.clone())),
            Self::Detached { arn } => drop(entity.attached.remove(arn)),
            Self::Bounded { by } => entity.boundary = by.clone(),
            Self::Tagged { tags } => {
                entity.tags.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            Self::Untagged { keys } => entity.tags.retain(|key, _| !keys.contains(key)),
            Self::RenamedFrom { arn: Some(arn), .. } => entity.arn = arn.clone(),
            _ => {}
        }
    }

    fn on_user(&self, at: Seconds, user: &mut User) {
        match self {
            Self::Joined { group } => drop(user.groups.insert(group.clone())),
            Self::Left { group } => drop(user.groups.remove(group)),
            Self::GroupRenamed { from, to } => {
                if user.groups.remove(from) {
                    user.groups.insert(to.clone());
                }
            }
            Self::KeyMade { id } => {
                user.keys.insert(id.clone(), AccessKey { created: Some(at), is_active: true });
            }
            Self::KeySet { id, is_active } => {
                let unknown = || AccessKey { created: None, is_active: *is_active };
                user.keys.entry(id.clone()).or_insert_with(unknown).is_active = *is_active;
            }
            Self::KeyDeleted { id } => drop(user.keys.remove(id)),
            Self::Password { is_there } => user.has_password = Some(*is_there),
            // A device that was taken away may not have been the only one.
            Self::Mfa { is_there } => user.has_mfa = is_there.then_some(true),
            _ => self.on_entity(&mut user.entity),
        }
    }

    fn on_policy(&self, policy: &mut Managed) {
        match self {
            Self::Version { id, text, is_default } => {
                policy.versions.insert(id.clone(), text.clone());
                if *is_default {
                    policy.default = id.clone();
                }
            }
            Self::Default { id } => {
                let unread = || Text::Unknown(format!("no snapshot and no event told {id}").into());
                policy.versions.entry(id.clone()).or_insert_with(unread);
                policy.default = id.clone();
            }
            Self::VersionDeleted { id } => drop(policy.versions.remove(id)),
            _ => {}
        }
    }

    fn on_resource(&self, text: &mut Text) {
        match (self, &*text) {
            (Self::Policy { text: whole }, _) => *text = whole.clone(),
            (Self::StatementPut { sid, text: Text::Known(put) }, Text::Known(document)) => {
                let mut document = without(document, sid);
                document.statements.extend(put.statements.iter().cloned());
                *text = Text::Known(document.into());
            }
            (Self::StatementPut { text: Text::Unknown(why), .. }, _) => {
                *text = Text::Unknown(why.clone());
            }
            (Self::StatementRemoved { sid }, Text::Known(document)) => {
                *text = Text::Known(without(document, sid).into());
            }
            _ => {}
        }
    }

    fn on_control(&self, policy: &mut OrganizationPolicy) {
        if let Self::Content { name, text } = self {
            policy.name = name.clone().unwrap_or_else(|| policy.name.clone());
            policy.text = text.clone().unwrap_or_else(|| policy.text.clone());
        }
    }

    fn on_set(&self, at: Seconds, set: &mut PermissionSet) {
        if let Self::Provisioned { account } = self {
            match account {
                Some(account) => drop(set.provisioned.insert(account.clone(), at)),
                None => set.provisioned.values_mut().for_each(|when| *when = at),
            }
            return;
        }
        set.changed = Some(at);
        match self {
            Self::SetInline { text } => set.inline = text.clone(),
            Self::Attached { arn } => drop(set.attached.insert(arn.clone())),
            Self::Detached { arn } => drop(set.attached.remove(arn)),
            Self::Referenced { name } => drop(set.referenced.insert(name.clone())),
            Self::Unreferenced { name } => drop(set.referenced.remove(name)),
            Self::Bounded { by } => set.boundary = by.clone(),
            _ => {}
        }
    }
}

/// Returns `document` without the statement `sid`.
fn without(document: &Document, sid: &str) -> Document {
    let others = |it: &&Statement| it.sid.as_deref() != Some(sid);
    let statements = document.statements.iter().filter(others).cloned().collect();
    Document { language: document.language, statements }
}
