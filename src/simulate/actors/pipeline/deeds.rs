//! Deployments that change no IAM: functions, containers, buckets, security groups, stacks.
//!
//! Invariant: whatever is opened here is opened to the account's own network or roles.

use serde_json::Value;
use serde_json::json;

use crate::model::Seconds;
use crate::simulate::actors::pipeline::apply::Act;
use crate::simulate::call::AccountIx;
use crate::simulate::call::Written;
use crate::simulate::chance::Chance;
use crate::simulate::diary::Scene;
use crate::simulate::iam::census;
use crate::simulate::organisation::Account;
use crate::simulate::organisation::Organisation;
use crate::simulate::organisation::REGIONS;
use crate::simulate::organisation::workloads::Kind;
use crate::simulate::organisation::workloads::Workload;

/// Returns the call that plans the change of a stack.
pub fn change_set(stack: &str, account: &str) -> Written {
    Written::write("cloudformation", "CreateChangeSet")
        .asking(json!({
            "stackName": "services", "changeSetName": "deploy", "changeSetType": "UPDATE",
            "capabilities": ["CAPABILITY_NAMED_IAM"],
            "templateURL": format!("https://templates-{account}.s3.eu-central-1.amazonaws.com/services.yaml"),
        }))
        .answering(json!({
            "id": stack.replace(":stack/services/", ":changeSet/deploy/"), "stackId": stack,
        }))
}

/// Returns what a function is called that pipelines made.
pub fn function_name(org: &Organisation, account: AccountIx, service: &str) -> String {
    format!("{}-{service}", org.account(account).name)
}

/// Draws one of the services that are functions or tasks.
fn one_of<'a>(scene: &mut Scene<'a>, account: AccountIx, kind: Kind) -> Option<&'a Workload> {
    let mut services = census::services(scene.org.account(account));
    services.retain(|it| it.kind == kind);
    (!services.is_empty()).then(|| *scene.chance.pick(&services))
}

/// Deploys new code of a function.
pub fn function(scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
    let Some(workload) = one_of(scene, act.account, Kind::Function) else { return };
    let account = scene.org.account(act.account);
    let build = scene.chance.hex(12);
    let described = described(account, (&workload.id, &workload.role), (*at, &mut scene.chance));
    let code = json!({
        "functionName": workload.id, "publish": false, "dryRun": false, "architectures": ["arm64"],
        "s3Bucket": format!("builds-{}", account.id), "s3Key": format!("{}/{build}.zip", workload.service),
    });
    let update = Written::write("lambda", "UpdateFunctionCode20150331v2");
    let wait = *at;
    act.call(scene, at, update.asking(code).answering(described.clone()));
    *at = wait + scene.chance.between(4, 15);
    if scene.chance.holds(0.4) {
        let asked = json!({
            "functionName": workload.id, "environment": {}, "timeout": 30, "memorySize": 512,
        });
        let update = Written::write("lambda", "UpdateFunctionConfiguration20150331v2");
        act.call(scene, at, update.asking(asked).answering(described.clone()));
    }
    let publish = Written::write("lambda", "PublishVersion20150331")
        .asking(json!({"functionName": workload.id, "description": build}))
        .answering(described);
    act.call(scene, at, publish);
}

/// Makes the function of a service that is new.
pub fn new_function(
    scene: &mut Scene<'_>,
    act: Act<'_>,
    at: &mut i64,
    (service, role): (&str, &str),
) {
    let account = scene.org.account(act.account);
    let name = function_name(scene.org, act.account, service);
    let asked = json!({
        "functionName": name, "runtime": "nodejs22.x", "handler": "index.handler", "timeout": 30,
        "memorySize": 512, "publish": false, "architectures": ["arm64"], "packageType": "Zip",
        "role": format!("arn:aws:iam::{}:role/{role}", account.id),
        "code": {"s3Bucket": format!("builds-{}", account.id), "s3Key": format!("{service}/first.zip")},
    });
    let answer = described(account, (&name, role), (*at, &mut scene.chance));
    let create = Written::write("lambda", "CreateFunction20150331");
    act.call(scene, at, create.asking(asked).answering(answer));
}

/// Returns a function as Lambda describes it in an answer.
fn described(
    account: &Account,
    (name, role): (&str, &str),
    (at, chance): (i64, &mut Chance),
) -> Value {
    let (home, id) = (REGIONS[0], &account.id);
    json!({
        "functionName": name, "functionArn": format!("arn:aws:lambda:{home}:{id}:function:{name}"),
        "role": format!("arn:aws:iam::{id}:role/{role}"), "runtime": "nodejs22.x",
        "handler": "index.handler", "codeSize": chance.between(200_000, 9_000_000), "timeout": 30,
        "memorySize": 512, "version": "$LATEST", "packageType": "Zip", "architectures": ["arm64"],
        "lastModified": Seconds(at).to_string().replace('Z', ".000+0000"),
        "codeSha256": format!("{}=", chance.letters(43, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")),
        "state": "Active", "lastUpdateStatus": "InProgress",
    })
}

/// Rolls out a new image of a task.
pub fn task(scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
    let Some(workload) = one_of(scene, act.account, Kind::Task) else { return };
    let (home, id) = (REGIONS[0], &scene.org.account(act.account).id);
    let (service, build) = (&workload.service, scene.chance.hex(12));
    let role = |name: &str| format!("arn:aws:iam::{id}:role/{name}");
    // One revision every eight hours keeps the numbers in order without counting them.
    let revision = *at / 28_800 % 100_000;
    let definition = format!("arn:aws:ecs:{home}:{id}:task-definition/{service}:{revision}");
    let register = Written::write("ecs", "RegisterTaskDefinition")
        .asking(json!({
            "family": service, "taskRoleArn": role(&workload.role),
            "executionRoleArn": role(census::TASK_EXECUTION), "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"], "cpu": "512", "memory": "1024",
            "containerDefinitions": [{
                "name": service, "essential": true,
                "image": format!("{id}.dkr.ecr.{home}.amazonaws.com/{service}:{build}"),
            }],
        }))
        .answering(json!({"taskDefinition": {
            "taskDefinitionArn": definition, "family": service, "revision": revision, "status": "ACTIVE",
        }}));
    act.call(scene, at, register);
    let arn = format!("arn:aws:ecs:{home}:{id}:service/main/{service}");
    let update = Written::write("ecs", "UpdateService")
        .asking(json!({"cluster": "main", "service": service, "taskDefinition": definition}))
        .answering(json!({"service": {
            "serviceArn": arn, "serviceName": service, "status": "ACTIVE", "taskDefinition": definition,
        }}));
    act.call(scene, at, update);
}

/// Writes the policy of a bucket: only encrypted connections, and a role of the account itself.
pub fn bucket_policy(scene: &mut Scene<'_>, act: Act<'_>, at: &mut i64) {
    let account = scene.org.account(act.account);
    let bucket = scene.chance.pick(&account.buckets).clone();
    let services = census::services(account);
    let role = &scene.chance.pick(&services).role;
    let everything = [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")];
    let document = json!({"Version": "2012-10-17", "Statement": [
        {
            "Sid": "OnlyEncryptedConnections", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": everything, "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            "Sid": "Service", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
            "Principal": {"AWS": format!("arn:aws:iam::{}:role/{role}", account.id)},
            "Resource": everything[1],
        },
    ]});
    let host = format!("{bucket}.s3.{}.amazonaws.com", REGIONS[0]);
    let resource = json!([{
        "accountId": account.id, "type": "AWS::S3::Bucket", "ARN": everything[0],
    }]);
    let put = Written::write("s3", "PutBucketPolicy")
        .asking(json!({"bucketName": bucket, "bucketPolicy": document, "Host": host, "policy": ""}))
        .with("resources", resource);
    act.call(scene, at, put);
}

/// Returns the call that opens `port` of a group to the account's own network.
pub fn authorize(account: &Account, (group, rule): (&str, &str), port: u16) -> Written {
    let network = format!("10.{}.0.0/16", account.net);
    Written::write("ec2", "AuthorizeSecurityGroupIngress")
        .asking(json!({
            "groupId": group,
            "ipPermissions": {"items": [{
                "ipProtocol": "tcp", "fromPort": port, "toPort": port, "groups": {},
                "ipRanges": {"items": [{"cidrIp": network, "description": "from the VPC"}]},
                "ipv6Ranges": {}, "prefixListIds": {},
            }]},
        }))
        .answering(json!({
            "_return": true,
            "securityGroupRuleSet": {"items": [{
                "groupOwnerId": account.id, "groupId": group, "securityGroupRuleId": rule,
                "description": "from the VPC", "isEgress": false, "ipProtocol": "tcp",
                "fromPort": port, "toPort": port, "cidrIpv4": network,
            }]},
        }))
}

/// Returns the call that takes a rule back.
pub fn revoke(group: &str, rule: &str) -> Written {
    Written::write("ec2", "RevokeSecurityGroupIngress")
        .asking(json!({
            "groupId": group, "ipPermissions": {},
            "securityGroupRuleIds": {"items": [{"securityGroupRuleId": rule}]},
        }))
        .answering(json!({"_return": true}))
}
