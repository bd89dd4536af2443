//! Writes flows as VPC flow logs deliver them to S3: gzip text with a header, about every five minutes.
//!
//! Accounts with an even place write the default format (version 2), the others a custom one of version 5 fields, as
//! organisations do that grew.
//!
//! Invariant: a file holds the flows that ended in its window, of one account; its header names every column.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::chance::Chance;
use crate::simulate::deliver::path_time;
use crate::simulate::flow::Action;
use crate::simulate::flow::Direction;
use crate::simulate::flow::Flow;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::REGIONS;

/// The seconds that one file covers.
const WINDOW: i64 = 300;

/// The format of an account's flow logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Version 2.
    Default,
    /// Fields up to version 5.
    Custom,
}

impl Layout {
    fn of(account: AccountIx) -> Self {
        if account.0.is_multiple_of(2) { Self::Default } else { Self::Custom }
    }
}

/// The columns of the default format.
const DEFAULT: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

/// The columns of the custom format.
const CUSTOM: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path";

/// One file of flow logs.
#[derive(Debug)]
pub struct FlowFile {
    /// When it is put.
    pub delivered: Seconds,
    account: AccountIx,
    window: i64,
    flows: Vec<Flow>,
}

/// Cuts the flows of a day into files, in the order of their delivery.
pub fn files(org: &Organisation, flows: Vec<Flow>) -> Vec<FlowFile> {
    let mut files: BTreeMap<(AccountIx, i64), Vec<Flow>> = BTreeMap::new();
    for flow in flows {
        files.entry((flow.account, flow.end.0.div_euclid(WINDOW))).or_default().push(flow);
    }
    let mut files: Vec<FlowFile> = files
        .into_iter()
        .map(|((account, window), mut flows)| {
            flows.sort_by(|a, b| key_of(a).cmp(&key_of(b)));
            let mut chance = chance_of(org, account, window);
            let delivered = (window + 1) * WINDOW + chance.between(120, 600);
            FlowFile { delivered: Seconds(delivered), account, window, flows }
        })
        .collect();
    files.sort_by_key(|file| (file.delivered, file.account, file.window));
    files
}

/// What flows are ordered by within a file.
fn key_of(flow: &Flow) -> impl Ord + '_ {
    (flow.start, &flow.interface, flow.from, flow.to, flow.protocol, flow.bytes)
}

fn chance_of(org: &Organisation, account: AccountIx, window: i64) -> Chance {
    Chance::of(org.seed, &format!("flows/{}/{window}", account.0))
}

impl FlowFile {
    /// Returns how many flows it holds.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Returns the account and the window that it is of.
    pub fn of(&self) -> (AccountIx, i64) {
        (self.account, self.window)
    }

    /// Returns whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// `AWSLogs/ACCOUNT/vpcflowlogs/REGION/YYYY/MM/DD/ACCOUNT_vpcflowlogs_REGION_fl-ID_YYYYMMDDTHHmmZ_HASH.log.gz`
    pub fn key(&self, org: &Organisation) -> String {
        let (account, region) = (&org.account(self.account).id, REGIONS[usize::from(HOME.0)]);
        let log = Chance::of(org.seed, &format!("flow-log/{}", self.account.0)).hex(17);
        let hash = chance_of(org, self.account, -1 - self.window).hex(8);
        let (day, minute) = path_time(Seconds((self.window + 1) * WINDOW));
        format!(
            "AWSLogs/{account}/vpcflowlogs/{region}/{day}/{account}_vpcflowlogs_{region}_fl-{log}_{minute}_{hash}.log.gz"
        )
    }

    /// Writes the file into `text`, which it empties first.
    pub fn write(&self, org: &Organisation, text: &mut String) {
        let layout = Layout::of(self.account);
        text.clear();
        text.push_str(match layout {
            Layout::Default => DEFAULT,
            Layout::Custom => CUSTOM,
        });
        text.push('\n');
        for flow in &self.flows {
            line(org, flow, layout, text).expect("a string takes everything");
        }
    }
}

fn line(org: &Organisation, flow: &Flow, layout: Layout, text: &mut String) -> std::fmt::Result {
    let account = org.account(flow.account);
    let action = match flow.action {
        Action::Accept => "ACCEPT",
        Action::Reject => "REJECT",
    };
    let version = if layout == Layout::Default { 2 } else { 5 };
    let ((from, from_port), (to, to_port)) = (flow.from, flow.to);
    write!(
        text,
        "{version} {} {} {from} {to} {from_port} {to_port} {} {} {} {} {} {action} OK",
        account.id,
        flow.interface,
        flow.protocol,
        flow.packets,
        flow.bytes,
        flow.start.0,
        flow.end.0,
    )?;
    if layout == Layout::Custom {
        let subnet = flow.subnet % account.subnets.len();
        let (direction, path) = match flow.direction {
            Direction::Ingress => ("ingress", "-"),
            Direction::Egress if to.is_private() => ("egress", "1"),
            Direction::Egress => ("egress", "8"),
        };
        let flags = if flow.protocol == 6 { flow.flags.to_string() } else { "-".to_owned() };
        let services = match flow.direction {
            Direction::Ingress => [flow.service, "-"],
            Direction::Egress => ["-", flow.service],
        };
        write!(
            text,
            " {} {} {} {flags} IPv4 {from} {to} {} euc1-az{} {} {} {direction} {path}",
            account.vpc,
            account.subnets[subnet],
            flow.instance,
            REGIONS[usize::from(HOME.0)],
            subnet + 1,
            services[0],
            services[1],
        )?;
    }
    text.push('\n');
    Ok(())
}
