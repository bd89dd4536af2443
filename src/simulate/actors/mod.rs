//! Everybody in the organisation: each lives one day after the other.
//!
//! Invariant: an actor draws from chances of its own, so that leaving one out changes nothing for the others. It writes
//! everything that follows from what it does, also what services and the broker do because of it.

pub mod broker;
pub mod crossing;
pub mod grants;
pub mod legacy;
pub mod network;
pub mod people;
pub mod pipeline;
pub mod portal;
pub mod renewal;
pub mod rounds;
pub mod services;
pub mod vendor;
pub mod workloads;

use crate::simulate::Plan;
use crate::simulate::diary::Diary;
use crate::simulate::organisation::Organisation;

/// Somebody or something that acts every day.
pub trait Actor {
    /// Writes what happens on `day` (counted from 0) into `diary`; nothing of earlier days.
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64);
}

/// Returns everybody.
pub fn everybody(plan: &Plan, org: &Organisation) -> Vec<Box<dyn Actor>> {
    let mut everybody: Vec<Box<dyn Actor>> = vec![
        Box::new(people::People::of(plan, org)),
        Box::new(rounds::Rounds),
        Box::new(workloads::Workloads::new(plan, org)),
        Box::new(services::Services::new(plan)),
        Box::new(legacy::Legacy),
        Box::new(vendor::Vendor),
        Box::new(network::Network::new(plan)),
    ];
    everybody.extend(pipeline::all(org));
    everybody
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::organisation::workloads::tests::plan;

    #[test]
    fn machines_and_services_make_twelve_to_twenty_thousand_calls_on_a_day() {
        let plan = plan();
        let org = Organisation::draw(&plan);
        let mut diary = Diary::new(plan.start);
        let mut machines: Vec<Box<dyn Actor>> = vec![
            Box::new(workloads::Workloads::new(&plan, &org)),
            Box::new(services::Services::new(&plan)),
            Box::new(legacy::Legacy),
            Box::new(vendor::Vendor),
        ];
        for day in 0..7 {
            for actor in &mut machines {
                actor.live(&org, &mut diary, day);
            }
            let calls = diary.take(day).calls.len();
            assert!((12_000..20_000).contains(&calls), "{calls} on day {day}");
        }
    }
}
