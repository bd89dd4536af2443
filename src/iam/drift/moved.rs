//! Changes by which no policy says anything else and somebody has more than before: an assignment, a place in a group, an
//! account in another unit, a key for whoever had none.
//!
//! Invariant: what gives nobody anything that lasts has no facts here.

use crate::iam::drift::Drift;
use crate::iam::drift::Weighed;
use crate::iam::drift::by;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::made::Made;
use crate::iam::drift::made::Of;
use crate::iam::drift::place::Placed;
use crate::iam::drift::place::Until;
use crate::iam::drift::who::Via;
use crate::iam::effort;
use crate::iam::standing::Protected;
use crate::iam::standing::gain::Gain;
use crate::iam::standing::moves::Asked;
use crate::iam::standing::moves::Moves;
use crate::iam::standing::touched::Touched;
use crate::iam::state::State;
use crate::model::Event;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;

/// How much may be looked at to say who gained by a change. What takes longer to tell apart counts as allowed.
const MAX_GAIN: u64 = 100_000_000;

/// Stands before what everybody below it may have gained by.
pub const BELOW: &str = "below:";

impl Drift {
    /// Returns the facts of a change that changed no policy, if it gives somebody more by hand.
    pub(super) fn moved(
        &mut self,
        event: &Event<'_>,
        moves: &Moves,
        protected: &dyn Protected,
    ) -> Option<Facts> {
        let Record::Trail(record) = &event.record else { return None };
        let called = moves.called(record)?;
        let via = Via::of(event, &self.config.pipelines, &called.target);
        if via != Via::Hand {
            return None;
        }
        let depth = self.config.depth.into();
        let asked = Asked { now: event.time, depth, protected, surfaces: self.gains.surfaces() };
        let gain = effort::at_most(MAX_GAIN, || moves.gain(&mut self.history, &asked))?;
        self.gained = gained(&gain, &called.target, self.history.now());
        let mut facts = Facts::default();
        called.tell(&mut facts);
        facts.set("gw.policy.via", via.name());
        facts.set("gw.policy.planned", false);
        facts.set("gw.policy.gain", gain.line());
        gain.tell(&mut facts);
        Some(facts)
    }

    /// Says in `facts` what a change of a policy gives that lasts, and returns whether it gives anything.
    pub(super) fn gain(
        &mut self,
        main: &Weighed<'_>,
        (now, via): (Seconds, Via),
        (moves, protected): (&Moves, &dyn Protected),
        facts: &mut Facts,
    ) -> bool {
        let target = &main.step.target;
        let documents = (&main.before.document, &main.after.document);
        let own = self.gains.of(target, documents, (self.history.now(), now), protected);
        if let Some(gain) = own.filter(|_| main.is_readable) {
            gain.tell(facts);
            return true;
        }
        if via != Via::Hand {
            return false;
        }
        let depth = self.config.depth.into();
        let asked = Asked { now, depth, protected, surfaces: self.gains.surfaces() };
        let gain = effort::at_most(MAX_GAIN, || moves.gain(&mut self.history, &asked));
        let Some(gain) = gain else { return false };
        let state = self.history.now();
        self.gained = gained(&gain, &target.arn(state), state);
        gain.tell(facts);
        true
    }

    /// Remembers where `event` put somebody or something by hand, and closes the moves that it undoes; `facts` are what it
    /// comes to.
    pub(super) fn place(
        &mut self,
        (id, event): (&ChangeId, &Event<'_>),
        mut placed: Placed,
        facts: &Option<Facts>,
    ) {
        if placed.is_nothing() {
            return;
        }
        let subjects = placed.subjects(&self.history);
        let gain = facts.as_ref().and_then(|facts| facts.get("gw.standing.class"));
        let until = if gain.is_some() { Until::Back } else { Until::Left };
        let is_by_hand = Via::of(event, &self.config.pipelines, "") == Via::Hand;
        let made = placed.made((id.0, &id.1), until, &self.history);
        if is_by_hand && !made.is_empty() && !self.ledger.knows(id) {
            self.ledger.note(id.clone(), Made::new(Of::Places(made), by(event)));
        }
        self.ledger.leave(&subjects, &self.history, (id, by(event)));
    }

    /// Returns what changed since an inventory last asked.
    pub fn touched(&mut self) -> Touched {
        self.history.touched()
    }

    /// Returns who gained by the last change besides its target, as an inventory calls them. Where there were too many to
    /// look at, everybody below a place of the organisation counts: the place stands behind [`BELOW`].
    pub fn gained(&mut self) -> Vec<Box<str>> {
        std::mem::take(&mut self.gained)
    }
}

/// Returns who gained, to be remembered.
pub(super) fn gained(gain: &Gain, target: &str, state: &State) -> Vec<Box<str>> {
    let is_place = state.organization.as_ref().is_some_and(|it| {
        it.parents.contains_key(target)
            || it.attached.contains_key(target)
            || it.policies.contains_key(target)
    });
    let below = (gain.unlooked > 0 && is_place).then(|| format!("{BELOW}{target}").into());
    gain.holders.iter().cloned().chain(below).collect()
}
