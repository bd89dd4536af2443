//! What a CloudTrail record teaches about policies.
//!
//! Fields: published records of the calls that change authorisation, and the services' API references; shapes that no
//! published sample shows are marked.
//!
//! Invariant: a refused or failed call teaches nothing. A document that is not in the record, or cannot be read, is a text
//! that is not known and says why. Every text is bounded. Read on in `lesson/fields.rs`.

mod blocks;
mod center;
mod directory;
mod fields;
mod holders;
mod network;
mod organization;
mod resources;
mod sharing;

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
    let Some(service) = service_of(source.trim_matches('"')) else { return false };
    if record.slot_raw(Slot::ReadOnly) == Some("true") || has_failed(record) {
        return false;
    }
    let is_any = matches!(service, "iam" | "organizations" | "sso");
    is_any || names_one(service, &record.slot_or_empty(Slot::EventName))
}

/// Returns the service of a source whose calls may teach something.
fn service_of(source: &str) -> Option<&str> {
    let service = source.strip_suffix(".amazonaws.com")?;
    let is_known = match service {
        "iam" | "organizations" | "sso" | "sso-directory" | "identitystore" => true,
        "identitystore-scim" | "ec2" | "ram" => true,
        other => resources::knows(other) || blocks::knows(other),
    };
    is_known.then_some(service)
}

/// Returns whether a service has a call of this name that may teach something.
fn names_one(service: &str, event: &str) -> bool {
    match service {
        "sso-directory" | "identitystore" | "identitystore-scim" => {
            directory::CALLS.contains(&event)
        }
        "ram" => sharing::OF_RAM.contains(&event),
        "ec2" if network::CALLS.contains(&event) => true,
        "kms" if sharing::OF_KMS.contains(&event) => true,
        _ => resources::is_known(service, event) || blocks::is_known(service, event),
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
        "identitystore-scim.amazonaws.com" => directory::of_scim(&fields, &event),
        "ram.amazonaws.com" => sharing::of_ram(&fields, &event),
        "kms.amazonaws.com" if sharing::OF_KMS.contains(&&*event) => {
            sharing::of_kms(&fields, &event)
        }
        "ec2.amazonaws.com" if network::CALLS.contains(&&*event) => network::of(&fields, &event),
        source => {
            let service = service_of(source)?;
            let policy = resources::of(&fields, service, &event).unwrap_or_default();
            let block = blocks::of(&fields, service, &event);
            let edits: Vec<_> = policy.into_iter().chain(block).collect();
            (!edits.is_empty()).then_some(edits)
        }
    }?;
    Some(Lesson { edits })
}
