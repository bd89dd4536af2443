//! Counts what is done with grants: acts on the surface by their verdict, and what else is done in sessions that use
//! what grants give.
//!
//! Invariant: an act is counted once, when nothing that is late can change any more what it was; so an act that no grant
//! covers waits here as well, if it reads.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::grants::Act;
use crate::grants::Use;
use crate::grants::usage;
use crate::grants::usage::Part;
use crate::grants::usage::Reach;
use crate::model::Event;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::pipeline::core::protect::ActId;
use crate::pipeline::core::protect::Found;
use crate::pipeline::core::protect::Held;
use crate::pipeline::core::protect::Protect;
use crate::pipeline::core::protect::act::Told;
use crate::pipeline::core::protect::act::text;
use crate::pipeline::core::protect::judged::Counted;
use crate::pipeline::core::protect::keep::id_of;
use crate::pipeline::settings::Grants;

impl Protect {
    /// Returns what has become true of grants by what was done with them. `is_read` says whether an account's records are
    /// read.
    pub(in crate::pipeline::core) fn tell_of_usage(
        &mut self,
        reach: Reach,
        is_read: &dyn Fn(&str) -> bool,
    ) -> Vec<usage::Told> {
        self.claims.removals().into_iter().for_each(|removal| self.usage.removed(removal));
        match self.is_on() {
            true => self.usage.due(&self.ledger, reach, is_read),
            false => Vec::new(),
        }
    }

    /// Returns how many grants are in each state at `now`; nothing if it is too early to ask again.
    pub(in crate::pipeline::core) fn census(
        &mut self,
        now: Seconds,
    ) -> Option<impl Iterator<Item = (&'static str, u64)>> {
        self.usage.census(&self.ledger, now)
    }

    /// Returns the actions whose level had to be guessed.
    pub(in crate::pipeline::core) fn unknown_actions(&self) -> Vec<String> {
        self.surface.unknown_actions()
    }

    /// Counts an act on the surface whose facts are final; returns which grant it counts to.
    pub(super) fn counted(&mut self, event: &Event<'_>) -> Counted {
        let Record::Trail(record) = &event.record else { return Counted::Nowhere };
        let verdict = text(event, "gw.grant.verdict");
        if !verdict.is_empty() {
            let account = record.slot_or_empty(Slot::RecipientAccountId);
            self.usage.judged(event.time, &account, verdict);
        }
        self.count(event, text(event, "gw.action"), &Counted::Nowhere)
    }

    /// Counts anew an act that was counted and of which `found` holds now; returns that with the grant it counts to.
    ///
    /// The score follows, and so does the use: it leaves the grant that it was counted to for the one that covers the act,
    /// or is nearest, by what is known now. `judged` is shown the act as it is judged now.
    pub(in crate::pipeline::core) fn recount(
        &mut self,
        id: &ActId,
        found: Found,
        judged: &mut dyn FnMut(&Event<'_>),
    ) -> Found {
        let Some(kept) = self.kept(id) else { return found };
        let (act, before) = (kept.act.clone(), kept.found.verdict().to_owned());
        // What was noted by an earlier version: what no grant spoke of was no use of any.
        let counted = match (&kept.found.counted, &*before) {
            (Counted::Somewhere, "none") => Counted::Nowhere,
            (counted, _) => counted.clone(),
        };
        let mut event = act.event();
        self.judge_again(&mut event);
        judged(&event);
        let Record::Trail(record) = &event.record else { return found };
        if found.verdict() != before {
            let account = record.slot_or_empty(Slot::RecipientAccountId);
            self.usage.revised(event.time, &account, &before, found.verdict());
        }
        let counted = match counted {
            Counted::Somewhere => Counted::Somewhere,
            counted => self.count(&event, text(&event, "gw.action"), &counted),
        };
        Found { counted, ..found }
    }

    /// Counts an act that is final to the grant that it uses, and no more to the one that it counted to `before`.
    pub(super) fn count(&mut self, event: &Event<'_>, action: &str, before: &Counted) -> Counted {
        let Record::Trail(record) = &event.record else { return Counted::Nowhere };
        let told = Told::of(event, record, action);
        let resources: SmallVec<[&str; 2]> = told.resources.iter().map(String::as_str).collect();
        let act = told.act(event, action, &resources);
        let judged = {
            let groups = self.groups(&act);
            let bound = self.bound(text(event, "gw.session.key"));
            self.ledger.judge(&self.judging, &Act { groups: &groups, bound, ..act })
        };
        let now = match (Part::of(&judged), judged.grant) {
            (Some(part), Some(grant)) => Counted::To { grant, part },
            _ => Counted::Nowhere,
        };
        if now == *before {
            return now;
        }
        let slot = |slot| record.slot_or_empty(slot);
        let (address, agent) = (slot(Slot::SourceIpAddress), slot(Slot::UserAgent));
        let session = session_of(event, &act);
        let used = |grant, part| Use {
            grant,
            part,
            time: event.time,
            identity: act.identity,
            account: act.account,
            region: act.region,
            action,
            resources: &resources,
            is_denied: text(event, "gw.outcome") == "denied",
            address: &address,
            agent: &agent,
            session: &session,
        };
        if let Counted::To { grant, part } = before {
            self.usage.take_back(&used(grant, *part));
        }
        if let Counted::To { grant, part } = &now {
            self.usage.note(&self.ledger, &used(grant, *part));
        }
        now
    }

    /// Counts an act beside the surface that has waited, if it is done with what grants give; returns which grant it counts to.
    pub(in crate::pipeline::core) fn count_beside(&mut self, event: &Event<'_>) -> Counted {
        let Record::Trail(record) = &event.record else { return Counted::Nowhere };
        let action = text(event, "gw.action");
        let told = Told::of(event, record, action);
        match self.given.holds(&told.act(event, action, &[])) {
            true => self.count(event, action, &Counted::Nowhere),
            false => Counted::Nowhere,
        }
    }

    /// Counts an act beside the surface if it is done with what grants give; it waits if no grant covers it yet.
    pub(super) fn beside(
        &mut self,
        event: &Event<'_>,
        record: &TrailRecord<'_>,
        action: &str,
        object: &str,
    ) {
        let told = Told::of(event, record, action);
        let act = told.act(event, action, &[]);
        if !self.given.holds(&act) {
            return;
        }
        let may_be_late = self.grants == Grants::Arriving && self.waiting.has_room();
        let is_covered = || {
            let resources: SmallVec<[&str; 2]> =
                told.resources.iter().map(String::as_str).collect();
            let groups = self.groups(&act);
            let bound = self.bound(text(event, "gw.session.key"));
            let act = Act { resources: &resources, groups: &groups, bound, ..act };
            Part::of(&self.ledger.judge(&self.judging, &act)) == Some(Part::Inside)
        };
        if may_be_late && !is_covered() {
            self.waiting.hold(id_of(event), Held::of(event, record, object));
        } else {
            self.count(event, action, &Counted::Nowhere);
        }
    }
}

/// Returns what a session is called: its role and name and when it began, or the key.
fn session_of<'e>(event: &'e Event<'_>, act: &Act<'e>) -> Cow<'e, str> {
    let role = text(event, "gw.session.role_name");
    if role.is_empty() {
        return Cow::Borrowed(text(event, "gw.session.key"));
    }
    let since = match text(event, "gw.session.started") {
        "" => String::new(),
        started => format!(" since {started}"),
    };
    Cow::Owned(format!("{role}/{}{since}", act.session_name))
}
