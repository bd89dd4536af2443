//! The usual stage of a story: a bucket that tells a queue, a SIEM, and a house whose daemon stands between them.

use std::collections::BTreeSet;

use crate::outside::aws::Aws;
use crate::outside::aws::Bucket;
use crate::outside::aws::PATIENT;
use crate::outside::aws::Queue;
use crate::outside::aws::Wiring;
use crate::outside::daemon::Daemon;
use crate::outside::daemon::House;
use crate::outside::deliveries;
use crate::outside::moto::Moto;
use crate::outside::siem::Siem;
use crate::outside::wait;

/// Everything a story needs but the story.
pub struct Stage {
    /// The AWS-compatible server.
    pub aws: Aws,
    /// Where deliveries lie.
    pub bucket: Bucket,
    /// Where they are announced.
    pub queue: Queue,
    /// Where alerts go.
    pub siem: Siem,
    /// The installation.
    pub house: House,
}

impl Stage {
    /// Sets up the usual: S3 notifies the queue, the SIEM takes everything.
    pub fn new() -> Self {
        Self::wired(Wiring::Queue)
    }

    /// Sets up a stage whose bucket tells its queue by way of `wiring`.
    pub fn wired(wiring: Wiring) -> Self {
        let aws = Moto::shared();
        let (bucket, queue) = aws.wired(wiring);
        Self::with(aws, &aws.url(), bucket, queue)
    }

    /// Sets up a stage whose bucket tells nobody: the story sends the messages.
    pub fn untold() -> Self {
        let aws = Moto::shared();
        Self::with(aws, &aws.url(), aws.bucket(), aws.queue(PATIENT))
    }

    /// Sets up a stage whose daemon reaches AWS at `endpoint`.
    pub fn with(aws: Aws, endpoint: &str, bucket: Bucket, queue: Queue) -> Self {
        let siem = Siem::start();
        let house = House::new().reading(endpoint, &queue.url, "").telling(&siem.url(), "");
        Self { aws, bucket, queue, siem, house }
    }

    /// Writes deliveries, one alert each, and returns the ids of their alerts.
    pub fn deliver(&self, numbers: impl IntoIterator<Item = u32>) -> BTreeSet<String> {
        let numbers: Vec<u32> = numbers.into_iter().collect();
        for number in &numbers {
            self.bucket.put(&deliveries::key(*number), &deliveries::delivery(*number));
        }
        deliveries::ids_of(numbers)
    }

    /// Waits until exactly `expected` has arrived, once each, and the queue is empty.
    #[track_caller]
    pub fn await_delivered(&self, daemon: &mut Daemon, expected: &BTreeSet<String>) {
        daemon.await_that("all alerts", |_| self.siem.ids().is_superset(expected));
        self.await_drained(daemon);
        assert_eq!(&self.siem.ids(), expected);
        let repeated: Vec<_> =
            self.siem.counts().into_iter().filter(|(_, count)| *count > 1).collect();
        assert!(repeated.is_empty(), "arrived more than once: {repeated:?}");
        self.siem.assert_no_faults();
    }

    /// Waits until the queue holds nothing, not even hidden.
    #[track_caller]
    pub fn await_drained(&self, daemon: &mut Daemon) {
        daemon.await_that("empty queue", |_| self.queue.is_empty());
        assert_eq!(self.queue.dead(), 0, "messages were set aside; it said:\n{}", daemon.log());
    }

    /// Waits until the sinks are owed nothing any more.
    pub fn await_settled(&self) {
        wait::until("the outbox to settle", || self.house.store().outbox("pending") == 0);
    }
}
