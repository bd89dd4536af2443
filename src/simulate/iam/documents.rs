//! Policy documents of the organisation: who may take a role, and what it may then do.
//!
//! Invariant: no document of a workload allows everything; what is as wide as that is AWS's or the administrators'.

use serde_json::Value;
use serde_json::json;

use crate::simulate::organisation::Account;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::workloads::Kind;

/// The OIDC provider of the pipelines.
pub const OIDC: &str = "token.actions.githubusercontent.com";

/// Returns a policy with these statements.
pub fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Returns a statement that allows `actions` on `resource`.
pub fn allow(actions: &[&str], resource: &Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

/// Returns the trust of a role that an AWS service takes.
pub fn trusts_service(service: &str) -> Value {
    policy(&[json!({
        "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole",
    })])
}

/// Returns the trust of a role that the principals `arn` take, under `condition` if it is not null.
pub fn trusts(arn: &str, condition: &Value) -> Value {
    let mut statement =
        json!({"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"});
    if !condition.is_null() {
        statement["Condition"] = condition.clone();
    }
    policy(&[statement])
}

/// Returns the trust of a role that Identity Center gives to people.
pub fn trusts_identity_center(provider: &str) -> Value {
    policy(&[json!({
        "Effect": "Allow", "Principal": {"Federated": provider},
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
        "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
    })])
}

/// Returns the trust of a role that pipelines with the subject `subject` take; it may end with `*`.
pub fn trusts_pipeline(account: &str, subject: &str) -> Value {
    policy(&[json!({
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::{account}:oidc-provider/{OIDC}")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {format!("{OIDC}:aud"): "sts.amazonaws.com"},
            "StringLike": {format!("{OIDC}:sub"): subject},
        },
    })])
}

/// Returns the AWS service that takes the role of such a workload.
pub fn taken_by(kind: Kind) -> &'static str {
    match kind {
        Kind::Function => "lambda.amazonaws.com",
        Kind::Task => "ecs-tasks.amazonaws.com",
        _ => "ec2.amazonaws.com",
    }
}

/// Returns what the service called `name` may do: a little more with each revision, and then less again.
pub fn access(account: &Account, name: &str, revision: u32) -> Value {
    let (home, id) = (REGIONS[0], &account.id);
    let nth = name.bytes().map(u32::from).sum::<u32>();
    let one_of = |list: &[String]| list[nth as usize % list.len()].clone();
    let (bucket, secret) = (one_of(&account.buckets), one_of(&account.secrets));
    let (table, key) = (one_of(&account.tables), one_of(&account.keys));
    let optional = [
        allow(&["s3:GetObject", "s3:PutObject"], &json!(format!("arn:aws:s3:::{bucket}/{name}/*"))),
        allow(
            &["secretsmanager:GetSecretValue"],
            &json!(format!("arn:aws:secretsmanager:{home}:{id}:secret:{secret}-*")),
        ),
        allow(
            &["kms:Decrypt", "kms:GenerateDataKey"],
            &json!(format!("arn:aws:kms:{home}:{id}:key/{key}")),
        ),
        allow(
            &["sqs:SendMessage", "sqs:GetQueueUrl"],
            &json!(format!("arn:aws:sqs:{home}:{id}:{name}-*")),
        ),
        allow(
            &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"],
            &json!(format!("arn:aws:dynamodb:{home}:{id}:table/{table}")),
        ),
    ];
    let logs = format!("arn:aws:logs:{home}:{id}:log-group:/{name}:*");
    let mut statements = vec![allow(&["logs:CreateLogStream", "logs:PutLogEvents"], &json!(logs))];
    for (bit, statement) in (0..).zip(optional) {
        // The last two come with the service and stay; of the others, each revision has a choice of its own.
        if bit > 2 || (revision * 3 + nth) >> bit & 1 == 1 {
            statements.push(statement);
        }
    }
    policy(&statements)
}

/// Returns what pipelines may do in order to deploy: much, but nothing outside the services.
pub fn deploys(account: &Account) -> Value {
    let id = &account.id;
    let own = json!([
        format!("arn:aws:iam::{id}:role/*"),
        format!("arn:aws:iam::{id}:policy/*"),
        format!("arn:aws:iam::{id}:instance-profile/*"),
    ]);
    policy(&[
        allow(
            &["cloudformation:*", "ec2:*", "ecs:*", "lambda:*", "s3:*", "logs:*", "dynamodb:*"],
            &json!("*"),
        ),
        json!({
            "Effect": "Allow", "Resource": own,
            "Action": [
                "iam:AttachRolePolicy", "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:CreateRole",
                "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:DeleteRole", "iam:DetachRolePolicy",
                "iam:Get*", "iam:List*", "iam:PassRole", "iam:PutRolePermissionsBoundary",
                "iam:PutRolePolicy", "iam:DeleteRolePolicy",
            ],
        }),
        json!({
            "Effect": "Deny", "Action": ["iam:CreateUser", "iam:CreateAccessKey", "organizations:*"],
            "Resource": "*",
        }),
    ])
}

/// Returns the boundary of roles that developers' pipelines make.
pub fn boundary() -> Value {
    policy(&[
        json!({
            "Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*", "sso:*"],
            "Resource": "*",
        }),
        json!({"Effect": "Allow", "Action": ["iam:GetRole", "iam:PassRole"], "Resource": "*"}),
    ])
}

/// Returns what operators' runbooks may do; `revision` 1 was narrower.
pub fn operates(revision: u32) -> Value {
    let mut actions = vec!["ec2:Describe*", "ec2:RebootInstances", "ssm:StartAutomationExecution"];
    if revision > 1 {
        actions.extend([
            "ecs:UpdateService",
            "autoscaling:SetDesiredCapacity",
            "rds:RebootDBInstance",
        ]);
    }
    policy(&[allow(&actions, &json!("*"))])
}

/// Returns what the old user may do: fetch copies; the first revision was far too wide.
pub fn fetches(account: &Account, revision: u32) -> Value {
    let buckets: Vec<String> =
        account.buckets.iter().map(|bucket| format!("arn:aws:s3:::{bucket}")).collect();
    let objects: Vec<String> = buckets.iter().map(|bucket| format!("{bucket}/*")).collect();
    match revision {
        1 => policy(&[
            allow(&["s3:*"], &json!("*")),
            allow(&["iam:PassRole", "lambda:*"], &json!("*")),
        ]),
        2 => policy(&[allow(&["s3:*"], &json!(objects))]),
        _ => policy(&[
            allow(&["s3:GetObject"], &json!(objects)),
            allow(&["s3:ListBucket"], &json!(buckets)),
        ]),
    }
}

/// Returns what the access broker may do: give and take assignments, and look them up.
pub fn brokers() -> Value {
    policy(&[
        allow(
            &[
                "sso:CreateAccountAssignment",
                "sso:DeleteAccountAssignment",
                "sso:DescribeAccountAssignmentCreationStatus",
                "sso:DescribeAccountAssignmentDeletionStatus",
                "sso:ListAccountAssignments",
                "sso:ListPermissionSets",
                "sso:DescribePermissionSet",
            ],
            &json!("*"),
        ),
        allow(&["identitystore:DescribeUser", "identitystore:ListUsers"], &json!("*")),
    ])
}

/// Returns what a service of another account may do here: read what is in the buckets.
pub fn reads_reports(account: &Account) -> Value {
    let buckets: Vec<String> =
        account.buckets.iter().map(|bucket| format!("arn:aws:s3:::{bucket}*")).collect();
    policy(&[allow(&["s3:GetObject", "s3:ListBucket"], &json!(buckets))])
}

/// Returns what the vendor may do: look at instances and metrics.
pub fn monitors() -> Value {
    policy(&[allow(
        &[
            "cloudwatch:DescribeAlarms",
            "cloudwatch:GetMetricData",
            "cloudwatch:ListMetrics",
            "ec2:DescribeInstances",
            "ec2:DescribeRegions",
            "ecs:ListClusters",
            "ecs:DescribeServices",
            "lambda:ListFunctions",
            "rds:DescribeDBInstances",
            "tag:GetResources",
        ],
        &json!("*"),
    )])
}
