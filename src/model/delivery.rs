//! A delivery: one object to read, and what its source is owed when its effects are committed.

use std::fmt;
use std::sync::Arc;

use crate::model::question::Reading;

/// One S3 object, folder file or message that holds records, as its source hands it to the pipeline.
pub struct Delivery {
    /// The configured name of the source, as it appears in counters.
    pub source: Arc<str>,
    /// What was read; the ledger tells deliveries apart by it.
    pub object: ObjectId,
    /// What was found there.
    pub content: Content,
    /// Keeps the source's byte budget occupied until this delivery is dropped.
    pub hold: Hold,
    /// Tells the source that everything this delivery caused is on disk.
    pub receipt: Receipt,
}

/// The identity of an object: the same location with another revision is another object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// `s3://bucket/key`, a file's path, or `message:ID`.
    pub location: String,
    /// The S3 version id, else the ETag, else what the source has (a file's size and mtime); may be empty.
    pub revision: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.revision.as_str() {
            "" => f.write_str(&self.location),
            revision => write!(f, "{}#{revision}", self.location),
        }
    }
}

/// What a delivery turned out to hold.
pub enum Content {
    /// An object that should hold records: compressed or not, exactly as read.
    Bytes {
        /// What the key promises; `decode` looks at the bytes all the same.
        format: Format,
        /// The object's bytes.
        bytes: Vec<u8>,
    },
    /// Messages about grants that came by themselves and not as a file: JSON, a list of it, or a line each.
    Messages {
        /// The preset that reads them, if they are a broker's own.
        preset: Option<Arc<str>>,
        /// What came.
        bytes: Vec<u8>,
    },
    /// What AWS answered when it was asked for a policy that no record tells.
    Reading(Reading),
    /// An object that its key says is no log: acknowledged, counted, kept for the room that will want it.
    Routed(Route),
    /// A message or object that can never be read. It goes to quarantine with this reason.
    Rejected {
        /// Why, for the operator.
        reason: String,
        /// The message body or the first bytes of the object.
        body: Vec<u8>,
    },
}

/// The record format a key promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CloudTrail management, data or network activity events.
    CloudTrail,
    /// VPC or transit gateway flow logs as text.
    Flow,
    /// Nothing is promised: decide by the bytes.
    Any,
    /// No log: messages about grants, in the form that the name's ending tells of.
    Grants,
}

/// Where an object that is not a log is routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// CloudTrail digest file.
    Digest,
    /// CloudTrail Insights file.
    Insight,
    /// CloudTrail five-minute aggregates of data events.
    Aggregated,
    /// A format that is recognised and not read yet (Parquet, Security Lake).
    Unsupported,
    /// Anything else that is recognised and carries no records: folders, test events, other topics' messages.
    Noise,
}

impl Route {
    /// Returns the name used in counters and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Insight => "insight",
            Self::Aggregated => "aggregated",
            Self::Unsupported => "unsupported",
            Self::Noise => "noise",
        }
    }
}

/// Something that is released when dropped: a share of a source's byte budget.
pub struct Hold(#[expect(dead_code, reason = "held only to be dropped")] Option<Box<dyn Send>>);

impl Hold {
    /// Holds `share` until dropped.
    pub fn new(share: impl Send + 'static) -> Self {
        Self(Some(Box::new(share)))
    }

    /// Holds nothing.
    pub fn nothing() -> Self {
        Self(None)
    }
}

/// What became of one message about a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It says something new, and is kept.
    New,
    /// It was known, word for word.
    Duplicate,
    /// It is kept beside another one that says something else under the same revision, time and status.
    Conflict,
    /// It cannot be read, and is in quarantine.
    Rejected,
}

/// What a source wants to be called when a delivery's effects are committed.
type Done = Box<dyn FnOnce(Vec<Became>) + Send>;

/// The promise to tell a source that a delivery's effects are committed.
///
/// Dropping it without calling [`Receipt::committed`] tells the source nothing: the queue will deliver again.
pub struct Receipt(Option<Done>);

impl Receipt {
    /// Calls `done` once the delivery is committed. `done` runs on the core thread and must not block.
    pub fn new(done: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(move |_| done())))
    }

    /// Calls `done` once the delivery is committed, with what became of each message about a grant in it, in their
    /// order. Of a delivery that was known before there is nothing to tell. `done` must not block.
    pub fn telling(done: impl FnOnce(Vec<Became>) + Send + 'static) -> Self {
        Self(Some(Box::new(done)))
    }

    /// Tells nobody.
    pub fn nobody() -> Self {
        Self(None)
    }

    /// Tells the source that the effects of its delivery are on disk.
    pub fn committed(self) {
        self.committed_as(Vec::new());
    }

    /// Tells the source that the effects of its delivery are on disk, and what became of its messages about grants.
    pub fn committed_as(self, became: Vec<Became>) {
        if let Some(done) = self.0 {
            done(became);
        }
    }
}
