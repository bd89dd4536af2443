//! Stories of the webhook: signatures, secrets, answers of every kind.

use std::time::Duration;

use super::*;
use crate::sink::Config;
use crate::sink::SinkError;
use crate::sink::testing::ALERT;
use crate::sink::testing::Answer;
use crate::sink::testing::Got;
use crate::sink::testing::RESOLVED;
use crate::sink::testing::Receiver;
use crate::sink::testing::message;
use crate::sink::testing::resolved;
use crate::sink::testing::secret_file;

const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::parse(text).unwrap()).collect()
}

fn sink(url: &str, more: &str) -> Result<Sink, SinkError> {
    let (_folder, path) = secret_file(&format!("{NEW}\n{OLD}\n"));
    let text = format!(
        "[[webhook]]\nname = \"hook\"\nurl = \"{url}\"\nsecret_file = {path:?}\nallow_http = true\n\
         allow_private = true\n{more}\n"
    );
    let config: Config = toml::from_str(&text).unwrap();
    Ok(crate::sink::build(&config)?.remove(0))
}

async fn sent(answers: impl IntoIterator<Item = Answer>) -> (Result<(), SendError>, Vec<Got>) {
    let receiver = Receiver::start(answers).await;
    let sink = sink(&receiver.url, "").unwrap();
    (sink.send(&message()).await, receiver.got())
}

#[tokio::test]
async fn a_revision_is_a_message_of_its_own_about_the_same_alert() {
    let receiver = Receiver::start([]).await;
    let sink = sink(&receiver.url, "").unwrap();
    sink.send(&resolved()).await.unwrap();
    let got = receiver.got().remove(0);
    assert_eq!(got.header(ID), "c73d0ea7-8b5e-5c96-9216-8bb8b31465de-r2");
    let open = r#""status":"open","revision":1"#;
    let data = ALERT.replace(open, RESOLVED);
    let body = format!(
        r#"{{"type":"grantwatch.alert.resolved","timestamp":"2026-03-01T09:12:30Z","data":{data}}}"#
    );
    assert_eq!(got.body, body);
    let at = Seconds(got.header(TIMESTAMP).parse().unwrap());
    let signature = got.header(SIGNATURE).to_owned();
    assert_eq!(signature, sign(&secrets(&[NEW, OLD]), got.header(ID), at, body.as_bytes()));
}

fn say(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
    Answer::Say(status, headers.to_vec(), body)
}

#[test]
fn signs_the_vectors_of_the_standard() {
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    assert_eq!(
        sign(&secrets(&[OLD]), id, Seconds(1_649_367_553), body),
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
    );
    let body =
        br#"{"type":"drift.alert.opened","timestamp":"2026-03-01T08:12:35Z","data":{"id":"a1"}}"#;
    assert_eq!(
        sign(&secrets(&[NEW]), "evt_01", Seconds(1_772_352_755), body),
        "v1,CNBzyl16iVMRH3xqX9ec9PRAoi7FtLvgGAWINDYwzMA="
    );
}

#[test]
fn a_receiver_accepts_what_was_signed_and_nothing_else() {
    let (id, at, body) = ("evt_01", Seconds(1_000_000), b"body".as_slice());
    let signature = sign(&secrets(&[NEW, OLD]), id, at, body);
    let signed = Signed { id, timestamp: "1000000", signature: &signature };
    // During a change of secrets either side may have only one of them.
    for known in [[NEW].as_slice(), &[OLD], &[OLD, NEW]] {
        assert_eq!(verify(&secrets(known), signed, body, at), Ok(()));
    }
    let check = |signed, body, now| verify(&secrets(&[NEW]), signed, body, Seconds(now));
    assert_eq!(check(signed, body, 1_000_300), Ok(()));
    assert_eq!(check(signed, body, 1_000_301), Err(Unverified::OutOfTime));
    assert_eq!(check(signed, body, 999_699), Err(Unverified::OutOfTime));
    assert_eq!(check(signed, b"other", 1_000_000), Err(Unverified::NoMatch));
    assert_eq!(check(Signed { id: "evt_02", ..signed }, body, 1_000_000), Err(Unverified::NoMatch));
    let later = Signed { timestamp: "1000001", ..signed };
    assert_eq!(check(later, body, 1_000_000), Err(Unverified::NoMatch));
    for signature in ["", "v1,", "v1,AAAA", "v1a,AAAA", "v2,CNBz", " "] {
        assert_eq!(
            check(Signed { signature, ..signed }, body, 1_000_000),
            Err(Unverified::NoMatch)
        );
    }
    assert_eq!(check(Signed { timestamp: "soon", ..signed }, body, 0), Err(Unverified::NoTime));
}

#[tokio::test]
async fn posts_the_alert_signed() {
    let (outcome, got) = sent([]).await;
    outcome.unwrap();
    let [got] = got.as_slice() else { panic!("one request") };
    let expected = format!(
        r#"{{"type":"grantwatch.alert.opened","timestamp":"2026-03-01T08:12:30Z","data":{ALERT}}}"#
    );
    assert_eq!(got.body, expected);
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header(ID), "c73d0ea7-8b5e-5c96-9216-8bb8b31465de");
    let signed = Signed {
        id: got.header(ID),
        timestamp: got.header(TIMESTAMP),
        signature: got.header(SIGNATURE),
    };
    assert_eq!(signed.signature.split(' ').count(), 2);
    verify(&secrets(&[OLD]), signed, got.body.as_bytes(), now()).unwrap();
}

#[tokio::test]
async fn what_may_pass_is_retried_when_the_receiver_wants() {
    let (outcome, _) = sent([say(429, &[("retry-after", "120")], "slow down")]).await;
    let error = outcome.unwrap_err();
    assert!(error.is_retryable());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!(error.to_string(), "sink `hook` answered 429: slow down");
    let (outcome, _) =
        sent([say(503, &[("retry-after", "Wed, 01 Jan 2200 00:00:00 GMT")], "")]).await;
    let error = outcome.unwrap_err();
    assert!(error.is_retryable() && error.retry_after().unwrap() > Duration::from_secs(86_400));
}

#[tokio::test]
async fn what_will_not_pass_is_not_retried() {
    for status in [301, 307, 400, 401, 404, 501] {
        let (outcome, got) =
            sent([say(status, &[("location", "/elsewhere")], "no\r\n\u{1b}[31m")]).await;
        let error = outcome.unwrap_err();
        assert!(!error.is_retryable() && !error.is_gone(), "{status}");
        assert_eq!(error.to_string(), format!("sink `hook` answered {status}: no   [31m"));
        assert_eq!(got.len(), 1, "no redirect is followed");
    }
    let (outcome, _) = sent([say(410, &[], "")]).await;
    assert!(outcome.unwrap_err().is_gone());
}

#[tokio::test]
async fn a_repeat_after_silence_has_the_same_id_and_body() {
    let receiver = Receiver::start([Answer::Hang]).await;
    let sink = sink(&receiver.url, "timeout = \"300ms\"").unwrap();
    let error = sink.send(&message()).await.unwrap_err();
    assert!(error.is_retryable());
    sink.send(&message()).await.unwrap();
    let got = receiver.got();
    assert_eq!((got.len(), got[0].header(ID), &got[0].body), (2, got[1].header(ID), &got[1].body));
}

#[tokio::test]
async fn nobody_there_is_retried_and_the_address_is_not_told() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/T0K3N", listener.local_addr().unwrap());
    drop(listener);
    let sink = sink(&url, "").unwrap();
    let error = sink.send(&message()).await.unwrap_err();
    assert!(error.is_retryable());
    let told = format!("{error:?} {} {sink:?}", crate::telemetry::chain(&error));
    assert!(!told.contains("T0K3N") && !told.contains("whsec"), "{told}");
    assert!(told.contains("refused"), "the cause is told: {told}");
}

#[tokio::test]
async fn further_headers_are_sent_and_ours_cannot_be_replaced() {
    let (_folder, path) = secret_file("Bearer hunter2\n");
    let receiver = Receiver::start([]).await;
    let more =
        format!("headers = {{ X-Team = \"blue\" }}\nheader_files = {{ Authorization = {path:?} }}");
    let sink = sink(&receiver.url, &more).unwrap();
    sink.send(&message()).await.unwrap();
    let got = receiver.got();
    assert_eq!(
        (got[0].header("x-team"), got[0].header("authorization")),
        ("blue", "Bearer hunter2")
    );
    assert!(!format!("{sink:?}").contains("hunter2"));
    for name in ["webhook-id", "Host", "bad name"] {
        let more = format!("headers = {{ \"{name}\" = \"x\" }}");
        assert!(self::sink("http://127.0.0.1:9/", &more).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_long_answer_is_read_up_to_a_size() {
    let long: &'static str = "x".repeat(1_000_000).leak();
    let (outcome, _) = sent([say(500, &[], long)]).await;
    let error = outcome.unwrap_err();
    assert!(error.is_retryable() && error.to_string().len() < 1_000);
}

#[tokio::test]
async fn a_status_counts_though_its_body_breaks_off() {
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 65_536];
        // The request is small and arrives whole or in two parts; its end is the alert's.
        let mut length = 0;
        while !request[..length].ends_with(b"}}") {
            length += stream.read(&mut request[length..]).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthanks").await.unwrap();
    });
    sink(&url, "").unwrap().send(&message()).await.unwrap();
}
