//! Whom a change lets in: everybody, another account, one outside the organisation.
//!
//! Sources: AWS's meaning of a public policy (S3 User Guide, "The meaning of public"); of identity providers, IAM User Guide,
//! "Create a role for OpenID Connect federation" and "Available keys for AWS web identity federation", and the subjects that
//! GitHub, GitLab, HCP Terraform and Buildkite document. A SAML provider signs for the people of whoever made it an identity
//! provider of the account; of a web identity provider anybody may be a customer.
//!
//! Invariant: a condition that a stranger can fulfil keeps nobody out.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::iam::compare::Around;
use crate::iam::compare::Class;
use crate::iam::compare::glob::Glob;
use crate::iam::compare::glob::Sort;
use crate::iam::compare::region::Region;
use crate::iam::compare::set::Atom;
use crate::iam::compare::set::Term;
use crate::iam::compare::who::Who;
use crate::iam::policy::Condition;
use crate::iam::policy::Over;
use crate::iam::policy::Test;

/// Keys whose values, where they are fixed, keep strangers out; those that are ARNs have to name the account.
///
/// Not among them: `sts:ExternalId`, which AWS says is no secret, and `lambda:FunctionUrlAuthType`, which says how a caller
/// signs and not who he is: with `NONE` nobody signs at all.
const FIXING: [&str; 20] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:vpcsourceip",
    "kms:calleraccount",
    "s3:accesspointnetworkorigin",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "sns:endpoint",
    "vpc:sourcevpc",
];

/// Web identity providers that sign for every customer with the audience that he asks for: only who it is tells them apart.
const BY_SUBJECT: [&str; 4] = [
    "agent.buildkite.com",
    "app.terraform.io",
    "gitlab.com",
    "token.actions.githubusercontent.com",
];

/// What tokens of these say of whose they are. `repo:OWNER/…`, `project_path:GROUP/…`, `organization:NAME:…`: the name is
/// whole where a slash or a colon follows it.
const TENANT: [&str; 14] = [
    "enterprise",
    "job_workflow_ref",
    "namespace_id",
    "namespace_path",
    "organization_id",
    "project_id",
    "project_path",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "sub",
    "terraform_organization_id",
    "terraform_organization_name",
];

/// The clusters of one account each: they sign for what runs in them.
const CLUSTERS: &str = "oidc.eks.";

/// Notes whom a resource or a role lets in.
pub(super) fn let_in(region: &Region, around: &Around<'_>, all: &mut BTreeSet<Class>) {
    let single = region.terms.unless.iter().filter(|list| list.len() == 1).flatten();
    let turned: Vec<Condition> = single.filter_map(|it| it.opposite()).collect();
    let asked = region.terms.must.iter().map(|it| &it.source).chain(&turned);
    let fixed: Vec<&Condition> = asked.filter(|it| is_fixing(it)).collect();
    for who in &*region.who.any {
        let everybody = matches!(who, Who::Everyone | Who::EveryService);
        let is_open = everybody || matches!(who, Who::Provider(name) if lets_all_in(name, region));
        if is_open && fixed.is_empty() {
            all.insert(Class::Public);
            continue;
        }
        if matches!(who, Who::Canonical(_)) {
            // No policy says whose account it is: another's, as one's own is named by its number.
            all.insert(Class::CrossAccount);
        }
        let accounts: Vec<&str> = match (who.account(), who) {
            (Some(account), _) => vec![account],
            (None, Who::Provider(arn)) => arn.split(':').nth(4).into_iter().collect(),
            (None, _) => fixed.iter().flat_map(|it| accounts_of(it)).collect(),
        };
        let is_other = |account: &str| !around.account.is_empty() && account != around.account;
        // Everybody of an organisation or behind a network: not of this account alone.
        if everybody && accounts.is_empty() {
            all.insert(Class::CrossAccount);
        }
        for account in accounts.into_iter().filter(|it| is_account(it) && is_other(it)) {
            all.insert(Class::CrossAccount);
            let known = around.organization_accounts;
            if !known.is_empty() && !known.contains(account) {
                all.insert(Class::OutsideOrganization);
            }
        }
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the accounts that a condition names.
fn accounts_of(condition: &Condition) -> Vec<&str> {
    let of = |value| match value {
        value if is_account(value) => Some(value),
        value => value.split(':').nth(4).filter(|account| is_account(account)),
    };
    match &*condition.key {
        "aws:principalaccount"
        | "aws:principalarn"
        | "aws:sourceaccount"
        | "aws:sourcearn"
        | "aws:sourceowner"
        | "kms:calleraccount"
        | "s3:dataaccesspointaccount"
        | "s3:dataaccesspointarn" => condition.values.iter().filter_map(|it| of(it)).collect(),
        _ => Vec::new(),
    }
}

/// Returns whether a condition keeps out those whom nobody meant.
fn is_fixing(condition: &Condition) -> bool {
    is_positive(condition)
        && FIXING.binary_search(&&*condition.key).is_ok()
        && condition
            .values
            .iter()
            .all(|value| is_fixed(&condition.key, condition.operator.test, value))
}

/// Returns whether a condition holds only where its key has one of its values.
fn is_positive(condition: &Condition) -> bool {
    let operator = condition.operator;
    let names = matches!(
        operator.test,
        Test::StringEquals
            | Test::StringEqualsIgnoreCase
            | Test::StringLike
            | Test::ArnLike
            | Test::IpAddress
    );
    names && !operator.if_exists && operator.over != Over::All
}

fn is_fixed(key: &str, test: Test, value: &str) -> bool {
    if is_callers_own(value) {
        return false;
    }
    if test == Test::IpAddress {
        // As AWS has it: a network of more than a /8 is the public.
        return value.parse::<IpNet>().map_or(true, |network| match network {
            IpNet::V4(network) => network.prefix_len() >= 8,
            IpNet::V6(network) => network.prefix_len() >= 32,
        });
    }
    let is_pattern = matches!(test, Test::StringLike | Test::ArnLike);
    let part = match key {
        // Anybody can make a role of some name: the account has to be named.
        "aws:principalarn" | "aws:sourcearn" | "s3:dataaccesspointarn"
            if !value.starts_with("arn:aws:s3:::") =>
        {
            value.split(':').nth(4).unwrap_or("*")
        }
        "aws:userid" => value.split(':').next().unwrap_or("*"),
        "aws:principalorgpaths" | "aws:sourceorgpaths" => value.split('/').next().unwrap_or("*"),
        _ => value,
    };
    !(part.is_empty() || is_pattern && part.contains(['*', '?']))
}

/// Returns whether a value has a variable that the caller brings along: `${aws:PrincipalAccount}` is whatever his is.
fn is_callers_own(value: &str) -> bool {
    let of_resource = |variable: &str| {
        let name = variable.trim_start().to_ascii_lowercase();
        name.starts_with("aws:resource") || matches!(variable.as_bytes(), [b'*' | b'?' | b'$', ..])
    };
    value.split("${").skip(1).any(|variable| !of_resource(variable))
}

/// Returns whether everybody for whom the provider signs is let in, and that may be anybody.
fn lets_all_in(provider: &str, region: &Region) -> bool {
    let issuer = match provider.split_once(":oidc-provider/") {
        Some((_, issuer)) => issuer,
        None if provider.starts_with("arn:") => return false,
        None => provider,
    };
    let issuer = issuer.to_lowercase();
    let by_token = Term::of(Glob::read("sts:assumerolewithwebidentity", Sort::Action, None));
    let is_taken = region.actions.any.iter().any(|term| term.overlaps(&by_token));
    if !is_taken || issuer.starts_with(CLUSTERS) {
        return false;
    }
    let conditions = region.terms.must.iter().map(|clause| &clause.source);
    let mut of_issuer = conditions.filter_map(|condition| {
        let claim = condition.key.strip_prefix(&*issuer)?.strip_prefix(':')?;
        Some((claim, condition))
    });
    if of_issuer.clone().any(|(claim, condition)| is_for_guests(claim, condition)) {
        return true;
    }
    !of_issuer.any(|(claim, condition)| {
        is_positive(condition) && {
            let is_ours = |value: &str| is_of_one(&issuer, claim, condition.operator.test, value);
            condition.values.iter().all(|value| is_ours(value))
        }
    })
}

/// Returns whether a condition asks for users of Cognito who did not sign in.
fn is_for_guests(claim: &str, condition: &Condition) -> bool {
    claim == "amr"
        && is_positive(condition)
        && condition.values.iter().any(|it| &**it == "unauthenticated")
}

/// Returns whether a claim of this value is one customer's.
fn is_of_one(issuer: &str, claim: &str, test: Test, value: &str) -> bool {
    let fixed = match test {
        Test::StringLike => value.split(['*', '?']).next().unwrap_or_default(),
        _ => value,
    };
    let is_whole = fixed == value && !value.is_empty();
    if !BY_SUBJECT.contains(&issuer) {
        return match claim {
            "amr" => false,
            "sub" => !fixed.is_empty(),
            _ => is_whole,
        };
    }
    if TENANT.binary_search(&claim).is_err() {
        return false;
    }
    let owner = match claim {
        "sub" => fixed.split_once(':').map_or("", |(_, owner)| owner),
        "job_workflow_ref" | "repository" | "project_path" | "namespace_path" => fixed,
        _ => "",
    };
    is_whole || owner.find(['/', ':']).is_some_and(|end| end > 0)
}
