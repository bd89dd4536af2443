//! What is known of policies before the first record: snapshots of what stands, and the declared baseline.

use crate::iam;
use crate::iam::Known;
use crate::iam::snapshot;
use crate::iam::snapshot::SnapshotError;

/// Reads what `config` names.
///
/// # Errors
/// When a file cannot be read or is no snapshot.
pub fn known_policies(config: &iam::Config) -> Result<Known, SnapshotError> {
    if !config.drift {
        return Ok(Known::default());
    }
    let standing = snapshot::read(&config.snapshots)?;
    let baseline = config.baseline.as_ref().map(|path| snapshot::read(&[path])).transpose()?;
    Ok(Known { standing, baseline: baseline.map(|baseline| baseline.state) })
}
