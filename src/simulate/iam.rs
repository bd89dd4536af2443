//! IAM as the simulation knows it: what is there at the start, and the changes that follow.
//!
//! A change is written once and told twice: as the call that CloudTrail records, and as the state that
//! `get-account-authorization-details` shows afterwards.
//!
//! Invariant: `snapshot(start)` and all changes give `snapshot(end)`; nothing in IAM changes without a call.
//! Read on in `iam/census.rs` (who is there at the start), `iam/told.rs` (the calls), `iam/state.rs` (the state).

pub mod census;
pub mod documents;
pub mod edits;
mod managed;
mod start;
pub mod state;
#[cfg(test)]
mod tests;
pub mod told;

use serde_json::Value;

use crate::simulate::call::AccountIx;

/// A change of one account's IAM.
///
/// Whoever acts hands it to [`Scene::change`](crate::simulate::diary::Scene::change), which enters the call and notes
/// the change. A call that is refused changes nothing: enter `change.call(org).failing(…)` with `Scene::call` instead.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The account.
    pub account: AccountIx,
    /// What changes.
    pub edit: Edit,
}

/// What changes.
///
/// Names are without path and name what is there: see `census.rs` for what every account begins with. Documents are policy
/// documents as JSON. `policy` beside a document is the name of an inline policy; in the edits of managed policies it is
/// the name of one of the account's own; `arn` is the ARN of a managed policy, of AWS's ([`policy_of_aws`]) or the
/// account's ([`own_policy`]). Versions are `v1`, `v2` and so on: IAM counts them by itself and never again uses
/// one, so [`Edit::CreatePolicyVersion`] does not name its own; it becomes the default. Whoever creates a sixth version
/// must delete one before, as IAM allows five. Only pipelines write versions of the services'
/// policies ([`census::policy_of`]); whoever else does takes another policy, so that two do not count for themselves.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is the IAM call of that name with its parameters")]
pub enum Edit {
    CreateRole {
        role: String,
        path: String,
        trust: Value,
    },
    DeleteRole {
        role: String,
    },
    UpdateAssumeRolePolicy {
        role: String,
        trust: Value,
    },
    PutRolePolicy {
        role: String,
        policy: String,
        document: Value,
    },
    DeleteRolePolicy {
        role: String,
        policy: String,
    },
    AttachRolePolicy {
        role: String,
        arn: String,
    },
    DetachRolePolicy {
        role: String,
        arn: String,
    },
    PutRolePermissionsBoundary {
        role: String,
        arn: String,
    },
    DeleteRolePermissionsBoundary {
        role: String,
    },
    CreateInstanceProfile {
        profile: String,
    },
    DeleteInstanceProfile {
        profile: String,
    },
    AddRoleToInstanceProfile {
        profile: String,
        role: String,
    },
    RemoveRoleFromInstanceProfile {
        profile: String,
        role: String,
    },
    CreatePolicy {
        policy: String,
        document: Value,
    },
    DeletePolicy {
        policy: String,
    },
    CreatePolicyVersion {
        policy: String,
        document: Value,
    },
    SetDefaultPolicyVersion {
        policy: String,
        version: String,
    },
    DeletePolicyVersion {
        policy: String,
        version: String,
    },
    CreateUser {
        user: String,
    },
    DeleteUser {
        user: String,
    },
    AttachUserPolicy {
        user: String,
        arn: String,
    },
    DetachUserPolicy {
        user: String,
        arn: String,
    },
    PutUserPolicy {
        user: String,
        policy: String,
        document: Value,
    },
    DeleteUserPolicy {
        user: String,
        policy: String,
    },
    PutUserPermissionsBoundary {
        user: String,
        arn: String,
    },
    DeleteUserPermissionsBoundary {
        user: String,
    },
    /// Keys are in no snapshot.
    CreateAccessKey {
        user: String,
        key: String,
    },
    /// `status` is `Active` or `Inactive`.
    UpdateAccessKey {
        user: String,
        key: String,
        status: &'static str,
    },
    DeleteAccessKey {
        user: String,
        key: String,
    },
    /// Passwords are in no snapshot.
    CreateLoginProfile {
        user: String,
    },
    UpdateLoginProfile {
        user: String,
    },
    DeleteLoginProfile {
        user: String,
    },
    CreateGroup {
        group: String,
    },
    DeleteGroup {
        group: String,
    },
    AddUserToGroup {
        user: String,
        group: String,
    },
    RemoveUserFromGroup {
        user: String,
        group: String,
    },
    AttachGroupPolicy {
        group: String,
        arn: String,
    },
    DetachGroupPolicy {
        group: String,
        arn: String,
    },
    PutGroupPolicy {
        group: String,
        policy: String,
        document: Value,
    },
    DeleteGroupPolicy {
        group: String,
        policy: String,
    },
}

impl Change {
    /// Returns a change of `account`.
    pub fn of(account: AccountIx, edit: Edit) -> Self {
        Self { account, edit }
    }

    /// Returns the account whose IAM changes.
    pub fn account(&self) -> AccountIx {
        self.account
    }
}

/// Returns the ARN of a policy that AWS manages: `ReadOnlyAccess`, `job-function/Billing`.
pub fn policy_of_aws(name: &str) -> String {
    format!("arn:aws:iam::aws:policy/{name}")
}

/// Returns the ARN of a managed policy that belongs to the account with the id `account`.
pub fn own_policy(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:policy/{name}")
}
