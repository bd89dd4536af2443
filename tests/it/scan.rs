//! `scan` over the sample day: the same alerts in every form, from every place, and as the daemon finds them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::files;
use crate::outside::aws::REGION;
use crate::outside::daemon::House;
use crate::outside::deliveries;
use crate::outside::moto::Moto;
use crate::outside::siem::Arrival;
use crate::outside::stage::Stage;
use crate::outside::wait;

const DAY: &str = "testdata/days/2026-03-02";

/// Runs `scan` with `arguments` and expects it to end with `code`.
#[track_caller]
fn scan(house: &House, arguments: &[&str], code: i32) -> Output {
    let output = house.command(&[&["scan"], arguments].concat()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{said}");
    output
}

/// Returns the alerts that `scan` of `target` prints as JSON lines.
#[track_caller]
fn alerts(house: &House, target: &str, more: &[&str]) -> Vec<Value> {
    let output = scan(house, &[&[target, "--format", "ndjson"], more].concat(), 0);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the ids of alerts, each with the name of its detector for whoever reads a failure.
fn ids(alerts: &[Value]) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    alerts.iter().map(|alert| text(&alert["id"]) + " " + &text(&alert["detector"])).collect()
}

#[track_caller]
fn assert_same(found: &BTreeSet<String>, expected: &BTreeSet<String>) {
    let (missing, new) = (expected - found, found - expected);
    assert!(missing.is_empty() && new.is_empty(), "missing: {missing:#?}\nnew: {new:#?}");
}

fn day() -> String {
    files::path(DAY).display().to_string()
}

/// Returns the numbers in the line of `text` that ends the books.
pub fn books(text: &str) -> [i64; 4] {
    let line = text.lines().find(|line| line.contains("records read")).unwrap();
    let numbers: Vec<i64> = line
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    numbers.try_into().unwrap_or_else(|numbers| panic!("{numbers:?} in `{line}`"))
}

#[test]
fn every_form_tells_the_same_alerts() {
    let house = House::new();
    let lines = alerts(&house, &day(), &[]);
    assert!(lines.len() >= 15, "the day has an incident in it: {} alerts", lines.len());
    assert_eq!(ids(&lines).len(), lines.len(), "an id came twice");
    let array = scan(&house, &[&day(), "--format", "json"], 0).stdout;
    assert_eq!(serde_json::from_slice::<Vec<Value>>(&array).unwrap(), lines);

    let csv = scan(&house, &[&day(), "--format", "csv"], 0).stdout;
    let mut csv = csv::Reader::from_reader(csv.as_slice());
    let rows: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    let of = |alert: &Value| {
        [&alert["detector"], &alert["story"]].map(|text| text.as_str().unwrap().to_owned())
    };
    let told: Vec<[String; 2]> =
        rows.iter().map(|row| [row[2].to_owned(), row[7].to_owned()]).collect();
    assert_eq!(told, lines.iter().map(of).collect::<Vec<_>>());

    let table = String::from_utf8(scan(&house, &[&day()], 0).stdout).unwrap();
    for alert in &lines {
        let [detector, story] = of(alert);
        assert!(
            table.contains(&detector) && table.contains(&story),
            "{detector} is not in\n{table}"
        );
    }
}

#[test]
fn the_books_balance() {
    let house = House::new();
    let said = scan(&house, &[&day(), "--format", "csv"], 0).stderr;
    let [read, kept, duplicates, quarantined] = books(&String::from_utf8(said).unwrap());
    assert_eq!(read, kept + duplicates + quarantined);
    let truth: Value =
        serde_json::from_str(&files::text("testdata/truth/2026-03-02.json")).unwrap();
    let count = |name: &str| truth["counts"][name].as_i64().unwrap();
    assert_eq!(read, count("records") + count("flow_lines"));
    assert_eq!(kept, count("kept") + count("flow_lines"));
    assert_eq!([duplicates, quarantined], [count("duplicates"), count("quarantined")]);
}

#[test]
fn the_same_files_give_the_same_bytes_on_any_number_of_threads() {
    let house = House::new();
    let one = alerts(&house, &day(), &["--threads", "1"]);
    assert_eq!(alerts(&house, &day(), &["--threads", "1"]), one);
    assert_eq!(alerts(&house, &day(), &["--threads", "4"]), one);
}

#[test]
fn a_bucket_gives_the_alerts_of_the_folder() {
    let aws = Moto::shared();
    let bucket = aws.bucket();
    for file in files::below(DAY, &[]) {
        let key = file.strip_prefix(files::path(DAY)).unwrap().display().to_string();
        bucket.put(&key, &fs::read(&file).unwrap());
    }
    let house = House::new();
    let address = format!("s3://{}/AWSLogs/", bucket.name);
    let url = aws.url();
    let there = ["--endpoint-url", &url, "--region", REGION];
    let found = alerts(&house, &address, &there);
    assert_same(&ids(&found), &ids(&alerts(&house, &day(), &[])));
    let all = found.iter().all(|alert| {
        let at = alert["object"].as_str().unwrap();
        at.is_empty() || at.starts_with(&format!("s3://{}/", bucket.name))
    });
    assert!(all, "each names the object it was read from");
    // A prefix is a part.
    let part = format!("s3://{}/AWSLogs/o-example0001/111122223333/", bucket.name);
    let part = ids(&alerts(&house, &part, &there));
    assert!(!part.is_empty() && part.len() < ids(&found).len());
}

#[test]
fn the_daemon_finds_what_scan_finds() {
    let stage = Stage::new();
    // The files come in the order of their names, that is, account by account.
    let house =
        stage.house.with("[pipeline]\ncommit_interval = \"100ms\"\nallowed_lateness = \"1d\"\n");
    let stage = Stage { house, ..stage };
    for file in files::below(DAY, &[]) {
        let key = file.strip_prefix(files::path(DAY)).unwrap().display().to_string();
        stage.bucket.put(&key, &fs::read(&file).unwrap());
        assert!(stage.queue.depth().waiting < 400);
    }
    // Alerts about the intake are about the source, and that is another one here.
    let is_of_the_day =
        |alert: &Value| !alert["detector"].as_str().unwrap().ends_with("_quarantined");
    let mut expected = alerts(&stage.house, &day(), &[]);
    expected.retain(is_of_the_day);
    let expected = ids(&expected);
    let mut daemon = stage.house.run();
    daemon.await_that("the queue to be read", |_| stage.queue.is_empty());
    let arrived = || {
        let alerts = stage.siem.taken();
        let alerts: Vec<Value> = alerts.iter().map(Arrival::alert).filter(is_of_the_day).collect();
        ids(&alerts)
    };
    // What counts over time waits until the stream has been idle for a minute.
    let longer = Duration::from_secs(100);
    wait::within(longer, || arrived().is_superset(&expected).then_some(()));
    assert_same(&arrived(), &expected);
    stage.siem.assert_no_faults();
}

#[test]
fn a_window_leaves_out_what_lies_outside() {
    let house = House::new();
    let window = ["--from", "2026-03-02T13:00:00Z", "--to", "2026-03-02T14:00:00Z"];
    let inside = alerts(&house, &day(), &window);
    assert!(!inside.is_empty());
    let noon = |text: &Value| text.as_str().is_some_and(|at| at.starts_with("2026-03-02T13:"));
    assert!(
        inside.iter().all(
            |alert| noon(&alert["event"]["eventTime"]) || alert["event"]["eventTime"].is_null()
        ),
        "{inside:#?}"
    );
    assert!(inside.len() < alerts(&house, &day(), &[]).len());
    let never = ["--from", "2020-01-01", "--to", "2020-01-02"];
    assert_eq!(alerts(&house, &day(), &never), Vec::<Value>::new());
}

#[test]
fn severities_choose_what_is_told_and_how_it_ends() {
    let house = House::new();
    let high = alerts(&house, &day(), &["--min-severity", "high"]);
    assert!(!high.is_empty());
    assert!(
        high.iter().all(|alert| alert["severity"] == "high" || alert["severity"] == "critical")
    );
    scan(&house, &[&day(), "--format", "csv", "--fail-on", "high"], 3);
    let none = scan(&house, &[&day(), "--format", "json", "--no-builtin", "--fail-on", "low"], 0);
    assert_eq!(none.stdout, b"[]\n");
}

#[test]
fn a_store_that_is_kept_remembers() {
    let house = House::new();
    let store = house.path("kept.db").display().to_string();
    let first = alerts(&house, &day(), &["--store", &store]);
    let output = scan(&house, &[&day(), "--format", "ndjson", "--store", &store], 0);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(books(&said), [0, 0, 0, 0], "{said}");
    let again: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(again, first);
}

#[test]
fn every_form_of_delivery_is_read_or_told() {
    let house = House::new();
    let formats = files::path("testdata/formats").display().to_string();
    let output = scan(&house, &[&formats, "--format", "ndjson"], 0);
    let [read, kept, duplicates, quarantined] = books(&String::from_utf8(output.stderr).unwrap());
    assert_eq!(read, kept + duplicates + quarantined);
    assert_eq!(quarantined, 4, "the bad records of one file");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("truncated.json.gz"), "what cannot be read is told");
}

#[test]
fn what_cannot_be_read_has_a_time_though_no_event_has_told_it() {
    let house = House::new();
    let logs = house.path("logs");
    deliveries::write(&logs, &deliveries::key(1), &deliveries::delivery(1)[..100]);
    let told = alerts(&house, &logs.display().to_string(), &[]);
    assert_eq!(told.len(), 1, "{told:#?}");
    let seen = told[0]["first_seen"].as_str().unwrap();
    assert!(!seen.starts_with("1970"), "it happened at {seen}");
}

#[test]
fn a_target_that_is_not_there_is_a_clear_failure() {
    let house = House::new();
    let said = scan(&house, &["no/such/folder"], 1).stderr;
    assert!(String::from_utf8_lossy(&said).contains("no/such/folder"));
    scan(&house, &["gs://bucket/prefix"], 2);
    let url = Moto::shared().url();
    let there = ["--endpoint-url", &url, "--region", REGION];
    let said = scan(&house, &[&["s3://no-such-bucket-anywhere/x"][..], &there].concat(), 1).stderr;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("no-such-bucket-anywhere") && said.contains("NoSuchBucket"), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let house = House::new();
    let program = env!("CARGO_BIN_EXE_grantwatch");
    let script = format!("{program} scan {} --format ndjson 2>said; echo $? >code", day());
    let piped = format!("{{ {script}; }} | true");
    let shell = std::process::Command::new("/bin/sh")
        .args(["-c", &piped])
        .current_dir(house.path(""))
        .status();
    assert!(shell.unwrap().success());
    let said = fs::read_to_string(house.path("said")).unwrap();
    assert!(!said.contains("panicked") && !said.contains("roken pipe"), "{said}");
}
