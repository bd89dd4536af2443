//! What people call: what the pages of the console ask, what is typed at the command line, by topic.
//!
//! Invariant: within a topic the calls that are made most often come first. No topic asks ten of the questions that a
//! newcomer asks, as nobody at work does.

use crate::simulate::call::CallError;
use crate::simulate::call::Routine;
use crate::simulate::call::Sort;

/// Something that people look after, mostly one service.
#[derive(Debug)]
pub struct Topic {
    /// What they read, the most usual first.
    pub reads: &'static [Routine],
    /// What they change, likewise.
    pub writes: &'static [Routine],
    /// What a typing error leads to, in each of `reads`.
    pub typo: &'static CallError,
}

/// Denied by a service that speaks JSON.
pub static DENIED_JSON: CallError = CallError {
    code: "AccessDeniedException",
    message: "User: $arn is not authorized to perform: $action because no identity-based policy allows the $action action",
};

/// Denied by a service that speaks XML.
pub static DENIED: CallError = CallError {
    code: "AccessDenied",
    message: "User: $arn is not authorized to perform: $action because no identity-based policy allows the $action action",
};

/// Denied by EC2.
pub static DENIED_BY_EC2: CallError = CallError {
    code: "Client.UnauthorizedOperation",
    message: "You are not authorized to perform this operation. User: $arn is not authorized to perform: $action because no identity-based policy allows the $action action",
};

/// Returns how `routine` is denied.
pub fn denial(routine: &Routine) -> &'static CallError {
    match routine.service {
        "ec2" => &DENIED_BY_EC2,
        "iam"
        | "s3"
        | "rds"
        | "monitoring"
        | "cloudformation"
        | "autoscaling"
        | "elasticloadbalancing" => &DENIED,
        _ => &DENIED_JSON,
    }
}

const fn read(service: &'static str, name: &'static str, request: &'static str) -> Routine {
    Routine { service, name, sort: Sort::Read, request, response: "", resources: "" }
}

const fn write(
    service: &'static str,
    name: &'static str,
    (request, response): (&'static str, &'static str),
) -> Routine {
    Routine { service, name, sort: Sort::Write, request, response, resources: "" }
}

static NOT_FOUND: CallError = CallError {
    code: "ResourceNotFoundException",
    message: "The specified resource does not exist.",
};
static INVALID: CallError = CallError {
    code: "ValidationException",
    message: "1 validation error detected: Value at 'name' failed to satisfy constraint",
};
static NO_SUCH_ENTITY: CallError = CallError {
    code: "NoSuchEntityException",
    message: "The entity with the name that was given cannot be found.",
};
static NO_INSTANCE: CallError = CallError {
    code: "Client.InvalidInstanceID.NotFound",
    message: "The instance ID 'i-0123456789abcdef0' does not exist",
};
static NO_BUCKET: CallError =
    CallError { code: "NoSuchBucket", message: "The specified bucket does not exist" };

const ONE_INSTANCE: &str = r#"{"instancesSet":{"items":[{"instanceId":"$instance"}]}}"#;

/// Virtual machines.
pub static MACHINES: Topic = Topic {
    reads: &[
        read("ec2", "DescribeInstances", r#"{"maxResults":50,"instancesSet":{},"filterSet":{}}"#),
        read(
            "ec2",
            "DescribeInstances",
            r#"{"instancesSet":{"items":[{"instanceId":"$instance"}]},"filterSet":{}}"#,
        ),
        read(
            "ec2",
            "DescribeInstanceStatus",
            r#"{"instancesSet":{"items":[{"instanceId":"$instance"}]},"filterSet":{},"includeAllInstances":false}"#,
        ),
        read(
            "ec2",
            "DescribeTags",
            r#"{"maxResults":1000,"filterSet":{"items":[{"name":"resource-type","valueSet":{"items":[{"value":"instance"}]}}]}}"#,
        ),
        read("ec2", "DescribeVolumes", r#"{"volumeSet":{},"filterSet":{}}"#),
        read(
            "ec2",
            "DescribeSecurityGroups",
            r#"{"securityGroupSet":{},"securityGroupIdSet":{},"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"$vpc"}]}}]}}"#,
        ),
        read("autoscaling", "DescribeAutoScalingGroups", r#"{"maxRecords":50}"#),
        read(
            "elasticloadbalancing",
            "DescribeTargetHealth",
            r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:$region:$account:targetgroup/web/$hex$hex"}"#,
        ),
        read(
            "ec2",
            "DescribeSubnets",
            r#"{"subnetSet":{},"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"$vpc"}]}}]}}"#,
        ),
    ],
    writes: &[
        write(
            "ec2",
            "StartInstances",
            (
                ONE_INSTANCE,
                r#"{"instancesSet":{"items":[{"instanceId":"$instance","currentState":{"code":0,"name":"pending"},"previousState":{"code":80,"name":"stopped"}}]}}"#,
            ),
        ),
        write(
            "ec2",
            "StopInstances",
            (
                r#"{"instancesSet":{"items":[{"instanceId":"$instance"}]},"force":false}"#,
                r#"{"instancesSet":{"items":[{"instanceId":"$instance","currentState":{"code":64,"name":"stopping"},"previousState":{"code":16,"name":"running"}}]}}"#,
            ),
        ),
        write(
            "ec2",
            "CreateTags",
            (
                r#"{"resourcesSet":{"items":[{"resourceId":"$instance"}]},"tagSet":{"items":[{"key":"purpose","value":"test"}]}}"#,
                r#"{"_return":true}"#,
            ),
        ),
    ],
    typo: &NO_INSTANCE,
};

/// Functions.
pub static FUNCTIONS: Topic = Topic {
    reads: &[
        read("lambda", "GetFunction20150331v2", r#"{"functionName":"orders-api"}"#),
        read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#),
        read(
            "lambda",
            "GetFunctionConfiguration20150331v2",
            r#"{"functionName":"invoice-mailer"}"#,
        ),
        read("lambda", "ListEventSourceMappings20150331", r#"{"functionName":"orders-api"}"#),
        read("lambda", "ListVersionsByFunction20150331", r#"{"functionName":"image-resizer"}"#),
    ],
    writes: &[
        write(
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            (
                r#"{"functionName":"orders-api","memorySize":512,"timeout":30}"#,
                r#"{"functionName":"orders-api","functionArn":"arn:aws:lambda:$region:$account:function:orders-api","memorySize":512,"timeout":30,"revisionId":"$uuid"}"#,
            ),
        ),
        write(
            "lambda",
            "PublishVersion20150331",
            (
                r#"{"functionName":"image-resizer"}"#,
                r#"{"functionName":"image-resizer","functionArn":"arn:aws:lambda:$region:$account:function:image-resizer:7","version":"7"}"#,
            ),
        ),
    ],
    typo: &NOT_FOUND,
};

/// Logs.
pub static LOGS: Topic = Topic {
    reads: &[
        read(
            "logs",
            "StartQuery",
            r#"{"logGroupName":"/aws/lambda/orders-api","startTime":1772409600,"endTime":1772413200,"queryString":"fields @timestamp, @message | sort @timestamp desc | limit 200"}"#,
        ),
        read("logs", "GetQueryResults", r#"{"queryId":"$uuid"}"#),
        read("logs", "DescribeLogGroups", r#"{"limit":50,"logGroupNamePrefix":"/aws/lambda/"}"#),
        read(
            "logs",
            "DescribeLogStreams",
            r#"{"logGroupName":"/ecs/checkout","orderBy":"LastEventTime","descending":true}"#,
        ),
        read("logs", "DescribeMetricFilters", r#"{"logGroupName":"/ecs/checkout"}"#),
    ],
    writes: &[write(
        "logs",
        "PutMetricFilter",
        (
            r#"{"logGroupName":"/aws/lambda/orders-api","filterName":"errors","filterPattern":"ERROR","metricTransformations":[{"metricName":"errors","metricNamespace":"orders","metricValue":"1"}]}"#,
            "",
        ),
    )],
    typo: &NOT_FOUND,
};

/// Alarms and dashboards.
pub static ALARMS: Topic = Topic {
    reads: &[
        read("monitoring", "DescribeAlarms", r#"{"maxRecords":100}"#),
        read("monitoring", "GetDashboard", r#"{"dashboardName":"checkout"}"#),
        read("monitoring", "ListMetrics", r#"{"namespace":"AWS/ApplicationELB"}"#),
        read("monitoring", "ListDashboards", ""),
        read(
            "monitoring",
            "DescribeAlarmHistory",
            r#"{"alarmName":"checkout-5xx","maxRecords":50}"#,
        ),
    ],
    writes: &[write(
        "monitoring",
        "PutMetricAlarm",
        (
            r#"{"alarmName":"orders-latency","metricName":"Duration","namespace":"AWS/Lambda","threshold":900,"evaluationPeriods":3,"period":60,"statistic":"Average","comparisonOperator":"GreaterThanThreshold"}"#,
            "",
        ),
    )],
    typo: &NOT_FOUND,
};

/// Containers.
pub static CONTAINERS: Topic = Topic {
    reads: &[
        read("ecs", "DescribeServices", r#"{"cluster":"shop","services":["checkout"]}"#),
        read("ecs", "ListTasks", r#"{"cluster":"shop","serviceName":"checkout"}"#),
        read("ecs", "DescribeTasks", r#"{"cluster":"shop","tasks":["$hex$hex$hex$hex"]}"#),
        read("ecs", "DescribeClusters", r#"{"clusters":["shop"]}"#),
        read("ecs", "DescribeTaskDefinition", r#"{"taskDefinition":"checkout"}"#),
        read("ecr", "DescribeImages", r#"{"repositoryName":"checkout","maxResults":100}"#),
    ],
    writes: &[
        write(
            "ecs",
            "UpdateService",
            (
                r#"{"cluster":"shop","service":"checkout","desiredCount":2}"#,
                r#"{"service":{"serviceArn":"arn:aws:ecs:$region:$account:service/shop/checkout","serviceName":"checkout","status":"ACTIVE","desiredCount":2}}"#,
            ),
        ),
        write(
            "ecs",
            "RegisterTaskDefinition",
            (
                r#"{"family":"checkout","cpu":"512","memory":"1024","networkMode":"awsvpc"}"#,
                r#"{"taskDefinition":{"taskDefinitionArn":"arn:aws:ecs:$region:$account:task-definition/checkout:41","family":"checkout","revision":41,"status":"ACTIVE"}}"#,
            ),
        ),
    ],
    typo: &NOT_FOUND,
};

/// Databases.
pub static DATABASES: Topic = Topic {
    reads: &[
        read("rds", "DescribeDBInstances", r#"{"dBInstanceIdentifier":"orders"}"#),
        read("rds", "DescribeDBClusters", r#"{"maxRecords":100}"#),
        read("dynamodb", "DescribeTable", r#"{"tableName":"$table"}"#),
        read(
            "rds",
            "DescribeEvents",
            r#"{"sourceIdentifier":"orders","sourceType":"db-instance"}"#,
        ),
        read("dynamodb", "ListTables", r#"{"limit":100}"#),
        read("rds", "DescribeDBLogFiles", r#"{"dBInstanceIdentifier":"orders"}"#),
    ],
    writes: &[write(
        "dynamodb",
        "UpdateTable",
        (
            r#"{"tableName":"$table","billingMode":"PAY_PER_REQUEST"}"#,
            r#"{"tableDescription":{"tableName":"$table","tableStatus":"UPDATING"}}"#,
        ),
    )],
    typo: &NOT_FOUND,
};

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
        read("cloudformation", "DescribeStacks", r#"{"stackName":"shop-checkout"}"#),
        read("cloudformation", "DescribeStackEvents", r#"{"stackName":"shop-checkout"}"#),
        read("cloudformation", "ListStacks", ""),
        read("cloudformation", "DescribeStackResources", r#"{"stackName":"shop-checkout"}"#),
        read(
            "cloudformation",
            "DescribeChangeSet",
            r#"{"stackName":"shop-checkout","changeSetName":"change-$hex"}"#,
        ),
    ],
    writes: &[
        write(
            "cloudformation",
            "CreateChangeSet",
            (
                r#"{"stackName":"shop-checkout","changeSetName":"change-$hex","changeSetType":"UPDATE","capabilities":["CAPABILITY_NAMED_IAM"]}"#,
                r#"{"id":"arn:aws:cloudformation:$region:$account:changeSet/change-$hex/$uuid","stackId":"arn:aws:cloudformation:$region:$account:stack/shop-checkout/$uuid"}"#,
            ),
        ),
        write(
            "cloudformation",
            "ExecuteChangeSet",
            (r#"{"stackName":"shop-checkout","changeSetName":"change-$hex"}"#, ""),
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

/// Findings of the security services.
pub static FINDINGS: Topic = Topic {
    reads: &[
        read(
            "securityhub",
            "GetFindings",
            r#"{"MaxResults":100,"Filters":{"RecordState":[{"Comparison":"EQUALS","Value":"ACTIVE"}]}}"#,
        ),
        read("guardduty", "ListFindings", r#"{"detectorId":"$hex$hex$hex$hex","maxResults":50}"#),
        read(
            "guardduty",
            "GetFindings",
            r#"{"detectorId":"$hex$hex$hex$hex","findingIds":["$hex$hex$hex$hex"]}"#,
        ),
        read(
            "access-analyzer",
            "ListFindingsV2",
            r#"{"analyzerArn":"arn:aws:access-analyzer:$region:$account:analyzer/organization"}"#,
        ),
        read(
            "config",
            "DescribeComplianceByConfigRule",
            r#"{"complianceTypes":["NON_COMPLIANT"]}"#,
        ),
        read("inspector2", "ListFindings", r#"{"maxResults":100}"#),
    ],
    writes: &[],
    typo: &INVALID,
};

/// Roles and policies.
pub static RIGHTS: Topic = Topic {
    reads: &[
        read("iam", "GetRole", r#"{"roleName":"orders-api"}"#),
        read("iam", "GetRolePolicy", r#"{"roleName":"orders-api","policyName":"inline"}"#),
        read("iam", "ListRoles", r#"{"maxItems":1000}"#),
        read(
            "iam",
            "GetPolicyVersion",
            r#"{"policyArn":"arn:aws:iam::$account:policy/shop-deploy","versionId":"v1"}"#,
        ),
        read("iam", "ListAttachedRolePolicies", r#"{"roleName":"orders-api"}"#),
        read("iam", "GetServiceLastAccessedDetails", r#"{"jobId":"$uuid"}"#),
    ],
    writes: &[],
    typo: &NO_SUCH_ENTITY,
};

/// The trail.
pub static TRAIL: Topic = Topic {
    reads: &[
        read(
            "cloudtrail",
            "LookupEvents",
            r#"{"maxResults":50,"lookupAttributes":[{"attributeKey":"EventName","attributeValue":"CreateRole"}]}"#,
        ),
        read(
            "cloudtrail",
            "GetTrailStatus",
            r#"{"name":"arn:aws:cloudtrail:$region:$account:trail/organization"}"#,
        ),
        read("cloudtrail", "DescribeTrails", r#"{"includeShadowTrails":true}"#),
    ],
    writes: &[],
    typo: &INVALID,
};

/// Costs.
pub static COSTS: Topic = Topic {
    reads: &[
        read(
            "ce",
            "GetCostAndUsage",
            r#"{"Granularity":"DAILY","Metrics":["UnblendedCost"],"GroupBy":[{"Type":"DIMENSION","Key":"SERVICE"}]}"#,
        ),
        read("ce", "GetDimensionValues", r#"{"Dimension":"LINKED_ACCOUNT"}"#),
        read("ce", "GetCostForecast", r#"{"Granularity":"MONTHLY","Metric":"UNBLENDED_COST"}"#),
        read("budgets", "DescribeBudgets", r#"{"accountId":"$account"}"#),
    ],
    writes: &[],
    typo: &INVALID,
};

/// The monthly bill.
pub static BILL: Topic = Topic {
    reads: &[
        read(
            "ce",
            "GetCostAndUsage",
            r#"{"Granularity":"MONTHLY","Metrics":["UnblendedCost"],"GroupBy":[{"Type":"DIMENSION","Key":"LINKED_ACCOUNT"}]}"#,
        ),
        read("ce", "GetReservationUtilization", r#"{"Granularity":"MONTHLY"}"#),
        read("ce", "GetSavingsPlansCoverage", r#"{"Granularity":"MONTHLY"}"#),
        read("cur", "DescribeReportDefinitions", ""),
        read("organizations", "ListAccounts", ""),
        read(
            "budgets",
            "DescribeBudgetPerformanceHistory",
            r#"{"accountId":"$account","budgetName":"whole"}"#,
        ),
    ],
    writes: &[],
    typo: &INVALID,
};

/// The review of who may do what.
pub static REVIEW: Topic = Topic {
    reads: &[
        read("sso", "ListAccountAssignments", r#"{"accountId":"$account","maxResults":100}"#),
        read("sso", "ListPermissionSets", r#"{"maxResults":100}"#),
        read("identitystore", "ListGroupMemberships", r#"{"maxResults":100,"groupId":"$uuid"}"#),
        read("identitystore", "ListUsers", r#"{"maxResults":100}"#),
        read("iam", "GenerateCredentialReport", ""),
        read("iam", "GetCredentialReport", ""),
    ],
    writes: &[],
    typo: &INVALID,
};

/// What an operator does with elevated access.
pub static OPERATION: Topic = Topic {
    reads: MACHINES.reads,
    writes: &[
        write(
            "ecs",
            "UpdateService",
            (
                r#"{"cluster":"shop","service":"checkout","forceNewDeployment":true}"#,
                r#"{"service":{"serviceArn":"arn:aws:ecs:$region:$account:service/shop/checkout","serviceName":"checkout","status":"ACTIVE"}}"#,
            ),
        ),
        write("ec2", "RebootInstances", (ONE_INSTANCE, r#"{"_return":true}"#)),
        write(
            "autoscaling",
            "SetDesiredCapacity",
            (r#"{"autoScalingGroupName":"web","desiredCapacity":6,"honorCooldown":true}"#, ""),
        ),
        write(
            "elasticloadbalancing",
            "DeregisterTargets",
            (
                r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:$region:$account:targetgroup/web/$hex$hex","targets":[{"id":"$instance"}]}"#,
                "",
            ),
        ),
        write(
            "elasticloadbalancing",
            "RegisterTargets",
            (
                r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:$region:$account:targetgroup/web/$hex$hex","targets":[{"id":"$instance"}]}"#,
                "",
            ),
        ),
        write(
            "monitoring",
            "SetAlarmState",
            (r#"{"alarmName":"checkout-5xx","stateValue":"OK","stateReason":"looked at"}"#, ""),
        ),
    ],
    typo: &NO_INSTANCE,
};

/// What somebody does as an administrator.
pub static ADMINISTRATION: Topic = Topic {
    reads: RIGHTS.reads,
    writes: &[
        write(
            "route53",
            "ChangeResourceRecordSets",
            (
                r#"{"hostedZoneId":"Z0EXAMPLE","changeBatch":{"comment":"planned","changes":[{"action":"UPSERT","resourceRecordSet":{"name":"shop.example.com.","type":"CNAME","tTL":300}}]}}"#,
                r#"{"changeInfo":{"id":"/change/C0EXAMPLE$hex","status":"PENDING"}}"#,
            ),
        ),
        write(
            "acm",
            "RequestCertificate",
            (
                r#"{"domainName":"shop.example.com","validationMethod":"DNS","idempotencyToken":"$hex"}"#,
                r#"{"certificateArn":"arn:aws:acm:$region:$account:certificate/$uuid"}"#,
            ),
        ),
        write(
            "servicequotas",
            "RequestServiceQuotaIncrease",
            (
                r#"{"serviceCode":"lambda","quotaCode":"L-B99A9384","desiredValue":3000}"#,
                r#"{"requestedQuota":{"id":"$hex$hex$hex$hex","status":"PENDING"}}"#,
            ),
        ),
        write(
            "ssm",
            "PutParameter",
            (
                r#"{"name":"/shop/checkout/limits","type":"String","overwrite":true,"value":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#,
                r#"{"version":4,"tier":"Standard"}"#,
            ),
        ),
        write(
            "secretsmanager",
            "RotateSecret",
            (
                r#"{"secretId":"$secret","clientRequestToken":"$uuid"}"#,
                r#"{"aRN":"arn:aws:secretsmanager:$region:$account:secret:$secret-AbCdEf","name":"$secret","versionId":"$uuid"}"#,
            ),
        ),
    ],
    typo: &NO_SUCH_ENTITY,
};

/// What somebody does to databases with elevated access.
pub static REPAIR: Topic = Topic {
    reads: DATABASES.reads,
    writes: &[
        write(
            "rds",
            "CreateDBSnapshot",
            (
                r#"{"dBInstanceIdentifier":"orders","dBSnapshotIdentifier":"before-$hex"}"#,
                r#"{"dBSnapshotIdentifier":"before-$hex","dBInstanceIdentifier":"orders","status":"creating"}"#,
            ),
        ),
        write(
            "rds",
            "ModifyDBInstance",
            (
                r#"{"dBInstanceIdentifier":"orders","allocatedStorage":400,"applyImmediately":true,"allowMajorVersionUpgrade":false}"#,
                r#"{"dBInstanceIdentifier":"orders","dBInstanceStatus":"available","pendingModifiedValues":{"allocatedStorage":400}}"#,
            ),
        ),
        write(
            "rds",
            "RebootDBInstance",
            (
                r#"{"dBInstanceIdentifier":"orders","forceFailover":false}"#,
                r#"{"dBInstanceIdentifier":"orders","dBInstanceStatus":"rebooting"}"#,
            ),
        ),
        write(
            "dynamodb",
            "CreateBackup",
            (
                r#"{"tableName":"$table","backupName":"before-$hex"}"#,
                r#"{"backupDetails":{"backupArn":"arn:aws:dynamodb:$region:$account:table/$table/backup/$hex","backupName":"before-$hex","backupStatus":"CREATING"}}"#,
            ),
        ),
    ],
    typo: &NOT_FOUND,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::record;

    #[test]
    fn every_line_is_json_of_known_words() {
        let topics = [
            &MACHINES,
            &FUNCTIONS,
            &LOGS,
            &ALARMS,
            &CONTAINERS,
            &DATABASES,
            &BUCKETS,
            &STACKS,
            &PIPELINES,
            &SETTINGS,
            &QUERIES,
            &FINDINGS,
            &RIGHTS,
            &TRAIL,
            &COSTS,
            &BILL,
            &REVIEW,
            &OPERATION,
            &ADMINISTRATION,
            &REPAIR,
        ];
        let own = [&START_QUERY, &GET_TABLE];
        for routine in topics.iter().flat_map(|it| it.reads.iter().chain(it.writes)).chain(own) {
            assert!(record::unknown_words(routine).is_empty(), "{routine:?}");
            for text in [routine.request, routine.response, routine.resources] {
                let is_json = serde_json::from_str::<serde_json::Value>(text).is_ok();
                assert!(text.is_empty() || is_json, "{routine:?}");
            }
        }
    }
}
