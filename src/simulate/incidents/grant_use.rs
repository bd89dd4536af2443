//! Access beyond everyday work, used without a grant, after it, or beside it.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::portal;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Written;
use crate::simulate::diary::Scene;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::cast;
use crate::simulate::incidents::cast::Half;
use crate::simulate::incidents::deeds;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::permission_set;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&UNGRANTED_PRIVILEGE, &GRANT_OUTLIVED, &GRANT_OUT_OF_SCOPE];

static UNGRANTED_PRIVILEGE: Incident = Incident {
    name: "ungranted_privilege",
    what: "A person takes the role of an administrator, which an old assignment still allows, and changes production without a grant.",
    expect: "Privileged actions that no grant covers; the person, and that there was no grant at all.",
    techniques: &["T1078.004", "T1098.003"],
    days: 1,
    play: ungranted_privilege,
};

static GRANT_OUTLIVED: Incident = Incident {
    name: "grant_outlived",
    what: "A person goes on in the session of a grant after the grant has ended and the assignment is gone.",
    expect: "Privileged actions after the end of the grant, in a session that outlived it; the grant, and how long it has been over.",
    techniques: &["T1078.004", "T1550.001"],
    days: 1,
    play: grant_outlived,
};

static GRANT_OUT_OF_SCOPE: Incident = Incident {
    name: "grant_out_of_scope",
    what: "A person with a grant for one database in one account works on another database, on a secret, and in another account.",
    expect: "Privileged actions that the grant does not cover, with what kept it from covering: the resource, the action, the account.",
    techniques: &["T1078.004"],
    days: 1,
    play: grant_out_of_scope,
};

/// Returns changes of production that are worth a grant and that no rule for a single call would find odd.
fn maintenance(scene: &mut Scene<'_>, account: AccountIx) -> Vec<Written> {
    let about = scene.org.account(account);
    let function = about.workloads.iter().find(|it| it.role.ends_with("-function"));
    let function = function.map_or("orders-api", |it| it.id.as_str());
    let region = REGIONS[usize::from(HOME.0)];
    let arn = format!("arn:aws:lambda:{region}:{}:function:{function}", about.id);
    vec![
        deeds::secret(&about.secrets[0]),
        deeds::secret_written(scene, about, &about.secrets[1]),
        deeds::database_password(&deeds::database(about, 0)),
        Written::write("lambda", "UpdateFunctionConfiguration20150331v2")
            .asking(json!({"functionName": function, "environment": {}, "timeout": 60}))
            .answering(json!({
                "functionName": function, "functionArn": arn, "environment": {}, "timeout": 60,
                "lastUpdateStatus": "InProgress", "state": "Active",
            })),
    ]
}

fn ungranted_privilege(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let person = cast::somebody_of(scene, at, &[Calling::Developer], Half::Without);
    let account = cast::production(scene, person);
    let desk = cast::desk(scene.org, person, at);
    // That they take this role at all is the first that can be seen.
    let portal = portal::sign_in(scene, person, Seconds(at.0 - 300), &desk);
    let taking = (person, account, permission_set("Admin"));
    let (session, taken) = scene.noting(|scene| portal::take_role(scene, &portal, taking, at));
    let mut told = Told {
        identity: person.identity(),
        accounts: vec![account],
        events: taken,
        ..Told::default()
    };
    let by = session.caller(&desk, cast::program(scene.org, person));
    let calls = maintenance(scene, account);
    let next = deeds::all_of(scene, &mut told, (&by, account), (Seconds(at.0 + 70), 150), calls);
    let bucket = &scene.org.account(account).buckets[1];
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": format!("arn:aws:s3:::{bucket}/*"),
    }]});
    let role = census::OPS_AUTOMATION.to_owned();
    let edit = Edit::PutRolePolicy { role, policy: "orders-hotfix".to_owned(), document };
    told.events.push((next, scene.change(next, &by, Change::of(account, edit))));
    told
}

fn grant_outlived(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let person = cast::somebody_of(scene, at, &[Calling::Developer], Half::With);
    let account = cast::production(scene, person);
    let what = (account, permission_set("Admin"));
    let over = Seconds(at.0 - 720);
    let window = (Seconds(over.0 - 3_600), over);
    let grant = cast::grant(scene, person, what, window, "Rotate the passwords of the databases");
    cast::give(scene, &grant);
    let session = cast::at_work(scene, person, what, Seconds(window.0.0 + 240));
    let by =
        session.caller(&cast::desk(scene.org, person, window.0), cast::program(scene.org, person));
    // What is done in time is covered: honest work.
    let about = scene.org.account(account);
    let mut covered = Told::default();
    let first = vec![
        deeds::ask("rds", "DescribeDBInstances"),
        deeds::database_password(&deeds::database(about, 0)),
        deeds::secret_written(scene, about, &about.secrets[0]),
    ];
    deeds::all_of(scene, &mut covered, (&by, account), (Seconds(window.0.0 + 400), 500), first);
    cast::end(scene, &grant);
    let mut told = Told {
        identity: person.identity(),
        accounts: vec![account],
        grants: vec![grant.id],
        ..Told::default()
    };
    let calls = maintenance(scene, account);
    deeds::all_of(scene, &mut told, (&by, account), (at, 260), calls);
    told
}

fn grant_out_of_scope(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let person = cast::somebody_of(scene, at, &[Calling::Developer], Half::With);
    let (account, admin) = (cast::production(scene, person), permission_set("Admin"));
    let about = org.account(account);
    let window = (Seconds(at.0 - 1_500), Seconds(at.0 + 5_700));
    let grant = cast::grant(scene, person, (account, admin), window, "Restart the orders database");
    cast::give(scene, &grant);
    cast::end(scene, &grant);
    let (granted, other) = (deeds::database(about, 0), deeds::database(about, 1));
    let region = REGIONS[usize::from(HOME.0)];
    let arn = format!("arn:aws:rds:{region}:{}:db:{granted}", about.id);
    for told in scene.diary.messages.iter_mut().filter(|it| it.message["id"] == *grant.id) {
        told.message["scope"]["actions"] = json!(["rds:*"]);
        told.message["scope"]["resources"] = json!([arn]);
    }
    let desk = cast::desk(org, person, at);
    let portal = portal::sign_in(scene, person, Seconds(at.0 - 1_300), &desk);
    let take = |scene: &mut Scene<'_>, account, at| {
        let taking = (person, account, admin);
        scene.noting(|scene| portal::take_role(scene, &portal, taking, at))
    };
    let (session, _) = take(scene, account, Seconds(at.0 - 1_280));
    let by = session.caller(&desk, cast::program(scene.org, person));
    let asked_for = vec![deeds::database_restart(&granted)];
    let mut covered = Told::default();
    deeds::all_of(scene, &mut covered, (&by, account), (Seconds(at.0 - 600), 60), asked_for);

    let mut told = Told {
        identity: person.identity(),
        accounts: vec![account],
        grants: vec![grant.id.clone()],
        ..Told::default()
    };
    let beside = vec![
        deeds::database_restart(&other),
        deeds::secret_written(scene, about, &about.secrets[0]),
    ];
    let next = deeds::all_of(scene, &mut told, (&by, account), (at, 300), beside);
    // An assignment from before there was a broker lets them into the next account.
    if let Some(next_door) = deeds::accounts_from(org, &[account]).get(1).copied() {
        let (session, taken) = take(scene, next_door, next);
        told.events.extend(taken);
        told.accounts.push(next_door);
        let by = session.caller(&desk, cast::program(scene.org, person));
        let there = vec![deeds::database_restart(&deeds::database(org.account(next_door), 0))];
        deeds::all_of(scene, &mut told, (&by, next_door), (Seconds(next.0 + 90), 60), there);
    }
    told
}
