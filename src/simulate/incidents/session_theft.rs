//! Credentials used by somebody else than the one they were issued to.

use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::portal;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Instance;
use crate::simulate::caller::Session;
use crate::simulate::catalogue;
use crate::simulate::chance::Chance;
use crate::simulate::diary::Scene;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::cast;
use crate::simulate::incidents::deeds;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Workload;
use crate::simulate::parts::Grants;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&STOLEN_SESSION, &INSTANCE_CREDENTIALS_OUTSIDE];

static STOLEN_SESSION: Incident = Incident {
    name: "stolen_session",
    what: "The session of a person at work is used from another network while the person goes on working.",
    expect: "The session acts from a network that it was not issued to; the person is named.",
    techniques: &["T1550.001", "T1078.004", "T1539"],
    days: 1,
    play: stolen_session,
};

static INSTANCE_CREDENTIALS_OUTSIDE: Incident = Incident {
    name: "instance_credentials_outside",
    what: "The credentials of an instance are read from its metadata service and used on somebody else's machine.",
    expect: "An instance's session acts from outside AWS while the instance goes on working; the role and the instance are named.",
    techniques: &["T1552.005", "T1078.004", "T1530"],
    days: 1,
    play: instance_credentials_outside,
};

fn stolen_session(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let role = cast::Role {
        callings: &[Calling::Developer],
        before: 1_900,
        after: 1_500,
        grants: Grants::Whatever,
    };
    let (person, at) = cast::somebody(scene, at, &role);
    let (account, set) = cast::seat(org, person);
    let desk = cast::desk(org, person, at);
    let signed_in = Seconds(at.0 - 1_800);
    let portal = portal::sign_in(scene, person, signed_in, &desk);
    let session =
        portal::take_role(scene, &portal, (person, account, set), Seconds(signed_in.0 + 20));
    let thief = session.caller(
        "203.0.113.66",
        "Boto3/1.38.0 md/Botocore#1.38.0 os/linux#6.12.13-kali lang/python#3.13.2",
    );
    let mut told = Told { identity: person.identity(), accounts: vec![account], ..Told::default() };
    for (nth, routine) in (0..).zip(
        [&catalogue::DESCRIBE_INSTANCES, &catalogue::GET_SECRET_VALUE].into_iter().cycle().take(12),
    ) {
        let moment = Seconds(at.0 + nth * 41);
        let place = org.place(account, HOME, routine.service);
        told.events.push((moment, scene.routine(moment, place, &thief, routine)));
    }
    // Before, meanwhile and afterwards, the person works on.
    let by = session.caller(&desk, cast::program(org, person));
    for nth in 0..14 {
        let moment = Seconds(at.0 - 1_500 + nth * 180 + scene.chance.between(0, 120));
        let routine = &catalogue::DESCRIBE_INSTANCES;
        let place = org.place(account, HOME, routine.service);
        scene.routine(moment, place, &by, routine);
    }
    told
}

fn instance_credentials_outside(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let instances = |ix: &AccountIx| {
        let workloads = org.account(*ix).workloads.iter();
        workloads.filter(|it| it.kind == Kind::Instance && it.calls()).collect::<Vec<_>>()
    };
    let place = std::iter::once(org.production()).chain(org.workload_accounts());
    let there = place.map(|ix| instances(&ix)).find(|found| !found.is_empty());
    let there = there.expect("some account has instances");
    let instance = *scene.chance.pick(&there[..there.len().min(3)]);
    let session = session_of(scene, instance, Seconds(at.0 - 4_260));
    let account = org.account(instance.account);
    let thief = session.caller(
        "203.0.113.129",
        "aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.12.13-amd64 md/arch#x86_64 lang/python#3.13.7",
    );
    let mut told = Told {
        identity: format!("workload:{}/role/{}", account.id, instance.role),
        accounts: vec![instance.account],
        ..Told::default()
    };
    let bucket = &account.buckets[1];
    let mut calls = vec![
        deeds::ask("sts", "GetCallerIdentity"),
        deeds::buckets(),
        deeds::refused(
            deeds::ask("secretsmanager", "ListSecrets"),
            &session.arn(),
            "secretsmanager:ListSecrets",
            "",
        ),
        deeds::objects(account, bucket),
    ];
    for _ in 0..7 {
        let key = format!("orders/{}.parquet", scene.chance.hex(16));
        let bytes = scene.chance.between(40_000, 9_000_000);
        calls.push(deeds::object(account, bucket, &key, bytes));
    }
    deeds::all_of(scene, &mut told, (&thief, instance.account), (at, 33), calls);
    at_its_work(scene, (instance, &session), (Seconds(at.0 - 900), Seconds(at.0 + 1_500)));
    told
}

/// Lets an instance read what it always reads, through the endpoint of its VPC.
fn at_its_work(
    scene: &mut Scene<'_>,
    (instance, session): (&Workload, &Session),
    (from, until): (Seconds, Seconds),
) {
    let account = scene.org.account(instance.account);
    let inside = Caller::new(
        &session.identity(),
        &instance.private.to_string(),
        "Boto3/1.38.0 md/Botocore#1.38.0 ua/2.1 os/linux#6.1.141 lang/python#3.12.11",
    );
    let purpose = format!("gateway-endpoint/{}", instance.account.0);
    let endpoint = format!("vpce-0{}", Chance::of(scene.org.seed, &purpose).hex(16));
    let by = Arc::new(Caller { endpoint, ..inside });
    let mut moment = from;
    while moment < until {
        let key = format!("static/{}.json", scene.chance.hex(6));
        let call = deeds::object(account, &account.buckets[0], &key, 3_190);
        let place = Place { account: instance.account, region: HOME };
        scene.call(moment, place, &by, call);
        moment = Seconds(moment.0 + scene.chance.wait(120.0));
    }
}

/// Returns the session that EC2 gave to an instance at `at`, with the record of it.
fn session_of(scene: &mut Scene<'_>, instance: &Workload, at: Seconds) -> Session {
    let id = scene.org.account(instance.account).id.clone();
    let session = Session {
        role_arn: format!("arn:aws:iam::{id}:role/{}", instance.role),
        role_id: scene.org.role_id(instance.account, &instance.role),
        role: instance.role.clone(),
        name: instance.id.clone(),
        key: scene.chance.key("ASIA"),
        started: at,
        ends: Seconds(at.0 + 6 * 3_600),
        from_instance: Instance::Yes,
        account: id,
        ..Session::default()
    };
    let issued = Written::read("sts", "AssumeRole")
        .asking(json!({"roleArn": session.role_arn, "roleSessionName": session.name}))
        .answering(json!({"credentials": {
            "accessKeyId": session.key, "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
            "expiration": session.expiration(),
        }}))
        .with(
            "resources",
            json!([{
                "accountId": session.account, "type": "AWS::IAM::Role", "ARN": session.role_arn,
            }]),
        );
    let place = Place { account: instance.account, region: instance.region };
    scene.call(at, place, &Caller::service("ec2.amazonaws.com"), issued);
    session
}
