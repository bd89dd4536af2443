//! The other subcommands, as a person at a terminal meets them.

use std::fs;
use std::process::Output;

use crate::files;
use crate::outside::daemon::House;
use crate::outside::deliveries;
use crate::outside::siem::Mood;
use crate::outside::siem::Siem;

fn run(house: &House, arguments: &[&str]) -> (Output, String, String) {
    let output = house.command(arguments).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, out, err)
}

#[track_caller]
fn well(house: &House, arguments: &[&str]) -> String {
    let (output, out, err) = run(house, arguments);
    assert!(output.status.success(), "{arguments:?}:\n{err}");
    out
}

#[test]
fn the_demo_shows_alerts_how_well_it_did_and_what_to_try_next() {
    let house = House::new();
    let out = well(&house, &["demo"]);
    for shown in [
        "3 days of an invented organisation",
        "records read",
        "alerts arrived, each signed",
        "incidents detected",
        "What to try next",
        "grantwatch simulate",
        "grantwatch scan",
    ] {
        assert!(out.contains(shown), "no `{shown}` in\n{out}");
    }
    // What a change made possible is told by what stood before the first day.
    assert!(out.contains("Somebody became administrator"), "{out}");
    assert!(!out.contains("no snapshot"), "{out}");
    let shown = out.lines().filter(|line| line.starts_with("  evidence")).count();
    assert!(shown <= 25, "{shown} alerts are more than anybody reads:\n{out}");
}

#[test]
fn every_detector_is_in_order_and_passes_its_tests() {
    let house = House::new();
    let lint = well(&house, &["detectors", "lint"]);
    assert!(lint.contains(" 0 errors"), "{lint}");
    let tests = well(&house, &["detectors", "test"]);
    assert!(tests.contains(" 0 failed"), "{tests}");
    let list = well(&house, &["detectors", "list"]);
    let count = files::below("detectors", &["yml"]).len();
    assert!(count >= 40, "{count} detectors");
    // A file may hold several.
    let listed = list.lines().last().and_then(|line| line.strip_suffix(" detectors")?.parse().ok());
    assert!(listed.is_some_and(|listed: usize| listed >= count), "{count} files, and\n{list}");
    assert!(list.contains("trail_stopped"));
}

#[test]
fn a_detector_with_a_mistake_is_told_with_its_place_and_stops_no_other() {
    let house = House::new();
    let folder = house.path("own");
    fs::create_dir(&folder).unwrap();
    let good = files::text("detectors/logging/trail_stopped.yml")
        .replace("4d5a6b63-7d80-49d5-8a2a-88210ef2320b", "4d5a6b63-7d80-49d5-8a2a-88210ef2320c");
    fs::write(folder.join("mine_stopped.yml"), &good).unwrap();
    fs::write(folder.join("broken.yml"), "title: Broken\nlogsource: [\n").unwrap();
    let folder = folder.display().to_string();
    let only_own = [folder.as_str(), "--no-builtin"];
    let (lint, out, err) = run(&house, &[&["detectors", "lint"][..], &only_own].concat());
    assert_eq!(lint.status.code(), Some(1), "{out}{err}");
    assert!((out.clone() + &err).contains("broken.yml:"), "{out}{err}");
    let list = well(&house, &[&["detectors", "list"][..], &only_own].concat());
    assert!(list.contains("mine_stopped") && list.contains("\n1 detectors"), "{list}");
    // A test that does not hold fails, and says which.
    let wrong =
        good.replacen("match: true", "match: false", 1).replacen("match: true", "match: false", 1);
    fs::write(house.path("own/mine_stopped.yml"), wrong).unwrap();
    fs::remove_file(house.path("own/broken.yml")).unwrap();
    let (test, out, err) = run(&house, &[&["detectors", "test"][..], &only_own].concat());
    assert_eq!(test.status.code(), Some(1), "{out}{err}");
    assert!(out.contains("fires when a person stops a trail"), "{out}{err}");
}

#[test]
fn rules_as_sigmahq_publishes_them_load_unchanged() {
    let house = House::new();
    let rule = "title: AWS CloudTrail Important Change\nid: 4db60cc0-36fb-42b7-9b58-a5b53019fb75\nstatus: test\n\
                description: Detects disabling of a trail.\nauthor: invented here\ndate: 2020-01-21\n\
                tags:\n    - attack.t1562.001\nlogsource:\n    product: aws\n    service: cloudtrail\n\
                detection:\n    selection_source:\n        eventSource: cloudtrail.amazonaws.com\n        eventName:\n\
                \x20           - StopLogging\n            - UpdateTrail\n            - DeleteTrail\n    condition: selection_source\n\
                falsepositives:\n    - Valid change in a Trail\nlevel: medium\n";
    fs::create_dir(house.path("sigma")).unwrap();
    fs::write(house.path("sigma/aws_cloudtrail_disable_logging.yml"), rule).unwrap();
    let folder = house.path("sigma").display().to_string();
    let (lint, out, err) = run(&house, &["detectors", "lint", "--no-builtin", &folder]);
    assert!(lint.status.success(), "{out}{err}");
    let day = files::path("testdata/days").display().to_string();
    let scan = ["scan", &day, "--no-builtin", "--detectors", &folder, "--format", "csv"];
    let out = well(&house, &scan);
    assert!(out.contains("aws_cloudtrail_disable_logging"), "{out}");
}

#[test]
fn a_wrong_configuration_is_told_whole_with_lines_and_suggestions() {
    let house = House::new();
    let text = "[store]\npat = \"x.db\"\n\n[[source.sqs]]\nname = \"trail\"\n\
                queue_ul = \"https://sqs.eu-west-1.amazonaws.com/111122223333/trail\"\n\n\
                [pipeline]\ncommit_interval = \"soon\"\n\n[[sink.stdout]]\nname = \"out\"\n";
    fs::write(house.config(), text).unwrap();
    let config = house.config().display().to_string();
    for arguments in
        [["config", "check", "--config", &config].as_slice(), &["run", "--config", &config]]
    {
        let (output, _, err) = run(&house, arguments);
        assert_eq!(output.status.code(), Some(2), "{err}");
        for told in [
            "grantwatch.toml:2: store.pat: unknown key; did you mean `path`?",
            "grantwatch.toml:6: source.sqs[0].queue_ul: unknown key; did you mean `queue_url`?",
            "grantwatch.toml:9: pipeline.commit_interval:",
        ] {
            assert!(err.contains(told), "no `{told}` in\n{err}");
        }
    }
}

#[test]
fn the_example_is_a_configuration_once_source_and_sink_are_named() {
    let house = House::new();
    let example = well(&house, &["config", "example"]);
    let more = "\n[[source.folder]]\nname = \"logs\"\npath = \"/tmp\"\n\n[[sink.stdout]]\nname = \"out\"\n";
    fs::write(house.config(), example + more).unwrap();
    let config = house.config().display().to_string();
    well(&house, &["config", "check", "--config", &config]);
    let schema = well(&house, &["config", "schema"]);
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["properties"]["sink"].is_object());
}

#[test]
fn completions_and_version_print() {
    let house = House::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(well(&house, &["completions", shell]).contains("grantwatch"), "{shell}");
    }
    let version = well(&house, &["--version"]);
    assert_eq!(version.trim(), concat!("grantwatch ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn dead_letters_are_listed_shown_and_sent_again() {
    let siem = Siem::with(|_| Mood::Refuse(400));
    let house = House::new().telling(&siem.url(), "");
    let logs = house.path("logs");
    for number in 1..=2 {
        deliveries::write(&logs, &deliveries::key(number), &deliveries::delivery(number));
    }
    let folder = logs.display();
    let house = house
        .with(&format!("[[source.folder]]\nname = \"files\"\npath = \"{folder}\"\nwatch = true\n"));
    let mut daemon = house.run();
    daemon.await_that("two dead letters", |_| house.store().outbox("dead") == 2);
    let config = house.config().display().to_string();
    let config = config.as_str();
    let list = well(&house, &["outbox", "list", "--config", config]);
    assert!(list.contains("siem") && list.contains("answered 400"), "{list}");
    let shown = well(&house, &["outbox", "show", "--sink", "siem", "--config", config]);
    let ids = deliveries::ids_of(1..=2);
    assert!(ids.iter().all(|id| shown.contains(id.as_str())), "{shown}");
    assert!(shown.contains("trail_stopped") && shown.contains("dead"), "{shown}");
    // One process writes a store.
    let (refused, _, err) = run(&house, &["outbox", "requeue", "--all", "--config", config]);
    assert_eq!(refused.status.code(), Some(1), "{err}");
    assert!(err.contains("stop the daemon"), "{err}");
    assert!(daemon.stop().0.success());
    let (none, _, err) = run(&house, &["outbox", "requeue", "--sink", "other", "--config", config]);
    assert_eq!(none.status.code(), Some(1), "{err}");
    assert!(err.contains("there are some of: siem"), "{err}");
    // By the store's own path, without a configuration; one alert, then the rest.
    let (store, first) = (house.store_path().display().to_string(), ids.first().unwrap());
    let alert = well(&house, &["outbox", "show", first, "--store", &store]);
    assert!(alert.contains("answered 400") && alert.contains("HIGH"), "{alert}");
    let said = well(&house, &["outbox", "requeue", "--alert", first, "--store", &store]);
    assert!(said.starts_with("1 dead letter"), "{said}");
    well(&house, &["outbox", "requeue", "--sink", "siem", "--config", config]);
    assert_eq!((house.store().outbox("pending"), house.store().outbox("dead")), (2, 0));
    siem.behave(|_| Mood::Take);
    let mut daemon = house.run_as_written();
    daemon.await_that("both alerts", |_| siem.ids() == ids);
    daemon.await_that("the word of it", |_| house.store().outbox("delivered") == 2);
    assert!(daemon.stop().0.success());
    let list = well(&house, &["outbox", "list", "--config", config]);
    assert!(list.contains("everything is delivered"), "{list}");
    let (missing, _, err) = run(&house, &["outbox", "requeue", "--all", "--store", "nowhere.db"]);
    assert_eq!(missing.status.code(), Some(1), "{err}");
    assert!(!house.path("nowhere.db").exists());
}
