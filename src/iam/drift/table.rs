//! Remembered changes in the store.
//!
//! Invariant: a row is written in the transaction of the delivery that taught it.

use rusqlite::Connection;
use rusqlite::params;
use rusqlite::types::Type;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use crate::iam::drift::effect::Holder;
use crate::iam::drift::effect::Target;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::made::Course;
use crate::iam::drift::made::Made;
use crate::iam::drift::made::Of;
use crate::iam::drift::place::Place;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::model::AlertId;
use crate::model::DetectorId;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// The table of this module.
pub const SCHEMA: &str = "
CREATE TABLE policy_change (
    time INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    -- As JSON.
    made TEXT NOT NULL,
    PRIMARY KEY (time, event_id)
) STRICT, WITHOUT ROWID;
";

/// The table of what is remembered of where permission sets are provisioned.
pub const NOTED_SCHEMA: &str = "
CREATE TABLE policy_noted (
    -- since: when the first event was; assigned: when a set was in an account; told: which change of a set.
    sort TEXT NOT NULL,
    name TEXT NOT NULL,
    account TEXT NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (sort, name, account)
) STRICT, WITHOUT ROWID;
";

/// What a time is remembered of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Noted {
    /// The first event that was learned from.
    Since,
    /// The last assignment of a permission set in an account.
    Assigned {
        /// The permission set's ARN.
        set: Box<str>,
        /// The account.
        account: Box<str>,
    },
    /// The last change of a permission set that was told of.
    Told {
        /// The permission set's ARN.
        set: Box<str>,
    },
}

/// Returns every time that is remembered.
pub(super) fn noted(connection: &Connection) -> Result<Vec<(Noted, Seconds)>, StoreError> {
    let read = || -> rusqlite::Result<Vec<(Noted, Seconds)>> {
        let sql = "SELECT sort, name, account, time FROM policy_noted";
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let set = row.get_ref(1)?.as_str()?.into();
            let noted = match row.get_ref(0)?.as_str()? {
                "assigned" => Noted::Assigned { set, account: row.get_ref(2)?.as_str()?.into() },
                "told" => Noted::Told { set },
                _ => Noted::Since,
            };
            all.push((noted, Seconds(row.get(3)?)));
        }
        Ok(all)
    };
    read().map_err(StoreError::Read)
}

/// Writes a time.
pub(super) fn put_noted(tx: &Tx<'_>, noted: &Noted, time: Seconds) -> Result<(), StoreError> {
    let (sort, set, account) = match noted {
        Noted::Since => ("since", "", ""),
        Noted::Assigned { set, account } => ("assigned", &**set, &**account),
        Noted::Told { set } => ("told", &**set, ""),
    };
    let sql =
        "INSERT OR REPLACE INTO policy_noted (sort, name, account, time) VALUES (?1, ?2, ?3, ?4)";
    let done = tx
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![sort, set, account, time.0]));
    done.map(|_| ()).map_err(|source| tx.failed(source))
}

/// A change as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    /// The sort of the target, its account and its name, with what sort of holder it is.
    target: (String, String, String, String),
    by: String,
    classes: Vec<String>,
    worst: String,
    /// Nothing where nothing stood.
    before: Option<Value>,
    unknown: Vec<String>,
    alerts: Vec<(String, String)>,
    /// Where it put somebody or something, if it is of no target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    places: Vec<Place>,
    /// When and by whom it was taken back, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    over: Option<(i64, String)>,
}

/// The sort of target of what moved somebody or something.
const MOVED: &str = "moved";

/// Returns every change that is remembered.
pub(super) fn all(connection: &Connection) -> Result<Vec<(ChangeId, Made)>, StoreError> {
    let read = || -> rusqlite::Result<Vec<(ChangeId, Made)>> {
        let sql = "SELECT time, event_id, made FROM policy_change ORDER BY time, event_id";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let id = (Seconds(row.get(0)?), row.get::<_, String>(1)?.into());
            // Only a damaged file holds a text that is no such thing.
            let damaged = |error: serde_json::Error| {
                rusqlite::Error::FromSqlConversionFailure(2, Type::Text, error.into())
            };
            let found: Row = serde_json::from_str(row.get_ref(2)?.as_str()?).map_err(damaged)?;
            Ok(made(found).map(|made| (id, made)))
        })?;
        rows.filter_map(Result::transpose).collect()
    };
    read().map_err(StoreError::Read)
}

/// Writes a change.
pub(super) fn put(tx: &Tx<'_>, id: &ChangeId, made: &Made) -> Result<(), StoreError> {
    let write = || -> rusqlite::Result<()> {
        let text = serde_json::to_string(&row(made))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let sql = "INSERT OR REPLACE INTO policy_change (time, event_id, made) VALUES (?1, ?2, ?3)";
        tx.prepare_cached(sql)?.execute(params![id.0.0, &*id.1, text])?;
        Ok(())
    };
    write().map_err(|source| tx.failed(source))
}

/// Drops a change.
pub(super) fn drop(tx: &Tx<'_>, id: &ChangeId) -> Result<(), StoreError> {
    let sql = "DELETE FROM policy_change WHERE time = ?1 AND event_id = ?2";
    let dropped =
        tx.prepare_cached(sql).and_then(|mut statement| statement.execute(params![id.0.0, &*id.1]));
    dropped.map(|_| ()).map_err(|source| tx.failed(source))
}

fn row(made: &Made) -> Row {
    let is_empty = made.before.statements.is_empty();
    let none = String::new;
    Row {
        target: match made.target() {
            Some(target) => named(target),
            None => (MOVED.to_owned(), none(), none(), none()),
        },
        by: made.by.to_string(),
        classes: made.classes.iter().map(|it| it.to_string()).collect(),
        worst: made.worst.to_string(),
        before: (!is_empty).then(|| written(made)),
        unknown: made.unknown.iter().map(|it| it.to_string()).collect(),
        alerts: made.alerts.iter().map(|(it, by)| (it.0.clone(), by.0.clone())).collect(),
        places: made.places().to_vec(),
        over: match &made.course {
            Course::Stands => None,
            Course::Over(at, by) => Some((at.0, by.to_string())),
        },
    }
}

/// Returns what stood before: as AWS writes it, or as we do where AWS does not.
fn written(made: &Made) -> Value {
    match made.target().is_some_and(|target| target.kind().is_written()) {
        true => made.before.to_value(),
        // A document is texts and lists of them: nothing in it cannot be written.
        false => serde_json::to_value(&made.before).unwrap_or_default(),
    }
}

/// Returns a change as it was written; nothing if this version cannot read it.
fn made(row: Row) -> Option<Made> {
    let of = match &*row.target.0 {
        MOVED => Of::Places(row.places),
        _ => Of::Policies(target(&row.target)?),
    };
    let made = Made::new(of, &row.by);
    let kind = made.target().map(Target::kind);
    let before = match (&row.before, kind.filter(|kind| kind.is_written())) {
        (Some(before), Some(kind)) => Document::parse_value(before, kind).ok()?,
        (Some(before), None) => Document::deserialize(before).ok()?,
        (None, _) => made.before.clone(),
    };
    let over = |(at, by): (i64, String)| Course::Over(Seconds(at), by.into());
    Some(Made {
        classes: row.classes.into_iter().map(Into::into).collect(),
        worst: row.worst.into(),
        before,
        unknown: row.unknown.into_iter().map(Into::into).collect(),
        alerts: row.alerts.into_iter().map(|(it, by)| (AlertId(it), DetectorId(by))).collect(),
        course: row.over.map_or(Course::Stands, over),
        ..made
    })
}

fn named(target: &Target) -> (String, String, String, String) {
    let of = |sort: &str, account: &str, holder: &str, name: &str| {
        (sort.to_owned(), account.to_owned(), holder.to_owned(), name.to_owned())
    };
    let limit = |kind: &Kind| match kind {
        Kind::ResourceControl => "rcp",
        _ => "scp",
    };
    match target {
        Target::Identity { account, holder, name } => of("identity", account, holder.name(), name),
        Target::Boundary { account, holder, name } => of("boundary", account, holder.name(), name),
        Target::Trust { account, role } => of("trust", account, "", role),
        Target::Managed { account, arn } => of("managed", account, "", arn),
        Target::Resource { account, arn } => of("resource", account, "", arn),
        Target::Network { account, arn } => of("network", account, "", arn),
        Target::Block { account, arn } => of("block", account, "", arn),
        Target::Set { arn } => of("set", "", "", arn),
        Target::Node { id, kind } => of("node", "", limit(kind), id),
        Target::Organization { id, kind } => of("organization", "", limit(kind), id),
    }
}

fn target((sort, account, holder, name): &(String, String, String, String)) -> Option<Target> {
    let (account, name): (Box<str>, Box<str>) = (account.as_str().into(), name.as_str().into());
    let kind = match holder.as_str() {
        "rcp" => Kind::ResourceControl,
        _ => Kind::ServiceControl,
    };
    let holders = [Holder::User, Holder::Group, Holder::Role];
    let holder = holders.into_iter().find(|it| it.name() == holder);
    Some(match sort.as_str() {
        "identity" => Target::Identity { account, holder: holder?, name },
        "boundary" => Target::Boundary { account, holder: holder?, name },
        "trust" => Target::Trust { account, role: name },
        "managed" => Target::Managed { account, arn: name },
        "resource" => Target::Resource { account, arn: name },
        "network" => Target::Network { account, arn: name },
        "block" => Target::Block { account, arn: name },
        "set" => Target::Set { arn: name },
        "node" => Target::Node { id: name, kind },
        "organization" => Target::Organization { id: name, kind },
        _ => return None,
    })
}
