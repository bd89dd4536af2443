//! What software is made of and what it leaves behind: stacks, pipelines, settings, buckets, queries.
//!
//! Invariant: as in `people.rs`.

use crate::simulate::call::Routine;
use crate::simulate::catalogue::people::INVALID;
use crate::simulate::catalogue::people::NO_BUCKET;
use crate::simulate::catalogue::people::NOT_FOUND;
use crate::simulate::catalogue::people::Topic;
use crate::simulate::catalogue::people::read;
use crate::simulate::catalogue::people::write;

/// Buckets.
pub static BUCKETS: Topic = Topic {
    reads: &[
        read("s3", "ListBuckets", r#"{"Host":"s3.$region.amazonaws.com"}"#),
        read(
            "s3",
            "GetBucketLocation",
            r#"{"bucketName":"$bucket","location":"","Host":"s3.$region.amazonaws.com"}"#,
        ),
        read(
            "s3",
            "GetBucketVersioning",
            r#"{"bucketName":"$bucket","versioning":"","Host":"$bucket.s3.$region.amazonaws.com"}"#,
        ),
        read(
            "s3",
            "GetBucketTagging",
            r#"{"bucketName":"$bucket","tagging":"","Host":"$bucket.s3.$region.amazonaws.com"}"#,
        ),
        read(
            "s3",
            "GetBucketLifecycle",
            r#"{"bucketName":"$bucket","lifecycle":"","Host":"$bucket.s3.$region.amazonaws.com"}"#,
        ),
    ],
    writes: &[write(
        "s3",
        "PutBucketTagging",
        (
            r#"{"bucketName":"$bucket","tagging":"","Tagging":{"TagSet":{"Tag":[{"Key":"team","Value":"shop"}]}}}"#,
            "",
        ),
    )],
    typo: &NO_BUCKET,
};

/// Stacks.
pub static STACKS: Topic = Topic {
    reads: &[
        read("cloudformation", "DescribeStacks", r#"{"stackName":"services"}"#),
        read("cloudformation", "DescribeStackEvents", r#"{"stackName":"services"}"#),
        read("cloudformation", "ListStacks", ""),
        read("cloudformation", "DescribeStackResources", r#"{"stackName":"services"}"#),
        read(
            "cloudformation",
            "DescribeChangeSet",
            r#"{"stackName":"services","changeSetName":"change-$hex"}"#,
        ),
    ],
    writes: &[
        write(
            "cloudformation",
            "CreateChangeSet",
            (
                r#"{"stackName":"services","changeSetName":"change-$hex","changeSetType":"UPDATE","capabilities":["CAPABILITY_NAMED_IAM"]}"#,
                r#"{"id":"arn:aws:cloudformation:$region:$account:changeSet/change-$hex/$uuid","stackId":"arn:aws:cloudformation:$region:$account:stack/services/$uuid"}"#,
            ),
        ),
        write(
            "cloudformation",
            "ExecuteChangeSet",
            (r#"{"stackName":"services","changeSetName":"change-$hex"}"#, ""),
        ),
    ],
    typo: &INVALID,
};

/// Pipelines.
pub static PIPELINES: Topic = Topic {
    reads: &[
        read("codepipeline", "GetPipelineState", r#"{"name":"shop"}"#),
        read(
            "codepipeline",
            "ListPipelineExecutions",
            r#"{"pipelineName":"shop","maxResults":20}"#,
        ),
        read("codebuild", "BatchGetBuilds", r#"{"ids":["shop:$uuid"]}"#),
        read("codepipeline", "ListPipelines", ""),
    ],
    writes: &[write(
        "codepipeline",
        "StartPipelineExecution",
        (r#"{"name":"shop-development"}"#, r#"{"pipelineExecutionId":"$uuid"}"#),
    )],
    typo: &NOT_FOUND,
};

/// Settings and secrets of what is being developed.
pub static SETTINGS: Topic = Topic {
    reads: &[
        read(
            "ssm",
            "GetParameter",
            r#"{"name":"/shop/checkout/feature-flags","withDecryption":false}"#,
        ),
        read("secretsmanager", "GetSecretValue", r#"{"secretId":"$secret"}"#),
        read("secretsmanager", "DescribeSecret", r#"{"secretId":"$secret"}"#),
        read("ssm", "DescribeParameters", r#"{"maxResults":50}"#),
        read("secretsmanager", "ListSecrets", r#"{"maxResults":100}"#),
    ],
    writes: &[write(
        "ssm",
        "PutParameter",
        (
            r#"{"name":"/shop/checkout/feature-flags","type":"String","overwrite":true,"value":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
            r#"{"version":12,"tier":"Standard"}"#,
        ),
    )],
    typo: &NOT_FOUND,
};

/// Begins a query; what Athena then reads is recorded too.
pub static START_QUERY: Routine = write(
    "athena",
    "StartQueryExecution",
    (
        r#"{"queryString":"***OMITTED***","queryExecutionContext":{"database":"shop","catalog":"AwsDataCatalog"},"workGroup":"analytics","clientRequestToken":"$uuid"}"#,
        r#"{"queryExecutionId":"$uuid"}"#,
    ),
);

/// What Athena asks of Glue for a query.
pub static GET_TABLE: Routine =
    read("glue", "GetTable", r#"{"catalogId":"$account","databaseName":"shop","name":"orders"}"#);

/// Queries.
pub static QUERIES: Topic = Topic {
    reads: &[
        read("athena", "GetQueryExecution", r#"{"queryExecutionId":"$uuid"}"#),
        read("athena", "GetQueryResults", r#"{"queryExecutionId":"$uuid","maxResults":1000}"#),
        read("glue", "GetTables", r#"{"databaseName":"shop"}"#),
        read("athena", "ListQueryExecutions", r#"{"workGroup":"analytics"}"#),
        read("glue", "GetDatabases", r#"{"catalogId":"$account"}"#),
        read("athena", "ListWorkGroups", ""),
    ],
    writes: &[],
    typo: &INVALID,
};
