//! A Splunk HTTP Event Collector with indexer acknowledgement.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::Value;
use serde_json::json;

use crate::outside::http::Reply;
use crate::outside::http::Request;
use crate::outside::http::Response;
use crate::outside::http::Server;

/// The token that collector and sink share.
pub const TOKEN: &str = "11112222-3333-4444-5555-666677778888";

/// Whether the token has indexer acknowledgement enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acknowledges {
    /// It says of each event when it is indexed, and wants to know who asks.
    #[default]
    Yes,
    /// Events are accepted, and that is all.
    No,
}

/// The collector.
pub struct Splunk {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    acknowledges: Acknowledges,
    /// Events by the number of their acknowledgement.
    events: BTreeMap<u64, Vec<Value>>,
    /// Numbers whose events are indexed.
    indexed: BTreeSet<u64>,
    /// How often somebody asked.
    polls: u64,
    /// What is refused, and how.
    refuse: Option<(u16, u64)>,
    faults: Vec<String>,
}

impl Splunk {
    /// Starts a collector that takes events and indexes none before it is told to.
    pub fn start(acknowledges: Acknowledges) -> Self {
        let state = Arc::new(Mutex::new(State { acknowledges, ..State::default() }));
        let receiver = Arc::clone(&state);
        let server = Server::start(move |request| {
            let answer = receiver.lock().unwrap().receive(&request);
            Reply::Whole(answer.with("Content-Type", "application/json"))
        });
        Self { server, state }
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Indexes everything that came so far.
    pub fn index(&self) {
        let mut state = self.state.lock().unwrap();
        let numbers: Vec<u64> = state.events.keys().copied().collect();
        state.indexed.extend(numbers);
    }

    /// Refuses events from now on with a status and Splunk's code, or takes them again.
    pub fn refuse(&self, how: Option<(u16, u64)>) {
        self.state.lock().unwrap().refuse = how;
    }

    /// Returns how often somebody asked for acknowledgements.
    pub fn polls(&self) -> u64 {
        self.state.lock().unwrap().polls
    }

    /// Returns the events that came, in their order.
    pub fn events(&self) -> Vec<Value> {
        self.state.lock().unwrap().events.values().flatten().cloned().collect()
    }

    /// Returns what the collector had to object to.
    pub fn faults(&self) -> Vec<String> {
        self.state.lock().unwrap().faults.clone()
    }
}

impl State {
    fn receive(&mut self, request: &Request) -> Response {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if request.header("authorization") != Some(&format!("Splunk {TOKEN}")) {
            self.faults.push(format!("{path} without the token"));
            return told(403, 4, "Invalid token");
        }
        let channel = request.header("x-splunk-request-channel").unwrap_or_default();
        let wants_channel = self.acknowledges == Acknowledges::Yes;
        if wants_channel && channel.is_empty() && !query.contains("channel=") {
            self.faults.push(format!("{path} without a channel"));
            return told(400, 10, "Data channel is missing");
        }
        match path {
            "/services/collector/event" | "/services/collector" => self.take(request),
            "/services/collector/ack" if !wants_channel => told(400, 14, "ACK is disabled"),
            "/services/collector/ack" => self.acknowledge(request),
            _ => {
                self.faults.push(format!("nothing lives at {path}"));
                told(404, 404, "not found")
            }
        }
    }

    fn take(&mut self, request: &Request) -> Response {
        if let Some((status, code)) = self.refuse {
            return told(status, code, "told to refuse");
        }
        let events = serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>();
        let events: Result<Vec<Value>, _> = events.collect();
        let number = self.events.len() as u64;
        match events {
            Ok(events) if events.iter().all(|event| event["event"].is_object()) => {
                self.events.insert(number, events);
                let mut body = json!({ "text": "Success", "code": 0 });
                if self.acknowledges == Acknowledges::Yes {
                    body["ackId"] = json!(number);
                }
                Response::text(200, &body.to_string())
            }
            _ => {
                self.faults.push(String::from_utf8_lossy(&request.body).into_owned());
                told(400, 6, "Invalid data format")
            }
        }
    }

    fn acknowledge(&mut self, request: &Request) -> Response {
        self.polls += 1;
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let asked = asked["acks"].as_array().cloned().unwrap_or_default();
        let mut acks = serde_json::Map::new();
        for number in asked.iter().filter_map(Value::as_u64) {
            // Splunk says yes once and then forgets.
            acks.insert(number.to_string(), json!(self.indexed.remove(&number)));
        }
        Response::text(200, &json!({ "acks": acks }).to_string())
    }
}

fn told(status: u16, code: u64, text: &str) -> Response {
    Response::text(status, &json!({ "text": text, "code": code }).to_string())
}
