//! What became of access and grants in the simulated organisation, as `scan` and the daemon tell of it.

use std::collections::BTreeSet;
use std::fs;

use grantwatch::model::Span;
use grantwatch::simulate::truth;
use grantwatch::simulate::truth::Line;
use grantwatch::simulate::truth::Truth;
use serde_json::Value;

use crate::outside::daemon::House;

const SMALL: [&str; 8] = ["--days", "3", "--accounts", "3", "--people", "8", "--volume", "0.02"];

/// The incidents, apart from each other, and the detectors that have to tell of them.
const INCIDENTS: [(&str, &str, &str); 3] = [
    ("grant_cut_short", "1d3h", "grant_cut_short"),
    ("assignment_out_of_band", "1d10h", "grant_out_of_band"),
    ("grant_residue", "2d10h", "grant_residue"),
];

/// The detectors of what is done with grants, which may be honest.
pub const OF_USE: [&str; 3] = ["grant_unused", "grant_tail", "break_glass_used"];

/// Runs the program in `house` and returns what it printed.
#[track_caller]
fn run(house: &House, arguments: &[&str]) -> String {
    let output = house.command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}:\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Simulates into the folder `drill`, with `incidents` at their times.
pub fn simulated(house: &House, seed: &str, incidents: &[(&str, &str, &str)]) -> Vec<Truth> {
    let at: Vec<String> = incidents.iter().map(|(name, at, _)| format!("{name}@{at}")).collect();
    let mut asked = vec!["simulate", "--out", "drill", "--seed", seed, "--incident", "none"];
    asked.extend(SMALL);
    asked.extend(at.iter().flat_map(|at| ["--incident", at]));
    run(house, &asked);
    let text = fs::read_to_string(house.path("drill/truth.ndjson")).unwrap();
    let told = text.lines().filter_map(|line| match truth::read(line).unwrap() {
        Line::Incident(truth) => Some(truth),
        Line::Simulation(_) => None,
    });
    told.collect()
}

/// Returns the alerts that `scan` makes of the drill.
pub fn scanned(house: &House) -> Vec<Value> {
    let scan =
        ["scan", "drill/AWSLogs", "--broker", "access-broker", "--grants", "drill/grants.ndjson"];
    lines(&run(house, &[&scan[..], &["--format", "ndjson"]].concat()))
}

/// Returns the alerts that the daemon makes of the drill, with the configuration that stands in it.
pub fn daemon(house: &House) -> Vec<Value> {
    let mut command = house.command(&["run", "--config", "grantwatch.toml"]);
    let output = command.current_dir(house.path("drill")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lines(&fs::read_to_string(house.path("drill/alerts.ndjson")).unwrap())
}

/// Returns what was told by signals, or of assignments beside the broker, each on one line.
fn told(alerts: &[Value]) -> BTreeSet<String> {
    let is_of_use = |alert: &Value| OF_USE.iter().any(|name| alert["detector"] == **name);
    let is_ours = |alert: &&Value| {
        alert["event"]["eventSource"] == "grantwatch" && !is_of_use(alert)
            || alert["detector"] == "assignment_outside_broker"
    };
    let line = |alert: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (detector, first) = (text(&alert["detector"]), text(&alert["first_seen"]));
        let (grant, reason) =
            (text(&alert["facts"]["gw.grant.id"]), text(&alert["facts"]["gw.grant.reason"]));
        format!("{first} {detector} {} {grant} {reason}", text(&alert["who"]["name"]))
    };
    alerts.iter().filter(is_ours).map(line).collect()
}

#[test]
fn each_incident_is_told_with_its_grant_and_its_person() {
    for seed in ["7", "11", "42"] {
        let house = House::new();
        let truths = simulated(&house, seed, &INCIDENTS);
        let alerts = scanned(&house);
        let told = told(&alerts);
        assert_eq!(
            told.len(),
            INCIDENTS.len(),
            "seed {seed}: nothing else, and each once: {told:#?}"
        );
        for (name, _, detector) in INCIDENTS {
            let truth = truths.iter().find(|truth| truth.name == name).unwrap();
            let of_it = |alert: &&Value| alert["detector"] == *detector;
            let alert =
                alerts.iter().find(of_it).unwrap_or_else(|| panic!("seed {seed}: no {detector}"));
            assert_eq!(alert["who"]["name"], *truth.identity, "seed {seed}");
            let (facts, about) = (&alert["facts"], &alert["event"]["requestParameters"]);
            let named = [&facts["gw.grant.id"], &about["endedGrant"]];
            for grant in &truth.grants {
                assert!(
                    named.contains(&&Value::from(&**grant)),
                    "seed {seed}: {grant} in {alert:#}"
                );
            }
            let proof = about["evidence"].to_string();
            let is_proved = truth.events.iter().any(|event| proof.contains(event));
            assert!(is_proved, "seed {seed}: {proof} against {:?}", truth.events);
            let account = truth.accounts.iter().any(|account| alert["account"] == **account);
            assert!(account, "seed {seed}: {} of {:?}", alert["account"], truth.accounts);
        }
        assert_eq!(self::told(&daemon(&house)), told, "seed {seed}: the daemon tells the same");
    }
}

#[test]
fn honest_work_gives_no_signal() {
    for seed in ["5", "7", "11"] {
        let house = House::new();
        assert_eq!(simulated(&house, seed, &[]), []);
        assert_eq!(told(&scanned(&house)), BTreeSet::new(), "seed {seed}");
        assert_eq!(told(&daemon(&house)), BTreeSet::new(), "seed {seed}, daemon");
    }
}

#[test]
fn access_from_before_the_time_that_is_asked_about_is_known() {
    let house = House::new();
    let [.., residue] = INCIDENTS;
    let truths = simulated(&house, "7", &[residue]);
    let (given_back, _) = truths[0].span().unwrap();
    // It was given three quarters of an hour earlier, by a record that no rule is asked about.
    let from = given_back.plus(Span(-2_699)).to_string();
    let scan =
        ["scan", "drill/AWSLogs", "--broker", "access-broker", "--grants", "drill/grants.ndjson"];
    let more = ["--format", "ndjson", "--from", &from];
    let found = told(&lines(&run(&house, &[&scan[..], &more].concat())));
    let is_residue =
        |line: &String| line.contains(" grant_residue ") && line.contains(&truths[0].identity);
    assert_eq!(found.iter().filter(|line| is_residue(line)).count(), 1, "{found:#?}");
}

#[test]
fn nothing_is_told_where_nobody_reads_grants() {
    let house = House::new();
    simulated(&house, "7", &INCIDENTS);
    let alerts = lines(&run(
        &house,
        &["scan", "drill/AWSLogs", "--broker", "access-broker", "--format", "ndjson"],
    ));
    let told = told(&alerts);
    let detectors: Vec<&str> = told.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(detectors, ["assignment_outside_broker"], "the assignment beside the broker alone");
}
