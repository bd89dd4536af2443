//! A grant in time: which version was in force when, and in which spells access was given.
//!
//! A version counts from its *effect* on. That is the time of approval for the first one that gives access, so that
//! a message which comes late opens no hole; for an extension, an end, and whatever follows them it is the time at which
//! the source said so, because nobody could act on it earlier.
//!
//! Invariant: what is in force at a time follows from the set of versions alone. Nothing follows a final state, except
//! a version of a higher revision that is not final.

use crate::grants::grant::Evidence;
use crate::grants::grant::Grant;
use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::grant::Window;
use crate::model::Seconds;

/// What a grant was in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Access was given.
    Given,
    /// It was approved and not given yet.
    Promised,
    /// A version that came into effect behind it says that access was given here.
    Afterwards,
}

/// Why a spell was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Its window was, or its source called it ended.
    Over,
    /// It was taken back.
    Taken,
    /// Another version took its place.
    Replaced,
}

/// A stretch of time `[from, until)` in which one version says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spell {
    pub from: Seconds,
    pub until: Seconds,
    /// The version's place among the grant's.
    pub version: usize,
    pub kind: Kind,
    pub ending: Ending,
    /// When that version came into effect.
    pub effect: Seconds,
}

impl Grant {
    /// Returns the version in force at `time`, the time of an event; `None` if the source had said nothing by then.
    pub fn as_of(&self, time: Seconds) -> Option<&Version> {
        let at = in_force(&self.versions, &effects(&self.versions), time)?;
        self.versions.get(at).map(|(version, _)| version)
    }

    /// Returns its state at `time`: what its source had said by then, begun and ended by the clock where nobody said so;
    /// `None` if nobody had spoken of it.
    pub fn state(&self, time: Seconds) -> Option<Status> {
        let version = self.as_of(time)?;
        let Window { from, until } = version.window;
        Some(match version.status {
            status if status.gives() && time >= until => Status::Ended,
            status if status.gives() && time < from => Status::Scheduled,
            status => status,
        })
    }
}

/// Returns the spells of a grant, in the order of time for each kind.
pub(super) fn spells(versions: &[(Version, Evidence)]) -> Vec<Spell> {
    let effects = effects(versions);
    let mut turns = effects.clone();
    turns.sort_unstable();
    turns.dedup();
    let mut spells: Vec<Spell> = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        let Some(place) = in_force(versions, &effects, *turn) else { continue };
        let Some((version, _)) = versions.get(place) else { continue };
        let next = turns.get(at + 1).copied();
        if let Some(spell) = spell(versions, &effects, (place, version), (*turn, next)) {
            match spells.last_mut() {
                Some(last) if last.version == place && last.until == spell.from => {
                    (last.until, last.ending) = (spell.until, spell.ending);
                }
                _ => spells.push(spell),
            }
        }
        let effect = effects.get(place).copied().unwrap_or(*turn);
        let claims = version.status.gives() && effect == *turn && version.window.from < effect;
        if claims {
            spells.push(Spell {
                from: version.window.from,
                until: version.window.until.min(effect),
                version: place,
                kind: Kind::Afterwards,
                ending: Ending::Over,
                effect,
            });
        }
    }
    spells.shrink_to_fit();
    spells
}

/// Returns what the version in force from `turn` to `next` says of that time.
fn spell(
    versions: &[(Version, Evidence)],
    effects: &[Seconds],
    (place, version): (usize, &Version),
    (turn, next): (Seconds, Option<Seconds>),
) -> Option<Spell> {
    let kind = match version.status {
        Status::Active | Status::Extended => Kind::Given,
        Status::Approved | Status::Scheduled => Kind::Promised,
        _ => return None,
    };
    let from = version.window.from.max(turn);
    let cut = next.filter(|next| *next < version.window.until);
    let until = cut.unwrap_or(version.window.until);
    let ending = match cut.and_then(|cut| in_force(versions, effects, cut)) {
        None => Ending::Over,
        Some(follower) => match versions.get(follower).map(|(version, _)| version.status) {
            Some(Status::Ended | Status::Expired) => Ending::Over,
            Some(status) if status.is_final() => Ending::Taken,
            _ => Ending::Replaced,
        },
    };
    let effect = effects.get(place).copied().unwrap_or(turn);
    (from < until).then_some(Spell { from, until, version: place, kind, ending, effect })
}

/// Returns the place of the version in force at `time`.
fn in_force(versions: &[(Version, Evidence)], effects: &[Seconds], time: Seconds) -> Option<usize> {
    let mut held: Option<(usize, &Version)> = None;
    for (place, ((version, _), effect)) in versions.iter().zip(effects).enumerate() {
        if *effect > time {
            continue;
        }
        let is_over = held.is_some_and(|(_, held)| {
            let reopens = !version.status.is_final() && version.revision > held.revision;
            held.status.is_final() && !reopens
        });
        if !is_over {
            held = Some((place, version));
        }
    }
    held.map(|(place, _)| place)
}

/// Returns when each version came into effect.
fn effects(versions: &[(Version, Evidence)]) -> Vec<Seconds> {
    let mut is_new = true;
    let mut effects = Vec::with_capacity(versions.len());
    for (version, _) in versions {
        let earlier = match version.status {
            Status::Requested => version.requested_at,
            Status::Approved | Status::Scheduled | Status::Active => version.approved_at,
            _ => None,
        };
        effects.push(earlier.filter(|_| is_new).unwrap_or(version.emitted_at));
        is_new &= !version.status.gives() && !version.status.is_final();
    }
    effects
}
