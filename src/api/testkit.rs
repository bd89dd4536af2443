//! A store with grants in it, and what requests need.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::api::body::Bounds;
use crate::api::gate::Gate;
use crate::api::shared::MAX_WRITES;
use crate::api::shared::Shared;
use crate::api::signature::Received;
use crate::api::token::Hash;
use crate::grants;
use crate::grants::Evidence;
use crate::grants::Ledger;
use crate::grants::Version;
use crate::grants::message;
use crate::grants::message::Limits;
use crate::grants::presets::Presets;
use crate::model::Delivery;
use crate::model::Seconds;
use crate::store::Migration;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;

/// Half past ten on 1 March 2026, when the grants of this kit are in force.
pub(super) const NOW: Seconds = Seconds(1_772_361_000);

/// Who may read and write for the source `test`.
pub(super) const TOKEN: &str = "gwt_test";

const MIGRATIONS: [Migration; 1] = [Migration { number: 1, name: "grants", sql: grants::SCHEMA }];

/// Returns the message of a grant to alice from ten to twelve.
pub(super) fn message(id: &str) -> serde_json::Value {
    serde_json::json!({
        "schema": "grantwatch.grant/1", "id": id, "source": "test", "revision": 1,
        "emitted_at": "2026-03-01T09:55:00Z", "status": "active",
        "principals": [{"kind": "idc_user", "user_name": "alice@example.com"}],
        "scope": {"accounts": ["111122223333"], "permission_sets": ["Admin"]},
        "window": {"not_before": "2026-03-01T10:00:00Z", "not_after": "2026-03-01T12:00:00Z"},
    })
}

/// Returns what it says.
pub(super) fn version(id: &str) -> Version {
    message::read(&message(id), &Limits::default()).unwrap()
}

/// Makes a store that holds the grants `ids`.
pub(super) fn store(folder: &TempDir, ids: &[&str]) -> Store {
    let mut store = Store::open(&folder.path().join("a.db"), &MIGRATIONS).unwrap();
    let mut ledger = Ledger::default();
    for id in ids {
        ledger.apply(version(id), Evidence { from: "test".into(), arrived: NOW });
    }
    let tx = store.begin().unwrap();
    ledger.save(&tx).unwrap();
    tx.commit().unwrap();
    store
}

/// What a test of requests needs: the other ends.
pub(super) struct Stage {
    pub(super) shared: Arc<Shared>,
    pub(super) deliveries: mpsc::Receiver<Delivery>,
    pub(super) stop: watch::Sender<bool>,
    _folder: TempDir,
    _store: Store,
}

/// Sets up the API over a store that holds `g-1`.
pub(super) fn stage() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, &["g-1"]);
    let hash = Hash::of(TOKEN);
    let config = format!(
        "[[token]]\nname = 'broker'\nsha256 = '{hash}'\n\
         scopes = ['grants:read', 'grants:write']\nsources = ['test']\n"
    );
    let (to, deliveries) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let shared = Arc::new(Shared {
        gate: RwLock::new(Arc::new(Gate::new(&toml::from_str(&config).unwrap()).unwrap())),
        tls: RwLock::new(None),
        presets: Presets::default(),
        metrics: Metrics::new(),
        limits: Limits::default(),
        bounds: Bounds { most: 100_000, timeout: Duration::from_secs(20) },
        to: Mutex::new(Some(to)),
        stop: stopped,
        reader: Mutex::new(store.reader().unwrap()),
        writes: Semaphore::new(MAX_WRITES),
        received: Received::default(),
        clock: || NOW,
        next: AtomicU64::new(0),
        told: Mutex::default(),
    });
    Stage { shared, deliveries, stop, _folder: folder, _store: store }
}
