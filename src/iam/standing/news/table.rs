//! The inventory before, and the changes since, in the store.
//!
//! Invariant: a row is written in the transaction of what taught it; of an inventory all is written at once.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;
use rusqlite::types::Type;

use crate::iam::standing::Class;
use crate::iam::standing::news::Cause;
use crate::iam::standing::news::Row;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// The tables of this module.
pub const SCHEMA: &str = "
-- Who had standing privilege by the last inventory, and the worst that each could do.
CREATE TABLE standing_known (
    holder TEXT NOT NULL,
    account TEXT NOT NULL,
    class TEXT NOT NULL,
    PRIMARY KEY (holder, account)
) STRICT, WITHOUT ROWID;
-- One row: when that inventory was taken.
CREATE TABLE standing_taken (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 0),
    time INTEGER NOT NULL
) STRICT;
-- What changed since, by the ARN of what was changed.
CREATE TABLE standing_cause (
    target TEXT PRIMARY KEY NOT NULL,
    time INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    made_by TEXT NOT NULL,
    planned INTEGER NOT NULL,
    -- The alerts that tell of it, as JSON.
    alerts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Returns when the last inventory was taken.
pub(super) fn taken(connection: &Connection) -> Result<Option<Seconds>, StoreError> {
    connection
        .query_row("SELECT time FROM standing_taken", [], |row| row.get(0).map(Seconds))
        .optional()
        .map_err(StoreError::Read)
}

/// Reads the last inventory.
pub(super) fn known(
    connection: &Connection,
    told: &mut dyn FnMut(Row, Class),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let mut statement =
            connection.prepare("SELECT holder, account, class FROM standing_known")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let class = Class::named(row.get_ref(2)?.as_str()?).ok_or_else(|| damaged(2))?;
            told((row.get::<_, String>(0)?.into(), row.get::<_, String>(1)?.into()), class);
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

/// Reads what changed since.
pub(super) fn causes(
    connection: &Connection,
    told: &mut dyn FnMut(Box<str>, Cause),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let sql = "SELECT target, time, event_id, made_by, planned, alerts FROM standing_cause";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let alerts = row.get_ref(5)?.as_str()?;
            let cause = Cause {
                time: Seconds(row.get(1)?),
                event: row.get::<_, String>(2)?.into(),
                by: row.get::<_, String>(3)?.into(),
                is_planned: row.get(4)?,
                alerts: serde_json::from_str(alerts).map_err(|_| damaged(5))?,
                number: 0,
            };
            told(row.get::<_, String>(0)?.into(), cause);
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

/// Only a damaged file holds a word that is none of ours.
fn damaged(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "a word that is not ours".into())
}

/// Writes when the last inventory was taken.
pub(super) fn set_taken(tx: &Tx<'_>, time: Seconds) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO standing_taken (id, time) VALUES (0, ?1)")
        .and_then(|mut statement| statement.execute([time.0]))
        .map(drop)
        .map_err(|source| tx.failed(source))
}

/// Writes what the inventory says of a holder now; nothing if it is gone.
pub(super) fn put(tx: &Tx<'_>, row: &Row, class: Option<Class>) -> Result<(), StoreError> {
    let (holder, account) = row;
    let write = || {
        match class {
        Some(class) => tx
            .prepare_cached(
                "INSERT OR REPLACE INTO standing_known (holder, account, class) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![holder, account, class.name()]),
        None => tx
            .prepare_cached("DELETE FROM standing_known WHERE holder = ?1 AND account = ?2")?
            .execute(params![holder, account]),
    }
    };
    write().map(drop).map_err(|source| tx.failed(source))
}

/// Writes what changed; nothing if an inventory has seen it.
pub(super) fn put_cause(
    tx: &Tx<'_>,
    target: &str,
    cause: Option<&Cause>,
) -> Result<(), StoreError> {
    let write = || match cause {
        Some(cause) => {
            let alerts = serde_json::to_string(&cause.alerts)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            let Cause { time, event, by, is_planned, .. } = cause;
            tx.prepare_cached(
                "INSERT OR REPLACE INTO standing_cause (target, time, event_id, made_by, planned, alerts)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![target, time.0, event, by, is_planned, alerts])
        }
        None => {
            tx.prepare_cached("DELETE FROM standing_cause WHERE target = ?1")?.execute([target])
        }
    };
    write().map(drop).map_err(|source| tx.failed(source))
}
