//! The core: deliveries in, one transaction per commit group out.
//!
//! Everything a delivery causes is worked out in memory, on one thread and in the order of deliveries, and written by
//! [`Core::commit`] in one transaction. A failed commit ends the process: a restart loads the last commit, and the
//! queue delivers the rest again. There is no other way back.
//!
//! Invariant: no clock, no network. `now` is a parameter, and only two things take it: how far time has come on an
//! idle stream, and when an outbox row was made.

use std::collections::HashSet;
use std::sync::Arc;

use crate::alert::Desk;
use crate::identity;
use crate::identity::Registry;
use crate::model::Event;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::SinkName;
use crate::model::Slots;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::outbox;
use crate::outbox::Settled;
use crate::pipeline::batch::Batch;
use crate::pipeline::batch::Outcome;
use crate::pipeline::batch::Read;
use crate::pipeline::books::Books;
use crate::pipeline::books::Counts;
use crate::pipeline::seen::Seen;
use crate::pipeline::settings::Destination;
use crate::pipeline::settings::Settings;
use crate::pipeline::signal;
use crate::pipeline::table;
use crate::pipeline::table::LedgerRow;
use crate::pipeline::table::QuarantineRow;
use crate::rules::Correlator;
use crate::rules::Rules;
use crate::rules::Service;
use crate::store::Store;
use crate::store::StoreError;

/// How long the ledger remembers a delivery after it was noted, in event time. CloudTrail itself delivers again for
/// up to 30 days after a fault of the bucket (User Guide).
const LEDGER_KEPT: Span = Span(45 * 86_400);

/// How far an event may lie ahead of real time on a live stream before it no longer moves time forward.
const MAX_AHEAD: Span = Span(15 * 60);

/// What one commit group has gathered.
#[derive(Default)]
struct Group {
    receipts: Vec<Receipt>,
    objects: HashSet<ObjectId>,
    ledger: Vec<LedgerRow>,
    quarantine: Vec<QuarantineRow>,
    seen: Vec<(Seconds, Vec<u64>)>,
    books: Books,
    settled: Vec<Settled>,
    bytes: u64,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Deliveries whose receipts were called.
    pub deliveries: usize,
    /// Alerts that opened.
    pub opened: usize,
}

/// The state of the house, and the group under way.
pub struct Core {
    store: Store,
    settings: Settings,
    rules: Arc<Rules>,
    registry: Registry,
    correlator: Correlator,
    desk: Desk,
    seen: Seen,
    newest: Seconds,
    watermark: Seconds,
    ceiling: Option<Seconds>,
    group: Group,
    books: Books,
}

impl Core {
    /// Opens the core on the state of the last commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: Store, settings: Settings, rules: Arc<Rules>) -> Result<Self, StoreError> {
        let connection = store.connection();
        let progress = |name| table::progress(connection, name).map_err(StoreError::Read);
        let newest = progress("newest")?.unwrap_or(Seconds(0));
        let watermark = progress("watermark")?.unwrap_or(Seconds(i64::MIN));
        let mut registry = Registry::new(&settings.identity);
        registry.load(connection)?;
        let correlator = Correlator::load(Arc::clone(&rules), connection, watermark)?;
        let mut seen = Seen::new(settings.dedup_window, settings.dedup_max_events);
        table::seen(connection, |fingerprint, time| {
            seen.note(fingerprint, time);
        })
        .map_err(StoreError::Read)?;
        let desk = Desk::new(&settings.alert);
        let (group, books) = (Group::default(), Books::default());
        let ceiling = None;
        Ok(Self {
            store,
            settings,
            rules,
            registry,
            correlator,
            desk,
            seen,
            newest,
            watermark,
            ceiling,
            group,
            books,
        })
    }

    /// Works out what a delivery causes.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn take(&mut self, batch: Batch) -> Result<(), StoreError> {
        let Batch { source, object, outcome, receipt, _hold } = batch;
        self.group.receipts.push(receipt);
        let mut counts = Counts { deliveries: 1, ..Counts::default() };
        let is_known = self.group.objects.contains(&object)
            || table::is_known(self.store.connection(), &object).map_err(StoreError::Read)?;
        if is_known {
            counts.redelivered = 1;
            self.group.books.add(&source, counts);
            return Ok(());
        }
        let outcome = match outcome {
            Outcome::Read(read) => {
                self.read(*read, &source, &object, &mut counts);
                "read".to_owned()
            }
            Outcome::Routed(route) => {
                counts.routed = 1;
                format!("routed:{}", route.name())
            }
            Outcome::Rejected { reason, body } => {
                counts.rejected = 1;
                self.quarantine(&source, &object, None, reason, body);
                "rejected".to_owned()
            }
        };
        self.group.books.add(&source, counts);
        self.group.bytes += counts.bytes;
        self.group.objects.insert(object.clone());
        self.group.ledger.push(LedgerRow { object, source: source.to_string(), outcome, counts });
        self.time_passes();
        Ok(())
    }

    fn read(&mut self, read: Read, source: &Arc<str>, object: &ObjectId, counts: &mut Counts) {
        let Read { decoded, fingerprints, candidates, rules } = read;
        counts.read = (decoded.len() + decoded.bad.len()) as u64;
        counts.quarantined = decoded.bad.len() as u64;
        counts.bytes = decoded.text_bytes() as u64;
        let mut kept = Vec::with_capacity(fingerprints.len());
        let mut is_new = vec![false; fingerprints.len()];
        // All records of a file are learned from before any is judged: a session may be used before its issuing
        // record comes, and files are not in order.
        for ((number, fingerprint), (time, record)) in
            fingerprints.iter().enumerate().zip(decoded.records())
        {
            if !self.seen.note(*fingerprint, time) {
                continue;
            }
            is_new[number] = true;
            kept.push(*fingerprint);
            self.newest = self.newest.max(self.ceiling.map_or(time, |ceiling| time.min(ceiling)));
            if let Record::Trail(record) = &record {
                self.registry.learn(record);
            }
        }
        counts.kept = kept.len() as u64;
        counts.duplicates = decoded.len() as u64 - counts.kept;
        let object_text = object.to_string();
        let mut asked = candidates.into_iter().peekable();
        for ((number, is_new), (time, record)) in (0u32..).zip(is_new).zip(decoded.records()) {
            let session = match &record {
                Record::Trail(record) if is_new => Some(self.registry.session(record)),
                _ => None,
            };
            let Some(first) = asked.next_if(|(of, _)| *of == number) else { continue };
            let facts = match &record {
                Record::Trail(record) => identity::event_facts(record, time),
                Record::Flow(_) => crate::model::Facts::default(),
            };
            let event = Event { time, record, session, facts };
            let rest = std::iter::from_fn(|| asked.next_if(|(of, _)| *of == number));
            for (_, candidate) in std::iter::once(first).chain(rest) {
                if is_new && self.settings.asked.about(time) && rules.decide(candidate, &event) {
                    self.matched(&rules, candidate.rule, &event, &object_text);
                }
            }
        }
        if !kept.is_empty() {
            self.group.seen.push((self.newest, kept));
        }
        for bad in decoded.bad {
            self.quarantine(source, object, Some(bad.index), bad.reason, bad.body.into_bytes());
        }
    }

    fn matched(&mut self, rules: &Rules, rule: u32, event: &Event<'_>, object: &str) {
        if rules.feeds(rule) {
            self.correlator.add(rules.detector(rule), event, object);
        }
        if let Some(detector) = rules.alerting(rule) {
            self.desk.raise(detector, event, object);
        }
    }

    /// Keeps what could not be read, and lets the rules speak about it.
    fn quarantine(
        &mut self,
        source: &Arc<str>,
        object: &ObjectId,
        record: Option<u64>,
        reason: String,
        body: Vec<u8>,
    ) {
        let text = signal::quarantined(source, object, record, &reason, self.newest);
        self.group.quarantine.push(QuarantineRow {
            source: source.to_string(),
            object: object.clone(),
            record,
            reason,
            body,
        });
        let slots = Slots::of(&text).expect("a signal is a record");
        let signal = Record::Trail(TrailRecord::new(&text, &slots));
        let facts = crate::model::Facts::default();
        let event = Event { time: self.newest, record: signal, session: None, facts };
        let rules = Arc::clone(&self.rules);
        for rule in rules.signal_matches(&Service::Intake, &event) {
            self.matched(&rules, rule, &event, &object.to_string());
        }
    }

    /// Tells the core that a live stream has been idle until `now`: time goes on without events.
    pub fn idle_until(&mut self, now: Seconds) {
        self.newest = self.newest.max(now);
        self.time_passes();
    }

    /// Tells the core what real time is on a live stream, so that no record from the future moves time forward.
    pub fn live_at(&mut self, now: Seconds) {
        self.ceiling = Some(now.plus(MAX_AHEAD));
    }

    /// Lets everything that waits for time happen: nothing comes any more.
    pub fn finish(&mut self) {
        self.advance(Seconds(i64::MAX));
    }

    fn time_passes(&mut self) {
        let late = Seconds(self.newest.0.saturating_sub(self.settings.allowed_lateness.0));
        self.watermark = self.watermark.max(late);
        self.advance(self.watermark);
    }

    fn advance(&mut self, watermark: Seconds) {
        for fired in self.correlator.advance(watermark) {
            self.desk.raise(&fired.detector, &fired.event(), &fired.object);
        }
    }

    /// Takes in how a try to deliver an alert ended.
    pub fn settle(&mut self, settled: Settled) {
        self.group.settled.push(settled);
    }

    /// Returns how many bytes of events the group holds.
    pub fn group_bytes(&self) -> u64 {
        self.group.bytes
    }

    /// Returns whether there is anything to commit.
    pub fn has_work(&self) -> bool {
        !self.group.receipts.is_empty() || !self.group.settled.is_empty()
    }

    /// Writes the group in one transaction, then tells the sources. `now` is real time, for the outbox.
    ///
    /// The order is the promise: evidence (when there is a room for it) is synced before, receipts are called after.
    ///
    /// # Errors
    /// When the store cannot be written. The process must end: memory is ahead of the store now.
    pub fn commit(&mut self, now: Seconds) -> Result<Committed, StoreError> {
        let group = std::mem::take(&mut self.group);
        let tx = self.store.begin()?;
        let failed = |error| tx.failed(error);
        for row in &group.ledger {
            table::insert_delivery(&tx, row, self.newest).map_err(failed)?;
        }
        for row in &group.quarantine {
            table::insert_quarantine(&tx, row, self.newest).map_err(failed)?;
        }
        for (newest, events) in &group.seen {
            table::insert_seen(&tx, *newest, events).map_err(failed)?;
        }
        for (source, counts) in &group.books.0 {
            table::count(&tx, source, counts).map_err(failed)?;
        }
        self.registry.save(&tx)?;
        self.registry.forget(&tx, self.watermark)?;
        self.correlator.save(&tx)?;
        let opened = self.desk.save(&tx)?;
        for alert in &opened {
            let takes = |to: &&Destination| alert.severity >= to.min_severity;
            let sinks: Vec<SinkName> =
                self.settings.destinations.iter().filter(takes).map(|to| to.name.clone()).collect();
            outbox::enqueue(&tx, &alert.id, &sinks, now)?;
        }
        for settled in &group.settled {
            outbox::settle(&tx, settled)?;
        }
        table::set_progress(&tx, "newest", self.newest).map_err(failed)?;
        table::set_progress(&tx, "watermark", self.watermark).map_err(failed)?;
        let seen_before = self.newest.plus(Span(-self.settings.dedup_window.0));
        let ledger_before = self.newest.plus(Span(-LEDGER_KEPT.0));
        table::prune(&tx, seen_before, ledger_before).map_err(failed)?;
        outbox::prune(&tx, now.plus(Span(-self.settings.outbox.keep_delivered.span().0)), 1_000)?;
        tx.commit()?;
        self.desk.forget(self.watermark);
        for (source, counts) in &group.books.0 {
            self.books.add(source, *counts);
        }
        let deliveries = group.receipts.len();
        group.receipts.into_iter().for_each(Receipt::committed);
        Ok(Committed { deliveries, opened: opened.len() })
    }

    /// Changes rules and destinations. The group must be committed: what correlations count is read from the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn reload(
        &mut self,
        rules: Arc<Rules>,
        destinations: Vec<Destination>,
    ) -> Result<(), StoreError> {
        debug_assert!(!self.has_work(), "commit before a reload");
        self.correlator =
            Correlator::load(Arc::clone(&rules), self.store.connection(), self.watermark)?;
        self.rules = rules;
        self.settings.destinations = destinations;
        Ok(())
    }

    /// Returns what this process has committed.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }
}
