//! Things of which an event tells before anybody told that they are there.
//!
//! Invariant: what nobody told is said to be not known, or is empty where only what was told counts.

use crate::iam::history::thing::Key;
use crate::iam::history::thing::Node;
use crate::iam::history::thing::Thing;
use crate::iam::policy::Text;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::Role;
use crate::iam::state::User;

/// Why there is a text of which only a part is known.
const PART: &str = "no snapshot tells what stood before its statements were changed one by one";

/// Returns a thing of which no more is known than that it is there.
pub(super) fn bare(key: &Key) -> Option<Thing> {
    let untold: Text = Text::Unknown("no snapshot and no event told it".into());
    let entity = |sort: &str, account: &str, name: &str| Entity {
        arn: format!("arn:aws:iam::{account}:{sort}/{name}").into(),
        ..Entity::default()
    };
    Some(match key {
        Key::User { account, name } => {
            let entity = entity("user", account, name);
            Thing::User(Box::new(User { entity, ..User::default() }))
        }
        Key::Group { account, name } => Thing::Group(Box::new(entity("group", account, name))),
        Key::Role { account, name } => Thing::Role(Box::new(Role {
            // Such names are given by Identity Center alone, to roles below this path.
            entity: match name.starts_with("AWSReservedSSO_") {
                true => entity("role/aws-reserved/sso.amazonaws.com", account, name),
                false => entity("role", account, name),
            },
            trust: untold,
            last_used: None,
        })),
        Key::Policy { .. } => Thing::Policy(Managed::default()),
        Key::Profile { .. } => Thing::Profile(Default::default()),
        Key::Resource { .. } => Thing::Resource(Text::Unknown(PART.into())),
        Key::Network { .. } => Thing::Network(Default::default()),
        Key::Share { .. } => Thing::Share(Box::default()),
        Key::Block { .. } => Thing::Block(Default::default()),
        Key::Node { .. } => Thing::Node(Node::default()),
        Key::Control { .. } => Thing::Control(OrganizationPolicy {
            name: "".into(),
            // Not known either: whoever asks for a kind will not find it, and says so.
            kind: "".into(),
            text: untold,
        }),
        Key::Set { .. } => Thing::Set(Box::default()),
        Key::Grant { .. } | Key::Assigned(_) | Key::Member { .. } => return None,
        Key::Membership { .. } | Key::Directory { .. } => return None,
    })
}
