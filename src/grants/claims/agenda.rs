//! When what is decided: the subjects of decisions and their times.
//!
//! Invariant: a grant's subjects are those of every state that its versions made it be, as they were said one after
//! another, so that it does not matter which of them have come by when.

use crate::grants::claims::claim::Claim;
use crate::grants::claims::claim::Holder;
use crate::grants::claims::claim::Kind;
use crate::grants::grant::Evidence;
use crate::grants::grant::GrantId;
use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::ledger::Held;
use crate::grants::timeline;
use crate::grants::timeline::Spell;
use crate::model::Seconds;
use crate::model::Span;

/// How long to wait before something is decided.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How far clocks may be apart.
    pub skew: Span,
    /// `grants.grace`: how late a message may be, and how much earlier than its grant access may be given.
    pub grace: Span,
    /// `grants.residue_after`.
    pub residue_after: Span,
    /// `grants.provision_within`.
    pub provision_within: Span,
    /// When messages come in.
    pub messages: Messages,
}

impl Timing {
    /// Returns a time by which everything about a grant has been decided.
    pub(super) fn last_due(&self, held: &Held) -> Seconds {
        let last =
            |(version, _): &(Version, Evidence)| version.window.until.max(version.emitted_at);
        let last = held.grant.versions.iter().map(last).max().unwrap_or_default();
        last.plus(Span(self.residue_after.0.max(self.provision_within.0)))
    }
}

/// When messages come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// All of them were there before the first record.
    Known,
    /// At any time.
    Arriving,
}

/// Something to decide. Of one time, what teaches comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// Access that was given, or tried to.
    Made(Claim, Box<str>),
    /// Access that was taken away.
    Removed(Claim, Box<str>),
    /// A grant that its source calls failed.
    Failed(GrantId),
    /// The start of a grant.
    Began(GrantId, Seconds),
    /// The end of a grant.
    Ended(GrantId, Seconds),
    /// A claim whose deeds may be old by now.
    Old(Claim),
    /// A removed membership that nobody saw being made.
    Unclaimed(Box<str>),
}

impl Subject {
    /// The first of all subjects of one time.
    pub(super) fn lowest() -> Self {
        let nobody = Holder::User("".into());
        let (account, entitlement) = ("".into(), "".into());
        let claim = Claim { holder: nobody, kind: Kind::Assignment, account, entitlement };
        Self::Made(claim, "".into())
    }
}

/// Returns what is to be decided of a grant, and when.
pub(super) fn of_grant(held: &Held, timing: &Timing) -> Vec<(Seconds, Subject)> {
    let (id, versions) = (held.grant.id(), &held.grant.versions);
    let mut subjects = Vec::new();
    of_spells(id, &held.spells, timing, &mut subjects);
    for (last, _) in versions {
        if last.status == Status::Failed {
            subjects.push((last.emitted_at, Subject::Failed(id.clone())));
        }
        let said = |(version, _): &&(Version, Evidence)| version.emitted_at <= last.emitted_at;
        let said: Vec<(Version, Evidence)> = versions.iter().filter(said).cloned().collect();
        if said.len() < versions.len() {
            of_spells(id, &timeline::spells(&said), timing, &mut subjects);
        }
    }
    subjects
}

fn of_spells(
    id: &GrantId,
    spells: &[Spell],
    timing: &Timing,
    subjects: &mut Vec<(Seconds, Subject)>,
) {
    for spell in spells.iter().filter(|spell| spell.kind != timeline::Kind::Afterwards) {
        let due = spell.until.plus(timing.residue_after);
        subjects.push((due, Subject::Ended(id.clone(), spell.until)));
        let goes_on = spells
            .iter()
            .any(|other| other.kind == timeline::Kind::Given && other.until == spell.from);
        if spell.kind == timeline::Kind::Given && !goes_on {
            let due = spell.from.plus(timing.provision_within);
            subjects.push((due, Subject::Began(id.clone(), spell.from)));
        }
    }
}
