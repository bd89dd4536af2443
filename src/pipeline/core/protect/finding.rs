//! A verdict as a line of its own, for who wants every one of them.

use std::borrow::Cow;

use serde::Serialize;

use crate::model::Event;
use crate::model::Fact;
use crate::model::Record;
use crate::model::Slot;
use crate::pipeline::core::protect::act::text;

/// A verdict as `scan --verdicts` prints it.
#[derive(Debug, Serialize)]
pub struct Finding<'a> {
    time: String,
    event_id: String,
    identity: &'a str,
    account: &'a str,
    region: &'a str,
    action: &'a str,
    resources: &'a [&'a str],
    outcome: &'a str,
    entry: &'a str,
    access_level: &'a str,
    verdict: Option<&'a str>,
    dimension: Option<&'a str>,
    grant: Option<&'a str>,
    reason: Option<&'a str>,
    seconds_outside: Option<i64>,
    confidence: &'a str,
}

/// Who is told of every verdict.
pub type Witness = Box<dyn FnMut(&Finding<'_>) + Send>;

/// Tells `witness` of the verdict on an event.
pub(super) fn told(event: &Event<'_>, witness: &mut Witness) {
    let known = |name| Some(text(event, name)).filter(|text| !text.is_empty());
    let resources: Vec<&str> = match event.fact("gw.resources") {
        Some(Fact::Texts(texts)) => texts.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let slot = |slot| match &event.record {
        Record::Trail(record) => record.slot_or_empty(slot),
        Record::Flow(_) => Cow::Borrowed(""),
    };
    witness(&Finding {
        time: event.time.to_string(),
        event_id: event.id(),
        identity: text(event, "gw.identity.name"),
        account: &slot(Slot::RecipientAccountId),
        region: &slot(Slot::AwsRegion),
        action: text(event, "gw.action"),
        resources: &resources,
        outcome: text(event, "gw.outcome"),
        entry: text(event, "gw.grant.entry"),
        access_level: text(event, "gw.access_level"),
        verdict: known("gw.grant.verdict"),
        dimension: known("gw.grant.dimension"),
        grant: known("gw.grant.id"),
        reason: known("gw.grant.reason"),
        seconds_outside: match event.fact("gw.grant.seconds_outside") {
            Some(Fact::Whole(seconds)) => Some(*seconds),
            _ => None,
        },
        confidence: text(event, "gw.grant.confidence"),
    });
}
