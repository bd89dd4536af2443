//! Acts on the protect surface: what the grants say of them, and which of them wait for grants that are late.
//!
//! A broker's message may come after the act that it covers, so an act that no grant covers is told of only once the
//! watermark has passed its time by the grace, and is judged anew then. What waits is kept in the store. A covered act
//! waits for nothing.
//!
//! Invariant: an act beside the surface costs one lookup and no memory. Nothing waits where all grants were known
//! before the first record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
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
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::Slots;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::model::action_of;
use crate::pipeline::schema;
use crate::pipeline::settings::Grants;
use crate::pipeline::settings::Settings;
use crate::pipeline::table;
use crate::pipeline::table::HeldRow;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many kinds of calls are remembered; AWS has some twenty thousand, an organisation makes some hundreds.
const MAX_CALLS: usize = 16_384;
/// How many sessions are remembered; when they are that many all are asked anew.
const MAX_SESSIONS: usize = 16_384;
/// What may wait for late grants, in bytes. Beyond, the oldest are judged by what is known.
const MAX_WAITING_BYTES: usize = 32 << 20;

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

/// A verdict as `scan --verdicts` prints it.
#[derive(Debug, Serialize)]
pub struct Finding<'a> {
    time: String,
    event_id: String,
    identity: &'a str,
    account: &'a str,
    region: &'a str,
    action: &'a str,
    resources: &'a [&'a str],
    outcome: &'a str,
    entry: &'a str,
    access_level: &'a str,
    verdict: Option<&'a str>,
    dimension: Option<&'a str>,
    grant: Option<&'a str>,
    reason: Option<&'a str>,
    seconds_outside: Option<i64>,
    confidence: &'a str,
}

/// Who is told of every verdict.
pub type Witness = Box<dyn FnMut(&Finding<'_>) + Send>;

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

/// An act that waits.
#[derive(Debug)]
pub(super) struct Held {
    time: Seconds,
    record: String,
    slots: Slots,
    session: Option<Arc<Facts>>,
    /// Its own facts, but those about grants.
    facts: Facts,
    /// Where it was read.
    pub(super) object: String,
}

impl Held {
    fn bytes(&self) -> usize {
        self.record.len() + size_of::<Self>() + 1_024
    }

    /// Returns the act as an event.
    pub(super) fn event(&self) -> Event<'_> {
        Event {
            time: self.time,
            record: Record::Trail(TrailRecord::new(&self.record, &self.slots)),
            session: self.session.clone(),
            facts: self.facts.clone(),
        }
    }
}

type Key = (Seconds, String);

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
    waiting: BTreeMap<Key, Held>,
    waiting_bytes: usize,
    /// Of what waits, what the store lacks.
    unsaved: BTreeSet<Key>,
    /// What the store has and nobody waits for any more.
    settled: Vec<Key>,
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
            grants: settings.grants_are,
            grace: config.grace.span(),
            ledger: Ledger::default(),
            given: Given::default(),
            calls: HashMap::new(),
            sessions: HashMap::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            unsaved: BTreeSet::new(),
            settled: Vec::new(),
            witness: None,
        };
        protect.ledger.load(connection)?;
        for grant in protect.ledger.iter() {
            for (version, _) in grant.versions() {
                protect.given.note(version);
            }
        }
        let rows = table::held(connection, &schema::fields()).map_err(StoreError::Read)?;
        for HeldRow { time, event_id, record, facts, object } in rows {
            let slots = Slots::of(&record).unwrap_or_default();
            let held = Held { time, record, slots, session: None, facts, object };
            protect.wait((time, event_id), held);
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
        let standing = match is_open && self.grants == Grants::Arriving {
            true => Standing::Waits,
            false => Standing::Judged,
        };
        if standing == Standing::Waits {
            let (text, slots) = record.detached();
            let (session, own) = (event.session.clone(), event.facts.clone());
            let object = object.to_owned();
            let held = Held { time: event.time, record: text, slots, session, facts: own, object };
            let key = (event.time, event.id());
            self.unsaved.insert(key.clone());
            self.wait(key, held);
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
        let act = told.act(event, action, &resources);
        let of_given = || self.given.holds(&act).then(|| self.surface.of_given(&act)).flatten();
        let wanted = self.surface.entry(&act).or_else(of_given)?;
        let judged = self.judged(&act, &wanted);
        let grant = judged.as_ref().and_then(|judged| self.ledger.get(judged.grant.as_ref()?));
        let version = grant.map(|grant| grant.as_of(event.time).unwrap_or(grant.latest()));
        let facts = grants::facts(&act, &wanted, judged.as_ref(), version);
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
        let Some(witness) = &mut self.witness else { return };
        let known = |name| Some(text(event, name)).filter(|text| !text.is_empty());
        let resources: Vec<&str> = match event.fact("gw.resources") {
            Some(Fact::Texts(texts)) => texts.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let slot = |slot| match &event.record {
            Record::Trail(record) => record.slot_or_empty(slot),
            Record::Flow(_) => Cow::Borrowed(""),
        };
        witness(&Finding {
            time: event.time.to_string(),
            event_id: event.id(),
            identity: text(event, "gw.identity.name"),
            account: &slot(Slot::RecipientAccountId),
            region: &slot(Slot::AwsRegion),
            action: text(event, "gw.action"),
            resources: &resources,
            outcome: text(event, "gw.outcome"),
            entry: text(event, "gw.grant.entry"),
            access_level: text(event, "gw.access_level"),
            verdict: known("gw.grant.verdict"),
            dimension: known("gw.grant.dimension"),
            grant: known("gw.grant.id"),
            reason: known("gw.grant.reason"),
            seconds_outside: match event.fact("gw.grant.seconds_outside") {
                Some(Fact::Whole(seconds)) => Some(*seconds),
                _ => None,
            },
            confidence: text(event, "gw.grant.confidence"),
        });
    }

    fn wait(&mut self, key: Key, held: Held) {
        self.waiting_bytes += held.bytes();
        if let Some(replaced) = self.waiting.insert(key, held) {
            self.waiting_bytes -= replaced.bytes();
        }
    }

    /// Returns the next act for which time has come, in the order of event time.
    pub(super) fn due(&mut self, watermark: Seconds) -> Option<Held> {
        let first = self.waiting.first_entry()?;
        let is_due = first.key().0.plus(self.grace) <= watermark;
        if !is_due && self.waiting_bytes <= MAX_WAITING_BYTES {
            return None;
        }
        let (key, held) = first.remove_entry();
        self.waiting_bytes -= held.bytes();
        if !self.unsaved.remove(&key) {
            self.settled.push(key);
        }
        Some(held)
    }

    /// Writes what was learned and what began or ceased to wait since the last save.
    pub(super) fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.ledger.save(tx)?;
        for (time, event_id) in self.settled.drain(..) {
            table::drop_held(tx, time, &event_id).map_err(|error| tx.failed(error))?;
        }
        for key in std::mem::take(&mut self.unsaved) {
            let Some(held) = self.waiting.get(&key) else { continue };
            let mut facts = Facts::default();
            held.event().all_facts().for_each(|(name, fact)| facts.set(name, fact.clone()));
            let row = HeldRow {
                time: held.time,
                event_id: key.1,
                record: held.record.clone(),
                facts,
                object: held.object.clone(),
            };
            table::insert_held(tx, &row).map_err(|error| tx.failed(error))?;
        }
        Ok(())
    }
}

fn text<'e>(event: &'e Event<'_>, name: &str) -> &'e str {
    match event.fact(name) {
        Some(Fact::Text(text)) => text,
        _ => "",
    }
}

/// What an act needs of its record.
struct Told<'r> {
    account: Cow<'r, str>,
    region: Cow<'r, str>,
    address: Cow<'r, str>,
    delegate: Cow<'r, str>,
    started: Option<Seconds>,
    resources: SmallVec<[String; 2]>,
}

impl<'r> Told<'r> {
    fn of(event: &Event<'_>, record: &TrailRecord<'r>, action: &str) -> Self {
        Self {
            account: record.slot_or_empty(Slot::RecipientAccountId),
            region: record.slot_or_empty(Slot::AwsRegion),
            address: record.slot_or_empty(Slot::SourceIpAddress),
            delegate: record.text("userIdentity.invokedByDelegate.accountId").unwrap_or_default(),
            started: Seconds::parse(text(event, "gw.session.started")),
            resources: grants::resources(record, action),
        }
    }

    fn act<'a>(
        &'a self,
        event: &'a Event<'_>,
        action: &'a str,
        resources: &'a [&'a str],
    ) -> Act<'a> {
        let flag = |name| event.fact(name) == Some(&Fact::Flag(true));
        Act {
            time: event.time,
            identity: text(event, "gw.identity.name"),
            origin: text(event, "gw.identity.origin"),
            user_id: text(event, "gw.session.on_behalf_of"),
            source_identity: text(event, "gw.session.source_identity"),
            account: &self.account,
            caller_account: text(event, "gw.identity.account"),
            role_arn: text(event, "gw.session.role_arn"),
            permission_set: text(event, "gw.session.permission_set"),
            session_name: text(event, "gw.session.name"),
            chain: match event.fact("gw.session.chain") {
                Some(Fact::Texts(chain)) => chain,
                _ => &[],
            },
            action,
            resources,
            region: &self.region,
            address: self.address.parse().ok(),
            session_started: self.started,
            confidence: text(event, "gw.identity.confidence"),
            by_service: flag("gw.by_service"),
            provisioner: flag("gw.provisioner"),
            broker: flag("gw.broker"),
            groups: &[],
            delegate: &self.delegate,
            mfa: match event.fact("gw.session.mfa") {
                Some(Fact::Flag(mfa)) => Some(*mfa),
                _ => None,
            },
        }
    }
}
