//! The policies of who acts: his own, those of his groups, and his boundary.
//!
//! Invariant: a policy that is named and not known may allow and may deny.

use std::sync::LazyLock;

use crate::iam::evaluate::principal::Named;
use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::scene::Sort;
use crate::iam::evaluate::sum::Gathered;
use crate::iam::evaluate::sum::Place;
use crate::iam::evaluate::sum::Sum;
use crate::iam::evaluate::truth::Truth;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::State;

/// The policy that allows everything, as AWS writes it: `AdministratorAccess`, `FullAWSAccess`, `RCPFullAWSAccess`.
pub(super) static EVERYTHING: LazyLock<Text> = LazyLock::new(|| {
    let statement = Statement {
        sid: None,
        effect: Effect::Allow,
        principals: None,
        actions: Listed::Only(vec!["*".into()]),
        resources: Some(Listed::Only(vec!["*".into()])),
        conditions: Vec::new(),
    };
    let document = Document { language: Language::Of2012, statements: vec![statement] };
    Text::Known(document.into())
});

/// Adds what the state knows of who acts.
pub(super) fn introduce<'a>(state: &'a State, scene: &mut Scene<'a>) {
    let who = scene.who;
    let Some(account) = who.account.and_then(|id| state.accounts.get(id)) else { return };
    let found = match who.sort {
        Sort::User { name } => account.users.get(name).map(|user| &user.entity),
        Sort::Role { name } | Sort::Session { role: name } => {
            account.roles.get(name).map(|role| &role.entity)
        }
        _ => None,
    };
    // A name without the right path is somebody else's.
    let is_session = matches!(who.sort, Sort::Session { .. });
    scene.entity = found.filter(|entity| is_session || *entity.arn == *who.name);
}

/// Returns what the identity policies say.
pub(super) fn policies(state: &State, scene: &Scene<'_>, gathered: &mut Gathered) -> Sum {
    let mut sum = Sum::NONE;
    let who = &scene.who;
    let Some(id) = who.account else { return sum };
    if who.sort == Sort::Root {
        sum.allow = Named { direct: Truth::True, role: Truth::False, account: Truth::False };
        return sum;
    }
    if matches!(who.sort, Sort::Session { .. }) {
        gathered.miss("the session policy of the session, if it was given one");
    }
    let account = state.accounts.get(id);
    let is_whole = account.is_some_and(|account| account.is_whole);
    if !is_whole {
        gathered.miss(format!("account {id}: no snapshot of it was read"));
    }
    match (scene.entity, account) {
        (Some(entity), Some(account)) => {
            holder(account, entity, scene, &mut sum, gathered);
            if let Sort::User { name } = who.sort {
                groups(account, name, scene, &mut sum, gathered);
            }
        }
        _ => gathered.miss(match who.sort {
            Sort::FederatedUser => {
                format!("{}: the policies of the user who made this session", who.name)
            }
            _ => format!("{}: nobody of that name is known in account {id}", who.name),
        }),
    }
    let is_known = is_whole && who.sort != Sort::FederatedUser;
    if !is_known {
        // There may be policies that were not read.
        sum.allow.direct = sum.allow.direct.or(Truth::needs(who.name));
    }
    sum
}

/// Returns what the boundary says; `None` without one.
pub(super) fn boundary(state: &State, scene: &Scene<'_>, gathered: &mut Gathered) -> Option<Sum> {
    let account = state.accounts.get(scene.who.account?)?;
    let arn = scene.entity?.boundary.as_deref()?;
    let mut sum = Sum::NONE;
    let place = Place::Boundary { arn };
    managed(account, arn, scene, &mut sum, &place, gathered);
    Some(sum)
}

/// Adds the policies of a user, group or role.
fn holder(
    account: &Account,
    entity: &Entity,
    scene: &Scene<'_>,
    sum: &mut Sum,
    gathered: &mut Gathered,
) {
    for (name, text) in &entity.inline {
        let place = Place::Inline { name, holder: &entity.arn };
        gathered.policy(scene, sum, &place, text);
    }
    for arn in &entity.attached {
        managed(account, arn, scene, sum, &Place::Managed { arn }, gathered);
    }
}

fn groups(
    account: &Account,
    user: &str,
    scene: &Scene<'_>,
    sum: &mut Sum,
    gathered: &mut Gathered,
) {
    for name in account.users.get(user).into_iter().flat_map(|user| &user.groups) {
        match account.groups.get(name) {
            Some(group) => holder(account, group, scene, sum, gathered),
            None => gathered.lost(sum, &Place::Managed { arn: &format!("group {name}") }),
        }
    }
}

/// Adds the version of a managed policy that is in force.
fn managed(
    account: &Account,
    arn: &str,
    scene: &Scene<'_>,
    sum: &mut Sum,
    place: &Place<'_>,
    gathered: &mut Gathered,
) {
    let found = account.policies.get(arn);
    let text = found.and_then(|policy| policy.versions.get(&policy.default));
    match text {
        Some(text) => gathered.policy(scene, sum, place, text),
        None if arn.ends_with(":iam::aws:policy/AdministratorAccess") => {
            gathered.policy(scene, sum, place, &EVERYTHING);
        }
        None => gathered.lost(sum, place),
    }
}
