//! What bears on one user or role: its policies and those of its groups, its boundary, and the control policies above it.
//!
//! Source: IAM User Guide, "Policy evaluation logic"; Organizations User Guide, "SCP evaluation".
//!
//! Invariant: a policy that is there and not known is named in `unknown`, and allows and forbids nothing here.

use std::collections::BTreeSet;

use crate::iam::Document;
use crate::iam::State;
use crate::iam::policy::Text;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::Organization;
use crate::iam::state::Role;
use crate::iam::state::User;

/// A user or a role.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// A user.
    User(&'a User),
    /// A role.
    Role(&'a Role),
}

impl<'a> Holder<'a> {
    /// Returns what users and roles have in common.
    pub fn entity(&self) -> &'a Entity {
        match self {
            Self::User(user) => &user.entity,
            Self::Role(role) => &role.entity,
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &'a str {
        name_of(&self.entity().arn)
    }

    /// Returns whether a service has it for itself and nobody can change it.
    pub fn is_service_linked(&self) -> bool {
        self.entity().arn.contains(":role/aws-service-role/")
    }
}

/// Returns the last part of an ARN with a path.
pub fn name_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Returns the account in an ARN; empty if it has none.
pub fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// Returns the role of an ARN, if it is there.
pub fn role_of<'a>(state: &'a State, arn: &str) -> Option<&'a Role> {
    state.accounts.get(account_of(arn))?.roles.get(name_of(arn))
}

/// A policy that somebody has.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// Its name, of an inline policy, or its ARN.
    pub policy: &'a str,
    /// The group by which he has it.
    pub group: Option<&'a str>,
    /// What it says.
    pub document: &'a Document,
}

/// What bears on a user or role.
#[derive(Debug, Clone, Default)]
pub struct Holding<'a> {
    /// The policies that allow.
    pub held: Vec<Held<'a>>,
    /// The boundary.
    pub boundary: Option<&'a Document>,
    /// What is there and not known.
    pub unknown: BTreeSet<Box<str>>,
}

impl<'a> Holding<'a> {
    /// Gathers what bears on `holder`, who is in `account`.
    pub fn of(account: &'a Account, holder: Holder<'a>) -> Self {
        let mut all = Self::default();
        all.take(account, holder.entity(), None);
        if let Holder::User(user) = holder {
            for name in &user.groups {
                match account.groups.get(name) {
                    Some(group) => all.take(account, group, Some(name)),
                    None => all.miss(&format!("group {name}")),
                }
            }
        }
        if let Some(arn) = &holder.entity().boundary {
            all.boundary = match in_force(account, arn) {
                Some(Text::Known(document)) => Some(&**document),
                _ => {
                    all.miss(&format!("boundary {arn}"));
                    None
                }
            };
        }
        all
    }

    fn take(&mut self, account: &'a Account, entity: &'a Entity, group: Option<&'a str>) {
        for (policy, text) in &entity.inline {
            self.read(policy, group, Some(text));
        }
        for policy in &entity.attached {
            self.read(policy, group, in_force(account, policy));
        }
    }

    /// Adds a policy.
    pub fn read(&mut self, policy: &'a str, group: Option<&'a str>, text: Option<&'a Text>) {
        match text {
            Some(Text::Known(document)) => self.held.push(Held { policy, group, document }),
            _ => self.miss(&format!("policy {policy}")),
        }
    }

    fn miss(&mut self, what: &str) {
        self.unknown.insert(what.into());
    }
}

/// Returns the version of a managed policy that is in force.
pub fn in_force<'a>(account: &'a Account, arn: &str) -> Option<&'a Text> {
    let managed = account.policies.get(arn)?;
    managed.versions.get(&managed.default)
}

/// Returns the resource control policies above the account `id` that are known; the ids of the others are added to `unknown`.
/// The management account is bound by none.
pub fn guards<'a>(
    state: &'a State,
    id: &str,
    unknown: &mut BTreeSet<Box<str>>,
) -> Vec<&'a Document> {
    let Some(organization) = state.organization.as_ref().filter(|it| *it.management != *id) else {
        return Vec::new();
    };
    let (mut documents, mut at) = (Vec::new(), Some(id));
    // A tree of more levels than Organizations allows is a circle.
    for _ in 0..16 {
        let Some(here) = at else { break };
        at = organization.parents.get(here).map(|it| &**it);
        let attached = organization.attached.get(here).into_iter().flatten();
        let policies = attached.filter_map(|it| Some((it, organization.policies.get(it)?)));
        for (policy, it) in policies.filter(|(_, it)| &*it.kind == "RESOURCE_CONTROL_POLICY") {
            match &it.text {
                Text::Known(document) => documents.push(&**document),
                Text::Unknown(_) => {
                    unknown.insert(format!("resource control policy {policy}").into());
                }
            }
        }
    }
    documents
}

/// The control policies of the root, of a unit or of an account.
#[derive(Debug, Clone, Default)]
pub struct Level<'a> {
    /// Those that are known.
    pub documents: Vec<&'a Document>,
    /// Whether those are all.
    pub is_whole: bool,
}

/// The service control policy that AWS attaches to every root, unit and account.
///
/// Source: AWS Organizations User Guide, "Service control policies (SCPs)".
pub const FULL_ACCESS: &str = "p-FullAWSAccess";

/// The control policies above one account: a list per level, all of which have to allow.
#[derive(Debug, Clone, Default)]
pub struct Control<'a> {
    /// The documents attached at each level, from the root to the account.
    pub levels: Vec<Level<'a>>,
    /// What is there and not known.
    pub unknown: BTreeSet<Box<str>>,
}

impl<'a> Control<'a> {
    /// Gathers the service control policies above the account `id`.
    pub fn above(state: &'a State, id: &str) -> Self {
        let mut control = Self::default();
        let Some(organization) = &state.organization else {
            control.unknown.insert("service control policies".into());
            return control;
        };
        if *organization.management == *id {
            return control;
        }
        let mut at = Some(id);
        // A tree of more levels than Organizations allows is a circle.
        for _ in 0..16 {
            let Some(here) = at else { break };
            at = organization.parents.get(here).map(|it| &**it);
            if at.is_none() && here == id {
                control.unknown.insert(format!("service control policies above {id}").into());
                break;
            }
            let level = control.level(organization, here);
            control.levels.push(level);
        }
        control.levels.reverse();
        control
    }

    /// Gathers the service control policies attached at one level.
    fn level(&mut self, organization: &'a Organization, here: &str) -> Level<'a> {
        let mut level = Level { documents: Vec::new(), is_whole: true };
        for policy in organization.attached.get(here).into_iter().flatten() {
            let known = organization.policies.get(policy);
            match known.map(|it| (&*it.kind, &it.text)) {
                Some(("SERVICE_CONTROL_POLICY", Text::Known(document))) => {
                    level.documents.push(document);
                }
                // It allows everything, whether its text was read or not.
                None if **policy == *FULL_ACCESS => level.is_whole = false,
                // What nobody described may be one, and may allow anything.
                Some(("SERVICE_CONTROL_POLICY", Text::Unknown(_))) | None => {
                    level.is_whole = false;
                    self.unknown.insert(format!("service control policy {policy}").into());
                }
                Some(_) => {}
            }
        }
        if level.is_whole && level.documents.is_empty() {
            // There is always one where the type is enabled: either it is not, or this was not read.
            level.is_whole = false;
            self.unknown.insert(format!("service control policies of {here}").into());
        }
        level
    }
}
