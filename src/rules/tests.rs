//! Stories of rules: what a condition means, what is loaded, what is said of the rest, what correlations count.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use rsigma_eval::Engine;
use rsigma_eval::JsonEvent;
use rsigma_parser::parse_sigma_yaml;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::model::Fact;
use crate::model::Facts;
use crate::model::FlowColumns;
use crate::model::FlowRecord;
use crate::model::Record;
use crate::model::Scope;
use crate::model::Seconds;
use crate::model::Slots;
use crate::model::TrailRecord;
use crate::rules::correlate::Input;
use crate::store::Migration;

const FACTS: &[Field] = &[
    Field {
        name: "gw.identity.name",
        kind: "text",
        scope: Scope::Session,
        meaning: "",
        example: "",
    },
    Field { name: "gw.by_service", kind: "flag", scope: Scope::Session, meaning: "", example: "" },
    Field { name: "gw.grant.verdict", kind: "text", scope: Scope::Grant, meaning: "", example: "" },
    Field { name: "gw.policy.worst", kind: "text", scope: Scope::Policy, meaning: "", example: "" },
];

fn load(yaml: &str) -> (Arc<Rules>, Vec<String>) {
    let sources = [Source { path: "mine/some_rule.yml".into(), text: yaml.to_owned() }];
    let (rules, problems) = Rules::load(&Config::default(), &sources, FACTS);
    (Arc::new(rules), problems.iter().map(ToString::to_string).collect())
}

fn rule(detection: &str) -> String {
    format!("title: T\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n{detection}\n")
}

/// Asks as the pipeline asks: the sieve first, then the facts.
fn matches(rules: &Arc<Rules>, record: &Value, facts: &Facts) -> bool {
    let text = record.to_string();
    let slots = Slots::of(&text).unwrap();
    let record = Record::Trail(TrailRecord::new(&text, &slots));
    let bare = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
    let full = Event { facts: facts.clone(), ..bare.clone() };
    let mut any = false;
    Sieve::new(Arc::clone(rules))
        .candidates(&bare, |candidate| any |= rules.decide(candidate, &full));
    any
}

fn check(detection: &str, record: Value, expected: bool) {
    let (rules, problems) = load(&rule(detection));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(matches(&rules, &record, &Facts::default()), expected, "{detection}\n{record}");
}

#[test]
fn a_condition_means_what_sigma_says() {
    let event = json!({"eventName": "StopLogging", "eventSource": "cloudtrail.amazonaws.com", "n": 443, "s": "443",
        "userIdentity": {"type": "IAMUser"}, "ip": "s3.amazonaws.com", "list": [{"k": "x"}, {"k": "y"}],
        "requestParameters": {"policyDocument": "{\"Action\":\"s3:GetObject\"}", "deep": {"er": true}}});
    for (detection, expected) in [
        ("  s: {eventName: stoplogging}\n  condition: s", true),
        ("  s: {eventName|cased: stoplogging}\n  condition: s", false),
        ("  s: {eventName: 'Stop*'}\n  condition: s", true),
        ("  s: {eventName: 'Stop\\*'}\n  condition: s", false),
        ("  s: {errorCode: null}\n  condition: s", true),
        ("  s: {errorCode|exists: true}\n  condition: s", false),
        ("  s: {errorCode|exists: false}\n  condition: s", true),
        ("  s: {ip|cidr: 10.0.0.0/8}\n  condition: s", false),
        ("  s: {userIdentity.type: Root}\n  condition: not s", true),
        (
            "  a: {eventName: StopLogging}\n  b: {n: 1}\n  c: {n: 2}\n  condition: a or b and c",
            true,
        ),
        (
            "  a: {n: 443}\n  filter_x: {n: 1}\n  filter_y: {s: '443'}\n  condition: a and not 1 of filter_*",
            false,
        ),
        ("  a: {n: 443}\n  _helper: {n: 1}\n  condition: all of them", true),
        ("  s: {eventName|contains|all: [Stop, Start]}\n  condition: s", false),
        ("  s: {n: '443'}\n  condition: s", true),
        ("  s: {n|gt: 442}\n  condition: s", true),
        ("  s: {eventName|gt: 1}\n  condition: s", false),
        ("  s: {eventName|fieldref: missing}\n  condition: s", false),
        ("  s: {s|fieldref: n}\n  condition: s", true),
        ("  s: {list.k: y}\n  condition: s", true),
        ("  s: {requestParameters|contains: '\"Action\":\"s3:GetObject\"'}\n  condition: s", true),
        ("  s: {requestParameters.deep|contains: '\"er\":true'}\n  condition: s", true),
        ("  s: {requestParameters.deep.er: true}\n  condition: s", true),
        ("  s:\n    - eventName: Other\n    - n: 443\n  condition: s", true),
        ("  s: ['IAMUser']\n  condition: s", true),
        ("  a: {n: 443}\n  b: {n: 1}\n  condition: [b, a]", true),
    ] {
        check(detection, event.clone(), expected);
    }
}

#[test]
fn facts_are_asked_only_where_the_record_leaves_the_question_open() {
    let (rules, _) = load(&rule(
        "  s: {eventName: CreateUser}\n  f: {gw.by_service: true}\n  condition: s and not f",
    ));
    let text = json!({"eventName": "CreateUser", "eventSource": "iam"}).to_string();
    let slots = Slots::of(&text).unwrap();
    let record = Record::Trail(TrailRecord::new(&text, &slots));
    let event = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
    let mut candidates = Vec::new();
    Sieve::new(Arc::clone(&rules)).candidates(&event, |candidate| candidates.push(candidate));
    assert_eq!(candidates, [Candidate { rule: 0, verdict: Verdict::AskFacts }]);
    assert!(rules.decide(candidates[0], &event));
    let mut by_service = event.clone();
    by_service.facts.set("gw.by_service", true);
    assert!(!rules.decide(candidates[0], &by_service));
    let other = json!({"eventName": "DeleteUser", "eventSource": "iam"});
    assert!(!matches(&rules, &other, &Facts::default()));
}

#[test]
fn a_rule_that_names_its_calls_is_asked_about_no_other() {
    let (rules, problems) = load(
        &[
            rule("  s: {eventName: A, gw.identity.name: ana}\n  condition: s"),
            rule("  s: {gw.identity.name: ana}\n  t: {eventName: A}\n  condition: s and not t"),
        ]
        .join("---\n"),
    );
    assert!(problems.is_empty(), "{problems:?}");
    let mut session = Facts::default();
    session.set("gw.identity.name", "ana");
    let open = Gates::new(Arc::clone(&rules)).open(&Arc::new(session));
    assert_eq!(
        *open,
        [1],
        "the first names its call, so that no event of a session is asked about it"
    );

    let asked = |name: &str| {
        let text = json!({"eventName": name, "eventSource": "iam.amazonaws.com"}).to_string();
        let slots = Slots::of(&text).unwrap();
        let record = Record::Trail(TrailRecord::new(&text, &slots));
        let event = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
        let mut asked = Vec::new();
        Sieve::new(Arc::clone(&rules)).candidates(&event, |found| asked.push(found.rule));
        asked
    };
    assert_eq!(asked("A"), [0]);
    assert_eq!(asked("B"), [0; 0]);
}

#[test]
fn an_answer_is_remembered_for_its_value_and_its_question_alone() {
    let agents = "  s: {userAgent|contains: curl}\n  condition: s";
    let others = "  s: {userAgent|contains: curl}\n  condition: not s";
    let absent = "  s: {userAgent|exists: false}\n  condition: s";
    let role = "  s: {userIdentity.sessionContext.sessionIssuer.type: Role}\n  condition: s";
    let (rules, problems) = load(&[agents, others, absent, role].map(rule).join("---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    let mut sieve = Sieve::new(Arc::clone(&rules));
    let mut asked = |record: Value| {
        let text = record.to_string();
        let slots = Slots::of(&text).unwrap();
        let record = Record::Trail(TrailRecord::new(&text, &slots));
        let event = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
        let mut matched = Vec::new();
        sieve.candidates(&event, |found| matched.push(found.rule));
        matched
    };
    let issuer = |kind: &str| json!({"sessionContext": {"sessionIssuer": {"type": kind}}});
    // Twice: the second time from memory.
    for _ in 0..2 {
        assert_eq!(asked(json!({"userAgent": "curl/8"})), [0]);
        assert_eq!(asked(json!({"userAgent": "aws-cli"})), [1]);
        assert_eq!(asked(json!({"userAgent": ""})), [1]);
        assert_eq!(asked(json!({})), [1, 2]);
        assert_eq!(asked(json!({"eventName": "A", "userAgent": "curl/8"})), [0]);
        assert_eq!(asked(json!({"userIdentity": issuer("Role")})), [1, 2, 3]);
        assert_eq!(asked(json!({"userIdentity": issuer("Root")})), [1, 2]);
    }
}

#[test]
fn a_rule_about_verdicts_costs_events_without_one_nothing() {
    let rule = |detection: &str| rule(detection).replace(", service: cloudtrail", "");
    let about = [
        "  s: {gw.grant.verdict: none}\n  condition: s",
        "  s: {gw.grant.verdict: none, gw.by_service: false, eventName: A}\n  condition: s",
        "  s: {gw.grant.verdict|exists: true}\n  t: {eventName: A}\n  condition: s and not t",
    ];
    let beside = [
        "  s: {eventName: A}\n  t: {gw.grant.verdict: covered}\n  condition: s and not t",
        "  s: {gw.grant.verdict: none}\n  t: {eventName: A}\n  condition: s or t",
    ];
    let all: Vec<String> = about.iter().chain(&beside).map(|it| rule(it)).collect();
    let (rules, problems) = load(&all.join("---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(rules.of_verdicts(), [0, 1, 2]);

    let text = json!({"eventName": "A", "eventSource": "iam.amazonaws.com"}).to_string();
    let slots = Slots::of(&text).unwrap();
    let columns = FlowColumns::parse(FlowColumns::DEFAULT);
    let flow = FlowRecord::new("2 1 eni-1 - - - - - - - - - - OK", &columns);
    for record in [Record::Trail(TrailRecord::new(&text, &slots)), Record::Flow(flow)] {
        let event = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
        let mut asked = Vec::new();
        Sieve::new(Arc::clone(&rules)).candidates(&event, |found| asked.push(found.rule));
        assert!(!asked.is_empty() && asked.iter().all(|rule| *rule >= 3), "{asked:?}");
    }
    let mut session = Facts::default();
    session.set("gw.by_service", false);
    let session = Arc::new(session);
    assert!(Gates::new(Arc::clone(&rules)).open(&session).is_empty());

    let record = Record::Trail(TrailRecord::new(&text, &slots));
    let session = Some(session);
    let mut event = Event { time: Seconds(0), record, session, facts: Facts::default() };
    let matched = |event: &Event<'_>| -> Vec<u32> {
        rules.of_verdicts().iter().copied().filter(|rule| rules.matches(*rule, event)).collect()
    };
    assert_eq!(matched(&event), [0; 0]);
    event.facts.set("gw.grant.verdict", "none");
    assert_eq!(matched(&event), [0, 1]);
}

#[test]
fn a_rule_about_changes_of_policies_costs_other_events_nothing() {
    let all = [
        "  s: {gw.policy.worst: admin}\n  t: {gw.grant.verdict: covered}\n  condition: s and not t",
        "  s: {gw.policy.worst: admin, gw.grant.verdict: covered, eventName: A}\n  condition: s",
        "  s: {eventName: A}\n  t: {gw.policy.worst|exists: true}\n  condition: s and not t",
    ];
    let all: Vec<String> = all.iter().map(|it| rule(it)).collect();
    let (rules, problems) = load(&all.join("---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!((rules.of_policies(), rules.of_verdicts()), (&[0, 1][..], &[][..]));
    assert!(rules.is_about_policies(1) && !rules.is_about_policies(2));

    let text = json!({"eventName": "A", "eventSource": "iam.amazonaws.com"}).to_string();
    let slots = Slots::of(&text).unwrap();
    let record = Record::Trail(TrailRecord::new(&text, &slots));
    let mut event = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
    let mut asked = Vec::new();
    Sieve::new(Arc::clone(&rules)).candidates(&event, |found| asked.push(found.rule));
    assert_eq!(asked, [2]);
    event.facts.set("gw.policy.worst", "admin");
    assert!(rules.matches(0, &event) && !rules.matches(1, &event) && !rules.matches(2, &event));
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_stops_nothing_else() {
    let good = rule("  s: {eventName: A}\n  condition: s");
    for (bad, said) in [
        ("title: [\n", "mine/some_rule.yml:7: error"),
        ("title: No detection\nlogsource: {product: aws}\n", ":7: error"),
        (&rule("  s: {eventName|nonsense: A}\n  condition: s"), "nonsense"),
        (&rule("  s: {eventName: A}\n  condition: s | count() > 5"), ":7: error"),
        (&rule("  s: {eventName: A}\n  condition: t"), ":7: error"),
        (&rule("  s: {gw.identity.nmae: A}\n  condition: s"), "`gw.identity.nmae` is no fact"),
        (&(good.clone() + "grantwatch: {alert: {suppress: 1h}}\n"), "suppress"),
        (&(good.clone() + "grantwatch: {alert: {suppress_for: soon}}\n"), "`soon` is no duration"),
        (&(good.clone() + "status: deprecated\n"), "notice: left out: its status is deprecated"),
        (
            "title: W\nlogsource: {product: windows}\ndetection: {s: {A: b}, condition: s}\n",
            "notice: left out: no events",
        ),
        (&rule("  s: {userName|expand: '%admins%'}\n  condition: s"), "placeholder admins"),
    ] {
        let (rules, problems) = load(&format!("{good}---\n{bad}"));
        assert!(problems.iter().any(|problem| problem.contains(said)), "{said}: {problems:?}");
        assert!(matches(&rules, &json!({"eventName": "A"}), &Facts::default()), "{bad}");
    }
}

#[test]
fn of_two_rules_with_one_id_the_first_stays() {
    let one = "id: 6f0c9a52-0000-4000-8000-000000000001\n";
    let first = one.to_owned() + &rule("  s: {eventName: A}\n  condition: s");
    let second = one.to_owned() + &rule("  s: {eventName: B}\n  condition: s");
    let (rules, problems) = load(&format!("{first}---\n{second}"));
    assert_eq!(rules.len(), 1);
    assert!(problems[0].contains("is taken by mine/some_rule.yml:1"), "{problems:?}");
}

#[test]
fn a_placeholder_takes_its_value_from_the_configuration() {
    let text = rule("  s: {userName|expand: '%admins%'}\n  condition: s");
    let config = Config {
        placeholders: BTreeMap::from([(
            "admins".to_owned(),
            vec!["root".to_owned(), "ana".to_owned()],
        )]),
        ..Config::default()
    };
    let (rules, problems) = Rules::load(&config, &[Source { path: "a.yml".into(), text }], FACTS);
    assert!(problems.is_empty(), "{problems:?}");
    assert!(matches(&Arc::new(rules), &json!({"userName": "ana"}), &Facts::default()));
}

#[test]
fn a_filter_narrows_the_rules_it_names() {
    let named = "name: stops\nid: 6f0c9a52-0000-4000-8000-000000000001\n".to_owned()
        + &rule("  s: {eventName: StopLogging}\n  condition: s");
    let filter = "title: F\nlogsource: {product: aws, service: cloudtrail}\nfilter:\n  rules: [stops]\n  drill: {userIdentity.userName: drill}\n  condition: not drill\n";
    let (rules, problems) = load(&format!("{named}---\n{filter}"));
    assert!(problems.is_empty(), "{problems:?}");
    let by = |name: &str| json!({"eventName": "StopLogging", "userIdentity": {"userName": name}});
    assert!(matches(&rules, &by("eve"), &Facts::default()));
    assert!(!matches(&rules, &by("drill"), &Facts::default()));
}

const FAILURES: &str = r#"
title: A failed login
name: failed_login
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: ConsoleLogin, responseElements.ConsoleLogin: Failure}, condition: s}
---
title: Many failed logins
id: 6f0c9a52-0000-4000-8000-000000000009
correlation:
  type: event_count
  rules: [failed_login]
  group-by: [userIdentity.userName]
  timespan: 5m
  condition: {gte: 3}
level: high
"#;

fn failure(minute: i64, user: Option<&str>) -> (i64, String) {
    let mut record = json!({"eventName": "ConsoleLogin", "eventSource": "signin.amazonaws.com",
        "eventID": format!("e{minute}"), "recipientAccountId": "1",
        "responseElements": {"ConsoleLogin": "Failure"}, "userIdentity": {}});
    if let Some(user) = user {
        record["userIdentity"]["userName"] = user.into();
    }
    (minute * 60, record.to_string())
}

fn feed(correlator: &mut Correlator, rules: &Arc<Rules>, events: &[(i64, String)]) {
    for (time, text) in events {
        let slots = Slots::of(text).unwrap();
        let record = Record::Trail(TrailRecord::new(text, &slots));
        let event = Event { time: Seconds(*time), record, session: None, facts: Facts::default() };
        Sieve::new(Arc::clone(rules)).candidates(&event, |candidate| {
            assert!(rules.feeds(candidate.rule) && rules.alerting(candidate.rule).is_none());
            correlator.add(&[rules.detector(candidate.rule)], &event, "file");
        });
    }
}

/// Returns the times and counted events of what fires once all has passed.
fn fired(correlator: &mut Correlator) -> Vec<(i64, Vec<String>)> {
    let fired = correlator.advance(Seconds(i64::MAX));
    fired.into_iter().map(|fired| (fired.time().0, fired.event_ids)).collect()
}

proptest! {
    #[test]
    fn a_burst_is_counted_the_same_in_any_order(order in Just([0usize, 1, 2, 3]).prop_shuffle()) {
        let (rules, problems) = load(FAILURES);
        prop_assert!(problems.is_empty(), "{:?}", problems);
        let events = [failure(0, Some("ana")), failure(2, Some("ana")), failure(4, Some("ana")), failure(3, Some("bob"))];
        let mut correlator = Correlator::new(Arc::clone(&rules));
        let shuffled: Vec<(i64, String)> = order.iter().map(|place| events[*place].clone()).collect();
        feed(&mut correlator, &rules, &shuffled);
        prop_assert!(correlator.advance(Seconds(-1)).is_empty(), "time has not come");
        let ids = ["1/e0", "1/e2", "1/e4"].map(str::to_owned).to_vec();
        prop_assert_eq!(fired(&mut correlator), vec![(240, ids)]);
    }
}

#[test]
fn an_event_without_the_group_field_is_not_counted() {
    let (rules, _) = load(FAILURES);
    let mut correlator = Correlator::new(Arc::clone(&rules));
    feed(&mut correlator, &rules, &[failure(0, None), failure(1, None), failure(2, None)]);
    assert!(fired(&mut correlator).is_empty());
}

/// The tables of this room.
const TABLES: [Migration; 2] = [
    Migration { number: 1, name: "first", sql: table::SCHEMA },
    Migration { number: 2, name: "together", sql: table::TOGETHER },
];

#[test]
fn windows_live_through_a_restart() {
    let (rules, _) = load(FAILURES);
    let folder = tempfile::tempdir().unwrap();
    let mut store = crate::store::Store::open(&folder.path().join("a.db"), &TABLES).unwrap();
    let mut correlator = Correlator::new(Arc::clone(&rules));
    feed(&mut correlator, &rules, &[failure(0, Some("ana")), failure(1, Some("ana"))]);
    assert!(correlator.advance(Seconds(60)).is_empty());
    let tx = store.begin().unwrap();
    correlator.save(&tx).unwrap();
    tx.commit().unwrap();
    let mut again = Correlator::load(Arc::clone(&rules), store.connection(), Seconds(60)).unwrap();
    feed(&mut again, &rules, &[failure(2, Some("ana"))]);
    assert_eq!(fired(&mut again).len(), 1);
}

#[test]
fn a_large_record_is_kept_by_its_head_and_what_is_counted() {
    let (rules, _) = load(&FAILURES.replace("userIdentity.userName", "requestParameters.secretId"));
    let text = json!({"eventName": "ConsoleLogin", "eventID": "e", "requestParameters":
        {"secretId": "s-1", "long": "x".repeat(10_000)}})
    .to_string();
    let slots = Slots::of(&text).unwrap();
    let record = Record::Trail(TrailRecord::new(&text, &slots));
    let event = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
    let kept: Value = serde_json::from_str(&kept::record(&rules, &event).0).unwrap();
    assert_eq!(
        kept,
        json!({"eventName": "ConsoleLogin", "eventID": "e", "requestParameters": {"secretId": "s-1"}})
    );
}

#[test]
fn a_detectors_own_tests_are_run() {
    let tests = "grantwatch:\n  tests:\n    - {name: good, events: [{eventName: A, userIdentity.type: Root}], match: true}\n    - {name: wrong, events: [{eventName: B}], match: true}\n    - {name: odd, events: [{gw.nothing: 1}], match: true}\n";
    let (rules, _) =
        load(&(rule("  s: {eventName: A, userIdentity.type: Root}\n  condition: s") + tests));
    let tested = rules.test();
    assert_eq!(tested[0].failure, None);
    assert!(tested[1].failure.as_ref().unwrap().starts_with("expected to match, but does not"));
    assert!(tested[2].failure.as_ref().unwrap().contains("`gw.nothing` is no fact"));
}

fn any_event() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["StopLogging", "CreateUser", "Get'x", ""]);
    let source = prop::sample::select(vec!["iam.amazonaws.com", "cloudtrail.amazonaws.com"]);
    let error =
        prop::option::of(prop::sample::select(vec![json!("AccessDenied"), json!(null), json!("")]));
    let who = prop::sample::select(vec!["Root", "IAMUser", "AssumedRole"]);
    let list = prop::collection::vec(prop::sample::select(vec!["*", "a", "b"]), 0..3);
    (name, source, error, who, list, any::<bool>(), 0i64..3).prop_map(|(name, source, error, who, list, flag, number)| {
        let mut event = json!({"eventName": name, "eventSource": source, "userIdentity": {"type": who},
            "requestParameters": {"list": list, "flag": flag, "number": number, "objs": [{"k": number}, {"k": "v"}]}});
        if let Some(error) = error {
            event["errorCode"] = error;
        }
        event
    })
}

/// Rules of every shape, to hold ours against rsigma's own engine.
const SHAPES: &[&str] = &[
    "  s: {eventName: StopLogging, eventSource: cloudtrail.amazonaws.com}\n  condition: s",
    "  s: {eventName: [StopLogging, CreateUser]}\n  f: {errorCode|exists: true}\n  condition: s and not f",
    "  s: {userIdentity.type: Root}\n  condition: s",
    "  s: {errorCode: null}\n  condition: s",
    "  s: {errorCode: ''}\n  condition: s",
    "  s: {errorCode|contains: Denied}\n  t: {eventName|startswith: Create}\n  condition: 1 of them",
    "  s: {requestParameters.list|contains: '*'}\n  condition: s",
    "  s: {requestParameters.list|contains|all: [a, b]}\n  condition: s",
    "  s: {requestParameters.flag: true}\n  condition: not s",
    "  s: {requestParameters.number|gte: 1}\n  condition: s",
    "  s: {requestParameters.objs.k: v}\n  t: {requestParameters.objs.k: 2}\n  condition: all of them",
    "  s: {eventName|re: '^S.*g$'}\n  condition: s",
    "  s: {eventName|neq: StopLogging}\n  condition: s",
    "  s: {eventSource|fieldref: eventSource}\n  condition: s",
    "  s: ['StopLogging', 'Root']\n  condition: s",
    "  s_a: {eventName: '?topLogging'}\n  s_b: {userIdentity.type|endswith: user}\n  s_c: {errorCode: AccessDenied}\n  condition: 2 of s_*",
    "  s: {requestParameters.missing.path: null}\n  condition: s",
    "  s: {'requestParameters.objs[0].k': 1}\n  condition: s",
];

/// Ours and rsigma's engine, loaded with [`SHAPES`].
static BOTH: LazyLock<(Arc<Rules>, Engine)> = LazyLock::new(|| {
    let numbered = (0..).zip(SHAPES);
    let text: Vec<String> =
        numbered.map(|(number, shape)| format!("id: r{number:02}\n{}", rule(shape))).collect();
    let text = text.join("---\n");
    let (rules, problems) = load(&text);
    assert!(problems.is_empty(), "{problems:?}");
    let mut engine = Engine::new();
    engine.add_collection(&parse_sigma_yaml(&text).unwrap()).unwrap();
    (rules, engine)
});

proptest! {
    #[test]
    fn agrees_with_rsigma_on_every_shape(events in prop::collection::vec(any_event(), 1..8)) {
        let (rules, engine) = &*BOTH;
        // One memory for all of them: what is remembered of one event must hold for the next of its kind.
        let mut sieve = Sieve::new(Arc::clone(rules));
        for event in &events {
            let plain: BTreeSet<String> =
                engine.evaluate(&JsonEvent::borrow(event)).into_iter().filter_map(|found| found.header.rule_id).collect();
            let raw = event.to_string();
            let slots = Slots::of(&raw).unwrap();
            let record = Record::Trail(TrailRecord::new(&raw, &slots));
            let seen = Event { time: Seconds(0), record, session: None, facts: Facts::default() };
            let mut ours = BTreeSet::new();
            sieve.candidates(&seen, |found| {
                if rules.decide(found, &seen) {
                    ours.insert(rules.rules[found.rule as usize].detector.id.0.clone());
                }
            });
            prop_assert_eq!(ours, plain, "{}", raw);
        }
    }
}

#[test]
fn an_input_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::Store::open(&folder.path().join("a.db"), &TABLES).unwrap();
    let mut facts = Facts::default();
    facts.set("gw.identity.name", "person:ana");
    facts.set("gw.by_service", true);
    let input = Input {
        time: Seconds(7),
        event_id: "1/e".to_owned(),
        rule_ids: vec!["r".to_owned(), "s".to_owned()],
        record: "{}".to_owned(),
        slots: Slots::of("{}").unwrap(),
        facts,
        object: "file".to_owned(),
    };
    let other =
        Input { event_id: "2/e".to_owned(), record: r#"{"a":[1]}"#.to_owned(), ..input.clone() };
    let other = Input { slots: Slots::of(&other.record).unwrap(), ..other };
    let both = [Arc::new(input.clone()), Arc::new(other.clone())];
    table::insert(store.connection(), &both).unwrap();
    assert_eq!(table::inputs(store.connection(), FACTS).unwrap(), [input, other]);
    table::prune(store.connection(), Seconds(7)).unwrap();
    assert_eq!(table::inputs(store.connection(), FACTS).unwrap().len(), 2);
    table::prune(store.connection(), Seconds(8)).unwrap();
    assert!(table::inputs(store.connection(), FACTS).unwrap().is_empty());
}

#[test]
fn inputs_of_an_older_store_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let old = crate::store::Store::open(&file, &TABLES[..1]).unwrap();
    old.connection()
        .execute_batch(
            r#"INSERT INTO correlation_input VALUES
               (5, 'a', '["r"]', '{"eventName":"A"}', '{"gw.by_service":true}', 'f'),
               (9, 'b', '["r","s"]', '{"eventName":"B"}', '{}', 'f')"#,
        )
        .unwrap();
    drop(old);
    let new = crate::store::Store::open(&file, &TABLES).unwrap();
    let inputs = table::inputs(new.connection(), FACTS).unwrap();
    let seen: Vec<(i64, &str, usize, &str)> = inputs
        .iter()
        .map(|it| (it.time.0, it.event_id.as_str(), it.rule_ids.len(), it.record.as_str()))
        .collect();
    assert_eq!(seen, [(5, "a", 1, r#"{"eventName":"A"}"#), (9, "b", 2, r#"{"eventName":"B"}"#)]);
    assert_eq!(inputs[0].facts.get("gw.by_service"), Some(&Fact::Flag(true)));
}

#[test]
fn what_comes_too_late_is_counted_with_its_like_only() {
    let (rules, _) = load(FAILURES);
    let mut correlator = Correlator::new(Arc::clone(&rules));
    feed(&mut correlator, &rules, &[failure(100, Some("ana")), failure(101, Some("ana"))]);
    assert!(correlator.advance(Seconds(7_000)).is_empty());
    feed(&mut correlator, &rules, &[failure(10, Some("ana"))]);
    assert!(correlator.advance(Seconds(7_000)).is_empty(), "an hour and a half lie between");
    feed(&mut correlator, &rules, &[failure(11, Some("ana")), failure(12, Some("ana"))]);
    assert_eq!(correlator.advance(Seconds(7_000)).len(), 1);
}

#[test]
fn a_temporal_correlation_without_a_condition_wants_all_its_rules() {
    let one = |name: &str, event: &str| {
        format!("name: {name}\n") + &rule(&format!("  s: {{eventName: {event}}}\n  condition: s"))
    };
    let both = "title: Both\nid: both\ncorrelation: {type: temporal, rules: [one, two], group-by: [userIdentity.userName], timespan: 5m}\n";
    let (rules, problems) =
        load(&[one("one", "A"), one("two", "B"), both.to_owned()].join("---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    let event = |minute: i64, name: &str| {
        let record =
            json!({"eventName": name, "eventID": name, "userIdentity": {"userName": "ana"}});
        (minute * 60, record.to_string())
    };
    let mut correlator = Correlator::new(Arc::clone(&rules));
    feed(&mut correlator, &rules, &[event(0, "A")]);
    assert!(correlator.advance(Seconds(60)).is_empty());
    feed(&mut correlator, &rules, &[event(2, "B")]);
    assert_eq!(fired(&mut correlator).len(), 1);
}

#[test]
fn a_correlation_that_another_counts_raises_no_alert_itself() {
    let success = "title: A login\nname: login\nlogsource: {product: aws, service: cloudtrail}\n\
        detection: {s: {eventName: ConsoleLogin, responseElements.ConsoleLogin: Success}, condition: s}\n";
    let after = "title: A login after failures\nid: after\ncorrelation: {type: temporal_ordered, rules: [often, login], group-by: [userIdentity.userName], timespan: 30m}\n";
    let often = FAILURES.replacen("title: Many", "name: often\ntitle: Many", 1);
    let (rules, problems) = load(&[&often, success, after].join("---\n"));
    assert!(problems.is_empty(), "{problems:?}");
    let known: Vec<&str> = rules.detectors().map(|detector| detector.id.0.as_str()).collect();
    assert_eq!(known, ["after"]);
    let mut login = failure(5, Some("ana"));
    login.1 = login.1.replace("Failure", "Success");
    let mut events: Vec<(i64, String)> = (1..4).map(|at| failure(at, Some("ana"))).collect();
    events.push(login);
    let mut correlator = Correlator::new(Arc::clone(&rules));
    feed(&mut correlator, &rules, &events);
    let fired = correlator.advance(Seconds(i64::MAX));
    let fired: Vec<&str> = fired.iter().map(|fired| fired.detector.id.0.as_str()).collect();
    assert_eq!(fired, ["after"], "the burst is a part of it, and no alert");
}
