//! What records say of standing access, on its way to where it is held against the grants.

use crate::grants::claims;
use crate::grants::claims::Messages;
use crate::grants::claims::Timing;
use crate::identity;
use crate::model::Event;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::TrailRecord;
use crate::pipeline::core::Core;
use crate::pipeline::core::protect::Protect;
use crate::pipeline::settings::Grants;
use crate::pipeline::settings::Settings;

/// Returns how long to wait before something is decided.
pub(super) fn timing(settings: &Settings) -> Timing {
    let config = &settings.grants;
    Timing {
        skew: config.skew.span(),
        grace: config.grace.span(),
        residue_after: config.residue_after.span(),
        provision_within: config.provision_within.span(),
        messages: match settings.grants_are {
            Grants::Known => Messages::Known,
            Grants::Unread | Grants::Arriving => Messages::Arriving,
        },
    }
}

impl Protect {
    /// Returns whether a record is about who has standing access.
    fn is_claim(&mut self, record: &TrailRecord<'_>) -> bool {
        self.known_call(record).is_some_and(|(_, sense)| sense.claims)
    }

    /// Takes in what a record says of standing access, and sets the fact that it does.
    pub(in crate::pipeline::core) fn claim(&mut self, event: &mut Event<'_>, object: &str) {
        let Some(told) = claims::read(event, object) else { return };
        if let Some(what) = told.change() {
            event.facts.set("gw.claim", what);
        }
        self.claims.note(told, event.time);
    }

    /// Returns what is to be told of grants and claims now that time has come to `now`.
    pub(in crate::pipeline::core) fn signals(&mut self, now: Seconds) -> Vec<(Signal, Box<str>)> {
        self.claims.due(&self.ledger, now)
    }
}

impl Core {
    /// Takes in what a record says of standing access that no rule is asked about.
    pub(in crate::pipeline::core) fn note_claim(
        &mut self,
        time: Seconds,
        record: Record<'_>,
        object: &str,
    ) {
        let Record::Trail(trail) = &record else { return };
        if self.protect.is_claim(trail) {
            let session = Some(self.registry.session(trail));
            let facts = identity::event_facts(trail, time);
            self.protect.claim(&mut Event { time, record, session, facts }, object);
        }
    }
}
