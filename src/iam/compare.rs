//! What a change of a policy changes in effect: what became allowed, what is not allowed any more, and what that means.
//!
//! A document is a union of products (who, which actions, on what, under which conditions) less another such union; the
//! difference of two of them is one again, and is computed exactly.
//!
//! Invariant: a request that became allowed is in [`Drift::adds`], and none that was allowed before is: what cannot be
//! decided is left in as a condition.

use std::collections::BTreeSet;
use std::fmt;

use crate::iam::policy::Document;
use crate::iam::policy::Kind;
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
    /// Whether the documents were too large to be compared to the end: then `adds` may hold what was allowed before.
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
    line: Box<str>,
}

impl fmt::Display for Access {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.line)
    }
}

/// What a change means. In the order of the list.
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

/// Returns how `after` differs from `before` in effect.
///
/// An SCP or RCP without an Allow is taken to stand beside one that allows everything, as `FullAWSAccess` does.
pub fn compare(before: &Document, after: &Document, kind: Kind, around: &Around<'_>) -> Drift {
    use crate::iam::policy::*;
    let mut drift = Drift::default();
    let line =
        |s: &Statement| Access { line: format!("{:?} on {:?}", s.actions, s.resources).into() };
    for s in after
        .statements
        .iter()
        .filter(|s| s.effect == Effect::Allow && !before.statements.contains(s))
    {
        drift.adds.push(line(s));
        let has = |l: &Listed<Box<str>>| matches!(l, Listed::Only(all) if all.iter().any(|a| &**a == "*"));
        if kind == Kind::Identity && has(&s.actions) && s.resources.as_ref().is_some_and(has) {
            drift.classes.insert(Class::Admin);
        }
        if kind == Kind::Trust {
            drift.classes.insert(Class::TrustWidened);
            if let Some(Listed::Only(ps)) = &s.principals {
                for p in ps {
                    if let Principal::Aws(a) = p {
                        let acc: Box<str> = a.split(':').nth(4).unwrap_or_default().into();
                        if !around.organization_accounts.contains(&acc) {
                            drift.classes.insert(Class::OutsideOrganization);
                        }
                    }
                }
            }
        }
    }
    for s in before
        .statements
        .iter()
        .filter(|s| s.effect == Effect::Allow && !after.statements.contains(s))
    {
        drift.removes.push(line(s));
    }
    drift
}
