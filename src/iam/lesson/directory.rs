//! What records teach of the identity store: who is in which group. The console, the API and SCIM each have shapes of their own.
//!
//! Sources: IAM Identity Center User Guide, "Logging API calls" and "Logging SCIM API calls"; SCIM Developer Guide, "PatchGroup".
//! No published sample shows a change of members over SCIM: its fields are those of the request.
//!
//! Invariant: an id is never given twice, so that whoever is deleted is in no group for good.

use std::collections::BTreeMap;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::fields::Fields;
use crate::iam::lesson::fields::items;
use crate::iam::lesson::fields::text_in;
use crate::model::Slot;
use crate::model::json;

type Edits = Vec<(Key, Edit)>;

/// The calls of the identity store that are read, of all its interfaces.
pub(super) const CALLS: [&str; 9] = [
    "AddMemberToGroup",
    "CreateGroup",
    "CreateGroupMembership",
    "DeleteGroup",
    "DeleteGroupMembership",
    "DeleteUser",
    "PatchGroup",
    "PutGroup",
    "RemoveMemberFromGroup",
];

/// How many members of one call are read. SCIM takes a hundred.
const MAX_MEMBERS: usize = 1_000;

/// Returns what a call of the console or of the API changes.
pub(super) fn of(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    match event {
        "DeleteGroup" => gone(fields.asked("groupId")?),
        "DeleteUser" => gone(fields.asked("userId")?),
        _ => member(fields, event),
    }
}

fn gone(id: Box<str>) -> Option<Edits> {
    Some(vec![(Key::Directory { id }, Edit::Deleted)])
}

fn placed(group: &str, user: Box<str>, is_end: IsEnd) -> (Key, Edit) {
    let group: Box<str> = group.into();
    let made = Thing::Member { group: group.clone(), user: user.clone() };
    let edit = match is_end {
        IsEnd::Yes => Edit::Deleted,
        IsEnd::No => Edit::Made(made),
    };
    (Key::Member { group, user }, edit)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum IsEnd {
    Yes,
    No,
}

fn member(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    // The console's shape, then the API's; both are seen.
    let user = fields.asked("memberId.userId").or_else(|| fields.asked("member.memberId"));
    let membership = fields.answered("membershipId").or_else(|| fields.asked("membershipId"));
    let both = fields.asked("groupId").zip(user);
    let is_end = match event {
        "DeleteGroupMembership" | "RemoveMemberFromGroup" => IsEnd::Yes,
        _ => IsEnd::No,
    };
    let mut edits = Edits::new();
    if let Some((group, user)) = &both {
        edits.push(placed(group, user.clone(), is_end));
    }
    if let Some(id) = membership {
        let made = both.map(|(group, user)| Edit::Made(Thing::Member { group, user }));
        let edit = if is_end == IsEnd::Yes { Some(Edit::Deleted) } else { made };
        edits.extend(edit.map(|edit| (Key::Membership { id }, edit)));
    }
    (!edits.is_empty()).then_some(edits)
}

/// Returns what a call over SCIM changes; the body of the request stands in `httpBody`.
pub(super) fn of_scim(fields: &Fields<'_, '_>, event: &str) -> Option<Edits> {
    let asked = fields.record.slot_raw(Slot::RequestParameters).unwrap_or_default();
    let body = json::member(asked, "httpBody").unwrap_or_default();
    let id = || {
        let of_path = ["id", "groupId", "userId"].into_iter();
        of_path.filter_map(|name| fields.asked(name)).next().or_else(|| fields.answered("id"))
    };
    let members = |raw: &str, is_end: IsEnd| -> Option<Edits> {
        let group = id()?;
        let users = items(raw).filter_map(|it| text_in(it, "value"));
        Some(users.take(MAX_MEMBERS).map(|user| placed(&group, user, is_end)).collect())
    };
    let edits = match event {
        "DeleteGroup" | "DeleteUser" => return gone(id()?),
        "CreateGroup" | "PutGroup" => {
            members(json::member(body, "members").unwrap_or_default(), IsEnd::No)?
        }
        "PatchGroup" => {
            let all = json::member(body, "operations").or_else(|| json::member(body, "Operations"));
            let mut edits = Edits::new();
            for change in items(all?) {
                let path = text_in(change, "path").unwrap_or_default();
                let is_end = match text_in(change, "op")?.to_ascii_lowercase().as_str() {
                    "remove" => IsEnd::Yes,
                    _ => IsEnd::No,
                };
                let value = json::member(change, "value").unwrap_or_default();
                // `members[value eq "…"]` names the one that goes.
                let named = path.strip_prefix("members[").and_then(|rest| rest.split('"').nth(1));
                match named {
                    Some(user) => edits.push(placed(&id()?, user.into(), is_end)),
                    None if &*path == "members" => edits.extend(members(value, is_end)?),
                    // Without a path the value has the attributes by name.
                    None if path.is_empty() => {
                        let list = json::member(value, "members").unwrap_or_default();
                        edits.extend(members(list, is_end)?);
                    }
                    None => {}
                }
            }
            // Of several things that one call does to a place, the last counts.
            edits.into_iter().collect::<BTreeMap<Key, Edit>>().into_iter().collect()
        }
        _ => return None,
    };
    (!edits.is_empty()).then_some(edits)
}
