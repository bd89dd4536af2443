//! What asking the protect surface costs per record: `cargo bench --bench surface`.

use divan::Bencher;
use divan::counter::ItemsCount;
use grantwatch::grants::Act;
use grantwatch::grants::Config;
use grantwatch::grants::Surface;

fn main() {
    divan::main();
}

/// What nearly every record is: nothing is wanted of it.
const EVERYDAY: [&str; 8] = [
    "s3:GetObject",
    "ec2:DescribeInstances",
    "sts:AssumeRole",
    "ssm:UpdateInstanceInformation",
    "logs:CreateLogStream",
    "kms:Decrypt",
    "dynamodb:UpdateItem",
    "newthing:OpenDoor",
];

fn ask(bencher: Bencher<'_, '_>, identity: &str, actions: &[&str]) {
    let surface = Surface::new(&Config::default());
    let acts: Vec<Act<'_>> = actions
        .iter()
        .map(|action| Act {
            identity,
            action,
            account: "111122223333",
            role_arn: "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Developer_0123456789abcdef",
            permission_set: "Developer",
            ..Act::default()
        })
        .collect();
    bencher.counter(ItemsCount::new(acts.len())).bench_local(|| {
        for act in &acts {
            divan::black_box(surface.entry(divan::black_box(act)));
        }
    });
}

#[divan::bench]
fn everyday_by_workload(bencher: Bencher<'_, '_>) {
    ask(bencher, "workload:111122223333/role/App", &EVERYDAY);
}

#[divan::bench]
fn everyday_by_person(bencher: Bencher<'_, '_>) {
    ask(bencher, "person:alice@example.com", &EVERYDAY);
}

#[divan::bench]
fn protected(bencher: Bencher<'_, '_>) {
    ask(bencher, "person:alice@example.com", &["iam:AttachRolePolicy", "cloudtrail:StopLogging"]);
}

/// Once, at the start.
#[divan::bench]
fn make() -> Surface {
    Surface::new(&Config::default())
}
