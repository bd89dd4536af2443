//! Rights that somebody gives to themselves.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::portal::CLI;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::diary::Scene;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census::OPS_AUTOMATION;
use crate::simulate::iam::policy_of_aws;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::deeds;
use crate::simulate::incidents::insider;
use crate::simulate::incidents::insider::BOTO;
use crate::simulate::incidents::insider::Insider;
use crate::simulate::incidents::insider::Taken;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::workloads::Kind;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] =
    &[&POLICY_VERSION, &ATTACH_ROLE_POLICY, &PASS_ROLE_LAMBDA, &TRUST_POLICY];

static POLICY_VERSION: Incident = Incident {
    name: "escalation_policy_version",
    what: "An operator writes a new version of a policy, which allows everything, and takes the role that has it.",
    expect: "A policy was written that allows everything; the operator is named, also behind the role.",
    techniques: &["T1098.003", "T1548.005"],
    days: 1,
    play: policy_version,
};

static ATTACH_ROLE_POLICY: Incident = Incident {
    name: "escalation_attach_role_policy",
    what: "Somebody on an instance attaches AdministratorAccess to the instance's own role and looks around with it.",
    expect: "A workload made itself administrator; its role is named.",
    techniques: &["T1098.003", "T1078.004"],
    days: 1,
    play: attach_role_policy,
};

static PASS_ROLE_LAMBDA: Incident = Incident {
    name: "escalation_pass_role_lambda",
    what: "An operator makes a function that runs with the role of another, and reads with it what they may not read themselves.",
    expect: "A person passed a role to a function of their own, which reads secrets and data; the operator or the role is named.",
    techniques: &["T1648", "T1548.005", "T1555.006"],
    days: 1,
    play: pass_role_lambda,
};

static TRUST_POLICY: Incident = Incident {
    name: "escalation_trust_policy",
    what: "An operator changes the trust policy of a workload's role so that they may take it, and takes it.",
    expect: "A person changed who may take a role and took it; the operator is named.",
    techniques: &["T1098.003", "T1548.005"],
    days: 1,
    play: trust_policy,
};

/// A function, as it calls itself.
const FUNCTION: &str =
    "Boto3/1.38.0 md/Botocore#1.38.0 lang/python#3.13 exec-env/AWS_Lambda_python3.13";

fn operator<'a>(scene: &mut Scene<'a>, at: Seconds, reason: &str) -> Insider<'a> {
    let account = scene.org.production();
    insider::with_grant(scene, at, (Calling::Operator, account, "Operator", reason))
}

/// Returns the canonical name of a role of an account.
fn workload(scene: &Scene<'_>, account: AccountIx, role: &str) -> String {
    format!("workload:{}/role/{role}", scene.org.account(account).id)
}

/// A policy that allows everything.
fn everything() -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Maintenance", "Effect": "Allow", "Action": "*", "Resource": "*"},
    ]})
}

/// Lets an insider take a role and look around with it.
fn use_role(
    scene: &mut Scene<'_>,
    told: &mut Told,
    (insider, role): (&Insider<'_>, &str),
    at: Seconds,
) {
    let taken = Taken { account: insider.account, role, name: &insider.session.name };
    let session = insider::take(scene, told, (&insider.by, &taken), at);
    let by = session.caller(&insider.desk, CLI);
    let about = scene.org.account(insider.account);
    let calls = vec![
        deeds::ask("sts", "GetCallerIdentity"),
        deeds::ask_for("secretsmanager", "ListSecrets", json!({"maxResults": 100})),
        deeds::secret(&about.secrets[1]),
        deeds::objects(about, &about.buckets[3]),
    ];
    deeds::all_of(scene, told, (&by, insider.account), (Seconds(at.0 + 25), 60), calls);
    told.aliases.push(workload(scene, insider.account, role));
}

fn policy_version(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let insider = operator(scene, at, "Change the schedule of the nightly runbook");
    let at = insider.at;
    let mut told = insider.told();
    let arn =
        format!("arn:aws:iam::{}:policy/{OPS_AUTOMATION}", scene.org.account(insider.account).id);
    let looks = vec![
        deeds::ask_for("iam", "GetPolicy", json!({"policyArn": arn})),
        deeds::ask_for("iam", "ListPolicyVersions", json!({"policyArn": arn})),
    ];
    let place = (&insider.by, insider.account);
    let next = deeds::all_of(scene, &mut told, place, (at, 40), looks);
    let edit =
        Edit::CreatePolicyVersion { policy: OPS_AUTOMATION.to_owned(), document: everything() };
    let change = Change::of(insider.account, edit);
    told.events.push((next, scene.change(next, &insider.by, change)));
    use_role(scene, &mut told, (&insider, OPS_AUTOMATION), Seconds(next.0 + 75));
    told
}

fn attach_role_policy(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let (machine, session) = insider::instance(scene, "web", at);
    let account = machine.account;
    let by = session.caller(&machine.public.to_string(), BOTO);
    let mut told = Told {
        identity: workload(scene, account, &machine.role),
        accounts: vec![account],
        ..Told::default()
    };
    let role = machine.role.clone();
    let looks = vec![
        deeds::ask("sts", "GetCallerIdentity"),
        deeds::ask_for("iam", "ListAttachedRolePolicies", json!({"roleName": role})),
        deeds::ask_for("iam", "ListRolePolicies", json!({"roleName": role})),
    ];
    let next = deeds::all_of(scene, &mut told, (&by, account), (at, 20), looks);
    let edit = Edit::AttachRolePolicy { role, arn: policy_of_aws("AdministratorAccess") };
    told.events.push((next, scene.change(next, &by, Change::of(account, edit))));
    let uses = vec![
        deeds::ask("iam", "ListUsers"),
        deeds::buckets(),
        deeds::ask("secretsmanager", "ListSecrets"),
    ];
    deeds::all_of(scene, &mut told, (&by, account), (Seconds(next.0 + 45), 30), uses);
    told
}

/// Returns the role of a workload of an account: of `service`, or of another of its kind.
fn role_of<'a>(scene: &Scene<'a>, account: AccountIx, kind: Kind, service: &str) -> &'a str {
    let workloads = || scene.org.account(account).workloads.iter().filter(|it| it.calls());
    let alike = workloads().find(|it| it.service == service);
    let found = alike.or_else(|| workloads().find(|it| it.kind == kind));
    found.map_or(OPS_AUTOMATION, |it| it.role.as_str())
}

fn pass_role_lambda(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let insider = operator(scene, at, "Look into the alarms of the last night");
    let at = insider.at;
    let account = insider.account;
    let (about, name) = (scene.org.account(account), "nightly-report-fix");
    let (id, region) = (&about.id, REGIONS[usize::from(HOME.0)]);
    let strong = role_of(scene, account, Kind::Function, "invoices");
    let mut told = insider.told();
    told.aliases.push(workload(scene, account, strong));
    let role = format!("arn:aws:iam::{id}:role/{strong}");
    let asked = json!({
        "functionName": name, "runtime": "python3.13", "role": role, "handler": "index.handler",
        "code": {}, "timeout": 30, "publish": false,
    });
    let made = json!({
        "functionName": name, "functionArn": format!("arn:aws:lambda:{region}:{id}:function:{name}"),
        "runtime": "python3.13", "role": role, "handler": "index.handler", "codeSize": 412,
        "codeSha256": "Zk0q2l2nJx0m3c1nU0m1yq4Ck1b8yJm9v1h0Jw3oX2I=", "timeout": 30, "memorySize": 128,
        "version": "$LATEST", "packageType": "Zip", "state": "Pending", "stateReasonCode": "Creating",
    });
    let calls = vec![
        deeds::ask_for("iam", "ListRoles", json!({"maxItems": 200})),
        Written::write("lambda", "CreateFunction20150331").asking(asked).answering(made),
    ];
    let next = deeds::all_of(scene, &mut told, (&insider.by, account), (at, 90), calls);
    // The call that runs it is a data event, which the trail does not select.
    let lambda = Caller::service("lambda.amazonaws.com");
    let taken = Taken { account, role: strong, name };
    let session = insider::take(scene, &mut told, (&lambda, &taken), next);
    let by = session.caller("198.19.47.9", FUNCTION);
    let mut reads = vec![deeds::secret(&about.secrets[0]), deeds::secret(&about.secrets[1])];
    reads.push(deeds::objects(about, &about.buckets[3]));
    for _ in 0..6 {
        let key = format!("{}/{}", scene.chance.hex(2), scene.chance.hex(16));
        let bytes = scene.chance.between(20_000, 900_000);
        reads.push(deeds::object(about, &about.buckets[3], &key, bytes));
    }
    deeds::all_of(scene, &mut told, (&by, account), (Seconds(next.0 + 2), 2), reads);
    told
}

fn trust_policy(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let insider = operator(scene, at, "Restart the search cluster");
    let at = insider.at;
    let role = role_of(scene, insider.account, Kind::Task, "payments");
    let mut told = insider.told();
    let looks = vec![deeds::ask_for("iam", "GetRole", json!({"roleName": role}))];
    let place = (&insider.by, insider.account);
    let next = deeds::all_of(scene, &mut told, place, (at, 50), looks);
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"AWS": insider.session.role_arn}, "Action": "sts:AssumeRole"},
    ]});
    let edit = Edit::UpdateAssumeRolePolicy { role: role.to_owned(), trust };
    let change = Change::of(insider.account, edit);
    told.events.push((next, scene.change(next, &insider.by, change)));
    use_role(scene, &mut told, (&insider, role), Seconds(next.0 + 30));
    told
}
