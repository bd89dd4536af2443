//! Roles as grants and records name them: by ARN, by a glob over ARNs, by `ACCOUNT/role/NAME`.
//!
//! Identity Center makes the role of a permission set anew with another suffix, so those are told by the set's name.
//!
//! Invariant: a role whose path is not known fits no glob that asks for a path.

use crate::grants::glob::fits;
use crate::grants::glob::is_glob;

/// A role, as much as is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role<'a> {
    /// With its path; empty if the path is not known.
    pub arn: &'a str,
    pub account: &'a str,
    pub name: &'a str,
    /// The permission set that it was made for; empty if none.
    pub set: &'a str,
}

impl<'a> Role<'a> {
    /// Reads an ARN of a role or of a session of it, `111122223333/role/Deploy`, or `workload:` before that.
    pub fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix("workload:").unwrap_or(text);
        let (arn, account, name) = match split_arn(text) {
            Some((account, resource)) => match resource.split_once('/')? {
                ("role", rest) => (text, account, rest.rsplit('/').next()?),
                ("assumed-role", rest) => ("", account, rest.split('/').next()?),
                _ => return None,
            },
            None => {
                let (account, rest) = text.split_once("/role/")?;
                ("", account, rest.rsplit('/').next()?)
            }
        };
        Some(Self { arn, account, name, set: permission_set(name).unwrap_or_default() })
    }

    /// Returns whether this and `other` may be the same role.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.account, self.name) == (other.account, other.name)
    }

    /// Returns the name that stays the same when the role is made anew.
    pub fn lasting_name(&self) -> &'a str {
        lasting(self.name)
    }

    /// Returns whether `glob`, over ARNs of roles, fits this one.
    pub fn fits(&self, glob: &str) -> bool {
        if glob == "*" || (!self.arn.is_empty() && fits(glob, self.arn)) {
            return true;
        }
        let Some((account, resource)) = split_arn(glob) else { return false };
        let Some(resource) = resource.strip_prefix("role/") else { return false };
        if !fits(account, self.account) {
            return false;
        }
        let (path, name) = resource.rsplit_once('/').unwrap_or(("", resource));
        if !self.set.is_empty() && permission_set(name) == Some(self.set) {
            return true;
        }
        // A name is one of its kind in its account, whatever its path.
        let is_path_known = !self.arn.is_empty();
        let needs_no_path = path.is_empty() || !is_glob(name);
        !is_path_known && needs_no_path && fits(name, self.name)
    }
}

/// Returns the account and the resource of an ARN; both may be globs.
pub(super) fn split_arn(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    (parts.next()? == "arn").then_some(())?;
    let account = parts.nth(3)?;
    Some((account, parts.next()?))
}

/// Returns a role's name without what changes when Identity Center makes it anew.
fn lasting(name: &str) -> &str {
    match permission_set(name) {
        Some(_) => name.rsplit_once('_').map_or(name, |(lasting, _)| lasting),
        None => name,
    }
}

/// Returns the permission set of an Identity Center role: `AWSReservedSSO_<set>_<hex digits>`.
pub(super) fn permission_set(role_name: &str) -> Option<&str> {
    let (set, suffix) = role_name.strip_prefix("AWSReservedSSO_")?.rsplit_once('_')?;
    let is_suffix =
        (8..=16).contains(&suffix.len()) && suffix.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_suffix && !set.is_empty()).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SSO: &str = "arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/eu-west-1/\
                       AWSReservedSSO_Admin_0123456789abcdef";

    #[test]
    fn globs_ask_for_what_is_known() {
        for (role, glob, expected) in [
            ("arn:aws:iam::1:role/ops/Deploy", "arn:aws:iam::1:role/ops/*", true),
            ("arn:aws:iam::1:role/ops/Deploy", "arn:aws:iam::2:role/ops/*", false),
            ("arn:aws:iam::1:role/ops/Deploy", "arn:aws:iam::1:role/Deploy", false),
            ("1/role/Deploy", "arn:aws:iam::1:role/ops/Deploy", true),
            ("1/role/Deploy", "arn:aws:iam::1:role/Dep*", true),
            ("1/role/Deploy", "arn:aws:iam::1:role/ops/*", false),
            ("1/role/Deploy", "arn:aws:iam::*:role/Deploy", true),
            ("workload:1/role/Deploy", "arn:aws:iam::1:role/Deploy", true),
            ("arn:aws:sts::1:assumed-role/Deploy/x", "arn:aws:iam::1:role/Deploy", true),
            ("1/role/Deploy", "Deploy", false),
            (SSO, "arn:aws:iam::1:role/AWSReservedSSO_Admin_fedcba9876543210", true),
            (SSO, "arn:aws:iam::1:role/AWSReservedSSO_Read_fedcba9876543210", false),
            (SSO, "arn:aws:iam::2:role/AWSReservedSSO_Admin_fedcba9876543210", false),
            (SSO, "arn:aws:iam::1:role/aws-reserved/*/AWSReservedSSO_Admin_*", true),
        ] {
            assert_eq!(Role::parse(role).unwrap().fits(glob), expected, "{role} {glob}");
        }
        assert_eq!(Role::parse("person:alice@example.com"), None);
        assert_eq!(Role::parse("1/root"), None);
    }
}
