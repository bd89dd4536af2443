//! What is done in an incident: calls with the parameters that CloudTrail records of them.
//!
//! Invariant: a refused call says what AWS says, in the words of its service; IAM, STS and Organizations then leave out
//! what was asked for.

use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Sort;
use crate::simulate::call::Written;
use crate::simulate::caller::Caller;
use crate::simulate::diary::Scene;
use crate::simulate::incidents::Told;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::HOME;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::workloads::Kind;

/// Lets `by` make `calls` in `account`, one after the other from `at` on, `gap` seconds apart more or less; they belong
/// to the incident. Returns the moment after the last.
pub(super) fn all_of(
    scene: &mut Scene<'_>,
    told: &mut Told,
    (by, account): (&Arc<Caller>, AccountIx),
    (at, gap): (Seconds, i64),
    calls: Vec<Written>,
) -> Seconds {
    let mut moment = at;
    for call in calls {
        let place = scene.org.place(account, HOME, call.service);
        told.events.push((moment, scene.call(moment, place, by, call)));
        moment = Seconds(moment.0 + scene.chance.between(gap / 2, gap + gap / 2 + 1).max(1));
    }
    moment
}

/// A call that reads and was asked nothing.
pub(super) fn ask(service: &'static str, name: &'static str) -> Written {
    Written::read(service, name)
}

/// A call that reads, with these parameters.
pub(super) fn ask_for(service: &'static str, name: &'static str, request: Value) -> Written {
    Written::read(service, name).asking(request)
}

/// Reads a secret.
pub(super) fn secret(name: &str) -> Written {
    ask_for("secretsmanager", "GetSecretValue", json!({"secretId": name}))
}

/// Lists the buckets of an account.
pub(super) fn buckets() -> Written {
    let host = format!("s3.{}.amazonaws.com", REGIONS[usize::from(HOME.0)]);
    ask_for("s3", "ListBuckets", json!({"Host": host}))
        .with("additionalEventData", transferred(0, 1_842))
}

/// Lists what is in a bucket: a data event.
pub(super) fn objects(account: &Account, bucket: &str) -> Written {
    let request = json!({
        "list-type": "2", "bucketName": bucket, "Host": host_of(bucket), "encoding-type": "url", "prefix": "",
    });
    Written::data("s3", "ListObjectsV2", Sort::DataRead)
        .asking(request)
        .with("additionalEventData", transferred(0, 21_004))
        .with("resources", in_bucket(account, bucket, ""))
}

/// Reads an object.
pub(super) fn object(account: &Account, bucket: &str, key: &str, bytes: i64) -> Written {
    Written::data("s3", "GetObject", Sort::DataRead)
        .asking(json!({"bucketName": bucket, "Host": host_of(bucket), "key": key}))
        .with("additionalEventData", transferred(0, bytes))
        .with("resources", in_bucket(account, bucket, key))
}

fn host_of(bucket: &str) -> String {
    format!("{bucket}.s3.{}.amazonaws.com", REGIONS[usize::from(HOME.0)])
}

fn transferred(into: i64, out: i64) -> Value {
    json!({
        "SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredIn": into,
        "AuthenticationMethod": "AuthHeader", "bytesTransferredOut": out,
    })
}

fn in_bucket(account: &Account, bucket: &str, key: &str) -> Value {
    let object = match key {
        "" => json!({"type": "AWS::S3::Object", "ARNPrefix": format!("arn:aws:s3:::{bucket}/")}),
        key => json!({"type": "AWS::S3::Object", "ARN": format!("arn:aws:s3:::{bucket}/{key}")}),
    };
    let arn = format!("arn:aws:s3:::{bucket}");
    json!([object, {"accountId": account.id, "type": "AWS::S3::Bucket", "ARN": arn}])
}

/// Returns the name of the `nth` database of an account.
pub(super) fn database(account: &Account, nth: usize) -> String {
    let mut databases = account.workloads.iter().filter(|it| it.kind == Kind::Database);
    databases.nth(nth).map_or_else(|| format!("{}-db", account.name), |it| it.id.clone())
}

/// Sets the master password of a database.
pub(super) fn database_password(name: &str) -> Written {
    let asked = json!({
        "dBInstanceIdentifier": name, "applyImmediately": true, "allowMajorVersionUpgrade": false,
        "masterUserPassword": "****",
    });
    let answer = json!({
        "dBInstanceIdentifier": name, "dBInstanceStatus": "available", "engine": "postgres",
        "pendingModifiedValues": {"masterUserPassword": "****"},
    });
    Written::write("rds", "ModifyDBInstance").asking(asked).answering(answer)
}

/// Restarts a database.
pub(super) fn database_restart(name: &str) -> Written {
    Written::write("rds", "RebootDBInstance")
        .asking(json!({"dBInstanceIdentifier": name}))
        .answering(json!({"dBInstanceIdentifier": name, "dBInstanceStatus": "rebooting", "engine": "postgres"}))
}

/// Writes a new value of a secret.
pub(super) fn secret_written(scene: &mut Scene<'_>, account: &Account, name: &str) -> Written {
    let region = REGIONS[usize::from(HOME.0)];
    let version = crate::simulate::call::EventId(scene.chance.bits()).to_string();
    let arn = format!("arn:aws:secretsmanager:{region}:{}:secret:{name}-x7Kq2f", account.id);
    Written::write("secretsmanager", "PutSecretValue")
        .asking(json!({"clientRequestToken": version, "secretId": name}))
        .answering(json!({"arn": arn}))
}

/// Makes `call` refused to the identity with `arn`, in the words of its service: `action` is what IAM calls it,
/// `resource` what it was refused on, or empty where the service does not say.
pub(super) fn refused(call: Written, arn: &str, action: &str, resource: &str) -> Written {
    let on = match resource {
        "" => String::new(),
        resource => format!(" on resource: {resource}"),
    };
    let why = format!(
        "User: {arn} is not authorized to perform: {action}{on} because no identity-based policy allows the {action} action"
    );
    match call.service {
        "ec2" => {
            let why = format!("You are not authorized to perform this operation. {why}");
            call.failing("Client.UnauthorizedOperation", &why)
        }
        "iam" | "sts" => call.asking(Value::Null).failing("AccessDenied", &why),
        "organizations" => call.asking(Value::Null).failing("AccessDeniedException", &why),
        "s3" | "rds" | "ses" | "sns" => call.failing("AccessDenied", &why),
        _ => call.failing("AccessDeniedException", &why),
    }
}

/// Returns the accounts with workloads, those of `first` before the others.
pub(super) fn accounts_from(org: &Organisation, first: &[AccountIx]) -> Vec<AccountIx> {
    let others = org.workload_accounts().into_iter().filter(|ix| !first.contains(ix));
    first.iter().copied().chain(others).collect()
}

/// Does something to an object, or to the bucket if `key` is empty.
pub(super) fn in_place(
    account: &Account,
    name: &'static str,
    sort: Sort,
    (bucket, key): (&str, &str),
) -> Written {
    let mut request = json!({"bucketName": bucket, "Host": host_of(bucket)});
    let arn = format!("arn:aws:s3:::{bucket}");
    let mut resources = json!([{"accountId": account.id, "type": "AWS::S3::Bucket", "ARN": arn}]);
    if !key.is_empty() {
        request["key"] = json!(key);
        resources = in_bucket(account, bucket, key);
    }
    Written::data("s3", name, sort)
        .asking(request)
        .with("additionalEventData", transferred(0, 0))
        .with("resources", resources)
}
