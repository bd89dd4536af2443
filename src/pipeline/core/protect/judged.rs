//! Acts that were judged, kept for as long as word of a grant may come late, in memory and in the store.
//!
//! With each act stands what was found and which alerts tell of it. Word of a grant puts in doubt what has a key in
//! common with it; that is judged anew once a commit, however many messages there were.
//!
//! Invariant: bounded in time and in bytes. What is forgotten is not judged anew: its alert stays as it is.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;
use smallvec::SmallVec;

use crate::grants::Key;
use crate::model::AlertId;
use crate::model::DetectorId;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Span;
use crate::pipeline::core::protect::waiting::ActId;
use crate::pipeline::core::protect::waiting::Held;
use crate::pipeline::core::protect::waiting::Stored;
use crate::pipeline::table;
use crate::store::StoreError;
use crate::store::Tx;

/// What may be kept of judged acts, in bytes. Beyond, the oldest are forgotten before their time.
const MAX_BYTES: usize = 32 << 20;

/// What else an act takes in memory: its keys, its places.
const BESIDES: usize = 1_024;

/// What was found when an act was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The verdict with all that a detector or a story tells it by; two that are the same are told in the same words.
    pub mark: String,
    /// Whether it wanted a grant and had none.
    pub is_open: bool,
    /// The alerts that tell of it.
    pub tellings: Vec<Telling>,
}

/// An alert that tells of an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// The alert.
    pub alert: AlertId,
    /// The detector in whose words: mostly the alert's own.
    pub detector: DetectorId,
}

impl Found {
    /// Takes what was found from the facts about grants.
    pub fn of(facts: &Facts, is_open: bool) -> Self {
        let text = |name| facts.get(name).map(Fact::to_string).unwrap_or_default();
        let verdict = text("gw.grant.verdict");
        // Which grant is nearest does not matter where none speaks of the act.
        let named: &[&str] = if verdict == "none" { &[] } else { &["gw.grant.id"] };
        let told = ["gw.grant.dimension", "gw.grant.retroactive", "gw.grant.session_outlived"];
        let told = told.iter().chain(&["gw.grant.break_glass"]).chain(named);
        let mark = told.fold(verdict, |mark, name| mark + "|" + &text(name));
        Self { mark, is_open, tellings: Vec::new() }
    }
}

/// A judged act.
#[derive(Debug)]
pub struct Kept {
    /// The act.
    pub act: Held,
    /// What was found.
    pub found: Found,
    keys: SmallVec<[Key; 16]>,
    stored: Stored,
}

impl Kept {
    /// Keeps an act that grants are found for by `keys`.
    pub fn new(act: Held, found: Found, keys: SmallVec<[Key; 16]>, stored: Stored) -> Self {
        Self { act, found, keys, stored }
    }

    fn bytes(&self) -> usize {
        self.act.bytes() + BESIDES
    }
}

/// Judged acts.
#[derive(Debug)]
pub struct Judged {
    span: Span,
    max_bytes: usize,
    acts: BTreeMap<ActId, Kept>,
    bytes: usize,
    by_key: BTreeMap<Key, BTreeSet<ActId>>,
    by_alert: BTreeMap<AlertId, BTreeSet<ActId>>,
    /// What was heard of since acts were last judged anew.
    doubted: BTreeSet<Key>,
    /// Acts that the store lacks, or has with something else found.
    unsaved: BTreeSet<ActId>,
    /// Acts that the store has and nobody keeps any more.
    gone: Vec<ActId>,
    /// How many were forgotten before their time.
    crowded_out: u64,
}

impl Judged {
    /// Keeps acts for `span` of event time.
    pub fn new(span: Span) -> Self {
        Self {
            span,
            max_bytes: MAX_BYTES,
            acts: BTreeMap::new(),
            bytes: 0,
            by_key: BTreeMap::new(),
            by_alert: BTreeMap::new(),
            doubted: BTreeSet::new(),
            unsaved: BTreeSet::new(),
            gone: Vec::new(),
            crowded_out: 0,
        }
    }

    /// Takes an act that the store has as it is.
    pub fn load(&mut self, id: ActId, kept: Kept) {
        self.insert(id, kept);
    }

    /// Keeps an act. One that can be told of under no verdict is not worth it.
    pub fn keep(&mut self, id: ActId, kept: Kept) {
        let is_mute = kept.found.is_open && kept.found.tellings.is_empty();
        if is_mute || self.span <= Span(0) {
            return self.forsake(id, kept.stored);
        }
        self.insert(id.clone(), kept);
        self.unsaved.insert(id);
        while self.bytes > self.max_bytes
            && let Some(oldest) = self.acts.keys().next().cloned()
        {
            self.crowded_out += 1;
            self.remove(&oldest);
        }
    }

    /// Lets go of an act that is not kept.
    pub fn forsake(&mut self, id: ActId, stored: Stored) {
        if stored == Stored::Yes {
            self.gone.push(id);
        }
    }

    fn insert(&mut self, id: ActId, kept: Kept) {
        self.remove(&id);
        self.bytes += kept.bytes();
        for key in &kept.keys {
            self.by_key.entry(*key).or_default().insert(id.clone());
        }
        self.note_tellings(&id, &kept.found.tellings);
        self.acts.insert(id, kept);
    }

    fn note_tellings(&mut self, id: &ActId, tellings: &[Telling]) {
        for telling in tellings {
            self.by_alert.entry(telling.alert.clone()).or_default().insert(id.clone());
        }
    }

    fn drop_tellings(&mut self, id: &ActId, tellings: &[Telling]) {
        for telling in tellings {
            let Some(acts) = self.by_alert.get_mut(&telling.alert) else { continue };
            acts.remove(id);
            if acts.is_empty() {
                self.by_alert.remove(&telling.alert);
            }
        }
    }

    fn remove(&mut self, id: &ActId) {
        let Some(kept) = self.acts.remove(id) else { return };
        self.bytes -= kept.bytes();
        for key in &kept.keys {
            let Some(acts) = self.by_key.get_mut(key) else { continue };
            acts.remove(id);
            if acts.is_empty() {
                self.by_key.remove(key);
            }
        }
        self.drop_tellings(id, &kept.found.tellings);
        self.unsaved.remove(id);
        self.forsake(id.clone(), kept.stored);
    }

    /// Forgets acts whose time to be judged anew is over, once none is in doubt.
    pub fn expire(&mut self, watermark: Seconds) {
        while self.doubted.is_empty()
            && let Some(oldest) = self.acts.keys().next()
            && oldest.0.plus(self.span) <= watermark
        {
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }

    /// Notes that there is word of a grant that is found by `keys`.
    pub fn doubt(&mut self, keys: impl IntoIterator<Item = Key>) {
        self.doubted.extend(keys);
    }

    /// Returns the acts that word of a grant may have changed, oldest first; they are in doubt no more.
    pub fn doubted(&mut self) -> BTreeSet<ActId> {
        let doubted = std::mem::take(&mut self.doubted);
        let acts = doubted.iter().filter_map(|key| self.by_key.get(key));
        acts.flatten().cloned().collect()
    }

    /// Returns an act that is kept.
    pub fn get(&self, id: &ActId) -> Option<&Kept> {
        self.acts.get(id)
    }

    /// Returns the acts that an alert tells of, oldest first.
    pub fn of_alert(&self, alert: &AlertId) -> impl Iterator<Item = (&ActId, &Kept)> {
        let acts = self.by_alert.get(alert).into_iter().flatten();
        acts.filter_map(|id| Some((id, self.acts.get(id)?)))
    }

    /// Notes what was found of an act now.
    pub fn found(&mut self, id: &ActId, found: Found) {
        let Some(kept) = self.acts.get_mut(id) else { return };
        let before = std::mem::replace(&mut kept.found, found.clone());
        self.drop_tellings(id, &before.tellings);
        self.note_tellings(id, &found.tellings);
        self.unsaved.insert(id.clone());
    }

    /// Returns how many acts were forgotten before their time since it was last asked.
    pub fn crowded_out(&mut self) -> u64 {
        std::mem::take(&mut self.crowded_out)
    }

    /// Writes what changed since the last save.
    ///
    /// # Errors
    /// When the store refuses it.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let failed = |error| tx.failed(error);
        for (time, event) in self.gone.drain(..) {
            table::drop_held(tx, time, &event).map_err(failed)?;
        }
        for id in std::mem::take(&mut self.unsaved) {
            let Some(kept) = self.acts.get_mut(&id) else { continue };
            let found = serde_json::to_string(&kept.found).expect("it is texts and a flag");
            match kept.stored {
                Stored::Yes => table::set_judged(tx, id.0, &id.1, &found).map_err(failed)?,
                Stored::No => {
                    table::insert_held(tx, &kept.act.row(&id, Some(found))).map_err(failed)?;
                    kept.stored = Stored::Yes;
                }
            }
        }
        Ok(())
    }
}
