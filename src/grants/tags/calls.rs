//! The calls that say something of tags, as far as they have to be known by name.
//!
//! Whatever is called `TagResource`, `UntagResource`, `AddTags…` or `RemoveTags…` is read wherever it comes from.
//!
//! Invariant: what stands here follows AWS's API models and published records; nothing is guessed from a name alone.

/// Calls that make something with tags, and where they answer with its ARN; without that, it is known by the name that it
/// was asked for.
pub(super) const MADE: &[(&str, &str, &str)] = &[
    ("cloudformation", "CreateStack", "stackId"),
    ("cloudformation", "UpdateStack", "stackId"),
    ("dynamodb", "CreateTable", "tableDescription.tableArn"),
    ("ecr", "CreateRepository", "repository.repositoryArn"),
    ("ecs", "CreateCluster", "cluster.clusterArn"),
    ("ecs", "CreateService", "service.serviceArn"),
    ("ecs", "RunTask", "tasks.taskArn"),
    ("eks", "CreateCluster", "cluster.arn"),
    ("elasticfilesystem", "CreateFileSystem", "fileSystemArn"),
    ("elasticloadbalancing", "CreateLoadBalancer", "loadBalancers.loadBalancerArn"),
    ("elasticloadbalancing", "CreateTargetGroup", "targetGroups.targetGroupArn"),
    ("iam", "CreatePolicy", "policy.arn"),
    ("iam", "CreateRole", "role.arn"),
    ("iam", "CreateUser", "user.arn"),
    ("kms", "CreateKey", "keyMetadata.arn"),
    ("lambda", "CreateFunction", "functionArn"),
    ("logs", "CreateLogGroup", ""),
    ("rds", "CreateDBCluster", "dBClusterArn"),
    ("rds", "CreateDBInstance", "dBInstanceArn"),
    ("rds", "CreateDBSnapshot", "dBSnapshotArn"),
    ("secretsmanager", "CreateSecret", ""),
    ("sns", "CreateTopic", "topicArn"),
    ("sqs", "CreateQueue", ""),
    ("ssm", "PutParameter", ""),
    ("states", "CreateStateMachine", "stateMachineArn"),
];

/// Calls that end what they name.
pub(super) const GONE: &[(&str, &str)] = &[
    ("dynamodb", "DeleteTable"),
    ("ec2", "DeleteSecurityGroup"),
    ("ec2", "DeleteSnapshot"),
    ("ec2", "DeleteSubnet"),
    ("ec2", "DeleteVolume"),
    ("ec2", "DeleteVpc"),
    ("ec2", "DeregisterImage"),
    ("ec2", "TerminateInstances"),
    ("ecr", "DeleteRepository"),
    ("ecs", "DeleteCluster"),
    ("eks", "DeleteCluster"),
    ("elasticfilesystem", "DeleteFileSystem"),
    ("elasticloadbalancing", "DeleteLoadBalancer"),
    ("elasticloadbalancing", "DeleteTargetGroup"),
    ("iam", "DeletePolicy"),
    ("iam", "DeleteRole"),
    ("iam", "DeleteUser"),
    ("lambda", "DeleteFunction"),
    ("logs", "DeleteLogGroup"),
    ("rds", "DeleteDBCluster"),
    ("rds", "DeleteDBInstance"),
    ("rds", "DeleteDBSnapshot"),
    ("s3", "DeleteBucket"),
    ("sns", "DeleteTopic"),
    ("sqs", "DeleteQueue"),
    ("ssm", "DeleteParameter"),
    ("states", "DeleteStateMachine"),
];

/// What EC2 tags as it makes it: the name of the sort, and the member of the answer that holds the id.
pub(super) const MADE_IN_EC2: &[(&str, &str)] = &[
    ("instance", "instanceId"),
    ("volume", "volumeId"),
    ("snapshot", "snapshotId"),
    ("image", "imageId"),
    ("security-group", "groupId"),
    ("network-interface", "networkInterfaceId"),
    ("subnet", "subnetId"),
    ("vpc", "vpcId"),
    ("route-table", "routeTableId"),
    ("internet-gateway", "internetGatewayId"),
    ("network-acl", "networkAclId"),
    ("elastic-ip", "allocationId"),
];

/// How the names of calls begin that may say something of tags. Of these, tables and parameters decide.
pub(super) const BEGINNINGS: &[&str] = &[
    "Tag",
    "Untag",
    "AddTags",
    "RemoveTags",
    "Create",
    "Delete",
    "Run",
    "Copy",
    "Allocate",
    "Import",
    "Register",
    "Terminate",
    "Deregister",
    "PutBucketTagging",
    "PutParameter",
    "UpdateStack",
];
