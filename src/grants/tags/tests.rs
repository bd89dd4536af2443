//! What is known of tags: whatever order records come in, whatever is forgotten, whatever restarts in between.

use proptest::prelude::*;

use super::history::Edit;
use super::*;
use crate::store::Migration;
use crate::store::Store;

const SCHEMA: &[Migration] = &[Migration { number: 1, name: "tags", sql: table::SCHEMA }];
const DAY: i64 = 86_400;

fn keys() -> Keys {
    Keys(vec!["env".into()])
}

fn tags(limit: usize) -> Tags {
    Tags::new(keys(), Span(DAY), limit)
}

fn put(key: &str, value: &str) -> Edit {
    Edit::Put { key: key.into(), value: value.into() }
}

fn said(time: i64, record: u64, resource: &str, edits: &[Edit]) -> Lesson {
    Lesson { time: Seconds(time), record, changes: vec![(resource.into(), edits.to_vec())] }
}

fn at(tags: &Tags, time: i64, resource: &str) -> String {
    let known = tags.before(Seconds(time), &[resource]);
    let mut shown: Vec<String> =
        known[0].iter().map(|(key, value)| format!("{key}={value}")).collect();
    shown.sort();
    shown.join(" ")
}

#[test]
fn an_act_sees_the_tags_of_its_time() {
    let mut tags = tags(9);
    tags.learn(said(30, 3, "i", &[Edit::Drop { key: "env".into() }]));
    tags.learn(said(10, 1, "i", &[put("env", "prod"), put("Env", "x")]));
    tags.learn(said(20, 2, "i", &[Edit::DropIf { key: "env".into(), value: "dev".into() }]));
    tags.learn(said(40, 4, "i", &[Edit::Clear]));
    for (time, expected) in
        [(10, ""), (11, "Env=x env=prod"), (21, "Env=x env=prod"), (31, "Env=x"), (41, "")]
    {
        assert_eq!(at(&tags, time, "i"), expected, "{time}");
    }
    assert_eq!(at(&tags, 50, "j"), "");
    // A secret is asked for by name, and tagged by its ARN.
    tags.learn(said(1, 5, "arn:aws:secretsmanager:r:1:secret:a", &[put("env", "prod")]));
    assert_eq!(at(&tags, 9, "arn:aws:secretsmanager:r:1:secret:a-??????"), "env=prod");
}

#[test]
fn what_is_asked_for_fits_in_one_spelling_or_in_all() {
    let wanted = |text: &str| -> Wanted {
        BTreeMap::from([("env".to_owned(), vec![Glob(text.to_owned())])])
    };
    for (known, glob, some, all) in [
        (&[("env", "prod")][..], "prod*", true, true),
        (&[("ENV", "prod-eu")], "prod*", true, true),
        (&[("env", "Prod")], "prod*", false, false),
        (&[("env", "prod"), ("Env", "dev")], "prod*", true, false),
        (&[("team", "prod")], "prod*", false, false),
        (&[], "*", false, false),
    ] {
        assert_eq!(fit(&wanted(glob), known), some, "{known:?}");
        assert_eq!(fit_wholly(&wanted(glob), known), all, "{known:?}");
    }
    assert!(fit(&Wanted::new(), &[]) && fit_wholly(&Wanted::new(), &[]));
}

#[test]
fn what_does_not_fit_pushes_out_what_has_no_tag_then_what_is_oldest() {
    let mut tags = tags(3);
    tags.learn(said(90, 1, "bare", &[Edit::Clear]));
    tags.learn(said(20, 2, "b", &[put("env", "prod")]));
    tags.learn(said(10, 3, "a", &[put("env", "prod")]));
    assert_eq!((tags.len(), tags.crowded_out()), (3, 0));
    tags.learn(said(30, 4, "c", &[put("env", "prod")]));
    assert_eq!((tags.len(), tags.crowded_out(), tags.crowded_out()), (3, 1, 0));
    assert_eq!(at(&tags, 99, "a"), "env=prod");
    tags.learn(said(40, 5, "d", &[put("env", "prod")]));
    assert_eq!((at(&tags, 99, "a"), at(&tags, 99, "b")), (String::new(), "env=prod".to_owned()));
}

#[test]
fn what_is_gone_is_forgotten_after_a_while() {
    let mut tags = tags(9);
    tags.learn(said(10, 1, "i", &[put("env", "prod")]));
    tags.learn(said(20, 2, "i", &[Edit::Clear]));
    tags.learn(said(20, 3, "j", &[put("env", "dev")]));
    tags.forget(Seconds(20 + DAY));
    assert_eq!((tags.len(), at(&tags, 15, "i")), (2, "env=prod".to_owned()));
    tags.forget(Seconds(21 + DAY + PAUSE.0));
    assert_eq!((tags.len(), at(&tags, 99, "j")), (1, "env=dev".to_owned()));
    tags.forget(Seconds(i64::MAX));
    assert_eq!(tags.len(), 1, "nothing comes any more, and nothing has grown old by that");
}

#[test]
fn a_flood_of_changes_is_bounded_and_the_last_word_stands() {
    let mut tags = tags(9);
    for number in 0..5_000_u64 {
        let value = if number % 2 == 0 { "prod" } else { "dev" };
        // The second half of them all in one second.
        let time = i64::try_from(number.min(2_500)).unwrap();
        tags.learn(said(time, number, "i", &[put("env", value), put(&format!("x{number}"), "")]));
    }
    let text = serde_json::to_string(&tags.resources["i"]).unwrap();
    assert!(text.matches("time").count() <= 256, "{}", text.len());
    let wanted = BTreeMap::from([("env".to_owned(), vec![Glob("dev".to_owned())])]);
    assert!(fit_wholly(&wanted, &tags.before(Seconds(9_999), &["i"])[0]));
}

fn stored(tags: &mut Tags, store: &mut Store) {
    let tx = store.begin().unwrap();
    tags.save(&tx).unwrap();
    tx.commit().unwrap();
}

fn loaded(config: &str, store: &Store) -> Tags {
    Tags::load(&toml::from_str(config).unwrap(), store.connection()).unwrap()
}

const ASKS_ENV: &str =
    "[[protect]]\nname = 'p'\nlevels = ['write']\nresource_tags = { Env = ['prod*'] }";
const ASKS_TEAM: &str =
    "[[protect]]\nname = 'p'\nlevels = ['write']\nresource_tags = { team = ['a'] }";

#[test]
fn what_nothing_asks_for_any_more_is_forgotten_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("a.db"), SCHEMA).unwrap();
    let mut tags = loaded(ASKS_ENV, &store);
    assert!(tags.is_asked());
    tags.learn(said(10, 1, "i", &[put("env", "prod")]));
    stored(&mut tags, &mut store);
    let mut again = loaded(ASKS_ENV, &store);
    assert_eq!(at(&again, 20, "i"), "env=prod");
    stored(&mut again, &mut store);
    for other in [ASKS_TEAM, ""] {
        let mut other = loaded(other, &store);
        assert!(other.is_empty());
        stored(&mut other, &mut store);
        assert!(loaded(ASKS_ENV, &store).is_empty());
    }
    assert!(!loaded("", &store).is_asked());
}

fn edits() -> impl Strategy<Value = Edit> {
    let key = prop_oneof![Just("env"), Just("Env")];
    let value = prop_oneof![Just("prod"), Just("dev")];
    (key, value, 0..4_u8).prop_map(|(key, value, kind)| match kind {
        0 | 1 => put(key, value),
        2 => Edit::Drop { key: key.into() },
        _ => Edit::DropIf { key: key.into(), value: value.into() },
    })
}

fn lessons() -> impl Strategy<Value = Vec<Lesson>> {
    let one = (0..9_i64, 0..3_u8, prop::collection::vec(edits(), 0..3), prop::bool::weighted(0.2));
    prop::collection::vec(one, 1..12).prop_map(|all| {
        let lesson =
            |(number, (time, resource, mut edits, is_clear)): (u64, (i64, u8, Vec<Edit>, bool))| {
                if is_clear {
                    edits.insert(0, Edit::Clear);
                }
                said(time * 3_600, number, &resource.to_string(), &edits)
            };
        (0_u64..).zip(all).map(lesson).collect()
    })
}

/// What a plain model says: all that was said of the resource before that, in the order of time.
fn model(lessons: &[Lesson], time: i64, resource: &str) -> String {
    let mut said: Vec<&Lesson> =
        lessons.iter().filter(|it| it.time.0 < time && *it.changes[0].0 == *resource).collect();
    said.sort_by_key(|it| (it.time, it.record));
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for edit in said.iter().flat_map(|it| &it.changes[0].1) {
        match edit {
            Edit::Put { key, value } => drop(known.insert(key, value)),
            Edit::Drop { key } => drop(known.remove(&**key)),
            Edit::DropIf { key, value } => {
                if known.get(&**key) == Some(&&**value) {
                    known.remove(&**key);
                }
            }
            Edit::Clear => known.clear(),
        }
    }
    let shown: Vec<String> = known.iter().map(|(key, value)| format!("{key}={value}")).collect();
    shown.join(" ")
}

proptest! {
    #[test]
    fn any_order_repetition_and_restart_gives_the_tags_of_every_moment(
        lessons in lessons(),
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        again in 0..12_usize,
        restart in 0..12_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("a.db"), SCHEMA).unwrap();
        let mut tags = tags(99);
        let turned = order.iter().chain([&again]).filter_map(|place| lessons.get(*place));
        for (count, lesson) in turned.enumerate() {
            tags.learn(lesson.clone());
            stored(&mut tags, &mut store);
            if count == restart {
                tags = loaded(ASKS_ENV, &store);
            }
        }
        for resource in ["0", "1", "2"] {
            for time in 0..10 {
                let time = time * 3_600 - 1_800;
                prop_assert_eq!(at(&tags, time, resource), model(&lessons, time, resource));
            }
        }
    }

    #[test]
    fn what_is_settled_says_the_same_of_all_that_comes_after(
        lessons in lessons(),
        order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
        settled in 0..9_i64,
        split in 0..12_usize,
    ) {
        let mut tags = tags(99);
        let turned: Vec<&Lesson> = order.iter().filter_map(|place| lessons.get(*place)).collect();
        let (early, late) = turned.split_at(split.min(turned.len()));
        let horizon = settled * 3_600 - 1_800;
        early.iter().for_each(|lesson| tags.learn((*lesson).clone()));
        tags.forget(Seconds(horizon + DAY));
        // What is as late as this is no more than the watermark allows.
        let late: Vec<&&Lesson> = late.iter().filter(|it| it.time.0 >= horizon).collect();
        late.iter().for_each(|lesson| tags.learn((**lesson).clone()));
        let all: Vec<Lesson> = early.iter().chain(late.into_iter()).map(|it| (*it).clone()).collect();
        for resource in ["0", "1", "2"] {
            for time in settled..10 {
                let time = time * 3_600 - 1_800;
                prop_assert_eq!(at(&tags, time, resource), model(&all, time, resource));
            }
        }
    }
}
