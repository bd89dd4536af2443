//! Where deliveries come from: SQS with S3, folders, an S3 listing, CloudTrail's event history.
//!
//! A source announces nothing it has not read and forgets nothing it was told: each delivery carries a
//! receipt, and only a receipt that was called lets a message be deleted. What an object holds is none
//! of our business; what it is, by its key, is.
//!
//! Reading order: `envelope` (what a message says), `key` (what an object is), `fetch` with
//! `budget` (reading within bounds), `sqs`, `folder`, `target`, `grants`, `policies`; `upload` writes, for simulations.
//!
//! Invariant: the only room that knows the AWS SDK. Every queue here has a bound, and every wait ends
//! with the stop.

mod aws;
mod budget;
mod changes;
mod counters;
mod envelope;
mod error;
mod fetch;
pub mod folder;
mod grants;
mod key;
mod listing;
mod lookup;
mod objects;
pub mod policies;
mod quiet;
mod signed;
pub mod sqs;
mod stop;
#[cfg(test)]
pub(crate) mod stub;
mod target;
mod upload;
mod window;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::model::Delivery;
use crate::model::ObjectId;
use crate::source::budget::Budget;
use crate::source::folder::Holds;
use crate::source::folder::Reader;
use crate::source::window::Window as Asked;

pub use crate::source::aws::Access;
pub use crate::source::changes::Changes;
pub use crate::source::counters::Counters;
pub use crate::source::error::Cause;
pub use crate::source::error::Fault;
pub use crate::source::error::SourceError;
pub use crate::source::grants::Looks;
pub use crate::source::grants::grants;
pub use crate::source::target::Listing;
pub use crate::source::target::Target;
pub use crate::source::target::list;
pub use crate::source::upload::Upload;
pub use crate::source::upload::Uploads;
pub use crate::source::window::Window;

/// Tells whether an object was committed before, so that it is not read again.
///
/// It is asked once or twice for each object, from tasks that serve many: it must be quick. A wrong
/// `false` costs a read; a wrong `true` loses a delivery.
pub type Known = Arc<dyn Fn(&ObjectId) -> bool + Send + Sync>;

/// Where deliveries come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Source")]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Queues that S3, SNS or EventBridge notifies of each new object.
    pub sqs: Vec<sqs::Config>,
    /// Files or folders on this machine.
    pub folder: Vec<folder::Config>,
}

impl Config {
    /// Returns whether a queue of messages about grants is among them.
    pub fn hears_of_grants(&self) -> bool {
        self.sqs.iter().any(|queue| queue.content == sqs::Holds::Grants)
    }

    /// Returns every mistake as (key, what is wrong), keys relative to `source`: `sqs[0].visibility`.
    pub fn check(&self) -> Vec<(String, String)> {
        let mut wrong = Vec::new();
        for (at, queue) in self.sqs.iter().enumerate() {
            let placed = |(key, what)| (format!("sqs[{at}].{key}"), what);
            wrong.extend(queue.check().into_iter().map(placed));
        }
        for (at, folder) in self.folder.iter().enumerate() {
            let placed = |(key, what)| (format!("folder[{at}].{key}"), what);
            wrong.extend(folder.check().into_iter().map(placed));
        }
        wrong
    }
}

/// Sources at work. Dropping it ends them at once, without draining.
#[derive(Debug)]
pub struct Running {
    tasks: JoinSet<Result<(), SourceError>>,
    counters: Vec<Arc<Counters>>,
}

impl Running {
    fn new(tasks: JoinSet<Result<(), SourceError>>, counters: Vec<Arc<Counters>>) -> Self {
        Self { tasks, counters }
    }

    /// Returns the counters of each source.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Returns whether any source has not ended yet, as far as somebody waited for it.
    pub fn is_running(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Waits until all sources have ended, or the first has failed; call it again to wait for the
    /// others. Nothing is lost if the wait is broken off.
    pub async fn ended(&mut self) -> Result<(), SourceError> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|source| SourceError::Panicked { source })??;
        }
        Ok(())
    }
}

/// Starts every source of `config`. Deliveries arrive on `to` until all have ended: a folder that is
/// not watched by itself, everything else after `stop`.
///
/// Deliveries whose receipt is called later than a queue's `drain` after the stop are delivered again.
pub async fn start(
    config: &Config,
    known: Known,
    to: mpsc::Sender<Delivery>,
    stop: watch::Receiver<bool>,
) -> Result<Running, SourceError> {
    let mut all_counters = Vec::new();
    let mut queues = Vec::new();
    for queue in &config.sqs {
        let counters = Counters::new(&queue.name);
        all_counters.push(Arc::clone(&counters));
        queues.push(sqs::ready(queue, Arc::clone(&known), to.clone(), counters).await?);
    }
    for folder in &config.folder {
        // A path that is not there is a mistake to be told of now, not a folder to wait for.
        std::fs::metadata(&folder.path)
            .map_err(|source| SourceError::Unreadable { path: folder.path.clone(), source })?;
    }
    let mut tasks = JoinSet::new();
    for queue in queues {
        tasks.spawn(queue.run(stop.clone()));
    }
    for folder in &config.folder {
        let counters = Counters::new(&folder.name);
        all_counters.push(Arc::clone(&counters));
        let reader = Reader {
            name: Arc::clone(&counters.source),
            holds: Holds::Logs,
            budget: Budget::new(folder.max_bytes_in_flight),
            max_object_bytes: folder.max_object_bytes,
            known: Arc::clone(&known),
            to: to.clone(),
            counters,
            stop: stop.clone(),
        };
        let path = folder.path.clone();
        match folder.watch {
            true => tasks.spawn(folder::watch::watch(reader, path)),
            false => tasks.spawn(reader.once(path, Asked::default())),
        };
    }
    Ok(Running::new(tasks, all_counters))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::Content;

    #[test]
    fn mistakes_are_told_with_their_keys() {
        let text = "
            [[sqs]]
            name = 'trail'
            queue_url = 'https://sqs.eu-west-1.amazonaws.com/111122223333/logs'
            [[sqs]]
            name = 'other'
            queue_url = 'https://sqs.eu-west-1.amazonaws.com/111122223333/other'
            visibility = '1s'
            [[folder]]
            name = ''
            path = '/var/log/aws'
        ";
        let config: Config = toml::from_str(text).unwrap();
        let keys: Vec<String> = config.check().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["sqs[1].visibility", "folder[0].name"]);
        assert!(toml::from_str::<Config>("[[sqss]]\nname = 'x'").is_err());
    }

    #[test]
    fn the_policy_and_its_table_name_the_same_permissions() {
        let policy: serde_json::Value =
            serde_json::from_str(include_str!("../../deploy/iam-policy.json")).unwrap();
        let mut allowed = BTreeSet::new();
        for statement in policy["Statement"].as_array().unwrap() {
            let actions = &statement["Action"];
            let many = actions.as_array().cloned().unwrap_or_else(|| vec![actions.clone()]);
            allowed.extend(many.iter().map(|action| action.as_str().unwrap().to_owned()));
        }
        let docs = include_str!("../../docs/sources.md");
        let section = docs.split("### Permissions").nth(1).unwrap().split("### ").next().unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        let named = rows.flat_map(|row| row.split('`').step_by(2).map(str::to_owned));
        let named = named.filter(|name| name.contains(':'));
        assert_eq!(named.collect::<BTreeSet<_>>(), allowed);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_watched_ends_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.json"), "{}").unwrap();
        let once = folder::Config {
            watch: false,
            ..folder::Config::new("once", folder.path().to_owned())
        };
        let config = Config { folder: vec![once], ..Config::default() };
        let (to, mut from) = mpsc::channel(4);
        let (_say, stop) = watch::channel(false);
        let mut running = start(&config, Arc::new(|_| false), to, stop).await.unwrap();
        let delivery = from.recv().await.unwrap();
        assert_eq!(&*delivery.source, "once");
        assert!(matches!(delivery.content, Content::Bytes { .. }));
        running.ended().await.unwrap();
        assert!(from.recv().await.is_none());
        assert!(running.counters()[0].snapshot().contains(&("objects_fetched", 1)));
    }

    #[tokio::test]
    async fn a_missing_folder_is_told_of_at_once() {
        let config = Config {
            folder: vec![folder::Config::new("gone", "/nonexistent/logs".into())],
            ..Config::default()
        };
        let (to, _from) = mpsc::channel(1);
        let (_say, stop) = watch::channel(false);
        let error = start(&config, Arc::new(|_| false), to, stop).await.unwrap_err();
        assert!(matches!(error, SourceError::Unreadable { .. }) && !error.is_retryable());
    }
}
