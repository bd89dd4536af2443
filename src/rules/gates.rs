//! Rules that ask for a certain kind of session, and which sessions they are asked about.
//!
//! A rule such as "a chain of three roles" names no call: it would be asked about every event. But it cannot match
//! unless its session has certain facts, and those are the same for all events of the session. So each session is
//! asked once, and most sessions leave no such rule open.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::Event;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::rules::Rules;
use crate::rules::Service;
use crate::rules::logic::Condition;
use crate::rules::logic::Known;
use crate::rules::logic::Truth;

/// How many sessions are remembered; when they are that many all are asked anew.
const MAX_SESSIONS: usize = 16_384;

/// Returns whether a rule cannot match a session that has no facts.
pub(super) fn is_gated(condition: &Condition) -> bool {
    truth(condition, &Arc::new(Facts::default())) == Truth::False
}

fn truth(condition: &Condition, session: &Arc<Facts>) -> Truth {
    let slots = Slots::default();
    let event = Event {
        time: Seconds(0),
        record: Record::Trail(TrailRecord::new("", &slots)),
        session: Some(Arc::clone(session)),
        facts: Facts::default(),
    };
    condition.truth(&event, Known::Session)
}

/// The gated rules that each session leaves open.
#[derive(Debug)]
pub struct Gates {
    rules: Arc<Rules>,
    gated: Vec<u32>,
    /// By the address of the session's facts, which are kept so that the address stays theirs.
    open: HashMap<usize, (Arc<Facts>, Arc<[u32]>)>,
}

impl Gates {
    /// Makes the gates of `rules`.
    pub fn new(rules: Arc<Rules>) -> Self {
        let all = rules.of(&Service::CloudTrail).iter().copied();
        let gated = all.filter(|rule| rules.rules[*rule as usize].gated).collect();
        Self { rules, gated, open: HashMap::new() }
    }

    /// Returns the rules these gates are for.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Returns the gated rules that may match events of a session with these facts.
    pub fn open(&mut self, session: &Arc<Facts>) -> Arc<[u32]> {
        let address = Arc::as_ptr(session).addr();
        if let Some((_, open)) = self.open.get(&address) {
            return Arc::clone(open);
        }
        if self.open.len() >= MAX_SESSIONS {
            self.open.clear();
        }
        let may_match = |rule: &u32| {
            truth(&self.rules.rules[*rule as usize].condition, session) != Truth::False
        };
        let open: Arc<[u32]> = self.gated.iter().copied().filter(may_match).collect();
        self.open.insert(address, (Arc::clone(session), Arc::clone(&open)));
        open
    }
}
