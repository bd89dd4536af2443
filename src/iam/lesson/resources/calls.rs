//! Which calls write the policy of a resource.
//!
//! Sources: published records of these calls, and the services' API references. No published sample shows the calls of API
//! Gateway, VPC endpoints, access points, Signer, SES and MediaStore: their fields are the API model's.
//!
//! Invariant: a row leads to an ARN, or the call teaches nothing.

use crate::iam::lesson::resources::Does;
use crate::iam::lesson::resources::Does::Adds;
use crate::iam::lesson::resources::Does::Destroys;
use crate::iam::lesson::resources::Does::Ends;
use crate::iam::lesson::resources::Does::Makes;
use crate::iam::lesson::resources::Does::Patches;
use crate::iam::lesson::resources::Does::Removes;
use crate::iam::lesson::resources::Does::Writes;

/// A call: service, name (Lambda's versions cut off), what it does, the parameter with the resource, and what its ARN is made
/// of (`R` region, `A` account, `N` the parameter; empty where the parameter is an ARN). `a|b` is the first of both that is
/// there, `a+b` one after the other with a `/` between.
pub(super) type Call = (&'static str, &'static str, Does, &'static str, &'static str);

const API: &str = "apigateway:R::/restapis/N";
const BUCKET: &str = "s3:::N";
const BUS: &str = "events:R:A:event-bus/N";
const DOMAIN: &str = "es:R:A:domain/N";
const ENDPOINT: &str = "ec2:R:A:vpc-endpoint/N";
const FILES: &str = "elasticfilesystem:R:A:file-system/N";
const FUNCTION: &str = "lambda:R:A:function:N";
const IDENTITY: &str = "ses:R:A:identity/N";
const KEY: &str = "kms:R:A:key/N";
const LAYER: &str = "lambda:R:A:layer:N";
const MEDIA: &str = "mediastore:R:A:container/N";
const PACKAGES: &str = "codeartifact:R:A:domain/N";
const POINT: &str = "s3:R:A:accesspoint/N";
const PROFILE: &str = "signer:R:A:/signing-profiles/N";
const QUEUE: &str = "sqs:R:A:N";
const REGISTRY: &str = "ecr:R:A:registry";
const REPOSITORY: &str = "ecr:R:A:repository/N";
const SCHEMAS: &str = "schemas:R:A:registry/N";
const TABLE: &str = "dynamodb:R:A:table/N";
const TOPIC: &str = "sns:R:A:N";
const VAULT: &str = "backup:R:A:backup-vault:N";
const OLD_VAULT: &str = "glacier:R:A:vaults/N";

/// The calls.
#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    ("s3", "PutBucketPolicy", Writes("bucketPolicy"), "bucketName", BUCKET),
    ("s3", "DeleteBucketPolicy", Ends, "bucketName", BUCKET),
    ("s3", "DeleteBucket", Destroys, "bucketName", BUCKET),
    ("s3", "PutAccessPointPolicy", Writes("policy|Policy|PutAccessPointPolicyRequest.Policy"), "name", POINT),
    ("s3", "DeleteAccessPointPolicy", Ends, "name", POINT),
    ("s3", "DeleteAccessPoint", Destroys, "name", POINT),
    ("kms", "PutKeyPolicy", Writes("policy"), "keyId", KEY),
    ("kms", "CreateKey", Makes("policy"), "", KEY),
    ("kms", "ReplicateKey", Makes("policy"), "", KEY),
    ("sqs", "SetQueueAttributes", Writes("attributes.Policy"), "queueUrl", QUEUE),
    ("sqs", "CreateQueue", Makes("attributes.Policy"), "queueUrl", QUEUE),
    ("sqs", "DeleteQueue", Destroys, "queueUrl", QUEUE),
    ("sqs", "AddPermission", Adds, "queueUrl", QUEUE),
    ("sqs", "RemovePermission", Removes, "queueUrl", QUEUE),
    ("sns", "CreateTopic", Makes("attributes.Policy"), "", TOPIC),
    ("sns", "SetTopicAttributes", Writes("attributeValue"), "topicArn", TOPIC),
    ("sns", "DeleteTopic", Destroys, "topicArn", TOPIC),
    ("sns", "AddPermission", Adds, "topicArn", TOPIC),
    ("sns", "RemovePermission", Removes, "topicArn", TOPIC),
    ("lambda", "AddPermission", Adds, "functionName", FUNCTION),
    ("lambda", "RemovePermission", Removes, "functionName", FUNCTION),
    ("lambda", "DeleteFunction", Destroys, "functionName", FUNCTION),
    ("lambda", "AddLayerVersionPermission", Adds, "layerName+versionNumber", LAYER),
    ("lambda", "RemoveLayerVersionPermission", Removes, "layerName+versionNumber", LAYER),
    ("lambda", "DeleteLayerVersion", Destroys, "layerName+versionNumber", LAYER),
    ("secretsmanager", "PutResourcePolicy", Writes("resourcePolicy"), "secretId", ""),
    ("secretsmanager", "DeleteResourcePolicy", Ends, "secretId", ""),
    ("secretsmanager", "DeleteSecret", Destroys, "secretId", ""),
    ("ecr", "SetRepositoryPolicy", Writes("policyText"), "repositoryName", REPOSITORY),
    ("ecr", "DeleteRepositoryPolicy", Ends, "repositoryName", REPOSITORY),
    ("ecr", "DeleteRepository", Destroys, "repositoryName", REPOSITORY),
    ("ecr", "PutRegistryPolicy", Writes("policyText"), "-", REGISTRY),
    ("ecr", "DeleteRegistryPolicy", Ends, "-", REGISTRY),
    ("glue", "PutResourcePolicy", Writes("policyInJson"), "resourceArn|-", "glue:R:A:catalog"),
    ("glue", "DeleteResourcePolicy", Ends, "resourceArn|-", "glue:R:A:catalog"),
    ("dynamodb", "PutResourcePolicy", Writes("policy"), "resourceArn", ""),
    ("dynamodb", "DeleteResourcePolicy", Ends, "resourceArn", ""),
    ("dynamodb", "CreateTable", Makes("resourcePolicy"), "tableName", TABLE),
    ("dynamodb", "DeleteTable", Destroys, "tableName", TABLE),
    ("kinesis", "PutResourcePolicy", Writes("policy"), "resourceARN", ""),
    ("kinesis", "DeleteResourcePolicy", Ends, "resourceARN", ""),
    ("codebuild", "PutResourcePolicy", Writes("policy"), "resourceArn", ""),
    ("codebuild", "DeleteResourcePolicy", Ends, "resourceArn", ""),
    ("ssm", "PutResourcePolicy", Writes("policy"), "resourceArn", ""),
    ("ssm", "DeleteResourcePolicy", Ends, "resourceArn", ""),
    ("schemas", "PutResourcePolicy", Writes("policy"), "registryName", SCHEMAS),
    ("schemas", "DeleteResourcePolicy", Ends, "registryName", SCHEMAS),
    ("vpc-lattice", "PutResourcePolicy", Writes("policy"), "resourceArn", ""),
    ("vpc-lattice", "DeleteResourcePolicy", Ends, "resourceArn", ""),
    ("cloudtrail", "PutResourcePolicy", Writes("resourcePolicy"), "resourceArn", ""),
    ("cloudtrail", "DeleteResourcePolicy", Ends, "resourceArn", ""),
    ("acm-pca", "PutPolicy", Writes("policy"), "resourceArn", ""),
    ("acm-pca", "DeletePolicy", Ends, "resourceArn", ""),
    ("logs", "PutDestinationPolicy", Writes("accessPolicy"), "destinationName", "logs:R:A:destination:N"),
    ("logs", "DeleteDestination", Destroys, "destinationName", "logs:R:A:destination:N"),
    ("logs", "PutResourcePolicy", Writes("policyDocument"), "resourceArn|policyName", "logs:R:A:resource-policy:N"),
    ("logs", "DeleteResourcePolicy", Ends, "resourceArn|policyName", "logs:R:A:resource-policy:N"),
    ("events", "PutPermission", Writes("policy"), "eventBusName|-", BUS),
    ("events", "RemovePermission", Removes, "eventBusName|-", BUS),
    ("events", "DeleteEventBus", Destroys, "name", BUS),
    ("elasticfilesystem", "PutFileSystemPolicy", Writes("policy"), "fileSystemId", FILES),
    ("elasticfilesystem", "DeleteFileSystemPolicy", Ends, "fileSystemId", FILES),
    ("elasticfilesystem", "DeleteFileSystem", Destroys, "fileSystemId", FILES),
    ("backup", "PutBackupVaultAccessPolicy", Writes("policy"), "backupVaultName", VAULT),
    ("backup", "DeleteBackupVaultAccessPolicy", Ends, "backupVaultName", VAULT),
    ("backup", "DeleteBackupVault", Destroys, "backupVaultName", VAULT),
    ("glacier", "SetVaultAccessPolicy", Writes("policy.policy"), "vaultName", OLD_VAULT),
    ("glacier", "DeleteVaultAccessPolicy", Ends, "vaultName", OLD_VAULT),
    ("glacier", "DeleteVault", Destroys, "vaultName", OLD_VAULT),
    ("codeartifact", "PutDomainPermissionsPolicy", Writes("policyDocument"), "domain", PACKAGES),
    ("codeartifact", "DeleteDomainPermissionsPolicy", Ends, "domain", PACKAGES),
    ("codeartifact", "DeleteDomain", Destroys, "domain", PACKAGES),
    ("codeartifact", "PutRepositoryPermissionsPolicy", Writes("policyDocument"), "domain+repository", "codeartifact:R:A:repository/N"),
    ("codeartifact", "DeleteRepositoryPermissionsPolicy", Ends, "domain+repository", "codeartifact:R:A:repository/N"),
    ("codeartifact", "DeleteRepository", Destroys, "domain+repository", "codeartifact:R:A:repository/N"),
    ("es", "UpdateDomainConfig", Writes("accessPolicies"), "domainName", DOMAIN),
    ("es", "CreateDomain", Makes("accessPolicies"), "domainName", DOMAIN),
    ("es", "DeleteDomain", Destroys, "domainName", DOMAIN),
    ("ec2", "CreateVpcEndpoint", Makes("CreateVpcEndpointRequest.PolicyDocument|policyDocument"), "", ENDPOINT),
    ("ec2", "ModifyVpcEndpoint", Writes("ModifyVpcEndpointRequest.PolicyDocument|policyDocument"), "ModifyVpcEndpointRequest.VpcEndpointId|vpcEndpointId", ENDPOINT),
    ("apigateway", "CreateRestApi", Makes("createRestApiInput.policy|policy"), "", API),
    ("apigateway", "UpdateRestApi", Patches("/policy"), "restApiId", API),
    ("apigateway", "DeleteRestApi", Destroys, "restApiId", API),
    ("mediastore", "PutContainerPolicy", Writes("policy"), "containerName", MEDIA),
    ("mediastore", "DeleteContainerPolicy", Ends, "containerName", MEDIA),
    ("mediastore", "DeleteContainer", Destroys, "containerName", MEDIA),
    ("ses", "PutIdentityPolicy", Writes("policy"), "identity", IDENTITY),
    ("ses", "DeleteIdentityPolicy", Ends, "identity", IDENTITY),
    ("signer", "AddProfilePermission", Adds, "profileName", PROFILE),
    ("signer", "RemoveProfilePermission", Removes, "profileName", PROFILE),
];
