//! Reads objects from S3 within the byte budget, and says what each failure means.
//!
//! Codes: Amazon S3 API Reference, "Error responses".
//!
//! Invariant: no body is read before a share of the budget as large as the body is held, and nobody
//! waits for more budget while holding some.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio::time::timeout;
use tracing::debug;

use crate::model::ObjectId;
use crate::source::budget::Budget;
use crate::source::budget::Share;
use crate::source::counters::Counters;
use crate::source::counters::add;
use crate::source::counters::count;
use crate::source::envelope::Announced;
use crate::source::envelope::location;
use crate::source::error::Cause;
use crate::telemetry::chain;

/// How long reading one body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);

/// How often an object may turn out larger than it was before we give up for now.
const MAX_RESIZES: u32 = 4;

/// Pauses before an object that is missing, or whose body broke off, is tried again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The one verb of S3 that the queue's consumer needs.
pub(super) trait Objects: Send + Sync + 'static {
    /// Begins to read an object. The body is read by the caller, who looks at its length first.
    fn open(&self, object: &Wanted) -> impl Future<Output = Result<Opened, FetchError>> + Send;
}

/// An object to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The bucket.
    pub(super) bucket: String,
    /// The key, exactly.
    pub(super) key: String,
    /// The version; without it the newest is read.
    pub(super) version: Option<String>,
}

impl Wanted {
    /// Returns where it lies.
    pub(super) fn location(&self) -> String {
        location(&self.bucket, &self.key)
    }
}

/// An object whose body has not been read yet.
pub(super) struct Opened {
    /// The length of the body, as the server says.
    pub(super) length: Option<u64>,
    /// The version, else the ETag, else empty.
    pub(super) revision: String,
    /// The body.
    pub(super) body: ByteStream,
}

/// An object as it was read.
pub(super) struct Fetched {
    /// What was read.
    pub(super) object: ObjectId,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// The part of the budget they occupy.
    pub(super) share: Share,
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read {location}: {kind}")]
pub(super) struct FetchError {
    /// Which object.
    pub(super) location: String,
    /// What it means.
    pub(super) kind: Trouble,
    /// What S3 said.
    pub(super) source: Option<Cause>,
}

/// What a failure to read an object means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// There is no such object or version.
    #[error("it is not there")]
    Missing,
    /// It was moved to an archive, and grantwatch restores nothing.
    #[error("it is archived and must be restored first")]
    Archived,
    /// It is larger than `max_object_bytes`.
    #[error("it is larger than `max_object_bytes`")]
    TooLarge,
    /// We may not, or may not decrypt it.
    #[error("access is denied")]
    Denied,
    /// The bucket is not there, or not in the region we ask.
    #[error("the bucket is not there, or in another region")]
    NoBucket,
    /// The body was shorter or longer than announced, or broke off.
    #[error("its body broke off")]
    Broken,
    /// The network or the service failed, or asked for patience.
    #[error("the service is not available")]
    Unavailable,
    /// Anything else that S3 says no to.
    #[error("the service refuses")]
    Refused,
}

/// What to do about a [`Trouble`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// It will never work: quarantine.
    Reject,
    /// It works once somebody or time mends it: leave it with the queue.
    Wait,
    /// It looks lasting, but may be our misunderstanding: wait a few times, then reject.
    Doubt,
}

impl Trouble {
    /// Returns what to do about it.
    pub(super) fn advice(self) -> Advice {
        match self {
            Self::Missing | Self::Archived | Self::TooLarge => Advice::Reject,
            Self::Denied | Self::Broken | Self::Unavailable => Advice::Wait,
            Self::NoBucket | Self::Refused => Advice::Doubt,
        }
    }

    /// Returns what a code and status of S3 mean.
    pub(super) fn of(code: &str, status: u16) -> Self {
        match (code, status) {
            // A version that is a delete marker answers 405.
            ("NoSuchKey" | "NoSuchVersion" | "NotFound" | "MethodNotAllowed", _) => Self::Missing,
            ("InvalidObjectState", _) => Self::Archived,
            ("NoSuchBucket" | "PermanentRedirect" | "AuthorizationHeaderMalformed", _)
            | (_, 301 | 307) => Self::NoBucket,
            ("ExpiredToken" | "RequestTimeTooSkewed", _) | (_, 401 | 403) => Self::Denied,
            (code, _) if code.starts_with("KMS.") => Self::Denied,
            ("SlowDown" | "RequestTimeout" | "InternalError" | "ServiceUnavailable", _)
            | (_, 0 | 408 | 429 | 500..) => Self::Unavailable,
            _ => Self::Refused,
        }
    }

    /// Returns whether a second try in a moment may help.
    fn passes_soon(self) -> bool {
        matches!(self, Self::Missing | Self::Broken)
    }
}

/// Reads objects one by one, a bounded number and a bounded amount at a time.
pub(super) struct Fetcher<O> {
    /// Where objects are read from.
    pub(super) objects: O,
    /// What may be in flight.
    pub(super) budget: Budget,
    /// How many may be read at once.
    pub(super) lanes: Semaphore,
    /// How large an object may be.
    pub(super) max_object_bytes: u64,
    /// Pauses before a second and a third try.
    pub(super) pauses: [Duration; 2],
    /// What is counted.
    pub(super) counters: Arc<Counters>,
}

impl<O: Objects> Fetcher<O> {
    /// Returns a fetcher over `objects`.
    pub(super) fn new(objects: O, budget: Budget, limits: Limits, counters: Arc<Counters>) -> Self {
        Self {
            objects,
            budget,
            lanes: Semaphore::new(usize::try_from(limits.fetches).unwrap_or(1).max(1)),
            max_object_bytes: limits.max_object_bytes,
            pauses: PAUSES,
            counters,
        }
    }

    /// Reads what was announced, with a few tries in a row where that may help.
    pub(super) async fn fetch(&self, announced: &Announced) -> Result<Fetched, FetchError> {
        let mut wanted = Wanted {
            bucket: announced.bucket.clone(),
            key: announced.key.clone(),
            version: announced.version.clone(),
        };
        let mut pauses = self.pauses.iter();
        let mut other_key = announced.fallback_key.clone();
        loop {
            let error = match self.fetch_once(&wanted, announced.size_bytes).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => error,
            };
            count(&self.counters.fetch_failures);
            if error.kind == Trouble::Missing
                && let Some(key) = other_key.take()
            {
                debug!(object = %wanted.location(), %key, "no such key, trying it decoded");
                wanted.key = key;
                continue;
            }
            let pause = pauses.next().filter(|_| error.kind.passes_soon());
            let Some(pause) = pause else { return Err(error) };
            debug!(error = %chain(&error), "trying an object again");
            sleep(*pause).await;
        }
    }

    /// Reads what was announced into a share of the budget that was taken for it. An object that has
    /// grown since is read all the same: waiting here could wait for ever.
    pub(super) async fn fetch_held(
        &self,
        announced: &Announced,
        share: Share,
    ) -> Result<Fetched, FetchError> {
        let wanted = Wanted {
            bucket: announced.bucket.clone(),
            key: announced.key.clone(),
            version: announced.version.clone(),
        };
        self.admit(&wanted, announced.size_bytes.unwrap_or(0))?;
        let mut pauses = self.pauses.iter();
        loop {
            let error = match self.read_all(&wanted).await {
                Ok((object, bytes)) => return Ok(Fetched { object, bytes, share }),
                Err(error) => error,
            };
            count(&self.counters.fetch_failures);
            let pause = pauses.next().filter(|_| error.kind.passes_soon());
            let Some(pause) = pause else { return Err(error) };
            debug!(error = %chain(&error), "trying an object again");
            sleep(*pause).await;
        }
    }

    async fn read_all(&self, wanted: &Wanted) -> Result<(ObjectId, Vec<u8>), FetchError> {
        let opened = self.objects.open(wanted).await?;
        let length = opened.length.unwrap_or_else(|| self.budget.total());
        self.admit(wanted, opened.length.unwrap_or(0))?;
        let object = ObjectId { location: wanted.location(), revision: opened.revision.clone() };
        Ok((object, self.read(wanted, opened, length).await?))
    }

    async fn fetch_once(&self, wanted: &Wanted, hint: Option<u64>) -> Result<Fetched, FetchError> {
        let mut expected_bytes = hint.unwrap_or(0);
        for _ in 0..=MAX_RESIZES {
            self.admit(wanted, expected_bytes)?;
            let mut share = self.budget.take(expected_bytes).await;
            let lane = self.lanes.acquire().await.expect("the lanes are never closed");
            let opened = self.objects.open(wanted).await?;
            let length = opened.length.unwrap_or_else(|| self.budget.total());
            self.admit(wanted, opened.length.unwrap_or(0))?;
            if self.budget.widen(&mut share, length) {
                let object =
                    ObjectId { location: wanted.location(), revision: opened.revision.clone() };
                let bytes = self.read(wanted, opened, length).await?;
                return Ok(Fetched { object, bytes, share });
            }
            // Larger than we held budget for: let go of everything, then wait for enough.
            drop((opened, lane, share));
            expected_bytes = length;
        }
        Err(FetchError { location: wanted.location(), kind: Trouble::Broken, source: None })
    }

    fn admit(&self, wanted: &Wanted, bytes: u64) -> Result<(), FetchError> {
        if bytes <= self.max_object_bytes {
            return Ok(());
        }
        let source = format!("{bytes} bytes, the limit is {}", self.max_object_bytes);
        Err(FetchError {
            location: wanted.location(),
            kind: Trouble::TooLarge,
            source: Some(source.into()),
        })
    }

    async fn read(
        &self,
        wanted: &Wanted,
        opened: Opened,
        length: u64,
    ) -> Result<Vec<u8>, FetchError> {
        let broken = |source: Cause| FetchError {
            location: wanted.location(),
            kind: Trouble::Broken,
            source: Some(source),
        };
        let announced = opened.length;
        let bytes = match timeout(BODY_TIMEOUT, collect(opened.body, length)).await {
            Ok(bytes) => bytes.map_err(broken)?,
            Err(elapsed) => return Err(broken(elapsed.into())),
        };
        let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if announced.is_some_and(|announced| announced != read) {
            return Err(broken(format!("{read} bytes came, {length} were announced").into()));
        }
        count(&self.counters.objects_fetched);
        add(&self.counters.bytes_fetched, read);
        Ok(bytes)
    }
}

/// What a fetcher may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Objects at once.
    pub(super) fetches: u32,
    /// Bytes of one object.
    pub(super) max_object_bytes: u64,
}

async fn collect(mut body: ByteStream, length: u64) -> Result<Vec<u8>, Cause> {
    let capacity = usize::try_from(length)?;
    let mut bytes = Vec::with_capacity(capacity);
    while let Some(chunk) = body.try_next().await? {
        if bytes.len().saturating_add(chunk.len()) > capacity {
            return Err(format!("more than the {length} bytes expected").into());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
