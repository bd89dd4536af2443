//! Acts on the protect surface: what the grants say of them, and which of them wait for grants that are late.
//!
//! A broker's message may come after the act that it covers, so an act that no grant covers is told of only once the
//! watermark has passed its time by the grace, and is judged anew then. What waits is kept in the store. A covered act
//! waits for nothing, unless what covers it is what other records told. What was judged is kept for a while, and judged
//! anew when word of a grant comes later still.
//!
//! Invariant: an act beside the surface costs one lookup and no memory. Nothing waits where all grants were known
//! before the first record.

mod act;
mod claims;
mod finding;
mod judged;
mod keep;
mod meaning;
mod tags;
mod trail;
mod used;
mod waiting;

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::grants;
use crate::grants::Act;
use crate::grants::Applied;
use crate::grants::Claims;
use crate::grants::Evidence;
use crate::grants::Given;
use crate::grants::Judgement;
use crate::grants::Ledger;
use crate::grants::Scheduled;
use crate::grants::Surface;
use crate::grants::Tags;
use crate::grants::Usage;
use crate::grants::Verdict;
use crate::grants::Version;
use crate::grants::Wanted;
use crate::grants::trail::Trail;
use crate::iam::State;
use crate::iam::standing::uses::Seen;
use crate::identity::Registry;
use crate::model::Confidence;
use crate::model::Event;
use crate::model::Facts;
use crate::model::Plain;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::pipeline::core::protect::act::Told;
use crate::pipeline::core::protect::judged::Counted;
use crate::pipeline::core::protect::judged::Judged;
use crate::pipeline::core::protect::keep::id_of;
use crate::pipeline::core::protect::meaning::Call;
use crate::pipeline::core::protect::meaning::Session;
use crate::pipeline::core::protect::waiting::Waiting;
use crate::pipeline::settings::Grants;
use crate::pipeline::settings::Settings;
use crate::pipeline::standing;
use crate::pipeline::standing::Agreed;
use crate::rules::Rules;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

pub(super) use act::text;
pub use finding::Finding;
pub use finding::Witness;
pub(super) use judged::Found;
pub(super) use judged::Telling;
pub(super) use keep::texts;
pub(super) use meaning::Meaning;
pub(super) use waiting::ActId;
pub(super) use waiting::Held;
pub(super) use waiting::Stored;

/// What became of a record.
#[derive(Debug, PartialEq)]
pub(super) enum Standing {
    /// It is not on the surface.
    Beside,
    /// Its facts are those of now; what was found, if a grant may change it.
    Judged(Option<Found>),
    /// No grant covers it yet.
    Waits,
}

/// Grants, the surface, and what waits.
pub(super) struct Protect {
    surface: Surface,
    judging: grants::Settings,
    grants: Grants,
    grace: Span,
    /// How long after a session began word of its issue may still come.
    settling: Span,
    ledger: Ledger,
    given: Given,
    claims: Claims,
    calls: HashMap<u64, Call, Plain>,
    /// What is known of a session, by the address of its facts, which are kept so that it stays theirs.
    sessions: HashMap<u64, (Arc<Facts>, Session), Plain>,
    waiting: Waiting,
    judged: Judged,
    pub(super) usage: Usage,
    /// What records themselves tell of grants.
    trail: Trail,
    /// What records tell of the tags of resources.
    tags: Tags,
    witness: Option<Witness>,
}

impl Protect {
    /// Makes the state of the last commit.
    pub(super) fn load(
        settings: &Settings,
        connection: &Connection,
        (registry, watermark): (&Registry, Seconds),
    ) -> Result<Self, StoreError> {
        let config = &settings.grants;
        let mut ledger = Ledger::default();
        ledger.load(connection)?;
        let claims = Claims::load(claims::timing(settings), connection, &ledger, watermark)?;
        let tags = Tags::load(config, connection)?;
        // What the records tell is never known before them.
        let from_records =
            config.from_cloudtrail || tags.is_asked() && settings.grants_are != Grants::Unread;
        let mut protect = Self {
            surface: Surface::new(config),
            judging: grants::Settings {
                skew: config.skew.span(),
                cover_scheduled: Scheduled::of(config),
            },
            grants: if from_records { Grants::Arriving } else { settings.grants_are },
            grace: config.grace.span(),
            settling: Span(config.grace.span().0.saturating_add(settings.allowed_lateness.0)),
            usage: Usage::load(config, &ledger, connection, watermark)?,
            ledger,
            given: Given::default(),
            claims,
            calls: HashMap::default(),
            sessions: HashMap::default(),
            waiting: Waiting::default(),
            judged: Judged::new(config.revise_for.span()),
            trail: Trail::load(config, connection)?,
            tags,
            witness: None,
        };
        protect.load_acts(connection, registry)?;
        for grant in protect.ledger.iter() {
            for (version, _) in grant.versions() {
                protect.given.note(version);
            }
        }
        Ok(protect)
    }

    /// Returns what grants tell of people and of assignments, for an inventory of `state` as of `now`.
    pub(super) fn said(&self, state: &State, now: Seconds) -> Seen {
        standing::said(&self.ledger, state, now)
    }

    /// Returns what is protected, and which assignments a grant ends at `now`.
    pub(super) fn agreed(&self, now: Seconds) -> Agreed<'_> {
        Agreed { surface: &self.surface, ledger: &self.ledger, now }
    }

    /// Returns what is protected.
    pub(super) fn surface(&self) -> &Surface {
        &self.surface
    }

    /// Tells `witness` of every verdict from now on.
    pub(super) fn tell(&mut self, witness: Witness) {
        self.witness = Some(witness);
    }

    /// Takes in what was said of a grant.
    pub(super) fn learn(&mut self, version: Version, evidence: Evidence) -> Applied {
        if self.given.note(&version) {
            self.sessions.clear();
        }
        let id = version.id.clone();
        let applied = self.ledger.apply(version, evidence);
        self.claims.heard(&self.ledger, &id);
        if applied != Applied::Duplicate {
            self.judged.doubt(self.ledger.keys(&id));
        }
        self.usage.learned(&self.ledger, &id);
        applied
    }

    /// Returns whether acts are judged at all: somebody reads grants here.
    fn is_on(&self) -> bool {
        self.grants != Grants::Unread || !self.ledger.is_empty()
    }

    /// Judges an act that may be on the surface and sets its facts; if no grant covers it, it may have to wait.
    pub(super) fn judge(&mut self, event: &mut Event<'_>, action: &str, object: &str) -> Standing {
        let Record::Trail(record) = event.record else { return Standing::Beside };
        let Some((facts, verdict)) = self.facts(event, &record, action) else {
            let may_be_meant =
                self.may_be_a_persons(event, action) || self.may_be_tagged(event, &record, action);
            match may_be_meant {
                true => self.waiting.hold(id_of(event), Held::of(event, &record, object)),
                false => self.beside(event, &record, action, object),
            }
            return Standing::Beside;
        };
        let is_open = verdict.as_ref().is_some_and(Verdict::is_open);
        let may_change =
            is_open || self.rests_on_records(&facts) || self.hangs_on_tags(event, &record, action);
        let waits = may_change && self.grants == Grants::Arriving;
        if waits {
            self.waiting.hold(id_of(event), Held::of(event, &record, object));
        }
        facts.iter().for_each(|(name, fact)| event.facts.set(name, fact.clone()));
        if waits {
            return Standing::Waits;
        }
        let counted = self.say(event);
        let found = self.found(&facts, verdict.as_ref());
        Standing::Judged(found.map(|found| Found { counted, ..found }))
    }

    /// Judges an act that has waited, or was judged before.
    pub(super) fn judge_again(&self, event: &mut Event<'_>) -> Standing {
        let Record::Trail(record) = event.record else { return Standing::Beside };
        let action = text(event, "gw.action").to_owned();
        // A changed configuration may have taken it off the surface.
        let Some((facts, verdict)) = self.facts(event, &record, &action) else {
            return Standing::Beside;
        };
        facts.iter().for_each(|(name, fact)| event.facts.set(name, fact.clone()));
        Standing::Judged(self.found(&facts, verdict.as_ref()))
    }

    /// Returns what was found, if acts are kept and word of a grant may change it.
    fn found(&self, facts: &Facts, verdict: Option<&Verdict>) -> Option<Found> {
        verdict.filter(|verdict| !matches!(verdict, Verdict::Exempt(_)))?;
        let keeps = self.grants == Grants::Arriving;
        keeps.then(|| Found::of(facts))
    }

    /// Returns what the grants say of an act; nothing if it is not on the surface.
    fn facts(
        &self,
        event: &Event<'_>,
        record: &TrailRecord<'_>,
        action: &str,
    ) -> Option<(Facts, Option<Verdict>)> {
        let told = Told::of(event, record, action);
        let resources: SmallVec<[&str; 2]> = told.resources.iter().map(String::as_str).collect();
        let mut act = told.act(event, action, &resources);
        let key = text(event, "gw.session.key");
        act.bound = self.bound(key);
        let tags = self.tags_of(&act);
        act.resource_tags = &tags;
        let groups = self.groups(&act);
        act.groups = &groups;
        let of_given = || self.given.holds(&act).then(|| self.surface.of_given(&act)).flatten();
        let wanted = self.surface.entry(&act).or_else(of_given)?;
        let judged = self.judged(&act, &wanted).map(|judged| self.with_naming(judged, key));
        let grant = judged.as_ref().and_then(|judged| self.ledger.get(judged.grant.as_ref()?));
        let version = grant.map(|grant| grant.as_of(event.time).unwrap_or(grant.latest()));
        let mut facts = grants::facts(&act, &wanted, judged.as_ref(), version);
        self.session_facts(&act, key, &mut facts);
        Some((facts, judged.map(|judged| judged.verdict)))
    }

    fn judged(&self, act: &Act<'_>, wanted: &Wanted<'_>) -> Option<Judgement> {
        if let Some(exempt) = wanted.exempt {
            return Some(Judgement {
                verdict: Verdict::Exempt(exempt.into()),
                grant: None,
                reason: format!("exempt: {exempt}"),
                outside: None,
                session_outlived: false,
                retroactive: false,
                confidence: Confidence::named(act.confidence),
            });
        }
        wanted.wants_grant.then(|| self.ledger.judge(&self.judging, act))
    }

    /// Tells the witness of a verdict; returns which grant the act counts to.
    pub(super) fn say(&mut self, event: &Event<'_>) -> Counted {
        let counted = self.counted(event);
        if let Some(witness) = &mut self.witness {
            finding::told(event, witness);
        }
        counted
    }

    /// Returns the next act for which time has come, in the order of event time.
    pub(super) fn due(&mut self, watermark: Seconds) -> Option<(ActId, Held, Stored)> {
        self.waiting.due(watermark, self.grace)
    }

    /// Writes what was learned and what began or ceased to wait since the last save.
    pub(super) fn save(&mut self, tx: &Tx<'_>, watermark: Seconds) -> Result<(), StoreError> {
        self.ledger.save(tx)?;
        self.trail.save(tx)?;
        self.tags.save(tx)?;
        self.claims.save(tx, watermark)?;
        self.save_acts(tx)
    }
}

/// Returns the rules about verdicts that match an event whose verdict is final, and those about changes of policies that
/// match one, whatever its verdict.
pub(super) fn of_verdicts<'r>(
    rules: &'r Rules,
    event: &'r Event<'_>,
    standing: &Standing,
) -> impl Iterator<Item = u32> + 'r {
    let asked = match standing {
        Standing::Judged(_) => rules.of_verdicts(),
        Standing::Beside | Standing::Waits => &[],
    };
    let changed = match event.fact("gw.policy.target") {
        Some(_) => rules.of_policies(),
        None => &[],
    };
    asked.iter().chain(changed).copied().filter(|rule| rules.matches(*rule, event))
}
