//! The chain behind a caller: from the session in use, through every role taken on the way, to where it began.
//!
//! A hop by access key is `exact`. Where AWS gives no key, a hop is joined by what both sides share and by time:
//! `probable` when one issue fits, `ambiguous` when several do, and the reason says which join it was.
//!
//! Invariant: the walk ends, whatever the records claim; it takes at most [`MAX_HOPS`] hops.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use crate::identity::caller::Caller;
use crate::identity::known::Known;
use crate::identity::party::Basis;
use crate::identity::party::Kind;
use crate::identity::party::Party;
use crate::identity::party::permission_set;
use crate::identity::session::Session;
use crate::identity::session::join;
use crate::identity::sessions::Sessions;
use crate::model::Confidence;
use crate::model::Seconds;
use crate::model::Span;

/// AWS sets no limit to role chaining; beyond this the origin is what the last hop says.
const MAX_HOPS: usize = 16;

/// How far an issue and the creation of the credentials in use may lie apart, in seconds before and after.
const SAME_MOMENT: (i64, i64) = (5, 5);
const CONSOLE: (i64, i64) = (300, 60);
const SWITCH: (i64, i64) = (12 * 3_600, 60);
const PORTAL: (i64, i64) = (60, 5);
const SIGN_IN: (i64, i64) = (12 * 3_600, 5);

/// A session found, and how.
#[derive(Debug)]
pub(super) struct Found<'s> {
    pub session: &'s Session,
    pub confidence: Confidence,
    pub reason: Cow<'static, str>,
}

/// What lies behind a caller.
#[derive(Debug)]
pub(super) struct Lineage<'s> {
    /// Who started the chain.
    pub origin: Party,
    /// From the origin to the session in use: a canonical name, then roles.
    pub chain: Vec<String>,
    /// How many roles were taken.
    pub depth: i64,
    pub mfa: Option<bool>,
    /// The issue of the session in use.
    pub found: Option<Found<'s>>,
    /// The portal request that the session came from.
    pub portal: Option<Found<'s>>,
    /// What this answer depends on: when one of these is learned, it is stale.
    pub touched: Vec<u64>,
}

/// Returns the mark of `text` in [`Lineage::touched`].
pub(super) fn mark(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// Returns the mark of a join: its subject's, so that all joins by one role session share it.
pub(super) fn join_mark(by: &str) -> u64 {
    mark(by.split_once(':').map_or(by, |(_, subject)| subject))
}

/// Traces `caller`, whom its own record names `own`.
pub(super) fn trace<'s>(
    caller: &Caller<'_>,
    own: &Party,
    known: &Known,
    sessions: &'s Sessions,
) -> Lineage<'s> {
    let mut tracer = Tracer { known, sessions, touched: Vec::new() };
    tracer.touch_account(own);
    if let Some(label) = &own.label {
        tracer.touched.push(mark(label));
    } else if own.kind == Kind::Workload {
        tracer.touched.push(mark(own.name.trim_start_matches("workload:")));
    }
    if !caller.user_id.is_empty() {
        tracer.touched.push(mark(&caller.user_id));
    }
    let found = if caller.is_temporary() { tracer.find(caller) } else { None };
    let mut mfa = own_mfa(caller, own);
    let mut labels = Vec::new();
    let mut origin = own.clone();
    let mut portal_at = caller.context.created.and_then(|created| {
        let set = permission_set(caller.role_name())?;
        Some((join::portal(&caller.account, set), created))
    });
    let mut next = found.as_ref().map(|found| found.session);
    let mut hops = 0;
    while let Some(session) = next {
        labels.extend(session.label.as_deref().map(str::to_owned));
        mfa = mfa.max(session.mfa);
        tracer.touch_account(&session.caller);
        origin = known.settled(&session.caller).into_owned();
        if portal_at.is_none() {
            portal_at = portal_of(session).map(|by| (by, session.started));
        }
        hops += 1;
        next = if hops < MAX_HOPS { tracer.parent(session) } else { None };
    }
    let portal = portal_at.and_then(|(by, at)| tracer.portal(caller, &origin, &by, at));
    if let Some((session, at)) = portal.as_ref().map(|found| (found.session, found.session.started))
    {
        mfa = mfa.max(session.mfa).max(tracer.sign_in_mfa(&origin.name, at));
    }
    if mfa == Some(false) && !matches!(origin.kind, Kind::User | Kind::Root) {
        // Of federated people and of workloads AWS always says so; it means nothing.
        mfa = None;
    }
    let (chain, depth) = chain(&origin, &labels);
    Lineage { origin, chain, depth, mfa, found, portal, touched: tracer.touched }
}

/// The chain from `origin` through the roles taken, which were noted last first.
fn chain(origin: &Party, labels: &[String]) -> (Vec<String>, i64) {
    let mut chain = vec![origin.name.clone()];
    chain.extend(origin.label.clone());
    chain.extend(labels.iter().rev().cloned());
    let is_role_itself = origin.kind == Kind::Workload && origin.name.contains("/role/");
    let roles = labels.len() + usize::from(origin.label.is_some()) + usize::from(is_role_itself);
    (chain, i64::try_from(roles).unwrap_or(i64::MAX))
}

fn own_mfa(caller: &Caller<'_>, own: &Party) -> Option<bool> {
    match &*caller.context.mfa {
        "true" => Some(true),
        "false" if matches!(own.kind, Kind::User | Kind::Root) => Some(false),
        _ => None,
    }
}

/// What a session that Identity Center issued is joined to its portal request by.
fn portal_of(session: &Session) -> Option<String> {
    let (account, role) = session.label.as_deref()?.split_once("/role/")?;
    Some(join::portal(account, permission_set(role)?))
}

struct Tracer<'s, 'k> {
    known: &'k Known,
    sessions: &'s Sessions,
    touched: Vec<u64>,
}

impl<'s> Tracer<'s, '_> {
    /// Notes that the answer depends on whether the account that `party` comes from is ours.
    fn touch_account(&mut self, party: &Party) {
        self.touched.extend(party.other_account().map(mark));
    }

    /// The issue of the credentials that `caller` uses.
    fn find(&mut self, caller: &Caller<'_>) -> Option<Found<'s>> {
        if !caller.key.is_empty() {
            self.touched.push(mark(&caller.key));
        }
        let role_session = join::role_session(&caller.principal);
        let is_same = |session: &Session| {
            let is_same_role = caller.sort != "AssumedRole"
                || !session.join.starts_with("role:")
                || *session.join == *role_session;
            is_same_role && session.fits(caller.context.created)
        };
        if let Some(session) = self.sessions.get(&caller.key).filter(|session| is_same(session)) {
            let reason = Cow::Borrowed("access key");
            return Some(Found { session, confidence: Confidence::Exact, reason });
        }
        let created = caller.context.created?;
        match &*caller.sort {
            "AssumedRole" => {
                let why = "role session issued in the same moment";
                let by_moment = self.joined(&role_session, created, SAME_MOMENT);
                if let Some(found) = one_of(by_moment, why) {
                    return Some(found);
                }
                let by_switch = self.joined(&join::switch(&caller.principal), created, SWITCH);
                one_of(by_switch, "role switch at the console")
            }
            "IAMUser" | "Root" => {
                let by_login = self.joined(&join::console(&caller.arn), created, CONSOLE);
                one_of(by_login, "console login at that time")
            }
            _ => None,
        }
    }

    /// The session that the caller of `session`'s issue used.
    fn parent(&mut self, session: &Session) -> Option<&'s Session> {
        let caller = &session.caller;
        if caller.key.is_empty() {
            return None;
        }
        self.touched.push(mark(&caller.key));
        let parent = self.sessions.get(&caller.key)?;
        let is_same_role = !parent.join.starts_with("role:")
            || *parent.join == *join::role_session(&caller.principal);
        // A source identity that the issuing record states outranks whatever its session says.
        let is_settled = caller.basis == Basis::SourceIdentity;
        (is_same_role && !is_settled && parent.started <= session.started).then_some(parent)
    }

    /// The portal request behind credentials of a permission set that were made at `at`.
    fn portal(
        &mut self,
        caller: &Caller<'_>,
        origin: &Party,
        by: &str,
        at: Seconds,
    ) -> Option<Found<'s>> {
        let mut fitting = self.joined(by, at, PORTAL);
        let ids = fitting.iter().filter_map(|session| session.user_id.as_deref());
        self.touched.extend(ids.map(mark));
        fitting.retain(|session| match session.user_id.as_deref() {
            Some(id) if !caller.user_id.is_empty() => *id == *caller.user_id,
            // Its name may not be known for sure: then it may be anybody.
            Some(id) => {
                let named = self.known.people.get(id).filter(|named| named.is_exact());
                named.is_none_or(|named| named.party().name == origin.name)
            }
            None => session.caller.name == origin.name,
        });
        one_of(fitting, "portal request for this account and permission set at that time")
    }

    fn sign_in_mfa(&mut self, person: &str, at: Seconds) -> Option<bool> {
        let sign_ins = self.joined(&join::sign_in(person), at, SIGN_IN);
        sign_ins.into_iter().filter_map(|session| session.mfa).max()
    }

    /// Sessions kept under `by` that started around `at`, newest first.
    fn joined(&mut self, by: &str, at: Seconds, (before, after): (i64, i64)) -> Vec<&'s Session> {
        let mark = join_mark(by);
        if self.touched.last() != Some(&mark) {
            self.touched.push(mark);
        }
        let (from, to) = (at.plus(Span(-before)), at.plus(Span(after)));
        let mut found: Vec<_> = self
            .sessions
            .joined(by)
            .filter(|session| (from..=to).contains(&session.started))
            .collect();
        found.sort_by(|a, b| (b.started, &b.event_id).cmp(&(a.started, &a.event_id)));
        found
    }
}

/// The newest of `fitting`: probable if it stands alone, ambiguous if not.
fn one_of<'s>(fitting: Vec<&'s Session>, why: &'static str) -> Option<Found<'s>> {
    let count = fitting.len();
    let session = fitting.into_iter().next()?;
    Some(match count {
        1 => Found { session, confidence: Confidence::Probable, reason: why.into() },
        _ => {
            let reason = format!("{count} fit, the newest is taken: {why}").into();
            Found { session, confidence: Confidence::Ambiguous, reason }
        }
    })
}
