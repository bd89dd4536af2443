//! A vendor that watches production for us: it takes a role there with an external id, every hour, and reads little.
//!
//! Invariant: it calls from its own network and reads metrics and names, never contents.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::Actor;
use crate::simulate::actors::renewal;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Routine;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::catalogue::DESCRIBE_INSTANCES;
use crate::simulate::catalogue::machines;
use crate::simulate::catalogue::machines::read;
use crate::simulate::chance::Chance;
use crate::simulate::chance::Ranks;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::iam::census;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::VENDOR;

/// The role that the vendor takes, in production, path `/`.
pub const ROLE: &str = census::VENDOR_ROLE;

/// The external id that the role's trust policy asks for.
pub const EXTERNAL_ID: &str = census::VENDOR_EXTERNAL_ID;

/// The role session name.
pub const SESSION: &str = "acme-collector";

/// Where the vendor calls from.
pub const ADDRESS: &str = "192.0.2.44";

/// How the vendor calls itself.
pub const AGENT: &str = "aws-sdk-go-v2/1.36.3 ua/2.1 os/linux lang/go#1.24.1 acme-collector/7.12";

static GET_METRIC_DATA: Routine = read(
    "monitoring",
    "GetMetricData",
    r#"{"maxDatapoints":500,"metricDataQueries":[{"id":"q1","returnData":true}]}"#,
);
static LIST_METRICS: Routine =
    read("monitoring", "ListMetrics", r#"{"namespace":"AWS/EC2","recentlyActive":"PT3H"}"#);
static GET_RESOURCES: Routine = read(
    "tagging",
    "GetResources",
    r#"{"resourcesPerPage":100,"resourceTypeFilters":["ec2","rds"]}"#,
);

/// What it usually calls, and how often in proportion.
pub static USUAL: [(&Routine, f64); 6] = [
    (&GET_METRIC_DATA, 12.0),
    (&LIST_METRICS, 5.0),
    (&machines::DESCRIBE_ALARMS, 2.0),
    (&DESCRIBE_INSTANCES, 2.0),
    (&machines::DESCRIBE_DATABASES, 1.0),
    (&GET_RESOURCES, 1.0),
];

/// The vendor.
pub struct Vendor;

/// Has the vendor take its role: the record that production sees, and the session.
pub fn take_role(scene: &mut Scene<'_>, at: Seconds) -> Session {
    let org = scene.org;
    let account = org.production();
    let id = org.account(account).id.clone();
    let session = Session {
        role: ROLE.to_owned(),
        role_arn: format!("arn:aws:iam::{id}:role/{ROLE}"),
        role_id: org.role_id(account, ROLE),
        name: SESSION.to_owned(),
        key: scene.chance.key("ASIA"),
        started: at,
        ends: Seconds(at.0 + 3_600),
        account: id,
        ..Session::default()
    };
    let unique = Chance::of(org.seed, "vendor").unique_id("AROA");
    let by = Caller::of_another_account(VENDOR, &format!("{unique}:collector-eu"), ADDRESS, AGENT);
    let written = Written::read("sts", "AssumeRole")
        .asking(json!({
            "roleArn": session.role_arn, "roleSessionName": SESSION, "externalId": EXTERNAL_ID,
            "durationSeconds": 3_600,
        }))
        .answering(renewal::answer(&session))
        .with("resources", json!([renewal::role_resource(&session)]))
        .with("sharedEventID", json!(EventId(scene.chance.bits()).to_string()));
    scene.call(at, Place { account, region: HOME }, &by, written);
    session
}

impl Actor for Vendor {
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64) {
        let scene = &mut Scene::of(org, diary, &format!("vendor/{day}"));
        let weights: Vec<f64> = USUAL.iter().map(|(_, weight)| *weight).collect();
        let ranks = Ranks::weighted(&weights);
        let midnight = org.midnight(day);
        for hour in 0..24 {
            let taken = midnight.0 + hour * 3_600 + 7 * 60 + scene.chance.between(0, 20);
            let by = take_role(scene, Seconds(taken)).caller(ADDRESS, AGENT);
            for round in 0..9 {
                let mut at = taken + 5 + round * 300;
                for _ in 0..scene.chance.between(1, 5) {
                    at += scene.chance.between(0, 4);
                    let (routine, _) = USUAL[scene.chance.rank(&ranks)];
                    let place = org.place(org.production(), HOME, routine.service);
                    scene.routine(Seconds(at), place, &by, routine);
                }
            }
        }
    }
}
