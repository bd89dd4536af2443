//! Stories of the event history, told by a small server on loopback.

use std::sync::Mutex;

use aws_sdk_cloudtrail::config::BehaviorVersion;
use aws_sdk_cloudtrail::config::Region;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::source::stub;

/// An event history: what happened when, and what it was asked.
#[derive(Default)]
struct History {
    events: Vec<(i64, &'static str)>,
    asked: Mutex<Vec<Value>>,
    page: usize,
}

/// Answers as LookupEvents does: newest first, page by page.
async fn answer(State(history): State<Arc<History>>, body: String) -> (StatusCode, String) {
    let request: Value = serde_json::from_str(&body).unwrap();
    history.asked.lock().unwrap().push(request.clone());
    let at = |name: &str| request[name].as_f64().unwrap() as i64;
    let inside = |(time, _): &&(i64, &str)| (at("StartTime")..=at("EndTime")).contains(time);
    let mut found: Vec<_> = history.events.iter().filter(inside).collect();
    found.sort();
    found.reverse();
    let skip: usize = request["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let mut page = json!({"Events": []});
    for (time, id) in found.iter().skip(skip).take(history.page) {
        let record = json!({"eventID": id, "eventTime": time}).to_string();
        let event = json!({"EventId": id, "EventTime": time, "CloudTrailEvent": record});
        page["Events"].as_array_mut().unwrap().push(event);
    }
    if found.len() > skip + history.page {
        page["NextToken"] = json!((skip + history.page).to_string());
    }
    (StatusCode::OK, page.to_string())
}

async fn serve(router: Router) -> Client {
    let config = aws_sdk_cloudtrail::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(stub::credentials())
        .endpoint_url(stub::serve(router).await)
        .build();
    Client::from_conf(config)
}

async fn read(
    client: Client,
    window: Window,
    known: Known,
) -> (Result<(), SourceError>, Vec<String>) {
    let (to, mut from) = mpsc::channel(100);
    let (_say, stop) = watch::channel(false);
    let counters = Counters::new("scan");
    let budget = Budget::new(1_048_576);
    let mut lookup = Lookup::new(client, "eu-west-1".to_owned(), budget, known, to, counters, stop);
    lookup.pace = Duration::ZERO;
    let ended = lookup.run(window).await;
    let mut all = Vec::new();
    while let Some(delivery) = from.recv().await {
        let Content::Bytes { bytes, .. } = &delivery.content else { panic!("a record") };
        assert!(!bytes.is_empty());
        all.push(delivery.object.to_string());
    }
    (ended, all)
}

fn nothing_known() -> Known {
    Arc::new(|_| false)
}

#[tokio::test]
async fn events_come_oldest_first_however_many_pages_they_fill() {
    let start = now().0 - 7_200;
    let history = Arc::new(History {
        events: vec![
            (start, "a"),
            (start + 10, "b"),
            (start + 20, "c"),
            (start + 30, "d"),
            (start + 3_599, "e"),
            (start + 3_600, "f"),
            (start + 7_000, "g"),
            (start - 1, "before"),
        ],
        page: 2,
        ..History::default()
    });
    let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&history));
    let client = serve(router).await;
    let window = Window { from: Some(Seconds(start)), to: Some(Seconds(start + 7_100)) };
    let (ended, all) = read(client.clone(), window, nothing_known()).await;
    ended.unwrap();
    let ids = ["a", "b", "c", "d", "e", "f", "g"].map(|id| format!("lookup:{id}"));
    assert_eq!(all, ids);
    let tokens =
        history.asked.lock().unwrap().iter().filter(|it| it.get("NextToken").is_some()).count();
    assert_eq!(tokens, 2);

    let known: Known = Arc::new(|object| object.location == "lookup:c");
    assert_eq!(read(client, window, known).await.1.len(), 6);
}

#[tokio::test]
async fn a_refusal_ends_the_reading_with_its_reason() {
    let refuse = || async {
        let body = json!({"__type": "AccessDeniedException", "message": "not you"});
        (StatusCode::BAD_REQUEST, body.to_string())
    };
    let client = serve(Router::new().route("/", post(refuse))).await;
    let (ended, all) = read(client, Window::default(), nothing_known()).await;
    let error = ended.unwrap_err();
    assert!(!error.is_retryable());
    let told = crate::telemetry::chain(&error).to_string();
    assert_eq!(told, "could not look up events in eu-west-1: AccessDeniedException: not you");
    assert!(all.is_empty());
}
