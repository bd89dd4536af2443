//! The resource's side: whose it is, and what its policy says.
//!
//! Invariant: a resource's policy that was not read is none, and said to be missing; where access hangs on it, it is unknown.

use crate::iam::evaluate::scene::Scene;
use crate::iam::evaluate::scene::is_account;
use crate::iam::evaluate::sum::Gathered;
use crate::iam::evaluate::sum::Place;
use crate::iam::evaluate::sum::Sum;
use crate::iam::evaluate::truth::Truth;
use crate::iam::evaluate::whole::Needs;
use crate::iam::pattern::segments;
use crate::iam::policy::Text;
use crate::iam::state::Account;
use crate::iam::state::State;

/// Actions that a role's trust policy is about.
const OF_TRUST: [&str; 6] = [
    "sts:assumerole",
    "sts:assumerolewithsaml",
    "sts:assumerolewithwebidentity",
    "sts:tagsession",
    "sts:setsourceidentity",
    "sts:setcontext",
];
/// Services whose resources often have policies: there it is worth saying that none was read.
const WITH_POLICIES: [&str; 24] = [
    "s3",
    "sqs",
    "sns",
    "kms",
    "lambda",
    "secretsmanager",
    "ecr",
    "dynamodb",
    "kinesis",
    "events",
    "glue",
    "codebuild",
    "codeartifact",
    "es",
    "aoss",
    "elasticfilesystem",
    "backup",
    "glacier",
    "acm-pca",
    "execute-api",
    "iot",
    "logs",
    "s3-object-lambda",
    "rds",
];

/// Adds whose the resource is, and what is known of a user or role that is acted upon.
pub(super) fn place<'a>(state: &'a State, scene: &mut Scene<'a>) {
    if scene.request.resource == "*" {
        return;
    }
    if scene.owner.is_none() {
        let given = scene.request.context.get("aws:resourceaccount");
        let given = given.and_then(|values| values.first()).map(|account| &**account);
        // A bucket's ARN names no account; whoever has its policy has the bucket.
        scene.owner =
            given.filter(|id| is_account(id)).or_else(|| holder(state, scene.request.resource));
    }
    let Some([_, _, "iam", _, _, path]) = segments(scene.request.resource) else { return };
    let Some(account) = scene.owner.and_then(|id| state.accounts.get(id)) else { return };
    let name = path.rsplit('/').next().unwrap_or(path);
    let entity = match path.split('/').next() {
        Some("user") => account.users.get(name).map(|user| &user.entity),
        Some("role") => account.roles.get(name).map(|role| &role.entity),
        _ => None,
    };
    scene.target = entity.filter(|entity| *entity.arn == *scene.request.resource);
}

/// Returns the account in which a policy of the resource stands.
fn holder<'a>(state: &'a State, resource: &str) -> Option<&'a str> {
    let holder = state.accounts.iter().find(|(_, account)| found(account, resource).is_some());
    holder.map(|(id, _)| &**id)
}

/// Returns whether the policy of the resource has to allow.
pub(super) fn has_to_allow(scene: &Scene<'_>) -> Needs {
    let is_key = scene.action.starts_with("kms:")
        && segments(scene.request.resource).is_some_and(|segments| segments[2] == "kms");
    match is_key || is_of_trust(scene) {
        true => Needs::Always,
        false => Needs::AcrossAccounts,
    }
}

fn is_of_trust(scene: &Scene<'_>) -> bool {
    let is_role = segments(scene.request.resource)
        .is_some_and(|segments| segments[2] == "iam" && segments[5].starts_with("role/"));
    is_role && OF_TRUST.contains(&&*scene.action)
}

/// Returns what the resource's policy says.
pub(super) fn policy(state: &State, scene: &Scene<'_>, gathered: &mut Gathered) -> Sum {
    let mut sum = Sum::NONE;
    let resource = scene.request.resource;
    if resource == "*" {
        return sum;
    }
    let account = scene.owner.and_then(|id| state.accounts.get(id));
    if is_of_trust(scene) {
        trust(account, scene, &mut sum, gathered);
        return sum;
    }
    if let Some((arn, text)) = account.and_then(|account| found(account, resource)) {
        gathered.policy(scene, &mut sum, &Place::Resource { arn }, text);
        return sum;
    }
    let hangs_on_it = match scene.who.account {
        None => true,
        Some(account) => {
            let is_across = scene.owner.is_none_or(|owner| owner != account);
            is_across || has_to_allow(scene) == Needs::Always
        }
    };
    let service = segments(resource).map_or("", |segments| segments[2]);
    if hangs_on_it || WITH_POLICIES.contains(&service) {
        gathered.miss(format!("policy of {resource}: not read"));
    }
    if hangs_on_it {
        unknown(scene, &mut sum, resource);
    }
    sum
}

/// Returns what grants on a key allow.
pub(super) fn grants(state: &State, scene: &Scene<'_>, gathered: &mut Gathered) -> Sum {
    let mut sum = Sum::NONE;
    let account = scene.owner.and_then(|id| state.accounts.get(id));
    let of_key = account.and_then(|account| account.grants.get_key_value(scene.request.resource));
    if let Some((key, grants)) = of_key {
        for (id, text) in grants {
            gathered.policy(scene, &mut sum, &Place::Grant { id, key }, text);
        }
    }
    sum
}

fn trust(account: Option<&Account>, scene: &Scene<'_>, sum: &mut Sum, gathered: &mut Gathered) {
    let arn = scene.request.resource;
    let role = scene.target.and_then(|target| {
        let roles = account.into_iter().flat_map(|account| account.roles.values());
        roles.into_iter().find(|role| role.entity.arn == target.arn)
    });
    match (role, account) {
        (Some(role), _) => gathered.policy(scene, sum, &Place::Trust { role: arn }, &role.trust),
        (None, Some(account)) if account.is_whole => {
            gathered.miss(format!("{arn}: there is no such role"));
        }
        (None, _) => {
            gathered.miss(format!("trust policy of {arn}: not read"));
            unknown(scene, sum, arn);
        }
    }
}

/// Says that the policy may allow; whom directly, matters only where nothing else can.
fn unknown(scene: &Scene<'_>, sum: &mut Sum, arn: &str) {
    sum.allow.account = Truth::needs(arn);
    if scene.who.account.is_none() || has_to_allow(scene) == Needs::Always {
        sum.allow.direct = Truth::needs(arn);
    }
}

/// Returns the policy of a resource, or of what it is in: of an object's bucket, of a version's function.
fn found<'a>(account: &'a Account, resource: &str) -> Option<(&'a str, &'a Text)> {
    let mut arn = resource;
    loop {
        if let Some((arn, text)) = account.resources.get_key_value(arn) {
            return Some((arn, text));
        }
        let end = arn.rfind(['/', ':'])?;
        arn = arn.get(..end)?;
        // What is left has to be an ARN with something in its last segment.
        if segments(arn)?[5] == "*" || arn.split(':').count() < 6 {
            return None;
        }
    }
}
