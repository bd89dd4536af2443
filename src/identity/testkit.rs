//! Stories: a small notation for who takes which role, and what must be said of the calls that follow.
//!
//! ```text
//! 08:00 saml:alice@example.com takes Admin as A in 111122223333 named alice@example.com @198.51.100.7
//! 08:05 A calls iam:ListUsers           ! person:alice@example.com exact chain_depth=1
//! --                                      the next delivery
//! given B Deploy in 444455556666 at 09:00 a session whose issue is never seen
//! restart                                 the registry is saved and loaded
//! forget 2026-03-04T00:00:00Z             sessions that ended are forgotten
//! ```
//! Callers: a session's letter, `user:NAME`, `root`, `saml:NAME`, `oidc:SUBJECT`, `svc:PRINCIPAL`, `acct:ID`,
//! `idc:USERID`. Behind `!`: the name, the confidence, then `fact=value` or `fact~part` (a `-` for each space) below
//! `gw.session.`, `gw.identity.` or `gw.`; `fact=-` says that it is not set.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;
use serde_json::json;

use crate::identity::Config;
use crate::identity::FIELDS;
use crate::identity::Registry;
use crate::identity::SCHEMA;
use crate::identity::event_facts;
use crate::identity::table::OURS;
use crate::model::Facts;
use crate::model::Glob;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::store::Migration;
use crate::store::Store;

const HOME: &str = "111122223333";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/token.example.com";

/// Tells the story and holds it to what it says.
pub(super) fn check(story: &str) {
    let config = Config {
        brokers: vec![Glob("grant-broker*".to_owned())],
        provisioners: vec![Glob("arn:aws:iam::*:role/pipeline/*".to_owned())],
        accounts: vec!["555566667777".to_owned()],
        ..Config::default()
    };
    let mut teller = Teller::new(&config);
    for line in story.lines() {
        teller.note_session(&words(line));
    }
    let mut said = String::new();
    let mut delivery = Vec::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match words(line).as_slice() {
            ["--", ..] => teller.deliver(&mut delivery, &mut said),
            ["given", ..] => {}
            ["restart", ..] => {
                teller.deliver(&mut delivery, &mut said);
                teller.restart(&config);
            }
            ["forget", until, ..] => {
                teller.deliver(&mut delivery, &mut said);
                teller.forget(Seconds::parse(until).unwrap());
            }
            _ => {
                let (told, expected) = line.split_once('!').unwrap_or((line, ""));
                let record = teller.record(&words(told), delivery.len());
                delivery.push((line.to_owned(), record.to_string(), expected.trim().to_owned()));
            }
        }
    }
    teller.deliver(&mut delivery, &mut said);
    assert!(said.is_empty(), "\n{said}");
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

struct Told {
    account: String,
    role: String,
    name: String,
    created: String,
    id: String,
    imds: bool,
    source_identity: Option<String>,
    /// The key it is used with, where that is not the one it was issued.
    key: String,
    user_id: Option<String>,
}

struct Teller {
    registry: Registry,
    store: Store,
    _folder: tempfile::TempDir,
    sessions: HashMap<String, Told>,
    count: usize,
}

/// The word after `mark`.
fn after<'a>(words: &[&'a str], mark: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == mark).and_then(|at| words.get(at + 1)).copied()
}

fn at(clock: &str) -> String {
    format!("2026-03-01T{clock}:00Z")
}

/// The full ARN of a role in the story; Identity Center's roles have their path.
fn role_arn(account: &str, role: &str) -> String {
    let path = if role.starts_with("AWSReservedSSO_") {
        "aws-reserved/sso.amazonaws.com/"
    } else if role.starts_with("AWSServiceRoleFor") {
        "aws-service-role/config.amazonaws.com/"
    } else {
        ""
    };
    format!("arn:aws:iam::{account}:role/{path}{role}")
}

impl Teller {
    fn new(config: &Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let migrations = [
            Migration { number: 1, name: "identity", sql: SCHEMA },
            Migration { number: 2, name: "ours", sql: OURS },
        ];
        let store = Store::open(&folder.path().join("a.db"), &migrations).unwrap();
        let registry = Registry::new(config);
        Self { registry, store, _folder: folder, sessions: HashMap::new(), count: 0 }
    }

    /// Notes the session that a line issues or gives, so that it may be used before.
    fn note_session(&mut self, words: &[&str]) {
        let (letter, role) = match words {
            ["given", letter, role, ..] => (*letter, *role),
            [_, _, "takes", role, "as", letter, ..] => (*letter, *role),
            [_, _, "token", letter, ..] => (*letter, ""),
            _ => return,
        };
        let clock = after(words, "at").unwrap_or(words.first().copied().unwrap_or_default());
        let told = Told {
            account: after(words, "in").unwrap_or(HOME).to_owned(),
            role: role.to_owned(),
            name: after(words, "named").unwrap_or("session").to_owned(),
            created: at(clock),
            id: after(words, "id").map_or_else(|| format!("AROAEXAMPLE{role}"), str::to_owned),
            imds: words.contains(&"imds"),
            source_identity: after(words, "stating").map(str::to_owned),
            key: after(words, "key").map_or_else(|| format!("ASIAEXAMPLE{letter}"), str::to_owned),
            user_id: after(words, "for").map(str::to_owned),
        };
        self.sessions.insert(letter.to_owned(), told);
    }

    fn identity(&self, who: &str) -> Value {
        if let Some(told) = self.sessions.get(who) {
            return session_identity(told);
        }
        match who.split_once(':').unwrap_or((who, "")) {
            ("user", name) => json!({
                "type": "IAMUser", "principalId": format!("AIDAEXAMPLE{name}"), "accountId": HOME,
                "arn": format!("arn:aws:iam::{HOME}:user/staff/{name}"), "userName": name,
                "accessKeyId": format!("AKIAEXAMPLE{name}"),
            }),
            ("console", name) => json!({
                "type": "IAMUser", "principalId": format!("AIDAEXAMPLE{name}"), "accountId": HOME,
                "arn": format!("arn:aws:iam::{HOME}:user/staff/{name}"), "userName": name,
                "accessKeyId": "ASIAEXAMPLECONSOLE",
                "sessionContext": {"sessionIssuer": {}, "attributes": {"creationDate": at("08:01"), "mfaAuthenticated": "false"}},
            }),
            ("root", _) => json!({
                "type": "Root", "principalId": HOME, "accountId": HOME, "arn": format!("arn:aws:iam::{HOME}:root"),
            }),
            ("saml", name) => json!({
                "type": "SAMLUser", "principalId": format!("q=:{name}"), "userName": name, "identityProvider": "q=",
            }),
            ("oidc", subject) => json!({
                "type": "WebIdentityUser", "principalId": format!("{PROVIDER}:sts.amazonaws.com:{subject}"),
                "userName": subject, "identityProvider": PROVIDER,
            }),
            ("svc", principal) => json!({ "type": "AWSService", "invokedBy": principal }),
            ("acct", id) => {
                json!({ "type": "AWSAccount", "principalId": "AROAEXAMPLE:x", "accountId": id })
            }
            ("idc", id) => {
                json!({ "type": "IdentityCenterUser", "accountId": HOME, "onBehalfOf": {"userId": id} })
            }
            _ => panic!("nobody is called {who}"),
        }
    }

    /// The record of one line.
    fn record(&mut self, words: &[&str], index: usize) -> Value {
        let [clock, who, verb, rest @ ..] = words else { panic!("no line: {words:?}") };
        self.count += 1;
        let address = words.iter().find_map(|word| word.strip_prefix('@')).unwrap_or("203.0.113.9");
        let mut record = json!({
            "eventTime": at(clock), "eventID": format!("e-{:04}-{index}", self.count), "userIdentity": self.identity(who),
            "sourceIPAddress": address, "recipientAccountId": HOME,
            "requestParameters": null, "responseElements": null,
        });
        match *verb {
            "calls" => {
                let (service, name) = rest.first().unwrap().split_once(':').unwrap();
                record["eventSource"] = format!("{service}.amazonaws.com").into();
                record["eventName"] = name.into();
            }
            "takes" => self.takes(&mut record, who, words),
            "token" => {
                let told = &self.sessions[*rest.first().unwrap()];
                record["eventSource"] = "sts.amazonaws.com".into();
                record["eventName"] = "GetSessionToken".into();
                record["requestParameters"] =
                    json!({"serialNumber": "arn:aws:iam::111122223333:mfa/x"});
                record["responseElements"] = json!({"credentials": {"accessKeyId": told.key}});
            }
            "logs-in" => {
                record["eventSource"] = "signin.amazonaws.com".into();
                record["eventName"] = "ConsoleLogin".into();
                record["responseElements"] = json!({"ConsoleLogin": "Success"});
                let used = if words.contains(&"mfa") { "Yes" } else { "No" };
                record["additionalEventData"] = json!({"MFAUsed": used});
            }
            "switches" => {
                let from = after(words, "from").unwrap();
                record["eventSource"] = "signin.amazonaws.com".into();
                record["eventName"] = "SwitchRole".into();
                record["responseElements"] = json!({"SwitchRole": "Success"});
                record["additionalEventData"] =
                    json!({"SwitchFrom": format!("arn:aws:iam::{HOME}:user/{from}")});
            }
            "asks" => {
                record["eventSource"] = "sso.amazonaws.com".into();
                record["eventName"] = "GetRoleCredentials".into();
                let account = after(words, "in").unwrap_or(HOME);
                record["serviceEventDetails"] =
                    json!({"role_name": rest.first(), "account_id": account});
            }
            "signs-in" => {
                record["eventSource"] = "signin.amazonaws.com".into();
                record["eventName"] = "CredentialVerification".into();
                let outcome = if words.contains(&"failing") { "Failure" } else { "Success" };
                record["serviceEventDetails"] = json!({"CredentialVerification": outcome});
                record["additionalEventData"] =
                    json!({"CredentialType": rest.first(), "UserName": after(words, "named")});
            }
            verb => panic!("nobody {verb}"),
        }
        if let Some(account) = after(words, "seen-by") {
            record["recipientAccountId"] = account.into();
        }
        record
    }

    fn takes(&self, record: &mut Value, who: &str, words: &[&str]) {
        let told = &self.sessions[after(words, "as").unwrap()];
        let (name, provider) = match who.split_once(':') {
            Some(("saml", _)) => ("AssumeRoleWithSAML", "saml-provider/idp"),
            Some(("oidc", _)) => ("AssumeRoleWithWebIdentity", ""),
            _ => ("AssumeRole", ""),
        };
        let provider = match told.role.starts_with("AWSReservedSSO_") {
            true => "saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE",
            false => provider,
        };
        record["eventSource"] = "sts.amazonaws.com".into();
        record["eventName"] = name.into();
        record["requestParameters"] = json!({
            "roleArn": role_arn(&told.account, &told.role), "roleSessionName": told.name,
            "principalArn": format!("arn:aws:iam::{}:{provider}", told.account),
        });
        if let Some((key, value)) = after(words, "tagged").and_then(|tag| tag.split_once('=')) {
            record["requestParameters"]["tags"] = json!([{"key": key, "value": value}]);
        }
        if words.contains(&"narrowed") {
            record["requestParameters"]["policy"] = "{}".into();
        }
        if words.contains(&"refused") {
            record["errorCode"] = "AccessDenied".into();
        }
        let key = after(words, "issued").map_or_else(|| told.key.clone(), str::to_owned);
        record["responseElements"] = json!({
            "credentials": {"accessKeyId": key, "expiration": "Mar 1, 2026, 8:00:00 PM"},
            "assumedRoleUser": {
                "assumedRoleId": format!("{}:{}", told.id, told.name),
                "arn": format!("arn:aws:sts::{}:assumed-role/{}/{}", told.account, told.role, told.name),
            },
            "provider": PROVIDER,
        });
    }

    /// Learns a whole delivery, then says who acted in it.
    fn deliver(&mut self, delivery: &mut Vec<(String, String, String)>, said: &mut String) {
        let slots: Vec<_> = delivery.iter().map(|(_, raw, _)| Slots::of(raw).unwrap()).collect();
        for ((_, raw, _), slots) in delivery.iter().zip(&slots) {
            self.registry.learn(&TrailRecord::new(raw, slots));
        }
        for ((line, raw, expected), slots) in delivery.iter().zip(&slots) {
            let record = TrailRecord::new(raw, slots);
            let time = Seconds::parse(&record.text("eventTime").unwrap()).unwrap();
            let session = self.registry.session(&record);
            let event = event_facts(&record, time);
            for wrong in misfits(&session, &event, expected) {
                writeln!(said, "{line}\n  {wrong}").unwrap();
            }
        }
        delivery.clear();
    }

    fn restart(&mut self, config: &Config) {
        let tx = self.store.begin().unwrap();
        self.registry.save(&tx).unwrap();
        tx.commit().unwrap();
        self.registry = Registry::new(config);
        self.registry.load(self.store.connection()).unwrap();
    }

    fn forget(&mut self, now: Seconds) {
        let tx = self.store.begin().unwrap();
        self.registry.save(&tx).unwrap();
        self.registry.forget(&tx, now).unwrap();
        tx.commit().unwrap();
    }
}

fn session_identity(told: &Told) -> Value {
    if told.role.is_empty() {
        return json!({
            "type": "IAMUser", "principalId": "AIDAEXAMPLE", "accountId": HOME, "accessKeyId": told.key,
            "arn": format!("arn:aws:iam::{HOME}:user/bob"), "userName": "bob",
            "sessionContext": {"attributes": {"creationDate": told.created, "mfaAuthenticated": "true"}},
        });
    }
    let (account, role, name) = (&told.account, &told.role, &told.name);
    let mut identity = json!({
        "type": "AssumedRole", "principalId": format!("{}:{name}", told.id), "accountId": account,
        "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"), "accessKeyId": told.key,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role", "principalId": told.id, "arn": role_arn(account, role),
                "accountId": account, "userName": role,
            },
            "attributes": {"creationDate": told.created, "mfaAuthenticated": "false"},
        },
    });
    if told.imds {
        identity["sessionContext"]["ec2RoleDelivery"] = "2.0".into();
    }
    if let Some(stated) = &told.source_identity {
        identity["sessionContext"]["sourceIdentity"] = stated.as_str().into();
    }
    if let Some(id) = &told.user_id {
        identity["onBehalfOf"] = json!({"userId": id});
    }
    identity
}

/// What is said otherwise than expected, or by a name that stands in no table.
fn misfits(session: &Facts, event: &Facts, expected: &str) -> Vec<String> {
    let unlisted = |name: &str| !FIELDS.iter().any(|field| field.name == name);
    let mut wrong: Vec<String> = session
        .iter()
        .chain(event.iter())
        .filter(|(name, _)| unlisted(name))
        .map(|(name, _)| format!("{name} stands in no table"))
        .collect();
    let fact = |short: &str| {
        ["gw.session.", "gw.identity.", "gw."].iter().find_map(|head| {
            let name = format!("{head}{short}");
            event.get(&name).or_else(|| session.get(&name)).map(ToString::to_string)
        })
    };
    let mut hold = |short: &str, value: &str, is_part: bool| {
        let found = match short {
            // A session has a name of its own.
            "identity" => session.get("gw.identity.name").map(ToString::to_string),
            "sure" => session.get("gw.identity.confidence").map(ToString::to_string),
            short => fact(short),
        };
        let fits = match &found {
            None => value == "-",
            Some(found) if is_part => found.replace(' ', "-").contains(value),
            Some(found) => found.replace(", ", ">") == value,
        };
        if !fits {
            wrong.push(format!("{short}: expected {value}, found {found:?}"));
        }
    };
    for (index, word) in expected.split_whitespace().enumerate() {
        match (index, word.split_once('='), word.split_once('~')) {
            (0, ..) => hold("identity", word, false),
            (1, ..) => hold("sure", word, false),
            (_, _, Some((short, part))) => hold(short, part, true),
            (_, Some((short, value)), _) => hold(short, value, false),
            _ => panic!("no expectation: {word}"),
        }
    }
    wrong
}
