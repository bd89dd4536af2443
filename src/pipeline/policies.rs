//! What is known of policies from files: snapshots of what stands, and the declared baseline; read at the start and whenever
//! they change.
//!
//! Invariant: files that cannot be read, or that lack an account which was read before, change nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::watch;
use tracing::error;
use tracing::info;
use tracing::warn;

use crate::iam;
use crate::iam::Known;
use crate::iam::State;
use crate::iam::snapshot;
use crate::iam::snapshot::SnapshotError;
use crate::iam::snapshot::Undated;
use crate::pipeline::daemon::DaemonError;
use crate::pipeline::dispatch::Gone;
use crate::source::Changes;
use crate::telemetry::chain;

/// Reads what `config` names; snapshots that do not say when they were taken are as `undated` says.
///
/// # Errors
/// When a file cannot be read or is no snapshot.
pub fn known_policies(config: &iam::Config, undated: Undated) -> Result<Known, SnapshotError> {
    if !config.drift {
        return Ok(Known::default());
    }
    let standing = snapshot::read_as(&config.snapshots, undated)?;
    let baseline = config.baseline.as_ref().map(|path| snapshot::read(&[path])).transpose()?;
    Ok(Known { standing, baseline: baseline.map(|baseline| baseline.state) })
}

/// The files that a daemon reads, and reads again.
pub(super) struct Files {
    config: iam::Config,
    changes: Changes,
    /// What snapshots told of when they were last read.
    held: BTreeSet<Box<str>>,
}

impl Files {
    /// Reads the files that `config` names, having looked at them first: no change falls between.
    pub(super) fn read(config: &iam::Config) -> Result<(Self, Arc<Known>), DaemonError> {
        let paths: Vec<PathBuf> = match config.drift {
            true => config.snapshots.iter().chain(&config.baseline).cloned().collect(),
            false => Vec::new(),
        };
        let changes = Changes::of(paths)?;
        let known = known_policies(config, Undated::WhenWritten)?;
        let held = held(&known.standing.state);
        Ok((Self { config: config.clone(), changes, held }, Arc::new(known)))
    }

    /// Reads them again whenever they change, until the stop, and hands on to `tell` what they say then.
    pub(super) fn follow(
        self,
        tell: impl Fn(Known) -> Result<(), Gone> + Send + Sync + 'static,
        stop: &watch::Receiver<bool>,
    ) {
        let Self { config, changes, mut held } = self;
        let (to, mut changed) = mpsc::channel(1);
        let telling = changes.tell(to, stop.clone());
        tokio::spawn(async move {
            if let Err(error) = telling.await {
                error!(error = %chain(&error), "snapshots of policies are not read again any more");
            }
        });
        tokio::task::spawn_blocking(move || {
            while let Some(()) = changed.blocking_recv() {
                let Some(known) = again(&config, &mut held) else { continue };
                if tell(known).is_err() {
                    // The core has ended and says why itself.
                    return;
                }
            }
        });
    }
}

/// Reads the files again; nothing where that must not change what is known.
fn again(config: &iam::Config, held: &mut BTreeSet<Box<str>>) -> Option<Known> {
    let known = match known_policies(config, Undated::WhenWritten) {
        Ok(known) => known,
        Err(error) => {
            error!(error = %chain(&error), "could not read policies again; what was read before stands");
            return None;
        }
    };
    let now = self::held(&known.standing.state);
    let missing: Vec<&str> = held.difference(&now).map(|it| &**it).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        warn!(%missing, "the snapshots lack what they had; what was read before stands until the next start");
        return None;
    }
    info!(accounts = known.standing.state.accounts.len(), "policies were read again");
    *held = now;
    Some(known)
}

/// Returns what a snapshot tells of: accounts, the organisation, Identity Center.
fn held(state: &State) -> BTreeSet<Box<str>> {
    let whole = state.accounts.iter().filter(|(_, account)| account.is_whole);
    let mut held: BTreeSet<Box<str>> = whole.map(|(id, _)| id.clone()).collect();
    held.extend(state.organization.is_some().then(|| "the organisation".into()));
    held.extend((!state.identity_center.sets.is_empty()).then(|| "Identity Center".into()));
    held
}
