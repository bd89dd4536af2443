//! Whom a message covers and what: its principals and its scope.
//!
//! Invariant: nothing that narrows a grant is passed over. A condition that we cannot hold an act to is a mistake.

use std::net::IpAddr;

use serde_json::Value;

use crate::grants::grant::Principal;
use crate::grants::grant::Scope;
use crate::grants::message::fields::Need;
use crate::grants::message::fields::Reader;
use crate::grants::message::fields::path;
use crate::grants::message::fields::shown;
use crate::grants::message::fields::there;

const SCOPE: [&str; 8] = [
    "accounts",
    "permission_sets",
    "role_arns",
    "actions",
    "resources",
    "regions",
    "source_networks",
    "conditions",
];

pub(super) fn principals(reader: &mut Reader, value: Option<&Value>, need: Need) -> Vec<Principal> {
    let mut principals = Vec::new();
    for (field, value) in reader.list("principals", value) {
        principals.extend(principal(reader, &field, value));
    }
    let is_nobody = matches!(value, None | Some(Value::Array(_))) && principals.is_empty();
    if is_nobody && need == Need::Must {
        reader.wrong("principals", "names nobody");
    }
    principals
}

fn principal(reader: &mut Reader, field: &str, value: &Value) -> Option<Principal> {
    let given = reader.object(field, Some(value))?;
    // Null is "not there" in every place.
    let given: serde_json::Map<_, _> =
        given.iter().filter(|(_, it)| !it.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect();
    for (name, value) in &given {
        reader.short(&path(field, name), value);
    }
    let found = match serde_json::from_value::<Principal>(Value::Object(given.clone())) {
        Ok(found) => found,
        Err(error) => {
            reader.wrong(field, error.to_string());
            return None;
        }
    };
    let Ok(Value::Object(known)) = serde_json::to_value(&found) else {
        unreachable!("a principal is an object of texts")
    };
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    reader.only(field, &given, &known);
    if !names_somebody(&found) {
        reader.wrong(field, "names nobody");
    }
    Some(found)
}

fn names_somebody(principal: &Principal) -> bool {
    let is_named = |text: &str| !text.trim().is_empty();
    match principal {
        Principal::IdcUser { user_id, user_name, .. } => is_named(user_id) || is_named(user_name),
        Principal::IdcGroup { group_id, .. } => is_named(group_id),
        Principal::IamUserArn { arn } | Principal::IamRoleArn { arn } => is_named(arn),
        Principal::AssumedRole { role_arn, session_name } => {
            is_named(role_arn) && is_named(session_name)
        }
        Principal::SourceIdentity { value } => is_named(value),
        Principal::SamlSubject { subject } | Principal::OidcSubject { subject, .. } => {
            is_named(subject)
        }
        Principal::Account { account } => is_named(account),
    }
}

pub(super) fn scope(reader: &mut Reader, value: Option<&Value>, need: Need) -> Scope {
    let Some(fields) = reader.object("scope", value) else {
        if need == Need::Must && value.is_none() {
            reader.wrong("scope", "is missing");
        }
        return Scope::default();
    };
    reader.only("scope", fields, &SCOPE);
    let has_conditions = there(fields, "conditions")
        .is_some_and(|it| it.as_object().is_none_or(|it| !it.is_empty()));
    if has_conditions {
        reader.wrong(
            "scope.conditions",
            "cannot be held to yet, so that the grant would cover too much",
        );
    }
    let mut texts = |name: &str, read: fn(&mut Reader, &str, &Value) -> Box<str>| {
        let value = there(fields, name)?;
        let entries = reader.list(&path("scope", name), Some(value));
        Some(entries.into_iter().map(|(field, value)| read(reader, &field, value)).collect())
    };
    let scope = Scope {
        accounts: texts("accounts", account),
        permission_sets: texts("permission_sets", word),
        role_arns: texts("role_arns", role),
        actions: texts("actions", action),
        resources: texts("resources", word),
        regions: texts("regions", word),
        source_networks: texts("source_networks", network),
        own_credentials: false,
    };
    let Scope { accounts, permission_sets, role_arns, .. } = &scope;
    let is_anywhere = accounts.is_none() && permission_sets.is_none() && role_arns.is_none();
    if is_anywhere && need == Need::Must {
        reader.wrong(
            "scope",
            "needs accounts, permission_sets or role_arns: it would cover everything",
        );
    }
    scope
}

fn word(reader: &mut Reader, field: &str, value: &Value) -> Box<str> {
    let text = reader.short(field, value);
    if text.is_empty() && value.is_string() {
        reader.wrong(field, "is empty");
    }
    text
}

fn account(reader: &mut Reader, field: &str, value: &Value) -> Box<str> {
    let text = reader.short(field, value);
    let is_account = text.len() == 12 && text.bytes().all(|it| it.is_ascii_digit());
    if value.is_string() && !is_account {
        reader.wrong(field, format!("{} is no account: twelve digits", shown(value)));
    }
    text
}

/// Reads a role's ARN, or a glob over such.
pub(super) fn role(reader: &mut Reader, field: &str, value: &Value) -> Box<str> {
    let text = reader.short(field, value);
    if value.is_string() && !text.starts_with("arn:") && !text.starts_with('*') {
        reader.wrong(field, format!("{} is no ARN, nor a glob over ARNs", shown(value)));
    }
    text
}

fn action(reader: &mut Reader, field: &str, value: &Value) -> Box<str> {
    let text = reader.short(field, value);
    if value.is_string() && &*text != "*" && !text.contains(':') {
        reader.wrong(field, format!("{} is no action such as s3:Get*", shown(value)));
    }
    text
}

fn network(reader: &mut Reader, field: &str, value: &Value) -> Box<str> {
    let text = reader.short(field, value);
    if value.is_string() && !is_network(&text) {
        reader.wrong(field, format!("{} is no network such as 192.0.2.0/24", shown(value)));
    }
    text
}

fn is_network(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    match (address.parse(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        _ => false,
    }
}
