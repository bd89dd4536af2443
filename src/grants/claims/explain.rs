//! Which grants explain a claim: whom it is for, where and what, at a time.
//!
//! Invariant: an answer follows from the claim, the versions that were said by then and what was learned by then. Ids
//! come before names. What is not known explains nothing: a permission set without a name may be any.

use smallvec::SmallVec;

use crate::grants::claims::claim::Claim;
use crate::grants::claims::claim::Holder;
use crate::grants::claims::claim::Kind;
use crate::grants::claims::learned::Learned;
use crate::grants::claims::learned::Topic;
use crate::grants::glob::fits;
use crate::grants::glob::is_glob;
use crate::grants::grant::Evidence;
use crate::grants::grant::GrantId;
use crate::grants::grant::Principal;
use crate::grants::grant::Version;
use crate::grants::index::Key;
use crate::grants::index::Sort;
use crate::grants::ledger::Held;
use crate::grants::ledger::Ledger;
use crate::grants::role::Role;
use crate::grants::timeline;
use crate::grants::timeline::Spell;
use crate::grants::who;
use crate::model::Seconds;

/// What is known at a time.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub ledger: &'a Ledger,
    pub learned: &'a Learned,
    /// The time that the question is asked as of.
    pub now: Seconds,
    /// What was said later does not count.
    pub said_by: Seconds,
}

/// How well a grant and a claim go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// The grant is about this.
    Whole,
    /// It is about this person and account; which permission set the claim is about has no name yet.
    Nameless,
}

/// A stretch of time in which a grant gave or promised what a claim is about.
#[derive(Debug, Clone)]
pub(super) struct Hold {
    pub id: GrantId,
    pub version: Version,
    pub spell: Spell,
    pub fit: Fit,
}

/// A spell with the version that it is of.
pub(super) type Stretch = (Spell, Version, Evidence);

impl View<'_> {
    /// Returns the stretches in which `held` gives or promises, as what was said by now makes them.
    pub fn stretches(&self, held: &Held) -> Vec<Stretch> {
        let versions = &held.grant.versions;
        let is_all_said = versions.iter().all(|(version, _)| version.emitted_at <= self.said_by);
        let whole = |versions: &[(Version, Evidence)], spells: &[Spell]| -> Vec<Stretch> {
            let told = spells.iter().filter(|spell| spell.kind != timeline::Kind::Afterwards);
            let found = told.filter_map(|spell| {
                let (version, evidence) = versions.get(spell.version)?;
                Some((*spell, version.clone(), evidence.clone()))
            });
            found.collect()
        };
        if is_all_said {
            return whole(versions, &held.spells);
        }
        let said = versions.iter().filter(|(version, _)| version.emitted_at <= self.said_by);
        let said: Vec<(Version, Evidence)> = said.cloned().collect();
        whole(&said, &timeline::spells(&said))
    }

    /// Returns what grants held of `claim` in some of `[from, to]`, in the order of time and name.
    pub fn holds(&self, claim: &Claim, from: Seconds, to: Seconds) -> Vec<Hold> {
        let index = self.ledger.index();
        let mut places: Vec<u32> = Vec::new();
        for key in self.keys(claim) {
            places.extend(index.get(key).into_iter().flat_map(|bucket| bucket.during(from, to)));
        }
        places.sort_unstable();
        places.dedup();
        let mut holds = Vec::new();
        for held in places.into_iter().filter_map(|place| self.ledger.held(place)) {
            for (spell, version, _) in self.stretches(held) {
                let is_then = spell.from <= to && spell.until > from;
                let Some(fit) = self.fit(&version, claim).filter(|_| is_then) else { continue };
                let id = held.grant.id().clone();
                holds.push(Hold { id, version, spell, fit });
            }
        }
        holds.sort_by(|one, other| {
            (one.spell.from, &one.id, one.spell.until).cmp(&(
                other.spell.from,
                &other.id,
                other.spell.until,
            ))
        });
        holds
    }

    fn keys(&self, claim: &Claim) -> SmallVec<[Key; 4]> {
        let mut keys = SmallVec::new();
        match &claim.holder {
            Holder::User(id) => {
                keys.push(Key::exact(Sort::UserId, id));
                let names = self.learned.values(Topic::User, id, self.now);
                keys.extend(names.map(|(name, _)| Key::folded(Sort::UserName, name)));
            }
            Holder::Group(id) => keys.push(Key::exact(Sort::Group, id)),
            Holder::IamUser(name) => {
                let (account, name) = name.split_once('/').unwrap_or(("", name));
                keys.push(Key::pair(Sort::IamUser, account, name));
            }
            Holder::Role(name) => {
                let (account, name) = name.split_once('/').unwrap_or(("", name));
                keys.push(Key::pair(Sort::Role, account, name));
                keys.push(Key::exact(Sort::RolesOf, account));
                keys.push(Key::exact(Sort::Roles, ""));
            }
            Holder::IamGroup(_) => {}
        }
        if claim.kind == Kind::Membership {
            keys.push(Key::exact(Sort::Group, &claim.entitlement));
        }
        keys
    }

    /// Returns how well `version` and `claim` go together, whatever the time.
    pub fn fit(&self, version: &Version, claim: &Claim) -> Option<Fit> {
        let is_holder = |principal: &Principal| self.is_holder(principal, claim);
        if !version.principals.iter().any(is_holder) {
            return None;
        }
        let accounts = version.scope.accounts.as_deref();
        let is_there = |accounts: &[Box<str>]| accounts.contains(&claim.account);
        if claim.kind != Kind::Membership && !accounts.is_none_or(is_there) {
            return None;
        }
        match claim.kind {
            Kind::Assignment => self.fit_set(version, claim),
            // A group says nothing of what it gives, nor a policy: whom it is for has to do.
            Kind::Membership | Kind::Policy | Kind::InlinePolicy | Kind::IamMembership => {
                Some(Fit::Whole)
            }
        }
    }

    fn is_holder(&self, principal: &Principal, claim: &Claim) -> bool {
        match (principal, &claim.holder) {
            (Principal::IdcUser { user_id, user_name, .. }, Holder::User(id)) => {
                match user_id.is_empty() {
                    true => self.is_called(id, user_name),
                    false => user_id == id,
                }
            }
            (Principal::IdcGroup { group_id, .. }, Holder::Group(id)) => group_id == id,
            (Principal::IdcGroup { group_id, .. }, Holder::User(_)) => {
                claim.kind == Kind::Membership && *group_id == claim.entitlement
            }
            (Principal::IamUserArn { arn }, Holder::IamUser(name)) => {
                let named = name.split_once('/');
                named.is_some() && who::user_of(arn) == named
            }
            (Principal::IamRoleArn { arn }, Holder::Role(name)) => {
                let (account, name) = name.split_once('/').unwrap_or(("", name));
                Role { arn: "", account, name, set: "" }.fits(arn)
            }
            _ => false,
        }
    }

    fn is_called(&self, id: &str, name: &str) -> bool {
        let folded = name.to_lowercase();
        self.learned.holds(Topic::Person, &folded, id, self.now)
    }

    fn fit_set(&self, version: &Version, claim: &Claim) -> Option<Fit> {
        let (sets, roles) = (&version.scope.permission_sets, &version.scope.role_arns);
        if sets.is_none() && roles.is_none() {
            return Some(Fit::Whole);
        }
        let arn = &*claim.entitlement;
        if sets.iter().flatten().any(|set| **set == *arn) {
            return Some(Fit::Whole);
        }
        let Some(name) = self.learned.set_name(arn, self.now) else { return Some(Fit::Nameless) };
        let is_set = sets.iter().flatten().any(|glob| fits(glob, name));
        let is_role = roles.iter().flatten().any(|glob| {
            let role = Role::parse(glob).filter(|role| !role.set.is_empty());
            role.is_some_and(|role| fits(role.account, &claim.account) && role.set == name)
        });
        (is_set || is_role).then_some(Fit::Whole)
    }

    /// Returns the name that the holder of `claim` is known by.
    pub fn identity(&self, claim: &Claim) -> String {
        match &claim.holder {
            Holder::User(id) => {
                let name = self.learned.values(Topic::User, id, self.now).next();
                format!("person:{}", name.map_or(&**id, |(name, _)| name))
            }
            Holder::Group(id) => format!("group:{id}"),
            Holder::IamUser(name) => format!("user:{name}"),
            Holder::Role(name) => {
                let (account, name) = name.split_once('/').unwrap_or(("", name));
                format!("workload:{account}/role/{name}")
            }
            Holder::IamGroup(name) => format!("group:{name}"),
        }
    }
}

/// Returns the one permission set that all of `holds` name; `None` if they differ or name it by a pattern.
pub(super) fn one_set(holds: &[Hold]) -> Option<&str> {
    let mut names: Vec<&str> = Vec::new();
    for hold in holds {
        let sets = hold.version.scope.permission_sets.as_deref()?;
        names.extend(sets.iter().map(|set| &**set));
    }
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [name] if !is_glob(name) && !name.starts_with("arn:") => Some(name),
        _ => None,
    }
}

/// Returns the users and groups of Identity Center that `version` is for, as far as their ids are known.
pub(super) fn holders(version: &Version, view: &View<'_>) -> Vec<Holder> {
    let mut holders = Vec::new();
    for principal in &version.principals {
        match principal {
            Principal::IdcUser { user_id, user_name, .. } if user_id.is_empty() => {
                let folded = user_name.to_lowercase();
                let ids = view.learned.values(Topic::Person, &folded, view.now);
                holders.extend(ids.map(|(id, _)| Holder::User(id.into())));
            }
            Principal::IdcUser { user_id, .. } => holders.push(Holder::User(user_id.clone())),
            Principal::IdcGroup { group_id, .. } => holders.push(Holder::Group(group_id.clone())),
            Principal::IamUserArn { arn } => {
                let user = who::user_of(arn);
                holders.extend(
                    user.map(|(account, name)| Holder::IamUser(format!("{account}/{name}").into())),
                );
            }
            Principal::IamRoleArn { arn } if !is_glob(arn) => {
                let role = Role::parse(arn);
                holders.extend(
                    role.map(|role| Holder::Role(format!("{}/{}", role.account, role.name).into())),
                );
            }
            _ => {}
        }
    }
    holders.sort_unstable();
    holders.dedup();
    holders
}
