//! The tables of the commit itself: the ledger of deliveries, events seen, quarantine, counters, how far time has come.

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;
use rusqlite::types::Type;
use serde_json::Map;
use serde_json::Value;

use crate::model::Facts;
use crate::model::Field;
use crate::model::ObjectId;
use crate::model::Seconds;
use crate::pipeline::books::Counts;

/// The tables of this room.
pub const SCHEMA: &str = "
    CREATE TABLE delivery (
        location    TEXT NOT NULL,
        revision    TEXT NOT NULL,
        source      TEXT NOT NULL,
        outcome     TEXT NOT NULL,
        read        INTEGER NOT NULL,
        kept        INTEGER NOT NULL,
        duplicates  INTEGER NOT NULL,
        quarantined INTEGER NOT NULL,
        noted       INTEGER NOT NULL,
        PRIMARY KEY (location, revision)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX delivery_noted ON delivery (noted);
    CREATE TABLE seen_events (
        id     INTEGER PRIMARY KEY,
        newest INTEGER NOT NULL,
        events BLOB NOT NULL
    ) STRICT;
    CREATE INDEX seen_events_newest ON seen_events (newest);
    CREATE TABLE quarantine (
        id       INTEGER PRIMARY KEY,
        source   TEXT NOT NULL,
        location TEXT NOT NULL,
        revision TEXT NOT NULL,
        record   INTEGER,
        reason   TEXT NOT NULL,
        body     BLOB NOT NULL,
        noted    INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE counter (
        source TEXT NOT NULL,
        name   TEXT NOT NULL,
        value  INTEGER NOT NULL,
        PRIMARY KEY (source, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE progress (
        name  TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// The table of acts that wait for late grants.
pub const HELD: &str = "
    CREATE TABLE held_act (
        time     INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        record   TEXT NOT NULL,
        facts    TEXT NOT NULL,
        object   TEXT NOT NULL,
        PRIMARY KEY (time, event_id)
    ) STRICT, WITHOUT ROWID;
";

/// The column for acts that were judged and are kept: what was found, as JSON. Without it an act waits.
pub const JUDGED: &str = "ALTER TABLE held_act ADD COLUMN judged TEXT;";

/// An act that waits for late grants, or was judged and is kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeldRow {
    pub time: Seconds,
    pub event_id: String,
    pub record: String,
    pub facts: Facts,
    pub object: String,
    /// What was found, as JSON; `None` while it waits.
    pub judged: Option<String>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The object.
    pub object: ObjectId,
    /// The source it came by.
    pub source: String,
    /// `read`, `routed:digest` and the like, or `rejected`.
    pub outcome: String,
    /// What became of its records.
    pub counts: Counts,
}

/// A row of quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    /// The source it came by.
    pub source: String,
    /// The object.
    pub object: ObjectId,
    /// The number of the record in the object, or `None` if the object could not be read at all.
    pub record: Option<u64>,
    /// Why.
    pub reason: String,
    /// What could not be read, bounded.
    pub body: Vec<u8>,
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns whether the ledger has `object`.
pub fn is_known(connection: &Connection, object: &ObjectId) -> rusqlite::Result<bool> {
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM delivery WHERE location = ?1 AND revision = ?2")?;
    statement.exists([&object.location, &object.revision])
}

pub(super) fn insert_delivery(
    connection: &Connection,
    row: &LedgerRow,
    noted: Seconds,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO delivery (location, revision, source, outcome, read, kept, duplicates, quarantined, noted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let counts = &row.counts;
    statement.execute(params![
        row.object.location,
        row.object.revision,
        row.source,
        row.outcome,
        whole(counts.read),
        whole(counts.kept),
        whole(counts.duplicates),
        whole(counts.quarantined),
        noted.0,
    ])?;
    Ok(())
}

pub(super) fn insert_quarantine(
    connection: &Connection,
    row: &QuarantineRow,
    noted: Seconds,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO quarantine (source, location, revision, record, reason, body, noted)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let record = row.record.map(whole);
    statement.execute(params![
        row.source,
        row.object.location,
        row.object.revision,
        record,
        row.reason,
        row.body,
        noted.0,
    ])?;
    Ok(())
}

/// Keeps the fingerprints of a delivery's events: 8 bytes each, little-endian, with a time of 8 more for all of them.
pub(super) fn insert_seen(
    connection: &Connection,
    newest: Seconds,
    events: &[u64],
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("INSERT INTO seen_events (newest, events) VALUES (?1, ?2)")?;
    let mut blob = Vec::with_capacity(events.len() * 8);
    events.iter().for_each(|event| blob.extend_from_slice(&event.to_le_bytes()));
    statement.execute(params![newest.0, blob])?;
    Ok(())
}

/// Calls `found` with each fingerprint that is kept, in the order they came.
pub(super) fn seen(
    connection: &Connection,
    mut found: impl FnMut(u64, Seconds),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT newest, events FROM seen_events ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let newest = Seconds(row.get(0)?);
        let events: Vec<u8> = row.get(1)?;
        for event in events.as_chunks::<8>().0 {
            found(u64::from_le_bytes(*event), newest);
        }
    }
    Ok(())
}

pub(super) fn insert_held(connection: &Connection, row: &HeldRow) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO held_act (time, event_id, record, facts, object, judged)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let facts = serde_json::to_string(&row.facts)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let HeldRow { time, event_id, record, object, judged, .. } = row;
    statement.execute(params![time.0, event_id, record, facts, object, judged])?;
    Ok(())
}

/// Writes what was found of an act that the store has.
pub(super) fn set_judged(
    connection: &Connection,
    time: Seconds,
    event_id: &str,
    judged: &str,
) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("UPDATE held_act SET judged = ?3 WHERE time = ?1 AND event_id = ?2")?;
    statement.execute(params![time.0, event_id, judged])?;
    Ok(())
}

pub(super) fn drop_held(
    connection: &Connection,
    time: Seconds,
    event_id: &str,
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM held_act WHERE time = ?1 AND event_id = ?2")?;
    statement.execute(params![time.0, event_id])?;
    Ok(())
}

/// Returns the acts that wait and those that were judged, oldest first.
pub(super) fn held(connection: &Connection, fields: &[Field]) -> rusqlite::Result<Vec<HeldRow>> {
    let mut statement = connection.prepare(
        "SELECT time, event_id, record, facts, object, judged FROM held_act ORDER BY time, event_id",
    )?;
    let rows = statement.query_map([], |row| {
        let facts: String = row.get(3)?;
        // Only a damaged file holds a text that is no JSON.
        let facts: Map<String, Value> = serde_json::from_str(&facts).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(3, Type::Text, error.into())
        })?;
        Ok(HeldRow {
            time: Seconds(row.get(0)?),
            event_id: row.get(1)?,
            record: row.get(2)?,
            facts: Facts::read(&facts, fields),
            object: row.get(4)?,
            judged: row.get(5)?,
        })
    })?;
    rows.collect()
}

/// Forgets events older than `seen_before` and ledger rows noted before `ledger_before`.
pub(super) fn prune(
    connection: &Connection,
    seen_before: Seconds,
    ledger_before: Seconds,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM seen_events WHERE newest < ?1")?
        .execute([seen_before.0])?;
    connection
        .prepare_cached("DELETE FROM delivery WHERE noted < ?1")?
        .execute([ledger_before.0])?;
    Ok(())
}

pub(super) fn count(
    connection: &Connection,
    source: &str,
    counts: &Counts,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO counter (source, name, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (source, name) DO UPDATE SET value = value + excluded.value",
    )?;
    for (name, value) in counts.named().into_iter().filter(|(_, value)| *value > 0) {
        statement.execute(params![source, name, whole(value)])?;
    }
    Ok(())
}

pub(super) fn set_progress(
    connection: &Connection,
    name: &str,
    time: Seconds,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO progress (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )?;
    statement.execute(params![name, time.0])?;
    Ok(())
}

pub(super) fn progress(connection: &Connection, name: &str) -> rusqlite::Result<Option<Seconds>> {
    let mut statement = connection.prepare("SELECT value FROM progress WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0).map(Seconds)).optional()
}
