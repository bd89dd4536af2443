//! The tables of what correlations count, and of what can be undone and would undo it.

use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;
use rusqlite::types::Type;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::DetectorId;
use crate::model::Facts;
use crate::model::Field;
use crate::model::Seconds;
use crate::model::Slots;
use crate::rules::acts::Act;
use crate::rules::acts::ActId;
use crate::rules::acts::Key;
use crate::rules::correlate::Input;

/// The table of this room, as it was first.
pub const SCHEMA: &str = "
    CREATE TABLE correlation_input (
        time     INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        rule_ids TEXT NOT NULL,
        record   TEXT NOT NULL,
        facts    TEXT NOT NULL,
        object   TEXT NOT NULL,
        PRIMARY KEY (time, event_id)
    ) STRICT, WITHOUT ROWID;
";

/// The table as it is: matches stand together with those of their commit, since a row of some kilobytes for each costs
/// more than finding it.
pub const TOGETHER: &str = "
    CREATE TABLE correlation_batch (
        newest  INTEGER NOT NULL,
        heads   TEXT NOT NULL,
        records TEXT NOT NULL
    ) STRICT;
    CREATE INDEX correlation_batch_by_newest ON correlation_batch (newest);
    INSERT INTO correlation_batch
        SELECT max(time),
               json_group_array(json_object('time', time, 'event_id', event_id, 'rule_ids', json(rule_ids),
                                            'facts', json(facts), 'object', object)),
               json_group_array(json(record))
        FROM correlation_input HAVING count(*) > 0;
    DROP TABLE correlation_input;
";

/// An input without its record.
#[derive(Serialize)]
struct Head<'a> {
    time: i64,
    event_id: &'a str,
    rule_ids: &'a [String],
    facts: &'a Facts,
    object: &'a str,
}

/// A head as it is read.
#[derive(Deserialize)]
struct ReadHead {
    time: i64,
    event_id: String,
    rule_ids: Vec<String>,
    facts: Map<String, Value>,
    object: String,
}

/// How many inputs stand in one row at most, so that what is written needs little memory.
const MAX_TOGETHER: usize = 256;

/// Writes the inputs of one commit.
pub(super) fn insert(connection: &Connection, inputs: &[Arc<Input>]) -> rusqlite::Result<()> {
    inputs.chunks(MAX_TOGETHER).try_for_each(|inputs| insert_batch(connection, inputs))
}

fn insert_batch(connection: &Connection, inputs: &[Arc<Input>]) -> rusqlite::Result<()> {
    let Some(newest) = inputs.iter().map(|input| input.time.0).max() else { return Ok(()) };
    let heads: Vec<Head<'_>> = inputs.iter().map(|input| head(input)).collect();
    let heads = serde_json::to_string(&heads)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let mut records = String::with_capacity(inputs.iter().map(|it| it.record.len() + 1).sum());
    for input in inputs {
        records.push(if records.is_empty() { '[' } else { ',' });
        records.push_str(&input.record);
    }
    records.push(']');
    let mut statement = connection.prepare_cached(
        "INSERT INTO correlation_batch (newest, heads, records) VALUES (?1, ?2, ?3)",
    )?;
    statement.execute(params![newest, heads, records])?;
    Ok(())
}

fn head(input: &Input) -> Head<'_> {
    Head {
        time: input.time.0,
        event_id: &input.event_id,
        rule_ids: &input.rule_ids,
        facts: &input.facts,
        object: &input.object,
    }
}

/// Drops the batches whose newest input lies before `before`.
pub(super) fn prune(connection: &Connection, before: Seconds) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM correlation_batch WHERE newest < ?1")?;
    statement.execute([before.0])?;
    Ok(())
}

/// Returns all inputs, in the order in which they were taken in. Facts that no room knows any more are left behind.
pub(super) fn inputs(connection: &Connection, fields: &[Field]) -> rusqlite::Result<Vec<Input>> {
    let mut statement =
        connection.prepare("SELECT heads, records FROM correlation_batch ORDER BY rowid")?;
    let mut rows = statement.query([])?;
    let mut inputs = Vec::new();
    while let Some(row) = rows.next()? {
        let (heads, records): (String, String) = (row.get(0)?, row.get(1)?);
        let (heads, records): (Vec<ReadHead>, Vec<&RawValue>) =
            (read(0, &heads)?, read(1, &records)?);
        inputs.extend(heads.into_iter().zip(records).filter_map(|(head, record)| {
            Some(Input {
                time: Seconds(head.time),
                event_id: head.event_id,
                rule_ids: head.rule_ids,
                slots: Slots::of(record.get())?,
                record: record.get().to_owned(),
                facts: Facts::read(&head.facts, fields),
                object: head.object,
            })
        }));
    }
    Ok(inputs)
}

/// The table of what can be undone, and of what would undo it.
pub const UNDOING: &str = "
    CREATE TABLE undoing (
        detector TEXT NOT NULL,
        time     INTEGER NOT NULL,
        event_id TEXT NOT NULL,
        -- As JSON: what the detector told of, and what would undo such a thing.
        done     TEXT NOT NULL,
        back     TEXT NOT NULL,
        PRIMARY KEY (detector, time, event_id)
    ) STRICT, WITHOUT ROWID;
";

/// What was kept before the pair was told of by a signal is forgotten: alerts about it stay as they are.
pub const UNDOING_TOLD: &str = "DELETE FROM undoing;";

/// Calls `found` with each act that can be undone, or would undo another.
pub(super) fn undoing(
    connection: &Connection,
    mut found: impl FnMut(Key, Act),
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT detector, time, event_id, done, back FROM undoing")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: ActId = (Seconds(row.get(1)?), row.get::<_, String>(2)?.into());
        found((DetectorId(row.get(0)?), id), Act { done: part(row, 3)?, back: part(row, 4)? });
    }
    Ok(())
}

fn part<T: for<'de> Deserialize<'de>>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    read(column, &row.get::<_, String>(column)?)
}

/// Writes what an event did, and what it would undo.
pub(super) fn put_undoing(
    connection: &Connection,
    (detector, (time, event)): &Key,
    act: &Act,
) -> rusqlite::Result<()> {
    let failed = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
    let done = serde_json::to_string(&act.done).map_err(failed)?;
    let back = serde_json::to_string(&act.back).map_err(failed)?;
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO undoing (detector, time, event_id, done, back) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    statement.execute(params![detector.0, time.0, event, done, back])?;
    Ok(())
}

/// Drops an event of which nothing is to be linked any more.
pub(super) fn drop_undoing(
    connection: &Connection,
    (detector, (time, event)): &Key,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM undoing WHERE detector = ?1 AND time = ?2 AND event_id = ?3",
    )?;
    statement.execute(params![detector.0, time.0, event])?;
    Ok(())
}

/// Only a damaged file holds a text that is no JSON.
fn read<'a, T: Deserialize<'a>>(column: usize, text: &'a str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}
