//! How two states of a target differ in effect, as drift speaks of it.
//!
//! `compare.rs` compares documents; here absence gets its meaning: no policy gives nothing, no boundary holds nobody back.
//!
//! Invariant: classes are those of the field table, and the gravest is the same everywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::iam::block;
use crate::iam::compare::Access;
use crate::iam::compare::Around;
use crate::iam::compare::Class;
use crate::iam::compare::Drift;
use crate::iam::compare::compare;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::words::gain;
use crate::iam::drift::words::lines;
use crate::iam::network;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::sharing;
use crate::model::Facts;
use crate::model::Seconds;

/// What a change means, the gravest last.
pub const CLASSES: [&str; 12] = [
    "wildcard",
    "data_read_widened",
    "condition_dropped",
    "time_bound_removed",
    "cross_account",
    "trust_widened",
    "boundary_removed",
    "guardrail_weakened",
    "escalation",
    "admin",
    "outside_organization",
    "public",
];

/// Returns how grave a class is: the more the graver.
pub fn gravity(class: &str) -> usize {
    CLASSES.iter().position(|known| *known == class).map_or(0, |place| place + 1)
}

/// How two states differ in effect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// What became allowed, a line for each.
    pub adds: Vec<String>,
    /// What is not allowed any more.
    pub removes: Vec<String>,
    /// What it means.
    pub classes: BTreeSet<&'static str>,
    /// The ways to more privilege that opened.
    pub escalation: Vec<String>,
    /// Whether the documents were too large to be compared to the end: some of what is added may have been there before.
    pub is_coarse: bool,
}

impl Difference {
    /// Returns the gravest class.
    pub fn worst(&self) -> Option<&'static str> {
        self.classes.iter().copied().max_by_key(|class| gravity(class))
    }

    /// Sets the facts that say what became possible and impossible, and what that means.
    pub(in crate::iam) fn tell(&self, facts: &mut Facts) {
        lines(facts, "gw.policy.adds", &self.adds);
        lines(facts, "gw.policy.removes", &self.removes);
        if let Some(gain) = gain(&self.adds) {
            facts.set("gw.policy.gain", gain);
        }
        if let Some(worst) = self.worst() {
            let classes = self.classes.iter().map(|it| (*it).to_owned());
            facts.set("gw.policy.classes", classes.collect::<Vec<_>>());
            facts.set("gw.policy.worst", worst);
        }
        lines(facts, "gw.policy.escalation", &self.escalation);
    }

    /// Returns whether nothing differs.
    pub fn is_none(&self) -> bool {
        self.adds.is_empty() && self.removes.is_empty()
    }
}

/// What documents are compared against: whose accounts are ours, and when it is.
#[derive(Debug, Clone)]
pub struct Measure {
    /// The account whose policies are compared.
    pub account: Box<str>,
    /// Accounts that are ours.
    pub ours: Arc<BTreeSet<Box<str>>>,
    /// When.
    pub now: Seconds,
}

impl Measure {
    /// Returns how document `after` differs from `before`.
    pub fn difference(&self, before: &Document, after: &Document, kind: Kind) -> Difference {
        match kind {
            Kind::Network => return network::difference(before, after, &self.ours),
            Kind::AccessBlock => return block::difference(before, after),
            _ => {}
        }
        let around =
            Around { account: &self.account, organization_accounts: &self.ours, now: self.now };
        let Drift { adds, removes, lifts, denies, classes, escalations, is_coarse } =
            compare(before, after, kind, &around);
        let spoken = |access: Access| match (sharing::in_words(access.to_string()), kind) {
            // A trust policy is about its role.
            (line, Kind::Trust) => line.replace(" on every resource", ""),
            (line, _) => line,
        };
        let lines = |all: Vec<Access>| all.into_iter().map(spoken);
        let lifted = lines(lifts).map(|line| format!("no longer denied: {line}"));
        let denied = lines(denies).map(|line| format!("now denied: {line}"));
        Difference {
            adds: lines(adds).chain(lifted).collect(),
            removes: lines(removes).chain(denied).collect(),
            classes: classes.into_iter().map(Class::name).collect(),
            escalation: escalations.into_iter().map(String::from).collect(),
            is_coarse,
        }
    }

    /// Returns how `after` differs from `before`.
    pub fn between(&self, before: &Whole, after: &Whole, kind: Kind) -> Difference {
        let mut found = self.difference(&before.meant(kind), &after.meant(kind), kind);
        if after.is_gone {
            return Difference { removes: found.removes, ..Difference::default() };
        }
        if kind == Kind::Boundary && before.is_there && !after.is_there {
            found.classes.insert("boundary_removed");
        }
        found
    }
}
