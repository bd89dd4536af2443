//! Whom a statement names, as sets of those who may act.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal".
//!
//! Invariant: any two of them are nested or have nobody in common.

use smallvec::SmallVec;
use smallvec::smallvec;

use crate::iam::compare::head::Marks;
use crate::iam::compare::set::Atom;
use crate::iam::compare::set::Set;
use crate::iam::effort;
use crate::iam::pattern::segments;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;

/// Some who may act.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Who {
    /// Everybody, also without credentials.
    Everyone,
    /// All of an account.
    Account(Box<str>),
    /// The root of an account and nobody else of it.
    Root(Box<str>),
    /// A role and its sessions: its account, and its name without the path, which is for reading only.
    Role(Box<str>, Box<str>, Path),
    /// A session: account, role, name.
    Session(Box<str>, Box<str>, Box<str>),
    /// Somebody else of an account, by ARN.
    One(Box<str>, Box<str>),
    /// Every service and identity provider.
    EveryService,
    /// A service.
    Service(Box<str>),
    /// An identity provider.
    Provider(Box<str>),
    /// An S3 canonical id.
    Canonical(Box<str>),
    /// The unique id of somebody who was deleted.
    Gone(Box<str>),
}

/// How a role is written; two ways to write it are the same role.
#[derive(Debug, Clone)]
pub(super) struct Path(pub(super) Box<str>);

impl PartialEq for Path {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Path {}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Path {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl std::hash::Hash for Path {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Who {
    /// Returns whom a principal stands for.
    pub(super) fn of(principal: &Principal) -> Self {
        match principal {
            Principal::Everyone => Self::Everyone,
            Principal::Service(name) | Principal::Federated(name) if &**name == "*" => {
                Self::EveryService
            }
            Principal::Service(name) => Self::Service(name.clone()),
            Principal::Federated(name) => Self::Provider(name.clone()),
            Principal::Canonical(id) => Self::Canonical(id.clone()),
            Principal::Aws(arn) => Self::of_arn(arn),
        }
    }

    fn of_arn(arn: &str) -> Self {
        let Some([_, _, service, _, account, rest]) = segments(arn) else {
            return Self::Gone(arn.into());
        };
        let (kind, path) = rest.split_once('/').unwrap_or((rest, ""));
        match (service, kind) {
            ("iam", "root") => Self::Account(account.into()),
            ("iam", "role") => {
                let name = path.rsplit('/').next().unwrap_or(path);
                Self::Role(account.into(), name.into(), Path(arn.into()))
            }
            ("sts", "assumed-role") => {
                let (role, session) = path.split_once('/').unwrap_or((path, ""));
                Self::Session(account.into(), role.into(), session.into())
            }
            _ => Self::One(account.into(), arn.into()),
        }
    }

    /// Returns the account that somebody is of.
    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Self::Account(account)
            | Self::Root(account)
            | Self::Role(account, ..)
            | Self::Session(account, ..)
            | Self::One(account, _) => Some(account),
            _ => None,
        }
    }
}

impl Atom for Who {
    fn covers(&self, narrow: &Self) -> bool {
        effort::spend(1);
        match (self, narrow) {
            (Self::Everyone, _) => true,
            (Self::EveryService, Self::Service(_) | Self::Provider(_)) => true,
            (Self::Account(account), narrow) => narrow.account() == Some(account),
            (Self::Role(account, role, _), Self::Session(of, name, _)) => {
                (account, role) == (of, name)
            }
            // Services and providers are told apart by their names alone.
            (Self::Service(a) | Self::Provider(a), Self::Service(b) | Self::Provider(b)) => a == b,
            (wide, narrow) => wide == narrow,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    fn meet(&self, other: &Self) -> SmallVec<[Self; 1]> {
        match (self.covers(other), other.covers(self)) {
            (true, _) => smallvec![other.clone()],
            (false, true) => smallvec![self.clone()],
            (false, false) => SmallVec::new(),
        }
    }

    fn is_within<'a>(&'a self, out: impl Iterator<Item = &'a Self> + Clone) -> bool {
        let mut out = out;
        out.any(|wide| wide.covers(self))
    }

    fn marks(&self) -> Marks {
        Marks::ALL
    }
}

/// Returns whom a statement is about.
pub(super) fn named(effect: Effect, principals: Option<&Listed<Principal>>) -> Set<Who> {
    let all = |list: &[Principal]| list.iter().map(Who::of).collect::<Vec<_>>();
    match (principals, effect) {
        (None, _) => Set::new(vec![Who::Everyone], Vec::new()),
        (Some(Listed::Only(list)), _) => Set::new(all(list), Vec::new()),
        (Some(Listed::AllBut(list)), Effect::Allow) => Set::new(vec![Who::Everyone], all(list)),
        (Some(Listed::AllBut(list)), Effect::Deny) => {
            Set::new(vec![Who::Everyone], spared(&all(list)))
        }
    }
}

/// Returns whom a Deny with `NotPrincipal` spares: all that somebody is has to be listed, the account too.
fn spared(listed: &[Who]) -> Vec<Who> {
    let has = |who: &Who| listed.contains(who);
    let has_account = |account: &str| has(&Who::Account(account.into()));
    let is_spared = |who: &Who| match who {
        Who::Session(account, role, _) => {
            let role = Who::Role(account.clone(), role.clone(), Path("".into()));
            has(&role) && has_account(account)
        }
        Who::Role(..) => false,
        Who::One(account, _) => has_account(account),
        _ => true,
    };
    let spared = listed.iter().filter(|who| is_spared(who)).cloned();
    // An account by itself spares its root alone.
    spared.map(|who| if let Who::Account(id) = who { Who::Root(id) } else { who }).collect()
}
