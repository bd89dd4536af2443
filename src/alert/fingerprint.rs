//! What makes two matches the same alert: detector, group key and a window of event time.
//!
//! Windows of one group follow each other without a gap, and where they begin depends on detector and
//! group key alone. So a match finds its window without knowing any other match, and deliveries give the
//! same alert ids in whatever order they arrive. That each group has its own beginning keeps a burst of
//! many groups from closing all its windows in the same second.
//!
//! Invariant: nothing here depends on arrival, state or configuration.

use uuid::Uuid;

use crate::model::AlertId;
use crate::model::Detector;
use crate::model::Event;
use crate::model::GroupKey;
use crate::model::Record;
use crate::model::Seconds;

/// The namespace of our ids. It must never change: sinks tell alerts apart by them.
const NAMESPACE: Uuid = Uuid::from_u128(0x60e5_0e1d_d327_4fda_8534_63b5_5aeb_5f8c);

/// What an alert is told from all others by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The alert's id.
    pub id: AlertId,
    /// The fields it is grouped by, with their values.
    pub group: GroupKey,
    /// The time in which matches fold into it.
    pub window: Window,
}

/// The time in which matches of one group are one alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Every match is an alert; this one happened at `at`.
    Single {
        /// The event's time.
        at: Seconds,
    },
    /// Matches from `opens` until just before `closes` are one alert.
    Tumbling {
        /// The first second inside.
        opens: Seconds,
        /// The first second outside.
        closes: Seconds,
    },
}

impl Window {
    /// Returns the first second that is surely outside.
    pub fn closes(self) -> Seconds {
        match self {
            Self::Single { at } => at,
            Self::Tumbling { closes, .. } => closes,
        }
    }
}

impl Fingerprint {
    /// Returns the fingerprint of the alert that a match of `detector` on `event` belongs to.
    pub fn of(detector: &Detector, event: &Event<'_>) -> Self {
        let group = group_key(detector, event);
        let mut material = Vec::new();
        push_part(&mut material, &detector.id.0);
        for (name, value) in &group {
            push_part(&mut material, name);
            push_part(&mut material, value);
        }
        let window = window(detector.suppress_for.0, event.time, &material);
        match window {
            Window::Single { .. } => {
                push_part(&mut material, &format!("event {}", event_id(event)))
            }
            Window::Tumbling { opens, closes } => {
                push_part(&mut material, &format!("window {} {}", opens.0, closes.0));
            }
        }
        let id = AlertId(Uuid::new_v5(&NAMESPACE, &material).to_string());
        Self { id, group, window }
    }
}

/// Returns what tells `event` from all others, also for a record that carries no `eventID`.
pub fn event_id(event: &Event<'_>) -> String {
    let id = event.id();
    match event.record {
        // Without an `eventID` all records of an account would be one.
        Record::Trail(record) if id.ends_with('/') => {
            format!("{id}{:032x}", xxhash_rust::xxh3::xxh3_128(record.raw().as_bytes()))
        }
        Record::Trail(_) | Record::Flow(_) => id,
    }
}

fn window(length: i64, at: Seconds, group: &[u8]) -> Window {
    if length <= 0 {
        return Window::Single { at };
    }
    let hash = i64::try_from(xxhash_rust::xxh3::xxh3_64(group) >> 1).unwrap_or_default();
    let offset = hash % length;
    // `i128`: a record may claim any time it likes.
    let into = (i128::from(at.0) - i128::from(offset)).rem_euclid(i128::from(length));
    let into = i64::try_from(into).unwrap_or_default();
    let opens = Seconds(at.0.saturating_sub(into));
    Window::Tumbling { opens, closes: Seconds(opens.0.saturating_add(length)) }
}

fn group_key(detector: &Detector, event: &Event<'_>) -> GroupKey {
    let names: Vec<&str> = match (detector.group_by.is_empty(), event.record) {
        (false, _) => detector.group_by.iter().map(String::as_str).collect(),
        (true, Record::Flow(_)) => vec!["account-id", "interface-id", "srcaddr"],
        (true, Record::Trail(_)) if event.fact("gw.identity.name").is_some() => {
            vec!["gw.identity.name", "recipientAccountId"]
        }
        (true, Record::Trail(_)) => vec!["userIdentity.arn", "recipientAccountId"],
    };
    let value = |name: &str| event.text(name).unwrap_or_default().into_owned();
    names.into_iter().map(|name| (name.to_owned(), value(name))).collect()
}

/// Appends `part` with its length before it, so that no two lists of parts give the same bytes.
fn push_part(material: &mut Vec<u8>, part: &str) {
    material.extend_from_slice(part.len().to_string().as_bytes());
    material.push(b':');
    material.extend_from_slice(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::detector;
    use crate::alert::testing::record;
    use crate::model::Span;

    fn print(raw: &str, suppress_for: i64) -> Fingerprint {
        let mut detector = detector();
        detector.suppress_for = Span(suppress_for);
        Fingerprint::of(&detector, &record(raw).event())
    }

    #[test]
    fn the_id_of_a_known_match_never_changes() {
        let raw = r#"{"eventID":"e-1","eventTime":"2026-03-01T08:12:30Z","recipientAccountId":"111122223333"}"#;
        assert_eq!(print(raw, 3_600).id.0, "e2c99f2f-519b-59c1-9dc6-727abc528f08");
        assert_eq!(print(raw, 0).id.0, "17c1c7d6-8fed-5951-87eb-809c461a09de");
    }

    #[test]
    fn a_window_holds_its_event_and_follows_the_last() {
        for at in [-7, 0, 1, 3_599, 3_600, 1_772_352_750, i64::MIN, i64::MAX] {
            for group in [b"a".as_slice(), b"b", b"c"] {
                let Window::Tumbling { opens, closes } = window(3_600, Seconds(at), group) else {
                    panic!("an hour is no moment");
                };
                assert!(opens.0 <= at && (at < closes.0 || at == i64::MAX), "{at}");
                if at > 0 && at < i64::MAX / 2 {
                    let next = window(3_600, closes, group);
                    assert_eq!(
                        next,
                        Window::Tumbling { opens: closes, closes: Seconds(closes.0 + 3_600) }
                    );
                }
            }
        }
    }

    #[test]
    fn absent_group_fields_are_empty_and_names_count() {
        let raw = r#"{"eventID":"e-1","eventTime":"2026-03-01T08:12:30Z"}"#;
        let found = print(raw, 60);
        let expected = [("userIdentity.arn", ""), ("recipientAccountId", "")]
            .map(|(a, b)| (a.into(), b.into()));
        assert_eq!(found.group, expected);
        let mut other = detector();
        other.suppress_for = Span(60);
        other.group_by = vec!["userIdentity.arn".to_owned(), "awsRegion".to_owned()];
        assert_ne!(Fingerprint::of(&other, &record(raw).event()).id, found.id);
    }

    #[test]
    fn records_without_an_id_stay_apart() {
        let one = r#"{"eventTime":"2026-03-01T08:12:30Z","eventName":"A"}"#;
        let two = r#"{"eventTime":"2026-03-01T08:12:30Z","eventName":"B"}"#;
        assert_ne!(print(one, 0).id, print(two, 0).id);
        assert_eq!(print(one, 0).id, print(one, 0).id);
    }
}
