//! Watches a folder: wakes when the system says that something changed, and looks by itself now and then.
//!
//! Invariant: what decides is always a walk of the whole folder; a notification only makes it sooner,
//! so a lost one costs time and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use notify::RecommendedWatcher;
use notify::RecursiveMode;
use notify::Watcher as _;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio::time::timeout;
use tracing::debug;
use tracing::warn;

use crate::source::error::SourceError;
use crate::source::folder::Found;
use crate::source::folder::Passed;
use crate::source::folder::Reader;
use crate::source::folder::Unreadable;
use crate::source::folder::age;
use crate::source::folder::walk;
use crate::source::quiet::Quiet;
use crate::source::stop::until;
use crate::source::window::Window;
use crate::telemetry::chain;

/// For how long a file's size and time must not change before it is read.
pub(in crate::source) const SETTLE: Duration = Duration::from_secs(1);

/// How soon after a notification we look: changes come in swarms.
const GATHER: Duration = Duration::from_millis(100);

/// How often we look without being told, with notifications and without.
const RESCAN: Duration = Duration::from_secs(30);
const RESCAN_UNTOLD: Duration = Duration::from_secs(2);

/// What a watched folder remembers between looks.
struct Watched {
    reader: Reader,
    root: PathBuf,
    /// Files that were handed over, in the state they were in. Only those that are still there.
    passed: BTreeMap<PathBuf, (u64, u128)>,
    /// Files that had not come to rest.
    restless: BTreeMap<PathBuf, (u64, u128)>,
    quiet: Quiet,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// All that is there was handed over.
    Complete,
    /// Some files are still being written, or could not be read.
    Again,
    /// Nobody takes deliveries any more.
    Stopped,
}

/// Reads what is in `root` and goes on reading what is added or changed, until the reader's stop.
pub(in crate::source) async fn watch(reader: Reader, root: PathBuf) -> Result<(), SourceError> {
    let mut bell = Bell::of([&*root]);
    let mut stop = reader.stop.clone();
    let mut watched = Watched {
        reader,
        root,
        passed: BTreeMap::new(),
        restless: BTreeMap::new(),
        quiet: Quiet::default(),
    };
    loop {
        let look = spawn_blocking(move || {
            let look = watched.look();
            (watched, look)
        });
        let (back, look) = look.await.map_err(|source| SourceError::Panicked { source })?;
        watched = back;
        let pause = match look {
            Look::Complete => bell.rescan,
            Look::Again => SETTLE,
            Look::Stopped => return Ok(()),
        };
        if until(&mut stop, bell.wait(pause)).await.is_none() {
            return Ok(());
        }
    }
}

/// Wakes who looks at paths now and then, as soon as something changes there.
pub(in crate::source) struct Bell {
    /// They watch for as long as they are held.
    _watchers: Vec<RecommendedWatcher>,
    woken: mpsc::Receiver<()>,
    /// How long to wait for a notification before we look without one.
    pub(in crate::source) rescan: Duration,
}

impl Bell {
    pub(in crate::source) fn of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let (wake, woken) = mpsc::channel(1);
        let all: Vec<_> = paths.into_iter().map(|path| watcher(path, wake.clone())).collect();
        let rescan = if all.iter().all(Option::is_some) { RESCAN } else { RESCAN_UNTOLD };
        Self { _watchers: all.into_iter().flatten().collect(), woken, rescan }
    }

    /// Waits until something changed, at most for `pause`.
    pub(in crate::source) async fn wait(&mut self, pause: Duration) {
        match timeout(pause, self.woken.recv()).await {
            Ok(Some(())) => sleep(GATHER).await,
            // Without a watcher nobody wakes us, at once.
            Ok(None) => sleep(pause).await,
            Err(_elapsed) => {}
        }
    }
}

/// Returns a watcher that wakes us, or nothing if the system has none to give.
fn watcher(root: &Path, wake: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let on_change = move |event: notify::Result<notify::Event>| match event {
        // A full channel means that we are to be woken already.
        Ok(event) if !event.kind.is_access() => {
            if let Err(mpsc::error::TrySendError::Closed(())) = wake.try_send(()) {
                debug!("a change after the source ended");
            }
        }
        Ok(_read) => {}
        Err(error) => warn!(error = %chain(&error), "a change of a watched folder was lost"),
    };
    let watcher = notify::recommended_watcher(on_change).and_then(|mut watcher| {
        watcher.watch(root, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    match watcher {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            let path = root.display();
            warn!(%path, error = %chain(&error), "cannot be notified of changes, looking every 2s");
            None
        }
    }
}

impl Watched {
    fn look(&mut self) -> Look {
        let files = match walk(&self.root, Window::default()) {
            Ok(files) => files,
            Err(error) => {
                if let Some(silent) = self.quiet.speaks("walk", Instant::now()) {
                    let source = &self.reader.name;
                    warn!(%source, error = %chain(&error), silent, "could not look into a folder");
                }
                return Look::Again;
            }
        };
        let mut passed = BTreeMap::new();
        let mut restless = BTreeMap::new();
        for file in files {
            let state = (file.size_bytes, file.changed_nanos);
            if self.passed.get(&file.path) == Some(&state) {
                passed.insert(file.path, state);
            } else if !self.is_at_rest(&file) {
                restless.insert(file.path, state);
            } else {
                match self.reader.pass(&file, Unreadable::Leave) {
                    Passed::On => passed.insert(file.path, state),
                    Passed::Failed => restless.insert(file.path, state),
                    Passed::Stopped => return Look::Stopped,
                };
            }
        }
        self.passed = passed;
        self.restless = restless;
        match self.restless.is_empty() {
            true => Look::Complete,
            false => Look::Again,
        }
    }

    /// A file is at rest if it changed a while ago, or looks as it did at the last look but one.
    fn is_at_rest(&self, file: &Found) -> bool {
        let state = (file.size_bytes, file.changed_nanos);
        let is_old = age(file).is_some_and(|age| age >= SETTLE);
        is_old || (age(file).is_none() && self.restless.get(&file.path) == Some(&state))
    }
}
