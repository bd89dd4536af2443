//! The metrics of a process: their names, what they count, and the text that Prometheus reads.
//!
//! [`CATALOGUE`] is every family there is, and docs/metrics.md its table. Whoever learns a number sets it here; nothing
//! here computes one.
//!
//! Invariant: no clock and nothing global: who holds a [`Metrics`] shares it by cloning it. Labels are accounts, sources,
//! sinks and words of ours, never what a caller may choose.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many series of a family are set at once at most.
const MAX_SERIES: usize = 10_000;

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It grows from the start of the process on.
    Counter,
    /// It is what it is now.
    Gauge,
}

impl Kind {
    /// Returns its name in the exposition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A family of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The name; a counter's series carry `_total` behind it.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in a sentence.
    pub meaning: &'static str,
}

macro_rules! catalogue {
    ($($(#[$doc:meta])* $constant:ident = $name:literal $kind:ident [$($label:literal),*] $meaning:literal,)*) => {
        $($(#[$doc])* pub const $constant: &str = $name;)*

        /// Every family there is.
        pub const CATALOGUE: &[About] = &[$(About {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            meaning: $meaning,
        },)*];
    };
}

catalogue! {
    /// Acts on the protect surface.
    PROTECTED_ACTS = "grantwatch_protected_acts" Counter ["verdict", "account"]
    "Acts on the protect surface by their verdict and the account they were done in, each counted once its verdict is final",
    /// Uses of standing permissions that were forgotten.
    USES_FORGOTTEN = "grantwatch_standing_uses_forgotten" Counter []
    "Rows of what a holder of standing privilege last did, forgotten because there were too many; those of longest ago go first",
    /// The zero-standing-privilege score of an account.
    SCORE = "grantwatch_zero_standing_privilege_ratio" Gauge ["account"]
    "Share of an account's protected acts of the last 30 days of event time that a grant covered: covered / (all - exempt)",
    /// The zero-standing-privilege score of everything.
    SCORE_OVERALL = "grantwatch_zero_standing_privilege_overall_ratio" Gauge []
    "The same share over all accounts together",
    /// Grants that give access.
    GRANTS_ACTIVE = "grantwatch_grants_active" Gauge []
    "Grants that give access at the newest event time",
    /// Grants by status.
    GRANTS = "grantwatch_grants" Gauge ["status"]
    "Grants by the status they are in at the newest event time",
    /// How long access outlives its grant.
    REMOVAL = "grantwatch_grant_removal_seconds_mean" Gauge []
    "Mean time from the end of a grant to the removal of its access, over the grants of the last 30 days of event time whose access was removed",
    /// Actions whose level had to be guessed.
    UNKNOWN_ACTIONS = "grantwatch_unknown_actions" Gauge []
    "Different actions that the table of access levels does not have, so that their level was guessed from their name",
    /// Resources with tags that are kept.
    TAGGED = "grantwatch_tagged_resources" Gauge []
    "Resources of whose tags something is kept; set where the protect surface asks for tags of resources",
    /// Resources that were forgotten.
    TAGGED_FORGOTTEN = "grantwatch_tagged_resources_forgotten" Counter []
    "Resources whose tags were forgotten because there were too many: those without a tag first, then those that changed longest ago",
    /// What AWS was asked about policies.
    POLICY_READINGS = "grantwatch_policy_readings" Counter ["outcome"]
    "Policies that AWS was asked for because no record tells them, by outcome: read, absent, overtaken (by a later change), refused or unreadable",
    /// Records.
    RECORDS = "grantwatch_records" Counter ["source", "fate"]
    "Records read, by source and by what became of them: kept, duplicate or quarantined",
    /// Deliveries.
    DELIVERIES = "grantwatch_deliveries" Counter ["source"]
    "Objects and messages taken in, by source",
    /// Alerts.
    ALERTS_OPENED = "grantwatch_alerts_opened" Counter ["severity"]
    "Alerts that opened, by severity",
    /// What the outbox owes.
    OUTBOX = "grantwatch_outbox_alerts" Gauge ["sink", "state"]
    "Alerts that the outbox keeps for a sink: pending (owed, retries included) or dead",
    /// Commits.
    COMMITS = "grantwatch_commits" Counter []
    "Commit groups written",
    /// The newest event.
    NEWEST = "grantwatch_newest_event_timestamp_seconds" Gauge []
    "Time of the newest event",
    /// The watermark.
    WATERMARK = "grantwatch_watermark_timestamp_seconds" Gauge []
    "Time before which no event is waited for any more",
    /// How far the watermark is behind.
    WATERMARK_LAG = "grantwatch_watermark_lag_seconds" Gauge []
    "How far the watermark was behind real time at the last commit",
}

type Labels = Vec<(&'static str, String)>;

/// One family's series.
#[derive(Clone)]
enum Series {
    Counter(Family<Labels, Counter>),
    Gauge(Family<Labels, Gauge<f64, AtomicU64>>),
}

/// The metrics of a process. Clones share their numbers.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    series: Vec<(About, Series)>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Makes all families, without a series yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let mut series = Vec::with_capacity(CATALOGUE.len());
        for about in CATALOGUE {
            let made = match about.kind {
                Kind::Counter => {
                    let family = Family::default();
                    registry.register(about.name, about.meaning, family.clone());
                    Series::Counter(family)
                }
                Kind::Gauge => {
                    let family = Family::default();
                    registry.register(about.name, about.meaning, family.clone());
                    Series::Gauge(family)
                }
            };
            series.push((*about, made));
        }
        Self(Arc::new(Inner { registry, series }))
    }

    /// Returns all numbers as OpenMetrics text ([`MEDIA_TYPE`]), which Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let written = encode(&mut text, &self.0.registry);
        written.expect("writing into a string does not fail");
        text
    }

    /// Adds to a counter; `values` are those of the labels, in their order.
    pub fn add(&self, name: &str, values: &[&str], more: u64) {
        let Some((about, Series::Counter(family))) = self.series(name) else {
            debug_assert!(false, "there is no counter `{name}`");
            return;
        };
        family.get_or_create(&labels(about, values)).inc_by(more);
    }

    /// Sets a gauge; `values` are those of the labels, in their order.
    pub fn set(&self, name: &str, values: &[&str], value: f64) {
        let Some((about, Series::Gauge(family))) = self.series(name) else {
            debug_assert!(false, "there is no gauge `{name}`");
            return;
        };
        family.get_or_create(&labels(about, values)).set(value);
    }

    /// Sets all series of a gauge with one label, and forgets those that are not among them.
    pub fn replace<'a>(&self, name: &str, all: impl IntoIterator<Item = (&'a str, f64)>) {
        let Some((about, Series::Gauge(family))) = self.series(name) else {
            debug_assert!(false, "there is no gauge `{name}`");
            return;
        };
        family.clear();
        for (value, number) in all.into_iter().take(MAX_SERIES) {
            family.get_or_create(&labels(about, &[value])).set(number);
        }
    }

    fn series(&self, name: &str) -> Option<&(About, Series)> {
        self.0.series.iter().find(|(about, _)| about.name == name)
    }
}

fn labels(about: &About, values: &[&str]) -> Labels {
    debug_assert_eq!(about.labels.len(), values.len(), "{}", about.name);
    about.labels.iter().copied().zip(values.iter().map(|value| (*value).to_owned())).collect()
}

/// Returns the catalogue as a table for people.
pub fn table() -> String {
    let mut table = String::from("| Name | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n");
    for About { name, kind, labels, meaning } in CATALOGUE {
        let behind = if *kind == Kind::Counter { "_total" } else { "" };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let row = writeln!(
            table,
            "| `{name}{behind}` | {} | {} | {meaning}. |",
            kind.name(),
            labels.join(", ")
        );
        row.expect("writing into a string does not fail");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_tells_what_was_set_and_ends() {
        let metrics = Metrics::new();
        metrics.add(PROTECTED_ACTS, &["covered", "111122223333"], 2);
        metrics.clone().add(PROTECTED_ACTS, &["covered", "111122223333"], 1);
        metrics.set(WATERMARK_LAG, &[], 1.5);
        let text = metrics.text();
        assert!(text.contains("# TYPE grantwatch_protected_acts counter\n"), "{text}");
        let series =
            "grantwatch_protected_acts_total{verdict=\"covered\",account=\"111122223333\"} 3\n";
        assert!(text.contains(series), "{text}");
        assert!(text.contains("grantwatch_watermark_lag_seconds{} 1.5\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn what_is_gone_is_not_told_of_any_more() {
        let metrics = Metrics::new();
        metrics.replace(SCORE, [("111122223333", 0.5), ("444455556666", 1.0)]);
        metrics.replace(SCORE, [("444455556666", 0.25)]);
        let text = metrics.text();
        assert!(!text.contains("111122223333"), "{text}");
        assert!(text.contains("{account=\"444455556666\"} 0.25\n"), "{text}");
    }

    #[test]
    fn a_label_cannot_make_a_line() {
        let metrics = Metrics::new();
        metrics.add(DELIVERIES, &["a\"} 1\nb"], 1);
        let text = metrics.text();
        assert!(text.contains("{source=\"a\\\"} 1\\nb\"} 1\n"), "{text}");
    }

    #[test]
    fn names_are_those_that_prometheus_takes() {
        for About { name, meaning, labels, .. } in CATALOGUE {
            let letters = |text: &str| text.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
            assert!(letters(name) && labels.iter().all(|label| letters(label)), "{name}");
            assert!(!name.ends_with("_total") && !meaning.ends_with('.'), "{name}");
        }
    }
}
