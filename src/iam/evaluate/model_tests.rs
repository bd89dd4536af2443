//! The evaluator against a model of it that is as plain as can be: two-valued, over the JSON as it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::iam::Kind;
use crate::iam::policy::Text;
use crate::iam::state::Account;
use crate::iam::state::Entity;
use crate::iam::state::Managed;
use crate::iam::state::Organization;
use crate::iam::state::OrganizationPolicy;
use crate::iam::state::User;

const ANA: &str = "arn:aws:iam::111122223333:user/ana";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:111122223333:ab";
const FAR: &str = "arn:aws:sqs:eu-west-1:444455556666:ab";
const KEYS: [&str; 3] = ["aws:k1", "aws:k2", "aws:n"];
/// What each key may be: absent, or with these values.
const VALUES: [&[&[&str]]; 3] = [TEXTS, TEXTS, &[&[], &["5"], &["7"], &["5", "7"]]];
const TEXTS: &[&[&str]] = &[&[], &["x"], &["y"], &["X"], &["ab"], &["x", "y"]];

/// What is known of each key: its values by their place in [`VALUES`], or nothing.
type Told = [Option<usize>; 3];

/// Keys with their values; all are known.
type Known = BTreeMap<&'static str, &'static [&'static str]>;

fn glob(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            glob(rest, text) || matches!(text, [_, after @ ..] if glob(pattern, after))
        }
        (['?', rest @ ..], [_, after @ ..]) => glob(rest, after),
        ([wanted, rest @ ..], [found, after @ ..]) => wanted == found && glob(rest, after),
        _ => false,
    }
}

fn like(pattern: &str, text: &str) -> bool {
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    glob(&letters(pattern), &letters(text))
}

/// Puts values in the place of variables; `None` if one has none.
fn filled(known: &Known, text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for key in KEYS {
        let variable = format!("${{{key}}}");
        if text.contains(&variable) {
            let [value] = known[key] else { return None };
            text = text.replace(&variable, value);
        }
    }
    Some(text)
}

fn list(value: &Value) -> Vec<String> {
    let all = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    all.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect()
}

fn element(statement: &Value, name: &str, is_one: impl Fn(&str) -> bool) -> bool {
    let has = |value: &Value| list(value).iter().any(|it| is_one(it));
    match (statement.get(name), statement.get(format!("Not{name}"))) {
        (Some(value), _) => has(value),
        (_, Some(value)) => !has(value),
        _ => true,
    }
}

fn one_value(known: &Known, test: &str, wanted: &str, found: &str) -> bool {
    let number = |text: &str| text.parse::<i64>().unwrap_or(i64::MAX);
    if test == "NumericLessThan" {
        return number(found) < number(wanted);
    }
    let Some(wanted) = filled(known, wanted) else { return false };
    match test {
        "StringEquals" => wanted == found,
        "StringEqualsIgnoreCase" => wanted.to_lowercase() == found.to_lowercase(),
        "StringLike" => like(&wanted, found),
        other => panic!("{other}"),
    }
}

fn condition(known: &Known, operator: &str, key: &str, wanted: &Value) -> bool {
    let found = known[&*key.to_lowercase()];
    if operator == "Null" {
        return list(wanted).iter().any(|it| (it == "true") == found.is_empty());
    }
    let (over, test) = operator.split_once(':').unwrap_or(("", operator));
    let if_exists = test.ends_with("IfExists");
    let test = test.trim_end_matches("IfExists");
    let positive = test.replacen("Not", "", 1);
    let is_negated = positive != test;
    if found.is_empty() {
        return if_exists || over == "ForAllValues" || (over.is_empty() && is_negated);
    }
    let fits = |value: &&str| {
        list(wanted).iter().any(|it| one_value(known, &positive, it, value)) != is_negated
    };
    match over {
        "ForAnyValue" => found.iter().any(fits),
        "ForAllValues" => found.iter().all(fits),
        _ if is_negated => found.iter().all(fits),
        _ => found.iter().any(fits),
    }
}

/// Returns whether the statements of a policy deny and allow.
fn plain(
    policy: &Value,
    known: &Known,
    principal: &str,
    action: &str,
    resource: &str,
) -> [bool; 2] {
    let mut said = [false; 2];
    for statement in policy["Statement"].as_array().unwrap() {
        let is_resource = |pattern: &str| {
            let Some(pattern) = filled(known, pattern) else { return false };
            let parts = |text: &str| text.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
            let (pattern, resource) = (parts(&pattern), parts(resource));
            pattern == ["*"]
                || (resource.len() == 6
                    && pattern.iter().zip(&resource).all(|(pattern, it)| like(pattern, it)))
        };
        let mut conditions = statement["Condition"].as_object().into_iter().flatten().flat_map(
            |(operator, keys)| {
                keys.as_object().unwrap().iter().map(move |(key, it)| (operator, key, it))
            },
        );
        let is_named = statement.get("Principal").is_none_or(|it| it == principal || it == "*");
        let holds = is_named
            && element(statement, "Action", |it| like(&it.to_lowercase(), &action.to_lowercase()))
            && element(statement, "Resource", is_resource)
            && conditions.all(|(operator, key, wanted)| condition(known, operator, key, wanted));
        said[usize::from(statement["Effect"] == "Allow")] |= holds;
    }
    said
}

fn decided([deny, allow]: [bool; 2]) -> Decision {
    match (deny, allow) {
        (true, _) => Decision::ExplicitDeny,
        (_, true) => Decision::Allowed,
        _ => Decision::ImplicitDeny,
    }
}

fn some(from: Vec<&'static str>) -> impl Strategy<Value = Value> {
    prop::collection::vec(select(from), 1..3)
        .prop_map(|all| if let [one] = &*all { json!(one) } else { json!(all) })
}

fn conditions() -> impl Strategy<Value = Value> {
    let test = select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericLessThan",
    ]);
    let over = select(vec!["", "", "ForAllValues:", "ForAnyValue:"]);
    let if_exists = select(vec!["", "", "IfExists"]);
    let key = select(vec!["aws:k1", "AWS:K2"]);
    let texts = some(vec!["x", "y", "X", "*", "?", "a*", "${aws:k2}", "${aws:k1}"]);
    let numbers = some(vec!["6", "9"]);
    let written = (over, test, if_exists, key.clone(), texts, numbers).prop_map(
        |(over, test, if_exists, key, texts, numbers)| {
            let is_number = test == "NumericLessThan";
            let (key, value) = if is_number { ("aws:N", numbers) } else { (key, texts) };
            (format!("{over}{test}{if_exists}"), key, value)
        },
    );
    let null =
        (key, some(vec!["true", "false"])).prop_map(|(key, value)| ("Null".to_owned(), key, value));
    let one = prop_oneof![5 => written, 1 => null];
    prop::collection::vec(one, 0..3).prop_map(|all| {
        let mut block = json!({});
        for (operator, key, value) in all {
            block[operator][key] = value;
        }
        block
    })
}

fn policies(principals: Vec<&'static str>) -> impl Strategy<Value = Value> {
    let effect = select(vec!["Allow", "Allow", "Deny"]);
    let not = || prop::bool::weighted(0.2);
    let actions = some(vec!["*", "sqs:*", "SQS:g*", "sqs:Put", "iam:P?ss"]);
    let resources = some(vec![
        "*",
        "arn:aws:sqs",
        "arn:aws:sqs:*:*:a*",
        "arn:aws:sqs:eu-west-1:111122223333:${aws:k1}",
        "arn:aws:sqs:*:*:${aws:k2}b*",
        "arn:aws:s3:::ab",
    ]);
    let named = select(principals);
    let statement = (effect, not(), actions, not(), resources, conditions(), named).prop_map(
        |(effect, not_action, action, not_resource, resource, condition, named)| {
            let action_is = if not_action { "NotAction" } else { "Action" };
            let resource_is = if not_resource { "NotResource" } else { "Resource" };
            let mut statement = json!({"Effect": effect, action_is: action,
                resource_is: resource, "Condition": condition});
            if !named.is_empty() {
                statement["Principal"] = json!(named);
            }
            statement
        },
    );
    prop::collection::vec(statement, 1..4)
        .prop_map(|all| json!({"Version": "2012-10-17", "Statement": all}))
}

fn told() -> impl Strategy<Value = Told> {
    let one = |key: usize| prop_oneof![3 => (0..VALUES[key].len()).prop_map(Some), 2 => Just(None)];
    [one(0).boxed(), one(1).boxed(), one(2).boxed()]
}

fn context(told: &Told) -> Context {
    let mut context = Context::new();
    for (place, values) in told.iter().enumerate() {
        let Some(values) = values else { continue };
        let start = context.without(KEYS[place]);
        let values = VALUES[place][*values].iter();
        context = values.fold(start, |context, value| context.with(KEYS[place], value));
    }
    context
}

/// Returns every way in which what is not known may turn out.
fn ways(told: &Told) -> Vec<Known> {
    let mut all = vec![Known::new()];
    for (place, values) in told.iter().enumerate() {
        let values = values.map_or_else(|| VALUES[place].to_vec(), |it| vec![VALUES[place][it]]);
        let longer = |way: &Known, values: &'static [&'static str]| {
            let mut way = way.clone();
            way.insert(KEYS[place], values);
            way
        };
        all = all.iter().flat_map(|way| values.iter().map(move |it| longer(way, it))).collect();
    }
    all
}

/// Checks that a decision holds in every way that things may turn out.
fn check(found: &Decision, told: &Told, model: impl Fn(&Known) -> Decision) {
    let ways = ways(told);
    for way in &ways {
        let really = model(way);
        let holds = match found {
            Decision::Allowed | Decision::ExplicitDeny => *found == really,
            Decision::ImplicitDeny => really != Decision::Allowed,
            Decision::Conditional(needs) => {
                let is_open = |need: &str| {
                    KEYS.iter().zip(told).any(|(key, it)| *key == need && it.is_none())
                };
                ways.len() > 1 && !needs.is_empty() && needs.iter().all(|need| is_open(need))
            }
        };
        assert!(holds, "{found:?} is {really:?} where {way:?}");
    }
}

fn actions() -> impl Strategy<Value = &'static str> {
    select(vec!["sqs:Get", "sqs:put", "iam:Pass"])
}

fn document(value: &Value, kind: Kind) -> Document {
    Document::parse_value(value, kind).unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn text(value: &Value, kind: Kind) -> Text {
    Text::Known(Arc::new(document(value, kind)))
}

/// Policies of every layer between ana and a queue.
#[derive(Debug, Clone)]
struct Layered {
    identity: Value,
    boundary: Option<Value>,
    controls: [Value; 2],
    resource: Option<Value>,
}

fn layered() -> impl Strategy<Value = Layered> {
    let full = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let control = || prop_oneof![Just(full.clone()), policies(vec![""])];
    let boundary = prop::option::of(policies(vec![""]));
    let resource = prop::option::of(policies(vec!["*", "ana", "account", "bob"]));
    (policies(vec![""]), boundary, [control(), control()], resource).prop_map(
        |(identity, boundary, controls, resource)| Layered {
            identity,
            boundary,
            controls,
            resource,
        },
    )
}

/// Returns the resource's policy with principals as AWS writes them.
fn named(resource: &Value) -> Value {
    let mut resource = resource.clone();
    for statement in resource["Statement"].as_array_mut().unwrap() {
        let principal = match statement["Principal"].as_str() {
            Some("ana") => json!({"AWS": ANA}),
            Some("account") => json!({"AWS": "111122223333"}),
            Some("bob") => json!({"AWS": "arn:aws:iam::111122223333:user/bob"}),
            _ => continue,
        };
        statement["Principal"] = principal;
    }
    resource
}

impl Layered {
    fn state(&self, queue: &str) -> State {
        let mut home = Account { is_whole: true, ..Account::default() };
        let mut entity = Entity { arn: ANA.into(), ..Entity::default() };
        entity.inline.insert("p".into(), text(&self.identity, Kind::Identity));
        if let Some(boundary) = &self.boundary {
            let versions = [("v2".into(), text(boundary, Kind::Boundary))].into();
            home.policies.insert("arn:b".into(), Managed { versions, default: "v2".into() });
            entity.boundary = Some("arn:b".into());
        }
        home.users.insert("ana".into(), User { entity, ..User::default() });
        let owner: Box<str> = if queue == FAR { "444455556666" } else { "111122223333" }.into();
        let mut state = State::default();
        state.accounts.insert("111122223333".into(), home);
        if let Some(resource) = &self.resource {
            let owner = state.accounts.entry(owner).or_default();
            let text = text(&named(resource), Kind::Resource);
            owner.resources.insert(queue.into(), text);
        }
        let mut organization = Organization::default();
        organization.parents.insert("111122223333".into(), "r-1".into());
        for (target, control) in ["111122223333", "r-1"].into_iter().zip(&self.controls) {
            let text = text(control, Kind::ServiceControl);
            let kind = "SERVICE_CONTROL_POLICY".into();
            let policy = OrganizationPolicy { name: "n".into(), kind, text };
            organization.policies.insert(target.into(), policy);
            organization.attached.insert(target.into(), [target.into()].into());
        }
        state.organization = Some(organization);
        state
    }

    fn model(&self, known: &Known, action: &str, queue: &str) -> Decision {
        let ask = |policy: &Value, who: &str| plain(policy, known, who, action, queue);
        let [identity_denies, identity] = ask(&self.identity, "");
        let [boundary_denies, boundary] =
            self.boundary.as_ref().map_or([false, true], |it| ask(it, ""));
        let [first, second] = self.controls.each_ref().map(|it| ask(it, ""));
        let none = [false; 2];
        let [direct_denies, direct] = self.resource.as_ref().map_or(none, |it| ask(it, "ana"));
        let [account_denies, account] =
            self.resource.as_ref().map_or(none, |it| ask(it, "account"));
        let deny =
            [identity_denies, boundary_denies, direct_denies, account_denies, first[0], second[0]];
        let sides = match queue == FAR {
            true => identity && boundary && (direct || account),
            false => direct || (identity && boundary),
        };
        decided([deny.contains(&true), sides && first[1] && second[1]])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_decision_holds_however_what_is_not_known_turns_out(
        policies in prop::collection::vec(policies(vec![""]), 1..3),
        told in told(),
        action in actions(),
        resource in select(vec![QUEUE, FAR, "*"]),
    ) {
        let documents: Vec<Document> =
            policies.iter().map(|policy| document(policy, Kind::Identity)).collect();
        let context = context(&told);
        let request = Request { principal: ANA, action, resource, context: &context };
        let found = of_documents(&documents, &request);
        check(&found, &told, |known| {
            let all = policies.iter().map(|policy| plain(policy, known, "", action, resource));
            decided(all.fold([false; 2], |sum, one| [sum[0] | one[0], sum[1] | one[1]]))
        });
    }

    #[test]
    fn all_layers_together_decide_as_the_model_does(
        layered in layered(),
        told in told(),
        action in actions(),
        queue in select(vec![QUEUE, FAR]),
    ) {
        // A policy of the far queue that was not read is no policy in the model, and unknown to us.
        prop_assume!(queue == QUEUE || layered.resource.is_some());
        let state = layered.state(queue);
        let context = context(&told);
        let request = Request { principal: ANA, action, resource: queue, context: &context };
        let found = state.allowed(&request);
        check(&found.decision, &told, |known| layered.model(known, action, queue));
        prop_assert!(!found.because.is_empty());
    }

    #[test]
    fn what_is_written_again_is_the_same_document(policy in policies(vec![""])) {
        let document = document(&policy, Kind::Identity);
        let written = document.to_value();
        let again = Document::parse(&written.to_string(), Kind::Identity).unwrap();
        prop_assert_eq!(&again, &document);
        prop_assert_eq!(again.to_value(), written);
    }
}
