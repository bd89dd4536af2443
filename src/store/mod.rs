//! The SQLite file: opening, migrations, the one writer and its transaction, readers.
//!
//! Invariant: this room knows no table's meaning; each room brings its own SQL in its `table.rs`.
//! One process writes a file: a lock beside it keeps a second daemon out.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::OpenFlags;
use rusqlite::TransactionBehavior;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

pub use rusqlite::Connection;

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The SQLite file. It is made if it does not exist; its folder must exist. Keep it on a local disk: SQLite's
    /// locking and write-ahead log do not work on network file systems.
    pub path: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self { path: PathBuf::from("grantwatch.db") }
    }
}

/// A numbered change of the schema. Numbers rise by one from 1 and are never reused.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// The schema version this change leads to.
    pub number: u32,
    /// What it does, for the error message.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// Why the store could not do its work. All of these end the process: a restart loads the last commit.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The lock file could not be made.
    #[error("could not make the lock file `{path}`; is its folder there and writable?")]
    LockFile {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Another process has the store.
    #[error("another grantwatch is using `{path}`; stop it, or give this one its own `store.path`")]
    Locked {
        /// The store's file.
        path: PathBuf,
    },
    /// The file could not be opened or is no SQLite database of ours.
    #[error("could not open the store `{path}`")]
    Open {
        /// The store's file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// A migration failed.
    #[error("could not bring the store `{path}` to schema {number} ({name})")]
    Migrate {
        /// The store's file.
        path: PathBuf,
        /// The migration's number.
        number: u32,
        /// The migration's name.
        name: &'static str,
        /// The cause.
        source: rusqlite::Error,
    },
    /// The file was written by a newer version.
    #[error(
        "the store `{path}` has schema {found}, this grantwatch knows up to {known}; use the newer version"
    )]
    FromTheFuture {
        /// The store's file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest schema version known here.
        known: u32,
    },
    /// A statement failed: a full disk, a read-only file system, a damaged file.
    #[error("could not write to the store `{path}`")]
    Write {
        /// The store's file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// A query failed.
    #[error("could not read the store")]
    Read(#[source] rusqlite::Error),
}

/// The lock on a store's file, given back when it is dropped.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a process that another thread is just starting holds it, too, until it runs.
        // Where it cannot be unlocked, closing it is what is left.
        self.0.unlock().ok();
    }
}

/// The store, opened for writing by its one writer.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// Dropped last: nobody else opens the file before it is closed.
    _lock: Lock,
}

impl Store {
    /// Opens or makes the file at `path`, takes its lock and applies the migrations it lacks.
    ///
    /// # Errors
    /// When another process holds the lock, the file is not ours, is from a newer version, or cannot be written.
    #[expect(clippy::disallowed_methods, reason = "this is the way to open it: the pragmas follow")]
    pub fn open(path: &Path, migrations: &[Migration]) -> Result<Self, StoreError> {
        let lock = take_lock(path)?;
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let mut connection = Connection::open(path).map_err(open)?;
        // WAL with FULL: a commit is on disk before the queue's message is deleted.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA busy_timeout = 10000; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384;",
            )
            .map_err(open)?;
        migrate(&mut connection, path, migrations)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, path: path.to_owned(), _lock: lock })
    }

    /// Begins the transaction of a commit group.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(&mut self) -> Result<Tx<'_>, StoreError> {
        let path = &self.path;
        let inner = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| StoreError::Write { path: path.clone(), source })?;
        Ok(Tx { inner, path })
    }

    /// Opens a second connection that only reads; it sees the last commit.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }

    /// Returns the connection for reading what is committed, before the first transaction.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The transaction of one commit group. Dropping it rolls back.
#[derive(Debug)]
pub struct Tx<'a> {
    inner: rusqlite::Transaction<'a>,
    path: &'a Path,
}

impl Tx<'_> {
    /// Makes the group durable.
    ///
    /// # Errors
    /// When the disk is full or gone; the process must end then.
    pub fn commit(self) -> Result<(), StoreError> {
        let path = self.path;
        self.inner.commit().map_err(|source| StoreError::Write { path: path.to_owned(), source })
    }

    /// Turns an error of a statement in this transaction into the store's.
    pub fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Write { path: self.path.to_owned(), source }
    }
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.inner
    }
}

/// A connection that only reads, for other threads than the writer's.
#[derive(Debug)]
pub struct Reader(Connection);

impl Reader {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// When there is no such file or it is no database.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(open)?;
        connection.busy_timeout(Duration::from_secs(10)).map_err(open)?;
        Ok(Self(connection))
    }

    /// Reads from now on what is committed now, whatever a daemon commits meanwhile: tables that belong together agree.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn hold(&self) -> Result<(), StoreError> {
        self.0.execute_batch("BEGIN").map_err(StoreError::Read)
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

fn take_lock(path: &Path) -> Result<Lock, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|source| StoreError::LockFile { path: lock_path.clone(), source })?;
    match lock.try_lock() {
        Ok(()) => Ok(Lock(lock)),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => {
            Err(StoreError::LockFile { path: lock_path, source })
        }
    }
}

fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let found: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(open)?;
    let known = migrations.last().map_or(0, |last| last.number);
    if found > known {
        return Err(StoreError::FromTheFuture { path: path.to_owned(), found, known });
    }
    for migration in migrations.iter().filter(|migration| migration.number > found) {
        apply(connection, migration).map_err(|source| StoreError::Migrate {
            path: path.to_owned(),
            number: migration.number,
            name: migration.name,
            source,
        })?;
    }
    Ok(())
}

fn apply(connection: &mut Connection, migration: &Migration) -> rusqlite::Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(migration.sql)?;
    tx.pragma_update(None, "user_version", migration.number)?;
    tx.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Migration = Migration {
        number: 1,
        name: "a thing",
        sql: "CREATE TABLE thing (id INTEGER PRIMARY KEY) STRICT",
    };
    const TWO: Migration =
        Migration { number: 2, name: "its name", sql: "ALTER TABLE thing ADD COLUMN name TEXT" };

    #[test]
    fn migrates_once_and_reads_what_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mut store = Store::open(&path, &[ONE]).unwrap();
        let tx = store.begin().unwrap();
        tx.execute("INSERT INTO thing VALUES (7)", []).unwrap();
        tx.commit().unwrap();
        drop(store);
        let store = Store::open(&path, &[ONE, TWO]).unwrap();
        let reader = store.reader().unwrap();
        let row: (i64, Option<String>) = reader
            .query_row("SELECT id, name FROM thing", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(row, (7, None));
        drop((reader, store));
        assert!(matches!(
            Store::open(&path, &[ONE]),
            Err(StoreError::FromTheFuture { found: 2, known: 1, .. })
        ));
    }

    #[test]
    fn a_dropped_transaction_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("a.db"), &[ONE]).unwrap();
        let tx = store.begin().unwrap();
        tx.execute("INSERT INTO thing VALUES (7)", []).unwrap();
        drop(tx);
        let count: i64 = store
            .connection()
            .query_row("SELECT count(*) FROM thing", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 0);
    }

    #[test]
    fn keeps_a_second_daemon_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let _first = Store::open(&path, &[ONE]).unwrap();
        assert!(matches!(Store::open(&path, &[ONE]), Err(StoreError::Locked { .. })));
    }

    #[test]
    fn a_process_that_is_being_started_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let store = Store::open(&path, &[ONE]).unwrap();
        let inherited = store._lock.0.try_clone().unwrap();
        drop(store);
        assert!(Store::open(&path, &[ONE]).is_ok());
        drop(inherited);
    }

    #[test]
    fn a_file_that_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        std::fs::write(
            &path,
            "this is a text, not a database, and long enough to be read as a header",
        )
        .unwrap();
        assert!(matches!(Store::open(&path, &[ONE]), Err(StoreError::Open { .. })));
    }
}
