//! Texts that a change needs and no record tells: what is to be asked, and on behalf of which change.
//!
//! Invariant: a want is in the store with the change that made it, and goes with the answer that fills it; an answer that is
//! refused leaves it there, to be asked again.

pub mod table;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

use crate::iam::history::change::Change;
use crate::iam::history::change::Holder;
use crate::iam::history::change::Target;
use crate::iam::history::thing::Key;
use crate::iam::parse::PolicyError;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::state::State;
use crate::model::AlertId;
use crate::model::Question;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many wants are kept. Beyond, the oldest are given up: their changes stay as told.
const MAX_WANTS: usize = 10_000;

/// A text that is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Want {
    /// What was changed.
    pub key: Key,
    /// Which of its pieces.
    pub item: Box<str>,
    /// When the change was made.
    pub time: Seconds,
    /// The event that made it.
    pub event: Box<str>,
    /// What is to be asked.
    pub question: Question,
    /// Who made it; empty if nobody knows.
    pub by: Box<str>,
    /// How the change came, as `gw.policy.via` says.
    pub via: Box<str>,
    /// Whether it was planned.
    pub is_planned: bool,
    /// The alerts that tell that it is not known, and nothing else.
    pub alerts: BTreeSet<Box<str>>,
}

impl Want {
    /// Returns its name: the same for the same piece of the same change.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.time.0, self.event, self.item)
    }

    /// Reads what was answered.
    ///
    /// # Errors
    /// When it is no policy of the sort that was asked for.
    pub fn parse(&self, text: &str) -> Result<Document, PolicyError> {
        let kind = match &self.question {
            Question::Trust { .. } => Kind::Trust,
            Question::Bucket { .. } | Question::Queue { .. } | Question::Resource { .. } => {
                Kind::Resource
            }
            // Of which sort it is, only its text tells: a resource control policy names principals, the other must not.
            Question::Control { .. } => {
                let read = Document::parse(text, Kind::ServiceControl);
                return read.or_else(|error| {
                    Document::parse(text, Kind::ResourceControl).map_err(|_| error)
                });
            }
            _ => Kind::Identity,
        };
        Document::parse(text, kind)
    }

    /// Returns the policy that is asked for, where the change was made to what it is attached to.
    pub fn attached(&self) -> Option<Key> {
        match (&self.question, &self.key) {
            (Question::Managed { account, arn, version: None }, _) => {
                Some(Key::Policy { account: account.clone(), arn: arn.clone() })
            }
            (Question::Control { id, .. }, Key::Node { .. }) => {
                Some(Key::Control { id: id.clone() })
            }
            _ => None,
        }
    }
}

/// All that is wanted.
#[derive(Debug, Default)]
pub struct Wants {
    all: BTreeMap<String, Want>,
    unsaved: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Wants {
    /// Takes what the store has.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let all = table::all(connection)?;
        let all = all.into_iter().map(|want| (want.id(), want)).collect();
        Ok(Self { all, ..Self::default() })
    }

    /// Writes what changed since the last save, and gives up what is older than `oldest`.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>, oldest: Seconds) -> Result<(), StoreError> {
        let old: Vec<String> = self
            .all
            .iter()
            .filter(|(_, want)| want.time < oldest)
            .map(|(id, _)| id.clone())
            .collect();
        for id in old {
            self.remove(&id);
        }
        for id in std::mem::take(&mut self.gone) {
            table::drop(tx, &id)?;
        }
        for id in std::mem::take(&mut self.unsaved) {
            if let Some(want) = self.all.get(&id) {
                table::put(tx, &id, want)?;
            }
        }
        Ok(())
    }

    /// Wants a text.
    pub fn add(&mut self, want: Want) {
        let id = want.id();
        self.gone.remove(&id);
        self.unsaved.insert(id.clone());
        self.all.insert(id, want);
        while self.all.len() > MAX_WANTS {
            let oldest = self.all.iter().min_by_key(|(_, want)| want.time);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { break };
            self.remove(&oldest);
        }
    }

    /// Returns the names of all.
    #[cfg(test)]
    pub fn names(&self) -> Vec<String> {
        self.all.keys().cloned().collect()
    }

    /// Returns a want by its name.
    pub fn get(&self, id: &str) -> Option<&Want> {
        self.all.get(id)
    }

    /// Wants it no more.
    pub fn remove(&mut self, id: &str) {
        if self.all.remove(id).is_some() {
            self.unsaved.remove(id);
            self.gone.insert(id.to_owned());
        }
    }

    /// Notes that an alert tells of the change that `time` and `event` name, which is not known.
    pub fn told(&mut self, (time, event): &(Seconds, Box<str>), alert: &AlertId) {
        let prefix = format!("{}/{event}/", time.0);
        let from = self.all.range_mut(prefix.clone()..);
        for (id, want) in from.take_while(|(id, _)| id.starts_with(&prefix)) {
            if want.alerts.insert(alert.0.as_str().into()) {
                self.unsaved.insert(id.clone());
            }
        }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Whom to ask about what belongs to no account: where the record of the change is from.
#[derive(Debug, Clone)]
pub struct Place {
    /// The account whose trail has the record.
    pub account: Box<str>,
    /// The region.
    pub region: Box<str>,
}

/// Returns what to ask to know what a change wrote; nothing where it is known, or where nobody can be asked.
pub fn question(change: &Change, state: &State, place: &Place) -> Option<(Key, Question)> {
    if !matches!(change.after, Some(Text::Unknown(_))) {
        return None;
    }
    let item = &*change.item;
    match &change.target {
        Target::Identity { account, holder, name } => {
            let key = key_of(*holder, account, name);
            if let Some(arn) = item.strip_prefix("attached/") {
                return Some((key, managed(account, arn, None)));
            }
            let policy: Box<str> = item.strip_prefix("inline/")?.into();
            let (account, name) = (account.clone(), name.clone());
            let question = match holder {
                Holder::User => Question::OfUser { account, user: name, policy },
                Holder::Group => Question::OfGroup { account, group: name, policy },
                Holder::Role => Question::OfRole { account, role: name, policy },
            };
            Some((key, question))
        }
        Target::Boundary { account, holder, name } => {
            let of = state.accounts.get(account)?;
            let bound = match holder {
                Holder::User => of.users.get(name)?.entity.boundary.as_deref()?,
                Holder::Role => of.roles.get(name)?.entity.boundary.as_deref()?,
                Holder::Group => return None,
            };
            Some((key_of(*holder, account, name), managed(account, bound, None)))
        }
        Target::Trust { account, role } => {
            let key = key_of(Holder::Role, account, role);
            Some((key, Question::Trust { account: account.clone(), role: role.clone() }))
        }
        Target::Managed { account, arn } => {
            let policy = state.accounts.get(account)?.policies.get(arn)?;
            let key = Key::Policy { account: account.clone(), arn: arn.clone() };
            let version = Some(policy.default.clone()).filter(|id| !id.is_empty());
            Some((key, managed(account, arn, version)))
        }
        Target::Resource { account, arn } if is_of_policy(item) => {
            let key = Key::Resource { account: account.clone(), arn: arn.clone() };
            Some((key, Question::of_resource(account, arn)?))
        }
        Target::Set { .. } | Target::Node { .. } | Target::Organization { .. } => {
            of_organization(change, place)
        }
        Target::Resource { .. } | Target::Network { .. } | Target::Block { .. } => None,
    }
}

/// Returns whether a piece of a resource is in its policy, and not a grant's or a share's.
fn is_of_policy(item: &str) -> bool {
    item == "policy" || item.starts_with("statement/")
}

/// Returns what to ask about what belongs to no account.
fn of_organization(change: &Change, place: &Place) -> Option<(Key, Question)> {
    let Place { account, region } = place.clone();
    if account.is_empty() || region.is_empty() {
        return None;
    }
    let attached = change.item.strip_prefix("attached/");
    let control = |id: &str| {
        let (account, region) = (account.clone(), region.clone());
        Question::Control { account, region, id: id.into() }
    };
    match (&change.target, attached) {
        (Target::Organization { id, .. }, _) => {
            Some((Key::Control { id: id.clone() }, control(id)))
        }
        (Target::Node { id, .. }, Some(policy)) => {
            Some((Key::Node { id: id.clone() }, control(policy)))
        }
        (Target::Set { arn }, Some(policy)) => {
            Some((Key::Set { arn: arn.clone() }, managed(&account, policy, None)))
        }
        (Target::Set { arn }, None) if &*change.item == "inline" => {
            let key = Key::Set { arn: arn.clone() };
            Some((key, Question::Set { account, region, arn: arn.clone() }))
        }
        _ => None,
    }
}

fn key_of(holder: Holder, account: &str, name: &str) -> Key {
    let (account, name) = (account.into(), name.into());
    match holder {
        Holder::User => Key::User { account, name },
        Holder::Group => Key::Group { account, name },
        Holder::Role => Key::Role { account, name },
    }
}

fn managed(account: &str, arn: &str, version: Option<Box<str>>) -> Question {
    Question::Managed { account: account.into(), arn: arn.into(), version }
}

/// Returns before when wants are given up, at `watermark`, if they are kept for `kept`. That nothing comes any more makes none old.
pub fn oldest(watermark: Seconds, kept: Span) -> Seconds {
    match watermark {
        Seconds(i64::MAX) => Seconds(i64::MIN),
        Seconds(time) => Seconds(time.saturating_sub(kept.0)),
    }
}
