//! What is known of a request besides who, what and on what.
//!
//! Invariant: a key that is neither given nor said to be absent is unknown.

use std::collections::BTreeMap;

use crate::model::Seconds;

/// Condition keys with their values; those that are known to be absent; all others are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Values by key in lower case; a key without values is known to be absent.
    keys: BTreeMap<Box<str>, Vec<Box<str>>>,
}

impl Context {
    /// Returns a context of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds that the request is made at `time`.
    #[must_use]
    pub fn at(self, time: Seconds) -> Self {
        self.with("aws:CurrentTime", &time.to_string()).with("aws:EpochTime", &time.0.to_string())
    }

    /// Adds a key with its value; of a key that has one already, one more value.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.keys.entry(key.to_ascii_lowercase().into()).or_default().push(value.into());
        self
    }

    /// Adds that the request has no such key.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.keys.insert(key.to_ascii_lowercase().into(), Vec::new());
        self
    }

    /// Returns the values of `key`, which is in lower case: none if it is known to be absent, `None` if nothing is known.
    pub fn get(&self, key: &str) -> Option<&[Box<str>]> {
        self.keys.get(key).map(Vec::as_slice)
    }
}
