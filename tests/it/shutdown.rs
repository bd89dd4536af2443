//! Stopping, reloading, and a store that cannot be written: nothing is lost, nothing repeated, and the reason is said.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crate::outside::chance::Chance;
use crate::outside::daemon::House;
use crate::outside::deliveries;
use crate::outside::envelope;
use crate::outside::siem::Mood;
use crate::outside::siem::Siem;
use crate::outside::stage::Stage;
use crate::outside::wait;

#[test]
fn a_stop_under_load_drains_and_loses_nothing() {
    let mut stage = Stage::new();
    stage.house =
        stage.house.with("[pipeline]\ncommit_interval = \"100ms\"\ndrain_timeout = \"20s\"\n");
    let expected = stage.deliver(1..=60);
    // A SIEM that takes its time, so that there is something to drain.
    let mut chance = Chance::of(5);
    stage.siem.behave(move |_| {
        thread::sleep(Duration::from_millis(20 + chance.below(60)));
        Mood::Take
    });
    let mut lives = 0;
    while stage.siem.ids() != expected || lives == 0 {
        let mut daemon = stage.house.run();
        let before = stage.siem.taken().len();
        daemon.await_that("some alerts", |_| {
            stage.siem.taken().len() >= before + 15 || stage.siem.ids() == expected
        });
        let asked = Instant::now();
        let (status, log) = daemon.stop();
        let took = asked.elapsed();
        assert!(status.success(), "{status}:\n{log}");
        assert!(took < Duration::from_secs(22), "draining took {took:?}:\n{log}");
        lives += 1;
        assert!(lives < 20, "it gets nowhere:\n{log}");
    }
    assert!(lives > 1, "it was done before it was stopped: the story tells nothing");
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &expected);
}

#[test]
fn a_stop_gives_back_what_it_has_not_begun() {
    // Nothing is hidden for long after an orderly stop: another daemon can go on at once.
    let mut stage = Stage::new();
    let visibility = "visibility = \"11h\"";
    stage.house =
        House::new().reading(&stage.aws.url(), &stage.queue.url, "").telling(&stage.siem.url(), "");
    let config = stage.house.config();
    let expected = stage.deliver(1..=40);
    stage.house.write();
    let text = fs::read_to_string(&config).unwrap().replace("visibility = \"10s\"", visibility);
    fs::write(&config, text).unwrap();
    let mut daemon = stage.house.run_as_written();
    daemon.await_that("a first alert", |_| !stage.siem.ids().is_empty());
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    wait::until("hidden messages to be given back", || stage.queue.depth().hidden == 0);
    let mut daemon = stage.house.run();
    stage.await_delivered(&mut daemon, &expected);
}

/// A detector of the operator's own that fires on a quiet call.
fn own_detector(title: &str, event_name: &str) -> String {
    format!(
        "title: {title}\nid: 7d0c3a52-1111-4d9c-9f0b-3f6d2c1e8a77\nstatus: test\ndescription: Fires in a test.\n\
         logsource: {{ product: aws, service: cloudtrail }}\n\
         detection:\n  seen: {{ eventName: {event_name} }}\n  condition: seen\n\
         falsepositives: [none]\nlevel: low\n\
         grantwatch:\n  alert:\n    group_by: [recipientAccountId]\n    suppress_for: 1h\n    story: \"seen\"\n\
         \x20   respond: [\"look\"]\n  tests:\n    - name: fires\n      events: [{{ eventName: {event_name} }}]\n      match: true\n\
         \x20   - name: rests\n      events: [{{ eventName: Other }}]\n      match: false\n"
    )
}

/// Returns how many alerts of detector `name` have arrived.
fn told_by(siem: &Siem, name: &str) -> usize {
    siem.taken().iter().filter(|arrival| arrival.alert()["detector"] == name).count()
}

#[test]
fn a_reload_takes_new_detectors_and_keeps_the_old_ones_if_the_new_are_broken() {
    let mut stage = Stage::new();
    let folder = stage.house.path("detectors");
    fs::create_dir(&folder).unwrap();
    let detectors = format!("[detectors]\npaths = [\"{}\"]\n", folder.display());
    stage.house = stage.house.with(&detectors);
    let mut daemon = stage.house.run();
    let first = stage.deliver([1]);
    daemon.await_that("the first alert", |_| stage.siem.ids() == first);

    fs::write(folder.join("table_described.yml"), own_detector("Table described", "DescribeTable"))
        .unwrap();
    daemon.signal("HUP");
    daemon.await_word("reloaded");
    let second = stage.deliver([2]);
    daemon.await_that("the alert of the new detector", |_| {
        told_by(&stage.siem, "table_described") == 1
    });
    daemon.await_that("the second alert", |_| stage.siem.ids().is_superset(&second));

    fs::write(folder.join("broken.yml"), "title: [no\n  rule: at all").unwrap();
    fs::remove_file(folder.join("table_described.yml")).unwrap();
    daemon.signal("HUP");
    daemon.await_word("broken.yml");
    stage.deliver([3]);
    daemon.await_that("the old set at work", |_| told_by(&stage.siem, "table_described") == 2);

    stage.await_drained(&mut daemon);
    stage.await_settled();
    assert!(stage.siem.counts().values().all(|count| *count == 1), "{:?}", stage.siem.counts());
    assert_eq!(told_by(&stage.siem, "trail_stopped"), 3);
    stage.siem.assert_no_faults();
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
}

#[test]
fn a_reload_under_load_changes_sinks_without_losing_or_repeating() {
    let stage = Stage::new();
    let next = Siem::start();
    let mut daemon = stage.house.run();
    let mut expected = stage.deliver(1..=20);
    daemon.await_that("some alerts", |_| stage.siem.ids().len() > 5);
    // The same name, another address: what is owed goes to the new one.
    let (old, new) = (stage.siem.url(), next.url());
    stage.house.write();
    let text = fs::read_to_string(stage.house.config()).unwrap().replace(&old, &new);
    fs::write(stage.house.config(), text).unwrap();
    daemon.signal("HUP");
    daemon.await_word("reloaded");
    expected.extend(stage.deliver(21..=40));
    let arrived = || &stage.siem.ids() | &next.ids();
    daemon.await_that("all alerts at one of the two", |_| arrived() == expected);
    for _ in 0..3 {
        daemon.signal("HUP");
    }
    stage.await_drained(&mut daemon);
    stage.await_settled();
    let both = &stage.siem.ids() & &next.ids();
    assert!(both.is_empty(), "arrived at both: {both:?}");
    for siem in [&stage.siem, &next] {
        assert!(siem.counts().values().all(|count| *count == 1), "{:?}", siem.counts());
        siem.assert_no_faults();
    }
    assert!(next.ids().is_superset(&deliveries::ids_of(21..=40)));
    // A configuration that is wrong changes nothing.
    let text = fs::read_to_string(stage.house.config()).unwrap().replace("allow_http", "alow_http");
    fs::write(stage.house.config(), text).unwrap();
    daemon.signal("HUP");
    daemon.await_word("alow_http");
    let last = stage.deliver([41]);
    daemon.await_that("an alert after all that", |_| next.ids().is_superset(&last));
}

#[test]
fn a_second_daemon_on_the_same_store_is_refused() {
    let stage = Stage::new();
    let mut daemon = stage.house.run();
    let expected = stage.deliver([1]);
    stage.await_delivered(&mut daemon, &expected);
    let config = stage.house.config().display().to_string();
    let second = stage.house.command(&["run", "--config", &config]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another grantwatch is using"), "{said}");
    let expected = &expected | &stage.deliver([2]);
    stage.await_delivered(&mut daemon, &expected);
}

/// Returns whether permissions bind us; they do not bind root.
fn is_bound_by_permissions() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() != "0"
}

#[test]
fn a_store_that_cannot_be_written_is_a_clear_refusal() {
    let stage = Stage::new();
    stage.deliver([1]);
    stage.house.write();
    let store = stage.house.path("store");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o555)).unwrap();
    let mut daemon = if is_bound_by_permissions() {
        stage.house.run()
    } else {
        // Permissions do not bind root, so the daemon is somebody else.
        for path in ["", "grantwatch.toml", "secret"] {
            fs::set_permissions(stage.house.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        stage.house.run_by("setpriv --reuid=65534 --regid=65534 --clear-groups")
    };
    let (status, log) = daemon.ended();
    assert_eq!(status.code(), Some(1), "{log}");
    let folder = store.display().to_string();
    assert!(log.contains(&folder) && log.contains("ermission denied"), "{log}");
    assert_eq!(stage.queue.depth().waiting, 2, "the test event and the delivery stay");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_full_disk_is_a_clear_end_and_nothing_is_acknowledged_that_is_not_on_disk() {
    // Announced by hand, because S3's own test event would not be in the count of objects.
    let stage = Stage::untold();
    let expected = stage.deliver(1..=60);
    for number in 1..=60 {
        stage.queue.send(&envelope::s3(&[(&stage.bucket.name, &deliveries::key(number))]));
    }
    // No file may grow beyond 640 KiB: for SQLite, that is a full disk. It must come as an error, not as a signal.
    let mut daemon = stage.house.run_after("trap '' XFSZ && ulimit -f 1280");
    let (status, log) = daemon.ended();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("could not write to the store"), "{log}");
    let depth = stage.queue.depth();
    let committed = stage.house.store().ledger().len() as u64;
    assert!(committed > 0, "it did not even begin: the story tells nothing\n{log}");
    let left = depth.waiting + depth.hidden;
    assert!(left + committed >= 60, "{left} left, {committed} committed of 60");
    // With room again, everything arrives.
    let mut daemon = stage.house.run();
    daemon.await_that("all alerts", |_| stage.siem.ids() == expected);
    stage.await_drained(&mut daemon);
    stage.siem.assert_no_faults();
}

#[test]
fn a_disk_that_fills_while_alerts_go_out_is_told_as_such() {
    let stage = Stage::new();
    stage.siem.behave(|_| Mood::Refuse(500));
    let expected = stage.deliver(1..=40);
    let mut daemon = stage.house.run();
    stage.await_drained(&mut daemon);
    assert!(daemon.stop().0.success());
    // Every alert is in the store and owed; there is room for a few outcomes, which come one by one.
    stage.siem.behave(|_| {
        thread::sleep(Duration::from_millis(150));
        Mood::Take
    });
    let mut daemon = stage.house.run_after("trap '' XFSZ && ulimit -f 72");
    let (status, log) = daemon.ended();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("could not write to the store"), "{log}");
    let before = stage.siem.ids();
    let mut daemon = stage.house.run();
    daemon.await_that("all alerts", |_| stage.siem.ids() == expected);
    stage.await_settled();
    assert!(!before.is_empty(), "it ended before anything went out: the story tells nothing");
}

#[test]
fn an_idle_daemon_stops_at_once() {
    let stage = Stage::new();
    let mut daemon = stage.house.run();
    stage.await_drained(&mut daemon);
    let asked = Instant::now();
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}:\n{log}", asked.elapsed());
}

#[test]
fn a_folder_source_that_is_not_watched_ends_the_daemon_when_it_is_read() {
    let siem = Siem::start();
    let house = House::new().telling(&siem.url(), "");
    for number in 1..=5 {
        deliveries::write(
            &house.path("logs"),
            &deliveries::key(number),
            &deliveries::delivery(number),
        );
    }
    let path = house.path("logs").display().to_string();
    let house = house
        .with(&format!("[[source.folder]]\nname = \"files\"\npath = \"{path}\"\nwatch = false\n"));
    let mut daemon = house.run();
    let (status, log) = daemon.ended();
    assert!(status.success(), "{log}");
    assert_eq!(siem.ids(), deliveries::ids_of(1..=5));
    siem.assert_no_faults();
}

#[test]
fn a_watched_folder_is_read_as_it_fills() {
    let siem = Siem::start();
    let house = House::new().telling(&siem.url(), "");
    let logs = house.path("logs");
    deliveries::write(&logs, &deliveries::key(1), &deliveries::delivery(1));
    let house = house.with(&format!(
        "[[source.folder]]\nname = \"files\"\npath = \"{}\"\nwatch = true\n",
        logs.display()
    ));
    let mut daemon = house.run();
    daemon.await_that("the alert of what was there", |_| siem.ids() == deliveries::ids_of([1]));
    for number in 2..=4 {
        deliveries::write(&logs, &deliveries::key(number), &deliveries::delivery(number));
    }
    daemon.await_that("the alerts of what came", |_| siem.ids() == deliveries::ids_of(1..=4));
    assert!(daemon.stop().0.success());
    assert!(siem.counts().values().all(|count| *count == 1), "{:?}", siem.counts());
}

#[test]
fn a_stop_is_heard_while_the_siem_hangs() {
    let mut stage = Stage::new();
    stage.house =
        stage.house.with("[pipeline]\ncommit_interval = \"100ms\"\ndrain_timeout = \"3s\"\n");
    let is_over = Arc::new(AtomicBool::new(false));
    let hangs_until = Arc::clone(&is_over);
    stage.siem.behave(move |_| {
        wait::until("the end", || hangs_until.load(Ordering::SeqCst));
        Mood::HangUp
    });
    let expected = stage.deliver([1]);
    let mut daemon = stage.house.run();
    daemon.await_that("the alert in the outbox", |_| stage.house.store().outbox("pending") == 1);
    stage.await_drained(&mut daemon);
    let asked = Instant::now();
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    is_over.store(true, Ordering::SeqCst);
    stage.siem.behave(|_| Mood::Take);
    let mut daemon = stage.house.run();
    daemon.await_that("the alert", |_| stage.siem.ids() == expected);
}
