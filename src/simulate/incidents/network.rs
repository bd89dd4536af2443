//! What shows in flow logs: ways in and out that are new.

use std::net::Ipv4Addr;

use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::Written;
use crate::simulate::diary::Scene;
use crate::simulate::flow::Action;
use crate::simulate::flow::Direction;
use crate::simulate::flow::Flow;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::deeds;
use crate::simulate::incidents::insider;
use crate::simulate::organisation::people::Calling;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Workload;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] =
    &[&SECURITY_GROUP_OPENED, &NEW_EGRESS_VOLUME, &INTERNAL_SCAN, &BEACONING];

static SECURITY_GROUP_OPENED: Incident = Incident {
    name: "security_group_opened",
    what: "An operator opens SSH on a machine to the world; three strangers try it, one of them gets in.",
    expect: "A port of administration was opened to the world and reached from the internet; the operator is named.",
    techniques: &["T1686.001", "T1133", "T1021.004"],
    days: 1,
    play: security_group_opened,
};

static NEW_EGRESS_VOLUME: Incident = Incident {
    name: "new_egress_volume",
    what: "A machine that talks to AWS alone sends some 40 GB to an address on the internet within two hours.",
    expect: "A new way out with a large volume; machine and address are named.",
    techniques: &["T1048", "T1030"],
    days: 1,
    play: new_egress_volume,
};

static INTERNAL_SCAN: Incident = Incident {
    name: "internal_scan",
    what: "A machine tries ports of administration and databases on every address of its subnets.",
    expect: "A scan from within; the machine is named.",
    techniques: &["T1046", "T1018"],
    days: 1,
    play: internal_scan,
};

static BEACONING: Incident = Incident {
    name: "beaconing",
    what: "A machine calls an unknown address every five minutes, day and night, with a few hundred bytes.",
    expect: "Regular small calls to an address that nobody else talks to; machine and address are named.",
    techniques: &["T1071.001", "T1573"],
    days: 2,
    play: beaconing,
};

/// A conversation between a workload and somebody outside, within a minute.
struct Talk {
    at: Seconds,
    seconds: i64,
    /// Who began it.
    begun: Begun,
    far: (Ipv4Addr, u16),
    near: u16,
    /// Packets and bytes towards the workload, and from it.
    in_: (u64, u64),
    out: (u64, u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    Inside,
    Outside,
}

/// Enters a conversation as the workload's interface tells it, and the NAT gateway's if it goes through that.
fn talk(scene: &mut Scene<'_>, workload: &Workload, talk: &Talk) {
    tell(scene, workload, (workload.private, talk.near), talk);
    if talk.begun == Begun::Outside || workload.is_public() {
        return;
    }
    let about = scene.org.account(workload.account);
    let Some(gateway) = about.workloads.iter().find(|it| it.kind == Kind::Gateway) else { return };
    // It takes the conversation on one side and begins it anew on the other.
    let inner = Talk {
        begun: Begun::Outside,
        far: (workload.private, talk.near),
        in_: talk.out,
        out: talk.in_,
        ..*talk
    };
    tell(scene, gateway, (gateway.private, talk.far.1), &inner);
    let port = scene.chance.between(1_024, 65_536) as u16;
    tell(scene, gateway, (gateway.private, port), talk);
}

/// Enters both directions of a conversation as the interface of `unit` tells them.
fn tell(scene: &mut Scene<'_>, unit: &Workload, near: (Ipv4Addr, u16), talk: &Talk) {
    // SYN and FIN of the side that began, SYN-ACK and FIN of the other.
    let (into, out) = match talk.begun {
        Begun::Outside => (3, 19),
        Begun::Inside => (19, 3),
    };
    let both = [
        (Direction::Ingress, talk.far, near, talk.in_, into),
        (Direction::Egress, near, talk.far, talk.out, out),
    ];
    for (direction, from, to, (packets, bytes), flags) in both {
        let end = Seconds(talk.at.0 + talk.seconds);
        let start = talk.at;
        let flow = Flow { start, end, direction, from, to, packets, bytes, flags, ..one(unit) };
        scene.diary.flow(flow);
    }
}

/// A flow of a workload of which nothing else is known yet.
fn one(workload: &Workload) -> Flow {
    Flow {
        account: workload.account,
        interface: workload.interface.clone(),
        instance: workload.instance().to_owned(),
        subnet: workload.subnet,
        from: (workload.private, 0),
        to: (workload.private, 0),
        protocol: 6,
        packets: 1,
        bytes: 40,
        start: Seconds(0),
        end: Seconds(0),
        action: Action::Accept,
        direction: Direction::Egress,
        flags: 2,
        service: "-",
    }
}

/// Returns an instance of production that is part of `service`, or another.
fn instance<'a>(scene: &Scene<'a>, service: &str) -> &'a Workload {
    let account = scene.org.workload_accounts()[0];
    let mut instances =
        scene.org.account(account).workloads.iter().filter(|it| it.kind == Kind::Instance);
    let found = instances.clone().find(|it| it.service == service);
    found.or_else(|| instances.next()).expect("an account with workloads has instances")
}

fn security_group_opened(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let machine = instance(scene, "proxy");
    let account = machine.account;
    let reason = "Find out why the proxy drops connections";
    let insider = insider::with_grant(scene, at, (Calling::Operator, account, "Operator", reason));
    let at = insider.at;
    let about = scene.org.account(account);
    let rule = format!("sgr-0{}", scene.chance.hex(16));
    let permission = json!({"items": [{
        "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {}, "ipv6Ranges": {}, "prefixListIds": {},
        "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]},
    }]});
    let opened = Written::write("ec2", "AuthorizeSecurityGroupIngress")
        .asking(json!({"groupId": machine.group, "ipPermissions": permission}))
        .answering(json!({
            "requestId": "4ea9d0e6-c98c-4c8e-87a5-a1abd60be55d", "_return": true,
            "securityGroupRuleSet": {"items": [{
                "groupOwnerId": about.id, "groupId": machine.group, "securityGroupRuleId": rule, "isEgress": false,
                "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "0.0.0.0/0",
            }]},
        }));
    let groups = json!({"securityGroupSet": {}, "securityGroupIdSet": {"items": [{"groupId": machine.group}]}, "filterSet": {}});
    let calls = vec![deeds::ask_for("ec2", "DescribeSecurityGroups", groups), opened];
    let mut told = insider.told();
    let opened = deeds::all_of(scene, &mut told, (&insider.by, account), (at, 60), calls);
    // Two knock, one gets in and stays for an hour and a half.
    let [first, second, third] = [
        Ipv4Addr::new(198, 51, 100, 141),
        Ipv4Addr::new(198, 51, 100, 77),
        Ipv4Addr::new(203, 0, 113, 201),
    ];
    for nth in 0..90 {
        let port = 40_000 + scene.chance.below(20_000) as u16;
        let knock = Talk {
            at: Seconds(opened.0 + 340 + nth * 60 + scene.chance.between(0, 25)),
            seconds: 4,
            begun: Begun::Outside,
            far: (if nth % 2 == 0 { first } else { second }, port),
            near: 22,
            in_: (9, 1_840),
            out: (8, 2_310),
        };
        talk(scene, machine, &knock);
        let inside = Talk {
            at: Seconds(opened.0 + 1_500 + nth * 60),
            seconds: 58,
            far: (third, 51_874),
            in_: (140 + scene.chance.below(90) as u64, 14_000 + scene.chance.below(9_000) as u64),
            out: (150 + scene.chance.below(90) as u64, 48_000 + scene.chance.below(60_000) as u64),
            ..knock
        };
        talk(scene, machine, &inside);
    }
    told.addresses = [first, second, third].map(|it| it.to_string()).to_vec();
    told.span = Some((at, Seconds(opened.0 + 1_500 + 90 * 60)));
    told
}

fn new_egress_volume(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let machine = instance(scene, "search");
    let far = Ipv4Addr::new(198, 51, 100, 203);
    const MINUTES: i64 = 115;
    for minute in 0..MINUTES {
        let packets = 210_000 + scene.chance.below(60_000) as u64;
        let sent = Talk {
            at: Seconds(at.0 + minute * 60),
            seconds: 59,
            begun: Begun::Inside,
            far: (far, 443),
            near: 43_118,
            in_: (packets / 3, packets / 3 * 52),
            out: (packets, packets * 1_460),
        };
        talk(scene, machine, &sent);
    }
    Told {
        accounts: vec![machine.account],
        addresses: vec![far.to_string()],
        span: Some((at, Seconds(at.0 + MINUTES * 60))),
        ..Told::default()
    }
}

/// What a scanner tries.
const PORTS: [u16; 6] = [22, 445, 3_389, 5_432, 6_379, 9_200];

fn internal_scan(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let machine = instance(scene, "web");
    let about = scene.org.account(machine.account);
    let known = |address: Ipv4Addr| about.workloads.iter().find(|it| it.private == address);
    let mut told = Told { accounts: vec![machine.account], ..Told::default() };
    let mut moment = at;
    for block in [0, 16] {
        for host in 4..250 {
            let target = Ipv4Addr::new(10, about.net, block, host);
            if target == machine.private {
                continue;
            }
            // Nobody answers where nobody is; where somebody is, the security group lets nothing through.
            if known(target).is_none() {
                told.addresses.push(target.to_string());
            }
            for port in PORTS {
                let from = (machine.private, 33_000 + scene.chance.below(27_000) as u16);
                let tried = Flow {
                    from,
                    to: (target, port),
                    start: moment,
                    end: Seconds(moment.0 + 1),
                    ..one(machine)
                };
                if let Some(other) = known(target).filter(|it| !it.interface.is_empty()) {
                    scene.diary.flow(Flow {
                        action: Action::Reject,
                        direction: Direction::Ingress,
                        from,
                        to: (target, port),
                        start: moment,
                        end: Seconds(moment.0 + 1),
                        ..one(other)
                    });
                }
                scene.diary.flow(tried);
            }
            moment = Seconds(moment.0 + scene.chance.between(0, 4));
        }
    }
    told.span = Some((at, moment));
    told
}

fn beaconing(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let machine = instance(scene, "exporter");
    let far = Ipv4Addr::new(203, 0, 113, 77);
    let end = Seconds(at.0 + 30 * 3_600);
    let mut moment = at;
    while moment < end {
        let port = 36_000 + scene.chance.below(20_000) as u16;
        let beat = Talk {
            at: moment,
            seconds: 2,
            begun: Begun::Inside,
            far: (far, 443),
            near: port,
            in_: (7, 3_900 + scene.chance.below(300) as u64),
            out: (9, 1_120 + scene.chance.below(120) as u64),
        };
        talk(scene, machine, &beat);
        moment = Seconds(moment.0 + scene.chance.between(291, 310));
    }
    Told {
        accounts: vec![machine.account],
        addresses: vec![far.to_string()],
        span: Some((at, end)),
        ..Told::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::simulate::diary::Diary;
    use crate::simulate::organisation::Organisation;
    use crate::simulate::organisation::workloads;

    fn flows_of(incident: &Incident) -> (Organisation, Vec<Flow>, Vec<String>) {
        let plan = workloads::tests::plan();
        let org = Organisation::draw(&plan);
        let mut diary = Diary::new(plan.start);
        incident.happen(&org, &mut diary, Seconds(plan.start.0 + 2 * 86_400 + 36_000));
        let truth = diary.truths.pop().unwrap();
        (org, diary.take(i64::MAX - 1).flows, truth.addresses)
    }

    #[test]
    fn every_address_of_the_truth_is_a_strangers_and_in_the_flows() {
        for incident in INCIDENTS {
            let (org, flows, addresses) = flows_of(incident);
            let seen: BTreeSet<String> =
                flows.iter().flat_map(|it| [it.from.0, it.to.0]).map(|it| it.to_string()).collect();
            let ours: BTreeSet<String> = org
                .accounts
                .iter()
                .flat_map(|account| &account.workloads)
                .flat_map(|it| [it.private, it.public])
                .map(|it| it.to_string())
                .collect();
            assert!(!addresses.is_empty(), "{}", incident.name);
            for address in addresses {
                assert!(seen.contains(&address), "{}: {address}", incident.name);
                assert!(!ours.contains(&address), "{}: {address} is ours", incident.name);
            }
        }
    }

    #[test]
    fn what_leaves_through_the_gateway_is_told_by_both_interfaces() {
        for (incident, least) in [(&NEW_EGRESS_VOLUME, 30_000_000_000), (&BEACONING, 300_000)] {
            let (_, flows, addresses) = flows_of(incident);
            let mut sent: std::collections::BTreeMap<&str, u64> = Default::default();
            for flow in &flows {
                if addresses.contains(&flow.to.0.to_string()) {
                    *sent.entry(&flow.interface).or_default() += flow.bytes;
                }
            }
            let inside = flows.iter().filter(|it| it.to.0.is_private() && it.from.0.is_private());
            assert!(inside.count() > 0, "{}: between machine and gateway", incident.name);
            let bytes: Vec<u64> = sent.values().copied().collect();
            let &[one, other] = bytes.as_slice() else { panic!("{sent:?}") };
            assert_eq!(one, other, "{}", incident.name);
            assert!(one > least, "{}: {one}", incident.name);
        }
    }

    #[test]
    fn a_scan_finds_each_of_ours_and_is_let_in_nowhere() {
        let (_, flows, _) = flows_of(&INTERNAL_SCAN);
        let into: Vec<&Flow> =
            flows.iter().filter(|it| it.direction == Direction::Ingress).collect();
        assert!(into.len() >= PORTS.len() * 5, "{}", into.len());
        assert!(into.iter().all(|it| it.action == Action::Reject));
        let targets: BTreeSet<Ipv4Addr> = flows.iter().map(|it| it.to.0).collect();
        assert!(targets.len() > 400, "{}", targets.len());
    }
}
