//! Grants that a broker gives by writing policies with dates, and their ends.
//!
//! What a policy gives is an id made of the account, who holds it, its name and its statement, so that moved dates are
//! another version of the same grant. A policy that is removed, or written anew without the statement, ends it.
//!
//! Invariant: only what a broker wrote gives anything, and a broker gives nothing to itself. What anybody else wrote is a
//! grant that was asked for and not approved, so that a verdict can name it and nobody is covered by it.

use std::collections::BTreeMap;

use crate::grants::grant::GrantId;
use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::grant::Window;
use crate::grants::trail::Told;
use crate::grants::trail::Trust;
use crate::grants::trail::bounds;
use crate::grants::trail::bounds::Bounded;
use crate::grants::trail::bounds::Sort;
use crate::grants::trail::holders::Now;
use crate::grants::trail::holders::blank;
use crate::grants::trail::holders::ended;
use crate::grants::trail::holders::roles;
use crate::grants::trail::holders::whom;
use crate::grants::trail::lesson::Holder;
use crate::grants::trail::lesson::Policy;
use crate::grants::trail::shelf::Shelf;
use crate::grants::trail::shelf::key;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many policies with dates are kept, and how many that are attached.
const MAX_HELD: usize = 50_000;
/// How many policies of people who are no broker are kept: enough to name them, too few to fill a store.
const MAX_ASKED: usize = 2_000;
/// How many versions of a managed policy, and how many of its holders.
const MAX_VERSIONS: usize = 8;
const MAX_HOLDERS: usize = 1_000;
/// How long a policy whose dates are over is remembered: until then its removal is still told.
const REMEMBERED: Span = Span(7 * 86_400);

/// What one holder has by one policy.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Held {
    /// When it was written or attached.
    since: Seconds,
    /// Whether it gives nothing: somebody wrote it who is no broker.
    is_asked: bool,
    /// The grants, each with its end.
    grants: Vec<(GrantId, Seconds)>,
}

/// A managed policy that has, or had, a statement with dates.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Managed {
    texts: BTreeMap<Box<str>, Text>,
    default: Box<str>,
    /// Whether a broker made the default the default.
    is_chosen: bool,
    holders: Vec<(Holder, bool)>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Text {
    statements: Vec<Bounded>,
    is_brokers: bool,
}

/// All policies with dates.
#[derive(Debug)]
pub(super) struct Policies {
    held: Shelf<Held>,
    managed: Shelf<Managed>,
    /// Permission sets by ARN.
    sets: Shelf<Box<str>>,
    asked: usize,
    longest: Span,
}

impl Policies {
    /// Makes an empty one; nothing that lasts longer than `longest` is a grant.
    pub fn new(longest: Span) -> Self {
        Self {
            held: Shelf::new("policy", MAX_HELD),
            managed: Shelf::new("managed", MAX_HELD),
            sets: Shelf::new("set", MAX_HELD),
            asked: 0,
            longest,
        }
    }

    pub fn load(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.held.load(connection)?;
        self.managed.load(connection)?;
        self.asked = self.held.iter().filter(|(_, held)| held.is_asked).count();
        self.sets.load(connection)
    }

    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.held.save(tx)?;
        self.managed.save(tx)?;
        self.sets.save(tx)
    }

    /// Takes in the name of a permission set.
    pub fn name_set(&mut self, arn: &str, name: Box<str>) {
        self.sets.put(arn, name);
    }

    /// Forgets policies that have been over for long.
    pub fn forget(&mut self, now: Seconds) {
        let before = now.plus(Span(-REMEMBERED.0));
        self.held.retain(|_, held| held.grants.iter().any(|(_, until)| *until > before));
        self.asked = self.held.iter().filter(|(_, held)| held.is_asked).count();
    }

    /// Takes in what happened to a policy; returns what that makes of grants.
    pub fn settle(&mut self, policy: &Policy, told: &Told<'_>) -> Vec<Version> {
        let is_brokers = told.trust == Trust::Broker;
        let (account, none) = (told.account, &[][..]);
        let now = |holder, policy, statements, sort| Now {
            account,
            holder,
            policy,
            statements,
            sort,
            is_brokers,
        };
        match policy {
            Policy::Put { holder, name, document } => {
                let statements = bounds::bounded(document, Sort::Identity);
                self.hold(&now(holder, name, &statements, Sort::Identity), told)
            }
            Policy::Removed { holder, name } => {
                self.hold(&now(holder, name, none, Sort::Identity), told)
            }
            Policy::Trust { role, document } => {
                let statements = bounds::bounded(document, Sort::Trust);
                let holder = Holder::Role(role.clone());
                self.hold(&now(&holder, "trust/policy", &statements, Sort::Trust), told)
            }
            managed => self.settle_managed(managed, told),
        }
    }

    fn settle_managed(&mut self, policy: &Policy, told: &Told<'_>) -> Vec<Version> {
        let is_brokers = told.trust == Trust::Broker;
        let (arn, gone) = match policy {
            Policy::Made { arn, version, document, is_default } => {
                let statements = bounds::bounded(document, Sort::Identity);
                if self.managed.get(arn).is_none()
                    && (statements.is_empty() || !self.managed.put(arn, Managed::default()))
                {
                    return Vec::new();
                }
                let Some(managed) = self.managed.get_mut(arn) else { return Vec::new() };
                if managed.texts.len() >= MAX_VERSIONS {
                    // AWS keeps five at a time: the oldest here is gone there.
                    managed.texts.pop_first();
                }
                managed.texts.insert(version.clone(), Text { statements, is_brokers });
                if *is_default {
                    (managed.default, managed.is_chosen) = (version.clone(), is_brokers);
                }
                (arn, None)
            }
            Policy::Default { arn, version } => {
                let Some(managed) = self.managed.get_mut(arn) else { return Vec::new() };
                (managed.default, managed.is_chosen) = (version.clone(), is_brokers);
                (arn, None)
            }
            Policy::Gone { arn } => {
                let Some(managed) = self.managed.get_mut(arn) else { return Vec::new() };
                managed.default = "".into();
                (arn, None)
            }
            Policy::Attached { arn, holder } => {
                let Some(managed) = self.managed.get_mut(arn) else { return Vec::new() };
                managed.holders.retain(|(known, _)| known != holder);
                if managed.holders.len() < MAX_HOLDERS {
                    managed.holders.push((holder.clone(), is_brokers));
                }
                (arn, None)
            }
            Policy::Detached { arn, holder } => {
                let Some(managed) = self.managed.get_mut(arn) else { return Vec::new() };
                managed.holders.retain(|(known, _)| known != holder);
                (arn, Some(holder))
            }
            Policy::Put { .. } | Policy::Removed { .. } | Policy::Trust { .. } => {
                return Vec::new();
            }
        };
        self.hold_managed(arn, gone, told)
    }

    /// Works out what every holder of a managed policy has now.
    fn hold_managed(&mut self, arn: &str, gone: Option<&Holder>, told: &Told<'_>) -> Vec<Version> {
        let Some(managed) = self.managed.get(arn).cloned() else { return Vec::new() };
        let text = managed.texts.get(&managed.default);
        let statements = text.map(|text| text.statements.clone()).unwrap_or_default();
        let is_written = managed.is_chosen && text.is_some_and(|text| text.is_brokers);
        let name = arn.rsplit_once(":policy/").map_or(arn, |(_, name)| name);
        let policy = format!("policy/{name}");
        let mut versions = Vec::new();
        for (holder, statements, is_attached) in managed
            .holders
            .iter()
            .map(|(holder, is_brokers)| (holder, &*statements, *is_brokers))
            .chain(gone.map(|holder| (holder, &[][..], false)))
        {
            let now = Now {
                account: told.account,
                holder,
                policy: &policy,
                statements,
                sort: Sort::Identity,
                // Who wrote it, who chose the text, and who attached it: one who is no broker is enough.
                is_brokers: is_written && is_attached,
            };
            versions.extend(self.hold(&now, told));
        }
        if managed.holders.is_empty() && managed.default.is_empty() {
            self.managed.remove(arn);
        }
        versions
    }

    /// Takes in what a holder has by a policy from now on; returns the versions of what began and what ended.
    fn hold(&mut self, now: &Now<'_>, told: &Told<'_>) -> Vec<Version> {
        let name = key(&[now.account, &now.holder.label(), now.policy]);
        let mut given = self.given(now, told);
        let is_asked = !given.iter().any(|it| it.status.gives());
        let Some(kept) = self.held.get(&name).cloned() else {
            if !self.keep(&name, &given, told.time) {
                given.clear();
            }
            return given;
        };
        if kept.is_asked && is_asked {
            // Nothing was given and nothing is. Whoever writes it over and over says no more than once.
            return Vec::new();
        }
        if kept.since > told.time {
            // Something later is known of this policy: that stays, and what this gives was over then.
            let is_over = |it: &&Version| !kept.grants.iter().any(|(id, _)| *id == it.id);
            let over = given.iter().filter(is_over);
            let over: Vec<Version> =
                over.map(|it| ended(&it.id, it.window.until, kept.since)).collect();
            given.extend(over);
            return given;
        }
        self.held.remove(&name);
        self.asked -= usize::from(kept.is_asked);
        // What cannot be kept could not be ended.
        if !self.keep(&name, &given, told.time) {
            given.clear();
        }
        let is_left = |id: &GrantId| kept.is_asked || given.iter().any(|it| it.id == *id);
        let over = kept.grants.iter().filter(|(id, _)| !is_left(id));
        let over: Vec<Version> = over.map(|(id, until)| ended(id, *until, told.time)).collect();
        given.extend(over);
        given
    }

    /// Keeps what a holder has; returns whether there was room.
    fn keep(&mut self, name: &str, given: &[Version], since: Seconds) -> bool {
        let is_asked = !given.iter().any(|it| it.status.gives());
        let grants: Vec<(GrantId, Seconds)> =
            given.iter().map(|it| (it.id.clone(), it.window.until)).collect();
        let has_room = !is_asked || self.asked < MAX_ASKED;
        let is_kept =
            !grants.is_empty() && has_room && self.held.put(name, Held { since, is_asked, grants });
        self.asked += usize::from(is_kept && is_asked);
        is_kept
    }

    /// Returns what a holder is given, statement by statement.
    fn given(&self, now: &Now<'_>, told: &Told<'_>) -> Vec<Version> {
        let mut given = Vec::new();
        for statement in now.statements {
            let from = statement.from.unwrap_or(told.time).max(told.time);
            let window = Window { from, until: statement.until };
            if window.from >= window.until {
                continue;
            }
            let Some((principals, scope)) = whom(now, statement, &self.sets) else { continue };
            let doubt = self.doubt(now, statement, window, told);
            let status = if doubt.is_none() { Status::Active } else { Status::Requested };
            let holder = now.holder.label();
            let id =
                format!("cloudtrail:{}:{holder}:{}:{}", now.account, now.policy, statement.name);
            let written = format!("policy {} of {holder}, written by {}", now.policy, told.name);
            let justification = match doubt {
                None => written,
                Some(doubt) => format!("{written}; not a grant, as {doubt}"),
            };
            // Who may take a role may do then what the role may.
            let roles = roles(now, statement).map(|scope| (format!("{id}+roles"), scope));
            for (id, scope) in [Some((id, scope)), roles].into_iter().flatten() {
                given.push(Version {
                    principals: principals.clone(),
                    scope,
                    window,
                    justification: justification.as_str().into(),
                    ..blank(GrantId(id.into()), status, told.time)
                });
            }
        }
        given
    }

    /// Returns why a statement gives nothing, if so.
    fn doubt(
        &self,
        now: &Now<'_>,
        statement: &Bounded,
        window: Window,
        told: &Told<'_>,
    ) -> Option<String> {
        if !now.is_brokers {
            return Some("not every hand in it is a grant broker's".to_owned());
        }
        let role = told.role_arn.rsplit('/').next().unwrap_or_default();
        let is_own = told.caller_account == now.account
            && matches!(now.holder, Holder::Role(name) if **name == *role);
        if is_own {
            return Some("the broker wrote it for itself".to_owned());
        }
        if window.until.since(window.from) > self.longest {
            return Some(format!("it lasts longer than {}", self.longest));
        }
        statement.unclear.as_deref().map(str::to_owned)
    }
}
