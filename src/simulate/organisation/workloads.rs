//! The workloads of each account: what runs there, as which role, behind which interface and address.
//!
//! Invariant: an account's workloads depend on the seed, the account's place and the plan's volume, and never change.
//! Every flow of honest activity has an end at one of these interfaces.

use std::net::Ipv4Addr;

use crate::simulate::Plan;
use crate::simulate::call::AccountIx;
use crate::simulate::call::RegionIx;
use crate::simulate::chance::Chance;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::SECOND;

/// What a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An EC2 instance with an instance profile of the role's name.
    Instance,
    /// A Lambda function outside the VPC.
    Function,
    /// An ECS task on Fargate.
    Task,
    /// A database of RDS; it calls nobody.
    Database,
    /// A load balancer that faces the internet; it calls nobody.
    Balancer,
    /// The NAT gateway; it calls nobody.
    Gateway,
}

/// When a workload works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rhythm {
    /// All day, a little less at night.
    Steady,
    /// With the people it serves.
    Office,
    /// Once a night, for an hour or two from this hour (UTC) on.
    Nightly(i64),
    /// A few minutes of every hour, from this minute on.
    Hourly(i64),
}

/// One thing that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Its account.
    pub account: AccountIx,
    /// Its region; whatever has an interface is at home.
    pub region: RegionIx,
    /// What it is.
    pub kind: Kind,
    /// The service it is part of, such as `orders-api`: its function's name, its cluster's service, its database.
    pub service: String,
    /// `i-…` of an instance, the id of a task, else its name.
    pub id: String,
    /// The name of the role it calls with (path `/`); empty if it calls nobody. Workloads of a service share it.
    pub role: String,
    /// `eni-…`; empty for a function.
    pub interface: String,
    /// The address of that interface; `0.0.0.0` for a function.
    pub private: Ipv4Addr,
    /// The public address that AWS and the internet see: its own, or that of the NAT gateway.
    pub public: Ipv4Addr,
    /// The place of its subnet in the account's.
    pub subnet: usize,
    /// `sg-…`, shared by the workloads of a service; empty for a function.
    pub group: String,
    /// When it works.
    pub rhythm: Rhythm,
    /// Its place among the workloads of its account that call, the busiest first; the others come last.
    pub rank: usize,
}

impl Workload {
    /// Returns whether it calls AWS.
    pub fn calls(&self) -> bool {
        !self.role.is_empty()
    }

    /// Returns whether the internet can reach it by an address of its own.
    pub fn is_public(&self) -> bool {
        match self.kind {
            Kind::Balancer | Kind::Gateway => true,
            Kind::Instance => self.service == "proxy",
            Kind::Function | Kind::Task | Kind::Database => false,
        }
    }

    /// Returns whether it has an interface in the VPC.
    pub fn is_inside(&self) -> bool {
        !self.interface.is_empty()
    }

    /// Returns how AWS names an instance in flow logs: `i-…`, or `-` for what is none.
    pub fn instance(&self) -> &str {
        if self.kind == Kind::Instance { &self.id } else { "-" }
    }
}

/// A line of what an account runs: kind, service, how many at volume 1, when.
type Line = (Kind, &'static str, usize, Rhythm);

/// What an account with workloads runs, the busiest first.
const WORK: [Line; 20] = [
    (Kind::Task, "orders-api", 3, Rhythm::Steady),
    (Kind::Instance, "web", 3, Rhythm::Steady),
    (Kind::Function, "order-events", 1, Rhythm::Steady),
    (Kind::Instance, "search", 2, Rhythm::Office),
    (Kind::Task, "payments", 2, Rhythm::Steady),
    (Kind::Function, "thumbnails", 1, Rhythm::Office),
    (Kind::Instance, "exporter", 1, Rhythm::Nightly(1)),
    (Kind::Function, "invoices", 1, Rhythm::Hourly(5)),
    (Kind::Task, "mailer", 1, Rhythm::Office),
    (Kind::Instance, "proxy", 1, Rhythm::Steady),
    (Kind::Function, "stock-sync", 1, Rhythm::Hourly(20)),
    (Kind::Task, "reporting", 1, Rhythm::Nightly(3)),
    (Kind::Function, "webhook", 1, Rhythm::Office),
    (Kind::Function, "housekeeping", 1, Rhythm::Nightly(2)),
    (Kind::Function, "health", 1, Rhythm::Steady),
    (Kind::Function, "metrics-rollup", 1, Rhythm::Hourly(50)),
    (Kind::Database, "orders-db", 1, Rhythm::Steady),
    (Kind::Database, "reports-db", 1, Rhythm::Steady),
    (Kind::Balancer, "front", 2, Rhythm::Steady),
    (Kind::Gateway, "nat", 1, Rhythm::Steady),
];

/// What the other accounts run.
const CENTRAL: [Line; 3] = [
    (Kind::Function, "log-index", 1, Rhythm::Steady),
    (Kind::Function, "finding-router", 1, Rhythm::Office),
    (Kind::Function, "cost-report", 1, Rhythm::Nightly(4)),
];

/// Draws the workloads of the account at `ix`.
pub fn draw(plan: &Plan, account: &Account, ix: usize) -> Vec<Workload> {
    let has_work = ix >= 2 || plan.accounts <= 2;
    let lines: &[Line] = if has_work { &WORK } else { &CENTRAL };
    let mut workloads: Vec<Workload> = Vec::new();
    for line in lines {
        let (kind, service, usual, _) = *line;
        // More work is done by more of them, and by each of them more.
        let many = match kind {
            Kind::Instance | Kind::Task => (usual as f64 * plan.volume.sqrt()).round() as usize,
            _ => usual,
        };
        let mut chance = Chance::of(plan.seed, &format!("workload/{ix}/{service}"));
        let group = format!("sg-{}", chance.hex(17));
        for _ in 0..many.clamp(1, 200) {
            let rank = workloads.len();
            workloads.push(workload(line, (account, ix), (&group, rank), &mut chance));
        }
    }
    workloads
}

fn workload(
    &(kind, service, _, rhythm): &Line,
    (account, ix): (&Account, usize),
    (group, rank): (&str, usize),
    chance: &mut Chance,
) -> Workload {
    let id = match kind {
        Kind::Instance => format!("i-0{}", chance.hex(16)),
        Kind::Task => chance.hex(32),
        Kind::Gateway => format!("nat-0{}", chance.hex(16)),
        Kind::Function | Kind::Database | Kind::Balancer => format!("{}-{service}", account.name),
    };
    let role = match kind {
        Kind::Instance => format!("{service}-instance"),
        Kind::Function => format!("{service}-function"),
        Kind::Task => format!("{service}-task"),
        Kind::Database | Kind::Balancer | Kind::Gateway => String::new(),
    };
    let is_outside = kind == Kind::Function;
    let (subnet, host) = (rank % 2, rank / 2);
    let block = (subnet * 16 + host / 240) as u8;
    let inside = Ipv4Addr::new(10, account.net, block, 10 + (host % 240) as u8);
    let mut made = Workload {
        account: AccountIx(ix as u16),
        region: if is_outside && chance.holds(0.25) { SECOND } else { HOME },
        kind,
        service: service.to_owned(),
        id,
        role,
        interface: if is_outside { String::new() } else { format!("eni-0{}", chance.hex(16)) },
        private: if is_outside { Ipv4Addr::UNSPECIFIED } else { inside },
        public: account.nat.parse().expect("the gateway's address is one"),
        subnet,
        group: if is_outside { String::new() } else { group.to_owned() },
        rhythm,
        rank,
    };
    // Functions call from AWS's own networks; what faces the internet has an address of its own.
    let number = (ix * 7 + rank) as u8;
    if is_outside {
        made.public = Ipv4Addr::new(198, 19, 48 + (ix % 16) as u8, number.max(1));
    } else if made.is_public() && kind != Kind::Gateway {
        made.public = Ipv4Addr::new(198, 19, 33 + (ix % 15) as u8, number.max(1));
    }
    made
}

#[cfg(test)]
pub(in crate::simulate) mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::Seconds;
    use crate::simulate::Disorder;
    use crate::simulate::Flows;
    use crate::simulate::organisation::Organisation;

    /// A week of the usual organisation, from Monday, 2 March 2026 on, in which nothing goes wrong.
    pub(in crate::simulate) fn plan() -> Plan {
        Plan {
            seed: 7,
            start: Seconds(1_772_409_600),
            days: 7,
            accounts: 4,
            people: 6,
            volume: 1.0,
            incidents: Vec::new(),
            flows: Flows::Written,
            disorder: Disorder::NONE,
        }
    }

    #[test]
    fn every_interface_and_inside_address_is_one_workloads_own() {
        let org = Organisation::draw(&Plan { accounts: 12, volume: 4.0, ..plan() });
        let with_interface = || {
            org.accounts
                .iter()
                .flat_map(|account| &account.workloads)
                .filter(|it| !it.interface.is_empty())
        };
        let interfaces: BTreeSet<&str> = with_interface().map(|it| it.interface.as_str()).collect();
        let addresses: BTreeSet<Ipv4Addr> = with_interface().map(|it| it.private).collect();
        assert_eq!(interfaces.len(), with_interface().count());
        assert_eq!(addresses.len(), with_interface().count());
        assert!(with_interface().all(|it| it.region == HOME));
    }

    #[test]
    fn more_volume_means_more_instances_and_the_same_first_ones() {
        let count = |volume| {
            let org = Organisation::draw(&Plan { volume, ..plan() });
            org.account(org.production()).workloads.len()
        };
        assert!(count(4.0) > count(1.0) && count(1.0) > count(0.1));
    }

    #[test]
    fn an_organisation_of_one_account_has_workloads_too() {
        let org = Organisation::draw(&Plan { accounts: 1, ..plan() });
        assert!(org.accounts[0].workloads.iter().any(|it| it.kind == Kind::Instance));
    }
}
