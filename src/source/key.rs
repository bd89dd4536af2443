//! What an object is, by its key: a log, something that is routed elsewhere, or anything at all.
//!
//! The layout is found by its `AWSLogs` segment, because what stands before it is the user's
//! (CloudTrail User Guide, "Finding your CloudTrail log files"; VPC User Guide, "Flow log files").
//!
//! Invariant: no key is an error. Unknown folders below `AWSLogs` are noise; a key without that
//! segment promises nothing and is read.

use crate::model::Format;
use crate::model::Route;
use crate::model::Seconds;

/// What a key promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// An object to read.
    Read(Format),
    /// No log, or none that is read yet; with what it is, for the operator.
    Routed(Route, &'static str),
}

/// Returns what `key` promises.
pub(super) fn promise(key: &str) -> Promise {
    if key.ends_with('/') {
        return Promise::Routed(Route::Noise, "a folder made in the console");
    }
    if key.ends_with(".parquet") {
        return Promise::Routed(Route::Unsupported, "a Parquet file");
    }
    match folder(key) {
        Some(folder) => by_folder(folder),
        None => by_name(name(key)),
    }
}

/// Returns whether `key` lies below an `AWSLogs` segment.
pub(super) fn is_below_logs(key: &str) -> bool {
    key.split('/').any(|segment| segment == "AWSLogs")
}

/// Returns the minute (or second) of delivery that the name of a CloudTrail or flow log file bears.
pub(super) fn delivered(key: &str) -> Option<Seconds> {
    name(key).split(['_', '.']).rev().find_map(stamp)
}

fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// Returns the segment that names the kind of log, below the account; `None` without `AWSLogs`.
fn folder(key: &str) -> Option<&str> {
    let mut segments = key.split('/');
    segments.find(|segment| *segment == "AWSLogs")?;
    // An organisation's id may stand before the account, and in Hive style each segment says what it is.
    let below = segments.find(|segment| !segment.starts_with("o-") && !is_account(segment));
    let below = below.unwrap_or_default();
    Some(below.strip_prefix("aws-service=").unwrap_or(below))
}

fn is_account(segment: &str) -> bool {
    let number = segment.strip_prefix("aws-account-id=").unwrap_or(segment);
    number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn by_folder(folder: &str) -> Promise {
    match folder {
        "CloudTrail" | "CloudTrail-NetworkActivity" => Promise::Read(Format::CloudTrail),
        "vpcflowlogs" => Promise::Read(Format::Flow),
        "CloudTrail-Digest" => Promise::Routed(Route::Digest, "a CloudTrail digest"),
        "CloudTrail-Insight" => Promise::Routed(Route::Insight, "CloudTrail Insights"),
        "CloudTrail-Aggregated" => Promise::Routed(Route::Aggregated, "CloudTrail aggregates"),
        "Config" => Promise::Routed(Route::Noise, "an AWS Config object"),
        _ => Promise::Routed(Route::Noise, "an object of another service"),
    }
}

/// Files that were copied out of their folders still have their names.
fn by_name(name: &str) -> Promise {
    let mut parts = name.split('_');
    match (parts.next().is_some_and(is_account), parts.next()) {
        (true, Some(kind)) if kind == "vpcflowlogs" || kind.starts_with("CloudTrail") => {
            by_folder(kind)
        }
        _ => Promise::Read(Format::Any),
    }
}

/// Reads `YYYYMMDDTHHmmZ` or `YYYYMMDDTHHmmssZ`.
fn stamp(text: &str) -> Option<Seconds> {
    let digits = text.strip_suffix('Z')?;
    let (date, time) = digits.split_once('T')?;
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if date.len() != 8 || !matches!(time.len(), 4 | 6) || !is_digits(date) || !is_digits(time) {
        return None;
    }
    let padding = if time.len() == 4 { "00" } else { "" };
    Seconds::parse(&format!("{date}T{time}{padding}Z"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(story: &str) {
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (key, wanted) = line.split_once(" ! ").unwrap();
            let found = match promise(key.trim()) {
                Promise::Read(format) => format!("read {format:?}"),
                Promise::Routed(route, _) => format!("route {}", route.name()),
            };
            assert_eq!(found, wanted, "{key}");
        }
    }

    #[test]
    fn keys_say_what_they_are() {
        check(
            "
            AWSLogs/111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz               ! read CloudTrail
            AWSLogs/o-abc123/111122223333/CloudTrail/eu-west-1/2026/03/01/x.json.gz      ! read CloudTrail
            o-abc123/AWSLogs/o-abc123/111122223333/CloudTrail/eu-west-1/x.json.gz        ! read CloudTrail
            some/pre fix/AWSLogs/111122223333/CloudTrail-NetworkActivity/x.json.gz       ! read CloudTrail
            AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026/03/01/x.json.gz        ! route digest
            AWSLogs/111122223333/CloudTrail-Insight/eu-west-1/2026/03/01/x.json.gz       ! route insight
            AWSLogs/111122223333/CloudTrail-Aggregated/eu-west-1/2026/03/01/x.json.gz    ! route aggregated
            AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/03/01/08/x.log.gz            ! read Flow
            AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/day=01/x.log.gz  ! read Flow
            AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/x.log.parquet    ! route unsupported
            AWSLogs/111122223333/Config/eu-west-1/2026/3/1/ConfigSnapshot/x.json.gz      ! route noise
            AWSLogs/111122223333/Config/ConfigWritabilityCheckFile                       ! route noise
            AWSLogs/111122223333/elasticloadbalancing/eu-west-1/x.log.gz                 ! route noise
            AWSLogs/111122223333/CloudTrail/eu-west-1/2026/                              ! route noise
            AWSLogs/111122223333/ELBAccessLogTestFile                                    ! route noise
            aws/CLOUD_TRAIL_MGMT/2.0/region=eu-west-1/eventDay=20260301/f.gz.parquet     ! route unsupported
            exports/trail.jsonl                                                          ! read Any
            111122223333_CloudTrail_eu-west-1_20260301T0815Z_Ab1.json.gz                 ! read CloudTrail
            copies/111122223333_CloudTrail-Digest_eu-west-1_t_20260301T080000Z.json.gz   ! route digest
            111122223333_vpcflowlogs_eu-west-1_fl-1_20260301T0815Z_h.log.gz              ! read Flow
            AWSLogs                                                                      ! route noise
            ",
        );
    }

    #[test]
    fn names_bear_the_minute_of_delivery() {
        let at = |text: &str| Seconds::parse(text);
        let trail = "AWSLogs/1/111122223333_CloudTrail_eu-west-1_20260301T0815Z_Ab1.json.gz";
        assert_eq!(delivered(trail), at("2026-03-01T08:15:00Z"));
        let flow = "111122223333_vpcflowlogs_eu-west-1_fl-0a_20260301T0820Z_1f2e.log.gz";
        assert_eq!(delivered(flow), at("2026-03-01T08:20:00Z"));
        let digest =
            "111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260301T080001Z.json.gz";
        assert_eq!(delivered(digest), at("2026-03-01T08:00:01Z"));
        for none in ["events.json", "a_20261301T0815Z_b", "a_2026030T0815Z_b", "", "_TZ_"] {
            assert_eq!(delivered(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_key_promises_something(key in ".*") {
            promise(&key);
            delivered(&key);
        }
    }
}
