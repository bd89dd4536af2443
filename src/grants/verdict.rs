//! The verdict: was an act covered by a grant, and if not, which grant is nearest and what keeps it from covering.
//!
//! Invariant: a verdict depends on the ledger, the surface and the act alone. `Covered` needs a grant whose state as
//! of the act's time gives access and whose every dimension fits; whatever is unknown does not fit.

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::grants::grant::GrantId;
use crate::grants::index::Key;
use crate::grants::tags::Known;
use crate::grants::who::Actor;
use crate::model::Confidence;
use crate::model::Seconds;
use crate::model::Span;

/// One act, as much as is known of it.
#[derive(Debug, Clone, Default)]
pub struct Act<'a> {
    /// When.
    pub time: Seconds,
    /// The canonical identity, `person:alice@example.com`.
    pub identity: &'a str,
    /// The canonical identity at the start of the chain of roles.
    pub origin: &'a str,
    /// The user's id in Identity Center.
    pub user_id: &'a str,
    /// `sourceIdentity`.
    pub source_identity: &'a str,
    /// The account it was done in.
    pub account: &'a str,
    /// The account of the caller.
    pub caller_account: &'a str,
    /// The role it was done with, by ARN (with its path).
    pub role_arn: &'a str,
    /// The permission set of that role.
    pub permission_set: &'a str,
    /// The session's name.
    pub session_name: &'a str,
    /// The session's tags as far as they are known, as `key=value`.
    pub principal_tags: &'a [String],
    /// The roles from the origin to this session, by ARN or name.
    pub chain: &'a [String],
    /// `iam:CreateUser`.
    pub action: &'a str,
    /// What it was done to, by ARN; empty if the record does not say.
    pub resources: &'a [&'a str],
    /// What these are known to be tagged with, one by one, of the keys that are asked for; empty where nothing asks.
    pub resource_tags: &'a [Known<'a>],
    /// The region of the call.
    pub region: &'a str,
    /// Where from.
    pub address: Option<IpAddr>,
    /// When the session began.
    pub session_started: Option<Seconds>,
    /// How sure the identity is: `exact`, `probable`, `ambiguous`; anything else is as good as ambiguous.
    pub confidence: &'a str,
    /// Whether an AWS service made the call (`gw.by_service`).
    pub by_service: bool,
    /// Whether automation that builds accounts made it (`gw.provisioner`).
    pub provisioner: bool,
    /// Whether a configured grant broker made it (`gw.broker`).
    pub broker: bool,
    /// Whether the session has a second factor (`gw.session.mfa`).
    pub mfa: Option<bool>,
    /// The groups of Identity Center that the user was in then, by id, as far as they are known.
    pub groups: &'a [&'a str],
    /// The account of the vendor that acts by temporary delegation (`invokedByDelegate`).
    pub delegate: &'a str,
    /// The grant that the session was issued under by a broker, by id.
    pub bound: &'a str,
}

impl Act<'_> {
    /// Returns what grants that name who acted are found by, whether or not there are any.
    pub fn keys(&self) -> SmallVec<[Key; 16]> {
        Actor::of(self).all_keys()
    }
}

/// What became of an act on the protect surface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A grant covers it.
    Covered,
    /// No grant speaks of this identity here.
    None,
    /// The nearest grant was over.
    Expired,
    /// The nearest grant had not begun.
    NotStarted,
    /// The nearest grant had been taken back.
    Revoked,
    /// The nearest grant covers something else.
    OutOfScope(Dimension),
    /// It needs none, by this entry of the surface.
    Exempt(Box<str>),
}

impl Verdict {
    /// The names of all verdicts.
    pub const NAMES: [&str; 7] =
        ["covered", "none", "expired", "not_started", "revoked", "out_of_scope", "exempt"];

    /// Returns its name in `gw.grant.verdict`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::None => "none",
            Self::Expired => "expired",
            Self::NotStarted => "not_started",
            Self::Revoked => "revoked",
            Self::OutOfScope(_) => "out_of_scope",
            Self::Exempt(_) => "exempt",
        }
    }

    /// Returns whether the act wanted a grant and had none.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Covered | Self::Exempt(_))
    }
}

/// What of a scope does not fit, the first in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// The account.
    Account,
    /// The role or permission set, or a role taken from it that it does not reach.
    Role,
    /// The action.
    Action,
    /// The resource.
    Resource,
    /// The region.
    Region,
    /// The network it was done from.
    Network,
}

impl Dimension {
    /// Returns its name in `gw.grant.dimension`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Role => "role",
            Self::Action => "action",
            Self::Resource => "resource",
            Self::Region => "region",
            Self::Network => "network",
        }
    }
}

/// A verdict with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The grant that covers it, or the nearest one.
    pub grant: Option<GrantId>,
    /// Why, in a sentence.
    pub reason: String,
    /// How far outside the window it happened.
    pub outside: Option<Span>,
    /// Whether the session began inside the window and still acts after it.
    pub session_outlived: bool,
    /// Whether the grant was approved only after the act.
    pub retroactive: bool,
    /// How sure it is that the grant speaks of who acted; without a grant, how sure it is who acted.
    pub confidence: Confidence,
}
