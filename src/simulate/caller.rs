//! Who makes a call, as its record says: `userIdentity`, address and user agent.
//!
//! Invariant: a caller is written once and shared by all its calls. Every user agent ends with [`LABEL`], so that
//! nobody takes a drill for the real thing.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::iam::told::moment;

/// Stands at the end of every `userAgent` that a simulation writes.
pub const LABEL: &str = "grantwatch-simulation";

/// `userIdentity`, `sourceIPAddress` and `userAgent`, ready to be written.
#[derive(Debug, PartialEq, Eq)]
pub struct Caller {
    /// `userIdentity` as JSON.
    pub identity: String,
    /// `userIdentity.arn`, or empty: errors name it.
    pub arn: String,
    /// `sourceIPAddress`: an address, or the name of a service.
    pub address: String,
    /// `userAgent`, with the label at its end.
    pub agent: String,
    /// Whether the calls come from the console: `sessionCredentialFromConsole`.
    pub console: Console,
    /// `vpcEndpointId`, or empty.
    pub endpoint: String,
}

/// Whether somebody clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Console {
    /// By a program.
    #[default]
    No,
    /// In the console: `sessionCredentialFromConsole` is `"true"`.
    Yes,
}

impl Caller {
    /// Returns somebody who calls from `address` with `agent`.
    pub fn new(identity: &Value, address: &str, agent: &str) -> Self {
        Self {
            identity: identity.to_string(),
            arn: identity["arn"].as_str().unwrap_or_default().to_owned(),
            address: address.to_owned(),
            agent: format!("{agent} {LABEL}"),
            console: Console::No,
            endpoint: String::new(),
        }
    }

    /// Returns the role session name, or nothing if it is no role's session.
    pub fn session_name(&self) -> &str {
        let principal = self.identity.split_once(r#""principalId":""#).map_or("", |(_, it)| it);
        let principal = principal.split_once('"').map_or("", |(it, _)| it);
        principal.split_once(':').map_or("", |(_, name)| name)
    }

    /// Returns an AWS service that acts by itself: `lambda.amazonaws.com`.
    pub fn service(name: &str) -> Arc<Self> {
        let identity = json!({"type": "AWSService", "invokedBy": name});
        Arc::new(Self::new(&identity, name, name))
    }

    /// Returns the same, calling with another program.
    pub fn with_agent(&self, agent: &str) -> Arc<Self> {
        Arc::new(Self {
            identity: self.identity.clone(),
            arn: self.arn.clone(),
            address: self.address.clone(),
            agent: format!("{agent} {LABEL}"),
            console: self.console,
            endpoint: self.endpoint.clone(),
        })
    }

    /// Returns what another account sees of a caller: its account and unique id.
    pub fn of_another_account(
        account: &str,
        unique_id: &str,
        address: &str,
        agent: &str,
    ) -> Arc<Self> {
        let identity =
            json!({"type": "AWSAccount", "principalId": unique_id, "accountId": account});
        Arc::new(Self::new(&identity, address, agent))
    }
}

/// An IAM user with an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserKey {
    /// The account's id.
    pub account: String,
    /// The user's name.
    pub name: String,
    /// `AIDA…`.
    pub id: String,
    /// `AKIA…`.
    pub key: String,
}

impl UserKey {
    /// Returns the user, calling from `address` with `agent`.
    pub fn caller(&self, address: &str, agent: &str) -> Arc<Caller> {
        let identity = json!({
            "type": "IAMUser",
            "principalId": self.id,
            "arn": format!("arn:aws:iam::{}:user/{}", self.account, self.name),
            "accountId": self.account,
            "accessKeyId": self.key,
            "userName": self.name,
        });
        Arc::new(Caller::new(&identity, address, agent))
    }
}

/// Temporary credentials of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The id of the role's account.
    pub account: String,
    /// The role's name.
    pub role: String,
    /// The role's ARN, with its path.
    pub role_arn: String,
    /// The role's unique id, `AROA…`.
    pub role_id: String,
    /// The role session name.
    pub name: String,
    /// `ASIA…`.
    pub key: String,
    /// When they were issued.
    pub started: Seconds,
    /// When they end.
    pub ends: Seconds,
    /// `sourceIdentity`, or empty.
    pub source_identity: String,
    /// `onBehalfOf.userId` of Identity Center, or empty.
    pub on_behalf_of: String,
    /// The service that calls with them, or empty: `invokedBy`.
    pub invoked_by: String,
    /// The OIDC provider and subject they were issued for, if any: `webIdFederationData`.
    pub web_identity: Option<(String, String)>,
    /// Whether they come from the metadata service of an instance: `ec2RoleDelivery`.
    pub from_instance: Instance,
}

/// Whether credentials come from the metadata service of an EC2 instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instance {
    /// They do not.
    #[default]
    No,
    /// They do, by IMDSv2.
    Yes,
}

impl Session {
    /// Returns `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    pub fn arn(&self) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{}", self.account, self.role, self.name)
    }

    /// Returns when they end, as STS spells it: `Jul 10, 2023, 12:21:41 PM`.
    pub fn expiration(&self) -> String {
        moment(self.ends)
    }

    /// Returns `userIdentity`.
    pub fn identity(&self) -> Value {
        let mut identity = json!({
            "type": "AssumedRole",
            "principalId": format!("{}:{}", self.role_id, self.name),
            "arn": self.arn(),
            "accountId": self.account,
            "accessKeyId": self.key,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role", "principalId": self.role_id, "arn": self.role_arn,
                    "accountId": self.account, "userName": self.role,
                },
                "attributes": {"creationDate": self.started.to_string(), "mfaAuthenticated": "false"},
            },
        });
        let context = &mut identity["sessionContext"];
        if !self.source_identity.is_empty() {
            context["sourceIdentity"] = json!(self.source_identity);
        }
        if let Some((provider, subject)) = &self.web_identity {
            context["webIdFederationData"] =
                json!({"federatedProvider": provider, "attributes": {"sub": subject}});
        }
        if self.from_instance == Instance::Yes {
            context["ec2RoleDelivery"] = json!("2.0");
        }
        if !self.invoked_by.is_empty() {
            identity["invokedBy"] = json!(self.invoked_by);
        }
        if !self.on_behalf_of.is_empty() {
            identity["onBehalfOf"] = json!({"userId": self.on_behalf_of});
        }
        identity
    }

    /// Returns the session, calling from `address` with `agent`.
    pub fn caller(&self, address: &str, agent: &str) -> Arc<Caller> {
        Arc::new(Caller::new(&self.identity(), address, agent))
    }

    /// Returns the session, used in the console.
    pub fn in_console(&self, address: &str, agent: &str) -> Arc<Caller> {
        let caller = Caller::new(&self.identity(), address, agent);
        Arc::new(Caller { console: Console::Yes, ..caller })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_knows_its_name_and_nobody_else_has_one() {
        let session = json!({"type": "AssumedRole", "principalId": "AROAEXAMPLE:i-0abc"});
        assert_eq!(Caller::new(&session, "192.0.2.7", "aws-cli/2").session_name(), "i-0abc");
        let user = json!({"type": "IAMUser", "principalId": "AIDAEXAMPLE", "userName": "a:b"});
        assert_eq!(Caller::new(&user, "192.0.2.7", "aws-cli/2").session_name(), "");
        assert_eq!(Caller::service("lambda.amazonaws.com").session_name(), "");
    }

    #[test]
    fn every_caller_is_labelled() {
        let service = Caller::service("lambda.amazonaws.com");
        assert!(service.agent.ends_with(LABEL), "{service:?}");
        let user = UserKey {
            account: "111122223333".into(),
            name: "ci-legacy".into(),
            id: "AIDAEXAMPLE".into(),
            key: "AKIAEXAMPLE".into(),
        };
        assert_eq!(user.caller("192.0.2.7", "aws-cli/2").agent, "aws-cli/2 grantwatch-simulation");
    }
}
