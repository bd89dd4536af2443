//! Ways back in that somebody makes for themselves or for a stranger.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::EventId;
use crate::simulate::caller::Caller;
use crate::simulate::caller::UserKey;
use crate::simulate::diary::Scene;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census;
use crate::simulate::iam::census::OPS_AUTOMATION;
use crate::simulate::iam::policy_of_aws;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::deeds;
use crate::simulate::incidents::insider;
use crate::simulate::incidents::insider::BOTO;
use crate::simulate::incidents::insider::Taken;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::STRANGER;
use crate::simulate::organisation::people::Calling;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&BACKDOOR_USER, &TRUST_OPENED];

static BACKDOOR_USER: Incident = Incident {
    name: "backdoor_user",
    what: "An administrator makes an IAM user with AdministratorAccess and a key, which is then used from elsewhere.",
    expect: "A user was made, armed and given a key within minutes; the administrator is named, or the user.",
    techniques: &["T1136.003", "T1098.001", "T1098.003", "T1078.004"],
    days: 1,
    play: backdoor_user,
};

static TRUST_OPENED: Incident = Incident {
    name: "trust_opened",
    what: "An administrator lets another account take a role, and a stranger takes it.",
    expect: "A role's trust was opened to an account that is none of ours, which then took it; the administrator is named, or the stranger.",
    techniques: &["T1098.003", "T1199", "T1484.002"],
    days: 1,
    play: trust_opened,
};

fn backdoor_user(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let account = scene.org.production();
    let reason = "Rotate the keys of the payment provider";
    let insider = insider::with_grant(scene, at, (Calling::Operator, account, "Admin", reason));
    let at = insider.at;
    let (id, user) = (scene.org.account(account).id.clone(), "svc-backup-sync".to_owned());
    let key = scene.chance.key("AKIA");
    let mut told = insider.told();
    told.aliases.push(format!("user:{id}/{user}"));
    let steps = [
        (0, Edit::CreateUser { user: user.clone() }),
        (
            21,
            Edit::AttachUserPolicy {
                user: user.clone(),
                arn: policy_of_aws("AdministratorAccess"),
            },
        ),
        (38, Edit::CreateAccessKey { user: user.clone(), key: key.clone() }),
    ];
    for (after, edit) in steps {
        let moment = Seconds(at.0 + after);
        let change = Change::of(account, edit);
        told.events.push((moment, scene.change(moment, &insider.by, change)));
    }
    let owner =
        UserKey { id: census::user_id(scene.org, account, &user), account: id, name: user, key };
    let by = owner.caller("203.0.113.41", BOTO);
    let calls = vec![
        deeds::ask("sts", "GetCallerIdentity"),
        deeds::buckets(),
        deeds::ask("iam", "ListUsers"),
        deeds::ask_for("ec2", "DescribeInstances", json!({"instancesSet": {}, "filterSet": {}})),
    ];
    deeds::all_of(scene, &mut told, (&by, account), (Seconds(at.0 + 2_350), 50), calls);
    told
}

fn trust_opened(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let account = scene.org.production();
    let reason = "Set up the runbook for the new region";
    let insider = insider::with_grant(scene, at, (Calling::Operator, account, "Admin", reason));
    let at = insider.at;
    let mut told = insider.told();
    told.aliases.push(format!("external:{STRANGER}"));
    let id = &scene.org.account(account).id;
    told.aliases.push(format!("workload:{id}/role/{OPS_AUTOMATION}"));
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{STRANGER}:root")}, "Action": "sts:AssumeRole",
    }]});
    let edit = Edit::UpdateAssumeRolePolicy { role: OPS_AUTOMATION.to_owned(), trust };
    told.events.push((at, scene.change(at, &insider.by, Change::of(account, edit))));
    // Only the role's side of the call is ours to read.
    let unique = scene.chance.unique_id("AIDA");
    let stranger = Caller::of_another_account(STRANGER, &unique, "198.51.100.23", BOTO);
    let taken = Taken { account, role: OPS_AUTOMATION, name: "maintenance" };
    let moment = Seconds(at.0 + 1_130);
    let session = insider::session(scene, &taken, moment, 3_600);
    let shared = EventId(scene.chance.bits()).to_string();
    let written = insider::assume_role(scene, &session).with("sharedEventID", json!(shared));
    let place = scene.org.place(account, HOME, "sts");
    told.events.push((moment, scene.call(moment, place, &stranger, written)));
    let by = session.caller("198.51.100.23", BOTO);
    let calls = vec![
        deeds::ask("sts", "GetCallerIdentity"),
        deeds::buckets(),
        deeds::ask("secretsmanager", "ListSecrets"),
    ];
    deeds::all_of(scene, &mut told, (&by, account), (Seconds(moment.0 + 30), 40), calls);
    told
}
