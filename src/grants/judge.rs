//! Judges one act: looks for a grant that covers it, and for the nearest one if none does.
//!
//! Invariant: a verdict follows from the ledger's set, the settings and the act alone. What falls short in time and in
//! scope at once is no grant for this act, and its verdict is `none`.

use crate::grants::config::Config;
use crate::grants::grant::Grant;
use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::ledger::Held;
use crate::grants::ledger::Ledger;
use crate::grants::reason;
use crate::grants::scope;
use crate::grants::scope::Misfit;
use crate::grants::timeline::Ending;
use crate::grants::timeline::Kind;
use crate::grants::timeline::Spell;
use crate::grants::verdict::Act;
use crate::grants::verdict::Judgement;
use crate::grants::verdict::Verdict;
use crate::grants::who::Actor;
use crate::model::Confidence;
use crate::model::Seconds;
use crate::model::Span;

/// How many grants that are over, and how many to come, are looked at for the nearest under each key.
const MAX_OVER: usize = 8;
const MAX_AHEAD: usize = 4;

/// A grant that missed by less is nearer than one that holds and is about something else.
const NEAR: Span = Span(86_400);

/// Whether a grant covers before it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheduled {
    /// Only what was given covers.
    #[default]
    Waits,
    /// What is approved covers in its window, for sources that do not tell when they give.
    Covers,
}

impl Scheduled {
    /// Returns what `config` says.
    pub fn of(config: &Config) -> Self {
        match config.cover_scheduled {
            true => Self::Covers,
            false => Self::Waits,
        }
    }
}

/// How strictly to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How far the clocks of AWS and of a source may be apart; added at both ends of a window.
    pub skew: Span,
    /// Whether a grant covers before it is given.
    pub cover_scheduled: Scheduled,
}

impl Default for Settings {
    fn default() -> Self {
        Self { skew: Span(60), cover_scheduled: Scheduled::default() }
    }
}

/// Where an act lies in the time of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Inside,
    /// In the window of what is approved and not given.
    Promised,
    Before(Span),
    After(Span, Ending),
    /// It was never given: the state it is in, how long after that began, and how far outside of its window.
    Never(Status, Span, Span),
}

/// What one grant is to an act.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finding<'a> {
    pub held: &'a Held,
    pub version: &'a Version,
    pub sure: Confidence,
    pub misfit: Option<Misfit<'a>>,
    pub when: When,
    /// How long after the act it was approved, if it covers it since.
    pub approved_after: Option<Span>,
    /// Whether the session of the act began while the grant was given.
    pub is_of_session: bool,
}

impl Ledger {
    /// Returns whether a grant covered `act`, as of the act's own time.
    ///
    /// If none did, the judgement names the nearest grant and what kept it from covering, because that is the first
    /// question of whoever reads the alert.
    pub fn judge(&self, settings: &Settings, act: &Act<'_>) -> Judgement {
        let actor = Actor::of(act);
        let first = act.time.plus(Span(-settings.skew.0));
        let last = act.time.plus(settings.skew);
        let mut search = Search { ledger: self, settings, act, actor: &actor, best: None };
        let keys = actor.keys(self.index());
        let buckets = || keys.iter().filter_map(|key| self.index().get(*key));
        if let Some(place) = self.place_named(act.bound) {
            search.look_at(place);
        }
        for place in buckets().flat_map(|bucket| bucket.during(first, last)) {
            search.look_at(place);
            // Another one that covers as well says nothing more.
            if search.best.as_ref().is_some_and(|best| best.rank() == Rank::COVERED) {
                break;
            }
        }
        let is_covered = search.best.as_ref().is_some_and(Finding::covers);
        if !is_covered {
            for bucket in buckets() {
                for (reach, place) in bucket.over(first, last).take(MAX_OVER) {
                    if search.is_nearer_than(act.time.since(reach)) {
                        break;
                    }
                    search.look_at(place);
                }
                for (from, place) in bucket.ahead(last).take(MAX_AHEAD) {
                    if search.is_nearer_than(from.since(act.time)) {
                        break;
                    }
                    search.look_at(place);
                }
            }
        }
        match search.best {
            Some(finding) => finding.judgement(act, &actor),
            None => Judgement {
                verdict: Verdict::None,
                grant: None,
                reason: reason::nobody(act, &actor),
                outside: None,
                session_outlived: false,
                retroactive: false,
                confidence: actor.sure,
            },
        }
    }
}

/// The best finding so far.
struct Search<'s, 'a> {
    ledger: &'a Ledger,
    settings: &'s Settings,
    act: &'a Act<'a>,
    actor: &'s Actor<'a>,
    best: Option<Finding<'a>>,
}

impl<'a> Search<'_, 'a> {
    /// Returns whether nothing that lies `away` or further can be nearer than the best so far.
    fn is_nearer_than(&self, away: Span) -> bool {
        let age = self.act.session_started.map(|started| self.act.time.since(started));
        let may_be_of_session =
            age.is_some_and(|age| away.0 <= age.0.saturating_add(self.settings.skew.0));
        self.best.as_ref().is_some_and(|best| match best.rank() {
            Rank(0..=3, _) => true,
            Rank(4, by) => away.0 > by,
            _ if may_be_of_session => false,
            Rank(5, _) => true,
            Rank(6 | 8, by) => away.0 > by,
            Rank(7, _) => away > NEAR,
            Rank(..) => false,
        })
    }

    /// Takes the grant at `place` if it is nearer than the best so far.
    fn look_at(&mut self, place: u32) {
        let Some(held) = self.ledger.held(place) else { return };
        let mut given = None;
        let mut approved_after = None;
        for spell in &held.spells {
            let Some((version, _)) = held.grant.versions.get(spell.version) else { continue };
            let Some(finding) = self.find(held, version, self.when(spell)) else { continue };
            let is_claim = spell.kind == Kind::Afterwards && finding.when == When::Inside;
            if !is_claim {
                given = nearer(given, finding);
            } else if finding.misfit.is_none() && finding.sure != Confidence::Ambiguous {
                approved_after = Some(spell.effect.since(self.act.time));
                let before = When::Before(spell.effect.since(self.act.time));
                given = nearer(given, Finding { when: before, ..finding });
            }
        }
        if given.is_none() {
            given = self.never_given(held);
        }
        let Some(finding) = given else { return };
        // What nobody had spoken of then is no grant that had not begun: there was none.
        let is_news = approved_after.is_none() && held.grant.first_word() > self.act.time;
        if is_news && !finding.covers() {
            return;
        }
        self.best = nearer(self.best, Finding { approved_after, ..finding });
    }

    /// Finds what a grant that was never given is to the act, by its state as of then.
    fn never_given(&self, held: &'a Held) -> Option<Finding<'a>> {
        let state = held.grant.as_of(self.act.time).unwrap_or_else(|| held.grant.latest());
        // An end is told without saying again whose.
        let names_somebody = |version: &&Version| !version.principals.is_empty();
        let mut told = held.grant.versions.iter().rev().map(|(version, _)| version);
        let version = Some(state).filter(names_somebody).or_else(|| told.find(names_somebody))?;
        let (time, window) = (self.act.time, version.window);
        let outside = window.from.since(time).max(time.since(window.until)).max(Span(0));
        let when = When::Never(state.status, time.since(state.emitted_at), outside);
        self.find(held, version, when)
    }

    /// Finds what `version` is to the act by the best of its principals; `None` if it speaks of somebody else.
    fn find(&self, held: &'a Held, version: &'a Version, when: When) -> Option<Finding<'a>> {
        let mut best = None;
        let hits = version.principals.iter().filter_map(|it| self.actor.hit(version, it));
        for hit in self.actor.bound_by(version).into_iter().chain(hits) {
            let misfit = scope::misfit(version, self.act, self.actor, hit);
            let is_of_session = began_inside(held, self.settings, self.act.session_started);
            let (sure, approved_after) = (hit.sure, None);
            let found =
                Finding { held, version, sure, misfit, when, approved_after, is_of_session };
            best = nearer(best, found);
        }
        best
    }

    fn when(&self, spell: &Spell) -> When {
        let (time, skew) = (self.act.time, self.settings.skew);
        if time.plus(skew) < spell.from {
            return When::Before(spell.from.since(time));
        }
        let is_promise =
            spell.kind == Kind::Promised && self.settings.cover_scheduled == Scheduled::Waits;
        match time < spell.until.plus(skew) {
            true if is_promise => When::Promised,
            true => When::Inside,
            false if is_promise => {
                let (effect, until) = (time.since(spell.effect), time.since(spell.until));
                When::Never(Status::Approved, effect, until)
            }
            false => When::After(time.since(spell.until), spell.ending),
        }
    }
}

/// How near a finding is, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u8, i64);

impl Rank {
    const COVERED: Self = Self(0, 0);
}

fn nearer<'a>(best: Option<Finding<'a>>, other: Finding<'a>) -> Option<Finding<'a>> {
    let Some(best) = best else { return Some(other) };
    let order = other.rank().cmp(&best.rank());
    let order = order.then_with(|| other.grant().id().cmp(best.grant().id()));
    Some(if order.is_lt() { other } else { best })
}

impl<'a> Finding<'a> {
    pub fn grant(&self) -> &'a Grant {
        &self.held.grant
    }

    fn covers(&self) -> bool {
        let is_sure = self.sure != Confidence::Ambiguous;
        self.when == When::Inside && self.misfit.is_none() && is_sure
    }

    fn rank(&self) -> Rank {
        let by = match self.when {
            When::Inside | When::Promised => 0,
            When::Before(by) | When::After(by, _) => by.0,
            When::Never(_, _, outside) => NEAR.0.saturating_add(outside.0),
        };
        match (self.misfit, self.when) {
            _ if self.covers() && !self.version.break_glass => Rank::COVERED,
            _ if self.covers() => Rank(1, 0),
            (None, When::Inside) => Rank(2, 0),
            (None, _) if self.approved_after.is_some() => Rank(3, by),
            // The session lives from this one, whatever else is near.
            (None, When::After(..)) if self.is_of_session => Rank(4, by),
            (Some(misfit), When::Inside) if self.is_of_session && misfit.is_within_reach() => {
                Rank(5, -(misfit.dimension() as i64))
            }
            (None, _) if by <= NEAR.0 => Rank(6, by),
            (Some(misfit), When::Inside) => Rank(7, -(misfit.dimension() as i64)),
            (None, _) => Rank(8, by),
            (Some(_), _) => Rank(9, by),
        }
    }

    fn judgement(&self, act: &Act<'_>, actor: &Actor<'_>) -> Judgement {
        let is_after = self.misfit.is_none() && matches!(self.when, When::After(..));
        Judgement {
            verdict: self.verdict(),
            grant: Some(self.grant().id().clone()),
            reason: reason::of(self, act, actor),
            outside: match self.when {
                When::Before(by) | When::After(by, _) => Some(by),
                When::Inside | When::Promised | When::Never(..) => None,
            },
            session_outlived: is_after && self.is_of_session,
            retroactive: self.approved_after.is_some(),
            confidence: self.sure,
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.misfit, self.when) {
            (None, When::Inside) if self.sure == Confidence::Ambiguous => Verdict::None,
            (None, When::Inside) => Verdict::Covered,
            (Some(misfit), When::Inside) => Verdict::OutOfScope(misfit.dimension()),
            (None, When::Promised | When::Before(_)) => Verdict::NotStarted,
            (None, When::After(_, Ending::Taken)) => Verdict::Revoked,
            (None, When::After(..)) => Verdict::Expired,
            (None, When::Never(Status::Revoked, ..)) => Verdict::Revoked,
            (None, When::Never(..)) | (Some(_), _) => Verdict::None,
        }
    }
}

/// Returns whether a session that began at `started` began while the grant was given.
fn began_inside(held: &Held, settings: &Settings, started: Option<Seconds>) -> bool {
    let mut given = held.spells.iter().filter(|spell| spell.kind == Kind::Given);
    started.is_some_and(|started| {
        given.any(|spell| started.plus(settings.skew) >= spell.from && started < spell.until)
    })
}
