//! What goes wrong: each incident is named, documented, and tells the truth about itself.
//!
//! Invariant: an incident uses the people and things of the organisation, and brings with it whatever it needs (a sign-in, a
//! grant), so that it can begin at any moment. It writes every event that belongs to it into its truth, and no other.

mod cast;
mod deeds;
mod escalation;
mod exfiltration;
mod grant_end;
mod grant_use;
mod habits;
mod insider;
mod keys;
mod logging;
mod network;
mod persistence;
mod ransom;
mod session_theft;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::EventId;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::organisation::Organisation;
use crate::simulate::truth::Truth;

/// An incident that can be injected.
#[derive(Debug)]
pub struct Incident {
    /// How `--incident` names it, such as `stolen_session`.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub what: &'static str,
    /// What a good monitor should say.
    pub expect: &'static str,
    /// ATT&CK techniques.
    pub techniques: &'static [&'static str],
    /// The days that it lasts, rounded up.
    pub days: i64,
    /// Writes it.
    pub play: fn(&mut Scene<'_>, Seconds) -> Told,
}

/// What an incident tells of itself while it is written.
#[derive(Debug, Default)]
pub struct Told {
    /// The canonical identity behind it.
    pub identity: String,
    /// Other names a monitor may give with good reason.
    pub aliases: Vec<String>,
    /// The accounts it touches.
    pub accounts: Vec<AccountIx>,
    /// Its events.
    pub events: Vec<(Seconds, EventId)>,
    /// Addresses that only its flows know.
    pub addresses: Vec<String>,
    /// The grants it is about.
    pub grants: Vec<String>,
    /// Its first and last moment, where they are not those of its events.
    pub span: Option<(Seconds, Seconds)>,
}

/// Every incident, in the order of the documentation.
pub fn all() -> Vec<&'static Incident> {
    let families = [
        session_theft::INCIDENTS,
        keys::INCIDENTS,
        grant_use::INCIDENTS,
        grant_end::INCIDENTS,
        habits::INCIDENTS,
        escalation::INCIDENTS,
        persistence::INCIDENTS,
        logging::INCIDENTS,
        network::INCIDENTS,
        exfiltration::INCIDENTS,
        ransom::INCIDENTS,
    ];
    families.concat()
}

/// Returns the incident called `name`.
pub fn named(name: &str) -> Option<&'static Incident> {
    all().into_iter().find(|incident| incident.name == name)
}

/// Returns all incidents as a table for the documentation.
pub fn table() -> String {
    let mut lines = vec![
        "| Incident | What happens | What a good monitor says | ATT&CK |".to_owned(),
        "| --- | --- | --- | --- |".to_owned(),
    ];
    for incident in all() {
        let lasts = match incident.days {
            1 => String::new(),
            days => format!(", {days} days"),
        };
        lines.push(format!(
            "| `{}`{lasts} | {} | {} | {} |",
            incident.name,
            incident.what,
            incident.expect,
            incident.techniques.join(", "),
        ));
    }
    lines.join("\n")
}

impl Incident {
    /// Writes the incident into `diary`, beginning at `at`.
    pub fn happen(&self, org: &Organisation, diary: &mut Diary, at: Seconds) {
        let mut scene = Scene::of(org, diary, &format!("incident/{}/{at}", self.name));
        let told = (self.play)(&mut scene, at);
        let times = || told.events.iter().map(|(at, _)| *at);
        let (first, last) = told
            .span
            .or_else(|| Some((times().min()?, times().max()?)))
            .expect("an incident has events or says when it was");
        diary.truths.push(Truth {
            schema: Truth::SCHEMA.to_owned(),
            name: self.name.to_owned(),
            what: self.what.to_owned(),
            expect: self.expect.to_owned(),
            techniques: self.techniques.iter().map(|it| (*it).to_owned()).collect(),
            identity: told.identity,
            aliases: told.aliases,
            accounts: told.accounts.iter().map(|ix| org.account(*ix).id.clone()).collect(),
            first: first.to_string(),
            last: last.to_string(),
            events: told.events.iter().map(|(_, id)| id.to_string()).collect(),
            addresses: told.addresses,
            grants: told.grants,
            objects: Vec::new(),
        });
    }
}

#[cfg(test)]
mod tests;
