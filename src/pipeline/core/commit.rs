//! The commit group: what it gathers, and the one transaction that writes it.

use std::collections::HashSet;

use crate::alert::Outgoing;
use crate::model::Alert;
use crate::model::Became;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Seconds;
use crate::model::SinkName;
use crate::model::Span;
use crate::outbox;
use crate::outbox::Settled;
use crate::pipeline::books::Books;
use crate::pipeline::core::Core;
use crate::pipeline::core::prune::Reached;
use crate::pipeline::core::told::Written;
use crate::pipeline::settings::Destination;
use crate::pipeline::table;
use crate::pipeline::table::LedgerRow;
use crate::pipeline::table::QuarantineRow;
use crate::store::StoreError;

/// How long the ledger remembers a delivery after it was noted, in real time. CloudTrail itself delivers again for
/// up to 30 days after a fault of the bucket (User Guide).
const LEDGER_KEPT: Span = Span(45 * 86_400);

/// How long after `grants.revise_for` it is final that a grant covers an act: an act that is kept so long is judged anew, and
/// is forgotten only with a later commit.
const FINAL_AFTER: Span = Span(2 * 86_400);

/// What one commit group has gathered.
#[derive(Default)]
pub(super) struct Group {
    pub(super) receipts: Vec<(Receipt, Vec<Became>)>,
    pub(super) objects: HashSet<ObjectId>,
    pub(super) ledger: Vec<LedgerRow>,
    pub(super) quarantine: Vec<QuarantineRow>,
    pub(super) seen: Vec<(Seconds, Vec<u64>)>,
    pub(super) books: Books,
    pub(super) settled: Vec<Settled>,
    /// What became of what was asked of AWS.
    pub(super) readings: Vec<&'static str>,
    pub(super) bytes: u64,
    pub(super) crowded_out: u64,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Deliveries whose receipts were called.
    pub deliveries: usize,
    /// Alerts that opened.
    pub opened: usize,
    /// Alerts that are no longer what they were.
    pub revised: usize,
    /// Acts that were judged and are not kept for late grants as long as they should be, because there are too many.
    pub crowded_out: u64,
}

impl Core {
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

    /// Revises what late word changes, and takes as final what none changes any more.
    fn revise_and_settle(&mut self) {
        self.revise();
        // What is told only now may be about a change that was taken back already.
        self.close_changes();
        let revised = self.settings.grants.revise_for.span().0.saturating_add(FINAL_AFTER.0);
        self.uses.settle(self.watermark.min(self.newest).plus(Span(-revised)));
    }

    /// Writes the group in one transaction, then tells the sources. `now` is real time, for the outbox.
    ///
    /// The order is the promise: evidence (when there is a room for it) is synced before, receipts are called after.
    ///
    /// # Errors
    /// When the store cannot be written. The process must end: memory is ahead of the store now.
    pub fn commit(&mut self, now: Seconds) -> Result<Committed, StoreError> {
        self.close_undone();
        self.revise_and_settle();
        let group = std::mem::take(&mut self.group);
        let tx = self.store.begin()?;
        let failed = |error| tx.failed(error);
        for row in &group.ledger {
            table::insert_delivery(&tx, row, now).map_err(failed)?;
        }
        for row in &group.quarantine {
            table::insert_quarantine(&tx, row, now).map_err(failed)?;
        }
        for (newest, events) in &group.seen {
            table::insert_seen(&tx, *newest, events).map_err(failed)?;
        }
        for (source, counts) in &group.books.sources {
            table::count(&tx, source, counts).map_err(failed)?;
        }
        self.registry.save(&tx)?;
        self.registry.forget(&tx, self.watermark)?;
        self.correlator.save(&tx)?;
        self.protect.save(&tx, self.watermark)?;
        self.policies.save(&tx, self.watermark)?;
        let forgotten = self.uses.save(&tx)?;
        let judged = self.protect.usage.save(&tx, self.newest)?;
        self.undoing.save(&tx, self.watermark)?;
        let outgoing = self.desk.save(&tx)?;
        for Outgoing { alert, highest } in &outgoing {
            let takes = |to: &&Destination| *highest >= to.min_severity;
            let sinks: Vec<SinkName> =
                self.settings.destinations.iter().filter(takes).map(|to| to.name.clone()).collect();
            outbox::enqueue(&tx, &alert.id, alert.revision, &sinks, now)?;
        }
        for settled in &group.settled {
            outbox::settle(&tx, settled)?;
        }
        table::set_progress(&tx, "oldest", self.oldest).map_err(failed)?;
        table::set_progress(&tx, "newest", self.newest).map_err(failed)?;
        table::set_progress(&tx, "watermark", self.watermark).map_err(failed)?;
        let seen_before = self.newest.plus(Span(-self.settings.dedup_window.0));
        let ledger_before = now.plus(Span(-LEDGER_KEPT.0));
        table::prune(&tx, seen_before, ledger_before).map_err(failed)?;
        outbox::prune(&tx, now.plus(Span(-self.settings.outbox.keep_delivered.span().0)), 1_000)?;
        let reached = Reached { newest: self.newest, watermark: self.watermark };
        self.pruning.alerts(&tx, self.settings.alert.keep.span(), &self.rules, reached)?;
        tx.commit()?;
        self.desk.forget(self.watermark);
        for (source, counts) in &group.books.sources {
            self.books.add(source, *counts);
        }
        self.books.unknown_actions = self.protect.unknown_actions();
        let deliveries = group.receipts.len();
        let opened: Vec<&Alert> =
            outgoing.iter().map(|it| &it.alert).filter(|it| it.revision == 1).collect();
        for (receipt, became) in group.receipts {
            receipt.committed_as(became);
        }
        let revised = outgoing.len() - opened.len();
        let (books, readings) = (&group.books, &group.readings);
        self.count(&Written { books, opened: &opened, judged: &judged, forgotten, readings }, now)?;
        Ok(Committed { deliveries, opened: opened.len(), revised, crowded_out: group.crowded_out })
    }
}
