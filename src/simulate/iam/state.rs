//! The state of IAM that `get-account-authorization-details` shows, as the AWS command line prints it.
//!
//! `RoleLastUsed` is left out: it changes without any change of IAM. Policies of AWS are shown while they are attached.
//!
//! Invariant: the same organisation and the same changes give the same text; a policy has at most five versions, of which
//! one is the default. Read on in `iam/start.rs` and `iam/edits.rs`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::chance::Chance;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census;
use crate::simulate::iam::managed;
use crate::simulate::iam::policy_of_aws;
use crate::simulate::organisation::Organisation;

/// One account's IAM. Every entry is as the snapshot shows it, but for what depends on others.
#[derive(Debug, Clone)]
pub struct State<'a> {
    pub(super) org: &'a Organisation,
    pub(super) account: AccountIx,
    pub(super) users: BTreeMap<String, Value>,
    pub(super) groups: BTreeMap<String, Value>,
    pub(super) roles: BTreeMap<String, Value>,
    /// With the number of the newest version that there ever was.
    pub(super) policies: BTreeMap<String, (u32, Value)>,
    /// With the roles in them.
    pub(super) profiles: BTreeMap<String, (Value, BTreeSet<String>)>,
}

/// Returns what `get-account-authorization-details` shows of `account` once `changes` have been made.
pub fn snapshot(org: &Organisation, account: AccountIx, changes: &[(Seconds, Change)]) -> Value {
    let mut state = State::at_the_start(org, account);
    for (at, change) in changes.iter().filter(|(_, change)| change.account == account) {
        // What IAM would refuse changes nothing; the tests see to it that nobody asks for such a thing.
        state.make(*at, &change.edit).unwrap_or_default();
    }
    state.shown()
}

/// Returns the number of the version that `change` gives its policy if it is made at `at`, after all earlier ones of
/// `changes`; 0 if it makes none.
pub fn next_version(
    org: &Organisation,
    changes: &[(Seconds, Change)],
    change: &Change,
    at: Seconds,
) -> u32 {
    let Edit::CreatePolicyVersion { policy, .. } = &change.edit else { return 0 };
    let mut number = *census::versions(org, change.account, policy).end();
    for (when, earlier) in changes {
        if earlier.account != change.account || *when > at {
            continue;
        }
        match &earlier.edit {
            Edit::CreatePolicyVersion { policy: other, .. } if other == policy => number += 1,
            Edit::CreatePolicy { policy: other, .. } if other == policy => number = 1,
            _ => {}
        }
    }
    number + 1
}

impl<'a> State<'a> {
    /// Returns an account without anything in it.
    pub(super) fn empty(org: &'a Organisation, account: AccountIx) -> Self {
        Self {
            org,
            account,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            roles: BTreeMap::new(),
            policies: BTreeMap::new(),
            profiles: BTreeMap::new(),
        }
    }

    /// Returns the account's id.
    pub(super) fn id(&self) -> &'a str {
        &self.org.account(self.account).id
    }

    /// Returns the numbers of the versions that the policy called `policy` has, the oldest first.
    pub fn versions(&self, policy: &str) -> Vec<u32> {
        let Some((_, shown)) = self.policies.get(policy) else { return Vec::new() };
        let mut numbers: Vec<u32> = list(&shown["PolicyVersionList"])
            .filter_map(|version| version["VersionId"].as_str()?.strip_prefix('v')?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// Returns the snapshot.
    pub fn shown(&self) -> Value {
        let mut users: Vec<Value> = self.users.values().cloned().collect();
        for user in &mut users {
            let has_none = list(&user["UserPolicyList"]).next().is_none();
            if let (true, Some(members)) = (has_none, user.as_object_mut()) {
                members.remove("UserPolicyList");
            }
        }
        let groups: Vec<Value> = self.groups.values().cloned().collect();
        let mut roles: Vec<Value> = self.roles.values().cloned().collect();
        for role in &mut roles {
            role["InstanceProfileList"] = self.profiles_of(role);
        }
        let mut policies = Vec::new();
        for (_, policy) in self.policies.values() {
            policies.push(self.counted(policy.clone()));
        }
        for (name, version, actions) in managed::ALL {
            let policy = self.counted(of_aws(name, *version, actions));
            if policy["AttachmentCount"] != 0 || policy["PermissionsBoundaryUsageCount"] != 0 {
                policies.push(policy);
            }
        }
        json!({
            "UserDetailList": users, "GroupDetailList": groups, "RoleDetailList": roles,
            "Policies": policies,
        })
    }

    /// Returns the instance profiles with `role` in them.
    fn profiles_of(&self, role: &Value) -> Value {
        let name = role["RoleName"].as_str().unwrap_or_default();
        let mut profiles = Vec::new();
        for (profile, roles) in self.profiles.values() {
            if !roles.contains(name) {
                continue;
            }
            let mut shown = profile.clone();
            let members =
                ["Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument"];
            let short: serde_json::Map<String, Value> = members
                .iter()
                .map(|member| ((*member).to_owned(), role[*member].clone()))
                .collect();
            shown["Roles"] = json!([short]);
            profiles.push(shown);
        }
        json!(profiles)
    }

    /// Completes a policy with how often it is in use.
    fn counted(&self, mut policy: Value) -> Value {
        let (mut attached, mut bounds) = (0, 0);
        for holder in self.users.values().chain(self.groups.values()).chain(self.roles.values()) {
            let is_it = |other: &Value| other["PolicyArn"] == policy["Arn"];
            attached += list(&holder["AttachedManagedPolicies"]).filter(|it| is_it(it)).count();
            let bound = &holder["PermissionsBoundary"]["PermissionsBoundaryArn"];
            bounds += usize::from(*bound == policy["Arn"]);
        }
        policy["AttachmentCount"] = json!(attached);
        policy["PermissionsBoundaryUsageCount"] = json!(bounds);
        policy
    }
}

/// Returns a policy that AWS manages, as the snapshot shows it.
fn of_aws(name: &str, version: u32, actions: &[&str]) -> Value {
    let (path, short) = name
        .rsplit_once('/')
        .map_or(("/".to_owned(), name), |(path, short)| (format!("/{path}/"), short));
    // What AWS made is older than any organisation, and the same for all of them.
    let mut chance = Chance::of(0, &format!("aws-policy/{name}"));
    let made = Seconds(chance.between(1_430_000_000, 1_600_000_000));
    let changed = Seconds(chance.between(1_600_000_000, 1_760_000_000));
    json!({
        "PolicyName": short, "PolicyId": chance.unique_id("ANPA"), "Arn": policy_of_aws(name), "Path": path,
        "DefaultVersionId": format!("v{version}"), "IsAttachable": true,
        "CreateDate": date(made), "UpdateDate": date(changed),
        "PolicyVersionList": [{
            "Document": managed::document(name, actions), "VersionId": format!("v{version}"),
            "IsDefaultVersion": true, "CreateDate": date(changed),
        }],
    })
}

/// Returns the items of a list; none if it is no list.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns a moment as the command line prints it: `2026-03-02T08:05:00+00:00`.
pub(super) fn date(at: Seconds) -> String {
    at.to_string().replace('Z', "+00:00")
}
