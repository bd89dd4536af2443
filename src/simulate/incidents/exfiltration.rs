//! Secrets and data that leave the organisation.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::Written;
use crate::simulate::diary::Scene;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::cast;
use crate::simulate::incidents::deeds;
use crate::simulate::incidents::insider;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::STRANGER;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::parts::Grants;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&SECRETS_READ_IN_BULK, &SNAPSHOT_SHARED];

static SECRETS_READ_IN_BULK: Incident = Incident {
    name: "secrets_read_in_bulk",
    what: "A developer reads every secret of production within minutes.",
    expect: "One identity read many different secrets at once; the developer is named.",
    techniques: &["T1555.006", "T1213"],
    days: 1,
    play: secrets_read_in_bulk,
};

static SNAPSHOT_SHARED: Incident = Incident {
    name: "snapshot_shared",
    what: "An operator makes snapshots of two disks and shares them with a stranger's account.",
    expect: "Snapshots were shared with an account that is none of ours; the operator is named.",
    techniques: &["T1537", "T1578.001"],
    days: 1,
    play: snapshot_shared,
};

/// Secrets that nobody reads on an ordinary day.
const FORGOTTEN: [&str; 11] = [
    "archive-db",
    "bank-api",
    "crm",
    "datadog",
    "dkim",
    "edi",
    "erp",
    "fraud-api",
    "ldap",
    "sftp",
    "vpn",
];

fn secrets_read_in_bulk(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let account = scene.org.production();
    let role = cast::Role {
        callings: &[Calling::Developer],
        before: 2_000,
        after: 900,
        grants: Grants::Whatever,
    };
    let (person, at) = cast::somebody(scene, at, &role);
    let insider = insider::seated(scene, person, account, "Developer", at);
    let about = scene.org.account(account);
    let forgotten = FORGOTTEN.iter().map(|name| format!("{}/{name}", about.name));
    let secrets: Vec<String> = about.secrets.iter().cloned().chain(forgotten).collect();
    let mut told = insider.told();
    let mut calls =
        vec![deeds::ask_for("secretsmanager", "ListSecrets", json!({"maxResults": 100}))];
    calls.extend(secrets.iter().map(|name| deeds::secret(name)));
    deeds::all_of(scene, &mut told, (&insider.by, account), (at, 9), calls);
    told
}

fn snapshot_shared(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let account = scene.org.production();
    let reason = "Move the disks of the search cluster";
    let insider = insider::with_grant(scene, at, (Calling::Operator, account, "Operator", reason));
    let at = insider.at;
    let about = scene.org.account(account);
    let mut told = insider.told();
    let mut calls =
        vec![deeds::ask_for("ec2", "DescribeVolumes", json!({"volumeSet": {}, "filterSet": {}}))];
    let zone = format!("{}a", REGIONS[usize::from(HOME.0)]);
    for instance in about.workloads.iter().filter(|it| it.kind == Kind::Instance).take(2) {
        let snapshot = format!("snap-0{}", scene.chance.hex(16));
        let volume = format!("vol-0{}", scene.chance.hex(16));
        let request = scene.chance.hex(8);
        calls.push(
            Written::write("ec2", "CreateSnapshot")
                .asking(json!({"volumeId": volume, "description": format!("{} {}", instance.service, instance.id)}))
                .answering(json!({
                    "requestId": format!("{request}-59db-4f1c-9d0a-0c0f4b1e7f3a"), "snapshotId": snapshot,
                    "volumeId": volume, "status": "pending", "startTime": at.0 * 1_000, "ownerId": about.id,
                    "volumeSize": "200", "encrypted": false, "availabilityZone": zone,
                })),
        );
        calls.push(
            Written::write("ec2", "ModifySnapshotAttribute")
                .asking(json!({
                    "snapshotId": snapshot, "attributeType": "CREATE_VOLUME_PERMISSION",
                    "createVolumePermission": {"add": {"items": [{"userId": STRANGER}]}},
                }))
                .answering(json!({
                    "requestId": format!("{request}-59db-4f1c-9d0a-0c0f4b1e7f3b"), "_return": true,
                })),
        );
    }
    deeds::all_of(scene, &mut told, (&insider.by, account), (at, 130), calls);
    told
}
