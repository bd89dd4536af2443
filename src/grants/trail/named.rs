//! Sessions that name a grant, in a tag or in their source identity.
//!
//! Whoever asks for a session chooses its tags. So the name alone says nothing: a session is bound to a grant only if a
//! broker issued it so, or if it came from a session that is bound to the same grant and took the name along.
//!
//! Invariant: a session that names several grants is bound to none.

use std::collections::BTreeSet;

use crate::grants::trail::Told;
use crate::grants::trail::Trust;
use crate::grants::trail::lesson::Naming;
use crate::grants::trail::shelf::Shelf;
use crate::model::Seconds;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// How many sessions that name a grant are kept.
const MAX_SESSIONS: usize = 100_000;
/// The longest life of a session that does not say when it ends.
const LONGEST: Span = Span(36 * 3_600);
/// How long a session is kept past its end: one issued from it may live twelve hours more.
const MARGIN: Span = Span(13 * 3_600);

/// What a session names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Named {
    /// The grant, as the session names it: somebody's text.
    pub grant: Box<str>,
    /// Whether whoever named it may.
    pub is_bound: bool,
    /// Whether several were named.
    pub is_several: bool,
    /// Who asked for the session.
    pub by: Box<str>,
    /// When the session ends.
    pub ends: Seconds,
}

/// Sessions that name a grant, by access key.
#[derive(Debug)]
pub(super) struct Sessions(Shelf<Named>);

impl Default for Sessions {
    fn default() -> Self {
        Self(Shelf::new("session", MAX_SESSIONS))
    }
}

impl Sessions {
    pub fn load(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.0.load(connection)
    }

    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.0.save(tx)
    }

    pub fn get(&self, key: &str) -> Option<&Named> {
        self.0.get(key)
    }

    pub fn forget(&mut self, now: Seconds) {
        let before = now.plus(Span(-MARGIN.0));
        self.0.retain(|_, named| named.ends > before);
    }

    /// Takes in a session; a role that is taken across accounts has two records, of which one says who asked.
    pub fn settle(&mut self, naming: &Naming, told: &Told<'_>) {
        let names: BTreeSet<&str> =
            naming.said.iter().chain(&naming.inherited).map(|id| &**id).collect();
        let Some(grant) = names.first() else { return };
        let is_several = names.len() > 1;
        let is_said = !naming.said.is_empty() && told.trust == Trust::Broker;
        let parent = self.0.get(told.key).filter(|_| !told.key.is_empty());
        let is_inherited = !naming.inherited.is_empty()
            && parent.is_some_and(|parent| parent.is_bound && *parent.grant == **grant);
        let named = Named {
            grant: (*grant).into(),
            is_bound: !is_several && (is_said || is_inherited),
            is_several,
            by: told.name.into(),
            ends: naming.ends.unwrap_or(told.time.plus(LONGEST)).min(told.time.plus(LONGEST)),
        };
        let rank = |named: &Named| {
            let is_vague =
                ["account:", "external:", "unknown:"].iter().any(|kind| named.by.starts_with(kind));
            (!named.is_bound, is_vague, named.by.clone())
        };
        let is_better = self.0.get(&naming.key).is_none_or(|kept| rank(&named) < rank(kept));
        if is_better {
            self.0.put(&naming.key, named);
        }
    }
}
