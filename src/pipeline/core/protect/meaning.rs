//! What grants have to do with a record, before anything is computed of it: its kind of call, and whose session it is.
//!
//! Invariant: both are remembered, in bounded memory; a record that no entry can mean costs two lookups.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::grants;
use crate::grants::Act;
use crate::grants::By;
use crate::grants::Whose;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::action_of;
use crate::model::place_of;
use crate::pipeline::core::protect::Protect;
use crate::pipeline::settings::Grants;

/// How many kinds of calls are remembered; AWS has some twenty thousand, an organisation makes some hundreds.
const MAX_CALLS: usize = 16_384;
/// How many sessions are remembered; when they are that many all are asked anew.
const MAX_SESSIONS: usize = 16_384;

/// A kind of call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    action: Arc<str>,
    sense: Sense,
}

/// What is known of a kind of call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sense {
    /// Whose calls an entry may mean.
    whose: Whose,
    /// Whether it is about who has standing access.
    pub(super) claims: bool,
}

/// What grants have to do with a record.
#[derive(Debug, Default)]
pub(in crate::pipeline::core) struct Meaning {
    /// Its action, if it may be on the surface or counts as use of what grants give.
    pub(in crate::pipeline::core) action: Option<Arc<str>>,
    /// Whether it is about who has standing access.
    pub(in crate::pipeline::core) claims: bool,
}

/// What is known of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    by: By,
    /// Whether it uses what grants give where it acts.
    is_given: bool,
    /// When it began, if it is a workload's or somebody's elsewhere as far as is known, and its issue was not seen: a person
    /// may have taken the role.
    lone_since: Option<Seconds>,
}

impl Protect {
    /// Returns what grants have to do with `record`.
    pub(in crate::pipeline::core) fn meaning(
        &mut self,
        record: &TrailRecord<'_>,
        session: &Arc<Facts>,
        time: Seconds,
    ) -> Meaning {
        let Some((key, Sense { whose, claims })) = self.known_call(record) else {
            return Meaning::default();
        };
        if whose.is_empty() && self.given.is_empty() {
            return Meaning { action: None, claims };
        }
        let Session { by, is_given, lone_since } = self.session(record, session);
        let is_open = lone_since.is_some_and(|since| self.is_settling(since, time));
        let is_asked = whose.holds(by) || is_given || is_open && whose.holds(By::Person);
        let action = || match self.calls.get(&key) {
            Some(call) => Arc::clone(&call.action),
            None => self.call(record).action,
        };
        Meaning { action: is_asked.then(action), claims }
    }

    /// Returns what is known of calls like `record`, and the key that it is known by.
    pub(super) fn known_call(&mut self, record: &TrailRecord<'_>) -> Option<(u64, Sense)> {
        if !self.is_on() {
            return None;
        }
        let source = record.slot_raw(Slot::EventSource).unwrap_or_default();
        let name = record.slot_raw(Slot::EventName).unwrap_or_default();
        let key = xxh3_64_with_seed(name.as_bytes(), xxh3_64(source.as_bytes()));
        if let Some(call) = self.calls.get(&key) {
            return Some((key, call.sense));
        }
        let call = self.call(record);
        let sense = call.sense;
        if self.calls.len() < MAX_CALLS {
            self.calls.insert(key, call);
        }
        Some((key, sense))
    }

    fn call(&self, record: &TrailRecord<'_>) -> Call {
        let slot = |slot| record.slot_or_empty(slot);
        let action = action_of(&slot(Slot::EventSource), &slot(Slot::EventName));
        let claims = grants::claims::concerns(&slot(Slot::EventSource), &slot(Slot::EventName));
        let sense = Sense { whose: self.surface.whose(&action), claims };
        Call { action: action.into(), sense }
    }

    fn session(&mut self, record: &TrailRecord<'_>, session: &Arc<Facts>) -> Session {
        let address = place_of(session);
        if let Some((_, known)) = self.sessions.get(&address) {
            return *known;
        }
        if self.sessions.len() >= MAX_SESSIONS {
            self.sessions.clear();
        }
        let text = |name| match session.get(name) {
            Some(Fact::Text(text)) => text.as_str(),
            _ => "",
        };
        let account = record.slot_or_empty(Slot::RecipientAccountId);
        let act = Act {
            account: &account,
            permission_set: text("gw.session.permission_set"),
            role_arn: text("gw.session.role_arn"),
            ..Act::default()
        };
        let by = By::of(text("gw.identity.name"));
        self.claims.meet(session);
        let lone_since = lone_since(session, by);
        let known = Session { by, is_given: self.given.holds(&act), lone_since };
        self.sessions.insert(address, (Arc::clone(session), known));
        known
    }

    /// Returns whether an act that is beside the surface may turn out to be on it: its session is young, its issue may be
    /// in a file that is still to come, and an entry asks people for such a call.
    pub(super) fn may_be_a_persons(&self, event: &Event<'_>, action: &str) -> bool {
        let Some(session) = event.session.as_deref() else { return false };
        let name = match session.get("gw.identity.name") {
            Some(Fact::Text(name)) => name.as_str(),
            _ => "",
        };
        let since = lone_since(session, By::of(name));
        since.is_some_and(|since| self.is_settling(since, event.time))
            && self.surface.whose(action).holds(By::Person)
            && self.waiting.has_room()
    }

    /// Returns whether the issue of a session that began at `since` may still come, as of an act at `time`.
    fn is_settling(&self, since: Seconds, time: Seconds) -> bool {
        self.grants == Grants::Arriving && time.since(since) < self.settling
    }
}

/// Returns when a session began that is laid to no person only because its issue was not seen.
fn lone_since(session: &Facts, by: By) -> Option<Seconds> {
    let is = |name, flag| session.get(name) == Some(&Fact::Flag(flag));
    // What an instance or a service acts by, no person has taken.
    let is_lone = matches!(by, By::Workload | By::External)
        && is("gw.session.stitched", false)
        && !is("gw.by_service", true)
        && session.get("gw.session.instance").is_none();
    match session.get("gw.session.started") {
        Some(Fact::Text(started)) if is_lone => Seconds::parse(started),
        _ => None,
    }
}
