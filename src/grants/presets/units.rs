//! Moments and lengths of time as brokers write them, made ours: text with a zone, seconds or milliseconds since 1970,
//! hours as text, `3600s`, `PT2H`.
//!
//! Invariant: a bare number counts only in the unit that the mapping declares; what could mean two things is a mistake,
//! and so is "forever".

use serde::Deserialize;
use serde_json::Value;
use serde_json::json;

use crate::grants::message::Mistake;
use crate::model::Duration;
use crate::model::Seconds;
use crate::model::Span;

/// What a bare number counts since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeUnit {
    /// Nothing: moments are texts.
    #[default]
    None,
    /// Seconds, with or without a fraction.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
}

/// What a bare number of a length of time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DurationUnit {
    /// Nothing: lengths are texts with their unit.
    #[default]
    None,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

/// Reads a moment.
pub(super) fn moment(value: &Value, unit: TimeUnit) -> Result<Seconds, String> {
    if let Some(found) = value.as_str().and_then(|text| Seconds::parse(text.trim())) {
        return Ok(found);
    }
    let Some(number) = number(value) else {
        return Err(format!("{value} is no time with its zone, such as 2026-03-01T08:00:00Z"));
    };
    let seconds = match unit {
        TimeUnit::None => {
            return Err(format!("{value} is a time without a unit: [units] time says none"));
        }
        TimeUnit::Seconds => number,
        TimeUnit::Milliseconds => number / 1_000.0,
    };
    // Between 2000 and 2100: a number in the other unit is far outside.
    match (946_684_800.0..4_102_444_800.0).contains(&seconds) {
        #[expect(clippy::cast_possible_truncation, reason = "the range was just tested")]
        true => Ok(Seconds(seconds.floor() as i64)),
        false => {
            Err(format!("{value} is no time of this century in the unit that [units] declares"))
        }
    }
}

/// Reads a length of time.
pub(super) fn duration(value: &Value, unit: DurationUnit) -> Result<Span, String> {
    let Some(number) = number(value) else {
        let text = value.as_str().unwrap_or_default().trim();
        let own = text.parse::<Duration>().ok().map(Duration::span);
        let found = own.or_else(|| iso(text)).filter(|span| span.0 > 0);
        return found.ok_or_else(|| format!("{value} is no length of time, such as 3600s or PT2H"));
    };
    let factor = match unit {
        DurationUnit::None => {
            return Err(format!("{value} is a length without a unit: [units] duration says none"));
        }
        DurationUnit::Seconds => 1.0,
        DurationUnit::Minutes => 60.0,
        DurationUnit::Hours => 3_600.0,
    };
    let seconds = number * factor;
    match seconds {
        ..=0.0 => Err(format!("{value} is no end: that is standing privilege, no grant")),
        #[expect(clippy::cast_possible_truncation, reason = "the range was just tested")]
        0.0..=1e12 => Ok(Span(seconds.ceil() as i64)),
        _ => Err(format!("{value} is no length of time")),
    }
}

/// Returns a number, which may be written as text.
fn number(value: &Value) -> Option<f64> {
    let found = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    found.filter(|it: &f64| it.is_finite())
}

/// Reads `PT2H`, `P1DT30M`; months and years have no length of their own.
fn iso(text: &str) -> Option<Span> {
    let (days, time) = match text.strip_prefix('P')?.split_once('T') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text.strip_prefix('P')?, ""),
    };
    let part = |text: &str, units: &[(char, i64)]| {
        let (mut total, mut digits) = (0_i64, String::new());
        for letter in text.chars() {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            let (_, factor) = units.iter().find(|(unit, _)| *unit == letter)?;
            total = total.checked_add(digits.parse::<i64>().ok()?.checked_mul(*factor)?)?;
            digits.clear();
        }
        digits.is_empty().then_some(total)
    };
    let days = part(days, &[('W', 604_800), ('D', 86_400)])?;
    Some(Span(days.checked_add(part(time, &[('H', 3_600), ('M', 60), ('S', 1)])?)?))
}

/// Makes the end of the window from its beginning and `duration`, in seconds, if the message names no end itself.
pub(super) fn end(message: &mut Value, duration: Option<Value>, mistakes: &mut Vec<Mistake>) {
    let window = &message["window"];
    let begins = window["not_before"].as_str().and_then(Seconds::parse);
    let is_open = window["not_after"].is_null();
    let (Some(begins), Some(duration), true) =
        (begins, duration.and_then(|it| it.as_i64()), is_open)
    else {
        // The window of an end that is told without a beginning is not known, and not needed.
        return;
    };
    match begins.0.checked_add(duration) {
        Some(ends) => message["window"]["not_after"] = json!(Seconds(ends).to_string()),
        None => mistakes.push(Mistake::new("window.duration", "is too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_every_form_that_is_not_ambiguous() {
        let eight = Seconds::parse("2026-03-01T08:00:00Z").unwrap();
        for text in [
            "2026-03-01T08:00:00Z",
            "2026-03-01T08:00:00.265Z",
            "2026-03-01T10:00:00+02:00",
            "2026-03-01T08:00:00+0000",
            "2026-03-01 08:00:00.123456+00:00",
        ] {
            assert_eq!(moment(&json!(text), TimeUnit::None), Ok(eight), "{text}");
        }
        assert_eq!(moment(&json!(1_772_352_000), TimeUnit::Seconds), Ok(eight));
        assert_eq!(moment(&json!(1_772_352_000.85), TimeUnit::Seconds), Ok(eight));
        assert_eq!(moment(&json!("1772352000"), TimeUnit::Seconds), Ok(eight));
        assert_eq!(moment(&json!(1_772_352_000_250_i64), TimeUnit::Milliseconds), Ok(eight));
        for (wrong, unit) in [
            (json!("2026-03-01T08:00:00"), TimeUnit::None),
            (json!("01/03/2026 08:00"), TimeUnit::None),
            (json!(1_772_352_000), TimeUnit::None),
            (json!(1_772_352_000), TimeUnit::Milliseconds),
            (json!(1_772_352_000_250_i64), TimeUnit::Seconds),
            (json!("nan"), TimeUnit::Seconds),
            (json!(true), TimeUnit::Seconds),
        ] {
            assert!(moment(&wrong, unit).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_are_read_in_the_unit_that_is_declared_and_forever_is_none() {
        for (value, unit, seconds) in [
            (json!("2"), DurationUnit::Hours, 7_200),
            (json!(2), DurationUnit::Hours, 7_200),
            (json!(90), DurationUnit::Minutes, 5_400),
            (json!(3_600), DurationUnit::Seconds, 3_600),
            (json!("3600s"), DurationUnit::None, 3_600),
            (json!("8h"), DurationUnit::None, 28_800),
            (json!("PT2H"), DurationUnit::None, 7_200),
            (json!("P1DT30M"), DurationUnit::Hours, 88_200),
        ] {
            assert_eq!(duration(&value, unit), Ok(Span(seconds)), "{value}");
        }
        for (value, unit) in [
            (json!(-1), DurationUnit::Seconds),
            (json!(0), DurationUnit::Hours),
            (json!("P1Y"), DurationUnit::None),
            (json!("PT"), DurationUnit::None),
            (json!("P"), DurationUnit::None),
            (json!("PT0S"), DurationUnit::None),
            (json!(3_600), DurationUnit::None),
            (json!("NA"), DurationUnit::Seconds),
            (json!(1e300), DurationUnit::Hours),
            (json!(""), DurationUnit::Hours),
        ] {
            assert!(duration(&value, unit).is_err(), "{value}");
        }
    }
}
