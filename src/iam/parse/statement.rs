//! Reads one statement of a policy.
//!
//! Invariant: lists are sorted and hold nothing twice, and actions are in lower case.

use std::collections::BTreeMap;

use crate::iam::parse::Member;
use crate::iam::parse::Read;
use crate::iam::parse::Refusal;
use crate::iam::parse::condition;
use crate::iam::parse::each;
use crate::iam::parse::member;
use crate::iam::parse::members;
use crate::iam::parse::principal;
use crate::iam::parse::text;
use crate::iam::parse::tree::Tree;
use crate::iam::pattern::is_any;
use crate::iam::policy::Effect;
use crate::iam::policy::Kind;
use crate::iam::policy::Listed;
use crate::iam::policy::Statement;

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// Reads a statement.
pub(super) fn read(tree: &Tree, kind: Kind) -> Read<Statement> {
    let members = members(tree, "a statement", &ELEMENTS)?;
    let sid = match member(&members, "Sid") {
        Some(sid) => sid.read(|tree| self::sid(tree, kind))?,
        None => None,
    };
    let effect = match member(&members, "Effect") {
        Some(effect) => effect.read(self::effect)?,
        None => return Err(Refusal::new("a statement has an `Effect`")),
    };
    let principals = principal::read(&members, kind)?;
    let actions = either(&members, "Action", "NotAction", |tree| action(tree, kind))?
        .ok_or_else(|| Refusal::new("a statement has an `Action` or a `NotAction`"))?;
    let resources = resources(&members, kind)?;
    let mut conditions = match member(&members, "Condition") {
        Some(conditions) => conditions.read(|tree| condition::read(tree, kind))?,
        None => Vec::new(),
    };
    conditions.sort();
    conditions.dedup();
    Ok(Statement { sid, effect, principals, actions, resources, conditions })
}

/// Refuses a `Sid` that stands twice, where IAM keeps the policy. Other services do not mind.
pub(super) fn sids_differ(statements: &[Statement], kind: Kind) -> Read<()> {
    if kind == Kind::Resource {
        return Ok(());
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, statement) in statements.iter().enumerate() {
        let Some(sid) = statement.sid.as_deref() else { continue };
        if let Some(first) = seen.insert(sid, at) {
            let wanted = format!("the `Sid` {sid:?} is that of statement {first} as well");
            return Err(Refusal::new(wanted).within(at, format!("[{at}]")));
        }
    }
    Ok(())
}

fn sid(tree: &Tree, kind: Kind) -> Read<Option<Box<str>>> {
    let sid = text(tree, "a `Sid`")?;
    let is_plain = sid.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_iams = !matches!(kind, Kind::Resource | Kind::ServiceControl | Kind::ResourceControl);
    if is_iams && !is_plain {
        return Err(Refusal::new(format!(
            "a `Sid` is of letters A-Z, a-z and digits; not {sid:?}"
        )));
    }
    Ok(Some(sid).filter(|sid| !sid.is_empty()).map(Into::into))
}

fn effect(tree: &Tree) -> Read<Effect> {
    match text(tree, "an `Effect`")? {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => Err(Refusal::new(format!("an `Effect` is \"Allow\" or \"Deny\", not {other:?}"))),
    }
}

/// Reads one of two elements, of which a statement cannot have both.
pub(super) fn either<T: Ord>(
    members: &[Member<'_>],
    only: &str,
    all_but: &str,
    read: impl Fn(&Tree) -> Read<T>,
) -> Read<Option<Listed<T>>> {
    let list = |member: Member<'_>| {
        member.read(|tree| {
            let mut all = each(tree, &read)?;
            if all.is_empty() {
                return Err(Refusal::new(format!("`{}` lists nothing", member.name)));
            }
            all.sort();
            all.dedup();
            Ok(all)
        })
    };
    match (member(members, only), member(members, all_but)) {
        (Some(_), Some(second)) => {
            let wanted = format!("a statement has `{only}` or `{all_but}`, not both");
            Err(Refusal::new(wanted).within(second.at, second.name))
        }
        (Some(found), None) => Ok(Some(Listed::Only(list(found)?))),
        (None, Some(found)) => Ok(Some(Listed::AllBut(list(found)?))),
        (None, None) => Ok(None),
    }
}

fn action(tree: &Tree, kind: Kind) -> Read<Box<str>> {
    let action = text(tree, "an action")?;
    if is_any(action) {
        return Ok("*".into());
    }
    let Some((service, name)) = action.split_once(':') else {
        let wanted = "an action is `*` or begins with its service, like `s3:GetObject`";
        return Err(Refusal::new(format!("{wanted}; not {action:?}")));
    };
    let is_service = |letter: char| letter.is_ascii_alphanumeric() || "-*?".contains(letter);
    let is_name = |letter: char| !letter.is_whitespace() && letter != ':';
    let is_right = !service.is_empty() && service.chars().all(is_service);
    if !is_right || name.is_empty() || !name.chars().all(is_name) {
        return Err(Refusal::new(format!(
            "an action is a service, a colon and a name, like `s3:GetObject`; not {action:?}"
        )));
    }
    let is_sts = service.eq_ignore_ascii_case("sts") || service.contains('*');
    if kind == Kind::Trust && !is_sts {
        return Err(Refusal::new(format!(
            "a trust policy is about actions of `sts`, not {action:?}"
        )));
    }
    Ok(action.to_ascii_lowercase().into())
}

fn resources(members: &[Member<'_>], kind: Kind) -> Read<Option<Listed<Box<str>>>> {
    if kind == Kind::Trust {
        let stray = ["Resource", "NotResource"].into_iter().find_map(|name| member(members, name));
        return match stray {
            Some(stray) => {
                let wanted = "a trust policy has no resource: it is about its role";
                Err(Refusal::new(wanted).within(stray.at, stray.name))
            }
            None => Ok(None),
        };
    }
    let found = either(members, "Resource", "NotResource", |tree| resource(tree, kind))?;
    match (found, kind) {
        // Of some services (ECR, Backup) it may be left out: the policy is about its resource.
        (None, Kind::Resource) => Ok(None),
        (None, _) => Err(Refusal::new("a statement has a `Resource` or a `NotResource`")),
        (found, _) => Ok(found),
    }
}

fn resource(tree: &Tree, kind: Kind) -> Read<Box<str>> {
    let resource = text(tree, "a resource")?;
    if is_any(resource) {
        return Ok("*".into());
    }
    // Services that keep policies of their own read them in their own ways: `execute-api:/stage/GET/*`.
    let is_free = kind == Kind::Resource || resource.starts_with("${");
    match is_free || resource.starts_with("arn:") {
        true => Ok(resource.into()),
        false => Err(Refusal::new(format!("a resource is an ARN or `*`, not {resource:?}"))),
    }
}
