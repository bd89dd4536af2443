//! What holders did, in the store: one row for each action of a holder in an account.
//!
//! Invariant: a row is written in the transaction of the delivery that taught it, and only grows later.

use rusqlite::Connection;
use rusqlite::params;

use crate::iam::standing::uses::Noted;
use crate::iam::standing::uses::Place;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// The tables of this module.
pub const SCHEMA: &str = "
CREATE TABLE standing_use (
    holder TEXT NOT NULL,
    account TEXT NOT NULL,
    action TEXT NOT NULL,
    -- The beginning of the hour in which it was last done, and last done through a grant.
    last INTEGER NOT NULL,
    granted INTEGER,
    PRIMARY KEY (holder, account, action)
) STRICT, WITHOUT ROWID;
CREATE TABLE standing_watched (
    -- Empty: of what was done before, rows were forgotten.
    account TEXT PRIMARY KEY NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Acts that a grant covers as far as is known; a late word may take that back.
pub const COVERS: &str = "
CREATE TABLE standing_cover (
    time INTEGER NOT NULL,
    event TEXT NOT NULL,
    holder TEXT NOT NULL,
    account TEXT NOT NULL,
    action TEXT NOT NULL,
    PRIMARY KEY (time, event, holder, account, action)
) STRICT, WITHOUT ROWID;
CREATE INDEX standing_cover_holder ON standing_cover (holder);
";

/// Writes as whose use of a grant an act counts, in place of what it counted as before.
pub(super) fn cover(
    tx: &Tx<'_>,
    (time, event): &(Seconds, Box<str>),
    places: &[Place],
) -> Result<(), StoreError> {
    let write = || -> rusqlite::Result<()> {
        tx.prepare_cached("DELETE FROM standing_cover WHERE time = ?1 AND event = ?2")?
            .execute(params![time.0, event])?;
        for Place { holder, account, action } in places {
            tx.prepare_cached(
                "INSERT OR IGNORE INTO standing_cover (time, event, holder, account, action)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![time.0, event, holder, account, action])?;
        }
        Ok(())
    };
    write().map_err(|source| tx.failed(source))
}

/// Makes final what was covered before `time`: nothing takes it back any more.
pub(super) fn settle(tx: &Tx<'_>, time: Seconds) -> Result<(), StoreError> {
    let write = || -> rusqlite::Result<()> {
        tx.execute(
            "UPDATE standing_use SET granted = max(coalesce(granted, of.hour), of.hour)
             FROM (SELECT holder, account, action, max(time) / 3600 * 3600 AS hour
                   FROM standing_cover WHERE time < ?1 GROUP BY holder, account, action) AS of
             WHERE standing_use.holder = of.holder AND standing_use.account = of.account
               AND standing_use.action = of.action",
            [time.0],
        )?;
        tx.execute("DELETE FROM standing_cover WHERE time < ?1", [time.0]).map(drop)
    };
    write().map_err(|source| tx.failed(source))
}

/// Reads whose acts grants cover as far as is known, of one holder or of all.
pub(super) fn covers(
    connection: &Connection,
    holder: Option<&str>,
    told: &mut dyn FnMut(Box<str>, Box<str>),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let sql = match holder {
            Some(_) => "SELECT DISTINCT holder, account FROM standing_cover WHERE holder = ?1",
            None => "SELECT DISTINCT holder, account FROM standing_cover",
        };
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(holder))?;
        while let Some(row) = rows.next()? {
            let text = |column| row.get::<_, String>(column).map(String::into_boxed_str);
            told(text(0)?, text(1)?);
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

/// Returns how many rows there are.
pub(super) fn rows(connection: &Connection) -> Result<usize, StoreError> {
    let all = "SELECT count(*) FROM standing_use";
    let found: i64 = connection.query_row(all, [], |row| row.get(0)).map_err(StoreError::Read)?;
    Ok(usize::try_from(found).unwrap_or_default())
}

/// Reads since when each account is watched.
pub(super) fn watched(
    connection: &Connection,
    told: &mut dyn FnMut(Box<str>, Seconds),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare("SELECT account, since FROM standing_watched")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            told(row.get_ref(0)?.as_str()?.into(), Seconds(row.get(1)?));
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

/// Reads the rows of one holder, or all of them.
pub(super) fn each(
    connection: &Connection,
    holder: Option<&str>,
    told: &mut dyn FnMut(Place, Noted),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let sql = match holder {
            Some(_) => {
                "SELECT holder, account, action, last, granted FROM standing_use WHERE holder = ?1"
            }
            None => "SELECT holder, account, action, last, granted FROM standing_use",
        };
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(holder))?;
        while let Some(row) = rows.next()? {
            let text = |column| row.get::<_, String>(column).map(String::into_boxed_str);
            let place = Place { holder: text(0)?, account: text(1)?, action: text(2)? };
            let granted: Option<i64> = row.get(4)?;
            told(place, Noted { last: Seconds(row.get(3)?), granted: granted.map(Seconds) });
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

/// Writes what was noted; returns whether there was nothing of it.
pub(super) fn put(tx: &Tx<'_>, place: &Place, noted: Noted) -> Result<bool, StoreError> {
    let write = || -> rusqlite::Result<bool> {
        let Place { holder, account, action } = place;
        let granted = noted.granted.map(|it| it.0);
        let values = params![holder, account, action, noted.last.0, granted];
        let known = tx
            .prepare_cached(
                "UPDATE standing_use SET last = max(last, ?4),
                 granted = CASE WHEN granted IS NULL THEN ?5 WHEN ?5 IS NULL THEN granted
                 ELSE max(granted, ?5) END
                 WHERE holder = ?1 AND account = ?2 AND action = ?3",
            )?
            .execute(values)?;
        if known > 0 {
            return Ok(false);
        }
        tx.prepare_cached(
            "INSERT INTO standing_use (holder, account, action, last, granted) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(values)?;
        Ok(true)
    };
    write().map_err(|source| tx.failed(source))
}

/// Writes since when an account is watched.
pub(super) fn watch(tx: &Tx<'_>, account: &str, since: Seconds) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO standing_watched (account, since) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute(params![account, since.0]))
        .map(drop)
        .map_err(|source| tx.failed(source))
}

/// Forgets `count` rows, those that were used longest ago first; returns the last use of the last of them.
pub(super) fn forget(tx: &Tx<'_>, count: usize) -> Result<Option<Seconds>, StoreError> {
    let write = || -> rusqlite::Result<Option<Seconds>> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let last: Option<i64> = tx.query_row(
            "SELECT max(last) FROM (SELECT last FROM standing_use ORDER BY last LIMIT ?1)",
            [count],
            |row| row.get(0),
        )?;
        tx.execute(
            "DELETE FROM standing_use WHERE (holder, account, action) IN (
                 SELECT holder, account, action FROM standing_use
                 ORDER BY last, holder, account, action LIMIT ?1)",
            [count],
        )?;
        Ok(last.map(Seconds))
    };
    write().map_err(|source| tx.failed(source))
}
