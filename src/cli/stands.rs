//! What stands, as a command is asked about it: by snapshots, and by what a daemon's events told since, now or at an earlier
//! moment.
//!
//! Invariant: nothing is written, and a daemon may run meanwhile; a moment of which nothing is kept is not answered for.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::cli::asked;
use crate::config;
use crate::config::Config;
use crate::iam::History;
use crate::iam::State;
use crate::iam::snapshot;
use crate::model::Seconds;
use crate::store::Reader;

/// What stands.
#[derive(Debug, Args)]
pub(in crate::cli) struct Stands {
    /// Snapshots of what stands: files and folders of `aws iam get-account-authorization-details`.
    #[arg(long, value_name = "PATH", num_args = 1.., required_unless_present = "config")]
    pub(in crate::cli) snapshot: Vec<PathBuf>,
    /// The store of a daemon, which may run: what its events told since the snapshots stands too.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) store: Option<PathBuf>,
    /// The configuration: its snapshots, its store and its baseline are meant where none is named.
    #[arg(long, short, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
}

impl Stands {
    /// Reads the configuration, if one is named.
    ///
    /// # Errors
    /// When it cannot be read or is wrong.
    pub(in crate::cli) fn config(&self) -> anyhow::Result<Option<Config>> {
        Ok(self.config.as_ref().map(|path| config::read(path)).transpose()?)
    }

    /// Reads what stands, or what stood at a time.
    ///
    /// # Errors
    /// When a snapshot or the store cannot be read, or it is not known what stood then.
    pub(in crate::cli) fn read(&self, at: Option<Seconds>) -> anyhow::Result<State> {
        let config = self.config()?;
        let configured = config.as_ref().map(|config| config.policies.snapshots.as_slice());
        let snapshot = match self.snapshot.is_empty() {
            // What a configuration names may be filled later; what a person names is there.
            true => {
                let paths = configured.unwrap_or_default();
                let all: Vec<String> = paths.iter().map(|it| it.display().to_string()).collect();
                snapshot::read(paths)
                    .with_context(|| format!("could not read {}", all.join(", ")))?
            }
            false => asked::snapshot(&self.snapshot)?,
        };
        let store = config.as_ref().map(|config| &config.store.path);
        let Some(path) = self.store.as_ref().or(store) else { return Ok(snapshot.state) };
        let tried = || format!("could not read what stands from the store {}", path.display());
        let reader = Reader::open(path).with_context(tried)?;
        let history = History::load(snapshot, &reader).with_context(tried)?;
        stood(history, at, path)
    }
}

/// Returns what stands, or what stood at a time.
///
/// # Errors
/// When the history does not reach back so far: what it would say is what stood later.
pub(in crate::cli) fn stood(
    history: History,
    at: Option<Seconds>,
    store: &Path,
) -> anyhow::Result<State> {
    let Some(at) = at else { return Ok(history.into_state()) };
    if let Some(since) = history.known_since().filter(|since| at < *since) {
        anyhow::bail!(
            "the store {} and the snapshots tell what stood since {since}, and not what stood at {at}: ask a snapshot from \
             before then, with --snapshot and without --store",
            store.display()
        );
    }
    Ok(history.state_at(at))
}
