//! What a change of a policy changes in effect: what became allowed, what is not allowed any more, and what that means.
//!
//! A document is a union of products (who, which actions, on what, under which conditions) less another such union; the
//! difference of two of them is one again, and is computed exactly.
//!
//! Invariant: a request that became allowed is in [`Drift::adds`], and none that was allowed before is: what cannot be
//! decided is left in as a condition.

use std::collections::BTreeSet;
use std::fmt;

mod automaton;
mod classes;
mod clause;
mod glob;
mod head;
mod kept;
mod question;
mod reading;
mod region;
mod services;
mod set;
mod shared;
mod strangers;
mod terms;
mod text;
mod tidy;
mod values;
mod variables;
mod who;

use crate::iam::compare::question::Question;
pub use crate::iam::compare::text::Part;
use crate::iam::policy::Condition;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Language;
use crate::iam::policy::Statement;
use crate::model::Seconds;

/// Where and when documents are compared.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The account whose policy it is; empty if it is not known, and then no account is another.
    pub account: &'a str,
    /// Accounts of the organisation; empty if they are not known.
    pub organization_accounts: &'a BTreeSet<Box<str>>,
    /// When: what is over by then allows nothing.
    pub now: Seconds,
}

/// How one document differs from another in effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drift {
    /// What became allowed.
    pub adds: Vec<Access>,
    /// What is not allowed any more.
    pub removes: Vec<Access>,
    /// What the document denied and denies no more, as far as it is not in `adds`: another policy may allow it.
    pub lifts: Vec<Access>,
    /// What the document now denies, as far as it is not in `removes`.
    pub denies: Vec<Access>,
    /// What it means.
    pub classes: BTreeSet<Class>,
    /// The ways to more privilege that it opens, by name.
    pub escalations: Vec<Box<str>>,
    /// Whether the documents were too large, or too hard, to be compared to the end: then the lists may hold what does not
    /// differ, and `classes` what is not so.
    pub is_coarse: bool,
}

impl Drift {
    /// Returns whether nothing differs in effect.
    pub fn is_empty(&self) -> bool {
        !self.grew() && self.removes.is_empty() && self.denies.is_empty()
    }

    /// Returns whether something became possible.
    pub fn grew(&self) -> bool {
        !self.adds.is_empty() || !self.lifts.is_empty()
    }
}

/// Some access: who may do what on what, under which conditions. Prints as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who; `None` where the policy names nobody: it is its holder, or whomever it binds.
    pub principals: Option<Part>,
    /// What, as AWS spells it.
    pub actions: Part,
    /// On what.
    pub resources: Part,
    /// What must hold, all of it.
    pub conditions: Vec<Condition>,
    /// What must not hold: of none of these lists all.
    pub unless: Vec<Vec<Condition>>,
}

impl Access {
    /// Returns whether it depends on anything but who, what and on what.
    pub fn is_conditional(&self) -> bool {
        !self.conditions.is_empty() || !self.unless.is_empty()
    }
}

impl fmt::Display for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.line())
    }
}

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A way to more privilege is open that was not.
    Escalation,
    /// All of IAM, or everything, is allowed.
    Admin,
    /// Anybody at all is let in.
    Public,
    /// Another account is let in.
    CrossAccount,
    /// The other account is not of the organisation.
    OutsideOrganization,
    /// A pattern became wider, or a whole service, or all but what is listed is allowed.
    Wildcard,
    /// A condition is gone or weaker.
    ConditionDropped,
    /// A boundary lets everything pass.
    BoundaryRemoved,
    /// A limit lets more pass, or a Deny is gone or weaker.
    GuardrailWeakened,
    /// More may take the role, or with less asked of them.
    TrustWidened,
    /// More data can be read.
    DataReadWidened,
    /// What was allowed until a time is allowed for good.
    TimeBoundRemoved,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 12] = [
        Self::Escalation,
        Self::Admin,
        Self::Public,
        Self::CrossAccount,
        Self::OutsideOrganization,
        Self::Wildcard,
        Self::ConditionDropped,
        Self::BoundaryRemoved,
        Self::GuardrailWeakened,
        Self::TrustWidened,
        Self::DataReadWidened,
        Self::TimeBoundRemoved,
    ];

    /// Returns all that a change of policies of a kind may mean, save ways to more, which are told apart by themselves.
    fn all_of(kind: Kind) -> BTreeSet<Self> {
        let may_be = |class: &Self| match class {
            Self::Escalation => false,
            Self::Admin => kind == Kind::Identity,
            Self::BoundaryRemoved => kind == Kind::Boundary,
            Self::TrustWidened => kind == Kind::Trust,
            Self::Public | Self::CrossAccount | Self::OutsideOrganization => {
                matches!(kind, Kind::Trust | Kind::Resource)
            }
            Self::Wildcard | Self::DataReadWidened => {
                !matches!(kind, Kind::Boundary | Kind::ServiceControl | Kind::ResourceControl)
            }
            Self::ConditionDropped | Self::GuardrailWeakened | Self::TimeBoundRemoved => true,
        };
        Self::ALL.into_iter().filter(may_be).collect()
    }

    /// Returns its name in facts and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Escalation => "escalation",
            Self::Admin => "admin",
            Self::Public => "public",
            Self::CrossAccount => "cross_account",
            Self::OutsideOrganization => "outside_organization",
            Self::Wildcard => "wildcard",
            Self::ConditionDropped => "condition_dropped",
            Self::BoundaryRemoved => "boundary_removed",
            Self::GuardrailWeakened => "guardrail_weakened",
            Self::TrustWidened => "trust_widened",
            Self::DataReadWidened => "data_read_widened",
            Self::TimeBoundRemoved => "time_bound_removed",
        }
    }
}

impl Document {
    /// Returns what it means that there is no policy of a kind: nothing is allowed, or of a limit, everything passes.
    pub fn absent(kind: Kind) -> Self {
        let is_limit = matches!(
            kind,
            Kind::Boundary | Kind::Session | Kind::ServiceControl | Kind::ResourceControl
        );
        let statements = if is_limit { vec![Statement::everything()] } else { Vec::new() };
        Self { language: Language::Of2012, statements }
    }
}

/// Returns how `after` differs from `before` in effect.
///
/// It takes no longer than a fraction of a second, whatever the documents are: what would is told as [`Drift::is_coarse`] says.
/// An SCP or RCP without an Allow is taken to stand beside one that allows everything, as `FullAWSAccess` does.
pub fn compare(before: &Document, after: &Document, kind: Kind, around: &Around<'_>) -> Drift {
    if before == after {
        return Drift::default();
    }
    Question { before, after, kind, around }.answered()
}

#[cfg(test)]
mod tests;
