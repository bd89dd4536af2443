//! What an inventory of standing privilege costs: `cargo bench --bench standing`.
//!
//! An organisation of 100 accounts, users and roles by halves: most have managed policies that many share, one in ten an
//! inline policy of its own, one in twenty may take roles by a pattern, one in fifty is an administrator. Memory is what the
//! process has at most, less what the organisation itself takes.

use std::fs;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use grantwatch::iam::Document;
use grantwatch::iam::Kind;
use grantwatch::iam::State;
use grantwatch::iam::escalation::Everywhere;
use grantwatch::iam::policy::Text;
use grantwatch::iam::standing::Asking;
use grantwatch::iam::standing::Unseen;
use grantwatch::iam::standing::expected_names;
use grantwatch::iam::standing::inventory;
use grantwatch::iam::standing::inventory_of;
use grantwatch::iam::standing::touched::Scope;
use grantwatch::iam::state::Account;
use grantwatch::iam::state::Entity;
use grantwatch::iam::state::Managed;
use grantwatch::iam::state::Role;
use grantwatch::iam::state::User;
use grantwatch::model::Seconds;

const NOW: Seconds = Seconds(1_767_225_600);
const ACCOUNTS: usize = 100;
const PRINCIPALS: [usize; 2] = [10_000, 100_000];

fn main() {
    divan::main();
}

fn text(statements: &str, kind: Kind) -> Text {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
    Text::Known(Arc::new(Document::parse(&text, kind).expect("it is written here")))
}

fn allow(actions: &str, resource: &str) -> Text {
    let statement = format!(r#"{{"Effect":"Allow","Action":{actions},"Resource":"{resource}"}}"#);
    text(&statement, Kind::Identity)
}

const MANAGED: [&str; 8] = [
    r#"["s3:Get*","s3:List*"]"#,
    r#"["ec2:*","autoscaling:*"]"#,
    r#"["lambda:*","logs:*","iam:PassRole"]"#,
    r#"["dynamodb:*","sqs:*","sns:Publish"]"#,
    r#"["kms:Decrypt","kms:Encrypt","secretsmanager:GetSecretValue"]"#,
    r#"["cloudformation:*","iam:Get*","iam:List*"]"#,
    r#"["iam:*AccessKey*","iam:PutUserPolicy"]"#,
    r#"["cloudwatch:*","events:*"]"#,
];

/// Returns what holder number `at` of an account has.
fn entity(id: &str, sort: &str, at: usize) -> Entity {
    let mut entity = Entity {
        arn: format!("arn:aws:iam::{id}:{sort}/{sort}{at}").into(),
        created: Some(Seconds(NOW.0 - 1_000_000)),
        ..Entity::default()
    };
    for step in [1, 3] {
        let policy = (at * step) % MANAGED.len();
        entity.attached.insert(format!("arn:aws:iam::{id}:policy/managed{policy}").into());
    }
    if at % 10 == 1 {
        let own = allow(r#"["s3:*","kms:*"]"#, &format!("arn:aws:s3:::bucket-{id}-{at}/*"));
        entity.inline.insert("own".into(), own);
    }
    if at % 20 == 2 {
        let roles = format!("arn:aws:iam::{id}:role/role{}*", at % 7 + 1);
        entity.inline.insert("take".into(), allow(r#""sts:AssumeRole""#, &roles));
    }
    if at % 50 == 3 {
        entity.inline.insert("admin".into(), allow(r#""*""#, "*"));
    }
    entity
}

fn account(id: &str, holders: usize) -> Account {
    let trusted = |by: &str| {
        let principal =
            format!(r#"{{"Effect":"Allow","Principal":{by},"Action":"sts:AssumeRole"}}"#);
        text(&principal, Kind::Trust)
    };
    let root = trusted(&format!(r#"{{"AWS":"{id}"}}"#));
    let lambda = trusted(r#"{"Service":"lambda.amazonaws.com"}"#);
    let mut all = Account { is_whole: true, ..Account::default() };
    for at in 0..holders / 2 {
        let user = User { entity: entity(id, "user", at), ..User::default() };
        all.users.insert(format!("user{at}").into(), user);
        let trust = if at % 4 == 0 { root.clone() } else { lambda.clone() };
        let role = Role { entity: entity(id, "role", at), trust, last_used: None };
        all.roles.insert(format!("role{at}").into(), role);
    }
    for (at, actions) in MANAGED.iter().enumerate() {
        let versions = [("v1".into(), allow(actions, "*"))].into();
        let managed = Managed { versions, default: "v1".into() };
        all.policies.insert(format!("arn:aws:iam::{id}:policy/managed{at}").into(), managed);
    }
    all
}

fn organisation(principals: usize) -> State {
    let accounts = (0..ACCOUNTS).map(|at| {
        let id = format!("{:012}", 111_111_111_000_usize + at);
        (id.clone().into(), account(&id, principals / ACCOUNTS))
    });
    State { accounts: accounts.collect(), ..State::default() }
}

/// Returns the most memory that the process had, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

#[divan::bench(args = PRINCIPALS, sample_count = 1, sample_size = 1)]
fn standing(bencher: Bencher<'_, '_>, principals: usize) {
    let state = organisation(principals);
    let before = peak();
    let expected = expected_names();
    let asking = Asking { now: NOW, depth: 4, expected: &expected };
    let protected = |action: &str, _: &str| {
        ["iam:", "kms:", "sts:", "organizations:"].iter().any(|it| action.starts_with(it))
    };
    let mut told = 0_usize;
    bencher.counter(ItemsCount::new(principals)).bench_local(|| {
        inventory(&state, &protected, &Unseen, &asking, |row| told += usize::from(row.actions > 0));
    });
    eprintln!(
        "{principals} principals: {told} told, {} MiB beside the state's {before}",
        peak() - before
    );
}

/// What the inventory of a day pays where one account was changed since the one before.
#[divan::bench(args = PRINCIPALS, sample_count = 3, sample_size = 1)]
fn one_account_touched(bencher: Bencher<'_, '_>, principals: usize) {
    let state = organisation(principals);
    let expected = expected_names();
    let asking = Asking { now: NOW, depth: 4, expected: &expected };
    let protected = |action: &str, _: &str| {
        ["iam:", "kms:", "sts:", "organizations:"].iter().any(|it| action.starts_with(it))
    };
    let touched = state.accounts.keys().take(1).cloned().collect();
    let scope = Scope::Accounts(touched);
    bencher.counter(ItemsCount::new(principals / ACCOUNTS)).bench_local(|| {
        let mut told = 0_usize;
        inventory_of((&state, &scope), &protected, &Unseen, &asking, |_| told += 1);
        told
    });
}

#[divan::bench(args = PRINCIPALS, sample_count = 1, sample_size = 1)]
fn escalations(bencher: Bencher<'_, '_>, principals: usize) {
    let state = organisation(principals);
    let mut told = 0_usize;
    bencher.counter(ItemsCount::new(principals)).bench_local(|| {
        Everywhere::new(&state, NOW).each(|found| told += found.ways.len());
    });
    eprintln!("{principals} principals: {told} ways");
}

/// What a comparison of two documents pays for ways.
#[divan::bench]
fn ways_of_a_document(bencher: Bencher<'_, '_>) {
    let statements: Vec<String> = (0..40)
        .map(|at| {
            let actions = MANAGED[at % MANAGED.len()];
            format!(r#"{{"Effect":"Allow","Action":{actions},"Resource":["arn:aws:s3:::b{at}/*","arn:aws:iam::*:role/app-{at}-*"]}}"#)
        })
        .collect();
    let Text::Known(document) = text(&format!("[{}]", statements.join(",")), Kind::Identity) else {
        return;
    };
    bencher.bench_local(|| grantwatch::iam::escalation::paths_of(divan::black_box(&document)));
}
