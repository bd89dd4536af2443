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

/// How many resources of one call are looked at; what is more stands as [`MORE`].
const MAX_RESOURCES: usize = 100;
/// Stands for resources that are not looked at. No ARN is like it, so that who may do something to some may not to these.
const MORE: &str = "…";

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
    Named("ec2", "networkInterfaceId", "ec2:{r}:{a}:network-interface/{}"),
    Named("ec2", "routeTableId", "ec2:{r}:{a}:route-table/{}"),
    Named("ec2", "internetGatewayId", "ec2:{r}:{a}:internet-gateway/{}"),
    Named("ec2", "subnetId", "ec2:{r}:{a}:subnet/{}"),
    Named("ec2", "vpcId", "ec2:{r}:{a}:vpc/{}"),
    Named("ecr", "repositoryName", "ecr:{r}:{a}:repository/{}"),
    Named("ecs", "cluster", "ecs:{r}:{a}:cluster/{}"),
    Named("eks", "name", "eks:{r}:{a}:cluster/{}"),
    Named("elasticache", "cacheClusterId", "elasticache:{r}:{a}:cluster:{}"),
    Named("elasticfilesystem", "fileSystemId", "elasticfilesystem:{r}:{a}:file-system/{}"),
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
    Named("sqs", "queueUrl", "sqs:{r}:{a}:{}"),
    Named("sqs", "queueName", "sqs:{r}:{a}:{}"),
    Named("ssm", "name", "ssm:{r}:{a}:parameter/{}"),
    Named("ssm", "target", "ec2:{r}:{a}:instance/{}"),
];

/// How the ids of EC2's resources begin, and the part of an ARN that they stand behind; what AWS shares has no account.
const OF_EC2: &[(&str, &str)] = &[
    ("i-", "{a}:instance"),
    ("vol-", "{a}:volume"),
    ("snap-", ":snapshot"),
    ("ami-", ":image"),
    ("sg-", "{a}:security-group"),
    ("eni-", "{a}:network-interface"),
    ("subnet-", "{a}:subnet"),
    ("vpc-", "{a}:vpc"),
    ("rtb-", "{a}:route-table"),
    ("igw-", "{a}:internet-gateway"),
    ("nat-", "{a}:natgateway"),
    ("acl-", "{a}:network-acl"),
    ("eipalloc-", "{a}:elastic-ip"),
    ("vpce-", "{a}:vpc-endpoint"),
    ("tgw-", "{a}:transit-gateway"),
    ("pcx-", "{a}:vpc-peering-connection"),
    ("lt-", "{a}:launch-template"),
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
    if found.len() > MAX_RESOURCES {
        found.truncate(MAX_RESOURCES);
        found.push(MORE.to_owned());
    }
    found
}

/// What the record lists; of an object and its bucket, the object.
pub(super) fn listed(record: &TrailRecord<'_>) -> Resources {
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

/// What a call of `action` was asked for by name.
pub(super) fn named(record: &TrailRecord<'_>, action: &str) -> Resources {
    let service = action.split_once(':').map_or("", |(service, _)| service);
    let mut found = Resources::new();
    // Calls of EC2 that tag name anything by its id.
    record.walk_below(Slot::RequestParameters, "resourcesSet.items.resourceId", &mut |raw| {
        let id = json::string(raw).filter(|_| service == "ec2" && found.len() <= MAX_RESOURCES);
        found.extend(id.and_then(|id| of_ec2(&id, record)));
    });
    if !found.is_empty() {
        return found;
    }
    for Named(_, parameter, arn) in NAMED.iter().filter(|named| named.0 == service) {
        record.walk_below(Slot::RequestParameters, parameter, &mut |raw| {
            let Some(name) = json::string(raw).filter(|name| !name.is_empty()) else { return };
            if found.len() <= MAX_RESOURCES {
                found.push(put_into(arn, &name, record));
            }
        });
        if !found.is_empty() {
            break;
        }
    }
    found
}

/// Returns the ARN of the resource of EC2 that has the id `id`, in the region and account of `record`; nothing if ids do not
/// begin like that.
pub(super) fn of_ec2(id: &str, record: &TrailRecord<'_>) -> Option<String> {
    let (_, kind) = OF_EC2.iter().find(|(begin, _)| id.starts_with(begin))?;
    Some(put_into(&format!("ec2:{{r}}:{kind}/{{}}"), id, record))
}

/// Returns the ARN of the parameter of Systems Manager that is called `name`.
pub(super) fn of_parameter(name: &str, record: &TrailRecord<'_>) -> String {
    put_into("ssm:{r}:{a}:parameter/{}", name, record)
}

fn put_into(arn: &str, name: &str, record: &TrailRecord<'_>) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    let slot = |slot| record.slot_or_empty(slot);
    let (region, account) = (slot(Slot::AwsRegion), slot(Slot::RecipientAccountId));
    // A queue is called by its URL, which ends with its account and name.
    let mut of_url = name.strip_prefix("https://").into_iter().flat_map(|url| url.rsplit('/'));
    let (name, account) = match (of_url.next(), of_url.next()) {
        (Some(name), Some(account)) => (name, account),
        _ => (name.strip_prefix('/').unwrap_or(name), &*account),
    };
    let filled = arn.replace("{r}", &region).replace("{a}", account).replace("{}", name);
    let partition = match &*region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:{filled}")
}

/// Parameters that are ARNs by their own word, alone or in a list.
fn asked_by_arn(record: &TrailRecord<'_>) -> Resources {
    let mut found = Resources::new();
    let asked = record.slot_raw(Slot::RequestParameters).unwrap_or_default();
    for (key, value) in json::members(asked) {
        let key = key.to_ascii_lowercase();
        // Calls that tag have them in `resource`, `resourceName` or `resourceId`.
        if key.ends_with("arn") || key.ends_with("arns") || key.starts_with("resource") {
            keep(&mut found, value);
            json::elements(value).for_each(|value| keep(&mut found, value));
        }
    }
    found
}

fn keep(found: &mut Resources, raw: &str) {
    let arn: Option<Cow<'_, str>> = json::string(raw).filter(|arn| arn.starts_with("arn:"));
    if let Some(arn) =
        arn.filter(|arn| found.len() <= MAX_RESOURCES && !found.iter().any(|known| *known == **arn))
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

    /// The action, the rest of the record, and what it was done to.
    const CALLS: &[(&str, &str, &str)] = &[
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
        (
            "sqs:DeleteQueue",
            r#""requestParameters":{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/444455556666/orders"}"#,
            "arn:aws:sqs:eu-west-1:444455556666:orders",
        ),
        (
            "ec2:DeleteVpc",
            r#""requestParameters":{"vpcId":"vpc-1"}"#,
            "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1",
        ),
        (
            "ec2:DeleteTags",
            r#""requestParameters":{"resourcesSet":{"items":[{"resourceId":"i-1"},{"resourceId":"ami-2"}]}}"#,
            "arn:aws:ec2:eu-west-1:111122223333:instance/i-1 arn:aws:ec2:eu-west-1::image/ami-2",
        ),
        (
            "rds:RemoveTagsFromResource",
            r#""requestParameters":{"resourceName":"arn:aws:rds:r:1:db:orders","tagKeys":["env"]}"#,
            "arn:aws:rds:r:1:db:orders",
        ),
        (
            "tag:UntagResources",
            r#""requestParameters":{"resourceARNList":["arn:aws:sqs:r:1:a","arn:aws:sqs:r:1:b"]}"#,
            "arn:aws:sqs:r:1:a arn:aws:sqs:r:1:b",
        ),
        ("sts:GetCallerIdentity", r#""requestParameters":null"#, ""),
    ];

    #[test]
    fn what_a_call_was_done_to_is_told_in_several_ways() {
        for (action, record, expected) in CALLS {
            assert_eq!(of(action, record), *expected, "{action}");
        }
    }

    #[test]
    fn what_is_too_much_to_look_at_is_like_no_arn() {
        let items: Vec<String> =
            (0..150).map(|id| format!(r#"{{"instanceId":"i-{id}"}}"#)).collect();
        let asked =
            format!(r#""requestParameters":{{"instancesSet":{{"items":[{}]}}}}"#, items.join(","));
        let found = of("ec2:TerminateInstances", &asked);
        assert_eq!(found.split(' ').count(), MAX_RESOURCES + 1);
        assert!(found.ends_with("instance/i-99 …"), "{found}");
    }

    #[test]
    fn an_arn_is_of_the_partition_of_its_region() {
        for (region, expected) in [
            ("us-gov-west-1", "arn:aws-us-gov:ec2:us-gov-west-1:111122223333:volume/vol-1"),
            ("cn-north-1", "arn:aws-cn:ec2:cn-north-1:111122223333:volume/vol-1"),
            ("eu-west-1", "arn:aws:ec2:eu-west-1:111122223333:volume/vol-1"),
        ] {
            let text = format!(
                r#"{{"awsRegion":"{region}","recipientAccountId":"111122223333","requestParameters":{{"volumeId":"vol-1"}}}}"#
            );
            let slots = Slots::of(&text).unwrap();
            let record = TrailRecord::new(&text, &slots);
            assert_eq!(resources(&record, "ec2:DeleteVolume").join(" "), expected);
            assert_eq!(of_ec2("vol-1", &record).unwrap(), expected);
            assert_eq!(of_ec2("x-1", &record), None);
        }
    }
}
