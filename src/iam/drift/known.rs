//! What is known of policies before the first record, and again when it was read anew.
//!
//! Invariant: what events told after a snapshot was taken stands whether the snapshot was read before them or after.

use crate::iam::drift::Drift;
use crate::iam::drift::ours::Ours;
use crate::iam::history::History;
use crate::iam::snapshot::Snapshot;
use crate::iam::state::State;
use crate::store::Connection;
use crate::store::StoreError;

/// What is known of policies before the first record.
#[derive(Debug, Default, Clone)]
pub struct Known {
    /// What stood when it was read.
    pub standing: Snapshot,
    /// What should stand, where somebody has said so.
    pub baseline: Option<State>,
}

impl Drift {
    /// Begins again from what was read anew; everything must be saved. What is remembered of changes stays.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn begin_again(&mut self, known: Known, connection: &Connection) -> Result<(), StoreError> {
        let Known { standing, baseline } = known;
        self.history = History::load(standing, connection)?;
        self.ours = Ours::default();
        self.watch.begin_again(baseline);
        Ok(())
    }
}
