//! The core: deliveries in, one transaction per commit group out.
//!
//! Everything a delivery causes is worked out in memory, on one thread and in the order of deliveries, and written by
//! [`Core::commit`] in one transaction. A failed commit ends the process: a restart loads the last commit, and the
//! queue delivers the rest again. There is no other way back.
//!
//! Invariant: no clock, no network. `now` is a parameter, and only two things take it: how far time has come on an
//! idle stream, and when an outbox row was made.

mod commit;
mod learn;
mod matched;
mod policies;
mod protect;
mod prune;
mod revise;
mod signals;
mod stock;
mod told;
mod uses;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::alert::Desk;
use crate::iam::standing::uses::Uses;
use crate::identity;
use crate::identity::Registry;
use crate::model::Event;
use crate::model::Facts;
use crate::model::ObjectId;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Span;
use crate::pipeline::batch::Batch;
use crate::pipeline::batch::Outcome;
use crate::pipeline::batch::Read;
use crate::pipeline::books::Books;
use crate::pipeline::books::Counts;
use crate::pipeline::core::commit::Group;
use crate::pipeline::core::policies::Policies;
use crate::pipeline::core::protect::Found;
use crate::pipeline::core::protect::Meaning;
use crate::pipeline::core::protect::Protect;
use crate::pipeline::core::protect::Standing;
use crate::pipeline::core::protect::of_verdicts;
use crate::pipeline::core::prune::Pruning;
use crate::pipeline::core::told::NextCount;
use crate::pipeline::seen::Seen;
use crate::pipeline::settings::Destination;
use crate::pipeline::settings::Settings;
use crate::pipeline::table;
use crate::pipeline::table::LedgerRow;
use crate::rules::Candidate;
use crate::rules::Correlator;
use crate::rules::Gates;
use crate::rules::Rules;
use crate::rules::Service;
use crate::rules::Undoing;
use crate::store::Store;
use crate::store::StoreError;

/// How far an event may lie ahead of real time on a live stream before it no longer moves time forward.
const MAX_AHEAD: Span = Span(15 * 60);

pub use commit::Committed;
pub use protect::Finding;
pub use protect::Witness;

/// The state of the house, and the group under way.
pub struct Core {
    store: Store,
    settings: Settings,
    rules: Arc<Rules>,
    registry: Registry,
    correlator: Correlator,
    gates: Gates,
    protect: Protect,
    policies: Policies,
    uses: Uses,
    undoing: Undoing,
    desk: Desk,
    seen: Seen,
    oldest: Seconds,
    newest: Seconds,
    watermark: Seconds,
    ceiling: Option<Seconds>,
    group: Group,
    books: Books,
    pruning: Pruning,
    next_count: NextCount,
}

impl Core {
    /// Opens the core on the state of the last commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(
        store: Store,
        mut settings: Settings,
        rules: Arc<Rules>,
    ) -> Result<Self, StoreError> {
        let connection = store.connection();
        let progress = |name| table::progress(connection, name).map_err(StoreError::Read);
        let oldest = progress("oldest")?.unwrap_or(Seconds(i64::MAX));
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
        let gates = Gates::new(Arc::clone(&rules));
        let protect = Protect::load(&settings, connection, (&registry, watermark))?;
        let policies = Policies::load(&mut settings, connection)?;
        let uses = Uses::load(connection)?;
        let undoing = Undoing::load(settings.policies.undo_within.span(), connection)?;
        let desk = Desk::new(&settings.alert);
        let (group, books) = (Group::default(), Books::default());
        let ceiling = None;
        Ok(Self {
            store,
            settings,
            rules,
            registry,
            correlator,
            gates,
            protect,
            policies,
            uses,
            undoing,
            desk,
            seen,
            oldest,
            newest,
            watermark,
            ceiling,
            group,
            books,
            pruning: Pruning::default(),
            next_count: NextCount::default(),
        })
    }

    /// Works out what a delivery causes.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn take(&mut self, batch: Batch) -> Result<(), StoreError> {
        let Batch { source, object, outcome, receipt, _hold } = batch;
        self.group.receipts.push((receipt, Vec::new()));
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
            Outcome::Grants(told) => {
                let became = self.learn(told, &source, &object, &mut counts);
                if let Some((_, of_this)) = self.group.receipts.last_mut() {
                    *of_this = became;
                }
                "grants".to_owned()
            }
            Outcome::Reading(reading) => {
                self.take_reading(reading);
                "reading".to_owned()
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
        let Read { decoded, fingerprints, candidates, changes, tags, rules } = read;
        counts.read = (decoded.len() + decoded.bad.len()) as u64;
        counts.quarantined = decoded.bad.len() as u64;
        counts.bytes = decoded.text_bytes() as u64;
        let object_text = object.to_string();
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
            self.oldest = self.oldest.min(time);
            self.newest = self.newest.max(self.ceiling.map_or(time, |ceiling| time.min(ceiling)));
            if let Record::Trail(record) = &record {
                self.registry.learn(record);
                self.hear(record, time, &object_text);
            }
        }
        self.protect.learn_tags(tags, &is_new);
        counts.kept = kept.len() as u64;
        counts.duplicates = decoded.len() as u64 - counts.kept;
        if !Arc::ptr_eq(self.gates.rules(), &rules) {
            self.gates = Gates::new(Arc::clone(&rules));
        }
        let mut changed = self.take_changes(&changes, &is_new, &decoded);
        let mut asked = candidates.into_iter().peekable();
        for ((number, is_new), (time, record)) in (0u32..).zip(is_new).zip(decoded.records()) {
            let of_this = std::iter::from_fn(|| asked.next_if(|(of, _)| *of == number));
            let candidates: SmallVec<[Candidate; 8]> = of_this.map(|(_, found)| found).collect();
            if is_new && self.settings.asked.about(time) {
                let changes = changed.remove(&number);
                self.judge(&rules, &candidates, (time, record), changes, &object_text);
            } else if is_new {
                self.note_claim(time, record, &object_text);
            }
        }
        self.close_changes();
        if !kept.is_empty() {
            self.group.seen.push((self.newest, kept));
        }
        for bad in decoded.bad {
            self.quarantine(source, object, Some(bad.index), bad.reason, bad.body.into_bytes());
        }
    }

    /// Asks the rules about one record that is new.
    fn judge(
        &mut self,
        rules: &Rules,
        candidates: &[Candidate],
        (time, record): (Seconds, Record<'_>),
        changes: Option<Facts>,
        object: &str,
    ) {
        let session = match &record {
            Record::Trail(record) => Some(self.registry.session(record)),
            Record::Flow(_) => None,
        };
        let Meaning { action, claims } = match (&record, &session) {
            (Record::Trail(record), Some(session)) => self.protect.meaning(record, session, time),
            _ => Meaning::default(),
        };
        self.protect.note_success(&record, session.as_ref(), time);
        if let (Record::Trail(record), Some(session)) = (&record, &session) {
            uses::note(&mut self.uses, record, session, time);
        }
        let gated = session.as_ref().map(|session| self.gates.open(session));
        let mut event = Event { time, record, session, facts: Facts::default() };
        let open = gated.iter().flat_map(|open| open.iter().copied());
        let open: SmallVec<[u32; 8]> = open.filter(|rule| rules.may_match(*rule, &event)).collect();
        let is_asked = !open.is_empty() || !candidates.is_empty() || changes.is_some();
        if !is_asked && action.is_none() && !claims {
            return;
        }
        if let Record::Trail(record) = &event.record {
            event.facts = identity::event_facts(record, time);
        }
        if let Some(changes) = &changes {
            changes.iter().for_each(|(name, fact)| event.facts.set(name, fact.clone()));
        }
        if claims {
            self.protect.claim(&mut event, object);
        }
        let standing = match action {
            Some(action) => self.protect.judge(&mut event, &action, object),
            None => Standing::Beside,
        };
        self.undo(rules, candidates, &event, object);
        let judged = of_verdicts(rules, &event, &standing);
        let decided = candidates.iter().filter(|candidate| rules.decide(**candidate, &event));
        let opened = open.iter().copied().filter(|rule| rules.matches(*rule, &event));
        let matched: SmallVec<[u32; 8]> =
            decided.map(|found| found.rule).chain(opened).chain(judged).collect();
        let tellings = self.matched(rules, &matched, &event, object);
        if let Standing::Judged(_) = standing {
            uses::note_cover(&mut self.uses, &event);
        }
        if let Standing::Judged(Some(found)) = standing {
            let found = Found { tellings, ..found };
            self.protect.keep(&event, object, found, &self.registry);
        }
    }

    /// Returns the newest event's time, or real time where a live stream has shown no event yet.
    fn now_or_so(&self) -> Seconds {
        let real = self.ceiling.map_or(Seconds(0), |ceiling| ceiling.plus(Span(-MAX_AHEAD.0)));
        if self.newest == Seconds(0) { real } else { self.newest }
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
        self.end_stock();
    }

    fn time_passes(&mut self) {
        let late = Seconds(self.newest.0.saturating_sub(self.settings.allowed_lateness.0));
        self.watermark = self.watermark.max(late);
        self.advance(self.watermark);
        self.protect.expire(self.watermark);
    }

    fn advance(&mut self, watermark: Seconds) {
        for fired in self.correlator.advance(watermark) {
            self.desk.raise(&fired.detector, &fired.event(), &fired.object);
        }
        self.settle_lessons(watermark);
        self.judge_what_waited(watermark);
        // What would have happened behind the newest event nobody knows, not even where nothing comes any more.
        for (signal, object) in self.protect.signals(watermark.min(self.newest)) {
            self.signal(&Service::Grants, &signal, &object);
        }
        self.tell_of_undone(watermark);
        self.tell_of_usage(watermark);
        self.tell_of_policies(watermark.min(self.newest));
        self.take_stock(watermark);
    }

    /// Tells `witness` of every verdict from now on, once it is final.
    pub fn tell_verdicts(&mut self, witness: Witness) {
        self.protect.tell(witness);
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
