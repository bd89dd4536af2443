//! A look into the daemon's store, from beside.

use std::path::Path;
use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::OpenFlags;
use rusqlite::Row;

/// The store of a daemon, running or not.
pub struct Store(PathBuf);

/// A row of quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Where it was read.
    pub location: String,
    /// The record's number, if it was one of a file.
    pub record: Option<i64>,
    /// Why it could not be read.
    pub reason: String,
}

impl Store {
    /// Returns the store at `path`.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Returns what could not be read, in the order it came.
    pub fn quarantine(&self) -> Vec<Quarantined> {
        let row = |row: &Row<'_>| {
            Ok(Quarantined { location: row.get(0)?, record: row.get(1)?, reason: row.get(2)? })
        };
        self.rows("SELECT location, record, reason FROM quarantine ORDER BY id", row)
    }

    /// Returns the ledger: where a delivery was read and what became of it.
    pub fn ledger(&self) -> Vec<(String, String)> {
        let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.rows("SELECT location, outcome FROM delivery ORDER BY location", row)
    }

    /// Returns records read, kept, duplicates and quarantined, over all deliveries.
    pub fn books(&self) -> [i64; 4] {
        let sums =
            "SELECT coalesce(sum(read), 0), coalesce(sum(kept), 0), coalesce(sum(duplicates), 0),
                    coalesce(sum(quarantined), 0) FROM delivery";
        let row = |row: &Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
        self.rows(sums, row).first().copied().unwrap_or_default()
    }

    /// Returns how many alerts each sink is owed, by state.
    pub fn outbox(&self, state: &str) -> i64 {
        let count = format!("SELECT count(*) FROM outbox WHERE state = '{state}'");
        self.rows(&count, |row| row.get(0)).first().copied().unwrap_or_default()
    }

    /// Reads rows; a store that is not there yet has none.
    fn rows<T>(&self, sql: &str, row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let Ok(connection) = Connection::open_with_flags(&self.0, flags) else { return Vec::new() };
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let Ok(mut query) = connection.prepare(sql) else { return Vec::new() };
        let rows = query.query_map([], row).unwrap().collect::<rusqlite::Result<_>>();
        rows.unwrap()
    }
}
