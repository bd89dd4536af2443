//! Sessions, Identity Center names, the takers of roles and the accounts that are ours, in the store.
//!
//! Invariant: a row is written in the transaction of the delivery that taught it.

use std::borrow::Cow;

use rusqlite::Connection;
use rusqlite::Row;
use rusqlite::params;

use crate::identity::known::Known;
use crate::identity::known::Named;
use crate::identity::known::Shown;
use crate::identity::known::Taker;
use crate::identity::party::Basis;
use crate::identity::party::Kind;
use crate::identity::party::Party;
use crate::identity::session::Issuer;
use crate::identity::session::Session;
use crate::model::Confidence;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// The tables of this room.
pub const SCHEMA: &str = "
CREATE TABLE session (
    -- The access key id; `event:` and the event id where the issuing record holds no key.
    key TEXT NOT NULL PRIMARY KEY,
    issued_by TEXT NOT NULL,
    event_id TEXT NOT NULL,
    started INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    -- What it acts as, `444455556666/role/Deploy`; null where it acts as its caller.
    label TEXT,
    join_by TEXT NOT NULL,
    caller_name TEXT NOT NULL,
    caller_kind TEXT NOT NULL,
    caller_confidence TEXT NOT NULL,
    caller_reason TEXT NOT NULL,
    caller_basis TEXT NOT NULL,
    caller_label TEXT,
    -- The session this one was issued from, if it is a session.
    caller_key TEXT NOT NULL,
    caller_principal TEXT NOT NULL,
    mfa INTEGER,
    address TEXT,
    tags TEXT NOT NULL,
    source_identity TEXT,
    has_policy INTEGER NOT NULL,
    provider TEXT,
    user_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX session_ends ON session (ends);
CREATE TABLE identity_center_user (
    user_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE role_taker (
    role TEXT NOT NULL PRIMARY KEY,
    service TEXT,
    saml_provider TEXT
) STRICT, WITHOUT ROWID;
";

/// What came later: what showed a name, and the accounts whose own log was delivered.
pub const OURS: &str = "
-- session, sign_in, attempt or request; until then names came of sign-ins that succeeded.
ALTER TABLE identity_center_user ADD COLUMN shown_by TEXT NOT NULL DEFAULT 'sign_in';
CREATE TABLE own_account (
    account TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
";

/// Writes a session, replacing an earlier copy.
pub(super) fn put_session(tx: &Tx<'_>, key: &str, session: &Session) -> Result<(), StoreError> {
    let put = || -> rusqlite::Result<()> {
        let caller = &session.caller;
        let tags: Vec<&str> = session.tags.iter().map(|tag| &**tag).collect();
        let sql = "INSERT OR REPLACE INTO session VALUES
             (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)";
        tx.prepare_cached(sql)?.execute(params![
            key,
            session.issuer.name(),
            &*session.event_id,
            session.started.0,
            session.ends.0,
            session.label.as_deref(),
            &*session.join,
            caller.name,
            caller.kind.name(),
            caller.confidence.name(),
            &*caller.reason,
            basis_name(caller.basis),
            caller.label,
            caller.key,
            caller.principal,
            session.mfa,
            session.address.as_deref(),
            serde_json::Value::from(tags).to_string(),
            session.source_identity.as_deref(),
            session.has_policy,
            session.provider.as_deref(),
            session.user_id.as_deref(),
        ])?;
        Ok(())
    };
    put().map_err(|source| tx.failed(source))
}

/// Deletes one session.
pub(super) fn drop_session(tx: &Tx<'_>, key: &str) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM session WHERE key = ?1")
        .and_then(|mut statement| statement.execute([key]))
        .map(|_| ())
        .map_err(|source| tx.failed(source))
}

/// Deletes the sessions that ended before `before`.
pub(super) fn drop_ended(tx: &Tx<'_>, before: Seconds) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM session WHERE ends < ?1")
        .and_then(|mut statement| statement.execute([before.0]))
        .map(|_| ())
        .map_err(|source| tx.failed(source))
}

/// Writes the name of an Identity Center user.
pub(super) fn put_user(tx: &Tx<'_>, user_id: &str, named: &Named) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO identity_center_user VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute([user_id, &*named.name, named.shown.name()]))
        .map(|_| ())
        .map_err(|source| tx.failed(source))
}

/// Writes who takes a role.
pub(super) fn put_taker(tx: &Tx<'_>, role: &str, taker: &Taker) -> Result<(), StoreError> {
    let (service, saml) = match taker {
        Taker::Service(service) => (Some(&**service), None),
        Taker::Saml(provider) => (None, Some(&**provider)),
    };
    tx.prepare_cached("INSERT OR REPLACE INTO role_taker VALUES (?1, ?2, ?3)")
        .and_then(|mut statement| statement.execute(params![role, service, saml]))
        .map(|_| ())
        .map_err(|source| tx.failed(source))
}

/// Writes an account whose own log is delivered.
pub(super) fn put_account(tx: &Tx<'_>, account: &str) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR IGNORE INTO own_account VALUES (?1)")
        .and_then(|mut statement| statement.execute([account]))
        .map(|_| ())
        .map_err(|source| tx.failed(source))
}

/// Reads what is known beside sessions.
pub(super) fn known(connection: &Connection) -> Result<Known, StoreError> {
    let read = || -> rusqlite::Result<Known> {
        let mut known = Known::default();
        let mut users =
            connection.prepare("SELECT user_id, name, shown_by FROM identity_center_user")?;
        let mut rows = users.query([])?;
        while let Some(row) = rows.next()? {
            let shown = Shown::named(&row.get::<_, String>(2)?);
            known.people.insert(row.get(0)?, Named { name: row.get(1)?, shown });
        }
        let mut accounts = connection.prepare("SELECT account FROM own_account")?;
        let mut rows = accounts.query([])?;
        while let Some(row) = rows.next()? {
            known.accounts.insert(row.get(0)?);
        }
        let mut takers =
            connection.prepare("SELECT role, service, saml_provider FROM role_taker")?;
        let mut rows = takers.query([])?;
        while let Some(row) = rows.next()? {
            let taker = match (row.get(1)?, row.get(2)?) {
                (Some(service), _) => Taker::Service(service),
                (None, Some(provider)) => Taker::Saml(provider),
                (None, None) => continue,
            };
            known.takers.insert(row.get(0)?, taker);
        }
        Ok(known)
    };
    read().map_err(StoreError::Read)
}

/// Reads the sessions, those that end last first, at most `limit`.
pub(super) fn sessions(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<(Box<str>, Session)>, StoreError> {
    let read = || -> rusqlite::Result<Vec<_>> {
        let mut statement =
            connection.prepare("SELECT * FROM session ORDER BY ends DESC, key DESC LIMIT ?1")?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = statement.query([limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((row.get("key")?, session(row)?));
        }
        Ok(found)
    };
    read().map_err(StoreError::Read)
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let tags: String = row.get("tags")?;
    let broken = |column: &str, error: Box<dyn std::error::Error + Send + Sync>| {
        let index = row.as_ref().column_index(column).unwrap_or_default();
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error)
    };
    let tags: Vec<Box<str>> =
        serde_json::from_str(&tags).map_err(|error| broken("tags", error.into()))?;
    let issuer: String = row.get("issued_by")?;
    let issuer = Issuer::named(&issuer)
        .ok_or_else(|| broken("issued_by", format!("`{issuer}` issues no sessions").into()))?;
    Ok(Session {
        issuer,
        event_id: row.get("event_id")?,
        started: Seconds(row.get("started")?),
        ends: Seconds(row.get("ends")?),
        label: row.get("label")?,
        join: row.get("join_by")?,
        caller: party(row)?,
        mfa: row.get("mfa")?,
        address: row.get("address")?,
        tags,
        source_identity: row.get("source_identity")?,
        has_policy: row.get("has_policy")?,
        provider: row.get("provider")?,
        user_id: row.get("user_id")?,
    })
}

fn party(row: &Row<'_>) -> rusqlite::Result<Party> {
    let text = |column: &str| row.get::<_, String>(column);
    Ok(Party {
        name: text("caller_name")?,
        kind: Kind::named(&text("caller_kind")?),
        confidence: Confidence::named(&text("caller_confidence")?),
        reason: Cow::Owned(text("caller_reason")?),
        basis: match text("caller_basis")?.as_str() {
            "source_identity" => Basis::SourceIdentity,
            "identity_center" => Basis::IdentityCenter,
            _ => Basis::Itself,
        },
        label: row.get("caller_label")?,
        key: text("caller_key")?,
        principal: text("caller_principal")?,
    })
}

fn basis_name(basis: Basis) -> &'static str {
    match basis {
        Basis::SourceIdentity => "source_identity",
        Basis::IdentityCenter => "identity_center",
        Basis::Itself => "itself",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Migration;
    use crate::store::Store;

    #[test]
    fn names_from_before_are_those_of_sign_ins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let first = Migration { number: 1, name: "identity", sql: SCHEMA };
        let mut store = Store::open(&path, &[first]).unwrap();
        let tx = store.begin().unwrap();
        tx.execute("INSERT INTO identity_center_user VALUES ('u-1', 'ana')", []).unwrap();
        tx.commit().unwrap();
        drop(store);
        let store =
            Store::open(&path, &[first, Migration { number: 2, name: "ours", sql: OURS }]).unwrap();
        let known = known(store.connection()).unwrap();
        assert_eq!(known.people["u-1"], Named { name: "ana".into(), shown: Shown::SignIn });
        assert!(known.accounts.is_empty());
    }
}
