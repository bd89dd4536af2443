//! Standing privilege: who can take a protected action with no end date, how, since when, and whether it was ever used.
//!
//! What is protected is asked of the caller, and so is what events told of use, as both are known in other rooms. Holders are
//! told one by one, so that an inventory of any size needs no more memory than the state itself.
//!
//! Invariant: a policy that ends by its own date is no standing one; a condition of another kind ends nothing and is named;
//! what is not known is said. Read on in `standing/inventory.rs`.

mod access;
mod bits;
pub mod gain;
mod inventory;
pub mod moves;
pub mod news;
mod reached;
mod resources;
pub mod rightsize;
pub mod touched;
pub mod uses;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

pub use crate::iam::standing::inventory::inventory;
pub use crate::iam::standing::inventory::inventory_of;
use crate::model::Glob;
use crate::model::Seconds;
use crate::model::actions::Level;

/// The most ways of having something that are told of one holder; how many more there are is said.
pub const MAX_HOW: usize = 10;

/// The most roles that are looked at behind one holder.
pub const MAX_ROLES: usize = 256;

/// The most actions that are named as examples.
pub const MAX_EXAMPLES: usize = 5;

/// Which actions are protected.
pub trait Protected {
    /// Returns whether `action`, as AWS spells it, is protected in `account`.
    fn is_protected(&self, action: &str, account: &str) -> bool;

    /// Returns whether a grant ends what `holder` has in `account` by the permission set of this name.
    fn is_ended(&self, _holder: &str, _account: &str, _set: &str) -> bool {
        false
    }
}

impl<F: Fn(&str, &str) -> bool> Protected for F {
    fn is_protected(&self, action: &str, account: &str) -> bool {
        self(action, account)
    }
}

/// What events and grants told of holders.
pub trait Activity {
    /// Returns what `holder` did in `account`; `None` if nothing is known of it, not even that it did nothing.
    fn used(&self, holder: &str, account: &str) -> Option<Use>;

    /// Returns since when `holder` has `policy`, if its coming was seen.
    fn since(&self, holder: &str, policy: &str) -> Option<Seconds>;

    /// Returns when the assignment of a permission set ends, if a grant says so.
    fn ends(&self, holder: &str, account: &str, set: &str) -> Option<Seconds>;
}

/// Nothing is known of what anybody did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unseen;

impl Activity for Unseen {
    fn used(&self, _: &str, _: &str) -> Option<Use> {
        None
    }

    fn since(&self, _: &str, _: &str) -> Option<Seconds> {
        None
    }

    fn ends(&self, _: &str, _: &str, _: &str) -> Option<Seconds> {
        None
    }
}

/// What a holder did, as far as events go back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// From when on events were read.
    pub watched_since: Option<Seconds>,
    /// When each action was last taken; actions as AWS spells them, in any case.
    pub actions: BTreeMap<Box<str>, Seconds>,
    /// When a protected action was last taken.
    pub last_protected: Option<Seconds>,
    /// Whether a protected action was ever taken through a grant.
    pub through_grant: bool,
}

/// How an inventory is asked for.
#[derive(Debug, Clone)]
pub struct Asking<'a> {
    /// As of when.
    pub now: Seconds,
    /// How many roles one after the other are followed.
    pub depth: usize,
    /// Names of roles that are expected to have much: those of Control Tower and of stack sets.
    pub expected: &'a [Glob],
}

/// The names of roles that AWS's own tooling makes in every account.
pub fn expected_names() -> Vec<Glob> {
    let names = [
        "AWSControlTowerExecution",
        "AWSControlTower*",
        "AWSAFT*",
        "stacksets-exec-*",
        "AWSCloudFormationStackSetExecutionRole",
        "OrganizationAccountAccessRole",
    ];
    names.into_iter().map(Glob::from).collect()
}

/// One identity that can take a protected action with no end date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The ARN of a user or role; of Identity Center, `USER` or `GROUP`, a slash, and the id.
    pub holder: Box<str>,
    /// The account in which it has this.
    pub account: Box<str>,
    /// What sort of holder it is.
    pub kind: Kind,
    /// The worst that it can do.
    pub class: Class,
    /// How many protected actions it can take, through roles too.
    pub actions: usize,
    /// Some of them, those that may do most first.
    pub examples: Vec<Box<str>>,
    /// By what it has them: at most [`MAX_HOW`], by class and number of actions.
    pub how: Vec<How>,
    /// How many ways of having them there are besides.
    pub more: usize,
    /// Names of the ways to more that are open to it.
    pub escalations: Vec<&'static str>,
    /// Since when.
    pub since: Since,
    /// What it did; `None` if nothing is known of that.
    pub used: Option<Use>,
    /// When its role was last taken, as the snapshot says.
    pub role_last_used: Option<Seconds>,
    /// Of a user: when the oldest of its keys that work was made.
    pub oldest_key: Option<Seconds>,
    /// Of a user: whether it has a console password and no second factor.
    pub console: Console,
    /// Why it is expected to have this: the pattern that its name fits.
    pub expected: Option<Box<str>>,
    /// Policies that are there and not known, and what else could change the answer.
    pub unknown: BTreeSet<Box<str>>,
}

/// What sort of holder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An IAM user.
    User,
    /// A role.
    Role,
    /// A user of Identity Center's directory.
    Person,
    /// A group of Identity Center's directory.
    Group,
}

impl Kind {
    /// Returns its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::Person => "person",
            Self::Group => "group",
        }
    }
}

/// The class of risk, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Everything, or a role that has it.
    Administrator,
    /// It can get more than it has.
    Escalation,
    /// It changes who is allowed what.
    Permissions,
    /// It makes, changes or deletes.
    Write,
    /// It reads, lists or tags.
    Read,
}

impl Class {
    /// Returns its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Escalation => "escalation",
            Self::Permissions => "permissions",
            Self::Write => "write",
            Self::Read => "read",
        }
    }

    /// Returns the class of this name.
    pub fn named(name: &str) -> Option<Self> {
        let all =
            [Self::Administrator, Self::Escalation, Self::Permissions, Self::Write, Self::Read];
        all.into_iter().find(|class| class.name() == name)
    }

    fn of_level(level: Level) -> Self {
        match level {
            Level::PermissionsManagement => Self::Permissions,
            Level::Write => Self::Write,
            Level::Tagging | Level::Read | Level::List => Self::Read,
        }
    }
}

/// One way of having protected actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct How {
    /// The worst that it gives.
    pub class: Class,
    /// The roles that are taken for it, one after the other; none if it is the holder's own.
    pub chain: Vec<Box<str>>,
    /// The policy: the name of an inline one, an ARN, or a permission set's name. Of a chain, the last role's policies.
    pub policy: Box<str>,
    /// The group by which the holder has it.
    pub group: Option<Box<str>>,
    /// How many protected actions it gives.
    pub actions: usize,
    /// The keys of the conditions on all that it gives; empty: some of it on none.
    pub conditions: BTreeSet<Box<str>>,
}

/// Since when somebody has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Its coming was seen.
    Seen(Seconds),
    /// It cannot be longer than its holder is there.
    NotBefore(Seconds),
    /// Nothing is known.
    Unknown,
}

/// How a user comes to the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// It has no password, or is no user.
    None,
    /// With a second factor.
    WithMfa,
    /// With a password alone.
    WithoutMfa,
    /// Not known: a snapshot of IAM does not tell.
    Unknown,
}

impl Console {
    /// Returns its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::WithMfa => "with_mfa",
            Self::WithoutMfa => "without_mfa",
            Self::Unknown => "unknown",
        }
    }
}

impl Standing {
    /// Returns whether it is privileged, was used, and never through a grant: the finding. `None`: it is not known.
    pub fn is_used_without_grant(&self) -> Option<bool> {
        let used = self.used.as_ref()?;
        Some(used.last_protected.is_some() && !used.through_grant)
    }

    /// A permission set whose role is not known may give anything.
    fn of_set(account: &str, set: &str) -> Self {
        Self {
            holder: Box::default(),
            account: account.into(),
            kind: Kind::Person,
            class: Class::Read,
            actions: 0,
            examples: Vec::new(),
            how: Vec::new(),
            more: 0,
            escalations: Vec::new(),
            since: Since::Unknown,
            used: None,
            role_last_used: None,
            oldest_key: None,
            console: Console::None,
            expected: None,
            unknown: [format!("role of permission set {set}").into()].into(),
        }
    }
}
