//! Who does damage: people who were trusted, machines that were taken over, and what they do first.
//!
//! Invariant: how somebody came to their session (sign-in, grant, the service that starts a machine) is written as on any
//! honest day and belongs to no incident; what they do with it does.

use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::portal::CLI;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Instance;
use crate::simulate::caller::Session;
use crate::simulate::diary::Scene;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::cast;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::people::Person;
use crate::simulate::organisation::permission_set;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Workload;

/// A program of somebody who does not belong here, as it calls itself.
pub(super) const BOTO: &str =
    "Boto3/1.38.0 md/Botocore#1.38.0 os/linux#6.12.13 lang/python#3.13.2 Botocore/1.38.0";

/// Somebody who was given access and uses it for something else.
pub(super) struct Insider<'a> {
    /// Who.
    pub(super) person: &'a Person,
    /// Where.
    pub(super) account: AccountIx,
    /// Their session, in their hands.
    pub(super) by: Arc<Caller>,
    /// Their session.
    pub(super) session: Session,
    /// Where they are.
    pub(super) desk: String,
}

impl Insider<'_> {
    /// Returns what is known before they do anything.
    pub(super) fn told(&self) -> Told {
        Told { identity: self.person.identity(), accounts: vec![self.account], ..Told::default() }
    }
}

/// Returns somebody of `calling` who holds `set` in `account` by a grant, at work for half an hour.
pub(super) fn with_grant<'a>(
    scene: &mut Scene<'a>,
    at: Seconds,
    (calling, account, set, reason): (Calling, AccountIx, &str, &str),
) -> Insider<'a> {
    let person = cast::somebody(scene, at, &[calling]);
    let what = (account, permission_set(set));
    let window = (Seconds(at.0 - 2_400), Seconds(at.0 + 4 * 3_600));
    let grant = cast::grant(scene, person, what, window, reason);
    cast::give(scene, &grant);
    cast::end(scene, &grant);
    seated(scene, person, what.0, set, at)
}

/// Returns `person` with `set` in `account`, which they have for good or were just given, at work for half an hour.
pub(super) fn seated<'a>(
    scene: &mut Scene<'a>,
    person: &'a Person,
    account: AccountIx,
    set: &str,
    at: Seconds,
) -> Insider<'a> {
    let begun = Seconds(at.0 - 1_800);
    let session = cast::at_work(scene, person, (account, permission_set(set)), begun);
    let desk = cast::desk(scene.org, person, begun);
    let by = session.caller(&desk, CLI);
    Insider { person, account, by, session, desk }
}

/// Returns an instance of production with its session, fetched an hour ago from its metadata service.
pub(super) fn instance<'a>(
    scene: &mut Scene<'a>,
    service: &str,
    at: Seconds,
) -> (&'a Workload, Session) {
    let org = scene.org;
    let account = org.workload_accounts()[0];
    let mut instances =
        org.account(account).workloads.iter().filter(|it| it.kind == Kind::Instance);
    let workload = instances
        .clone()
        .find(|it| it.service == service)
        .or_else(|| instances.next())
        .expect("an account with workloads has instances");
    let taken = Taken { account, role: &workload.role, name: &workload.id };
    let mut session = session(scene, &taken, Seconds(at.0 - 3_600), 6 * 3_600);
    session.from_instance = Instance::Yes;
    let ec2 = Caller::service("ec2.amazonaws.com");
    let written = assume_role(scene, &session);
    let place = org.place(account, HOME, "sts");
    scene.call(session.started, place, &ec2, written);
    (workload, session)
}

/// A role that is to be taken.
pub(super) struct Taken<'a> {
    /// The account.
    pub(super) account: AccountIx,
    /// The role, with path `/`.
    pub(super) role: &'a str,
    /// The role session name.
    pub(super) name: &'a str,
}

/// Returns a session of `taken` that begins at `at`.
pub(super) fn session(
    scene: &mut Scene<'_>,
    taken: &Taken<'_>,
    at: Seconds,
    seconds: i64,
) -> Session {
    let id = &scene.org.account(taken.account).id;
    Session {
        account: id.clone(),
        role: taken.role.to_owned(),
        role_arn: format!("arn:aws:iam::{id}:role/{}", taken.role),
        role_id: scene.org.role_id(taken.account, taken.role),
        name: taken.name.to_owned(),
        key: scene.chance.key("ASIA"),
        started: at,
        ends: Seconds(at.0 + seconds),
        ..Session::default()
    }
}

/// Returns the call that `session` was issued by.
pub(super) fn assume_role(scene: &Scene<'_>, session: &Session) -> Written {
    let id = format!("{}:{}", session.role_id, session.name);
    Written::read("sts", "AssumeRole")
        .asking(json!({
            "roleArn": session.role_arn, "roleSessionName": session.name,
            "durationSeconds": session.ends.since(session.started).0,
        }))
        .answering(json!({
            "credentials": {
                "accessKeyId": session.key, "sessionToken": format!("IQoJb3JpZ2lu{}", scene.org.id),
                "expiration": session.ends.to_string(),
            },
            "assumedRoleUser": {"assumedRoleId": id, "arn": session.arn()},
        }))
        .with(
            "resources",
            json!([{"accountId": session.account, "type": "AWS::IAM::Role", "ARN": session.role_arn}]),
        )
}

/// Lets `by` take a role; that belongs to the incident.
pub(super) fn take(
    scene: &mut Scene<'_>,
    told: &mut Told,
    (by, taken): (&Arc<Caller>, &Taken<'_>),
    at: Seconds,
) -> Session {
    let session = session(scene, taken, at, 3_600);
    let written = assume_role(scene, &session);
    let place = scene.org.place(taken.account, HOME, "sts");
    told.events.push((at, scene.call(at, place, by, written)));
    session
}
