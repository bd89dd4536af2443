//! Identity Center: a person signs in at the portal and takes a role in an account.
//!
//! Invariant: it writes the whole published trace (sign-in, `GetRoleCredentials`, `AssumeRoleWithSAML`), so that a monitor
//! can stitch it; what the person then does is the caller's business.

use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Instance;
use crate::simulate::caller::Session;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::MANAGEMENT;
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

/// Lets `person` sign in from `address`; the sign-in takes some ten seconds.
pub fn sign_in(scene: &mut Scene<'_>, person: &Person, at: Seconds, address: &str) -> Portal {
    let credential = EventId(scene.chance.bits()).to_string();
    let workflow = EventId(scene.chance.bits()).to_string();
    let identity = json!({
        "type": "IdentityCenterUser",
        "accountId": scene.org.account(MANAGEMENT).id,
        "onBehalfOf": {"userId": person.user_id, "identityStoreArn": scene.org.identity_store_arn()},
        "credentialId": credential,
    });
    let caller = Arc::new(Caller::new(&identity, address, BROWSER));
    let place = Place { account: MANAGEMENT, region: HOME };
    let mut events = Vec::new();
    let steps = [
        ("CredentialChallenge", "PASSWORD"),
        ("CredentialVerification", "PASSWORD"),
        ("CredentialChallenge", "TOTP"),
        ("CredentialVerification", "TOTP"),
    ];
    for (after, (name, kind)) in (0..).zip(steps) {
        let more = json!({
            "AuthWorkflowID": workflow, "CredentialType": kind, "UserName": person.name,
            "LoginTo": format!("https://{}.awsapps.com/start", scene.org.identity_store),
        });
        let mut written = Written::sign_in(name).with("additionalEventData", more);
        if name == "CredentialVerification" {
            written = written.answering(json!({"CredentialVerification": "Success"}));
        }
        events.push(scene.call(Seconds(at.0 + after * 3), place, &caller, written));
    }
    let done = Written::sign_in("UserAuthentication")
        .answering(json!({"UserAuthentication": "Success"}))
        .with("additionalEventData", json!({
            "AuthWorkflowID": workflow, "CredentialType": "PASSWORD,TOTP", "UserName": person.name,
            "LoginTo": format!("https://{}.awsapps.com/start", scene.org.identity_store),
        }));
    events.push(scene.call(Seconds(at.0 + 12), place, &caller, done));
    Portal { address: address.to_owned(), credential, caller, events }
}

/// Lets somebody who is signed in take the role of `set` in `account`.
pub fn take_role(
    scene: &mut Scene<'_>,
    portal: &Portal,
    (person, account, set): (&Person, AccountIx, &PermissionSet),
    at: Seconds,
) -> Session {
    let org = scene.org;
    let (id, role) = (org.account(account).id.clone(), org.reserved_role(account, set));
    let role_arn = format!("arn:aws:iam::{id}:role{}{role}", org.reserved_path());
    let home = Place { account: MANAGEMENT, region: HOME };
    let asked = Written::read("sso", "GetRoleCredentials")
        .with("serviceEventDetails", json!({"role_name": set.name, "account_id": id}));
    scene.call(at, home, &portal.caller, Written { event_type: "AwsServiceEvent", ..asked });
    let session = Session {
        account: id.clone(),
        role_id: org.role_id(account, &role),
        name: person.name.clone(),
        key: scene.chance.key("ASIA"),
        started: Seconds(at.0 + 1),
        ends: Seconds(at.0 + 1 + set.hours * 3_600),
        source_identity: String::new(),
        on_behalf_of: String::new(),
        invoked_by: String::new(),
        web_identity: None,
        from_instance: Instance::No,
        role,
        role_arn,
    };
    let provider = format!(
        "arn:aws:iam::{id}:saml-provider/AWSSSO_{}_DO_NOT_DELETE",
        org.instance.rsplit('-').next().unwrap_or_default()
    );
    let subject = json!({
        "type": "SAMLUser", "principalId": format!("{provider}:{}", person.name),
        "userName": person.name, "identityProvider": provider,
    });
    let by =
        Arc::new(Caller::new(&subject, &portal.address, "aws-internal/3 aws-sdk-java/1.12.780"));
    let written = Written::read("sts", "AssumeRoleWithSAML")
        .asking(json!({
            "roleArn": session.role_arn, "roleSessionName": person.name, "principalArn": provider,
            "durationSeconds": set.hours * 3_600,
        }))
        .answering(json!({
            "credentials": {"accessKeyId": session.key, "expiration": session.ends.to_string()},
            "assumedRoleUser": {"assumedRoleId": format!("{}:{}", session.role_id, session.name), "arn": session.arn()},
            "subject": person.name, "subjectType": "persistent", "audience": "https://signin.aws.amazon.com/saml",
        }));
    scene.call(Seconds(at.0 + 1), Place { account, region: HOME }, &by, written);
    session
}
