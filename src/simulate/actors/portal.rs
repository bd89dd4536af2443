//! Identity Center: a person signs in at the portal and takes a role in an account.
//!
//! Invariant: it writes the whole published trace (sign-in, `GetRoleCredentials` or `Federate`, `AssumeRoleWithSAML`), so
//! that a monitor can stitch it; what the person then does is the caller's business.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::MANAGEMENT;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::PermissionSet;
use crate::simulate::organisation::people::Person;

/// A browser, as it calls itself.
pub const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36";

/// The AWS command line, as it calls itself.
pub const CLI: &str = "aws-cli/2.27.0 md/awscrt#0.26 ua/2.1 os/linux#6.8 lang/python#3.13";

/// The sign-in of a person at the portal.
#[derive(Debug, Clone)]
pub struct Portal {
    /// Where the person is.
    pub address: String,
    /// `userIdentity.credentialId`: it joins the sign-in with what the portal does for the person.
    pub credential: String,
    /// The person, as the portal's own events show them.
    pub caller: Arc<Caller>,
    /// The sign-in's events.
    pub events: Vec<EventId>,
}

/// What somebody mistakes at the sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slip {
    /// The password.
    Password,
    /// The number that the second factor shows; the password was right.
    SecondFactor,
}

/// What a person has opened the role of: an account, a permission set, and the name that its role has.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// Who.
    pub person: &'a Person,
    /// The account.
    pub account: AccountIx,
    /// The permission set.
    pub set: &'a PermissionSet,
    /// The role's name: `AWSReservedSSO_NAME_16hex`.
    pub role: String,
}

/// How far a sign-in has come, and what is written of each step.
struct Workflow<'a> {
    person: &'a Person,
    caller: Arc<Caller>,
    id: String,
    at: Seconds,
}

impl<'a> Workflow<'a> {
    fn begin(
        scene: &mut Scene<'_>,
        person: &'a Person,
        (at, address, credential): (Seconds, &str, &str),
    ) -> Self {
        let mut identity = json!({
            "type": "IdentityCenterUser",
            "accountId": scene.org.account(MANAGEMENT).id,
            "onBehalfOf": {
                "userId": person.user_id, "identityStoreArn": scene.org.identity_store_arn(),
            },
        });
        if !credential.is_empty() {
            identity["credentialId"] = json!(credential);
        }
        let caller = Arc::new(Caller::new(&identity, address, BROWSER));
        Self { person, caller, id: EventId(scene.chance.bits()).to_string(), at }
    }

    /// Writes a step and how it went, if it can go either way; it takes three seconds.
    fn step(
        &mut self,
        scene: &mut Scene<'_>,
        (name, kind): (&'static str, &str),
        outcome: Option<&str>,
    ) -> EventId {
        let mut written = Written::sign_in(name).with(
            "additionalEventData",
            json!({
                "AuthWorkflowID": self.id, "CredentialType": kind, "UserName": self.person.name,
                "LoginTo": format!("https://{}.awsapps.com/start/", scene.org.identity_store),
            }),
        );
        written.event_type = "AwsServiceEvent";
        if let Some(outcome) = outcome {
            written = written.with("serviceEventDetails", json!({name: outcome}));
        }
        let place = Place { account: MANAGEMENT, region: HOME };
        let id = scene.call(self.at, place, &self.caller, written);
        self.at = Seconds(self.at.0 + 3);
        id
    }
}

/// Lets `person` sign in from `address`; the sign-in takes some ten seconds.
pub fn sign_in(scene: &mut Scene<'_>, person: &Person, at: Seconds, address: &str) -> Portal {
    let credential = EventId(scene.chance.bits()).to_string();
    let mut workflow = Workflow::begin(scene, person, (at, address, &credential));
    let steps = [
        (("CredentialChallenge", "PASSWORD"), None),
        (("CredentialVerification", "PASSWORD"), Some("Success")),
        (("CredentialChallenge", "TOTP"), None),
        (("CredentialVerification", "TOTP"), Some("Success")),
        (("UserAuthentication", "PASSWORD,TOTP"), Some("Success")),
    ];
    let events =
        steps.into_iter().map(|(step, outcome)| workflow.step(scene, step, outcome)).collect();
    Portal { address: address.to_owned(), credential, caller: workflow.caller, events }
}

/// Lets `person` fail to sign in from `address`.
pub fn fail_to_sign_in(
    scene: &mut Scene<'_>,
    person: &Person,
    (at, address, slip): (Seconds, &str, Slip),
) -> Vec<EventId> {
    let mut workflow = Workflow::begin(scene, person, (at, address, ""));
    let mut events = vec![workflow.step(scene, ("CredentialChallenge", "PASSWORD"), None)];
    let password = ("CredentialVerification", "PASSWORD");
    if slip == Slip::Password {
        events.push(workflow.step(scene, password, Some("Failure")));
        return events;
    }
    events.push(workflow.step(scene, password, Some("Success")));
    events.push(workflow.step(scene, ("CredentialChallenge", "TOTP"), None));
    events.push(workflow.step(scene, ("CredentialVerification", "TOTP"), Some("Failure")));
    events
}

/// Lets somebody who is signed in take the role of `set` in `account`, for programs.
pub fn take_role(
    scene: &mut Scene<'_>,
    portal: &Portal,
    (person, account, set): (&Person, AccountIx, &PermissionSet),
    at: Seconds,
) -> Session {
    let role = scene.org.reserved_role(account, set);
    take(scene, portal, &Target { person, account, set, role }, at)
}

/// Lets somebody who is signed in take the role of `target`, for programs.
pub fn take(scene: &mut Scene<'_>, portal: &Portal, target: &Target<'_>, at: Seconds) -> Session {
    // The command line fetches them with what the browser left it.
    ask(scene, &portal.caller.with_agent(CLI), target, ("GetRoleCredentials", at));
    assume(scene, portal, target, Seconds(at.0 + 1))
}

/// Lets somebody who is signed in open the console with the role of `target`.
pub fn open_console(
    scene: &mut Scene<'_>,
    portal: &Portal,
    target: &Target<'_>,
    at: Seconds,
) -> Session {
    ask(scene, &portal.caller, target, ("Federate", at));
    let session = assume(scene, portal, target, Seconds(at.0 + 1));
    // The sign-in itself is recorded before there is a console session, and so without its mark.
    let by = session.caller(&portal.address, BROWSER);
    let written = Written::sign_in("ConsoleLogin")
        .answering(json!({"ConsoleLogin": "Success"}))
        .with("additionalEventData", json!({
            "LoginTo": "https://console.aws.amazon.com/", "MobileVersion": "No", "MFAUsed": "No",
        }));
    scene.call(Seconds(at.0 + 2), Place { account: target.account, region: HOME }, &by, written);
    session
}

/// Writes what the portal records of a role that somebody chose.
fn ask(
    scene: &mut Scene<'_>,
    by: &Arc<Caller>,
    target: &Target<'_>,
    (name, at): (&'static str, Seconds),
) {
    let home = Place { account: MANAGEMENT, region: HOME };
    let id = &scene.org.account(target.account).id;
    let details: Value = json!({"role_name": target.set.name, "account_id": id});
    let asked = Written::read("sso", name).with("serviceEventDetails", details);
    scene.call(at, home, by, Written { event_type: "AwsServiceEvent", ..asked });
}

/// Returns the ARN of the SAML provider that Identity Center keeps in `account`.
pub fn provider(org: &Organisation, account: AccountIx) -> String {
    format!(
        "arn:aws:iam::{}:saml-provider/AWSSSO_{}_DO_NOT_DELETE",
        org.account(account).id,
        org.instance.rsplit('-').next().unwrap_or_default()
    )
}

/// Writes how the portal takes the role for somebody.
fn assume(scene: &mut Scene<'_>, portal: &Portal, target: &Target<'_>, at: Seconds) -> Session {
    let (org, account, person) = (scene.org, target.account, target.person);
    let id = org.account(account).id.clone();
    let lasts = target.set.hours * 3_600;
    let session = Session {
        role_arn: format!("arn:aws:iam::{id}:role{}{}", org.reserved_path(), target.role),
        role_id: org.role_id(account, &target.role),
        account: id,
        name: person.name.clone(),
        key: scene.chance.key("ASIA"),
        started: at,
        ends: Seconds(at.0 + lasts),
        role: target.role.clone(),
        ..Session::default()
    };
    let provider = provider(org, account);
    let subject = json!({
        "type": "SAMLUser", "principalId": format!("{provider}:{}", person.name),
        "userName": person.name, "identityProvider": provider,
    });
    let by =
        Arc::new(Caller::new(&subject, &portal.address, "aws-internal/3 aws-sdk-java/1.12.780"));
    let written = Written::read("sts", "AssumeRoleWithSAML")
        .asking(json!({
            "roleArn": session.role_arn, "roleSessionName": person.name, "principalArn": provider,
            "durationSeconds": lasts,
        }))
        .answering(json!({
            "credentials": {"accessKeyId": session.key, "expiration": session.expiration()},
            "assumedRoleUser": {"assumedRoleId": format!("{}:{}", session.role_id, session.name), "arn": session.arn()},
            "subject": person.name, "subjectType": "persistent", "audience": "https://signin.aws.amazon.com/saml",
        }));
    scene.call(at, Place { account, region: HOME }, &by, written);
    session
}
