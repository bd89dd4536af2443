//! What a commit group costs the core thread, to take and to write: `cargo bench --bench commit`.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

#[expect(dead_code, reason = "each benchmark takes of the corpus what it needs")]
mod corpus;

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use grantwatch::config::Config;
use grantwatch::model::Content;
use grantwatch::model::Delivery;
use grantwatch::model::Format;
use grantwatch::model::Hold;
use grantwatch::model::ObjectId;
use grantwatch::model::Receipt;
use grantwatch::model::Seconds;
use grantwatch::pipeline;
use grantwatch::pipeline::Batch;
use grantwatch::pipeline::Core;
use grantwatch::pipeline::daemon;
use grantwatch::rules::Rules;
use grantwatch::rules::Sieve;
use grantwatch::store::Store;
use tempfile::TempDir;

const NOW: Seconds = Seconds(1_772_352_000);

/// Deliveries in a group: one alone, some, and what 64 MiB hold.
const GROUPS: [usize; 3] = [1, 8, 48];

fn main() {
    divan::main();
}

/// A core on an empty store, and a group for it.
struct Room {
    core: Core,
    group: Vec<Batch>,
    _folder: TempDir,
}

struct Corpus {
    config: Config,
    rules: Arc<Rules>,
    texts: Vec<String>,
}

impl Corpus {
    fn new(deliveries: usize) -> Self {
        let config = Config::default();
        let (rules, _) = pipeline::load_detectors(&config.detectors);
        Self { config, rules, texts: (0..deliveries).map(corpus::text).collect() }
    }

    fn room(&self) -> Room {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("bench.db"), pipeline::MIGRATIONS).unwrap();
        let settings = daemon::settings(&self.config, Vec::new());
        let core = Core::open(store, settings, Arc::clone(&self.rules)).unwrap();
        let mut sieve = Sieve::new(Arc::clone(&self.rules));
        let numbered = self.texts.iter().enumerate();
        let deliveries = numbered.map(|(number, text)| delivery(number, text));
        let read =
            |delivery| pipeline::read(delivery, &pipeline::Reading::of(&self.config), &mut sieve);
        Room { core, group: deliveries.map(read).collect(), _folder: folder }
    }
}

fn delivery(number: usize, text: &str) -> Delivery {
    Delivery {
        source: Arc::from("bench"),
        object: ObjectId { location: format!("s3://bench/{number}"), revision: String::new() },
        content: Content::Bytes { format: Format::CloudTrail, bytes: text.to_owned().into_bytes() },
        hold: Hold::nothing(),
        receipt: Receipt::nobody(),
    }
}

/// The core's own work: what was seen, who it was, which candidates match.
#[divan::bench(args = GROUPS, sample_count = 10, sample_size = 1)]
fn take(bencher: Bencher<'_, '_>, deliveries: usize) {
    let corpus = Corpus::new(deliveries);
    bencher
        .counter(ItemsCount::new(deliveries * corpus::EVENTS_PER_FILE))
        .with_inputs(|| corpus.room())
        .bench_local_values(|mut room| {
            for batch in room.group.drain(..) {
                room.core.take(batch).unwrap();
            }
            room
        });
}

/// One transaction with everything the group has taught, synced to disk.
#[divan::bench(args = GROUPS, sample_count = 10, sample_size = 1)]
fn commit(bencher: Bencher<'_, '_>, deliveries: usize) {
    let corpus = Corpus::new(deliveries);
    let taken = || {
        let mut room = corpus.room();
        for batch in room.group.drain(..) {
            room.core.take(batch).unwrap();
        }
        room
    };
    bencher
        .counter(ItemsCount::new(deliveries * corpus::EVENTS_PER_FILE))
        .with_inputs(taken)
        .bench_local_values(|mut room| {
            room.core.commit(NOW).unwrap();
            room
        });
}
