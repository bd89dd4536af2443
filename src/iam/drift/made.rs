//! A change that was told of, as it is remembered: of policies, or of where somebody or something stands.
//!
//! Invariant: what is remembered of a change is what was known when it was read. Read on in `ledger.rs`.

use std::collections::BTreeSet;

use crate::iam::drift::effect::Target;
use crate::iam::drift::place::Place;
use crate::iam::network::Exposure;
use crate::iam::policy::Document;
use crate::iam::policy::Language;
use crate::model::AlertId;
use crate::model::DetectorId;
use crate::model::Seconds;

/// What tells a change from all others: its time and the id of its event.
pub type ChangeId = (Seconds, Box<str>);

/// What a change is of.
#[derive(Debug, Clone, PartialEq)]
pub enum Of {
    /// Of what policies come to for a target.
    Policies(Target),
    /// Of where somebody or something stands; no policy says anything else.
    Places(Vec<Place>),
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// Something of it stands.
    Stands,
    /// It was taken back, at that time and by whom; empty where nobody knows. What comes to tell of it is over at once.
    Over(Seconds, Box<str>),
}

/// A change that was grave, or that moved somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// What was changed.
    pub of: Of,
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
    /// What became of it.
    pub course: Course,
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
    /// Makes one of which nothing is known yet but who made it.
    pub fn new(of: Of, by: &str) -> Self {
        Self {
            of,
            by: by.into(),
            classes: BTreeSet::new(),
            worst: "".into(),
            before: Document { language: Language::Of2012, statements: Vec::new() },
            unknown: BTreeSet::new(),
            alerts: BTreeSet::new(),
            course: Course::Stands,
        }
    }

    /// Returns what policies speak of, if it is of policies.
    pub fn target(&self) -> Option<&Target> {
        match &self.of {
            Of::Policies(target) => Some(target),
            Of::Places(_) => None,
        }
    }

    /// Returns where it put somebody or something.
    pub fn places(&self) -> &[Place] {
        match &self.of {
            Of::Policies(_) => &[],
            Of::Places(places) => places,
        }
    }

    /// Returns whether something of it stands, as far as is known.
    pub fn stands(&self) -> bool {
        self.course == Course::Stands
    }

    /// Returns whether it is a departure from the baseline: what stood before is what was agreed on.
    pub fn is_departure(&self) -> bool {
        self.classes.contains(DEPARTURE)
    }

    /// Returns whether no event told of it.
    pub fn is_unseen(&self) -> bool {
        self.classes.contains(UNSEEN)
    }

    /// Returns whether any more than before `now` stands is too much, whatever it means.
    pub(super) fn is_of_anything(&self) -> bool {
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

    pub(super) fn opened(&self) -> Option<Exposure> {
        let all = [Exposure::AllPorts, Exposure::AdminPort, Exposure::Port];
        all.into_iter().find(|opened| self.classes.contains(&class_of(*opened)))
    }

    pub(super) fn opens(&self) -> bool {
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
