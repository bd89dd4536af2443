//! What is heard of grants in one text: our own messages, or those of a broker that a preset reads.
//!
//! Invariant: a text that a topic wrapped is read as what was published; nothing else is looked into.

use serde_json::Value;

use crate::grants::grant::Version;
use crate::grants::message;
use crate::grants::message::Form;
use crate::grants::message::Limits;
use crate::grants::message::MessageError;
use crate::grants::message::read;
use crate::grants::presets::Preset;

/// What one message said.
#[derive(Debug, PartialEq)]
pub struct Heard {
    /// The line it begins at, from 1.
    pub line: usize,
    /// The version it tells of; nothing if the preset passes it over; or what is wrong with it.
    pub said: Result<Option<Version>, MessageError>,
}

/// Reads every message of `text`, in their order.
pub fn heard(text: &str, form: Form, preset: Option<&Preset>, limits: &Limits) -> Vec<Heard> {
    let mut all = Vec::new();
    for found in message::values(text, form) {
        let (line, value) = match found {
            Ok(found) => found,
            Err(error) => {
                all.push(Heard { line: error.line, said: Err(error) });
                continue;
            }
        };
        let said = match (preset, published(&value)) {
            (Some(preset), _) => preset.map_all(&value, limits),
            (None, None) => vec![read(&value, limits).map(Some)],
            (None, Some(inner)) => message::values(inner, Form::told_by(inner))
                .into_iter()
                .map(|found| found.and_then(|(_, value)| read(&value, limits).map(Some)))
                .collect(),
        };
        all.extend(said.into_iter().map(|said| {
            let said = said.map_err(|error| MessageError { line, ..error });
            Heard { line, said }
        }));
    }
    all
}

/// Returns what was published, if `value` is the notification of an SNS topic.
fn published(value: &Value) -> Option<&str> {
    let is_notification = value.get("Type").and_then(Value::as_str) == Some("Notification")
        && value.get("TopicArn").is_some();
    is_notification.then(|| value.get("Message").and_then(Value::as_str)).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::grants::message::written;
    use crate::grants::presets;
    use crate::grants::testkit::version;

    fn said(text: &str, preset: Option<&Preset>) -> Vec<(usize, String)> {
        let heard = heard(text, Form::told_by(text), preset, &Limits::default());
        let word = |said: Result<Option<Version>, MessageError>| match said {
            Ok(Some(version)) => version.id.0.into_string(),
            Ok(None) => "passed over".to_owned(),
            Err(error) => error.to_string(),
        };
        heard.into_iter().map(|heard| (heard.line, word(heard.said))).collect()
    }

    #[test]
    fn one_message_a_list_lines_and_a_topics_wrapping_are_the_same_messages() {
        let [one, two] = ["g-1", "g-2"].map(|id| written(&version(id)));
        let both = vec![(1, "g-1".to_owned()), (2, "g-2".to_owned())];
        assert_eq!(said(&format!("{one}\n{two}\n"), None), both);
        assert_eq!(said(&format!("[{one},\n{two}]"), None), both);
        assert_eq!(said(&format!("{one:#}"), None), both[..1]);
        let wrapped = json!({
            "Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:grants",
            "Message": format!("{one}\n{two}"), "Timestamp": "2026-03-01T08:00:00.000Z",
        });
        let ids: Vec<String> =
            said(&wrapped.to_string(), None).into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, ["g-1", "g-2"]);
    }

    #[test]
    fn a_line_that_is_broken_costs_that_line_and_is_named() {
        let one = written(&version("g-1"));
        let told = said(&format!("{one}\nnot json\n{{\"schema\": 1}}\n"), None);
        assert_eq!(told[0], (1, "g-1".to_owned()));
        assert!(told[1].1.starts_with("line 2"), "{told:?}");
        assert!(told[2].0 == 3 && told[2].1.contains("schema: has to be"), "{told:?}");
    }

    #[test]
    fn a_preset_reads_its_brokers_messages_and_passes_over_what_is_about_something_else() {
        let preset = presets::preset("teleport");
        let told = said(r#"{"event": "session.start", "id": "1"}"#, preset);
        assert_eq!(told, [(1, "passed over".to_owned())]);
    }
}
