//! Tags of resources on their way from the workers into what is asked of an act.
//!
//! Invariant: where nothing asks for tags nothing is learned, and nothing costs anything. An act whose place on the surface
//! hangs on tags waits until the watermark has passed it, so that the order of files changes nothing.

use smallvec::SmallVec;

use crate::grants::Act;
use crate::grants::tags::Known;
use crate::grants::tags::Lesson;
use crate::model::Event;
use crate::model::Seconds;
use crate::model::TrailRecord;
use crate::pipeline::core::protect::Protect;
use crate::pipeline::core::protect::act::Told;
use crate::pipeline::settings::Grants;

impl Protect {
    /// Takes in what those records of a file say of tags that are new.
    pub(in crate::pipeline::core) fn learn_tags(
        &mut self,
        lessons: Vec<(u32, Lesson)>,
        is_new: &[bool],
    ) {
        for (number, lesson) in lessons {
            if is_new.get(number as usize) == Some(&true) {
                self.tags.learn(lesson);
            }
        }
    }

    /// Forgets what was superseded long before `watermark`.
    pub(in crate::pipeline::core) fn forget_tags(&mut self, watermark: Seconds) {
        self.tags.forget(watermark);
    }

    /// Returns of how many resources tags are kept, and how many were forgotten for want of room since it was last asked;
    /// nothing where nothing asks for tags.
    pub(in crate::pipeline::core) fn tagged(&mut self) -> Option<(usize, u64)> {
        self.tags.is_asked().then(|| (self.tags.len(), self.tags.crowded_out()))
    }

    /// Returns what the resources of `act` were tagged with when it was done, as far as anything asks for it.
    pub(super) fn tags_of(&self, act: &Act<'_>) -> Vec<Known<'_>> {
        match self.tags.is_asked() {
            true => self.tags.before(act.time, act.resources),
            false => Vec::new(),
        }
    }

    /// Returns whether an act that is beside the surface may turn out to be on it by tags that are late.
    pub(super) fn may_be_tagged(
        &self,
        event: &Event<'_>,
        record: &TrailRecord<'_>,
        action: &str,
    ) -> bool {
        self.waiting.has_room() && self.hangs_on_tags(event, record, action)
    }

    /// Returns whether tags that are late may change what is found of an act.
    pub(super) fn hangs_on_tags(
        &self,
        event: &Event<'_>,
        record: &TrailRecord<'_>,
        action: &str,
    ) -> bool {
        if !self.tags.is_asked() || self.grants != Grants::Arriving {
            return false;
        }
        let told = Told::of(event, record, action);
        let resources: SmallVec<[&str; 2]> = told.resources.iter().map(String::as_str).collect();
        self.surface.hangs_on_tags(&told.act(event, action, &resources))
    }
}
