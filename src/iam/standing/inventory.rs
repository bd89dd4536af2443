//! The walk over everybody who stands.
//!
//! Invariant: a holder is told once for each account in which it has something; what roles give is worked out once a role.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::rc::Rc;

use crate::iam::State;
use crate::iam::escalation::Escalations;
use crate::iam::escalation::Everywhere;
use crate::iam::escalation::Seat;
use crate::iam::escalation::Strength;
use crate::iam::holding::Holder;
use crate::iam::holding::account_of;
use crate::iam::holding::name_of;
use crate::iam::standing::Activity;
use crate::iam::standing::Asking;
use crate::iam::standing::Class;
use crate::iam::standing::Console;
use crate::iam::standing::How;
use crate::iam::standing::Kind;
use crate::iam::standing::MAX_ROLES;
use crate::iam::standing::Protected;
use crate::iam::standing::Since;
use crate::iam::standing::Standing;
use crate::iam::standing::access::Sets;
use crate::iam::standing::bits::Bits;
use crate::iam::standing::bits::Surfaces;
use crate::iam::standing::reached::Reached;
use crate::iam::standing::reached::class_of;
use crate::iam::standing::reached::examples;
use crate::iam::standing::touched::Scope;
use crate::iam::state::Account;
use crate::iam::state::Assignment;
use crate::iam::state::User;
use crate::model::Seconds;

/// Roles of which what they give is kept; beyond that it is worked out again.
const MAX_KEPT: usize = 4_096;

/// Tells everybody in `state` who can take a protected action with no end date, account by account.
pub fn inventory(
    state: &State,
    protected: &dyn Protected,
    activity: &dyn Activity,
    asking: &Asking<'_>,
    told: impl FnMut(Standing),
) {
    inventory_of((state, &Scope::Everywhere), protected, activity, asking, told);
}

/// Tells those of a scope.
pub fn inventory_of(
    (state, scope): (&State, &Scope),
    protected: &dyn Protected,
    activity: &dyn Activity,
    asking: &Asking<'_>,
    mut told: impl FnMut(Standing),
) {
    let surfaces = Surfaces::default();
    let walk = Walk::new(state, (protected, &surfaces), activity, asking);
    for (_, account) in state.accounts.iter().filter(|(id, _)| scope.has(id)) {
        let users = account.users.values().map(Holder::User);
        for holder in users.chain(account.roles.values().map(Holder::Role)) {
            if !holder.is_service_linked()
                && !walk.is_of_people(holder)
                && let Some(row) = walk.row(account, holder)
            {
                told(row);
            }
        }
    }
    let assigned = state.identity_center.assignments.iter();
    for assignment in assigned.filter(|it| scope.has(&it.account)) {
        if let Some(row) = walk.assigned(assignment) {
            told(row);
        }
    }
}

/// The roles that were taken, and the keys of the conditions on the first.
type Chain = (Vec<Box<str>>, BTreeSet<Box<str>>);

/// What one role gives to whoever takes it.
struct Gives {
    bits: Bits,
    class: Class,
    /// The roles that it may take in turn.
    onward: Vec<Box<str>>,
}

pub(super) struct Walk<'a> {
    state: &'a State,
    everywhere: Everywhere<'a>,
    sets: Sets,
    activity: &'a dyn Activity,
    asking: &'a Asking<'a>,
    /// Which permission sets are known to be assigned, by account and name.
    assigned: BTreeSet<(&'a str, &'a str)>,
    protected: &'a dyn Protected,
    surfaces: &'a Surfaces,
    roles: RefCell<HashMap<Box<str>, Rc<Gives>>>,
}

impl<'a> Walk<'a> {
    /// Prepares to ask `state` what is protected, who did what, and what lasts.
    pub fn new(
        state: &'a State,
        (protected, surfaces): (&'a dyn Protected, &'a Surfaces),
        activity: &'a dyn Activity,
        asking: &'a Asking<'a>,
    ) -> Self {
        Self {
            state,
            everywhere: Everywhere::new(state, asking.now),
            sets: Sets::default(),
            activity,
            asking,
            assigned: assigned(state),
            protected,
            surfaces,
            roles: RefCell::default(),
        }
    }

    /// Returns whether it is a role of Identity Center whose people are told themselves.
    fn is_of_people(&self, holder: Holder<'_>) -> bool {
        let arn = &holder.entity().arn;
        if !arn.contains(":role/aws-reserved/sso.amazonaws.com/") {
            return false;
        }
        let set = name_of(arn).strip_prefix("AWSReservedSSO_").and_then(|it| it.rsplit_once('_'));
        set.is_some_and(|(set, _)| self.assigned.contains(&(account_of(arn), set)))
    }

    fn row(&self, account: &'a Account, holder: Holder<'a>) -> Option<Standing> {
        let found = self.everywhere.of(account, holder);
        let seat = self.everywhere.seat(account, holder);
        let reached = self.reached(&seat, found.strength);
        if reached.bits.is_empty() {
            return None;
        }
        Some(self.told(&seat, found, reached))
    }

    /// Returns what a holder reaches and the worst of it, without asking for ways to more of its own.
    pub fn reach(&self, account: &'a Account, holder: Holder<'a>) -> Option<(Bits, Class)> {
        let seat = self.everywhere.seat(account, holder);
        let strength = if seat.is_admin() { Strength::Administrator } else { Strength::Other };
        let reached = self.reached(&seat, strength);
        Some((reached.bits, reached.how.iter().map(|how| how.class).min()?))
    }

    /// Returns whether a way to the role `arn` is open to a holder.
    pub fn opens(&self, account: &'a Account, holder: Holder<'a>, arn: &str) -> bool {
        let found = self.everywhere.of(account, holder);
        found.ways.iter().any(|open| open.targets.iter().any(|target| *target.arn == *arn))
    }

    fn reached(&self, seat: &Seat<'_, 'a>, strength: Strength) -> Reached {
        let surface = self.surfaces.of(seat.account_id(), self.protected);
        let mut reached = Reached::default();
        for given in self.sets.given(seat, &surface) {
            let class = class_of(&given.bits, strength);
            reached.add(
                &given.bits,
                How {
                    class,
                    chain: Vec::new(),
                    policy: given.policy.into(),
                    group: given.group.map(Into::into),
                    actions: given.bits.len(),
                    conditions: given.conditions,
                },
            );
        }
        self.follow(seat, &mut reached);
        reached
    }

    /// Follows the roles that a holder may take, nearest first.
    fn follow(&self, seat: &Seat<'_, 'a>, reached: &mut Reached) {
        if self.asking.depth == 0 {
            return;
        }
        let mut seen: BTreeSet<Box<str>> = [seat.arn().into()].into();
        let mut next: Vec<Chain> = Vec::new();
        for (role, found) in seat.may_take() {
            // A way that ends by its own date is no standing one.
            let lasting: Vec<_> = found.into_iter().filter(|it| it.until.is_none()).collect();
            let Some(best) = lasting.into_iter().min_by_key(|it| it.keys.len()) else { continue };
            if seen.insert(role.into()) {
                next.push((vec![role.into()], best.keys));
            }
        }
        while let Some((chain, conditions)) = (!next.is_empty()).then(|| next.remove(0)) {
            if seen.len() > MAX_ROLES {
                reached.unknown.insert("roles beyond the first of many".into());
                break;
            }
            let Some(last) = chain.last() else { continue };
            let Some(gives) = self.gives(last) else { continue };
            if !gives.bits.is_empty() {
                reached.add(
                    &gives.bits,
                    How {
                        class: gives.class,
                        chain: chain.clone(),
                        policy: last.clone(),
                        group: None,
                        actions: gives.bits.len(),
                        conditions: conditions.clone(),
                    },
                );
            }
            if chain.len() >= self.asking.depth {
                continue;
            }
            for role in &gives.onward {
                if seen.insert(role.clone()) {
                    let further = chain.iter().chain([role]).cloned().collect();
                    next.push((further, conditions.clone()));
                }
            }
        }
    }

    fn gives(&self, arn: &str) -> Option<Rc<Gives>> {
        if let Some(gives) = self.roles.borrow().get(arn) {
            return Some(Rc::clone(gives));
        }
        let account = self.state.accounts.get(account_of(arn))?;
        let role = self.everywhere.role(arn)?;
        let seat = self.everywhere.seat(account, Holder::Role(role));
        let surface = self.surfaces.of(seat.account_id(), self.protected);
        let given = self.sets.given(&seat, &surface);
        let bits = given.into_iter().fold(Bits::none(), |all, given| all.or(&given.bits));
        let class = class_of(&bits, self.everywhere.strength(&role.entity.arn));
        let onward = seat
            .may_take()
            .into_iter()
            .filter(|(_, found)| found.iter().any(|it| it.until.is_none()));
        let onward = onward.map(|(role, _)| role.into()).take(MAX_ROLES).collect();
        let gives = Rc::new(Gives { bits, class, onward });
        let mut roles = self.roles.borrow_mut();
        if roles.len() >= MAX_KEPT {
            roles.clear();
        }
        roles.insert(arn.into(), Rc::clone(&gives));
        Some(gives)
    }

    fn told(&self, seat: &Seat<'_, 'a>, found: Escalations, reached: Reached) -> Standing {
        let holder = seat.holder;
        let arn: Box<str> = seat.arn().into();
        let (kind, role_last_used) = match holder {
            Holder::User(_) => (Kind::User, None),
            Holder::Role(role) => (Kind::Role, role.last_used),
        };
        let fits = |name: &&crate::model::Glob| name.matches(holder.name());
        let expected = self.asking.expected.iter().find(fits).filter(|_| kind == Kind::Role);
        let (oldest_key, console) = match holder {
            Holder::User(user) => (oldest_key(user), console(user)),
            Holder::Role(_) => (None, Console::None),
        };
        let since = match (self.seen(&arn, &reached), holder.entity().created) {
            (Some(time), _) => Since::Seen(time),
            (None, Some(made)) => Since::NotBefore(made),
            (None, None) => Since::Unknown,
        };
        let mut unknown = found.unknown;
        unknown.extend(reached.unknown.iter().cloned());
        let (actions, examples) = (reached.bits.len(), examples(&reached.bits));
        let (how, more) = reached.worst();
        Standing {
            account: seat.account_id().into(),
            class: how.iter().map(|it| it.class).min().unwrap_or(Class::Read),
            escalations: found.ways.iter().map(|open| open.path.id).collect(),
            used: self.activity.used(&arn, seat.account_id()),
            expected: expected.map(|glob| glob.0.clone().into()),
            holder: arn,
            kind,
            actions,
            examples,
            how,
            more,
            since,
            role_last_used,
            oldest_key,
            console,
            unknown,
        }
    }

    /// Returns when the first of somebody's ways came, if the coming of each was seen: by another he may have had it before.
    fn seen(&self, arn: &str, reached: &Reached) -> Option<Seconds> {
        let of = |how: &How| match how.chain.is_empty() {
            true => self.activity.since(arn, &how.policy),
            false => None,
        };
        let all: Option<Vec<Seconds>> = reached.how.iter().map(of).collect();
        all?.into_iter().min()
    }

    /// Returns what an assignment gives, unless a grant says when it ends.
    fn assigned(&self, assignment: &Assignment) -> Option<Standing> {
        let center = &self.state.identity_center;
        let set = center.sets.get(&assignment.set);
        let name: &str = set.map_or(&assignment.set, |set| &set.name);
        let holder: Box<str> =
            format!("{}/{}", assignment.principal_type, assignment.principal_id).into();
        if self.activity.ends(&holder, &assignment.account, name).is_some() {
            return None;
        }
        let account = self.state.accounts.get(&assignment.account);
        let start = format!("AWSReservedSSO_{name}_");
        let mut roles = account.into_iter().flat_map(|account| account.roles.values());
        let role = roles.find(|role| name_of(&role.entity.arn).starts_with(&start));
        let mut row =
            role.zip(account).and_then(|(role, account)| self.row(account, Holder::Role(role)));
        if row.is_none() && role.is_some() {
            return None;
        }
        let row = row.get_or_insert_with(|| Standing::of_set(&assignment.account, name));
        let mut row = row.clone();
        let role = role.map(|role| role.entity.arn.clone());
        for how in &mut row.how {
            let first = how.chain.is_empty();
            how.chain.splice(0..0, role.clone());
            how.policy = if first { name.into() } else { how.policy.clone() };
        }
        row.kind = match &*assignment.principal_type {
            "GROUP" => Kind::Group,
            _ => Kind::Person,
        };
        row.used = self.activity.used(&holder, &assignment.account);
        row.since = self.activity.since(&holder, name).map_or(Since::Unknown, Since::Seen);
        row.holder = holder;
        Some(row)
    }
}

fn assigned(state: &State) -> BTreeSet<(&str, &str)> {
    let center = &state.identity_center;
    let named = |it: &'_ Assignment| center.sets.get(&it.set).map(|set| &*set.name);
    let all = center.assignments.iter();
    all.filter_map(|it| Some((&*it.account, named(it)?))).collect()
}

fn oldest_key(user: &User) -> Option<Seconds> {
    user.keys.values().filter(|key| key.is_active).filter_map(|key| key.created).min()
}

fn console(user: &User) -> Console {
    match (user.has_password, user.has_mfa) {
        (Some(false), _) => Console::None,
        (Some(true), Some(false)) => Console::WithoutMfa,
        (Some(true), Some(true)) => Console::WithMfa,
        _ => Console::Unknown,
    }
}
