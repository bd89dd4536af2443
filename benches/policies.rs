//! What policies cost: `cargo bench --bench policies`.

use divan::Bencher;
use grantwatch::iam::Document;
use grantwatch::iam::Kind;
use grantwatch::iam::State;
use grantwatch::iam::evaluate::Context;
use grantwatch::iam::evaluate::Request;
use grantwatch::iam::evaluate::of_documents;
use grantwatch::iam::policy;
use grantwatch::iam::policy::Text;
use grantwatch::iam::state::Account;
use grantwatch::iam::state::Entity;
use grantwatch::iam::state::User;
use serde_json::Value;
use serde_json::json;

fn main() {
    divan::main();
}

const ANA: &str = "arn:aws:iam::111122223333:user/ana";

/// A policy of about 6 KB, AWS's limit for managed ones: 20 statements with actions, resources and a condition each.
fn large() -> Value {
    let statement = |index: usize| {
        let actions =
            ["Get", "List", "Put", "Delete"].map(|verb| format!("service{index}:{verb}*"));
        json!({
            "Effect": if index % 6 == 5 { "Deny" } else { "Allow" },
            "Action": actions,
            "Resource": [
                format!("arn:aws:service{index}:eu-west-1:111122223333:thing/*"),
                format!("arn:aws:service{index}:*:111122223333:other/${{aws:username}}/*"),
            ],
            "Condition": {"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-central-1"]}},
        })
    };
    let statements: Vec<Value> = (0..20).map(statement).collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[divan::bench]
fn parse_6_kb(bencher: Bencher<'_, '_>) {
    let text = large().to_string();
    assert!((5_500..7_000).contains(&text.len()), "{}", text.len());
    let bytes = divan::counter::BytesCount::of_str(&text);
    bencher.counter(bytes).bench_local(|| Document::parse(divan::black_box(&text), Kind::Identity));
}

fn ask(bencher: Bencher<'_, '_>, action: &str, resource: &str) {
    let document = Document::parse_value(&large(), Kind::Identity).expect("it is a policy");
    let context = Context::new().with("aws:RequestedRegion", "eu-west-1");
    let request = Request { principal: ANA, action, resource, context: &context };
    bencher.bench_local(|| of_documents([&document], divan::black_box(&request)));
}

#[divan::bench]
fn of_6_kb_allowed(bencher: Bencher<'_, '_>) {
    ask(bencher, "service19:GetThing", "arn:aws:service19:eu-west-1:111122223333:other/ana/x");
}

#[divan::bench]
fn of_6_kb_nothing_fits(bencher: Bencher<'_, '_>) {
    ask(bencher, "iam:CreateUser", "*");
}

/// A user with ten such policies, in an account that was read.
#[divan::bench]
fn whole(bencher: Bencher<'_, '_>) {
    let document = Document::parse_value(&large(), Kind::Identity).expect("it is a policy");
    let text = Text::Known(document.into());
    let mut entity = Entity { arn: ANA.into(), ..Entity::default() };
    for index in 0..10 {
        entity.inline.insert(format!("p{index}").into(), text.clone());
    }
    let mut account = Account { is_whole: true, ..Account::default() };
    account.users.insert("ana".into(), User { entity, ..User::default() });
    let mut state = State::default();
    state.accounts.insert("111122223333".into(), account);
    let context = Context::new().with("aws:RequestedRegion", "eu-west-1");
    let request = Request {
        principal: ANA,
        action: "service19:GetThing",
        resource: "arn:aws:service19:eu-west-1:111122223333:other/ana/x",
        context: &context,
    };
    bencher.bench_local(|| divan::black_box(&state).allowed(divan::black_box(&request)));
}

#[divan::bench]
fn covers(bencher: Bencher<'_, '_>) {
    let wide = "arn:aws:s3:::bucket-*-logs/*/year=????/*";
    let narrow = "arn:aws:s3:::bucket-a-logs/x/year=2026/month=*";
    bencher.bench_local(|| policy::covers(divan::black_box(wide), divan::black_box(narrow)));
}

#[divan::bench]
fn overlap(bencher: Bencher<'_, '_>) {
    let (a, b) = ("arn:aws:s3:::bucket-*-logs/*/year=????/*", "arn:aws:s3:::*/x/year=2026/month=*");
    bencher.bench_local(|| policy::overlap(divan::black_box(a), divan::black_box(b)));
}
