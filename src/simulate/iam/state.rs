//! The state of IAM that `get-account-authorization-details` shows.
//!
//! Invariant: the same organisation and the same changes give the same text.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::iam::Change;
use crate::simulate::organisation::Organisation;

/// Returns what `get-account-authorization-details` shows of `account` once `changes` have been made.
pub fn snapshot(_org: &Organisation, _account: AccountIx, _changes: &[(Seconds, Change)]) -> Value {
    json!({"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": []})
}
