//! Acts that were judged, kept for as long as word of a grant may come late, in memory and in the store.
//!
//! With each act stands what was found and which alerts tell of it. Word of a grant puts in doubt what has a key in
//! common with it; that is judged anew once a commit, however many messages there were.
//!
//! Invariant: bounded in time and in bytes. What is forgotten is not judged anew: its alert stays as it is.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde::Serialize;
use smallvec::SmallVec;

use crate::grants::GrantId;
use crate::grants::Key;
use crate::grants::usage::Part;
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
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The verdict with all that a detector or a story tells it by; two that are the same are told in the same words.
    pub mark: String,
    /// Whether it wanted a grant and had none.
    pub is_open: bool,
    /// The alerts that tell of it.
    pub tellings: Vec<Telling>,
    /// Which grant it was counted to as a use.
    #[serde(default)]
    pub counted: Counted,
}

/// Which grant an act was counted to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Counted {
    /// An earlier version counted it and did not note where.
    #[default]
    Somewhere,
    /// To none.
    Nowhere,
    /// To this one.
    To {
        /// Its id.
        grant: GrantId,
        /// Where the act stands to it.
        part: Part,
    },
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
    pub fn of(facts: &Facts) -> Self {
        let text = |name| facts.get(name).map(Fact::to_string).unwrap_or_default();
        let verdict = text("gw.grant.verdict");
        // Which grant is nearest does not matter where none speaks of the act.
        let named: &[&str] = if verdict == "none" { &[] } else { &["gw.grant.id"] };
        let told = ["gw.grant.dimension", "gw.grant.retroactive", "gw.grant.session_outlived"];
        let told = told.iter().chain(&["gw.grant.break_glass"]).chain(named);
        let is_open = !matches!(verdict.as_str(), "" | "covered" | "exempt");
        let mark = told.fold(verdict, |mark, name| mark + "|" + &text(name));
        Self { mark, is_open, tellings: Vec::new(), counted: Counted::Nowhere }
    }
}

impl Found {
    /// Returns the verdict's name.
    pub fn verdict(&self) -> &str {
        self.mark.split('|').next().unwrap_or_default()
    }
}

/// A judged act.
#[derive(Debug)]
pub struct Kept {
    /// The act.
    pub act: Held,
    /// What was found.
    pub found: Found,
    /// What grants are found by, and what is known of sessions.
    ties: Ties,
    stored: Stored,
    /// Whom it was laid to when it was last told of, if that is somebody else now.
    was_laid_to: Option<String>,
}

/// What an act hangs on: word of one of them may change what is found.
#[derive(Debug, Clone, Default)]
pub struct Ties {
    /// What grants that may speak of it are found by.
    pub keys: SmallVec<[Key; 16]>,
    /// Marks of what its identity rests on.
    pub marks: SmallVec<[u64; 8]>,
}

impl Kept {
    /// Keeps an act that hangs on `ties`.
    pub fn new(act: Held, found: Found, ties: Ties, stored: Stored) -> Self {
        Self { act, found, ties, stored, was_laid_to: None }
    }

    /// Returns whom it was laid to when it was last told of, if that is not who it is laid to now.
    pub fn was_laid_to(&self) -> Option<&str> {
        self.was_laid_to.as_deref()
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
    by_mark: BTreeMap<u64, BTreeSet<ActId>>,
    by_alert: BTreeMap<AlertId, BTreeSet<ActId>>,
    /// What was heard of since acts were last judged anew.
    doubted: BTreeSet<Key>,
    /// Acts that are laid to somebody else since.
    relaid: BTreeSet<ActId>,
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
            by_mark: BTreeMap::new(),
            by_alert: BTreeMap::new(),
            doubted: BTreeSet::new(),
            relaid: BTreeSet::new(),
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
        if stored != Stored::No {
            self.gone.push(id);
        }
    }

    fn insert(&mut self, id: ActId, kept: Kept) {
        self.remove(&id);
        self.bytes += kept.bytes();
        self.tie(&id, &kept.ties);
        self.note_tellings(&id, &kept.found.tellings);
        self.acts.insert(id, kept);
    }

    fn tie(&mut self, id: &ActId, ties: &Ties) {
        for key in &ties.keys {
            self.by_key.entry(*key).or_default().insert(id.clone());
        }
        for mark in &ties.marks {
            self.by_mark.entry(*mark).or_default().insert(id.clone());
        }
    }

    fn untie(&mut self, id: &ActId, ties: &Ties) {
        ties.keys.iter().for_each(|key| cut(&mut self.by_key, key, id));
        ties.marks.iter().for_each(|mark| cut(&mut self.by_mark, mark, id));
    }

    /// Returns the acts whose identity rests on one of `marks`.
    pub fn resting_on(&self, marks: &[u64]) -> BTreeSet<ActId> {
        if self.by_mark.is_empty() {
            return BTreeSet::new();
        }
        marks.iter().filter_map(|mark| self.by_mark.get(mark)).flatten().cloned().collect()
    }

    /// Lays an act to whom `session` names; returns whether that is news.
    pub fn lay_to(&mut self, id: &ActId, session: &Arc<Facts>) -> bool {
        let Some(kept) = self.acts.get_mut(id) else { return false };
        let Some(before) = kept.act.lay_to(session) else { return false };
        kept.was_laid_to.get_or_insert(before);
        if kept.stored == Stored::Yes {
            kept.stored = Stored::Former;
        }
        self.unsaved.insert(id.clone());
        self.relaid.insert(id.clone());
        true
    }

    /// Lets an act hang on `ties` from now on.
    pub fn tie_anew(&mut self, id: &ActId, ties: Ties) {
        let Some(kept) = self.acts.get_mut(id) else { return };
        let former = std::mem::replace(&mut kept.ties, ties.clone());
        self.untie(id, &former);
        self.tie(id, &ties);
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
        self.untie(id, &kept.ties);
        self.drop_tellings(id, &kept.found.tellings);
        self.unsaved.remove(id);
        self.relaid.remove(id);
        self.forsake(id.clone(), kept.stored);
    }

    /// Forgets acts whose time to be judged anew is over, once none is in doubt.
    pub fn expire(&mut self, watermark: Seconds) {
        while self.doubted.is_empty()
            && self.relaid.is_empty()
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

    /// Notes that there is word of nobody knows which grants.
    pub fn doubt_all(&mut self) {
        self.doubted = self.by_key.keys().copied().collect();
    }

    /// Returns the acts that word of a grant may have changed, oldest first; they are in doubt no more.
    pub fn doubted(&mut self) -> BTreeSet<ActId> {
        let doubted = std::mem::take(&mut self.doubted);
        let mut acts = std::mem::take(&mut self.relaid);
        let told_of = doubted.iter().filter_map(|key| self.by_key.get(key));
        acts.extend(told_of.flatten().cloned());
        acts
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
        kept.was_laid_to = None;
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
                Stored::Former | Stored::No => {
                    table::insert_held(tx, &kept.act.row(&id, Some(found))).map_err(failed)?;
                    kept.stored = Stored::Yes;
                }
            }
        }
        Ok(())
    }
}

fn cut<K: Ord>(acts: &mut BTreeMap<K, BTreeSet<ActId>>, under: &K, id: &ActId) {
    let Some(of_this) = acts.get_mut(under) else { return };
    of_this.remove(id);
    if of_this.is_empty() {
        acts.remove(under);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Act;
    use crate::model::Event;
    use crate::model::Record;
    use crate::model::Slots;
    use crate::model::TrailRecord;

    fn held(time: i64) -> Held {
        let text = r#"{"eventName":"PutRolePolicy"}"#;
        let slots = Slots::of(text).unwrap();
        let record = TrailRecord::new(text, &slots);
        let event = Event {
            time: Seconds(time),
            record: Record::Trail(record),
            session: None,
            facts: Facts::default(),
        };
        Held::of(&event, &record, "s3://bucket/key")
    }

    fn keys(name: &str) -> SmallVec<[Key; 16]> {
        Act { identity: name, ..Act::default() }.keys()
    }

    fn ties(name: &str) -> Ties {
        Ties { keys: keys(name), marks: SmallVec::from_slice(&[name.len() as u64]) }
    }

    fn id(time: i64) -> ActId {
        (Seconds(time), time.to_string().into())
    }

    fn keep(judged: &mut Judged, time: i64, name: &str, alerts: &[&str]) {
        let telling = |alert: &&str| Telling {
            alert: AlertId((*alert).to_owned()),
            detector: DetectorId("d".to_owned()),
        };
        let tellings: Vec<Telling> = alerts.iter().map(telling).collect();
        let found = Found { is_open: !tellings.is_empty(), tellings, ..Found::default() };
        judged.keep(id(time), Kept::new(held(time), found, ties(name), Stored::No));
    }

    fn doubted(judged: &mut Judged, name: &str) -> Vec<ActId> {
        judged.doubt(keys(name));
        judged.doubted().into_iter().collect()
    }

    #[test]
    fn word_of_a_grant_puts_only_those_it_may_speak_of_in_doubt() {
        let mut judged = Judged::new(Span(100));
        for (time, name) in [(3, "person:ana"), (1, "person:ana"), (2, "person:bob")] {
            keep(&mut judged, time, name, &[]);
        }
        assert_eq!(doubted(&mut judged, "person:ana"), [id(1), id(3)]);
        assert!(judged.doubted().is_empty(), "doubts are settled once");
        assert_eq!(doubted(&mut judged, "person:eve"), []);
        // However many messages there are, an act is judged anew once.
        (0..1_000).for_each(|_| judged.doubt(keys("person:bob")));
        assert_eq!(judged.doubted().len(), 1);
    }

    #[test]
    fn acts_are_kept_for_their_time_and_no_longer() {
        let mut judged = Judged::new(Span(100));
        keep(&mut judged, 1, "person:ana", &["a"]);
        keep(&mut judged, 2, "person:ana", &["a"]);
        judged.expire(Seconds(101));
        assert_eq!(doubted(&mut judged, "person:ana"), [id(2)]);
        // What is in doubt is judged anew before it goes.
        judged.doubt(keys("person:ana"));
        judged.expire(Seconds(102));
        assert_eq!(judged.doubted().len(), 1);
        judged.expire(Seconds(102));
        assert_eq!(doubted(&mut judged, "person:ana"), []);
        assert_eq!((judged.bytes, judged.crowded_out()), (0, 0));
        assert!(judged.by_key.is_empty() && judged.by_alert.is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten_where_there_are_too_many() {
        let mut judged = Judged::new(Span(100));
        judged.max_bytes = 3 * (held(0).bytes() + BESIDES);
        for time in [4, 1, 3, 2, 5] {
            keep(&mut judged, time, "person:ana", &[]);
        }
        assert_eq!(doubted(&mut judged, "person:ana"), [id(3), id(4), id(5)]);
        assert_eq!((judged.crowded_out(), judged.crowded_out()), (2, 0));
    }

    #[test]
    fn what_nobody_can_be_told_of_is_not_kept() {
        let mut judged = Judged::new(Span(100));
        let found = Found { mark: "none".to_owned(), is_open: true, ..Found::default() };
        judged.keep(id(1), Kept::new(held(1), found, ties("person:ana"), Stored::Yes));
        assert_eq!(doubted(&mut judged, "person:ana"), []);
        assert_eq!(judged.gone, [id(1)], "nor in the store");
        let mut judged = Judged::new(Span(0));
        keep(&mut judged, 1, "person:ana", &["a"]);
        assert_eq!(judged.bytes, 0);
    }

    #[test]
    fn an_alert_knows_its_acts() {
        let mut judged = Judged::new(Span(100));
        keep(&mut judged, 1, "person:ana", &["a", "b"]);
        keep(&mut judged, 2, "person:ana", &["a"]);
        let acts = |judged: &Judged, alert: &str| -> Vec<ActId> {
            let alert = AlertId(alert.to_owned());
            judged.of_alert(&alert).map(|(id, _)| id.clone()).collect()
        };
        assert_eq!((acts(&judged, "a"), acts(&judged, "b")), (vec![id(1), id(2)], vec![id(1)]));
        let found = Found { mark: "covered".to_owned(), ..Found::default() };
        judged.found(&id(1), found);
        assert_eq!((acts(&judged, "a"), acts(&judged, "b")), (vec![id(2)], vec![]));
    }
}
