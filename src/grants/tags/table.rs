//! What is known of the tags of resources, in the store.
//!
//! Invariant: a row is written in the transaction of the delivery that taught it.

use rusqlite::Connection;
use rusqlite::types::Type;

use crate::grants::tags::history::History;
use crate::store::StoreError;
use crate::store::Tx;

/// The table of this module.
pub const SCHEMA: &str = "
CREATE TABLE resource_tags (
    -- An ARN, without what is only a part of the resource.
    resource TEXT PRIMARY KEY NOT NULL,
    -- What records changed of its tags, as JSON, in the order of time.
    changes TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Returns everything that is known.
pub(super) fn all(connection: &Connection) -> Result<Vec<(String, History)>, StoreError> {
    let read = || -> rusqlite::Result<Vec<(String, History)>> {
        let mut statement = connection.prepare("SELECT resource, changes FROM resource_tags")?;
        let rows = statement.query_map([], |row| {
            let history = serde_json::from_str(row.get_ref(1)?.as_str()?).map_err(|error| {
                // Only a damaged file holds a text that is no such thing.
                rusqlite::Error::FromSqlConversionFailure(1, Type::Text, error.into())
            })?;
            Ok((row.get(0)?, history))
        })?;
        rows.collect()
    };
    read().map_err(StoreError::Read)
}

/// Writes what is known of a resource.
pub(super) fn put(tx: &Tx<'_>, resource: &str, history: &History) -> Result<(), StoreError> {
    let write = || -> rusqlite::Result<()> {
        let text = serde_json::to_string(history)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let sql = "INSERT OR REPLACE INTO resource_tags (resource, changes) VALUES (?1, ?2)";
        tx.prepare_cached(sql)?.execute([resource, &text])?;
        Ok(())
    };
    write().map_err(|source| tx.failed(source))
}

/// Forgets a resource.
pub(super) fn drop(tx: &Tx<'_>, resource: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM resource_tags WHERE resource = ?1";
    let dropped = tx.prepare_cached(sql).and_then(|mut statement| statement.execute([resource]));
    dropped.map(|_| ()).map_err(|source| tx.failed(source))
}
