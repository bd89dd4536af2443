//! JSON as it stands in a text: in order, with what is said twice, and with the line of everything.
//!
//! Invariant: nothing is dropped; a name that stands twice in one object is there twice.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use serde_json::Value;
use serde_json::value::RawValue;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    /// A number, as it is written in its shortest form.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Tree {
    /// Returns what it is, for a message.
    pub(super) fn sort(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl From<&Value> for Tree {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(value) => Self::Number(value.to_string()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(items) => Self::Object(
                items.iter().map(|(name, value)| (name.clone(), Self::from(value))).collect(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Tree::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_entry()? {
            all.push(item);
        }
        Ok(Tree::Object(all))
    }
}

/// A way down a tree, by the position in each list or object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Which item, from 0, in the order of the text.
    pub at: usize,
    /// How a JSON path says it: `Statement`, `[0]`.
    pub name: String,
}

/// Returns the path as people write it: `$.Statement[0].Action`.
pub(super) fn path(steps: &[Step]) -> String {
    let mut path = "$".to_owned();
    for step in steps {
        let is_plain = step.name.chars().all(|letter| letter.is_ascii_alphanumeric());
        match (step.name.starts_with('['), is_plain) {
            (true, _) => path.push_str(&step.name),
            (false, true) => path.extend([".", &step.name]),
            (false, false) => path.push_str(&format!("[{:?}]", step.name)),
        }
    }
    path
}

/// Returns the line, from 1, where the value at the end of `steps` begins in `text`, which is JSON.
pub(super) fn line(text: &str, steps: &[Step]) -> Option<usize> {
    let mut here: &RawValue = serde_json::from_str(text).ok()?;
    for step in steps {
        let Children(children) = serde_json::from_str(here.get()).ok()?;
        here = children.get(step.at)?;
    }
    // What a `RawValue` borrowed is a part of the text, so that where it begins is known.
    let offset = (here.get().as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let before = text.as_bytes().get(..offset)?;
    Some(before.iter().filter(|byte| **byte == b'\n').count() + 1)
}

/// The items of a list or object, as they are written.
struct Children<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Children<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or an object")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(all)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some((_, item)) = items.next_entry::<String, _>()? {
                    all.push(item);
                }
                Ok(all)
            }
        }
        Ok(Self(deserializer.deserialize_any(Reading)?))
    }
}
