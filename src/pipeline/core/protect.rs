//! Acts on the protect surface: what the grants say of them, and which of them wait for grants that are late.
//!
//! A broker's message may come after the act that it covers, so an act that no grant covers is told of only once the
//! watermark has passed its time by the grace, and is judged anew then. What waits is kept in the store. A covered act
//! waits for nothing, unless what covers it is what other records told.
//!
//! Invariant: an act beside the surface costs one lookup and no memory. Nothing waits where all grants were known
//! before the first record.

mod act;
mod finding;
mod trail;
mod waiting;

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::grants;
use crate::grants::Act;
use crate::grants::Applied;
use crate::grants::By;
use crate::grants::Confidence;
use crate::grants::Evidence;
use crate::grants::Given;
use crate::grants::Judgement;
use crate::grants::Ledger;
use crate::grants::Scheduled;
use crate::grants::Surface;
use crate::grants::Verdict;
use crate::grants::Version;
use crate::grants::Wanted;
use crate::grants::Whose;
use crate::grants::trail::Trail;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::model::action_of;
use crate::pipeline::core::protect::act::Told;
use crate::pipeline::core::protect::act::text;
use crate::pipeline::core::protect::waiting::Waiting;
use crate::pipeline::settings::Grants;
use crate::pipeline::settings::Settings;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many kinds of calls are remembered; AWS has some twenty thousand, an organisation makes some hundreds.
const MAX_CALLS: usize = 16_384;
/// How many sessions are remembered; when they are that many all are asked anew.
const MAX_SESSIONS: usize = 16_384;
pub use finding::Finding;
pub use finding::Witness;
pub(super) use waiting::Held;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is not on the surface.
    Beside,
    /// Its facts are final.
    Judged,
    /// No grant covers it yet.
    Waits,
}

/// A kind of call that may want a grant.
#[derive(Debug, Clone)]
struct Call {
    action: Arc<str>,
    /// Whose calls an entry may mean.
    whose: Whose,
    /// Whether it wants a grant where it is done with something that grants give.
    if_given: bool,
}

/// What is known of a session.
#[derive(Debug, Clone, Copy)]
struct Session {
    by: By,
    /// Whether it uses what grants give where it acts.
    is_given: bool,
}

/// Grants, the surface, and what waits.
pub(super) struct Protect {
    surface: Surface,
    judging: grants::Settings,
    grants: Grants,
    grace: Span,
    ledger: Ledger,
    given: Given,
    calls: HashMap<u64, Option<Call>>,
    /// What is known of a session, by the address of its facts, which are kept so that it stays theirs.
    sessions: HashMap<usize, (Arc<Facts>, Session)>,
    waiting: Waiting,
    /// What records themselves tell of grants.
    trail: Trail,
    witness: Option<Witness>,
}

impl Protect {
    /// Makes the state of the last commit.
    pub(super) fn load(settings: &Settings, connection: &Connection) -> Result<Self, StoreError> {
        let config = &settings.grants;
        let mut protect = Self {
            surface: Surface::new(config),
            judging: grants::Settings {
                skew: config.skew.span(),
                cover_scheduled: match config.cover_scheduled {
                    true => Scheduled::Covers,
                    false => Scheduled::Waits,
                },
            },
            // What the records tell is never known before them.
            grants: if config.from_cloudtrail { Grants::Arriving } else { settings.grants_are },
            grace: config.grace.span(),
            ledger: Ledger::default(),
            given: Given::default(),
            calls: HashMap::new(),
            sessions: HashMap::new(),
            waiting: Waiting::load(connection)?,
            trail: Trail::load(config, connection)?,
            witness: None,
        };
        protect.ledger.load(connection)?;
        for grant in protect.ledger.iter() {
            for (version, _) in grant.versions() {
                protect.given.note(version);
            }
        }
        Ok(protect)
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
        self.ledger.apply(version, evidence)
    }

    /// Returns whether acts are judged at all: somebody reads grants here.
    fn is_on(&self) -> bool {
        self.grants != Grants::Unread || !self.ledger.is_empty()
    }

    /// Returns the action of `record` if it may be on the surface.
    pub(super) fn action(
        &mut self,
        record: &TrailRecord<'_>,
        session: &Arc<Facts>,
    ) -> Option<Arc<str>> {
        if !self.is_on() {
            return None;
        }
        let source = record.slot_raw(Slot::EventSource).unwrap_or_default();
        let name = record.slot_raw(Slot::EventName).unwrap_or_default();
        let key = xxh3_64_with_seed(name.as_bytes(), xxh3_64(source.as_bytes()));
        let call = match self.calls.get(&key) {
            Some(None) => return None,
            Some(Some(call)) => call.clone(),
            None => {
                let call = self.call(record);
                if self.calls.len() < MAX_CALLS {
                    self.calls.insert(key, call.clone());
                }
                call?
            }
        };
        let Session { by, is_given } = self.session(record, session);
        (call.whose.holds(by) || call.if_given && is_given).then_some(call.action)
    }

    fn call(&self, record: &TrailRecord<'_>) -> Option<Call> {
        let slot = |slot| record.slot_or_empty(slot);
        let action = action_of(&slot(Slot::EventSource), &slot(Slot::EventName));
        let whose = self.surface.whose(&action);
        let if_given = self.surface.means_of_given(&action);
        let may_want = if_given || !whose.is_empty();
        may_want.then(|| Call { action: action.into(), whose, if_given })
    }

    fn session(&mut self, record: &TrailRecord<'_>, session: &Arc<Facts>) -> Session {
        let address = Arc::as_ptr(session).addr();
        if let Some((_, known)) = self.sessions.get(&address) {
            return *known;
        }
        if self.sessions.len() >= MAX_SESSIONS {
            self.sessions.clear();
        }
        let text = |name| match session.get(name) {
            Some(Fact::Text(text)) => text.as_str(),
            _ => "",
        };
        let account = record.slot_or_empty(Slot::RecipientAccountId);
        let act = Act {
            account: &account,
            permission_set: text("gw.session.permission_set"),
            role_arn: text("gw.session.role_arn"),
            ..Act::default()
        };
        let by = By::of(text("gw.identity.name"));
        let known = Session { by, is_given: self.given.holds(&act) };
        self.sessions.insert(address, (Arc::clone(session), known));
        known
    }

    /// Judges an act that may be on the surface and sets its facts; if no grant covers it, it may have to wait.
    pub(super) fn judge(&mut self, event: &mut Event<'_>, action: &str, object: &str) -> Standing {
        let Record::Trail(record) = event.record else { return Standing::Beside };
        let Some((facts, verdict)) = self.facts(event, &record, action) else {
            return Standing::Beside;
        };
        let is_open = !matches!(verdict, None | Some(Verdict::Covered | Verdict::Exempt(_)));
        let may_change = is_open || self.rests_on_records(&facts);
        let standing = match may_change && self.grants == Grants::Arriving {
            true => Standing::Waits,
            false => Standing::Judged,
        };
        if standing == Standing::Waits {
            self.waiting.hold(event.id(), Held::of(event, &record, object));
        }
        facts.iter().for_each(|(name, fact)| event.facts.set(name, fact.clone()));
        if standing == Standing::Judged {
            self.say(event);
        }
        standing
    }

    /// Judges an act that has waited.
    pub(super) fn judge_finally(&mut self, event: &mut Event<'_>) -> Standing {
        let Record::Trail(record) = event.record else { return Standing::Beside };
        let action = text(event, "gw.action").to_owned();
        // A changed configuration may have taken it off the surface.
        let Some((facts, _)) = self.facts(event, &record, &action) else {
            return Standing::Beside;
        };
        facts.iter().for_each(|(name, fact)| event.facts.set(name, fact.clone()));
        self.say(event);
        Standing::Judged
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

    fn say(&mut self, event: &Event<'_>) {
        if let Some(witness) = &mut self.witness {
            finding::told(event, witness);
        }
    }

    /// Returns the next act for which time has come, in the order of event time.
    pub(super) fn due(&mut self, watermark: Seconds) -> Option<Held> {
        self.waiting.due(watermark, self.grace)
    }

    /// Writes what was learned and what began or ceased to wait since the last save.
    pub(super) fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.ledger.save(tx)?;
        self.trail.save(tx)?;
        self.waiting.save(tx)
    }
}
