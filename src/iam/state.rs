//! Every policy that stands at one moment, in all accounts.
//!
//! Shapes: `aws iam get-account-authorization-details`, the Organizations API, the IAM Identity Center API.
//!
//! Invariant: only what authorises something is here. Names are as AWS spells them; IAM compares them without regard to case.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::iam::block::Blocks;
use crate::iam::network::Rules;
use crate::iam::policy::Text;
use crate::iam::sharing::Share;
use crate::model::Seconds;

/// More levels than a tree of Organizations has.
const MAX_LEVELS: usize = 16;

/// What stands in all accounts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Accounts by id.
    pub accounts: BTreeMap<Box<str>, Account>,
    /// The organisation, where it is known.
    pub organization: Option<Organization>,
    /// IAM Identity Center.
    pub identity_center: IdentityCenter,
}

/// One account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Whether a snapshot of it was read; if not, only what events told is here.
    pub is_whole: bool,
    /// Users by name.
    pub users: BTreeMap<Box<str>, User>,
    /// Groups by name.
    pub groups: BTreeMap<Box<str>, Entity>,
    /// Roles by name.
    pub roles: BTreeMap<Box<str>, Role>,
    /// Managed policies by ARN: the account's own, and those of AWS that it uses.
    pub policies: BTreeMap<Box<str>, Managed>,
    /// The roles in instance profiles, by the profile's name.
    pub profiles: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// Policies of resources by ARN: buckets, keys, queues, topics, functions, secrets.
    pub resources: BTreeMap<Box<str>, Text>,
    /// Grants on keys, by the key's ARN and the grant's id, each as what it lets do.
    pub grants: BTreeMap<Box<str>, BTreeMap<Box<str>, Text>>,
    /// Security groups by ARN.
    pub networks: BTreeMap<Box<str>, Rules>,
    /// Shares of Resource Access Manager by ARN.
    pub shares: BTreeMap<Box<str>, Share>,
    /// Blocks on public access by the ARN of what has them: a bucket, or `arn:aws:s3::ID:public-access-block`.
    pub blocks: BTreeMap<Box<str>, Blocks>,
}

/// What users, groups and roles have in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Entity {
    /// Its ARN.
    pub arn: Box<str>,
    /// `AIDA…`, `AROA…`, `AGPA…`; empty if not known.
    pub unique_id: Box<str>,
    /// When it was made.
    pub created: Option<Seconds>,
    /// Inline policies by name.
    pub inline: BTreeMap<Box<str>, Text>,
    /// ARNs of the managed policies attached.
    pub attached: BTreeSet<Box<str>>,
    /// ARN of the managed policy that is its permissions boundary.
    pub boundary: Option<Box<str>>,
    /// Its tags.
    pub tags: BTreeMap<Box<str>, Box<str>>,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// What it has in common with others.
    pub entity: Entity,
    /// Names of its groups.
    pub groups: BTreeSet<Box<str>>,
    /// Access keys by id.
    pub keys: BTreeMap<Box<str>, AccessKey>,
    /// Whether it has a password for the console; snapshots do not tell.
    pub has_password: Option<bool>,
    /// Whether it has an MFA device; snapshots do not tell.
    pub has_mfa: Option<bool>,
}

impl User {
    /// Returns whether it is known that it can use nothing of what it has: it has neither a key that works nor a password.
    pub fn is_dormant(&self) -> bool {
        self.has_password == Some(false) && self.keys.values().all(|key| !key.is_active)
    }
}

/// An access key of a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessKey {
    /// When it was made.
    pub created: Option<Seconds>,
    /// Whether it can be used.
    pub is_active: bool,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// What it has in common with others.
    pub entity: Entity,
    /// Who may take it.
    pub trust: Text,
    /// When it was last used, as the snapshot says.
    pub last_used: Option<Seconds>,
}

/// A managed policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Managed {
    /// Versions by id, `v1`.
    pub versions: BTreeMap<Box<str>, Text>,
    /// The version that is in force.
    pub default: Box<str>,
}

/// The organisation's tree and its policies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    /// The management account: SCPs do not bind it.
    pub management: Box<str>,
    /// The parent of each account and unit; roots have none.
    pub parents: BTreeMap<Box<str>, Box<str>>,
    /// Policies by id, `p-…`.
    pub policies: BTreeMap<Box<str>, OrganizationPolicy>,
    /// Ids of the policies attached to each root, unit or account.
    pub attached: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

impl Organization {
    /// Returns an account, unit or root and all that it lies below, from it upwards.
    pub fn above<'s>(&'s self, id: &'s str) -> impl Iterator<Item = &'s str> {
        let up = |at: &&'s str| self.parents.get(*at).map(|it| &**it);
        // A tree of more levels than Organizations allows is a circle.
        std::iter::successors(Some(id), up).take(MAX_LEVELS)
    }
}

/// A policy of the organisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrganizationPolicy {
    /// Its name.
    pub name: Box<str>,
    /// `SERVICE_CONTROL_POLICY` or `RESOURCE_CONTROL_POLICY`; others authorise nothing.
    pub kind: Box<str>,
    /// What it says.
    pub text: Text,
}

/// IAM Identity Center.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IdentityCenter {
    /// Permission sets by ARN.
    pub sets: BTreeMap<Box<str>, PermissionSet>,
    /// Who has which permission set in which account.
    pub assignments: BTreeSet<Assignment>,
    /// Members (user ids) of groups (group ids).
    pub members: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

/// A permission set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PermissionSet {
    /// Its name.
    pub name: Box<str>,
    /// Its inline policy.
    pub inline: Option<Text>,
    /// ARNs of AWS's managed policies.
    pub attached: BTreeSet<Box<str>>,
    /// Names (with path) of the accounts' own managed policies.
    pub referenced: BTreeSet<Box<str>>,
    /// ARN or name of the policy that is its boundary.
    pub boundary: Option<Box<str>>,
    /// When it was last changed.
    pub changed: Option<Seconds>,
    /// When it was last provisioned, by account.
    pub provisioned: BTreeMap<Box<str>, Seconds>,
}

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Assignment {
    /// The account.
    pub account: Box<str>,
    /// The permission set's ARN.
    pub set: Box<str>,
    /// `USER` or `GROUP`.
    pub principal_type: Box<str>,
    /// The id in the identity store.
    pub principal_id: Box<str>,
}
