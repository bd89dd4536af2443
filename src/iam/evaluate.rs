//! Whether policies allow a request.
//!
//! One policy set alone is decided by [`of_documents`]; all that stand, by [`State::allowed`] (`evaluate/whole.rs`).
//!
//! Source: IAM User Guide, "Policy evaluation logic".
//!
//! Invariant: what depends on something that is not known is [`Decision::Conditional`] on it: whatever the unknown keys turn
//! out to be, an allowed request stays allowed, and a denied one denied.

mod condition;
pub mod context;
mod principal;
mod scene;
mod statement;
mod sum;
mod truth;
mod variable;
mod whole;

use std::collections::BTreeSet;
use std::fmt;

pub(in crate::iam) use crate::iam::evaluate::condition::moment;
pub use crate::iam::evaluate::context::Context;
use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::sum::Sum;
use crate::iam::evaluate::truth::Truth;
pub(in crate::iam) use crate::iam::evaluate::whole::WITH_RCP;
use crate::iam::policy::Document;
use crate::iam::state::State;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who: an ARN of a user, role, session, federated user or root; an account's id for its root; a service's or identity
    /// provider's name; `*` for somebody without credentials.
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
    /// Denied whatever is not known, as nothing allows it.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
    /// It depends on these: condition keys in lower case, or ARNs of policies and resources of which the text is not known.
    Conditional(BTreeSet<Box<str>>),
}

impl Decision {
    /// Returns the decision's name: `allowed`, `implicit_deny`, `explicit_deny`, `conditional`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ImplicitDeny => "implicit_deny",
            Self::ExplicitDeny => "explicit_deny",
            Self::Conditional(_) => "conditional",
        }
    }

    /// Decides by whether something denies and whether all that has to allow does.
    fn of(deny: Truth, allow: Truth) -> Self {
        match (deny, allow) {
            (Truth::True, _) => Self::ExplicitDeny,
            (_, Truth::False) => Self::ImplicitDeny,
            (Truth::False, Truth::True) => Self::Allowed,
            (deny, allow) => match deny.not().and(allow) {
                Truth::Unknown(needs) => Self::Conditional(needs),
                Truth::True => Self::Allowed,
                Truth::False => Self::ImplicitDeny,
            },
        }
    }
}

/// Decides by these documents alone, as if there were no other policy.
///
/// A document that names principals counts where it names who acts, in whatever way.
pub fn of_documents<'a>(
    documents: impl IntoIterator<Item = &'a Document>,
    request: &Request<'_>,
) -> Decision {
    let scene = Scene::new(request);
    let mut sum = Sum::NONE;
    for document in documents {
        for said in statement::said(&scene, document) {
            sum.add(said);
        }
    }
    Decision::of(sum.deny, sum.allow.at_all())
}

/// What a [`State`] says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it is allowed.
    pub decision: Decision,
    /// What decided, strongest first: the statements, or the layer that allows nothing of it.
    pub because: Vec<Because>,
    /// What was not known and could change the decision.
    pub missing: Vec<Box<str>>,
}

/// Something that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// The policy: `inline policy NAME of ARN`, `ARN of ARN` of a managed one, `trust policy of ARN`, ….
    pub policy: Box<str>,
    /// Which of its statements, from 0; `None` where it is all of it that allows nothing.
    pub statement: Option<usize>,
    /// What that means: `allows`, `denies`, `may allow: depends on aws:sourceip`, ….
    pub why: Box<str>,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.statement {
            Some(statement) => write!(f, "{}, statement {statement}: {}", self.policy, self.why),
            None => write!(f, "{}: {}", self.policy, self.why),
        }
    }
}

impl State {
    /// Decides a request by every policy that has a say in it, as AWS does: identity policies of the user or role and of its
    /// groups, permissions boundary, service control policies of every level, resource control policies, and the policy of
    /// the resource, which for a role is its trust policy.
    ///
    /// What the state does not hold (an account that was not read, a resource's policy, the session policy of a session) is
    /// in [`Outcome::missing`]; where access is impossible without it, the decision is conditional on it.
    pub fn allowed(&self, request: &Request<'_>) -> Outcome {
        whole::decide(self, request)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod model_tests;
