//! The `outbox` table: one row for each alert and sink.
//!
//! Invariant: a row is `pending` until a sink has taken the alert (`delivered`) or it was given up (`dead`);
//! only `settle` and `requeue_dead` change that.

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
use rusqlite::Row;
use rusqlite::params;

use crate::model::AlertId;
use crate::model::Seconds;
use crate::model::SinkName;
use crate::outbox::Key;
use crate::store::StoreError;
use crate::store::Tx;

/// The statements that make the table.
pub const MIGRATION_SQL: &str = "
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id   TEXT NOT NULL,
    sink       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts   INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    settled    INTEGER,
    last_error TEXT,
    UNIQUE (alert_id, sink)
) STRICT;
CREATE INDEX outbox_pending ON outbox (sink, due, seq) WHERE state = 'pending';
CREATE INDEX outbox_settled ON outbox (state, settled) WHERE state != 'pending';
";

/// The longest error text that is kept.
const MAX_ERROR_BYTES: usize = 2_048;

/// A row that a sink should be asked to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The row and its tries so far.
    pub key: Key,
    /// The alert to send.
    pub alert_id: AlertId,
    /// When the row was made, by the wall clock.
    pub created: Seconds,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The row and the tries it had before this one.
    pub key: Key,
    /// When, by the wall clock.
    pub at: Seconds,
    /// What is to become of the row.
    pub verdict: Verdict,
}

/// What becomes of a row after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The sink has the alert.
    Delivered,
    /// The sink did not take it now; ask again.
    Retry {
        /// When to ask again.
        at: Seconds,
        /// What it said.
        error: String,
    },
    /// The sink will never take it, or the time is up.
    Dead {
        /// What it said last.
        error: String,
    },
}

/// A row that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dead {
    /// The row.
    pub seq: i64,
    /// The alert that did not arrive.
    pub alert_id: AlertId,
    /// Where it should have gone.
    pub sink: SinkName,
    /// How often it was tried.
    pub attempts: u32,
    /// When the row was made.
    pub created: Seconds,
    /// When it was given up.
    pub settled: Seconds,
    /// What the sink said last.
    pub error: String,
}

/// What waits for one sink; also for sinks that are no longer configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The sink.
    pub sink: SinkName,
    /// Rows not delivered yet.
    pub pending: i64,
    /// Rows given up.
    pub dead: i64,
    /// When the oldest pending row was made.
    pub oldest: Option<Seconds>,
}

/// Owes `alert` to each of `sinks`, from now on. A row that exists already stays as it is. `now` is the wall clock's.
///
/// # Errors
/// When the store cannot be written.
pub fn enqueue(
    tx: &Tx<'_>,
    alert: &AlertId,
    sinks: &[SinkName],
    now: Seconds,
) -> Result<(), StoreError> {
    let insert = || -> rusqlite::Result<()> {
        let mut insert = tx.prepare_cached(
            "INSERT INTO outbox (alert_id, sink, state, attempts, due, created)
             VALUES (?1, ?2, 'pending', 0, ?3, ?3) ON CONFLICT (alert_id, sink) DO NOTHING",
        )?;
        for sink in sinks {
            insert.execute(params![alert.0, sink.0, now.0])?;
        }
        Ok(())
    };
    insert().map_err(|source| tx.failed(source))
}

/// Returns up to `limit` rows of `sink` that are due, longest due first, leaving out those that `skip` names.
///
/// # Errors
/// When the store cannot be read.
pub fn due(
    connection: &Connection,
    sink: &SinkName,
    now: Seconds,
    limit: usize,
    skip: &dyn Fn(Key) -> bool,
) -> Result<Vec<Due>, StoreError> {
    let rows = || -> rusqlite::Result<Vec<Due>> {
        let mut query = connection.prepare_cached(
            "SELECT seq, attempts, alert_id, created FROM outbox
             WHERE state = 'pending' AND sink = ?1 AND due <= ?2 ORDER BY due, seq",
        )?;
        let mut rows = query.query(params![sink.0, now.0])?;
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            let key = Key { seq: row.get(0)?, attempts: row.get(1)? };
            if !skip(key) {
                let (alert_id, created) = (AlertId(row.get(2)?), Seconds(row.get(3)?));
                found.push(Due { key, alert_id, created });
            }
        }
        Ok(found)
    };
    rows().map_err(StoreError::Read)
}

/// Returns when the next row of `sink` is due, leaving out rows due by `now`.
///
/// # Errors
/// When the store cannot be read.
pub fn next_due(
    connection: &Connection,
    sink: &SinkName,
    now: Seconds,
) -> Result<Option<Seconds>, StoreError> {
    connection
        .prepare_cached(
            "SELECT min(due) FROM outbox WHERE state = 'pending' AND sink = ?1 AND due > ?2",
        )
        .and_then(|mut query| {
            query.query_row(params![sink.0, now.0], |row| row.get::<_, Option<i64>>(0))
        })
        .map(|due| due.map(Seconds))
        .map_err(StoreError::Read)
}

/// Returns whether the try `key` has not been settled yet.
///
/// # Errors
/// When the store cannot be read.
pub fn still_pending(connection: &Connection, key: Key) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "SELECT 1 FROM outbox WHERE seq = ?1 AND attempts = ?2 AND state = 'pending'",
        )
        .and_then(|mut query| {
            query.query_row(params![key.seq, key.attempts], |_| Ok(())).optional()
        })
        .map(|found| found.is_some())
        .map_err(StoreError::Read)
}

/// Writes how a try ended. A try that was settled before, or whose row is gone, changes nothing.
///
/// # Errors
/// When the store cannot be written.
pub fn settle(tx: &Tx<'_>, settled: &Settled) -> Result<(), StoreError> {
    let (state, due, error) = match &settled.verdict {
        Verdict::Delivered => ("delivered", settled.at, None),
        Verdict::Retry { at, error } => ("pending", *at, Some(error)),
        Verdict::Dead { error } => ("dead", settled.at, Some(error)),
    };
    let error = error.map(|error| crate::model::bounded(error, MAX_ERROR_BYTES));
    tx.prepare_cached(
        "UPDATE outbox SET state = ?3, attempts = attempts + 1, due = ?4, settled = ?5, last_error = ?6
         WHERE seq = ?1 AND attempts = ?2 AND state = 'pending'",
    )
    .and_then(|mut update| {
        update.execute(params![
            settled.key.seq,
            settled.key.attempts,
            state,
            due.0,
            settled.at.0,
            error.as_deref()
        ])
    })
    .map_err(|source| tx.failed(source))?;
    Ok(())
}

/// Returns up to `limit` dead letters, the latest first.
///
/// # Errors
/// When the store cannot be read.
pub fn dead(connection: &Connection, limit: usize) -> Result<Vec<Dead>, StoreError> {
    let read = |row: &Row<'_>| {
        Ok(Dead {
            seq: row.get(0)?,
            alert_id: AlertId(row.get(1)?),
            sink: SinkName(row.get(2)?),
            attempts: row.get(3)?,
            created: Seconds(row.get(4)?),
            settled: Seconds(row.get(5)?),
            error: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        })
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT seq, alert_id, sink, attempts, created, settled, last_error FROM outbox
             WHERE state = 'dead' ORDER BY settled DESC, seq DESC LIMIT ?1",
        )
        .and_then(|mut query| query.query_map([limit], read)?.collect())
        .map_err(StoreError::Read)
}

/// Makes the dead letters of `sink` pending again, as if their alerts had been raised now. Returns how many.
///
/// # Errors
/// When the store cannot be written.
pub fn requeue_dead(tx: &Tx<'_>, sink: &SinkName, now: Seconds) -> Result<usize, StoreError> {
    // A new `seq`: an old lease of the row must not hide its new first try.
    let again = || -> rusqlite::Result<usize> {
        tx.execute(
            "CREATE TEMP TABLE again AS SELECT alert_id FROM outbox WHERE state = 'dead' AND sink = ?1 ORDER BY seq",
            [&sink.0],
        )?;
        tx.execute("DELETE FROM outbox WHERE state = 'dead' AND sink = ?1", [&sink.0])?;
        let count = tx.execute(
            "INSERT INTO outbox (alert_id, sink, state, attempts, due, created)
             SELECT alert_id, ?1, 'pending', 0, ?2, ?2 FROM again ORDER BY rowid",
            params![sink.0, now.0],
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
        })
    };
    connection
        .prepare_cached(
            "SELECT sink, count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'dead'),
                    min(created) FILTER (WHERE state = 'pending')
             FROM outbox WHERE state != 'delivered' GROUP BY sink ORDER BY sink",
        )
        .and_then(|mut query| query.query_map([], read)?.collect())
        .map_err(StoreError::Read)
}

/// Forgets up to `limit` rows that were delivered before `before`. Returns how many.
///
/// # Errors
/// When the store cannot be written.
pub fn prune(tx: &Tx<'_>, before: Seconds, limit: usize) -> Result<usize, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    tx.prepare_cached(
        "DELETE FROM outbox WHERE seq IN
         (SELECT seq FROM outbox WHERE state = 'delivered' AND settled < ?1 ORDER BY settled LIMIT ?2)",
    )
    .and_then(|mut delete| delete.execute(params![before.0, limit]))
    .map_err(|source| tx.failed(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Migration;
    use crate::store::Store;

    const TABLE: Migration = Migration { number: 1, name: "outbox", sql: MIGRATION_SQL };

    struct Room {
        _folder: tempfile::TempDir,
        store: Store,
    }

    impl Room {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("a.db"), &[TABLE]).unwrap();
            Self { _folder: folder, store }
        }

        fn commit<T>(&mut self, work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> T {
            let tx = self.store.begin().unwrap();
            let made = work(&tx).unwrap();
            tx.commit().unwrap();
            made
        }

        fn due(&self, now: i64) -> Vec<(String, u32)> {
            let rows = due(self.store.connection(), &hook(), Seconds(now), 10, &|_| false).unwrap();
            rows.into_iter().map(|row| (row.alert_id.0, row.key.attempts)).collect()
        }

        fn settle(&mut self, seq: i64, attempts: u32, at: i64, verdict: Verdict) {
            let settled = Settled { key: Key { seq, attempts }, at: Seconds(at), verdict };
            self.commit(|tx| settle(tx, &settled));
        }
    }

    fn hook() -> SinkName {
        SinkName("hook".to_owned())
    }

    fn enqueued(alerts: &[&str]) -> Room {
        let mut room = Room::new();
        let sinks = [hook(), SinkName("file".to_owned())];
        for (alert, now) in alerts.iter().zip(100..) {
            room.commit(|tx| enqueue(tx, &AlertId((*alert).to_owned()), &sinks, Seconds(now)));
        }
        room
    }

    fn error() -> String {
        "it said no".to_owned()
    }

    #[test]
    fn an_alert_is_owed_to_each_sink_once() {
        let mut room = enqueued(&["a", "b", "a"]);
        assert_eq!(room.due(99), []);
        assert_eq!(room.due(200), [("a".to_owned(), 0), ("b".to_owned(), 0)]);
        room.settle(1, 0, 200, Verdict::Delivered);
        room.commit(|tx| enqueue(tx, &AlertId("a".to_owned()), &[hook()], Seconds(300)));
        assert_eq!(room.due(400), [("b".to_owned(), 0)]);
    }

    #[test]
    fn a_try_that_failed_comes_back_when_it_is_due() {
        let mut room = enqueued(&["a"]);
        room.settle(1, 0, 200, Verdict::Retry { at: Seconds(205), error: error() });
        assert_eq!(room.due(204), []);
        assert_eq!(
            next_due(room.store.connection(), &hook(), Seconds(200)).unwrap(),
            Some(Seconds(205))
        );
        assert_eq!(room.due(205), [("a".to_owned(), 1)]);
        assert_eq!(next_due(room.store.connection(), &hook(), Seconds(205)).unwrap(), None);
    }

    #[test]
    fn an_outcome_told_twice_counts_once() {
        let mut room = enqueued(&["a"]);
        let key = Key { seq: 1, attempts: 0 };
        assert!(still_pending(room.store.connection(), key).unwrap());
        for _ in 0..2 {
            room.settle(1, 0, 200, Verdict::Retry { at: Seconds(205), error: error() });
        }
        assert!(!still_pending(room.store.connection(), key).unwrap());
        room.settle(1, 0, 206, Verdict::Dead { error: error() });
        assert_eq!(room.due(205), [("a".to_owned(), 1)]);
    }

    #[test]
    fn rows_under_lease_are_left_out() {
        let room = enqueued(&["a", "b", "c"]);
        let skip = |key: Key| key.seq == 1;
        let rows = due(room.store.connection(), &hook(), Seconds(200), 1, &skip).unwrap();
        assert_eq!(rows[0].alert_id.0, "b");
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn dead_letters_are_kept_listed_and_sent_again() {
        let mut room = enqueued(&["a", "b"]);
        room.settle(1, 0, 200, Verdict::Dead { error: "é".repeat(4_000) });
        let letters = dead(room.store.connection(), 10).unwrap();
        assert_eq!(
            (letters.len(), letters[0].alert_id.0.as_str(), letters[0].attempts),
            (1, "a", 1)
        );
        assert!(letters[0].error.len() <= MAX_ERROR_BYTES);
        let count = room.commit(|tx| requeue_dead(tx, &hook(), Seconds(300)));
        assert_eq!(count, 1);
        assert_eq!(room.due(300), [("b".to_owned(), 0), ("a".to_owned(), 0)]);
        assert_eq!(room.commit(|tx| requeue_dead(tx, &hook(), Seconds(300))), 0);
    }

    #[test]
    fn the_backlog_counts_what_waits() {
        let mut room = enqueued(&["a", "b"]);
        room.settle(1, 0, 200, Verdict::Delivered);
        room.settle(2, 0, 200, Verdict::Dead { error: error() });
        let file = Backlog {
            sink: SinkName("file".to_owned()),
            pending: 1,
            dead: 1,
            oldest: Some(Seconds(101)),
        };
        let hook = Backlog { sink: hook(), pending: 1, dead: 0, oldest: Some(Seconds(101)) };
        assert_eq!(backlog(room.store.connection()).unwrap(), [file, hook]);
    }

    #[test]
    fn only_what_was_delivered_long_ago_is_forgotten() {
        let mut room = enqueued(&["a", "b"]);
        room.settle(1, 0, 200, Verdict::Delivered);
        room.settle(2, 0, 200, Verdict::Dead { error: error() });
        assert_eq!(room.commit(|tx| prune(tx, Seconds(200), 10)), 0);
        assert_eq!(room.commit(|tx| prune(tx, Seconds(201), 10)), 1);
        assert_eq!(dead(room.store.connection(), 10).unwrap().len(), 1);
    }
}
