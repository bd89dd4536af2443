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

/// Where a row stands that is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It will be tried, for the first time or again.
    Pending,
    /// It was given up: a dead letter.
    Dead,
}

impl Standing {
    /// Returns its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Dead => "dead",
        }
    }
}

/// Which rows are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those of one sink.
    Sink(SinkName),
    /// Those of one alert.
    Alert(AlertId),
}

impl Which {
    /// Returns what the columns `sink` and `alert_id` must be like, where they must.
    fn columns(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::All => (None, None),
            Self::Sink(sink) => (Some(&sink.0), None),
            Self::Alert(alert) => (None, Some(&alert.0)),
        }
    }
}

/// A row that is not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The row.
    pub seq: i64,
    /// The alert that did not arrive.
    pub alert_id: AlertId,
    /// Where it should have gone.
    pub sink: SinkName,
    /// Where it stands.
    pub standing: Standing,
    /// How often it was tried.
    pub attempts: u32,
    /// When the row was made.
    pub created: Seconds,
    /// When it was tried last; when it was given up, for a dead letter.
    pub tried: Option<Seconds>,
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
    /// When the first of the dead letters was given up.
    pub oldest_dead: Option<Seconds>,
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

/// Returns whether any row is about `alert`, whatever became of it.
///
/// # Errors
/// When the store cannot be read.
pub fn knows(connection: &Connection, alert: &AlertId) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT 1 FROM outbox WHERE alert_id = ?1 LIMIT 1")
        .and_then(|mut query| query.exists([&alert.0]))
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
            "CREATE TEMP TABLE again AS SELECT seq, alert_id, sink FROM outbox WHERE state = 'dead'
             AND (?1 IS NULL OR sink = ?1) AND (?2 IS NULL OR alert_id = ?2) ORDER BY seq",
            params![sink, alert],
        )?;
        tx.execute("DELETE FROM outbox WHERE seq IN (SELECT seq FROM again)", [])?;
        let count = tx.execute(
            "INSERT INTO outbox (alert_id, sink, state, attempts, due, created)
             SELECT alert_id, sink, 'pending', 0, ?1, ?1 FROM again ORDER BY rowid",
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
             FROM outbox WHERE state != 'delivered' GROUP BY sink ORDER BY sink",
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
        let letters = owed(room.store.connection(), &Which::Sink(hook()), 10).unwrap();
        let shown: Vec<_> =
            letters.iter().map(|it| (it.alert_id.0.as_str(), it.standing)).collect();
        assert_eq!(shown, [("a", Standing::Dead), ("b", Standing::Pending)]);
        assert_eq!((letters[0].attempts, letters[0].tried), (1, Some(Seconds(200))));
        assert!(letters[0].error.len() <= MAX_ERROR_BYTES);
        let other = Which::Alert(AlertId("b".to_owned()));
        assert_eq!(room.commit(|tx| requeue_dead(tx, &other, Seconds(300))), 0);
        let count = room.commit(|tx| requeue_dead(tx, &Which::Sink(hook()), Seconds(300)));
        assert_eq!(count, 1);
        assert_eq!(room.due(300), [("b".to_owned(), 0), ("a".to_owned(), 0)]);
        assert_eq!(room.commit(|tx| requeue_dead(tx, &Which::All, Seconds(300))), 0);
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
            oldest_dead: Some(Seconds(200)),
        };
        let hook = Backlog {
            sink: hook(),
            pending: 1,
            dead: 0,
            oldest: Some(Seconds(101)),
            oldest_dead: None,
        };
        let last = |sink: &SinkName| last_error(room.store.connection(), sink).unwrap();
        assert_eq!((last(&file.sink), last(&hook.sink)), (Some(error()), None));
        assert_eq!(backlog(room.store.connection()).unwrap(), [file, hook]);
    }

    #[test]
    fn only_what_was_delivered_long_ago_is_forgotten() {
        let mut room = enqueued(&["a", "b"]);
        room.settle(1, 0, 200, Verdict::Delivered);
        room.settle(2, 0, 200, Verdict::Dead { error: error() });
        assert_eq!(room.commit(|tx| prune(tx, Seconds(200), 10)), 0);
        assert_eq!(room.commit(|tx| prune(tx, Seconds(201), 10)), 1);
        let knows = |room: &Room, id: &str| {
            knows(room.store.connection(), &AlertId(id.to_owned())).unwrap()
        };
        assert!(knows(&room, "a") && knows(&room, "b") && !knows(&room, "c"));
        let alert = Which::Alert(AlertId("a".to_owned()));
        let left = owed(room.store.connection(), &alert, 10).unwrap();
        assert_eq!((left.len(), left[0].standing), (1, Standing::Dead));
    }
}
