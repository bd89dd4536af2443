//! Time as events tell it: whole seconds since 1970, UTC.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// A moment in seconds since 1970-01-01T00:00:00Z. CloudTrail's `eventTime` has no finer grain.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seconds(pub i64);

/// A length of time in whole seconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Span(pub i64);

impl Seconds {
    /// Reads ISO 8601 in UTC: `2026-03-01T08:00:00Z`, with a fraction or an offset, or `20260301T080000Z`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_fixed(text.as_bytes())
            .or_else(|| Some(Self(text.parse::<jiff::Timestamp>().ok()?.as_second())))
    }

    /// The form CloudTrail writes, `YYYY-MM-DDThh:mm:ssZ`, without the general parser: one is read per event.
    fn parse_fixed(text: &[u8]) -> Option<Self> {
        let [
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T',
            h0,
            h1,
            b':',
            n0,
            n1,
            b':',
            s0,
            s1,
            b'Z',
        ] = text
        else {
            return None;
        };
        let two = |a: &u8, b: &u8| {
            let both = a.is_ascii_digit() && b.is_ascii_digit();
            both.then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
        };
        let year = two(y0, y1)? * 100 + two(y2, y3)?;
        let (month, day) = (two(m0, m1)?, two(d0, d1)?);
        let (hour, minute, second) = (two(h0, h1)?, two(n0, n1)?, two(s0, s1)?);
        let in_range = (1..=12).contains(&month)
            && (1..=28).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        // Days 29 to 31 need a calendar: the general parser has one.
        in_range.then(|| {
            Self(days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
        })
    }

    /// Returns this moment moved by `span`.
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// Returns how long after `earlier` this is; negative if it is before.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

/// Returns when credentials end, as STS writes it: `Jul 10, 2023, 12:21:41 PM`, the same with one comma less, or ISO 8601.
pub fn expiration(text: &str) -> Option<Seconds> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    // Newer Java writes a narrow no-break space before AM and PM; it counts as white space here.
    let parts: Vec<_> = text
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|part| !part.is_empty())
        .collect();
    let [month, day, year, clock, half] = parts.as_slice() else { return Seconds::parse(text) };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let (hour, rest) = clock.split_once(':')?;
    let hour: u8 = hour.parse().ok().filter(|hour| (1..=12).contains(hour))?;
    let hour = match *half {
        "AM" => hour % 12,
        "PM" => hour % 12 + 12,
        _ => return None,
    };
    Seconds::parse(&format!("{year}-{month:02}-{day:0>2}T{hour:02}:{rest}Z"))
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(moment) => write!(f, "{moment}"),
            Err(_) => write!(f, "{}s", self.0),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, total) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (days, hours, minutes, seconds) =
            (total / 86_400, total / 3_600 % 24, total / 60 % 60, total % 60);
        match (days, hours, minutes, seconds) {
            (0, 0, 0, s) => write!(f, "{sign}{s}s"),
            (0, 0, m, 0) => write!(f, "{sign}{m}m"),
            (0, 0, m, s) => write!(f, "{sign}{m}m{s}s"),
            (0, h, 0, _) => write!(f, "{sign}{h}h"),
            (0, h, m, _) => write!(f, "{sign}{h}h{m}m"),
            (d, 0, _, _) => write!(f, "{sign}{d}d"),
            (d, h, _, _) => write!(f, "{sign}{d}d{h}h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_and_the_long_way_agree() {
        for text in [
            "2026-03-01T08:12:30Z",
            "1999-12-28T23:59:59Z",
            "2024-02-28T00:00:00Z",
            "2000-01-01T00:00:00Z",
        ] {
            let short = Seconds::parse_fixed(text.as_bytes()).unwrap();
            let long = text.parse::<jiff::Timestamp>().unwrap().as_second();
            assert_eq!(short.0, long, "{text}");
        }
        assert_eq!(Seconds::parse("2024-02-29T00:00:00Z"), Some(Seconds(1_709_164_800)));
        assert_eq!(Seconds::parse("2023-02-29T00:00:00Z"), None);
        assert_eq!(
            Seconds::parse("2026-03-01T09:12:30.5+01:00"),
            Seconds::parse("2026-03-01T08:12:30Z")
        );
        assert_eq!(Seconds::parse("20131102T010628Z"), Seconds::parse("2013-11-02T01:06:28Z"));
        assert_eq!(Seconds::parse("yesterday"), None);
    }

    #[test]
    fn reads_both_spellings_of_an_expiration() {
        for (written, expected) in [
            ("Jul 10, 2023, 12:21:41 PM", "2023-07-10T12:21:41Z"),
            ("Jul 10, 2023 12:09:21 PM", "2023-07-10T12:09:21Z"),
            ("Mar 2, 2026, 12:16:14 AM", "2026-03-02T00:16:14Z"),
            ("Mar 31, 2026, 8:16:14\u{202f}PM", "2026-03-31T20:16:14Z"),
            ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z"),
        ] {
            assert_eq!(expiration(written), Seconds::parse(expected), "{written}");
            assert!(expiration(written).is_some(), "{written}");
        }
        for wrong in ["", "Jul 10, 2023", "Foo 10, 2023, 1:00:00 PM", "Jul 10, 2023, 13:00:00 PM"] {
            assert_eq!(expiration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_span_reads_like_speech() {
        assert_eq!(Span(361).to_string(), "6m1s");
        assert_eq!(Span(360).to_string(), "6m");
        assert_eq!(Span(7_260).to_string(), "2h1m");
        assert_eq!(Span(90_000).to_string(), "1d1h");
    }
}
