//! The ledger is a set: order, repetition, splitting and restarts change nothing.

use proptest::prelude::*;
use proptest::sample::select;

use crate::grants::Act;
use crate::grants::Applied;
use crate::grants::Delegates;
use crate::grants::Evidence;
use crate::grants::Grant;
use crate::grants::GrantId;
use crate::grants::Judgement;
use crate::grants::Ledger;
use crate::grants::Principal;
use crate::grants::SCHEMA;
use crate::grants::Settings;
use crate::grants::Status;
use crate::grants::Version;
use crate::grants::Window;
use crate::grants::testkit::HOME;
use crate::grants::testkit::act;
use crate::grants::testkit::at;
use crate::grants::testkit::judge;
use crate::grants::testkit::texts;
use crate::grants::testkit::then;
use crate::grants::testkit::user;
use crate::grants::testkit::version;
use crate::model::Seconds;
use crate::store::Migration;
use crate::store::Store;

const MIGRATIONS: [Migration; 1] = [Migration { number: 1, name: "grants", sql: SCHEMA }];

const STATUSES: [Status; 11] = [
    Status::Requested,
    Status::Approved,
    Status::Scheduled,
    Status::Active,
    Status::Extended,
    Status::Revoked,
    Status::Expired,
    Status::Ended,
    Status::Rejected,
    Status::Cancelled,
    Status::Failed,
];

fn evidence(from: &str, clock: &str) -> Evidence {
    Evidence { from: from.into(), arrived: at(clock) }
}

fn hour(hour: i64) -> Seconds {
    Seconds(at("00:00").0 + hour * 3_600)
}

/// Messages of a few grants to a few people, contradictions and all.
fn message() -> impl Strategy<Value = (Version, Evidence)> {
    let principals = vec![
        user("", "alice@example.com"),
        user("u-1", ""),
        Principal::IamRoleArn { arn: "arn:aws:iam::111122223333:role/aws-reserved/*".into() },
        Principal::Account { account: HOME.into() },
    ];
    let when = (0..4_u64, 7..13_i64, 8..12_i64, 1..5_i64, proptest::option::of(7..13_i64));
    let what = (select(vec!["iam:*", "s3:*"]), any::<bool>(), 0..3_i64);
    (select(vec!["g-1", "g-2", "g-3"]), select(STATUSES.to_vec()), select(principals), when, what)
        .prop_map(|(id, status, principal, when, (action, break_glass, arrived))| {
            let (revision, emitted, from, length, approved) = when;
            let mut version = Version {
                revision,
                status,
                break_glass,
                emitted_at: hour(emitted),
                principals: vec![principal],
                window: Window { from: hour(from), until: hour(from + length) },
                approved_at: approved.map(hour),
                delegates: Delegates::default(),
                ..version(id)
            };
            version.scope.actions = texts(&[action]);
            (version, Evidence { from: "queue".into(), arrived: hour(arrived) })
        })
}

type Messages = Vec<(Version, Evidence)>;

/// Messages, and the same in another order, some of them several times.
fn shuffled() -> impl Strategy<Value = (Messages, Messages)> {
    let repeated = proptest::collection::vec(any::<proptest::sample::Index>(), 0..12);
    let messages = proptest::collection::vec(message(), 1..24);
    (messages, repeated).prop_flat_map(|(messages, repeated)| {
        let mut again = messages.clone();
        again.extend(repeated.iter().map(|index| index.get(&messages).clone()));
        (Just(messages), Just(again).prop_shuffle())
    })
}

fn acts() -> Vec<Act<'static>> {
    let mut acts = Vec::new();
    for half_hour in 14..36 {
        let time = Seconds(at("00:00").0 + half_hour * 1_800);
        for (identity, user_id) in
            [("person:alice@example.com", ""), ("person:bob@example.com", "u-1"), ("unknown:x", "")]
        {
            acts.push(Act { time, identity, user_id, origin: identity, ..act("10:00") });
        }
    }
    acts
}

fn told(ledger: &Ledger) -> (Vec<Grant>, Vec<Judgement>) {
    let grants = ledger.iter().cloned().collect();
    let settings = Settings::default();
    (grants, acts().iter().map(|act| ledger.judge(&settings, act)).collect())
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing((messages, again) in shuffled()) {
        let mut one = Ledger::default();
        for (version, evidence) in messages {
            one.apply(version, evidence);
        }
        let mut other = Ledger::default();
        for (version, evidence) in again {
            other.apply(version, evidence);
        }
        prop_assert_eq!(told(&one), told(&other));
    }

    #[test]
    fn covered_is_what_some_grant_covers_by_itself(messages in proptest::collection::vec(message(), 1..16)) {
        let mut all = Ledger::default();
        let mut alone: std::collections::BTreeMap<GrantId, Ledger> = Default::default();
        for (version, evidence) in messages {
            alone.entry(version.id.clone()).or_default().apply(version.clone(), evidence.clone());
            all.apply(version, evidence);
        }
        for act in acts() {
            let is_covered = |ledger: &Ledger| judge(ledger, &act).verdict.name() == "covered";
            prop_assert_eq!(is_covered(&all), alone.values().any(is_covered));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_restart_after_any_message_changes_nothing(
        messages in proptest::collection::vec(message(), 1..12),
        at in 0..12_usize,
    ) {
        let mut whole = Ledger::default();
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("a.db"), &MIGRATIONS).unwrap();
        let mut ledger = Ledger::default();
        for (place, (version, evidence)) in messages.into_iter().enumerate() {
            whole.apply(version.clone(), evidence.clone());
            ledger.apply(version, evidence);
            if place == at || place % 4 == 0 {
                save(&mut store, &mut ledger);
            }
            if place == at {
                ledger = Ledger::default();
                ledger.load(store.connection()).unwrap();
            }
        }
        save(&mut store, &mut ledger);
        let mut loaded = Ledger::default();
        loaded.load(store.connection()).unwrap();
        prop_assert_eq!(told(&loaded), told(&whole));
    }
}

fn save(store: &mut Store, ledger: &mut Ledger) {
    let tx = store.begin().unwrap();
    ledger.save(&tx).unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_message_is_new_once_and_contradictions_are_told() {
    let mut ledger = Ledger::default();
    let active = version("g-1");
    assert_eq!(ledger.apply(active.clone(), evidence("file:2", "10:00")), Applied::New);
    assert_eq!(ledger.apply(active.clone(), evidence("file:1", "09:56")), Applied::Duplicate);
    let longer = Window { until: at("20:00"), ..active.window };
    let other = Version { window: longer, ..active.clone() };
    assert_eq!(ledger.apply(other, evidence("queue", "10:01")), Applied::Conflict);
    let approved = Version { status: Status::Approved, ..active.clone() };
    assert_eq!(
        ledger.apply(approved, evidence("queue", "10:01")),
        Applied::New,
        "a second is long"
    );
    assert_eq!(ledger.len(), 1);
    let grant = ledger.get(&active.id).unwrap();
    assert_eq!(grant.versions().count(), 3);
    assert_eq!(grant.latest().window, active.window, "the shorter of the two counts");
    assert_eq!(grant.versions().next_back().unwrap().1.from.as_ref(), "file:1");
}

#[test]
fn the_state_is_that_of_the_time_that_is_asked_for() {
    let active = version("g-1");
    let revoked = then(&active, Status::Revoked, "11:00");
    let ended = then(&revoked, Status::Ended, "11:30");
    let requested = Version {
        status: Status::Requested,
        revision: 0,
        emitted_at: at("09:41"),
        approved_at: None,
        ..active.clone()
    };
    let mut ledger = Ledger::default();
    for version in [ended, revoked, active.clone(), requested] {
        ledger.apply(version, Evidence::default());
    }
    let grant = ledger.get(&active.id).unwrap();
    let status = |clock: &str| grant.as_of(at(clock)).map(|version| version.status);
    assert_eq!(status("08:49"), None);
    assert_eq!(status("09:45"), Some(Status::Requested));
    assert_eq!(status("09:52"), Some(Status::Active), "from its approval on");
    assert_eq!(status("11:00"), Some(Status::Revoked));
    assert_eq!(status("11:45"), Some(Status::Revoked), "nothing follows a final state");
    assert_eq!(grant.latest().status, Status::Ended);
}

#[test]
fn a_long_history_does_not_hide_what_holds() {
    let mut ledger = Ledger::default();
    let day = 86_400;
    // One that holds all the time began before all the others.
    let mut long = version("g-long");
    long.window = Window { from: Seconds(at("10:00").0 - 400 * day), until: at("12:00") };
    (long.approved_at, long.emitted_at) = (Some(long.window.from), long.window.from);
    long.scope.actions = texts(&["iam:CreateUser"]);
    for past in 1..300 {
        let mut version = version(&format!("g-{past}"));
        for time in [&mut version.window.from, &mut version.window.until, &mut version.emitted_at] {
            time.0 -= past * day;
        }
        version.approved_at = None;
        ledger.apply(version, Evidence::default());
        if past == 150 {
            ledger.apply(long.clone(), Evidence::default());
        }
    }
    assert_eq!(judge(&ledger, &act("11:00")).grant.unwrap().0.as_ref(), "g-long");
    let other = Act { action: "iam:DeleteUser", ..act("11:00") };
    let reason = "grant g-long does not cover iam:DeleteUser";
    assert_eq!(judge(&ledger, &other).reason, reason, "the one that its session began in");
    let unknown = Act { session_started: None, ..other };
    let reason = "grant g-1 ended 23h before";
    assert_eq!(judge(&ledger, &unknown).reason, reason, "the last of the past ones");
}

#[test]
fn pages_hold_whole_grants_and_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("a.db"), &MIGRATIONS).unwrap();
    let mut ledger = Ledger::default();
    for id in ["g-1", "g-2", "g-3", "g-4"] {
        for revision in 1..4 {
            let version = Version { revision, ..version(id) };
            ledger.apply(version, evidence("queue", "10:00"));
        }
    }
    save(&mut store, &mut ledger);
    let (mut after, mut sizes, mut found) = (String::new(), Vec::new(), Vec::new());
    loop {
        let mut page = Ledger::default();
        let next = page.load_after(store.connection(), &after, 4).unwrap();
        sizes.push(page.len());
        found.extend(page.iter().cloned());
        let Some(next) = next else { break };
        after = next.0.into_string();
    }
    assert_eq!(sizes, [2, 2]);
    assert!(found.iter().eq(ledger.iter()), "{found:?}");
    let mut one = Ledger::default();
    one.load_one(store.connection(), &GrantId("g-3".into())).unwrap();
    assert_eq!(one.iter().collect::<Vec<_>>(), [ledger.get(&GrantId("g-3".into())).unwrap()]);
}

#[test]
fn the_clock_begins_and_ends_a_grant_where_nobody_said_so() {
    let mut ledger = Ledger::default();
    ledger.apply(version("g-1"), evidence("queue", "10:00"));
    let grant = ledger.get(&GrantId("g-1".into())).unwrap();
    let states = ["09:00", "09:55", "10:00", "11:59", "12:00"].map(|clock| grant.state(at(clock)));
    let (scheduled, active) = (Some(Status::Scheduled), Some(Status::Active));
    assert_eq!(states, [None, scheduled, active, active, Some(Status::Ended)]);
}
