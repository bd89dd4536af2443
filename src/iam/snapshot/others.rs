//! What no account's file tells: the organisation, Identity Center, policies of resources.
//!
//! The lists are the answers of the APIs' list and describe calls, put side by side.
//!
//! Invariant: what a file does not speak of stays as it was.

use serde_json::Value;

use crate::iam::history::thing::Key;
use crate::iam::lesson::with_path;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::snapshot::Member;
use crate::iam::snapshot::Snapshot;
use crate::iam::snapshot::items;
use crate::iam::snapshot::name;
use crate::iam::state::Assignment;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::PermissionSet;
use crate::model::Seconds;

/// The members of a file that are read here.
pub(super) const MEMBERS: [Member; 3] =
    [("Organization", organization), ("IdentityCenter", center), ("Resources", resources)];

/// `Organization` is `describe-organization`'s; `Parents` are pairs of child and parent; `Policies` are
/// `describe-policy`'s, each with `Targets` as `list-targets-for-policy` answers; `Attached` are pairs of target and policy, of
/// policies that nobody described.
fn organization(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    let value = &value["Organization"];
    let mut policies = Vec::new();
    for policy in items(value, "Policies")? {
        let summary = &policy["PolicySummary"];
        let id = name(summary, "Policies", "Id")?;
        let kind = name(summary, "Policies", "Type")?;
        let text = match kind {
            "SERVICE_CONTROL_POLICY" => snapshot.text(&policy["Content"], Kind::ServiceControl),
            "RESOURCE_CONTROL_POLICY" => snapshot.text(&policy["Content"], Kind::ResourceControl),
            // Of which sort it is, an event need not tell.
            "" => match snapshot.text(&policy["Content"], Kind::ServiceControl) {
                Text::Known(document) => Text::Known(document),
                unread => match snapshot.text(&policy["Content"], Kind::ResourceControl) {
                    Text::Known(document) => Text::Known(document),
                    Text::Unknown(_) => unread,
                },
            },
            _ => Text::Unknown("a policy of this kind authorises nothing".into()),
        };
        let shown = summary["Name"].as_str().unwrap_or_default();
        policies.push((id, OrganizationPolicy { name: shown.into(), kind: kind.into(), text }));
    }
    let known = snapshot.state.organization.get_or_insert_default();
    if let Some(id) = value["MasterAccountId"].as_str() {
        known.management = id.into();
    }
    for pair in items(value, "Parents")? {
        let (child, parent) = (name(pair, "Parents", "Id")?, name(pair, "Parents", "ParentId")?);
        known.parents.insert(child.into(), parent.into());
    }
    for (policy, (id, read)) in items(value, "Policies")?.iter().zip(policies) {
        known.policies.insert(id.into(), read);
        for target in items(policy, "Targets")? {
            let target = name(target, "Targets", "TargetId")?;
            known.attached.entry(target.into()).or_default().insert(id.into());
        }
    }
    for pair in items(value, "Attached")? {
        let (target, id) =
            (name(pair, "Attached", "TargetId")?, name(pair, "Attached", "PolicyId")?);
        known.attached.entry(target.into()).or_default().insert(id.into());
    }
    Ok(())
}

/// `PermissionSets` are `describe-permission-set`'s with what the other calls add; `AccountAssignments` are
/// `list-account-assignments`', `GroupMemberships` are `list-group-memberships`'.
fn center(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    let value = &value["IdentityCenter"];
    for set in items(value, "PermissionSets")? {
        let arn = name(set, "PermissionSets", "PermissionSetArn")?;
        let read = permission_set(snapshot, set)?;
        snapshot.state.identity_center.sets.insert(arn.into(), read);
    }
    let known = &mut snapshot.state.identity_center;
    for given in items(value, "AccountAssignments")? {
        let text = |member: &str| name(given, "AccountAssignments", member).map(Box::<str>::from);
        known.assignments.insert(Assignment {
            account: text("AccountId")?,
            set: text("PermissionSetArn")?,
            principal_type: text("PrincipalType")?,
            principal_id: text("PrincipalId")?,
        });
    }
    for member in items(value, "GroupMemberships")? {
        let group = name(member, "GroupMemberships", "GroupId")?;
        let user = name(&member["MemberId"], "GroupMemberships", "UserId")?;
        known.members.entry(group.into()).or_default().insert(user.into());
        if let Some(id) = member["MembershipId"].as_str() {
            snapshot.memberships.insert(id.into(), (group.into(), user.into()));
        }
    }
    Ok(())
}

fn permission_set(snapshot: &mut Snapshot, set: &Value) -> Result<PermissionSet, String> {
    let mut read = PermissionSet {
        name: set["Name"].as_str().unwrap_or_default().into(),
        changed: set["ChangedDate"].as_str().and_then(Seconds::parse),
        ..PermissionSet::default()
    };
    let inline = &set["InlinePolicy"];
    // The API answers an empty text where there is none.
    if !inline.is_null() && inline.as_str() != Some("") {
        read.inline = Some(snapshot.text(inline, Kind::Identity));
    }
    for policy in items(set, "AttachedManagedPolicies")? {
        read.attached.insert(name(policy, "AttachedManagedPolicies", "Arn")?.into());
    }
    for policy in items(set, "CustomerManagedPolicyReferences")? {
        let own = name(policy, "CustomerManagedPolicyReferences", "Name")?;
        read.referenced.insert(with_path(policy["Path"].as_str(), own));
    }
    let boundary = &set["PermissionsBoundary"];
    let own = &boundary["CustomerManagedPolicyReference"];
    let of_own = || own["Name"].as_str().map(|name| with_path(own["Path"].as_str(), name));
    read.boundary = boundary["ManagedPolicyArn"].as_str().map(Into::into).or_else(of_own);
    for account in items(set, "Provisioned")? {
        let time = account["Date"].as_str().and_then(Seconds::parse);
        let id = name(account, "Provisioned", "AccountId")?;
        read.provisioned.insert(id.into(), time.unwrap_or_default());
    }
    Ok(read)
}

/// `Resources` is a list of `{"Account", "Arn", "Policy"}`; the policy as text or as an object.
fn resources(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    for resource in items(value, "Resources")? {
        let arn = name(resource, "Resources", "Arn")?;
        let account = match resource["Account"].as_str() {
            Some(id) => id,
            None => arn.split(':').nth(4).filter(|id| !id.is_empty()).ok_or_else(|| {
                format!("Resources: the ARN {arn} has no account; add \"Account\"")
            })?,
        };
        let key = Key::Resource { account: account.into(), arn: arn.into() };
        snapshot.taken_of(&key, value)?;
        let text = snapshot.text(&resource["Policy"], Kind::Resource);
        let account = snapshot.state.accounts.entry(account.into()).or_default();
        account.resources.insert(arn.into(), text);
    }
    Ok(())
}
