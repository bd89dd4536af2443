//! The schema of the store, numbered, and the table of all facts: what the rooms bring, put in order.

use crate::alert;
use crate::grants;
use crate::iam;
use crate::identity;
use crate::model::Field;
use crate::outbox;
use crate::pipeline::table;
use crate::rules;
use crate::store::Migration;

/// The migrations of the store. Numbers are never reused; a change is a new one at the end.
pub const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "ledger, quarantine, counters", sql: table::SCHEMA },
    Migration { number: 2, name: "sessions", sql: identity::table::SCHEMA },
    Migration { number: 3, name: "what correlations counted", sql: rules::table::SCHEMA },
    Migration { number: 4, name: "alerts", sql: alert::table::MIGRATION_SQL },
    Migration { number: 5, name: "outbox", sql: outbox::MIGRATION_SQL },
    Migration { number: 6, name: "what correlations count", sql: rules::table::TOGETHER },
    Migration { number: 7, name: "names and accounts of ours", sql: identity::table::OURS },
    Migration { number: 8, name: "grants", sql: grants::SCHEMA },
    Migration { number: 9, name: "acts that wait for late grants", sql: table::HELD },
    Migration { number: 10, name: "claims", sql: grants::CLAIMS },
    Migration { number: 11, name: "revisions of alerts", sql: alert::REVISIONS_SQL },
    Migration { number: 12, name: "revisions in the outbox", sql: outbox::REVISIONS_SQL },
    Migration { number: 13, name: "acts that were judged", sql: table::JUDGED },
    Migration { number: 14, name: "what was done with grants", sql: grants::USAGE },
    Migration { number: 15, name: "what records told of access", sql: grants::trail::SCHEMA },
    Migration { number: 16, name: "how far use was told of", sql: grants::TOLD },
    Migration { number: 17, name: "policies in time", sql: iam::history::table::SCHEMA },
    Migration { number: 18, name: "grave changes of policies", sql: iam::drift::table::SCHEMA },
    Migration { number: 19, name: "tags of resources", sql: grants::TAGS },
    Migration { number: 20, name: "what holders did", sql: iam::standing::uses::table::SCHEMA },
    Migration { number: 21, name: "the inventory before", sql: iam::standing::news::table::SCHEMA },
    Migration { number: 22, name: "policies to be asked for", sql: iam::want::table::SCHEMA },
    Migration {
        number: 23,
        name: "provisioning of permission sets",
        sql: iam::drift::table::NOTED_SCHEMA,
    },
    Migration { number: 24, name: "uses through grants", sql: iam::standing::uses::table::COVERS },
    Migration { number: 25, name: "what was done and undone", sql: rules::table::UNDOING },
    Migration { number: 26, name: "what was undone, told once", sql: rules::table::UNDOING_TOLD },
];

/// Returns the table of all facts, room by room.
pub fn fields() -> Vec<Field> {
    [identity::FIELDS, grants::FIELDS, iam::FIELDS, rules::FIELDS].concat()
}
