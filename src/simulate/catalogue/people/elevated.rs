//! What people do with access that the broker gave them for a time.
//!
//! Invariant: as in `people.rs`.

use crate::simulate::catalogue::people::DATABASES;
use crate::simulate::catalogue::people::MACHINES;
use crate::simulate::catalogue::people::NO_INSTANCE;
use crate::simulate::catalogue::people::NO_SUCH_ENTITY;
use crate::simulate::catalogue::people::NOT_FOUND;
use crate::simulate::catalogue::people::RIGHTS;
use crate::simulate::catalogue::people::Topic;
use crate::simulate::catalogue::people::software::ONE_INSTANCE;
use crate::simulate::catalogue::people::write;

/// What an operator does with elevated access.
pub static OPERATION: Topic = Topic {
    reads: MACHINES.reads,
    writes: &[
        write(
            "ecs",
            "UpdateService",
            (
                r#"{"cluster":"shop","service":"orders-api","forceNewDeployment":true}"#,
                r#"{"service":{"serviceArn":"arn:aws:ecs:$region:$account:service/shop/orders-api","serviceName":"orders-api","status":"ACTIVE"}}"#,
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
                r#"{"dBInstanceIdentifier":"orders-db","dBSnapshotIdentifier":"before-$hex"}"#,
                r#"{"dBSnapshotIdentifier":"before-$hex","dBInstanceIdentifier":"orders-db","status":"creating"}"#,
            ),
        ),
        write(
            "rds",
            "ModifyDBInstance",
            (
                r#"{"dBInstanceIdentifier":"orders-db","allocatedStorage":400,"applyImmediately":true,"allowMajorVersionUpgrade":false}"#,
                r#"{"dBInstanceIdentifier":"orders-db","dBInstanceStatus":"available","pendingModifiedValues":{"allocatedStorage":400}}"#,
            ),
        ),
        write(
            "rds",
            "RebootDBInstance",
            (
                r#"{"dBInstanceIdentifier":"orders-db","forceFailover":false}"#,
                r#"{"dBInstanceIdentifier":"orders-db","dBInstanceStatus":"rebooting"}"#,
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
