//! The `outbox` table: one row for each revision of an alert and sink.
//!
//! Invariant: a row is `pending` until a sink has taken the alert (`delivered`), it was given up (`dead`), or a later
//! revision takes its place (`superseded`): of one alert a sink is owed the last revision and no other. Only `enqueue`,
//! `settle` and `requeue_dead` change that.

use rusqlite::Connection;
use rusqlite::OptionalExtension as _;
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

/// The statements that let a sink be owed revisions. A table's constraints cannot be changed, so it is made anew.
pub const REVISIONS_SQL: &str = "
ALTER TABLE outbox RENAME TO outbox_before;
DROP INDEX outbox_pending;
DROP INDEX outbox_settled;
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id   TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    sink       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'superseded')),
    attempts   INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    settled    INTEGER,
    last_error TEXT,
    UNIQUE (alert_id, sink, revision)
) STRICT;
INSERT INTO outbox (seq, alert_id, revision, sink, state, attempts, due, created, settled, last_error)
    SELECT seq, alert_id, 1, sink, state, attempts, due, created, settled, last_error FROM outbox_before;
DROP TABLE outbox_before;
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
    /// Whether the sink knows the alert.
    pub contact: Contact,
}

/// Whether a sink knows an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// It was never asked to take it.
    First,
    /// It has, or may have, an earlier revision.
    Further,
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

/// Owes a revision of `alert` to each of `sinks`, from now on. A row that exists already stays as it is; earlier revisions
/// that were not delivered are not owed any more. `now` is the wall clock's.
///
/// # Errors
/// When the store cannot be written.
pub fn enqueue(
    tx: &Tx<'_>,
    alert: &AlertId,
    revision: u64,
    sinks: &[SinkName],
    now: Seconds,
) -> Result<(), StoreError> {
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    let insert = || -> rusqlite::Result<()> {
        let mut supersede = tx.prepare_cached(
            "UPDATE outbox SET state = 'superseded', settled = ?4
             WHERE alert_id = ?1 AND sink = ?2 AND revision < ?3 AND state IN ('pending', 'dead')",
        )?;
        let mut insert = tx.prepare_cached(
            "INSERT INTO outbox (alert_id, sink, revision, state, attempts, due, created)
             VALUES (?1, ?2, ?3, 'pending', 0, ?4, ?4) ON CONFLICT (alert_id, sink, revision) DO NOTHING",
        )?;
        for sink in sinks {
            if revision > 1 {
                supersede.execute(params![alert.0, sink.0, revision, now.0])?;
            }
            insert.execute(params![alert.0, sink.0, revision, now.0])?;
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
    skip: &dyn Fn(Key, &AlertId) -> bool,
) -> Result<Vec<Due>, StoreError> {
    let rows = || -> rusqlite::Result<Vec<Due>> {
        let mut query = connection.prepare_cached(
            "SELECT seq, attempts, alert_id, created,
                    revision > 1 AND EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.alert_id = outbox.alert_id
                    AND earlier.sink = outbox.sink AND earlier.revision < outbox.revision AND earlier.attempts > 0)
             FROM outbox WHERE state = 'pending' AND sink = ?1 AND due <= ?2 ORDER BY due, seq",
        )?;
        let mut rows = query.query(params![sink.0, now.0])?;
        let mut found = Vec::new();
        while found.len() < limit
            && let Some(row) = rows.next()?
        {
            let key = Key { seq: row.get(0)?, attempts: row.get(1)? };
            let alert_id = AlertId(row.get(2)?);
            if !skip(key, &alert_id) {
                let contact = if row.get(4)? { Contact::Further } else { Contact::First };
                found.push(Due { key, alert_id, created: Seconds(row.get(3)?), contact });
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

/// Returns whether the try `key` has not been settled yet, whether or not its row was superseded meanwhile.
///
/// # Errors
/// When the store cannot be read.
pub fn still_pending(connection: &Connection, key: Key) -> Result<bool, StoreError> {
    connection
        .prepare_cached(
            "SELECT 1 FROM outbox WHERE seq = ?1 AND attempts = ?2 AND state IN ('pending', 'superseded')",
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

/// Writes how a try ended. A try that was settled before, or whose row is gone, changes nothing; one that was superseded
/// while it was under way is not made again.
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
        "UPDATE outbox SET state = CASE WHEN state = 'superseded' AND ?3 != 'delivered' THEN state ELSE ?3 END,
                attempts = attempts + 1, due = ?4, settled = ?5, last_error = ?6
         WHERE seq = ?1 AND attempts = ?2 AND state IN ('pending', 'superseded')",
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

/// Forgets up to `limit` rows that were delivered, or superseded, before `before`; none whose alert's sink is still owed a
/// later revision, as that asks whether the sink knows the alert. Returns how many.
///
/// # Errors
/// When the store cannot be written.
pub fn prune(tx: &Tx<'_>, before: Seconds, limit: usize) -> Result<usize, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    tx.prepare_cached(
        "DELETE FROM outbox WHERE seq IN
         (SELECT seq FROM outbox AS old WHERE state IN ('delivered', 'superseded') AND settled < ?1
          AND NOT EXISTS (SELECT 1 FROM outbox AS owed WHERE owed.alert_id = old.alert_id AND owed.sink = old.sink
                          AND owed.state IN ('pending', 'dead'))
          ORDER BY settled LIMIT ?2)",
    )
    .and_then(|mut delete| delete.execute(params![before.0, limit]))
    .map_err(|source| tx.failed(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Backlog;
    use crate::outbox::Standing;
    use crate::outbox::Which;
    use crate::outbox::backlog;
    use crate::outbox::last_error;
    use crate::outbox::owed;
    use crate::outbox::requeue_dead;
    use crate::store::Migration;
    use crate::store::Store;

    const TABLES: &[Migration] = &[
        Migration { number: 1, name: "outbox", sql: MIGRATION_SQL },
        Migration { number: 2, name: "revisions", sql: REVISIONS_SQL },
    ];

    struct Room {
        _folder: tempfile::TempDir,
        store: Store,
    }

    impl Room {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("a.db"), TABLES).unwrap();
            Self { _folder: folder, store }
        }

        fn commit<T>(&mut self, work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> T {
            let tx = self.store.begin().unwrap();
            let made = work(&tx).unwrap();
            tx.commit().unwrap();
            made
        }

        fn due(&self, now: i64) -> Vec<(String, u32)> {
            let rows =
                due(self.store.connection(), &hook(), Seconds(now), 10, &|_, _| false).unwrap();
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
            room.commit(|tx| enqueue(tx, &AlertId((*alert).to_owned()), 1, &sinks, Seconds(now)));
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
        room.commit(|tx| enqueue(tx, &AlertId("a".to_owned()), 1, &[hook()], Seconds(300)));
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
        let skip = |key: Key, _: &AlertId| key.seq == 1;
        let rows = due(room.store.connection(), &hook(), Seconds(200), 1, &skip).unwrap();
        assert_eq!(rows[0].alert_id.0, "b");
        assert_eq!(rows.len(), 1);
    }

    impl Room {
        /// Returns what is due as `alert` or, where the sink knows the alert, `alert again`, and its try.
        fn owed(&self, now: i64) -> Vec<(String, Key)> {
            let rows =
                due(self.store.connection(), &hook(), Seconds(now), 10, &|_, _| false).unwrap();
            let told = |row: Due| match row.contact {
                Contact::First => (row.alert_id.0, row.key),
                Contact::Further => (format!("{} again", row.alert_id), row.key),
            };
            rows.into_iter().map(told).collect()
        }

        fn revise(&mut self, revision: u64, now: i64) {
            let id = AlertId("a".to_owned());
            self.commit(|tx| enqueue(tx, &id, revision, &[hook()], Seconds(now)));
        }

        fn states(&self) -> String {
            let mut query = self
                .store
                .connection()
                .prepare("SELECT state FROM outbox WHERE sink = 'hook' ORDER BY revision")
                .unwrap();
            let states: rusqlite::Result<Vec<String>> =
                query.query_map([], |row| row.get(0)).unwrap().collect();
            states.unwrap().join(" ")
        }
    }

    #[test]
    fn only_the_last_revision_is_owed() {
        let mut room = enqueued(&["a"]);
        room.revise(2, 150);
        assert_eq!(room.owed(200), [("a".to_owned(), Key { seq: 3, attempts: 0 })]);
        room.settle(3, 0, 200, Verdict::Dead { error: error() });
        room.revise(3, 210);
        assert_eq!(room.states(), "superseded superseded pending");
        assert_eq!(room.owed(220), [("a again".to_owned(), Key { seq: 4, attempts: 0 })]);
        room.settle(4, 0, 230, Verdict::Delivered);
        assert_eq!(room.owed(900), []);
        assert_eq!(room.commit(|tx| requeue_dead(tx, &Which::All, Seconds(300))), 0);
    }

    #[test]
    fn a_try_that_is_superseded_on_its_way_is_settled_and_not_made_again() {
        for (verdict, states) in [
            (Verdict::Delivered, "delivered pending"),
            (Verdict::Retry { at: Seconds(205), error: error() }, "superseded pending"),
            (Verdict::Dead { error: error() }, "superseded pending"),
        ] {
            let mut room = enqueued(&["a"]);
            let key = Key { seq: 1, attempts: 0 };
            room.revise(2, 150);
            assert!(still_pending(room.store.connection(), key).unwrap());
            room.settle(1, 0, 200, verdict);
            assert!(!still_pending(room.store.connection(), key).unwrap());
            assert_eq!(room.states(), states);
            assert_eq!(room.owed(900), [("a again".to_owned(), Key { seq: 3, attempts: 0 })]);
        }
    }

    #[test]
    fn what_a_sink_has_is_remembered_as_long_as_it_is_owed_more() {
        let mut room = enqueued(&["a"]);
        room.settle(1, 0, 200, Verdict::Delivered);
        room.revise(2, 300);
        assert_eq!(room.commit(|tx| prune(tx, Seconds(900), 10)), 0);
        assert_eq!(room.owed(900)[0].0, "a again");
        room.settle(3, 0, 310, Verdict::Delivered);
        assert_eq!(room.commit(|tx| prune(tx, Seconds(900), 10)), 2);
    }

    #[test]
    fn rows_of_an_older_store_are_first_revisions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mut store = Store::open(&path, &TABLES[..1]).unwrap();
        let tx = store.begin().unwrap();
        tx.execute(
            "INSERT INTO outbox (alert_id, sink, state, attempts, due, created)
             VALUES ('a', 'hook', 'pending', 2, 100, 90)",
            [],
        )
        .unwrap();
        tx.commit().unwrap();
        drop(store);
        let room = Room { _folder: folder, store: Store::open(&path, TABLES).unwrap() };
        assert_eq!(room.owed(100), [("a".to_owned(), Key { seq: 1, attempts: 2 })]);
        assert_eq!(room.states(), "pending");
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
