//! What a CloudTrail record teaches about policies.
//!
//! Fields: handbook of the records that change authorisation; shapes that no published sample shows are marked.
//!
//! Invariant: a refused or failed call teaches nothing. A document that is not in the record, or cannot be read, is a text
//! that is not known and says why. Every text is bounded. Read on in `lesson/fields.rs`.

mod center;
mod fields;
mod holders;
mod organization;
mod resources;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
pub(in crate::iam) use center::with_path;

use crate::iam::lesson::fields::Fields;
use crate::model::Slot;
use crate::model::TrailRecord;

/// What a record teaches: which things it changes, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lesson {
    /// The things, and what was done to each.
    pub edits: Vec<(Key, Edit)>,
}

/// Returns whether a record may teach something, by its head alone: for the many that do not.
pub fn concerns(record: &TrailRecord<'_>) -> bool {
    let Some(source) = record.slot_raw(Slot::EventSource) else { return false };
    if record.slot_raw(Slot::ReadOnly) == Some("true") || has_failed(record) {
        return false;
    }
    let event = record.slot_or_empty(Slot::EventName);
    match source {
        "\"iam.amazonaws.com\"" | "\"organizations.amazonaws.com\"" | "\"sso.amazonaws.com\"" => {
            true
        }
        "\"sso-directory.amazonaws.com\"" | "\"identitystore.amazonaws.com\"" => {
            event.contains("Member")
        }
        _ => resources::is_known(&event),
    }
}

fn has_failed(record: &TrailRecord<'_>) -> bool {
    record.slot_raw(Slot::ErrorCode).is_some_and(|code| !matches!(code, "null" | "\"\""))
}

/// Returns what a record teaches; nothing where it changes no policy.
pub fn of(record: &TrailRecord<'_>) -> Option<Lesson> {
    if !concerns(record) {
        return None;
    }
    let fields = Fields::of(record);
    let event = record.slot_or_empty(Slot::EventName);
    let edits = match &*record.slot_or_empty(Slot::EventSource) {
        "iam.amazonaws.com" => holders::of(&fields, &event),
        "organizations.amazonaws.com" => organization::of(&fields, &event),
        "sso.amazonaws.com" | "sso-directory.amazonaws.com" | "identitystore.amazonaws.com" => {
            center::of(&fields, &event)
        }
        source => resources::of(&fields, source, &event),
    }?;
    Some(Lesson { edits })
}
