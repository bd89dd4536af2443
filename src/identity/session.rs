//! A session: credentials that somebody was issued, and what issuing them told.
//!
//! Sign-ins that issue no key we can see (console, portal) are sessions too, joined by what they share with a use.
//!
//! Invariant: a session is written once; a better copy of the same issue replaces it whole.

use crate::identity::party::Kind;
use crate::identity::party::Party;
use crate::model::Seconds;
use crate::model::Span;

/// The call that issued a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Issuer {
    AssumeRole,
    AssumeRoleWithSaml,
    AssumeRoleWithWebIdentity,
    AssumeRoot,
    GetSessionToken,
    GetFederationToken,
    GetSigninToken,
    ConsoleLogin,
    SwitchRole,
    /// Identity Center's portal handed out credentials of a permission set; the record holds no key.
    GetRoleCredentials,
    Federate,
    /// Somebody signed in at Identity Center's portal.
    UserAuthentication,
    CredentialVerification,
}

impl Issuer {
    const ALL: [Self; 13] = [
        Self::AssumeRole,
        Self::AssumeRoleWithSaml,
        Self::AssumeRoleWithWebIdentity,
        Self::AssumeRoot,
        Self::GetSessionToken,
        Self::GetFederationToken,
        Self::GetSigninToken,
        Self::ConsoleLogin,
        Self::SwitchRole,
        Self::GetRoleCredentials,
        Self::Federate,
        Self::UserAuthentication,
        Self::CredentialVerification,
    ];

    /// The `eventName`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithSaml => "AssumeRoleWithSAML",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::AssumeRoot => "AssumeRoot",
            Self::GetSessionToken => "GetSessionToken",
            Self::GetFederationToken => "GetFederationToken",
            Self::GetSigninToken => "GetSigninToken",
            Self::ConsoleLogin => "ConsoleLogin",
            Self::SwitchRole => "SwitchRole",
            Self::GetRoleCredentials => "GetRoleCredentials",
            Self::Federate => "Federate",
            Self::UserAuthentication => "UserAuthentication",
            Self::CredentialVerification => "CredentialVerification",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|issuer| issuer.name() == name)
    }
}

/// What issuing a session told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Session {
    pub issuer: Issuer,
    /// `eventID` of the issuing record.
    pub event_id: Box<str>,
    pub started: Seconds,
    pub ends: Seconds,
    /// What the session acts as (`444455556666/role/Deploy`); `None` where it acts as its caller.
    pub label: Option<Box<str>>,
    /// What a use without the session's key may be joined by; see [`join`].
    pub join: Box<str>,
    /// Who asked for it, as the issuing record says.
    pub caller: Party,
    /// Multi-factor authentication was shown when it was issued; `None` where nothing is said.
    pub mfa: Option<bool>,
    /// The address it was issued to, where that is the caller's own.
    pub address: Option<Box<str>>,
    /// Session and transitive tags, `key=value`.
    pub tags: Vec<Box<str>>,
    pub source_identity: Option<Box<str>>,
    pub has_policy: bool,
    /// The SAML or OIDC provider.
    pub provider: Option<Box<str>>,
    /// The Identity Center user id.
    pub user_id: Option<Box<str>>,
}

impl Session {
    /// Whether this copy says less of its caller: the copy in the role's account knows only an account id.
    fn is_weak(&self) -> bool {
        matches!(self.caller.kind, Kind::Account | Kind::External | Kind::Unknown)
    }

    /// Whether this copy of an issue should replace `other`, whichever came first.
    pub fn is_better_than(&self, other: &Self) -> bool {
        let rank = |session: &Self| (session.is_weak(), session.started, session.event_id.clone());
        rank(self) < rank(other)
    }

    /// Whether credentials made at `created` may be this session's.
    pub fn fits(&self, created: Option<Seconds>) -> bool {
        created
            .is_none_or(|created| created.plus(Span(300)) >= self.started && created <= self.ends)
    }
}

/// What uses and sign-ins have in common when they have no key in common.
pub(super) mod join {
    /// By role session: `AROAEXAMPLE:alice`.
    pub fn role_session(principal: &str) -> String {
        format!("role:{principal}")
    }

    /// By the ARN of a user or root at the console.
    pub fn console(arn: &str) -> String {
        format!("console:{arn}")
    }

    /// By role session, for a role switch at the console.
    pub fn switch(principal: &str) -> String {
        format!("switch:{principal}")
    }

    /// By account and permission set, for credentials from the portal.
    pub fn portal(account: &str, permission_set: &str) -> String {
        format!("portal:{account}/{permission_set}")
    }

    /// By canonical name, for sign-ins at the portal.
    pub fn sign_in(person: &str) -> String {
        format!("sign-in:{person}")
    }
}
