//! What EC2's records teach about security groups.
//!
//! Source: EC2 API Reference; a request has its rules nested in `ipPermissions` or, with one network, flat beside it, and the
//! answer has them one by one with their ids. Of `ModifySecurityGroupRules` no published sample is known.
//!
//! Invariant: a group is named by its id; a call that names it otherwise and whose answer has none teaches nothing.

use crate::iam::history::edit::Edit;
use crate::iam::history::thing::Key;
use crate::iam::history::thing::Thing;
use crate::iam::lesson::fields::Fields;
use crate::iam::lesson::fields::items;
use crate::iam::lesson::fields::text_in;
use crate::iam::network::MAX_RULES;
use crate::iam::network::Rule;
use crate::iam::network::Rules;
use crate::iam::network::RulesEdit;
use crate::iam::network::Way;
use crate::model::Slot;
use crate::model::json;

/// The calls that are read.
pub(super) const CALLS: [&str; 7] = [
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CreateSecurityGroup",
    "DeleteSecurityGroup",
    "ModifySecurityGroupRules",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
];

/// What every new group of a VPC lets out.
const OUT: &str = "out all all 0.0.0.0/0";

/// Returns what a call changes of a security group.
pub(super) fn of(fields: &Fields<'_, '_>, event: &str) -> Option<Vec<(Key, Edit)>> {
    let way = if event.ends_with("Egress") { Way::Out } else { Way::In };
    let edit = match event {
        "CreateSecurityGroup" => {
            Edit::Made(Thing::Network([(OUT.into(), "".into())].into_iter().collect()))
        }
        "DeleteSecurityGroup" => Edit::Deleted,
        "ModifySecurityGroupRules" => Edit::Rules(RulesEdit::Changed(changed(fields)?)),
        "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => {
            let told = answered(fields, "securityGroupRuleSet");
            let rules = if told.is_empty() { asked(fields, way) } else { told };
            Edit::Rules(RulesEdit::Opened((!rules.is_empty()).then_some(rules)?))
        }
        _ => {
            let raw = request(fields, "securityGroupRuleIds");
            let ids = items(raw).filter_map(|it| text_in(it, "securityGroupRuleId"));
            let told = answered(fields, "revokedSecurityGroupRuleSet");
            let texts = asked(fields, way).into_keys().chain(told.into_keys());
            Edit::Rules(RulesEdit::Closed {
                texts: texts.take(MAX_RULES).collect(),
                ids: ids.take(MAX_RULES).collect(),
            })
        }
    };
    let group = fields
        .asked("groupId")
        .or_else(|| fields.answered("groupId"))
        .or_else(|| fields.asked("ModifySecurityGroupRulesRequest.GroupId"))
        .or_else(|| fields.answered("securityGroupRuleSet.items.groupId"))?;
    let (account, region) = (fields.account.clone(), fields.region());
    let arn = format!("arn:{}:ec2:{region}:{account}:security-group/{group}", fields.partition());
    Some(vec![(Key::Network { account, arn: arn.into() }, edit)])
}

fn request<'a>(fields: &Fields<'_, 'a>, name: &str) -> &'a str {
    let asked = fields.record.slot_raw(Slot::RequestParameters).unwrap_or_default();
    json::member(asked, name).unwrap_or_default()
}

fn port(raw: &str, name: &str) -> Option<i32> {
    json::text(json::member(raw, name)?)?.parse().ok()
}

/// Returns the rules in the answer, with their ids.
fn answered(fields: &Fields<'_, '_>, list: &str) -> Rules {
    let answer = fields.record.slot_raw(Slot::ResponseElements).unwrap_or_default();
    let all = items(json::member(answer, list).unwrap_or_default());
    let rule = |raw: &str| {
        let way = match text_in(raw, "isEgress").as_deref() {
            Some("true") => Way::Out,
            _ => Way::In,
        };
        let group = json::member(raw, "referencedGroupInfo");
        let group = group.and_then(|it| peer_group(fields, it));
        let named = || {
            ["cidrIpv4", "cidrIpv6", "prefixListId", "referencedGroupId"]
                .into_iter()
                .find_map(|name| text_in(raw, name))
        };
        let ports = (port(raw, "fromPort"), port(raw, "toPort"));
        let protocol = text_in(raw, "ipProtocol").unwrap_or_default();
        let rule = Rule::of(way, &protocol, ports, &group.or_else(named)?);
        let id = text_in(raw, "securityGroupRuleId").unwrap_or_default();
        Some((rule.text(), id))
    };
    all.filter_map(rule).take(MAX_RULES).collect()
}

/// Returns the rules in the request.
fn asked(fields: &Fields<'_, '_>, way: Way) -> Rules {
    let mut rules = Rules::new();
    let flat = fields.record.slot_raw(Slot::RequestParameters).unwrap_or_default();
    let mut put = |raw: &str, peer: &str| {
        let ports = (port(raw, "fromPort"), port(raw, "toPort"));
        let protocol = text_in(raw, "ipProtocol").unwrap_or_default();
        if rules.len() < MAX_RULES {
            rules.insert(Rule::of(way, &protocol, ports, peer).text(), "".into());
        }
    };
    for name in ["cidrIp", "cidrIpv6"] {
        if let Some(network) = text_in(flat, name) {
            put(flat, &network);
        }
    }
    for permission in items(json::member(flat, "ipPermissions").unwrap_or_default()) {
        for (list, name) in
            [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6"), ("prefixListIds", "prefixListId")]
        {
            let peers = items(json::member(permission, list).unwrap_or_default());
            for peer in peers.filter_map(|it| text_in(it, name)) {
                put(permission, &peer);
            }
        }
        for group in items(json::member(permission, "groups").unwrap_or_default()) {
            if let Some(peer) = peer_group(fields, group) {
                put(permission, &peer);
            }
        }
    }
    rules
}

/// Returns the group that a rule names, of another account with the account's id.
fn peer_group(fields: &Fields<'_, '_>, raw: &str) -> Option<Box<str>> {
    let group = text_in(raw, "groupId")?;
    let owner = text_in(raw, "userId").filter(|owner| *owner != fields.account);
    Some(owner.map_or(group.clone(), |owner| format!("{owner}/{group}").into()))
}

/// Returns what rules say now, by their ids. Which way they let through, the call does not say.
fn changed(fields: &Fields<'_, '_>) -> Option<Rules> {
    let request = request(fields, "ModifySecurityGroupRulesRequest");
    let mut rules = Rules::new();
    for update in items(json::member(request, "SecurityGroupRule")?) {
        let Some(id) = text_in(update, "SecurityGroupRuleId") else { continue };
        let rule = json::member(update, "SecurityGroupRule").unwrap_or_default();
        let peer = ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"];
        let Some(peer) = peer.into_iter().find_map(|name| text_in(rule, name)) else { continue };
        let ports = (port(rule, "FromPort"), port(rule, "ToPort"));
        let protocol = text_in(rule, "IpProtocol").unwrap_or_default();
        rules.insert(Rule::of(Way::NotTold, &protocol, ports, &peer).text(), id);
    }
    (!rules.is_empty()).then_some(rules)
}
