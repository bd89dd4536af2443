//! The entries that come with grantwatch: what changes who may do what, what damages, and what is changed with the
//! roles of administrators.
//!
//! Invariant: each asks about people only, and leaves out what people do all day. An action is named here because
//! it is a known way up or a known way to do harm, or AWS calls it permissions management.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::grants::config::By;
use crate::grants::config::Protect;
use crate::grants::config::grant;
use crate::grants::config::people;
use crate::model::Glob;
use crate::model::actions::Level;

/// Actions that AWS lists as permissions management and that give nobody anything, or are everyday work.
const EVERYDAY: &[&str] = &[
    "*:Describe*",
    "*:Get*",
    "*:List*",
    "*:Validate*",
    "*:AllowVendedLogDeliveryForResource",
    "apigateway:SetWebACL",
    "appsync:SetWebACL",
    "bedrock-agentcore:AuthorizeAction",
    "bedrock-agentcore:InvokeGateway",
    "bedrock-agentcore:PartiallyAuthorizeActions",
    "ec2:*OdbNetworkPeering",
    "ec2:*PlacementGroup",
    "ec2:*NatGateway",
    "glue:*",
    "iam:ChangePassword",
    "iam:CreateVirtualMFADevice",
    "iam:EnableMFADevice",
    "iam:ResyncMFADevice",
    "kms:RetireGrant",
    "managedblockchain:*",
    "rds-db:connect",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
    "sns:CreateTopic",
    "sns:SetTopicAttributes",
    "sqs:CreateQueue",
    "sqs:SetQueueAttributes",
];

/// Ways to more access that AWS lists as plain writing.
const ESCALATION: &[&str] = &[
    "account:*AlternateContact",
    "account:StartPrimaryEmailUpdate",
    "cloudformation:*StackSet",
    "cloudformation:CreateStackInstances",
    "ec2:AssociateIamInstanceProfile",
    "ec2:ReplaceIamInstanceProfileAssociation",
    "eks:AssociateAccessPolicy",
    "eks:CreateAccessEntry",
    "eks:CreatePodIdentityAssociation",
    "eks:UpdateAccessEntry",
    "iam:*DelegationRequest",
    "iam:EnableOrganizationsRoot*",
    "iam:EnableOutboundWebIdentityFederation",
    "identitystore:CreateGroupMembership",
    "identitystore:CreateUser",
    "organizations:AttachPolicy",
    "organizations:CreateAccount",
    "organizations:CreatePolicy",
    "organizations:DeletePolicy",
    "organizations:DetachPolicy",
    "organizations:DisablePolicyType",
    "organizations:EnableAWSServiceAccess",
    "organizations:InviteAccountToOrganization",
    "organizations:MoveAccount",
    "organizations:PutResourcePolicy",
    "organizations:RegisterDelegatedAdministrator",
    "organizations:UpdatePolicy",
    "rolesanywhere:CreateProfile",
    "rolesanywhere:CreateTrustAnchor",
    "rolesanywhere:EnableProfile",
    "rolesanywhere:EnableTrustAnchor",
    "rolesanywhere:UpdateProfile",
    "rolesanywhere:UpdateTrustAnchor",
    "sso:AttachCustomerManagedPolicyReferenceToPermissionSet",
    "sso:CreateAccountAssignment",
    "sso:CreateApplicationAssignment",
    "sso:CreateTrustedTokenIssuer",
    "sso:ProvisionPermissionSet",
    "sso:PutInlinePolicyToPermissionSet",
    "sso:UpdateInstanceAccessControlAttributeConfiguration",
    "sso-directory:CreateExternalIdPConfigurationForDirectory",
    "sso-directory:EnableExternalIdPConfigurationForDirectory",
    "sts:AssumeRoot",
];

/// What blinds the watchers.
const BLINDING: &[&str] = &[
    "access-analyzer:DeleteAnalyzer",
    "cloudtrail:DeleteEventDataStore",
    "cloudtrail:DeleteTrail",
    "cloudtrail:PutEventSelectors",
    "cloudtrail:StopEventDataStoreIngestion",
    "cloudtrail:StopLogging",
    "cloudtrail:UpdateTrail",
    "cloudwatch:DeleteAlarms",
    "cloudwatch:DisableAlarmActions",
    "config:DeleteConfigurationRecorder",
    "config:DeleteDeliveryChannel",
    "config:StopConfigurationRecorder",
    "detective:DeleteGraph",
    "ec2:DeleteFlowLogs",
    "guardduty:CreateFilter",
    "guardduty:CreateIPSet",
    "guardduty:DeleteDetector",
    "guardduty:DeleteMembers",
    "guardduty:DisassociateFromAdministratorAccount",
    "guardduty:DisassociateMembers",
    "guardduty:StopMonitoringMembers",
    "guardduty:UpdateDetector",
    "inspector2:Disable",
    "logs:DeleteLogGroup",
    "logs:DeleteSubscriptionFilter",
    "macie2:DisableMacie",
    "route53resolver:DeleteResolverQueryLogConfig",
    "s3:PutBucketLogging",
    "securityhub:DisableSecurityHub",
    "wafv2:DeleteLoggingConfiguration",
];

/// What cannot be undone, or opens what is kept to the world.
const DAMAGE: &[&str] = &[
    "account:CloseAccount",
    "backup:DeleteBackupPlan",
    "backup:DeleteBackupVault",
    "backup:DeleteBackupVaultLockConfiguration",
    "backup:DeleteRecoveryPoint",
    "dynamodb:DeleteBackup",
    "dynamodb:DeleteTable",
    "ec2:DeregisterImage",
    "ec2:DeleteSnapshot",
    "ec2:DeleteVolume",
    "ec2:DeleteVpc",
    "ec2:DisableEbsEncryptionByDefault",
    "ec2:ModifyImageAttribute",
    "ec2:ModifyVpcBlockPublicAccessOptions",
    "ecr:DeleteRepository",
    "eks:DeleteCluster",
    "elasticfilesystem:DeleteFileSystem",
    "kms:DeleteImportedKeyMaterial",
    "kms:DisableKey",
    "kms:ScheduleKeyDeletion",
    "organizations:CloseAccount",
    "organizations:DeleteOrganization",
    "organizations:LeaveOrganization",
    "organizations:RemoveAccountFromOrganization",
    "rds:DeleteDBCluster",
    "rds:DeleteDBClusterSnapshot",
    "rds:DeleteDBInstance",
    "rds:DeleteDBInstanceAutomatedBackup",
    "rds:DeleteDBSnapshot",
    "redshift:DeleteCluster",
    "redshift:DeleteClusterSnapshot",
    "route53:DeleteHostedZone",
    "route53domains:DisableDomainTransferLock",
    "route53domains:TransferDomain*",
    "s3:DeleteBucket",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
    "s3:PutReplicationConfiguration",
    "secretsmanager:DeleteSecret",
];

/// Roles whose name says that they may do nearly everything, those of Identity Center's permission sets among them.
const ELEVATED: &[&str] = &[
    "*Admin*",
    "*admin*",
    "*PowerUser*",
    "*BreakGlass*",
    "*break-glass*",
    "*breakglass*",
    "OrganizationAccountAccessRole",
];

/// What AWS lists as writing and changes nothing that stays.
const PASSING: &[&str] = &[
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
    "cloudshell:*",
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
    "kms:Sign",
    "kms:Verify",
    "sso:*",
    "sts:AssumeRole",
    "sts:GetSessionToken",
];

/// Returns the entries in the order in which they are asked.
pub fn entries() -> Vec<Protect> {
    let entry = |name: &str, levels: &[Level], actions: &[&str], except: &[&str]| Protect {
        name: name.to_owned(),
        levels: levels.to_vec(),
        actions: globs(actions),
        except_actions: globs(except),
        resources: Vec::new(),
        accounts: Vec::new(),
        roles: Vec::new(),
        permission_sets: Vec::new(),
        principal_tags: BTreeMap::new(),
        resource_tags: BTreeMap::new(),
        by: people(),
        requires: grant(),
        pipelines: Vec::new(),
    };
    let changes = [Level::Write, Level::PermissionsManagement];
    vec![
        entry("permissions", &[Level::PermissionsManagement], &[], EVERYDAY),
        entry("escalation", &[], ESCALATION, &[]),
        entry("blinding", &[], BLINDING, &[]),
        entry("damage", &[], DAMAGE, &[]),
        Protect { roles: globs(ELEVATED), ..entry("elevated", &changes, &[], PASSING) },
        Protect { by: vec![By::Root], ..entry("root", &changes, &[], PASSING) },
    ]
}

/// Returns what writes by its level and changes nothing that stays, as patterns of actions.
pub fn passing() -> Vec<Glob> {
    globs(PASSING)
}

fn globs(texts: &[&str]) -> Vec<Glob> {
    texts.iter().map(|text| Glob::from(*text)).collect()
}

/// Returns the entries as a table for people.
pub fn table() -> String {
    let mut out = String::from(
        "| Entry | Whose acts | With roles | Levels | Actions | But not |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for entry in entries() {
        let by: Vec<&str> = entry.by.iter().map(|by| by.name()).collect();
        let levels: Vec<&str> = entry.levels.iter().map(|level| level.name()).collect();
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} |",
            entry.name,
            by.join(", "),
            or_any(&entry.roles),
            if levels.is_empty() { "any".to_owned() } else { levels.join(", ") },
            or_any(&entry.actions),
            listed(&entry.except_actions),
        )
        .expect("writing to a string cannot fail");
    }
    out
}

fn or_any(globs: &[Glob]) -> String {
    if globs.is_empty() { "any".to_owned() } else { listed(globs) }
}

fn listed(globs: &[Glob]) -> String {
    globs.iter().map(|glob| format!("`{glob}`")).collect::<Vec<_>>().join(" ")
}
