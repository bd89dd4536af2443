//! The commands that put back what stands beside policies: rules of security groups, blocks on access, grants on keys, shares.
//!
//! Invariant: what a command cannot put back whole it says.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::iam::block;
use crate::iam::drift::undo::MAX_DOCUMENT;
use crate::iam::drift::undo::Way;
use crate::iam::drift::undo::quoted;
use crate::iam::network;
use crate::iam::network::Rule;
use crate::iam::policy::Document;
use crate::iam::policy::Language;
use crate::iam::policy::Text;
use crate::iam::sharing;

fn known(text: Option<&Text>) -> Document {
    match text {
        Some(Text::Known(document)) => (**document).clone(),
        _ => Document { language: Language::Of2012, statements: Vec::new() },
    }
}

/// Returns the region and the name in an ARN.
fn place(arn: &str) -> (&str, &str) {
    let mut parts = arn.splitn(6, ':').skip(3);
    let region = parts.next().unwrap_or_default();
    let name = parts.nth(1).unwrap_or_default();
    (region, name.rsplit('/').next().unwrap_or(name))
}

/// Returns the calls that take away the rules that were added, and add those that were taken away.
pub(super) fn of_rules(way: &Way<'_>, arn: &str) -> String {
    let (region, group) = place(arn);
    let (before, after) = (network::rules(&known(way.before)), network::rules(&known(way.after)));
    let mut calls = Vec::new();
    for (call, of, others) in [("revoke", &after, &before), ("authorize", &before, &after)] {
        for (way, name) in [(network::Way::In, "ingress"), (network::Way::Out, "egress")] {
            let all = of.iter().filter(|it| it.way == way && !others.contains(it));
            let all: Vec<Value> = all.map(permission).collect();
            if all.is_empty() {
                continue;
            }
            let text = json!(all).to_string();
            let text = match text.len() {
                0..=MAX_DOCUMENT => quoted(&text),
                _ => "file://rules.json".to_owned(),
            };
            calls.push(format!(
                "aws ec2 {call}-security-group-{name} --group-id {} --region {} --ip-permissions {text}",
                quoted(group),
                quoted(region)
            ));
        }
    }
    match calls.is_empty() {
        true => format!("look at the rules of {}", quoted(group)),
        false => calls.join(" && "),
    }
}

/// Returns a rule as EC2's calls take it.
fn permission(rule: &Rule) -> Value {
    let mut all =
        json!({"IpProtocol": if &*rule.protocol == "all" { "-1" } else { &rule.protocol }});
    if let Some((first, last)) = rule.ports {
        all["FromPort"] = first.into();
        all["ToPort"] = last.into();
    }
    let (list, item) = match &*rule.peer {
        peer if peer.starts_with("pl-") => ("PrefixListIds", json!({"PrefixListId": peer})),
        peer if peer.starts_with("sg-") => ("UserIdGroupPairs", json!({"GroupId": peer})),
        peer => match peer.split_once("/sg-") {
            Some((account, group)) => {
                ("UserIdGroupPairs", json!({"UserId": account, "GroupId": format!("sg-{group}")}))
            }
            None if peer.contains(':') => ("Ipv6Ranges", json!({"CidrIpv6": peer})),
            None => ("IpRanges", json!({"CidrIp": peer})),
        },
    };
    all[list] = json!([item]);
    all
}

/// Returns the call that sets the blocks that were in force.
pub(super) fn of_blocks(way: &Way<'_>, arn: &str) -> String {
    let before = known(way.before);
    let blocks: BTreeSet<&str> = block::blocks(&before);
    let (region, name) = place(arn);
    let of_s3 = || {
        let flags = block::OF_S3.iter().map(|flag| format!("{flag}={}", blocks.contains(flag)));
        flags.collect::<Vec<_>>().join(",")
    };
    let mut parts = arn.split(':').skip(2);
    match (parts.next().unwrap_or_default(), name) {
        ("s3", "public-access-block") => format!(
            "aws s3control put-public-access-block --account-id {} --public-access-block-configuration {}",
            quoted(parts.nth(1).unwrap_or_default()),
            of_s3()
        ),
        ("s3", bucket) => format!(
            "aws s3api put-public-access-block --bucket {} --public-access-block-configuration {}",
            quoted(bucket),
            of_s3()
        ),
        ("ec2", "image-block-public-access") if !blocks.is_empty() => format!(
            "aws ec2 enable-image-block-public-access --image-block-public-access-state block-new-sharing --region {}",
            quoted(region)
        ),
        ("ec2", "snapshot-block-public-access") if !blocks.is_empty() => {
            let every = blocks.iter().any(|it| it.contains("shared before"));
            let state = if every { "block-all-sharing" } else { "block-new-sharing" };
            format!(
                "aws ec2 enable-snapshot-block-public-access --state {state} --region {}",
                quoted(region)
            )
        }
        ("ram", _) => format!(
            "aws ram update-resource-share --resource-share-arn {} {}",
            quoted(arn),
            match blocks.is_empty() {
                true => "--allow-external-principals",
                false => "--no-allow-external-principals",
            }
        ),
        _ => format!("put back the blocks of {}: {}", quoted(arn), of_list(&blocks)),
    }
}

fn of_list(blocks: &BTreeSet<&str>) -> String {
    match blocks.is_empty() {
        true => "none".to_owned(),
        false => quoted(&blocks.iter().copied().collect::<Vec<_>>().join(", ")),
    }
}

/// Returns the call that ends a grant on a key, or says that one has to be made again.
pub(super) fn of_grant(way: &Way<'_>, key: &str, grant: &str) -> String {
    let (region, _) = place(key);
    match way.before {
        None => format!(
            "aws kms revoke-grant --key-id {} --grant-id {} --region {}",
            quoted(key),
            quoted(grant),
            quoted(region)
        ),
        Some(_) => {
            let of = sharing::named(&known(way.before));
            let of = of.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(" ");
            format!("make the grant on {} for {of} again: aws kms create-grant", quoted(key))
        }
    }
}

/// Returns the call that takes the principals out again, or the resource, or puts them back.
pub(super) fn of_share(way: &Way<'_>, resource: &str, share: &str) -> String {
    let (before, after) = (known(way.before), known(way.after));
    let (had, has) = (sharing::named(&before), sharing::named(&after));
    let (region, _) = place(share);
    let share = format!("--resource-share-arn {} --region {}", quoted(share), quoted(region));
    let listed =
        |all: Vec<&Box<str>>| all.into_iter().map(|it| quoted(it)).collect::<Vec<_>>().join(" ");
    let (new, gone) =
        (listed(has.difference(&had).collect()), listed(had.difference(&has).collect()));
    match (way.before, way.after) {
        (None, _) => {
            format!(
                "aws ram disassociate-resource-share {share} --resource-arns {}",
                quoted(resource)
            )
        }
        (_, None) => {
            format!("aws ram associate-resource-share {share} --resource-arns {}", quoted(resource))
        }
        _ if !new.is_empty() => {
            format!("aws ram disassociate-resource-share {share} --principals {new}")
        }
        _ => format!("aws ram associate-resource-share {share} --principals {gone}"),
    }
}
