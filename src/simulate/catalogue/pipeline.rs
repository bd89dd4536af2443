//! What a pipeline reads while it compares the code of the infrastructure with what is there.
//!
//! Invariant: these are the calls that Terraform's AWS provider makes for such a resource, in its order.

use crate::simulate::call::CallError;
use crate::simulate::call::Routine;
use crate::simulate::call::Sort;

const fn read(service: &'static str, name: &'static str, request: &'static str) -> Routine {
    Routine { service, name, sort: Sort::Read, request, response: "", resources: "" }
}

/// Asks who it is.
pub static WHO_AM_I: Routine = read("sts", "GetCallerIdentity", "");

/// Reads a role.
static ROLE: [Routine; 3] = [
    read("iam", "GetRole", r#"{"roleName":"$role"}"#),
    read("iam", "ListRolePolicies", r#"{"roleName":"$role"}"#),
    read("iam", "ListAttachedRolePolicies", r#"{"roleName":"$role"}"#),
];

/// Reads a managed policy.
static POLICY: [Routine; 2] = [
    read("iam", "GetPolicy", r#"{"policyArn":"arn:aws:iam::$account:policy/$service-access"}"#),
    read(
        "iam",
        "ListPolicyVersions",
        r#"{"policyArn":"arn:aws:iam::$account:policy/$service-access"}"#,
    ),
];

const HOST: &str = r#"{"bucketName":"$bucket","Host":"$bucket.s3.$region.amazonaws.com"}"#;

/// Reads a bucket's settings.
static BUCKET: [Routine; 8] = [
    read("s3", "HeadBucket", HOST),
    read("s3", "GetBucketPolicy", HOST),
    read("s3", "GetBucketVersioning", HOST),
    read("s3", "GetBucketLogging", HOST),
    read("s3", "GetBucketEncryption", HOST),
    read("s3", "GetBucketPublicAccessBlock", HOST),
    read("s3", "GetBucketLifecycle", HOST),
    read("s3", "GetBucketTagging", HOST),
];

/// Reads a table's settings.
static TABLE: [Routine; 4] = [
    read("dynamodb", "DescribeTable", r#"{"tableName":"$table"}"#),
    read("dynamodb", "DescribeContinuousBackups", r#"{"tableName":"$table"}"#),
    read("dynamodb", "DescribeTimeToLive", r#"{"tableName":"$table"}"#),
    read(
        "dynamodb",
        "ListTagsOfResource",
        r#"{"resourceArn":"arn:aws:dynamodb:$region:$account:table/$table"}"#,
    ),
];

const KEY_ID: &str = r#"{"keyId":"$key"}"#;

/// Reads a key.
static KEY: [Routine; 4] = [
    read("kms", "DescribeKey", KEY_ID),
    read("kms", "GetKeyPolicy", r#"{"keyId":"$key","policyName":"default"}"#),
    read("kms", "GetKeyRotationStatus", KEY_ID),
    read("kms", "ListResourceTags", KEY_ID),
];

/// Reads what is known of a secret, not the secret.
static SECRET: [Routine; 2] = [
    read("secretsmanager", "DescribeSecret", r#"{"secretId":"$secret"}"#),
    read("secretsmanager", "GetResourcePolicy", r#"{"secretId":"$secret"}"#),
];

/// Reads a function.
static FUNCTION: [Routine; 3] = [
    read("lambda", "GetFunction20150331v2", r#"{"functionName":"$function"}"#),
    read("lambda", "ListVersionsByFunction20150331", r#"{"functionName":"$function"}"#),
    read("lambda", "GetFunctionCodeSigningConfig", r#"{"functionName":"$function"}"#),
];

const VPC_ID: &str = r#"{"vpcSet":{"items":[{"vpcId":"$vpc"}]},"filterSet":{}}"#;
const IN_VPC: &str =
    r#"{"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"$vpc"}]}}]}}"#;

/// Reads a network.
static NETWORK: [Routine; 6] = [
    read("ec2", "DescribeVpcs", VPC_ID),
    read("ec2", "DescribeSubnets", IN_VPC),
    read("ec2", "DescribeRouteTables", IN_VPC),
    read("ec2", "DescribeSecurityGroups", IN_VPC),
    read("ec2", "DescribeSecurityGroupRules", IN_VPC),
    read("ec2", "DescribeNetworkAcls", IN_VPC),
];

/// Reads a service of ECS.
static CONTAINERS: [Routine; 3] = [
    read("ecs", "DescribeClusters", r#"{"clusters":["main"],"include":["SETTINGS","TAGS"]}"#),
    read("ecs", "DescribeServices", r#"{"cluster":"main","services":["$service"]}"#),
    read("ecs", "DescribeTaskDefinition", r#"{"taskDefinition":"$service","include":["TAGS"]}"#),
];

/// Reads a log group.
static LOGS: [Routine; 2] = [
    read("logs", "DescribeLogGroups", r#"{"logGroupNamePrefix":"/$service"}"#),
    read(
        "logs",
        "ListTagsForResource",
        r#"{"resourceArn":"arn:aws:logs:$region:$account:log-group:/$service"}"#,
    ),
];

/// What the infrastructure consists of, each with the calls that read one of it.
pub static RESOURCES: [&[Routine]; 10] =
    [&ROLE, &POLICY, &BUCKET, &TABLE, &KEY, &SECRET, &FUNCTION, &NETWORK, &CONTAINERS, &LOGS];

/// Too many calls at once; whoever gets it tries again.
pub static THROTTLED: CallError = CallError { code: "Throttling", message: "Rate exceeded" };

/// Polls a stack that is being changed.
pub static STACK_EVENTS: Routine =
    read("cloudformation", "DescribeStackEvents", r#"{"stackName":"services"}"#);

/// Looks at a stack.
pub static STACKS: Routine =
    read("cloudformation", "DescribeStacks", r#"{"stackName":"services"}"#);

/// Waits for a change set.
pub static CHANGE_SET: Routine = read(
    "cloudformation",
    "DescribeChangeSet",
    r#"{"stackName":"services","changeSetName":"deploy"}"#,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::record;

    #[test]
    fn every_word_is_known() {
        for routine in RESOURCES.into_iter().flatten().chain([&STACK_EVENTS, &STACKS, &CHANGE_SET])
        {
            assert_eq!(record::unknown_words(routine), [""; 0], "{routine:?}");
        }
    }
}
