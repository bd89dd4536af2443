//! Says when files changed that are read as a whole, from the beginning: snapshots of policies.
//!
//! Invariant: what decides is always a look at all of them; a notification only makes it sooner. Nothing is said while a file
//! is still being written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::source::error::SourceError;
use crate::source::folder::age;
use crate::source::folder::walk;
use crate::source::folder::watch::Bell;
use crate::source::folder::watch::SETTLE;
use crate::source::stop::until;
use crate::source::window::Window;
use crate::telemetry::chain;

/// Every file, with its size and the time of its last change.
type Files = BTreeMap<PathBuf, (u64, u128)>;

/// Files and folders that are looked at again and again.
#[derive(Debug)]
pub struct Changes {
    paths: Vec<PathBuf>,
    /// How they were when whoever reads them was last told to.
    told: Files,
}

/// What a look found.
enum Look {
    /// Nothing changed.
    Same,
    /// Something changed and has come to rest.
    Changed(Files),
    /// Something is being written, or could not be looked at.
    Again,
}

impl Changes {
    /// Looks at `paths`. Whoever reads them reads afterwards, so that no change falls between.
    ///
    /// # Errors
    /// When a path is not there or a folder cannot be read.
    pub fn of(paths: Vec<PathBuf>) -> Result<Self, SourceError> {
        let told = look(&paths)?.0;
        Ok(Self { paths, told })
    }

    /// Says each time that something changed, until the stop or until nobody listens.
    ///
    /// # Errors
    /// When looking broke down.
    pub async fn tell(
        mut self,
        to: mpsc::Sender<()>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SourceError> {
        if self.paths.is_empty() {
            return Ok(());
        }
        // A file that is named by itself is watched until it is replaced; the look now and then finds what comes after.
        let mut bell = Bell::of(self.paths.iter().map(PathBuf::as_path));
        loop {
            let looked = spawn_blocking(move || {
                let found = self.look();
                (self, found)
            });
            let (back, found) = looked.await.map_err(|source| SourceError::Panicked { source })?;
            self = back;
            let pause = match found {
                Look::Same => bell.rescan,
                Look::Again => SETTLE,
                Look::Changed(files) => {
                    self.told = files;
                    match until(&mut stop, to.send(())).await {
                        Some(Ok(())) => bell.rescan,
                        Some(Err(_nobody_listens)) => return Ok(()),
                        None => return Ok(()),
                    }
                }
            };
            if until(&mut stop, bell.wait(pause)).await.is_none() {
                return Ok(());
            }
        }
    }

    fn look(&self) -> Look {
        match look(&self.paths) {
            Ok((files, _)) if files == self.told => Look::Same,
            Ok((files, true)) => Look::Changed(files),
            Ok((_, false)) => Look::Again,
            Err(error) => {
                warn!(error = %chain(&error), "could not look at files that are read again when they change");
                Look::Again
            }
        }
    }
}

/// Returns all files, and whether each was written a while ago.
fn look(paths: &[PathBuf]) -> Result<(Files, bool), SourceError> {
    let (mut files, mut are_at_rest) = (Files::new(), true);
    for path in paths {
        for file in walk(path, Window::default())? {
            are_at_rest &= age(&file).is_none_or(|age| age >= SETTLE);
            files.insert(file.path, (file.size_bytes, file.changed_nanos));
        }
    }
    Ok((files, are_at_rest))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;
    use std::time::SystemTime;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a file's age is by the clock")]
    /// Writes a file as it would look `seconds` after.
    fn write(path: &Path, text: &str, seconds: u64) {
        fs::write(path, text).unwrap();
        let then = SystemTime::now() - Duration::from_secs(seconds);
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn a_change_is_said_once_it_is_at_rest_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, "{}", 60);
        let mut changes = Changes::of(vec![folder.path().to_owned()]).unwrap();
        assert!(matches!(changes.look(), Look::Same));
        write(&path, "{\"a\": 1}", 0);
        assert!(matches!(changes.look(), Look::Again));
        write(&path, "{\"a\": 1}", 5);
        let Look::Changed(files) = changes.look() else { panic!("it was not seen") };
        changes.told = files;
        assert!(matches!(changes.look(), Look::Same));
        fs::remove_file(&path).unwrap();
        assert!(matches!(changes.look(), Look::Changed(files) if files.is_empty()));
    }

    #[tokio::test]
    async fn whoever_reads_is_told_of_a_change_and_it_ends_with_the_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, "{}", 60);
        let changes = Changes::of(vec![path.clone()]).unwrap();
        write(&path, "{\"a\": 1}", 30);
        let (to, mut told) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let telling = tokio::spawn(changes.tell(to, stopped));
        assert_eq!(told.recv().await, Some(()));
        stop.send_replace(true);
        telling.await.unwrap().unwrap();
        assert_eq!(told.recv().await, None);
    }

    #[tokio::test]
    async fn without_paths_it_ends_at_once() {
        let changes = Changes::of(Vec::new()).unwrap();
        let (to, _told) = mpsc::channel(1);
        let (_stop, stopped) = watch::channel(false);
        changes.tell(to, stopped).await.unwrap();
    }
}
