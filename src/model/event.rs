//! An event: a record with the facts it has gathered so far.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::Fact;
use crate::model::Facts;
use crate::model::FlowRecord;
use crate::model::Seconds;
use crate::model::TrailRecord;

/// A line of a log as AWS wrote it.
#[derive(Debug, Clone, Copy)]
pub enum Record<'a> {
    /// A CloudTrail record.
    Trail(TrailRecord<'a>),
    /// A flow log line.
    Flow(FlowRecord<'a>),
}

/// A record with its facts, as rules and alerts see it.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// When it happened, by the record's own word.
    pub time: Seconds,
    /// The record.
    pub record: Record<'a>,
    /// Facts shared by all events of one session.
    pub session: Option<Arc<Facts>>,
    /// Facts of this event alone.
    pub facts: Facts,
}

impl<'a> Event<'a> {
    /// Returns the fact called `name` (with its `gw.`).
    pub fn fact(&self, name: &str) -> Option<&Fact> {
        self.facts.get(name).or_else(|| self.session.as_deref()?.get(name))
    }

    /// Returns all facts, the session's first.
    pub fn all_facts(&self) -> impl Iterator<Item = (&'static str, &Fact)> {
        self.session.iter().flat_map(|facts| facts.iter()).chain(self.facts.iter())
    }

    /// Returns the text of a field, raw or `gw.`; objects and arrays as their JSON text.
    pub fn text(&self, path: &str) -> Option<Cow<'_, str>> {
        if path.starts_with("gw.") {
            return match self.fact(path)? {
                Fact::Text(text) => Some(Cow::Borrowed(text.as_str())),
                other => Some(Cow::Owned(other.to_string())),
            };
        }
        match self.record {
            Record::Trail(record) => record.text(path),
            Record::Flow(record) => record.get(path).map(Cow::Borrowed),
        }
    }

    /// Returns what tells this event from all others: `eventID` with its account, or a digest of the line.
    pub fn id(&self) -> String {
        match self.record {
            Record::Trail(record) => record.id(),
            Record::Flow(record) => record.id(),
        }
    }
}
