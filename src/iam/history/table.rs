//! The history in the store: each thing's beginning, and the edits since.
//!
//! Invariant: a row is written in the transaction of the delivery that taught it.

use rusqlite::Connection;
use rusqlite::Transaction;
use rusqlite::params;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::history::timeline::Stamp;
use crate::iam::history::timeline::Timeline;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// The tables of this module.
pub const SCHEMA: &str = "
CREATE TABLE policy_beginnings (
    -- As JSON, as are edits and things.
    key TEXT NOT NULL PRIMARY KEY,
    time INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    -- NULL: it is gone.
    thing TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE policy_edits (
    key TEXT NOT NULL,
    time INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    edit TEXT NOT NULL,
    PRIMARY KEY (key, time, event_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE policy_floor (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- What happened before is part of the beginnings.
    time INTEGER NOT NULL
) STRICT;
";

/// Returns the beginnings: a key, the last event in it, and the thing.
pub(super) fn beginnings(
    connection: &Connection,
) -> Result<Vec<(Key, Stamp, Option<Thing>)>, StoreError> {
    let read = || -> rusqlite::Result<Vec<(Key, Stamp, Option<Thing>)>> {
        let sql = "SELECT key, time, event_id, thing FROM policy_beginnings";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let key = parsed(0, row.get_ref(0)?.as_str()?)?;
            let stamp = (Seconds(row.get(1)?), row.get_ref(2)?.as_str()?.into());
            let thing: Option<String> = row.get(3)?;
            all.push((key, stamp, thing.map(|text| parsed(3, &text)).transpose()?));
        }
        Ok(all)
    };
    read().map_err(StoreError::Read)
}

/// Calls `each` with every edit.
pub(super) fn edits(
    connection: &Connection,
    each: &mut dyn FnMut(Key, Stamp, Edit),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let mut statement =
            connection.prepare("SELECT key, time, event_id, edit FROM policy_edits")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = parsed(0, row.get_ref(0)?.as_str()?)?;
            let stamp = (Seconds(row.get(1)?), row.get_ref(2)?.as_str()?.into());
            each(key, stamp, parsed(3, row.get_ref(3)?.as_str()?)?);
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

/// Holds what is read of `connection` at one commit until it is dropped; `None` where somebody else does already.
pub(super) fn steady(connection: &Connection) -> Result<Option<Transaction<'_>>, StoreError> {
    if !connection.is_autocommit() {
        return Ok(None);
    }
    connection.unchecked_transaction().map(Some).map_err(StoreError::Read)
}

/// Returns the moment before which all is part of the beginnings.
pub(super) fn floor(connection: &Connection) -> Result<Option<Seconds>, StoreError> {
    let read = || -> rusqlite::Result<Option<Seconds>> {
        let mut statement = connection.prepare("SELECT time FROM policy_floor")?;
        let mut rows = statement.query([])?;
        rows.next()?.map(|row| Ok(Seconds(row.get(0)?))).transpose()
    };
    read().map_err(StoreError::Read)
}

/// Writes that moment.
pub(super) fn put_floor(tx: &Tx<'_>, time: Seconds) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO policy_floor (id, time) VALUES (1, ?1)";
    let done = tx.prepare_cached(sql).and_then(|mut statement| statement.execute([time.0]));
    done.map(|_| ()).map_err(|source| tx.failed(source))
}

/// Writes what the store does not have of a timeline yet.
pub(super) fn put(tx: &Tx<'_>, key: &Key, timeline: &mut Timeline) -> Result<(), StoreError> {
    let write = |timeline: &Timeline| -> rusqlite::Result<()> {
        let key = written(key)?;
        if let (true, Some((time, event_id))) = (timeline.is_folded, &timeline.floor) {
            let thing = timeline.base.as_ref().map(written).transpose()?;
            let sql = "INSERT OR REPLACE INTO policy_beginnings (key, time, event_id, thing)
                       VALUES (?1, ?2, ?3, ?4)";
            tx.prepare_cached(sql)?.execute(params![key, time.0, event_id, thing])?;
            let sql = "DELETE FROM policy_edits WHERE key = ?1 AND time <= ?2";
            tx.prepare_cached(sql)?.execute(params![key, time.0])?;
        }
        for stamp in &timeline.unwritten {
            let Some(edit) = timeline.edit(stamp) else { continue };
            let sql = "INSERT OR REPLACE INTO policy_edits (key, time, event_id, edit)
                       VALUES (?1, ?2, ?3, ?4)";
            let edit = written(edit)?;
            tx.prepare_cached(sql)?.execute(params![key, stamp.0.0, stamp.1, edit])?;
        }
        Ok(())
    };
    write(timeline).map_err(|source| tx.failed(source))?;
    timeline.unwritten = Vec::new();
    timeline.is_folded = false;
    Ok(())
}

/// Drops what the store has of a thing up to `time`: a snapshot knows better.
pub(super) fn drop(tx: &Tx<'_>, key: &Key, time: Seconds) -> Result<(), StoreError> {
    let write = || -> rusqlite::Result<()> {
        let key = written(key)?;
        for sql in [
            "DELETE FROM policy_beginnings WHERE key = ?1 AND time < ?2",
            "DELETE FROM policy_edits WHERE key = ?1 AND time < ?2",
        ] {
            tx.prepare_cached(sql)?.execute(params![key, time.0])?;
        }
        Ok(())
    };
    write().map_err(|source| tx.failed(source))
}

fn parsed<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        // Only a damaged file holds a text that is no such thing.
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

fn written(thing: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(thing)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
