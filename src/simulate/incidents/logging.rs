//! Logs that are stopped, deleted, or taken away.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::Place;
use crate::simulate::call::Sort;
use crate::simulate::call::Written;
use crate::simulate::deliver::path_time;
use crate::simulate::diary::Scene;
use crate::simulate::diary::TakenAway;
use crate::simulate::diary::Traces;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::cast;
use crate::simulate::incidents::deeds;
use crate::simulate::incidents::insider;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::permission_set;
use crate::simulate::parts::Grants;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&TRAIL_STOPPED, &DIGEST_CHAIN_BROKEN];

static TRAIL_STOPPED: Incident = Incident {
    name: "trail_stopped",
    what: "An administrator stops an account's own trail and deletes the log files of the day; the organisation's trail goes on.",
    expect: "A trail was stopped and log files were deleted; the administrator is named.",
    techniques: &["T1685.002", "T1070", "T1485"],
    days: 1,
    play: trail_stopped,
};

static DIGEST_CHAIN_BROKEN: Incident = Incident {
    name: "digest_chain_broken",
    what: "Somebody takes log files away before they are read, the first with the digest that names it; the bucket of the organisation's trail logs no data events.",
    expect: "A log file that a digest names is gone, and so is a digest that the next one names; nothing tells who it was.",
    techniques: &["T1070", "T1565.001"],
    days: 1,
    play: digest_chain_broken,
};

/// How many log files are deleted.
const FILES: i64 = 9;

fn trail_stopped(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let account = scene.org.production();
    let reason = "Lower the cost of logging";
    let insider = insider::with_grant(scene, at, (Calling::Operator, account, "Admin", reason));
    let at = insider.at;
    let about = scene.org.account(account);
    let region = REGIONS[usize::from(HOME.0)];
    let trail = format!("arn:aws:cloudtrail:{region}:{}:trail/{}-trail", about.id, about.name);
    let bucket = &about.buckets[5];
    let mut told = insider.told();
    let looks = vec![
        deeds::ask("cloudtrail", "DescribeTrails"),
        deeds::ask_for("cloudtrail", "GetTrailStatus", json!({"name": trail})),
        Written::write("cloudtrail", "StopLogging").asking(json!({"name": trail})),
        deeds::objects(about, bucket),
    ];
    let place = (&insider.by, account);
    let next = deeds::all_of(scene, &mut told, place, (at, 35), looks);
    let mut deleted = Vec::new();
    for nth in 0..FILES {
        let delivered = Seconds(at.0 - 600 - nth * 300);
        let (day, minute) = path_time(delivered);
        let unique = scene
            .chance
            .letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
        let key = format!(
            "AWSLogs/{id}/CloudTrail/{region}/{day}/{id}_CloudTrail_{region}_{minute}_{unique}.json.gz",
            id = about.id
        );
        deleted.push(deeds::in_place(about, "DeleteObject", Sort::DataWrite, (bucket, &key)));
    }
    deeds::all_of(scene, &mut told, place, (next, 2), deleted);
    told
}

fn digest_chain_broken(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let account = scene.org.security();
    // The chain begins with an honest file, an hour and a half before.
    let role = cast::Role {
        callings: &[Calling::Security],
        before: 5_500,
        after: 4_500,
        grants: Grants::Whatever,
    };
    let (person, at) = cast::somebody(scene, at, &role);
    let begun = Seconds(at.0 - 5_400);
    let session = cast::at_work(scene, person, (account, permission_set("SecurityAudit")), begun);
    let by = session.caller(&cast::desk(scene.org, person, begun), insider::BOTO);
    let truth = scene.diary.truths.len();
    let place = Place { account, region: HOME };
    // What was done is in no file that anybody will read: none of it belongs to the truth.
    for (after, traces) in [(0, Traces::Digest), (4_200, Traces::Left)] {
        let from = Seconds(at.0 + after);
        for nth in 0..3 {
            let moment = Seconds(from.0 + 70 * nth);
            scene.call(moment, place, &by, deeds::secret("security/archive"));
        }
        let until = Seconds(from.0 + 300);
        scene.diary.take_away(TakenAway { place, from, until, traces, truth });
    }
    Told {
        accounts: vec![account],
        span: Some((at, Seconds(at.0 + 4_200 + 2 * 3_600))),
        ..Told::default()
    }
}
