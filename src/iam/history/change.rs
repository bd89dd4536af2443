//! What an event changed: the pieces of its target that say something else than before.
//!
//! Invariant: a piece that says the same before and after is no change; a text that is not known is named, never left out.

use std::collections::BTreeMap;

use crate::iam::block;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::holding::FULL_ACCESS;
use crate::iam::network;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::sharing::Share;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::PermissionSet;
use crate::iam::state::State;

/// A user, group or role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum Holder {
    User,
    Group,
    Role,
}

/// Something that policies speak of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "what each names is what its variant is about")]
pub enum Target {
    /// What a user, group or role may do.
    Identity { account: Box<str>, holder: Holder, name: Box<str> },
    /// The most that a user or role may do.
    Boundary { account: Box<str>, holder: Holder, name: Box<str> },
    /// Who may take a role.
    Trust { account: Box<str>, role: Box<str> },
    /// A managed policy.
    Managed { account: Box<str>, arn: Box<str> },
    /// The policy of a resource.
    Resource { account: Box<str>, arn: Box<str> },
    /// What a security group lets in and out.
    Network { account: Box<str>, arn: Box<str> },
    /// What is kept from outside whatever policies say.
    Block { account: Box<str>, arn: Box<str> },
    /// What a permission set gives.
    Set { arn: Box<str> },
    /// What the organisation's policies of a kind let pass at a root, unit or account.
    Node { id: Box<str>, kind: Kind },
    /// A policy of the organisation.
    Organization { id: Box<str>, kind: Kind },
}

/// One piece of a target that says something else than before.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What it was changed of.
    pub target: Target,
    /// Which of the target's pieces: `inline/NAME`, `attached/ARN`, `group/NAME`, `referenced/NAME`, `statement/SID`,
    /// `grant/ID`, `share/ARN`, `trust`, `boundary`, `default` (of a managed policy's versions), `policy`, `inline`, `rules`,
    /// `block`.
    pub item: Box<str>,
    /// What it said before; nothing where it was not there.
    pub before: Option<Text>,
    /// What it says now; nothing where it is gone.
    pub after: Option<Text>,
    /// The version, or the boundary, that was in force before; empty if none was.
    pub earlier: Box<str>,
    /// Whether what was changed is gone, so that nobody can do with it what was forbidden before.
    pub is_gone: bool,
}

/// A piece's place and what it says; the name behind it is that of a version or of a boundary.
type Pieces = BTreeMap<(Target, Box<str>), (Text, Box<str>)>;

/// Returns what an edit changed of the thing at `key`; `state` says what managed policies say.
pub(super) fn between(
    key: &Key,
    edit: &Edit,
    (before, after): (Option<&Thing>, Option<&Thing>),
    state: &State,
) -> Vec<Change> {
    if let Some(change) = of_statement(key, edit, before) {
        return vec![change];
    }
    if matches!(edit, Edit::RenamedTo { .. } | Edit::RenamedFrom { .. }) {
        // A new name alone gives nobody anything.
        return Vec::new();
    }
    if let (None, Edit::Version { is_default: false, .. }) = (before, edit) {
        // Of a policy that nobody told of, the version in force is the same as before.
        return Vec::new();
    }
    let mut olds = before.map(|thing| pieces(key, thing, state)).unwrap_or_default();
    let mut news = after.map(|thing| pieces(key, thing, state)).unwrap_or_default();
    if let (Key::Node { .. }, Edit::Attached { arn }) = (key, edit) {
        // What stood there before and was not known is no change.
        let item = format!("attached/{arn}");
        news.retain(|place, _| *place.1 == *item || olds.contains_key(place));
    }
    if before.is_none() && !matches!(edit, Edit::Made(_) | Edit::Trust { .. }) {
        // Of a role that nobody told of before, who may take it did not change.
        news.retain(|(target, _), _| !matches!(target, Target::Trust { .. }));
    }
    if matches!(edit, Edit::Made(_) | Edit::Deleted) {
        // What comes with its blocks, or goes with them, opens nothing.
        news.retain(|(target, _), _| !matches!(target, Target::Block { .. }));
        olds.retain(|(target, _), _| !matches!(target, Target::Block { .. }));
    }
    let is_gone = ends(key, edit);
    let mut changes = Vec::new();
    for ((target, item), (text, name)) in news {
        let old = olds.remove(&(target.clone(), item.clone()));
        let is_same = old
            .as_ref()
            .is_some_and(|(old, earlier)| *earlier == name && *old == text && !said(edit, &text));
        if !is_same {
            let (mut before, earlier) = old.unzip();
            if before.is_none() && is_untold(edit) {
                before = Some(Text::Unknown("no snapshot and no event told it".into()));
            }
            let earlier = earlier.unwrap_or_default();
            changes.push(Change { target, item, before, after: Some(text), earlier, is_gone });
        }
    }
    for ((target, item), (text, earlier)) in olds {
        changes.push(Change { target, item, before: Some(text), after: None, earlier, is_gone });
    }
    changes
}

/// Returns whether what `edit` changes was there before, though nobody told what it said: every role has a trust policy, and
/// every managed policy a version in force.
fn is_untold(edit: &Edit) -> bool {
    matches!(edit, Edit::Trust { .. } | Edit::Version { .. } | Edit::Default { .. })
}

/// Returns whether `edit` takes away the thing itself, and not only what a policy says of it.
fn ends(key: &Key, edit: &Edit) -> bool {
    match (key, edit) {
        (_, Edit::Gone) => true,
        // A unit can be deleted only where nothing is below it; an account that leaves is there still.
        (Key::Node { id }, Edit::Deleted) => id.starts_with("ou-"),
        (
            Key::User { .. } | Key::Group { .. } | Key::Role { .. } | Key::Policy { .. },
            Edit::Deleted,
        ) => true,
        (Key::Control { .. } | Key::Set { .. }, Edit::Deleted) => true,
        _ => false,
    }
}

/// Returns whether `edit` wrote `text` though nobody can read it: it may be the same as before, or not.
fn said(edit: &Edit, text: &Text) -> bool {
    let written = match edit {
        Edit::Inline { text, .. } | Edit::SetInline { text } | Edit::Content { text, .. } => {
            text.as_ref()
        }
        Edit::Trust { text } | Edit::Policy { text } | Edit::Version { text, .. } => Some(text),
        _ => None,
    };
    // That a block was written again and is as it was is told, so that nobody takes it for gone.
    matches!(edit, Edit::Blocked { .. })
        || matches!(text, Text::Unknown(_)) && written == Some(text)
}

/// Returns the change of one statement of a policy whose other statements may not be known.
fn of_statement(key: &Key, edit: &Edit, before: Option<&Thing>) -> Option<Change> {
    let Key::Resource { account, arn } = key else { return None };
    let (sid, after) = match edit {
        Edit::StatementPut { sid, text } => (sid, Some(text.clone())),
        Edit::StatementRemoved { sid } => (sid, None),
        _ => return None,
    };
    // Where the rest is known the change is one of the whole policy.
    if let Some(Thing::Resource(Text::Known(_))) = before {
        return None;
    }
    let unread = || Text::Unknown("no snapshot and no event told it".into());
    Some(Change {
        target: Target::Resource { account: account.clone(), arn: arn.clone() },
        item: format!("statement/{sid}").into(),
        before: after.is_none().then(unread),
        after,
        earlier: "".into(),
        is_gone: false,
    })
}

fn pieces(key: &Key, thing: &Thing, state: &State) -> Pieces {
    let mut all = Pieces::new();
    let account = Box::<str>::from(key.account());
    let mut put = |target: Target, item: String, text: Text, name: &str| {
        all.insert((target, item.into()), (text, name.into()));
    };
    match (key, thing) {
        (Key::User { name, .. }, Thing::User(user)) => {
            of_entity((Holder::User, &account, name), &user.entity, state, &mut put);
            for group in &user.groups {
                let target = identity(Holder::User, &account, name);
                let text = Text::Unknown(format!("what group {group} gives").into());
                put(target, format!("group/{group}"), text, "");
            }
        }
        (Key::Group { name, .. }, Thing::Group(entity)) => {
            of_entity((Holder::Group, &account, name), entity, state, &mut put);
        }
        (Key::Role { name, .. }, Thing::Role(role)) => {
            let target = Target::Trust { account: account.clone(), role: name.clone() };
            put(target, "trust".to_owned(), role.trust.clone(), "");
            of_entity((Holder::Role, &account, name), &role.entity, state, &mut put);
        }
        (Key::Policy { arn, .. }, Thing::Policy(policy)) => {
            let target = Target::Managed { account, arn: arn.clone() };
            put(target, "default".to_owned(), in_force(policy, arn), &policy.default);
        }
        (Key::Resource { arn, .. }, Thing::Resource(text)) => {
            let target = Target::Resource { account, arn: arn.clone() };
            put(target, "policy".to_owned(), text.clone(), "");
        }
        (Key::Grant { key, id, .. }, Thing::Grant(text)) => {
            let target = Target::Resource { account, arn: key.clone() };
            put(target, format!("grant/{id}"), text.clone(), "");
        }
        (Key::Network { arn, .. }, Thing::Network(rules)) => {
            let target = Target::Network { account, arn: arn.clone() };
            put(target, "rules".to_owned(), network::document(rules), "");
        }
        (Key::Share { arn, .. }, Thing::Share(share)) => of_share(&account, arn, share, &mut put),
        (Key::Block { arn, .. }, Thing::Block(blocks)) => {
            let target = Target::Block { account, arn: arn.clone() };
            put(target, "block".to_owned(), block::document(blocks), "");
        }
        (Key::Node { id }, Thing::Node(node)) => {
            for policy in &node.attached {
                let (kind, text) = control(state, policy);
                let target = Target::Node { id: id.clone(), kind };
                put(target, format!("attached/{policy}"), text, "");
            }
        }
        (Key::Control { id }, Thing::Control(policy)) => {
            if let Some(kind) = control_kind(&policy.kind) {
                let target = Target::Organization { id: id.clone(), kind };
                put(target, "policy".to_owned(), policy.text.clone(), "");
            }
        }
        (Key::Set { arn }, Thing::Set(set)) => of_set(arn, set, state, &mut put),
        _ => {}
    }
    all
}

fn of_share(
    account: &str,
    arn: &str,
    share: &Share,
    put: &mut dyn FnMut(Target, String, Text, &str),
) {
    for resource in &share.resources {
        let target = Target::Resource { account: account.into(), arn: resource.clone() };
        if let Some(text) = share.document(resource) {
            put(target, format!("share/{arn}"), text, "");
        }
    }
    if share.admits_strangers == Some(false) {
        let target = Target::Block { account: account.into(), arn: arn.into() };
        put(target, "block".to_owned(), block::document(&[block::STRANGERS.into()].into()), "");
    }
}

fn of_set(
    arn: &str,
    set: &PermissionSet,
    state: &State,
    put: &mut dyn FnMut(Target, String, Text, &str),
) {
    let target = || Target::Set { arn: arn.into() };
    if let Some(text) = &set.inline {
        put(target(), "inline".to_owned(), text.clone(), "");
    }
    for policy in &set.attached {
        put(target(), format!("attached/{policy}"), of_aws(state, policy), "");
    }
    for name in &set.referenced {
        let text = Text::Unknown("each account has its own policy of that name".into());
        put(target(), format!("referenced/{name}"), text, "");
    }
    if let Some(boundary) = &set.boundary {
        put(target(), "boundary".to_owned(), of_aws(state, boundary), boundary);
    }
}

fn identity(holder: Holder, account: &str, name: &str) -> Target {
    Target::Identity { account: account.into(), holder, name: name.into() }
}

fn of_entity(
    (holder, account, name): (Holder, &str, &str),
    entity: &Entity,
    state: &State,
    put: &mut dyn FnMut(Target, String, Text, &str),
) {
    for (policy, text) in &entity.inline {
        put(identity(holder, account, name), format!("inline/{policy}"), text.clone(), "");
    }
    for arn in &entity.attached {
        let text = managed(state, account, arn);
        put(identity(holder, account, name), format!("attached/{arn}"), text, "");
    }
    if let Some(arn) = &entity.boundary {
        let target = Target::Boundary { account: account.into(), holder, name: name.into() };
        put(target, "boundary".to_owned(), managed(state, account, arn), arn);
    }
}

/// Returns what a managed policy says in an account.
pub(super) fn managed(state: &State, account: &str, arn: &str) -> Text {
    let policy = state.accounts.get(account).and_then(|it| it.policies.get(arn));
    policy.map_or_else(|| not_told(arn), |policy| in_force(policy, arn))
}

fn of_aws(state: &State, arn: &str) -> Text {
    let mut accounts = state.accounts.values();
    let policy = accounts.find_map(|account| account.policies.get(arn));
    policy.map_or_else(|| not_told(arn), |policy| in_force(policy, arn))
}

fn in_force(policy: &Managed, arn: &str) -> Text {
    policy.versions.get(&policy.default).cloned().unwrap_or_else(|| not_told(arn))
}

fn not_told(arn: &str) -> Text {
    Text::Unknown(format!("no snapshot and no event tells what {arn} says").into())
}

fn control(state: &State, id: &str) -> (Kind, Text) {
    if id == FULL_ACCESS {
        return (Kind::ServiceControl, Text::Known(Document::absent(Kind::ServiceControl).into()));
    }
    let known = state.organization.as_ref().and_then(|it| it.policies.get(id));
    let kind = known.and_then(|policy| control_kind(&policy.kind));
    // Most are service control policies; the text says that it is not known.
    let text = known.map_or_else(|| not_told(id), |policy| policy.text.clone());
    (kind.unwrap_or(Kind::ServiceControl), text)
}

/// Returns the sort of a policy of the organisation; one without a name may be of any.
pub(super) fn control_kind(name: &str) -> Option<Kind> {
    match name {
        "SERVICE_CONTROL_POLICY" | "" => Some(Kind::ServiceControl),
        "RESOURCE_CONTROL_POLICY" => Some(Kind::ResourceControl),
        _ => None,
    }
}
