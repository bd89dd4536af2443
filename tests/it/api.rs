//! The HTTP API of a running daemon, and a queue of grants: who may, what is refused, and that nothing acknowledged is
//! lost.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Hmac;
use hmac::KeyInit as _;
use hmac::Mac as _;
use serde_json::Value;
use serde_json::json;
use sha2::Digest as _;
use sha2::Sha256;
use tokio_rustls::rustls;

use crate::files;
use crate::outside::aws::PATIENT;
use crate::outside::aws::REGION;
use crate::outside::daemon::Daemon;
use crate::outside::daemon::House;
use crate::outside::http;
use crate::outside::http::Request;
use crate::outside::http::Response;
use crate::outside::moto::Moto;
use crate::outside::siem::SECRET;

/// May read, and write for the source `test`.
const BROKER: &str = "gwt_broker";
/// May read only.
const READER: &str = "gwt_reader";
/// May do everything, until a year ago.
const EXPIRED: &str = "gwt_expired";
/// May write for AWS TEAM.
const TEAM: &str = "gwt_team";

fn token(name: &str, token: &str, more: &str) -> String {
    let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("[[api.token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n{more}\n")
}

/// Makes a house that reads an empty folder, tells nobody, and has the API on a free port.
fn house() -> House {
    let house = House::new();
    fs::create_dir(house.path("logs")).unwrap();
    let logs = house.path("logs").display().to_string();
    house
        .with(&format!("[[source.folder]]\nname = \"logs\"\npath = \"{logs}\"\n"))
        .with("[[sink.stdout]]\nname = \"out\"\n")
        .with("[api]\nlisten = \"127.0.0.1:0\"\n")
        .with(&token(
            "broker",
            BROKER,
            "scopes = [\"grants:read\", \"grants:write\"]\nsources = [\"test\"]",
        ))
        .with(&token("reader", READER, "scopes = [\"grants:read\"]"))
        .with(&token("team", TEAM, "scopes = [\"grants:write\"]\nsources = [\"aws-*\"]"))
        .with(&token(
            "old",
            EXPIRED,
            "scopes = [\"grants:read\"]\nnot_after = \"2025-03-01T00:00:00Z\"",
        ))
}

/// A daemon with its API.
struct Served {
    daemon: Daemon,
    at: SocketAddr,
}

#[track_caller]
fn serve(house: &House) -> Served {
    served(house.run())
}

#[track_caller]
fn served(mut daemon: Daemon) -> Served {
    daemon.await_word("the API listens");
    let log = daemon.log();
    let at = log.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
    Served { daemon, at: at.parse().unwrap() }
}

/// What is asked with a token.
fn request(token: &str, method: &str, target: &str, body: impl Into<Vec<u8>>) -> Request {
    let mut headers = Vec::new();
    if !token.is_empty() {
        headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
    }
    Request { method: method.to_owned(), target: target.to_owned(), headers, body: body.into() }
}

impl Served {
    fn send(&self, request: &Request) -> Response {
        http::send(self.at, request).unwrap()
    }

    /// Asks, and returns the status with the JSON that is answered.
    fn ask(&self, token: &str, method: &str, target: &str, body: &str) -> (u16, Value) {
        let answer = self.send(&request(token, method, target, body));
        let value = serde_json::from_slice(&answer.body);
        (answer.status, value.unwrap_or_else(|_| panic!("no JSON: {}", answer.string())))
    }

    fn get(&self, target: &str) -> (u16, Value) {
        self.ask(READER, "GET", target, "")
    }

    /// Tells of one grant and returns what became of it.
    fn put(&self, message: &Value) -> String {
        let target = format!("/v1/grants/{}", message["id"].as_str().unwrap());
        let (status, told) = self.ask(BROKER, "PUT", &target, &message.to_string());
        assert_eq!(status, 200, "{told:#}");
        told["results"][0]["result"].as_str().unwrap().to_owned()
    }

    /// Returns the names of the grants that are listed.
    fn ids(&self, query: &str) -> Vec<String> {
        let (status, page) = self.get(&format!("/v1/grants?{query}"));
        assert_eq!(status, 200, "{page:#}");
        let ids = page["grants"].as_array().unwrap().iter();
        ids.map(|grant| grant["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// A grant to alice in one account, from eight to ten on 1 March 2026.
fn message(id: &str) -> Value {
    json!({
        "schema": "grantwatch.grant/1", "id": id, "source": "test", "revision": 1,
        "emitted_at": "2026-03-01T07:59:00Z", "status": "active",
        "principals": [{"kind": "idc_user", "user_name": "alice@example.com"}],
        "scope": {"accounts": ["111122223333"], "permission_sets": ["Admin"]},
        "window": {"not_before": "2026-03-01T08:00:00Z", "not_after": "2026-03-01T10:00:00Z"},
    })
}

fn with(mut message: Value, pointer: &str, value: Value) -> Value {
    *message.pointer_mut(pointer).unwrap() = value;
    message
}

fn lines(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("{message}\n")).collect()
}

#[test]
fn whoever_may_not_ask_is_refused_and_nothing_changes() {
    let house = house();
    let served = serve(&house);
    let one = message("g-1").to_string();
    for (token, method, target, status, named) in [
        ("", "GET", "/v1/grants", 401, "unauthenticated"),
        ("gwt_wrong", "GET", "/v1/grants", 401, "not known"),
        (EXPIRED, "GET", "/v1/grants", 401, "time is over"),
        (TEAM, "GET", "/v1/grants", 403, "grants:read"),
        ("", "PUT", "/v1/grants/g-1", 401, "unauthenticated"),
        (READER, "PUT", "/v1/grants/g-1", 403, "grants:write"),
        (READER, "POST", "/v1/grants/g-1/revoke", 403, "grants:write"),
        (TEAM, "PUT", "/v1/grants/g-1", 403, "`test` is no source"),
        (TEAM, "POST", "/v1/grants", 403, "`test` is no source"),
        (BROKER, "POST", "/v1/hooks/aws-team", 422, "nothing was taken in"),
        ("", "POST", "/v1/hooks/no-such-preset", 401, "unauthenticated"),
        (TEAM, "POST", "/v1/hooks/no-such-preset", 404, "no preset `no-such-preset`"),
        (READER, "DELETE", "/v1/grants/g-1", 405, "method-not-allowed"),
        (READER, "GET", "/v2/grants", 404, "openapi.json"),
    ] {
        let answer = served.send(&request(token, method, target, one.as_str()));
        let said = answer.string();
        assert_eq!(answer.status, status, "{method} {target} with `{token}`: {said}");
        let kind = answer.headers.iter().find(|(name, _)| name == "content-type").unwrap();
        assert_eq!(kind.1, "application/problem+json");
        assert!(said.contains(named), "{method} {target} with `{token}`: {said}");
        let asks = answer.headers.iter().any(|(name, _)| name == "www-authenticate");
        assert_eq!(asks, status == 401, "{said}");
    }
    assert_eq!(served.ids(""), [""; 0]);
    let log = served.daemon.log();
    assert!(log.contains("refused a request to the API"), "{log}");
    assert!(!log.contains("gwt_"), "a token is in the log:\n{log}");
}

#[test]
fn a_message_that_is_wrong_is_named_by_line_and_field_and_nothing_is_taken_in() {
    let house = house();
    let served = serve(&house);
    let post = |body: &str| served.ask(BROKER, "POST", "/v1/grants", body);
    for (body, status, line, field) in [
        ("", 400, 0, ""),
        ("hello", 400, 1, ""),
        ("[]", 400, 0, ""),
        ("{}", 422, 1, "schema"),
        (&with(message("g-1"), "/status", json!("on")).to_string(), 422, 1, "status"),
        (
            &with(message("g-1"), "/window/not_after", json!(null)).to_string(),
            422,
            1,
            "window.not_after",
        ),
        // Longer than `grants.max_duration`.
        (
            &with(message("g-1"), "/window/not_after", json!("2026-04-01T00:00:00Z")).to_string(),
            422,
            1,
            "window.not_after",
        ),
        (&lines(&[message("g-1"), json!({"id": "g-2"}), message("g-3")]), 422, 2, "schema"),
        (&format!("{}\nbroken\n{}\n", message("g-1"), message("g-3")), 422, 2, ""),
        (&json!([message("g-1"), with(message("g-2"), "/id", json!(7))]).to_string(), 422, 1, "id"),
    ] {
        let (found, problem) = post(body);
        assert_eq!(found, status, "{body}: {problem:#}");
        if line > 0 {
            let errors = problem["errors"].as_array().unwrap();
            let is_named = |error: &Value| error["line"] == line && error["field"] == field;
            assert!(errors.iter().any(is_named), "{body}: {problem:#}");
        }
    }
    let (status, problem) =
        served.ask(BROKER, "PUT", "/v1/grants/g-2", &message("g-1").to_string());
    assert_eq!((status, problem["errors"][0]["field"].as_str()), (422, Some("id")));
    let two = lines(&[message("g-1"), message("g-1")]);
    assert_eq!(served.ask(BROKER, "PUT", "/v1/grants/g-1", &two).0, 422);
    let mut form = request(BROKER, "POST", "/v1/grants", message("g-1").to_string());
    let kind = "application/x-www-form-urlencoded".to_owned();
    form.headers.push(("Content-Type".to_owned(), kind));
    assert_eq!(served.send(&form).status, 415);
    assert_eq!(served.send(&request(BROKER, "POST", "/v1/grants", vec![0xff])).status, 400);
    assert_eq!(served.ids(""), [""; 0]);
}

#[test]
fn a_body_of_ten_megabytes_is_refused_and_never_held() {
    let house = house();
    let served = serve(&house);
    assert_eq!(served.put(&message("g-1")), "new");
    let before = served.daemon.peak_memory();
    let vast = vec![b' '; 10_000_000];
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (at, body) = (served.at, vast.clone());
            thread::spawn(move || {
                http::send(at, &request(BROKER, "POST", "/v1/grants", body)).unwrap().status
            })
        })
        .collect();
    for refused in threads {
        assert_eq!(refused.join().unwrap(), 413);
    }
    let grown = served.daemon.peak_memory() - before;
    assert!(grown < 60_000_000, "{grown} bytes for sixteen bodies of ten million");
    // Who waits to be asked for the body is told before it is sent.
    let mut stream = TcpStream::connect(served.at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST /v1/grants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {BROKER}\r\n\
         Content-Length: 10000000\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(served.ids(""), ["g-1"]);
}

#[test]
fn a_grant_is_told_known_contradicted_looked_at_and_taken_back() {
    let house = house();
    let served = serve(&house);
    let one = message("team:g/1");
    let target = "/v1/grants/team%3Ag%2F1";
    let put = |message: &Value| {
        let (status, told) = served.ask(BROKER, "PUT", target, &message.to_string());
        assert_eq!(status, 200, "{told:#}");
        told["results"][0]["result"].as_str().unwrap().to_owned()
    };
    assert_eq!(put(&one), "new");
    assert_eq!(put(&one), "duplicate");
    let other = with(one.clone(), "/window/not_after", json!("2026-03-01T09:00:00Z"));
    assert_eq!(put(&other), "conflict");

    let (status, grant) = served.get(target);
    assert_eq!((status, grant["id"].as_str()), (200, Some("team:g/1")));
    assert_eq!(grant["status"], "ended", "its window is over");
    assert_eq!(grant["versions"].as_array().unwrap().len(), 2);
    let from = grant["versions"][0]["evidence"]["from"].as_str().unwrap();
    assert!(from.starts_with("api:broker/") && from.ends_with(":1"), "{from}");
    assert_eq!(served.get("/v1/grants/nobody").0, 404);

    let revoke = |token, body| served.ask(token, "POST", &format!("{target}/revoke"), body);
    assert_eq!(revoke(TEAM, "").0, 403);
    assert_eq!(revoke(BROKER, "{\"why\": 1}").0, 422);
    let (status, told) = revoke(BROKER, "{\"reason\": \"incident 7\"}");
    assert_eq!((status, &told["results"][0]["result"]), (200, &json!("new")), "{told:#}");
    assert_eq!(told["results"][0]["revision"], 2);
    assert_eq!(revoke(BROKER, "").1["results"][0]["result"], "duplicate");
    let (_, grant) = served.get(target);
    assert_eq!(grant["status"], "revoked");
    assert_eq!(grant["message"]["justification"], "incident 7");
    assert_eq!(served.ask(BROKER, "POST", "/v1/grants/nobody/revoke", "").0, 404);
    let over = with(message("g-over"), "/status", json!("ended"));
    assert_eq!(served.put(&over), "new");
    let (status, problem) = served.ask(BROKER, "POST", "/v1/grants/g-over/revoke", "");
    assert_eq!(status, 409, "{problem:#}");
    // What contradicts is for somebody to look at.
    assert_eq!(house.store().quarantine().len(), 1);
    let log = served.daemon.log();
    let told = log.lines().filter(|line| line.contains("grants were told over the API"));
    assert!(told.clone().all(|line| line.contains("by=\"broker\"")), "{log}");
    assert_eq!(told.count(), 5, "{log}");
    assert!(!log.contains("gwt_"), "a token is in the log:\n{log}");
}

#[test]
fn grants_are_listed_by_who_where_when_and_state_page_by_page() {
    let house = house();
    let served = serve(&house);
    let mut batch: Vec<Value> = (0..7).map(|number| message(&format!("g-{number}"))).collect();
    batch[6] = with(batch[6].clone(), "/principals/0/user_name", json!("bob@example.com"));
    batch[5] = with(batch[5].clone(), "/scope/accounts/0", json!("444455556666"));
    batch[4] = with(batch[4].clone(), "/status", json!("requested"));
    let (status, told) = served.ask(BROKER, "POST", "/v1/grants", &lines(&batch));
    assert_eq!(status, 200, "{told:#}");
    let results: Vec<(u64, &str)> = told["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["line"].as_u64().unwrap(), it["result"].as_str().unwrap()))
        .collect();
    assert_eq!(results, (1..=7).map(|line| (line, "new")).collect::<Vec<_>>());
    let array = Value::Array(batch).to_string();
    let (_, told) = served.ask(BROKER, "POST", "/v1/grants", &array);
    assert!(told["results"].as_array().unwrap().iter().all(|it| it["result"] == "duplicate"));

    let during = "at=2026-03-01T09:00:00Z";
    assert_eq!(served.ids(&format!("user=BOB@example.com&{during}")), ["g-6"]);
    assert_eq!(served.ids("account=444455556666"), ["g-5"]);
    assert_eq!(served.ids(&format!("status=requested&{during}")), ["g-4"]);
    assert_eq!(served.ids(&format!("status=active&{during}")).len(), 6);
    assert_eq!(served.ids("status=active"), [""; 0], "they are over by now");
    assert_eq!(served.ids("at=2026-03-01T07:00:00Z"), [""; 0]);
    assert_eq!(served.get("/v1/grants?state=active").0, 400);
    let (mut after, mut all) = (String::new(), Vec::new());
    loop {
        let (_, page) = served.get(&format!("/v1/grants?limit=3&after={after}"));
        let grants = page["grants"].as_array().unwrap().iter();
        all.extend(grants.map(|grant| grant["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
    }
    assert_eq!(all, (0..7).map(|number| format!("g-{number}")).collect::<Vec<_>>());
}

#[test]
fn what_was_answered_outlives_a_kill() {
    let house = house();
    let served = serve(&house);
    assert_eq!(served.put(&message("g-1")), "new");
    served.daemon.kill();
    let served = serve(&house);
    assert_eq!(served.ids(""), ["g-1"]);
    assert_eq!(served.put(&message("g-1")), "duplicate");
}

#[test]
fn a_stop_in_the_middle_loses_nothing_that_was_answered() {
    let house = house();
    let served = serve(&house);
    let at = served.at;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            thread::spawn(move || {
                let mut told = BTreeSet::new();
                for number in 0.. {
                    let id = format!("g-{writer}-{number}");
                    let body = message(&id).to_string();
                    let asked = request(BROKER, "PUT", &format!("/v1/grants/{id}"), body);
                    match http::send(at, &asked) {
                        Ok(answer) if answer.status == 200 => told.insert(id),
                        // It is stopping, or gone.
                        Ok(answer) if answer.status == 503 => break,
                        Ok(answer) => panic!("{}: {}", answer.status, answer.string()),
                        Err(_) => break,
                    };
                }
                told
            })
        })
        .collect();
    let Served { mut daemon, .. } = served;
    daemon.await_that("some writes", |daemon| daemon.said("g-0-3") && daemon.said("g-3-3"));
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    let told: BTreeSet<String> =
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    let served = serve(&house);
    let found: BTreeSet<String> = served.ids("limit=1000").into_iter().collect();
    assert!(told.len() >= 12 && found.is_superset(&told), "{:?}", &told - &found);
}

/// Returns the time as the daemon has it.
#[expect(clippy::disallowed_methods, reason = "signatures are made now")]
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Signs a request as Standard Webhooks has it.
fn signed(mut request: Request, id: &str, at: i64, secret: &str) -> Request {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
    let mut code = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    code.update(format!("{id}.{at}.").as_bytes());
    code.update(&request.body);
    let signature = format!("v1,{}", STANDARD.encode(code.finalize().into_bytes()));
    for (name, value) in [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signature),
    ] {
        request.headers.push((name.to_owned(), value));
    }
    request
}

#[test]
fn a_source_that_signs_is_let_in_by_its_signature_once_and_lately() {
    let house = house();
    let secret = house.path("secret").display().to_string();
    let house = house
        .with(&format!("[[api.signature]]\nsource = \"aws-team\"\nsecret_file = \"{secret}\"\n"))
        .with(&format!("[[api.signature]]\nsource = \"test\"\nsecret_file = \"{secret}\"\n"));
    let served = serve(&house);
    let messages = files::text("testdata/grants/aws-team/messages.ndjson");
    let body = messages.lines().find(|line| !line.is_empty()).unwrap();
    let hook = |token: &str| request(token, "POST", "/v1/hooks/aws-team", body);
    let status = |request: &Request| served.send(request).status;

    assert_eq!(status(&hook(TEAM)), 401, "a token is no signature");
    let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    assert_eq!(status(&signed(hook(""), "m-1", now(), other)), 401, "another secret");
    assert_eq!(status(&signed(hook(""), "m-1", now() - 400, SECRET)), 401, "stale");
    assert_eq!(status(&signed(hook(""), "m-1", now() + 400, SECRET)), 401, "ahead");
    let mut tampered = signed(hook(""), "m-1", now(), SECRET);
    tampered.body.push(b' ');
    assert_eq!(status(&tampered), 401, "another body");
    assert_eq!(served.ids(""), [""; 0]);

    let at = now();
    let first = signed(hook(""), "m-1", at, SECRET);
    let answer = served.send(&first);
    assert_eq!(answer.status, 200, "{}", answer.string());
    assert!(answer.string().contains("\"new\""), "{}", answer.string());
    let replayed = served.send(&first);
    assert_eq!(replayed.status, 409);
    assert!(replayed.string().contains("#replayed"), "{}", replayed.string());
    // Tried again, as a sender does who heard no answer.
    let again = served.send(&signed(hook(""), "m-1", at - 1, SECRET));
    assert_eq!(again.status, 200);
    assert!(again.string().contains("\"duplicate\""), "{}", again.string());
    assert_eq!(served.ids("").len(), 1);

    // Our own messages of a source that signs need both.
    let put = |token: &str| request(token, "PUT", "/v1/grants/g-1", message("g-1").to_string());
    assert_eq!(status(&put(BROKER)), 401);
    assert_eq!(status(&signed(put(""), "m-2", now(), SECRET)), 401);
    assert_eq!(status(&signed(put(BROKER), "m-2", now(), SECRET)), 200);
    assert!(served.daemon.said("by=\"webhook:aws-team\""), "{}", served.daemon.log());
}

#[test]
fn a_source_may_sign_with_a_header_of_its_own() {
    let house = house();
    fs::write(house.path("hex"), "a secret of ours\n").unwrap();
    let secret = house.path("hex").display().to_string();
    let house = house.with(&format!(
        "[[api.signature]]\nsource = \"test\"\nsecret_file = \"{secret}\"\nstyle = \"hex\"\n\
         header = \"X-Broker-Signature\"\nprefix = \"v0=\"\n"
    ));
    let served = serve(&house);
    let put = |key: &str| {
        let mut request = request(BROKER, "PUT", "/v1/grants/g-1", message("g-1").to_string());
        let mut code = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        code.update(&request.body);
        let code = code.finalize().into_bytes();
        let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        request.headers.push(("x-broker-signature".to_owned(), format!("v0={code}")));
        served.send(&request)
    };
    assert_eq!(put("another secret").status, 401);
    assert_eq!(put("a secret of ours").status, 200);
    assert!(put("a secret of ours").string().contains("duplicate"));
}

#[test]
fn a_brokers_own_webhook_is_read_with_its_preset() {
    let house = house().with(
        "[[grants.preset]]\nname = \"teleport\"\n\
         set = { max_duration = \"8h\", role_arn = \"arn:aws:iam::111122223333:role/teleport-*\" }\n",
    );
    let house = house.with(&token(
        "t",
        "gwt_tele",
        "scopes = [\"grants:write\"]\nsources = [\"teleport\"]",
    ));
    let served = serve(&house);
    let messages = files::text("testdata/grants/aws-team/messages.ndjson");
    let (status, told) = served.ask(TEAM, "POST", "/v1/hooks/aws-team", &messages);
    assert_eq!(status, 200, "{told:#}");
    let results = told["results"].as_array().unwrap();
    assert_eq!(results.len(), messages.lines().filter(|line| !line.is_empty()).count());
    assert!(results.iter().all(|it| it["result"] == "new"), "{told:#}");
    let neutral = files::text("testdata/grants/aws-team/neutral.ndjson");
    let wanted: BTreeSet<String> = neutral
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(served.ids("").into_iter().collect::<BTreeSet<_>>(), wanted);
    // A token for one broker's source does not open another's.
    assert_eq!(served.ask("gwt_tele", "POST", "/v1/hooks/aws-team", &messages).0, 403);
    let search =
        json!({"event": "access_request.search", "id": "1", "time": "2026-03-01T08:00:00Z"});
    let (status, told) = served.ask("gwt_tele", "POST", "/v1/hooks/teleport", &search.to_string());
    assert_eq!((status, &told["results"][0]["result"]), (200, &json!("passed_over")), "{told:#}");
    let (status, problem) = served.ask(
        "gwt_tele",
        "POST",
        "/v1/hooks/teleport",
        "{\"event\": \"access_request.create\"}",
    );
    assert_eq!(status, 422, "{problem:#}");
}

#[test]
fn every_route_of_the_document_is_served_and_no_other_method() {
    let house = house();
    let served = serve(&house);
    let (status, document) = served.ask("", "GET", "/v1/openapi.json", "");
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    let methods = ["GET", "PUT", "POST", "DELETE", "PATCH"];
    for (path, described) in document["paths"].as_object().unwrap() {
        let target = path.replace("{id}", "g-1").replace("{preset}", "aws-team");
        for method in methods {
            let answer = served.send(&request("", method, &target, ""));
            let is_described = described.get(method.to_ascii_lowercase()).is_some();
            assert_eq!(answer.status == 405, !is_described, "{method} {path}: {}", answer.status);
            let is_open = described[method.to_ascii_lowercase()]["security"] == json!([]);
            let wanted = match (is_described, is_open) {
                (false, _) => 405,
                (true, true) => 200,
                (true, false) => 401,
            };
            assert_eq!(answer.status, wanted, "{method} {path}");
        }
    }
    assert_eq!(served.ask("", "GET", "/healthz", ""), (200, json!({"status": "ok"})));
}

#[test]
fn the_daemons_numbers_are_told_to_whoever_may_read_them() {
    let scraper = token("prometheus", "gwt_scraper", "scopes = [\"metrics:read\"]");
    let house = house().with(&scraper);
    let served = serve(&house);
    assert_eq!(served.put(&message("g-1")), "new");
    let scrape = |token| served.send(&request(token, "GET", "/metrics", ""));
    assert_eq!((scrape("").status, scrape(BROKER).status), (401, 403));
    let told = scrape("gwt_scraper");
    let kind = told.headers.iter().find(|(name, _)| name == "content-type").unwrap();
    assert!(kind.1.starts_with("application/openmetrics-text"), "{kind:?}");
    let text = told.string();
    assert!(text.contains("grantwatch_deliveries_total{source=\"api\"} 1\n"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

/// Makes a certificate for `localhost` with its key, writes both, and returns it.
fn certificate(house: &House) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(house.path("cert.pem"), made.cert.pem()).unwrap();
    fs::write(house.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// Asks over TLS for `target`, trusting `trusted` alone; returns the first line of the answer.
fn over_tls(
    at: SocketAddr,
    trusted: &rustls::pki_types::CertificateDer<'static>,
    token: &str,
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(at)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut stream = rustls::StreamOwned::new(client, socket);
    write!(
        stream,
        "GET /v1/grants HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn other_machines_are_spoken_to_over_tls_alone_and_a_reload_changes_certificate_and_tokens() {
    let house = house().with("[api]\nlisten = \"0.0.0.0:0\"\n");
    let (status, log) = house.run().ended();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("api.listen: tokens would travel in the clear"), "{log}");

    let first = certificate(&house);
    let (cert, key) = (house.path("cert.pem"), house.path("key.pem"));
    let tls = format!("[api.tls]\ncert = \"{}\"\nkey = \"{}\"\n", cert.display(), key.display());
    let house = house.with(&tls);
    let mut served = serve(&house);
    served.at.set_ip([127, 0, 0, 1].into());
    let ok = "HTTP/1.1 200 OK";
    assert_eq!(over_tls(served.at, &first, READER).unwrap(), ok);
    assert_eq!(over_tls(served.at, &first, "gwt_wrong").unwrap(), "HTTP/1.1 401 Unauthorized");
    assert!(http::send(served.at, &request(READER, "GET", "/v1/grants", "")).is_err());

    let second = certificate(&house);
    assert_ne!(first, second);
    let text = fs::read_to_string(house.config()).unwrap();
    let (old, new) = (token("reader", READER, ""), token("reader", "gwt_next", ""));
    let hash = |entry: &str| entry.lines().nth(2).unwrap().to_owned();
    fs::write(house.config(), text.replace(&hash(&old), &hash(&new))).unwrap();
    served.daemon.signal("HUP");
    served.daemon.await_word("reloaded");
    assert_eq!(over_tls(served.at, &second, "gwt_next").unwrap(), ok);
    assert_eq!(over_tls(served.at, &second, READER).unwrap(), "HTTP/1.1 401 Unauthorized");
    assert!(over_tls(served.at, &first, "gwt_next").is_err(), "the old certificate is gone");

    fs::write(&key, "no key").unwrap();
    served.daemon.signal("HUP");
    served.daemon.await_word("could not reload the API");
    assert_eq!(over_tls(served.at, &second, "gwt_next").unwrap(), ok);
}

#[test]
fn a_token_that_was_made_is_let_in() {
    let house = house();
    let made =
        house.command(&["grants", "token", "--name", "made", "--source", "test"]).output().unwrap();
    let said = String::from_utf8(made.stdout).unwrap();
    let (token, entry) = said.split_once("\n\n").unwrap();
    assert!(token.starts_with("gwt_") && !entry.contains(token), "{said}");
    let served = serve(&house.with(entry));
    let body = message("g-1").to_string();
    assert_eq!(served.ask(token, "PUT", "/v1/grants/g-1", &body).0, 200);
    let without = house_command_fails(&["grants", "token"]);
    assert!(without.contains("--source"), "{without}");
}

fn house_command_fails(arguments: &[&str]) -> String {
    let output = House::new().command(arguments).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_queue_of_grants_is_read_and_what_is_bad_in_it_is_kept_apart() {
    let aws = Moto::shared();
    let (neutral, team) = (aws.queue(PATIENT), aws.queue(PATIENT));
    let queue = |name: &str, url: &str, more: &str| {
        format!(
            "[[source.sqs]]\nname = \"{name}\"\ncontent = \"grants\"\nqueue_url = \"{url}\"\n\
             endpoint_url = \"{}\"\nregion = \"{REGION}\"\nvisibility = \"10s\"\nwait = \"2s\"\n{more}\n",
            aws.url()
        )
    };
    let house = house().with(&queue("grants", &neutral.url, "")).with(&queue(
        "team",
        &team.url,
        "preset = \"aws-team\"",
    ));
    neutral.send(&message("q-1").to_string());
    neutral.send(&lines(&[message("q-2"), json!({"id": "q-3"}), message("q-4")]));
    let published = lines(&[message("q-5")]);
    let topic = "arn:aws:sns:us-east-1:123456789012:grants";
    neutral.send(
        &json!({"Type": "Notification", "TopicArn": topic, "Message": published}).to_string(),
    );
    neutral.send("hello");
    let told = files::text("testdata/grants/aws-team/messages.ndjson");
    let told = told.lines().find(|line| !line.is_empty()).unwrap();
    let stamp = "2026-03-01T08:00:04.000Z";
    team.send(
        &json!({"Type": "Notification", "TopicArn": topic, "Message": told, "Timestamp": stamp})
            .to_string(),
    );
    let mut served = serve(&house);
    for queue in [&neutral, &team] {
        served.daemon.await_that("an empty queue", |_| queue.is_empty());
        assert_eq!(queue.dead(), 0);
    }
    let ids = served.ids("");
    assert_eq!(ids[..4], ["q-1", "q-2", "q-4", "q-5"]);
    assert!(ids[4].starts_with("team:") && ids.len() == 5, "{ids:?}");
    let quarantine = house.store().quarantine();
    let reasons: BTreeMap<Option<i64>, &str> =
        quarantine.iter().map(|row| (row.record, row.reason.as_str())).collect();
    assert_eq!(quarantine.len(), 2, "{quarantine:#?}");
    assert!(reasons[&Some(2)].contains("schema: has to be"), "{quarantine:#?}");
    assert!(reasons[&Some(1)].contains("is not JSON"), "{quarantine:#?}");
    let (_, grant) = served.get("/v1/grants/q-4");
    let from = grant["versions"][0]["evidence"]["from"].as_str().unwrap();
    assert!(from.starts_with("message:") && from.ends_with(":3"), "{from}");
}

#[test]
fn a_queue_with_a_preset_that_is_none_is_a_mistake() {
    let house = house().with(
        "[[source.sqs]]\nname = \"q\"\ncontent = \"grants\"\npreset = \"aws-tem\"\n\
         queue_url = \"https://sqs.eu-west-1.amazonaws.com/111122223333/q\"\n",
    );
    let (status, log) = house.run().ended();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("source.sqs[0].preset: there is no preset `aws-tem`"), "{log}");
}

#[test]
fn the_examples_of_the_document_do_what_it_says() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl here");
        return;
    }
    let house = house();
    fs::write(
        house.path("grants.ndjson"),
        lines(&[with(message("g-1"), "/source", json!("aws-team"))]),
    )
    .unwrap();
    let told = files::text("testdata/grants/aws-team/messages.ndjson");
    fs::write(house.path("request.json"), told.lines().find(|line| !line.is_empty()).unwrap())
        .unwrap();
    let made = ["grants", "token", "--name", "of-the-document", "--source", "aws-team"];
    let made = String::from_utf8(house.command(&made).output().unwrap().stdout).unwrap();
    let (token, entry) = made.split_once("\n\n").unwrap();
    let house = house.with(entry);
    let served = serve(&house);
    let document = files::text("docs/api.md");
    let blocks = document.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut answers = Vec::new();
    for block in blocks.filter(|block| block.starts_with("curl ")) {
        let script = block.replace("127.0.0.1:8440", &served.at.to_string());
        let run = std::process::Command::new("sh")
            .args(["-e", "-c", &script])
            .env("TOKEN", token)
            .current_dir(house.path(""))
            .output()
            .unwrap();
        let said = String::from_utf8(run.stdout).unwrap();
        assert!(run.status.success(), "{block}\n{said}");
        answers.push(said);
    }
    let has = |at: usize, text: &str| {
        let answer = &answers[at];
        assert!(answer.contains(text), "no `{text}` in\n{answer}");
    };
    assert!(document.contains(&answers[0]), "the first answer is shown: {}", answers[0]);
    has(1, "\"id\":\"g-1\"");
    has(2, "\"result\":\"new\"");
    has(3, "\"grants\":[");
    has(3, "\"justification\":\"incident 7\"");
    has(4, "\"result\":\"new\"");
    assert_eq!(answers.len(), 5);
}
