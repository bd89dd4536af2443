//! What the SDK read of IAM, in the form in which AWS's command line prints it.
//!
//! Invariant: members are called as in IAM's API; what was not answered is left out, and a document that is no JSON stays the
//! text it was.

use aws_sdk_iam::primitives::DateTime;
use aws_sdk_iam::types::AccessKeyMetadata;
use aws_sdk_iam::types::AttachedPermissionsBoundary;
use aws_sdk_iam::types::AttachedPolicy;
use aws_sdk_iam::types::GroupDetail;
use aws_sdk_iam::types::InstanceProfile;
use aws_sdk_iam::types::ManagedPolicyDetail;
use aws_sdk_iam::types::PolicyDetail;
use aws_sdk_iam::types::PolicyVersion;
use aws_sdk_iam::types::RoleDetail;
use aws_sdk_iam::types::Tag;
use aws_sdk_iam::types::UserDetail;
use percent_encoding::percent_decode_str;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

/// An object in the making; what is not there is not put in.
#[derive(Default)]
struct Form(Map<String, Value>);

impl Form {
    fn with(mut self, name: &str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    fn text(self, name: &str, text: Option<&str>) -> Self {
        self.with(name, text.map(|text| json!(text)))
    }

    fn time(self, name: &str, time: Option<&DateTime>) -> Self {
        self.with(name, time.and_then(shown))
    }

    fn list<T>(self, name: &str, items: &[T], form: fn(&T) -> Value) -> Self {
        self.with(name, Some(items.iter().map(form).collect()))
    }

    fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// Returns a user.
pub(super) fn user(user: &UserDetail) -> Value {
    Form::default()
        .text("Path", user.path())
        .text("UserName", user.user_name())
        .text("UserId", user.user_id())
        .text("Arn", user.arn())
        .time("CreateDate", user.create_date())
        .list("UserPolicyList", user.user_policy_list(), inline)
        .list("GroupList", user.group_list(), |group| json!(group))
        .list("AttachedManagedPolicies", user.attached_managed_policies(), attached)
        .with("PermissionsBoundary", user.permissions_boundary().map(boundary))
        .list("Tags", user.tags(), tag)
        .done()
}

/// Returns a group.
pub(super) fn group(group: &GroupDetail) -> Value {
    Form::default()
        .text("Path", group.path())
        .text("GroupName", group.group_name())
        .text("GroupId", group.group_id())
        .text("Arn", group.arn())
        .time("CreateDate", group.create_date())
        .list("GroupPolicyList", group.group_policy_list(), inline)
        .list("AttachedManagedPolicies", group.attached_managed_policies(), attached)
        .done()
}

/// Returns a role.
pub(super) fn role(role: &RoleDetail) -> Value {
    let used = role.role_last_used().map(|used| {
        Form::default()
            .time("LastUsedDate", used.last_used_date())
            .text("Region", used.region())
            .done()
    });
    Form::default()
        .text("Path", role.path())
        .text("RoleName", role.role_name())
        .text("RoleId", role.role_id())
        .text("Arn", role.arn())
        .time("CreateDate", role.create_date())
        .with("AssumeRolePolicyDocument", role.assume_role_policy_document().map(document))
        .list("InstanceProfileList", role.instance_profile_list(), profile)
        .list("RolePolicyList", role.role_policy_list(), inline)
        .list("AttachedManagedPolicies", role.attached_managed_policies(), attached)
        .with("PermissionsBoundary", role.permissions_boundary().map(boundary))
        .list("Tags", role.tags(), tag)
        .with("RoleLastUsed", used)
        .done()
}

/// Returns a managed policy with its versions.
pub(super) fn policy(policy: &ManagedPolicyDetail) -> Value {
    Form::default()
        .text("PolicyName", policy.policy_name())
        .text("PolicyId", policy.policy_id())
        .text("Arn", policy.arn())
        .text("Path", policy.path())
        .text("DefaultVersionId", policy.default_version_id())
        .with("AttachmentCount", policy.attachment_count().map(|count| json!(count)))
        .with(
            "PermissionsBoundaryUsageCount",
            policy.permissions_boundary_usage_count().map(|count| json!(count)),
        )
        .with("IsAttachable", Some(json!(policy.is_attachable())))
        .text("Description", policy.description())
        .time("CreateDate", policy.create_date())
        .time("UpdateDate", policy.update_date())
        .list("PolicyVersionList", policy.policy_version_list(), version)
        .done()
}

/// Returns an access key, without its secret, which nobody can read.
pub(super) fn key(key: &AccessKeyMetadata) -> Value {
    Form::default()
        .text("UserName", key.user_name())
        .text("AccessKeyId", key.access_key_id())
        .text("Status", key.status().map(|status| status.as_str()))
        .time("CreateDate", key.create_date())
        .done()
}

/// Returns a document as an object: IAM answers it percent-encoded (RFC 3986).
pub(super) fn document(text: &str) -> Value {
    // Whatever begins like an object was not encoded; a percent sign in it is its own.
    if text.trim_start().starts_with('{')
        && let Ok(value) = serde_json::from_str(text)
    {
        return value;
    }
    let decoded = percent_decode_str(text).decode_utf8();
    let value = decoded.ok().and_then(|decoded| serde_json::from_str(&decoded).ok());
    value.unwrap_or_else(|| json!(text))
}

fn version(version: &PolicyVersion) -> Value {
    Form::default()
        .with("Document", version.document().map(document))
        .text("VersionId", version.version_id())
        .with("IsDefaultVersion", Some(json!(version.is_default_version())))
        .time("CreateDate", version.create_date())
        .done()
}

fn inline(policy: &PolicyDetail) -> Value {
    Form::default()
        .text("PolicyName", policy.policy_name())
        .with("PolicyDocument", policy.policy_document().map(document))
        .done()
}

fn attached(policy: &AttachedPolicy) -> Value {
    Form::default()
        .text("PolicyName", policy.policy_name())
        .text("PolicyArn", policy.policy_arn())
        .done()
}

fn boundary(boundary: &AttachedPermissionsBoundary) -> Value {
    Form::default()
        .text(
            "PermissionsBoundaryType",
            boundary.permissions_boundary_type().map(|kind| kind.as_str()),
        )
        .text("PermissionsBoundaryArn", boundary.permissions_boundary_arn())
        .done()
}

fn tag(tag: &Tag) -> Value {
    json!({"Key": tag.key(), "Value": tag.value()})
}

fn profile(profile: &InstanceProfile) -> Value {
    let roles =
        profile.roles().iter().map(|role| json!({"RoleName": role.role_name(), "Arn": role.arn()}));
    Form::default()
        .text("Path", Some(profile.path()))
        .text("InstanceProfileName", Some(profile.instance_profile_name()))
        .text("InstanceProfileId", Some(profile.instance_profile_id()))
        .text("Arn", Some(profile.arn()))
        .time("CreateDate", Some(profile.create_date()))
        .with("Roles", Some(roles.collect()))
        .done()
}

/// Returns a time as the command line shows it: `2026-03-02T08:00:00+00:00`.
fn shown(time: &DateTime) -> Option<Value> {
    let time = jiff::Timestamp::from_second(time.secs()).ok()?;
    Some(json!(time.to_string().replace('Z', "+00:00")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_an_object_however_it_comes() {
        let wanted = json!({"Version": "2012-10-17", "Statement": [{"Sid": "50%25"}]});
        assert_eq!(document(&wanted.to_string()), wanted);
        let encoded = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Sid%22%3A%2250%2525%22%7D%5D%7D";
        assert_eq!(document(encoded), wanted);
        assert_eq!(document("no % document"), json!("no % document"));
    }

    #[test]
    fn a_time_is_shown_as_the_command_line_shows_it() {
        let time = DateTime::from_secs(1_772_438_400);
        assert_eq!(shown(&time), Some(json!("2026-03-02T08:00:00+00:00")));
    }
}
