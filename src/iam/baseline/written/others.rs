//! Writes what no account's file tells: the organisation, Identity Center, policies of resources.
//!
//! Invariant: each list is in the order of its ids.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::json;

use crate::iam::baseline::written::last;
use crate::iam::baseline::written::text;
use crate::iam::policy::Text;
use crate::iam::state::IdentityCenter;
use crate::iam::state::Organization;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::PermissionSet;

/// Writes the policies of an account's resources.
pub(super) fn resources(account: &str, resources: &BTreeMap<Box<str>, Text>) -> Value {
    let all = resources.iter();
    all.map(|(arn, policy)| json!({"Account": account, "Arn": &**arn, "Policy": text(policy)}))
        .collect()
}

/// Writes the organisation's tree and its policies with where they are attached.
pub(super) fn organization(organization: &Organization) -> Value {
    let Organization { management, parents, policies, attached } = organization;
    let parents: Vec<Value> = parents
        .iter()
        .map(|(child, parent)| json!({"Id": &**child, "ParentId": &**parent}))
        .collect();
    let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (target, ids) in attached {
        for id in ids {
            targets.entry(id).or_default().push(target);
        }
    }
    let policies: Vec<Value> = policies
        .iter()
        .map(|(id, policy)| control(id, policy, &targets.remove(&**id).unwrap_or_default()))
        .collect();
    let mut out = json!({"Parents": parents, "Policies": policies});
    if !management.is_empty() {
        out["MasterAccountId"] = (&**management).into();
    }
    // What is left is attached, and nobody told what it says.
    let pairs = targets.iter().flat_map(|(id, targets)| targets.iter().map(move |it| (it, id)));
    let others: Vec<Value> =
        pairs.map(|(target, id)| json!({"TargetId": target, "PolicyId": id})).collect();
    if !others.is_empty() {
        out["Attached"] = others.into();
    }
    json!({"Organization": out})
}

fn control(id: &str, policy: &OrganizationPolicy, targets: &[&str]) -> Value {
    let OrganizationPolicy { name, kind, text: says } = policy;
    let targets: Vec<Value> = targets.iter().map(|it| json!({"TargetId": it})).collect();
    json!({
        "PolicySummary": {"Id": id, "Name": &**name, "Type": &**kind},
        "Content": text(says), "Targets": targets,
    })
}

/// Writes Identity Center: permission sets, who has them where, and who is in which group.
pub(super) fn center(center: &IdentityCenter) -> Value {
    let IdentityCenter { sets, assignments, members } = center;
    let sets: Vec<Value> = sets.iter().map(|(arn, set)| of_set(arn, set)).collect();
    let assignments: Vec<Value> = assignments
        .iter()
        .map(|it| {
            json!({
                "AccountId": &*it.account, "PermissionSetArn": &*it.set,
                "PrincipalType": &*it.principal_type, "PrincipalId": &*it.principal_id,
            })
        })
        .collect();
    let members: Vec<Value> = members
        .iter()
        .flat_map(|(group, users)| users.iter().map(move |user| (group, user)))
        .map(|(group, user)| json!({"GroupId": &**group, "MemberId": {"UserId": &**user}}))
        .collect();
    json!({"IdentityCenter": {
        "PermissionSets": sets, "AccountAssignments": assignments, "GroupMemberships": members,
    }})
}

fn of_set(arn: &str, set: &PermissionSet) -> Value {
    let PermissionSet { name, inline, attached, referenced, boundary, changed, provisioned } = set;
    let attached: Vec<Value> =
        attached.iter().map(|arn| json!({"Name": last(arn), "Arn": &**arn})).collect();
    let referenced: Vec<Value> = referenced.iter().map(|name| reference(name)).collect();
    let mut out = json!({
        "PermissionSetArn": arn, "Name": &**name, "AttachedManagedPolicies": attached,
        "CustomerManagedPolicyReferences": referenced,
    });
    if let Some(inline) = inline {
        out["InlinePolicy"] = text(inline);
    }
    if let Some(boundary) = boundary {
        out["PermissionsBoundary"] = match boundary.starts_with("arn:") {
            true => json!({"ManagedPolicyArn": &**boundary}),
            false => json!({"CustomerManagedPolicyReference": reference(boundary)}),
        };
    }
    if let Some(changed) = changed {
        out["ChangedDate"] = changed.to_string().into();
    }
    let provisioned: Vec<Value> = provisioned
        .iter()
        .map(|(account, time)| json!({"AccountId": &**account, "Date": time.to_string()}))
        .collect();
    if !provisioned.is_empty() {
        out["Provisioned"] = provisioned.into();
    }
    out
}

/// Writes a policy that each account has of its own, from its name with the path before it.
fn reference(name: &str) -> Value {
    match name.rsplit_once('/') {
        Some((path, name)) => json!({"Name": name, "Path": format!("{path}/")}),
        None => json!({"Name": name, "Path": "/"}),
    }
}
