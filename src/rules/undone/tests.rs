//! Stories of what was done and undone: told in any order, twice and over restarts it comes to the same.

use std::sync::Arc;
use std::sync::LazyLock;

use super::*;
use crate::model::Field;
use crate::model::Record;
use crate::model::Scope;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::rules::Config;
use crate::rules::Source;
use crate::store::Migration;
use crate::store::Store;

const TABLES: &[Migration] =
    &[Migration { number: 1, name: "undoing", sql: crate::rules::table::UNDOING }];

const FACTS: &[Field] = &[Field {
    name: "gw.identity.name",
    kind: "text",
    scope: Scope::Session,
    meaning: "",
    example: "",
}];

const BY_NAME: &str = "{when: {eventName: [Start, StartAll]}, same: [name]}";
const BY_GROUP: &str = "{when: {eventName: [StartAll, Make]}, same: [group]}";

/// A detector of stops that are undone by these ways.
fn detector(name: &str, calls: &str, ways: &[&str]) -> Source {
    let text = format!(
        "title: {name}\nid: {name}\nlogsource: {{product: aws, service: cloudtrail}}\n\
         detection: {{s: {{eventName: {calls}}}, condition: s}}\n\
         grantwatch: {{alert: {{undone_by: [{}]}}}}\n",
        ways.join(", ")
    );
    Source { path: format!("mine/{name}.yml").into(), text }
}

fn load(sources: &[Source]) -> Arc<Rules> {
    let (rules, problems) = Rules::load(&Config::default(), sources, FACTS);
    assert!(problems.is_empty(), "{problems:?}");
    Arc::new(rules)
}

/// Two detectors: one whose matches are undone in two ways, and one that tells of some of the same calls.
static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| {
    let both = detector("stopped", "Stop", &[BY_NAME, BY_GROUP]);
    load(&[both, detector("lowered", "[Stop, Lower]", &[BY_NAME])])
});

/// A call as a line: seconds, its id, its name, what it names, and who made it.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    time: Seconds,
    id: &'static str,
    text: String,
    by: &'static str,
}

fn line(written: &'static str) -> Line {
    let words: Vec<&str> = written.split_whitespace().collect();
    let mut record = json!({
        "eventSource": "cloudtrail.amazonaws.com", "eventName": words[2], "eventID": words[1],
        "recipientAccountId": "111122223333", "awsRegion": "eu-west-1",
    });
    for (name, value) in words[4..].iter().filter_map(|word| word.split_once('=')) {
        record[name] = value.into();
    }
    Line {
        time: Seconds(words[0].parse().unwrap()),
        id: words[1],
        text: record.to_string(),
        by: words[3],
    }
}

fn lines(written: &[&'static str]) -> Vec<Line> {
    written.iter().map(|written| line(written)).collect()
}

/// What is remembered, and what came of it.
struct Room {
    rules: Arc<Rules>,
    undoing: Undoing,
    newest: Seconds,
    lateness: Span,
    told: Vec<String>,
    closed: Vec<String>,
}

impl Room {
    fn new(lateness: i64) -> Self {
        Self::of(&RULES, lateness)
    }

    fn of(rules: &Arc<Rules>, lateness: i64) -> Self {
        let undoing = Undoing { within: Span(1_000), ..Undoing::default() };
        let (told, closed) = (Vec::new(), Vec::new());
        let newest = Seconds(i64::MIN);
        let (rules, lateness) = (Arc::clone(rules), Span(lateness));
        Self { rules, undoing, newest, lateness, told, closed }
    }

    /// Reads a call as the core does, and lets time come as far as it says.
    fn read(&mut self, line: &Line) {
        let slots = Slots::of(&line.text).unwrap();
        let record = Record::Trail(TrailRecord::new(&line.text, &slots));
        let mut facts = Facts::default();
        facts.set("gw.identity.name", line.by);
        let event = Event { time: line.time, record, session: None, facts };
        let of = (&event, line.id);
        for (number, rule) in (0u32..).zip(&self.rules.rules) {
            if !rule.matches(&event) {
                continue;
            }
            if rule.undoes.is_some() {
                self.undoing.undo(&self.rules, number, of, "a/file");
            } else {
                let alert = AlertId(format!("{}/{}", rule.detector.name, line.id));
                self.undoing.told(&self.rules, number, of, (&alert, "a/file"));
            }
        }
        self.newest = self.newest.max(line.time);
        self.time_comes(self.newest.plus(Span(-self.lateness.0)));
    }

    fn time_comes(&mut self, watermark: Seconds) {
        for spoken in self.undoing.due(watermark) {
            let record: Value = serde_json::from_str(&spoken.text).unwrap();
            let text = |name: &str| match spoken.facts.get(name) {
                Some(fact) => fact.to_string(),
                None => "nobody".to_owned(),
            };
            let asked = &record["requestParameters"];
            self.told.push(format!(
                "{} {} {} by {}, {} {} by {} after {}",
                text("gw.undoes.alert"),
                asked["match"]["eventName"].as_str().unwrap(),
                asked["evidence"][0].as_str().unwrap(),
                text("gw.undoes.by"),
                asked["undoing"]["eventName"].as_str().unwrap(),
                asked["evidence"][1].as_str().unwrap(),
                text("gw.identity.name"),
                text("gw.undoes.stood_seconds"),
            ));
        }
        for undone in self.undoing.closed() {
            let alert = undone.alert.0;
            if !self.closed.contains(&alert) {
                self.closed.push(alert);
            }
        }
    }

    fn restart(&mut self, store: &mut Store) {
        let watermark = self.newest.plus(Span(-self.lateness.0));
        let tx = store.begin().unwrap();
        self.undoing.save(&tx, watermark).unwrap();
        tx.commit().unwrap();
        self.undoing = Undoing::load(self.undoing.within, store.connection()).unwrap();
    }

    /// Returns what was told and which alerts were closed, once nothing comes any more.
    fn end(mut self) -> (Vec<String>, Vec<String>) {
        self.time_comes(Seconds(i64::MAX));
        self.told.sort();
        self.closed.sort();
        (self.told, self.closed)
    }
}

/// All orders of the numbers below `count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for number in 0..count {
        let places = |order: Vec<usize>| {
            (0..=order.len()).map(move |place| {
                let mut longer = order.clone();
                longer.insert(place, number);
                longer
            })
        };
        all = all.into_iter().flat_map(places).collect();
    }
    all
}

const DAY: [&str; 7] = [
    "000 s1 Stop     ana name=a",
    "100 s2 Stop     bob name=b group=x",
    "150 l1 Lower    ana name=a",
    "200 b1 Start    ana name=a",
    "200 b2 StartAll bob name=a group=x",
    "300 b3 Start    eve name=b",
    "500 s3 Stop     ana name=a",
];

const TOLD: [&str; 5] = [
    "lowered/l1 Lower l1 by ana, Start b1 by ana after 50",
    "lowered/s1 Stop s1 by ana, Start b1 by ana after 200",
    "lowered/s2 Stop s2 by bob, Start b3 by eve after 200",
    "stopped/s1 Stop s1 by ana, Start b1 by ana after 200",
    "stopped/s2 Stop s2 by bob, StartAll b2 by bob after 100",
];

const CLOSED: [&str; 5] = ["lowered/l1", "lowered/s1", "lowered/s2", "stopped/s1", "stopped/s2"];

#[track_caller]
fn assert_ends_so(room: Room, how: &str) {
    let (told, closed) = room.end();
    assert_eq!(told, TOLD, "{how}");
    assert_eq!(closed, CLOSED, "{how}");
}

#[test]
fn any_order_told_twice_gives_the_same_signals() {
    // The last call of the day undoes nothing and is not undone.
    let day = lines(&DAY[..6]);
    for order in orders(day.len()) {
        let mut room = Room::new(1_000);
        order.iter().chain(&order).for_each(|number| room.read(&day[*number]));
        assert!(room.told.is_empty(), "something earlier may come: {:?}", room.told);
        assert_ends_so(room, &format!("{order:?}"));
    }
}

#[test]
fn any_order_within_the_lateness_gives_the_same_signals_while_time_goes_on() {
    let day = lines(&DAY);
    let lateness = 150;
    let is_within = |order: &Vec<usize>| {
        let mut newest = Seconds(i64::MIN);
        order.iter().all(|number| {
            let time = day[*number].time;
            newest = newest.max(time);
            time >= newest.plus(Span(-lateness))
        })
    };
    let all: Vec<Vec<usize>> = orders(DAY.len()).into_iter().filter(is_within).collect();
    assert!(all.len() > 100, "{} orders", all.len());
    for order in all {
        let mut room = Room::new(lateness);
        order.iter().for_each(|number| room.read(&day[*number]));
        assert_eq!(room.told.len(), TOLD.len(), "500 was read, so 300 is final: {order:?}");
        assert_ends_so(room, &format!("{order:?}"));
    }
}

#[test]
fn a_restart_after_any_call_changes_nothing() {
    let day = lines(&DAY);
    for order in orders(DAY.len()).into_iter().step_by(252) {
        for lateness in [0, 1_000] {
            let folder = tempfile::tempdir().unwrap();
            let mut store = Store::open(&folder.path().join("a.db"), TABLES).unwrap();
            let (mut one, mut other) = (Room::new(lateness), Room::new(lateness));
            for number in order.iter().chain(&order) {
                one.read(&day[*number]);
                other.read(&day[*number]);
                other.restart(&mut store);
            }
            let (one, other) = (one.end(), other.end());
            assert_eq!(one, other, "{order:?}");
            assert_eq!(other.1, CLOSED, "{order:?}");
        }
    }
}

#[test]
fn what_comes_later_than_allowed_is_linked_and_changes_nothing_that_was_told() {
    let mut room = Room::new(60);
    let day = [
        "000 s1 Stop  ana name=a",
        "300 b1 Start ana name=a",
        "361 x1 Other ana name=z",
        "200 b0 Start eve name=a",
        "250 s2 Stop  bob name=a",
    ];
    lines(&day).iter().for_each(|line| room.read(line));
    let (told, closed) = room.end();
    let expected = [
        "lowered/s1 Stop s1 by ana, Start b1 by ana after 300",
        "lowered/s2 Stop s2 by bob, Start b1 by ana after 50",
        "stopped/s1 Stop s1 by ana, Start b1 by ana after 300",
        "stopped/s2 Stop s2 by bob, Start b1 by ana after 50",
    ];
    assert_eq!(told, expected);
    assert_eq!(closed, ["lowered/s1", "lowered/s2", "stopped/s1", "stopped/s2"]);
}

#[test]
fn what_lies_further_apart_or_in_one_second_is_not_linked() {
    for day in [
        ["000 s1 Stop  ana name=a", "1001 b1 Start ana name=a"],
        ["000 s1 Stop  ana name=a", "000 b1 Start ana name=a"],
        ["001 s1 Stop  ana name=a", "000 b1 Start ana name=a"],
        ["000 s1 Stop  ana name=a", "100 b1 Start ana group=a"],
    ] {
        let mut room = Room::new(0);
        lines(&day).iter().for_each(|line| room.read(line));
        assert_eq!(room.end(), (Vec::new(), Vec::new()), "{day:?}");
    }
    let mut room = Room::new(0);
    let day = ["000 s1 Stop  ana name=a", "1000 b1 Start ana name=a"];
    lines(&day).iter().for_each(|line| room.read(line));
    assert_eq!(room.end().1, ["lowered/s1", "stopped/s1"]);
}

#[test]
fn a_call_that_undoes_in_two_ways_does_both_also_where_it_is_read_first() {
    let day = [
        "100 b1 StartAll ana name=a group=x",
        "000 s1 Stop     ana name=a",
        "010 s2 Stop     ana group=x",
    ];
    let mut room = Room::new(1_000);
    lines(&day).iter().for_each(|line| room.read(line));
    assert_eq!(room.end().1, ["lowered/s1", "stopped/s1", "stopped/s2"]);
}

#[test]
fn ways_that_change_their_places_in_a_file_are_not_mistaken_for_each_other() {
    let mut room = Room::of(&load(&[detector("stopped", "Stop", &[BY_NAME, BY_GROUP])]), 1_000);
    let day = lines(&[
        "000 s1 Stop  ana name=a group=x",
        "010 m1 Make  ana group=a",
        "020 b1 Start ana name=a",
    ]);
    room.read(&day[0]);
    room.rules = load(&[detector("stopped", "Stop", &[BY_GROUP, BY_NAME])]);
    room.read(&day[1]);
    room.read(&day[2]);
    assert_eq!(room.end().0, ["stopped/s1 Stop s1 by ana, Start b1 by ana after 20"]);
}

#[test]
fn of_too_much_the_oldest_is_forgotten_and_what_waited_of_it_is_told() {
    let rules = load(&[detector("stopped", "Stop", &[BY_NAME])]);
    let mut room = Room::of(&rules, i64::from(u32::MAX));
    let first = ["000 s1 Stop  ana name=a", "001 b1 Start ana name=a", "002 s2 Stop  ana name=b"];
    lines(&first).iter().for_each(|line| room.read(line));
    let many = line("003 s Stop ana name=c");
    for number in 0..MAX_KEPT - 2 {
        let text = many.text.clone();
        let id: &'static str = Box::leak(number.to_string().into_boxed_str());
        room.read(&Line { id, text, ..many.clone() });
    }
    assert_eq!(room.undoing.acts.len(), MAX_KEPT);
    assert_eq!(room.told, ["stopped/s1 Stop s1 by ana, Start b1 by ana after 1"]);
    room.read(&line("004 b2 Start ana name=b"));
    assert_eq!(room.closed, ["stopped/s1", "stopped/s2"], "what came next is still there");
}

#[test]
fn a_call_that_names_too_much_is_not_linked() {
    let long = "n".repeat(20_000);
    let mut room = Room::new(0);
    for line in lines(&["000 s1 Stop ana name=a", "100 b1 Start ana name=a"]) {
        let mut record: Value = serde_json::from_str(&line.text).unwrap();
        record["name"] = long.as_str().into();
        room.read(&Line { text: record.to_string(), ..line });
    }
    assert_eq!(room.undoing.acts.len(), 0);
    assert_eq!(room.end(), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_no_call_is_not_undone_by_one() {
    let source = detector("told", "GrantResidue", &[BY_NAME]);
    let signals = source.text.replace("product: aws, service: cloudtrail", "product: grantwatch");
    let source = Source { text: signals, ..source };
    let (_, problems) = Rules::load(&Config::default(), &[source], FACTS);
    let said: Vec<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(said, ["undone_by: it names calls, so its log source has to be CloudTrail's"]);
}
