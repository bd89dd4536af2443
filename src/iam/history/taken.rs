//! When what a snapshot says was read, part by part.
//!
//! Invariant: of what no snapshot read nothing is said.

use crate::iam::history::History;
use crate::iam::history::OVERLAP;
use crate::iam::history::change::Target;
use crate::iam::history::thing::Key;
use crate::model::Seconds;
use crate::model::Span;

impl History {
    /// Returns when the snapshot that speaks of `target` was taken, if that is known.
    pub fn taken(&self, target: &Target) -> Option<Seconds> {
        let key = match target {
            Target::Resource { account, arn } => {
                Key::Resource { account: account.clone(), arn: arn.clone() }
            }
            Target::Network { account, arn } => {
                Key::Network { account: account.clone(), arn: arn.clone() }
            }
            Target::Block { account, arn } => {
                Key::Block { account: account.clone(), arn: arn.clone() }
            }
            Target::Set { arn } => Key::Set { arn: arn.clone() },
            other => return self.taken.get(other.account()).copied(),
        };
        self.taken.get(&*key.part()).copied()
    }

    /// Returns until when the snapshot has seen everything of the key's part, if what happened at `time` is before.
    pub(super) fn contained_until(&self, key: &Key, time: Seconds) -> Option<Seconds> {
        let until = self.taken.get(&*key.part())?.plus(Span(-OVERLAP.0));
        (time < until).then_some(until)
    }
}
