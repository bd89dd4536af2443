//! What is done to a history while another one, which begins with a newer snapshot, is loaded to take its place.
//!
//! Invariant: what is done again and was in the store already when the other was loaded changes nothing.

use crate::iam::history::History;
use crate::iam::history::fill::Found;
use crate::iam::history::thing::Key;
use crate::iam::history::timeline::Stamp;
use crate::iam::lesson::Lesson;
use crate::model::Seconds;

/// One thing that was done.
#[derive(Debug)]
pub(super) enum Did {
    /// A record taught something.
    Took(Lesson, Stamp),
    /// AWS told a text.
    Filled(Key, Stamp, Found),
    /// What was before became part of the beginnings.
    Forgot(Seconds),
}

impl History {
    /// Notes from now on what is done. All that was done must be in the store.
    pub fn expect_another(&mut self) {
        self.journal = Some(Vec::new());
    }

    pub(super) fn note(&mut self, did: impl FnOnce() -> Did) {
        if let Some(journal) = &mut self.journal {
            journal.push(did());
        }
    }

    /// Gives its place to `next`, to which everything is done that was noted; returns what it was.
    pub fn replace(&mut self, mut next: Self) -> Self {
        for did in self.journal.take().unwrap_or_default() {
            match did {
                Did::Took(lesson, (time, event)) => drop(next.take(lesson, time, &event)),
                Did::Filled(key, (time, event), found) => {
                    drop(next.fill(&key, (time, &event), found));
                }
                Did::Forgot(time) => next.forget(time),
            }
        }
        std::mem::replace(self, next)
    }
}
