//! What stands beside policies: grants on keys, security groups, shares, blocks on public access.
//!
//! Each list is the answer of the call that lists it, with `Account` and `Region` beside it where the answer does not say them.
//!
//! Invariant: what is read here is what the records would have come to.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::iam::block::Blocks;
use crate::iam::block::OF_S3;
use crate::iam::history::thing::Key;
use crate::iam::network::MAX_RULES;
use crate::iam::network::Rule;
use crate::iam::network::Rules;
use crate::iam::network::Way;
use crate::iam::policy::Kind;
use crate::iam::policy::Text;
use crate::iam::sharing::KeyGrant;
use crate::iam::sharing::MAX_SHARED;
use crate::iam::snapshot::Member;
use crate::iam::snapshot::Snapshot;
use crate::iam::snapshot::UNKNOWN;
use crate::iam::snapshot::items;
use crate::iam::snapshot::name;
use crate::iam::state::Account;

/// The members of a file that are read here.
pub(super) const MEMBERS: [Member; 6] = [
    ("Grants", grants),
    ("SecurityGroups", groups),
    ("SecurityGroupRules", rules),
    ("resourceShares", shares),
    ("resourceShareAssociations", associations),
    ("PublicAccessBlocks", blocks),
];

fn account<'s>(snapshot: &'s mut Snapshot, id: &str) -> &'s mut Account {
    snapshot.state.accounts.entry(id.into()).or_default()
}

fn owner(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|id| !id.is_empty())
}

fn text(value: &Value, name: &str) -> Box<str> {
    value[name].as_str().unwrap_or_default().into()
}

/// `Grants` is what `aws kms list-grants` answers. A grant that it has no words for has its `Document` instead, as a statement of
/// a policy would say it, or why it is not known.
fn grants(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    for grant in items(value, "Grants")? {
        let key = name(grant, "Grants", "KeyId")?;
        let id = owner(key).ok_or_else(|| format!("Grants: the key {key} is no ARN"))?;
        let document = match &grant["Document"] {
            Value::Null => granted(grant, key)?,
            says => Some(snapshot.text(says, Kind::Resource)),
        };
        let of = Key::Grant { account: id.into(), key: key.into(), id: "".into() };
        snapshot.taken_of(&of, value)?;
        let Some(document) = document else { continue };
        let document = snapshot.documents.share(document);
        let grants = account(snapshot, id).grants.entry(key.into()).or_default();
        grants.insert(name(grant, "Grants", "GrantId")?.into(), document);
    }
    Ok(())
}

/// Returns what a grant lets do, unless a service is whom it lets in.
fn granted(grant: &Value, key: &str) -> Result<Option<Text>, String> {
    let context = |sort: &str| -> BTreeMap<Box<str>, Box<str>> {
        let all = grant["Constraints"][sort].as_object().into_iter().flatten();
        let texts = all.filter_map(|(key, it)| Some((key.as_str().into(), it.as_str()?.into())));
        texts.collect()
    };
    let operations = items(grant, "Operations")?.iter();
    let read = KeyGrant {
        key: key.into(),
        grantee: name(grant, "Grants", "GranteePrincipal")?.into(),
        retiring: text(grant, "RetiringPrincipal"),
        operations: operations.filter_map(Value::as_str).map(Into::into).collect(),
        context_equals: context("EncryptionContextEquals"),
        context_subset: context("EncryptionContextSubset"),
        source_arn: grant["Constraints"]["SourceArn"].as_str().map(Into::into),
    };
    Ok((!read.is_for_service()).then(|| read.document()))
}

/// Returns a security group's ARN: newer answers have it, of older ones the region has to stand beside.
fn group_arn(value: &Value, group: &Value, list: &str) -> Result<String, String> {
    if let Some(arn) = group["SecurityGroupArn"].as_str() {
        return Ok(arn.to_owned());
    }
    let owner = group["OwnerId"].as_str().or(group["GroupOwnerId"].as_str());
    let owner = owner.or(value["Account"].as_str());
    let owner = owner.ok_or_else(|| format!("{list}: an item has no owner; add \"Account\""))?;
    let region = value["Region"].as_str();
    let region = region.ok_or_else(|| format!("{list} does not say the region; add \"Region\""))?;
    let group = name(group, list, "GroupId")?;
    Ok(format!("arn:aws:ec2:{region}:{owner}:security-group/{group}"))
}

/// `SecurityGroups` is what `aws ec2 describe-security-groups` answers.
fn groups(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    for group in items(value, "SecurityGroups")? {
        let arn = group_arn(value, group, "SecurityGroups")?;
        let id = owner(&arn).unwrap_or_default().to_owned();
        let mut rules = Rules::new();
        for (list, way) in [("IpPermissions", Way::In), ("IpPermissionsEgress", Way::Out)] {
            for permission in items(group, list)? {
                for peer in peers(permission, &id)? {
                    rules.insert(rule(permission, way, &peer).text(), "".into());
                }
            }
        }
        let of = Key::Network { account: id.as_str().into(), arn: arn.as_str().into() };
        snapshot.taken_of(&of, value)?;
        let known = account(snapshot, &id).networks.entry(arn.into()).or_default();
        for (text, id) in rules.into_iter().take(MAX_RULES) {
            // Another file may have told the rule's id.
            known.entry(text).or_insert(id);
        }
    }
    Ok(())
}

fn rule(value: &Value, way: Way, peer: &str) -> Rule {
    let port = |name: &str| value[name].as_i64().and_then(|port| i32::try_from(port).ok());
    Rule::of(
        way,
        value["IpProtocol"].as_str().unwrap_or("-1"),
        (port("FromPort"), port("ToPort")),
        peer,
    )
}

fn peers(permission: &Value, owner: &str) -> Result<Vec<Box<str>>, String> {
    let mut all = Vec::new();
    for (list, name) in
        [("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("PrefixListIds", "PrefixListId")]
    {
        let found = items(permission, list)?.iter().filter_map(|it| it[name].as_str());
        all.extend(found.map(Box::from));
    }
    for pair in items(permission, "UserIdGroupPairs")? {
        all.extend(peer_group(pair, owner));
    }
    Ok(all)
}

fn peer_group(pair: &Value, owner: &str) -> Option<Box<str>> {
    let group = pair["GroupId"].as_str()?;
    Some(match pair["UserId"].as_str().filter(|of| *of != owner) {
        Some(of) => format!("{of}/{group}").into(),
        None => group.into(),
    })
}

/// `SecurityGroupRules` is what `aws ec2 describe-security-group-rules` answers: the same rules with their ids, without which the
/// end of a rule that is told by its id alone is not known. One may name its group by `SecurityGroupArn`, and have in `IsEgress` why
/// its way is not known.
fn rules(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    for item in items(value, "SecurityGroupRules")? {
        let arn = group_arn(value, item, "SecurityGroupRules")?;
        let id = owner(&arn).unwrap_or_default().to_owned();
        let group = &item["ReferencedGroupInfo"];
        let named = ["CidrIpv4", "CidrIpv6", "PrefixListId"];
        let peer = named.iter().find_map(|name| item[*name].as_str().map(Box::from));
        let Some(peer) = peer.or_else(|| peer_group(group, &id)) else { continue };
        let way = match &item["IsEgress"] {
            Value::Bool(true) => Way::Out,
            told if told[UNKNOWN].is_string() => Way::NotTold,
            _ => Way::In,
        };
        let known = account(snapshot, &id).networks.entry(arn.into()).or_default();
        known.insert(rule(item, way, &peer).text(), text(item, "SecurityGroupRuleId"));
    }
    Ok(())
}

/// `resourceShares` is what `aws ram get-resource-shares` answers.
fn shares(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    for share in items(value, "resourceShares")? {
        let arn = name(share, "resourceShares", "resourceShareArn")?;
        if matches!(share["status"].as_str(), Some("DELETING" | "DELETED" | "FAILED")) {
            continue;
        }
        let id = owner(arn).ok_or_else(|| format!("resourceShares: {arn} names no account"))?;
        let of = Key::Share { account: id.into(), arn: arn.into() };
        snapshot.taken_of(&of, value)?;
        let known = account(snapshot, id).shares.entry(arn.into()).or_default();
        known.name = text(share, "name");
        known.admits_strangers = share["allowExternalPrincipals"].as_bool();
    }
    Ok(())
}

/// `resourceShareAssociations` is what `aws ram get-resource-share-associations` answers, of principals and of resources.
fn associations(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    let list = "resourceShareAssociations";
    for item in items(value, list)? {
        if matches!(item["status"].as_str(), Some("DISASSOCIATING" | "DISASSOCIATED" | "FAILED")) {
            continue;
        }
        let arn = name(item, list, "resourceShareArn")?;
        let id = owner(arn).ok_or_else(|| format!("{list}: {arn} names no account"))?;
        let known = account(snapshot, id).shares.entry(arn.into()).or_default();
        let all: &mut BTreeSet<Box<str>> = match name(item, list, "associationType")? {
            "PRINCIPAL" => &mut known.principals,
            _ => &mut known.resources,
        };
        if all.len() < MAX_SHARED {
            all.insert(name(item, list, "associatedEntity")?.into());
        }
    }
    Ok(())
}

/// `PublicAccessBlocks` is a list of what `aws s3api get-public-access-block` answers, each with `Account` and `Bucket`, and of what
/// `aws s3control get-public-access-block` does, with `Account` alone. Blocks of other services have the `Arn` under which they are
/// kept.
fn blocks(snapshot: &mut Snapshot, value: &Value) -> Result<(), String> {
    let list = "PublicAccessBlocks";
    for item in items(value, list)? {
        let id = name(item, list, "Account")?;
        let flags = &item["PublicAccessBlockConfiguration"];
        let named = item["Arn"].as_str();
        let arn = match (named, item["Bucket"].as_str()) {
            (Some(arn), _) => arn.to_owned(),
            (None, Some(bucket)) => format!("arn:aws:s3:::{bucket}"),
            (None, None) => format!("arn:aws:s3::{id}:public-access-block"),
        };
        let all = flags.as_object().into_iter().flatten().filter(|(_, is_on)| **is_on == true);
        let on = all.map(|(flag, _)| &**flag);
        let on = on.filter(|flag| named.is_some() || OF_S3.contains(flag));
        let on: Blocks = on.map(Into::into).collect();
        let of = Key::Block { account: id.into(), arn: arn.as_str().into() };
        snapshot.taken_of(&of, value)?;
        account(snapshot, id).blocks.insert(arn.into(), on);
    }
    Ok(())
}
