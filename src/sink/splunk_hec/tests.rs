//! Stories of the collector: acknowledged, refused, busy, silent.

use super::*;
use crate::sink::Config;
use crate::sink::testing::ALERT;
use crate::sink::testing::Answer as Says;
use crate::sink::testing::RESOLVED;
use crate::sink::testing::Receiver;
use crate::sink::testing::message;
use crate::sink::testing::resolved;
use crate::sink::testing::secret_file;

fn sink(url: &str, more: &str) -> Sink {
    let (_folder, path) = secret_file("11111111-2222-3333-4444-555555555555\n");
    let text = format!(
        "[[splunk_hec]]\nname = \"hec\"\nurl = \"{url}\"\ntoken_file = {path:?}\nallow_http = true\n\
         allow_private = true\nack_interval = \"5ms\"\n{more}\n"
    );
    let config: Config = toml::from_str(&text).unwrap();
    crate::sink::build(&config).unwrap().remove(0)
}

fn say(status: u16, body: &'static str) -> Says {
    Says::Say(status, Vec::new(), body)
}

const ACCEPTED: &str = r#"{"text":"Success","code":0,"ackId":7}"#;

#[tokio::test]
async fn an_alert_is_delivered_when_splunk_says_so_and_not_before() {
    let receiver = Receiver::start([
        say(200, ACCEPTED),
        say(200, r#"{"acks":{"7":false}}"#),
        say(503, r#"{"text":"Server is busy","code":9}"#),
        say(200, "gibberish"),
        say(200, r#"{"acks":{"7":true}}"#),
    ])
    .await;
    sink(&receiver.url, "index = \"sec\"\nhost = \"gw-1\"").send(&message()).await.unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 5);
    assert_eq!(got[0].path, "/services/collector/event");
    assert_eq!(got[0].header("authorization"), "Splunk 11111111-2222-3333-4444-555555555555");
    let expected = format!(
        r#"{{"time":1772352750,"host":"gw-1","source":"grantwatch","sourcetype":"grantwatch:alert","index":"sec","event":{ALERT},"fields":{{"alert_id":"c73d0ea7-8b5e-5c96-9216-8bb8b31465de","status":"open","revision":1,"detector":"trail_stopped","severity":"high","account":"111122223333"}}}}"#
    );
    assert_eq!(got[0].body, expected);
    let channel = got[0].header("x-splunk-request-channel");
    assert_eq!(channel.len(), 36);
    for asked in &got[1..] {
        assert_eq!(asked.path, format!("/services/collector/ack?channel={channel}"));
        assert_eq!(asked.body, r#"{"acks":[7]}"#);
    }
}

#[tokio::test]
async fn without_an_acknowledgement_it_is_sent_again() {
    let never = r#"{"acks":{"7":false}}"#;
    let answers = std::iter::once(say(200, ACCEPTED)).chain((0..10_000).map(|_| say(200, never)));
    let receiver = Receiver::start(answers).await;
    let error = sink(&receiver.url, "ack_timeout = \"60ms\"").send(&message()).await.unwrap_err();
    assert!(matches!(error, SendError::Unacknowledged { .. }) && error.is_retryable());
}

#[tokio::test]
async fn a_token_without_acknowledgement_is_told() {
    for answers in [
        vec![say(200, r#"{"text":"Success","code":0}"#)],
        vec![say(200, ACCEPTED), say(400, r#"{"text":"ACK is disabled","code":14}"#)],
    ] {
        let receiver = Receiver::start(answers).await;
        let error = sink(&receiver.url, "").send(&message()).await.unwrap_err();
        assert!(matches!(error, SendError::NoAcknowledgements { .. }) && !error.is_retryable());
    }
}

#[tokio::test]
async fn acknowledgement_can_be_done_without() {
    let receiver = Receiver::start([say(200, r#"{"text":"Success","code":0}"#)]).await;
    sink(&receiver.url, "acknowledge = false").send(&message()).await.unwrap();
    let got = receiver.got();
    assert_eq!((got.len(), got[0].header("x-splunk-request-channel")), (1, ""));
}

#[tokio::test]
async fn many_alerts_are_asked_for_together() {
    let receiver = Receiver::saying(|number, path| {
        if path.ends_with("/event") {
            return format!(r#"{{"text":"Success","code":0,"ackId":{number}}}"#);
        }
        let all: Vec<String> = (0..number).map(|ack| format!("\"{ack}\":true")).collect();
        format!(r#"{{"acks":{{{}}}}}"#, all.join(","))
    })
    .await;
    let sink = Arc::new(sink(&receiver.url, ""));
    let mut sends = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let sink = Arc::clone(&sink);
        sends.spawn(async move { sink.send(&message()).await });
    }
    while let Some(sent) = sends.join_next().await {
        sent.unwrap().unwrap();
    }
    let asked = receiver.got().iter().filter(|got| got.path.contains("/ack")).count();
    assert!((1..=8).contains(&asked), "{asked} requests");
}

#[tokio::test]
async fn splunks_code_decides_whether_to_try_again() {
    for (status, body, retryable) in [
        (503, r#"{"text":"Server is busy","code":9}"#, true),
        (500, r#"{"text":"Internal server error","code":8}"#, true),
        (403, r#"{"text":"Invalid token","code":4}"#, false),
        (400, r#"{"text":"Incorrect index","code":7,"invalid-event-number":0}"#, false),
        (429, "", true),
        (504, "<html>gateway</html>", true),
        (404, "<html>not here</html>", false),
        (200, "<html>please log in</html>", true),
        (302, "", false),
    ] {
        let receiver = Receiver::start([say(status, body)]).await;
        let error = sink(&receiver.url, "").send(&message()).await.unwrap_err();
        assert_eq!(error.is_retryable(), retryable, "{status} {body}");
        assert!(!format!("{error:?}").contains("11111111"), "{error:?}");
    }
}

#[tokio::test]
async fn a_revision_is_an_event_of_its_own_at_its_own_time() {
    let receiver = Receiver::start([say(200, r#"{"text":"Success","code":0}"#)]).await;
    sink(&receiver.url, "acknowledge = false").send(&resolved()).await.unwrap();
    let got = receiver.got().remove(0);
    let event = ALERT.replace(r#""status":"open","revision":1"#, RESOLVED);
    let expected = format!(
        r#"{{"time":1772356350,"source":"grantwatch","sourcetype":"grantwatch:alert","event":{event},"fields":{{"alert_id":"c73d0ea7-8b5e-5c96-9216-8bb8b31465de","status":"resolved","revision":2,"detector":"trail_stopped","severity":"high","account":"111122223333"}}}}"#
    );
    assert_eq!(got.body, expected);
}
