//! The sessions in memory: by key, by what a use without a key is joined by, and by their end.
//!
//! Invariant: the three indices hold the same sessions, save that a join keeps only the newest few.

use std::collections::BTreeSet;
use std::collections::HashMap;

use crate::identity::session::Session;
use crate::model::Seconds;

/// How many sessions are kept under one join; a person who signs in more often than that is joined to the newest.
const MAX_JOINED: usize = 64;

/// Sessions by key, by what they are joined by, and by their end.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_key: HashMap<Box<str>, Session>,
    by_join: HashMap<Box<str>, Vec<Box<str>>>,
    by_end: BTreeSet<(Seconds, Box<str>)>,
}

impl Sessions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The session that `key` was issued for.
    pub fn get(&self, key: &str) -> Option<&Session> {
        self.by_key.get(key)
    }

    /// Sessions kept under `join`.
    pub fn joined(&self, join: &str) -> impl Iterator<Item = &Session> {
        self.by_join.get(join).into_iter().flatten().filter_map(|key| self.by_key.get(key))
    }

    /// Keeps a session, in place of an earlier one of the same key.
    pub fn insert(&mut self, key: Box<str>, session: Session) {
        self.remove(&key);
        if !session.join.is_empty() {
            let keys = self.by_join.entry(session.join.clone()).or_default();
            keys.push(key.clone());
            if keys.len() > MAX_JOINED {
                // The one issued first stays known by its key.
                let by_key = &self.by_key;
                let started = |at: &usize| {
                    keys.get(*at).map(|key| by_key.get(key).unwrap_or(&session).started)
                };
                if let Some(oldest) = (0..keys.len()).min_by_key(started) {
                    keys.swap_remove(oldest);
                }
            }
        }
        self.by_end.insert((session.ends, key.clone()));
        self.by_key.insert(key, session);
    }

    /// Drops a session.
    pub fn remove(&mut self, key: &str) -> Option<Session> {
        let session = self.by_key.remove(key)?;
        self.by_end.remove(&(session.ends, key.into()));
        if let Some(keys) = self.by_join.get_mut(&session.join) {
            keys.retain(|kept| **kept != *key);
            if keys.is_empty() {
                self.by_join.remove(&session.join);
            }
        }
        Some(session)
    }

    /// The key of the session that ends first.
    pub fn first_to_end(&self) -> Option<Box<str>> {
        self.by_end.first().map(|(_, key)| key.clone())
    }

    /// The key of a session that ended before `before`, the earliest of them.
    pub fn ended_before(&self, before: Seconds) -> Option<Box<str>> {
        self.by_end.first().filter(|(ends, _)| *ends < before).map(|(_, key)| key.clone())
    }
}
