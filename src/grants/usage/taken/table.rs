//! Taking back what was counted, in the store.
//!
//! Invariant: a row falls by what it has at most, and goes with its last act.

use rusqlite::OptionalExtension;
use rusqlite::params;

use crate::grants::grant::GrantId;
use crate::grants::usage::Deed;
use crate::grants::usage::OTHERS;
use crate::grants::usage::Tally;
use crate::grants::usage::Trace;
use crate::grants::usage::Used;
use crate::grants::usage::table::whole;
use crate::store::StoreError;
use crate::store::Tx;

/// Takes back what was added to a grant. What was counted with the others is taken from them; when the acts of a row were first
/// and last done stays as it is, as long as one is left.
pub(in crate::grants::usage) fn take(
    tx: &Tx<'_>,
    id: &GrantId,
    used: &Used,
) -> Result<(), StoreError> {
    let take = || -> rusqlite::Result<()> {
        for (deed, tally) in &used.deeds {
            let left = take_deed(tx, id, deed, *tally)?;
            let others = match deed.resource.is_empty() {
                true => Deed {
                    account: "".into(),
                    region: "".into(),
                    action: OTHERS.into(),
                    ..deed.clone()
                },
                false => Deed { resource: OTHERS.into(), ..deed.clone() },
            };
            if left.acts > 0 {
                take_deed(tx, id, &others, left)?;
            }
        }
        for ((trace, value), tally) in &used.traces {
            let left = take_trace(tx, id, (*trace, value), *tally)?;
            if left.acts > 0 {
                take_trace(tx, id, (*trace, OTHERS), left)?;
            }
        }
        tx.prepare_cached("DELETE FROM grant_use WHERE grant_id = ?1 AND acts <= 0")?
            .execute([&id.0])?;
        tx.prepare_cached("DELETE FROM grant_trace WHERE grant_id = ?1 AND acts <= 0")?
            .execute([&id.0])?;
        Ok(())
    };
    take().map_err(|source| tx.failed(source))
}

/// Takes acts out of a row; returns those that it does not have.
fn take_deed(tx: &Tx<'_>, id: &GrantId, deed: &Deed, tally: Tally) -> rusqlite::Result<Tally> {
    let Deed { part, account, region, action, resource } = deed;
    let had = tx
        .prepare_cached(
            "SELECT acts, denied FROM grant_use WHERE grant_id = ?1 AND part = ?2 AND account = ?3
             AND region = ?4 AND action = ?5 AND resource = ?6",
        )?
        .query_row(params![&*id.0, part.name(), account, region, action, resource], counts)
        .optional()?
        .unwrap_or_default();
    let (acts, denied) = (tally.acts.min(had.0), tally.denied.min(had.1));
    tx.prepare_cached(
        "UPDATE grant_use SET acts = acts - ?7, denied = denied - ?8
         WHERE grant_id = ?1 AND part = ?2 AND account = ?3 AND region = ?4
         AND action = ?5 AND resource = ?6",
    )?
    .execute(params![
        &*id.0,
        part.name(),
        account,
        region,
        action,
        resource,
        whole(acts),
        whole(denied)
    ])?;
    Ok(Tally { acts: tally.acts - acts, denied: tally.denied - denied, ..tally })
}

/// Takes acts out of what is known of where they came from; returns those that are not there.
fn take_trace(
    tx: &Tx<'_>,
    id: &GrantId,
    (trace, value): (Trace, &str),
    tally: Tally,
) -> rusqlite::Result<Tally> {
    let had = tx
        .prepare_cached(
            "SELECT acts, denied FROM grant_trace WHERE grant_id = ?1 AND trace = ?2 AND value = ?3",
        )?
        .query_row(params![&*id.0, trace.name(), value], counts)
        .optional()?
        .unwrap_or_default();
    let (acts, denied) = (tally.acts.min(had.0), tally.denied.min(had.1));
    tx.prepare_cached(
        "UPDATE grant_trace SET acts = acts - ?4, denied = denied - ?5
         WHERE grant_id = ?1 AND trace = ?2 AND value = ?3",
    )?
    .execute(params![&*id.0, trace.name(), value, whole(acts), whole(denied)])?;
    Ok(Tally { acts: tally.acts - acts, denied: tally.denied - denied, ..tally })
}

/// Reads acts, and how many of them were refused.
fn counts(row: &rusqlite::Row<'_>) -> rusqlite::Result<(u64, u64)> {
    let count = |column| row.get(column).map(|it: i64| u64::try_from(it).unwrap_or_default());
    Ok((count(0)?, count(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::usage::MAX_RESOURCES;
    use crate::grants::usage::Part;
    use crate::grants::usage::Use;
    use crate::grants::usage::table::USAGE;
    use crate::grants::usage::table::add;
    use crate::grants::usage::table::read;
    use crate::model::Seconds;
    use crate::store::Migration;
    use crate::store::Store;

    const SCHEMA: &[Migration] = &[Migration { number: 1, name: "usage", sql: USAGE }];

    fn used(action: &str, resources: &[&str], address: &str) -> Used {
        let mut used = Used::default();
        used.note(&Use {
            grant: &id(),
            part: Part::Inside,
            time: Seconds(7),
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

    fn id() -> GrantId {
        GrantId("g-1".into())
    }

    #[test]
    fn what_is_taken_back_leaves_what_else_was_added() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("a.db"), SCHEMA).unwrap();
        let names: Vec<String> = (0..MAX_RESOURCES + 3).map(|at| format!("arn:{at}")).collect();
        let all: Vec<Used> = names.iter().map(|name| used("s3:GetObject", &[name], name)).collect();
        let other = used("s3:PutObject", &["x", "y"], "192.0.2.1");
        let tx = store.begin().unwrap();
        all.iter().for_each(|used| add(&tx, &id(), used).unwrap());
        add(&tx, &id(), &other).unwrap();
        add(&tx, &id(), &other).unwrap();
        take(&tx, &id(), &other).unwrap();
        tx.commit().unwrap();
        let found = read(store.connection(), &id()).unwrap();
        let acts = |action: &str, resource: &str| {
            let of = |deed: &&Deed| *deed.action == *action && *deed.resource == *resource;
            found.deeds.keys().find(of).map_or(0, |deed| found.deeds[deed].acts)
        };
        assert_eq!((acts("s3:PutObject", ""), acts("s3:PutObject", "x")), (1, 1));
        assert_eq!((acts("s3:GetObject", ""), acts("s3:GetObject", OTHERS)), (203, 3));
        // All of them, those that were counted together among them, and one more than there are.
        let tx = store.begin().unwrap();
        all.iter().for_each(|used| take(&tx, &id(), used).unwrap());
        take(&tx, &id(), &other).unwrap();
        take(&tx, &id(), &other).unwrap();
        tx.commit().unwrap();
        let found = read(store.connection(), &id()).unwrap();
        assert_eq!((found.deeds.len(), found.traces.len()), (0, 0));
    }
}
