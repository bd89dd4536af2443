//! The permissions that `deploy/iam-policy.json` grants are enough; where one is missing, the log says so and nothing
//! is deleted.
//!
//! A server of its own, because it checks permissions.

use serde_json::Value;
use serde_json::json;

use crate::files;
use crate::outside::aws::Wiring;
use crate::outside::daemon::House;
use crate::outside::deliveries;
use crate::outside::moto::Enforced;
use crate::outside::moto::Moto;
use crate::outside::permissions;
use crate::outside::stage::Stage;

const EXTERNAL_ID: &str = "grantwatch-of-these-tests";

/// Returns the shipped policy for one bucket and queue, read as an operator reads it: names are replaced, no more.
fn shipped(bucket: &str, queue_arn: &str) -> Value {
    let text = files::text("deploy/iam-policy.json");
    let mut policy: Value = serde_json::from_str(&text).unwrap();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        let resources = match statement["Resource"].take() {
            Value::Array(resources) => resources,
            one => vec![one],
        };
        let replaced =
            resources.iter().map(|arn| replace(arn.as_str().unwrap(), bucket, queue_arn));
        statement["Resource"] = replaced.collect();
    }
    policy
}

fn replace(arn: &str, bucket: &str, queue_arn: &str) -> Value {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.get(2) {
        Some(&"sqs") => json!(queue_arn),
        Some(&"s3") => match parts[5].split_once('/') {
            Some((_, below)) => json!(format!("arn:aws:s3:::{bucket}/{below}")),
            None => json!(format!("arn:aws:s3:::{bucket}")),
        },
        _ => json!(arn),
    }
}

/// Returns `policy` without one action.
fn without(policy: &Value, action: &str) -> Value {
    let mut less = policy.clone();
    let mut found = false;
    for statement in less["Statement"].as_array_mut().unwrap() {
        let actions = match statement["Action"].take() {
            Value::Array(actions) => actions,
            one => vec![one],
        };
        found |= actions.contains(&json!(action));
        statement["Action"] = actions.into_iter().filter(|known| known != action).collect();
    }
    assert!(found, "the policy does not grant {action}: {policy:#}");
    less["Statement"].as_array_mut().unwrap().retain(|it| it["Action"] != json!([]));
    less
}

/// Returns a stage whose daemon has the keys of a user who may do nothing but assume a role, and the role's name.
fn assuming(moto: &Moto) -> (Stage, String) {
    let aws = moto.aws();
    let (bucket, queue) = aws.wired(Wiring::Queue);
    let name = format!("grantwatch-{}", bucket.name);
    let policy = shipped(&bucket.name, &queue.arn);
    let user = format!("{name}-user");
    permissions::role(aws, &name, &user, EXTERNAL_ID, &policy);
    let keys = permissions::user(aws, &user, &name);
    let role = permissions::arn("role", &name);
    let mut stage = Stage::with(aws, &aws.url(), bucket, queue);
    let more = format!("role_arn = \"{role}\"\nexternal_id = \"{EXTERNAL_ID}\"");
    stage.house =
        House::new().reading(&aws.url(), &stage.queue.url, &more).telling(&stage.siem.url(), "");
    stage.house.set("AWS_ACCESS_KEY_ID", &keys.id);
    stage.house.set("AWS_SECRET_ACCESS_KEY", &keys.secret);
    (stage, name)
}

#[test]
fn the_shipped_policy_is_enough_and_what_is_missing_is_told() {
    let moto = Moto::start();
    let (stage, role) = assuming(&moto);
    let expected = stage.deliver([1, 2]);
    moto.enforce_permissions(Enforced::FromNowOn);
    let mut daemon = stage.house.run();
    daemon.await_that("the alerts", |_| stage.siem.ids() == expected);
    moto.enforce_permissions(Enforced::No);
    stage.await_drained(&mut daemon);
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    assert!(!log.contains("AccessDenied") && !log.contains("not authorized"), "{log}");

    let whole = shipped(&stage.bucket.name, &stage.queue.arn);
    // This one is for warnings only.
    permissions::change(stage.aws, &role, &without(&whole, "sqs:GetQueueAttributes"));
    let expected = stage.deliver([3]);
    moto.enforce_permissions(Enforced::FromNowOn);
    let mut daemon = stage.house.run();
    daemon.await_word("could not look at the queue's set-up");
    daemon.await_that("the alert", |_| stage.siem.ids().is_superset(&expected));
    moto.enforce_permissions(Enforced::No);
    stage.await_drained(&mut daemon);
    drop(daemon);

    for (round, action) in (1..).zip(["s3:GetObject", "sqs:ReceiveMessage", "sqs:DeleteMessage"]) {
        permissions::change(stage.aws, &role, &without(&whole, action));
        let number = 10 + round;
        let expected = stage.deliver([number]);
        moto.enforce_permissions(Enforced::FromNowOn);
        let mut daemon = stage.house.run();
        daemon.await_that("a word about what is missing", |daemon| {
            // Whole phrases: a bare `403` is in the fraction of a second of many a line of the log.
            ["HTTP status 403", "access is denied", "not authorized"]
                .map(|it| daemon.said(it))
                .contains(&true)
        });
        moto.enforce_permissions(Enforced::No);
        let depth = stage.queue.depth();
        assert_eq!(depth.waiting + depth.hidden, 1, "without {action} it deleted all the same");
        let read = stage.house.store().ledger();
        let is_read = read.iter().any(|(at, _)| at.ends_with(&deliveries::key(number)));
        assert_eq!(is_read, action == "sqs:DeleteMessage", "{action}");
        drop(daemon);
        // With the permission back, nothing has been lost.
        permissions::change(stage.aws, &role, &whole);
        moto.enforce_permissions(Enforced::FromNowOn);
        let mut daemon = stage.house.run();
        daemon.await_that("the alert", |_| stage.siem.ids().is_superset(&expected));
        moto.enforce_permissions(Enforced::No);
        stage.await_drained(&mut daemon);
    }
    stage.siem.assert_no_faults();
}

#[test]
fn the_shipped_policy_grants_nothing_more_than_reading() {
    let policy: Value = serde_json::from_str(&files::text("deploy/iam-policy.json")).unwrap();
    let known = [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:ChangeMessageVisibility",
        "sqs:GetQueueAttributes",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "kms:Decrypt",
    ];
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        let actions = statement["Action"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![statement["Action"].clone()]);
        for action in actions {
            assert!(known.contains(&action.as_str().unwrap()), "{action} is new");
        }
        let all = [json!("*"), json!(["*"])];
        assert!(
            !all.contains(&statement["Resource"]),
            "a statement for every resource: {statement:#}"
        );
    }
}
