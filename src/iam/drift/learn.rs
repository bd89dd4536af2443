//! Temporary: the state as records leave it, in the order in which they come.

use std::borrow::Cow;
use std::sync::Arc;

use crate::iam::drift::Step;
use crate::iam::drift::effect::Holder;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::managed;
use crate::iam::drift::made::ChangeId;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Role;
use crate::iam::state::State;
use crate::iam::state::User;
use crate::model::Event;
use crate::model::Record;
use crate::model::Slot;
use crate::model::TrailRecord;
use crate::store::Connection;
use crate::store::StoreError;
use crate::store::Tx;

/// What was read of policies before the first record.
#[derive(Debug, Default, Clone)]
pub struct Known {
    /// What stands.
    pub standing: Option<State>,
    /// What should.
    pub baseline: Option<State>,
}

/// The state.
#[derive(Debug, Default)]
pub struct History {
    state: State,
}

impl History {
    /// Begins with what is known.
    pub fn load(known: &Known, _connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self { state: known.standing.clone().unwrap_or_default() })
    }

    /// Writes.
    pub fn save(&mut self, _tx: &Tx<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns what stands.
    pub fn now(&self) -> &State {
        &self.state
    }

    /// Takes in a record.
    pub fn learn(&mut self, _id: &ChangeId, event: &Event<'_>) -> Option<Vec<Step>> {
        let Record::Trail(record) = &event.record else { return None };
        let id: Box<str> = record.slot_or_empty(Slot::RecipientAccountId).into();
        let account = self.state.accounts.entry(id.clone()).or_default();
        let name = record.slot_or_empty(Slot::EventName);
        let steps = of_iam(account, &id, &name, record)?;
        (!steps.is_empty()).then_some(steps)
    }
}

fn asked<'r>(record: &TrailRecord<'r>, field: &str) -> Option<Cow<'r, str>> {
    record.text(&format!("requestParameters.{field}"))
}

fn text(record: &TrailRecord<'_>, field: &str, kind: Kind) -> Text {
    match asked(record, field) {
        None => Text::Unknown("the document is not in the record".into()),
        Some(text) => match Document::parse(&text, kind) {
            Ok(document) => Text::Known(Arc::new(document)),
            Err(error) => Text::Unknown(error.to_string().into()),
        },
    }
}

fn entity<'a>(account: &'a mut Account, id: &str, holder: Holder, name: &str) -> &'a mut Entity {
    let new = || Entity {
        arn: format!("arn:aws:iam::{id}:{}/{name}", holder.name()).into(),
        ..Entity::default()
    };
    match holder {
        Holder::User => {
            let user = || User { entity: new(), ..User::default() };
            &mut account.users.entry(name.into()).or_insert_with(user).entity
        }
        Holder::Group => account.groups.entry(name.into()).or_insert_with(new),
        Holder::Role => {
            let trust = Text::Unknown("no snapshot tells".into());
            let role = || Role { entity: new(), trust, last_used: None };
            &mut account.roles.entry(name.into()).or_insert_with(role).entity
        }
    }
}

#[expect(clippy::too_many_lines, reason = "temporary")]
fn of_iam(
    account: &mut Account,
    id: &str,
    event: &str,
    record: &TrailRecord<'_>,
) -> Option<Vec<Step>> {
    let holder = [Holder::User, Holder::Group, Holder::Role].into_iter().find(|it| {
        let sort = it.name();
        event.to_ascii_lowercase().contains(sort)
    });
    let named = |holder: Holder| asked(record, &format!("{}Name", holder.name()));
    let acc: Box<str> = id.into();
    let none: Box<str> = "".into();
    let identity = |holder: Holder, name: &str| Target::Identity {
        account: acc.clone(),
        holder,
        name: name.into(),
    };
    let step = |target, item: String, before, after, earlier: Box<str>| {
        vec![Step { target, item: item.into(), before, after, earlier }]
    };
    Some(match event {
        "PutUserPolicy" | "PutGroupPolicy" | "PutRolePolicy" => {
            let holder = holder?;
            let (name, policy) = (named(holder)?, asked(record, "policyName")?);
            let after = text(record, "policyDocument", Kind::Identity);
            let of = entity(account, id, holder, &name);
            let before = of.inline.insert((&*policy).into(), after.clone());
            step(identity(holder, &name), format!("inline/{policy}"), before, Some(after), none)
        }
        "DeleteUserPolicy" | "DeleteGroupPolicy" | "DeleteRolePolicy" => {
            let holder = holder?;
            let (name, policy) = (named(holder)?, asked(record, "policyName")?);
            let before = entity(account, id, holder, &name).inline.remove(&*policy);
            step(identity(holder, &name), format!("inline/{policy}"), before, None, none)
        }
        "AttachUserPolicy" | "AttachGroupPolicy" | "AttachRolePolicy" => {
            let holder = holder?;
            let (name, arn) = (named(holder)?, asked(record, "policyArn")?);
            let after = managed(account, &arn);
            let is_new = entity(account, id, holder, &name).attached.insert((&*arn).into());
            let before = (!is_new).then(|| after.clone());
            step(identity(holder, &name), format!("attached/{arn}"), before, Some(after), none)
        }
        "DetachUserPolicy" | "DetachGroupPolicy" | "DetachRolePolicy" => {
            let holder = holder?;
            let (name, arn) = (named(holder)?, asked(record, "policyArn")?);
            let text = managed(account, &arn);
            let was = entity(account, id, holder, &name).attached.remove(&*arn);
            step(
                identity(holder, &name),
                format!("attached/{arn}"),
                was.then_some(text),
                None,
                none,
            )
        }
        "UpdateAssumeRolePolicy" => {
            let role = named(Holder::Role)?;
            let after = text(record, "policyDocument", Kind::Trust);
            entity(account, id, Holder::Role, &role);
            let of = account.roles.get_mut(&*role)?;
            let before = std::mem::replace(&mut of.trust, after.clone());
            let target = Target::Trust { account: acc.clone(), role: (&*role).into() };
            step(target, "trust".into(), Some(before), Some(after), none)
        }
        "CreateRole" => {
            let role = named(Holder::Role)?;
            let after = text(record, "assumeRolePolicyDocument", Kind::Trust);
            let arn = record.text("responseElements.role.arn").unwrap_or_default();
            let entity = Entity { arn: (&*arn).into(), ..Entity::default() };
            let of = Role { entity, trust: after.clone(), last_used: None };
            account.roles.insert((&*role).into(), of);
            let target = Target::Trust { account: acc.clone(), role: (&*role).into() };
            step(target, "trust".into(), None, Some(after), none)
        }
        "CreateUser" => {
            entity(account, id, Holder::User, &named(Holder::User)?);
            Vec::new()
        }
        "DeleteRole" => {
            let role = named(Holder::Role)?;
            let was = account.roles.remove(&*role)?;
            let target = Target::Trust { account: acc.clone(), role: (&*role).into() };
            step(target, "trust".into(), Some(was.trust), None, none)
        }
        "AddUserToGroup" | "RemoveUserFromGroup" => {
            let (user, group) = (named(Holder::User)?, named(Holder::Group)?);
            entity(account, id, Holder::User, &user);
            let of = account.users.get_mut(&*user)?;
            let there = Some(Text::Unknown("group".into()));
            let (before, after) = match event {
                "AddUserToGroup" => (!of.groups.insert((&*group).into()), true),
                _ => (of.groups.remove(&*group), false),
            };
            let (before, after) = (there.clone().filter(|_| before), there.filter(|_| after));
            step(identity(Holder::User, &user), format!("group/{group}"), before, after, none)
        }
        "PutUserPermissionsBoundary" | "PutRolePermissionsBoundary" => {
            let holder = holder?;
            let (name, arn) = (named(holder)?, asked(record, "permissionsBoundary")?);
            let was = entity(account, id, holder, &name).boundary.replace((&*arn).into());
            let before = was.as_ref().map(|arn| managed(account, arn));
            let after = managed(account, &arn);
            let target = Target::Boundary { account: acc, holder, name: (&*name).into() };
            step(target, "boundary".into(), before, Some(after), was.unwrap_or_default())
        }
        "DeleteUserPermissionsBoundary" | "DeleteRolePermissionsBoundary" => {
            let holder = holder?;
            let name = named(holder)?;
            let was = entity(account, id, holder, &name).boundary.take()?;
            let before = managed(account, &was);
            let target = Target::Boundary { account: acc, holder, name: (&*name).into() };
            step(target, "boundary".into(), Some(before), None, was)
        }
        "CreatePolicy" => {
            let arn = record.text("responseElements.policy.arn")?;
            let after = text(record, "policyDocument", Kind::Identity);
            let versions = [("v1".into(), after.clone())].into();
            let policy = Managed { versions, default: "v1".into() };
            account.policies.insert((&*arn).into(), policy);
            let target = Target::Managed { account: acc, arn: (&*arn).into() };
            step(target, "default".into(), None, Some(after), none)
        }
        "CreatePolicyVersion" | "SetDefaultPolicyVersion" => {
            let arn = asked(record, "policyArn")?;
            let before = managed(account, &arn);
            let of = account.policies.entry((&*arn).into()).or_default();
            let earlier = of.default.clone();
            let version = match event {
                "CreatePolicyVersion" => record.text("responseElements.policyVersion.versionId")?,
                _ => asked(record, "versionId")?,
            };
            if event == "CreatePolicyVersion" {
                let after = text(record, "policyDocument", Kind::Identity);
                of.versions.insert((&*version).into(), after);
            }
            of.default = (&*version).into();
            let after = managed(account, &arn);
            let target = Target::Managed { account: acc, arn: (&*arn).into() };
            step(target, "default".into(), Some(before), Some(after), earlier)
        }
        _ => return None,
    })
}

/// Returns whether a record may change a policy.
pub fn concerns(record: &TrailRecord<'_>) -> bool {
    record.slot_raw(Slot::EventSource) == Some("\"iam.amazonaws.com\"")
        && record.slot_raw(Slot::ReadOnly) != Some("true")
        && record.slot_or_empty(Slot::ErrorCode).is_empty()
}
