//! What can go wrong at the intake, and what each of it means.
//!
//! Invariant: a variant says what we tried and on what; its cause is in `source`.

use std::error::Error;
use std::io;
use std::path::PathBuf;

/// What the AWS SDK, the file system or the watcher said.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a source could not start, or ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing says where to send requests.
    #[error("no AWS region for `{name}`: set `region`, or the one of the profile or environment")]
    NoRegion {
        /// The source or target.
        name: String,
    },
    /// The queue is not there.
    #[error("the queue `{queue_url}` of source `{name}` does not exist")]
    NoQueue {
        /// The source.
        name: String,
        /// Its queue.
        queue_url: String,
        /// What SQS said.
        source: Cause,
    },
    /// A file or folder could not be read.
    #[error("could not read `{}`", path.display())]
    Unreadable {
        /// What we tried to read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A prefix could not be listed.
    #[error("could not list `{prefix}`")]
    Unlisted {
        /// `s3://bucket/prefix`.
        prefix: String,
        /// Whether the service was at fault.
        fault: Fault,
        /// What S3 said.
        source: Cause,
    },
    /// An object of a listing could not be read.
    #[error("could not read an object of the listing")]
    Unfetched {
        /// Whether it may work later.
        fault: Fault,
        /// Which, and why.
        source: Cause,
    },
    /// An object could not be put into its bucket.
    #[error("could not put `{location}`")]
    Unput {
        /// `s3://bucket/key`.
        location: String,
        /// Whether the service was at fault.
        fault: Fault,
        /// What S3 said.
        source: Cause,
    },
    /// The event history could not be read.
    #[error("could not look up events in {region}")]
    Lookup {
        /// The region.
        region: String,
        /// Whether the service was at fault.
        fault: Fault,
        /// What CloudTrail said.
        source: Cause,
    },
    /// There is nobody to ask as.
    #[error("could not get credentials for {whose}")]
    NoCredentials {
        /// The role, or whose credentials were looked for.
        whose: String,
        /// What the SDK or STS said.
        source: Cause,
    },
    /// A call that reads policies was not answered.
    #[error("{call} was not answered for {whose}{hint}")]
    Unanswered {
        /// The role that asked, or whose credentials.
        whose: String,
        /// The call, as a permission is called.
        call: &'static str,
        /// What would help, if that is known; begins with `; `.
        hint: String,
        /// Whether the service was at fault.
        fault: Fault,
        /// What AWS said.
        source: Cause,
    },
    /// Nothing that was read tells whose it is.
    #[error(
        "nothing tells the id of the account of {whose}: it has no user, group, role or policy of its own; name a role in it"
    )]
    NoAccount {
        /// Whose credentials.
        whose: String,
    },
    /// The text names nothing that can be scanned.
    #[error("`{text}` is no target: {reason}")]
    NoTarget {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A task of ours ended by a panic: a bug.
    #[error("a source ended by a bug")]
    Panicked {
        /// The panic.
        source: tokio::task::JoinError,
    },
}

/// Whose fault a failed request was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The network's or the service's: the same request may succeed later.
    Passing,
    /// The request's: permissions, names.
    Lasting,
}

impl SourceError {
    /// Returns whether the same attempt may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unlisted { fault, .. }
            | Self::Unfetched { fault, .. }
            | Self::Unput { fault, .. }
            | Self::Unanswered { fault, .. }
            | Self::Lookup { fault, .. } => *fault == Fault::Passing,
            Self::NoRegion { .. }
            | Self::NoQueue { .. }
            | Self::Unreadable { .. }
            | Self::NoCredentials { .. }
            | Self::NoAccount { .. }
            | Self::NoTarget { .. }
            | Self::Panicked { .. } => false,
        }
    }
}
