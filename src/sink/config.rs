//! The operator's words for sinks.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use url::Url;

use crate::model::Duration;
use crate::model::Severity;
use crate::model::SinkName;

/// Where alerts go. Every alert goes to every sink that wants its severity.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Receivers of signed webhooks (Standard Webhooks 1.0.0).
    pub webhook: Vec<Webhook>,
    /// Splunk HTTP Event Collectors.
    pub splunk_hec: Vec<SplunkHec>,
    /// Files with one alert a line.
    pub file: Vec<File>,
    /// This process's standard output.
    pub stdout: Vec<Stdout>,
}

/// A receiver of signed webhooks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// A name of your choice: a-z, 0-9, `-`, `_`. The outbox remembers what it owes to this name.
    pub name: SinkName,
    /// Where to POST alerts. https, unless `allow_http`.
    pub url: Url,
    /// A file with the secret that requests are signed with: `whsec_` and base64 of 24 to 64 bytes, as
    /// `echo whsec_$(openssl rand -base64 32)` makes it. While you change it, put the new one in the first line and the
    /// old one in the second: requests are signed with both.
    pub secret_file: PathBuf,
    /// Further headers. Put secret ones in `header_files`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Further headers whose values are secret: name and the file whose first line is the value.
    #[serde(default)]
    pub header_files: BTreeMap<String, PathBuf>,
    /// Certificate authorities to trust for this sink, as PEM, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Send over http too. Alerts then travel in the clear: only for a receiver on this machine.
    #[serde(default)]
    pub allow_http: bool,
    /// Send to loopback and private addresses too. Link-local addresses are always refused.
    #[serde(default)]
    pub allow_private: bool,
    /// The least severity this sink wants.
    #[serde(default = "everything")]
    pub min_severity: Severity,
    /// Alerts under way at once.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: u32,
    /// Requests a second, at most.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 10_000))]
    pub rate: u32,
    /// How long one request may take.
    #[serde(default = "twenty_seconds")]
    pub timeout: Duration,
}

impl Webhook {
    /// Returns a webhook with every optional key at its default.
    pub fn new(name: SinkName, url: Url, secret_file: PathBuf) -> Self {
        Self {
            name,
            url,
            secret_file,
            headers: BTreeMap::new(),
            header_files: BTreeMap::new(),
            ca_file: None,
            allow_http: false,
            allow_private: false,
            min_severity: everything(),
            concurrency: four(),
            rate: twenty(),
            timeout: twenty_seconds(),
        }
    }
}

/// A Splunk HTTP Event Collector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplunkHec {
    /// A name of your choice: a-z, 0-9, `-`, `_`. The outbox remembers what it owes to this name.
    pub name: SinkName,
    /// The collector, such as `https://splunk.example.com:8088`; the path is added. https, unless `allow_http`.
    pub url: Url,
    /// A file whose first line is the collector's token.
    pub token_file: PathBuf,
    /// Whether an alert counts as delivered only when Splunk says that it is indexed. The token must have indexer
    /// acknowledgement enabled; Splunk Cloud has it only for Firehose. Without it a crash of Splunk can lose alerts.
    #[serde(default = "on")]
    pub acknowledge: bool,
    /// How often to ask whether alerts are indexed.
    #[serde(default = "ten_seconds")]
    pub ack_interval: Duration,
    /// How long to ask before the alert is sent again.
    #[serde(default = "five_minutes")]
    pub ack_timeout: Duration,
    /// The index; without it, the token's own.
    #[serde(default)]
    pub index: Option<String>,
    /// The event's `source`.
    #[serde(default = "grantwatch")]
    pub source: String,
    /// The event's `sourcetype`.
    #[serde(default = "grantwatch_alert")]
    pub sourcetype: String,
    /// The event's `host`; without it, Splunk's own choice.
    #[serde(default)]
    pub host: Option<String>,
    /// Certificate authorities to trust for this sink, as PEM, instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Send over http too. Token and alerts then travel in the clear: only for a collector on this machine.
    #[serde(default)]
    pub allow_http: bool,
    /// Send to loopback and private addresses too. Link-local addresses are always refused.
    #[serde(default)]
    pub allow_private: bool,
    /// The least severity this sink wants.
    #[serde(default = "everything")]
    pub min_severity: Severity,
    /// Alerts under way at once, those that wait for their acknowledgement included.
    #[serde(default = "sixty_four")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: u32,
    /// Requests a second, at most.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 10_000))]
    pub rate: u32,
    /// How long one request may take.
    #[serde(default = "twenty_seconds")]
    pub timeout: Duration,
}

/// A file with one alert a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// A name of your choice: a-z, 0-9, `-`, `_`. The outbox remembers what it owes to this name.
    pub name: SinkName,
    /// The file; its folder must exist. It may be renamed at any time (logrotate): a new one is begun.
    pub path: PathBuf,
    /// The least severity this sink wants.
    #[serde(default = "everything")]
    pub min_severity: Severity,
    /// Alerts under way at once; those that arrive together are flushed to disk together.
    #[serde(default = "eight")]
    #[schemars(range(min = 1, max = 256))]
    pub concurrency: u32,
}

/// This process's standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stdout {
    /// A name of your choice: a-z, 0-9, `-`, `_`. The outbox remembers what it owes to this name.
    pub name: SinkName,
    /// `json` (one alert a line) or `text` (for people).
    #[serde(default)]
    pub format: Format,
    /// The least severity this sink wants.
    #[serde(default = "everything")]
    pub min_severity: Severity,
}

/// How alerts are written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One alert a line.
    #[default]
    Json,
    /// For people.
    Text,
}

fn everything() -> Severity {
    Severity::Informational
}

fn on() -> bool {
    true
}

fn four() -> u32 {
    4
}

fn eight() -> u32 {
    8
}

fn twenty() -> u32 {
    20
}

fn sixty_four() -> u32 {
    64
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn twenty_seconds() -> Duration {
    Duration::from_secs(20)
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

fn grantwatch() -> String {
    "grantwatch".to_owned()
}

fn grantwatch_alert() -> String {
    "grantwatch:alert".to_owned()
}
