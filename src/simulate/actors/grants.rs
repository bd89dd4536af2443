//! What people ask the broker for: each request, what becomes of it, and everything that the broker says and does.
//!
//! Invariant: the messages of a grant follow the transitions that the schema permits, by revision; late and repeated ones
//! are drawn apart, so that the records are the same with and without them.

mod provision;

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::Disorder;
use crate::simulate::actors::broker;
use crate::simulate::actors::broker::Grant;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::chance::Chance;
use crate::simulate::diary::GrantMessage;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::Given;
use crate::simulate::organisation::PermissionSet;
use crate::simulate::organisation::people::Person;
use crate::simulate::organisation::permission_set;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The approver says no.
    Rejected,
    /// The person does not need it any more.
    Cancelled,
    /// Nobody answers.
    Unanswered,
    /// It is given, and nobody uses it.
    Unused,
    /// It is given and used.
    Used,
    /// It is given, used, and taken back early.
    Revoked,
    /// It is given, used, and given for longer.
    Extended,
}

/// Whether somebody waited for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glass {
    /// They did.
    Whole,
    /// They did not: an emergency.
    Broken,
}

/// One request and what becomes of it.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The grant's id.
    pub id: String,
    /// Who asks.
    pub person: Arc<Person>,
    /// The account.
    pub account: AccountIx,
    /// The permission set.
    pub set: &'static PermissionSet,
    /// The name of its role in the account.
    pub role: String,
    /// When it ends: the access, or the request if there never was access.
    pub ends: Seconds,
    approver: Arc<Person>,
    asked: Seconds,
    answered: Seconds,
    from: Seconds,
    until: Seconds,
    extended: Seconds,
    fate: Fate,
    glass: Glass,
    reason: &'static str,
}

/// The roles that are only there while somebody has them: no two people have one at a time, so that each comes and goes.
#[derive(Debug, Default)]
pub struct Ledger {
    taken: Vec<(AccountIx, &'static str, Seconds, Seconds)>,
}

impl Ledger {
    /// Returns whether the role of `set` is free in all that time, and takes it then.
    fn take(
        &mut self,
        (account, set): (AccountIx, &'static PermissionSet),
        (from, until): (Seconds, Seconds),
    ) -> Option<()> {
        // Its coming and going take a while.
        let (from, until) = (Seconds(from.0 - 600), Seconds(until.0 + 600));
        let is_taken = self.taken.iter().any(|(other, name, begins, ends)| {
            *other == account && *name == set.name && from < *ends && *begins < until
        });
        (!is_taken).then(|| self.taken.push((account, set.name, from, until)))
    }
}

const REASONS: [&str; 8] = [
    "restart of a service that hangs",
    "planned maintenance",
    "rollout of a release that needs a migration",
    "customer cannot check out",
    "capacity for a campaign",
    "certificate runs out",
    "look into slow queries",
    "clean up after an experiment",
];

impl Errand {
    /// Lets `person` ask for `set` in `account`, and draws what becomes of it.
    pub fn ask(
        scene: &mut Scene<'_>,
        (person, account, set): (&Arc<Person>, AccountIx, &'static PermissionSet),
        asked: Seconds,
        ledger: &mut Ledger,
    ) -> Self {
        let chance = &mut scene.chance;
        let fate = match chance.below(100) {
            0..6 => Fate::Rejected,
            6..10 => Fate::Cancelled,
            10..13 => Fate::Unanswered,
            13..22 => Fate::Unused,
            22..28 => Fate::Revoked,
            28..36 => Fate::Extended,
            _ => Fate::Used,
        };
        let answered = Seconds(asked.0 + chance.wait(500.0).clamp(40, 2_400));
        let mut errand = Self {
            id: format!("team:{}", EventId(chance.bits())),
            person: Arc::clone(person),
            approver: Arc::clone(&scene.org.people[person.approver]),
            role: String::new(),
            from: Seconds(answered.0 + chance.between(5, 90)),
            reason: *chance.pick(&REASONS),
            glass: Glass::Whole,
            until: asked,
            extended: asked,
            ends: asked,
            account,
            set,
            asked,
            answered,
            fate,
        };
        errand.draw_end(chance);
        errand.choose_role(scene, ledger);
        errand
    }

    /// Lets `person` take access in an emergency, without asking; nothing if somebody else has it.
    pub fn break_glass(
        scene: &mut Scene<'_>,
        (person, account): (&Arc<Person>, AccountIx),
        at: Seconds,
        ledger: &mut Ledger,
    ) -> Option<Self> {
        let set = permission_set("BreakGlass");
        let until = Seconds(at.0 + 20 + 3_600 * scene.chance.between(1, 3));
        ledger.take((account, set), (at, until))?;
        Some(Self {
            id: format!("team:{}", EventId(scene.chance.bits())),
            person: Arc::clone(person),
            approver: Arc::clone(person),
            role: fleeting_role(scene, set),
            from: Seconds(at.0 + 20),
            reason: "outage of the shop, nobody reachable to approve",
            glass: Glass::Broken,
            until,
            extended: until,
            ends: until,
            account,
            set,
            asked: at,
            answered: at,
            fate: Fate::Used,
        })
    }

    fn draw_end(&mut self, chance: &mut Chance) {
        let lasts = 3_600 * chance.between(1, 5);
        self.until = Seconds(self.from.0 + lasts);
        self.extended = Seconds(self.until.0 + 3_600 * chance.between(1, 3));
        self.ends = match self.fate {
            Fate::Rejected => self.answered,
            Fate::Cancelled => Seconds(self.asked.0 + chance.between(60, 1_500)),
            Fate::Unanswered => Seconds(self.asked.0 + 4 * 3_600),
            Fate::Unused | Fate::Used => self.until,
            Fate::Revoked => Seconds(self.from.0 + lasts * chance.between(40, 80) / 100),
            Fate::Extended => self.extended,
        };
    }

    fn choose_role(&mut self, scene: &mut Scene<'_>, ledger: &mut Ledger) {
        let is_fleeting = self.set.given == Given::Fleeting;
        let time = (self.from, self.ends);
        if is_fleeting && self.is_given() && ledger.take((self.account, self.set), time).is_none() {
            self.set = permission_set("Operator");
        }
        self.role = if self.set.given == Given::Fleeting {
            fleeting_role(scene, self.set)
        } else {
            scene.org.reserved_role(self.account, self.set)
        };
    }

    fn is_given(&self) -> bool {
        !matches!(self.fate, Fate::Rejected | Fate::Cancelled | Fate::Unanswered)
    }

    /// Returns from when until when the person may act with it; nothing if they do not.
    pub fn in_use(&self) -> Option<(Seconds, Seconds)> {
        let is_used = self.is_given() && self.fate != Fate::Unused;
        is_used.then(|| (Seconds(self.from.0 + 45), Seconds(self.ends.0 - 90)))
    }

    /// Writes everything that the broker says and does about it.
    pub fn speak(&self, scene: &mut Scene<'_>, disorder: Disorder) {
        let mut voice = Voice { errand: self, revision: 0, disorder };
        voice.say(scene, ("requested", self.asked), self.planned());
        match self.fate {
            Fate::Rejected => voice.say(scene, ("rejected", self.ends), self.planned()),
            Fate::Cancelled => voice.say(scene, ("cancelled", self.ends), self.planned()),
            Fate::Unanswered => voice.say(scene, ("expired", self.ends), self.planned()),
            _ => self.give(scene, &mut voice),
        }
    }

    /// The window that was asked for, before anybody knows when it begins.
    fn planned(&self) -> (Seconds, Seconds) {
        let lasts = self.until.0 - self.from.0;
        (Seconds(self.asked.0 + 600), Seconds(self.asked.0 + 600 + lasts))
    }

    fn give(&self, scene: &mut Scene<'_>, voice: &mut Voice<'_>) {
        let window = (self.from, self.until);
        voice.say(scene, ("approved", self.answered), window);
        let grant = self.grant(window);
        let by = broker::caller(scene, self.from);
        broker::assign(scene, &grant, &by, self.from);
        if self.set.given == Given::Fleeting {
            provision::make(scene, self, Seconds(self.from.0 + 3));
        }
        voice.say(scene, ("active", Seconds(self.from.0 + 12)), window);
        if self.fate == Fate::Extended {
            let at = Seconds(self.until.0 - 600);
            voice.say(scene, ("extended", at), (self.from, self.extended));
        }
        let by = broker::caller(scene, self.ends);
        broker::unassign(scene, &grant, &by, self.ends);
        if self.set.given == Given::Fleeting {
            provision::unmake(scene, self, Seconds(self.ends.0 + 4));
        }
        let (status, until) = match self.fate {
            Fate::Revoked => ("revoked", self.until),
            _ => ("ended", self.ends),
        };
        // What was revoked is said at once; that time is over can be said a little later.
        let at = if status == "revoked" { self.ends } else { Seconds(self.ends.0 + 8) };
        voice.say(scene, (status, at), (self.from, until));
    }

    fn grant(&self, (from, until): (Seconds, Seconds)) -> Grant<'_> {
        Grant {
            id: self.id.clone(),
            person: &self.person,
            approver: &self.approver,
            account: self.account,
            set: self.set,
            from,
            until,
            reason: self.reason.to_owned(),
            break_glass: self.glass == Glass::Broken,
        }
    }
}

fn fleeting_role(scene: &mut Scene<'_>, set: &PermissionSet) -> String {
    format!("AWSReservedSSO_{}_{}", set.name, scene.chance.hex(16))
}

/// What the broker has said of an errand.
struct Voice<'a> {
    errand: &'a Errand,
    revision: u32,
    disorder: Disorder,
}

impl Voice<'_> {
    fn say(
        &mut self,
        scene: &mut Scene<'_>,
        (status, at): (&str, Seconds),
        window: (Seconds, Seconds),
    ) {
        self.revision += 1;
        let errand = self.errand;
        let grant = errand.grant(window);
        let mut message = broker::message(scene.org, &grant, (status, self.revision), at);
        message["requested_at"] = json!(errand.asked.to_string());
        if errand.is_given() && at >= errand.answered && status != "requested" {
            message["approved_at"] = json!(errand.answered.to_string());
        } else if let Value::Object(members) = &mut message {
            members.remove("approved_at");
            members.insert("approvers".to_owned(), json!([]));
        }
        if errand.glass == Glass::Broken {
            message["approvers"] = json!([]);
        }
        self.deliver(scene, at, message);
    }

    /// Sends a message, now and then late, now and then twice.
    fn deliver(&self, scene: &mut Scene<'_>, at: Seconds, message: Value) {
        let purpose = format!("message/{}/{}", self.errand.id, self.revision);
        let mut chance = Chance::of(scene.org.seed, &purpose);
        let (is_late, comes_again) = (
            chance.holds(self.disorder.late_messages),
            chance.holds(self.disorder.repeated_messages),
        );
        let late = if is_late { chance.between(120, 1_200) } else { chance.between(1, 4) };
        let arrives = Seconds(at.0 + late);
        if comes_again {
            let again = Seconds(arrives.0 + chance.between(5, 1_200));
            scene.diary.messages.push(GrantMessage { arrives: again, message: message.clone() });
        }
        scene.diary.messages.push(GrantMessage { arrives, message });
    }
}
