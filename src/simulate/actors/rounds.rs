//! The broker's rounds: every hour its function looks which assignments there are.
//!
//! Invariant: a round has the session that the broker uses in that hour for everything else.

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::Actor;
use crate::simulate::actors::broker;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::MANAGEMENT;
use crate::simulate::organisation::Organisation;

/// The accounts that one round looks at, at most; large organisations are looked at in turns.
const AT_ONCE: usize = 8;

/// The broker's rounds.
#[derive(Debug)]
pub struct Rounds;

impl Actor for Rounds {
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64) {
        let mut scene = Scene::of(org, diary, &format!("rounds/{day}"));
        for hour in 0..24 {
            round(&mut scene, Seconds(org.midnight(day).0 + hour * 3_600), day * 24 + hour);
        }
    }
}

fn round(scene: &mut Scene<'_>, at: Seconds, nth: i64) {
    let org = scene.org;
    let (home, session) = (Place { account: MANAGEMENT, region: HOME }, broker::session(org, at));
    let service = Caller::service("lambda.amazonaws.com");
    let taken = Written::read("sts", "AssumeRole")
        .asking(json!({"roleArn": session.role_arn, "roleSessionName": session.name}))
        .answering(json!({
            "credentials": {"accessKeyId": session.key, "expiration": session.expiration()},
            "assumedRoleUser": {"assumedRoleId": format!("{}:{}", session.role_id, session.name), "arn": session.arn()},
        }));
    scene.call(session.started, home, &service, taken);
    let by = broker::caller(scene, at);
    let count = org.accounts.len();
    for step in 0..AT_ONCE.min(count) {
        let place = (nth as usize * AT_ONCE + step) % count;
        let id = &org.account(AccountIx(place as u16)).id;
        let asked = Written::read("sso", "ListAccountAssignments")
            .asking(json!({"instanceArn": org.instance, "accountId": id, "maxResults": 100}));
        scene.call(Seconds(at.0 + 20 + step as i64), home, &by, asked);
    }
}
