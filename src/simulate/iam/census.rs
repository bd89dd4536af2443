//! Who is in IAM when the simulation begins: names that actors and incidents may count on.
//!
//! Invariant: an id depends on the seed, the account and the name, so that whoever knows a name knows the id.
//! Read on in `iam/state.rs`.

use std::ops::RangeInclusive;

use crate::simulate::call::AccountIx;
use crate::simulate::chance::Chance;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Workload;

/// Returns the services of an account: of each role that its workloads call with, the first of them.
///
/// The role has a managed policy, [`policy_of`], of which only pipelines write versions.
pub fn services(account: &Account) -> Vec<&Workload> {
    let mut services: Vec<&Workload> = Vec::new();
    for workload in account.workloads.iter().filter(|it| it.calls()) {
        if services.iter().all(|it| it.role != workload.role) {
            services.push(workload);
        }
    }
    services
}

/// Returns the name of a service's managed policy.
pub fn policy_of(service: &str) -> String {
    format!("{service}-access")
}

/// Returns whose a service is.
pub fn team_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Function => "commerce",
        Kind::Task => "storefront",
        _ => "platform",
    }
}

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
pub const VENDOR_EXTERNAL_ID: &str = "b1946ac9-acme-monitoring";

/// The role that pipelines plan with: it reads.
pub const PLAN_ROLE: &str = "ci-plan";

/// The role that pipelines deploy with.
pub const DEPLOY_ROLE: &str = "ci-deploy";

/// The repository of the infrastructure's code, from which pipelines run.
pub const REPOSITORY: &str = "example-org/infrastructure";

/// An old user in production with a long-lived key, from before there were roles for such work: it fetches copies. Its
/// managed policy is [`OLD_USER_POLICY`].
pub const OLD_USER: &str = "backup-legacy";

/// The managed policy of [`OLD_USER`]; it has three versions, of which the first is the widest.
pub const OLD_USER_POLICY: &str = "legacy-backups";

/// A user in the management account for the day on which Identity Center is down.
pub const EMERGENCY_USER: &str = "emergency";

/// The group of [`EMERGENCY_USER`] in each account, with `AdministratorAccess`.
pub const ADMINISTRATORS: &str = "administrators";

/// Returns the environment of the pipelines that deploy to `account`: the account's name.
pub fn environment(org: &Organisation, account: AccountIx) -> &str {
    &org.account(account).name
}

/// Returns the numbers of the versions that a managed policy has at the start; the last is the default.
pub fn versions(org: &Organisation, account: AccountIx, policy: &str) -> RangeInclusive<u32> {
    match policy {
        OPS_AUTOMATION => 1..=2,
        OLD_USER_POLICY => 1..=3,
        _ if services(org.account(account)).iter().any(|it| policy_of(&it.service) == policy) => {
            let mut chance = Chance::of(org.seed, &format!("versions/{}/{policy}", account.0));
            let last = 1 + chance.below(9) as u32;
            last.saturating_sub(chance.below(5) as u32).max(1)..=last
        }
        _ => 1..=1,
    }
}

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
