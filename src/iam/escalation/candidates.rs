//! The users, groups and roles of an account that a way could be used on, those that gain most first.
//!
//! Invariant: what a list holds depends on the account and the place alone, so that it is made once.

use std::rc::Rc;

use crate::iam::escalation::Strength;
use crate::iam::escalation::Target;
use crate::iam::escalation::everywhere::Everywhere;
use crate::iam::escalation::known::Profile;
use crate::iam::escalation::place::Place;
use crate::iam::state::Account;
use crate::iam::state::Role;
use crate::iam::state::User;
use crate::iam::trust;

/// How many access keys a user can have.
const MOST_KEYS: usize = 2;

impl<'a> Everywhere<'a> {
    /// Returns what there is of a place in an account.
    pub(super) fn candidates(&self, account: &'a str, place: &Place) -> Rc<Vec<Target>> {
        self.listed(account, format!("{place:?}"), |all, it| {
            let users = |fits: fn(&User) -> bool| -> Vec<&'a str> {
                it.users.values().filter(|user| fits(user)).map(|user| &*user.entity.arn).collect()
            };
            let arns: Vec<&'a str> = match place {
                Place::OtherUser => users(|_| true),
                Place::UserWithRoom => users(|user| user.keys.len() < MOST_KEYS),
                Place::UserWithoutRoom => users(|user| user.keys.len() >= MOST_KEYS),
                Place::UserWithPassword => users(|user| user.has_password != Some(false)),
                Place::UserWithoutPassword => users(|user| user.has_password != Some(true)),
                Place::OtherGroup => {
                    let groups = it.groups.values();
                    let groups =
                        groups.filter(|it| !it.inline.is_empty() || !it.attached.is_empty());
                    return groups
                        .map(|it| Target { strength: Strength::Other, arn: it.arn.clone() })
                        .collect();
                }
                _ => it.roles.values().filter(is_ordinary).map(|role| &*role.entity.arn).collect(),
            };
            let gains = matches!(
                place,
                Place::TrustingRole
                    | Place::UserWithRoom
                    | Place::UserWithoutRoom
                    | Place::UserWithPassword
                    | Place::UserWithoutPassword
            );
            all.ranked(arns, gains)
        })
    }

    /// Returns the roles of an account that a service may take.
    pub(super) fn roles_for(
        &self,
        account: &'a str,
        service: &str,
        profile: Option<Profile>,
    ) -> Rc<Vec<Target>> {
        self.listed(account, format!("{service} {profile:?}"), |all, it| {
            let is_in_profile = |role: &&Role| match profile {
                Some(Profile::There) if it.is_whole => {
                    let name = crate::iam::holding::name_of(&role.entity.arn);
                    it.profiles.values().any(|roles| roles.contains(name))
                }
                _ => true,
            };
            let roles = it.roles.values().filter(is_ordinary).filter(is_in_profile);
            let roles = roles.filter(|role| trust::of_service(role, service));
            all.ranked(roles.map(|role| &*role.entity.arn).collect(), true)
        })
    }

    fn listed(
        &self,
        account: &'a str,
        what: String,
        make: impl FnOnce(&Self, &'a Account) -> Vec<Target>,
    ) -> Rc<Vec<Target>> {
        let key = (account, what);
        if let Some(list) = self.lists.borrow().get(&key) {
            return Rc::clone(list);
        }
        let made = self.state.accounts.get(account).map(|it| make(self, it)).unwrap_or_default();
        let list = Rc::new(made);
        self.lists.borrow_mut().insert(key, Rc::clone(&list));
        list
    }

    fn ranked(&self, arns: Vec<&'a str>, gains: bool) -> Vec<Target> {
        let targets =
            arns.into_iter().map(|arn| Target { strength: self.strength(arn), arn: arn.into() });
        let mut targets: Vec<Target> =
            targets.filter(|it| !gains || it.strength != Strength::Nothing).collect();
        targets.sort();
        targets
    }
}

/// Nobody but its service takes a service-linked role, and nobody changes it.
fn is_ordinary(role: &&Role) -> bool {
    !role.entity.arn.contains(":role/aws-service-role/")
}
