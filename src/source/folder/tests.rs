//! Stories of folders, in temporary ones.

use std::sync::Mutex;

use super::*;
use crate::model::Format;

fn write(root: &Path, name: &str, text: &str) -> PathBuf {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

struct Told {
    reader: Reader,
    from: mpsc::Receiver<Delivery>,
    say: flag::Sender<bool>,
}

fn reader(known: &'static [&'static str]) -> Told {
    let (to, from) = mpsc::channel(100);
    let (say, stop) = flag::channel(false);
    let reader = Reader {
        name: Arc::from("test"),
        holds: Holds::Logs,
        budget: Budget::new(1_048_576),
        max_object_bytes: 1_000,
        known: Arc::new(|object| known.iter().any(|it| object.location.ends_with(it))),
        to,
        counters: Counters::new("test"),
        stop,
    };
    Told { reader, from, say }
}

fn shown(root: &Path, delivery: &Delivery) -> String {
    let location = Path::new(&delivery.object.location);
    let name = location.strip_prefix(root).unwrap().display().to_string();
    match &delivery.content {
        Content::Bytes { format: Format::Any, bytes } => {
            format!("{name} {}", String::from_utf8_lossy(bytes))
        }
        Content::Bytes { format, bytes } => {
            format!("{name} {format:?} {}", String::from_utf8_lossy(bytes))
        }
        Content::Routed(route) => format!("{name} -> {}", route.name()),
        Content::Rejected { reason, .. } => format!("{name} rejected: {reason}"),
        Content::Messages { .. } | Content::Reading(_) => panic!("a folder holds files"),
    }
}

async fn all(root: &Path, mut told: Told) -> Vec<String> {
    told.reader.once(root.to_owned(), Window::default()).await.unwrap();
    let mut all = Vec::new();
    while let Some(delivery) = told.from.recv().await {
        all.push(shown(root, &delivery));
    }
    all
}

#[tokio::test]
async fn accounts_and_regions_interleave_as_they_were_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let name = |account: &str, minute: &str| {
        format!(
            "AWSLogs/{account}/CloudTrail/eu-west-1/{account}_CloudTrail_eu-west-1_20260301T08{minute}Z_x.json.gz"
        )
    };
    write(root, &name("111122223333", "15"), "second");
    write(root, &name("111122223333", "05"), "first");
    write(root, &name("444455556666", "10"), "between");
    write(root, "AWSLogs/111122223333/CloudTrail-Digest/d_20260301T081000Z.json.gz", "digest");
    write(root, "notes.json", "unstamped");
    write(root, ".hidden/x.json", "hidden");
    write(root, ".partial.json", "hidden");
    write(root, "x.json.gz.metadata.json", "sidecar");
    let told = reader(&[]);
    let counters = Arc::clone(&told.reader.counters);
    let texts: Vec<String> = all(root, told)
        .await
        .iter()
        .filter_map(|it| it.rsplit(' ').next().map(str::to_owned))
        .collect();
    assert_eq!(texts, ["unstamped", "first", "digest", "between", "second"]);
    assert_eq!(counters.objects_listed.load(Ordering::Relaxed), 5);
    assert_eq!(counters.listing_complete.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_known_or_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.json", "known");
    write(folder.path(), "b.json", &"x".repeat(1_001));
    write(folder.path(), "c.json", "read");
    let told = reader(&["a.json"]);
    let found = all(folder.path(), told).await;
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("b.json rejected: "), "{found:?}");
    assert_eq!(found[1], "c.json read");
}

#[tokio::test]
async fn one_file_is_a_target_too_and_a_missing_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), ".events.json", "asked for by name");
    let mut told = reader(&[]);
    told.reader.once(file, Window::default()).await.unwrap();
    assert_eq!(
        shown(folder.path(), &told.from.recv().await.unwrap()),
        ".events.json asked for by name"
    );

    let missing = reader(&[]).reader.once(folder.path().join("no"), Window::default()).await;
    assert!(matches!(missing, Err(SourceError::Unreadable { .. })));
}

#[test]
fn the_window_leaves_out_what_was_delivered_elsewhen() {
    let folder = tempfile::tempdir().unwrap();
    for hour in ["01", "12", "23"] {
        write(folder.path(), &format!("a_CloudTrail_r_20260301T{hour}00Z_x.json"), "");
    }
    write(folder.path(), "unstamped.json", "");
    let window = Window {
        from: Seconds::parse("2026-03-01T11:00:00Z"),
        to: Seconds::parse("2026-03-01T13:00:00Z"),
    };
    let found = walk(folder.path(), window).unwrap();
    let names: Vec<_> = found.iter().map(|it| it.path.file_name().unwrap()).collect();
    assert_eq!(names, ["unstamped.json", "a_CloudTrail_r_20260301T1200Z_x.json"]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_contains_itself_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a/b.json", "");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
    assert_eq!(walk(folder.path(), Window::default()).unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_budget_stops_reading_until_something_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        write(folder.path(), name, &"x".repeat(600));
    }
    let mut told = reader(&[]);
    told.reader.budget = Budget::new(1_024);
    let counters = Arc::clone(&told.reader.counters);
    let reading = tokio::spawn(told.reader.once(folder.path().to_owned(), Window::default()));
    for expected in 1..=3 {
        let delivery = told.from.recv().await.unwrap();
        assert_eq!(counters.objects_fetched.load(Ordering::Relaxed), expected);
        drop(delivery);
    }
    reading.await.unwrap().unwrap();
}

fn age_by(path: &Path, seconds: u64) {
    let then =
        fs::metadata(path).unwrap().modified().unwrap() - std::time::Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

#[tokio::test]
async fn a_watched_folder_tells_of_what_is_moved_in_and_what_changes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    age_by(&write(&root, "a.json", "there before"), 60);
    let mut told = reader(&[]);
    let watching = tokio::spawn(watch::watch(told.reader, root.clone()));
    assert_eq!(shown(&root, &told.from.recv().await.unwrap()), "a.json there before");

    let hidden = write(&root, ".b.json.part", "moved in");
    age_by(&hidden, 60);
    fs::rename(&hidden, root.join("b.json")).unwrap();
    assert_eq!(shown(&root, &told.from.recv().await.unwrap()), "b.json moved in");

    age_by(&write(&root, "a.json", "changed"), 30);
    let changed = told.from.recv().await.unwrap();
    assert!(["a.json changed", "a.json "].contains(&shown(&root, &changed).as_str()));
    told.say.send_replace(true);
    watching.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_file_that_is_being_written_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.json", "fresh");
    let seen = Arc::new(Mutex::new(0_u32));
    let mut told = reader(&[]);
    told.reader.known = Arc::new({
        let seen = Arc::clone(&seen);
        move |_| {
            *seen.lock().unwrap() += 1;
            false
        }
    });
    let found = walk(folder.path(), Window::default()).unwrap();
    assert!(age(&found[0]).is_some_and(|age| age < std::time::Duration::from_secs(60)));
    let watching = tokio::spawn(watch::watch(told.reader, folder.path().to_owned()));
    assert_eq!(shown(folder.path(), &told.from.recv().await.unwrap()), "a.json fresh");
    assert_eq!(*seen.lock().unwrap(), 1);
    drop(told.say);
    watching.await.unwrap().unwrap();
}
