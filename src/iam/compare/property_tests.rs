//! Comparison against the evaluator, request by request, over documents that were made up.
//!
//! Invariant: what is told is asked of the evaluator too, as a policy of its own; the comparison never judges itself.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::sample::subsequence;

use super::*;
use crate::iam::compare::question::MAX_COARSE;
use crate::iam::evaluate::Context;
use crate::iam::evaluate::Decision;
use crate::iam::evaluate::Request;
use crate::iam::evaluate::of_documents;
use crate::iam::policy::Effect;
use crate::iam::policy::Listed;
use crate::iam::policy::Principal;

const ACTIONS: [&str; 14] = [
    "*",
    "s3:*",
    "s3:Get*",
    "s3:GetObject",
    "s3:?etObject",
    "*:Get*",
    "s3:*Object",
    "iam:*",
    "iam:GetUser",
    "iam:*User",
    "ec2:Run*",
    "s*:Put*",
    "s3:G*t*",
    "s3:??tObject",
];
const OF_STS: [&str; 6] =
    ["sts:*", "sts:AssumeRole", "sts:Assume*", "sts:TagSession", "sts:*WithSAML", "sts:???Session"];
const ASKED: [&str; 11] = [
    "s3:GetObject",
    "s3:PutObject",
    "s3:GetBucketAcl",
    "iam:GetUser",
    "iam:CreateUser",
    "ec2:RunInstances",
    "sqs:GetQueueUrl",
    "s3:SetObject",
    "sts:AssumeRole",
    "sts:TagSession",
    "sts:AssumeRoleWithSAML",
];
const RESOURCES: [&str; 16] = [
    "*",
    "arn:aws:s3:::a",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::a*",
    "arn:aws:s3:::*/x",
    "arn:aws:*:::a/?",
    "arn:aws:iam::*:user/*",
    "arn:aws:s3:::b/x",
    "arn:aws:s3:::a/${aws:PrincipalTag/team}",
    "arn:aws:s3:::a/${aws:PrincipalTag/team}/*",
    "arn:aws:s3:::a/${aws:PrincipalTag/team, 'x'}",
    "arn:aws:s3:::a/${aws:PrincipalTag/team, 'X'}",
    "arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}",
    "arn:aws:iam::${aws:PrincipalTag/team}:user/u",
    "arn:aws:s3:::a/${*}",
    "arn:aws:s3",
];
const ON: [&str; 12] = [
    "*",
    "arn:aws:s3:::a",
    "arn:aws:s3:::a/x",
    "arn:aws:s3:::a/X",
    "arn:aws:s3:::a/*",
    "arn:aws:s3:::ab/x",
    "arn:aws:s3:::b/x",
    "arn:aws:iam::111122223333:user/u",
    "arn:aws:iam::222233334444:user/v",
    "arn:aws:s3:::a/y:z",
    "arn:aws:s3:::a/red",
    "arn:aws:s3:::a/red/blue",
];

fn condition() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({}),
        json!({}),
        json!({"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
        json!({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}),
        json!({"StringLike": {"aws:RequestedRegion": "eu-*"}}),
        json!({"StringLike": {"aws:RequestedRegion": ["*-west-?", "us-east-1"]}}),
        json!({"StringNotLike": {"aws:RequestedRegion": "eu-*"}}),
        json!({"StringNotEqualsIfExists": {"aws:RequestedRegion": "eu-west-1"}}),
        json!({"StringEqualsIgnoreCase": {"aws:RequestedRegion": "EU-west-1"}}),
        json!({"StringEquals": {"aws:RequestedRegion": "${aws:PrincipalTag/team}"}}),
        json!({"StringNotLike": {"aws:RequestedRegion": "${aws:PrincipalTag/team, 'eu'}-*"}}),
        json!({"Null": {"aws:RequestedRegion": "true"}}),
        json!({"Null": {"aws:RequestedRegion": "false"}}),
        json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}),
        json!({"NumericLessThan": {"aws:MultiFactorAuthAge": "100"}}),
        json!({"NumericGreaterThanEquals": {"aws:MultiFactorAuthAge": "50"},
            "Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        json!({"DateLessThan": {"aws:CurrentTime": "2026-04-01T00:00:00Z"}}),
        json!({"DateGreaterThan": {"aws:CurrentTime": "2026-03-15T00:00:00Z"}}),
        json!({"DateLessThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}}),
        json!({"NumericLessThan": {"aws:EpochTime": "1773600000"}}),
        json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.1"]}}),
        json!({"NotIpAddress": {"aws:SourceIp": "10.1.0.0/16"}}),
        json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}),
        json!({"ForAllValues:StringLike": {"aws:TagKeys": ["a*"]}}),
        json!({"ForAllValues:StringNotEquals": {"aws:TagKeys": ["b"]}}),
        json!({"StringEquals": {"aws:PrincipalTag/team": "${aws:ResourceTag/team}"}}),
        json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:111122223333:t*"}}),
        json!({"ArnNotEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:111122223333:t"}}),
        json!({"StringLike": {"aws:SourceArn": "arn:aws:sns:*:t"}}),
    ])
}

fn listed(
    name: &'static str,
    from: &'static [&'static str],
) -> impl Strategy<Value = (String, Value)> {
    let is_not = prop::bool::weighted(0.2);
    (is_not, subsequence(from, 1..=3)).prop_map(move |(is_not, all)| {
        let name = if is_not { format!("Not{name}") } else { name.to_owned() };
        (name, json!(all))
    })
}

fn principals() -> impl Strategy<Value = (String, Value)> {
    select(vec![
        ("Principal", json!("*")),
        ("Principal", json!({"AWS": ["111122223333", "222233334444"]})),
        ("Principal", json!({"AWS": "arn:aws:iam::111122223333:role/path/R"})),
        ("Principal", json!({"AWS": "arn:aws:sts::111122223333:assumed-role/R/s"})),
        ("Principal", json!({"AWS": "arn:aws:iam::111122223333:user/u"})),
        ("Principal", json!({"Service": "lambda.amazonaws.com"})),
        ("Principal", json!({"Federated": "accounts.google.com"})),
        ("NotPrincipal", json!({"AWS": "arn:aws:iam::111122223333:user/u"})),
        ("NotPrincipal", json!({"AWS": ["111122223333", "arn:aws:iam::111122223333:user/u"]})),
    ])
    .prop_map(|(name, all)| (name.to_owned(), all))
}

fn statement(kind: Kind) -> impl Strategy<Value = Value> {
    let effect = select(vec!["Allow", "Allow", "Deny"]);
    let actions: &'static [&str] = if kind == Kind::Trust { &OF_STS } else { &ACTIONS };
    let parts = (listed("Action", actions), listed("Resource", &RESOURCES), principals());
    (effect, parts, condition()).prop_map(move |(effect, (actions, resources, who), asked)| {
        let mut of = json!({"Effect": effect, "Condition": asked});
        of[actions.0] = actions.1;
        if kind != Kind::Trust {
            of[resources.0] = resources.1;
        }
        match kind {
            Kind::Resource => of[who.0] = who.1,
            // AWS takes no `NotPrincipal` there.
            Kind::Trust => of["Principal"] = who.1,
            Kind::ResourceControl => of["Principal"] = "*".into(),
            _ => {}
        }
        of
    })
}

/// A document's language and statements.
type Written = (&'static str, Vec<Value>);

fn written(kind: Kind) -> impl Strategy<Value = Written> {
    let language = select(vec!["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17"]);
    (language, prop::collection::vec(statement(kind), 1..5))
}

fn read((language, statements): &Written, kind: Kind) -> Document {
    document(&json!({"Version": language, "Statement": statements}), kind)
}

/// A document, and what may have become of it: statements added, taken away and put for others.
fn pair(kind: Kind) -> impl Strategy<Value = (Written, Written)> {
    let others = (written(kind), prop::bool::weighted(0.5), 0..4_usize);
    (written(kind), others).prop_map(|(before, (other, is_other, kept))| {
        if is_other {
            return (before, other);
        }
        let stay = before.1.iter().take(kept).cloned();
        let after = stay.chain(other.1.into_iter().take(2)).collect();
        (before.clone(), (before.0, after))
    })
}

fn context() -> impl Strategy<Value = Context> {
    let region = select(vec![None, Some("eu-west-1"), Some("us-east-1"), Some("EU-west-1")]);
    let mfa = select(vec![None, Some("true"), Some("false")]);
    let age = select(vec![None, Some("10"), Some("50"), Some("100"), Some("99.5")]);
    let ip = select(vec!["10.1.2.3", "10.2.0.1", "192.0.2.1", "203.0.113.9", "2001:db8::1"]);
    let time = select(vec![0, 1, 1_209_600, 1_209_601, 2_592_000, 40_000_000]);
    let tags = subsequence(vec!["a", "b", "c"], 0..=2);
    // A value may be what a pattern is written with, or part an ARN.
    let values = ["red", "blue", "x", "*", "y:z", "red/blue", "eu-west-1", "", "a:b"];
    let team = select(std::iter::once(None).chain(values.map(Some)).collect::<Vec<_>>());
    let source = select(vec![
        None,
        Some("arn:aws:sns:eu-west-1:111122223333:t"),
        Some("arn:aws:sns:eu-west-1:111122223333:s:t"),
    ]);
    (region, mfa, age, ip, time, tags, team.clone(), team, source).prop_map(|all| {
        let (region, mfa, age, ip, time, tags, of_who, of_what, source) = all;
        let mut context = Context::new().at(Seconds(NOW.0 + time)).with("aws:SourceIp", ip);
        for (key, value) in [
            ("aws:RequestedRegion", region),
            ("aws:MultiFactorAuthPresent", mfa),
            ("aws:MultiFactorAuthAge", age),
            ("aws:PrincipalTag/team", of_who),
            ("aws:ResourceTag/team", of_what),
            ("aws:SourceArn", source),
        ] {
            context = match value {
                Some(value) => context.with(key, value),
                None => context.without(key),
            };
        }
        match tags.is_empty() {
            true => context.without("aws:TagKeys"),
            false => tags.iter().fold(context, |context, tag| context.with("aws:TagKeys", tag)),
        }
    })
}

fn who(kind: Kind) -> impl Strategy<Value = &'static str> {
    let mut all = vec!["arn:aws:iam::111122223333:user/u"];
    if matches!(kind, Kind::Resource | Kind::Trust) {
        all.extend([
            "*",
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/v",
            "arn:aws:sts::111122223333:assumed-role/R/s",
            "arn:aws:sts::111122223333:assumed-role/R/t",
            "arn:aws:iam::222233334444:user/u",
            "lambda.amazonaws.com",
            "accounts.google.com",
        ]);
    }
    select(all)
}

/// What a line tells, as policies that the evaluator reads.
#[derive(Default)]
struct Told {
    /// Of each of these, all of some list hold.
    within: Vec<Vec<Vec<Document>>>,
    /// Of none of these lists all hold.
    without: Vec<Vec<Document>>,
    /// Who, and who not; nobody is asked where a line names nobody.
    who: Option<(Named, Named)>,
}

/// Some who act.
struct Named {
    /// Those whom a policy can name.
    document: Document,
    /// ARNs of roots alone: a policy names them by their accounts, which is more.
    roots: Vec<String>,
}

impl Named {
    fn of(list: &[Box<str>]) -> Self {
        let root = |text: &str| text.strip_prefix("the root of account ").map(str::to_owned);
        let others = list.iter().filter(|it| root(it).is_none());
        let all: Vec<Principal> = others.map(|it| principal(it)).collect();
        let roots = list.iter().filter_map(|it| root(it));
        Self {
            document: one(|it| it.principals = Some(Listed::Only(all))),
            roots: roots.map(|id| format!("arn:aws:iam::{id}:root")).collect(),
        }
    }

    fn has(&self, request: &Request<'_>) -> bool {
        self.roots.iter().any(|it| it == request.principal)
            || of_documents([&self.document], request) == Decision::Allowed
    }
}

impl Told {
    fn of(access: &Access) -> Self {
        let mut told = Self::default();
        let part = access.principals.as_ref();
        told.who = part.map(|part| (Named::of(&part.any), Named::of(&part.except)));
        told.part(&access.actions, |text, it| {
            it.actions = Listed::Only(vec![text.to_lowercase().into()]);
        });
        told.part(&access.resources, |text, it| {
            it.resources = Some(Listed::Only(vec![text.into()]));
        });
        told.within.push(vec![vec![one(|it| it.conditions.clone_from(&access.conditions))]]);
        for list in &access.unless {
            told.without.push(vec![one(|it| it.conditions.clone_from(list))]);
        }
        told
    }

    /// Takes in a list of texts; several patterns in one are what they have in common.
    fn part(&mut self, part: &Part, set: impl Fn(&str, &mut Statement)) {
        let all = |list: &[Box<str>]| -> Vec<Vec<Document>> {
            let each = |text: &str| text.split(" and ").map(|it| one(|of| set(it, of))).collect();
            list.iter().map(|text| each(text)).collect()
        };
        self.within.push(all(&part.any));
        self.without.extend(all(&part.except));
    }

    fn holds(&self, request: &Request<'_>) -> bool {
        let all = |list: &Vec<Document>| {
            list.iter().all(|it| of_documents([it], request) == Decision::Allowed)
        };
        let is_meant = |(who, but): &(Named, Named)| who.has(request) && !but.has(request);
        if !self.who.as_ref().is_none_or(is_meant) {
            return false;
        }
        self.within.iter().all(|any| any.iter().any(all)) && !self.without.iter().any(all)
    }
}

/// Returns the document that allows everything, but for what is set.
fn one(set: impl FnOnce(&mut Statement)) -> Document {
    let mut statement = Statement::everything();
    set(&mut statement);
    Document { language: Language::Of2012, statements: vec![statement] }
}

/// Reads a principal as a line names him.
fn principal(text: &str) -> Principal {
    match text.strip_prefix("account ") {
        _ if text == "*" => Principal::Everyone,
        Some(account) => Principal::Aws(format!("arn:aws:iam::{account}:root").into()),
        None if text.starts_with("arn:") => Principal::Aws(text.into()),
        None => Principal::Service(text.into()),
    }
}

fn is_partly_spared(document: &Document) -> bool {
    let spares = |it: &Statement| {
        it.effect == Effect::Deny && matches!(it.principals, Some(Listed::AllBut(_)))
    };
    document.statements.iter().any(spares)
}

/// The policy that an SCP or RCP without an Allow is taken to stand beside.
fn beside(document: &Document, kind: Kind) -> Document {
    let has_allow = document.statements.iter().any(|it| it.effect == Effect::Allow);
    let is_list = matches!(kind, Kind::ServiceControl | Kind::ResourceControl);
    let statements = if is_list && !has_allow { vec![Statement::everything()] } else { Vec::new() };
    Document { language: Language::Of2012, statements }
}

fn told(all: &[Access]) -> Vec<Told> {
    all.iter().map(Told::of).collect()
}

/// Asks the evaluator before and after: every other action on a resource, the first or the second of them on, by one of those
/// who ask. What depends on a key that is not known is left out.
fn ask(
    kind: Kind,
    (before, after): (&Document, &Document),
    (asked, from): (&[(Context, &str)], usize),
    mut hold: impl FnMut(&Request<'_>, Decision, Decision),
) {
    let (more, less) = (beside(before, kind), beside(after, kind));
    let pairs = ASKED.iter().flat_map(|action| ON.iter().map(move |resource| (*action, *resource)));
    for ((action, resource), (context, principal)) in
        pairs.zip(asked.iter().cycle()).skip(from).step_by(2)
    {
        let is_of_kind = kind != Kind::Trust || action.starts_with("sts:");
        if !is_of_kind {
            continue;
        }
        let request = Request { principal, action, resource, context };
        let was = of_documents([before, &more], &request);
        let is = of_documents([after, &less], &request);
        if ![&was, &is].iter().any(|it| matches!(it, Decision::Conditional(_))) {
            hold(&request, was, is);
        }
    }
}

/// Holds the answers of a comparison against the evaluator.
fn check(kind: Kind, before: &Written, after: &Written, asked: &[(Context, &str)], from: usize) {
    let (before, after) = (read(before, kind), read(after, kind));
    let found = drift(&before, &after, kind);
    assert!(!found.is_coarse);
    let (adds, removes) = (told(&found.adds), told(&found.removes));
    let (lifts, denies) = (told(&found.lifts), told(&found.denies));
    ask(kind, (&before, &after), (asked, from), |request, was, is| {
        let is_any = |all: &[Told]| all.iter().any(|it| it.holds(request));
        let (was_allowed, is_allowed) = (was == Decision::Allowed, is == Decision::Allowed);
        let shown = || {
            let all = [lines(&found.adds), lines(&found.removes), lines(&found.lifts)];
            format!("{request:?}\n{was:?} {is:?}\n{all:#?}")
        };
        assert_eq!(is_any(&adds), is_allowed && !was_allowed, "{}", shown());
        assert_eq!(is_any(&removes), was_allowed && !is_allowed, "{}", shown());
        // Whether a Deny spares somebody of whom it lists a part (his account, himself) is not known to
        // the evaluator, which then speaks of what allows; the comparison takes it to deny.
        if is_partly_spared(&before) || is_partly_spared(&after) {
            return;
        }
        // Where everything is allowed besides, only a Deny keeps anybody out.
        let open = one(|_| {});
        let barred = [&before, &after].map(|it| of_documents([it, &open], request));
        if barred.iter().any(|it| matches!(it, Decision::Conditional(_))) {
            return;
        }
        let [was_denied, is_denied] = barred.map(|it| it == Decision::ExplicitDeny);
        let is_lifted = was_denied && !is_denied && !is_allowed;
        assert_eq!(is_any(&lifts), is_lifted, "lifts {}", shown());
        assert_eq!(is_any(&denies), is_denied && !was_denied && !was_allowed, "denies {}", shown());
    });
}

/// Holds what is told where the documents are too hard to compare: more than differs, and nothing that differs is missing.
fn check_coarse(
    kind: Kind,
    before: &Written,
    after: &Written,
    asked: &[(Context, &str)],
    from: usize,
) {
    let (before, after) = (read(before, kind), read(after, kind));
    let exact = drift(&before, &after, kind);
    let accounts = accounts();
    let around = Around { account: "111122223333", organization_accounts: &accounts, now: NOW };
    let question = Question { before: &before, after: &after, kind, around: &around };
    for effort in [0, 300, 3_000, MAX_COARSE] {
        let found = question.coarsely(effort);
        assert!(found.is_coarse);
        assert!(found.grew() || !exact.grew());
        // Where everybody is let in, nobody looks which accounts are.
        let is_public = found.classes.contains(&Class::Public);
        let is_said = |it: &&Class| {
            is_public && matches!(it, Class::CrossAccount | Class::OutsideOrganization)
        };
        let missing = exact.classes.difference(&found.classes).filter(|it| !is_said(it));
        let missing: Vec<&Class> = missing.collect();
        assert!(missing.is_empty(), "{missing:?} with {effort}");
        assert!(exact.escalations.iter().all(|it| found.escalations.contains(it)), "{effort}");
        let (adds, removes) = (told(&found.adds), told(&found.removes));
        ask(kind, (&before, &after), (asked, from), |request, was, is| {
            let is_any = |all: &[Told]| all.iter().any(|it| it.holds(request));
            let (was_allowed, is_allowed) = (was == Decision::Allowed, is == Decision::Allowed);
            assert!(
                is_any(&adds) || was_allowed || !is_allowed,
                "{effort}: {request:?} {:#?} {before:?} {after:?}",
                lines(&found.adds)
            );
            assert!(
                is_any(&removes) || is_allowed || !was_allowed,
                "{effort}: {request:?} {:#?} {before:?} {after:?}",
                lines(&found.adds)
            );
        });
    }
}

macro_rules! kinds {
    ($(fn $name:ident, $check:ident, $kind:expr, $cases:expr;)*) => {$(
        proptest! {
            #![proptest_config(ProptestConfig::with_cases($cases))]

            #[test]
            fn $name(
                (before, after) in pair($kind),
                asked in prop::collection::vec((context(), who($kind)), 7),
                from in 0..2_usize,
            ) {
                $check($kind, &before, &after, &asked, from);
            }
        }
    )*};
}

kinds! {
    fn identity_policies_differ_as_the_evaluator_has_it, check, Kind::Identity, 120;
    fn resource_policies_differ_as_the_evaluator_has_it, check, Kind::Resource, 120;
    fn trust_policies_differ_as_the_evaluator_has_it, check, Kind::Trust, 80;
    fn boundaries_differ_as_the_evaluator_has_it, check, Kind::Boundary, 40;
    fn session_policies_differ_as_the_evaluator_has_it, check, Kind::Session, 40;
    fn service_control_policies_differ_as_the_evaluator_has_it, check, Kind::ServiceControl, 60;
    fn resource_control_policies_differ_as_the_evaluator_has_it, check, Kind::ResourceControl, 60;
    fn coarse_differences_of_identity_policies_hold_all, check_coarse, Kind::Identity, 60;
    fn coarse_differences_of_resource_policies_hold_all, check_coarse, Kind::Resource, 60;
    fn coarse_differences_of_trust_policies_hold_all, check_coarse, Kind::Trust, 40;
    fn coarse_differences_of_boundaries_hold_all, check_coarse, Kind::Boundary, 20;
    fn coarse_differences_of_service_control_policies_hold_all, check_coarse, Kind::ServiceControl, 20;
}

/// Returns the same in other words: another order, statements twice, lists as statements of their own or as one text,
/// actions in capitals.
fn rewritten(of: &[Value]) -> Vec<Value> {
    let mut other: Vec<Value> = of.iter().rev().cloned().collect();
    other.push(of[0].clone());
    for (list, is_action) in [("Action", true), ("Resource", false)] {
        let split = other.into_iter().flat_map(|it| match it.get(list).and_then(Value::as_array) {
            Some(all) => {
                let one = |text: &Value| {
                    let mut one = it.clone();
                    one[list] = match is_action {
                        true => text.as_str().unwrap().to_uppercase().into(),
                        false => text.clone(),
                    };
                    one
                };
                all.iter().map(one).collect()
            }
            None => vec![it.clone()],
        });
        other = split.collect();
    }
    other
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_only_written_otherwise_is_no_change(
        (language, of) in written(Kind::Identity),
        (_, granted) in written(Kind::Resource),
    ) {
        for (of, kind) in [(of, Kind::Identity), (granted, Kind::Resource)] {
            let (one, other) = (read(&(language, of.clone()), kind), read(&(language, rewritten(&of)), kind));
            let found = drift(&one, &other, kind);
            prop_assert!(found.is_empty(), "{:?} {:?} {:?}", lines(&found.adds), lines(&found.removes), lines(&found.lifts));
            prop_assert!(found.classes.is_empty() && found.escalations.is_empty());
            prop_assert!(drift(&one, &one, kind).is_empty());
        }
    }

    #[test]
    fn the_way_back_is_the_mirror_of_the_way(
        (before, after) in pair(Kind::Identity),
        (granted, taken) in pair(Kind::Resource),
    ) {
        for (before, after, kind) in [(before, after, Kind::Identity), (granted, taken, Kind::Resource)] {
            let (before, after) = (read(&before, kind), read(&after, kind));
            let (way, back) = (drift(&before, &after, kind), drift(&after, &before, kind));
            prop_assert_eq!(way.adds, back.removes);
            prop_assert_eq!(way.removes, back.adds);
            prop_assert_eq!(way.lifts, back.denies);
            prop_assert_eq!(way.denies, back.lifts);
        }
    }
}
