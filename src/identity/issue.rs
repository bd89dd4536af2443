//! Records that issue sessions: which they are, and what they tell.
//!
//! STS calls answer with the new access key, a hard link. Console and portal sign-ins name no key; what they tell is
//! kept under what a later use shares with them. The fields: IAM User Guide, "logging IAM and STS calls";
//! Identity Center User Guide, "understanding sign-in events".
//!
//! Invariant: a refused or failed call issues nothing.

use std::borrow::Cow;

use crate::identity::caller::Caller;
use crate::identity::known::Known;
use crate::identity::known::Taker;
use crate::identity::network::Address;
use crate::identity::party::Arn;
use crate::identity::party::Kind;
use crate::identity::party::Party;
use crate::identity::session::Issuer;
use crate::identity::session::Session;
use crate::identity::session::join;
use crate::model::Confidence;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::Span;
use crate::model::TrailRecord;
use crate::model::bounded;
use crate::model::expiration;
use crate::model::json;

/// What one record taught.
#[derive(Debug)]
pub(super) struct Issue {
    /// The access key id, or `event:` and the event id where the record holds none.
    pub key: Box<str>,
    pub session: Session,
    /// A role label and who was seen to take it.
    pub taken: Option<(Box<str>, Taker)>,
}

/// How many tags of a session are kept; AWS allows fifty.
const MAX_TAGS: usize = 50;
const MAX_TAG_BYTES: usize = 400;

/// Returns the call `record` is, if that call issues sessions. Called for every record: compares bytes, no more.
pub(super) fn issuer(record: &TrailRecord<'_>) -> Option<Issuer> {
    let source = record.slot_raw(Slot::EventSource)?;
    let is_known = matches!(
        source,
        "\"sts.amazonaws.com\"" | "\"signin.amazonaws.com\"" | "\"sso.amazonaws.com\""
    );
    if !is_known {
        return None;
    }
    let name = record.slot_raw(Slot::EventName)?.strip_prefix('"')?.strip_suffix('"')?;
    Issuer::named(name).filter(|_| record.slot_or_empty(Slot::ErrorCode).is_empty())
}

/// Returns the role and the service, if `record` is a service taking a role for its own work.
pub(super) fn taken_by_service<'a>(record: &TrailRecord<'a>) -> Option<(&'a str, &'a str)> {
    if record.slot_raw(Slot::UserType) != Some("\"AWSService\"") {
        return None;
    }
    let role = json::member(record.slot_raw(Slot::RequestParameters)?, "roleArn")?;
    Some((role, record.slot_raw(Slot::UserInvokedBy)?))
}

/// Reads what `record`, a successful call of `issuer`, tells.
pub(super) fn read(
    record: &TrailRecord<'_>,
    issuer: Issuer,
    known: &Known,
    session_max: Span,
) -> Option<Issue> {
    let started = Seconds::parse(&record.slot_or_empty(Slot::EventTime))?;
    let caller = Caller::of(record);
    let reader = Reader { record, caller: &caller, known, issuer, started, session_max };
    match issuer {
        Issuer::AssumeRole
        | Issuer::AssumeRoleWithSaml
        | Issuer::AssumeRoleWithWebIdentity
        | Issuer::AssumeRoot
        | Issuer::GetSessionToken
        | Issuer::GetFederationToken
        | Issuer::GetSigninToken => reader.keyed(),
        Issuer::ConsoleLogin => reader.console(),
        Issuer::SwitchRole => reader.switch(),
        Issuer::GetRoleCredentials | Issuer::Federate => reader.portal_role(),
        Issuer::UserAuthentication | Issuer::CredentialVerification => reader.portal_sign_in(),
    }
}

struct Reader<'r, 'a> {
    record: &'r TrailRecord<'a>,
    caller: &'r Caller<'a>,
    known: &'r Known,
    issuer: Issuer,
    started: Seconds,
    session_max: Span,
}

impl<'a> Reader<'_, 'a> {
    fn text(&self, path: &str) -> Option<Cow<'a, str>> {
        self.record.text(path).filter(|text| !text.is_empty())
    }

    fn boxed(&self, path: &str) -> Option<Box<str>> {
        self.text(path).map(|text| bounded(&text, 2_048).into())
    }

    /// A session with nothing but its head.
    fn blank(&self, caller: Party) -> Session {
        Session {
            issuer: self.issuer,
            event_id: self.record.slot_or_empty(Slot::EventId).into(),
            started: self.started,
            ends: self.started.plus(self.session_max),
            label: None,
            join: "".into(),
            caller,
            mfa: None,
            address: self.own_address(),
            tags: Vec::new(),
            source_identity: None,
            has_policy: false,
            provider: None,
            user_id: (!self.caller.user_id.is_empty()).then(|| (&*self.caller.user_id).into()),
        }
    }

    /// The address, unless a service made the call for the caller.
    fn own_address(&self) -> Option<Box<str>> {
        let source = self.record.slot_or_empty(Slot::SourceIpAddress);
        let is_own = !self.caller.is_served() && Address::parse(&source).is_some();
        is_own.then(|| source.into())
    }

    /// A call that answers with the new access key.
    fn keyed(&self) -> Option<Issue> {
        let key = self.boxed("responseElements.credentials.accessKeyId")?;
        // The federation endpoint hands back the key it was given when no duration was asked for.
        if *key == *self.caller.key {
            return None;
        }
        let mut session = self.blank(self.asker());
        session.ends = self.ends();
        session.mfa = self.mfa(&session.caller);
        session.tags = self.tags();
        session.source_identity = self.boxed("requestParameters.sourceIdentity");
        session.has_policy = ["policy", "policyArns", "taskPolicyArn"].iter().any(|name| {
            self.text(&format!("requestParameters.{name}")).is_some_and(|text| text != "[]")
        });
        session.provider = match self.issuer {
            Issuer::AssumeRoleWithSaml => self.boxed("requestParameters.principalArn"),
            Issuer::AssumeRoleWithWebIdentity => self.boxed("responseElements.provider"),
            _ => None,
        };
        if session.provider.as_deref().is_some_and(is_identity_center) {
            // Identity Center's own servers make this call: the address is theirs, not the person's.
            session.address = None;
        }
        (session.label, session.join) = self.acts_as();
        let taken = self.taken_by_subject(&session);
        Some(Issue { key, session, taken })
    }

    /// Who asked. A transient SAML subject names nobody; the provider's session name does.
    fn asker(&self) -> Party {
        let is_transient = self.issuer == Issuer::AssumeRoleWithSaml
            && self.text("responseElements.subjectType").as_deref() == Some("transient");
        match self.text("requestParameters.roleSessionName") {
            Some(name) if is_transient => Party {
                principal: self.caller.principal.clone().into_owned(),
                ..Party::new(Kind::Person, &name, Confidence::Exact, "session name set by SAML")
            },
            _ => self.caller.party(self.known),
        }
    }

    fn ends(&self) -> Seconds {
        let latest = self.started.plus(self.session_max);
        let written = self
            .text("responseElements.credentials.expiration")
            .and_then(|text| expiration(&text))
            .filter(|ends| *ends > self.started && *ends <= latest);
        let asked = || {
            let seconds = self.text("requestParameters.durationSeconds")?.parse::<u32>().ok()?;
            Some(self.started.plus(Span(seconds.into())))
        };
        written.or_else(asked).unwrap_or(latest).min(latest)
    }

    fn mfa(&self, caller: &Party) -> Option<bool> {
        let shown = self.caller.context.mfa == "true"
            || self.text("requestParameters.serialNumber").is_some();
        // Of federated callers AWS always says that there was none.
        let is_told = matches!(caller.kind, Kind::User | Kind::Root) && caller.label.is_none();
        (shown || is_told).then_some(shown)
    }

    fn tags(&self) -> Vec<Box<str>> {
        let mut tags = Vec::new();
        let mut keep = |key: &str, value: &str| {
            tags.push(bounded(&format!("{key}={value}"), MAX_TAG_BYTES).into());
        };
        let Some(asked) = self.record.slot_raw(Slot::RequestParameters) else { return tags };
        for tag in json::member(asked, "tags").into_iter().flat_map(json::elements) {
            let part = |name| json::member(tag, name).and_then(json::text).unwrap_or_default();
            keep(&part("key"), &part("value"));
        }
        for name in ["incomingTransitiveTags", "principalTags"] {
            for (key, value) in json::member(asked, name).into_iter().flat_map(json::members) {
                keep(key, &json::text(value).unwrap_or_default());
            }
        }
        tags.sort_unstable();
        tags.dedup();
        tags.truncate(MAX_TAGS);
        tags
    }

    /// What the session acts as, and what a use is joined by if the key is another.
    fn acts_as(&self) -> (Option<Box<str>>, Box<str>) {
        let part = |path| self.text(path).unwrap_or_default();
        match self.issuer {
            Issuer::GetFederationToken => {
                let arn = part("responseElements.federatedUser.arn");
                let label = Arn::parse(&arn)
                    .map(|arn| format!("{}/federated-user/{}", arn.account, arn.name()).into());
                (label, "".into())
            }
            Issuer::AssumeRoot => {
                let target = part("requestParameters.targetPrincipal");
                let account = Arn::parse(&target).map_or(&*target, |arn| arn.account);
                (Some(format!("{account}/root").into()), "".into())
            }
            Issuer::GetSessionToken | Issuer::GetSigninToken => (None, "".into()),
            _ => {
                let arn = match part("responseElements.assumedRoleUser.arn") {
                    arn if arn.is_empty() => part("requestParameters.roleArn"),
                    arn => arn,
                };
                let label = Arn::parse(&arn).and_then(|arn| arn.role_label()).map(Into::into);
                let id = part("responseElements.assumedRoleUser.assumedRoleId");
                let by = if id.is_empty() { String::new() } else { join::role_session(&id) };
                (label, by.into())
            }
        }
    }

    /// That a SAML provider's subjects take a role: its session names can be believed then.
    fn taken_by_subject(&self, session: &Session) -> Option<(Box<str>, Taker)> {
        let provider = session.provider.clone()?;
        let is_saml = self.issuer == Issuer::AssumeRoleWithSaml && !is_identity_center(&provider);
        is_saml.then_some(())?;
        Some((session.label.clone()?, Taker::Saml(provider)))
    }

    fn keyless(&self, session: Session) -> Option<Issue> {
        let key = format!("event:{}", session.event_id).into();
        (!session.event_id.is_empty()).then_some(Issue { key, session, taken: None })
    }

    fn console(&self) -> Option<Issue> {
        let is_join = matches!(&*self.caller.sort, "IAMUser" | "Root");
        let is_in = self.text("responseElements.ConsoleLogin").as_deref() == Some("Success");
        (is_join && is_in).then_some(())?;
        let mut session = self.blank(self.caller.party(self.known));
        session.mfa = match self.text("additionalEventData.MFAUsed").as_deref() {
            Some("Yes") => Some(true),
            Some("No") => Some(false),
            _ => None,
        };
        session.join = join::console(&self.caller.arn).into();
        self.keyless(session)
    }

    fn switch(&self) -> Option<Issue> {
        let is_in = self.text("responseElements.SwitchRole").as_deref() == Some("Success");
        is_in.then_some(())?;
        let from = self.text("additionalEventData.SwitchFrom")?;
        let mut session = self.blank(Caller::of_arn(&from).party(self.known));
        session.label = self.caller.role_label().map(Into::into);
        session.join = join::switch(&self.caller.principal).into();
        self.keyless(session)
    }

    fn portal_role(&self) -> Option<Issue> {
        let either = |one, other| self.text(one).or_else(|| self.text(other));
        let account = either("serviceEventDetails.account_id", "requestParameters.accountId")?;
        let role = either("serviceEventDetails.role_name", "requestParameters.roleName")?;
        let mut session = self.blank(self.caller.party(self.known));
        session.join = join::portal(&account, &role).into();
        self.keyless(session)
    }

    fn portal_sign_in(&self) -> Option<Issue> {
        let told = format!("serviceEventDetails.{}", self.issuer.name());
        (self.text(&told).as_deref() == Some("Success")).then_some(())?;
        let party = self.caller.party(self.known);
        (party.kind == Kind::Person).then_some(())?;
        let used = self.text("additionalEventData.CredentialType").unwrap_or_default();
        let is_second_factor =
            ["TOTP", "WEBAUTHN", "EMAIL_OTP"].iter().any(|factor| used.contains(factor));
        let mut session = self.blank(party);
        session.mfa = is_second_factor.then_some(true);
        session.join = join::sign_in(&session.caller.name).into();
        self.keyless(session)
    }
}

/// Returns whether a SAML provider is the one Identity Center keeps in each account.
fn is_identity_center(provider: &str) -> bool {
    provider.contains(":saml-provider/AWSSSO_")
}
