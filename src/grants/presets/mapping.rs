//! The mapping file: where a broker's message says what ours has to say.
//!
//! Invariant: what JMESPath cannot do is declared here and is nothing more: names of states, units of time, tables to
//! look something up in, what an operator has to give.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::grants::grant::Status;
use crate::grants::presets::FILES;
use crate::grants::presets::units::DurationUnit;
use crate::grants::presets::units::TimeUnit;

/// A mapping file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// The name, which becomes the source of the grants.
    pub name: String,
    /// What it reads, in a sentence.
    #[serde(default)]
    pub about: String,
    /// The messages in an envelope, if there may be several.
    pub each: Option<String>,
    /// What holds for a message about a grant; others are passed over.
    pub when: Option<String>,
    /// What has to be given, and what it means.
    #[serde(default)]
    pub needs: BTreeMap<String, String>,
    /// What is given: `gw.NAME` in expressions.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The state.
    pub status: StatusRule,
    /// Units of bare numbers.
    #[serde(default)]
    pub units: Units,
    /// Tables for `lookup('TABLE', key)`.
    #[serde(default)]
    pub lookup: BTreeMap<String, BTreeMap<String, Value>>,
    /// Fields of our message, each with the expression that finds it.
    pub fields: BTreeMap<String, String>,
}

/// How the state is found.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusRule {
    /// The expression that finds the broker's word for it.
    pub of: String,
    /// The broker's words and ours.
    #[serde(default)]
    pub map: BTreeMap<String, Status>,
    /// Words of messages that change nothing.
    #[serde(default)]
    pub pass_over: Vec<String>,
    /// What becomes of words that are neither.
    #[serde(default)]
    pub others: Others,
}

/// What becomes of a word that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Others {
    /// It is a mistake.
    #[default]
    Mistake,
    /// It is passed over: in a stream of all kinds of messages.
    PassOver,
}

/// What bare numbers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Units {
    /// In moments.
    pub time: TimeUnit,
    /// In lengths of time.
    pub duration: DurationUnit,
}

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It is not TOML, or its keys are not those of a mapping.
    #[error("could not read the mapping")]
    Form(#[source] toml::de::Error),
    /// It is to be laid over a preset that is not there.
    #[error("there is no preset `{name}`")]
    NoPreset {
        /// The name.
        name: String,
    },
    /// A parameter that it does not have.
    #[error("the mapping has no parameter `{name}`")]
    NoParameter {
        /// The name.
        name: String,
    },
    /// A field that our message does not have.
    #[error("`{name}` is no field that can be mapped")]
    NoField {
        /// The name.
        name: String,
    },
    /// An expression is wrong.
    #[error("the expression of `{field}` is not JMESPath: {what}")]
    Expression {
        /// Whose expression.
        field: String,
        /// What is wrong.
        what: String,
    },
}

/// The fields that a mapping can fill.
const FIELDS: [&str; 23] = [
    "id",
    "source",
    "revision",
    "emitted_at",
    "principals",
    "scope",
    "scope.accounts",
    "scope.permission_sets",
    "scope.role_arns",
    "scope.actions",
    "scope.resources",
    "scope.regions",
    "scope.source_networks",
    "window.not_before",
    "window.not_after",
    "window.duration",
    "requested_at",
    "approved_at",
    "approvers",
    "ticket",
    "justification",
    "break_glass",
    "delegates",
];

impl Mapping {
    /// Reads a mapping, laid over the preset that it names.
    pub(super) fn read(text: &str) -> Result<Self, MappingError> {
        let mut table: toml::Table = toml::from_str(text).map_err(MappingError::Form)?;
        if let Some(toml::Value::String(name)) = table.remove("preset") {
            let found = FILES.iter().find(|(known, _)| *known == name);
            let Some((_, under)) = found else { return Err(MappingError::NoPreset { name }) };
            let under = toml::from_str(under).map_err(MappingError::Form)?;
            table = laid_over(under, table);
        }
        let mapping: Self = table.try_into().map_err(MappingError::Form)?;
        match mapping.fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            Some(name) => Err(MappingError::NoField { name: name.clone() }),
            None => Ok(mapping),
        }
    }
}

/// Returns `under` with what `over` says in place of its own, table by table.
fn laid_over(mut under: toml::Table, over: toml::Table) -> toml::Table {
    for (key, value) in over {
        let value = match (under.remove(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => {
                toml::Value::Table(laid_over(under, over))
            }
            (_, value) => value,
        };
        under.insert(key, value);
    }
    under
}
