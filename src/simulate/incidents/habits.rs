//! Work that is allowed and still unlike whoever does it: at other hours, on other things, little by little.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::diary::Scene;
use crate::simulate::iam::census;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::cast;
use crate::simulate::incidents::deeds;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::VENDOR;
use crate::simulate::organisation::people::Calling;
use crate::simulate::parts::Grants;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&INSIDER_ODD_HOURS, &VENDOR_BEYOND_SCOPE, &SLOW_DRIP];

/// The calls of the insider's night: a quarter of an hour to an hour of work.
const NIGHT_CALLS: usize = 40;

static INSIDER_ODD_HOURS: Incident = Incident {
    name: "insider_odd_hours",
    what: "In the night that follows, a person who only ever works by day signs in from home and does what they usually do.",
    expect: "Usual work at hours at which this person never works; the person is named.",
    techniques: &["T1078.004", "T1213"],
    days: 2,
    play: insider_odd_hours,
};

static VENDOR_BEYOND_SCOPE: Incident = Incident {
    name: "vendor_beyond_scope",
    what: "Somebody at the vendor takes its role by hand and reads buckets and secrets, which the vendor's program never does.",
    expect: "The vendor's role does what it has never done, from another address of the vendor; the vendor's account is named.",
    techniques: &["T1199", "T1530", "T1619"],
    days: 1,
    play: vendor_beyond_scope,
};

static SLOW_DRIP: Incident = Incident {
    name: "slow_drip",
    what: "A person reads two or three things a day that they never read before: a secret, an export, a backup; a week long.",
    expect: "Reads that are rare for this person and add up over the week; the person is named.",
    techniques: &["T1530", "T1555.006", "T1029"],
    days: 7,
    play: slow_drip,
};

fn insider_odd_hours(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let role = cast::Role {
        callings: &[Calling::Developer],
        before: 0,
        after: 0,
        grants: Grants::Whatever,
    };
    let (person, at) = cast::somebody(scene, at, &role);
    let (account, _) = cast::seat(org, person);
    // At night already, or half past one of the next: late enough for whoever works late.
    let since_midnight = (at.0 + person.office.offset * 3_600).rem_euclid(86_400);
    let wait = match since_midnight {
        4_800..14_400 => 0,
        _ => (5_400 - since_midnight).rem_euclid(86_400) + scene.chance.between(0, 2_400),
    };
    let begins = Seconds(at.0 + wait);
    let night = cast::Role { after: 2 * 3_600, ..role };
    cast::take(scene, person, (&night, begins));
    let day = cast::day_of(org, begins);
    let life = cast::life(org, person);
    let ((), events) = scene.noting(|scene| life.work_at_home(scene, (day, begins), NIGHT_CALLS));
    Told { identity: person.identity(), accounts: vec![account], events, ..Told::default() }
}

fn vendor_beyond_scope(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let ix = org.production();
    let account = org.account(ix);
    let (session, taken) =
        scene.noting(|scene| vendor_session(scene, ix, ("support-jd", "192.0.2.201"), at));
    let mut told = Told {
        identity: format!("external:{VENDOR}"),
        aliases: vec![format!("workload:{}/role/{}", account.id, census::VENDOR_ROLE)],
        accounts: vec![ix],
        events: taken,
        ..Told::default()
    };
    let arn = session.arn();
    let by = session.caller(
        "192.0.2.201",
        "aws-cli/2.22.7 md/awscrt#0.22.0 ua/2.0 os/macos#24.1.0 md/arch#arm64 lang/python#3.12.6",
    );
    let no = |call, action: &str, resource: &str| deeds::refused(call, &arn, action, resource);
    let secret =
        format!("arn:aws:secretsmanager:eu-central-1:{}:secret:{}", account.id, account.secrets[0]);
    let mut calls = vec![
        deeds::ask("sts", "GetCallerIdentity"),
        deeds::buckets(),
        deeds::ask("secretsmanager", "ListSecrets"),
        no(deeds::secret(&account.secrets[0]), "secretsmanager:GetSecretValue", &secret),
        deeds::ask_for("dynamodb", "DescribeTable", json!({"tableName": account.tables[2]})),
        deeds::ask("rds", "DescribeDBSnapshots"),
    ];
    for bucket in [&account.buckets[3], &account.buckets[2]] {
        calls.push(deeds::objects(account, bucket));
        for _ in 0..6 {
            let key = format!("2026/02/{}.pdf", scene.chance.hex(10));
            let bytes = scene.chance.between(30_000, 400_000);
            calls.push(deeds::object(account, bucket, &key, bytes));
        }
    }
    deeds::all_of(scene, &mut told, (&by, ix), (Seconds(at.0 + 40), 55), calls);
    told
}

/// Lets somebody at the vendor take its role in `ix`, with the external id.
fn vendor_session(
    scene: &mut Scene<'_>,
    ix: AccountIx,
    (name, address): (&str, &str),
    at: Seconds,
) -> Session {
    let id = scene.org.account(ix).id.clone();
    let role = census::VENDOR_ROLE;
    let session = Session {
        role_arn: format!("arn:aws:iam::{id}:role/{role}"),
        role_id: scene.org.role_id(ix, role),
        role: role.to_owned(),
        name: name.to_owned(),
        key: scene.chance.key("ASIA"),
        started: at,
        ends: Seconds(at.0 + 3_600),
        account: id,
        ..Session::default()
    };
    let written = Written::read("sts", "AssumeRole")
        .asking(json!({
            "roleArn": session.role_arn, "roleSessionName": name, "externalId": census::VENDOR_EXTERNAL_ID,
            "durationSeconds": 3_600,
        }))
        .answering(json!({
            "credentials": {
                "accessKeyId": session.key, "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
                "expiration": session.expiration(),
            },
            "assumedRoleUser": {
                "assumedRoleId": format!("{}:{name}", session.role_id), "arn": session.arn(),
            },
        }))
        .with("resources", json!([{
            "accountId": session.account, "type": "AWS::IAM::Role", "ARN": session.role_arn,
        }]))
        .with("sharedEventID", json!(EventId(scene.chance.bits()).to_string()));
    let who = format!("{}:{name}", scene.chance.unique_id("AROA"));
    let by = Caller::of_another_account(VENDOR, &who, address, "aws-cli/2.22.7 md/awscrt#0.22.0");
    scene.call(at, Place { account: ix, region: HOME }, &by, written);
    session
}

fn slow_drip(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let role = cast::Role {
        callings: &[Calling::Developer],
        before: 60,
        after: 4 * 3_600,
        grants: Grants::Whatever,
    };
    let (person, at) = cast::somebody(scene, at, &role);
    let (account, set) = cast::seat(org, person);
    let mut told = Told { identity: person.identity(), accounts: vec![account], ..Told::default() };
    let mut nth = 0;
    for day in 0..SLOW_DRIP.days {
        let comes = Seconds(at.0 + day * 86_400 + scene.chance.between(0, 2 * 3_600));
        let is_weekend = matches!((comes.0.div_euclid(86_400) + 4).rem_euclid(7), 0 | 6);
        let is_away = !person.is_there(cast::day_of(org, comes));
        if day > 0 && (is_weekend || is_away) {
            continue;
        }
        // They come to work as every day.
        if day > 0 {
            cast::take(scene, person, (&role, comes));
        }
        let session = cast::at_work(scene, person, (account, set), comes);
        let by = session.caller(&cast::desk(org, person, comes), cast::program(org, person));
        let calls = drops(scene, org.account(account), nth);
        let begins = Seconds(comes.0 + scene.chance.between(600, 1_800));
        deeds::all_of(scene, &mut told, (&by, account), (begins, 2_400), calls);
        nth += 1;
    }
    told
}

/// Returns what is read on the `nth` day: two or three things, none of them twice.
fn drops(scene: &mut Scene<'_>, account: &Account, nth: usize) -> Vec<Written> {
    let (secrets, buckets) = (&account.secrets, &account.buckets);
    let mut calls = vec![deeds::secret(&secrets[(nth + 1) % secrets.len()])];
    let bucket = &buckets[[4, 3, 2, 6][nth % 4] % buckets.len()];
    for _ in 0..1 + scene.chance.below(2) {
        let key = format!("2026/{:02}/{}.gz", 1 + nth % 2, scene.chance.hex(12));
        let bytes = scene.chance.between(900_000, 60_000_000);
        calls.push(deeds::object(account, bucket, &key, bytes));
    }
    calls
}
