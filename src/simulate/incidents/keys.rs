//! IAM users that a stranger has got hold of: by a key, by a password.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::portal::BROWSER;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Place;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::caller::Console;
use crate::simulate::caller::UserKey;
use crate::simulate::diary::Scene;
use crate::simulate::iam::census;
use crate::simulate::incidents::Incident;
use crate::simulate::incidents::Told;
use crate::simulate::incidents::deeds;
use crate::simulate::incidents::deeds::ask;
use crate::simulate::incidents::deeds::ask_for;
use crate::simulate::incidents::deeds::refused;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::GLOBAL;
use crate::simulate::organisation::MANAGEMENT;

/// The incidents of this file.
pub const INCIDENTS: &[&Incident] = &[&LEAKED_ACCESS_KEY, &CONSOLE_LOGIN_WITHOUT_MFA];

static LEAKED_ACCESS_KEY: Incident = Incident {
    name: "leaked_access_key",
    what: "The key of the old user is found by a stranger, who asks what it opens, is refused most of it, and reads a bucket.",
    expect: "The user's key asks around an account from a network that it never came from; the user is named.",
    techniques: &["T1078.004", "T1580", "T1087.004", "T1530"],
    days: 1,
    play: leaked_access_key,
};

static CONSOLE_LOGIN_WITHOUT_MFA: Incident = Incident {
    name: "console_login_without_mfa",
    what: "After some wrong passwords, the emergency user signs in to the console without a second factor, from a country nobody works in.",
    expect: "A sign-in without MFA after a burst of failures, from a network never seen; the user is named.",
    techniques: &["T1110.001", "T1078.004", "T1087.004"],
    days: 1,
    play: console_login_without_mfa,
};

/// Who has found the key, and who has guessed the password.
const STRANGERS: [&str; 2] = ["198.51.100.23", "198.51.100.188"];

fn leaked_access_key(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let ix = org.production();
    let account = org.account(ix);
    let user = UserKey {
        account: account.id.clone(),
        name: census::OLD_USER.to_owned(),
        id: census::user_id(org, ix, census::OLD_USER),
        key: census::old_key(org),
    };
    let by = user.caller(
        STRANGERS[0],
        "aws-cli/1.44.2 md/Botocore#1.42.2 ua/2.1 os/linux#6.12.13-amd64 lang/python#3.13.2",
    );
    let mut told = Told {
        identity: user_identity(account, census::OLD_USER),
        accounts: vec![ix],
        ..Told::default()
    };
    let next = deeds::all_of(scene, &mut told, (&by, ix), (at, 14), survey(account));
    // What it does open is an uploads bucket.
    let bucket = account.buckets.last().expect("an account has buckets");
    let mut loot = vec![deeds::objects(account, bucket)];
    for _ in 0..9 {
        let key = format!("incoming/{}/{}.json", scene.chance.hex(4), scene.chance.hex(12));
        let bytes = scene.chance.between(2_000, 900_000);
        loot.push(deeds::object(account, bucket, &key, bytes));
    }
    deeds::all_of(scene, &mut told, (&by, ix), (Seconds(next.0 + 240), 6), loot);
    told
}

/// Returns what somebody asks who wants to know what a key opens, most of it refused.
fn survey(account: &Account) -> Vec<Written> {
    let id = &account.id;
    let user = census::OLD_USER;
    let arn = format!("arn:aws:iam::{id}:user/{user}");
    let no = |call: Written, action: &str, resource: &str| refused(call, &arn, action, resource);
    let users = format!("arn:aws:iam::{id}:user/");
    vec![
        ask("sts", "GetCallerIdentity"),
        no(ask("iam", "GetUser"), "iam:GetUser", &arn),
        no(ask("iam", "ListAttachedUserPolicies"), "iam:ListAttachedUserPolicies", &arn),
        no(ask("iam", "ListUserPolicies"), "iam:ListUserPolicies", &arn),
        no(ask("iam", "ListUsers"), "iam:ListUsers", &users),
        no(ask("iam", "ListRoles"), "iam:ListRoles", &format!("arn:aws:iam::{id}:role/")),
        no(ask("iam", "GetAccountSummary"), "iam:GetAccountSummary", "*"),
        deeds::buckets(),
        no(
            ask_for("ec2", "DescribeInstances", json!({"instancesSet": {}, "filterSet": {}})),
            "ec2:DescribeInstances",
            "",
        ),
        no(
            ask_for(
                "ec2",
                "DescribeSnapshots",
                json!({
                    "snapshotSet": {}, "ownersSet": {"items": [{"owner": "self"}]}, "sharedUsersSet": {}, "filterSet": {},
                }),
            ),
            "ec2:DescribeSnapshots",
            "",
        ),
        no(ask("secretsmanager", "ListSecrets"), "secretsmanager:ListSecrets", ""),
        no(ask("ssm", "DescribeParameters"), "ssm:DescribeParameters", "*"),
        no(ask("kms", "ListKeys"), "kms:ListKeys", "*"),
        no(ask("lambda", "ListFunctions20150331"), "lambda:ListFunctions", "*"),
        no(ask("dynamodb", "ListTables"), "dynamodb:ListTables", "*"),
        no(ask("ses", "GetSendQuota"), "ses:GetSendQuota", ""),
    ]
}

fn user_identity(account: &Account, user: &str) -> String {
    format!("user:{}/{user}", account.id)
}

fn console_login_without_mfa(scene: &mut Scene<'_>, at: Seconds) -> Told {
    let org = scene.org;
    let account = org.account(MANAGEMENT);
    let user = census::EMERGENCY_USER;
    let id = census::user_id(org, MANAGEMENT, user);
    let mut told = Told {
        identity: user_identity(account, user),
        accounts: vec![MANAGEMENT],
        ..Told::default()
    };
    let place = Place { account: MANAGEMENT, region: GLOBAL };
    let nameless = json!({
        "type": "IAMUser", "principalId": id, "accountId": account.id, "accessKeyId": "", "userName": user,
    });
    let before = Arc::new(Caller::new(&nameless, STRANGERS[1], BROWSER));
    let mut moment = at;
    for _ in 0..6 {
        let failed = Written::sign_in("ConsoleLogin")
            .failing("", "Failed authentication")
            .answering(json!({"ConsoleLogin": "Failure"}));
        let written = at_the_door(failed);
        told.events.push((moment, scene.call(moment, place, &before, written)));
        moment = Seconds(moment.0 + scene.chance.between(22, 70));
    }
    let known = json!({
        "type": "IAMUser", "principalId": id, "arn": format!("arn:aws:iam::{}:user/{user}", account.id),
        "accountId": account.id, "userName": user,
    });
    let signing_in = Arc::new(Caller::new(&known, STRANGERS[1], BROWSER));
    let succeeded = Written::sign_in("ConsoleLogin").answering(json!({"ConsoleLogin": "Success"}));
    told.events.push((moment, scene.call(moment, place, &signing_in, at_the_door(succeeded))));
    let by = in_console(scene, known, moment);
    look_around(scene, &mut told, &by, (MANAGEMENT, Seconds(moment.0 + 12)));
    told
}

/// Adds what is recorded of every try to sign in with a password alone.
fn at_the_door(written: Written) -> Written {
    let more = json!({
        "LoginTo": "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1",
        "MobileVersion": "No", "MFAUsed": "No",
    });
    let tls = json!({
        "tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": "us-east-1.signin.aws.amazon.com",
    });
    written.with("additionalEventData", more).with("tlsDetails", tls)
}

/// Returns the user in the console: a session that began at `started`, without a role behind it.
fn in_console(scene: &mut Scene<'_>, mut known: Value, started: Seconds) -> Arc<Caller> {
    known["accessKeyId"] = json!(scene.chance.key("ASIA"));
    known["sessionContext"] = json!({
        "sessionIssuer": {}, "webIdFederationData": {},
        "attributes": {"creationDate": started.to_string(), "mfaAuthenticated": "false"},
    });
    let caller = Caller::new(&known, STRANGERS[1], BROWSER);
    Arc::new(Caller { console: Console::Yes, ..caller })
}

fn look_around(
    scene: &mut Scene<'_>,
    told: &mut Told,
    by: &Arc<Caller>,
    (account, at): (AccountIx, Seconds),
) {
    let calls = vec![
        ask("iam", "GetAccountSummary"),
        ask("iam", "ListAccountAliases"),
        ask("organizations", "DescribeOrganization"),
        ask("organizations", "ListAccounts"),
        ask_for("iam", "ListUsers", json!({"maxItems": 1_000})),
        ask_for("iam", "ListAccessKeys", json!({"userName": census::EMERGENCY_USER})),
        ask_for("iam", "ListRoles", json!({"maxItems": 1_000})),
        ask("sso", "ListInstances"),
    ];
    deeds::all_of(scene, told, (by, account), (at, 21), calls);
}
