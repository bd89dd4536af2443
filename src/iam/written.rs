//! A document as text again: for the command that puts it back, and for the declared baseline.
//!
//! Invariant: the text means what the document means. Order and spelling are ours: sorted, actions in lower case.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use crate::iam::policy::Condition;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Kind;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Operator;
use crate::iam::policy::Over;
use crate::iam::policy::Principal;
use crate::iam::policy::Statement;

impl Document {
    /// Returns the document as JSON; `kind` is the sort of policy it is written as.
    pub fn written(&self, kind: Kind) -> Value {
        let version = match self.language {
            Language::Of2008 => "2008-10-17",
            Language::Of2012 => "2012-10-17",
        };
        let statements: Vec<Value> = self.statements.iter().map(|it| statement(it, kind)).collect();
        json!({"Version": version, "Statement": statements})
    }
}

fn statement(of: &Statement, kind: Kind) -> Value {
    let mut out = Map::new();
    if let Some(sid) = &of.sid {
        out.insert("Sid".to_owned(), sid.to_string().into());
    }
    let effect = match of.effect {
        Effect::Allow => "Allow",
        Effect::Deny => "Deny",
    };
    out.insert("Effect".to_owned(), effect.into());
    if let Some(listed) = &of.principals {
        let (key, all) = named("Principal", listed);
        out.insert(key, principals(all));
    }
    let (key, actions) = named("Action", &of.actions);
    out.insert(key, texts(actions));
    if let Some(listed) = of.resources.as_ref().filter(|_| kind != Kind::Trust) {
        let (key, resources) = named("Resource", listed);
        out.insert(key, texts(resources));
    }
    if !of.conditions.is_empty() {
        out.insert("Condition".to_owned(), conditions(&of.conditions));
    }
    Value::Object(out)
}

/// Returns the element's name, with `Not` before it where that is meant, and what it lists.
fn named<'l, T>(name: &str, listed: &'l Listed<T>) -> (String, &'l [T]) {
    match listed {
        Listed::Only(all) => (name.to_owned(), all),
        Listed::AllBut(all) => (format!("Not{name}"), all),
    }
}

fn texts(all: &[Box<str>]) -> Value {
    match all {
        [one] => one.to_string().into(),
        all => all.iter().map(|it| Value::from(it.to_string())).collect(),
    }
}

fn principals(all: &[Principal]) -> Value {
    if let [Principal::Everyone] = all {
        return "*".into();
    }
    let mut out: Map<String, Value> = Map::new();
    for principal in all {
        let (key, text) = match principal {
            Principal::Everyone => ("AWS", "*"),
            Principal::Aws(text) => ("AWS", &**text),
            Principal::Service(text) => ("Service", &**text),
            Principal::Federated(text) => ("Federated", &**text),
            Principal::Canonical(text) => ("CanonicalUser", &**text),
        };
        let listed = out.entry(key).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(listed) = listed {
            listed.push(text.into());
        }
    }
    Value::Object(out)
}

fn conditions(all: &[Condition]) -> Value {
    let mut out: Map<String, Value> = Map::new();
    for Condition { operator, key, values } in all {
        let keys = out.entry(operator_name(*operator)).or_insert_with(|| json!({}));
        if let Value::Object(keys) = keys {
            keys.insert(key.to_string(), texts(values));
        }
    }
    Value::Object(out)
}

fn operator_name(of: Operator) -> String {
    let over = match of.over {
        Over::One => "",
        Over::All => "ForAllValues:",
        Over::Any => "ForAnyValue:",
    };
    // Each test is called as its operator is.
    format!("{over}{:?}{}", of.test, if of.if_exists { "IfExists" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::policy::Test;

    #[test]
    fn a_document_is_written_as_it_reads() {
        let document = Document {
            language: Language::Of2012,
            statements: vec![Statement {
                sid: Some("Data".into()),
                effect: Effect::Allow,
                principals: Some(Listed::Only(vec![
                    Principal::Aws("arn:aws:iam::111122223333:root".into()),
                    Principal::Service("sns.amazonaws.com".into()),
                ])),
                actions: Listed::AllBut(vec!["s3:get*".into(), "s3:list*".into()]),
                resources: Some(Listed::Only(vec!["*".into()])),
                conditions: vec![Condition {
                    operator: Operator { over: Over::Any, test: Test::StringLike, if_exists: true },
                    key: "aws:tagkeys".into(),
                    values: vec!["a*".into()],
                }],
            }],
        };
        let expected = json!({"Version": "2012-10-17", "Statement": [{
            "Sid": "Data", "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam::111122223333:root"], "Service": ["sns.amazonaws.com"]},
            "NotAction": ["s3:get*", "s3:list*"], "Resource": "*",
            "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:tagkeys": "a*"}},
        }]});
        assert_eq!(document.written(Kind::Resource), expected);
        assert_eq!(document.written(Kind::Trust)["Statement"][0].get("Resource"), None);
    }
}
