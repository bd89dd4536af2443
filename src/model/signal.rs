//! A signal: an event of our own, about what the house noticed and no record says.

use serde_json::Value;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_128;

use crate::model::Facts;
use crate::model::Seconds;

/// A signal, before it is an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// What became true, `GrantResidue`: the `eventName`.
    pub name: &'static str,
    /// When it became true, in event time.
    pub time: Seconds,
    /// What it is about: of two signals of one name about the same thing the second is the first again. The `eventID`
    /// is made of this and the name alone.
    pub about: String,
    /// The account that it is about; may be empty.
    pub account: String,
    /// Its particulars, an object: `requestParameters`.
    pub parameters: Value,
    /// What rules and stories name of it.
    pub facts: Facts,
}

impl Signal {
    /// Returns its `eventID`.
    pub fn id(&self) -> String {
        Self::id_of(self.name, &self.about)
    }

    /// Returns the `eventID` of the signal called `name` about `about`.
    pub fn id_of(name: &str, about: &str) -> String {
        format!("{:032x}", xxh3_128(format!("{name}/{about}").as_bytes()))
    }

    /// Returns the text of [`Signal::record`].
    pub fn text(&self) -> String {
        self.record().to_string()
    }

    /// Returns it in the shape of a record.
    pub fn record(&self) -> Value {
        let mut record = json!({
            "eventSource": "grantwatch",
            "eventName": self.name,
            "eventTime": self.time.to_string(),
            "eventID": self.id(),
            "requestParameters": self.parameters,
        });
        if !self.account.is_empty() {
            record["recipientAccountId"] = self.account.as_str().into();
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_of_what_it_is_about_and_not_of_its_time() {
        let one = Signal {
            name: "GrantResidue",
            time: Seconds(60),
            about: "g-1".to_owned(),
            account: "111122223333".to_owned(),
            parameters: json!({"grant": "g-1"}),
            facts: Facts::default(),
        };
        let later = Signal { time: Seconds(120), ..one.clone() };
        let other = Signal { about: "g-2".to_owned(), ..one.clone() };
        assert_eq!(one.id(), later.id());
        assert_ne!(one.id(), other.id());
        let record: Value = serde_json::from_str(&one.text()).unwrap();
        assert_eq!(record["eventTime"], "1970-01-01T00:01:00Z");
        assert_eq!(record["eventID"], one.id());
        assert_eq!(record["recipientAccountId"], "111122223333");
        assert_eq!(record["requestParameters"]["grant"], "g-1");
    }
}
