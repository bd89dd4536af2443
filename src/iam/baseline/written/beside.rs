//! Writes what stands beside policies: grants on keys, security groups, shares, blocks on public access.
//!
//! Each list is what AWS answers, as far as AWS has words for it; `snapshot/beside.rs` reads both.
//!
//! Invariant: each list is in the order of its ARNs and ids, and one grant, rule or principal is one item of it.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value;
use serde_json::json;

use crate::iam::baseline::written::text;
use crate::iam::block::Blocks;
use crate::iam::block::OF_S3;
use crate::iam::network::Rule;
use crate::iam::network::Rules;
use crate::iam::network::Way;
use crate::iam::policy::Condition;
use crate::iam::policy::Document;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;
use crate::iam::policy::Statement;
use crate::iam::policy::Text;
use crate::iam::sharing::KeyGrant;
use crate::iam::sharing::Share;
use crate::iam::snapshot::UNKNOWN;
use crate::iam::state::Account;

/// What a grant may let do: KMS API Reference, "CreateGrant". Statements have them in small letters.
const OPERATIONS: [&str; 17] = [
    "CreateGrant",
    "Decrypt",
    "DeriveSharedSecret",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GetPublicKey",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
    "Sign",
    "Verify",
    "VerifyMac",
];

/// Returns the lists that are not empty, by their names.
pub(super) fn lists(id: &str, account: &Account) -> Vec<(&'static str, Value)> {
    let Account { grants, networks, shares, blocks, .. } = account;
    let grants = grants.iter().flat_map(|(key, all)| all.iter().map(move |it| (key, it)));
    let rules = networks.iter().flat_map(|(arn, rules)| of_rules(arn, rules));
    let all: [(&str, Vec<Value>); 6] = [
        ("Grants", grants.map(|(key, (id, text))| of_grant(key, id, text)).collect()),
        ("SecurityGroups", networks.keys().map(|arn| json!({"SecurityGroupArn": arn})).collect()),
        ("SecurityGroupRules", rules.collect()),
        ("resourceShares", shares.iter().map(|(arn, share)| of_share(arn, share)).collect()),
        (
            "resourceShareAssociations",
            shares.iter().flat_map(|(arn, share)| associations(arn, share)).collect(),
        ),
        ("PublicAccessBlocks", blocks.iter().map(|(arn, on)| of_blocks(id, arn, on)).collect()),
    ];
    let some = all.into_iter().filter(|(_, list)| !list.is_empty());
    some.map(|(name, list)| (name, list.into())).collect()
}

/// Writes a grant as the list of them has it; one that AWS would not say so, as its document.
fn of_grant(key: &str, id: &str, says: &Text) -> Value {
    let known = match says {
        Text::Known(document) => as_granted(key, document),
        Text::Unknown(_) => None,
    };
    let Some(grant) = known else {
        return json!({"KeyId": key, "GrantId": id, "Document": text(says)});
    };
    let mut out = json!({
        "KeyId": key, "GrantId": id, "GranteePrincipal": grant.grantee, "Operations": grant.operations,
    });
    if !grant.retiring.is_empty() {
        out["RetiringPrincipal"] = (&*grant.retiring).into();
    }
    for (sort, context) in [
        ("EncryptionContextEquals", &grant.context_equals),
        ("EncryptionContextSubset", &grant.context_subset),
    ] {
        if !context.is_empty() {
            out["Constraints"][sort] = json!(context);
        }
    }
    if let Some(arn) = &grant.source_arn {
        out["Constraints"]["SourceArn"] = (&**arn).into();
    }
    out
}

/// Returns the grant that comes to `document`, if there is one.
fn as_granted(key: &str, document: &Document) -> Option<KeyGrant> {
    let (first, others) = document.statements.split_first()?;
    let mut grant =
        KeyGrant { key: key.into(), grantee: sole(first)?.into(), ..KeyGrant::default() };
    if let Some(other) = others.first() {
        grant.retiring = sole(other)?.into();
    }
    if let Listed::Only(actions) = &first.actions {
        grant.operations = actions.iter().map(|action| operation(action)).collect();
    }
    let mut keys: &[Box<str>] = &[];
    for Condition { key, values, .. } in &first.conditions {
        match key.strip_prefix("kms:encryptioncontext:") {
            Some(name) => {
                grant.context_subset.insert(name.into(), values.first()?.clone());
            }
            None if &**key == "kms:encryptioncontextkeys" => keys = values,
            None => grant.source_arn = values.first().cloned(),
        }
    }
    for name in keys {
        let value = grant.context_subset.remove(&*name.to_ascii_lowercase())?;
        grant.context_equals.insert(name.clone(), value);
    }
    let is_same = matches!(grant.document(), Text::Known(again) if *again == *document);
    (is_same && !grant.is_for_service()).then_some(grant)
}

/// Returns the only principal of a statement.
fn sole(statement: &Statement) -> Option<&str> {
    match statement.principals.as_ref()? {
        Listed::Only(all) => match &all[..] {
            [Principal::Aws(name) | Principal::Service(name)] => Some(name),
            _ => None,
        },
        Listed::AllBut(_) => None,
    }
}

fn operation(action: &str) -> Box<str> {
    let name = action.strip_prefix("kms:").unwrap_or(action);
    let known = OPERATIONS.iter().find(|it| it.eq_ignore_ascii_case(name));
    known.map_or_else(|| name.into(), |it| (*it).into())
}

/// Writes the rules of a group.
fn of_rules(arn: &str, rules: &Rules) -> Vec<Value> {
    let known = rules.iter().filter_map(|(text, id)| Some((text.parse::<Rule>().ok()?, id)));
    known.map(|(rule, id)| of_rule(arn, &rule, id)).collect()
}

fn of_rule(group: &str, rule: &Rule, id: &str) -> Value {
    let Rule { way, protocol, ports, peer } = rule;
    let is_all = &**protocol == "all";
    let mut out = json!({
        "SecurityGroupArn": group,
        "IsEgress": match way {
            Way::In => Value::from(false),
            Way::Out => Value::from(true),
            Way::NotTold => json!({UNKNOWN: "nobody told which way it lets through"}),
        },
        "IpProtocol": if is_all { "-1" } else { protocol },
    });
    if !id.is_empty() {
        out["SecurityGroupRuleId"] = id.into();
    }
    if let Some((first, last)) = ports {
        out["FromPort"] = (*first).into();
        out["ToPort"] = (*last).into();
    }
    match peer.parse::<IpNet>() {
        Ok(IpNet::V4(_)) => out["CidrIpv4"] = (&**peer).into(),
        Ok(IpNet::V6(_)) => out["CidrIpv6"] = (&**peer).into(),
        Err(_) => match peer.split_once('/') {
            Some((account, group)) => {
                out["ReferencedGroupInfo"] = json!({"GroupId": group, "UserId": account});
            }
            None if peer.starts_with("sg-") => {
                out["ReferencedGroupInfo"] = json!({"GroupId": &**peer});
            }
            None => out["PrefixListId"] = (&**peer).into(),
        },
    }
    out
}

fn of_share(arn: &str, share: &Share) -> Value {
    let mut out = json!({"resourceShareArn": arn, "name": &*share.name});
    if let Some(admits) = share.admits_strangers {
        out["allowExternalPrincipals"] = admits.into();
    }
    out
}

/// Writes who and what is in a share.
fn associations(arn: &str, share: &Share) -> Vec<Value> {
    let all = [("PRINCIPAL", &share.principals), ("RESOURCE", &share.resources)];
    let all = all.into_iter().flat_map(|(sort, names)| names.iter().map(move |it| (sort, it)));
    all.map(|(sort, name)| {
        json!({"resourceShareArn": arn, "associationType": sort, "associatedEntity": name})
    })
    .collect()
}

/// Writes the blocks of a bucket or an account as S3 answers them; those of other services by the ARN of what has them.
fn of_blocks(account: &str, arn: &str, on: &Blocks) -> Value {
    let of_s3 = || OF_S3.iter().map(|flag| (*flag, on.contains(*flag))).collect();
    let is_of_s3 = on.iter().all(|flag| OF_S3.contains(&&**flag));
    let is_account = arn == format!("arn:aws:s3::{account}:public-access-block");
    let mut out = json!({"Account": account});
    let flags: BTreeMap<&str, bool> = match arn.strip_prefix("arn:aws:s3:::") {
        Some(bucket) if is_of_s3 => {
            out["Bucket"] = bucket.into();
            of_s3()
        }
        None if is_account && is_of_s3 => of_s3(),
        _ => {
            out["Arn"] = arn.into();
            on.iter().map(|flag| (&**flag, true)).collect()
        }
    };
    out["PublicAccessBlockConfiguration"] = json!(flags);
    out
}
