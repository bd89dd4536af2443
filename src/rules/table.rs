//! The table of matches that correlations count.

use rusqlite::Connection;
use rusqlite::params;
use serde_json::Map;
use serde_json::Value;

use crate::model::Fact;
use crate::model::Facts;
use crate::model::Field;
use crate::model::Seconds;
use crate::model::Slots;
use crate::rules::correlate::Input;

/// The table of this room.
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

pub(super) fn insert(connection: &Connection, input: &Input) -> rusqlite::Result<()> {
    let facts: Map<String, Value> =
        input.facts.iter().map(|(name, fact)| (name.to_owned(), fact.to_json())).collect();
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO correlation_input (time, event_id, rule_ids, record, facts, object)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let facts = Value::Object(facts).to_string();
    let rule_ids = Value::from(input.rule_ids.as_slice()).to_string();
    statement.execute(params![
        input.time.0,
        input.event_id,
        rule_ids,
        input.record,
        facts,
        input.object
    ])?;
    Ok(())
}

pub(super) fn prune(connection: &Connection, before: Seconds) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("DELETE FROM correlation_input WHERE time < ?1")?;
    statement.execute([before.0])?;
    Ok(())
}

/// Returns all inputs, oldest first. Facts that no room knows any more are left behind.
pub(super) fn inputs(connection: &Connection, fields: &[Field]) -> rusqlite::Result<Vec<Input>> {
    let mut statement = connection.prepare(
        "SELECT time, event_id, rule_ids, record, facts, object FROM correlation_input
         ORDER BY time, event_id",
    )?;
    let mut rows = statement.query([])?;
    let mut inputs = Vec::new();
    while let Some(row) = rows.next()? {
        let (rule_ids, record, facts): (String, String, String) =
            (row.get(2)?, row.get(3)?, row.get(4)?);
        // Only a damaged file holds a text that is no record; what it counted is lost with it.
        let Some(slots) = Slots::of(&record) else { continue };
        inputs.push(Input {
            time: Seconds(row.get(0)?),
            event_id: row.get(1)?,
            rule_ids: serde_json::from_str(&rule_ids).unwrap_or_default(),
            record,
            slots,
            facts: read_facts(&facts, fields),
            object: row.get(5)?,
        });
    }
    Ok(inputs)
}

fn read_facts(text: &str, fields: &[Field]) -> Facts {
    let written: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let mut facts = Facts::default();
    for field in fields {
        if let Some(fact) = written.get(field.name).and_then(Fact::from_json) {
            facts.set(field.name, fact);
        }
    }
    facts
}
