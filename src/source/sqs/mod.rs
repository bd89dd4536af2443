//! SQS as a source: notifications in, deliveries out, and a message deleted only after its commit.
//!
//! Reading order: `queue` has the verbs, `consumer` the loop, `work` what happens to one message,
//! `visibility` the schedule, `deletes` the batches. Facts about SQS: Amazon SQS Developer Guide and
//! API Reference.
//!
//! Invariant: nothing is received that there is no room for.

mod consumer;
mod deletes;
#[cfg(test)]
pub(super) mod memory;
mod queue;
mod visibility;
mod work;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration as StdDuration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tracing::info;
use tracing::warn;
use url::Url;

use crate::model::Delivery;
use crate::model::Duration;
use crate::source::Known;
use crate::source::aws;
use crate::source::aws::Access;
use crate::source::budget::Budget;
use crate::source::counters::Counters;
use crate::source::error::SourceError;
use crate::source::fetch::Fetcher;
use crate::source::fetch::Limits;
use crate::source::objects::S3Objects;
use crate::source::quiet::Quiet;
use crate::source::sqs::consumer::Bounds;
use crate::source::sqs::queue::QueueError;
use crate::source::sqs::queue::Setup;
use crate::source::sqs::queue::Sqs;
use crate::source::sqs::work::Consumer;
use crate::source::sqs::work::Pasted;
use crate::source::sqs::work::Terms;
use crate::telemetry::chain;

/// A queue that is told of each new object, or of grants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SqsSource")]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of this source in counters, logs and quarantine.
    pub name: String,
    /// The queue that S3, SNS or EventBridge notifies of each new object, or that a broker sends to. FIFO queues are
    /// not read.
    pub queue_url: Url,
    /// What its messages are. `logs`: notifications of objects that hold logs. `grants`: messages about access grants,
    /// as docs/grants.md has them, wrapped by SNS or not; then what is said of buckets and objects here means nothing.
    #[serde(default)]
    pub content: Holds,
    /// For `grants`: the preset, or the `name` of a `[[grants.preset]]`, that reads them, if they are a broker's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"aws-team")]
    pub preset: Option<String>,
    /// The AWS region. Without it: the one in the queue's URL, else what profile or environment say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// An endpoint to use in place of AWS's own, for SQS, S3 and STS alike: a VPC endpoint or a test
    /// server. Buckets then stand in the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<Url>,
    /// The profile in the shared AWS configuration files. Without it: the SDK's usual places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// A role to assume for the queue and the objects, such as `arn:aws:iam::111122223333:role/log-reader`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The external id that the trust policy of `role_arn` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The buckets that objects may be read from. A message that names another is quarantined. Empty
    /// allows every bucket the credentials can read: whoever may send to the queue then chooses.
    #[serde(default)]
    pub buckets: Vec<String>,
    /// Messages in work at once, from receiving to deleting. More costs memory only for messages;
    /// objects are bounded by `max_bytes_in_flight`.
    #[serde(default = "max_in_flight")]
    #[schemars(range(min = 1, max = 1_000))]
    pub max_in_flight: u32,
    /// Bytes of objects, as stored, that are read and not yet committed. A larger object passes alone.
    #[serde(default = "max_bytes_in_flight")]
    #[schemars(range(min = 1_048_576))]
    pub max_bytes_in_flight: u64,
    /// The largest object that is read, in bytes as stored. Larger ones are quarantined unread.
    #[serde(default = "max_object_bytes")]
    #[schemars(range(min = 1_048_576, max = 2_147_483_647))]
    pub max_object_bytes: u64,
    /// Objects read from S3 at once.
    #[serde(default = "fetches")]
    #[schemars(range(min = 1, max = 256))]
    pub fetches: u32,
    /// How long a message stays hidden from other readers at a time; it is renewed at half of this
    /// while work goes on. After a crash, this is how long its messages stay away.
    #[serde(default = "visibility")]
    pub visibility: Duration,
    /// How long a poll waits for a message, at most 20s. Shorter only costs more requests.
    #[serde(default = "wait")]
    pub wait: Duration,
    /// After how many receives a message is quarantined whose objects S3 refuses for a reason we do
    /// not know. Keep it below the queue's own maxReceiveCount.
    #[serde(default = "max_receives")]
    #[schemars(range(min = 1, max = 1_000))]
    pub max_receives: u32,
    /// How often a request to AWS is tried, with back-off and jitter, before it fails.
    #[serde(default = "attempts")]
    #[schemars(range(min = 1, max = 20))]
    pub attempts: u32,
    /// How long messages in work may take to finish after a stop, before they are given back to the
    /// queue. Keep it below `pipeline.drain_timeout`.
    #[serde(default = "drain")]
    pub drain: Duration,
    /// Whether a CloudTrail file that is itself the message (uncompressed) is read. Whoever may send to
    /// the queue can then make up records.
    #[serde(default)]
    pub accept_inline: bool,
}

/// What the messages of a queue are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SqsContent")]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Notifications of objects that hold logs.
    #[default]
    Logs,
    /// Messages about access grants.
    Grants,
}

fn max_in_flight() -> u32 {
    64
}

fn max_bytes_in_flight() -> u64 {
    64 * 1024 * 1024
}

fn max_object_bytes() -> u64 {
    256 * 1024 * 1024
}

fn fetches() -> u32 {
    16
}

fn visibility() -> Duration {
    Duration::from_secs(300)
}

fn wait() -> Duration {
    Duration::from_secs(20)
}

fn max_receives() -> u32 {
    4
}

fn attempts() -> u32 {
    5
}

fn drain() -> Duration {
    Duration::from_secs(20)
}

impl Config {
    /// Returns a source called `name` that reads `queue_url`, all else at its default.
    pub fn new(name: &str, queue_url: Url) -> Self {
        Self {
            name: name.to_owned(),
            queue_url,
            content: Holds::default(),
            preset: None,
            region: None,
            endpoint_url: None,
            profile: None,
            role_arn: None,
            external_id: None,
            buckets: Vec::new(),
            max_in_flight: max_in_flight(),
            max_bytes_in_flight: max_bytes_in_flight(),
            max_object_bytes: max_object_bytes(),
            fetches: fetches(),
            visibility: visibility(),
            wait: wait(),
            max_receives: max_receives(),
            attempts: attempts(),
            drain: drain(),
            accept_inline: false,
        }
    }

    /// Returns what is wrong, each with its key.
    pub(super) fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        let mut unless = |holds: bool, key: &'static str, what: &str| {
            if !holds {
                wrong.push((key, what.to_owned()));
            }
        };
        unless(!self.name.trim().is_empty(), "name", "a source needs a name");
        let is_web = matches!(self.queue_url.scheme(), "http" | "https");
        unless(is_web, "queue_url", "not a queue's URL; it starts with https://");
        let is_fifo = self.queue_url.path().ends_with(".fifo");
        unless(!is_fifo, "queue_url", "FIFO queues are not read; use a standard queue");
        let is_mapped = self.preset.is_none() || self.content == Holds::Grants;
        unless(is_mapped, "preset", "only messages about grants are read with a preset");
        let is_endpoint =
            self.endpoint_url.as_ref().is_none_or(|url| matches!(url.scheme(), "http" | "https"));
        unless(is_endpoint, "endpoint_url", "not an endpoint; it starts with https://");
        let is_role = self.role_arn.as_ref().is_none_or(|arn| {
            arn.starts_with("arn:")
                && arn.split(':').nth(5).is_some_and(|it| it.starts_with("role/"))
        });
        unless(is_role, "role_arn", "not the ARN of a role");
        let has_role = self.external_id.is_none() || self.role_arn.is_some();
        unless(has_role, "external_id", "an external id needs a `role_arn`");
        let is_named =
            self.buckets.iter().all(|name| !name.is_empty() && !name.contains(['/', ':']));
        unless(is_named, "buckets", "these are names of buckets, without s3:// and without a path");
        unless((1..=1_000).contains(&self.max_in_flight), "max_in_flight", "from 1 to 1000");
        unless(
            self.max_bytes_in_flight >= 1_048_576,
            "max_bytes_in_flight",
            "at least 1048576 (1 MiB)",
        );
        let is_object = (1_048_576..=2_147_483_647).contains(&self.max_object_bytes);
        unless(is_object, "max_object_bytes", "from 1048576 (1 MiB) to 2147483647 (2 GiB)");
        unless((1..=256).contains(&self.fetches), "fetches", "from 1 to 256");
        let seconds = |duration: Duration| duration.0.as_secs();
        let is_visible = (10..=39_600).contains(&seconds(self.visibility));
        unless(is_visible, "visibility", "from 10s to 11h");
        unless(self.wait.0 <= StdDuration::from_secs(20), "wait", "at most 20s");
        unless((1..=1_000).contains(&self.max_receives), "max_receives", "from 1 to 1000");
        unless((1..=20).contains(&self.attempts), "attempts", "from 1 to 20");
        unless(seconds(self.drain) <= 600, "drain", "at most 10m");
        wrong
    }

    fn access(&self) -> Access {
        let region = self.region.clone().or_else(|| aws::region_of_queue(&self.queue_url));
        Access {
            region,
            endpoint_url: self.endpoint_url.clone(),
            profile: self.profile.clone(),
            role_arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
            attempts: self.attempts,
        }
    }
}

/// A queue that is ready to be read.
pub(super) struct Ready {
    consumer: Arc<Consumer<Sqs, S3Objects>>,
    bounds: Bounds,
}

/// Connects to the queue of `config` and looks at how it is set up.
pub(super) async fn ready(
    config: &Config,
    known: Known,
    to: mpsc::Sender<Delivery>,
    counters: Arc<Counters>,
) -> Result<Ready, SourceError> {
    let shared = aws::load(&config.name, &config.access(), config.wait.0).await?;
    let queue = Sqs {
        client: aws_sdk_sqs::Client::new(&shared),
        url: config.queue_url.to_string(),
        wait: config.wait.0,
        visibility: config.visibility.0,
        batches_are_refused: AtomicBool::new(false),
    };
    inspect(config, &queue).await?;
    let objects = S3Objects::new(aws::s3(&shared));
    let limits = Limits { fetches: config.fetches, max_object_bytes: config.max_object_bytes };
    let budget = Budget::new(config.max_bytes_in_flight);
    let consumer = Consumer {
        name: Arc::from(config.name.as_str()),
        terms: Terms {
            buckets: config.buckets.iter().cloned().collect(),
            visibility: config.visibility.0,
            max_receives: config.max_receives,
            pasted: if config.accept_inline { Pasted::Accepted } else { Pasted::Refused },
            holds: match config.content {
                Holds::Logs => work::Holds::Logs,
                Holds::Grants => {
                    work::Holds::Grants { preset: config.preset.as_deref().map(Arc::from) }
                }
            },
        },
        queue: Arc::new(queue),
        fetcher: Fetcher::new(objects, budget, limits, Arc::clone(&counters)),
        known,
        to,
        counters,
        quiet: Quiet::default(),
    };
    let bounds = Bounds { max_in_flight: config.max_in_flight, drain: config.drain.0 };
    Ok(Ready { consumer: Arc::new(consumer), bounds })
}

impl Ready {
    /// Reads the queue until `stop`.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) -> Result<(), SourceError> {
        consumer::run(self.consumer, self.bounds, stop).await;
        Ok(())
    }
}

/// Warns of a set-up that will lose or repeat work. Only a queue that is not there is fatal: the
/// permission to ask may be missing, and the network may come back.
async fn inspect(config: &Config, queue: &Sqs) -> Result<(), SourceError> {
    let source = &config.name;
    if config.buckets.is_empty() && config.content == Holds::Logs {
        warn!(%source, "`buckets` is empty: every bucket a message names is read");
    }
    match queue.setup().await {
        Ok(setup) => {
            info!(%source, queue_url = queue.url, waiting = setup.waiting, "reading queue");
            for concern in concerns(config, &setup) {
                warn!(%source, "{concern}");
            }
            Ok(())
        }
        Err(QueueError::Gone { source }) => Err(SourceError::NoQueue {
            name: config.name.clone(),
            queue_url: queue.url.clone(),
            source,
        }),
        Err(error) => {
            warn!(%source, error = %chain(&error), "could not look at the queue's set-up");
            Ok(())
        }
    }
}

fn concerns(config: &Config, setup: &Setup) -> Vec<String> {
    let mut concerns = Vec::new();
    match setup.max_receives {
        None => concerns.push(
            "the queue has no redrive policy: a message that keeps failing comes back until it expires"
                .to_owned(),
        ),
        Some(limit) if limit <= config.max_receives => concerns.push(format!(
            "the queue sets messages aside after {limit} receives, before `max_receives` ({}) is reached",
            config.max_receives
        )),
        Some(_) => {}
    }
    if let Some(visibility) = setup.visibility.filter(|it| *it < config.visibility.0) {
        concerns.push(format!(
            "the queue's own visibility ({}) is shorter than ours ({}): other readers of it may be too hasty",
            Duration(visibility),
            config.visibility
        ));
    }
    concerns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new(
            "trail",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/logs".parse().unwrap(),
        )
    }

    #[test]
    fn defaults_are_sound_and_the_same_in_a_file() {
        assert_eq!(config().check(), []);
        let text = "
            name = 'trail'
            queue_url = 'https://sqs.eu-west-1.amazonaws.com/111122223333/logs'
        ";
        assert_eq!(toml::from_str::<Config>(text).unwrap(), config());
        assert!(toml::from_str::<Config>(&format!("{text}\nvisibilty = '1m'")).is_err());
        assert_eq!(config().access().region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn every_mistake_is_reported() {
        let wrong = Config {
            name: " ".to_owned(),
            queue_url: "ftp://example.com/q.fifo".parse().unwrap(),
            role_arn: Some("arn:aws:iam::111122223333:user/x".to_owned()),
            endpoint_url: Some("file:///x".parse().unwrap()),
            buckets: vec!["s3://logs".to_owned()],
            max_in_flight: 0,
            max_bytes_in_flight: 1,
            max_object_bytes: 3_000_000_000,
            fetches: 0,
            visibility: Duration::from_secs(1),
            wait: Duration::from_secs(21),
            max_receives: 0,
            attempts: 0,
            drain: Duration::from_secs(601),
            ..config()
        };
        let keys: Vec<&str> = wrong.check().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            [
                "name",
                "queue_url",
                "queue_url",
                "endpoint_url",
                "role_arn",
                "buckets",
                "max_in_flight",
                "max_bytes_in_flight",
                "max_object_bytes",
                "fetches",
                "visibility",
                "wait",
                "max_receives",
                "attempts",
                "drain",
            ]
        );
        let lonely = Config { external_id: Some("x".to_owned()), ..config() };
        assert_eq!(lonely.check().len(), 1);
    }

    #[test]
    fn a_queue_that_will_hurt_is_told_of() {
        let five_minutes = Some(StdDuration::from_secs(300));
        let good = Setup { max_receives: Some(10), visibility: five_minutes, waiting: 0 };
        assert!(concerns(&config(), &good).is_empty());
        let bare = Setup { max_receives: None, ..good.clone() };
        assert!(concerns(&config(), &bare)[0].contains("no redrive policy"));
        let hasty = Setup {
            max_receives: Some(3),
            visibility: Some(StdDuration::from_secs(30)),
            waiting: 0,
        };
        assert_eq!(concerns(&config(), &hasty).len(), 2);
    }
}
