//! What `scan` may be pointed at, and how it is read: once, in order, to the end.
//!
//! Invariant: deliveries come in the order of their times or keys, however many are read ahead.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::model::Delivery;
use crate::source::Known;
use crate::source::Running;
use crate::source::aws;
use crate::source::aws::Access;
use crate::source::budget::Budget;
use crate::source::counters::Counters;
use crate::source::error::SourceError;
use crate::source::fetch::Fetcher;
use crate::source::fetch::Limits;
use crate::source::folder::Holds;
use crate::source::folder::Reader;
use crate::source::listing::Lister;
use crate::source::lookup::Lookup;
use crate::source::objects::S3Objects;
use crate::source::window::Window;

/// Something that is read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, or a folder with all folders below.
    Path(PathBuf),
    /// All objects of a bucket whose keys begin with a prefix.
    Bucket {
        /// The bucket.
        bucket: String,
        /// The prefix; may be empty.
        prefix: String,
    },
    /// CloudTrail's event history of one region: 90 days of management events.
    Lookup {
        /// The region.
        region: String,
    },
}

impl Target {
    /// Reads `PATH`, `s3://bucket/prefix` or `lookup://region`.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let refuse = |reason| SourceError::NoTarget { text: text.to_owned(), reason };
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text.is_empty() {
                true => Err(refuse("it is empty")),
                false => Ok(Self::Path(PathBuf::from(text))),
            };
        };
        match scheme {
            "s3" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                if bucket.is_empty() {
                    return Err(refuse("the bucket is missing; write s3://bucket/prefix"));
                }
                Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
            }
            "lookup" => {
                let region = rest.trim_end_matches('/');
                let is_region = !region.is_empty()
                    && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                match is_region {
                    true => Ok(Self::Lookup { region: region.to_owned() }),
                    false => Err(refuse("the region is missing; write lookup://eu-west-1")),
                }
            }
            _ => Err(refuse("it is no path, no s3://bucket/prefix and no lookup://region")),
        }
    }
}

impl FromStr for Target {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        Self::parse(text)
    }
}

/// How a target is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which events are asked for. Deliveries that cannot hold any are not read.
    pub window: Window,
    /// How to get at AWS.
    pub access: Access,
    /// Bytes read and not yet committed.
    pub max_bytes_in_flight: u64,
    /// The largest object that is read.
    pub max_object_bytes: u64,
    /// Objects read ahead.
    pub fetches: u32,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            window: Window::default(),
            access: Access::default(),
            max_bytes_in_flight: 64 * 1024 * 1024,
            max_object_bytes: 256 * 1024 * 1024,
            fetches: 16,
        }
    }
}

/// Begins to read `target`; it ends by itself.
///
/// The counters of the result tell how much there is (`bytes_listed`, all of it once
/// `listing_complete` is 1) and how much of it was read.
pub async fn list(
    target: &Target,
    listing: &Listing,
    known: Known,
    to: mpsc::Sender<Delivery>,
    stop: watch::Receiver<bool>,
) -> Result<Running, SourceError> {
    let counters = Counters::new("scan");
    let mut tasks = JoinSet::new();
    let budget = Budget::new(listing.max_bytes_in_flight);
    let max_object_bytes = listing.max_object_bytes;
    let name = Arc::clone(&counters.source);
    match target {
        Target::Path(path) => {
            // What is not there is told at once, not when the task has ended.
            std::fs::metadata(path)
                .map_err(|source| SourceError::Unreadable { path: path.clone(), source })?;
            let counters = Arc::clone(&counters);
            let holds = Holds::Logs;
            let reader =
                Reader { name, holds, budget, max_object_bytes, known, to, counters, stop };
            tasks.spawn(reader.once(path.clone(), listing.window));
        }
        Target::Bucket { bucket, prefix } => {
            let shared = aws::load("scan", &listing.access, Duration::ZERO).await?;
            let client = aws::s3(&shared);
            let objects = S3Objects::new(client.clone());
            let limits = Limits { fetches: listing.fetches, max_object_bytes };
            let fetcher = Fetcher::new(objects, budget, limits, Arc::clone(&counters));
            let lister = Lister {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                window: listing.window,
                ahead: usize::try_from(listing.fetches).unwrap_or(1).max(1),
                fetcher: Arc::new(fetcher),
                known,
                to,
                stop,
            };
            tasks.spawn(lister.run(client));
        }
        Target::Lookup { region } => {
            let access = Access { region: Some(region.clone()), ..listing.access.clone() };
            let shared = aws::load("scan", &access, Duration::ZERO).await?;
            let client = aws_sdk_cloudtrail::Client::new(&shared);
            let region = region.clone();
            let counters = Arc::clone(&counters);
            let window = listing.window;
            tasks.spawn(Lookup::new(client, region, budget, known, to, counters, stop).run(window));
        }
    }
    Ok(Running::new(tasks, vec![counters]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_paths_prefixes_and_regions() {
        let of = |text: &str| Target::parse(text).unwrap();
        assert_eq!(of("./logs"), Target::Path("./logs".into()));
        let bucket = |bucket: &str, prefix: &str| Target::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        assert_eq!(of("s3://logs"), bucket("logs", ""));
        assert_eq!(of("s3://logs/"), bucket("logs", ""));
        assert_eq!(of("s3://logs/AWSLogs/1/"), bucket("logs", "AWSLogs/1/"));
        assert_eq!(of("lookup://eu-west-1"), Target::Lookup { region: "eu-west-1".to_owned() });
        for wrong in ["", "s3://", "s3:///x", "lookup://", "lookup://a b", "https://example.com"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }
}
