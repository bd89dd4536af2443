//! What those look at who watch: findings, rights, the trail, costs.
//!
//! Invariant: as in `people.rs`.

use crate::simulate::catalogue::people::INVALID;
use crate::simulate::catalogue::people::NO_SUCH_ENTITY;
use crate::simulate::catalogue::people::Topic;
use crate::simulate::catalogue::people::read;

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
        read("iam", "GetRole", r#"{"roleName":"orders-api-task"}"#),
        read("iam", "GetRolePolicy", r#"{"roleName":"orders-api-task","policyName":"inline"}"#),
        read("iam", "ListRoles", r#"{"maxItems":1000}"#),
        read(
            "iam",
            "GetPolicyVersion",
            r#"{"policyArn":"arn:aws:iam::$account:policy/shop-deploy","versionId":"v1"}"#,
        ),
        read("iam", "ListAttachedRolePolicies", r#"{"roleName":"orders-api-task"}"#),
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
