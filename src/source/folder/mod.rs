//! A file or a folder as a source: once, in the order of delivery, or watched.
//!
//! Invariant: a file is read when its size has come to rest, and told apart by size and time of
//! change; hidden files and `.metadata.json` sidecars are never read.

pub(super) mod watch;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::watch as flag;
use tokio::task::spawn_blocking;
use tracing::debug;
use tracing::warn;

use crate::model::Content;
use crate::model::Delivery;
use crate::model::Format;
use crate::model::Hold;
use crate::model::ObjectId;
use crate::model::Receipt;
use crate::model::Seconds;
use crate::source::Known;
use crate::source::budget::Budget;
use crate::source::counters::Counters;
use crate::source::counters::add;
use crate::source::counters::count;
use crate::source::error::SourceError;
use crate::source::key;
use crate::source::key::Promise;
use crate::source::stop::until;
use crate::source::window::Window;

/// A file or folder to read deliveries from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "FolderSource")]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of this source in counters, logs and quarantine.
    pub name: String,
    /// The file or folder; folders are read with all folders below. Hidden files and
    /// `.metadata.json` files are left out.
    pub path: PathBuf,
    /// Whether to go on reading what is added or changed, or to end once all is read.
    #[serde(default = "watched")]
    pub watch: bool,
    /// Bytes of files that are read and not yet committed. A larger file passes alone.
    #[serde(default = "max_bytes_in_flight")]
    #[schemars(range(min = 1_048_576))]
    pub max_bytes_in_flight: u64,
    /// The largest file that is read, in bytes as stored. Larger ones are quarantined unread.
    #[serde(default = "max_object_bytes")]
    #[schemars(range(min = 1_048_576, max = 2_147_483_647))]
    pub max_object_bytes: u64,
}

fn watched() -> bool {
    true
}

fn max_bytes_in_flight() -> u64 {
    64 * 1024 * 1024
}

fn max_object_bytes() -> u64 {
    256 * 1024 * 1024
}

impl Config {
    /// Returns a source called `name` that watches `path`, all else at its default.
    pub fn new(name: &str, path: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            path,
            watch: watched(),
            max_bytes_in_flight: max_bytes_in_flight(),
            max_object_bytes: max_object_bytes(),
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
        unless(!self.path.as_os_str().is_empty(), "path", "the path of a file or folder");
        unless(
            self.max_bytes_in_flight >= 1_048_576,
            "max_bytes_in_flight",
            "at least 1048576 (1 MiB)",
        );
        let is_object = (1_048_576..=2_147_483_647).contains(&self.max_object_bytes);
        unless(is_object, "max_object_bytes", "from 1048576 (1 MiB) to 2147483647 (2 GiB)");
        wrong
    }
}

/// A file that was found. Files sort by the minute of delivery in their names, so that accounts and
/// regions interleave as they did; those without one come first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// The minute of delivery.
    pub(super) delivered: Option<Seconds>,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its size.
    pub(super) size_bytes: u64,
    /// When it changed, in nanoseconds since 1970.
    pub(super) changed_nanos: u128,
}

impl Found {
    fn at(path: PathBuf, metadata: &fs::Metadata) -> io::Result<Self> {
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            delivered: key::delivered(&slashed(&path)),
            path,
            size_bytes: metadata.len(),
            changed_nanos: changed.as_nanos(),
        })
    }

    /// Returns the id by which the ledger knows this state of the file.
    pub(super) fn object(&self) -> ObjectId {
        ObjectId {
            location: self.path.to_string_lossy().into_owned(),
            revision: format!("{}-{}", self.size_bytes, self.changed_nanos),
        }
    }
}

/// Returns every file to read at or below `root`, in the order to read them.
pub(super) fn walk(root: &Path, window: Window) -> Result<Vec<Found>, SourceError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SourceError::Unreadable { path, source }
    };
    let metadata = fs::metadata(root).map_err(failed(root))?;
    if !metadata.is_dir() {
        return Ok(vec![Found::at(root.to_owned(), &metadata).map_err(failed(root))?]);
    }
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
            let entry = entry.map_err(failed(&folder))?;
            let path = entry.path();
            if is_left_out(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let kind = entry.file_type().map_err(failed(&path))?;
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            // A link to a folder could lead in circles; a link to a file is a file.
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    debug!(path = %path.display(), "gone before it was looked at");
                    continue;
                }
                Err(error) => return Err(failed(&path)(error)),
            };
            if metadata.is_file() {
                let file = Found::at(path.clone(), &metadata).map_err(failed(&path))?;
                if file.delivered.is_none_or(|at| window.has_delivery(at)) {
                    found.insert(file);
                }
            }
        }
    }
    Ok(found.into_iter().collect())
}

fn is_left_out(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".metadata.json")
}

fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}

/// Reads files and hands them over, one after the other.
#[derive(Clone)]
pub(super) struct Reader {
    /// The source's name.
    pub(super) name: Arc<str>,
    /// What its files are.
    pub(super) holds: Holds,
    /// What may be in flight.
    pub(super) budget: Budget,
    /// The largest file that is read.
    pub(super) max_object_bytes: u64,
    /// Whether a file was committed before.
    pub(super) known: Known,
    /// Where deliveries go.
    pub(super) to: mpsc::Sender<Delivery>,
    /// What is counted.
    pub(super) counters: Arc<Counters>,
    /// Says when to stop.
    pub(super) stop: flag::Receiver<bool>,
}

/// What the files of a folder are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// Logs, as far as their names do not say otherwise.
    Logs,
    /// Messages about grants, all of them.
    Grants,
}

impl Holds {
    fn promise(self, path: &Path) -> Promise {
        match self {
            Self::Logs => key::promise(&slashed(path)),
            Self::Grants => Promise::Read(Format::Grants),
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// It is on its way, or known.
    On,
    /// It could not be read now.
    Failed,
    /// Nobody takes deliveries any more.
    Stopped,
}

/// What to do with a file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Quarantine it: there is no second look.
    Reject,
    /// Leave it for the next look.
    Leave,
}

impl Reader {
    /// Reads all files at or below `root` once.
    pub(super) async fn once(self, root: PathBuf, window: Window) -> Result<(), SourceError> {
        self.each_once(vec![root], window).await
    }

    /// Reads all files at or below each of `roots` once, in their order.
    pub(super) async fn each_once(
        self,
        roots: Vec<PathBuf>,
        window: Window,
    ) -> Result<(), SourceError> {
        let task = spawn_blocking(move || {
            let mut files = Vec::new();
            for root in roots {
                files.extend(walk(&root, window)?);
            }
            self.announce(&files);
            self.read_all(files);
            Ok(())
        });
        task.await.map_err(|source| SourceError::Panicked { source })?
    }

    fn announce(&self, files: &[Found]) {
        let bytes = files.iter().map(|file| file.size_bytes).sum();
        add(&self.counters.bytes_listed, bytes);
        add(&self.counters.objects_listed, u64::try_from(files.len()).unwrap_or(u64::MAX));
        self.counters.listing_complete.store(1, Ordering::Relaxed);
    }

    fn read_all(mut self, files: Vec<Found>) {
        for file in files {
            if self.pass(&file, Unreadable::Reject) == Passed::Stopped {
                return;
            }
        }
    }

    /// Reads one file and hands it over. Blocks: on the file, on the budget, on the pipeline.
    pub(super) fn pass(&mut self, file: &Found, unreadable: Unreadable) -> Passed {
        let object = file.object();
        if (self.known)(&object) {
            count(&self.counters.known);
            return Passed::On;
        }
        let format = match self.holds.promise(&file.path) {
            Promise::Read(format) => format,
            Promise::Routed(route, what) => {
                debug!(source = %self.name, %object, what, "a file that is no log");
                return self.hand_over(object, Content::Routed(route), Hold::nothing());
            }
        };
        if file.size_bytes > self.max_object_bytes {
            let (size, limit) = (file.size_bytes, self.max_object_bytes);
            let reason = format!("{object} is larger than `max_object_bytes`: {size}, not {limit}");
            return self.reject(object, reason);
        }
        let share = self.budget.take(file.size_bytes);
        let Some(share) = Handle::current().block_on(until(&mut self.stop, share)) else {
            return Passed::Stopped;
        };
        match read(&file.path, self.max_object_bytes) {
            Ok(bytes) => {
                count(&self.counters.objects_fetched);
                add(&self.counters.bytes_fetched, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                self.hand_over(object, Content::Bytes { format, bytes }, Hold::new(share))
            }
            Err(error) => {
                count(&self.counters.fetch_failures);
                match unreadable {
                    Unreadable::Reject => {
                        self.reject(object, format!("could not read the file: {error}"))
                    }
                    Unreadable::Leave => {
                        warn!(source = %self.name, %object, %error, "could not read a file; trying again");
                        Passed::Failed
                    }
                }
            }
        }
    }

    fn reject(&mut self, object: ObjectId, reason: String) -> Passed {
        count(&self.counters.rejected);
        warn!(source = %self.name, %object, reason, "rejected a file");
        self.hand_over(object, Content::Rejected { reason, body: Vec::new() }, Hold::nothing())
    }

    fn hand_over(&mut self, object: ObjectId, content: Content, hold: Hold) -> Passed {
        let source = Arc::clone(&self.name);
        let receipt = Receipt::nobody();
        let sent = self.to.send(Delivery { source, object, content, hold, receipt });
        match Handle::current().block_on(until(&mut self.stop, sent)) {
            Some(Ok(())) => Passed::On,
            Some(Err(_)) | None => Passed::Stopped,
        }
    }
}

/// Reads a file of at most `limit` bytes, whatever its size was when it was looked at.
fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;

    let file = fs::File::open(path)?;
    let size = usize::try_from(file.metadata()?.len().min(limit)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(size);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        true => Err(io::Error::other("it has grown beyond `max_object_bytes`")),
        false => Ok(bytes),
    }
}

/// Returns how long ago `file` changed, if it was in the past.
#[expect(
    clippy::disallowed_methods,
    reason = "whether a file has come to rest is asked at the edge"
)]
pub(super) fn age(file: &Found) -> Option<std::time::Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let nanos = now.as_nanos().checked_sub(file.changed_nanos)?;
    Some(std::time::Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
