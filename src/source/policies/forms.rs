//! What IAM answered, in the form in which AWS's command line prints it.
//!
//! Sources: the data types of the IAM API Reference.
//!
//! Invariant: members are called as in IAM's API; what was not answered is left out, and what is not as it should be (a document
//! that is no JSON, a time that is none) stays the text it was.

use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_json::json;

/// The members of something.
pub(super) type Members = &'static [(&'static str, Form)];

/// What a member is; an answer has texts, objects and lists only.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Text,
    Time,
    Count,
    Flag,
    Document,
    Texts,
    One(Members),
    Many(Members),
}

use Form::Count;
use Form::Document;
use Form::Flag;
use Form::Many;
use Form::One;
use Form::Text;
use Form::Texts;
use Form::Time;

/// `UserDetail`.
pub(super) const USER: Members = &[
    ("Path", Text),
    ("UserName", Text),
    ("UserId", Text),
    ("Arn", Text),
    ("CreateDate", Time),
    ("UserPolicyList", Many(INLINE)),
    ("GroupList", Texts),
    ("AttachedManagedPolicies", Many(ATTACHED)),
    ("PermissionsBoundary", One(BOUNDARY)),
    ("Tags", Many(TAG)),
];

/// `GroupDetail`.
pub(super) const GROUP: Members = &[
    ("Path", Text),
    ("GroupName", Text),
    ("GroupId", Text),
    ("Arn", Text),
    ("CreateDate", Time),
    ("GroupPolicyList", Many(INLINE)),
    ("AttachedManagedPolicies", Many(ATTACHED)),
];

/// `RoleDetail`.
pub(super) const ROLE: Members = &[
    ("Path", Text),
    ("RoleName", Text),
    ("RoleId", Text),
    ("Arn", Text),
    ("CreateDate", Time),
    ("AssumeRolePolicyDocument", Document),
    ("InstanceProfileList", Many(PROFILE)),
    ("RolePolicyList", Many(INLINE)),
    ("AttachedManagedPolicies", Many(ATTACHED)),
    ("PermissionsBoundary", One(BOUNDARY)),
    ("Tags", Many(TAG)),
    ("RoleLastUsed", One(&[("LastUsedDate", Time), ("Region", Text)])),
];

/// `ManagedPolicyDetail`.
pub(super) const POLICY: Members = &[
    ("PolicyName", Text),
    ("PolicyId", Text),
    ("Arn", Text),
    ("Path", Text),
    ("DefaultVersionId", Text),
    ("AttachmentCount", Count),
    ("PermissionsBoundaryUsageCount", Count),
    ("IsAttachable", Flag),
    ("Description", Text),
    ("CreateDate", Time),
    ("UpdateDate", Time),
    ("PolicyVersionList", Many(VERSION)),
];

/// `AccessKeyMetadata`: nobody can read the secret.
pub(super) const KEY: Members =
    &[("UserName", Text), ("AccessKeyId", Text), ("Status", Text), ("CreateDate", Time)];

const VERSION: Members = &[
    ("Document", Document),
    ("VersionId", Text),
    ("IsDefaultVersion", Flag),
    ("CreateDate", Time),
];

const INLINE: Members = &[("PolicyName", Text), ("PolicyDocument", Document)];

const ATTACHED: Members = &[("PolicyName", Text), ("PolicyArn", Text)];

const BOUNDARY: Members = &[("PermissionsBoundaryType", Text), ("PermissionsBoundaryArn", Text)];

const TAG: Members = &[("Key", Text), ("Value", Text)];

const PROFILE: Members = &[
    ("Path", Text),
    ("InstanceProfileName", Text),
    ("InstanceProfileId", Text),
    ("Arn", Text),
    ("CreateDate", Time),
    ("Roles", Many(&[("RoleName", Text), ("Arn", Text)])),
];

/// Returns the items of a list.
pub(super) fn all(list: &Value, members: Members) -> impl Iterator<Item = Value> {
    list.as_array().into_iter().flatten().map(move |item| object(item, members))
}

fn object(answered: &Value, members: Members) -> Value {
    let formed = members.iter().filter_map(|(name, form)| {
        let value = formed(answered.get(name), *form)?;
        Some(((*name).to_owned(), value))
    });
    Value::Object(formed.collect())
}

/// Returns a member as it is shown; a list that was not answered is empty.
fn formed(answered: Option<&Value>, form: Form) -> Option<Value> {
    let list = || answered.unwrap_or(&Value::Null);
    match form {
        Texts => return Some(list().as_array().cloned().unwrap_or_default().into()),
        Many(members) => return Some(all(list(), members).collect()),
        One(members) => return answered.map(|answered| object(answered, members)),
        Text | Time | Count | Flag | Document => {}
    }
    let text = answered?.as_str()?;
    let shown = match form {
        Time => time(text),
        Count => text.parse::<u64>().ok().map(Value::from),
        Flag => text.parse::<bool>().ok().map(Value::from),
        Document => Some(document(text)),
        _ => None,
    };
    Some(shown.unwrap_or_else(|| json!(text)))
}

/// Returns a document as an object: IAM answers it percent-encoded (RFC 3986).
fn document(text: &str) -> Value {
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

/// Returns a time as the command line shows it: `2026-03-02T08:00:00+00:00`.
fn time(text: &str) -> Option<Value> {
    let time: jiff::Timestamp = text.parse().ok()?;
    let time = jiff::Timestamp::from_second(time.as_second()).ok()?;
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
        let wanted = Some(json!("2026-03-02T08:00:00+00:00"));
        assert_eq!(formed(Some(&json!("2026-03-02T08:00:00Z")), Time), wanted);
        assert_eq!(formed(Some(&json!("2026-03-02T08:00:00.250Z")), Time), wanted);
        assert_eq!(formed(Some(&json!("yesterday")), Time), Some(json!("yesterday")));
    }

    #[test]
    fn what_is_not_answered_is_left_out_and_a_list_is_a_list() {
        let answered = json!({
            "Arn": "arn:aws:iam::111122223333:policy/p", "AttachmentCount": "2", "IsAttachable": "true",
            "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": "false", "Other": "x"}],
        });
        let shown = json!({
            "Arn": "arn:aws:iam::111122223333:policy/p", "AttachmentCount": 2, "IsAttachable": true,
            "PolicyVersionList": [{"VersionId": "v1", "IsDefaultVersion": false}],
        });
        assert_eq!(object(&answered, POLICY), shown);
        let nobody = object(&json!({"UserName": "u", "GroupList": ""}), USER);
        assert_eq!((&nobody["GroupList"], &nobody["Tags"]), (&json!([]), &json!([])));
        assert_eq!(nobody.get("PermissionsBoundary"), None);
    }
}
