//! A receiver on loopback, messages and configurations for the tests of this room.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::response::IntoResponse as _;
use axum::response::Response;

use crate::model::Alert;
use crate::model::AlertId;
use crate::model::AlertStatus;
use crate::model::Reason;
use crate::model::ReasonKind;
use crate::model::Seconds;
use crate::model::Severity;
use crate::model::Subject;
use crate::sink::Kind;
use crate::sink::Message;

/// An alert with text that means something to every format it may be written in.
pub fn message() -> Message {
    let alert = Alert {
        schema_version: Alert::SCHEMA,
        id: AlertId("c73d0ea7-8b5e-5c96-9216-8bb8b31465de".to_owned()),
        status: AlertStatus::Open,
        revision: 1,
        reason: None,
        detector_id: "0b6d4a52-6a0e-4d9c-9f0b-3f6d2c1e8a77".to_owned(),
        detector: "trail_stopped".to_owned(),
        severity: Severity::High,
        title: "Trail stopped".to_owned(),
        story: "person:zoë@example.com stopped |=\\\"]<>& 東京".to_owned(),
        who: Subject { name: "person:zoë@example.com".to_owned(), ..Subject::default() },
        what: "cloudtrail:StopLogging".to_owned(),
        error: None,
        account: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        source: "203.0.113.7".to_owned(),
        user_agent: "aws-cli/2.15.0".to_owned(),
        facts: [("gw.chain".to_owned(), serde_json::json!(["a"]))].into(),
        event: serde_json::json!({"eventID": "e-1"}),
        event_truncated: false,
        event_ids: vec!["111122223333/e-1".to_owned()],
        attack: vec!["T1685.002".to_owned()],
        respond: vec!["Start it again".to_owned()],
        falsepositives: Vec::new(),
        references: Vec::new(),
        group: [("recipientAccountId".to_owned(), "111122223333".to_owned())].into(),
        count: 1,
        first_seen: Seconds(1_772_352_750),
        last_seen: Seconds(1_772_352_750),
        object: "s3://bucket/key".to_owned(),
    };
    let text = "HIGH  Trail stopped\n".into();
    Message { kind: Kind::Opened, alert: Arc::new(alert), text }
}

/// The same alert, resolved an hour later.
pub fn resolved() -> Message {
    let Message { alert, text, .. } = message();
    let reason = Reason {
        kind: ReasonKind::CoveredLate,
        text: "covered retroactively".to_owned(),
        at: Seconds(1_772_356_350),
        grant: Some("g-1".to_owned()),
        approvers: vec!["bob@example.com".to_owned()],
        seconds_late: Some(3_600),
        judged_by: None,
    };
    let alert = Alert {
        status: AlertStatus::Resolved,
        revision: 2,
        reason: Some(reason),
        ..Alert::clone(&alert)
    };
    Message { kind: Kind::Resolved, alert: Arc::new(alert), text }
}

/// The alert of [`resolved`] as JSON, as far as it differs from [`ALERT`].
pub const RESOLVED: &str = r#""status":"resolved","revision":2,"reason":{"kind":"covered_late","text":"covered retroactively","at":"2026-03-01T09:12:30Z","grant":"g-1","approvers":["bob@example.com"],"seconds_late":3600}"#;

/// The alert of [`message`] as JSON, spelt out: what users build on.
pub const ALERT: &str = r#"{"schema_version":1,"id":"c73d0ea7-8b5e-5c96-9216-8bb8b31465de","status":"open","revision":1,"detector_id":"0b6d4a52-6a0e-4d9c-9f0b-3f6d2c1e8a77","detector":"trail_stopped","severity":"high","title":"Trail stopped","story":"person:zoë@example.com stopped |=\\\"]<>& 東京","who":{"name":"person:zoë@example.com","kind":"","raw_type":"","raw_arn":"","access_key":""},"what":"cloudtrail:StopLogging","account":"111122223333","region":"eu-west-1","source":"203.0.113.7","user_agent":"aws-cli/2.15.0","facts":{"gw.chain":["a"]},"event":{"eventID":"e-1"},"event_truncated":false,"event_ids":["111122223333/e-1"],"attack":["T1685.002"],"respond":["Start it again"],"falsepositives":[],"references":[],"group":{"recipientAccountId":"111122223333"},"count":1,"first_seen":"2026-03-01T08:12:30Z","last_seen":"2026-03-01T08:12:30Z","object":"s3://bucket/key"}"#;

/// A request as the receiver got it.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What the receiver does with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Status, headers and body.
    Say(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Reads the request and never answers.
    Hang,
}

/// A receiver that answers as told, in order, and keeps what it got. When it has no more answers it says 200.
#[derive(Debug, Clone)]
pub struct Receiver {
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    /// What is said with 200 when there are no more answers: to the nth request, for this path.
    otherwise: fn(usize, &str) -> String,
    got: Mutex<Vec<Got>>,
}

impl Receiver {
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::listening(answers.into_iter().collect(), |_, _| String::new()).await
    }

    pub async fn saying(otherwise: fn(usize, &str) -> String) -> Self {
        Self::listening(VecDeque::new(), otherwise).await
    }

    async fn listening(answers: VecDeque<Answer>, otherwise: fn(usize, &str) -> String) -> Self {
        let shared = Shared { answers: Mutex::new(answers), otherwise, got: Mutex::default() };
        let shared = Arc::new(shared);
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared }
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let number = {
        let mut got = shared.got.lock().unwrap();
        got.push(Got { path: path.clone(), headers, body });
        got.len() - 1
    };
    let answer = shared.answers.lock().unwrap().pop_front();
    match answer {
        None => (shared.otherwise)(number, &path).into_response(),
        Some(Answer::Hang) => std::future::pending().await,
        Some(Answer::Say(status, headers, body)) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
    }
}

/// A folder with a file called `secret` that holds `text`.
pub fn secret_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}
