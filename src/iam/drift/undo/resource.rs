//! The commands that put back the policy of a resource, or one statement of it.
//!
//! Invariant: a command names the region of the resource, as the one that a shell is set to may be another; what was added as
//! one statement is taken away as one.

use crate::iam::drift::undo::Way;
use crate::iam::drift::undo::document;
use crate::iam::drift::undo::quoted;
use crate::iam::drift::undo::services;
use crate::iam::policy::Document;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;

/// A resource as commands name it.
struct Resource<'a> {
    service: &'a str,
    /// `--region eu-west-1`, or nothing where it has none.
    region: String,
    account: &'a str,
    /// What stands behind the account, without its sort.
    name: &'a str,
}

impl<'a> Resource<'a> {
    fn of(arn: &'a str) -> Self {
        let mut parts = arn.splitn(6, ':').skip(2);
        let service = parts.next().unwrap_or_default();
        let region = match parts.next().unwrap_or_default() {
            "" => String::new(),
            region => format!(" --region {}", quoted(region)),
        };
        let (account, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let sorts = ["function:", "event-bus/"];
        let name = sorts.iter().find_map(|sort| name.strip_prefix(sort)).unwrap_or(name);
        Self { service, region, account, name }
    }

    /// Returns the address of a queue.
    fn queue(&self) -> String {
        let region = self.region.rsplit(' ').next().unwrap_or_default();
        let ending = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        quoted(&format!("https://sqs.{region}.{ending}/{}/{}", self.account, self.name))
    }
}

/// Returns the command that puts back a policy.
pub(super) fn of_policy(way: &Way<'_>, arn: &str) -> String {
    let resource = Resource::of(arn);
    let region = &resource.region;
    let text = way.before.is_some().then(|| document(way.before));
    match resource.service {
        "sqs" => {
            let policy = if text.is_some() { of_queue(way.before) } else { "Policy=".to_owned() };
            let queue = resource.queue();
            format!(
                "aws sqs set-queue-attributes --queue-url {queue} --attributes {policy}{region}"
            )
        }
        "lambda" | "events" => of_statements(way, arn),
        _ => services::whole(arn, text.as_deref(), region).unwrap_or_else(|| match text {
            Some(text) => format!("put back the policy of {}: {text}", quoted(arn)),
            None => format!("take the policy of {} away", quoted(arn)),
        }),
    }
}

/// Returns a queue's attributes with the policy: JSON in JSON, as the call takes it.
fn of_queue(before: Option<&Text>) -> String {
    let Some(Text::Known(policy)) = before else { return document(before) };
    let policy = policy.to_value().to_string();
    match policy.len() {
        0..=super::MAX_DOCUMENT => quoted(&serde_json::json!({ "Policy": policy }).to_string()),
        _ => "file://before.json".to_owned(),
    }
}

/// Returns the commands for what is written statement by statement.
fn of_statements(way: &Way<'_>, arn: &str) -> String {
    let added = beyond(way.after, way.before);
    let taken = beyond(way.before, way.after);
    let mut calls = Vec::new();
    for statement in added {
        calls.push(match &statement.sid {
            Some(sid) => without(arn, sid),
            None => format!("take a statement of {} away", quoted(arn)),
        });
    }
    if !taken.is_empty() {
        calls.push(format!(
            "put back into the policy of {}: {}",
            quoted(arn),
            document(way.before)
        ));
    }
    match calls.is_empty() {
        true => format!("look at the policy of {}", quoted(arn)),
        false => calls.join(" && "),
    }
}

/// Returns the statements of `one` that `other` does not have.
fn beyond<'t>(one: Option<&'t Text>, other: Option<&'t Text>) -> Vec<&'t Statement> {
    let of = |text: Option<&'t Text>| -> &'t [Statement] {
        match text {
            Some(Text::Known(document)) => {
                let document: &Document = document;
                &document.statements
            }
            _ => &[],
        }
    };
    of(one).iter().filter(|it| !of(other).contains(it)).collect()
}

/// Returns the name and the version of a layer.
fn layer_of(name: &str) -> (&str, &str) {
    let layer = name.strip_prefix("layer:").unwrap_or(name);
    layer.split_once(':').unwrap_or((layer, ""))
}

/// Returns the command that takes a statement away.
fn without(arn: &str, sid: &str) -> String {
    let resource = Resource::of(arn);
    let (region, name, sid) = (&resource.region, quoted(resource.name), quoted(sid));
    match resource.service {
        "lambda" if resource.name.starts_with("layer:") => {
            let (layer, version) = layer_of(resource.name);
            format!(
                "aws lambda remove-layer-version-permission --layer-name {} --version-number {} --statement-id {sid}{region}",
                quoted(layer),
                quoted(version)
            )
        }
        "lambda" => format!(
            "aws lambda remove-permission --function-name {name} --statement-id {sid}{region}"
        ),
        "events" => format!(
            "aws events remove-permission --event-bus-name {name} --statement-id {sid}{region}"
        ),
        "sqs" => {
            let queue = resource.queue();
            format!("aws sqs remove-permission --queue-url {queue} --label {sid}{region}")
        }
        "sns" => {
            format!("aws sns remove-permission --topic-arn {} --label {sid}{region}", quoted(arn))
        }
        _ => format!("take the statement {sid} out of the policy of {}", quoted(arn)),
    }
}

/// Returns the command that puts back one statement, where nobody knows the others.
pub(super) fn of_statement(way: &Way<'_>, arn: &str, sid: &str) -> String {
    match way.before {
        None => without(arn, sid),
        Some(text) => format!(
            "put the statement {} back into the policy of {}: {}",
            quoted(sid),
            quoted(arn),
            document(Some(text))
        ),
    }
}
