//! A state as files, in the forms that a snapshot is read from.
//!
//! One file for each account, as `aws iam get-account-authorization-details` prints it, and one for policies of resources
//! (docs/policy-history.md). Everything is sorted, so that a change of one policy is a change of a few lines.
//!
//! Invariant: what is written reads back as the same state, but for what is not known: texts that nobody knows are left out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::iam::policy::Text;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::State;

/// Returns the files of `state`: name and contents.
pub fn files(state: &State) -> BTreeMap<String, Value> {
    let mut files = BTreeMap::new();
    for (id, account) in &state.accounts {
        files.insert(format!("{id}.json"), of_account(account));
    }
    files
}

fn of_account(account: &Account) -> Value {
    let users: Vec<Value> = account
        .users
        .iter()
        .map(|(name, user)| {
            let mut out = of_entity(account, &user.entity, ("User", name));
            out["GroupList"] = user.groups.iter().map(|it| it.to_string()).collect();
            out
        })
        .collect();
    let groups: Vec<Value> = account
        .groups
        .iter()
        .map(|(name, group)| of_entity(account, group, ("Group", name)))
        .collect();
    let roles: Vec<Value> = account
        .roles
        .iter()
        .map(|(name, role)| {
            let mut out = of_entity(account, &role.entity, ("Role", name));
            if let Text::Known(trust) = &role.trust {
                out["AssumeRolePolicyDocument"] = trust.to_value();
            }
            let holds = |roles: &BTreeSet<Box<str>>| roles.contains(name);
            let profiles = account.profiles.iter().filter(|(_, roles)| holds(roles));
            out["InstanceProfileList"] = profiles
                .map(|(profile, _)| {
                    json!({
                        "InstanceProfileName": profile.to_string(),
                        "Roles": [{"RoleName": name.to_string()}],
                    })
                })
                .collect();
            out
        })
        .collect();
    let policies: Vec<Value> =
        account.policies.iter().map(|(arn, policy)| of_policy(arn, policy)).collect();
    json!({
        "UserDetailList": users, "GroupDetailList": groups, "RoleDetailList": roles, "Policies": policies,
    })
}

fn of_entity(account: &Account, entity: &Entity, (sort, name): (&str, &str)) -> Value {
    let mut inline = Vec::new();
    for (policy, text) in &entity.inline {
        if let Text::Known(document) = text {
            let document = document.to_value();
            inline.push(json!({"PolicyName": policy.to_string(), "PolicyDocument": document}));
        }
    }
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
    debug_assert!(!account.is_whole || !entity.arn.is_empty(), "a snapshot gives every ARN");
    out
}

fn of_policy(arn: &str, policy: &Managed) -> Value {
    let mut versions = Vec::new();
    for (id, text) in &policy.versions {
        if let Text::Known(document) = text {
            versions.push(json!({
                "VersionId": id.to_string(), "IsDefaultVersion": *id == policy.default,
                "Document": document.to_value(),
            }));
        }
    }
    json!({
        "PolicyName": last(arn), "Arn": arn, "DefaultVersionId": policy.default.to_string(),
        "PolicyVersionList": versions,
    })
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
