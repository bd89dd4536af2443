//! The AWS services that act in every account by themselves, with the roles that they take.
//!
//! Invariant: a role of this list is in each account that [`Where`] names from the first day on.

use crate::simulate::call::Routine;
use crate::simulate::call::Sort;
use crate::simulate::catalogue::DESCRIBE_INSTANCES;
use crate::simulate::catalogue::machines;
use crate::simulate::catalogue::machines::Mix;
use crate::simulate::catalogue::machines::read;
use crate::simulate::catalogue::machines::write;

/// A service, the role it takes, and what it does with it.
#[derive(Debug)]
pub struct Helper {
    /// Its principal: `config.amazonaws.com`.
    pub service: &'static str,
    /// The role's name.
    pub role: &'static str,
    /// The role's path.
    pub path: &'static str,
    /// The role session name.
    pub session: &'static str,
    /// Where it does it.
    pub place: Where,
    /// When.
    pub hours: Hours,
    /// The calls of a day at volume 1.
    pub calls: f64,
    /// What it calls.
    pub mix: Mix,
}

/// In which accounts a service acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// In every account.
    Everywhere,
    /// Where there are workloads.
    Workloads,
    /// In all but the management account.
    Members,
}

/// When a service acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hours {
    /// In a few sweeps of some minutes, spread over the day.
    Sweeps(i64),
    /// In each hour.
    AllDay,
    /// On few days only, in one sweep.
    Seldom,
}

static DESCRIBE_GROUPS: Routine = read(
    "ec2",
    "DescribeSecurityGroups",
    r#"{"maxResults":1000,"securityGroupSet":{},"securityGroupIdSet":{},"filterSet":{}}"#,
);
static DESCRIBE_VOLUMES: Routine =
    read("ec2", "DescribeVolumes", r#"{"maxResults":500,"volumeSet":{},"filterSet":{}}"#);
static DESCRIBE_INTERFACES: Routine = read(
    "ec2",
    "DescribeNetworkInterfaces",
    r#"{"networkInterfaceIdSet":{},"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"$vpc"}]}}]}}"#,
);
static DESCRIBE_VPCS: Routine = read("ec2", "DescribeVpcs", r#"{"vpcSet":{},"filterSet":{}}"#);
static DESCRIBE_STATUS: Routine = read(
    "ec2",
    "DescribeInstanceStatus",
    r#"{"instancesSet":{"items":[{"instanceId":"$instance"}]},"filterSet":{},"includeAllInstances":false}"#,
);
static DESCRIBE_BALANCERS: Routine =
    read("elasticloadbalancing", "DescribeLoadBalancers", r#"{"pageSize":400}"#);
static GET_BUCKET_POLICY: Routine = read(
    "s3",
    "GetBucketPolicy",
    r#"{"bucketName":"$bucket","Host":"$bucket.s3.$region.amazonaws.com","policy":""}"#,
);
static GET_BUCKET_ENCRYPTION: Routine = read(
    "s3",
    "GetBucketEncryption",
    r#"{"bucketName":"$bucket","Host":"$bucket.s3.$region.amazonaws.com","encryption":""}"#,
);
static LIST_BUCKETS: Routine = read("s3", "ListBuckets", r#"{"Host":"s3.$region.amazonaws.com"}"#);
static LIST_ROLES: Routine = read("iam", "ListRoles", r#"{"maxItems":1000}"#);
static LIST_KEYS: Routine = read("kms", "ListKeys", r#"{"limit":100}"#);
static GET_KEY_POLICY: Routine =
    read("kms", "GetKeyPolicy", r#"{"keyId":"$key","policyName":"default"}"#);
static LIST_SECRETS: Routine = read("secretsmanager", "ListSecrets", r#"{"maxResults":100}"#);
static DESCRIBE_RULES: Routine =
    read("config", "DescribeConfigRules", r#"{"configRuleNames":["securityhub-iam-root-mfa"]}"#);
static DESCRIBE_POLICIES: Routine = read(
    "application-autoscaling",
    "DescribeScalingPolicies",
    r#"{"serviceNamespace":"dynamodb","resourceId":"table/$table"}"#,
);
static REGISTER_TARGETS: Routine = write(
    "elasticloadbalancing",
    "RegisterTargets",
    r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:$region:$account:targetgroup/web/6d0ecf831eec9f09","targets":[{"id":"$instance","port":8080}]}"#,
    "",
);
static CREATE_SNAPSHOT: Routine = write(
    "ec2",
    "CreateSnapshot",
    r#"{"volumeId":"vol-0$hex","description":"This snapshot is created by the AWS Backup service."}"#,
    r#"{"snapshotId":"snap-0$hex","volumeId":"vol-0$hex","status":"pending","ownerId":"$account","volumeSize":"100","encrypted":true}"#,
);
static DESCRIBE_SNAPSHOTS: Routine = read(
    "ec2",
    "DescribeSnapshots",
    r#"{"snapshotSet":{"items":[{"snapshotId":"snap-0$hex"}]},"filterSet":{}}"#,
);
static GET_ROLE: Routine = read("iam", "GetRole", r#"{"roleName":"AWSServiceRoleForConfig"}"#);
static DESCRIBE_CONFIG: Routine = read("config", "DescribeConfigurationRecorders", "");
static PUT_RULE: Routine = write(
    "config",
    "PutConfigRule",
    r#"{"configRule":{"configRuleName":"baseline-encrypted-volumes","source":{"owner":"AWS","sourceIdentifier":"ENCRYPTED_VOLUMES"},"configRuleState":"ACTIVE"}}"#,
    "",
);

/// Asks whether CloudTrail may write to the bucket of logs.
pub static GET_BUCKET_ACL: Routine = Routine {
    service: "s3",
    name: "GetBucketAcl",
    sort: Sort::Read,
    request: r#"{"bucketName":"$logs","Host":"s3.$region.amazonaws.com","acl":""}"#,
    response: "",
    resources: r#"[{"accountId":"$account","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::$logs"}]"#,
};

/// Makes a key for one file of logs.
pub static SEAL_LOGS: Routine = Routine {
    service: "kms",
    name: "GenerateDataKey",
    sort: Sort::Read,
    request: r#"{"keyId":"arn:aws:kms:$region:$account:key/$key","keySpec":"AES_256","encryptionContext":{"aws:cloudtrail:arn":"arn:aws:cloudtrail:$region:$account:trail/organisation","aws:s3:arn":"arn:aws:s3:::$logs"}}"#,
    response: "",
    resources: r#"[{"accountId":"$account","type":"AWS::KMS::Key","ARN":"arn:aws:kms:$region:$account:key/$key"}]"#,
};

/// Every service that takes a role of an account.
pub static HELPERS: [Helper; 10] = [
    Helper {
        service: "config.amazonaws.com",
        role: "AWSServiceRoleForConfig",
        path: "/aws-service-role/config.amazonaws.com/",
        session: "AWSConfig-Describe",
        place: Where::Everywhere,
        hours: Hours::AllDay,
        calls: 260.0,
        mix: &[
            (&DESCRIBE_GROUPS, 10.0),
            (&DESCRIBE_INSTANCES, 12.0),
            (&DESCRIBE_VOLUMES, 8.0),
            (&DESCRIBE_INTERFACES, 10.0),
            (&DESCRIBE_VPCS, 4.0),
            (&GET_BUCKET_POLICY, 8.0),
            (&GET_BUCKET_ENCRYPTION, 8.0),
            (&LIST_ROLES, 3.0),
            (&GET_KEY_POLICY, 5.0),
        ],
    },
    Helper {
        service: "securityhub.amazonaws.com",
        role: "AWSServiceRoleForSecurityHub",
        path: "/aws-service-role/securityhub.amazonaws.com/",
        session: "securityhub",
        place: Where::Everywhere,
        hours: Hours::Sweeps(2),
        calls: 90.0,
        mix: &[(&DESCRIBE_RULES, 10.0), (&DESCRIBE_CONFIG, 2.0)],
    },
    Helper {
        service: "access-analyzer.amazonaws.com",
        role: "AWSServiceRoleForAccessAnalyzer",
        path: "/aws-service-role/access-analyzer.amazonaws.com/",
        session: "access-analyzer",
        place: Where::Everywhere,
        hours: Hours::Sweeps(4),
        calls: 110.0,
        mix: &[
            (&GET_BUCKET_POLICY, 10.0),
            (&LIST_BUCKETS, 1.0),
            (&LIST_ROLES, 2.0),
            (&LIST_KEYS, 1.0),
            (&GET_KEY_POLICY, 5.0),
            (&LIST_SECRETS, 1.0),
        ],
    },
    Helper {
        service: "trustedadvisor.amazonaws.com",
        role: "AWSServiceRoleForTrustedAdvisor",
        path: "/aws-service-role/trustedadvisor.amazonaws.com/",
        session: "TrustedAdvisor",
        place: Where::Everywhere,
        hours: Hours::Sweeps(1),
        calls: 80.0,
        mix: &[
            (&DESCRIBE_GROUPS, 5.0),
            (&DESCRIBE_INSTANCES, 5.0),
            (&DESCRIBE_VOLUMES, 5.0),
            (&DESCRIBE_BALANCERS, 4.0),
            (&machines::DESCRIBE_DATABASES, 3.0),
            (&LIST_BUCKETS, 1.0),
            (&machines::LIST_FUNCTIONS, 3.0),
        ],
    },
    Helper {
        service: "autoscaling.amazonaws.com",
        role: "AWSServiceRoleForAutoScaling",
        path: "/aws-service-role/autoscaling.amazonaws.com/",
        session: "AutoScaling",
        place: Where::Workloads,
        hours: Hours::AllDay,
        calls: 220.0,
        mix: &[
            (&DESCRIBE_STATUS, 20.0),
            (&DESCRIBE_INSTANCES, 6.0),
            (&machines::DESCRIBE_TARGET_HEALTH, 10.0),
            (&REGISTER_TARGETS, 0.3),
        ],
    },
    Helper {
        service: "elasticloadbalancing.amazonaws.com",
        role: "AWSServiceRoleForElasticLoadBalancing",
        path: "/aws-service-role/elasticloadbalancing.amazonaws.com/",
        session: "ElasticLoadBalancing",
        place: Where::Workloads,
        hours: Hours::AllDay,
        calls: 130.0,
        mix: &[(&DESCRIBE_INTERFACES, 5.0), (&DESCRIBE_GROUPS, 3.0), (&DESCRIBE_VPCS, 2.0)],
    },
    Helper {
        service: "dynamodb.application-autoscaling.amazonaws.com",
        role: "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable",
        path: "/aws-service-role/dynamodb.application-autoscaling.amazonaws.com/",
        session: "AutoScaling-UpdateTables",
        place: Where::Workloads,
        hours: Hours::AllDay,
        calls: 200.0,
        mix: &[
            (&machines::DESCRIBE_TABLE, 10.0),
            (&machines::DESCRIBE_ALARMS, 6.0),
            (&DESCRIBE_POLICIES, 2.0),
        ],
    },
    Helper {
        service: "ecs.amazonaws.com",
        role: "AWSServiceRoleForECS",
        path: "/aws-service-role/ecs.amazonaws.com/",
        session: "ecs-service-scheduler",
        place: Where::Workloads,
        hours: Hours::AllDay,
        calls: 90.0,
        mix: &[(&machines::DESCRIBE_TARGET_HEALTH, 10.0), (&DESCRIBE_INTERFACES, 3.0)],
    },
    Helper {
        service: "backup.amazonaws.com",
        role: "AWSBackupDefaultServiceRole",
        path: "/service-role/",
        session: "AWSBackup-AWSBackupDefaultServiceRole",
        place: Where::Workloads,
        hours: Hours::Sweeps(1),
        calls: 40.0,
        mix: &[(&CREATE_SNAPSHOT, 3.0), (&DESCRIBE_SNAPSHOTS, 6.0), (&DESCRIBE_VOLUMES, 3.0)],
    },
    Helper {
        service: "cloudformation.amazonaws.com",
        role: "stacksets-exec-8f1c2b6d4e9a7350",
        path: "/",
        session: "AWSCloudFormation",
        place: Where::Members,
        hours: Hours::Seldom,
        calls: 12.0,
        mix: &[(&GET_ROLE, 4.0), (&DESCRIBE_CONFIG, 3.0), (&PUT_RULE, 2.0)],
    },
];
