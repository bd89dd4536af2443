//! What a grant is: who may do what, where, when, and why, in each version that its source told of.
//!
//! Invariant: a grant has an end; "forever" is standing privilege and no grant. Texts are as the source wrote them;
//! what is compared is compared by the rules of each kind of principal.

use serde::Deserialize;
use serde::Serialize;

use crate::model::Seconds;

/// A grant's name, the same in all its versions: `team:6f0c9a52`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(pub Box<str>);

/// The state that a version puts its grant in. The words are those of `grantwatch.grant/1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Asked for.
    Requested,
    /// Approved, not given yet.
    Approved,
    /// To be given at a later time.
    Scheduled,
    /// Given.
    Active,
    /// Given, with a later end than before.
    Extended,
    /// Taken back before its end.
    Revoked,
    /// Nobody answered the request.
    Expired,
    /// Over, at its end.
    Ended,
    /// Refused.
    Rejected,
    /// Withdrawn by who asked.
    Cancelled,
    /// It could not be given.
    Failed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 11] = [
        Self::Requested,
        Self::Approved,
        Self::Scheduled,
        Self::Active,
        Self::Extended,
        Self::Revoked,
        Self::Expired,
        Self::Ended,
        Self::Rejected,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Returns its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Scheduled => "scheduled",
            Self::Active => "active",
            Self::Extended => "extended",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Returns whether the access is there.
    pub fn gives(self) -> bool {
        matches!(self, Self::Active | Self::Extended)
    }

    /// Returns whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Revoked
                | Self::Expired
                | Self::Ended
                | Self::Rejected
                | Self::Cancelled
                | Self::Failed
        )
    }
}

/// When access is given: `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first moment.
    pub from: Seconds,
    /// The first moment behind it.
    pub until: Seconds,
}

/// Somebody as a broker names them, for people to read: an approver, who asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Who {
    /// The id in the identity store.
    pub user_id: Box<str>,
    /// The name, mostly a mail address.
    pub user_name: Box<str>,
}

/// Whom a grant covers: any of its principals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Principal {
    /// A user of Identity Center; the id counts if both sides know it, else the name without regard to case.
    IdcUser {
        /// The identity store, `d-…`; may be empty.
        #[serde(default)]
        identity_store: Box<str>,
        /// The user's id there; may be empty if the name is not.
        #[serde(default)]
        user_id: Box<str>,
        /// The user's name; may be empty if the id is not.
        #[serde(default)]
        user_name: Box<str>,
    },
    /// A group of Identity Center: its members at the time of the act.
    IdcGroup {
        /// The identity store.
        #[serde(default)]
        identity_store: Box<str>,
        /// The group's id.
        group_id: Box<str>,
    },
    /// An IAM user.
    IamUserArn {
        /// Its ARN.
        arn: Box<str>,
    },
    /// Whoever is in a role.
    IamRoleArn {
        /// Its ARN, or a glob over ARNs.
        arn: Box<str>,
    },
    /// A session of a role, by its name. The name is chosen by the caller: alone it never counts.
    AssumedRole {
        /// The role's ARN, or a glob.
        role_arn: Box<str>,
        /// The session's name, or a glob.
        session_name: Box<str>,
    },
    /// A source identity, which outlives the taking of further roles.
    SourceIdentity {
        /// Its value.
        value: Box<str>,
    },
    /// The subject of a SAML assertion.
    SamlSubject {
        /// Its name.
        subject: Box<str>,
    },
    /// The subject of an OIDC token.
    OidcSubject {
        /// The provider.
        #[serde(default)]
        provider: Box<str>,
        /// Its name, or a glob.
        subject: Box<str>,
    },
    /// A whole account: its root, a vendor.
    Account {
        /// Its id.
        account: Box<str>,
    },
}

/// What a grant covers. `None` is "all that the role allows"; an empty list is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// Accounts, by id.
    pub accounts: Option<Vec<Box<str>>>,
    /// Permission sets, by name or glob.
    pub permission_sets: Option<Vec<Box<str>>>,
    /// Roles, by ARN or glob over ARNs.
    pub role_arns: Option<Vec<Box<str>>>,
    /// Actions as globs (`s3:Get*`), without regard to case.
    pub actions: Option<Vec<Box<str>>>,
    /// Resources as globs over ARNs.
    pub resources: Option<Vec<Box<str>>>,
    /// Regions; global services are not held to them.
    pub regions: Option<Vec<Box<str>>>,
    /// Networks that the access may be used from (CIDR).
    pub source_networks: Option<Vec<Box<str>>>,
}

/// How far a grant covers roles that are taken from the one it gives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Delegates {
    /// Roles, as globs over ARNs.
    pub chained_roles: Vec<Box<str>>,
    /// How many roles deep.
    pub max_depth: u8,
}

/// What a source said of a grant at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The grant.
    pub id: GrantId,
    /// Who told: `aws-team`, a preset's name, `cloudtrail`.
    pub source: Box<str>,
    /// The source's own count, 0 where it has none.
    pub revision: u64,
    /// When the source said so.
    pub emitted_at: Seconds,
    /// The state from then on.
    pub status: Status,
    /// Whom it covers.
    pub principals: Vec<Principal>,
    /// What it covers.
    pub scope: Scope,
    /// When.
    pub window: Window,
    /// When it was asked for.
    pub requested_at: Option<Seconds>,
    /// When it was approved.
    pub approved_at: Option<Seconds>,
    /// Who approved.
    pub approvers: Vec<Who>,
    /// The ticket, `jira OPS-1234`; may be empty.
    pub ticket: Box<str>,
    /// The reason; may be empty.
    pub justification: Box<str>,
    /// Whether it was taken in an emergency, without approval.
    pub break_glass: bool,
    /// Roles that may be taken from it.
    pub delegates: Delegates,
}

/// Where a version came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// A file with its line, a message id, an API caller, an event id.
    pub from: Box<str>,
    /// When it came in, in the time of the stream.
    pub arrived: Seconds,
}

/// All versions of one grant, in the order of `(revision, emitted_at)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub(super) versions: Vec<(Version, Evidence)>,
}

impl Grant {
    /// Returns its name.
    pub fn id(&self) -> &GrantId {
        &self.latest().id
    }

    /// Returns the last version: what is known of it now.
    pub fn latest(&self) -> &Version {
        &self.versions.last().expect("a grant is made of a version").0
    }

    /// Returns when anybody first spoke of it, as its versions tell.
    pub fn first_word(&self) -> Seconds {
        let words = |version: &Version| {
            let told = [version.requested_at, version.approved_at].into_iter().flatten();
            told.chain([version.emitted_at]).min().unwrap_or(version.emitted_at)
        };
        let first = self.versions.iter().map(|(version, _)| words(version)).min();
        first.expect("a grant is made of a version")
    }

    /// Returns every version with where it came from, oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = (&Version, &Evidence)> {
        self.versions.iter().map(|(version, evidence)| (version, evidence))
    }
}
