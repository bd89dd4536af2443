//! Stories of alerts and incidents.

use serde_json::Value;
use serde_json::json;

use super::*;

const EVENT: &str = "01234567-89ab-4def-bedc-ba9876543210";

fn truth(name: &str) -> Truth {
    Truth {
        schema: Truth::SCHEMA.to_owned(),
        name: name.to_owned(),
        what: String::new(),
        expect: "the person is named".to_owned(),
        techniques: Vec::new(),
        identity: "person:ana@example.com".to_owned(),
        aliases: Vec::new(),
        accounts: Vec::new(),
        first: "2026-03-02T10:00:00Z".to_owned(),
        last: "2026-03-02T11:00:00Z".to_owned(),
        events: vec![EVENT.to_owned()],
        addresses: Vec::new(),
        grants: Vec::new(),
        objects: Vec::new(),
    }
}

/// Returns an alert of `detector` at `time` on 2 March, with `changes` to its JSON.
fn alert(id: &str, detector: &str, time: &str, changes: Value) -> Alert {
    let moment = format!("2026-03-02T{time}Z");
    let mut alert = json!({
        "schema_version": 1, "id": id, "detector_id": detector, "detector": detector,
        "severity": "high", "title": "", "story": "",
        "who": {"name": "person:bob@example.com", "kind": "person", "raw_type": "", "raw_arn": "", "access_key": ""},
        "what": "iam:CreateUser", "account": "111122223333", "region": "us-east-1", "source": "192.0.2.1",
        "user_agent": "", "facts": {}, "event": {"eventSource": "iam.amazonaws.com", "eventID": "other"},
        "event_truncated": false, "event_ids": ["111122223333/other"], "attack": [], "respond": [],
        "falsepositives": [], "references": [], "group": {}, "count": 1,
        "first_seen": moment, "last_seen": moment, "object": "",
    });
    for (path, value) in changes.as_object().unwrap() {
        *alert.pointer_mut(&format!("/{path}")).unwrap() = value.clone();
    }
    serde_json::from_value(alert).unwrap()
}

fn scored(incidents: Vec<Truth>, alerts: Vec<Alert>) -> Scores {
    evaluate(&Truths { simulation: None, incidents }, alerts, Severity::Informational)
}

fn counts(id: &str) -> Value {
    json!({"event_ids": ["111122223333/other", format!("111122223333/{id}")]})
}

#[test]
fn an_alert_that_counts_an_event_of_the_incident_belongs_to_it() {
    let late = alert("a", "late", "10:20:00", counts(EVENT));
    let soon = alert("b", "soon", "10:02:00", counts(EVENT));
    let other = alert("c", "other", "10:05:00", json!({}));
    let scores = scored(vec![truth("theft")], vec![late, other, soon]);
    let incident = &scores.incidents[0];
    assert_eq!(incident.finding, Finding::Detected);
    assert_eq!(incident.detectors, ["soon", "late"]);
    assert_eq!(incident.seconds_to_alert, Some(120));
    assert_eq!(incident.identity, Named::Wrong, "all alerts name bob");
    assert_eq!(scores.totals.recall, Some(1.0));
    assert_eq!(scores.totals.identity_accuracy, Some(0.0));
    assert_eq!(scores.totals.precision, Some(2.0 / 3.0));
    assert_eq!(scores.totals.false_alerts["high"], 1);
    let other = scores.detectors.iter().find(|it| it.detector == "other").unwrap();
    assert_eq!((other.precision, other.recall), (Some(0.0), Some(0.0)));
}

#[test]
fn the_event_that_triggered_it_is_enough_and_so_is_the_first_version_of_a_record() {
    for event in [
        json!({"eventSource": "iam.amazonaws.com", "eventID": EVENT}),
        json!({"eventSource": "iam.amazonaws.com", "eventID": "later", "addendum": {"originalEventID": EVENT}}),
    ] {
        let scores = scored(
            vec![truth("theft")],
            vec![alert("a", "d", "10:02:00", json!({"event": event}))],
        );
        assert_eq!(scores.totals.detected, 1);
    }
}

#[test]
fn a_call_of_the_same_person_that_is_no_part_of_the_incident_does_not_count() {
    let theirs = json!({"who/name": "person:ana@example.com", "story": "from 203.0.113.66"});
    let incident = Truth { addresses: vec!["203.0.113.66".to_owned()], ..truth("theft") };
    let scores = scored(vec![incident], vec![alert("a", "d", "10:02:00", theirs)]);
    assert_eq!(scores.totals.detected, 0);
    assert_eq!(scores.incidents[0].identity, Named::Open);
    assert_eq!(scores.incidents[0].seconds_to_alert, None);
}

#[test]
fn a_flow_belongs_by_its_whole_address() {
    let incident = Truth { addresses: vec!["203.0.113.6".to_owned()], ..truth("beacon") };
    let to = |address: &str| {
        let event = json!({"srcaddr": "10.20.0.4", "dstaddr": address});
        alert("a", "d", "10:02:00", json!({"event": event, "event_ids": ["flow/00"]}))
    };
    assert_eq!(scored(vec![incident.clone()], vec![to("203.0.113.6")]).totals.detected, 1);
    assert_eq!(scored(vec![incident.clone()], vec![to("203.0.113.66")]).totals.detected, 0);
    // As a story and a description of a flow spell it.
    for words in [
        json!({"what": "10.20.0.4:4711 > 203.0.113.6:443 protocol 6 ACCEPT"}),
        json!({"story": "to 203.0.113.6."}),
    ] {
        let mut told = to("10.20.0.9");
        let changed = alert("a", "d", "10:02:00", words);
        (told.what, told.story) = (changed.what, changed.story);
        assert_eq!(scored(vec![incident.clone()], vec![told]).totals.detected, 1);
    }
}

#[test]
fn a_signal_belongs_by_its_grant_or_by_the_identity_in_time() {
    let incident = Truth { grants: vec!["team:g-7".to_owned()], ..truth("grant") };
    let signal = |time: &str, event: Value| {
        let event_ids = json!(["/0123456789abcdef0123456789abcdef"]);
        alert("a", "d", time, json!({"event": event, "event_ids": event_ids}))
    };
    let of_grant = json!({"eventSource": "grantwatch", "requestParameters": {"grant": "team:g-7"}});
    let of_person = json!({"eventSource": "grantwatch", "requestParameters": {"who": "person:ana@example.com"}});
    let of_nobody = json!({"eventSource": "grantwatch"});
    let detected = |alert| scored(vec![incident.clone()], vec![alert]).totals.detected;
    assert_eq!(detected(signal("23:00:00", of_grant)), 1, "a grant has no hours");
    assert_eq!(detected(signal("12:59:59", of_person.clone())), 1, "two hours after its end");
    assert_eq!(detected(signal("13:00:01", of_person.clone())), 0);
    assert_eq!(detected(signal("09:59:59", of_person)), 0);
    assert_eq!(detected(signal("10:30:00", of_nobody)), 0);
}

#[test]
fn an_alert_may_belong_to_several_incidents_and_counts_once() {
    let named = json!({
        "who/name": "workload:1/role/x", "event_ids": [format!("1/{EVENT}")],
        "facts": {"gw.identity.origin": "person:ana@example.com"},
    });
    let alerts = vec![alert("a", "d", "10:02:00", named)];
    let scores = scored(
        vec![truth("one"), truth("two"), Truth { events: vec!["none".into()], ..truth("three") }],
        alerts,
    );
    assert_eq!((scores.totals.incidents, scores.totals.detected), (3, 2));
    assert_eq!((scores.totals.alerts, scores.totals.true_alerts), (1, 1));
    assert_eq!(scores.totals.identity_accuracy, Some(1.0), "whoever began the chain is named");
    let detector = &scores.detectors[0];
    assert_eq!((detector.incidents, detector.recall), (2, Some(2.0 / 3.0)));
}

#[test]
fn an_alias_is_as_good_and_nobody_need_not_be_named() {
    let told = || vec![alert("a", "d", "10:02:00", counts(EVENT))];
    let alias = Truth { aliases: vec!["person:bob@example.com".to_owned()], ..truth("one") };
    assert_eq!(scored(vec![alias], told()).incidents[0].identity, Named::Right);
    let nobody = Truth { identity: String::new(), ..truth("one") };
    let scores = scored(vec![nobody], told());
    assert_eq!(scores.incidents[0].identity, Named::Open);
    assert_eq!(scores.totals.identity_accuracy, None);
}

#[test]
fn an_alert_that_was_written_twice_is_one_and_its_fullest_form_counts() {
    let first = alert("a", "d", "10:02:00", json!({}));
    let full =
        alert("a", "d", "10:02:00", json!({"count": 3, "event_ids": [format!("1/{EVENT}")]}));
    for alerts in [vec![first.clone(), full.clone()], vec![full, first]] {
        let scores = scored(vec![truth("theft")], alerts);
        assert_eq!((scores.totals.alerts, scores.totals.detected), (1, 1));
    }
}

#[test]
fn alerts_below_the_least_severity_do_not_count() {
    let truths = Truths { simulation: None, incidents: vec![truth("theft")] };
    let told = || vec![alert("a", "d", "10:02:00", counts(EVENT))];
    assert_eq!(evaluate(&truths, told(), Severity::High).totals.detected, 1);
    assert_eq!(evaluate(&truths, told(), Severity::Critical).totals.detected, 0);
}

#[test]
fn false_alerts_are_counted_by_the_day_that_was_simulated() {
    let simulation = Simulation {
        schema: Simulation::SCHEMA.to_owned(),
        seed: 7,
        organisation: String::new(),
        start: "2026-03-02T00:00:00Z".to_owned(),
        end: "2026-03-06T00:00:00Z".to_owned(),
        accounts: 1,
        people: 1,
    };
    let alerts =
        || vec![alert("a", "d", "10:02:00", json!({})), alert("b", "d", "11:02:00", json!({}))];
    let truths = Truths { simulation: Some(simulation), incidents: Vec::new() };
    let scores = evaluate(&truths, alerts(), Severity::Informational);
    assert_eq!((scores.days, scores.totals.recall), (4.0, None));
    assert_eq!(scores.totals.false_alerts_per_day["high"], 0.5);
    assert_eq!(scores.totals.false_alerts_per_day["low"], 0.0);
    let unknown = scored(Vec::new(), alerts());
    assert!((0.4..0.6).contains(&unknown.days), "from midnight to the last: {}", unknown.days);
    assert_eq!(scored(Vec::new(), Vec::new()).totals.false_alerts_per_day.len(), 0);
}

#[test]
fn a_signal_about_a_log_file_that_was_taken_away_belongs_to_the_incident() {
    let key = "AWSLogs/o-example/111122223333/CloudTrail/eu-west-1/2026/03/02/x.json.gz";
    let objects = vec![key.to_owned()];
    let taken = || Truth {
        identity: String::new(),
        events: Vec::new(),
        objects: objects.clone(),
        ..truth("taken")
    };
    let about = |object: &str| {
        let event = json!({"eventSource": "grantwatch", "object": object});
        alert("a", "log_file_gone", "13:50:00", json!({"event": event, "event_ids": ["signal/1"]}))
    };
    for object in [key.to_owned(), format!("s3://trail-bucket/drill/{key}")] {
        let scores = scored(vec![taken()], vec![about(&object)]);
        assert_eq!(scores.incidents[0].finding, Finding::Detected, "{object}");
    }
    let scores = scored(vec![taken()], vec![about("AWSLogs/other.json.gz")]);
    assert_eq!(scores.incidents[0].finding, Finding::Missed);
}

#[test]
fn what_was_taken_back_does_not_count() {
    let first = alert("a", "privilege_without_grant", "09:00:00", json!({}));
    let mut taken_back = first.clone();
    (taken_back.revision, taken_back.status) = (2, AlertStatus::Resolved);
    let mut again = first.clone();
    (again.revision, again.count) = (3, 1);
    let count = |alerts: &[&Alert]| {
        let alerts = alerts.iter().map(|alert| (*alert).clone()).collect();
        evaluate(&Truths::default(), alerts, Severity::Low).totals.alerts
    };
    assert_eq!(count(&[&first, &taken_back]), 0);
    assert_eq!(count(&[&taken_back, &first]), 0, "in whatever order they were written");
    assert_eq!(count(&[&first, &again, &taken_back]), 1);
}
