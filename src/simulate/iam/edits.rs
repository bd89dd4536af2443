//! What each edit does to the state of IAM.
//!
//! Invariant: an edit that IAM would refuse changes nothing and says why.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census;
use crate::simulate::iam::own_policy;
use crate::simulate::iam::state::State;
use crate::simulate::iam::state::date;
use crate::simulate::iam::state::list;

/// How many versions a managed policy may have.
pub const MAX_VERSIONS: usize = 5;

/// Why IAM would refuse an edit: its error's code, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {about}")]
pub struct Refused {
    /// `NoSuchEntity`, `EntityAlreadyExists`, `DeleteConflict` or `LimitExceeded`.
    pub code: &'static str,
    /// The thing.
    pub about: String,
}

impl Refused {
    fn no_such(about: &str) -> Self {
        Self { code: "NoSuchEntity", about: about.to_owned() }
    }

    fn exists(about: &str) -> Self {
        Self { code: "EntityAlreadyExists", about: about.to_owned() }
    }

    fn conflict(about: &str) -> Self {
        Self { code: "DeleteConflict", about: about.to_owned() }
    }
}

/// Who has policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    User,
    Group,
    Role,
}

impl Holder {
    /// The member that lists inline policies.
    fn inline(self) -> &'static str {
        match self {
            Self::User => "UserPolicyList",
            Self::Group => "GroupPolicyList",
            Self::Role => "RolePolicyList",
        }
    }
}

impl State<'_> {
    /// Makes an edit at `at`.
    ///
    /// # Errors
    /// When IAM would refuse it.
    pub fn make(&mut self, at: Seconds, edit: &Edit) -> Result<(), Refused> {
        match edit {
            Edit::CreateUser { .. }
            | Edit::DeleteUser { .. }
            | Edit::CreateGroup { .. }
            | Edit::DeleteGroup { .. }
            | Edit::CreateRole { .. }
            | Edit::DeleteRole { .. }
            | Edit::UpdateAssumeRolePolicy { .. } => self.make_holder(at, edit),
            Edit::CreatePolicy { .. }
            | Edit::DeletePolicy { .. }
            | Edit::CreatePolicyVersion { .. }
            | Edit::SetDefaultPolicyVersion { .. }
            | Edit::DeletePolicyVersion { .. } => self.make_policy(at, edit),
            Edit::CreateInstanceProfile { .. }
            | Edit::DeleteInstanceProfile { .. }
            | Edit::AddRoleToInstanceProfile { .. }
            | Edit::RemoveRoleFromInstanceProfile { .. } => self.make_profile(at, edit),
            Edit::AttachRolePolicy { role, arn } => self.attach(Holder::Role, role, arn),
            Edit::DetachRolePolicy { role, arn } => self.detach(Holder::Role, role, arn),
            Edit::AttachUserPolicy { user, arn } => self.attach(Holder::User, user, arn),
            Edit::DetachUserPolicy { user, arn } => self.detach(Holder::User, user, arn),
            Edit::AttachGroupPolicy { group, arn } => self.attach(Holder::Group, group, arn),
            Edit::DetachGroupPolicy { group, arn } => self.detach(Holder::Group, group, arn),
            Edit::PutRolePolicy { role, policy, document } => {
                self.put(Holder::Role, role, (policy, document))
            }
            Edit::DeleteRolePolicy { role, policy } => self.unput(Holder::Role, role, policy),
            Edit::PutUserPolicy { user, policy, document } => {
                self.put(Holder::User, user, (policy, document))
            }
            Edit::DeleteUserPolicy { user, policy } => self.unput(Holder::User, user, policy),
            Edit::PutGroupPolicy { group, policy, document } => {
                self.put(Holder::Group, group, (policy, document))
            }
            Edit::DeleteGroupPolicy { group, policy } => self.unput(Holder::Group, group, policy),
            Edit::PutRolePermissionsBoundary { role, arn } => self.bound(Holder::Role, role, arn),
            Edit::PutUserPermissionsBoundary { user, arn } => self.bound(Holder::User, user, arn),
            Edit::DeleteRolePermissionsBoundary { role } => self.unbound(Holder::Role, role),
            Edit::DeleteUserPermissionsBoundary { user } => self.unbound(Holder::User, user),
            Edit::AddUserToGroup { user, group } => self.join(user, group),
            Edit::RemoveUserFromGroup { user, group } => self.leave(user, group),
            // Keys and passwords are in no snapshot, but only users have them.
            Edit::CreateAccessKey { user, .. }
            | Edit::UpdateAccessKey { user, .. }
            | Edit::DeleteAccessKey { user, .. }
            | Edit::CreateLoginProfile { user }
            | Edit::UpdateLoginProfile { user }
            | Edit::DeleteLoginProfile { user } => self.holder(Holder::User, user).map(|_| ()),
        }
    }

    fn make_holder(&mut self, at: Seconds, edit: &Edit) -> Result<(), Refused> {
        let (org, account) = (self.org, self.account);
        match edit {
            Edit::CreateUser { user } => {
                if self.users.contains_key(user) {
                    return Err(Refused::exists(user));
                }
                let shown = json!({
                    "Path": "/", "UserName": user, "UserId": census::user_id(org, account, user),
                    "Arn": format!("arn:aws:iam::{}:user/{user}", self.id()), "CreateDate": date(at),
                    "UserPolicyList": [], "GroupList": [], "AttachedManagedPolicies": [], "Tags": [],
                });
                self.users.insert(user.clone(), shown);
            }
            Edit::CreateGroup { group } => {
                if self.groups.contains_key(group) {
                    return Err(Refused::exists(group));
                }
                let shown = json!({
                    "Path": "/", "GroupName": group, "GroupId": census::group_id(org, account, group),
                    "Arn": format!("arn:aws:iam::{}:group/{group}", self.id()), "CreateDate": date(at),
                    "GroupPolicyList": [], "AttachedManagedPolicies": [],
                });
                self.groups.insert(group.clone(), shown);
            }
            Edit::CreateRole { role, path, trust } => {
                if self.roles.contains_key(role) {
                    return Err(Refused::exists(role));
                }
                let shown = json!({
                    "Path": path, "RoleName": role, "RoleId": org.role_id(account, role),
                    "Arn": format!("arn:aws:iam::{}:role{path}{role}", self.id()), "CreateDate": date(at),
                    "AssumeRolePolicyDocument": trust, "RolePolicyList": [],
                    "AttachedManagedPolicies": [], "Tags": [],
                });
                self.roles.insert(role.clone(), shown);
            }
            Edit::UpdateAssumeRolePolicy { role, trust } => {
                self.holder(Holder::Role, role)?["AssumeRolePolicyDocument"] = trust.clone();
            }
            Edit::DeleteUser { user } => self.delete(Holder::User, user)?,
            Edit::DeleteGroup { group } => self.delete(Holder::Group, group)?,
            Edit::DeleteRole { role } => self.delete(Holder::Role, role)?,
            _ => {}
        }
        Ok(())
    }

    fn make_policy(&mut self, at: Seconds, edit: &Edit) -> Result<(), Refused> {
        match edit {
            Edit::CreatePolicy { policy, document } => {
                if self.policies.contains_key(policy) {
                    return Err(Refused::exists(policy));
                }
                let shown = json!({
                    "PolicyName": policy, "PolicyId": census::policy_id(self.org, self.account, policy),
                    "Arn": own_policy(self.id(), policy), "Path": "/", "DefaultVersionId": "v1",
                    "IsAttachable": true, "CreateDate": date(at), "UpdateDate": date(at),
                    "PolicyVersionList": [version(1, document, at)],
                });
                self.policies.insert(policy.clone(), (1, shown));
            }
            Edit::DeletePolicy { policy } => {
                let (_, shown) = self.policy(policy)?;
                let has_one_version = list(&shown["PolicyVersionList"]).count() == 1;
                if !has_one_version || self.is_in_use(policy) {
                    return Err(Refused::conflict(policy));
                }
                self.policies.remove(policy);
            }
            Edit::CreatePolicyVersion { policy, document } => {
                let (last, shown) = self.policy(policy)?;
                if list(&shown["PolicyVersionList"]).count() >= MAX_VERSIONS {
                    return Err(Refused { code: "LimitExceeded", about: policy.clone() });
                }
                *last += 1;
                let number = *last;
                versions(shown).insert(0, version(number, document, at));
                set_default(shown, &format!("v{number}"), at);
            }
            Edit::SetDefaultPolicyVersion { policy, version } => {
                let (_, shown) = self.policy(policy)?;
                if !list(&shown["PolicyVersionList"]).any(|it| it["VersionId"] == **version) {
                    return Err(Refused::no_such(version));
                }
                set_default(shown, version, at);
            }
            Edit::DeletePolicyVersion { policy, version } => {
                let (_, shown) = self.policy(policy)?;
                if shown["DefaultVersionId"] == **version {
                    return Err(Refused::conflict(version));
                }
                take_out(versions(shown), "VersionId", version)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn make_profile(&mut self, at: Seconds, edit: &Edit) -> Result<(), Refused> {
        match edit {
            Edit::CreateInstanceProfile { profile } => {
                if self.profiles.contains_key(profile) {
                    return Err(Refused::exists(profile));
                }
                let shown = json!({
                    "Path": "/", "InstanceProfileName": profile,
                    "InstanceProfileId": census::profile_id(self.org, self.account, profile),
                    "Arn": format!("arn:aws:iam::{}:instance-profile/{profile}", self.id()),
                    "CreateDate": date(at),
                });
                self.profiles.insert(profile.clone(), (shown, std::collections::BTreeSet::new()));
            }
            Edit::DeleteInstanceProfile { profile } => match self.profiles.get(profile) {
                None => return Err(Refused::no_such(profile)),
                Some((_, roles)) if !roles.is_empty() => return Err(Refused::conflict(profile)),
                Some(_) => drop(self.profiles.remove(profile)),
            },
            Edit::AddRoleToInstanceProfile { profile, role } => {
                self.holder(Holder::Role, role)?;
                let found = self.profiles.get_mut(profile);
                let (_, roles) = found.ok_or_else(|| Refused::no_such(profile))?;
                if !roles.is_empty() {
                    return Err(Refused { code: "LimitExceeded", about: profile.clone() });
                }
                roles.insert(role.clone());
            }
            Edit::RemoveRoleFromInstanceProfile { profile, role } => {
                let found = self.profiles.get_mut(profile);
                let (_, roles) = found.ok_or_else(|| Refused::no_such(profile))?;
                if !roles.remove(role) {
                    return Err(Refused::no_such(role));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the user, group or role called `name`.
    fn holder(&mut self, holder: Holder, name: &str) -> Result<&mut Value, Refused> {
        let holders = match holder {
            Holder::User => &mut self.users,
            Holder::Group => &mut self.groups,
            Holder::Role => &mut self.roles,
        };
        holders.get_mut(name).ok_or_else(|| Refused::no_such(name))
    }

    fn policy(&mut self, name: &str) -> Result<&mut (u32, Value), Refused> {
        self.policies.get_mut(name).ok_or_else(|| Refused::no_such(name))
    }

    fn is_in_use(&self, policy: &str) -> bool {
        let arn = own_policy(self.id(), policy);
        let holders = self.users.values().chain(self.groups.values()).chain(self.roles.values());
        let uses = |holder: &Value| {
            let is_bound = holder["PermissionsBoundary"]["PermissionsBoundaryArn"] == *arn;
            is_bound || list(&holder["AttachedManagedPolicies"]).any(|it| it["PolicyArn"] == *arn)
        };
        holders.into_iter().any(uses)
    }

    fn delete(&mut self, holder: Holder, name: &str) -> Result<(), Refused> {
        let shown = self.holder(holder, name)?;
        let held = ["AttachedManagedPolicies", holder.inline(), "GroupList"];
        let mut is_held = held.iter().any(|member| list(&shown[*member]).next().is_some());
        is_held |= match holder {
            Holder::User => false,
            Holder::Group => {
                self.users.values().any(|it| list(&it["GroupList"]).any(|it| it == name))
            }
            Holder::Role => self.profiles.values().any(|(_, roles)| roles.contains(name)),
        };
        if is_held {
            return Err(Refused::conflict(name));
        }
        match holder {
            Holder::User => drop(self.users.remove(name)),
            Holder::Group => drop(self.groups.remove(name)),
            Holder::Role => drop(self.roles.remove(name)),
        }
        Ok(())
    }

    /// Attaches a managed policy; one that is attached stays attached.
    fn attach(&mut self, holder: Holder, name: &str, arn: &str) -> Result<(), Refused> {
        let short = arn.rsplit('/').next().unwrap_or_default();
        let is_own = arn.starts_with(&format!("arn:aws:iam::{}:", self.id()));
        if is_own && !self.policies.contains_key(short) {
            return Err(Refused::no_such(arn));
        }
        let attached = items(self.holder(holder, name)?, "AttachedManagedPolicies");
        if !attached.iter().any(|it| it["PolicyArn"] == *arn) {
            attached.push(json!({"PolicyName": short, "PolicyArn": arn}));
        }
        Ok(())
    }

    fn detach(&mut self, holder: Holder, name: &str, arn: &str) -> Result<(), Refused> {
        take_out(items(self.holder(holder, name)?, "AttachedManagedPolicies"), "PolicyArn", arn)
    }

    fn put(
        &mut self,
        holder: Holder,
        name: &str,
        (policy, document): (&str, &Value),
    ) -> Result<(), Refused> {
        let inline = items(self.holder(holder, name)?, holder.inline());
        match inline.iter_mut().find(|it| it["PolicyName"] == *policy) {
            Some(found) => found["PolicyDocument"] = document.clone(),
            None => inline.push(json!({"PolicyName": policy, "PolicyDocument": document})),
        }
        Ok(())
    }

    fn unput(&mut self, holder: Holder, name: &str, policy: &str) -> Result<(), Refused> {
        take_out(items(self.holder(holder, name)?, holder.inline()), "PolicyName", policy)
    }

    fn bound(&mut self, holder: Holder, name: &str, arn: &str) -> Result<(), Refused> {
        let boundary = json!({"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn});
        self.holder(holder, name)?["PermissionsBoundary"] = boundary;
        Ok(())
    }

    fn unbound(&mut self, holder: Holder, name: &str) -> Result<(), Refused> {
        let members = self.holder(holder, name)?.as_object_mut();
        let boundary = members.and_then(|it| it.remove("PermissionsBoundary"));
        boundary.map(|_| ()).ok_or_else(|| Refused::no_such(name))
    }

    fn join(&mut self, user: &str, group: &str) -> Result<(), Refused> {
        self.holder(Holder::Group, group)?;
        let groups = items(self.holder(Holder::User, user)?, "GroupList");
        if !groups.iter().any(|it| it == group) {
            groups.push(json!(group));
        }
        Ok(())
    }

    fn leave(&mut self, user: &str, group: &str) -> Result<(), Refused> {
        self.holder(Holder::Group, group)?;
        items(self.holder(Holder::User, user)?, "GroupList").retain(|it| it != group);
        Ok(())
    }
}

fn version(number: u32, document: &Value, at: Seconds) -> Value {
    json!({
        "Document": document, "VersionId": format!("v{number}"), "IsDefaultVersion": true,
        "CreateDate": date(at),
    })
}

fn versions(policy: &mut Value) -> &mut Vec<Value> {
    items(policy, "PolicyVersionList")
}

fn set_default(policy: &mut Value, id: &str, at: Seconds) {
    for version in versions(policy) {
        version["IsDefaultVersion"] = json!(version["VersionId"] == *id);
    }
    policy["DefaultVersionId"] = json!(id);
    policy["UpdateDate"] = json!(date(at));
}

/// Returns the list that is called `member`.
fn items<'v>(of: &'v mut Value, member: &str) -> &'v mut Vec<Value> {
    of[member].as_array_mut().expect("every entry is made with its lists")
}

/// Takes out the item whose `member` is `value`.
fn take_out(items: &mut Vec<Value>, member: &str, value: &str) -> Result<(), Refused> {
    let place = items.iter().position(|item| item[member] == *value);
    items.remove(place.ok_or_else(|| Refused::no_such(value))?);
    Ok(())
}
