//! What a claim is: that somebody has standing access to something, and what was done about it.
//!
//! Invariant: a claim is told from others by who, what and where; who made it and when are its deeds.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

use crate::model::Seconds;

/// Who has the access.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A user of Identity Center, by id.
    User(Box<str>),
    /// A group of Identity Center, by id.
    Group(Box<str>),
    /// An IAM user, `ACCOUNT/NAME`.
    IamUser(Box<str>),
    /// A role, `ACCOUNT/NAME`.
    Role(Box<str>),
    /// An IAM group, `ACCOUNT/NAME`.
    IamGroup(Box<str>),
}

impl Holder {
    /// Returns the id or the name, without its account.
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) | Self::Group(id) => id,
            Self::IamUser(name) | Self::Role(name) | Self::IamGroup(name) => {
                name.split_once('/').map_or(name, |(_, name)| name)
            }
        }
    }

    /// Returns what Identity Center or IAM calls its sort.
    pub fn sort(&self) -> &'static str {
        match self {
            Self::User(_) => "USER",
            Self::Group(_) => "GROUP",
            Self::IamUser(_) => "IAM_USER",
            Self::Role(_) => "IAM_ROLE",
            Self::IamGroup(_) => "IAM_GROUP",
        }
    }
}

/// What sort of access it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A permission set in an account.
    Assignment,
    /// Membership of a group of Identity Center.
    Membership,
    /// A managed policy of IAM.
    Policy,
    /// An inline policy of IAM.
    InlinePolicy,
    /// Membership of a group of IAM.
    IamMembership,
}

impl Kind {
    /// Returns its name in signals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Assignment => "assignment",
            Self::Membership => "membership",
            Self::Policy => "policy",
            Self::InlinePolicy => "inline_policy",
            Self::IamMembership => "iam_membership",
        }
    }
}

/// That somebody has standing access.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// Who has it.
    pub holder: Holder,
    /// What sort it is.
    pub kind: Kind,
    /// Where; empty for groups of Identity Center.
    pub account: Box<str>,
    /// What: the permission set or policy by ARN, the group by id, an inline policy or an IAM group by name.
    pub entitlement: Box<str>,
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sort, id) = (self.holder.sort(), self.holder.id());
        write!(f, "{sort}/{id}/{}/{}/{}", self.kind.name(), self.account, self.entitlement)
    }
}

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// The access was taken away. Of two deeds in one second this is taken to be the first: access stands if in doubt.
    Remove,
    /// The access was given.
    Make,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was accepted.
    Done,
    /// The call was refused, with this error; nothing changed.
    Refused(Box<str>),
    /// It was accepted and failed, for this reason; nothing changed.
    Failed(Box<str>),
}

/// What sort of caller did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maker {
    /// A configured broker.
    Broker,
    /// An AWS service, or automation that builds accounts.
    Automation,
    /// Anybody else.
    Other,
}

/// What was done about a claim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deed {
    /// When.
    pub time: Seconds,
    /// What was tried.
    pub verb: Verb,
    /// The record's id.
    pub event: Box<str>,
    /// What came of it.
    pub outcome: Outcome,
    /// What sort of caller did it.
    pub maker: Maker,
    /// Who did it, by canonical name.
    pub by: Box<str>,
    /// The instance of Identity Center, or the identity store; empty in IAM.
    pub place: Box<str>,
    /// The id of a membership of Identity Center, by which alone it is removed.
    pub membership: Box<str>,
    /// Where the record was read.
    pub object: Box<str>,
}

impl Deed {
    /// Returns whether it changed anything.
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }

    /// Returns why it changed nothing.
    pub fn failure(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Done => None,
            Outcome::Refused(why) | Outcome::Failed(why) => Some(why),
        }
    }
}

/// Returns the deed by which the access of these, in the order of time, stands at `time`; `None` if it does not, or if
/// nobody saw it being given.
pub(super) fn standing(deeds: &[Deed], time: Seconds) -> Option<&Deed> {
    let mut made = None;
    for deed in deeds.iter().take_while(|deed| deed.time <= time).filter(|deed| deed.is_done()) {
        made = match deed.verb {
            Verb::Make => Some(deed),
            Verb::Remove => None,
        };
    }
    made
}
