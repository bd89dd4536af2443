//! A state as files, in the forms that a snapshot is read from.
//!
//! One file for each account, as `aws iam get-account-authorization-details` prints it, with the policies of its resources and
//! what stands beside policies (`written/beside.rs`); one for the organisation and one for Identity Center (`written/others.rs`, docs/policy-history.md). Everything is sorted,
//! so that a change of one policy is a change of a few lines.
//!
//! Invariant: what is written reads back as the same state, what is not known included; but for when a role was last used,
//! which nobody agrees on and which is another at every look.

mod beside;
mod others;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::iam::policy::Text;
use crate::iam::snapshot::UNKNOWN;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Role;
use crate::iam::state::State;
use crate::iam::state::User;

/// The file of the organisation.
const ORGANIZATION: &str = "organization.json";

/// The file of Identity Center.
const IDENTITY_CENTER: &str = "identity-center.json";

/// Returns the files of `state`: name and contents.
pub fn files(state: &State) -> BTreeMap<String, Value> {
    let mut files = BTreeMap::new();
    for (id, account) in &state.accounts {
        files.insert(format!("{id}.json"), of_account(id, account));
    }
    if let Some(organization) = &state.organization {
        files.insert(ORGANIZATION.to_owned(), others::organization(organization));
    }
    let center = &state.identity_center;
    if !(center.sets.is_empty() && center.assignments.is_empty() && center.members.is_empty()) {
        files.insert(IDENTITY_CENTER.to_owned(), others::center(center));
    }
    files
}

fn of_account(id: &str, account: &Account) -> Value {
    let mut out = json!({"Account": id});
    let has_resources = !account.resources.is_empty();
    if has_resources {
        out["Resources"] = others::resources(id, &account.resources);
    }
    let beside = beside::lists(id, account);
    let is_all_there = has_resources || !beside.is_empty();
    for (name, list) in beside {
        out[name] = list;
    }
    let Account { is_whole, users, groups, roles, policies, profiles, .. } = account;
    let are_there = [users.len(), groups.len(), roles.len(), policies.len(), profiles.len()];
    let has_iam = are_there.iter().any(|count| *count > 0);
    if !has_iam && !is_whole && is_all_there {
        return out;
    }
    if !is_whole {
        out["Partial"] = true.into();
    }
    out["UserDetailList"] = users.iter().map(|(name, user)| of_user(name, user)).collect();
    out["GroupDetailList"] =
        groups.iter().map(|(name, group)| of_entity(group, ("Group", name))).collect();
    out["RoleDetailList"] =
        roles.iter().map(|(name, role)| of_role(name, role, profiles)).collect();
    out["Policies"] = policies.iter().map(|(arn, policy)| of_policy(arn, policy)).collect();
    let is_told = |held: &BTreeSet<Box<str>>| {
        !held.is_empty() && held.iter().all(|role| roles.contains_key(role))
    };
    let others: Vec<Value> = profiles
        .iter()
        .filter(|(_, held)| !is_told(held))
        .map(|(profile, held)| of_profile(profile, held.iter().map(|role| &**role)))
        .collect();
    if !others.is_empty() {
        out["InstanceProfiles"] = others.into();
    }
    out
}

/// Writes a text; of one that is not known, why.
fn text(text: &Text) -> Value {
    match text {
        Text::Known(document) => document.to_value(),
        Text::Unknown(why) => json!({UNKNOWN: &**why}),
    }
}

fn of_user(name: &str, user: &User) -> Value {
    let mut out = of_entity(&user.entity, ("User", name));
    out["GroupList"] = user.groups.iter().map(|it| it.to_string()).collect();
    let keys: Vec<Value> = user
        .keys
        .iter()
        .map(|(id, key)| {
            let status = if key.is_active { "Active" } else { "Inactive" };
            let mut out = json!({"AccessKeyId": &**id, "Status": status});
            if let Some(created) = key.created {
                out["CreateDate"] = created.to_string().into();
            }
            out
        })
        .collect();
    if !keys.is_empty() {
        out["AccessKeys"] = keys.into();
    }
    for (member, has) in [("HasPassword", user.has_password), ("HasMfa", user.has_mfa)] {
        if let Some(has) = has {
            out[member] = has.into();
        }
    }
    out
}

fn of_role(name: &str, role: &Role, profiles: &BTreeMap<Box<str>, BTreeSet<Box<str>>>) -> Value {
    let mut out = of_entity(&role.entity, ("Role", name));
    out["AssumeRolePolicyDocument"] = text(&role.trust);
    let its = profiles.iter().filter(|(_, roles)| roles.contains(name));
    out["InstanceProfileList"] =
        its.map(|(profile, _)| of_profile(profile, [name].into_iter())).collect();
    out
}

fn of_profile<'n>(profile: &str, roles: impl Iterator<Item = &'n str>) -> Value {
    let roles: Vec<Value> = roles.map(|role| json!({"RoleName": role})).collect();
    json!({"InstanceProfileName": profile, "Roles": roles})
}

fn of_entity(entity: &Entity, (sort, name): (&str, &str)) -> Value {
    let inline: Vec<Value> = entity
        .inline
        .iter()
        .map(|(policy, it)| json!({"PolicyName": &**policy, "PolicyDocument": text(it)}))
        .collect();
    let attached: Vec<Value> = entity
        .attached
        .iter()
        .map(|arn| json!({"PolicyName": last(arn), "PolicyArn": arn.to_string()}))
        .collect();
    let path = entity.arn.splitn(6, ':').nth(5).and_then(|rest| {
        let rest = rest.split_once('/')?.1;
        Some(format!("/{}", rest.strip_suffix(name)?))
    });
    let mut out = json!({
        "Path": path.unwrap_or_else(|| "/".to_owned()),
        format!("{sort}Name"): name,
        format!("{sort}Id"): entity.unique_id.to_string(),
        "Arn": entity.arn.to_string(),
        "AttachedManagedPolicies": attached,
        format!("{sort}PolicyList"): inline,
    });
    if let Some(created) = entity.created {
        out["CreateDate"] = created.to_string().into();
    }
    if let Some(arn) = &entity.boundary {
        out["PermissionsBoundary"] = json!({
            "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn.to_string(),
        });
    }
    if !entity.tags.is_empty() {
        let mut tags = Vec::new();
        for (key, value) in &entity.tags {
            tags.push(json!({"Key": key.to_string(), "Value": value.to_string()}));
        }
        out["Tags"] = tags.into();
    }
    out
}

fn of_policy(arn: &str, policy: &Managed) -> Value {
    let versions: Vec<Value> = policy
        .versions
        .iter()
        .map(|(id, it)| {
            json!({
                "VersionId": &**id, "IsDefaultVersion": *id == policy.default, "Document": text(it),
            })
        })
        .collect();
    json!({
        "PolicyName": last(arn), "Arn": arn, "DefaultVersionId": policy.default.to_string(),
        "PolicyVersionList": versions,
    })
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
