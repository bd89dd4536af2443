//! Signals: small events of our own about what the house noticed, in the shape of a record so that rules can name
//! their fields (`logsource: {product: grantwatch, service: intake}`).

use serde_json::json;

use crate::model::ObjectId;
use crate::model::Seconds;
use crate::model::bounded;

/// Returns the signal that an object, or a record of it, was put in quarantine.
pub(super) fn quarantined(
    source: &str,
    object: &ObjectId,
    record: Option<u64>,
    reason: &str,
    time: Seconds,
) -> String {
    let name = if record.is_some() { "RecordQuarantined" } else { "DeliveryQuarantined" };
    let place = record.map_or_else(|| object.to_string(), |record| format!("{object}:{record}"));
    json!({
        "eventSource": "grantwatch",
        "eventName": name,
        "eventTime": time.to_string(),
        "eventID": format!("{:032x}", xxhash_rust::xxh3::xxh3_128(place.as_bytes())),
        "requestParameters": {
            "source": source,
            "location": object.location,
            "revision": object.revision,
            "record": record,
            "reason": bounded(reason, 500),
        },
    })
    .to_string()
}
