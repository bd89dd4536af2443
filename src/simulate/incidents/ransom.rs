//! Data that is locked away from its owner.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::Sort;
use crate::simulate::call::Written;
use crate::simulate::diary::Scene;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::deeds;
use crate::simulate::incidents::insider;
use crate::simulate::incidents::insider::BOTO;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::STRANGER;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&BUCKET_RANSOM];

static BUCKET_RANSOM: Incident = Incident {
    name: "bucket_ransom",
    what: "Somebody on a machine rewrites the objects of one bucket under a key that only it knows, those of another under a stranger's key, deletes those of a third and leaves a note.",
    expect: "Objects were rewritten under foreign keys; the machine's role is named.",
    techniques: &["T1486", "T1485", "T1490", "T1552.005"],
    days: 1,
    play: bucket_ransom,
};

/// How many objects of each bucket are rewritten.
const OBJECTS: i64 = 40;

fn bucket_ransom(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let (machine, session) = insider::instance(scene, "exporter", at);
    let account = machine.account;
    let about = scene.org.account(account);
    let by = session.caller(&machine.public.to_string(), BOTO);
    let mut told = Told {
        identity: format!("workload:{}/role/{}", about.id, machine.role),
        accounts: vec![account],
        ..Told::default()
    };
    let (orders, exports, invoices) = (&about.buckets[1], &about.buckets[2], &about.buckets[3]);
    let mut calls = vec![deeds::buckets(), versioning_suspended(about, orders)];
    calls.push(deeds::objects(about, orders));
    let stranger = format!(
        "arn:aws:kms:{}:{STRANGER}:key/6c1b6a0e-2f5d-4a57-9c7e-0d7c2b8f1e42",
        REGIONS[usize::from(HOME.0)]
    );
    for nth in 0..OBJECTS {
        let key = format!("{:02x}/{:016x}", nth * 5, scene.chance.bits() as u64);
        let asked = json!({"x-amz-server-side-encryption-customer-algorithm": "AES256"});
        calls.push(rewritten(about, (orders, &key), asked, "SSE_C"));
    }
    calls.push(deeds::objects(about, invoices));
    for nth in 0..OBJECTS {
        let key = format!("{:02x}/{:016x}", nth * 3, scene.chance.bits() as u64);
        let asked = json!({
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": stranger,
        });
        calls.push(rewritten(about, (invoices, &key), asked, "SSE_KMS"));
    }
    for nth in 0..OBJECTS / 2 {
        let key = format!("{:02x}/{:016x}", nth * 7, scene.chance.bits() as u64);
        calls.push(deeds::in_place(about, "DeleteObject", Sort::DataWrite, (exports, &key)));
    }
    let note = (orders.as_str(), "HOW_TO_GET_YOUR_DATA_BACK.txt");
    calls.push(deeds::in_place(about, "PutObject", Sort::DataWrite, note));
    deeds::all_of(scene, &mut told, (&by, account), (at, 4), calls);
    told
}

/// Copies an object over itself, encrypted as `asked`.
fn rewritten(
    account: &Account,
    (bucket, key): (&str, &str),
    asked: Value,
    applied: &str,
) -> Written {
    let mut call = deeds::in_place(account, "CopyObject", Sort::DataWrite, (bucket, key));
    call.request["x-amz-copy-source"] = json!(format!("{bucket}/{key}"));
    if let Some(asked) = asked.as_object() {
        for (member, value) in asked {
            call.request[member] = value.clone();
        }
    }
    for (member, value) in &mut call.more {
        if *member == "additionalEventData" {
            value["SSEApplied"] = json!(applied);
        }
    }
    call
}

fn versioning_suspended(account: &Account, bucket: &str) -> Written {
    let mut call = deeds::in_place(account, "PutBucketVersioning", Sort::Write, (bucket, ""));
    call.request["versioning"] = json!("");
    call.request["VersioningConfiguration"] =
        json!({"Status": "Suspended", "xmlns": "http://s3.amazonaws.com/doc/2006-03-01/"});
    call
}
