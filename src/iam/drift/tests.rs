//! What changes beside policies come to, as facts; and what is remembered of permission sets over a restart.

mod places;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::drift::table::NOTED_SCHEMA;
use crate::iam::policy::Text;
use crate::iam::snapshot::Snapshot;
use crate::model::AlertId;
use crate::model::Answer;
use crate::model::Reading;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::store::Migration;
use crate::store::Store;

const ACCOUNT: &str = "111122223333";
const START: Seconds = Seconds(1_772_409_600);
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/k-1";
const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1/ps-1";
const MIGRATIONS: [Migration; 4] = [
    Migration { number: 1, name: "history", sql: crate::iam::history::table::SCHEMA },
    Migration { number: 2, name: "changes", sql: table::SCHEMA },
    Migration { number: 3, name: "provisioning", sql: NOTED_SCHEMA },
    Migration { number: 4, name: "wants", sql: crate::iam::want::table::SCHEMA },
];

/// A daemon's knowledge of policies, with its store.
struct House {
    store: Store,
    drift: Drift,
    known: Snapshot,
    _folder: tempfile::TempDir,
}

impl House {
    /// Begins with an organisation of two accounts and `shown`.
    fn new(shown: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.db"), &MIGRATIONS).unwrap();
        let mut known = Snapshot::default();
        let parents =
            json!([{"Id": ACCOUNT, "ParentId": "r-1"}, {"Id": "444455556666", "ParentId": "r-1"}]);
        known
            .take(
                &json!({"Organization": {"MasterAccountId": "999999999999", "Parents": parents}}),
                "",
            )
            .unwrap();
        if !shown.is_null() {
            known.take(shown, "").unwrap();
        }
        let drift = Self::load(&known, &store);
        Self { store, drift, known, _folder: folder }
    }

    fn load(known: &Snapshot, store: &Store) -> Drift {
        let known = Known { standing: known.clone(), baseline: None };
        let mut config = Config::default();
        config.fetch.omitted = true;
        Drift::load(&config, known, store.connection()).unwrap()
    }

    /// Writes what was learned, and begins anew from it.
    fn restart(&mut self) {
        let tx = self.store.begin().unwrap();
        self.drift.save(&tx, Seconds(i64::MAX)).unwrap();
        tx.commit().unwrap();
        self.drift = Self::load(&self.known, &self.store);
    }

    fn learn(
        &mut self,
        minute: i64,
        (service, name): (&str, &str),
        asked: &Value,
        answered: &Value,
    ) -> Option<Facts> {
        let time = START.plus(Span(minute * 60));
        let text = json!({
            "eventVersion": "1.11", "eventTime": time.to_string(), "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name, "awsRegion": "eu-central-1", "recipientAccountId": ACCOUNT,
            "eventID": format!("{minute}-{name}"), "requestParameters": asked, "responseElements": answered,
        })
        .to_string();
        let slots = Slots::of(&text).unwrap();
        let record = TrailRecord::new(&text, &slots);
        let id = (time, record.id().into());
        let mut facts = Facts::default();
        facts.set("gw.identity.name", "person:ana@example.com");
        facts.set("gw.identity.kind", "person");
        let event = Event { time, record: Record::Trail(record), session: None, facts };
        let nothing = |_: &str, _: &str| false;
        self.drift.learn(&id, &event, &mut std::iter::empty(), &nothing)
    }
}

#[track_caller]
fn text(facts: &Option<Facts>, name: &str) -> String {
    match facts.as_ref().and_then(|facts| facts.get(name)) {
        Some(Fact::Text(text)) => text.clone(),
        Some(Fact::Texts(all)) => all.join("; "),
        other => format!("{other:?}"),
    }
}

fn grant(house: &mut House, minute: i64, grantee: &str) -> Option<Facts> {
    let asked = json!({"keyId": KEY, "granteePrincipal": grantee, "operations": ["Decrypt", "GenerateDataKey"]});
    house.learn(
        minute,
        ("kms", "CreateGrant"),
        &asked,
        &json!({"grantId": format!("g-{minute}"), "keyId": KEY}),
    )
}

#[test]
fn a_grant_on_a_key_is_told_by_whom_it_lets_in() {
    let mut house = House::new(&Value::Null);
    let stranger = grant(&mut house, 1, "arn:aws:iam::777788889999:role/reader");
    assert_eq!(text(&stranger, "gw.policy.target"), KEY);
    assert_eq!(text(&stranger, "gw.policy.worst"), "outside_organization");
    assert_eq!(
        text(&stranger, "gw.policy.classes"),
        "cross_account; data_read_widened; outside_organization"
    );
    let gain = text(&stranger, "gw.policy.gain");
    assert!(gain.contains("kms:Decrypt") && gain.contains("777788889999"), "{gain}");
    assert!(text(&stranger, "gw.policy.undo").starts_with("aws kms revoke-grant --key-id"));
    assert_eq!(
        text(&grant(&mut house, 2, "arn:aws:iam::444455556666:role/a"), "gw.policy.worst"),
        "cross_account"
    );
    assert_eq!(
        text(&grant(&mut house, 3, "arn:aws:iam::111122223333:role/a"), "gw.policy.worst"),
        "data_read_widened"
    );
    assert!(grant(&mut house, 4, "rds.amazonaws.com").is_none(), "a service serves itself");
    // The same once more gives nothing more.
    let again = grant(&mut house, 5, "arn:aws:iam::777788889999:role/reader");
    assert_eq!(text(&again, "gw.policy.change"), "the_same");
    house.restart();
    // While another grant gives the same, the end of one takes nothing back.
    let end = |house: &mut House, minute, id: &str| {
        house.learn(
            minute,
            ("kms", "RevokeGrant"),
            &json!({"keyId": KEY, "grantId": id}),
            &Value::Null,
        )
    };
    assert_eq!(text(&end(&mut house, 6, "g-5"), "gw.policy.undoes"), "None");
    for (minute, id) in [(7, "g-2"), (8, "g-3")] {
        end(&mut house, minute, id);
    }
    let undone = end(&mut house, 9, "g-1");
    assert_eq!(text(&undone, "gw.policy.undoes_worst"), "outside_organization");
    assert!(text(&undone, "gw.policy.removes").contains("kms:Decrypt"));
}

fn opened(house: &mut House, minute: i64, port: u16, network: &str) -> Option<Facts> {
    let asked = json!({"groupId": "sg-1", "ipPermissions": {"items": [{"ipProtocol": "tcp", "fromPort": port, "toPort": port,
        "ipRanges": {"items": [{"cidrIp": network}]}}]}});
    house.learn(minute, ("ec2", "AuthorizeSecurityGroupIngress"), &asked, &json!({"_return": true}))
}

#[test]
fn a_port_that_is_opened_to_the_world_is_told_in_a_line() {
    let mut house = House::new(&Value::Null);
    let open = opened(&mut house, 1, 22, "0.0.0.0/0");
    assert_eq!(text(&open, "gw.policy.adds"), "tcp 22 from 0.0.0.0/0");
    assert_eq!(text(&open, "gw.policy.kind"), "network");
    assert_eq!(
        (text(&open, "gw.policy.worst"), text(&open, "gw.policy.exposes")),
        ("public".into(), "admin_port".into())
    );
    let undo = text(&open, "gw.policy.undo");
    assert!(
        undo.starts_with(
            "aws ec2 revoke-security-group-ingress --group-id sg-1 --region eu-central-1"
        ),
        "{undo}"
    );
    assert!(undo.contains(r#""CidrIp":"0.0.0.0/0""#), "{undo}");
    let inside = opened(&mut house, 2, 22, "10.0.0.0/8");
    assert_eq!(text(&inside, "gw.policy.change"), "the_same", "the world has it already");
    assert_eq!(text(&inside, "gw.policy.exposes"), "None");
    house.restart();
    let asked = json!({"groupId": "sg-1", "cidrIp": "0.0.0.0/0", "fromPort": 22, "toPort": 22, "ipProtocol": "tcp", "ipPermissions": {}});
    let closed =
        house.learn(3, ("ec2", "RevokeSecurityGroupIngress"), &asked, &json!({"_return": true}));
    assert_eq!(text(&closed, "gw.policy.change"), "narrower");
    assert_eq!(text(&closed, "gw.policy.undoes_worst"), "public");
    assert_eq!(text(&opened(&mut house, 4, 443, "0.0.0.0/0"), "gw.policy.exposes"), "port");
}

#[test]
fn a_share_is_told_by_whom_it_lets_in() {
    let mut house = House::new(&Value::Null);
    let subnet = "arn:aws:ec2:eu-central-1:111122223333:subnet/subnet-1";
    let share = "arn:aws:ram:eu-central-1:111122223333:resource-share/s-1";
    let mut associate = |minute, principal: &str| {
        let asked =
            json!({"resourceShareArn": share, "principals": [principal], "resourceArns": [subnet]});
        house.learn(minute, ("ram", "AssociateResourceShare"), &asked, &Value::Null)
    };
    let ours = associate(1, "444455556666");
    assert_eq!(text(&ours, "gw.policy.worst"), "cross_account");
    assert_eq!(
        text(&ours, "gw.policy.gain"),
        format!("account 444455556666: use of what is shared on {subnet}")
    );
    let stranger = associate(2, "777788889999");
    assert_eq!(text(&stranger, "gw.policy.worst"), "outside_organization");
    assert!(
        text(&stranger, "gw.policy.undo").contains("disassociate-resource-share"),
        "{stranger:?}"
    );
    let set = |house: &mut House, minute, admits: bool| {
        let asked = json!({"resourceShareArn": share, "allowExternalPrincipals": admits});
        house.learn(minute, ("ram", "UpdateResourceShare"), &asked, &Value::Null)
    };
    set(&mut house, 3, false);
    let open = set(&mut house, 4, true);
    assert_eq!(text(&open, "gw.policy.worst"), "guardrail_weakened");
    assert_eq!(
        text(&open, "gw.policy.gain"),
        "no longer blocked: principals outside of the organisation"
    );
    assert!(text(&open, "gw.policy.undo").ends_with("--no-allow-external-principals"));
}

#[test]
fn a_block_that_was_there_and_is_gone_is_a_weaker_guardrail() {
    let shown = json!({"PublicAccessBlocks": [{"Account": ACCOUNT, "Bucket": "b", "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true}}]});
    let mut house = House::new(&shown);
    let put = |house: &mut House, minute, bucket: &str, policy: bool| {
        let asked = json!({"bucketName": bucket, "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": policy, "RestrictPublicBuckets": true}});
        house.learn(minute, ("s3", "PutBucketPublicAccessBlock"), &asked, &Value::Null)
    };
    assert_eq!(text(&put(&mut house, 1, "b", true), "gw.policy.change"), "the_same");
    let less = put(&mut house, 2, "b", false);
    assert_eq!(text(&less, "gw.policy.kind"), "access_block");
    assert_eq!(text(&less, "gw.policy.worst"), "guardrail_weakened");
    assert_eq!(text(&less, "gw.policy.gain"), "no longer blocked: BlockPublicPolicy");
    assert!(text(&less, "gw.policy.undo").contains("BlockPublicPolicy=true"));
    assert_eq!(
        text(&put(&mut house, 3, "b", true), "gw.policy.undoes_worst"),
        "guardrail_weakened"
    );
    // Of another bucket nobody knows what stood.
    let untold = put(&mut house, 4, "c", false);
    assert_eq!(text(&untold, "gw.policy.change"), "not_known");
    assert!(text(&untold, "gw.policy.unknown").starts_with("before:"));
    assert_eq!(text(&untold, "gw.policy.worst"), "None");
}

#[test]
fn an_endpoints_policy_is_a_limit() {
    let mut house = House::new(&Value::Null);
    let put = |house: &mut House, minute, action: &str| {
        let text = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}]});
        let asked = json!({"ModifyVpcEndpointRequest": {"VpcEndpointId": "vpce-1", "PolicyDocument": text.to_string()}});
        house.learn(minute, ("ec2", "ModifyVpcEndpoint"), &asked, &Value::Null)
    };
    let narrow = put(&mut house, 1, "s3:GetObject");
    assert_eq!(text(&narrow, "gw.policy.change"), "narrower");
    assert_eq!(text(&put(&mut house, 2, "*"), "gw.policy.worst"), "guardrail_weakened");
}

fn assigned(house: &mut House, minute: i64) {
    let asked = json!({"instanceArn": "i", "targetId": ACCOUNT, "targetType": "AWS_ACCOUNT", "permissionSetArn": SET,
        "principalType": "USER", "principalId": "u"});
    house.learn(minute, ("sso", "CreateAccountAssignment"), &asked, &Value::Null);
}

fn edited(house: &mut House, minute: i64) {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]});
    let asked =
        json!({"instanceArn": "i", "permissionSetArn": SET, "inlinePolicy": policy.to_string()});
    house.learn(minute, ("sso", "PutInlinePolicyToPermissionSet"), &asked, &Value::Null);
}

fn told(house: &mut House, minute: i64) -> Vec<String> {
    let signals = house.drift.signals(START.plus(Span(minute * 60)), &mut std::iter::empty());
    signals
        .into_iter()
        .map(|signal| format!("{} {}", signal.name, signal.parameters["accounts"]))
        .collect()
}

#[test]
fn a_set_that_is_not_provisioned_is_told_once_also_over_a_restart() {
    let day = 24 * 60;
    let mut house = House::new(&Value::Null);
    assigned(&mut house, 1);
    edited(&mut house, 10);
    assert_eq!(told(&mut house, 30), [""; 0], "it may be on its way");
    house.restart();
    assert_eq!(told(&mut house, day), [format!("PermissionSetNotProvisioned [\"{ACCOUNT}\"]")]);
    house.restart();
    assert_eq!(told(&mut house, 2 * day), [""; 0], "it is told once");
    edited(&mut house, 2 * day + 5);
    house.restart();
    let asked = json!({"instanceArn": "i", "permissionSetArn": SET, "targetType": "AWS_ACCOUNT", "targetId": ACCOUNT});
    house.learn(2 * day + 9, ("sso", "ProvisionPermissionSet"), &asked, &Value::Null);
    assert_eq!(told(&mut house, 3 * day), [""; 0]);
}

#[test]
fn an_assignment_provisions_its_set_also_where_a_restart_lies_between() {
    let mut house = House::new(&Value::Null);
    edited(&mut house, 10);
    assigned(&mut house, 20);
    house.restart();
    assert_eq!(told(&mut house, 24 * 60), [""; 0], "the assignment brought it there");
    edited(&mut house, 24 * 60 + 10);
    house.restart();
    assert_eq!(told(&mut house, 3 * 24 * 60).len(), 1);
}

#[test]
fn whose_accounts_are_ours_is_kept_and_follows_the_organisation() {
    let mut house = House::new(&Value::Null);
    let stranger = "arn:aws:iam::777788889999:role/reader";
    assert_eq!(text(&grant(&mut house, 1, stranger), "gw.policy.worst"), "outside_organization");
    let moved = json!({"accountId": "777788889999", "sourceParentId": "r-1", "destinationParentId": "ou-1"});
    house.learn(2, ("organizations", "MoveAccount"), &moved, &Value::Null);
    assert_eq!(
        text(&grant(&mut house, 3, "arn:aws:iam::777788889999:role/other"), "gw.policy.worst"),
        "cross_account"
    );
}

/// An account with a role that has `inline`, as it was read in a minute of the day.
fn account(minute: i64, inline: &Value) -> Value {
    let trust = json!({"Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    json!({
        "Taken": START.plus(Span(minute * 60)).to_string(), "UserDetailList": [], "GroupDetailList": [], "Policies": [],
        "RoleDetailList": [{
            "Path": "/", "RoleName": "Deploy", "RoleId": "AROADEPLOY", "Arn": format!("arn:aws:iam::{ACCOUNT}:role/Deploy"),
            "CreateDate": "2026-01-01T00:00:00Z", "AssumeRolePolicyDocument": trust, "InstanceProfileList": [],
            "RolePolicyList": inline, "AttachedManagedPolicies": [],
        }],
    })
}

fn everything() -> Value {
    json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
}

impl House {
    /// Writes what was learned, and begins again with an account that was read anew.
    fn read_anew(&mut self, shown: &Value) {
        let tx = self.store.begin().unwrap();
        self.drift.save(&tx, Seconds(i64::MAX)).unwrap();
        tx.commit().unwrap();
        self.known = Snapshot::default();
        self.known.take(shown, ACCOUNT).unwrap();
        let known = Known { standing: self.known.clone(), baseline: None };
        let anew = known::Anew::load(known, self.store.connection()).unwrap();
        let at = (&mut std::iter::empty() as &mut dyn Iterator<Item = &str>, Seconds(0));
        self.drift.begin_again(anew, at);
    }

    /// Puts what is not told into a role; returns the name of the question.
    fn puts_what_is_left_out(&mut self, minute: i64) -> String {
        let facts = self.learn(
            minute,
            ("iam", "PutRolePolicy"),
            &json!({"roleName": "Deploy", "policyName": "fix"}),
            &Value::Null,
        );
        assert_eq!(text(&facts, "gw.policy.change"), "not_known");
        let [want] = &self.drift.wants.names()[..] else { panic!("{:?}", self.drift.wants) };
        want.clone()
    }

    fn answered(&mut self, minute: i64, want: &str) -> read::Outcome {
        let at = START.plus(Span(minute * 60));
        let answer = Answer::Text { version: None, text: everything().to_string() };
        let reading = Reading { want: want.to_owned(), at, answer };
        self.drift.read(reading, &mut std::iter::empty())
    }
}

#[test]
fn a_question_outlives_a_snapshot_that_was_taken_before_the_change() {
    let mut house = House::new(&account(0, &json!([])));
    let want = house.puts_what_is_left_out(30);
    house.read_anew(&account(20, &json!([])));
    let outcome = house.answered(31, &want);
    assert_eq!(outcome.name, "read");
    let facts = outcome.signal.map(|signal| signal.facts);
    assert_eq!(text(&facts, "gw.policy.worst"), "admin");
    // It is a grave change like any other: who takes it back is linked to it, also after another snapshot.
    house.read_anew(&account(21, &json!([])));
    let asked = json!({"roleName": "Deploy", "policyName": "fix"});
    house.learn(40, ("iam", "DeleteRolePolicy"), &asked, &Value::Null);
    assert_eq!(house.drift.ledger().closed().len(), 1);
    assert_eq!(house.answered(41, &want).name, "overtaken", "a question is answered once");
}

#[test]
fn where_a_snapshot_knows_the_change_already_the_answer_is_judged_by_what_stands() {
    let mut house = House::new(&account(0, &json!([])));
    let want = house.puts_what_is_left_out(30);
    let id = house.drift.wants.get(&want).map(|want| (want.time, want.event.clone())).unwrap();
    house.drift.wants.told(&id, &AlertId("a".to_owned()));
    house.read_anew(&account(60, &json!([{"PolicyName": "fix", "PolicyDocument": everything()}])));
    // What the role had before is not kept any more, and the signal says so.
    let outcome = house.answered(61, &want);
    assert_eq!(outcome.name, "read");
    let facts = outcome.signal.map(|signal| signal.facts);
    assert_eq!(text(&facts, "gw.policy.worst"), "admin");
    let unknown = facts.as_ref().and_then(|facts| facts.get("gw.policy.unknown"));
    assert!(
        format!("{unknown:?}").contains("before: a snapshot that was taken after"),
        "{facts:?}"
    );
    let closes = outcome.closes.unwrap();
    assert_eq!((closes.id, closes.because), (id, read::Because::Known));
    assert_eq!(closes.alerts, [AlertId("a".to_owned())]);
    let role = &house.drift.state().accounts[ACCOUNT].roles["Deploy"];
    assert!(matches!(role.entity.inline["fix"], Text::Known(_)));
    assert!(house.drift.wants.is_empty());
}

/// A role that may not touch IAM and is bounded, a unit with a guardrail, a bucket that lets in nobody without encryption.
fn guarded() -> House {
    let policy = |statement: Value| json!({"Version": "2012-10-17", "Statement": [statement]});
    let denied = |action: &str| json!({"Effect": "Deny", "Action": action, "Resource": "*"});
    let bound = "arn:aws:iam::111122223333:policy/bound";
    let mut known = json!({
        "Taken": "2026-03-01T00:00:00Z", "Account": ACCOUNT, "UserDetailList": [], "GroupDetailList": [],
        "RoleDetailList": [{"RoleName": "App", "Path": "/", "RoleId": "AROA1", "Arn": "arn:aws:iam::111122223333:role/App",
            "AssumeRolePolicyDocument": policy(json!({"Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": "ec2.amazonaws.com"}})),
            "RolePolicyList": [{"PolicyName": "p", "PolicyDocument": policy(denied("iam:*"))}],
            "PermissionsBoundary": {"PermissionsBoundaryArn": bound}}],
        "Policies": [{"PolicyName": "bound", "Arn": bound, "DefaultVersionId": "v1",
            "PolicyVersionList": [{"VersionId": "v1", "Document": policy(json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}))}]}],
        "Resources": [{"Account": ACCOUNT, "Arn": "arn:aws:s3:::logs", "Policy": policy(json!({"Effect": "Deny",
            "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::logs/*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}))}],
    });
    known["Organization"] = json!({
        "MasterAccountId": "999999999999",
        "Parents": [{"Id": ACCOUNT, "ParentId": "r-1"}, {"Id": "ou-1", "ParentId": "r-1"}],
        "Policies": [{"PolicySummary": {"Id": "p-1", "Name": "trail", "Type": "SERVICE_CONTROL_POLICY"},
            "Content": policy(denied("cloudtrail:*")), "Targets": [{"TargetId": "ou-1"}]}],
    });
    House::new(&known)
}

#[test]
fn what_is_gone_opens_nothing() {
    for (service, name, asked) in [
        ("iam", "DeleteRole", json!({"roleName": "App"})),
        ("iam", "DeletePolicy", json!({"policyArn": "arn:aws:iam::111122223333:policy/bound"})),
        ("s3", "DeleteBucket", json!({"bucketName": "logs"})),
        ("organizations", "DeleteOrganizationalUnit", json!({"organizationalUnitId": "ou-1"})),
        ("organizations", "DeletePolicy", json!({"policyId": "p-1"})),
    ] {
        let facts = guarded().learn(1, (service, name), &asked, &Value::Null);
        assert!(facts.is_some(), "{name}");
        assert_eq!(text(&facts, "gw.policy.worst"), "None", "{name}");
        assert_eq!(text(&facts, "gw.policy.adds"), "None", "{name}");
    }
    for (service, name, asked) in [
        ("iam", "DeleteRolePolicy", json!({"roleName": "App", "policyName": "p"})),
        ("s3", "DeleteBucketPolicy", json!({"bucketName": "logs"})),
        ("organizations", "DetachPolicy", json!({"policyId": "p-1", "targetId": "ou-1"})),
    ] {
        let facts = guarded().learn(1, (service, name), &asked, &Value::Null);
        assert_eq!(text(&facts, "gw.policy.worst"), "guardrail_weakened", "{name}");
    }
}

#[test]
fn whom_a_role_lets_in_is_told_without_a_resource() {
    let mut house = guarded();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "777788889999", "Service": "ec2.amazonaws.com"}}]});
    let asked = json!({"roleName": "App", "policyDocument": trust.to_string()});
    let facts = house.learn(1, ("iam", "UpdateAssumeRolePolicy"), &asked, &Value::Null);
    assert_eq!(text(&facts, "gw.policy.adds"), "account 777788889999: sts:AssumeRole");
}

#[test]
fn of_what_is_made_nothing_is_unknown() {
    let mut house = House::new(&Value::Null);
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": "777788889999"}}]});
    let asked = json!({"roleName": "New", "assumeRolePolicyDocument": trust.to_string()});
    let made = house.learn(1, ("iam", "CreateRole"), &asked, &Value::Null);
    assert_eq!(text(&made, "gw.policy.worst"), "outside_organization");
    assert_eq!(text(&made, "gw.policy.unknown"), "None");
    let asked = json!({"roleName": "Old", "policyDocument": trust.to_string()});
    let untold = house.learn(2, ("iam", "UpdateAssumeRolePolicy"), &asked, &Value::Null);
    assert!(text(&untold, "gw.policy.unknown").contains("before: "));
    let undo = text(&untold, "gw.policy.undo");
    assert!(undo.starts_with("aws iam update-assume-role-policy --role-name Old "), "{undo}");
}

#[test]
fn what_was_opened_on_a_role_ends_with_it() {
    let mut house = guarded();
    let weaker = json!({"roleName": "App", "policyName": "p"});
    house.learn(1, ("iam", "DeleteRolePolicy"), &weaker, &Value::Null);
    assert_eq!(house.drift.ledger().closed(), []);
    house.restart();
    house.learn(2, ("iam", "DeleteRole"), &json!({"roleName": "App"}), &Value::Null);
    let closed = house.drift.ledger().closed();
    assert_eq!(closed.len(), 1);
    assert_eq!(&*closed[0].by.1, "person:ana@example.com");
}

#[test]
fn an_answer_about_what_does_not_stand_any_more_closes_its_alert() {
    // A snapshot does not have it.
    let mut house = House::new(&account(0, &json!([])));
    let want = house.puts_what_is_left_out(30);
    house.read_anew(&account(60, &json!([])));
    let outcome = house.answered(61, &want);
    assert_eq!((outcome.name, outcome.signal), ("overtaken", None));
    assert_eq!(outcome.closes.map(|it| it.because), Some(read::Because::Over));
    // A later call has taken it away, or AWS does not have it any more.
    let mut house = House::new(&account(0, &json!([])));
    let want = house.puts_what_is_left_out(30);
    let asked = json!({"roleName": "Deploy", "policyName": "fix"});
    house.learn(31, ("iam", "DeleteRolePolicy"), &asked, &Value::Null);
    let outcome = house.answered(32, &want);
    assert_eq!(outcome.closes.map(|it| it.because), Some(read::Because::Over));
    let want = house.puts_what_is_left_out(33);
    let at = START.plus(Span(34 * 60));
    let reading = Reading { want, at, answer: Answer::Absent };
    let outcome = house.drift.read(reading, &mut std::iter::empty());
    assert_eq!(outcome.name, "absent");
    assert_eq!(outcome.closes.map(|it| it.because), Some(read::Because::Over));
}

#[test]
fn what_happens_while_a_snapshot_is_loaded_is_not_lost() {
    let mut house = House::new(&account(0, &json!([])));
    let want = house.puts_what_is_left_out(30);
    let tx = house.store.begin().unwrap();
    house.drift.save(&tx, Seconds(i64::MAX)).unwrap();
    tx.commit().unwrap();
    house.drift.expect_anew();
    let mut standing = Snapshot::default();
    standing.take(&account(20, &json!([])), ACCOUNT).unwrap();
    let known = Known { standing, baseline: None };
    let anew = known::Anew::load(known, house.store.connection()).unwrap();
    // A text is read and a policy written before what was loaded takes its place.
    assert_eq!(house.answered(31, &want).name, "read");
    let asked = json!({"roleName": "Deploy", "policyName": "more", "policyDocument": everything().to_string()});
    house.learn(32, ("iam", "PutRolePolicy"), &asked, &Value::Null);
    let before = house.drift.state().clone();
    house.drift.begin_again(anew, (&mut std::iter::empty(), Seconds(0)));
    assert_eq!(house.drift.state().accounts[ACCOUNT].roles, before.accounts[ACCOUNT].roles);
    let role = &house.drift.state().accounts[ACCOUNT].roles["Deploy"];
    assert!(role.entity.inline.values().all(|text| matches!(text, Text::Known(_))));
    assert_eq!(role.entity.inline.len(), 2);
    // It is in the store, too.
    let tx = house.store.begin().unwrap();
    house.drift.save(&tx, Seconds(i64::MAX)).unwrap();
    tx.commit().unwrap();
    let mut again = Snapshot::default();
    again.take(&account(20, &json!([])), ACCOUNT).unwrap();
    let loaded = History::load(again, house.store.connection()).unwrap();
    assert_eq!(loaded.now().accounts[ACCOUNT].roles, before.accounts[ACCOUNT].roles);
}
