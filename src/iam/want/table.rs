//! What is wanted, in the store: the core writes it, and whoever asks AWS reads it.
//!
//! Invariant: a row is written in the transaction of the delivery that taught it, and goes in that of its answer.

use rusqlite::Connection;
use rusqlite::params;
use rusqlite::types::Type;

use crate::iam::want::Want;
use crate::store::Reader;
use crate::store::StoreError;
use crate::store::Tx;

/// The table of this module.
pub const SCHEMA: &str = "
CREATE TABLE policy_want (
    id TEXT NOT NULL PRIMARY KEY,
    -- As JSON.
    want TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Returns everything that is wanted, as it was last committed.
///
/// # Errors
/// When the store cannot be read or is damaged.
pub fn open(reader: &Reader) -> Result<Vec<Want>, StoreError> {
    all(reader)
}

/// Returns everything that is wanted.
pub(super) fn all(connection: &Connection) -> Result<Vec<Want>, StoreError> {
    let read = || -> rusqlite::Result<Vec<Want>> {
        let mut statement = connection.prepare("SELECT want FROM policy_want ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            // Only a damaged file holds a text that is no such thing.
            let damaged = |error: serde_json::Error| {
                rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into())
            };
            serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(damaged)
        })?;
        rows.collect()
    };
    read().map_err(StoreError::Read)
}

/// Writes a want.
pub(super) fn put(tx: &Tx<'_>, id: &str, want: &Want) -> Result<(), StoreError> {
    let write = || -> rusqlite::Result<()> {
        let text = serde_json::to_string(want)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let sql = "INSERT OR REPLACE INTO policy_want (id, want) VALUES (?1, ?2)";
        tx.prepare_cached(sql)?.execute(params![id, text])?;
        Ok(())
    };
    write().map_err(|source| tx.failed(source))
}

/// Drops a want.
pub(super) fn drop(tx: &Tx<'_>, id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM policy_want WHERE id = ?1";
    let dropped = tx.prepare_cached(sql).and_then(|mut statement| statement.execute([id]));
    dropped.map(|_| ()).map_err(|source| tx.failed(source))
}
