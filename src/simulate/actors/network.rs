//! The network: what workloads send each other, AWS and the world, and the noise that the world sends.
//!
//! Invariant: an exchange inside the VPC is told by both interfaces, in both directions; one through the NAT gateway by
//! the gateway's too. Each flow has an end at an interface of [`Account::workloads`]. What AWS never logs (its resolver,
//! its clock, instance metadata) is not here either.
//!
//! [`Account::workloads`]: crate::simulate::organisation::Account::workloads

use std::net::Ipv4Addr;

use crate::model::Seconds;
use crate::simulate::Flows;
use crate::simulate::Plan;
use crate::simulate::actors::Actor;
use crate::simulate::actors::workloads;
use crate::simulate::call::AccountIx;
use crate::simulate::chance::Chance;
use crate::simulate::chance::Ranks;
use crate::simulate::diary::Diary;
use crate::simulate::diary::Scene;
use crate::simulate::flow::Action;
use crate::simulate::flow::Direction;
use crate::simulate::flow::Flow;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Rhythm;
use crate::simulate::organisation::workloads::Workload;

/// How busy the network of other accounts is, production's being 1.
const OTHERS: f64 = 0.3;

/// TCP and UDP, as IANA numbers them.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The far end of an exchange.
#[derive(Debug, Clone, Copy)]
enum Far {
    /// A service of ours in the same VPC.
    Inside(&'static str),
    /// S3, through the VPC's gateway endpoint.
    Storage,
    /// Other services of AWS.
    Aws,
    /// One address out there.
    Peer([u8; 4]),
}

/// A way that a service of ours uses.
struct Way {
    from: &'static str,
    far: Far,
    port: u16,
    /// Exchanges of a weekday in production at volume 1.
    times: f64,
    rhythm: Rhythm,
    /// Bytes sent and answered, on average.
    bytes: (f64, f64),
}

const fn way(
    from: &'static str,
    (far, port): (Far, u16),
    (times, rhythm): (f64, Rhythm),
    bytes: (f64, f64),
) -> Way {
    Way { from, far, port, times, rhythm, bytes }
}

const STEADY: Rhythm = Rhythm::Steady;

/// Every way. Whoever mails has a relay, whoever takes money a bank; the proxy looks at a clock out there.
static WAYS: [Way; 26] = [
    way("front", (Far::Inside("web"), 8080), (900.0, STEADY), (9e3, 9e4)),
    way("front", (Far::Inside("orders-api"), 8080), (800.0, STEADY), (6e3, 2e4)),
    way("front", (Far::Inside("payments"), 8443), (300.0, STEADY), (4e3, 6e3)),
    way("web", (Far::Inside("search"), 9200), (350.0, Rhythm::Office), (3e3, 5e4)),
    way("web", (Far::Inside("orders-api"), 8080), (300.0, STEADY), (4e3, 2e4)),
    way("orders-api", (Far::Inside("orders-db"), 5432), (500.0, STEADY), (2e4, 1e5)),
    way("payments", (Far::Inside("orders-db"), 5432), (250.0, STEADY), (1e4, 2e4)),
    way("mailer", (Far::Inside("orders-db"), 5432), (60.0, Rhythm::Office), (5e3, 4e4)),
    way("reporting", (Far::Inside("reports-db"), 5432), (100.0, Rhythm::Nightly(3)), (9e3, 3e6)),
    way("exporter", (Far::Inside("reports-db"), 5432), (40.0, Rhythm::Nightly(1)), (9e3, 5e6)),
    way("web", (Far::Storage, 443), (900.0, STEADY), (4e3, 2e5)),
    way("orders-api", (Far::Storage, 443), (700.0, STEADY), (3e4, 5e4)),
    way("search", (Far::Storage, 443), (250.0, Rhythm::Office), (5e3, 4e5)),
    way("exporter", (Far::Storage, 443), (250.0, Rhythm::Nightly(1)), (6e6, 3e4)),
    way("reporting", (Far::Storage, 443), (300.0, Rhythm::Nightly(3)), (2e6, 3e6)),
    way("web", (Far::Aws, 443), (220.0, STEADY), (6e3, 1e4)),
    way("orders-api", (Far::Aws, 443), (260.0, STEADY), (8e3, 2e4)),
    way("search", (Far::Aws, 443), (150.0, Rhythm::Office), (5e3, 9e3)),
    way("payments", (Far::Aws, 443), (150.0, STEADY), (7e3, 9e3)),
    way("mailer", (Far::Aws, 443), (60.0, Rhythm::Office), (4e3, 7e3)),
    way("reporting", (Far::Aws, 443), (40.0, Rhythm::Nightly(3)), (5e3, 9e3)),
    way("exporter", (Far::Aws, 443), (90.0, STEADY), (4e3, 7e3)),
    way("proxy", (Far::Aws, 443), (120.0, STEADY), (4e3, 8e3)),
    way("proxy", (Far::Peer([198, 19, 202, 123]), 123), (24.0, STEADY), (76.0, 76.0)),
    way("mailer", (Far::Peer([198, 19, 201, 25]), 587), (60.0, Rhythm::Office), (6e4, 3e3)),
    way("payments", (Far::Peer([198, 19, 203, 10]), 443), (100.0, STEADY), (6e3, 9e3)),
];

/// Connections of customers to each of production's balancers, and probes of each public address, on a day.
const CUSTOMERS: f64 = 1_300.0;
const PROBES: f64 = 400.0;

/// The ports that the world knocks at, the favourite first.
const KNOCKED: [u16; 14] =
    [23, 22, 445, 3389, 8080, 5900, 6379, 1433, 3306, 2375, 5555, 9200, 27_017, 8_443];

/// The networks of every account.
pub struct Network {
    flows: Flows,
    volume: f64,
}

impl Network {
    /// Returns the networks.
    pub fn new(plan: &Plan) -> Self {
        Self { flows: plan.flows, volume: plan.volume }
    }
}

impl Actor for Network {
    fn live(&mut self, org: &Organisation, diary: &mut Diary, day: i64) {
        if self.flows == Flows::LeftOut {
            return;
        }
        for (ix, account) in org.accounts.iter().enumerate() {
            let is_production = AccountIx(ix as u16) == org.production();
            let busy = self.volume * if is_production { 1.0 } else { OTHERS };
            let mut scene = Scene::of(org, diary, &format!("network/{ix}/{day}"));
            let vpc =
                Vpc { account: AccountIx(ix as u16), of: account, midnight: org.midnight(day) };
            for way in &WAYS {
                vpc.walk(&mut scene, way, busy);
            }
            vpc.welcome(&mut scene, busy);
            vpc.suffer_probes(&mut scene);
        }
    }
}

/// The network of one account on one day.
struct Vpc<'a> {
    account: AccountIx,
    of: &'a Account,
    midnight: Seconds,
}

/// An exchange: who began it, with whom, and how much went there and back.
struct Exchange {
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    bytes: (u64, u64),
    start: Seconds,
    end: Seconds,
    service: &'static str,
}

impl<'a> Vpc<'a> {
    fn units(&self, service: &str) -> Vec<&'a Workload> {
        self.of.workloads.iter().filter(|it| it.service == service && it.is_inside()).collect()
    }

    fn walk(&self, scene: &mut Scene<'_>, way: &Way, busy: f64) {
        let (units, hours) = (self.units(way.from), workloads::hours(way.rhythm));
        if units.is_empty() {
            return;
        }
        let far_units = match way.far {
            Far::Inside(service) => self.units(service),
            _ => Vec::new(),
        };
        let times = way.times * busy * workloads::share_of(way.rhythm, self.midnight);
        for _ in 0..scene.chance.times(times) {
            let at = workloads::moment(&mut scene.chance, (way.rhythm, &hours), self.midnight);
            let unit = *scene.chance.pick(&units);
            let (address, service) = match way.far {
                Far::Inside(_) => (scene.chance.pick(&far_units).private, "-"),
                Far::Storage => (address_of([198, 19, 192], scene.chance.below(12)), "S3"),
                Far::Aws => (address_of([198, 19, 193], scene.chance.below(40)), "AMAZON"),
                Far::Peer(octets) => (Ipv4Addr::from(octets), "-"),
            };
            let drawn = exchange(&mut scene.chance, (at, way.bytes));
            let exchange = Exchange {
                from: (unit.private, drawn.from.1),
                to: (address, way.port),
                service,
                ..drawn
            };
            self.told(scene, unit, &exchange, Direction::Egress);
            match way.far {
                Far::Inside(_) => {
                    let far = far_units.iter().find(|it| it.private == address);
                    let far = far.expect("the address is one of theirs");
                    self.told(scene, far, &exchange, Direction::Ingress);
                }
                Far::Storage => {}
                Far::Aws | Far::Peer(_) if unit.is_public() => {}
                Far::Aws | Far::Peer(_) => self.translate(scene, &exchange),
            }
        }
    }

    /// Tells what the NAT gateway does with an exchange: it takes it on one side and begins it anew on the other.
    fn translate(&self, scene: &mut Scene<'_>, exchange: &Exchange) {
        let Some(gateway) = self.of.workloads.iter().find(|it| it.kind == Kind::Gateway) else {
            return;
        };
        let port = scene.chance.between(1_024, 65_536) as u16;
        let inner = Exchange { to: (gateway.private, exchange.to.1), service: "-", ..*exchange };
        let outer = Exchange { from: (gateway.private, port), ..*exchange };
        self.told(scene, gateway, &inner, Direction::Ingress);
        self.told(scene, gateway, &outer, Direction::Egress);
    }

    /// Customers come to the balancers.
    fn welcome(&self, scene: &mut Scene<'_>, busy: f64) {
        let (hours, share) = (workloads::hours(STEADY), workloads::share_of(STEADY, self.midnight));
        for balancer in self.of.workloads.iter().filter(|it| it.kind == Kind::Balancer) {
            for _ in 0..scene.chance.times(CUSTOMERS * busy * share) {
                let at = workloads::moment(&mut scene.chance, (STEADY, &hours), self.midnight);
                let network = [198, 19, 204 + scene.chance.below(50) as u8];
                let customer = address_of(network, scene.chance.below(250));
                let drawn = exchange(&mut scene.chance, (at, (8e3, 1.2e5)));
                let exchange = Exchange {
                    from: (customer, drawn.from.1),
                    to: (balancer.private, 443),
                    ..drawn
                };
                self.told(scene, balancer, &exchange, Direction::Ingress);
            }
        }
    }

    /// The world knocks at every public address; security groups let nobody in.
    fn suffer_probes(&self, scene: &mut Scene<'_>) {
        let ports = Ranks::zipf(KNOCKED.len(), 0.8);
        for public in self.of.workloads.iter().filter(|it| it.is_public()) {
            for _ in 0..scene.chance.times(PROBES) {
                let start = Seconds(self.midnight.0 + scene.chance.between(0, 86_340));
                let network = [198, 19, 204 + scene.chance.below(50) as u8];
                let stranger = address_of(network, scene.chance.below(250));
                let packets = scene.chance.between(1, 4) as u64;
                scene.diary.flow(Flow {
                    account: self.account,
                    interface: public.interface.clone(),
                    instance: public.instance().to_owned(),
                    subnet: public.subnet,
                    from: (stranger, scene.chance.between(1_024, 65_536) as u16),
                    to: (public.private, KNOCKED[scene.chance.rank(&ports)]),
                    protocol: TCP,
                    packets,
                    bytes: packets * 44,
                    start,
                    end: Seconds(start.0 + scene.chance.between(1, 59)),
                    action: Action::Reject,
                    direction: Direction::Ingress,
                    flags: 2,
                    service: "-",
                });
            }
        }
    }

    /// Enters both directions of an exchange as the interface of `unit` sees them, which sees the first in `direction`.
    fn told(
        &self,
        scene: &mut Scene<'_>,
        unit: &Workload,
        exchange: &Exchange,
        direction: Direction,
    ) {
        let protocol = if exchange.to.1 == 123 { UDP } else { TCP };
        let back = match direction {
            Direction::Egress => Direction::Ingress,
            Direction::Ingress => Direction::Egress,
        };
        let ways = [
            (exchange.from, exchange.to, exchange.bytes.0, direction, 3),
            (exchange.to, exchange.from, exchange.bytes.1, back, 19),
        ];
        for (from, to, bytes, direction, flags) in ways {
            scene.diary.flow(Flow {
                account: self.account,
                interface: unit.interface.clone(),
                instance: unit.instance().to_owned(),
                subnet: unit.subnet,
                from,
                to,
                protocol,
                packets: 1 + bytes / 900,
                bytes,
                start: exchange.start,
                end: exchange.end,
                action: Action::Accept,
                direction,
                flags: if protocol == TCP { flags } else { 0 },
                service: exchange.service,
            });
        }
    }
}

/// Draws the size, time and near port of an exchange; its ends are for the caller to name.
fn exchange(chance: &mut Chance, (at, bytes): (Seconds, (f64, f64))) -> Exchange {
    let mut size = |mean: f64| (mean * (0.3 - 0.7 * (1.0 - chance.share()).ln())).max(76.0) as u64;
    let bytes = (size(bytes.0), size(bytes.1));
    let near = (Ipv4Addr::UNSPECIFIED, chance.between(32_768, 61_000) as u16);
    let end = Seconds(at.0 + chance.between(1, 60));
    Exchange { from: near, to: (Ipv4Addr::UNSPECIFIED, 0), bytes, start: at, end, service: "-" }
}

fn address_of([a, b, c]: [u8; 3], host: usize) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, 1 + (host % 250) as u8)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::simulate::organisation::workloads::tests::plan;

    fn monday() -> (Organisation, Vec<Flow>) {
        let plan = plan();
        let org = Organisation::draw(&plan);
        let mut diary = Diary::new(plan.start);
        Network::new(&plan).live(&org, &mut diary, 0);
        (org, diary.take(0).flows)
    }

    #[test]
    fn every_flow_is_at_an_interface_of_a_workload_and_at_its_address() {
        let (org, flows) = monday();
        let interfaces: BTreeMap<&str, &Workload> = org
            .accounts
            .iter()
            .flat_map(|account| &account.workloads)
            .map(|it| (it.interface.as_str(), it))
            .collect();
        for flow in &flows {
            let workload = interfaces[flow.interface.as_str()];
            let (near, far) = match flow.direction {
                Direction::Egress => (flow.from.0, flow.to.0),
                Direction::Ingress => (flow.to.0, flow.from.0),
            };
            assert_eq!((near, flow.account), (workload.private, workload.account), "{flow:?}");
            assert!(flow.end.0 >= flow.start.0 && flow.end.0 <= flow.start.0 + 60, "{flow:?}");
            let is_ours = interfaces.values().any(|it| it.private == far);
            assert_eq!(is_ours, far.is_private(), "{flow:?}");
            if flow.action == Action::Reject {
                assert!(workload.is_public() && flow.direction == Direction::Ingress, "{flow:?}");
            }
        }
    }

    #[test]
    fn what_goes_on_inside_is_told_from_both_ends() {
        let (org, flows) = monday();
        let all = || org.accounts.iter().flat_map(|account| &account.workloads);
        let is_gateway =
            |at: Ipv4Addr| all().any(|it| it.kind == Kind::Gateway && it.private == at);
        let mut ends: BTreeMap<_, i64> = BTreeMap::new();
        for flow in &flows {
            let sides = [flow.from.0, flow.to.0];
            if sides.iter().all(|at| at.is_private() && !is_gateway(*at)) {
                let side = if flow.direction == Direction::Egress { 1 } else { -1 };
                *ends.entry((flow.from, flow.to, flow.start, flow.bytes)).or_default() += side;
            }
        }
        assert!(ends.len() > 7_000, "{}", ends.len());
        assert!(ends.values().all(|sum| *sum == 0));
    }

    #[test]
    fn a_day_has_some_forty_thousand_flows_and_a_weekend_fewer() {
        let (plan, mut counts) = (plan(), Vec::new());
        let org = Organisation::draw(&plan);
        let mut diary = Diary::new(plan.start);
        for day in 0..7 {
            Network::new(&plan).live(&org, &mut diary, day);
            counts.push(diary.take(day).flows.len());
        }
        assert!((34_000..46_000).contains(&counts[0]), "{counts:?}");
        assert!(counts[6] < counts[0] * 9 / 10, "{counts:?}");
    }
}
