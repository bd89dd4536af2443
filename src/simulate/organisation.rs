//! The organisation: accounts, networks, people, roles. Drawn once from the seed, then only read.
//!
//! All of it is invented. Accounts have the ids that AWS's documentation uses, or begin with nine zeros; addresses are
//! those that RFC 5737 and RFC 2544 set aside; access keys begin with `AKIAEXAMPLE` or `ASIAEXAMPLE`.
//!
//! Invariant: what changes during the simulation (IAM, assignments) is in `iam.rs`; this does not change.

pub mod people;
pub mod workloads;

use std::sync::Arc;

use crate::model::Seconds;
use crate::simulate::Plan;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Place;
use crate::simulate::call::RegionIx;
use crate::simulate::chance::Chance;
use crate::simulate::organisation::people::Person;
use crate::simulate::organisation::workloads::Workload;

/// The regions the organisation works in; the first is home, global services are recorded in `us-east-1`.
pub const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "eu-west-1"];

/// The region that Identity Center and most work is in.
pub const HOME: RegionIx = RegionIx(0);

/// The region that records IAM, Organizations and the other global services.
pub const GLOBAL: RegionIx = RegionIx(1);

/// The second region of the workloads.
pub const SECOND: RegionIx = RegionIx(2);

/// The account that pays and holds Identity Center and the broker.
pub const MANAGEMENT: AccountIx = AccountIx(0);

/// The account of the security team; logs are kept there.
pub const SECURITY: AccountIx = AccountIx(1);

/// The account with the largest production workloads.
pub const PRODUCTION: AccountIx = AccountIx(2);

/// Account ids from AWS's documentation.
const DOCUMENTED: [&str; 8] = [
    "111122223333",
    "777788889999",
    "444455556666",
    "123456789012",
    "555566667777",
    "222233334444",
    "333344445555",
    "666677778888",
];

/// The account of a stranger: it does not belong to the organisation.
pub const STRANGER: &str = "999988887777";

/// The account of the vendor who may take a role with an external id.
pub const VENDOR: &str = "888899990000";

/// One account of the organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: String,
    /// Its name: `management`, `security`, `production`, `development`, then `workload-5` and so on.
    pub name: String,
    /// The second octet of its VPC's addresses, `10.N.0.0/16`; one VPC in the home region.
    pub net: u8,
    /// `vpc-…` in the home region.
    pub vpc: String,
    /// The subnets of the VPC, one per zone: `subnet-…`.
    pub subnets: [String; 2],
    /// The public address of the VPC's NAT gateway.
    pub nat: String,
    /// The buckets with contents.
    pub buckets: Vec<String>,
    /// The names of secrets.
    pub secrets: Vec<String>,
    /// The ids of KMS keys in the home region.
    pub keys: Vec<String>,
    /// The names of DynamoDB tables.
    pub tables: Vec<String>,
    /// What runs in it.
    pub workloads: Vec<Workload>,
}

/// A permission set of Identity Center.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermissionSet {
    /// Its name.
    pub name: &'static str,
    /// The AWS managed policies it attaches.
    pub managed: &'static [&'static str],
    /// Whether people have it only for a time, from the broker.
    pub given: Given,
    /// The hours that a session lasts.
    pub hours: i64,
}

/// How a permission set is given to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// For good: everyday work.
    Standing,
    /// By the broker, for a task and a time; others have it too, so that its role is always there.
    JustInTime,
    /// By the broker, and nobody else has it: Identity Center makes its role with the assignment, under another name
    /// each time, and removes it with the assignment.
    Fleeting,
}

/// All permission sets.
pub const PERMISSION_SETS: [PermissionSet; 9] = [
    PermissionSet {
        name: "ReadOnly",
        managed: &["ReadOnlyAccess"],
        given: Given::Standing,
        hours: 8,
    },
    PermissionSet {
        name: "Developer",
        managed: &["PowerUserAccess"],
        given: Given::Standing,
        hours: 8,
    },
    PermissionSet {
        name: "DataReader",
        managed: &["AmazonAthenaFullAccess"],
        given: Given::Standing,
        hours: 8,
    },
    PermissionSet {
        name: "Billing",
        managed: &["job-function/Billing"],
        given: Given::Standing,
        hours: 4,
    },
    PermissionSet {
        name: "SecurityAudit",
        managed: &["SecurityAudit"],
        given: Given::Standing,
        hours: 8,
    },
    PermissionSet {
        name: "Operator",
        managed: &["job-function/SystemAdministrator"],
        given: Given::JustInTime,
        hours: 4,
    },
    PermissionSet {
        name: "Admin",
        managed: &["AdministratorAccess"],
        given: Given::JustInTime,
        hours: 4,
    },
    PermissionSet {
        name: "DatabaseAdmin",
        managed: &["AmazonRDSFullAccess", "AmazonDynamoDBFullAccess"],
        given: Given::Fleeting,
        hours: 4,
    },
    PermissionSet {
        name: "BreakGlass",
        managed: &["AdministratorAccess"],
        given: Given::Fleeting,
        hours: 4,
    },
];

/// Returns the permission set called `name`.
///
/// # Panics
/// When there is none: names stand in this program, not in its input.
pub fn permission_set(name: &str) -> &'static PermissionSet {
    PERMISSION_SETS
        .iter()
        .find(|set| set.name == name)
        .expect("a permission set of the table above")
}

/// The organisation.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// What everything is drawn from.
    pub seed: u64,
    /// The first midnight, UTC.
    pub start: Seconds,
    /// How many days.
    pub days: i64,
    /// `o-…`.
    pub id: String,
    /// `arn:aws:sso:::instance/ssoins-…`.
    pub instance: String,
    /// `d-…`.
    pub identity_store: String,
    /// Its accounts: management, security, production, development, then more production.
    pub accounts: Vec<Account>,
    /// Its people, the busiest first.
    pub people: Vec<Arc<Person>>,
}

impl Organisation {
    /// Draws the organisation of `plan`.
    pub fn draw(plan: &Plan) -> Self {
        let mut chance = Chance::of(plan.seed, "organisation");
        let id = format!("o-{}", chance.letters(10, "abcdefghijklmnopqrstuvwxyz0123456789"));
        let instance = format!("arn:aws:sso:::instance/ssoins-{}", chance.hex(16));
        let identity_store = format!("d-{}", chance.hex(10));
        let mut accounts: Vec<Account> =
            (0..usize::from(plan.accounts)).map(|ix| account(plan.seed, ix)).collect();
        for (ix, account) in accounts.iter_mut().enumerate() {
            account.workloads = workloads::draw(plan, account, ix);
        }
        let people = people::draw(plan, &accounts);
        Self {
            seed: plan.seed,
            start: plan.start,
            days: plan.days,
            id,
            instance,
            identity_store,
            accounts,
            people,
        }
    }

    /// Returns the account at `ix`.
    pub fn account(&self, ix: AccountIx) -> &Account {
        &self.accounts[usize::from(ix.0)]
    }

    /// Returns where production is: the third account, or the last of fewer.
    pub fn production(&self) -> AccountIx {
        self.nth(PRODUCTION)
    }

    /// Returns the security team's account, or the last of fewer.
    pub fn security(&self) -> AccountIx {
        self.nth(SECURITY)
    }

    fn nth(&self, wanted: AccountIx) -> AccountIx {
        AccountIx(wanted.0.min(self.accounts.len() as u16 - 1))
    }

    /// Returns the accounts with workloads: all but management and security, or all if there are no others.
    pub fn workload_accounts(&self) -> Vec<AccountIx> {
        let all = 0..self.accounts.len() as u16;
        let others: Vec<AccountIx> = all.clone().skip(2).map(AccountIx).collect();
        if others.is_empty() { all.map(AccountIx).collect() } else { others }
    }

    /// Returns the midnight (UTC) that `day` begins with, counted from 0.
    pub fn midnight(&self, day: i64) -> Seconds {
        Seconds(self.start.0 + day * 86_400)
    }

    /// Returns `arn:aws:identitystore::…:identitystore/d-…`.
    pub fn identity_store_arn(&self) -> String {
        format!(
            "arn:aws:identitystore::{}:identitystore/{}",
            self.account(MANAGEMENT).id,
            self.identity_store
        )
    }

    /// Returns the name of the role that stands for `set` in an account: `AWSReservedSSO_NAME_16hex`.
    pub fn reserved_role(&self, account: AccountIx, set: &PermissionSet) -> String {
        let suffix = Chance::of(self.seed, &format!("reserved/{}/{}", account.0, set.name)).hex(16);
        format!("AWSReservedSSO_{}_{suffix}", set.name)
    }

    /// Returns the path of such a role.
    pub fn reserved_path(&self) -> String {
        format!("/aws-reserved/sso.amazonaws.com/{}/", REGIONS[usize::from(HOME.0)])
    }

    /// Returns `arn:aws:sso:::permissionSet/ssoins-…/ps-…`.
    pub fn permission_set_arn(&self, set: &PermissionSet) -> String {
        let id = Chance::of(self.seed, &format!("permission-set/{}", set.name)).hex(16);
        let instance = self.instance.rsplit('/').next().unwrap_or_default();
        format!("arn:aws:sso:::permissionSet/{instance}/ps-{id}")
    }

    /// Returns the unique id of a role, `AROA…`: the same for the same name.
    pub fn role_id(&self, account: AccountIx, role: &str) -> String {
        Chance::of(self.seed, &format!("role/{}/{role}", account.0)).unique_id("AROA")
    }

    /// Returns where a call of `service` to `account` is recorded if it is made to `region`.
    pub fn place(&self, account: AccountIx, region: RegionIx, service: &str) -> Place {
        let is_global = matches!(service, "iam" | "organizations" | "cloudfront" | "route53");
        Place { account, region: if is_global { GLOBAL } else { region } }
    }
}

fn account(seed: u64, ix: usize) -> Account {
    let mut chance = Chance::of(seed, &format!("account/{ix}"));
    let id = DOCUMENTED.get(ix).map_or_else(|| format!("000000000{ix:03}"), |id| (*id).to_owned());
    let name = match ix {
        0 => "management".to_owned(),
        1 => "security".to_owned(),
        2 => "production".to_owned(),
        3 => "development".to_owned(),
        _ => format!("workload-{}", ix + 1),
    };
    let short = chance.hex(6);
    let named =
        |words: &[&str]| words.iter().map(|word| format!("{name}-{word}-{short}")).collect();
    Account {
        net: 20 + (ix % 200) as u8,
        vpc: format!("vpc-{}", chance.hex(17)),
        subnets: [format!("subnet-{}", chance.hex(17)), format!("subnet-{}", chance.hex(17))],
        nat: format!("198.19.32.{}", 1 + ix % 250),
        buckets: named(&[
            "assets", "orders", "exports", "invoices", "backups", "logs", "models", "uploads",
        ]),
        secrets: ["db", "payments-api", "smtp", "webhook", "cache", "search"]
            .iter()
            .map(|word| format!("{name}/{word}"))
            .collect(),
        keys: (0..4).map(|_| chance_uuid(&mut chance)).collect(),
        tables: ["orders", "sessions", "customers", "ledger"]
            .iter()
            .map(|word| format!("{name}-{word}"))
            .collect(),
        workloads: Vec::new(),
        id,
        name,
    }
}

fn chance_uuid(chance: &mut Chance) -> String {
    crate::simulate::call::EventId(chance.bits()).to_string()
}
