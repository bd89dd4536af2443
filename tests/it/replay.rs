//! The golden day, replayed: straight, twice over, out of order, killed at its commits, on more threads.
//!
//! The day's files hold half an hour each, where CloudTrail writes one about every five minutes. So correlations
//! must wait longer for their turn here than at the daemon's default, or they leave out what comes late.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use grantwatch::model::Alert;
use grantwatch::model::Receipt;
use grantwatch::model::Seconds;
use grantwatch::pipeline;
use grantwatch::pipeline::Gait;
use grantwatch::pipeline::Pace;
use grantwatch::store;
use grantwatch::store::Reader;
use serde::Deserialize;
use serde::Serialize;

use crate::files;
use crate::originals::House;
use crate::originals::Original;
use crate::originals::Setting;
use crate::originals::alerts;
use crate::originals::originals;

const DAY: &str = "testdata/days/2026-03-02";
const GOLDEN: &str = "testdata/days/2026-03-02.alerts.json";
const TRUTH: &str = "testdata/truth/2026-03-02.json";

/// How much time a file of the day holds, in seconds.
const FILE_SPAN: i64 = 1_800;

/// As long as the files of one half hour may come in any order.
const LATENESS: &str = "45m";

/// How many deliveries a commit group holds.
const GROUP: usize = 5;

/// What must be the same however the day is replayed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Told {
    first_seen: String,
    last_seen: String,
    detector: String,
    who: String,
    count: u64,
    id: String,
}

fn told(alerts: &[Alert]) -> Vec<Told> {
    let tell = |alert: &Alert| Told {
        first_seen: alert.first_seen.to_string(),
        last_seen: alert.last_seen.to_string(),
        detector: alert.detector.clone(),
        who: alert.who.name.clone(),
        count: alert.count,
        id: alert.id.0.clone(),
    };
    let mut told: Vec<Told> = alerts.iter().map(tell).collect();
    told.sort();
    told
}

fn golden() -> Vec<Told> {
    serde_json::from_str(&files::text(GOLDEN)).unwrap()
}

/// What came out that should not have, and what did not come out.
fn differences(expected: &[Told], found: &[Told]) -> String {
    let lines = |sign: char, of: &[Told], against: &[Told]| -> String {
        let only = of.iter().filter(|told| !against.contains(told));
        only.map(|told| format!("{sign} {told:?}\n")).collect()
    };
    lines('-', expected, found) + &lines('+', found, expected)
}

#[track_caller]
fn check(expected: &[Told], found: &[Told], how: &str) {
    assert!(found == expected, "{how}:\n{}", differences(expected, found));
}

/// Plays `day` in the order given, a commit after every [`GROUP`] deliveries.
fn play(setting: &Setting, day: &[&Original]) -> (Vec<Told>, BTreeMap<String, i64>) {
    let mut house = House::new(setting);
    for (number, original) in day.iter().enumerate() {
        house.take(original, number);
        if number % GROUP == GROUP - 1 {
            house.commit();
        }
    }
    let alerts = house.finish();
    assert!((0..day.len()).all(|number| house.has_acknowledged(number)));
    (told(&alerts), house.counters())
}

#[derive(Deserialize)]
struct Truth {
    counts: BTreeMap<String, i64>,
    incident: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    story: String,
    event_time: String,
    #[serde(rename = "eventID")]
    event_id: String,
}

fn truth() -> Truth {
    serde_json::from_str(&files::text(TRUTH)).unwrap()
}

/// Checks what became of the records against the day's truth.
#[track_caller]
fn check_books(counters: &BTreeMap<String, i64>) {
    let truth = truth().counts;
    let flow_lines = truth["flow_lines"];
    let count = |name: &str| counters.get(name).copied().unwrap_or_default();
    assert_eq!(count("read"), truth["records"] + flow_lines);
    assert_eq!(count("kept"), truth["kept"] + flow_lines);
    assert_eq!(count("duplicates"), truth["duplicates"]);
    assert_eq!(count("quarantined"), truth["quarantined"]);
    assert_eq!(count("read"), count("kept") + count("duplicates") + count("quarantined"));
}

#[test]
fn the_day_gives_its_alerts_and_its_books_balance() {
    let day = originals(DAY);
    let (found, counters) = play(&Setting::of_the_day(LATENESS), &day.iter().collect::<Vec<_>>());
    if std::env::var_os("UPDATE").is_some() {
        let text = serde_json::to_string_pretty(&found).unwrap() + "\n";
        std::fs::write(files::path(GOLDEN), text).unwrap();
    }
    check(&golden(), &found, "straight; UPDATE=1 cargo test --test it replay writes it anew");
    check_books(&counters);
}

/// Steps of the incident, and the alert that tells each: by its detector, and who is named.
const STEPS: [(&str, &str, &str); 14] = [
    // The call itself is what every tool begins with; that the network is new is nobody's fact yet.
    (
        "leaked key, first call from a new network",
        "account_surveyed",
        "user:444455556666/ci-legacy",
    ),
    ("reconnaissance burst begins", "account_surveyed", "user:444455556666/ci-legacy"),
    ("user made by the leaked key", "user_created", "user:444455556666/ci-legacy"),
    ("access key made for another", "access_key_made_for_other", "user:444455556666/ci-legacy"),
    ("administrator policy attached", "administrator_made", "user:444455556666/ci-legacy"),
    ("console password made for another", "login_profile_made", "user:444455556666/ci-legacy"),
    ("trail stopped", "trail_stopped", "user:444455556666/svc-backup"),
    (
        "console login without a second factor",
        "console_login_without_mfa",
        "user:444455556666/svc-backup",
    ),
    ("snapshot shared with a foreign account", "snapshot_shared", "user:444455556666/svc-backup"),
    ("secrets read in bulk", "secrets_read_in_bulk", "user:444455556666/svc-backup"),
    (
        "security group opened to the world",
        "admin_port_opened_to_world",
        "user:444455556666/svc-backup",
    ),
    (
        "instance credentials used from outside",
        "instance_credentials_outside",
        "workload:444455556666/role/web-role",
    ),
    ("a person takes a second role through the first", "role_chain_deep", "person:bob@example.com"),
    (
        "Identity Center assignment not made by the broker",
        "assignment_outside_broker",
        "person:alice@example.com",
    ),
];

/// Steps that are told by what follows from them: a burst once it is one, a chain once it is used.
const TOLD_LATER: [&str; 4] = [
    "leaked key, first call from a new network",
    "reconnaissance burst begins",
    "secrets read in bulk",
    "a person takes a second role through the first",
];

#[test]
fn every_step_of_the_incident_is_told() {
    let day = originals(DAY);
    let setting = Setting::of_the_day(LATENESS);
    let mut house = House::new(&setting);
    day.iter().enumerate().for_each(|(number, original)| house.take(original, number));
    let alerts = house.finish();
    let steps = truth().incident;
    let stories: BTreeSet<&str> = steps.iter().map(|step| step.story.as_str()).collect();
    assert_eq!(stories, STEPS.iter().map(|(story, _, _)| *story).collect());
    for step in &steps {
        let (story, detector, who) =
            STEPS.iter().find(|(story, _, _)| *story == step.story).unwrap();
        let tells = |alert: &&Alert| alert.detector == *detector && alert.who.name == *who;
        let is_later = TOLD_LATER.contains(story);
        let time = Seconds::parse(&step.event_time).unwrap();
        let found = alerts.iter().filter(tells).find(|alert| {
            let names_it = alert.event_ids.iter().any(|id| id.ends_with(&step.event_id));
            let soon = (0..=600).contains(&alert.first_seen.since(time).0);
            if is_later { !names_it && soon } else { names_it }
        });
        assert!(found.is_some(), "`{story}` is not told by `{detector}` about {who}");
    }
}

#[test]
fn every_delivery_twice_changes_nothing() {
    let day = originals(DAY);
    let setting = Setting::of_the_day(LATENESS);
    let at_once: Vec<&Original> = day.iter().flat_map(|original| [original, original]).collect();
    let again: Vec<&Original> = day.iter().chain(&day).collect();
    for (order, how) in [(at_once, "each twice at once"), (again, "the whole day again")] {
        let (found, counters) = play(&setting, &order);
        check(&golden(), &found, how);
        check_books(&counters);
        let number = i64::try_from(day.len()).unwrap();
        assert_eq!((counters["deliveries"], counters["redelivered"]), (2 * number, number));
    }
}

#[test]
fn records_that_come_again_in_other_objects_count_once() {
    let day = originals(DAY);
    let copies: Vec<Original> = originals(DAY).into_iter().map(Original::copied).collect();
    let order: Vec<&Original> = day.iter().zip(&copies).flat_map(|(one, two)| [one, two]).collect();
    let (found, counters) = play(&Setting::of_the_day(LATENESS), &order);
    let mut expected = golden();
    // A bad record has no id to be known again by.
    let bad = expected.iter_mut().find(|told| told.detector == "record_quarantined").unwrap();
    bad.count = 2;
    check(&expected, &found, "each in another object as well");
    assert_eq!(counters["read"], 2 * (counters["kept"] + truth().counts["duplicates"]) + 2);
    assert_eq!(counters["duplicates"], counters["kept"] + 2 * truth().counts["duplicates"]);
}

/// Puts the day in an order in which no event comes later than `lateness` after a newer one.
fn shuffled(day: &[Original], lateness: i64, seed: u64) -> Vec<&Original> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut keyed: Vec<(i64, u64, &Original)> = Vec::new();
    for original in day {
        let delay = rng.i64(0..=lateness - FILE_SPAN);
        keyed.push((original.delivered.0 + delay, rng.u64(..), original));
    }
    keyed.sort_by_key(|(at, tie, _)| (*at, *tie));
    keyed.into_iter().map(|(_, _, original)| original).collect()
}

/// Bob takes a role of another account, and both accounts record it. His own account's copy says who he is; the
/// other's says which account he came from, and holds what he did there.
const HIS_ACCOUNT: &str = "123456789012_CloudTrail_eu-central-1_20260302T1505Z";
const THE_OTHERS: &str = "444455556666_CloudTrail_eu-central-1_20260302T1505Z";

/// What is told if what Bob did in the other account is judged before his own account's copy is known: facts are
/// as of arrival. That his account is ours is known from earlier files, so that nobody takes him for a stranger. The
/// policy that he changed there is told all the same, and laid to his account.
fn told_too_early() -> Vec<Told> {
    let mut told = golden();
    told.retain(|told| told.detector != "role_chain_deep");
    for told in told.iter_mut().filter(|told| told.detector == "policy_unreadable") {
        told.who = "account:123456789012".to_owned();
        told.id = "66c37491-6924-51dd-a512-918584f9c8c2".to_owned();
    }
    told.sort();
    told
}

/// A signal happens when it is noticed: its time is that of the newest event by then, which the order decides.
fn untimed_signals(told: &[Told]) -> Vec<Told> {
    let mut told = told.to_vec();
    for signal in told.iter_mut().filter(|told| told.detector == "record_quarantined") {
        signal.first_seen.clear();
        signal.last_seen.clear();
    }
    told.sort();
    told
}

#[test]
fn any_order_within_the_allowed_lateness_gives_the_same_alerts() {
    let day = originals(DAY);
    let (golden, told_too_early) = (golden(), told_too_early());
    let mut both = BTreeSet::new();
    for lateness in [LATENESS, "3h"] {
        let setting = Setting::of_the_day(lateness);
        let seconds = setting.settings().allowed_lateness.0;
        for seed in 0..3 {
            let order = shuffled(&day, seconds, seed);
            let place = |name: &str| order.iter().position(|original| original.key.contains(name));
            let knows_bob = place(HIS_ACCOUNT).unwrap() < place(THE_OTHERS).unwrap();
            both.insert(knows_bob);
            let expected = if knows_bob { &golden } else { &told_too_early };
            let (found, counters) = play(&setting, &order);
            let how = format!("{lateness}, seed {seed}, knows bob: {knows_bob}");
            check(&untimed_signals(expected), &untimed_signals(&found), &how);
            check_books(&counters);
        }
    }
    assert_eq!(both.len(), 2, "the seeds show both orders");
}

#[test]
fn what_comes_later_than_allowed_is_told_as_well() {
    let day = originals(DAY);
    // The daemon's default, with files that hold three times as much.
    let setting = Setting::of_the_day("10m");
    let (found, _) = play(&setting, &day.iter().collect::<Vec<_>>());
    let without_counts = |told: &[Told]| -> BTreeSet<(String, String)> {
        told.iter().map(|told| (told.id.clone(), told.who.clone())).collect()
    };
    assert_eq!(without_counts(&found), without_counts(&golden()));
}

/// When a process ends that was about to commit.
#[derive(Debug, Clone, Copy)]
enum Killed {
    /// The group is lost.
    BeforeTheCommit,
    /// The group is on disk, and the queue was not told.
    BeforeTheReceipts,
}

/// Plays the day with the process killed at every `nth` commit; what was not acknowledged comes again.
fn play_killed(
    setting: &Setting,
    day: &[Original],
    nth: usize,
    killed: Killed,
) -> (Vec<Told>, BTreeMap<String, i64>) {
    let mut house = House::new(setting);
    let mut queue: VecDeque<usize> = (0..day.len()).collect();
    let mut commits = 0;
    while !queue.is_empty() {
        let group: Vec<usize> = queue.drain(..GROUP.min(queue.len())).collect();
        group.iter().for_each(|number| house.take(&day[*number], *number));
        commits += 1;
        match (commits % nth == 0, killed) {
            (false, _) => {
                house.commit();
                continue;
            }
            (true, Killed::BeforeTheCommit) => {}
            (true, Killed::BeforeTheReceipts) => {
                house.commit();
                house.lose_word(&group);
            }
        }
        house.kill();
        queue = (0..day.len()).filter(|number| !house.has_acknowledged(*number)).collect();
    }
    house.kill();
    (told(&house.finish()), house.counters())
}

#[test]
fn a_process_killed_at_any_commit_loses_and_repeats_nothing() {
    let day = originals(DAY);
    let setting = Setting::of_the_day(LATENESS);
    let golden = golden();
    for killed in [Killed::BeforeTheCommit, Killed::BeforeTheReceipts] {
        for nth in [2, 7] {
            let (found, counters) = play_killed(&setting, &day, nth, killed);
            check(&golden, &found, &format!("every {nth}th, {killed:?}"));
            check_books(&counters);
        }
    }
}

/// Runs the day through the engine's threads and returns its alerts as they are sent.
fn run(setting: &Setting, day: &[Original], threads: usize, commit_bytes: u64) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let at = store::Config { path: folder.path().join("day.db") };
    let gait = Gait {
        threads,
        // Groups are closed by size alone: what a machine is busy with must not show.
        commit_interval: Duration::from_secs(3_600),
        commit_bytes,
        reading: pipeline::Reading::of(&setting.config),
        pace: Pace::Replay,
        clock: || Seconds(1_800_000_000),
    };
    let feed = async |deliveries: tokio::sync::mpsc::Sender<_>| {
        for original in day {
            assert!(deliveries.send(original.delivery(Receipt::nobody())).await.is_ok());
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let once =
        pipeline::once(&at, setting.settings(), Arc::clone(&setting.rules), gait, None, feed);
    let (books, ()) = runtime.block_on(once).unwrap();
    assert!(books.total().balance());
    let alerts = alerts(&Reader::open(&at.path).unwrap());
    check(&golden(), &told(&alerts), &format!("{threads} threads"));
    alerts.iter().map(|alert| serde_json::to_string(alert).unwrap()).collect()
}

#[test]
fn threads_do_not_show() {
    let day = originals(DAY);
    let setting = Setting::of_the_day(LATENESS);
    for commit_bytes in [1, 1 << 18] {
        let one = run(&setting, &day, 1, commit_bytes);
        assert!(one == run(&setting, &day, 3, commit_bytes), "groups of {commit_bytes} bytes");
    }
}

#[test]
fn a_reload_of_the_same_detectors_changes_nothing() {
    let day = originals(DAY);
    let setting = Setting::of_the_day(LATENESS);
    let mut house = House::new(&setting);
    for (number, original) in day.iter().enumerate() {
        house.take(original, number);
        if number % GROUP == GROUP - 1 {
            house.commit();
            house.core().reload(Arc::clone(&setting.rules), Vec::new()).unwrap();
        }
    }
    check(&golden(), &told(&house.finish()), "a reload after each commit");
}
