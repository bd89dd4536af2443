//! Rules that not every event is asked about, and which events they are asked about.
//!
//! A rule such as "a chain of three roles" names no call: it would be asked about every event. But it cannot match
//! unless its session has certain facts, and those are the same for all events of the session. So each session is
//! asked once, and most sessions leave no such rule open. A rule that cannot match without a fact about grants is asked
//! only about events that have a verdict, and one that needs a fact about a change of policy only about such changes; neither
//! stands at a session's gate.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Event;
use crate::model::Facts;
use crate::model::Plain;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::model::place_of;
use crate::rules::Rules;
use crate::rules::Service;
use crate::rules::logic::Condition;
use crate::rules::logic::Known;
use crate::rules::logic::NAMES;
use crate::rules::logic::Truth;

/// How many sessions are remembered; when they are that many all are asked anew.
const MAX_SESSIONS: usize = 16_384;

/// Which events a rule is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// All that its record fits.
    Open,
    /// It names no calls, and cannot match without certain facts of a session: those of sessions that have them.
    Session,
    /// It cannot match without a fact about grants: those that have a verdict.
    Grant,
    /// It cannot match without a fact about a change of policy: those that are one.
    Policy,
}

impl Gate {
    /// Returns the gate that `condition` stands behind.
    pub(super) fn of(condition: &Condition) -> Self {
        let nothing = Arc::new(Facts::default());
        match () {
            // First: what is said of grants in such a rule is only how bad the change is.
            () if truth(condition, &nothing, Known::Policy) == Truth::False => Self::Policy,
            () if truth(condition, &nothing, Known::Grant) == Truth::False => Self::Grant,
            // It names calls: of the others, the sieve remembers that none is meant.
            () if is_about_certain_calls(condition) => Self::Open,
            () if truth(condition, &nothing, Known::Session) == Truth::False => Self::Session,
            () => Self::Open,
        }
    }
}

/// A call of no service, with nothing else in it.
const NO_CALL: &str = r#"{"eventSource":"-","eventName":"-"}"#;

/// Returns whether a call that nobody thought of is ruled out by its name alone.
pub(super) fn is_about_certain_calls(condition: &Condition) -> bool {
    let Some(slots) = Slots::of(NO_CALL) else { return false };
    let event = Event {
        time: Seconds(0),
        record: Record::Trail(TrailRecord::new(NO_CALL, &slots)),
        session: None,
        facts: Facts::default(),
    };
    condition.truth(&event, Known::Shared(NAMES)) == Truth::False
}

impl Rules {
    /// Returns whether a rule is about what certain calls do, and neither about who made them nor about grants.
    pub fn is_about_certain_calls(&self, rule: u32) -> bool {
        let rule = &self.rules[rule as usize];
        rule.gate != Gate::Grant && is_about_certain_calls(&rule.condition)
    }
}

fn truth(condition: &Condition, session: &Arc<Facts>, known: Known) -> Truth {
    let slots = Slots::default();
    let event = Event {
        time: Seconds(0),
        record: Record::Trail(TrailRecord::new("", &slots)),
        session: Some(Arc::clone(session)),
        facts: Facts::default(),
    };
    condition.truth(&event, known)
}

/// The gated rules that each session leaves open.
#[derive(Debug)]
pub struct Gates {
    rules: Arc<Rules>,
    gated: Vec<u32>,
    /// By the address of the session's facts, which are kept so that the address stays theirs.
    open: HashMap<u64, Session, Plain>,
}

/// A session's facts, and the gated rules that may match its events.
type Session = (Arc<Facts>, Arc<[u32]>);

impl Gates {
    /// Makes the gates of `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        let all = rules.of(&Service::CloudTrail).iter().copied();
        let gated = all.filter(|rule| rules.rules[*rule as usize].gate == Gate::Session).collect();
        Self { rules, gated, open: HashMap::default() }
    }

    /// Returns the rules these gates are for.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Returns the gated rules that may match events of a session with these facts.
    pub fn open(&mut self, session: &Arc<Facts>) -> Arc<[u32]> {
        let address = place_of(session);
        if let Some((_, open)) = self.open.get(&address) {
            return Arc::clone(open);
        }
        if self.open.len() >= MAX_SESSIONS {
            self.open.clear();
        }
        let may_match = |rule: &u32| {
            let condition = &self.rules.rules[*rule as usize].condition;
            truth(condition, session, Known::Session) != Truth::False
        };
        let open: Arc<[u32]> = self.gated.iter().copied().filter(may_match).collect();
        self.open.insert(address, (Arc::clone(session), Arc::clone(&open)));
        open
    }
}
