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
}

impl Question {
    /// Returns the account that is to be asked.
    pub fn account(&self) -> &str {
        match self {
            Self::OfUser { account, .. }
            | Self::OfGroup { account, .. }
            | Self::OfRole { account, .. }
            | Self::Trust { account, .. }
            | Self::Managed { account, .. }
            | Self::Bucket { account, .. }
            | Self::Queue { account, .. } => account,
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
        }
    }
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
