//! The `alert` table: every alert as it went out, and what has folded into it since.
//!
//! `body` is what the sinks were sent last. It changes only with its revision, and then the earlier one is kept, so that
//! a retry says the same as the first try. Count, first and last seen and the event ids stand beside it.
//!
//! Invariant: this file reads and writes rows; what folds into what is decided in `desk`.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::Row;
use rusqlite::params;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;

use crate::model::Alert;
use crate::model::AlertId;
use crate::model::AlertStatus;
use crate::model::Seconds;
use crate::model::Severity;
use crate::store::StoreError;
use crate::store::Tx;

/// The statements that make the table.
pub const MIGRATION_SQL: &str = "
CREATE TABLE alert (
    id         TEXT PRIMARY KEY,
    detector   TEXT NOT NULL,
    severity   TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    seen       TEXT NOT NULL,
    body       TEXT NOT NULL
) STRICT;
CREATE INDEX alert_by_last_seen ON alert (last_seen);
";

/// The statements that let an alert have revisions. `severity` is the highest that any of them had.
pub const REVISIONS_SQL: &str = "
ALTER TABLE alert ADD COLUMN status TEXT NOT NULL DEFAULT 'open';
ALTER TABLE alert ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
-- The event that the story is about.
ALTER TABLE alert ADD COLUMN told_by TEXT NOT NULL DEFAULT '';
-- What the sinks were sent before the last revision.
CREATE TABLE alert_revision (
    alert_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (alert_id, revision)
) STRICT, WITHOUT ROWID;
";

/// Which matches an alert has taken in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// How many.
    pub count: u64,
    /// Event time of the oldest.
    pub first: Seconds,
    /// Event time of the newest.
    pub last: Seconds,
    /// The oldest of them, by time and event id.
    pub listed: BTreeSet<(Seconds, String)>,
}

/// What the store knows of an alert besides its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub seen: Seen,
    pub status: AlertStatus,
    pub revision: u64,
    pub told_by: String,
    /// The highest severity of all revisions.
    pub severity: Severity,
}

/// Returns the last revision of alert `id`, which is what sinks are sent.
///
/// # Errors
/// When the store cannot be read.
pub fn opened(connection: &Connection, id: &AlertId) -> Result<Option<Alert>, StoreError> {
    connection
        .prepare_cached("SELECT body FROM alert WHERE id = ?1")
        .and_then(|mut query| query.query_row([&id.0], |row| from_json(row, 0)).optional())
        .map_err(StoreError::Read)
}

/// Returns alert `id` with everything that has folded into it.
///
/// # Errors
/// When the store cannot be read.
pub fn read(connection: &Connection, id: &AlertId) -> Result<Option<Alert>, StoreError> {
    let Some(mut alert) = opened(connection, id)? else { return Ok(None) };
    let known = known(connection, id).map_err(StoreError::Read)?;
    // What is resolved has lost its matches; its body says what they were.
    if let Some(known) = known.filter(|known| known.status == AlertStatus::Open) {
        known.seen.fill(&mut alert);
    }
    Ok(Some(alert))
}

/// Returns what alert `id` was before its last revision, oldest first.
///
/// # Errors
/// When the store cannot be read.
pub fn earlier(connection: &Connection, id: &AlertId) -> Result<Vec<Alert>, StoreError> {
    let all = || -> rusqlite::Result<Vec<Alert>> {
        let mut query = connection.prepare_cached(
            "SELECT body FROM alert_revision WHERE alert_id = ?1 ORDER BY revision",
        )?;
        query.query_map([&id.0], |row| from_json(row, 0))?.collect()
    };
    all().map_err(StoreError::Read)
}

/// Returns all alerts of at least `least`, oldest first; [`read`] gives each of them whole.
///
/// # Errors
/// When the store cannot be read.
pub fn ids(connection: &Connection, least: Severity) -> Result<Vec<AlertId>, StoreError> {
    let all = || {
        let mut query =
            connection.prepare("SELECT id, severity FROM alert ORDER BY first_seen, id")?;
        let row = |row: &Row<'_>| Ok((AlertId(row.get(0)?), row.get::<_, String>(1)?));
        query.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>()
    };
    let all = all().map_err(StoreError::Read)?;
    let wanted = |severity: &str| Severity::named(severity).is_none_or(|found| found >= least);
    Ok(all.into_iter().filter(|(_, severity)| wanted(severity)).map(|(id, _)| id).collect())
}

impl Seen {
    /// Writes the counts into `alert`.
    pub fn fill(&self, alert: &mut Alert) {
        alert.count = self.count;
        alert.first_seen = self.first;
        alert.last_seen = self.last;
        alert.event_ids = self.listed.iter().map(|(_, id)| id.clone()).collect();
    }

    fn listed_json(&self) -> rusqlite::Result<String> {
        let pairs: Vec<(Seconds, &str)> =
            self.listed.iter().map(|(time, id)| (*time, id.as_str())).collect();
        serde_json::to_string(&pairs).map_err(unwritable)
    }
}

/// Forgets up to `limit` alerts whose newest match is older than `before`, oldest first, but none that is `needed`.
/// Returns how many.
///
/// # Errors
/// When the store cannot be read or written.
pub fn prune(
    tx: &Tx<'_>,
    before: Seconds,
    limit: usize,
    needed: &dyn Fn(&AlertId) -> Result<bool, StoreError>,
) -> Result<usize, StoreError> {
    let failed = |source| tx.failed(source);
    let mut old = tx
        .prepare_cached("SELECT id FROM alert WHERE last_seen < ?1 ORDER BY last_seen, id")
        .map_err(failed)?;
    let mut rows = old.query([before.0]).map_err(failed)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().map_err(failed)?
    {
        let id = AlertId(row.get(0).map_err(failed)?);
        if !needed(&id)? {
            found.push(id);
        }
    }
    for statement in
        ["DELETE FROM alert WHERE id = ?1", "DELETE FROM alert_revision WHERE alert_id = ?1"]
    {
        let mut delete = tx.prepare_cached(statement).map_err(failed)?;
        for id in &found {
            delete.execute([&id.0]).map_err(failed)?;
        }
    }
    Ok(found.len())
}

/// Returns what is known of alert `id`, if it is.
pub(super) fn known(connection: &Connection, id: &AlertId) -> rusqlite::Result<Option<Known>> {
    let mut query = connection.prepare_cached(
        "SELECT count, first_seen, last_seen, seen, status, revision, told_by, severity
         FROM alert WHERE id = ?1",
    )?;
    let row = |row: &Row<'_>| {
        let (count, revision): (i64, i64) = (row.get(0)?, row.get(5)?);
        Ok(Known {
            seen: Seen {
                count: count.unsigned_abs(),
                first: Seconds(row.get(1)?),
                last: Seconds(row.get(2)?),
                listed: from_json(row, 3)?,
            },
            status: match row.get_ref(4)?.as_str()? {
                "resolved" => AlertStatus::Resolved,
                _ => AlertStatus::Open,
            },
            revision: revision.unsigned_abs(),
            told_by: row.get(6)?,
            severity: Severity::named(row.get_ref(7)?.as_str()?).unwrap_or_default(),
        })
    };
    query.query_row([&id.0], row).optional()
}

/// Writes a newly opened alert, which the event `told_by` tells.
pub(super) fn open(
    connection: &Connection,
    alert: &Alert,
    seen: &Seen,
    told_by: &str,
) -> rusqlite::Result<()> {
    let body = serde_json::to_string(alert).map_err(unwritable)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO alert (id, detector, severity, first_seen, last_seen, count, seen, body, told_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        alert.id.0,
        alert.detector,
        alert.severity.name(),
        seen.first.0,
        seen.last.0,
        count(seen),
        seen.listed_json()?,
        body,
        told_by,
    ])?;
    Ok(())
}

/// Writes the next revision of an alert; `seen` and `told_by` are as in `known`, which keeps the highest severity.
pub(super) fn revise(
    connection: &Connection,
    alert: &Alert,
    known: &Known,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO alert_revision (alert_id, revision, body)
             SELECT id, revision, body FROM alert WHERE id = ?1",
        )?
        .execute([&alert.id.0])?;
    let body = serde_json::to_string(alert).map_err(unwritable)?;
    let mut update = connection.prepare_cached(
        "UPDATE alert SET status = ?2, revision = ?3, body = ?4, told_by = ?5, severity = ?6 WHERE id = ?1",
    )?;
    update.execute(params![
        alert.id.0,
        alert.status.name(),
        i64::try_from(alert.revision).unwrap_or(i64::MAX),
        body,
        known.told_by,
        known.severity.name(),
    ])?;
    fold(connection, &alert.id, &known.seen)
}

/// Writes what an open alert has taken in by now.
pub(super) fn fold(connection: &Connection, id: &AlertId, seen: &Seen) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE alert SET first_seen = ?2, last_seen = ?3, count = ?4, seen = ?5 WHERE id = ?1",
    )?;
    update.execute(params![id.0, seen.first.0, seen.last.0, count(seen), seen.listed_json()?])?;
    Ok(())
}

fn count(seen: &Seen) -> i64 {
    i64::try_from(seen.count).unwrap_or(i64::MAX)
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|source| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(source))
    })
}

fn unwritable(source: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(source))
}
