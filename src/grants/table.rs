//! The versions of grants in the store, each with its evidence.
//!
//! Invariant: a row is written once for each version; only its evidence may be replaced, by earlier evidence.

use rusqlite::Connection;
use rusqlite::params;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Digest as _;
use sha2::Sha256;

use crate::grants::grant::Evidence;
use crate::grants::grant::GrantId;
use crate::grants::grant::Version;
use crate::store::StoreError;
use crate::store::Tx;

/// The table of this room.
pub const SCHEMA: &str = "
CREATE TABLE grant_version (
    grant_id TEXT NOT NULL,
    -- Of the whole version: two that differ anywhere are two.
    digest BLOB NOT NULL,
    window_from INTEGER NOT NULL,
    -- The version and its evidence as JSON.
    version TEXT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (grant_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_version_by_window ON grant_version (window_from);
";

/// What a version is told from all others by.
pub(super) type Digest = [u8; 16];

/// Returns the digest of a version.
pub(super) fn digest(version: &Version) -> Digest {
    let text = serde_json::to_vec(version).expect("a version is texts and numbers");
    let whole: [u8; 32] = Sha256::digest(&text).into();
    let (half, _) = whole.split_first_chunk().expect("half of 32 bytes is 16");
    *half
}

/// Writes versions with their evidence.
pub(super) fn put<'a>(
    tx: &Tx<'_>,
    rows: impl Iterator<Item = (Digest, &'a Version, &'a Evidence)>,
) -> Result<(), StoreError> {
    let put = || -> rusqlite::Result<()> {
        let mut statement = tx.prepare_cached(
            "INSERT INTO grant_version (grant_id, digest, window_from, version, evidence)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (grant_id, digest) DO UPDATE SET evidence = excluded.evidence",
        )?;
        for (digest, version, evidence) in rows {
            statement.execute(params![
                &*version.id.0,
                digest,
                version.window.from.0,
                json(version)?,
                json(evidence)?
            ])?;
        }
        Ok(())
    };
    put().map_err(|source| tx.failed(source))
}

/// Hands every version with its evidence to `take`, in the order of their windows.
pub(super) fn versions(
    connection: &Connection,
    mut take: impl FnMut(Version, Evidence),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(
            "SELECT version, evidence FROM grant_version ORDER BY window_from, grant_id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            take(
                from_json(row.get_ref(0)?.as_str()?, 0)?,
                from_json(row.get_ref(1)?.as_str()?, 1)?,
            );
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

/// Hands the versions of all grants whose names come after `name` to `take`, grant by grant; ends behind a grant once
/// `most` are read. Returns the last grant if there are more.
pub(super) fn after(
    connection: &Connection,
    name: &str,
    most: usize,
    mut take: impl FnMut(Version, Evidence),
) -> Result<Option<GrantId>, StoreError> {
    let mut read = || -> rusqlite::Result<Option<GrantId>> {
        let mut statement = connection.prepare_cached(
            "SELECT grant_id, version, evidence FROM grant_version WHERE grant_id > ?1 ORDER BY grant_id",
        )?;
        let mut rows = statement.query([name])?;
        let (mut count, mut last) = (0, String::new());
        while let Some(row) = rows.next()? {
            let id = row.get_ref(0)?.as_str()?;
            if id != last {
                if count >= most {
                    return Ok(Some(GrantId(last.into())));
                }
                id.clone_into(&mut last);
            }
            count += 1;
            take(
                from_json(row.get_ref(1)?.as_str()?, 1)?,
                from_json(row.get_ref(2)?.as_str()?, 2)?,
            );
        }
        Ok(None)
    };
    read().map_err(StoreError::Read)
}

/// Hands the versions of one grant to `take`.
pub(super) fn of_grant(
    connection: &Connection,
    id: &GrantId,
    mut take: impl FnMut(Version, Evidence),
) -> Result<(), StoreError> {
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = connection
            .prepare_cached("SELECT version, evidence FROM grant_version WHERE grant_id = ?1")?;
        let mut rows = statement.query([&*id.0])?;
        while let Some(row) = rows.next()? {
            take(
                from_json(row.get_ref(0)?.as_str()?, 0)?,
                from_json(row.get_ref(1)?.as_str()?, 1)?,
            );
        }
        Ok(())
    };
    read().map_err(StoreError::Read)
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Only a damaged file holds a text that is no version.
fn from_json<T: DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}
