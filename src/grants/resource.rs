//! What a call was done to, by ARN, as far as its record says.
//!
//! A record names its resources in one of three ways: it lists them (`resources`), it answers with an ARN, or it was
//! asked for them by a name that has to be put into an ARN. The table of names is short: what stands on most protect
//! surfaces. A call that names nothing has no resource here, and a grant that is limited to resources does not cover it.
//!
//! Invariant: an ARN is never guessed from anything but the call's own parameters, region and account.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::model::Slot;
use crate::model::TrailRecord;
use crate::model::json;

/// How many resources of one call are looked at.
const MAX_RESOURCES: usize = 16;

/// The resources of one call.
pub type Resources = SmallVec<[String; 2]>;

/// A parameter that names what a call is done to: the service, the parameter, and the ARN that the name (`{}`) stands
/// in; `{r}` is the region, `{a}` the account. The first that is there counts.
struct Named(&'static str, &'static str, &'static str);

const NAMED: &[Named] = &[
    Named("cloudformation", "stackName", "cloudformation:{r}:{a}:stack/{}/*"),
    Named("cloudtrail", "name", "cloudtrail:{r}:{a}:trail/{}"),
    Named("cloudtrail", "trailName", "cloudtrail:{r}:{a}:trail/{}"),
    Named("dynamodb", "tableName", "dynamodb:{r}:{a}:table/{}"),
    Named("ec2", "instanceId", "ec2:{r}:{a}:instance/{}"),
    Named("ec2", "instancesSet.items.instanceId", "ec2:{r}:{a}:instance/{}"),
    Named("ec2", "groupId", "ec2:{r}:{a}:security-group/{}"),
    Named("ec2", "volumeId", "ec2:{r}:{a}:volume/{}"),
    Named("ec2", "snapshotId", "ec2:{r}::snapshot/{}"),
    Named("ec2", "imageId", "ec2:{r}::image/{}"),
    Named("ecr", "repositoryName", "ecr:{r}:{a}:repository/{}"),
    Named("ecs", "cluster", "ecs:{r}:{a}:cluster/{}"),
    Named("eks", "name", "eks:{r}:{a}:cluster/{}"),
    Named("elasticache", "cacheClusterId", "elasticache:{r}:{a}:cluster:{}"),
    Named("iam", "roleName", "iam::{a}:role/{}"),
    Named("iam", "groupName", "iam::{a}:group/{}"),
    Named("iam", "userName", "iam::{a}:user/{}"),
    Named("iam", "instanceProfileName", "iam::{a}:instance-profile/{}"),
    Named("kms", "keyId", "kms:{r}:{a}:key/{}"),
    Named("lambda", "functionName", "lambda:{r}:{a}:function:{}"),
    Named("logs", "logGroupName", "logs:{r}:{a}:log-group:{}"),
    Named("rds", "dBInstanceIdentifier", "rds:{r}:{a}:db:{}"),
    Named("rds", "dBClusterIdentifier", "rds:{r}:{a}:cluster:{}"),
    Named("rds", "dBSnapshotIdentifier", "rds:{r}:{a}:snapshot:{}"),
    Named("route53", "hostedZoneId", "route53:::hostedzone/{}"),
    // The six letters that AWS puts behind a secret's name are not known; policies write them like this too.
    Named("secretsmanager", "secretId", "secretsmanager:{r}:{a}:secret:{}-??????"),
    Named("secretsmanager", "name", "secretsmanager:{r}:{a}:secret:{}-??????"),
    Named("ssm", "name", "ssm:{r}:{a}:parameter/{}"),
    Named("ssm", "target", "ec2:{r}:{a}:instance/{}"),
];

/// Returns what `record`, a call of `action` (`iam:CreateUser`), was done to.
pub fn resources(record: &TrailRecord<'_>, action: &str) -> Resources {
    let mut found = listed(record);
    if found.is_empty() {
        found = in_bucket(record, action);
    }
    if found.is_empty() {
        found = answered(record, action);
    }
    if found.is_empty() {
        found = named(record, action);
    }
    if found.is_empty() {
        found = asked_by_arn(record);
    }
    found.truncate(MAX_RESOURCES);
    found
}

/// What the record lists; of an object and its bucket, the object.
fn listed(record: &TrailRecord<'_>) -> Resources {
    let mut found = Resources::new();
    record.walk_below(Slot::Resources, "ARN", &mut |raw| keep(&mut found, raw));
    let all = found.clone();
    found.retain(|arn| {
        let inside = |other: &String| {
            other.strip_prefix(arn.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        !all.iter().any(inside)
    });
    found
}

fn in_bucket(record: &TrailRecord<'_>, action: &str) -> Resources {
    let text = |path| record.text(path).filter(|text| !text.is_empty());
    let Some(bucket) = text("requestParameters.bucketName") else { return Resources::new() };
    if !action.starts_with("s3:") {
        return Resources::new();
    }
    let arn = match text("requestParameters.key") {
        Some(key) => format!("arn:aws:s3:::{bucket}/{key}"),
        None => format!("arn:aws:s3:::{bucket}"),
    };
    Resources::from_iter([arn])
}

/// The ARN that some services answer with, which is more than the name that they were asked by.
fn answered(record: &TrailRecord<'_>, action: &str) -> Resources {
    let path = match action.split_once(':').map_or("", |(service, _)| service) {
        "secretsmanager" => "responseElements.arn",
        "lambda" => "responseElements.functionArn",
        "rds" => "responseElements.dBInstanceArn",
        _ => return Resources::new(),
    };
    let mut found = Resources::new();
    record.walk(path, &mut |raw| keep(&mut found, raw));
    found
}

fn named(record: &TrailRecord<'_>, action: &str) -> Resources {
    let service = action.split_once(':').map_or("", |(service, _)| service);
    let mut found = Resources::new();
    for Named(_, parameter, arn) in NAMED.iter().filter(|named| named.0 == service) {
        record.walk_below(Slot::RequestParameters, parameter, &mut |raw| {
            let Some(name) = json::string(raw).filter(|name| !name.is_empty()) else { return };
            if found.len() < MAX_RESOURCES {
                found.push(put_into(arn, &name, record));
            }
        });
        if !found.is_empty() {
            break;
        }
    }
    found
}

fn put_into(arn: &str, name: &str, record: &TrailRecord<'_>) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    let slot = |slot| record.slot_or_empty(slot);
    let name = name.strip_prefix('/').unwrap_or(name);
    let filled = arn
        .replace("{r}", &slot(Slot::AwsRegion))
        .replace("{a}", &slot(Slot::RecipientAccountId))
        .replace("{}", name);
    format!("arn:aws:{filled}")
}

/// Parameters that are ARNs by their own word.
fn asked_by_arn(record: &TrailRecord<'_>) -> Resources {
    let mut found = Resources::new();
    let asked = record.slot_raw(Slot::RequestParameters).unwrap_or_default();
    for (key, value) in json::members(asked) {
        if key.to_ascii_lowercase().ends_with("arn") {
            keep(&mut found, value);
        }
    }
    found
}

fn keep(found: &mut Resources, raw: &str) {
    let arn: Option<Cow<'_, str>> = json::string(raw).filter(|arn| arn.starts_with("arn:"));
    if let Some(arn) =
        arn.filter(|arn| found.len() < MAX_RESOURCES && !found.iter().any(|known| *known == **arn))
    {
        found.push(arn.into_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slots;

    fn of(action: &str, more: &str) -> String {
        let text =
            format!(r#"{{"awsRegion":"eu-west-1","recipientAccountId":"111122223333",{more}}}"#);
        let slots = Slots::of(&text).unwrap();
        resources(&TrailRecord::new(&text, &slots), action).join(" ")
    }

    #[test]
    fn what_a_call_was_done_to_is_told_in_several_ways() {
        for (action, record, expected) in [
            (
                "s3:GetObject",
                r#""resources":[{"ARN":"arn:aws:s3:::b/k"},{"ARN":"arn:aws:s3:::b","type":"x"}]"#,
                "arn:aws:s3:::b/k",
            ),
            (
                "s3:PutBucketPolicy",
                r#""requestParameters":{"bucketName":"b"},"resources":null"#,
                "arn:aws:s3:::b",
            ),
            (
                "rds:RebootDBInstance",
                r#""requestParameters":{"dBInstanceIdentifier":"orders"}"#,
                "arn:aws:rds:eu-west-1:111122223333:db:orders",
            ),
            (
                "secretsmanager:PutSecretValue",
                r#""requestParameters":{"secretId":"a"},"responseElements":{"arn":"arn:aws:secretsmanager:eu-west-1:1:secret:a-x7Kq2f"}"#,
                "arn:aws:secretsmanager:eu-west-1:1:secret:a-x7Kq2f",
            ),
            (
                "secretsmanager:GetSecretValue",
                r#""requestParameters":{"secretId":"app/db"},"responseElements":null"#,
                "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-??????",
            ),
            (
                "iam:AttachRolePolicy",
                r#""requestParameters":{"roleName":"Deploy","policyArn":"arn:aws:iam::aws:policy/X"}"#,
                "arn:aws:iam::111122223333:role/Deploy",
            ),
            (
                "ec2:TerminateInstances",
                r#""requestParameters":{"instancesSet":{"items":[{"instanceId":"i-1"},{"instanceId":"i-2"}]}}"#,
                "arn:aws:ec2:eu-west-1:111122223333:instance/i-1 arn:aws:ec2:eu-west-1:111122223333:instance/i-2",
            ),
            (
                "sns:SetTopicAttributes",
                r#""requestParameters":{"topicArn":"arn:aws:sns:eu-west-1:1:t"}"#,
                "arn:aws:sns:eu-west-1:1:t",
            ),
            ("sts:GetCallerIdentity", r#""requestParameters":null"#, ""),
        ] {
            assert_eq!(of(action, record), expected, "{action}");
        }
    }
}
