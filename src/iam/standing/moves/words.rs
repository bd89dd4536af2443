//! What a move is called where no policy changed by it, and the command that takes it back.
//!
//! Invariant: names come from records and stand in quotes; what the record does not say is a word in capitals.

use crate::iam::drift::undo::quoted;
use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::standing::moves::Moves;
use crate::iam::state::Assignment;
use crate::model::Facts;
use crate::model::TrailRecord;

/// What a move is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Who or what was moved.
    pub target: Box<str>,
    /// What of it changed: `assignment/SET`, `member/GROUP`, `parent`, `profile/NAME`, `key/ID`, `password`.
    pub item: String,
    /// The command that takes it back.
    pub undo: String,
}

impl Called {
    /// Says so among the facts of a change.
    pub fn tell(&self, facts: &mut Facts) {
        facts.set("gw.policy.target", &*self.target);
        facts.set("gw.policy.item", &*self.item);
        facts.set("gw.policy.undo", &*self.undo);
    }
}

impl Moves {
    /// Returns what the move is called, as `record` tells it.
    pub fn called(&self, record: &TrailRecord<'_>) -> Option<Called> {
        let (key, edit) = self.edits.first()?;
        let before = self.before.iter().find(|(of, _)| of == key).and_then(|(_, it)| it.as_ref());
        let asked = |name: &str, unknown: &str| {
            let text = record.text(&format!("requestParameters.{name}"));
            quoted(text.as_deref().unwrap_or(unknown))
        };
        Some(match (key, edit) {
            (Key::Assigned(it), _) => of_assignment(it, &asked("instanceArn", "INSTANCE")),
            (Key::Member { group, user }, _) => {
                let membership = record.text("responseElements.membershipId");
                let membership = quoted(membership.as_deref().unwrap_or("MEMBERSHIP"));
                let target = match self.edits.len() {
                    1 => format!("USER/{user}"),
                    _ => format!("GROUP/{group}"),
                };
                let store = asked("identityStoreId", "STORE");
                Called {
                    target: target.into(),
                    item: format!("member/{group}"),
                    undo: format!(
                        "aws identitystore delete-group-membership --identity-store-id {store} --membership-id {membership}"
                    ),
                }
            }
            (Key::Node { id }, Edit::Moved { to }) => {
                let from = match before {
                    Some(Thing::Node(node)) => node.parent.clone(),
                    _ => None,
                };
                Called {
                    target: id.clone(),
                    item: "parent".to_owned(),
                    undo: format!(
                        "aws organizations move-account --account-id {} --source-parent-id {} --destination-parent-id {}",
                        quoted(id),
                        quoted(to),
                        quoted(from.as_deref().unwrap_or("PARENT_BEFORE"))
                    ),
                }
            }
            (Key::Profile { account, name }, Edit::RoleAdded { role }) => Called {
                target: format!("arn:aws:iam::{account}:instance-profile/{name}").into(),
                item: format!("role/{role}"),
                undo: format!(
                    "aws iam remove-role-from-instance-profile --instance-profile-name {} --role-name {}",
                    quoted(name),
                    quoted(role)
                ),
            },
            (Key::User { account, name }, edit) => {
                let (item, undo) = of_user(name, edit)?;
                let arn = match before {
                    Some(Thing::User(user)) => user.entity.arn.clone(),
                    _ => format!("arn:aws:iam::{account}:user/{name}").into(),
                };
                Called { target: arn, item, undo }
            }
            _ => return None,
        })
    }
}

fn of_assignment(it: &Assignment, instance: &str) -> Called {
    let (sort, id) = (&it.principal_type, &it.principal_id);
    Called {
        target: format!("{sort}/{id}").into(),
        item: format!("assignment/{}", it.set),
        undo: format!(
            "aws sso-admin delete-account-assignment --instance-arn {instance} --target-type AWS_ACCOUNT \
             --target-id {} --permission-set-arn {} --principal-type {} --principal-id {}",
            quoted(&it.account),
            quoted(&it.set),
            quoted(sort),
            quoted(id)
        ),
    }
}

fn of_user(name: &str, edit: &Edit) -> Option<(String, String)> {
    let name = quoted(name);
    Some(match edit {
        Edit::KeyMade { id } => (
            format!("key/{id}"),
            format!("aws iam delete-access-key --user-name {name} --access-key-id {}", quoted(id)),
        ),
        Edit::KeySet { id, .. } => (
            format!("key/{id}"),
            format!(
                "aws iam update-access-key --user-name {name} --access-key-id {} --status Inactive",
                quoted(id)
            ),
        ),
        Edit::Password { .. } => {
            ("password".to_owned(), format!("aws iam delete-login-profile --user-name {name}"))
        }
        _ => return None,
    })
}
