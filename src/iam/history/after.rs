//! What is asked of the history about what came after an event.
//!
//! Invariant: a thing counts as deleted only where an event said so; one that has another name now is not.

use crate::iam::history::History;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing;
use crate::iam::history::thing::Key;
use crate::model::Seconds;

impl History {
    /// Returns whether an event has its place among the edits of a thing: what stands now follows from it too.
    pub fn has(&self, key: &Key, (time, event): (Seconds, &str)) -> bool {
        let timeline = self.timelines.get(key);
        timeline.is_some_and(|it| it.edit(&(time, event.into())).is_some())
    }

    /// Returns when a thing was first edited after `time` in a way that `fits`.
    pub fn edited_after(
        &self,
        key: &Key,
        time: Seconds,
        fits: impl Fn(&Edit) -> bool,
    ) -> Option<Seconds> {
        let mut later = self.timelines.get(key)?.since(time);
        later.find(|(at, edit)| *at > time && fits(edit)).map(|(at, _)| at)
    }

    /// Returns whether the last that was heard of a thing is that it was deleted.
    pub fn is_deleted(&self, key: &Key) -> bool {
        let last = self.timelines.get(key).and_then(|it| it.since(Seconds(i64::MIN)).last());
        let is_end = last.is_some_and(|(_, edit)| matches!(edit, Edit::Deleted | Edit::Gone));
        is_end && thing::get(&self.now, key).is_none()
    }

    /// Returns whose place a membership is, by its id.
    pub fn member(&self, membership: &Key) -> Option<Key> {
        let told = self.timelines.get(membership)?.of_membership();
        told.into_iter().next().map(|(member, ..)| member)
    }
}
