//! Changes that were told of, for as long as their undoing is linked to them.
//!
//! What was taken back is kept as long: an alert may come to tell of it when it is over already.
//!
//! Invariant: a change counts as taken back only where nothing of what made it grave stands any more, by whatever policy; what
//! is not known leaves it standing. Read on in `place.rs` for changes of no policy.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::made::ChangeId;
use crate::iam::drift::made::Course;
use crate::iam::drift::made::Departs;
use crate::iam::drift::made::Made;
use crate::iam::drift::made::PLANNED;
use crate::iam::drift::place::Place;
use crate::iam::drift::table;
use crate::iam::history::History;
use crate::iam::network;
use crate::model::AlertId;
use crate::model::DetectorId;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many changes are remembered. Beyond, the oldest are forgotten, first of what was taken back: the alerts about what stands
/// stay as they are.
const MAX_MADE: usize = 10_000;

/// A change that was taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Undone {
    /// The change.
    pub id: ChangeId,
    /// What it was.
    pub made: Made,
    /// When it was taken back, and by whom.
    pub by: (Seconds, Box<str>),
}

/// The changes that are remembered.
#[derive(Debug, Default)]
pub struct Ledger {
    all: BTreeMap<ChangeId, Made>,
    /// Those of which something stands, by what policies speak of.
    by_target: BTreeMap<Target, BTreeSet<ChangeId>>,
    /// Those of which something stands, by whom or what they moved.
    by_subject: BTreeMap<Box<str>, BTreeSet<ChangeId>>,
    /// What was taken back by records whose file is still being judged: alerts may come to tell of it.
    closing: Vec<Undone>,
    unsaved: BTreeSet<ChangeId>,
    gone: Vec<ChangeId>,
}

impl Ledger {
    /// Takes what the store has.
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let mut ledger = Self::default();
        for (id, made) in table::all(connection)? {
            ledger.insert(id, made);
        }
        Ok(ledger)
    }

    fn insert(&mut self, id: ChangeId, made: Made) {
        if made.stands() {
            if let Some(target) = made.target() {
                self.by_target.entry(target.clone()).or_default().insert(id.clone());
            }
            for subject in made.places().iter().flat_map(Place::subjects) {
                self.by_subject.entry(subject).or_default().insert(id.clone());
            }
        }
        self.all.insert(id, made);
    }

    /// Remembers a change.
    pub fn note(&mut self, id: ChangeId, made: Made) {
        self.unsaved.insert(id.clone());
        self.insert(id, made);
        while self.all.len() > MAX_MADE {
            // What is over is kept for alerts that come late; what stands for its undoing.
            let over = self.all.iter().find(|(_, made)| !made.stands());
            let Some((first, _)) = over.or(self.all.first_key_value()) else { break };
            let first = first.clone();
            self.remove(&first);
        }
    }

    /// Returns whether it is remembered that `target` is not as the baseline says.
    pub fn departs(&self, target: &Target) -> Departs {
        let mut departs = Departs::Not;
        for (id, made) in self.departures(target) {
            if !made.classes.contains(PLANNED) {
                return Departs::Told;
            }
            if let Departs::Not = departs {
                departs = Departs::Planned { since: id.0, by: made.by.clone() };
            }
        }
        departs
    }

    fn departures(&self, target: &Target) -> impl Iterator<Item = (&ChangeId, &Made)> {
        let ids = self.by_target.get(target).into_iter().flatten();
        ids.filter_map(|id| self.all.get_key_value(id)).filter(|(_, made)| made.is_departure())
    }

    /// Forgets that a pipeline made `target` depart from the baseline: somebody is told of it now.
    pub fn forget_planned(&mut self, target: &Target) {
        let planned = self.departures(target).filter(|(_, made)| made.classes.contains(PLANNED));
        let ids: Vec<ChangeId> = planned.map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.remove(&id);
        }
    }

    /// Closes what is remembered of `target` not being as the baseline says: it is, at the time `by`.
    pub fn agreed(&mut self, target: &Target, by: Seconds) {
        let ids: Vec<ChangeId> = self.departures(target).map(|(id, _)| id.clone()).collect();
        for id in ids {
            if let Some(made) = self.remove(&id) {
                self.closing.push(Undone { id, made, by: (by, "".into()) });
            }
        }
    }

    /// Returns the targets that are not as the baseline says.
    pub fn departed(&self) -> Vec<Target> {
        let all = self.by_target.keys();
        all.filter(|target| self.departs(target) != Departs::Not).cloned().collect()
    }

    /// Notes that an alert tells of a change. Of one that was taken back already it is over at once.
    pub fn told(&mut self, id: &ChangeId, alert: AlertId, detector: DetectorId) {
        let Some(made) = self.all.get_mut(id) else {
            if let Some(closing) = self.closing.iter_mut().find(|it| it.id == *id) {
                closing.made.alerts.insert((alert, detector));
            }
            return;
        };
        if !made.alerts.insert((alert.clone(), detector.clone())) {
            return;
        }
        self.unsaved.insert(id.clone());
        if let Course::Over(at, by) = &made.course {
            let (id, by) = (id.clone(), (*at, by.clone()));
            let made = Made { alerts: [(alert, detector)].into(), ..made.clone() };
            self.closing.push(Undone { id, made, by });
        }
    }

    /// Returns whether a change is remembered.
    pub fn knows(&self, id: &ChangeId) -> bool {
        self.all.contains_key(id)
    }

    /// Returns whether a change is remembered as one that moved somebody or something.
    pub fn is_move(&self, id: &ChangeId) -> bool {
        self.all.get(id).is_some_and(|made| !made.places().is_empty())
    }

    /// Returns whether a change is remembered that was taken back.
    pub fn is_over(&self, id: &ChangeId) -> bool {
        self.all.get(id).is_some_and(|made| !made.stands())
    }

    /// Returns whether a change was taken back, and an alert about it was closed by that.
    pub fn is_closed(&self, id: &ChangeId, alert: &AlertId) -> bool {
        let made = self.all.get(id).filter(|made| !made.stands());
        made.is_some_and(|made| made.alerts.iter().any(|(told, _)| told == alert))
    }

    /// Returns what was taken back since it was last asked, with the alerts that tell of it.
    pub fn closed(&mut self) -> Vec<Undone> {
        std::mem::take(&mut self.closing)
    }

    /// Returns the alerts that tell of a change.
    pub fn alerts(&self, id: &ChangeId) -> Vec<(AlertId, DetectorId)> {
        let made = self.all.get(id).filter(|made| made.stands());
        made.map(|made| made.alerts.iter().cloned().collect()).unwrap_or_default()
    }

    /// Notes that an alert does not tell of a change any more.
    pub fn withdrawn(&mut self, id: &ChangeId, alert: &AlertId) {
        if let Some(made) = self.all.get_mut(id).filter(|made| made.stands()) {
            made.alerts.retain(|(told, _)| told != alert);
            self.unsaved.insert(id.clone());
        }
    }

    /// Closes the changes of `target` of which nothing grave stands now, by `by`; returns the newest of those that are not
    /// `by` itself.
    pub fn close(
        &mut self,
        target: &Target,
        now: &Whole,
        (id, by): (&ChangeId, &str),
        measure: &Measure,
    ) -> Option<Undone> {
        let of_target: Vec<ChangeId> =
            self.by_target.get(target).into_iter().flatten().cloned().collect();
        let mut newest = None;
        for other in of_target {
            let Some(made) = self.all.get(&other) else { continue };
            if now.unknown.iter().any(|it| !made.unknown.contains(it.as_str())) {
                continue;
            }
            let before = Whole {
                document: made.before.clone(),
                is_there: true,
                unknown: Vec::new(),
                is_gone: false,
            };
            let since = measure.between(&before, now, target.kind());
            let opened = network::exposed(&made.before, &now.document).filter(|_| made.opens());
            // Of what is open to the world, another port that somebody opened is not what was told of.
            let is_of_it = |class: &&&str| **class != "public" || !made.opens();
            let stands = match made.is_of_anything() {
                true => !since.adds.is_empty(),
                false
                    if opened
                        .is_some_and(|opened| made.opened().is_some_and(|it| opened >= it)) =>
                {
                    true
                }
                false => since.classes.iter().filter(is_of_it).any(|it| made.classes.contains(*it)),
            };
            if stands {
                continue;
            }
            let Some(undone) = self.end(&other, (id.0, by)) else { continue };
            if undone.id != *id {
                newest = Some(undone);
            }
        }
        newest
    }

    /// Closes the moves of `subjects` of which nothing stands in `history`, by `by`.
    pub(super) fn leave(
        &mut self,
        subjects: &BTreeSet<Box<str>>,
        history: &History,
        (id, by): (&ChangeId, &str),
    ) {
        let all = subjects.iter().filter_map(|subject| self.by_subject.get(subject));
        let all: BTreeSet<ChangeId> = all.flatten().cloned().collect();
        for other in all {
            let Some(made) = self.all.get(&other) else { continue };
            if !made.places().iter().all(|place| place.is_over(history)) {
                continue;
            }
            // What was taken back by what was read before is known by the history alone, which does not say by whom.
            let is_late = other == *id || id.0 < other.0;
            let ends = made.places().iter().filter_map(|it| it.ended(other.0, history));
            let by = match ends.max().filter(|_| is_late) {
                Some(end) => (end, ""),
                None if is_late => (other.0.max(id.0), ""),
                None => (id.0, by),
            };
            self.end(&other, by);
        }
    }

    /// Closes a change, by `by`. It is kept where an alert may still come to tell of it.
    fn end(&mut self, id: &ChangeId, by: (Seconds, &str)) -> Option<Undone> {
        let mut made = self.remove(id)?;
        let by = (by.0, Box::<str>::from(by.1));
        self.closing.push(Undone { id: id.clone(), made: made.clone(), by: by.clone() });
        if !made.is_departure() && !made.is_unseen() {
            made.course = Course::Over(by.0, by.1.clone());
            self.gone.retain(|gone| gone != id);
            self.unsaved.insert(id.clone());
            self.insert(id.clone(), made);
        }
        self.closing.last().cloned()
    }

    /// Returns all that is remembered, by time.
    pub(super) fn remembered(&self) -> impl Iterator<Item = (&ChangeId, &Made)> {
        self.all.iter()
    }

    /// Returns what only a snapshot showed of `target`.
    pub(super) fn unseen_of(&self, target: &Target) -> Vec<ChangeId> {
        let ids = self.by_target.get(target).into_iter().flatten();
        ids.filter(|id| self.all.get(id).is_some_and(Made::is_unseen)).cloned().collect()
    }

    /// Changes what is remembered of a change; returns what `amend` does, and false of what is not remembered.
    pub(super) fn amend(&mut self, id: &ChangeId, amend: impl FnOnce(&mut Made) -> bool) -> bool {
        self.unsaved.insert(id.clone());
        self.all.get_mut(id).is_some_and(amend)
    }

    /// Closes a change that is not what it was told to be, by what `by` says of when and whom.
    pub(super) fn over(&mut self, id: &ChangeId, by: (Seconds, &str)) {
        if let Some(made) = self.remove(id) {
            self.closing.push(Undone { id: id.clone(), made, by: (by.0, by.1.into()) });
        }
    }

    /// Forgets a change, and returns it.
    pub(super) fn forget_one(&mut self, id: &ChangeId) -> Option<Made> {
        self.remove(id)
    }

    /// Closes what only a snapshot showed and does not stand any more, as another snapshot shows.
    pub(super) fn recheck(&mut self, measure: &Measure, stands: impl Fn(&Target) -> Whole) {
        let targets = self.by_target.keys();
        let all: Vec<Target> =
            targets.filter(|target| !self.unseen_of(target).is_empty()).cloned().collect();
        for target in all {
            let measure = Measure { account: target.account().into(), ..measure.clone() };
            let nobody = (measure.now, Box::from(""));
            self.close(&target, &stands(&target), (&nobody, ""), &measure);
        }
    }

    fn remove(&mut self, id: &ChangeId) -> Option<Made> {
        let made = self.all.remove(id)?;
        self.unsaved.remove(id);
        self.gone.push(id.clone());
        if let Some(target) = made.target() {
            unlist(&mut self.by_target, target, id);
        }
        for subject in made.places().iter().flat_map(Place::subjects) {
            unlist(&mut self.by_subject, &subject, id);
        }
        Some(made)
    }

    /// Forgets what was made longer than `within` before `watermark`.
    pub fn forget(&mut self, watermark: Seconds, within: Span) {
        let before = watermark.plus(Span(-within.0));
        let old = self.all.iter().take_while(|((time, _), _)| *time < before);
        // A departure from the baseline is one for as long as it stands.
        let old = old.filter(|(_, made)| !made.is_departure());
        let old: Vec<ChangeId> = old.map(|(id, _)| id.clone()).collect();
        for id in old {
            self.remove(&id);
        }
    }

    /// Writes what changed since the last save.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.gone) {
            table::drop(tx, &id)?;
        }
        for id in std::mem::take(&mut self.unsaved) {
            if let Some(made) = self.all.get(&id) {
                table::put(tx, &id, made)?;
            }
        }
        Ok(())
    }
}

fn unlist<K: Ord>(index: &mut BTreeMap<K, BTreeSet<ChangeId>>, key: &K, id: &ChangeId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}
