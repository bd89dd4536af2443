//! What was done with grants, in the store.
//!
//! Invariant: rows change by what a commit adds, and by what it takes back of an act that is another grant's now; where none of
//! its acts is left a row goes. Else a grant's rows leave together. No row holds a text that was not
//! bounded before.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;
use rusqlite::types::Type;

use crate::grants::grant::GrantId;
use crate::grants::usage::Deed;
use crate::grants::usage::MAX_ACTIONS;
use crate::grants::usage::MAX_RESOURCES;
use crate::grants::usage::MAX_ROWS;
use crate::grants::usage::MAX_TRACES;
use crate::grants::usage::OTHERS;
use crate::grants::usage::Part;
use crate::grants::usage::Tally;
use crate::grants::usage::Trace;
use crate::grants::usage::Used;
use crate::model::Seconds;
use crate::store::StoreError;
use crate::store::Tx;

/// The tables of what was done with grants.
pub const USAGE: &str = "
CREATE TABLE grant_use (
    grant_id TEXT NOT NULL,
    -- inside, outside_account, …, before, tail, after
    part TEXT NOT NULL,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    action TEXT NOT NULL,
    -- An ARN; '*' where records name none; '…' for those that are not kept; '' counts each act once.
    resource TEXT NOT NULL,
    acts INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (grant_id, part, account, region, action, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE grant_trace (
    grant_id TEXT NOT NULL,
    -- address, agent, session
    trace TEXT NOT NULL,
    value TEXT NOT NULL,
    acts INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (grant_id, trace, value)
) STRICT, WITHOUT ROWID;
-- When a grant was used last: what goes by age goes by this.
CREATE TABLE grant_used (
    grant_id TEXT PRIMARY KEY NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_used_by_last ON grant_used (last);
-- Access that was taken away once its grant was over.
CREATE TABLE grant_removal (
    grant_id TEXT NOT NULL,
    claim TEXT NOT NULL,
    ended INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    PRIMARY KEY (grant_id, claim, ended)
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_removal_by_time ON grant_removal (removed);
-- Verdicts on acts of a day (days since 1970, UTC), for the scores.
CREATE TABLE verdict_day (
    day INTEGER NOT NULL,
    account TEXT NOT NULL,
    verdict TEXT NOT NULL,
    acts INTEGER NOT NULL,
    PRIMARY KEY (day, account, verdict)
) STRICT, WITHOUT ROWID;
";

/// The tables of how far signals about the use of grants were told.
pub const TOLD: &str = "
-- One row: by when everything that was due was told.
CREATE TABLE grant_told (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 0),
    reached INTEGER NOT NULL
) STRICT;
-- Grants whose tail was told of before its time, and the end that it was counted from.
CREATE TABLE grant_tail (
    grant_id TEXT PRIMARY KEY NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// How many grants' usage a commit forgets at most.
const AT_ONCE: usize = 200;

/// Adds what was done with a grant.
pub(super) fn add(tx: &Tx<'_>, id: &GrantId, used: &Used) -> Result<(), StoreError> {
    let add = || -> rusqlite::Result<()> {
        let mut page = Page { tx, id, room: Room::default() };
        for (deed, tally) in &used.deeds {
            match deed.resource.is_empty() {
                true => page.add_action(deed, *tally)?,
                false => page.add_resource(deed, *tally)?,
            }
        }
        for ((trace, value), tally) in &used.traces {
            page.add_trace(*trace, value, *tally)?;
        }
        let last = used.deeds.values().map(|tally| tally.last.0).max();
        if let Some(last) = last {
            tx.prepare_cached(
                "INSERT INTO grant_used (grant_id, last) VALUES (?1, ?2)
                 ON CONFLICT (grant_id) DO UPDATE SET last = max(last, excluded.last)",
            )?
            .execute(params![&*id.0, last])?;
        }
        Ok(())
    };
    add().map_err(|source| tx.failed(source))
}

/// Returns by when everything that was due was told, if anything ever was.
pub(super) fn reached(connection: &Connection) -> Result<Option<Seconds>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT reached FROM grant_told").map_err(StoreError::Read)?;
    statement
        .query_row([], |row| row.get(0))
        .optional()
        .map_err(StoreError::Read)
        .map(|it| it.map(Seconds))
}

/// Notes that everything that was due by `reached` was told.
pub(super) fn set_reached(tx: &Tx<'_>, reached: Seconds) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO grant_told (id, reached) VALUES (0, ?1)")
        .and_then(|mut statement| statement.execute([reached.0]))
        .map(drop)
        .map_err(|source| tx.failed(source))
}

/// Returns the grants whose tails were told of before their time, with the ends that these were counted from.
pub(super) fn told_early(
    connection: &Connection,
) -> Result<BTreeMap<GrantId, Seconds>, StoreError> {
    let read = || -> rusqlite::Result<BTreeMap<GrantId, Seconds>> {
        let mut statement = connection.prepare_cached("SELECT grant_id, until FROM grant_tail")?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok((GrantId(row.get::<_, String>(0)?.into()), Seconds(row.get(1)?)))
        };
        statement.query_map([], row)?.collect()
    };
    read().map_err(StoreError::Read)
}

/// Notes that the tail of a grant behind `until` was told of before its time.
pub(super) fn set_told_early(tx: &Tx<'_>, id: &GrantId, until: Seconds) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO grant_tail (grant_id, until) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute(params![&*id.0, until.0]))
        .map(drop)
        .map_err(|source| tx.failed(source))
}

/// How many rows one grant has, of each sort that is bounded; asked once a save.
#[derive(Default)]
struct Room {
    rows: Option<usize>,
    actions: Option<usize>,
    resources: BTreeMap<Deed, usize>,
    traces: BTreeMap<Trace, usize>,
}

/// The rows of one grant.
struct Page<'a> {
    tx: &'a Tx<'a>,
    id: &'a GrantId,
    room: Room,
}

impl Page<'_> {
    /// Adds acts of an action; a row of its own is made while there is room.
    fn add_action(&mut self, deed: &Deed, tally: Tally) -> rusqlite::Result<()> {
        if self.knows(deed)? {
            return self.put(deed, tally);
        }
        let rows = self.rows()?;
        let all = "SELECT count(*) FROM grant_use WHERE grant_id = ?1 AND resource = ''";
        let actions = match self.room.actions {
            Some(actions) => actions,
            None => count(self.tx, all, &[&self.id.0])?,
        };
        let has_room = actions < MAX_ACTIONS && rows < MAX_ROWS;
        self.room.actions = Some(actions + usize::from(has_room));
        self.room.rows = Some(rows + usize::from(has_room));
        if has_room {
            return self.put(deed, tally);
        }
        let (account, region, resource) = ("".into(), "".into(), "".into());
        self.put(&Deed { part: deed.part, account, region, action: OTHERS.into(), resource }, tally)
    }

    /// Adds acts on a resource; the row of its action is there before. What has no room is counted with the others.
    fn add_resource(&mut self, deed: &Deed, tally: Tally) -> rusqlite::Result<()> {
        if self.knows(deed)? {
            return self.put(deed, tally);
        }
        let action = Deed { resource: "".into(), ..deed.clone() };
        if !self.knows(&action)? {
            // The action is counted with the others, and with it its resources.
            return Ok(());
        }
        let rows = self.rows()?;
        let resources = match self.room.resources.get(&action) {
            Some(resources) => *resources,
            None => count(
                self.tx,
                "SELECT count(*) FROM grant_use WHERE grant_id = ?1 AND part = ?2 AND account = ?3
                 AND region = ?4 AND action = ?5 AND resource <> ''",
                &[&self.id.0, deed.part.name(), &deed.account, &deed.region, &deed.action],
            )?,
        };
        let has_room = resources < MAX_RESOURCES && rows < MAX_ROWS;
        self.room.resources.insert(action, resources + usize::from(has_room));
        self.room.rows = Some(rows + usize::from(has_room));
        match has_room {
            true => self.put(deed, tally),
            false => self.put(&Deed { resource: OTHERS.into(), ..deed.clone() }, tally),
        }
    }

    fn add_trace(&mut self, trace: Trace, value: &str, tally: Tally) -> rusqlite::Result<()> {
        let (tx, id) = (self.tx, &*self.id.0);
        let is_known = tx
            .prepare_cached(
                "SELECT 1 FROM grant_trace WHERE grant_id = ?1 AND trace = ?2 AND value = ?3",
            )?
            .exists(params![id, trace.name(), value])?;
        let all = "SELECT count(*) FROM grant_trace WHERE grant_id = ?1 AND trace = ?2";
        let traces = match self.room.traces.get(&trace) {
            Some(traces) => *traces,
            None => count(tx, all, &[id, trace.name()])?,
        };
        let has_room = is_known || traces < MAX_TRACES;
        self.room.traces.insert(trace, traces + usize::from(has_room && !is_known));
        tx.prepare_cached(
            "INSERT INTO grant_trace (grant_id, trace, value, acts, denied, first, last)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (grant_id, trace, value) DO UPDATE SET
             acts = acts + excluded.acts, denied = denied + excluded.denied,
             first = min(first, excluded.first), last = max(last, excluded.last)",
        )?
        .execute(params![
            id,
            trace.name(),
            if has_room { value } else { OTHERS },
            whole(tally.acts),
            whole(tally.denied),
            tally.first.0,
            tally.last.0
        ])?;
        Ok(())
    }

    fn rows(&self) -> rusqlite::Result<usize> {
        let all = "SELECT count(*) FROM grant_use WHERE grant_id = ?1";
        self.room.rows.map_or_else(|| count(self.tx, all, &[&self.id.0]), Ok)
    }

    fn knows(&self, deed: &Deed) -> rusqlite::Result<bool> {
        let Deed { part, account, region, action, resource } = deed;
        self.tx
            .prepare_cached(
                "SELECT 1 FROM grant_use WHERE grant_id = ?1 AND part = ?2 AND account = ?3
                 AND region = ?4 AND action = ?5 AND resource = ?6",
            )?
            .exists(params![&*self.id.0, part.name(), account, region, action, resource])
    }

    fn put(&self, deed: &Deed, tally: Tally) -> rusqlite::Result<()> {
        let Deed { part, account, region, action, resource } = deed;
        self.tx
            .prepare_cached(
                "INSERT INTO grant_use
                 (grant_id, part, account, region, action, resource, acts, denied, first, last)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 ON CONFLICT (grant_id, part, account, region, action, resource) DO UPDATE SET
                 acts = acts + excluded.acts, denied = denied + excluded.denied,
                 first = min(first, excluded.first), last = max(last, excluded.last)",
            )?
            .execute(params![
                &*self.id.0,
                part.name(),
                account,
                region,
                action,
                resource,
                whole(tally.acts),
                whole(tally.denied),
                tally.first.0,
                tally.last.0
            ])?;
        Ok(())
    }
}

fn count(tx: &Tx<'_>, query: &str, of: &[&str]) -> rusqlite::Result<usize> {
    let mut statement = tx.prepare_cached(query)?;
    let found: i64 =
        statement.query_row(rusqlite::params_from_iter(of.iter()), |row| row.get(0))?;
    Ok(usize::try_from(found).unwrap_or_default())
}

/// Reads what was done with a grant.
pub(super) fn read(connection: &Connection, id: &GrantId) -> Result<Used, StoreError> {
    let read = || -> rusqlite::Result<Used> {
        let mut used = Used::default();
        let mut statement = connection.prepare_cached(
            "SELECT acts, denied, first, last, part, account, region, action, resource FROM grant_use WHERE grant_id = ?1",
        )?;
        let mut rows = statement.query([&*id.0])?;
        while let Some(row) = rows.next()? {
            let text = |column| row.get::<_, String>(column).map(String::into_boxed_str);
            let part = Part::named(row.get_ref(4)?.as_str()?).ok_or_else(|| damaged(4))?;
            let deed = Deed {
                part,
                account: text(5)?,
                region: text(6)?,
                action: text(7)?,
                resource: text(8)?,
            };
            used.deeds.insert(deed, tally(row)?);
        }
        let mut statement = connection.prepare_cached(
            "SELECT acts, denied, first, last, trace, value FROM grant_trace WHERE grant_id = ?1",
        )?;
        let mut rows = statement.query([&*id.0])?;
        while let Some(row) = rows.next()? {
            let name = row.get_ref(4)?.as_str()?;
            let trace = Trace::ALL.into_iter().find(|trace| trace.name() == name);
            let trace = trace.ok_or_else(|| damaged(4))?;
            used.traces.insert((trace, row.get::<_, String>(5)?.into_boxed_str()), tally(row)?);
        }
        Ok(used)
    };
    read().map_err(StoreError::Read)
}

fn tally(row: &rusqlite::Row<'_>) -> rusqlite::Result<Tally> {
    let count = |column| row.get(column).map(|it: i64| u64::try_from(it).unwrap_or_default());
    Ok(Tally {
        acts: count(0)?,
        denied: count(1)?,
        first: Seconds(row.get(2)?),
        last: Seconds(row.get(3)?),
    })
}

/// Only a damaged file holds a word that is none of ours.
fn damaged(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "a word that is not ours".into())
}

/// Forgets the use of grants that were not used since `before`, and verdicts of days before it; returns whether that was
/// all of it.
pub(super) fn prune(tx: &Tx<'_>, before: Seconds) -> Result<bool, StoreError> {
    let prune = || -> rusqlite::Result<bool> {
        let mut statement = tx.prepare_cached(
            "SELECT grant_id FROM grant_used WHERE last < ?1 ORDER BY last LIMIT ?2",
        )?;
        let most = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let old = statement.query_map([before.0, most], |row| row.get(0))?;
        let old: Vec<String> = old.collect::<rusqlite::Result<_>>()?;
        for id in &old {
            for delete in [
                "DELETE FROM grant_use WHERE grant_id = ?1",
                "DELETE FROM grant_trace WHERE grant_id = ?1",
                "DELETE FROM grant_used WHERE grant_id = ?1",
                "DELETE FROM grant_tail WHERE grant_id = ?1",
            ] {
                tx.prepare_cached(delete)?.execute([id])?;
            }
        }
        tx.prepare_cached("DELETE FROM verdict_day WHERE day < ?1")?
            .execute([before.0.div_euclid(86_400)])?;
        tx.prepare_cached("DELETE FROM grant_removal WHERE removed < ?1")?.execute([before.0])?;
        Ok(old.len() < AT_ONCE)
    };
    prune().map_err(|source| tx.failed(source))
}

/// Returns a count as SQLite keeps it.
pub(in crate::grants) fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::usage::Use;
    use crate::store::Migration;
    use crate::store::Store;

    const SCHEMA: &[Migration] = &[
        Migration { number: 1, name: "usage", sql: USAGE },
        Migration { number: 2, name: "told", sql: TOLD },
    ];

    fn id() -> GrantId {
        GrantId("g-1".into())
    }

    fn used(time: i64, action: &str, resources: &[&str], address: &str) -> Used {
        let mut used = Used::default();
        used.note(&Use {
            grant: &id(),
            part: Part::Inside,
            time: Seconds(time),
            identity: "person:ana@example.com",
            account: "111122223333",
            region: "eu-west-1",
            action,
            resources,
            is_denied: false,
            address,
            agent: "",
            session: "",
        });
        used
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.db"), SCHEMA).unwrap();
        (folder, store)
    }

    fn saved(store: &mut Store, all: &[Used]) {
        let tx = store.begin().unwrap();
        all.iter().for_each(|used| add(&tx, &id(), used).unwrap());
        tx.commit().unwrap();
    }

    #[test]
    fn what_is_added_in_parts_is_what_is_added_at_once() {
        let acts = [
            used(5, "s3:GetObject", &["a", "b"], "192.0.2.1"),
            used(3, "s3:GetObject", &["b"], "192.0.2.2"),
            used(9, "s3:ListBucket", &[], "192.0.2.1"),
        ];
        let (_folder, mut store) = store();
        saved(&mut store, &acts[..1]);
        saved(&mut store, &acts[1..]);
        let found = read(store.connection(), &id()).unwrap();
        let shown = |deed: &Deed, tally: &Tally| {
            let Tally { acts, first, last, .. } = tally;
            format!("{} [{}] {acts} {}-{}", deed.action, deed.resource, first.0, last.0)
        };
        let shown: Vec<String> = found.deeds.iter().map(|(deed, it)| shown(deed, it)).collect();
        assert_eq!(
            shown,
            [
                "s3:GetObject [] 2 3-5",
                "s3:GetObject [a] 1 5-5",
                "s3:GetObject [b] 2 3-5",
                "s3:ListBucket [] 1 9-9",
                "s3:ListBucket [*] 1 9-9",
            ]
        );
        assert_eq!(found.traces[&(Trace::Address, "192.0.2.1".into())].acts, 2);
    }

    #[test]
    fn what_is_too_much_is_counted_and_not_kept() {
        let (_folder, mut store) = store();
        let names: Vec<String> = (0..MAX_RESOURCES + 7).map(|at| format!("arn:{at}")).collect();
        let reads = names.iter().map(|name| used(1, "s3:GetObject", &[name], name));
        let calls = (0..MAX_ACTIONS + 4).map(|at| used(1, &format!("x:Call{at}"), &["r"], "a"));
        let all: Vec<Used> = reads.chain(calls).collect();
        saved(&mut store, &all[..100]);
        saved(&mut store, &all[100..]);
        let found = read(store.connection(), &id()).unwrap();
        let count = |fits: &dyn Fn(&Deed) -> bool| {
            found
                .deeds
                .iter()
                .filter(|(deed, _)| fits(deed))
                .map(|(_, tally)| tally.acts)
                .sum::<u64>()
        };
        assert_eq!(count(&|deed| deed.resource.is_empty()), all.len() as u64, "no act is lost");
        assert_eq!(count(&|deed| &*deed.action == OTHERS), 5, "one row is that of `GetObject`");
        assert_eq!(count(&|deed| &*deed.resource == OTHERS), 7);
        assert!(found.deeds.len() <= MAX_ROWS + 2);
        let addresses = || found.traces.iter().map(|((_, value), tally)| (&**value, tally.acts));
        assert_eq!(addresses().count(), MAX_TRACES + 1);
        assert_eq!(addresses().map(|(_, acts)| acts).sum::<u64>(), all.len() as u64);
    }

    #[test]
    fn old_usage_leaves_as_a_whole() {
        let (_folder, mut store) = store();
        saved(&mut store, &[used(5, "s3:GetObject", &[], ""), used(900, "s3:PutObject", &[], "")]);
        for (before, kept) in [(900, 4), (901, 0)] {
            let tx = store.begin().unwrap();
            assert!(prune(&tx, Seconds(before)).unwrap());
            tx.commit().unwrap();
            assert_eq!(read(store.connection(), &id()).unwrap().deeds.len(), kept, "{before}");
        }
    }
}
