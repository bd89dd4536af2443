//! What policies cost: `cargo bench --bench policies`.

use std::collections::BTreeSet;

use divan::Bencher;
use grantwatch::iam::Document;
use grantwatch::iam::Kind;
use grantwatch::iam::State;
use grantwatch::iam::compare;
use grantwatch::iam::compare::Around;
use grantwatch::iam::evaluate::Context;
use grantwatch::iam::evaluate::Request;
use grantwatch::iam::evaluate::of_documents;
use grantwatch::iam::policy;
use grantwatch::iam::policy::Text;
use grantwatch::iam::state::Account;
use grantwatch::iam::state::Entity;
use grantwatch::iam::state::User;
use grantwatch::model::Seconds;
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

/// A policy of 6 KB as people write them: of a role that deploys a shop.
fn deployer() -> Value {
    let text = include_str!("deployer.json");
    assert!((5_700..6_200).contains(&text.len()), "{}", text.len());
    serde_json::from_str(text).expect("it is JSON")
}

/// Changes statement `sid`.
fn change(policy: &mut Value, sid: &str, edit: impl Fn(&mut Value)) {
    let all = policy["Statement"].as_array_mut().expect("they are a list");
    edit(all.iter_mut().find(|it| it["Sid"] == sid).expect("it is there"));
}

/// What compares 6 KB to 6 KB, with one statement or a few that are another's.
mod compare_6_kb {
    use super::*;

    /// Nothing differs: what a check of files that were touched asks most.
    #[divan::bench]
    fn same(bencher: Bencher<'_, '_>) {
        compare(bencher, &deployer(), &deployer());
    }

    /// Another order, and nothing else.
    #[divan::bench]
    fn in_another_order(bencher: Bencher<'_, '_>) {
        let mut after = deployer();
        after["Statement"].as_array_mut().expect("they are a list").reverse();
        compare(bencher, &deployer(), &after);
    }

    /// As an edit is: an action and a resource more, a condition less, a Deny narrower, a role to pass more.
    #[divan::bench]
    fn edited(bencher: Bencher<'_, '_>) {
        let mut after = deployer();
        change(&mut after, "Artifacts", |it| it["Action"][0] = "s3:*".into());
        change(&mut after, "Queues", |it| it["Condition"] = json!({}));
        change(&mut after, "Topics", |it| {
            it["Resource"][1] = "arn:aws:sns:*:111122223333:*".into()
        });
        change(&mut after, "NoTampering", |it| it["Action"] = json!(["cloudtrail:StopLogging"]));
        change(&mut after, "PassToFunctions", |it| {
            it["Resource"][1] = "arn:aws:iam::111122223333:role/service/*".into();
        });
        compare(bencher, &deployer(), &after);
    }

    /// One statement that allows everything, while all that was denied still is.
    #[divan::bench]
    fn broadened(bencher: Bencher<'_, '_>) {
        let mut after = deployer();
        change(&mut after, "ReadEverywhere", |it| it["Action"] = "*".into());
        compare(bencher, &deployer(), &after);
    }

    /// Each statement says the same otherwise: lists are split, what is covered is added. Nothing differs in effect.
    #[divan::bench]
    fn written_otherwise(bencher: Bencher<'_, '_>) {
        let mut after = deployer();
        let all = after["Statement"].as_array().cloned().unwrap_or_default();
        let split = all.into_iter().flat_map(|statement| match statement["Action"].as_array() {
            Some(actions) => {
                let one = |action: &Value| {
                    let mut one = statement.clone();
                    one["Action"] = action.clone();
                    // AWS does not take two statements of one name.
                    one.as_object_mut().expect("it is a statement").remove("Sid");
                    one
                };
                actions.iter().map(one).collect()
            }
            None => vec![statement],
        });
        after["Statement"] = split.collect();
        compare(bencher, &deployer(), &after);
    }

    /// A condition more on every statement that allows.
    #[divan::bench]
    fn each_statement_differs(bencher: Bencher<'_, '_>) {
        let mut after = deployer();
        for statement in after["Statement"].as_array_mut().into_iter().flatten() {
            if statement["Effect"] == "Allow" {
                statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"] =
                    "o-abcdefghij".into();
            }
        }
        compare(bencher, &deployer(), &after);
    }

    /// The made-up policy of [`large`]: an action more in one statement, a condition less in another, a Deny narrower.
    #[divan::bench]
    fn regular(bencher: Bencher<'_, '_>) {
        let mut after = large();
        after["Statement"][3]["Action"][0] = "service3:*".into();
        after["Statement"][7]["Condition"] = json!({});
        after["Statement"][5]["Action"] = "service5:Delete*".into();
        compare(bencher, &large(), &after);
    }
}

fn compare(bencher: Bencher<'_, '_>, before: &Value, after: &Value) {
    let read =
        |value: &Value| Document::parse_value(value, Kind::Identity).expect("it is a policy");
    let (before, after) = (read(before), read(after));
    let accounts = BTreeSet::new();
    let around = Around {
        account: "111122223333",
        organization_accounts: &accounts,
        now: Seconds(1_772_352_000),
    };
    bencher.bench_local(|| {
        compare::compare(
            divan::black_box(&before),
            divan::black_box(&after),
            Kind::Identity,
            &around,
        )
    });
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
