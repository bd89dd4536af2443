//! Stories of policies: records in, state and changes out; and the simulated organisation, whose end is known.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::history::change::Holder;
use crate::iam::history::change::Target;
use crate::iam::history::table::SCHEMA;
use crate::iam::lesson;
use crate::iam::policy::Document;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::simulate::Disorder;
use crate::simulate::Flows;
use crate::simulate::Plan;
use crate::simulate::incidents;
use crate::simulate::schedule;
use crate::simulate::testkit::AtOnce;
use crate::simulate::testkit::Memory;
use crate::store::Migration;
use crate::store::Store;

/// Monday, 2 March 2026.
pub(super) const START: Seconds = Seconds(1_772_409_600);
pub(super) const ACCOUNT: &str = "111122223333";
pub(super) const MIGRATIONS: [Migration; 1] =
    [Migration { number: 1, name: "policies' history", sql: SCHEMA }];

pub(super) fn document(action: &str) -> String {
    json!({"Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
    .to_string()
}

fn trust(who: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": who}}]})
    .to_string()
}

fn known(action: &str) -> Option<Text> {
    let document = Document::parse(&document(action), crate::iam::policy::Kind::Identity);
    Some(Text::Known(document.unwrap().into()))
}

/// A record of `minute`.
pub(super) fn record(
    minute: i64,
    service: &str,
    event: &str,
    asked: Value,
    answered: Value,
) -> String {
    json!({
        "eventVersion": "1.11", "eventTime": START.plus(Span(minute * 60)).to_string(),
        "eventSource": format!("{service}.amazonaws.com"), "eventName": event, "readOnly": false,
        "awsRegion": "eu-central-1", "recipientAccountId": ACCOUNT, "eventID": format!("{minute}-{event}"),
        "requestParameters": asked, "responseElements": answered,
    })
    .to_string()
}

pub(super) fn iam(minute: i64, event: &str, asked: Value) -> String {
    record(minute, "iam", event, asked, Value::Null)
}

pub(super) fn take(history: &mut History, text: &str) -> Vec<Change> {
    let slots = Slots::of(text).unwrap();
    let record = TrailRecord::new(text, &slots);
    let time = record.text("eventTime").and_then(|it| Seconds::parse(&it)).unwrap();
    let Some(lesson) = lesson::of(&record) else { return Vec::new() };
    history.take(lesson, time, &record.id())
}

pub(super) fn of(records: &[String]) -> History {
    let mut history = History::default();
    for record in records {
        take(&mut history, record);
    }
    history
}

pub(super) fn account(state: &State) -> &crate::iam::state::Account {
    &state.accounts[ACCOUNT]
}

fn put(minute: i64, action: &str) -> String {
    let asked = json!({"roleName": "app", "policyName": "own", "policyDocument": document(action)});
    iam(minute, "PutRolePolicy", asked)
}

#[test]
fn a_change_says_what_was_before_and_what_is_now() {
    let mut history = History::default();
    let first = take(&mut history, &put(1, "s3:GetObject"));
    assert_eq!((first[0].before.clone(), first[0].after.clone()), (None, known("s3:GetObject")));
    let target =
        Target::Identity { account: ACCOUNT.into(), holder: Holder::Role, name: "app".into() };
    let second = take(&mut history, &put(2, "s3:*"));
    assert_eq!(
        second,
        [Change {
            is_gone: false,
            target,
            item: "inline/own".into(),
            before: known("s3:GetObject"),
            after: known("s3:*"),
            earlier: "".into(),
        }]
    );
    assert!(take(&mut history, &put(2, "s3:*")).is_empty(), "it comes again");
    assert!(take(&mut history, &put(3, "S3:*")).is_empty(), "it says the same");
}

#[test]
fn a_late_event_is_put_where_it_belongs() {
    let mut history = of(&[put(1, "s3:GetObject"), put(3, "s3:*")]);
    let late = take(&mut history, &put(2, "sqs:*"));
    assert_eq!(
        (late[0].before.clone(), late[0].after.clone()),
        (known("s3:GetObject"), known("sqs:*"))
    );
    let now = |state: &State| account(state).roles["app"].entity.inline["own"].clone();
    assert_eq!(Some(now(history.now())), known("s3:*"));
    let then = history.state_at(START.plus(Span(2 * 60)));
    assert_eq!(Some(now(&then)), known("sqs:*"));
}

#[test]
fn what_was_refused_or_only_read_teaches_nothing() {
    let mut refused: Value = serde_json::from_str(&put(1, "*")).unwrap();
    refused["errorCode"] = json!("AccessDenied");
    let mut read: Value = serde_json::from_str(&put(1, "*")).unwrap();
    read["readOnly"] = json!(true);
    let history = of(&[refused.to_string(), read.to_string()]);
    assert_eq!(*history.now(), State::default());
}

#[test]
fn a_document_that_is_left_out_is_not_known_and_says_why() {
    let mut history = of(&[put(1, "s3:*")]);
    for (minute, text) in [
        (2, Value::Null),
        (3, json!("")),
        (4, json!("HIDDEN_DUE_TO_SECURITY_REASONS")),
        (5, json!("{}")),
    ] {
        let asked = json!({"roleName": "app", "policyName": "own", "policyDocument": text});
        let changes = take(&mut history, &iam(minute, "PutRolePolicy", asked));
        assert!(
            matches!(&changes[0].after, Some(Text::Unknown(why)) if !why.is_empty()),
            "{minute}"
        );
    }
}

#[test]
fn a_version_that_is_set_again_says_what_it_said() {
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/app");
    let made = |text: &str| json!({"policyName": "app", "policyDocument": text});
    let version = |minute, id: &str, action: &str, is_default: bool| {
        let asked = json!({"policyArn": arn, "policyDocument": document(action), "setAsDefault": is_default});
        record(
            minute,
            "iam",
            "CreatePolicyVersion",
            asked,
            json!({"policyVersion": {"versionId": id}}),
        )
    };
    let answer = json!({"policy": {"arn": arn, "defaultVersionId": "v1"}});
    let mut history = of(&[
        record(1, "iam", "CreatePolicy", made(&document("*")), answer),
        version(2, "v2", "s3:GetObject", true),
        version(3, "v3", "s3:PutObject", false),
    ]);
    let asked = json!({"policyArn": arn, "versionId": "v1"});
    let back = take(&mut history, &iam(4, "SetDefaultPolicyVersion", asked));
    assert_eq!(back.len(), 1);
    assert_eq!(
        (back[0].before.clone(), back[0].after.clone()),
        (known("s3:GetObject"), known("*"))
    );
    assert_eq!(&*back[0].earlier, "v2");
    let asked = json!({"policyArn": arn, "versionId": "v9"});
    let unread = take(&mut history, &iam(5, "SetDefaultPolicyVersion", asked));
    assert!(matches!(unread[0].after, Some(Text::Unknown(_))));
}

#[test]
fn what_is_made_again_has_nothing_of_what_was_deleted() {
    let create = |minute, who: &str| {
        let asked = json!({"roleName": "app", "assumeRolePolicyDocument": trust(who)});
        iam(minute, "CreateRole", asked)
    };
    let delete = |minute| iam(minute, "DeleteRole", json!({"roleName": "app"}));
    let records = [create(1, ACCOUNT), put(2, "*"), delete(3), create(4, "444455556666")];
    let history = of(&records);
    assert!(account(history.now()).roles["app"].entity.inline.is_empty());
    let mut reversed = records.clone();
    reversed.reverse();
    assert_eq!(of(&reversed).now(), history.now());
    // A removal that comes late does not bring back what is gone.
    let mut gone = of(&[create(1, ACCOUNT), delete(3)]);
    let asked = json!({"roleName": "app", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"});
    take(&mut gone, &iam(5, "DetachRolePolicy", asked));
    assert!(account(gone.now()).roles.is_empty());
}

#[test]
fn events_of_one_second_come_in_the_order_that_iam_can_have_taken() {
    let at_once = |event: &str, asked: Value| iam(1, event, asked);
    let create = at_once(
        "CreateRole",
        json!({"roleName": "app", "assumeRolePolicyDocument": trust(ACCOUNT)}),
    );
    let remove = at_once("DeleteRolePolicy", json!({"roleName": "app", "policyName": "own"}));
    let delete = at_once("DeleteRole", json!({"roleName": "app"}));
    let made = of(&[put(1, "s3:*"), create.clone()]);
    assert_eq!(account(made.now()).roles["app"].entity.inline.len(), 1);
    let gone = of(&[put(1, "s3:*"), create.clone(), remove.clone(), delete.clone()]);
    assert!(account(gone.now()).roles.is_empty());
    // It was there before: then it was deleted first, and made again.
    let before =
        iam(0, "CreateRole", json!({"roleName": "app", "assumeRolePolicyDocument": trust("*")}));
    let again = of(&[before, delete, put(1, "s3:*"), create]);
    assert_eq!(account(again.now()).roles["app"].entity.inline.len(), 1);
}

#[test]
fn a_new_name_takes_along_what_there_was() {
    let attach = |minute, arn: &str| {
        iam(minute, "AttachUserPolicy", json!({"userName": "ana", "policyArn": arn}))
    };
    let rename = iam(3, "UpdateUser", json!({"userName": "ana", "newUserName": "bea"}));
    let mut history = of(&[attach(1, "arn:one"), rename]);
    take(&mut history, &attach(2, "arn:late"));
    let users = &account(history.now()).users;
    assert_eq!(users.keys().map(|it| &**it).collect::<Vec<_>>(), ["bea"]);
    assert_eq!(users["bea"].entity.attached.len(), 2);
}

#[test]
fn a_new_name_keeps_the_path() {
    for (service, old, new) in [
        ("User", json!({"userName": "ana"}), json!({"userName": "ana", "newUserName": "bea"})),
        ("Group", json!({"groupName": "ana"}), json!({"groupName": "ana", "newGroupName": "bea"})),
    ] {
        let mut made = old;
        made["path"] = "/team/".into();
        let (create, update) = (format!("Create{service}"), format!("Update{service}"));
        let history = of(&[iam(1, &create, made), iam(2, &update, new.clone())]);
        let arn_of = |history: &History| {
            let account = account(history.now());
            let user = account.users.get("bea").map(|user| user.entity.arn.clone());
            user.or_else(|| account.groups.get("bea").map(|group| group.arn.clone())).unwrap()
        };
        let sort = service.to_lowercase();
        let expected = format!("arn:aws:iam::{ACCOUNT}:{sort}/team/bea");
        assert_eq!(*arn_of(&history), *expected);
        let mut moved = new;
        moved["newPath"] = "/".into();
        let history = of(&[
            iam(1, &create, json!({"userName": "ana", "groupName": "ana"})),
            iam(2, &update, moved),
        ]);
        assert_eq!(*arn_of(&history), *format!("arn:aws:iam::{ACCOUNT}:{sort}/bea"));
    }
}

#[test]
fn what_is_attached_first_stands_beside_what_aws_attaches_to_everything() {
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "cloudtrail:*", "Resource": "*"}]});
    let organization = |minute, event: &str, asked: Value, answered: Value| {
        record(minute, "organizations", event, asked, answered)
    };
    let attach = |minute, policy: &str| {
        organization(
            minute,
            "AttachPolicy",
            json!({"policyId": policy, "targetId": "ou-1"}),
            Value::Null,
        )
    };
    let policy = json!({"policy": {"policySummary": {"id": "p-1"}}});
    let asked =
        json!({"name": "no", "type": "SERVICE_CONTROL_POLICY", "content": deny.to_string()});
    let mut history = of(&[
        organization(
            1,
            "CreateOrganizationalUnit",
            json!({"parentId": "r-1"}),
            json!({"organizationalUnit": {"id": "ou-1"}}),
        ),
        organization(2, "CreatePolicy", asked, policy),
        organization(
            3,
            "MoveAccount",
            json!({"accountId": ACCOUNT, "destinationParentId": "ou-1"}),
            Value::Null,
        ),
        iam(3, "CreateUser", json!({"userName": "ana"})),
        iam(
            3,
            "AttachUserPolicy",
            json!({"userName": "ana", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ),
    ]);
    let changes = take(&mut history, &attach(4, "p-1"));
    assert!(
        matches!(&changes[..], [Change { item, .. }] if **item == *"attached/p-1"),
        "{changes:?}"
    );
    let allowed = |history: &History, action: &str| {
        let context = crate::iam::evaluate::Context::new();
        let principal = &format!("arn:aws:iam::{ACCOUNT}:user/ana");
        let request =
            crate::iam::evaluate::Request { principal, action, resource: "*", context: &context };
        history.now().allowed(&request).decision
    };
    assert_eq!(allowed(&history, "s3:CreateBucket"), crate::iam::Decision::Allowed);
    assert_eq!(allowed(&history, "cloudtrail:StopLogging"), crate::iam::Decision::ExplicitDeny);
    let control = crate::iam::holding::Control::above(history.now(), ACCOUNT);
    assert!(control.levels.iter().all(|level| !level.is_whole), "{control:?}");
    // Once it is taken away, what no other allows is not allowed.
    let detach = json!({"policyId": "p-FullAWSAccess", "targetId": "ou-1"});
    take(&mut history, &organization(5, "DetachPolicy", detach, Value::Null));
    assert_eq!(allowed(&history, "s3:CreateBucket"), crate::iam::Decision::ImplicitDeny);
    let again = take(&mut history, &attach(6, "p-FullAWSAccess"));
    assert!(matches!(&again[..], [Change { after: Some(Text::Known(_)), .. }]), "{again:?}");
}

#[test]
fn what_was_there_and_nobody_told_is_not_known_and_not_new() {
    let arn = format!("arn:aws:iam::{ACCOUNT}:policy/own");
    let version = |minute, id: &str, is_default: bool| {
        let asked = json!({"policyArn": arn, "policyDocument": document("s3:*"), "setAsDefault": is_default});
        record(
            minute,
            "iam",
            "CreatePolicyVersion",
            asked,
            json!({"policyVersion": {"versionId": id}}),
        )
    };
    let trusted = json!({"roleName": "app", "policyDocument": trust("*")});
    let default = json!({"policyArn": arn, "versionId": "v2"});
    for text in [
        version(1, "v2", true),
        iam(1, "SetDefaultPolicyVersion", default),
        iam(1, "UpdateAssumeRolePolicy", trusted),
    ] {
        let changes = take(&mut History::default(), &text);
        assert!(
            matches!(&changes[..], [Change { before: Some(Text::Unknown(_)), after: Some(_), .. }]),
            "{changes:?}"
        );
    }
    // A version that is not put in force changes nothing.
    assert_eq!(take(&mut History::default(), &version(1, "v2", false)), []);
    let mut history = of(&[version(1, "v2", true)]);
    assert_eq!(take(&mut history, &version(2, "v3", false)), []);
    let own = json!({"roleName": "app", "assumeRolePolicyDocument": trust("*")});
    let made = take(&mut History::default(), &iam(1, "CreateRole", own));
    assert!(matches!(&made[..], [Change { before: None, .. }]), "{made:?}");
}

#[test]
fn a_record_that_does_not_say_who_receives_it_is_its_callers_accounts() {
    let mut old: Value = serde_json::from_str(&put(1, "s3:*")).unwrap();
    old.as_object_mut().unwrap().remove("recipientAccountId");
    old["userIdentity"] = json!({"type": "Root", "accountId": ACCOUNT});
    let history = of(&[old.to_string()]);
    assert_eq!(account(history.now()).roles["app"].entity.inline.len(), 1);
}

#[test]
fn a_role_of_identity_center_is_known_by_its_name() {
    let name = "AWSReservedSSO_Admin_0123456789abcdef";
    let asked = json!({"roleName": name, "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"});
    let history = of(&[iam(1, "AttachRolePolicy", asked)]);
    let arn = &account(history.now()).roles[name].entity.arn;
    assert!(arn.contains(":role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_"), "{arn}");
}

#[test]
fn an_empty_text_takes_a_queues_and_a_domains_policy_away() {
    let open = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
    .to_string();
    let queue = format!("https://sqs.eu-central-1.amazonaws.com/{ACCOUNT}/q");
    let of_queue = |text: &str| json!({"queueUrl": queue, "attributes": {"Policy": text}});
    let of_domain = |text: &str| json!({"domainName": "d", "accessPolicies": text});
    let mut history = of(&[
        record(1, "sqs", "SetQueueAttributes", of_queue(&open), Value::Null),
        record(1, "es", "UpdateDomainConfig", of_domain(&open), Value::Null),
    ]);
    assert_eq!(account(history.now()).resources.len(), 2);
    let gone =
        take(&mut history, &record(2, "sqs", "SetQueueAttributes", of_queue(""), Value::Null));
    assert!(matches!(&gone[..], [Change { before: Some(_), after: None, .. }]), "{gone:?}");
    take(&mut history, &record(2, "es", "UpdateDomainConfig", of_domain(""), Value::Null));
    assert!(account(history.now()).resources.is_empty());
}

#[test]
fn an_assignment_and_a_membership_end_by_what_is_told_of_them() {
    let joined = record(
        1,
        "identitystore",
        "CreateGroupMembership",
        json!({"identityStoreId": "d-1", "groupId": "g", "memberId": {"userId": "u"}}),
        json!({"membershipId": "m"}),
    );
    let ended = record(
        2,
        "identitystore",
        "DeleteGroupMembership",
        json!({"membershipId": "m"}),
        Value::Null,
    );
    let members = |records: &[String]| of(records).now().identity_center.members.clone();
    assert_eq!(members(std::slice::from_ref(&joined)).len(), 1);
    assert!(members(&[joined.clone(), ended.clone()]).is_empty());
    assert!(members(&[ended, joined]).is_empty(), "its end was heard of first");
    let shown = json!({"IdentityCenter": {"GroupMemberships": [
        {"MembershipId": "m", "GroupId": "g", "MemberId": {"UserId": "u"}}]}});
    let mut snapshot = Snapshot::default();
    snapshot.take(&shown, "").unwrap();
    let mut history = History::new(snapshot);
    let end = record(
        2,
        "identitystore",
        "DeleteGroupMembership",
        json!({"membershipId": "m"}),
        Value::Null,
    );
    take(&mut history, &end);
    assert!(history.now().identity_center.members.is_empty(), "a snapshot knows whose it was");
    let given = json!({"targetId": ACCOUNT, "permissionSetArn": "ps", "principalType": "USER", "principalId": "u"});
    let given = [
        record(1, "sso", "CreateAccountAssignment", given.clone(), Value::Null),
        record(2, "sso", "DeleteAccountAssignment", given, Value::Null),
    ];
    assert_eq!(of(&given[..1]).now().identity_center.assignments.len(), 1);
    assert!(of(&given).now().identity_center.assignments.is_empty());
}

#[test]
fn policies_of_resources_are_found_by_their_arns() {
    let open = |arn: &str| {
        json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": arn}]})
    };
    let records = [
        record(
            1,
            "s3",
            "PutBucketPolicy",
            json!({"bucketName": "b", "policy": "", "bucketPolicy": open("arn:aws:s3:::b/*")}),
            Value::Null,
        ),
        record(
            2,
            "kms",
            "PutKeyPolicy",
            json!({"keyId": "k", "policy": open("*").to_string()}),
            Value::Null,
        ),
        record(
            3,
            "sqs",
            "SetQueueAttributes",
            json!({
            "queueUrl": format!("https://sqs.eu-central-1.amazonaws.com/{ACCOUNT}/q"),
            "attributes": {"Policy": open("*").to_string()}}),
            Value::Null,
        ),
        record(
            4,
            "sqs",
            "SetQueueAttributes",
            json!({
            "queueUrl": format!("https://sqs.eu-central-1.amazonaws.com/{ACCOUNT}/r"),
            "attributes": {"VisibilityTimeout": "30"}}),
            Value::Null,
        ),
        record(
            5,
            "ecr",
            "SetRepositoryPolicy",
            json!({"repositoryName": "r", "policyText": open("*").to_string()}),
            Value::Null,
        ),
    ];
    let history = of(&records);
    let arns: Vec<String> =
        account(history.now()).resources.keys().map(|it| it.to_string()).collect();
    assert_eq!(
        arns,
        [
            "arn:aws:ecr:eu-central-1:111122223333:repository/r",
            "arn:aws:kms:eu-central-1:111122223333:key/k",
            "arn:aws:s3:::b",
            "arn:aws:sqs:eu-central-1:111122223333:q",
        ]
    );
    assert!(account(history.now()).resources.values().all(|it| matches!(it, Text::Known(_))));
    let statement = json!({"Sid": "all", "Effect": "Allow", "Principal": "*",
        "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:eu-central-1:111122223333:function:f"});
    let shared = record(
        6,
        "lambda",
        "AddPermission20150331v2",
        json!({"functionName": "f", "statementId": "all", "principal": "*"}),
        json!({"statement": statement.to_string()}),
    );
    let changes = take(&mut History::default(), &shared);
    assert_eq!(&*changes[0].item, "statement/all");
    assert!(matches!(changes[0].after, Some(Text::Known(_))), "{changes:?}");
}

#[test]
fn the_organisation_follows_its_records() {
    let deny = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]});
    let records = [
        record(
            1,
            "organizations",
            "CreatePolicy",
            json!({"name": "no", "type": "SERVICE_CONTROL_POLICY", "content": deny.to_string()}),
            json!({"policy": {"policySummary": {"id": "p-1"}}}),
        ),
        record(
            2,
            "organizations",
            "AttachPolicy",
            json!({"policyId": "p-1", "targetId": "ou-1"}),
            Value::Null,
        ),
        record(
            3,
            "organizations",
            "MoveAccount",
            json!({"accountId": ACCOUNT, "sourceParentId": "r-1", "destinationParentId": "ou-1"}),
            Value::Null,
        ),
    ];
    let mut history = of(&records);
    let organization = history.now().organization.as_ref().unwrap();
    assert_eq!(&*organization.parents[ACCOUNT], "ou-1");
    let detached = record(
        4,
        "organizations",
        "DetachPolicy",
        json!({"policyId": "p-1", "targetId": "ou-1"}),
        Value::Null,
    );
    let changes = take(&mut history, &detached);
    assert!(
        matches!(&changes[..], [Change { before: Some(Text::Known(_)), after: None, .. }]),
        "{changes:?}"
    );
}

/// What a simulation wrote: every account's policies at the start and at the end, and the records in between.
struct Simulated {
    start: BTreeMap<String, Value>,
    end: BTreeMap<String, Value>,
    records: Vec<String>,
}

impl Simulated {
    /// Returns four days of a small organisation in which everything goes wrong; all tests share it.
    fn once() -> &'static Self {
        static ONCE: OnceLock<Simulated> = OnceLock::new();
        ONCE.get_or_init(|| {
            let all = incidents::all();
            let moments = schedule::spread(11, (START, 4), &all);
            let placed = all.into_iter().zip(moments);
            let plan = Plan {
                seed: 11,
                start: START,
                days: 4,
                accounts: 4,
                people: 6,
                volume: 0.01,
                incidents: placed.filter_map(|(it, at)| Some((it, at?))).collect(),
                flows: Flows::LeftOut,
                disorder: Disorder::default(),
            };
            let memory = Memory::default();
            crate::simulate::simulate(&plan, &memory, &AtOnce, 2).unwrap();
            Self::read(&memory.0.into_inner().unwrap())
        })
    }

    fn read(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let shown = |when: &str| {
            let folder = format!("snapshot/{when}/");
            let names = files.iter().filter_map(|(key, bytes)| {
                let id = key.strip_prefix(&folder)?.strip_suffix(".json")?;
                Some((id.to_owned(), serde_json::from_slice(bytes).unwrap()))
            });
            names.collect()
        };
        let mut records = BTreeMap::new();
        for (_, bytes) in files.iter().filter(|(key, _)| key.contains("/CloudTrail/")) {
            let text = crate::decode::inflate(bytes.clone(), usize::MAX).unwrap();
            let file: Value = serde_json::from_slice(&text).unwrap();
            for record in file["Records"].as_array().unwrap() {
                let id = record["eventID"].as_str().unwrap().to_owned();
                if record["addendum"].is_null() {
                    records.insert(id, record.to_string());
                }
            }
        }
        let teaches = |text: &String| {
            let slots = Slots::of(text).unwrap();
            lesson::of(&TrailRecord::new(text, &slots)).is_some()
        };
        let records = records.into_values().filter(teaches).collect();
        Self { start: shown("start"), end: shown("end"), records }
    }

    fn snapshot(shown: &BTreeMap<String, Value>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (id, value) in shown {
            snapshot.take(value, id).unwrap();
        }
        snapshot
    }
}

/// Leaves out what no snapshot of an account tells.
fn comparable(state: &State) -> BTreeMap<Box<str>, crate::iam::state::Account> {
    let mut accounts = state.accounts.clone();
    accounts.retain(|_, account| account.is_whole);
    for account in accounts.values_mut() {
        account.profiles.retain(|_, roles| !roles.is_empty());
        (account.resources, account.blocks) = (BTreeMap::new(), BTreeMap::new());
        (account.networks, account.shares) = (BTreeMap::new(), BTreeMap::new());
        account.grants = BTreeMap::new();
        account.policies.retain(|arn, _| !arn.contains(":iam::aws:"));
        for user in account.users.values_mut() {
            user.keys.clear();
            (user.has_password, user.has_mfa) = (None, None);
        }
    }
    accounts
}

#[track_caller]
fn assert_same(one: &State, other: &State) {
    let (one, other) = (comparable(one), comparable(other));
    for (id, account) in &one {
        let other = &other[id];
        assert_eq!(account.users, other.users, "users of {id}");
        assert_eq!(account.groups, other.groups, "groups of {id}");
        assert_eq!(account.roles, other.roles, "roles of {id}");
        assert_eq!(account.policies, other.policies, "policies of {id}");
    }
    assert_eq!(one, other);
}

#[test]
fn the_simulated_organisations_records_lead_to_its_last_snapshot() {
    let simulated = Simulated::once();
    let end = Simulated::snapshot(&simulated.end);
    let mut history = History::new(Simulated::snapshot(&simulated.start));
    let mut changes = 0;
    for record in &simulated.records {
        changes += take(&mut history, record).len();
    }
    assert!(simulated.records.len() > 40 && changes > 20, "{} {changes}", simulated.records.len());
    assert_same(history.now(), &end.state);
    assert_same(
        &history.state_at(START.plus(Span(-1))),
        &Simulated::snapshot(&simulated.start).state,
    );
}

#[test]
fn any_order_and_restarts_in_between_lead_to_the_same_state() {
    let simulated = Simulated::once();
    let end = Simulated::snapshot(&simulated.end);
    let mut straight = History::new(Simulated::snapshot(&simulated.start));
    for record in &simulated.records {
        take(&mut straight, record);
    }
    let groups = |state: &State| -> BTreeMap<_, _> {
        let accounts = state.accounts.iter().filter(|(_, it)| !it.networks.is_empty());
        accounts.map(|(id, it)| (id.clone(), it.networks.clone())).collect()
    };
    assert!(!groups(straight.now()).is_empty(), "somebody opens a port");
    for seed in 0..3 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut records = simulated.records.clone();
        chance.shuffle(&mut records);
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("a.db"), &MIGRATIONS).unwrap();
        let mut history = History::new(Simulated::snapshot(&simulated.start));
        for (number, record) in records.iter().enumerate() {
            take(&mut history, record);
            if number % 40 == 20 {
                let tx = store.begin().unwrap();
                history.save(&tx).unwrap();
                tx.commit().unwrap();
                let start = Simulated::snapshot(&simulated.start);
                let loaded = History::load(start, store.connection()).unwrap();
                assert_eq!(loaded.now(), history.now());
                history = loaded;
            }
        }
        assert_same(history.now(), &end.state);
        // No snapshot of an account has its security groups.
        assert_eq!(groups(history.now()), groups(straight.now()));
    }
}

#[test]
fn what_is_forgotten_becomes_the_beginning_and_outlives_a_restart() {
    let simulated = Simulated::once();
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("a.db"), &MIGRATIONS).unwrap();
    let mut history = History::new(Simulated::snapshot(&simulated.start));
    for record in &simulated.records {
        take(&mut history, record);
    }
    let (now, edits) = (history.now().clone(), history.edits());
    history.forget(START.plus(Span(2 * 86_400)));
    assert!(history.edits() < edits);
    let tx = store.begin().unwrap();
    history.save(&tx).unwrap();
    tx.commit().unwrap();
    let start = Simulated::snapshot(&simulated.start);
    let mut loaded = History::load(start, store.connection()).unwrap();
    assert_eq!(loaded.now(), &now);
    assert_eq!(loaded.edits(), history.edits());
    for record in &simulated.records {
        take(&mut loaded, record);
    }
    assert_eq!(loaded.now(), &now, "what comes again, and what comes too late, changes nothing");
}

#[test]
fn what_a_snapshot_has_seen_changes_nothing_and_is_told() {
    let mut snapshot = Snapshot::default();
    let taken = START.plus(Span(3_600)).to_string();
    let value = json!({"Account": ACCOUNT, "Taken": taken, "RoleDetailList": []});
    snapshot.take(&value, "").unwrap();
    let mut history = History::new(snapshot);
    let changes = take(&mut history, &put(1, "*"));
    assert!(matches!(
        &changes[..],
        [Change { before: Some(Text::Unknown(_)), after: Some(Text::Known(_)), .. }]
    ));
    assert!(account(history.now()).roles.is_empty());
    assert_eq!(take(&mut history, &put(61, "*")).len(), 1);
}

#[test]
fn what_was_read_says_nothing_of_what_was_not() {
    let mut snapshot = Snapshot::default();
    let taken = START.plus(Span(3_600)).to_string();
    let queue = |region: &str, name: &str| format!("arn:aws:sqs:{region}:{ACCOUNT}:{name}");
    let read = json!([{"Arn": queue("eu-west-1", "read"), "Policy": document("sqs:*")}]);
    let organization = json!({"Taken": taken, "Organization": {}, "Resources": read});
    snapshot.take(&organization, "").unwrap();
    let history = History::new(snapshot);
    let at = START.plus(Span(60));
    let resource = |arn: &str| Key::Resource { account: ACCOUNT.into(), arn: arn.into() };
    let is_in = |key: &Key| history.contained_until(key, at).is_some();
    assert!(is_in(&resource(&queue("eu-west-1", "other"))));
    assert!(!is_in(&resource(&queue("us-east-1", "other"))));
    assert!(!is_in(&resource("arn:aws:s3:::bucket")));
    assert!(is_in(&Key::Control { id: "p-1".into() }));
    assert!(is_in(&Key::Node { id: "ou-1".into() }));
    assert!(!is_in(&Key::Set { arn: "ps-1".into() }));
    assert!(!is_in(&Key::Directory { id: "u-1".into() }));
}

/// The document of each role of a snapshot whose roles say one of ten things.
#[test]
fn documents_that_say_the_same_are_kept_once() {
    let role = |number: usize| {
        let name = format!("role-{number}");
        let text = document(&format!("s3:Get{}", number % 10));
        json!({"RoleName": name, "Arn": format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            "AssumeRolePolicyDocument": trust(ACCOUNT),
            "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": text}]})
    };
    let roles: Vec<Value> = (0..5_000).map(role).collect();
    let mut snapshot = Snapshot::default();
    snapshot.take(&json!({"RoleDetailList": roles}), "").unwrap();
    assert_eq!(snapshot.state.accounts[ACCOUNT].roles.len(), 5_000);
    assert_eq!(snapshot.documents.len(), 11);
}

#[test]
fn every_form_of_a_snapshot_is_read() {
    let mut snapshot = Snapshot::default();
    let scp = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
    let value = json!({
        "Organization": {"MasterAccountId": ACCOUNT, "Parents": [{"Id": "ou-1", "ParentId": "r-1"}],
            "Policies": [{"PolicySummary": {"Id": "p-1", "Name": "all", "Type": "SERVICE_CONTROL_POLICY"},
                "Content": scp.to_string(), "Targets": [{"TargetId": "r-1"}]}]},
        "IdentityCenter": {
            "PermissionSets": [{"PermissionSetArn": "ps", "Name": "Admin", "InlinePolicy": "",
                "AttachedManagedPolicies": [{"Name": "A", "Arn": "arn:a"}]}],
            "AccountAssignments": [{"AccountId": ACCOUNT, "PermissionSetArn": "ps", "PrincipalType": "USER", "PrincipalId": "u"}],
            "GroupMemberships": [{"GroupId": "g", "MemberId": {"UserId": "u"}}]},
        "Resources": [{"Account": ACCOUNT, "Arn": "arn:aws:s3:::b", "Policy": scp}],
    });
    snapshot.take(&value, "others").unwrap();
    let state = &snapshot.state;
    assert_eq!(state.organization.as_ref().unwrap().attached["r-1"].len(), 1);
    assert_eq!(state.identity_center.sets["ps"].attached.len(), 1);
    assert_eq!(state.identity_center.assignments.len(), 1);
    // A resource's policy needs a principal: what AWS would refuse is not known, and the rest is read.
    assert!(matches!(state.accounts[ACCOUNT].resources["arn:aws:s3:::b"], Text::Unknown(_)));
    assert!(snapshot.take(&json!({"a": 1}), "").is_err());
    let whose = snapshot.take(&json!({"RoleDetailList": []}), "").unwrap_err();
    assert!(whose.contains("Account"), "{whose}");
}
