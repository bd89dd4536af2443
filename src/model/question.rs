//! What AWS is asked about a policy that no record tells, and what it answers.
//!
//! Invariant: a question names its account, so that it is never put to another.

use serde::Deserialize;
use serde::Serialize;

use crate::model::Seconds;

/// A policy whose text is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "what each names is what its variant is about")]
pub enum Question {
    /// An inline policy of a user.
    OfUser { account: Box<str>, user: Box<str>, policy: Box<str> },
    /// An inline policy of a group.
    OfGroup { account: Box<str>, group: Box<str>, policy: Box<str> },
    /// An inline policy of a role.
    OfRole { account: Box<str>, role: Box<str>, policy: Box<str> },
    /// Who may take a role.
    Trust { account: Box<str>, role: Box<str> },
    /// A managed policy: a version of it, or the one that is in force.
    Managed { account: Box<str>, arn: Box<str>, version: Option<Box<str>> },
    /// The policy of a bucket.
    Bucket { account: Box<str>, bucket: Box<str> },
    /// The policy of a queue.
    Queue { account: Box<str>, arn: Box<str> },
    /// The policy of another resource, one of those that [`Question::of_resource`] knows.
    Resource { account: Box<str>, arn: Box<str> },
    /// A policy of the organisation; the account and the region are those of the record.
    Control { account: Box<str>, region: Box<str>, id: Box<str> },
    /// The inline policy of a permission set; its ARN has no region, so that is the record's.
    Set { account: Box<str>, region: Box<str>, arn: Box<str> },
}

/// The calls that tell the policy of a resource: the service in its ARN, what begins behind the account there, and the call as its
/// permission is called (service authorization reference).
const OF_RESOURCES: [(&str, &str, &str); 7] = [
    ("ecr", "registry", "ecr:GetRegistryPolicy"),
    ("ecr", "repository/", "ecr:GetRepositoryPolicy"),
    ("kms", "key/", "kms:GetKeyPolicy"),
    ("lambda", "function:", "lambda:GetPolicy"),
    ("lambda", "layer:", "lambda:GetLayerVersionPolicy"),
    ("secretsmanager", "secret:", "secretsmanager:GetResourcePolicy"),
    ("sns", "", "sns:GetTopicAttributes"),
];

impl Question {
    /// Returns the question about the policy of the resource `arn` in `account`; nothing where no call is known that tells it.
    pub fn of_resource(account: &str, arn: &str) -> Option<Self> {
        let (account, named) = (account.into(), arn.into());
        match arn.splitn(6, ':').collect::<Vec<_>>()[..] {
            [_, _, "s3", _, _, bucket] if !bucket.contains('/') && !bucket.contains(':') => {
                Some(Self::Bucket { account, bucket: bucket.into() })
            }
            [_, _, "sqs", _, _, _] => Some(Self::Queue { account, arn: named }),
            _ => call_of(arn).map(|_| Self::Resource { account, arn: named }),
        }
    }

    /// Returns the account that is to be asked.
    pub fn account(&self) -> &str {
        match self {
            Self::OfUser { account, .. }
            | Self::OfGroup { account, .. }
            | Self::OfRole { account, .. }
            | Self::Trust { account, .. }
            | Self::Managed { account, .. }
            | Self::Bucket { account, .. }
            | Self::Queue { account, .. }
            | Self::Resource { account, .. }
            | Self::Control { account, .. }
            | Self::Set { account, .. } => account,
        }
    }

    /// Returns the first call that answers it, as its permission is called.
    pub fn call(&self) -> &'static str {
        match self {
            Self::OfUser { .. } => "iam:GetUserPolicy",
            Self::OfGroup { .. } => "iam:GetGroupPolicy",
            Self::OfRole { .. } => "iam:GetRolePolicy",
            Self::Trust { .. } => "iam:GetRole",
            Self::Managed { version: None, .. } => "iam:GetPolicy",
            Self::Managed { .. } => "iam:GetPolicyVersion",
            Self::Bucket { .. } => "s3:GetBucketPolicy",
            Self::Queue { .. } => "sqs:GetQueueAttributes",
            // None is made of a resource that no call is known of; an older store may still hold one.
            Self::Resource { arn, .. } => call_of(arn).unwrap_or("no known call"),
            Self::Control { .. } => "organizations:DescribePolicy",
            Self::Set { .. } => "sso:GetInlinePolicyForPermissionSet",
        }
    }
}

fn call_of(arn: &str) -> Option<&'static str> {
    let [_, _, service, _, _, rest] = arn.splitn(6, ':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let mut all = OF_RESOURCES.iter();
    let found = all.find(|(of, begin, _)| *of == service && rest.starts_with(begin));
    found.map(|(_, _, call)| *call)
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The policy, as AWS wrote it.
    Text {
        /// Which version of a managed policy it is.
        version: Option<Box<str>>,
        /// What it says; may be percent-encoded.
        text: String,
    },
    /// It is not there.
    Absent,
    /// It is not told to us.
    Refused {
        /// The permission that is missing; empty where it is something else.
        permission: String,
        /// What AWS said, or what is wrong with our credentials.
        why: String,
    },
}

/// An answer on its way to whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The name of what is wanted.
    pub want: String,
    /// When AWS was asked.
    pub at: Seconds,
    /// What it answered.
    pub answer: Answer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_asked_for_by_its_own_call() {
        let of = |arn: &str| {
            let question = Question::of_resource("111122223333", arn)?;
            assert_eq!(question.account(), "111122223333");
            Some(question.call())
        };
        let here = |rest: &str| rest.replace(":R:", ":eu-west-1:111122223333:");
        for (arn, call) in [
            ("arn:aws:s3:::bucket", "s3:GetBucketPolicy"),
            ("arn:aws:sqs:R:queue", "sqs:GetQueueAttributes"),
            ("arn:aws:kms:R:key/1-2", "kms:GetKeyPolicy"),
            ("arn:aws:sns:R:topic", "sns:GetTopicAttributes"),
            ("arn:aws:lambda:R:function:f", "lambda:GetPolicy"),
            ("arn:aws:lambda:R:layer:l:3", "lambda:GetLayerVersionPolicy"),
            ("arn:aws:secretsmanager:R:secret:s-AbCdEf", "secretsmanager:GetResourcePolicy"),
            ("arn:aws:ecr:R:repository/a/b", "ecr:GetRepositoryPolicy"),
            ("arn:aws:ecr:R:registry", "ecr:GetRegistryPolicy"),
        ] {
            assert_eq!(of(&here(arn)), Some(call), "{arn}");
        }
        for arn in ["arn:aws:s3:R:accesspoint/p", "arn:aws:glue:R:catalog", "bucket", ""] {
            assert_eq!(of(&here(arn)), None, "{arn}");
        }
    }
}
