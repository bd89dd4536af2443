//! Who is in IAM when the simulation begins: names that actors and incidents may count on.
//!
//! Invariant: an id depends on the seed, the account and the name, so that whoever knows a name knows the id.
//! Read on in `iam/state.rs`.

use crate::simulate::call::AccountIx;
use crate::simulate::chance::Chance;
use crate::simulate::organisation::Organisation;

/// A service of the organisation: it runs in each account with workloads, has the role of its name, and the role has the
/// managed policy `NAME-access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its name and that of its role.
    pub name: &'static str,
    /// Where it runs.
    pub runs: Runs,
}

/// Where a service runs: it decides who may take its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// On instances: EC2 takes the role, through an instance profile of the same name.
    Instance,
    /// As a function.
    Function,
    /// As a container.
    Task,
}

impl Service {
    /// Returns the name of its managed policy; only pipelines write versions of it.
    pub fn policy(&self) -> String {
        format!("{}-access", self.name)
    }
}

/// The services.
pub const SERVICES: [Service; 10] = [
    Service { name: "web-server", runs: Runs::Instance },
    Service { name: "batch-worker", runs: Runs::Instance },
    Service { name: "orders-api", runs: Runs::Function },
    Service { name: "invoice-export", runs: Runs::Function },
    Service { name: "image-resizer", runs: Runs::Function },
    Service { name: "webhook-receiver", runs: Runs::Function },
    Service { name: "checkout", runs: Runs::Task },
    Service { name: "catalog", runs: Runs::Task },
    Service { name: "search", runs: Runs::Task },
    Service { name: "ledger-sync", runs: Runs::Task },
];

/// A role in each account with workloads that starts containers for ECS.
pub const TASK_EXECUTION: &str = "ecs-task-execution";

/// A role in each account with workloads that operators' runbooks use; people may take it. Its managed policy has the
/// same name.
pub const OPS_AUTOMATION: &str = "ops-automation";

/// A managed policy that bounds what developers' roles may do; it is in each account with workloads.
pub const BOUNDARY: &str = "developer-boundary";

/// The role that the vendor takes with [`VENDOR_EXTERNAL_ID`], in production.
pub const VENDOR_ROLE: &str = "vendor-monitoring";

/// What the vendor must say to take its role.
pub const VENDOR_EXTERNAL_ID: &str = "grantwatch-simulation-7c41";

/// The role that pipelines plan with: it reads.
pub const PLAN_ROLE: &str = "ci-plan";

/// The role that pipelines deploy with; `identity.provisioners` names it.
pub const DEPLOY_ROLE: &str = "ci-deploy";

/// An old user in production with a long-lived key, from before there were pipelines. Its managed policy is
/// [`OLD_USER_POLICY`].
pub const OLD_USER: &str = "ci-legacy";

/// The managed policy of [`OLD_USER`]; it has three versions, of which the first is the widest.
pub const OLD_USER_POLICY: &str = "legacy-uploads";

/// A user in the management account for the day on which Identity Center is down.
pub const EMERGENCY_USER: &str = "emergency";

/// The group of [`EMERGENCY_USER`] in each account, with `AdministratorAccess`.
pub const ADMINISTRATORS: &str = "administrators";

/// Returns `AIDA…`.
pub fn user_id(org: &Organisation, account: AccountIx, user: &str) -> String {
    id(org, account, ("user", user), "AIDA")
}

/// Returns `AGPA…`.
pub fn group_id(org: &Organisation, account: AccountIx, group: &str) -> String {
    id(org, account, ("group", group), "AGPA")
}

/// Returns `ANPA…`.
pub fn policy_id(org: &Organisation, account: AccountIx, policy: &str) -> String {
    id(org, account, ("policy", policy), "ANPA")
}

/// Returns `AIPA…`.
pub fn profile_id(org: &Organisation, account: AccountIx, profile: &str) -> String {
    id(org, account, ("instance-profile", profile), "AIPA")
}

/// Returns the key of [`OLD_USER`].
pub fn old_key(org: &Organisation) -> String {
    Chance::of(org.seed, "key/old-user").key("AKIA")
}

fn id(org: &Organisation, account: AccountIx, (kind, name): (&str, &str), prefix: &str) -> String {
    Chance::of(org.seed, &format!("{kind}/{}/{name}", account.0)).unique_id(prefix)
}
