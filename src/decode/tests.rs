//! Stories of decoding: whole objects in, what was read and what was not.

use proptest::prelude::*;

use super::inflate::tests::gzip;
use super::*;
use crate::model::Slot;

fn record(name: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventTime":"2026-03-01T08:00:00Z","eventSource":"iam.amazonaws.com","eventName":"{name}","eventID":"{name}"}}"#
    )
}

fn names(decoded: &Decoded) -> Vec<String> {
    let name = |record| match record {
        Record::Trail(record) => record.slot_or_empty(Slot::EventName).into_owned(),
        Record::Flow(record) => record.raw().to_owned(),
    };
    decoded.records().map(|(_, record)| name(record)).collect()
}

fn read(text: &str) -> Decoded {
    decode(Format::Any, text.as_bytes().to_vec(), &Config::default()).unwrap()
}

#[test]
fn every_shape_of_a_file_gives_its_records() {
    let (a, b) = (record("A"), record("B"));
    for text in [
        format!(r#"{{"Records":[{a},{b}]}}"#),
        format!("{{\n \"Records\" : [\n{a} ,\n{b}\n]\n}}\n"),
        format!(r#"{{"note":{{"x":[1]}},"Records":[{a},{b}],"more":1}}"#),
        format!("{a}\n{b}\n"),
        format!("[{a},{b}]"),
        format!("\u{feff}{{\"Records\":[{a}]}}\n{{\"Records\":[{b}]}}"),
    ] {
        let decoded = read(&text);
        assert_eq!(names(&decoded), ["A", "B"], "{text}");
        assert!(decoded.bad.is_empty(), "{text}: {:?}", decoded.bad);
    }
    assert_eq!(names(&read(&a)), ["A"]);
    assert!(read(r#"{"Records":[]}"#).is_empty());
    assert!(read("").is_empty());
}

#[test]
fn several_members_are_one_file() {
    let bytes = [gzip(record("A").as_bytes()), gzip(b"\n"), gzip(record("B").as_bytes())].concat();
    let decoded = decode(Format::CloudTrail, bytes, &Config::default()).unwrap();
    assert_eq!(names(&decoded), ["A", "B"]);
}

#[test]
fn a_bad_record_costs_that_record() {
    let (a, b) = (record("A"), record("B"));
    for (bad, reason) in [
        (r#"{"eventVersion":"1.08"}"#, "`eventName` is missing"),
        (r#"{"eventVersion":"2.0","eventName":"X"}"#, "eventVersion `2.0`"),
        (r#"{"eventName":"X","eventSource":"s","eventTime":"noon"}"#, "eventTime `noon`"),
        (r#"{"eventCategory":"Insight"}"#, "another shape"),
        (r#"{"eventVersion":"1.08","x":nothing}"#, "expected a value"),
        (r#"{"eventVersion":"1.08","x":{"y":[}"#, "expected"),
        ("7", "a record"),
    ] {
        let decoded = read(&format!(r#"{{"Records":[{a},{bad},{b}]}}"#));
        assert_eq!(names(&decoded), ["A", "B"], "{bad}");
        assert_eq!(decoded.bad.len(), 1, "{bad}");
        assert_eq!(decoded.bad[0].index, 1);
        assert!(decoded.bad[0].reason.contains(reason), "{bad}: {}", decoded.bad[0].reason);
        assert!(decoded.bad[0].body.starts_with(bad), "{}", decoded.bad[0].body);
    }
}

#[test]
fn a_file_that_ends_too_early_says_so() {
    let decoded = read(&format!(r#"{{"Records":[{},{{"eventVersion":"1"#, record("A")));
    assert_eq!(names(&decoded), ["A"]);
    assert!(!decoded.bad.is_empty());
}

#[test]
fn bytes_that_are_no_text_cost_their_record() {
    let mut bytes =
        format!(r#"{{"Records":[{},{},{}]}}"#, record("A"), record("B#"), record("C")).into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'#').unwrap();
    bytes[at] = 0xff;
    let decoded = decode(Format::CloudTrail, bytes, &Config::default()).unwrap();
    assert_eq!(names(&decoded), ["A", "C"]);
    assert!(decoded.bad[0].reason.contains("UTF-8"));
}

#[test]
fn what_is_no_log_is_refused_whole() {
    let refuse =
        |bytes: &[u8]| decode(Format::Any, bytes.to_vec(), &Config::default()).unwrap_err();
    assert!(matches!(refuse(b"<html>"), DecodeError::NotJson { at: 0 }));
    assert!(matches!(refuse(b"PAR1...."), DecodeError::Parquet));
    let flow = decode(Format::Flow, b"hello world\n".to_vec(), &Config::default());
    assert!(matches!(flow, Err(DecodeError::NoFlowHeader { .. })));
}

#[test]
fn flow_lines_are_read_by_their_header() {
    let text = "dstport new-thing end log-status\r\n443 x 1767225660 OK\r\n- - 1767225660 NODATA\r\nx y 1 OK\r\n1 2 3";
    let decoded = read(text);
    assert_eq!(decoded.len(), 2);
    let (time, Record::Flow(first)) = decoded.record(0) else { panic!("a flow record") };
    assert_eq!((time, first.get("new-thing")), (Seconds(1_767_225_660), Some("x")));
    let reasons: Vec<&str> = decoded.bad.iter().map(|bad| bad.reason.as_str()).collect();
    assert_eq!(reasons, ["`dstport` is `x`, not a number", "3 fields where the header has 4"]);
    assert_eq!(decoded.bad[0].index, 2);
}

#[test]
fn a_flow_log_without_header_has_the_default_columns() {
    let line = "2 111122223333 eni-0a 198.51.100.77 10.0.1.5 40123 22 6 1 40 1767225600 1767225660 REJECT OK";
    let decoded = decode(Format::Flow, line.as_bytes().to_vec(), &Config::default()).unwrap();
    let (_, Record::Flow(record)) = decoded.record(0) else { panic!("a flow record") };
    assert_eq!((record.get("action"), record.number("dstport")), (Some("REJECT"), Some(22)));
}

proptest! {
    #[test]
    fn never_panics_and_never_exceeds_its_limit(bytes in prop::collection::vec(any::<u8>(), 0..400), packed: bool) {
        let config = Config { max_object_bytes: 1_024, ..Config::default() };
        let bytes = if packed { gzip(&bytes) } else { bytes };
        if let Ok(decoded) = decode(Format::Any, bytes, &config) {
            // A byte that is no UTF-8 becomes a replacement of three.
            prop_assert!(decoded.text_bytes() <= 3 * 1_024);
        }
    }

    #[test]
    fn cutting_a_file_anywhere_loses_only_what_is_cut(count in 1usize..6, cut: prop::sample::Index) {
        let records: Vec<String> = (0..count).map(|n| record(&format!("N{n}"))).collect();
        let text = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let cut = cut.index(text.len());
        let (kept, _) = text.split_at(cut);
        if let Ok(decoded) = decode(Format::CloudTrail, kept.as_bytes().to_vec(), &Config::default()) {
            let whole = records.iter().filter(|record| kept.contains(record.as_str())).count();
            prop_assert_eq!(decoded.len(), whole);
        }
    }
}
