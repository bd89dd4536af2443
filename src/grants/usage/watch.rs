//! Signals about the use of grants: an emergency that was used, a grant that nobody used, a session that went on.
//!
//! Each grant is watched until nothing more can come of it: until its end, then until the sessions that it began must be
//! over. What it was used for by then is summed in memory, and read from the store at a start.
//!
//! Where everything has been read, as at the end of a daemon whose sources all end, what is due by the newest event is told,
//! and tails that may still grow as they are. A restart has to know of both: how far was told, and of which tails.
//!
//! Invariant: what is told, and when, follows from events, grants and the watermark alone. How far was told stands in the
//! store with the commit that told it, so that a restart tells nothing again and forgets nothing.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::json;

use crate::grants::claims::principal;
use crate::grants::config::Config;
use crate::grants::facts;
use crate::grants::grant::Grant;
use crate::grants::grant::GrantId;
use crate::grants::grant::Version;
use crate::grants::judge::Scheduled;
use crate::grants::ledger::Ledger;
use crate::grants::usage::Part;
use crate::grants::usage::Reach;
use crate::grants::usage::Tally;
use crate::grants::usage::Told;
use crate::grants::usage::Use;
use crate::grants::usage::table;
use crate::grants::usage::tail::Tail;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;
use crate::model::bounded;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What a grant is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// It is over: was it used?
    Over,
    /// Its sessions are over: what did they do after its end?
    Settled,
}

/// What is known of a grant that is watched.
#[derive(Debug, Clone, Default)]
struct Brief {
    from: Seconds,
    until: Seconds,
    acts: u64,
    inside: u64,
    tail: Option<Tail>,
    /// Whether its tail was told of before its time: with the end that it has now.
    is_tail_told: bool,
}

/// Grants that something is still to be told of.
#[derive(Debug)]
pub(super) struct Watch {
    briefs: BTreeMap<GrantId, Brief>,
    dues: BTreeSet<(Seconds, Due, GrantId)>,
    /// How far time has come: what was due by then was told.
    reached: Seconds,
    /// What was told of at once, and nobody has asked for yet.
    told: Vec<Told>,
    /// Grants whose tails were told of before their time, with their ends, since the last save.
    unsaved: Vec<(GrantId, Seconds)>,
    scheduled: Scheduled,
    /// How long after its end a grant is held to be over.
    over_after: Span,
    /// How long after its end its sessions are.
    settled_after: Span,
}

impl Watch {
    pub(super) fn load(
        config: &Config,
        ledger: &Ledger,
        connection: &Connection,
        watermark: Seconds,
    ) -> Result<Self, StoreError> {
        let reached = table::reached(connection)?.map_or(watermark, |told| told.max(watermark));
        let early = table::told_early(connection)?;
        let over_after = config.skew.span().0 + config.grace.span().0;
        let scheduled = Scheduled::of(config);
        let mut watch = Self {
            scheduled,
            briefs: BTreeMap::new(),
            dues: BTreeSet::new(),
            reached,
            told: Vec::new(),
            unsaved: Vec::new(),
            over_after: Span(over_after),
            settled_after: Span(over_after + config.sessions_last.span().0),
        };
        for grant in ledger.iter() {
            let Some((from, until)) = ledger.given(grant.id(), scheduled) else { continue };
            if until.plus(watch.settled_after) <= reached {
                continue;
            }
            // What was due by then was told then.
            let dues = watch.dues_of(grant.id(), until).into_iter();
            watch.dues.extend(dues.filter(|(due, _, _)| *due > reached));
            let brief = watch.briefs.entry(grant.id().clone()).or_default();
            (brief.from, brief.until) = (from, until);
            brief.is_tail_told = early.get(grant.id()) == Some(&until);
            for (deed, tally) in table::read(connection, grant.id())?.deeds {
                if deed.resource.is_empty() {
                    brief.add(deed.part, tally, &deed.action, &deed.account);
                }
            }
        }
        Ok(watch)
    }

    /// Takes in that something was said of a grant.
    pub(super) fn learned(&mut self, ledger: &Ledger, id: &GrantId) {
        let given = ledger.given(id, self.scheduled);
        let mut dues_from = self.reached;
        if let Some(brief) = self.briefs.get(id) {
            if given == Some((brief.from, brief.until)) {
                return;
            }
            for due in self.dues_of(id, brief.until) {
                self.dues.remove(&due);
            }
            // It was watched, so that all is known of its use: an end that is told late is due at once.
            dues_from = Seconds(i64::MIN);
        }
        let Some((from, until)) = given else {
            self.briefs.remove(id);
            return;
        };
        let dues = self.dues_of(id, until).into_iter().filter(|(due, _, _)| *due > dues_from);
        let dues: Vec<_> = dues.collect();
        if !dues.is_empty() {
            let brief = self.briefs.entry(id.clone()).or_default();
            // What went on after another end is another tail.
            brief.is_tail_told &= brief.until == until;
            (brief.from, brief.until) = (from, until);
            self.dues.extend(dues);
        }
    }

    fn dues_of(&self, id: &GrantId, until: Seconds) -> [(Seconds, Due, GrantId); 2] {
        [(self.over_after, Due::Over), (self.settled_after, Due::Settled)]
            .map(|(after, due)| (until.plus(after), due, id.clone()))
    }

    /// Takes in an act.
    pub(super) fn note(&mut self, ledger: &Ledger, used: &Use<'_>) {
        let Some(brief) = self.briefs.get_mut(used.grant) else { return };
        let is_first = used.part == Part::Inside && brief.inside == 0;
        let denied = u64::from(used.is_denied);
        let one = Tally { acts: 1, denied, first: used.time, last: used.time };
        brief.add(used.part, one, used.action, used.account);
        let tail = brief.tail.as_mut().filter(|_| used.part == Part::Tail);
        if let Some(tail) = tail.filter(|tail| used.time < tail.identity.0) {
            tail.identity = (used.time, bounded(used.identity, 256).into());
        }
        if is_first {
            let grant = ledger.get(used.grant);
            let in_force = grant.and_then(|grant| Some((grant, grant.as_of(used.time)?)));
            if let Some((grant, version)) = in_force.filter(|(_, version)| version.break_glass) {
                self.told.push(told(grant, broken(used, version)));
            }
        }
    }

    /// Takes in that an act is no use of its grant any more.
    pub(super) fn take_back(&mut self, used: &Use<'_>) {
        let Some(brief) = self.briefs.get_mut(used.grant) else { return };
        brief.acts = brief.acts.saturating_sub(1);
        match used.part {
            Part::Inside => brief.inside = brief.inside.saturating_sub(1),
            Part::Tail => {
                if let Some(tail) = &mut brief.tail {
                    tail.take_back(used);
                }
                brief.tail.take_if(|tail| tail.tally.acts == 0);
            }
            _ => {}
        }
    }

    /// Returns what has become true, in the order of time.
    pub(super) fn due(
        &mut self,
        ledger: &Ledger,
        reach: Reach,
        is_read: &dyn Fn(&str) -> bool,
    ) -> Vec<Told> {
        let mut found = std::mem::take(&mut self.told);
        // When everything has been read nothing is waited for; but what lies ahead of the events is not over.
        let is_whole = reach.watermark == Seconds(i64::MAX);
        let upto = reach.watermark.min(reach.newest);
        self.reached = self.reached.max(upto);
        while let Some((at, due, id)) = self.dues.first().cloned() {
            if at > upto {
                break;
            }
            self.dues.pop_first();
            let Some(grant) = ledger.get(&id) else { continue };
            match due {
                Due::Over => found.extend(self.unused(grant, (at, reach), is_read)),
                Due::Settled => {
                    let brief = self.briefs.remove(&id);
                    found.extend(brief.and_then(|brief| tail_of(grant, &brief)));
                }
            }
        }
        if is_whole {
            for (id, brief) in &mut self.briefs {
                let Some(tail) = ledger.get(id).and_then(|grant| tail_of(grant, brief)) else {
                    continue;
                };
                found.push(tail);
                brief.is_tail_told = true;
                self.unsaved.push((id.clone(), brief.until));
            }
        }
        found
    }

    /// Writes how far was told.
    pub(super) fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for (id, until) in std::mem::take(&mut self.unsaved) {
            table::set_told_early(tx, &id, until)?;
        }
        table::set_reached(tx, self.reached)
    }

    /// Returns that `grant` was over at `at` without an act, if that can be known.
    fn unused(
        &self,
        grant: &Grant,
        (at, reach): (Seconds, Reach),
        is_read: &dyn Fn(&str) -> bool,
    ) -> Option<Told> {
        let brief = self.briefs.get(grant.id()).filter(|brief| brief.acts == 0)?;
        let heard = grant.versions().map(|(_, evidence)| evidence.arrived).min()?;
        let version = grant.as_of(Seconds(brief.until.0 - 1)).unwrap_or_else(|| grant.latest());
        let mut accounts = version.scope.accounts.iter().flatten();
        let is_seen = version.scope.accounts.is_none() || accounts.any(|account| is_read(account));
        // What was told of afterwards may have been used all the same; but what came before the first event has the time
        // of the clock, which events of long ago have not reached.
        let is_in_time = heard <= at || heard > reach.newest;
        let is_known = is_in_time && reach.oldest <= brief.from && is_seen;
        is_known.then(|| told(grant, unused(version, brief)))
    }
}

impl Brief {
    fn add(&mut self, part: Part, tally: Tally, action: &str, account: &str) {
        self.acts += tally.acts;
        match part {
            Part::Inside => self.inside += tally.acts,
            Part::Tail => {
                let tail = self.tail.get_or_insert_with(|| Tail::new(tally));
                tail.add(tally, action, account);
            }
            _ => {}
        }
    }
}

fn told(grant: &Grant, signal: Signal) -> Told {
    let from = grant.versions().last().map(|(_, evidence)| evidence.from.clone());
    Told { signal, object: from.unwrap_or_default() }
}

/// The facts that every signal about a grant has.
fn facts_of(version: &Version, identity: &str, reason: String) -> Facts {
    let mut facts = Facts::default();
    facts.set("gw.identity.name", identity);
    facts.set("gw.identity.kind", identity.split_once(':').map_or("unknown", |(kind, _)| kind));
    facts.set("gw.grant.reason", reason);
    facts.set("gw.grant.id", &*version.id.0);
    facts::set_grant(&mut facts, version);
    facts
}

/// The one account of a grant; nothing if there are several.
fn account_of(version: &Version) -> String {
    match version.scope.accounts.as_deref() {
        Some([account]) => account.to_string(),
        _ => String::new(),
    }
}

fn broken(used: &Use<'_>, version: &Version) -> Signal {
    let id = &version.id.0;
    let reason = format!("grant {id} was taken in an emergency, and is used for the first time");
    let mut facts = facts_of(version, used.identity, reason);
    facts.set("gw.action", used.action);
    if !used.resources.is_empty() {
        let resources: Vec<String> = used.resources.iter().map(|it| (*it).to_owned()).collect();
        facts.set("gw.resources", resources);
    }
    Signal {
        name: "BreakGlassUsed",
        time: used.time,
        about: version.id.0.to_string(),
        account: used.account.to_owned(),
        parameters: json!({
            "grant": version.id, "action": used.action, "resources": used.resources, "address": used.address,
            "userAgent": bounded(used.agent, 256), "session": used.session,
        }),
        facts,
    }
}

fn unused(version: &Version, brief: &Brief) -> Signal {
    let lasted = brief.until.since(brief.from);
    let reason = format!("nothing was done in the {lasted} that grant {} lasted", version.id.0);
    Signal {
        name: "GrantUnused",
        time: brief.until,
        about: format!("{}/{}", version.id.0, brief.until.0),
        account: account_of(version),
        parameters: json!({
            "grant": version.id, "from": brief.from.to_string(), "until": brief.until.to_string(),
            "seconds": lasted.0,
        }),
        facts: facts_of(version, &principal(version), reason),
    }
}

fn tail_of(grant: &Grant, brief: &Brief) -> Option<Told> {
    let tail = brief.tail.as_ref().filter(|_| !brief.is_tail_told)?;
    let version = grant.as_of(Seconds(brief.until.0 - 1)).unwrap_or_else(|| grant.latest());
    let identity = match &*tail.identity.1 {
        "" => principal(version),
        identity => identity.to_owned(),
    };
    let mut actions: Vec<(&Box<str>, &u64)> = tail.actions.iter().collect();
    actions.sort_by_key(|(action, acts)| (std::cmp::Reverse(**acts), *action));
    let actions: Vec<&Box<str>> = actions.into_iter().map(|(action, _)| action).collect();
    let Tally { acts, denied, first, last } = tail.tally;
    let (id, after) = (&version.id.0, last.since(brief.until));
    let reason = format!("sessions that grant {id} began went on for {after} after its end");
    let mut facts = facts_of(version, &identity, reason);
    facts.set("gw.grant.seconds_outside", after.0);
    let signal = Signal {
        name: "GrantTail",
        time: last,
        about: format!("{}/{}", version.id.0, brief.until.0),
        account: match tail.accounts.first() {
            Some(account) if tail.accounts.len() == 1 => account.to_string(),
            _ => String::new(),
        },
        parameters: json!({
            "grant": version.id, "until": brief.until.to_string(), "acts": acts, "denied": denied,
            "done": acts - denied, "writes": tail.writes, "first": first.to_string(), "last": last.to_string(),
            "seconds": after.0, "actions": actions,
            "accounts": tail.accounts,
        }),
        facts,
    };
    Some(told(grant, signal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::testkit::HOME;
    use crate::grants::testkit::at;
    use crate::grants::testkit::ledger;
    use crate::grants::testkit::version;
    use crate::grants::usage::Used;
    use crate::grants::usage::table::TOLD;
    use crate::grants::usage::table::USAGE;
    use crate::store::Migration;
    use crate::store::Store;

    /// Returns the names of what is told when nothing comes any more after `newest`, and saves.
    fn end(
        watch: &mut Watch,
        ledger: &Ledger,
        newest: &str,
        store: &mut Store,
    ) -> Vec<&'static str> {
        let (oldest, watermark) = (at("00:00"), Seconds(i64::MAX));
        let reach = Reach { oldest, newest: at(newest), watermark };
        let told = watch.due(ledger, reach, &|_| true);
        let tx = store.begin().unwrap();
        watch.save(&tx).unwrap();
        tx.commit().unwrap();
        told.into_iter().map(|told| told.signal.name).collect()
    }

    #[test]
    fn what_was_told_at_an_end_is_not_told_at_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let tables = [
            Migration { number: 1, name: "usage", sql: USAGE },
            Migration { number: 2, name: "told", sql: TOLD },
        ];
        let mut store = Store::open(&folder.path().join("a.db"), &tables).unwrap();
        let ledger = ledger([version("g-1"), version("g-2")]);
        let used = Use {
            grant: &GrantId("g-1".into()),
            part: Part::Tail,
            time: at("12:10"),
            identity: "person:alice@example.com",
            account: HOME,
            region: "us-east-1",
            action: "iam:CreateUser",
            resources: &[],
            is_denied: false,
            address: "",
            agent: "",
            session: "",
        };
        // What is due by the newest event is told, though the watermark of the next start is behind it.
        let load = |store: &Store| {
            Watch::load(&Config::default(), &ledger, store.connection(), at("11:00")).unwrap()
        };
        let mut watch = load(&store);
        watch.note(&ledger, &used);
        let mut kept = Used::default();
        kept.note(&used);
        let tx = store.begin().unwrap();
        table::add(&tx, used.grant, &kept).unwrap();
        tx.commit().unwrap();
        let told = end(&mut watch, &ledger, "12:30", &mut store);
        assert_eq!(told, ["GrantUnused", "GrantTail"]);
        assert_eq!(end(&mut watch, &ledger, "12:30", &mut store), [""; 0]);
        let mut watch = load(&store);
        assert_eq!(end(&mut watch, &ledger, "12:40", &mut store), [""; 0]);
    }
}
