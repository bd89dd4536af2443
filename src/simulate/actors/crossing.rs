//! The reports of production need figures of another account: their task takes a role there, once a night.
//!
//! Invariant: both accounts record it, with one `sharedEventID` and the same new key; what follows is recorded where the
//! figures are.

use std::sync::Arc;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::renewal;
use crate::simulate::actors::renewal::Taking;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::catalogue::machines;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::workloads::Workload;

/// The role that the task takes, path `/`; its trust policy names the role of [`SERVICE`] in production.
pub const ROLE: &str = "reports-reader";

/// The service of ours whose task takes it.
pub const SERVICE: &str = "reporting";

/// Returns the account that the role is in: the last one with workloads, if that is not production itself.
pub fn account(org: &Organisation) -> Option<AccountIx> {
    org.workload_accounts().last().copied().filter(|account| *account != org.production())
}

/// Has `workload`, calling as `by`, take the role at `at` and read what it came for.
pub fn cross(scene: &mut Scene<'_>, (workload, by): (&Workload, &Arc<Caller>), at: Seconds) {
    let org = scene.org;
    let Some(target) = account(org) else {
        return;
    };
    let taking = Taking {
        service: "",
        place: (target, HOME),
        role: ROLE,
        path: "/",
        name: "nightly-report",
        hours: 1,
    };
    let session = renewal::session(scene, &taking, at);
    let principal = format!("{}:{}", org.role_id(workload.account, &workload.role), workload.id);
    let agent = by.agent.trim_end_matches(crate::simulate::caller::LABEL).trim_end();
    let seen_there = Caller::of_another_account(
        &org.account(workload.account).id,
        &principal,
        &by.address,
        agent,
    );
    let shared = EventId(scene.chance.bits()).to_string();
    for (account, caller) in [(workload.account, by), (target, &seen_there)] {
        let written = Written::read("sts", "AssumeRole")
            .asking(json!({
                "roleArn": session.role_arn, "roleSessionName": session.name, "durationSeconds": 3_600,
            }))
            .answering(renewal::answer(&session))
            .with("resources", json!([renewal::role_resource(&session)]))
            .with("sharedEventID", json!(shared));
        scene.call(at, Place { account, region: HOME }, caller, written);
    }
    let reader = session.caller(&by.address, agent);
    let mut at = at.0 + 1;
    for nth in 0..scene.chance.between(12, 30) {
        let routine = match nth {
            0 => &machines::LIST_OBJECTS,
            _ => &machines::GET_OBJECT,
        };
        let place = org.place(target, HOME, routine.service);
        scene.routine(Seconds(at), place, &reader, routine);
        at += scene.chance.between(0, 9);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::call::What;
    use crate::simulate::diary::Diary;
    use crate::simulate::organisation::workloads::tests::plan;

    #[test]
    fn both_accounts_record_it_and_the_rest_is_recorded_where_the_figures_are() {
        let plan = plan();
        let org = Organisation::draw(&plan);
        let mut diary = Diary::new(plan.start);
        let task = org.account(org.production()).workloads.iter().find(|it| it.service == SERVICE);
        let by = Arc::new(Caller::new(&json!({"type": "AssumedRole"}), "198.19.32.3", "sdk/1"));
        cross(&mut Scene::of(&org, &mut diary, "test"), (task.unwrap(), &by), plan.start);
        let calls = diary.take(0).calls;
        let target = account(&org).unwrap();
        let taken: Vec<(AccountIx, &Written)> = calls
            .iter()
            .filter_map(|call| match &call.what {
                What::Written(written) => Some((call.place.account, &**written)),
                What::Routine(..) => None,
            })
            .collect();
        assert_eq!(taken.iter().map(|it| it.0).collect::<Vec<_>>(), [org.production(), target]);
        assert_eq!(taken[0].1, taken[1].1, "the same answer and the same shared id");
        assert!(calls[2..].iter().all(|call| call.place.account == target));
        assert_ne!(calls[0].id, calls[1].id);
    }
}
