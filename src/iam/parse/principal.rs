//! Reads whom a statement is about.
//!
//! Source: IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal".
//!
//! Invariant: an account is always written as its `arn:aws:iam::ID:root`.

use crate::iam::parse::Member;
use crate::iam::parse::Read;
use crate::iam::parse::Refusal;
use crate::iam::parse::each;
use crate::iam::parse::member;
use crate::iam::parse::object;
use crate::iam::parse::text;
use crate::iam::parse::tree::Tree;
use crate::iam::policy::Kind;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;

/// Reads `Principal` or `NotPrincipal` of a statement with these members.
pub(super) fn read(members: &[Member<'_>], kind: Kind) -> Read<Option<Listed<Principal>>> {
    let only = member(members, "Principal");
    let all_but = member(members, "NotPrincipal");
    let has_principals = matches!(kind, Kind::Trust | Kind::Resource | Kind::ResourceControl);
    if let (false, Some(stray)) = (has_principals, only.or(all_but)) {
        let wanted = format!("{} names no principal: it is about its holder", named(kind));
        return Err(Refusal::new(wanted).within(stray.at, stray.name));
    }
    match (only, all_but) {
        (Some(_), Some(second)) => {
            let wanted = "a statement has `Principal` or `NotPrincipal`, not both";
            Err(Refusal::new(wanted).within(second.at, second.name))
        }
        (None, Some(stray)) if kind != Kind::Resource => {
            let wanted = format!("{} has no `NotPrincipal`", named(kind));
            Err(Refusal::new(wanted).within(stray.at, stray.name))
        }
        (Some(found), None) => {
            let all = found.read(principals)?;
            if kind == Kind::ResourceControl && all != [Principal::Everyone] {
                let wanted = "the principal of a resource control policy is \"*\"";
                return Err(Refusal::new(wanted).within(found.at, found.name));
            }
            Ok(Some(Listed::Only(all)))
        }
        (None, Some(found)) => Ok(Some(Listed::AllBut(found.read(principals)?))),
        (None, None) if has_principals => {
            Err(Refusal::new(format!("a statement of {} has a `Principal`", named(kind))))
        }
        (None, None) => Ok(None),
    }
}

fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Identity => "an identity policy",
        Kind::Trust => "a trust policy",
        Kind::Boundary => "a permissions boundary",
        Kind::Session => "a session policy",
        Kind::Resource => "a resource policy",
        Kind::ServiceControl => "a service control policy",
        Kind::ResourceControl => "a resource control policy",
        Kind::Network => "a security group",
        Kind::AccessBlock => "a block on access",
    }
}

fn principals(tree: &Tree) -> Read<Vec<Principal>> {
    if let Tree::Text(everyone) = tree {
        return match everyone.as_str() {
            "*" => Ok(vec![Principal::Everyone]),
            other => Err(Refusal::new(format!(
                "a principal is \"*\" or an object like {{\"AWS\": …}}, not {other:?}"
            ))),
        };
    }
    let mut all = Vec::new();
    for sort in object(tree, "a principal")? {
        let read: fn(&Tree) -> Read<Principal> = match sort.name {
            "AWS" => aws,
            "Service" => |tree| Ok(Principal::Service(name(tree)?.into())),
            "Federated" => |tree| Ok(Principal::Federated(name(tree)?.into())),
            "CanonicalUser" => |tree| Ok(Principal::Canonical(name(tree)?.into())),
            other => {
                let wanted = "a principal is of `AWS`, `Service`, `Federated` or `CanonicalUser`";
                let refusal = Refusal::new(format!("{wanted}, not of `{other}`"));
                return Err(refusal.within(sort.at, sort.name));
            }
        };
        all.extend(sort.read(|tree| each(tree, read))?);
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// Reads a name that is no pattern, save `*` for all of its sort.
fn name(tree: &Tree) -> Read<&str> {
    let name = text(tree, "a principal")?;
    match name {
        "" => Err(Refusal::new("a principal has a name")),
        "*" => Ok(name),
        name if name.contains('*') => Err(Refusal::new(format!(
            "a principal is named whole: `*` stands for everybody or not at all; not {name:?}"
        ))),
        name => Ok(name),
    }
}

fn aws(tree: &Tree) -> Read<Principal> {
    if let Tree::Number(id) = tree {
        return account(id);
    }
    let name = name(tree)?;
    if name == "*" {
        return Ok(Principal::Everyone);
    }
    let is_digits = name.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits {
        return account(name);
    }
    // What stands where somebody was deleted: the unique id.
    let is_id = name.len() >= 16
        && name.starts_with('A')
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_arn = name.starts_with("arn:") && name.split(':').count() >= 6;
    match is_arn || is_id {
        true => Ok(Principal::Aws(name.into())),
        false => Err(Refusal::new(format!(
            "a principal of `AWS` is an ARN, an account's 12 digits, a unique id or `*`; not {name:?}"
        ))),
    }
}

fn account(id: &str) -> Read<Principal> {
    match id.len() == 12 {
        true => Ok(Principal::Aws(format!("arn:aws:iam::{id}:root").into())),
        false => Err(Refusal::new(format!("an account has 12 digits, not {}: {id}", id.len()))),
    }
}
