//! What the grant that a session names is to that session, when it is issued.
//!
//! Invariant: a name is somebody's text. It is compared and told, and opens nothing by itself.

use crate::grants::grant::Version;
use crate::grants::judge::Settings;
use crate::grants::ledger::Ledger;
use crate::grants::timeline::Kind;
use crate::grants::trail::named::Named;
use crate::grants::verdict::Act;
use crate::grants::who::Actor;
use crate::model::Confidence;
use crate::model::Seconds;

/// What a named grant is to the session that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It holds, and whoever named it may.
    Held,
    /// There is no such grant.
    Unknown,
    /// It is over, or was never given.
    Over,
    /// It had not begun.
    NotBegun,
    /// Whoever named it is neither a broker nor covered by it.
    OfAnother,
    /// Several grants were named.
    Several,
}

impl Naming {
    /// Returns its name in `gw.grant.claim`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Unknown => "unknown",
            Self::Over => "over",
            Self::NotBegun => "not_begun",
            Self::OfAnother => "of_another",
            Self::Several => "several",
        }
    }
}

impl Ledger {
    /// Returns what the grant that a session names is to it. `issue` is the call that asked for the session.
    pub fn naming(&self, settings: &Settings, issue: &Act<'_>, named: &Named) -> Naming {
        if named.is_several {
            return Naming::Several;
        }
        let Some(held) = self.place_named(&named.grant).and_then(|place| self.held(place)) else {
            return Naming::Unknown;
        };
        let actor = Actor::of(issue);
        let is_whose = |version: &Version| {
            let mut hits = version.principals.iter().filter_map(|it| actor.hit(version, it));
            hits.any(|hit| hit.sure != Confidence::Ambiguous)
        };
        let may = named.is_bound || held.grant.versions().any(|(version, _)| is_whose(version));
        if !may {
            return Naming::OfAnother;
        }
        let (time, skew) = (issue.time, settings.skew);
        let given = || held.spells.iter().filter(|spell| spell.kind == Kind::Given);
        let has_begun = |from: Seconds| time.plus(skew) >= from;
        if given().any(|spell| has_begun(spell.from) && time < spell.until.plus(skew)) {
            return Naming::Held;
        }
        match given().any(|spell| !has_begun(spell.from)) {
            true => Naming::NotBegun,
            false => Naming::Over,
        }
    }

    /// Returns whether a session that names a grant may live longer than the grant, as it was at `time`.
    pub fn is_outlived(&self, settings: &Settings, named: &Named, time: Seconds) -> bool {
        let held = self.place_named(&named.grant).and_then(|place| self.held(place));
        let version = held.and_then(|held| held.grant.as_of(time));
        version.is_some_and(|version| named.ends > version.window.until.plus(settings.skew))
    }
}
