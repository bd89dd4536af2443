//! `simulate` and `evaluate`, as a person meets them: what is written, whether it can be read, what is made of it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Output;
use std::sync::Mutex;

use grantwatch::decode;
use grantwatch::model::Seconds;
use grantwatch::simulate;
use grantwatch::simulate::Disorder;
use grantwatch::simulate::Flows;
use grantwatch::simulate::Pace;
use grantwatch::simulate::Plan;
use grantwatch::simulate::Shelf;
use grantwatch::simulate::Turn;
use grantwatch::simulate::incidents;
use grantwatch::simulate::schedule;
use grantwatch::simulate::truth;
use grantwatch::simulate::truth::Line;
use grantwatch::simulate::truth::Truth;
use serde_json::Value;

use crate::outside::aws::REGION;
use crate::outside::daemon::House;
use crate::outside::moto::Moto;
use crate::outside::wait;
use crate::scan::books;

/// A small organisation with everything in it.
const SMALL: [&str; 12] = [
    "--days",
    "3",
    "--accounts",
    "3",
    "--people",
    "8",
    "--volume",
    "0.02",
    "--flows",
    "--incident",
    "all",
    "--force",
];

/// Runs the program and expects it to end with `code`; returns what it said.
#[track_caller]
fn run(house: &House, arguments: &[&str], code: i32) -> Output {
    let output = house.command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{said}");
    output
}

/// Simulates into the folder `out` of `house`.
#[track_caller]
fn simulated(house: &House, out: &str, more: &[&str]) -> String {
    let output = run(house, &[&["simulate", "--out", out], &SMALL[..], more].concat(), 0);
    String::from_utf8(output.stderr).unwrap()
}

/// Returns every file below `folder`, by its path there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

/// Returns the `eventID`s of all records of CloudTrail in `files`.
fn delivered(files: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (_, bytes) in files.iter().filter(|(name, _)| name.contains("/CloudTrail/")) {
        let text = decode::inflate(bytes.clone(), usize::MAX).unwrap();
        let file: Value = serde_json::from_slice(&text).unwrap();
        let records = file["Records"].as_array().unwrap();
        ids.extend(records.iter().map(|record| record["eventID"].as_str().unwrap().to_owned()));
    }
    ids
}

/// Returns what the truth beside `files` tells of.
pub fn truths(files: &BTreeMap<String, Vec<u8>>) -> Vec<Truth> {
    let text = str::from_utf8(&files["truth.ndjson"]).unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        match truth::read(line).unwrap() {
            Line::Simulation(_) => {}
            Line::Incident(truth) => found.push(truth),
        }
    }
    found
}

#[track_caller]
fn assert_same(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) {
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(one), names(other));
    let differ: Vec<&String> = one.keys().filter(|name| one[*name] != other[*name]).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let house = House::new();
    simulated(&house, "one", &["--threads", "1"]);
    simulated(&house, "three", &["--threads", "3"]);
    let one = files(&house.path("one"));
    assert!(one.keys().any(|name| name.starts_with("AWSLogs/")), "{:?}", one.keys());
    assert_same(&one, &files(&house.path("three")));
    simulated(&house, "other", &["--seed", "8"]);
    assert_ne!(one["truth.ndjson"], files(&house.path("other"))["truth.ndjson"]);
}

#[test]
fn everything_it_writes_can_be_read_and_its_truth_is_delivered() {
    let house = House::new();
    let said = simulated(&house, "drill", &[]);
    let scan = ["scan", "drill/AWSLogs", "--broker", "access-broker", "--format", "ndjson"];
    let output = run(&house, &scan, 0);
    let [read, kept, duplicates, quarantined] = books(str::from_utf8(&output.stderr).unwrap());
    assert_eq!(quarantined, 0);
    assert_eq!(read, kept + duplicates);
    let count = |noun: &str| {
        let before = said.split_once(noun).unwrap_or_else(|| panic!("no `{noun}` in {said}")).0;
        before.rsplit(char::is_whitespace).next().unwrap().parse::<i64>().unwrap()
    };
    assert_eq!(read, count(" records in ") + count(" flow records"), "{said}");
    let files = files(&house.path("drill"));
    let (ids, truths) = (delivered(&files), truths(&files));
    assert!(!truths.is_empty());
    for truth in truths {
        let missing: Vec<&String> = truth.events.iter().filter(|id| !ids.contains(*id)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", truth.name);
    }
}

#[test]
fn grants_are_judged_and_honest_work_is_left_alone() {
    let house = House::new();
    for seed in ["7", "11", "42"] {
        let drill = format!("drill{seed}");
        simulated(&house, &drill, &["--seed", seed]);
        let (logs, grants) = (format!("{drill}/AWSLogs"), format!("{drill}/grants.ndjson"));
        let scan = ["scan", &logs, "--broker", "access-broker", "--grants", &grants];
        let files = files(&house.path(&drill));
        let truths = truths(&files);
        let incident = |id: &str| {
            let of = |truth: &&Truth| truth.events.iter().any(|event| id.ends_with(event));
            truths.iter().find(of).map(|truth| truth.name.as_str())
        };
        let lines = |more: &[&str]| -> Vec<Value> {
            let output = run(&house, &[&scan[..], more].concat(), 0).stdout;
            let lines = String::from_utf8(output).unwrap();
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let mut found = BTreeSet::new();
        for verdict in lines(&["--verdicts"]) {
            let name = verdict["verdict"].as_str().unwrap();
            if matches!(name, "covered" | "exempt") {
                continue;
            }
            let of = incident(verdict["event_id"].as_str().unwrap());
            let of = of.unwrap_or_else(|| panic!("honest work, seed {seed}: {verdict}"));
            let dimension = verdict["dimension"].as_str().unwrap_or_default();
            found.insert(format!("{of}: {name} {dimension}"));
        }
        for expected in [
            "ungranted_privilege: none ",
            "grant_outlived: expired ",
            "grant_out_of_scope: out_of_scope resource",
            "grant_out_of_scope: out_of_scope action",
        ] {
            assert!(found.contains(expected), "seed {seed}: no `{expected}` in {found:#?}");
        }
        let who = |name: &str| {
            let truth = truths.iter().find(|truth| truth.name == name);
            truth.unwrap_or_else(|| panic!("seed {seed}: no {name}")).identity.clone()
        };
        let alerts = lines(&["--format", "ndjson"]);
        for (name, detector) in [
            ("ungranted_privilege", "privilege_without_grant"),
            ("grant_outlived", "grant_outlived"),
            ("grant_out_of_scope", "grant_scope_exceeded"),
        ] {
            let by = who(name);
            let is_told =
                |alert: &Value| alert["detector"] == detector && alert["who"]["name"] == *by;
            assert!(alerts.iter().any(is_told), "seed {seed}: {name} of {by}");
        }
    }
}

/// A shelf in memory.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Shelf for Memory {
    fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let known = self.0.lock().unwrap().insert(key.to_owned(), bytes.to_vec());
        assert!(known.is_none(), "{key} came twice");
        Ok(())
    }
}

/// Returns the files of a simulation.
pub fn written(plan: &Plan) -> BTreeMap<String, Vec<u8>> {
    let shelf = Memory::default();
    simulate::simulate(plan, &shelf, &BrokenOff(plan.end()), 2).unwrap();
    shelf.0.into_inner().unwrap()
}

/// Breaks a simulation off.
struct BrokenOff(Seconds);

impl Pace for BrokenOff {
    fn wait_for(&self, moment: Seconds) -> Turn {
        if moment < self.0 { Turn::Deliver } else { Turn::LeaveOut }
    }

    fn told(&self, _: i64, _: u64) {}

    fn part_of(&self, (start, _): (Seconds, Seconds)) -> (Seconds, Seconds) {
        (start, self.0)
    }
}

#[test]
fn the_truth_of_a_simulation_that_was_broken_off_is_what_was_delivered() {
    let start = Seconds::parse("2026-03-02T00:00:00Z").unwrap();
    let all = incidents::all();
    let moments = schedule::spread(7, (start, 2), &all);
    let incidents: Vec<_> =
        all.into_iter().zip(moments).filter_map(|(it, at)| Some((it, at?))).collect();
    let plan = Plan {
        seed: 7,
        start,
        days: 2,
        accounts: 3,
        people: 4,
        volume: 0.01,
        incidents,
        flows: Flows::LeftOut,
        disorder: Disorder::NONE,
    };
    let written_until = |end| {
        let shelf = Memory::default();
        simulate::simulate(&plan, &shelf, &BrokenOff(end), 2).unwrap();
        shelf.0.into_inner().unwrap()
    };
    let whole = written_until(plan.end());
    let all = truths(&whole);
    let began = |truth: &Truth| truth.span().unwrap().0;
    let end = all.iter().filter(|truth| !truth.events.is_empty()).map(began).max().unwrap();
    let part = written_until(end);
    let (ids, some) = (delivered(&part), truths(&part));
    assert!(ids.len() < delivered(&whole).len());
    assert!(some.len() < all.len(), "nothing of the last one was delivered: {some:?}");
    for truth in some {
        assert!(truth.events.iter().all(|id| ids.contains(id)), "{truth:?}");
        assert!(truth.span().unwrap().1 <= end, "{truth:?}");
    }
}

/// A detector that finds whoever comes from an attacker's network, and another that finds nobody it should.
const DETECTORS: [(&str, &str); 2] = [
    (
        "from_outside.yml",
        "title: From outside\nid: 0f7c2a52-6a0e-4d9c-9f0b-3f6d2c1e8a01\nstatus: test\n\
         logsource: { product: aws, service: cloudtrail }\n\
         detection: { call: { sourceIPAddress|startswith: ['203.0.113.', '198.51.100.'] }, condition: call }\nlevel: high\n",
    ),
    (
        "signed_in.yml",
        "title: Signed in\nid: 0f7c2a52-6a0e-4d9c-9f0b-3f6d2c1e8a02\nstatus: test\n\
         logsource: { product: aws, service: cloudtrail }\n\
         detection: { call: { eventName: UserAuthentication }, condition: call }\nlevel: low\n",
    ),
];

#[test]
fn what_a_scan_finds_is_scored() {
    let house = House::new();
    let only = ["--incident", "none", "--incident", "stolen_session@1d10h"];
    let small = &SMALL[..SMALL.len() - 3];
    run(&house, &[&["simulate", "--out", "drill"], small, &only].concat(), 0);
    fs::create_dir(house.path("own")).unwrap();
    for (name, text) in DETECTORS {
        fs::write(house.path("own").join(name), text).unwrap();
    }
    let scan =
        ["scan", "drill/AWSLogs", "--no-builtin", "--detectors", "own", "--format", "ndjson"];
    let mut alerts = run(&house, &scan, 0).stdout;
    fs::write(house.path("alerts.ndjson"), &alerts).unwrap();
    let evaluate = ["evaluate", "--truth", "drill/truth.ndjson", "--alerts", "alerts.ndjson"];

    let json = run(&house, &[&evaluate[..], &["--format", "json"]].concat(), 0).stdout;
    let scores: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(scores["schema"], "grantwatch.evaluation/1");
    assert_eq!(scores["days"], 3.0);
    let incident = &scores["incidents"][0];
    assert_eq!(incident["name"], "stolen_session");
    assert_eq!(incident["finding"], "detected");
    assert_eq!(incident["detectors"], serde_json::json!(["from_outside"]));
    assert_eq!(
        (&incident["seconds_to_alert"], &incident["identity"]),
        (&0.into(), &"right".into())
    );
    let totals = &scores["totals"];
    assert_eq!((&totals["recall"], &totals["identity_accuracy"]), (&1.0.into(), &1.0.into()));
    assert!(totals["false_alerts"]["low"].as_u64() >= Some(1), "{totals}");
    let detectors = scores["detectors"].as_array().unwrap();
    let precision: Vec<_> =
        detectors.iter().map(|it| (&it["detector"], &it["precision"])).collect();
    let name = |name: &str| Value::from(name);
    assert_eq!(
        precision,
        [(&name("from_outside"), &1.0.into()), (&name("signed_in"), &0.0.into())]
    );

    let table = String::from_utf8(run(&house, &evaluate, 0).stdout).unwrap();
    for told in ["stolen_session", "detected", "from_outside", "1 of 1 incidents detected"] {
        assert!(table.contains(told), "no `{told}` in\n{table}");
    }
    let strict = ["--min-severity", "critical", "--fail-under", "0.5"];
    run(&house, &[&evaluate[..], &strict].concat(), 3);
    run(&house, &[&evaluate[..], &["--fail-under", "0.9"]].concat(), 0);

    alerts.extend(b"{\"schema_version\": 1}\n");
    fs::write(house.path("alerts.ndjson"), &alerts).unwrap();
    let bad = run(&house, &evaluate, 1);
    let line = alerts.iter().filter(|byte| **byte == b'\n').count();
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(said.contains(&format!("alerts.ndjson:{line}: missing field")), "{said}");
    assert!(String::from_utf8(bad.stdout).unwrap().contains("1 of 1 incidents"));
}

#[test]
fn a_bucket_gets_the_bytes_of_the_folder() {
    let aws = Moto::shared();
    let bucket = aws.bucket();
    let house = House::new();
    let (url, out) = (aws.url(), format!("s3://{}/drill/one", bucket.name));
    let there = ["--endpoint-url", &url, "--region", REGION];
    let small = &SMALL[..SMALL.len() - 1];
    let asked = [&["simulate", "--out", &out], small, &there].concat();
    let said = String::from_utf8(run(&house, &asked, 0).stderr).unwrap();
    assert!(said.contains(&format!("{out}/truth.ndjson")), "{said}");
    simulated(&house, "drill", &[]);
    let mut found = BTreeMap::new();
    for key in bucket.keys() {
        let name = key.strip_prefix("drill/one/").unwrap_or_else(|| panic!("{key}")).to_owned();
        found.insert(name, bucket.get(&key));
    }
    let mut here = files(&house.path("drill"));
    // Digests name the bucket, and so does what is signed.
    let is_digest =
        |name: &str| name.contains("/CloudTrail-Digest/") || name == "digest-signatures.ndjson";
    for files in [&mut found, &mut here] {
        let all = files.len();
        files.retain(|name, _| !is_digest(name));
        assert!(files.len() < all, "no digests");
    }
    assert_same(&found, &here);
    // What is there already is not mixed with something else.
    let said = String::from_utf8(run(&house, &asked, 1).stderr).unwrap();
    assert!(said.contains("is not empty; --force"), "{said}");
    // Where one may not write, one is told so.
    let nowhere = ["simulate", "--out", "s3://no-such-bucket-anywhere/x"];
    let said = run(&house, &[&nowhere[..], &there].concat(), 1).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("no-such-bucket-anywhere") && said.contains("NoSuchBucket"), "{said}");
    let forced = [&nowhere[..], &SMALL, &there].concat();
    let said = String::from_utf8(run(&house, &forced, 1).stderr).unwrap();
    assert!(said.contains("could not put `s3://no-such-bucket-anywhere/x/"), "{said}");
}

#[test]
fn a_mistake_in_what_is_asked_for_is_answered() {
    let house = House::new();
    let simulate = |more: &[&str], code| {
        let output = run(&house, &[&["simulate", "--out", "drill"], more].concat(), code);
        String::from_utf8(output.stderr).unwrap()
    };
    let said = simulate(&["--incident", "stolen_sesion"], 2);
    assert!(said.contains("did you mean `stolen_session`?"), "{said}");
    let said = simulate(&["--days", "2", "--incident", "stolen_session@2d"], 1);
    assert!(said.contains("2026-03-02T00:00:00Z to 2026-03-04T00:00:00Z"), "{said}");
    let said = simulate(&["--rate", "live", "--start", "2026-03-02"], 1);
    assert!(said.contains("leave --start out"), "{said}");
    assert!(!house.path("drill").exists(), "nothing was begun");

    fs::create_dir(house.path("drill")).unwrap();
    fs::write(house.path("drill/mine.txt"), "mine").unwrap();
    let said = simulate(&["--days", "1"], 1);
    assert!(said.contains("drill is not empty; --force"), "{said}");
    assert_eq!(files(&house.path("drill")).len(), 1);
    simulate(&["--days", "1", "--people", "1", "--volume", "0", "--force"], 0);
    assert_eq!(fs::read_to_string(house.path("drill/mine.txt")).unwrap(), "mine");

    let list = run(&house, &["simulate", "--list-incidents"], 0).stdout;
    let list = String::from_utf8(list).unwrap();
    for incident in incidents::all() {
        assert!(list.contains(incident.name) && list.contains(incident.what), "{list}");
    }
}

#[test]
fn the_daemon_takes_the_configuration_that_stands_beside_the_truth() {
    let house = House::new();
    simulated(&house, "drill", &[]);
    let mut command = house.command(&["run", "--config", "grantwatch.toml"]);
    let output = command.current_dir(house.path("drill")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(house.path("drill/grantwatch.db").exists());
}

#[test]
fn a_live_simulation_that_is_interrupted_ends_in_good_order() {
    let house = House::new();
    let small = &SMALL[..SMALL.len() - 3];
    let live = ["simulate", "--out", "drill", "--rate", "live", "--incident", "stolen_session"];
    let mut command = house.command(&[&live[..], small].concat());
    let mut process = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    // The state at the start is there at once; the incident would come in minutes.
    wait::until("the simulation to begin", || house.path("drill/snapshot/start").exists());
    let id = process.id().to_string();
    let sent = std::process::Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
    wait::until("it to end", || process.try_wait().unwrap().is_some());
    let output = process.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("interrupted"), "{said}");
    let found = files(&house.path("drill"));
    assert_eq!(truths(&found), [], "it has not happened yet");
    assert!(found.contains_key("grants.ndjson"));
}
