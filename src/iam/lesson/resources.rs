//! What records teach about the policies of resources: which calls write one, where its text stands, whose it is.
//!
//! Invariant: a resource is named by its ARN; a call whose resource cannot be named teaches nothing.

use std::sync::Arc;

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::fields::Fields;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Kind;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;

/// What a call does to a resource's policy.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// It writes all of it, into this parameter.
    Writes(&'static str),
    /// It makes the resource, and may write a policy.
    Makes(&'static str),
    /// It takes the policy away, or the resource with it.
    Ends,
    /// It adds or removes one statement.
    Adds,
    Removes,
}

/// A call: service, name (Lambda's versions cut off), what it does, the parameter with the resource, and what its ARN is
/// made of (`R` region, `A` account, `N` the parameter; empty where the parameter is an ARN).
type Call = (&'static str, &'static str, Does, &'static str, &'static str);

/// Source: handbook of resource policies. What can be named by its ARN is here.
const CALLS: &[Call] = &[
    ("s3", "PutBucketPolicy", Does::Writes("bucketPolicy"), "bucketName", "s3:::N"),
    ("s3", "DeleteBucketPolicy", Does::Ends, "bucketName", "s3:::N"),
    ("s3", "DeleteBucket", Does::Ends, "bucketName", "s3:::N"),
    ("kms", "PutKeyPolicy", Does::Writes("policy"), "keyId", "kms:R:A:key/N"),
    ("kms", "CreateKey", Does::Makes("policy"), "", "kms:R:A:key/N"),
    ("sqs", "SetQueueAttributes", Does::Writes("attributes.Policy"), "queueUrl", "sqs:R:A:N"),
    ("sqs", "CreateQueue", Does::Makes("attributes.Policy"), "queueUrl", "sqs:R:A:N"),
    ("sqs", "DeleteQueue", Does::Ends, "queueUrl", "sqs:R:A:N"),
    ("sqs", "AddPermission", Does::Adds, "queueUrl", "sqs:R:A:N"),
    ("sqs", "RemovePermission", Does::Removes, "queueUrl", "sqs:R:A:N"),
    ("sns", "SetTopicAttributes", Does::Writes("attributeValue"), "topicArn", "sns:R:A:N"),
    ("sns", "DeleteTopic", Does::Ends, "topicArn", "sns:R:A:N"),
    ("sns", "AddPermission", Does::Adds, "topicArn", "sns:R:A:N"),
    ("sns", "RemovePermission", Does::Removes, "topicArn", "sns:R:A:N"),
    ("lambda", "AddPermission", Does::Adds, "functionName", "lambda:R:A:function:N"),
    ("lambda", "RemovePermission", Does::Removes, "functionName", "lambda:R:A:function:N"),
    ("lambda", "DeleteFunction", Does::Ends, "functionName", "lambda:R:A:function:N"),
    ("secretsmanager", "PutResourcePolicy", Does::Writes("resourcePolicy"), "secretId", ""),
    ("secretsmanager", "DeleteResourcePolicy", Does::Ends, "secretId", ""),
    (
        "ecr",
        "SetRepositoryPolicy",
        Does::Writes("policyText"),
        "repositoryName",
        "ecr:R:A:repository/N",
    ),
    ("ecr", "DeleteRepositoryPolicy", Does::Ends, "repositoryName", "ecr:R:A:repository/N"),
    ("ecr", "DeleteRepository", Does::Ends, "repositoryName", "ecr:R:A:repository/N"),
    ("glue", "PutResourcePolicy", Does::Writes("policyInJson"), "resourceArn", ""),
    ("glue", "DeleteResourcePolicy", Does::Ends, "resourceArn", ""),
    ("dynamodb", "PutResourcePolicy", Does::Writes("policy"), "resourceArn", ""),
    ("dynamodb", "DeleteResourcePolicy", Does::Ends, "resourceArn", ""),
    ("kinesis", "PutResourcePolicy", Does::Writes("policy"), "resourceARN", ""),
    ("kinesis", "DeleteResourcePolicy", Does::Ends, "resourceARN", ""),
    ("codebuild", "PutResourcePolicy", Does::Writes("policy"), "resourceArn", ""),
    ("codebuild", "DeleteResourcePolicy", Does::Ends, "resourceArn", ""),
    ("ssm", "PutResourcePolicy", Does::Writes("policy"), "resourceArn", ""),
    ("cloudtrail", "PutResourcePolicy", Does::Writes("resourcePolicy"), "resourceArn", ""),
    ("cloudtrail", "DeleteResourcePolicy", Does::Ends, "resourceArn", ""),
    ("acm-pca", "PutPolicy", Does::Writes("policy"), "resourceArn", ""),
    ("acm-pca", "DeletePolicy", Does::Ends, "resourceArn", ""),
    (
        "logs",
        "PutDestinationPolicy",
        Does::Writes("accessPolicy"),
        "destinationName",
        "logs:R:A:destination:N",
    ),
    ("events", "PutPermission", Does::Writes("policy"), "eventBusName", "events:R:A:event-bus/N"),
    (
        "elasticfilesystem",
        "PutFileSystemPolicy",
        Does::Writes("policy"),
        "fileSystemId",
        "elasticfilesystem:R:A:file-system/N",
    ),
    (
        "elasticfilesystem",
        "DeleteFileSystemPolicy",
        Does::Ends,
        "fileSystemId",
        "elasticfilesystem:R:A:file-system/N",
    ),
    (
        "backup",
        "PutBackupVaultAccessPolicy",
        Does::Writes("policy"),
        "backupVaultName",
        "backup:R:A:backup-vault:N",
    ),
    (
        "backup",
        "DeleteBackupVaultAccessPolicy",
        Does::Ends,
        "backupVaultName",
        "backup:R:A:backup-vault:N",
    ),
    (
        "glacier",
        "SetVaultAccessPolicy",
        Does::Writes("policy.policy"),
        "vaultName",
        "glacier:R:A:vaults/N",
    ),
    ("glacier", "DeleteVaultAccessPolicy", Does::Ends, "vaultName", "glacier:R:A:vaults/N"),
    (
        "codeartifact",
        "PutDomainPermissionsPolicy",
        Does::Writes("policyDocument"),
        "domain",
        "codeartifact:R:A:domain/N",
    ),
    (
        "codeartifact",
        "DeleteDomainPermissionsPolicy",
        Does::Ends,
        "domain",
        "codeartifact:R:A:domain/N",
    ),
    ("es", "UpdateDomainConfig", Does::Writes("accessPolicies"), "domainName", "es:R:A:domain/N"),
    ("es", "CreateDomain", Does::Makes("accessPolicies"), "domainName", "es:R:A:domain/N"),
    ("es", "DeleteDomain", Does::Ends, "domainName", "es:R:A:domain/N"),
];

/// Returns whether a call of this name may write a resource's policy.
pub(super) fn is_known(event: &str) -> bool {
    let event = plain(event);
    CALLS.iter().any(|(_, name, ..)| *name == event)
}

/// Returns what a call changes of a resource's policy.
pub(super) fn of(fields: &Fields<'_, '_>, source: &str, event: &str) -> Option<Vec<(Key, Edit)>> {
    let service = source.strip_suffix(".amazonaws.com")?;
    let event = plain(event);
    let found = CALLS.iter().find(|(of, name, ..)| *of == service && *name == event);
    let (_, _, does, named, form) = found?;
    let arn = arn(fields, named, form)?;
    let there = |field: &str| {
        let mut is_there = false;
        fields.record.walk(&format!("requestParameters.{field}"), &mut |raw| {
            is_there |= !matches!(raw, "null" | "\"\"");
        });
        is_there
    };
    let edit = match does {
        // Other attributes are set by the same call.
        Does::Writes(_) if event == "SetTopicAttributes" && !names_policy(fields) => return None,
        Does::Writes(field) if sets_others(event) && !there(field) => return None,
        Does::Writes(field) => Edit::Policy { text: fields.document(field, Kind::Resource) },
        Does::Makes(field) if there(field) => {
            Edit::Made(Thing::Resource(fields.document(field, Kind::Resource)))
        }
        Does::Makes(_) => return None,
        Does::Ends => Edit::Deleted,
        Does::Adds => added(fields, service, &arn)?,
        Does::Removes => {
            let sid = fields.asked("statementId").or_else(|| fields.asked("label"))?;
            Edit::StatementRemoved { sid }
        }
    };
    Some(vec![(Key::Resource { account: owner(fields, &arn), arn }, edit)])
}

/// Returns whose a resource is: the caller of another account has a copy of the record.
fn owner(fields: &Fields<'_, '_>, arn: &str) -> Box<str> {
    let named = arn.split(':').nth(4).filter(|id| !id.is_empty());
    let told = || fields.at("resources.accountId");
    named.map(Into::into).or_else(told).unwrap_or_else(|| fields.account.clone())
}

fn names_policy(fields: &Fields<'_, '_>) -> bool {
    fields.asked("attributeName").as_deref() == Some("Policy")
}

fn sets_others(event: &str) -> bool {
    matches!(event, "SetQueueAttributes" | "UpdateDomainConfig" | "PutPermission")
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
    // A new key's name is in the answer alone.
    let name = match named {
        "" => fields.answered("keyMetadata.arn").or_else(|| fields.answered("keyMetadata.keyId")),
        "secretId" => fields.answered("arn").or_else(|| fields.answered("aRN")),
        _ => None,
    };
    let name = name.or_else(|| fields.asked(named))?;
    if name.starts_with("arn:") {
        return Some(unqualified(&name).into());
    }
    if form.is_empty() {
        return None;
    }
    let short = name.rsplit('/').next().filter(|_| named == "queueUrl").unwrap_or(&name);
    let place = match form.split_once("R:A:") {
        Some((service, rest)) => {
            format!("{service}{}:{}:{}", fields.region(), fields.account, rest.replace('N', short))
        }
        None => form.replace('N', short),
    };
    Some(format!("arn:{}:{place}", fields.partition()).into())
}

/// Returns a function's ARN without its version or alias.
fn unqualified(arn: &str) -> &str {
    if !arn.contains(":lambda:") {
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
    let sid = fields.asked("label")?;
    let accounts =
        named(fields, &["aWSAccountIds", "AWSAccountIds", "aWSAccountId", "aWSAccountID"]);
    let actions = named(fields, &["actions", "actionName", "actionNames"]);
    if accounts.is_empty() || actions.is_empty() {
        let text = Text::Unknown("the record does not say to whom or for what".into());
        return Some(Edit::StatementPut { sid, text });
    }
    let principal = |id: &Box<str>| match id.len() {
        12 => Principal::Aws(format!("arn:{}:iam::{id}:root", fields.partition()).into()),
        _ => Principal::Aws(id.clone()),
    };
    let mut principals: Vec<_> = accounts.iter().map(principal).collect();
    principals.sort();
    let mut actions: Vec<Box<str>> = actions
        .iter()
        .map(|action| format!("{service}:{action}").to_ascii_lowercase().into())
        .collect();
    actions.sort();
    let statement = Statement {
        sid: Some(sid.clone()),
        effect: Effect::Allow,
        principals: Some(Listed::Only(principals)),
        actions: Listed::Only(actions),
        resources: Some(Listed::Only(vec![arn.into()])),
        conditions: Vec::new(),
    };
    let document = Document { language: Language::Of2012, statements: vec![statement] };
    Some(Edit::StatementPut { sid, text: Text::Known(Arc::new(document)) })
}

/// Returns the texts of the first of some parameters that is a list with something in it.
fn named(fields: &Fields<'_, '_>, parameters: &[&str]) -> Vec<Box<str>> {
    let lists = parameters.iter().map(|name| fields.list(name));
    lists.into_iter().find(|list| !list.is_empty()).unwrap_or_default()
}
