//! The `outbox` table as the operator asks about it.
//!
//! Invariant: only `requeue_dead` writes; it makes rows pending that were given up, and no other.

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::Row;
use rusqlite::params;

use crate::model::AlertId;
use crate::model::Seconds;
use crate::model::SinkName;
use crate::outbox::owed::Backlog;
use crate::outbox::owed::Owed;
use crate::outbox::owed::Standing;
use crate::outbox::owed::Which;
use crate::store::StoreError;
use crate::store::Tx;

/// Returns up to `limit` rows that are not delivered, dead letters first, then the latest first.
///
/// # Errors
/// When the store cannot be read.
pub fn owed(connection: &Connection, which: &Which, limit: usize) -> Result<Vec<Owed>, StoreError> {
    let read = |row: &Row<'_>| {
        let standing = match row.get_ref(3)?.as_str()? {
            "dead" => Standing::Dead,
            _ => Standing::Pending,
        };
        Ok(Owed {
            seq: row.get(0)?,
            alert_id: AlertId(row.get(1)?),
            sink: SinkName(row.get(2)?),
            standing,
            attempts: row.get(4)?,
            created: Seconds(row.get(5)?),
            tried: row.get::<_, Option<i64>>(6)?.map(Seconds),
            error: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
        })
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (sink, alert) = which.columns();
    connection
        .prepare_cached(
            "SELECT seq, alert_id, sink, state, attempts, created, settled, last_error FROM outbox
             WHERE state IN ('pending', 'dead') AND (?1 IS NULL OR sink = ?1) AND (?2 IS NULL OR alert_id = ?2)
             ORDER BY state, settled DESC, seq DESC LIMIT ?3",
        )
        .and_then(|mut query| query.query_map(params![sink, alert, limit], read)?.collect())
        .map_err(StoreError::Read)
}

/// Makes dead letters pending again, as if their alerts had been raised now. Returns how many.
///
/// # Errors
/// When the store cannot be written.
pub fn requeue_dead(tx: &Tx<'_>, which: &Which, now: Seconds) -> Result<usize, StoreError> {
    // A new `seq`: an old lease of the row must not hide its new first try.
    let again = || -> rusqlite::Result<usize> {
        let (sink, alert) = which.columns();
        tx.execute(
            "CREATE TEMP TABLE again AS SELECT seq, alert_id, revision, sink FROM outbox WHERE state = 'dead'
             AND (?1 IS NULL OR sink = ?1) AND (?2 IS NULL OR alert_id = ?2) ORDER BY seq",
            params![sink, alert],
        )?;
        tx.execute("DELETE FROM outbox WHERE seq IN (SELECT seq FROM again)", [])?;
        let count = tx.execute(
            "INSERT INTO outbox (alert_id, revision, sink, state, attempts, due, created)
             SELECT alert_id, revision, sink, 'pending', 0, ?1, ?1 FROM again ORDER BY rowid",
            params![now.0],
        )?;
        tx.execute("DROP TABLE again", [])?;
        Ok(count)
    };
    again().map_err(|source| tx.failed(source))
}

/// Returns what waits for each sink, by name.
///
/// # Errors
/// When the store cannot be read.
pub fn backlog(connection: &Connection) -> Result<Vec<Backlog>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(Backlog {
            sink: SinkName(row.get(0)?),
            pending: row.get(1)?,
            dead: row.get(2)?,
            oldest: row.get::<_, Option<i64>>(3)?.map(Seconds),
            oldest_dead: row.get::<_, Option<i64>>(4)?.map(Seconds),
        })
    };
    connection
        .prepare_cached(
            "SELECT sink, count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'dead'),
                    min(created) FILTER (WHERE state = 'pending'), min(settled) FILTER (WHERE state = 'dead')
             FROM outbox WHERE state IN ('pending', 'dead') GROUP BY sink ORDER BY sink",
        )
        .and_then(|mut query| query.query_map([], read)?.collect())
        .map_err(StoreError::Read)
}

/// Returns what `sink` said when it last did not take an alert that is still not delivered.
///
/// # Errors
/// When the store cannot be read.
pub fn last_error(connection: &Connection, sink: &SinkName) -> Result<Option<String>, StoreError> {
    connection
        .prepare_cached(
            "SELECT last_error FROM outbox WHERE sink = ?1 AND state IN ('pending', 'dead') AND last_error IS NOT NULL
             ORDER BY settled DESC LIMIT 1",
        )
        .and_then(|mut query| query.query_row([&sink.0], |row| row.get(0)).optional())
        .map_err(StoreError::Read)
}
