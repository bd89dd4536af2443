//! What is held against a baseline, and what becomes part of it.

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::baseline::agree::agree_all;
use crate::iam::baseline::named::Named;
use crate::iam::baseline::named::NamedError;
use crate::iam::baseline::written::files;
use crate::iam::snapshot::Snapshot;
use crate::model::Seconds;

const ROLE: &str = "arn:aws:iam::111122223333:role/Deploy";
const BUCKET: &str = "arn:aws:s3:::reports";
const SET: &str = "arn:aws:sso:::permissionSet/ssoins-1/ps-1";

fn allowing(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}})
}

fn account(action: &str) -> Value {
    let trust = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole",
    }});
    json!({"Account": "111122223333", "RoleDetailList": [{
        "Arn": ROLE, "RoleName": "Deploy", "AssumeRolePolicyDocument": trust,
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": allowing(action)}],
    }]})
}

fn bucket(principal: &str) -> Value {
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:GetObject", "Resource": "*",
    }});
    json!({"Resources": [{"Account": "111122223333", "Arn": BUCKET, "Policy": policy}]})
}

fn organization(denied: &[&str]) -> Value {
    let statements: Vec<Value> = denied
        .iter()
        .map(|action| json!({"Effect": "Deny", "Action": action, "Resource": "*"}))
        .collect();
    let policy = |id: &str, content: Value| {
        json!({
            "PolicySummary": {"Id": id, "Name": id, "Type": "SERVICE_CONTROL_POLICY"},
            "Content": content, "Targets": [{"TargetId": "r-1"}],
        })
    };
    let guard = json!({"Version": "2012-10-17", "Statement": statements});
    json!({"Organization": {"MasterAccountId": "999999999999", "Policies": [
        policy("p-all", allowing("*")), policy("p-guard", guard),
    ]}})
}

fn center(action: &str) -> Value {
    json!({"IdentityCenter": {
        "PermissionSets": [{"PermissionSetArn": SET, "Name": "Own", "InlinePolicy": allowing(action)}],
        "AccountAssignments": [{
            "AccountId": "111122223333", "PermissionSetArn": SET, "PrincipalType": "GROUP", "PrincipalId": "g",
        }],
    }})
}

fn state(files: &[Value]) -> State {
    let mut snapshot = Snapshot::default();
    for file in files {
        snapshot.take(file, "111122223333").unwrap();
    }
    snapshot.state
}

fn found(baseline: &State, now: &State) -> Vec<Departure> {
    let ours = ["111122223333".into()].into();
    let measure = Measure {
        account: "".into(),
        ours: std::sync::Arc::new(ours),
        now: Seconds(1_800_000_000),
    };
    departures(baseline, now, &measure)
}

/// Returns what differs: `+` where more stands, `-` where less does.
fn differing(baseline: &State, now: &State) -> Vec<String> {
    let sign = |it: &Departure| if it.difference.adds.is_empty() { "-" } else { "+" };
    found(baseline, now).iter().map(|it| format!("{}{}", sign(it), it.arn)).collect()
}

fn agreed() -> [Value; 4] {
    let closed = bucket("111122223333");
    [account("s3:GetObject"), closed, organization(&["iam:*", "kms:*"]), center("s3:GetObject")]
}

fn stands() -> [Value; 4] {
    let open = bucket("*");
    [account("s3:*"), open, organization(&["iam:*"]), center("s3:*")]
}

#[test]
fn whatever_stands_otherwise_is_found_and_gone_once_it_is_agreed_on() {
    let (mut agreed, stands) = (state(&agreed()), state(&stands()));
    let all = [format!("+{ROLE}"), format!("+{BUCKET}"), format!("+{SET}"), "+r-1".to_owned()];
    assert_eq!(differing(&agreed, &stands), all);
    agree_all(&mut agreed, &stands);
    assert_eq!(differing(&agreed, &stands), [""; 0]);
    assert_eq!(agreed, stands);
}

#[test]
fn what_is_named_is_agreed_on_and_nothing_else() {
    let stands = state(&stands());
    for (name, place) in [
        (ROLE, ROLE),
        (BUCKET, BUCKET),
        (SET, SET),
        ("identity-center", SET),
        ("organization", "r-1"),
        ("p-guard", "r-1"),
        ("arn:aws:organizations::999999999999:policy/o-1/service_control_policy/p-guard", "r-1"),
        ("r-1", "r-1"),
    ] {
        let mut baseline = state(&agreed());
        let before = differing(&baseline, &stands);
        let named = Named::read(name);
        let covered: Vec<Box<str>> = found(&baseline, &stands)
            .into_iter()
            .filter(|departure| named.covers(departure))
            .map(|departure| departure.arn)
            .collect();
        assert_eq!(covered, [Box::from(place)], "{name}");
        named.agree(&mut baseline, &stands).unwrap();
        let rest: Vec<String> =
            before.into_iter().filter(|it| *it != format!("+{place}")).collect();
        assert_eq!(differing(&baseline, &stands), rest, "{name}");
        assert_eq!(rest.len(), 3, "{name}");
    }
}

#[test]
fn an_account_is_agreed_on_with_its_resources_and_what_is_attached_to_it() {
    let mut baseline = state(&agreed());
    let stands = state(&stands());
    let named = Named::read("111122223333");
    assert_eq!(named.agree(&mut baseline, &stands), Ok(vec!["111122223333".into()]));
    assert_eq!(differing(&baseline, &stands), [format!("+{SET}"), "+r-1".to_owned()]);
}

#[test]
fn nothing_is_agreed_on_that_nobody_has_or_that_would_stand_alone() {
    let (mut baseline, stands) = (state(&[account("s3:*")]), state(&stands()));
    let mut refused = |name: &str| Named::read(name).agree(&mut baseline, &stands).unwrap_err();
    assert_eq!(refused("r-2"), NamedError::Nowhere("r-2".to_owned()));
    assert_eq!(refused("p-none"), NamedError::Nowhere("p-none".to_owned()));
    assert_eq!(refused("444455556666"), NamedError::Nowhere("444455556666".to_owned()));
    assert_eq!(refused(SET), NamedError::Alone { place: "identity-center" });
    assert_eq!(refused("p-guard"), NamedError::Alone { place: "organization" });
    assert_eq!(refused("r-1"), NamedError::Alone { place: "organization" });
    assert_eq!(baseline, state(&[account("s3:*")]));
}

#[test]
fn of_a_partial_account_only_what_it_names_is_held() {
    let mut baseline = state(&[]);
    let mut stands = state(&[account("s3:*")]);
    Named::read(ROLE).agree(&mut baseline, &stands).unwrap();
    assert!(!baseline.accounts["111122223333"].is_whole);
    let account = stands.accounts.get_mut("111122223333").unwrap();
    let mut other = account.roles["Deploy"].clone();
    other.entity.arn = "arn:aws:iam::111122223333:role/Other".into();
    account.roles.insert("Other".into(), other);
    assert_eq!(differing(&baseline, &stands), [""; 0]);
    let less = state(&[self::account("s3:GetObject")]);
    assert_eq!(differing(&baseline, &less), [format!("-{ROLE}")]);
}

#[test]
fn what_no_snapshot_speaks_of_differs_from_nothing() {
    let baseline = state(&stands());
    assert_eq!(differing(&baseline, &state(&[])), [""; 0]);
    assert_eq!(differing(&baseline, &state(&[account("s3:GetObject")])), [format!("-{ROLE}")]);
    let mut merged = state(&agreed());
    agree_all(&mut merged, &state(&[account("s3:*")]));
    let rest = [format!("+{BUCKET}"), format!("+{SET}"), "+r-1".to_owned()];
    assert_eq!(differing(&merged, &baseline), rest);
}

#[test]
fn what_nobody_could_read_when_it_was_agreed_on_differs_from_nothing() {
    let unread = json!({"Account": "111122223333", "RoleDetailList": [{
        "Arn": ROLE, "RoleName": "Deploy", "AssumeRolePolicyDocument": null,
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": {"Unknown": "more than 100 KB"}}],
    }]});
    let baseline = state(&[unread]);
    let role = &baseline.accounts["111122223333"].roles["Deploy"];
    assert_eq!(role.entity.inline["own"], Text::Unknown("more than 100 KB".into()));
    assert_eq!(differing(&baseline, &state(&[account("s3:*")])), [""; 0]);
    assert_eq!(files(&baseline)["111122223333.json"]["Account"], "111122223333");
}

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/k";
const OTHER_KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/other";
const OWN: &str = "arn:aws:iam::111122223333:role/Worker";
const STRANGER: &str = "arn:aws:iam::444455556666:role/Worker";
const GROUP: &str = "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1";
const SUBNET: &str = "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1";
const SHARE: &str = "arn:aws:ram:eu-west-1:111122223333:resource-share/s";
const BLOCK: &str = "arn:aws:s3::111122223333:public-access-block";

/// The policy of a key that lets one role use it.
fn key() -> Value {
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/Admin"},
        "Action": "kms:Encrypt", "Resource": "*",
    }});
    json!({"Resources": [{"Account": "111122223333", "Arn": KEY, "Policy": policy}]})
}

fn grants(all: &[(&str, &str, &str)]) -> Value {
    let all = all.iter().map(|(key, id, grantee)| {
        json!({"KeyId": key, "GrantId": id, "GranteePrincipal": grantee, "Operations": ["Decrypt"]})
    });
    json!({"Grants": all.collect::<Value>()})
}

fn share(principal: &str, admits: bool) -> Value {
    let of = |sort: &str, name: &str| json!({"resourceShareArn": SHARE, "associationType": sort, "associatedEntity": name});
    json!({
        "resourceShares": [{"resourceShareArn": SHARE, "name": "s", "allowExternalPrincipals": admits}],
        "resourceShareAssociations": [of("PRINCIPAL", principal), of("RESOURCE", SUBNET)],
    })
}

fn group(network: &str) -> Value {
    let ranges = json!([{"CidrIp": network}]);
    let port = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges});
    json!({"SecurityGroups": [{"SecurityGroupArn": GROUP, "IpPermissions": [port]}]})
}

fn block(is_on: &[&str]) -> Value {
    let on: Value = is_on.iter().map(|name| ((*name).to_owned(), Value::from(true))).collect();
    json!({"PublicAccessBlocks": [{"Account": "111122223333", "PublicAccessBlockConfiguration": on}]})
}

#[test]
fn grants_are_held_only_where_the_baseline_speaks_of_grants() {
    let whole = |listed: &[(&str, &str, &str)]| state(&[account("s3:*"), key(), grants(listed)]);
    let (own, stranger) = (whole(&[(KEY, "g-1", OWN)]), whole(&[(KEY, "g-1", STRANGER)]));
    let told = [format!("+{KEY}")];
    // Policies alone.
    let policies = state(&[account("s3:*"), key()]);
    assert_eq!(differing(&policies, &own), [""; 0]);
    assert_eq!(differing(&policies, &stranger), [""; 0]);
    // Grants on this key: what they come to, and not which they are.
    let listed = whole(&[(KEY, "g-0", OWN)]);
    assert_eq!(differing(&listed, &own), [""; 0]);
    assert_eq!(differing(&listed, &stranger), told);
    assert_eq!(differing(&whole(&[(KEY, "g-0", STRANGER)]), &own), told);
    // Nobody looked for grants.
    assert_eq!(differing(&listed, &policies), [""; 0]);
    // Grants on another key of the account: ordinary work within it is no difference.
    let other = whole(&[(OTHER_KEY, "g-0", OWN)]);
    let both = |who: &str| whole(&[(OTHER_KEY, "g-0", OWN), (KEY, "g-1", who)]);
    assert_eq!(differing(&other, &both(OWN)), [""; 0]);
    assert_eq!(differing(&other, &both(STRANGER)), told);
    // Of a part of an account, only what is named.
    let part = state(&[key(), grants(&[(OTHER_KEY, "g-0", OWN)])]);
    assert_eq!(differing(&part, &both(STRANGER)), [""; 0]);
}

#[test]
fn a_baseline_of_policies_alone_stays_one_of_policies_alone() {
    let stands = state(&[account("s3:*"), key(), grants(&[(KEY, "g-1", STRANGER)])]);
    let mut baseline = state(&[account("s3:*"), key()]);
    Named::read(KEY).agree(&mut baseline, &stands).unwrap();
    assert_eq!(baseline.accounts["111122223333"].grants.len(), 0);
    // Of a key that it does not have, all is agreed on; and of one whose grants it lists.
    let mut baseline = state(&[account("s3:*")]);
    Named::read(KEY).agree(&mut baseline, &stands).unwrap();
    assert_eq!(baseline.accounts["111122223333"].grants[KEY].len(), 1);
    assert_eq!(differing(&baseline, &stands), [""; 0]);
    let mut baseline = state(&[account("s3:*"), key(), grants(&[(KEY, "g-0", OWN)])]);
    Named::read(KEY).agree(&mut baseline, &stands).unwrap();
    assert_eq!(differing(&baseline, &stands), [""; 0]);
}

#[test]
fn what_stands_beside_policies_is_held_and_agreed_on_by_name() {
    let closed = [account("s3:*"), share("111122223333", false), group("10.0.0.0/8")];
    let open = [account("s3:*"), share("444455556666", true), group("0.0.0.0/0")];
    let with = |files: &[Value], on: &[&str]| state(&[files, &[block(on)]].concat());
    let agreed = with(&closed, &["BlockPublicAcls", "BlockPublicPolicy"]);
    let stands = with(&open, &["BlockPublicAcls"]);
    let all = [SUBNET, GROUP, SHARE, BLOCK].map(|arn| format!("+{arn}"));
    assert_eq!(differing(&agreed, &stands), all);
    for (name, its) in
        [(GROUP, &[GROUP][..]), (SHARE, &[SUBNET, SHARE]), (BLOCK, &[BLOCK]), (SUBNET, &[SUBNET])]
    {
        let mut baseline = agreed.clone();
        let named = Named::read(name);
        let mut covered: Vec<Departure> = found(&agreed, &stands);
        covered.retain(|departure| named.covers(departure));
        let covered: Vec<&str> = covered.iter().map(|departure| &*departure.arn).collect();
        assert_eq!(covered, its, "{name}");
        named.agree(&mut baseline, &stands).unwrap();
        let rest: Vec<&String> =
            all.iter().filter(|it| its.iter().all(|arn| !it.ends_with(arn))).collect();
        assert_eq!(differing(&baseline, &stands).iter().collect::<Vec<_>>(), rest, "{name}");
    }
    // A baseline that has none of it says nothing of it.
    assert_eq!(differing(&state(&[account("s3:*")]), &stands), [""; 0]);
    let mut none = state(&[]);
    assert_eq!(
        Named::read(SHARE).agree(&mut none, &state(&[])),
        Err(NamedError::Nowhere(SHARE.to_owned()))
    );
}
