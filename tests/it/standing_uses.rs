//! What counts as use through a grant, and what a scan says of standing privilege at its end.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use grantwatch::iam::standing::Activity as _;
use grantwatch::iam::standing::uses::Seen;
use grantwatch::iam::standing::uses::Whose;
use grantwatch::model::Format;
use grantwatch::store::Reader;
use serde_json::Value;
use serde_json::json;

use crate::outside::daemon::House;
use crate::standing::HOME;
use crate::standing::SIMULATE;
use crate::standing::Stage;
use crate::standing::run;

/// Word of the grant of ana on the first day: what it says, and until when it goes on.
fn word(stage: &mut Stage, revision: u32, status: &str, until: &str) {
    let message = json!({
        "schema": "grantwatch.grant/1", "id": "g-1", "source": "test", "revision": revision, "status": status,
        "emitted_at": format!("2026-03-01T0{revision}:00:00Z"), "approved_at": "2026-03-01T00:00:00Z",
        "approvers": [{"user_name": "chief@example.com"}],
        "principals": [{"kind": "idc_user", "user_name": "ana@example.com", "user_id": "u-ana"}],
        "scope": {"accounts": [HOME], "permission_sets": ["Admin"]}, "justification": "maintenance",
        "window": {"not_before": "2026-03-01T00:00:00Z", "not_after": format!("2026-03-01T{until}:00Z")},
    });
    stage.deliver(Format::Grants, ".ndjson", format!("{message}\n"));
}

/// Returns whether ana, or her role, is said to have used something through a grant.
fn through_grant(stage: &Stage) -> bool {
    let reader = Reader::open(&stage.store()).unwrap();
    let mut seen = Seen::default();
    seen.read(&reader, &|_: &str, _: &str| true, Whose::Everybody).unwrap();
    let role = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef";
    let [person, role] =
        ["NAME/ana@example.com", role].map(|holder| seen.used(holder, HOME).unwrap().through_grant);
    assert_eq!(person, role);
    person
}

#[test]
fn a_verdict_that_a_late_word_takes_back_was_no_use_through_a_grant() {
    let begun = || {
        let mut stage = Stage::new();
        word(&mut stage, 1, "active", "23:00");
        stage.told("1 13:00 ana CreateUser \n 1 15:00 bob GetUser")
    };
    assert!(through_grant(&begun()));
    for restart in ["", "restart"] {
        let mut stage = begun().told(restart);
        word(&mut stage, 2, "revoked", "12:00");
        let stage = stage.told(&format!("{restart} \n 1 16:00 bob GetUser"));
        assert!(!through_grant(&stage), "{restart}");
        // And what is covered after all is one.
        let mut stage = stage.told(restart);
        word(&mut stage, 3, "active", "22:00");
        assert!(through_grant(&stage.told("1 17:00 bob GetUser")), "{restart}");
    }
}

#[test]
fn a_scan_says_at_its_end_how_many_have_standing_privilege() {
    let house = House::new();
    run(&house, &SIMULATE);
    let known = ["--grants", "drill/grants.ndjson", "--policies", "drill/snapshot/start"];
    let scan = ["scan", "drill/AWSLogs", "--broker", "access-broker", "--pipeline", "ci-deploy"];
    let said = |more: &[&str]| {
        let output = house.command(&[&scan[..], more].concat()).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let text = said(&[&known[..], &["--store", "scan.db"]].concat());
    let standing = ["standing", "--snapshot", "drill/snapshot/start", "--store", "scan.db"];
    assert!(text.contains(&format!("all of it: grantwatch {}\n", standing.join(" "))), "{text}");
    let printed = run(&house, &[&standing[..], &["--format", "json"]].concat());
    let rows: Vec<Value> = serde_json::from_str(&printed).unwrap();
    let mut classes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["expected"].is_null()) {
        let text = |name: &str| row[name].as_str().unwrap();
        classes.entry(text("class")).or_default().insert(text("holder"));
    }
    let all: BTreeSet<&str> = classes.values().flatten().copied().collect();
    assert!(text.contains(&format!("standing privilege: {} identities (", all.len())), "{text}");
    let administrators = format!("({} administrator", classes["administrator"].len());
    assert!(text.contains(&administrators), "{text}");
    assert!(!said(&["--grants", "drill/grants.ndjson"]).contains("standing privilege"));
}
