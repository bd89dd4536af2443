//! What runs, and how people look after it: machines, functions, containers, databases, their logs and alarms.
//!
//! Invariant: as in `people.rs`.

use crate::simulate::catalogue::people::NO_INSTANCE;
use crate::simulate::catalogue::people::NOT_FOUND;
use crate::simulate::catalogue::people::Topic;
use crate::simulate::catalogue::people::read;
use crate::simulate::catalogue::people::write;

/// Names one instance.
pub(super) const ONE_INSTANCE: &str = r#"{"instancesSet":{"items":[{"instanceId":"$instance"}]}}"#;

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
        read("lambda", "GetFunction20150331v2", r#"{"functionName":"order-events"}"#),
        read("lambda", "ListFunctions20150331", r#"{"maxItems":50}"#),
        read("lambda", "GetFunctionConfiguration20150331v2", r#"{"functionName":"invoices"}"#),
        read("lambda", "ListEventSourceMappings20150331", r#"{"functionName":"order-events"}"#),
        read("lambda", "ListVersionsByFunction20150331", r#"{"functionName":"thumbnails"}"#),
    ],
    writes: &[
        write(
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            (
                r#"{"functionName":"order-events","memorySize":512,"timeout":30}"#,
                r#"{"functionName":"order-events","functionArn":"arn:aws:lambda:$region:$account:function:order-events","memorySize":512,"timeout":30,"revisionId":"$uuid"}"#,
            ),
        ),
        write(
            "lambda",
            "PublishVersion20150331",
            (
                r#"{"functionName":"thumbnails"}"#,
                r#"{"functionName":"thumbnails","functionArn":"arn:aws:lambda:$region:$account:function:thumbnails:7","version":"7"}"#,
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
            r#"{"logGroupName":"/aws/lambda/order-events","startTime":1772409600,"endTime":1772413200,"queryString":"fields @timestamp, @message | sort @timestamp desc | limit 200"}"#,
        ),
        read("logs", "GetQueryResults", r#"{"queryId":"$uuid"}"#),
        read("logs", "DescribeLogGroups", r#"{"limit":50,"logGroupNamePrefix":"/aws/lambda/"}"#),
        read(
            "logs",
            "DescribeLogStreams",
            r#"{"logGroupName":"/app/orders-api","orderBy":"LastEventTime","descending":true}"#,
        ),
        read("logs", "DescribeMetricFilters", r#"{"logGroupName":"/app/orders-api"}"#),
    ],
    writes: &[write(
        "logs",
        "PutMetricFilter",
        (
            r#"{"logGroupName":"/aws/lambda/order-events","filterName":"errors","filterPattern":"ERROR","metricTransformations":[{"metricName":"errors","metricNamespace":"orders","metricValue":"1"}]}"#,
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
        read("ecs", "DescribeServices", r#"{"cluster":"shop","services":["orders-api"]}"#),
        read("ecs", "ListTasks", r#"{"cluster":"shop","serviceName":"orders-api"}"#),
        read("ecs", "DescribeTasks", r#"{"cluster":"shop","tasks":["$hex$hex$hex$hex"]}"#),
        read("ecs", "DescribeClusters", r#"{"clusters":["shop"]}"#),
        read("ecs", "DescribeTaskDefinition", r#"{"taskDefinition":"orders-api"}"#),
        read("ecr", "DescribeImages", r#"{"repositoryName":"orders-api","maxResults":100}"#),
    ],
    writes: &[
        write(
            "ecs",
            "UpdateService",
            (
                r#"{"cluster":"shop","service":"orders-api","desiredCount":2}"#,
                r#"{"service":{"serviceArn":"arn:aws:ecs:$region:$account:service/shop/orders-api","serviceName":"orders-api","status":"ACTIVE","desiredCount":2}}"#,
            ),
        ),
        write(
            "ecs",
            "RegisterTaskDefinition",
            (
                r#"{"family":"orders-api","cpu":"512","memory":"1024","networkMode":"awsvpc"}"#,
                r#"{"taskDefinition":{"taskDefinitionArn":"arn:aws:ecs:$region:$account:task-definition/orders-api:41","family":"orders-api","revision":41,"status":"ACTIVE"}}"#,
            ),
        ),
    ],
    typo: &NOT_FOUND,
};

/// Databases.
pub static DATABASES: Topic = Topic {
    reads: &[
        read("rds", "DescribeDBInstances", r#"{"dBInstanceIdentifier":"orders-db"}"#),
        read("rds", "DescribeDBClusters", r#"{"maxRecords":100}"#),
        read("dynamodb", "DescribeTable", r#"{"tableName":"$table"}"#),
        read(
            "rds",
            "DescribeEvents",
            r#"{"sourceIdentifier":"orders-db","sourceType":"db-instance"}"#,
        ),
        read("dynamodb", "ListTables", r#"{"limit":100}"#),
        read("rds", "DescribeDBLogFiles", r#"{"dBInstanceIdentifier":"orders-db"}"#),
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
