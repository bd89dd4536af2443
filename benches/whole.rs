//! The whole process against the floor, on the same files in the same run.
//!
//! The floor is what no detector can do without: read a file, inflate it, find the fields of its records. Everything
//! else (identity facts, every built-in detector and 57 rules of the shapes published for AWS, deduplication, the
//! SQLite commit) is measured as CPU time in units of the floor, so that the figure carries from one machine to another.
//!
//! The same once more with every change that a workload makes on the protect surface, nearly half of all events, and a grant for
//! each of its roles: first with all grants known beforehand, then with grants that may come late, where every judged act is
//! kept in the store for revision.
//!
//! `cargo bench --bench whole [-- FILES ROUNDS]`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may panic, and prints its result"
)]

mod corpus;

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use grantwatch::decode;
use grantwatch::model::Content;
use grantwatch::model::Delivery;
use grantwatch::model::Format;
use grantwatch::model::Hold;
use grantwatch::model::ObjectId;
use grantwatch::model::Receipt;
use grantwatch::model::Record;
use grantwatch::model::Seconds;
use grantwatch::model::Slot;
use grantwatch::pipeline;
use grantwatch::rules;

/// What a run took.
#[derive(Debug, Clone, Copy)]
struct Took {
    cpu: f64,
    wall: f64,
}

fn main() {
    let mut numbers =
        std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (count, rounds) = (numbers.next().unwrap_or(235), numbers.next().unwrap_or(5));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus");
    let (files, events) = corpus::files(&folder, count);
    let megabytes = check(&files, events);
    println!(
        "{events} events in {count} files, {megabytes:.0} MB inflated; medians of {rounds} rounds"
    );
    if std::env::var_os(PINNED).is_some() {
        println!("{}", took(|| scan(&files, 2, pipeline::Grants::Unread)).wall);
        return;
    }
    let (mut floors, mut scans, mut pinned) = (Vec::new(), Vec::new(), Vec::new());
    let (mut known, mut arriving) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        floors.push(took(|| floor(&files)));
        scans.push(took(|| scan(&files, 2, pipeline::Grants::Unread)));
        pinned.extend(on_one_core(count));
    }
    // What the process has held until here is what a scan without grants holds.
    let peak = peak_memory();
    for _ in 0..rounds {
        known.push(took(|| scan(&files, 2, pipeline::Grants::Known)));
        arriving.push(took(|| scan(&files, 2, pipeline::Grants::Arriving)));
    }
    let floor_cpu = median(&floors, |took| took.cpu);
    let show = |name: &str, runs: &[Took]| {
        let (cpu, wall) = (median(runs, |took| took.cpu), median(runs, |took| took.wall));
        let mut ratios: Vec<f64> =
            runs.iter().zip(&floors).map(|(run, floor)| run.cpu / floor.cpu).collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "{name:<22} {cpu:>7.3} CPU s {wall:>7.3} s  {:>9.0} events/s {:>6.0} MB/s  {:>5.2} x floor ({:.2}-{:.2})",
            events as f64 / wall,
            megabytes / wall,
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1],
        );
    };
    show("floor, one thread", &floors);
    show("scan, two workers", &scans);
    show("  with grants", &known);
    show("  grants may be late", &arriving);
    if let Some(one) = median_of(pinned) {
        println!(
            "two cores are {:.2} times as fast as one",
            one / median(&scans, |took| took.wall)
        );
    }
    println!("floor: {:.3} CPU us an event", floor_cpu / events as f64 * 1e6);
    println!("peak memory: {} MB", peak);
}

/// Tells a child of this process to scan once, say how long it took, and end.
const PINNED: &str = "GRANTWATCH_BENCH_PINNED";

/// Returns how long a scan takes on one core, where `taskset` (util-linux) can hold a process there.
fn on_one_core(count: usize) -> Option<f64> {
    let this = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new("taskset");
    command.args(["-c", "0"]).arg(this).arg(count.to_string()).env(PINNED, "1");
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().last()?.parse().ok()
}

/// Holds the floor to `serde_json`: both must find the same fields. Returns the size of the corpus in MB.
fn check(files: &[PathBuf], events: usize) -> f64 {
    let (sum, bytes) = floor_sum(files);
    let mut expected = 0u64;
    let mut count = 0;
    for file in files.iter().take(3) {
        let text = decode::inflate(std::fs::read(file).unwrap(), usize::MAX).unwrap();
        let tree: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for record in tree["Records"].as_array().unwrap() {
            count += 1;
            for slot in Slot::ALL {
                let value = slot.path().split('.').try_fold(record, |at, key| at.get(key));
                expected +=
                    value.map_or(0, |value| serde_json::to_string(value).unwrap().len() as u64);
            }
        }
    }
    let (found, _) = floor_sum(files.get(..files.len().min(3)).unwrap());
    assert_eq!(found, expected, "the floor and serde_json read different fields");
    println!("checksum {sum:016x}; the first {count} events agree with serde_json::Value");
    assert_eq!(events, files.len() * corpus::EVENTS_PER_FILE);
    bytes as f64 / 1e6
}

fn floor(files: &[PathBuf]) {
    std::hint::black_box(floor_sum(files));
}

fn floor_sum(files: &[PathBuf]) -> (u64, u64) {
    let (mut sum, mut bytes) = (0, 0);
    for file in files {
        let packed = std::fs::read(file).unwrap();
        let decoded =
            decode::decode(Format::CloudTrail, packed, &decode::Config::default()).unwrap();
        bytes += decoded.text_bytes() as u64;
        for (_, record) in decoded.records() {
            let Record::Trail(record) = record else { continue };
            sum += Slot::ALL
                .iter()
                .map(|slot| record.slot_raw(*slot).map_or(0, str::len) as u64)
                .sum::<u64>();
        }
    }
    (sum, bytes)
}

/// Puts what workloads change on the protect surface.
fn protected() -> grantwatch::grants::Config {
    use grantwatch::grants::By;
    use grantwatch::grants::Level;
    use grantwatch::grants::Need;
    use grantwatch::grants::Protect;
    let entry = Protect {
        name: "changes".into(),
        levels: vec![Level::Tagging, Level::Write, Level::PermissionsManagement],
        by: vec![By::Workload],
        requires: vec![Need::Grant],
        actions: Vec::new(),
        except_actions: Vec::new(),
        resources: Vec::new(),
        accounts: Vec::new(),
        roles: Vec::new(),
        permission_sets: Vec::new(),
        principal_tags: std::collections::BTreeMap::new(),
        resource_tags: std::collections::BTreeMap::new(),
        pipelines: Vec::new(),
    };
    grantwatch::grants::Config { protect: vec![entry], ..grantwatch::grants::Config::default() }
}

/// How many roles there are in the corpus.
const ROLES: u64 = 400;

/// A grant for each of the corpus's roles, a line each.
fn grants() -> Vec<u8> {
    let line = |who: u64| {
        let account = (111_122_223_333 + who % 20).to_string();
        let role = format!("arn:aws:iam::{account}:role/teams/team-{who}-deploy");
        serde_json::json!({
            "schema": "grantwatch.grant/1", "id": format!("bench:{who}"), "source": "bench", "revision": 1,
            "status": "active", "emitted_at": "2026-03-01T00:00:00Z", "approved_at": "2026-03-01T00:00:00Z",
            "principals": [{"kind": "iam_role_arn", "arn": role}], "scope": {"accounts": [account], "actions": ["*"]},
            "window": {"not_before": "2026-03-01T00:00:00Z", "not_after": "2026-03-07T00:00:00Z"},
        })
        .to_string()
    };
    (0..ROLES).map(line).collect::<Vec<_>>().join("\n").into_bytes()
}

fn scan(files: &[PathBuf], threads: usize, grants_are: pipeline::Grants) {
    let folder = tempfile::tempdir().unwrap();
    let at = grantwatch::store::Config { path: folder.path().join("scan.db") };
    let mut sources = pipeline::builtin_detectors();
    sources
        .push(rules::Source { path: "published.yml".into(), text: corpus::published_like_rules() });
    let (rules, problems) =
        rules::Rules::load(&rules::Config::default(), &sources, &pipeline::fields());
    assert!(problems.is_empty(), "{problems:?}");
    let settings = pipeline::Settings {
        identity: grantwatch::identity::Config::default(),
        alert: grantwatch::alert::Config::default(),
        outbox: grantwatch::outbox::Config::default(),
        allowed_lateness: grantwatch::model::Span(600),
        dedup_window: grantwatch::model::Span(86_400),
        dedup_max_events: 1_800_000,
        destinations: Vec::new(),
        grants: protected(),
        grants_are,
        policies: grantwatch::iam::Config::default(),
        policies_known: Arc::default(),
        asked: pipeline::Asked::default(),
        metrics: grantwatch::telemetry::metrics::Metrics::new(),
    };
    let gait = pipeline::Gait {
        threads,
        commit_interval: Duration::from_millis(500),
        commit_bytes: 64 << 20,
        reading: pipeline::Reading::of(&grantwatch::config::Config::default()),
        pace: pipeline::Pace::Replay,
        clock: || Seconds(0),
    };
    let source: Arc<str> = Arc::from("bench");
    let delivery = move |location: String, content: Content| Delivery {
        source: Arc::clone(&source),
        object: ObjectId { location, revision: String::new() },
        content,
        hold: Hold::nothing(),
        receipt: Receipt::nobody(),
    };
    let feed = |deliveries: tokio::sync::mpsc::Sender<Delivery>| async move {
        if grants_are != pipeline::Grants::Unread {
            let told = Content::Messages { preset: None, bytes: grants() };
            assert!(deliveries.send(delivery("grants".into(), told)).await.is_ok());
        }
        for file in files {
            let bytes = std::fs::read(file).unwrap();
            let content = Content::Bytes { format: Format::CloudTrail, bytes };
            let delivery = delivery(file.display().to_string(), content);
            assert!(deliveries.send(delivery).await.is_ok(), "the core has ended");
        }
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (books, ()) =
        runtime.block_on(pipeline::once(&at, settings, Arc::new(rules), gait, None, feed)).unwrap();
    assert!(books.total().balance());
    let told = if grants_are == pipeline::Grants::Unread { 0 } else { ROLES as usize };
    assert_eq!(books.total().read as usize, files.len() * corpus::EVENTS_PER_FILE + told);
    assert!(books.total().quarantined == 0 && books.total().rejected == 0);
}

fn took(work: impl FnOnce()) -> Took {
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    work();
    Took { cpu: cpu_seconds() - cpu, wall: wall.elapsed().as_secs_f64() }
}

fn median(runs: &[Took], figure: impl Fn(&Took) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn median_of(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// CPU time of this process, all threads, from /proc (Linux; clock ticks of 10 ms).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

/// The most memory this process has held, in MB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_000
}
