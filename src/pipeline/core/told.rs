//! What the core tells of itself and of the use of grants: signals once time has come, numbers with each commit.
//!
//! Invariant: numbers are set from what is committed, and nobody reads them here.

use crate::grants::score;
use crate::grants::score::ByAccount;
use crate::grants::usage::Reach;
use crate::model::Alert;
use crate::model::Seconds;
use crate::model::Span;
use crate::outbox;
use crate::pipeline::books::Books;
use crate::pipeline::core::Core;
use crate::rules::Service;
use crate::store::StoreError;
use crate::telemetry::metrics;

/// How often the outbox is counted, in real time.
const PAUSE: Span = Span(10);

/// When what takes a query is to be counted again.
#[derive(Debug)]
pub(super) struct NextCount(Seconds);

impl Default for NextCount {
    fn default() -> Self {
        Self(Seconds(i64::MIN))
    }
}

/// What a commit wrote, as far as it is counted.
pub(super) struct Written<'a> {
    pub(super) books: &'a Books,
    pub(super) opened: &'a [&'a Alert],
    pub(super) judged: &'a ByAccount,
    /// Rows of what holders did that there was no room for.
    pub(super) forgotten: u64,
    pub(super) readings: &'a [&'static str],
}

impl Core {
    /// Tells of what was done with grants, or not done, as far as time has come.
    pub(super) fn tell_of_usage(&mut self, watermark: Seconds) {
        let reach = Reach { oldest: self.oldest, newest: self.newest, watermark };
        let registry = &self.registry;
        let told = self.protect.tell_of_usage(reach, &|account| registry.has_account(account));
        for told in told {
            self.signal(&Service::Grants, &told.signal, &told.object);
        }
    }

    /// Tells what a commit at `now` changed.
    pub(super) fn count(&mut self, written: &Written<'_>, now: Seconds) -> Result<(), StoreError> {
        let numbers = &self.settings.metrics;
        for (source, counts) in &written.books.sources {
            numbers.add(metrics::DELIVERIES, &[source], counts.deliveries);
            for (fate, records) in [
                ("kept", counts.kept),
                ("duplicate", counts.duplicates),
                ("quarantined", counts.quarantined),
            ] {
                numbers.add(metrics::RECORDS, &[source, fate], records);
            }
        }
        for alert in written.opened {
            numbers.add(metrics::ALERTS_OPENED, &[alert.severity.name()], 1);
        }
        for outcome in written.readings {
            numbers.add(metrics::POLICY_READINGS, &[outcome], 1);
        }
        for (account, score) in written.judged {
            for (verdict, acts) in score.verdicts().filter(|(_, acts)| *acts > 0) {
                numbers.add(metrics::PROTECTED_ACTS, &[verdict, account], acts);
            }
        }
        if written.forgotten > 0 {
            numbers.add(metrics::USES_FORGOTTEN, &[], written.forgotten);
        }
        numbers.add(metrics::COMMITS, &[], 1);
        self.count_time(now);
        self.count_grants();
        if now >= self.next_count.0 {
            self.next_count = NextCount(now.plus(PAUSE));
            self.count_outbox()?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "moments lie far below 2^52 seconds")]
    fn count_time(&self, now: Seconds) {
        let numbers = &self.settings.metrics;
        if self.newest > Seconds(0) {
            numbers.set(metrics::NEWEST, &[], self.newest.0 as f64);
        }
        if self.watermark > Seconds(0) {
            numbers.set(metrics::WATERMARK, &[], self.watermark.0 as f64);
            numbers.set(metrics::WATERMARK_LAG, &[], now.since(self.watermark).0 as f64);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts lie far below 2^52")]
    fn count_grants(&mut self) {
        let newest = self.newest;
        let numbers = self.settings.metrics.clone();
        if let Some((kept, crowded_out)) = self.protect.tagged() {
            numbers.set(metrics::TAGGED, &[], kept as f64);
            numbers.add(metrics::TAGGED_FORGOTTEN, &[], crowded_out);
        }
        let Some(census) = self.protect.census(newest) else { return };
        let census: Vec<(&str, u64)> = census.collect();
        let gives = |state: &str| matches!(state, "active" | "extended");
        let active: u64 =
            census.iter().filter(|(state, _)| gives(state)).map(|(_, count)| count).sum();
        numbers.set(metrics::GRANTS_ACTIVE, &[], active as f64);
        numbers
            .replace(metrics::GRANTS, census.iter().map(|(state, count)| (*state, *count as f64)));
        let scores = self.protect.usage.scores(newest);
        let ratios =
            scores.iter().filter_map(|(account, score)| Some((&**account, score.ratio()?)));
        numbers.replace(metrics::SCORE, ratios);
        if let Some(ratio) = score::overall(&scores).ratio() {
            numbers.set(metrics::SCORE_OVERALL, &[], ratio);
        }
        if let Some(mean) = self.protect.usage.removal_mean(newest) {
            numbers.set(metrics::REMOVAL, &[], mean);
        }
        let unknown = self.protect.unknown_actions().len();
        numbers.set(metrics::UNKNOWN_ACTIONS, &[], unknown as f64);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts lie far below 2^52")]
    fn count_outbox(&self) -> Result<(), StoreError> {
        let numbers = &self.settings.metrics;
        for backlog in outbox::backlog(self.store.connection())? {
            for (state, alerts) in [("pending", backlog.pending), ("dead", backlog.dead)] {
                numbers.set(metrics::OUTBOX, &[&backlog.sink.0, state], alerts as f64);
            }
        }
        Ok(())
    }
}
