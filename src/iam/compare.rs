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
mod reading;
mod region;
mod services;
mod set;
mod strangers;
mod terms;
mod text;
mod tidy;
mod values;
mod who;

use crate::iam::compare::classes::Growth;
use crate::iam::compare::classes::Side;
use crate::iam::compare::clause::Asks;
use crate::iam::compare::region::Compiled;
use crate::iam::compare::region::Region;
use crate::iam::compare::region::Work;
pub use crate::iam::compare::text::Part;
use crate::iam::compare::tidy::tidied;
use crate::iam::escalation;
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
    /// Who; `None` where it is the holder of the policy, or everybody whom it is about.
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
/// An SCP or RCP without an Allow is taken to stand beside one that allows everything, as `FullAWSAccess` does.
pub fn compare(before: &Document, after: &Document, kind: Kind, around: &Around<'_>) -> Drift {
    if before == after {
        return Drift::default();
    }
    let mut work = Work::new(Asks::from(around.now));
    let (old, new) = work.compile(before, after, kind);
    if [&old, &new].iter().all(|it| it.has_nothing_own()) {
        return Drift::default();
    }
    let (had, has) = (net(&mut work, &old, &new), net(&mut work, &new, &old));
    let (adds, freed) = gained(&mut work, &has, &old, &new);
    let (removes, barred) = gained(&mut work, &had, &new, &old);
    let adds = [adds, freed.clone()].concat();
    let removes = [removes, barred].concat();
    let lifts = lifted(&mut work, &old, &new, &adds);
    let denies = lifted(&mut work, &new, &old, &removes);
    let mut classes = classes::classes(
        &Side { allows: &old.allows, net: &had.concat() },
        &Side { allows: &new.allows, net: &has.concat() },
        &Growth { adds: &adds, freed: &freed, lifts: &lifts },
        kind,
        around,
    );
    let escalations = match kind {
        Kind::Identity => opened(before, after, &classes::leading_to_more(&adds)),
        _ => Vec::new(),
    };
    if !escalations.is_empty() {
        classes.insert(Class::Escalation);
    }
    let lines = |regions: Vec<Region>| -> Vec<Access> {
        tidied(regions).iter().map(|it| Access::of(it, &work.variables)).collect()
    };
    Drift {
        adds: lines(adds),
        removes: lines(removes),
        lifts: lines(lifts),
        denies: lines(denies),
        classes,
        escalations,
        is_coarse: work.is_coarse,
    }
}

/// Returns the ways to more that are open and were not, or that rested on more conditions: each takes one of `actions`, which
/// became possible.
fn opened(before: &Document, after: &Document, actions: &BTreeSet<usize>) -> Vec<Box<str>> {
    let now = escalation::paths_by(after, actions);
    if now.is_empty() {
        return Vec::new();
    }
    let then = escalation::paths_by(before, actions);
    let was_open = |path: &escalation::Path| {
        then.iter().any(|old| old.id == path.id && old.conditions.is_subset(&path.conditions))
    };
    now.iter().filter(|path| !was_open(path)).map(|path| path.id.into()).collect()
}

/// Returns what each Allow of a document allows; nothing for those of which that does not matter, as the other document has
/// the same Allow, and nothing that it denies besides.
fn net(work: &mut Work, document: &Compiled, other: &Compiled) -> Vec<Vec<Region>> {
    let mut all = Vec::with_capacity(document.allows.len());
    for (at, allow) in document.allows.iter().enumerate() {
        let matters = at < document.own_allows
            || other.own_denies().iter().any(|deny| deny.overlaps(allow))
            || classes::may_be_all(allow);
        let live = work.settled(allow.clone()).filter(|_| matters);
        all.push(work.minus(Vec::from_iter(live), &document.denies));
    }
    all
}

/// Returns what of `has` was not allowed before: what nothing allowed, and what was denied besides.
fn gained(
    work: &mut Work,
    has: &[Vec<Region>],
    before: &Compiled,
    after: &Compiled,
) -> (Vec<Region>, Vec<Region>) {
    // Of a statement that stood before nothing is new, save what was denied.
    let new = has.iter().take(after.own_allows).flatten().cloned().collect();
    let fresh = work.minus(new, &before.allows);
    let mut freed: Vec<Region> = Vec::new();
    for deny in before.own_denies() {
        let held: Vec<Region> = has.iter().flatten().filter_map(|it| work.both(it, deny)).collect();
        let held = work.minus(held, &fresh);
        let held = work.minus(held, &freed);
        freed.extend(held);
    }
    (fresh, freed)
}

/// Returns what `before` denied and `after` does not, apart from what is told already.
fn lifted(work: &mut Work, before: &Compiled, after: &Compiled, told: &[Region]) -> Vec<Region> {
    let gone = before.own_denies().iter();
    let gone = gone.filter_map(|deny| work.settled(deny.clone())).collect();
    let left = work.minus(gone, &after.denies);
    work.minus(left, told)
}

#[cfg(test)]
mod tests;
