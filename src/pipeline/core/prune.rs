//! Old alerts leave the store.
//!
//! An alert goes when its newest match is older than `alert.keep`, nothing can fold into it any more, and the outbox has
//! forgotten it: so it was delivered everywhere, and that a while ago by the wall clock. The last also guards old
//! activity that is read only now: its alerts are older than `alert.keep` from the start, and still told once.
//!
//! Invariant: event time decides, and a commit removes a bounded number.

use crate::alert;
use crate::model::Seconds;
use crate::model::Span;
use crate::outbox;
use crate::rules::Rules;
use crate::store::StoreError;
use crate::store::Tx;

/// How many alerts a commit removes at most.
const AT_ONCE: usize = 1_000;
/// How far event time moves on before old alerts are looked for again, once none were left.
const PAUSE: Span = Span(3_600);

/// How far event time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached {
    /// The newest event.
    pub(super) newest: Seconds,
    /// What will not be waited for any more.
    pub(super) watermark: Seconds,
}

/// When to look for old alerts again.
#[derive(Debug)]
pub(super) struct Pruning {
    next: Seconds,
}

impl Default for Pruning {
    fn default() -> Self {
        Self { next: Seconds(i64::MIN) }
    }
}

impl Pruning {
    /// Forgets some of the alerts that are no longer needed, if it is time to.
    pub(super) fn alerts(
        &mut self,
        tx: &Tx<'_>,
        keep: Span,
        rules: &Rules,
        reached: Reached,
    ) -> Result<(), StoreError> {
        if reached.newest < self.next {
            return Ok(());
        }
        let longest = rules.detectors().map(|detector| detector.suppress_for.0).max().unwrap_or(0);
        let folded = reached.watermark.plus(Span(-longest));
        let before = reached.newest.plus(Span(-keep.0)).min(folded);
        let needed = |id: &_| outbox::knows(tx, id);
        if alert::table::prune(tx, before, AT_ONCE, &needed)? < AT_ONCE {
            self.next = reached.newest.plus(PAUSE);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::model::Content;
    use crate::model::Delivery;
    use crate::model::Format;
    use crate::model::Hold;
    use crate::model::ObjectId;
    use crate::model::Receipt;
    use crate::model::Severity;
    use crate::model::SinkName;
    use crate::outbox::Settled;
    use crate::outbox::Verdict;
    use crate::pipeline;
    use crate::pipeline::Core;
    use crate::pipeline::Destination;
    use crate::pipeline::MIGRATIONS;
    use crate::pipeline::daemon;
    use crate::rules::Sieve;
    use crate::store::Store;

    const DAY: i64 = 86_400;

    struct House {
        core: Core,
        sieve: Sieve,
        config: Config,
        _folder: tempfile::TempDir,
    }

    impl House {
        fn new() -> Self {
            let config = Config::default();
            let (rules, _) = pipeline::load_detectors(&config.detectors);
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("a.db"), MIGRATIONS).unwrap();
            let siem = Destination { name: siem(), min_severity: Severity::Low };
            let settings = daemon::settings(&config, vec![siem]);
            let sieve = Sieve::new(Arc::clone(&rules));
            let core = Core::open(store, settings, rules).unwrap();
            Self { core, sieve, config, _folder: folder }
        }

        /// Stops a trail on `day` and commits at `now`; both are days.
        fn stopped_on(&mut self, day: i64, now: i64) {
            let time = Seconds(day * DAY);
            let record = format!(
                r#"{{"Records":[{{"eventVersion":"1.11","eventTime":"{time}","eventSource":"cloudtrail.amazonaws.com",
                "eventName":"StopLogging","awsRegion":"eu-west-1","sourceIPAddress":"198.51.100.7","eventID":"{day}",
                "userIdentity":{{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/mallory","userName":"mallory",
                "accountId":"111122223333","accessKeyId":"AKIAEXAMPLE000000001"}},"recipientAccountId":"111122223333",
                "requestParameters":{{"name":"trail"}},"eventType":"AwsApiCall"}}]}}"#
            );
            let delivery = Delivery {
                source: Arc::from("test"),
                object: ObjectId { location: day.to_string(), revision: String::new() },
                content: Content::Bytes { format: Format::CloudTrail, bytes: record.into_bytes() },
                hold: Hold::nothing(),
                receipt: Receipt::nobody(),
            };
            let batch =
                pipeline::read(delivery, &pipeline::Reading::of(&self.config), &mut self.sieve);
            self.core.take(batch).unwrap();
            self.core.commit(Seconds(now * DAY)).unwrap();
        }

        fn delivered(&mut self, now: i64) {
            let connection = self.core.store().connection();
            let due =
                outbox::due(connection, &siem(), Seconds(now * DAY), 9, &|_, _| false).unwrap();
            for row in due {
                let settled =
                    Settled { key: row.key, at: Seconds(now * DAY), verdict: Verdict::Delivered };
                self.core.settle(settled);
            }
        }

        fn alerts(&self) -> usize {
            alert::table::ids(self.core.store().connection(), Severity::Low).unwrap().len()
        }
    }

    fn siem() -> SinkName {
        SinkName("siem".to_owned())
    }

    #[test]
    fn an_alert_goes_once_it_is_old_delivered_and_forgotten_by_the_outbox() {
        let mut house = House::new();
        house.stopped_on(20_000, 20_000);
        house.stopped_on(20_100, 20_100);
        assert_eq!(house.alerts(), 2, "the old one is still owed to the sink");
        house.delivered(20_100);
        house.stopped_on(20_101, 20_101);
        assert_eq!(house.alerts(), 3, "it was delivered just now");
        house.stopped_on(20_109, 20_109);
        assert_eq!(house.alerts(), 3, "the first went, the fourth came");
        house.stopped_on(20_110, 20_110);
        assert_eq!(house.alerts(), 4, "what is not yet old stays");
    }
}
