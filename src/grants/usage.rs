//! What was done with grants: which actions on which resources, when, from where, and what beside or after them.
//!
//! Only what was added since the last save is in memory, and a save adds it to what the store has; nothing is loaded but
//! the sums of grants whose signals are still to come (`watch.rs`). A report reads the store.
//!
//! Invariant: an act counts once, to one grant, when its verdict is final, and with the commit that makes it so; where word that
//! comes late gives it another grant, it leaves the first in the same commit. How much is kept of one
//! grant is bounded; what is cut is counted under [`OTHERS`].

mod part;
pub(super) mod table;
mod tail;
mod taken;
mod watch;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::grants::census::Census;
use crate::grants::config::Config;
use crate::grants::grant::GrantId;
use crate::grants::ledger::Ledger;
use crate::grants::removal::Removal;
use crate::grants::removal::Removals;
use crate::grants::report::told;
use crate::grants::score::ByAccount;
use crate::grants::score::Scores;
use crate::grants::usage::watch::Watch;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;
use crate::model::bounded;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

pub use part::Part;

/// Stands for all that is not kept one by one: actions, resources, addresses, user agents, sessions.
pub const OTHERS: &str = "…";
/// Stands for the resource of acts whose records name none.
pub const UNNAMED: &str = "*";
/// How many pairs of actions and places are kept of one grant.
pub const MAX_ACTIONS: usize = 500;
/// How many resources are kept of one action in one place.
pub const MAX_RESOURCES: usize = 200;
/// How many rows of actions and resources are kept of one grant.
pub const MAX_ROWS: usize = 5_000;
/// How many addresses, user agents and sessions are kept of one grant, of each.
pub const MAX_TRACES: usize = 100;

/// How long the texts that are kept may be.
const MAX_RESOURCE_BYTES: usize = 1_200;
const MAX_TEXT_BYTES: usize = 256;

/// An act that counts to a grant.
#[derive(Debug, Clone)]
pub struct Use<'a> {
    /// The grant.
    pub grant: &'a GrantId,
    /// Where it stands to it.
    pub part: Part,
    /// When it was done.
    pub time: Seconds,
    /// Who did it.
    pub identity: &'a str,
    /// The account it was done in.
    pub account: &'a str,
    /// The region.
    pub region: &'a str,
    /// The action.
    pub action: &'a str,
    /// What it was done to, as far as the record says.
    pub resources: &'a [&'a str],
    /// Whether it was refused for want of permission.
    pub is_denied: bool,
    /// Where it came from.
    pub address: &'a str,
    /// The program.
    pub agent: &'a str,
    /// The session.
    pub session: &'a str,
}

/// What acts are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Deed {
    /// Where they stand to the grant.
    pub part: Part,
    /// The account.
    pub account: Box<str>,
    /// The region.
    pub region: Box<str>,
    /// The action, or [`OTHERS`].
    pub action: Box<str>,
    /// An ARN, [`UNNAMED`] or [`OTHERS`]. Empty counts each act of the action once, however many resources it names.
    pub resource: Box<str>,
}

/// What is known of where acts came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trace {
    /// The source address, or the service's name.
    Address,
    /// The user agent.
    Agent,
    /// The session.
    Session,
}

impl Trace {
    /// Every trace.
    pub const ALL: [Self; 3] = [Self::Address, Self::Agent, Self::Session];

    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Agent => "agent",
            Self::Session => "session",
        }
    }
}

/// How often, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Acts.
    pub acts: u64,
    /// Of these, refused for want of permission.
    pub denied: u64,
    /// The first.
    #[serde(serialize_with = "told::time")]
    pub first: Seconds,
    /// The last.
    #[serde(serialize_with = "told::time")]
    pub last: Seconds,
}

impl Tally {
    fn one(used: &Use<'_>) -> Self {
        Self { acts: 1, denied: u64::from(used.is_denied), first: used.time, last: used.time }
    }

    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        self.acts += other.acts;
        self.denied += other.denied;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// What was done with one grant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Used {
    /// By part, account, region, action and resource.
    pub deeds: BTreeMap<Deed, Tally>,
    /// By where it came from.
    pub traces: BTreeMap<(Trace, Box<str>), Tally>,
}

impl Used {
    fn note(&mut self, used: &Use<'_>) {
        let one = Tally::one(used);
        let text = |text: &str| bounded(text, MAX_TEXT_BYTES).into_owned().into_boxed_str();
        let deed = |resource: &str| Deed {
            part: used.part,
            account: text(used.account),
            region: text(used.region),
            action: text(used.action),
            resource: bounded(resource, MAX_RESOURCE_BYTES).into_owned().into_boxed_str(),
        };
        let unnamed = if used.resources.is_empty() { &[UNNAMED][..] } else { &[] };
        for resource in [""].iter().chain(used.resources).chain(unnamed) {
            add(&mut self.deeds, deed(resource), one);
        }
        for (trace, value) in [
            (Trace::Address, used.address),
            (Trace::Agent, used.agent),
            (Trace::Session, used.session),
        ] {
            if !value.is_empty() {
                add(&mut self.traces, (trace, text(value)), one);
            }
        }
    }
}

fn add<K: Ord>(known: &mut BTreeMap<K, Tally>, key: K, more: Tally) {
    known.entry(key).and_modify(|tally| tally.add(more)).or_insert(more);
}

/// A signal about a grant, and where what it rests on was read.
#[derive(Debug, Clone)]
pub struct Told {
    /// The signal.
    pub signal: Signal,
    /// The evidence of the grant.
    pub object: Box<str>,
}

/// How far reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The oldest event.
    pub oldest: Seconds,
    /// The newest event.
    pub newest: Seconds,
    /// What will not be waited for any more.
    pub watermark: Seconds,
}

/// What was done with grants since the last save, with the sums that signals and scores need.
#[derive(Debug)]
pub struct Usage {
    added: BTreeMap<GrantId, Used>,
    /// What was counted and is another grant's now.
    taken: BTreeMap<GrantId, Used>,
    watch: Watch,
    scores: Scores,
    removals: Removals,
    census: Census,
    keep: Span,
    /// The newest event at which old usage is looked for again.
    next_prune: Seconds,
}

impl Usage {
    /// Makes the state of the last commit, which had come as far as `watermark`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn load(
        config: &Config,
        ledger: &Ledger,
        connection: &Connection,
        watermark: Seconds,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            added: BTreeMap::new(),
            taken: BTreeMap::new(),
            watch: Watch::load(config, ledger, connection, watermark)?,
            scores: Scores::load(connection)?,
            removals: Removals::load(connection)?,
            census: Census::new(ledger),
            keep: config.keep_usage.span(),
            next_prune: Seconds(i64::MIN),
        })
    }

    /// Counts an act whose verdict is final.
    pub fn note(&mut self, ledger: &Ledger, used: &Use<'_>) {
        match self.added.get_mut(used.grant) {
            Some(known) => known.note(used),
            None => self.added.entry(used.grant.clone()).or_default().note(used),
        }
        self.watch.note(ledger, used);
    }

    /// Takes an act back that was counted to a grant and is not its own any more.
    pub fn take_back(&mut self, used: &Use<'_>) {
        self.taken.entry(used.grant.clone()).or_default().note(used);
        self.watch.take_back(used);
    }

    /// Counts a verdict, by its name, for the scores.
    pub fn judged(&mut self, time: Seconds, account: &str, verdict: &str) {
        self.scores.note(time, account, verdict);
    }

    /// Takes in that a verdict that was counted, `before`, is another one `now`, both by name.
    pub fn revised(&mut self, time: Seconds, account: &str, before: &str, now: &str) {
        self.scores.revise(time, account, before, now);
    }

    /// Takes in that something was said of a grant.
    pub fn learned(&mut self, ledger: &Ledger, id: &GrantId) {
        self.watch.learned(ledger, id);
        self.census.learned(ledger, id);
    }

    /// Returns what has become true, in the order of time. `is_read` says whether an account's records are read.
    pub fn due(
        &mut self,
        ledger: &Ledger,
        reach: Reach,
        is_read: &dyn Fn(&str) -> bool,
    ) -> Vec<Told> {
        self.watch.due(ledger, reach, is_read)
    }

    /// Counts that access was taken away.
    pub fn removed(&mut self, removal: Removal) {
        self.removals.note(removal);
    }

    /// Returns the scores of the last days before `newest`.
    pub fn scores(&self, newest: Seconds) -> ByAccount {
        self.scores.rolling(newest)
    }

    /// Returns how long access outlived its grant in the mean of the last days before `newest`, in seconds.
    pub fn removal_mean(&self, newest: Seconds) -> Option<f64> {
        self.removals.mean(newest)
    }

    /// Returns how many grants are in each state at `now`; nothing if it is too early to ask again.
    pub fn census(
        &mut self,
        ledger: &Ledger,
        now: Seconds,
    ) -> Option<impl Iterator<Item = (&'static str, u64)>> {
        self.census.taken(ledger, now)
    }

    /// Writes what was added since the last save, and forgets what is older than it has to be kept. Returns the verdicts
    /// that were counted since.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>, newest: Seconds) -> Result<ByAccount, StoreError> {
        for (id, used) in std::mem::take(&mut self.added) {
            table::add(tx, &id, &used)?;
        }
        for (id, used) in std::mem::take(&mut self.taken) {
            taken::table::take(tx, &id, &used)?;
        }
        self.watch.save(tx)?;
        let counted = self.scores.save(tx, newest)?;
        self.removals.save(tx, newest)?;
        if newest >= self.next_prune {
            let before = newest.plus(Span(-self.keep.0));
            if table::prune(tx, before)? {
                self.next_prune = newest.plus(Span(3_600));
            }
        }
        Ok(counted)
    }

    /// Returns what the store has of the use of a grant.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(connection: &Connection, id: &GrantId) -> Result<Used, StoreError> {
        table::read(connection, id)
    }
}
