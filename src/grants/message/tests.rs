//! Stories of messages: each form, what is refused, and what nothing in a text can do.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::*;
use crate::grants::Delegates;
use crate::grants::GrantId;
use crate::grants::Principal;
use crate::grants::Scope;
use crate::grants::Status;
use crate::grants::Who;
use crate::grants::Window;
use crate::model::Seconds;

const FORMS: [Form; 4] = [Form::Json, Form::Ndjson, Form::Yaml, Form::Csv];

fn message() -> Value {
    json!({
        "schema": "grantwatch.grant/1", "id": "team:6f0c9a52", "source": "aws-team", "revision": 3,
        "emitted_at": "2026-03-01T08:00:05Z", "status": "active",
        "principals": [{
            "kind": "idc_user", "identity_store": "d-9067642ac7",
            "user_id": "544894e8-80c1-707f-60e3-3ba6510dfac1", "user_name": "alice@example.com",
        }],
        "scope": {
            "accounts": ["111122223333"], "permission_sets": ["AdminAccess"], "role_arns": [],
            "actions": ["*"], "resources": ["*"], "regions": [], "conditions": {},
        },
        "window": {"not_before": "2026-03-01T08:00:00Z", "not_after": "2026-03-01T10:00:00Z"},
        "requested_at": "2026-03-01T07:40:00Z", "approved_at": "2026-03-01T07:55:00Z",
        "approvers": [{"user_name": "bob@example.com"}],
        "ticket": {"system": "jira", "id": "OPS-1234"}, "justification": "deploy fix", "break_glass": false,
        "delegates": {"chained_roles": ["arn:aws:iam::111122223333:role/ops/*"], "max_depth": 1},
        "supersedes": null, "signature": null,
    })
}

/// Reads `message` with `field` set, or taken away by null; returns what is wrong with it.
fn wrong(field: &str, value: Value) -> String {
    let mut message = message();
    *message.pointer_mut(field).unwrap() = value;
    let (versions, errors) = parse(&message.to_string(), Form::Ndjson);
    assert!(versions.is_empty(), "{field}: {versions:?}");
    let told: Vec<String> = errors[0].mistakes.iter().map(ToString::to_string).collect();
    told.join("; ")
}

#[test]
fn the_documented_message_is_read() {
    let version = read(&message(), &Limits::default()).unwrap();
    assert_eq!(version.id, GrantId("team:6f0c9a52".into()));
    assert_eq!((version.revision, version.status), (3, Status::Active));
    assert_eq!(version.window.until.since(version.window.from), Span(7_200));
    assert_eq!(version.ticket, Box::<str>::from("jira OPS-1234"));
    assert_eq!(version.scope.role_arns, Some(Vec::new()));
    assert_eq!(version.scope.source_networks, None);
    assert_eq!(version.delegates.max_depth, 1);
}

#[test]
fn every_form_says_the_same() {
    let expected = read(&message(), &Limits::default()).unwrap();
    let yaml = yaml_serde::to_string(&message()).unwrap();
    let csv = "id,source,revision,emitted_at,status,principals,accounts,permission_sets,role_arns,actions,resources,regions,\
         not_before,not_after,requested_at,approved_at,approvers,ticket,justification,chained_roles,max_depth\n\
         team:6f0c9a52,aws-team,3,2026-03-01T08:00:05Z,active,alice@example.com,111122223333,AdminAccess,[],*,*,[],\
         2026-03-01T08:00:00Z,2026-03-01T10:00:00Z,2026-03-01T07:40:00Z,2026-03-01T07:55:00Z,bob@example.com,\
         jira OPS-1234,deploy fix,arn:aws:iam::111122223333:role/ops/*,1\n";
    for (form, text) in [
        (Form::Json, message().to_string()),
        (Form::Json, format!("[{:#}]", message())),
        (Form::Ndjson, format!("\u{feff}{}\n", message())),
        (Form::Yaml, yaml.clone()),
        (Form::Yaml, format!("---\n{yaml}---\n")),
    ] {
        assert_eq!(parse(&text, form), (vec![expected.clone()], Vec::new()), "{form:?}\n{text}");
    }
    let (versions, errors) = parse(csv, Form::Csv);
    assert_eq!(errors, Vec::new());
    let by_name = Principal::IdcUser {
        identity_store: "".into(),
        user_id: "".into(),
        user_name: "alice@example.com".into(),
    };
    assert_eq!(versions, [Version { principals: vec![by_name], ..expected }]);
}

#[test]
fn what_could_make_access_of_nothing_is_refused() {
    assert!(
        wrong("/status", json!("in progress")).starts_with("status: `in progress` is none of:")
    );
    assert_eq!(wrong("/status", Value::Null), "status: is missing");
    assert_eq!(
        wrong("/window/not_after", Value::Null),
        "window.not_after: is missing: access without an end is standing privilege, no grant"
    );
    assert!(wrong("/window", Value::Null).starts_with("window: is missing: access without an end"));
    assert_eq!(
        wrong("/window/not_after", json!("2999-12-31T00:00:00Z")),
        "window.not_after: is 355685d16h after not_before, at most 366d may be"
    );
    assert!(wrong("/window/not_after", json!("forever")).contains("is not a time with its zone"));
    assert!(
        wrong("/window/not_after", json!("2026-03-01T10:00:00"))
            .contains("is not a time with its zone")
    );
    assert!(
        wrong("/window/not_after", json!(1_772_352_000)).contains("is not a time with its zone")
    );
    assert_eq!(
        wrong("/window/not_after", json!("9999-12-31T00:00:00Z")),
        "window.not_after: is missing: access without an end is standing privilege, no grant"
    );
    assert_eq!(
        wrong("/window/not_after", json!("2026-03-01T08:00:00Z")),
        "window.not_after: is not after not_before"
    );
    assert_eq!(wrong("/principals", json!([])), "principals: names nobody");
    assert_eq!(wrong("/principals/0", json!({"kind": "idc_user"})), "principals[0]: names nobody");
    assert!(wrong("/principals/0/kind", json!("everybody")).contains("unknown variant"));
    assert_eq!(wrong("/scope", Value::Null), "scope: is missing");
    assert_eq!(
        wrong("/scope", json!({"actions": ["*"]})),
        "scope: needs accounts, permission_sets or role_arns: it would cover everything"
    );
    assert_eq!(
        wrong("/scope/accounts/0", json!("*")),
        "scope.accounts[0]: `*` is no account: twelve digits"
    );
    assert!(wrong("/scope/conditions", json!({"a": 1})).contains("cannot be held to yet"));
    assert_eq!(
        wrong("/scope", json!({"acounts": ["111122223333"], "permission_sets": ["A"]})),
        "scope.acounts: is no field of grantwatch.grant/1; did you mean `accounts`?"
    );
    let both = json!({"kind": "iam_role_arn", "arn": "arn:aws:iam::1:role/a", "session_name": "x"});
    assert!(wrong("/principals/0", both).contains("principals[0].session_name: is no field"));
    assert_eq!(
        wrong("/break_glass", json!("no")),
        "break_glass: has to be true or false, not `no`"
    );
    assert!(
        wrong("/schema", json!("grantwatch.grant/2")).contains("has to be `grantwatch.grant/1`")
    );
    assert!(wrong("/revision", json!(-1)).contains("whole number"));
    assert!(wrong("/supersedes", json!("team:1")).contains("is not read"));
    assert_eq!(wrong("/id", json!(" ")), "id: is empty");
}

#[test]
fn the_end_of_a_grant_needs_neither_window_nor_scope() {
    let end = json!({
        "schema": SCHEMA, "id": "a", "source": "s", "emitted_at": "2026-03-01T09:00:00Z", "status": "revoked",
    });
    let version = read(&end, &Limits::default()).unwrap();
    assert_eq!(version.window, Window { from: version.emitted_at, until: version.emitted_at });
    let mut given = end;
    given["status"] = json!("active");
    assert_eq!(read(&given, &Limits::default()).unwrap_err().mistakes.len(), 3);
}

#[test]
fn a_mistake_costs_its_message_and_is_told_with_its_line() {
    let good = message();
    let text = format!("{good}\n{{\"id\": \n\n{good}\n{{}}\n");
    let (versions, errors) = parse(&text, Form::Ndjson);
    assert_eq!(
        (versions.len(), errors.iter().map(|it| it.line).collect::<Vec<_>>()),
        (2, vec![2, 5])
    );

    let mut bad = message();
    bad["status"] = json!("unheard of");
    let (versions, errors) = parse(&format!("[\n{good:#},\n{bad:#},\n{good}\n]"), Form::Json);
    let lines = format!("{good:#}").lines().count();
    assert_eq!((versions.len(), errors.len(), errors[0].line), (2, 1, lines + 2));
    assert!(
        errors[0]
            .to_string()
            .starts_with(&format!("line {}, grant `team:6f0c9a52`: status: ", lines + 2))
    );

    let (versions, errors) = parse(&format!("[{good},\n{good}, {{]"), Form::Json);
    assert_eq!((versions.len(), errors.len(), errors[0].line), (2, 1, 2));

    let item = |message: &Value| {
        let text = yaml_serde::to_string(message).unwrap();
        text.lines()
            .enumerate()
            .map(|(i, line)| format!("{}{line}\n", if i == 0 { "- " } else { "  " }))
            .collect::<String>()
    };
    let lines = item(&good).lines().count();
    let text = format!("# ours\n{}{}- {{ \n{}", item(&good), item(&bad), item(&good));
    let (versions, errors) = parse(&text, Form::Yaml);
    assert_eq!(versions.len(), 2, "{errors:?}");
    assert_eq!(errors[0].line, lines + 2);
    assert_eq!(errors.len(), 2);

    let head = "id,source,emitted_at,status,principals,accounts,not_before,not_after\n";
    let row = "a,s,2026-03-01T08:00:00Z,active,alice@example.com,111122223333,2026-03-01T08:00:00Z,2026-03-01T09:00:00Z\n";
    let (versions, errors) = parse(&format!("{head}{row}b,s,x\n{row}c,s,,,,,,\n"), Form::Csv);
    assert_eq!(
        (versions.len(), errors.iter().map(|it| it.line).collect::<Vec<_>>()),
        (2, vec![3, 5])
    );
    let (versions, errors) = parse(&format!("acounts,{head}{row}"), Form::Csv);
    assert_eq!((versions.len(), errors.len()), (0, 1));
    assert!(errors[0].to_string().contains("acounts: is no column"), "{errors:?}");
}

#[test]
fn a_bomb_in_yaml_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", "));
    }
    let (versions, errors) = parse(&text, Form::Yaml);
    assert!(versions.is_empty() && !errors.is_empty());
    let deep = "[".repeat(100_000);
    for form in FORMS {
        assert!(parse(&deep, form).0.is_empty());
    }
}

#[test]
fn what_the_simulation_says_is_read() {
    let text = include_str!("../../../testdata/grants/simulation.ndjson");
    let (versions, errors) = parse(text, Form::Ndjson);
    assert_eq!((errors, versions.len()), (Vec::new(), text.lines().count()));
}

fn word() -> impl Strategy<Value = Box<str>> {
    "[a-zA-Z0-9_.@*-]{1,12}".prop_map(Box::from)
}

fn list(of: impl Strategy<Value = Box<str>>) -> impl Strategy<Value = Option<Vec<Box<str>>>> {
    prop::option::of(prop::collection::vec(of, 0..3))
}

fn principal() -> impl Strategy<Value = Principal> {
    prop_oneof![
        (word(), word(), word()).prop_map(|(identity_store, user_id, user_name)| {
            Principal::IdcUser { identity_store, user_id, user_name }
        }),
        (word(), word()).prop_map(|(identity_store, group_id)| Principal::IdcGroup {
            identity_store,
            group_id
        }),
        word().prop_map(|arn| Principal::IamUserArn { arn }),
        word().prop_map(|arn| Principal::IamRoleArn { arn }),
        (word(), word())
            .prop_map(|(role_arn, session_name)| Principal::AssumedRole { role_arn, session_name }),
        word().prop_map(|value| Principal::SourceIdentity { value }),
        word().prop_map(|subject| Principal::SamlSubject { subject }),
        (word(), word())
            .prop_map(|(provider, subject)| Principal::OidcSubject { provider, subject }),
        word().prop_map(|account| Principal::Account { account }),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let account = || "[0-9]{12}".prop_map(Box::from);
    let arn = || word().prop_map(|it| Box::from(format!("arn:{it}")));
    let action = || word().prop_map(|it| Box::from(format!("s3:{it}")));
    let network = || {
        (0_u8..=255, 0_u8..=32).prop_map(|(byte, bits)| Box::from(format!("10.0.{byte}.0/{bits}")))
    };
    (
        list(account()),
        prop::collection::vec(word(), 0..3),
        list(arn()),
        list(action()),
        list(word()),
        list(word()),
        list(network()),
    )
        .prop_map(
            |(accounts, sets, role_arns, actions, resources, regions, source_networks)| Scope {
                accounts,
                permission_sets: Some(sets),
                role_arns,
                actions,
                resources,
                regions,
                source_networks,
                own_credentials: false,
            },
        )
}

fn moment() -> impl Strategy<Value = Seconds> {
    (0_i64..4_000_000_000).prop_map(Seconds)
}

prop_compose! {
    fn version()(
        (id, source, revision, emitted_at) in (word(), word(), 0..=i64::MAX as u64, moment()),
        status in prop::sample::select(vec![
            Status::Requested, Status::Approved, Status::Scheduled, Status::Active, Status::Extended, Status::Revoked,
            Status::Expired, Status::Ended, Status::Rejected, Status::Cancelled, Status::Failed,
        ]),
        principals in prop::collection::vec(principal(), 1..3),
        scope in scope(),
        (from, length) in (moment(), 1_i64..31_000_000),
        (requested_at, approved_at) in (prop::option::of(moment()), prop::option::of(moment())),
        approvers in prop::collection::vec((word(), word()), 0..3),
        ticket in prop::sample::select(vec!["", "OPS-1", "jira OPS-1", "service now INC 7"]),
        justification in "\\PC{0,40}",
        break_glass in any::<bool>(),
        (chained, max_depth) in (prop::collection::vec(word(), 0..2), any::<u8>()),
    ) -> Version {
        Version {
            id: GrantId(id),
            source,
            revision,
            emitted_at,
            status,
            principals,
            scope,
            window: Window { from, until: from.plus(Span(length)) },
            requested_at,
            approved_at,
            approvers: approvers.into_iter().map(|(user_id, user_name)| Who { user_id, user_name }).collect(),
            ticket: ticket.into(),
            justification: justification.trim().into(),
            break_glass,
            delegates: Delegates {
                chained_roles: chained.into_iter().map(|it| Box::from(format!("arn:{it}"))).collect(),
                max_depth,
            },
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same_version(versions in prop::collection::vec(version(), 1..4)) {
        let messages: Vec<Value> = versions.iter().map(written).collect();
        let lines: String = messages.iter().map(|message| format!("{message}\n")).collect();
        let texts = [
            (Form::Ndjson, lines.clone()),
            (Form::Json, lines),
            (Form::Json, Value::Array(messages.clone()).to_string()),
            (Form::Yaml, yaml_serde::to_string(&messages).unwrap()),
        ];
        for (form, text) in texts {
            prop_assert_eq!(parse(&text, form), (versions.clone(), Vec::new()), "{:?}\n{}", form, text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*|[-\\[\\]{},:\"' a\n#&*!|>0-9]{0,80}") {
        for form in FORMS {
            let (_, errors) = parse(&text, form);
            prop_assert!(errors.iter().all(|error| !error.mistakes.is_empty()));
        }
    }

    #[test]
    fn no_damage_makes_it_panic_or_gives_access_without_an_end(at in 0_usize..900, with in "\\PC{0,3}", cut in 0_usize..8) {
        let mut text = message().to_string();
        let bound = |at: usize, text: &str| text.ceil_char_boundary(at.min(text.len()));
        let (from, to) = (bound(at, &text), bound(at + cut, &text));
        text.replace_range(from..to, &with);
        for form in FORMS {
            for version in parse(&text, form).0 {
                let length = version.window.until.since(version.window.from);
                prop_assert!(length > Span(0) && length <= Limits::default().max_duration);
            }
        }
    }
}
