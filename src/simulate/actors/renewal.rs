//! AWS takes a role for a workload: the record of it, and the session that comes of it.
//!
//! Invariant: the session's key stands in the record's answer, so that a monitor can tell who issued it.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::RegionIx;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Instance;
use crate::simulate::caller::Session;
use crate::simulate::diary::Scene;

/// A role that a service takes for somebody, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Taking<'a> {
    /// The service, such as `lambda.amazonaws.com`.
    pub service: &'a str,
    /// Where.
    pub place: (AccountIx, RegionIx),
    /// The role's name.
    pub role: &'a str,
    /// Its path, `/` for most.
    pub path: &'a str,
    /// The role session name.
    pub name: &'a str,
    /// How many hours the credentials last.
    pub hours: i64,
}

/// Has the service take the role at `at`: writes the record and returns the session.
pub fn take(scene: &mut Scene<'_>, taking: &Taking<'_>, at: Seconds) -> Session {
    let session = session(scene, taking, at);
    let by = Caller::service(taking.service);
    let mut asked = json!({"roleArn": session.role_arn, "roleSessionName": session.name});
    if taking.hours != 1 && taking.service != "ec2.amazonaws.com" {
        asked["durationSeconds"] = json!(taking.hours * 3_600);
    }
    let written = Written::read("sts", "AssumeRole")
        .asking(asked)
        .answering(answer(&session))
        .with("resources", json!([role_resource(&session)]))
        .with("sharedEventID", json!(EventId(scene.chance.bits()).to_string()));
    let (account, region) = taking.place;
    scene.call(at, Place { account, region }, &by, written);
    session
}

/// Returns the session that a service took at `at`, without a record: for those from before the first day.
pub fn session(scene: &mut Scene<'_>, taking: &Taking<'_>, at: Seconds) -> Session {
    let org = scene.org;
    let account = taking.place.0;
    let id = org.account(account).id.clone();
    let from_instance = match taking.service {
        "ec2.amazonaws.com" => Instance::Yes,
        _ => Instance::No,
    };
    Session {
        role: taking.role.to_owned(),
        role_arn: format!("arn:aws:iam::{id}:role{}{}", taking.path, taking.role),
        role_id: org.role_id(account, taking.role),
        name: taking.name.to_owned(),
        key: scene.chance.key("ASIA"),
        started: at,
        ends: Seconds(at.0 + taking.hours * 3_600),
        from_instance,
        account: id,
        ..Session::default()
    }
}

/// Returns `responseElements` of the `AssumeRole` that gave `session`.
pub fn answer(session: &Session) -> serde_json::Value {
    json!({
        "credentials": {
            "accessKeyId": session.key,
            "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
            "expiration": session.expiration(),
        },
        "assumedRoleUser": {
            "assumedRoleId": format!("{}:{}", session.role_id, session.name),
            "arn": session.arn(),
        },
    })
}

/// Returns the role of `session` as `resources` name it.
pub fn role_resource(session: &Session) -> serde_json::Value {
    json!({"accountId": session.account, "type": "AWS::IAM::Role", "ARN": session.role_arn})
}
