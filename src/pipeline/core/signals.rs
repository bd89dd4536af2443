//! Signals on their way to the rules: what the house noticed becomes an event of its own.
//!
//! Invariant: a signal is an event like others. Rules decide what it means, and outside of the span that rules are asked
//! about nobody is asked about it either.

use std::sync::Arc;

use crate::model::Event;
use crate::model::Facts;
use crate::model::ObjectId;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::pipeline::core::Core;
use crate::pipeline::signal;
use crate::pipeline::table::QuarantineRow;
use crate::rules::Service;

impl Core {
    /// Asks the rules about a signal; `object` is where what it rests on was read.
    pub(super) fn signal(&mut self, service: &Service, signal: &Signal, object: &str) {
        if self.settings.asked.about(signal.time) {
            self.speak(service, &signal.text(), (signal.time, signal.facts.clone()), object);
        }
    }

    /// Asks the rules about a signal that is a record already.
    pub(super) fn speak(
        &mut self,
        service: &Service,
        text: &str,
        (time, facts): (Seconds, Facts),
        object: &str,
    ) {
        let slots = Slots::of(text).expect("a signal is a record");
        let record = Record::Trail(TrailRecord::new(text, &slots));
        let event = Event { time, record, session: None, facts };
        let rules = Arc::clone(&self.rules);
        let matched = rules.signal_matches(service, &event);
        self.matched(&rules, &matched, &event, object);
    }

    /// Keeps what could not be read, and lets the rules speak about it.
    pub(super) fn quarantine(
        &mut self,
        source: &Arc<str>,
        object: &ObjectId,
        record: Option<u64>,
        reason: String,
        body: Vec<u8>,
    ) {
        let time = signal::delivered_at(&object.location).unwrap_or_else(|| self.now_or_so());
        let text = signal::quarantined(source, object, record, &reason, time);
        self.group.quarantine.push(QuarantineRow {
            source: source.to_string(),
            object: object.clone(),
            record,
            reason,
            body,
        });
        self.speak(&Service::Intake, &text, (time, Facts::default()), &object.to_string());
    }
}
