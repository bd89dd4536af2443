//! Writes documents: the normal form, as JSON that AWS would take.
//!
//! Invariant: what is written is read back as the same document.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::iam::parse;
use crate::iam::policy::Condition;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Operator;
use crate::iam::policy::Over;
use crate::iam::policy::Principal;
use crate::iam::policy::Statement;

impl Document {
    /// Returns the document as JSON: lists sorted, a list of one as its item, actions and condition keys in lower case.
    pub fn to_value(&self) -> Value {
        let version = match self.language {
            Language::Of2008 => "2008-10-17",
            Language::Of2012 => "2012-10-17",
        };
        let statements: Vec<Value> = self.statements.iter().map(statement).collect();
        json!({"Version": version, "Statement": statements})
    }
}

impl Operator {
    /// Returns the operator as IAM spells it: `ForAnyValue:StringLikeIfExists`.
    pub fn name(self) -> String {
        let over = match self.over {
            Over::One => "",
            Over::All => "ForAllValues:",
            Over::Any => "ForAnyValue:",
        };
        let if_exists = if self.if_exists { "IfExists" } else { "" };
        format!("{over}{}{if_exists}", parse::name_of(self.test))
    }
}

fn statement(statement: &Statement) -> Value {
    let mut all = Map::new();
    if let Some(sid) = &statement.sid {
        all.insert("Sid".to_owned(), json!(sid));
    }
    let effect = match statement.effect {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    all.insert("Effect".to_owned(), json!(effect));
    if let Some(list) = &statement.principals {
        let (name, list) = listed(list, "Principal", "NotPrincipal");
        all.insert(name.to_owned(), principals(list));
    }
    let (name, list) = listed(&statement.actions, "Action", "NotAction");
    all.insert(name.to_owned(), texts(list));
    if let Some(list) = &statement.resources {
        let (name, list) = listed(list, "Resource", "NotResource");
        all.insert(name.to_owned(), texts(list));
    }
    if !statement.conditions.is_empty() {
        all.insert("Condition".to_owned(), conditions(&statement.conditions));
    }
    Value::Object(all)
}

fn listed<'a, T>(
    list: &'a Listed<T>,
    only: &'static str,
    all_but: &'static str,
) -> (&'static str, &'a [T]) {
    match list {
        Listed::Only(list) => (only, list),
        Listed::AllBut(list) => (all_but, list),
    }
}

fn texts(texts: &[Box<str>]) -> Value {
    match texts {
        [one] => json!(one),
        all => json!(all),
    }
}

fn principals(list: &[Principal]) -> Value {
    if list == [Principal::Everyone] {
        return json!("*");
    }
    let mut all: Map<String, Value> = Map::new();
    for sort in ["AWS", "Service", "Federated", "CanonicalUser"] {
        let of_sort: Vec<Box<str>> = list
            .iter()
            .filter_map(|principal| match principal {
                Principal::Everyone => (sort == "AWS").then(|| "*".into()),
                Principal::Aws(name) => (sort == "AWS").then(|| name.clone()),
                Principal::Service(name) => (sort == "Service").then(|| name.clone()),
                Principal::Federated(name) => (sort == "Federated").then(|| name.clone()),
                Principal::Canonical(name) => (sort == "CanonicalUser").then(|| name.clone()),
            })
            .collect();
        if !of_sort.is_empty() {
            all.insert(sort.to_owned(), texts(&of_sort));
        }
    }
    Value::Object(all)
}

/// Writes conditions. Of one operator and key that stand twice, the second's name is written in another case: IAM reads both.
fn conditions(conditions: &[Condition]) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for condition in conditions {
        let name = condition.operator.name();
        let block = all.entry(name).or_insert_with(|| json!({}));
        let Some(keys) = block.as_object_mut() else { continue };
        keys.insert(free(keys, &condition.key), texts(&condition.values));
    }
    Value::Object(all)
}

/// Returns `key` in a case in which `keys` does not have it.
fn free(keys: &Map<String, Value>, key: &str) -> String {
    let mut name = key.to_owned();
    for (at, letter) in key.char_indices() {
        if !keys.contains_key(&name) {
            break;
        }
        name.replace_range(at..at + letter.len_utf8(), &letter.to_ascii_uppercase().to_string());
    }
    name
}
