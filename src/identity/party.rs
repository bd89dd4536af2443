//! A party: who one side of a call is, by canonical name, how sure that is, and why.
//!
//! Invariant: a canonical name is made here and nowhere else.

use std::borrow::Cow;

use crate::model::Confidence;

/// What sort of identity a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Person,
    User,
    Workload,
    Service,
    Root,
    /// Somebody in an account of ours; a record names no more than the account.
    Account,
    External,
    Unknown,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Person,
        Self::User,
        Self::Workload,
        Self::Service,
        Self::Root,
        Self::Account,
        Self::External,
        Self::Unknown,
    ];

    /// The word that stands before the colon of a canonical name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::User => "user",
            Self::Workload => "workload",
            Self::Service => "service",
            Self::Root => "root",
            Self::Account => "account",
            Self::External => "external",
            Self::Unknown => "unknown",
        }
    }

    /// The kind called `name`; a word from elsewhere is `Unknown`.
    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Unknown)
    }

    /// Whether somebody with hands stands behind it, rather than automation.
    pub fn has_hands(self) -> bool {
        matches!(self, Self::Person | Self::User | Self::Root)
    }
}

/// Which step of the order of evidence gave the name. Earlier steps outrank the session behind the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Basis {
    SourceIdentity,
    IdentityCenter,
    /// Everything a session's own origin outranks: subject, session name, principal.
    Itself,
}

/// Who somebody is, as far as one record by itself says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Party {
    /// Canonical, such as `person:alice@example.com`.
    pub name: String,
    pub kind: Kind,
    pub confidence: Confidence,
    pub reason: Cow<'static, str>,
    pub basis: Basis,
    /// The role (or root, or federated user) it acts as, `111122223333/role/Deploy`, where that is not its name.
    pub label: Option<String>,
    /// The access key it signed with, or empty.
    pub key: String,
    /// `userIdentity.principalId`, or empty.
    pub principal: String,
}

impl Party {
    /// A party of `kind` called `id`, for `reason`.
    pub fn new(
        kind: Kind,
        id: &str,
        confidence: Confidence,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        let name = match kind {
            // Identity Center and mail systems do not tell Alice from alice.
            Kind::Person => format!("person:{}", id.to_lowercase()),
            kind => format!("{}:{id}", kind.name()),
        };
        let reason = reason.into();
        Self {
            name,
            kind,
            confidence,
            reason,
            basis: Basis::Itself,
            label: None,
            key: String::new(),
            principal: String::new(),
        }
    }

    /// The account of somebody of whom nothing else is known, and that was none of ours.
    pub fn other_account(&self) -> Option<&str> {
        self.name.strip_prefix("external:").filter(|_| self.kind == Kind::External)
    }

    pub fn on(mut self, basis: Basis) -> Self {
        self.basis = basis;
        self
    }

    pub fn acting_as(mut self, label: Option<String>) -> Self {
        self.label = label;
        self
    }
}

/// The parts of an ARN that names are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    pub account: &'a str,
    /// The first segment of the resource: `user`, `role`, `assumed-role`, `federated-user`, `root`.
    pub sort: &'a str,
    /// The rest of the resource.
    pub rest: &'a str,
}

impl<'a> Arn<'a> {
    pub fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        (parts.next()? == "arn").then_some(())?;
        let account = parts.nth(3)?;
        let resource = parts.next()?;
        let (sort, rest) = resource.split_once('/').unwrap_or((resource, ""));
        Some(Self { account, sort, rest })
    }

    /// The name at the end of the path.
    pub fn name(&self) -> &'a str {
        self.rest.rsplit('/').next().unwrap_or(self.rest)
    }

    /// `111122223333/role/Deploy` for a role's ARN or a role session's; the path is left out, as names are unique.
    pub fn role_label(&self) -> Option<String> {
        let name = match self.sort {
            "role" => self.name(),
            "assumed-role" => self.rest.split('/').next()?,
            _ => return None,
        };
        Some(format!("{}/role/{name}", self.account))
    }
}

/// Returns the permission set of an Identity Center role: `AWSReservedSSO_<set>_<16 hex digits>`.
///
/// The suffix is held to hex digits, not to sixteen: published samples have shorter ones.
pub(super) fn permission_set(role_name: &str) -> Option<&str> {
    let (set, suffix) = role_name.strip_prefix("AWSReservedSSO_")?.rsplit_once('_')?;
    let is_suffix =
        (8..=16).contains(&suffix.len()) && suffix.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_suffix && !set.is_empty()).then_some(set)
}

/// Returns whether a role session's name is an EC2 instance's id.
pub(super) fn is_instance(session_name: &str) -> bool {
    session_name.strip_prefix("i-").is_some_and(|id| {
        matches!(id.len(), 8 | 17) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_give_labels() {
        for (arn, label) in [
            ("arn:aws:iam::1:role/ops/Deploy", Some("1/role/Deploy")),
            ("arn:aws:sts::1:assumed-role/Deploy/a:b/c", Some("1/role/Deploy")),
            ("arn:aws-cn:iam::1:user/x", None),
        ] {
            assert_eq!(Arn::parse(arn).unwrap().role_label().as_deref(), label, "{arn}");
        }
        assert_eq!(Arn::parse("arn:aws:iam::1"), None);
        assert_eq!(Arn::parse("nonsense"), None);
    }

    #[test]
    fn permission_sets_are_told_from_roles_called_alike() {
        let set = |name| permission_set(name);
        assert_eq!(set("AWSReservedSSO_Read_Only_0123456789abcdef"), Some("Read_Only"));
        assert_eq!(set("AWSReservedSSO_Admin_backdoor"), None);
        assert_eq!(set("AWSReservedSSO_0123456789abcdef"), None);
        assert_eq!(set("Admin_0123456789abcdef"), None);
    }
}
