//! What is owed to a sink arrives, in the sink's own terms, and a sink that is down holds nobody up.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::outside::daemon::House;
use crate::outside::deliveries;
use crate::outside::siem::Mood;
use crate::outside::siem::Siem;
use crate::outside::splunk;
use crate::outside::splunk::Acknowledges;
use crate::outside::splunk::Splunk;
use crate::outside::stage::Stage;
use crate::outside::wait;

#[test]
fn a_webhook_is_signed_and_says_what_the_contract_says() {
    let stage = Stage::new();
    let mut daemon = stage.house.run();
    let expected = stage.deliver([1]);
    stage.await_delivered(&mut daemon, &expected);
    let arrival = stage.siem.taken().remove(0);
    let body = arrival.body();
    assert_eq!(body["type"], "grantwatch.alert.opened");
    assert_eq!(body["data"]["id"], arrival.id.as_str());
    assert!(body["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{body:#}");
    assert!(arrival.raw.len() < 20_000, "{} bytes", arrival.raw.len());
    let alert = arrival.alert();
    assert_eq!(alert["detector"], "trail_stopped");
    assert_eq!(alert["severity"], "high");
    assert_eq!(alert["who"]["name"], "user:444400000001/mallory");
    assert_eq!(alert["what"], "cloudtrail:StopLogging");
    assert_eq!(alert["account"], deliveries::account(1));
    assert!(alert["story"].as_str().unwrap().contains("trail-1"), "{alert:#}");
    assert!(!alert["respond"].as_array().unwrap().is_empty());
    assert_eq!(alert["event"]["eventName"], "StopLogging");
}

#[test]
fn retry_after_is_honoured() {
    let stage = Stage::new();
    let mut first = true;
    stage.siem.behave(move |_| match std::mem::replace(&mut first, false) {
        // Longer than our own back-off would ever wait, shorter than its cap.
        true => Mood::Later(503, "4".to_owned()),
        false => Mood::Take,
    });
    let house = stage.house.with("[outbox]\ninitial_backoff = \"1s\"\nmax_backoff = \"1m\"\n");
    let stage = Stage { house, ..stage };
    let mut daemon = stage.house.run();
    let expected = stage.deliver([1]);
    stage.await_delivered(&mut daemon, &expected);
    let arrivals = stage.siem.arrivals();
    assert_eq!(arrivals.len(), 2);
    let waited = arrivals[1].at - arrivals[0].at;
    assert!(waited >= Duration::from_millis(3_500), "came back after {waited:?}");
}

#[test]
fn a_sink_that_is_down_delays_neither_intake_nor_other_sinks() {
    let stage = Stage::new();
    let down = Siem::with(|_| Mood::Refuse(500));
    let secret = stage.house.path("secret").display().to_string();
    let house = stage.house.with(&format!(
        "[[sink.webhook]]\nname = \"down\"\nurl = \"{}\"\nsecret_file = \"{secret}\"\nallow_http = true\n\
         allow_private = true\nrate = 1000\n",
        down.url()
    ));
    let stage = Stage { house, ..stage };
    let mut daemon = stage.house.run();
    let expected = stage.deliver(1..=20);
    // The queue drains and the other sink has everything while this one takes nothing.
    stage.await_delivered(&mut daemon, &expected);
    assert!(down.ids().is_empty() && !down.arrivals().is_empty());
    down.behave(|_| Mood::Take);
    daemon.await_that("the alerts at the sink that was down", |_| down.ids() == expected);
    stage.await_settled();
    assert!(down.counts().values().all(|count| *count == 1), "{:?}", down.counts());
    down.assert_no_faults();
    assert_eq!(stage.house.store().outbox("delivered"), 40);
}

#[test]
fn what_is_never_taken_becomes_a_dead_letter() {
    let stage = Stage::new();
    stage.siem.behave(|_| Mood::Refuse(500));
    let house = stage
        .house
        .with("[outbox]\ngive_up_after = \"3s\"\ninitial_backoff = \"1s\"\nmax_backoff = \"1s\"\n");
    let stage = Stage { house, ..stage };
    let mut daemon = stage.house.run();
    stage.deliver([1]);
    daemon.await_that("a dead letter", |_| stage.house.store().outbox("dead") == 1);
    assert_eq!(stage.house.store().outbox("pending"), 0);
    stage.await_drained(&mut daemon);
    let tries = stage.siem.arrivals().len();
    assert!(tries >= 2, "given up after {tries} tries");
    daemon.await_that("a word about it", |daemon| daemon.log().to_lowercase().contains("siem"));
    // A refusal that no patience mends is given up at once.
    stage.siem.behave(|_| Mood::Refuse(400));
    let before = stage.siem.arrivals().len();
    stage.deliver([2]);
    daemon.await_that("a second dead letter", |_| stage.house.store().outbox("dead") == 2);
    assert_eq!(stage.siem.arrivals().len(), before + 1);
}

#[test]
fn an_answer_that_never_comes_is_a_failed_try() {
    let mut stage = Stage::new();
    stage.house = House::new()
        .reading(&stage.aws.url(), &stage.queue.url, "")
        .telling(&stage.siem.url(), "timeout = \"1s\"");
    let mut first = true;
    stage.siem.behave(move |_| {
        if std::mem::replace(&mut first, false) {
            std::thread::sleep(Duration::from_secs(3));
            return Mood::HangUp;
        }
        Mood::Take
    });
    let mut daemon = stage.house.run();
    let expected = stage.deliver([1]);
    stage.await_delivered(&mut daemon, &expected);
}

/// Returns a house whose alerts go to `splunk` alone.
fn collecting(stage: &Stage, splunk: &Splunk, more: &str) -> House {
    let house = House::new().reading(&stage.aws.url(), &stage.queue.url, "");
    let token = house.path("token");
    fs::write(&token, splunk::TOKEN).unwrap();
    house.with(&format!(
        "[[sink.splunk_hec]]\nname = \"splunk\"\nurl = \"{}\"\ntoken_file = \"{}\"\n\
         allow_http = true\nallow_private = true\n{more}\n",
        splunk.url(),
        token.display()
    ))
}

#[test]
fn splunk_has_an_alert_only_when_it_is_indexed() {
    let splunk = Splunk::start(Acknowledges::Yes);
    let stage = Stage::new();
    let house = collecting(&stage, &splunk, "ack_interval = \"1s\"\nack_timeout = \"4s\"");
    let stage = Stage { house, ..stage };
    let mut daemon = stage.house.run();
    let expected = stage.deliver([1, 2, 3]);
    daemon.await_that("the events", |_| splunk.events().len() == 3);
    stage.await_drained(&mut daemon);
    wait::until("somebody to ask for acknowledgements", || splunk.polls() > 1);
    assert_eq!(stage.house.store().outbox("delivered"), 0);
    // Never indexed: they are sent again, under the same ids.
    daemon.await_that("the events again", |_| splunk.events().len() >= 6);
    splunk.index();
    daemon.await_that("delivery", |_| {
        splunk.index();
        stage.house.store().outbox("delivered") == 3
    });
    let mut ids: BTreeMap<String, Value> = BTreeMap::new();
    for event in splunk.events() {
        assert_eq!(event["sourcetype"], "grantwatch:alert");
        assert!(event["time"].as_f64().is_some(), "{event:#}");
        ids.insert(event["event"]["id"].as_str().unwrap().to_owned(), event);
    }
    assert_eq!(ids.into_keys().collect::<BTreeSet<_>>(), expected);
    assert_eq!(splunk.faults(), Vec::<String>::new());
}

#[test]
fn splunk_that_is_busy_is_asked_again() {
    let splunk = Splunk::start(Acknowledges::No);
    splunk.refuse(Some((503, 9)));
    let stage = Stage::new();
    let house = collecting(&stage, &splunk, "acknowledge = false");
    let stage = Stage { house, ..stage };
    let mut daemon = stage.house.run();
    stage.deliver([1]);
    stage.await_drained(&mut daemon);
    assert_eq!(stage.house.store().outbox("delivered"), 0);
    splunk.refuse(None);
    daemon.await_that("delivery", |_| stage.house.store().outbox("delivered") == 1);
    assert_eq!(splunk.events().len(), 1);
}

#[test]
fn a_file_holds_each_alert_once_on_a_line_of_its_own() {
    let stage = Stage::new();
    let file = stage.house.path("alerts.ndjson");
    let section = format!("[[sink.file]]\nname = \"file\"\npath = \"{}\"\n", file.display());
    let house = stage.house.with(&section);
    let stage = Stage { house, ..stage };
    let mut daemon = stage.house.run();
    let expected = stage.deliver(1..=10);
    stage.await_delivered(&mut daemon, &expected);
    stage.await_settled();
    let ids: Vec<String> = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|alert| alert["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 10);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
}
