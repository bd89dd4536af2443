//! Sessions that were ended by a policy (`AWSRevokeOlderSessions`), and those that act on all the same.
//!
//! The policy denies a role's sessions everything if they were issued before a moment. IAM is consistent after a while,
//! so what succeeds within five minutes of it says nothing; what succeeds later should not have. IAM User Guide, "revoke
//! IAM role temporary security credentials".
//!
//! Of what a session did only the time of its last success is kept, so that a policy whose record comes after those acts
//! still finds them.
//!
//! Invariant: what is found depends on the records' times and not on the order in which they come, as far as the
//! watermark allows; a session is told of once for each policy that ended it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::grants::role::Role;
use crate::grants::trail::bounds;
use crate::grants::trail::shelf::Shelf;
use crate::grants::trail::shelf::key;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Slot;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How long IAM may take to know of it.
const SETTLES: Span = Span(300);
/// How far event time moves on before sessions are looked at again.
const PAUSE: Span = Span(60);
/// No role session lives longer; what was ended before is over by itself.
const LONGEST: Span = Span(36 * 3_600);
/// How many changes of such policies, and how many sessions that acted on, are kept.
const MAX_CHANGES: usize = 20_000;
const MAX_OUTLIVED: usize = 20_000;
/// How many sessions' last successes are kept.
const MAX_SESSIONS: usize = 100_000;
/// How many sessions are looked up without a search. A power of two.
const SLOTS: usize = 4_096;

/// That a policy of a role came to end sessions, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Change {
    at: Seconds,
    /// Sessions issued before are refused; `None` if none are any more.
    before: Option<Seconds>,
}

/// A session that acts though it was ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Outlived {
    role: Box<str>,
    key: Box<str>,
    identity: Box<str>,
    started: Seconds,
    last: Seconds,
    is_told: bool,
}

/// When a session of a role last succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Last {
    role: Box<str>,
    identity: Box<str>,
    started: Seconds,
    last: Seconds,
}

#[derive(Debug)]
struct Recent {
    facts: Arc<Facts>,
    last: Seconds,
}

/// Sessions that were ended.
#[derive(Debug)]
pub(super) struct Revocations {
    /// By time and event, what was heard and is not settled.
    heard: Shelf<(Box<str>, Change)>,
    /// By role and policy, in the order of time.
    policies: Shelf<Vec<Change>>,
    /// By the moment of the revocation, role and access key.
    outlived: Shelf<Outlived>,
    recent: Vec<Option<Recent>>,
    sessions: BTreeMap<Box<str>, Last>,
    is_any: bool,
    /// When sessions are looked at again.
    next: Seconds,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            heard: Shelf::new("revocation-heard", MAX_CHANGES),
            policies: Shelf::new("revocation", MAX_CHANGES),
            outlived: Shelf::new("outlived", MAX_OUTLIVED),
            recent: std::iter::repeat_with(|| None).take(SLOTS).collect(),
            sessions: BTreeMap::new(),
            is_any: false,
            next: Seconds(i64::MIN),
        }
    }
}

impl Revocations {
    pub fn load(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.heard.load(connection)?;
        self.policies.load(connection)?;
        self.is_any = !self.policies.is_empty();
        self.outlived.load(connection)
    }

    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.heard.save(tx)?;
        self.policies.save(tx)?;
        self.outlived.save(tx)
    }

    /// Takes in a policy that ends sessions, or its end.
    pub fn hear(&mut self, record: &TrailRecord<'_>, at: Seconds) {
        let name = record.slot_or_empty(Slot::EventName);
        let asked = |name: &str| {
            let text = record.text(&format!("requestParameters.{name}"));
            text.filter(|text| !text.is_empty() && text.len() <= 300)
        };
        let (Some(role), Some(policy)) = (asked("roleName"), asked("policyName")) else { return };
        let before = match &*name {
            "PutRolePolicy" => {
                let document = record.text("requestParameters.policyDocument").unwrap_or_default();
                bounds::revokes_before(&document)
            }
            "DeleteRolePolicy" => None,
            _ => return,
        };
        let account = record.slot_or_empty(Slot::RecipientAccountId);
        let policy = key(&[&format!("{account}/role/{role}"), &policy]);
        let when = format!("{:020}/{}", at.0, record.slot_or_empty(Slot::EventId));
        self.heard.put(&when, (policy, Change { at, before }));
    }

    /// Notes that a session succeeded at something. Called for every record: as a rule compares one address.
    pub fn succeeded(&mut self, session: &Arc<Facts>, at: Seconds) {
        let place = (Arc::as_ptr(session).addr() >> 4) % SLOTS;
        let Some(slot) = self.recent.get_mut(place) else { return };
        if let Some(recent) = slot
            && Arc::ptr_eq(&recent.facts, session)
        {
            recent.last = recent.last.max(at);
            return;
        }
        let old = slot.replace(Recent { facts: Arc::clone(session), last: at });
        if let Some(Recent { facts, last }) = old {
            self.keep(&facts, last);
        }
    }

    fn keep(&mut self, facts: &Facts, last: Seconds) {
        let Some((key, found)) = of_session(facts, last) else { return };
        if let Some(known) = self.sessions.get_mut(&*key) {
            known.last = known.last.max(last);
            return;
        }
        if self.sessions.len() >= MAX_SESSIONS {
            // Those that acted last are those that may act on.
            let mut times: Vec<Seconds> = self.sessions.values().map(|it| it.last).collect();
            let (_, middle, _) = times.select_nth_unstable(MAX_SESSIONS / 2);
            let middle = *middle;
            self.sessions.retain(|_, it| it.last >= middle);
        }
        self.sessions.insert(key, found);
    }

    /// Returns when the session of `role` that began at `started` was ended, as of `time`, and by which policy.
    pub fn ended(&self, role: &str, started: Seconds, time: Seconds) -> Option<(Seconds, &str)> {
        if !self.is_any {
            return None;
        }
        let since = |changes: &Vec<Change>| {
            let means = |change: &&Change| change.before.is_some_and(|before| started < before);
            let until = changes.iter().rev().filter(|change| change.at <= time);
            // Written anew it goes on; what lies before its removal does not count.
            let first = until.take_while(means).last()?.at.max(started);
            (time > first.plus(SETTLES)).then_some(first)
        };
        let by = self
            .policies
            .below(role)
            .filter_map(|(policy, changes)| Some((since(changes)?, policy)));
        by.min()
    }

    /// Settles what was heard until `watermark`, and returns the sessions that acted on though they were ended.
    pub fn due(&mut self, watermark: Seconds) -> Vec<Signal> {
        if self.heard.is_empty() && !self.is_any {
            return Vec::new();
        }
        self.settle(watermark);
        if !self.is_any || watermark < self.next {
            return Vec::new();
        }
        self.next = watermark.plus(PAUSE);
        self.find();
        let mut signals = Vec::new();
        let due: Vec<Box<str>> = self
            .outlived
            .iter()
            .filter(|(_, it)| !it.is_told && it.last <= watermark)
            .map(|(name, _)| name.into())
            .collect();
        for name in due {
            let Some(found) = self.outlived.get(&name).cloned() else { continue };
            // What was removed in the meantime ended nothing at that time.
            let ended = self.ended(&found.role, found.started, found.last);
            let Some((since, policy)) = ended else {
                self.outlived.remove(&name);
                continue;
            };
            signals.push(signal(&found, since, policy));
            if let Some(found) = self.outlived.get_mut(&name) {
                found.is_told = true;
            }
        }
        signals
    }

    fn settle(&mut self, watermark: Seconds) {
        let mut due = Vec::new();
        self.heard.retain(|_, heard| {
            let is_due = heard.1.at <= watermark;
            if is_due {
                due.push(heard.clone());
            }
            !is_due
        });
        for (policy, change) in due {
            let is_known = self.policies.get(&policy).is_some();
            if !is_known && (change.before.is_none() || !self.policies.put(&policy, Vec::new())) {
                continue;
            }
            let Some(changes) = self.policies.get_mut(&policy) else { continue };
            let place = changes.partition_point(|known| known.at <= change.at);
            changes.insert(place, change);
            self.is_any = true;
        }
    }

    /// Looks for sessions that succeeded after they were ended.
    fn find(&mut self) {
        for slot in 0..self.recent.len() {
            let Some(Some(Recent { facts, last })) = self.recent.get(slot) else { continue };
            let (facts, last) = (Arc::clone(facts), *last);
            self.keep(&facts, last);
        }
        let mut found = Vec::new();
        for (session, it) in &self.sessions {
            let ended = self.ended(&it.role, it.started, it.last);
            let Some((since, policy)) = ended else { continue };
            let name = key(&[&since.to_string(), &it.role, policy, session]);
            found.push((name, session.clone(), it.clone()));
        }
        for (name, key, it) in found {
            if self.outlived.get(&name).is_some() {
                continue;
            }
            let Last { role, identity, started, last } = it;
            self.outlived
                .put(&name, Outlived { role, key, identity, started, last, is_told: false });
        }
    }

    /// Forgets what no session can outlive any more.
    pub fn forget(&mut self, now: Seconds) {
        let before = now.plus(Span(-LONGEST.0));
        self.policies.retain(|_, changes| {
            let is_standing = |change: &Change| change.before.is_some_and(|it| it > before);
            changes.iter().any(|change| change.at > before || is_standing(change))
        });
        self.is_any = !self.policies.is_empty();
        self.outlived.retain(|_, it| it.last > before);
        self.sessions.retain(|_, it| it.last > before);
    }
}

/// Returns what a session is, if it is one of a role whose sessions can be ended, with its access key.
fn of_session(facts: &Facts, last: Seconds) -> Option<(Box<str>, Last)> {
    let text = |name| match facts.get(name) {
        Some(Fact::Text(text)) => text.as_str(),
        _ => "",
    };
    let started = Seconds::parse(text("gw.session.started"))?;
    let role = role_of(text("gw.session.role_arn"))?;
    let key = text("gw.session.key");
    let identity = text("gw.identity.name").into();
    (!key.is_empty()).then(|| (key.into(), Last { role, identity, started, last }))
}

/// Returns `ACCOUNT/role/NAME`; AWS's own roles take no policies.
pub(super) fn role_of(arn: &str) -> Option<Box<str>> {
    let is_reserved =
        arn.contains(":role/aws-reserved/") || arn.contains(":role/aws-service-role/");
    let role = Role::parse(arn).filter(|_| !is_reserved)?;
    Some(format!("{}/role/{}", role.account, role.name).into())
}

fn signal(it: &Outlived, since: Seconds, policy: &str) -> Signal {
    let (account, role) = it.role.split_once("/role/").unwrap_or(("", &it.role));
    let mut facts = Facts::default();
    facts.set("gw.session.revoked", true);
    facts.set("gw.session.revoked_at", since.to_string());
    facts.set("gw.session.role_name", role);
    facts.set("gw.session.key", &*it.key);
    facts.set("gw.session.started", it.started.to_string());
    if !it.identity.is_empty() {
        facts.set("gw.identity.name", &*it.identity);
    }
    Signal {
        name: "SessionOutlivedRevocation",
        time: since.plus(SETTLES),
        about: format!("{}/{policy}/{}/{}", it.role, it.key, since.0),
        account: account.to_owned(),
        parameters: json!({
            "roleName": role,
            "accessKeyId": it.key,
            "issued": it.started.to_string(),
            "revoked": since.to_string(),
            "lastSuccess": it.last.to_string(),
            "policyName": policy,
        }),
        facts,
    }
}
