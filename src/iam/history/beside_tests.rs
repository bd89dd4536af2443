//! Stories of what stands beside policies, and of what one thing's event tells of others.

use proptest::prelude::*;

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::history::change::Target;
use crate::iam::history::tests::ACCOUNT;
use crate::iam::history::tests::MIGRATIONS;
use crate::iam::history::tests::START;
use crate::iam::history::tests::account;
use crate::iam::history::tests::document;
use crate::iam::history::tests::iam;
use crate::iam::history::tests::of;
use crate::iam::history::tests::record;
use crate::iam::history::tests::take;
use crate::iam::state::Account;
use crate::store::Store;

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/k-1";
const GROUP: &str = "arn:aws:ec2:eu-central-1:111122223333:security-group/sg-1";
const SHARE: &str = "arn:aws:ram:eu-central-1:111122223333:resource-share/s-1";
const SUBNET: &str = "arn:aws:ec2:eu-central-1:111122223333:subnet/subnet-1";

fn grant(minute: i64, id: &str, grantee: &str) -> String {
    let asked = json!({"keyId": KEY, "granteePrincipal": grantee, "operations": ["Decrypt", "DescribeKey"],
        "constraints": {"encryptionContextSubset": {"Team": "a"}}, "retiringPrincipal": "arn:aws:iam::111122223333:role/ops"});
    record(minute, "kms", "CreateGrant", asked, json!({"grantId": id, "keyId": KEY}))
}

fn foreign() -> String {
    "arn:aws:iam::444455556666:role/reader".to_owned()
}

fn opened(minute: i64, id: &str, port: u16, network: &str) -> String {
    let permission = json!({"items": [{"ipProtocol": "tcp", "fromPort": port, "toPort": port, "groups": {},
        "ipRanges": {"items": [{"cidrIp": network}]}, "ipv6Ranges": {}, "prefixListIds": {}}]});
    let rule = json!({"groupId": "sg-1", "groupOwnerId": ACCOUNT, "securityGroupRuleId": id, "isEgress": false,
        "ipProtocol": "tcp", "fromPort": port, "toPort": port, "cidrIpv4": network});
    let answer = json!({"_return": true, "securityGroupRuleSet": {"items": [rule]}});
    record(
        minute,
        "ec2",
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": "sg-1", "ipPermissions": permission}),
        answer,
    )
}

fn closed(minute: i64, id: &str) -> String {
    let asked = json!({"groupId": "sg-1", "ipPermissions": {},
        "securityGroupRuleIds": {"items": [{"securityGroupRuleId": id}]}});
    record(minute, "ec2", "RevokeSecurityGroupIngress", asked, json!({"_return": true}))
}

fn shared(minute: i64, event: &str, principals: &[&str], resources: &[&str]) -> String {
    let asked = json!({"name": "net", "resourceShareArn": SHARE, "principals": principals, "resourceArns": resources});
    let answer = json!({"resourceShare": {"resourceShareArn": SHARE}});
    record(minute, "ram", event, asked, answer)
}

fn blocked(minute: i64, flags: [bool; 4]) -> String {
    let [acls, policy, ignore, restrict] = flags;
    let asked = json!({"bucketName": "b", "publicAccessBlock": "", "PublicAccessBlockConfiguration": {
        "BlockPublicAcls": acls, "BlockPublicPolicy": policy, "IgnorePublicAcls": ignore, "RestrictPublicBuckets": restrict}});
    record(minute, "s3", "PutBucketPublicAccessBlock", asked, Value::Null)
}

fn rules(history: &History) -> Vec<&str> {
    account(history.now()).networks[GROUP].keys().map(|it| &**it).collect()
}

#[test]
fn a_grant_on_a_key_lets_in_until_it_is_revoked_or_retired() {
    let mut history = of(&[]);
    let made = take(&mut history, &grant(1, "g-1", &foreign()));
    let [Change { target, item, before: None, after: Some(Text::Known(document)), .. }] = &made[..]
    else {
        panic!("{made:?}")
    };
    assert_eq!(*target, Target::Resource { account: ACCOUNT.into(), arn: KEY.into() });
    assert_eq!((&**item, document.statements.len()), ("grant/g-1", 2));
    let first = &document.statements[0];
    assert_eq!(&*first.conditions[0].key, "kms:encryptioncontext:team");
    take(&mut history, &grant(2, "g-2", "arn:aws:iam::111122223333:role/app"));
    assert_eq!(account(history.now()).grants[KEY].len(), 2);
    let revoked = json!({"keyId": KEY, "grantId": "g-1"});
    take(&mut history, &record(3, "kms", "RevokeGrant", revoked, Value::Null));
    // Who retires a grant by its token leaves the id beside.
    let mut retired: Value =
        serde_json::from_str(&record(4, "kms", "RetireGrant", Value::Null, json!({"keyId": KEY})))
            .unwrap();
    retired["additionalEventData"] = json!({"grantId": "g-2"});
    take(&mut history, &retired.to_string());
    assert!(account(history.now()).grants.is_empty());
    // The grant is heard of after its end.
    let mut late = of(&[record(
        3,
        "kms",
        "RevokeGrant",
        json!({"keyId": KEY, "grantId": "g-1"}),
        Value::Null,
    )]);
    take(&mut late, &grant(1, "g-1", &foreign()));
    assert!(account(late.now()).grants.is_empty());
}

#[test]
fn what_services_grant_themselves_is_not_kept() {
    for grantee in [
        "rds.amazonaws.com",
        "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        "arn:aws:sts::111122223333:assumed-role/aws:ec2-infrastructure/i-0",
    ] {
        assert_eq!(*of(&[grant(1, "g", grantee)]).now(), State::default(), "{grantee}");
    }
    let mut by_service: Value = serde_json::from_str(&grant(1, "g", &foreign())).unwrap();
    by_service["userIdentity"] = json!({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"});
    assert_eq!(*of(&[by_service.to_string()]).now(), State::default());
}

#[test]
fn a_security_group_has_the_rules_that_were_left() {
    let asked = json!({"groupName": "web", "groupDescription": "web", "vpcId": "vpc-1"});
    let made =
        record(0, "ec2", "CreateSecurityGroup", asked, json!({"groupId": "sg-1", "_return": true}));
    let flat = record(
        3,
        "ec2",
        "AuthorizeSecurityGroupEgress",
        json!({"groupId": "sg-1", "cidrIp": "10.0.0.0/8", "fromPort": 53, "toPort": 53, "ipProtocol": "udp", "ipPermissions": {}}),
        json!({"_return": true}),
    );
    let mut history = of(&[
        made,
        opened(1, "sgr-1", 443, "0.0.0.0/0"),
        opened(2, "sgr-2", 22, "10.1.0.0/16"),
        flat,
    ]);
    let all = [
        "in tcp 22-22 10.1.0.0/16",
        "in tcp 443-443 0.0.0.0/0",
        "out all all 0.0.0.0/0",
        "out udp 53-53 10.0.0.0/8",
    ];
    assert_eq!(rules(&history), all);
    let peers = json!({"groupId": "sg-1", "ipPermissions": {"items": [{"ipProtocol": "-1", "ipRanges": {}, "ipv6Ranges": {},
        "groups": {"items": [{"groupId": "sg-1", "userId": ACCOUNT}, {"groupId": "sg-9", "userId": "444455556666"}]},
        "prefixListIds": {"items": [{"prefixListId": "pl-1"}]}}]}});
    take(
        &mut history,
        &record(4, "ec2", "AuthorizeSecurityGroupIngress", peers.clone(), json!({"_return": true})),
    );
    assert_eq!(
        rules(&history)[..3],
        ["in all all 444455556666/sg-9", "in all all pl-1", "in all all sg-1"]
    );
    take(
        &mut history,
        &record(5, "ec2", "RevokeSecurityGroupIngress", peers, json!({"_return": true})),
    );
    let changed = json!({"ModifySecurityGroupRulesRequest": {"GroupId": "sg-1", "SecurityGroupRule": {
        "SecurityGroupRuleId": "sgr-2", "SecurityGroupRule": {
            "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"}}}});
    take(&mut history, &record(6, "ec2", "ModifySecurityGroupRules", changed, Value::Null));
    take(&mut history, &closed(7, "sgr-1"));
    assert_eq!(
        rules(&history),
        ["in tcp 22-22 0.0.0.0/0", "out all all 0.0.0.0/0", "out udp 53-53 10.0.0.0/8"]
    );
    take(
        &mut history,
        &record(8, "ec2", "DeleteSecurityGroup", json!({"groupId": "sg-1"}), Value::Null),
    );
    assert!(account(history.now()).networks.is_empty());
}

#[test]
fn a_share_lets_its_principals_at_its_resources() {
    let mut history = of(&[shared(1, "CreateResourceShare", &[], &[SUBNET])]);
    let added = take(&mut history, &shared(2, "AssociateResourceShare", &["444455556666"], &[]));
    assert!(
        matches!(&added[..], [Change { target: Target::Resource { arn, .. }, before: None, after: Some(Text::Known(_)), .. }]
            if **arn == *SUBNET),
        "{added:?}"
    );
    let unit = "arn:aws:organizations::999999999999:ou/o-1/ou-abcd-1";
    let more = take(&mut history, &shared(3, "AssociateResourceShare", &[unit], &[]));
    let Some(Text::Known(document)) = &more[0].after else { panic!("{more:?}") };
    assert_eq!(document.statements.len(), 2);
    assert!(
        document
            .statements
            .iter()
            .any(|it| it.conditions.iter().any(|it| &*it.key == "aws:principalorgpaths"))
    );
    take(&mut history, &shared(4, "DisassociateResourceShare", &["444455556666", unit], &[]));
    assert!(account(history.now()).shares[SHARE].principals.is_empty());
    let set = |minute, admits| {
        record(
            minute,
            "ram",
            "UpdateResourceShare",
            json!({"resourceShareArn": SHARE, "allowExternalPrincipals": admits}),
            Value::Null,
        )
    };
    take(&mut history, &set(5, false));
    let open = take(&mut history, &set(6, true));
    assert!(
        matches!(
            &open[..],
            [Change { target: Target::Block { .. }, before: Some(_), after: None, .. }]
        ),
        "{open:?}"
    );
    let gone = take(
        &mut history,
        &record(7, "ram", "DeleteResourceShare", json!({"resourceShareArn": SHARE}), Value::Null),
    );
    assert!(gone.is_empty() && account(history.now()).shares.is_empty());
}

#[test]
fn blocks_are_those_of_the_last_call() {
    let bucket = record(0, "s3", "CreateBucket", json!({"bucketName": "b"}), Value::Null);
    let mut history = of(&[bucket]);
    let of_bucket = |history: &History| account(history.now()).blocks["arn:aws:s3:::b"].len();
    assert_eq!(of_bucket(&history), 4);
    let less = take(&mut history, &blocked(1, [true, false, true, false]));
    assert!(matches!(&less[..], [Change { before: Some(_), after: Some(_), .. }]), "{less:?}");
    assert_eq!(of_bucket(&history), 2);
    assert_eq!(
        take(&mut history, &blocked(2, [true, false, true, false])).len(),
        1,
        "it is told that it is the same"
    );
    take(
        &mut history,
        &record(3, "s3", "DeleteBucketPublicAccessBlock", json!({"bucketName": "b"}), Value::Null),
    );
    assert_eq!(of_bucket(&history), 0);
    let calls = [
        record(
            4,
            "s3",
            "PutAccountPublicAccessBlock",
            json!({"PublicAccessBlockConfiguration": {"BlockPublicAcls": true}}),
            Value::Null,
        ),
        record(
            5,
            "ec2",
            "EnableSnapshotBlockPublicAccess",
            json!({"EnableSnapshotBlockPublicAccessRequest": {"State": "block-all-sharing"}}),
            Value::Null,
        ),
        record(6, "ec2", "EnableImageBlockPublicAccess", json!({}), Value::Null),
        record(
            7,
            "ec2",
            "ModifyVpcBlockPublicAccessOptions",
            json!({"ModifyVpcBlockPublicAccessOptionsRequest": {"InternetGatewayBlockMode": "block-ingress"}}),
            Value::Null,
        ),
        record(8, "ec2", "DisableSnapshotBlockPublicAccess", json!({}), Value::Null),
    ];
    let history = of(&calls);
    let all: Vec<(&str, usize)> =
        account(history.now()).blocks.iter().map(|(arn, blocks)| (&**arn, blocks.len())).collect();
    assert_eq!(
        all,
        [
            ("arn:aws:ec2:eu-central-1:111122223333:image-block-public-access", 1),
            ("arn:aws:ec2:eu-central-1:111122223333:snapshot-block-public-access", 0),
            ("arn:aws:ec2:eu-central-1:111122223333:vpc-block-public-access", 1),
            ("arn:aws:s3::111122223333:public-access-block", 1),
        ]
    );
}

#[test]
fn a_group_that_gets_another_name_takes_its_members_along() {
    let group = |minute, name: &str| iam(minute, "CreateGroup", json!({"groupName": name}));
    let joined = |minute, user: &str, group: &str| {
        iam(minute, "AddUserToGroup", json!({"userName": user, "groupName": group}))
    };
    let renamed = |minute, from: &str, to: &str| {
        iam(minute, "UpdateGroup", json!({"groupName": from, "newGroupName": to}))
    };
    let policy = iam(
        1,
        "PutGroupPolicy",
        json!({"groupName": "ops", "policyName": "own", "policyDocument": document("*")}),
    );
    let records = [
        group(0, "ops"),
        policy,
        joined(2, "ana", "ops"),
        renamed(4, "ops", "run"),
        joined(5, "bea", "run"),
        renamed(6, "run", "care"),
        // Another group under the old name.
        group(7, "ops"),
        joined(8, "eve", "ops"),
        iam(9, "UpdateUser", json!({"userName": "ana", "newUserName": "anna"})),
    ];
    let names = |history: &History| -> Vec<String> {
        let users = &account(history.now()).users;
        users.iter().map(|(user, it)| format!("{user}: {:?}", it.groups)).collect()
    };
    let first = of(&records);
    assert_eq!(names(&first), ["anna: {\"care\"}", "bea: {\"care\"}", "eve: {\"ops\"}"]);
    assert_eq!(account(first.now()).groups["care"].inline.len(), 1);
    assert!(account(first.now()).groups["ops"].inline.is_empty());
    let mut chance = fastrand::Rng::with_seed(5);
    for _ in 0..40 {
        let mut records = records.clone();
        chance.shuffle(&mut records);
        assert_eq!(of(&records).now(), first.now(), "{records:#?}");
    }
    // A new name alone gives nobody anything.
    let mut history = of(&records[..3]);
    assert!(take(&mut history, &records[3]).is_empty());
    // Of somebody whom only the snapshot knows too.
    let mut snapshot = Snapshot::default();
    let arn = |what: &str| format!("arn:aws:iam::{ACCOUNT}:{what}");
    let shown = json!({"UserDetailList": [{"UserName": "ana", "Arn": arn("user/ana"), "GroupList": ["ops"]}],
        "GroupDetailList": [{"GroupName": "ops", "Arn": arn("group/ops")}]});
    snapshot.take(&shown, "").unwrap();
    let mut history = History::new(snapshot);
    take(&mut history, &renamed(4, "ops", "run"));
    assert_eq!(names(&history), ["ana: {\"run\"}"]);
}

#[test]
fn whoever_is_deleted_in_the_identity_store_is_in_no_group() {
    let joined = |minute: i64, group: &str, user: &str| {
        record(
            minute,
            "identitystore",
            "CreateGroupMembership",
            json!({"identityStoreId": "d-1", "groupId": group, "memberId": {"userId": user}}),
            json!({"membershipId": format!("m-{group}-{user}")}),
        )
    };
    let patched = record(
        3,
        "identitystore-scim",
        "PatchGroup",
        json!({"id": "g-2", "tenantId": "t", "httpBody": {"operations": [
            {"op": "add", "path": "members", "value": [{"value": "u-1"}, {"value": "u-2"}, {"value": "u-3"}]},
            {"op": "remove", "path": "members[value eq \"u-3\"]"}]}}),
        Value::Null,
    );
    let gone = [
        record(4, "sso-directory", "DeleteGroup", json!({"groupId": "g-1"}), Value::Null),
        record(5, "identitystore-scim", "DeleteUser", json!({"id": "u-2"}), Value::Null),
    ];
    let mut records = vec![joined(1, "g-1", "u-1"), joined(2, "g-1", "u-2"), patched];
    assert_eq!(of(&records).now().identity_center.members.len(), 2);
    records.extend(gone);
    let mut chance = fastrand::Rng::with_seed(6);
    for _ in 0..30 {
        let history = of(&records);
        let members = &history.now().identity_center.members;
        assert_eq!(format!("{members:?}"), r#"{"g-2": {"u-1"}}"#, "{records:#?}");
        chance.shuffle(&mut records);
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table is one list")]
fn every_row_of_the_table_leads_to_a_policy() {
    let text = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": "*", "Resource": "*"}]})
    .to_string();
    let rows = [
        (
            "ecr",
            "PutRegistryPolicy",
            json!({"policyText": text}),
            "arn:aws:ecr:eu-central-1:111122223333:registry",
        ),
        (
            "glue",
            "PutResourcePolicy",
            json!({"policyInJson": text}),
            "arn:aws:glue:eu-central-1:111122223333:catalog",
        ),
        (
            "schemas",
            "PutResourcePolicy",
            json!({"registryName": "r", "policy": text}),
            "arn:aws:schemas:eu-central-1:111122223333:registry/r",
        ),
        (
            "logs",
            "PutResourcePolicy",
            json!({"policyName": "p", "policyDocument": text}),
            "arn:aws:logs:eu-central-1:111122223333:resource-policy:p",
        ),
        (
            "codeartifact",
            "PutRepositoryPermissionsPolicy",
            json!({"domain": "d", "repository": "r", "policyDocument": text}),
            "arn:aws:codeartifact:eu-central-1:111122223333:repository/d/r",
        ),
        (
            "ec2",
            "ModifyVpcEndpoint",
            json!({"ModifyVpcEndpointRequest": {"VpcEndpointId": "vpce-1", "PolicyDocument": text}}),
            "arn:aws:ec2:eu-central-1:111122223333:vpc-endpoint/vpce-1",
        ),
        (
            "s3",
            "PutAccessPointPolicy",
            json!({"name": "p", "policy": text}),
            "arn:aws:s3:eu-central-1:111122223333:accesspoint/p",
        ),
        (
            "apigateway",
            "UpdateRestApi",
            json!({"restApiId": "a", "patchOperations": [{"op": "replace", "path": "/policy", "value": text}]}),
            "arn:aws:apigateway:eu-central-1::/restapis/a",
        ),
        (
            "mediastore",
            "PutContainerPolicy",
            json!({"containerName": "c", "policy": text}),
            "arn:aws:mediastore:eu-central-1:111122223333:container/c",
        ),
        (
            "ses",
            "PutIdentityPolicy",
            json!({"identity": "example.com", "policyName": "p", "policy": text}),
            "arn:aws:ses:eu-central-1:111122223333:identity/example.com",
        ),
        (
            "events",
            "PutPermission",
            json!({"eventBusName": "b", "policy": text}),
            "arn:aws:events:eu-central-1:111122223333:event-bus/b",
        ),
    ];
    for (service, event, asked, arn) in rows {
        let history = of(&[record(1, service, event, asked, Value::Null)]);
        let known = account(history.now()).resources.get(arn);
        assert!(
            matches!(known, Some(Text::Known(_))),
            "{service}: {:?}",
            account(history.now()).resources
        );
    }
    let statements = [
        (
            "events",
            "PutPermission",
            json!({"statementId": "s", "action": "events:PutEvents", "principal": "*",
            "condition": {"type": "StringEquals", "key": "aws:PrincipalOrgID", "value": "o-1"}}),
        ),
        (
            "signer",
            "AddProfilePermission",
            json!({"profileName": "p", "statementId": "s", "action": "signer:StartSigningJob", "principal": "444455556666"}),
        ),
    ];
    for (service, event, asked) in statements {
        let changes = take(&mut History::default(), &record(1, service, event, asked, Value::Null));
        assert!(
            matches!(&changes[..], [Change { item, after: Some(Text::Known(_)), .. }] if **item == *"statement/s"),
            "{service}: {changes:?}"
        );
    }
}

#[test]
fn snapshots_tell_what_records_would_have() {
    let mut snapshot = Snapshot::default();
    let shown = json!({
        "Region": "eu-central-1",
        "Grants": [
            {"KeyId": KEY, "GrantId": "g-1", "GranteePrincipal": foreign(), "Operations": ["DescribeKey", "Decrypt"],
                "RetiringPrincipal": "arn:aws:iam::111122223333:role/ops", "Constraints": {"EncryptionContextSubset": {"Team": "a"}}},
            {"KeyId": KEY, "GrantId": "g-2", "GranteePrincipal": "rds.amazonaws.com", "Operations": ["Decrypt"]}],
        "SecurityGroups": [{"GroupId": "sg-1", "OwnerId": ACCOUNT, "IpPermissionsEgress": [{"IpProtocol": "-1",
                "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}],
            "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]}],
        "SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-1", "GroupOwnerId": ACCOUNT, "IsEgress": false,
            "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv4": "0.0.0.0/0"}],
        "resourceShares": [{"resourceShareArn": SHARE, "name": "net", "allowExternalPrincipals": true, "status": "ACTIVE"}],
        "resourceShareAssociations": [
            {"resourceShareArn": SHARE, "associatedEntity": SUBNET, "associationType": "RESOURCE", "status": "ASSOCIATED"},
            {"resourceShareArn": SHARE, "associatedEntity": "444455556666", "associationType": "PRINCIPAL", "status": "ASSOCIATED"},
            {"resourceShareArn": SHARE, "associatedEntity": "999988887777", "associationType": "PRINCIPAL", "status": "DISASSOCIATED"}],
        "PublicAccessBlocks": [{"Account": ACCOUNT, "Bucket": "b", "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": true, "IgnorePublicAcls": true, "BlockPublicPolicy": true, "RestrictPublicBuckets": true}}],
    });
    snapshot.take(&shown, "others").unwrap();
    let told = of(&[
        grant(1, "g-1", &foreign()),
        record(
            1,
            "ec2",
            "CreateSecurityGroup",
            json!({"vpcId": "vpc-1"}),
            json!({"groupId": "sg-1"}),
        ),
        opened(2, "sgr-1", 443, "0.0.0.0/0"),
        shared(3, "CreateResourceShare", &["444455556666"], &[SUBNET]),
        record(4, "s3", "CreateBucket", json!({"bucketName": "b"}), Value::Null),
    ]);
    assert_eq!(account(&snapshot.state), account(told.now()));
    // A rule whose id the snapshot told is ended by it.
    let mut history = History::new(snapshot);
    take(&mut history, &closed(5, "sgr-1"));
    assert_eq!(rules(&history), ["out all all 0.0.0.0/0"]);
    let mut bare = Snapshot::default();
    let wrong = bare
        .take(&json!({"SecurityGroups": [{"GroupId": "sg-1", "OwnerId": ACCOUNT}]}), "")
        .unwrap_err();
    assert!(wrong.contains("Region"), "{wrong}");
}

/// One of the calls, by a number.
fn any_call(minute: i64, what: u8, which: u8) -> String {
    let id = format!("x-{}", which % 3);
    let ports = [22, 80, 443];
    let port = ports[usize::from(which % 3)];
    match what % 12 {
        0 => grant(minute, &id, &foreign()),
        1 => {
            record(minute, "kms", "RevokeGrant", json!({"keyId": KEY, "grantId": id}), Value::Null)
        }
        2 => opened(minute, &id, port, "0.0.0.0/0"),
        3 => closed(minute, &id),
        4 => record(
            minute,
            "ec2",
            "CreateSecurityGroup",
            json!({"vpcId": "v"}),
            json!({"groupId": "sg-1"}),
        ),
        5 => record(minute, "ec2", "DeleteSecurityGroup", json!({"groupId": "sg-1"}), Value::Null),
        6 => shared(
            minute,
            "AssociateResourceShare",
            &[&format!("44445555666{}", which % 3)],
            &[SUBNET],
        ),
        7 => shared(
            minute,
            "DisassociateResourceShare",
            &[&format!("44445555666{}", which % 3)],
            &[],
        ),
        8 => blocked(minute, [which & 1 > 0, which & 2 > 0, which & 4 > 0, which & 8 > 0]),
        9 => iam(
            minute,
            "AddUserToGroup",
            json!({"userName": "ana", "groupName": format!("g{}", which % 3)}),
        ),
        10 => iam(
            minute,
            "UpdateGroup",
            json!({"groupName": format!("g{}", which % 3), "newGroupName": format!("g{}", (which % 3 + 1) % 3)}),
        ),
        _ => record(
            minute,
            "identitystore",
            if which.is_multiple_of(4) { "DeleteGroup" } else { "AddMemberToGroup" },
            json!({"groupId": format!("g{}", which % 2), "member": {"memberId": format!("u{}", which % 3)}}),
            Value::Null,
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_what_stands_beside_leads_to_the_same_state(
        calls in prop::collection::vec((any::<u8>(), any::<u8>()), 1..40),
        seed in any::<u64>(),
    ) {
        let records: Vec<String> = (0..).zip(&calls).map(|(minute, (what, which))| any_call(minute, *what, *which)).collect();
        let first = of(&records);
        let mut shuffled = records.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(&folder.path().join("a.db"), &MIGRATIONS).unwrap();
        let mut history = History::default();
        for (number, record) in shuffled.iter().enumerate() {
            take(&mut history, record);
            if number % 13 == 7 {
                let tx = store.begin().unwrap();
                history.save(&tx).unwrap();
                tx.commit().unwrap();
                history = History::load(Snapshot::default(), store.connection()).unwrap();
            }
        }
        let known = |state: &State| -> BTreeMap<Box<str>, Account> {
            let mut accounts = state.accounts.clone();
            // An account of which nothing stands may be there or not.
            accounts.retain(|_, it| *it != Account::default());
            accounts
        };
        prop_assert_eq!(known(history.now()), known(first.now()));
        prop_assert_eq!(&history.now().identity_center, &first.now().identity_center);
        // Told twice, nothing changes.
        for record in &records {
            prop_assert!(take(&mut history, record).is_empty());
        }
    }
}

/// A snapshot of one moment, with what each list of it speaks of.
fn taken(members: Value) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut file = members;
    file["Taken"] = START.plus(Span(86_400)).to_string().into();
    snapshot.take(&file, ACCOUNT).unwrap();
    snapshot
}

#[test]
fn that_one_list_was_read_says_nothing_of_another() {
    let key = format!("arn:aws:kms:eu-central-1:{ACCOUNT}:key/k-1");
    let set = "arn:aws:sso:::permissionSet/ssoins-1/ps-1";
    let records = [
        record(
            1,
            "ec2",
            "CreateSecurityGroup",
            json!({"groupName": "g"}),
            json!({"groupId": "sg-1"}),
        ),
        record(
            1,
            "kms",
            "CreateGrant",
            json!({"keyId": key, "granteePrincipal": "arn:aws:iam::777788889999:role/a", "operations": ["Decrypt"]}),
            json!({"grantId": "g-1", "keyId": key}),
        ),
        record(
            1,
            "sso",
            "CreatePermissionSet",
            json!({"name": "s"}),
            json!({"permissionSet": {"permissionSetArn": set}}),
        ),
        record(
            1,
            "ram",
            "CreateResourceShare",
            json!({"name": "s"}),
            json!({"resourceShare": {"resourceShareArn": format!("arn:aws:ram:eu-central-1:{ACCOUNT}:resource-share/s")}}),
        ),
        record(1, "s3", "DeleteAccountPublicAccessBlock", json!({}), Value::Null),
        iam(1, "CreateUser", json!({"userName": "ana"})),
    ];
    let known = json!({"Account": ACCOUNT, "UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [],
        "Policies": [], "Organization": {"MasterAccountId": "999999999999"}});
    let mut history = History::new(taken(known));
    for record in &records {
        take(&mut history, record);
    }
    let state = history.now();
    let there = account(state);
    assert!(there.users.is_empty(), "the snapshot read users and has none");
    assert_eq!((there.networks.len(), there.grants.len()), (1, 1));
    assert_eq!((there.shares.len(), there.blocks.len()), (1, 1));
    assert_eq!(state.identity_center.sets.len(), 1);
    // Where they were read, what is older is in it or gone.
    let known = json!({
        "SecurityGroups": [{"GroupId": "sg-2", "OwnerId": ACCOUNT}], "Region": "eu-central-1",
        "IdentityCenter": {"PermissionSets": []},
    });
    let mut history = History::new(taken(known));
    for record in &records {
        take(&mut history, record);
    }
    assert_eq!(account(history.now()).networks.len(), 1);
    assert!(history.now().identity_center.sets.is_empty());
}
