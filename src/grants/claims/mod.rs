//! Claims: what CloudTrail says of who was given standing access, held against the ledger.
//!
//! A broker says in messages what it gives (grants) and shows in CloudTrail what it does (claims: assignments, memberships,
//! policies). The two come by different ways and in any order. Each deed, each start of a grant and each end is put on
//! an agenda, and decided (`decide.rs`) once time has passed it by as much as it takes to know.
//!
//! Invariant: a decision is taken at its time on the agenda, in the order of time, and knows nothing of later; so the same
//! records and messages give the same signals in any order within the lateness, and after a restart. A signal is told
//! once. What claims have nothing to do with grants is forgotten. Read on in `claim.rs`.

mod agenda;
mod claim;
mod course;
mod decide;
mod explain;
mod learned;
mod read;
mod table;
mod tell;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use tracing::warn;

use crate::grants::claims::agenda::Subject;
use crate::grants::claims::claim::Claim;
use crate::grants::claims::claim::Deed;
use crate::grants::claims::claim::Verb;
use crate::grants::claims::claim::standing;
use crate::grants::claims::decide::Found;
use crate::grants::claims::decide::Judge;
use crate::grants::claims::explain::View;
use crate::grants::claims::learned::Learned;
use crate::grants::claims::learned::Topic;
use crate::grants::grant::GrantId;
use crate::grants::grant::Principal;
use crate::grants::grant::Version;
use crate::grants::ledger::Held;
use crate::grants::ledger::Ledger;
use crate::grants::removal::Removal;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

pub use agenda::Messages;
pub use agenda::Timing;
pub(super) use course::principal;
pub use read::Told;
pub use read::concerns;
pub use read::read;
pub use table::CLAIMS;

/// How many deeds are remembered; beyond, the oldest are forgotten.
const MAX_DEEDS: usize = 200_000;
/// How long deeds are remembered that were undone since.
const KEPT: Span = Span(2 * 86_400);
/// How long it is remembered that a signal was told.
const TOLD: Span = Span(90 * 86_400);

/// All claims, and what is still to be decided.
#[derive(Debug)]
pub struct Claims {
    timing: Timing,
    claims: BTreeMap<Claim, Vec<Deed>>,
    deeds: usize,
    /// Claims by the ids of the memberships that make them.
    memberships: BTreeMap<Box<str>, Claim>,
    /// Removals of memberships, by id, that nobody saw being made.
    unclaimed: BTreeMap<Box<str>, Deed>,
    learned: Learned,
    agenda: BTreeSet<(Seconds, Subject)>,
    unsaved: Vec<(Option<Claim>, Deed)>,
    dropped: Vec<Box<str>>,
    removals: Vec<Removal>,
}

impl Claims {
    /// Reads what was known at the last commit, when everything up to `watermark` had been decided.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load(
        timing: Timing,
        connection: &Connection,
        ledger: &Ledger,
        watermark: Seconds,
    ) -> Result<Self, StoreError> {
        let mut claims = Self::new(timing);
        table::lessons(connection, |lesson| claims.learned.load(lesson))?;
        let mut deeds = Vec::new();
        table::deeds(connection, |claim, deed| deeds.push((claim, deed)))?;
        for (claim, deed) in deeds {
            match claim {
                Some(claim) => claims.insert(claim, deed),
                None => claims.wait_for_claim(deed),
            }
        }
        let open = |held: &&Held| claims.timing.last_due(held) > watermark;
        for held in ledger.all().filter(open).collect::<Vec<_>>() {
            claims.put_on_agenda(held);
        }
        // What is old is looked at again: to forget it costs nothing, to keep it for ever does.
        let decided = watermark.0.saturating_add(1);
        let open = claims.agenda.split_off(&(Seconds(decided), Subject::lowest()));
        claims
            .agenda
            .retain(|(_, subject)| matches!(subject, Subject::Old(_) | Subject::Unclaimed(_)));
        claims.agenda.extend(open);
        claims.unsaved.clear();
        Ok(claims)
    }

    /// Makes claims that know nothing yet.
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            claims: BTreeMap::new(),
            deeds: 0,
            memberships: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            learned: Learned::default(),
            agenda: BTreeSet::new(),
            unsaved: Vec::new(),
            dropped: Vec::new(),
            removals: Vec::new(),
        }
    }

    /// Takes in what a record said.
    pub fn note(&mut self, told: Told, time: Seconds) {
        match told {
            Told::Deed(claim, deed) => self.insert(claim, deed),
            Told::Membership(deed) => match self.memberships.get(&deed.membership) {
                Some(claim) => self.insert(claim.clone(), deed),
                None => self.wait_for_claim(deed),
            },
            Told::Named(arn, name) => {
                self.learned.learn(Topic::Set, &arn, &name, time);
            }
        }
    }

    /// Takes in that a user's id has a name, as of `time`.
    pub fn name(&mut self, id: &str, name: &str, time: Seconds) {
        if id.is_empty() || name.is_empty() || id == name {
            return;
        }
        let name = name.to_lowercase();
        self.learned.learn(Topic::User, id, &name, time);
        self.learned.learn(Topic::Person, &name, id, time);
    }

    /// Takes in what the facts of a session of Identity Center say of who is called how.
    pub fn meet(&mut self, session: &Facts) {
        let text = |name| match session.get(name) {
            Some(Fact::Text(text)) => text.as_str(),
            _ => "",
        };
        let is_sure = text("gw.identity.confidence") == "exact";
        let (id, name) = (text("gw.session.on_behalf_of"), text("gw.identity.name"));
        let name = name.strip_prefix("person:").unwrap_or_default();
        if let Some(started) = Seconds::parse(text("gw.session.started")).filter(|_| is_sure) {
            self.name(id, name, started);
        }
    }

    /// Takes in that the ledger has heard of a grant.
    pub fn heard(&mut self, ledger: &Ledger, id: &GrantId) {
        if let Some(held) = ledger.held_as(id) {
            self.put_on_agenda(held);
        }
    }

    fn put_on_agenda(&mut self, held: &Held) {
        held.grant.versions.iter().for_each(|(version, _)| self.learn_names(version));
        self.agenda.extend(agenda::of_grant(held, &self.timing));
    }

    fn learn_names(&mut self, version: &Version) {
        for principal in &version.principals {
            if let Principal::IdcUser { user_id, user_name, .. } = principal {
                self.name(user_id, user_name, version.emitted_at);
            }
        }
    }

    fn wait_for_claim(&mut self, deed: Deed) {
        let due = deed.time.plus(KEPT);
        self.agenda.insert((due, Subject::Unclaimed(deed.membership.clone())));
        self.unsaved.push((None, deed.clone()));
        if let Some(replaced) = self.unclaimed.insert(deed.membership.clone(), deed) {
            self.dropped.push(replaced.event);
        }
    }

    fn insert(&mut self, claim: Claim, deed: Deed) {
        let deeds = self.claims.entry(claim.clone()).or_default();
        if deeds.iter().any(|known| known.event == deed.event) {
            return;
        }
        let before = deeds.partition_point(|known| *known < deed);
        deeds.insert(before, deed.clone());
        self.deeds += 1;
        let due = deed.time.plus(match (deed.verb, self.timing.messages) {
            (Verb::Make, Messages::Known) => Span(0),
            (Verb::Make, Messages::Arriving) | (Verb::Remove, _) => self.timing.grace,
        });
        let (claimed, event) = (claim.clone(), deed.event.clone());
        let subject = match deed.verb {
            Verb::Make => Subject::Made(claimed, event),
            Verb::Remove => Subject::Removed(claimed, event),
        };
        self.agenda.insert((due, subject));
        self.agenda.insert((deed.time.plus(KEPT), Subject::Old(claim.clone())));
        self.unsaved.push((Some(claim.clone()), deed.clone()));
        if deed.verb == Verb::Make && !deed.membership.is_empty() {
            self.memberships.insert(deed.membership.clone(), claim.clone());
            if let Some(removal) = self.unclaimed.remove(&deed.membership) {
                self.insert(claim, removal);
            }
        }
        self.bound();
    }

    /// Forgets a tenth of the claims where there are too many: those with the oldest deeds.
    fn bound(&mut self) {
        if self.deeds <= MAX_DEEDS {
            return;
        }
        let newest = |deeds: &Vec<Deed>| deeds.last().map(|deed| deed.time);
        let mut claims: Vec<_> =
            self.claims.iter().map(|(claim, deeds)| (newest(deeds), claim.clone())).collect();
        claims.sort_unstable();
        claims.truncate(claims.len() / 10 + 1);
        for (_, claim) in &claims {
            for deed in self.claims.remove(claim).unwrap_or_default() {
                self.drop(&deed);
            }
        }
        warn!(forgotten = claims.len(), "too many claims to remember all");
    }

    fn drop(&mut self, deed: &Deed) {
        self.deeds = self.deeds.saturating_sub(1);
        self.memberships.remove(&deed.membership);
        self.dropped.push(deed.event.clone());
    }

    /// Returns what is to be told now that time has come to `now`.
    pub fn due(&mut self, ledger: &Ledger, now: Seconds) -> Vec<(Signal, Box<str>)> {
        let mut told = Vec::new();
        while self.agenda.first().is_some_and(|(due, _)| *due <= now) {
            let Some((due, subject)) = self.agenda.pop_first() else { break };
            let found = self.decide(ledger, due, &subject);
            for (topic, name, value) in &found.lessons {
                self.learned.learn(*topic, name, value, due);
            }
            self.removals.extend(found.removals);
            for (signal, object) in found.told {
                if self.learned.learn(Topic::Told, &signal.id(), "", due) {
                    told.push((signal, object));
                }
            }
            match subject {
                Subject::Made(claim, event) | Subject::Removed(claim, event) if !found.is_ours => {
                    self.forget_deed(&claim, &event);
                }
                Subject::Old(claim) => self.forget_old(&claim, due.plus(Span(-KEPT.0))),
                Subject::Unclaimed(membership) => {
                    if let Some(deed) = self.unclaimed.remove(&membership) {
                        self.dropped.push(deed.event);
                    }
                }
                _ => {}
            }
        }
        told
    }

    /// Returns what access was found to be taken away since this was asked last.
    pub fn removals(&mut self) -> Vec<Removal> {
        std::mem::take(&mut self.removals)
    }

    fn decide(&self, ledger: &Ledger, due: Seconds, subject: &Subject) -> Found {
        let said_by = match self.timing.messages {
            Messages::Known => Seconds(i64::MAX),
            Messages::Arriving => due,
        };
        let view = View { ledger, learned: &self.learned, now: due, said_by };
        let judge = Judge { view, timing: &self.timing, claims: &self.claims };
        let deed = |claim: &Claim, event: &str| {
            self.claims.get(claim)?.iter().find(|deed| *deed.event == *event)
        };
        match subject {
            Subject::Made(claim, event) => {
                deed(claim, event).map(|deed| judge.made(claim, deed)).unwrap_or_default()
            }
            Subject::Removed(claim, event) => {
                deed(claim, event).map(|deed| judge.removed(claim, deed)).unwrap_or_default()
            }
            Subject::Failed(id) => judge.said_failed(id),
            Subject::Began(id, start) => judge.began(id, *start),
            Subject::Ended(id, end) => judge.ended(id, *end),
            Subject::Old(_) | Subject::Unclaimed(_) => Found::default(),
        }
    }

    /// Forgets a deed that has nothing to do with grants.
    fn forget_deed(&mut self, claim: &Claim, event: &str) {
        let Some(deeds) = self.claims.get_mut(claim) else { return };
        let Some(at) = deeds.iter().position(|deed| *deed.event == *event) else { return };
        let deed = deeds.remove(at);
        if deeds.is_empty() {
            self.claims.remove(claim);
        }
        self.drop(&deed);
    }

    /// Forgets the deeds on `claim` up to `time` but the one by which it stands.
    fn forget_old(&mut self, claim: &Claim, time: Seconds) {
        let Some(deeds) = self.claims.get_mut(claim) else { return };
        let standing = standing(deeds, time).map(|deed| deed.event.clone());
        let is_old = |deed: &Deed| deed.time <= time && Some(&deed.event) != standing.as_ref();
        let old: Vec<Deed> = deeds.extract_if(.., |deed| is_old(deed)).collect();
        if deeds.is_empty() {
            self.claims.remove(claim);
        }
        old.iter().for_each(|deed| self.drop(deed));
    }

    /// Writes what was taken in, learned and forgotten since the last save.
    ///
    /// # Errors
    /// When the store refuses it.
    pub fn save(&mut self, tx: &Tx<'_>, watermark: Seconds) -> Result<(), StoreError> {
        for (claim, deed) in std::mem::take(&mut self.unsaved) {
            table::put(tx, claim.as_ref(), &deed)?;
        }
        for event in std::mem::take(&mut self.dropped) {
            table::drop(tx, &event)?;
        }
        let lessons = self.learned.unsaved();
        for lesson in &lessons {
            table::learn(tx, lesson)?;
        }
        if lessons.iter().any(|lesson| lesson.topic == Topic::Told) {
            let before = Seconds(watermark.0.saturating_sub(TOLD.0));
            table::forget(tx, Topic::Told, before)?;
            self.learned.forget(before);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
