//! Ways to more of every user and role that stands: with boundary and control policies, roles that are there, and whom they
//! trust.
//!
//! Holders are looked at one by one and told one by one; what is kept besides is one number for each role.
//!
//! Invariant: a way that gains a role is told only with a role that is there, that the service or the holder may take, and
//! that has something which the holder has not. In an account that no snapshot told whole, roles may be missing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::rc::Rc;

use crate::iam::Document;
use crate::iam::State;
use crate::iam::escalation::Passed;
use crate::iam::escalation::Path;
use crate::iam::escalation::known::Way;
use crate::iam::escalation::known::known;
use crate::iam::escalation::layers::Layers;
use crate::iam::escalation::openings::Openings;
use crate::iam::escalation::reach::Asked;
use crate::iam::escalation::reach::Found;
use crate::iam::escalation::reach::Sheet;
use crate::iam::escalation::targets;
use crate::iam::force::Facts;
use crate::iam::holding;
use crate::iam::holding::Control;
use crate::iam::holding::Holder;
use crate::iam::holding::Holding;
use crate::iam::holding::account_of;
use crate::iam::holding::name_of;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::state::Account;
use crate::iam::state::Role;
use crate::iam::trust::Trusts;
use crate::model::Seconds;

/// The most targets of one way that are named; how many more there are is said.
pub const MAX_TARGETS: usize = 10;

/// What one user or role could make of what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalations {
    /// Its ARN.
    pub holder: Box<str>,
    /// What it is already.
    pub strength: Strength,
    /// The ways that are open to it. An administrator needs none, and none is told.
    pub ways: Vec<Open>,
    /// Policies that are there and not known: ways may be open or closed by them.
    pub unknown: BTreeSet<Box<str>>,
}

/// A way that is open to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The way.
    pub path: Path,
    /// What it could be used on: at most [`MAX_TARGETS`], those that gain most first.
    pub targets: Vec<Target>,
    /// How many targets there are besides.
    pub more: usize,
}

/// A user, group, role or policy that a way could be used on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// What its taker has then.
    pub strength: Strength,
    /// Its ARN.
    pub arn: Box<str>,
}

/// What a user or role has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Every action on every resource.
    Administrator,
    /// A way to more is open to it.
    CanEscalate,
    /// Something else, or what is not known.
    Other,
    /// No policy at all.
    Nothing,
}

impl Strength {
    /// Returns its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::CanEscalate => "can_escalate",
            Self::Other => "other",
            Self::Nothing => "nothing",
        }
    }
}

/// What is asked of all holders of a state.
pub struct Everywhere<'a> {
    /// The state.
    pub(super) state: &'a State,
    /// Whom its roles trust.
    pub(super) trusts: Trusts<'a>,
    now: Seconds,
    control: HashMap<&'a str, Control<'a>>,
    /// What resource control policies deny of what an account has, where there are any.
    guards: HashMap<&'a str, Sheet<'a>>,
    /// Those policies.
    guarding: HashMap<&'a str, Vec<&'a Document>>,
    /// What policies of resources give to users and roles that they name.
    pub(super) openings: Openings<'a>,
    strengths: RefCell<HashMap<&'a str, Strength>>,
    /// What ways could be used on, by account and place.
    pub(super) lists: RefCell<Lists<'a>>,
}

/// What there is, by account and place.
type Lists<'a> = HashMap<(&'a str, String), Rc<Vec<Target>>>;

/// One holder with all that bears on it.
pub(in crate::iam) struct Seat<'s, 'a> {
    pub all: &'s Everywhere<'a>,
    pub account: &'a Account,
    pub holder: Holder<'a>,
    pub holding: Holding<'a>,
    pub layers: Layers<'a>,
    pub facts: Facts<'a>,
}

impl<'a> Everywhere<'a> {
    /// Prepares to ask `state` as of `now`.
    pub fn new(state: &'a State, now: Seconds) -> Self {
        let (mut control, mut guards) = (HashMap::new(), HashMap::new());
        let mut guarding = HashMap::new();
        for id in state.accounts.keys() {
            let mut above = Control::above(state, id);
            let documents = holding::guards(state, id, &mut above.unknown);
            if !documents.is_empty() {
                guards.insert(&**id, Sheet::of(documents.iter().copied()));
                guarding.insert(&**id, documents);
            }
            control.insert(&**id, above);
        }
        let strengths = RefCell::new(HashMap::new());
        let lists = RefCell::new(HashMap::new());
        let (trusts, openings) = (Trusts::of(state), Openings::of(state));
        Self { state, trusts, now, control, guards, guarding, openings, strengths, lists }
    }

    /// Returns what the resource control policies above `account` leave of what was found of its own.
    pub(super) fn guarded(
        &self,
        account: &str,
        found: Vec<Found>,
        (asked, facts): (&Asked<'_>, &Facts<'_>),
    ) -> Vec<Found> {
        match self.guards.get(account) {
            Some(guard) => guard.less(found, asked, facts),
            None => found,
        }
    }

    /// Returns the state.
    pub(in crate::iam) fn state(&self) -> &'a State {
        self.state
    }

    /// Returns the resource control policies above an account.
    pub(in crate::iam) fn guarding(&self, account: &str) -> &[&'a Document] {
        self.guarding.get(account).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the resources whose policies give something to the user or role `arn` by name, with the policies.
    pub(in crate::iam) fn named(&self, arn: &str) -> impl Iterator<Item = (&'a str, &'a Document)> {
        self.openings.to(arn).iter().map(|opening| (opening.arn, opening.document))
    }

    /// Tells the ways of every user and role, account by account. Service-linked roles are left out: nobody takes them.
    pub fn each(&self, mut told: impl FnMut(Escalations)) {
        for account in self.state.accounts.values() {
            let users = account.users.values().map(Holder::User);
            for holder in users.chain(account.roles.values().map(Holder::Role)) {
                if !holder.is_service_linked() {
                    told(self.of(account, holder));
                }
            }
        }
    }

    /// Returns the ways of one user or role.
    pub fn of(&self, account: &'a Account, holder: Holder<'a>) -> Escalations {
        let seat = self.seat(account, holder);
        let is_admin = seat.is_admin();
        let ways = match is_admin {
            true => Vec::new(),
            false => known().ways.iter().filter_map(|way| targets::open(way, &seat)).collect(),
        };
        let strength = match (is_admin, ways.is_empty()) {
            (true, _) => Strength::Administrator,
            (false, false) => Strength::CanEscalate,
            _ if seat.has_nothing() => Strength::Nothing,
            _ => Strength::Other,
        };
        let above = seat.control().into_iter().flat_map(|control| control.unknown.iter().cloned());
        let unknown = seat.holding.unknown.iter().cloned().chain(above).collect();
        Escalations { holder: holder.entity().arn.clone(), strength, ways, unknown }
    }

    /// Gathers all that bears on a user or role.
    pub(in crate::iam) fn seat(&self, account: &'a Account, holder: Holder<'a>) -> Seat<'_, 'a> {
        let holding = Holding::of(account, holder);
        let arn: &'a str = &holder.entity().arn;
        let mut limits: Vec<Sheet<'a>> =
            holding.boundary.into_iter().map(|it| Sheet::of([it])).collect();
        if let Some(control) = self.control.get(account_of(arn)) {
            for level in &control.levels {
                let sheet = Sheet::of(level.documents.iter().copied());
                limits.push(if level.is_whole { sheet } else { sheet.open() });
            }
        }
        let identity = Sheet::of(holding.held.iter().map(|held| held.document));
        let mut values = vec![
            ("aws:principalarn", arn),
            ("aws:principalaccount", account_of(arn)),
            ("aws:principalisawsservice", "false"),
        ];
        match holder {
            Holder::User(user) => {
                values.extend([("aws:username", holder.name()), ("aws:principaltype", "User")]);
                if !user.entity.unique_id.is_empty() {
                    values.push(("aws:userid", &user.entity.unique_id));
                }
            }
            Holder::Role(_) => values.push(("aws:principaltype", "AssumedRole")),
        }
        let facts = Facts { values, now: Some(self.now) };
        Seat { all: self, account, holder, holding, layers: Layers { identity, limits }, facts }
    }

    /// Returns the role of an ARN.
    pub(in crate::iam) fn role(&self, arn: &str) -> Option<&'a Role> {
        self.trusts.role(arn)
    }

    /// Returns what a user or role has, without asking what the roles have that it could take.
    pub(in crate::iam) fn strength(&self, arn: &'a str) -> Strength {
        if let Some(known) = self.strengths.borrow().get(arn) {
            return *known;
        }
        let account = self.state.accounts.get(account_of(arn));
        let holder = account.and_then(|account| match self.trusts.role(arn) {
            Some(role) => Some(Holder::Role(role)),
            None => account.users.get(name_of(arn)).map(Holder::User),
        });
        let strength = match account.zip(holder) {
            Some((account, holder)) => self.seat(account, holder).strength_alone(),
            None => Strength::Nothing,
        };
        self.strengths.borrow_mut().insert(arn, strength);
        strength
    }
}

impl<'a> Seat<'_, 'a> {
    /// Returns the control policies above it.
    pub fn control(&self) -> Option<&Control<'a>> {
        self.all.control.get(self.account_id())
    }

    /// Returns whether it may do everything to everything, on no condition.
    pub fn is_admin(&self) -> bool {
        let is_whole = |document: &crate::iam::Document| {
            document.statements.iter().any(|it| {
                let is_every = |list: &Listed<Box<str>>| {
                    matches!(list, Listed::Only(all) if all.iter().any(|it| matches!(&**it, "*" | "*:*")))
                };
                it.effect == Effect::Allow
                    && it.conditions.is_empty()
                    && is_every(&it.actions)
                    && it.resources.as_ref().is_some_and(is_every)
            })
        };
        let bounded = self.holding.boundary.is_none_or(is_whole);
        bounded && self.holding.held.iter().any(|held| is_whole(held.document))
    }

    fn has_nothing(&self) -> bool {
        self.holding.held.is_empty() && self.holding.unknown.is_empty()
    }

    fn strength_alone(&self) -> Strength {
        if self.is_admin() {
            return Strength::Administrator;
        }
        if self.has_nothing() {
            return Strength::Nothing;
        }
        let changes = |way: &&Way| {
            way.reads.is_none() && way.needs.iter().all(|need| need.action != known().assume_role)
        };
        let mut ways = known().ways.iter().filter(changes);
        let mut passed = Passed::default();
        let is_open = |way| super::open(way, &self.layers, &self.facts, &mut passed).is_some();
        match ways.any(is_open) {
            true => Strength::CanEscalate,
            false => Strength::Other,
        }
    }
}
