//! What IAM's records teach: users, groups, roles, managed policies, instance profiles.
//!
//! Invariant: a name is what IAM was asked for; where a user acts on itself it is the caller's.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::fields::Fields;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Role;
use crate::iam::state::User;
use crate::model::Slot;

type Edits = Vec<(Key, Edit)>;

/// Returns what a call of IAM changes.
pub(super) fn of(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    let one = |key: Option<Key>, edit: Option<Edit>| Some(vec![(key?, edit?)]);
    match event {
        "CreateUser" | "CreateGroup" | "CreateRole" | "CreateServiceLinkedRole" => {
            made(fields, event)
        }
        "UpdateUser" | "UpdateGroup" => renamed(fields, event),
        "DeleteUser" | "DeleteGroup" | "DeleteRole" => {
            one(holder(fields, event), Some(Edit::Deleted))
        }
        // It is deleted some time after it was asked for, if nothing uses it; what is asked for is what is known.
        "DeleteServiceLinkedRole" => one(role(fields), Some(Edit::Deleted)),
        "UpdateAssumeRolePolicy" => {
            let text = fields.document("policyDocument", Kind::Trust);
            one(role(fields), Some(Edit::Trust { text }))
        }
        "CreatePolicy"
        | "DeletePolicy"
        | "CreatePolicyVersion"
        | "SetDefaultPolicyVersion"
        | "DeletePolicyVersion" => managed(fields, event),
        "AddUserToGroup" | "RemoveUserFromGroup" => {
            let group = fields.asked("groupName")?;
            let edit = match event {
                "AddUserToGroup" => Edit::Joined { group },
                _ => Edit::Left { group },
            };
            one(user(fields), Some(edit))
        }
        "AddRoleToInstanceProfile"
        | "RemoveRoleFromInstanceProfile"
        | "CreateInstanceProfile"
        | "DeleteInstanceProfile" => profile(fields, event),
        _ => match credential(fields, event) {
            Some(edit) => one(user(fields), Some(edit)),
            None => one(holder(fields, event), of_entity(fields, event)),
        },
    }
}

fn user(fields: &Fields<'_, '_>) -> Option<Key> {
    let named = fields.asked("userName").or_else(|| fields.answered("accessKey.userName"));
    // Whoever makes a key for himself names nobody.
    let own = || {
        let is_user = fields.record.slot_raw(Slot::UserType) == Some("\"IAMUser\"");
        is_user.then(|| fields.at("userIdentity.userName"))?
    };
    Some(Key::User { account: fields.account.clone(), name: named.or_else(own)? })
}

fn role(fields: &Fields<'_, '_>) -> Option<Key> {
    Some(Key::Role { account: fields.account.clone(), name: fields.asked("roleName")? })
}

fn group(fields: &Fields<'_, '_>) -> Option<Key> {
    Some(Key::Group { account: fields.account.clone(), name: fields.asked("groupName")? })
}

/// Returns whom a call is about, which its name tells.
fn holder(fields: &Fields<'_, '_>, event: &str) -> Option<Key> {
    if event.contains("User") {
        user(fields)
    } else if event.contains("Role") {
        role(fields)
    } else if event.contains("Group") {
        group(fields)
    } else {
        None
    }
}

fn of_entity(fields: &Fields<'_, '_>, event: &str) -> Option<Edit> {
    let arn = || fields.asked("policyArn");
    Some(match event {
        "PutUserPolicy" | "PutGroupPolicy" | "PutRolePolicy" => Edit::Inline {
            name: fields.asked("policyName")?,
            text: Some(fields.document("policyDocument", Kind::Identity)),
        },
        "DeleteUserPolicy" | "DeleteGroupPolicy" | "DeleteRolePolicy" => {
            Edit::Inline { name: fields.asked("policyName")?, text: None }
        }
        "AttachUserPolicy" | "AttachGroupPolicy" | "AttachRolePolicy" => {
            Edit::Attached { arn: arn()? }
        }
        "DetachUserPolicy" | "DetachGroupPolicy" | "DetachRolePolicy" => {
            Edit::Detached { arn: arn()? }
        }
        "PutUserPermissionsBoundary" | "PutRolePermissionsBoundary" => {
            Edit::Bounded { by: Some(fields.asked("permissionsBoundary")?) }
        }
        "DeleteUserPermissionsBoundary" | "DeleteRolePermissionsBoundary" => {
            Edit::Bounded { by: None }
        }
        "TagUser" | "TagRole" => Edit::Tagged { tags: fields.tags() },
        "UntagUser" | "UntagRole" => Edit::Untagged { keys: fields.list("tagKeys") },
        _ => return None,
    })
}

fn credential(fields: &Fields<'_, '_>, event: &str) -> Option<Edit> {
    Some(match event {
        "CreateAccessKey" => Edit::KeyMade { id: fields.answered("accessKey.accessKeyId")? },
        "UpdateAccessKey" => Edit::KeySet {
            id: fields.asked("accessKeyId")?,
            is_active: &*fields.asked("status")? == "Active",
        },
        "DeleteAccessKey" => Edit::KeyDeleted { id: fields.asked("accessKeyId")? },
        "CreateLoginProfile" | "UpdateLoginProfile" => Edit::Password { is_there: true },
        "DeleteLoginProfile" => Edit::Password { is_there: false },
        "EnableMFADevice" => Edit::Mfa { is_there: true },
        "DeactivateMFADevice" => Edit::Mfa { is_there: false },
        _ => return None,
    })
}

/// A user, group or role as the call and its answer tell it.
fn made(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    let (key, sort, id) = match event {
        "CreateUser" => (user(fields)?, "user", "userId"),
        "CreateGroup" => (group(fields)?, "group", "groupId"),
        _ => {
            let name = fields.asked("roleName").or_else(|| fields.answered("role.roleName"))?;
            (Key::Role { account: fields.account.clone(), name }, "role", "roleId")
        }
    };
    let (Key::User { name, .. } | Key::Group { name, .. } | Key::Role { name, .. }) = &key else {
        return None;
    };
    let told = |field: &str| fields.answered(&format!("{sort}.{field}"));
    let path = fields.asked("path").or_else(|| told("path")).unwrap_or_else(|| "/".into());
    let entity = Entity {
        arn: told("arn").unwrap_or_else(|| fields.arn(sort, &path, name)),
        unique_id: told(id).unwrap_or_default(),
        created: fields.made(&format!("{sort}.createDate")),
        inline: BTreeMap::new(),
        attached: BTreeSet::new(),
        boundary: fields.asked("permissionsBoundary"),
        tags: fields.tags(),
    };
    let thing = match sort {
        "user" => Thing::User(Box::new(User {
            entity,
            has_password: Some(false),
            has_mfa: Some(false),
            ..User::default()
        })),
        "group" => Thing::Group(Box::new(entity)),
        _ => Thing::Role(Box::new(Role { entity, trust: trust(fields, event), last_used: None })),
    };
    Some(vec![(key, Edit::Made(thing))])
}

/// Returns who may take a new role. Of one that is linked to a service only the answer says it.
fn trust(fields: &Fields<'_, '_>, event: &str) -> Text {
    if event == "CreateRole" {
        return fields.document("assumeRolePolicyDocument", Kind::Trust);
    }
    let text = fields.record.text("responseElements.role.assumeRolePolicyDocument");
    fields.read(&text.unwrap_or_default(), Kind::Trust)
}

fn renamed(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    let (old, name, sort) = match event {
        "UpdateUser" => (user(fields)?, fields.asked("newUserName"), "user"),
        _ => (group(fields)?, fields.asked("newGroupName"), "group"),
    };
    let (Key::User { name: was, .. } | Key::Group { name: was, .. }) = &old else { return None };
    // A new path alone changes the ARN, and what policies say of the ARN.
    let path = fields.asked("newPath");
    let arn = |name: &str| path.as_ref().map(|path| fields.arn(sort, path, name));
    let Some(name) = name.filter(|name| name != was) else {
        let edit = Edit::RenamedFrom { name: was.clone(), arn: Some(arn(was)?) };
        return Some(vec![(old, edit)]);
    };
    let account = fields.account.clone();
    let new = match event {
        "UpdateUser" => Key::User { account, name: name.clone() },
        _ => Key::Group { account, name: name.clone() },
    };
    let from = Edit::RenamedFrom { name: was.clone(), arn: arn(&name) };
    Some(vec![(old, Edit::RenamedTo { name }), (new, from)])
}

fn managed(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    let arn = match event {
        "CreatePolicy" => fields.answered("policy.arn").or_else(|| {
            let path = fields.asked("path").unwrap_or_else(|| "/".into());
            Some(fields.arn("policy", &path, &fields.asked("policyName")?))
        })?,
        _ => fields.asked("policyArn")?,
    };
    let text = || fields.document("policyDocument", Kind::Identity);
    let edit = match event {
        "CreatePolicy" => {
            let version = fields.answered("policy.defaultVersionId").unwrap_or_else(|| "v1".into());
            let versions = [(version.clone(), text())].into();
            Edit::Made(Thing::Policy(Managed { versions, default: version }))
        }
        "CreatePolicyVersion" => Edit::Version {
            id: fields.answered("policyVersion.versionId")?,
            text: text(),
            is_default: fields.asked("setAsDefault").as_deref() == Some("true"),
        },
        "SetDefaultPolicyVersion" => Edit::Default { id: fields.asked("versionId")? },
        "DeletePolicyVersion" => Edit::VersionDeleted { id: fields.asked("versionId")? },
        _ => Edit::Deleted,
    };
    Some(vec![(Key::Policy { account: fields.account.clone(), arn }, edit)])
}

fn profile(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    let name = fields.asked("instanceProfileName")?;
    let edit = match event {
        "CreateInstanceProfile" => Edit::Made(Thing::Profile(BTreeSet::new())),
        "DeleteInstanceProfile" => Edit::Deleted,
        "AddRoleToInstanceProfile" => Edit::RoleAdded { role: fields.asked("roleName")? },
        _ => Edit::RoleRemoved { role: fields.asked("roleName")? },
    };
    Some(vec![(Key::Profile { account: fields.account.clone(), name }, edit)])
}
