//! What is decided once time has passed a deed, the start of a grant or its end.
//!
//! Invariant: a decision follows from the deeds up to its time, the versions said by then and what was learned by then;
//! so it is the same whenever it is taken. Nothing is said of access that nobody saw being given.

use std::collections::BTreeMap;

use crate::grants::claims::Timing;
use crate::grants::claims::claim::Claim;
use crate::grants::claims::claim::Deed;
use crate::grants::claims::claim::Holder;
use crate::grants::claims::claim::Kind;
use crate::grants::claims::claim::Maker;
use crate::grants::claims::claim::Outcome;
use crate::grants::claims::claim::Verb;
use crate::grants::claims::claim::standing;
use crate::grants::claims::explain;
use crate::grants::claims::explain::Fit;
use crate::grants::claims::explain::Hold;
use crate::grants::claims::explain::View;
use crate::grants::claims::learned::Topic;
use crate::grants::claims::tell::Draft;
use crate::grants::claims::tell::Told;
use crate::grants::claims::tell::command;
use crate::grants::grant::GrantId;
use crate::grants::removal::Removal;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;

/// How far back the grant is looked for that is nearest to access that none explains.
const NEAR: Span = Span(7 * 86_400);

/// Signals whose names others must know.
pub(super) const RESIDUE: &str = "GrantResidue";

/// What a decision says.
#[derive(Default)]
pub(super) struct Found {
    pub told: Vec<Told>,
    /// What it teaches: about what, the name, the value.
    pub lessons: Vec<(Topic, String, String)>,
    /// Access that was taken away because its grant was over.
    pub removals: Vec<Removal>,
    /// Whether the claim has something to do with grants, and is to be kept.
    pub is_ours: bool,
}

/// Whoever decides.
pub(super) struct Judge<'a> {
    pub view: View<'a>,
    pub timing: &'a Timing,
    pub claims: &'a BTreeMap<Claim, Vec<Deed>>,
}

impl<'a> Judge<'a> {
    pub(super) fn deeds(&self, claim: &Claim) -> &'a [Deed] {
        self.claims.get(claim).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns what grants held of `claim` about `time`: a broker gives a little earlier than its grant begins.
    fn about(&self, claim: &Claim, time: Seconds) -> Vec<Hold> {
        let (from, to) = (time.plus(Span(-self.timing.skew.0)), time.plus(self.timing.grace));
        self.view.holds(claim, from, to)
    }

    pub(super) fn is_explained(&self, claim: &Claim, time: Seconds) -> bool {
        self.about(claim, time).iter().any(|hold| hold.fit == Fit::Whole)
    }

    /// Decides on access that was given, or was to be.
    pub fn made(&self, claim: &Claim, deed: &Deed) -> Found {
        let holds = self.about(claim, deed.time);
        let whole: Vec<&Hold> = holds.iter().filter(|hold| hold.fit == Fit::Whole).collect();
        let mut found = Found { is_ours: deed.maker == Maker::Broker, ..Found::default() };
        if let Outcome::Failed(why) = &deed.outcome {
            for hold in &holds {
                let reason = format!("Identity Center could not make the assignment: {why}");
                let draft = self.failed(&hold.id, &hold.version, deed.time).reason(reason);
                found.told.push(draft.claim(claim, &deed.place, &self.view).tried(deed).told());
            }
        }
        if !deed.is_done() {
            return found;
        }
        found.is_ours |= !whole.is_empty();
        if deed.maker == Maker::Broker {
            found.lessons.push((Topic::Brokered, brokered(claim), String::new()));
        }
        // A person may give anything by hand beside a grant of something else; a workload that gives is likely a broker
        // that nobody has named.
        let is_usual = deed.maker == Maker::Broker || deed.by.starts_with("workload:");
        if is_usual
            && claim.kind == Kind::Assignment
            && let Some(set) = explain::one_set(&holds)
        {
            found.lessons.push((Topic::Guess, claim.entitlement.to_string(), set.to_owned()));
        }
        // What the set is called may have been learned just now.
        let is_shown = |hold: &&Hold| {
            deed.maker == Maker::Broker || hold.fit == Fit::Whole && claim.kind == Kind::Assignment
        };
        for hold in holds.iter().filter(is_shown) {
            let (source, account) = (hold.version.source.to_string(), claim.account.to_string());
            found.lessons.push((Topic::Shown, source, account));
        }
        if deed.maker == Maker::Other && whole.is_empty() && self.is_for_brokers(claim, deed.time) {
            found.told.push(self.out_of_band(claim, deed, &holds));
        }
        found
    }

    /// Returns whether access of this sort is for brokers to give: assignments are, other things if a broker gives them.
    fn is_for_brokers(&self, claim: &Claim, time: Seconds) -> bool {
        let is_brokered = || self.view.learned.holds(Topic::Brokered, &brokered(claim), "", time);
        claim.kind == Kind::Assignment || is_brokered()
    }

    fn out_of_band(&self, claim: &Claim, deed: &Deed, holds: &[Hold]) -> Told {
        let about = format!("{claim}/{}", deed.event);
        let mut draft = Draft::new("GrantOutOfBand", about, deed.time)
            .account(account_of(deed))
            .claim(claim, &deed.place, &self.view)
            .made(claim, deed)
            .who(&deed.by);
        let earlier = || {
            let mut earlier = self.view.holds(claim, deed.time.plus(Span(-NEAR.0)), deed.time);
            earlier.sort_by(|one, other| {
                (one.spell.until, &one.id).cmp(&(other.spell.until, &other.id))
            });
            earlier.pop()
        };
        let reason = match (holds.first().cloned(), earlier()) {
            (Some(hold), _) => {
                draft = draft.grant(&hold.id, &hold.version);
                let id = &hold.id.0;
                format!(
                    "grant {id} is about them and this account, but what the permission set is called is not known"
                )
            }
            (None, Some(hold)) => {
                draft = draft.grant(&hold.id, &hold.version);
                let ago = deed.time.since(hold.spell.until);
                format!("no grant asks for it; the last one, {}, was over {ago} before", hold.id.0)
            }
            (None, None) => "no grant asks for it".to_owned(),
        };
        draft.reason(reason).told()
    }

    /// Decides on access that was taken away.
    pub fn removed(&self, claim: &Claim, deed: &Deed) -> Found {
        let mut found = Found::default();
        let deeds = self.deeds(claim);
        let Some(made) = standing(deeds, Seconds(deed.time.0.saturating_sub(1))) else {
            return found;
        };
        found.is_ours = true;
        if !deed.is_done() {
            return found;
        }
        let from = Seconds(made.time.0.min(deed.time.0)).plus(Span(-self.timing.skew.0));
        let holds = self.view.holds(claim, from, self.view.now);
        for hold in holds.iter().filter(|hold| hold.spell.until <= deed.time) {
            let about = residue(&hold.id, claim, made);
            if self.is_told(RESIDUE, &about) {
                let after = deed.time.since(hold.spell.until);
                let draft = Draft::new("GrantResidueRemoved", about, deed.time)
                    .account(account_of(deed))
                    .claim(claim, &deed.place, &self.view)
                    .with("since", made.time.to_string())
                    .with("removedBy", &*deed.by)
                    .with("secondsAfterEnd", after.0)
                    .who(&self.view.identity(claim))
                    .grant(&hold.id, &hold.version)
                    .reason(format!(
                        "it was taken away {after} after grant {} was over",
                        hold.id.0
                    ));
                found.told.push(draft.evidence(deed).told());
            }
        }
        if standing(deeds, self.view.now).is_some() {
            return found;
        }
        found.removals.extend(self.removal(claim, deed, &holds));
        for hold in holds.iter().filter(|hold| self.is_cut_short(hold, deed)) {
            found.told.push(self.cut_short(claim, (made, deed), hold, &holds));
        }
        found
    }

    /// Returns of which grant this is the end: the last that was over by then.
    fn removal(&self, claim: &Claim, deed: &Deed, holds: &[Hold]) -> Option<Removal> {
        let by = deed.time.plus(self.timing.skew);
        let over = holds.iter().filter(|hold| hold.fit == Fit::Whole && hold.spell.until <= by);
        let hold = over.max_by_key(|hold| (hold.spell.until, &hold.id))?;
        let (grant, ended) = (hold.id.clone(), hold.spell.until);
        Some(Removal { grant, claim: claim.to_string(), ended, removed: deed.time })
    }

    /// A grant that is still given once the grace is over was not meant to end.
    fn is_cut_short(&self, hold: &Hold, deed: &Deed) -> bool {
        hold.fit == Fit::Whole && hold.spell.from <= deed.time && hold.spell.until > self.view.now
    }

    fn cut_short(
        &self,
        claim: &Claim,
        (made, deed): (&Deed, &Deed),
        hold: &Hold,
        holds: &[Hold],
    ) -> Told {
        let early = hold.spell.until.since(deed.time);
        let about = format!("{}/{claim}/{}", hold.id.0, deed.event);
        let mut draft = Draft::new("GrantCutShort", about, deed.time)
            .account(account_of(deed))
            .claim(claim, &made.place, &self.view)
            .with("since", made.time.to_string())
            .with("removedBy", &*deed.by)
            .with("secondsEarly", early.0)
            .command("redo", command(claim, made, Verb::Make))
            .who(&self.view.identity(claim))
            .grant(&hold.id, &hold.version)
            .evidence(deed);
        // The grant that ended last before it.
        let over = holds.iter().filter(|other| {
            other.id != hold.id && other.spell.until <= self.view.now && other.fit == Fit::Whole
        });
        let ended = over
            .max_by(|one, other| (one.spell.until, &one.id).cmp(&(other.spell.until, &other.id)));
        let reason = match ended {
            Some(other) => {
                draft = draft.with("endedGrant", &*other.id.0);
                let other = &other.id.0;
                format!(
                    "the end of grant {other} took away what grant {} gives for another {early}",
                    hold.id.0
                )
            }
            None => format!("it was taken away {early} before grant {} is over", hold.id.0),
        };
        draft.reason(reason).told()
    }

    fn is_told(&self, name: &str, about: &str) -> bool {
        let id = Signal::id_of(name, about);
        self.view.learned.holds(Topic::Told, &id, "", Seconds(i64::MAX))
    }

    pub(super) fn claims_held_by<'h>(
        &self,
        holder: &'h Holder,
    ) -> impl Iterator<Item = &'a Claim> + use<'a, 'h> {
        let first = Claim {
            holder: holder.clone(),
            kind: Kind::Assignment,
            account: "".into(),
            entitlement: "".into(),
        };
        let from = self.claims.range(first..).map(|(claim, _)| claim);
        from.take_while(move |claim| claim.holder == *holder)
    }
}

/// What a broker gives, as it is learned.
fn brokered(claim: &Claim) -> String {
    format!("{}/{}/{}", claim.kind.name(), claim.account, claim.entitlement)
}

/// What a residue is about: the grant, and the access as it was given last.
pub(super) fn residue(id: &GrantId, claim: &Claim, made: &Deed) -> String {
    format!("{}/{claim}/{}", id.0, made.event)
}

/// The account that recorded a deed.
pub(super) fn account_of(deed: &Deed) -> &str {
    deed.event.split_once('/').map_or("", |(account, _)| account)
}
