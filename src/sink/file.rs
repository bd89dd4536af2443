//! A file with one alert a line (NDJSON).
//!
//! A line is written by one call and flushed to disk before the sink says that it has the alert; lines that
//! arrive while a flush is under way share the next one. If the file has been renamed or removed, a new one
//! is begun, so logrotate needs no signal.
//!
//! Invariant: a line that was cut short by a crash or a full disk stays a line of its own.

use std::fs;
use std::io;
use std::io::Read as _;
use std::io::Seek as _;
use std::io::SeekFrom;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::model::SinkName;
use crate::sink::Collect as _;
use crate::sink::Destination;
use crate::sink::Message;
use crate::sink::Problem;
use crate::sink::Problems;
use crate::sink::Rate;
use crate::sink::SendError;
use crate::sink::Sink;
use crate::sink::config;
use crate::sink::in_range;

/// How long a write may take; beyond it the disk is considered gone.
const DEADLINE: Duration = Duration::from_secs(60);

/// A file that alerts are appended to.
#[derive(Debug)]
pub struct File {
    name: SinkName,
    appender: Arc<Appender>,
}

pub(super) fn build(config: &config::File) -> Result<Sink, Problems> {
    let mut problems = Problems::new();
    in_range(config.concurrency.into(), 1, 256).or_note("concurrency", &mut problems);
    folder_exists(&config.path).or_note("path", &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let appender = Arc::new(Appender::new(config.path.clone()));
    Ok(Sink {
        name: config.name.clone(),
        min_severity: config.min_severity,
        concurrency: config.concurrency.try_into().unwrap_or(1),
        rate: Rate::Unlimited,
        deadline: DEADLINE,
        destination: Destination::File(File { name: config.name.clone(), appender }),
    })
}

fn folder_exists(path: &Path) -> Result<(), Problem> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(Problem::NoFolder { path: path.to_owned() }),
    };
    if folder.is_dir() { Ok(()) } else { Err(Problem::NoFolder { path: folder.to_owned() }) }
}

impl File {
    /// Appends `message` and flushes it to disk.
    ///
    /// # Errors
    /// When the file cannot be written: a full disk, a folder that is gone.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        let sink = || self.name.clone();
        let mut line = serde_json::to_vec(&*message.alert)
            .map_err(|source| SendError::Unwritable { sink: sink(), source })?;
        line.push(b'\n');
        let appender = Arc::clone(&self.appender);
        let written = tokio::task::spawn_blocking(move || appender.append(&line)).await;
        written
            .unwrap_or_else(|panicked| Err(io::Error::other(panicked)))
            .map_err(|source| SendError::Write { sink: sink(), source })
    }
}

#[derive(Debug)]
struct Appender {
    path: PathBuf,
    /// The file and how many lines were written since the process began.
    written: Mutex<Written>,
    /// How many of them are known to be on disk.
    synced: Mutex<u64>,
}

#[derive(Debug, Default)]
struct Written {
    file: Option<Arc<fs::File>>,
    lines: u64,
}

impl Appender {
    fn new(path: PathBuf) -> Self {
        Self { path, written: Mutex::default(), synced: Mutex::new(0) }
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        let (file, number) = self.write(line)?;
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if *synced >= number {
            return Ok(());
        }
        // Everything written by now is flushed with us.
        let upto = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let (upto, same) =
            (upto.lines, upto.file.as_ref().is_some_and(|now| Arc::ptr_eq(now, &file)));
        file.sync_data()?;
        // Lines in a file that was begun meanwhile are not flushed by flushing ours.
        *synced = if same { upto } else { number };
        Ok(())
    }

    fn write(&self, line: &[u8]) -> io::Result<(Arc<fs::File>, u64)> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match written.file.take() {
            Some(file) if is_still_at(&file, &self.path) => file,
            Some(old) => {
                // Lines in the old file that nobody has flushed yet.
                old.sync_data()?;
                Arc::new(open(&self.path)?)
            }
            None => Arc::new(open(&self.path)?),
        };
        // After an error `file` stays empty: the next write opens anew and mends the torn line.
        (&*file).write_all(line)?;
        written.file = Some(Arc::clone(&file));
        written.lines += 1;
        Ok((file, written.lines))
    }
}

fn is_still_at(file: &fs::File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.dev() == there.dev() && ours.ino() == there.ino(),
        _ => false,
    }
}

/// Opens the file for appending, readable by its owner and group, behind a whole line.
fn open(path: &Path) -> io::Result<fs::File> {
    let mut file =
        fs::File::options().create(true).append(true).read(true).mode(0o640).open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Config;
    use crate::sink::testing::ALERT;
    use crate::sink::testing::message;

    fn sink(path: &Path) -> Sink {
        let text = format!("[[file]]\nname = \"file\"\npath = {path:?}\n");
        crate::sink::build(&toml::from_str::<Config>(&text).unwrap()).unwrap().remove(0)
    }

    #[tokio::test]
    async fn one_alert_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        let sink = sink(&path);
        sink.send(&message()).await.unwrap();
        sink.send(&message()).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{ALERT}\n{ALERT}\n"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640 & !umask());
    }

    /// The bits that this process takes from files it makes.
    fn umask() -> u32 {
        let folder = tempfile::tempdir().unwrap();
        let file =
            fs::File::options().create(true).append(true).mode(0o777).open(folder.path().join("a"));
        0o777 & !file.unwrap().metadata().unwrap().mode()
    }

    #[tokio::test]
    async fn a_renamed_file_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) =
            (folder.path().join("alerts.ndjson"), folder.path().join("alerts.ndjson.1"));
        let sink = sink(&path);
        sink.send(&message()).await.unwrap();
        fs::rename(&path, &old).unwrap();
        sink.send(&message()).await.unwrap();
        for path in [&path, &old] {
            assert_eq!(fs::read_to_string(path).unwrap(), format!("{ALERT}\n"));
        }
    }

    #[tokio::test]
    async fn a_torn_line_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        fs::write(&path, "{\"id\":\"to").unwrap();
        sink(&path).send(&message()).await.unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{{\"id\":\"to\n{ALERT}\n"));
    }

    #[tokio::test]
    async fn a_folder_that_went_away_is_an_error_that_passes() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below");
        fs::create_dir(&below).unwrap();
        let sink = sink(&below.join("alerts.ndjson"));
        fs::remove_dir(&below).unwrap();
        assert!(sink.send(&message()).await.unwrap_err().is_retryable());
        fs::create_dir(&below).unwrap();
        sink.send(&message()).await.unwrap();
    }

    #[tokio::test]
    async fn lines_that_arrive_together_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.ndjson");
        let sink = Arc::new(sink(&path));
        let mut sends = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let sink = Arc::clone(&sink);
            sends.spawn(async move { sink.send(&message()).await });
        }
        while let Some(sent) = sends.join_next().await {
            sent.unwrap().unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{ALERT}\n").repeat(32));
    }
}
