//! Changes of policies in the simulated organisation, as `scan` tells of them from a snapshot.

use std::collections::BTreeSet;
use std::fs;

use grantwatch::simulate::truth;
use grantwatch::simulate::truth::Line;
use grantwatch::simulate::truth::Truth;
use serde_json::Value;

use crate::outside::daemon::House;

const SMALL: [&str; 10] =
    ["--days", "2", "--people", "8", "--volume", "0.02", "--accounts", "3", "--seed", "7"];

/// The incidents that change policies, when, and the class that has to be said of each.
const INCIDENTS: [(&str, &str, &str); 5] = [
    ("escalation_policy_version", "1d3h", "admin"),
    ("escalation_attach_role_policy", "1d6h", "admin"),
    ("escalation_trust_policy", "1d9h", "trust_widened"),
    ("backdoor_user", "1d12h", "admin"),
    ("trust_opened", "1d15h", "outside_organization"),
];

/// Runs the program in `house` and returns what it printed.
#[track_caller]
fn run(house: &House, arguments: &[&str]) -> String {
    let output = house.command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}:\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Simulates into the folder `drill`; returns the truth.
fn simulated(house: &House, incidents: &[String]) -> Vec<Truth> {
    let mut asked = vec!["simulate", "--out", "drill"];
    asked.extend(SMALL);
    asked.extend(incidents.iter().flat_map(|incident| ["--incident", incident]));
    run(house, &asked);
    let text = fs::read_to_string(house.path("drill/truth.ndjson")).unwrap();
    let told = text.lines().filter_map(|line| match truth::read(line).unwrap() {
        Line::Incident(truth) => Some(truth),
        Line::Simulation(_) => None,
    });
    told.collect()
}

/// Returns the alerts of `detectors/policies` that `scan` makes of the drill.
fn scanned(house: &House) -> Vec<Value> {
    let scan = ["scan", "drill/AWSLogs", "--broker", "access-broker", "--pipeline", "ci-deploy"];
    let known = ["--grants", "drill/grants.ndjson", "--policies", "drill/snapshot/start"];
    let printed = run(house, &[&scan[..], &known, &["--format", "ndjson"]].concat());
    let alerts = printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    alerts.filter(|alert| alert["facts"]["gw.policy.target"].is_string()).collect()
}

#[test]
fn each_incident_is_told_with_its_class_and_honest_work_is_not() {
    let house = House::new();
    let at = INCIDENTS.iter().map(|(name, at, _)| format!("{name}@{at}"));
    let truths = simulated(&house, &["none".to_owned()].into_iter().chain(at).collect::<Vec<_>>());
    let alerts = scanned(&house);
    for (name, _, class) in INCIDENTS {
        let truth = truths.iter().find(|truth| truth.name == name).unwrap();
        let is_its = |alert: &&Value| {
            let id = alert["event"]["eventID"].as_str().unwrap_or_default();
            truth.events.iter().any(|event| event == id)
        };
        let told: BTreeSet<String> = alerts
            .iter()
            .filter(is_its)
            .map(|it| it["facts"]["gw.policy.worst"].to_string())
            .collect();
        assert!(told.contains(&format!("\"{class}\"")), "{name}: {told:?}");
        for alert in alerts.iter().filter(is_its) {
            assert!(alert["facts"]["gw.policy.gain"].is_string(), "{name}: {alert:#}");
            assert!(alert["facts"]["gw.policy.undo"].is_string(), "{name}: {alert:#}");
            assert_eq!(alert["facts"]["gw.policy.unknown"], Value::Null, "{name}: {alert:#}");
        }
    }
    let events: BTreeSet<&str> =
        truths.iter().flat_map(|truth| &truth.events).map(String::as_str).collect();
    for alert in &alerts {
        let id = alert["event"]["eventID"].as_str().unwrap_or_default();
        assert!(events.contains(id), "it belongs to no incident: {alert:#}");
    }
}

#[test]
fn a_week_of_honest_work_is_not_told_of() {
    let house = House::new();
    assert_eq!(simulated(&house, &["none".to_owned()]), []);
    let alerts = scanned(&house);
    assert!(alerts.is_empty(), "{alerts:#?}");
}
