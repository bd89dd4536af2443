//! What security groups let in and out, and what a change of their rules comes to.
//!
//! Source: EC2 API Reference, "IpPermission" and "SecurityGroupRule".
//!
//! Invariant: a rule has one text, whichever of EC2's shapes told it; a rule counts as new only where no rule that stood covers
//! all of it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;
use serde::Serialize;

use crate::iam::drift::difference::Difference;
use crate::iam::policy::Document;
use crate::iam::policy::Effect;
use crate::iam::policy::Language;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;

/// The rules of a group by their text, each with its id (`sgr-…`), or an empty one where nobody told it.
pub type Rules = BTreeMap<Box<str>, Box<str>>;

/// How many rules of a group are kept. EC2 lets a group have a thousand at most.
pub const MAX_RULES: usize = 2_000;

/// Ports of remote administration and of databases: whoever reaches one has a way in.
const ADMIN_PORTS: [u16; 20] = [
    22, 23, 135, 445, 1433, 1521, 2375, 2379, 3306, 3389, 5432, 5900, 5985, 5986, 6379, 6443, 9200,
    10250, 11211, 27017,
];

/// Which way a rule lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Into what has the group.
    In,
    /// Out of it.
    Out,
    /// A rule was changed whose way nobody told.
    NotTold,
}

/// One rule. Its text is `in tcp 22-22 0.0.0.0/0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which way.
    pub way: Way,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `all`.
    pub protocol: Box<str>,
    /// The first and the last port; of ICMP type and code. Nothing where all are let through.
    pub ports: Option<(i32, i32)>,
    /// A network, a group (`sg-…`, of another account with its id before it), a prefix list (`pl-…`).
    pub peer: Box<str>,
}

/// What an event does to a group's rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RulesEdit {
    /// These are added, each with its id or an empty one.
    Opened(Rules),
    /// These are taken away: by their texts, or by their ids.
    Closed {
        /// Their texts.
        texts: BTreeSet<Box<str>>,
        /// Their ids.
        ids: BTreeSet<Box<str>>,
    },
    /// Rules with these ids say these texts now.
    Changed(Rules),
}

impl RulesEdit {
    /// Returns whether it only takes away.
    pub fn takes_away(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// Returns whether there is something that it would take away.
    pub fn finds(&self, rules: &Rules) -> bool {
        match self {
            Self::Closed { texts, ids } => {
                rules.iter().any(|(text, id)| texts.contains(text) || ids.contains(id))
            }
            _ => false,
        }
    }

    /// Does it to a group's rules.
    pub fn apply(&self, rules: &mut Rules) {
        match self {
            Self::Opened(new) => {
                let room = MAX_RULES.saturating_sub(rules.len());
                rules.extend(new.iter().take(room).map(|(text, id)| (text.clone(), id.clone())));
            }
            Self::Closed { texts, ids } => {
                rules.retain(|text, id| !texts.contains(text) && !ids.contains(id));
            }
            Self::Changed(changed) => {
                for (text, id) in changed {
                    let old = rules.iter().find(|(_, known)| *known == id);
                    let way = old.and_then(|(old, _)| old.split_once(' '));
                    // The call does not say which way the rule lets through: it stays.
                    let text = match way.zip(text.split_once(' ')) {
                        Some(((way, _), (_, rest))) => format!("{way} {rest}").into(),
                        None => text.clone(),
                    };
                    rules.retain(|_, known| known != id);
                    rules.insert(text, id.clone());
                }
            }
        }
    }
}

impl FromStr for Rule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(4, ' ');
        let mut part = || parts.next().ok_or(());
        let way = match part()? {
            "in" => Way::In,
            "out" => Way::Out,
            _ => Way::NotTold,
        };
        let protocol = part()?.into();
        let ports = match part()? {
            "all" => None,
            ports => {
                let (first, last) = ports.split_once('-').ok_or(())?;
                Some((first.parse().map_err(|_| ())?, last.parse().map_err(|_| ())?))
            }
        };
        Ok(Self { way, protocol, ports, peer: part()?.into() })
    }
}

impl Rule {
    /// Makes a rule of what EC2 calls its parts; `ports` are as told, `-1` for all.
    pub fn of(way: Way, protocol: &str, ports: (Option<i32>, Option<i32>), peer: &str) -> Self {
        let protocol: Box<str> = match protocol {
            "-1" | "" => "all".into(),
            "6" => "tcp".into(),
            "17" => "udp".into(),
            "1" => "icmp".into(),
            "58" => "icmpv6".into(),
            other => other.to_ascii_lowercase().into(),
        };
        let ports = match ports {
            (Some(first), Some(last)) if first >= 0 && *protocol != *"all" => Some((first, last)),
            _ => None,
        };
        let is_every = ports == Some((0, 65_535)) && matches!(&*protocol, "tcp" | "udp");
        let ports = ports.filter(|_| !is_every);
        let network = peer.parse::<IpNet>().map(|network| network.trunc().to_string());
        Self { way, protocol, ports, peer: network.map_or_else(|_| peer.into(), Into::into) }
    }

    /// Returns the text under which it is kept.
    pub fn text(&self) -> Box<str> {
        let way = match self.way {
            Way::In => "in",
            Way::Out => "out",
            Way::NotTold => "any",
        };
        let ports = match self.ports {
            Some((first, last)) => format!("{first}-{last}"),
            None => "all".to_owned(),
        };
        format!("{way} {} {ports} {}", self.protocol, self.peer).into()
    }

    /// Returns whether it lets all through that `other` does.
    fn covers(&self, other: &Self) -> bool {
        let has_ports = match (self.ports, other.ports) {
            (None, _) => true,
            (Some(own), Some(others)) if self.protocol.starts_with("icmp") => {
                own.0 == others.0 && (own.1 == -1 || own.1 == others.1)
            }
            (Some(own), Some(others)) => own.0 <= others.0 && others.1 <= own.1,
            (Some(_), None) => false,
        };
        let has_peer = match (self.peer.parse::<IpNet>(), other.peer.parse::<IpNet>()) {
            (Ok(own), Ok(others)) => own.contains(&others),
            _ => self.peer == other.peer,
        };
        self.way == other.way
            && (&*self.protocol == "all" || self.protocol == other.protocol)
            && has_ports
            && has_peer
    }

    /// Returns whether it lets in from everywhere: a network that AWS counts as the public.
    fn is_of_world(&self) -> bool {
        let is_wide = |network: IpNet| match network {
            IpNet::V4(network) => network.prefix_len() < 8,
            IpNet::V6(network) => network.prefix_len() < 32,
        };
        self.way != Way::Out && self.peer.parse::<IpNet>().is_ok_and(is_wide)
    }

    /// Returns how much it opens to whomever it lets in.
    fn exposure(&self) -> Exposure {
        match self.ports {
            _ if self.protocol.starts_with("icmp") => Exposure::Port,
            None => Exposure::AllPorts,
            // As good as all: port 0 is used by nobody.
            Some((first, last)) if first <= 1 && last >= 65_535 => Exposure::AllPorts,
            Some((first, last)) => {
                let is_in = |port: &u16| (first..=last).contains(&i32::from(*port));
                if ADMIN_PORTS.iter().any(is_in) { Exposure::AdminPort } else { Exposure::Port }
            }
        }
    }

    /// Returns the account of a group of somebody else's.
    fn account(&self) -> Option<&str> {
        self.peer.split_once("/sg-").map(|(account, _)| account)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.protocol, self.ports) {
            ("all", _) => write!(out, "every port and protocol")?,
            (protocol, None) => write!(out, "every port of {protocol}")?,
            (protocol, Some((type_, code))) if protocol.starts_with("icmp") => {
                write!(out, "{protocol} {type_}/{code}")?;
            }
            (protocol, Some((first, last))) if first == last => write!(out, "{protocol} {first}")?,
            (protocol, Some((first, last))) => write!(out, "{protocol} {first}-{last}")?,
        }
        let preposition = match self.way {
            Way::In => "from",
            Way::Out => "to",
            Way::NotTold => "from or to",
        };
        write!(out, " {preposition} {}", self.peer)
    }
}

/// How much is open to the world, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exposure {
    /// A port that is none of the others.
    Port,
    /// A port of remote administration or of a database.
    AdminPort,
    /// Every port.
    AllPorts,
}

impl Exposure {
    /// Returns its name as a fact.
    pub fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::AdminPort => "admin_port",
            Self::AllPorts => "all_ports",
        }
    }
}

/// Returns the rules as a document, so that they are remembered and compared like all else: a statement for each.
pub fn document(rules: &Rules) -> Text {
    let one = |text: &str| Statement {
        sid: None,
        effect: Effect::Allow,
        principals: None,
        actions: Listed::Only(vec!["network:pass".into()]),
        resources: Some(Listed::Only(vec![text.into()])),
        conditions: Vec::new(),
    };
    let statements = rules.keys().map(|text| one(text)).collect();
    Text::Known(Document { language: Language::Of2012, statements }.into())
}

/// Returns the rules that such a document holds.
pub fn rules(document: &Document) -> Vec<Rule> {
    let texts = document.statements.iter().filter_map(|statement| match &statement.resources {
        Some(Listed::Only(texts)) => texts.first(),
        _ => None,
    });
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// Returns the rules of `these` that let through what none of `others` does.
fn beyond<'r>(these: &'r [Rule], others: &'r [Rule]) -> impl Iterator<Item = &'r Rule> {
    these.iter().filter(|rule| !others.iter().any(|other| other.covers(rule)))
}

/// Returns how rules differ in effect; `ours` are the accounts that are known as ours.
pub fn difference(before: &Document, after: &Document, ours: &BTreeSet<Box<str>>) -> Difference {
    let (before, after) = (rules(before), rules(after));
    let lines = |rule: &Rule| rule.to_string();
    let mut found = Difference {
        adds: beyond(&after, &before).map(lines).collect(),
        removes: beyond(&before, &after).map(lines).collect(),
        ..Difference::default()
    };
    for rule in beyond(&after, &before) {
        if rule.is_of_world() {
            found.classes.insert("public");
        }
        if let Some(account) = rule.account() {
            found.classes.insert("cross_account");
            if !ours.is_empty() && !ours.contains(account) {
                found.classes.insert("outside_organization");
            }
        }
    }
    found
}

/// Returns the most that was opened to the world.
pub fn exposed(before: &Document, after: &Document) -> Option<Exposure> {
    let (before, after) = (rules(before), rules(after));
    let opened = beyond(&after, &before).filter(|rule| rule.is_of_world());
    opened.map(Rule::exposure).max()
}
