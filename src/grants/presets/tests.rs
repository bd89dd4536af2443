//! Stories of presets: each reads samples of its broker's messages, with invented values in their shape.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::grants::message;
use crate::grants::message::Form;
use crate::grants::message::written;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/grants").join(name)
}

/// The preset with what its sample's operator gave.
fn given(name: &str) -> Preset {
    let file = folder(name).join("mapping.toml");
    let text = fs::read_to_string(file).unwrap_or_else(|_| format!("preset = {name:?}"));
    Preset::read(&text).unwrap()
}

fn samples(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder(name).join("messages.ndjson")).unwrap();
    message::values(&text, Form::Ndjson).into_iter().map(|found| found.unwrap().1).collect()
}

#[test]
fn every_preset_is_in_order_and_has_its_own_name() {
    for (name, _) in FILES {
        assert_eq!(preset(name).unwrap().name(), name);
        assert!(!preset(name).unwrap().about().is_empty());
    }
    assert!(preset("unknown").is_none());
}

/// `UPDATE=1` writes anew what the samples give: read it before it is committed.
#[test]
fn every_sample_gives_the_grants_that_stand_beside_it() {
    for (name, _) in FILES {
        let preset = given(name);
        let mut found = String::new();
        for sample in samples(name) {
            for outcome in preset.map_all(&sample, &Limits::default()) {
                if let Some(version) = outcome.unwrap_or_else(|error| panic!("{name}: {error}")) {
                    found += &format!("{}\n", written(&version));
                }
            }
        }
        let file = folder(name).join("neutral.ndjson");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &found).unwrap();
        }
        assert_eq!(fs::read_to_string(&file).unwrap_or_default(), found, "{name}");
        let (versions, errors) = message::parse(&found, Form::Ndjson);
        assert_eq!((versions.len(), errors), (found.lines().count(), Vec::new()), "{name}");
    }
}

#[test]
fn nothing_is_read_as_access_without_what_an_operator_has_to_give() {
    for name in ["teleport", "conductorone", "britive", "apono", "okta", "entra-pim"] {
        let preset = preset(name).unwrap();
        for sample in samples(name) {
            for outcome in preset.map_all(&sample, &Limits::default()) {
                let gives = matches!(&outcome, Ok(Some(version)) if version.status.gives());
                assert!(!gives, "{name}: {outcome:?}");
            }
        }
    }
}

#[test]
fn any_field_that_is_taken_away_is_told_or_not_needed_and_never_panics() {
    for (name, _) in FILES {
        let preset = given(name);
        for sample in samples(name) {
            for pointer in pointers(&sample) {
                for instead in [Value::Null, json!(-1), json!("x"), json!([]), json!({})] {
                    let mut changed = sample.clone();
                    *changed.pointer_mut(&pointer).unwrap() = instead;
                    for outcome in preset.map_all(&changed, &Limits::default()) {
                        match outcome {
                            Err(error) => assert!(!error.mistakes.is_empty()),
                            Ok(Some(version)) => {
                                assert!(
                                    version.window.until.since(version.window.from).0
                                        <= 366 * 86_400
                                );
                            }
                            Ok(None) => {}
                        }
                    }
                }
            }
        }
    }
}

fn pointers(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v)).collect()
        }
        Value::Array(entries) => {
            entries.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect()
        }
        _ => Vec::new(),
    };
    let mut found = vec![String::new()];
    for (name, child) in children {
        found.extend(pointers(child).into_iter().map(|rest| format!("/{name}{rest}")));
    }
    found
}

/// Says what the first sample of `name`, changed at `pointer`, is told to be wrong with.
fn told(name: &str, index: usize, pointer: &str, instead: Value) -> String {
    let mut sample = samples(name).swap_remove(index);
    *sample.pointer_mut(pointer).unwrap() = instead;
    given(name).map(&sample).unwrap_err().to_string()
}

#[test]
fn what_is_wrong_is_told_field_by_field() {
    assert_eq!(
        told("aws-team", 1, "/status", json!("unheard of")),
        "line 0, grant `team:6f0c9a52-1111-4222-8333-944455566677`: \
         status: `unheard of` is not in [status.map]; \
         revision: there is no `unheard of` in [lookup.revision] (`lookup('revision', status)`)"
    );
    let mut bare = samples("aws-team").swap_remove(1);
    for name in ["accountId", "startTime", "duration"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(
        preset("aws-team").unwrap().map(&bare).unwrap_err().to_string(),
        "line 0, grant `team:6f0c9a52-1111-4222-8333-944455566677`: \
         scope.accounts[0]: has to be text, not nothing; \
         window: is missing: access without an end is standing privilege, no grant"
    );
}

#[test]
fn forever_is_no_grant() {
    assert!(told("aws-team", 1, "/duration", json!("-1")).contains("standing privilege"));
    assert!(
        told("conductorone", 1, "/task/type/grant/grantDuration", Value::Null)
            .contains("standing privilege")
    );
    assert!(told("apono", 1, "/data/revocation_date", json!(4e9)).contains("at most 366d"));
    let no_end = json!({"type": "noExpiration"});
    assert!(
        told("entra-pim", 0, "/scheduleInfo/expiration", no_end).contains("standing privilege")
    );
}

#[test]
fn two_scopes_are_not_made_one() {
    let text = fs::read_to_string(folder("teleport").join("mapping.toml")).unwrap()
        + "\"aws-test\" = { accounts = [\"444455556666\"], role_arns = [\"arn:aws:iam::444455556666:role/t\"] }\n";
    let mut sample = samples("teleport").swap_remove(2);
    sample["roles"] = json!(["aws-production-admin", "aws-test"]);
    let told = Preset::read(&text).unwrap().map(&sample).unwrap_err().to_string();
    assert!(told.contains("scope: there are several that differ"), "{told}");
    sample["roles"] = json!(["aws-production-admin", "aws-production-admin"]);
    assert!(Preset::read(&text).unwrap().map(&sample).unwrap().is_some());
}

#[test]
fn a_mapping_of_ones_own_reads_what_no_preset_knows() {
    let own = r#"
        name = "our-tool"
        [units]
        duration = "minutes"
        [status]
        of = "what"
        [status.map]
        given = "active"
        [fields]
        id = "join(':', ['our-tool', nr])"
        emitted_at = "at"
        principals = "[{kind: 'source_identity', value: who}]"
        "scope.role_arns" = "[role]"
        "window.not_before" = "at"
        "window.duration" = "minutes"
    "#;
    let message = json!({
        "what": "given", "nr": "7", "at": "2026-03-01T08:00:00Z", "who": "alice",
        "role": "arn:aws:iam::111122223333:role/ops", "minutes": 30,
    });
    let version = Preset::read(own).unwrap().map(&message).unwrap().unwrap();
    assert_eq!((&*version.id.0, &*version.source), ("our-tool:7", "our-tool"));
    assert_eq!(version.window.until.since(version.window.from).0, 1_800);
}

#[test]
fn a_wrong_mapping_is_refused_with_its_reason() {
    let wrong = |text: &str| Preset::read(text).unwrap_err().to_string();
    assert!(wrong("preset = \"unheard-of\"").contains("no preset `unheard-of`"));
    let base = "name = \"a\"\n[status]\nof = \"s\"\n[fields]\n";
    assert!(wrong(&format!("{base}id = \"join(\"")).contains("expression of `id` is not JMESPath"));
    assert!(wrong(&format!("{base}acounts = \"a\"")).contains("`acounts` is no field"));
    assert!(
        wrong(&format!("{base}id = \"{}a{}\"", "(".repeat(99), ")".repeat(99)))
            .contains("deeper than")
    );
    let given = |name: &str| preset("okta").unwrap().with(&[(name.to_owned(), "1h".to_owned())]);
    assert!(given("max_duration").is_ok());
    assert!(matches!(given("max_durations"), Err(MappingError::NoParameter { .. })));
}
