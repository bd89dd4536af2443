//! Users, roles and policies of the AWS-compatible server, for the story that checks permissions.

use serde_json::Value;
use serde_json::json;

use crate::outside::aws::ACCOUNT;
use crate::outside::aws::Aws;
use crate::outside::aws::between;

const VERSION: &str = "2010-05-08";

/// A user's access key.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `AKIA…`.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// Returns the ARN of a user or role of ours, called `name`.
pub fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}")
}

/// Makes a user who may assume `role` and nothing else, and returns keys of theirs.
pub fn user(aws: Aws, name: &str, role: &str) -> Keys {
    let call = |parameters: &[(&str, &str)]| aws.query("iam", VERSION, parameters);
    call(&[("Action", "CreateUser"), ("UserName", name)]);
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arn("role", role) }],
    });
    call(&[
        ("Action", "PutUserPolicy"),
        ("UserName", name),
        ("PolicyName", "only"),
        ("PolicyDocument", &policy.to_string()),
    ]);
    let made = call(&[("Action", "CreateAccessKey"), ("UserName", name)]);
    Keys {
        id: between(&made, "<AccessKeyId>", "</AccessKeyId>").to_owned(),
        secret: between(&made, "<SecretAccessKey>", "</SecretAccessKey>").to_owned(),
    }
}

/// Makes a role for `user`, who must bring `external_id`; it may do what `policy` says.
pub fn role(aws: Aws, name: &str, user: &str, external_id: &str, policy: &Value) {
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": arn("user", user) },
            "Action": "sts:AssumeRole",
            "Condition": { "StringEquals": { "sts:ExternalId": external_id } },
        }],
    });
    aws.query(
        "iam",
        VERSION,
        &[
            ("Action", "CreateRole"),
            ("RoleName", name),
            ("AssumeRolePolicyDocument", &trust.to_string()),
        ],
    );
    change(aws, name, policy);
}

/// Gives a role another policy.
pub fn change(aws: Aws, role: &str, policy: &Value) {
    let policy = policy.to_string();
    let put = [
        ("Action", "PutRolePolicy"),
        ("RoleName", role),
        ("PolicyName", "only"),
        ("PolicyDocument", &policy),
    ];
    aws.query("iam", VERSION, &put);
}
