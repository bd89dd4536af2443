//! STUB
use crate::iam::drift::Step;
use crate::iam::drift::made::ChangeId;
use crate::iam::state::State;
use crate::model::Event;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What was read of policies before the first record.
#[derive(Debug, Default, Clone)]
pub struct Known {
    /// What stood.
    pub standing: Option<State>,
    /// What should stand.
    pub baseline: Option<State>,
}
/// stub
#[derive(Debug, Default)]
pub struct History {
    state: State,
}
impl History {
    /// stub
    pub fn load(_k: &Known, _c: &Connection) -> Result<Self, StoreError> {
        Ok(Self::default())
    }
    /// stub
    pub fn save(&mut self, _tx: &Tx<'_>) -> Result<(), StoreError> {
        Ok(())
    }
    /// stub
    pub fn now(&self) -> &State {
        &self.state
    }
    /// stub
    pub fn learn(&mut self, _id: &ChangeId, _e: &Event<'_>) -> Option<Vec<Step>> {
        None
    }
}
/// stub
pub fn concerns(_r: &crate::model::TrailRecord<'_>) -> bool {
    false
}
