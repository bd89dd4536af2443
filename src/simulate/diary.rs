//! What happened, day by day: everything that the organisation does is written here before it is delivered.
//!
//! Invariant: a day that has been taken out gets no more entries; whoever lives a day writes that day and later ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::model::Seconds;
use crate::simulate::call::Call;
use crate::simulate::call::CallError;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Routine;
use crate::simulate::call::What;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::chance::Chance;
use crate::simulate::flow::Flow;
use crate::simulate::iam::Change;
use crate::simulate::iam::state;
use crate::simulate::organisation::Organisation;
use crate::simulate::parts::Parts;
use crate::simulate::truth::Truth;

/// What happened on one day.
#[derive(Debug, Default)]
pub struct Day {
    /// The calls, in no order.
    pub calls: Vec<Call>,
    /// The network flows, in no order.
    pub flows: Vec<Flow>,
    /// What somebody takes away of what is delivered.
    pub taken: Vec<TakenAway>,
}

/// Log files that somebody takes away behind CloudTrail's back, before anybody reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenAway {
    /// Whose log files.
    pub place: Place,
    /// Those with events from then on.
    pub from: Seconds,
    /// Those with events before then.
    pub until: Seconds,
    /// Whether a trace is left.
    pub traces: Traces,
    /// The incident: a place among [`Diary::truths`].
    pub truth: usize,
}

/// What is left of a log file that was taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traces {
    /// The digest that names it.
    Left,
    /// Nothing: the digest is taken away too. The next digest still names that one.
    Digest,
}

/// A message of the grant broker, with the moment at which it arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantMessage {
    /// When it arrives: perhaps late, perhaps before an earlier one.
    pub arrives: Seconds,
    /// The message: `grantwatch.grant/1`.
    pub message: Value,
}

/// The days to come and what has been told of those that are over.
#[derive(Debug)]
pub struct Diary {
    start: Seconds,
    days: BTreeMap<i64, Day>,
    /// What the broker says, in no order.
    pub messages: Vec<GrantMessage>,
    /// Every change of IAM, in no order.
    pub changes: Vec<(Seconds, Change)>,
    /// The incidents, in the order in which they were asked for.
    pub truths: Vec<Truth>,
    /// Who plays in them, and when.
    pub parts: Parts,
}

impl Diary {
    /// Returns an empty diary that begins at `start`.
    pub fn new(start: Seconds) -> Self {
        Self {
            start,
            days: BTreeMap::new(),
            messages: Vec::new(),
            changes: Vec::new(),
            truths: Vec::new(),
            parts: Parts::default(),
        }
    }

    /// Takes out what happened up to and with `day`.
    pub fn take(&mut self, day: i64) -> Day {
        let later = self.days.split_off(&(day + 1));
        let mut whole = Day::default();
        for (_, part) in std::mem::replace(&mut self.days, later) {
            whole.calls.extend(part.calls);
            whole.flows.extend(part.flows);
            whole.taken.extend(part.taken);
        }
        whole
    }

    /// Enters a flow.
    pub fn flow(&mut self, flow: Flow) {
        self.day_of(flow.start).flows.push(flow);
    }

    /// Enters what somebody takes away.
    pub fn take_away(&mut self, taken: TakenAway) {
        self.day_of(taken.from).taken.push(taken);
    }

    fn day_of(&mut self, at: Seconds) -> &mut Day {
        self.days.entry((at.0 - self.start.0).div_euclid(86_400)).or_default()
    }
}

/// What somebody needs in order to act: the organisation, the diary, and a chance of their own.
pub struct Scene<'a> {
    /// The organisation.
    pub org: &'a Organisation,
    /// Where what they do is written.
    pub diary: &'a mut Diary,
    /// What they draw from.
    pub chance: Chance,
    /// What was entered since somebody began to note it.
    noted: Option<Vec<(Seconds, EventId)>>,
}

impl<'a> Scene<'a> {
    /// Returns a scene for whoever draws from the chance called `purpose`.
    pub fn of(org: &'a Organisation, diary: &'a mut Diary, purpose: &str) -> Self {
        Self::with(org, diary, Chance::of(org.seed, purpose))
    }

    /// Returns a scene for whoever goes on drawing from `chance`.
    pub fn with(org: &'a Organisation, diary: &'a mut Diary, chance: Chance) -> Self {
        Self { org, diary, chance, noted: None }
    }

    /// Lets `act` happen; returns what it gives, and every event that was entered meanwhile.
    pub fn noting<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> (T, Vec<(Seconds, EventId)>) {
        let outer = self.noted.replace(Vec::new());
        let given = act(self);
        let events = self.noted.take().unwrap_or_default();
        self.noted = outer.map(|mut all| {
            all.extend(&events);
            all
        });
        (given, events)
    }

    /// Enters a routine call that succeeds.
    pub fn routine(
        &mut self,
        at: Seconds,
        place: Place,
        by: &Arc<Caller>,
        routine: &'static Routine,
    ) -> EventId {
        self.enter(at, place, by, What::Routine(routine, None))
    }

    /// Enters a routine call that fails.
    pub fn refused(
        &mut self,
        at: Seconds,
        place: Place,
        by: &Arc<Caller>,
        (routine, error): (&'static Routine, &'static CallError),
    ) -> EventId {
        self.enter(at, place, by, What::Routine(routine, Some(error)))
    }

    /// Enters a call with parameters of its own.
    pub fn call(
        &mut self,
        at: Seconds,
        place: Place,
        by: &Arc<Caller>,
        written: Written,
    ) -> EventId {
        self.enter(at, place, by, What::Written(Box::new(written)))
    }

    /// Makes a change of IAM: the call that CloudTrail records and the state that a snapshot shows afterwards.
    pub fn change(&mut self, at: Seconds, by: &Arc<Caller>, change: Change) -> EventId {
        let account = change.account();
        let version = state::next_version(self.org, &self.diary.changes, &change, at);
        let written = change.made(change.call(self.org), at, version);
        let place = self.org.place(account, crate::simulate::organisation::HOME, written.service);
        self.diary.changes.push((at, change));
        self.call(at, place, by, written)
    }

    fn enter(&mut self, at: Seconds, place: Place, by: &Arc<Caller>, what: What) -> EventId {
        let id = EventId(self.chance.bits());
        if let Some(noted) = &mut self.noted {
            noted.push((at, id));
        }
        self.diary.day_of(at).calls.push(Call { at, id, place, by: Arc::clone(by), what });
        id
    }
}
