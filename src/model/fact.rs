//! Facts: what a room learned about a record, under the `gw.` names that rules use.

use std::fmt;

use serde::Serialize;
use serde::Serializer;

/// One value below `gw.`. In JSON it is the plain value.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// Text.
    Text(String),
    /// A whole number; its unit is in the field table.
    Whole(i64),
    /// A truth.
    Flag(bool),
    /// Several texts; a rule matches if any of them does.
    Texts(Vec<String>),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Flag(truth) => write!(f, "{truth}"),
            Self::Texts(texts) => f.write_str(&texts.join(", ")),
        }
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Fact {
    fn from(truth: bool) -> Self {
        Self::Flag(truth)
    }
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<Vec<String>> for Fact {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

impl Fact {
    /// Returns the fact as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Whole(number) => (*number).into(),
            Self::Flag(truth) => (*truth).into(),
            Self::Texts(texts) => texts.as_slice().into(),
        }
    }

    /// Reads a fact from JSON, as the tests in a detector's file write it. Nulls and objects are no facts.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        match value {
            serde_json::Value::String(text) => Some(Self::Text(text.clone())),
            serde_json::Value::Number(number) => number.as_i64().map(Self::Whole),
            serde_json::Value::Bool(truth) => Some(Self::Flag(*truth)),
            serde_json::Value::Array(items) => {
                let texts = items
                    .iter()
                    .map(|item| item.as_str().map(str::to_owned))
                    .collect::<Option<Vec<_>>>();
                texts.map(Self::Texts)
            }
            serde_json::Value::Null | serde_json::Value::Object(_) => None,
        }
    }
}

/// The facts of one record (or one session), in the order they were learned. Names are unique.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts(Vec<(&'static str, Fact)>);

impl Facts {
    /// Sets `name`, which must stand in a room's field table, replacing an earlier value.
    pub fn set(&mut self, name: &'static str, fact: impl Into<Fact>) {
        debug_assert!(name.starts_with("gw."), "facts live below gw.");
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, value)) => *value = fact.into(),
            None => self.0.push((name, fact.into())),
        }
    }

    /// Returns the fact called `name` (with its `gw.`).
    pub fn get(&self, name: &str) -> Option<&Fact> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, fact)| fact)
    }

    /// Reads facts back from JSON; those that `fields` does not name any more are left behind.
    pub fn read(written: &serde_json::Map<String, serde_json::Value>, fields: &[Field]) -> Self {
        let mut facts = Self::default();
        for field in fields {
            if let Some(fact) = written.get(field.name).and_then(Fact::from_json) {
                facts.set(field.name, fact);
            }
        }
        facts
    }

    /// Forgets the facts whose names are not to stay.
    pub fn retain(&mut self, mut stays: impl FnMut(&'static str) -> bool) {
        self.0.retain(|(name, _)| stays(name));
    }

    /// Returns all facts with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Fact)> {
        self.0.iter().map(|(name, fact)| (*name, fact))
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// A row of the field table: a fact that a rule may name.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The full name, such as `gw.identity.name`.
    pub name: &'static str,
    /// `text`, `whole`, `flag` or `texts`.
    pub kind: &'static str,
    /// What it is a fact of.
    pub scope: Scope,
    /// What it says, in a sentence, with its unit.
    pub meaning: &'static str,
    /// A value as it may appear.
    pub example: &'static str,
}

/// What a fact is a fact of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The session: all its events share it, so what it rules out is asked once a session.
    Session,
    /// The single event.
    Event,
    /// What the grants say of the single event: only events on the protect surface have such facts, so a rule that
    /// needs one is asked about no other.
    Grant,
    /// What the single event changed of what policies allow: only events that change a policy have such facts, so a rule
    /// that needs one is asked about no other.
    Policy,
}

/// Makes a room's table of facts, `FIELDS`: each name with its kind, its scope, what it means and an example.
macro_rules! fields {
    ($($name:literal $kind:literal $scope:ident $meaning:literal $example:literal,)*) => {
        /// Every fact of this room, in the order of the reference.
        pub const FIELDS: &[$crate::model::Field] =
            &[$($crate::model::Field {
                name: $name,
                kind: $kind,
                scope: $crate::model::Scope::$scope,
                meaning: $meaning,
                example: $example,
            },)*];
    };
}
pub(crate) use fields;
