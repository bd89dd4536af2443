//! The registry: sessions in memory, a cache of the store, and the facts made of them.
//!
//! Nearly every record belongs to a session that was asked for before, so the answer is kept under a hash of what
//! it was made from and dropped when something it depends on is learned.
//!
//! Invariant: memory is bounded by `max_sessions` and the memo's own limit; nothing iterates a hash map into an answer.

use std::collections::BTreeSet;
use std::collections::HashSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::identity::caller::Caller;
use crate::identity::config::Config;
use crate::identity::facts::event_facts;
use crate::identity::facts::session_facts;
use crate::identity::issue;
use crate::identity::issue::Issue;
use crate::identity::known::Known;
use crate::identity::known::Named;
use crate::identity::known::Taker;
use crate::identity::known::recipient;
use crate::identity::lineage::join_mark;
use crate::identity::lineage::mark;
use crate::identity::lineage::trace;
use crate::identity::memo::Memo;
use crate::identity::party::Arn;
use crate::identity::session::Issuer;
use crate::identity::sessions::Sessions;
use crate::identity::table;
use crate::model::Facts;
use crate::model::Plain;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::model::json;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How long a session is kept past its end: a session issued from it may live twelve hours more.
const MARGIN: Span = Span(13 * 3_600);

/// How many marks of what was learned are kept for whoever asks.
const MAX_LEARNED: usize = 1 << 18;

/// Who is behind each session.
pub struct Registry {
    config: Config,
    sessions: Sessions,
    known: Known,
    memo: Memo,
    /// Hashes of raw (role, service) pairs that were learned, so that the same is not read again.
    seen_takers: HashSet<u64, Plain>,
    /// Hashes of the raw accounts that records were written for.
    seen_accounts: HashSet<u64, Plain>,
    dirty: Dirty,
    dropped: u64,
    forgotten: Seconds,
    /// Identity Center users whose names were learned for certain and not asked for yet.
    named: Vec<(Box<str>, Box<str>)>,
    /// Marks of what was learned and not asked for yet.
    learned: Vec<u64>,
}

/// What a record's identity and all that is known give.
struct Answer {
    facts: Facts,
    /// What it depends on.
    touched: Vec<u64>,
    /// The name of an Identity Center user that shows on the way.
    named: Option<(Box<str>, Named)>,
}

/// What the store lacks.
#[derive(Default)]
struct Dirty {
    sessions: BTreeSet<Box<str>>,
    people: BTreeSet<Box<str>>,
    takers: BTreeSet<Box<str>>,
    accounts: BTreeSet<Box<str>>,
    /// Sessions dropped from memory for want of room.
    gone: BTreeSet<Box<str>>,
}

impl Registry {
    /// Makes a registry that knows nobody.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            sessions: Sessions::default(),
            known: with_configured(Known::default(), config),
            memo: Memo::default(),
            seen_takers: HashSet::default(),
            seen_accounts: HashSet::default(),
            dirty: Dirty::default(),
            dropped: 0,
            forgotten: Seconds(i64::MIN),
            named: Vec::new(),
            learned: Vec::new(),
        }
    }

    /// Loads what earlier runs learned.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.known = with_configured(table::known(connection)?, &self.config);
        let certain = self.known.people.iter().filter(|(_, named)| named.is_exact());
        self.named = certain.map(|(id, named)| (id.clone(), named.name.clone())).collect();
        for (key, session) in table::sessions(connection, self.config.max_sessions)? {
            self.sessions.insert(key, session);
        }
        self.memo = Memo::default();
        Ok(())
    }

    /// Learns what `record` teaches: the session it issued, the name it shows, whose log it stands in. Called first
    /// for every record of a delivery.
    pub fn learn(&mut self, record: &TrailRecord<'_>) {
        self.learn_account(record);
        if let Some((id, named)) = self.known.shown_by(record) {
            self.learn_name(id, named);
        }
        let Some(issuer) = issue::issuer(record) else { return };
        if issuer == Issuer::AssumeRole
            && let Some((role, service)) = issue::taken_by_service(record)
        {
            self.learn_service(role, service);
            return;
        }
        let session_max = self.config.session_max.span();
        if let Some(issue) = issue::read(record, issuer, &self.known, session_max) {
            self.keep(issue);
        }
    }

    /// Returns the facts that `record` shares with its session's other records. What only a whole chain shows, the name
    /// behind a request at the portal, is learned on the way.
    pub fn session(&mut self, record: &TrailRecord<'_>) -> Arc<Facts> {
        let Some(hash) = memo_hash(record) else { return Arc::new(self.make(record).facts) };
        if let Some(facts) = self.memo.get(hash) {
            return facts;
        }
        let Answer { facts, touched, named } = self.make(record);
        if let Some((id, named)) = named {
            self.learn_name(id, named);
        }
        let facts = Arc::new(facts);
        self.memo.put(hash, Arc::clone(&facts), &touched);
        facts
    }

    /// Returns the facts of `record`: its session's, and its own as of `time`.
    pub fn resolve(&mut self, record: &TrailRecord<'_>, time: Seconds) -> (Arc<Facts>, Facts) {
        (self.session(record), event_facts(record, time))
    }

    /// Writes what was learned since the last save.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let dirty = std::mem::take(&mut self.dirty);
        for key in &dirty.gone {
            table::drop_session(tx, key)?;
        }
        for key in &dirty.sessions {
            if let Some(session) = self.sessions.get(key) {
                table::put_session(tx, key, session)?;
            }
        }
        for id in &dirty.people {
            if let Some(named) = self.known.people.get(id) {
                table::put_user(tx, id, named)?;
            }
        }
        for role in &dirty.takers {
            if let Some(taker) = self.known.takers.get(role) {
                table::put_taker(tx, role, taker)?;
            }
        }
        for account in &dirty.accounts {
            table::put_account(tx, account)?;
        }
        Ok(())
    }

    /// Forgets sessions that ended long before `now`, in memory and in the store. Works at most every ten minutes of
    /// event time, so it may be called with each commit.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn forget(&mut self, tx: &Tx<'_>, now: Seconds) -> Result<(), StoreError> {
        if now < self.forgotten.plus(Span(600)) {
            return Ok(());
        }
        self.forgotten = now;
        let before = now.plus(Span(-MARGIN.0));
        while let Some(key) = self.sessions.ended_before(before) {
            self.drop_session(&key);
        }
        table::drop_ended(tx, before)
    }

    /// Returns whether `account` is known as ours: from its records, or by the operator's word.
    pub fn has_account(&self, account: &str) -> bool {
        self.known.accounts.contains(account)
    }

    /// Returns the accounts that are known as ours.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        self.known.accounts.iter().map(|account| &**account)
    }

    /// Hands out the Identity Center users, by id, whose names were learned for certain since the last call.
    pub fn newly_named(&mut self) -> Vec<(Box<str>, Box<str>)> {
        std::mem::take(&mut self.named)
    }

    /// Hands out the marks of what was learned since the last call. Who was behind a record that [rests
    /// on](Self::rests_on) one of them may be known better now.
    pub fn newly_learned(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.learned)
    }

    /// Returns the marks of what the answer about `record` rests on, known or not.
    pub fn rests_on(&self, record: &TrailRecord<'_>) -> Vec<u64> {
        self.make(record).touched
    }

    /// Returns how many sessions are remembered.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Returns whether no session is remembered.
    pub fn is_empty(&self) -> bool {
        self.sessions.len() == 0
    }

    /// Returns how many sessions, names and roles were dropped for want of room since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn make(&self, record: &TrailRecord<'_>) -> Answer {
        let caller = Caller::of(record);
        let own = caller.party(&self.known);
        let lineage = trace(&caller, &own, &self.known, &self.sessions);
        let facts = session_facts(&caller, &own, &lineage, &self.config);
        let named = self.known.shown_by_request(&caller, lineage.portal.as_ref());
        Answer { facts, touched: lineage.touched, named }
    }

    fn keep(&mut self, issue: Issue) {
        if let Some((role, taker)) = issue.taken {
            self.learn_taker(role, taker);
        }
        let is_news =
            self.sessions.get(&issue.key).is_none_or(|kept| issue.session.is_better_than(kept));
        if !is_news {
            return;
        }
        self.learn_of(mark(&issue.key));
        self.learn_of(join_mark(&issue.session.join));
        self.dirty.gone.remove(&issue.key);
        self.dirty.sessions.insert(issue.key.clone());
        self.sessions.insert(issue.key, issue.session);
        while self.sessions.len() > self.config.max_sessions
            && let Some(key) = self.sessions.first_to_end()
        {
            self.dropped += 1;
            self.drop_session(&key);
            self.dirty.sessions.remove(&key);
            self.dirty.gone.insert(key);
        }
    }

    /// Drops the answers that rest on `mark`, of which something was learned.
    fn learn_of(&mut self, mark: u64) {
        self.memo.drop_touched(mark);
        if self.learned.len() < MAX_LEARNED {
            self.learned.push(mark);
        }
    }

    fn drop_session(&mut self, key: &str) {
        if let Some(session) = self.sessions.remove(key) {
            self.memo.drop_touched(mark(key));
            self.memo.drop_touched(join_mark(&session.join));
        }
    }

    fn learn_service(&mut self, role: &str, service: &str) {
        let pair = xxh3_64_with_seed(role.as_bytes(), xxh3_64(service.as_bytes()));
        if self.seen_takers.contains(&pair) || !self.has_room(self.seen_takers.len()) {
            return;
        }
        self.seen_takers.insert(pair);
        let text = |raw| json::text(raw).unwrap_or_default();
        let arn = text(role);
        if let Some(label) = Arn::parse(&arn).and_then(|arn| arn.role_label()) {
            self.learn_taker(label.into(), Taker::Service(text(service).into()));
        }
    }

    fn learn_taker(&mut self, role: Box<str>, taker: Taker) {
        let kept = self.known.takers.get(&role);
        // Of several takers one is told: a SAML provider before services, which changes what a name is worth.
        let is_news = match (kept, &taker) {
            (None, _) => self.has_room(self.known.takers.len()),
            (Some(Taker::Service(_)), Taker::Saml(_)) => true,
            (Some(Taker::Service(kept)), Taker::Service(new)) => new < kept,
            (Some(Taker::Saml(kept)), Taker::Saml(new)) => new < kept,
            (Some(Taker::Saml(_)), Taker::Service(_)) => false,
        };
        if is_news {
            self.learn_of(mark(&role));
            self.dirty.takers.insert(role.clone());
            self.known.takers.insert(role, taker);
        }
    }

    fn learn_name(&mut self, id: Box<str>, named: Named) {
        let kept = self.known.people.get(&id);
        let is_news = named.is_news_to(kept);
        if !is_news || (kept.is_none() && !self.has_room(self.known.people.len())) {
            return;
        }
        self.learn_of(mark(&id));
        self.dirty.people.insert(id.clone());
        if named.is_exact() {
            self.named.push((id.clone(), named.name.clone()));
        }
        self.known.people.insert(id, named);
    }

    /// Learns that the account whose log `record` stands in is ours.
    fn learn_account(&mut self, record: &TrailRecord<'_>) {
        let Some(raw) = record.slot_raw(Slot::RecipientAccountId) else { return };
        let hash = xxh3_64(raw.as_bytes());
        if self.seen_accounts.contains(&hash) || !self.has_room(self.seen_accounts.len()) {
            return;
        }
        self.seen_accounts.insert(hash);
        let Some(account) = recipient(raw) else { return };
        if self.known.accounts.insert(account.into()) {
            self.learn_of(mark(account));
            self.dirty.accounts.insert(account.into());
        }
    }

    /// Whether one more name or role may be kept; counts the one that may not.
    fn has_room(&mut self, kept: usize) -> bool {
        let has_room = kept < self.config.max_sessions;
        self.dropped += u64::from(!has_room);
        has_room
    }
}

/// `known` with the accounts that the operator lists.
fn with_configured(mut known: Known, config: &Config) -> Known {
    known.accounts.extend(config.accounts.iter().map(|account| account.as_str().into()));
    known
}

/// Hashes all that a record's session facts are made of; `None` where they depend on more than its identity.
fn memo_hash(record: &TrailRecord<'_>) -> Option<u64> {
    let identity = record.slot_raw(Slot::UserIdentity).unwrap_or_default();
    let recipient = record.slot_raw(Slot::RecipientAccountId).unwrap_or_default();
    let seed = xxh3_64(recipient.as_bytes());
    match record.slot_raw(Slot::UserType) {
        Some(
            "\"AssumedRole\"" | "\"IAMUser\"" | "\"AWSService\"" | "\"Root\"" | "\"AWSAccount\""
            | "\"FederatedUser\"" | "\"Role\"",
        ) => {
            // A service without `invokedBy` is named after the event's source.
            let is_whole = record.slot_raw(Slot::UserInvokedBy).is_some()
                || record.slot_raw(Slot::UserType) != Some("\"AWSService\"");
            is_whole.then(|| xxh3_64_with_seed(identity.as_bytes(), seed))
        }
        _ => None,
    }
}
