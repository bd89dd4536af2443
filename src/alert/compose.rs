//! The making of an alert from the match that opens it.
//!
//! Invariant: everything here is bounded; a record of 256 KB makes an alert of a few.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Map;
use serde_json::Value;
use tracing::warn;

use crate::alert::Config;
use crate::alert::clean;
use crate::alert::fingerprint::Fingerprint;
use crate::alert::story::Purpose;
use crate::alert::story::Source;
use crate::alert::story::Stories;
use crate::model::Alert;
use crate::model::AlertStatus;
use crate::model::Detector;
use crate::model::Event;
use crate::model::Fact;
use crate::model::FlowRecord;
use crate::model::Record;
use crate::model::Slot;
use crate::model::Subject;
use crate::model::TrailRecord;
use crate::model::bounded;

/// The longest single text that an alert takes over from a record.
const MAX_TEXT_BYTES: usize = 1_024;
/// The most texts of one fact.
const MAX_TEXTS: usize = 64;

/// Makes the alert that `event` opens. Its counts are filled in when it is saved.
pub fn compose(
    config: &Config,
    stories: &Stories,
    detector: &Detector,
    event: &Event<'_>,
    print: &Fingerprint,
    object: &str,
) -> Alert {
    let scene = Scene::of(event);
    let (record, whole) = match event.record {
        Record::Trail(record) => trail_json(record, config.max_event_bytes),
        Record::Flow(record) => (flow_json(record), Whole::Yes),
    };
    let source = Arc::new(Source::of(event));
    let short = |text: &str| bounded(text, MAX_TEXT_BYTES).into_owned();
    Alert {
        schema_version: Alert::SCHEMA,
        id: print.id.clone(),
        status: AlertStatus::Open,
        revision: 1,
        reason: None,
        detector_id: detector.id.0.clone(),
        detector: detector.name.clone(),
        severity: detector.severity,
        title: detector.title.clone(),
        story: story(stories, detector, &source, &scene),
        who: scene.who,
        what: scene.what,
        error: scene.error,
        account: scene.account,
        region: scene.region,
        source: scene.source,
        user_agent: scene.user_agent,
        facts: event.all_facts().map(|(name, fact)| (name.to_owned(), fact_json(fact))).collect(),
        event: record,
        event_truncated: whole == Whole::No,
        event_ids: Vec::new(),
        attack: detector.attack.clone(),
        respond: detector
            .respond
            .iter()
            .map(|step| {
                line(stories, detector, step, &source, Purpose::Step)
                    .unwrap_or_else(|| step.clone())
            })
            .collect(),
        falsepositives: detector.falsepositives.clone(),
        references: detector.references.clone(),
        group: print.group.iter().map(|(name, value)| (name.clone(), short(value))).collect(),
        count: 0,
        first_seen: event.time,
        last_seen: event.time,
        object: short(object),
    }
}

fn story(stories: &Stories, detector: &Detector, source: &Arc<Source>, scene: &Scene) -> String {
    let told = detector
        .story
        .as_deref()
        .and_then(|template| line(stories, detector, template, source, Purpose::Story))
        .filter(|story| !story.is_empty());
    told.unwrap_or_else(|| scene.default_story())
}

/// Renders one template. A broken one costs its line, never the alert.
fn line(
    stories: &Stories,
    detector: &Detector,
    template: &str,
    source: &Arc<Source>,
    purpose: Purpose,
) -> Option<String> {
    match stories.render(template, source, purpose) {
        Ok(line) => Some(line),
        Err(error) => {
            warn!(detector = %detector.name, %error, "could not render a template of an alert");
            None
        }
    }
}

/// Who did what, where: what the head of an alert says.
struct Scene {
    who: Subject,
    what: String,
    error: Option<String>,
    account: String,
    region: String,
    source: String,
    user_agent: String,
}

impl Scene {
    fn of(event: &Event<'_>) -> Self {
        let text = |name: &str| {
            bounded(&event.text(name).unwrap_or_default(), MAX_TEXT_BYTES).into_owned()
        };
        let first = |names: &[&str]| {
            names.iter().map(|name| text(name)).find(|found| !found.is_empty()).unwrap_or_default()
        };
        match event.record {
            Record::Trail(_) => Self {
                who: Subject {
                    name: first(&[
                        "gw.identity.name",
                        "userIdentity.arn",
                        "userIdentity.invokedBy",
                    ]),
                    kind: first(&["gw.identity.kind"]),
                    raw_type: text("userIdentity.type"),
                    raw_arn: first(&[
                        "userIdentity.arn",
                        "userIdentity.principalId",
                        "userIdentity.invokedBy",
                        "userIdentity.accountId",
                    ]),
                    access_key: text("userIdentity.accessKeyId"),
                },
                what: call(&text("gw.action"), &text("eventSource"), &text("eventName")),
                error: Some(text("errorCode")).filter(|code| !code.is_empty()),
                account: first(&["recipientAccountId", "userIdentity.accountId"]),
                region: text("awsRegion"),
                source: text("sourceIPAddress"),
                user_agent: text("userAgent"),
            },
            Record::Flow(record) => Self {
                who: Subject {
                    name: first(&["gw.identity.name", "srcaddr"]),
                    kind: first(&["gw.identity.kind"]),
                    ..Subject::default()
                },
                what: flow(record),
                error: None,
                account: text("account-id"),
                region: text("region"),
                source: first(&["srcaddr", "pkt-srcaddr"]),
                user_agent: String::new(),
            },
        }
    }

    /// A sentence that needs no template: who called what, where, from where.
    fn default_story(&self) -> String {
        let who = if self.who.name.is_empty() { "Somebody" } else { &self.who.name };
        let mut story = format!("{who} called {}", self.what);
        for (word, value) in [("in", &self.account), ("from", &self.source)] {
            if !value.is_empty() {
                story.push_str(&format!(" {word} {value}"));
            }
        }
        if let Some(error) = &self.error {
            story.push_str(&format!(" and was refused with {error}"));
        }
        clean::one_line(&story, MAX_TEXT_BYTES)
    }
}

fn call(action: &str, source: &str, name: &str) -> String {
    if !action.is_empty() {
        return action.to_owned();
    }
    let service = source.strip_suffix(".amazonaws.com").unwrap_or(source);
    format!("{service}:{name}")
}

fn flow(record: FlowRecord<'_>) -> String {
    let column = |name| record.get(name).unwrap_or("?");
    format!(
        "{}:{} > {}:{} protocol {} {}",
        column("srcaddr"),
        column("srcport"),
        column("dstaddr"),
        column("dstport"),
        column("protocol"),
        column("action"),
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

fn trail_json(record: TrailRecord<'_>, max_bytes: usize) -> (Value, Whole) {
    if record.raw().len() > max_bytes {
        return (head_json(record), Whole::No);
    }
    match serde_json::from_str(record.raw()) {
        Ok(mut value) => {
            clean::remove_secrets(&mut value);
            (value, Whole::Yes)
        }
        // JSON that has no exact text, such as half a surrogate pair: the head fields are readable all the same.
        Err(_) => (head_json(record), Whole::No),
    }
}

/// The head fields alone. What lies open below them (parameters, answers, sessions) is what makes records large.
fn head_json(record: TrailRecord<'_>) -> Value {
    let mut head = Map::new();
    let mut user = Map::new();
    for slot in Slot::ALL {
        let open = matches!(
            slot,
            Slot::RequestParameters
                | Slot::ResponseElements
                | Slot::AdditionalEventData
                | Slot::Resources
                | Slot::TlsDetails
                | Slot::Addendum
                | Slot::UserIdentity
                | Slot::UserSessionContext
                | Slot::UserOnBehalfOf
        );
        let Some(text) = record.slot(*slot).filter(|_| !open) else { continue };
        let value = match record.slot_raw(*slot) {
            Some("true") => Value::Bool(true),
            Some("false") => Value::Bool(false),
            _ => Value::from(bounded(&text, MAX_TEXT_BYTES)),
        };
        match slot.path().strip_prefix("userIdentity.") {
            Some(name) => user.insert(name.to_owned(), value),
            None => head.insert(slot.path().to_owned(), value),
        };
    }
    head.insert("userIdentity".to_owned(), Value::Object(user));
    Value::Object(head)
}

fn flow_json(record: FlowRecord<'_>) -> Value {
    let columns = record.columns().names().iter().take(MAX_TEXTS);
    let columns: BTreeMap<&str, Value> = columns
        .filter_map(|name| {
            let text = record.get(name)?;
            let value = record
                .number(name)
                .map_or_else(|| Value::from(bounded(text, MAX_TEXT_BYTES)), Value::from);
            // An account id is a name made of digits, and may begin with zero.
            let value = if name == "account-id" { Value::from(text) } else { value };
            Some((name.as_str(), value))
        })
        .collect();
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn fact_json(fact: &Fact) -> Value {
    let short = |text: &String| Value::from(bounded(text, MAX_TEXT_BYTES));
    match fact {
        Fact::Text(text) => short(text),
        Fact::Texts(texts) => texts.iter().take(MAX_TEXTS).map(short).collect(),
        Fact::Whole(_) | Fact::Flag(_) => fact.to_json(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::alert::testing::Kept;
    use crate::alert::testing::detector;
    use crate::alert::testing::record;
    use crate::alert::testing::stop_logging;
    use crate::model::Facts;
    use crate::model::FlowColumns;
    use crate::model::Seconds;

    fn made(detector: &Detector, kept: &Kept) -> Alert {
        let event = kept.event();
        let print = Fingerprint::of(detector, &event);
        compose(&Config::default(), &Stories::new(), detector, &event, &print, "s3://b/k")
    }

    #[test]
    fn an_alert_says_who_did_what_where() {
        let alert = made(&detector(), &stop_logging("e-1", 1_772_352_750));
        assert_eq!(
            alert.story,
            "person:alice@example.com stopped the trail org-trail in 111122223333"
        );
        assert_eq!(
            alert.respond,
            ["Start it again: `aws cloudtrail start-logging --name org-trail`"]
        );
        assert_eq!(alert.what, "cloudtrail:StopLogging");
        assert_eq!(alert.who.raw_arn, "arn:aws:sts::111122223333:assumed-role/Admin/alice");
        assert_eq!((alert.account.as_str(), alert.region.as_str()), ("111122223333", "eu-west-1"));
        assert_eq!(alert.facts["gw.identity.kind"], json!("person"));
        assert_eq!(alert.event["requestParameters"], json!({"name": "org-trail"}));
        assert!(!alert.event_truncated);
    }

    #[test]
    fn a_large_record_leaves_its_head() {
        let raw = json!({"eventTime": "2026-03-01T08:12:30Z", "eventName": "PutRolePolicy", "readOnly": false,
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/bob"},
            "requestParameters": {"policyDocument": "x".repeat(20_000)}});
        let alert = made(&detector(), &record(&raw.to_string()));
        assert!(alert.event_truncated);
        let expected = json!({"eventTime": "2026-03-01T08:12:30Z", "eventName": "PutRolePolicy",
            "readOnly": false, "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/bob"}});
        assert_eq!(alert.event, expected);
    }

    #[test]
    fn a_record_that_is_no_exact_text_still_alerts() {
        let raw = r#"{"eventTime":"2026-03-01T08:12:30Z","eventName":"A","userAgent":"\ud800"}"#;
        let alert = made(&detector(), &record(raw));
        assert!(alert.event_truncated);
        assert_eq!(alert.event["eventName"], json!("A"));
    }

    #[test]
    fn a_session_token_does_not_travel() {
        let raw = r#"{"eventTime":"2026-03-01T08:12:30Z","responseElements":{"credentials":{"sessionToken":"FwoSECRET"}}}"#;
        let alert = made(&detector(), &record(raw));
        assert!(!serde_json::to_string(&alert).unwrap().contains("FwoSECRET"));
    }

    #[test]
    fn without_a_story_a_plain_sentence_is_told() {
        let mut detector = detector();
        for template in [None, Some("{{ broken".to_owned()), Some(" {{ nothing }} ".to_owned())] {
            detector.story = template;
            let alert = made(&detector, &stop_logging("e-1", 0));
            let expected = "person:alice@example.com called cloudtrail:StopLogging in 111122223333 from 203.0.113.7";
            assert_eq!(alert.story, expected);
        }
    }

    #[test]
    fn a_flow_line_makes_an_alert_too() {
        let columns = FlowColumns::parse(FlowColumns::DEFAULT);
        let line = "2 011122223333 eni-1 198.51.100.9 10.0.0.5 40000 22 6 3 180 1772352750 1772352760 REJECT OK";
        let event = Event {
            time: Seconds(1_772_352_750),
            record: Record::Flow(FlowRecord::new(line, &columns)),
            session: None,
            facts: Facts::default(),
        };
        let mut detector = detector();
        detector.story = None;
        let print = Fingerprint::of(&detector, &event);
        let alert = compose(&Config::default(), &Stories::new(), &detector, &event, &print, "o");
        assert_eq!(alert.what, "198.51.100.9:40000 > 10.0.0.5:22 protocol 6 REJECT");
        assert_eq!(alert.event["account-id"], json!("011122223333"));
        assert_eq!(alert.event["dstport"], json!(22));
        assert_eq!(alert.group["srcaddr"], "198.51.100.9");
    }
}
