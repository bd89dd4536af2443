//! A network that fails on order, between the daemon and the AWS-compatible server.

use std::sync::Arc;
use std::sync::Mutex;

use crate::outside::aws::Aws;
use crate::outside::http;
use crate::outside::http::Reply;
use crate::outside::http::Request;
use crate::outside::http::Response;
use crate::outside::http::Server;

/// What a script does with a call.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It passes.
    Pass,
    /// It fails with a status and a code of the service's.
    Fail(u16, &'static str),
    /// It is answered with this, and never arrives.
    Answer(&'static str),
    /// It passes, and the answer breaks off after so many bytes of its body.
    Break(usize),
    /// The connection is closed before the call arrives.
    Lose,
    /// The call arrives, and its answer is lost.
    LoseAnswer,
}

/// The network.
pub struct Proxy {
    server: Server,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Puts a network before `aws` that asks `script` about every call (`GetObject`, `ReceiveMessage`), one at a time.
    pub fn before(aws: Aws, script: impl FnMut(&str) -> Fate + Send + 'static) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Mutex::new(script), Arc::clone(&calls));
        let server = Server::start(move |request| {
            let action = action(&request);
            seen.lock().unwrap().push(action.clone());
            let fate = (script.lock().unwrap())(&action);
            carry(aws, &request, fate)
        });
        Self { server, calls }
    }

    /// Returns the endpoint as a URL.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Returns how often an action was called.
    pub fn count(&self, action: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| *call == action).count()
    }
}

fn carry(aws: Aws, request: &Request, fate: Fate) -> Reply {
    let pass = || http::send(aws.address(), request);
    match fate {
        Fate::Fail(status, code) => Reply::Whole(failure(request, status, code)),
        Fate::Answer(body) => Reply::Whole(Response::text(200, body)),
        Fate::Lose => Reply::Silence,
        Fate::Pass => pass().map_or(Reply::Silence, Reply::Whole),
        Fate::Break(bytes) => {
            pass().map_or(Reply::Silence, |response| Reply::Broken(response, bytes))
        }
        Fate::LoseAnswer => {
            pass().unwrap();
            Reply::Silence
        }
    }
}

/// Returns a failure in the words of the service that was asked.
fn failure(request: &Request, status: u16, code: &str) -> Response {
    if request.header("x-amz-target").is_some() {
        let body =
            format!("{{\"__type\":\"com.amazonaws.sqs#{code}\",\"message\":\"told to fail\"}}");
        return Response::text(status, &body).with("Content-Type", "application/x-amz-json-1.0");
    }
    if is_of_lambda(request) {
        let body = r#"{"Message":"told to fail"}"#;
        return Response::text(status, body).with("x-amzn-errortype", code);
    }
    let mut body = format!("<Error><Code>{code}</Code><Message>told to fail</Message></Error>");
    if form_action(request).is_some() {
        body = format!("<ErrorResponse>{body}</ErrorResponse>");
    }
    Response::text(status, &body).with("Content-Type", "application/xml")
}

fn action(request: &Request) -> String {
    if let Some(target) = request.header("x-amz-target") {
        return target.rsplit('.').next().unwrap().to_owned();
    }
    if let Some(action) = form_action(request) {
        return action;
    }
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    if is_of_lambda(request) {
        let is_one = path.ends_with("/policy");
        return if is_one { "GetPolicy" } else { "ListFunctions" }.to_owned();
    }
    let has_key = path.trim_matches('/').contains('/');
    let action = match (request.method.as_str(), has_key) {
        ("GET", true) => "GetObject",
        ("GET", false) if query.contains("list-type") => "ListObjectsV2",
        ("GET", false) if query.split('&').any(|it| it.starts_with("policy")) => "GetBucketPolicy",
        ("HEAD", true) => "HeadObject",
        (method, _) => method,
    };
    action.to_owned()
}

/// Returns whether a call is one of Lambda's: its paths begin with the version of its API.
fn is_of_lambda(request: &Request) -> bool {
    ["/2015-03-31/functions", "/2018-10-31/layers"].iter().any(|it| request.target.starts_with(it))
}

/// Returns the action of a call in the query protocol.
fn form_action(request: &Request) -> Option<String> {
    let is_form = request.header("content-type")?.starts_with("application/x-www-form-urlencoded");
    let mut pairs = url::form_urlencoded::parse(&request.body);
    let (_, action) = pairs.find(|(name, _)| name == "Action")?;
    is_form.then(|| action.into_owned())
}
