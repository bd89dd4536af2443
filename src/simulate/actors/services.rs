//! AWS services that act by themselves: inventory, scaling, balancing, backups, provisioning, and CloudTrail's own work.
//!
//! Invariant: such a call says `invokedBy` and has the service's name where others have an address.

use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::Plan;
use crate::simulate::actors::Actor;
use crate::simulate::actors::renewal;
use crate::simulate::actors::renewal::Taking;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Session;
use crate::simulate::catalogue::services;
use crate::simulate::catalogue::services::HELPERS;
use crate::simulate::catalogue::services::Helper;
use crate::simulate::catalogue::services::Hours;
use crate::simulate::catalogue::services::Where;
use crate::simulate::chance::Ranks;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::MANAGEMENT;
use crate::simulate::organisation::Organisation;

/// How often CloudTrail asks whether it may write to the bucket of logs: seconds, for each account that it serves.
const ACL: f64 = 1_500.0;

/// The services of AWS.
pub struct Services {
    volume: f64,
    cloudtrail: Arc<Caller>,
}

impl Services {
    /// Returns the services.
    pub fn new(plan: &Plan) -> Self {
        Self { volume: plan.volume, cloudtrail: Caller::service("cloudtrail.amazonaws.com") }
    }
}

impl Actor for Services {
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64) {
        let accounts = (0..org.accounts.len() as u16).map(AccountIx);
        let with_work = org.workload_accounts();
        for account in accounts {
            for (nth, helper) in HELPERS.iter().enumerate() {
                if is_at(helper, account, &with_work) {
                    let purpose = format!("service/{}/{nth}/{day}", account.0);
                    self.help(&mut Scene::of(org, diary, &purpose), helper, account, day);
                }
            }
            let purpose = format!("service/{}/own/{day}", account.0);
            own_work(&mut Scene::of(org, diary, &purpose), account, day);
        }
        self.keep_trail(&mut Scene::of(org, diary, &format!("service/cloudtrail/{day}")), day);
    }
}

/// Returns whether `helper` works in `account`, where the accounts `with_work` have workloads.
pub fn is_at(helper: &Helper, account: AccountIx, with_work: &[AccountIx]) -> bool {
    match helper.place {
        Where::Everywhere => true,
        Where::Workloads => with_work.contains(&account),
        Where::Members => account != MANAGEMENT,
    }
}

impl Services {
    fn help(&self, scene: &mut Scene<'_>, helper: &Helper, account: AccountIx, day: i64) {
        let sweeps = match helper.hours {
            Hours::AllDay => 24,
            Hours::Sweeps(many) => many,
            Hours::Seldom if scene.chance.holds(0.3) => 1,
            Hours::Seldom => return,
        };
        let busy =
            if helper.place == Where::Workloads { self.volume } else { self.volume.min(1.0) };
        let weights: Vec<f64> = helper.mix.iter().map(|(_, weight)| *weight).collect();
        let (ranks, midnight) = (Ranks::weighted(&weights), scene.org.midnight(day));
        let share = 86_400 / sweeps;
        for sweep in 0..sweeps {
            let mut calls = scene.chance.times(helper.calls * busy / sweeps as f64);
            if calls == 0 {
                continue;
            }
            let hour = midnight.0 + sweep * share;
            let mut at = hour + scene.chance.between(0, (share - 2_400).clamp(300, 80_000));
            let by = take(scene, helper, account, Seconds(at));
            while calls > 0 {
                at = (at + scene.chance.wait(60.0)).min(midnight.0 + 86_399);
                for _ in 0..calls.min(scene.chance.between(1, 5) as usize) {
                    let (routine, _) = helper.mix[scene.chance.rank(&ranks)];
                    let place = scene.org.place(account, HOME, routine.service);
                    scene.routine(Seconds(at), place, &by, routine);
                    calls -= 1;
                }
            }
        }
    }

    /// CloudTrail looks after the bucket of logs in the security account.
    fn keep_trail(&self, scene: &mut Scene<'_>, day: i64) {
        let account = scene.org.security();
        let (mut at, end) = (scene.org.midnight(day).0, scene.org.midnight(day + 1).0);
        let mean = ACL / scene.org.accounts.len() as f64;
        loop {
            at += scene.chance.wait(mean);
            if at >= end {
                break;
            }
            let place = Place { account, region: HOME };
            let routine = match scene.chance.holds(0.35) {
                true => &services::GET_BUCKET_ACL,
                false => &services::SEAL_LOGS,
            };
            scene.routine(Seconds(at), place, &self.cloudtrail, routine);
        }
    }
}

/// Has the service of `helper` take its role.
fn take(scene: &mut Scene<'_>, helper: &Helper, account: AccountIx, at: Seconds) -> Arc<Caller> {
    let taking = Taking {
        service: helper.service,
        place: (account, HOME),
        role: helper.role,
        path: helper.path,
        name: helper.session,
        hours: 1,
    };
    let session = renewal::take(scene, &taking, at);
    let session = Session { invoked_by: helper.service.to_owned(), ..session };
    session.caller(helper.service, helper.service)
}

/// What a service does with what is its own: it turns a key, it changes a secret.
fn own_work(scene: &mut Scene<'_>, account: AccountIx, day: i64) {
    let org = scene.org;
    let (id, midnight) = (org.account(account).id.clone(), org.midnight(day));
    let identity = json!({"accountId": id, "invokedBy": "AWS Internal"});
    let by = Arc::new(Caller::new(&identity, "AWS Internal", "AWS Internal"));
    let place = Place { account, region: HOME };
    if scene.chance.holds(0.05) {
        let key = scene.chance.pick(&org.account(account).keys).clone();
        let arn = format!("arn:aws:kms:eu-central-1:{id}:key/{key}");
        let turned = Written {
            event_type: "AwsServiceEvent",
            ..Written::write("kms", "RotateKey")
                .with("serviceEventDetails", json!({"keyId": key, "rotationType": "AUTOMATIC"}))
                .with("resources", json!([{"accountId": id, "type": "AWS::KMS::Key", "ARN": arn}]))
        };
        let at = Seconds(midnight.0 + scene.chance.between(0, 86_400));
        scene.call(at, place, &by, turned);
    }
    if scene.chance.holds(0.25) {
        let secret = scene.chance.pick(&org.account(account).secrets).clone();
        let at = midnight.0 + scene.chance.between(0, 86_000);
        let arn = format!("arn:aws:secretsmanager:eu-central-1:{id}:secret:{secret}");
        let token = EventId(scene.chance.bits()).to_string();
        for (after, name) in [(0, "RotationStarted"), (25, "RotationSucceeded")] {
            let told = json!({"SecretId": arn, "ClientRequestToken": token});
            let written = Written::write("secretsmanager", name).with("additionalEventData", told);
            let written = Written { event_type: "AwsServiceEvent", ..written };
            scene.call(Seconds(at + after), place, &by, written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::call::What;
    use crate::simulate::organisation::workloads::tests::plan;
    use crate::simulate::record;

    #[test]
    fn every_call_of_a_service_says_who_made_it_and_where_others_have_an_address() {
        let plan = plan();
        let org = Organisation::draw(&plan);
        let mut diary = Diary::new(plan.start);
        for day in 0..3 {
            Services::new(&plan).live(&org, &mut diary, day);
        }
        let calls = diary.take(2).calls;
        assert!(calls.len() > 6_000, "{}", calls.len());
        for call in &calls {
            let identity: serde_json::Value = serde_json::from_str(&call.by.identity).unwrap();
            assert_eq!(identity["invokedBy"], call.by.address.as_str(), "{call:?}");
            assert!((org.start..org.midnight(3)).contains(&call.at), "{call:?}");
        }
    }

    #[test]
    fn every_line_of_the_catalogues_of_machines_is_json_and_has_no_unknown_word() {
        let plan = plan();
        let org = Organisation::draw(&plan);
        let mut diary = Diary::new(plan.start);
        let by = Caller::service("config.amazonaws.com");
        let mut scene = Scene::of(&org, &mut diary, "test");
        let place = Place { account: org.production(), region: HOME };
        let workloads = &org.account(org.production()).workloads;
        let ours =
            workloads.iter().flat_map(|it| crate::simulate::catalogue::machines::mix(&it.service));
        for (routine, _) in ours.chain(HELPERS.iter().flat_map(|it| it.mix)) {
            assert_eq!(record::unknown_words(routine), [""; 0], "{routine:?}");
            scene.routine(plan.start, place, &by, routine);
        }
        for call in diary.take(0).calls {
            let mut text = String::new();
            record::write(&org, &call, &mut text);
            let What::Routine(routine, _) = call.what else {
                panic!("only routines were entered");
            };
            let read: Result<serde_json::Value, _> = serde_json::from_str(&text);
            assert_eq!(read.unwrap()["eventName"], routine.name, "{text}");
        }
    }
}
