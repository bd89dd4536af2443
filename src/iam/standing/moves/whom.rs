//! Whom a change moves.
//!
//! Invariant: users and roles that the change is about come first; of an account or a unit everybody, in the order of names.

use std::collections::BTreeSet;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::holding::Holder;
use crate::iam::holding::Holding;
use crate::iam::holding::account_of;
use crate::iam::holding::name_of;
use crate::iam::pattern::matches;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;
use crate::iam::policy::Text;
use crate::iam::standing::Protected;
use crate::iam::standing::moves::MAX_LOOKED;
use crate::iam::standing::moves::Moves;
use crate::iam::state::Account;
use crate::iam::state::Assignment;
use crate::iam::state::State;

/// Somebody whom a change moves, in one account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// A user or role, and what of it changed.
    Own {
        /// The ARN.
        arn: Box<str>,
        /// Whether it could be used before.
        was: Was,
    },
    /// A person or group of Identity Center: the permission sets that he has in an account, and those that he had.
    Person {
        /// `USER/` or `GROUP/` and the id.
        id: Box<str>,
        account: Box<str>,
        sets: BTreeSet<Box<str>>,
        had: BTreeSet<Box<str>>,
    },
    /// A user or role that may hand a role to an instance.
    Passer {
        /// The ARN.
        arn: Box<str>,
        /// The ARN of the role.
        role: Box<str>,
    },
}

/// Whether somebody could use what he had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Was {
    Usable,
    /// He had neither a key that worked nor a password.
    Dormant,
}

impl Who {
    /// Returns what an inventory calls him.
    pub fn name(&self) -> &str {
        match self {
            Self::Own { arn, .. } | Self::Passer { arn, .. } => arn,
            Self::Person { id, .. } => id,
        }
    }
}

/// Returns whom a change moves that `state` has already, and how many more there are than are looked at.
pub(super) fn whom(moves: &Moves, state: &State, protected: &dyn Protected) -> (Vec<Who>, usize) {
    let mut all = Found { all: Vec::new(), known: BTreeSet::new(), more: 0, protected };
    for (key, edit) in &moves.edits {
        match (key, edit) {
            (Key::User { account, name }, Edit::KeyMade { .. } | Edit::KeySet { .. })
            | (Key::User { account, name }, Edit::Password { .. }) => {
                let before = moves.before.iter().find(|(of, _)| of == key);
                let was_dormant =
                    matches!(before, Some((_, Some(Thing::User(user)))) if user.is_dormant());
                let user = state.accounts.get(account).and_then(|it| it.users.get(name));
                if let Some(user) = user.filter(|user| was_dormant && !user.is_dormant()) {
                    let arn = user.entity.arn.clone();
                    all.put(Who::Own { arn, was: Was::Dormant });
                }
            }
            (Key::Role { account, name }, Edit::Trust { .. } | Edit::Made(_)) => {
                let role = state.accounts.get(account).and_then(|it| it.roles.get(name));
                if let Some(Text::Known(document)) = role.map(|role| &role.trust) {
                    all.trusted(state, document);
                }
            }
            (Key::User { account, .. } | Key::Role { account, .. }, edit) => {
                if let Some(it) = state.accounts.get(account)
                    && let Some(holder) = holder_of(it, key)
                    && (matches!(edit, Edit::Bounded { .. }) || may_assume(it, holder))
                {
                    all.own(holder);
                }
            }
            (Key::Group { account, .. } | Key::Policy { account, .. }, _) => {
                if let Some(it) = state.accounts.get(account) {
                    all.having(it, key);
                }
            }
            (Key::Profile { account, .. }, Edit::RoleAdded { role }) => {
                if let Some(it) = state.accounts.get(account) {
                    all.passing(it, role);
                }
            }
            _ => all.beside(state, key),
        }
    }
    (all.all, all.more)
}

/// Returns the user or role of a key.
fn holder_of<'a>(account: &'a Account, key: &Key) -> Option<Holder<'a>> {
    match key {
        Key::User { name, .. } => account.users.get(name).map(Holder::User),
        Key::Role { name, .. } => account.roles.get(name).map(Holder::Role),
        _ => None,
    }
}

/// Returns the user or role of an ARN.
pub(super) fn holder<'a>(state: &'a State, arn: &str) -> Option<(&'a Account, Holder<'a>)> {
    let account = state.accounts.get(account_of(arn))?;
    let name = name_of(arn);
    let holder = match arn.contains(":user/") {
        true => account.users.get(name).map(Holder::User),
        false => account.roles.get(name).map(Holder::Role),
    };
    holder.map(|holder| (account, holder))
}

/// Returns whether a statement of a holder speaks of taking roles.
fn may_assume(account: &Account, holder: Holder<'_>) -> bool {
    speaks_of(account, holder, "sts:assumerole")
}

fn speaks_of(account: &Account, holder: Holder<'_>, action: &str) -> bool {
    Holding::of(account, holder).held.iter().any(|held| {
        held.document.statements.iter().filter(|it| it.effect == Effect::Allow).any(|it| match &it
            .actions
        {
            Listed::Only(all) => all.iter().any(|glob| matches(glob, action)),
            Listed::AllBut(all) => !all.iter().any(|glob| matches(glob, action)),
        })
    })
}

struct Found<'p> {
    all: Vec<Who>,
    known: BTreeSet<Who>,
    more: usize,
    protected: &'p dyn Protected,
}

impl Found<'_> {
    fn put(&mut self, who: Who) {
        if self.known.contains(&who) {
            return;
        }
        if self.all.len() >= MAX_LOOKED {
            self.more += 1;
            return;
        }
        self.known.insert(who.clone());
        self.all.push(who);
    }

    fn own(&mut self, holder: Holder<'_>) {
        if !holder.is_service_linked() {
            self.put(Who::Own { arn: holder.entity().arn.clone(), was: Was::Usable });
        }
    }

    /// Adds those for whom a policy or a group is in force and who may take roles: what it gives by itself is measured
    /// elsewhere.
    fn having(&mut self, account: &Account, key: &Key) {
        let is_in = |group: &str| match key {
            Key::Group { name, .. } => *group == **name,
            Key::Policy { arn, .. } => {
                account.groups.get(group).is_some_and(|it| it.attached.contains(arn))
            }
            _ => false,
        };
        let has = |holder: &Holder<'_>| {
            let own = match key {
                Key::Policy { arn, .. } => holder.entity().attached.contains(arn),
                _ => false,
            };
            own || matches!(holder, Holder::User(user) if user.groups.iter().any(|it| is_in(it)))
        };
        for holder in everybody(account).filter(has) {
            if may_assume(account, holder) {
                self.own(holder);
            }
        }
    }

    /// Adds those who can run an instance with what is in a profile, where there are few enough to ask each for its ways.
    fn passing(&mut self, account: &Account, role: &str) {
        let Some(role) = account.roles.get(role) else { return };
        if account.users.len() + account.roles.len() > MAX_LOOKED {
            self.more += account.users.len() + account.roles.len();
            return;
        }
        for holder in everybody(account).filter(|it| !it.is_service_linked()) {
            if speaks_of(account, holder, "iam:passrole") {
                let arn = holder.entity().arn.clone();
                self.put(Who::Passer { arn, role: role.entity.arn.clone() });
            }
        }
    }

    /// Adds those whom a trust policy names, and of an account that it names those who may take roles.
    fn trusted(&mut self, state: &State, document: &Document) {
        for statement in document.statements.iter().filter(|it| it.effect == Effect::Allow) {
            let Some(Listed::Only(principals)) = &statement.principals else { continue };
            for principal in principals {
                match principal {
                    Principal::Aws(name) if name.ends_with(":root") => {
                        if let Some(account) = state.accounts.get(account_of(name)) {
                            self.takers(account);
                        }
                    }
                    Principal::Aws(name) => {
                        if let Some((_, holder)) = holder(state, name) {
                            self.own(holder);
                        }
                    }
                    Principal::Everyone => {
                        for account in state.accounts.values() {
                            self.takers(account);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn takers(&mut self, account: &Account) {
        for holder in everybody(account) {
            if self.all.len() >= MAX_LOOKED {
                self.more += 1;
            } else if may_assume(account, holder) {
                self.own(holder);
            }
        }
    }

    /// Adds those whom a change of the organisation or of Identity Center moves.
    fn beside(&mut self, state: &State, key: &Key) {
        match key {
            Key::Node { id } => self.below(state, &|node| *node == **id),
            Key::Control { id } => {
                let organization = state.organization.as_ref();
                let attached = |node: &str| {
                    let attached = organization.and_then(|it| it.attached.get(node));
                    attached.is_some_and(|all| all.contains(id))
                };
                self.below(state, &attached);
            }
            Key::Assigned(it) => {
                let id = format!("{}/{}", it.principal_type, it.principal_id);
                self.person(state, &id, &it.account, |other| other != it);
            }
            Key::Member { group, user } => {
                let id = format!("USER/{user}");
                let is_of =
                    |it: &&Assignment| &*it.principal_type == "GROUP" && it.principal_id == *group;
                let assigned = state.identity_center.assignments.iter().filter(is_of);
                let accounts: BTreeSet<&str> = assigned.map(|it| &*it.account).collect();
                for account in accounts {
                    self.person(state, &id, account, |other| !is_of(&other));
                }
            }
            _ => {}
        }
    }

    /// Adds everybody in the accounts at or below a node for which `is_it` holds.
    fn below(&mut self, state: &State, is_it: &dyn Fn(&str) -> bool) {
        let Some(organization) = &state.organization else { return };
        for (id, account) in &state.accounts {
            if !organization.above(id).any(is_it) {
                continue;
            }
            let assigned = state.identity_center.assignments.iter().filter(|it| it.account == *id);
            let people: BTreeSet<Box<str>> = assigned
                .map(|it| format!("{}/{}", it.principal_type, it.principal_id).into())
                .collect();
            for person in people {
                self.person(state, &person, id, |_| true);
            }
            for holder in everybody(account) {
                self.own(holder);
            }
        }
    }

    /// Adds somebody of Identity Center with what he has in an account, by his groups too, and had by those assignments
    /// that `stood`. What a grant ends he has not.
    fn person(
        &mut self,
        state: &State,
        id: &str,
        account: &str,
        stood: impl Fn(&Assignment) -> bool,
    ) {
        let center = &state.identity_center;
        let (sort, own) = id.split_once('/').unwrap_or(("USER", id));
        let is_in = |group: &str| {
            sort == "USER" && center.members.get(group).is_some_and(|all| all.contains(own))
        };
        let (mut sets, mut had) = (BTreeSet::new(), BTreeSet::new());
        for it in center.assignments.iter().filter(|it| *it.account == *account) {
            let is_own = *it.principal_type == *sort && *it.principal_id == *own;
            let is_by_group = &*it.principal_type == "GROUP" && is_in(&it.principal_id);
            if !(is_own || is_by_group) {
                continue;
            }
            let name = center.sets.get(&it.set).map_or(&*it.set, |set| &*set.name);
            let holder = format!("{}/{}", it.principal_type, it.principal_id);
            if self.protected.is_ended(&holder, account, name) {
                continue;
            }
            sets.insert(it.set.clone());
            if stood(it) {
                had.insert(it.set.clone());
            }
        }
        if !sets.is_empty() {
            self.put(Who::Person { id: id.into(), account: account.into(), sets, had });
        }
    }
}

fn everybody(account: &Account) -> impl Iterator<Item = Holder<'_>> {
    account.users.values().map(Holder::User).chain(account.roles.values().map(Holder::Role))
}
