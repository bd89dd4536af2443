//! The settings of `pipeline`, which stands above this room and so cannot own them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::model::Duration;

/// How deliveries go through the core.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Flow {
    /// Threads that decompress and parse; 0 takes one per core.
    #[schemars(range(max = 256))]
    pub decode_threads: usize,
    /// A commit group is closed after this time at the latest. Longer means fewer syncs to disk and later alerts.
    pub commit_interval: Duration,
    /// A commit group is closed once it holds this many bytes of decoded events.
    #[schemars(range(min = 65_536, max = 1_073_741_824))]
    pub commit_bytes: u64,
    /// How much later than others an event may arrive and still take its place in correlations. Longer waits out
    /// slower regions and holds more in memory.
    pub allowed_lateness: Duration,
    /// How long an event id is remembered, so that what CloudTrail delivers twice counts once.
    pub dedup_window: Duration,
    /// How many event ids are remembered at most; the oldest go first. One takes about 20 bytes of memory.
    #[schemars(range(min = 1_000, max = 1_000_000_000))]
    pub dedup_max_events: u64,
    /// How long a stop may take to finish what was begun. Keep it below the time after which the service manager
    /// kills the process (systemd: `TimeoutStopSec`, Kubernetes: `terminationGracePeriodSeconds`).
    pub drain_timeout: Duration,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            decode_threads: 0,
            commit_interval: Duration::from_millis(500),
            commit_bytes: 64 << 20,
            allowed_lateness: Duration::from_secs(600),
            dedup_window: Duration::from_secs(86_400),
            dedup_max_events: 2_000_000,
            drain_timeout: Duration::from_secs(25),
        }
    }
}

impl Flow {
    /// Returns the keys whose durations make no sense, each with the reason.
    pub fn check(&self) -> Vec<(String, String)> {
        let bounds = [
            ("commit_interval", self.commit_interval, "10ms", "1m"),
            ("allowed_lateness", self.allowed_lateness, "0s", "1d"),
            ("dedup_window", self.dedup_window, "1m", "30d"),
            ("drain_timeout", self.drain_timeout, "1s", "1h"),
        ];
        let mut wrong = Vec::new();
        for (key, value, least, most) in bounds {
            let limit = |text: &str| text.parse::<Duration>().expect("the bounds are durations");
            if value < limit(least) || value > limit(most) {
                wrong.push((key.to_owned(), format!("{value} is not between {least} and {most}")));
            }
        }
        wrong
    }
}
