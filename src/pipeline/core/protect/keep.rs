//! How acts come to be kept, and what is asked of those that are.

use std::collections::BTreeSet;

use crate::alert;
use crate::grants::Act;
use crate::grants::GrantId;
use crate::identity::Registry;
use crate::model::AlertId;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Span;
use crate::pipeline::core::protect::Protect;
use crate::pipeline::core::protect::act::Told;
use crate::pipeline::core::protect::act::text;
use crate::pipeline::core::protect::judged::Found;
use crate::pipeline::core::protect::judged::Kept;
use crate::pipeline::core::protect::judged::Ties;
use crate::pipeline::core::protect::waiting::ActId;
use crate::pipeline::core::protect::waiting::Held;
use crate::pipeline::core::protect::waiting::Stored;
use crate::pipeline::schema;
use crate::pipeline::table;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// The row of progress that says how many versions of grants were known at the last commit. The commands that tell the
/// store of a grant while no daemon runs do not write it.
const VERSIONS: &str = "grant_versions";

/// Returns what tells an act from all others.
pub(super) fn id_of(event: &Event<'_>) -> ActId {
    (event.time, alert::event_id(event).into())
}

impl Protect {
    /// Takes the acts that waited, or were kept, at the last commit. If somebody has told the store of grants since, all of
    /// them are in doubt.
    pub(super) fn load_acts(
        &mut self,
        connection: &Connection,
        registry: &Registry,
    ) -> Result<(), StoreError> {
        for row in table::held(connection, &schema::fields()).map_err(StoreError::Read)? {
            let found = row.judged.as_deref().map(serde_json::from_str::<Found>);
            let (id, held) = Held::read(row);
            match found {
                None => self.waiting.load(id, held),
                Some(Ok(found)) => {
                    let ties = self.ties(&held.event(), registry);
                    self.judged.load(id, Kept::new(held, found, ties, Stored::Yes));
                }
                // Only a damaged file, or a newer version, wrote something else there.
                Some(Err(error)) => {
                    tracing::warn!(event = %id.1, %error, "an act that was judged is not readable; it is forgotten");
                    self.judged.forsake(id, Stored::Yes);
                }
            }
        }
        let known = table::progress(connection, VERSIONS).map_err(StoreError::Read)?;
        if known != Some(self.versions()) {
            self.judged.doubt_all();
        }
        Ok(())
    }

    /// Writes how much was known of grants, and what became of acts.
    pub(super) fn save_acts(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        table::set_progress(tx, VERSIONS, self.versions()).map_err(|error| tx.failed(error))?;
        self.judged.save(tx)?;
        self.waiting.save(tx)
    }

    /// Returns how many versions of grants are known, as a row of progress.
    fn versions(&self) -> Seconds {
        Seconds(i64::try_from(self.ledger.versions()).unwrap_or(i64::MAX))
    }

    /// Keeps an act that was judged as it came.
    pub(in crate::pipeline::core) fn keep(
        &mut self,
        event: &Event<'_>,
        object: &str,
        found: Found,
        registry: &Registry,
    ) {
        let Record::Trail(record) = event.record else { return };
        let held = Held::of(event, &record, object);
        let kept = Kept::new(held, found, self.ties(event, registry), Stored::No);
        self.judged.keep(id_of(event), kept);
    }

    /// Keeps an act that has waited, if something was found that word of a grant may change.
    pub(in crate::pipeline::core) fn keep_waited(
        &mut self,
        (id, held, stored): (ActId, Held, Stored),
        found: Option<Found>,
        registry: &Registry,
    ) {
        match found {
            Some(found) => {
                let ties = self.ties(&held.event(), registry);
                self.judged.keep(id, Kept::new(held, found, ties, stored));
            }
            None => self.judged.forsake(id, stored),
        }
    }

    /// Returns the acts that word of a grant may have changed, oldest first; they are in doubt no more.
    pub(in crate::pipeline::core) fn doubted(&mut self) -> BTreeSet<ActId> {
        self.judged.doubted()
    }

    /// Returns an act that is kept.
    pub(in crate::pipeline::core) fn kept(&self, id: &ActId) -> Option<&Kept> {
        self.judged.get(id)
    }

    /// Returns the acts that are kept and an alert tells of, oldest first.
    pub(in crate::pipeline::core) fn of_alert(
        &self,
        alert: &AlertId,
    ) -> impl Iterator<Item = (&ActId, &Kept)> {
        self.judged.of_alert(alert)
    }

    /// Notes what was found of an act now.
    pub(in crate::pipeline::core) fn found_now(&mut self, id: &ActId, found: Found) {
        self.judged.found(id, found);
    }

    /// Lets go of acts whose time to be judged anew is over.
    pub(in crate::pipeline::core) fn expire(&mut self, watermark: Seconds) {
        self.judged.expire(watermark);
    }

    /// Returns how many acts were forgotten before their time since it was last asked.
    pub(in crate::pipeline::core) fn crowded_out(&mut self) -> u64 {
        self.judged.crowded_out()
    }

    /// Lays the acts that are kept to whom they are known to be of by now; those that change are in doubt.
    pub(in crate::pipeline::core) fn lay_anew(&mut self, registry: &mut Registry) {
        let learned = registry.newly_learned();
        for id in self.judged.resting_on(&learned) {
            let Some(kept) = self.judged.get(&id) else { continue };
            let session = registry.session(&kept.act.record());
            if !self.judged.lay_to(&id, &session) {
                continue;
            }
            let Some(kept) = self.judged.get(&id) else { continue };
            let ties = self.ties(&kept.act.event(), registry);
            self.judged.tie_anew(&id, ties);
        }
    }

    /// Returns what an act hangs on.
    fn ties(&self, event: &Event<'_>, registry: &Registry) -> Ties {
        let Record::Trail(record) = event.record else { return Ties::default() };
        let action = text(event, "gw.action");
        let told = Told::of(event, &record, action);
        let act = told.act(event, action, &[]);
        let groups = self.groups(&act);
        let keys = Act { groups: &groups, ..act }.keys();
        Ties { keys, marks: registry.rests_on(&record).into() }
    }

    /// Returns how long after `time` the last word about a grant came.
    pub(in crate::pipeline::core) fn word_after(&self, grant: &str, time: Seconds) -> Option<Span> {
        let grant = self.ledger.get(&GrantId(grant.into()))?;
        let arrived = grant.versions().map(|(_, evidence)| evidence.arrived).max()?;
        Some(arrived.since(time)).filter(|late| *late > Span(0))
    }
}

/// Returns the texts of a fact.
pub(in crate::pipeline::core) fn texts(event: &Event<'_>, name: &str) -> Vec<String> {
    match event.fact(name) {
        Some(Fact::Texts(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
