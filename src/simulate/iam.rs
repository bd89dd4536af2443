//! IAM as the simulation knows it: what is there at the start, and the changes that follow.
//!
//! A change is written once and told twice: as the call that CloudTrail records, and as the state that
//! `get-account-authorization-details` shows afterwards.
//!
//! Invariant: `snapshot(start)` and all changes give `snapshot(end)`; nothing in IAM changes without a call.
//! Read on in `iam/state.rs`.

pub mod state;

use serde_json::Value;
use serde_json::json;

use crate::simulate::call::AccountIx;
use crate::simulate::call::Written;
use crate::simulate::organisation::Organisation;

/// A change of one account's IAM.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The account.
    pub account: AccountIx,
    /// What changes.
    pub edit: Edit,
}

/// What changes. Documents are policy documents as JSON; names are without path.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is the IAM call of that name with its parameters")]
pub enum Edit {
    CreateRole { role: String, path: String, trust: Value },
    DeleteRole { role: String },
    UpdateAssumeRolePolicy { role: String, trust: Value },
    PutRolePolicy { role: String, policy: String, document: Value },
    DeleteRolePolicy { role: String, policy: String },
    AttachRolePolicy { role: String, arn: String },
    DetachRolePolicy { role: String, arn: String },
    CreatePolicy { policy: String, document: Value },
    CreatePolicyVersion { policy: String, document: Value },
    DeletePolicyVersion { policy: String, version: String },
    CreateUser { user: String },
    DeleteUser { user: String },
    AttachUserPolicy { user: String, arn: String },
    DetachUserPolicy { user: String, arn: String },
    PutUserPolicy { user: String, policy: String, document: Value },
    CreateAccessKey { user: String, key: String },
    DeleteAccessKey { user: String, key: String },
    CreateLoginProfile { user: String },
    AddUserToGroup { user: String, group: String },
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

    /// Returns the call that makes the change, as CloudTrail records it when it succeeds.
    pub fn call(&self, org: &Organisation) -> Written {
        let id = &org.account(self.account).id;
        let arn_of = |kind: &str, name: &str| format!("arn:aws:iam::{id}:{kind}/{name}");
        match &self.edit {
            Edit::CreateRole { role, path, trust } => Written::write("iam", "CreateRole")
                .asking(json!({"roleName": role, "path": path, "assumeRolePolicyDocument": trust.to_string()}))
                .answering(json!({"role": {
                    "roleName": role, "path": path, "roleId": org.role_id(self.account, role),
                    "arn": format!("arn:aws:iam::{id}:role{path}{role}"),
                }})),
            Edit::DeleteRole { role } => plain("DeleteRole", json!({"roleName": role})),
            Edit::UpdateAssumeRolePolicy { role, trust } => {
                plain("UpdateAssumeRolePolicy", json!({"roleName": role, "policyDocument": trust.to_string()}))
            }
            Edit::PutRolePolicy { role, policy, document } => plain(
                "PutRolePolicy",
                json!({"roleName": role, "policyName": policy, "policyDocument": document.to_string()}),
            ),
            Edit::DeleteRolePolicy { role, policy } => {
                plain("DeleteRolePolicy", json!({"roleName": role, "policyName": policy}))
            }
            Edit::AttachRolePolicy { role, arn } => {
                plain("AttachRolePolicy", json!({"roleName": role, "policyArn": arn}))
            }
            Edit::DetachRolePolicy { role, arn } => {
                plain("DetachRolePolicy", json!({"roleName": role, "policyArn": arn}))
            }
            Edit::CreatePolicy { policy, document } => Written::write("iam", "CreatePolicy")
                .asking(json!({"policyName": policy, "policyDocument": document.to_string()}))
                .answering(json!({"policy": {
                    "policyName": policy, "arn": arn_of("policy", policy), "path": "/", "defaultVersionId": "v1",
                }})),
            Edit::CreatePolicyVersion { policy, document } => plain(
                "CreatePolicyVersion",
                json!({"policyArn": arn_of("policy", policy), "policyDocument": document.to_string(), "setAsDefault": true}),
            ),
            Edit::DeletePolicyVersion { policy, version } => plain(
                "DeletePolicyVersion",
                json!({"policyArn": arn_of("policy", policy), "versionId": version}),
            ),
            Edit::CreateUser { user } => Written::write("iam", "CreateUser")
                .asking(json!({"userName": user}))
                .answering(json!({"user": {"userName": user, "path": "/", "arn": arn_of("user", user)}})),
            Edit::DeleteUser { user } => plain("DeleteUser", json!({"userName": user})),
            Edit::AttachUserPolicy { user, arn } => {
                plain("AttachUserPolicy", json!({"userName": user, "policyArn": arn}))
            }
            Edit::DetachUserPolicy { user, arn } => {
                plain("DetachUserPolicy", json!({"userName": user, "policyArn": arn}))
            }
            Edit::PutUserPolicy { user, policy, document } => plain(
                "PutUserPolicy",
                json!({"userName": user, "policyName": policy, "policyDocument": document.to_string()}),
            ),
            Edit::CreateAccessKey { user, key } => Written::write("iam", "CreateAccessKey")
                .asking(json!({"userName": user}))
                .answering(json!({"accessKey": {"accessKeyId": key, "userName": user, "status": "Active"}})),
            Edit::DeleteAccessKey { user, key } => {
                plain("DeleteAccessKey", json!({"userName": user, "accessKeyId": key}))
            }
            Edit::CreateLoginProfile { user } => Written::write("iam", "CreateLoginProfile")
                .asking(json!({"userName": user, "passwordResetRequired": false}))
                .answering(json!({"loginProfile": {"userName": user, "passwordResetRequired": false}})),
            Edit::AddUserToGroup { user, group } => {
                plain("AddUserToGroup", json!({"userName": user, "groupName": group}))
            }
        }
    }
}

/// A call that answers nothing.
fn plain(name: &'static str, request: Value) -> Written {
    Written::write("iam", name).asking(request)
}
