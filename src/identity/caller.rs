//! The caller of a record: `userIdentity` read once, and who it names without looking at any other record.
//!
//! The types and their fields: CloudTrail User Guide, "userIdentity element". All members are optional in practice.
//!
//! Invariant: nothing is trusted beyond what AWS guarantees; a role session's name is the caller's choice unless
//! Identity Center or a SAML provider sets it.

use std::borrow::Cow;

use crate::identity::context::Context;
use crate::identity::context::text;
use crate::identity::known::Known;
use crate::identity::known::Taker;
use crate::identity::known::of_other_account;
use crate::identity::party::Arn;
use crate::identity::party::Basis;
use crate::identity::party::Kind;
use crate::identity::party::Party;
use crate::identity::party::is_instance;
use crate::identity::party::permission_set;
use crate::model::Confidence;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::json;

/// `userIdentity` of one record.
#[derive(Debug, Default)]
pub(super) struct Caller<'a> {
    pub sort: Cow<'a, str>,
    pub principal: Cow<'a, str>,
    pub arn: Cow<'a, str>,
    pub account: Cow<'a, str>,
    pub key: Cow<'a, str>,
    pub user_name: Cow<'a, str>,
    pub invoked_by: Cow<'a, str>,
    /// The Identity Center user id in `onBehalfOf`.
    pub user_id: Cow<'a, str>,
    /// The account that recorded it.
    pub recipient: Cow<'a, str>,
    pub event_source: Cow<'a, str>,
    pub context: Context<'a>,
}

/// What AWS writes in place of a name that does not exist.
pub(super) const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

impl<'a> Caller<'a> {
    /// Reads the caller of `record`.
    pub fn of(record: &TrailRecord<'a>) -> Self {
        let mut caller = Self {
            sort: record.slot_or_empty(Slot::UserType),
            principal: record.slot_or_empty(Slot::UserPrincipalId),
            arn: record.slot_or_empty(Slot::UserArn),
            account: record.slot_or_empty(Slot::UserAccountId),
            key: record.slot_or_empty(Slot::UserAccessKeyId),
            user_name: record.slot_or_empty(Slot::UserName),
            invoked_by: record.slot_or_empty(Slot::UserInvokedBy),
            user_id: record
                .slot_raw(Slot::UserOnBehalfOf)
                .and_then(|raw| json::member(raw, "userId"))
                .map(text)
                .unwrap_or_default(),
            recipient: record.slot_or_empty(Slot::RecipientAccountId),
            event_source: record.slot_or_empty(Slot::EventSource),
            context: Context::of(record.slot_raw(Slot::UserSessionContext).unwrap_or_default()),
        };
        if caller.sort == "WebIdentityUser" {
            caller.context.provider =
                record.text("userIdentity.identityProvider").unwrap_or_default();
        }
        if caller.user_name.is_empty() && caller.event_source == "signin.amazonaws.com" {
            caller.user_name = record.text("additionalEventData.UserName").unwrap_or_default();
        }
        caller
    }

    /// Makes a caller of nothing but its ARN.
    pub fn of_arn(arn: &'a str) -> Self {
        let parsed = Arn::parse(arn);
        let sort = match parsed.map(|arn| arn.sort) {
            Some("user") => "IAMUser",
            Some("assumed-role") => "AssumedRole",
            Some("role") => "Role",
            Some("root") => "Root",
            _ => "",
        };
        let account = parsed.map_or("", |arn| arn.account);
        Self { sort: sort.into(), arn: arn.into(), account: account.into(), ..Self::default() }
    }

    /// Whether it signed with credentials that end by themselves.
    pub fn is_temporary(&self) -> bool {
        self.context.created.is_some() || self.key.starts_with("ASIA")
    }

    /// Whether an AWS service made the call in the caller's stead. The console's sign-in service is but the browser's
    /// way in.
    pub fn is_served(&self) -> bool {
        !self.invoked_by.is_empty() && self.invoked_by != "signin.amazonaws.com"
    }

    /// The full ARN of the role behind the session, or the session's own where the issuer is not named.
    pub fn role_arn(&self) -> &str {
        match &*self.sort {
            "AssumedRole" if self.context.issuer_arn.is_empty() => &self.arn,
            "AssumedRole" => &self.context.issuer_arn,
            "Role" => &self.arn,
            _ => "",
        }
    }

    /// `111122223333/role/Deploy`.
    pub fn role_label(&self) -> Option<String> {
        Arn::parse(self.role_arn())?.role_label()
    }

    /// The role's name without its path, or "".
    pub fn role_name(&self) -> &str {
        let Some(arn) = Arn::parse(self.role_arn()) else { return "" };
        match arn.sort {
            "assumed-role" => arn.rest.split('/').next().unwrap_or_default(),
            _ => arn.name(),
        }
    }

    /// Whether its role is one that Identity Center keeps, below the path that AWS reserves for it.
    pub fn is_reserved_role(&self) -> bool {
        self.role_arn().contains(":role/aws-reserved/sso.amazonaws.com/")
    }

    /// The role session's name, or "".
    pub fn session_name(&self) -> &str {
        if &*self.sort != "AssumedRole" {
            return "";
        }
        let of_arn = Arn::parse(&self.arn).and_then(|arn| arn.rest.split_once('/'));
        of_arn.or_else(|| self.principal.split_once(':')).map(|(_, name)| name).unwrap_or_default()
    }

    /// Who the record names by itself.
    pub fn party(&self, known: &Known) -> Party {
        let mut party = match &*self.sort {
            "AssumedRole" => self.role_session(known),
            "IAMUser" => self.user(),
            "AWSService" => self.service(),
            "Root" => self.root(),
            "AWSAccount" => self.other_account(known),
            "Role" => self.role(),
            "FederatedUser" => self.federated(),
            "SAMLUser" => self.saml(),
            "WebIdentityUser" => {
                self.oidc(&self.user_name, &self.identity_provider(), "subject of the OIDC token")
            }
            "" => self.untyped(),
            _ => self.other(known),
        };
        party.key = self.key.clone().into_owned();
        party.principal = self.principal.clone().into_owned();
        party
    }

    fn user(&self) -> Party {
        let of_arn = || Arn::parse(&self.arn).map(|arn| arn.name().to_owned());
        let name = match &*self.user_name {
            "" => of_arn().unwrap_or_else(|| self.principal.clone().into_owned()),
            name => name.to_owned(),
        };
        let id = format!("{}/{name}", self.account);
        if name == HIDDEN {
            let why = "AWS hides the name of a user that does not exist";
            return Party::new(Kind::Unknown, &id, Confidence::Exact, why);
        }
        Party::new(Kind::User, &id, Confidence::Exact, "IAM user")
    }

    fn root(&self) -> Party {
        let assumed = self.context.assumed_root == "true";
        let label = assumed.then(|| format!("{}/root", self.account));
        let why = if assumed { "root session whose issue was not seen" } else { "root user" };
        let sure = if assumed { Confidence::Probable } else { Confidence::Exact };
        Party::new(Kind::Root, &self.account, sure, why).acting_as(label)
    }

    fn service(&self) -> Party {
        let name = if self.invoked_by.is_empty() { &self.event_source } else { &self.invoked_by };
        Party::new(Kind::Service, name, Confidence::Exact, "AWS service")
    }

    fn other_account(&self, known: &Known) -> Party {
        if self.account.is_empty() || self.account == self.recipient {
            let id = format!("{}/{}", self.account, self.principal);
            let why = "the record names only an account and an id";
            return Party::new(Kind::Unknown, &id, Confidence::Probable, why);
        }
        of_other_account(&self.account, known)
    }

    fn role(&self) -> Party {
        match self.service_linked() {
            Some(party) => party,
            None => {
                let id = self.role_label().unwrap_or_else(|| self.principal.clone().into_owned());
                Party::new(Kind::Workload, &id, Confidence::Exact, "the record names the role")
            }
        }
    }

    /// The service of a service-linked role, whose path AWS reserves.
    fn service_linked(&self) -> Option<Party> {
        let (_, path) = self.role_arn().split_once(":role/aws-service-role/")?;
        let service = path.split('/').next()?;
        Some(Party::new(Kind::Service, service, Confidence::Exact, "service-linked role"))
    }

    fn federated(&self) -> Party {
        let label = Arn::parse(&self.arn)
            .map(|arn| format!("{}/federated-user/{}", arn.account, arn.name()));
        let why = "issuer of the federation token";
        let party = match Arn::parse(&self.context.issuer_arn) {
            Some(arn) if arn.sort == "root" => {
                Party::new(Kind::Root, arn.account, Confidence::Exact, why)
            }
            Some(arn) if arn.sort == "user" => {
                let id = format!("{}/{}", arn.account, arn.name());
                Party::new(Kind::User, &id, Confidence::Exact, why)
            }
            _ => {
                let why = "federated user whose issuer the record does not name";
                Party::new(Kind::Unknown, &self.principal, Confidence::Probable, why)
            }
        };
        party.acting_as(label)
    }

    fn saml(&self) -> Party {
        Party::new(Kind::Person, &self.user_name, Confidence::Exact, "SAML subject")
    }

    fn identity_provider(&self) -> String {
        match record_provider(&self.principal, &self.user_name) {
            Some(provider) => provider.to_owned(),
            None => self.context.provider.clone().into_owned(),
        }
    }

    /// The subject of an OIDC token: a person if it is a mail address, else a workload of its provider.
    pub fn oidc(&self, subject: &str, provider: &str, why: &'static str) -> Party {
        if subject.contains('@') && !subject.contains(':') {
            return Party::new(Kind::Person, subject, Confidence::Exact, why);
        }
        let host = provider.rsplit_once("oidc-provider/").map_or(provider, |(_, host)| host);
        let host = host.trim_start_matches("https://");
        let account = match Arn::parse(provider) {
            Some(arn) => arn.account,
            None if self.account.is_empty() => &self.recipient,
            None => &self.account,
        };
        let id = format!("{account}/oidc/{host}/{subject}");
        Party::new(Kind::Workload, &id, Confidence::Exact, why)
    }

    /// A person by Identity Center user id, or by the name the record gives.
    fn identity_center(&self, known: &Known) -> Option<Party> {
        if self.user_id.is_empty() {
            return None;
        }
        // What the record itself shows was learned from it before.
        if let Some(named) = known.people.get(&*self.user_id) {
            return Some(named.party().on(Basis::IdentityCenter));
        }
        let why = "Identity Center user id; no sign-in has shown its name";
        Some(Party::new(Kind::Person, &self.user_id, Confidence::Exact, why))
    }

    /// A record without a type: AWS's own events, or what little the record says.
    fn untyped(&self) -> Party {
        match Arn::parse(&self.arn) {
            Some(arn) if arn.sort == "user" => {
                let id = format!("{}/{}", arn.account, arn.name());
                Party::new(Kind::User, &id, Confidence::Probable, "read from the ARN")
            }
            Some(arn) => match arn.role_label() {
                Some(label) => {
                    Party::new(Kind::Workload, &label, Confidence::Probable, "read from the ARN")
                }
                None => Party::new(Kind::Unknown, &self.arn, Confidence::Probable, "no type"),
            },
            None if !self.invoked_by.is_empty() => Party::new(
                Kind::Service,
                &self.event_source,
                Confidence::Exact,
                "event of AWS itself",
            ),
            None => self.nobody(),
        }
    }

    /// `IdentityCenterUser`, `Unknown`, `Directory` and types to come.
    fn other(&self, known: &Known) -> Party {
        if let Some(party) = self.identity_center(known) {
            return party;
        }
        let is_portal = matches!(&*self.event_source, "signin.amazonaws.com" | "sso.amazonaws.com");
        let has_name = !self.user_name.is_empty() && self.user_name != HIDDEN;
        if is_portal && has_name {
            let why = "user name of a portal record without user id";
            return Party::new(Kind::Person, &self.user_name, Confidence::Probable, why);
        }
        self.nobody()
    }

    fn nobody(&self) -> Party {
        let id = [&self.arn, &self.user_name, &self.principal]
            .into_iter()
            .find(|text| !text.is_empty())
            .map_or("", |text| &**text);
        let id = format!("{}/{id}", self.account);
        Party::new(Kind::Unknown, &id, Confidence::Probable, "the record does not say who")
    }

    /// A role session, in the order of evidence: source identity, Identity Center, SAML, OIDC, the role.
    fn role_session(&self, known: &Known) -> Party {
        let label = self.role_label();
        let stated = &*self.context.source_identity;
        if !stated.is_empty() {
            let why = "sourceIdentity, which is set once and survives role chaining";
            return Party::new(Kind::Person, stated, Confidence::Exact, why)
                .on(Basis::SourceIdentity)
                .acting_as(label);
        }
        if let Some(party) = self.service_linked() {
            return party;
        }
        let session_name = self.session_name();
        if permission_set(self.role_name()).is_some() && !session_name.is_empty() {
            let (sure, why) = match self.is_reserved_role() {
                true => (Confidence::Exact, "Identity Center sets the session name"),
                false => (Confidence::Probable, "role named like one of Identity Center's"),
            };
            return Party::new(Kind::Person, session_name, sure, why).acting_as(label);
        }
        if let Some(party) = self.identity_center(known) {
            return party.acting_as(label);
        }
        if !self.context.subject.is_empty() {
            let why = "subject of the OIDC token";
            return self.oidc(&self.context.subject, &self.context.provider, why).acting_as(label);
        }
        self.role_by_takers(known, label, session_name)
    }

    /// A role session that names nobody: the role itself, as surely as we know who takes that role.
    fn role_by_takers(&self, known: &Known, label: Option<String>, session_name: &str) -> Party {
        let id = label.clone().unwrap_or_else(|| format!("{}/{}", self.account, self.principal));
        let workload = |sure, why: Cow<'static, str>| Party::new(Kind::Workload, &id, sure, why);
        if is_instance(session_name) {
            return match &*self.context.delivery {
                "" => workload(Confidence::Probable, "session named like an instance".into()),
                _ => workload(Confidence::Exact, "instance profile".into()),
            };
        }
        match known.takers.get(id.as_str()) {
            Some(Taker::Saml(provider)) if !session_name.is_empty() => {
                let why =
                    format!("session name, which SAML provider {provider} sets for this role");
                Party::new(Kind::Person, session_name, Confidence::Probable, why).acting_as(label)
            }
            Some(Taker::Service(service)) => {
                workload(Confidence::Probable, format!("{service} takes this role").into())
            }
            _ => workload(
                Confidence::Probable,
                "role; whom the session was issued to is not known".into(),
            ),
        }
    }
}

/// The provider in a web identity's `principalId`, `issuer:audience:subject`.
fn record_provider<'a>(principal: &'a str, subject: &str) -> Option<&'a str> {
    let head = principal.strip_suffix(subject)?.strip_suffix(':')?;
    let (provider, _audience) = head.rsplit_once(':')?;
    (!provider.is_empty()).then_some(provider)
}
