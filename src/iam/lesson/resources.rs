//! What records teach about the policies of resources: which calls write one, where its text stands, whose it is.
//!
//! Invariant: a resource is named by its ARN; a call whose resource cannot be named teaches nothing.

mod calls;

use std::sync::Arc;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::fields::Fields;
use crate::iam::lesson::fields::items;
use crate::iam::lesson::fields::text_in;
use crate::iam::lesson::resources::calls::CALLS;
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
use crate::iam::policy::Test;
use crate::iam::policy::Text;
use crate::model::json;

/// What a call does to a resource's policy.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// It writes all of it, into this parameter.
    Writes(&'static str),
    /// It makes the resource, and may write a policy.
    Makes(&'static str),
    /// It takes the policy away.
    Ends,
    /// It takes the resource away, and its policy with it.
    Destroys,
    /// It adds or removes one statement.
    Adds,
    Removes,
    /// It changes attributes one by one, this of which is the policy.
    Patches(&'static str),
}

/// Returns whether calls of a service may write a resource's policy.
pub(super) fn knows(service: &str) -> bool {
    CALLS.iter().any(|(of, ..)| *of == service)
}

/// Returns whether a call of this name may write a resource's policy.
pub(super) fn is_known(service: &str, event: &str) -> bool {
    let event = plain(event);
    CALLS.iter().any(|(of, name, ..)| *of == service && *name == event)
}

/// Returns what a call changes of a resource's policy.
pub(super) fn of(fields: &Fields<'_, '_>, service: &str, event: &str) -> Option<Vec<(Key, Edit)>> {
    let event = plain(event);
    let found = CALLS.iter().find(|(of, name, ..)| *of == service && *name == event);
    let (_, _, does, named, form) = found?;
    let arn = arn(fields, named, form)?;
    let edit = match does {
        // Other attributes are set by the same call.
        Does::Writes(_) if event == "SetTopicAttributes" && !names_policy(fields) => return None,
        Does::Writes(all) => match written(fields, all) {
            Some(field) => Edit::Policy { text: fields.document(field, Kind::Resource) },
            // A bus is opened by a whole policy or by a statement, an endpoint's policy is put back to AWS's own.
            None if service == "events" => added(fields, service, &arn)?,
            None if event == "ModifyVpcEndpoint" && is_reset(fields) => Edit::Deleted,
            // Of a queue or a domain an empty text takes the policy away.
            None if is_emptied(fields, all) => Edit::Deleted,
            None if sets_others(event) => return None,
            None => Edit::Policy { text: fields.document(first(all), Kind::Resource) },
        },
        Does::Makes(all) => {
            let field = written(fields, all)?;
            Edit::Made(Thing::Resource(fields.document(field, Kind::Resource)))
        }
        Does::Ends => Edit::Deleted,
        Does::Destroys => Edit::Gone,
        Does::Adds => added(fields, service, &arn)?,
        Does::Removes if fields.asked("removeAllPermissions").as_deref() == Some("true") => {
            Edit::Deleted
        }
        Does::Removes => {
            let sid = fields.asked("statementId").or_else(|| fields.asked("label"))?;
            Edit::StatementRemoved { sid }
        }
        Does::Patches(path) => patched(fields, path)?,
    };
    Some(vec![(Key::Resource { account: owner(fields, &arn), arn }, edit)])
}

/// Returns whose a resource is: the caller of another account has a copy of the record.
fn owner(fields: &Fields<'_, '_>, arn: &str) -> Box<str> {
    let named = arn.split(':').nth(4).filter(|id| !id.is_empty());
    let told = || fields.at("resources.accountId");
    named.map(Into::into).or_else(told).unwrap_or_else(|| fields.account.clone())
}

fn first(fields: &'static str) -> &'static str {
    fields.split('|').next().unwrap_or(fields)
}

/// Returns the first of some parameters that has something in it.
fn written(fields: &Fields<'_, '_>, all: &'static str) -> Option<&'static str> {
    all.split('|').find(|field| {
        let mut is_there = false;
        fields.record.walk(&format!("requestParameters.{field}"), &mut |raw| {
            is_there |= !matches!(raw, "null" | "\"\"");
        });
        is_there
    })
}

/// Returns whether one of some parameters is there and says nothing.
fn is_emptied(fields: &Fields<'_, '_>, all: &str) -> bool {
    let mut is_empty = false;
    for field in all.split('|') {
        fields.record.walk(&format!("requestParameters.{field}"), &mut |raw| {
            is_empty |= raw == "\"\"";
        });
    }
    is_empty
}

fn is_reset(fields: &Fields<'_, '_>) -> bool {
    let asked = |name: &str| fields.asked(name).as_deref() == Some("true");
    asked("ModifyVpcEndpointRequest.ResetPolicy") || asked("resetPolicy")
}

/// Returns what a list of changes does to the policy; it may be about others.
fn patched(fields: &Fields<'_, '_>, path: &str) -> Option<Edit> {
    let mut edit = None;
    for place in ["updateRestApiInput.patchOperations", "patchOperations"] {
        fields.record.walk(&format!("requestParameters.{place}"), &mut |raw| {
            for change in items(raw).filter(|it| text_in(it, "path").as_deref() == Some(path)) {
                let value = json::member(change, "value").and_then(json::text).unwrap_or_default();
                edit = Some(match value.is_empty() {
                    true => Edit::Deleted,
                    // The console writes the text once more as a text.
                    false => Edit::Policy {
                        text: fields.read(&value.replace("\\\"", "\""), Kind::Resource),
                    },
                });
            }
        });
    }
    edit
}

fn names_policy(fields: &Fields<'_, '_>) -> bool {
    fields.asked("attributeName").as_deref() == Some("Policy")
}

fn sets_others(event: &str) -> bool {
    matches!(event, "SetQueueAttributes" | "UpdateDomainConfig" | "ModifyVpcEndpoint")
}

/// Returns the name without the version of the API that Lambda adds: `AddPermission20150331v2`.
fn plain(event: &str) -> &str {
    match event.find("20") {
        Some(at) if event.get(at..).is_some_and(|rest| rest.len() >= 8) => {
            event.get(..at).unwrap_or(event)
        }
        _ => event,
    }
}

fn arn(fields: &Fields<'_, '_>, named: &str, form: &str) -> Option<Box<str>> {
    let answered = |all: &[&str]| all.iter().find_map(|name| fields.answered(name));
    let name = match named {
        // What is new has its name in the answer alone.
        "" => answered(&[
            "keyMetadata.arn",
            "keyMetadata.keyId",
            "replicaKeyMetadata.arn",
            "topicArn",
            "CreateVpcEndpointResponse.vpcEndpoint.vpcEndpointId",
            "vpcEndpoint.vpcEndpointId",
            "id",
        ]),
        "secretId" => answered(&["arn", "aRN"]),
        _ => None,
    };
    let name = name.or_else(|| {
        named.split('|').find_map(|name| match name.split_once('+') {
            // Nothing names what there is one of.
            _ if name == "-" => Some("default".into()),
            Some((of, name)) => {
                let parts = (fields.asked(of)?, fields.asked(name)?);
                let between = if form.contains(":layer:") { ':' } else { '/' };
                Some(format!("{}{between}{}", parts.0, parts.1).into())
            }
            None => fields.asked(name),
        })
    })?;
    if name.starts_with("arn:") {
        return Some(unqualified(&name).into());
    }
    if form.is_empty() {
        return None;
    }
    let short = name.rsplit('/').next().filter(|_| named == "queueUrl").unwrap_or(&name);
    let place = match form.split_once("R:A:") {
        Some((service, rest)) => {
            let name = rest.replacen('N', short, 1);
            format!("{service}{}:{}:{name}", fields.region(), fields.account)
        }
        None if form.contains(":R::") => {
            form.replacen('N', short, 1).replacen(":R:", &format!(":{}:", fields.region()), 1)
        }
        None => form.replacen('N', short, 1),
    };
    Some(format!("arn:{}:{place}", fields.partition()).into())
}

/// Returns a function's ARN without its version or alias.
fn unqualified(arn: &str) -> &str {
    if !arn.contains(":function:") {
        return arn;
    }
    match arn.match_indices(':').nth(6) {
        Some((at, _)) => arn.get(..at).unwrap_or(arn),
        None => arn,
    }
}

fn added(fields: &Fields<'_, '_>, service: &str, arn: &str) -> Option<Edit> {
    if service == "lambda" {
        let sid = fields.asked("statementId")?;
        let statement = fields.record.text("responseElements.statement");
        let text = match statement {
            // It is the statement alone, and has the version of no policy.
            Some(one) => {
                let whole = format!(r#"{{"Version":"2012-10-17","Statement":[{one}]}}"#);
                fields.read(&whole, Kind::Resource)
            }
            None => Text::Unknown("the record does not have the statement".into()),
        };
        return Some(Edit::StatementPut { sid, text });
    }
    let sid = fields.asked("label").or_else(|| fields.asked("statementId"))?;
    let one = |name: &str| fields.asked(name).into_iter().collect::<Vec<_>>();
    let mut accounts =
        named(fields, &["aWSAccountIds", "AWSAccountIds", "aWSAccountId", "aWSAccountID"]);
    accounts.extend(one("principal"));
    let mut actions = named(fields, &["actions", "actionName", "actionNames"]);
    actions.extend(one("action"));
    if accounts.is_empty() || actions.is_empty() {
        let text = Text::Unknown("the record does not say to whom or for what".into());
        return Some(Edit::StatementPut { sid, text });
    }
    let principal = |id: &str| match id.len() {
        1 => Principal::Everyone,
        12 => Principal::Aws(format!("arn:{}:iam::{id}:root", fields.partition()).into()),
        _ => Principal::Aws(id.into()),
    };
    let mut principals: Vec<_> = accounts.iter().map(|id| principal(id)).collect();
    principals.sort();
    let mut actions: Vec<Box<str>> = actions
        .iter()
        .map(|action| match action.contains(':') {
            true => action.to_ascii_lowercase().into(),
            false => format!("{service}:{action}").to_ascii_lowercase().into(),
        })
        .collect();
    actions.sort();
    let statement = Statement {
        sid: Some(sid.clone()),
        effect: Effect::Allow,
        principals: Some(Listed::Only(principals)),
        actions: Listed::Only(actions),
        resources: Some(Listed::Only(vec![arn.into()])),
        conditions: of_organisation(fields).into_iter().collect(),
    };
    let document = Document { language: Language::Of2012, statements: vec![statement] };
    Some(Edit::StatementPut { sid, text: Text::Known(Arc::new(document)) })
}

/// Returns the condition of an event bus's statement: EventBridge has one key alone.
fn of_organisation(fields: &Fields<'_, '_>) -> Option<Condition> {
    let key = fields.asked("condition.key")?.to_ascii_lowercase().into();
    let values = vec![fields.asked("condition.value")?];
    let operator = Operator { over: Over::One, test: Test::StringEquals, if_exists: false };
    Some(Condition { operator, key, values })
}

/// Returns the texts of the first of some parameters that is a list with something in it.
fn named(fields: &Fields<'_, '_>, parameters: &[&str]) -> Vec<Box<str>> {
    let lists = parameters.iter().map(|name| fields.list(name));
    lists.into_iter().find(|list| !list.is_empty()).unwrap_or_default()
}
