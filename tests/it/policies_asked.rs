//! What is asked of policies at a terminal, and of nothing: a name that nobody has, a folder without policies, a wrong flag.
//!
//! Invariant: a question that makes no sense is an error that names its flag or its file, never the answer "nothing".

use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::outside::daemon::House;

/// A house with a snapshot (`snap.json`), a policy in a folder (`held/x.json`) and two folders without any.
fn house() -> House {
    let house = House::new();
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
    ]});
    for folder in ["held", "empty", "bare"] {
        fs::create_dir(house.path(folder)).unwrap();
    }
    fs::write(house.path("held/x.json"), policy.to_string()).unwrap();
    fs::write(house.path("bare/notes.txt"), "no policy").unwrap();
    let ana = json!({
        "Path": "/", "UserName": "ana", "UserId": "AIDAANA", "Arn": "arn:aws:iam::111122223333:user/ana",
        "CreateDate": "2026-01-01T00:00:00Z", "GroupList": [], "AttachedManagedPolicies": [],
        "UserPolicyList": [{"PolicyName": "p", "PolicyDocument": policy}],
    });
    let snapshot = json!({
        "UserDetailList": [ana], "GroupDetailList": [], "RoleDetailList": [], "Policies": [],
    });
    fs::write(house.path("snap.json"), snapshot.to_string()).unwrap();
    house
}

/// Returns how a command ended, what it printed and what it complained of.
fn ended(house: &House, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = house.command(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Holds commands to an exit status, to print nothing, and to name what is wrong.
#[track_caller]
fn refused(house: &House, cases: &[(&[&str], i32, &str)]) {
    for (arguments, status, named) in cases {
        let (code, out, err) = ended(house, arguments);
        assert_eq!((code, &*out), (Some(*status), ""), "{arguments:?}: {err}");
        assert!(err.contains(named), "{arguments:?} says nothing of `{named}`:\n{err}");
    }
}

#[test]
fn a_comparison_with_nothing_is_an_error() {
    let house = house();
    let compare = |one: &'static str, other: &'static str| ["policies", "compare", one, other];
    refused(
        &house,
        &[
            (&compare("empty", "bare"), 2, "empty has no .json file"),
            (&compare("empty", "held"), 2, "empty has no .json file"),
            (&compare("held", "bare"), 2, "bare has no .json file"),
            (&compare("held", "gone"), 2, "gone is not there"),
            (&compare("gone", "held"), 2, "gone is not there"),
            (&compare("held", "held/x.json"), 2, "held/x.json is none"),
            (&compare("gone", "away"), 2, "neither gone nor away"),
            (&compare("held", "snap.json"), 2, "snap.json is a snapshot"),
            (&compare("snap.json", "empty"), 2, "empty"),
        ],
    );
    assert_eq!(ended(&house, &compare("held", "held")).0, Some(0));
    // However its ending is written, a policy is one.
    fs::create_dir(house.path("more")).unwrap();
    fs::copy(house.path("held/x.json"), house.path("more/x.json")).unwrap();
    fs::copy(house.path("held/x.json"), house.path("more/Y.JSON")).unwrap();
    assert_eq!(ended(&house, &compare("held", "more")).0, Some(1));
    // A policy that is gone is one that allows nothing.
    assert_eq!(ended(&house, &compare("held/x.json", "held/y.json")).0, Some(0));
    assert_eq!(ended(&house, &compare("held/y.json", "held/x.json")).0, Some(1));
}

#[test]
fn a_comparison_says_what_each_policy_was_taken_for_and_names_some_of_many_ways() {
    let house = house();
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"},
    ]});
    let everything = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
    ]});
    let encoded: String = trust.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    fs::write(house.path("trust.json"), &encoded).unwrap();
    fs::write(house.path("all.json"), everything.to_string()).unwrap();
    let compare = |one, other| ended(&house, &["policies", "compare", one, other]);
    let (code, out, err) = compare("gone.json", "trust.json");
    assert_eq!(code, Some(1), "{err}");
    assert_eq!(
        out,
        "trust.json (trust) [trust_widened]\n  + allowed now: account 111122223333: sts:AssumeRole\n"
    );
    let (_, out, _) = compare("gone.json", "all.json");
    assert!(out.starts_with("all.json (identity) [escalation, admin, "), "{out}");
    let ways = out.lines().last().unwrap();
    assert!(ways.ends_with(" more (--format json has all)"), "{ways}");
    assert_eq!(out.lines().count(), 3, "{out}");
}

#[test]
fn a_mark_at_the_beginning_of_a_file_is_no_mistake() {
    let house = house();
    for (plain, marked) in [("snap.json", "marked.json"), ("held/x.json", "bare/x.json")] {
        let text = fs::read_to_string(house.path(plain)).unwrap();
        fs::write(house.path(marked), format!("\u{feff}{text}")).unwrap();
        assert_eq!(ended(&house, &["policies", "compare", plain, marked]).0, Some(0), "{plain}");
    }
    let asked = ["policies", "allowed", "--policy", "bare/x.json", "--action", "s3:GetObject"];
    assert_eq!(ended(&house, &asked).1, "allowed\n");
}

/// A role that could do everything from 09:00 to 09:07, as a scan left it in `scan.db`.
fn scanned(house: &House) {
    let snapshot = json!({"UserDetailList": [], "GroupDetailList": [], "Policies": [], "RoleDetailList": [{
        "Path": "/", "RoleName": "Deploy", "RoleId": "AROAEXAMPLE", "Arn": DEPLOY,
        "CreateDate": "2026-01-01T00:00:00Z", "InstanceProfileList": [], "RolePolicyList": [],
        "AttachedManagedPolicies": [], "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ]},
    }]});
    fs::write(house.path("stands.json"), snapshot.to_string()).unwrap();
    let mut dated = snapshot;
    dated["Taken"] = "2026-03-02T12:00:00Z".into();
    fs::write(house.path("dated.json"), dated.to_string()).unwrap();
    let everything = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
    ]});
    let call = |at: &str, name: &str, asked: Value| {
        json!({
            "eventVersion": "1.11", "eventTime": format!("2026-03-02T{at}Z"), "eventSource": "iam.amazonaws.com",
            "eventName": name, "awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.7", "userAgent": "aws-cli/2",
            "eventID": format!("{at}-{name}"), "eventType": "AwsApiCall", "recipientAccountId": "111122223333",
            "readOnly": false, "requestParameters": asked, "responseElements": null,
            "userIdentity": {
                "type": "IAMUser", "principalId": "AIDAANA", "arn": "arn:aws:iam::111122223333:user/ana",
                "accountId": "111122223333", "accessKeyId": "AKIAANA", "userName": "ana",
            },
        })
    };
    let text = everything.to_string();
    let put = json!({"roleName": "Deploy", "policyName": "fix", "policyDocument": text});
    let delete = json!({"roleName": "Deploy", "policyName": "fix"});
    let records =
        [call("09:00:00", "PutRolePolicy", put), call("09:07:00", "DeleteRolePolicy", delete)];
    fs::create_dir(house.path("logs")).unwrap();
    let name = "logs/111122223333_CloudTrail_us-east-1_20260302T0900Z_abcdefghijklmnop.json";
    fs::write(house.path(name), json!({"Records": records}).to_string()).unwrap();
    let scan = ["scan", "logs", "--policies", "stands.json", "--store", "scan.db"];
    let (code, _, err) = ended(house, &scan);
    assert_eq!(code, Some(0), "{err}");
}

const DEPLOY: &str = "arn:aws:iam::111122223333:role/Deploy";

#[test]
fn what_stood_at_a_time_is_told_from_the_store() {
    let house = house();
    scanned(&house);
    let ask = |command: &[&'static str], snapshot, flag, at| {
        let stands = ["--snapshot", snapshot, "--store", "scan.db", flag, at];
        ended(&house, &[command, &stands].concat())
    };
    let allowed =
        ["policies", "allowed", "--principal", DEPLOY, "--action", "iam:CreateUser"].as_slice();
    let (escalations, standing) = (["policies", "escalations"].as_slice(), ["standing"].as_slice());
    for (at, is_there) in [
        ("2026-03-02T08:59:59Z", false),
        ("2026-03-02T09:05:00Z", true),
        ("2026-03-02T09:10:00Z", false),
    ] {
        let (code, out, err) = ask(allowed, "stands.json", "--at", at);
        assert_eq!((code, out.starts_with("allowed\n")), (Some(0), is_there), "{at}: {out}{err}");
        for command in [escalations, standing] {
            let (code, out, err) = ask(command, "stands.json", "--as-of", at);
            assert_eq!((code, out.contains(DEPLOY)), (Some(0), is_there), "{at}: {out}{err}");
        }
    }
    let (_, table, _) = ask(standing, "stands.json", "--as-of", "2026-03-02T09:05:00Z");
    assert!(table.contains("2026-03-02T09:00:00Z"), "since when: {table}");
    // What was before a snapshot is not in it: nothing is answered, least of all "nobody".
    let at = "2026-03-02T09:05:00Z";
    let export = |snapshot| {
        let stands = ["--snapshot", snapshot, "--store", "scan.db", "--as-of", at];
        ended(&house, &[["baseline", "export", "before"].as_slice(), &stands].concat())
    };
    assert_eq!(export("stands.json").0, Some(0));
    let before = fs::read_to_string(house.path("before/111122223333.json")).unwrap();
    assert!(before.contains(r#""PolicyName": "fix""#), "{before}");
    let (code, _, err) = export("dated.json");
    assert!(code == Some(1) && err.contains("2026-03-02T12:00:00Z"), "{err}");
    let without = ["baseline", "export", "after", "--snapshot", "stands.json", "--as-of", at];
    refused(&house, &[(&without, 1, "--as-of")]);
    for (command, flag) in [(allowed, "--at"), (escalations, "--as-of"), (standing, "--as-of")] {
        let (code, out, err) = ask(command, "dated.json", flag, at);
        assert_eq!((code, &*out), (Some(1), ""), "{command:?}: {err}");
        assert!(err.contains("2026-03-02T12:00:00Z"), "{command:?}: {err}");
    }
}

#[test]
fn an_inventory_of_nobody_is_an_error() {
    let house = house();
    let standing = |flag: &'static str, value: &'static str| {
        ["standing", "--snapshot", "snap.json", flag, value]
    };
    refused(
        &house,
        &[
            (&standing("--account", "nonsense"), 2, "--account"),
            (&standing("--account", "999988887777"), 1, "--account"),
            (&standing("--identity", ""), 2, "--identity"),
            (&standing("--identity", "nonsense"), 1, "--identity"),
            (&["standing", "--snapshot", "empty"], 1, "empty has no .json file"),
        ],
    );
    assert_eq!(ended(&house, &standing("--identity", "user/ana")).0, Some(0));
}

#[test]
fn a_flag_that_makes_no_sense_is_named() {
    let house = house();
    let with = |flag: &'static str, value: &'static str| {
        ["policies", "compare", "held", "held", flag, value]
    };
    refused(
        &house,
        &[
            (&with("--account", "nonsense"), 2, "--account"),
            (&with("--organization-account", "111122223333,x"), 2, "--organization-account"),
            (&with("--kind", "nonsense"), 2, "--kind"),
            (&with("--at", "nonsense"), 2, "--at"),
        ],
    );
    let ask = |more: [&'static str; 2]| {
        let asked = ["policies", "allowed", "--snapshot", "snap.json", "--action", "s3:GetObject"];
        let ana = ["--principal", "arn:aws:iam::111122223333:user/ana"];
        let all = [&asked[..], &ana, &more].concat();
        let (code, out, err) = ended(&house, &all);
        assert_eq!((code, &*out), (Some(2), ""), "{more:?}: {err}");
        assert!(err.contains(more[0]), "{more:?}: {err}");
    };
    ask(["--resource", "nonsense"]);
    ask(["--context", "nonsense=x"]);
    ask(["--context", "aws:SourceIp=nonsense"]);
    ask(["--without", ""]);
    ask(["--at", "soon"]);
    let escalations = |flag: &'static str, value: &'static str| {
        ["policies", "escalations", "--snapshot", "snap.json", flag, value]
    };
    refused(
        &house,
        &[
            (&escalations("--account", "nonsense"), 2, "--account"),
            (&escalations("--account", "999988887777"), 1, "--account"),
            (&escalations("--identity", "nonsense"), 1, "--identity"),
            (&escalations("--identity", ""), 2, "--identity"),
            (&escalations("--as-of", "soon"), 2, "--as-of"),
            (&["policies", "escalations", "--snapshot", "empty"], 1, "empty has no .json file"),
        ],
    );
}

#[test]
fn nobody_is_answered_for_whom_there_cannot_be() {
    let house = house();
    let asked = |principal: &str, action: &str| {
        let of = ["policies", "allowed", "--snapshot", "snap.json", "--principal", principal];
        ended(&house, &[&of[..], &["--action", action]].concat())
    };
    for nobody in ["nonsense", "", "arn:aws:s3:::bucket", "arn:aws:iam::111122223333:group/team"] {
        let (code, out, err) = asked(nobody, "s3:GetObject");
        assert_eq!((code, &*out), (Some(2), ""), "{nobody}: {err}");
        assert!(err.contains("--principal"), "{err}");
    }
    let (code, out, err) = asked("arn:aws:iam::111122223333:user/ana", "s3:*");
    assert_eq!((code, &*out), (Some(2), ""), "{err}");
    assert!(err.contains("--action"), "{err}");
    let (code, out, _) = asked("arn:aws:iam::111122223333:user/ana", "s3:GetObjct");
    assert_eq!(code, Some(0));
    assert!(out.contains("s3:GetObjct: no action that is known here"), "{out}");
    // Somebody may come to be of that name: answered, and said first.
    let (code, out, _) = asked("arn:aws:iam::111122223333:user/eve", "s3:GetObject");
    assert_eq!(code, Some(0));
    let first = "nobody: account 111122223333 has no user `eve`; whoever gets that name would be";
    assert_eq!(out.lines().next(), Some(first));
    assert!(asked("arn:aws:iam::111122223333:user/ana", "s3:GetObject").1.starts_with("allowed\n"));
    let of = [
        "policies",
        "allowed",
        "--snapshot",
        "snap.json",
        "--format",
        "json",
        "--action",
        "s3:GetObject",
    ];
    let role = ["--principal", "arn:aws:sts::111122223333:assumed-role/Deploy/run"];
    let answer: Value = serde_json::from_str(&ended(&house, &[&of[..], &role].concat()).1).unwrap();
    assert_eq!(answer["absent"], "account 111122223333 has no role `Deploy`");
}

#[test]
fn a_baseline_of_nothing_and_a_target_that_nobody_has_are_errors() {
    let house = house();
    let stands = ["--snapshot", "snap.json"];
    assert_eq!(
        ended(&house, &[&["baseline", "export", "agreed"], &stands[..]].concat()).0,
        Some(0)
    );
    for what in ["status", "diff"] {
        let asked =
            |more: &[&str]| ended(&house, &[&["baseline", what], &stands[..], more].concat());
        assert_eq!(asked(&["--baseline", "agreed"]).0, Some(0));
        for (more, status, named) in [
            (["--baseline", "empty", "--target", "organization"], 1, "empty has no .json file"),
            (["--baseline", "agreed", "--target", "nonsense"], 1, "--target"),
            (["--baseline", "agreed", "--target", "organization"], 1, "--target"),
            (["--baseline", "agreed", "--target", "999988887777"], 1, "--target"),
            (["--baseline", "agreed", "--target", ""], 2, "--target"),
        ] {
            let (code, out, err) = asked(&more);
            assert_eq!((code, &*out), (Some(status), ""), "{what} {more:?}: {err}");
            assert!(err.contains(named), "{what} {more:?}: {err}");
        }
        for named in ["arn:aws:iam::111122223333:user/ana", "111122223333"] {
            assert_eq!(asked(&["--baseline", "agreed", "--target", named]).0, Some(0), "{named}");
        }
    }
    let approve = |more: &[&'static str]| {
        ended(&house, &[&["baseline", "approve"], &stands[..], more].concat())
    };
    let (code, _, err) = approve(&["--baseline", "new", "--by", "", "--why", "x"]);
    assert!(code == Some(2) && err.contains("--by"), "{err}");
    let (code, _, err) = approve(&["--baseline", "snap.json", "--by", "ana", "--why", "x"]);
    assert!(code == Some(1) && err.contains("snap.json is a file"), "{err}");
    let (code, _, err) =
        approve(&["--baseline", "new", "--by", "ana", "--why", "x", "--target", "nonsense"]);
    assert!(code == Some(1) && err.contains("`nonsense`"), "{err}");
    assert!(!house.path("new").exists(), "what was not agreed on leaves no folder");
    assert_eq!(approve(&["--baseline", "new", "--by", "ana", "--why", "x"]).0, Some(0));
    assert!(house.path("new/approved.ndjson").exists());
}
