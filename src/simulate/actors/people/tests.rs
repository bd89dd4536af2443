//! Six weeks of sixty people, looked at from all sides.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::*;
use crate::simulate::Flows;
use crate::simulate::call::Call;
use crate::simulate::call::What;
use crate::simulate::diary::GrantMessage;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;

const DAYS: i64 = 42;

/// 2026-03-02, a Monday.
const MONDAY: Seconds = Seconds(1_772_409_600);

/// The sets that are only given for a time.
const ELEVATED: [&str; 4] = ["Operator", "Admin", "DatabaseAdmin", "BreakGlass"];

struct World {
    org: Organisation,
    calls: Vec<Call>,
    messages: Vec<GrantMessage>,
    changes: Vec<(Seconds, Change)>,
}

fn lived(days: i64, disorder: Disorder) -> World {
    let plan = Plan {
        seed: 7,
        start: MONDAY,
        days,
        accounts: 4,
        people: 60,
        volume: 1.0,
        incidents: Vec::new(),
        flows: Flows::LeftOut,
        disorder,
    };
    let org = Organisation::draw(&plan);
    let mut diary = Diary::new(plan.start);
    let mut people = People::of(&plan, &org);
    for day in 0..days {
        people.live(&org, &mut diary, day);
    }
    let calls = diary.take(i64::MAX - 1).calls;
    World { org, calls, messages: diary.messages, changes: diary.changes }
}

static WORLD: LazyLock<World> = LazyLock::new(|| lived(DAYS, Disorder::default()));

/// A call of somebody in a role of Identity Center.
struct Act<'a> {
    person: &'a Person,
    /// The permission set.
    set: &'a str,
    call: &'a Call,
}

impl Act<'_> {
    /// Returns the day and the second of the day, by the clock of the person's office.
    fn local(&self) -> (i64, i64) {
        let local = self.call.at.0 - MONDAY.0 + self.person.office.offset * 3_600;
        (local.div_euclid(86_400), local.rem_euclid(86_400))
    }

    fn is_own(&self) -> bool {
        self.call.by.address.starts_with("198.")
    }
}

/// Returns what people did in their roles, but for services that went on for them.
fn acts(world: &World) -> Vec<Act<'_>> {
    let by_name: BTreeMap<&str, &Person> =
        world.org.people.iter().map(|person| (person.name.as_str(), &**person)).collect();
    let acts = world.calls.iter().filter_map(|call| {
        let (_, role) = call.by.arn.split_once("/AWSReservedSSO_")?;
        let (role, name) = role.split_once('/')?;
        let (set, _) = role.rsplit_once('_')?;
        Some(Act { person: by_name[name], set, call })
    });
    acts.filter(Act::is_own).collect()
}

fn is_weekend(day: i64) -> bool {
    matches!(day.rem_euclid(7), 5 | 6)
}

#[test]
fn people_keep_the_hours_of_their_town() {
    for office in ["Hamburg", "London", "New York", "Bangalore"] {
        let (mut inside, mut all) = (0, 0);
        for act in acts(&WORLD) {
            if act.person.office.name != office || act.set == "BreakGlass" {
                continue;
            }
            let (day, second) = act.local();
            assert!((7 * 3_600..=22 * 3_600).contains(&second), "{office} day {day}: {second}");
            all += 1;
            inside += i32::from((8 * 3_600..19 * 3_600).contains(&second));
        }
        assert!(all > 5_000, "{office}: {all}");
        let share = f64::from(inside) / f64::from(all);
        assert!(share > 0.95, "{office}: {share}");
    }
}

#[test]
fn weekends_and_holidays_are_quiet() {
    let (mut week, mut weekend, mut holi, mut before) = (0.0, 0.0, 0.0, 0.0);
    for act in acts(&WORLD) {
        let (day, _) = act.local();
        *(if is_weekend(day) { &mut weekend } else { &mut week }) += 1.0;
        if act.person.office.name == "Bangalore" && act.set != "BreakGlass" {
            match day {
                2 => holi += 1.0,
                1 => before += 1.0,
                _ => {}
            }
        }
    }
    let share = (weekend / 2.0) / (week / 5.0);
    assert!((0.0001..0.03).contains(&share), "{share} of a working day");
    assert!(before > 200.0 && holi < 0.1 * before, "{holi} after {before}");
}

#[test]
fn a_working_day_has_two_to_five_thousand_records() {
    let mut days: BTreeMap<i64, i64> = BTreeMap::new();
    for call in &WORLD.calls {
        *days.entry((call.at.0 - MONDAY.0).div_euclid(86_400)).or_default() += 1;
    }
    for (day, calls) in days.into_iter().filter(|(day, _)| *day < DAYS && !is_weekend(*day)) {
        assert!((1_800..5_200).contains(&calls), "day {day}: {calls}");
    }
}

#[test]
fn volumes_over_people_follow_zipf() {
    let mut counts: BTreeMap<usize, (f64, BTreeSet<i64>)> = BTreeMap::new();
    for act in acts(&WORLD).iter().filter(|act| !ELEVATED.contains(&act.set)) {
        let (day, _) = act.local();
        let count = counts.entry(act.person.ix).or_default();
        count.0 += 1.0;
        count.1.insert(day);
    }
    // The slope of a line through log(calls a day) over log(rank), by least squares.
    let points: Vec<(f64, f64)> = counts
        .into_iter()
        .map(|(ix, (calls, days))| (((ix + 1) as f64).ln(), (calls / days.len() as f64).ln()))
        .collect();
    let mean =
        |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let exponent = -above / below;
    assert!((0.8..1.0).contains(&exponent), "{exponent}");
}

#[test]
fn whoever_is_not_there_does_nothing() {
    let people = &WORLD.org.people;
    assert!(people.iter().any(|person| person.joined > 0), "somebody joins");
    assert!(people.iter().any(|person| person.left < DAYS), "somebody leaves");
    for act in acts(&WORLD) {
        let (day, _) = act.local();
        assert!(act.person.joined <= day && day < act.person.left, "{} on {day}", act.person.name);
    }
    for person in people.iter().filter(|person| person.joined > 0) {
        let knows = |call: &&Call| call.by.identity.contains(&person.user_id);
        let first = WORLD.calls.iter().filter(knows).map(|call| call.at).min();
        assert!(first.is_none_or(|at| at >= WORLD.org.midnight(person.joined)), "{}", person.name);
    }
}

/// Returns the last word on each grant: the message of the highest revision.
fn last_words(messages: &[GrantMessage]) -> BTreeMap<&str, BTreeMap<u64, &Value>> {
    let mut grants: BTreeMap<&str, BTreeMap<u64, &Value>> = BTreeMap::new();
    for GrantMessage { message, .. } in messages {
        let revisions = grants.entry(message["id"].as_str().unwrap()).or_default();
        let other = revisions.insert(message["revision"].as_u64().unwrap(), message);
        assert!(other.is_none_or(|other| other == message), "one revision says two things");
    }
    grants
}

fn moment(value: &Value) -> Seconds {
    Seconds::parse(value.as_str().unwrap()).unwrap()
}

/// Returns when access began and ended by the messages of a grant, if there was access.
fn access(revisions: &BTreeMap<u64, &Value>) -> Option<(Seconds, Seconds)> {
    revisions.values().find(|message| message["status"] == "active")?;
    let last = revisions.values().next_back()?;
    let window = |edge| moment(&last["window"][edge]);
    let end = match last["status"].as_str().unwrap() {
        "revoked" => moment(&last["emitted_at"]),
        _ => window("not_after"),
    };
    Some((window("not_before"), end))
}

#[test]
fn every_privileged_call_is_covered_by_a_grant_of_whoever_makes_it() {
    let grants = last_words(&WORLD.messages);
    let mut held: BTreeMap<(String, String, String), Vec<(Seconds, Seconds)>> = BTreeMap::new();
    for revisions in grants.values() {
        let Some(time) = access(revisions) else { continue };
        let (who, scope) = (&revisions[&1]["principals"][0], &revisions[&1]["scope"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let key = (
            text(&who["user_name"]),
            text(&scope["accounts"][0]),
            text(&scope["permission_sets"][0]),
        );
        held.entry(key).or_default().push(time);
    }
    let mut privileged = 0;
    for act in acts(&WORLD).iter().filter(|act| ELEVATED.contains(&act.set)) {
        let account = WORLD.org.account(act.call.place.account).id.clone();
        let key = (act.person.name.clone(), account, act.set.to_owned());
        let times = held.get(&key).map_or(&[][..], Vec::as_slice);
        let is_covered = times.iter().any(|(from, end)| *from <= act.call.at && act.call.at < *end);
        assert!(is_covered, "{} {} at {}: {times:?}", act.person.name, act.set, act.call.at);
        privileged += 1;
    }
    assert!(privileged > 1_000, "{privileged}");
}

#[test]
fn nobody_changes_production_without_elevated_access() {
    let development = habits::development(&WORLD.org);
    for act in acts(&WORLD) {
        let What::Routine(routine, None) = &act.call.what else { continue };
        let is_query = routine.name == "StartQueryExecution";
        if routine.sort == crate::simulate::call::Sort::Write && !is_query {
            let is_free = act.call.place.account == development || ELEVATED.contains(&act.set);
            assert!(is_free, "{} {} as {}", act.person.name, routine.name, act.set);
        }
    }
}

#[test]
fn no_session_is_used_after_its_end() {
    for act in acts(&WORLD) {
        let (_, after) = act.call.by.identity.split_once(r#""creationDate":""#).unwrap();
        let started = Seconds::parse(after.split('"').next().unwrap()).unwrap();
        let ends = started.0 + permission_set(act.set).hours * 3_600;
        assert!((started.0..ends).contains(&act.call.at.0), "{} at {}", act.set, act.call.at);
    }
}

#[test]
fn messages_tell_the_same_in_any_order_and_only_what_is_permitted() {
    let permitted = |from: &str, to: &str| match from {
        "requested" => matches!(to, "approved" | "rejected" | "cancelled" | "expired"),
        "approved" => matches!(to, "active"),
        "active" => matches!(to, "extended" | "revoked" | "ended"),
        "extended" => matches!(to, "revoked" | "ended"),
        _ => false,
    };
    let mut seen = BTreeSet::new();
    for (id, revisions) in last_words(&WORLD.messages) {
        let told: Vec<&&Value> = revisions.values().collect();
        assert!(revisions.keys().copied().eq(1..=told.len() as u64), "{id}: a revision is missing");
        assert!(told.is_sorted_by_key(|message| moment(&message["emitted_at"])), "{id}");
        for pair in told.windows(2) {
            let [from, to] = [0, 1].map(|place| pair[place]["status"].as_str().unwrap());
            assert!(permitted(from, to), "{id}: {to} after {from}");
            let is_approved = !matches!(to, "rejected" | "cancelled" | "expired");
            assert_eq!(pair[1].get("approved_at").is_some(), is_approved, "{id}: {to}");
        }
        let last = told.last().unwrap()["status"].as_str().unwrap();
        assert!(!matches!(last, "requested" | "approved" | "active" | "extended"), "{id}: {last}");
        seen.insert(last);
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        ["cancelled", "ended", "expired", "rejected", "revoked"]
    );
}

#[test]
fn messages_are_late_and_repeated_as_often_as_asked_for() {
    let messages = &WORLD.messages;
    let (mut first, mut again): (BTreeMap<String, i64>, i32) = (BTreeMap::new(), 0);
    for GrantMessage { arrives, message } in messages {
        let after = arrives.0 - moment(&message["emitted_at"]).0;
        assert!((1..2_500).contains(&after), "{after}");
        let told = first.entry(message.to_string());
        again += i32::from(matches!(told, std::collections::btree_map::Entry::Occupied(_)));
        told.and_modify(|it| *it = after.min(*it)).or_insert(after);
    }
    let all = first.len() as f64;
    assert!(all > 500.0, "{all}");
    let late = first.values().filter(|after| **after >= 120).count() as f64 / all;
    let again = f64::from(again) / all;
    assert!((late - 0.1).abs() < 0.04, "{late} are late");
    assert!((again - 0.1).abs() < 0.04, "{again} come again");
}

#[test]
fn disorder_changes_when_messages_arrive_and_nothing_else() {
    let (orderly, usual) = (lived(7, Disorder::NONE), lived(7, Disorder::default()));
    assert_eq!(last_words(&orderly.messages), last_words(&usual.messages));
    let ids = |world: &World| world.calls.iter().map(|call| (call.at, call.id)).collect::<Vec<_>>();
    assert_eq!(ids(&orderly), ids(&usual));
    let mut seen = BTreeSet::new();
    for GrantMessage { arrives, message } in &orderly.messages {
        assert!(seen.insert(message.to_string()), "twice: {message}");
        assert!(arrives.0 - moment(&message["emitted_at"]).0 < 5, "late: {message}");
    }
}

#[test]
fn roles_of_fleeting_sets_come_and_go_with_the_access() {
    let mut roles: BTreeMap<&str, Vec<(Seconds, &str)>> = BTreeMap::new();
    for (at, change) in &WORLD.changes {
        let (role, what) = match &change.edit {
            Edit::CreateRole { role, .. } => (role, "created"),
            Edit::DeleteRole { role } => (role, "deleted"),
            Edit::AttachRolePolicy { role, .. } => (role, "attached"),
            Edit::DetachRolePolicy { role, .. } => (role, "detached"),
            other => panic!("{other:?}"),
        };
        roles.entry(role).or_default().push((*at, what));
    }
    assert!(roles.keys().any(|role| role.contains("_BreakGlass_")), "{roles:?}");
    assert!(roles.keys().any(|role| role.contains("_DatabaseAdmin_")), "{roles:?}");
    for (role, mut changes) in roles {
        changes.sort();
        assert_eq!(changes.first().unwrap().1, "created", "{role}");
        assert_eq!(changes.last().unwrap().1, "deleted", "{role}");
        let count = |what| changes.iter().filter(|change| change.1 == what).count();
        assert_eq!((count("created"), count("deleted")), (1, 1), "{role}");
        assert_eq!(count("attached"), count("detached"), "{role}");
        let (made, gone) = (changes.first().unwrap().0, changes.last().unwrap().0);
        for act in acts(&WORLD).iter().filter(|act| act.call.by.arn.contains(role)) {
            assert!(made < act.call.at && act.call.at < gone, "{role} at {}", act.call.at);
        }
    }
}

#[test]
fn what_was_assigned_for_a_time_is_taken_away_at_the_end() {
    let elevated: BTreeSet<String> =
        ELEVATED.iter().map(|set| WORLD.org.permission_set_arn(permission_set(set))).collect();
    let mut balance: BTreeMap<String, i64> = BTreeMap::new();
    for call in &WORLD.calls {
        let What::Written(written) = &call.what else { continue };
        let step = match written.name {
            "CreateAccountAssignment" => 1,
            "DeleteAccountAssignment" => -1,
            _ => continue,
        };
        assert!(call.by.arn.contains("assumed-role/access-broker/"), "{}", call.by.arn);
        if elevated.contains(written.request["permissionSetArn"].as_str().unwrap()) {
            *balance.entry(written.request.to_string()).or_default() += step;
        }
    }
    assert!(balance.len() > 50 && balance.values().all(|count| *count == 0), "{balance:?}");
}

#[test]
fn favourites_differ_from_person_to_person() {
    let mut favourites = BTreeSet::new();
    for life in People::of(
        &Plan {
            seed: 7,
            start: MONDAY,
            days: 1,
            accounts: 4,
            people: 60,
            volume: 1.0,
            incidents: Vec::new(),
            flows: Flows::LeftOut,
            disorder: Disorder::NONE,
        },
        &WORLD.org,
    )
    .lives
    {
        favourites.insert(life.habits.seats[0].topics[0].reads[0].name);
    }
    assert!(favourites.len() > 6, "{favourites:?}");
}

#[test]
fn the_glass_is_broken_about_once_in_ten_days_and_a_reason_is_given() {
    let broken: Vec<&GrantMessage> = WORLD
        .messages
        .iter()
        .filter(|it| it.message["break_glass"] == true && it.message["status"] == "active")
        .collect();
    let grants: BTreeSet<&str> =
        broken.iter().map(|it| it.message["id"].as_str().unwrap()).collect();
    assert!((1..=10).contains(&grants.len()), "{grants:?}");
    for GrantMessage { message, .. } in broken {
        assert!(message["justification"].as_str().unwrap().len() > 10);
        assert_eq!(message["approvers"], serde_json::json!([]));
    }
}

#[test]
fn now_and_then_something_is_denied_or_mistyped_and_the_record_says_so() {
    let (mut denied, mut mistyped, mut all) = (0, 0, 0);
    for act in acts(&WORLD) {
        all += 1;
        let What::Routine(routine, Some(error)) = &act.call.what else { continue };
        let mut text = String::new();
        crate::simulate::record::write(&WORLD.org, act.call, &mut text);
        let record: Value = serde_json::from_str(&text).unwrap();
        let message = record["errorMessage"].as_str().unwrap();
        assert!(!message.contains('$'), "{message}");
        assert_eq!(record["responseElements"], Value::Null);
        if !error.message.contains("$arn") {
            mistyped += 1;
            continue;
        }
        denied += 1;
        assert!(message.contains(&act.call.by.arn), "{message}");
        assert!(!message.contains("20150331") && !message.contains("monitoring:"), "{message}");
        if routine.service == "iam" {
            assert_eq!(record["requestParameters"], Value::Null, "IAM keeps it to itself");
        }
    }
    for (name, count) in [("denied", denied), ("mistyped", mistyped)] {
        let share = f64::from(count) / f64::from(all);
        assert!((0.002..0.012).contains(&share), "{name}: {share}");
    }
}

#[test]
fn some_sign_ins_fail_first_and_no_password_is_tried_often() {
    let mut outcomes: BTreeMap<(String, i64), [i32; 2]> = BTreeMap::new();
    for call in &WORLD.calls {
        let What::Written(written) = &call.what else { continue };
        if written.name != "CredentialVerification" {
            continue;
        }
        let member = |name| written.more.iter().find(|(it, _)| *it == name).map(|(_, it)| it);
        let outcome = &member("serviceEventDetails").unwrap()["CredentialVerification"];
        let who = member("additionalEventData").unwrap()["UserName"].to_string();
        let place = usize::from(outcome == "Failure");
        outcomes.entry((who, call.at.0.div_euclid(86_400))).or_default()[place] += 1;
    }
    let [right, wrong] =
        outcomes.values().fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
    let share = f64::from(wrong) / f64::from(right);
    assert!((0.01..0.05).contains(&share), "{share}");
    assert!(outcomes.values().all(|[_, wrong]| *wrong < 4));
}
