//! What is known of policies before the first record, and again when it was read anew.
//!
//! Invariant: what events told after a snapshot was taken stands whether the snapshot was read before them or after.

use crate::iam::drift::Drift;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::ours::Ours;
use crate::iam::history::History;
use crate::iam::snapshot::Snapshot;
use crate::iam::state::State;
use crate::model::Seconds;
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

/// What was read anew, with what the store knows to have happened since.
#[derive(Debug)]
pub struct Anew {
    history: History,
    baseline: Option<State>,
}

impl Anew {
    /// Puts what happened since on what was read. It takes seconds for much of it, and need not be done where records are.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load(known: Known, connection: &Connection) -> Result<Self, StoreError> {
        let Known { standing, baseline } = known;
        Ok(Self { history: History::load(standing, connection)?, baseline })
    }
}

impl Drift {
    /// Notes what happens until what was read anew is loaded; everything must be saved.
    pub fn expect_anew(&mut self) {
        self.history.expect_another();
    }

    /// Begins again from what was read anew, and what happened while it was loaded; what is remembered of changes stays. Where
    /// nobody said what should stand, what was known until now says it: what grew without an event is told once it is `now`
    /// late enough. Returns the history that it had.
    pub fn begin_again(
        &mut self,
        anew: Anew,
        (ours, now): (&mut dyn Iterator<Item = &str>, Seconds),
    ) -> History {
        let Anew { history, baseline } = anew;
        let before = self.history.replace(history);
        self.ours = Ours::default();
        self.watch.begin_again(baseline);
        if !self.watch.has_baseline() {
            let ours = self.ours.of(self.history.now(), ours);
            let measure = Measure { account: "".into(), ours, now };
            self.unseen.compare(&mut self.ledger, (&before, &self.history), &measure);
        }
        before
    }
}
