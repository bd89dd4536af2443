//! From a call to the IAM action that allows it: `lambda` `Invoke20150331` is `lambda:InvokeFunction`.
//!
//! Events are named after the API's operations, policies speak of actions. Mostly the names are the same; where they
//! are not, it stands here. Sources: AWS's service authorization reference, and for S3 the table of permissions that
//! its operations require.
//!
//! Invariant: what is not known here keeps the event's name. A call that takes several actions is called after the
//! one that changes something.

/// Returns the action that allows the call of `event_name` that `event_source` recorded: `iam:CreateUser`.
pub fn action_of(event_source: &str, event_name: &str) -> String {
    let host = event_source.split_once(".amazonaws.com").map_or(event_source, |(host, _)| host);
    let service = service(host);
    let name = without_date(event_name);
    let name = match service {
        "s3" | "s3-outposts" | "s3express" => s3(name),
        "lambda" => lambda(name),
        "sqs" | "sns" => name.strip_suffix("Batch").unwrap_or(name),
        "kms" if name == "ReEncrypt" => "ReEncryptFrom",
        "access-analyzer" if name == "ListFindingsV2" => "ListFindings",
        "budgets" if name.starts_with("Describe") => "ViewBudget",
        _ => name,
    };
    format!("{service}:{name}")
}

/// Returns the prefix of actions of the service that answers at `host`.
fn service(host: &str) -> &str {
    match host {
        "monitoring" => "cloudwatch",
        "tagging" => "tag",
        "models.lex" | "runtime.lex" | "models-v2-lex" | "runtime-v2-lex" => "lex",
        "runtime.sagemaker" | "api.sagemaker" => "sagemaker",
        "email" => "ses",
        "api.ecr" => "ecr",
        "api.ecr-public" => "ecr-public",
        "api.pricing" => "pricing",
        "streams.dynamodb" => "dynamodb",
        "data.iot" | "iotdata" => "iot",
        "entitlement.marketplace" | "metering.marketplace" | "catalog.marketplace" => {
            "aws-marketplace"
        }
        "opensearchserverless" => "aoss",
        "servicecatalog-appregistry" => "servicecatalog",
        "pinpoint" => "mobiletargeting",
        host => host,
    }
}

fn s3(name: &str) -> &str {
    match name {
        "ListObjects" | "ListObjectsV2" | "HeadBucket" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "ListBuckets" => "ListAllMyBuckets",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "ListParts" => "ListMultipartUploadParts",
        "HeadObject" | "SelectObjectContent" => "GetObject",
        "CopyObject"
        | "PostObject"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload" => "PutObject",
        "DeleteObjects" => "DeleteObject",
        "GetBucketCors" => "GetBucketCORS",
        "PutBucketCors" | "DeleteBucketCors" => "PutBucketCORS",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "GetBucketLifecycle" | "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycle" | "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => {
            "PutLifecycleConfiguration"
        }
        "GetBucketReplication" => "GetReplicationConfiguration",
        "PutBucketReplication" | "DeleteBucketReplication" => "PutReplicationConfiguration",
        "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
        "PutBucketAccelerateConfiguration" => "PutAccelerateConfiguration",
        "GetBucketNotificationConfiguration" => "GetBucketNotification",
        "PutBucketNotificationConfiguration" => "PutBucketNotification",
        "GetBucketAnalyticsConfiguration" | "ListBucketAnalyticsConfigurations" => {
            "GetAnalyticsConfiguration"
        }
        "PutBucketAnalyticsConfiguration" | "DeleteBucketAnalyticsConfiguration" => {
            "PutAnalyticsConfiguration"
        }
        "GetBucketInventoryConfiguration" | "ListBucketInventoryConfigurations" => {
            "GetInventoryConfiguration"
        }
        "PutBucketInventoryConfiguration" | "DeleteBucketInventoryConfiguration" => {
            "PutInventoryConfiguration"
        }
        "GetBucketMetricsConfiguration" | "ListBucketMetricsConfigurations" => {
            "GetMetricsConfiguration"
        }
        "PutBucketMetricsConfiguration" | "DeleteBucketMetricsConfiguration" => {
            "PutMetricsConfiguration"
        }
        "GetBucketIntelligentTieringConfiguration" => "GetIntelligentTieringConfiguration",
        "PutBucketIntelligentTieringConfiguration"
        | "DeleteBucketIntelligentTieringConfiguration" => "PutIntelligentTieringConfiguration",
        "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
        "PutObjectLockConfiguration" => "PutBucketObjectLockConfiguration",
        // The access to take away and the access to give are one permission.
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" | "DeleteBucketPublicAccessBlock" => {
            "PutBucketPublicAccessBlock"
        }
        "DeleteAccountPublicAccessBlock" => "PutAccountPublicAccessBlock",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        "DeleteBucketTagging" => "PutBucketTagging",
        name => name,
    }
}

fn lambda(name: &str) -> &str {
    match name {
        "Invoke" | "InvokeWithResponseStream" => "InvokeFunction",
        "GetLayerVersionByArn" => "GetLayerVersion",
        name => name,
    }
}

/// Cuts `20150331`, `20150331v2` or `2020_05_31` from the end.
fn without_date(name: &str) -> &str {
    let without_version = match name.rsplit_once('v') {
        Some((head, version))
            if is_digits(version) && head.ends_with(|c: char| c.is_ascii_digit()) =>
        {
            head
        }
        _ => name,
    };
    let digits = without_version.bytes().rev().take_while(u8::is_ascii_digit).count();
    let plain = without_version.len() - digits;
    if digits == 8 {
        return name.get(..plain).unwrap_or(name);
    }
    let tail =
        without_version.len().checked_sub(10).and_then(|at| without_version.split_at_checked(at));
    match tail {
        Some((head, date)) if is_underscored_date(date) => head.strip_suffix('_').unwrap_or(head),
        _ => name,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_underscored_date(text: &str) -> bool {
    let mut parts = text.split('_');
    [4, 2, 2].iter().all(|len| parts.next().is_some_and(|p| p.len() == *len && is_digits(p)))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_lose_their_dates() {
        for (name, expected) in [
            ("CreateUser", "CreateUser"),
            ("CreateFunction20150331", "CreateFunction"),
            ("UpdateFunctionCode20150331v2", "UpdateFunctionCode"),
            ("CreateDistribution2016_11_25", "CreateDistribution"),
            ("ListObjectsV2", "ListObjectsV2"),
            ("Getv2", "Getv2"),
            ("20150331", ""),
            ("äöü2016_11_2", "äöü2016_11_2"),
        ] {
            assert_eq!(without_date(name), expected, "{name}");
        }
    }

    #[test]
    fn events_are_not_actions() {
        for (source, event, expected) in [
            ("iam", "CreateUser", "iam:CreateUser"),
            ("monitoring", "PutMetricAlarm", "cloudwatch:PutMetricAlarm"),
            ("lambda", "Invoke20150331", "lambda:InvokeFunction"),
            ("lambda", "AddPermission20150331v2", "lambda:AddPermission"),
            ("s3", "ListObjectsV2", "s3:ListBucket"),
            ("s3", "HeadObject", "s3:GetObject"),
            ("s3", "DeleteObjects", "s3:DeleteObject"),
            ("s3", "UploadPart", "s3:PutObject"),
            ("s3", "PutBucketPublicAccessBlock", "s3:PutBucketPublicAccessBlock"),
            ("s3", "DeleteBucketEncryption", "s3:PutEncryptionConfiguration"),
            ("sqs", "SendMessageBatch", "sqs:SendMessage"),
            ("cloudfront", "UpdateDistribution2020_05_31", "cloudfront:UpdateDistribution"),
            ("somethingnew", "DoIt", "somethingnew:DoIt"),
        ] {
            let source = format!("{source}.amazonaws.com");
            assert_eq!(action_of(&source, event), expected, "{source} {event}");
        }
    }
}
