//! The inventory of the accounts that changes touched, over the records of a simulated organisation.

use grantwatch::iam::History;
use grantwatch::iam::lesson;
use grantwatch::iam::snapshot;
use grantwatch::iam::standing::Asking;
use grantwatch::iam::standing::news::Classes;
use grantwatch::iam::standing::news::taken;
use grantwatch::iam::standing::touched::Left;
use grantwatch::iam::standing::touched::Scope;
use grantwatch::iam::standing::uses::Seen;
use grantwatch::model::Seconds;
use grantwatch::model::Slots;
use grantwatch::model::TrailRecord;
use serde_json::Value;

use crate::outside::daemon::House;
use crate::standing::SIMULATE;
use crate::standing::records;
use crate::standing::run;

/// How often an inventory is taken, in seconds.
const EVERY: i64 = 3 * 3_600;

/// An inventory that is held against the one before it.
#[derive(Default)]
struct Kept {
    known: Classes,
    left: Option<Left>,
}

impl Kept {
    /// Takes the inventory of `scope`; returns whom it would tell of.
    fn take(&mut self, history: &History, scope: Scope, now: Seconds) -> Vec<String> {
        let asking = Asking { now, depth: 4, expected: &[] };
        let protected = |action: &str, _: &str| {
            ["iam:", "kms:", "sts:", "lambda:", "s3:Put"].iter().any(|it| action.starts_with(it))
        };
        let left = self.left.take().unwrap_or_default();
        let of = (&self.known, scope, left);
        let taken = taken(history.now(), &protected, &Seen::default(), &asking, of);
        for (row, class) in taken.changes(&self.known) {
            match class {
                Some(class) => drop(self.known.insert(row, class)),
                None => drop(self.known.remove(&row)),
            }
        }
        self.left = Some(taken.left);
        taken.new.iter().map(|row| format!("{row:?}")).collect()
    }
}

#[test]
fn of_a_simulated_organisation_what_was_touched_comes_to_the_same_as_everybody() {
    let house = House::new();
    run(&house, &SIMULATE);
    let mut all: Vec<(Seconds, String)> = Vec::new();
    records(&house.path("drill/AWSLogs"), &mut |record: &Value| {
        let time = Seconds::parse(record["eventTime"].as_str().unwrap()).unwrap();
        all.push((time, record.to_string()));
    });
    all.sort();
    let start = snapshot::read(&[house.path("drill/snapshot/start")]).unwrap();
    let mut history = History::new(start);
    let (mut touched, mut full) = (Kept::default(), Kept::default());
    let (mut due, mut inventories, mut smaller) = (all[0].0, 0, 0);
    for (number, (time, text)) in all.iter().enumerate() {
        let slots = Slots::of(text).unwrap();
        let record = TrailRecord::new(text, &slots);
        if let Some(lesson) = lesson::of(&record) {
            history.take(lesson, *time, &format!("{number}"));
        }
        if *time < due && number + 1 < all.len() {
            continue;
        }
        due = Seconds(time.0 + EVERY);
        let scope = history.touched().scope(history.now(), touched.left.as_ref(), &Seen::default());
        inventories += 1;
        smaller += usize::from(scope != Scope::Everywhere);
        let new = touched.take(&history, scope, *time);
        assert_eq!(new, full.take(&history, Scope::Everywhere, *time), "at {time}");
        assert_eq!(touched.known, full.known, "at {time}");
    }
    assert!(!full.known.is_empty() && inventories > 10, "{inventories}");
    assert!(smaller > inventories / 2, "{smaller} of {inventories}");
}
