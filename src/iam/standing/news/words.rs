//! By what somebody has standing privilege, in words, and the command that takes it away.
//!
//! Invariant: names stand in quotes in a command; what is not known is a word in capitals there.

use crate::iam::State;
use crate::iam::drift::undo::quoted;
use crate::iam::holding::name_of;
use crate::iam::standing::Kind;
use crate::iam::standing::Standing;

/// Says by what somebody has what it has, the worst first.
pub(super) fn by(row: &Standing) -> String {
    let Some(how) = row.how.first() else { return "what is not known".to_owned() };
    let mut text = how.policy.to_string();
    if let Some(group) = &how.group {
        text = format!("{text} (group {group})");
    }
    if !how.chain.is_empty() {
        text = format!("{text} through {}", how.chain.join(" > "));
    }
    match row.how.len() + row.more {
        0 | 1 => text,
        ways => format!("{text}, and {} more ways", ways - 1),
    }
}

/// Returns the command that takes away the worst of what somebody has.
pub(super) fn undo(row: &Standing, state: &State) -> String {
    let Some(how) = row.how.first() else {
        return format!("grantwatch standing --identity {}", quoted(&row.holder));
    };
    if matches!(row.kind, Kind::Person | Kind::Group) {
        let sets = &state.identity_center.sets;
        let of_name = |name: &str| sets.iter().find(|(_, set)| *set.name == *name);
        let set = of_name(&how.policy).map_or(&*how.policy, |(arn, _)| &**arn);
        let (sort, id) = row.holder.split_once('/').unwrap_or(("USER", &row.holder));
        return format!(
            "aws sso-admin delete-account-assignment --instance-arn INSTANCE --target-type AWS_ACCOUNT --target-id {} \
             --permission-set-arn {} --principal-type {sort} --principal-id {}",
            quoted(&row.account),
            quoted(set),
            quoted(id)
        );
    }
    let (owner, name) = (row.kind.name(), quoted(name_of(&row.holder)));
    if let Some(role) = how.chain.first() {
        let role = quoted(name_of(role));
        return format!(
            "aws iam update-assume-role-policy --role-name {role} --policy-document WITHOUT_{owner}"
        );
    }
    if let Some(group) = &how.group {
        return format!(
            "aws iam remove-user-from-group --user-name {name} --group-name {}",
            quoted(group)
        );
    }
    let policy = quoted(&how.policy);
    if how.policy.starts_with("arn:") && how.policy.split(':').nth(2) != Some("iam") {
        return format!("take {} out of the policy of {policy}", quoted(&row.holder));
    }
    match how.policy.starts_with("arn:") {
        true => {
            format!("aws iam detach-{owner}-policy --{owner}-name {name} --policy-arn {policy}")
        }
        false => {
            format!("aws iam delete-{owner}-policy --{owner}-name {name} --policy-name {policy}")
        }
    }
}
