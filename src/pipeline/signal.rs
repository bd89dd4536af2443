//! Signals: small events of our own about what the house noticed, in the shape of a record so that rules can name
//! their fields (`logsource: {product: grantwatch, service: intake}`).

use serde_json::json;

use crate::model::ObjectId;
use crate::model::Seconds;
use crate::model::bounded;

/// Returns the minute of delivery that AWS writes into an object's name (`…_20260301T0815Z_…`).
///
/// It is the object's own, so that the same object gives the same signal whenever it is read.
pub(super) fn delivered_at(location: &str) -> Option<Seconds> {
    location.rsplit(['/', '_']).find_map(|part| {
        let minute = part.strip_suffix('Z').filter(|minute| minute.len() == 13)?;
        Seconds::parse(&format!("{minute}00Z"))
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_is_the_names() {
        let name = "s3://b/AWSLogs/1/CloudTrail/eu-west-1/2026/03/01/1_CloudTrail_eu-west-1_20260301T0815Z_x.json.gz";
        assert_eq!(delivered_at(name), Seconds::parse("2026-03-01T08:15:00Z"));
        assert_eq!(delivered_at("message:7"), None);
    }
}
