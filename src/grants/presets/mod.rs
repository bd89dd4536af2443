//! Presets: how the messages of known brokers become ours. Each is a mapping file of the kind that users write as well.
//!
//! Invariant: a mapping only says where things stand in a message; whether they make a grant is decided by the same
//! reading as for our own messages (`message/fields.rs`). What is not known of a broker's messages is written in its
//! file's head and left to be given, never guessed.

mod expression;
mod mapping;
mod named;
mod units;

use std::sync::LazyLock;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::grants::grant::Version;
use crate::grants::message::Limits;
use crate::grants::message::MessageError;
use crate::grants::message::Mistake;
use crate::grants::message::SCHEMA;
use crate::grants::message::read;
use crate::grants::presets::expression::Expressions;
use crate::grants::presets::mapping::Mapping;
use crate::grants::presets::mapping::Others;

pub use mapping::MappingError;
pub use named::PresetError;
pub use named::Presets;

pub(in crate::grants) use named::set_up;

/// The mapping files, by name.
pub const FILES: [(&str, &str); 9] = [
    ("apono", include_str!("apono.toml")),
    ("aws-team", include_str!("aws_team.toml")),
    ("britive", include_str!("britive.toml")),
    ("common-fate", include_str!("common_fate.toml")),
    ("conductorone", include_str!("conductorone.toml")),
    ("entra-pim", include_str!("entra_pim.toml")),
    ("okta", include_str!("okta.toml")),
    ("sso-elevator", include_str!("sso_elevator.toml")),
    ("teleport", include_str!("teleport.toml")),
];

/// Fields whose values are moments.
const MOMENTS: [&str; 5] =
    ["emitted_at", "requested_at", "approved_at", "window.not_before", "window.not_after"];

/// Where a length of time may stand in place of the window's end.
const DURATION: &str = "window.duration";

/// A mapping, ready to be used.
#[derive(Debug)]
pub struct Preset {
    mapping: Mapping,
    expressions: Expressions,
}

/// Returns the preset of that name as it is, without what an operator has to give.
pub fn preset(name: &str) -> Option<&'static Preset> {
    static ALL: LazyLock<Vec<Preset>> = LazyLock::new(|| {
        let read = |(name, text): &(&str, &str)| {
            Preset::read(text).unwrap_or_else(|error| panic!("the preset {name} is ours: {error}"))
        };
        FILES.iter().map(read).collect()
    });
    ALL.iter().find(|preset| preset.name() == name)
}

impl Preset {
    /// Reads a mapping file; `preset = "NAME"` in it lays it over one of ours.
    ///
    /// # Errors
    /// When it is not TOML, has keys that are none, or an expression is not JMESPath.
    pub fn read(text: &str) -> Result<Self, MappingError> {
        Self::of(Mapping::read(text)?)
    }

    /// Returns this with the parameters in `given` set.
    ///
    /// # Errors
    /// When one of them is not a parameter of it.
    pub fn with(&self, given: &[(String, String)]) -> Result<Self, MappingError> {
        let mut mapping = self.mapping.clone();
        for (name, value) in given {
            if !mapping.needs.contains_key(name) && !mapping.parameters.contains_key(name) {
                return Err(MappingError::NoParameter { name: name.clone() });
            }
            mapping.parameters.insert(name.clone(), value.clone());
        }
        Self::of(mapping)
    }

    fn of(mapping: Mapping) -> Result<Self, MappingError> {
        let mut texts: Vec<(&str, &str)> = vec![("status.of", mapping.status.of.as_str())];
        texts.extend(mapping.each.as_deref().map(|text| ("each", text)));
        texts.extend(mapping.when.as_deref().map(|text| ("when", text)));
        texts.extend(mapping.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())));
        let expressions = Expressions::compile(&texts, &mapping)?;
        Ok(Self { mapping, expressions })
    }

    /// Returns its name, which is the source of what it maps.
    pub fn name(&self) -> &str {
        &self.mapping.name
    }

    /// Returns what it reads, in a sentence.
    pub fn about(&self) -> &str {
        &self.mapping.about
    }

    /// Returns what an operator has to give, each with what it means.
    pub fn needs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.mapping.needs.iter().map(|(name, means)| (name.as_str(), means.as_str()))
    }

    /// Maps one message of the broker; nothing if it is about something else than a grant.
    ///
    /// # Errors
    /// With everything that is missing or wrong, field by field.
    pub fn map(&self, value: &Value) -> Result<Option<Version>, MessageError> {
        self.map_within(value, &Limits::default())
    }

    /// Maps one message of the broker that keeps to `limits`.
    ///
    /// # Errors
    /// With everything that is missing or wrong, field by field.
    pub fn map_within(
        &self,
        value: &Value,
        limits: &Limits,
    ) -> Result<Option<Version>, MessageError> {
        let whole = |mistake| MessageError { line: 0, id: String::new(), mistakes: vec![mistake] };
        let mut root = self.root(value).map_err(whole)?;
        let seen = expression::variable(&root).map_err(whole)?;
        if self.mapping.when.is_some() && !self.expressions.holds("when", &seen).map_err(whole)? {
            return Ok(None);
        }
        let mut mistakes = self.missing();
        let status = match self.status(&seen) {
            Ok(None) => return Ok(None),
            Ok(Some(status)) => status,
            Err(mistake) => {
                mistakes.push(mistake);
                Value::Null
            }
        };
        root["gw"]["status"] = status.clone();
        let seen = expression::variable(&root).map_err(whole)?;
        let mut message = json!({"schema": SCHEMA, "source": self.name()});
        let mut duration = None;
        for name in self.mapping.fields.keys() {
            let value = match self.field(name, &seen) {
                Ok(Value::Null) => continue,
                Ok(value) => value,
                Err(mistake) => {
                    mistakes.push(mistake);
                    continue;
                }
            };
            match name.as_str() {
                DURATION => duration = Some(value),
                name => put(&mut message, name, value),
            }
        }
        units::end(&mut message, duration, &mut mistakes);
        put(&mut message, "status", status);
        self.finish(&message, mistakes, limits).map(Some)
    }

    /// Maps what arrived, which may be an envelope of several messages; each with what came of it.
    pub fn map_all(
        &self,
        value: &Value,
        limits: &Limits,
    ) -> Vec<Result<Option<Version>, MessageError>> {
        let whole = |mistake| MessageError { line: 0, id: String::new(), mistakes: vec![mistake] };
        if self.mapping.each.is_none() {
            return vec![self.map_within(value, limits)];
        }
        let root = self.root(value).and_then(|root| expression::variable(&root));
        match root.and_then(|root| self.expressions.find("each", &root)) {
            Ok(Value::Array(values)) => {
                values.iter().map(|value| self.map_within(value, limits)).collect()
            }
            Ok(Value::Null) => vec![self.map_within(value, limits)],
            Ok(_) => vec![Err(whole(Mistake::new("each", "is no list")))],
            Err(mistake) => vec![Err(whole(mistake))],
        }
    }

    /// Returns the message with what expressions can name beside it: `gw`, the parameters and when it was sent.
    fn root(&self, value: &Value) -> Result<Value, Mistake> {
        let (mut root, sent_at) = unwrapped(value)?;
        let Value::Object(fields) = &mut root else {
            return Err(Mistake::new("", "a message of a broker is an object"));
        };
        let given = self.mapping.parameters.iter().filter(|(_, value)| !value.is_empty());
        let mut gw: Map<String, Value> =
            given.map(|(name, value)| (name.clone(), json!(value))).collect();
        gw.extend(sent_at.map(|sent_at| ("sent_at".to_owned(), sent_at)));
        fields.insert("gw".to_owned(), Value::Object(gw));
        Ok(root)
    }

    fn missing(&self) -> Vec<Mistake> {
        let is_missing =
            |name: &str| self.mapping.parameters.get(name).is_none_or(String::is_empty);
        let missing = self.needs().filter(|(name, _)| is_missing(name));
        let mut mistakes: Vec<Mistake> = missing
            .map(|(name, means)| {
                Mistake::new(format!("parameters.{name}"), format!("has to be given: {means}"))
            })
            .collect();
        if self.mapping.status.map.is_empty() {
            let what = "has to be given: which of the broker's states are which of ours";
            mistakes.push(Mistake::new("status.map", what));
        }
        mistakes
    }

    /// Returns the state's name, or nothing if such a message is to be passed over.
    fn status(&self, root: &jmespath::Rcvar) -> Result<Option<Value>, Mistake> {
        let rule = &self.mapping.status;
        let found = self.expressions.find("status.of", root)?;
        let found = match &found {
            Value::String(text) => text.as_str(),
            Value::Null => {
                return Err(Mistake::new("status", format!("is missing (`{}`)", rule.of)));
            }
            _ => return Err(Mistake::new("status", format!("`{}` gives no text", rule.of))),
        };
        if rule.pass_over.iter().any(|it| it == found) {
            return Ok(None);
        }
        match (rule.map.get(found), rule.others) {
            (Some(status), _) => Ok(Some(json!(status))),
            (None, Others::PassOver) if !rule.map.is_empty() => Ok(None),
            (None, _) => {
                let shown: String = found.chars().take(60).collect();
                Err(Mistake::new("status", format!("`{shown}` is not in [status.map]")))
            }
        }
    }

    fn field(&self, name: &str, root: &jmespath::Rcvar) -> Result<Value, Mistake> {
        let found = self.expressions.find(name, root)?;
        let units = self.mapping.units;
        match (name, found) {
            (_, Value::Null) => Ok(Value::Null),
            (DURATION, found) => units::duration(&found, units.duration)
                .map(|span| json!(span.0))
                .map_err(|what| Mistake::new(name, what)),
            (name, found) if MOMENTS.contains(&name) => units::moment(&found, units.time)
                .map(|at| json!(at.to_string()))
                .map_err(|what| Mistake::new(name, what)),
            (_, found) => Ok(without_nulls(found)),
        }
    }

    /// Reads the message that was put together; what is wrong with it is told with where it was looked for.
    fn finish(
        &self,
        message: &Value,
        mut mistakes: Vec<Mistake>,
        limits: &Limits,
    ) -> Result<Version, MessageError> {
        let (version, id) = match read(message, limits) {
            Ok(version) if mistakes.is_empty() => return Ok(version),
            Ok(version) => (Vec::new(), version.id.0.into_string()),
            Err(error) => (error.mistakes, error.id),
        };
        for mut mistake in version {
            if mistakes.iter().any(|known| known.field == mistake.field) {
                continue;
            }
            if let Some(text) = self.mapping.fields.get(&mistake.field) {
                mistake.what += &format!(" (`{text}`)");
            }
            mistakes.push(mistake);
        }
        Err(MessageError { line: 0, id, mistakes })
    }
}

/// Takes a message out of an SNS notification, with the moment at which that was sent.
fn unwrapped(value: &Value) -> Result<(Value, Option<Value>), Mistake> {
    let is_notification = value.get("TopicArn").is_some() && value.get("Type").is_some();
    match value.get("Message").and_then(Value::as_str) {
        Some(text) if is_notification => match serde_json::from_str(text) {
            Ok(inner) => Ok((inner, value.get("Timestamp").cloned())),
            Err(error) => Err(Mistake::new("Message", format!("is not JSON: {error}"))),
        },
        _ => Ok((value.clone(), None)),
    }
}

/// Puts `value` at `path`, one level deep at most.
fn put(message: &mut Value, path: &str, value: Value) {
    let place = match path.split_once('.') {
        None => &mut message[path],
        Some((within, name)) => {
            if !message[within].is_object() {
                message[within] = json!({});
            }
            &mut message[within][name]
        }
    };
    *place = value;
}

/// Returns `value` without the fields and entries of which the message says nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(entries) => entries.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
