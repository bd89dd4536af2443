//! A policy document as IAM understands it, not as it was written.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language" and "IAM JSON policy elements reference".
//!
//! Invariant: two texts that differ only in order, in a list of one instead of the item, in the case of actions and of
//! condition keys, or in what is said twice in one list are the same document.

use std::sync::Arc;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;

pub use crate::iam::pattern::arn_covers;
pub use crate::iam::pattern::arn_matches;
pub use crate::iam::pattern::arn_overlap;
pub use crate::iam::pattern::covers;
pub use crate::iam::pattern::matches;
pub use crate::iam::pattern::overlap;

/// What sort of policy a text is: the grammar differs, and so does what it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// What its holder may do: of a user, group or role, inline or managed, or of a permission set.
    Identity,
    /// Who may take a role.
    Trust,
    /// The most that a user or role may do.
    Boundary,
    /// The most that a session may do.
    Session,
    /// Who may do what to a resource.
    Resource,
    /// The most that identities of an account may do: a service control policy.
    ServiceControl,
    /// The most that may be done to resources of an account: a resource control policy.
    ResourceControl,
    /// What a security group lets in and out; not written as a policy by AWS (`network.rs`).
    Network,
    /// What is kept from outside whatever policies say; not written as a policy by AWS (`block.rs`).
    AccessBlock,
}

impl Kind {
    /// Returns whether AWS writes it as a policy document.
    pub fn is_written(self) -> bool {
        !matches!(self, Self::Network | Self::AccessBlock)
    }
}

/// The version of the policy language. Without one it is the older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// `2008-10-17`: variables are plain text.
    Of2008,
    /// `2012-10-17`.
    Of2012,
}

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Document {
    /// The version of the language.
    pub language: Language,
    /// Its statements, as they stand.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Statement {
    /// Its `Sid`, which has no effect.
    pub sid: Option<Box<str>>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// Whom it is about: resource policies and trust policies only.
    pub principals: Option<Listed<Principal>>,
    /// Actions as patterns in lower case: `s3:get*`.
    pub actions: Listed<Box<str>>,
    /// Resources as patterns. A trust policy has none: it is about its role.
    pub resources: Option<Listed<Box<str>>>,
    /// What must hold, all of it; sorted.
    pub conditions: Vec<Condition>,
}

/// Whether a statement allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Effect {
    /// `Allow`.
    Allow,
    /// `Deny`.
    Deny,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`, `Principal` or `NotPrincipal`: sorted, nothing twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Listed<T> {
    /// Those that are listed.
    Only(Vec<T>),
    /// All but those that are listed.
    AllBut(Vec<T>),
}

/// Somebody whom a statement names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Principal {
    /// `"*"` and `{"AWS": "*"}`: everybody, without credentials too where the service lets them.
    Everyone,
    /// An ARN; an account id is written as its `arn:aws:iam::ID:root`, which stands for the whole account. Of somebody who
    /// was deleted, the unique id (`AIDA…`, `AROA…`).
    Aws(Box<str>),
    /// A service: `lambda.amazonaws.com`.
    Service(Box<str>),
    /// An identity provider, by ARN or by name: `accounts.google.com`.
    Federated(Box<str>),
    /// An S3 canonical user id.
    Canonical(Box<str>),
}

/// One key of one operator of a `Condition` block: any of the values (of a negated operator: none).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Condition {
    /// How values are compared.
    pub operator: Operator,
    /// The key in lower case: `aws:sourceip`.
    pub key: Box<str>,
    /// The values as text, sorted, nothing twice.
    pub values: Vec<Box<str>>,
}

/// An operator with its prefix and suffix: `ForAllValues:StringLikeIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Operator {
    /// `ForAllValues:` or `ForAnyValue:`.
    pub over: Over,
    /// What is compared.
    pub test: Test,
    /// Whether it holds where the key is absent: `…IfExists`.
    pub if_exists: bool,
}

/// How many of a key's values have to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Over {
    /// No prefix: the key has one value.
    One,
    /// `ForAllValues:`; holds where the key is absent.
    All,
    /// `ForAnyValue:`.
    Any,
}

/// What an operator compares. `ArnEquals` is `ArnLike`, as IAM has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the operator of that name")]
pub enum Test {
    StringEquals,
    StringNotEquals,
    StringEqualsIgnoreCase,
    StringNotEqualsIgnoreCase,
    StringLike,
    StringNotLike,
    NumericEquals,
    NumericNotEquals,
    NumericLessThan,
    NumericLessThanEquals,
    NumericGreaterThan,
    NumericGreaterThanEquals,
    DateEquals,
    DateNotEquals,
    DateLessThan,
    DateLessThanEquals,
    DateGreaterThan,
    DateGreaterThanEquals,
    Bool,
    BinaryEquals,
    IpAddress,
    NotIpAddress,
    ArnLike,
    ArnNotLike,
    Null,
}

/// A policy as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Its document.
    Known(Arc<Document>),
    /// It is there, and what it says is not known: why.
    Unknown(Box<str>),
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let told: Result<&Document, &str> = match self {
            Self::Known(document) => Ok(document),
            Self::Unknown(why) => Err(why),
        };
        told.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let told = Result::<Document, Box<str>>::deserialize(from)?;
        Ok(told.map_or_else(Self::Unknown, |document| Self::Known(Arc::new(document))))
    }
}
