//! Policies that AWS manages, as far as the organisation knows them.
//!
//! Invariant: a document here is an excerpt that means what AWS's own means in broad terms, not its text.

use serde_json::Value;
use serde_json::json;

use crate::simulate::iam::documents::allow;
use crate::simulate::iam::documents::policy;

/// Each with its name and path, the number of its version, and what it allows on everything.
pub const ALL: &[(&str, u32, &[&str])] = &[
    ("AdministratorAccess", 1, &["*"]),
    ("AmazonDynamoDBFullAccess", 21, &["dynamodb:*", "application-autoscaling:*"]),
    ("AmazonRDSFullAccess", 14, &["rds:*", "cloudwatch:GetMetricData", "ec2:DescribeVpcs"]),
    ("AmazonAthenaFullAccess", 12, &["athena:*", "glue:Get*", "s3:GetObject", "s3:ListBucket"]),
    (
        "AmazonSSMManagedInstanceCore",
        2,
        &["ssm:UpdateInstanceInformation", "ssmmessages:*", "ec2messages:*"],
    ),
    (
        "AWSXRayDaemonWriteAccess",
        2,
        &["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules"],
    ),
    (
        "CloudWatchAgentServerPolicy",
        3,
        &["cloudwatch:PutMetricData", "logs:PutLogEvents", "ec2:DescribeTags"],
    ),
    ("CloudWatchReadOnlyAccess", 12, &["cloudwatch:Get*", "cloudwatch:List*", "logs:Get*"]),
    ("IAMFullAccess", 2, &["iam:*"]),
    ("PowerUserAccess", 6, &[]),
    ("ReadOnlyAccess", 131, &["ec2:Describe*", "s3:Get*", "s3:List*", "iam:Get*", "iam:List*"]),
    ("SecurityAudit", 58, &["ec2:Describe*", "iam:Get*", "iam:List*", "s3:GetBucket*"]),
    ("aws-service-role/AWSApplicationAutoscalingDynamoDBTablePolicy", 3, &["dynamodb:UpdateTable"]),
    ("aws-service-role/AWSConfigServiceRolePolicy", 70, &["config:*", "ec2:Describe*", "iam:Get*"]),
    ("aws-service-role/AWSElasticLoadBalancingServiceRolePolicy", 9, &["ec2:*NetworkInterface*"]),
    ("aws-service-role/AWSSecurityHubServiceRolePolicy", 15, &["config:*", "cloudtrail:Describe*"]),
    ("aws-service-role/AccessAnalyzerServiceRolePolicy", 16, &["iam:Get*", "s3:GetBucketPolicy"]),
    ("service-role/AWSBackupServiceRolePolicyForBackup", 22, &["rds:CreateDBSnapshot", "backup:*"]),
    ("aws-service-role/AWSGuardDutyServiceRolePolicy", 11, &["ec2:Describe*"]),
    ("aws-service-role/AWSOrganizationsServiceTrustPolicy", 2, &["iam:DeleteRole"]),
    (
        "aws-service-role/AWSSSOServiceRolePolicy",
        20,
        &["iam:CreateRole", "iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:DeleteRole"],
    ),
    ("aws-service-role/AWSSupportServiceRolePolicy", 46, &["ec2:Describe*", "s3:List*"]),
    ("aws-service-role/AWSTrustedAdvisorServiceRolePolicy", 14, &["ec2:Describe*"]),
    ("aws-service-role/AmazonECSServiceRolePolicy", 12, &["ec2:*NetworkInterface*"]),
    ("aws-service-role/AmazonRDSServiceRolePolicy", 14, &["ec2:*NetworkInterface*"]),
    ("aws-service-role/AutoScalingServiceRolePolicy", 11, &["ec2:RunInstances", "ec2:Describe*"]),
    ("aws-service-role/CloudTrailServiceRolePolicy", 4, &["organizations:Describe*"]),
    ("job-function/Billing", 12, &["aws-portal:*Billing", "ce:*", "budgets:*"]),
    (
        "job-function/SystemAdministrator",
        6,
        &["ec2:*", "rds:*", "ssm:*", "cloudwatch:*", "autoscaling:*"],
    ),
    (
        "service-role/AWSLambdaBasicExecutionRole",
        1,
        &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    ),
    (
        "service-role/AmazonECSTaskExecutionRolePolicy",
        3,
        &["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "logs:PutLogEvents"],
    ),
];

/// Returns what the policy called `name` says, which allows `actions`.
pub fn document(name: &str, actions: &[&str]) -> Value {
    if name == "PowerUserAccess" {
        return policy(&[
            json!({
                "Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"],
                "Resource": "*",
            }),
            allow(&["iam:CreateServiceLinkedRole", "iam:ListRoles"], &json!("*")),
        ]);
    }
    policy(&[allow(actions, &json!("*"))])
}
