//! A receiver of signed webhooks that checks every signature, keeps what it got, and misbehaves when told to.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use serde_json::Value;
use sha2::Sha256;

use crate::outside::http::Reply;
use crate::outside::http::Request;
use crate::outside::http::Response;
use crate::outside::http::Server;

/// The secret that the receiver and the sink share, as an operator writes it into a file.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the receiver does with a request.
#[derive(Debug, Clone)]
pub enum Mood {
    /// Takes the alert and says so.
    Take,
    /// Takes the alert and closes the connection without saying so: the sender cannot know.
    TakeInSilence,
    /// Refuses it with a status.
    Refuse(u16),
    /// Refuses it with a status and says when to come back, in the words of `Retry-After`.
    Later(u16, String),
    /// Closes the connection and takes nothing.
    HangUp,
}

impl Mood {
    fn takes(&self) -> bool {
        matches!(self, Self::Take | Self::TakeInSilence)
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// `webhook-id`.
    pub id: String,
    /// When it came.
    pub at: Instant,
    /// The body, exactly.
    pub raw: Vec<u8>,
    /// What was done with it.
    pub mood: Mood,
}

impl Arrival {
    /// Returns the body as JSON.
    pub fn body(&self) -> Value {
        serde_json::from_slice(&self.raw).unwrap()
    }

    /// Returns the alert it tells of.
    pub fn alert(&self) -> Value {
        self.body()["data"].clone()
    }
}

/// The receiver.
pub struct Siem {
    server: Server,
    state: Arc<State>,
}

/// Decides what to do with the alert of an id.
type Script = Box<dyn FnMut(&str) -> Mood + Send>;

struct State {
    arrivals: Mutex<Vec<Arrival>>,
    faults: Mutex<Vec<String>>,
    script: Mutex<Script>,
}

impl Siem {
    /// Starts a receiver that takes everything.
    pub fn start() -> Self {
        Self::with(|_| Mood::Take)
    }

    /// Starts a receiver that asks `script` what to do with the alert of an id.
    pub fn with(script: impl FnMut(&str) -> Mood + Send + 'static) -> Self {
        let state = Arc::new(State {
            arrivals: Mutex::new(Vec::new()),
            faults: Mutex::new(Vec::new()),
            script: Mutex::new(Box::new(script)),
        });
        let receiver = Arc::clone(&state);
        Self { server: Server::start(move |request| receiver.receive(request)), state }
    }

    /// Asks `script` from now on.
    pub fn behave(&self, script: impl FnMut(&str) -> Mood + Send + 'static) {
        *self.state.script.lock().unwrap() = Box::new(script);
    }

    /// Returns the URL that alerts are posted to.
    pub fn url(&self) -> String {
        format!("{}/alerts", self.server.url())
    }

    /// Returns everything that came, in its order.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.state.arrivals.lock().unwrap().clone()
    }

    /// Returns what was taken, in its order.
    pub fn taken(&self) -> Vec<Arrival> {
        self.arrivals().into_iter().filter(|arrival| arrival.mood.takes()).collect()
    }

    /// Returns the ids of what was taken.
    pub fn ids(&self) -> BTreeSet<String> {
        self.taken().into_iter().map(|arrival| arrival.id).collect()
    }

    /// Returns how often each id was taken.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for arrival in self.taken() {
            *counts.entry(arrival.id).or_default() += 1;
        }
        counts
    }

    /// Returns what the receiver had to object to: signatures, missing headers, two bodies under one id.
    pub fn faults(&self) -> Vec<String> {
        self.state.faults.lock().unwrap().clone()
    }

    /// Fails the test if the receiver had anything to object to.
    #[track_caller]
    pub fn assert_no_faults(&self) {
        assert_eq!(self.faults(), Vec::<String>::new());
    }
}

impl State {
    fn receive(&self, request: Request) -> Reply {
        let id = match check(&request) {
            Ok(id) => id,
            Err(fault) => {
                self.faults.lock().unwrap().push(fault.clone());
                return Reply::Whole(Response::text(401, &fault));
            }
        };
        let mood = (self.script.lock().unwrap())(&id);
        let mut arrivals = self.arrivals.lock().unwrap();
        let before = arrivals.iter().find(|before| before.id == id);
        if before.is_some_and(|before| before.raw != request.body) {
            self.faults.lock().unwrap().push(format!("two bodies under the id {id}"));
        }
        arrivals.push(Arrival { id, at: Instant::now(), raw: request.body, mood: mood.clone() });
        match mood {
            Mood::Take => Reply::Whole(Response::text(200, "taken")),
            Mood::Refuse(status) => Reply::Whole(Response::text(status, "refused")),
            Mood::Later(status, when) => {
                Reply::Whole(Response::text(status, "later").with("Retry-After", &when))
            }
            Mood::TakeInSilence | Mood::HangUp => Reply::Silence,
        }
    }
}

/// Checks a request as Standard Webhooks 1.0.0 asks of a receiver, and returns its id.
fn check(request: &Request) -> Result<String, String> {
    let header = |name: &str| {
        request.header(name).map(str::to_owned).ok_or_else(|| format!("without {name}"))
    };
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let signatures = header("webhook-signature")?;
    if request.method != "POST" {
        return Err(format!("a {} and no POST", request.method));
    }
    let sent: i64 = timestamp.parse().map_err(|_| format!("`{timestamp}` is no time"))?;
    let age = now() - sent;
    if age.abs() > 300 {
        return Err(format!("{id} was signed {age} s ago"));
    }
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&request.body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    if !signatures.split(' ').any(|signature| signature == expected) {
        return Err(format!("{id} bears `{signatures}`, not `{expected}`"));
    }
    Ok(id)
}

#[expect(clippy::disallowed_methods, reason = "a receiver of webhooks compares with its own clock")]
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}
