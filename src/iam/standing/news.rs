//! What is new in the inventory since the one before, and whose changes made it.
//!
//! An inventory is taken once a while of event time, of the state as it is then, possibly by another thread. Who was not in the
//! one before, or was there with less, is told, one signal each. Changes of policies are remembered until the next
//! inventory has seen them, so that it can say whose they are, and whether an alert tells of them already.
//!
//! Invariant: the first inventory of all is what the others are held against, and nothing of it is told. What was told stands in
//! the store with the commit that told it.

pub mod table;
mod words;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::iam::State;
use crate::iam::drift::moved::BELOW;
use crate::iam::holding::role_of;
use crate::iam::standing::Asking;
use crate::iam::standing::Class;
use crate::iam::standing::Protected;
use crate::iam::standing::Standing;
use crate::iam::standing::Use;
use crate::iam::standing::inventory_of;
use crate::iam::standing::news::words::by;
use crate::iam::standing::news::words::undo;
use crate::iam::standing::touched::Left;
use crate::iam::standing::touched::Scope;
use crate::iam::standing::uses::Seen;
use crate::iam::state::Organization;
use crate::model::Facts;
use crate::model::Seconds;
use crate::model::Signal;
use crate::model::Span;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// The signal.
const NEW: &str = "StandingPrivilegeNew";
/// How many holders one inventory tells of; how many more there are is said.
const MAX_TOLD: usize = 200;
/// How many changed targets are remembered between two inventories; then the oldest are forgotten.
const MAX_CAUSES: usize = 20_000;

/// A holder, and the account in which it has something.
pub type Row = (Box<str>, Box<str>);

/// The worst that each holder can do.
pub type Classes = BTreeMap<Row, Class>;

/// The last change of something that policies speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// When it was made.
    pub time: Seconds,
    /// The event.
    pub event: Box<str>,
    /// Who made it.
    pub by: Box<str>,
    /// Whether an approved pipeline, or AWS by itself, did.
    pub is_planned: bool,
    /// The alerts that tell of it, or of others since the last inventory.
    pub alerts: BTreeSet<Box<str>>,
    /// Which of all that were noted it is.
    number: u64,
}

impl Cause {
    /// Makes the cause of an event at `time`; a change that was planned needs nobody's attention.
    pub fn new(time: Seconds, event: &str, (by, is_planned): (&str, bool)) -> Self {
        let alerts = BTreeSet::new();
        Self { time, event: event.into(), by: by.into(), is_planned, alerts, number: 0 }
    }
}

/// An inventory that was taken.
#[derive(Debug)]
pub struct Taken {
    /// Who was not in the one before, or was there with less: the worst first, at most so many as are told.
    pub new: Vec<Standing>,
    /// How many there are besides.
    pub more: usize,
    /// Everybody of the scope.
    pub all: Classes,
    /// What was looked at.
    pub scope: Scope,
    /// What the next inventory has to know of this one.
    pub left: Left,
}

/// Holds inventories against those before them.
#[derive(Debug)]
pub struct News {
    known: Arc<Classes>,
    /// What the last inventory of this process left; a process that begins looks at everybody.
    left: Option<Left>,
    last: Option<Seconds>,
    every: Span,
    causes: BTreeMap<Box<str>, Cause>,
    /// How many changes were noted.
    number: u64,
    unsaved: BTreeSet<Box<str>>,
    rows: BTreeMap<Row, Option<Class>>,
}

impl News {
    /// Makes the state of the last commit.
    ///
    /// # Errors
    /// When the store cannot be read or what it holds is damaged.
    pub fn load(every: Span, connection: &Connection) -> Result<Self, StoreError> {
        let (mut known, mut causes) = (Classes::new(), BTreeMap::new());
        table::known(connection, &mut |row, class| {
            known.insert(row, class);
        })?;
        table::causes(connection, &mut |target, cause| {
            causes.insert(target, cause);
        })?;
        Ok(Self {
            known: Arc::new(known),
            left: None,
            last: table::taken(connection)?,
            every,
            causes,
            number: 0,
            unsaved: BTreeSet::new(),
            rows: BTreeMap::new(),
        })
    }

    /// Returns whether there is no inventory to hold another against.
    pub fn is_first(&self) -> bool {
        self.last.is_none()
    }

    /// Returns as of when an inventory is to be taken now that time has come to `watermark`.
    pub fn due(&self, watermark: Seconds) -> Option<Seconds> {
        if watermark <= Seconds(0) {
            return None;
        }
        let every = self.every.0.max(1);
        let at = Seconds(watermark.0 / every * every);
        self.last.is_none_or(|last| at > last).then_some(at)
    }

    /// Returns what an inventory is held against, and the number of the last change that it knows of.
    pub fn before(&self) -> (Arc<Classes>, u64) {
        (Arc::clone(&self.known), self.number)
    }

    /// Returns what the last inventory left, if this process took one.
    pub fn left(&self) -> Option<&Left> {
        self.left.as_ref()
    }

    /// Notes that `target` was changed.
    pub fn changed(&mut self, target: &str, cause: Cause) {
        self.number += 1;
        let mut cause = Cause { number: self.number, ..cause };
        if let Some(known) = self.causes.get(target) {
            if cause.is_planned && !known.is_planned {
                cause = Cause { number: self.number, ..known.clone() };
            }
            cause.alerts.extend(known.alerts.iter().cloned());
        }
        self.causes.insert(target.into(), cause);
        self.unsaved.insert(target.into());
        if self.causes.len() > MAX_CAUSES {
            let oldest = self.causes.iter().min_by_key(|(_, it)| (it.time, it.number));
            if let Some(oldest) = oldest.map(|(target, _)| target.clone()) {
                self.causes.remove(&oldest);
                self.unsaved.insert(oldest);
            }
        }
    }

    /// Notes that an alert tells of an event.
    pub fn told(&mut self, event: &str, alert: &str) {
        for (target, cause) in self.causes.iter_mut().filter(|(_, it)| *it.event == *event) {
            if cause.alerts.insert(alert.into()) {
                self.unsaved.insert(target.clone());
            }
        }
    }

    /// Notes that an alert does not tell of an event any more.
    pub fn withdrawn(&mut self, event: &str, alert: &str) {
        for (target, cause) in self.causes.iter_mut().filter(|(_, it)| *it.event == *event) {
            if cause.alerts.remove(alert) {
                self.unsaved.insert(target.clone());
            }
        }
    }

    /// Takes in the inventory of `at`, which knew of changes up to `number`; returns what is to be told. `used` says what
    /// somebody did.
    pub fn take(
        &mut self,
        taken: Taken,
        (at, number): (Seconds, u64),
        state: &State,
        used: &dyn Fn(&Standing) -> Option<Use>,
    ) -> Vec<Signal> {
        let is_first = self.is_first();
        self.last = Some(at);
        let changes = taken.changes(&self.known);
        self.rows.extend(changes.iter().cloned());
        let mut signals = Vec::new();
        if !is_first {
            for row in taken.new {
                let row = Standing { used: used(&row), ..row };
                signals.push(self.signal(&row, at, state));
            }
            signals.extend((taken.more > 0).then(|| of_more(taken.more, at)));
        }
        for (row, class) in changes {
            let known = Arc::make_mut(&mut self.known);
            match class {
                Some(class) => drop(known.insert(row, class)),
                None => drop(known.remove(&row)),
            }
        }
        self.left = Some(taken.left);
        let seen: Vec<Box<str>> = self
            .causes
            .iter()
            .filter(|(_, cause)| cause.number <= number)
            .map(|(target, _)| target.clone())
            .collect();
        for target in seen {
            self.causes.remove(&target);
            self.unsaved.insert(target);
        }
        signals
    }

    /// Writes what changed since the last save.
    ///
    /// # Errors
    /// When the store cannot be written; the process must end then.
    pub fn save(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        for target in std::mem::take(&mut self.unsaved) {
            table::put_cause(tx, &target, self.causes.get(&target))?;
        }
        for (row, class) in std::mem::take(&mut self.rows) {
            table::put(tx, &row, class)?;
        }
        self.last.map_or(Ok(()), |last| table::set_taken(tx, last))
    }

    /// Returns the changes that may have made a row, the last first.
    fn causes_of(&self, row: &Standing, state: &State) -> Vec<&Cause> {
        let mut targets: BTreeSet<&str> = [&*row.holder].into();
        let account = state.accounts.get(&row.account);
        let sets = &state.identity_center.sets;
        for how in &row.how {
            targets.insert(&how.policy);
            targets.extend(how.chain.iter().map(|it| &**it));
            // Of a role that is taken, whoever changed what it has gave it to whoever takes it.
            let taken = how.chain.iter().filter_map(|arn| role_of(state, arn));
            targets.extend(taken.flat_map(|role| role.entity.attached.iter().map(|it| &**it)));
            let group = how.group.as_ref().zip(account);
            let group = group.and_then(|(name, account)| account.groups.get(name));
            targets.extend(group.map(|group| &*group.arn));
            let set = sets.iter().find(|(_, set)| set.name == how.policy);
            targets.extend(set.map(|(arn, _)| &**arn));
        }
        // Where a change moved too many to look at each, all below it count.
        let places: Vec<String> = match &state.organization {
            Some(it) => it.above(&row.account).flat_map(|at| below(it, at)).collect(),
            None => Vec::new(),
        };
        targets.extend(places.iter().map(|it| &**it));
        let mut all: Vec<&Cause> =
            targets.into_iter().filter_map(|target| self.causes.get(target)).collect();
        all.sort_by(|a, b| (b.time, &b.event).cmp(&(a.time, &a.event)));
        all
    }

    fn signal(&self, row: &Standing, at: Seconds, state: &State) -> Signal {
        let causes = self.causes_of(row, state);
        let by_hand = causes.iter().find(|it| !it.is_planned);
        let cause = by_hand.or(causes.first());
        let was = self.known.get(&(row.holder.clone(), row.account.clone()));
        let mut facts = Facts::default();
        facts.set("gw.standing.class", row.class.name());
        facts.set("gw.standing.actions", i64::try_from(row.actions).unwrap_or(i64::MAX));
        let examples = row.examples.iter().map(|it| it.to_string());
        facts.set("gw.standing.examples", examples.collect::<Vec<_>>());
        facts.set("gw.standing.holders", vec![row.holder.to_string()]);
        facts.set("gw.standing.by", by(row));
        if let Some(was) = was {
            facts.set("gw.standing.was", was.name());
        }
        facts.set("gw.policy.undo", undo(row, state));
        facts.set("gw.policy.planned", cause.is_some_and(|it| it.is_planned));
        facts.set("gw.standing.told", causes.iter().any(|it| !it.alerts.is_empty()));
        if let Some(found) = row.is_used_without_grant() {
            facts.set("gw.standing.without_grant", found);
        }
        let mut parameters = json!({
            "holder": row.holder, "kind": row.kind.name(), "escalations": row.escalations,
            "policies": row.how.iter().map(|how| &how.policy).collect::<BTreeSet<_>>(),
            "groups": row.how.iter().filter_map(|how| how.group.as_ref()).collect::<BTreeSet<_>>(),
            "roles": row.how.iter().flat_map(|how| &how.chain).collect::<BTreeSet<_>>(),
            "console": row.console.name(), "unknown": row.unknown,
        });
        if let Some(used) = &row.used {
            parameters["lastUsed"] = json!(used.last_protected.map(|it| it.to_string()));
            parameters["throughGrant"] = used.through_grant.into();
        }
        if let Some(cause) = cause {
            facts.set("gw.identity.name", &*cause.by);
            parameters["by"] = (&*cause.by).into();
            parameters["changed"] = cause.time.to_string().into();
            parameters["event"] = (&*cause.event).into();
        }
        Signal {
            name: NEW,
            time: at,
            about: format!("{}/{}/{}/{}", row.holder, row.account, row.class.name(), at.0),
            account: row.account.to_string(),
            parameters,
            facts,
        }
    }
}

/// Returns what a change of a place in the organisation, or of a policy that is attached there, is remembered under.
fn below(organization: &Organization, at: &str) -> Vec<String> {
    let attached = organization.attached.get(at).into_iter().flatten();
    attached.map(|it| &**it).chain([at]).map(|it| format!("{BELOW}{it}")).collect()
}

impl Taken {
    /// Returns the rows that are not as they were in `known`.
    pub fn changes(&self, known: &Classes) -> Vec<(Row, Option<Class>)> {
        let is_new = |(row, class): &(&Row, &Class)| known.get(*row) != Some(*class);
        let new = self.all.iter().filter(is_new).map(|(row, class)| (row.clone(), Some(*class)));
        let is_gone = |row: &&Row| self.scope.has(&row.1) && !self.all.contains_key(*row);
        new.chain(known.keys().filter(is_gone).map(|row| (row.clone(), None))).collect()
    }
}

/// Takes the inventory of what `scope` says of `state`, and holds it against `known`.
pub fn taken(
    state: &State,
    protected: &dyn Protected,
    seen: &Seen,
    asking: &Asking<'_>,
    (known, scope, before): (&Classes, Scope, Left),
) -> Taken {
    let left = Left::of(state, (&scope, before), seen);
    let mut taken = Taken { new: Vec::new(), more: 0, all: Classes::new(), scope, left };
    let (all, new) = (&mut taken.all, &mut taken.new);
    inventory_of((state, &taken.scope), protected, seen, asking, |row| {
        let place = (row.holder.clone(), row.account.clone());
        let class = row.class;
        let is_worse = known.get(&place).is_none_or(|was| class < *was);
        // Of two assignments of one person the worse counts.
        let entry = all.entry(place).or_insert(class);
        *entry = class.min(*entry);
        if is_worse && row.expected.is_none() {
            new.push(row);
        }
    });
    let order = |row: &Standing| (row.class, row.account.clone(), row.holder.clone());
    taken.new.sort_by_cached_key(order);
    let mut told = BTreeSet::new();
    taken.new.retain(|row| told.insert((row.holder.clone(), row.account.clone())));
    taken.more = taken.new.len().saturating_sub(MAX_TOLD);
    taken.new.truncate(MAX_TOLD);
    taken
}

/// Says that there are more new holders than are told one by one.
fn of_more(more: usize, at: Seconds) -> Signal {
    let mut facts = Facts::default();
    facts.set("gw.standing.class", Class::Write.name());
    facts.set("gw.standing.holders", vec![format!("{more} more")]);
    facts.set("gw.policy.planned", false);
    facts.set("gw.standing.told", false);
    facts.set("gw.policy.undo", "grantwatch standing --config grantwatch.toml");
    Signal {
        name: NEW,
        time: at,
        about: format!("more/{}", at.0),
        account: String::new(),
        parameters: json!({ "holder": "", "more": more }),
        facts,
    }
}
