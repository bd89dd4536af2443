//! Small things that are kept by name, in memory and in the store.
//!
//! Invariant: a shelf has a limit. What does not fit is not kept, and whoever puts it there is told so.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::grants::trail::table;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What stands between the parts of a name; no name of AWS has it.
pub(super) const BETWEEN: char = '\u{1f}';

/// Returns a name of several parts.
pub(super) fn key(parts: &[&str]) -> Box<str> {
    parts.join("\u{1f}").into()
}

/// Things by name.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    kind: &'static str,
    limit: usize,
    things: BTreeMap<Box<str>, T>,
    unsaved: BTreeSet<Box<str>>,
}

impl<T: Serialize + DeserializeOwned> Shelf<T> {
    /// Makes an empty shelf of things that the store calls `kind`.
    pub fn new(kind: &'static str, limit: usize) -> Self {
        Self { kind, limit, things: BTreeMap::new(), unsaved: BTreeSet::new() }
    }

    /// Loads what the store has.
    pub fn load(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.things = table::all(connection, self.kind)?;
        Ok(())
    }

    /// Writes what changed since the last save.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for name in std::mem::take(&mut self.unsaved) {
            match self.things.get(&name) {
                Some(thing) => table::put(tx, self.kind, &name, thing)?,
                None => table::drop(tx, self.kind, &name)?,
            }
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&T> {
        self.things.get(name)
    }

    /// Returns the thing of that name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let thing = self.things.get_mut(name)?;
        if !self.unsaved.contains(name) {
            self.unsaved.insert(name.into());
        }
        Some(thing)
    }

    /// Puts a thing there; returns whether there was room.
    pub fn put(&mut self, name: &str, thing: T) -> bool {
        let has_room = self.things.len() < self.limit || self.things.contains_key(name);
        if has_room {
            self.things.insert(name.into(), thing);
            self.unsaved.insert(name.into());
        }
        has_room
    }

    pub fn remove(&mut self, name: &str) -> Option<T> {
        let thing = self.things.remove(name)?;
        self.unsaved.insert(name.into());
        Some(thing)
    }

    /// Keeps only what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &T) -> bool) {
        let unsaved = &mut self.unsaved;
        self.things.retain(|name, thing| {
            let keeps = keep(name, thing);
            if !keeps {
                unsaved.insert(name.clone());
            }
            keeps
        });
    }

    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.things.iter().map(|(name, thing)| (&**name, thing))
    }

    /// Returns what stands below `first`: the things whose names begin with it and [`BETWEEN`], without that part.
    pub fn below<'s>(&'s self, first: &str) -> impl Iterator<Item = (&'s str, &'s T)> {
        let from = format!("{first}{BETWEEN}").into_boxed_str();
        let length = from.len();
        let prefix = from.clone();
        self.things
            .range(from..)
            .take_while(move |(name, _)| name.starts_with(&*prefix))
            .filter_map(move |(name, thing)| Some((name.get(length..)?, thing)))
    }
}
