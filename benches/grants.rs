//! What a verdict costs among a million grants, ten thousand of them active: `cargo bench --bench grants`.
//!
//! The time shown is that of one verdict. Each asks about somebody else, so that nothing is warm.

use divan::Bencher;
use grantwatch::grants::Act;
use grantwatch::grants::Delegates;
use grantwatch::grants::Evidence;
use grantwatch::grants::GrantId;
use grantwatch::grants::Ledger;
use grantwatch::grants::Principal;
use grantwatch::grants::Scope;
use grantwatch::grants::Settings;
use grantwatch::grants::Status;
use grantwatch::grants::Version;
use grantwatch::grants::Window;
use grantwatch::model::Seconds;
use std::sync::LazyLock;

const GRANTS: usize = 1_000_000;
const PEOPLE: usize = 10_000;
const NOW: Seconds = Seconds(1_772_352_000);
const DAY: i64 = 86_400;
const ROLE: &str = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef";

static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
    let mut ledger = Ledger::default();
    for number in 0..GRANTS {
        ledger.apply(version(number), Evidence::default());
    }
    ledger
});
static NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| (0..PEOPLE).map(|number| format!("person:{}", name(number))).collect());

fn main() {
    LazyLock::force(&LEDGER);
    divan::main();
}

fn name(number: usize) -> String {
    format!("user{number}@example.com")
}

/// A hundred grants for everybody, one a day; the last is active now, for eight hours.
fn version(number: usize) -> Version {
    let (person, past) = (number % PEOPLE, i64::try_from(number / PEOPLE).expect("it is small"));
    let from = Seconds(NOW.0 - 3_600 - past * DAY);
    let accounts = Some(vec!["111122223333".into()]);
    let permission_sets = Some(vec!["Admin".into()]);
    let actions = Some(vec!["s3:*".into(), "ec2:Describe*".into(), "iam:*".into()]);
    Version {
        id: GrantId(format!("team:{number:08x}").into()),
        source: "aws-team".into(),
        revision: 1,
        emitted_at: from,
        status: Status::Active,
        principals: vec![Principal::IdcUser {
            identity_store: "d-9067642ac7".into(),
            user_id: format!("544894e8-80c1-707f-60e3-{person:012}").into(),
            user_name: name(person).into(),
        }],
        scope: Scope { accounts, permission_sets, actions, ..Scope::default() },
        window: Window { from, until: Seconds(from.0 + 8 * 3_600) },
        requested_at: None,
        approved_at: Some(from),
        approvers: Vec::new(),
        ticket: "jira OPS-1234".into(),
        justification: "deploy".into(),
        break_glass: false,
        delegates: Delegates::default(),
    }
}

fn act(name: &str) -> Act<'_> {
    Act {
        time: NOW,
        identity: name,
        origin: name,
        account: "111122223333",
        caller_account: "111122223333",
        role_arn: ROLE,
        permission_set: "Admin",
        session_name: name,
        action: "iam:CreateUser",
        region: "us-east-1",
        session_started: Some(Seconds(NOW.0 - 600)),
        confidence: "exact",
        ..Act::default()
    }
}

/// Judges acts of one person after the other.
fn bench(bencher: Bencher<'_, '_>, verdict: &str, change: impl Fn(&mut Act<'_>)) {
    let settings = Settings::default();
    let mut person = 0;
    bencher.bench_local(|| {
        // A step without a common divisor goes round everybody, never to a neighbour.
        person = (person + 7_919) % PEOPLE;
        let mut act = act(&NAMES[person]);
        change(&mut act);
        let judgement = LEDGER.judge(&settings, &act);
        assert_eq!(judgement.verdict.name(), verdict);
        judgement
    });
}

/// A grant covers it.
#[divan::bench(sample_count = 1_000, sample_size = 1_000)]
fn covered(bencher: Bencher<'_, '_>) {
    bench(bencher, "covered", |_| {});
}

/// Nobody has ever given a grant to this one.
#[divan::bench(sample_count = 1_000, sample_size = 1_000)]
fn none(bencher: Bencher<'_, '_>) {
    bench(bencher, "none", |act| (act.identity, act.origin) = ("person:mallory", "person:mallory"));
}

/// All hundred grants are over.
#[divan::bench(sample_count = 1_000, sample_size = 1_000)]
fn expired(bencher: Bencher<'_, '_>) {
    bench(bencher, "expired", |act| act.time = Seconds(NOW.0 + 8 * 3_600));
}

/// It is held to something else, and a hundred others might be nearer.
#[divan::bench(sample_count = 1_000, sample_size = 1_000)]
fn out_of_scope(bencher: Bencher<'_, '_>) {
    bench(bencher, "out_of_scope", |act| act.action = "kms:Decrypt");
}
