//! Whom a policy's statement means, and what it gives them, as principals and the scope of a grant.
//!
//! Invariant: nobody is meant whom the policy does not reach: a user's policy is not for the roles that he takes, and a
//! trust policy that names an account names nobody.

use crate::grants::grant::GrantId;
use crate::grants::grant::Principal;
use crate::grants::grant::Scope;
use crate::grants::grant::Status;
use crate::grants::grant::Version;
use crate::grants::grant::Window;
use crate::grants::trail::SOURCE;
use crate::grants::trail::bounds::Bounded;
use crate::grants::trail::bounds::Sort;
use crate::grants::trail::iam_group;
use crate::grants::trail::lesson::Holder;
use crate::grants::trail::shelf::Shelf;
use crate::model::Seconds;

/// What a holder has now, and why.
pub(super) struct Now<'n> {
    pub account: &'n str,
    pub holder: &'n Holder,
    pub policy: &'n str,
    pub statements: &'n [Bounded],
    pub sort: Sort,
    pub is_brokers: bool,
}

/// Returns whom a statement means, and what.
pub(super) fn whom(
    now: &Now<'_>,
    statement: &Bounded,
    sets: &Shelf<Box<str>>,
) -> Option<(Vec<Principal>, Scope)> {
    let account = now.account;
    let arn = |arn: String| Principal::IamRoleArn { arn: arn.into() };
    let mut scope = Scope {
        accounts: Some(vec![account.into()]),
        actions: Some(statement.actions.clone()),
        resources: statement.resources.clone(),
        source_networks: statement.networks.clone(),
        ..Scope::default()
    };
    if now.sort == Sort::Trust {
        let Holder::Role(role) = now.holder else { return None };
        let principals = statement.principals.iter().filter_map(|arn| trusted(arn)).collect();
        scope.actions = None;
        scope.role_arns = Some(role_arns(account, role).map(Into::into).to_vec());
        return Some((principals, scope));
    }
    let principals = match now.holder {
        Holder::Role(name) => role_arns(account, name).map(arn).to_vec(),
        Holder::User(name) => {
            scope.own_credentials = true;
            let arn = format!("arn:aws:iam::{account}:user/{name}").into();
            vec![Principal::IamUserArn { arn }]
        }
        Holder::Group(name) => {
            scope.own_credentials = true;
            let group_id = iam_group(account, name);
            vec![Principal::IdcGroup { identity_store: "".into(), group_id }]
        }
        Holder::Set(set) => {
            scope.accounts = None;
            let role = format!("AWSReservedSSO_{}_????????????????", sets.get(set)?);
            let path = "arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com";
            vec![arn(format!("{path}/{role}")), arn(format!("{path}/*/{role}"))]
        }
    };
    Some((principals, scope))
}

/// Returns what a statement gives in the roles that it allows to take, if it names them.
pub(super) fn roles(now: &Now<'_>, statement: &Bounded) -> Option<Scope> {
    let is_taking = |action: &str| {
        action.eq_ignore_ascii_case("sts:AssumeRole") || action.eq_ignore_ascii_case("sts:*")
    };
    let takes = now.sort == Sort::Identity && statement.actions.iter().any(|it| is_taking(it));
    let role_arns = statement.resources.clone().filter(|_| takes)?;
    let is_role = |arn: &str| arn.starts_with("arn:") && arn.contains(":role/");
    role_arns.iter().all(|arn| is_role(arn)).then(|| Scope {
        role_arns: Some(role_arns),
        source_networks: statement.networks.clone(),
        ..Scope::default()
    })
}

/// Returns the globs over ARNs that mean one role, whatever its path: a name is one of its kind in its account.
fn role_arns(account: &str, name: &str) -> [String; 2] {
    let role = format!("arn:aws:iam::{account}:role");
    [format!("{role}/{name}"), format!("{role}/*/{name}")]
}

/// Returns whom a trust policy means by an ARN.
fn trusted(arn: &str) -> Option<Principal> {
    let (head, resource) = (arn.rsplit_once(':')?.0, arn.rsplit_once(':')?.1);
    let (kind, rest) = resource.split_once('/')?;
    match kind {
        "user" => Some(Principal::IamUserArn { arn: arn.into() }),
        "role" => Some(Principal::IamRoleArn { arn: arn.into() }),
        "assumed-role" => {
            let (role, session_name) = rest.split_once('/')?;
            let account = head.rsplit(':').next()?;
            let role_arn = format!("arn:aws:iam::{account}:role/{role}").into();
            Some(Principal::AssumedRole { role_arn, session_name: session_name.into() })
        }
        _ => None,
    }
}

/// Returns a version about which nothing is known yet but its state.
pub(super) fn blank(id: GrantId, status: Status, time: Seconds) -> Version {
    Version {
        id,
        source: SOURCE.into(),
        // What happened later is the later version, and may open again what was over.
        revision: u64::try_from(time.0).unwrap_or_default(),
        emitted_at: time,
        status,
        principals: Vec::new(),
        scope: Scope::default(),
        window: Window { from: time, until: time },
        requested_at: None,
        approved_at: None,
        approvers: Vec::new(),
        ticket: "".into(),
        justification: "".into(),
        break_glass: false,
        delegates: Default::default(),
    }
}

/// Returns the version that ends a grant at `time`.
pub(super) fn ended(id: &GrantId, until: Seconds, time: Seconds) -> Version {
    let status = if time < until { Status::Revoked } else { Status::Ended };
    blank(id.clone(), status, time)
}
