//! Holds the snapshots against the records: whoever replays the records on the first must come to the last.
//!
//! Invariant: nothing here reads a `Change`; it knows what anybody knows who reads the files.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::Disorder;
use crate::simulate::Flows;
use crate::simulate::Plan;
use crate::simulate::iam::Edit;
use crate::simulate::iam::census;
use crate::simulate::iam::state::State;
use crate::simulate::incidents;
use crate::simulate::organisation::Organisation;
use crate::simulate::schedule;
use crate::simulate::testkit::AtOnce;
use crate::simulate::testkit::Memory;

/// Monday, 2 March 2026.
const START: Seconds = Seconds(1_772_409_600);

/// What a simulation wrote.
struct Written(BTreeMap<String, Vec<u8>>);

impl Written {
    /// Returns five days of a small organisation in which everything goes wrong; all tests share it.
    fn once() -> &'static Self {
        static ONCE: OnceLock<Written> = OnceLock::new();
        ONCE.get_or_init(|| Self::of(5, 4))
    }

    fn of(days: i64, accounts: u16) -> Self {
        let all = incidents::all();
        let moments = schedule::spread(7, (START, days), &all);
        let placed = all.into_iter().zip(moments);
        let plan = Plan {
            seed: 7,
            start: START,
            days,
            accounts,
            people: 6,
            volume: 0.01,
            incidents: placed.filter_map(|(it, at)| Some((it, at?))).collect(),
            flows: Flows::LeftOut,
            disorder: Disorder::default(),
        };
        let memory = Memory::default();
        crate::simulate::simulate(&plan, &memory, &AtOnce, 2).unwrap();
        Self(memory.0.into_inner().unwrap())
    }

    /// Returns a snapshot of each account.
    fn snapshots(&self, when: &str) -> BTreeMap<String, Value> {
        let folder = format!("snapshot/{when}/");
        let names = self.0.keys().filter_map(|key| {
            Some((key, key.strip_prefix(&folder)?.strip_suffix(".json")?.to_owned()))
        });
        names.map(|(key, id)| (id, serde_json::from_slice(&self.0[key]).unwrap())).collect()
    }

    /// Returns every record once, in the order of time.
    fn records(&self) -> Vec<Value> {
        let mut records = BTreeMap::new();
        for (_, bytes) in self.0.iter().filter(|(key, _)| key.contains("/CloudTrail/")) {
            let size = u32::from_le_bytes(bytes[bytes.len() - 4..].try_into().unwrap());
            let mut text = vec![0; size as usize];
            libdeflater::Decompressor::new().gzip_decompress(bytes, &mut text).unwrap();
            let mut file: Value = serde_json::from_slice(&text).unwrap();
            for record in file["Records"].as_array_mut().unwrap() {
                if record["addendum"].is_null() {
                    let at = record["eventTime"].as_str().unwrap().to_owned();
                    let id = record["eventID"].as_str().unwrap().to_owned();
                    records.insert((at, id), record.take());
                }
            }
        }
        records.into_values().collect()
    }
}

fn list<'v>(of: &'v Value, member: &str) -> &'v [Value] {
    of[member].as_array().map_or(&[], Vec::as_slice)
}

fn list_mut<'v>(of: &'v mut Value, member: &str) -> &'v mut Vec<Value> {
    of.as_object_mut().unwrap().entry(member).or_insert_with(|| json!([])).as_array_mut().unwrap()
}

fn entry<'v>(of: &'v mut Value, (member, key): (&str, &str), value: &Value) -> &'v mut Value {
    let found = of[member].as_array_mut().unwrap().iter_mut().find(|it| it[key] == *value);
    found.unwrap_or_else(|| panic!("no {key} {value}"))
}

fn cut(list: &mut Vec<Value>, key: &str, value: &Value) {
    let before = list.len();
    list.retain(|it| it[key] != *value);
    assert_eq!(list.len() + 1, before, "no {key} {value}");
}

fn parsed(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// Does to a snapshot what a record says.
fn replay(shown: &mut Value, record: &Value) {
    let (asked, answer) = (&record["requestParameters"], &record["responseElements"]);
    let name = record["eventName"].as_str().unwrap();
    let date = record["eventTime"].as_str().unwrap().replace('Z', "+00:00");
    let holder = ["User", "Group", "Role"].into_iter().find(|it| name.contains(it));
    if replay_policy(shown, name, (asked, answer), &date) {
        return;
    }
    let Some(holder) = holder else { return assert_leaves_no_trace(name) };
    let (lists, key) = (format!("{holder}DetailList"), format!("{holder}Name"));
    let asked_key = format!("{}Name", holder.to_lowercase());
    let inline = format!("{holder}PolicyList");
    match name.replace(holder, "*").as_str() {
        "Create*" => list_mut(shown, &lists).push(made(holder, (asked, answer), &date)),
        "Delete*" => cut(list_mut(shown, &lists), &key, &asked[&asked_key]),
        "UpdateAssume*Policy" => {
            let role = entry(shown, (&lists, &key), &asked[&asked_key]);
            role["AssumeRolePolicyDocument"] = parsed(&asked["policyDocument"]);
        }
        "Attach*Policy" | "Detach*Policy" => {
            let held = entry(shown, (&lists, &key), &asked[&asked_key]);
            let attached = list_mut(held, "AttachedManagedPolicies");
            attached.retain(|it| it["PolicyArn"] != asked["policyArn"]);
            if name.starts_with("Attach") {
                attached.push(json!({"PolicyArn": asked["policyArn"]}));
            }
        }
        "Put*Policy" | "Delete*Policy" => {
            let held = entry(shown, (&lists, &key), &asked[&asked_key]);
            let policies = list_mut(held, &inline);
            policies.retain(|it| it["PolicyName"] != asked["policyName"]);
            if name.starts_with("Put") {
                let document = parsed(&asked["policyDocument"]);
                policies
                    .push(json!({"PolicyName": asked["policyName"], "PolicyDocument": document}));
            }
        }
        "Put*PermissionsBoundary" => {
            let held = entry(shown, (&lists, &key), &asked[&asked_key]);
            held["PermissionsBoundary"] =
                json!({"PermissionsBoundaryArn": asked["permissionsBoundary"]});
        }
        "Delete*PermissionsBoundary" => {
            entry(shown, (&lists, &key), &asked[&asked_key])["PermissionsBoundary"].take();
        }
        "Add*ToGroup" | "Remove*FromGroup" => {
            let user = entry(shown, ("UserDetailList", "UserName"), &asked["userName"]);
            let groups = list_mut(user, "GroupList");
            groups.retain(|it| *it != asked["groupName"]);
            if name.starts_with("Add") {
                groups.push(asked["groupName"].clone());
            }
        }
        _ => assert_leaves_no_trace(name),
    }
}

/// Returns a user, group or role as a snapshot shows it when it is new.
fn made(holder: &str, (asked, answer): (&Value, &Value), date: &str) -> Value {
    let small = holder.to_lowercase();
    let made = &answer[&small];
    let mut entry = json!({
        "Arn": made["arn"], "Path": made["path"], "CreateDate": date, "AttachedManagedPolicies": [],
    });
    entry[format!("{holder}Name")] = asked[format!("{small}Name")].clone();
    entry[format!("{holder}Id")] = made[format!("{small}Id")].clone();
    if holder == "Role" {
        entry["AssumeRolePolicyDocument"] = parsed(&asked["assumeRolePolicyDocument"]);
    }
    entry
}

/// Replays what concerns managed policies; returns whether it does.
fn replay_policy(
    shown: &mut Value,
    name: &str,
    (asked, answer): (&Value, &Value),
    date: &str,
) -> bool {
    let first = |document: &Value, id: &Value| json!({"VersionId": id, "IsDefaultVersion": true, "CreateDate": date, "Document": parsed(document)});
    let make_default = |policy: &mut Value, id: &Value| {
        policy["DefaultVersionId"] = id.clone();
        policy["UpdateDate"] = json!(date);
        for version in list_mut(policy, "PolicyVersionList") {
            version["IsDefaultVersion"] = json!(version["VersionId"] == *id);
        }
    };
    let place = ("Policies", "Arn");
    match name {
        "CreatePolicy" => {
            let made = &answer["policy"];
            list_mut(shown, "Policies").push(json!({
                "Arn": made["arn"], "PolicyId": made["policyId"], "PolicyName": asked["policyName"],
                "Path": made["path"], "IsAttachable": true, "DefaultVersionId": "v1",
                "CreateDate": date, "UpdateDate": date,
                "PolicyVersionList": [first(&asked["policyDocument"], &json!("v1"))],
            }));
        }
        "DeletePolicy" => cut(list_mut(shown, "Policies"), "Arn", &asked["policyArn"]),
        "CreatePolicyVersion" => {
            let id = &answer["policyVersion"]["versionId"];
            let policy = entry(shown, place, &asked["policyArn"]);
            let versions = list_mut(policy, "PolicyVersionList");
            assert!(versions.iter().all(|it| it["VersionId"] != *id), "{id} came twice: {asked}");
            versions.push(first(&asked["policyDocument"], id));
            make_default(policy, id);
        }
        "SetDefaultPolicyVersion" => {
            make_default(entry(shown, place, &asked["policyArn"]), &asked["versionId"]);
        }
        "DeletePolicyVersion" => {
            let policy = entry(shown, place, &asked["policyArn"]);
            cut(list_mut(policy, "PolicyVersionList"), "VersionId", &asked["versionId"]);
        }
        _ => return false,
    }
    for policy in list(shown, "Policies") {
        assert!(list(policy, "PolicyVersionList").len() <= 5, "too many: {}", policy["Arn"]);
    }
    true
}

#[track_caller]
fn assert_leaves_no_trace(name: &str) {
    const TRACELESS: [&str; 12] = [
        "CreateAccessKey",
        "UpdateAccessKey",
        "DeleteAccessKey",
        "CreateLoginProfile",
        "UpdateLoginProfile",
        "DeleteLoginProfile",
        "EnableMFADevice",
        "DeactivateMFADevice",
        "CreateVirtualMFADevice",
        "DeleteVirtualMFADevice",
        "UpdateAccountPasswordPolicy",
        "UpdateRole",
    ];
    assert!(TRACELESS.contains(&name), "{name} changes IAM by a call, but no snapshot shows it");
}

/// Leaves out what AWS counts by itself, and brings lists into one order.
fn comparable(mut shown: Value) -> Value {
    let own = |it: &Value| !it["Arn"].as_str().unwrap().starts_with("arn:aws:iam::aws:");
    list_mut(&mut shown, "Policies").retain(own);
    fn plain(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(plain);
                items.sort_by_key(Value::to_string);
            }
            Value::Object(members) => {
                for name in [
                    "AttachmentCount",
                    "PermissionsBoundaryUsageCount",
                    "PermissionsBoundaryType",
                    "InstanceProfileList",
                    "PolicyName",
                ] {
                    let is_counted = name != "PolicyName" || members.contains_key("PolicyArn");
                    if is_counted {
                        members.remove(name);
                    }
                }
                members.values_mut().for_each(plain);
                members.retain(|_, value| !value.is_null() && *value != json!([]));
            }
            _ => {}
        }
    }
    plain(&mut shown);
    shown
}

#[test]
fn the_first_snapshot_and_the_records_give_the_last_one() {
    let written = Written::once();
    let (mut shown, end) = (written.snapshots("start"), written.snapshots("end"));
    let mut changes = 0;
    for record in written.records() {
        let is_change = record["eventSource"] == "iam.amazonaws.com"
            && record["readOnly"] == false
            && record["errorCode"].is_null();
        if is_change {
            changes += 1;
            let account = record["recipientAccountId"].as_str().unwrap();
            replay(shown.get_mut(account).unwrap(), &record);
        }
    }
    assert!(changes > 30, "{changes}");
    for (account, shown) in shown {
        let (replayed, shown) = (comparable(shown), comparable(end[&account].clone()));
        for member in ["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"] {
            let (one, other) = (list(&replayed, member), list(&shown, member));
            let differ: Vec<_> = one.iter().filter(|it| !other.contains(it)).collect();
            assert_eq!(differ, Vec::<&Value>::new(), "{member} of {account}");
            assert_eq!(one.len(), other.len(), "{member} of {account}");
        }
    }
}

#[test]
fn a_policy_has_at_most_five_versions_and_one_default_and_is_counted() {
    let written = Written::once();
    for shown in
        written.snapshots("start").into_values().chain(written.snapshots("end").into_values())
    {
        let holders = ["UserDetailList", "GroupDetailList", "RoleDetailList"];
        let holders: Vec<&Value> = holders.iter().flat_map(|member| list(&shown, member)).collect();
        let attached: Vec<&Value> = holders
            .iter()
            .flat_map(|it| list(it, "AttachedManagedPolicies"))
            .map(|it| &it["PolicyArn"])
            .collect();
        for policy in list(&shown, "Policies") {
            let versions = list(policy, "PolicyVersionList");
            assert!((1..=5).contains(&versions.len()), "{policy:#}");
            let defaults: Vec<_> =
                versions.iter().filter(|it| it["IsDefaultVersion"] == true).collect();
            assert_eq!(defaults.len(), 1, "{policy:#}");
            assert_eq!(defaults[0]["VersionId"], policy["DefaultVersionId"], "{policy:#}");
            let count = attached.iter().filter(|arn| ***arn == policy["Arn"]).count();
            assert_eq!(policy["AttachmentCount"], json!(count), "{}", policy["Arn"]);
        }
        let known: Vec<&Value> = list(&shown, "Policies").iter().map(|it| &it["Arn"]).collect();
        for arn in attached {
            assert!(known.contains(&arn), "{arn} is attached; add it to managed.rs");
        }
    }
}

#[test]
fn every_role_of_a_session_is_in_a_snapshot() {
    let written = Written::once();
    let mut known = BTreeSet::new();
    for shown in
        written.snapshots("start").into_values().chain(written.snapshots("end").into_values())
    {
        for role in list(&shown, "RoleDetailList") {
            known.insert((role["Arn"].to_string(), role["RoleId"].to_string()));
        }
    }
    let accounts: Vec<String> = written.snapshots("start").into_keys().collect();
    let mut missing = BTreeSet::new();
    let records = written.records();
    // Some come and go in between.
    for made in records.iter().map(|record| &record["responseElements"]["role"]) {
        known.insert((made["arn"].to_string(), made["roleId"].to_string()));
    }
    for record in records {
        let issuer = &record["userIdentity"]["sessionContext"]["sessionIssuer"];
        let is_ours = accounts.iter().any(|id| issuer["accountId"] == **id);
        let role = (issuer["arn"].to_string(), issuer["principalId"].to_string());
        if issuer["type"] == "Role" && is_ours && !known.contains(&role) {
            missing.insert(role);
        }
    }
    assert_eq!(missing, BTreeSet::new(), "the census lacks roles that somebody uses");
}

#[test]
fn every_document_is_a_policy() {
    fn documents<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| documents(item, found)),
            Value::Object(members) => {
                for (name, value) in members {
                    match name.as_str() {
                        "Document" | "PolicyDocument" | "AssumeRolePolicyDocument" => {
                            found.push(value)
                        }
                        _ => documents(value, found),
                    }
                }
            }
            _ => {}
        }
    }
    let written = Written::once();
    let shown: Vec<Value> = written.snapshots("end").into_values().collect();
    let mut found = Vec::new();
    shown.iter().for_each(|it| documents(it, &mut found));
    assert!(found.len() > 100);
    for document in found {
        assert_eq!(document["Version"], "2012-10-17", "{document:#}");
        assert!(!list(document, "Statement").is_empty(), "{document:#}");
        for statement in list(document, "Statement") {
            assert!(statement["Effect"] == "Allow" || statement["Effect"] == "Deny");
            assert!(!statement["Action"].is_null() || !statement["NotAction"].is_null());
            assert!(!statement["Resource"].is_null() || !statement["Principal"].is_null());
        }
    }
}

#[test]
fn an_edit_that_iam_would_refuse_changes_nothing() {
    let plan = crate::simulate::organisation::workloads::tests::plan();
    let org = Organisation::draw(&plan);
    let mut state = State::at_the_start(&org, org.production());
    let before = state.shown();
    let role = || census::VENDOR_ROLE.to_owned();
    let policy = || census::OLD_USER_POLICY.to_owned();
    for (edit, code) in [
        (Edit::CreateUser { user: census::OLD_USER.to_owned() }, "EntityAlreadyExists"),
        (Edit::DeleteRole { role: role() }, "DeleteConflict"),
        (Edit::DeletePolicy { policy: policy() }, "DeleteConflict"),
        (
            Edit::DeletePolicyVersion { policy: policy(), version: "v3".to_owned() },
            "DeleteConflict",
        ),
        (
            Edit::SetDefaultPolicyVersion { policy: policy(), version: "v9".to_owned() },
            "NoSuchEntity",
        ),
        (Edit::DeleteRolePermissionsBoundary { role: role() }, "NoSuchEntity"),
        (Edit::CreateLoginProfile { user: "nobody".to_owned() }, "NoSuchEntity"),
    ] {
        let refused = state.make(START, &edit).unwrap_err();
        assert_eq!(refused.code, code, "{edit:?}");
        assert_eq!(state.shown(), before, "{edit:?}");
    }
    let version = Edit::CreatePolicyVersion { policy: policy(), document: json!({}) };
    for _ in 0..2 {
        state.make(START, &version).unwrap();
    }
    assert_eq!(state.make(START, &version).unwrap_err().code, "LimitExceeded");
    let rolled = Edit::SetDefaultPolicyVersion { policy: policy(), version: "v1".to_owned() };
    state.make(START, &rolled).unwrap();
    assert_eq!(state.versions(census::OLD_USER_POLICY), [1, 2, 3, 4, 5]);
}
