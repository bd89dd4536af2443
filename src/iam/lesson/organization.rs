//! What the records of Organizations teach: the tree, and its policies.
//!
//! Invariant: only policies that authorise are read; what is known of the others is that they are there.

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Node;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::fields::Fields;
use crate::iam::policy::Document;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::state::OrganizationPolicy;

/// Returns what a call of Organizations changes.
pub(super) fn of(fields: &Fields<'_, '_>, event: &str) -> Option<Vec<(Key, Edit)>> {
    let id = || fields.asked("policyId");
    let node = |id: Box<str>| Key::Node { id };
    let (key, edit) = match event {
        "CreatePolicy" => {
            let id = fields.answered("policy.policySummary.id")?;
            let kind = fields.asked("type")?;
            let name = fields.asked("name").unwrap_or_default();
            let text = content(fields, &kind);
            (
                Key::Control { id },
                Edit::Made(Thing::Control(OrganizationPolicy { name, kind, text })),
            )
        }
        "UpdatePolicy" => {
            let kind = fields.answered("policy.policySummary.type").unwrap_or_default();
            let is_written = fields.record.text("requestParameters.content").is_some();
            let text = is_written.then(|| content(fields, &kind));
            (Key::Control { id: id()? }, Edit::Content { name: fields.asked("name"), text })
        }
        "DeletePolicy" => (Key::Control { id: id()? }, Edit::Deleted),
        "AttachPolicy" => (node(fields.asked("targetId")?), Edit::Attached { arn: id()? }),
        "DetachPolicy" => (node(fields.asked("targetId")?), Edit::Detached { arn: id()? }),
        "MoveAccount" => {
            let to = fields.asked("destinationParentId")?;
            (node(fields.asked("accountId")?), Edit::Moved { to })
        }
        "CreateOrganizationalUnit" => {
            let made = Node { parent: Some(fields.asked("parentId")?), ..Node::default() };
            let id = fields.answered("organizationalUnit.id")?;
            (node(id), Edit::Made(Thing::Node(made)))
        }
        "DeleteOrganizationalUnit" => (node(fields.asked("organizationalUnitId")?), Edit::Deleted),
        "RemoveAccountFromOrganization" => (node(fields.asked("accountId")?), Edit::Deleted),
        "LeaveOrganization" => (node(fields.account.clone()), Edit::Deleted),
        _ => return None,
    };
    Some(vec![(key, edit)])
}

/// Reads `content`. The record of a change may not say which kind it is: then it is what it can be read as.
fn content(fields: &Fields<'_, '_>, kind: &str) -> Text {
    match kind {
        "SERVICE_CONTROL_POLICY" => fields.document("content", Kind::ServiceControl),
        "RESOURCE_CONTROL_POLICY" => fields.document("content", Kind::ResourceControl),
        "" => match fields.document("content", Kind::ServiceControl) {
            Text::Known(document) => Text::Known(document),
            unread => match as_resource_control(fields) {
                Some(document) => Text::Known(document.into()),
                None => unread,
            },
        },
        _ => Text::Unknown("a policy of this kind authorises nothing".into()),
    }
}

fn as_resource_control(fields: &Fields<'_, '_>) -> Option<Document> {
    match fields.document("content", Kind::ResourceControl) {
        Text::Known(document) => Some((*document).clone()),
        Text::Unknown(_) => None,
    }
}
