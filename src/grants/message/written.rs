//! From a version back to its message.
//!
//! Invariant: what is written here is read as the same version.

use serde_json::Value;
use serde_json::json;

use crate::grants::grant::Delegates;
use crate::grants::grant::Version;
use crate::grants::message::SCHEMA;

/// Returns the message `grantwatch.grant/1` of `version`.
pub fn written(version: &Version) -> Value {
    let Version { scope, window, delegates, .. } = version;
    let mut lists = serde_json::Map::new();
    let named = [
        ("accounts", &scope.accounts),
        ("permission_sets", &scope.permission_sets),
        ("role_arns", &scope.role_arns),
        ("actions", &scope.actions),
        ("resources", &scope.resources),
        ("regions", &scope.regions),
        ("source_networks", &scope.source_networks),
    ];
    for (name, list) in named {
        lists.extend(list.as_ref().map(|list| (name.to_owned(), json!(list))));
    }
    let ticket = match version.ticket.rsplit_once(' ') {
        Some((system, id)) => json!({"system": system, "id": id}),
        None if version.ticket.is_empty() => Value::Null,
        None => json!({"id": version.ticket}),
    };
    let mut message = json!({
        "schema": SCHEMA,
        "id": version.id,
        "source": version.source,
        "revision": version.revision,
        "emitted_at": version.emitted_at.to_string(),
        "status": version.status,
        "principals": told(json!(version.principals)),
        "scope": lists,
        "window": {
            "not_before": window.from.to_string(), "not_after": window.until.to_string(),
        },
        "requested_at": version.requested_at.map(|at| at.to_string()),
        "approved_at": version.approved_at.map(|at| at.to_string()),
        "approvers": told(json!(version.approvers)),
        "ticket": ticket,
        "justification": version.justification,
        "break_glass": version.break_glass,
        "delegates": (*delegates != Delegates::default()).then_some(delegates),
    });
    if let Value::Object(fields) = &mut message {
        fields.retain(|_, value| says_something(value));
    }
    message
}

/// Returns whether `value` is more than what is read where nothing stands.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(entries) => !entries.is_empty(),
        _ => true,
    }
}

/// Returns the objects of a list without the texts that are empty.
fn told(mut list: Value) -> Value {
    for entry in list.as_array_mut().into_iter().flatten() {
        if let Value::Object(fields) = entry {
            fields.retain(|_, value| says_something(value));
        }
    }
    list
}
