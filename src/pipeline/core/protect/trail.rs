//! What records themselves tell of grants, on its way to the ledger and into the facts of acts.
//!
//! Records that teach something are heard when they come and settled once the watermark has passed them by the grace,
//! before the acts of that time are judged for good.
//!
//! Invariant: whose word a record is, is what is known of its caller by then.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::grants::Act;
use crate::grants::Applied;
use crate::grants::By;
use crate::grants::Evidence;
use crate::grants::GrantId;
use crate::grants::Judgement;
use crate::grants::Principal;
use crate::grants::Verdict;
use crate::grants::Version;
use crate::grants::trail;
use crate::grants::trail::Naming;
use crate::grants::trail::Subject;
use crate::grants::trail::Told;
use crate::grants::trail::Trust;
use crate::identity;
use crate::model::Event;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::Record;
use crate::model::Seconds;
use crate::model::Slot;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::model::bounded;
use crate::pipeline::core::Core;
use crate::pipeline::core::protect::Protect;
use crate::pipeline::core::protect::Standing;
use crate::pipeline::core::protect::act;
use crate::pipeline::core::protect::act::text;
use crate::pipeline::core::protect::of_verdicts;
use crate::rules::Service;

impl Core {
    /// Takes in a record that may teach something about grants.
    pub(in crate::pipeline::core) fn hear(
        &mut self,
        record: &TrailRecord<'_>,
        time: Seconds,
        object: &str,
    ) {
        if let Some(subject) = trail::subject(record) {
            self.protect.trail.hear(subject, record, time, object);
        }
    }

    /// Settles what records taught until `watermark`.
    pub(in crate::pipeline::core) fn settle_lessons(&mut self, watermark: Seconds) {
        for (id, name) in self.registry.newly_named() {
            self.protect.trail.name_user(&id, &name);
        }
        let grace = self.protect.grace;
        while let Some(lesson) = self.protect.trail.due(watermark, grace) {
            let Some(slots) = Slots::of(&lesson.record) else { continue };
            let record = TrailRecord::new(&lesson.record, &slots);
            let session = Some(self.registry.session(&record));
            let facts = identity::event_facts(&record, lesson.time);
            let record = Record::Trail(record);
            let mut event = Event { time: lesson.time, record, session, facts };
            let standing = self.protect.settle(&mut event, &lesson.object);
            if matches!(standing, Standing::Judged(_)) && self.settings.asked.about(event.time) {
                let rules = Arc::clone(&self.rules);
                let matched: SmallVec<[u32; 8]> = of_verdicts(&rules, &event, &standing).collect();
                self.matched(&rules, &matched, &event, &lesson.object);
            }
        }
        for signal in self.protect.trail.signals(watermark) {
            self.signal(&Service::Grants, &signal, "");
        }
        self.protect.trail.forget(watermark);
        self.protect.forget_tags(watermark);
    }
}

impl Protect {
    /// Notes that a session succeeded at something: it may have been ended before.
    pub(in crate::pipeline::core) fn note_success(
        &mut self,
        record: &Record<'_>,
        session: Option<&Arc<Facts>>,
        time: Seconds,
    ) {
        if let (Record::Trail(record), Some(session)) = (record, session)
            && record.slot_raw(Slot::ErrorCode).is_none()
            && record.slot_raw(Slot::UserType) == Some("\"AssumedRole\"")
        {
            self.trail.succeeded(session, time);
        }
    }

    /// Takes in what a record teaches. A session that was issued in the name of a grant has facts of its own.
    fn settle(&mut self, event: &mut Event<'_>, object: &str) -> Standing {
        let Record::Trail(record) = event.record else { return Standing::Beside };
        let Some(subject) = trail::subject(&record) else { return Standing::Beside };
        let trust = self.trust(event, &record, subject);
        let account = record.slot_or_empty(Slot::RecipientAccountId);
        let told = Told {
            time: event.time,
            account: &account,
            name: text(event, "gw.identity.name"),
            user_id: text(event, "gw.session.on_behalf_of"),
            role_arn: text(event, "gw.session.role_arn"),
            key: text(event, "gw.session.key"),
            caller_account: text(event, "gw.identity.account"),
            trust,
        };
        let versions = self.trail.settle(subject, &record, &told);
        for version in versions {
            let from = format!("{object} event {} by {}", record.id(), told.name);
            let evidence = Evidence { from: from.into(), arrived: event.time };
            // What policies with dates give leaves open whether their role is there by itself: `given` hears nothing.
            let id = version.id.clone();
            if self.ledger.apply(version, evidence) != Applied::Duplicate {
                self.judged.doubt(self.ledger.keys(&id));
            }
            self.usage.learned(&self.ledger, &id);
        }
        if subject != Subject::Session {
            return Standing::Beside;
        }
        let facts = self.issue_facts(event, &record);
        let Some(facts) = facts else { return Standing::Beside };
        facts.iter().for_each(|(name, fact)| event.facts.set(name, fact.clone()));
        Standing::Judged(None)
    }

    /// Returns how far the word of an event's caller counts.
    fn trust(&self, event: &Event<'_>, record: &TrailRecord<'_>, subject: Subject) -> Trust {
        let flag = |name| event.fact(name) == Some(&Fact::Flag(true));
        // Somebody of another account took the role: that the broker has no hands there, nobody can say.
        let is_machine = ["gw.identity.name", "gw.identity.origin"]
            .iter()
            .all(|name| matches!(By::of(text(event, name)), By::Workload | By::Service));
        if flag("gw.broker") && is_machine {
            return Trust::Broker;
        }
        // A role is called like one that builds accounts by whoever makes it: only AWS's own services count.
        if is_machine && By::of(text(event, "gw.identity.name")) == By::Service {
            return Trust::Service;
        }
        let is_approved = || {
            let action = text(event, "gw.action");
            let judged = self.facts(event, record, action).and_then(|(_, verdict)| verdict);
            judged == Some(Verdict::Covered)
        };
        if trail::Trail::asks_approval(subject) && is_approved() {
            return Trust::Approved;
        }
        Trust::None
    }

    /// Returns what the grant that a session was issued in the name of says of it.
    fn issue_facts(&self, event: &Event<'_>, record: &TrailRecord<'_>) -> Option<Facts> {
        let named = self.trail.issued(record)?;
        let told = act::Told::of(event, record, "sts:AssumeRole");
        let act = told.act(event, "sts:AssumeRole", &[]);
        let naming = self.ledger.naming(&self.judging, &act, named);
        let mut facts = Facts::default();
        facts.set("gw.grant.claimed", &*named.grant);
        facts.set("gw.grant.claim", naming.name());
        if naming == Naming::Held {
            let outlives = self.ledger.is_outlived(&self.judging, named, event.time);
            facts.set("gw.grant.session_may_outlive", outlives);
        }
        Some(facts)
    }

    /// Returns whether a verdict rests on what records told: one that ends it may have come and not be settled.
    pub(super) fn rests_on_records(&self, facts: &Facts) -> bool {
        let Some(Fact::Text(id)) = facts.get("gw.grant.id") else { return false };
        let grant = self.ledger.get(&GrantId(id.as_str().into()));
        let is_theirs = |version: &Version| {
            let is_group = |it: &Principal| matches!(it, Principal::IdcGroup { .. });
            *version.source == *trail::SOURCE || version.principals.iter().any(is_group)
        };
        self.trail.is_believed()
            && grant.is_some_and(|grant| grant.versions().any(|(version, _)| is_theirs(version)))
    }

    /// Returns the grant that a broker issued the session of `act` under.
    pub(super) fn bound(&self, key: &str) -> &str {
        self.trail.named(key).filter(|named| named.is_bound).map_or("", |named| &named.grant)
    }

    /// Returns the groups that who acts was in then.
    pub(super) fn groups(&self, act: &Act<'_>) -> SmallVec<[&str; 4]> {
        let mut groups = SmallVec::new();
        if self.trail.has_no_members() {
            return groups;
        }
        let user = act.identity.strip_prefix("user:").and_then(|user| user.split_once('/'));
        let user = user.map(|(account, name)| trail::iam_user(account, name));
        let by_name = || self.trail.user_id(act.identity.strip_prefix("person:")?);
        let id = match act.user_id {
            "" => by_name().unwrap_or_default(),
            id => id,
        };
        for member in [id, user.as_deref().unwrap_or_default()] {
            if !member.is_empty() {
                groups.extend(self.trail.groups(member, act.time));
            }
        }
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Says in the reason why the grant that a session names does not cover what it did.
    pub(super) fn with_naming(&self, mut judged: Judgement, key: &str) -> Judgement {
        let Some(named) = self.trail.named(key) else { return judged };
        let is_that = judged.grant.as_ref().is_some_and(|grant| grant.0 == named.grant);
        let is_open = !matches!(judged.verdict, Verdict::Covered | Verdict::Exempt(_));
        if is_open && !(is_that && named.is_bound) {
            let grant = bounded(&named.grant, 160).replace(char::is_control, " ");
            let is_there = self.ledger.get(&GrantId(named.grant.clone())).is_some();
            let why = match (named.is_several, is_there) {
                (true, _) => "and others, so that it counts for none".to_owned(),
                (false, false) => "of which nobody told".to_owned(),
                (false, true) if named.is_bound => "which does not cover this".to_owned(),
                (false, true) => {
                    format!("but {} who issued it is no grant broker", bounded(&named.by, 160))
                }
            };
            judged.reason.push_str(&format!("; its session names grant {grant}, {why}"));
        }
        judged
    }

    /// Adds what an act's own session says of grants, and whether it was ended.
    pub(super) fn session_facts(&self, act: &Act<'_>, key: &str, facts: &mut Facts) {
        if let Some(named) = self.trail.named(key) {
            facts.set("gw.grant.claimed", &*named.grant);
        }
        let Some(started) = act.session_started else { return };
        if let Some(since) = self.trail.ended(act.role_arn, started, act.time) {
            facts.set("gw.session.revoked", true);
            facts.set("gw.session.revoked_at", since.to_string());
        }
    }
}
