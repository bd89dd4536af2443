//! A request with all that follows from it: who acts, and the condition keys that are known by that alone.
//!
//! Source: IAM User Guide, "AWS global condition context keys" and "AWS JSON policy elements: Principal".
//!
//! Invariant: what the context says goes before what is derived.

use std::borrow::Cow;

use crate::iam::evaluate::Request;
use crate::iam::pattern::folded;
use crate::iam::pattern::segments;
use crate::iam::state::Entity;

/// A request that is being decided.
#[derive(Debug, Clone)]
pub(in crate::iam) struct Scene<'a> {
    /// The request as it was asked.
    pub request: Request<'a>,
    /// The action in lower case.
    pub action: Cow<'a, str>,
    /// Who acts.
    pub who: Who<'a>,
    /// What a state knows of who acts.
    pub entity: Option<&'a Entity>,
    /// What a state knows of the user or role that is acted upon.
    pub target: Option<&'a Entity>,
    /// The account of the resource, if it is known.
    pub owner: Option<&'a str>,
}

impl<'a> Scene<'a> {
    pub(in crate::iam) fn new(request: &Request<'a>) -> Self {
        let who = Who::of(request.principal);
        let owner = segments(request.resource).map(|segments| segments[4]);
        Self {
            request: *request,
            action: folded(request.action),
            who,
            entity: None,
            target: None,
            owner: owner.filter(|account| is_account(account)),
        }
    }

    /// Returns the values of a condition key in lower case: none if it is absent, `None` if it is not known.
    pub(in crate::iam) fn values(&self, key: &str) -> Option<Cow<'a, [Box<str>]>> {
        if let Some(values) = self.request.context.get(key) {
            return Some(Cow::Borrowed(values));
        }
        let derived = self.derived(key)?;
        Some(Cow::Owned(derived.map(Into::into).into_iter().collect()))
    }

    /// Returns the value of a key that follows from who acts on what: `Some(None)` if it is absent.
    fn derived(&self, key: &str) -> Option<Option<&'a str>> {
        let who = &self.who;
        let is_aws = who.account.is_some();
        match key {
            "aws:principalarn" => match who.sort {
                Sort::User { .. } | Sort::Role { .. } => Some(Some(who.name)),
                // Whoever asks by the account's id gave no ARN.
                Sort::Root => who.name.starts_with("arn:").then_some(Some(who.name)),
                Sort::Session { .. } => Some(Some(&*self.entity?.arn)),
                Sort::FederatedUser | Sort::Named | Sort::Nobody => None,
            },
            "aws:principalaccount" => who.account.map(Some),
            "aws:principaltype" => match who.sort {
                Sort::User { .. } => Some(Some("User")),
                Sort::Role { .. } | Sort::Session { .. } => Some(Some("AssumedRole")),
                Sort::Root => Some(Some("Account")),
                Sort::FederatedUser => Some(Some("FederatedUser")),
                Sort::Nobody => Some(Some("Anonymous")),
                Sort::Named => None,
            },
            "aws:username" => match who.sort {
                Sort::User { name } => Some(Some(name)),
                _ if is_aws => Some(None),
                _ => None,
            },
            "aws:principalisawsservice" if is_aws => Some(Some("false")),
            "aws:principalservicename" if is_aws => Some(None),
            "aws:resourceaccount" => self.owner.map(Some),
            _ => self.tag(key),
        }
    }

    fn tag(&self, key: &str) -> Option<Option<&'a str>> {
        let (of, tag) = key.split_once('/')?;
        let entity = match (of, self.who.sort) {
            // A session may bring tags of its own, which go before those of its role.
            ("aws:principaltag", Sort::User { .. }) => self.entity?,
            ("aws:resourcetag" | "iam:resourcetag", _) => self.target?,
            _ => return None,
        };
        let found = entity.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag));
        Some(found.map(|(_, value)| &**value))
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::iam) struct Who<'a> {
    /// As it was asked.
    pub name: &'a str,
    /// The account, of a principal of AWS.
    pub account: Option<&'a str>,
    /// What sort of principal it is.
    pub sort: Sort<'a>,
}

/// What sort of principal somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::iam) enum Sort<'a> {
    /// A user; its name without the path.
    User { name: &'a str },
    /// Some session of this role; the role's name without the path.
    Role { name: &'a str },
    /// A session of a role.
    Session { role: &'a str },
    /// A user of `GetFederationToken`.
    FederatedUser,
    /// The root of an account.
    Root,
    /// A service or an identity provider.
    Named,
    /// Somebody without credentials.
    Nobody,
}

impl<'a> Who<'a> {
    /// Reads a principal as a request names it.
    pub(in crate::iam) fn of(name: &'a str) -> Self {
        if name == "*" {
            return Self { name, account: None, sort: Sort::Nobody };
        }
        if is_account(name) {
            return Self { name, account: Some(name), sort: Sort::Root };
        }
        let named = Self { name, account: None, sort: Sort::Named };
        let Some([_, _, service, _, account, rest]) = segments(name) else { return named };
        let (kind, path) = rest.split_once('/').unwrap_or((rest, ""));
        let last = path.rsplit('/').next().unwrap_or(path);
        let sort = match (service, kind) {
            ("iam", "user") => Sort::User { name: last },
            ("iam", "role") => Sort::Role { name: last },
            ("iam", "root") => Sort::Root,
            ("sts", "assumed-role") => {
                Sort::Session { role: path.split('/').next().unwrap_or(path) }
            }
            ("sts", "federated-user") => Sort::FederatedUser,
            _ => return named,
        };
        Self { name, account: Some(account), sort }
    }

    /// Returns the role of a role or of a session of it.
    pub(in crate::iam) fn role(&self) -> Option<&'a str> {
        match self.sort {
            Sort::Role { name } | Sort::Session { role: name } => Some(name),
            _ => None,
        }
    }
}

/// Returns whether `text` is an account's id.
pub(in crate::iam) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
