//! Claims in the store: each deed, and what they taught.
//!
//! Invariant: a deed is written once; a lesson is replaced by what is known of it since.

use rusqlite::Connection;
use rusqlite::params;
use rusqlite::types::Type;

use crate::grants::claims::claim::Claim;
use crate::grants::claims::claim::Deed;
use crate::grants::claims::learned::Topic;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// The tables of claims.
pub const CLAIMS: &str = "
CREATE TABLE claim_deed (
    event_id TEXT NOT NULL PRIMARY KEY,
    -- As JSON; null where a membership was removed by an id that nobody has seen being given.
    claim TEXT,
    deed TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE claim_lesson (
    topic TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    since INTEGER NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (topic, name, value)
) STRICT, WITHOUT ROWID;
";

/// Something learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lesson {
    pub topic: Topic,
    pub name: Box<str>,
    pub value: Box<str>,
    pub time: Seconds,
    pub times: u32,
}

/// Writes a deed.
pub(super) fn put(tx: &Tx<'_>, claim: Option<&Claim>, deed: &Deed) -> Result<(), StoreError> {
    let put = || -> rusqlite::Result<()> {
        let claim = claim.map(json).transpose()?;
        tx.prepare_cached(
            "INSERT OR REPLACE INTO claim_deed (event_id, claim, deed) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![&*deed.event, claim, json(deed)?])?;
        Ok(())
    };
    put().map_err(|source| tx.failed(source))
}

/// Removes a deed.
pub(super) fn drop(tx: &Tx<'_>, event: &str) -> Result<(), StoreError> {
    let statement = tx.prepare_cached("DELETE FROM claim_deed WHERE event_id = ?1");
    let dropped = statement.and_then(|mut statement| statement.execute([event]));
    dropped.map(|_| ()).map_err(|source| tx.failed(source))
}

/// Writes what was learned.
pub(super) fn learn(tx: &Tx<'_>, lesson: &Lesson) -> Result<(), StoreError> {
    let learn = || -> rusqlite::Result<()> {
        tx.prepare_cached(
            "INSERT INTO claim_lesson (topic, name, value, since, times) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (topic, name, value) DO UPDATE SET since = excluded.since, times = excluded.times",
        )?
        .execute(params![
            lesson.topic.name(),
            &*lesson.name,
            &*lesson.value,
            lesson.time.0,
            lesson.times
        ])?;
        Ok(())
    };
    learn().map_err(|source| tx.failed(source))
}

/// Forgets what was learned of `topic` before `time`.
pub(super) fn forget(tx: &Tx<'_>, topic: Topic, time: Seconds) -> Result<(), StoreError> {
    let statement = tx.prepare_cached("DELETE FROM claim_lesson WHERE topic = ?1 AND since < ?2");
    let forgotten =
        statement.and_then(|mut statement| statement.execute(params![topic.name(), time.0]));
    forgotten.map(|_| ()).map_err(|source| tx.failed(source))
}

/// Hands every deed to `take`, in the order of their records' ids.
pub(super) fn deeds(
    connection: &Connection,
    mut take: impl FnMut(Option<Claim>, Deed),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let mut statement =
            connection.prepare("SELECT claim, deed FROM claim_deed ORDER BY event_id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let claim = row.get_ref(0)?.as_str_or_null()?;
            let claim = claim.map(|text| from_json(text, 0)).transpose()?;
            take(claim, from_json(row.get_ref(1)?.as_str()?, 1)?);
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

/// Hands every lesson to `take`.
pub(super) fn lessons(
    connection: &Connection,
    mut take: impl FnMut(Lesson),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let mut statement =
            connection.prepare("SELECT topic, name, value, since, times FROM claim_lesson")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let named = row.get_ref(0)?.as_str()?;
            // A topic of a later version is left alone.
            let Some(topic) = Topic::ALL.into_iter().find(|topic| topic.name() == named) else {
                continue;
            };
            let text =
                |column| Ok::<Box<str>, rusqlite::Error>(row.get_ref(column)?.as_str()?.into());
            let (name, value) = (text(1)?, text(2)?);
            take(Lesson { topic, name, value, time: Seconds(row.get(3)?), times: row.get(4)? });
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

fn json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Only a damaged file holds a text that is no deed.
fn from_json<T: serde::de::DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}
