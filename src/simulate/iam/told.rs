//! What CloudTrail records of a change.
//!
//! Invariant: a request holds what IAM was asked, documents as text; an answer holds documents percent-encoded and
//! moments in IAM's own spelling, as CloudTrail has them.

use percent_encoding::AsciiSet;
use percent_encoding::NON_ALPHANUMERIC;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Written;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census;
use crate::simulate::iam::own_policy;
use crate::simulate::organisation::Organisation;

impl Change {
    /// Returns the call that makes the change, as CloudTrail records it when it succeeds.
    ///
    /// Moments and the number of a policy's version are missing in it; `Scene::change` adds them.
    pub fn call(&self, org: &Organisation) -> Written {
        let (name, asked) = self.edit.asked(&org.account(self.account).id);
        let written = Written::write("iam", name).asking(asked);
        match self.edit.answered(org, self.account) {
            Some(answer) => written.answering(answer),
            None => written,
        }
    }

    /// Completes the call with what IAM knows once it has been made at `at`; `version` is the number of the policy's
    /// version, if it makes one.
    pub fn made(&self, mut written: Written, at: Seconds, version: u32) -> Written {
        if let Edit::CreatePolicyVersion { .. } = self.edit {
            written.response["policyVersion"]["versionId"] = json!(format!("v{version}"));
        }
        if let Some(made) = written.response.as_object_mut().and_then(|it| it.values_mut().next()) {
            made["createDate"] = json!(moment(at));
            if let Edit::CreatePolicy { .. } = self.edit {
                made["updateDate"] = json!(moment(at));
            }
        }
        written
    }
}

impl Edit {
    /// Returns `eventName` and `requestParameters`.
    fn asked(&self, account: &str) -> (&'static str, Value) {
        match self {
            Self::CreateInstanceProfile { profile } => {
                ("CreateInstanceProfile", json!({"instanceProfileName": profile}))
            }
            Self::DeleteInstanceProfile { profile } => {
                ("DeleteInstanceProfile", json!({"instanceProfileName": profile}))
            }
            Self::AddRoleToInstanceProfile { profile, role } => (
                "AddRoleToInstanceProfile",
                json!({"instanceProfileName": profile, "roleName": role}),
            ),
            Self::RemoveRoleFromInstanceProfile { profile, role } => (
                "RemoveRoleFromInstanceProfile",
                json!({"instanceProfileName": profile, "roleName": role}),
            ),
            Self::CreatePolicy { policy, document } => (
                "CreatePolicy",
                json!({"policyName": policy, "policyDocument": document.to_string()}),
            ),
            Self::DeletePolicy { policy } => {
                ("DeletePolicy", json!({"policyArn": own_policy(account, policy)}))
            }
            Self::CreatePolicyVersion { policy, document } => (
                "CreatePolicyVersion",
                json!({
                    "policyArn": own_policy(account, policy), "policyDocument": document.to_string(),
                    "setAsDefault": true,
                }),
            ),
            Self::SetDefaultPolicyVersion { policy, version } => (
                "SetDefaultPolicyVersion",
                json!({"policyArn": own_policy(account, policy), "versionId": version}),
            ),
            Self::DeletePolicyVersion { policy, version } => (
                "DeletePolicyVersion",
                json!({"policyArn": own_policy(account, policy), "versionId": version}),
            ),
            _ => self
                .asked_of_role()
                .or_else(|| self.asked_of_group())
                .unwrap_or_else(|| self.asked_of_user()),
        }
    }

    fn asked_of_role(&self) -> Option<(&'static str, Value)> {
        Some(match self {
            Self::CreateRole { role, path, trust } => (
                "CreateRole",
                json!({"roleName": role, "path": path, "assumeRolePolicyDocument": trust.to_string()}),
            ),
            Self::DeleteRole { role } => ("DeleteRole", json!({"roleName": role})),
            Self::UpdateAssumeRolePolicy { role, trust } => (
                "UpdateAssumeRolePolicy",
                json!({"roleName": role, "policyDocument": trust.to_string()}),
            ),
            Self::PutRolePolicy { role, policy, document } => (
                "PutRolePolicy",
                json!({"roleName": role, "policyName": policy, "policyDocument": document.to_string()}),
            ),
            Self::DeleteRolePolicy { role, policy } => {
                ("DeleteRolePolicy", json!({"roleName": role, "policyName": policy}))
            }
            Self::AttachRolePolicy { role, arn } => {
                ("AttachRolePolicy", json!({"roleName": role, "policyArn": arn}))
            }
            Self::DetachRolePolicy { role, arn } => {
                ("DetachRolePolicy", json!({"roleName": role, "policyArn": arn}))
            }
            Self::PutRolePermissionsBoundary { role, arn } => (
                "PutRolePermissionsBoundary",
                json!({"roleName": role, "permissionsBoundary": arn}),
            ),
            Self::DeleteRolePermissionsBoundary { role } => {
                ("DeleteRolePermissionsBoundary", json!({"roleName": role}))
            }
            _ => return None,
        })
    }

    fn asked_of_group(&self) -> Option<(&'static str, Value)> {
        Some(match self {
            Self::CreateGroup { group } => ("CreateGroup", json!({"groupName": group})),
            Self::DeleteGroup { group } => ("DeleteGroup", json!({"groupName": group})),
            Self::AddUserToGroup { user, group } => {
                ("AddUserToGroup", json!({"userName": user, "groupName": group}))
            }
            Self::RemoveUserFromGroup { user, group } => {
                ("RemoveUserFromGroup", json!({"userName": user, "groupName": group}))
            }
            Self::AttachGroupPolicy { group, arn } => {
                ("AttachGroupPolicy", json!({"groupName": group, "policyArn": arn}))
            }
            Self::DetachGroupPolicy { group, arn } => {
                ("DetachGroupPolicy", json!({"groupName": group, "policyArn": arn}))
            }
            Self::PutGroupPolicy { group, policy, document } => (
                "PutGroupPolicy",
                json!({"groupName": group, "policyName": policy, "policyDocument": document.to_string()}),
            ),
            Self::DeleteGroupPolicy { group, policy } => {
                ("DeleteGroupPolicy", json!({"groupName": group, "policyName": policy}))
            }
            _ => return None,
        })
    }

    fn asked_of_user(&self) -> (&'static str, Value) {
        match self {
            Self::CreateUser { user } => ("CreateUser", json!({"userName": user})),
            Self::DeleteUser { user } => ("DeleteUser", json!({"userName": user})),
            Self::AttachUserPolicy { user, arn } => {
                ("AttachUserPolicy", json!({"userName": user, "policyArn": arn}))
            }
            Self::DetachUserPolicy { user, arn } => {
                ("DetachUserPolicy", json!({"userName": user, "policyArn": arn}))
            }
            Self::PutUserPolicy { user, policy, document } => (
                "PutUserPolicy",
                json!({"userName": user, "policyName": policy, "policyDocument": document.to_string()}),
            ),
            Self::DeleteUserPolicy { user, policy } => {
                ("DeleteUserPolicy", json!({"userName": user, "policyName": policy}))
            }
            Self::PutUserPermissionsBoundary { user, arn } => (
                "PutUserPermissionsBoundary",
                json!({"userName": user, "permissionsBoundary": arn}),
            ),
            Self::DeleteUserPermissionsBoundary { user } => {
                ("DeleteUserPermissionsBoundary", json!({"userName": user}))
            }
            Self::CreateAccessKey { user, .. } => ("CreateAccessKey", json!({"userName": user})),
            Self::UpdateAccessKey { user, key, status } => {
                ("UpdateAccessKey", json!({"userName": user, "accessKeyId": key, "status": status}))
            }
            Self::DeleteAccessKey { user, key } => {
                ("DeleteAccessKey", json!({"userName": user, "accessKeyId": key}))
            }
            Self::CreateLoginProfile { user } => {
                ("CreateLoginProfile", json!({"userName": user, "passwordResetRequired": false}))
            }
            Self::UpdateLoginProfile { user } => ("UpdateLoginProfile", json!({"userName": user})),
            Self::DeleteLoginProfile { user } => ("DeleteLoginProfile", json!({"userName": user})),
            _ => unreachable!("the other edits are asked for above"),
        }
    }

    /// Returns `responseElements`; most calls answer nothing.
    fn answered(&self, org: &Organisation, account: AccountIx) -> Option<Value> {
        let id = &org.account(account).id;
        let arn = |kind: &str, name: &str| format!("arn:aws:iam::{id}:{kind}{name}");
        Some(match self {
            Self::CreateRole { role, path, trust } => json!({"role": {
                "roleName": role, "path": path, "roleId": org.role_id(account, role),
                "arn": arn("role", &format!("{path}{role}")),
                "assumeRolePolicyDocument": encoded(&trust.to_string()),
            }}),
            Self::CreateInstanceProfile { profile } => json!({"instanceProfile": {
                "instanceProfileName": profile, "path": "/", "roles": [],
                "instanceProfileId": census::profile_id(org, account, profile),
                "arn": arn("instance-profile/", profile),
            }}),
            Self::CreatePolicy { policy, .. } => json!({"policy": {
                "policyName": policy, "policyId": census::policy_id(org, account, policy),
                "arn": own_policy(id, policy), "path": "/", "defaultVersionId": "v1", "attachmentCount": 0,
                "permissionsBoundaryUsageCount": 0, "isAttachable": true,
            }}),
            Self::CreatePolicyVersion { .. } => {
                json!({"policyVersion": {"isDefaultVersion": true}})
            }
            Self::CreateUser { user } => json!({"user": {
                "userName": user, "userId": census::user_id(org, account, user), "path": "/",
                "arn": arn("user/", user),
            }}),
            Self::CreateGroup { group } => json!({"group": {
                "groupName": group, "groupId": census::group_id(org, account, group), "path": "/",
                "arn": arn("group/", group),
            }}),
            Self::CreateAccessKey { user, key } => {
                json!({"accessKey": {"accessKeyId": key, "userName": user, "status": "Active"}})
            }
            Self::CreateLoginProfile { user } => {
                json!({"loginProfile": {"userName": user, "passwordResetRequired": false}})
            }
            _ => return None,
        })
    }
}

/// Returns `at` as IAM's answers have it: `Mar 2, 2026, 8:05:00 AM`.
pub fn moment(at: Seconds) -> String {
    let moment = jiff::Timestamp::from_second(at.0).unwrap_or_default();
    jiff::tz::Offset::UTC.to_datetime(moment).strftime("%b %-d, %Y, %-I:%M:%S %p").to_string()
}

/// What IAM leaves as it is in documents: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes a document as IAM does in its answers.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_spelt_as_iam_spells_it() {
        for (at, spelt) in [
            ("2026-03-02T00:05:09Z", "Mar 2, 2026, 12:05:09 AM"),
            ("2026-12-31T12:00:00Z", "Dec 31, 2026, 12:00:00 PM"),
            ("2026-01-10T23:59:59Z", "Jan 10, 2026, 11:59:59 PM"),
        ] {
            assert_eq!(moment(Seconds::parse(at).unwrap()), spelt);
        }
    }

    #[test]
    fn a_document_in_an_answer_is_percent_encoded() {
        assert_eq!(encoded(r#"{"A": "b/*"}"#), "%7B%22A%22%3A%20%22b%2F%2A%22%7D");
    }
}
