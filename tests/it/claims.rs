//! What became of access and grants in the simulated organisation, as `scan` and the daemon tell of it.

use std::collections::BTreeSet;
use std::fs;

use grantwatch::model::Span;
use grantwatch::simulate::truth;
use grantwatch::simulate::truth::Line;
use grantwatch::simulate::truth::Truth;
use serde_json::Value;

use crate::outside::daemon::House;

const SMALL: [&str; 6] = ["--days", "3", "--people", "8", "--volume", "0.02"];

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
    let at: Vec<&str> = ["none"].into_iter().chain(at.iter().map(String::as_str)).collect();
    drilled(house, seed, "3", &at)
}

/// Simulates into the folder `drill`, in so many accounts; returns the truth.
fn drilled(house: &House, seed: &str, accounts: &str, incidents: &[&str]) -> Vec<Truth> {
    let mut asked = vec!["simulate", "--out", "drill", "--seed", seed, "--accounts", accounts];
    asked.extend(SMALL);
    asked.extend(incidents.iter().flat_map(|incident| ["--incident", *incident]));
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

/// Returns what was told by signals of access, or of assignments beside the broker, each on one line.
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
fn honest_work_is_told_of_only_as_what_it_is() {
    for seed in ["5", "7", "11"] {
        let house = House::new();
        assert_eq!(simulated(&house, seed, &[]), []);
        let broker = lines(&fs::read_to_string(house.path("drill/grants.ndjson")).unwrap());
        let (scanned, daemon) = (scanned(&house), daemon(&house));
        for alert in about_grants(&scanned).into_iter().chain(about_grants(&daemon)) {
            assert!(is_true_of_honest_work(alert, &broker), "seed {seed}: {alert:#}");
        }
        assert_eq!(told(&scanned), told(&daemon), "seed {seed}");
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

/// What `--incident all` has to tell about grants: the incident, the detector, and the reason by its fact.
const EVERY: [(&str, &str, &str, &str); 12] = [
    ("ungranted_privilege", "privilege_without_grant", "gw.grant.verdict", "none"),
    ("grant_outlived", "grant_outlived", "gw.grant.verdict", "expired"),
    (
        "grant_outlived",
        "grant_tail",
        "gw.grant.justification",
        "Rotate the passwords of the databases",
    ),
    ("grant_out_of_scope", "grant_scope_exceeded", "gw.grant.dimension", "resource"),
    ("grant_out_of_scope", "grant_scope_exceeded", "gw.grant.dimension", "action"),
    ("grant_out_of_scope", "grant_account_exceeded", "gw.grant.dimension", "account"),
    ("break_glass", "break_glass_used", "gw.grant.break_glass", "true"),
    (
        "grant_residue",
        "grant_residue",
        "gw.grant.justification",
        "Replace a certificate of the proxy",
    ),
    ("assignment_out_of_band", "grant_out_of_band", "gw.grant.reason", "no grant asks for it"),
    ("assignment_out_of_band", "privilege_without_grant", "gw.grant.verdict", "none"),
    ("grant_cut_short", "grant_cut_short", "gw.grant.justification", "Resize the search instances"),
    ("grant_cut_short", "grant_unused", "gw.grant.justification", "Resize the search instances"),
];

/// Returns the names of the detectors that tell of grants.
fn detectors_of_grants() -> BTreeSet<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/detectors/grants");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Returns whether `alert` tells of something that is so on honest days: of an emergency, or of a grant nobody used.
fn is_true_of_honest_work(alert: &Value, broker: &[Value]) -> bool {
    let said = |member: &str, wanted: Value| {
        let of_it = broker.iter().filter(|told| told["id"] == alert["facts"]["gw.grant.id"]);
        of_it.filter(|told| told[member] == wanted).count() > 0
    };
    match alert["detector"].as_str().unwrap() {
        "break_glass_used" => said("break_glass", true.into()),
        "grant_unused" => alert["severity"] == "informational" && said("status", "active".into()),
        _ => false,
    }
}

/// Returns the incident that `alert` proves by an event or by its grant.
fn incident_of<'a>(alert: &Value, truths: &'a [Truth]) -> Option<&'a Truth> {
    let proof = [&alert["event_ids"], &alert["event"]["requestParameters"]["evidence"]];
    let proof = proof.map(Value::to_string).concat();
    truths.iter().find(|truth| {
        let is_of_grant = truth.grants.iter().any(|grant| alert["facts"]["gw.grant.id"] == **grant);
        is_of_grant || truth.events.iter().any(|event| proof.contains(event))
    })
}

#[track_caller]
fn assert_identity_and_grant(alert: &Value, truth: &Truth) {
    let (who, facts) = (&alert["who"]["name"], &alert["facts"]);
    let detector = alert["detector"].as_str().unwrap();
    // What is done with an assignment beside the broker is done by the one who got it.
    let is_favour =
        (&*truth.name, detector) == ("assignment_out_of_band", "privilege_without_grant");
    let meant = if is_favour { &truth.aliases[0] } else { &truth.identity };
    assert_eq!(who, meant, "{detector}");
    assert_eq!(
        facts["gw.grant.id"].as_str(),
        truth.grants.last().map(String::as_str),
        "{detector}"
    );
    if detector == "grant_cut_short" {
        assert_eq!(alert["event"]["requestParameters"]["endedGrant"], *truth.grants[0]);
    }
}

/// Returns the alerts of the detectors that tell of grants.
fn about_grants(alerts: &[Value]) -> Vec<&Value> {
    let ours = detectors_of_grants();
    let is_ours =
        |detector: &str| ours.contains(detector) || detector == "assignment_outside_broker";
    alerts.iter().filter(|alert| is_ours(alert["detector"].as_str().unwrap())).collect()
}

#[test]
fn incidents_that_come_together_are_told_apart() {
    for seed in ["3", "7", "11"] {
        let house = House::new();
        let truths = drilled(&house, seed, "4", &["all"]);
        let broker = lines(&fs::read_to_string(house.path("drill/grants.ndjson")).unwrap());
        let alerts = scanned(&house);
        let mut missing: BTreeSet<_> = EVERY.into_iter().collect();
        for alert in about_grants(&alerts) {
            let Some(truth) = incident_of(alert, &truths) else {
                assert!(is_true_of_honest_work(alert, &broker), "seed {seed}: {alert:#}");
                continue;
            };
            assert_identity_and_grant(alert, truth);
            let expected = EVERY.into_iter().find(|(incident, detector, fact, value)| {
                let is_it = truth.name == *incident && alert["detector"] == **detector;
                is_it && alert["facts"][*fact].to_string().trim_matches('"') == *value
            });
            let expected = expected.unwrap_or_else(|| panic!("seed {seed}: {alert:#}"));
            missing.remove(&expected);
        }
        assert_eq!(missing, BTreeSet::new(), "seed {seed}");
        let broken = |alert: &&Value| alert["detector"] == "break_glass_used";
        let of_it = |alert: &&Value| incident_of(alert, &truths).is_some();
        assert_eq!(alerts.iter().filter(broken).filter(of_it).count(), 1, "seed {seed}: told once");
        assert_scored(&house, &alerts, seed);
    }
}

/// Asserts that `evaluate` says the same: each incident about grants is detected by its own detector, with whose it was.
#[track_caller]
fn assert_scored(house: &House, alerts: &[Value], seed: &str) {
    let text: String = alerts.iter().map(|alert| format!("{alert}\n")).collect();
    fs::write(house.path("alerts.ndjson"), text).unwrap();
    let evaluate = ["evaluate", "--truth", "drill/truth.ndjson", "--alerts", "alerts.ndjson"];
    let scores = run(house, &[&evaluate[..], &["--format", "json"]].concat());
    let scores: Value = serde_json::from_str(&scores).unwrap();
    for (incident, detector, _, _) in EVERY {
        let scored = scores["incidents"].as_array().unwrap().iter();
        let scored = scored.filter(|it| it["name"] == incident).collect::<Vec<_>>();
        let [scored] = scored[..] else { panic!("seed {seed}: {incident} in {scores:#}") };
        let is_told = scored["detectors"].as_array().unwrap().contains(&detector.into());
        assert!(is_told && scored["identity"] == "right", "seed {seed}: {scored:#}");
    }
}
