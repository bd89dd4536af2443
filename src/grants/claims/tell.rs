//! Signals about claims and grants: their particulars, and the facts that rules and stories name.
//!
//! Invariant: whatever a record wrote goes into a command only in quotes, so that nobody's name becomes a second command.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::grants::claims::claim::Claim;
use crate::grants::claims::claim::Deed;
use crate::grants::claims::claim::Holder;
use crate::grants::claims::claim::Kind;
use crate::grants::claims::claim::Verb;
use crate::grants::claims::explain::View;
use crate::grants::facts;
use crate::grants::grant::GrantId;
use crate::grants::grant::Version;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;

/// A signal with where what it rests on was read.
pub(super) type Told = (Signal, Box<str>);

/// A signal in the making.
pub(super) struct Draft {
    name: &'static str,
    time: Seconds,
    about: String,
    account: String,
    parameters: Map<String, Value>,
    evidence: Vec<String>,
    facts: Facts,
    object: Box<str>,
}

impl Draft {
    /// Begins a signal called `name` about `about`, which became true at `time`.
    pub fn new(name: &'static str, about: String, time: Seconds) -> Self {
        Self {
            name,
            time,
            about,
            account: String::new(),
            parameters: Map::new(),
            evidence: Vec::new(),
            facts: Facts::default(),
            object: "".into(),
        }
    }

    /// Says whom it is about, by canonical name.
    pub fn who(mut self, identity: &str) -> Self {
        let kind = identity.split_once(':').map_or("unknown", |(kind, _)| kind);
        self.facts.set("gw.identity.name", identity);
        self.facts.set("gw.identity.kind", kind);
        self
    }

    /// Says which account it is about.
    pub fn account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    /// Adds a particular.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.to_owned(), value.into());
        self
    }

    /// Adds what the claim is, and the commands that take it away and give it.
    pub fn claim(mut self, claim: &Claim, place: &str, view: &View<'_>) -> Self {
        let account = match claim.kind {
            Kind::Membership => self.account.clone(),
            _ => claim.account.to_string(),
        };
        let what = match claim.kind {
            Kind::Assignment => "permissionSetArn",
            Kind::Membership | Kind::IamMembership => "group",
            Kind::Policy => "policyArn",
            Kind::InlinePolicy => "policyName",
        };
        let set = view.learned.set_name(&claim.entitlement, view.now);
        if let Some(set) = set.filter(|_| claim.kind == Kind::Assignment) {
            self = self.with("permissionSet", set);
            self.facts.set("gw.session.permission_set", set);
        }
        let access = access(claim, set);
        self.account(&account)
            .with("kind", claim.kind.name())
            .with("access", access)
            .with("holder", view.identity(claim))
            .with("principalType", claim.holder.sort())
            .with("principalId", claim.holder.id())
            .with("targetId", &*claim.account)
            .with(what, &*claim.entitlement)
            .with("place", place)
    }

    /// Adds how it was made, and how to take it away.
    pub fn made(self, claim: &Claim, deed: &Deed) -> Self {
        self.with("since", deed.time.to_string())
            .with("madeBy", &*deed.by)
            .command("undo", command(claim, deed, Verb::Remove))
            .evidence(deed)
    }

    /// Adds the command that mends it: as a particular called `name`, and as the fact that a response step shows whole.
    pub fn command(mut self, name: &str, command: String) -> Self {
        self.facts.set("gw.grant.undo", command.as_str());
        self.with(name, command)
    }

    /// Adds a try that changed nothing.
    pub fn tried(self, deed: &Deed) -> Self {
        let tried = json!({
            "time": deed.time.to_string(), "by": &*deed.by, "error": deed.failure().unwrap_or_default(),
            "event": &*deed.event,
        });
        self.with("tried", tried).evidence(deed)
    }

    /// Adds a record that it rests on.
    pub fn evidence(mut self, deed: &Deed) -> Self {
        self.evidence.push(deed.event.to_string());
        if self.object.is_empty() {
            self.object = deed.object.clone();
        }
        self
    }

    /// Adds the grant that it is about.
    pub fn grant(mut self, id: &GrantId, version: &Version) -> Self {
        self.facts.set("gw.grant.id", &*id.0);
        facts::set_grant(&mut self.facts, version);
        let from = version.window.from.to_string();
        let until = version.window.until.to_string();
        self.with("grant", &*id.0)
            .with("source", &*version.source)
            .with("grantFrom", from)
            .with("grantUntil", until)
    }

    /// Says why, in a sentence.
    pub fn reason(mut self, reason: String) -> Self {
        self.facts.set("gw.grant.reason", reason);
        self
    }

    /// Says where it was read, if no record did.
    pub fn read_from(mut self, object: &str) -> Self {
        if self.object.is_empty() {
            self.object = object.into();
        }
        self
    }

    /// Returns the signal.
    pub fn told(self) -> Told {
        let mut parameters = self.parameters;
        parameters.insert("evidence".to_owned(), self.evidence.into());
        let signal = Signal {
            name: self.name,
            time: self.time,
            about: self.about,
            account: self.account,
            parameters: Value::Object(parameters),
            facts: self.facts,
        };
        (signal, self.object)
    }
}

/// Returns what the claim gives, in words.
fn access(claim: &Claim, set: Option<&str>) -> String {
    let what = &claim.entitlement;
    match claim.kind {
        Kind::Assignment => format!("permission set {}", set.unwrap_or(what)),
        Kind::Membership => format!("membership of group {what}"),
        Kind::Policy => format!("policy {what}"),
        Kind::InlinePolicy => format!("inline policy {what}"),
        Kind::IamMembership => format!("membership of IAM group {what}"),
    }
}

/// Returns the command that makes `claim` or takes it away, with the particulars of `deed`.
pub(super) fn command(claim: &Claim, deed: &Deed, verb: Verb) -> String {
    let (what, id) = (quoted(&claim.entitlement), quoted(claim.holder.id()));
    let place = quoted(&deed.place);
    let owner = match claim.holder {
        Holder::Role(_) => "role",
        Holder::IamGroup(_) => "group",
        Holder::User(_) | Holder::Group(_) | Holder::IamUser(_) => "user",
    };
    match (claim.kind, verb) {
        (Kind::Assignment, verb) => {
            let call = if verb == Verb::Make { "create" } else { "delete" };
            let (account, sort) = (quoted(&claim.account), claim.holder.sort());
            format!(
                "aws sso-admin {call}-account-assignment --instance-arn {place} --target-type AWS_ACCOUNT \
                 --target-id {account} --permission-set-arn {what} --principal-type {sort} --principal-id {id}"
            )
        }
        (Kind::Membership, Verb::Make) => {
            let member = quoted(&format!("UserId={}", claim.holder.id()));
            format!(
                "aws identitystore create-group-membership --identity-store-id {place} --group-id {what} \
                 --member-id {member}"
            )
        }
        (Kind::Membership, Verb::Remove) => {
            let membership = quoted(&deed.membership);
            format!(
                "aws identitystore delete-group-membership --identity-store-id {place} \
                 --membership-id {membership}"
            )
        }
        (Kind::Policy, verb) => {
            let call = if verb == Verb::Make { "attach" } else { "detach" };
            format!("aws iam {call}-{owner}-policy --{owner}-name {id} --policy-arn {what}")
        }
        (Kind::InlinePolicy, verb) => {
            let call = if verb == Verb::Make { "put" } else { "delete" };
            format!("aws iam {call}-{owner}-policy --{owner}-name {id} --policy-name {what}")
        }
        (Kind::IamMembership, Verb::Make) => {
            format!("aws iam add-user-to-group --user-name {id} --group-name {what}")
        }
        (Kind::IamMembership, Verb::Remove) => {
            format!("aws iam remove-user-from-group --user-name {id} --group-name {what}")
        }
    }
}

/// Returns `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@+=,".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
