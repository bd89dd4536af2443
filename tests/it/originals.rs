//! Deliveries that a test can make as often as it needs them, and a core to give them to.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use grantwatch::alert;
use grantwatch::config::Config;
use grantwatch::model::Alert;
use grantwatch::model::Content;
use grantwatch::model::Delivery;
use grantwatch::model::Format;
use grantwatch::model::Glob;
use grantwatch::model::Hold;
use grantwatch::model::ObjectId;
use grantwatch::model::Receipt;
use grantwatch::model::Route;
use grantwatch::model::Seconds;
use grantwatch::model::Severity;
use grantwatch::pipeline;
use grantwatch::pipeline::Core;
use grantwatch::pipeline::Reading;
use grantwatch::pipeline::daemon;
use grantwatch::rules::Rules;
use grantwatch::rules::Sieve;
use grantwatch::source;
use grantwatch::store::Reader;
use grantwatch::store::Store;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::files;

/// A policy that gives next to nothing: writing it is an act, and no drift.
pub const HARMLESS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:eu-central-1:111122223333:q"}]}"#;

/// What a delivery is made from.
pub struct Original {
    /// Where it lies below its folder.
    pub key: String,
    /// When it was delivered, by its name; 0 if its name does not say.
    pub delivered: Seconds,
    content: Kept,
}

enum Kept {
    Bytes(Format, Vec<u8>),
    Routed(Route),
    Rejected(String, Vec<u8>),
}

impl Original {
    /// Returns the delivery anew, which tells `receipt`.
    pub fn delivery(&self, receipt: Receipt) -> Delivery {
        let content = match &self.content {
            Kept::Bytes(format, bytes) => Content::Bytes { format: *format, bytes: bytes.clone() },
            Kept::Routed(route) => Content::Routed(*route),
            Kept::Rejected(reason, body) => {
                Content::Rejected { reason: reason.clone(), body: body.clone() }
            }
        };
        let location = format!("s3://example-trail/{}", self.key);
        Delivery {
            source: Arc::from("example-trail"),
            object: ObjectId { location, revision: String::new() },
            content,
            hold: Hold::nothing(),
            receipt,
        }
    }
}

/// Returns a delivery of `text`, which nobody waits for.
pub fn delivery(format: Format, location: String, text: String) -> Delivery {
    Delivery {
        source: Arc::from("test"),
        object: ObjectId { location, revision: String::new() },
        content: Content::Bytes { format, bytes: text.into_bytes() },
        hold: Hold::nothing(),
        receipt: Receipt::nobody(),
    }
}

/// Hands `delivery` to `core` and commits, at a real time that nothing may depend on.
pub fn deliver(core: &mut Core, delivery: Delivery, reading: &Reading, rules: &Arc<Rules>) {
    let batch = pipeline::read(delivery, reading, &mut Sieve::new(Arc::clone(rules)));
    core.take(batch).unwrap();
    core.commit(Seconds(1_800_000_000)).unwrap();
}

impl Original {
    /// Returns the same content under another key.
    pub fn copied(self) -> Self {
        Self { key: format!("copy/{}", self.key), ..self }
    }
}

/// Reads the files below `folder` (in the repository) as the folder source does, in the order of their delivery.
pub fn originals(folder: &str) -> Vec<Original> {
    let root = files::path(folder);
    let once =
        source::folder::Config { watch: false, ..source::folder::Config::new("x", root.clone()) };
    let config = source::Config { folder: vec![once], ..source::Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut found = runtime.block_on(async {
        let (to, mut from) = mpsc::channel(1);
        let (_say, stop) = watch::channel(false);
        let _running = source::start(&config, Arc::new(|_| false), to, stop).await.unwrap();
        let mut found = Vec::new();
        while let Some(delivery) = from.recv().await {
            found.push(original(&root, delivery));
        }
        found
    });
    found.sort_by(|a, b| (a.delivered, &a.key).cmp(&(b.delivered, &b.key)));
    found
}

fn original(root: &Path, delivery: Delivery) -> Original {
    let key = Path::new(&delivery.object.location).strip_prefix(root).unwrap();
    let key = key.to_string_lossy().into_owned();
    let content = match delivery.content {
        Content::Bytes { format, bytes } => Kept::Bytes(format, bytes),
        Content::Routed(route) => Kept::Routed(route),
        Content::Rejected { reason, body } => Kept::Rejected(reason, body),
        Content::Messages { .. } | Content::Reading(_) => panic!("a folder holds files"),
    };
    let stamp = key.split(['_', '.']).find_map(|part| {
        let part = part.strip_suffix('Z').filter(|part| part.contains('T'))?;
        Seconds::parse(&format!("{part:0<15}Z"))
    });
    Original { delivered: stamp.unwrap_or_default(), key, content }
}

/// The daemon's settings for the golden day, and the detectors that come with it.
pub struct Setting {
    /// The configuration.
    pub config: Config,
    /// The detectors.
    pub rules: Arc<Rules>,
}

impl Setting {
    /// Returns the defaults of the daemon, with the broker of the sample organisation and `allowed_lateness`.
    pub fn of_the_day(allowed_lateness: &str) -> Self {
        let mut config = Config::default();
        config.identity.brokers = vec![Glob("grant-broker-*".to_owned())];
        config.pipeline.allowed_lateness = allowed_lateness.parse().unwrap();
        Self { config, rules: rules() }
    }

    /// Returns the core's settings.
    pub fn settings(&self) -> pipeline::Settings {
        daemon::settings(&self.config, Vec::new())
    }
}

/// Returns the detectors that come with grantwatch.
pub fn rules() -> Arc<Rules> {
    let (rules, problems) = pipeline::load_detectors(&grantwatch::rules::Config::default());
    assert!(problems.is_empty(), "{problems:?}");
    rules
}

/// A core with its store, and the word of which deliveries it has acknowledged.
pub struct House<'a> {
    setting: &'a Setting,
    folder: tempfile::TempDir,
    core: Option<Core>,
    sieve: Sieve,
    acknowledged: Arc<Mutex<BTreeSet<usize>>>,
}

impl<'a> House<'a> {
    /// Makes a house with an empty store.
    pub fn new(setting: &'a Setting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sieve = Sieve::new(Arc::clone(&setting.rules));
        let mut house = Self { setting, folder, core: None, sieve, acknowledged: Arc::default() };
        house.open();
        house
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("day.db")
    }

    fn open(&mut self) {
        let store = Store::open(&self.path(), pipeline::MIGRATIONS).unwrap();
        let rules = Arc::clone(&self.setting.rules);
        self.core = Some(Core::open(store, self.setting.settings(), rules).unwrap());
    }

    /// Ends the process where it stands and starts another on the last commit.
    pub fn kill(&mut self) {
        self.core = None;
        self.open();
    }

    /// Returns the core.
    pub fn core(&mut self) -> &mut Core {
        self.core.as_mut().unwrap()
    }

    /// Gives the core a delivery, which is acknowledged as `number`.
    pub fn take(&mut self, original: &Original, number: usize) {
        let acknowledged = Arc::clone(&self.acknowledged);
        let receipt = Receipt::new(move || {
            acknowledged.lock().unwrap().insert(number);
        });
        let config = &pipeline::Reading::of(&self.setting.config);
        let batch = pipeline::read(original.delivery(receipt), config, &mut self.sieve);
        self.core().take(batch).unwrap();
    }

    /// Commits what was taken. Real time is long after the day.
    pub fn commit(&mut self) {
        self.core().commit(Seconds(1_800_000_000)).unwrap();
    }

    /// Returns whether delivery `number` was acknowledged.
    pub fn has_acknowledged(&self, number: usize) -> bool {
        self.acknowledged.lock().unwrap().contains(&number)
    }

    /// Loses the word that these deliveries were acknowledged, as a queue does that is told too late.
    pub fn lose_word(&mut self, numbers: &[usize]) {
        self.acknowledged.lock().unwrap().retain(|number| !numbers.contains(number));
    }

    /// Lets the stream end, commits, and returns all alerts.
    pub fn finish(&mut self) -> Vec<Alert> {
        self.core().finish();
        self.commit();
        alerts(&Reader::open(&self.path()).unwrap())
    }

    /// Returns the counters that the store keeps of the source.
    pub fn counters(&self) -> BTreeMap<String, i64> {
        let reader = Reader::open(&self.path()).unwrap();
        let mut query = reader.prepare("SELECT name, value FROM counter").unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(|row| row.unwrap()).collect()
    }
}

/// Returns all alerts of a store, oldest first, with what has folded into them.
pub fn alerts(reader: &Reader) -> Vec<Alert> {
    let ids = alert::table::ids(reader, Severity::Informational).unwrap();
    let read = |id| alert::table::read(reader, id).unwrap().unwrap();
    ids.iter().map(read).collect()
}
