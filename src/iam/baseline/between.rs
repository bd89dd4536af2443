//! How two states differ in effect, target by target, with what could not be held against each other.
//!
//! Two states are told apart as a state is from the baseline; here it is also said of what only one of them speaks.
//!
//! Invariant: what is not compared is named: nothing that may have become possible is passed over in silence.

use crate::iam::baseline::Departure;
use crate::iam::baseline::departures;
use crate::iam::drift::difference::Measure;
use crate::iam::drift::effect::Target;
use crate::iam::drift::effect::Whole;
use crate::iam::drift::effect::pieces;
use crate::iam::policy::Kind;
use crate::iam::state::State;

/// How one state differs from another.
#[derive(Debug, Clone, PartialEq)]
pub struct Between {
    /// What differs: what the later has more is added.
    pub departures: Vec<Departure>,
    /// What was not compared, each with why.
    pub beside: Vec<String>,
}

/// Returns how `after` differs from `before`.
pub fn between(before: &State, after: &State, measure: &Measure) -> Between {
    let mut found = Between { departures: Vec::new(), beside: beside(before, after) };
    // Where nobody looked at policies of resources, their absence says nothing.
    let knows = |state: &State, account: &str| {
        state.accounts.get(account).is_some_and(|it| !it.resources.is_empty())
    };
    found.departures = departures(before, after, measure);
    found.departures.retain(|departure| match &departure.target {
        Target::Resource { account, .. } => knows(after, account),
        _ => true,
    });
    for (id, account) in after.accounts.iter().filter(|(id, _)| knows(before, id)) {
        let known = before.accounts.get(id);
        for arn in account.resources.keys() {
            if known.is_some_and(|it| it.resources.contains_key(arn)) {
                continue;
            }
            let target = Target::Resource { account: id.clone(), arn: arn.clone() };
            let measure = Measure { account: id.clone(), ..measure.clone() };
            let (agreed, stands) = (Whole::of(&[]), Whole::of(&pieces(after, &target)));
            let difference = measure.between(&agreed, &stands, Kind::Resource);
            let (arn, items) = (arn.clone(), vec!["policy".into()]);
            found.departures.push(Departure { target, arn, items, difference, agreed, stands });
        }
    }
    found
}

/// Returns of what only one state speaks.
fn beside(before: &State, after: &State) -> Vec<String> {
    let mut all = Vec::new();
    let mut note = |what: &str, was: bool, is: bool| match (was, is) {
        (false, true) => all.push(format!("{what}: only what stands after has it")),
        (true, false) => all.push(format!("{what}: only what stood before has it")),
        _ => {}
    };
    let mut ids: Vec<&Box<str>> = before.accounts.keys().chain(after.accounts.keys()).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let (was, is) = (before.accounts.get(id), after.accounts.get(id));
        let (is_whole_then, is_whole_now) =
            (was.is_some_and(|it| it.is_whole), is.is_some_and(|it| it.is_whole));
        note(&format!("account {id}"), is_whole_then, is_whole_now);
        let has = |account: Option<&crate::iam::state::Account>| {
            account.is_some_and(|it| !it.resources.is_empty())
        };
        note(&format!("policies of resources in account {id}"), has(was), has(is));
    }
    note("the organisation", before.organization.is_some(), after.organization.is_some());
    let has_sets = |state: &State| !state.identity_center.sets.is_empty();
    note("permission sets", has_sets(before), has_sets(after));
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use serde_json::Value;
    use serde_json::json;

    use super::*;
    use crate::iam::snapshot::Snapshot;
    use crate::model::Seconds;

    fn state(parts: &[Value]) -> State {
        let mut snapshot = Snapshot::default();
        for part in parts {
            snapshot.take(part, "111122223333").unwrap();
        }
        snapshot.state
    }

    fn account(actions: &str) -> Value {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": actions, "Resource": "*"}]});
        json!({
            "UserDetailList": [{"UserName": "ana", "Path": "/", "UserId": "AIDA1",
                "Arn": "arn:aws:iam::111122223333:user/ana",
                "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": policy}]}],
            "GroupDetailList": [], "RoleDetailList": [], "Policies": [],
        })
    }

    fn bucket(name: &str) -> Value {
        let arn = format!("arn:aws:s3:::{name}");
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": "*", "Action": "s3:GetObject", "Resource": format!("{arn}/*")}]});
        json!({"Resources": [{"Account": "111122223333", "Arn": arn, "Policy": policy}]})
    }

    fn found(before: &[Value], after: &[Value]) -> Between {
        let ours = Arc::new(BTreeSet::from(["111122223333".into()]));
        let measure = Measure { account: "".into(), ours, now: Seconds(1_772_352_000) };
        between(&state(before), &state(after), &measure)
    }

    fn arns(found: &Between) -> Vec<&str> {
        found.departures.iter().map(|it| &*it.arn).collect()
    }

    #[test]
    fn each_target_is_compared_and_the_same_state_is_no_change() {
        let wider = found(&[account("s3:GetObject")], &[account("s3:*")]);
        assert_eq!(arns(&wider), ["arn:aws:iam::111122223333:user/ana"]);
        assert!(wider.departures[0].difference.classes.contains("wildcard"));
        assert!(wider.beside.is_empty(), "{:?}", wider.beside);
        assert_eq!(arns(&found(&[account("s3:*")], &[account("S3:*")])), [""; 0]);
    }

    #[test]
    fn a_resource_that_got_a_policy_is_told_where_policies_of_resources_were_read_before() {
        let before = [account("s3:*"), bucket("a")];
        let after = [account("s3:*"), bucket("a"), bucket("b")];
        let told = found(&before, &after);
        assert_eq!(arns(&told), ["arn:aws:s3:::b"]);
        assert!(told.departures[0].difference.classes.contains("public"));
        let unread = found(&before[..1], &after);
        assert_eq!(arns(&unread), [""; 0]);
        assert_eq!(
            unread.beside,
            ["policies of resources in account 111122223333: only what stands after has it"]
        );
    }

    #[test]
    fn who_is_gone_has_no_more_than_before() {
        let mut before = account("s3:*");
        let bound = "arn:aws:iam::111122223333:policy/bound";
        let guard = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]});
        before["UserDetailList"][0]["PermissionsBoundary"] =
            json!({"PermissionsBoundaryArn": bound});
        before["UserDetailList"][0]["UserPolicyList"][0]["PolicyDocument"] = guard.clone();
        before["Policies"] = json!([{"Arn": bound, "DefaultVersionId": "v1",
            "PolicyVersionList": [{"VersionId": "v1", "Document": guard}]}]);
        let mut after = before.clone();
        after["UserDetailList"] = json!([]);
        let gone = found(&[before.clone()], &[after]);
        assert!(gone.departures.iter().all(|it| it.difference.adds.is_empty()), "{gone:?}");
        before["UserDetailList"][0]["PermissionsBoundary"] = Value::Null;
        let mut bounded = before.clone();
        bounded["UserDetailList"][0]["PermissionsBoundary"] =
            json!({"PermissionsBoundaryArn": bound});
        let unbound = found(&[bounded], &[before]);
        assert!(unbound.departures[0].difference.classes.contains("boundary_removed"));
    }
}
