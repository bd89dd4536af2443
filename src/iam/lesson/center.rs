//! What the records of IAM Identity Center teach: permission sets and assignments. Read on in `directory.rs`.
//!
//! Invariant: an assignment is told by the call that asks for it; that it takes effect a moment later shows nowhere else.

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::directory;
use crate::iam::lesson::fields::Fields;
use crate::iam::policy::Kind;
use crate::iam::state::Assignment;
use crate::iam::state::PermissionSet;

type Edits = Vec<(Key, Edit)>;

/// Returns what a call of Identity Center or of its identity store changes.
pub(super) fn of(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    match event {
        "CreateAccountAssignment" | "DeleteAccountAssignment" => assigned(fields, event),
        "CreateGroupMembership"
        | "DeleteGroupMembership"
        | "AddMemberToGroup"
        | "RemoveMemberFromGroup"
        | "DeleteGroup"
        | "DeleteUser" => directory::of(fields, event),
        "CreatePermissionSet" => {
            let arn = fields.answered("permissionSet.permissionSetArn")?;
            let name = fields.asked("name").unwrap_or_default();
            let set = PermissionSet { name, ..PermissionSet::default() };
            Some(vec![(Key::Set { arn }, Edit::Made(Thing::Set(Box::new(set))))])
        }
        _ => {
            let key = Key::Set { arn: fields.asked("permissionSetArn")? };
            Some(vec![(key, of_set(fields, event)?)])
        }
    }
}

/// Shapes of the API's model, of most without a published sample.
fn of_set(fields: &Fields<'_, '_>, event: &str) -> Option<Edit> {
    let referenced = || {
        let name = fields.asked("customerManagedPolicyReference.name")?;
        let path = fields.asked("customerManagedPolicyReference.path");
        Some(with_path(path.as_deref(), &name))
    };
    Some(match event {
        "DeletePermissionSet" => Edit::Deleted,
        "UpdatePermissionSet" => Edit::Touched,
        // The second name of each is the console's.
        "PutInlinePolicyToPermissionSet" | "PutPermissionsPolicy" => {
            let is_of_console = event == "PutPermissionsPolicy";
            let field = if is_of_console { "permissionsPolicy" } else { "inlinePolicy" };
            Edit::SetInline { text: Some(fields.document(field, Kind::Identity)) }
        }
        "DeleteInlinePolicyFromPermissionSet" | "DeletePermissionsPolicy" => {
            Edit::SetInline { text: None }
        }
        "AttachManagedPolicyToPermissionSet" => {
            Edit::Attached { arn: fields.asked("managedPolicyArn")? }
        }
        "DetachManagedPolicyFromPermissionSet" => {
            Edit::Detached { arn: fields.asked("managedPolicyArn")? }
        }
        "AttachCustomerManagedPolicyReferenceToPermissionSet" => {
            Edit::Referenced { name: referenced()? }
        }
        "DetachCustomerManagedPolicyReferenceFromPermissionSet" => {
            Edit::Unreferenced { name: referenced()? }
        }
        "PutPermissionsBoundaryToPermissionSet" => {
            let boundary = |field: &str| fields.asked(&format!("permissionsBoundary.{field}"));
            let own = || {
                let name = boundary("customerManagedPolicyReference.name")?;
                let path = boundary("customerManagedPolicyReference.path");
                Some(with_path(path.as_deref(), &name))
            };
            Edit::Bounded { by: Some(boundary("managedPolicyArn").or_else(own)?) }
        }
        "DeletePermissionsBoundaryFromPermissionSet" => Edit::Bounded { by: None },
        "ProvisionPermissionSet" => Edit::Provisioned { account: fields.asked("targetId") },
        _ => return None,
    })
}

/// Returns a policy's name with its path, as `PermissionSet::referenced` has it: `/team/name`, or plain `name`.
pub(in crate::iam) fn with_path(path: Option<&str>, name: &str) -> Box<str> {
    match path.filter(|path| *path != "/") {
        Some(path) => format!("{path}{name}").into(),
        None => name.into(),
    }
}

fn assigned(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    let key = Key::Assigned(Assignment {
        account: fields.asked("targetId")?,
        set: fields.asked("permissionSetArn")?,
        principal_type: fields.asked("principalType")?,
        principal_id: fields.asked("principalId")?,
    });
    let edit = match event {
        "CreateAccountAssignment" => Edit::Made(Thing::Assigned),
        _ => Edit::Deleted,
    };
    Some(vec![(key, edit)])
}
