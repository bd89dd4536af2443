//! What must hold of every incident, and what makes each of access and grants what it is called.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::simulate::Plan;
use crate::simulate::actors::broker;
use crate::simulate::call::Call;
use crate::simulate::call::What;
use crate::simulate::organisation::workloads;
use crate::simulate::schedule;

/// Two weeks from Monday, 2 March 2026, on.
fn plan() -> Plan {
    Plan { days: 14, people: 30, ..workloads::tests::plan() }
}

/// An incident that has happened.
struct Happened {
    org: Organisation,
    truth: Truth,
    first: Seconds,
    last: Seconds,
    calls: BTreeMap<String, Call>,
    messages: Vec<Value>,
}

impl Happened {
    fn of(plan: &Plan, incident: &Incident, at: Seconds) -> Self {
        let org = Organisation::draw(plan);
        let mut diary = Diary::new(plan.start);
        incident.happen(&org, &mut diary, at);
        let truth = diary.truths.pop().unwrap();
        assert!(diary.truths.is_empty());
        let (first, last) = truth.span().unwrap();
        let messages = diary.messages.iter().map(|it| it.message.clone()).collect();
        let calls = diary.take(i64::MAX - 1).calls;
        let calls = calls.into_iter().map(|call| (call.id.to_string(), call)).collect();
        Self { org, truth, first, last, calls, messages }
    }

    /// At ten o'clock on the first Wednesday.
    fn named(name: &str) -> Self {
        let plan = plan();
        Self::of(&plan, named(name).unwrap(), Seconds(plan.start.0 + 2 * 86_400 + 36_000))
    }

    /// Returns the calls that belong to it, in order.
    fn own(&self) -> Vec<&Call> {
        let mut own: Vec<&Call> = self.truth.events.iter().map(|id| &self.calls[id]).collect();
        own.sort_by_key(|call| call.at);
        own
    }

    /// Returns the other calls, in order.
    fn honest(&self) -> Vec<&Call> {
        let own: BTreeSet<&String> = self.truth.events.iter().collect();
        let mut honest: Vec<&Call> =
            self.calls.iter().filter(|(id, _)| !own.contains(id)).map(|(_, call)| call).collect();
        honest.sort_by_key(|call| call.at);
        honest
    }

    /// Returns when the only grant begins and ends, as the last of its messages says.
    fn window(&self) -> (Seconds, Seconds) {
        let window = &self.messages.last().unwrap()["window"];
        let moment = |name: &str| Seconds::parse(window[name].as_str().unwrap()).unwrap();
        (moment("not_before"), moment("not_after"))
    }
}

fn name_of(call: &Call) -> &'static str {
    match &call.what {
        What::Routine(routine, _) => routine.name,
        What::Written(written) => written.name,
    }
}

fn key_of(call: &Call) -> String {
    let identity: Value = serde_json::from_str(&call.by.identity).unwrap();
    identity["accessKeyId"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn each_has_a_name_of_its_own_and_says_what_it_is() {
    let names: BTreeSet<&str> = all().iter().map(|incident| incident.name).collect();
    assert_eq!(names.len(), all().len());
    for incident in all() {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        assert!(incident.name.chars().all(plain), "{}", incident.name);
        assert!(
            incident.what.ends_with('.') && incident.expect.ends_with('.'),
            "{}",
            incident.name
        );
        assert!(incident.days >= 1 && !incident.techniques.is_empty(), "{}", incident.name);
        for technique in incident.techniques {
            let digits: String = technique.chars().filter(char::is_ascii_digit).collect();
            assert!(technique.starts_with('T') && [4, 7].contains(&digits.len()), "{technique}");
        }
        assert!(std::ptr::eq(named(incident.name).unwrap(), incident));
    }
}

#[test]
fn each_names_events_that_happened_and_lie_within_it_at_any_hour() {
    let plan = plan();
    for incident in all() {
        for hour in [0, 5, 9, 13, 19] {
            let at = Seconds(plan.start.0 + 3 * 86_400 + hour * 3_600);
            let happened = Happened::of(&plan, incident, at);
            let (name, truth) = (incident.name, &happened.truth);
            let once: BTreeSet<&String> = truth.events.iter().collect();
            assert_eq!(once.len(), truth.events.len(), "{name}");
            assert!(!truth.accounts.is_empty(), "{name}");
            assert!(happened.first <= happened.last, "{name}");
            assert!(happened.first >= at, "{name} begins before its time");
            let days = happened.last.since(at).0.div_euclid(86_400) + 1;
            assert!(days <= incident.days, "{name} lasts {days} days");
            for id in &truth.events {
                let call = happened.calls.get(id).unwrap_or_else(|| panic!("{name}: no {id}"));
                assert!((happened.first..=happened.last).contains(&call.at), "{name}: {call:?}");
            }
        }
    }
}

#[test]
fn each_happens_the_same_way_again_and_in_the_smallest_organisation() {
    let small = Plan { accounts: 1, people: 1, ..plan() };
    for plan in [plan(), small] {
        let at = Seconds(plan.start.0 + 86_400 + 36_000);
        for incident in all() {
            let (one, other) =
                (Happened::of(&plan, incident, at), Happened::of(&plan, incident, at));
            assert_eq!(one.truth, other.truth);
            assert_eq!(format!("{:?}", one.calls), format!("{:?}", other.calls));
            assert_eq!(one.messages, other.messages);
        }
    }
}

#[test]
fn stolen_credentials_are_used_by_two_at_a_time() {
    for name in ["stolen_session", "instance_credentials_outside"] {
        let happened = Happened::named(name);
        let own = happened.own();
        let keys: BTreeSet<String> = own.iter().map(|call| key_of(call)).collect();
        assert_eq!(keys.len(), 1, "{name}");
        assert!(own.iter().all(|call| call.by.address.starts_with("203.0.113.")), "{name}");
        let meanwhile = happened.honest().into_iter().filter(|call| {
            keys.contains(&key_of(call)) && (happened.first..happened.last).contains(&call.at)
        });
        assert!(meanwhile.count() > 0, "{name}");
    }
}

#[test]
fn the_leaked_key_is_refused_most_of_what_it_asks() {
    let happened = Happened::named("leaked_access_key");
    let own = happened.own();
    assert!(happened.honest().is_empty());
    let refused = own.iter().filter(|call| match &call.what {
        What::Written(written) => written.error.is_some(),
        What::Routine(_, error) => error.is_some(),
    });
    assert!(refused.count() >= 8);
    assert_eq!(name_of(own[0]), "GetCallerIdentity");
    assert!(own.iter().all(|call| key_of(call).starts_with("AKIAEXAMPLE")));
}

#[test]
fn failures_to_sign_in_come_before_the_sign_in() {
    let happened = Happened::named("console_login_without_mfa");
    let own = happened.own();
    let logins: Vec<&Call> =
        own.iter().copied().filter(|call| name_of(call) == "ConsoleLogin").collect();
    let failed = |call: &Call| matches!(&call.what, What::Written(it) if it.error.is_some());
    let (last, failures) = logins.split_last().unwrap();
    assert!(failures.len() >= 5 && failures.iter().all(|call| failed(call)) && !failed(last));
    assert!(own.iter().skip(logins.len()).all(|call| key_of(call).starts_with("ASIAEXAMPLE")));
}

#[test]
fn a_privilege_without_a_grant_has_no_message_about_it() {
    let happened = Happened::named("ungranted_privilege");
    assert!(happened.messages.is_empty());
    assert!(happened.own().iter().any(|call| name_of(call) == "AssumeRoleWithSAML"));
    assert!(happened.honest().iter().all(|call| name_of(call) != "CreateAccountAssignment"));
}

#[test]
fn an_outlived_grant_was_used_in_time_by_the_same_session() {
    let happened = Happened::named("grant_outlived");
    let (from, until) = happened.window();
    let (own, honest) = (happened.own(), happened.honest());
    assert!(own.iter().all(|call| call.at > until));
    let key = key_of(own[0]);
    assert!(honest.iter().any(|call| key_of(call) == key && (from..until).contains(&call.at)));
    assert!(honest.iter().any(|call| name_of(call) == "DeleteAccountAssignment"));
}

#[test]
fn what_is_out_of_scope_happens_while_the_grant_is_active() {
    let happened = Happened::named("grant_out_of_scope");
    let (from, until) = happened.window();
    assert!(happened.own().iter().all(|call| (from..until).contains(&call.at)));
    for message in &happened.messages {
        let scope = &message["scope"];
        assert_eq!(scope["actions"], serde_json::json!(["rds:*"]));
        let resource = scope["resources"][0].as_str().unwrap();
        assert!(resource.starts_with("arn:aws:rds:"), "{resource}");
    }
    assert_eq!(happened.truth.accounts.len(), 2);
    let elsewhere = happened.own().last().unwrap().place.account;
    assert_eq!(happened.org.account(elsewhere).id, happened.truth.accounts[1]);
}

#[test]
fn broken_glass_is_told_before_it_is_used_and_approved_by_nobody() {
    let happened = Happened::named("break_glass");
    let (from, until) = happened.window();
    assert!(happened.own().iter().all(|call| (from..until).contains(&call.at)));
    assert!(happened.own().iter().any(|call| name_of(call) == "RebootDBInstance"));
    for message in &happened.messages {
        assert_eq!(message["id"], *happened.truth.grants[0]);
        assert_eq!(
            (&message["break_glass"], &message["approvers"]),
            (&true.into(), &Value::Array(Vec::new()))
        );
    }
    assert!(happened.honest().iter().any(|call| name_of(call) == "DeleteAccountAssignment"));
}

/// Lets every incident happen in an organisation of so many people, as `--incident all` does in so many days.
fn all_together(seed: u64, people: u16, days: i64) -> Diary {
    let plan = Plan { seed, people, days, ..plan() };
    let org = Organisation::draw(&plan);
    let mut diary = Diary::new(plan.start);
    let moments = schedule::spread(seed, (plan.start, days), &all());
    let mut placed: Vec<_> =
        all().into_iter().zip(moments).filter_map(|(it, at)| Some((at?, it))).collect();
    placed.sort_by_key(|(at, incident)| (*at, incident.name));
    for (at, incident) in placed {
        incident.happen(&org, &mut diary, at);
    }
    diary
}

#[test]
fn nobody_plays_in_two_incidents_near_the_same_hours() {
    for (seed, people, days) in [(7, 60, 3), (11, 30, 14), (42, 8, 3), (5, 8, 14)] {
        let parts = all_together(seed, people, days).parts.0;
        assert!(parts.len() >= 20, "{parts:?}");
        for (nth, one) in parts.iter().enumerate() {
            for other in &parts[..nth] {
                assert!(!one.disturbs(other), "seed {seed}: {one:?} and {other:?}");
            }
        }
    }
}

#[test]
fn where_there_are_too_few_people_incidents_wait_and_all_of_them_come() {
    let moments = |people| {
        let truths = all_together(7, people, 3).truths;
        truths.into_iter().map(|truth| (truth.name, truth.first)).collect::<BTreeMap<_, _>>()
    };
    let (few, many) = (moments(2), moments(60));
    assert!(few.keys().eq(many.keys()));
    let waits = few.iter().filter(|(name, first)| **first > many[*name]);
    assert!(waits.count() > 0, "{few:?}");
}

#[test]
fn what_is_left_of_a_grant_is_an_assignment_that_nobody_takes_away() {
    let happened = Happened::named("grant_residue");
    let status = |message: &Value| message["status"].as_str().unwrap().to_owned();
    assert_eq!(happened.messages.last().map(status).unwrap(), "revoked");
    let taken_away = happened.honest();
    assert!(taken_away.iter().all(|call| name_of(call) != "DeleteAccountAssignment"));
    assert_eq!(happened.truth.grants.len(), 1);
    assert!(happened.last > happened.own().last().unwrap().at, "the moment it was due");
}

#[test]
fn the_broker_has_no_part_in_an_assignment_out_of_band() {
    let happened = Happened::named("assignment_out_of_band");
    let own = happened.own();
    assert_eq!(name_of(own[0]), "CreateAccountAssignment");
    assert!(!own[0].by.identity.contains(broker::ROLE));
    let production = &happened.org.account(happened.org.production()).id;
    let told = happened.messages.iter();
    let mut accounts = told.map(|message| &message["scope"]["accounts"][0]);
    assert!(accounts.all(|account| account != production), "no grant asks for it");
}

#[test]
fn the_second_grant_is_active_when_its_assignment_goes() {
    let happened = Happened::named("grant_cut_short");
    assert_eq!(name_of(happened.own()[0]), "DeleteAccountAssignment");
    let second = &happened.truth.grants[1];
    let told: Vec<&str> = happened
        .messages
        .iter()
        .filter(|message| message["id"] == second.as_str())
        .map(|message| message["status"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["requested", "approved", "active"]);
}

#[test]
fn the_insider_works_at_night() {
    let plan = plan();
    let insider = named("insider_odd_hours").unwrap();
    for hour in 0..24 {
        let at = Seconds(plan.start.0 + 2 * 86_400 + hour * 3_600);
        let happened = Happened::of(&plan, insider, at);
        let names = |person: &&std::sync::Arc<crate::simulate::organisation::people::Person>| {
            person.identity() == happened.truth.identity
        };
        let person = happened.org.people.iter().find(names).unwrap();
        for call in happened.own() {
            let local = cast::local_hour(person, call.at);
            assert!((1..5).contains(&local), "{} at {local}", call.at);
        }
    }
}

#[test]
fn the_vendor_comes_by_hand_and_reads_contents() {
    let happened = Happened::named("vendor_beyond_scope");
    let own = happened.own();
    assert_eq!(name_of(own[0]), "AssumeRole");
    assert!(own.iter().filter(|call| name_of(call) == "GetObject").count() >= 10);
    assert!(own.iter().all(|call| call.by.address.starts_with("192.0.2.")));
}

#[test]
fn a_slow_drip_is_a_few_reads_on_each_of_several_days() {
    let happened = Happened::named("slow_drip");
    let mut days: BTreeMap<i64, usize> = BTreeMap::new();
    for call in happened.own() {
        *days.entry(cast::day_of(&happened.org, call.at)).or_default() += 1;
    }
    assert!(days.len() >= 3, "{days:?}");
    assert!(days.values().all(|reads| (2..=3).contains(reads)), "{days:?}");
    assert!(days.keys().all(|day| ![5, 6, 12, 13].contains(day)), "weekends: {days:?}");
}
