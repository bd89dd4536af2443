//! Changes that were told of, for as long as their undoing is linked to them.
//!
//! Invariant: a change counts as taken back only where nothing of what made it grave stands any more, by whatever policy; what
//! is not known leaves it standing.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::table;
use crate::iam::network;
use crate::iam::network::Exposure;
use crate::iam::policy::Document;
use crate::model::AlertId;
use crate::model::DetectorId;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many changes are remembered. Beyond, the oldest are forgotten: their alerts stay as they are.
const MAX_MADE: usize = 10_000;

/// What tells a change from all others: its time and the id of its event.
pub type ChangeId = (Seconds, Box<str>);

/// A change that was grave.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// What was changed.
    pub target: Target,
    /// Who made it.
    pub by: Box<str>,
    /// What made it grave.
    pub classes: BTreeSet<Box<str>>,
    /// The gravest of these.
    pub worst: Box<str>,
    /// What stood before.
    pub before: Document,
    /// What was not known when it was made.
    pub unknown: BTreeSet<Box<str>>,
    /// The alerts that tell of it, each with its detector.
    pub alerts: BTreeSet<(AlertId, DetectorId)>,
}

/// The class of what is remembered because it is not as the baseline says, not because it was grave.
pub const DEPARTURE: &str = "baseline";

/// The class beside it of what an approved pipeline made, for as long as nobody is told of it.
pub const PLANNED: &str = "planned";

/// How it is remembered that a target is not as the baseline says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departs {
    /// It is not.
    Not,
    /// An approved pipeline made it so at that time, and nobody was told of it.
    Planned {
        /// When.
        since: Seconds,
        /// Which pipeline.
        by: Box<str>,
    },
    /// Somebody was told of it.
    Told,
}

/// The class of what only a snapshot showed: it stands while anything of it does.
pub const UNSEEN: &str = "unseen";

/// The class of what is remembered because it gives protected actions with no end date: it stands while anything is left.
const GAIN: &str = "standing";

impl Made {
    /// Returns whether it is a departure from the baseline: what stood before is what was agreed on.
    pub fn is_departure(&self) -> bool {
        self.classes.contains(DEPARTURE)
    }

    /// Returns whether no event told of it.
    pub fn is_unseen(&self) -> bool {
        self.classes.contains(UNSEEN)
    }

    /// Returns whether any more than before `now` stands is too much, whatever it means.
    fn is_of_anything(&self) -> bool {
        self.is_departure() || self.is_gain() || self.is_unseen()
    }

    /// Takes it for one that gives standing access, if nothing graver is said of it.
    pub fn gains(&mut self) {
        if matches!(&*self.worst, "" | "wildcard") {
            self.classes.insert(GAIN.into());
        }
    }

    /// Takes it for one that opened so much to the world.
    pub fn exposes(&mut self, opened: Exposure) {
        self.classes.insert(class_of(opened));
    }

    fn opened(&self) -> Option<Exposure> {
        let all = [Exposure::AllPorts, Exposure::AdminPort, Exposure::Port];
        all.into_iter().find(|opened| self.classes.contains(&class_of(*opened)))
    }

    fn opens(&self) -> bool {
        self.opened().is_some()
    }

    /// Returns whether all that is wrong with it is that it gives standing access.
    pub fn is_gain(&self) -> bool {
        self.classes.contains(GAIN)
    }
}

/// The class beside it of what opened so much to the world.
fn class_of(opened: Exposure) -> Box<str> {
    format!("exposes/{}", opened.name()).into()
}

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
    by_target: BTreeMap<Target, BTreeSet<ChangeId>>,
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
        self.by_target.entry(made.target.clone()).or_default().insert(id.clone());
        self.all.insert(id, made);
    }

    /// Remembers a change.
    pub fn note(&mut self, id: ChangeId, made: Made) {
        self.unsaved.insert(id.clone());
        self.insert(id, made);
        while self.all.len() > MAX_MADE {
            let Some(oldest) = self.all.keys().next().cloned() else { break };
            self.remove(&oldest);
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

    /// Notes that an alert tells of a change.
    pub fn told(&mut self, id: &ChangeId, alert: AlertId, detector: DetectorId) {
        if let Some(closing) = self.closing.iter_mut().find(|it| it.id == *id) {
            closing.made.alerts.insert((alert, detector));
        } else if let Some(made) = self.all.get_mut(id)
            && made.alerts.insert((alert, detector))
        {
            self.unsaved.insert(id.clone());
        }
    }

    /// Returns what was taken back since it was last asked, with the alerts that tell of it.
    pub fn closed(&mut self) -> Vec<Undone> {
        std::mem::take(&mut self.closing)
    }

    /// Returns the alerts that tell of a change.
    pub fn alerts(&self, id: &ChangeId) -> Vec<(AlertId, DetectorId)> {
        self.all.get(id).map(|made| made.alerts.iter().cloned().collect()).unwrap_or_default()
    }

    /// Notes that an alert does not tell of a change any more.
    pub fn withdrawn(&mut self, id: &ChangeId, alert: &AlertId) {
        if let Some(made) = self.all.get_mut(id) {
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
            let Some(made) = self.remove(&other) else { continue };
            let undone = Undone { id: other, made, by: (id.0, by.into()) };
            if undone.id != *id {
                newest = Some(undone.clone());
            }
            self.closing.push(undone);
        }
        newest
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
        if let Some(ids) = self.by_target.get_mut(&made.target) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_target.remove(&made.target);
            }
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
