//! What is known of policies before the first record.

use crate::iam::snapshot::Snapshot;
use crate::iam::state::State;

/// What is known of policies before the first record.
#[derive(Debug, Default, Clone)]
pub struct Known {
    /// What stood when it was read.
    pub standing: Snapshot,
    /// What should stand, where somebody has said so.
    pub baseline: Option<State>,
}
