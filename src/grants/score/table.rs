//! Verdicts by day, and access that was taken away, in the store. The tables stand beside those of usage, with which they
//! grow old.
//!
//! Invariant: a commit adds what it counted, once.

use rusqlite::Connection;
use rusqlite::params;

use crate::grants::grant::GrantId;
use crate::grants::removal::Removal;
use crate::grants::usage::table::whole;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// Verdicts of one day in one account.
#[derive(Debug)]
pub(in crate::grants) struct DayRow {
    pub day: i64,
    pub account: Box<str>,
    pub verdict: Box<str>,
    pub acts: u64,
}

/// Adds to the verdicts of days.
pub(in crate::grants) fn add_day(tx: &Tx<'_>, row: &DayRow) -> Result<(), StoreError> {
    let add = || -> rusqlite::Result<usize> {
        tx.prepare_cached(
            "INSERT INTO verdict_day (day, account, verdict, acts) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (day, account, verdict) DO UPDATE SET acts = acts + excluded.acts",
        )?
        .execute(params![row.day, row.account, row.verdict, whole(row.acts)])
    };
    add().map(drop).map_err(|source| tx.failed(source))
}

/// Takes a verdict off those of a day; returns whether there was one.
pub(in crate::grants) fn take_day(tx: &Tx<'_>, row: &DayRow) -> Result<bool, StoreError> {
    let take = || -> rusqlite::Result<usize> {
        tx.prepare_cached(
            "UPDATE verdict_day SET acts = acts - 1
             WHERE day = ?1 AND account = ?2 AND verdict = ?3 AND acts > 0",
        )?
        .execute(params![row.day, row.account, row.verdict])
    };
    take().map(|rows| rows > 0).map_err(|source| tx.failed(source))
}

/// Reads the verdicts of the days `[from, until)`.
pub(in crate::grants) fn days(
    connection: &Connection,
    (from, until): (i64, i64),
) -> Result<Vec<DayRow>, StoreError> {
    let read = || -> rusqlite::Result<Vec<DayRow>> {
        let mut statement = connection.prepare_cached(
            "SELECT day, account, verdict, acts FROM verdict_day WHERE day >= ?1 AND day < ?2
             ORDER BY day, account, verdict",
        )?;
        let rows = statement.query_map([from, until], |row| {
            Ok(DayRow {
                day: row.get(0)?,
                account: row.get::<_, String>(1)?.into(),
                verdict: row.get::<_, String>(2)?.into(),
                acts: row.get(3).map(|it: i64| u64::try_from(it).unwrap_or_default())?,
            })
        })?;
        rows.collect()
    };
    read().map_err(StoreError::Read)
}

/// Returns the newest day of which verdicts are known.
pub(in crate::grants) fn newest_day(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let newest = connection.query_row("SELECT max(day) FROM verdict_day", [], |row| row.get(0));
    newest.map_err(StoreError::Read)
}

/// Keeps that access was taken away.
pub(in crate::grants) fn add_removal(tx: &Tx<'_>, removal: &Removal) -> Result<(), StoreError> {
    let Removal { grant, claim, ended, removed } = removal;
    let add = || -> rusqlite::Result<usize> {
        tx.prepare_cached(
            "INSERT OR REPLACE INTO grant_removal (grant_id, claim, ended, removed)
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![&*grant.0, claim, ended.0, removed.0])
    };
    add().map(drop).map_err(|source| tx.failed(source))
}

/// Reads the removals of the access of one grant, or of all.
pub(in crate::grants) fn removals(
    connection: &Connection,
    of: Option<&GrantId>,
) -> Result<Vec<Removal>, StoreError> {
    let read = || -> rusqlite::Result<Vec<Removal>> {
        let mut statement = connection.prepare_cached(
            "SELECT grant_id, claim, ended, removed FROM grant_removal
             WHERE ?1 IS NULL OR grant_id = ?1 ORDER BY removed, grant_id, claim",
        )?;
        let rows = statement.query_map([of.map(|id| &*id.0)], |row| {
            Ok(Removal {
                grant: GrantId(row.get::<_, String>(0)?.into()),
                claim: row.get(1)?,
                ended: Seconds(row.get(2)?),
                removed: Seconds(row.get(3)?),
            })
        })?;
        rows.collect()
    };
    read().map_err(StoreError::Read)
}
