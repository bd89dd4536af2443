//! What policies come to for one target: of a user all that they may do, of a role also who may take it.
//!
//! A change is compared by what its target comes to before and after, so that a policy which gives what another gives already
//! is no change.
//!
//! Invariant: a text that is not known is named and never taken for empty.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::iam::block;
use crate::iam::block::Blocks;
use crate::iam::drift::gone::is_gone;
pub use crate::iam::history::change::Holder;
pub use crate::iam::history::change::Target;
use crate::iam::holding::FULL_ACCESS;
use crate::iam::network;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Kind;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::IdentityCenter;
use crate::iam::state::Managed;
use crate::iam::state::State;

impl Holder {
    /// Returns the word for it in ARNs and in the names of calls.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
        }
    }
}

impl Target {
    /// Returns the sort of its policies.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Identity { .. } | Self::Managed { .. } | Self::Set { .. } => Kind::Identity,
            Self::Boundary { .. } => Kind::Boundary,
            Self::Trust { .. } => Kind::Trust,
            // What passes an endpoint is limited by its policy, and given by others.
            Self::Resource { arn, .. } if arn.contains(":vpc-endpoint/") => Kind::ResourceControl,
            Self::Resource { .. } => Kind::Resource,
            Self::Network { .. } => Kind::Network,
            Self::Block { .. } => Kind::AccessBlock,
            Self::Node { kind, .. } | Self::Organization { kind, .. } => *kind,
        }
    }

    /// Returns the account it is in; empty for what belongs to the organisation.
    pub fn account(&self) -> &str {
        match self {
            Self::Identity { account, .. }
            | Self::Boundary { account, .. }
            | Self::Trust { account, .. }
            | Self::Managed { account, .. }
            | Self::Resource { account, .. }
            | Self::Network { account, .. }
            | Self::Block { account, .. } => account,
            Self::Set { .. } | Self::Node { .. } | Self::Organization { .. } => "",
        }
    }

    /// Returns its ARN, or the id that stands for one.
    pub fn arn(&self, state: &State) -> Box<str> {
        match self {
            Self::Identity { account, holder, name } | Self::Boundary { account, holder, name } => {
                arn_of(state, account, *holder, name)
            }
            Self::Trust { account, role } => arn_of(state, account, Holder::Role, role),
            Self::Managed { arn, .. }
            | Self::Resource { arn, .. }
            | Self::Network { arn, .. }
            | Self::Block { arn, .. }
            | Self::Set { arn } => arn.clone(),
            Self::Node { id, .. } | Self::Organization { id, .. } => id.clone(),
        }
    }
}

fn arn_of(state: &State, account: &str, holder: Holder, name: &str) -> Box<str> {
    let known = state.accounts.get(account).and_then(|it| entity(it, holder, name));
    match known.map(|entity| &entity.arn).filter(|arn| !arn.is_empty()) {
        Some(arn) => arn.clone(),
        None => format!("arn:aws:iam::{account}:{}/{name}", holder.name()).into(),
    }
}

/// Returns how many users, groups and roles of an account a managed policy is in force for.
pub(super) fn holders(state: &State, account: &str, arn: &str) -> usize {
    let Some(account) = state.accounts.get(account) else { return 0 };
    let users = account.users.values().map(|user| &user.entity);
    let roles = account.roles.values().map(|role| &role.entity);
    let all = users.chain(roles).chain(account.groups.values());
    all.filter(|entity| entity.attached.contains(arn) || entity.boundary.as_deref() == Some(arn))
        .count()
}

/// Returns a user, group or role of an account.
pub fn entity<'s>(account: &'s Account, holder: Holder, name: &str) -> Option<&'s Entity> {
    match holder {
        Holder::User => account.users.get(name).map(|user| &user.entity),
        Holder::Group => account.groups.get(name),
        Holder::Role => account.roles.get(name).map(|role| &role.entity),
    }
}

/// One of the policies that a target comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// What of the target it is: `inline/NAME`, `attached/ARN`, `group/NAME/inline/NAME`, `trust`, `boundary`, `policy`,
    /// `grant/ID`, `share/ARN`, `rules`, `block`.
    pub name: Box<str>,
    /// What it says.
    pub text: Text,
}

/// Returns the policies that a target comes to in `state`.
pub fn pieces(state: &State, target: &Target) -> Vec<Piece> {
    let account = state.accounts.get(target.account());
    let one = |name: &str, text: &Text| vec![Piece { name: name.into(), text: text.clone() }];
    match target {
        Target::Identity { holder, name, .. } => {
            account.map(|it| of_identity(it, *holder, name)).unwrap_or_default()
        }
        Target::Boundary { holder, name, .. } => {
            let bound = account.and_then(|it| entity(it, *holder, name)?.boundary.as_deref());
            let text = bound.zip(account).map(|(arn, account)| managed(account, arn));
            text.map(|text| one("boundary", &text)).unwrap_or_default()
        }
        Target::Trust { role, .. } => {
            let role = account.and_then(|it| it.roles.get(role));
            role.map(|role| one("trust", &role.trust)).unwrap_or_default()
        }
        Target::Managed { arn, .. } => {
            let known = account.filter(|it| it.policies.contains_key(arn));
            known.map(|it| one("default", &managed(it, arn))).unwrap_or_default()
        }
        Target::Resource { arn, .. } => account.map(|it| of_resource(it, arn)).unwrap_or_default(),
        Target::Network { arn, .. } => {
            let rules = account.and_then(|it| it.networks.get(arn));
            rules.map(|rules| one("rules", &network::document(rules))).unwrap_or_default()
        }
        Target::Block { arn, .. } => {
            let blocks = account.and_then(|it| blocks(it, arn));
            blocks.map(|blocks| one("block", &block::document(&blocks))).unwrap_or_default()
        }
        Target::Set { arn } => of_set(&state.identity_center, arn),
        Target::Node { id, kind } => of_node(state, id, *kind),
        Target::Organization { id, .. } => {
            let policy = state.organization.as_ref().and_then(|it| it.policies.get(id));
            policy.map(|policy| one("policy", &policy.text)).unwrap_or_default()
        }
    }
}

/// Returns what lets others use a resource: its policy, the grants on it, the shares that it is in.
fn of_resource(account: &Account, arn: &str) -> Vec<Piece> {
    let policy = account.resources.get(arn).map(|text| ("policy".into(), text.clone()));
    let grants = account.grants.get(arn).into_iter().flatten();
    let grants = grants.map(|(id, text)| (format!("grant/{id}").into(), text.clone()));
    let shares = account.shares.iter().filter(|(_, share)| share.resources.contains(arn));
    let shares =
        shares.filter_map(|(share, it)| Some((format!("share/{share}").into(), it.document(arn)?)));
    let all = policy.into_iter().chain(grants).chain(shares);
    all.map(|(name, text)| Piece { name, text }).collect()
}

/// Returns the blocks that are in force on something of an account, where that is known.
fn blocks(account: &Account, arn: &str) -> Option<Blocks> {
    let share = account.shares.get(arn).filter(|it| it.admits_strangers == Some(false));
    let of_share = share.map(|_| [block::STRANGERS.into()].into());
    account.blocks.get(arn).cloned().or(of_share)
}

fn of_identity(account: &Account, holder: Holder, name: &str) -> Vec<Piece> {
    let Some(own) = entity(account, holder, name) else { return Vec::new() };
    let mut pieces = Vec::new();
    of_entity(account, own, "", &mut pieces);
    let groups = account.users.get(name).filter(|_| holder == Holder::User);
    for group in groups.iter().flat_map(|user| &user.groups) {
        if let Some(entity) = account.groups.get(group) {
            of_entity(account, entity, &format!("group/{group}/"), &mut pieces);
        }
    }
    pieces
}

fn of_entity(account: &Account, entity: &Entity, prefix: &str, pieces: &mut Vec<Piece>) {
    for (name, text) in &entity.inline {
        let name = format!("{prefix}inline/{name}").into();
        pieces.push(Piece { name, text: text.clone() });
    }
    for arn in &entity.attached {
        let name = format!("{prefix}attached/{arn}").into();
        pieces.push(Piece { name, text: managed(account, arn) });
    }
}

fn of_set(center: &IdentityCenter, arn: &str) -> Vec<Piece> {
    let Some(set) = center.sets.get(arn) else { return Vec::new() };
    let mut pieces = Vec::new();
    if let Some(text) = &set.inline {
        pieces.push(Piece { name: "inline".into(), text: text.clone() });
    }
    for arn in &set.attached {
        let text = of_aws(arn).unwrap_or_else(|| not_there(arn));
        pieces.push(Piece { name: format!("attached/{arn}").into(), text });
    }
    for name in &set.referenced {
        let text = Text::Unknown("each account has its own policy of that name".into());
        pieces.push(Piece { name: format!("referenced/{name}").into(), text });
    }
    pieces
}

fn of_node(state: &State, id: &str, kind: Kind) -> Vec<Piece> {
    let Some(organization) = &state.organization else { return Vec::new() };
    let attached = organization.attached.get(id).into_iter().flatten();
    let text = |id: &str| match organization.policies.get(id) {
        Some(policy) => (kind_of(&policy.kind) == Some(kind)).then(|| policy.text.clone()),
        None if (id, kind) == (FULL_ACCESS, Kind::ServiceControl) => {
            Some(Text::Known(Document::absent(kind).into()))
        }
        None => None,
    };
    let pieces = attached
        .filter_map(|id| Some(Piece { name: format!("attached/{id}").into(), text: text(id)? }));
    pieces.collect()
}

/// Returns the sort of a policy of the organisation, if it is one that authorises.
pub fn kind_of(kind: &str) -> Option<Kind> {
    match kind {
        "SERVICE_CONTROL_POLICY" => Some(Kind::ServiceControl),
        "RESOURCE_CONTROL_POLICY" => Some(Kind::ResourceControl),
        _ => None,
    }
}

/// Returns what the managed policy `arn` says in `account`.
pub fn managed(account: &Account, arn: &str) -> Text {
    let known = account.policies.get(arn).and_then(Managed::in_force);
    known.cloned().or_else(|| of_aws(arn)).unwrap_or_else(|| not_there(arn))
}

fn not_there(arn: &str) -> Text {
    Text::Unknown(format!("no snapshot and no event tells what {arn} says").into())
}

impl Managed {
    /// Returns the text that is in force.
    pub fn in_force(&self) -> Option<&Text> {
        self.versions.get(&self.default)
    }
}

/// Returns the few policies of AWS's own that have never changed in what matters, for where no snapshot was read: IAM User
/// Guide, "AWS managed policies for job functions".
pub fn of_aws(arn: &str) -> Option<Text> {
    let name = arn.strip_prefix("arn:aws:iam::aws:policy/")?;
    let of = |actions: Listed<Box<str>>| Statement {
        sid: None,
        effect: Effect::Allow,
        principals: None,
        actions,
        resources: Some(Listed::Only(vec!["*".into()])),
        conditions: Vec::new(),
    };
    let only = |actions: &[&str]| Listed::Only(actions.iter().map(|it| (*it).into()).collect());
    let statements = match name {
        "AdministratorAccess" => vec![of(only(&["*"]))],
        "IAMFullAccess" => vec![of(only(&["iam:*"]))],
        "PowerUserAccess" => {
            let others = ["account:*", "iam:*", "organizations:*"];
            vec![of(Listed::AllBut(others.iter().map(|it| (*it).into()).collect()))]
        }
        _ => return None,
    };
    Some(Text::Known(Arc::new(Document { language: Language::Of2012, statements })))
}

/// What pieces come to together.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// All that is known of it.
    pub document: Document,
    /// Whether there is any piece.
    pub is_there: bool,
    /// The pieces whose text is not known, each with why.
    pub unknown: Vec<String>,
    /// Whether the target itself is gone: what it was forbidden, nobody can do.
    pub is_gone: bool,
}

impl Whole {
    /// Joins pieces.
    ///
    /// Variables mean nothing in the older language; a join of both reads them as the newer does, as whoever writes one means it.
    pub fn of(pieces: &[Piece]) -> Self {
        let (mut statements, mut unknown) = (Vec::new(), Vec::new());
        let mut language = Language::Of2008;
        for piece in pieces {
            match &piece.text {
                Text::Known(document) => {
                    language = language.max(document.language);
                    let plain = document.statements.iter().cloned();
                    statements.extend(plain.map(|it| Statement { sid: None, ..it }));
                }
                Text::Unknown(why) => unknown.push(format!("{}: {why}", piece.name)),
            }
        }
        statements.sort();
        statements.dedup();
        let document = Document { language, statements };
        Self { document, is_there: !pieces.is_empty(), unknown, is_gone: false }
    }

    /// Returns what `target` comes to in `state`, in which all is known of where it is.
    pub fn standing(state: &State, target: &Target) -> Self {
        Self { is_gone: is_gone(state, target), ..Self::of(&pieces(state, target)) }
    }

    /// Returns the document, or what it means that there is none.
    pub fn meant(&self, kind: Kind) -> Document {
        if self.is_there { self.document.clone() } else { Document::absent(kind) }
    }

    /// Returns the digest that `gw.policy.before` and `gw.policy.after` show.
    pub fn digest(&self) -> String {
        match (self.is_there, self.unknown.is_empty()) {
            (false, _) => "none".to_owned(),
            (true, false) => "unknown".to_owned(),
            // The form for debugging is a text of all that a document is, and of nothing else.
            (true, true) => format!("{:016x}", xxh3_64(format!("{:?}", self.document).as_bytes())),
        }
    }
}
