//! Which records teach something about access, and of what kind it is.
//!
//! Invariant: asked of every record, so that it compares bytes and no more. A refused or failed call teaches nothing.

use crate::model::Slot;
use crate::model::TrailRecord;

/// What sort of lesson a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A policy was written, removed, attached or detached.
    Policy,
    /// A session was issued that may name a grant.
    Session,
    /// Somebody was put into a group or taken out of it.
    Member,
    /// A vendor was given access for a time.
    Delegation,
    /// A permission set was named.
    Set,
}

/// Returns what `record` is about, if it teaches anything. Called for every record: compares bytes, no more.
pub fn subject(record: &TrailRecord<'_>) -> Option<Subject> {
    let source = record.slot_raw(Slot::EventSource)?;
    let named = || record.slot_raw(Slot::EventName)?.strip_prefix('"')?.strip_suffix('"');
    let subject = match source {
        "\"sts.amazonaws.com\"" => match named()? {
            "AssumeRole" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity" => {
                // Services take roles all day; they name nothing.
                let is_service = record.slot_raw(Slot::UserType) == Some("\"AWSService\"");
                (!is_service).then_some(Subject::Session)?
            }
            _ => return None,
        },
        "\"iam.amazonaws.com\"" => of_iam(named()?)?,
        "\"sso.amazonaws.com\"" => match named()? {
            "PutInlinePolicyToPermissionSet" | "DeleteInlinePolicyFromPermissionSet" => {
                Subject::Policy
            }
            "CreatePermissionSet" => Subject::Set,
            _ => return None,
        },
        "\"identitystore.amazonaws.com\"" | "\"sso-directory.amazonaws.com\"" => match named()? {
            "CreateGroupMembership"
            | "DeleteGroupMembership"
            | "AddMemberToGroup"
            | "RemoveMemberFromGroup" => Subject::Member,
            _ => return None,
        },
        "\"identitystore-scim.amazonaws.com\"" => match named()? {
            "PatchGroup" | "PutGroup" | "DeleteGroup" => Subject::Member,
            _ => return None,
        },
        _ => return None,
    };
    record.slot_or_empty(Slot::ErrorCode).is_empty().then_some(subject)
}

fn of_iam(name: &str) -> Option<Subject> {
    Some(match name {
        "PutRolePolicy"
        | "PutUserPolicy"
        | "PutGroupPolicy"
        | "DeleteRolePolicy"
        | "DeleteUserPolicy"
        | "DeleteGroupPolicy"
        | "UpdateAssumeRolePolicy"
        | "CreateRole"
        | "DeleteRole"
        | "CreatePolicy"
        | "CreatePolicyVersion"
        | "SetDefaultPolicyVersion"
        | "DeletePolicy"
        | "AttachRolePolicy"
        | "AttachUserPolicy"
        | "AttachGroupPolicy"
        | "DetachRolePolicy"
        | "DetachUserPolicy"
        | "DetachGroupPolicy" => Subject::Policy,
        "AddUserToGroup" | "RemoveUserFromGroup" => Subject::Member,
        "CreateDelegationRequest"
        | "AcceptDelegationRequest"
        | "SendDelegationToken"
        | "RejectDelegationRequest" => Subject::Delegation,
        _ => return None,
    })
}
