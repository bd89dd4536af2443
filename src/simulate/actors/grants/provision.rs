//! What Identity Center does in an account when a permission set is assigned there for the first time, and when the last
//! assignment is gone: it makes the role, and removes it.
//!
//! Invariant: every change goes through `Scene::change`, so that the state of IAM follows.

use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::grants::Errand;
use crate::simulate::actors::portal;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::diary::Scene;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;
use crate::simulate::organisation::HOME;

/// What Identity Center calls itself.
const SERVICE: &str = "sso.amazonaws.com";

/// Its role in each account.
const ROLE: &str = "AWSServiceRoleForSSO";

/// Makes the role of `errand`.
pub fn make(scene: &mut Scene<'_>, errand: &Errand, at: Seconds) {
    let by = caller(scene, errand.account, at);
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": portal::provider(scene.org, errand.account)},
            "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
            "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
        }],
    });
    let (role, path) = (errand.role.clone(), scene.org.reserved_path());
    let mut edits = vec![Edit::CreateRole { role, path, trust }];
    for arn in policies(errand) {
        edits.push(Edit::AttachRolePolicy { role: errand.role.clone(), arn });
    }
    each(scene, (errand.account, at), &by, edits);
}

/// Removes the role of `errand`.
pub fn unmake(scene: &mut Scene<'_>, errand: &Errand, at: Seconds) {
    let by = caller(scene, errand.account, at);
    let mut edits = Vec::new();
    for arn in policies(errand) {
        edits.push(Edit::DetachRolePolicy { role: errand.role.clone(), arn });
    }
    edits.push(Edit::DeleteRole { role: errand.role.clone() });
    each(scene, (errand.account, at), &by, edits);
}

fn policies(errand: &Errand) -> impl Iterator<Item = String> {
    errand.set.managed.iter().map(|name| format!("arn:aws:iam::aws:policy/{name}"))
}

fn each(
    scene: &mut Scene<'_>,
    (account, at): (AccountIx, Seconds),
    by: &Arc<Caller>,
    edits: Vec<Edit>,
) {
    for (nth, edit) in (1..).zip(edits) {
        scene.change(Seconds(at.0 + nth), by, Change::of(account, edit));
    }
}

/// Returns Identity Center at work in `account`; it takes its role there first.
fn caller(scene: &mut Scene<'_>, account: AccountIx, at: Seconds) -> Arc<Caller> {
    let id = scene.org.account(account).id.clone();
    let session = Session {
        role: ROLE.to_owned(),
        role_arn: format!("arn:aws:iam::{id}:role/aws-service-role/{SERVICE}/{ROLE}"),
        role_id: scene.org.role_id(account, ROLE),
        account: id,
        name: "AWSSSOProvisioning".to_owned(),
        key: scene.chance.key("ASIA"),
        started: at,
        ends: Seconds(at.0 + 3_600),
        invoked_by: SERVICE.to_owned(),
        ..Session::default()
    };
    let taken = Written::read("sts", "AssumeRole")
        .asking(json!({"roleArn": session.role_arn, "roleSessionName": session.name}))
        .answering(json!({
            "credentials": {"accessKeyId": session.key, "expiration": session.expiration()},
            "assumedRoleUser": {"assumedRoleId": format!("{}:{}", session.role_id, session.name), "arn": session.arn()},
        }));
    scene.call(at, Place { account, region: HOME }, &Caller::service(SERVICE), taken);
    session.caller(SERVICE, SERVICE)
}
