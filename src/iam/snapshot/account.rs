//! An account, as `aws iam get-account-authorization-details` prints it; documents decoded or percent-encoded.
//!
//! Invariant: pages come in any order and each adds to the account.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::iam::policy::Kind;
use crate::iam::snapshot::Snapshot;
use crate::iam::snapshot::items;
use crate::iam::snapshot::name;
use crate::iam::state::AccessKey;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Role;
use crate::iam::state::User;
use crate::model::Seconds;

/// The members by which such a file is told.
pub(super) const MEMBERS: [&str; 4] =
    ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"];

/// With this member the file does not speak of the whole account, only of what it names.
const PARTIAL: &str = "Partial";

/// Takes in an account.
pub(super) fn take(snapshot: &mut Snapshot, value: &Value, stem: &str) -> Result<(), String> {
    let id = account_of(value, stem)?;
    snapshot.taken(&id, value)?;
    for user in items(value, "UserDetailList")? {
        let entity = entity(snapshot, user, ["UserDetailList", "UserId", "UserPolicyList"])?;
        let groups = items(user, "GroupList")?.iter();
        let it = User {
            entity,
            groups: groups.filter_map(Value::as_str).map(Into::into).collect(),
            keys: keys(user)?,
            has_password: user["HasPassword"].as_bool(),
            has_mfa: user["HasMfa"].as_bool(),
        };
        let name = name(user, "UserDetailList", "UserName")?;
        account(snapshot, &id).users.insert(name.into(), it);
    }
    for group in items(value, "GroupDetailList")? {
        let entity = entity(snapshot, group, ["GroupDetailList", "GroupId", "GroupPolicyList"])?;
        let name = name(group, "GroupDetailList", "GroupName")?;
        account(snapshot, &id).groups.insert(name.into(), entity);
    }
    for role in items(value, "RoleDetailList")? {
        take_role(snapshot, &id, role)?;
    }
    for policy in items(value, "Policies")? {
        take_policy(snapshot, &id, policy)?;
    }
    for profile in items(value, "InstanceProfiles")? {
        take_profile(snapshot, &id, profile)?;
    }
    account(snapshot, &id).is_whole |= value[PARTIAL] != true;
    Ok(())
}

/// Takes in an instance profile as `list-instance-profiles` answers it: one without a role, no role's item tells.
fn take_profile(snapshot: &mut Snapshot, id: &str, profile: &Value) -> Result<(), String> {
    let of = name(profile, "InstanceProfiles", "InstanceProfileName")?;
    let mut held = BTreeSet::new();
    for role in items(profile, "Roles")? {
        held.insert(name(role, "InstanceProfiles", "RoleName")?.into());
    }
    account(snapshot, id).profiles.entry(of.into()).or_default().extend(held);
    Ok(())
}

fn take_role(snapshot: &mut Snapshot, id: &str, role: &Value) -> Result<(), String> {
    let entity = entity(snapshot, role, ["RoleDetailList", "RoleId", "RolePolicyList"])?;
    let trust = snapshot.text(&role["AssumeRolePolicyDocument"], Kind::Trust);
    let last_used = time(&role["RoleLastUsed"]["LastUsedDate"]);
    let name = name(role, "RoleDetailList", "RoleName")?;
    let account = account(snapshot, id);
    account.roles.insert(name.into(), Role { entity, trust, last_used });
    for profile in items(role, "InstanceProfileList")? {
        let of = crate::iam::snapshot::name(profile, "InstanceProfileList", "InstanceProfileName")?;
        account.profiles.entry(of.into()).or_default().insert(name.into());
    }
    Ok(())
}

fn take_policy(snapshot: &mut Snapshot, id: &str, policy: &Value) -> Result<(), String> {
    let mut managed = Managed {
        versions: BTreeMap::new(),
        default: name(policy, "Policies", "DefaultVersionId")?.into(),
    };
    for version in items(policy, "PolicyVersionList")? {
        let text = snapshot.text(&version["Document"], Kind::Identity);
        managed.versions.insert(name(version, "PolicyVersionList", "VersionId")?.into(), text);
    }
    let arn = name(policy, "Policies", "Arn")?;
    account(snapshot, id).policies.insert(arn.into(), managed);
    Ok(())
}

fn account<'s>(snapshot: &'s mut Snapshot, id: &str) -> &'s mut crate::iam::state::Account {
    snapshot.state.accounts.entry(id.into()).or_default()
}

/// Returns the account's id: `Account` says it, or the first ARN that has one, or the name of the file.
fn account_of(value: &Value, stem: &str) -> Result<Box<str>, String> {
    if let Some(id) = value["Account"].as_str() {
        return Ok(id.into());
    }
    let is_id = |id: &&str| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
    for list in MEMBERS {
        let arns = items(value, list)?.iter().filter_map(|item| item["Arn"].as_str());
        let mut ids = arns.filter_map(|arn| arn.split(':').nth(4));
        if let Some(id) = ids.find(is_id) {
            return Ok(id.into());
        }
    }
    let first = stem.split(['.', '-', '_']).next().filter(is_id);
    first.map(Into::into).ok_or_else(|| "it does not say whose it is; add \"Account\"".to_owned())
}

fn entity(
    snapshot: &mut Snapshot,
    value: &Value,
    [list, id, inline]: [&str; 3],
) -> Result<Entity, String> {
    let mut entity = Entity {
        arn: name(value, list, "Arn")?.into(),
        unique_id: value[id].as_str().unwrap_or_default().into(),
        created: time(&value["CreateDate"]),
        boundary: value["PermissionsBoundary"]["PermissionsBoundaryArn"].as_str().map(Into::into),
        ..Entity::default()
    };
    for policy in items(value, inline)? {
        let text = snapshot.text(&policy["PolicyDocument"], Kind::Identity);
        entity.inline.insert(name(policy, inline, "PolicyName")?.into(), text);
    }
    for policy in items(value, "AttachedManagedPolicies")? {
        entity.attached.insert(name(policy, "AttachedManagedPolicies", "PolicyArn")?.into());
    }
    for tag in items(value, "Tags")? {
        let text = tag["Value"].as_str().unwrap_or_default();
        entity.tags.insert(name(tag, "Tags", "Key")?.into(), text.into());
    }
    Ok(entity)
}

/// Reads `AccessKeys`, as `list-access-keys` gives them, if somebody put them beside: the call itself does not tell them.
fn keys(user: &Value) -> Result<BTreeMap<Box<str>, AccessKey>, String> {
    let mut keys = BTreeMap::new();
    for key in items(user, "AccessKeys")? {
        let is_active = key["Status"].as_str() == Some("Active");
        let of = name(key, "AccessKeys", "AccessKeyId")?;
        keys.insert(of.into(), AccessKey { created: time(&key["CreateDate"]), is_active });
    }
    Ok(keys)
}

fn time(value: &Value) -> Option<Seconds> {
    Seconds::parse(value.as_str()?)
}
