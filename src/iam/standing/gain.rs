//! What one change of a policy gives that lasts: the protected actions that its holders can take now and could not before.
//!
//! The change is measured by its own target, and what is left of that by all that bears on each holder: boundary, control
//! policies, denials. Who comes to it by taking a role is not looked for here; the inventory tells.
//!
//! Invariant: of what is not known nothing is said to be gained.

use crate::iam::Document;
use crate::iam::State;
use crate::iam::escalation::Everywhere;
use crate::iam::force::Facts as Known;
use crate::iam::history::change::Holder as Sort;
use crate::iam::history::change::Target;
use crate::iam::holding::Holder;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::standing::Class;
use crate::iam::standing::Protected;
use crate::iam::standing::access::Sets;
use crate::iam::standing::access::denies_now;
use crate::iam::standing::access::standing;
use crate::iam::standing::bits::Bits;
use crate::iam::standing::bits::Surfaces;
use crate::iam::standing::moves::MAX_LOOKED;
use crate::iam::standing::reached::examples;
use crate::iam::state::Account;
use crate::iam::state::User;
use crate::model::Facts;
use crate::model::Seconds;

/// How many of them a fact names.
const MAX_NAMED: usize = 12;

/// What a change gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gain {
    /// The worst of it.
    pub class: Class,
    /// How many protected actions.
    pub actions: usize,
    /// Some of them.
    pub examples: Vec<Box<str>>,
    /// Who has them, of those who were looked at.
    pub holders: Vec<Box<str>>,
    /// How many that the change is about were not looked at.
    pub unlooked: usize,
}

/// Measures changes; what is protected in an account is worked out once.
#[derive(Debug, Default)]
pub struct Gains {
    surfaces: Surfaces,
}

impl Gains {
    /// Returns what was found to be protected in each account.
    pub(in crate::iam) fn surfaces(&self) -> &Surfaces {
        &self.surfaces
    }

    /// Returns what a change of `target` from `before` to `after` gives, as `state` stands with it.
    pub fn of(
        &self,
        target: &Target,
        (before, after): (&Document, &Document),
        (state, now): (&State, Seconds),
        protected: &dyn Protected,
    ) -> Option<Gain> {
        let more = lasting(after, now).less(&lasting(before, now));
        if more.is_empty() {
            return None;
        }
        let account = target.account();
        let surface = self.surfaces.of(account, protected);
        let more = more.and(&surface);
        if more.is_empty() {
            return None;
        }
        let account = state.accounts.get(account)?;
        let everywhere = Everywhere::new(state, now);
        let sets = Sets::default();
        let (mut gained, mut holders) = (Bits::none(), Vec::new());
        let (touched, unlooked) = touched(account, target);
        for holder in touched.into_iter().filter(|it| !it.is_service_linked()) {
            let seat = everywhere.seat(account, holder);
            let given = sets.given(&seat, &surface);
            let given = given.into_iter().fold(Bits::none(), |all, it| all.or(&it.bits));
            let given = given.and(&more);
            if !given.is_empty() {
                gained = gained.or(&given);
                holders.push(holder.entity().arn.clone());
            }
        }
        let class = gained.iter().map(|action| Class::of_level(action.level)).min()?;
        let (actions, examples) = (gained.len(), examples(&gained));
        Some(Gain { class, actions, examples, holders, unlooked })
    }
}

impl Gain {
    /// Says in one line what it is.
    pub fn line(&self) -> String {
        let examples = self.examples.join(", ");
        format!("{} protected actions with no end date, such as {examples}", self.actions)
    }

    /// Says so among the facts of the change.
    pub fn tell(&self, facts: &mut Facts) {
        let texts = |all: &[Box<str>]| all.iter().map(|it| it.to_string()).collect::<Vec<_>>();
        facts.set("gw.standing.class", self.class.name());
        facts.set("gw.standing.actions", i64::try_from(self.actions).unwrap_or(i64::MAX));
        facts.set("gw.standing.examples", texts(&self.examples));
        let (named, more) = self.holders.split_at(self.holders.len().min(MAX_NAMED));
        facts.set("gw.standing.holders", texts(named));
        let number = |of: usize| i64::try_from(of).unwrap_or(i64::MAX);
        if !more.is_empty() {
            facts.set("gw.standing.more", number(more.len()));
        }
        if self.unlooked > 0 {
            facts.set("gw.standing.unlooked", number(self.unlooked));
        }
    }
}

/// Returns the actions that a document allows with no end, on whatever resources and conditions.
fn lasting(document: &Document, now: Seconds) -> Bits {
    let facts = Known { values: Vec::new(), now: Some(now) };
    let mut bits = Bits::none();
    for statement in document.statements.iter().filter(|it| it.effect == Effect::Allow) {
        if standing(statement, &facts).is_some() {
            bits = bits.or(&Bits::listed(&statement.actions));
        }
    }
    for statement in document.statements.iter().filter(|it| it.effect == Effect::Deny) {
        let is_of_all = match &statement.resources {
            None => true,
            Some(Listed::Only(all)) => all.iter().any(|it| **it == *"*"),
            Some(Listed::AllBut(_)) => false,
        };
        let is_sure = denies_now(statement, &facts).is_some_and(|keys| keys.is_empty());
        if is_of_all && is_sure {
            bits = bits.less(&Bits::listed(&statement.actions));
        }
    }
    bits
}

/// Returns the users and roles for whom what a target says is in force.
///
/// Of one policy the first [`MAX_LOOKED`] are looked at; how many more there are is returned beside them.
fn touched<'a>(account: &'a Account, target: &Target) -> (Vec<Holder<'a>>, usize) {
    let has_group =
        |user: &User, fits: &dyn Fn(&str) -> bool| user.groups.iter().any(|group| fits(group));
    let users = || account.users.values();
    let mut found: Vec<Holder<'a>> = match target {
        Target::Identity { holder: Sort::User, name, .. } => {
            account.users.get(name).map(Holder::User).into_iter().collect()
        }
        Target::Identity { holder: Sort::Role, name, .. } => {
            account.roles.get(name).map(Holder::Role).into_iter().collect()
        }
        Target::Identity { holder: Sort::Group, name, .. } => {
            let is_it = |group: &str| *group == **name;
            users().filter(|user| has_group(user, &is_it)).map(Holder::User).collect()
        }
        Target::Managed { arn, .. } => {
            let is_of_it = |group: &str| {
                account.groups.get(group).is_some_and(|group| group.attached.contains(arn))
            };
            let has_it =
                |user: &&User| user.entity.attached.contains(arn) || has_group(user, &is_of_it);
            let roles = account.roles.values().filter(|role| role.entity.attached.contains(arn));
            users().filter(has_it).map(Holder::User).chain(roles.map(Holder::Role)).collect()
        }
        _ => Vec::new(),
    };
    let more = found.len().saturating_sub(MAX_LOOKED);
    found.truncate(MAX_LOOKED);
    (found, more)
}
