//! The operator's file: the rooms' `Config`s put together, every mistake reported at once.
//!
//! A file is read in four steps, and mistakes are gathered over all of them: its syntax (`walk::syntax`),
//! its keys and types against the schema (`walk`), each value against its room's type (`read`), and what only
//! the whole can tell, such as two sinks of one name (`whole`). A room plugs in with its field in [`Config`]
//! and, if it has more to say than its types do, with a line in `checks`.
//!
//! Invariant: nothing is taken from the environment, and a secret never stands in this file: the file names
//! the file that holds it. No key is ignored: what we do not know we refuse, and suggest what was meant.

mod example;
mod flow;
mod mistake;
mod read;
mod walk;
mod whole;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use crate::alert;
use crate::api;
use crate::decode;
use crate::grants;
use crate::iam;
use crate::identity;
use crate::outbox;
use crate::rules;
use crate::sink;
use crate::source;
use crate::store;
use crate::telemetry;

pub use example::example;
pub use flow::Flow;
pub use mistake::ConfigError;
pub use mistake::Mistake;
pub use read::parse;
pub use read::read;

/// Everything an operator can set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "grantwatch configuration")]
pub struct Config {
    /// Where state is kept.
    pub store: store::Config,
    /// How deliveries go through the core: commit groups, lateness, duplicates, draining.
    pub pipeline: Flow,
    /// Where deliveries come from. At least one source is needed.
    pub source: source::Config,
    /// The bounds on what is read.
    pub decode: decode::Config,
    /// Who is behind a record.
    pub identity: identity::Config,
    /// Which acts want an access grant, where grants are told of, and how they are judged.
    pub grants: grants::Config,
    /// What policies allow: what is known of them, who may change them, and what they should be.
    pub policies: iam::Config,
    /// The HTTP API, off by default.
    pub api: api::Config,
    /// Which detectors are loaded.
    pub detectors: rules::Config,
    /// What an alert holds.
    pub alert: alert::Config,
    /// How long and how hard the outbox tries to deliver an alert.
    pub outbox: outbox::Config,
    /// Where alerts go. At least one sink is needed.
    pub sink: sink::Config,
    /// What the daemon says about itself, on standard error.
    pub log: telemetry::Config,
}

impl Config {
    /// Returns whether messages about grants may come in while the daemon runs.
    pub fn hears_of_grants(&self) -> bool {
        !self.grants.all_paths().is_empty()
            || self.api.takes_grants()
            || self.source.hears_of_grants()
    }
}

/// The sections in the order in which the example shows them.
const SECTIONS: [&str; 13] = [
    "store",
    "source",
    "sink",
    "detectors",
    "identity",
    "grants",
    "policies",
    "api",
    "alert",
    "outbox",
    "decode",
    "pipeline",
    "log",
];

/// Returns the JSON schema of the file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Config).to_value()
}

/// Returns what the rooms find wrong with their own sections: the key below the section, and a sentence.
fn checks(config: &Config) -> Vec<Mistake> {
    let of = |section: &str, found: Vec<(String, String)>| {
        let prefix = section.to_owned();
        found.into_iter().map(move |(key, what)| Mistake::at(format!("{prefix}.{key}"), what))
    };
    let mut mistakes = Vec::new();
    mistakes.extend(of("source", config.source.check()));
    mistakes.extend(of("decode", config.decode.check()));
    mistakes.extend(of("identity", config.identity.check()));
    mistakes.extend(of("grants", config.grants.check()));
    mistakes.extend(of("api", config.api.check()));
    let brokers = config.grants.check_brokers(&config.identity.brokers).into_iter();
    let brokers = brokers.map(|(index, why)| (format!("brokers[{index}]"), why));
    mistakes.extend(of("identity", brokers.collect()));
    mistakes.extend(of("policies", config.policies.check()));
    mistakes.extend(of("pipeline", config.pipeline.check()));
    mistakes.extend(of("log", config.log.check()));
    if config.api.listen.is_some() && config.api.timeout <= config.pipeline.commit_interval {
        let interval = config.pipeline.commit_interval;
        let what = format!(
            "a write waits for a commit, which `pipeline.commit_interval` has every {interval}"
        );
        mistakes.push(Mistake::at("api.timeout", what));
    }
    for (index, queue) in config.source.sqs.iter().enumerate() {
        let Some(name) = &queue.preset else { continue };
        let is_own = config.grants.preset.iter().any(|preset| preset.name == *name);
        if !is_own && grants::presets::preset(name).is_none() {
            let all = grants::presets::FILES.map(|(name, _)| name).join(", ");
            let what = format!("there is no preset `{name}`; there are {all}");
            mistakes.push(Mistake::at(format!("source.sqs[{index}].preset"), what));
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_comment_for_the_operator() {
        fn look(at: &str, schema: &serde_json::Value, bare: &mut Vec<String>) {
            for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
                if inner["description"].as_str().unwrap_or_default().is_empty() {
                    bare.push(format!("{at}.{key}"));
                }
            }
        }
        let schema = schema();
        let mut bare = Vec::new();
        look("", &schema, &mut bare);
        for (name, inner) in schema["$defs"].as_object().unwrap() {
            look(name, inner, &mut bare);
        }
        assert!(bare.is_empty(), "without a doc comment: {bare:?}");
    }

    #[test]
    fn a_write_has_time_to_be_committed() {
        let mut config = Config::default();
        config.pipeline.commit_interval = "1m".parse().unwrap();
        let about_time = |config: &Config| {
            checks(config).iter().filter(|mistake| mistake.key == "api.timeout").count()
        };
        assert_eq!(about_time(&config), 0, "nobody writes");
        config.api.listen = Some(([127, 0, 0, 1], 8440).into());
        assert_eq!(about_time(&config), 1);
        config.api.timeout = "61s".parse().unwrap();
        assert_eq!(about_time(&config), 0);
    }

    #[test]
    fn no_struct_takes_unknown_keys() {
        let schema = schema();
        for (name, inner) in schema["$defs"].as_object().unwrap() {
            if inner.get("properties").is_some() {
                assert_eq!(
                    inner["additionalProperties"], false,
                    "{name} lacks deny_unknown_fields"
                );
            }
        }
    }

    #[test]
    fn every_section_has_its_place_in_the_example() {
        let schema = schema();
        let mut known: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let mut shown = SECTIONS.map(str::to_owned).to_vec();
        known.sort();
        shown.sort();
        assert_eq!(shown, known);
    }
}
