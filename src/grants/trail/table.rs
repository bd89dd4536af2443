//! What records told of access, in the store, and the records that have not been heard yet.
//!
//! Invariant: a row is written in the transaction of the delivery that taught it.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::params;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::grants::trail::pending::Pending;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// The tables of this module.
pub const SCHEMA: &str = "
CREATE TABLE trail_kept (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    -- As JSON.
    thing TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE trail_pending (
    time INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    record TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (time, event_id)
) STRICT, WITHOUT ROWID;
";

/// Returns everything of one kind, by name.
pub(super) fn all<T: DeserializeOwned>(
    connection: &Connection,
    kind: &str,
) -> Result<BTreeMap<Box<str>, T>, StoreError> {
    let read = || -> rusqlite::Result<BTreeMap<Box<str>, T>> {
        let mut statement =
            connection.prepare("SELECT name, thing FROM trail_kept WHERE kind = ?1")?;
        let mut rows = statement.query([kind])?;
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let thing = serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(|error| {
                // Only a damaged file holds a text that is no such thing.
                rusqlite::Error::FromSqlConversionFailure(1, Type::Text, error.into())
            })?;
            found.insert(row.get_ref(0)?.as_str()?.into(), thing);
        }
        Ok(found)
    };
    read().map_err(StoreError::Read)
}

/// Writes a thing.
pub(super) fn put(
    tx: &Tx<'_>,
    kind: &str,
    name: &str,
    thing: &impl Serialize,
) -> Result<(), StoreError> {
    let write = || -> rusqlite::Result<()> {
        let text = serde_json::to_string(thing)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let sql = "INSERT OR REPLACE INTO trail_kept (kind, name, thing) VALUES (?1, ?2, ?3)";
        tx.prepare_cached(sql)?.execute([kind, name, &text])?;
        Ok(())
    };
    write().map_err(|source| tx.failed(source))
}

/// Drops a thing.
pub(super) fn drop(tx: &Tx<'_>, kind: &str, name: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM trail_kept WHERE kind = ?1 AND name = ?2";
    let dropped = tx.prepare_cached(sql).and_then(|mut statement| statement.execute([kind, name]));
    dropped.map(|_| ()).map_err(|source| tx.failed(source))
}

/// Returns the records that were not heard at the last commit.
pub(super) fn pending(connection: &Connection) -> Result<Vec<Pending>, StoreError> {
    let read = || -> rusqlite::Result<Vec<Pending>> {
        let sql =
            "SELECT time, event_id, record, object FROM trail_pending ORDER BY time, event_id";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(Pending {
                time: Seconds(row.get(0)?),
                event_id: row.get(1)?,
                record: row.get(2)?,
                object: row.get(3)?,
            })
        })?;
        rows.collect()
    };
    read().map_err(StoreError::Read)
}

/// Writes a record that is still to be heard.
pub(super) fn put_pending(tx: &Tx<'_>, it: &Pending) -> Result<(), StoreError> {
    let write = || -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO trail_pending (time, event_id, record, object)
                   VALUES (?1, ?2, ?3, ?4)";
        tx.prepare_cached(sql)?.execute(params![it.time.0, it.event_id, it.record, it.object])?;
        Ok(())
    };
    write().map_err(|source| tx.failed(source))
}

/// Drops a record that was heard.
pub(super) fn drop_pending(tx: &Tx<'_>, time: Seconds, event_id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM trail_pending WHERE time = ?1 AND event_id = ?2";
    let dropped = tx
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![time.0, event_id]));
    dropped.map(|_| ()).map_err(|source| tx.failed(source))
}
